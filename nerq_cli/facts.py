"""What a source said: found, absent, or unknown and why. Three different things, everywhere.

Facts are small. They are what the store keeps, so they are msgspec structs: quick to write, to read back, and to
read *part* of. A field that is ``None`` means the source did not say (a mirror dropped the key), which is not the
same as saying there is none.
"""

from __future__ import annotations

from typing import Final, Generic, TypeAlias, TypeVar

import msgspec

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Found(msgspec.Struct, Generic[T_co], frozen=True):
    """The source answered. ``retrieved_at`` is when, in epoch seconds (UTC); ``source`` is its display name."""

    value: T_co
    source: str
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


def get_origin(fact: Found[T], field: str) -> Origin:
    """Return where one field of a record comes from."""
    origins = fact.origins if isinstance(fact, Merged) else {}
    return origins.get(field) or Origin(fact.source, fact.retrieved_at)


class Absent(msgspec.Struct, frozen=True):
    """The source was asked and says there is no such thing."""

    source: str
    retrieved_at: int
    reason: str = ""


class Unknown(msgspec.Struct, frozen=True):
    """Nobody knows: not asked, no answer, or an answer that makes no sense. ``reason`` is a phrase for the user."""

    reason: str
    source: str = ""


Fact: TypeAlias = Found[T] | Absent | Unknown

#: Evidence no part of the program gathers yet.
NOT_AVAILABLE: Final = Unknown("source not available yet")

# Bits of `Project.flags`, one integer per version.
YANKED: Final = 1  # every file of it is yanked
PRERELEASE: Final = 2
DEPRECATED: Final = 4  # npm: this version carries a deprecation message
WHEEL: Final = 8
SDIST: Final = 16
ATTESTED: Final = 32
EMPTY: Final = 64  # listed without any file
INSTALL_HOOK: Final = 128  # npm: runs a script when it is installed
_UNSTABLE: Final = YANKED | PRERELEASE | EMPTY


class PackageInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a registry says about a package as a whole.

    ``versions`` are newest first in the ecosystem's own order; ``published`` (epoch seconds UTC, 0 = not stated),
    ``flags`` and ``interpreter_indexes`` run beside them. ``interpreter_indexes`` indexes ``interpreters``: the Python (PyPI) or Node (npm)
    versions that release asks for.
    """

    name: str
    versions: tuple[str, ...] = ()
    published: tuple[int, ...] = ()
    flags: tuple[int, ...] = ()
    interpreter_indexes: tuple[int, ...] = ()
    interpreters: tuple[str, ...] = ()
    #: dist-tags of npm; for PyPI just {"latest": the version the project page shows}.
    tags: dict[str, str] = {}
    #: ``active``, ``archived``, ``deprecated``, ``quarantined``, ``unpublished`` or ``security-holding``; None = the
    #: source cannot say.
    status: str | None = None
    #: Accounts that can publish (a count, never names); None = not stated.
    publishers: int | None = None
    #: One short irreversible tag for each such account, to tell whether two packages share one.
    publisher_tags: tuple[str, ...] = ()
    #: Owned by an organisation; None = not stated.
    organisation: bool | None = None
    #: Whether this source tells which versions carry provenance attestations.
    has_attestation_data: bool = False
    #: Whether this source tells which versions run install hooks.
    has_hook_data: bool = False
    #: Why the publication dates cannot be believed; empty when they can.
    date_problem: str = ""
    #: Only some versions are listed: the one in use, and the newest where it is known.
    partial: bool = False

    @property
    def stable_rows(self) -> tuple[int, ...]:
        """Rows of final, non-yanked versions that have files, newest first."""
        return tuple(row for row, flags in enumerate(self.flags) if not flags & _UNSTABLE)

    @property
    def newest_stable(self) -> str:
        """The highest stable version; empty when there is none, and where not all are listed and no tag names it."""
        if self.partial and not self.tags:
            return ""
        row = next((row for row, flags in enumerate(self.flags) if not flags & _UNSTABLE), None)
        return "" if row is None else self.versions[row]


class AffectingAdvisory(msgspec.Struct, frozen=True, omit_defaults=True):
    """One advisory that affects the version in use. ``severity`` is a band, ``unknown`` when nobody states one."""

    id: str
    aliases: tuple[str, ...] = ()
    summary: str = ""
    severity: str = "unknown"  # low, medium, high, critical, unknown
    fixed_in: tuple[str, ...] = ()
    link: str = ""
    malware: bool = False
    exploited: bool | None = None  # listed in CISA KEV; None = the catalogue was not read
    epss: float | None = None  # probability 0-1
    severity_from: str = ""
    #: The affected range in words: ">=1.0, <2.3.1".
    affected: str = ""
    links: tuple[str, ...] = ()


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event of an OSV range; exactly one field is set. ``introduced`` "0" means from the first version on."""

    introduced: str = ""
    fixed: str = ""
    last_affected: str = ""
    limit: str = ""


class Range(msgspec.Struct, frozen=True, omit_defaults=True):
    """One OSV range: ``kind`` is ``ECOSYSTEM`` or ``SEMVER`` (GIT ranges are dropped on reading)."""

    kind: str
    events: tuple[Event, ...] = ()


class AffectedPackage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an OSV record says of one package (``name`` normalised): enumerated versions, and ranges."""

    ecosystem: str
    name: str
    versions: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()


class Advisory(msgspec.Struct, frozen=True, omit_defaults=True):
    """An OSV record, reduced to what is scored and shown. Times are epoch seconds UTC, 0 where not stated.

    ``severity`` is a band (low, medium, high, critical, unknown) and ``severity_from`` says in words where it came
    from ("GHSA label", "CVSS 4.0 score 9.3", "alias GHSA-..."). ``malware`` marks a record of malicious code
    (``MAL-`` or a GHSA malware advisory). ``links`` are at most five, advisory and fix first.
    """

    id: str
    modified: int = 0
    published: int = 0
    withdrawn: bool = False
    aliases: tuple[str, ...] = ()
    summary: str = ""
    severity: str = "unknown"
    severity_from: str = ""
    affected: tuple[AffectedPackage, ...] = ()
    links: tuple[str, ...] = ()
    malware: bool = False


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a registry says about one version: lengths and yes/no answers, not texts.

    ``None`` everywhere means "the source did not say".
    """

    version: str
    summary: bool | None = None
    keywords: bool | None = None
    typed: bool | None = None
    #: Interpreters it asks for (``requires_python`` or ``engines.node``), as written; "" = states none.
    required_interpreter: str | None = None
    #: Maintained-Python evidence on PyPI: the ``X.Y`` its classifiers name.
    python_classifiers: tuple[str, ...] | None = None
    #: README text length in characters, without badges, HTML and code fences; None = not readable.
    readme: int | None = None
    #: Links: None = metadata not read; "" = none declared.
    documentation: str | None = None
    changelog: str | None = None
    homepage: str | None = None
    repository: str | None = None
    #: Licence evidence, most to least explicit. "" = the field was read and is empty.
    licence_expression: str | None = None
    licence_classifiers: tuple[str, ...] | None = None
    licence_text: str | None = None  # at most 200 characters of a free-text licence field
    #: True when the classifier says "7 - Inactive"; None where no classifiers were read.
    inactive: bool | None = None
    yanked: bool | None = None
    yanked_reason: str = ""
    #: npm deprecation message of this version ("" = none).
    deprecated: str | None = None
    #: npm: names of the scripts that run at installation; "node-gyp" for an implicit native build.
    hooks: tuple[str, ...] | None = None
    #: Repository that the registry verified as the publisher of this version ("" = none).
    attested_repository: str | None = None
    #: Advisories the registry itself lists for exactly this version; None = it lists none for any version.
    advisories: tuple[AffectingAdvisory, ...] | None = None
    #: npm: how many accounts could publish when this version was; None = not stated.
    publishers: int | None = None
    #: npm: whether this version carries attestations; None = not stated.
    attested: bool | None = None


class Popularity(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a name stands in the shipped list of most-downloaded packages.

    ``rank`` counts from 1, None when the name is not on the list; ``downloads`` a week are estimated where the list
    gives only a rank. ``list_size`` is the number of rows, ``min_downloads`` the weekly downloads of its last row, ``snapshot_date``
    the day (epoch seconds) the list was made.
    """

    snapshot_date: int
    list_size: int
    min_downloads: float
    rank: int | None = None
    downloads: float | None = None
    is_estimate: bool = False


class SimilarName(msgspec.Struct, frozen=True, omit_defaults=True):
    """The popular name that a name looks like, and in what way. An empty ``name`` means no likeness."""

    name: str = ""
    rank: int = 0
    similarity: str = ""
    downloads: float = 0.0


class Scorecard(msgspec.Struct, frozen=True, omit_defaults=True):
    """OpenSSF Scorecard's results for a repository: conclusive checks only (0-10), and when it looked."""

    repository: str
    date: int
    checks: dict[str, int] = {}


class Repository(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a code host says about a repository. ``None`` = not read.

    ``link_status`` tells how sure the link from package to repository is: ``attested``, ``confirmed`` (the repository names
    the package), ``declared``, ``dead`` or ``foreign`` (proven to belong to another package). ``unread_reason`` is why the
    code host itself was not read, where it was not.
    """

    name: str
    link_status: str = "declared"
    archived: bool | None = None
    stars: int | None = None
    commits_90d: int | None = None
    last_commit: int | None = None
    open_items: int | None = None
    closed_items: int | None = None
    open_issues: int | None = None
    contributors: int | None = None
    security_policy: bool | None = None
    unread_reason: str = ""


class History(msgspec.Struct, frozen=True, omit_defaults=True):
    """What advisories say about a package's past: how many older than 90 days, and how many of them have a fix.

    ``old_advisories`` is None where it is known that there are some, but not what they say.
    ``malicious_version`` and ``malicious_at`` name the newest *other* version recorded as malware.
    ``fixes_predecessor`` says that the version in use fixes an advisory that affected the one before it.
    """

    old_advisories: int | None = 0
    fixed_advisories: int = 0
    malicious_version: str = ""
    malicious_at: int = 0
    fixes_predecessor: bool = False


class Adoption(msgspec.Struct, frozen=True, omit_defaults=True):
    """Measured use: downloads a week, dependent packages. ``None`` = not read."""

    downloads: float | None = None
    dependents: int | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known about one dependency before anything is scored."""

    package_info: Fact[PackageInfo] = Unknown("not asked")
    metadata: Fact[Metadata] = Unknown("not asked")
    popularity: Fact[Popularity] = Unknown("not asked")
    similar_name: Fact[SimilarName] = Unknown("not asked")
    #: The project the name may be mistaken for, where there is one (its publishers are compared).
    similar_package: Fact[PackageInfo] = Unknown("not asked")
    advisories: Fact[tuple[AffectingAdvisory, ...]] = Unknown("no advisory source answered")
    history: Fact[History] = NOT_AVAILABLE
    scorecard: Fact[Scorecard] = NOT_AVAILABLE
    repository: Fact[Repository] = NOT_AVAILABLE
    adoption: Fact[Adoption] = NOT_AVAILABLE
