"""Rate limits that servers state in each answer (``RateLimit``, draft-ietf-httpapi-ratelimit-headers-09).

A server counts requests in windows of time. When the count of a window is used up, no request is sent until it ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from nerq_cli.patterns import compile_late

#: ``"api";r=499;t=120``: name of the limit, requests left, seconds until the window ends.
_ITEM: Final = compile_late(r'"([^"]{1,64})"((?:\s*;\s*[a-z]{1,8}\s*=\s*[^\s;,"]{1,20})*)')
_PARAMETER: Final = compile_late(r"([rt])\s*=\s*([0-9]{1,9})")


class RateLimit(NamedTuple):
    """What a server states about one limit."""

    #: Requests of other names are counted apart.
    name: str
    #: Requests that the window still allows.
    remaining: int
    #: Seconds until the window ends.
    seconds: float


def read_rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """Return the limit that the headers of an answer state, the one with the fewest requests left; None without one."""
    limits: list[RateLimit] = []
    for item in _ITEM.finditer(headers.get("RateLimit", "")[:1_000]):
        values = dict(_PARAMETER.findall(item[2]))
        if values.keys() == {"r", "t"}:
            limits.append(RateLimit(item[1], int(values["r"]), float(values["t"])))
    return min(limits, key=lambda limit: (limit.remaining, -limit.seconds), default=None)


class _Window:
    """A window of time in which requests are counted."""

    def __init__(self, remaining: int, ends_at: float) -> None:
        self.remaining = remaining
        self.ends_at = ends_at


class RateLimits:
    """The limits of all hosts, as their last answers state them. Safe for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        #: By host and name of the limit.
        self._windows: dict[tuple[str, str], _Window] = {}
        #: The name of the limit that counts the requests of a source to a host.
        self._names: dict[tuple[str, str], str] = {}

    def reserve(self, host: str, source: str) -> float:
        """Count one request; return 0, or the seconds to wait if the window allows none."""
        with self._lock:
            window = self._windows.get((host, self._names.get((host, source), "")))
            if window is None:
                return 0.0
            seconds = window.ends_at - self._clock()
            if seconds <= 0:
                return 0.0
            if window.remaining > 0:
                window.remaining -= 1
                return 0.0
            return seconds

    def record(self, host: str, source: str, limit: RateLimit | None) -> None:
        """Take note of the limit that an answer states. Answers may arrive in another order than they were sent."""
        if limit is None:
            return
        with self._lock:
            self._names[host, source] = limit.name
            now = self._clock()
            ends_at = now + limit.seconds
            window = self._windows.get((host, limit.name))
            if window is None or window.ends_at <= now:
                self._windows[host, limit.name] = _Window(limit.remaining, ends_at)
            else:
                window.remaining = min(window.remaining, limit.remaining)
                window.ends_at = max(window.ends_at, ends_at) if not window.remaining else ends_at
