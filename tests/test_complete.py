"""A whole forecast as one graph, beside what the package forecasts from the same values."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import refused
from forecasts import NEEDED_HOURS, station_file
from packages import pip

from jenacast.columns import TARGET, parse_column
from jenacast.config import load_recipe, recipe_names
from jenacast.data.prepared import load_prepared
from jenacast.data.station import read_station_csv
from jenacast.features.encoding import ColumnEncoding, fit_encoding
from jenacast.features.repair import Repair
from jenacast.files import file_sha256
from jenacast.forecasting.forecast import forecast
from jenacast.models import PACKAGED
from jenacast.models.build import build_model
from jenacast.models.checkpoint import Checkpoint, Metadata
from jenacast.models.complete import forecast_function
from jenacast.models.export import export
from jenacast.models.export_complete import compared_windows, write_complete
from jenacast.models.intervals import CALENDAR_TERMS, INTERVALS, LEVELS, Calibration, LeadCalibration
from jenacast.models.tracing import Traced
from jenacast.runtime import load_tensorflow, set_seed

pytest_plugins = ["forecasts"]

NEAR_C = 1e-4
LINE = r"(\S+ \S+) +(\S+) °C, 80 %: +(\S+) to +(\S+)"
SKY = ["clearness:mean_3h", "rain_mm", "temperature_c:departure:change_2h:mean_4h", "max_wind_north_m_per_s:mean_24h"]


def network(name, data_dir, *assignments, intervals=True, **changes):
    """A network as it starts, with scaling, intervals (made-up ones), and what else is between it and the station."""
    hours = 72 if name == "conv1d" else 25
    config = load_recipe(name, ["model.units=4", f"data.history_hours={hours}", *assignments])
    prepared = load_prepared(data_dir)
    data = config.data.model_copy(update={"columns": [TARGET]}) if "columns" in changes else config.data
    encoding = fit_encoding(prepared, data).model_copy(update=changes)
    set_seed(0)
    random, terms = np.random.default_rng(0), CALENDAR_TERMS + len(encoding.columns)
    leads = [
        LeadCalibration(
            coefficients=tuple(random.normal(0, 0.1, terms)),
            least_c=0.7,
            most_c=1.5,
            quantiles=tuple(np.sort(random.normal(0, 2, len(LEVELS)))),
        )
        for _ in encoding.leads
    ]
    metadata = Metadata(
        format=1,
        model=name,
        config=config.model_dump(),
        encoding=encoding,
        protocol=prepared.manifest.protocol,
        source_sha256=prepared.manifest.source_sha256,
        synthetic=True,
        seed=0,
        epoch=1,
        val_mae_c=1.0,
        versions={},
        calibration=Calibration(leads=tuple(leads)) if intervals else None,
    )
    return Checkpoint(Path(__file__), build_model(config), metadata)  # the file is hashed, and not read


def answers(function, values, time):
    return {name: each.numpy() for name, each in function(values, time).items()}


def agree(received, expected):
    assert received.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(received[name], values, rtol=0, atol=NEAR_C, err_msg=name)


def package_and_graph(checkpoint):
    values, time, expected = compared_windows(checkpoint, checkpoint.metadata)
    assert len(time) > 200
    agree(answers(forecast_function(checkpoint.model, checkpoint.metadata), values, time), expected)
    return expected


SEES = {load_recipe(name, ["data.history_hours=72"]).data.model_dump_json(): name for name in recipe_names()}


@pytest.mark.system
@pytest.mark.parametrize("name", SEES.values())  # of the recipes that see and say the same, one
def test_a_recipe_forecasts_what_the_package_does(name, years):
    package_and_graph(network(name, years))


@pytest.mark.parametrize("kind", ["absolute", "change", "departure", "departure-change"])
@pytest.mark.parametrize("every_hour", ["true", "false"])
def test_every_kind_of_target_repaired_and_without_the_warming(kind, every_hour, years):
    settings = f"data.target={kind}", f"data.every_hour={every_hour}", "data.warming_c_per_decade=0.4"
    repairs = (Repair(until="2009-01-03T00:00:00", step_c=5.0), Repair(until="2012-01-01T00:00:00", step_c=-1.0))
    checkpoint = network("dense", years, *settings, intervals=every_hour == "true", repairs=repairs)
    expected = package_and_graph(checkpoint)
    assert set(expected) == ({"temperature_c", "quantiles_c"} if every_hour == "true" else {"temperature_c"})


def test_columns_that_look_back_and_optional_ones(years):
    columns = tuple(ColumnEncoding(name=name, unit=parse_column(name).unit, mean=1.0, deviation=2.0) for name in SKY)
    seen = f"data.columns={json.dumps(SKY)}"
    package_and_graph(network("dense", years, seen, "data.target=departure", columns=columns))


@pytest.mark.parametrize("wrong", [np.nan, -9999.0, np.inf])
def test_a_window_that_lacks_a_value_is_nan_and_the_others_stay(wrong, years):
    checkpoint = network("lagged", years)  # which looks at few of the hours
    values, time, expected = compared_windows(checkpoint, checkpoint.metadata)
    values[3, 5, 1] = wrong
    received = answers(forecast_function(checkpoint.model, checkpoint.metadata), values, time)
    for name in expected:
        assert np.isnan(received[name][3]).all()
        expected[name][3] = np.nan
    agree(received, expected)


def test_what_a_graph_cannot_do_is_an_error():
    array = Traced(load_tensorflow().constant([1.0, 2.0]))
    for impossible in (
        lambda: np.sort(array),
        lambda: np.tan(array),
        lambda: bool(array > 1),
        lambda: np.asarray(array),
    ):
        with pytest.raises(TypeError):
            impossible()
    with pytest.raises(TypeError):
        list(array)


KINDS = {(load_recipe(name).model.architecture, load_recipe(name).model.cell): name for name in recipe_names()}


@pytest.mark.system
@pytest.mark.parametrize("form", ["savedmodel", "onnx"])
@pytest.mark.parametrize("name", KINDS.values())  # one of each kind of network
def test_files_of_a_recipe_forecast_what_the_package_does(name, form, years, tmp_path):
    checkpoint = network(name, years)
    assert write_complete(checkpoint, checkpoint.metadata, form, tmp_path) < NEAR_C


ABOUT = {
    "columns": ["pressure_mbar", "temperature_c", "dew_point_c", "max_wind_speed_m_per_s", "wind_direction_deg"],
    "headers": ["p (mbar)", "T (degC)", "Tdew (degC)", "max. wv (m/s)", "wd (deg)"],
    "units": ["mbar", "degC", "degC", "m/s", "deg"],
    "hours": NEEDED_HOURS,
    "lead_hours": list(range(1, 25)),
    "levels": [step / 20 for step in range(1, 20)],
}


@pytest.mark.parametrize("form", ["savedmodel", "onnx"])
def test_the_file_says_what_goes_in_and_comes_out(form, run, jenacast, data_dir, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed; pip install '.[onnx]'")
    out = tmp_path / "out"
    done = jenacast("export", run, "--format", form, "--complete", "--out", out, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["max_difference_c"] < NEAR_C
    if form == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(out / "complete.onnx")
        about = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
        shapes = {each.name: each.shape for each in (*session.get_inputs(), *session.get_outputs())}
    else:
        loaded = load_tensorflow().saved_model.load(out / "complete_saved_model")
        about = json.loads(loaded.signatures["about"]()["json"].numpy())
        serve = loaded.signatures["serving_default"]
        shapes = {each.name.partition(":")[0]: each.shape for each in serve.inputs[:2]}
        shapes |= {name: each.shape for name, each in serve.structured_outputs.items()}
    assert about == ABOUT | {"model": "dense", "checkpoint_sha256": file_sha256(run / "best.keras")}
    sizes = {name: tuple(shape)[1:] for name, shape in shapes.items()}
    assert sizes == {"values": (NEEDED_HOURS, 5), "time": (), "temperature_c": (24,), "quantiles_c": (24, 19)}
    file = station_file(tmp_path / "file.csv", 40)
    for command in (("evaluate", out, "--data-dir", data_dir), ("forecast", out, file)):
        refused(jenacast(*command), "a complete forecast for other programs")
    assert jenacast("export", run, "--format", "keras", "--out", out, "--force").exit_code == 0  # it is an export


def test_only_graphs_can_be_complete(run, jenacast):
    done = jenacast("export", run, "--format", "keras", "--complete")
    assert done.exit_code == 2
    assert "--complete writes savedmodel or onnx" in done.stderr


@pytest.mark.real
@pytest.mark.system
def test_onnx_forecasts_what_forecast_does_from_real_files(real_series, later_files, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    assert export(PACKAGED["pretrained"], "onnx", tmp_path / "out", complete=True) < NEAR_C
    session = onnxruntime.InferenceSession(tmp_path / "out" / "complete.onnx")
    about = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
    (later,) = (file for file in later_files if file.name == "mpi_roof_2024_january_to_may.csv.gz")
    for file, every_h in ((real_series, 60), (later, 2)):
        series = [read_station_csv(file)]
        made = forecast(
            PACKAGED["pretrained"], series, source=file, data_dir=tmp_path, max_gap_hours=3, every_s=every_h * 3600
        )
        assert len(made) >= 1_000
        filled, back = made.observations.series, np.arange(about["hours"])[::-1]
        rows = np.searchsorted(filled.times, made.last_observation[:, None] - back * np.timedelta64(1, "h"))
        values = np.stack([filled.column(name)[rows] for name in about["columns"]], axis=-1)
        time = made.last_observation.astype(np.int64)
        asked = ["temperature_c", "quantiles_c"]
        temperature_c, quantiles_c = session.run(asked, {"values": values, "time": time})
        differences_c = [np.abs(temperature_c - made.temperature_c).max()]
        assert made.interval_widths.max() > 1.1  # the graph has not seen the last weeks
        middle_c = quantiles_c[:, :, [about["levels"].index(0.5)]]
        for name, (low, high) in INTERVALS.items():
            ends = [about["levels"].index(low), about["levels"].index(high)]
            ends_c = middle_c + made.interval_widths[:, :, None] * (quantiles_c[:, :, ends] - middle_c)
            differences_c.append(np.abs(ends_c - made.ends_c[name]).max())
        print(f"{file.name}: {len(made):,} windows, the largest difference is {max(differences_c):.1g} °C")
        assert max(differences_c) < 1e-3


@pytest.mark.system
def test_the_lines_of_the_page_forecast_without_jenacast(jenacast, tmp_path):
    assert jenacast("export", "pretrained", "--format", "onnx", "--complete", "--out", tmp_path / "out").exit_code == 0
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=60)
    pip("--python", python, "install", "--quiet", "onnxruntime", "numpy")
    page = (Path(__file__).parent.parent / "docs" / "serving.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "tomorrow.py").write_text(program, encoding="utf-8")
    file = station_file(tmp_path / "file.csv", 6 * 120, step_minutes=10)
    command = [python, "tomorrow.py", tmp_path / "out" / "complete.onnx", file]
    options = {"cwd": tmp_path, "env": {}, "capture_output": True, "text": True, "timeout": 60, "check": False}
    done = subprocess.run(command, **options)
    assert done.returncode == 0, done.stderr
    missing = subprocess.run([python, "-c", "import tensorflow"], **options)
    assert "No module named 'tensorflow'" in missing.stderr
    lines = [re.fullmatch(LINE, line).groups() for line in done.stdout.splitlines()]
    hours = json.loads(jenacast("forecast", "pretrained", file, "--json").stdout)["hours"]
    assert [when for when, *_ in lines] == [hour["valid_at"].replace("T", " ")[:16] for hour in hours]
    expected = [[hour["temperature_c"], *hour["intervals"]["80"]] for hour in hours]
    np.testing.assert_allclose([[float(each) for each in each_c] for _, *each_c in lines], expected, atol=0.051)
