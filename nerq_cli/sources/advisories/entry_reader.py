"""Read files of OSV records into the entries of the database, those of large zips in further processes.

To decode a record takes three times as long as to write it, so a dump of 250,000 takes half the time on two cores.
Each process decodes every n-th batch of members and sends its entries. The entries are the same in the same order, and
the batches of a process that cannot be started, or that ends early, are decoded here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Final, cast

import msgspec

from nerq_cli.sources.advisories.osv_files import (
    MAX_RECORD_BYTES,
    ReadStats,
    build_entries,
    iter_documents,
    iter_files,
    list_record_members,
    read_documents,
    read_member,
)
from nerq_cli.sources.advisories.zip_members import MemberReader, ZipMember
from nerq_cli.store.advisory_db import AdvisoryEntry

#: Size of a zip, in bytes, from which further processes pay: they take 0.2 s to start, and decode 10 MB in a second.
_MIN_BYTES: Final = 10_000_000
#: Most further processes: to write what three decode keeps this one busy.
_MAX_PROCESSES: Final = 3
#: Most members of a batch, and the most bytes of their contents, unless it is one member.
_BATCH_MEMBERS: Final = 500
_BATCH_BYTES: Final = 10_000_000
#: Bytes that state the length of a message, and the longest message that is read.
_LENGTH_BYTES: Final = 8
_MAX_MESSAGE_BYTES: Final = 1_000_000_000
#: Seconds that a process may take to end.
_STOP_TIMEOUT: Final = 5.0
#: The modules are searched where this process searches them, which may not be the current directory: a folder that is
#: scanned could have a module of any name. Records have no cycles; to search them for some takes a tenth of the time.
_SCRIPT: Final = f"import gc, sys; gc.disable(); sys.path[:] = sys.argv[1:]; from {__name__} import serve; serve()"


class _Job(msgspec.Struct, array_like=True):
    """The batches of one archive that a process decodes."""

    path: str
    ecosystems: tuple[str, ...]
    batches: list[list[ZipMember]]


class _Batch(msgspec.Struct, array_like=True):
    """The entries of some members, and their counts."""

    entries: list[AdvisoryEntry]
    stats: ReadStats


_JOB_DECODER = msgspec.msgpack.Decoder(_Job)
_BATCH_DECODER = msgspec.msgpack.Decoder(_Batch)
_ENCODER = msgspec.msgpack.Encoder()


def read_entries(paths: Sequence[Path], stats: ReadStats, ecosystems: Collection[str] = ()) -> Iterator[AdvisoryEntry]:
    """Yield the entries of all records in files, limited to ``ecosystems`` unless that is empty.

    Withdrawn and unreadable records are counted.

    Raises:
        UsageError: a path does not exist, or its type cannot hold records.
        ResponseError: a file is not of the type its name states, or holds more than 2,000,000 records.
    """
    with ExitStack() as exit_stack:
        decoders: list[_Decoder] | None = None
        for file in iter_files(paths):
            if not isinstance(file, Path):
                yield from build_entries(read_documents([file], stats), ecosystems)
            elif file.stat().st_size < _MIN_BYTES:
                yield from build_entries(read_documents(iter_documents([file]), stats), ecosystems)
            else:
                if decoders is None:
                    decoders = _start_decoders(exit_stack)
                yield from _read_zip(file, stats, tuple(ecosystems), decoders)


def _read_zip(
    path: Path, stats: ReadStats, ecosystems: tuple[str, ...], decoders: Sequence[_Decoder]
) -> Iterator[AdvisoryEntry]:
    batches = list(_split_batches(list_record_members(path)))
    for number, decoder in enumerate(decoders):
        decoder.send(_Job(str(path), ecosystems, batches[number :: len(decoders)]))
    with MemberReader(path, max_bytes=MAX_RECORD_BYTES) as reader:
        for number, members in enumerate(batches):
            batch = decoders[number % len(decoders)].receive() if decoders else None
            batch = batch or _read_batch(reader, path, members, ecosystems)
            stats.add(batch.stats)
            yield from batch.entries


def _split_batches(members: Iterable[ZipMember]) -> Iterator[list[ZipMember]]:
    batch: list[ZipMember] = []
    size = 0
    for member in members:
        size += member.size
        if batch and (size > _BATCH_BYTES or len(batch) == _BATCH_MEMBERS):
            yield batch
            batch, size = [], member.size
        batch.append(member)
    if batch:
        yield batch


def _read_batch(reader: MemberReader, path: Path, members: Sequence[ZipMember], ecosystems: tuple[str, ...]) -> _Batch:
    stats = ReadStats()
    documents = (read_member(reader, path, member) for member in members)
    return _Batch(list(build_entries(read_documents(documents, stats), ecosystems)), stats)


# --- further processes -----------------------------------------------------------------------------------------------


def _start_decoders(exit_stack: ExitStack) -> list[_Decoder]:
    """Start as many processes as there are cores, or none where that is not possible or there is one core."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count == 1 or not sys.executable or getattr(sys, "frozen", False):
        return []
    decoders: list[_Decoder] = []
    with suppress(OSError):
        while len(decoders) < min(count, _MAX_PROCESSES):
            decoders.append(exit_stack.enter_context(_Decoder()))
    return decoders


class _Decoder:
    """A process that decodes records; a context manager that ends it. Failures are not raised: it returns nothing."""

    def __init__(self) -> None:
        # A session, or group, of its own: an interrupt from the keyboard ends this process, which ends that one.
        group = (
            {"start_new_session": True}
            if os.name == "posix"
            else {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        )
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, with code of this package
            [sys.executable, "-c", _SCRIPT, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            **group,
        )
        self._has_failed = False

    def __enter__(self) -> _Decoder:  # noqa: PYI034 - Python 3.10 has no Self
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._process.kill()
        with suppress(OSError):
            self._process.communicate(timeout=_STOP_TIMEOUT)

    def send(self, job: _Job) -> None:
        try:
            _write_message(cast("IO[bytes]", self._process.stdin), _ENCODER.encode(job))
        except OSError:
            self._has_failed = True

    def receive(self) -> _Batch | None:
        """Return the next batch of the job."""
        if not self._has_failed:
            try:
                message = _read_message(cast("IO[bytes]", self._process.stdout))
                return _BATCH_DECODER.decode(message)
            except (OSError, EOFError, msgspec.MsgspecError):
                self._has_failed = True
        return None


def serve(source: IO[bytes] | None = None, target: IO[bytes] | None = None) -> None:
    """Decode the batches of jobs from a stream, by default standard input, until it ends."""
    source, target = source or sys.stdin.buffer, target or sys.stdout.buffer
    with suppress(OSError, EOFError):
        while True:
            job = _JOB_DECODER.decode(_read_message(source))
            with MemberReader(Path(job.path), max_bytes=MAX_RECORD_BYTES) as reader:
                for members in job.batches:
                    batch = _read_batch(reader, Path(job.path), members, job.ecosystems)
                    _write_message(target, _ENCODER.encode(batch))


def _write_message(stream: IO[bytes], message: bytes) -> None:
    stream.write(len(message).to_bytes(_LENGTH_BYTES, "big"))
    stream.write(message)
    stream.flush()


def _read_message(stream: IO[bytes]) -> bytes:
    """Return the next message.

    Raises:
        EOFError: the stream ends, or holds something else.
    """
    size = int.from_bytes(stream.read(_LENGTH_BYTES), "big")
    message = stream.read(size) if size <= _MAX_MESSAGE_BYTES else b""
    if not message or len(message) != size:
        raise EOFError
    return message
