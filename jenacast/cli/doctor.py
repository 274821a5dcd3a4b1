"""`jenacast doctor`."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from jenacast.cli.app import Json, echo
from jenacast.tables import Table, columns, wrapped

if TYPE_CHECKING:
    from jenacast.doctor.examine import Findings, TrainingSpeed

NAMES = {"python": "Python", "jenacast": "jenacast", "tensorflow": "TensorFlow", "keras": "Keras", "numpy": "NumPy"}


def doctor(json_output: Json = False) -> None:
    """Check whether this machine is set up well for training, and name the remedy of every problem.

    Tries cuDNN and XLA, names the code that each recipe would train with here, the engine that it takes where
    model.engine="auto" leaves the choice, and the code of each engine; and measures the speed: about a quarter of a
    minute. Needs no data.

    Exit code 0: no problem was found; 1: there is one.

    Example: jenacast doctor && jenacast train --model stacked-gru
    """
    from jenacast.doctor.examine import examine

    findings = examine()
    echo(json.dumps(asdict(findings)) if json_output else _describe(findings))
    if findings.problems:
        raise typer.Exit(1)


def _describe(findings: "Findings") -> str:
    facts = [wrapped(f"{label:<10}{text}", " " * 10) for label, text in _facts(findings)]
    blocks = ["\n".join(facts), _kernels_table(findings)]
    ends = [*findings.notes]
    for problem in findings.problems:
        ends += [f"problem: {problem.problem}", f"remedy:  {problem.remedy}"]
    ends += [] if findings.problems else ["no problem was found"]
    return "\n\n".join([*blocks, "\n".join(ends)])


def _facts(findings: "Findings") -> list[tuple[str, str]]:
    cpu = findings.cpu
    of = f" of {cpu.machine_cores}" if cpu.cores < cpu.machine_cores else ""
    facts = [
        ("versions", ", ".join(f"{text} {findings.versions[name]}" for name, text in NAMES.items())),
        ("CPU", f"{cpu.cores}{of} cores"),
    ]
    for number, gpu in enumerate(findings.gpus):
        growth = "on" if gpu.memory_growth else "off"
        text = f"{gpu.name}, compute capability {gpu.compute_capability}, memory growth {growth}"
        facts.append((f"GPU {number}", text))
    for name, tried in (("cuDNN", findings.cudnn), ("XLA", findings.xla)):
        text = "no GPU" if tried is None else "works" if tried.works else f"does not work: {tried.error}"
        facts.append((name, text))
    facts.append(("pipeline", f"{findings.windows_per_second:,.0f} windows/s"))
    for number, speed in enumerate(findings.training):
        facts.append(("" if number else "training", _describe_speed(speed)))
    return facts


def _describe_speed(speed: "TrainingSpeed") -> str:
    rate = f"failed, {speed.error}" if speed.steps_per_second is None else f"{speed.steps_per_second:,.1f} steps/s"
    return f"{speed.recipe}, model.engine={speed.engine}, with {speed.kernel}: {rate}"


def _kernels_table(findings: "Findings") -> str:
    engines = next(row.engines for row in findings.kernels if row.engines)
    rows = [
        [row.recipe, row.kernel, row.engine, *(row.engines.get(engine, "") for engine in engines)]
        for row in findings.kernels
    ]
    return Table(columns("recipe", "trains with", "engine", *engines), rows).as_text()
