"""The registries to use, from the pip, uv and npm configuration.

A scanned project may be hostile and may contain configuration files (``[tool.uv]`` in pyproject.toml, uv.toml, .npmrc).
Therefore two kinds of configuration are distinguished:

- That of the user: the environment, the home directory, the system. It decides which registries receive requests. Its
  credentials are sent to the URLs it names.
- That of the project: everything inside the scanned repository. A registry that only the project names receives no
  requests and no credentials, and no environment variable is expanded for it. It is passed on in
  :class:`ProjectClaims`, so that its packages can be reported as coming from elsewhere. They are not looked up on the
  public registry either, because their names may be private. Two exceptions: the configuration of the user names the
  same server (scheme, host and port), or the caller trusts the project.

Several parties may share a server under different paths. So credentials in a URL belong to that URL, and those of npm
to the path they are stored under. Only a netrc file applies to whole hosts.

No address of a registry is written here. Without configuration, it is derived from the URLs that purl2url builds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec.structs import replace

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId, get_ecosystem, normalise_name
from nerq_cli.fetch.ca_bundle import CaBundle
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Declaration, Origin, Package
from nerq_cli.patterns import compile_late
from nerq_cli.sources import SOURCES
from nerq_cli.sources.endpoints import get_public_registry_url, get_server
from nerq_cli.sources.registries.config.config_files import (
    ConfigFiles,
    ProjectOrigin,
    RegistrySetting,
    find_project_folders,
    is_simple_index,
    normalise_index_url,
    redact_url,
)
from nerq_cli.sources.registries.config.credentials import Credentials, read_netrc_headers
from nerq_cli.sources.registries.config.npmrc import read_npm_config
from nerq_cli.sources.registries.config.pip_uv import NO_INDEX, PythonConfig, read_python_config


class ProjectClaims(msgspec.Struct, frozen=True, kw_only=True):
    """URLs of registries that only the scanned project names, without credentials. They receive no requests."""

    #: Replaces the PyPI index.
    pypi_index: str = ""
    #: Further indexes of Python packages.
    extra_indexes: tuple[str, ...] = ()
    #: Replaces the npm registry.
    npm_registry: str = ""
    #: Replace the npm registry for one scope each ("@acme").
    npm_scopes: Mapping[str, str] = {}
    #: All of these and where they are, also those that a setting of the user overrules.
    origins: tuple[ProjectOrigin, ...] = ()


class IndexSearch(NamedTuple):
    """The indexes to request for one Python package beside the default one, or in its place."""

    #: Each ends the search if it has the package, in this order.
    first: tuple[Endpoint, ...] = ()
    #: The best version of all of these and of the default index counts.
    merged: tuple[Endpoint, ...] = ()
    #: Whether the default index is requested if none of ``first`` has the package.
    has_default: bool = True


class IndexConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The registries to use, and what else the configuration states about the origin of packages.

    An endpoint with an empty ``url`` stands for a setting that is not a URL for HTTP (a directory, a mistake). It is
    kept, so that no request goes elsewhere instead.
    """

    #: Registries that the configuration names; an ecosystem without one has its public registry.
    registries: Mapping[EcosystemId, Endpoint] = {}
    #: Endpoints by npm scope ("@acme").
    npm_scopes: Mapping[str, Endpoint] = {}
    #: Further indexes that pip or uv would search, and pages and directories of archives, without credentials.
    extra_indexes: tuple[str, ...] = ()
    #: Those of them that are requested.
    search: IndexSearch = IndexSearch()
    #: Indexes that only packages assigned to them come from, without credentials.
    explicit_indexes: tuple[str, ...] = ()
    #: URLs of the indexes of the user by the name that uv gives each, in lower case; without credentials.
    named_indexes: Mapping[str, str] = {}
    #: Searches of packages that the scanned files assign to indexes of the user.
    assigned_searches: Mapping[Package, IndexSearch] = {}
    #: Whether the user takes Python packages from no index (``no-index`` of pip and uv).
    has_no_index: bool = False
    project_claims: ProjectClaims = ProjectClaims()
    #: Where each address was set ("environment UV_INDEX_URL"), by ``pypi``, ``npm`` or scope.
    origins: Mapping[str, str] = {}
    #: What could not be read.
    warnings: tuple[str, ...] = ()
    #: Certificates that the configuration of pip and npm names.
    ca_bundles: tuple[CaBundle, ...] = ()
    credentials: Credentials = Credentials()

    @property
    def pypi(self) -> Endpoint:
        """The index of PyPI packages: its root, without ``/simple``."""
        return self._get_ecosystem_endpoint(PYPI)

    @property
    def public_pypi(self) -> Endpoint:
        """The public index, whatever the configuration names."""
        return _get_public_endpoint(PYPI, self.credentials)

    @property
    def npm(self) -> Endpoint:
        """The registry of npm packages whose scope has no registry of its own."""
        return self._get_ecosystem_endpoint(NPM)

    @property
    def project_index(self) -> str:
        """The PyPI index that only the scanned project names; empty without one, or if it is the one in use."""
        return "" if self.is_default_index(self.project_claims.pypi_index) else self.project_claims.pypi_index

    def find_endpoint(self, package: Package) -> Endpoint:
        """Return the registry of this package."""
        scope = get_ecosystem(package.ecosystem).split_name(package.name)[0] if self.npm_scopes else ""
        return self.npm_scopes.get(scope) or self._get_ecosystem_endpoint(package.ecosystem)

    def is_public(self, package: Package) -> bool:
        """Whether the registry of a package is the public one of its ecosystem."""
        has_scope_registry = get_ecosystem(package.ecosystem).split_name(package.name)[0] in self.npm_scopes
        if package.ecosystem not in self.registries and not has_scope_registry:
            return True
        return self.find_endpoint(package).url == get_public_registry_url(package.ecosystem)

    def find_extra_indexes(self, package: Package) -> tuple[str, ...]:
        """Return the pages and directories of the user that may contain a package; they are not requested.

        None if ``NERQ_PYPI_URL`` is set.
        """
        if (
            not get_ecosystem(package.ecosystem).has_extra_indexes
            or not self.extra_indexes
            or self.origins.get("pypi", "").endswith(SOURCES["pypi"].variable)
        ):
            return ()
        requested = {endpoint.url for endpoint in (*self.search.first, *self.search.merged)}
        return tuple(
            url
            for url in self.extra_indexes
            if normalise_index_url(PYPI, url) not in requested and _may_contain(url, package.name)
        )

    def find_search(self, package: Package) -> IndexSearch:
        """Return the indexes to request for a package; an empty search where only its registry is."""
        if not get_ecosystem(package.ecosystem).has_extra_indexes:
            return IndexSearch()
        return self.assigned_searches.get(package, self.search)

    def is_requested(self, index_url: str) -> bool:
        """Whether an index that a file of the project names is one of the user's, or on the server of one."""
        url = normalise_index_url(PYPI, index_url)
        if not url or self.has_no_index or url.endswith(_PAGE_SUFFIXES) or _ARCHIVE_SUFFIX.search(url):
            return False
        endpoints = (*self.search.first, *self.search.merged, self.registries.get(PYPI, Endpoint(url="")))
        urls = {endpoint.url for endpoint in endpoints} | set(self.explicit_indexes)
        pages = {normalise_index_url(PYPI, page) for page in self.extra_indexes} - urls
        return url not in pages and get_server(url) in set(map(get_server, urls)) - {""}

    def find_named(self, declaration: Declaration) -> Declaration:
        """Return a declaration with the index of the user whose name the project gives it; else the same one."""
        url = self.named_indexes.get(declaration.index_name.lower()) if declaration.index_name else None
        return declaration if url is None else replace(declaration, index=url, index_name="", skip_reason="")

    def assign_packages(self, declarations: Iterable[Declaration]) -> IndexConfig:
        """Return the same configuration, with the searches of packages that a file assigns to an index of the user.

        A lock file that states the default index leaves no choice either.
        """
        if not (self.extra_indexes or self.explicit_indexes or PYPI in self.registries):
            return self
        assigned: dict[Package, IndexSearch] = {}
        for declaration in declarations:
            if declaration.skip_reason or not get_ecosystem(declaration.ecosystem).has_extra_indexes:
                continue
            package = declaration.package
            search = self._find_declared_search(declaration, package, assigned.get(package, self.search))
            if search != self.search or package in assigned:
                assigned[package] = search
        return replace(self, assigned_searches=assigned) if assigned else self

    def _find_declared_search(self, declaration: Declaration, package: Package, search: IndexSearch) -> IndexSearch:
        if declaration.index and not self.is_default_for(declaration.index, package):
            if not self.is_requested(declaration.index):
                return search
            others = () if search.has_default else search.merged
            endpoint = self._create_endpoint(declaration.index)
            return IndexSearch(merged=tuple(dict.fromkeys((*others, endpoint))), has_default=False)
        if declaration.has_stated_index and search.has_default:
            return IndexSearch()
        further = tuple(
            self._create_endpoint(url)
            for url in declaration.extra_indexes
            if self.is_requested(url) and not self.is_default_for(url, package)
        )
        known = {endpoint.url for endpoint in (*search.first, *search.merged)}
        further = tuple(endpoint for endpoint in dict.fromkeys(further) if endpoint.url not in known)
        return search._replace(merged=(*search.merged, *further)) if further and search.has_default else search

    def _create_endpoint(self, index_url: str) -> Endpoint:
        return _create_index_endpoint(self.credentials, index_url)

    def find_claimed_registry(self, package: Package) -> str:
        """Return the registry that only the project names for this package; empty without one.

        It is ``--no-index`` where the user takes Python packages from no index.

        Such a package must not be requested: not there, because the user did not choose that registry, and not from
        another one, which would receive a private name.
        """
        if package.registry_api == "pypi":
            return self.project_index or (NO_INDEX if self.has_no_index else "")
        scope = get_ecosystem(package.ecosystem).split_name(package.name)[0]
        claim = self.project_claims.npm_scopes.get(scope, "")
        if not claim and scope not in self.npm_scopes:
            claim = self.project_claims.npm_registry
        return (
            ""
            if not claim or claim == self.find_endpoint(package).url or claim == get_public_registry_url(NPM)
            else claim
        )

    def find_project_origins(self, package: Package) -> tuple[Origin, ...]:
        """Return where the configuration of the project, and not that of the user, lets a package come from."""
        scope = get_ecosystem(package.ecosystem).split_name(package.name)[0]
        return tuple(
            Origin(url=origin.url, location=origin.location)
            for origin in self.project_claims.origins
            if origin.ecosystem == package.ecosystem
            and origin.scope in ("", scope)
            and not self.is_default_for(origin.url, package)
        )

    def is_user_index(self, index_url: str) -> bool:
        """Whether the configuration of the user names the server of an index, or its directory.

        It names no archive: a lock file that has one in place of an index takes another package from the server.
        """
        if _ARCHIVE_SUFFIX.search(index_url):
            return False
        servers = {get_server(endpoint.url) for endpoint in (*self.registries.values(), *self.npm_scopes.values())}
        servers |= set(map(get_server, (*self.extra_indexes, *self.explicit_indexes)))
        return get_server(index_url) in servers - {""} or index_url in self.extra_indexes

    def is_default_index(self, index_url: str, *, ecosystem: EcosystemId = PYPI) -> bool:
        """Whether an address in a file of the project is the index in use, or the public registry."""
        url = normalise_index_url(ecosystem, index_url)
        return bool(url) and (url == self._get_ecosystem_endpoint(ecosystem).url or _is_public_url(ecosystem, url))

    def is_default_for(self, index_url: str, package: Package) -> bool:
        """Whether an address that a file gives for one package is its registry, or the public one."""
        url = normalise_index_url(package.ecosystem, index_url)
        default_url = self.find_endpoint(package).url
        is_its_server = url == get_server(default_url)  # of the files of a package
        return bool(url) and (url == default_url or is_its_server or _is_public_url(package.ecosystem, url))

    def _get_ecosystem_endpoint(self, ecosystem: EcosystemId) -> Endpoint:
        return self.registries.get(ecosystem) or _get_public_endpoint(ecosystem, self.credentials)


def _create_index_endpoint(credentials: Credentials, index_url: str) -> Endpoint:
    """Return the endpoint of an index: the root of a registry where the URL ends in ``/simple``, else as given."""
    endpoint = credentials.create_endpoint(PYPI, normalise_index_url(PYPI, index_url))
    return replace(endpoint, is_simple_index=is_simple_index(PYPI, index_url)) if endpoint.url else endpoint


#: Ends of URLs of pages of archives (``find-links``), which are no indexes.
_PAGE_SUFFIXES: Final = (".html", ".htm")
#: End of the URL of an archive.
_ARCHIVE_SUFFIX = compile_late(r"\.(?:whl|zip|tgz|tbz|tar(?:\.\w+)?)$", re.IGNORECASE)
#: What separates the name of an archive from its version.
_ARCHIVE_VERSION = compile_late(r"-(?=\d)")


@lru_cache(maxsize=4_096)
def _may_contain(index: str, name: str) -> bool:
    """Whether an index may contain a package of this name; a directory is searched for it."""
    try:
        parts = urlsplit(index)
    except ValueError:  # a host in brackets that is no address
        return True
    if parts.scheme in ("http", "https"):
        return True
    folder = unquote(parts.path).lstrip("/" if os.name == "nt" else "") if parts.scheme == "file" else index
    return name in _list_names(folder)


@lru_cache(maxsize=64)
def _list_names(folder: str) -> frozenset[str]:
    """Return the names of packages in a directory: a folder each, or archives (``find-links``)."""
    try:
        entries = os.listdir(os.path.expanduser(folder))  # noqa: PTH111, PTH208 - it may be written in any way
    except (OSError, ValueError):
        return frozenset()
    return frozenset(
        normalise_name(PYPI, text)
        for entry in entries
        for text in (entry, _ARCHIVE_VERSION.split(entry, maxsplit=1)[0])
    )


@lru_cache(maxsize=1_024)
def _is_public_url(ecosystem: EcosystemId, url: str) -> bool:
    """Whether a URL is the public registry; that of npm has further names, which some clients use."""
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
    """Return the registries to use. Never raises: what cannot be read becomes a warning.

    For each ecosystem, the first of these that names a registry decides:

    1. ``NERQ_PYPI_URL``, ``NERQ_NPM_URL`` (scopes keep their own registries);
    2. the environment: ``UV_DEFAULT_INDEX``, ``UV_INDEX_URL``, ``PIP_INDEX_URL``; ``npm_config_registry``;
    3. the project at ``cwd`` up to the root of its repository, under the conditions of the module docstring;
    4. the user's and the system's uv.toml, then pip's configuration files; the user's and the global npmrc;
    5. the public registry.

    Args:
        environ: The environment variables.
        cwd: The scanned directory.
        home: The home directory; by default that of the environment.
        root: The root directory of the system configuration.
        trust_project: Treat the configuration of the project like that of the user.
    """
    home_path = environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~")  # noqa: PTH111 - home() raises
    home_folder, project = (Path(os.path.abspath(path)) for path in (home or home_path, cwd))  # noqa: PTH100 - resolve() changes the name
    folders = find_project_folders(cwd, home_folder)
    files = ConfigFiles(environ, home_folder, root, [], project, folders[-1] if folders else None)
    host_headers = read_netrc_headers(files)
    python_config = read_python_config(files, folders, trust=trust_project, netrc_hosts=host_headers)
    npm_config = read_npm_config(files, folders, trust=trust_project)
    credentials = Credentials(
        url_headers={**python_config.url_headers, **npm_config.url_headers},
        host_headers=host_headers,
        path_headers=npm_config.path_headers,
    )

    def create_endpoint(ecosystem: EcosystemId, setting: RegistrySetting) -> Endpoint:
        return credentials.create_endpoint(ecosystem, _normalise_setting(files, ecosystem, setting))

    npm_endpoints = {scope: create_endpoint(NPM, setting) for scope, setting in npm_config.registries.items()}
    registries: dict[EcosystemId, Endpoint] = {NPM: npm_endpoints.pop("")} if "" in npm_endpoints else {}
    if python_config.no_index:
        files.warnings.append(f"{python_config.no_index} sets no-index: no Python package is looked up in an index")
        registries[PYPI] = Endpoint(url="")
    elif python_config.default_index:
        setting = python_config.default_index
        registries[PYPI] = create_endpoint(PYPI, setting)
        is_root = setting.origin.endswith(SOURCES["pypi"].variable)
        if registries[PYPI].url and not is_root:
            registries[PYPI] = replace(registries[PYPI], is_simple_index=is_simple_index(PYPI, setting.url))
    return IndexConfig(
        registries=registries,
        npm_scopes=npm_endpoints,
        extra_indexes=python_config.extra_indexes,
        search=_create_search(credentials, python_config),
        explicit_indexes=tuple(redact_url(index.url) for index in python_config.explicit_indexes),
        named_indexes=python_config.named_indexes,
        has_no_index=bool(python_config.no_index),
        project_claims=ProjectClaims(
            pypi_index=python_config.claimed_index,
            extra_indexes=python_config.claimed_extra_indexes,
            npm_registry=npm_config.claimed_urls.get("", ""),
            npm_scopes={scope: url for scope, url in npm_config.claimed_urls.items() if scope},
            origins=(*python_config.origins, *npm_config.origins),
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
        ca_bundles=(*python_config.ca_bundles, *npm_config.ca_bundles),
        credentials=credentials,
    )


def _create_search(credentials: Credentials, python_config: PythonConfig) -> IndexSearch:
    if python_config.no_index:
        return IndexSearch()
    endpoints = [
        (_create_index_endpoint(credentials, index.url), index.ends_search) for index in python_config.searched_indexes
    ]
    return IndexSearch(
        first=tuple(endpoint for endpoint, ends_search in endpoints if ends_search),
        merged=tuple(endpoint for endpoint, ends_search in endpoints if not ends_search),
    )


def _normalise_setting(files: ConfigFiles, ecosystem: EcosystemId, setting: RegistrySetting) -> str:
    url = normalise_index_url(ecosystem, setting.url)
    if not url:
        files.warnings.append(
            f"{setting.origin} names {redact_url(setting.url)!r}, which is not a URL for HTTP: "
            f"no {ecosystem} package from there is looked up"
        )
    return url
