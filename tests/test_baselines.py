import json
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from jenacast.columns import NAMES, TARGET
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.data.series import Series
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.evaluation.baselines import fit_baselines, measure_baselines
from jenacast.evaluation.ridge import PENALTIES
from jenacast.features.climatology import Climatology

HOURS = {"history_hours": 120, "lead_hours": 24}
SHORT = {"history_hours": 1, "lead_hours": 24}  # so that a fit takes a moment
YEARS_ROWS = 2 * 366 * 24  # hourly, so that a whole year trains


@pytest.fixture(scope="module")
def years(tmp_path_factory):
    """A data folder with two years of hourly synthetic weather, prepared under `strict`."""
    folder = tmp_path_factory.mktemp("years")
    write_csv(folder / CSV_NAME, *synthetic_series(rows=YEARS_ROWS, step_minutes=60, seed=7))
    prepare(folder, synthetic=True)
    return folder


def answer(jenacast, folder, *options):
    result = jenacast("baseline", "--data-dir", folder, "--json", *options)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def with_rows(prepared, split, value):
    """The same with `value` in every column of a split's rows."""
    record = prepared.manifest.splits[split]
    values = np.array(prepared.series.values)
    values[record.start : record.stop] = value
    return replace(prepared, series=Series(prepared.series.times, values))


def with_temperature(prepared, departures_c, climatology):
    """A gapless hourly series of the climatology and (rows,) departures, noise elsewhere, cut as the book cuts."""
    rows = len(departures_c)
    values = np.random.default_rng(8).normal(0, 1, (rows, len(NAMES))).astype(np.float32)
    times = np.datetime64("2009-01-01T00:10:00", "s") + np.arange(rows) * np.timedelta64(3600, "s")
    values[:, NAMES.index(TARGET)] = climatology.at(times) + departures_c
    borders = {"train": (0, rows // 2), "val": (rows // 2, rows * 3 // 4), "test": (rows * 3 // 4, rows)}
    splits = {
        split: prepared.manifest.splits[split].model_copy(update={"start": start, "stop": stop})
        for split, (start, stop) in borders.items()
    }
    manifest = prepared.manifest.model_copy(update={"rows": rows, "splits": splits, "replaced_target_rows": []})
    return replace(prepared, manifest=manifest, series=Series(times, values))


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
    errors = measure_baselines(prepared, ("train",), history_hours=12, lead_hours=3)["persistence"]["train"]
    nows = np.arange(11, 700 - 3)
    assert errors.windows == len(nows)
    assert errors.mae_c == pytest.approx(np.abs(celsius[nows] - celsius[nows + 3]).mean(), abs=1e-5)


def test_the_table_rounds_the_same_figures_and_marks_made_up_data(data_dir, jenacast):
    errors = measure_baselines(load_prepared(data_dir), ("val", "test"), **HOURS)["persistence"]
    result = jenacast("baseline", "--data-dir", data_dir)
    assert result.exit_code == 0
    head, _, _, *rows = result.stdout.splitlines()
    assert head == "the same as 24 h before; protocol strict; SYNTHETIC SERIES, not Jena"
    assert [row.split() for row in rows] == [
        [split, str(e.windows), f"{e.mae_c:.3f}", f"{e.rmse_c:.3f}", f"{e.bias_c:+.3f}"] for split, e in errors.items()
    ]
    assert result.stderr == ""


def test_real_data_are_not_called_synthetic(data_dir, jenacast, place_csv, ramp):
    folder = place_csv(*ramp(rows=1400), name="real")
    prepare(folder)
    assert "synthetic" not in jenacast("baseline", "--data-dir", folder).stdout
    assert answer(jenacast, folder)["synthetic"] is False


@pytest.mark.parametrize("kept", [0.0, 0.7])
def test_the_share_of_a_departure_that_is_left_is_found(years, kept):
    rows = 4 * 8766
    climatology = Climatology(coefficients_c=(9.0, *np.random.default_rng(9).normal(0, 2, 20).tolist(), *[0.0] * 28))
    departures = np.random.default_rng(10).normal(0, np.sqrt(1 - kept**2), (rows // 24, 24)) * 4
    for day in range(1, len(departures)):  # 24 autoregressions of a day's step, side by side
        departures[day] += kept * departures[day - 1]
    prepared = with_temperature(load_prepared(years), departures.ravel(), climatology)
    fitted = fit_baselines(prepared, **SHORT)
    assert fitted.damping == pytest.approx(kept, abs=0.03)
    errors = measure_baselines(prepared, ("val", "test"), fitted, **SHORT)
    for split in ("val", "test"):
        # The climatology errs by the departure, the damped anomaly by what is new in it: both are normal.
        assert errors["climatology"][split].rmse_c == pytest.approx(4, rel=0.05)
        assert errors["damped_anomaly"][split].rmse_c == pytest.approx(4 * np.sqrt(1 - kept**2), rel=0.03)
        assert errors["ridge"][split].rmse_c == pytest.approx(4 * np.sqrt(1 - kept**2), rel=0.05)


def test_a_forecast_of_other_hours_is_fitted_too(years):
    prepared, hours = load_prepared(years), SHORT | {"lead_hours": 1}
    fitted = fit_baselines(prepared, **hours)
    errors = measure_baselines(prepared, ("test",), fitted, **hours)
    assert fitted.damping > fit_baselines(prepared, **SHORT).damping
    assert errors["ridge"]["test"].mae_c < errors["persistence"]["test"].mae_c


def test_nothing_is_fitted_on_test_and_on_validation_the_penalty_alone(years):
    prepared = load_prepared(years)
    spoilt = [with_rows(prepared, "test", nonsense) for nonsense in (np.nan, 1e6)] + [with_rows(prepared, "val", 5.0)]
    expected, *others = (fit_baselines(data, **SHORT) for data in (prepared, *spoilt))
    for got in others:
        assert (got.climatology, got.damping) == (expected.climatology, expected.damping)
        for part in ("means", "deviations", "intercept"):
            np.testing.assert_array_equal(getattr(got.ridge, part), getattr(expected.ridge, part))
    for got in others[:2]:
        np.testing.assert_array_equal(got.ridge.coefficients, expected.ridge.coefficients)
    assert [got.ridge.penalty == expected.ridge.penalty for got in others] == [True, True, False]


def test_all_adds_the_fitted_baselines_to_the_same_figures(years, jenacast, monkeypatch):
    fit_once = cache(lambda: fit_baselines(load_prepared(years), **HOURS))  # for the JSON and the table
    monkeypatch.setattr("jenacast.evaluation.baselines.fit_baselines", lambda *data, **hours: fit_once())
    done, plain = jenacast("baseline", "--data-dir", years, "--json", "--all"), answer(jenacast, years)
    got = json.loads(done.stdout)
    fitted = got.pop("fitted")
    assert got == plain
    assert list(fitted) == ["climatology", "damped_anomaly", "ridge"]
    assert 0 < fitted["damped_anomaly"]["damping"] < 1
    assert fitted["ridge"]["penalty"] in PENALTIES
    for split, same in plain["splits"].items():
        for entry in fitted.values():
            errors = entry["splits"][split]
            assert list(errors) == ["windows", "mae_c", "rmse_c", "bias_c", "skill"]
            assert errors["windows"] == same["windows"]
            assert errors["skill"] == pytest.approx(1 - errors["mae_c"] / same["mae_c"])
        damped, ridge = (fitted[name]["splits"][split]["mae_c"] for name in ("damped_anomaly", "ridge"))
        assert damped < same["mae_c"]
        assert ridge < 0.97 * damped  # in this weather pressure runs ahead of temperature
    climatology, damped, ridge = done.stderr.splitlines()
    assert climatology.startswith("climatology: 21 coefficients from ")
    assert damped.startswith(f"damped anomaly: {fitted['damped_anomaly']['damping']:.3f} ")
    assert f"penalty {fitted['ridge']['penalty']:g}," in ridge

    result = jenacast("baseline", "--data-dir", years, "--all")
    assert result.exit_code == 0
    head, _, _, *rows = result.stdout.splitlines()
    assert head == "24 h ahead; protocol strict; SYNTHETIC SERIES, not Jena"
    forecasts = {"the same as now": plain} | {name.replace("_", " "): entry for name, entry in fitted.items()}
    expected = [
        [
            *(*name.split(), split, f"{e['windows']:,}", f"{e['mae_c']:.3f}", f"{e['rmse_c']:.3f}"),
            *(f"{e['bias_c']:+.3f}", f"{e.get('skill', 0):+.1%}"),
        ]
        for name, entry in forecasts.items()
        for split, e in entry["splits"].items()
    ]
    assert [row.split() for row in rows] == expected


def test_less_than_a_year_of_train_rows_is_told_with_its_remedy(data_dir, jenacast):
    result = jenacast("baseline", "--data-dir", data_dir, "--all")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: the rows span 29 days")
    assert result.stderr.endswith("prepare a series of at least two years, half of which trains\n")


@pytest.mark.real
@pytest.mark.parametrize(
    ("protocol", "windows", "maes_c"),
    [
        (
            "book",
            {"train": 34_927, "val": 17_404, "test": 17_261},
            {
                "persistence": (2.4404, 2.6196),
                "climatology": (3.664, 3.493),
                "damped_anomaly": (2.333, 2.477),
                "ridge": (2.187, 2.323),
            },
        ),
        (
            "strict",
            {"train": 34_736, "val": 16_808, "test": 17_237},
            {
                "persistence": (2.431, 2.619),
                "climatology": (3.679, 3.505),
                "damped_anomaly": (2.326, 2.476),
                "ridge": (2.182, 2.328),
            },
        ),
    ],
)
def test_the_published_errors_come_out(real_series, tmp_path, protocol, windows, maes_c):
    (tmp_path / CSV_NAME).symlink_to(real_series)
    prepare(tmp_path, protocol=protocol)
    prepared = load_prepared(tmp_path)
    fitted = fit_baselines(prepared, **HOURS)
    assert fitted.damping == pytest.approx(0.70, abs=0.01)
    measured = measure_baselines(prepared, ("val", "test"), fitted, **HOURS)
    persistence = measure_baselines(prepared, ("train", "val", "test"), **HOURS)["persistence"]
    assert {split: errors.windows for split, errors in persistence.items()} == windows
    assert list(measured) == list(maes_c)
    for name, errors in measured.items():
        margin = 0.0005 if name == "persistence" else 0.01
        assert (errors["val"].mae_c, errors["test"].mae_c) == pytest.approx(maes_c[name], abs=margin)
