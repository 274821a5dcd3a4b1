"""Cores, GPUs and NVIDIA's driver: what the machine has, and what of it TensorFlow sees."""

import os
import re
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

from jenacast.doctor.probes import first_sentence
from jenacast.errors import install_extra
from jenacast.runtime import load_tensorflow, usable_cores

DRIVER_FILE = Path("/proc/driver/nvidia/version")  # there while NVIDIA's driver is loaded
INSTALL_GPU = install_extra("gpu")
NVIDIA_SMI_SECONDS = 10.0  # it may wake several GPUs one after the other


@dataclass(frozen=True)
class Cpu:
    """Cores that this process may use, and those of the machine."""

    cores: int
    machine_cores: int


@dataclass(frozen=True)
class Gpu:
    """A GPU that TensorFlow sees; `memory_growth`: memory is taken as needed, not all at once."""

    name: str
    compute_capability: str
    memory_growth: bool


@dataclass(frozen=True)
class Driver:
    """NVIDIA's driver, asked without TensorFlow: the GPUs it lists, and why `nvidia-smi` fails ("": it does not)."""

    loaded: bool
    gpus: list[str]
    fault: str


def find_cpu() -> Cpu:
    """The CPU's cores."""
    return Cpu(len(usable_cores()), os.cpu_count() or 1)


def find_gpus() -> list[Gpu]:
    """The GPUs that TensorFlow sees."""
    config = load_tensorflow().config
    overruled = os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH") == "false"  # stronger than what the program sets
    gpus = []
    for gpu in config.list_physical_devices("GPU"):
        details = config.experimental.get_device_details(gpu)
        capability = ".".join(map(str, details.get("compute_capability", ())))
        growth = config.experimental.get_memory_growth(gpu) and not overruled
        gpus.append(Gpu(details.get("device_name", "GPU"), capability, growth))
    return gpus


def find_driver() -> Driver:
    """NVIDIA's driver and the GPUs it lists; `fault` names what fails."""
    loaded = DRIVER_FILE.exists()
    try:
        process = subprocess.Popen(
            ["nvidia-smi", "-L"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
        )
    except FileNotFoundError:
        return Driver(loaded, [], "")
    except OSError as error:
        return Driver(loaded, [], str(error.strerror))
    try:
        output, _ = process.communicate(timeout=NVIDIA_SMI_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # and not waited for: what hangs inside the driver cannot be killed
        return Driver(loaded, [], f"no answer within {NVIDIA_SMI_SECONDS:g} s")
    gpus = re.findall(r"^GPU \d+: (.+?)(?: \(UUID.*)?$", output, flags=re.MULTILINE)
    failed = process.returncode or not gpus
    reason = first_sentence(output) or f"it ends with code {process.returncode}"
    return Driver(loaded, gpus, reason if failed else "")


def why_unseen(driver: Driver) -> tuple[str, str]:
    """Why TensorFlow sees no GPU where there is one, and the remedy; the first that holds, as it hides the others."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and _hides_all(visible, len(driver.gpus)):
        return f"CUDA_VISIBLE_DEVICES={visible!r} hides it", "unset CUDA_VISIBLE_DEVICES"
    build = load_tensorflow().sysconfig.get_build_info()
    if not build["is_cuda_build"]:
        return "this TensorFlow is built without CUDA", f"pip uninstall tensorflow-cpu, then {INSTALL_GPU}"
    missing = _missing_libraries()
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        return f"CUDA libraries are not installed ({missing[0]}{more})", INSTALL_GPU
    cuda = build["cuda_version"].partition(".")[0]
    return (
        f"the driver may be older than CUDA {cuda}, which TensorFlow needs",
        f"update the NVIDIA driver to one for CUDA {cuda}; in a container, start it with --gpus all",
    )


def _hides_all(visible: str, gpus: int) -> bool:
    # CUDA reads the list up to the first entry that names no GPU.
    first = visible.partition(",")[0].strip()
    return int(first) >= gpus > 0 if first.isdecimal() else not first.startswith(("GPU-", "MIG-"))


def _missing_libraries() -> list[str]:
    """Those that TensorFlow's extra `and-cuda` would install."""
    missing = []
    try:
        wanted = [text for text in requires("tensorflow") or () if "and-cuda" in text]
    except PackageNotFoundError:  # a build under another name
        return []
    for name in (re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in wanted):
        try:
            distribution(name)
        except PackageNotFoundError:
            missing.append(name)
    return missing
