"""Update the advisory database from the dumps of OSV, one for each ecosystem.

Their layout is documented in google/osv.dev (docs/data.md): ``PyPI/all.zip`` holds every record,
``PyPI/modified_id.csv`` lists them by their last change, newest first, and ``PyPI/ID.json`` is one of them. An ETag
identifies an edition; an MD5 (``X-Goog-Hash``) verifies a download.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import ClassVar, Final, NamedTuple
from urllib.parse import quote

import msgspec

from nerq_cli import __version__
from nerq_cli.errors import ExitStatus, NerqError, ResponseError, UsageError
from nerq_cli.facts import Advisory
from nerq_cli.fetch.ca_bundle import CaBundle
from nerq_cli.fetch.host_workers import HostWorkers
from nerq_cli.fetch.http_client import HttpClient, Stream, create_timeout_error, parse_host
from nerq_cli.fetch.request_error import RequestError
from nerq_cli.fetch.source import Endpoint, Request
from nerq_cli.inventory import Package
from nerq_cli.patterns import compile_late
from nerq_cli.sources import SOURCES
from nerq_cli.sources.advisories.entry_reader import read_entries
from nerq_cli.sources.advisories.osv_files import MAX_RECORD_BYTES, ReadStats, build_entries
from nerq_cli.sources.advisories.osv_record import filter_ecosystem, parse_record
from nerq_cli.sources.text import parse_timestamp
from nerq_cli.store.advisory_db import AdvisoryDatabase, AdvisoryEntry, ImportInfo
from nerq_cli.units import DAY

_INFO: Final = SOURCES["osv-dumps"]
#: Up to this age, in seconds, and up to this many changed records, only changed records are fetched.
_MAX_INCREMENTAL_AGE: Final = 3 * DAY
_MAX_CHANGES: Final = 500
#: Largest dump accepted, in bytes; npm's, the largest, had some hundred megabytes in 2026.
_MAX_DUMP_BYTES: Final = 4_000_000_000
#: Largest list of changes read, in bytes; it begins with the newest, so little of it is read.
_MAX_LIST_BYTES: Final = 200_000_000
_WORKER_COUNT: Final = 8
#: Seconds beyond its own timeout that a record may take.
_RECORD_DELAY: Final = 0.5
#: Held by the process that updates the database; other processes wait.
_LOCK_NAME: Final = "update.lock"
_MAX_ATTEMPTS: Final = 4
#: HTTP statuses of Google's storage for a missing object: 403 when listing is not allowed.
_MISSING_STATUSES: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_CHUNK_BYTES: Final = 1 << 20
_MD5 = compile_late(r"\bmd5=([A-Za-z0-9+/]{22}==)")
_CRC = compile_late(r"\bcrc32c=[A-Za-z0-9+/]{6}==")
_CREDENTIALS = compile_late(r"(?<=:)//[^/?#]*@")
_CHANGE_ROW = compile_late(r"([0-9T:.+Z-]{10,40}),([A-Za-z0-9][A-Za-z0-9._:+-]{0,99})", re.ASCII)


class UpdateError(NerqError):
    """The dumps are not available; the database is unchanged."""

    exit: ClassVar[ExitStatus] = ExitStatus.INCOMPLETE


class UpdateResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an update. ``changed_count`` counts records written or dropped; None after a full update."""

    ecosystem: str
    changed_count: int | None
    stats: ReadStats


class _Download(NamedTuple):
    """A dump on disk, and the ETag of its edition."""

    path: Path
    validator: str


class DumpClient:
    """The dumps at one address. Downloads are kept in ``directory`` until they are complete, and resumed from there.

    ``idle_timeout`` is the longest time without data and ``wait`` the longest wait for another update, in seconds;
    ``progress`` receives the megabytes that have arrived, and their total. ``ca_bundles`` are trusted beside the
    certificates of the system.
    """

    def __init__(
        self,
        url: str,
        directory: Path,
        *,
        ca_bundles: Sequence[CaBundle] = (),
        idle_timeout: float = 30.0,
        backoff: float = 1.0,
        lock_timeout: float = 600.0,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._host = parse_host(self.url)
        self._directory = directory
        self._idle_timeout = idle_timeout
        self._backoff = backoff
        self._lock_timeout = lock_timeout
        self._progress = progress or _ignore_progress
        self._http_client = HttpClient(
            user_agent=f"nerq-cli/{__version__}", timeout=idle_timeout, ca_bundles=ca_bundles
        )

    def close(self) -> None:
        """Close all connections."""
        self._http_client.close()

    def update_database(
        self, database: AdvisoryDatabase, ecosystem: str, *, now: int, full: bool = False
    ) -> UpdateResult:
        """Update one ecosystem of the database; ``full`` reads the dump even where a few records would be enough.

        Raises:
            UpdateError: the server does not serve the dump.
            ResponseError: the download is no dump, or has a record that cannot be read; the database is unchanged.
            UsageError: the database or the download cannot be written.
        """
        try:
            if not self._host:
                raise UsageError(
                    "the address of the advisory dumps is none", hint=f"set {_INFO.variable} to http(s)://…"
                )
            self._http_client.open_host(self.url)
            with self._hold_lock():
                result = None if full else self._update_from_changes(database, ecosystem, now)
                return result or self._update_from_dump(database, ecosystem, now)
        except RequestError as request_error:
            hint = "the advisories kept so far are unchanged; try again later, or use nerq db import"
            raise UpdateError(f"{ecosystem} advisories: {request_error}", hint=hint) from request_error
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"cannot keep the download in {self._directory}: {reason}") from error

    @contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """Wait until no other process updates this database: two updates would write to one download.

        SQLite's file lock works on every system, and ends with the process that holds it.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as exit_stack:
            try:
                lock_connection = sqlite3.connect(
                    self._directory / _LOCK_NAME, timeout=self._lock_timeout, isolation_level=None
                )
                exit_stack.callback(lock_connection.close)
                lock_connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" in str(error):
                    raise UpdateError("another update is under way", hint="wait for it to end") from error
                raise UsageError(f"cannot keep the download in {self._directory}: {error}") from error
            yield

    def _build_source_url(self, ecosystem: str) -> str:
        """Return the address of a dump without credentials."""
        return f"{_CREDENTIALS.sub('//', self.url)}/{ecosystem}/all.zip"

    def _build_request(
        self, path: str, *, validator: str = "", headers: Mapping[str, str] | None = None
    ) -> Request[Package]:
        endpoint = Endpoint(url=self.url, headers=headers or {})
        return Request(url=f"{self.url}/{path}", subjects=(), endpoint=endpoint, validator=validator, accept="*/*")

    # --- the whole dump ----------------------------------------------------------------------------------------------

    def _update_from_dump(self, database: AdvisoryDatabase, ecosystem: str, now: int) -> UpdateResult:
        source = self._build_source_url(ecosystem)
        import_info = _get_import_info(database, ecosystem, source)
        download = self._download_dump(ecosystem, import_info.validator if import_info else "")
        stats = ReadStats()
        if download is None and import_info:
            _require_written(database.update_import_info(ecosystem, import_info._replace(imported_at=now)), database)
            return UpdateResult(ecosystem=ecosystem, changed_count=0, stats=stats)
        if download is None:
            raise RequestError(f"{self._host} says that the dump is unchanged, but it was never fetched")
        new_import_info = ImportInfo(source, now, validator=download.validator)
        try:
            entries = _check_records(read_entries([download.path], stats, {ecosystem}), stats, download.path)
            is_written = database.replace_records(entries, new_import_info, ecosystems=[ecosystem])
        finally:
            self._delete_download(ecosystem)
        _require_written(is_written, database)
        return UpdateResult(ecosystem=ecosystem, changed_count=None, stats=stats)

    def _get_part_path(self, ecosystem: str) -> Path:
        return self._directory / f"osv-{ecosystem}.part.zip"

    def _get_etag_path(self, ecosystem: str) -> Path:
        return self._directory / f"osv-{ecosystem}.part.etag"

    def _delete_download(self, ecosystem: str) -> None:
        self._get_part_path(ecosystem).unlink(missing_ok=True)
        self._get_etag_path(ecosystem).unlink(missing_ok=True)

    def _download_dump(self, ecosystem: str, validator: str) -> _Download | None:
        """Fetch the dump; None when the edition is already in the database. An interrupted download is resumed."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            result = self._try_download(ecosystem, validator)
            if not isinstance(result, RequestError):
                return result
            if not result.retryable or attempt == _MAX_ATTEMPTS:
                raise result
            time.sleep(
                min(self._backoff * attempt if result.retry_after is None else result.retry_after, self._idle_timeout)
            )
        raise AssertionError

    def _try_download(self, ecosystem: str, validator: str) -> _Download | RequestError | None:
        try:
            return self._request_dump(ecosystem, validator)
        except RequestError as error:
            if error.status in _MISSING_STATUSES:
                return self._build_missing_error(ecosystem, error.status)
            if error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                self._delete_download(ecosystem)
                return RequestError(
                    f"{self._host}: the download cannot be taken up again", retryable=True, retry_after=0
                )
            return error

    def _build_missing_error(self, ecosystem: str, status: int) -> RequestError:
        return RequestError(f"{self._host} has no dump for {ecosystem} ({status})")

    def _request_dump(self, ecosystem: str, validator: str) -> _Download | None:
        part_path, partial_etag = self._get_part_path(ecosystem), self._read_partial_etag(ecosystem)
        headers = {"Accept-Encoding": "identity"}
        if partial_etag:
            headers |= {"Range": f"bytes={part_path.stat().st_size}-", "If-Range": partial_etag}
        request = self._build_request(
            f"{ecosystem}/all.zip", validator="" if partial_etag else validator, headers=headers
        )
        with self._http_client.stream(request, idle_timeout=self._idle_timeout) as stream:
            if stream.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.NOT_MODIFIED}:
                raise self._build_missing_error(ecosystem, stream.status)
            dump_validator = _get_validator(stream)
            if stream.status == HTTPStatus.NOT_MODIFIED or (dump_validator and dump_validator == validator):
                self._delete_download(ecosystem)
                return None
            if stream.status == HTTPStatus.PARTIAL_CONTENT and not self._is_continuation(
                stream, ecosystem, partial_etag
            ):
                self._delete_download(ecosystem)
                raise RequestError(f"{self._host} sent another part of the dump than was asked for", retryable=True)
            self._write_download(stream, ecosystem)
        _verify_checksum(stream, part_path)
        return _Download(part_path, dump_validator)

    def _read_partial_etag(self, ecosystem: str) -> str:
        """Return the ETag of an interrupted download; empty when there is none."""
        try:
            etag = self._get_etag_path(ecosystem).read_text("ascii")
            return etag if self._get_part_path(ecosystem).stat().st_size else ""
        except (OSError, ValueError):
            return ""

    def _is_continuation(self, stream: Stream, ecosystem: str, partial_etag: str) -> bool:
        """Whether the response continues the interrupted download."""
        expected_prefix = f"bytes {self._get_part_path(ecosystem).stat().st_size}-" if partial_etag else "nothing"
        return stream.headers.get("Content-Range", "").startswith(expected_prefix)

    def _write_download(self, stream: Stream, ecosystem: str) -> None:
        """Write the response after the data on disk, or in place of it."""
        part_path = self._get_part_path(ecosystem)
        is_resumed = stream.status == HTTPStatus.PARTIAL_CONTENT
        if not is_resumed:
            self._delete_download(ecosystem)
            etag = stream.headers.get("ETag", "")
            if etag.isascii() and etag.startswith(
                '"'
            ):  # a weak ETag does not guarantee the same bytes (RFC 9110 §13.1.5)
                self._get_etag_path(ecosystem).write_text(etag, "ascii")
        received_bytes = part_path.stat().st_size if is_resumed else 0
        total_bytes = received_bytes + _get_content_length(stream)
        with part_path.open("ab" if is_resumed else "wb") as file:
            for chunk in stream.chunks:
                file.write(chunk)
                received_bytes += len(chunk)
                if received_bytes > _MAX_DUMP_BYTES:
                    raise RequestError(
                        f"{self._host}: the dump for {ecosystem} is larger than {_MAX_DUMP_BYTES / 1e9:g} GB"
                    )
                if received_bytes < total_bytes:
                    self._progress(
                        received_bytes // _CHUNK_BYTES,
                        max(total_bytes // _CHUNK_BYTES, received_bytes // _CHUNK_BYTES + 1),
                    )
        self._progress(1, 1)

    # --- a few records -----------------------------------------------------------------------------------------------

    def _update_from_changes(self, database: AdvisoryDatabase, ecosystem: str, now: int) -> UpdateResult | None:
        """Fetch changed records; None when there are too many, the last update is too old, or the list is missing."""
        import_info = _get_import_info(database, ecosystem, self._build_source_url(ecosystem))
        if (
            import_info is None
            or not import_info.newest
            or not -self._lock_timeout <= now - import_info.imported_at <= _MAX_INCREMENTAL_AGE
        ):
            return None
        try:
            changes = self._fetch_changes(ecosystem, import_info.newest)
            if changes is None:
                return None
            stored_changes = database.get_modified_times(ecosystem, changes)
            ids = [identifier for identifier, modified in changes.items() if stored_changes.get(identifier) != modified]
            if len(ids) > _MAX_CHANGES:
                return None
            advisories_by_id = self._fetch_records(ecosystem, ids)
        except (RequestError, ResponseError):
            return None  # the whole dump may still be available
        new_import_info = import_info._replace(imported_at=now, newest=max((import_info.newest, *changes.values())))
        present_advisories = [advisory for advisory in advisories_by_id.values() if advisory is not None]
        deleted_ids = [identifier for identifier, advisory in advisories_by_id.items() if advisory is None]
        _require_written(
            database.add_records(
                build_entries(present_advisories, {ecosystem}), new_import_info, deleted_ids={ecosystem: deleted_ids}
            ),
            database,
        )
        return UpdateResult(ecosystem=ecosystem, changed_count=len(ids), stats=ReadStats(read_count=len(ids)))

    def _fetch_changes(self, ecosystem: str, since: int) -> dict[str, int] | None:
        """Return the records changed since a moment, and when; None when there are too many, or no list.

        The moment itself is included: its precision is one second, in which more changes may have happened.
        """
        changes: dict[str, int] = {}
        request = self._build_request(f"{ecosystem}/modified_id.csv", headers={"Accept-Encoding": "identity"})
        with self._http_client.stream(request, idle_timeout=self._idle_timeout) as stream:
            if stream.status != HTTPStatus.OK:
                return None
            for line in _iter_lines(stream.chunks):
                row = _CHANGE_ROW.fullmatch(line)
                modified = parse_timestamp(row[1]) if row else 0
                if row is None or not modified:
                    raise ResponseError("the list of changes is not what is documented")
                if modified < since:
                    break
                changes.setdefault(row[2], modified)
                if len(changes) > 2 * _MAX_CHANGES:
                    return None
        return changes

    def _fetch_records(self, ecosystem: str, ids: Collection[str]) -> dict[str, Advisory | None]:
        """Fetch records by id; None for a record that is withdrawn, missing, or no longer about this ecosystem."""
        results: SimpleQueue[tuple[str, Advisory | Exception | None]] = SimpleQueue()

        def fetch_record(identifier: str) -> None:
            try:
                results.put((identifier, self._fetch_record(ecosystem, identifier)))
            except Exception as error:  # noqa: BLE001 - it is raised in the thread of the caller
                results.put((identifier, error))

        # A pool of concurrent.futures would wait for its threads, and a server may drip bytes for ever.
        workers = HostWorkers(_WORKER_COUNT, fetch_record)
        records: dict[str, Advisory | None] = {}
        try:
            workers.add_jobs(self._host, ids)
            for _ in ids:
                identifier, record = results.get(timeout=self._idle_timeout + _RECORD_DELAY)
                if isinstance(record, Exception):
                    raise record
                records[identifier] = record
        except Empty:
            raise create_timeout_error(self.url, self._idle_timeout) from None
        finally:
            workers.abandon_jobs(lambda _: True)
        return records

    def _fetch_record(self, ecosystem: str, identifier: str) -> Advisory | None:
        request = self._build_request(f"{ecosystem}/{quote(identifier, safe='')}.json")
        deadline = time.monotonic() + self._idle_timeout
        response = self._http_client.send(request, limit=MAX_RECORD_BYTES, deadline=deadline, on_request=lambda: None)
        if response.status in _MISSING_STATUSES:
            return None
        if response.status != HTTPStatus.OK:
            raise RequestError(f"{self._host}: HTTP {response.status} for a record", status=response.status)
        advisory = parse_record(response.body)
        if advisory.id != identifier:
            raise ResponseError(f"{identifier} was asked for, and {advisory.id} came")
        ecosystem_advisory = filter_ecosystem(advisory, ecosystem)
        return ecosystem_advisory if ecosystem_advisory.affected and not ecosystem_advisory.withdrawn else None


def _ignore_progress(done: int, total: int) -> None:
    """Ignore progress."""


def _get_import_info(database: AdvisoryDatabase, ecosystem: str, source: str) -> ImportInfo | None:
    """Return the import information of an ecosystem, if its records are from this source."""
    import_infos = (status.import_info for status in database.get_status() if status.ecosystem == ecosystem)
    return next((import_info for import_info in import_infos if import_info.source == source), None)


def _require_written(is_written: bool, database: AdvisoryDatabase) -> None:  # noqa: FBT001 - what an operation said
    if not is_written:
        raise UsageError(database.problem or "the advisory database could not be written")


def _check_records(entries: Iterable[AdvisoryEntry], stats: ReadStats, path: Path) -> Iterator[AdvisoryEntry]:
    """Pass entries on; refuse all of them when a record could not be read, or there is none."""
    yield from entries
    stats.require_complete()
    if not stats.read_count:
        raise ResponseError(f"{path.name}: no record in it")


def _get_validator(stream: Stream) -> str:
    """Return the identity of this edition: its ETag, else its checksum."""
    checksum = _CRC.search(stream.headers.get("X-Goog-Hash", ""))
    return stream.headers.get("ETag", "") or (checksum[0] if checksum else "")


def _get_content_length(stream: Stream) -> int:
    content_length = stream.headers.get("Content-Length", "")
    return int(content_length[:18]) if content_length.isascii() and content_length.isdigit() else 0


def _verify_checksum(stream: Stream, path: Path) -> None:
    """Compare the download with the checksum of the whole object, when the server sends one."""
    md5_match = _MD5.search(stream.headers.get("X-Goog-Hash", ""))
    if md5_match is None:
        return
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    if b64encode(digest.digest()).decode() != md5_match[1]:
        path.unlink(missing_ok=True)
        raise RequestError("what arrived is not what the server says it sent", retryable=True)


def _iter_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a body as they arrive."""
    partial_line, received_bytes = b"", 0
    for chunk in chunks:
        received_bytes += len(chunk)
        *complete_lines, partial_line = (partial_line + chunk).split(b"\n")
        if received_bytes > _MAX_LIST_BYTES or len(partial_line) > _CHUNK_BYTES:
            raise ResponseError("the list of changes is not what is documented")
        yield from (line.decode("ascii", "replace").strip() for line in complete_lines)
    if partial_line.strip():
        yield partial_line.decode("ascii", "replace").strip()
