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

from nerq_cli.facts import DEPRECATED, EMPTY, PRERELEASE, YANKED, Project
from nerq_cli.inventory import NPM, PYPI, Ecosystem

#: Longest version or requirement looked at, in characters; what people write stays far below.
_LONGEST: Final = 500
#: How many other versions are suggested when the one asked for does not exist.
_SUGGESTED: Final = 3
#: The dist-tag npm goes by when it is not told another.
_LATEST: Final = "latest"
#: Longest piece of a requirement repeated in a reason, in characters.
_SHOWN: Final = 80
#: What no one should be sent to.
_NOT_FINAL: Final = YANKED | PRERELEASE | EMPTY


@dataclass(frozen=True, slots=True)
class Choice:
    """The version that would be installed, or why there is none and which listed versions come nearest."""

    version: str | None
    nearest: tuple[str, ...] = ()
    reason: str = ""


class _Range(Protocol):
    """A requirement, read."""

    @property
    def anchor(self) -> str:
        """A version the requirement names, the one to look around when none satisfies it; empty if it names none."""
        ...

    def admits(self, version: str, *, prereleases: bool = False) -> bool:
        """Whether the version satisfies it; ``prereleases`` admits those that it does not ask for as well."""
        ...

    def too_new(self, version: str) -> bool:
        """Whether this version, and so every newer one, is beyond its upper end."""
        ...


# --- PEP 440 ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=16_384)
def _pep440(version: str) -> Version | None:
    try:
        return Version(version)
    except ValueError:  # InvalidVersion, or a number with more digits than Python reads
        return None


def _numbers(version: Version) -> tuple[float, ...]:
    """Epoch and release without trailing zeros: what orders two versions unless it is equal."""
    numbers = [version.epoch, *version.release]
    while not numbers[-1] and len(numbers) > 1:
        numbers.pop()
    return tuple(numbers)


def _upper_end(operator: str, text: str) -> tuple[float, ...]:
    """Return the highest numbers that one clause lets pass."""
    if operator in {"<", "<=", "=="} and not text.endswith(".*"):
        return _numbers(Version(text))
    if operator in {"~=", "=="}:
        named = Version(text.removesuffix(".*"))
        return (named.epoch, *(named.release[:-1] if operator == "~=" else named.release), math.inf)
    return (math.inf,)


def _clauses(specifiers: SpecifierSet) -> list[tuple[str, str]]:
    return sorted((clause.operator, clause.version) for clause in specifiers)


def _names_prerelease(operator: str, text: str) -> bool:
    named = _pep440(text)
    return operator != "!=" and named is not None and named.is_prerelease


@dataclass(frozen=True, slots=True)
class _Specifiers:
    """Alternatives, each of which is a set of PEP 440 clauses that must all hold."""

    alternatives: tuple[SpecifierSet, ...]
    ceiling: tuple[float, ...]
    anchor: str
    names_prerelease: bool

    def admits(self, version: str, *, prereleases: bool = False) -> bool:
        parsed = _pep440(version)
        if parsed is None:  # only an identity clause can mean it
            return any(_clauses(one) == [("===", version)] for one in self.alternatives)
        if parsed.is_prerelease and not (prereleases or self.names_prerelease):
            return False
        return any(one.contains(parsed, prereleases=True) for one in self.alternatives)

    def too_new(self, version: str) -> bool:
        parsed = _pep440(version)
        return parsed is not None and _numbers(parsed) > self.ceiling


@lru_cache(maxsize=8_192)
def _specifiers(requirement: str) -> _Specifiers | None:
    if len(requirement) > _LONGEST:
        return None
    texts = ("" if text.strip() == "*" else text for text in requirement.split("||"))
    try:
        alternatives = tuple(SpecifierSet(text) for text in texts)
        clauses = [_clauses(one) for one in alternatives]
        ceiling = max(min((_upper_end(*clause) for clause in one), default=(math.inf,)) for one in clauses)
    except ValueError:  # InvalidSpecifier, or a number with more digits than Python reads
        return None
    anchor = next((text.removesuffix(".*") for one in clauses for _, text in one), "")
    return _Specifiers(
        alternatives, ceiling, anchor, any(_names_prerelease(*clause) for one in clauses for clause in one)
    )


@lru_cache(maxsize=4_096)
def _runs_on(requires_python: str, python: str) -> bool:
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
_BUILD = re.compile(r"\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*")
#: The characters of a dist-tag: those which encodeURIComponent leaves alone (npm-package-arg).
_TAG = re.compile(r"[A-Za-z0-9_.!~*'()-]+")


def _identifier(text: str) -> _Identifier:
    return (0, int(text), "") if text.isdigit() else (1, 0, text)


@lru_cache(maxsize=16_384)
def _semver(version: str) -> _Precedence | None:
    found = _SEMVER.fullmatch(version) if len(version) <= _LONGEST else None
    if found is None:
        return None
    major, minor, patch, words = found.groups()
    identifiers = tuple(_identifier(word) for word in words.split(".")) if words else ()
    return int(major), int(minor), int(patch), not words, identifiers


def _spelled(version: _Precedence) -> str:
    numbers = ".".join(str(number) for number in version[:3])
    identifiers = ".".join(word or str(number) for _, number, word in version[4])
    return f"{numbers}-{identifiers}" if identifiers else numbers


_HOLDS: Final[dict[str, Callable[[_Precedence, _Precedence], bool]]] = {
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

    def admit(self, version: _Precedence, *, prereleases: bool) -> bool:
        if not all(_HOLDS[operator](version, bound) for operator, bound in self.bounds):
            return False
        if version[3]:
            return True
        rivals = [(operator, final) for operator, (*numbers, final, _) in self.bounds if (*numbers,) == version[:3]]
        # A pre-release has to be asked for by one of the same major.minor.patch; 2.0.0-rc.1 never passes for <2.0.0.
        return any(not final for _, final in rivals) or (prereleases and ("<", True) not in rivals)

    @property
    def ceiling(self) -> _Precedence | None:
        return min((bound for operator, bound in self.bounds if operator in {"=", "<", "<="}), default=None)


@dataclass(frozen=True, slots=True)
class _NpmRange:
    """Alternatives, each of which is a set of comparators."""

    alternatives: tuple[_Comparators, ...]
    ceiling: _Precedence | None
    anchor: str

    def admits(self, version: str, *, prereleases: bool = False) -> bool:
        parsed = _semver(version)
        return parsed is not None and any(one.admit(parsed, prereleases=prereleases) for one in self.alternatives)

    def too_new(self, version: str) -> bool:
        parsed = _semver(version)
        return parsed is not None and self.ceiling is not None and parsed > self.ceiling


_ANY: Final = _Comparators(())
#: Another way to write ``*`` (node-semver).
_EVERYTHING: Final = (">=", (0, 0, 0, True, ()))


def _comparators(text: str) -> _Comparators | None:
    """Read one alternative of a range; None when nothing in it is a comparator."""
    import nodesemver

    try:
        [comparators] = nodesemver.Range(text, loose=True).set
    except ValueError:
        return None
    named = [one for one in comparators if one.semver is not nodesemver.ANY]
    bounds = tuple((one.operator or "=", parsed) for one in named if (parsed := _semver(one.semver.version)))
    return _Comparators(tuple(bound for bound in bounds if bound != _EVERYTHING))


@lru_cache(maxsize=8_192)
def _npm_range(requirement: str) -> _NpmRange | None:
    if len(requirement) > _LONGEST or not requirement.isascii():
        return None
    # node-semver folds white space and strips build metadata before it reads a range; nodesemver does neither.
    texts = (" ".join(_BUILD.sub("", text).split()) for text in requirement.split("||"))
    alternatives = tuple(one for one in map(_comparators, texts) if one is not None)
    if not alternatives:
        return None
    if _ANY in alternatives:  # a star takes the others up, and with them the pre-releases they ask for
        return _NpmRange((_ANY,), None, "")
    ceilings = [one.ceiling for one in alternatives]
    highest = None if None in ceilings else max(one for one in ceilings if one is not None)
    return _NpmRange(alternatives, highest, _spelled(alternatives[0].bounds[0][1]))


# --- Both ------------------------------------------------------------------------------------------------------------

_PARSE: Final[dict[Ecosystem, Callable[[str], Any]]] = {PYPI: _pep440, NPM: _semver}
_READ: Final[dict[Ecosystem, Callable[[str], _Range | None]]] = {PYPI: _specifiers, NPM: _npm_range}


def newest_first(ecosystem: Ecosystem, versions: Iterable[str]) -> list[str]:
    """Sort versions as the ecosystem orders them, newest first; those it cannot read come last, in text order."""
    parse = _PARSE[ecosystem]
    parsed = [(parse(version), version) for version in versions]
    readable = sorted((one for one in parsed if one[0] is not None), reverse=True)
    return [version for _, version in readable] + sorted(version for key, version in parsed if key is None)


def precedence(ecosystem: Ecosystem, version: str) -> Any | None:  # noqa: ANN401 - each ecosystem's own, to compare
    """Return what orders a version among those of its ecosystem (comparable values); None when it is no version."""
    return _PARSE[ecosystem](version)


def is_prerelease(ecosystem: Ecosystem, version: str) -> bool:
    """Whether this is a pre-release (for PyPI, a development release too), or no version at all."""
    if ecosystem == PYPI:
        parsed = _pep440(version)
        return parsed is None or parsed.is_prerelease
    precedence = _semver(version)
    return precedence is None or not precedence[3]


def same(ecosystem: Ecosystem, a: str, b: str) -> bool:
    """Whether two spellings mean the same version (1.0 and 1.0.0 on PyPI; npm ignores build metadata)."""
    if a == b:
        return True
    parsed = _PARSE[ecosystem](a)
    return parsed is not None and bool(parsed == _PARSE[ecosystem](b))


@lru_cache(maxsize=8_192)
def pin(ecosystem: Ecosystem, requirement: str) -> str | None:
    """Return the version of an exact requirement: ``==1.2`` or ``===x`` on PyPI, ``1.2.3`` on npm; else None."""
    if ecosystem == NPM:
        precedence = _semver(requirement)
        return None if precedence is None else _spelled(precedence)
    specifiers = _specifiers(requirement)
    if specifiers is None or len(specifiers.alternatives) > 1:
        return None
    clauses = _clauses(specifiers.alternatives[0])
    exact = (text for operator, text in clauses if operator in {"==", "==="} and not text.endswith(".*"))
    consistent = next((text for text in exact if specifiers.admits(text, prereleases=True)), None)
    return consistent and consistent.removeprefix("v")


def satisfies(ecosystem: Ecosystem, requirement: str, version: str, *, prereleases: bool = False) -> bool:
    """Whether a version satisfies a requirement; False when either is none.

    Pre-releases do where the requirement asks for them (PyPI: it names one; npm: it names one of the same
    major.minor.patch), and everywhere with ``prereleases``.
    """
    wanted = _READ[ecosystem](requirement)
    return wanted is not None and wanted.admits(version, prereleases=prereleases)


def behind(project: Project, version: str) -> int | None:
    """Count the final releases, not yanked, that are newer than this one; None when they are not all listed."""
    if project.partial or version not in project.versions:
        return None
    newer = range(project.versions.index(version))
    return sum(1 for index in newer if not _flags(project, index) & _NOT_FINAL)


def choose(ecosystem: Ecosystem, requirement: str, project: Project, *, python: str | None = None) -> Choice:
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
    exact = pin(ecosystem, requirement)
    if exact is not None:
        return _pinned(ecosystem, exact, project)
    wanted = _READ[ecosystem](requirement)
    if ecosystem == PYPI:
        return _for_pip(requirement, wanted, project, python)
    return _for_npm(requirement.strip(), wanted, project)


def _pinned(ecosystem: Ecosystem, exact: str, project: Project) -> Choice:
    if exact in project.versions:
        return Choice(exact)
    wanted = _READ[ecosystem](f"=={exact}" if ecosystem == PYPI else exact)
    index = None if wanted is None else _first(wanted, project, avoid=0, prereleases=True)
    if index is not None:
        return Choice(project.versions[index])
    return Choice(None, _nearest(ecosystem, project, exact), f"no version {_shown(exact)} of {project.name} exists")


def _for_pip(requirement: str, wanted: _Range | None, project: Project, python: str | None) -> Choice:
    if wanted is None:
        return Choice(None, (), f"{_shown(requirement)} is not a version range")
    avoid = YANKED | EMPTY
    index = _first(wanted, project, avoid=avoid, python=python)
    if index is None and _first(wanted, project, avoid=EMPTY, python=python) is None:
        index = _first(wanted, project, avoid=avoid, python=python, prereleases=True)
    if index is not None:
        return Choice(project.versions[index])
    nearest = _nearest(PYPI, project, wanted.anchor, python)
    return Choice(None, nearest, _why_none(PYPI, requirement, wanted, project, python))


def _for_npm(requirement: str, wanted: _Range | None, project: Project) -> Choice:
    if wanted is None:
        return _tagged(requirement, project)
    avoid = YANKED | EMPTY
    latest = project.tags.get(_LATEST, "")
    preferred = latest in project.versions and (requirement in {"", "*"} or wanted.admits(latest))
    if preferred and not _flags(project, project.versions.index(latest)) & (avoid | DEPRECATED):
        return Choice(latest)
    index = _first(wanted, project, avoid=avoid | DEPRECATED)
    if index is None:
        index = _first(wanted, project, avoid=avoid)
    if index is not None:
        return Choice(project.versions[index])
    return Choice(None, _nearest(NPM, project, wanted.anchor), _why_none(NPM, requirement, wanted, project, None))


def _tagged(tag: str, project: Project) -> Choice:
    version = project.tags.get(tag)
    if version in project.versions:
        return Choice(version)
    if tag == _LATEST and version is None:  # some mirrors leave the dist-tags out
        return _for_npm("", _npm_range(""), project)
    if version is not None:
        reason = f"the dist-tag {tag} of {project.name} is {version}, which is not listed"
    elif _TAG.fullmatch(tag):
        reason = f"{_shown(tag)} is not a version range, and {project.name} has no such dist-tag"
    else:
        reason = f"{_shown(tag)} is not a version range"
    return Choice(None, (), reason)


def _flags(project: Project, index: int) -> int:
    return project.flags[index] if index < len(project.flags) else 0


def _interpreter(project: Project, index: int) -> str:
    """Return the Python versions a release asks for, empty if it states none."""
    need = project.needs[index] if index < len(project.needs) else -1
    return project.interpreters[need] if 0 <= need < len(project.interpreters) else ""


def _first(
    wanted: _Range, project: Project, *, avoid: int, prereleases: bool = False, python: str | None = None
) -> int | None:
    """Return the index of the newest satisfying version without any of the flags to avoid, running on this Python."""
    versions = project.versions
    for index in range(_start(wanted, versions), len(versions)):
        if _flags(project, index) & avoid or not wanted.admits(versions[index], prereleases=prereleases):
            continue
        if python is None or _runs_on(_interpreter(project, index), python):
            return index
    return None


def _start(wanted: _Range, versions: Sequence[str]) -> int:
    """Return the index of the first version that is not beyond the upper end of a requirement."""
    if not versions or not wanted.too_new(versions[0]):
        return 0
    return bisect_left(versions, True, key=lambda version: not wanted.too_new(version))  # noqa: FBT003 - what is sought


def _nearest(ecosystem: Ecosystem, project: Project, anchor: str, python: str | None = None) -> tuple[str, ...]:
    """Return the listed versions around the anchor that can be installed, newest first: one above, the rest below."""
    parse = _PARSE[ecosystem]
    bound = parse(anchor)
    above: list[str] = []
    below: list[str] = []
    for index, version in enumerate(project.versions):
        if _flags(project, index) & _NOT_FINAL or is_prerelease(ecosystem, version):
            continue
        if python is None or _runs_on(_interpreter(project, index), python):
            (above if bound is not None and parse(version) > bound else below).append(version)
    lower = min(len(below), _SUGGESTED - min(len(above), 1))
    return (*above[max(0, len(above) - _SUGGESTED + lower) :], *below[:lower])


def _why_none(ecosystem: Ecosystem, requirement: str, wanted: _Range, project: Project, python: str | None) -> str:
    asked = _shown(requirement) or "*"
    listed = [index for index in range(len(project.versions)) if not _flags(project, index) & EMPTY]
    satisfying = [index for index in listed if wanted.admits(project.versions[index], prereleases=True)]
    usable = [index for index in satisfying if not _flags(project, index) & YANKED]
    if not listed:
        return f"no version of {project.name} can be installed"
    if not satisfying:
        newest = _best(ecosystem, project, listed)
        return f"no version satisfies {asked}; newest is {project.versions[newest]}"
    if not usable:
        return f"every version that satisfies {asked} is yanked"
    best = _best(ecosystem, project, usable)
    interpreter = _interpreter(project, best)
    if python is not None and not _runs_on(interpreter, python):
        return f"{project.versions[best]} satisfies {asked}, but needs Python {interpreter}"
    return f"only a pre-release satisfies {asked}: {project.versions[best]}"


def _best(ecosystem: Ecosystem, project: Project, among: list[int]) -> int:
    """Return the index of the newest final version, not yanked, or else simply of the newest."""

    def key(index: int) -> tuple[bool, bool, int]:
        return bool(_flags(project, index) & YANKED), is_prerelease(ecosystem, project.versions[index]), index

    return min(among, key=key)


def _shown(requirement: str) -> str:
    return requirement if len(requirement) <= _SHOWN else f"{requirement[:_SHOWN]}…"
