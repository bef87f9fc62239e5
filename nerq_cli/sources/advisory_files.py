"""Files of OSV records: a zip as the dumps are, a folder, single JSON or YAML documents. Read one record at a time."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from nerq_cli.errors import AnswerError, UsageError
from nerq_cli.facts import Advisory
from nerq_cli.sources.osv_record import concerning, packages, read, read_yaml
from nerq_cli.store.advisory_db import Entry

#: Largest record read, in bytes, and the most of them.
RECORD_LIMIT: Final = 10_000_000
COUNT_LIMIT: Final = 2_000_000
#: How many records that cannot be read are named; the rest is counted.
_NAMED: Final = 20
_YAML: Final = (".yaml", ".yml")
_RECORDS: Final = (".json", *_YAML)
#: What reading a member of a zip can raise: damage, a kind of packing that Python does not know, a password.
_ZIP_FAILURES: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Advisory)


class _Document(NamedTuple):
    """A file that may hold a record: its name, and its content or the reason why there is none."""

    name: str
    content: bytes
    trouble: str = ""


@dataclass(slots=True)
class Tally:
    """How the reading went. ``damaged`` names the first records that could not be read, and why."""

    read: int = 0
    withdrawn: int = 0
    unreadable: int = 0
    damaged: list[str] = field(default_factory=list)

    def spoiled(self, name: str, reason: str) -> None:
        """Count a record that cannot be read."""
        self.unreadable += 1
        if len(self.damaged) < _NAMED:
            self.damaged.append(f"{name}: {reason}")


def advisories(paths: Sequence[Path], tally: Tally) -> Iterator[Advisory]:
    """Yield every record that stands; those withdrawn and those that cannot be read are counted.

    Raises:
        UsageError: a path does not exist, or is of no kind that holds records.
        AnswerError: a file cannot be read as what it claims to be, or holds more than 2,000,000 records.
    """
    for document in _documents(paths):
        advisory = _read(document, tally)
        if advisory is not None:
            tally.read += 1
            tally.withdrawn += advisory.withdrawn
            if tally.read > COUNT_LIMIT:
                raise AnswerError(f"more than {COUNT_LIMIT:,} records; this is no advisory database")
            if not advisory.withdrawn:
                yield advisory


def _read(document: _Document, tally: Tally) -> Advisory | None:
    trouble = document.trouble
    if not trouble:
        try:
            return (read_yaml if document.name.lower().endswith(_YAML) else read)(document.content)
        except AnswerError as problem:
            trouble = str(problem)
    tally.spoiled(document.name, trouble)
    return None


def entries(found: Iterable[Advisory], ecosystems: Collection[str] = ()) -> Iterator[Entry]:
    """Yield records as the database keeps them, one for each ecosystem concerned (of those named, if any are)."""
    for advisory in found:
        by_ecosystem: dict[str, list[str]] = {}
        for ecosystem, name in packages(advisory):
            if not ecosystems or ecosystem in ecosystems:
                by_ecosystem.setdefault(ecosystem, []).append(name)
        for ecosystem, names in by_ecosystem.items():
            value = _ENCODER.encode(concerning(advisory, ecosystem))
            yield Entry(ecosystem, advisory.id, tuple(names), advisory.modified, value)


def kept(values: Iterable[bytes]) -> tuple[Advisory, ...]:
    """Return records as they were kept; one that is damaged counts as none."""
    return tuple(advisory for value in values if (advisory := _kept(value)) is not None)


def _kept(value: bytes) -> Advisory | None:
    try:
        return _DECODER.decode(value)
    except (msgspec.MsgspecError, ValueError):
        return None


# --- where they are --------------------------------------------------------------------------------------------------


def _documents(paths: Iterable[Path]) -> Iterator[_Document]:
    for path in paths:
        if path.is_dir():
            yield from _in_folder(path)
        elif not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        elif path.suffix.lower() in _RECORDS:
            yield _file(path)
        elif path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
            yield from _in_zip(path)
        else:
            raise UsageError(
                f"{path}: neither a zip nor a JSON or YAML file", hint="give OSV records, or a zip of them"
            )


def _in_folder(folder: Path) -> Iterator[_Document]:
    """Yield the files below a folder, and those in zips there, in the order of their names.

    Hidden ones are passed over, links not followed.
    """
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(_RECORDS) and not name.startswith("."):
                yield _file(Path(place) / name)
            elif name.lower().endswith(".zip") and not name.startswith("."):
                yield from _in_zip(Path(place) / name)


def _refuse(error: OSError) -> None:
    raise UsageError(f"{error.filename}: {(error.strerror or 'cannot be read').lower()}") from error


def _file(path: Path) -> _Document:
    try:
        with path.open("rb") as stream:
            content = stream.read(RECORD_LIMIT + 1)
    except OSError as error:
        return _Document(str(path), b"", (error.strerror or "cannot be read").lower())
    return _sized(str(path), content)


def _sized(name: str, content: bytes) -> _Document:
    if len(content) > RECORD_LIMIT:
        return _Document(name, b"", f"larger than {RECORD_LIMIT // 1_000_000} MB")
    return _Document(name, content)


def _in_zip(path: Path) -> Iterator[_Document]:
    try:
        archive = zipfile.ZipFile(path)
    except _ZIP_FAILURES as problem:
        raise AnswerError(f"{path}: this is no zip file, or only a part of one") from problem
    with archive:
        for member in archive.filelist:
            if member.filename.lower().endswith(_RECORDS):
                yield _member(archive, member)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Document:
    name = f"{Path(archive.filename or '').name}/{member.filename}"
    try:
        with archive.open(member) as stream:
            content = stream.read(RECORD_LIMIT + 1)
    except _ZIP_FAILURES:
        return _Document(name, b"", "damaged in the zip")
    return _sized(name, content)
