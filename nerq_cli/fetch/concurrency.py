"""How many requests a host receives at a time: more while it answers well, fewer when it is too much for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

#: Requests at a time to begin with, and those that a refusal never calls too many.
INITIAL_CONCURRENCY: Final = 16
#: The same for registries, which serve files to installers: uv begins with 50. On macOS and Windows the handshakes of
#: TLS with one host wait for each other (truststore), so that many connections take long to open.
REGISTRY_CONCURRENCY: Final = INITIAL_CONCURRENCY if sys.platform in ("darwin", "win32") else 48
#: Most requests at a time. 1,000 packages with 100 ms an answer took 15.6 s with 16, 8 s with 32, 4.5 s with 64; then
#: the interpreter is busy, and more connections only cost the host more.
MAX_CONCURRENCY: Final = 64
#: Fewest that a host which has become slow receives: it may be the network, and the run has a deadline.
_MIN_SLOW_CONCURRENCY: Final = 8
#: Answers that tell us to ask less.
_OVERLOAD_STATUSES: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
#: A host has become slow if the recent answers take so many times as long as usual, and so many seconds.
_SLOW_RATIO: Final = 3.0
_SLOW_SECONDS: Final = 1.0
#: Weight of a new answer in the average of the recent ones, and in that of all.
_RECENT_WEIGHT: Final = 1 / 8
_USUAL_WEIGHT: Final = 1 / 64
#: Share of the time that this process may compute, over which further requests would wait for it and not for the host.
_BUSY_SHARE: Final = 0.75
#: Seconds over which that share is measured.
_BUSY_INTERVAL: Final = 0.02


class HostConcurrency:
    """The limit of one host. Not safe for threads.

    It grows as TCP's congestion window does (RFC 5681): by one with each good answer, which doubles it in a round of
    answers, until the host was overloaded; after that by one in a round, from half of what was too much.
    """

    def __init__(
        self,
        maximum: int = MAX_CONCURRENCY,
        *,
        initial: int = INITIAL_CONCURRENCY,
        clock: Callable[[], float] = time.monotonic,
        processor_clock: Callable[[], float] = time.process_time,
    ) -> None:
        #: Requests that the host may receive at a time.
        self.limit = min(initial, maximum)
        self._maximum = maximum
        self._clock = clock
        self._processor_clock = processor_clock
        #: Limit from which it grows slowly.
        self._threshold = maximum
        #: Good answers since the limit last grew slowly.
        self._good_count = 0
        #: When the limit was last reduced. Requests that began earlier tell nothing new.
        self._reduced_at = float("-inf")
        #: What it was before.
        self._limit_before = self.limit
        #: Averages of the seconds of an answer, by the kind of request: the recent, and all.
        self._averages: dict[str, tuple[float, float]] = {}
        self._is_busy = True
        self._measured_at = clock()
        self._processor_seconds = processor_clock()

    def record_answer(self, kind: str, begun_at: float, status: int, *, is_needed: bool) -> bool:
        """Adapt the limit to one answer; return whether the host refused it because the limit had grown too far.

        Args:
            kind: Requests with the same kind take about the same time.
            begun_at: When the request was sent, on the monotonic clock.
            status: HTTP status; 0 if there was no answer in time, or no connection.
            is_needed: Whether more requests wait than may be sent.
        """
        now = self._clock()
        is_slow, is_busy = self._is_slow(kind, now - begun_at), self._measure_busy(now)
        is_refusal = status in _OVERLOAD_STATUSES
        if begun_at < self._reduced_at:
            return is_refusal and self._limit_before > INITIAL_CONCURRENCY
        is_premature = is_refusal and self.limit > INITIAL_CONCURRENCY
        if is_refusal:
            self._reduce(now, minimum=1)
        elif is_slow or not status:
            self._reduce(now, minimum=_MIN_SLOW_CONCURRENCY)
        elif status < HTTPStatus.INTERNAL_SERVER_ERROR and is_needed and not is_busy:
            self._grow()
        return is_premature

    def _reduce(self, now: float, *, minimum: int) -> None:
        if self.limit > minimum:
            self._limit_before = self.limit
            self.limit = self._threshold = max(self.limit // 2, minimum)
            self._good_count = 0
            self._reduced_at = now

    def _grow(self) -> None:
        self._good_count += 1
        if self.limit < self._maximum and (self.limit < self._threshold or self._good_count >= self.limit):
            self.limit += 1
            self._good_count = 0

    def _is_slow(self, kind: str, seconds: float) -> bool:
        recent, usual = self._averages.get(kind, (seconds, seconds))
        recent += (seconds - recent) * _RECENT_WEIGHT
        usual += (seconds - usual) * _USUAL_WEIGHT
        self._averages[kind] = (recent, usual)
        return recent > max(_SLOW_SECONDS, usual * _SLOW_RATIO)

    def _measure_busy(self, now: float) -> bool:
        """Return whether this process was computing most of the time; at first it is taken to be."""
        seconds = now - self._measured_at
        if seconds >= _BUSY_INTERVAL:
            processor_seconds = self._processor_clock()
            self._is_busy = processor_seconds - self._processor_seconds > seconds * _BUSY_SHARE
            self._measured_at, self._processor_seconds = now, processor_seconds
        return self._is_busy
