"""The loops of `recurrence.py` as machine code: C of the folder `loops`, compiled for this processor when it is needed.

XLA runs a loop step by step over all windows, so that gates and states leave the cache between two steps. This code
runs all steps over a few windows at once (`docs/experiments.md` has the figures). It needs the system's C compiler,
`cc`; without one, and for widths that it does not know, XLA compiles the loops of `recurrence.py` instead.

Windows are cut into parts that do not depend on the number of cores, and so neither do the sums over them.
"""

import ctypes
import logging
import math
import shutil
import subprocess
import tempfile
import weakref
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jenacast.runtime import has_gpu, load_tensorflow, usable_cores

logger = logging.getLogger(__name__)

Cell = Literal["gru", "lstm"]
SOURCES = [Path(__file__).with_name("loops") / name for name in ("gru.c", "lstm.c")]
# -march=native: whatever instructions this processor has. No flag changes the order of sums.
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-w", "-shared", "-fPIC")
PARTS = 8  # calls
ALIGNMENT = 64  # bytes
KEPT = {"gru": 4, "lstm": 5}  # arrays of (steps, windows, units) for the way back
_unused: defaultdict[int, list[Any]] = defaultdict(list)  # memory of `_aligned`, by bytes
SIZES = ("windows", "steps", "columns", "units")
INPUTS = ("x", "kernel", "recurrent", "bias", "mask", "h", "c")
ARRAYS = ("states", "kept", "d_states", "d_last")
GRADIENTS = ("d_x", "d_kernel", "d_recurrent", "d_bias", "d_h", "d_c")


class _Loop(ctypes.Structure):
    """`struct loop` of loops.h."""

    _fields_ = (
        *((name, ctypes.c_long) for name in SIZES),
        *((name, ctypes.c_void_p) for name in (*INPUTS, *ARRAYS, *GRADIENTS)),
    )


def has_compiler() -> bool:
    """Whether a C compiler was found and could compile the loops."""
    return _library() is not None


def runs(units: int) -> bool:
    """Whether layers of so many units train with this code here: on a CPU, with a C compiler."""
    return not has_gpu() and has_compiler() and units % _constant("lanes_count") == 0


def gru(inputs: Any, kernel: Any, recurrent_kernel: Any, bias: Any, state: Any, mask: Any = None) -> Any:
    """The states of a GRU, (B, T, U), as `recurrence.gru` has them, with their gradients; not under XLA.

    Args:
        inputs: (B, T, C).
        kernel: (C, 3 U).
        recurrent_kernel: (U, 3 U).
        bias: (2, 3 U), of the inputs and of the state.
        state: (B, U), before the first step.
        mask: (B, U), multiplied on the state before each product; None: nothing is.
    """
    return _differentiable("gru", mask, [inputs, kernel, recurrent_kernel, bias, state])[0]


def lstm(
    inputs: Any, kernel: Any, recurrent_kernel: Any, bias: Any, state: Any, memory: Any, mask: Any = None
) -> tuple[Any, Any]:
    """The states of an LSTM, (B, T, U), and its last memory, (B, U), as `recurrence.lstm` has them; not under XLA.

    Args:
        inputs: (B, T, C).
        kernel: (C, 4 U).
        recurrent_kernel: (U, 4 U).
        bias: (4 U,).
        state: (B, U), before the first step.
        memory: (B, U), before the first step.
        mask: (B, U), multiplied on the state before each product; None: nothing is.
    """
    states, last = _differentiable("lstm", mask, [inputs, kernel, recurrent_kernel, bias, state, memory])
    return states, last


def _differentiable(cell: Cell, mask: Any, arguments: list[Any]) -> list[Any]:
    """The states, and the last memory of an LSTM, as functions of `arguments`."""
    tf = load_tensorflow()
    masks = [] if mask is None else [mask]
    names = [*INPUTS[:4], "h", "c"][: len(arguments)] + ["mask"] * len(masks)
    (windows, steps, _), units = arguments[0].shape, arguments[2].shape[0]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(*arguments: Any) -> Any:
        given = [*arguments, *masks]
        states, kept = tf.numpy_function(
            lambda *values: _forward(cell, dict(zip(names, values, strict=True))),
            given,
            [tf.float32] * 2,
            stateful=False,
        )
        states.set_shape((windows, steps, units))
        last = [kept[-1, :, -1]] if cell == "lstm" else []

        def gradient(*d_outputs: Any) -> list[Any]:
            back = [*given, states, kept, *d_outputs]
            known = [*names, *ARRAYS[: 2 + len(d_outputs)]]
            gradients = tf.numpy_function(
                lambda *values: _back(cell, dict(zip(known, values, strict=True))),
                back,
                [tf.float32] * len(arguments),
                stateful=False,
            )
            for found, argument in zip(gradients, arguments, strict=True):
                found.set_shape(argument.shape)
            return list(gradients)

        return [states, *last], gradient

    return list(run(*arguments))


def _forward(cell: Cell, values: dict[str, Any]) -> tuple[Any, Any]:
    """The states, (B, T, U), and what the way back needs, (T, B, `KEPT`, U)."""
    windows, steps, _ = values["x"].shape
    units = values["recurrent"].shape[0]
    made = {
        "states": _aligned((windows, steps, units)),
        "kept": _aligned((steps, windows, KEPT[cell], units)),
    }
    _call(f"{cell}_forward", values | made)
    return made["states"], made["kept"]


def _back(cell: Cell, values: dict[str, Any]) -> tuple[Any, ...]:
    """The gradients of the inputs, the weights, the bias, the first state and, of an LSTM, the first memory."""
    made = {
        "d_x": _aligned(values["x"].shape),
        "d_kernel": np.zeros((PARTS, *values["kernel"].shape), np.float32),
        "d_recurrent": np.zeros((PARTS, *values["recurrent"].shape), np.float32),
        "d_bias": np.zeros((PARTS, *values["bias"].shape), np.float32),
        "d_h": _aligned(values["h"].shape),
        "d_c": _aligned(values["h"].shape),
    }
    _call(f"{cell}_back", values | made)
    sums = [made[name].sum(axis=0) for name in ("d_kernel", "d_recurrent", "d_bias")]
    return (made["d_x"], *sums, made["d_h"], made["d_c"])[: 5 if cell == "gru" else 6]


def _aligned(shape: tuple[int, ...]) -> Any:
    """An array to be filled that TensorFlow takes as it is; others it copies.

    Its memory is used again once nobody holds the array: new memory would cost as much time as the loop itself, since
    the system clears every page of it.
    """
    size = math.prod(shape) * 4
    try:
        memory = _unused[size].pop()
    except IndexError:
        memory = np.empty(size + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    array = np.frombuffer(memory, np.float32, math.prod(shape), first).reshape(shape)
    weakref.finalize(array, _unused[size].append, memory).atexit = False
    return array


def _call(name: str, arrays: dict[str, Any]) -> None:
    """Run a function of the library over all windows, on every core."""
    windows, steps, columns = arrays["x"].shape
    sizes = dict(zip(SIZES, (windows, steps, columns, arrays["recurrent"].shape[0]), strict=True))
    arrays = {key: np.ascontiguousarray(value, np.float32) if key in INPUTS else value for key, value in arrays.items()}
    run, tile = getattr(_library(), name), _constant("tile_windows")
    tiles = -(-windows // tile)

    def part(number: int) -> int:
        places = {key: value[number] if key in GRADIENTS[1:4] else value for key, value in arrays.items()}
        loop = _Loop(**sizes, **{key: value.ctypes.data for key, value in places.items()})
        first, last = (min(windows, tiles * place // PARTS * tile) for place in (number, number + 1))
        return int(run(ctypes.byref(loop), ctypes.c_long(first), ctypes.c_long(last)))

    if any(_pool().map(part, range(PARTS))):
        raise MemoryError(f"no memory for the arrays of {name}")


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(len(usable_cores()))  # ctypes lets other threads run while it calls


def _constant(name: str) -> int:
    """A number of gru.c."""
    return ctypes.c_int.in_dll(_library(), name).value


@cache
def _library() -> Any:
    """The compiled code, or None where it cannot be had; compiled once a process, which takes about a second."""
    compiler = shutil.which("cc")
    if compiler is None:
        logger.debug("no C compiler (cc) found: XLA runs the recurrent loops")
        return None
    with tempfile.TemporaryDirectory(prefix="jenacast-") as folder:
        target = Path(folder) / "loops.so"
        command = [compiler, *FLAGS, "-o", str(target), *map(str, SOURCES)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            if done.returncode == 0:
                return ctypes.CDLL(str(target))
        except OSError as error:  # such as a folder from which nothing may be run
            logger.debug("%s", error)
    logger.warning("the recurrent loops could not be compiled with %s, XLA runs them: %s", compiler, done.stderr[-300:])
    return None
