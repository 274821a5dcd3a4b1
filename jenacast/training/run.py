"""A training run: prepared splits in, a run folder out. The test split is read only where `data.fit_on` names it."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jenacast.config import Config, differences, stored_settings, with_train
from jenacast.data.prepared import Prepared, load_prepared, remedy
from jenacast.errors import ConfigError, DataError, JenacastError, install_extra
from jenacast.features.datasets import batch_count, split_samples
from jenacast.features.encoding import fit_encoding
from jenacast.features.repair import tell_of_breaks
from jenacast.files import write_json
from jenacast.models.build import build_model, check_model, with_engine
from jenacast.runtime import commit, device_name, has_gpu, load_tensorflow, make_deterministic, set_seed, versions
from jenacast.settings import TrainSettings
from jenacast.training import run_folder
from jenacast.training.backend import RecurrentBackend, find_backend, refuse_other_than_cudnn
from jenacast.training.contract import check_network
from jenacast.training.learner import Learner
from jenacast.training.loop import fit
from jenacast.training.memory import warn_of_memory
from jenacast.training.parts import EpochCallback, Run
from jenacast.training.run_folder import Outcome, RunRecord, read_outcome
from jenacast.training.state import Progress, load_state

logger = logging.getLogger(__name__)

HIGH_DROPOUT = 0.5


def train(
    config: Config,
    *,
    data_dir: Path,
    run_dir: Path,
    force: bool = False,
    tensorboard: bool = False,
    require_cudnn: bool = False,
    folds: Sequence[Path] = (),
    callback: EpochCallback | None = None,
) -> Outcome:
    """Train a network on the prepared data in `data_dir` and keep everything about it in `run_dir`.

    Args:
        config: the complete settings.
        data_dir: where `prepared/` lies.
        run_dir: made here; refused where it holds anything.
        force: replace a run in `run_dir`.
        tensorboard: also write logs for TensorBoard.
        require_cudnn: refuse to train where cuDNN cannot be used.
        folds: runs of the same settings that each left a year out, to calibrate a network that has seen all.
        callback: called after each epoch; may end the run there, unfinished.

    Raises:
        JenacastError: no prepared data, settings that do not fit, or a training that diverges.
    """
    check_network(config)
    config = with_engine(config)
    _warn_of_dropout(config)
    warn_of_memory(config)
    if tensorboard:
        _require_tensorboard()
    run = _assemble(config, load_prepared(data_dir), data_dir, run_dir, Progress())
    run.record = run.record.model_copy(update={"folds": [str(fold.resolve()) for fold in folds]})
    run.callback = callback
    if require_cudnn:
        refuse_other_than_cudnn(run.backend, config)
    with run_folder.claimed_run_dir(run_dir, force=force):  # last: until here an old run stays whole
        run_folder.write_config(run_dir, config)  # first: by its settings a folder is known as one that may be replaced
        write_json(run_dir / run_folder.RECORD, run.record.model_dump())
        run.writer = _tensorboard_writer(run_dir) if tensorboard else None
        return fit(run)


def train_or_resume(config: Config, *, data_dir: Path, run_dir: Path, callback: EpochCallback | None = None) -> Outcome:
    """Train in `run_dir`, or resume the run in it: one of several runs, which may have been stopped.

    Arguments and errors are those of `train` and `resume`.
    """
    if (run_dir / run_folder.CONFIG).is_file() and run_folder.is_run_dir(run_dir):
        return resume(run_dir, callback=callback)
    return train(config, data_dir=data_dir, run_dir=run_dir, force=True, callback=callback)


def resume(run_dir: Path, *, epochs: int | None = None, callback: EpochCallback | None = None) -> Outcome:
    """Continue a run that was stopped or killed, with the same result as if it had not been.

    On a CPU, with the same versions, weights and history come out bit for bit the same. A finished run is left
    as it is, unless `epochs` is raised.

    Args:
        run_dir: the run's folder; it knows its settings and its data.
        epochs: train up to this epoch instead.
        callback: called with each epoch, those before the resumption first; may end the run there, unfinished.

    Raises:
        JenacastError: not a run, one that a living process holds, or one whose settings or data have changed.
    """
    with run_folder.resumed_run_dir(run_dir):
        config = run_folder.read_config(run_dir)
        check_model(config)
        if epochs is not None:
            _refuse_epochs(epochs, config.train)
            config = with_train(config, epochs=epochs)
        progress, variables = Progress(), None
        if (run_dir / run_folder.STATE).exists():
            progress, settings, variables = load_state(run_dir / run_folder.STATE)
            _refuse_other_settings(config, settings, run_dir)
        if progress.is_finished(config.train) and _is_reported(progress, run_dir):
            logger.info("%s is finished: nothing to do. --epochs trains further", run_dir)
            return read_outcome(run_dir)
        record = run_folder.read_record(run_dir)
        data_dir = Path(record.data_dir)
        prepared = load_prepared(data_dir)
        _refuse_other_data(prepared, record, data_dir)
        run = _assemble(config, prepared, data_dir, run_dir, progress)
        if run.encoding.repairs != record.repairs:
            raise DataError(f"{data_dir} holds other breaks than the run began with, prepared anew; start a new run")
        for what, now, begun in (
            ("version", run.record.versions, record.versions),
            ("kernel", run.record.kernel, record.kernel),
        ):
            if now != begun:
                logger.warning("begun with another %s (%s): the result may differ in the last digits", what, begun)
        run.record, run.callback = record, callback
        if variables is not None:
            try:
                run.learner.restore(variables)
                if progress.step > run.steps:
                    raise ValueError(f"step {progress.step:,} of {run.steps}")
            except ValueError as error:
                state = run_dir / run_folder.STATE
                raise JenacastError(f"{state} belongs to another network ({error}); start a new run") from None
        run_folder.write_config(run_dir, config)
        if (run_dir / run_folder.TENSORBOARD).exists():
            run.writer = _tensorboard_writer(run_dir)
        logger.info("continuing in epoch %d, after step %d of %d", progress.epoch + 1, progress.step, run.steps)
        return fit(run)


def _is_reported(progress: Progress, run_dir: Path) -> bool:
    """Whether the result of the finished run was written too; a run killed just before has only its state."""
    if not (run_dir / run_folder.METRICS).exists():
        return False
    outcome = read_outcome(run_dir)
    return outcome.finished and outcome.epochs == progress.epoch


def _assemble(config: Config, prepared: Prepared, data_dir: Path, run_dir: Path, progress: Progress) -> Run:
    """Everything a run needs, in memory; nothing is written."""
    manifest = prepared.manifest
    encoding = fit_encoding(prepared, config.data)
    tell_of_breaks(prepared, encoding.repairs, config.data.fit_on)
    per_hour = config.data.windows_per_hour
    train_samples = split_samples(prepared, config.data.fit_on, encoding, windows_per_hour=per_hour)
    val_samples = None
    if config.data.fit_on == "train":
        val_samples = split_samples(prepared, "val", encoding, windows_per_hour=per_hour)
    if config.train.deterministic:
        make_deterministic()
    elif has_gpu():
        logger.info(
            "on a GPU the same seed, or a resumed run, comes out slightly different each time; "
            "--deterministic makes it bit for bit the same"
        )
    set_seed(config.train.seed)
    model = build_model(config)
    backend = find_backend(model, config)
    record = RunRecord(
        data_dir=str(data_dir.resolve()),
        source_sha256=manifest.source_sha256,
        protocol=manifest.protocol,
        synthetic=manifest.synthetic,
        parameters=model.count_params(),
        fit_on=config.data.fit_on,
        fold=manifest.fold,
        repairs=encoding.repairs,
        train_windows=len(train_samples),
        val_windows=len(val_samples) if val_samples else 0,
        windows_dropped=train_samples.dropped + (val_samples.dropped if val_samples else 0),
        needed_hours=encoding.needed_hours,
        device=device_name(),
        kernel=backend,
        versions=versions(),
        commit=commit(),
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
    )
    steps = config.train.epochs * batch_count(len(train_samples), config.train.batch_size)
    learner = Learner(model, config.train, steps=steps, xla=backend is RecurrentBackend.XLA)
    return Run(config, run_dir, learner, backend, encoding, train_samples, val_samples, record, progress)


def _refuse_epochs(epochs: int, settings: TrainSettings) -> None:
    """Refuse to resume up to an epoch that would not give the run that the settings describe."""
    if epochs < settings.epochs:
        raise ConfigError(f"--epochs {epochs}: the run has train.epochs={settings.epochs}; it may only be raised")
    if epochs > settings.epochs and settings.stop_epoch:
        raise ConfigError(
            f"--epochs {epochs}: train.stop_epoch={settings.stop_epoch} ends this run; start a new one instead"
        )
    if epochs > settings.epochs and settings.schedule != "constant":
        raise ConfigError(
            f"--epochs {epochs}: the learning rate of this run has fallen to 0 by epoch {settings.epochs}, as "
            f"train.schedule={settings.schedule} says; start a new run with more epochs"
        )


def _refuse_other_settings(config: Config, begun_with: dict[str, Any], run_dir: Path) -> None:
    lines = differences(config, stored_settings(begun_with))
    changed = [line for line in lines if not line.startswith("train.epochs:")]
    if changed:
        raise ConfigError(
            f"{run_dir / run_folder.CONFIG} is not what the run began with, so it cannot continue; put it back, or "
            "start a new run with --config:\n  " + "\n  ".join(changed)
        )


def _refuse_other_data(prepared: Prepared, record: RunRecord, data_dir: Path) -> None:
    manifest = prepared.manifest
    again = remedy("prepare", data_dir, "--protocol", record.protocol)
    for what, began, now, mend in (
        ("series (SHA-256)", record.source_sha256, manifest.source_sha256, "prepare the old one again"),
        ("protocol", record.protocol, manifest.protocol, again),
    ):
        if began != now:
            raise DataError(
                f"{data_dir} holds another {what} than the run began with: {began}, now {now}; {mend}, "
                "or start a new run"
            )


def _warn_of_dropout(config: Config) -> None:
    for name, rate in config.model:
        if name.endswith("dropout") and isinstance(rate, float) and rate > HIGH_DROPOUT:
            logger.warning("model.%s=%g drops more than half; training may not learn", name, rate)


def _require_tensorboard() -> None:
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise JenacastError(f"--tensorboard needs TensorBoard; run: {install_extra('tensorboard')}") from None


def _tensorboard_writer(run_dir: Path) -> Any:
    _require_tensorboard()
    return load_tensorflow().summary.create_file_writer(str(run_dir / run_folder.TENSORBOARD))
