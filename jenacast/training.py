"""A training run: prepared train and validation splits in, a run folder out. The test split is never read."""

import logging
import math
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from jenacast import plots, rundir
from jenacast.checkpoint import FORMAT, Metadata, save_checkpoint
from jenacast.config import Config, dump_config
from jenacast.datasets import Batches, Samples, batch_count, split_samples
from jenacast.encoding import Encoding, fit_encoding
from jenacast.errors import JenacastError
from jenacast.files import atomic_path, write_json
from jenacast.learner import Learner
from jenacast.metrics import measure
from jenacast.models import build_model, check_model
from jenacast.prepared import load_prepared
from jenacast.runtime import commit, device_name, load_tensorflow, set_seed, versions

logger = logging.getLogger(__name__)


@dataclass
class Progress:
    """How far a run is: with the learner's variables, its whole state."""

    epoch: int = 0  # whole epochs done
    best_epoch: int = 0  # counted from 1; 0 before the first
    best_val_mae_c: float = math.inf
    stale_epochs: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What a run came to; `metrics.json`."""

    run_dir: str
    checkpoint: str
    model: str
    seed: int
    epochs: int
    best_epoch: int
    val_mae_c: float
    val_baseline_mae_c: float
    protocol: str
    synthetic: bool
    parameters: int
    steps: int
    seconds: float
    device: str


@dataclass
class _Run:
    """The parts of one run, put together."""

    config: Config
    folder: Path
    learner: Learner
    encoding: Encoding
    train: Samples
    val: Samples
    about: dict[str, Any]
    progress: Progress


def train(config: Config, *, data_dir: Path, run_dir: Path, force: bool = False, tensorboard: bool = False) -> Outcome:
    """Train a network on the prepared data in `data_dir` and keep everything about it in `run_dir`.

    The best network by validation MAE and the last one are written at the end of each epoch, so that
    whatever stops the run, the best so far is kept.

    Args:
        config: the complete settings.
        data_dir: where `prepared/` lies.
        run_dir: made here; refused where it holds anything.
        force: replace a run that stands in `run_dir`.
        tensorboard: also write logs for TensorBoard.

    Raises:
        JenacastError: no prepared data, settings that do not fit, or a training that diverges.
    """
    check_model(config)
    prepared = load_prepared(data_dir)
    encoding = fit_encoding(prepared.manifest, config.data)
    per_hour = config.data.windows_per_hour
    samples = [split_samples(prepared, split, encoding, windows_per_hour=per_hour) for split in ("train", "val")]
    if tensorboard:
        _require_tensorboard()
    set_seed(config.train.seed)
    model = build_model(config, columns=len(encoding.columns))
    rundir.create_run_dir(run_dir, force=force)  # last: until here an old run stays whole
    about = {
        "data_dir": str(data_dir.resolve()),
        "source_sha256": prepared.manifest.source_sha256,
        "protocol": prepared.manifest.protocol,
        "synthetic": prepared.manifest.synthetic,
        "parameters": model.count_params(),
        "train_windows": len(samples[0]),
        "val_windows": len(samples[1]),
        "device": device_name(),
        "versions": versions(),
        "commit": commit(),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    with atomic_path(run_dir / rundir.CONFIG) as path:
        path.write_text(dump_config(config), encoding="utf-8")
    write_json(run_dir / rundir.RECORD, about)
    learner = Learner(model, config.train)
    run = _Run(config, run_dir, learner, encoding, samples[0], samples[1], about, Progress())
    return _fit(run, _tensorboard_writer(run_dir) if tensorboard else None)


def _fit(run: _Run, writer: Any) -> Outcome:
    """Train to the last epoch or until patience runs out; whatever stops it, report what there is."""
    settings, progress = run.config.train, run.progress
    steps = batch_count(len(run.train), settings.batch_size)
    baseline = measure(run.val.baseline_c, run.val.truth_c)
    logger.info(
        "%s: %s parameters, %s train windows, %s steps an epoch, on %s; validation baseline %.3f °C",
        run.config.name,
        f"{run.about['parameters']:,}",
        f"{len(run.train):,}",
        steps,
        run.about["device"],
        baseline.mae_c,
    )
    train_batches, val_batches = Batches(run.train), Batches(run.val)
    began = time.monotonic()
    try:
        with tqdm(total=settings.epochs * steps, unit="step", disable=None, leave=False) as bar:
            while progress.epoch < settings.epochs and not _out_of_patience(run):
                _train_epoch(run, train_batches, bar)
                _end_epoch(run, val_batches, time.monotonic() - began, writer)
                bar.clear()
                logger.info("%s", _epoch_line(run, time.monotonic() - began))
    finally:
        outcome = _report(run, baseline.mae_c, steps) if progress.history else None
        if outcome:
            logger.info("best checkpoint: %s", outcome.checkpoint)
    if outcome is None:
        raise JenacastError("no epoch was trained; train.epochs must be at least 1")
    return outcome


def _train_epoch(run: _Run, batches: Batches, bar: Any) -> None:
    settings, epoch = run.config.train, run.progress.epoch
    run.learner.reset_sums()
    for inputs, targets in batches.shuffled(batch_size=settings.batch_size, seed=settings.seed, epoch=epoch):
        run.learner.train_batch(inputs, targets)
        bar.update()


def _end_epoch(run: _Run, val_batches: Batches, seconds: float, writer: Any) -> None:
    """Validate, remember, and write the checkpoints and the history."""
    progress, scale_c = run.progress, run.encoding.target.scale_c
    epoch = progress.epoch + 1
    loss, train_mae = run.learner.epoch_means()
    if not math.isfinite(loss):
        kept = f" The best checkpoint, of epoch {progress.best_epoch}, is kept." if progress.best_epoch else ""
        raise JenacastError(
            f"the loss is {loss} after epoch {epoch}: the training diverges.{kept} "
            "Try a smaller train.learning_rate, or train.clip_norm=1"
        )
    errors = measure(run.encoding.decode(run.learner.predict(val_batches)), run.val.truth_c)
    better = errors.mae_c < progress.best_val_mae_c
    record = {
        "epoch": epoch,
        "train_loss": loss,
        "train_mae_c": train_mae * scale_c,
        "val_mae_c": errors.mae_c,
        "val_rmse_c": errors.rmse_c,
        "learning_rate": float(run.learner.optimizer.learning_rate),
        "seconds": round(seconds, 3),
    }
    metadata = _metadata(run, epoch, errors.mae_c)
    save_checkpoint(run.learner.model, metadata, run.folder / rundir.LAST)
    if better:
        save_checkpoint(run.learner.model, metadata, run.folder / rundir.BEST)
        progress.best_epoch, progress.best_val_mae_c = epoch, errors.mae_c
    # Only now: a signal during the saves must not leave a report of a checkpoint that was never written.
    progress.epoch = epoch
    progress.stale_epochs = 0 if better else progress.stale_epochs + 1
    progress.history.append(record)
    rundir.write_history(run.folder / rundir.HISTORY, progress.history)
    if writer:
        _write_summaries(writer, record)


def _metadata(run: _Run, epoch: int, val_mae_c: float) -> Metadata:
    return Metadata(
        format=FORMAT,
        model=run.config.name,
        config=run.config.model_dump(),
        encoding=run.encoding,
        protocol=run.about["protocol"],
        source_sha256=run.about["source_sha256"],
        synthetic=run.about["synthetic"],
        seed=run.config.train.seed,
        epoch=epoch,
        val_mae_c=val_mae_c,
        versions=run.about["versions"],
    )


def _out_of_patience(run: _Run) -> bool:
    patience = run.config.train.patience
    if not patience or run.progress.stale_epochs < patience:
        return False
    logger.info("no better validation MAE in %d epochs: stopping early", patience)
    return True


def _report(run: _Run, baseline_mae_c: float, steps: int) -> Outcome:
    progress = run.progress
    outcome = Outcome(
        run_dir=str(run.folder),
        checkpoint=str(run.folder / rundir.BEST),
        model=run.config.name,
        seed=run.config.train.seed,
        epochs=progress.epoch,
        best_epoch=progress.best_epoch,
        val_mae_c=progress.best_val_mae_c,
        val_baseline_mae_c=baseline_mae_c,
        protocol=run.about["protocol"],
        synthetic=run.about["synthetic"],
        parameters=run.about["parameters"],
        steps=steps * progress.epoch,
        seconds=progress.history[-1]["seconds"],
        device=run.about["device"],
    )
    write_json(run.folder / rundir.METRICS, asdict(outcome))
    plots.learning_curves(
        run.folder / rundir.CURVES,
        progress.history,
        baseline_mae_c=baseline_mae_c,
        title=f"{run.config.name}, seed {outcome.seed}",
        synthetic=outcome.synthetic,
    )
    return outcome


def _epoch_line(run: _Run, seconds: float) -> str:
    record, progress, epochs = run.progress.history[-1], run.progress, run.config.train.epochs
    left_s = seconds / progress.epoch * (epochs - progress.epoch)
    mark = " (best)" if progress.best_epoch == progress.epoch else ""
    return (
        f"epoch {progress.epoch}/{epochs}: train MAE {record['train_mae_c']:.3f} °C, "
        f"validation MAE {record['val_mae_c']:.3f} °C{mark}; {seconds:.0f} s, about {left_s:.0f} s left"
    )


def _require_tensorboard() -> None:
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise JenacastError("--tensorboard needs TensorBoard; run: pip install 'jenacast[tensorboard]'") from None


def _tensorboard_writer(run_dir: Path) -> Any:
    return load_tensorflow().summary.create_file_writer(str(run_dir / rundir.TENSORBOARD))


def _write_summaries(writer: Any, record: dict[str, Any]) -> None:
    tf = load_tensorflow()
    with writer.as_default(step=record["epoch"]):
        for name in ("train_loss", "train_mae_c", "val_mae_c", "learning_rate"):
            tf.summary.scalar(name, record[name])
    writer.flush()
