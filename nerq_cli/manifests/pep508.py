"""Dependency specifiers: the one-line notation ``name[extra]>=1.2; marker`` that most Python files share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from nerq_cli.inventory import PYPI, Declared, Location
from nerq_cli.manifests import origins
from nerq_cli.manifests.toml_document import Field, quoted

if TYPE_CHECKING:
    from packaging.requirements import Requirement

#: The longest specifier read, in characters. Real ones stay below a few hundred; Python reads no longer integers
#: than 4,300 digits, so nothing that passes here can trip whoever compares the versions.
LONGEST = 4_000
#: The deepest nesting of parentheses read in a marker. `packaging` has a limit of its own, or none, by release.
DEEPEST = 50

_ORDER = 'write name, extras, version and marker in this order: requests[socks]>=2.31; python_version >= "3.10"'
_CARET = "^ and ~ are Poetry's and npm's: here ^1.2 is written >=1.2,<2 and ~1.2 is written >=1.2,<1.3"
_BACKSLASH = "a marker has no backslashes"
_DEEP = "the marker is nested too deeply"
_OPTION = "options of pip have no place here, only names"


@dataclass(frozen=True, slots=True, kw_only=True)
class Specifier:
    """A dependency specifier in its parts; ``version`` and ``marker`` as written."""

    name: str
    extras: tuple[str, ...] = ()
    version: str = ""
    marker: str = ""
    url: str = ""


class NotASpecifierError(ValueError):
    """The text is no dependency specifier. ``offset`` is where it goes wrong, counted in characters from 0."""

    def __init__(self, message: str, *, offset: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


def declared(array: Field, group: str) -> Iterator[Declared]:
    """Read an array of dependency specifiers; report every item that is none."""
    for text, field in array.strings():
        item = declare(text, field, group)
        if item:
            yield item


def declare(text: str, field: Field, group: str) -> Declared | None:
    """Read one dependency specifier, or report it as a problem of its field."""
    try:
        stated = parse(text)
    except NotASpecifierError as error:
        field.problem(f"{quoted(text)} is no dependency: {error}", hint=error.hint, inside=error.offset)
        return None
    return Declared(
        ecosystem=PYPI,
        name=stated.name,
        requirement=stated.version,
        group=group,
        location=Location(path=field.document.path, line=field.line),
        marker=stated.marker,
        extras=stated.extras,
        skip=origins.of_url(stated.url) if stated.url else "",
    )


def parse(text: str) -> Specifier:
    """Take a dependency specifier apart.

    Raises:
        NotASpecifierError: the text is not one.
    """
    from packaging.requirements import Requirement

    if len(text) > LONGEST:
        raise NotASpecifierError(f"longer than {LONGEST} characters")
    head, semicolon, marker = text.partition(";")
    if "\\" in marker:
        raise NotASpecifierError(_BACKSLASH, offset=text.index("\\", len(head)))
    deep = _too_deep(marker)
    if deep is not None:
        raise NotASpecifierError(_DEEP, offset=len(head) + len(semicolon) + deep)
    try:
        if "@" in head:
            return _direct(Requirement(text))
        requirement = Requirement(head)
        return Specifier(
            name=requirement.name,
            extras=tuple(sorted(requirement.extras)),
            version=_version(head, requirement),
            marker=checked_marker(marker) if semicolon else "",
        )
    except ValueError:
        raise _explained(text) from None


@lru_cache(maxsize=1024)
def checked_marker(text: str) -> str:
    """Return an environment marker without the space around it. Cached: the same few stand in every file.

    Raises:
        ValueError: it is not one.
    """
    from packaging.markers import InvalidMarker, Marker

    if "\\" in text:  # not in the grammar, yet handed to Python's own string reader, which warns
        raise ValueError(_BACKSLASH)
    if len(text) > LONGEST:
        raise ValueError(f"the marker is longer than {LONGEST} characters")
    if _too_deep(text) is not None:
        raise ValueError(_DEEP)
    try:
        Marker(text)
    except InvalidMarker as error:
        raise ValueError(_first_line(error)) from None
    return text.strip()


def _too_deep(marker: str) -> int | None:
    """Return the offset of the first parenthesis that is nested too deeply; None when there is none."""
    depth, quote = 0, ""
    for offset, char in enumerate(marker):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
            if depth > DEEPEST:
                return offset
    return None


def _direct(requirement: Requirement) -> Specifier:
    """Read ``name @ URL``, where a semicolon may belong to the URL."""
    return Specifier(
        name=requirement.name,
        extras=tuple(sorted(requirement.extras)),
        version=str(requirement.specifier),
        marker=str(requirement.marker or ""),
        url=requirement.url or "",
    )


def _version(head: str, requirement: Requirement) -> str:
    """Return the version part as written: `packaging` sorts its clauses."""
    rest = head.strip().removeprefix(requirement.name).strip()
    if rest.startswith("["):
        rest = rest.partition("]")[2].strip()
    return rest[1:-1].strip() if rest.startswith("(") else rest


def _explained(text: str) -> NotASpecifierError:
    """Say what is wrong with a specifier that cannot be read."""
    from packaging.requirements import Requirement

    try:
        Requirement(text)
    except ValueError as error:  # InvalidRequirement is one; some releases let a plain one out
        offset, _ = getattr(error.__cause__, "span", (0, 0))
        return NotASpecifierError(_first_line(error), offset=offset, hint=_hint(text))
    return NotASpecifierError("it cannot be read in parts", hint=_hint(text))


def _first_line(error: ValueError) -> str:
    """Return `packaging`'s words without its drawing of the place."""
    message, _, _ = str(error).partition("\n")
    return message[:1].lower() + message[1:]


def _hint(text: str) -> str:
    if text.startswith("-"):
        return _OPTION
    return _CARET if "^" in text or "~" in text.replace("~=", "") else _ORDER
