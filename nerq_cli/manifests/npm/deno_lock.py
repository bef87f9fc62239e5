"""deno.lock, the lock file of Deno, in versions 2 to 5: the packages from npm and JSR, and who imports them.

A key is ``name@version_peer@version``: the peers are left out here. Version 2 has npm packages under ``npm``, version 3
all packages under ``packages``, later ones have each registry at the top (denoland/deno_lockfile).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from nerq_cli.ecosystems import GENERIC, NPM, EcosystemId, get_ecosystem
from nerq_cli.inventory import DependencyFile, Edge, Importer, Location, LockedPackage
from nerq_cli.manifests.npm.deno_specifiers import JSR_REASON, parse_specifier
from nerq_cli.manifests.npm.npm_entries import extract_index, merge_entries, normalise_directory
from nerq_cli.manifests.npm.npm_spec import split_name
from nerq_cli.manifests.syntax.json_document import JsonObject, JsonReader, NotJsonError
from nerq_cli.manifests.syntax.problems import ProblemList
from nerq_cli.manifests.syntax.quote import quote_text, quote_version

NAME: Final = "deno.lock"

#: Versions of the format; version 1 has no packages, only the hashes of modules.
SUPPORTED_VERSIONS: Final = ("1", "2", "3", "4", "5")
_REGISTRIES: Final[Mapping[str, EcosystemId]] = {"npm": NPM, "jsr": GENERIC}
_PLATFORM_FIELDS: Final = ("os", "cpu")
_REGENERATE_HINT: Final = "deno install writes it again"


def matches(path: PurePosixPath) -> bool:
    """Whether the file is a deno.lock."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:  # noqa: ARG001 - Reader protocol
    """Return the packages of a deno.lock. Errors in the text are in ``problems``; nothing is raised."""
    text = text.removeprefix("\ufeff")
    reader = _DenoLockReader(ProblemList(path, text), path)
    reader.read_text(text)
    importers = tuple(reader.read_importers())
    return DependencyFile(
        path=path,
        format=NAME,
        locked_packages=merge_entries(reader.read_packages()),
        importers=importers or None,
        locked_filenames=("deno.json", "deno.jsonc") if reader.has_imports else ("package.json",),
        constraint=constraint,
        problems=reader.problems.problems,
        notes=tuple(reader.build_notes()),
    )


class _DenoLockReader:
    """Reads one lock file."""

    def __init__(self, problems: ProblemList, path: str) -> None:
        self.problems = problems
        self.path = path
        #: Whether imports of a deno.json are locked; else only the dependencies of a package.json.
        self.has_imports = True
        self._root = JsonObject((), 0)
        #: The entries of each registry by key.
        self._entries: dict[str, Mapping[str, Any]] = {"npm": {}, "jsr": {}}
        #: Keys without peers, by registry and name.
        self._keys_by_name: dict[tuple[str, str], dict[str, None]] = {}
        #: The key of an entry by specifier, such as ``npm:chalk@5``.
        self._resolved: dict[str, str] = {}

    def read_text(self, text: str) -> None:
        """Read the document, and register its entries and specifiers."""
        json_reader = JsonReader(text)
        try:
            document = json_reader.read_objects()
            json_reader.expect_end()
        except NotJsonError as error:
            self.problems.add_problem(f"not valid JSON: {error}", error.offset, hint=error.hint)
            return
        for key, offset in json_reader.repeated_keys:
            self.problems.add_problem(f"{quote_text(key)} stands here twice", offset, hint=_REGENERATE_HINT)
        if not isinstance(document, JsonObject):
            self.problems.add_line_problem("a lock file is an object", 1, hint=_REGENERATE_HINT)
            return
        version = document.get_text("version")
        if version not in SUPPORTED_VERSIONS:
            known = f"known are versions {', '.join(SUPPORTED_VERSIONS)}"
            message = f"unknown version of the lock file: {quote_version(version)}" if version else "it has no version"
            self.problems.add_line_problem(message, document.line, hint=known)
            return
        self._root = document
        self._register_entries(version)

    def read_packages(self) -> Iterator[LockedPackage]:
        """Yield the packages of both registries."""
        for registry, entries in self._entries.items():
            for key, entry in entries.items():
                package = self._read_package(registry, key, entry)
                if package is not None:
                    yield package

    def read_importers(self) -> Iterator[Importer]:
        """Yield the project and its members; what scripts import, if the file names no project."""
        workspace = self._root.get_object("workspace")
        if not workspace:
            edges = tuple(self._find_specifier_edges(self._resolved))
            if edges:
                yield Importer(edges=edges)
            return
        self.has_imports = bool(workspace.get_list("dependencies"))
        members = workspace.get_object("members")
        for path, member in (("", workspace), *members.items()):
            if isinstance(member, JsonObject):
                specifiers = (
                    *member.get_list("dependencies"),
                    *member.get_object("packageJson").get_list("dependencies"),
                )
                yield Importer(path=normalise_directory(path), edges=tuple(self._find_specifier_edges(specifiers)))

    def build_notes(self) -> Iterator[str]:
        """Yield a note if modules come from URLs."""
        remote = self._root if self._root.get_text("version") == "1" else self._root.get_object("remote")
        count = sum(1 for key in remote if "://" in key)
        if count:
            yield f"{count:,} modules from URLs: not listed here"

    def _register_entries(self, version: str) -> None:
        if version == "2":
            npm = self._root.get_object("npm")
            tables: Mapping[str, JsonObject] = {"npm": npm.get_object("packages")}
            specifiers = {f"npm:{key}": f"npm:{value}" for key, value in npm.get_object("specifiers").items()}
        else:
            holder = self._root.get_object("packages") if version == "3" else self._root
            tables = {registry: holder.get_object(registry) for registry in _REGISTRIES}
            specifiers = holder.get_object("specifiers")
        for registry, table in tables.items():
            self._entries[registry] = table
            for raw_key in table:
                name, reference = split_name(raw_key)
                key = f"{registry}:{name}@{_strip_peers(reference)}"
                self._keys_by_name.setdefault((registry, name), {})[key] = None
        for specifier, value in specifiers.items():
            package = parse_specifier(specifier)
            if package is not None and isinstance(value, str):
                registry = specifier.partition(":")[0]
                reference = value if ":" not in value else split_name(value.partition(":")[2])[1]
                self._resolved[specifier] = f"{registry}:{package.name}@{_strip_peers(reference)}"

    def _read_package(self, registry: str, raw_key: str, entry: object) -> LockedPackage | None:
        name, reference = split_name(raw_key)
        version = _strip_peers(reference)
        ecosystem = _REGISTRIES[registry]
        error = get_ecosystem(ecosystem).find_name_error(name)
        line = entry.line if isinstance(entry, JsonObject) else self._root.line
        if error or not version or not isinstance(entry, JsonObject):
            error = error or ("it has no version" if not version else "it is no object")
            self.problems.add_line_problem(f"{quote_text(raw_key)} is no package: {error}", line, hint=_REGENERATE_HINT)
            return None
        platforms = {key: entry.get_list(key) for key in _PLATFORM_FIELDS if entry.get_list(key)}
        tarball = entry.get_text("tarball")
        return LockedPackage(
            key=f"{registry}:{name}@{version}",
            ecosystem=ecosystem,
            name=name,
            version=version,
            location=Location(path=self.path, line=line),
            edges=tuple(dict.fromkeys(self._find_edges(registry, entry))),
            optional=bool(platforms),
            marker="; ".join(f"{key}: {', '.join(map(str, values))}" for key, values in platforms.items()),
            skip_reason=JSR_REASON if registry == "jsr" else "",
            index=extract_index(tarball, name, version) if tarball else "",
            has_hash="integrity" in entry,
        )

    def _find_edges(self, registry: str, entry: JsonObject) -> Iterator[Edge]:
        for section, group in (("dependencies", "main"), ("optionalDependencies", "optional")):
            for alias, text in _iter_dependencies(entry.get(section)):
                key = self._find_key(text if ":" in text else f"{registry}:{text}")
                if key:
                    name = split_name(key.partition(":")[2])[0]
                    yield Edge(target=key, group=group, alias=alias if alias and alias != name else "")
                elif group == "main":
                    self.problems.add_line_problem(
                        f"{quote_text(text)} is required here, but not in this file", entry.line, hint=_REGENERATE_HINT
                    )

    def _find_specifier_edges(self, specifiers: Iterable[object]) -> Iterator[Edge]:
        for text in specifiers:
            package = parse_specifier(text) if isinstance(text, str) else None
            key = self._find_key(str(text)) if package is not None else ""
            if package is not None and key:
                yield Edge(target=key, requirement=package.requirement)

    def _find_key(self, text: str) -> str:
        """Return the key of what a dependency leads to; empty if it is not in the file.

        It is a specifier, or a name with its version, which is left out if the file has only one of that name.
        """
        key = self._resolved.get(text)
        if key is None:
            registry, _, address = text.partition(":")
            name, reference = split_name(address)
            known_keys = self._keys_by_name.get((registry, name), {})
            key = f"{registry}:{name}@{_strip_peers(reference)}" if reference else next(iter(known_keys), "")
        registry, _, address = key.partition(":")
        return key if key in self._keys_by_name.get((registry, split_name(address)[0]), {}) else ""


def _iter_dependencies(section: object) -> Iterator[tuple[str, str]]:
    """Yield alias (empty if none) and target of the dependencies of an entry: a list, before version 4 an object."""
    if isinstance(section, dict):
        yield from ((name, text) for name, text in section.items() if isinstance(text, str))
    elif isinstance(section, list):
        for text in section:
            if isinstance(text, str):
                alias, at, target = text.partition("@npm:")
                yield (alias, f"npm:{target}") if at else ("", text)


def _strip_peers(reference: str) -> str:
    """Return a version without the peers after it."""
    return reference.partition("_")[0]
