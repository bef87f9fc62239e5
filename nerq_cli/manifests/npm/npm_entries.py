"""Entries of yarn.lock and pnpm-lock.yaml: keys, registries, and several entries for one package."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Final

from nerq_cli.inventory import LOCAL_ARCHIVE, LockedPackage
from nerq_cli.manifests.package_source import LOCAL, WORKSPACE, mask_secrets, strip_credentials

#: Skip reasons of packages whose names are not sent wherever else they stand.
LOCAL_REASONS: Final = (LOCAL, WORKSPACE, LOCAL_ARCHIVE)


def extract_index(url: str, name: str) -> str:
    """Return the base URL of the registry that an artefact URL belongs to; of its host if the URL has another form.

    Registries serve artefacts at ``BASE/NAME/-/FILE``; some escape the slash of a scope.
    """
    for spelling in (name, name.replace("/", "%2f"), name.replace("/", "%2F")):
        base, separator, _ = url.partition(f"/{spelling}/-/")
        if separator:
            return _strip_credentials(base)
    return _strip_credentials("/".join(url.split("/", 3)[:3]))


@lru_cache(maxsize=256)
def _strip_credentials(base: str) -> str:
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
