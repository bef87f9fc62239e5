"""What the readers of Yarn's and pnpm's lock files share: keys, indexes, and several entries for one package."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Final

from nerq_cli.errors import Problem
from nerq_cli.inventory import Locked
from nerq_cli.manifests.origins import LOCAL, WORKSPACE, masked, without_credentials

#: Longest line repeated in a problem, in characters.
LONGEST_QUOTE: Final = 500
#: Longest piece of a value repeated in a message, in characters.
_SHOWN: Final = 80


def index_of(url: str, name: str) -> str:
    """Return the base of the registry that an artefact's address belongs to; its host's where that cannot be told.

    A registry keeps artefacts at ``BASE/NAME/-/FILE``, the slash of a scope escaped by some.
    """
    for spelling in (name, name.replace("/", "%2f"), name.replace("/", "%2F")):
        base, found, _ = url.partition(f"/{spelling}/-/")
        if found:
            return _shown(base)
    return _shown("/".join(url.split("/", 3)[:3]))


@lru_cache(maxsize=256)
def _shown(base: str) -> str:
    return without_credentials(base)


class Keys:
    """The keys of a file's entries: ``name@version``, with more to it where that would be two different things."""

    def __init__(self) -> None:
        self._indexes: dict[str, str] = {}

    def of(self, name: str, exact: str, index: str) -> str:
        """Return the key of an entry; the same for all that are the same package, version and origin.

        ``exact`` is the version of a package from a registry; of another it is what tells where it comes from.
        """
        key = masked(f"{name}@{exact}")
        return key if self._indexes.setdefault(key, index) == index else f"{key} from {index}"


def merged(entries: Iterable[Locked]) -> tuple[Locked, ...]:
    """Return each key's entry once, leading wherever any of its entries leads.

    It can be gone without, or is pinned by hash, only if that holds for all of them.
    """
    found: dict[str, Locked] = {}
    for entry in entries:
        known = found.setdefault(entry.key, entry)
        if known is not entry:
            found[entry.key] = _both(known, entry)
    return tuple(found.values())


def _both(one: Locked, other: Locked) -> Locked:
    return replace(
        one,
        needs=tuple(dict.fromkeys((*(one.needs or ()), *(other.needs or ())))),
        groups=tuple(dict.fromkeys((*one.groups, *other.groups))) if one.groups and other.groups else (),
        optional=one.optional and other.optional,
        alias=one.alias or other.alias,
        hashed=one.hashed and other.hashed,
    )


def own_names(entries: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return the names that only the project itself has, of entries given as their names and why they are skipped.

    What the file takes from a registry as well is not the project's own: the lock file says which of them is which.
    """
    entries = tuple(entries)
    public = {name for name, skip in entries if not skip}
    return tuple(sorted({name for name, skip in entries if skip in {LOCAL, WORKSPACE}} - public))


class Mistakes:
    """What is wrong with one file."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._lines: list[str] | None = None
        self._found: dict[Problem, None] = {}

    @property
    def found(self) -> tuple[Problem, ...]:
        """Everything reported, by line."""
        return tuple(sorted(self._found, key=lambda problem: problem.line))

    def report(self, message: str, line: int = 0, *, hint: str = "") -> None:
        """Add a problem with one line, or with the file as a whole."""
        if self._lines is None:
            self._lines = self._text.split("\n")
        text = self._lines[line - 1].rstrip("\r") if 0 < line <= len(self._lines) else ""
        quote = masked(text) if len(text) <= LONGEST_QUOTE else ""
        self._found[Problem(path=self._path, line=line, message=masked(message), text=quote, hint=hint)] = None


def quoted(text: str) -> str:
    """Return text of the file, ready to stand in a message: no credentials, and not too long."""
    text = masked(text)  # before it is cut: half an address hides what is secret in it
    return f'"{text}"' if len(text) <= _SHOWN else f'"{text[:_SHOWN]}…"'
