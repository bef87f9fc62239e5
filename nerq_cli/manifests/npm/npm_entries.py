"""Entries of yarn.lock and pnpm-lock.yaml: keys, registries, and several entries for one package."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from msgspec.structs import replace

from nerq_cli.inventory import LOCAL_ARCHIVE, LockedPackage
from nerq_cli.manifests.package_source import LOCAL, WORKSPACE, mask_secrets, strip_credentials

#: Skip reasons of packages whose names are not sent wherever else they stand.
LOCAL_REASONS: Final = (LOCAL, WORKSPACE, LOCAL_ARCHIVE)


def extract_index(url: str, name: str, version: str) -> str:
    """Return the base URL of the registry that the artefact of a package is from; of its host for other forms of URL.

    Registries serve artefacts at ``BASE/NAME/-/FILE-VERSION.tgz``; some escape the slash of a scope. A URL with another
    name or version is an index of its own, as the artefact is another package. A path has no registry, unless it is
    that of another package.
    """
    address = url.partition("?")[0].partition("#")[0]
    file_version = version.partition("+")[0]
    if "://" not in address:
        is_own_file = address.endswith(f"{name.rpartition('/')[2]}-{file_version}.tgz")
        return "" if is_own_file else strip_credentials(address)
    base, separator, file_name = address.partition("/-/")
    if separator and file_name.endswith(f"-{file_version}.tgz"):
        for spelling in (name, name.replace("/", "%2f"), name.replace("/", "%2F")):
            if base.endswith(f"/{spelling}"):
                return strip_registry_credentials(base[: -len(spelling) - 1])
    host, path = "/".join(address.split("/", 3)[:3]), unquote(address).split("/", 3)[-1]
    is_other_form = not separator and f"/{name}/" in f"/{path}/" and ".." not in path.split("/")
    if is_other_form and any(
        part.removesuffix(".tgz") == file_version or part.endswith(f"-{file_version}.tgz") for part in path.split("/")
    ):
        return strip_registry_credentials(host)
    return strip_credentials(address)


@lru_cache(maxsize=256)
def strip_registry_credentials(base: str) -> str:
    """Return the base URL of a registry without user and password. Cached: a file has few."""
    return strip_credentials(base)


class EntryKeys:
    """Assigns the keys of one file: ``name@version``, with the registry where two entries would share a key."""

    def __init__(self) -> None:
        self._indexes: dict[str, str] = {}

    def assign_key(self, name: str, version_or_origin: str, index: str) -> str:
        """Return the key of an entry: equal for equal package, version and origin.

        Args:
            name: the package name.
            version_or_origin: the version of a package from a registry, else the URL or path it comes from.
            index: the registry that the entry names; empty if none.
        """
        key = mask_secrets(f"{name}@{version_or_origin}")
        return key if self._indexes.setdefault(key, index) == index else f"{key} from {index}"


def merge_entries(entries: Iterable[LockedPackage]) -> tuple[LockedPackage, ...]:
    """Return one entry per key, with the edges of all entries that share the key.

    It is optional, or has a hash, only if all of them are.
    """
    by_key: dict[str, LockedPackage] = {}
    for entry in entries:
        merged_entry = by_key.setdefault(entry.key, entry)
        if merged_entry is not entry:
            by_key[entry.key] = _merge_pair(merged_entry, entry)
    return tuple(by_key.values())


def _merge_pair(first: LockedPackage, second: LockedPackage) -> LockedPackage:
    return replace(
        first,
        edges=tuple(dict.fromkeys((*(first.edges or ()), *(second.edges or ())))),
        groups=tuple(dict.fromkeys((*first.groups, *second.groups))) if first.groups and second.groups else (),
        optional=first.optional and second.optional,
        alias=first.alias or second.alias,
        has_hash=first.has_hash and second.has_hash,
    )


def normalise_directory(path: str) -> str:
    """Return a relative path in its shortest form; empty for the directory itself."""
    normal_path = posixpath.normpath(path)
    return "" if normal_path == "." else normal_path


def find_local_names(entries: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return the names of local packages and workspace members, given pairs of name and skip reason.

    A name that the file also takes from a registry is public, and left out.
    """
    entries = tuple(entries)
    registry_names = {name for name, skip_reason in entries if not skip_reason}
    return tuple(sorted({name for name, skip_reason in entries if skip_reason in LOCAL_REASONS} - registry_names))
