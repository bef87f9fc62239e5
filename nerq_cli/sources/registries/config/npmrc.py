"""Registries of npm packages from the npm configuration, in general and by scope."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from nerq_cli.ecosystems import NPM
from nerq_cli.sources import SOURCES
from nerq_cli.sources.endpoints import UNPRINTABLE, get_server, split_url
from nerq_cli.sources.registries.config.config_files import (
    ConfigFiles,
    RegistrySetting,
    normalise_index_url,
    redact_url,
)
from nerq_cli.sources.registries.config.credentials import build_basic_header, read_url_header

_VARIABLE_PREFIX: Final = "npm_config_"
_VARIABLE_REFERENCE = re.compile(r"(?<!\\)(\\*)\$\{([^${}?]+)(\?)?\}")
_VALUE_BEFORE_COMMENT = re.compile(r"(?:\\.|[^;#\\])*\\?")
_REGISTRY_KEY = re.compile(r"(?:(@[^/:]+):)?registry")


class NpmConfig(NamedTuple):
    """The merged npm configuration."""

    #: Registries by scope; "" for packages without a registry for their scope.
    registries: Mapping[str, RegistrySetting]
    #: Registries that only the project names, by scope.
    claimed_urls: Mapping[str, str]
    #: Authorization headers by URL.
    url_headers: Mapping[str, str]
    #: Authorization headers by host and path.
    path_headers: Mapping[str, str]


class _Npmrc(NamedTuple):
    """The settings of one npmrc file or of the environment."""

    settings: Mapping[str, str]
    #: The file, for users; empty for the environment.
    origin: str = ""

    def find_registries(self) -> dict[str, RegistrySetting]:
        """Return the registries by scope; "" for packages without a registry for their scope."""
        registries = {}
        for key, url in self.settings.items():
            match = _REGISTRY_KEY.fullmatch(key)
            if match and url:
                registries[match[1] or ""] = RegistrySetting(url, self.origin or f"environment {_VARIABLE_PREFIX}{key}")
        return registries


def read_npm_config(files: ConfigFiles, folders: Iterable[Path], *, trust: bool) -> NpmConfig:
    """Return the registries of npm packages from the configuration of the user and of the project."""
    environment = _read_environment(files.environ)
    user_npmrc = Path(environment.settings.get("userconfig") or files.home / ".npmrc")
    user_layers = [_read_npmrc(files, path, expand=True) for path in (*_find_global_npmrc(environment), user_npmrc)]
    project_npmrcs = [folder / ".npmrc" for folder in folders if folder / ".npmrc" != user_npmrc][::-1]
    project_layers = [_read_npmrc(files, path, expand=trust) for path in project_npmrcs]
    variable = SOURCES["npm"].variable
    nerq_layer = _Npmrc({"registry": files.environ.get(variable, "").strip()}, f"environment {variable}")

    trusted_layers = (*user_layers, *(project_layers if trust else ()), environment, nerq_layer)
    path_headers = _read_credentials(files, trusted_layers)
    overrides = _merge_registries((environment, nerq_layer))
    project_registries = {
        scope: registry for scope, registry in _merge_registries(project_layers).items() if scope not in overrides
    }
    trusted_registries = [registry for location in trusted_layers for registry in location.find_registries().values()]
    servers = {get_server(registry.url) for registry in trusted_registries} | {
        get_server(f"https://{location}") for location in path_headers
    }
    accepted_claims = {
        scope: registry
        for scope, registry in project_registries.items()
        if trust or get_server(registry.url) in servers - {""}
    }
    return NpmConfig(
        registries={**_merge_registries(user_layers), **accepted_claims, **overrides},
        claimed_urls={
            scope: redact_url(registry.url)
            for scope, registry in project_registries.items()
            if scope not in accepted_claims
        },
        url_headers={
            normalise_index_url(NPM, registry.url): header
            for registry in trusted_registries
            if (header := read_url_header(registry.url))
        },
        path_headers=path_headers,
    )


def _merge_registries(layers: Iterable[_Npmrc]) -> dict[str, RegistrySetting]:
    """Return the registries by scope; later layers win."""
    return {scope: registry for layer in layers for scope, registry in layer.find_registries().items()}


def _find_global_npmrc(environment: _Npmrc) -> list[Path]:
    """Return the global npmrc if the environment names it; otherwise only npm can find it."""
    if config_path := environment.settings.get("globalconfig"):
        return [Path(config_path)]
    prefix = environment.settings.get("prefix")
    return [Path(prefix) / "etc" / "npmrc"] if prefix else []


def _read_environment(environ: Mapping[str, str]) -> _Npmrc:
    """Return the settings in the environment; npm ignores the case of their names, and reads ``_`` as ``-``."""
    settings = {}
    for variable, value in environ.items():
        if variable[: len(_VARIABLE_PREFIX)].lower() == _VARIABLE_PREFIX and value:
            key = variable[len(_VARIABLE_PREFIX) :]
            name = key if key.startswith("//") else f"{key[:1]}{key[1:].replace('_', '-')}".lower()
            settings[name] = _expand_variables(value, environ)
    return _Npmrc(settings)


def _read_npmrc(files: ConfigFiles, path: Path, *, expand: bool) -> _Npmrc:
    """Return the settings of an npmrc: ini without sections, as npm parses it."""
    settings, invalid_lines = {}, []
    environ = files.environ if expand else {}
    for number, line in enumerate(re.split(r"\r\n|\r|\n", files.read_text(path)), start=1):
        text = line.strip()
        if not text or text[0] in ";#":
            continue
        if text.startswith("["):  # npm ignores sections
            break
        key, separator, value = text.partition("=")
        if separator:
            settings[_expand_variables(_strip_quotes(key), environ)] = _expand_variables(_strip_quotes(value), environ)
        else:
            invalid_lines.append(number)
    if invalid_lines:
        files.warn_about_lines(path, invalid_lines, "key=value")
    return _Npmrc(settings, files.describe_origin(path))


def _strip_quotes(raw_value: str) -> str:
    """Return the value without quotes, or else without a trailing comment."""
    text = raw_value.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    match = _VALUE_BEFORE_COMMENT.match(text)
    return re.sub(r"\\([\\;#])", r"\1", match[0] if match else "").strip()


def _expand_variables(text: str, environ: Mapping[str, str]) -> str:
    """Expand variables as npm does: an unset ``${NAME}`` is kept, an unset ``${NAME?}`` becomes empty."""

    def substitute_variable(match: re.Match[str]) -> str:
        escapes, name, optional = match.groups()
        if len(escapes) % 2:
            return match[0][(len(escapes) + 1) // 2 :]
        return escapes[len(escapes) // 2 :] + environ.get(name, "" if optional else f"${{{name}}}")

    return _VARIABLE_REFERENCE.sub(substitute_variable, text)


def _read_credentials(files: ConfigFiles, layers: Iterable[_Npmrc]) -> dict[str, str]:
    """Return headers by host and path, from settings such as ``//npm.example/team/:_authToken``."""
    settings_by_location: dict[str, dict[str, str]] = {}
    for location in layers:
        for key, value in location.settings.items():
            key_path, separator, setting_name = key.rpartition(":")
            if separator and key_path.startswith("//") and value:
                settings_by_location.setdefault(split_url(f"https:{key_path}")[0].partition("//")[2], {})[
                    setting_name
                ] = value
    headers = {
        location: _build_header(files, location, settings) for location, settings in settings_by_location.items()
    }
    return {location: header for location, header in headers.items() if location and header}


def _build_header(files: ConfigFiles, location: str, settings: Mapping[str, str]) -> str:
    """Return the header of the credentials for one location, in the order of npm; empty without a valid one."""
    if token := settings.get("_authToken"):
        header = f"Bearer {token}"
    elif encoded_login := settings.get("_auth"):
        header = f"Basic {encoded_login}"
    elif (user := settings.get("username")) and (password := settings.get("_password")):
        header = build_basic_header(user, _decode_password(password))
    else:
        return ""
    if "${" in header or UNPRINTABLE.search(header.replace(" ", "", 1)):
        files.warnings.append(f"npm's credentials for {location} are not usable (is a variable they mention not set?)")
        return ""
    return header


def _decode_password(password: str) -> str:
    try:
        return binascii.a2b_base64(password).decode("utf-8", "replace")
    except ValueError:
        return ""
