import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import refused
from hypothesis import example, given, settings
from hypothesis import strategies as st
from warm import Command

import jenacast as jenacast_package
from jenacast.config import load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.evaluation.blend import Blend, equal_blend, fit_blend
from jenacast.evaluation.evaluate import evaluate
from jenacast.models.checkpoint import load_checkpoint, read_metadata, save_checkpoint
from jenacast.runtime import load_tensorflow
from jenacast.training.run import train

DENSE = ("data.history_hours=12", "data.target=change", "train.epochs=2", "train.learning_rate=0.01")
ROUNDED = 1.1e-4  # forecasts in a CSV have four decimals, those of a sum and those summed

degrees = st.floats(-30, 30, width=32)


@st.composite
def forecasts_and_truth(draw, members):
    """(members, windows) and (windows,) degC."""
    windows = draw(st.integers(1, 12))
    rows = st.lists(degrees, min_size=windows, max_size=windows)
    return np.array([draw(rows) for _ in range(draw(members))]), np.array(draw(rows))


def mae(forecast, truth):
    return float(np.abs(forecast - truth).mean())


# --- the fit ----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(forecasts_and_truth(st.integers(1, 5)))
@example((np.zeros((2, 3)), np.ones(3)))
def test_a_fitted_blend_is_a_mean_that_is_no_worse_than_any_member(drawn):
    forecasts, truth = drawn
    blend = fit_blend(forecasts, truth)
    assert blend.weights.sum() == pytest.approx(1, abs=1e-12)
    assert (blend.weights >= 0).all()
    best = min(mae(member + np.median(truth - member), truth) for member in forecasts)
    fitted = mae(blend.apply(forecasts), truth)
    assert fitted <= best + 1e-9
    assert fitted <= mae(Blend(blend.weights).apply(forecasts), truth) + 1e-9
    # No other offset does better: the best one is one of what is missing.
    missing = truth - blend.weights @ forecasts
    assert fitted <= min(np.abs(missing - offset).mean() for offset in missing) + 1e-9


@settings(deadline=None)
@given(forecasts_and_truth(st.just(2)))
def test_two_members_are_weighed_as_a_search_over_all_weights_would(drawn):
    (first, second), truth = drawn
    blend = fit_blend(np.array([first, second]), truth)
    grid = np.linspace(0, 1, 1_001)[:, None]
    missing = truth - grid * first - (1 - grid) * second
    best = np.abs(missing - np.median(missing, axis=1, keepdims=True)).mean(axis=1).min()
    # A weight is off by a hundredth at most, and the MAE then by a hundredth of how far the members are apart.
    apart = mae(first - second, np.median(first - second))
    assert mae(blend.apply(np.array([first, second])), truth) <= best + apart / 100 + 1e-9


def test_a_known_mixture_is_found():
    chance = np.random.default_rng(0)
    first, second, noise = chance.normal(0, 5, (3, 4_000))
    blend = fit_blend(np.array([first, second, noise]), 0.7 * first + 0.3 * second)
    np.testing.assert_allclose(blend.weights, [0.7, 0.3, 0], atol=0.01)
    assert blend.offset_c == pytest.approx(0, abs=0.05)


def test_a_perfect_member_is_taken_alone_and_a_steady_error_taken_off():
    truth = np.random.default_rng(0).normal(size=50)
    blend = fit_blend(np.array([2 * truth + 1, truth, -truth]), truth)
    assert (blend.weights.tolist(), blend.offset_c) == ([0, 1, 0], 0)
    assert fit_blend(truth[None], truth - 1.25).offset_c == pytest.approx(-1.25)


def test_an_equal_blend_is_the_mean():
    forecasts = np.random.default_rng(0).normal(size=(3, 10))
    np.testing.assert_allclose(equal_blend(3).apply(forecasts), forecasts.mean(axis=0), atol=1e-12)


# --- the checkpoint ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def members(_synthetic_data_dir, tmp_path_factory):
    """Runs fed alike: two seeds of a dense network, and a lagged one."""
    folder = tmp_path_factory.mktemp("members")
    lagged = ("model.architecture=lagged", "model.change_hours=[3]", "model.mean_hours=[6]")
    for name, changes in (("a", ()), ("b", ("train.seed=1",)), ("c", (*lagged, "model.units=8", "train.loss=mae"))):
        train(load_recipe("dense", [*DENSE, *changes]), data_dir=_synthetic_data_dir, run_dir=folder / name)
    return [folder / name for name in "abc"]


@pytest.fixture(scope="module")
def other(_synthetic_data_dir, tmp_path_factory):
    """A run on one column that looks 6 h further back than its history of 24 h; forecasts the same hours."""
    folder = tmp_path_factory.mktemp("other") / "run"
    columns = 'data.columns=["temperature_c", "temperature_c:change_6h"]'
    config = load_recipe("dense", [*DENSE, "data.history_hours=24", columns])
    train(config, data_dir=_synthetic_data_dir, run_dir=folder)
    return folder


@pytest.fixture
def ask(jenacast, _synthetic_data_dir):
    """A function that runs a command on the members' data and returns its JSON answer."""

    def run(*arguments):
        done = jenacast(*arguments, "--data-dir", _synthetic_data_dir, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def told():
    """What `evaluate --predictions` was asked and said, since some tests ask the same."""
    return {}


@pytest.fixture
def forecasts(ask, told, tmp_path):
    """A function: what `evaluate --predictions` says of checkpoints, by the time forecast for."""

    def run(*arguments):
        if arguments not in told:
            table = tmp_path / "forecasts.csv"
            ask("evaluate", *arguments, "--predictions", table, "--force", "--out", tmp_path / "scores")
            told[arguments] = pd.read_csv(table, index_col="valid_at")
        return told[arguments]

    return run


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


def changed_encoding(run, **changes):
    return read_metadata(run / "best.keras").encoding.model_copy(update=changes)


def files(*folders):
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


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


def spoken_c(path, prepared, split):
    """(windows, 24) degC that a network of 12 h of history says, and what came, straight from the prepared rows."""
    checkpoint, rows = load_checkpoint(path), prepared.manifest.splits[split]
    encoding, temperature_c = checkpoint.metadata.encoding, prepared.series.column("temperature_c").astype(np.float64)
    now = np.arange(rows.start + 11, rows.stop - 24)
    inputs = (prepared.series.values - [c.mean for c in encoding.columns]) / [c.deviation for c in encoding.columns]
    outputs = checkpoint.model(inputs[now[:, None] + np.arange(-11, 1)].astype(np.float32)).numpy()
    target = encoding.target  # of the change from now
    spoken = outputs * target.scale_c + target.offset_c + temperature_c[now, None]
    return spoken, temperature_c[now[:, None] + np.arange(1, 25)]


@pytest.fixture(scope="module")
def hourly_members(_synthetic_data_dir, tmp_path_factory):
    """Two seeds of a network that forecasts every hour of the next day."""
    folder = tmp_path_factory.mktemp("hourly")
    for seed in (0, 1):
        config = load_recipe("dense", [*DENSE, "data.every_hour=true", f"train.seed={seed}"])
        train(config, data_dir=_synthetic_data_dir, run_dir=folder / str(seed))
    return [folder / "0", folder / "1"]


def test_a_fitted_blend_misses_nothing_in_the_median_at_any_hour(hourly_members, ask, data_dir, tmp_path):
    path, prepared = tmp_path / "fitted.keras", load_prepared(data_dir)
    ask("ensemble", *hourly_members, "-o", path, "--fit-blend")
    singles = np.array([spoken_c(run / "best.keras", prepared, "val")[0] for run in hourly_members])
    spoken, came = spoken_c(path, prepared, "val")
    np.testing.assert_allclose(np.median(came - spoken, axis=0), np.zeros(24), atol=1e-5)
    about = read_metadata(path)
    seeds = {member.seed: member.weight for member in about.members}
    blend = np.tensordot([seeds.get(seed, 0) for seed in (0, 1)], singles, axes=1)
    offsets_c = np.median(came - blend, axis=0)
    np.testing.assert_allclose(spoken, blend + offsets_c, atol=1e-4)
    assert np.ptp(offsets_c) > 0.01  # one offset for all hours would not do
    assert about.val_mae_c == pytest.approx(np.abs(came - spoken)[:, -1].mean(), abs=1e-4)

    # A plain mean adds nothing, and both know how sure they are at each hour.
    plain = tmp_path / "plain.keras"
    ask("ensemble", *hourly_members, "-o", plain)
    np.testing.assert_allclose(spoken_c(plain, prepared, "val")[0], singles.mean(axis=0), atol=1e-4)
    for ensemble in (path, plain):
        assert len(read_metadata(ensemble).calibration.leads) == 24
        answer = ask("evaluate", ensemble, "--split", "val", "--by", "lead")
        for lead in answer["by"]["lead"]:  # of 315 windows the ranks 15 to 301 are inside: 316 p, down and up
            assert lead["coverage"]["90"] == pytest.approx(287 / 315, abs=2.1 / 315)


def test_an_ensemble_is_calibrated_by_its_own_residuals(members, ask, tmp_path):
    path = tmp_path / "mean.keras"
    ask("ensemble", *members[:2], "-o", path)
    theirs = [read_metadata(run / "best.keras").calibration for run in members[:2]]
    mine = read_metadata(path).calibration
    assert all(theirs)
    assert mine not in theirs
    assert ask("evaluate", path, "--split", "val")["intervals"]["coverage"]["90"] == pytest.approx(287 / 315, abs=0.007)


def test_as_a_process_it_prints_the_path_and_nothing_stands_beside(members, data_dir, tmp_path):
    path = tmp_path / "new" / "best.keras"
    path.parent.mkdir()
    done = Command("ensemble", members[0], members[1], "-o", path, "--data-dir", data_dir)
    assert done.wait() == 0, done.stderr
    assert done.stdout == f"{path}\n"
    assert "ensemble: 2 members, offset +0.000 °C, validation MAE " in done.stderr
    assert list(path.parent.iterdir()) == [path]


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


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("other columns, history or target", lambda run: {"encoding": changed_encoding(run, history_hours=24)}),
        (
            "other columns, history or target",
            lambda run: {"encoding": changed_encoding(run, columns=changed_encoding(run).columns[::-1])},
        ),
        (
            "other columns, history or target",
            lambda run: {
                "encoding": changed_encoding(
                    run, target=changed_encoding(run).target.model_copy(update={"kind": "absolute"})
                )
            },
        ),
        ("another series", lambda _: {"source_sha256": "0" * 64}),
        ("another protocol", lambda _: {"protocol": "book"}),
        ("other splits", lambda _: {"trained_on": "train+val"}),
    ],
    ids=["history", "columns", "target", "series", "protocol", "split"],
)
def test_members_that_are_not_fed_alike_are_refused(what, changes, members, altered, jenacast, data_dir, tmp_path):
    misfit, path = altered(**changes(members[0])), tmp_path / "out.keras"
    done = jenacast("ensemble", members[0], misfit, "-o", path, "--data-dir", data_dir)
    first = members[0] / "best.keras"
    refused(done, f"{misfit} was trained with {what} than {first}", "`jenacast evaluate A B` averages")
    assert not path.exists()


def test_what_cannot_be_a_member_or_a_result_is_refused(members, other, jenacast, data_dir, tmp_path):
    load_tensorflow()
    import keras

    path, elsewhere = tmp_path / "out.keras", tmp_path / "elsewhere.keras"
    keras.Sequential([keras.Input((12, 14)), keras.layers.Flatten(), keras.layers.Dense(1)]).save(elsewhere)
    before = files(tmp_path)

    def run(*arguments):
        return jenacast("ensemble", *arguments, "--data-dir", data_dir)

    refused(run(members[0], elsewhere, "-o", path), str(elsewhere), "does not say how it was fed")
    refused(run(members[0], other, "-o", path), str(other / "best.keras"), "other columns")
    refused(run(members[0], tmp_path / "absent.keras", "-o", path), "absent.keras not found")
    refused(run(*members, "-o", tmp_path / "out.h5"), "out.h5", "ends with .keras")
    refused(run(*members, "-o", path, "--name", "My Mean"), "'My Mean'", "lower-case letters")
    refused(run(*members, "-o", tmp_path / "absent" / "out.keras"), "absent", "Check the path")
    assert files(tmp_path) == before
    assert run("-o", path).exit_code == 2


def test_a_checkpoint_that_stands_there_is_not_overwritten_unasked(members, jenacast, data_dir, tmp_path):
    path = tmp_path / "mine.keras"
    path.write_text("mine")
    arguments = ("ensemble", members[0], "-o", path, "--data-dir", data_dir)
    refused(jenacast(*arguments), f"{path} exists", "--force")
    assert path.read_text() == "mine"
    assert jenacast(*arguments, "--force").exit_code == 0
    x = np.ones((2, 12, 14), np.float32)  # of one network it is that network
    np.testing.assert_allclose(load_checkpoint(path).model(x), load_checkpoint(members[0]).model(x), rtol=1e-6)


def test_members_of_another_series_than_the_prepared_one_are_refused(members, jenacast, data_dir, tmp_path):
    manifest = data_dir / "prepared" / "manifest.json"
    content = json.loads(manifest.read_text()) | {"source_sha256": "f" * 64}
    manifest.write_text(json.dumps(content))
    done = jenacast("ensemble", *members, "-o", tmp_path / "out.keras", "--data-dir", data_dir)
    refused(done, f"{data_dir} holds another series than the members were trained on", "prepare theirs")
    assert not (tmp_path / "out.keras").exists()


# --- several checkpoints evaluated -----------------------------------------------------------------------------


def test_of_several_the_mean_is_measured_on_the_hours_that_all_can_forecast(members, other, ask, forecasts, tmp_path):
    before = files(members[0], members[2], other)
    paths = (members[0], other, members[2])
    singles = [forecasts(path, "--split", "test") for path in paths]
    # 350 hourly rows of test: a window spans history and lead, less one; `other` needs six hours beyond its history.
    assert [len(table) for table in singles] == [350 - 35, 350 - 53, 350 - 35]
    answer = ask("evaluate", *paths)
    both = pd.concat([table.forecast_c for table in singles], axis=1, join="inner")
    truth = singles[0].truth_c[both.index]
    assert (answer["windows"], answer["windows_dropped"], answer["needed_hours"]) == (297, 18, 30)
    assert answer["mae_c"] == pytest.approx((both.mean(axis=1) - truth).abs().mean(), abs=ROUNDED)
    assert answer["bias_c"] == pytest.approx((both.mean(axis=1) - truth).mean(), abs=ROUNDED)
    baseline = singles[0].baseline_c[both.index]
    assert answer["baseline_mae_c"] == pytest.approx((baseline - truth).abs().mean(), abs=ROUNDED)
    assert answer["model"] == "mean of 3"
    assert answer["checkpoint"] == str(paths[0] / "best.keras")
    assert answer["members"] == [str(path / "best.keras") for path in paths]
    assert answer["weights"] == [pytest.approx(1 / 3)] * 3
    assert answer["offset_c"] == 0
    together = forecasts(*paths)
    np.testing.assert_array_equal(together.index, both.index)
    np.testing.assert_allclose(together.forecast_c, both.mean(axis=1), atol=ROUNDED)

    # Nothing was written into a run; --out says where.
    assert files(members[0], members[2], other) == before
    ask("evaluate", *paths, "--out", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "evaluation-test.json").read_text()) == answer
    assert (tmp_path / "out" / "evaluation-test.png").read_bytes().startswith(b"\x89PNG")
    assert files(members[0], members[2], other) == before


def test_alone_a_checkpoint_that_looks_further_back_tells_what_that_costs(
    members, other, ask, jenacast, data_dir, tmp_path
):
    answer = ask("evaluate", other, "--out", tmp_path)
    assert (answer["windows"], answer["windows_dropped"], answer["needed_hours"]) == (297, 6, 30)
    assert (answer["members"], answer["weights"], answer["offset_c"]) == ([], [], 0)
    against = jenacast("evaluate", members[0], "--against", other, "--data-dir", data_dir, "--out", tmp_path)
    assert "18 windows lack hours of the 30 needed" in against.stdout


def test_another_lead_is_another_task(members, altered, jenacast, data_dir):
    path = altered(encoding=changed_encoding(members[0], lead_hours=12))
    done = jenacast("evaluate", members[0], path, "--data-dir", data_dir)
    refused(done, "forecasts 24 h ahead", f"{path} forecasts 12 h ahead", "compare checkpoints of one lead")


def test_a_blend_fitted_on_validation_is_measured_on_test(members, other, ask, forecasts):
    before = files(members[2], other)
    answer = ask("evaluate", members[2], other, "--fit-blend")
    weights, offset_c = np.array(answer["weights"]), answer["offset_c"]
    assert weights.sum() == pytest.approx(1)
    on_val, on_test = ([forecasts(path, "--split", split) for path in (members[2], other)] for split in ("val", "test"))
    values = pd.concat([table.forecast_c for table in on_val], axis=1, join="inner").to_numpy().T
    truth = on_val[1].truth_c.to_numpy()  # the one with fewer windows
    assert offset_c == pytest.approx(np.median(truth - weights @ values), abs=ROUNDED)
    best = min(mae(np.array([weight, 1 - weight]) @ values, truth) for weight in np.linspace(0, 1, 101))
    assert mae(weights @ values, truth) <= best + mae(*values) / 100 + ROUNDED
    of_test = pd.concat([table.forecast_c for table in on_test], axis=1, join="inner")
    expected = of_test @ weights + offset_c
    assert answer["mae_c"] == pytest.approx((expected - on_test[1].truth_c).abs().mean(), abs=ROUNDED)
    np.testing.assert_allclose(forecasts(members[2], other, "--fit-blend").forecast_c, expected, atol=ROUNDED)
    assert files(members[2], other) == before


def test_an_offset_fitted_for_one_run_is_not_kept_as_the_runs_own_score(members, ask):
    before = files(members[0])
    assert ask("evaluate", members[0], "--fit-blend")["offset_c"] != 0
    assert files(members[0]) == before


def test_a_network_that_is_called_pretrained_goes_before_the_packages(members, ask, tmp_path, monkeypatch):
    (tmp_path / "pretrained").write_bytes((members[0] / "best.keras").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert ask("evaluate", "pretrained")["checkpoint"] == "pretrained"


@pytest.mark.real
def test_the_network_in_the_package_gives_the_figures_of_its_card(real_series, tmp_path):
    (tmp_path / CSV_NAME).symlink_to(real_series)
    prepare(tmp_path, protocol="book")
    card = (Path(jenacast_package.__file__).parent / "models" / "pretrained" / "card.md").read_text()
    for split in ("val", "test"):
        scores = evaluate(Path("pretrained"), data_dir=tmp_path, split=split).scores
        assert f"| {scores.mae_c:.3f} °C, " in card
        low, high = scores.mae_ci95_c
        assert f"{low:.3f} to {high:.3f}" in card
