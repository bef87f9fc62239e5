"""Read files of OSV records one record at a time: dumps (zip), folders, single JSON or YAML documents."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from nerq_cli.errors import ResponseError, UsageError
from nerq_cli.facts import Advisory
from nerq_cli.sources.advisories.osv_record import (
    NoRecordError,
    filter_ecosystem,
    parse_record,
    parse_yaml_record,
)
from nerq_cli.sources.advisories.zip_members import ZIP_ERRORS, MemberReader, ZipMember, list_members
from nerq_cli.sources.text import clean_text
from nerq_cli.store.advisory_db import NO_ECOSYSTEM, AdvisoryEntry
from nerq_cli.vulnerabilities.severity import is_rated

#: Largest record read, in bytes, and the most of them.
MAX_RECORD_BYTES: Final = 10_000_000
MAX_RECORDS: Final = 2_000_000
#: Unreadable records that are listed by name, and the characters kept of a name; the others are counted.
_MAX_PROBLEMS: Final = 5
_MAX_DOCUMENT_NAME_LENGTH: Final = 300
#: Records that others name as aliases, even if they name none.
_ALIASED_PREFIXES: Final = ("CVE-", "GHSA-")
_YAML_SUFFIXES: Final = (".yaml", ".yml")
_RECORD_SUFFIXES: Final = (".json", *_YAML_SUFFIXES)
_ZIP_SUFFIX: Final = ".zip"
_ENCODER = msgspec.msgpack.Encoder()


class Document(NamedTuple):
    """A file that may hold a record: its name, and its content or the reason why it is not readable."""

    name: str
    content: bytes
    problem: str = ""


class ReadStats(msgspec.Struct):
    """Counts of an import.

    ``problems`` lists the first unreadable records, and why; ``other_documents`` the first documents that are valid but
    have nothing of a record, like the configuration of a repository of records.
    """

    read_count: int = 0
    withdrawn_count: int = 0
    unreadable_count: int = 0
    problems: list[str] = []
    other_count: int = 0
    other_documents: list[str] = []

    def count_record(self, *, withdrawn: bool) -> None:
        """Count a valid record.

        Raises:
            ResponseError: these are more than 2,000,000.
        """
        self.read_count += 1
        self.withdrawn_count += withdrawn
        self._check_count()

    def _check_count(self) -> None:
        if self.read_count > MAX_RECORDS:
            raise ResponseError(f"more than {MAX_RECORDS:,} records; this is no advisory database")

    def add(self, stats: ReadStats) -> None:
        """Add the counts of further records.

        Raises:
            ResponseError: these are more than 2,000,000.
        """
        self.read_count += stats.read_count
        self.withdrawn_count += stats.withdrawn_count
        self.unreadable_count += stats.unreadable_count
        self.problems += stats.problems[: _MAX_PROBLEMS - len(self.problems)]
        self.other_count += stats.other_count
        self.other_documents += stats.other_documents[: _MAX_PROBLEMS - len(self.other_documents)]
        self._check_count()

    def add_problem(self, name: str, reason: str) -> None:
        """Count an unreadable record."""
        self.unreadable_count += 1
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(f"{clean_text(name, _MAX_DOCUMENT_NAME_LENGTH)}: {reason}")

    def add_other_document(self, name: str, reason: str) -> None:
        """Count a document that is no record."""
        self.other_count += 1
        if len(self.other_documents) < _MAX_PROBLEMS:
            self.other_documents.append(f"{clean_text(name, _MAX_DOCUMENT_NAME_LENGTH)}: {reason}")

    def require_complete(self) -> None:
        """Check that every record was read: without one of them, an affected version would count as clean.

        Raises:
            ResponseError: some could not be read.
        """
        if not self.unreadable_count:
            return
        count_text = "1 record" if self.unreadable_count == 1 else f"{self.unreadable_count:,} records"
        rest = self.unreadable_count - len(self.problems)
        problems = "; ".join([*self.problems, *([f"and {rest:,} more"] if rest else [])])
        raise ResponseError(
            f"{count_text} cannot be read ({problems})",
            hint="the advisories on disk are unchanged; get the records anew, or leave out those named",
        )


def read_advisories(paths: Sequence[Path], stats: ReadStats) -> Iterator[Advisory]:
    """Yield every valid record; withdrawn and unreadable records are counted.

    Raises:
        UsageError: a path does not exist, or its type cannot hold records.
        AnswerError: a file is not of the type its name states, or holds more than 2,000,000 records.
    """
    return read_documents(iter_documents(paths), stats)


def read_documents(documents: Iterable[Document], stats: ReadStats) -> Iterator[Advisory]:
    """Yield the valid records of documents, without those withdrawn; all are counted."""
    for document in documents:
        advisory = _parse_document(document, stats)
        if advisory is not None:
            stats.count_record(withdrawn=advisory.withdrawn)
            if not advisory.withdrawn:
                yield advisory


def _parse_document(document: Document, stats: ReadStats) -> Advisory | None:
    problem = document.problem
    if not problem:
        try:
            return (parse_yaml_record if document.name.lower().endswith(_YAML_SUFFIXES) else parse_record)(
                document.content
            )
        except NoRecordError as error:
            stats.add_other_document(document.name, str(error))
            return None
        except ResponseError as error:
            problem = str(error)
    stats.add_problem(document.name, problem)
    return None


def build_entries(advisories: Iterable[Advisory], ecosystems: Collection[str] = ()) -> Iterator[AdvisoryEntry]:
    """Yield database entries, one for each ecosystem of a record (limited to ``ecosystems`` when given).

    A record without an ecosystem gives an entry too, if it may have the severity of one that has: such are those of
    the CVE list.
    """
    for advisory in advisories:
        affected_ecosystems = dict.fromkeys([entry.ecosystem for entry in advisory.affected])
        chosen_ecosystems = [
            ecosystem for ecosystem in affected_ecosystems if not ecosystems or ecosystem in ecosystems
        ]
        rating = _encode_rating(advisory)
        names = (advisory.id, *advisory.aliases) if rating else ()
        for ecosystem in chosen_ecosystems:
            filtered_advisory = advisory if len(affected_ecosystems) == 1 else filter_ecosystem(advisory, ecosystem)
            yield AdvisoryEntry(
                ecosystem,
                advisory.id,
                tuple(dict.fromkeys([entry.name for entry in filtered_advisory.affected])),
                advisory.modified,
                _ENCODER.encode(filtered_advisory),
                all(entry.versions or entry.ranges for entry in filtered_advisory.affected),
                rating,
                names,
            )
        if not chosen_ecosystems and rating and (advisory.aliases or advisory.id.startswith(_ALIASED_PREFIXES)):
            yield AdvisoryEntry(NO_ECOSYSTEM, advisory.id, (), advisory.modified, b"", rating=rating, names=names)


def _encode_rating(advisory: Advisory) -> bytes:
    """Return the part of a record that gives its aliases their severity; empty without one."""
    if advisory.malware or not is_rated(advisory):
        return b""
    return _ENCODER.encode(
        Advisory(
            id=advisory.id,
            published=advisory.published,
            aliases=advisory.aliases,
            severity=advisory.severity,
            severity_from=advisory.severity_from,
        )
    )


# --- where they are --------------------------------------------------------------------------------------------------


def iter_documents(paths: Iterable[Path]) -> Iterator[Document]:
    """Yield the documents in files, folders and zips, in their order."""
    for file in iter_files(paths):
        if isinstance(file, Path):
            members = list_record_members(file)
            with MemberReader(file, max_bytes=MAX_RECORD_BYTES) as reader:
                for member in members:
                    yield read_member(reader, file, member)
        else:
            yield file


def iter_files(paths: Iterable[Path]) -> Iterator[Document | Path]:
    """Yield the documents in files and folders, and the paths of zips, in their order.

    Raises:
        UsageError: a path does not exist, or its type cannot hold records.
    """
    for path in paths:
        if path.is_dir():
            yield from _iter_folder(path)
        elif not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        elif path.suffix.lower() in _RECORD_SUFFIXES:
            yield _read_file(path)
        elif path.suffix.lower() == _ZIP_SUFFIX or zipfile.is_zipfile(path):
            yield path
        else:
            raise UsageError(
                f"{path}: neither a zip nor a JSON or YAML file", hint="give OSV records, or a zip of them"
            )


def _iter_folder(folder: Path) -> Iterator[Document | Path]:
    """Yield the files below a folder in the order of their names.

    Hidden files are skipped, links are not followed.
    """
    for directory, subfolders, filenames in os.walk(folder, onerror=_raise_usage_error):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(filenames):
            if name.lower().endswith(_RECORD_SUFFIXES) and not name.startswith("."):
                yield _read_file(Path(directory) / name)
            elif name.lower().endswith(_ZIP_SUFFIX) and not name.startswith("."):
                yield Path(directory) / name


def _raise_usage_error(error: OSError) -> None:
    raise UsageError(f"{error.filename}: {(error.strerror or 'cannot be read').lower()}") from error


def _read_file(path: Path) -> Document:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_RECORD_BYTES + 1)
    except OSError as error:
        return Document(str(path), b"", (error.strerror or "cannot be read").lower())
    return _build_document(str(path), content)


def _build_document(name: str, content: bytes) -> Document:
    if len(content) > MAX_RECORD_BYTES:
        return Document(name, b"", f"larger than {MAX_RECORD_BYTES // 1_000_000} MB")
    return Document(name, content)


def list_record_members(path: Path) -> list[ZipMember]:
    """Return the members of an archive that may be records, or archives of them.

    Raises:
        ResponseError: it is no zip file.
    """
    try:
        return list_members(path, (*_RECORD_SUFFIXES, _ZIP_SUFFIX))
    except ZIP_ERRORS as error:
        raise ResponseError(f"{path}: this is no zip file, or only a part of one") from error


def read_member(reader: MemberReader, path: Path, member: ZipMember) -> Document:
    """Return a member of an archive."""
    name = f"{path.name}/{member.name}"
    if member.name.lower().endswith(_ZIP_SUFFIX):
        return Document(name, b"", "a zip in a zip, which is not read")
    try:
        content = reader.read(member)
    except ZIP_ERRORS:
        return Document(name, b"", "damaged in the zip")
    return _build_document(name, content)
