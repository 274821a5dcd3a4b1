"""Signals that wait for a safe point, so that a state is never saved in the middle of a step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Deferred:
    """The signal that arrived and is still to be delivered, if any."""

    def __init__(self) -> None:
        self._pending: int | None = None
        self._handlers: dict[int, Any] = {}

    @property
    def pending(self) -> bool:
        """Whether a signal waits."""
        return self._pending is not None

    def deliver(self) -> None:
        """Call the handler that the pending signal was meant for; it usually raises."""
        if self._pending is None:
            return
        number, self._pending = self._pending, None
        handler = self._handlers[number]
        if callable(handler):
            handler(number, None)
        elif handler is not signal.SIG_IGN:
            raise SystemExit(128 + number)

    @contextmanager
    def released(self) -> Iterator[None]:
        """Deliver signals at once meanwhile: for what may wait long, where the state is saved."""
        self.deliver()
        held = {number: signal.signal(number, handler) for number, handler in self._handlers.items()}
        try:
            yield
        finally:
            for number, handler in held.items():
                signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._pending = number


@contextmanager
def deferred_signals() -> Iterator[Deferred]:
    """Hold SIGINT and SIGTERM back until `deliver` is called, or until the block ends without an error."""
    deferred = Deferred()
    if threading.current_thread() is not threading.main_thread():
        yield deferred  # Python delivers signals to the main thread alone
        return
    deferred._handlers = {number: signal.signal(number, deferred._remember) for number in SIGNALS}
    try:
        yield deferred
    finally:
        for number, handler in deferred._handlers.items():
            signal.signal(number, handler)
    deferred.deliver()
