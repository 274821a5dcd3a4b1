"""jenacast from Python: the prepared data for any Keras network, and networks for any observations of the station.

Everything here goes the way of the commands: the same windows, scaling, errors and checkpoints.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from jenacast.config import Config, RecipeConfig, check_settings, default_settings
from jenacast.data import Protocol
from jenacast.data.prepare import prepare as _prepare
from jenacast.data.prepared import Prepared, Split, load_prepared
from jenacast.errors import CheckpointError
from jenacast.evaluation.evaluate import Scores, judge
from jenacast.evaluation.hindcast import Hindcast
from jenacast.evaluation.metrics import measure
from jenacast.evaluation.table import describe
from jenacast.features.datasets import Batches, Samples, split_samples
from jenacast.features.encoding import Encoding, fit_encoding
from jenacast.files import refuse_existing
from jenacast.forecasting import MAX_GAP_HOURS
from jenacast.forecasting.frame import forecast_frame
from jenacast.models import checkpoint_path
from jenacast.models.checkpoint import FORMAT, Metadata, save_checkpoint
from jenacast.models.forecaster import Forecaster, check_shapes, forecaster_of
from jenacast.models.inference import forecast_leads_c
from jenacast.models.intervals import calibrate
from jenacast.models.opening import open_checked
from jenacast.runtime import versions
from jenacast.settings import TargetKind
from jenacast.toml_files import merge

if TYPE_CHECKING:
    import pandas as pd

OWN = "own"  # the architecture of a network that none of our builders made


class DataOptions(TypedDict, total=False):
    """What a network sees and says: settings of `[data]` in a recipe, by the same names."""

    columns: list[str]
    target: TargetKind
    history_hours: int
    lead_hours: int
    windows_per_hour: int
    every_hour: bool
    homogenise: bool


@dataclass(frozen=True)
class Result:
    """Errors beside the baseline's, printed as by `jenacast evaluate`; `scores` has every figure by name, in °C."""

    scores: Scores

    def __str__(self) -> str:
        return describe(self.scores, None if self.scores.checkpoint_sha256 else "`Data.save` calibrates and adds them")

    def as_dict(self) -> dict[str, Any]:
        """The object that `jenacast evaluate --json` prints."""
        return asdict(self.scores)


@dataclass(frozen=True)
class Network:
    """A trained network with its metadata, and everything between measured values and it."""

    forecaster: Forecaster
    encoding: Encoding

    def forecast(self, frame: "pd.DataFrame", *, max_gap_hours: float = MAX_GAP_HOURS) -> "pd.DataFrame":
        """Forecast the hours after the newest observation.

        Args:
            frame: at least `encoding.needed_hours` of observations, every 10 minutes or every hour, in any order:
                columns by the station's headers or by jenacast's names; times as the index or as 'Date Time'.
            max_gap_hours: the longest gap that is interpolated.

        Returns:
            °C by the time forecast for: `temperature_c`, and `low_80_c`, `high_80_c` and so on of the intervals.

        Raises:
            DataError: a column is missing, or hours that the forecast needs.
        """
        return forecast_frame(self.forecaster, self.encoding, frame, max_gap_hours=max_gap_hours)


@dataclass(frozen=True)
class Data:
    """Prepared data (`prepared.manifest` has the audit), and what a network sees and says of them, by settings."""

    prepared: Prepared
    encoding: Encoding
    config: Config

    @property
    def input_shape(self) -> tuple[int, int]:
        """Steps and columns of one window: `keras.Input(data.input_shape)`."""
        return self.encoding.history_hours, len(self.encoding.columns)

    @property
    def outputs(self) -> int:
        """How many hours a network says: 1, or every hour up to the lead."""
        return len(self.encoding.leads)

    def dataset(self, split: Split, *, batch_size: int = 128, seed: int | None = None) -> Any:
        """A `tf.data` dataset of (inputs, targets) batches, for `fit` of any Keras model.

        Inputs are (windows, steps, columns) float32, standardised; targets (windows, outputs) float32, °C for
        `absolute`. Windows of which an hour on the way was not measured are left out.

        Args:
            split: train, val, test or train+val.
            batch_size: windows in a batch.
            seed: shuffle the windows, anew in every epoch; without it they come in order of time.

        Raises:
            DataError: the split holds no window.
        """
        samples = self._samples(split)
        batches = Batches(samples.pick(~np.isnan(samples.targets.sum(axis=1))))
        if seed is None:
            return batches.in_order(batch_size=batch_size)
        return batches.reshuffled(batch_size=batch_size, seed=seed)

    def evaluate(self, network: Any, split: Split = "test") -> Result:
        """Measure a network on every window of a split, beside the baseline: "the same as now".

        Args:
            network: a Keras model of this data's shapes, or what `load` gives.
            split: whose windows.

        Raises:
            CheckpointError: the network takes or gives other shapes.
            DataError: the split holds no window.
        """
        if not isinstance(network, Network):
            forecaster = forecaster_of(network, Path(network.name), self._metadata(OWN))
            check_shapes(forecaster, self.encoding)
            network = Network(forecaster, self.encoding)
        manifest = self.prepared.manifest
        about = network.forecaster, network.encoding, split_samples(self.prepared, split, network.encoding), split
        return Result(judge([Hindcast(*about, manifest.protocol, synthetic=manifest.synthetic)]).scores)

    def save(self, model: Any, path: str | os.PathLike[str], *, name: str = OWN, force: bool = False) -> Path:
        """Save a Keras model as a checkpoint that every command of jenacast takes.

        It keeps the columns, the scaling and the target, and intervals that are calibrated on validation.

        Args:
            model: trained on this data's train split alone; on validation too, its intervals would be too narrow.
            path: the file, with the suffix .keras.
            name: what tables call it: lower-case letters, digits, - and _.
            force: replace an existing file.

        Raises:
            CheckpointError: the model takes or gives other shapes, or the suffix is another.
            ExistsError: the file exists and `force` is not given.
        """
        path = Path(path)
        if path.suffix != ".keras":
            raise CheckpointError(f"{path}: expected a name that ends in .keras, by which Keras knows the format")
        refuse_existing(path, force=force)
        metadata = self._metadata(name)
        forecaster = forecaster_of(model, path, metadata)
        check_shapes(forecaster, self.encoding)
        train, val = self._samples("train"), self._samples("val")
        forecast_c = forecast_leads_c(forecaster.forward, val, self.encoding)[:, -1]
        found = {
            "calibration": calibrate(forecaster.forward, train, val, self.encoding),
            "val_mae_c": measure(forecast_c, val.truth_c[:, -1]).mae_c,
            "epoch": len(model.history.epoch) if getattr(model, "history", None) else 0,
        }
        save_checkpoint(model, metadata.model_copy(update=found), path)
        return path

    def _samples(self, split: Split) -> Samples:
        return split_samples(self.prepared, split, self.encoding, windows_per_hour=self.config.data.windows_per_hour)

    def _metadata(self, name: str) -> Metadata:
        manifest, settings = self.prepared.manifest, self.config.model_dump() | {"name": name}
        return Metadata(
            format=FORMAT,
            model=name,
            config=check_settings(settings, where="name", kind=RecipeConfig).model_dump(),
            encoding=self.encoding,
            protocol=manifest.protocol,
            source_sha256=manifest.source_sha256,
            synthetic=manifest.synthetic,
            seed=0,
            epoch=0,
            val_mae_c=None,
            versions=versions(),
        )


def prepare(
    data_dir: str | os.PathLike[str] = "data",
    files: Sequence[str | os.PathLike[str]] = (),
    *,
    protocol: Protocol = "strict",
    force: bool = False,
) -> Data:
    """Clean, check and split station files, by default those in `data_dir`, as `jenacast prepare` does, and open it.

    Raises:
        DataError: the series is missing or cannot be used.
        ExistsError: another result exists and `force` is not given.
    """
    _prepare(Path(data_dir), [Path(file) for file in files], protocol=protocol, force=force)
    return open_data(data_dir)


def open_data(data_dir: str | os.PathLike[str] = "data", **options: Unpack[DataOptions]) -> Data:
    """Open what `prepare` made, for networks that see and say what `options` state.

    Args:
        data_dir: the folder that holds `prepared/`.
        options: `columns`, `target`, `history_hours` and so on, as `[data]` of a recipe; by default those of the book:
            all 14 columns, 120 hours, the temperature itself in 24 hours.

    Raises:
        ConfigError: an option breaks a rule; all problems in one text.
        DataError: no prepared data, or columns that these data cannot give.
    """
    settings = {"name": OWN, "summary": "", "source": "", "data": dict(options), "model": {"architecture": OWN}}
    config = check_settings(merge(default_settings(), settings), where="open_data", kind=RecipeConfig)
    prepared = load_prepared(Path(data_dir))
    return Data(prepared, fit_encoding(prepared, config.data), config)


def load(path: str | os.PathLike[str] = "pretrained", *, data_dir: str | os.PathLike[str] = "data") -> Network:
    """Load a checkpoint: a .keras file, a run folder, an export, or a network in the package.

    Args:
        path: what to load. `pretrained` has seen the train split alone, `pretrained-all`, for tomorrow, every year.
        data_dir: the folder that holds `prepared/`; needed only for a network made elsewhere, for its scaling.

    Raises:
        CheckpointError: it is missing or damaged.
        DataError: a network made elsewhere, and no prepared data.
    """
    return Network(*open_checked(checkpoint_path(os.fspath(path)), Path(data_dir)))
