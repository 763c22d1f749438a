"""How long a hub that is slow is waited for: a deadline and a least rate, so that nobody waits for ever."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, final

from aivc.core.errors import DataError, UnavailableError


@final
@dataclass(frozen=True)
class Patience:
    """When a hub is given up. By default 5 GB over a line of 0.5 Mbit/s still arrive.

    Attributes:
        seconds: For all files of a version together.
        answer_seconds: For one answer that is no file: a search, a list of versions or a manifest.
        least_rate: Bytes per second that must arrive on average over each window.
        window: Seconds; an answer that is complete within them may come as slowly as it likes.

    Raises:
        DataError: A value is not above zero.
    """

    seconds: float = 86_400.0
    answer_seconds: float = 300.0
    least_rate: float = 8_192.0
    window: float = 60.0

    def __post_init__(self) -> None:
        if wrong := [f"{name} is to be above zero, got {value!r}." for name, value in vars(self).items() if value <= 0]:
            raise DataError(wrong)


USUAL = Patience()


@final
@dataclass(eq=False)
class Pace:
    """Measures one transfer, of one answer or of all files of a version.

    Attributes:
        patience: When it is given up.
        seconds: That it may take in all.
        clock: Seconds that only rise.
    """

    patience: Patience
    seconds: float
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)
    _window: float = field(init=False)
    _bytes: int = 0
    _before: int = 0
    _late: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._began = self._window = self.clock()

    def restart(self) -> None:
        """Begin a new window: between two answers nothing is waited for."""
        with self._lock:
            self._window, self._before = self.clock(), self._bytes

    def took(self, count: int, where: str) -> None:
        """Count bytes that came.

        Raises:
            UnavailableError: They come too slowly, or it took too long.
        """
        with self._lock:
            self._bytes += count
        if late := self.late():
            raise UnavailableError(f"{where} {late}")

    def late(self) -> str:
        """Why it is given up, to be read behind an address; empty while it is in time."""
        with self._lock:
            now = self.clock()
            if not self._late and now - self._began >= self.seconds:
                self._late = (
                    f"was given up after {self.seconds:,.0f} seconds. Ask again later, or set a later deadline."
                )
            if not self._late and (passed := now - self._window) >= self.patience.window:
                got = self._bytes - self._before
                if got < self.patience.least_rate * passed:
                    self._late = (
                        f"sent {got:,} bytes in {passed:,.0f} seconds, where {self.patience.least_rate:,.0f} a second "
                        "are the least, and was given up. Ask again later, or allow a lower rate."
                    )
                self._window, self._before = now, self._bytes
            return self._late

    @contextmanager
    def watched(self) -> Iterator[dict[str, Any]]:
        """Cut the connection when it is given up, also while nothing arrives that could be counted.

        Yields:
            Extensions of the request, through which the connection becomes known as soon as there is one.
        """
        sockets, done = list[socket.socket](), threading.Event()

        def trace(event: str, info: dict[str, Any]) -> None:
            if event.endswith(("connect_tcp.complete", "start_tls.complete")):
                sockets.append(info["return_value"].get_extra_info("socket"))

        def watch() -> None:
            while not done.wait(min(1.0, self.patience.window / 4, self.seconds / 4)):
                if self.late():
                    for each in sockets:
                        # Whoever reads is woken at once, which closing would not do. Not the method of an encrypted
                        # socket, which takes its own state apart while it is read.
                        with suppress(OSError):
                            socket.socket.shutdown(each, socket.SHUT_RDWR)

        watcher = threading.Thread(target=watch, name="aivc-hub-pace", daemon=True)
        watcher.start()
        try:
            yield {"trace": trace}
        finally:
            done.set()
            watcher.join()
