"""The architectures: each one small function from an input and its own settings to an output.

A builder takes the Keras input, (windows, steps, columns) float32 standardised, and by keyword those
settings of `[model]` it uses; it returns the output, (windows, 1). A recipe in `configs/` names a builder in
`model.architecture` and states its settings.
"""

import inspect
from collections.abc import Callable
from typing import Any

from jenacast.config import Config, default_settings
from jenacast.errors import ConfigError
from jenacast.models.feedforward import conv1d, dense, dense_batchnorm
from jenacast.models.recurrent import recurrent
from jenacast.runtime import load_tensorflow

BUILDERS: dict[str, Callable[..., Any]] = {
    "conv1d": conv1d,
    "dense": dense,
    "dense-batchnorm": dense_batchnorm,
    "recurrent": recurrent,
}


def build_model(config: Config, columns: int) -> Any:
    """An uncompiled Keras model, (windows, history_hours, columns) -> (windows, 1), of the config's recipe.

    Raises:
        ConfigError: an unknown architecture, or a setting that it does not use and yet was changed.
    """
    builder = _find_builder(config)
    load_tensorflow()
    import keras

    steps = None if config.model.any_history else config.data.history_hours
    inputs = keras.Input((steps, columns), name="history")
    settings = config.model.model_dump()
    used = {name: settings[name] for name in _uses(builder)}
    return keras.Model(inputs, builder(inputs, **used), name=config.name.replace("-", "_"))


def check_model(config: Config) -> None:
    """Check the `[model]` settings against the architecture, without building it.

    Raises:
        ConfigError: as `build_model`.
    """
    _find_builder(config)


def _find_builder(config: Config) -> Callable[..., Any]:
    name = config.model.architecture
    if name not in BUILDERS:
        raise ConfigError(f"model.architecture: expected one of {', '.join(BUILDERS)}, received {name!r}")
    builder = BUILDERS[name]
    settings, defaults = config.model.model_dump(), default_settings()["model"]
    unused = [key for key in settings if key not in ("architecture", "any_history", *_uses(builder))]
    changed = [key for key in unused if settings[key] != defaults[key]]
    if changed:
        problems = [f"  model.{key}: received {settings[key]!r}; {name} does not use it" for key in changed]
        raise ConfigError("\n".join([f"{len(changed)} problem(s) in the settings:", *problems]))
    return builder


def _uses(builder: Callable[..., Any]) -> list[str]:
    return [p.name for p in inspect.signature(builder).parameters.values() if p.kind is p.KEYWORD_ONLY]
