"""XLA and cuDNN tried out, each in a process of its own: many of their faults end the process they happen in."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

PROBE_SECONDS = 120  # a GPU that TensorFlow has no code for makes it compile for a minute
STARTED = "TensorFlow has started"
FATAL = re.compile(r"^F\d{4} .*?\] (.*)", flags=re.MULTILINE)  # as TensorFlow's C++ says why it ends the process


@dataclass(frozen=True)
class Probe:
    """How a trial ended.

    Attributes:
        started: whether TensorFlow came up at all.
        works: whether what was tried ran.
        error: what went wrong, one sentence; "" where nothing did.
    """

    started: bool
    works: bool
    error: str


def probe(name: str) -> Probe:
    """Try "xla" or "cudnn" on the GPU, or on the CPU where TensorFlow sees none."""
    environment = {"KERAS_BACKEND": "tensorflow", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    command = [sys.executable, "-P", __file__, name]  # -P: the package's own modules are no top-level ones
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PROBE_SECONDS,
            check=False,
            env=os.environ | environment,
        )
    except subprocess.TimeoutExpired as expired:
        started = STARTED.encode() in (expired.stdout or b"")
        return Probe(started, works=False, error=f"no answer within {PROBE_SECONDS} s")
    started = STARTED in done.stdout
    if done.returncode == 0:
        return Probe(started, works=True, error="")
    error = (
        done.stdout.replace(STARTED, "").strip()
        or _last_words(done.stderr)
        or f"the process ended with code {done.returncode}"
    )
    return Probe(started, works=False, error=first_sentence(error))


def first_sentence(text: str) -> str:
    """The first sentence, or line, of an error's text."""
    return re.split(r"(?<=[.!?])\s|\n", text.strip(), maxsplit=1)[0].rstrip(".")


def _last_words(stderr: str) -> str:
    fatal = FATAL.search(stderr)
    return fatal[1] if fatal else stderr.strip().rpartition("\n")[2]


def _try_xla(tf: Any) -> None:
    # A product and a tanh: on a GPU they need the CUDA compiler and its mathematics library.
    compiled = tf.function(lambda x: tf.tanh(tf.matmul(x, x)), jit_compile=True)
    compiled(tf.ones((4, 4))).numpy()


def _try_cudnn(tf: Any) -> None:
    import keras

    keras.config.disable_traceback_filtering()  # it puts a sentence of its own before the error's
    keras.layers.GRU(4, use_cudnn=True)(tf.ones((2, 3, 4))).numpy()


def _main() -> None:
    try:
        import tensorflow as tf

        tf.zeros(()) + 1
        sys.stdout.write(STARTED)
        sys.stdout.flush()  # a crash would take it along
        {"xla": _try_xla, "cudnn": _try_cudnn}[sys.argv[1]](tf)
    except Exception as error:
        sys.stdout.write(str(error) or type(error).__name__)
        sys.exit(1)


if __name__ == "__main__":
    _main()
