"""Which popular name a name is easily mistaken for, and in what way. Names in, a likeness out; nothing is accused.

The ways are those of the literature on name confusion (Taylor and others, "SpellBound", arXiv 2003.03471): punctuation
and look-alike characters, one or two slips of the keyboard, words in another order, common prefixes and suffixes, and
npm scopes left out or made up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from nerq_cli.inventory import NPM, PYPI, Ecosystem

_SEPARATOR = re.compile(r"[-_.@/]+")
_DIGITS: Final = "0123456789"
#: Characters that look like another one or like a pair, each with what all its look-alikes become.
_LOOKALIKES: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "m": "rn", "w": "vv", "d": "cl"})
#: Names up to this long say too little to be mistaken for others.
_SHORT: Final = 3
#: From these lengths on, one slip or two are counted: shorter names lie that close by chance.
_ONE_SLIP: Final = 5
_TWO_SLIPS: Final = 10
#: What people put before or behind a name, separators left out.
_PREFIXES: Final = {PYPI: ("python3", "python", "py"), NPM: ("node", "js")}
_SUFFIXES: Final = {PYPI: ("python3", "python", "cli", "py"), NPM: ("node", "cli", "js")}
#: Shortest name that may stand beside such a prefix or suffix.
_STEM: Final = 4
#: Shortest unscoped name that a made-up scope borrows.
_BORROWED: Final = 6
#: Shortest bare part of a scoped name that is telling without its scope, and its fewest words.
_BARE: Final = 8
_BARE_WORDS: Final = 2
_TYPES: Final = "@types/"


class Likeness(NamedTuple):
    """A likeness to the name at ``place`` of the list (counted from 0), and in what way."""

    place: int
    how: str


def squeezed(name: str) -> str:
    """Return a name in lower case, without separators and scope marks."""
    return _SEPARATOR.sub("", name).lower()


def folded(name: str) -> str:
    """Return a name as the eye takes it in: squeezed, with look-alikes made equal."""
    return squeezed(name).translate(_LOOKALIKES)


def words(name: str) -> tuple[str, ...]:
    """Return the words of a name, in alphabetical order."""
    return tuple(sorted(_dashed(name).strip("-").split("-")))


def _dashed(name: str) -> str:
    return _SEPARATOR.sub("-", name).lower()


def scope(name: str) -> str:
    """Return the scope of an npm name, empty when it has none."""
    return name[1:].partition("/")[0] if name.startswith("@") else ""


class Names:
    """Names to be mistaken for, the most popular first, arranged for looking up.

    ``known_scopes`` are npm scopes beyond suspicion: nobody but their owner can publish under them.
    """

    def __init__(self, ecosystem: Ecosystem, names: Sequence[str], known_scopes: Iterable[str] = ()) -> None:
        self._ecosystem = ecosystem
        self._scopes = frozenset(known_scopes)
        lines = "\n".join(names)  # all at once: name by name takes several times as long
        self._squeezed = squeezed(lines).split("\n")
        backwards = [place for place, name in enumerate(self._squeezed) if len(name) > _SHORT][::-1]
        self._plain = self._placed(backwards, self._squeezed)  # the last put in, so the most popular, stays
        self._folded = self._placed(backwards, folded(lines).split("\n"))
        self._stems = self._placed(backwards, [name.rstrip(_DIGITS) for name in self._squeezed])
        split = [name.strip("-").split("-") for name in _dashed(lines).split("\n")]
        self._words = {tuple(sorted(split[place])): place for place in backwards if len(split[place]) > 1}
        self._bare = {bare: place for place in backwards if (bare := _telling(names[place]))}
        self._unscoped = {self._squeezed[place]: place for place in backwards if not names[place].startswith("@")}
        self._chunks: dict[tuple[str, int], list[int]] = {}
        for place in backwards:
            for chunk in _chunks(self._squeezed[place]):
                self._chunks.setdefault(chunk, []).append(place)

    @staticmethod
    def _placed(places: Iterable[int], keys: Sequence[str]) -> dict[str, int]:
        return {keys[place]: place for place in places}

    def like(self, name: str) -> Likeness | None:
        """Return the name this one is most easily mistaken for; None when there is none."""
        plain = squeezed(name)
        if len(plain) <= _SHORT or scope(name) in self._scopes:
            return None
        return next(self._likenesses(name, plain), None)

    def _likenesses(self, name: str, plain: str) -> Iterator[Likeness]:
        """Yield likenesses, the most striking way first."""
        yield from self._found(self._plain.get(plain), "the same letters, other separators")
        yield from self._found(self._folded.get(folded(name)), "differs only in look-alike characters")
        yield from self._found(self._slips(plain, 1), "one character apart")
        said = words(name)
        if len(said) > 1:
            yield from self._found(self._words.get(said), "the same words in another order")
        yield from self._affixed(plain)
        yield from self._scoped(name)
        yield from self._found(self._slips(plain, 2), "two characters apart (a weaker likeness)")

    @staticmethod
    def _found(place: int | None, how: str) -> Iterator[Likeness]:
        if place is not None:
            yield Likeness(place, how)

    def _affixed(self, plain: str) -> Iterator[Likeness]:
        """Yield names that are this one with or without a usual prefix, suffix or number."""
        for prefix in _PREFIXES[self._ecosystem]:
            how = f"the same name but for “{prefix}” in front"
            yield from self._found(self._stem(plain.removeprefix(prefix), plain), how)
            yield from self._found(self._plain.get(prefix + plain), how)
        for suffix in _SUFFIXES[self._ecosystem]:
            how = f"the same name but for “{suffix}” at the end"
            yield from self._found(self._stem(plain.removesuffix(suffix), plain), how)
            yield from self._found(self._plain.get(plain + suffix), how)
        how = "the same name but for a number at the end"
        stem = plain.rstrip(_DIGITS)
        yield from self._found(self._stems.get(stem) if len(stem) >= _STEM else None, how)

    def _stem(self, stem: str, plain: str) -> int | None:
        return self._plain.get(stem) if _STEM <= len(stem) < len(plain) else None

    def _scoped(self, name: str) -> Iterator[Likeness]:
        if self._ecosystem != NPM:
            return
        if scope(name):
            bare = squeezed(name.partition("/")[2])
            place = self._unscoped.get(bare) if len(bare) >= _BORROWED else None
            yield from self._found(place, "the same name under a scope of its own")
        else:
            yield from self._found(self._bare.get(squeezed(name)), "a scoped name without its scope")

    def _slips(self, plain: str, slips: int) -> int | None:
        """Return the most popular name at most so many slips away (Damerau-Levenshtein, no place changed twice)."""
        shortest = _ONE_SLIP if slips == 1 else _TWO_SLIPS
        if len(plain) < shortest:
            return None
        near = {place for chunk in _probes(plain, slips) for place in self._chunks.get(chunk, ())}
        if not near:
            return None
        from rapidfuzz.distance import OSA

        return next(
            (
                place
                for place in sorted(near)
                if len(self._squeezed[place]) >= shortest
                and OSA.distance(plain, self._squeezed[place], score_cutoff=slips) <= slips
            ),
            None,
        )


def _telling(name: str) -> str:
    """Return the bare part of a scoped name, squeezed, if it tells by itself which package is meant.

    That of a package of types is the name of the package they are for.
    """
    if not name.startswith("@") or name.startswith(_TYPES):
        return ""
    bare = name.partition("/")[2]
    plain = squeezed(bare)
    return plain if len(plain) >= _BARE and len(words(bare)) >= _BARE_WORDS else ""


def _chunks(plain: str) -> Iterator[tuple[str, int]]:
    """Yield parts of a name, one of which survives in every name that is a slip or two away.

    One slip touches two neighbouring characters at most, so that it leaves the first two or the last two in their
    places; two slips leave the first three, the last three, or what lies between, moved by one place at most.
    """
    length = len(plain)
    yield f"<{plain[:2]}", length
    yield f">{plain[-2:]}", length
    if length >= _TWO_SLIPS:
        yield f"<{plain[:3]}", length
        yield f">{plain[-3:]}", length
        yield f"={plain[4 : min(7, length - 4)]}", length


def _probes(plain: str, slips: int) -> Iterator[tuple[str, int]]:
    """Yield the parts under which every name so many slips away from this one is filed."""
    width = slips + 1
    for length in range(len(plain) - slips, len(plain) + slips + 1):
        yield f"<{plain[:width]}", length
        yield f">{plain[-width:]}", length
        if slips > 1:
            end = min(7, length - 4)
            yield from ((f"={plain[4 + moved : end + moved]}", length) for moved in (-1, 0, 1))
