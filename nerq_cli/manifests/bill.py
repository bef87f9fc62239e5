"""What every software bill of materials comes down to: entries with a package URL, and who needs whom.

The formats differ; which entries are packages of ours, how they are tied together, and what is left out does not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from nerq_cli.inventory import NPM, PURL_TYPES, PYPI, Ecosystem, Location, Locked, Manifest, Need, Root, normalise
from nerq_cli.manifests.npm_spec import wrong_with
from nerq_cli.manifests.origins import of_url, without_credentials
from nerq_cli.manifests.toml_document import quoted

if TYPE_CHECKING:
    from packageurl import PackageURL

    from nerq_cli.manifests.page import Page

NO_VERSION: Final = "the SBOM states no exact version"
EXCLUDED: Final = "excluded: not part of what is delivered"
PRIVATE: Final = "marked private: on no registry"
UNPLACED: Final = "no registry is stated: a workspace member, or a local path"

#: Most entries read from one file.
MOST: Final = 200_000

_ECOSYSTEMS: Final[Mapping[str, Ecosystem]] = {PURL_TYPES[PYPI]: PYPI, PURL_TYPES[NPM]: NPM}
_PYPI_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
#: One version, as either registry spells them; ranges and placeholders have other characters, or no digit.
_VERSION: Final = re.compile(r"(?=\D*\d)[0-9A-Za-z][0-9A-Za-z.+!_-]*", re.ASCII)
_LONGEST_VERSION: Final = 200
_FEW: Final = 8
#: Groups that an edge between two packages may have.
_OF_PACKAGES: Final = ("main", "optional", "peer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One component or package of a bill. ``ref`` is what its relations call it; ``purl`` may be empty.

    ``placed`` says that the bill tells where it was got from, or that it came inside another package.
    """

    ref: str
    line: int
    purl: str = ""
    name: str = ""
    version: str = ""
    groups: tuple[str, ...] = ()
    optional: bool = False
    skip: str = ""
    hashed: bool = False
    placed: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """One relation: what needs what, and for which group of dependencies."""

    source: str
    target: str
    line: int
    group: str = "main"


@dataclass(slots=True)
class Bill:
    """A bill of materials. ``roots`` are the refs of what it is a bill of, ``others`` refs that are no packages.

    ``edges`` is None where the file has no relations at all.
    """

    entries: list[Entry] = field(default_factory=list)
    edges: list[Edge] | None = None
    roots: list[str] = field(default_factory=list)
    others: set[str] = field(default_factory=set)


def manifest(bill: Bill, page: Page, name: str) -> Manifest:
    """Return a bill as what a lock file holds."""
    reading = _Reading(bill, page)
    return Manifest(
        path=page.path,
        format=name,
        locked=tuple(reading.locked()),
        roots=reading.roots(),
        locals=tuple(sorted(reading.locals)),
        problems=page.problems,
        notes=page.notes,
    )


class _Reading:
    """One bill: which entries are listed, and what leads from one to the other."""

    def __init__(self, bill: Bill, page: Page) -> None:
        self.bill = bill
        self.page = page
        self.known: dict[str, Entry] = {}
        self.locals: set[str] = set()
        self._listed: dict[str, Locked] = {}
        self._passed: Counter[str] = Counter()
        for entry in self._entries():
            self._take(entry)
        self._members = self._unplaced()
        self._members |= self._developed()
        self._needs = self._edges()

    def locked(self) -> Iterator[Locked]:
        """Go through all packages that are listed, each with its edges."""
        self._tell()
        for ref, one in self._listed.items():
            needs = None if self._needs is None else self._needs.get(ref, {})
            yield one if needs is None else replace(one, needs=tuple(n for n in needs if n.group in _OF_PACKAGES))

    def roots(self) -> tuple[Root, ...] | None:
        """Return what the bill is of, and what else in it needs packages without being one.

        None where nothing is said of what those need: no edge then tells what is direct.
        """
        needs = self._needs or {}
        refs = dict.fromkeys((*self.bill.roots, *(ref for ref in needs if self._is_root(ref))))
        named = [(self.known[ref].name if ref in self.known else "", tuple(needs.get(ref, {}))) for ref in refs]
        return tuple(Root(name=name, needs=to) for name, to in named) if any(to for _, to in named) else None

    def _entries(self) -> Iterator[Entry]:
        for count, entry in enumerate(self.bill.entries):
            if count == MOST:
                self.page.report(f"more than {MOST:,} entries: the rest is not read", entry.line)
                return
            if entry.ref in self.known:
                self.page.report(f"{quoted(entry.ref)} is the name of two entries", entry.line)
            else:
                self.known[entry.ref] = entry
                yield entry

    def _take(self, entry: Entry) -> None:
        """List an entry that is a package of ours; count any other."""
        root = entry.ref in self.bill.roots
        purl = self._purl(entry)
        ecosystem = _ECOSYSTEMS.get(purl.type) if purl is not None else None
        if purl is None or ecosystem is None:
            if not root and (purl is not None or not entry.purl):
                self._passed[purl.type if purl is not None else "without a package URL"] += 1
            return
        name = f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name
        wrong = wrong_with(name) if ecosystem == NPM else "" if _PYPI_NAME.fullmatch(name) else "PyPI has no such names"
        if wrong:
            self.page.report(f"{quoted(entry.purl)} names no package: {wrong}", entry.line)
        elif root:
            self.locals.add(normalise(ecosystem, name))
        else:
            self._listed[entry.ref] = self._locked(entry, purl, ecosystem, normalise(ecosystem, name))

    def _purl(self, entry: Entry) -> PackageURL | None:
        from packageurl import PackageURL

        try:
            return PackageURL.from_string(entry.purl) if entry.purl else None
        except (ValueError, UnicodeError) as error:
            self.page.report(f"{quoted(entry.purl)} is not a package URL: {error}", entry.line)
            return None

    def _locked(self, entry: Entry, purl: PackageURL, ecosystem: Ecosystem, name: str) -> Locked:
        version = next((text for text in (purl.version or "", entry.version) if _is_version(text)), "")
        qualifiers: Mapping[str, str] = purl.qualifiers if isinstance(purl.qualifiers, dict) else {}
        repository = qualifiers.get("vcs_url", "")
        from_repository = of_url(repository if "+" in repository else f"git+{repository}") if repository else ""
        index = qualifiers.get("repository_url", "")
        return Locked(
            key=entry.ref,
            ecosystem=ecosystem,
            name=name,
            version=version,
            location=Location(path=self.page.path, line=entry.line),
            groups=entry.groups,
            optional=entry.optional,
            skip=entry.skip or from_repository or ("" if version else NO_VERSION),
            index=without_credentials(index if "://" in index else f"https://{index}") if index else "",
            hashed=entry.hashed,
        )

    def _developed(self) -> frozenset[str]:
        """Find what alone brings in packages that are for development: that is done by members, not by packages."""
        edges = [edge for edge in self.bill.edges or () if self._stated(edge.target)]
        known = {edge.target for edge in edges if self._is_root(edge.source) or self._stated(edge.source)}
        return frozenset(edge.source for edge in edges if edge.target not in known)

    def _edges(self) -> dict[str, dict[Need, None]] | None:
        """Return the edges that lead to a package that is listed, by where they come from."""
        if self.bill.edges is None:
            return None
        needs: dict[str, dict[Need, None]] = {}
        for edge in self.bill.edges:
            missing = next((ref for ref in (edge.source, edge.target) if self._is_missing(ref)), None)
            if missing is not None:
                self.page.report(f"a dependency on {quoted(missing)}, which is not in the file", edge.line)
            elif edge.target in self._listed:
                for group in self._groups(edge):
                    needs.setdefault(edge.source, {})[Need(to=edge.target, group=group)] = None
        return needs

    def _groups(self, edge: Edge) -> Sequence[str]:
        """Return the groups an edge is for; it may be the package it leads to that states them.

        A package outside of a group does not bring in what is of that group alone, and got there in another way: such
        an edge is that of an optional peer.
        """
        stated = self._stated(edge.target)
        if self._is_root(edge.source):
            return stated if stated and edge.group == "main" else (edge.group,)
        if stated and not self._stated(edge.source):
            return ()
        return (edge.group if edge.group in _OF_PACKAGES else "main",)

    def _stated(self, ref: str) -> tuple[str, ...]:
        """Return the groups that an entry states itself."""
        return self.known[ref].groups if ref in self.known else ()

    def _is_root(self, ref: str) -> bool:
        """Whether this is the project, a member of it, or something that is no package."""
        return ref not in self._listed or ref in self._members

    def _unplaced(self) -> frozenset[str]:
        """Find what the project asks for and the bill cannot say where it is from, though it can of most packages.

        Tools for npm write members of a workspace like that, and links to directories. They are on no registry.
        """
        npm = [ref for ref, one in self._listed.items() if one.ecosystem == NPM]
        placed = sum(self.known[ref].placed for ref in npm)
        if not placed or 2 * placed < len(npm):
            return frozenset()
        asked = {edge.target for edge in self.bill.edges or () if edge.source in self.bill.roots}
        found = frozenset(
            ref for ref in npm if ref in asked and not self.known[ref].placed and not self._listed[ref].skip
        )
        for ref in found:
            self.locals.add(self._listed[ref].name)
            self._listed[ref] = replace(self._listed[ref], skip=UNPLACED)
        return found

    def _is_missing(self, ref: str) -> bool:
        return ref not in self.known and ref not in self.bill.others

    def _tell(self) -> None:
        if self._passed:
            kinds = [f"{kind} {count}" for kind, count in self._passed.most_common(_FEW)]
            more = ", …" if len(self._passed) > _FEW else ""
            one = sum(self._passed.values())
            what = "entry is neither PyPI's nor npm's" if one == 1 else "entries are neither PyPI's nor npm's"
            self.page.note(f"{one:,} {what}: not listed here ({', '.join(kinds)}{more})")


def _is_version(text: str) -> bool:
    return len(text) <= _LONGEST_VERSION and _VERSION.fullmatch(text) is not None


def unique(refs: Iterable[str]) -> list[str]:
    """Return refs once each, in their order."""
    return list(dict.fromkeys(filter(None, refs)))
