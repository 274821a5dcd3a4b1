"""One moment at which everything that waits for a network ends."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType


class Deadline:
    """A moment at which all connections made under it are cut off, whatever they wait for; a context manager.

    It comes `total_s` seconds after it is entered.
    """

    def __init__(self, total_s: float) -> None:
        self.total_s = total_s
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(self.total_s, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "Deadline":
        self._until = time.monotonic() + self.total_s
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        self.let_go()

    def let_go(self) -> None:
        """Forget the connections made so far, which would not end while they are watched."""
        while self._sockets:
            self._sockets.pop().close()

    def connect(self, make: Callable[[], socket.socket]) -> socket.socket:
        """The connection that `make` makes, which is cut off at the deadline.

        Nothing cuts the look-up of a name off, so `make` has a thread of its own, which is left behind at the deadline.
        """
        made: Future[socket.socket] = Future()
        threading.Thread(target=_settle, args=(made, make), daemon=True).start()
        try:
            connection = made.result(max(0.0, self._until - time.monotonic()))
        except TimeoutError:
            if made.cancel():
                self._end()
            raise
        self._sockets.append(connection.dup())  # TLS takes the socket itself over
        if self.is_over:
            self._end()
        return connection

    def _end(self) -> None:
        self.is_over = True
        for connection in self._sockets:
            with suppress(OSError):  # closed by now
                connection.shutdown(socket.SHUT_RDWR)


def _settle(made: "Future[socket.socket]", make: Callable[[], socket.socket]) -> None:
    """Make the connection that somebody waits for; close it if nobody does by now."""
    try:
        connection = make()
    except BaseException as error:
        if made.set_running_or_notify_cancel():
            made.set_exception(error)
        return
    if made.set_running_or_notify_cancel():
        made.set_result(connection)
    else:
        connection.close()
