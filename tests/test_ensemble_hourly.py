"""Ensembles of networks that forecast every hour."""

import numpy as np
import pytest

from jenacast.config import load_recipe
from jenacast.data.prepared import load_prepared
from jenacast.models.checkpoint import load_checkpoint, read_metadata
from jenacast.training.run import train

DENSE = ("data.history_hours=12", "data.target=change", "train.epochs=2", "train.learning_rate=0.01")


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
        # Of 315 windows the ranks 15 to 301 are inside, 316 p down and up; that widths follow the errors moves a few.
        for lead in answer["by"]["lead"]:
            assert lead["coverage"]["90"] == pytest.approx(287 / 315, abs=10 / 315)
