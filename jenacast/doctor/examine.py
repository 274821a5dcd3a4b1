"""Whether this machine is set up well for training: what is there, what works, how fast, and what to mend."""

import logging
import os
from dataclasses import dataclass, replace
from typing import get_args

from jenacast.config import load_recipe, recipe_names
from jenacast.doctor.hardware import INSTALL_GPU, Cpu, Driver, Gpu, find_cpu, find_driver, find_gpus, why_unseen
from jenacast.doctor.probes import Probe, first_sentence, probe
from jenacast.doctor.speed import make_batches, steps_per_second, windows_per_second
from jenacast.errors import JenacastError
from jenacast.models import compiled
from jenacast.models.build import build_model, with_engine
from jenacast.models.recurrent import AUTO, KERAS
from jenacast.runtime import load_tensorflow, versions
from jenacast.settings import ModelSettings
from jenacast.training.backend import RecurrentBackend, find_backend

logger = logging.getLogger(__name__)

ENGINES = [name for name in get_args(ModelSettings.model_fields["engine"].annotation) if name != AUTO]
MEASURED_RECIPE = "stacked-gru"
SHORT_HISTORY = "data.history_hours=8"  # builds fast; what runs a recurrent layer does not depend on it
XLA_VARIABLES = ("XLA_FLAGS", "TF_XLA_FLAGS")


@dataclass(frozen=True)
class RecipeKernels:
    """What a recipe trains with here; where it has a choice by engine, and the one that it takes, else empty."""

    recipe: str
    kernel: RecurrentBackend
    engine: str
    engines: dict[str, RecurrentBackend]


@dataclass(frozen=True)
class TrainingSpeed:
    """Steps a second of a recipe at its batch size; None where it does not train, and `error` says why."""

    recipe: str
    engine: str
    kernel: RecurrentBackend
    steps_per_second: float | None
    error: str


@dataclass(frozen=True)
class Problem:
    """Something that keeps the machine from training well, and what to do about it."""

    problem: str
    remedy: str


@dataclass(frozen=True)
class Findings:
    """All that was found. `cudnn` is None without a GPU."""

    versions: dict[str, str]
    cpu: Cpu
    gpus: list[Gpu]
    driver: Driver
    cudnn: Probe | None
    xla: Probe
    kernels: list[RecipeKernels]
    windows_per_second: float
    training: list[TrainingSpeed]
    notes: list[str]
    problems: list[Problem]


def examine() -> Findings:
    """Look at everything, a quarter of a minute.

    Raises:
        JenacastError: TensorFlow does not start.
    """
    logger.info("trying TensorFlow and XLA")
    xla = probe("xla")  # first: what ends a process at TensorFlow's start would end this one
    if not xla.started:
        remedy = _unset_flags() or "reinstall it: pip install --force-reinstall tensorflow keras"
        raise JenacastError(f"TensorFlow does not start: {xla.error}; {remedy}")
    driver, gpus = find_driver(), find_gpus()
    cudnn = probe("cudnn") if gpus else None
    kernels = find_kernels()
    logger.info("measuring speed on a made-up series, a few seconds")
    delivered, training = measure_speed(kernels, _broken(xla, cudnn))
    notes = [] if gpus or driver.loaded or driver.gpus else ["no GPU: training runs on the CPU"]
    if not gpus and not compiled.has_compiler():
        notes.append("no C compiler (cc): recurrent networks train slower; install gcc or clang")
    findings = Findings(
        versions=versions(),
        cpu=find_cpu(),
        gpus=gpus,
        driver=driver,
        cudnn=cudnn,
        xla=xla,
        kernels=kernels,
        windows_per_second=delivered,
        training=training,
        notes=notes + [f"{name} is set: {os.environ[name]}" for name in XLA_VARIABLES if os.environ.get(name)],
        problems=[],
    )
    return replace(findings, problems=find_problems(findings))


def find_kernels() -> list[RecipeKernels]:
    """What every recipe trains with here."""
    found = []
    for name in recipe_names():
        model = with_engine(load_recipe(name)).model
        recurrent = model.architecture == "recurrent"
        short = [SHORT_HISTORY] if recurrent else []
        has_choice = recurrent and model.cell in ("gru", "lstm") and not model.unroll
        by_engine = {
            engine: _kernel(name, [*short, f"model.engine={engine}"]) for engine in (ENGINES if has_choice else ())
        }
        taken = model.engine if has_choice else ""
        found.append(RecipeKernels(name, by_engine.get(taken) or _kernel(name, short), taken, by_engine))
    return found


def _kernel(recipe: str, assignments: list[str]) -> RecurrentBackend:
    config = load_recipe(recipe, assignments)
    return find_backend(build_model(config), config)


def measure_speed(kernels: list[RecipeKernels], broken: set[RecurrentBackend]) -> tuple[float, list[TrainingSpeed]]:
    """Windows a second of the input pipeline, and training steps a second; a kernel that is broken is left alone."""
    failure = load_tensorflow().errors.OpError
    (measured,) = (row for row in kernels if row.recipe == MEASURED_RECIPE)
    batches = make_batches(load_recipe(MEASURED_RECIPE))
    speeds = []
    for engine in (KERAS, measured.engine):
        config, kernel = load_recipe(MEASURED_RECIPE, [f"model.engine={engine}"]), measured.engines[engine]
        rate, error = None, f"{kernel} does not work" if kernel in broken else ""
        try:
            rate = None if error else steps_per_second(batches, config, kernel)
        except failure as failed:
            error = first_sentence(str(failed))
        speeds.append(TrainingSpeed(MEASURED_RECIPE, engine, kernel, rate, error))
    return windows_per_second(batches, config), speeds


def find_problems(found: Findings) -> list[Problem]:
    """What of the findings keeps this machine from training well, each with its remedy."""
    problems, driver, cpu = [], found.driver, found.cpu
    if driver.fault:
        remedy = "mend the NVIDIA driver: reboot, else reinstall it; without a GPU, uninstall nvidia-smi"
        problems.append(Problem(f"nvidia-smi fails: {driver.fault}", remedy))
    if not found.gpus and (driver.gpus or driver.loaded):
        cause, remedy = why_unseen(driver)
        there = f"there is a GPU ({', '.join(driver.gpus)})" if driver.gpus else "there is an NVIDIA driver"
        problems.append(Problem(f"{there}, but TensorFlow sees none: {cause}", remedy))
    if found.cudnn and not found.cudnn.works:
        version = load_tensorflow().sysconfig.get_build_info().get("cudnn_version", "")
        remedy = f"{INSTALL_GPU} brings cuDNN {version}; take others off LD_LIBRARY_PATH; see that the GPU is free"
        problems.append(Problem(f"cuDNN does not work: {found.cudnn.error}", remedy))
    if not all(gpu.memory_growth for gpu in found.gpus):
        problems.append(Problem("TensorFlow takes all memory of a GPU at once", "unset TF_FORCE_GPU_ALLOW_GROWTH"))
    if not found.xla.works:
        remedy = _unset_flags() or f"reinstall TensorFlow, on a GPU with {INSTALL_GPU}"
        remedy += f"; until then train with --set model.engine={KERAS}"
        problems.append(Problem(f"XLA does not work: {found.xla.error}", remedy))
    for speed in found.training:
        if speed.error and speed.kernel not in _broken(found.xla, found.cudnn):
            remedy = "see that no other process fills the memory: nvidia-smi for a GPU's, else free"
            problem = f"{speed.recipe} does not train with engine {speed.engine}: {speed.error}"
            problems.append(Problem(problem, remedy))
    if cpu.cores == 1 < cpu.machine_cores:
        remedy = f"start it with taskset -c 0-{cpu.machine_cores - 1}, or ask the scheduler for more cores"
        problems.append(Problem(f"this process may use 1 core of the machine's {cpu.machine_cores}", remedy))
    return problems


def _broken(xla: Probe, cudnn: Probe | None) -> set[RecurrentBackend]:
    tried = {RecurrentBackend.XLA: xla, RecurrentBackend.CUDNN: cudnn}
    return {kernel for kernel, probed in tried.items() if probed and not probed.works}


def _unset_flags() -> str:
    names = [name for name in XLA_VARIABLES if os.environ.get(name)]
    return f"unset {' and '.join(names)}" if names else ""
