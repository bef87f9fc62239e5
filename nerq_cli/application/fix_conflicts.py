"""Which new versions cannot be installed together with what else a project declares."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from nerq_cli.ecosystems import PYPI, get_ecosystem, normalise_name
from nerq_cli.facts import Found
from nerq_cli.inventory import Declaration, DependencyFile, Package, Release
from nerq_cli.manifests.discovery.include_graph import IncludeEdge, connected_groups
from nerq_cli.manifests.python.pep508 import NotASpecifierError, parse_specifier, validate_marker
from nerq_cli.resolve.resolver import CONSTRAINT_GROUP

if TYPE_CHECKING:
    from nerq_cli.application.session import Session
    from nerq_cli.report.model import Assessment

#: Returns what releases require (PEP 508), without those of which it is not known.
FindRequirements: TypeAlias = "Callable[[Sequence[Release]], Mapping[Release, Sequence[str]]]"


class Place(NamedTuple):
    """Where a package is declared: several declarations on one line are one place."""

    path: str
    name: str
    line: int


class Conflict(NamedTuple):
    """A change that is not made, and why."""

    place: Place
    reason: str


class _Pin(NamedTuple):
    """A package that is installed at one version, before and after the changes."""

    old: str
    new: str
    #: Places that are changed.
    places: tuple[Place, ...]
    extras: tuple[str, ...]


def make_requirements_lookup(session: Session, assessments: Iterable[Assessment]) -> FindRequirements:
    """Return a lookup in the registries. It sends the names only that the scan sent, and whose registry has them."""
    public_packages = {
        assessment.dependency.package
        for assessment in assessments
        if assessment.in_registry and not assessment.dependency.skip_reason
    }

    def find_requirements(releases: Sequence[Release]) -> dict[Release, Sequence[str]]:
        public_releases = [release for release in releases if release.package in public_packages]
        facts = session.open_run().find_requirements(public_releases) if public_releases else {}
        return {release: fact.value.requirements for release, fact in facts.items() if isinstance(fact, Found)}

    return find_requirements


def group_files(files: Sequence[DependencyFile], find_real_path: Callable[[str], str]) -> dict[str, int]:
    """Return the number of a group by path: files that include each other, or are one, are installed together."""
    keys = {file.path: find_real_path(file.path) for file in files}
    known = set(keys.values())
    graph: dict[str, list[IncludeEdge]] = {}
    for file in files:
        folder = posixpath.dirname(file.path)
        targets = (
            (include, find_real_path(posixpath.normpath(posixpath.join(folder, include.pattern))))
            for include in file.includes
        )
        graph.setdefault(keys[file.path], []).extend(
            IncludeEdge(include, target) for include, target in targets if target in known
        )
    numbers = {key: number for number, group in enumerate(connected_groups(graph)) for key in group}
    for key in keys.values():
        numbers.setdefault(key, len(numbers) + len(known))
    return {path: numbers[key] for path, key in keys.items()}


class ConflictFinder:
    """Finds the changes that contradict another declaration, or a requirement of another package."""

    def __init__(
        self, files: Sequence[DependencyFile], groups: Mapping[str, int], python: str, find: FindRequirements
    ) -> None:
        self._python = python
        self._find = find
        self._requirements: dict[Release, Sequence[str] | None] = {}
        #: The declarations of PyPI packages by group of files, each with its place.
        self._declarations: dict[int, list[tuple[Place, Declaration]]] = {}
        for file in files:
            for declaration in file.declarations:
                if declaration.ecosystem == PYPI and not (declaration.skip_reason or declaration.override_of):
                    place = Place(declaration.location.path, declaration.package.name, declaration.location.line)
                    self._declarations.setdefault(groups[file.path], []).append((place, declaration))

    @property
    def unknown(self) -> tuple[str, ...]:
        """The releases of which it is not known what they require."""
        releases = [release for release, texts in self._requirements.items() if texts is None]
        return tuple(sorted(f"{release.package.name} {release.version}" for release in releases))

    def find(self, edited: Mapping[Place, str]) -> Iterator[Conflict]:
        """Yield each change that is not to be made; ``edited`` has the new version by place."""
        conflicts = [
            conflict
            for declarations in self._declarations.values()
            if any(place in edited for place, _ in declarations)
            for conflict in _find_excluding(declarations, edited)
        ]
        yield from conflicts
        if conflicts:  # these change what is installed
            return
        pins = [pins for declarations in self._declarations.values() if (pins := self._list_pins(declarations, edited))]
        self._look_up(pins)
        for group in pins:
            yield from self._find_incompatible(group)

    def _list_pins(
        self, declarations: Iterable[tuple[Place, Declaration]], edited: Mapping[Place, str]
    ) -> dict[Package, _Pin]:
        """Return the packages of a group that are pinned once; none if no pin is changed, or there is only one."""
        found: dict[Package, list[_Pin]] = {}
        ecosystem = get_ecosystem(PYPI)
        for place, declaration in declarations:
            old = ecosystem.parse_pin(declaration.requirement)
            applies = not declaration.marker or evaluate_marker(declaration.marker, "", self._python)
            if old is not None and applies and declaration.group != CONSTRAINT_GROUP:
                places = (place,) if place in edited else ()
                pin = _Pin(old, edited.get(place, old), places, declaration.extras)
                found.setdefault(declaration.package, []).append(pin)
        pins = {
            package: _Pin(
                group[0].old,
                group[0].new,
                tuple(place for pin in group for place in pin.places),
                tuple(extra for pin in group for extra in pin.extras),
            )
            for package, group in found.items()
            if len({(pin.old, pin.new) for pin in group}) == 1
        }
        is_changed = any(pin.places for pin in pins.values())
        return pins if is_changed and len(pins) > 1 else {}

    def _look_up(self, groups: Iterable[Mapping[Package, _Pin]]) -> None:
        """Fetch what the pinned releases require, all at once; those before the changes as well, to go back to."""
        releases = dict.fromkeys(
            Release(package=package, version=version)
            for pins in groups
            for package, pin in pins.items()
            for version in (pin.old, pin.new)
            if Release(package=package, version=version) not in self._requirements
        )
        if releases:
            found = self._find(list(releases))
            self._requirements.update((release, found.get(release)) for release in releases)

    def _find_incompatible(self, pins: Mapping[Package, _Pin]) -> Iterator[Conflict]:
        ecosystem = get_ecosystem(PYPI)
        for package, pin in pins.items():
            for text in self._requirements[Release(package=package, version=pin.new)] or ():
                required = self._parse(text, pin.extras)
                if required is None or (target := pins.get(required[0])) is None or required[0] == package:
                    continue
                requirement = required[1]
                if ecosystem.satisfies(requirement, target.new, prereleases=True):
                    continue
                was_satisfied = ecosystem.satisfies(requirement, target.old, prereleases=True)
                places = target.places if target.places and was_satisfied else pin.places
                reason = f"{package.name} {pin.new} requires {required[0].name}{requirement}"
                yield from (Conflict(place, reason) for place in places)

    def _parse(self, text: str, extras: Sequence[str]) -> tuple[Package, str] | None:
        """Return a required package and its range; None if it is not required here, or from another place."""
        try:
            specifier = parse_specifier(text)
        except NotASpecifierError:
            return None
        if specifier.url or specifier.skip_reason or not specifier.version:
            return None
        if specifier.marker and not any(
            evaluate_marker(specifier.marker, extra, self._python) for extra in ("", *extras)
        ):
            return None
        return Package(ecosystem=PYPI, name=normalise_name(PYPI, specifier.name)), specifier.version


def _find_excluding(
    declarations: Sequence[tuple[Place, Declaration]], edited: Mapping[Place, str]
) -> Iterator[Conflict]:
    """Yield each change that a declaration which stays as it is excludes."""
    changed = [(place, declaration) for place, declaration in declarations if place in edited]
    names = {place.name for place, _ in changed}
    ecosystem = get_ecosystem(PYPI)
    for place, declaration in declarations:
        if place.name not in names or place in edited:
            continue
        for other_place, other in changed:
            is_alternative = declaration.marker and other.marker and declaration.marker != other.marker
            if other_place.name != place.name or is_alternative:
                continue
            if not ecosystem.satisfies(declaration.requirement, edited[other_place], prereleases=True):
                reason = f"{place.path}:{place.line} declares {declaration.requirement}, which excludes it"
                yield Conflict(other_place, f"{reason}: move both")


_PYTHON_PARTS: Final = 2


@lru_cache(maxsize=4_096)
def evaluate_marker(marker: str, extra: str, python: str) -> bool:
    """Return the value of a marker for a Python version, empty for the one that runs; True if it has none."""
    from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName

    environment = {"extra": extra}
    if python:
        environment["python_version"] = ".".join(python.split(".")[:_PYTHON_PARTS])
        environment["python_full_version"] = python
    try:
        return Marker(validate_marker(marker)).evaluate(environment)
    except (ValueError, UndefinedComparison, UndefinedEnvironmentName, RecursionError):
        return True
