"""Dependency specifiers (PEP 508): ``name[extra]>=1.2; marker``."""

from __future__ import annotations

from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING

import msgspec

from nerq_cli.manifests.package_source import url_reason
from nerq_cli.manifests.python.archive_names import guess_requirement
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from packaging.requirements import Requirement

#: Longest specifier read, in characters. Real ones have a few hundred; Python's limit for an integer is 4,300 digits,
#: so every version in a shorter text can be compared.
MAX_LENGTH = 4_000
#: Deepest nesting of parentheses read in a marker. The limit of `packaging` differs from release to release.
MAX_DEPTH = 50

#: A name and one exact version, the most frequent specifier by far: read without ``packaging``, which takes ten times
#: as long. Nothing else may match it.
_PIN = compile_late(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(==[0-9]+(?:\.[0-9]+)*)")
_ORDER_HINT = 'write name, extras, version and marker in this order: requests[socks]>=2.31; python_version >= "3.10"'
_CARET_HINT = "^ and ~ are syntax of Poetry and npm: write >=1.2,<2 for ^1.2 and >=1.2,<1.3 for ~1.2"
_BACKSLASH_ERROR = "a marker has no backslashes"
_DEPTH_ERROR = "the marker is nested too deeply"
_OPTION_HINT = "pip options are not supported here"


class Specifier(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    #: Whether the line has more after its first option, which pip does not read.
    has_ignored_text: bool = False


class NotASpecifierError(ValueError):
    """The text is not a dependency specifier. ``offset`` is the place of the error, in characters from 0."""

    def __init__(self, message: str, *, offset: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


def parse_specifier(text: str) -> Specifier:
    """Return the parts of a dependency specifier.

    Raises:
        NotASpecifierError: The text is not a specifier.
    """
    if len(text) > MAX_LENGTH:
        raise NotASpecifierError(f"longer than {MAX_LENGTH} characters")
    if pin := _PIN.fullmatch(text):
        return Specifier(name=pin[1], version=pin[2])
    from packaging.requirements import Requirement

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
    """Return an environment marker without the space around it. Cached: files repeat a few markers.

    Raises:
        ValueError: The text is not a marker.
    """
    from packaging.markers import InvalidMarker, Marker

    if "\\" in text:  # not in the grammar, but `packaging` evaluates the string, which warns
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
    """Return the offset of the first parenthesis that is nested too deeply, or None."""
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
    """Return the parts of ``name @ URL``, where a semicolon may belong to the URL."""
    return Specifier(
        name=requirement.name,
        extras=tuple(sorted(requirement.extras)),
        version=guess_requirement(requirement.url) if requirement.url else str(requirement.specifier),
        marker=str(requirement.marker or ""),
        url=requirement.url or "",
        skip_reason=url_reason(requirement.url) if requirement.url else "",
    )


def _extract_version(specifier_text: str, requirement: Requirement) -> str:
    """Return the version range as written, because `packaging` sorts its clauses."""
    version = specifier_text.strip().removeprefix(requirement.name).strip()
    if version.startswith("["):
        version = version.partition("]")[2].strip()
    return intern(version[1:-1].strip() if version.startswith("(") else version)  # most versions occur often


def _explain_error(text: str) -> NotASpecifierError:
    """Return the error of a specifier that cannot be parsed."""
    from packaging.requirements import Requirement

    try:
        Requirement(text)
    except ValueError as error:  # InvalidRequirement, or a plain ValueError in some releases
        offset, _ = getattr(error.__cause__, "span", (0, 0))
        return NotASpecifierError(_extract_message(error), offset=offset, hint=_suggest_fix(text))
    return NotASpecifierError("it cannot be read in parts", hint=_suggest_fix(text))


def _extract_message(error: ValueError) -> str:
    """Return what a message of `packaging` states, without the text after a colon or on further lines."""
    message = str(error).partition("\n")[0].partition(": ")[0]
    return message[:1].lower() + message[1:]


def _suggest_fix(text: str) -> str:
    if text.startswith("-"):
        return _OPTION_HINT
    return _CARET_HINT if "^" in text or "~" in text.replace("~=", "") else _ORDER_HINT
