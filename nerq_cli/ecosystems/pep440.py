"""Versions and specifiers of PEP 440, with ``||`` between alternatives as Poetry writes them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import Version

#: Longest requirement that is parsed, in characters.
_MAX_LENGTH: Final = 500


@lru_cache(maxsize=16_384)
def parse_version(version: str) -> Version | None:
    """Return the parsed version; None if the text is not one."""
    try:
        return Version(version)
    except ValueError:  # InvalidVersion, or a number with more digits than Python converts
        return None


def _get_release_numbers(version: Version) -> tuple[float, ...]:
    """Return epoch and release without trailing zeros."""
    numbers = [version.epoch, *version.release]
    while not numbers[-1] and len(numbers) > 1:
        numbers.pop()
    return tuple(numbers)


def _get_upper_bound(operator: str, text: str) -> tuple[float, ...]:
    """Return the highest release numbers that one clause allows."""
    if operator in {"<", "<=", "=="} and not text.endswith(".*"):
        return _get_release_numbers(Version(text))
    if operator in {"~=", "=="}:
        bound = Version(text.removesuffix(".*"))
        return (bound.epoch, *(bound.release[:-1] if operator == "~=" else bound.release), math.inf)
    return (math.inf,)


def _sort_clauses(specifiers: SpecifierSet) -> list[tuple[str, str]]:
    return sorted((clause.operator, clause.version) for clause in specifiers)


def _names_prerelease(operator: str, text: str) -> bool:
    parsed = parse_version(text)
    return operator != "!=" and parsed is not None and parsed.is_prerelease


class Specifiers(msgspec.Struct, frozen=True):
    """A parsed requirement."""

    #: The clauses of one alternative must all hold.
    alternatives: tuple[SpecifierSet, ...]
    #: Highest epoch and release numbers that any alternative allows.
    upper_bound: tuple[float, ...]
    reference_version: str
    names_prerelease: bool

    def allows(self, version: str, *, prereleases: bool = False) -> bool:
        """Return whether the version satisfies the requirement."""
        parsed = parse_version(version)
        if parsed is None:  # only an identity clause can match it
            return any(_sort_clauses(specifiers) == [("===", version)] for specifiers in self.alternatives)
        if parsed.is_prerelease and not (prereleases or self.names_prerelease):
            return False
        return any(specifiers.contains(parsed, prereleases=True) for specifiers in self.alternatives)

    def is_above(self, version: str) -> bool:
        """Return whether this version and every newer one are above the upper bound."""
        parsed = parse_version(version)
        return parsed is not None and _get_release_numbers(parsed) > self.upper_bound


@lru_cache(maxsize=8_192)
def parse_specifiers(requirement: str) -> Specifiers | None:
    """Return the parsed requirement; None if the text is not one."""
    if len(requirement) > _MAX_LENGTH:
        return None
    texts = ("" if text.strip() == "*" else text for text in requirement.split("||"))
    try:
        alternatives = tuple(SpecifierSet(text) for text in texts)
        clauses = [_sort_clauses(specifiers) for specifiers in alternatives]
        upper_bound = max(
            min((_get_upper_bound(*clause) for clause in group), default=(math.inf,)) for group in clauses
        )
    except ValueError:  # InvalidSpecifier, or a number with more digits than Python converts
        return None
    return Specifiers(
        alternatives,
        upper_bound,
        next((text.removesuffix(".*") for group in clauses for _, text in group), ""),
        any(_names_prerelease(*clause) for group in clauses for clause in group),
    )


def is_specifier_set(requirement: str) -> bool:
    """Return whether the text is a set of clauses without alternatives."""
    try:
        SpecifierSet(requirement)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=8_192)
@lru_cache(maxsize=4_096)
def parse_pin(requirement: str) -> str | None:
    """Return the version of an exact requirement (``==1.2``, ``===x``), else None."""
    specifiers = parse_specifiers(requirement)
    if specifiers is None or len(specifiers.alternatives) > 1:
        return None
    clauses = _sort_clauses(specifiers.alternatives[0])
    exact_versions = (text for operator, text in clauses if operator in {"==", "==="} and not text.endswith(".*"))
    pin = next((text for text in exact_versions if specifiers.allows(text, prereleases=True)), None)
    return pin and pin.removeprefix("v")


@lru_cache(maxsize=4_096)
def supports_python(requires_python: str, python: str) -> bool:
    """Return whether a release allows this Python; a text that cannot be parsed excludes none, as in pip."""
    try:
        return SpecifierSet(requires_python).contains(python, prereleases=True)
    except ValueError:
        return True
