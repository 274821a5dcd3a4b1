import json

import numpy as np
import pandas as pd
import pytest

from jenacast.baselines import measure_baseline
from jenacast.download import CSV_NAME
from jenacast.prepare import prepare
from jenacast.prepared import load_prepared

HOURS = {"history_hours": 120, "lead_hours": 24}


@pytest.fixture(scope="module")
def real_prepared(real_series, tmp_path_factory):
    """The real series prepared under each protocol."""
    prepared = {}
    for protocol in ("book", "strict"):
        folder = tmp_path_factory.mktemp(protocol)
        (folder / CSV_NAME).symlink_to(real_series)
        prepare(folder, protocol=protocol)
        prepared[protocol] = load_prepared(folder)
    return prepared


def answer(jenacast, folder):
    result = jenacast("baseline", "--data-dir", folder, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("protocol", ["strict", "book"])
@pytest.mark.parametrize(("step_minutes", "rows", "slope_c"), [(60, 1400, -0.01), (10, 6600, 0.01)])
def test_on_a_ramp_the_error_is_lead_times_slope(place_csv, ramp, jenacast, protocol, step_minutes, rows, slope_c):
    folder = place_csv(*ramp(rows=rows, step_minutes=step_minutes, slope_c=slope_c))
    prepare(folder, protocol=protocol)
    rise_c = 24 * 60 // step_minutes * slope_c
    for errors in answer(jenacast, folder)["splits"].values():
        assert errors["mae_c"] == pytest.approx(abs(rise_c), abs=1e-6)
        assert errors["rmse_c"] == pytest.approx(abs(rise_c), abs=1e-6)
        assert errors["bias_c"] == pytest.approx(-rise_c, abs=1e-6)  # where it warms, the past is too cold


def test_the_errors_are_those_of_the_csv_shifted_by_a_day(data_dir, jenacast):
    celsius = pd.read_csv(data_dir / CSV_NAME)["T (degC)"].to_numpy()
    got = answer(jenacast, data_dir)
    assert (got["protocol"], got["synthetic"]) == ("strict", True)
    assert list(got["splits"]) == ["val", "test"]
    for split, start, stop in (("val", 700, 1050), ("test", 1050, 1400)):
        nows = np.arange(start + 119, stop - 24)
        errors = celsius[nows] - celsius[nows + 24]
        assert got["splits"][split] == {
            "windows": len(nows),
            "mae_c": pytest.approx(np.abs(errors).mean(), abs=1e-5),
            "rmse_c": pytest.approx(np.sqrt((errors**2).mean()), abs=1e-5),
            "bias_c": pytest.approx(errors.mean(), abs=1e-5),
        }


def test_other_hours_give_other_windows(data_dir):
    prepared = load_prepared(data_dir)
    celsius = pd.read_csv(data_dir / CSV_NAME)["T (degC)"].to_numpy()
    errors = measure_baseline(prepared, ("train",), history_hours=12, lead_hours=3)["train"]
    nows = np.arange(11, 700 - 3)
    assert errors.windows == len(nows)
    assert errors.mae_c == pytest.approx(np.abs(celsius[nows] - celsius[nows + 3]).mean(), abs=1e-5)


def test_the_table_rounds_the_same_figures_and_marks_made_up_data(data_dir, jenacast):
    errors = measure_baseline(load_prepared(data_dir), ("val", "test"), **HOURS)
    result = jenacast("baseline", "--data-dir", data_dir)
    assert result.exit_code == 0
    head, _, _, *rows = result.stdout.splitlines()
    assert head == "the same as 24 h before; protocol strict  (synthetic series)"
    assert [row.split() for row in rows] == [
        [split, str(e.windows), f"{e.mae_c:.3f}", f"{e.rmse_c:.3f}", f"{e.bias_c:+.3f}"] for split, e in errors.items()
    ]
    assert result.stderr == ""


def test_real_data_are_not_called_synthetic(data_dir, jenacast, place_csv, ramp):
    folder = place_csv(*ramp(rows=1400), name="real")
    prepare(folder)
    assert "synthetic" not in jenacast("baseline", "--data-dir", folder).stdout
    assert answer(jenacast, folder)["synthetic"] is False


def test_without_prepared_data_the_remedy_is_named(tmp_path, jenacast):
    result = jenacast("baseline", "--data-dir", tmp_path)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.endswith("manifest.json not found; run: jenacast prepare\n")


@pytest.mark.real
@pytest.mark.parametrize(
    ("protocol", "split", "windows", "mae_c", "digits"),
    [
        ("book", "val", 17_404, 2.4404, 4),
        ("book", "test", 17_261, 2.6196, 4),
        ("strict", "val", 16_808, 2.431, 3),
        ("strict", "test", 17_237, 2.619, 3),
        ("strict", "train", 34_736, None, None),
        ("book", "train", 34_927, None, None),
    ],
)
def test_the_published_errors_come_out(real_prepared, protocol, split, windows, mae_c, digits):
    errors = measure_baseline(real_prepared[protocol], (split,), **HOURS)[split]
    assert errors.windows == windows
    if mae_c is not None:
        assert round(errors.mae_c, digits) == mae_c
