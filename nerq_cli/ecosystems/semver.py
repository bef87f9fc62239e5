"""Versions of Semantic Versioning 2.0.0 and ranges of node-semver, parsed as loosely as npm parses them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import msgspec

from nerq_cli.patterns import compile_late

#: Longest version or range that is parsed, in characters.
_MAX_LENGTH: Final = 500
#: A pre-release identifier; numbers sort before words.
_Identifier: TypeAlias = "tuple[int, int, str]"


class Precedence(NamedTuple):
    """What decides the order of versions (semver.org, item 11)."""

    major: int
    minor: int
    patch: int
    is_final: bool
    identifiers: tuple[_Identifier, ...]


# npm parses loosely: the hyphen may be missing, and numbers may begin with zeros.
_SEMVER = compile_late(
    r"[v=\s]*(\d+)\.(\d+)\.(\d+)(?:-?([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?\s*", re.ASCII
)
_BUILD_METADATA = compile_late(r"\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*")


def _parse_identifier(text: str) -> _Identifier:
    return (0, int(text), "") if text.isdigit() else (1, 0, text)


@lru_cache(maxsize=16_384)
def parse_version(version: str) -> Precedence | None:
    """Return the precedence of a version; None if the text is not one."""
    match = _SEMVER.fullmatch(version) if len(version) <= _MAX_LENGTH else None
    if match is None:
        return None
    major, minor, patch, prerelease = match.groups()
    identifiers = tuple(_parse_identifier(identifier) for identifier in prerelease.split(".")) if prerelease else ()
    return Precedence(int(major), int(minor), int(patch), not prerelease, identifiers)


def format_version(version: Precedence) -> str:
    """Return the version as text, without build metadata."""
    numbers = ".".join(str(number) for number in version[:3])
    identifiers = ".".join(text or str(number) for _, number, text in version.identifiers)
    return f"{numbers}-{identifiers}" if identifiers else numbers


_COMPARISONS: Final[dict[str, Callable[[Precedence, Precedence], bool]]] = {
    "=": lambda version, bound: version == bound,
    ">": lambda version, bound: version > bound,
    ">=": lambda version, bound: version >= bound,
    "<": lambda version, bound: version < bound,
    "<=": lambda version, bound: version <= bound,
}


class _Comparators(msgspec.Struct, frozen=True):
    """Comparators that must all hold (``>=1.2.0 <2.0.0``); without any, every version is admitted."""

    bounds: tuple[tuple[str, Precedence], ...]

    def allows(self, version: Precedence, *, prereleases: bool) -> bool:
        if not all(_COMPARISONS[operator](version, bound) for operator, bound in self.bounds):
            return False
        if version.is_final:
            return True
        same_release_bounds = [
            (operator, bound.is_final) for operator, bound in self.bounds if bound[:3] == version[:3]
        ]
        # A pre-release needs a bound with one of the same major.minor.patch; 2.0.0-rc.1 never satisfies <2.0.0.
        return any(not is_final for _, is_final in same_release_bounds) or (
            prereleases and ("<", True) not in same_release_bounds
        )

    @property
    def upper_bound(self) -> Precedence | None:
        return min((bound for operator, bound in self.bounds if operator in {"=", "<", "<="}), default=None)


class VersionRange(msgspec.Struct, frozen=True):
    """A parsed range: the version satisfies it if one of the alternatives allows it."""

    alternatives: tuple[_Comparators, ...]
    #: None if there is none.
    upper_bound: Precedence | None
    reference_version: str

    def allows(self, version: str, *, prereleases: bool = False) -> bool:
        """Return whether the version satisfies the range."""
        parsed = parse_version(version)
        return parsed is not None and any(
            comparators.allows(parsed, prereleases=prereleases) for comparators in self.alternatives
        )

    def is_above(self, version: str) -> bool:
        """Return whether this version and every newer one are above the upper bound."""
        parsed = parse_version(version)
        return parsed is not None and self.upper_bound is not None and parsed > self.upper_bound


_ANY_VERSION: Final = _Comparators(())
#: Another way to write ``*`` (node-semver).
_ZERO_BOUND: Final = (">=", Precedence(0, 0, 0, is_final=True, identifiers=()))


def _parse_comparators(text: str) -> _Comparators | None:
    """Return one alternative of a range; None if it has no valid comparator."""
    import nodesemver

    try:
        [comparators] = nodesemver.Range(text, loose=True).set
    except ValueError:
        return None
    bounds = (
        (comparator.operator or "=", parsed)
        for comparator in comparators
        if comparator.semver is not nodesemver.ANY and (parsed := parse_version(comparator.semver.version))
    )
    return _Comparators(tuple(bound for bound in bounds if bound != _ZERO_BOUND))


@lru_cache(maxsize=8_192)
def parse_range(requirement: str) -> VersionRange | None:
    """Return the parsed range; None if the text is not one."""
    if len(requirement) > _MAX_LENGTH or not requirement.isascii():
        return None
    # node-semver folds white space and strips build metadata before it parses a range; nodesemver does neither.
    texts = (" ".join(_BUILD_METADATA.sub("", text).split()) for text in requirement.split("||"))
    alternatives = tuple(alternative for alternative in map(_parse_comparators, texts) if alternative is not None)
    if not alternatives:
        return None
    if _ANY_VERSION in alternatives:  # "*" absorbs the others, and the pre-releases that they name
        return VersionRange((_ANY_VERSION,), None, "")
    upper_bounds = [alternative.upper_bound for alternative in alternatives]
    highest_bound = None if None in upper_bounds else max(bound for bound in upper_bounds if bound is not None)
    return VersionRange(alternatives, highest_bound, format_version(alternatives[0].bounds[0][1]))
