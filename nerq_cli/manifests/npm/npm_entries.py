"""What the readers of Yarn's and pnpm's lock files share: keys, indexes, and several entries for one package."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Final

from nerq_cli.errors import Problem
from nerq_cli.inventory import LockedPackage
from nerq_cli.manifests.package_source import LOCAL, WORKSPACE, mask_secrets, strip_credentials

#: Longest line repeated in a problem, in characters.
MAX_QUOTE_LENGTH: Final = 500
#: Longest piece of a value repeated in a message, in characters.
_MAX_VALUE_LENGTH: Final = 80


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


class LineProblems:
    """What is wrong with one file."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._lines: list[str] | None = None
        self._problems: dict[Problem, None] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything reported, by line."""
        return tuple(sorted(self._problems, key=lambda problem: problem.line))

    def report_problem(self, message: str, line: int = 0, *, hint: str = "") -> None:
        """Add a problem with one line, or with the file as a whole."""
        if self._lines is None:
            self._lines = self._text.split("\n")
        line_text = self._lines[line - 1].rstrip("\r") if 0 < line <= len(self._lines) else ""
        quote = mask_secrets(line_text) if len(line_text) <= MAX_QUOTE_LENGTH else ""
        self._problems[Problem(path=self._path, line=line, message=mask_secrets(message), text=quote, hint=hint)] = None


def quote_value(text: str) -> str:
    """Return text of the file, ready to stand in a message: no credentials, and not too long."""
    text = mask_secrets(text)  # before it is cut: half an address hides what is secret in it
    return f'"{text}"' if len(text) <= _MAX_VALUE_LENGTH else f'"{text[:_MAX_VALUE_LENGTH]}…"'
