"""Train and judge recurrent networks on the Jena temperature forecast.

From Python: `open_data`, `prepare` and `load`; see docs/python.md. They are imported as they are first used, so that
`import jenacast` and the command's help need neither pandas nor TensorFlow.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jenacast.interface import Data, Network, Result, load, open_data, prepare

__version__ = "0.1.0"
__all__ = ["Data", "Network", "Result", "load", "open_data", "prepare"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; expected one of {', '.join(__all__)}")
    from jenacast import interface

    return getattr(interface, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
