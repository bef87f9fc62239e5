"""Work through a list of tasks in this process and, where it is of use, a copy of it on another processor.

Each process appends its results to a file of its own. What a killed process wrote is not lost: a later run reads it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

#: Returns the result of a task.
Work: TypeAlias = Callable[[int], bytes]
#: Tasks that are shared at a time: a byte for each waits in a pipe, which holds 64 KiB.
_MAX_SHARED: Final = 50_000
#: Tasks from which the second process saves more time than it takes.
MIN_SHARED: Final = 8
_HEADER_SIZE: Final = 16
#: Milliseconds between two looks at the results of the second process when no task is left.
_POLL_INTERVAL: Final = 50
#: Seconds to wait for threads that end.
_MAX_WAIT: Final = 1.0


class ResultFile:
    """A file of results. Each has a header: the number of its task, its length and its checksum."""

    def __init__(self, path: Path) -> None:
        """Open a file, which is created if it does not exist; only its owner may read it."""
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        self._offset = 0

    def append(self, task: int, content: bytes) -> None:
        """Add a result in one call of the system."""
        header = task.to_bytes(4, "big") + len(content).to_bytes(8, "big") + zlib.crc32(content).to_bytes(4, "big")
        os.write(self._descriptor, header + content)

    def read_new(self) -> Iterator[tuple[int, bytes]]:
        """Yield the results that were added since the last call. One that is damaged or cut ends the file."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            while len(header := file.read(_HEADER_SIZE)) == _HEADER_SIZE:
                length = int.from_bytes(header[4:12], "big")
                content = file.read(length)
                if len(content) < length or zlib.crc32(content) != int.from_bytes(header[12:], "big"):
                    return
                self._offset += _HEADER_SIZE + length
                yield int.from_bytes(header[:4], "big"), content

    def cut_damaged(self) -> None:
        """Remove what follows the last whole result, so that others can be added."""
        os.ftruncate(self._descriptor, self._offset)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def may_share() -> bool:
    """Whether a copy of this process can be made, and there is a processor for it."""
    return (
        sys.platform == "linux"
        and threading.active_count() == 1  # a copy of a process with threads may wait forever for a lock of theirs
        and len(os.sched_getaffinity(0)) > 1
    )


def wait_for_threads() -> None:
    """Wait a moment for the threads of connections that were closed: with them no copy of the process is made."""
    end = time.monotonic() + _MAX_WAIT
    while threading.active_count() > 1 and time.monotonic() < end:
        time.sleep(_MAX_WAIT / 20)


def run_tasks(tasks: Sequence[int], work: Work, directory: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the result of each task as they are done, in any order.

    Results are written to files in ``directory``, and stay there. What ``work`` opens, it must open on its first call:
    the second process is a copy of this one.
    """
    own_file, other_file = ResultFile(directory / "results-1.bin"), ResultFile(directory / "results-2.bin")
    try:
        for file in (own_file, other_file):  # what an earlier run left there has been read
            for _ in file.read_new():
                pass
            file.cut_damaged()
        for start in range(0, len(tasks), _MAX_SHARED):
            yield from _run_shared(tasks[start : start + _MAX_SHARED], work, own_file, other_file)
    finally:
        own_file.close()
        other_file.close()


def _run_shared(
    tasks: Sequence[int], work: Work, own_file: ResultFile, other_file: ResultFile
) -> Iterator[tuple[int, bytes]]:
    done: set[int] = set()
    for task, result in _run_beside_second(tasks, work, own_file, other_file):
        done.add(task)
        yield task, result
    for task in tasks:  # those that a second process began which was ended, and all of them without one
        if task not in done:
            result = work(task)
            own_file.append(task, result)
            yield task, result


def _run_beside_second(
    tasks: Sequence[int], work: Work, own_file: ResultFile, other_file: ResultFile
) -> Iterator[tuple[int, bytes]]:
    """Yield the results of both processes until no task is left; nothing if there is no second one."""
    second = _SecondProcess.start(tasks, work, other_file) if len(tasks) >= MIN_SHARED and may_share() else None
    if second is None:
        return
    try:
        for task in tasks:
            if not second.take_task():
                break
            result = work(task)
            own_file.append(task, result)
            yield task, result
            yield from other_file.read_new()
        is_over = False
        while not is_over:
            is_over = second.wait(_POLL_INTERVAL)
            yield from other_file.read_new()
    finally:
        second.close()


class _SecondProcess:
    """The second process, as the first one sees it."""

    def __init__(self, pid: int, tasks: int, is_alive: int) -> None:
        self._pid = pid
        #: Pipe with a byte for each task that none has begun.
        self._tasks = tasks
        #: Pipe that the second process closes at its end.
        self._is_alive = is_alive

    @classmethod
    def start(cls, tasks: Sequence[int], work: Work, results: ResultFile) -> _SecondProcess | None:
        """Start the second process; None where the system refuses it."""
        opened: list[int] = []
        try:
            opened += (pipe := os.pipe())
            os.write(pipe[1], bytes(len(tasks)))
            os.close(opened.pop())
            opened += (alive := os.pipe())
            sys.stdout.flush()
            sys.stderr.flush()
            pid = os.fork()
        except OSError:  # no memory, or no further process allowed
            for descriptor in opened:
                os.close(descriptor)
            return None
        if pid == 0:
            os.close(alive[0])
            _work_from_back(tasks, work, results, pipe[0])
        os.close(alive[1])
        return cls(pid, pipe[0], alive[0])

    def take_task(self) -> bool:
        """Take the next task; False if none is left."""
        return bool(os.read(self._tasks, 1))

    def wait(self, milliseconds: int) -> bool:
        """Wait for the end of the process; return whether it has ended."""
        end = select.poll()
        end.register(self._is_alive, select.POLLHUP)
        return bool(end.poll(milliseconds))

    def close(self) -> None:
        """End the process, and close the pipes."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        os.close(self._tasks)
        os.close(self._is_alive)


def _work_from_back(tasks: Sequence[int], work: Work, results: ResultFile, pipe: int) -> NoReturn:
    """Do tasks from the back in the second process, and end it."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        first_process = os.getppid()
        index = len(tasks) - 1
        while os.read(pipe, 1) and os.getppid() == first_process:
            results.append(tasks[index], work(tasks[index]))
            index -= 1
        status = 0
    finally:  # without the clean-up of the first process; it does what this one did not
        os._exit(status)
