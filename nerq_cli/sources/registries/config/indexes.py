"""Where the registries are, and who we are there: read from the user's own pip, uv and npm configuration.

What is being scanned may be hostile, and it can bring configuration files of its own: ``[tool.uv]`` in a
pyproject.toml, a uv.toml, an .npmrc. So two kinds of configuration are told apart.

*The user's* is the environment, what lies in the home directory and what the system's administrator wrote. It decides
which registries are asked, and its credentials go to the places it names.

*The project's* is everything inside the scanned repository. An address that only the project names is not asked, gets
no credentials and sees no environment variable. It is handed on as what the project claims (:class:`ProjectClaims`), so that
the packages it speaks for can be reported as coming from elsewhere; they are not looked up on the public registry
either, where their names would give away what is private. There are two exceptions: the project names a server that
the user's configuration names as well (same scheme, host and port), or the caller says that the project is trusted.
Strangers may share a server and differ by their path on it, so credentials do not follow the host alone: those in a
URL belong to that URL, npm's to the path they are filed under. Only a netrc file speaks of whole hosts, and is taken
at its word.

No registry's address is written here. Without any configuration, it is taken from the URLs that purl2url builds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId, get_ecosystem
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Package
from nerq_cli.sources import SOURCES
from nerq_cli.sources.endpoints import get_public_registry_url
from nerq_cli.sources.registries.config.config_files import (
    ConfigFiles,
    RegistrySetting,
    find_project_folders,
    normalise_index_url,
    redact_url,
)
from nerq_cli.sources.registries.config.credentials import Credentials, read_netrc_headers
from nerq_cli.sources.registries.config.npmrc import read_npm_config
from nerq_cli.sources.registries.config.pip_uv import read_python_config


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectClaims:
    """The registries that a scanned project, and nobody else, says its packages come from. Not asked.

    ``pypi_index`` replaces the PyPI index, ``extra_indexes`` stand beside it; ``npm_registry`` replaces the npm registry, ``npm_scopes`` do
    so for one scope each ("@acme"). All are without credentials.
    """

    pypi_index: str = ""
    extra_indexes: tuple[str, ...] = ()
    npm_registry: str = ""
    npm_scopes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexConfig:
    """The registries to ask, and what else the configuration says about where packages come from.

    ``registries`` are the registries that the configuration names; an ecosystem that is missing there has its public one,
    which is worked out only when it is needed. An endpoint with an empty ``url`` stands for an address that cannot be
    asked over HTTP (a directory, a mistake): it is kept, so that nothing is sent elsewhere instead. ``npm_scopes`` has
    an endpoint for each scope ("@acme"). ``extra_indexes`` are further indexes that pip or uv would look into, without
    credentials. ``project_claims`` is what only the scanned project says. ``origins`` tells where each address came from
    (``pypi``, ``npm`` or a scope to "environment UV_INDEX_URL"), ``warnings`` what could not be understood.
    """

    registries: Mapping[EcosystemId, Endpoint] = field(default_factory=dict)
    npm_scopes: Mapping[str, Endpoint] = field(default_factory=dict)
    extra_indexes: tuple[str, ...] = ()
    project_claims: ProjectClaims = field(default_factory=ProjectClaims)
    origins: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    credentials: Credentials = field(default_factory=Credentials, repr=False, compare=False)

    @property
    def pypi(self) -> Endpoint:
        """Where PyPI packages are looked up: the root of the index, without ``/simple``."""
        return self._get_ecosystem_endpoint(PYPI)

    @property
    def npm(self) -> Endpoint:
        """Where npm packages are looked up, unless their scope has a registry of its own."""
        return self._get_ecosystem_endpoint(NPM)

    @property
    def project_index(self) -> str:
        """The PyPI index that only the scanned project names; empty when that is none, or the one asked anyway."""
        return "" if self.is_default_index(self.project_claims.pypi_index) else self.project_claims.pypi_index

    def find_endpoint(self, package: Package) -> Endpoint:
        """Return the registry to ask about this package."""
        scope = get_ecosystem(package.ecosystem).split_name(package.name)[0] if self.npm_scopes else ""
        return self.npm_scopes.get(scope) or self._get_ecosystem_endpoint(package.ecosystem)

    def is_public(self, package: Package) -> bool:
        """Say whether the registry to ask about a package is its ecosystem's public one, which keeps no secrets."""
        has_scope_registry = get_ecosystem(package.ecosystem).split_name(package.name)[0] in self.npm_scopes
        if package.ecosystem not in self.registries and not has_scope_registry:
            return True
        return self.find_endpoint(package).url == get_public_registry_url(package.ecosystem)

    def find_extra_indexes(self, package: Package) -> tuple[str, ...]:
        """Return the further indexes of the user's own that a package may come from.

        One on this disk tells by itself whether it has the package. ``NERQ_PYPI_URL`` overrules them all.
        """
        if (
            not get_ecosystem(package.ecosystem).has_extra_indexes
            or not self.extra_indexes
            or self.origins.get("pypi", "").endswith(SOURCES["pypi"].variable)
        ):
            return ()
        return tuple(url for url in self.extra_indexes if _may_contain(url, package.name))

    def find_claimed_registry(self, package: Package) -> str:
        """Return the registry that only the project names for this package, empty when it names none.

        A package from elsewhere is not to be asked about: not there, which the user never chose, nor on another
        registry, which would learn a private name.
        """
        if package.ecosystem == PYPI:
            return self.project_index
        scope = get_ecosystem(package.ecosystem).split_name(package.name)[0]
        claim = self.project_claims.npm_scopes.get(scope, "")
        if not claim and scope not in self.npm_scopes:
            claim = self.project_claims.npm_registry
        return (
            ""
            if not claim or claim == self.find_endpoint(package).url or claim == get_public_registry_url(NPM)
            else claim
        )

    def is_default_index(self, index_url: str, *, ecosystem: EcosystemId = PYPI) -> bool:
        """Say whether an address written in a project's file is no other than the one asked anyway.

        The public registry counts as that, too: a project that names it only says that its packages are public.
        """
        url = normalise_index_url(ecosystem, index_url)
        return bool(url) and (url == self._get_ecosystem_endpoint(ecosystem).url or _is_public_url(ecosystem, url))

    def is_default_for(self, index_url: str, package: Package) -> bool:
        """Say the same of the address that a file gives for one package, whose scope may have a registry of its own."""
        url = normalise_index_url(package.ecosystem, index_url)
        default_url = self.find_endpoint(package).url
        return bool(url) and (url == default_url or _is_public_url(package.ecosystem, url))

    def _get_ecosystem_endpoint(self, ecosystem: EcosystemId) -> Endpoint:
        return self.registries.get(ecosystem) or _get_public_endpoint(ecosystem, self.credentials)


@lru_cache(maxsize=4_096)
def _may_contain(index: str, name: str) -> bool:
    """Whether an index may have a package of this name; of a directory it can be seen."""
    parts = urlsplit(index)
    if parts.scheme in ("http", "https"):
        return True
    folder = unquote(parts.path).lstrip("/" if os.name == "nt" else "") if parts.scheme == "file" else index
    return os.path.lexists(os.path.join(folder, name))  # noqa: PTH118 - the directory may be written in any way


@lru_cache(maxsize=1_024)
def _is_public_url(ecosystem: EcosystemId, url: str) -> bool:
    """Whether this is the public registry, by whichever of its names: some clients call npm's by one of their own."""
    return url == get_public_registry_url(ecosystem) or get_ecosystem(ecosystem).is_registry_url(url)


@lru_cache(maxsize=8)
def _get_public_endpoint(ecosystem: EcosystemId, credentials: Credentials) -> Endpoint:
    return credentials.create_endpoint(ecosystem, get_public_registry_url(ecosystem))


def read_index_config(
    environ: Mapping[str, str],
    *,
    cwd: Path,
    home: Path | None = None,
    root: Path = Path("/"),
    trust_project: bool = False,
) -> IndexConfig:
    """Read where the registries are. Never fails: what cannot be understood becomes a warning.

    For each ecosystem the first of these that names a registry decides:

    1. ``NERQ_PYPI_URL``, ``NERQ_NPM_URL`` (scopes keep their own registries);
    2. the environment: ``UV_DEFAULT_INDEX``, ``UV_INDEX_URL``, ``PIP_INDEX_URL``; ``npm_config_registry``;
    3. the project at ``cwd`` and around it, up to the root of its repository, under the conditions above;
    4. the user's and the system's uv.toml, then pip's configuration files; the user's and the global npmrc;
    5. the public registry.

    Args:
        environ: The environment variables.
        cwd: The directory that is scanned.
        home: The user's home directory; by default the one the environment names.
        root: Where the system's configuration starts.
        trust_project: Take the project's own configuration as if it were the user's.
    """
    home_path = environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~")  # noqa: PTH111 - home() raises
    files = ConfigFiles(environ, Path(os.path.abspath(home or home_path)), root, [])  # noqa: PTH100 - resolve() changes the name
    folders = find_project_folders(cwd, files.home)
    python_config = read_python_config(files, folders, trust=trust_project)
    npm_config = read_npm_config(files, folders, trust=trust_project)
    credentials = Credentials(
        url_headers={**python_config.url_headers, **npm_config.url_headers},
        host_headers=read_netrc_headers(files),
        path_headers=npm_config.path_headers,
    )

    def create_endpoint(ecosystem: EcosystemId, setting: RegistrySetting) -> Endpoint:
        return credentials.create_endpoint(ecosystem, _normalise_setting(files, ecosystem, setting))

    npm_endpoints = {scope: create_endpoint(NPM, setting) for scope, setting in npm_config.registries.items()}
    registries: dict[EcosystemId, Endpoint] = {NPM: npm_endpoints.pop("")} if "" in npm_endpoints else {}
    if python_config.default_index:
        registries[PYPI] = create_endpoint(PYPI, python_config.default_index)
    return IndexConfig(
        registries=registries,
        npm_scopes=npm_endpoints,
        extra_indexes=python_config.extra_indexes,
        project_claims=ProjectClaims(
            pypi_index=python_config.claimed_index,
            extra_indexes=python_config.claimed_extra_indexes,
            npm_registry=npm_config.claimed_urls.get("", ""),
            npm_scopes={scope: url for scope, url in npm_config.claimed_urls.items() if scope},
        ),
        origins={
            get_ecosystem(PYPI).purl_type: python_config.default_index.origin
            if python_config.default_index
            else "default",
            get_ecosystem(NPM).purl_type: "default",
            **{
                scope or get_ecosystem(NPM).purl_type: setting.origin
                for scope, setting in npm_config.registries.items()
            },
        },
        warnings=tuple(files.warnings),
        credentials=credentials,
    )


def _normalise_setting(files: ConfigFiles, ecosystem: EcosystemId, setting: RegistrySetting) -> str:
    url = normalise_index_url(ecosystem, setting.url)
    if not url:
        files.warnings.append(
            f"{setting.origin} names {redact_url(setting.url)!r}, which cannot be asked over HTTP: "
            f"no {ecosystem} package from there is looked up"
        )
    return url
