"""Station files as the institute publishes them today, for tests of what reads them."""

import numpy as np

from jenacast.columns import COLUMNS, SENTINEL, TIME_FORMAT, TIME_HEADER

ALSO_TODAY = (
    "rain (mm)",
    "raining (s)",
    "SWDR (W/m²)",
    "PAR (µmol/m²/s)",
    "max. PAR (µmol/m²/s)",
    "Tlog (degC)",
    "CO2 (ppm)",
)
ALSO_TODAY_VALUES = (0.0, 0.0, 112.25, 230.75, 301.5, 21.34, SENTINEL)


def write_station_file(path, times, values, *, missing=None, also=None):
    """Write rows in the order given: Latin-1, 22 columns, quoted header, numbers padded with blanks.

    Args:
        path: the file to write.
        times: (rows,) datetime64[s].
        values: (rows, columns) in the order of `jenacast.columns.COLUMNS`; two decimals are kept, NaN is missing.
        missing: (rows,) or (rows, columns) bool, where to write the mark for missing instead.
        also: (rows, 5) of `jenacast.columns.OPTIONAL`, instead of the same in every row.
    """
    values = np.array(values, dtype=np.float64)
    if missing is not None:
        values[np.asarray(missing)] = SENTINEL
    values[np.isnan(values)] = SENTINEL
    more = np.tile(ALSO_TODAY_VALUES, (len(times), 1))
    if also is not None:
        more[:, [0, 1, 2, 3, 6]] = also
    header = ",".join(f'"{name}"' for name in (TIME_HEADER, *(column.header for column in COLUMNS), *ALSO_TODAY))
    lines = [
        ",".join([time.strftime(TIME_FORMAT), *(f"{value:9.2f}" for value in row)])
        for time, row in zip(times.astype("datetime64[s]").tolist(), np.hstack([values, more]).tolist(), strict=True)
    ]
    path.write_bytes("\n".join([header, *lines, ""]).encode("latin-1"))
    return path
