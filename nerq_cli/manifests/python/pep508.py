"""Dependency specifiers: the one-line notation ``name[extra]>=1.2; marker`` that most Python files share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from nerq_cli.manifests.package_source import url_reason

if TYPE_CHECKING:
    from packaging.requirements import Requirement

#: The longest specifier read, in characters. Real ones stay below a few hundred; Python reads no longer integers
#: than 4,300 digits, so nothing that passes here can trip whoever compares the versions.
MAX_LENGTH = 4_000
#: The deepest nesting of parentheses read in a marker. `packaging` has a limit of its own, or none, by release.
MAX_DEPTH = 50

_ORDER_HINT = 'write name, extras, version and marker in this order: requests[socks]>=2.31; python_version >= "3.10"'
_CARET_HINT = "^ and ~ are Poetry's and npm's: here ^1.2 is written >=1.2,<2 and ~1.2 is written >=1.2,<1.3"
_BACKSLASH_ERROR = "a marker has no backslashes"
_DEPTH_ERROR = "the marker is nested too deeply"
_OPTION_HINT = "options of pip have no place here, only names"


@dataclass(frozen=True, slots=True, kw_only=True)
class Specifier:
    """The parts of a dependency specifier, or of another line that pip installs a package from."""

    #: The name as written, or a guess (see ``is_named``).
    name: str
    #: Whether the text has the name; False where it is guessed from a path or an address.
    is_named: bool = True
    extras: tuple[str, ...] = ()
    #: The version range as written.
    version: str = ""
    #: The environment marker as written.
    marker: str = ""
    #: The address after ``@``.
    url: str = ""
    #: Where the package comes from, if not from an index; else empty.
    skip_reason: str = ""
    #: Whether the line has a hash of the artefact.
    has_hash: bool = False


class NotASpecifierError(ValueError):
    """The text is no dependency specifier. ``offset`` is where it goes wrong, counted in characters from 0."""

    def __init__(self, message: str, *, offset: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


def parse_specifier(text: str) -> Specifier:
    """Take a dependency specifier apart.

    Raises:
        NotASpecifierError: the text is not one.
    """
    from packaging.requirements import Requirement

    if len(text) > MAX_LENGTH:
        raise NotASpecifierError(f"longer than {MAX_LENGTH} characters")
    specifier_text, semicolon, marker = text.partition(";")
    if "\\" in marker:
        raise NotASpecifierError(_BACKSLASH_ERROR, offset=text.index("\\", len(specifier_text)))
    excess_offset = _find_excess_depth(marker)
    if excess_offset is not None:
        raise NotASpecifierError(_DEPTH_ERROR, offset=len(specifier_text) + len(semicolon) + excess_offset)
    try:
        if "@" in specifier_text:
            return _convert_direct(Requirement(text))
        requirement = Requirement(specifier_text)
        return Specifier(
            name=requirement.name,
            extras=tuple(sorted(requirement.extras)),
            version=_extract_version(specifier_text, requirement),
            marker=validate_marker(marker) if semicolon else "",
        )
    except ValueError:
        raise _explain_error(text) from None


@lru_cache(maxsize=1024)
def validate_marker(text: str) -> str:
    """Return an environment marker without the space around it. Cached: the same few stand in every file.

    Raises:
        ValueError: it is not one.
    """
    from packaging.markers import InvalidMarker, Marker

    if "\\" in text:  # not in the grammar, yet handed to Python's own string reader, which warns
        raise ValueError(_BACKSLASH_ERROR)
    if len(text) > MAX_LENGTH:
        raise ValueError(f"the marker is longer than {MAX_LENGTH} characters")
    if _find_excess_depth(text) is not None:
        raise ValueError(_DEPTH_ERROR)
    try:
        Marker(text)
    except InvalidMarker as error:
        raise ValueError(_extract_message(error)) from None
    return text.strip()


def _find_excess_depth(marker: str) -> int | None:
    """Return the offset of the first parenthesis that is nested too deeply; None when there is none."""
    depth, quote = 0, ""
    for offset, char in enumerate(marker):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
            if depth > MAX_DEPTH:
                return offset
    return None


def _convert_direct(requirement: Requirement) -> Specifier:
    """Read ``name @ URL``, where a semicolon may belong to the URL."""
    return Specifier(
        name=requirement.name,
        extras=tuple(sorted(requirement.extras)),
        version=str(requirement.specifier),
        marker=str(requirement.marker or ""),
        url=requirement.url or "",
        skip_reason=url_reason(requirement.url) if requirement.url else "",
    )


def _extract_version(specifier_text: str, requirement: Requirement) -> str:
    """Return the version part as written: `packaging` sorts its clauses."""
    version = specifier_text.strip().removeprefix(requirement.name).strip()
    if version.startswith("["):
        version = version.partition("]")[2].strip()
    return version[1:-1].strip() if version.startswith("(") else version


def _explain_error(text: str) -> NotASpecifierError:
    """Say what is wrong with a specifier that cannot be read."""
    from packaging.requirements import Requirement

    try:
        Requirement(text)
    except ValueError as error:  # InvalidRequirement is one; some releases let a plain one out
        offset, _ = getattr(error.__cause__, "span", (0, 0))
        return NotASpecifierError(_extract_message(error), offset=offset, hint=_suggest_fix(text))
    return NotASpecifierError("it cannot be read in parts", hint=_suggest_fix(text))


def _extract_message(error: ValueError) -> str:
    """Return `packaging`'s words without its drawing of the place."""
    message, _, _ = str(error).partition("\n")
    return message[:1].lower() + message[1:]


def _suggest_fix(text: str) -> str:
    if text.startswith("-"):
        return _OPTION_HINT
    return _CARET_HINT if "^" in text or "~" in text.replace("~=", "") else _ORDER_HINT
