"""What pip and uv are configured to use as their package index."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from nerq_cli.inventory import PYPI
from nerq_cli.sources.addresses.credentials import basic, url_header
from nerq_cli.sources.addresses.places import Files, Named, address, readable, server

if TYPE_CHECKING:
    from configparser import ParsingError


class _Indexes(NamedTuple):
    """The indexes that one place names: what replaces PyPI (the first one counts), and what stands beside it."""

    main: tuple[Named, ...] = ()
    extra: tuple[Named, ...] = ()


class PythonIndexes(NamedTuple):
    """What all the places together say.

    ``asked`` is None for the public index; ``urls`` are headers by address; the rest is for people, and what is
    ``claimed`` is only what the project says.
    """

    asked: Named | None
    extra: tuple[str, ...]
    claimed: str
    claimed_extra: tuple[str, ...]
    urls: Mapping[str, str]


def read_python(files: Files, folders: Iterable[Path], *, trust: bool) -> PythonIndexes:
    """Read which index Python packages come from: after the user's configuration, and after the project's."""
    ours = _variables(files.environ, main=("NERQ_PYPI_URL",))
    uv = _variables(files.environ, main=("UV_DEFAULT_INDEX", "UV_INDEX_URL"), extra=("UV_INDEX", "UV_EXTRA_INDEX_URL"))
    pip = _variables(files.environ, main=("PIP_INDEX_URL",), extra=("PIP_EXTRA_INDEX_URL",))
    settled = _joined((*_uv_settings(files), _pip_settings(files)))
    user = _joined((ours, uv, pip, settled))
    project = _joined(_uv_project(files, folder) for folder in folders)
    servers = {server(one.url) for one in (*user.main, *user.extra)} - {""}

    def followed(one: Named) -> bool:
        return trust or server(one.url) in servers

    said = project.main[:1]
    asked = (*ours.main, *uv.main, *pip.main, *filter(followed, said), *settled.main)
    extra = (*user.extra, *filter(followed, project.extra))
    overruled = ours.main or uv.main or any(map(followed, said))
    return PythonIndexes(
        asked=asked[0] if asked else None,
        extra=_listed(extra, apart_from=asked[:1]),
        claimed="" if overruled or not said else readable(said[0].url),
        claimed_extra=_listed(project.extra, apart_from=(*asked[:1], *extra)),
        urls=_url_credentials(files.environ, _joined((user, project)) if trust else user),
    )


def _joined(places: Iterable[_Indexes]) -> _Indexes:
    every = tuple(places)
    return _Indexes(
        main=tuple(one for place in every for one in place.main),
        extra=tuple(one for place in every for one in place.extra),
    )


def _listed(some: Iterable[Named], *, apart_from: Iterable[Named]) -> tuple[str, ...]:
    known = {readable(one.url) for one in apart_from}
    return tuple(url for url in dict.fromkeys(readable(one.url) for one in some) if url not in known)


def _url_credentials(environ: Mapping[str, str], indexes: _Indexes) -> dict[str, str]:
    """Headers by address: what stands in a URL, or what the environment says for an index of that name (uv)."""
    headers: dict[str, str] = {}
    for one in (*indexes.main, *indexes.extra):
        place, header = address(PYPI, one.url), url_header(one.url) or _uv_credentials(environ, one.name)
        if place and header:
            headers.setdefault(place, header)
    return headers


def _uv_credentials(environ: Mapping[str, str], name: str) -> str:
    variable = f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', name.upper())}"
    user, password = environ.get(f"{variable}_USERNAME", ""), environ.get(f"{variable}_PASSWORD", "")
    return basic(user, password) if name and (user or password) else ""


_NAME_AND_URL = re.compile(r"(?:(?P<name>[A-Za-z0-9._-]+)=)?(?P<url>.*)", re.DOTALL)


def _variables(environ: Mapping[str, str], *, main: Iterable[str], extra: Iterable[str] = ()) -> _Indexes:
    """Read environment variables: one index each, or several with white space between them."""

    def named(variables: Iterable[str]) -> Iterator[Named]:
        for variable in variables:
            for written in environ.get(variable, "").split():
                match = _NAME_AND_URL.fullmatch(written)
                name, url = match.group("name", "url") if match and variable in _NAMING else ("", written)
                yield Named(url, f"environment {variable}", name or "")

    return _Indexes(tuple(named(main)), tuple(named(extra)))


#: Variables that take ``name=url`` as well as a URL.
_NAMING: Final = ("UV_DEFAULT_INDEX", "UV_INDEX")


def uv_files(environ: Mapping[str, str], *, home: Path, root: Path, platform: str = sys.platform) -> tuple[Path, ...]:
    """Return where uv keeps a user's and a system's settings, what decides first coming first.

    After uv's documentation ("Configuration files"): the one UV_CONFIG_FILE names and no other, or the user's and
    then the system's, in the order they are searched for.
    """
    if environ.get("UV_NO_CONFIG", "").lower() in ("1", "true", "yes", "on"):
        return ()
    if only := environ.get("UV_CONFIG_FILE"):
        return (Path(only),)
    if platform == "win32":
        folders = [Path(environ[name]) for name in ("APPDATA", "PROGRAMDATA") if environ.get(name)]
    else:
        folders = [_config_home(environ, home), *_config_folders(environ, root), root / "etc"]
    return tuple(folder / "uv" / "uv.toml" for folder in folders)


def pip_files(environ: Mapping[str, str], *, home: Path, root: Path, platform: str = sys.platform) -> tuple[Path, ...]:
    """Return where pip looks for its configuration, what decides first coming first.

    After pip's documentation ("Configuration files"): the file PIP_CONFIG_FILE names, which also stands in for the
    user's; that of the virtual environment; the user's, new place before old; the system's.
    """
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return ()
    name = "pip.ini" if platform == "win32" else "pip.conf"
    user, system = _pip_folders(environ, home, root, platform)
    if named and os.path.exists(named):  # noqa: PTH110 - exists() raises where a folder may not be searched
        user = []
    site = [Path(environ["VIRTUAL_ENV"])] if environ.get("VIRTUAL_ENV") else []
    return (*([Path(named)] if named else []), *(folder / name for folder in (*site, *user, *system)))


def _pip_folders(environ: Mapping[str, str], home: Path, root: Path, platform: str) -> tuple[list[Path], list[Path]]:
    """The user's folders and the system's."""
    if platform == "win32":
        roaming, shared = (
            [Path(environ[key]) / "pip"] if environ.get(key) else [] for key in ("APPDATA", "PROGRAMDATA")
        )
        return [*roaming, home / "pip"], shared
    if platform == "darwin":
        own, common = (base / "Library" / "Application Support" / "pip" for base in (home, root))
        return [own if own.is_dir() else home / ".config" / "pip", home / ".pip"], [common]
    system = [root / "etc", *(folder / "pip" for folder in reversed(_config_folders(environ, root)))]
    return [_config_home(environ, home) / "pip", home / ".pip"], system


def _config_home(environ: Mapping[str, str], home: Path) -> Path:
    """The XDG base directory for a user's configuration; a relative one is to be ignored."""
    named = environ.get("XDG_CONFIG_HOME", "")
    return Path(named) if named.startswith("/") else home / ".config"


def _config_folders(environ: Mapping[str, str], root: Path) -> list[Path]:
    named = [Path(one) for one in environ.get("XDG_CONFIG_DIRS", "").split(":") if one.startswith("/")]
    return named or [root / "etc" / "xdg"]


def _uv_settings(files: Files) -> Iterator[_Indexes]:
    for path in uv_files(files.environ, home=files.home, root=files.root):
        if text := files.read(path):
            yield _uv_indexes(files, path, _toml(files, path, text))


def _uv_project(files: Files, folder: Path) -> _Indexes:
    """Read uv's settings in one directory of the project: its uv.toml, or else ``[tool.uv]`` of its pyproject.toml."""
    own, shared = folder / "uv.toml", folder / "pyproject.toml"
    if text := files.read(own):
        return _uv_indexes(files, own, _toml(files, own, text))
    text = files.read(shared)
    if "index" not in text or "uv" not in text:
        return _Indexes()
    return _uv_indexes(files, shared, _table(_table(_toml(files, shared, text), "tool"), "uv"))


def _toml(files: Files, path: Path, text: str) -> Mapping[str, object]:
    import tomli

    try:
        return tomli.loads(text)
    except (ValueError, RecursionError) as problem:
        if path.name != "pyproject.toml":  # the reader of manifests speaks about those
            files.misread(path, [getattr(problem, "lineno", 1)], "TOML")
        return {}


def _table(of: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = of.get(key)
    return value if isinstance(value, dict) else {}


def _uv_indexes(files: Files, path: Path, settings: Mapping[str, object]) -> _Indexes:
    origin = files.origin(path)
    indexes = settings.get("index", [])
    tables = [one for one in indexes if isinstance(one, dict)] if isinstance(indexes, list) else []
    if not isinstance(indexes, list) or len(tables) < len(indexes):
        files.warnings.append(f"{origin}: index is not a list of tables")
    main = [_uv_index(one, origin) for one in tables if one.get("default") is True]
    extra = [
        _uv_index(one, origin) for one in tables if one.get("default") is not True and one.get("explicit") is not True
    ]
    for table in (settings, _table(settings, "pip")):
        main += [Named(url, origin) for url in _strings(files, origin, table, "index-url")]
        extra += [Named(url, origin) for url in _strings(files, origin, table, "extra-index-url")]
    return _Indexes(tuple(one for one in main if one.url), tuple(one for one in extra if one.url))


def _uv_index(table: Mapping[str, object], origin: str) -> Named:
    return Named(str(table.get("url", "")), origin, str(table.get("name", "")))


def _strings(files: Files, origin: str, table: Mapping[str, object], key: str) -> list[str]:
    value = table.get(key, [])
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in values):
        files.warnings.append(f"{origin}: {key} is not text")
    return [one for one in values if isinstance(one, str)]


#: Sections of pip's configuration: what ``pip install`` obeys first, what it would not obey last.
_SECTIONS: Final = ("install", "global", "download")


def _pip_settings(files: Files) -> _Indexes:
    paths = pip_files(files.environ, home=files.home, root=files.root)
    read = [(files.origin(path), _ini(files, path)) for path in paths]

    def named(option: str) -> tuple[Named, ...]:
        return tuple(
            Named(url, origin)
            for section in _SECTIONS
            for origin, settings in read
            for url in settings.get((section, option), "").split()
        )

    return _Indexes(main=named("index-url"), extra=named("extra-index-url"))


def _ini(files: Files, path: Path) -> Mapping[tuple[str, str], str]:
    """Read one of pip's files as pip does, but go on without the lines that pip would stop at."""
    text = files.read(path)
    if "index" not in text.lower():
        return {}
    settings, wrong = _sections(text.splitlines())
    if wrong:
        files.misread(path, sorted(wrong), "key = value in a section")
    return settings


_SECTION = re.compile(r"\s*\[.+\]")


def _sections(lines: list[str]) -> tuple[Mapping[tuple[str, str], str], list[int]]:
    """Values by section and option, and the numbers of the lines that are neither."""
    from configparser import ParsingError, RawConfigParser

    parser = RawConfigParser(strict=False)
    try:
        parser.read_string("\n".join(lines))
    except ParsingError as problem:
        wrong = _unparsed(problem, lines)
        settings, more = _sections(["" if number in wrong else line for number, line in enumerate(lines, start=1)])
        return settings, [*wrong, *more]
    return {
        (section, key.replace("_", "-").removeprefix("--")): value
        for section in parser.sections()
        for key, value in parser.items(section)
    }, []


def _unparsed(problem: ParsingError, lines: list[str]) -> list[int]:
    """The numbers of the lines a parser cannot use: those before the first section, or else all that are no option."""
    from configparser import MissingSectionHeaderError

    if isinstance(problem, MissingSectionHeaderError):
        ahead = takewhile(lambda line: not _SECTION.match(line), lines)
        return [number for number, line in enumerate(ahead, start=1) if line.strip()]
    return [number for number, _ in problem.errors]
