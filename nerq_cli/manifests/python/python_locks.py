"""Python lock files in TOML: a table for each package, and edges between the packages.

Such files are long. To read them fast, the values are parsed by `tomli` alone, the line of an entry is that of its
header, and the places of other values are located only when a problem is reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI, normalise_name
from nerq_cli.inventory import DependencyFile, Edge, Importer, Location, LockedPackage
from nerq_cli.manifests.package_source import PackageSource, strip_credentials
from nerq_cli.manifests.python.archive_names import find_other_artefact
from nerq_cli.manifests.python.declarations import LOCAL_REASONS
from nerq_cli.manifests.python.dependency_groups import label_extra
from nerq_cli.manifests.python.pep508 import MAX_LENGTH, NotASpecifierError, Specifier, parse_specifier, validate_marker
from nerq_cli.manifests.syntax.quote import quote_requirement, quote_text
from nerq_cli.manifests.syntax.toml_document import TomlDocument
from nerq_cli.patterns import compile_late
from nerq_cli.problem import Problem, ProblemLevel

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

#: Most entries read for one package: an edge to it is compared with each of them. Real files have a few.
MAX_VERSIONS: Final = 20
#: Dots in a line from which on the file is read by `TomlDocument` alone, which rejects keys of many parts.
_DOTS_LIMIT: Final = 100
#: Most markers that are joined to one.
_MAX_MARKERS: Final = 8

_STRING = r'"[^"\\\x00-\x1f\x7f]*"'
_ARTEFACT_FIELD = (
    rf"(?:(?:name|file|url|path) = {_STRING}|size = [1-9][0-9]{{0,11}}"
    rf"|upload-time = (?:{_STRING}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9:.]{{8,15}}Z))"
)
_HASH_FIELD = rf"(?:hash = {_STRING}|hashes = \{{ ?sha256 = {_STRING} ?\}})"
_ARTEFACT_LINE = rf"[ \t]*\{{ ?(?:{_ARTEFACT_FIELD}, )*{_HASH_FIELD}(?:, {_ARTEFACT_FIELD})* ?\}},\n"
#: Artefacts of one package as the tools write them: one a line, each with its hash.
_ARTEFACT_LINES = compile_late(rf"(?<=\n)({_ARTEFACT_LINE})((?:{_ARTEFACT_LINE})+)")

#: Server and file name of an artefact.
_ARTEFACT_ADDRESS = compile_late(r'(?:url|file|path|name) = "((?:https?://[^/"?#%]*/)?)(?:[^"?#%]*/)?([^"/?#]+)"')
#: Keys of the artefacts of a package, and those that name the file of one.
_ARTEFACT_KEYS: Final = ("wheels", "files", "sdist")
_FILE_KEYS: Final = ("url", "path", "file", "filename", "name")

_NAME_PATTERN = compile_late(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_VERSION_PATTERN = compile_late(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*", re.ASCII)
_FORMAT_VERSION = compile_late(r"([0-9]{1,4})(?:\.([0-9]{1,4}))?(?:\.[0-9]{1,4})*", re.ASCII)
#: An environment marker's comparison with an extra.
_EXTRA_CLAUSE = compile_late(r"""\bextra\s*==\s*["']([^"']+)["']""")
_NAME_WITH_EXTRAS = compile_late(r"([^\[\]]+?)\s*\[([^\[\]]*)\]\s*")
#: The usual specifiers of lock files; all others are parsed by `parse_specifier`.
_VERSION_CLAUSE = r"(?:[<>!=~]=|[<>])[ ]*[A-Za-z0-9.*+!_-]+"
_SIMPLE_SPECIFIER = compile_late(
    rf"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[([A-Za-z0-9,._ -]*)\])?"
    rf"[ ]*((?:{_VERSION_CLAUSE}(?:[ ]*,[ ]*{_VERSION_CLAUSE})*)?)(?:[ ]*;[ ]*([^;]+))?"
)
#: Keys of repositories in lock files of PDM and Pipenv, and in a Pipfile.
VCS_KEYS: Final = ("git", "hg", "svn", "bzr")

TableKey: TypeAlias = "str | int"
Item = TypeVar("Item")


class LockFile:
    """A lock file in TOML, with the problems found in it. Reading one never raises.

    ``unlocked_names`` are the normalised names of packages that may be missing, though others depend on them.
    """

    def __init__(self, text: str, path: str, unlocked_names: Collection[str] = ()) -> None:
        self.path = path
        self.unlocked_names = unlocked_names
        self._text = _condense_artefacts(text.removeprefix("\ufeff").replace("\r\n", "\n"))
        self.root = LockTable(self, (), self._parse_values())
        if not self.root.values and not self.problems:
            self.add_problem("the file is empty", hint="lock the project again")

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return the distinct problems, sorted by line and column."""
        return self._document.problems if "_document" in self.__dict__ else ()

    @property
    def too_many_problems(self) -> bool:
        """Return whether reading should stop."""
        return "_document" in self.__dict__ and self._document.too_many_problems

    def build_file(
        self,
        format_: str,
        packages: Iterable[LockedPackage],
        *,
        constraint: bool,
        importers: Sequence[Importer] = (),
        locked_filename: str = "pyproject.toml",
        compares_requirements: bool = False,
        compares_local_packages: bool = False,
        settings: tuple[tuple[str, str], ...] = (),
    ) -> DependencyFile:
        """Return what was read; ``locked_filename`` is the file that the lock file is made from."""
        locked_packages = tuple(packages)
        local_packages = (package for package in locked_packages if package.skip_reason in LOCAL_REASONS)
        return DependencyFile(
            path=self.path,
            format=format_,
            locked_packages=locked_packages,
            importers=tuple(importers) or None,
            locked_filenames=(locked_filename,),
            compares_requirements=compares_requirements,
            compares_local_packages=compares_local_packages,
            settings=settings,
            constraint=constraint,
            local_names=tuple(sorted({package.package.name for package in local_packages})),
            problems=self.problems,
        )

    def add_problem(self, message: str, *keys: TableKey, hint: str = "", level: ProblemLevel = "error") -> None:
        """Add a problem at the value with this path of keys; without keys, at the file as a whole."""
        position = self._document.root.place
        for key in keys:
            position = position.children.get(key, position)
        self._document.add_problem(message, position.offset if keys else None, hint=hint, level=level)

    def find_lines(self, key: str, count: int) -> Sequence[int]:
        """Return the first line of each table of an array.

        The headers are counted; if their number is wrong (one is in a string, or the array is inline), the file is
        parsed again.
        """
        if '"""' not in self._text and "'''" not in self._text:
            headers = re.finditer(rf"^[ \t]*\[\[[ \t]*{key}[ \t]*\]\]", self._text, re.MULTILINE)
            lines = list(_count_lines(self._text, (header.start() for header in headers)))
            if len(lines) == count:
                return lines
        position = self._document.root.place.children[key]
        return [self._document.line_at(position.children[index].offset) for index in range(count)]

    @cached_property
    def _document(self) -> TomlDocument:
        return TomlDocument(self._text, self.path)

    def _parse_values(self) -> Mapping[str, object]:
        import tomli

        if all(line.count(".") < _DOTS_LIMIT for line in self._text.split("\n")):
            with suppress(ValueError, RecursionError):
                return tomli.loads(self._text)
        return cast(
            "Mapping[str, object]", self._document.root.value
        )  # parsed again to report the error with its place


class LockTable(msgspec.Struct, frozen=True):
    """One table of a lock file. Its methods report a value of a wrong type, and treat it as missing."""

    lock: LockFile
    #: The keys and indices from the root to the table.
    key_path: tuple[TableKey, ...]
    values: Mapping[str, object]

    def get_text(self, key: str) -> str:
        """Return a string; empty if there is none."""
        value = self.values.get(key)
        if isinstance(value, str):
            return value
        if value is not None:
            self.report_problem(f"{key} must be a string", key)
        return ""

    def get_table(self, key: str) -> LockTable:
        """Return a table; empty if there is none."""
        value = self.values.get(key)
        if isinstance(value, dict):
            return LockTable(self.lock, (*self.key_path, key), value)
        if value is not None:
            self.report_problem(f"{key[:MAX_LENGTH]} must be a table", key)
        return LockTable(self.lock, (*self.key_path, key), {})

    def get_tables(self, key: str) -> list[LockTable]:
        """Return the tables of an array; none if there is no array."""
        return [
            LockTable(self.lock, (*self.key_path, key, index), values)
            for index, values in self._iter_items(key, dict, "tables")
        ]

    def get_strings(self, key: str) -> list[str]:
        """Return the strings of an array; none if there is no array."""
        return [string for _, string in self._iter_items(key, str, "strings")]

    def report_problem(self, message: str, *keys: TableKey, hint: str = "", level: ProblemLevel = "error") -> None:
        """Report a problem at this table, or at a value in it."""
        self.lock.add_problem(message, *self.key_path, *keys, hint=hint, level=level)

    def _iter_items(self, key: str, item_type: type[Item], type_name: str) -> Iterator[tuple[int, Item]]:
        array = self.values.get(key)
        if not isinstance(array, list):
            if array is not None:
                self.report_problem(f"{quote_text(key)} must be an array of {type_name}", key)
            return
        for index, item in enumerate(array):
            if isinstance(item, item_type):
                yield index, item
            else:
                self.report_problem(f"{quote_text(key)} may contain only {type_name}", key, index)


class LockEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One package of a lock file, without its edges."""

    table: LockTable
    #: A key that no other entry of the file has.
    key: str
    name: str
    version: str
    line: int
    source: PackageSource

    def make_package(
        self,
        edges: Iterable[Edge] | None,
        *,
        groups: Iterable[str] = (),
        marker: str = "",
        optional: bool = False,
        hashed: bool = False,
    ) -> LockedPackage:
        """Return the locked package, with distinct edges and none to itself."""
        return LockedPackage(
            key=self.key,
            ecosystem=PYPI,
            name=self.name,
            version=self.version,
            location=Location(path=self.table.lock.path, line=self.line),
            edges=None if edges is None else tuple(dict.fromkeys(edge for edge in edges if edge.target != self.key)),
            groups=tuple(dict.fromkeys(groups)),
            optional=optional,
            marker=marker,
            skip_reason=self.source.skip,
            index=self.source.index,
            extra_indexes=self.source.extra_indexes,
            has_hash=hashed,
            directory=self.source.directory,
        )


#: The entries of each package, by normalised name.
EntryIndex: TypeAlias = Mapping[str, Sequence[LockEntry]]


def read_entries(
    lock: LockFile, array: str, read_source: Callable[[LockTable], PackageSource], identity_keys: Sequence[str]
) -> list[LockEntry]:
    """Return the packages of an array of tables; report those that are malformed.

    Args:
        lock: the lock file.
        array: the name of the array.
        read_source: returns the source of a package.
        identity_keys: the keys that distinguish entries of the same name and version.
    """
    tables = lock.root.get_tables(array)
    value = lock.root.values.get(array)
    lines = lock.find_lines(array, len(value)) if isinstance(value, list) and value else ()
    by_identity: dict[tuple[str, ...], LockEntry] = {}
    key_counts: dict[str, int] = {}
    entry_counts: dict[str, int] = {}
    for table in tables:
        entry = _read_entry(table, read_source(table), lines[cast("int", table.key_path[-1])])
        if entry is None:
            continue
        name = normalise_name(PYPI, entry.name)
        identity = (name, entry.version, *(repr(table.values.get(key)) for key in identity_keys))
        entry_counts[name] = entry_counts.get(name, 0) + 1
        if identity in by_identity:
            table.report_problem(
                f"{quote_text(entry.name)} {entry.version} is here twice, first on line {by_identity[identity].line}"
            )
        elif entry_counts[name] > MAX_VERSIONS:
            table.report_problem(f"more than {MAX_VERSIONS} entries for {quote_text(entry.name)}: this one is not read")
        else:
            number = key_counts[entry.key] = key_counts.get(entry.key, 0) + 1
            by_identity[identity] = entry if number == 1 else replace(entry, key=f"{entry.key}#{number}")
    return list(by_identity.values())


def index_entries(entries: Iterable[LockEntry]) -> EntryIndex:
    """Return the entries by normalised name."""
    entries_by_name: dict[str, list[LockEntry]] = {}
    for entry in entries:
        entries_by_name.setdefault(normalise_name(PYPI, entry.name), []).append(entry)
    return entries_by_name


def match_entries(candidates: Sequence[LockEntry], requirement: str) -> Sequence[LockEntry]:
    """Return the entries an edge leads to: those whose version satisfies the requirement, or all if none does.

    Several entries of one name are for different environments, so an edge can lead to more than one.
    """
    if len(candidates) <= 1 or not requirement:
        return candidates
    alternatives = _parse_alternatives(requirement)
    return [entry for entry in candidates if _is_allowed(entry.version, alternatives)] or candidates


def report_missing(table: LockTable, name: str, *keys: TableKey) -> None:
    """Report an edge to a package that is not in the file, unless the package may be missing."""
    if normalise_name(PYPI, name) not in table.lock.unlocked_names:
        message = f"{quote_text(name)} is required here, but not in this file"
        table.report_problem(message, *keys, hint="lock the project again", level="incomplete")


def find_extras(marker: str) -> list[str]:
    """Return the groups of the extras that a marker compares with."""
    return [label_extra(extra) for extra in _EXTRA_CLAUSE.findall(marker)]


@lru_cache(maxsize=8192)
def parse_locked_specifier(text: str) -> Specifier:
    """Return the parts of a dependency specifier; its marker may be malformed.

    Raises:
        NotASpecifierError: The text is not a specifier.
    """
    match = _SIMPLE_SPECIFIER.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match:
        _, extras = split_extras(f"{match[1]}[{match[2] or ''}]")
        return Specifier(name=match[1], extras=extras, version=match[3].strip(), marker=(match[4] or "").strip())
    return parse_specifier(text)


def read_specifier_edges(table: LockTable, key: str, entries_by_name: EntryIndex) -> Iterator[Edge]:
    """Yield the edges of an array of specifiers. A target may be missing if the specifier has a marker."""
    for index, text in enumerate(table.get_strings(key)):
        if table.lock.too_many_problems:
            return
        try:
            specifier = parse_locked_specifier(text)
        except NotASpecifierError as error:
            table.report_problem(
                f"{quote_requirement(text)} is not a dependency specifier: {error}", key, index, hint=error.hint
            )
            continue
        targets = match_entries(entries_by_name.get(normalise_name(PYPI, specifier.name), ()), specifier.version)
        if not targets and not specifier.marker:
            report_missing(table, specifier.name, key, index)
        yield from (Edge(target=target.key, requirement=specifier.version) for target in targets)


def is_package_name(text: str) -> bool:
    """Return whether this is a valid package name."""
    return len(text) <= MAX_LENGTH and bool(_NAME_PATTERN.fullmatch(text))


def is_version(text: str) -> bool:
    """Return whether this can be one version, of PEP 440 or older."""
    return len(text) <= MAX_LENGTH and bool(_VERSION_PATTERN.fullmatch(text))


def parse_format_version(version: str) -> tuple[int, int]:
    """Return the major and minor version of a lock format; (-1, 0) if it is malformed."""
    match = _FORMAT_VERSION.fullmatch(version)
    return (int(match[1]), int(match[2] or 0)) if match else (-1, 0)


def split_extras(name: str) -> tuple[str, tuple[str, ...]]:
    """Return name and extras of ``requests[socks]``."""
    match = _NAME_WITH_EXTRAS.fullmatch(name)
    if not match:
        return name, ()
    return match[1], tuple(sorted(filter(None, (extra.strip() for extra in match[2].split(",")))))


def read_marker(table: LockTable, key: str) -> str:
    """Return the environment marker of a table; report one that is malformed."""
    text = "" if table.lock.too_many_problems else table.get_text(key)
    try:
        return validate_marker(text) if text else ""
    except ValueError as error:
        table.report_problem(f"not an environment marker: {error}", key)
        return ""


def join_alternatives(markers: Iterable[str]) -> str:
    """Return a marker that is true if one of these is; empty if one is empty, or if there are too many."""
    unique_markers = list(dict.fromkeys(markers))
    if "" in unique_markers or len(unique_markers) > _MAX_MARKERS:
        return ""
    return " or ".join(unique_markers)


def _condense_artefacts(text: str) -> str:
    """Replace the artefacts of a package by empty lines, but for the first of each server, name and version.

    They are most of the file, and only their origins and whether they have hashes is read.
    """
    return _ARTEFACT_LINES.sub(_condense_lines, text)


def _condense_lines(match: re.Match[str]) -> str:
    lines = [match[1]]
    previous_origin = _find_artefact_origin(match[1])
    for line in match[2].splitlines(keepends=True):
        origin = _find_artefact_origin(line)
        lines.append("\n" if origin == previous_origin else line)
        previous_origin = origin
    return "".join(lines)


def _find_artefact_origin(line: str) -> list[tuple[str, str]] | str:
    """Return what the artefacts of a release share: servers, names and versions; a line of unusual form as it is."""
    if "%2f" in line.lower() or "?" in line or "#" in line:
        return line
    return [
        (server, "-".join(file_name.split("-", 2)[:2]) if file_name.endswith(".whl") else file_name)
        for server, file_name in _ARTEFACT_ADDRESS.findall(line)
    ]


def _count_lines(text: str, offsets: Iterable[int]) -> Iterator[int]:
    line, previous_offset = 1, 0
    for offset in offsets:
        line += text.count("\n", previous_offset, offset)
        previous_offset = offset
        yield line


def _read_entry(table: LockTable, source: PackageSource, line: int) -> LockEntry | None:
    name, version = table.get_text("name"), table.get_text("version")
    if not is_package_name(name):
        message = f"{quote_text(name)} cannot be the name of a package" if name else "a package needs a name"
        table.report_problem(message, *(["name"] if name else []))
        return None
    if not (is_version(version) or (source.skip and not version)):
        message = f"{quote_text(name)} has {'no version that can be one' if version else 'no version'}"
        table.report_problem(message, *(["version"] if version else []))
        return None
    other = "" if source.skip else find_other_artefact(_iter_artefacts(table, name, version), name, version)
    if other:  # an index of its own, so that it does not count as that of the package
        source = PackageSource(index=strip_credentials(other))
    key = f"{name}@{version}" if version else name
    return LockEntry(table=table, key=key, name=name, version=version, line=line, source=source)


def _iter_artefacts(table: LockTable, name: str, version: str) -> Iterator[str]:
    """Yield the addresses and names of the files of a package; PDM before 2.8 has them at the end of the lock file."""
    values = [table.values.get(key) for key in _ARTEFACT_KEYS]
    metadata = table.lock.root.values.get("metadata")
    files = metadata.get("files") if isinstance(metadata, dict) else None
    values += [files.get(f"{name} {version}")] if isinstance(files, dict) else []
    for value in values:
        for artefact in value if isinstance(value, list) else [value]:
            if isinstance(artefact, dict):
                yield from (text for key in _FILE_KEYS if isinstance(text := artefact.get(key), str))


@lru_cache(maxsize=1024)
def _parse_alternatives(requirement: str) -> tuple[SpecifierSet, ...]:
    from packaging.specifiers import SpecifierSet

    try:
        return tuple(SpecifierSet(part) for part in requirement.split("||"))
    except ValueError:  # InvalidSpecifier, or a number with more digits than Python converts
        return ()


def _is_allowed(version: str, alternatives: Iterable[SpecifierSet]) -> bool:
    parsed_version = _parse_version(version)
    return parsed_version is not None and any(
        specifiers.contains(parsed_version, prereleases=True) for specifiers in alternatives
    )


@lru_cache(maxsize=8192)
def _parse_version(version: str) -> Version | None:
    from packaging.version import Version

    try:
        return Version(version)
    except ValueError:  # InvalidVersion, or a number with more digits than Python converts
        return None
