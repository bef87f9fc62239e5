"""Answers that are ready to be sent: in memory, and as rows of the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec

from nerq_cli.decoders import build_msgpack_decoder_late
from nerq_cli.insight.purpose import PURPOSES, Purpose
from nerq_cli.report.badge import Badge
from nerq_cli.serve.http_cache import compress
from nerq_cli.serve.preflight import PreflightDocument, PreflightVerdict
from nerq_cli.serve.problems import ProblemDocument
from nerq_cli.store import Row

#: Name of the answers in the store.
SOURCE: Final = "preflight"
#: Bytes of the digest of an answer.
_DIGEST_SIZE: Final = 12
#: Bytes that an answer takes in memory beside its texts.
_OVERHEAD: Final = 1_500
_OK: Final = 200
#: Stands for the verdict while a document is encoded.
_PLACE: Final = PreflightVerdict("production", "unsettled", "@")


class AnswerSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What lists of answers show."""

    #: Name and version.
    label: str
    ecosystem: str
    purl: str
    #: 0 to 100; None if too little is known.
    score: float | None
    grade: str | None
    provisional: bool
    #: Reason that costs most; empty if none does.
    reason: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer about one target: a preflight for each purpose, or a problem."""

    #: The canonical spelling of what was asked for.
    key: str
    #: Status of the response.
    status: int
    #: The document up to its verdict; all of it for a problem.
    head: bytes
    #: The verdict for each purpose, in the order of ``PURPOSES``; empty for a problem.
    verdicts: tuple[bytes, ...] = ()
    #: The document after its verdict.
    tail: bytes = b""
    #: Identifies the evidence, the methodology and the moment.
    digest: str
    #: Moment of the answer (epoch seconds UTC).
    as_of: int
    #: Until when it may be used (epoch seconds UTC).
    expires_at: int
    #: Whether all sources answered.
    complete: bool
    #: None for a problem.
    summary: AnswerSummary | None = None
    badge: Badge | None = None

    @property
    def is_preflight(self) -> bool:
        """Whether it is a preflight, not a problem."""
        return self.status == _OK

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        return _OVERHEAD + len(self.head) + len(self.tail) + sum(map(len, self.verdicts))

    def get_body(self, purpose: Purpose) -> bytes:
        """Return the document for a purpose as UTF-8 JSON."""
        if not self.verdicts:
            return self.head
        return b"".join((self.head, self.verdicts[PURPOSES.index(purpose)], self.tail))


def build_answer(
    key: str,
    document: PreflightDocument,
    verdicts: Sequence[PreflightVerdict],
    *,
    as_of: int,
    expires_at: int,
    summary: AnswerSummary,
    badge: Badge | None,
) -> Answer:
    """Return the answer with a preflight."""
    from hashlib import blake2b

    place = msgspec.json.encode(_PLACE)
    encoded = msgspec.json.encode(msgspec.structs.replace(document, verdict=_PLACE))
    head, _, tail = encoded.partition(place)
    packed = tuple(map(msgspec.json.encode, verdicts))
    return Answer(
        key=key,
        status=_OK,
        head=head,
        verdicts=packed,
        tail=tail,
        digest=blake2b(b"".join((head, *packed, tail)), digest_size=_DIGEST_SIZE).hexdigest(),
        as_of=as_of,
        expires_at=expires_at,
        complete=document.complete,
        summary=summary,
        badge=badge,
    )


def build_problem_answer(key: str, problem: ProblemDocument, *, as_of: int, expires_at: int, complete: bool) -> Answer:
    """Return the answer with a problem."""
    from hashlib import blake2b

    content = msgspec.json.encode(problem)
    return Answer(
        key=key,
        status=problem.status,
        head=content,
        digest=blake2b(content, digest_size=_DIGEST_SIZE).hexdigest(),
        as_of=as_of,
        expires_at=expires_at,
        complete=complete,
    )


_DECODER: Final = build_msgpack_decoder_late(Answer)


def pack_answer(answer: Answer) -> Row:
    """Return the row that keeps an answer."""
    return Row(msgspec.msgpack.encode(answer), answer.as_of, answer.expires_at)


def unpack_answer(row: Row, key: str) -> Answer | None:
    """Return a kept answer; None if it cannot be read."""
    try:
        answer = _DECODER.decode(row.value or b"")
    except msgspec.DecodeError:
        return None
    return answer if answer.key == key else None


class _Entry:
    """An answer in memory, with what is made of it on use."""

    __slots__ = ("answer", "compressed", "size")

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.size = answer.size
        self.compressed: dict[Purpose, bytes] = {}


class AnswerCache:
    """The answers that were used last, and what texts name them. For one thread: the event loop."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes that the answers take, about."""
        return self._bytes

    def get(self, key: str, now: int) -> Answer | None:
        """Return the answer with a key that may still be used at a moment (epoch seconds UTC); else None."""
        entry = self._entries.get(key)
        if entry is None or entry.answer.expires_at <= now:
            return None
        self._entries.move_to_end(key)
        return entry.answer

    def put(self, answer: Answer) -> None:
        """Keep an answer in place of an earlier one. Those that were not used for longest make room."""
        self._remove(answer.key)
        entry = self._entries[answer.key] = _Entry(answer)
        self._bytes += entry.size
        while self._bytes > self._max_bytes and len(self._entries) > 1:
            self._remove(next(iter(self._entries)))

    def compress(self, answer: Answer, purpose: Purpose) -> bytes:
        """Return the compressed document of an answer, made once for each purpose."""
        entry = self._entries.get(answer.key)
        if entry is None or entry.answer is not answer:
            return compress(answer.get_body(purpose))
        if purpose not in entry.compressed:
            content = entry.compressed[purpose] = compress(answer.get_body(purpose))
            entry.size += len(content)
            self._bytes += len(content)
        return entry.compressed[purpose]

    def list_recent(self, limit: int) -> list[Answer]:
        """Return the answers with a preflight that were used last, the last one first."""
        recent: list[Answer] = []
        for entry in reversed(self._entries.values()):
            if len(recent) >= limit:
                break
            if entry.answer.is_preflight:
                recent.append(entry.answer)
        return recent

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
