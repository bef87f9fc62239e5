"""Calls of tools: in threads, each with a session of its own, and ended when nobody waits for them any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from nerq_cli.agent_tools.tools import CallContext, Input, ToolSpec
from nerq_cli.application.session import Session
from nerq_cli.application.settings import Settings
from nerq_cli.insight.purpose import DEFAULT_PURPOSE

if TYPE_CHECKING:
    from nerq_cli.agent_tools.documents import Notice

#: Calls that run at the same time; further ones wait.
MAX_CALLS: Final = 4
#: Threads: a call that was cancelled keeps its own until its next step, and must not keep others from running.
_MAX_THREADS: Final = 16
#: Seconds after which a session is opened anew: settings files and the index configuration may have changed.
_SESSION_AGE: Final = 300.0


class CallCancelledError(BaseException):
    """Nobody waits for the answer. No ``Exception``: what handles failures of a source must not handle it."""


class CallProgress:
    """How far a call has come. Written by its thread, read by another one."""

    def __init__(self) -> None:
        #: Steps done, and all of them as far as they are known.
        self.steps: tuple[int, int] = (0, 0)
        self.label = ""
        self._is_cancelled = False

    def cancel(self) -> None:
        """End the call at its next step."""
        self._is_cancelled = True

    def begin(self, label: str) -> Callable[[int, int], None]:
        """Return the progress callback of the next phase; its steps are counted after those of the phases before."""
        before = self.steps[0]
        self.label = label

        def report(completed: int, total: int) -> None:
            if self._is_cancelled:
                raise CallCancelledError
            self.steps = (max(self.steps[0], before + completed), before + total)

        report(0, 0)
        return report


class CallRunner:
    """Runs calls in a few threads. A session is for one thread at a time: each has its own, opened on first use."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self._settings = settings
        self._directory = directory
        self._local = threading.local()
        self._executor = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="call")
        self._running: dict[Future[Notice], CallProgress] = {}
        #: Threads that may have a session.
        self._threads: set[int] = set()

    def warm_up(self) -> None:
        """Import what calls need, and open the cache, before the first call."""
        self._executor.submit(self._warm_up)

    def _warm_up(self) -> None:
        """Check a package without a network and without the cache, and open a session."""
        from nerq_cli.agent_tools import answers

        self._threads.add(threading.get_ident())
        settings = replace(self._settings, offline=True, refresh=False, no_cache=True, no_config=True)
        with Session.open(settings, self._directory) as session:
            answers.check_package("pypi:pip==1.0", session, DEFAULT_PURPOSE)
        _ = self._take_session(self._directory).store

    def submit(self, tool: ToolSpec, arguments: Input, progress: CallProgress, roots: Sequence[Path]) -> Future[Notice]:
        """Start a call, and return its future."""
        future = self._executor.submit(self._run, tool, arguments, progress, roots)
        self._running[future] = progress
        future.add_done_callback(lambda done: self._running.pop(done, None))
        return future

    def _run(self, tool: ToolSpec, arguments: Input, progress: CallProgress, roots: Sequence[Path]) -> Notice:
        progress.begin("")
        session = self._take_session(self._directory)
        session.create_progress = progress.begin
        context = CallContext(settings=self._settings, session=session, create_progress=progress.begin, roots=roots)
        try:
            return tool.run(arguments, context)
        except CallCancelledError:
            self._drop_session()  # requests that nobody waits for may still be on their way
            raise

    def _take_session(self, directory: Path) -> Session:
        self._threads.add(threading.get_ident())
        session: Session | None = getattr(self._local, "session", None)
        if session is not None and time.monotonic() - self._local.opened_at > _SESSION_AGE:
            self._drop_session()
            session = None
        if session is None:
            session = Session.open(self._settings, directory)
            self._local.session, self._local.opened_at = session, time.monotonic()
        return session

    def _drop_session(self) -> None:
        session: Session | None = getattr(self._local, "session", None)
        self._local.session = None
        if session is not None:
            session.close()

    def stop(self, seconds: float) -> bool:
        """End all calls and close their sessions; return whether that took no longer than this.

        What is in the cache stays whole in either case.
        """
        for progress in list(self._running.values()):
            progress.cancel()
        futures = list(self._running)
        deadline = time.monotonic() + seconds
        while not all(future.done() for future in futures) and time.monotonic() < deadline:
            time.sleep(0.01)
        is_done = all(future.done() for future in futures)
        if is_done:
            # each thread closes its own session: a connection to SQLite is for one thread
            meeting = threading.Barrier(max(1, len(self._threads)))
            closing = [self._executor.submit(self._close_session, meeting, seconds) for _ in self._threads]
            is_done = not wait(closing, seconds).not_done
        self._executor.shutdown(wait=False, cancel_futures=True)
        return is_done

    def _close_session(self, meeting: threading.Barrier, seconds: float) -> None:
        """Close the session of this thread, and keep the thread until all others have closed theirs."""
        self._drop_session()
        with suppress(threading.BrokenBarrierError):
            meeting.wait(seconds)
