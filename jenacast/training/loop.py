"""The epochs of a run: train, validate, remember, write; exact after any interruption."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from jenacast.config import Config, TrainSettings
from jenacast.errors import JenacastError
from jenacast.evaluation.metrics import ErrorMetrics, measure
from jenacast.features.datasets import Batches, Samples, batch_count
from jenacast.features.encoding import Encoding
from jenacast.files import write_json
from jenacast.models.checkpoint import BEST, FORMAT, Metadata, load_checkpoint, save_checkpoint
from jenacast.models.inference import forward_function
from jenacast.models.intervals import calibrate
from jenacast.runtime import load_tensorflow
from jenacast.training import run_folder
from jenacast.training.curves import learning_curves
from jenacast.training.interrupts import Deferred, deferred_signals
from jenacast.training.kernels import Kernel
from jenacast.training.learner import Learner
from jenacast.training.run_folder import Outcome, read_outcome
from jenacast.training.state import Progress, save_state

logger = logging.getLogger(__name__)

CHECK_EVERY_STEPS = 50  # for a loss that is not finite; asking makes a GPU wait

# Told the validation MAE (degC) after each epoch, those too that went before a resumption; says whether to stop there
Watch = Callable[[int, float], bool]


@dataclass
class Run:
    """The parts of one run, put together. `about` is the content of `run.json`; `watch` may end it before its end."""

    config: Config
    folder: Path
    learner: Learner
    kernel: Kernel
    encoding: Encoding
    train: Samples
    val: Samples | None
    about: dict[str, Any]
    progress: Progress
    watch: Watch | None = None
    writer: Any = None
    calibrated: bool = False

    @property
    def steps(self) -> int:
        """Train batches in an epoch."""
        return batch_count(len(self.train), self.config.train.batch_size)

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or patience ran out."""
        return is_finished(self.progress, self.config.train)


def is_finished(progress: Progress, settings: TrainSettings) -> bool:
    """Whether the last epoch is done, or patience ran out."""
    impatient = 0 < settings.patience <= progress.stale_epochs
    return progress.epoch >= (settings.stop_epoch or settings.epochs) or impatient


def fit(run: Run) -> Outcome:
    """Train `run` to its end from wherever it stands.

    Whatever stops it, the best checkpoint stays, the state is saved where that is possible, and the command
    that goes on is told.

    Raises:
        JenacastError: the loss is not finite.
        OSError: a file cannot be written.
    """
    baseline_mae_c = measure(run.val.last_observed_c, run.val.truth_c[:, -1]).mae_c if run.val else None
    logger.info(
        "%s: %s parameters, %s %s windows, %s steps an epoch, on %s with %s; %s",
        *(run.config.name, f"{run.about['parameters']:,}", f"{len(run.train):,}", run.config.data.fit_on, run.steps),
        *(run.about["device"], run.kernel),
        "no validation" if baseline_mae_c is None else f"validation baseline {baseline_mae_c:.3f} °C",
    )
    if run.about.get("windows_dropped"):
        logger.info(
            "%s windows are left out: a forecast needs %d hours in all",
            *(f"{run.about['windows_dropped']:,}", run.about["needed_hours"]),
        )
    train_batches, val_batches = Batches(run.train), Batches(run.val) if run.val else None
    epochs = run.config.train.stop_epoch or run.config.train.epochs
    total, done = epochs * run.steps, run.progress.epoch * run.steps + run.progress.step
    with (
        _telling_how_to_resume(run),
        deferred_signals() as signals,
        tqdm(total=total, initial=done, unit="step", disable=None, leave=False) as bar,
    ):
        try:
            hopeless = True in [_is_hopeless(run, record) for record in run.progress.history]  # all of them are told
            while not run.finished and not hopeless:
                _train_epoch(run, train_batches, signals, bar)
                _end_epoch(run, val_batches, signals)
                bar.clear()
                logger.info("%s", _epoch_line(run))
                hopeless = _is_hopeless(run, run.progress.history[-1])
            if not hopeless:
                _calibrate(run)
            signals.deliver()
        finally:
            if run.progress.history and (run.folder / run_folder.RECORD).is_file():
                _report(run, baseline_mae_c)
    if 0 < run.config.train.patience <= run.progress.stale_epochs:
        logger.info("stopped early: no better validation MAE in %d epochs", run.config.train.patience)
    outcome = read_outcome(run.folder)
    logger.info("best checkpoint: %s (epoch %d)", outcome.checkpoint, outcome.best_epoch)
    return outcome


def _is_hopeless(run: Run, record: dict[str, Any]) -> bool:
    told = run.watch is not None and run.watch(record["epoch"], record["val_mae_c"])
    return told and not run.finished


@contextmanager
def _telling_how_to_resume(run: Run) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _refuse_vanished(run)
        raise JenacastError(
            f"{error}. The last good state is kept; mend the disk, then go on: jenacast train --resume {run.folder}"
        ) from error
    except JenacastError:
        raise
    except BaseException:
        best = f"; best so far: {run.folder / BEST}" if run.progress.best_epoch else ""
        logger.warning("stopped%s. To go on: jenacast train --resume %s", best, run.folder)
        raise


def _train_epoch(run: Run, batches: Batches, signals: Deferred, bar: Any) -> None:
    """Train what is left of the running epoch; save the state now and then, at its end, and when stopped."""
    settings, progress = run.config.train, run.progress
    if progress.step == 0:
        run.learner.reset_sums()
    before_s, began = progress.seconds, time.monotonic()
    saved = began
    remaining = batches.shuffled(
        batch_size=settings.batch_size, seed=settings.seed, epoch=progress.epoch, first_batch=progress.step
    )
    for inputs, targets in remaining:
        run.learner.train_batch(inputs, targets)
        progress.step += 1
        progress.seconds = before_s + time.monotonic() - began
        bar.update()
        if progress.step % CHECK_EVERY_STEPS == 0:
            _refuse_divergence(run)
        due = time.monotonic() - saved >= settings.save_every_seconds
        if due or signals.pending:
            _save(run)
            saved = time.monotonic()
            signals.deliver()
    _save(run)


def _end_epoch(run: Run, batches: Batches | None, signals: Deferred) -> None:
    """Validate, then write checkpoints and history, and last the state: killed before that, it is done again."""
    progress, began = run.progress, time.monotonic()
    errors = _validate(run, batches, signals)
    progress.seconds += time.monotonic() - began
    loss, train_mae = run.learner.epoch_means()
    progress.epoch, progress.step = progress.epoch + 1, 0
    better = errors is None or errors.mae_c < progress.best_val_mae_c
    if better:
        progress.best_epoch = progress.epoch
        progress.best_val_mae_c = errors.mae_c if errors else math.inf
    progress.stale_epochs = 0 if better else progress.stale_epochs + 1
    progress.history.append(
        {
            "epoch": progress.epoch,
            "train_loss": loss,
            "train_mae_c": train_mae * run.encoding.target.scale_c,
            "val_mae_c": errors.mae_c if errors else None,
            "val_rmse_c": errors.rmse_c if errors else None,
            "learning_rate": run.learner.learning_rate,
            "seconds": round(progress.seconds, 3),
        }
    )
    metadata = _metadata(run, errors.mae_c if errors else None)
    _refuse_vanished(run)
    with run.learner.averaged():
        save_checkpoint(run.learner.model, metadata, run.folder / run_folder.LAST)
        if better:
            save_checkpoint(run.learner.model, metadata, run.folder / BEST)
    run_folder.write_history(run.folder / run_folder.HISTORY, progress.history)
    if run.writer:
        _write_summaries(run.writer, progress.history[-1])
    _save(run)
    signals.deliver()


def _validate(run: Run, batches: Batches | None, signals: Deferred) -> ErrorMetrics | None:
    if batches is None or run.val is None:
        return None
    with run.learner.averaged():
        outputs = run.learner.predict(batches, between=signals.deliver)
    forecasts_c = run.encoding.decode_leads(outputs, run.val.now, run.val.last_observed_c)
    return measure(forecasts_c[:, -1], run.val.truth_c[:, -1])


def _calibrate(run: Run) -> None:
    """Add to the best checkpoint how sure it is; a run that ends before that is not finished."""
    if run.val:
        _refuse_vanished(run)
        path = run.folder / BEST
        best = load_checkpoint(path)
        if best.metadata is None:
            raise JenacastError(f"{path} is not what this run wrote; start a new run")
        calibration = calibrate(forward_function(best.model), run.train, run.val, run.encoding)
        save_checkpoint(best.model, best.metadata.model_copy(update={"calibration": calibration}), path)
    run.calibrated = True


def _save(run: Run) -> None:
    _refuse_divergence(run)
    _refuse_vanished(run)
    save_state(run.folder / run_folder.STATE, run.progress, run.learner.variables(), run.config)


def _refuse_vanished(run: Run) -> None:
    """Stop where the folder is gone: without the settings in it nothing could go on from a state."""
    if not (run.folder / run_folder.RECORD).is_file():
        raise JenacastError(
            f"{run.folder} was removed, or its disk was, while it was trained in: {run_folder.RECORD} not found; "
            f"bring it back and go on with: jenacast train --resume {run.folder}, or start a new run"
        )


def _refuse_divergence(run: Run) -> None:
    step = run.learner.first_bad_step()
    if step is not None:
        best = run.progress.best_epoch
        kept = f" The best checkpoint, of epoch {best}, is kept." if best else ""
        raise JenacastError(
            f"the loss is not finite at step {step} (epoch {run.progress.epoch + 1}): the training diverges.{kept} "
            "Try a smaller train.learning_rate, or train.clip_norm=1"
        )


def _metadata(run: Run, val_mae_c: float | None) -> Metadata:
    return Metadata(
        format=FORMAT,
        model=run.config.name,
        config=run.config.model_dump(),
        encoding=run.encoding,
        protocol=run.about["protocol"],
        source_sha256=run.about["source_sha256"],
        synthetic=run.about["synthetic"],
        seed=run.config.train.seed,
        epoch=run.progress.epoch,
        val_mae_c=val_mae_c,
        versions=run.about["versions"],
        trained_on=run.config.data.fit_on,
    )


def _report(run: Run, baseline_mae_c: float | None) -> None:
    progress = run.progress
    outcome = Outcome(
        run_dir=str(run.folder),
        checkpoint=str(run.folder / BEST),
        model=run.config.name,
        seed=run.config.train.seed,
        epochs=progress.epoch,
        best_epoch=progress.best_epoch,
        val_mae_c=progress.best_val_mae_c if run.val else None,
        val_baseline_mae_c=baseline_mae_c,
        finished=run.finished and run.calibrated,
        protocol=run.about["protocol"],
        synthetic=run.about["synthetic"],
        parameters=run.about["parameters"],
        steps=run.steps * progress.epoch,
        seconds=progress.history[-1]["seconds"],
        device=run.about["device"],
    )
    write_json(run.folder / run_folder.METRICS, asdict(outcome))
    learning_curves(
        run.folder / run_folder.CURVES,
        progress.history,
        baseline_mae_c=baseline_mae_c,
        title=f"{run.config.name}, seed {outcome.seed}",
        synthetic=outcome.synthetic,
    )


def _epoch_line(run: Run) -> str:
    progress, epochs = run.progress, run.config.train.stop_epoch or run.config.train.epochs
    record = progress.history[-1]
    left_s = progress.seconds / progress.epoch * (epochs - progress.epoch)
    mark = " (best)" if progress.best_epoch == progress.epoch else ""
    validation = f", validation MAE {record['val_mae_c']:.3f} °C{mark}" if run.val else ""
    return (
        f"epoch {progress.epoch}/{epochs}: train MAE {record['train_mae_c']:.3f} °C{validation}; "
        f"{progress.seconds:.0f} s, about {left_s:.0f} s left"
    )


def _write_summaries(writer: Any, record: dict[str, Any]) -> None:
    tf = load_tensorflow()
    with writer.as_default(step=record["epoch"]):
        for name in ("train_loss", "train_mae_c", "val_mae_c", "learning_rate"):
            if record[name] is not None:
                tf.summary.scalar(name, record[name])
    writer.flush()
