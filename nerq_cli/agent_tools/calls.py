"""Calls of tools: in threads, each with a session of its own, and ended when their client is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec.structs import replace

from nerq_cli.agent_tools.tools import CallContext, Input, ToolSpec
from nerq_cli.application.session import Session
from nerq_cli.application.settings import Settings
from nerq_cli.errors import NerqError
from nerq_cli.insight.purpose import DEFAULT_PURPOSE

if TYPE_CHECKING:
    from nerq_cli.agent_tools.documents import Notice

#: Calls that run at the same time; further ones wait.
MAX_CALLS: Final = 4
#: Threads: a call that was cancelled keeps its own until its next step, and must not keep others from running.
_MAX_THREADS: Final = 16
#: Seconds after which a session is opened anew: settings files and the index configuration may have changed.
_SESSION_AGE: Final = 300.0


T = TypeVar("T")


class CallCancelledError(BaseException):
    """The client of the answer is gone. No ``Exception``: what handles failures of a source must not handle it."""


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
    """Runs calls in a few threads. A session is for one thread at a time: each call takes one that no other has."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self._settings = settings
        self._directory = directory
        self._executor = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="call")
        #: What runs, or waits for a thread; the progress of calls.
        self._running: dict[Future[Any], CallProgress] = {}
        #: Sessions that no call has, each with the time at which it was opened; the last one was used last.
        self._idle: list[tuple[Session, float]] = []
        self._is_stopped = False

    def warm_up(self) -> None:
        """Import what calls need, and open the cache, before the first call."""
        self._submit(CallProgress(), self._warm_up)

    def _warm_up(self) -> None:
        """Check a package without a network and without the cache, and open a session."""
        from nerq_cli.agent_tools import answers

        settings = replace(self._settings, offline=True, refresh=False, no_cache=True, no_config=True)
        with Session.open(settings, self._directory) as session:
            answers.check_package("pypi:pip==1.0", session, DEFAULT_PURPOSE)
        session, opened_at = self._take_session()
        _ = session.store
        self._return_session(session, opened_at)

    def submit(self, tool: ToolSpec, arguments: Input, progress: CallProgress, roots: Sequence[Path]) -> Future[Notice]:
        """Start a call, and return its future."""
        return self._submit(progress, self._run, tool, arguments, progress, roots)

    def _submit(self, progress: CallProgress, function: Callable[..., T], *arguments: object) -> Future[T]:
        future = self._executor.submit(function, *arguments)
        self._running[future] = progress
        future.add_done_callback(lambda done: self._running.pop(done, None))
        return future

    def _run(self, tool: ToolSpec, arguments: Input, progress: CallProgress, roots: Sequence[Path]) -> Notice:
        progress.begin("")
        session, opened_at = self._take_session()
        session.create_progress = progress.begin
        context = CallContext(settings=self._settings, session=session, create_progress=progress.begin, roots=roots)
        try:
            answer = tool.run(arguments, context)
        except NerqError:
            self._return_session(session, opened_at)
            raise
        except BaseException:
            session.close()  # requests without a client may still be on their way
            raise
        self._return_session(session, opened_at)
        return answer

    def _take_session(self) -> tuple[Session, float]:
        while self._idle:
            with suppress(IndexError):  # another thread took the last one
                session, opened_at = self._idle.pop()
                if time.monotonic() - opened_at <= _SESSION_AGE:
                    return session, opened_at
                session.close()
        return Session.open(self._settings, self._directory), time.monotonic()

    def _return_session(self, session: Session, opened_at: float) -> None:
        if self._is_stopped:  # by a call that outlasted the end
            session.close()
        else:
            self._idle.append((session, opened_at))

    def stop(self, seconds: float) -> bool:
        """End all calls and close their sessions; return whether that took no longer than this.

        What is in the cache stays whole in either case.
        """
        self._is_stopped = True
        running = dict(self._running)
        for progress in running.values():
            progress.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)
        is_done = not wait(running, seconds).not_done
        while self._idle:
            self._idle.pop()[0].close()
        return is_done
