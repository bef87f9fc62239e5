"""What keeps the users of a server that hangs from waiting for it, each for itself and again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

#: Seconds before a server that did not respond is tried again: the first and the longest, doubled from one to the next.
_FIRST_DELAY: Final = 0.25
_MAX_DELAY: Final = 15.0
#: Seconds of use after which the delay begins anew with the first one.
_CALM_SECONDS: Final = 60.0


class Breaker:
    """Whether a server is used at present: not while it is open. Safe for threads.

    A wait for the server that ran out opens it. A thread of its own then tries the server until it responds, so
    that no user of the server waits for that.
    """

    def __init__(self, probe: Callable[[], str], on_close: Callable[[], None] = lambda: None) -> None:
        """``probe`` returns why the server is not used, or "" when it responds; it takes some seconds at most.

        ``on_close`` is called when the server is used again.
        """
        self._probe = probe
        self._on_close = on_close
        self._lock = threading.Lock()
        self._problem = ""
        self._delay = _FIRST_DELAY
        self._closed_at = -_CALM_SECONDS
        self._ended = threading.Event()

    @property
    def problem(self) -> str:
        """Why the server is not used, as a sentence for the user; empty while it is used."""
        return self._problem

    def open(self, problem: str) -> None:
        """Use the server no more until it responds."""
        with self._lock:
            if self._problem or self._ended.is_set():
                return
            if time.monotonic() - self._closed_at >= _CALM_SECONDS:
                self._delay = _FIRST_DELAY
            self._problem = problem
            threading.Thread(target=self._watch, name="nerq-store-probe", daemon=True).start()

    def end(self) -> None:
        """Try the server no more. The breaker stays as it is."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(self._delay):
            self._delay = min(2 * self._delay, _MAX_DELAY)
            problem = self._probe()
            with self._lock:
                self._problem, self._closed_at = problem, time.monotonic()
            if not problem:
                self._on_close()
                return
