"""What one line of a requirements file asks for: a specifier, or something at a path, an address, in a repository.

Options, and everything that is no specifier, are taken apart by `pip_requirements_parser`, pip's own code, which is
imported when a file first has such a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import unquote

from nerq_cli.manifests.origins import of_url, without_credentials
from nerq_cli.manifests.pep508 import LONGEST, NotASpecifierError, Specifier, checked_marker, parse
from nerq_cli.manifests.pip_mistakes import NAME, SHOWN, VARIABLE, mistake

if TYPE_CHECKING:
    from optparse import OptionParser

T = TypeVar("T")

#: How the reason begins for what lies on this disk.
LOCAL: Final = "local path"

_HASHES: Final = re.compile(r"(?:\s+--hash(?:=|\s+)[A-Za-z0-9_-]+:[0-9a-fA-F]+)+")
_HASH: Final = re.compile(r"[A-Za-z0-9_-]+:[0-9a-fA-F]+")
_OPTION: Final = re.compile(r"\s+(?=--?[A-Za-z])")
#: Options about one requirement; all others are about the whole file.
_ABOUT_ONE: Final = frozenset({"hashes", "install_options", "global_options", "config_settings"})
#: Options that pip 26.3 reads in requirements files and the library, older, does not know.
_YOUNGER: Final = (
    (("-C", "--config-settings", "--config-setting"), "config_settings", "append"),
    (("--all-releases",), "all_releases", "append"),
    (("--only-final",), "only_final", "append"),
    (("--no-require-hashes",), "no_require_hashes", "store_true"),
)

#: What no plain specifier has before its marker.
_NOT_PLAIN: Final = re.compile(r"[/\\@:]|^[.~]|\.(?:whl|zip|t[abglxz]+|tar\.\w+)\s*(?:\[[^\]]*\]\s*)?$", re.IGNORECASE)
_DIRECT: Final = re.compile(NAME + "@")
_PATH: Final = re.compile(
    r"(?:\.{1,2}|(?:~|[A-Za-z]:|[\w.+${}-]*)[/\\][^\s<>|\"?*\[]*|[\w$][\w.+${}-]*)(?:\[[^\]]*\])?"
)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:|\.{0,2}/|\$\{", re.IGNORECASE)
_FILE: Final = re.compile(r"file:(?://(?:localhost)?(?=/))?", re.IGNORECASE)
_MARKER: Final = re.compile(r"\s;|;\s")
_EXTRAS: Final = re.compile(r"\[[^\]]*\]$")
_SPACE: Final = re.compile(r"\s")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")
_TOO_LONG: Final = f"longer than {LONGEST:,} characters"
_VERSION_FROM_ENVIRONMENT: Final = re.compile(rf"({NAME})([<>=!~][^;]*{VARIABLE}[^;]*)(;.*)?")


@dataclass(frozen=True, slots=True)
class Item:
    """What one line asks for. ``skip`` says where it comes from when that is no package index.

    ``stated`` is false for a name that is only a guess from a path or an address.
    """

    what: Specifier
    skip: str = ""
    stated: bool = True
    hashed: bool = False


def item(text: str) -> Item:
    """Read a requirement with its own options.

    Raises:
        NotASpecifierError: it is malformed.
    """
    option = _OPTION.search(text)
    if option is None:
        return _asked(text)
    hashed = bool(_HASHES.fullmatch(text, option.start())) or _own_options(text, option.end())
    return replace(_asked(text[: option.start()]), hashed=hashed)


def editable(value: str, marker: str = "") -> Item:
    """Read what ``-e`` points at: a directory or a repository.

    Raises:
        NotASpecifierError: it is malformed.
    """
    from pip_requirements_parser import parse_editable

    if _DIRECT.match(value):
        return _direct(f"{value} ;{marker}" if marker else value)
    name, url, extras = _by_pip(parse_editable, value)
    what = parse(name) if name else _guess(url)
    skip = _elsewhere(url)
    return Item(replace(what, marker=marker, extras=tuple(sorted(extras)) or what.extras), skip, stated=bool(name))


def split_marker(text: str) -> tuple[str, str]:
    """Split off the marker where a semicolon may belong to an address: a space tells.

    Raises:
        NotASpecifierError: the marker is none.
    """
    match = _MARKER.search(text)
    if match is None:
        return text, ""
    try:
        return text[: match.start()].rstrip(), checked_marker(text[match.end() :])
    except ValueError as error:
        raise NotASpecifierError(f"the marker cannot be read: {_first_line(error)}", offset=match.end()) from error


def file_options(text: str) -> dict[str, list[str]]:
    """Read a line of options about the whole file: what each was given, filed under the library's name for it.

    Raises:
        NotASpecifierError: pip knows no such option, or not like this.
    """
    found, left = _options(text)
    misplaced = next((name for name in found if name in _ABOUT_ONE), None)
    if misplaced:
        hint = "end the line before it in a backslash"
        raise NotASpecifierError(f"{_spelling(misplaced)} belongs to a requirement", hint=hint)
    if left:
        hint = "put it on its own line, or behind a #"
        raise NotASpecifierError("nothing may follow an option", offset=max(text.find(left[0]), 0), hint=hint)
    return found


def _own_options(text: str, start: int) -> bool:
    """Check the options after a requirement; return whether one is a hash."""
    found, left = _options(text, start)
    foreign = [_spelling(name) for name in found if name not in _ABOUT_ONE] + left
    if foreign:
        message = f"{foreign[0][:SHOWN]} cannot follow a requirement"
        raise NotASpecifierError(message, offset=start, hint="put it on its own line")
    hashes = found.get("hashes", [])
    if not all(map(_HASH.fullmatch, hashes)):
        raise NotASpecifierError("not a hash", offset=start, hint="write --hash=sha256:… in hexadecimal digits")
    return bool(hashes)


def _options(text: str, start: int = 0) -> tuple[dict[str, list[str]], list[str]]:
    """Return the values of each option, filed under the library's name for it, and what is left over."""
    import shlex
    from optparse import Values

    from pip_requirements_parser import OptionParsingError

    if len(text) > LONGEST:
        raise NotASpecifierError(_TOO_LONG)
    values = Values()  # empty, because the parser's defaults are lists that would grow from line to line
    try:
        _, left = _option_parser().parse_args(shlex.split(text[start:]), values)
    except OptionParsingError as error:
        raise _no_option(text, start, str(error.msg)) from error
    except ValueError as error:
        raise NotASpecifierError("a quotation mark is missing", offset=start) from error
    return {name: _values(value) for name, value in vars(values).items()}, left


def _values(value: object) -> list[str]:
    """Return what an option was given, one or several; nothing for a switch. ``-r=file`` leaves the = in place."""
    given = value if isinstance(value, list) else [value]
    return [text.lstrip("=") for text in given if isinstance(text, str)]


def _spelling(name: str) -> str:
    """Return an option as it is written on a line."""
    return next(o.get_opt_string() for o in _option_parser().option_list if o.dest == name)


@lru_cache(maxsize=1)
def _option_parser() -> OptionParser:
    """Return pip's option parser; the library builds one anew for each line, which is what makes it slow."""
    from pip_requirements_parser import build_parser

    parser: OptionParser = build_parser()
    for names, dest, action in _YOUNGER:
        parser.add_option(*names, dest=dest, action=action)
    return parser


def _no_option(text: str, start: int, complaint: str) -> NotASpecifierError:
    """Say which option it is that pip does not know, and which one it may have been."""
    message = complaint.partition("error: ")[2].strip()[:SHOWN]
    name = next(iter(re.findall(r"--?[\w-]+", message)), "")
    offset = max(text.find(name, start), start)
    if not message.startswith("no such option"):
        return NotASpecifierError(message, offset=offset)
    close = get_close_matches(name, [option.get_opt_string() for option in _option_parser().option_list], n=1)
    hint = f"did you mean {close[0]}?" if close else "pip reads no such option in a requirements file"
    return NotASpecifierError(message, offset=offset, hint=hint)


def _asked(text: str) -> Item:
    """Read a requirement without options."""
    if len(text) > LONGEST:
        raise NotASpecifierError(_TOO_LONG)
    head = text.partition(";")[0]
    direct = _DIRECT.match(head)
    if not direct and _NOT_PLAIN.search(head) and _is_place(_MARKER.split(text, maxsplit=1)[0].rstrip()):
        return _unnamed(text)
    try:
        return _direct(text) if direct else Item(_plain(text))
    except ValueError as error:
        raise mistake(text) or error from error


def _is_place(text: str) -> bool:
    """Whether this is a path or an address, as pip would see it without looking at the disk."""
    if not _SCHEME.match(text):
        return _PATH.fullmatch(text) is not None
    from pip_requirements_parser import is_url

    return is_url(text) and not _SPACE.search(text)


def _plain(text: str) -> Specifier:
    try:
        return parse(text)
    except ValueError:
        match = _VERSION_FROM_ENVIRONMENT.fullmatch(text)
        if match is None:
            raise
        return replace(parse(match[1] + (match[3] or "")), version=match[2].strip())


def _direct(text: str) -> Item:
    """Read ``name @ address``."""
    what = parse(text)
    if not _ADDRESS.match(what.url):
        raise NotASpecifierError("no address", offset=text.index("@") + 1, hint="write name @ https://…")
    version = what.version or _guess(what.url).version
    return Item(replace(what, version=version), _elsewhere(what.url))


def _unnamed(text: str) -> Item:
    """Read a path or an address; its name may be in its fragment or its file name."""
    from pip_requirements_parser import parse_reqparts_from_string

    place, marker = split_marker(text)
    parts = _by_pip(parse_reqparts_from_string, place.replace("\\", "/"))
    bare = place if _SCHEME.match(place) else _EXTRAS.sub("", place)
    named = parts.requirement
    what = Specifier(name=named.name, version=str(named.specifier)) if named else _guess(bare)
    extras = tuple(sorted({*parts.extras, *(named.extras if named else ())}))
    return Item(replace(what, extras=extras, marker=marker), _elsewhere(bare), stated=named is not None)


def _by_pip(function: Callable[[str], T], text: str) -> T:
    """Have pip's code take a path or an address apart."""
    from pip_requirements_parser import PipError

    try:
        return function(text)
    except (PipError, ValueError) as error:
        raise NotASpecifierError(_first_line(error)) from error


def _elsewhere(address: str) -> str:
    """Return where something comes from, in words, for somebody to read."""
    if _SCHEME.match(address) and not _FILE.match(address):
        return of_url(address)[:SHOWN]
    path = _FILE.sub("", without_credentials(address) if "://" in address else address, count=1)
    return f"{LOCAL} {path.partition('#')[0]}"[:SHOWN]


def _guess(address: str) -> Specifier:
    """Guess name and version from the last part of a path or an address."""
    place = re.split(r"[?#]", without_credentials(address) if "://" in address else address, maxsplit=1)[0]
    if "+" in address.partition(":")[0]:
        place = (place.rpartition("@")[0] or place).removesuffix(".git")
    last = re.split(r"[/\\]", place.rstrip("/\\"))[-1]
    name, version = _name_and_version(unquote(last))
    return Specifier(name=_NO_NAME.sub("-", name).strip("-._") or "local-project", version=version)


def _name_and_version(file: str) -> tuple[str, str]:
    """Return what a file name says, if it is one of a wheel or a source distribution; else the name as it is."""
    from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

    try:
        name, version = (parse_wheel_filename if file.endswith(".whl") else parse_sdist_filename)(file)[:2]
    except (InvalidSdistFilename, InvalidWheelFilename):
        return file, ""
    return name, f"=={version}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
