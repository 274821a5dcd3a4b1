"""Networks averaged: one checkpoint that holds all of them, with their weights."""

import logging
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.data.prepared import load_prepared
from jenacast.data.series import Floats
from jenacast.errors import CheckpointError, ConfigError, DataError
from jenacast.evaluation.blend import equal_blend, fit_blend, refuse_seen_validation
from jenacast.evaluation.metrics import measure
from jenacast.features.datasets import split_samples
from jenacast.features.encoding import Encoding
from jenacast.files import refuse_existing
from jenacast.models.checkpoint import FORMAT, Checkpoint, HeldOut, Member, Metadata, load_checkpoint, save_checkpoint
from jenacast.models.inference import forecast_leads_c, forward_function
from jenacast.models.intervals import Calibration, calibrate
from jenacast.runtime import versions
from jenacast.settings import MAX_NAME, NAME_PATTERN
from jenacast.training import run_folder
from jenacast.training.cross_fit import cross_fit

ROUNDING = 1e-9
MEMBER_FACTS = {"model", "seed", "epoch", "val_mae_c", "config"}
logger = logging.getLogger(__name__)


def make_ensemble(
    paths: Sequence[Path], out: Path, *, data_dir: Path, name: str, fit: bool = False, force: bool = False
) -> Metadata:
    """Write one checkpoint that forecasts the mean of its members.

    It has intervals if they did not see validation, or if held-out years calibrate them.

    The members are trained on the same series, columns, history and target. With `fit` they are blended by `fit_blend`
    on validation, instead of equally; those of weight 0 are left out.

    Raises:
        CheckpointError: a member that cannot be loaded, or does not fit the first one; `fit` for members that saw
            validation in training.
        ConfigError: an invalid name, or `out` does not end with `.keras`.
        DataError: prepared data of another series than the members were trained on.
        ExistsError: `out` exists and `force` is not given.
    """
    _refuse_target(out, name, force=force)
    checkpoints = [load_checkpoint(path) for path in paths]
    abouts = _refuse_misfits(checkpoints)
    first, encoding = abouts[0], abouts[0].encoding
    if fit:
        refuse_seen_validation(first, checkpoints[0].path)
    prepared = load_prepared(data_dir)
    if prepared.manifest.source_sha256 != first.source_sha256:
        raise DataError(f"{data_dir} holds another series than the members were trained on; prepare theirs")

    val = split_samples(prepared, "val", encoding)
    leads_c = np.stack([forecast_leads_c(forward_function(each.model), val, encoding) for each in checkpoints])
    forecasts_c, truth_c = leads_c[:, :, -1], val.truth_c[:, -1]  # (members, windows) and (windows,)
    blend = fit_blend(forecasts_c, truth_c) if fit else equal_blend(len(checkpoints))
    kept = [(number, weight) for number, weight in enumerate(blend.weights.tolist()) if weight > 0]
    # One offset for each hour of the next day: what is missing at one need not be missing at another.
    missing_c = val.truth_c - np.tensordot(blend.weights, leads_c, axes=1)
    offsets = np.nanmedian(missing_c, axis=0) / encoding.target.scale_c if fit else np.zeros(len(encoding.leads))
    network = _average([(checkpoints[number].model, weight) for number, weight in kept], encoding, offsets)
    mae_c, *theirs_c = (measure(each, truth_c).mae_c for each in (blend.apply(forecasts_c), *forecasts_c))
    is_unseen = first.trained_on == "train"
    train = split_samples(prepared, "train", encoding)
    calibration, held_out = _cross_fitted([(paths[number], weight) for number, weight in kept], encoding)
    if is_unseen:
        calibration = calibrate(forward_function(network), train, val, encoding)
    metadata = first.model_copy(
        update={
            "format": FORMAT,
            "model": name,
            "val_mae_c": mae_c if is_unseen else None,
            "versions": versions(),
            "members": tuple(
                Member(weight=weight, **abouts[number].model_dump(include=MEMBER_FACTS)) for number, weight in kept
            ),
            "calibration": calibration,
            "held_out": held_out,
        }
    )
    save_checkpoint(network, metadata, out)
    logger.info(
        "%s: %d members, offset %+.3f °C, validation MAE %.3f °C (theirs %s)%s",
        *(name, len(kept), blend.offset_c, mae_c, ", ".join(f"{each_c:.3f}" for each_c in theirs_c)),
        "" if is_unseen else "; they were trained on validation too, so that says little",
    )
    return metadata


def _cross_fitted(
    members: Sequence[tuple[Path, float]], encoding: Encoding
) -> tuple[Calibration | None, tuple[HeldOut, ...]]:
    """The intervals of a mean of networks that have seen all years, where held-out years calibrate each of their runs.

    Their residuals are those of the mean of the networks that have left out the same year.
    """
    folders = [path if path.is_dir() else path.parent for path, _ in members]
    folds = [run_folder.read_record(each).folds if run_folder.is_run_dir(each) else [] for each in folders]
    if not all(folds):
        return None, ()
    weights = [weight for _, weight in members]
    return cross_fit([(weight, [*map(Path, runs)]) for weight, runs in zip(weights, folds, strict=True)], encoding)


def _refuse_target(out: Path, name: str, *, force: bool) -> None:
    if out.suffix != ".keras":
        raise ConfigError(f"--out {out}: expected a name that ends with .keras; choose another")
    if not re.fullmatch(NAME_PATTERN, name) or len(name) > MAX_NAME:
        raise ConfigError(f"--name {name!r}: expected up to {MAX_NAME} lower-case letters, digits, - and _")
    refuse_existing(out, force=force)


def _refuse_misfits(members: Sequence[Checkpoint]) -> list[Metadata]:
    """The members' metadata, which have to agree on everything that decides how a network is fed."""
    abouts: list[Metadata] = []
    for member in members:
        if member.metadata is None:
            raise CheckpointError(f"{member.path} has no record of its inputs; only networks of jenacast have one")
        abouts.append(member.metadata)
        about, first = member.metadata, abouts[0]
        is_fed_alike = _is_close(about.encoding.model_dump(), first.encoding.model_dump())
        for what, theirs, mine in (
            ("another series", about.source_sha256, first.source_sha256),
            ("another protocol", about.protocol, first.protocol),
            ("other splits", about.trained_on, first.trained_on),
            ("other columns, history or target", is_fed_alike, True),
        ):
            if theirs != mine:
                raise CheckpointError(
                    f"{member.path} was trained with {what} than {members[0].path}; one checkpoint holds members that "
                    "are fed alike. `jenacast evaluate A B` averages those that are not"
                )
    return abouts


def _is_close(one: Any, other: Any) -> bool:
    """Whether two plain values are the same but for rounding: fitted sums depend on the number of threads."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_close(one[key], other[key]) for key in one)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_is_close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING)
    return bool(one == other)


def _average(members: Sequence[tuple[Any, float]], encoding: Encoding, offsets: Floats) -> Any:
    """One network over the same input, (windows, steps, columns).

    Its (windows, outputs) are the weighted mean of the members', plus (outputs,) `offsets` in units of the target.
    """
    import keras

    inputs = keras.Input((encoding.history_hours, len(encoding.columns)), name="history")
    outputs = []
    for number, (model, weight) in enumerate(members):
        model.name = f"member_{number}"  # names are unique within a network
        outputs.append(keras.layers.Rescaling(weight)(model(inputs)))
    mean = keras.layers.Add()(outputs) if len(outputs) > 1 else outputs[0]
    if offsets.any():
        mean = keras.layers.Rescaling(1.0, offset=offsets.tolist(), name="offsets")(mean)
    return keras.Model(inputs, mean, name="ensemble")
