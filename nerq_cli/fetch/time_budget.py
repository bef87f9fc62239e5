"""Time budgets: how much of a run may be spent waiting for one service.

Without them, one service that hangs or sends a byte from time to time would use the whole deadline of a run, and the
facts of all other services would be unknown.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final, NamedTuple

#: Share of the deadline of a run that one HTTP request may take.
_REQUEST_SHARE: Final = 1 / 3
#: Share of the time of its service that it may take, so that the service is asked about other things, too.
_REQUEST_BUDGET_SHARE: Final = 1 / 2
#: Share of the deadline that all sources with ``is_joint`` may take together.
JOINT_SHARE: Final = 1 / 2


class TimeLimits(NamedTuple):
    """How long a run waits for one service, as shares of its deadline."""

    #: For all requests to the service. Requests that are sent at the same time count once.
    total: float
    #: For a time without any response.
    idle: float = 1.0
    #: Whether the time counts for the joint budget of sources that no verdict depends on, too.
    is_joint: bool = False

    @property
    def request(self) -> float:
        """For one HTTP request."""
        return min(_REQUEST_SHARE, self.total * _REQUEST_BUDGET_SHARE)


#: A registry may be slow, because a run may need thousands of its responses, but it has to answer.
REGISTRY_LIMITS: Final = TimeLimits(total=3 / 4, idle=1 / 2)
#: OSV, which states and scores depend on.
ADVISORY_LIMITS: Final = TimeLimits(total=1 / 2)
#: A service that adds details which a report states as unknown otherwise.
DETAIL_LIMITS: Final = TimeLimits(total=1 / 4)
#: A service that no verdict depends on.
HELPFUL_LIMITS: Final = TimeLimits(total=1 / 3, is_joint=True)


def get_time_limits(source: object) -> TimeLimits:
    """Return the limits of a source."""
    limits: TimeLimits = getattr(source, "time_limits", REGISTRY_LIMITS)
    return limits


class TimeBudget:
    """The seconds that a run may wait for a service: in all, and without a response. For use by one thread."""

    def __init__(
        self,
        seconds: float,
        idle_seconds: float = math.inf,
        *,
        name: str = "time budget",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._idle_seconds = idle_seconds
        self._name = name
        self._clock = clock
        self._used = self._idle = 0.0
        self._pending = 0
        self._is_paused = False
        self._updated_at = clock()

    @property
    def seconds_left(self) -> float:
        """Seconds that may still be waited until the next response; below 0 if it was more than allowed."""
        self._update()
        return min(self._seconds - self._used, self._idle_seconds - self._idle)

    @property
    def total_left(self) -> float:
        """Seconds that may still be waited in all."""
        self._update()
        return self._seconds - self._used

    @property
    def share_left(self) -> float:
        """Share of the budget that is left, 0 to 1."""
        return max(self.seconds_left / self._seconds, 0.0) if self._seconds > 0 else 0.0

    @property
    def reason(self) -> str:
        """Why no more requests are sent; empty if some time is left."""
        if self.seconds_left > 0:
            return ""
        if self.total_left <= 0:
            return f"{self._name} of {round(self._seconds, 1):g} s used up"
        return f"{self._name} used up: no response for {round(self._idle_seconds, 1):g} s"

    def pause(self) -> None:
        """Count no time: the run does something else than to wait."""
        self._update()
        self._is_paused = True

    def resume(self) -> None:
        """Count the time again."""
        self._update()
        self._is_paused = False

    def add_jobs(self, count: int) -> None:
        """Begin to wait for this many responses."""
        self._update()
        self._pending += count

    def end_job(self, *, has_response: bool) -> None:
        """End to wait for one response."""
        self._update()
        self._pending -= 1
        if has_response:
            self._idle = 0.0

    def _update(self) -> None:
        now = self._clock()
        if self._pending and not self._is_paused:
            self._used += now - self._updated_at
            self._idle += now - self._updated_at
        self._updated_at = now
