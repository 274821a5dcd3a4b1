"""GRU and LSTM over a whole sequence with their gradients written out: the loops under `layers.py`.

The input product is taken for all steps before the loop; each step adds products of the state. What the gradient
needs is kept, so that the way back is one loop as short, and the gradients of the weights are products over all
steps after it.

Written for XLA on a CPU (`docs/experiments.md` has the figures): in the forward loop every gate is an array of its
own, since cutting gates out of one wide product keeps XLA from vectorising the activations, which triples the time;
on the way back the gates lie side by side, since nothing is cut out there. `keras.ops.scan` would carry the state
through an array of its own in every step, hence the loop at the end.

Gate order, biases and equations are those of Keras' GRU (`reset_after=True`) and LSTM. Shapes: windows B, steps T,
columns C, units U. Sequences are time-major, (T, B, ...).
"""

from collections.abc import Callable
from typing import Any

from keras import ops

from jenacast.runtime import load_tensorflow

GRU_GATES = 3  # update, reset, candidate
LSTM_GATES = 4  # input, forget, candidate, output


def gru(inputs: Any, kernel: Any, recurrent_kernel: Any, bias: Any, state: Any, mask: Any = None) -> Any:
    """The states of a GRU (Cho et al. 2014, with the reset after the product, as in cuDNN).

    Args:
        inputs: (T, B, C).
        kernel: (C, 3 U).
        recurrent_kernel: (U, 3 U).
        bias: (2, 3 U), of the inputs and of the state.
        state: (B, U), before the first step.
        mask: (B, U), multiplied on the state before each product; None: nothing is.

    Returns:
        (T, B, U).
    """
    units = recurrent_kernel.shape[0]

    def run(inputs: Any, kernel: Any, recurrent_kernel: Any, bias: Any, state: Any) -> Any:
        input_bias, state_bias = ops.unstack(bias, 2)
        products = _input_products(inputs, kernel, input_bias, GRU_GATES)
        weights = ops.split(recurrent_kernel, GRU_GATES, axis=-1)
        biases = ops.split(state_bias, GRU_GATES, axis=-1)

        def step(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
            (h,) = carry
            masked = _masked(h, mask)
            for_z, for_r, for_c = [ops.matmul(masked, w) + b for w, b in zip(weights, biases, strict=True)]
            z = ops.sigmoid(x[0] + for_z)
            r = ops.sigmoid(x[1] + for_r)
            c = ops.tanh(x[2] + r * for_c)
            h = c + z * (h - c)
            return [h], [h, z, r, c, for_c]

        _, (states, *gates) = _scan(step, [state], products, [units] * 5)

        def gradient(d_states: Any) -> tuple[Any, ...]:
            before = _shifted(states, state)
            d_first, d_wide, d_c = _gru_back([d_states, before, *gates], recurrent_kernel, mask)
            # The candidate's input enters beside its product with the state, which the reset gate scales.
            d_z_r = d_wide[..., : 2 * units]
            d_input = ops.matmul(d_z_r, ops.transpose(kernel[:, : 2 * units]))
            d_input += ops.matmul(d_c, ops.transpose(kernel[:, 2 * units :]))
            d_kernel = ops.concatenate([_over_steps(inputs, d_z_r), _over_steps(inputs, d_c)], axis=-1)
            d_state_bias = ops.sum(d_wide, axis=(0, 1))
            d_input_bias = ops.concatenate([d_state_bias[: 2 * units], ops.sum(d_c, axis=(0, 1))])
            d_recurrent = _over_steps(_masked(before, mask), d_wide)
            return d_input, d_kernel, d_recurrent, ops.stack([d_input_bias, d_state_bias]), d_first

        return states, gradient

    return ops.custom_gradient(run)(inputs, kernel, recurrent_kernel, bias, state)


def _gru_back(sequences: list[Any], recurrent_kernel: Any, mask: Any) -> tuple[Any, Any, Any]:
    """The gradients of the first state, (B, U), and of the products of the state and of the candidate's input.

    Args:
        sequences: the gradient of the states, the states before each step, z, r, c and the candidate's product.
        recurrent_kernel: (U, 3 U).
        mask: as for `gru`.
    """

    def step_back(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        (d_h,) = carry
        d_state, h, z, r, c, for_c = x
        d_h = d_h + d_state
        d_c = d_h * (1 - z) * (1 - ops.square(c))
        d_products = [d_h * (h - c) * z * (1 - z), d_c * for_c * r * (1 - r), d_c * r]
        d_wide = ops.concatenate(d_products, axis=-1)
        d_masked = ops.matmul(d_wide, ops.transpose(recurrent_kernel))
        return [d_h * z + _masked(d_masked, mask)], [d_wide, d_c]

    units = recurrent_kernel.shape[0]
    (d_first,), (d_wide, d_c) = _scan(
        step_back, [ops.zeros_like(sequences[1][0])], sequences, [GRU_GATES * units, units], back=True
    )
    return d_first, d_wide, d_c


def lstm(
    inputs: Any, kernel: Any, recurrent_kernel: Any, bias: Any, state: Any, memory: Any, mask: Any = None
) -> tuple[Any, Any]:
    """The states of an LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    Args:
        inputs: (T, B, C).
        kernel: (C, 4 U).
        recurrent_kernel: (U, 4 U).
        bias: (4 U,).
        state: (B, U), before the first step.
        memory: (B, U), before the first step.
        mask: (B, U), multiplied on the state before each product; None: nothing is.

    Returns:
        The states, (T, B, U), and the memory after the last step, (B, U).
    """
    units = recurrent_kernel.shape[0]

    def run(inputs: Any, kernel: Any, recurrent_kernel: Any, bias: Any, state: Any, memory: Any) -> Any:
        products = _input_products(inputs, kernel, bias, LSTM_GATES)
        weights = ops.split(recurrent_kernel, LSTM_GATES, axis=-1)

        def step(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
            h, c = carry
            masked = _masked(h, mask)
            for_i, for_f, for_g, for_o = [p + ops.matmul(masked, w) for p, w in zip(x, weights, strict=True)]
            i, f, g, o = ops.sigmoid(for_i), ops.sigmoid(for_f), ops.tanh(for_g), ops.sigmoid(for_o)
            c = f * c + i * g
            squashed = ops.tanh(c)
            h = o * squashed
            return [h, c], [h, c, i, f, g, o, squashed]

        (_, last), (states, memories, *gates) = _scan(step, [state, memory], products, [units] * 7)

        def gradient(d_states: Any, d_last: Any) -> tuple[Any, ...]:
            sequences = [d_states, _shifted(memories, memory), *gates]
            d_first, d_memory, d_wide = _lstm_back(sequences, d_last, recurrent_kernel, mask)
            d_input = ops.matmul(d_wide, ops.transpose(kernel))
            d_recurrent = _over_steps(_masked(_shifted(states, state), mask), d_wide)
            d_bias = ops.sum(d_wide, axis=(0, 1))
            return d_input, _over_steps(inputs, d_wide), d_recurrent, d_bias, d_first, d_memory

        return (states, last), gradient

    states, last = ops.custom_gradient(run)(inputs, kernel, recurrent_kernel, bias, state, memory)
    return states, last


def _lstm_back(sequences: list[Any], d_last: Any, recurrent_kernel: Any, mask: Any) -> tuple[Any, Any, Any]:
    """The gradients of the first state and memory, (B, U) each, and of the products of all gates.

    Args:
        sequences: the gradient of the states, the memories before each step, i, f, g, o and tanh of the memories.
        d_last: (B, U), the gradient of the last memory.
        recurrent_kernel: (U, 4 U).
        mask: as for `lstm`.
    """

    def step_back(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        d_h, d_c = carry
        d_state, c, i, f, g, o, squashed = x
        d_h = d_h + d_state
        d_c = d_c + d_h * o * (1 - ops.square(squashed))
        d_products = [
            d_c * g * i * (1 - i),
            d_c * c * f * (1 - f),
            d_c * i * (1 - ops.square(g)),
            d_h * squashed * o * (1 - o),
        ]
        d_wide = ops.concatenate(d_products, axis=-1)
        d_masked = ops.matmul(d_wide, ops.transpose(recurrent_kernel))
        return [_masked(d_masked, mask), d_c * f], [d_wide]

    first, widths = [ops.zeros_like(d_last), d_last], [LSTM_GATES * recurrent_kernel.shape[0]]
    (d_first, d_memory), (d_wide,) = _scan(step_back, first, sequences, widths, back=True)
    return d_first, d_memory, d_wide


def _input_products(inputs: Any, kernel: Any, bias: Any, gates: int) -> list[Any]:
    """(T, B, U) for each gate."""
    kernels, biases = ops.split(kernel, gates, axis=-1), ops.split(bias, gates, axis=-1)
    return [ops.matmul(inputs, k) + b for k, b in zip(kernels, biases, strict=True)]


def _masked(state: Any, mask: Any) -> Any:
    return state if mask is None else state * mask


def _shifted(after: Any, first: Any) -> Any:
    """What stood before each step, (T, B, U), from what stood after it."""
    return ops.concatenate([first[None], after[:-1]], axis=0)


def _over_steps(entering: Any, d_product: Any) -> Any:
    """The gradient of weights, (entering's width, product's width), summed over steps and windows."""
    return ops.tensordot(entering, d_product, axes=[[0, 1], [0, 1]])


def _scan(
    step: Callable[[list[Any], list[Any]], tuple[list[Any], list[Any]]],
    carry: list[Any],
    sequences: list[Any],
    widths: list[int],
    *,
    back: bool = False,
) -> tuple[list[Any], list[Any]]:
    """Run `step` over the steps of `sequences`, each (T, B, ...), from the last to the first where `back`.

    Args:
        step: from what is carried and one step of each sequence to what is carried on and what is kept.
        carry: (B, U) each.
        sequences: what the steps read.
        widths: of what each step keeps, (B, width) each.
        back: from the end.

    Returns:
        What is carried after the last step, and what all kept, (T, B, width) each.
    """
    tf = load_tensorflow()
    steps = ops.shape(sequences[0])[0]
    windows, kind = carry[0].shape[0], carry[0].dtype

    def array(shape: Any) -> Any:
        return tf.TensorArray(kind, size=steps, element_shape=shape)

    read = [array(sequence.shape[1:]).unstack(sequence) for sequence in sequences]

    def body(done: Any, carry: list[Any], kept: list[Any]) -> tuple[Any, list[Any], list[Any]]:
        now = steps - 1 - done if back else done
        carry, keep = step(carry, [entry.read(now) for entry in read])
        return done + 1, carry, [entry.write(now, value) for entry, value in zip(kept, keep, strict=True)]

    kept = [array((windows, width)) for width in widths]
    _, carry, kept = tf.while_loop(lambda done, *_: done < steps, body, (0, carry, kept))
    return carry, [entry.stack() for entry in kept]
