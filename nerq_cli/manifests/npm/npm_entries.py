"""What the readers of Yarn's and pnpm's lock files share: keys, indexes, and several entries for one package."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from nerq_cli.inventory import LockedPackage
from nerq_cli.manifests.package_source import LOCAL, WORKSPACE, mask_secrets, strip_credentials


def extract_index(url: str, name: str) -> str:
    """Return the base of the registry that an artefact's address belongs to; its host's where that cannot be told.

    A registry keeps artefacts at ``BASE/NAME/-/FILE``, the slash of a scope escaped by some.
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
    """The keys of a file's entries: ``name@version``, with more to it where that would be two different things."""

    def __init__(self) -> None:
        self._indexes: dict[str, str] = {}

    def assign_key(self, name: str, version_or_origin: str, index: str) -> str:
        """Return the key of an entry; the same for all that are the same package, version and origin.

        ``version_or_origin`` is the version of a package from a registry; of another it is what tells where it comes from.
        """
        key = mask_secrets(f"{name}@{version_or_origin}")
        return key if self._indexes.setdefault(key, index) == index else f"{key} from {index}"


def merge_entries(entries: Iterable[LockedPackage]) -> tuple[LockedPackage, ...]:
    """Return each key's entry once, leading wherever any of its entries leads.

    It can be gone without, or is pinned by hash, only if that holds for all of them.
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


def find_local_names(entries: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return the names that only the project itself has, of entries given as their names and why they are skipped.

    What the file takes from a registry as well is not the project's own: the lock file says which of them is which.
    """
    entries = tuple(entries)
    registry_names = {name for name, skip_reason in entries if not skip_reason}
    return tuple(sorted({name for name, skip_reason in entries if skip_reason in {LOCAL, WORKSPACE}} - registry_names))
