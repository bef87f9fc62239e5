"""Scores of releases, kept in the cache under a digest of everything they are computed from."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, get_type_hints

import msgspec

from nerq_cli import __version__, scoring, signals
from nerq_cli.facts import Evidence
from nerq_cli.inventory import Release
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.scoring import Score
from nerq_cli.scoring.breakdown import PackedBreakdown, pack_breakdown
from nerq_cli.store import Row
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerq_cli.store import Cache

    #: Returns the score of each release, given its evidence and the moment of the run (epoch seconds UTC).
    Scorer: TypeAlias = Callable[[Mapping[Release, Evidence], int], Mapping[Release, Score]]

#: Name of the scores in the cache.
SOURCE: Final = "scores"
#: Seconds that a score is kept: ages are counted in whole days, so that it is of use on one day.
_MAX_AGE: Final = 2 * DAY
#: Bytes of a digest; 16 make a collision by chance impossible in practice.
_DIGEST_SIZE: Final = 16
#: Bytes of the checksum before each stored score.
_CHECKSUM_SIZE: Final = 4
#: Below this number of releases computing them takes no longer than reading and writing the cache.
_MIN_RELEASES: Final = 20


def score_release(release: Release, evidence: Evidence, as_of: int) -> Score:
    """Return the score of a release. Pure; depends on the UTC day of ``as_of`` (epoch seconds) only."""
    measurement = signals.measure_package(PACKAGES, release.package.ecosystem, release.version, evidence, as_of)
    return scoring.compute_score(PACKAGES, measurement)


def score_releases(evidence: Mapping[Release, Evidence], as_of: int) -> dict[Release, Score]:
    """Return the score of each release, computed."""
    return {release: score_release(release, facts, as_of) for release, facts in evidence.items()}


def score_compactly(evidence: Mapping[Release, Evidence], as_of: int) -> dict[Release, Score]:
    """Return the score of each release, computed, in the form that takes little memory."""
    return {
        release: _decode_score(_encode_score(score_release(release, evidence[release], as_of))) for release in evidence
    }


class ScoreCache:
    """Computes scores, and keeps them. A score has the same bytes whether it was computed or read."""

    def __init__(self, store: Cache, now: int) -> None:
        self._store = store
        self._now = now

    def score_releases(self, evidence: Mapping[Release, Evidence], as_of: int) -> dict[Release, Score]:
        """Return the score of each release. ``as_of`` is in epoch seconds UTC."""
        if len(evidence) < _MIN_RELEASES:
            return score_releases(evidence, as_of)
        scope = f"{describe_code()}/{as_of // DAY}"
        digests = {release: compute_digest(release, facts) for release, facts in evidence.items()}
        rows = self._store.get_many(SOURCE, scope, [*digests.values()])
        scores: dict[Release, Score] = {}
        new_rows: dict[str, Row] = {}
        for release, digest in digests.items():
            score = _read_score(rows.get(digest))
            if score is None:
                content = _encode_score(score_release(release, evidence[release], as_of))
                new_rows[digest] = Row(_add_checksum(content), self._now, self._now + _MAX_AGE)
                score = _decode_score(content)  # takes a third of the memory
            scores[release] = score
        if new_rows:
            self._store.drop_expired(SOURCE, self._now)
            self._store.put_many(SOURCE, scope, new_rows)
        return scores


def compute_digest(release: Release, evidence: Evidence) -> str:
    """Return the digest of what a score is computed from, beside the day and the methodology."""
    from hashlib import blake2b  # takes 2 ms to import

    content = _DIGEST_ENCODER.encode((release.package.ecosystem, release.version, evidence))
    return blake2b(content, digest_size=_DIGEST_SIZE).hexdigest()


def _encode_score(score: Score) -> bytes:
    breakdown = score.breakdown
    packed = breakdown.content if isinstance(breakdown, PackedBreakdown) else pack_breakdown(breakdown)
    return msgspec.msgpack.encode((packed, score.reason_texts, *(getattr(score, field) for field in _FIELDS)))


def _add_checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_SIZE, "big") + content


def _read_score(row: Row | None) -> Score | None:
    """Return a stored score; None without one, or if it cannot be read."""
    if row is None or row.value is None:
        return None
    checksum, content = row.value[:_CHECKSUM_SIZE], row.value[_CHECKSUM_SIZE:]
    if zlib.crc32(content).to_bytes(_CHECKSUM_SIZE, "big") != checksum:  # its breakdown is read later, if at all
        return None
    try:
        return _decode_score(content)
    except msgspec.DecodeError:
        return None


def _decode_score(content: bytes) -> Score:
    """Return a score whose breakdown is packed. Thousands of scores have the same few texts: they share them."""
    packed, reason_texts, *values = _build_decoder().decode(content)
    fields = dict(zip(_FIELDS, values, strict=True))
    return Score(
        methodology=PACKAGES,
        reason_texts=tuple(map(intern, reason_texts)),
        breakdown=PackedBreakdown(packed),
        **{**fields, "token": intern(fields["token"])},
    )


#: The fields of a score that are stored as they are. The methodology is not stored: the scope names it.
_FIELDS: Final = tuple(
    field for field in Score.__struct_fields__ if field not in ("methodology", "reason_texts", "breakdown")
)
#: Of sets and dictionaries in any order the same bytes.
_DIGEST_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")


@lru_cache(maxsize=1)
def _build_decoder() -> msgspec.msgpack.Decoder[tuple[Any, ...]]:
    types = get_type_hints(Score)
    return msgspec.msgpack.Decoder(tuple.__class_getitem__((bytes, list[str], *(types[field] for field in _FIELDS))))


@lru_cache(maxsize=1)
def describe_code() -> str:
    """Return what identifies the code that computes scores: version, methodology, and when its files changed."""
    from hashlib import blake2b

    changes = blake2b(repr([*_list_changes()]).encode(), digest_size=_DIGEST_SIZE).hexdigest()
    return f"{__version__}/{PACKAGES.version}/{changes}"


def _list_changes() -> Iterator[tuple[str, int]]:
    """Yield when each module that scores are computed with was changed (a version under development keeps its name)."""
    for name, module in sorted(sys.modules.items()):
        if name.startswith(("nerq_cli.signals", "nerq_cli.scoring", "nerq_cli.methodology", "nerq_cli.facts")):
            try:
                yield name, Path(cast("str", module.__file__)).stat().st_mtime_ns
            except (OSError, TypeError):  # imported from an archive, whose files do not change
                yield name, 0
