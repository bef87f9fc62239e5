"""Write the advisory database to a file that another machine imports, and read such a file.

The file is a zip archive, or a wheel that holds the same members and no code:

- ``nerq_advisories/editions.msgpack``: an ``_Contents``.
- ``nerq_advisories/PyPI.records``, one for each ecosystem, and ``nerq_advisories/ratings.records`` with the records
  kept for their severity alone: each as its length (four bytes, big-endian) and the MessagePack form of ``Advisory``.

A file is untrusted: it is read in place, never extracted, its sizes are bounded and every record is checked. Equal
databases give equal files.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from io import BufferedReader
from pathlib import Path
from typing import IO, Final, cast

import msgspec

from nerq_cli.ecosystems import ECOSYSTEMS
from nerq_cli.errors import ResponseError, UsageError
from nerq_cli.facts import Advisory
from nerq_cli.patterns import compile_late
from nerq_cli.sources.advisories.osv_files import (
    MAX_RECORD_BYTES,
    MAX_RECORDS,
    build_entries,
)
from nerq_cli.sources.advisories.osv_record import check_advisory
from nerq_cli.sources.advisories.stored_advisory import decode_advisories, encode_advisory
from nerq_cli.sources.advisories.zip_members import ZIP_ERRORS
from nerq_cli.sources.text import clean_text
from nerq_cli.store.advisory_db import NO_ECOSYSTEM, AdvisoryDatabase, AdvisoryEntry, EcosystemStatus, ImportInfo

_FORMAT: Final = 1
_FOLDER: Final = "nerq_advisories"
_CONTENTS_MEMBER: Final = f"{_FOLDER}/editions.msgpack"
_RATINGS: Final = "ratings"
_ECOSYSTEM_IDS: Final = tuple(ecosystem.id for ecosystem in ECOSYSTEMS)
#: Largest ``_CONTENTS_MEMBER`` and largest sum of all members, in bytes, and the most members.
_MAX_CONTENTS_BYTES: Final = 100_000
_MAX_TOTAL_BYTES: Final = 4_000_000_000
_MAX_MEMBERS: Final = 50
#: Bytes at the end of an archive that hold its table of contents if it has so few members; to read that of a dump
#: takes a second.
_END_BYTES: Final = 200_000
_LENGTH_BYTES: Final = 4
#: Characters kept of the origin of records.
_MAX_SOURCE_LENGTH: Final = 200
#: Characters kept of the validator of an edition.
_MAX_VALIDATOR_LENGTH: Final = 200
#: A folder of metadata at the root of a wheel, and the files in it.
_METADATA_FILE = compile_late(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.dist-info/[A-Za-z0-9._/-]+", re.ASCII)
#: Names of a distribution (PyPA, names and normalization).
_DISTRIBUTION_NAME = compile_late(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
#: Time of every member, the earliest that zip archives can state: equal databases give equal files.
_MEMBER_TIME: Final = (1980, 1, 1, 0, 0, 0)
#: 2100-01-01 in epoch seconds UTC: later dates of an edition are mistakes.
_MAX_TIME: Final = 4_102_444_800


class _EditionInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ecosystem of an exported database; see ``ImportInfo``."""

    ecosystem: str
    records: int
    source: str
    imported_at: int
    newest: int
    validator: str


class _Contents(msgspec.Struct, frozen=True):
    """What a file holds."""

    format: int
    editions: tuple[_EditionInfo, ...]
    ratings: int


class ExportedEdition(msgspec.Struct, frozen=True):
    """One ecosystem of an exported database: its records, their origin and date."""

    ecosystem: str
    records: int
    import_info: ImportInfo


# --- write -----------------------------------------------------------------------------------------------------------


def write_file(database: AdvisoryDatabase, path: Path) -> tuple[EcosystemStatus, ...]:
    """Write the database to a zip archive, which replaces a file of that name; return what it holds.

    Raises:
        UsageError: the database is empty or cannot be read, or the file cannot be written.
    """
    with _replace_file(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        return _write_members(database, archive)[0]


def write_wheel(
    database: AdvisoryDatabase, directory: Path, *, name: str, version: str
) -> tuple[Path, tuple[EcosystemStatus, ...]]:
    """Write the database as a wheel into a directory; return the wheel and what it holds.

    Raises:
        UsageError: the name is none of a distribution, the database is empty or cannot be read, or the wheel cannot be
            written.
    """
    check_distribution_name(name)
    _list_statuses(database)  # an empty database leaves no directory behind
    stem = f"{re.sub('[-_.]+', '_', name).lower()}-{version}"
    path = directory / f"{stem}-py3-none-any.whl"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _create_write_error(directory, error) from error
    with _replace_file(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        statuses, hashes = _write_members(database, archive)
        metadata = (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            "Summary: Published advisories for nerq-cli; data without code, read by nerq db update --from-index\n"
            "License: those of the databases that nerq --about names\n"
        )
        wheel = "Wheel-Version: 1.0\nGenerator: nerq-cli\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        for member, text in (("METADATA", metadata), ("WHEEL", wheel)):
            hashes.append(_write_member(archive, f"{stem}.dist-info/{member}", [text.encode()]))
        rows = [f"{member},sha256={digest},{size}\n" for member, digest, size in hashes]
        record_member = f"{stem}.dist-info/RECORD"
        _write_member(archive, record_member, ["".join([*rows, f"{record_member},,\n"]).encode()])
    return path, statuses


def check_distribution_name(name: str) -> None:
    """Check the name of a distribution.

    Raises:
        UsageError: it is none.
    """
    if not _DISTRIBUTION_NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a package", hint="letters, digits, and . _ - between them")


@contextmanager
def _replace_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file, whole or not at all. What a link leads to is written, and a pipe or a device as it is."""
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a directory", hint="name a file: nerq db export advisories.zip")
    if path.exists() and not path.is_file():
        try:
            with path.open("wb") as stream:
                yield stream
        except OSError as error:
            raise _create_write_error(path, error) from error
        return
    partial_path = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial_path.open("wb") as stream:
            yield stream
        partial_path.replace(path)
    except OSError as error:
        raise _create_write_error(path, error) from error
    finally:
        with suppress(OSError):
            partial_path.unlink(missing_ok=True)


def _create_write_error(path: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()}")


def _list_statuses(database: AdvisoryDatabase) -> tuple[EcosystemStatus, ...]:
    """Return what the database holds.

    Raises:
        UsageError: it is empty or cannot be read.
    """
    statuses = tuple(status for status in database.get_status() if status.ecosystem in _ECOSYSTEM_IDS)
    if not any(status.records for status in statuses):
        raise UsageError(
            database.read_problem or "the advisory database is empty: nothing to export",
            hint="nerq db update or nerq db import fills it; what is shipped with nerq-cli is on every machine",
        )
    return statuses


def _write_members(
    database: AdvisoryDatabase, archive: zipfile.ZipFile
) -> tuple[tuple[EcosystemStatus, ...], list[tuple[str, str, int]]]:
    """Write the members with the records; return what they hold, and name, hash and size of each."""
    with database.read_edition():
        statuses = _list_statuses(database)
        rows = []
        for status in statuses:
            values = _CountedValues(database.iter_records(status.ecosystem))
            rows.append(_write_member(archive, f"{_FOLDER}/{status.ecosystem}.records", values))
            if values.count != status.records:
                raise UsageError(database.read_problem or "the advisory database could not be read to its end")
        ratings = _CountedValues(_iter_ratings(database))
        rows.append(_write_member(archive, f"{_FOLDER}/{_RATINGS}.records", ratings))
    contents = _Contents(
        _FORMAT,
        tuple(_EditionInfo(status.ecosystem, status.records, *status.import_info) for status in statuses),
        ratings.count,
    )
    rows.append(_write_member(archive, _CONTENTS_MEMBER, [msgspec.msgpack.encode(contents)]))
    return statuses, rows


def _iter_ratings(database: AdvisoryDatabase) -> Iterator[bytes]:
    for modified, value in database.iter_ratings(NO_ECOSYSTEM):
        for advisory in decode_advisories([value]):
            yield encode_advisory(msgspec.structs.replace(advisory, modified=modified))


class _CountedValues:
    """Values with their lengths before them, and the number of those that were read."""

    def __init__(self, values: Iterable[bytes]) -> None:
        self._values = values
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for value in self._values:
            self.count += 1
            yield len(value).to_bytes(_LENGTH_BYTES, "big") + value


def _write_member(archive: zipfile.ZipFile, name: str, chunks: Iterable[bytes]) -> tuple[str, str, int]:
    """Write a member; return its name, its hash in the form of a wheel's RECORD, and its size in bytes."""
    member = zipfile.ZipInfo(name, _MEMBER_TIME)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = (stat.S_IFREG | 0o644) << 16
    digest, size = sha256(), 0
    with archive.open(member, "w", force_zip64=True) as stream:
        for chunk in chunks:
            stream.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return name, urlsafe_b64encode(digest.digest()).decode().rstrip("="), size


# --- read ------------------------------------------------------------------------------------------------------------


def is_exported(path: Path) -> bool:
    """Whether a file is an archive with the members of an exported database, or a wheel."""
    try:
        if not path.is_file() or not zipfile.is_zipfile(path):
            return False
        if path.suffix.lower() == ".whl":
            zipfile.ZipFile(path).close()
            return True
        return _CONTENTS_MEMBER.encode() in _read_end(path) and _has_contents(path)
    except ZIP_ERRORS:
        return False


def _read_end(path: Path) -> bytes:
    """Return the end of an archive: that of its table of contents, which names its members."""
    with path.open("rb") as stream:
        stream.seek(-min(path.stat().st_size, _END_BYTES), os.SEEK_END)
        return stream.read()


def _has_contents(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return _CONTENTS_MEMBER in archive.NameToInfo


class ExportedDatabase:
    """An exported database, whose archive is open while it is used as a context manager.

    Raises, when it is opened and where it is read:
        ResponseError: it is none, or not whole, or has a member or a record that does not belong there.
    """

    def __init__(self, path: Path, *, now: int, label: str = "") -> None:
        """Open a file. A date after ``now`` (epoch seconds UTC) counts as now; ``label`` names the file to users."""
        self._label = label or path.name
        self._now = now
        try:
            self._archive = zipfile.ZipFile(path)
        except ZIP_ERRORS as error:
            raise self._create_error("this is no zip file, or only a part of one") from error
        try:
            self._check_members()
            self._contents = self._read_contents()
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self) -> ExportedDatabase:  # noqa: PYI034 - Python 3.10 has no Self
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    @property
    def editions(self) -> tuple[ExportedEdition, ...]:
        """The ecosystems it holds."""
        return tuple(
            ExportedEdition(
                info.ecosystem,
                info.records,
                ImportInfo(
                    clean_text(f"{self._label}: {info.source}", _MAX_SOURCE_LENGTH),
                    min(info.imported_at, self._now),
                    min(info.newest, self._now),
                    info.validator,
                ),
            )
            for info in self._contents.editions
        )

    def iter_entries(self, ecosystem: str) -> Iterator[AdvisoryEntry]:
        """Yield the entries of an ecosystem; for ``NO_ECOSYSTEM`` those kept for their severity alone."""
        expected_count = next(
            (info.records for info in self._contents.editions if info.ecosystem == ecosystem), self._contents.ratings
        )
        count = 0
        for advisory in self._iter_advisories(ecosystem or _RATINGS):
            entries = list(build_entries([advisory], {ecosystem}))
            count += 1
            if [entry.ecosystem for entry in entries] != [ecosystem]:
                raise self._create_error(f"{advisory.id} is no record of {ecosystem or 'a severity'}")
            yield entries[0]._replace(modified=min(entries[0].modified, self._now))
        if count != expected_count:
            raise self._create_error(f"{count} records of {expected_count} are in it")

    def check(self, ecosystems: Collection[str]) -> None:
        """Read all records of ecosystems once, so that nothing is imported of a file that is damaged further on."""
        for ecosystem in ecosystems:
            for _ in self.iter_entries(ecosystem):
                pass

    def _create_error(self, reason: str) -> ResponseError:
        return ResponseError(f"{self._label}: {reason}", hint="nerq db export writes a file that can be imported")

    def _check_members(self) -> None:
        members = self._archive.infolist()
        names = [member.filename for member in members]
        own_names = {_CONTENTS_MEMBER, *(f"{_FOLDER}/{name}.records" for name in (*_ECOSYSTEM_IDS, _RATINGS))}
        if len(members) > _MAX_MEMBERS or len(set(names)) != len(names):
            raise self._create_error("it has more members than an exported database, or one of them twice")
        for name in names:
            if name not in own_names and (".." in name or not _METADATA_FILE.fullmatch(name)):
                raise self._create_error(f"{clean_text(name, 80)!r} does not belong in an exported database")
        if _CONTENTS_MEMBER not in names:
            raise self._create_error("no advisories are in it")
        if sum(member.file_size for member in members) > _MAX_TOTAL_BYTES:
            raise self._create_error(f"it is larger than {_MAX_TOTAL_BYTES / 1e9:g} GB when it is decompressed")
        if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
            raise self._create_error("it is compressed in a way that is not read")

    def _read_contents(self) -> _Contents:
        if self._archive.getinfo(_CONTENTS_MEMBER).file_size > _MAX_CONTENTS_BYTES:
            raise self._create_error("its table of contents is too large")
        try:
            contents = msgspec.msgpack.decode(self._archive.read(_CONTENTS_MEMBER), type=_Contents)
        except (*ZIP_ERRORS, msgspec.MsgspecError) as error:
            raise self._create_error("its table of contents is damaged") from error
        if contents.format != _FORMAT:
            raise self._create_error("it is of another format; a newer nerq-cli may read it")
        ecosystems = [info.ecosystem for info in contents.editions]
        is_valid = len(set(ecosystems)) == len(ecosystems) and set(ecosystems) <= set(_ECOSYSTEM_IDS)
        if not is_valid or not all(map(_is_valid_info, contents.editions)) or not 0 <= contents.ratings <= MAX_RECORDS:
            raise self._create_error("its table of contents is damaged")
        return contents

    def _iter_advisories(self, name: str) -> Iterator[Advisory]:
        try:
            with self._archive.open(f"{_FOLDER}/{name}.records") as member:
                yield from map(self._parse_value, self._iter_values(BufferedReader(cast("BufferedReader", member))))
        except KeyError as error:
            raise self._create_error(f"it has no records of {name}") from error
        except ZIP_ERRORS as error:
            raise self._create_error(f"its records of {name} are damaged") from error

    def _iter_values(self, stream: BufferedReader) -> Iterator[bytes]:
        while header := stream.read(_LENGTH_BYTES):
            size = int.from_bytes(header, "big")
            if len(header) != _LENGTH_BYTES or not 0 < size <= MAX_RECORD_BYTES:
                raise self._create_error("the length of a record is damaged")
            value = stream.read(size)
            if len(value) != size:
                raise self._create_error("the last record is cut short")
            yield value

    def _parse_value(self, value: bytes) -> Advisory:
        for advisory in decode_advisories([value]):
            return check_advisory(advisory)
        raise self._create_error("a record is damaged")


def _is_valid_info(info: _EditionInfo) -> bool:
    is_text = info.validator.isprintable() and len(info.validator) <= _MAX_VALIDATOR_LENGTH
    times = (info.imported_at, info.newest)
    return is_text and 0 <= info.records <= MAX_RECORDS and all(0 <= time <= _MAX_TIME for time in times)
