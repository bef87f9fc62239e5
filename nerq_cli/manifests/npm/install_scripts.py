"""Which install scripts a project decided about: npm, pnpm and Bun each have a list of packages.

npm: ``allowScripts`` in package.json (11.16), names or ``name@version`` with true or false. pnpm: ``allowBuilds`` (11),
``onlyBuiltDependencies``, ``neverBuiltDependencies`` and ``ignoredBuiltDependencies`` (10), in pnpm-workspace.yaml or
under ``pnpm`` in package.json. Bun: ``trustedDependencies`` in package.json. A package that is refused runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from nerq_cli.manifests.npm.npm_spec import split_name
from nerq_cli.manifests.syntax.json_document import JsonNode
from nerq_cli.manifests.syntax.yaml_document import NotYamlError, YamlMembers, get_members, get_text, parse_documents

_NPM_MAP: Final = "allowScripts"
_BUN_LIST: Final = "trustedDependencies"
_PNPM_MAP: Final = "allowBuilds"
_PNPM_LISTS: Final = ("onlyBuiltDependencies", "neverBuiltDependencies", "ignoredBuiltDependencies")
_BOOLEANS: Final = frozenset({"true", "false"})


def read_package_json(root: Mapping[str, JsonNode]) -> Iterator[str]:
    """Yield the names, or ``name@version``, that a package.json decides about."""
    pnpm = _get_object(root, "pnpm")
    for holder, key in ((root, _NPM_MAP), (pnpm, _PNPM_MAP)):
        for name, node in _get_object(holder, key).items():
            if isinstance(node.data, bool):
                yield from _split_versions(name)
    for holder, key in ((root, _BUN_LIST), *((pnpm, key) for key in _PNPM_LISTS)):
        names = holder.get(key)
        for item in names.data if names is not None and isinstance(names.data, list) else ():
            if isinstance(item.data, str):
                yield from _split_versions(item.data)


def read_pnpm_workspace(text: str) -> Iterator[str]:
    """Yield the same of a pnpm-workspace.yaml; nothing if it is not YAML."""
    if _PNPM_MAP not in text and not any(key in text for key in _PNPM_LISTS):
        return
    try:
        roots = parse_documents(text)
    except NotYamlError:
        return
    for root in roots:
        yield from _read_pnpm_members(get_members(root))


def _read_pnpm_members(members: YamlMembers) -> Iterator[str]:
    for name, node in get_members(members.get(_PNPM_MAP)).items():
        if get_text(node) in _BOOLEANS:
            yield from _split_versions(name)
    for key in _PNPM_LISTS:
        member = members.get(key)
        for item in member.data if member is not None and isinstance(member.data, list) else ():
            yield from _split_versions(get_text(item))


def _get_object(holder: Mapping[str, JsonNode], key: str) -> Mapping[str, JsonNode]:
    node = holder.get(key)
    return node.data if node is not None and isinstance(node.data, dict) else {}


def _split_versions(entry: str) -> Iterator[str]:
    """Yield ``a@1.0`` and ``a@2.0`` of ``a@1.0 || 2.0``, and the entry itself if it is a name."""
    name, version = split_name(entry.strip())
    for part in version.split("||"):
        if name:
            yield f"{name}@{part.strip()}" if part.strip() else name
