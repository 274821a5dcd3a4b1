"""A checkpoint and the windows it is asked to forecast: opened, and refused where they do not fit."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.data.cleaning import clean
from jenacast.data.prepared import Prepared, Split, load_prepared
from jenacast.data.series import Floats, Rows, concatenate, rows_per_hour
from jenacast.data.windows import find_windows
from jenacast.errors import CheckpointError, DataError
from jenacast.features.datasets import Samples, make_samples, split_samples
from jenacast.features.encoding import Encoding
from jenacast.features.repair import raised_by_c
from jenacast.models.forecaster import Forecaster, warn_of_seen
from jenacast.models.inference import forecast_leads_c
from jenacast.models.opening import open_checked

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hindcast:
    """A checkpoint and the windows it is asked to forecast."""

    checkpoint: Forecaster
    encoding: Encoding
    samples: Samples
    split: str
    protocol: str
    synthetic: bool

    @property
    def has_seen(self) -> bool:
        """Whether the network was trained on some of the windows, as far as its record tells."""
        about = self.checkpoint.metadata
        if about is None:
            return False
        if about.trained_years:
            return bool(self.checkpoint.seen_years(self.samples.valid_at))
        return self.split in about.trained_on.split("+")

    def leads_c(self) -> Floats:
        """(windows, leads) degC: the forecast of every hour that the network has an output for; the last is judged."""
        return forecast_leads_c(self.checkpoint.forward, self.samples, self.encoding)

    def on(self, prepared: Prepared, split: Split) -> "Hindcast":
        """The same checkpoint, asked for another split."""
        return replace(self, samples=split_samples(prepared, split, self.encoding), split=split)

    def on_rows(self, rows: Rows) -> "Hindcast":
        """The same checkpoint, asked for the windows whose last row is one of `rows`; the others are dropped."""
        samples = self.samples.pick(np.isin(self.samples.rows, rows))
        dropped = self.samples.dropped + len(self.samples) - len(samples)
        return replace(self, samples=replace(samples, dropped=dropped))


def open_hindcast(
    path: Path, data_dir: Path, split: Split, csv_paths: Sequence[Path] = (), *, trust_saved_model: bool = False
) -> Hindcast:
    """A checkpoint and the windows of a split, or of whole station files; a SavedModel has to be trusted.

    Raises:
        CheckpointError: it cannot be used, or does not fit the data.
        DataError: no prepared data, or station files that cannot be used.
    """
    checkpoint, encoding = open_checked(path, data_dir, trust_saved_model=trust_saved_model)
    trained_on_synthetic = bool(checkpoint.metadata and checkpoint.metadata.synthetic)
    if csv_paths:
        samples = _csv_samples(csv_paths, encoding)
        warn_of_seen(checkpoint, samples.valid_at)
        _note_repairs(samples, encoding)
        return Hindcast(checkpoint, encoding, samples, "csv", "strict", trained_on_synthetic)
    prepared = load_prepared(data_dir)
    samples, manifest = split_samples(prepared, split, encoding), prepared.manifest
    warn_of_seen(checkpoint, samples.valid_at)
    _note_differences(checkpoint, prepared)
    _note_repairs(samples, encoding)
    synthetic = manifest.synthetic or trained_on_synthetic
    return Hindcast(checkpoint, encoding, samples, split, manifest.protocol, synthetic)


def on_common_windows(hindcasts: Sequence[Hindcast]) -> list[Hindcast]:
    """The same checkpoints, on the windows that all of them can forecast: of the same present row and target.

    Raises:
        CheckpointError: they forecast different leads, or share no window.
    """
    first = hindcasts[0]
    common = first.samples.rows
    for hindcast in hindcasts[1:]:
        if hindcast.encoding.lead_hours != first.encoding.lead_hours:
            leads = [f"{one.checkpoint.path} forecasts {one.encoding.lead_hours} h ahead" for one in (first, hindcast)]
            raise CheckpointError(f"{leads[0]}, {leads[1]}: these are different tasks; compare checkpoints of one lead")
        common = np.intersect1d(common, hindcast.samples.rows, assume_unique=True)
    if not len(common):
        raise CheckpointError("the checkpoints share no window; evaluate on a longer series")
    return [hindcast.on_rows(common) for hindcast in hindcasts]


def _csv_samples(paths: Sequence[Path], encoding: Encoding) -> Samples:
    from jenacast.data.station import read_station_csv

    parts = [read_station_csv(path) for path in paths]
    raw = concatenate(parts)
    cleaned, names = clean(raw, "strict"), ", ".join(map(str, paths))
    rows_per_hour(raw.times, names)  # refuses what has no hourly step
    hours: dict[str, Any] = {"history_hours": encoding.needed_hours, "lead_hours": encoding.lead_hours}
    windows = find_windows(cleaned.series, "strict", 0, len(cleaned.series.times), **hours)
    if not len(windows):
        raise DataError(
            f"{names} ({len(raw.times)} rows) holds no window of {encoding.needed_hours} h of history and "
            f"{encoding.lead_hours} h of lead without a gap; give a longer file"
        )
    return make_samples(cleaned.series, windows, encoding)


def _note_differences(checkpoint: Forecaster, prepared: Prepared) -> None:
    metadata, manifest = checkpoint.metadata, prepared.manifest
    if metadata is None:
        return
    if metadata.protocol != manifest.protocol:
        logger.info(
            "note: trained under %s, evaluated under %s: %s", metadata.protocol, manifest.protocol, checkpoint.path
        )
    if metadata.source_sha256 != manifest.source_sha256 and not metadata.trained_years:  # they tell what was seen
        logger.warning("trained on another series than the one prepared here; its test split may have been seen")


def _note_repairs(samples: Samples, encoding: Encoding) -> None:
    before = int(np.count_nonzero(raised_by_c(samples.now, encoding.repairs)))
    if before:
        logger.info(
            "note: %s of %s windows lie before a break that was repaired in training: the network sees them repaired, "
            "and its forecasts are put back to the level of that time; the truth is as measured",
            *(f"{before:,}", f"{len(samples):,}"),
        )
