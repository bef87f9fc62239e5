"""One requirement of a requirements file: a specifier, a path, an address or a repository; and pip's options.

Options, paths and addresses are parsed by `pip_requirements_parser` (a copy of pip's code). It is imported when a file
has such a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import unquote

from msgspec.structs import replace

from nerq_cli.manifests.package_source import LOCAL_FILE, local_reason, strip_credentials, url_reason
from nerq_cli.manifests.python.archive_names import split_file_name
from nerq_cli.manifests.python.pep508 import MAX_LENGTH, NotASpecifierError, Specifier, parse_specifier, validate_marker
from nerq_cli.manifests.python.pip_mistakes import NAME_PATTERN, VARIABLE_PATTERN, detect_mistake
from nerq_cli.manifests.syntax.text_document import MAX_SHOWN_LENGTH
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from optparse import OptionParser

T = TypeVar("T")

#: Beginning of the skip reason of a local path.

_HASH_OPTIONS: Final = compile_late(r"(?:(?<!\s)\s+--hash(?:=|\s+)[A-Za-z0-9_-]+:[0-9a-fA-F]+)+")
_HASH_VALUE: Final = compile_late(r"[A-Za-z0-9_-]+:[0-9a-fA-F]+")
_OPTION_START: Final = compile_late(r"(?<!\s)\s+(?=--?[A-Za-z])")
#: Options of one requirement; all others apply to the whole file.
_REQUIREMENT_OPTIONS: Final = frozenset({"hashes", "install_options", "global_options", "config_settings"})
#: Addresses of repositories that pip accepts in ``-e``: its prefixes, and the schemes it completes to them.
_EDITABLE_SCHEMES: Final = ("git+", "hg+", "svn+", "bzr+", "git:", "hg:", "svn:", "bzr:", "file:")
#: Options that pip 26.3 reads in requirements files, and the library does not.
_ADDITIONAL_OPTIONS: Final = (
    (("-C", "--config-settings", "--config-setting"), "config_settings", "append"),
    (("--all-releases",), "all_releases", "append"),
    (("--only-final",), "only_final", "append"),
    (("--no-require-hashes",), "no_require_hashes", "store_true"),
)

#: What a specifier without an address does not contain before its marker.
_NOT_SPECIFIER: Final = compile_late(
    r"[/\\@:]|^[.~]|\.(?:whl|zip|t[abglxz]+|tar\.\w+)\s*(?:\[[^\]]*\]\s*)?$", re.IGNORECASE
)
_DIRECT_REFERENCE: Final = compile_late(NAME_PATTERN + "@")
_LOCAL_PATH: Final = compile_late(
    r"(?:\.{1,2}|(?:~|[A-Za-z]:|[\w.+${}-]*)[/\\][^\s<>|\"?*\[]*|[\w$][\w.+${}-]*)(?:\[[^\]]*\])?"
)
_URL_SCHEME: Final = compile_late(r"[A-Za-z][A-Za-z0-9+.-]+:")
_URL_OR_PATH: Final = compile_late(r"[A-Za-z][A-Za-z0-9+.-]*://|file:|\.{0,2}/|\$\{", re.IGNORECASE)
_DRIVE: Final = compile_late(r"[A-Za-z]:[/\\]")
_FILE_SCHEME: Final = compile_late(r"file:(?://(?:localhost)?(?=/))?", re.IGNORECASE)
_MARKER_START: Final = compile_late(r"\s;|;\s")
_EXTRAS_SUFFIX: Final = compile_late(r"\[[^\]]*\]$")
_WHITESPACE: Final = compile_late(r"\s")
_NON_NAME_CHARACTERS: Final = compile_late(r"[^A-Za-z0-9._-]+")
_LENGTH_ERROR: Final = f"longer than {MAX_LENGTH:,} characters"
_VERSION_FROM_ENVIRONMENT: Final = compile_late(rf"({NAME_PATTERN})([<>=!~][^;]*{VARIABLE_PATTERN}[^;]*)(;.*)?")


def parse_requirement(text: str) -> Specifier:
    """Return the requirement of a line, with its options.

    Raises:
        NotASpecifierError: The line is malformed.
    """
    option = _OPTION_START.search(text)
    if option is None:
        return _parse_bare_requirement(text)
    specifier = _parse_bare_requirement(text[: option.start()])
    if _HASH_OPTIONS.fullmatch(text, option.start()):
        return replace(specifier, has_hash=True)
    has_hash, has_ignored_text = _check_requirement_options(text, option.end())
    return replace(specifier, has_hash=has_hash, has_ignored_text=has_ignored_text)


def parse_editable_option(value: str, marker: str = "") -> Specifier:
    """Return the requirement that is the value of ``-e``: a directory or a repository.

    Raises:
        NotASpecifierError: The value is malformed.
    """
    from pip_requirements_parser import parse_editable

    if _DIRECT_REFERENCE.match(value):
        return _parse_direct_reference(f"{value} ;{marker}" if marker else value)
    name, url, extras = _call_pip_parser(parse_editable, value)
    if _URL_SCHEME.match(url) and not url.lower().startswith(_EDITABLE_SCHEMES) and not _DRIVE.match(url):
        hint = "write git+ before the address of a repository, or leave -e out"
        raise NotASpecifierError("only a directory or a repository can be editable", hint=hint)
    specifier = parse_specifier(name) if name else _guess_specifier(url)
    return replace(
        specifier,
        extras=tuple(sorted(extras)) or specifier.extras,
        marker=marker,
        skip_reason=_describe_source(url),
    )


def split_marker(text: str) -> tuple[str, str]:
    """Return a path or an address and its marker: the semicolon before a marker has a space beside it.

    Raises:
        NotASpecifierError: The marker is malformed.
    """
    match = _MARKER_START.search(text)
    if match is None:
        return text, ""
    try:
        return text[: match.start()].rstrip(), validate_marker(text[match.end() :])
    except ValueError as error:
        raise NotASpecifierError(f"the marker cannot be read: {_extract_message(error)}", offset=match.end()) from error


def parse_file_options(text: str) -> tuple[dict[str, list[str]], bool]:
    """Return the options on a line of options, and whether the line has more, which pip does not read.

    The options apply to the whole file; their values are by the library's name of the option.

    Raises:
        NotASpecifierError: The line has an unknown option.
    """
    values_by_option, arguments = _parse_options(text)
    file_options = {name: values for name, values in values_by_option.items() if name not in _REQUIREMENT_OPTIONS}
    return file_options, bool(arguments) or len(file_options) < len(values_by_option)


def _check_requirement_options(text: str, start: int) -> tuple[bool, bool]:
    """Return whether the options after a requirement include a hash, and whether there is more, which pip ignores.

    pip ignores words and the options of a file there; only ``-e`` begins another requirement.
    """
    values_by_option, arguments = _parse_options(text, start)
    if "editables" in values_by_option:
        message = f"{_format_option('editables')} cannot follow a requirement"
        raise NotASpecifierError(message, offset=start, hint="put it on its own line")
    hashes = values_by_option.get("hashes", [])
    if not all(map(_HASH_VALUE.fullmatch, hashes)):
        raise NotASpecifierError("not a hash", offset=start, hint="write --hash=sha256:… in hexadecimal digits")
    return bool(hashes), bool(arguments) or not _REQUIREMENT_OPTIONS.issuperset(values_by_option)


def _parse_options(text: str, start: int = 0) -> tuple[dict[str, list[str]], list[str]]:
    """Return the values of each option, by the library's name of it, and the arguments that are no options."""
    import shlex
    from optparse import Values

    from pip_requirements_parser import OptionParsingError

    if len(text) > MAX_LENGTH:
        raise NotASpecifierError(_LENGTH_ERROR)
    values = Values()  # the parser's own defaults are lists that it would extend with every line
    try:
        _, arguments = _build_option_parser().parse_args(shlex.split(text[start:]), values)
    except OptionParsingError as error:
        raise _explain_option_error(text, start, str(error.msg)) from error
    except ValueError as error:
        raise NotASpecifierError("a quotation mark is missing", offset=start) from error
    return {name: _list_values(value) for name, value in vars(values).items()}, arguments


def _list_values(value: object) -> list[str]:
    """Return the values of an option; none for a switch. The parser leaves the ``=`` of ``-r=file`` in the value."""
    values = value if isinstance(value, list) else [value]
    return [text.lstrip("=") for text in values if isinstance(text, str)]


def _format_option(name: str) -> str:
    """Return how an option is written."""
    return next(option.get_opt_string() for option in _build_option_parser().option_list if option.dest == name)


@lru_cache(maxsize=1)
def _build_option_parser() -> OptionParser:
    """Return the option parser; built once, because the library builds one per line, which is slow."""
    from pip_requirements_parser import build_parser

    parser: OptionParser = build_parser()
    for names, dest, action in _ADDITIONAL_OPTIONS:
        parser.add_option(*names, dest=dest, action=action)
    return parser


def _explain_option_error(text: str, start: int, parser_message: str) -> NotASpecifierError:
    """Return the error for an option that cannot be parsed, with the most similar option as a hint."""
    message = parser_message.partition("error: ")[2].strip().partition(" value: ")[0][:MAX_SHOWN_LENGTH]
    name = next(iter(re.findall(r"--?[\w-]+", message)), "")
    offset = max(text.find(name, start), start)
    if not message.startswith("no such option"):
        return NotASpecifierError(message, offset=offset)
    suggestions = get_close_matches(
        name, [option.get_opt_string() for option in _build_option_parser().option_list], n=1
    )
    hint = f"did you mean {suggestions[0]}?" if suggestions else "pip does not read this option in a requirements file"
    return NotASpecifierError(message, offset=offset, hint=hint)


def _parse_bare_requirement(text: str) -> Specifier:
    """Return a requirement without options."""
    if len(text) > MAX_LENGTH:
        raise NotASpecifierError(_LENGTH_ERROR)
    specifier_text = text.partition(";")[0]
    direct_match = _DIRECT_REFERENCE.match(specifier_text)
    if (
        not direct_match
        and _NOT_SPECIFIER.search(specifier_text)
        and _is_path_or_url(_MARKER_START.split(text, maxsplit=1)[0].rstrip())
    ):
        return _parse_path_or_url(text)
    try:
        return _parse_direct_reference(text) if direct_match else _parse_plain_specifier(text)
    except ValueError as error:
        raise detect_mistake(text) or error from error


def _is_path_or_url(text: str) -> bool:
    """Return whether pip would read this as a path or an address. The disk is not read."""
    if not _URL_SCHEME.match(text):
        return _LOCAL_PATH.fullmatch(text) is not None
    from pip_requirements_parser import is_url

    return is_url(text) and not _WHITESPACE.search(text)


def _parse_plain_specifier(text: str) -> Specifier:
    try:
        return parse_specifier(text)
    except ValueError:
        match = _VERSION_FROM_ENVIRONMENT.fullmatch(text)
        if match is None:
            raise
        return replace(parse_specifier(match[1] + (match[3] or "")), version=match[2].strip())


def _parse_direct_reference(text: str) -> Specifier:
    """Return the requirement of ``name @ address``."""
    specifier = parse_specifier(text)
    if not _URL_OR_PATH.match(specifier.url):
        raise NotASpecifierError("no address", offset=text.index("@") + 1, hint="write name @ https://…")
    version = specifier.version or _guess_specifier(specifier.url).version
    return replace(specifier, version=version, skip_reason=_describe_source(specifier.url))


def _parse_path_or_url(text: str) -> Specifier:
    """Return the requirement of a path or an address, with the name of its fragment or a guess from its last part."""
    from pip_requirements_parser import parse_reqparts_from_string

    path_or_url, marker = split_marker(text)
    parts = _call_pip_parser(parse_reqparts_from_string, path_or_url.replace("\\", "/"))
    address = path_or_url if _URL_SCHEME.match(path_or_url) else _EXTRAS_SUFFIX.sub("", path_or_url)
    requirement = parts.requirement
    specifier = (
        Specifier(name=requirement.name, version=str(requirement.specifier))
        if requirement
        else _guess_specifier(address)
    )
    extras = tuple(sorted({*parts.extras, *(requirement.extras if requirement else ())}))
    return replace(specifier, extras=extras, marker=marker, skip_reason=_describe_source(address))


def _call_pip_parser(function: Callable[[str], T], text: str) -> T:
    """Call a function of the library with its errors translated."""
    from pip_requirements_parser import PipError

    try:
        return function(text)
    except (PipError, ValueError) as error:
        raise NotASpecifierError(_extract_message(error)) from error


def _describe_source(address: str) -> str:
    """Return the skip reason of a path or an address."""
    if _URL_SCHEME.match(address) and not _FILE_SCHEME.match(address):
        return url_reason(address)[:MAX_SHOWN_LENGTH]
    path = _FILE_SCHEME.sub("", strip_credentials(address) if "://" in address else address, count=1)
    # An absolute address is somewhere on the machine, where conda builds its packages.
    is_absolute = _FILE_SCHEME.match(address) and address.partition(":")[2].startswith("///") and "${" not in address
    prefix = f"{LOCAL_FILE}:" if is_absolute else local_reason(path)
    return f"{prefix} {path.partition('#')[0]}"[:MAX_SHOWN_LENGTH]


def _guess_specifier(address: str) -> Specifier:
    """Return name and version guessed from the last part of a path or an address."""
    path = re.split(r"[?#]", strip_credentials(address) if "://" in address else address, maxsplit=1)[0]
    if "+" in address.partition(":")[0]:
        path = (path.rpartition("@")[0] or path).removesuffix(".git")
    file_name = re.split(r"[/\\]", _FILE_SCHEME.sub("", path).rstrip("/\\"))[-1]
    name, version = split_file_name(unquote(file_name))
    name = _NON_NAME_CHARACTERS.sub("-", name).strip("-._") or "local-project"
    return Specifier(name=name, is_named=False, version=version)


def _extract_message(error: Exception) -> str:
    return str(error).partition("\n")[0]
