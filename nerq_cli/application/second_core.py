"""Assess the batches of packages of a large scan in two processes, where the cache has the answers.

The second process is a copy of this one (fork). It answers from the cache alone: a batch that needs a request, or that
it does not complete for any other reason, is assessed by the first process. So requests, their limits, the deadline and
every message stay in one process, and the results are the same as without the second one.

Both take batches until none is left: the first process from the front, the second one from the back. Each reads one
byte from a pipe before it begins a batch, so that the faster one takes more. The results are pickled into a file in
memory, which the first process reads when the second one has ended.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias, TypeGuard

from nerq_cli.application.evidence_run import EvidenceRun, EvidenceUsage
from nerq_cli.fetch.run import NotCachedError
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.methodology.types import Methodology
from nerq_cli.report.model import Assessment

if TYPE_CHECKING:
    from nerq_cli.application.evidence_run import EvidenceProvider
    from nerq_cli.inventory import Package

#: Seconds to wait for the second process when no batch is left: it is at its last one, which takes a fraction of one.
MAX_WAIT: Final = 5.0
#: Bytes of the length before each result.
_LENGTH_SIZE: Final = 8

Packages: TypeAlias = "Sequence[Package]"
#: Returns the assessments of a batch of packages, with the evidence of a run.
AssessBatch: TypeAlias = "Callable[[Packages, EvidenceProvider], list[Assessment]]"
#: The assessments of a batch, and what was used for them.
_Result: TypeAlias = tuple[list[Assessment], EvidenceUsage]
#: Results by the index of their batch, read when they are called.
_Results: TypeAlias = dict[int, Callable[[], _Result]]


def is_useful(provider: EvidenceProvider) -> TypeGuard[EvidenceRun]:
    """Whether a second process may be started, and there is a processor for it."""
    return (
        sys.platform == "linux"
        and hasattr(os, "memfd_create")
        and isinstance(provider, EvidenceRun)
        and provider.is_shareable
        and threading.active_count() == 1  # a copy of a process with threads may wait forever for a lock of theirs
        and len(os.sched_getaffinity(0)) > 1
    )


def assess_batches(batches: Sequence[Packages], assess: AssessBatch, run: EvidenceRun) -> Iterator[list[Assessment]]:
    """Yield the assessments of each batch, in their order."""
    run.fix_moment()
    second = _SecondProcess.start(batches, assess, run)
    if second is None:
        for packages in batches:
            yield assess(packages, run)
        return
    try:
        front = 0
        while front == 0 or (front < len(batches) and second.take_batch()):
            yield assess(batches[front], run)
            front += 1
        results = second.collect_results()
        for index in range(front, len(batches)):
            if index in results:
                assessments, usage = results[index]()
                run.add_usage(usage)
                yield assessments
            else:
                yield assess(batches[index], run)
    finally:
        second.close()


class _SecondProcess:
    """The second process, as the first one sees it."""

    def __init__(self, pid: int, *, batches: int, results: int, is_alive: int) -> None:
        self._pid = pid
        #: Pipe with a byte for each batch that none has begun.
        self._batches = batches
        #: File with the results.
        self._results = results
        #: Pipe that the second process closes at its end.
        self._is_alive = is_alive

    @classmethod
    def start(cls, batches: Sequence[Packages], assess: AssessBatch, run: EvidenceRun) -> _SecondProcess | None:
        """Start the second process; None where the system refuses it."""
        opened: list[int] = []
        try:
            results = os.memfd_create("nerq-results")
            opened.append(results)
            opened += (pipe := os.pipe())
            os.write(pipe[1], bytes(len(batches) - 1))  # the first process begins with a batch in any case
            os.close(opened.pop())
            opened += (alive := os.pipe())
            pid = os.fork()
        except OSError:  # no memory, or no further process allowed
            for descriptor in opened:
                os.close(descriptor)
            return None
        if pid == 0:
            os.close(alive[0])
            _run_second_process(batches, assess, run, tokens=pipe[0], results=results)
        os.close(alive[1])
        return cls(pid, batches=pipe[0], results=results, is_alive=alive[0])

    def take_batch(self) -> bool:
        """Take the next batch; False if none is left."""
        return bool(os.read(self._batches, 1))

    def collect_results(self) -> _Results:
        """Return the results of the second process, once it has ended."""
        end = select.poll()
        end.register(self._is_alive, select.POLLHUP)
        if end.poll(MAX_WAIT * 1_000):
            self._end()
        else:
            self.kill()
        results: _Results = {}
        size, offset = os.fstat(self._results).st_size, 0
        while offset + 2 * _LENGTH_SIZE <= size:
            header = os.pread(self._results, 2 * _LENGTH_SIZE, offset)
            index, length = int.from_bytes(header[:_LENGTH_SIZE], "big"), int.from_bytes(header[_LENGTH_SIZE:], "big")
            offset += 2 * _LENGTH_SIZE
            if offset + length <= size:  # else the process was killed while it wrote
                results[index] = partial(self._read, offset)
            offset += length
        return results

    def _read(self, offset: int) -> _Result:
        import pickle

        with os.fdopen(os.dup(self._results), "rb") as file:
            file.seek(offset)
            result: _Result = pickle.load(file)  # noqa: S301 - a copy of this process wrote it, in memory
        return result

    def kill(self) -> None:
        """End the second process at once."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._end()

    def _end(self) -> None:
        if self._pid:
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = 0

    def close(self) -> None:
        """End the second process, and close the pipes and the results."""
        self.kill()
        for descriptor in (self._batches, self._results, self._is_alive):
            os.close(descriptor)


def _run_second_process(
    batches: Sequence[Packages], assess: AssessBatch, run: EvidenceRun, *, tokens: int, results: int
) -> NoReturn:
    """Assess batches from the back in the second process, and end it."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches both: this one has nothing to tell
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        _assess_from_back(batches, assess, run, tokens=tokens, results=results)
        status = 0
    finally:  # without the clean-up of the first process, and without a message: the first one meets the same error
        os._exit(status)


def _assess_from_back(
    batches: Sequence[Packages], assess: AssessBatch, run: EvidenceRun, *, tokens: int, results: int
) -> None:
    first_process = os.getppid()
    done_count = undone_count = 0
    index = len(batches) - 1
    while os.read(tokens, 1) and os.getppid() == first_process:
        cached_run = run.open_cached()
        try:
            assessments = assess(batches[index], cached_run)
        except NotCachedError:
            undone_count += 1
            if undone_count > done_count + 1:  # the cache has not enough for this to help
                return
        else:
            usage = cached_run.get_usage()
            if cached_run.has_storage_problem:
                return
            _write_result(results, index, (assessments, usage))
            done_count += 1
        index -= 1


def _write_result(results: int, index: int, result: _Result) -> None:
    import copyreg
    import io
    import pickle

    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    # The methodology has views of dictionaries, which cannot be pickled, and both processes have it.
    pickler.dispatch_table = {**copyreg.dispatch_table, Methodology: _refer_to_methodology}
    pickler.dump(result)
    content = buffer.getbuffer()
    header = index.to_bytes(_LENGTH_SIZE, "big") + len(content).to_bytes(_LENGTH_SIZE, "big")
    with os.fdopen(os.dup(results), "ab") as file:
        file.write(header)
        file.write(content)


def _refer_to_methodology(methodology: Methodology) -> tuple[Callable[[], Methodology], tuple[()]]:
    if methodology is not PACKAGES:
        raise ValueError("scores of packages have another methodology")
    return _get_methodology, ()


def _get_methodology() -> Methodology:
    return PACKAGES
