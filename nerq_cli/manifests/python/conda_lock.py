"""conda-lock.yml, the lock file of conda-lock: packages of conda and of pip, one entry for each platform."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from nerq_cli.ecosystems import CONDA, PYPI, EcosystemId, normalise_name
from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests.python.conda_locks import CondaLockBuilder, label_environment, list_texts, read_file_source
from nerq_cli.manifests.syntax.quote import quote_text, quote_version
from nerq_cli.manifests.syntax.yaml_document import YamlMembers, get_members, get_text

NAME: Final = "conda-lock.yml"

#: The version of the format that is read (conda-lock, ``lockfile/v1``).
VERSION: Final = "1"
_ENDINGS: Final = ("conda-lock.yml", "conda-lock.yaml")
_ECOSYSTEMS: Final[dict[str, EcosystemId]] = {"conda": CONDA, "pip": PYPI}


def matches(path: PurePosixPath) -> bool:
    """Return whether this file is a conda-lock.yml, or one of several: ``NAME.conda-lock.yml``."""
    return path.name in _ENDINGS or path.name.endswith(tuple(f".{ending}" for ending in _ENDINGS))


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:  # noqa: ARG001 - not included
    """Return the packages of a conda-lock.yml. Never raises."""
    builder = CondaLockBuilder(path, text)
    root = builder.parse_root()
    version_node, packages = root.get("version"), root.get("package")
    version = get_text(version_node)
    if root and version != VERSION:
        message = f"version {quote_version(version)} is not supported" if version else "no version: not of conda-lock"
        hint = f"version {VERSION} of the format is supported"
        builder.problems.add_line_problem(message, version_node.line if version_node else 0, hint=hint)
    elif root and (packages is None or not isinstance(packages.data, list)):
        line = packages.line if packages is not None else 0
        builder.problems.add_line_problem("package must be a list", line, hint="lock the environment again")
    elif packages is not None and isinstance(packages.data, list):
        for item in packages.data:
            _read_package(builder, get_members(item), item.line)
    return builder.build_file(NAME, constraint=constraint)


def _read_package(builder: CondaLockBuilder, members: YamlMembers, line: int) -> None:
    manager = get_text(members.get("manager"))
    ecosystem = _ECOSYSTEMS.get(manager)
    if ecosystem is None:
        message = f"{quote_text(get_text(members.get('name')))} is of no known manager: {quote_text(manager)}"
        builder.problems.add_line_problem(message, line, hint="known are conda and pip")
        return
    url = get_text(get_members(members.get("source")).get("url")) or get_text(members.get("url"))
    name, version = get_text(members.get("name")), get_text(members.get("version"))
    source = read_file_source(url, (), name, version) if ecosystem == PYPI and url else None
    entry = builder.add_entry(ecosystem, name, version, line, source)
    if entry is None:
        return
    for required_name, requirement in get_members(members.get("dependencies")).items():
        # A package of pip may depend on one of conda that provides the same Python package.
        target_ecosystems: tuple[EcosystemId, ...] = (PYPI, CONDA) if ecosystem == PYPI else (CONDA,)
        for target_ecosystem in target_ecosystems:
            target = target_ecosystem, normalise_name(target_ecosystem, required_name)
            entry.requirements.setdefault(target, (get_text(requirement), "main"))
    categories = list_texts(members.get("categories")) or [get_text(members.get("category")) or "main"]
    entry.groups |= dict.fromkeys(map(label_environment, categories))
    entry.platforms.add(("", get_text(members.get("platform"))))
    entry.has_hash &= bool(get_members(members.get("hash")))
