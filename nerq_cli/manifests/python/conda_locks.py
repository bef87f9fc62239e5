"""Common to the lock files of pixi and conda-lock: packages of PyPI and of conda, listed once for each platform."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from nerq_cli.ecosystems import CONDA, PYPI, EcosystemId, get_ecosystem, normalise_name
from nerq_cli.inventory import DependencyFile, Edge, Location, LockedPackage
from nerq_cli.manifests import package_source
from nerq_cli.manifests.package_source import PackageSource
from nerq_cli.manifests.python.archive_names import find_other_artefact
from nerq_cli.manifests.python.conda_packages import CONDA_REASON
from nerq_cli.manifests.python.dependency_groups import label_group
from nerq_cli.manifests.python.pep508 import NotASpecifierError
from nerq_cli.manifests.python.python_locks import find_extras, is_package_name, is_version, parse_locked_specifier
from nerq_cli.manifests.syntax.problems import ProblemList
from nerq_cli.manifests.syntax.quote import quote_text
from nerq_cli.manifests.syntax.yaml_document import (
    NO_MEMBERS,
    SLOW_NOTE,
    NotYamlError,
    YamlMembers,
    YamlNode,
    get_members,
    has_libyaml,
    parse_documents,
)

#: Groups of an environment or category that is installed by default.
_MAIN_NAMES: Final = ("default", "main")


class CondaLockEntry(msgspec.Struct):
    """One package at one version, on all platforms of the file."""

    #: A key that no other package of the file has.
    key: str
    ecosystem: EcosystemId
    name: str
    version: str
    line: int
    source: PackageSource
    #: Required ranges by ecosystem and normalised name, with the group of the edge.
    requirements: dict[tuple[EcosystemId, str], tuple[str, str]] = {}
    groups: dict[str, None] = {}
    #: Pairs of an environment and a platform that have it.
    platforms: set[tuple[str, str]] = set()
    has_hash: bool = True


class CondaLockBuilder:
    """Collects the entries of one file."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.problems = ProblemList(path, text)
        self._entries: dict[tuple[EcosystemId, str, str, PackageSource], CondaLockEntry] = {}
        self._key_counts: dict[str, int] = {}
        self._text = text

    def parse_root(self) -> YamlMembers:
        """Return the members of the document; none if it is not a mapping, which is reported."""
        try:
            documents = [document for document in parse_documents(self._text) if document.data]
        except NotYamlError as error:
            self.problems.add_line_problem(str(error), error.line, hint=error.hint)
            return NO_MEMBERS
        if not documents:
            self.problems.add_line_problem("the file is empty", hint="lock the project again")
        elif not isinstance(documents[0].data, dict):
            self.problems.add_line_problem(f"a lock file is a mapping, not {documents[0].kind}", documents[0].line)
        return get_members(documents[0]) if documents else NO_MEMBERS

    def add_entry(
        self, ecosystem: EcosystemId, name: str, version: str, line: int, source: PackageSource | None = None
    ) -> CondaLockEntry | None:
        """Return the entry of a package, a new one if it is the first; None if it is malformed, which is reported."""
        source = PackageSource(skip=CONDA_REASON) if ecosystem == CONDA else source or PackageSource()
        is_valid_name = (
            is_package_name(name) if ecosystem == PYPI else not get_ecosystem(ecosystem).find_name_error(name)
        )
        if not is_valid_name:
            message = f"{quote_text(name)} cannot be the name of a package" if name else "a package needs a name"
            self.problems.add_line_problem(message, line, hint="lock the project again")
            return None
        if not (is_version(version) if version else source.skip):
            state = "no version that can be one" if version else "no version"
            self.problems.add_line_problem(f"{quote_text(name)} has {state}", line, hint="lock the project again")
            return None
        identity = ecosystem, normalise_name(ecosystem, name), version, source
        entry = self._entries.get(identity)
        if entry is None:
            key = f"{get_ecosystem(ecosystem).purl_type}:{name}@{version or source.skip}"
            number = self._key_counts[key] = self._key_counts.get(key, 0) + 1
            key = key if number == 1 else f"{key}#{number}"
            entry = self._entries[identity] = CondaLockEntry(key, ecosystem, name, version, line, source)
        return entry

    def add_specifiers(self, entry: CondaLockEntry, texts: Iterable[str], line: int) -> None:
        """Add the requirements of a package of PyPI; those of its extras are optional."""
        for text in texts:
            try:
                specifier = parse_locked_specifier(text)
            except NotASpecifierError as error:
                self.problems.add_line_problem(f"not a dependency specifier: {error}", line, hint=error.hint)
                continue
            group = "optional" if find_extras(specifier.marker) else "main"
            entry.requirements.setdefault((PYPI, normalise_name(PYPI, specifier.name)), (specifier.version, group))

    def build_file(self, format_: str, *, constraint: bool) -> DependencyFile:
        """Return the packages with the edges between them."""
        keys_by_name: dict[tuple[EcosystemId, str], list[str]] = {}
        for entry in self._entries.values():
            name = normalise_name(entry.ecosystem, entry.name)
            keys_by_name.setdefault((entry.ecosystem, name), []).append(entry.key)
        all_platforms = {platform for entry in self._entries.values() for platform in entry.platforms}
        local_reasons = (package_source.LOCAL, package_source.WORKSPACE)
        return DependencyFile(
            path=self.path,
            format=format_,
            locked_packages=tuple(
                self._make_package(entry, keys_by_name, all_platforms) for entry in self._entries.values()
            ),
            constraint=constraint,
            local_names=tuple(
                sorted({entry.name for entry in self._entries.values() if entry.source.skip in local_reasons})
            ),
            problems=self.problems.problems,
            notes=() if has_libyaml() else (SLOW_NOTE,),
        )

    def _make_package(
        self,
        entry: CondaLockEntry,
        keys_by_name: Mapping[tuple[EcosystemId, str], list[str]],
        all_platforms: set[tuple[str, str]],
    ) -> LockedPackage:
        environments = {environment for environment, _ in entry.platforms}
        expected_platforms = {platform for platform in all_platforms if platform[0] in environments}
        return LockedPackage(
            key=entry.key,
            ecosystem=entry.ecosystem,
            name=entry.name,
            version=entry.version,
            location=Location(path=self.path, line=entry.line),
            edges=tuple(dict.fromkeys(_find_edges(entry, keys_by_name))),
            groups=tuple(entry.groups),
            optional=entry.platforms != expected_platforms,
            skip_reason=entry.source.skip,
            index=entry.source.index,
            extra_indexes=entry.source.extra_indexes,
            has_hash=entry.has_hash,
            directory=entry.source.directory,
        )


def label_environment(name: str) -> str:
    """Return the group of an environment or category: ``main`` for the default one, else a development group."""
    return "main" if name in _MAIN_NAMES else label_group(name)


def read_file_source(address: str, indexes: Iterable[str], name: str, version: str) -> PackageSource:
    """Return the source of a package of PyPI, given the URL or path of its file and the indexes of its environment.

    The file of another package or version is an index of its own, so that it does not count as that of the package.
    """
    if not address.startswith(("https://", "http://")):
        reason, directory = package_source.url_reason(address), package_source.find_directory(address)
        return PackageSource(skip=reason, directory=directory)
    if find_other_artefact([address], name, version):
        return PackageSource(index=package_source.strip_credentials(address))
    server = package_source.get_server(address)
    index = next((index for index in indexes if package_source.get_server(index) == server), server)
    return PackageSource(index=package_source.strip_credentials(index))


def list_texts(node: YamlNode | None) -> list[str]:
    """Return the scalars of a list."""
    items = node.data if node is not None and isinstance(node.data, list) else []
    return [item.data for item in items if isinstance(item.data, str)]


def _find_edges(entry: CondaLockEntry, keys_by_name: Mapping[tuple[EcosystemId, str], list[str]]) -> Iterator[Edge]:
    """Yield the edges to packages in the file: what conda provides may be missing among those of PyPI."""
    for target, (requirement, group) in entry.requirements.items():
        for key in keys_by_name.get(target, ()):
            if key != entry.key:
                yield Edge(target=key, group=group, requirement=requirement)
