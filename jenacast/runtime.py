"""TensorFlow's start: quiet, with memory taken as needed, and seeds set. Import Keras through here."""

import ctypes
import gc
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

DRIVER_LIBRARY = "libcuda.so.1"  # of NVIDIA's driver; TensorFlow loads it by this name, and has no GPU without it


@cache
def load_tensorflow() -> Any:
    """Import TensorFlow and Keras once, without their start-up lines; returns the `tensorflow` module.

    The lines come from C++ and ignore every documented switch, so file descriptor 2 is held back during the
    import and the first operation. If that fails, what was held back is let through.
    """
    if sys.stderr.isatty():
        logger.info("loading TensorFlow ...")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with _signals_wait(), quiet(), _without_keras_json(), _uncollected():
        import keras
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)  # by default it takes nearly all there is
        tf.zeros(()) + 1
        keras.config.disable_interactive_logging()
        tf.get_logger().setLevel("ERROR")  # it warns of retracing where several models share a process
    return tf


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait for the end of an import: TensorFlow answers half of one with an error of its own."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let no collection look at what an import makes, during it or later: all of it stays. That is a sixth of it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _without_keras_json() -> Iterator[None]:
    """Let Keras' import find no keras.json, whose precision and epsilon would change results, and write none."""
    before = os.environ.get("KERAS_HOME")
    with tempfile.TemporaryDirectory(prefix="jenacast-") as home:
        os.environ["KERAS_HOME"] = home
        try:
            yield
        finally:
            del os.environ["KERAS_HOME"]
            if before is not None:
                os.environ["KERAS_HOME"] = before


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, from which Keras seeds weights and dropout."""
    load_tensorflow()
    import keras

    keras.backend.clear_session()  # layer names, and with them the paths of weights, start anew
    keras.utils.set_random_seed(seed)


def make_deterministic() -> None:
    """Make every operation give the same result each time, on a GPU too; from here on, and slower."""
    load_tensorflow().config.experimental.enable_op_determinism()


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    return bool(load_tensorflow().config.list_physical_devices("GPU"))


def usable_cores() -> list[int]:
    """The numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def count_gpus() -> int:
    """GPUs that TensorFlow sees; it is not started, which takes seconds, where NVIDIA's driver is missing."""
    try:
        ctypes.CDLL(DRIVER_LIBRARY)
    except OSError:
        return 0
    return len(load_tensorflow().config.list_physical_devices("GPU"))


def memory_bytes() -> int:
    """The memory of this machine, or of the control group that this process may use alone."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # no control groups, or one without a limit
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return memory


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    import platform

    import keras
    import numpy as np

    import jenacast

    return {
        "jenacast": jenacast.__version__,
        "tensorflow": load_tensorflow().__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def commit() -> str:
    """The commit of the checkout that runs, or "none" where jenacast is installed."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    folder = Path(__file__).parent
    if not (folder.parent / ".git").exists():
        return "none"
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "none"
    return done.stdout.strip()


def device_name() -> str:
    """What the training runs on, for people."""
    tf = load_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return str(details.get("device_name", "GPU"))
    cores = len(usable_cores())
    return f"CPU, {cores} core{'' if cores == 1 else 's'}"


@contextmanager
def quiet() -> Iterator[None]:
    """Hold standard error back, C++'s lines too; print it if the block fails."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        original = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:  # and not at Ctrl-C, which none of it explains
            held.seek(0)
            os.write(original, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
