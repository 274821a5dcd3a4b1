"""Formulas that are written for numpy arrays, recorded as a TensorFlow graph.

numpy hands a call over to an argument that asks for it (NEP 13 and NEP 18). A `Traced` asks: `np.sin` of it adds
`tf.sin` to the graph that is being traced, and gives a `Traced`. So each formula of `features` and of the intervals is
written once, for arrays, and an exported graph holds what it does.

Types follow numpy's rules. A graph has no dates: times are int64 seconds since 1970, and lengths of time seconds.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from jenacast.runtime import load_tensorflow


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """A tensor of a graph as an array whose values are not known yet.

    What it cannot do raises a TypeError: a function that has no row in the tables below, and everything that needs
    values now, such as `if` or a loop over rows.
    """

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

    @property
    def dtype(self) -> np.dtype[Any]:
        """Numpy's name of the type."""
        kind: np.dtype[Any] = np.dtype(self.tensor.dtype.as_numpy_dtype)
        return kind

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The size of every axis; None where it is not known yet."""
        return tuple(self.tensor.shape)

    def astype(self, kind: Any) -> "Traced":
        """The same in another type."""
        return Traced(_tensor(self, np.dtype(kind)))

    def reshape(self, *shape: int) -> "Traced":
        """The same values in another shape; -1 stands for what is left."""
        return Traced(load_tensorflow().reshape(self.tensor, shape))

    def __getitem__(self, key: Any) -> "Traced":
        if isinstance(key, Traced):
            return Traced(load_tensorflow().gather(self.tensor, key.tensor))
        return Traced(self.tensor[key])

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        function = _ufuncs().get(ufunc)
        if function is None or method != "__call__" or options:
            return NotImplemented
        operands = [_plain(each) for each in inputs]
        *kinds, _ = ufunc.resolve_dtypes((*map(_kind, operands), None))
        return Traced(function(*map(_tensor, operands, kinds)))

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        known = _FUNCTIONS.get(function)
        return NotImplemented if known is None else known(*args, **options)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("a traced array has no values yet")

    def __bool__(self) -> bool:
        raise TypeError("a traced array has no values yet")

    __iter__ = None  # else `for` would go by __getitem__, without an end


def _plain(operand: Any) -> Any:
    """A time as seconds; all else as it is."""
    if isinstance(operand, Traced | bool | int | float) and not isinstance(operand, np.generic):
        return operand
    array = np.asarray(operand)
    return array.astype(f"{array.dtype.kind}8[s]").astype(np.int64) if array.dtype.kind in "mM" else array


def _kind(operand: Any) -> Any:
    """The type of an operand for numpy's rules, where a Python number gives way to an array."""
    return operand.dtype if hasattr(operand, "dtype") else type(operand)


def _tensor(operand: Any, kind: np.dtype[Any]) -> Any:
    tf, kind = load_tensorflow(), np.dtype(np.int64) if kind.kind in "mM" else kind
    return tf.cast(operand.tensor, kind) if isinstance(operand, Traced) else tf.constant(operand, kind)


def _alike(operands: Any) -> list[Any]:
    """Operands as tensors of one type."""
    plain = [_plain(each) for each in operands]
    kind = np.result_type(*(each.dtype if hasattr(each, "dtype") else each for each in plain))
    return [_tensor(each, kind) for each in plain]


@cache
def _ufuncs() -> dict[np.ufunc, Callable[..., Any]]:
    tf = load_tensorflow()
    return {
        np.add: tf.add,
        np.subtract: tf.subtract,
        np.multiply: tf.multiply,
        np.true_divide: tf.divide,
        np.remainder: tf.math.floormod,
        np.matmul: lambda rows, vector: tf.linalg.matvec(rows, vector),
        np.absolute: tf.abs,
        np.exp: tf.exp,
        np.sin: tf.sin,
        np.cos: tf.cos,
        np.deg2rad: lambda degrees: degrees * (np.pi / 180),
        np.maximum: tf.maximum,
        np.greater: tf.greater,
        np.greater_equal: tf.greater_equal,
        np.less_equal: tf.less_equal,
        np.bitwise_and: tf.logical_and,
    }


def _where(condition: Traced, one: Any, other: Any) -> Traced:
    return Traced(load_tensorflow().where(condition.tensor, *_alike((one, other))))


def _clip(values: Traced, low: float, high: float) -> Traced:
    return Traced(load_tensorflow().clip_by_value(values.tensor, low, high))


def _all(values: Traced, axis: tuple[int, ...]) -> Traced:
    return Traced(load_tensorflow().reduce_all(values.tensor, axis))


def _zeros_like(values: Traced, dtype: Any = None) -> Traced:
    return Traced(load_tensorflow().zeros_like(values.tensor, dtype or values.dtype))


def _ones_like(values: Traced) -> Traced:
    return Traced(load_tensorflow().ones_like(values.tensor))


def _concatenate(arrays: Any, axis: int = 0) -> Traced:
    return Traced(load_tensorflow().concat(_alike(arrays), axis))


def _stack(arrays: Any, axis: int = 0) -> Traced:
    return Traced(load_tensorflow().stack(_alike(arrays), axis))


def _column_stack(arrays: Any) -> Traced:
    columns = (each[:, None] if len(each.shape) == 1 else each for each in _alike(arrays))
    return Traced(load_tensorflow().concat(list(columns), 1))


def _unique(values: Traced, return_inverse: bool) -> tuple[Traced, Traced]:
    """Not in numpy's order but in that of their first occurrence."""
    distinct, places = load_tensorflow().unique(load_tensorflow().reshape(values.tensor, [-1]))
    return Traced(distinct), Traced(places)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.clip: _clip,
    np.all: _all,
    np.zeros_like: _zeros_like,
    np.ones_like: _ones_like,
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.column_stack: _column_stack,
    np.unique: _unique,
}
