"""Versions as each ecosystem orders them, ranges as it reads them, and the version it would install today.

Python versions and specifiers follow PEP 440, with ``||`` between alternatives as Poetry has them; npm versions
follow Semantic Versioning 2.0.0 and node-semver's ranges, read loosely as npm reads them. Nothing here raises for
text that is neither.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol, TypeAlias

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from nerq_cli.facts import DEPRECATED, EMPTY, PRERELEASE, YANKED, PackageInfo
from nerq_cli.inventory import NPM, PYPI, Ecosystem

#: Longest version or requirement looked at, in characters; what people write stays far below.
_MAX_LENGTH: Final = 500
#: How many other versions are suggested when the one asked for does not exist.
_MAX_SUGGESTIONS: Final = 3
#: The dist-tag npm goes by when it is not told another.
_LATEST_TAG: Final = "latest"
#: Longest piece of a requirement repeated in a reason, in characters.
_MAX_QUOTED_LENGTH: Final = 80
#: What no one should be sent to.
_NOT_FINAL: Final = YANKED | PRERELEASE | EMPTY


@dataclass(frozen=True, slots=True)
class VersionChoice:
    """The version that would be installed, or why there is none and which listed versions come nearest."""

    version: str | None
    suggestions: tuple[str, ...] = ()
    reason: str = ""


class _Requirement(Protocol):
    """A requirement, read."""

    @property
    def reference_version(self) -> str:
        """A version the requirement names, the one to look around when none satisfies it; empty if it names none."""
        ...

    def allows(self, version: str, *, prereleases: bool = False) -> bool:
        """Whether the version satisfies it; ``prereleases`` admits those that it does not ask for as well."""
        ...

    def is_above(self, version: str) -> bool:
        """Whether this version, and so every newer one, is beyond its upper end."""
        ...


# --- PEP 440 ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=16_384)
def _parse_pep440(version: str) -> Version | None:
    try:
        return Version(version)
    except ValueError:  # InvalidVersion, or a number with more digits than Python reads
        return None


def _get_release_numbers(version: Version) -> tuple[float, ...]:
    """Epoch and release without trailing zeros: what orders two versions unless it is equal."""
    numbers = [version.epoch, *version.release]
    while not numbers[-1] and len(numbers) > 1:
        numbers.pop()
    return tuple(numbers)


def _get_upper_bound(operator: str, text: str) -> tuple[float, ...]:
    """Return the highest numbers that one clause lets pass."""
    if operator in {"<", "<=", "=="} and not text.endswith(".*"):
        return _get_release_numbers(Version(text))
    if operator in {"~=", "=="}:
        bound = Version(text.removesuffix(".*"))
        return (bound.epoch, *(bound.release[:-1] if operator == "~=" else bound.release), math.inf)
    return (math.inf,)


def _sort_clauses(specifiers: SpecifierSet) -> list[tuple[str, str]]:
    return sorted((clause.operator, clause.version) for clause in specifiers)


def _names_prerelease(operator: str, text: str) -> bool:
    parsed = _parse_pep440(text)
    return operator != "!=" and parsed is not None and parsed.is_prerelease


@dataclass(frozen=True, slots=True)
class _PypiRequirement:
    """Alternatives, each of which is a set of PEP 440 clauses that must all hold."""

    alternatives: tuple[SpecifierSet, ...]
    upper_bound: tuple[float, ...]
    reference_version: str
    names_prerelease: bool

    def allows(self, version: str, *, prereleases: bool = False) -> bool:
        parsed = _parse_pep440(version)
        if parsed is None:  # only an identity clause can mean it
            return any(_sort_clauses(specifiers) == [("===", version)] for specifiers in self.alternatives)
        if parsed.is_prerelease and not (prereleases or self.names_prerelease):
            return False
        return any(specifiers.contains(parsed, prereleases=True) for specifiers in self.alternatives)

    def is_above(self, version: str) -> bool:
        parsed = _parse_pep440(version)
        return parsed is not None and _get_release_numbers(parsed) > self.upper_bound


@lru_cache(maxsize=8_192)
def _parse_specifiers(requirement: str) -> _PypiRequirement | None:
    if len(requirement) > _MAX_LENGTH:
        return None
    texts = ("" if text.strip() == "*" else text for text in requirement.split("||"))
    try:
        alternatives = tuple(SpecifierSet(text) for text in texts)
        clauses = [_sort_clauses(alternative_clauses) for alternative_clauses in alternatives]
        upper_bound = max(
            min((_get_upper_bound(*clause) for clause in alternative_clauses), default=(math.inf,))
            for alternative_clauses in clauses
        )
    except ValueError:  # InvalidSpecifier, or a number with more digits than Python reads
        return None
    reference_version = next(
        (text.removesuffix(".*") for alternative_clauses in clauses for _, text in alternative_clauses), ""
    )
    return _PypiRequirement(
        alternatives,
        upper_bound,
        reference_version,
        any(_names_prerelease(*clause) for alternative_clauses in clauses for clause in alternative_clauses),
    )


@lru_cache(maxsize=4_096)
def _supports_python(requires_python: str, python: str) -> bool:
    """Whether a release admits this Python; what cannot be read excludes none, as in pip."""
    try:
        return SpecifierSet(requires_python).contains(python, prereleases=True)
    except ValueError:
        return True


# --- Semantic Versioning ---------------------------------------------------------------------------------------------

#: A pre-release identifier; numbers come before words.
_Identifier: TypeAlias = "tuple[int, int, str]"
#: What decides precedence (semver.org, item 11): major, minor, patch, whether final, pre-release identifiers.
_Precedence: TypeAlias = "tuple[int, int, int, bool, tuple[_Identifier, ...]]"

# npm reads loosely: the hyphen may be missing, and numbers may begin with zeros.
_SEMVER = re.compile(
    r"[v=\s]*(\d+)\.(\d+)\.(\d+)(?:-?([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?\s*", re.ASCII
)
_BUILD_METADATA = re.compile(r"\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*")
#: The characters of a dist-tag: those which encodeURIComponent leaves alone (npm-package-arg).
_DIST_TAG = re.compile(r"[A-Za-z0-9_.!~*'()-]+")


def _parse_identifier(text: str) -> _Identifier:
    return (0, int(text), "") if text.isdigit() else (1, 0, text)


@lru_cache(maxsize=16_384)
def _parse_semver(version: str) -> _Precedence | None:
    match = _SEMVER.fullmatch(version) if len(version) <= _MAX_LENGTH else None
    if match is None:
        return None
    major, minor, patch, prerelease = match.groups()
    identifiers = tuple(_parse_identifier(identifier) for identifier in prerelease.split(".")) if prerelease else ()
    return int(major), int(minor), int(patch), not prerelease, identifiers


def _format_precedence(version: _Precedence) -> str:
    numbers = ".".join(str(number) for number in version[:3])
    identifiers = ".".join(text or str(number) for _, number, text in version[4])
    return f"{numbers}-{identifiers}" if identifiers else numbers


_COMPARISONS: Final[dict[str, Callable[[_Precedence, _Precedence], bool]]] = {
    "=": lambda version, bound: version == bound,
    ">": lambda version, bound: version > bound,
    ">=": lambda version, bound: version >= bound,
    "<": lambda version, bound: version < bound,
    "<=": lambda version, bound: version <= bound,
}


@dataclass(frozen=True, slots=True)
class _Comparators:
    """Comparators that must all hold (``>=1.2.0 <2.0.0``); where there are none, any version does."""

    bounds: tuple[tuple[str, _Precedence], ...]

    def allows(self, version: _Precedence, *, prereleases: bool) -> bool:
        if not all(_COMPARISONS[operator](version, bound) for operator, bound in self.bounds):
            return False
        if version[3]:
            return True
        same_release_bounds = [
            (operator, final) for operator, (*numbers, final, _) in self.bounds if (*numbers,) == version[:3]
        ]
        # A pre-release has to be asked for by one of the same major.minor.patch; 2.0.0-rc.1 never passes for <2.0.0.
        return any(not final for _, final in same_release_bounds) or (
            prereleases and ("<", True) not in same_release_bounds
        )

    @property
    def upper_bound(self) -> _Precedence | None:
        return min((bound for operator, bound in self.bounds if operator in {"=", "<", "<="}), default=None)


@dataclass(frozen=True, slots=True)
class _NpmRequirement:
    """Alternatives, each of which is a set of comparators."""

    alternatives: tuple[_Comparators, ...]
    upper_bound: _Precedence | None
    reference_version: str

    def allows(self, version: str, *, prereleases: bool = False) -> bool:
        parsed = _parse_semver(version)
        return parsed is not None and any(
            comparators.allows(parsed, prereleases=prereleases) for comparators in self.alternatives
        )

    def is_above(self, version: str) -> bool:
        parsed = _parse_semver(version)
        return parsed is not None and self.upper_bound is not None and parsed > self.upper_bound


_ANY_VERSION: Final = _Comparators(())
#: Another way to write ``*`` (node-semver).
_ZERO_BOUND: Final = (">=", (0, 0, 0, True, ()))


def _parse_comparators(text: str) -> _Comparators | None:
    """Read one alternative of a range; None when nothing in it is a comparator."""
    import nodesemver

    try:
        [comparators] = nodesemver.Range(text, loose=True).set
    except ValueError:
        return None
    version_comparators = [comparator for comparator in comparators if comparator.semver is not nodesemver.ANY]
    bounds = tuple(
        (comparator.operator or "=", parsed)
        for comparator in version_comparators
        if (parsed := _parse_semver(comparator.semver.version))
    )
    return _Comparators(tuple(bound for bound in bounds if bound != _ZERO_BOUND))


@lru_cache(maxsize=8_192)
def _parse_npm_range(requirement: str) -> _NpmRequirement | None:
    if len(requirement) > _MAX_LENGTH or not requirement.isascii():
        return None
    # node-semver folds white space and strips build metadata before it reads a range; nodesemver does neither.
    texts = (" ".join(_BUILD_METADATA.sub("", text).split()) for text in requirement.split("||"))
    alternatives = tuple(alternative for alternative in map(_parse_comparators, texts) if alternative is not None)
    if not alternatives:
        return None
    if _ANY_VERSION in alternatives:  # a star takes the others up, and with them the pre-releases they ask for
        return _NpmRequirement((_ANY_VERSION,), None, "")
    upper_bounds = [alternative.upper_bound for alternative in alternatives]
    highest_bound = (
        None if None in upper_bounds else max(alternative for alternative in upper_bounds if alternative is not None)
    )
    return _NpmRequirement(alternatives, highest_bound, _format_precedence(alternatives[0].bounds[0][1]))


# --- Both ------------------------------------------------------------------------------------------------------------

_VERSION_PARSERS: Final[dict[Ecosystem, Callable[[str], Any]]] = {PYPI: _parse_pep440, NPM: _parse_semver}
_REQUIREMENT_PARSERS: Final[dict[Ecosystem, Callable[[str], _Requirement | None]]] = {
    PYPI: _parse_specifiers,
    NPM: _parse_npm_range,
}


def sort_newest_first(ecosystem: Ecosystem, versions: Iterable[str]) -> list[str]:
    """Sort versions as the ecosystem orders them, newest first; those it cannot read come last, in text order."""
    parse = _VERSION_PARSERS[ecosystem]
    parsed = [(parse(version), version) for version in versions]
    parsed_entries = sorted((entry for entry in parsed if entry[0] is not None), reverse=True)
    return [version for _, version in parsed_entries] + sorted(
        version for parsed_version, version in parsed if parsed_version is None
    )


def parse_precedence(ecosystem: Ecosystem, version: str) -> Any | None:  # noqa: ANN401 - each ecosystem's own, to compare
    """Return what orders a version among those of its ecosystem (comparable values); None when it is no version."""
    return _VERSION_PARSERS[ecosystem](version)


def is_prerelease(ecosystem: Ecosystem, version: str) -> bool:
    """Whether this is a pre-release (for PyPI, a development release too), or no version at all."""
    if ecosystem == PYPI:
        parsed = _parse_pep440(version)
        return parsed is None or parsed.is_prerelease
    precedence = _parse_semver(version)
    return precedence is None or not precedence[3]


def is_same_version(ecosystem: Ecosystem, a: str, b: str) -> bool:
    """Whether two spellings mean the same version (1.0 and 1.0.0 on PyPI; npm ignores build metadata)."""
    if a == b:
        return True
    parsed = _VERSION_PARSERS[ecosystem](a)
    return parsed is not None and bool(parsed == _VERSION_PARSERS[ecosystem](b))


@lru_cache(maxsize=8_192)
def parse_pin(ecosystem: Ecosystem, requirement: str) -> str | None:
    """Return the version of an exact requirement: ``==1.2`` or ``===x`` on PyPI, ``1.2.3`` on npm; else None."""
    if ecosystem == NPM:
        precedence = _parse_semver(requirement)
        return None if precedence is None else _format_precedence(precedence)
    specifiers = _parse_specifiers(requirement)
    if specifiers is None or len(specifiers.alternatives) > 1:
        return None
    clauses = _sort_clauses(specifiers.alternatives[0])
    exact_versions = (text for operator, text in clauses if operator in {"==", "==="} and not text.endswith(".*"))
    pinned_version = next((text for text in exact_versions if specifiers.allows(text, prereleases=True)), None)
    return pinned_version and pinned_version.removeprefix("v")


def satisfies(ecosystem: Ecosystem, requirement: str, version: str, *, prereleases: bool = False) -> bool:
    """Whether a version satisfies a requirement; False when either is none.

    Pre-releases do where the requirement asks for them (PyPI: it names one; npm: it names one of the same
    major.minor.patch), and everywhere with ``prereleases``.
    """
    parsed_requirement = _REQUIREMENT_PARSERS[ecosystem](requirement)
    return parsed_requirement is not None and parsed_requirement.allows(version, prereleases=prereleases)


def count_newer(package_info: PackageInfo, version: str) -> int | None:
    """Count the final releases, not yanked, that are newer than this one; None when they are not all listed."""
    if package_info.partial or version not in package_info.versions:
        return None
    newer_indexes = range(package_info.versions.index(version))
    return sum(1 for index in newer_indexes if not _get_flags(package_info, index) & _NOT_FINAL)


def choose_version(
    ecosystem: Ecosystem, requirement: str, package_info: PackageInfo, *, python: str | None = None
) -> VersionChoice:
    """Choose the version that pip or npm would install today.

    pip takes the newest final release that is not yanked, has files and admits this Python; a pre-release only if the
    requirement names one or no final release satisfies it. npm takes the version tagged ``latest`` if it satisfies,
    else the newest that does, and a deprecated one only if there is no other. What is pinned is chosen even if yanked.

    Args:
        ecosystem: whose rules apply.
        requirement: as written; for npm a dist-tag as well. Empty means any version.
        project: what the registry lists, newest first.
        python: the full Python version in use (``3.12.4``); None asks for no particular one.
    """
    pinned_version = parse_pin(ecosystem, requirement)
    if pinned_version is not None:
        return _choose_pinned(ecosystem, pinned_version, package_info)
    parsed_requirement = _REQUIREMENT_PARSERS[ecosystem](requirement)
    if ecosystem == PYPI:
        return _choose_for_pip(requirement, parsed_requirement, package_info, python)
    return _choose_for_npm(requirement.strip(), parsed_requirement, package_info)


def _choose_pinned(ecosystem: Ecosystem, pinned_version: str, package_info: PackageInfo) -> VersionChoice:
    if pinned_version in package_info.versions:
        return VersionChoice(pinned_version)
    parsed_requirement = _REQUIREMENT_PARSERS[ecosystem](f"=={pinned_version}" if ecosystem == PYPI else pinned_version)
    index = (
        None
        if parsed_requirement is None
        else _find_newest(parsed_requirement, package_info, avoided_flags=0, prereleases=True)
    )
    if index is not None:
        return VersionChoice(package_info.versions[index])
    return VersionChoice(
        None,
        _find_suggestions(ecosystem, package_info, pinned_version),
        f"no version {_shorten_text(pinned_version)} of {package_info.name} exists",
    )


def _choose_for_pip(
    requirement: str, parsed_requirement: _Requirement | None, package_info: PackageInfo, python: str | None
) -> VersionChoice:
    if parsed_requirement is None:
        return VersionChoice(None, (), f"{_shorten_text(requirement)} is not a version range")
    avoided_flags = YANKED | EMPTY
    index = _find_newest(parsed_requirement, package_info, avoided_flags=avoided_flags, python=python)
    if index is None and _find_newest(parsed_requirement, package_info, avoided_flags=EMPTY, python=python) is None:
        index = _find_newest(
            parsed_requirement, package_info, avoided_flags=avoided_flags, python=python, prereleases=True
        )
    if index is not None:
        return VersionChoice(package_info.versions[index])
    suggestions = _find_suggestions(PYPI, package_info, parsed_requirement.reference_version, python)
    return VersionChoice(
        None, suggestions, _explain_no_match(PYPI, requirement, parsed_requirement, package_info, python)
    )


def _choose_for_npm(
    requirement: str, parsed_requirement: _Requirement | None, package_info: PackageInfo
) -> VersionChoice:
    if parsed_requirement is None:
        return _choose_tagged(requirement, package_info)
    avoided_flags = YANKED | EMPTY
    latest = package_info.tags.get(_LATEST_TAG, "")
    is_latest_allowed = latest in package_info.versions and (
        requirement in {"", "*"} or parsed_requirement.allows(latest)
    )
    if is_latest_allowed and not _get_flags(package_info, package_info.versions.index(latest)) & (
        avoided_flags | DEPRECATED
    ):
        return VersionChoice(latest)
    index = _find_newest(parsed_requirement, package_info, avoided_flags=avoided_flags | DEPRECATED)
    if index is None:
        index = _find_newest(parsed_requirement, package_info, avoided_flags=avoided_flags)
    if index is not None:
        return VersionChoice(package_info.versions[index])
    return VersionChoice(
        None,
        _find_suggestions(NPM, package_info, parsed_requirement.reference_version),
        _explain_no_match(NPM, requirement, parsed_requirement, package_info, None),
    )


def _choose_tagged(tag: str, package_info: PackageInfo) -> VersionChoice:
    version = package_info.tags.get(tag)
    if version in package_info.versions:
        return VersionChoice(version)
    if tag == _LATEST_TAG and version is None:  # some mirrors leave the dist-tags out
        return _choose_for_npm("", _parse_npm_range(""), package_info)
    if version is not None:
        reason = f"the dist-tag {tag} of {package_info.name} is {version}, which is not listed"
    elif _DIST_TAG.fullmatch(tag):
        reason = f"{_shorten_text(tag)} is not a version range, and {package_info.name} has no such dist-tag"
    else:
        reason = f"{_shorten_text(tag)} is not a version range"
    return VersionChoice(None, (), reason)


def _get_flags(package_info: PackageInfo, index: int) -> int:
    return package_info.flags[index] if index < len(package_info.flags) else 0


def _get_required_python(package_info: PackageInfo, index: int) -> str:
    """Return the Python versions a release asks for, empty if it states none."""
    interpreter_index = package_info.interpreter_indexes[index] if index < len(package_info.interpreter_indexes) else -1
    return (
        package_info.interpreters[interpreter_index] if 0 <= interpreter_index < len(package_info.interpreters) else ""
    )


def _find_newest(
    parsed_requirement: _Requirement,
    package_info: PackageInfo,
    *,
    avoided_flags: int,
    prereleases: bool = False,
    python: str | None = None,
) -> int | None:
    """Return the index of the newest satisfying version without any of the flags to avoid, running on this Python."""
    versions = package_info.versions
    for index in range(_find_start(parsed_requirement, versions), len(versions)):
        if _get_flags(package_info, index) & avoided_flags or not parsed_requirement.allows(
            versions[index], prereleases=prereleases
        ):
            continue
        if python is None or _supports_python(_get_required_python(package_info, index), python):
            return index
    return None


def _find_start(parsed_requirement: _Requirement, versions: Sequence[str]) -> int:
    """Return the index of the first version that is not beyond the upper end of a requirement."""
    if not versions or not parsed_requirement.is_above(versions[0]):
        return 0
    return bisect_left(versions, True, key=lambda version: not parsed_requirement.is_above(version))  # noqa: FBT003 - what is sought


def _find_suggestions(
    ecosystem: Ecosystem, package_info: PackageInfo, reference_version: str, python: str | None = None
) -> tuple[str, ...]:
    """Return the listed versions around the anchor that can be installed, newest first: one above, the rest below."""
    parse = _VERSION_PARSERS[ecosystem]
    bound = parse(reference_version)
    newer_versions: list[str] = []
    older_versions: list[str] = []
    for index, version in enumerate(package_info.versions):
        if _get_flags(package_info, index) & _NOT_FINAL or is_prerelease(ecosystem, version):
            continue
        if python is None or _supports_python(_get_required_python(package_info, index), python):
            (newer_versions if bound is not None and parse(version) > bound else older_versions).append(version)
    older_count = min(len(older_versions), _MAX_SUGGESTIONS - min(len(newer_versions), 1))
    return (
        *newer_versions[max(0, len(newer_versions) - _MAX_SUGGESTIONS + older_count) :],
        *older_versions[:older_count],
    )


def _explain_no_match(
    ecosystem: Ecosystem,
    requirement: str,
    parsed_requirement: _Requirement,
    package_info: PackageInfo,
    python: str | None,
) -> str:
    quoted_requirement = _shorten_text(requirement) or "*"
    listed_indexes = [
        index for index in range(len(package_info.versions)) if not _get_flags(package_info, index) & EMPTY
    ]
    satisfying_indexes = [
        index for index in listed_indexes if parsed_requirement.allows(package_info.versions[index], prereleases=True)
    ]
    usable_indexes = [index for index in satisfying_indexes if not _get_flags(package_info, index) & YANKED]
    if not listed_indexes:
        return f"no version of {package_info.name} can be installed"
    if not satisfying_indexes:
        newest_index = _find_best(ecosystem, package_info, listed_indexes)
        return f"no version satisfies {quoted_requirement}; newest is {package_info.versions[newest_index]}"
    if not usable_indexes:
        return f"every version that satisfies {quoted_requirement} is yanked"
    best_index = _find_best(ecosystem, package_info, usable_indexes)
    required_python = _get_required_python(package_info, best_index)
    if python is not None and not _supports_python(required_python, python):
        return f"{package_info.versions[best_index]} satisfies {quoted_requirement}, but needs Python {required_python}"
    return f"only a pre-release satisfies {quoted_requirement}: {package_info.versions[best_index]}"


def _find_best(ecosystem: Ecosystem, package_info: PackageInfo, indexes: list[int]) -> int:
    """Return the index of the newest final version, not yanked, or else simply of the newest."""

    def sort_key(index: int) -> tuple[bool, bool, int]:
        return (
            bool(_get_flags(package_info, index) & YANKED),
            is_prerelease(ecosystem, package_info.versions[index]),
            index,
        )

    return min(indexes, key=sort_key)


def _shorten_text(text: str) -> str:
    return text if len(text) <= _MAX_QUOTED_LENGTH else f"{text[:_MAX_QUOTED_LENGTH]}…"
