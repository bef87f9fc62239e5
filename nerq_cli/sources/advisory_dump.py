"""Bringing the advisory database up to date from the dumps of OSV, one for each ecosystem.

How they are laid out is documented in google/osv.dev (docs/data.md): ``PyPI/all.zip`` holds every record,
``PyPI/modified_id.csv`` lists them by their last change, newest first, and ``PyPI/ID.json`` is one of them. The servers
tell an edition by its ETag, and what arrived by its MD5 (``X-Goog-Hash``).
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, NamedTuple
from urllib.parse import quote

from nerq_cli import __version__
from nerq_cli.errors import AnswerError, Exit, NerqError, UsageError
from nerq_cli.facts import Advisory
from nerq_cli.inventory import Package
from nerq_cli.sources.advisory_files import RECORD_LIMIT, Tally, advisories, entries
from nerq_cli.sources.gather.door import Door, Stream, host_of
from nerq_cli.sources.gather.job import TroubleError
from nerq_cli.sources.osv_record import concerning, read
from nerq_cli.sources.question import Endpoint, Question
from nerq_cli.sources.text import instant
from nerq_cli.store.advisory_db import AdvisoryDatabase, Stamp

#: Where the dumps are unless ``NERQ_OSV_DUMPS_URL`` says otherwise.
DUMPS: Final = "https://storage.googleapis.com/osv-vulnerabilities"
VARIABLE: Final = "NERQ_OSV_DUMPS_URL"
#: Up to this age, in seconds, and up to this many changed records, only those are fetched.
_RECENT: Final = 3 * 86_400
_FEW: Final = 500
#: Largest dump taken, in bytes; npm's, the largest, had some hundred megabytes in 2026.
_LARGEST: Final = 4_000_000_000
#: Largest list of changes read, in bytes; as it begins with the newest, hardly any of it is.
_LIST_LIMIT: Final = 200_000_000
_CROWD: Final = 8
#: Held by the process that is updating the database; others wait.
_LOCK: Final = "update.lock"
_TRIES: Final = 4
_PARTIAL: Final = 206
_NOT_MODIFIED: Final = 304
#: How Google's storage says that there is no such object: 403 where one may not list what there is.
_NO_SUCH: Final = frozenset({403, 404, 410})
_NOT_SATISFIABLE: Final = 416
_OK: Final = 200
_CHUNK: Final = 1 << 20
_MD5 = re.compile(r"\bmd5=([A-Za-z0-9+/]{22}==)")
_CRC = re.compile(r"\bcrc32c=[A-Za-z0-9+/]{6}==")
_CREDENTIALS = re.compile(r"(?<=:)//[^/?#]*@")
_ROW = re.compile(r"([0-9T:.+Z-]{10,40}),([A-Za-z0-9][A-Za-z0-9._:+-]{0,99})", re.ASCII)


class UpdateError(NerqError):
    """The dumps could not be had; what was kept before still is."""

    exit: ClassVar[Exit] = Exit.INCOMPLETE


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an update did: ``changed`` is how many records it wrote or dropped, None when it replaced them all."""

    ecosystem: str
    changed: int | None
    tally: Tally


class _Download(NamedTuple):
    """A dump on disk, and what tells it from other editions."""

    path: Path
    validator: str


class Dumps:
    """The dumps at one address. Downloads are kept in ``directory`` until they are complete, and resumed from there.

    ``idle`` is the longest silence of the server and ``wait`` the longest time to wait for another update, in seconds;
    ``progress`` is told how many of how many megabytes have arrived.
    """

    def __init__(
        self,
        url: str,
        directory: Path,
        *,
        idle: float = 30.0,
        pause: float = 1.0,
        wait: float = 600.0,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._host = host_of(self.url)
        self._directory = directory
        self._idle = idle
        self._pause = pause
        self._wait = wait
        self._progress = progress or _silent
        self._door = Door(user_agent=f"nerq-cli/{__version__}", seconds=idle)

    def close(self) -> None:
        """Close all connections."""
        self._door.close()

    def update(self, database: AdvisoryDatabase, ecosystem: str, *, now: int, whole: bool = False) -> Outcome:
        """Bring one ecosystem of the database up to date; ``whole`` takes the dump even where a few records would do.

        Raises:
            UpdateError: the server does not give what is needed.
            AnswerError: what it gives is no dump.
            UsageError: the database or the download cannot be written.
        """
        try:
            if not self._host:
                raise UsageError("the address of the advisory dumps is none", hint=f"set {VARIABLE} to http(s)://…")
            self._door.open(self.url)
            with self._alone():
                outcome = None if whole else self._follow(database, ecosystem, now)
                return outcome or self._replace(database, ecosystem, now)
        except TroubleError as trouble:
            hint = "the advisories kept so far are unchanged; try again later, or use nerq db import"
            raise UpdateError(f"{ecosystem} advisories: {trouble}", hint=hint) from trouble
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"cannot keep the download in {self._directory}: {reason}") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process updates this database: both would write to one download.

        SQLite's lock on a file serves on every system, and ends with the process that holds it, however that ends.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as held:
            try:
                lock = sqlite3.connect(self._directory / _LOCK, timeout=self._wait, isolation_level=None)
                held.callback(lock.close)
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" in str(error):
                    raise UpdateError("another update is under way", hint="wait for it to end") from error
                raise UsageError(f"cannot keep the download in {self._directory}: {error}") from error
            yield

    def _source(self, ecosystem: str) -> str:
        """Return the address of a dump as it may be shown: without credentials."""
        return f"{_CREDENTIALS.sub('//', self.url)}/{ecosystem}/all.zip"

    def _question(
        self, path: str, *, validator: str = "", headers: Mapping[str, str] | None = None
    ) -> Question[Package]:
        endpoint = Endpoint(url=self.url, headers=headers or {})
        return Question(url=f"{self.url}/{path}", about=(), endpoint=endpoint, validator=validator, accept="*/*")

    # --- the whole dump ----------------------------------------------------------------------------------------------

    def _replace(self, database: AdvisoryDatabase, ecosystem: str, now: int) -> Outcome:
        source = self._source(ecosystem)
        held = _held(database, ecosystem, source)
        download = self._download(ecosystem, held.validator if held else "")
        tally = Tally()
        if download is None and held:
            _require(database.touch(ecosystem, held._replace(imported_at=now)), database)
            return Outcome(ecosystem=ecosystem, changed=0, tally=tally)
        if download is None:
            raise TroubleError(f"{self._host} says that the dump is unchanged, but it was never fetched")
        stamp = Stamp(source, now, validator=download.validator)
        try:
            records = _sound(advisories([download.path], tally), tally, download.path)
            written = database.replace(entries(records, {ecosystem}), stamp, ecosystems=[ecosystem])
        finally:
            self._forget(ecosystem)
        _require(written, database)
        return Outcome(ecosystem=ecosystem, changed=None, tally=tally)

    def _part(self, ecosystem: str) -> Path:
        return self._directory / f"osv-{ecosystem}.part.zip"

    def _edition(self, ecosystem: str) -> Path:
        return self._directory / f"osv-{ecosystem}.part.etag"

    def _forget(self, ecosystem: str) -> None:
        self._part(ecosystem).unlink(missing_ok=True)
        self._edition(ecosystem).unlink(missing_ok=True)

    def _download(self, ecosystem: str, validator: str) -> _Download | None:
        """Fetch the dump; None when it is the edition with this validator. What breaks off is taken up again."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for tried in range(1, _TRIES + 1):
            outcome = self._tried(ecosystem, validator)
            if not isinstance(outcome, TroubleError):
                return outcome
            if not outcome.again or tried == _TRIES:
                raise outcome
            time.sleep(min(self._pause * tried if outcome.wait is None else outcome.wait, self._idle))
        raise AssertionError

    def _tried(self, ecosystem: str, validator: str) -> _Download | TroubleError | None:
        try:
            return self._attempt(ecosystem, validator)
        except TroubleError as trouble:
            if trouble.status in _NO_SUCH:
                return self._none(ecosystem, trouble.status)
            if trouble.status == _NOT_SATISFIABLE:
                self._forget(ecosystem)
                return TroubleError(f"{self._host}: the download cannot be taken up again", again=True, wait=0)
            return trouble

    def _none(self, ecosystem: str, status: int) -> TroubleError:
        return TroubleError(f"{self._host} has no dump for {ecosystem} ({status})")

    def _attempt(self, ecosystem: str, validator: str) -> _Download | None:
        part, begun = self._part(ecosystem), self._begun(ecosystem)
        headers = {"Accept-Encoding": "identity"}
        if begun:
            headers |= {"Range": f"bytes={part.stat().st_size}-", "If-Range": begun}
        question = self._question(f"{ecosystem}/all.zip", validator="" if begun else validator, headers=headers)
        with self._door.stream(question, idle=self._idle) as stream:
            if stream.status not in {_OK, _PARTIAL, _NOT_MODIFIED}:
                raise self._none(ecosystem, stream.status)
            edition = _edition_of(stream)
            if stream.status == _NOT_MODIFIED or (edition and edition == validator):
                self._forget(ecosystem)
                return None
            if stream.status == _PARTIAL and not self._continues(stream, ecosystem, begun):
                self._forget(ecosystem)
                raise TroubleError(f"{self._host} sent another part of the dump than was asked for", again=True)
            self._receive(stream, ecosystem)
        _require_whole(stream, part)
        return _Download(part, edition)

    def _begun(self, ecosystem: str) -> str:
        """Return the ETag of the edition that an earlier download broke off in; empty when there is none."""
        try:
            etag = self._edition(ecosystem).read_text("ascii")
            return etag if self._part(ecosystem).stat().st_size else ""
        except (OSError, ValueError):
            return ""

    def _continues(self, stream: Stream, ecosystem: str, begun: str) -> bool:
        """Whether what comes belongs behind what is there."""
        start = f"bytes {self._part(ecosystem).stat().st_size}-" if begun else "nothing"
        return stream.headers.get("Content-Range", "").startswith(start)

    def _receive(self, stream: Stream, ecosystem: str) -> None:
        """Write what arrives behind what is there, or in its place."""
        part = self._part(ecosystem)
        resumed = stream.status == _PARTIAL
        if not resumed:
            self._forget(ecosystem)
            etag = stream.headers.get("ETag", "")
            if etag.isascii() and etag.startswith('"'):  # a weak one does not promise the same bytes (RFC 9110 §13.1.5)
                self._edition(ecosystem).write_text(etag, "ascii")
        done = part.stat().st_size if resumed else 0
        total = done + _length(stream)
        with part.open("ab" if resumed else "wb") as file:
            for piece in stream.pieces:
                file.write(piece)
                done += len(piece)
                if done > _LARGEST:
                    raise TroubleError(f"{self._host}: the dump for {ecosystem} is larger than {_LARGEST / 1e9:g} GB")
                if done < total:
                    self._progress(done // _CHUNK, max(total // _CHUNK, done // _CHUNK + 1))
        self._progress(1, 1)

    # --- a few records -----------------------------------------------------------------------------------------------

    def _follow(self, database: AdvisoryDatabase, ecosystem: str, now: int) -> Outcome | None:
        """Fetch what has changed; None when that is too much, too long ago, or does not work."""
        held = _held(database, ecosystem, self._source(ecosystem))
        if held is None or not held.newest or not -self._wait <= now - held.imported_at <= _RECENT:
            return None
        try:
            changes = self._changes(ecosystem, held.newest)
            if changes is None:
                return None
            kept = database.changes(ecosystem, changes)
            ids = [identifier for identifier, changed in changes.items() if kept.get(identifier) != changed]
            if len(ids) > _FEW:
                return None
            fetched = self._records(ecosystem, ids)
        except (TroubleError, AnswerError):
            return None  # the whole dump may still be had
        stamp = held._replace(imported_at=now, newest=max((held.newest, *changes.values())))
        present = [one for one in fetched.values() if one is not None]
        gone = [identifier for identifier, one in fetched.items() if one is None]
        _require(database.add(entries(present, {ecosystem}), stamp, gone={ecosystem: gone}), database)
        return Outcome(ecosystem=ecosystem, changed=len(ids), tally=Tally(read=len(ids)))

    def _changes(self, ecosystem: str, since: int) -> dict[str, int] | None:
        """Return the records changed since a moment, and when; None when there are far too many, or no such list.

        The moment itself is included: it is known to the second, and more may have happened in it.
        """
        found: dict[str, int] = {}
        question = self._question(f"{ecosystem}/modified_id.csv", headers={"Accept-Encoding": "identity"})
        with self._door.stream(question, idle=self._idle) as stream:
            if stream.status != _OK:
                return None
            for line in _lines(stream.pieces):
                row = _ROW.fullmatch(line)
                changed = instant(row[1]) if row else 0
                if row is None or not changed:
                    raise AnswerError("the list of changes is not what is documented")
                if changed < since:
                    break
                found.setdefault(row[2], changed)
                if len(found) > 2 * _FEW:
                    return None
        return found

    def _records(self, ecosystem: str, ids: Collection[str]) -> dict[str, Advisory | None]:
        """Fetch records by their ids; None for those that are withdrawn, gone, or about something else by now."""
        pool = ThreadPoolExecutor(_CROWD)
        try:
            return dict(zip(ids, pool.map(lambda identifier: self._record(ecosystem, identifier), ids), strict=True))
        finally:
            pool.shutdown(cancel_futures=True)

    def _record(self, ecosystem: str, identifier: str) -> Advisory | None:
        question = self._question(f"{ecosystem}/{quote(identifier, safe='')}.json")
        ends = time.monotonic() + self._idle
        answer = self._door.exchange(question, limit=RECORD_LIMIT, ends=ends, sent=lambda: None)
        if answer.status != _OK:
            return None
        advisory = read(answer.body)
        if advisory.id != identifier:
            raise AnswerError(f"{identifier} was asked for, and {advisory.id} came")
        mine = concerning(advisory, ecosystem)
        return mine if mine.affected and not mine.withdrawn else None


def _silent(done: int, total: int) -> None:
    """Show nothing."""


def _held(database: AdvisoryDatabase, ecosystem: str, source: str) -> Stamp | None:
    """Return the stamp of what is kept of an ecosystem, if it is from this source."""
    stamps = (one.stamp for one in database.status() if one.ecosystem == ecosystem)
    return next((stamp for stamp in stamps if stamp.source == source), None)


def _require(written: bool, database: AdvisoryDatabase) -> None:  # noqa: FBT001 - what an operation said
    if not written:
        raise UsageError(database.problem or "the advisory database could not be written")


def _sound(found: Iterable[Advisory], tally: Tally, path: Path) -> Iterator[Advisory]:
    """Pass records on, and refuse them all in the end if most of them could not be read."""
    yield from found
    if tally.unreadable >= max(tally.read, 1):
        raise AnswerError(f"{path.name}: {tally.read} records can be read and {tally.unreadable} cannot")
    if not tally.read:
        raise AnswerError(f"{path.name}: no record in it")


def _edition_of(stream: Stream) -> str:
    """Return what tells this edition from others: its ETag, else its checksum."""
    checksum = _CRC.search(stream.headers.get("X-Goog-Hash", ""))
    return stream.headers.get("ETag", "") or (checksum[0] if checksum else "")


def _length(stream: Stream) -> int:
    announced = stream.headers.get("Content-Length", "")
    return int(announced[:18]) if announced.isascii() and announced.isdigit() else 0


def _require_whole(stream: Stream, path: Path) -> None:
    """Compare what arrived with the checksum of the object as a whole, where the server gives one."""
    stated = _MD5.search(stream.headers.get("X-Goog-Hash", ""))
    if stated is None:
        return
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    if b64encode(digest.digest()).decode() != stated[1]:
        path.unlink(missing_ok=True)
        raise TroubleError("what arrived is not what the server says it sent", again=True)


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a body as they arrive."""
    rest, read_so_far = b"", 0
    for piece in pieces:
        read_so_far += len(piece)
        *whole, rest = (rest + piece).split(b"\n")
        if read_so_far > _LIST_LIMIT or len(rest) > _CHUNK:
            raise AnswerError("the list of changes is not what is documented")
        yield from (line.decode("ascii", "replace").strip() for line in whole)
    if rest.strip():
        yield rest.decode("ascii", "replace").strip()
