"""The parts of a score that only a few dependencies show, and a form of them that takes little memory."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from nerq_cli.decoders import build_msgpack_decoder_late
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.signals.signal import Signal


class Reason(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """Something that keeps the score down."""

    #: Points (0-100).
    damage: float
    text: str
    #: Id of the signal or cap, or ``verdict``.
    origin: str


class Breakdown(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The signals of a score, and what they add and cost."""

    #: In the order of the methodology.
    signals: tuple[Signal, ...]
    #: Mean of each dimension; None when too little of it is known.
    dimensions: Mapping[str, float | None]
    #: Points of the total that one unit of a signal's weight is worth, by dimension; 0 when it does not count.
    points_per_weight: Mapping[str, float]
    #: First caps that lower it or are about security, then most damage first.
    reasons: tuple[Reason, ...]


class PackedBreakdown:
    """A breakdown that is decoded when it is read: a tenth of the memory, and 30 microseconds to read it."""

    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        #: What :func:`pack_breakdown` returns.
        self.content = content

    @property
    def signals(self) -> tuple[Signal, ...]:
        """As in :class:`Breakdown`, and so are the other properties."""
        return _unpack(self.content).signals

    @property
    def dimensions(self) -> Mapping[str, float | None]:
        """The mean of each dimension."""
        return _unpack(self.content).dimensions

    @property
    def points_per_weight(self) -> Mapping[str, float]:
        """The weight of each dimension."""
        return _unpack(self.content).points_per_weight

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons."""
        return _unpack(self.content).reasons

    def __eq__(self, other: object) -> bool:
        """Whether both have equal parts, packed or not."""
        if isinstance(other, PackedBreakdown):
            return _unpack(self.content) == _unpack(other.content)
        return _unpack(self.content) == other if isinstance(other, Breakdown) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # a breakdown has dictionaries


def pack_breakdown(breakdown: Breakdown) -> bytes:
    """Return a breakdown as the content of :class:`PackedBreakdown`."""
    compressor = zlib.compressobj(1, zdict=_build_dictionary())
    return compressor.compress(msgspec.msgpack.encode(breakdown)) + compressor.flush()


_DECODER: Final = build_msgpack_decoder_late(Breakdown)


# A report reads the breakdown of one dependency several times before it turns to the next.
@lru_cache(maxsize=1)
def _unpack(content: bytes) -> Breakdown:
    decompressor = zlib.decompressobj(zdict=_build_dictionary())
    return _DECODER.decode(decompressor.decompress(content))


@lru_cache(maxsize=1)
def _build_dictionary() -> bytes:
    """Return what breakdowns have in common: zlib stores a reference in place of each such text."""
    signals = tuple(Signal(id_, "known", 100.0, reason, source) for id_, reason, source in TYPICAL_SIGNALS)
    return " ".join(_FURTHER_TEXTS).encode() + msgspec.msgpack.encode(
        Breakdown(signals=signals, dimensions=dict.fromkeys(PACKAGES.dimensions, 0.0), points_per_weight={}, reasons=())
    )


#: Usual signals (id, reason, source), in the order of the methodology: the more of a breakdown is like this, the
#: smaller it is when packed. The numbers have no meaning.
TYPICAL_SIGNALS: Final = (
    ("malware", "no malware record for this version", "OSV"),
    ("known_advisories", "no known advisory", "OSV"),
    ("fix_record", "no advisory older than 90 days", "OSV"),
    ("provenance", "released before attestations existed", "deps.dev"),
    ("install_code", "wheel available: nothing runs at installation", "PyPI"),
    ("name_confusion", "not confusable with a popular name", "list of popular packages"),
    ("newness", "version is 2 years old", "PyPI"),
    ("repository_hygiene", "Scorecard 7.0 of 10 over 5 checks (lowest: Code-Review 0)", "deps.dev"),
    ("release_line", "on the newest release line", "PyPI"),
    ("status", "no adverse status", "PyPI"),
    ("last_release", "last stable release 3 months ago", "PyPI"),
    ("commits", "0 commits in 90 days (finished package)", "deps.dev"),
    ("release_cadence", "3 stable releases in 24 months", "PyPI"),
    ("closed_issues", "GitHub: too many repositories to request without a GITHUB_TOKEN", "deps.dev"),
    ("version_lag", "the newest stable version, or a newer one", "PyPI"),
    ("readme", "README of 5,000 characters", "PyPI"),
    ("links", "no documentation, changelog, homepage", "PyPI"),
    ("basics", "no interpreter, types", "PyPI"),
    ("licence", "licence MIT", "PyPI"),
    ("licence_terms", "MIT: permissive", "PyPI"),
    ("source_link", "source link declared, not confirmed: github.com/", "deps.dev"),
    ("disclosure_policy", "no security policy found", "deps.dev"),
    ("publishers", "2 accounts can publish", "PyPI"),
    ("adoption", "outside the 15,000 most downloaded, and dependents not read", "list of popular packages"),
    ("track_record", "stable releases in 4 calendar years", "PyPI"),
)
#: Other frequent texts.
_FURTHER_TEXTS: Final = (
    "unknown",
    "not_applicable",
    "npm",
    "runs nothing at installation",
    "no attestation",
    "Scorecard Maintained 10 of 10",
    "not all versions were requested",
    "README not in the registry's answer",
    "could publish at the time of this version",
    "source link confirmed by the repository: github.com/",
    "last release of line 1 3 years ago, newest line is 2",
    "1 major version and 17 months behind 2.0.0",
    "all links given",
    "all basics given",
    "security policy published",
    "Apache-2.0",
    "BSD-3-Clause",
    "1 known advisory (1 medium)",
    "1 of 1 older advisories fixed",
)
