"""Asking with patience: a few threads a host, tries with pauses, and an end to it when a service is not well.

The tries are a loop of our own. A retry library (tenacity, stamina) would be handed nearly all of it as callbacks, as
the pause is the failed answer's to say and the loop ends early for three reasons: the deadline, another thread that
found the service down, and the end of the run. It would also cost each cold run 40 ms of imports.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nerq_cli.errors import AnswerError, EndpointMissingError, ExhaustedError
from nerq_cli.sources.gather.door import Door, host_of
from nerq_cli.sources.gather.job import Job, Line, Reply, TroubleError
from nerq_cli.sources.gather.lanes import Lanes
from nerq_cli.sources.gather.manners import Manners
from nerq_cli.sources.question import Answer, Divisible, Paged, Question, is_optional

if TYPE_CHECKING:
    import httpx

_LOG = logging.getLogger(__name__)
#: How much of the time left a question may take whose answer the run can do without: however many services hang,
#: there is time for the others.
_SHARE: Final = 1 / 3
#: Seconds: the longest wait a server may ask for, and the longest pause taken unasked.
_LONGEST_WAIT: Final = 30.0
_LONGEST_PAUSE: Final = 8.0
_NOT_MODIFIED: Final = 304


class Network:
    """Threads at work on jobs, and the door they use. ``ends`` is the deadline on the monotonic clock."""

    def __init__(self, manners: Manners, *, ends: float, transport: httpx.BaseTransport | None = None) -> None:
        self._manners = manners
        self._ends = ends
        self._door = Door(user_agent=manners.user_agent, seconds=manners.seconds, transport=transport)
        self._lanes: Lanes[Job] = Lanes(manners.concurrency, self._work)
        self._closing = threading.Event()
        self._random = Random(manners.seed)  # noqa: S311 - it spreads pauses and keeps no secrets

    def add(self, jobs: Iterable[Job]) -> None:
        """Let these be asked; each gets a reply in its own queue.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
        """
        by_host: dict[str, list[Job]] = {}
        for job in jobs:
            by_host.setdefault(self._door.open(job.question.url), []).append(job)
        for host, some in by_host.items():
            self._lanes.add(host, some)

    def drop(self) -> None:
        """Forget the jobs that nobody works on yet."""
        self._lanes.clear()

    def close(self) -> None:
        """End all tries, and close the connections as soon as nobody uses them. Does not wait."""
        self._closing.set()
        self._lanes.retire(self._door.close)

    def _work(self, job: Job) -> None:
        job.replies.put(self._reply(job))

    def _reply(self, job: Job) -> Reply:
        """Ask, read and encode. Whatever a server sends, there is a reply."""
        host = host_of(job.question.url)
        try:
            return _read(job, self._answer(job))
        except TroubleError as trouble:
            return Reply(job, failure=str(trouble), more=trouble.instead)
        except ExhaustedError as enough:
            job.line.close(f"{host}: {enough}")
            return Reply(job, failure=job.line.closed)
        except EndpointMissingError as missing:
            job.line.lacks(f"{host}: {str(missing) or 'does not offer this'}")
            return Reply(job, failure=job.line.closed)
        except AnswerError as problem:
            return Reply(job, failure=f"{host}: {str(problem) or 'the answer makes no sense'}")
        except Exception:  # noqa: BLE001 - a thread that dies would leave its question open until the deadline
            _LOG.debug("an answer of %s", host, exc_info=True)
            return Reply(job, failure=f"{host}: the answer cannot be understood")

    def _answer(self, job: Job) -> Answer:
        """Put one question until it is answered or trying on makes no sense."""
        ends = self._ends_for(job.source)
        tried = 0
        while True:
            tried += 1
            self._require_open(job.line)
            try:
                answer = self._door.exchange(job.question, limit=job.source.limit, ends=ends, sent=job.count_request)
            except TroubleError as trouble:
                if trouble.status in _statuses(job.source, "reads"):
                    return Answer(status=trouble.status, body=b"")
                if smaller := _divided(job, trouble.status):
                    trouble.instead = smaller
                    raise
                if trouble.status in _statuses(job.source, "stops"):
                    job.line.close(f"{trouble}; nothing more is asked there in this run")
                    raise
                pause = self._pause(trouble, tried, ends)
                if pause is None:
                    raise self._given_up(job.line, _told(trouble, tried)) from None
                self._closing.wait(pause)
            else:
                job.line.answered()
                return answer

    def _require_open(self, line: Line) -> None:
        if line.closed or self._closing.is_set():
            raise TroubleError(line.closed or "the run has ended")

    def _given_up(self, line: Line, trouble: TroubleError) -> TroubleError:
        """Note a failure, unless it is the deadline's: that says nothing of the service."""
        return trouble if time.monotonic() >= self._ends else line.failed(trouble)

    def _ends_for(self, source: object) -> float:
        """Return the moment up to which a question that begins now may be tried."""
        now = time.monotonic()
        return now + (self._ends - now) * _SHARE if is_optional(source) else self._ends

    def _pause(self, trouble: TroubleError, tried: int, ends: float) -> float | None:
        """Return how long to wait before the next try, in seconds; None when there should be none.

        Without a wish of the server: exponential backoff with full jitter, which spreads the questions that failed
        together (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
        """
        if not trouble.again or tried >= self._manners.tries:
            return None
        longest = min(self._manners.pause * 2 ** (tried - 1), _LONGEST_PAUSE)
        pause = self._random.uniform(0, longest) if trouble.wait is None else trouble.wait
        return pause if pause <= min(_LONGEST_WAIT, ends - time.monotonic()) else None


def _told(trouble: TroubleError, tried: int) -> TroubleError:
    """Say of a failure how often it was tried, or what the server asked for in vain."""
    reason = str(trouble)
    if tried > 1:
        reason += f" after {tried} tries"
    elif trouble.wait is not None:
        reason += f", asks to wait {trouble.wait:.0f} s"
    return TroubleError(reason, strikes=trouble.strikes, status=trouble.status)


def _statuses(source: object, kind: str) -> frozenset[int]:
    return getattr(source, kind, frozenset())


def _divided(job: Job, status: int) -> tuple[Question[Any], ...]:
    """Return smaller questions for one that a server could not manage as a whole."""
    return tuple(job.source.divide(job.question, status)) if isinstance(job.source, Divisible) else ()


def _read(job: Job, answer: Answer) -> Reply:
    """Let the source read the answer, and encode what it says; the body itself is held no longer."""
    question = job.question
    if answer.status == _NOT_MODIFIED:
        if question.validator:
            return Reply(job, unchanged=True)
        raise AnswerError(f"HTTP {_NOT_MODIFIED} without being asked for it")
    said = tuple(
        (subject, value, None if value is None else msgspec.json.encode(value))
        for subject, value in job.source.read(question, answer)
    )
    more = tuple(job.source.more(question, answer)) if isinstance(job.source, Paged) else ()
    return Reply(job, read=said, validator=answer.validator if len(question.about) == 1 else "", more=more)
