"""pixi.lock, the lock file of pixi, in versions 4 to 7: the packages, and the environments that have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.ecosystems import CONDA, PYPI, EcosystemId, normalise_name
from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests.package_source import PackageSource
from nerq_cli.manifests.python.conda_locks import (
    CondaLockBuilder,
    CondaLockEntry,
    label_environment,
    list_texts,
    read_file_source,
)
from nerq_cli.manifests.python.conda_packages import parse_file_url
from nerq_cli.manifests.syntax.quote import quote_version
from nerq_cli.manifests.syntax.yaml_document import YamlMembers, get_members, get_text

NAME: Final = "pixi.lock"

#: Versions of the format: pixi 0.13 and later write them.
SUPPORTED_VERSIONS: Final = ("4", "5", "6", "7")
#: Keys of a package that hold its URL, each for one kind.
_CONDA_KEYS: Final = ("conda", "conda_source")
_PYPI_KEY: Final = "pypi"


def matches(path: PurePosixPath) -> bool:
    """Return whether this file is a pixi.lock."""
    return path.name == NAME


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:  # noqa: ARG001 - not included
    """Return the packages of a pixi.lock. Never raises."""
    builder = CondaLockBuilder(path, text)
    root = builder.parse_root()
    version_node = root.get("version")
    version = get_text(version_node)
    if version in SUPPORTED_VERSIONS:
        _PixiLockReader(builder, root).read_packages()
    elif root:
        message = f"version {quote_version(version)} is not supported" if version else "no version: not a lock of pixi"
        known = (
            f"versions {SUPPORTED_VERSIONS[0]} to {SUPPORTED_VERSIONS[-1]} are supported: pixi lock writes the newest"
        )
        builder.problems.add_line_problem(message, version_node.line if version_node else 0, hint=known)
    return builder.build_file(NAME, constraint=constraint)


class _PixiLockReader:
    """Reads one lock file."""

    def __init__(self, builder: CondaLockBuilder, root: YamlMembers) -> None:
        self.builder = builder
        self.root = root
        #: The environment and platform pairs of each URL.
        self.platforms_by_url: dict[str, set[tuple[str, str]]] = {}
        #: The indexes of all environments.
        self.indexes: dict[str, None] = {}
        for environment, node in get_members(root.get("environments")).items():
            members = get_members(node)
            self.indexes |= dict.fromkeys(list_texts(members.get("indexes")))
            for platform, packages in get_members(members.get("packages")).items():
                for url in _iter_urls(packages.data):
                    self.platforms_by_url.setdefault(url, set()).add((environment, platform))

    def read_packages(self) -> None:
        """Read all packages."""
        node = self.root.get("packages")
        items = node.data if node is not None and isinstance(node.data, list) else None
        if items is None:
            line = node.line if node is not None else 0
            self.builder.problems.add_line_problem("packages must be a list", line, hint="pixi lock writes it again")
            return
        for item in items:
            members = get_members(item)
            entry = self._read_package(members, item.line)
            if entry is None:
                continue
            url = _find_url(members)
            platforms = self.platforms_by_url.get(url, set())
            entry.platforms |= platforms
            entry.groups |= dict.fromkeys(sorted(label_environment(environment) for environment, _ in platforms))
            entry.has_hash &= "sha256" in members or "md5" in members

    def _read_package(self, members: YamlMembers, line: int) -> CondaLockEntry | None:
        """Return the entry of a package; None if it is malformed, which is reported."""
        url, name, version = _find_url(members), get_text(members.get("name")), get_text(members.get("version"))
        if _PYPI_KEY in members or get_text(members.get("kind")) == _PYPI_KEY:
            index = get_text(members.get("index"))
            source = (
                read_file_source(url, [index] if index else self.indexes, name, version) if url else PackageSource()
            )
            entry = self.builder.add_entry(PYPI, name, version, line, source)
            if entry is not None:
                self.builder.add_specifiers(entry, list_texts(members.get("requires_dist")), line)
            return entry
        file_name, file_version = parse_file_url(url) or ("", "")
        entry = self.builder.add_entry(CONDA, name or file_name, version or file_version, line)
        if entry is not None:
            for text in list_texts(members.get("depends")):
                required_name, _, requirement = text.partition(" ")
                target: tuple[EcosystemId, str] = (CONDA, normalise_name(CONDA, required_name))
                entry.requirements.setdefault(target, (requirement.strip(), "main"))
        return entry


def _find_url(members: YamlMembers) -> str:
    """Return the URL or path of a package: under its kind, or before version 6 under ``url`` or ``path``."""
    keys = (_PYPI_KEY, *_CONDA_KEYS, "url", "path")
    return next((get_text(members[key]) for key in keys if key in members), "")


def _iter_urls(packages: object) -> Iterator[str]:
    for item in packages if isinstance(packages, list) else ():
        url = _find_url(get_members(item))
        if url:
            yield url
