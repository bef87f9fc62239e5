"""Settings of a project that have changed since its lock file was written: overrides, and what else the tool compares.

Lock files of pnpm, Bun and uv repeat them. Those of npm and Yarn show what they have done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from nerq_cli.ecosystems import NPM, get_ecosystem
from nerq_cli.inventory import DependencyFile, Edge, LockedPackage
from nerq_cli.patterns import compile_late

#: Names of settings. Those of npm and Yarn are not compared as a whole.
NPM_OVERRIDES: Final = "overrides of npm"
YARN_RESOLUTIONS: Final = "resolutions of Yarn"
PNPM_OVERRIDES: Final = "overrides of pnpm"
PNPM_EXTENSIONS: Final = "package extensions of pnpm"
PNPM_PATCHES: Final = "patches of pnpm"
BUN_OVERRIDES: Final = "overrides of Bun"

_PEER_GROUP: Final = "peer"
#: A caret, tilde or lower bound, or nothing, and one release.
_SIMPLE_RANGE: Final = compile_late(r"([~^]|>=)?(\d{1,9})\.(\d{1,9})\.(\d{1,9})", re.ASCII)
#: Marker of a package that is part of the archive of another one.
_BUNDLED: Final = "bundled"


def dump_mapping(mapping: Mapping[str, object]) -> str:
    """Return the one text for equal mappings of JSON."""
    if not mapping:
        return "{}"
    import json

    return json.dumps(mapping, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _load_mapping(text: str) -> dict[str, Any]:
    if text == "{}":
        return {}
    import json

    mapping: dict[str, Any] = json.loads(text)
    return mapping


def find_changed_settings(
    lockfile: DependencyFile, manifest: DependencyFile, edges: Sequence[tuple[str, Edge]]
) -> Iterator[str]:
    """Yield the names of the settings for which a frozen installation would refuse the lock file.

    Args:
        lockfile: the lock file.
        manifest: the manifest beside it.
        edges: its edges with the key of the package or the path of the member that has each; empty for the project.
    """
    values: dict[str, set[str]] = {}
    for name, value in manifest.settings:
        values.setdefault(name, set()).add(value)
    for name, value in lockfile.settings:
        if name == YARN_RESOLUTIONS:
            resolutions = _load_mapping(next(iter(values.get(name, ("{}",)))))
            if _differ_resolutions(resolutions, _load_mapping(value), lockfile, edges):
                yield name
        elif name == NPM_OVERRIDES:
            overrides = _load_mapping(next(iter(values.get(name, ("{}",)))))
            if _differ_overrides(overrides, lockfile, edges):
                yield name
        elif name in values and value not in values[name]:
            yield name


def _differ_resolutions(
    resolutions: Mapping[str, Mapping[str, str]],
    replaced: Mapping[str, Sequence[str]],
    lockfile: DependencyFile,
    edges: Iterable[tuple[str, Edge]],
) -> bool:
    """Whether Yarn would write the lock file anew.

    Args:
        resolutions: what the manifest resolves by name: the specifiers by key.
        replaced: the names whose requirements are not those in the lock file, and the specifiers that it has for each.
        lockfile: the lock file.
        edges: its edges.
    """
    if any(name not in resolutions for name in replaced):
        return True
    #: Resolutions of a name wherever it is required, to a version or range.
    plain = {
        name: specifier
        for name, by_key in resolutions.items()
        for key, specifier in by_key.items()
        if key in (name, f"**/{name}") and ":" not in specifier and len(by_key) == 1
    }
    if any(name in plain and plain[name] not in specifiers for name, specifiers in replaced.items()):
        return True
    entries = {entry.key: entry for entry in lockfile.locked_packages}
    for _, edge in edges:
        entry = entries.get(edge.target)
        if entry is None or entry.skip_reason or edge.group == _PEER_GROUP:
            continue
        name = edge.alias or entry.name
        if name in plain and name not in replaced and edge.requirement != plain[name]:
            return True
    return False


def _differ_overrides(
    overrides: Mapping[str, object], lockfile: DependencyFile, edges: Sequence[tuple[str, Edge]]
) -> bool:
    """Whether ``npm ci`` would refuse a lock file: a version in it does not satisfy what is required of it.

    That is the requirement of the package, or the override in its place. An override of what the project itself
    requires must be the same. What is overridden further below a package than its own requirements is not judged.
    """
    entries = {entry.key: entry for entry in lockfile.locked_packages}
    direct: dict[str, str] = {}
    for source_key, edge in edges:
        if not source_key and edge.target in entries and edge.group != _PEER_GROUP:
            direct[edge.alias or entries[edge.target].name] = edge.requirement
    rules = _read_npm_overrides(overrides, direct)
    overridden_names = {rule.name for rule in rules}
    for source_key, edge in edges:
        target, source = entries.get(edge.target), entries.get(source_key)
        if target is None or target.skip_reason or edge.group == _PEER_GROUP:
            continue
        if target.marker == _BUNDLED or (source is not None and source.marker == _BUNDLED):
            continue
        name = edge.alias or target.name
        requirement: str | None = edge.requirement
        if name in overridden_names:
            rule = next((rule for rule in rules if rule.applies_to(name, target.version, source)), None)
            requirement = None if rule is None else rule.requirement
            if requirement and not source_key and requirement != edge.requirement:
                return True
        if requirement and not _satisfies(requirement, target.version):
            return True
    return False


class _NpmOverride(msgspec.Struct, frozen=True):
    """What npm installs in place of a requirement."""

    name: str
    #: Versions of the package, and of the one that requires it, for which it applies; empty means all.
    versions: str
    #: Package whose requirement it is; empty means every one.
    parent: str
    parent_versions: str
    #: None if it is not known: below several packages, or no version or range.
    requirement: str | None

    def applies_to(self, name: str, version: str, source: LockedPackage | None) -> bool:
        """Whether it applies to the requirement of a package that is locked at a version."""
        if name != self.name or (self.versions and not _satisfies(self.versions, version)):
            return False
        if not self.parent:
            return True
        return (
            source is not None
            and source.name == self.parent
            and (not self.parent_versions or _satisfies(self.parent_versions, source.version))
        )


def _read_npm_overrides(overrides: Mapping[str, object], direct: Mapping[str, str]) -> list[_NpmOverride]:
    """Return the overrides, the most specific ones first; ``direct`` is what ``$name`` refers to."""
    rules: list[_NpmOverride] = []
    pending: list[tuple[tuple[str, ...], str, object]] = [((), key, value) for key, value in overrides.items()]
    while pending:
        parents, key, value = pending.pop()
        if isinstance(value, dict):
            pending += [
                (parents, key, inner) if inner_key == "." else ((*parents, key), inner_key, inner)
                for inner_key, inner in value.items()
            ]
            continue
        requirement = value if isinstance(value, str) else None
        if requirement is not None and requirement.startswith("$"):
            requirement = direct.get(requirement[1:])
        if requirement is not None and (":" in requirement or "/" in requirement or len(parents) > 1):
            requirement = None
        name, versions = _split_key(key)
        parent, parent_versions = _split_key(parents[-1]) if parents else ("", "")
        rules.append(_NpmOverride(name, versions, parent, parent_versions, requirement))
    return sorted(rules, key=lambda rule: (not rule.parent, not rule.versions))


def _split_key(key: str) -> tuple[str, str]:
    """Return the two parts of ``name@range``."""
    at = key.find("@", 1)
    return (key, "") if at < 0 else (key[:at], key[at + 1 :])


@lru_cache(maxsize=65_536)
def _satisfies(requirement: str, version: str) -> bool:
    """Whether a version satisfies a range, or the requirement is none (a dist-tag)."""
    if requirement in (version, f"^{version}"):
        return True
    bound, number = _SIMPLE_RANGE.fullmatch(requirement), _SIMPLE_RANGE.fullmatch(version)
    if bound is not None and number is not None and bound[1] and not number[1]:
        # Nearly all ranges of real lock files: parsing each would take most of the time.
        lowest, found = (tuple(map(int, match.groups()[1:])) for match in (bound, number))
        fixed = 0 if bound[1] == ">=" else 2 if bound[1] == "~" else next((i for i in range(3) if lowest[i]), 2) + 1
        return found >= lowest and found[:fixed] == lowest[:fixed]
    parsed = get_ecosystem(NPM).parse_requirement(requirement)
    return parsed is None or parsed.allows(version)
