"""The Python of docs/python.md, run in order on a small series, with one epoch instead of ten."""

import re
import runpy
from pathlib import Path

import numpy as np
from station_files import write_station_file

from jenacast.data.synthetic import synthetic_series

PAGE = Path(__file__).parent.parent / "docs" / "python.md"


def test_the_lines_of_the_page_run_in_order(data_dir, tmp_path, monkeypatch, capsys, scores):
    monkeypatch.chdir(tmp_path)
    times, values = np.datetime64("2026-07-01T00:10") + np.arange(1440) * np.timedelta64(10, "m"), synthetic_series
    write_station_file(tmp_path / "mpi_roof_2026b.csv", times, values(rows=1440, warts=False)[1])
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    told = []
    for block in blocks:
        script = tmp_path / "block.py"
        script.write_text(block.replace("epochs=10", "epochs=1"))
        runpy.run_path(str(script))
        told.append(capsys.readouterr().out)
    trained, forecast = told
    assert "SYNTHETIC" in trained
    assert f"{scores('mine.keras', '--data-dir', data_dir)['mae_c']:.3f}" in trained
    assert "temperature_c" in forecast
