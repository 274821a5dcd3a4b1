"""Stations that follow their region, with a step where one is asked for."""

import numpy as np

from jenacast.columns import COLUMNS, NAMES, TARGET
from jenacast.data.region import REFERENCE
from jenacast.data.synthetic import synthetic_series

# What is left of the station's difference from its region after the break of 2012, without the annual cycle: its
# deviation and the autocorrelation from month to month, measured on the real series up to 2024 (0.156 °C and 0.16).
DEVIATION_C, AUTOCORRELATION = 0.16, 0.2


def red_noise(generator, months, deviation_c=DEVIATION_C, autocorrelation=AUTOCORRELATION):
    """(months,) degC of a first-order autoregressive process."""
    noise_c = generator.standard_normal(months)
    for month in range(1, months):
        noise_c[month] *= np.sqrt(1 - autocorrelation**2)
        noise_c[month] += autocorrelation * noise_c[month - 1]
    return deviation_c * noise_c


def annual_cycle(months):
    """(months,) degC by months counted from January 1970: 0.3 °C more in July, 0.3 °C less in January."""
    return -0.3 * np.cos(2 * np.pi * (months % 12) / 12)


def regional_series(first, years, steps=(), seed=0, step_minutes=60):
    """Times and (rows, columns) values of a station from January `first` on; each of `steps` is (month, degC).

    The other columns are those of the package's made-up series.
    """
    months = np.arange(np.datetime64(f"{first}-01", "M"), np.datetime64(f"{first + years}-01", "M"))
    region = {line.split(",")[0]: float(line.split(",")[1]) for line in REFERENCE.read_text().splitlines()[7:]}
    means_c = np.array([region[str(month)] for month in months]) + annual_cycle(months.astype(np.int64))
    means_c += red_noise(np.random.default_rng(seed), len(months))
    for month, step_c in steps:
        means_c[months >= np.datetime64(month, "M")] += step_c
    rows = int((months[-1] + 1 - months[0].astype("datetime64[D]")).astype(np.int64)) * 24 * 60 // step_minutes
    times = months[0].astype("datetime64[m]") + step_minutes * np.arange(1, rows + 1)
    _, values = synthetic_series(rows=rows, step_minutes=step_minutes, seed=3, warts=False)
    within = times - np.timedelta64(1, "m")
    hour = within.astype("datetime64[h]").astype(np.int64) % 24
    of_month = (within.astype("datetime64[M]") - months[0]).astype(np.int64)
    values[:, NAMES.index(TARGET)] = np.round(means_c[of_month] - 3 * np.cos(2 * np.pi * (hour - 2) / 24), 2)
    return times.astype("datetime64[s]"), values[:, : len(COLUMNS)]
