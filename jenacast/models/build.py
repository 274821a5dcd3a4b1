"""The architectures: each one small function from an input and its own settings to an output.

A builder takes the Keras input, (windows, steps, columns) float32 standardised, and by keyword those
settings of `[model]` it uses, or `columns`, their names, and `outputs`, how many; it returns the outputs, (windows,
outputs). A recipe in `configs/` names a builder in `model.architecture` and states its settings. The `build` of a file
of the user's own is such a builder, and is called as they are.
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from jenacast.config import Config, default_settings
from jenacast.errors import ConfigError
from jenacast.models.feedforward import conv1d, dense, dense_batchnorm
from jenacast.models.lagged import lagged
from jenacast.models.own import load_builder, refuse_unnamed
from jenacast.models.recurrent import AUTO, KERAS, engine_of_auto, recurrent
from jenacast.runtime import count_gpus, load_tensorflow
from jenacast.settings import ModelSettings

_Kind = TypeVar("_Kind", bound=Config)
BUILDERS: dict[str, Callable[..., Any]] = {
    "conv1d": conv1d,
    "dense": dense,
    "dense-batchnorm": dense_batchnorm,
    "lagged": lagged,
    "recurrent": recurrent,
}


def build_model(config: Config) -> Any:
    """An uncompiled Keras model of the config's recipe, (windows, history_hours, columns) -> (windows, outputs).

    There is one output, or one for every hour up to the lead.

    Raises:
        ConfigError: an unknown architecture, or a setting that it does not use and yet was changed.
    """
    check_model(config)
    config = with_engine(config)
    load_tensorflow()
    import keras

    builder = load_builder(config.network) if config.network else BUILDERS[config.model.architecture]

    steps = None if config.model.any_history else config.data.history_hours
    inputs = keras.Input((steps, len(config.data.columns)), name="history")
    outputs = config.data.lead_hours if config.data.every_hour else 1
    settings = {"columns": config.data.columns, "outputs": outputs, **config.model.model_dump()}
    used = {name: settings[name] for name in _uses(builder)}
    x = keras.layers.GaussianNoise(config.model.noise)(inputs) if config.model.noise else inputs
    return keras.Model(inputs, builder(x, **used), name=config.name.replace("-", "_"))


def with_engine(config: _Kind) -> _Kind:
    """`config` with the engine that `auto` stands for on this machine; as it is where it names one.

    A run records what this gives, so that it goes on with the engine that it began with, wherever it is resumed.
    """
    model = config.model
    if not isinstance(model, ModelSettings) or model.engine != AUTO:
        return config
    engine = engine_of_auto(model.model_dump(), on_gpu=count_gpus() > 0)
    return config.model_copy(update={"model": model.model_copy(update={"engine": engine})})


def check_model(config: Config) -> None:
    """Check the `[model]` settings against the architecture, without building it.

    Raises:
        ConfigError: an unknown architecture, or a setting that it does not use and yet was changed; or a network of the
            user's own, which they have not named.
    """
    if config.network:
        refuse_unnamed(config.network.code)
        return
    name = config.model.architecture
    if name not in BUILDERS:
        raise ConfigError(f"model.architecture: expected one of {', '.join(BUILDERS)}, received {name!r}")
    settings, defaults = config.model.model_dump(), default_settings()["model"]
    unused = [key for key in settings if key not in ("architecture", "any_history", "noise", *_uses(BUILDERS[name]))]
    changed = [key for key in unused if settings[key] != defaults[key] and (key, settings[key]) != ("engine", KERAS)]
    if changed:
        problems = [f"  model.{key}: received {settings[key]!r}; {name} does not use it" for key in changed]
        raise ConfigError("\n".join([f"{len(changed)} problem(s) in the settings:", *problems]))


def _uses(builder: Callable[..., Any]) -> list[str]:
    return [p.name for p in inspect.signature(builder).parameters.values() if p.kind is p.KEYWORD_ONLY]
