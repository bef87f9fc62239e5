"""Worker threads for what takes longer than an event loop may be held up.

Each thread has a session of its own: a session is for one thread at a time. There are two lanes. Quick jobs read the
store; slow jobs ask sources and score. So what is in the store never waits behind a batch that is not.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

from nerq_cli.serve.problems import RequestError

if TYPE_CHECKING:
    from nerq_cli.application.session import Session
    from nerq_cli.serve.answers import Answer
    from nerq_cli.serve.lookup import Lookup

T = TypeVar("T")

Lane: TypeAlias = Literal["quick", "slow"]
#: Threads of the slow lane, unless the settings have another number. Scoring holds the interpreter: more do not help.
WORKERS: Final = 2
#: Seconds after which a worker opens its session anew: it sees a new advisory database, and tries silent hosts again.
_SESSION_AGE: Final = 3_600.0
#: Targets that one run assesses at most.
MAX_BATCH: Final = 1_000
#: Targets that may wait for a worker.
_MAX_WAITING: Final = 20_000
#: Seconds after which a client may try again when too many targets wait.
_RETRY_BUSY: Final = 5

#: Returns the answers to some of the lookups, by their keys.
Find: TypeAlias = "Callable[[Sequence[Lookup], Session], Mapping[str, Answer]]"

#: Returns the answer to a lookup that failed by an error of the service.
Fail: TypeAlias = "Callable[[Lookup, BaseException], Answer]"


class _SessionHolder:
    """The session of one thread: opened on first use, and anew when it is old."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open_session = open_session
        self._session: Session | None = None
        self._opened_at = 0.0

    def get(self) -> Session:
        """Return the session."""
        if self._session is not None and time.monotonic() - self._opened_at > _SESSION_AGE:
            self.close()
        if self._session is None:
            self._session, self._opened_at = self._open_session(), time.monotonic()
        return self._session

    def close(self) -> None:
        """Close the session, if there is one."""
        if self._session is not None:
            session, self._session = self._session, None
            session.close()


class _Job:
    """Work for a thread, and the future of its result."""

    def __init__(self, work: Callable[[Session], Any], settle: Callable[[Any, BaseException | None], None]) -> None:
        self._work = work
        self._settle = settle

    def run(self, holder: _SessionHolder) -> None:
        """Do the work with the session of a thread."""
        try:
            result = self._work(holder.get())
        except BaseException as error:  # noqa: BLE001 - the caller that awaits it raises it
            self._settle(None, error)
        else:
            self._settle(result, None)


class Engine:
    """The worker threads of a service. All methods are called in the event loop that ``start`` was called in."""

    def __init__(self, open_session: Callable[[], Session], *, workers: int = WORKERS) -> None:
        self._open_session = open_session
        self._queues: dict[Lane, SimpleQueue[_Job | None]] = {"quick": SimpleQueue(), "slow": SimpleQueue()}
        self._counts: dict[Lane, int] = {"quick": 1, "slow": workers}
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_running(self) -> bool:
        """Whether all threads are alive."""
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        """Start the threads."""
        self._loop = asyncio.get_running_loop()
        for lane, count in self._counts.items():
            for number in range(count):
                thread = threading.Thread(
                    target=self._work, args=(self._queues[lane],), name=f"nerq-{lane}-{number}", daemon=True
                )
                thread.start()
                self._threads.append(thread)

    async def close(self, timeout: float = 5.0) -> None:
        """End the threads once their present job is done; wait for them, up to some seconds."""
        for lane, count in self._counts.items():
            for _ in range(count):
                self._queues[lane].put(None)
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, deadline - time.monotonic()))
        self._threads.clear()

    async def run(self, work: Callable[[Session], T], *, lane: Lane = "slow") -> T:
        """Return what a function returns in a worker thread, given the session of the thread."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def settle(result: T, error: BaseException | None) -> None:
            self.call_in_loop(_settle, future, result, error)

        self._queues[lane].put(_Job(work, settle))
        return await future

    def submit(
        self, work: Callable[[Session], T], settle: Callable[[T, BaseException | None], None], lane: Lane
    ) -> None:
        """Run a function in a worker thread, and then another one, in that thread, with its result or its error."""
        self._queues[lane].put(_Job(work, settle))

    def call_in_loop(self, function: Callable[..., None], *arguments: object) -> None:
        """Call a function in the event loop, from a worker thread."""
        assert self._loop is not None  # noqa: S101 - started
        with suppress(RuntimeError):  # the loop is closed: no caller waits
            self._loop.call_soon_threadsafe(function, *arguments)

    def _work(self, queue: SimpleQueue[_Job | None]) -> None:
        holder = _SessionHolder(self._open_session)
        try:
            while (job := queue.get()) is not None:
                job.run(holder)
        finally:
            holder.close()


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():  # the caller is gone
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class Batches:
    """Answers lookups in batches: all that wait when a thread gets free are one run. Equal ones are computed once.

    A lookup goes through two steps: ``read`` in the quick lane, which has what the store has, and ``assess`` in the
    slow lane for the rest.
    """

    def __init__(self, engine: Engine, read: Find, assess: Find, keep: Callable[[Answer], None], fail: Fail) -> None:
        self._engine = engine
        self._steps: dict[Lane, Find] = {"quick": read, "slow": assess}
        #: Called in the event loop with each answer.
        self._keep = keep
        self._fail = fail
        self._lock = threading.Lock()
        self._waiting: dict[Lane, dict[str, Lookup]] = {"quick": {}, "slow": {}}
        self._futures: dict[str, asyncio.Future[Answer]] = {}

    @property
    def count(self) -> int:
        """Number of lookups that are under way."""
        return len(self._futures)

    async def find(self, lookups: Sequence[Lookup]) -> dict[str, Answer]:
        """Return the answer to each lookup, by its key. It goes on for others if the caller is cancelled.

        Raises:
            RequestError: too many lookups wait.
        """
        if len(self._futures) + len(lookups) > _MAX_WAITING:
            raise RequestError("busy", "too many targets wait to be assessed", retry_after=_RETRY_BUSY)
        loop = asyncio.get_running_loop()
        futures: dict[str, asyncio.Future[Answer]] = {}
        new: list[Lookup] = []
        for lookup in lookups:
            future = self._futures.get(lookup.key)
            if future is None:
                future = self._futures[lookup.key] = loop.create_future()
                future.add_done_callback(read_error)
                new.append(lookup)
            futures[lookup.key] = future
        if new:
            self._add("quick", new)
        if futures:
            await asyncio.wait(futures.values())
        return {key: future.result() for key, future in futures.items()}

    def _add(self, lane: Lane, lookups: Sequence[Lookup]) -> None:
        with self._lock:
            self._waiting[lane].update((lookup.key, lookup) for lookup in lookups)
        for _ in range(0, len(lookups), MAX_BATCH):
            self._submit(lane)

    def _submit(self, lane: Lane) -> None:
        """Let a thread take a batch of what waits when it gets free."""
        taken: list[Lookup] = []

        def work(session: Session) -> Mapping[str, Answer]:
            taken.extend(self._take(lane))
            return self._steps[lane](taken, session) if taken else {}

        def settle(answers: Mapping[str, Answer] | None, error: BaseException | None) -> None:
            # a thread without a session took none
            lookups = taken if error is None or taken else self._take(lane)
            self._engine.call_in_loop(self._finish, lane, lookups, answers or {}, error)

        self._engine.submit(work, settle, lane)

    def _take(self, lane: Lane) -> list[Lookup]:
        """Return the lookups that wait, up to the size of a batch."""
        with self._lock:
            waiting = self._waiting[lane]
            keys = [key for key, _ in zip(waiting, range(MAX_BATCH), strict=False)]
            return [waiting.pop(key) for key in keys]

    def _finish(
        self, lane: Lane, lookups: Sequence[Lookup], answers: Mapping[str, Answer], error: BaseException | None
    ) -> None:
        """Settle the futures of lookups that are answered or failed; hand the others to the slow lane."""
        left = [lookup for lookup in lookups if lookup.key not in answers]
        for answer in answers.values():
            self._keep(answer)
            future = self._futures.pop(answer.key, None)
            if future is not None:
                _settle(future, answer, None)
        if lane == "quick" and left:  # an error of the store is no error of the request
            self._add("slow", left)
            return
        for lookup in left:
            future = self._futures.pop(lookup.key, None)
            if future is not None:
                _settle(future, self._fail(lookup, error or RuntimeError("there is no answer")), None)


def read_error(future: asyncio.Future[Any]) -> None:
    """Read the error of a future that is no longer awaited, which asyncio would print."""
    if not future.cancelled():
        future.exception()
