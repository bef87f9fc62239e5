"""Package indexes from the pip and uv configuration."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from nerq_cli.ecosystems import PYPI
from nerq_cli.fetch.ca_bundle import CaBundle
from nerq_cli.patterns import compile_late
from nerq_cli.sources import SOURCES
from nerq_cli.sources.endpoints import get_server
from nerq_cli.sources.registries.config.config_files import (
    ConfigFiles,
    ProjectOrigin,
    RegistrySetting,
    normalise_index_url,
    redact_url,
)
from nerq_cli.sources.registries.config.credentials import build_basic_header, has_user_only, read_url_header

if TYPE_CHECKING:
    from configparser import ParsingError


class _IndexSettings(NamedTuple):
    """The indexes that one source of configuration names."""

    #: Replace PyPI; the first one counts.
    main: tuple[RegistrySetting, ...] = ()
    #: Further indexes, and directories and pages of archives (``find-links``).
    extra: tuple[RegistrySetting, ...] = ()
    #: Indexes that only packages assigned to them come from (uv's ``explicit``).
    explicit: tuple[RegistrySetting, ...] = ()
    #: Where it states that no index is used; empty if it does not.
    no_index: str = ""


class PythonConfig(NamedTuple):
    """The merged pip and uv configuration."""

    #: None = the public index.
    default_index: RegistrySetting | None
    #: Further indexes, without credentials.
    extra_indexes: tuple[str, ...]
    #: The index that only the project names; empty without one.
    claimed_index: str
    #: Further indexes that only the project names.
    claimed_extra_indexes: tuple[str, ...]
    #: Authorization headers by URL.
    url_headers: Mapping[str, str]
    #: All indexes that only the project names, also those that another setting overrules.
    origins: tuple[ProjectOrigin, ...] = ()
    #: The setting of the user by which no index is used; empty without one.
    no_index: str = ""
    #: Further indexes that are requested, by rank: those that end the search first.
    searched_indexes: tuple[RegistrySetting, ...] = ()
    #: Indexes of the user that only packages assigned to them come from.
    explicit_indexes: tuple[RegistrySetting, ...] = ()
    #: URLs of the indexes of the user by the name that uv gives each, in lower case; without credentials.
    named_indexes: Mapping[str, str] = {}
    #: Certificates that pip's files name.
    ca_bundles: tuple[CaBundle, ...] = ()


def read_python_config(
    files: ConfigFiles, folders: Iterable[Path], *, trust: bool, netrc_hosts: Collection[str] = ()
) -> PythonConfig:
    """Return the indexes of Python packages from the configuration of the user and of the project.

    The credentials of ``netrc_hosts`` complete URLs with a user and no password.
    """
    nerq = _read_variables(files.environ, main=(SOURCES["pypi"].variable,))
    uv = _read_variables(
        files.environ,
        is_uv=True,
        main=("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
        extra=("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"),
        no_index="UV_NO_INDEX",
    )
    pip = _read_variables(
        files.environ,
        main=("PIP_INDEX_URL", "PDM_PYPI_URL", "PIPENV_PYPI_MIRROR"),
        extra=("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"),
        no_index="PIP_NO_INDEX",
    )
    pip_files = _read_pip_files(files)
    file_settings = _merge_settings((*_read_uv_settings(files), _read_pip_settings(pip_files)))
    user_settings = _merge_settings((nerq, uv, pip, file_settings))
    project_settings = _merge_settings(_read_uv_project(files, folder) for folder in folders)
    user_indexes = (*user_settings.main, *user_settings.extra, *user_settings.explicit)
    servers = {get_server(index.url) for index in user_indexes} - {""}

    def is_trusted(index: RegistrySetting) -> bool:
        return trust or get_server(index.url) in servers or index.url in {setting.url for setting in user_indexes}

    project_main = project_settings.main[:1]
    candidates = (*nerq.main, *uv.main, *pip.main, *filter(is_trusted, project_main), *file_settings.main)
    extra_indexes = (*user_settings.extra, *filter(is_trusted, project_settings.extra))
    is_overruled = nerq.main or uv.main or any(map(is_trusted, project_main))
    if project_settings.no_index and not is_overruled:  # the packages come from the other places that it names
        project_main = (RegistrySetting(NO_INDEX, project_settings.no_index),)
    no_index = "" if nerq.main else user_settings.no_index
    return PythonConfig(
        default_index=RegistrySetting(NO_INDEX, no_index) if no_index else candidates[0] if candidates else None,
        extra_indexes=_list_urls(extra_indexes, excluding=candidates[:1]),
        claimed_index="" if is_overruled or not project_main else redact_url(project_main[0].url),
        claimed_extra_indexes=_list_urls(project_settings.extra, excluding=(*candidates[:1], *extra_indexes)),
        url_headers=_read_url_headers(
            files.environ,
            _merge_settings((user_settings, project_settings)) if trust else user_settings,
            netrc_hosts,
        ),
        origins=tuple(
            ProjectOrigin(PYPI, redact_url(index.url), index.location)
            for index in (*project_settings.main, *project_settings.extra)
            if index.location is not None and not is_trusted(index)
        ),
        no_index=no_index,
        searched_indexes=() if nerq.main else _select_searched(files.environ, extra_indexes, excluding=candidates[:1]),
        explicit_indexes=user_settings.explicit,
        named_indexes={index.name.lower(): redact_url(index.url) for index in reversed(user_indexes) if index.name},
        ca_bundles=() if files.environ.get("PIP_CERT") else _read_pip_certificates(files, pip_files),
    )


def _merge_settings(layers: Iterable[_IndexSettings]) -> _IndexSettings:
    all_layers = tuple(layers)
    return _IndexSettings(
        main=tuple(index for layer in all_layers for index in layer.main),
        extra=tuple(index for layer in all_layers for index in layer.extra),
        explicit=tuple(index for layer in all_layers for index in layer.explicit),
        no_index=next((layer.no_index for layer in all_layers if layer.no_index), ""),
    )


def _select_searched(
    environ: Mapping[str, str], indexes: Iterable[RegistrySetting], *, excluding: Iterable[RegistrySetting]
) -> tuple[RegistrySetting, ...]:
    """Return the indexes that are requested beside the first one, by rank.

    uv stops at the first index that has a package, unless its strategy is an unsafe one. An index that pip has as well
    does not end the search: which of the two installs is not known.
    """
    excluded_urls = {normalise_index_url(PYPI, index.url) for index in excluding}
    candidates: dict[str, RegistrySetting] = {}
    is_unsafe = environ.get("UV_INDEX_STRATEGY", "").startswith("unsafe")
    for index in indexes:
        url = normalise_index_url(PYPI, index.url)
        if url and url not in excluded_urls and not index.is_page:
            known = candidates.setdefault(url, index._replace(ends_search=index.ends_search and not is_unsafe))
            candidates[url] = known._replace(ends_search=known.ends_search and index.ends_search)
    return tuple(sorted(candidates.values(), key=lambda index: not index.ends_search))


def _list_urls(indexes: Iterable[RegistrySetting], *, excluding: Iterable[RegistrySetting]) -> tuple[str, ...]:
    excluded_urls = {redact_url(index.url) for index in excluding}
    return tuple(url for url in dict.fromkeys(redact_url(index.url) for index in indexes) if url not in excluded_urls)


def _read_url_headers(
    environ: Mapping[str, str], indexes: _IndexSettings, netrc_hosts: Collection[str]
) -> dict[str, str]:
    """Return headers by URL: the credentials in it, or those in the environment for the name of the index (uv).

    As in pip, a user without a password gives way to the login of netrc.
    """
    headers: dict[str, str] = {}
    for index in (*indexes.main, *indexes.extra, *indexes.explicit):
        url, header = (
            normalise_index_url(PYPI, index.url),
            read_url_header(index.url) or _build_uv_header(environ, index.name),
        )
        if has_user_only(index.url) and urlsplit(url).hostname in netrc_hosts:
            continue
        if url and header:
            headers.setdefault(url, header)
    return headers


def _build_uv_header(environ: Mapping[str, str], name: str) -> str:
    variable = f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', name.upper())}"
    user, password = environ.get(f"{variable}_USERNAME", ""), environ.get(f"{variable}_PASSWORD", "")
    return build_basic_header(user, password) if name and (user or password) else ""


_NAME_AND_URL = compile_late(r"(?:(?P<name>[A-Za-z0-9._-]+)=)?(?P<url>.*)", re.DOTALL)


def _read_variables(
    environ: Mapping[str, str],
    *,
    main: Iterable[str],
    extra: Iterable[str] = (),
    no_index: str = "",
    is_uv: bool = False,
) -> _IndexSettings:
    """Return the indexes in environment variables: one each, or several separated by white space (uv: or commas)."""

    def iter_indexes(variables: Iterable[str]) -> Iterator[RegistrySetting]:
        for variable in variables:
            value = environ.get(variable, "")
            for entry in (value.replace(",", " ") if variable == "UV_FIND_LINKS" else value).split():
                match = _NAME_AND_URL.fullmatch(entry)
                name, url = match.group("name", "url") if match and variable in _NAMED_INDEX_VARIABLES else ("", entry)
                is_page = variable.endswith("FIND_LINKS")
                yield RegistrySetting(url, f"environment {variable}", name or "", None, is_page, is_uv)

    is_set = environ.get(no_index, "").strip().lower() in _TRUE_WORDS
    return _IndexSettings(
        tuple(iter_indexes(main)),
        tuple(iter_indexes(extra)),
        no_index=f"environment {no_index}" if is_set else "",
    )


#: Values by which pip and uv take an option as set.
_TRUE_WORDS: Final = frozenset({"1", "true", "yes", "y", "t", "on"})
#: The address in place of an index where none is used, as the option is called.
NO_INDEX: Final = "--no-index"
#: Variables that accept ``name=url`` as well as a URL.
_NAMED_INDEX_VARIABLES: Final = ("UV_DEFAULT_INDEX", "UV_INDEX")


def find_uv_files(
    environ: Mapping[str, str], *, home: Path, root: Path, platform: str = sys.platform
) -> tuple[Path, ...]:
    """Return the configuration files of uv for user and system, by falling precedence.

    As in the documentation of uv ("Configuration files"): only the one that UV_CONFIG_FILE names, or that of the user,
    then that of the system.
    """
    if environ.get("UV_NO_CONFIG", "").lower() in ("1", "true", "yes", "on"):
        return ()
    if config_file := environ.get("UV_CONFIG_FILE"):
        return (Path(config_file),)
    if platform == "win32":
        folders = [Path(environ[name]) for name in ("APPDATA", "PROGRAMDATA") if environ.get(name)]
    else:
        folders = [_find_config_home(environ, home), *_find_config_folders(environ, root), root / "etc"]
    return tuple(folder / "uv" / "uv.toml" for folder in folders)


def find_pip_files(
    environ: Mapping[str, str], *, home: Path, root: Path, platform: str = sys.platform
) -> tuple[Path, ...]:
    """Return the configuration files of pip, by falling precedence.

    As in the documentation of pip ("Configuration files"): the file that PIP_CONFIG_FILE names, which also replaces
    those of the user; that of the virtual environment; those of the user, new location before old; those of the system.
    """
    config_file = environ.get("PIP_CONFIG_FILE", "")
    if config_file == os.devnull:
        return ()
    name = "pip.ini" if platform == "win32" else "pip.conf"
    user_folders, system_folders = _find_pip_folders(environ, home, root, platform)
    if config_file and os.path.exists(config_file):  # noqa: PTH110 - exists() raises where a folder may not be searched
        user_folders = []
    environment_folders = [Path(environ["VIRTUAL_ENV"])] if environ.get("VIRTUAL_ENV") else []
    return (
        *([Path(config_file)] if config_file else []),
        *(folder / name for folder in (*environment_folders, *user_folders, *system_folders)),
    )


def _find_pip_folders(
    environ: Mapping[str, str], home: Path, root: Path, platform: str
) -> tuple[list[Path], list[Path]]:
    """Return the folders of the user, and those of the system."""
    if platform == "win32":
        roaming, shared = (
            [Path(environ[key]) / "pip"] if environ.get(key) else [] for key in ("APPDATA", "PROGRAMDATA")
        )
        return [*roaming, home / "pip"], shared
    if platform == "darwin":
        user_folder, system_folder = (base / "Library" / "Application Support" / "pip" for base in (home, root))
        return [user_folder if user_folder.is_dir() else home / ".config" / "pip", home / ".pip"], [system_folder]
    system = [root / "etc", *(folder / "pip" for folder in reversed(_find_config_folders(environ, root)))]
    return [_find_config_home(environ, home) / "pip", home / ".pip"], system


def _find_config_home(environ: Mapping[str, str], home: Path) -> Path:
    """Return the XDG base directory for configuration; a relative one is ignored."""
    directory = environ.get("XDG_CONFIG_HOME", "")
    return Path(directory) if directory.startswith("/") else home / ".config"


def _find_config_folders(environ: Mapping[str, str], root: Path) -> list[Path]:
    folders = [Path(entry) for entry in environ.get("XDG_CONFIG_DIRS", "").split(":") if entry.startswith("/")]
    return folders or [root / "etc" / "xdg"]


def _read_uv_settings(files: ConfigFiles) -> Iterator[_IndexSettings]:
    for path in find_uv_files(files.environ, home=files.home, root=files.root):
        if text := files.read_text(path):
            yield _read_uv_indexes(files, path, _parse_toml(files, path, text))


def _read_uv_project(files: ConfigFiles, folder: Path) -> _IndexSettings:
    """Return the uv settings in one directory of the project: uv.toml, or else ``[tool.uv]`` in pyproject.toml."""
    uv_toml, pyproject = folder / "uv.toml", folder / "pyproject.toml"
    if text := files.read_text(uv_toml):
        path, settings = uv_toml, _parse_toml(files, uv_toml, text)
    else:
        path, text = pyproject, files.read_text(pyproject)
        if "uv" not in text or not any(word in text for word in ("index", "find-links")):
            return _IndexSettings()
        settings = _get_table(_get_table(_parse_toml(files, pyproject, text), "tool"), "uv")
    indexes = _read_uv_indexes(files, path, settings)

    def locate(settings: Iterable[RegistrySetting]) -> tuple[RegistrySetting, ...]:
        return tuple(index._replace(location=files.locate(path, text, index.url)) for index in settings)

    return indexes._replace(main=locate(indexes.main), extra=locate(indexes.extra))


def _parse_toml(files: ConfigFiles, path: Path, text: str) -> Mapping[str, object]:
    import tomli

    try:
        return tomli.loads(text)
    except (ValueError, RecursionError) as error:
        if path.name != "pyproject.toml":  # the reader of pyproject.toml reports those
            files.warn_about_lines(path, [getattr(error, "lineno", 1)], "TOML")
        return {}


def _get_table(document: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _read_uv_indexes(files: ConfigFiles, path: Path, settings: Mapping[str, object]) -> _IndexSettings:
    origin = files.describe_origin(path)
    indexes = settings.get("index", [])
    tables = [entry for entry in indexes if isinstance(entry, dict)] if isinstance(indexes, list) else []
    if not isinstance(indexes, list) or len(tables) < len(indexes):
        files.warnings.append(f"{origin}: index is not a list of tables")
    main = [_read_uv_index(entry, origin) for entry in tables if entry.get("default") is True]
    further = [entry for entry in tables if entry.get("default") is not True]
    extra = [_read_uv_index(entry, origin) for entry in further if entry.get("explicit") is not True]
    explicit = [_read_uv_index(entry, origin) for entry in further if entry.get("explicit") is True]
    for table in (settings, _get_table(settings, "pip")):
        main += [RegistrySetting(url, origin) for url in _read_strings(files, origin, table, "index-url")]
        for key in ("extra-index-url", "find-links"):
            is_page = key == "find-links"
            extra += [
                RegistrySetting(url, origin, is_page=is_page, ends_search=True)
                for url in _read_strings(files, origin, table, key)
            ]
    no_index = settings.get("no-index") is True or _get_table(settings, "pip").get("no-index") is True
    return _IndexSettings(
        tuple(entry for entry in main if entry.url),
        tuple(entry for entry in extra if entry.url),
        tuple(entry for entry in explicit if entry.url),
        origin if no_index else "",
    )


def _read_uv_index(table: Mapping[str, object], origin: str) -> RegistrySetting:
    is_page = table.get("format") == "flat"
    return RegistrySetting(
        str(table.get("url", "")), origin, str(table.get("name", "")), is_page=is_page, ends_search=True
    )


def _read_strings(files: ConfigFiles, origin: str, table: Mapping[str, object], key: str) -> list[str]:
    value = table.get(key, [])
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        files.warnings.append(f"{origin}: {key} is not text")
    return [item for item in values if isinstance(item, str)]


#: Sections of the pip configuration, by falling precedence for ``pip install``; it ignores the last.
_PIP_SECTIONS: Final = ("install", "global", "download")


#: The settings of each file of pip by section and option, with the file, for users; by falling precedence.
_PipFiles: TypeAlias = "list[tuple[str, Mapping[tuple[str, str], str]]]"


def _read_pip_files(files: ConfigFiles) -> _PipFiles:
    paths = find_pip_files(files.environ, home=files.home, root=files.root)
    return [(files.describe_origin(path), _parse_ini(files, path)) for path in paths]


def _list_pip_values(pip_files: _PipFiles, option: str) -> list[tuple[str, str]]:
    """Return the values of an option and where each is, by falling precedence."""
    return [
        (value, origin)
        for section in _PIP_SECTIONS
        for origin, settings in pip_files
        if (value := settings.get((section, option), "").strip())
    ]


def _read_pip_settings(pip_files: _PipFiles) -> _IndexSettings:
    def read_option(option: str, *, is_page: bool = False) -> tuple[RegistrySetting, ...]:
        return tuple(
            RegistrySetting(url, origin, is_page=is_page)
            for value, origin in _list_pip_values(pip_files, option)
            for url in value.split()
        )

    no_index = next((setting for setting in read_option("no-index")), None)
    return _IndexSettings(
        main=read_option("index-url"),
        extra=(*read_option("extra-index-url"), *read_option("find-links", is_page=True)),
        no_index=no_index.origin if no_index is not None and no_index.url.lower() in _TRUE_WORDS else "",
    )


def _read_pip_certificates(files: ConfigFiles, pip_files: _PipFiles) -> tuple[CaBundle, ...]:
    """Return the bundle that pip uses, if its files name one."""
    bundles = (
        CaBundle(origin=origin, path=files.expand_home(value)) for value, origin in _list_pip_values(pip_files, "cert")
    )
    return tuple(islice(bundles, 1))


def _parse_ini(files: ConfigFiles, path: Path) -> Mapping[tuple[str, str], str]:
    """Return the settings of a pip file, without the lines that pip would refuse."""
    text = files.read_text(path)
    if not any(word in text.lower() for word in ("index", "find-links", "find_links", "cert")):
        return {}
    settings, invalid_lines = _parse_sections(text.splitlines())
    if invalid_lines:
        files.warn_about_lines(path, sorted(invalid_lines), "key = value in a section")
    return settings


_SECTION_HEADER = compile_late(r"\s*\[.+\]")


def _parse_sections(lines: list[str]) -> tuple[Mapping[tuple[str, str], str], list[int]]:
    """Return values by section and option, and the numbers of invalid lines."""
    from configparser import ParsingError, RawConfigParser

    parser = RawConfigParser(strict=False)
    try:
        parser.read_string("\n".join(lines))
    except ParsingError as error:
        invalid_lines = _find_invalid_lines(error, lines)
        settings, further_lines = _parse_sections(
            ["" if number in invalid_lines else line for number, line in enumerate(lines, start=1)]
        )
        return settings, [*invalid_lines, *further_lines]
    return {
        (section, key.replace("_", "-").removeprefix("--")): value
        for section in parser.sections()
        for key, value in parser.items(section)
    }, []


def _find_invalid_lines(error: ParsingError, lines: list[str]) -> list[int]:
    """Return the numbers of invalid lines: those before the first section, or else all that are no option."""
    from configparser import MissingSectionHeaderError

    if isinstance(error, MissingSectionHeaderError):
        preamble = takewhile(lambda line: not _SECTION_HEADER.match(line), lines)
        return [number for number, line in enumerate(preamble, start=1) if line.strip()]
    return [number for number, _ in error.errors]
