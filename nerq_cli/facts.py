"""Facts: what a source returned about a subject. Found, absent and unknown are three different things.

The store keeps facts, so they are small msgspec structs. A field that is ``None`` was not in the answer (some mirrors
leave keys out), which differs from an empty value.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Generic, TypeAlias, TypeVar

import msgspec

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Found(msgspec.Struct, Generic[T_co], frozen=True):
    """The source has a value."""

    value: T_co
    #: Display name of the source.
    source: str
    #: Epoch seconds UTC.
    retrieved_at: int


class Origin(msgspec.Struct, frozen=True):
    """Where one field of a merged record comes from."""

    #: Display name of the source.
    source: str
    #: Epoch seconds UTC.
    retrieved_at: int


class Merged(Found[T_co], Generic[T_co], frozen=True):
    """A record to which several sources contributed."""

    #: By field; ``source`` gave all other fields.
    origins: dict[str, Origin] = {}


class LowerBound(Found[T_co], Generic[T_co], frozen=True):
    """The source has these values, and there may be more: what it lacks is not known."""

    #: Why there may be more, as a phrase.
    reason: str = ""


def get_origin(fact: Found[T], field: str) -> Origin:
    """Return where one field of a record comes from."""
    origins = fact.origins if isinstance(fact, Merged) else {}
    return origins.get(field) or Origin(fact.source, fact.retrieved_at)


class Absent(msgspec.Struct, frozen=True):
    """The source answered that the subject does not exist."""

    #: Display name of the source.
    source: str
    #: Epoch seconds UTC.
    retrieved_at: int
    reason: str = ""


class Unknown(msgspec.Struct, frozen=True):
    """There is no usable answer: no request was sent, or it failed, or the response was invalid."""

    #: A phrase for the user.
    reason: str
    #: Display name of the source; empty if no source was involved.
    source: str = ""
    #: Environment variable of the token that the source demands; empty if a token would change nothing.
    token: str = ""
    #: Ids of records about the subject that exist and cannot be evaluated.
    unevaluable: tuple[str, ...] = ()


Fact: TypeAlias = Found[T] | Absent | Unknown

#: No request was sent.
NOT_REQUESTED: Final = Unknown("not requested")
#: Evidence that no step of the collection gives.
NOT_AVAILABLE: Final = Unknown("source not available yet")

# Bits of `PackageInfo.flags`, one integer per version.
#: All files of the version are yanked.
YANKED: Final = 1
PRERELEASE: Final = 2
#: npm: the version has a deprecation message.
DEPRECATED: Final = 4
WHEEL: Final = 8
SDIST: Final = 16
ATTESTED: Final = 32
#: The version is listed without files.
EMPTY: Final = 64
#: npm: the version runs a script when it is installed.
INSTALL_HOOK: Final = 128
#: npm: the version is the first one of its package that this account published, and not the first one of the package.
#: Never set for a version that a trusted publisher (a build of a repository) published: no account did.
NEW_PUBLISHER: Final = 256
#: PyPI: the version has files with an attestation, and others without one.
PARTLY_ATTESTED: Final = 512
_UNSTABLE: Final = YANKED | PRERELEASE | EMPTY


@lru_cache(maxsize=4_096)
def _find_stable_rows(flags: tuple[int, ...]) -> tuple[int, ...]:
    """Return the rows of stable versions; several signals need them for each package."""
    return tuple([row for row, bits in enumerate(flags) if not bits & _UNSTABLE])


class PackageInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A package on a registry. The tuples about versions run in parallel."""

    name: str
    #: Newest first, in the order of the ecosystem.
    versions: tuple[str, ...] = ()
    #: Epoch seconds UTC; 0 = not stated.
    published: tuple[int, ...] = ()
    #: Bits, see above.
    flags: tuple[int, ...] = ()
    #: Indexes into ``interpreters``.
    interpreter_indexes: tuple[int, ...] = ()
    #: Python (PyPI) or Node (npm) versions that a version requires, as written.
    interpreters: tuple[str, ...] = ()
    #: npm: dist-tags. PyPI: {"latest": the version that the project page shows}.
    tags: dict[str, str] = {}
    #: ``active``, ``archived``, ``deprecated``, ``quarantined``, ``unpublished`` or ``security-holding``; None = the
    #: source does not provide it.
    status: str | None = None
    #: Number of accounts that can publish; None = not stated.
    publishers: int | None = None
    #: A short irreversible hash of each such account, to find accounts that two packages share.
    publisher_tags: tuple[str, ...] = ()
    #: Whether an organisation owns the package; None = not stated.
    organisation: bool | None = None
    #: Whether the source provides which versions carry provenance attestations.
    has_attestation_data: bool = False
    #: Whether the source provides which versions run install hooks.
    has_hook_data: bool = False
    #: Whether the source provides which versions have a new publisher.
    has_publisher_data: bool = False
    #: PyPI: whether the classifiers of the version on the project page contain "7 - Inactive"; None = not read.
    inactive: bool | None = None
    #: Why the publication dates are not credible; empty if they are.
    date_problem: str = ""
    #: npm: versions that were published once and are not listed any more.
    removed: tuple[str, ...] = ()
    #: Only some versions are listed: those in use, and the latest if it is known.
    partial: bool = False

    def require_columns(self) -> None:
        """Raise ``ValueError`` unless the table of versions has each column whole."""
        count = len(self.versions)
        if not count == len(self.published) == len(self.flags) == len(self.interpreter_indexes):
            raise ValueError("the columns of the versions differ in length")
        if self.interpreter_indexes and max(self.interpreter_indexes) >= len(self.interpreters):
            raise ValueError("required interpreters are missing")

    @property
    def stable_rows(self) -> tuple[int, ...]:
        """Indexes of final, non-yanked versions that have files, newest first."""
        return _find_stable_rows(self.flags)

    @property
    def newest_stable(self) -> str:
        """The highest stable version; empty if there is none, or if the list is partial and no tag names it."""
        if self.partial and not self.tags:
            return ""
        row = self.find_stable_row(0)
        return "" if row is None else self.versions[row]

    def find_stable_row(self, first: int) -> int | None:
        """Return the first row of a stable version from this one on; None if there is none."""
        flags = self.flags
        for row in range(first, len(flags)):
            if not flags[row] & _UNSTABLE:
                return row
        return None


class AffectingAdvisory(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An advisory that affects the version in use."""

    id: str
    aliases: tuple[str, ...] = ()
    summary: str = ""
    #: low, medium, high, critical or unknown.
    severity: str = "unknown"
    fixed_in: tuple[str, ...] = ()
    link: str = ""
    malware: bool = False
    #: Whether CISA KEV lists it; None = the catalogue was not read.
    exploited: bool | None = None
    #: Probability of exploitation within 30 days, 0 to 1.
    epss: float | None = None
    #: See ``Advisory.severity_from``.
    severity_from: str = ""
    #: The affected range in words: ">=1.0, <2.3.1".
    affected: str = ""
    links: tuple[str, ...] = ()
    #: See ``Advisory.unread``.
    unread: tuple[str, ...] = ()

    @property
    def is_unread(self) -> bool:
        """Whether its own record could not be read: severity, fix and affected range are not known."""
        return self.id in self.unread


class Event(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One event of an OSV range; exactly one field is set."""

    #: "0" = from the first version on.
    introduced: str = ""
    fixed: str = ""
    last_affected: str = ""
    limit: str = ""


class Range(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One OSV range."""

    #: ``ECOSYSTEM`` or ``SEMVER``; ranges of commits (``GIT``) are dropped when a record is read.
    kind: str
    events: tuple[Event, ...] = ()


class AffectedPackage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The versions of one package that an OSV record affects: listed ones, and ranges."""

    ecosystem: str
    #: Normalised.
    name: str
    versions: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()


class Advisory(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An OSV record, reduced to what is scored and shown."""

    id: str
    #: Epoch seconds UTC; 0 = not stated.
    modified: int = 0
    #: Epoch seconds UTC; 0 = not stated.
    published: int = 0
    withdrawn: bool = False
    #: Epoch seconds UTC; 0 = not withdrawn, or not stated.
    withdrawn_at: int = 0
    aliases: tuple[str, ...] = ()
    summary: str = ""
    #: low, medium, high, critical or unknown.
    severity: str = "unknown"
    #: The origin of the severity, in words: "GHSA label", "CVSS 4.0 score 9.3", "alias GHSA-...".
    severity_from: str = ""
    affected: tuple[AffectedPackage, ...] = ()
    #: At most five, advisory and fix first.
    links: tuple[str, ...] = ()
    #: Whether it records malicious code (``MAL-`` or a GHSA malware advisory).
    malware: bool = False
    #: Ids of the records that may have its severity and could not be read; its own id for a record of which only the
    #: id is known.
    unread: tuple[str, ...] = ()


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """Metadata of one version: lengths and yes/no answers instead of texts. ``None`` = not in the answer."""

    version: str
    summary: bool | None = None
    keywords: bool | None = None
    typed: bool | None = None
    #: Interpreters that the version requires (``requires_python`` or ``engines.node``), as written; "" = none.
    required_interpreter: str | None = None
    #: PyPI: the ``X.Y`` that the classifiers name.
    python_classifiers: tuple[str, ...] | None = None
    #: README length in characters, without badges, HTML and code fences; None = not readable.
    readme: int | None = None
    #: Links: "" = none declared.
    documentation: str | None = None
    changelog: str | None = None
    homepage: str | None = None
    repository: str | None = None
    #: The licence, from the most to the least explicit field. "" = the field is empty.
    licence_expression: str | None = None
    licence_classifiers: tuple[str, ...] | None = None
    #: At most 200 characters of a free-text licence field.
    licence_text: str | None = None
    #: Whether the classifier is "7 - Inactive"; None = no classifiers were read.
    inactive: bool | None = None
    yanked: bool | None = None
    yanked_reason: str = ""
    #: npm: deprecation message of this version; "" = none.
    deprecated: str | None = None
    #: npm: names of the scripts that run at installation; "node-gyp" for an implicit native build.
    hooks: tuple[str, ...] | None = None
    #: Repository that the registry verified as the publisher of this version; "" = none.
    attested_repository: str | None = None
    #: PyPI: repository that the registry verified as the publisher of the stable version before this one; "" = it has
    #: none, or none was verified. None = not read; it is read for versions younger than 30 days.
    previous_repository: str | None = None
    #: Advisories that the registry lists for exactly this version; None = it lists none for any version.
    advisories: tuple[AffectingAdvisory, ...] | None = None
    #: npm: number of accounts that could publish when this version was published; None = not stated.
    publishers: int | None = None
    #: npm: whether this version carries attestations; None = not stated.
    attested: bool | None = None


class McpRegistration(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version of a server in the MCP registry."""

    name: str
    version: str = ""
    #: ``active``, ``deprecated`` or ``deleted``; another or no statement is empty.
    status: str = ""
    status_message: str = ""
    #: URL of the source repository; empty if none is stated.
    repository: str = ""
    #: Type (``npm``, ``pypi``, ``oci``, ``nuget``, ``mcpb`` ...), name and version of each package.
    packages: tuple[tuple[str, str, str], ...] = ()
    #: Transport and URL of each remote server, without credentials and query.
    remotes: tuple[tuple[str, str], ...] = ()
    #: In epoch seconds UTC; 0 = not stated.
    published_at: int = 0


class McpSearchPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One page of a search for servers."""

    servers: tuple[McpRegistration, ...] = ()
    #: Where the next page begins; empty on the last page.
    next_cursor: str = ""


class McpNameProof(msgspec.Struct, frozen=True, omit_defaults=True):
    """The names of MCP servers that a version of a package states: npm ``mcpName``, PyPI ``mcp-name:``."""

    names: tuple[str, ...] = ()


class ReleaseFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of a release."""

    name: str
    #: ``sha256`` (hexadecimal) on PyPI, ``sha512-...`` (Base64, subresource integrity) on npm; empty = not stated.
    digest: str = ""
    #: Where it is downloaded from; empty = not stated.
    url: str = ""


class ReleaseProfile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the author of a release states about it: untrusted text, of no effect on a score."""

    #: The version that states it: another one where the index has no page of this one.
    version: str
    #: In a sentence; empty = none.
    summary: str = ""
    #: As written: a name, or an address.
    author: str = ""
    keywords: tuple[str, ...] = ()
    #: PyPI: classifiers about topic and audience.
    topics: tuple[str, ...] = ()
    #: PyPI: "Development Status" without its number; empty = not stated.
    status: str = ""
    files: tuple[ReleaseFile, ...] = ()
    #: Number of direct dependencies that it states, optional ones left out; None = not stated.
    dependencies: int | None = None


class ReleaseRequirements(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one release requires, as it states that (PEP 508)."""

    requirements: tuple[str, ...] = ()


class Popularity(msgspec.Struct, frozen=True, omit_defaults=True):
    """The place of a name on the shipped list of most-downloaded packages."""

    #: When the list was made, in epoch seconds UTC.
    snapshot_date: int
    #: Number of names on the list.
    list_size: int
    #: Weekly downloads of the last name on the list.
    min_downloads: float
    #: From 1; None = not on the list.
    rank: int | None = None
    #: Weekly downloads.
    downloads: float | None = None
    #: Whether ``downloads`` is estimated from the rank.
    is_estimate: bool = False


class SimilarName(msgspec.Struct, frozen=True, omit_defaults=True):
    """The popular name that a name resembles."""

    #: Empty = it resembles none.
    name: str = ""
    rank: int = 0
    #: In words: "one letter differs".
    similarity: str = ""
    #: Weekly downloads of the popular package.
    downloads: float = 0.0


class Scorecard(msgspec.Struct, frozen=True, omit_defaults=True):
    """Results of OpenSSF Scorecard for a repository."""

    repository: str
    #: When Scorecard scanned it, in epoch seconds UTC.
    date: int
    #: Conclusive checks only, 0 to 10.
    checks: dict[str, int] = {}


class Repository(msgspec.Struct, frozen=True, omit_defaults=True):
    """The repository behind a package. ``None`` = not read."""

    name: str
    #: How certain the link from package to repository is: ``attested``, ``confirmed`` (the repository names the
    #: package), ``declared``, ``dead`` or ``foreign`` (proven to belong to another package).
    link_status: str = "declared"
    archived: bool | None = None
    stars: int | None = None
    commits_90d: int | None = None
    #: Epoch seconds UTC.
    last_commit: int | None = None
    #: Issues and pull requests.
    open_items: int | None = None
    closed_items: int | None = None
    open_issues: int | None = None
    security_policy: bool | None = None
    #: Why the code host, or a part of it, was not read; empty if it was.
    unread_reason: str = ""
    #: See ``Unknown.token``.
    unread_token: str = ""
    #: Whether the code host may know that it is archived or gone, and was not read, for whatever reason.
    is_unread: bool = False


class History(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Advisories about all versions of a package."""

    #: Number of advisories older than 90 days; None = there are some, and their records were not read.
    old_advisories: int | None = 0
    #: How many of them have a fixed version.
    fixed_advisories: int = 0
    #: The newest *other* version recorded as malware.
    malicious_version: str = ""
    #: When that was recorded, in epoch seconds UTC.
    malicious_at: int = 0
    #: Whether the version in use fixes an advisory that affects the version before it.
    fixes_predecessor: bool = False


class Adoption(msgspec.Struct, frozen=True, omit_defaults=True):
    """Measured use. ``None`` = not read."""

    #: Per week.
    downloads: float | None = None
    #: Number of packages that depend on it.
    dependents: int | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All facts about one release, before scoring."""

    package_info: Fact[PackageInfo] = NOT_REQUESTED
    metadata: Fact[Metadata] = NOT_REQUESTED
    popularity: Fact[Popularity] = NOT_REQUESTED
    similar_name: Fact[SimilarName] = NOT_REQUESTED
    #: The popular package that the name resembles; its publishers are compared.
    similar_package: Fact[PackageInfo] = NOT_REQUESTED
    advisories: Fact[tuple[AffectingAdvisory, ...]] = Unknown("no advisory source answered")
    history: Fact[History] = NOT_AVAILABLE
    scorecard: Fact[Scorecard] = NOT_AVAILABLE
    repository: Fact[Repository] = NOT_AVAILABLE
    adoption: Fact[Adoption] = NOT_AVAILABLE
