"""Common to all SBOM formats: components with a package URL, and the relations between them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import (
    ECOSYSTEMS,
    GITHUB,
    EcosystemId,
    find_purl_package,
    get_ecosystem,
    huggingface,
    normalise_name,
)
from nerq_cli.inventory import Declaration, DependencyFile, Edge, Importer, Location, LockedPackage
from nerq_cli.manifests.package_source import strip_credentials, url_reason
from nerq_cli.manifests.syntax.quote import quote_text
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from packageurl import PackageURL

    from nerq_cli.manifests.syntax.text_document import TextDocument

OTHER_HUB: Final = "from another Hub:"
NO_VERSION: Final = "the SBOM states no exact version"
EXCLUDED: Final = "excluded: not part of what is delivered"
PRIVATE: Final = "marked private: on no registry"
NO_SOURCE: Final = "no registry is stated: a workspace member, or a local path"

#: Most entries read from one file.
MAX_COMPONENTS: Final = 200_000

_ECOSYSTEMS: Final[Mapping[str, EcosystemId]] = {ecosystem.purl_type: ecosystem.id for ecosystem in ECOSYSTEMS}
#: One version of either registry; ranges and placeholders have other characters, or no digit.
_VERSION: Final = compile_late(r"(?=\D*\d)[0-9A-Za-z][0-9A-Za-z.+!_-]*", re.ASCII)
_MAX_VERSION_LENGTH: Final = 200
_MAX_KINDS: Final = 8
#: Groups that an edge between two packages may have.
_PACKAGE_GROUPS: Final = ("main", "optional", "peer")


#: Type of the package URLs of repositories on GitHub (package-url/purl-spec, types/github).
_GITHUB_TYPE: Final = "github"


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """One component or package."""

    #: Its identifier in relations.
    ref: str
    line: int
    #: Package URL; may be empty.
    purl: str = ""
    name: str = ""
    version: str = ""
    groups: tuple[str, ...] = ()
    optional: bool = False
    skip: str = ""
    hashed: bool = False
    #: Whether its origin is stated, or it is bundled in another package.
    has_source: bool = False
    #: Whether it is a model or a dataset.
    is_model: bool = False
    #: Addresses that a model or a dataset states.
    urls: tuple[str, ...] = ()


class Relation(msgspec.Struct, frozen=True):
    """A dependency: ``source`` requires ``target``."""

    source: str
    target: str
    line: int
    group: str = "main"


class Sbom(msgspec.Struct):
    """The content of one SBOM."""

    components: list[Component] = []
    #: None if the file has no relations at all.
    relations: list[Relation] | None = None
    #: Refs of the subject of the SBOM.
    root_refs: list[str] = []
    #: Refs of elements that are not packages.
    other_refs: set[str] = set()


def build_dependency_file(sbom: Sbom, text_document: TextDocument, name: str) -> DependencyFile:
    """Return an SBOM in the form of a lock file."""
    reader = _SbomReader(sbom, text_document)
    return DependencyFile(
        path=text_document.path,
        format=name,
        locked_packages=tuple(reader.locked_packages()),
        importers=reader.importers(),
        declarations=tuple(reader.repositories),
        local_names=tuple(sorted(reader.local_names)),
        problems=text_document.problems,
        notes=text_document.notes,
    )


class _SbomReader:
    """Turns the components of one SBOM into packages and edges."""

    def __init__(self, sbom: Sbom, text_document: TextDocument) -> None:
        self.sbom = sbom
        self.text_document = text_document
        self.components: dict[str, Component] = {}
        self.local_names: set[str] = set()
        #: The models, datasets, Spaces and kernels of the Hugging Face Hub, and repositories on GitHub.
        self.repositories: list[Declaration] = []
        self._packages: dict[str, LockedPackage] = {}
        self._skipped_kinds: Counter[str] = Counter()
        for component in self._unique_components():
            self._add_component(component)
        self._member_refs = self._mark_sourceless()
        self._member_refs |= self._dev_only_members()
        self._edges_by_ref = self._build_edges()

    def locked_packages(self) -> Iterator[LockedPackage]:
        """Yield the packages with their edges."""
        self._note_skipped()
        for ref, package in self._packages.items():
            edges = None if self._edges_by_ref is None else self._edges_by_ref.get(ref, {})
            yield (
                package
                if edges is None
                else replace(package, edges=tuple(edge for edge in edges if edge.group in _PACKAGE_GROUPS))
            )

    def importers(self) -> tuple[Importer, ...] | None:
        """Return the subject of the SBOM and the other roots; None if they have no edges.

        Without such edges it is unknown which packages are direct.
        """
        edges_by_ref = self._edges_by_ref or {}
        refs = dict.fromkeys((*self.sbom.root_refs, *(ref for ref in edges_by_ref if self._is_root(ref))))
        root_edges = [
            (self.components[ref].name if ref in self.components else "", tuple(edges_by_ref.get(ref, {})))
            for ref in refs
        ]
        return (
            tuple(Importer(name=name, edges=edges) for name, edges in root_edges)
            if any(edges for _, edges in root_edges)
            else None
        )

    def _unique_components(self) -> Iterator[Component]:
        for count, component in enumerate(self.sbom.components):
            if count == MAX_COMPONENTS:
                self.text_document.add_problem(
                    f"more than {MAX_COMPONENTS:,} entries: the rest is not read", component.line
                )
                return
            if component.ref in self.components:
                self.text_document.add_problem(
                    f"{quote_text(component.ref)} is the name of two entries", component.line
                )
            else:
                self.components[component.ref] = component
                yield component

    def _add_component(self, component: Component) -> None:
        """Add a component of a covered ecosystem; count any other."""
        is_root = component.ref in self.sbom.root_refs
        purl = self._parse_purl(component)
        if purl is not None and purl.type == huggingface.PURL_TYPE:
            if not is_root:
                self._add_repository(component, purl)
            return
        if purl is not None and purl.type == _GITHUB_TYPE and purl.namespace:
            if not is_root:
                name = f"{purl.namespace}/{purl.name}"
                self._declare_repository(
                    component, huggingface.HubLink(GITHUB, name, purl.version or ""), purl.version or ""
                )
            return
        if purl is None and component.is_model and not is_root and (link := _find_hub_link(component)) is not None:
            self._declare_repository(component, link, link.revision or component.version)
            return
        ecosystem = _ECOSYSTEMS.get(purl.type) if purl is not None else None
        if purl is None or ecosystem is None:
            if not is_root and (purl is not None or not component.purl):
                self._skipped_kinds[purl.type if purl is not None else "without a package URL"] += 1
            return
        name = f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name
        name_error = get_ecosystem(ecosystem).find_name_error(name)
        if name_error:
            self.text_document.add_problem(
                f"{quote_text(component.purl)} names no package: {name_error}", component.line
            )
        elif is_root:
            self.local_names.add(normalise_name(ecosystem, name))
        else:
            self._packages[component.ref] = self._make_locked_package(
                component, purl, ecosystem, normalise_name(ecosystem, name)
            )

    def _add_repository(self, component: Component, purl: PackageURL) -> None:
        """Add a repository of the Hub by its package URL; its version is a commit, of which the case does not count."""
        package = find_purl_package(purl.type, purl.namespace, purl.name)
        if package is None:  # pragma: no cover - the type is that of the Hub
            return
        link = huggingface.HubLink(package[0], package[1], purl.version or "")
        qualifiers: Mapping[str, str] = purl.qualifiers if isinstance(purl.qualifiers, dict) else {}
        hub = qualifiers.get("repository_url", "")
        is_elsewhere = bool(hub) and huggingface.get_hub_path(hub if "://" in hub else f"https://{hub}") is None
        reason = f"{OTHER_HUB} {strip_credentials(hub)}" if is_elsewhere else ""
        self._declare_repository(component, link, link.revision or component.version, reason)

    def _declare_repository(
        self, component: Component, link: huggingface.HubLink, revision: str, skip_reason: str = ""
    ) -> None:
        ecosystem = get_ecosystem(link.ecosystem)
        if name_error := ecosystem.find_name_error(link.name):
            text = component.purl or link.name
            self.text_document.add_problem(f"{quote_text(text)} names no repository: {name_error}", component.line)
            return
        # Without a package URL and a revision in an address, a version may be one that the author counts.
        is_revision = bool(link.revision) and ecosystem.accepts_requirement(revision)
        self.repositories.append(
            Declaration(
                ecosystem=link.ecosystem,
                name=link.name,
                requirement=ecosystem.parse_pin(revision) or (revision if is_revision else ""),
                group=component.groups[0] if component.groups else "optional" if component.optional else "main",
                location=Location(path=self.text_document.path, line=component.line),
                skip_reason=component.skip or skip_reason,
            )
        )

    def _parse_purl(self, component: Component) -> PackageURL | None:
        from packageurl import PackageURL

        try:
            return PackageURL.from_string(component.purl) if component.purl else None
        except (ValueError, UnicodeError) as error:
            self.text_document.add_problem(
                f"{quote_text(component.purl)} is not a package URL: {error}", component.line
            )
            return None

    def _make_locked_package(
        self, component: Component, purl: PackageURL, ecosystem: EcosystemId, name: str
    ) -> LockedPackage:
        version = next((text for text in (purl.version or "", component.version) if _is_version(text)), "")
        qualifiers: Mapping[str, str] = purl.qualifiers if isinstance(purl.qualifiers, dict) else {}
        repository = qualifiers.get("vcs_url", "")
        from_repository = url_reason(repository if "+" in repository else f"git+{repository}") if repository else ""
        index = qualifiers.get("repository_url", "")
        return LockedPackage(
            key=component.ref,
            ecosystem=ecosystem,
            name=name,
            version=version,
            location=Location(path=self.text_document.path, line=component.line),
            groups=component.groups,
            optional=component.optional,
            skip_reason=component.skip or from_repository or ("" if version else NO_VERSION),
            index=strip_credentials(index if "://" in index else f"https://{index}") if index else "",
            has_hash=component.hashed,
        )

    def _dev_only_members(self) -> frozenset[str]:
        """Return the sole dependents of development packages: these are workspace members, not packages."""
        dev_relations = [relation for relation in self.sbom.relations or () if self._component_groups(relation.target)]
        shared_targets = {
            relation.target
            for relation in dev_relations
            if self._is_root(relation.source) or self._component_groups(relation.source)
        }
        return frozenset(relation.source for relation in dev_relations if relation.target not in shared_targets)

    def _build_edges(self) -> dict[str, dict[Edge, None]] | None:
        """Return the edges to packages, by the ref of the dependent."""
        if self.sbom.relations is None:
            return None
        edges_by_ref: dict[str, dict[Edge, None]] = {}
        for relation in self.sbom.relations:
            missing_ref = next((ref for ref in (relation.source, relation.target) if self._is_missing(ref)), None)
            if missing_ref is not None:
                self.text_document.add_problem(
                    f"a dependency on {quote_text(missing_ref)}, which is not in the file", relation.line
                )
            elif relation.target in self._packages:
                for group in self._relation_groups(relation):
                    edges_by_ref.setdefault(relation.source, {})[Edge(target=relation.target, group=group)] = None
        return edges_by_ref

    def _relation_groups(self, relation: Relation) -> Sequence[str]:
        """Return the groups of a relation, which the target may state.

        None for the relation of a package in no group to a package of a group: an optional peer, which another path
        brings in.
        """
        target_groups = self._component_groups(relation.target)
        if self._is_root(relation.source):
            return target_groups if target_groups and relation.group == "main" else (relation.group,)
        if target_groups and not self._component_groups(relation.source):
            return ()
        return (relation.group if relation.group in _PACKAGE_GROUPS else "main",)

    def _component_groups(self, ref: str) -> tuple[str, ...]:
        """Return the groups that a component states."""
        return self.components[ref].groups if ref in self.components else ()

    def _is_root(self, ref: str) -> bool:
        """Whether this is the project, a workspace member, or not a package."""
        return ref not in self._packages or ref in self._member_refs

    def _mark_sourceless(self) -> frozenset[str]:
        """Skip the direct npm dependencies without an origin, if most packages have one; return their refs.

        npm tools write workspace members and links to directories so. They are on no registry.
        """
        npm = [ref for ref, package in self._packages.items() if package.package.registry_api == "npm"]
        sourced_count = sum(self.components[ref].has_source for ref in npm)
        if not sourced_count or 2 * sourced_count < len(npm):
            return frozenset()
        required_refs = {
            relation.target for relation in self.sbom.relations or () if relation.source in self.sbom.root_refs
        }
        sourceless = frozenset(
            ref
            for ref in npm
            if ref in required_refs and not self.components[ref].has_source and not self._packages[ref].skip_reason
        )
        for ref in sourceless:
            self.local_names.add(self._packages[ref].name)
            self._packages[ref] = replace(self._packages[ref], skip_reason=NO_SOURCE)
        return sourceless

    def _is_missing(self, ref: str) -> bool:
        return ref not in self.components and ref not in self.sbom.other_refs

    def _note_skipped(self) -> None:
        if self._skipped_kinds:
            kinds = [f"{kind} {count}" for kind, count in self._skipped_kinds.most_common(_MAX_KINDS)]
            suffix = ", …" if len(self._skipped_kinds) > _MAX_KINDS else ""
            total = sum(self._skipped_kinds.values())
            noun = "entry is" if total == 1 else "entries are"
            description = f"{noun} of a kind that is not scored: not listed here"
            self.text_document.add_note(f"{total:,} {description} ({', '.join(kinds)}{suffix})")


def _find_hub_link(component: Component) -> huggingface.HubLink | None:
    """Return the repository of a model or dataset without a package URL; None unless its addresses lead to one.

    Of several, that with its name is meant: the others may be its base model or its data.
    """
    links: dict[tuple[str, str], huggingface.HubLink] = {}
    for url in component.urls:
        path = huggingface.get_hub_path(url)
        link = None if path is None else huggingface.parse_hub_path(path)
        if link is not None and not get_ecosystem(link.ecosystem).find_name_error(link.name):
            known = links.get((link.ecosystem, link.name))
            links[link.ecosystem, link.name] = link if known is None or link.revision else known
    named = [
        link
        for link in links.values()
        if component.name.lower() in (link.name.lower(), link.name.lower().partition("/")[2])
    ]
    candidates = named or list(links.values())
    return candidates[0] if len(candidates) == 1 else None


def _is_version(text: str) -> bool:
    return len(text) <= _MAX_VERSION_LENGTH and _VERSION.fullmatch(text) is not None


def unique_refs(refs: Iterable[str]) -> list[str]:
    """Return the distinct refs that are not empty, in order."""
    return list(dict.fromkeys(filter(None, refs)))
