"""pylock.toml: the lock file of PEP 751, which any tool may write, and in which edges are optional.

`packaging` has a reader of its own since release 26; it stops at the first mistake and tells no lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.inventory import PYPI, Locked, Manifest, Need, normalise
from nerq_cli.manifests import origins
from nerq_cli.manifests.dependency_groups import label
from nerq_cli.manifests.origins import Origin
from nerq_cli.manifests.python_locks import (
    Entries,
    Entry,
    LockFile,
    Table,
    by_name,
    entries,
    marker_of,
    missing,
    numbered,
    specified_needs,
)
from nerq_cli.manifests.toml_document import quoted

NAME: Final = "pylock.toml"

#: The major version of the format that is read; a newer minor one may only add to it (PEP 751, "lock-version").
VERSION: Final = 1
_NAMED = re.compile(r"pylock\.(?:[^.]+\.)?toml")
_CHOICE = re.compile(r"""["']([^"']+)["']\s+in\s+(extras|dependency_groups)\b""")
_CHOSEN = re.compile(r"\b(?:extras|dependency_groups)\b")
_OR = re.compile(r"\bor\b")
#: What tells two packages of the same name and version apart.
_APART: Final = ("marker", "requires-python", "index", "vcs", "directory", "archive")


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is a pylock.toml, or a named one: pylock.docs.toml."""
    return bool(_NAMED.fullmatch(path.name))


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:  # noqa: ARG001 - not included
    """Read what was locked. What is wrong with the file is in ``problems``; nothing is raised."""
    lock = LockFile(text, path)
    return lock.manifest(NAME, _locked(lock) if _is_known(lock) else (), constraint=constraint)


def _is_known(lock: LockFile) -> bool:
    if lock.problems:
        return False
    version = lock.root.text("lock-version")
    if not version:
        lock.report("no lock-version: this is not a lock file of PEP 751")
    elif numbered(version)[0] != VERSION:
        hint = f"version {VERSION} of the format is read"
        lock.report(f"lock-version {quoted(version)} is not known", "lock-version", hint=hint)
    elif "packages" not in lock.root.values:
        lock.report("no packages: the file is not complete")
    return not lock.problems


def _locked(lock: LockFile) -> Iterator[Locked]:
    found = entries(lock, "packages", _origin, _APART)
    needs = _edges(found)
    groups = _groups(lock)
    for entry in found:
        marker = _marker(entry.table)
        yield entry.locked(
            None if needs is None else needs(entry.table), groups=groups(marker), marker=marker, hashed=_hashed(entry)
        )


def _origin(table: Table) -> Origin:
    vcs, archive = table.table("vcs"), table.table("archive")
    if vcs.text("url"):
        revision = vcs.text("commit-id") or vcs.text("requested-revision")
        return Origin(skip=origins.of_repository(vcs.text("url"), revision, vcs=vcs.text("type") or "git"))
    if archive.text("url"):
        return Origin(skip=origins.of_url(archive.text("url")))
    if vcs.values or archive.values or table.table("directory").values:
        return Origin(skip=origins.LOCAL)
    return Origin(index=origins.without_credentials(table.text("index")))


def _marker(table: Table) -> str:
    """Read the marker; what PEP 751 adds to the grammar not every `packaging` in use understands yet."""
    text = table.text("marker")
    return text if _CHOSEN.search(text) else marker_of(table, "marker")


def _hashed(entry: Entry) -> bool:
    artefacts = [*entry.table.tables("wheels"), entry.table.table("sdist"), entry.table.table("archive")]
    return any(artefact.values.get("hashes") for artefact in artefacts)


def _edges(found: Iterable[Entry]) -> Callable[[Table], Iterator[Need]] | None:
    """Return what reads a package's edges; None where the file has none. PDM keeps them in a table of its own."""
    known = by_name(found)
    if any("dependencies" in entry.table.values for entry in found):
        return lambda table: _standard(table, known)
    if any(_of_pdm(entry.table).values for entry in found):
        return lambda table: specified_needs(_of_pdm(table), "dependencies", known)
    return None


def _of_pdm(table: Table) -> Table:
    return table.table("tool").table("pdm")


def _standard(table: Table, known: Entries) -> Iterator[Need]:
    """Read edges: tables that say as much of a package as tells it from all others."""
    for edge in table.tables("dependencies"):
        candidates = known.get(normalise(PYPI, edge.text("name")), ())
        targets = [one for one in candidates if _agree(edge, one.table)]
        if not targets:
            missing(edge, edge.text("name"))
        yield from (Need(to=target.key) for target in targets)


def _agree(edge: Table, package: Table) -> bool:
    return all(package.values.get(key) == value for key, value in edge.values.items() if key != "name")


def _groups(lock: LockFile) -> Callable[[str], list[str]]:
    """Return what tells a package's groups by its marker. A file that offers no choice does not say what it is for."""
    if not any(lock.root.strings(key) for key in ("extras", "dependency-groups")):
        return lambda _: []
    standard = {normalise(PYPI, group) for group in lock.root.strings("default-groups")}

    def groups(marker: str) -> list[str]:
        found = ["main"] if any(not _CHOICE.search(part) for part in _OR.split(marker)) else []
        for name, kind in _CHOICE.findall(marker):
            group = normalise(PYPI, name)
            found.append(f"extra:{group}" if kind == "extras" else "main" if group in standard else label(group))
        return found

    return groups
