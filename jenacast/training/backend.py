"""Which code runs a network's recurrent loops: cuDNN's, C, XLA's, or TensorFlow's operation by operation."""

from enum import StrEnum
from typing import Any

from jenacast.config import Config
from jenacast.errors import JenacastError
from jenacast.models import compiled
from jenacast.models.build import with_engine
from jenacast.models.recurrent import KERAS
from jenacast.runtime import has_gpu, load_tensorflow
from jenacast.settings import ModelSettings

CUDNN_OPERATION = "CudnnRNN"  # begins the names of TensorFlow's operations that call it
TRACED_WINDOWS = 2  # any number: nothing is computed


class RecurrentBackend(StrEnum):
    """What runs a training step. A network without recurrent layers has `TENSORFLOW`."""

    CUDNN = "cuDNN"
    COMPILED = "compiled C"
    XLA = "XLA"
    TENSORFLOW = "TensorFlow"


def find_backend(model: Any, config: Config) -> RecurrentBackend:
    """The backend that a network trains with here: read off the graph TensorFlow makes of it, not assumed.

    Keras decides for cuDNN by a layer's settings and by whether there is a GPU. Where it does not, the layers of
    `models/layers.py` run the C of `models/compiled.py`, or are compiled by XLA; Keras' own are not, since on a CPU XLA
    makes as many of them slower as faster (`docs/experiments.md`). XLA is not deterministic on a GPU, so
    `deterministic` goes without it there.
    """
    on_gpu = has_gpu()
    if on_gpu and _calls_cudnn(model):
        return RecurrentBackend.CUDNN
    settings = with_engine(config).model
    if not isinstance(settings, ModelSettings) or settings.engine == KERAS:
        return RecurrentBackend.TENSORFLOW
    if not on_gpu and compiled.runs(settings.units):
        return RecurrentBackend.COMPILED
    is_usable = not (on_gpu and config.train.deterministic)
    return RecurrentBackend.XLA if is_usable else RecurrentBackend.TENSORFLOW


def refuse_other_than_cudnn(backend: RecurrentBackend, config: Config) -> None:
    """Raise a JenacastError, which says why and the remedy, where anything but cuDNN runs."""
    if backend is RecurrentBackend.CUDNN:
        return
    model = config.model
    if not has_gpu():
        reason = "TensorFlow sees no GPU; `jenacast doctor` says what is missing"
    elif isinstance(model, ModelSettings) and model.recurrent_dropout and model.engine != "weight-drop":
        reason = "cuDNN cannot drop a state by window or gate; try --set model.engine=weight-drop"
    else:
        reason = "this network has no layer that cuDNN knows; use a GRU or an LSTM that is not unrolled"
    raise JenacastError(f"--require-cudnn: this network would train with {backend}: {reason}")


def _calls_cudnn(model: Any) -> bool:
    tf = load_tensorflow()
    steps, columns = model.input_shape[1:]
    inputs = tf.TensorSpec((TRACED_WINDOWS, steps, columns), tf.float32)
    traced = tf.function(lambda histories: model(histories, training=True)).get_concrete_function(inputs)
    graph = traced.graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return any(node.op.startswith(CUDNN_OPERATION) for node in nodes)
