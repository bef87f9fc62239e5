"""Where the registries are, and who we are there: read from the user's own pip, uv and npm configuration.

What is being scanned may be hostile, and it can bring configuration files of its own: ``[tool.uv]`` in a
pyproject.toml, a uv.toml, an .npmrc. So two kinds of configuration are told apart.

*The user's* is the environment, what lies in the home directory and what the system's administrator wrote. It decides
which registries are asked, and its credentials go to the places it names.

*The project's* is everything inside the scanned repository. An address that only the project names is not asked, gets
no credentials and sees no environment variable. It is handed on as what the project claims (:class:`Claims`), so that
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

from nerq_cli.inventory import NPM, PURL_TYPES, PYPI, Ecosystem, Package
from nerq_cli.sources.addresses.credentials import Credentials, netrc_headers
from nerq_cli.sources.addresses.npm import read_npm
from nerq_cli.sources.addresses.places import Files, Named, address, project_folders, readable, server
from nerq_cli.sources.addresses.python import read_python
from nerq_cli.sources.question import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The registries that a scanned project, and nobody else, says its packages come from. Not asked.

    ``index`` replaces the PyPI index, ``extra`` stand beside it; ``npm`` replaces the npm registry, ``npm_scopes`` do
    so for one scope each ("@acme"). All are without credentials.
    """

    index: str = ""
    extra: tuple[str, ...] = ()
    npm: str = ""
    npm_scopes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The registries to ask, and what else the configuration says about where packages come from.

    ``own`` are the registries that the configuration names; an ecosystem that is missing there has its public one,
    which is worked out only when it is needed. An endpoint with an empty ``url`` stands for an address that cannot be
    asked over HTTP (a directory, a mistake): it is kept, so that nothing is sent elsewhere instead. ``npm_scopes`` has
    an endpoint for each scope ("@acme"). ``extra_pypi`` are further indexes that pip or uv would look into, without
    credentials. ``project`` is what only the scanned project says. ``origin`` tells where each address came from
    (``pypi``, ``npm`` or a scope to "environment UV_INDEX_URL"), ``warnings`` what could not be understood.
    """

    own: Mapping[Ecosystem, Endpoint] = field(default_factory=dict)
    npm_scopes: Mapping[str, Endpoint] = field(default_factory=dict)
    extra_pypi: tuple[str, ...] = ()
    project: Claims = field(default_factory=Claims)
    origin: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    credentials: Credentials = field(default_factory=Credentials, repr=False, compare=False)

    @property
    def pypi(self) -> Endpoint:
        """Where PyPI packages are looked up: the root of the index, without ``/simple``."""
        return self._of(PYPI)

    @property
    def npm(self) -> Endpoint:
        """Where npm packages are looked up, unless their scope has a registry of its own."""
        return self._of(NPM)

    @property
    def project_index(self) -> str:
        """The PyPI index that only the scanned project names; empty when that is none, or the one asked anyway."""
        return "" if self.is_default(self.project.index) else self.project.index

    def endpoint_for(self, package: Package) -> Endpoint:
        """Return the registry to ask about this package."""
        if self.npm_scopes and package.ecosystem == NPM:
            return self.npm_scopes.get(_scope(package.name)) or self.npm
        return self._of(package.ecosystem)

    def is_public(self, package: Package) -> bool:
        """Say whether the registry to ask about a package is its ecosystem's public one, which keeps no secrets."""
        scoped = package.ecosystem == NPM and _scope(package.name) in self.npm_scopes
        if package.ecosystem not in self.own and not scoped:
            return True
        return self.endpoint_for(package).url == _public(package.ecosystem)

    def further(self, package: Package) -> tuple[str, ...]:
        """Return the further indexes of the user's own that a package may come from.

        One on this disk tells by itself whether it has the package. ``NERQ_PYPI_URL`` overrules them all.
        """
        if package.ecosystem != PYPI or not self.extra_pypi or self.origin.get("pypi", "").endswith("NERQ_PYPI_URL"):
            return ()
        return tuple(url for url in self.extra_pypi if _may_have(url, package.name))

    def elsewhere(self, package: Package) -> str:
        """Return the registry that only the project names for this package, empty when it names none.

        A package from elsewhere is not to be asked about: not there, which the user never chose, nor on another
        registry, which would learn a private name.
        """
        if package.ecosystem == PYPI:
            return self.project_index
        scope = _scope(package.name)
        claim = self.project.npm_scopes.get(scope, "")
        if not claim and scope not in self.npm_scopes:
            claim = self.project.npm
        return "" if not claim or claim == self.endpoint_for(package).url or claim == _public(NPM) else claim

    def is_default(self, index_url: str, *, ecosystem: Ecosystem = PYPI) -> bool:
        """Say whether an address written in a project's file is no other than the one asked anyway.

        The public registry counts as that, too: a project that names it only says that its packages are public.
        """
        written = address(ecosystem, index_url)
        return bool(written) and (written == self._of(ecosystem).url or _is_public(ecosystem, written))

    def is_usual(self, index_url: str, package: Package) -> bool:
        """Say the same of the address that a file gives for one package, whose scope may have a registry of its own."""
        written = address(package.ecosystem, index_url)
        usual = self.endpoint_for(package).url
        return bool(written) and (written == usual or _is_public(package.ecosystem, written))

    def _of(self, ecosystem: Ecosystem) -> Endpoint:
        return self.own.get(ecosystem) or _public_endpoint(ecosystem, self.credentials)


@lru_cache(maxsize=4_096)
def _may_have(index: str, name: str) -> bool:
    """Whether an index may have a package of this name; of a directory it can be seen."""
    parts = urlsplit(index)
    if parts.scheme in ("http", "https"):
        return True
    folder = unquote(parts.path).lstrip("/" if os.name == "nt" else "") if parts.scheme == "file" else index
    return os.path.lexists(os.path.join(folder, name))  # noqa: PTH118 - the directory may be written in any way


def _scope(name: str) -> str:
    """``@acme`` of ``@acme/web``; empty for a name without a scope."""
    return name.partition("/")[0] if name.startswith("@") else ""


@lru_cache(maxsize=2)
def _public(ecosystem: Ecosystem) -> str:
    """The public registry, taken from the URL of one of its packages."""
    from packageurl.contrib.purl2url import get_download_url, get_repo_url

    if ecosystem == PYPI:
        return server(str(get_repo_url("pkg:pypi/x")))  # type: ignore[no-untyped-call]
    return server(str(get_download_url("pkg:npm/x@1")))  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1_024)
def _is_public(ecosystem: Ecosystem, written: str) -> bool:
    """Whether this is the public registry, by whichever of its names: some clients call npm's by one of their own."""
    if written == _public(ecosystem):
        return True
    if ecosystem == PYPI:
        return False
    from packageurl.contrib.url2purl import url2purl

    found = url2purl(f"{written}/x/-/x-1.0.0.tgz")  # type: ignore[no-untyped-call]
    return found is not None and found.type == "npm"


@lru_cache(maxsize=8)
def _public_endpoint(ecosystem: Ecosystem, credentials: Credentials) -> Endpoint:
    return credentials.at(ecosystem, _public(ecosystem))


def read_addresses(
    environ: Mapping[str, str],
    *,
    cwd: Path,
    home: Path | None = None,
    root: Path = Path("/"),
    trust_project: bool = False,
) -> Addresses:
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
    named = environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~")  # noqa: PTH111 - home() raises
    files = Files(environ, Path(os.path.abspath(home or named)), root, [])  # noqa: PTH100 - resolve() changes the name
    folders = project_folders(cwd, files.home)
    python = read_python(files, folders, trust=trust_project)
    npm = read_npm(files, folders, trust=trust_project)
    credentials = Credentials(urls={**python.urls, **npm.urls}, hosts=netrc_headers(files), paths=npm.paths)

    def endpoint(ecosystem: Ecosystem, one: Named) -> Endpoint:
        return credentials.at(ecosystem, _asked(files, ecosystem, one))

    registries = {scope: endpoint(NPM, one) for scope, one in npm.asked.items()}
    own: dict[Ecosystem, Endpoint] = {NPM: registries.pop("")} if "" in registries else {}
    if python.asked:
        own[PYPI] = endpoint(PYPI, python.asked)
    return Addresses(
        own=own,
        npm_scopes=registries,
        extra_pypi=python.extra,
        project=Claims(
            index=python.claimed,
            extra=python.claimed_extra,
            npm=npm.claimed.get("", ""),
            npm_scopes={scope: url for scope, url in npm.claimed.items() if scope},
        ),
        origin={
            PURL_TYPES[PYPI]: python.asked.origin if python.asked else "default",
            PURL_TYPES[NPM]: "default",
            **{scope or PURL_TYPES[NPM]: one.origin for scope, one in npm.asked.items()},
        },
        warnings=tuple(files.warnings),
        credentials=credentials,
    )


def _asked(files: Files, ecosystem: Ecosystem, named: Named) -> str:
    url = address(ecosystem, named.url)
    if not url:
        files.warnings.append(
            f"{named.origin} names {readable(named.url)!r}, which cannot be asked over HTTP: "
            f"no {ecosystem} package from there is looked up"
        )
    return url
