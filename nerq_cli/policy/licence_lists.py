"""Lists of licences: whether a licence statement is accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from nerq_cli.patterns import compile_late
from nerq_cli.signals.licences import TERMS, Licence, tokenise_expression
from nerq_cli.signals.spdx import KINDS

_OR_LATER: Final = "-or-later"
_ONLY: Final = "-only"
_FAMILY: Final = compile_late(
    r"(?P<family>[a-z]+(?:-[a-z]+)*)-(?P<version>[0-9]+(?:\.[0-9]+)*)(?P<ending>-only|-or-later)?"
)


class LicenceLists:
    """The accepted and the denied licences of a policy."""

    def __init__(self, allowed: Iterable[str], denied: Iterable[str]) -> None:
        self._allowed = tuple(map(_normalise_entry, allowed))
        self._denied = tuple(map(_normalise_entry, denied))

    def find_objection(self, licence: Licence) -> str | None:
        """Return why a licence is not accepted; empty if it is, None if its statement cannot be compared."""
        if licence.expression:
            if _Evaluator(licence.expression, self._accepts).evaluate():
                return ""
            return f"{licence.expression} is not accepted"
        if licence.clarity == "none":
            return "no licence stated" if self._allowed else ""
        if licence.clarity == "unlicensed":
            return "all rights reserved" if self._allowed else ""
        return "a licence that is not recognised" if self._allowed else None

    def _accepts(self, identifier: str, exception: str) -> bool:
        """Return whether one licence, with its exception if it has one, is accepted."""
        alternatives = [*_list_alternatives(identifier)]
        name = f"{alternatives[0]} with {exception}" if exception else alternatives[0]
        if exception and _matches(name, self._denied):
            return False
        if exception and _matches(name, self._allowed):
            return True
        usable = [alternative for alternative in alternatives if not _matches(alternative, self._denied)]
        if not usable or alternatives[0] not in usable:
            return False
        return not self._allowed or any(_matches(alternative, self._allowed) for alternative in usable)


def _normalise_entry(text: str) -> str:
    """Return an entry of a list in the form in which licences are compared."""
    entry = " ".join(text.lower().split())
    name, separator, exception = entry.partition(" with ")
    return entry if entry in TERMS else f"{_normalise_identifier(name)}{separator}{exception}"


def _normalise_identifier(identifier: str) -> str:
    """Return an identifier in lower case; a deprecated one (``GPL-2.0``, ``GPL-2.0+``) in its present form."""
    name = identifier.lower()
    if name.endswith("+"):
        return name[:-1] + _OR_LATER if name[:-1] + _OR_LATER in KINDS else name[:-1]
    return name + _ONLY if name + _ONLY in KINDS else name


@lru_cache(maxsize=1024)
def _list_alternatives(identifier: str) -> tuple[str, ...]:
    """Return the licences to choose from under an identifier: itself, and under ``or-later`` the later versions."""
    name = _normalise_identifier(identifier)
    match = _FAMILY.fullmatch(name)
    if match is None or match["ending"] != _OR_LATER:
        return (name,)
    later = [
        other
        for other in KINDS
        if (candidate := _FAMILY.fullmatch(other))
        and candidate["family"] == match["family"]
        and candidate["ending"]
        and _parse_numbers(candidate["version"]) >= _parse_numbers(match["version"])
    ]
    return (name, *sorted(set(later) - {name}))


def _parse_numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _matches(name: str, entries: Iterable[str]) -> bool:
    """Return whether an entry is this name, a pattern of it, or its kind of licence."""
    kind = KINDS.get(name, "")
    return any(entry == kind if entry in TERMS else fnmatchcase(name, entry) for entry in entries)


def find_unknown(entries: Iterable[str]) -> Iterator[str]:
    """Yield the entries of a list that name no licence."""
    for entry in entries:
        name = _normalise_entry(entry).partition(" with ")[0]
        is_known = name in TERMS or name.startswith("licenseref-") or any(fnmatchcase(known, name) for known in KINDS)
        if not is_known and entry.lower() not in KINDS:
            yield entry


class _Evaluator:
    """Evaluates one canonical SPDX expression: AND needs every part, OR one."""

    def __init__(self, expression: str, accepts: Callable[[str, str], bool]) -> None:
        self._tokens = tokenise_expression(expression)[::-1]
        self._accepts = accepts

    def evaluate(self) -> bool:
        results = [self._evaluate_conjunction()]
        while self._skip_token("OR"):
            results.append(self._evaluate_conjunction())
        return any(results)

    def _evaluate_conjunction(self) -> bool:
        results = [self._evaluate_term()]
        while self._skip_token("AND"):
            results.append(self._evaluate_term())
        return all(results)

    def _evaluate_term(self) -> bool:
        if self._skip_token("("):
            result = self.evaluate()
            self._skip_token(")")
            return result
        identifier = self._tokens.pop() if self._tokens else ""
        exception = self._tokens.pop().lower() if self._skip_token("WITH") else ""
        return self._accepts(identifier, exception)

    def _skip_token(self, token: str) -> bool:
        if self._tokens and self._tokens[-1] == token:
            self._tokens.pop()
            return True
        return False
