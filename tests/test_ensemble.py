import json
from pathlib import Path

import numpy as np
import pytest
from conftest import files, refused

import jenacast as jenacast_package
from jenacast.config import load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.evaluation.evaluate import evaluate
from jenacast.models import PACKAGED
from jenacast.models.checkpoint import load_checkpoint, read_metadata, save_checkpoint
from jenacast.runtime import load_tensorflow
from jenacast.training.run import train

DENSE = ("data.history_hours=12", "data.target=change", "train.epochs=2", "train.learning_rate=0.01")
ROUNDED = 1.1e-4  # forecasts in a CSV have four decimals, those of a sum and those summed


def mae(forecast, truth):
    return float(np.abs(forecast - truth).mean())


@pytest.fixture(scope="module")
def members(_synthetic_data_dir, tmp_path_factory):
    """Runs fed alike: two seeds of a dense network, and a lagged one."""
    folder = tmp_path_factory.mktemp("members")
    lagged = ("model.architecture=lagged", "model.change_hours=[3]", "model.mean_hours=[6]")
    for name, changes in (("a", ()), ("b", ("train.seed=1",)), ("c", (*lagged, "model.units=8", "train.loss=mae"))):
        train(load_recipe("dense", [*DENSE, *changes]), data_dir=_synthetic_data_dir, run_dir=folder / name)
    return [folder / name for name in "abc"]


@pytest.fixture
def altered(members, tmp_path):
    """A function that writes the first member with other metadata."""

    def write(**changes):
        checkpoint = load_checkpoint(members[0])
        about = checkpoint.metadata
        path = tmp_path / "altered.keras"
        save_checkpoint(checkpoint.model, about.model_copy(update=changes), path)
        return path

    return write


def test_the_plain_mean_is_one_checkpoint_like_any_other(members, ask, forecasts, jenacast, tmp_path):
    path = tmp_path / "mean.keras"
    before = files(*members)
    answer = ask("ensemble", *members, "-o", path, "--name", "mean-of-3")
    assert files(*members) == before
    assert (answer["path"], answer["model"]) == (str(path), "mean-of-3")
    assert [member["weight"] for member in answer["members"]] == [pytest.approx(1 / 3)] * 3
    assert [member["seed"] for member in answer["members"]] == [0, 1, 0]

    single = [forecasts(run, "--split", "test") for run in members]
    together = forecasts(path, "--split", "test")
    assert list(together.index) == list(single[0].index)
    mean = sum(table.forecast_c for table in single) / 3
    np.testing.assert_allclose(together.forecast_c, mean, atol=ROUNDED)

    # What it says of itself, of its members and of their data
    about, theirs = read_metadata(path), [read_metadata(run / "best.keras") for run in members]
    assert about.val_mae_c == answer["val_mae_c"]
    assert about.val_mae_c == pytest.approx(ask("evaluate", path, "--split", "val")["mae_c"], abs=1e-5)
    assert about.encoding == theirs[0].encoding
    assert about.calibration  # by its own residuals
    assert all(each.calibration and each.calibration != about.calibration for each in theirs)
    assert (about.model, about.trained_on, about.synthetic) == ("mean-of-3", "train", True)
    assert [member.config for member in about.members] == [each.config for each in theirs]
    assert [member.val_mae_c for member in about.members] == [each.val_mae_c for each in theirs]

    exported = jenacast("export", path, "--format", "keras", "--out", tmp_path / "export")
    assert exported.exit_code == 0, exported.stderr
    scores = [ask("evaluate", each) for each in (path, tmp_path / "export")]
    assert scores[0]["mae_c"] == pytest.approx(scores[1]["mae_c"], abs=1e-6)
    assert scores[0]["intervals"]["crps_c"] == pytest.approx(scores[1]["intervals"]["crps_c"], abs=1e-6)
    assert scores[0]["model"] == "mean-of-3"


def test_loaded_anew_it_says_the_weighted_mean_of_what_its_members_say(members, ask, tmp_path):
    inner, outer = tmp_path / "inner.keras", tmp_path / "outer.keras"
    ask("ensemble", *members[:2], "-o", inner)
    ask("ensemble", inner, members[2], members[2], "-o", outer)  # of an ensemble, and of one network twice
    x = np.random.default_rng(0).standard_normal((7, 12, 14)).astype(np.float32)
    a, b, c = (load_checkpoint(run).model(x) for run in members)
    np.testing.assert_allclose(load_checkpoint(inner).model(x), (a + b) / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(load_checkpoint(outer).model(x), (a + b) / 6 + c * 2 / 3, rtol=1e-5, atol=1e-6)


def test_a_fitted_blend_stands_in_the_checkpoint_with_its_offset(members, ask, forecasts, tmp_path):
    path = tmp_path / "fitted.keras"
    answer = ask("ensemble", *members, "-o", path, "--fit-blend")
    on_val = [forecasts(run, "--split", "val") for run in members]
    values, truth = np.array([table.forecast_c for table in on_val]), on_val[0].truth_c.to_numpy()
    about, theirs = read_metadata(path), [read_metadata(run / "best.keras") for run in members]
    configs = [each.config for each in theirs]
    weights = np.zeros(3)
    for member in about.members:
        assert member.weight > 0
        weights[configs.index(member.config)] = member.weight
    assert weights.sum() == pytest.approx(1)
    offset_c = np.median(truth - weights @ values)
    assert about.encoding == theirs[0].encoding
    assert answer["val_mae_c"] == pytest.approx(mae(weights @ values + offset_c, truth), abs=ROUNDED)
    assert answer["val_mae_c"] == pytest.approx(ask("evaluate", path, "--split", "val")["mae_c"], abs=1e-5)
    assert answer["val_mae_c"] < min(mae(each, truth) for each in values)

    on_test = np.array([forecasts(run, "--split", "test").forecast_c for run in members])
    np.testing.assert_allclose(forecasts(path).forecast_c, weights @ on_test + offset_c, atol=ROUNDED)


def test_of_members_that_saw_validation_no_validation_is_claimed_and_no_blend_fitted(altered, ask, jenacast, data_dir):
    seen = altered(trained_on="train+val")
    path = seen.with_name("refitted.keras")
    reason = "was trained on train+val, so nothing is left to fit a blend on; leave --fit-blend out"
    arguments = (seen, seen, "--fit-blend", "--data-dir", data_dir)
    refused(jenacast("ensemble", *arguments, "-o", path), str(seen), reason)
    refused(jenacast("evaluate", *arguments), str(seen), reason)
    assert not path.exists()
    answer = ask("ensemble", seen, seen, "-o", path)
    assert answer["val_mae_c"] is None
    assert (read_metadata(path).val_mae_c, read_metadata(path).trained_on) == (None, "train+val")
    assert read_metadata(path).calibration is None


@pytest.mark.parametrize("part", ["history", "columns", "target", "series", "protocol", "split"])
def test_members_that_are_not_fed_alike_are_refused(part, members, altered, jenacast, data_dir, tmp_path):
    encoding = read_metadata(members[0] / "best.keras").encoding
    encodings = {
        "history": {"history_hours": 24},
        "columns": {"columns": encoding.columns[::-1]},
        "target": {"target": encoding.target.model_copy(update={"kind": "absolute"})},
    }
    others = {
        "series": ("another series", {"source_sha256": "0" * 64}),
        "protocol": ("another protocol", {"protocol": "book"}),
        "split": ("other splits", {"trained_on": "train+val"}),
    }
    changed = {"encoding": encoding.model_copy(update=encodings.get(part, {}))}
    what, changes = others.get(part, ("other columns, history or target", changed))
    misfit, path = altered(**changes), tmp_path / "out.keras"
    done = jenacast("ensemble", members[0], misfit, "-o", path, "--data-dir", data_dir)
    first = members[0] / "best.keras"
    refused(done, f"{misfit} was trained with {what} than {first}", "`jenacast evaluate A B` averages")
    assert not path.exists()


def test_members_may_differ_by_rounding(members, altered, ask, tmp_path):
    encoding = read_metadata(members[0] / "best.keras").encoding
    first = encoding.columns[0].model_copy(update={"mean": encoding.columns[0].mean * (1 + 1e-14)})
    other = altered(encoding=encoding.model_copy(update={"columns": (first, *encoding.columns[1:])}))
    assert ask("ensemble", members[0], other, "-o", tmp_path / "out.keras")["members"]


def test_what_cannot_be_a_member_or_a_result_is_refused(members, jenacast, data_dir, tmp_path):
    load_tensorflow()
    import keras

    path, elsewhere = tmp_path / "out.keras", tmp_path / "elsewhere.keras"
    keras.Sequential([keras.Input((12, 14)), keras.layers.Flatten(), keras.layers.Dense(1)]).save(elsewhere)
    before = files(tmp_path)

    def run(*arguments):
        return jenacast("ensemble", *arguments, "--data-dir", data_dir)

    refused(run(members[0], elsewhere, "-o", path), str(elsewhere), "has no record of its inputs")
    refused(run(members[0], tmp_path / "absent.keras", "-o", path), "absent.keras not found")
    refused(run(*members, "-o", tmp_path / "out.h5"), "out.h5", "ends with .keras")
    refused(run(*members, "-o", path, "--name", "My Mean"), "'My Mean'", "lower-case letters")
    refused(run(*members, "-o", tmp_path / "absent" / "out.keras"), "absent", "Check the path")
    assert files(tmp_path) == before
    assert run("-o", path).exit_code == 2


def test_a_checkpoint_is_not_overwritten_unasked_and_nothing_is_left_beside_it(members, jenacast, data_dir, tmp_path):
    path = tmp_path / "new" / "mine.keras"
    path.parent.mkdir()
    path.write_text("mine")
    arguments = ("ensemble", members[0], "-o", path, "--data-dir", data_dir)
    refused(jenacast(*arguments), f"{path} exists", "--force")
    assert path.read_text() == "mine"
    done = jenacast(*arguments, "--force")
    assert (done.exit_code, done.stdout) == (0, f"{path}\n")
    assert "ensemble: 1 members, offset +0.000 °C, validation MAE " in done.stderr
    assert list(path.parent.iterdir()) == [path]
    x = np.ones((2, 12, 14), np.float32)  # of one network it is that network
    np.testing.assert_allclose(load_checkpoint(path).model(x), load_checkpoint(members[0]).model(x), rtol=1e-6)


def test_members_of_another_series_than_the_prepared_one_are_refused(members, jenacast, data_dir, tmp_path):
    manifest = data_dir / "prepared" / "manifest.json"
    content = json.loads(manifest.read_text()) | {"source_sha256": "f" * 64}
    manifest.write_text(json.dumps(content))
    done = jenacast("ensemble", *members, "-o", tmp_path / "out.keras", "--data-dir", data_dir)
    refused(done, f"{data_dir} holds another series than the members were trained on", "prepare theirs")
    assert not (tmp_path / "out.keras").exists()


@pytest.mark.real
def test_the_network_in_the_package_gives_the_figures_of_its_card(real_series, tmp_path):
    (tmp_path / CSV_NAME).symlink_to(real_series)
    prepare(tmp_path, protocol="book")
    card = (Path(jenacast_package.__file__).parent / "models" / "pretrained" / "pretrained.md").read_text()
    for split in ("val", "test"):
        scores = evaluate(PACKAGED["pretrained"], data_dir=tmp_path, split=split).scores
        assert f"| {scores.mae_c:.3f} °C, " in card
        low, high = scores.mae_ci95_c
        assert f"{low:.3f} to {high:.3f}" in card
