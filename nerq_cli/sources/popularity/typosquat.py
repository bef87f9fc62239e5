"""Find the popular name that a name is easily mistaken for, and the kind of similarity.

The kinds follow the literature on name confusion (Taylor and others, "SpellBound", arXiv 2003.03471): punctuation
and look-alike characters, one or two typing errors, words in another order, common prefixes and suffixes, and npm
scopes left out or invented.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from nerq_cli.ecosystems import EcosystemId, get_ecosystem
from nerq_cli.patterns import compile_late

_SEPARATOR = compile_late(r"[-_.@/]+")
_DIGITS: Final = "0123456789"
#: Characters that look like another one or like a pair, each with what all its look-alikes become.
_CONFUSABLES: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "m": "rn", "w": "vv", "d": "cl"})
#: Names up to this long are too short to be mistaken for others.
_MAX_SHORT_NAME: Final = 3
#: From these lengths on, one or two typing errors are considered: shorter names are that close by chance.
_MIN_ONE_EDIT: Final = 5
_MIN_TWO_EDITS: Final = 10
#: Shortest name that may have a usual prefix or suffix.
_MIN_STEM: Final = 4
#: Shortest unscoped name that an invented scope borrows.
_MIN_BORROWED: Final = 6
#: Shortest bare part of a scoped name that is distinctive without its scope, and its fewest words.
_MIN_BARE: Final = 8
_MIN_BARE_WORDS: Final = 2
_TYPES_SCOPE: Final = "@types/"


class NameMatch(NamedTuple):
    """A similar name at ``position`` of the list (counted from 0), and the kind of similarity."""

    position: int
    reason: str


def strip_separators(name: str) -> str:
    """Return a name in lower case, without separators and scope marks."""
    return _SEPARATOR.sub("", name).lower()


def normalise_confusables(name: str) -> str:
    """Return a name without separators, with look-alike characters made equal."""
    return strip_separators(name).translate(_CONFUSABLES)


def split_words(name: str) -> tuple[str, ...]:
    """Return the words of a name, in alphabetical order."""
    return tuple(sorted(_replace_separators(name).strip("-").split("-")))


def _replace_separators(name: str) -> str:
    return _SEPARATOR.sub("-", name).lower()


def parse_scope(name: str) -> str:
    """Return the scope of an npm name, empty when it has none."""
    return name[1:].partition("/")[0] if name.startswith("@") else ""


class NameIndex:
    """Names to be mistaken for, the most popular first, indexed for look-ups.

    ``known_scopes`` are npm scopes that are never suspects: only their owner can publish under them.
    """

    def __init__(self, ecosystem: EcosystemId, names: Sequence[str], known_scopes: Iterable[str] = ()) -> None:
        self._ecosystem = get_ecosystem(ecosystem)
        self._known_scopes = frozenset(known_scopes)
        joined_names = "\n".join(names)  # all at once: name by name takes several times as long
        self._normalised = strip_separators(joined_names).split("\n")
        positions = [position for position, name in enumerate(self._normalised) if len(name) > _MAX_SHORT_NAME][::-1]
        self._by_name = self._map_positions(
            positions, self._normalised
        )  # the last one inserted, the most popular, stays
        self._by_folded = self._map_positions(positions, normalise_confusables(joined_names).split("\n"))
        self._by_stem = self._map_positions(positions, [name.rstrip(_DIGITS) for name in self._normalised])
        words_by_name = [name.strip("-").split("-") for name in _replace_separators(joined_names).split("\n")]
        self._by_words = {
            tuple(sorted(words_by_name[position])): position
            for position in positions
            if len(words_by_name[position]) > 1
        }
        self._by_bare_name = {
            bare_name: position for position in positions if (bare_name := _extract_bare_name(names[position]))
        }
        self._by_unscoped = {
            self._normalised[position]: position for position in positions if not names[position].startswith("@")
        }
        self._by_length: dict[int, list[int]] = {}
        for position in positions:
            self._by_length.setdefault(len(self._normalised[position]), []).append(position)
        self._chunks_by_length: dict[int, dict[str, list[int]]] = {}

    @staticmethod
    def _map_positions(positions: Iterable[int], keys: Sequence[str]) -> dict[str, int]:
        return {keys[position]: position for position in positions}

    def find_match(self, name: str) -> NameMatch | None:
        """Return the name that this one is most easily mistaken for; None when there is none."""
        normalised = strip_separators(name)
        if len(normalised) <= _MAX_SHORT_NAME or parse_scope(name) in self._known_scopes:
            return None
        return next(self._iter_matches(name, normalised), None)

    def _iter_matches(self, name: str, normalised: str) -> Iterator[NameMatch]:
        """Yield matches, the most similar kind first."""
        yield from self._iter_position(self._by_name.get(normalised), "the same letters, other separators")
        yield from self._iter_position(
            self._by_folded.get(normalise_confusables(name)), "differs only in look-alike characters"
        )
        yield from self._iter_position(self._find_by_distance(normalised, 1), "one character apart")
        name_words = split_words(name)
        if len(name_words) > 1:
            yield from self._iter_position(self._by_words.get(name_words), "the same words in another order")
        yield from self._iter_affixed(normalised)
        yield from self._iter_scoped(name)
        yield from self._iter_position(
            self._find_by_distance(normalised, 2), "two characters apart (a weaker likeness)"
        )

    @staticmethod
    def _iter_position(position: int | None, reason: str) -> Iterator[NameMatch]:
        if position is not None:
            yield NameMatch(position, reason)

    def _iter_affixed(self, normalised: str) -> Iterator[NameMatch]:
        """Yield names that are this one with or without a usual prefix, suffix or number."""
        for prefix in self._ecosystem.name_prefixes:
            reason = f"the same name but for “{prefix}” in front"
            yield from self._iter_position(self._find_stem(normalised.removeprefix(prefix), normalised), reason)
            yield from self._iter_position(self._by_name.get(prefix + normalised), reason)
        for suffix in self._ecosystem.name_suffixes:
            reason = f"the same name but for “{suffix}” at the end"
            yield from self._iter_position(self._find_stem(normalised.removesuffix(suffix), normalised), reason)
            yield from self._iter_position(self._by_name.get(normalised + suffix), reason)
        reason = "the same name but for a number at the end"
        stem = normalised.rstrip(_DIGITS)
        yield from self._iter_position(self._by_stem.get(stem) if len(stem) >= _MIN_STEM else None, reason)

    def _find_stem(self, stem: str, normalised: str) -> int | None:
        return self._by_name.get(stem) if _MIN_STEM <= len(stem) < len(normalised) else None

    def _iter_scoped(self, name: str) -> Iterator[NameMatch]:
        if self._ecosystem.split_name(name)[0]:
            bare_name = strip_separators(name.partition("/")[2])
            position = self._by_unscoped.get(bare_name) if len(bare_name) >= _MIN_BORROWED else None
            yield from self._iter_position(position, "the same name under a scope of its own")
        else:
            yield from self._iter_position(
                self._by_bare_name.get(strip_separators(name)), "a scoped name without its scope"
            )

    def _index_chunks(self, length: int) -> dict[str, list[int]]:
        """Return the positions of the names of a length by their chunks, built when first asked for."""
        if (positions_by_chunk := self._chunks_by_length.get(length)) is None:
            positions_by_chunk = self._chunks_by_length[length] = {}
            for position in self._by_length.get(length, ()):
                for chunk in _iter_chunks(self._normalised[position]):
                    positions_by_chunk.setdefault(chunk, []).append(position)
        return positions_by_chunk

    def _find_by_distance(self, normalised: str, distance: int) -> int | None:
        """Return the most popular name within a number of errors (Damerau-Levenshtein, each place changed once)."""
        min_length = _MIN_ONE_EDIT if distance == 1 else _MIN_TWO_EDITS
        if len(normalised) < min_length:
            return None
        candidates = {
            position
            for chunk, length in _iter_probes(normalised, distance)
            for position in self._index_chunks(length).get(chunk, ())
        }
        if not candidates:
            return None
        from rapidfuzz.distance import OSA

        return next(
            (
                position
                for position in sorted(candidates)
                if len(self._normalised[position]) >= min_length
                and OSA.distance(normalised, self._normalised[position], score_cutoff=distance) <= distance
            ),
            None,
        )


def _extract_bare_name(name: str) -> str:
    """Return the bare part of a scoped name, without separators, if it is distinctive without its scope.

    The bare part of a package of types is the name of the package they describe.
    """
    if not name.startswith("@") or name.startswith(_TYPES_SCOPE):
        return ""
    bare_name = name.partition("/")[2]
    normalised = strip_separators(bare_name)
    return normalised if len(normalised) >= _MIN_BARE and len(split_words(bare_name)) >= _MIN_BARE_WORDS else ""


def _iter_chunks(normalised: str) -> Iterator[str]:
    """Yield parts of a name, one of which survives in every name that is one or two errors away.

    One error touches at most two neighbouring characters, so the first two or the last two stay in place; two errors
    leave the first three, the last three, or what lies between, moved by one place at most.
    """
    length = len(normalised)
    yield f"<{normalised[:2]}"
    yield f">{normalised[-2:]}"
    if length >= _MIN_TWO_EDITS:
        yield f"<{normalised[:3]}"
        yield f">{normalised[-3:]}"
        yield f"={normalised[4 : min(7, length - 4)]}"


def _iter_probes(normalised: str, distance: int) -> Iterator[tuple[str, int]]:
    """Yield the parts under which every name so many slips away from this one is filed."""
    width = distance + 1
    for length in range(len(normalised) - distance, len(normalised) + distance + 1):
        yield f"<{normalised[:width]}", length
        yield f">{normalised[-width:]}", length
        if distance > 1:
            end = min(7, length - 4)
            yield from ((f"={normalised[4 + offset : end + offset]}", length) for offset in (-1, 0, 1))
