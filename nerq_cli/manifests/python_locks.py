"""What Python's lock files in TOML have in common: a table for each package, and edges between the packages.

Such files are long, and read in whole projects' numbers. So the values are read by `tomli` alone, the line of an entry
is that of its header, and where anything else stands is only found out when there is something to say about it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

from nerq_cli.errors import Problem
from nerq_cli.inventory import PYPI, Location, Locked, Manifest, Need, normalise
from nerq_cli.manifests.origins import LOCAL, Origin
from nerq_cli.manifests.pep508 import LONGEST, NotASpecifierError, checked_marker
from nerq_cli.manifests.pep508 import parse as parse_specifier
from nerq_cli.manifests.toml_document import Document, quoted

if TYPE_CHECKING:
    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

#: Most entries read for one package: an edge to it has to look at all of them. Real files have a handful.
MOST_VERSIONS: Final = 20
#: Lines with this many dots are left to the reader that is careful with keys of many parts (see `toml_document`).
_MANY_DOTS: Final = 100
#: Most markers that one package's marker is put together from; with more of them it is nobody's reading.
_MOST_MARKERS: Final = 8

_STRING = r'"[^"\\\x00-\x1f\x7f]*"'
_DETAIL = (
    rf"(?:(?:name|file|url|path) = {_STRING}|size = [1-9][0-9]{{0,11}}"
    rf"|upload-time = (?:{_STRING}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9:.]{{8,15}}Z))"
)
_HASH = rf"(?:hash = {_STRING}|hashes = \{{ ?sha256 = {_STRING} ?\}})"
_ARTEFACT = rf"[ \t]*\{{ ?(?:{_DETAIL}, )*{_HASH}(?:, {_DETAIL})* ?\}},\n"
#: Artefacts of one package, as the tools write them: one a line, each with its hash.
_ARTEFACTS = re.compile(rf"(?<=\n)({_ARTEFACT})((?:{_ARTEFACT})+)")

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*", re.ASCII)
_NUMBERED = re.compile(r"([0-9]{1,4})(?:\.([0-9]{1,4}))?(?:\.[0-9]{1,4})*", re.ASCII)
_WITH_EXTRAS = re.compile(r"([^\[\]]+?)\s*\[([^\[\]]*)\]\s*")
#: The specifiers that lock files are full of; all others are left to the grammar.
_CLAUSE = r"(?:[<>!=~]=|[<>])[ ]*[A-Za-z0-9.*+!_-]+"
_PLAIN = re.compile(
    rf"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[([A-Za-z0-9,._ -]*)\])?"
    rf"[ ]*((?:{_CLAUSE}(?:[ ]*,[ ]*{_CLAUSE})*)?)(?:[ ]*;[ ]*([^;]+))?"
)
#: What a marker asks of the platform rather than of the Python version, or of what the user wants.
_OF_PLATFORM = re.compile(
    r"\b(?:sys_platform|platform_\w+|os_name|os\.name|sys\.platform|platform\.\w+|implementation_\w+|extra)\b"
)

#: What a marker asks of the user's choice in the notation of PEP 751, and what always holds.
_CHOICE = re.compile(r"""["'][^"']*["']\s+(?:not\s+)?in\s+(?:extras|dependency_groups)\b""")
_ALWAYS: Final = "python_version >= '3'"
_OLDEST_MINOR: Final = 9
_NEWEST_MINOR: Final = 15
#: Pythons that a package is installed on: the first and a late release of each that is in use, or soon to be. The
#: newest come first, since most markers hold for them.
_PYTHONS: Final = tuple(
    {
        "python_version": f"3.{minor}",
        "python_full_version": f"3.{minor}.{micro}",
        "implementation_version": f"3.{minor}.{micro}",
    }
    for minor, micro in product(range(_NEWEST_MINOR, _OLDEST_MINOR - 1, -1), (0, 15))
)
#: Platforms that nearly everybody uses, each with both of its machines, all running CPython.
_PLATFORMS: Final = tuple(
    {
        "sys_platform": sys_platform,
        "platform_system": system,
        "os_name": os_name,
        "platform_machine": machine,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_version": "",
        "extra": "",
    }
    for sys_platform, system, os_name, machines in (
        ("linux", "Linux", "posix", ("x86_64", "aarch64")),
        ("darwin", "Darwin", "posix", ("x86_64", "arm64")),
        ("win32", "Windows", "nt", ("AMD64", "ARM64")),
    )
    for machine in machines
)

Key: TypeAlias = "str | int"
Item = TypeVar("Item")


class LockFile:
    """A lock file in TOML that has been read, and what was found wrong with it so far. Reading one never raises.

    ``unlocked`` are normalised names that the file may well lack, though something in it needs them.
    """

    def __init__(self, text: str, path: str, unlocked: Collection[str] = ()) -> None:
        self.path = path
        self.unlocked = unlocked
        self._text = _condensed(text.removeprefix("\ufeff").replace("\r\n", "\n"))
        self.root = Table(self, (), self._values())
        if not self.root.values and not self.problems:
            self.report("the file is empty", hint="lock the project again")

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, each thing once, from top to bottom."""
        return self._document.problems if "_document" in self.__dict__ else ()

    @property
    def hopeless(self) -> bool:
        """Whether so much is wrong that going on would help nobody."""
        return "_document" in self.__dict__ and self._document.hopeless

    def manifest(self, format_: str, found: Iterable[Locked], *, constraint: bool) -> Manifest:
        """Return all that was read: these packages, locked for the pyproject.toml beside the file."""
        locked = tuple(found)
        return Manifest(
            path=self.path,
            format=format_,
            locked=locked,
            locks=("pyproject.toml",),
            constraint=constraint,
            locals=tuple(sorted({one.package.name for one in locked if one.skip == LOCAL})),
            problems=self.problems,
        )

    def report(self, message: str, *keys: Key, hint: str = "") -> None:
        """Note a problem at the value these keys lead to; without keys it is the file's as a whole."""
        place = self._document.root.place
        for key in keys:
            place = place.parts.get(key, place)
        self._document.report(message, place.offset if keys else None, hint=hint)

    def lines(self, key: str, count: int) -> Sequence[int]:
        """Return the line each table of an array begins on.

        Counting headers is enough unless one stands inside a text, or the array is written in another way.
        """
        if '"""' not in self._text and "'''" not in self._text:
            headers = re.finditer(rf"^[ \t]*\[\[[ \t]*{key}[ \t]*\]\]", self._text, re.MULTILINE)
            lines = list(_counted(self._text, (header.start() for header in headers)))
            if len(lines) == count:
                return lines
        place = self._document.root.place.parts[key]
        return [self._document.line(place.parts[index].offset) for index in range(count)]

    @cached_property
    def _document(self) -> Document:
        return Document(self._text, self.path)

    def _values(self) -> Mapping[str, object]:
        import tomli

        if all(line.count(".") < _MANY_DOTS for line in self._text.split("\n")):
            with suppress(ValueError, RecursionError):
                return tomli.loads(self._text)
        return cast("Mapping[str, object]", self._document.root.value)  # reads again, to say what is wrong and where


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a lock file, and the keys that lead to it.

    The methods that want a certain type report any other as a problem, and go on as if the value were missing.
    """

    lock: LockFile
    at: tuple[Key, ...]
    values: Mapping[str, object]

    def text(self, key: str) -> str:
        """Return a string; empty when there is none."""
        value = self.values.get(key)
        if isinstance(value, str):
            return value
        if value is not None:
            self.problem(f"{key} must be a string", key)
        return ""

    def table(self, key: str) -> Table:
        """Return a table; empty when there is none."""
        value = self.values.get(key)
        if isinstance(value, dict):
            return Table(self.lock, (*self.at, key), value)
        if value is not None:
            self.problem(f"{key[:LONGEST]} must be a table", key)
        return Table(self.lock, (*self.at, key), {})

    def tables(self, key: str) -> list[Table]:
        """Return the tables of an array; none when there is no such array."""
        return [Table(self.lock, (*self.at, key, at), one) for at, one in self._items(key, dict, "tables")]

    def strings(self, key: str) -> list[str]:
        """Return the strings of an array; none when there is no such array."""
        return [one for _, one in self._items(key, str, "strings")]

    def problem(self, message: str, *keys: Key, hint: str = "") -> None:
        """Report a problem at this place, or at a value in it."""
        self.lock.report(message, *self.at, *keys, hint=hint)

    def _items(self, key: str, kind: type[Item], what: str) -> Iterator[tuple[int, Item]]:
        array = self.values.get(key)
        if not isinstance(array, list):
            if array is not None:
                self.problem(f"{quoted(key)} must be an array of {what}", key)
            return
        for at, one in enumerate(array):
            if isinstance(one, kind):
                yield at, one
            else:
                self.problem(f"{quoted(key)} may hold nothing but {what}", key, at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One package of a lock file, before its edges are known. ``key`` tells it from all others of the file."""

    table: Table
    key: str
    name: str
    version: str
    line: int
    origin: Origin

    def locked(
        self,
        needs: Iterable[Need] | None,
        *,
        groups: Iterable[str] = (),
        marker: str = "",
        optional: bool = False,
        hashed: bool = False,
    ) -> Locked:
        """Return it with what else the file says of it; the edges once each, and none to itself."""
        return Locked(
            key=self.key,
            ecosystem=PYPI,
            name=self.name,
            version=self.version,
            location=Location(path=self.table.lock.path, line=self.line),
            needs=None if needs is None else tuple(dict.fromkeys(need for need in needs if need.to != self.key)),
            groups=tuple(dict.fromkeys(groups)),
            optional=optional or of_some_platforms(marker),
            marker=marker,
            skip=self.origin.skip,
            index=self.origin.index,
            hashed=hashed,
        )


#: The entries of each package, by its normalised name.
Entries: TypeAlias = Mapping[str, Sequence[Entry]]


def entries(lock: LockFile, array: str, origin: Callable[[Table], Origin], apart: Sequence[str]) -> list[Entry]:
    """Return the packages of an array of tables; what cannot be one is reported.

    Args:
        lock: the lock file.
        array: the name of the array.
        origin: reads where a package comes from.
        apart: the keys that tell entries apart which have the same name and version.
    """
    tables = lock.root.tables(array)
    value = lock.root.values.get(array)
    lines = lock.lines(array, len(value)) if isinstance(value, list) and value else ()
    found: dict[tuple[str, ...], Entry] = {}
    keys: dict[str, int] = {}
    counts: dict[str, int] = {}
    for table in tables:
        entry = _entry(table, origin(table), lines[cast("int", table.at[-1])])
        if entry is None:
            continue
        name = normalise(PYPI, entry.name)
        identity = (name, entry.version, *(repr(table.values.get(key)) for key in apart))
        counts[name] = counts.get(name, 0) + 1
        if identity in found:
            table.problem(f"{quoted(entry.name)} {entry.version} is here twice, first on line {found[identity].line}")
        elif counts[name] > MOST_VERSIONS:
            table.problem(f"more than {MOST_VERSIONS} entries for {quoted(entry.name)}: this one is not read")
        else:
            found[identity] = _with_key(entry, keys)
    return list(found.values())


def by_name(of: Iterable[Entry]) -> Entries:
    """File entries under their packages' normalised names."""
    named: dict[str, list[Entry]] = {}
    for entry in of:
        named.setdefault(normalise(PYPI, entry.name), []).append(entry)
    return named


def fitting(candidates: Sequence[Entry], requirement: str) -> Sequence[Entry]:
    """Return the entries an edge leads to: those whose version satisfies the requirement, or all if none does.

    Where one name has several entries, they serve different environments, and an edge may well lead to more than one.
    """
    if len(candidates) <= 1 or not requirement:
        return candidates
    alternatives = _alternatives(requirement)
    return [entry for entry in candidates if _allowed(entry.version, alternatives)] or candidates


def missing(table: Table, name: str, *keys: Key) -> None:
    """Report an edge that leads to a package the file does not have, and should have."""
    if normalise(PYPI, name) not in table.lock.unlocked:
        table.problem(f"{quoted(name)} is needed here, but not in this file", *keys, hint="lock the project again")


@lru_cache(maxsize=8192)
def specifier(text: str) -> tuple[str, tuple[str, ...], str, str]:
    """Return name, extras, version and marker of a dependency specifier.

    Raises:
        NotASpecifierError: the text is not one.
    """
    plain = _PLAIN.fullmatch(text) if len(text) <= LONGEST else None
    if plain:
        extras = tuple(filter(None, (extra.strip() for extra in (plain[2] or "").split(","))))
        return plain[1], extras, plain[3].strip(), (plain[4] or "").strip()
    stated = parse_specifier(text)
    return stated.name, stated.extras, stated.version, stated.marker


def specified_needs(table: Table, key: str, known: Entries) -> Iterator[Need]:
    """Go through the edges of an array of dependency specifiers; those for other environments may lead nowhere."""
    for at, text in enumerate(table.strings(key)):
        if table.lock.hopeless:
            return
        try:
            name, _, version, marker = specifier(text)
        except NotASpecifierError as error:
            table.problem(f"{quoted(text)} is no dependency: {error}", key, at, hint=error.hint)
            continue
        targets = fitting(known.get(normalise(PYPI, name), ()), version)
        if not targets and not marker:
            missing(table, name, key, at)
        yield from (Need(to=target.key, requirement=version) for target in targets)


def is_name(text: str) -> bool:
    """Say whether a package can be called this."""
    return len(text) <= LONGEST and bool(_NAME.fullmatch(text))


def is_version(text: str) -> bool:
    """Say whether this can be one version, be it in the order of PEP 440 or older than that."""
    return len(text) <= LONGEST and bool(_VERSION.fullmatch(text))


def numbered(version: str) -> tuple[int, int]:
    """Return the first two numbers of the version of a lock file's format; (-1, 0) where it is none."""
    numbers = _NUMBERED.fullmatch(version)
    return (int(numbers[1]), int(numbers[2] or 0)) if numbers else (-1, 0)


def without_extras(name: str) -> tuple[str, tuple[str, ...]]:
    """Take ``requests[socks]`` apart."""
    parts = _WITH_EXTRAS.fullmatch(name)
    if not parts:
        return name, ()
    return parts[1], tuple(sorted(filter(None, (extra.strip() for extra in parts[2].split(",")))))


@lru_cache(maxsize=4096)
def of_some_platforms(marker: str) -> bool:
    """Say whether a marker leaves a package out on some common platform, or where nobody asks for an extra.

    It does when there is a platform on which it holds for no Python in use. Of a marker that cannot be evaluated it
    is only known that it asks for a platform.
    """
    if not _OF_PLATFORM.search(marker):
        return False
    pythons = _PYTHONS if "python" in marker else _PYTHONS[:1]
    platforms = _PLATFORMS if "machine" in marker else _PLATFORMS[::2]
    try:
        stated = _evaluated(marker)
        return not all(any(stated.evaluate({**platform, **python}) for python in pythons) for platform in platforms)
    except (ValueError, RecursionError):
        return True


def _evaluated(text: str) -> Marker:
    """Return a marker that can be evaluated; what PEP 751 lets the user choose is taken as chosen.

    Raises:
        ValueError: it is none, or not one that is read (see `checked_marker`, which would parse it once more).
    """
    from packaging.markers import Marker

    if "\\" in text or len(text) > LONGEST:
        raise ValueError("not a marker that is read")
    return Marker(_CHOICE.sub(_ALWAYS, text))


def marker_of(table: Table, key: str) -> str:
    """Return an environment marker of a table; one that is none is reported."""
    text = "" if table.lock.hopeless else table.text(key)
    try:
        return checked_marker(text) if text else ""
    except ValueError as error:
        table.problem(f"not an environment marker: {error}", key)
        return ""


def any_of(markers: Iterable[str]) -> str:
    """Join markers of which one must hold; empty where one of them always does, or where they are too many."""
    stated = list(dict.fromkeys(markers))
    if "" in stated or len(stated) > _MOST_MARKERS:
        return ""
    return " or ".join(stated)


def _condensed(text: str) -> str:
    """Leave of each package's artefacts the first, and empty lines in place of the others.

    They are most of the file, and all that is asked of them is whether they have hashes.
    """
    return _ARTEFACTS.sub(lambda run: run[1] + "\n" * run[2].count("\n"), text)


def _counted(text: str, offsets: Iterable[int]) -> Iterator[int]:
    line, before = 1, 0
    for offset in offsets:
        line += text.count("\n", before, offset)
        before = offset
        yield line


def _entry(table: Table, origin: Origin, line: int) -> Entry | None:
    name, version = table.text("name"), table.text("version")
    if not is_name(name):
        what = f"{quoted(name)} cannot be the name of a package" if name else "a package needs a name"
        table.problem(what, *(["name"] if name else []))
        return None
    if not (is_version(version) or (origin.skip and not version)):
        what = f"{quoted(version)} is not a version" if version else f"{quoted(name)} has no version"
        table.problem(what, *(["version"] if version else []))
        return None
    key = f"{name}@{version}" if version else name
    return Entry(table=table, key=key, name=name, version=version, line=line, origin=origin)


def _with_key(entry: Entry, taken: dict[str, int]) -> Entry:
    """Return the entry with a key that no other has."""
    number = taken[entry.key] = taken.get(entry.key, 0) + 1
    if number == 1:
        return entry
    return Entry(
        table=entry.table,
        key=f"{entry.key}#{number}",
        name=entry.name,
        version=entry.version,
        line=entry.line,
        origin=entry.origin,
    )


@lru_cache(maxsize=1024)
def _alternatives(requirement: str) -> tuple[SpecifierSet, ...]:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return tuple(SpecifierSet(part) for part in requirement.split("||"))
    except InvalidSpecifier:
        return ()


def _allowed(version: str, alternatives: Iterable[SpecifierSet]) -> bool:
    stated = _comparable(version)
    return stated is not None and any(one.contains(stated, prereleases=True) for one in alternatives)


@lru_cache(maxsize=8192)
def _comparable(version: str) -> Version | None:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version)
    except InvalidVersion:
        return None
