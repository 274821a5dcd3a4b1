"""The epochs of a run: train, validate, write; exact after any interruption."""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jenacast.errors import JenacastError
from jenacast.evaluation.metrics import ErrorMetrics, measure
from jenacast.features.datasets import Batches
from jenacast.files import write_json
from jenacast.models.checkpoint import BEST, save_checkpoint
from jenacast.runtime import load_tensorflow
from jenacast.settings import ModelSettings
from jenacast.training import history, run_folder
from jenacast.training.finish import calibrate_best, write_outcome
from jenacast.training.interrupts import Deferred, deferred_signals
from jenacast.training.parts import Run
from jenacast.training.progress import step_bar
from jenacast.training.run_folder import Outcome, read_outcome

logger = logging.getLogger(__name__)

CHECK_EVERY_STEPS = 50  # for a loss that is not finite; asking makes a GPU wait


def fit(run: Run) -> Outcome:
    """Train `run` from where it is to its end.

    Whatever stops it, the best checkpoint is kept, the state is saved where that is possible, and the command that
    continues it is logged. A JenacastError says that the loss is not finite, or that a file cannot be written.
    """
    (run.folder / run_folder.FAILURE).unlink(missing_ok=True)
    _log_start(run)
    train_batches, val_batches = Batches(run.train), Batches(run.val) if run.val else None
    done, total = run.progress.epoch * run.steps + run.progress.step, run.config.train.last_epoch * run.steps
    with (
        resume_hint(run),
        deferred_signals() as signals,
        step_bar(done, total) as bar,
    ):
        try:
            # All are reported
            pruned = True in [_should_prune(run, record, signals) for record in run.progress.history]
            while not run.finished and not pruned:
                _train_epoch(run, train_batches, signals, bar)
                _end_epoch(run, val_batches, signals)
                bar.clear()
                logger.info("%s", _epoch_line(run))
                pruned = _should_prune(run, run.progress.history[-1], signals)
            if not pruned:
                calibrate_best(run)
            signals.deliver()
        finally:
            if run.progress.history and (run.folder / run_folder.RECORD).is_file():
                write_outcome(run)
    if run.progress.is_out_of_patience(run.config.train):
        logger.info("stopped early: no better validation MAE in %d epochs", run.config.train.patience)
    outcome = read_outcome(run.folder)
    logger.info("best checkpoint: %s (epoch %d)", outcome.checkpoint, outcome.best_epoch)
    return outcome


def _log_start(run: Run) -> None:
    logger.info(
        "%s: %s parameters, %s %s windows, %s steps an epoch",
        *(run.config.name, f"{run.record.parameters:,}", f"{len(run.train):,}", run.config.data.fit_on, run.steps),
    )
    model, engine = run.config.model, ""
    if isinstance(model, ModelSettings) and model.architecture == "recurrent":
        engine = f"engine {model.engine}, "
    logger.info(
        "%son %s with %s; %s",
        *(engine, run.record.device, run.backend),
        "no validation" if run.baseline_mae_c is None else f"validation baseline {run.baseline_mae_c:.3f} °C",
    )
    if run.record.windows_dropped:
        logger.info(
            "%s windows are left out: a forecast needs %d hours in all",
            *(f"{run.record.windows_dropped:,}", run.encoding.needed_hours),
        )


def _should_prune(run: Run, record: dict[str, Any], signals: Deferred) -> bool:
    """Whether the callback, called with an epoch of the history, ends a run that is not finished anyway."""
    if run.callback is None:
        return False
    with signals.released():
        return run.callback(record["epoch"], record["val_mae_c"]) and not run.finished


@contextmanager
def resume_hint(run: Run) -> Iterator[None]:
    """Say how to continue where something stops the run, and keep the reason of a failure."""
    to_continue = run.resume_command
    try:
        yield
    except OSError as error:
        run.refuse_vanished()
        raise JenacastError(
            f"{error}. The last good state is kept; mend the disk, then continue: {to_continue}"
        ) from error
    except JenacastError as error:
        if run_folder.is_run_dir(run.folder):
            write_json(run.folder / run_folder.FAILURE, {"reason": str(error)})
        raise
    except BaseException:
        best = f"; best so far: {run.folder / BEST}" if run.progress.best_epoch else ""
        logger.warning("stopped%s. To continue: %s", best, to_continue)
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
            run.refuse_divergence()
        due = time.monotonic() - saved >= settings.save_every_seconds
        if due or signals.pending:
            run.save()
            saved = time.monotonic()
            signals.deliver()
    run.save()


def _end_epoch(run: Run, batches: Batches | None, signals: Deferred) -> None:
    """Validate, then write checkpoints and history, and last the state: an epoch killed before that is repeated."""
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
    metadata = run.metadata(errors.mae_c if errors else None)
    run.refuse_vanished()
    with run.learner.averaged():
        save_checkpoint(run.learner.model, metadata, run.folder / run_folder.LAST)
        if better:
            save_checkpoint(run.learner.model, metadata, run.folder / BEST)
    history.write_history(run.folder / run_folder.HISTORY, progress.history)
    if run.writer:
        _write_summaries(run.writer, progress.history[-1])
    run.save()
    signals.deliver()


def _validate(run: Run, batches: Batches | None, signals: Deferred) -> ErrorMetrics | None:
    if batches is None or run.val is None:
        return None
    with run.learner.averaged():
        outputs = run.learner.predict(batches, between=signals.deliver)
    forecasts_c = run.encoding.decode(outputs, run.val.now, run.val.last_observed_c)
    return measure(forecasts_c[:, -1], run.val.truth_c[:, -1])


def _epoch_line(run: Run) -> str:
    progress, record = run.progress, run.progress.history[-1]
    left_s = progress.seconds / progress.epoch * (run.config.train.last_epoch - progress.epoch)
    mark = " (best)" if progress.best_epoch == progress.epoch else ""
    validation = f", val {record['val_mae_c']:.3f}" if run.val else ""
    return (
        f"epoch {progress.epoch}/{run.config.train.last_epoch}: MAE train {record['train_mae_c']:.3f}{validation} °C"
        f"{mark}; {progress.seconds:.0f} s, {left_s:.0f} s left"
    )


def _write_summaries(writer: Any, record: dict[str, Any]) -> None:
    tf = load_tensorflow()
    with writer.as_default(step=record["epoch"]):
        for name in ("train_loss", "train_mae_c", "val_mae_c", "learning_rate"):
            if record[name] is not None:
                tf.summary.scalar(name, record[name])
    writer.flush()
