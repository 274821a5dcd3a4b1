"""Prepared data and run folders that were spoilt, through the command line: one message, nothing changed on disk."""

import json
import os

import numpy as np
import pytest
from spoil import a_pickle, content, gone, json_values, replaced_by

PREPARE_AGAIN = "run: jenacast prepare --force"
PRINTS_ONE = "`jenacast models NAME` prints a config to start from"


def array_of_objects(path):
    np.save(path, np.array([[{}] * 14], dtype=object), allow_pickle=True)


MANIFEST, VALUES, TIMES = "manifest.json", "values.npy", "times.npy"
PREPARED = {
    "no manifest": (MANIFEST, gone, "manifest.json not found", "run: jenacast prepare"),
    "half a manifest": (MANIFEST, content(lambda old: old[: len(old) // 2]), "manifest.json is damaged", PREPARE_AGAIN),
    "a later manifest": (MANIFEST, json_values(format=2), "has format 2, this version reads 1", PREPARE_AGAIN),
    "no splits": (MANIFEST, json_values(splits={}), "splits: expected train, val, test", PREPARE_AGAIN),
    "a split beyond the series": (
        MANIFEST,
        json_values("splits", "test", stop=10**6),
        "splits: expected train, val, test",
        PREPARE_AGAIN,
    ),
    "a split that ends before it starts": (
        MANIFEST,
        json_values("splits", "val", stop=0),
        "splits: expected train, val, test",
        PREPARE_AGAIN,
    ),
    "a deviation of nothing": (
        MANIFEST,
        json_values("columns", "wind_speed_m_per_s", deviation=0),
        "columns.wind_speed_m_per_s.deviation: Input should be greater than 0",
        PREPARE_AGAIN,
    ),
    "a mean of NaN": (
        MANIFEST,
        json_values("columns", "wind_speed_m_per_s", mean=float("nan")),
        "NaN is not JSON",
        PREPARE_AGAIN,
    ),
    "no columns": (MANIFEST, json_values(columns={}), "columns: other columns than those", PREPARE_AGAIN),
    "a target row beyond the series": (MANIFEST, json_values(replaced_target_rows=[1400]), "beyond", PREPARE_AGAIN),
    "values of another type": (VALUES, lambda path: np.save(path, np.zeros((1400, 14))), "float64", PREPARE_AGAIN),
    "no values": (VALUES, gone, "values.npy", PREPARE_AGAIN),
    "half the values": (VALUES, content(lambda old: old[: len(old) // 2]), "is damaged", PREPARE_AGAIN),
    "values that are pickled": (VALUES, array_of_objects, "is damaged", PREPARE_AGAIN),
    "no times": (TIMES, gone, "times.npy", PREPARE_AGAIN),
    "times that are pickled": (TIMES, array_of_objects, "is damaged", "type object", PREPARE_AGAIN),
    "times that are numbers": (TIMES, lambda path: np.save(path, np.arange(1400.0)), "float64", PREPARE_AGAIN),
    "times without end": (
        TIMES,
        content(lambda old: old.replace(b"(1400,), }       ", b"(1400000000000,),}")),
        "is damaged",
        PREPARE_AGAIN,
    ),
}


@pytest.mark.parametrize("name", PREPARED)
def test_prepared_data_that_were_spoilt_are_refused(name, data_dir, assert_refused):
    file, spoil, *told = PREPARED[name]
    spoil(data_dir / "prepared" / file)
    assert_refused(["baseline", "--data-dir", data_dir], [str(data_dir), *told])


def test_a_checkpoint_is_not_evaluated_on_them(data_dir, trained_run, assert_refused):
    gone(data_dir / "prepared" / TIMES)
    assert_refused(["evaluate", trained_run, "--data-dir", data_dir], [f"{data_dir}/prepared/times.npy", PREPARE_AGAIN])


def state(change):
    """Spoil a state by a function that changes its arrays, given by name, in place."""

    def spoil(path):
        with np.load(path) as file:
            arrays = dict(file)
        change(arrays)
        np.savez(path, **arrays)

    return spoil


def about(**values):
    """Spoil what a state says of itself."""

    def change(arrays):
        arrays["about"] = np.array(json.dumps(json.loads(str(arrays["about"])) | values))

    return state(change)


def progress(**values):
    """Spoil how far a state says that its run is."""

    def change(arrays):
        content = json.loads(str(arrays["about"]))
        content["progress"] |= values
        arrays["about"] = np.array(json.dumps(content))

    return state(change)


def wider(arrays):
    arrays["variable_0000"] = np.zeros((7, 7), np.float32)


def of_words(arrays):
    arrays["variable_0000"] = np.full(arrays["variable_0000"].shape, "weight")


def pickled(path):
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays | {"variable_0000": np.array([{}], dtype=object)})


def copy_of_config(path):
    path.write_text(path.read_text().replace("batch_size = 256", "batch_size = 32"))


USABLE = "use the run's best.keras"
ANEW = "start a new run"
STATE, RECORD, CONFIG = "state.npz", "run.json", "config.toml"
RESUMED = {
    "no settings": (CONFIG, gone, "is not a run folder that can be resumed", "jenacast train --model NAME"),
    "no record": (RECORD, gone, "is not a run folder that can be resumed", "jenacast train --model NAME"),
    "half a record": (RECORD, content(lambda old: old[:100]), "run.json is damaged", ANEW),
    "an empty record": (RECORD, content(lambda old: b"{}"), "run.json is damaged (data_dir: Field required", ANEW),
    "a record of data that are gone": (
        RECORD,
        json_values(data_dir="gone"),
        "gone/prepared/manifest.json not found",
        "run: jenacast prepare",
    ),
    "other settings": (CONFIG, copy_of_config, "is not what the run began with", "train.batch_size: 256, now 32", ANEW),
    "broken settings": (CONFIG, content(lambda old: b"[train"), "config.toml is not valid TOML", PRINTS_ONE),
    "a pipe for a state": (STATE, replaced_by(os.mkfifo), "state.npz is damaged", "Not a regular file", USABLE),
    "an empty state": (STATE, content(lambda old: b""), "state.npz is damaged", USABLE),
    "half a state": (STATE, content(lambda old: old[: len(old) // 2]), "state.npz is damaged", USABLE),
    "false bytes in a state": (
        STATE,
        content(lambda old: old[:3000] + bytes(500) + old[3500:]),
        "state.npz is damaged",
        USABLE,
    ),
    "a pickled state": (STATE, a_pickle, "state.npz is damaged", USABLE),
    "a state with pickled objects": (STATE, pickled, "state.npz is damaged", "allow_pickle=False", USABLE),
    "a state without progress": (STATE, about(progress=None), "state.npz is damaged", USABLE),
    "a state of words": (STATE, about(progress={"epoch": "two"}), "state.npz is damaged", "epoch", USABLE),
    "a state of a negative step": (STATE, progress(step=-1), "progress.step: Input should be greater", USABLE),
    "a state beyond its epoch": (STATE, progress(step=10**24), "belongs to another network (step", ANEW),
    "a state of more epochs than its history": (STATE, progress(epoch=7), "epoch 7 does not fit its history", USABLE),
    "a state of a history of words": (
        STATE,
        progress(history=[{"epoch": 1}, {"epoch": "two"}]),
        "train_loss of epoch 1 is None",
        USABLE,
    ),
    "a state of no best error": (STATE, progress(best_val_mae_c=float("nan")), "best_val_mae_c", USABLE),
    "a state of settings that are a list": (STATE, about(config={"train": [5]}), "is not what the run began with"),
    "a later state": (STATE, about(format=2), "has format 2, this version reads 1", "the jenacast that wrote it"),
    "a state of a wider network": (STATE, state(wider), "variable 0 is (7, 7) float32, expected (168, 4)", ANEW),
    "weights that are words": (STATE, state(of_words), "variable 0 is (168, 4) <U6, expected (168, 4)", ANEW),
    "a state of a smaller network": (
        STATE,
        state(lambda arrays: arrays.pop("variable_0001")),
        "variables, expected",
        ANEW,
    ),
}


@pytest.mark.timeout(60)  # a pipe must not be waited for
def test_a_pipe_for_a_history_is_not_shown(trained_run, assert_refused, tmp_path):
    replaced_by(os.mkfifo)(trained_run / "history.csv")
    assert_refused(["report", trained_run, "--out", tmp_path / "page.html"], ["Not a regular file", "history.csv"])


@pytest.mark.parametrize("name", RESUMED)
def test_a_run_that_was_spoilt_is_not_resumed(name, trained_run, assert_refused):
    file, spoil, *told = RESUMED[name]
    spoil(trained_run / file)
    assert_refused(["train", "--resume", trained_run, "--epochs", "3"], told)
