"""Packages, declarations and lock file entries of a project, and its dependencies."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, TypeAlias, get_args
from urllib.parse import quote

import msgspec

from nerq_cli.ecosystems import (
    GENERIC,
    GITHUB,
    OTHER,
    EcosystemId,
    Kind,
    RegistryApi,
    get_ecosystem,
    get_hub_ecosystem,
    is_hub,
    normalise_name,
)
from nerq_cli.problem import Problem

_REGISTRY_APIS: Final[dict[str, RegistryApi]] = {
    ecosystem_id: get_ecosystem(ecosystem_id).registry_api for ecosystem_id in get_args(EcosystemId)
}


#: Group of what the configuration of an MCP client starts or connects to.
MCP_GROUP: Final = "mcp"
#: Start of the reason of an MCP server about which the MCP registry gave no usable answer.
NO_REGISTRATION: Final = "MCP registry: "
#: Group of models behind a service.
HOSTED_GROUP: Final = "hosted-model"


@lru_cache(maxsize=8192)
def _build_purl(ecosystem: EcosystemId, name: str, version: str) -> str:
    from packageurl import PackageURL

    kind = get_ecosystem(ecosystem)
    purl_type, namespace, base_name = kind.split_purl(name)
    qualifiers = kind.list_purl_qualifiers(name) or None
    return PackageURL(purl_type, namespace or None, base_name, version or None, qualifiers).to_string()


def strip_purl_version(purl: str) -> str:
    """Return a package URL without its version; the ``@`` of a scope is ``%40``."""
    name, separator, qualifiers = purl.partition("?")
    return f"{name.partition('@')[0]}{separator}{qualifiers}"


class Package(msgspec.Struct, frozen=True, kw_only=True, order=True, gc=False):
    """One package of an ecosystem."""

    ecosystem: EcosystemId
    #: Normalised name (PEP 503 on PyPI).
    name: str

    @property
    def key(self) -> str:
        """Return the key of its stored facts: ``pypi/requests``."""
        return f"{get_ecosystem(self.ecosystem).purl_type}/{self.name}"

    @property
    def purl(self) -> str:
        """Return the package URL without a version."""
        return _build_purl(self.ecosystem, self.name, "")

    @property
    def registry_api(self) -> RegistryApi:
        """Return the API of its registry; empty if it is listed and not scored."""
        return _REGISTRY_APIS[self.ecosystem]

    @property
    def url_segment(self) -> str:
        """Return the name as one percent-encoded path segment (``%40scope%2Fname``)."""
        return quote(self.name, safe="")


class Release(msgspec.Struct, frozen=True, kw_only=True, order=True, gc=False):
    """One version of one package."""

    package: Package
    #: In the spelling of the registry.
    version: str

    @property
    def key(self) -> str:
        """Return the key of its stored facts: ``pypi/requests@2.31.0``."""
        return f"{self.package.key}@{self.version}"

    @property
    def purl(self) -> str:
        """Return the package URL with the version."""
        return _build_purl(self.package.ecosystem, self.package.name, self.version)


class RepositoryId(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A source repository."""

    #: ``github.com/acme/demo``, in lower case.
    id: str
    #: The same as written by its owner or in a link, for services that are case-sensitive.
    spelling: str = ""

    def __eq__(self, other: object) -> bool:
        """Whether both are the same repository, however it is written."""
        return self.id == other.id if isinstance(other, RepositoryId) else NotImplemented

    def __hash__(self) -> int:
        """Return the hash of the id."""
        return hash(self.id)

    @property
    def key(self) -> str:
        """Return the key of its stored facts."""
        return self.id


class AdvisoryId(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """An advisory or a CVE."""

    id: str
    #: Time of the last change, in epoch seconds UTC; 0 if not stated.
    modified: int = 0

    @property
    def key(self) -> str:
        """Return the key of its stored facts, which changes with each modification."""
        return f"{self.id}@{self.modified}" if self.modified else self.id


class AccountId(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """An account or an organisation that publishes on a service."""

    #: As the service spells it.
    name: str

    @property
    def key(self) -> str:
        """Return the key of its stored facts."""
        return self.name


class McpServerId(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A version of a server in the MCP registry, or one page of a search for servers."""

    #: ``io.github.acme/server``; in a search what a part of the name is.
    name: str
    #: ``latest`` for the newest one.
    version: str = "latest"
    #: Where the page of the search begins, as the page before it states; empty for the first one.
    cursor: str = ""
    #: Whether the search returns deleted servers as well.
    includes_deleted: bool = False

    @property
    def key(self) -> str:
        """Return the key of its stored facts."""
        suffix = f"{'!' if self.includes_deleted else ''}{f'#{self.cursor}' if self.cursor else ''}"
        return f"mcp/{self.name}@{self.version}{suffix}"


class HubPaths(msgspec.Struct, frozen=True, kw_only=True):
    """Files of a repository of the Hub at a commit."""

    release: Release
    paths: tuple[str, ...]

    @property
    def key(self) -> str:
        """Return the key of its stored facts: that of the commit, with a digest of the paths."""
        from hashlib import sha256  # only repositories of the Hub need it

        digest = sha256("\n".join(self.paths).encode(errors="surrogatepass")).hexdigest()
        return f"{self.release.key}#{digest[:16]}"


#: What a source returns facts about.
Subject: TypeAlias = Package | Release | RepositoryId | AdvisoryId | AccountId | McpServerId | HubPaths


def find_repository(package: Package) -> RepositoryId | None:
    """Return the source repository that a package of the ecosystem ``github`` is; None for all others."""
    if package.ecosystem != GITHUB:
        return None
    return RepositoryId(id=f"github.com/{package.name.lower()}", spelling=f"github.com/{package.name}")


class Location(msgspec.Struct, frozen=True, kw_only=True, order=True, gc=False):
    """A place in a dependency file."""

    path: str
    #: Counted from 1; 0 is the whole file.
    line: int


class Origin(msgspec.Struct, frozen=True, kw_only=True, order=True, gc=False):
    """A source of packages that a file of the project names: an index, a registry or a directory of archives."""

    #: Without credentials; a path if it is a directory.
    url: str
    location: Location


def locate_url(text: str, path: str, url: str) -> Location:
    """Return the first line of a file that has a URL, with or without credentials; line 0 if none has."""
    offset = text.find(url.partition("://")[2] or url)
    return Location(path=path, line=text.count("\n", 0, offset) + 1 if offset >= 0 else 0)


class Declaration(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One dependency as one line of one file declares it."""

    ecosystem: EcosystemId
    name: str
    #: The version part as written (``>=2,<3``, ``^4.17``, ``==2.31.0``); empty if there is none.
    requirement: str
    #: ``main``, ``dev``, ``build``, ``peer``, ``optional``, ``constraint``, or named: ``dev:docs``, ``extra:socks``.
    group: str
    location: Location
    marker: str = ""
    extras: tuple[str, ...] = ()
    #: Name in the project if it differs (npm ``npm:`` aliases).
    alias: str = ""
    #: Why no public service receives the name ("local path", "git: … @ 1a2b3c"); empty if it may.
    skip_reason: str = ""
    #: Package index that the file assigns to this item.
    index: str = ""
    #: Name of an index that only the configuration of the user may define (uv).
    index_name: str = ""
    #: Further indexes that the item may come from.
    extra_indexes: tuple[str, ...] = ()
    #: Whether a lock file states ``index``, so that no configuration assigns another one.
    has_stated_index: bool = False
    #: Whether the file pins the artefact by hash.
    has_hash: bool = False
    #: Whether the file marks it as required by another package (pip-compile's ``# via``).
    indirect: bool = False
    #: Name of the files in which it replaces the requirements of the package; empty if it is no override.
    override_of: str = ""
    #: Version in the lock file.
    locked_version: str = ""
    #: The nearest direct dependency of the group that requires it, according to the lock file.
    via: str = ""
    #: Number of edges from that direct dependency.
    via_distance: int = 0
    #: Names of the packages of the group that require it, according to the lock file.
    parents: tuple[str, ...] = ()
    #: Whether a call that loads it sets ``trust_remote_code``; None if it is not loaded by a call.
    trusts_remote_code: bool | None = None
    #: Whether a call that loads it refuses safetensors.
    refuses_safetensors: bool = False

    @property
    def package(self) -> Package:
        """Return the package, with its normalised name."""
        return _build_package(self.ecosystem, self.name)


@lru_cache(maxsize=16_384)
def _build_package(ecosystem: EcosystemId, name: str) -> Package:
    return Package(ecosystem=ecosystem, name=normalise_name(ecosystem, name))


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """A declaration that its lock file does not satisfy, or a manifest that has changed since it was locked."""

    #: None if it is not known which declaration has changed, or if a setting has.
    package: Package | None
    #: Name of the setting of the project that has changed; empty if none.
    setting: str = ""
    requirement: str
    #: Versions of the package in the lock file; empty if it is not there.
    locked_versions: tuple[str, ...]
    #: Requirement that the lock file was made for, where the tool compares requirements; empty if it has none.
    locked_requirement: str = ""
    location: Location
    #: Path of the lock file.
    lockfile: str


class Edge(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An edge of a lock file's graph, from a package or an importer."""

    #: ``key`` of the target entry in the same file.
    target: str
    #: As in :class:`Declaration`; ``main``, ``optional`` or ``peer`` between two packages.
    group: str = "main"
    #: Required range, if the file states it.
    requirement: str = ""
    #: Name of the target at its source, if it differs.
    alias: str = ""


class LockedPackage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One package at one version in a lock file, an environment or an SBOM."""

    #: Unique in the file, which may have several versions of one package.
    key: str
    ecosystem: EcosystemId
    name: str
    version: str
    location: Location
    #: None if the file has no edges at all; empty for a package without dependencies.
    edges: tuple[Edge, ...] | None = None
    #: Groups that the file states; empty if they follow from the graph.
    groups: tuple[str, ...] = ()
    #: Whether an installation may omit it (optional, or for another platform).
    optional: bool = False
    marker: str = ""
    alias: str = ""
    #: As in :class:`Declaration` (so are ``marker``, ``alias``, ``index``, ``extra_indexes`` and ``has_hash``); set for
    #: workspace members.
    skip_reason: str = ""
    index: str = ""
    extra_indexes: tuple[str, ...] = ()
    has_hash: bool = False
    #: Directory of a package outside of the workspace whose dependencies the file locks, relative to that of the file.
    directory: str = ""

    @property
    def package(self) -> Package:
        """Return the package, with its normalised name."""
        return _build_package(self.ecosystem, self.name)


class Importer(msgspec.Struct, frozen=True, kw_only=True):
    """The project of a lock file, or a member of its workspace: a start of the graph."""

    #: Directory relative to that of the lock file, as POSIX path; empty for the same directory.
    path: str = ""
    name: str = ""
    #: Its declared dependencies.
    edges: tuple[Edge, ...] = ()


class MissingPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A package that an entry of a lock file requires and the file lacks, unless the workspace provides it."""

    name: str
    #: The problem that it is if the workspace does not provide it.
    problem: Problem


class Include(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Another file that a dependency file refers to."""

    #: POSIX path or glob, relative to the directory of the referring file.
    pattern: str
    line: int
    #: Reader to use; empty to choose by file name.
    format: str = ""
    #: Group of its items, if the referring file states it.
    group: str = ""
    #: Whether it is a pip constraints file, which narrows versions and adds no dependency.
    constraint: bool = False


#: What the MCP registry states against a server: it was deleted, it is deprecated, its package does not state its name,
#: or it has an address without TLS.
RegistrationProblemId: TypeAlias = Literal["deleted", "deprecated", "name-proof", "insecure-url"]


class RegistrationProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One problem of a server in the MCP registry."""

    id: RegistrationProblemId
    text: str
    #: The package that is scored for the server, or the server itself.
    package: Package
    #: Whether it is not known.
    undecided: bool = False
    #: Where the server is configured; empty if it was named on the command line.
    locations: tuple[Location, ...] = ()


#: What is wrong with an MCP server: its version is not fixed, its URL has no TLS, a file holds a secret, a part is
#: filled in when it starts, its transport is not one of the protocol, or its entry cannot be read.
McpProblem: TypeAlias = Literal["unpinned", "insecure-url", "literal-secret", "variable", "transport", "unreadable"]


class McpPackage(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A package that the command of an MCP server installs and runs."""

    ecosystem: EcosystemId
    name: str
    #: As in :class:`Declaration`, and so are ``extras``, ``skip_reason`` and ``index``.
    requirement: str = ""
    extras: tuple[str, ...] = ()
    skip_reason: str = ""
    index: str = ""
    #: Whether the command fixes one version.
    is_pinned: bool = False

    @property
    def package(self) -> Package:
        """Return the package, with its normalised name."""
        return _build_package(self.ecosystem, self.name)


class McpImage(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A container image that an MCP server runs in."""

    #: Without tag and digest: ``ghcr.io/acme/server``.
    name: str
    tag: str = ""
    #: ``sha256:...``.
    digest: str = ""

    @property
    def version(self) -> str:
        """Return the digest, else the tag; empty if it has neither."""
        return self.digest or self.tag

    @property
    def package(self) -> Package:
        """Return the image as a package that is listed and not scored."""
        return Package(ecosystem=OTHER, name=f"docker/{self.name}")


class McpServer(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One MCP server in the configuration of a client. It has no values of variables, headers and arguments."""

    name: str
    #: Name of the client whose file it is.
    client: str
    location: Location
    #: What starts it: ``npx``, ``uvx``, ``docker``, ``python``, another program, or ``url``; empty if not known.
    launcher: str = ""
    #: Packages that the launcher installs.
    packages: tuple[McpPackage, ...] = ()
    image: McpImage | None = None
    #: Without user, password, query, fragment, and without parts of the path that may be a token.
    url: str = ""
    #: ``stdio``, ``http``, ``sse``, ``ws``; empty if not known.
    transport: str = ""
    #: Names of environment variables.
    environment: tuple[str, ...] = ()
    #: Names of HTTP headers.
    headers: tuple[str, ...] = ()
    problems: tuple[McpProblem, ...] = ()
    #: Whether the file switches it on.
    is_enabled: bool = True
    #: Whether it is a program of the project itself, by its path.
    is_local: bool = False

    @property
    def remote_package(self) -> Package:
        """Return what is at its URL as a package that is listed and not scored."""
        return Package(ecosystem=GENERIC, name=self.url.partition("://")[2].strip("/") or self.name)


class DependencyFile(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of one dependency file."""

    path: str
    #: Name of the reader.
    format: str
    declarations: tuple[Declaration, ...] = ()
    #: Entries of a lock file, which has no ``declarations``.
    locked_packages: tuple[LockedPackage, ...] = ()
    #: None if the lock file does not state the direct dependencies.
    importers: tuple[Importer, ...] | None = None
    #: Requirements with the entries that they lead to, if the file does not state who has them (Yarn 1).
    patterns: tuple[Edge, ...] = ()
    #: Packages that the file lacks, as Yarn 1 leaves out the members of a workspace.
    missing_packages: tuple[MissingPackage, ...] = ()
    #: Names of packages that the project overrides, so that a lock file may differ from their declarations.
    overridden_names: tuple[str, ...] = ()
    #: Whether a frozen installation compares the requirements themselves, not only whether the versions satisfy them.
    compares_requirements: bool = False
    #: Whether a frozen installation also compares those of local packages outside of the workspace.
    compares_local_packages: bool = False
    #: Hash of the manifest in a lock file; of a manifest those that releases of Poetry and PDM have for it, which begin
    #: with ``sha256:`` for PDM.
    content_hashes: tuple[str, ...] = ()
    #: Settings that a frozen installation compares, by name: in a lock file the values that it was made for, in a
    #: manifest all values that they may have for releases of the tool.
    settings: tuple[tuple[str, str], ...] = ()
    #: Groups that a lock file was made for; None means all. It may lack what only others require.
    locked_groups: tuple[str, ...] | None = None
    #: Names of the files beside a lock file that it locks (``pyproject.toml``).
    locked_filenames: tuple[str, ...] = ()
    #: Path of the lock file that locks this file.
    lockfile: str = ""
    #: Number of declarations moved to the lock file.
    locked_count: int = 0
    #: Declarations that the lock file does not satisfy.
    drift: tuple[Drift, ...] = ()
    #: Further files to read.
    includes: tuple[Include, ...] = ()
    #: The members of the workspace that a lock file was read for, with the paths of their manifests; empty means all.
    members: tuple[tuple[str, str], ...] = ()
    #: Whether it was read as a pip constraints file.
    constraint: bool = False
    #: Names of the project and its workspace members, which are never looked up.
    local_names: tuple[str, ...] = ()
    #: Name of the project whose manifest it is, normalised, where a Python manifest states it.
    project_name: str = ""
    #: The version of the project by its name in ``local_names``, where the file states it.
    local_versions: tuple[tuple[str, str], ...] = ()
    #: Package index of a requirements file; also holds for files that it includes or that include it.
    index: str = ""
    #: Further package indexes, with the same scope.
    extra_indexes: tuple[str, ...] = ()
    #: Where it names the indexes of its declarations.
    origins: tuple[Origin, ...] = ()
    problems: tuple[Problem, ...] = ()
    #: Those that count only if no lock file locks this file.
    unlocked_problems: tuple[Problem, ...] = ()
    #: Sentences about settings of this program that do not apply.
    setting_notes: tuple[str, ...] = ()
    #: Packages, as ``name`` or ``name@version``, whose install scripts the project decided about (npm, pnpm).
    decided_scripts: tuple[str, ...] = ()
    #: Sentences about what the file does not contain ("dependencies are dynamic: not listed here").
    notes: tuple[str, ...] = ()
    #: Sentences about what is confirmed of its contents, which leave nothing open.
    remarks: tuple[str, ...] = ()
    #: The MCP servers of the configuration of a client; those that are packages are among ``declarations``.
    mcp_servers: tuple[McpServer, ...] = ()


#: Reason of a dependency whose line cannot be read apart from its name.
NOT_UNDERSTOOD: Final = "line not understood"
#: Reason of a name that the scanned projects provide.
PROVIDED_REASON: Final = "provided by this project"
#: Start of the reason of a name that the user declares private.
PRIVATE_REASON: Final = "private name"
#: Starts of the reasons of the project's own packages, the most specific first.
PROJECT_REASONS: Final = ("workspace member", "local path", PROVIDED_REASON)
#: Starts of the reasons of packages that are left out on purpose.
_OWN_REASONS: Final = (*PROJECT_REASONS, PRIVATE_REASON)
#: Start of the reason of a component of a distribution, and the ends for one that OSV has advisories of, and others.
EMBEDDED_REASON: Final = "inside "
ADVISORIES_ONLY: Final = ": only its advisories are looked up"
NOT_CHECKABLE: Final = ": known, not checkable"
#: Format of source files, which are searched for models, and are no dependency files.
SOURCE_FORMAT: Final = "references"
#: Reasons of models that are listed and never looked up.
HOSTED_MODEL: Final = "hosted model: a service runs it, and no repository is loaded"
POSSIBLE_MODEL: Final = "possible reference: not certain enough to be looked up"
#: Start of the reason of a wheel, source archive or npm tarball by its path. It was built elsewhere: a third party's,
#: where a directory is the project's own.
LOCAL_ARCHIVE: Final = "local archive"


@lru_cache(maxsize=16_384)
def _get_release(package: Package, version: str) -> Release:
    public_version = get_ecosystem(package.ecosystem).get_public_version(version)
    return Release(package=package, version=public_version)


@lru_cache(maxsize=1_024)
def _find_kind(ecosystem_id: EcosystemId, groups: tuple[str, ...], direct: bool) -> Kind:  # noqa: FBT001 - a fact
    if is_hub(ecosystem_id):
        return get_hub_ecosystem(ecosystem_id).kind
    kinds = {group.partition(":")[0] for group in groups}
    if kinds == {MCP_GROUP} and direct:
        return "mcp-server"
    if ecosystem_id == GITHUB:
        return "repository"
    return "hosted-model" if kinds == {HOSTED_GROUP} else "package"


class Dependency(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One package at one version in use, with all its locations."""

    package: Package
    #: Version range as written; several are joined by `` · ``.
    requirement: str
    #: None if it could not be resolved.
    version: str | None
    #: ``pinned``: written exactly; ``range``: the version that would be installed today.
    resolution: Literal["pinned", "range", "unresolved"]
    direct: bool
    groups: tuple[str, ...]
    locations: tuple[Location, ...]
    markers: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    #: Why it is not looked up; see ``is_own``.
    skip_reason: str = ""
    #: The nearest direct dependency that requires it, according to each lock file.
    via: tuple[str, ...] = ()
    #: All packages that require it, according to lock files.
    parents: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """Return what it is, by its ecosystem and its groups. What is also used as a package is one."""
        return _find_kind(self.package.ecosystem, self.groups, self.direct)

    @property
    def is_own(self) -> bool:
        """Whether it is left out on purpose: the project's own, or declared private; others are third parties."""
        return self.skip_reason.startswith(_OWN_REASONS)

    @property
    def is_embedded(self) -> bool:
        """Whether an SBOM inside of an installed distribution lists it (PEP 770)."""
        return self.skip_reason.startswith(EMBEDDED_REASON)

    @property
    def is_listed_only(self) -> bool:
        """Whether there is nothing to look up: a model that a service runs, or what may be no reference at all."""
        return self.skip_reason in (HOSTED_MODEL, POSSIBLE_MODEL)

    @property
    def is_advisories_only(self) -> bool:
        """Whether only its advisories are looked up."""
        return self.is_embedded and self.skip_reason.endswith(ADVISORIES_ONLY)

    @property
    def release(self) -> Release | None:
        """Return the release in use, for a local build the public one it is built from; None without a version."""
        if self.version is None:
            return None
        return _get_release(self.package, self.version)

    @property
    def local_build(self) -> str:
        """Return the local part of the version, such as ``+cu117``; empty without one."""
        release = self.release
        return "" if release is None or self.version is None else self.version.removeprefix(release.version)

    @property
    def purl(self) -> str:
        """Return the package URL, with the version in use if known."""
        return _build_purl(self.package.ecosystem, self.package.name, self.version or "")
