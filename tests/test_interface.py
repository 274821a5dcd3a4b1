"""jenacast from Python: the same figures, checkpoints and forecasts as from the shell."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from station_files import write_station_file
from typer.testing import CliRunner

import jenacast
from jenacast.cli import app
from jenacast.columns import COLUMNS, TIME_FORMAT, TIME_HEADER
from jenacast.data.download import CSV_NAME
from jenacast.data.station import read_station_csv
from jenacast.errors import CheckpointError, ConfigError, DataError, ExistsError

NOTEBOOK = Path(__file__).parent.parent / "docs" / "own_network.ipynb"
SHORT = {"history_hours": 6, "columns": ["temperature_c", "pressure_mbar", "hour_cos_1"]}


def network(data, units=2):
    keras.utils.set_random_seed(1)
    inputs = keras.Input(data.input_shape)
    outputs = keras.layers.Dense(data.outputs)(keras.layers.GRU(units)(inputs))
    return keras.Model(inputs, outputs, name="small")


def run(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def data(_synthetic_data_dir):
    return jenacast.open_data(_synthetic_data_dir, **SHORT)


@pytest.fixture
def station_file(data, tmp_path):
    """The last ten days of the series, as the station publishes them."""
    series = data.prepared.series.pick(slice(-240, None))
    return write_station_file(tmp_path / "station.csv", series.times, series.values)


@pytest.fixture(scope="module")
def fitted(data):
    model = network(data)
    model.compile(loss="mae")
    model.fit(data.dataset("train", seed=0), validation_data=data.dataset("val"), epochs=2, verbose=0)
    return model


def test_a_dataset_holds_every_window_of_the_split(data):
    windows = data.prepared.manifest.splits["val"]
    inputs, targets = (np.concatenate(parts) for parts in zip(*data.dataset("val", batch_size=50), strict=True))
    found = data.prepared.windows("val", history_hours=6, lead_hours=24)
    assert inputs.shape == (len(found), 6, 3)
    assert len(found) > windows.windows  # of the standard history of 120 hours
    truth_c = data.prepared.series.column("temperature_c")[found.targets]
    np.testing.assert_allclose(targets[:, 0], truth_c, atol=1e-5)
    mean, deviation = data.encoding.columns[0].mean, data.encoding.columns[0].deviation
    now_c = data.prepared.series.column("temperature_c")[found.last_rows]
    np.testing.assert_allclose(inputs[:, -1, 0] * deviation + mean, now_c, atol=1e-4)


def test_a_seed_shuffles_anew_in_every_epoch_and_again_alike(data):
    def epochs(seed):
        dataset = data.dataset("train", seed=seed)
        return [np.concatenate([targets for _, targets in dataset])[:, 0] for _ in range(2)]

    first, second = epochs(0)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(np.sort(first), np.sort(second))
    np.testing.assert_array_equal(first, epochs(0)[0])
    assert not np.array_equal(first, epochs(1)[0])


def test_inputs_and_targets_stay_together_when_they_are_shuffled(data):
    in_order, shuffled = (
        {inputs.numpy().tobytes(): float(target[0]) for batch in dataset for inputs, target in zip(*batch, strict=True)}
        for dataset in (data.dataset("val"), data.dataset("val", seed=3))
    )
    assert in_order == shuffled


def test_what_evaluate_prints_is_what_the_shell_prints(data, fitted, data_dir, tmp_path):
    path = data.save(fitted, tmp_path / "mine.keras", name="mine")
    assert str(data.evaluate(jenacast.load(path))) == run("evaluate", path, "--data-dir", data_dir).rstrip("\n")
    stored = json.loads(run("evaluate", path, "--data-dir", data_dir, "--json"))
    result = data.evaluate(fitted).as_dict()
    for key in ("windows", "mae_c", "rmse_c", "bias_c", "baseline_mae_c", "skill", "mae_ci95_c"):
        assert result[key] == pytest.approx(stored[key])
    assert stored["model"] == "mine"


def test_a_saved_network_explains_itself(data, fitted, tmp_path):
    network = jenacast.load(data.save(fitted, tmp_path / "mine.keras", name="mine"))
    metadata = network.forecaster.metadata
    assert network.encoding == data.encoding
    assert (metadata.epoch, metadata.calibration is None) == (2, False)
    assert metadata.val_mae_c == pytest.approx(data.evaluate(fitted, "val").scores.mae_c)


def test_a_file_is_replaced_only_when_asked(data, fitted, tmp_path):
    path = data.save(fitted, tmp_path / "mine.keras")
    before = path.read_bytes()
    with pytest.raises(ExistsError, match=r"mine\.keras"):
        data.save(fitted, path)
    assert path.read_bytes() == before
    data.save(fitted, path, force=True)


@pytest.mark.parametrize(
    ("path", "name", "message"), [("mine.h5", "mine", "ends in .keras"), ("mine.keras", "My Net", "received 'My Net'")]
)
def test_a_name_that_no_command_could_use_is_refused(data, fitted, tmp_path, path, name, message):
    with pytest.raises((CheckpointError, ConfigError), match=message):
        data.save(fitted, tmp_path / path, name=name)
    assert not list(tmp_path.iterdir())


def test_a_network_of_other_shapes_is_refused(data, data_dir, tmp_path):
    other = network(jenacast.open_data(data_dir, history_hours=7))
    for use in (data.evaluate, lambda model: data.save(model, tmp_path / "other.keras")):
        with pytest.raises(CheckpointError, match=r"\(None, 7, 14\), expected \(None, 6, 3\)"):
            use(other)


def test_options_that_break_rules_are_refused_together(data_dir):
    with pytest.raises(ConfigError, match=r"2 problem\(s\).*(?s:.)*history_hours(?s:.)*lead_days"):
        jenacast.open_data(data_dir, history_hours=0, lead_days=1)


def frame_of(path):
    """A station file as pandas reads it."""
    series = read_station_csv(path)
    return pd.DataFrame(series.values, series.times, [column.header for column in COLUMNS])


def test_a_frame_is_forecast_like_the_file_that_it_is_from(trained_run, station_file):
    answer = json.loads(run("forecast", "--csv", station_file, trained_run, "--json"))
    forecast = jenacast.load(trained_run).forecast(frame_of(station_file))
    assert str(forecast.index[-1].to_pydatetime().isoformat()) == answer["valid_at"]
    assert forecast["temperature_c"].iloc[-1] == pytest.approx(answer["temperature_c"])
    assert list(forecast.columns[1:3]) == ["low_50_c", "high_50_c"]


def test_a_frame_may_be_as_pandas_reads_the_file_or_have_our_names(trained_run, station_file):
    network, frame = jenacast.load(trained_run), frame_of(station_file)
    expected = network.forecast(frame)
    named = frame.rename(columns={column.header: column.name for column in COLUMNS}).iloc[::-1]
    as_read = frame.reset_index(names=TIME_HEADER)
    as_read[TIME_HEADER] = as_read[TIME_HEADER].dt.strftime(TIME_FORMAT)
    for other in (named, as_read):
        pd.testing.assert_frame_equal(network.forecast(other), expected)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda frame: frame.drop(columns="T (degC)"), r"T \(degC\)"),
        (lambda frame: frame.reset_index(drop=True), "Date Time"),
        (lambda frame: frame.iloc[-5:], "12 hours"),
        (lambda frame: frame.astype({"T (degC)": str}).replace({"T (degC)": {"12.125": "warm"}}), "number"),
        (lambda frame: frame.tz_localize("UTC"), "tz_localize"),
    ],
)
def test_a_frame_that_cannot_be_forecast_from_is_refused(trained_run, station_file, spoil, message):
    frame = frame_of(station_file)
    frame.iloc[0, 1] = 12.125
    with pytest.raises(DataError, match=message):
        jenacast.load(trained_run).forecast(spoil(frame))


@pytest.mark.system
@pytest.mark.real
def test_the_notebook_runs_from_its_first_cell(real_series, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / CSV_NAME).symlink_to(real_series)
    jenacast.prepare(tmp_path / "data", protocol="book")
    cells = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    (script := tmp_path / "cells.py").write_text("\n".join("".join(cell["source"]) for cell in cells))
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = "".join(line for output in cells[-1]["outputs"] for line in output["text"])
    assert told in done.stdout  # of the network in the package; another processor may train another one of one's own


def test_importing_the_package_imports_nothing_heavy():
    program = "import sys, jenacast; print({'numpy', 'pandas', 'keras', 'tensorflow', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="open_data"):
        jenacast.opendata  # noqa: B018
    assert {"open_data", "load"} <= set(dir(jenacast))
