"""Settings of Yarn, Bun and pnpm for registries, in the notation of npmrc.

Their own files name registries that npm does not know: a name from there may be private.

- Yarn 2 and later: ``.yarnrc.yml`` with ``npmRegistryServer`` and ``npmScopes``; Yarn 1: ``.yarnrc``.
- Bun: ``bunfig.toml``, table ``[install]``; ``.bunfig.toml`` of the user.
- pnpm: ``registries`` in ``pnpm-workspace.yaml``.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from nerq_cli.patterns import compile_late

#: Characters parsed of one file; real ones have a few hundred, those with catalogs some thousand.
_MAX_LENGTH: Final = 200_000
_CLASSIC_LINE = compile_late(r"""\s*"?((?:@[^/:"\s]+:)?registry|cafile)"?\s+"?([^"\s]+)"?\s*""")

Settings: TypeAlias = Mapping[str, str]

#: Variables of the environment, and the setting that each stands for; later ones win.
VARIABLES: Final[Mapping[str, str]] = {
    "BUN_CONFIG_REGISTRY": "registry",
    "YARN_REGISTRY": "registry",
    "YARN_NPM_REGISTRY_SERVER": "registry",
}


def read_yarnrc_yml(text: str) -> Settings:
    """Return the registries, tokens and certificates in the configuration of Yarn 2 and later.

    Raises:
        ValueError: the text is not YAML.
    """
    document = _parse_yaml(text)
    settings = _read_yarn_registry(document, "registry")
    for scope, members in _get_table(document, "npmScopes").items():
        settings.update(_read_yarn_registry(members, f"@{scope.lstrip('@')}:registry"))
    for address, members in _get_table(document, "npmRegistries").items():
        settings.update(_build_credentials(address, _as_table(members)))
    if ca_path := _get_text(document, "httpsCaFilePath"):
        settings["cafile"] = ca_path
    return settings


def _read_yarn_registry(members: Any, key: str) -> dict[str, str]:  # noqa: ANN401 - any YAML
    table = _as_table(members)
    url = _get_text(table, "npmRegistryServer")
    return {key: url, **_build_credentials(url, table)} if url else {}


def _build_credentials(url: str, table: Mapping[str, Any]) -> dict[str, str]:
    """Return the token or login of one registry, under its address as npm writes it (``//host/path/:_authToken``)."""
    address = f"//{url.rpartition('//')[2].rstrip('/')}/"
    token, identity = _get_text(table, "npmAuthToken"), _get_text(table, "npmAuthIdent")
    if token:
        return {f"{address}:_authToken": token}
    if ":" in identity:
        identity = binascii.b2a_base64(identity.encode(), newline=False).decode()
    return {f"{address}:_auth": identity} if identity else {}


def read_yarnrc(text: str) -> Settings:
    """Return the registries in the configuration of Yarn 1: a key and a value on each line, in quotes or not."""
    matches = (_CLASSIC_LINE.fullmatch(line) for line in text[:_MAX_LENGTH].splitlines())
    return {match[1]: match[2] for match in matches if match is not None}


def read_bunfig(text: str) -> Settings:
    """Return the registries, tokens and certificates in the configuration of Bun.

    Raises:
        ValueError: the text is not TOML.
    """
    import tomli

    try:
        install = _get_table(tomli.loads(text[:_MAX_LENGTH]), "install")
    except RecursionError as error:
        raise ValueError("too deep") from error
    settings = _read_bun_registry(install.get("registry"), "registry")
    for scope, value in _get_table(install, "scopes").items():
        settings.update(_read_bun_registry(value, f"@{scope.lstrip('@')}:registry"))
    if ca_path := _get_text(install, "cafile"):
        settings["cafile"] = ca_path
    return settings


def _read_bun_registry(value: Any, key: str) -> dict[str, str]:  # noqa: ANN401 - any TOML
    table = {"url": value} if isinstance(value, str) else _as_table(value)
    url, token = _get_text(table, "url"), _get_text(table, "token")
    if not url:
        return {}
    address = f"//{url.rpartition('//')[2].rstrip('/')}/"
    return {key: url, **({f"{address}:_authToken": token} if token else {})}


def read_pnpm_workspace(text: str) -> Settings:
    """Return the registries in a pnpm-workspace.yaml.

    Raises:
        ValueError: the text is not YAML.
    """
    if "registr" not in text:
        return {}
    document = _parse_yaml(text)
    settings = {"registry": url} if (url := _get_text(document, "registry")) else {}
    for scope, url in _get_table(document, "registries").items():
        if isinstance(url, str):
            settings["registry" if scope == "default" else f"{scope}:registry"] = url
    return settings


def _parse_yaml(text: str) -> Mapping[str, Any]:
    import yaml

    try:
        # BaseLoader builds nothing but text, lists and mappings.
        document = yaml.load(text[:_MAX_LENGTH], Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506
    except (yaml.YAMLError, RecursionError, TypeError) as error:  # TypeError: a key that is no text
        raise ValueError("not YAML") from error
    return _as_table(document)


def _as_table(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - any value of a document
    return {key: item for key, item in value.items() if isinstance(key, str)} if isinstance(value, dict) else {}


def _get_table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return _as_table(document.get(key))


def _get_text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    return value.strip() if isinstance(value, str) else ""


#: Readers of the files of a project, by name; later ones win.
PROJECT_FILES: Final[Mapping[str, Callable[[str], Settings]]] = {
    "bunfig.toml": read_bunfig,
    "pnpm-workspace.yaml": read_pnpm_workspace,
    ".yarnrc": read_yarnrc,
    ".yarnrc.yml": read_yarnrc_yml,
}
#: Readers of the files in the home directory, by name; later ones win.
USER_FILES: Final[Mapping[str, Callable[[str], Settings]]] = {
    ".bunfig.toml": read_bunfig,
    ".yarnrc": read_yarnrc,
    ".yarnrc.yml": read_yarnrc_yml,
}
