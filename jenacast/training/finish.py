"""The end of a run: intervals for its best checkpoint, and the result in its folder."""

from dataclasses import asdict
from pathlib import Path

from jenacast.errors import JenacastError
from jenacast.files import write_json
from jenacast.models.checkpoint import BEST, HeldOut, load_checkpoint, save_checkpoint
from jenacast.models.inference import forward_function
from jenacast.models.intervals import calibrate
from jenacast.training import run_folder
from jenacast.training.cross_fit import cross_fit
from jenacast.training.curves import learning_curves
from jenacast.training.parts import Run
from jenacast.training.run_folder import Outcome


def calibrate_best(run: Run) -> None:
    """Add the intervals to the best checkpoint; a run that stops before that is not finished.

    They are fitted on validation; where that was trained on, on years that networks of the same settings left out.
    """
    if run.val or run.record.folds:
        run.refuse_vanished()
        path = run.folder / BEST
        best = load_checkpoint(path)
        if best.metadata is None:
            raise JenacastError(f"{path} is not what this run wrote; start a new run")
        held_out: tuple[HeldOut, ...] = ()
        if run.val:
            calibration = calibrate(forward_function(best.model), run.train, run.val, run.encoding)
        else:
            calibration, held_out = cross_fit([(1.0, [Path(fold) for fold in run.record.folds])], run.encoding)
        found = {"calibration": calibration, "held_out": held_out}
        save_checkpoint(best.model, best.metadata.model_copy(update=found), path)
    run.calibrated = True


def write_outcome(run: Run) -> Outcome:
    """Write the result so far as `metrics.json`, and the learning curves."""
    progress = run.progress
    outcome = Outcome(
        run_dir=str(run.folder),
        checkpoint=str(run.folder / BEST),
        model=run.config.name,
        seed=run.config.train.seed,
        epochs=progress.epoch,
        best_epoch=progress.best_epoch,
        val_mae_c=progress.best_val_mae_c if run.val else None,
        val_baseline_mae_c=run.baseline_mae_c,
        finished=run.finished and run.calibrated,
        protocol=run.record.protocol,
        synthetic=run.record.synthetic,
        parameters=run.record.parameters,
        steps=run.steps * progress.epoch,
        seconds=progress.history[-1]["seconds"],
        device=run.record.device,
    )
    write_json(run.folder / run_folder.METRICS, asdict(outcome))
    learning_curves(
        run.folder / run_folder.CURVES,
        progress.history,
        baseline_mae_c=run.baseline_mae_c,
        dropout=run.config.model.has_dropout,
        title=f"{run.config.name}, seed {outcome.seed}",
        synthetic=outcome.synthetic,
    )
    return outcome
