"""poetry.lock: what Poetry locked. It knows each package's edges, but not what the project itself asks for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.inventory import PYPI, Locked, Manifest, Need, normalise
from nerq_cli.manifests import origins
from nerq_cli.manifests.dependency_groups import label
from nerq_cli.manifests.origins import Origin
from nerq_cli.manifests.poetry import pep440
from nerq_cli.manifests.python_locks import (
    Entries,
    Entry,
    LockFile,
    Table,
    any_of,
    by_name,
    entries,
    fitting,
    marker_of,
    missing,
    numbered,
)
from nerq_cli.manifests.toml_document import quoted

NAME: Final = "poetry.lock"

#: Major versions of the format that are read; Poetry 2 takes the same (its ``_READ_VERSION_RANGE``).
VERSIONS: Final = (1, 2)
#: Never locked by Poetry before 1.2, though packages name them among their dependencies.
_UNLOCKED: Final = frozenset({"distribute", "pip", "setuptools", "wheel"})
#: What makes a dependency one of certain environments, or of an extra.
_CONDITIONS: Final = ("markers", "python", "platform", "optional")
#: What makes it one that no index serves.
_DIRECT: Final = frozenset({"git", "hg", "path", "file", "url"})
_EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']+)["']""")
#: Constraints in Poetry's own notation, or none at all.
_OWN = re.compile(r"[\^|*]|~(?!=)|^\s*[0-9v]|(?<![<>!=~])=(?!=)")


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is a poetry.lock."""
    return path.name == NAME


def read(
    text: str,
    path: str,
    *,
    constraint: bool = False,
    group: str = "",  # noqa: ARG001 - not included
    unlocked: Collection[str] = (),
) -> Manifest:
    """Read what Poetry locked. What is wrong with the file is in ``problems``; nothing is raised.

    ``unlocked`` are normalised names that the file may lack, though something in it needs them.
    """
    lock = LockFile(text, path, unlocked)
    return lock.manifest(NAME, _locked(lock) if _is_known(lock) else (), constraint=constraint)


def _is_known(lock: LockFile) -> bool:
    """Say whether the file is of a version that is read, and complete: its metadata come last."""
    if lock.problems:
        return False
    version = lock.root.table("metadata").text("lock-version")
    if not version:
        hint = "it may be cut off, or not be Poetry's: lock the project again"
        lock.report("no lock-version in [metadata], which poetry.lock ends with", hint=hint)
        return False
    if numbered(version)[0] not in VERSIONS:
        hint = "versions 1 and 2 of the format are read"
        lock.report(f"lock-version {quoted(version)} is not known", "metadata", "lock-version", hint=hint)
        return False
    return True


def _locked(lock: LockFile) -> Iterator[Locked]:
    found = entries(lock, "package", _origin, ("source",))
    known = by_name(found)
    extras = _extras(lock.root.table("extras"))
    unlocked = _UNLOCKED if numbered(lock.root.table("metadata").text("lock-version"))[0] == 1 else ()
    hashes = _older_hashes(lock.root.table("metadata"))
    for entry in found:
        table = entry.table
        optional = table.values.get("optional") is True
        marker = _marker(table)
        yield entry.locked(
            _needs(table, known, unlocked),
            groups=_groups(table, extras.get(normalise(PYPI, entry.name), ()), marker) if optional else _stated(table),
            marker=marker,
            optional=optional,
            hashed=bool(table.values.get("files")) or bool(hashes.get(normalise(PYPI, entry.name))),
        )


def _origin(table: Table) -> Origin:
    source = table.table("source")
    kind, url = source.text("type"), source.text("url")
    if kind == "legacy":
        return Origin(index=origins.without_credentials(url))
    if kind in ("git", "hg"):
        revision = source.text("resolved_reference") or source.text("reference")
        return Origin(skip=origins.of_repository(url, revision, vcs=kind))
    if kind in ("directory", "file"):
        return Origin(skip=origins.LOCAL)
    if kind == "url":
        return Origin(skip=origins.of_url(url))
    if source.values:
        source.problem(f"{quoted(kind)} is no type of source known here")
        return Origin(skip="a source of an unknown type")
    return Origin()


def _marker(table: Table) -> str:
    """Read the marker; where groups have different ones, one of them must hold (a group without needs none)."""
    if not isinstance(table.values.get("markers"), dict):
        return marker_of(table, "markers")
    markers = table.table("markers")
    return any_of(marker_of(markers, group) for group in table.strings("groups") or markers.values)


def _stated(table: Table) -> list[str]:
    """Return the groups of a package: version 2.1 of the format lists them, 1.x has one category."""
    groups = table.strings("groups") or list(filter(None, [table.text("category")]))
    return ["main" if group == "main" else label(normalise(PYPI, group)) for group in groups]


def _groups(table: Table, extras: tuple[str, ...], marker: str) -> list[str]:
    """Return the groups of an optional package: it is in ``main`` for the extras that ask for it."""
    asked = list(extras) or [f"extra:{normalise(PYPI, extra)}" for extra in _EXTRA.findall(marker)] or ["optional"]
    return [one for group in _stated(table) for one in (asked if group == "main" else [group])]


def _extras(table: Table) -> Mapping[str, tuple[str, ...]]:
    wanted: dict[str, tuple[str, ...]] = {}
    for extra in table.values:
        for name in table.strings(extra):
            package = normalise(PYPI, name)
            wanted[package] = (*wanted.get(package, ()), f"extra:{normalise(PYPI, extra)}")
    return wanted


def _older_hashes(metadata: Table) -> Mapping[str, object]:
    """Return the artefacts as Poetry filed them before 1.3: under the names of the packages, at the end."""
    return {
        normalise(PYPI, name): hashes
        for key in ("files", "hashes")
        for name, hashes in metadata.table(key).values.items()
    }


def _needs(table: Table, known: Entries, unlocked: Collection[str]) -> Iterator[Need]:
    dependencies = table.table("dependencies")
    for name, stated in dependencies.values.items():
        candidates = known.get(normalise(PYPI, name), ())
        for at, one in enumerate(stated) if isinstance(stated, list) else [(None, stated)]:
            keys = (name,) if at is None else (name, at)
            if not isinstance(one, (str, dict)):
                dependencies.problem("a dependency must be a version constraint or a table", *keys)
            elif candidates:
                yield from _edges(Table(table.lock, (*dependencies.at, *keys), _detailed(one)), candidates)
            elif not any(map(_detailed(one).get, _CONDITIONS)) and normalise(PYPI, name) not in unlocked:
                missing(dependencies, name, *keys)


def _detailed(constraint: str | dict[str, object]) -> dict[str, object]:
    return {"version": constraint} if isinstance(constraint, str) else constraint


def _edges(constraint: Table, candidates: Sequence[Entry]) -> Iterator[Need]:
    """Return where one constraint of a package leads to."""
    try:
        requirement = _pep440(constraint.text("version"))
    except ValueError as error:
        constraint.problem(str(error))
        return
    direct = not _DIRECT.isdisjoint(constraint.values)
    alike = [entry for entry in candidates if bool(entry.origin.skip) == direct] or candidates
    group = "optional" if constraint.values.get("optional") is True else "main"
    for entry in fitting(alike, requirement):
        yield Need(to=entry.key, group=group, requirement=requirement)


@lru_cache(maxsize=4096)
def _pep440(constraint: str) -> str:
    """Translate a constraint; most of those that are locked are PEP 440's already."""
    return pep440(constraint) if _OWN.search(constraint) else constraint
