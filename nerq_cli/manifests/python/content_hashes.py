"""Hashes of a pyproject.toml that the lock files of Poetry and PDM have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

#: Keys of ``[tool.poetry]`` and ``[project]`` that the hash of Poetry covers.
_HASHED_KEYS: Final = ("dependencies", "source", "extras", "dev-dependencies")
_HASHED_PROJECT_KEYS: Final = ("requires-python", "dependencies", "optional-dependencies")


def list_content_hashes(root: Mapping[str, object]) -> Iterator[str]:
    """Yield the hashes that releases of Poetry and PDM write into the lock file of a pyproject.toml.

    Those of PDM begin with the name of the algorithm. Each is the SHA-256 of declarations as JSON.
    """
    yield from _list_poetry_hashes(root)
    yield from (f"sha256:{value}" for value in _list_pdm_hashes(root))


def _list_pdm_hashes(root: Mapping[str, object]) -> Iterator[str]:
    """Yield the hashes of PDM's releases (``PyProject.content_hash``); none for the root of a workspace.

    Since 2.20 it covers ``[dependency-groups]``, since 2.18 ``[tool.pdm.resolution]``, before only the overrides.
    The hash of a workspace covers its members too.
    """
    project, settings = _get_table(root, "project"), _get_table(_get_table(root, "tool"), "pdm")
    if not project or "workspace" in settings:
        return
    content = {
        "sources": settings.get("source", []),
        "dependencies": project.get("dependencies", []),
        "optional-dependencies": project.get("optional-dependencies", {}),
        "requires-python": project.get("requires-python", ""),
    }
    groups = settings.get("dev-dependencies", {})
    resolution = _get_table(settings, "resolution")
    overrides = settings.get("overrides", resolution.get("overrides", {}))
    yield _hash_json({**content, "dev-dependencies": _merge_pdm_groups(root, settings), "resolution": resolution})
    yield _hash_json({**content, "dev-dependencies": groups, "resolution": resolution})
    yield _hash_json({**content, "dev-dependencies": groups, "overrides": overrides})


def _merge_pdm_groups(root: Mapping[str, object], settings: Mapping[str, object]) -> Mapping[str, object]:
    """Return the standard groups and those of PDM's own table, by the names that PDM gives them."""
    groups: dict[str, list[object]] = {}
    for table in (_get_table(root, "dependency-groups"), _get_table(settings, "dev-dependencies")):
        for name, items in table.items():
            group = re.sub(r"[^A-Za-z0-9]+", "-", name).lower()
            groups.setdefault(group, []).extend(items if isinstance(items, list) else ())
    return groups


def _list_poetry_hashes(root: Mapping[str, object]) -> Iterator[str]:
    """Yield the hashes of Poetry's releases (``Locker``).

    Since 2.2 they cover ``[dependency-groups]``, since 2.0 ``[project]``, before only ``[tool.poetry]``.
    """
    poetry_table = _get_table(_get_table(root, "tool"), "poetry")
    legacy_content = {
        **{key: poetry_table.get(key) for key in _HASHED_KEYS},
        **({"group": poetry_table["group"]} if poetry_table.get("group") is not None else {}),
    }
    project_table = _get_table(root, "project")
    project_content = {key: project_table[key] for key in _HASHED_PROJECT_KEYS if project_table.get(key) is not None}
    if not poetry_table and not project_table:
        return
    for groups in (_get_table(root, "dependency-groups"), {}):
        standard_content = {"project": project_content, "dependency-groups": groups}
        content: dict[str, object] = {key: value for key, value in standard_content.items() if value}
        if content:
            content["tool"] = {"poetry": {key: value for key, value in legacy_content.items() if value is not None}}
            yield _hash_json(content)
    yield _hash_json(legacy_content)


def _get_table(table: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def _hash_json(content: object) -> str:
    import hashlib
    import json

    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
