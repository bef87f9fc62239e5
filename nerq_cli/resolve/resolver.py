"""Resolve declarations to dependencies: each package and version once, with all its locations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import Ecosystem, VersionChoice, get_ecosystem
from nerq_cli.facts import Absent, Fact, Found, PackageInfo
from nerq_cli.inventory import (
    NOT_UNDERSTOOD,
    PROJECT_REASONS,
    PROVIDED_REASON,
    Declaration,
    Dependency,
    Location,
    Package,
    Release,
)
from nerq_cli.patterns import compile_late

#: The group of a constraints file: its declarations narrow versions and add no dependency.
CONSTRAINT_GROUP: Final = "constraint"
#: Start of the reason of a local package whose file repeats the path that the line has.
_STATED_PATH: Final = "local path "

# One comparison in an environment marker, as packaging formats it; a variable for the Python version.
_COMPARISON = compile_late(r'(?:"[^"]*"|\w+) (?:not in|in|[<>=!~]+) (?:"[^"]*"|\w+)')
_PYTHON_VARIABLE = compile_late(r'(?<!")\bpython_(?:full_)?version\b')
_TRUE_COMPARISON: Final = 'python_version >= "0"'


class Unsatisfied(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A requirement that no listed version satisfies."""

    package: Package
    requirement: str
    reason: str
    #: The nearest listed versions, newest first.
    nearest: tuple[str, ...]
    locations: tuple[Location, ...]
    #: Whether the registry lists no version that the requirement allows, and none of them is known to be real.
    is_missing: bool = False


class Resolution(msgspec.Struct, frozen=True):
    """The sorted dependencies, and the requirements that no listed version satisfies."""

    dependencies: tuple[Dependency, ...]
    unsatisfied: tuple[Unsatisfied, ...] = ()


def resolve(
    declarations: Iterable[Declaration],
    package_infos: Mapping[Package, Fact[PackageInfo]],
    *,
    python: str | None = None,
) -> Resolution:
    """Choose the version in use of every declaration, and return each package and version once.

    An override replaces the requirements of its project, and is resolved as they would be. A pin is its own version,
    also one that is not listed. A range gets the highest pin of the same project that
    satisfies it, else the exact constraint that does, else the version that would be installed today, else the highest
    removed version. A project is a directory with its ``requirements`` subdirectory. Constraints add no dependency,
    unless there are no other declarations.

    Args:
        declarations: the declarations of all files, in any order.
        package_infos: what the registries list. Without an entry, pins stay as written and ranges unresolved.
        python: the full Python version in use (``3.12.4``); None ignores it.
    """
    all_declarations = Declarations(declarations, python=python)
    return all_declarations.resolve_packages(all_declarations.packages, package_infos)


class Declarations:
    """All declarations of a run by package, so that batches of packages can be resolved separately."""

    def __init__(self, declarations: Iterable[Declaration], *, python: str | None = None) -> None:
        """Group declarations, given in any order, by package; ``python`` is the full version in use."""
        ordered = sorted(declarations, key=_location_key)
        dependencies = [declaration for declaration in ordered if declaration.group != CONSTRAINT_GROUP]
        constraints = [declaration for declaration in ordered if declaration.group == CONSTRAINT_GROUP]
        self._constraints = (
            _group_by_package(constraint for constraint in constraints if not constraint.skip_reason)
            if dependencies
            else {}
        )
        self._project_directories = frozenset(
            _find_project_directory(declaration.location.path) for declaration in dependencies or ordered
        )
        self._python = python
        replacements = _group_by_package(
            constraint for constraint in constraints if constraint.skip_reason not in ("", NOT_UNDERSTOOD)
        )
        self._declarations = _group_by_package(
            self._replace_source(declaration, replacements) if declaration.package in replacements else declaration
            for declaration in dependencies or ordered
        )

    def _replace_source(
        self, declaration: Declaration, replacements: Mapping[Package, Sequence[Declaration]]
    ) -> Declaration:
        """Return a declaration with the source that a constraint or override gives it; a lock file has it already."""
        if declaration.skip_reason or declaration.locked_version:
            return declaration
        constraints = _Constraints(replacements[declaration.package], self._project_directories, self._python)
        applicable = constraints.select_for(declaration)
        if not applicable:
            return declaration
        first = applicable[0]
        requirement = first.requirement or declaration.requirement
        return replace(declaration, skip_reason=first.skip_reason, requirement=requirement)

    @property
    def packages(self) -> tuple[Package, ...]:
        """Return the declared packages, sorted."""
        return tuple(sorted(self._declarations))

    def drop_packages(self, packages: Iterable[Package]) -> None:
        """Forget the declarations of these packages."""
        for package in packages:
            del self._declarations[package]

    def filter_queryable(self, packages: Iterable[Package]) -> list[Package]:
        """Return the packages with a declaration that is not skipped."""
        return [
            package
            for package in packages
            if any(not declaration.skip_reason for declaration in self._declarations[package])
        ]

    def find_pinned_releases(self, packages: Iterable[Package]) -> list[Release]:
        """Return the releases of packages that every declaration pins."""
        releases: list[Release] = []
        for package in packages:
            declarations = self._declarations[package]
            has_override = any(constraint.override_of for constraint in self._constraints.get(package, ()))
            versions = [
                None if has_override or declaration.group == CONSTRAINT_GROUP else _find_exact_version(declaration)
                for declaration in declarations
                if not declaration.skip_reason
            ]
            if None not in versions:
                releases += [
                    Release(package=package, version=version)
                    for version in dict.fromkeys(versions)
                    if version is not None
                ]
        return releases

    def resolve_pins(self, package: Package) -> tuple[Dependency, ...] | None:
        """Return the dependencies on a package whose every declaration pins a version, as it is written.

        None if there is another declaration, or a constraint. What a registry lists may spell a version differently.
        """
        if package in self._constraints or any(
            declaration.skip_reason or declaration.group == CONSTRAINT_GROUP or _find_exact_version(declaration) is None
            for declaration in self._declarations[package]
        ):
            return None
        return self.resolve_packages([package], {}).dependencies

    def resolve_packages(
        self,
        packages: Iterable[Package],
        package_infos: Mapping[Package, Fact[PackageInfo]],
        named_versions: Mapping[Package, Sequence[Sequence[str]]] = MappingProxyType({}),
        real_versions: Mapping[Package, Collection[str]] = MappingProxyType({}),
    ) -> Resolution:
        """Return the dependencies of these packages, as described in :func:`resolve`.

        ``named_versions`` are those that advisories name: they count as removed where the registry does not list them.
        They are in groups, the worst first: a range that only removed versions satisfy gets the highest of the first
        group that has one. No other version is suggested in place of a pin in ``real_versions``.
        """
        dependencies: list[Dependency] = []
        unsatisfied: list[Unsatisfied] = []
        for package in packages:
            declarations = self._declarations[package]
            skipped = [declaration for declaration in declarations if declaration.skip_reason]
            if skipped:
                dependencies.extend(_build_skipped_dependencies(package, skipped))
                declarations = [declaration for declaration in declarations if not declaration.skip_reason]
            if not declarations:
                continue
            resolver = _PackageResolver(
                package,
                package_infos.get(package),
                self._python,
                tuple(named_versions.get(package, ())),
                frozenset(real_versions.get(package, ())),
            )
            constraints = _Constraints(self._constraints.get(package, ()), self._project_directories, self._python)
            resolved_declarations = _resolve_declarations(resolver, declarations, constraints)
            dependencies.extend(_build_dependencies(package, resolved_declarations))
            problems = [resolved.unsatisfied for resolved in resolved_declarations if resolved.unsatisfied]
            if problems:
                unsatisfied.extend(_merge_unsatisfied(problems))
        return Resolution(tuple(sorted(dependencies, key=get_dependency_key)), tuple(sorted(unsatisfied)))


def _location_key(declaration: Declaration) -> tuple[str, int, str, str]:
    return declaration.location.path, declaration.location.line, declaration.requirement, declaration.group


def get_dependency_key(dependency: Dependency) -> tuple[str, str, str, str, str]:
    """Return the key that sorts dependencies."""
    package = dependency.package
    return package.ecosystem, package.name, dependency.version or "", dependency.requirement, dependency.skip_reason


def _group_by_package(declarations: Iterable[Declaration]) -> dict[Package, list[Declaration]]:
    grouped: dict[Package, list[Declaration]] = defaultdict(list)
    for declaration in declarations:
        grouped[declaration.package].append(declaration)
    return grouped


@lru_cache(maxsize=4_096)
def _find_project_directory(path: str) -> str:
    """Return the directory of the project that a file belongs to; empty for the scanned directory."""
    directory = path.rpartition("/")[0]
    parent, _, name = directory.rpartition("/")
    return parent if name == "requirements" else directory


# --- The version in use -----------------------------------------------------------------------------------------------


class _ResolvedDeclaration(msgspec.Struct, frozen=True, gc=False):
    """The version of one declaration."""

    declaration: Declaration
    version: str | None
    resolution: Literal["pinned", "range", "unresolved"]
    #: The constraints that the version depends on.
    constraints: tuple[Declaration, ...] = ()
    unsatisfied: Unsatisfied | None = None


class _Constraints(msgspec.Struct, frozen=True):
    """The constraints on one package."""

    constraints: Sequence[Declaration]
    #: Directories with declarations that are not constraints.
    project_directories: frozenset[str]
    python: str | None

    def select_for(self, declaration: Declaration) -> tuple[Declaration, ...]:
        """Return the constraints that apply to one declaration.

        They are in its project, above it, or in a directory with nothing but constraints; those of another project
        do not apply.
        """
        if not self.constraints:
            return ()
        project_directory = _find_project_directory(declaration.location.path)
        return tuple(
            constraint
            for constraint in self.constraints
            if self._covers_directory(constraint, project_directory) and _applies_to_python(constraint, self.python)
        )

    def select_overrides(self, declaration: Declaration) -> tuple[Declaration, ...]:
        """Return the overrides that replace the requirement of one declaration; a lock file has them already."""
        if declaration.locked_version:
            return ()
        file_name = declaration.location.path.rpartition("/")[2]
        return tuple(item for item in self.select_for(declaration) if item.override_of == file_name)

    def _covers_directory(self, constraint: Declaration, project_directory: str) -> bool:
        constraint_directory = _find_project_directory(constraint.location.path)
        return (
            not constraint_directory
            or f"{project_directory}/".startswith(f"{constraint_directory}/")
            or constraint_directory not in self.project_directories
        )


class _PackageResolver(msgspec.Struct, frozen=True):
    """Resolves the declarations of one package."""

    package: Package
    fact: Fact[PackageInfo] | None
    python: str | None
    #: Versions that advisories name, in groups, the worst first.
    named_versions: tuple[Sequence[str], ...] = ()
    #: Versions known to have existed.
    real_versions: frozenset[str] = frozenset()

    def resolve_pin(
        self, declaration: Declaration, version: str, constraints: tuple[Declaration, ...] = ()
    ) -> _ResolvedDeclaration:
        """Return the pinned version, in the spelling of the registry if it is listed."""
        if not isinstance(self.fact, Found):
            return _ResolvedDeclaration(declaration, version, "pinned", constraints)
        if version in self.fact.value.versions and "+" not in version:  # the usual case
            return _ResolvedDeclaration(declaration, version, "pinned", constraints)
        ecosystem = get_ecosystem(self.package.ecosystem)
        choice = ecosystem.choose_version(ecosystem.format_pin(version), self.fact.value)
        public_version = ecosystem.get_public_version(version)
        if not choice.version and public_version != version:
            public_choice = ecosystem.choose_version(ecosystem.format_pin(public_version), self.fact.value)
            if public_choice.version:
                return _ResolvedDeclaration(declaration, version, "pinned", constraints)
        unsatisfied = None
        if not choice.version:
            # A version that was locked, was removed or is named by an advisory is no typing error.
            is_real = (
                bool(declaration.locked_version)
                or version in self.fact.value.removed
                or any(ecosystem.is_same_version(version, real_version) for real_version in self.real_versions)
            )
            unsatisfied = self._build_unsatisfied(declaration, declaration.requirement, choice, is_real=is_real)
        return _ResolvedDeclaration(declaration, choice.version or version, "pinned", constraints, unsatisfied)

    def resolve_range(self, declaration: Declaration, constraints: tuple[Declaration, ...]) -> _ResolvedDeclaration:
        """Return the version that a constraint pins in the range, else the version that would be installed today."""
        ecosystem = get_ecosystem(self.package.ecosystem)
        pins = {
            constraint: version
            for constraint in constraints
            if (version := ecosystem.parse_pin(constraint.requirement)) is not None
        }
        highest = _find_highest(ecosystem, declaration.requirement, pins.values())
        if highest is not None:
            return self.resolve_pin(
                declaration, highest, tuple(constraint for constraint, version in pins.items() if version == highest)
            )
        requirement = ecosystem.join_requirements(
            declaration.requirement, [constraint.requirement for constraint in constraints]
        )
        candidates = (_find_highest(ecosystem, requirement, versions) for versions in self._list_removed())
        removed_version = next(filter(None, candidates), None)
        if not isinstance(self.fact, Found):
            return _ResolvedDeclaration(
                declaration, removed_version, "range" if removed_version else "unresolved", constraints
            )
        choice = ecosystem.choose_version(requirement, self.fact.value, interpreter=self._select_python(declaration))
        if choice.version is not None:
            return _ResolvedDeclaration(declaration, choice.version, "range", constraints)
        unsatisfied = self._build_unsatisfied(declaration, requirement, choice, is_real=removed_version is not None)
        resolution: Literal["range", "unresolved"] = "range" if removed_version else "unresolved"
        return _ResolvedDeclaration(declaration, removed_version, resolution, constraints, unsatisfied)

    def _list_removed(self) -> Iterator[Sequence[str]]:
        """Yield groups of versions that were published once and are not listed; none without the registry's answer."""
        if isinstance(self.fact, Found):
            for versions in (*self.named_versions, self.fact.value.removed):
                yield [version for version in versions if version not in self.fact.value.versions]
        elif isinstance(self.fact, Absent):
            yield from self.named_versions

    def _select_python(self, declaration: Declaration) -> str | None:
        return self.python if _applies_to_python(declaration, self.python) else None

    def _build_unsatisfied(
        self, declaration: Declaration, requirement: str, choice: VersionChoice, *, is_real: bool
    ) -> Unsatisfied:
        return Unsatisfied(
            package=self.package,
            requirement=requirement,
            reason=choice.reason,
            nearest=() if is_real else choice.suggestions,
            locations=(declaration.location,),
            is_missing=choice.is_missing and not is_real,
        )


def _resolve_declarations(
    resolver: _PackageResolver, declarations: Sequence[Declaration], constraints: _Constraints
) -> list[_ResolvedDeclaration]:
    resolved_declarations: list[_ResolvedDeclaration] = []
    pins_by_directory: dict[str, list[_ResolvedDeclaration]] = defaultdict(list)
    range_declarations: list[Declaration] = []
    for declaration in declarations:
        overrides = constraints.select_overrides(declaration)
        version = _find_exact_version(declaration)
        if overrides:
            resolved_declarations += _resolve_overrides(resolver, declaration, overrides)
        elif version is None:
            range_declarations.append(declaration)
        else:
            resolved_declarations.append(resolver.resolve_pin(declaration, version))
            pins_by_directory[_find_project_directory(declaration.location.path)].append(resolved_declarations[-1])
    for declaration in range_declarations:
        version = (
            _find_project_pin(
                declaration, pins_by_directory[_find_project_directory(declaration.location.path)], resolver.python
            )
            if pins_by_directory
            else None
        )
        resolved_declarations.append(
            resolver.resolve_range(declaration, constraints.select_for(declaration))
            if version is None
            else _ResolvedDeclaration(declaration, version, "pinned")
        )
    return resolved_declarations


def _resolve_overrides(
    resolver: _PackageResolver, declaration: Declaration, overrides: Sequence[Declaration]
) -> Iterator[_ResolvedDeclaration]:
    """Yield the version of each override: with several, each applies in other environments."""
    for override in {override.requirement: override for override in overrides}.values():
        replaced = replace(declaration, requirement=override.requirement)
        version = _find_exact_version(replaced)
        resolved = resolver.resolve_range(replaced, ()) if version is None else resolver.resolve_pin(replaced, version)
        yield replace(resolved, declaration=declaration, constraints=(override,))


def _find_exact_version(declaration: Declaration) -> str | None:
    """Return the exact version in the file or in its lock file; None for a range."""
    return declaration.locked_version or get_ecosystem(declaration.ecosystem).parse_pin(declaration.requirement)


def _find_project_pin(declaration: Declaration, pins: Sequence[_ResolvedDeclaration], python: str | None) -> str | None:
    """Return the highest pin of the same project in the range, preferring pins that apply to this Python."""
    applicable_pins = [resolved for resolved in pins if _applies_to_python(resolved.declaration, python)]
    return _find_highest(
        get_ecosystem(declaration.ecosystem),
        declaration.requirement,
        (resolved.version or "" for resolved in applicable_pins or pins),
    )


def _find_highest(ecosystem: Ecosystem, requirement: str, versions: Iterable[str]) -> str | None:
    matching_versions = [version for version in versions if ecosystem.satisfies(requirement, version, prereleases=True)]
    return ecosystem.sort_newest_first(matching_versions)[0] if matching_versions else None


def _applies_to_python(declaration: Declaration, python: str | None) -> bool:
    return (
        not declaration.marker
        or python is None
        or not get_ecosystem(declaration.ecosystem).uses_python
        or _marker_matches(declaration.marker, python)
    )


@lru_cache(maxsize=4_096)
def _marker_matches(marker: str, python: str) -> bool:
    """Return whether a marker applies to this Python; comparisons of other variables count as true."""
    from packaging.markers import Marker

    try:
        marker_text = str(Marker(marker))
        python_marker = _COMPARISON.sub(
            lambda match: match[0] if _PYTHON_VARIABLE.search(match[0]) else _TRUE_COMPARISON, marker_text
        )
        environment = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
        return Marker(python_marker).evaluate(environment)
    except ValueError:  # not a marker, or a comparison of incomparable values
        return True


# --- One dependency per version ---------------------------------------------------------------------------------------


def _build_dependencies(
    package: Package, resolved_declarations: Iterable[_ResolvedDeclaration]
) -> Iterator[Dependency]:
    for version, group in _group_by_version(get_ecosystem(package.ecosystem), resolved_declarations).items():
        declarations = [resolved.declaration for resolved in group]
        constraints = [constraint for resolved in group for constraint in resolved.constraints]
        resolution = "pinned" if any(resolved.resolution == "pinned" for resolved in group) else group[0].resolution
        yield build_dependency(package, declarations, constraints, version, resolution)


def _group_by_version(
    ecosystem: Ecosystem, resolved_declarations: Iterable[_ResolvedDeclaration]
) -> dict[str | None, list[_ResolvedDeclaration]]:
    grouped: dict[str | None, list[_ResolvedDeclaration]] = {}
    for resolved in resolved_declarations:
        version = resolved.version
        if version is not None and version not in grouped:
            version = next(
                (
                    known_version
                    for known_version in grouped
                    if known_version is not None and ecosystem.is_same_version(known_version, version)
                ),
                version,
            )
        grouped.setdefault(version, []).append(resolved)
    return grouped


def _build_skipped_dependencies(package: Package, declarations: Sequence[Declaration]) -> Iterator[Dependency]:
    """Yield a skipped package once per reason and version.

    Files have several reasons for a package of the project itself: they count as one, unless they state several paths.
    A place without a version counts to the only version that other places with its reason have, as an export may leave
    out what the lock file states.
    """
    paths = {item.skip_reason for item in declarations if item.skip_reason.startswith(_STATED_PATH)}
    grouped: dict[str, dict[str | None, list[Declaration]]] = {}
    for declaration in declarations:
        reason = declaration.skip_reason
        is_own = reason.startswith(PROJECT_REASONS) and (len(paths) <= 1 or reason not in paths)
        by_version = grouped.setdefault(PROVIDED_REASON if is_own else reason, {})
        by_version.setdefault(_find_exact_version(declaration), []).append(declaration)
    for by_version in grouped.values():
        known_versions = [version for version in by_version if version is not None]
        if len(known_versions) == 1:
            by_version[known_versions[0]] += by_version.pop(None, [])
        for version, items in by_version.items():
            dependency = build_dependency(package, items, (), version, "unresolved" if version is None else "pinned")
            yield replace(dependency, skip_reason=min((item.skip_reason for item in items), key=_rate_reason))


def _rate_reason(skip_reason: str) -> tuple[int, int, str]:
    """Return the place of a reason among those of one package: the most specific first."""
    rank = next((index for index, start in enumerate(PROJECT_REASONS) if skip_reason.startswith(start)), 0)
    return rank, -len(skip_reason), skip_reason


def build_dependency(
    package: Package,
    declarations: Sequence[Declaration],
    constraints: Sequence[Declaration],
    version: str | None,
    resolution: Literal["pinned", "range", "unresolved"],
) -> Dependency:
    """Return the dependency on one version of a package that these declarations have, narrowed by constraints."""
    if len(declarations) == 1 and not constraints:  # the usual case
        only = declarations[0]
        return Dependency(
            package=package,
            requirement=only.requirement,
            version=version,
            resolution=resolution,
            direct=not only.indirect,
            groups=_make_single(only.group) if only.group else (),
            locations=(only.location,),
            markers=_make_single(only.marker) if only.marker else (),
            aliases=_make_single(only.alias) if only.alias else (),
            extras=_sort_distinct(list(only.extras)),
            skip_reason=only.skip_reason,
            via=_make_single(only.via) if only.via else (),
            parents=_sort_distinct(list(only.parents)),
        )
    sources = sorted([*declarations, *constraints], key=_location_key)
    return Dependency(
        package=package,
        requirement=" · ".join(
            dict.fromkeys([declaration.requirement for declaration in sources if declaration.requirement])
        ),
        version=version,
        resolution=resolution,
        direct=not all(declaration.indirect for declaration in declarations),
        groups=_sort_distinct([declaration.group for declaration in declarations]),
        locations=tuple(dict.fromkeys([declaration.location for declaration in sources])),
        markers=_sort_distinct(_list_markers(declarations)),
        aliases=_sort_distinct([declaration.alias for declaration in declarations]),
        extras=_sort_distinct([extra for declaration in declarations for extra in declaration.extras]),
        skip_reason=declarations[0].skip_reason,
        via=_select_nearest(declarations),
        parents=_sort_distinct([parent for declaration in declarations for parent in declaration.parents]),
    )


def _list_markers(declarations: Sequence[Declaration]) -> list[str]:
    """Return the markers of declarations; none if a file has the package with and without one.

    The marker of another file may be that of a lock file, which is about the version.
    """
    paths = {declaration.location.path for declaration in declarations if declaration.marker}
    if any(not declaration.marker and declaration.location.path in paths for declaration in declarations):
        return []
    return [declaration.marker for declaration in declarations]


def _select_nearest(declarations: Sequence[Declaration]) -> tuple[str, ...]:
    """Return the nearest direct dependency of each lock file; none for a direct dependency."""
    if any(declaration.via == "" for declaration in declarations):
        return ()
    if len(declarations) == 1:  # the usual case
        return (declarations[0].via,)
    distances: dict[str, int] = {}
    for declaration in declarations:
        path = declaration.location.path
        distances[path] = min(distances.get(path, declaration.via_distance), declaration.via_distance)
    return _sort_distinct([item.via for item in declarations if item.via_distance == distances[item.location.path]])


def _sort_distinct(texts: list[str]) -> tuple[str, ...]:
    if len(texts) == 1:  # the usual case
        return _make_single(texts[0]) if texts[0] else ()
    return tuple(sorted({text for text in texts if text}))


@lru_cache(maxsize=1024)
def _make_single(text: str) -> tuple[str, ...]:
    """Return a tuple of one text, the same object for equal texts: a million dependencies have few groups."""
    return (text,)


def _merge_unsatisfied(unsatisfied: Iterable[Unsatisfied]) -> Iterator[Unsatisfied]:
    """Merge entries that are equal but for their locations."""
    locations_by_requirement: dict[Unsatisfied, set[Location]] = defaultdict(set)
    for item in unsatisfied:
        locations_by_requirement[replace(item, locations=())].update(item.locations)
    for item, locations in locations_by_requirement.items():
        yield replace(item, locations=tuple(sorted(locations)))
