"""The parts of one run, put together in memory, and what is saved of them while it trains."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jenacast.config import Config
from jenacast.errors import JenacastError, command
from jenacast.evaluation.metrics import measure
from jenacast.features.datasets import Samples, batch_count
from jenacast.features.encoding import Encoding
from jenacast.models.checkpoint import FORMAT, Metadata
from jenacast.training import run_folder
from jenacast.training.backend import RecurrentBackend
from jenacast.training.learner import Learner
from jenacast.training.run_folder import RunRecord
from jenacast.training.state import Progress, save_state

# Called after each epoch with (epoch, validation MAE in degC), after a resumption with all earlier epochs first; where
# it returns True, the run ends there.
EpochCallback = Callable[[int, float], bool]


@dataclass
class Run:
    """One run.

    Attributes:
        config: the complete settings.
        folder: of the run.
        learner: the network, its optimizer and the sums of the running epoch.
        backend: what runs its recurrent loops.
        encoding: between measured values and the network.
        train: the windows that train.
        val: the windows that validate; None where they train too.
        record: the content of `run.json`.
        progress: how far the run is.
        callback: may end the run before its last epoch.
        writer: of TensorBoard's logs, if any are wanted.
        calibrated: whether the end of the run has fitted the intervals.
    """

    config: Config
    folder: Path
    learner: Learner
    backend: RecurrentBackend
    encoding: Encoding
    train: Samples
    val: Samples | None
    record: RunRecord
    progress: Progress
    callback: EpochCallback | None = None
    writer: Any = None
    calibrated: bool = False

    @property
    def resume_command(self) -> str:
        """What continues the run."""
        return command("jenacast", "train", *run_folder.resume_words(self.folder))

    @property
    def steps(self) -> int:
        """Train batches in an epoch."""
        return batch_count(len(self.train), self.config.train.batch_size)

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or patience ran out."""
        return self.progress.is_finished(self.config.train)

    @cached_property
    def baseline_mae_c(self) -> float | None:
        """MAE of persistence on validation, degC; None without validation."""
        return measure(self.val.last_observed_c, self.val.truth_c[:, -1]).mae_c if self.val else None

    def metadata(self, val_mae_c: float | None) -> Metadata:
        """The metadata of a checkpoint of this epoch."""
        return Metadata(
            format=FORMAT,
            model=self.config.name,
            config=self.config.model_dump(),
            encoding=self.encoding,
            protocol=self.record.protocol,
            source_sha256=self.record.source_sha256,
            synthetic=self.record.synthetic,
            seed=self.config.train.seed,
            epoch=self.progress.epoch,
            val_mae_c=val_mae_c,
            versions=self.record.versions,
            trained_on=self.config.data.fit_on,
        )

    def save(self) -> None:
        """Save the state; a JenacastError where the loss is not finite, or the run folder is gone."""
        self.refuse_divergence()
        self.refuse_vanished()
        save_state(self.folder / run_folder.STATE, self.progress, self.learner.variables(), self.config)

    def refuse_vanished(self) -> None:
        """Raise a JenacastError where the folder is gone: without its settings a state could not be resumed."""
        if not (self.folder / run_folder.RECORD).is_file():
            raise JenacastError(
                f"{self.folder} was removed, or its disk was, while it was trained in: {run_folder.RECORD} not found; "
                f"bring it back and continue with: {self.resume_command}, or start a "
                "new run"
            )

    def refuse_divergence(self) -> None:
        """Raise a JenacastError where a loss was not finite."""
        step = self.learner.first_bad_step()
        if step is not None:
            best = self.progress.best_epoch
            kept = f" The best checkpoint, of epoch {best}, is kept." if best else ""
            raise JenacastError(
                f"the loss is not finite at step {step} (epoch {self.progress.epoch + 1}): the training diverges.{kept}"
                " Try a smaller train.learning_rate, or train.clip_norm=1"
            )
