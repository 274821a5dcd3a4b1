"""What `jenacast prepare` takes for twenty-one years of ten-minute rows, as a process, beside reading with pandas.

The series is made up and lies in half years as the station packs them: 22 columns, numbers padded with blanks, zipped.
Time
is that of the processor, since other programs may run; memory is the largest the process had.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from jenacast.columns import COLUMNS, OPTIONAL, TIME_FORMAT, TIME_HEADER
from jenacast.data.synthetic import synthetic_series

HALF_YEAR = 26_280  # rows
PANDAS = """
import sys
import pandas as pd
for path in sys.argv[1:]:
    table = pd.read_csv(path, encoding="latin-1", skipinitialspace=True)
    table["Date Time"] = pd.to_datetime(table["Date Time"], format="%d.%m.%Y %H:%M:%S")
"""
# Between the two processes, since a child begins with the memory of its parent.
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def write_archive(folder: Path, rows: int) -> list[str]:
    """Zips of half years with so many rows in all; their paths."""
    times, values = synthetic_series(rows=rows, warts=False)
    further = np.random.default_rng(0).uniform(300, 600, (rows, 7)).round(2)
    heads = ["max. PAR (µmol/m²/s)", "Tlog (degC)", *(column.header for column in OPTIONAL)]
    header = ",".join(f'"{head}"' for head in (TIME_HEADER, *(column.header for column in COLUMNS), *heads))
    line, paths = "%s" + ",%9.2f" * (len(COLUMNS) + len(heads)), list[str]()
    for first in range(0, rows, HALF_YEAR):
        part = slice(first, first + HALF_YEAR)
        table = zip(times[part].tolist(), np.hstack([values[part], further[part]]).tolist(), strict=True)
        text = "\n".join([header, *(line % (time.strftime(TIME_FORMAT), *numbers) for time, numbers in table), ""])
        paths.append(str(folder / f"mpi_roof_{len(paths):02}.zip"))
        with zipfile.ZipFile(paths[-1], "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("mpi_roof.csv", text.encode("latin-1"))
    return paths


def measured(arguments: list[str]) -> tuple[float, float]:
    """Run Python with these arguments: seconds of the processor, and MB of memory at most."""
    command = [sys.executable, "-c", MEASURE, sys.executable, *arguments]
    seconds, most = map(float, subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.split())
    return seconds, most / (1e6 if sys.platform == "darwin" else 1e3)  # Linux counts in kilobytes


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_100_000, help="ten-minute rows")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_archive(Path(folder), arguments.rows)
        data = str(Path(folder) / "data")
        prepare_s, prepare_mb = measured(["-m", "jenacast", "prepare", *paths, "--data-dir", data, "--json"])
        pandas_s, pandas_mb = measured(["-c", PANDAS, *paths])
    if arguments.json:
        found = {"prepare_s": prepare_s, "prepare_mb": prepare_mb, "pandas_s": pandas_s, "pandas_mb": pandas_mb}
        print(json.dumps({"rows": arguments.rows, "ratio": pandas_s / prepare_s, **found}))
        return
    print(f"jenacast prepare, {arguments.rows:,} rows  {prepare_s:6.1f} s  {prepare_mb:4.0f} MB")
    print(f"pandas alone, read and dropped    {pandas_s:6.1f} s  {pandas_mb:4.0f} MB")
    print(f"pandas / jenacast                 {pandas_s / prepare_s:6.2f}")


if __name__ == "__main__":
    main()
