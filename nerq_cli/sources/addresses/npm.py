"""What npm is configured to use as its registry, for all packages and for those of one scope."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from nerq_cli.inventory import NPM
from nerq_cli.sources.addresses.credentials import basic, url_header
from nerq_cli.sources.addresses.places import UNPRINTABLE, Files, Named, address, readable, server, split

_ENVIRONMENT: Final = "npm_config_"
_VARIABLE = re.compile(r"(?<!\\)(\\*)\$\{([^${}?]+)(\?)?\}")
_UNCOMMENTED = re.compile(r"(?:\\.|[^;#\\])*\\?")
_REGISTRY = re.compile(r"(?:(@[^/:]+):)?registry")


class NpmRegistries(NamedTuple):
    """What all the places together say, by scope; the registry of packages without one has the scope "".

    ``claimed`` is only what the project says; ``urls`` and ``paths`` are headers by address, and by host and path.
    """

    asked: Mapping[str, Named]
    claimed: Mapping[str, str]
    urls: Mapping[str, str]
    paths: Mapping[str, str]


class _Npmrc(NamedTuple):
    """The settings of one place; those of the environment have no ``origin`` of their own."""

    settings: Mapping[str, str]
    origin: str = ""

    def registries(self) -> dict[str, Named]:
        """Return the registries by scope; "" is the one for everything else."""
        found = {}
        for key, url in self.settings.items():
            match = _REGISTRY.fullmatch(key)
            if match and url:
                found[match[1] or ""] = Named(url, self.origin or f"environment {_ENVIRONMENT}{key}")
        return found


def read_npm(files: Files, folders: Iterable[Path], *, trust: bool) -> NpmRegistries:
    """Read which registries npm packages come from: after the user's configuration, and after the project's."""
    environment = _npm_environment(files.environ)
    own = Path(environment.settings.get("userconfig") or files.home / ".npmrc")
    settled = [_npmrc(files, path, expand=True) for path in (*_npm_global(environment), own)]
    inner_last = [folder / ".npmrc" for folder in folders if folder / ".npmrc" != own][::-1]
    project = [_npmrc(files, path, expand=trust) for path in inner_last]
    ours = _Npmrc({"registry": files.environ.get("NERQ_NPM_URL", "").strip()}, "environment NERQ_NPM_URL")

    trusted = (*settled, *(project if trust else ()), environment, ours)
    paths = _npm_credentials(files, trusted)
    above = _registries((environment, ours))
    said = {scope: one for scope, one in _registries(project).items() if scope not in above}
    named = [one for place in trusted for one in place.registries().values()]
    servers = {server(one.url) for one in named} | {server(f"https://{place}") for place in paths}
    followed = {scope: one for scope, one in said.items() if trust or server(one.url) in servers - {""}}
    return NpmRegistries(
        asked={**_registries(settled), **followed, **above},
        claimed={scope: readable(one.url) for scope, one in said.items() if scope not in followed},
        urls={address(NPM, one.url): header for one in named if (header := url_header(one.url))},
        paths=paths,
    )


def _registries(places: Iterable[_Npmrc]) -> dict[str, Named]:
    """Registries by scope; a later place overrules an earlier one."""
    return {scope: one for place in places for scope, one in place.registries().items()}


def _npm_global(environment: _Npmrc) -> list[Path]:
    """The global npmrc, where the environment tells; only npm itself knows otherwise."""
    if named := environment.settings.get("globalconfig"):
        return [Path(named)]
    prefix = environment.settings.get("prefix")
    return [Path(prefix) / "etc" / "npmrc"] if prefix else []


def _npm_environment(environ: Mapping[str, str]) -> _Npmrc:
    """Settings from the environment; npm takes their names in any case, and ``_`` for ``-``."""
    settings = {}
    for variable, value in environ.items():
        if variable[: len(_ENVIRONMENT)].lower() == _ENVIRONMENT and value:
            key = variable[len(_ENVIRONMENT) :]
            name = key if key.startswith("//") else f"{key[:1]}{key[1:].replace('_', '-')}".lower()
            settings[name] = _expanded(value, environ)
    return _Npmrc(settings)


def _npmrc(files: Files, path: Path, *, expand: bool) -> _Npmrc:
    """Read an npmrc: ini without sections, as npm's own parser takes it. No parser for it is kept for Python."""
    settings, wrong = {}, []
    environ = files.environ if expand else {}
    for number, line in enumerate(re.split(r"\r\n|\r|\n", files.read(path)), start=1):
        written = line.strip()
        if not written or written[0] in ";#":
            continue
        if written.startswith("["):  # what follows belongs to a section, which npm never looks into
            break
        key, equals, value = written.partition("=")
        if equals:
            settings[_expanded(_unquoted(key), environ)] = _expanded(_unquoted(value), environ)
        else:
            wrong.append(number)
    if wrong:
        files.misread(path, wrong, "key=value")
    return _Npmrc(settings, files.origin(path))


def _unquoted(written: str) -> str:
    """Take off quotes, or else a comment behind the value."""
    text = written.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    match = _UNCOMMENTED.match(text)
    return re.sub(r"\\([\\;#])", r"\1", match[0] if match else "").strip()


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    """Put variables in as npm does: ``${NAME}`` stays as it is when there is none, ``${NAME?}`` becomes empty."""

    def value(match: re.Match[str]) -> str:
        escapes, name, optional = match.groups()
        if len(escapes) % 2:
            return match[0][(len(escapes) + 1) // 2 :]
        return escapes[len(escapes) // 2 :] + environ.get(name, "" if optional else f"${{{name}}}")

    return _VARIABLE.sub(value, text)


def _npm_credentials(files: Files, places: Iterable[_Npmrc]) -> dict[str, str]:
    """Headers by host and path: settings such as ``//npm.example/team/:_authToken``."""
    filed: dict[str, dict[str, str]] = {}
    for place in places:
        for key, value in place.settings.items():
            where, colon, what = key.rpartition(":")
            if colon and where.startswith("//") and value:
                filed.setdefault(split(f"https:{where}")[0].partition("//")[2], {})[what] = value
    headers = {place: _npm_header(files, place, said) for place, said in filed.items()}
    return {place: header for place, header in headers.items() if place and header}


def _npm_header(files: Files, place: str, said: Mapping[str, str]) -> str:
    """The header for what is filed under one address, in npm's order; empty when it cannot be one."""
    if token := said.get("_authToken"):
        header = f"Bearer {token}"
    elif pair := said.get("_auth"):
        header = f"Basic {pair}"
    elif (user := said.get("username")) and (password := said.get("_password")):
        header = basic(user, _decoded(password))
    else:
        return ""
    if "${" in header or UNPRINTABLE.search(header.replace(" ", "", 1)):
        files.warnings.append(f"npm's credentials for {place} are not usable (is a variable they mention not set?)")
        return ""
    return header


def _decoded(password: str) -> str:
    try:
        return binascii.a2b_base64(password).decode("utf-8", "replace")
    except ValueError:
        return ""
