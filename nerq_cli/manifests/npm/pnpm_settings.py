"""The settings of a project that pnpm's lock file repeats, so that a frozen installation compares them.

They are in package.json (``pnpm``, up to pnpm 10), in pnpm-workspace.yaml (since pnpm 10), or in both. Which release
wrote a lock file is not in it, so that a setting has a value for each way to read the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from nerq_cli.manifests.npm.npm_spec import Catalogs
from nerq_cli.manifests.npm.package_json import parse_override_name
from nerq_cli.manifests.syntax.json_document import JsonNode
from nerq_cli.manifests.syntax.yaml_document import YamlMembers, YamlNode, get_members, get_text
from nerq_cli.resolve.settings import PNPM_EXTENSIONS, PNPM_OVERRIDES, PNPM_PATCHES, dump_mapping

#: Sections of package.json that ``$name`` in an override refers to, the first one first.
_REFERENCED_SECTIONS: Final = ("dependencies", "devDependencies", "optionalDependencies")
_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "false": False}

JsonValue: TypeAlias = "Mapping[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
Settings: TypeAlias = tuple[tuple[str, str], ...]


def read_locked_settings(root: YamlMembers) -> Settings:
    """Return the settings that a pnpm-lock.yaml repeats; none if a program may change them (``.pnpmfile.cjs``)."""
    if "pnpmfileChecksum" in root:
        return ()
    overrides = {key: get_text(node) for key, node in get_members(root.get("overrides")).items()}
    patches = {
        key: get_text(node) or get_text(get_members(node).get("hash"))
        for key, node in get_members(root.get("patchedDependencies")).items()
    }
    return (
        (PNPM_OVERRIDES, dump_mapping(overrides)),
        (PNPM_EXTENSIONS, get_text(root.get("packageExtensionsChecksum"))),
        (PNPM_PATCHES, dump_mapping(patches)),
    )


def read_settings(
    manifest: Mapping[str, JsonValue],
    workspace: Mapping[str, JsonValue],
    catalogs: Catalogs,
    read_patch: Callable[[str], str],
) -> Iterator[tuple[str, str]]:
    """Yield the values of each setting; none for one that cannot be known.

    Args:
        manifest: the package.json beside the lock file.
        workspace: the pnpm-workspace.yaml beside it.
        catalogs: the catalogs of the workspace.
        read_patch: returns the text of a file by its path in the project; empty if it cannot be read.
    """
    own = _get_mapping(manifest, "pnpm")
    for holder in (own, workspace, {**own, **workspace}):
        overrides = _get_mapping(holder, "overrides")
        for values in (overrides, {**_get_mapping(manifest, "resolutions"), **overrides}):
            resolved = {key: _resolve_override(key, value, manifest, catalogs) for key, value in values.items()}
            if None not in resolved.values():
                yield PNPM_OVERRIDES, dump_mapping(resolved)
        extensions = _get_mapping(holder, "packageExtensions")
        for checksum in _hash_extensions(extensions) if extensions else ("",):
            yield PNPM_EXTENSIONS, checksum
        patches = _get_mapping(holder, "patchedDependencies")
        texts = {key: read_patch(str(path)).replace("\r\n", "\n") for key, path in patches.items()}
        if all(texts.values()):
            for hash_text in (_hash_sha256, _hash_md5):
                yield PNPM_PATCHES, dump_mapping({key: hash_text(text) for key, text in texts.items()})


def _get_mapping(holder: Mapping[str, JsonValue], key: str) -> Mapping[str, JsonValue]:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _resolve_override(key: str, value: JsonValue, manifest: Mapping[str, JsonValue], catalogs: Catalogs) -> str | None:
    """Return what an override installs, with the reference to a dependency or a catalog replaced; None if unknown."""
    if not isinstance(value, str):
        return None
    if value.startswith("$"):
        sections = (_get_mapping(manifest, section) for section in _REFERENCED_SECTIONS)
        value = next((section[value[1:]] for section in sections if value[1:] in section), None)
        return value if isinstance(value, str) else None
    if value.startswith("catalog:"):
        catalog = catalogs.get(value.removeprefix("catalog:").strip() or "default", {})
        return catalog.get(parse_override_name(key))
    return value


def _hash_sha256(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def _hash_md5(text: str) -> str:
    import hashlib
    from base64 import b32encode

    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return b32encode(digest).decode().rstrip("=").lower()


def _hash_extensions(extensions: Mapping[str, JsonValue]) -> Iterator[str]:
    """Yield the checksums of pnpm since 10, and before."""
    import hashlib
    from base64 import b64encode

    digest = hashlib.sha256(_format_for_hash(extensions).encode("utf-8", "surrogatepass")).digest()
    yield f"sha256-{b64encode(digest).decode()}"
    text = dump_mapping(extensions)
    yield hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _format_for_hash(value: JsonValue) -> str:
    """Return a value as JavaScript's package ``object-hash`` writes it into a hash."""
    if isinstance(value, dict):
        members = (f"{_format_for_hash(key)}:{_format_for_hash(value[key])}," for key in sorted(value))
        return f"object:{len(value)}:{''.join(members)}"
    if isinstance(value, list):
        return f"array:{len(value)}:{''.join(sorted(map(_format_for_hash, value)))}"
    if isinstance(value, str):
        return f"string:{len(value.encode('utf-16-le', 'surrogatepass')) // 2}:{value}"
    if isinstance(value, bool):
        return f"bool:{str(value).lower()}"
    return "Null" if value is None else f"number:{value:g}"


def convert_json(node: JsonNode) -> JsonValue:
    """Return the value of a parsed JSON document."""
    if isinstance(node.data, dict):
        return {key: convert_json(member) for key, member in node.data.items()}
    if isinstance(node.data, list):
        return [convert_json(item) for item in node.data]
    return node.data


def convert_yaml(node: YamlNode) -> JsonValue:
    """Return the value of a parsed YAML document, whose scalars are text except for booleans."""
    if isinstance(node.data, dict):
        return {key: convert_yaml(member) for key, member in node.data.items()}
    if isinstance(node.data, list):
        return [convert_yaml(item) for item in node.data]
    return _BOOLEANS.get(node.data, node.data)
