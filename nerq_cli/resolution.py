"""From declarations to dependencies: each package at each version in use once, with every place that says so."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from nerq_cli.facts import Fact, Found, Project
from nerq_cli.inventory import PYPI, Declared, Dependency, Ecosystem, Location, Package, Release
from nerq_cli.versions import choose, newest_first, pin, same, satisfies

#: The group of what a constraints file says: it narrows versions and adds nothing.
CONSTRAINT: Final = "constraint"

# One comparison in an environment marker, as packaging spells it out, and what makes it one about Python.
_COMPARISON = re.compile(r'(?:"[^"]*"|\w+) (?:not in|in|[<>=!~]+) (?:"[^"]*"|\w+)')
_ABOUT_PYTHON = re.compile(r'(?<!")\bpython_(?:full_)?version\b')
_ALWAYS: Final = 'python_version >= "0"'


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Unsatisfied:
    """A requirement that no listed version satisfies: why, and the versions that come nearest, newest first."""

    package: Package
    requirement: str
    reason: str
    nearest: tuple[str, ...]
    locations: tuple[Location, ...]


@dataclass(frozen=True, slots=True)
class Inventory:
    """What was declared, each dependency once and sorted, and the requirements that nothing satisfies."""

    dependencies: tuple[Dependency, ...]
    unsatisfied: tuple[Unsatisfied, ...] = ()


def unite(
    declared: Iterable[Declared], projects: Mapping[Package, Fact[Project]], *, python: str | None = None
) -> Inventory:
    """Settle the version in use of every declaration, and list each package at each version once.

    A pin is its own version. A range takes the highest pin of the same project that satisfies it, else the exact
    constraint that does, else the version that would be installed today. A project is a directory; its
    ``requirements`` folder belongs to it. Constraints add no dependency, unless nothing else is declared at all.

    Args:
        declared: what all the files declare, in any order.
        projects: what the registries say. A package missing here is one nobody knows about: its pins stay as they
            are written, its ranges unresolved.
        python: the full Python version in use (``3.12.4``); None asks for no particular one.
    """
    everything = Declarations(declared, python=python)
    return everything.settle(everything.packages, projects)


class Declarations:
    """All declarations of a run, by package, so that versions can be settled a batch of packages at a time."""

    def __init__(self, declared: Iterable[Declared], *, python: str | None = None) -> None:
        """Take what all the files declare, in any order, and the Python in use."""
        ordered = sorted(declared, key=_place)
        items = [item for item in ordered if item.group != CONSTRAINT]
        self._limits = _by_package(i for i in ordered if i.group == CONSTRAINT and not i.skip) if items else {}
        self._items = _by_package(items or ordered)
        self._homes = frozenset(_home(item.location.path) for item in items or ordered)
        self._python = python

    @property
    def packages(self) -> tuple[Package, ...]:
        """Every package that is declared, sorted."""
        return tuple(sorted(self._items))

    def asked(self, packages: Iterable[Package]) -> list[Package]:
        """Return those of the packages that may be asked about somewhere."""
        return [package for package in packages if any(not item.skip for item in self._items[package])]

    def pins(self, packages: Iterable[Package]) -> list[Release]:
        """Return the releases in use of those packages that are pinned wherever they are declared."""
        found: list[Release] = []
        for package in packages:
            items = self._items[package]
            versions = [None if i.group == CONSTRAINT else _written(i) for i in items if not i.skip]
            if None not in versions:
                found += [Release(package=package, version=one) for one in dict.fromkeys(versions) if one is not None]
        return found

    def settle(self, packages: Iterable[Package], projects: Mapping[Package, Fact[Project]]) -> Inventory:
        """Settle the version in use of each declaration of these packages; :func:`unite` says how."""
        dependencies: list[Dependency] = []
        unsatisfied: list[Unsatisfied] = []
        for package in packages:
            items = self._items[package]
            dependencies.extend(_skipped(item for item in items if item.skip))
            case = _Case(package, projects.get(package), self._python)
            limits = _Limits(self._limits.get(package, ()), self._homes, self._python)
            uses = _uses(case, [item for item in items if not item.skip], limits)
            dependencies.extend(_dependencies(package, uses))
            unsatisfied.extend(_merged(use.unsatisfied for use in uses if use.unsatisfied))
        return Inventory(tuple(sorted(dependencies, key=_order)), tuple(sorted(unsatisfied)))


def _place(item: Declared) -> tuple[str, int, str, str]:
    return item.location.path, item.location.line, item.requirement, item.group


def _order(dependency: Dependency) -> tuple[str, str, str, str, str]:
    package = dependency.package
    return package.ecosystem, package.name, dependency.version or "", dependency.requirement, dependency.skip


def _by_package(items: Iterable[Declared]) -> dict[Package, list[Declared]]:
    grouped: dict[Package, list[Declared]] = defaultdict(list)
    for item in items:
        grouped[item.package].append(item)
    return grouped


@lru_cache(maxsize=4_096)
def _home(path: str) -> str:
    """Return the directory of the project that a file belongs to; empty for the one everything lies in."""
    folder = path.rpartition("/")[0]
    parent, _, name = folder.rpartition("/")
    return parent if name == "requirements" else folder


# --- The version in use ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Use:
    """What one declaration comes to. ``because`` are the constraints that had a say."""

    item: Declared
    version: str | None
    how: Literal["pinned", "range", "unresolved"]
    because: tuple[Declared, ...] = ()
    unsatisfied: Unsatisfied | None = None


@dataclass(frozen=True, slots=True)
class _Limits:
    """The constraints on one package, and the directories that declare dependencies of their own."""

    constraints: Sequence[Declared]
    homes: frozenset[str]
    python: str | None

    def on(self, item: Declared) -> tuple[Declared, ...]:
        """Return the constraints for one declaration.

        They stand in its project or above it, or in a directory kept for constraints alone; those of another project
        are that project's own.
        """
        if not self.constraints:
            return ()
        here = _home(item.location.path)
        return tuple(one for one in self.constraints if self._reaches(one, here) and _applies(one, self.python))

    def _reaches(self, constraint: Declared, here: str) -> bool:
        home = _home(constraint.location.path)
        return not home or f"{here}/".startswith(f"{home}/") or home not in self.homes


@dataclass(frozen=True, slots=True)
class _Case:
    """One package, what its registry says of it, and the Python in use."""

    package: Package
    fact: Fact[Project] | None
    python: str | None

    def pinned(self, item: Declared, version: str, because: tuple[Declared, ...] = ()) -> _Use:
        """Settle on a version that is written exactly, in the spelling of the registry where it lists it."""
        if not isinstance(self.fact, Found):
            return _Use(item, version, "pinned", because)
        exact = f"==={version}" if self.package.ecosystem == PYPI else version
        choice = choose(self.package.ecosystem, exact, self.fact.value)
        missing = None if choice.version else self._unsatisfied(item, item.requirement, choice.reason, choice.nearest)
        return _Use(item, choice.version or version, "pinned", because, missing)

    def ranged(self, item: Declared, limits: tuple[Declared, ...]) -> _Use:
        """Settle on the constraint that pins a version in the range, or on what would be installed today."""
        ecosystem = self.package.ecosystem
        pins = {one: version for one in limits if (version := pin(ecosystem, one.requirement)) is not None}
        highest = _highest(ecosystem, item.requirement, pins.values())
        if highest is not None:
            return self.pinned(item, highest, tuple(one for one, version in pins.items() if version == highest))
        if not isinstance(self.fact, Found):
            return _Use(item, None, "unresolved", limits)
        requirement = _narrowed(item, limits) if limits and ecosystem == PYPI else item.requirement
        choice = choose(ecosystem, requirement, self.fact.value, python=self._python_for(item))
        if choice.version is not None:
            return _Use(item, choice.version, "range", limits)
        unsatisfied = self._unsatisfied(item, requirement, choice.reason, choice.nearest)
        return _Use(item, None, "unresolved", limits, unsatisfied)

    def _python_for(self, item: Declared) -> str | None:
        return self.python if _applies(item, self.python) else None

    def _unsatisfied(self, item: Declared, requirement: str, reason: str, nearest: tuple[str, ...]) -> Unsatisfied:
        return Unsatisfied(
            package=self.package, requirement=requirement, reason=reason, nearest=nearest, locations=(item.location,)
        )


def _uses(case: _Case, items: Sequence[Declared], limits: _Limits) -> list[_Use]:
    uses: list[_Use] = []
    pinned: dict[str, list[_Use]] = defaultdict(list)
    ranges: list[Declared] = []
    for item in items:
        version = _written(item)
        if version is None:
            ranges.append(item)
        else:
            uses.append(case.pinned(item, version))
            pinned[_home(item.location.path)].append(uses[-1])
    for item in ranges:
        version = _joined(item, pinned[_home(item.location.path)], case.python) if pinned else None
        uses.append(case.ranged(item, limits.on(item)) if version is None else _Use(item, version, "pinned"))
    return uses


def _written(item: Declared) -> str | None:
    """Return the version that is written exactly, in the file itself or in its lock file."""
    return item.locked or pin(item.ecosystem, item.requirement)


def _joined(item: Declared, pinned: Sequence[_Use], python: str | None) -> str | None:
    """Return the highest pin of the same project in the range, rather one that is meant for this Python."""
    meant = [use for use in pinned if _applies(use.item, python)]
    return _highest(item.ecosystem, item.requirement, (use.version or "" for use in meant or pinned))


def _highest(ecosystem: Ecosystem, requirement: str, versions: Iterable[str]) -> str | None:
    fitting = [version for version in versions if satisfies(ecosystem, requirement, version, prereleases=True)]
    return newest_first(ecosystem, fitting)[0] if fitting else None


def _narrowed(item: Declared, limits: Sequence[Declared]) -> str:
    """Return the requirement with those of the constraints added, alternative by alternative."""
    alternatives = [[text] for text in item.requirement.split("||")]
    for one in limits:
        alternatives = [[*texts, text] for texts in alternatives for text in one.requirement.split("||")]
    return " || ".join(",".join(text.strip() for text in texts if text.strip(" *")) for texts in alternatives)


def _applies(item: Declared, python: str | None) -> bool:
    return not item.marker or python is None or item.ecosystem != PYPI or _meant_for(item.marker, python)


@lru_cache(maxsize=4_096)
def _meant_for(marker: str, python: str) -> bool:
    """Whether a marker lets this Python pass; what it says about anything else is taken to hold."""
    from packaging.markers import Marker

    try:
        spelled = str(Marker(marker))
        about_python = _COMPARISON.sub(lambda found: found[0] if _ABOUT_PYTHON.search(found[0]) else _ALWAYS, spelled)
        environment = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
        return Marker(about_python).evaluate(environment)
    except ValueError:  # no marker, or one that compares what cannot be compared
        return True


# --- Once each -------------------------------------------------------------------------------------------------------


def _dependencies(package: Package, uses: Iterable[_Use]) -> Iterator[Dependency]:
    for version, some in _by_version(package.ecosystem, uses).items():
        items = [use.item for use in some]
        because = [one for use in some for one in use.because]
        how = "pinned" if any(use.how == "pinned" for use in some) else some[0].how
        yield _dependency(package, items, because, version, how)


def _by_version(ecosystem: Ecosystem, uses: Iterable[_Use]) -> dict[str | None, list[_Use]]:
    grouped: dict[str | None, list[_Use]] = {}
    for use in uses:
        version = use.version
        if version is not None and version not in grouped:
            version = next((one for one in grouped if one is not None and same(ecosystem, one, version)), version)
        grouped.setdefault(version, []).append(use)
    return grouped


def _skipped(items: Iterable[Declared]) -> list[Dependency]:
    grouped: dict[tuple[Package, str, str], list[Declared]] = defaultdict(list)
    for item in items:
        grouped[item.package, item.requirement, item.skip].append(item)
    return [_left_alone(package, some) for (package, _, _), some in grouped.items()]


def _left_alone(package: Package, items: Sequence[Declared]) -> Dependency:
    version = _written(items[0])
    return _dependency(package, items, (), version, "unresolved" if version is None else "pinned")


def _dependency(
    package: Package,
    items: Sequence[Declared],
    because: Sequence[Declared],
    version: str | None,
    how: Literal["pinned", "range", "unresolved"],
) -> Dependency:
    everyone = sorted([*items, *because], key=_place) if because or len(items) > 1 else items
    return Dependency(
        package=package,
        requirement=" · ".join(dict.fromkeys([item.requirement for item in everyone if item.requirement])),
        version=version,
        how=how,
        direct=not all(item.indirect for item in items),
        groups=_distinct([item.group for item in items]),
        locations=tuple(dict.fromkeys([item.location for item in everyone])),
        markers=_distinct([item.marker for item in items]),
        aliases=_distinct([item.alias for item in items]),
        extras=_distinct([extra for item in items for extra in item.extras]),
        skip=items[0].skip,
        via=_distinct([item.via for item in items]) if not any(item.via == "" for item in items) else (),
    )


def _distinct(texts: list[str]) -> tuple[str, ...]:
    if len(texts) == 1:  # nearly always
        return (texts[0],) if texts[0] else ()
    return tuple(sorted({text for text in texts if text}))


def _merged(unsatisfied: Iterable[Unsatisfied]) -> Iterator[Unsatisfied]:
    """Unite what is said of several places alike."""
    places: dict[tuple[Package, str, str, tuple[str, ...]], set[Location]] = defaultdict(set)
    for one in unsatisfied:
        places[one.package, one.requirement, one.reason, one.nearest].update(one.locations)
    for (package, requirement, reason, nearest), locations in places.items():
        yield Unsatisfied(
            package=package,
            requirement=requirement,
            reason=reason,
            nearest=nearest,
            locations=tuple(sorted(locations)),
        )
