"""What a project depends on: packages, where they are declared, and each of them once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeAlias
from urllib.parse import quote

from nerq_cli.ecosystems import EcosystemId, get_ecosystem, normalise_name
from nerq_cli.errors import Problem


@lru_cache(maxsize=8192)
def _build_purl(ecosystem: EcosystemId, name: str, version: str) -> str:
    from packageurl import PackageURL

    kind = get_ecosystem(ecosystem)
    namespace, base_name = kind.split_name(name)
    return PackageURL(kind.purl_type, namespace or None, base_name, version or None).to_string()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Package:
    """One package, named as its ecosystem names it (``name`` is already normalised)."""

    ecosystem: EcosystemId
    name: str

    def __hash__(self) -> int:
        """Hash the name alone: packages are the keys of everything, and hardly two share one."""
        return hash(self.name)

    @property
    def key(self) -> str:
        """The key facts about it are filed under: ``pypi/requests``."""
        return f"{get_ecosystem(self.ecosystem).purl_type}/{self.name}"

    @property
    def purl(self) -> str:
        """Package URL without a version."""
        return _build_purl(self.ecosystem, self.name, "")

    @property
    def url_segment(self) -> str:
        """The name as one percent-encoded path segment (``@scope/name`` becomes ``%40scope%2Fname``)."""
        return quote(self.name, safe="")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Release:
    """One version of one package, spelled as the registry spells it."""

    package: Package
    version: str

    def __hash__(self) -> int:
        """Hash two texts that know their hashes already."""
        return hash((self.package.name, self.version))

    @property
    def key(self) -> str:
        """The key facts about it are filed under: ``pypi/requests@2.31.0``."""
        return f"{self.package.key}@{self.version}"

    @property
    def purl(self) -> str:
        """Package URL with the version."""
        return _build_purl(self.package.ecosystem, self.package.name, self.version)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RepositoryId:
    """A source repository: ``github.com/acme/demo``, in lower case.

    ``spelling`` is the same as its owner or a link writes it, for the services that tell letters' case apart.
    """

    id: str
    spelling: str = field(default="", compare=False)

    @property
    def key(self) -> str:
        """The key facts about it are filed under."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AdvisoryId:
    """An advisory, or a CVE: its id, and when it was last changed (epoch seconds UTC, 0 where nobody says)."""

    id: str
    modified: int = 0

    @property
    def key(self) -> str:
        """The key facts about it are filed under; another one after each change."""
        return f"{self.id}@{self.modified}" if self.modified else self.id


#: What a source can be asked about.
Subject: TypeAlias = Package | Release | RepositoryId | AdvisoryId


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Location:
    """A place in a dependency file. ``line`` counts from 1; 0 means the file as a whole."""

    path: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One dependency as one line of one file writes it.

    ``requirement`` is the version part alone as written (``>=2,<3``, ``^4.17``, ``==2.31.0``, empty when none).
    ``group`` is one of ``main``, ``dev``, ``build``, ``peer``, ``optional`` or ``constraint``, or a named one:
    ``dev:docs`` (a development group called docs), ``extra:socks`` (an extra called socks).
    ``skip_reason`` says why this is never asked about on a public service ("local path", "git: … @ 1a2b3c"); empty when it
    may be. ``index`` is a package index the file itself assigns to this item; ``extra_indexes`` are further ones it
    may come from. ``alias`` is the name the project gives it, where that differs (npm ``npm:`` aliases).
    ``has_hash`` says that the file pins the artefact by hash. ``indirect`` says the file itself marks it as brought in
    by another package (pip-compile's ``# via``). ``locked_version`` is the version that a lock file settles it at, ``via`` the
    direct dependency that brings it in, where the lock file tells.
    """

    ecosystem: EcosystemId
    name: str
    requirement: str
    group: str
    location: Location
    marker: str = ""
    extras: tuple[str, ...] = ()
    alias: str = ""
    skip_reason: str = ""
    index: str = ""
    extra_indexes: tuple[str, ...] = ()
    has_hash: bool = False
    indirect: bool = False
    locked_version: str = ""
    via: str = ""

    @property
    def package(self) -> Package:
        """The package meant, under its normalised name."""
        return Package(ecosystem=self.ecosystem, name=normalise_name(self.ecosystem, self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Where a lock file no longer fits the file it was made from.

    ``locked_versions`` are the versions of the package in the lock file, none where it lacks the package. ``lockfile`` is its path.
    """

    package: Package
    requirement: str
    locked_versions: tuple[str, ...]
    location: Location
    lockfile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An edge of a lock file's graph: what one package, or the project itself, leads to.

    ``target`` is the ``key`` of the entry it leads to in the same file. ``group`` is as in :class:`Declaration`; an edge
    between two packages has ``main``, ``optional`` or ``peer``. ``requirement`` is the range that is asked for, where
    the file says so. ``alias`` is the name it goes by here, where that differs from the package's own.
    """

    target: str
    group: str = "main"
    requirement: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """One package as a lock file, an environment or an SBOM holds it: exactly one version.

    ``key`` tells it from all others of the file (several versions of one package may be installed side by side).
    ``groups`` are those the file itself states for it (empty = the graph has to tell). ``optional`` says that an
    installation may go without it (optional, or of another platform). ``skip_reason``, ``index``, ``marker``, ``alias`` and
    ``has_hash`` are as in :class:`Declaration`; a workspace member or a link is skipped as such. ``edges`` is None where
    the file knows of no edges at all, which is not the same as a package without dependencies.
    """

    key: str
    ecosystem: EcosystemId
    name: str
    version: str
    location: Location
    edges: tuple[Edge, ...] | None = None
    groups: tuple[str, ...] = ()
    optional: bool = False
    marker: str = ""
    alias: str = ""
    skip_reason: str = ""
    index: str = ""
    has_hash: bool = False

    @property
    def package(self) -> Package:
        """The package meant, under its normalised name."""
        return Package(ecosystem=self.ecosystem, name=normalise_name(self.ecosystem, self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """The project a lock file is for, or a member of its workspace: where the graph begins.

    ``path`` is its directory relative to that of the lock file, as POSIX path ("" = the same). ``edges`` are what it
    declares itself, group by group.
    """

    path: str = ""
    name: str = ""
    edges: tuple[Edge, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Include:
    """Another file that a dependency file points at; the reader names it, the core opens it.

    ``pattern`` is a POSIX path or glob relative to the directory of the file that names it. ``format`` is the
    reader to use ("" = by its name). ``group`` is what its items belong to, where the including file says so.
    ``constraint`` marks a pip constraints file: it narrows versions and adds no dependency.
    """

    pattern: str
    line: int
    format: str = ""
    group: str = ""
    constraint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyFile:
    """One dependency file, read: what it declares, what is wrong with it, and what it leaves open.

    ``notes`` are sentences for the user about what this file cannot tell ("dependencies are dynamic: not listed
    here"). ``format`` is the reader's name. ``includes`` are files to be read as well. ``constraint`` marks a file
    that was read as a pip constraints file. ``local_names`` are the package names the project itself provides (its own
    name, workspace members): never looked up. ``index`` and ``extra_indexes`` are what a requirements file says of
    package indexes; they hold for the files it includes, and for those that include it. A lock file has ``locked_packages``
    in place of ``declarations``; ``importers`` is None where it does not tell what the project itself asks for, and ``locked_filenames``
    names the files beside it whose versions it settles (``pyproject.toml``). ``lockfile`` is the path of the lock
    file that settles this one's versions, ``locked_count`` how many declarations it has taken over; ``drift`` is where the
    two disagree.
    """

    path: str
    format: str
    declarations: tuple[Declaration, ...] = ()
    locked_packages: tuple[LockedPackage, ...] = ()
    importers: tuple[Importer, ...] | None = None
    locked_filenames: tuple[str, ...] = ()
    lockfile: str = ""
    locked_count: int = 0
    drift: tuple[Drift, ...] = ()
    includes: tuple[Include, ...] = ()
    constraint: bool = False
    local_names: tuple[str, ...] = ()
    index: str = ""
    extra_indexes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One package a project depends on at one version in use, with every place that says so.

    ``requirement`` is the version range as written (several different ones joined by `` · ``). ``version`` is None
    until one is known. ``resolution`` tells where it came from: ``pinned`` (written exactly), ``range`` (the version that
    would be installed today) or ``unresolved``. ``skip_reason`` gives the reason when it is not scored on purpose.
    """

    package: Package
    requirement: str
    version: str | None
    resolution: Literal["pinned", "range", "unresolved"]
    direct: bool
    groups: tuple[str, ...]
    locations: tuple[Location, ...]
    markers: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    skip_reason: str = ""
    #: Direct dependencies that bring it in, as far as lock files tell.
    via: tuple[str, ...] = ()

    @property
    def release(self) -> Release | None:
        """The release in use, once its version is known."""
        return None if self.version is None else Release(package=self.package, version=self.version)

    @property
    def purl(self) -> str:
        """Package URL, with the version in use where it is known."""
        return _build_purl(self.package.ecosystem, self.package.name, self.version or "")
