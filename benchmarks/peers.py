"""Errors of jenacast and of what one would otherwise pick, on the same columns, splits and windows, in one run.

LightGBM, neuralforecast and darts forecast every window of validation and test that jenacast has, each in a process of
an environment of its own (`make peers-env`). They get the series as jenacast's networks do: standardised on train, in
hourly steps, the temperature as its departure from climatology where the config's target is one. They fit on train;
validation stops them and chooses among a few settings; only the chosen ones forecast test.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.columns import CALENDAR, DEPARTURE, TARGET
from jenacast.config import Config, load_config, load_recipe
from jenacast.data import SAME_AS_NOW, SYNTHETIC_WARNING
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import Prepared, Split, load_prepared
from jenacast.data.series import Floats
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.data.windows import Windows, is_inside_train
from jenacast.errors import CheckpointError
from jenacast.evaluation.baselines import baseline_forecasts, fit_baselines
from jenacast.evaluation.evaluate import evaluate
from jenacast.evaluation.metrics import measure
from jenacast.features.datasets import Samples, split_samples
from jenacast.features.encoding import Encoding, fit_encoding
from jenacast.tables import Table, columns

PEERS = Path(".peers-venv/bin/python")
NAMES = ("lightgbm", "neuralforecast", "darts")
CHECK = "present"  # a forecast that both sides make: it shows that they mean the same windows
JUDGED: tuple[Split, ...] = ("val", "test")
QUICK_ROWS = 20_000  # half of them train, which has to be a year for the climatology


@dataclass(frozen=True)
class Row:
    """A line of the table; `seconds` are of training, None where there is nothing to train or it is not known."""

    forecast: str
    val_mae_c: float
    test_mae_c: float
    seconds: float | None
    note: str


@dataclass(frozen=True)
class Task:
    """The prepared series, how it is encoded, and the samples of every split."""

    prepared: Prepared
    encoding: Encoding
    samples: dict[Split, Samples]

    def row(self, name: str, forecast_c: dict[Split, Floats], seconds: float | None = None, note: str = "") -> Row:
        """The errors of forecasts that were made for all of the windows."""
        maes = []
        for split in JUDGED:
            assert forecast_c[split].shape == (len(self.samples[split]),), name
            maes.append(measure(forecast_c[split], self.samples[split].truth_c[:, -1]).mae_c)
        return Row(name, maes[0], maes[1], seconds, note)

    def windows(self, split: Split) -> Windows:
        """The windows of the samples."""
        hours, lead = self.encoding.needed_hours, self.encoding.lead_hours
        windows = self.prepared.windows(split, history_hours=hours, lead_hours=lead).last(self.encoding.history_hours)
        windows = windows.pick(np.isin(windows.last_rows, self.samples[split].rows))
        assert np.array_equal(windows.last_rows, self.samples[split].rows)
        return windows

    def level_c(self, rows: np.ndarray) -> Floats:
        """What sequence models forecast, (rows,) degC: the temperature, less the climatology if the target is."""
        series, climatology = self.prepared.series, self.encoding.climatology
        level_c: Floats = series.column(TARGET)[rows].astype(np.float64)
        if climatology and DEPARTURE in self.encoding.target.kind:
            level_c -= climatology.at(series.times[rows])
        return level_c

    def later_c(self, split: Split) -> Floats:
        """What their forecast is relative to, (windows,) degC."""
        samples, climatology = self.samples[split], self.encoding.climatology
        if not climatology or DEPARTURE not in self.encoding.target.kind:
            return np.zeros(len(samples))
        now = self.prepared.series.times[samples.rows]
        return climatology.at(now + np.timedelta64(self.encoding.lead_hours, "h"))


def make_task(data_dir: Path, config: Config, splits: tuple[Split, ...] = ("train", *JUDGED)) -> Task:
    """The config's columns, target and history on the series as measured; of the targets, the last hour's alone."""
    prepared = load_prepared(data_dir)
    encoding = fit_encoding(prepared, config.data.model_copy(update={"every_hour": False, "homogenise": False}))
    return Task(prepared, encoding, {split: split_samples(prepared, split, encoding) for split in splits})


def export(task: Task, path: Path) -> None:
    """Everything a peer is told. All rows in lane order, so that the hours of every history are neighbours."""
    encoding, begin, inputs, levels = task.encoding, 0, [], []
    arrays: dict[str, Any] = {"lead": encoding.lead_hours, "history": encoding.history_hours}
    for split, samples in task.samples.items():
        lanes = task.windows(split).lanes
        inputs.append(samples.inputs)
        levels.append(task.level_c(lanes))
        arrays[f"{split}_now"] = begin + samples.starts + samples.history - 1
        arrays[f"{split}_reference_c"] = encoding.references_c(samples.now, samples.last_observed_c)[:, -1]
        arrays[f"{split}_later_c"] = task.later_c(split)
        begin += len(lanes)
        arrays[f"{split}_stop"] = begin
        if split != "test":
            arrays |= {f"{split}_targets": samples.targets[:, -1], f"{split}_truth_c": samples.truth_c[:, -1]}
    arrays |= {"scale_c": encoding.target.scale_c, "offset_c": encoding.target.offset_c}
    arrays["calendar"] = np.array([name in CALENDAR for name in encoding.names])
    np.savez(path, inputs=np.concatenate(inputs), level_c=np.concatenate(levels), **arrays)


def baseline_rows(task: Task) -> Iterator[Row]:
    """Persistence, and the baselines that are fitted."""
    series, encoding = task.prepared.series, task.encoding
    hours = {"history_hours": encoding.history_hours, "lead_hours": encoding.lead_hours}
    fitted = fit_baselines(task.prepared, **hours)
    made = {
        split: baseline_forecasts(series, task.windows(split), fitted, lead_hours=encoding.lead_hours)
        for split in JUDGED
    }
    for name in made["val"]:
        label = SAME_AS_NOW if name == "persistence" else f"jenacast, {name.replace('_', ' ')}"
        yield task.row(label, {split: made[split][name] for split in JUDGED})


def checkpoint_row(task: Task, path: Path, data_dir: Path) -> Row:
    """A network of jenacast's; what it forecasts from is its own, the windows are the same.

    Raises:
        CheckpointError: it has other windows.
    """
    forecast_c, name = {}, ""
    for split in JUDGED:
        evaluation, samples = evaluate(path, data_dir=data_dir, split=split), task.samples[split]
        if not np.array_equal(evaluation.judged.valid_at, samples.valid_at):
            raise CheckpointError(f"{path} forecasts other windows than the config's; give one of the same history")
        forecast_c[split], name = evaluation.judged.forecast_c, evaluation.scores.model
    metrics = (path if path.is_dir() else path.parent) / "metrics.json"
    seconds = json.loads(metrics.read_text(encoding="utf-8")).get("seconds") if metrics.exists() else None
    return task.row(f"jenacast, {name}", forecast_c, seconds, str(path))


def run_peer(python: Path, folder: Path, name: str, *arguments: str) -> Any:
    """Run `peers_fit.py` in a process of `python` on what `export` wrote into `folder`; what it says of itself."""
    script = Path(__file__).with_name("peers_fit.py")
    subprocess.run([python, script, folder, name, *arguments], stdout=subprocess.DEVNULL, check=True)
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def peer_rows(task: Task, python: Path, name: str, folder: Path, *, quick: bool) -> list[Row]:
    """The lines of a peer: its forecasts of all windows."""
    told = run_peer(python, folder, name, *["quick"] * quick)
    with np.load(folder / f"{name}.npz") as made:
        made_c = {split: made[split] for split in JUDGED}
    if name == CHECK:
        for split in JUDGED:
            expected_c = task.level_c(task.samples[split].rows) + task.later_c(split)
            assert np.allclose(made_c[split], expected_c, atol=1e-3), "the peers are asked for other windows"
        return []
    return [
        task.row(row["name"], {split: made_c[split][number] for split in JUDGED}, row["seconds"], row["note"])
        for number, row in enumerate(told)
    ]


def place_synthetic(folder: Path) -> Path:
    """A small prepared series."""
    folder.mkdir()
    write_csv(folder / CSV_NAME, *synthetic_series(rows=QUICK_ROWS, step_minutes=60, warts=False))
    prepare(folder, synthetic=True)
    return folder


def compare(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All rows, and what they are of."""
    data_dir = place_synthetic(folder / "data") if arguments.quick else arguments.data_dir
    name = arguments.config
    config = load_config(Path(name)) if name.endswith(".toml") else load_recipe(name)
    task = make_task(data_dir, config)
    names = arguments.only if arguments.peers.exists() else ()
    if is_inside_train(task.prepared.borders) and set(names) - {"lightgbm"}:
        raise SystemExit("validation lies inside train, whose rows the sequence models see: --only lightgbm")
    rows = [*baseline_rows(task), *(checkpoint_row(task, path, data_dir) for path in arguments.checkpoint)]
    export(task, folder / "task.npz")
    peer_rows(task, Path(sys.executable), CHECK, folder, quick=True)
    if not names:
        print(f"{arguments.peers} not found, so the peers are left out; `make peers-env` makes it", file=sys.stderr)
    for peer in names:
        rows += peer_rows(task, arguments.peers, peer, folder, quick=arguments.quick)
    return {
        "config": arguments.config,
        "protocol": task.prepared.manifest.protocol,
        "synthetic": task.prepared.manifest.synthetic,
        "windows": {split: len(samples) for split, samples in task.samples.items()},
        "rows": [asdict(row) for row in rows],
    }


def format_answer(answer: dict[str, Any]) -> str:
    """The table for people; notes, which are long, stand below it."""
    header = ["forecast", "validation MAE °C", "test MAE °C", "training s", "note"]
    rows, notes = [], []
    for row in answer["rows"]:
        seconds = "" if row["seconds"] is None else f"{row['seconds']:.0f}"
        notes += [row["note"]] if row["note"] else []
        number = f"({len(notes)})" if row["note"] else ""
        rows.append([row["forecast"], f"{row['val_mae_c']:.3f}", f"{row['test_mae_c']:.3f}", seconds, number])
    windows = ", ".join(f"{split} {count:,}" for split, count in answer["windows"].items())
    warning = f"; {SYNTHETIC_WARNING}" if answer["synthetic"] else ""
    head = f"{answer['config']}, protocol {answer['protocol']}{warning}; {windows}"
    told = (f"({number}) {note}" for number, note in enumerate(notes, 1))
    return "\n".join([head, Table(columns(*header), rows).as_text(), *told])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, nargs="?", help="folder with prepared data")
    parser.add_argument("--config", default="gru", help="TOML file or recipe: columns, target, history, lead")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="of jenacast; repeatable")
    parser.add_argument("--peers", type=Path, default=PEERS, help="Python with benchmarks/peers-requirements.txt")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="PEER", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="try it: a small synthetic series, one short setting each")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if bool(arguments.data_dir) == arguments.quick:
        parser.error("expected DATA_DIR or --quick")

    with tempfile.TemporaryDirectory() as folder:
        answer = compare(arguments, Path(folder))
    if arguments.json:
        print(json.dumps(answer))
        return
    print(format_answer(answer))


if __name__ == "__main__":
    main()
