"""Registries of npm packages from the npm configuration, in general and by scope."""

from __future__ import annotations

import binascii
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from nerq_cli.ecosystems import NPM
from nerq_cli.fetch.ca_bundle import CaBundle
from nerq_cli.inventory import Location
from nerq_cli.patterns import compile_late
from nerq_cli.sources import SOURCES
from nerq_cli.sources.endpoints import UNPRINTABLE, get_public_registry_url, get_server, split_url
from nerq_cli.sources.registries.config import npm_tools
from nerq_cli.sources.registries.config.config_files import (
    ConfigFiles,
    ProjectOrigin,
    RegistrySetting,
    normalise_index_url,
    redact_url,
)
from nerq_cli.sources.registries.config.credentials import build_basic_header, read_url_header

_VARIABLE_PREFIX: Final = "npm_config_"
_VARIABLE_REFERENCE = compile_late(r"(?<!\\)(\\*)\$\{([^${}?]+)(\?)?\}")
_VALUE_BEFORE_COMMENT = compile_late(r"(?:\\.|[^;#\\])*\\?")
_TOOL_VARIABLE = compile_late(r"\$\{(\w+)(?::?-([^}]*))?\}|\$(\w+)")
_REGISTRY_KEY = compile_late(r"(?:(@[^/:]+):)?registry")


class NpmConfig(NamedTuple):
    """The merged configuration of npm and the tools that install from its registries."""

    #: Registries by scope; "" for packages without a registry for their scope.
    registries: Mapping[str, RegistrySetting]
    #: Registries that only the project names, by scope.
    claimed_urls: Mapping[str, str]
    #: Authorization headers by URL.
    url_headers: Mapping[str, str]
    #: Authorization headers by host and path.
    path_headers: Mapping[str, str]
    #: All registries that only the project names, also those that another setting overrules.
    origins: tuple[ProjectOrigin, ...] = ()
    #: Certificates that the configuration of the user names.
    ca_bundles: tuple[CaBundle, ...] = ()


class _Layer(NamedTuple):
    """The settings of one file or of the environment, in the notation of npmrc."""

    settings: Mapping[str, str]
    #: The file, for users; empty for the environment.
    origin: str = ""
    #: Returns the line of a file of the project that has a URL.
    locate: Callable[[str], Location] | None = None
    #: Whether npm itself reads it.
    is_npm: bool = True

    def find_registries(self) -> dict[str, RegistrySetting]:
        """Return the registries by scope; "" for packages without a registry for their scope."""
        registries = {}
        for key, url in self.settings.items():
            match = _REGISTRY_KEY.fullmatch(key)
            if match and url:
                origin = self.origin or f"environment {_VARIABLE_PREFIX}{key}"
                location = self.locate(url) if self.locate is not None else None
                registries[match[1] or ""] = RegistrySetting(url, origin, location=location)
        return registries


def read_npm_config(files: ConfigFiles, folders: Iterable[Path], *, trust: bool) -> NpmConfig:
    """Return the registries of npm packages from the configuration of the user and of the project.

    Which tool installs a project is not known. Where npm and another tool have different registries, the public one
    gives way, because the name may be private.
    """
    environment = _read_environment(files.environ)
    user_npmrc = Path(environment.settings.get("userconfig") or files.home / ".npmrc")
    npmrc_paths = (*_find_global_npmrc(environment), user_npmrc)
    user_layers = [*_read_user_tools(files), *(_read_npmrc(files, path, expand=True) for path in npmrc_paths)]
    project_layers = [
        layer
        for folder in [*folders][::-1]
        for layer in _read_project_folder(files, folder, user_npmrc=user_npmrc, trust=trust)
    ]
    variable_layers = [
        *(
            _Layer({key: files.environ.get(name, "").strip()}, f"environment {name}", is_npm=False)
            for name, key in npm_tools.VARIABLES.items()
        ),
        environment,
    ]
    variable = SOURCES["npm"].variable
    nerq_layer = _Layer({"registry": files.environ.get(variable, "").strip()}, f"environment {variable}")

    trusted_layers = (*user_layers, *(project_layers if trust else ()), *variable_layers, nerq_layer)
    path_headers = _read_credentials(files, trusted_layers)
    trusted_registries = [registry for layer in trusted_layers for registry in layer.find_registries().values()]
    servers = {get_server(registry.url) for registry in trusted_registries} | {
        get_server(f"https://{location}") for location in path_headers
    }

    def is_trusted(registry: RegistrySetting) -> bool:
        return trust or get_server(registry.url) in servers - {""}

    registries: dict[str, RegistrySetting] = {}
    claims: dict[str, RegistrySetting] = {}
    for is_npm in (False, True):
        user, project, variables = (
            _merge_registries(layer for layer in layers if layer.is_npm is is_npm)
            for layers in (user_layers, project_layers, (*variable_layers, nerq_layer))
        )
        project = {scope: claim for scope, claim in project.items() if scope not in variables}
        claims = _prefer_private(claims, {scope: claim for scope, claim in project.items() if not is_trusted(claim)})
        accepted_claims = {scope: claim for scope, claim in project.items() if is_trusted(claim)}
        registries = _prefer_private(registries, {**user, **accepted_claims, **variables})
    nerq_registries = nerq_layer.find_registries()
    return NpmConfig(
        registries={**registries, **nerq_registries},
        claimed_urls={scope: redact_url(claim.url) for scope, claim in claims.items() if scope not in nerq_registries},
        url_headers={
            normalise_index_url(NPM, registry.url): header
            for registry in trusted_registries
            if (header := read_url_header(registry.url))
        },
        path_headers=path_headers,
        origins=tuple(
            ProjectOrigin(NPM, redact_url(claim.url), claim.location, scope)
            for layer in project_layers
            for scope, claim in layer.find_registries().items()
            if claim.location is not None and not is_trusted(claim)
        ),
        ca_bundles=tuple(_read_certificates(files, (*user_layers, *variable_layers))),
    )


def _read_certificates(files: ConfigFiles, layers: Iterable[_Layer]) -> Iterator[CaBundle]:
    """Yield the certificates that npm trusts, then those of the other tools: of each setting the last one counts."""
    settings = {
        (layer.is_npm, key): (value, layer.origin or f"environment {_VARIABLE_PREFIX}{key}")
        for layer in layers
        for key, value in layer.settings.items()
        if key in ("cafile", "ca") and value not in ("", "null")
    }
    for (_, key), (value, origin) in settings.items():
        if key == "cafile":
            yield CaBundle(origin=origin, path=files.expand_home(value))
        else:
            yield CaBundle(origin=origin, pem=value.replace("\\n", "\n"))


def _prefer_private(
    first: Mapping[str, RegistrySetting], second: Mapping[str, RegistrySetting]
) -> dict[str, RegistrySetting]:
    """Return the registries of both by scope: the second one, unless it is the public registry."""
    return {**first, **{scope: item for scope, item in second.items() if scope not in first or not _is_public(item)}}


def _is_public(registry: RegistrySetting) -> bool:
    return normalise_index_url(NPM, registry.url) == get_public_registry_url(NPM)


def _read_user_tools(files: ConfigFiles) -> Iterator[_Layer]:
    """Yield the settings of Yarn and Bun in the home directory."""
    config_home = files.environ.get("XDG_CONFIG_HOME", "")
    paths = {name: files.home / name for name in npm_tools.USER_FILES}
    if config_home.startswith("/") and os.path.isfile(f"{config_home}/.bunfig.toml"):  # noqa: PTH113 - as in ConfigFiles
        paths[".bunfig.toml"] = Path(config_home) / ".bunfig.toml"
    for name, path in paths.items():
        yield _read_tool_file(files, path, npm_tools.USER_FILES[name], expand=True)


def _read_project_folder(files: ConfigFiles, folder: Path, *, user_npmrc: Path, trust: bool) -> Iterator[_Layer]:
    """Yield the settings in one directory of the project."""
    for name, reader in npm_tools.PROJECT_FILES.items():
        yield _read_tool_file(files, folder / name, reader, expand=trust, in_project=True)
    if folder / ".npmrc" != user_npmrc:
        path = folder / ".npmrc"
        layer = _read_npmrc(files, path, expand=trust)
        yield layer._replace(locate=partial(files.locate, path, files.read_text(path))) if layer.settings else layer


def _read_tool_file(
    files: ConfigFiles,
    path: Path,
    reader: Callable[[str], Mapping[str, str]],
    *,
    expand: bool,
    in_project: bool = False,
) -> _Layer:
    text = files.read_text(path)
    if not text:
        return _Layer({})
    try:
        settings = reader(text)
    except ValueError:
        files.warnings.append(f"{files.shorten_path(path)} cannot be read: the registries in it are not known")
        settings = {}
    if expand:
        settings = {
            key: _TOOL_VARIABLE.sub(partial(_expand_tool, files.environ), value) for key, value in settings.items()
        }
    locate = partial(files.locate, path, text) if in_project else None
    return _Layer(settings, files.describe_origin(path), locate, is_npm=False)


def _expand_tool(environ: Mapping[str, str], match: re.Match[str]) -> str:
    """Expand a variable as Yarn (``${NAME:-default}``) and Bun (``$NAME``) do; an unset one is kept."""
    name, default = match[1] or match[3], match[2]
    return environ.get(name) or (default if default is not None else match[0])


def _merge_registries(layers: Iterable[_Layer]) -> dict[str, RegistrySetting]:
    """Return the registries by scope; later layers win."""
    return {scope: registry for layer in layers for scope, registry in layer.find_registries().items()}


def _find_global_npmrc(environment: _Layer) -> list[Path]:
    """Return the global npmrc if the environment names it; otherwise only npm can find it."""
    if config_path := environment.settings.get("globalconfig"):
        return [Path(config_path)]
    prefix = environment.settings.get("prefix")
    return [Path(prefix) / "etc" / "npmrc"] if prefix else []


def _read_environment(environ: Mapping[str, str]) -> _Layer:
    """Return the settings in the environment; npm ignores the case of their names, and reads ``_`` as ``-``."""
    settings = {}
    for variable, value in environ.items():
        if variable[: len(_VARIABLE_PREFIX)].lower() == _VARIABLE_PREFIX and value:
            key = variable[len(_VARIABLE_PREFIX) :]
            name = key if key.startswith("//") else f"{key[:1]}{key[1:].replace('_', '-')}".lower()
            settings[name] = _expand_variables(value, environ)
    return _Layer(settings)


def _read_npmrc(files: ConfigFiles, path: Path, *, expand: bool) -> _Layer:
    """Return the settings of an npmrc: ini without sections, as npm parses it."""
    settings: dict[str, str] = {}
    invalid_lines = []
    environ = files.environ if expand else {}
    for number, line in enumerate(re.split(r"\r\n|\r|\n", files.read_text(path)), start=1):
        text = line.strip()
        if not text or text[0] in ";#":
            continue
        if text.startswith("["):  # npm ignores sections
            break
        key, separator, value = text.partition("=")
        if separator:
            name, text = (_expand_variables(_strip_quotes(part), environ) for part in (key, value))
            is_list = name.endswith("[]")
            name = name.removesuffix("[]")
            settings[name] = f"{settings[name]}\n{text}" if is_list and name in settings else text
        else:
            invalid_lines.append(number)
    if invalid_lines:
        files.warn_about_lines(path, invalid_lines, "key=value")
    return _Layer(settings, files.describe_origin(path))


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


def _read_credentials(files: ConfigFiles, layers: Iterable[_Layer]) -> dict[str, str]:
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
