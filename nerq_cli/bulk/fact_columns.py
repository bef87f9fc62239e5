"""The columns of a table of facts, one row a version of a package, and how evidence becomes such a row.

A table of facts holds what was gathered, not what it is worth: dates instead of ages and counts instead of values, so
that it can be scored on a later day. ``docs/reference/index-tables.md`` is generated from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

import msgspec

from nerq_cli.ecosystems import ECOSYSTEMS, EcosystemId, get_ecosystem
from nerq_cli.facts import (
    ATTESTED,
    PRERELEASE,
    SDIST,
    WHEEL,
    Absent,
    Evidence,
    Fact,
    Found,
    LowerBound,
    Metadata,
    PackageInfo,
    Scorecard,
)
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.signals import licences
from nerq_cli.signals.advisories import SEVERITIES, get_severity, merge_advisories
from nerq_cli.signals.community import count_release_years
from nerq_cli.signals.compliance import CLARITY_ORDER, LINK_STATUSES, choose_licence, parse_licences
from nerq_cli.signals.context import Context, find_line
from nerq_cli.signals.provenance import find_mismatch, has_new_publisher
from nerq_cli.signals.security import compare_publishers, is_new_hook
from nerq_cli.units import DAY

#: ``category``: one of the texts of ``categories``. ``advisories``: a list of records, see ``ADVISORY_FIELDS``.
Kind: TypeAlias = Literal["category", "text", "bool", "count", "number", "date", "advisories"]

#: A row without a record of the source is ``unknown``; ``absent``: the source answered that there is none.
STATES: Final = ("found", "absent", "unknown")
#: Advisories: the records are known, and there may be more.
LOWER_BOUND: Final = "lower bound"
#: The fields of each advisory, in the order in which they are stored: worst first, each vulnerability once.
ADVISORY_FIELDS: Final[Mapping[str, str]] = {
    "id": "id of the record",
    "severity": f"severity of the record: {', '.join(SEVERITIES)}",
    "exploited": "whether CISA KEV lists it; null = not read",
    "epss": "probability of exploitation within 30 days (0-1); null = not read",
    "fixed": "whether a version fixes it",
    "unread": "whether a record that may have its severity could not be read; null = no",
}
#: What stands in `package_status`; the empty text is no statement.
_STATUSES: Final = ("", "active", "archived", "deprecated", "quarantined", "unpublished", "security-holding")
#: Number of columns of the dates of stable releases: with this many the curve of the cadence is at its end.
RECENT_RELEASES: Final = int(PACKAGES.signals["release_cadence"].curves["releases"].points[-1][0])
#: Scorecard checks that signals use.
CHECKS: Final = (*PACKAGES.signals["repository_hygiene"].levels, "Maintained", "Security-Policy")


#: Highest value of most counts and numbers: up to here Float64 has every whole number.
MAX_VALUE: Final = 2.0**53
#: Highest score of a Scorecard check.
_MAX_CHECK: Final = 10.0


class FactColumn(msgspec.Struct, frozen=True):
    """One column of a table of facts."""

    name: str
    kind: Kind
    #: The state column that decides whether the value counts; empty for a column that always does.
    group: str
    #: What it holds, and what null means where that is not "not read".
    description: str
    #: Returns the value; None = null.
    read: Callable[[Context], object]
    categories: tuple[str, ...] = ()
    #: Highest value of a count or number; the lowest is 0. What lies outside counts as null.
    maximum: float = MAX_VALUE


def name_check(check: str) -> str:
    """Return the column of a Scorecard check."""
    return f"scorecard_{check.lower().replace('-', '_')}"


def _read_state(fact: Fact[Any]) -> str:
    if isinstance(fact, LowerBound):
        return LOWER_BOUND
    return "found" if isinstance(fact, Found) else "absent" if isinstance(fact, Absent) else "unknown"


def _read_plain_state(fact: Fact[Any]) -> str:
    state = _read_state(fact)
    return "found" if state == LOWER_BOUND else state


def _to_date(moment: int | None) -> int | None:
    """Return the UTC day (days since 1970) of a moment; None for an unknown one."""
    return moment // DAY if moment else None


def _to_bool(value: object) -> bool | None:
    return None if value is None else bool(value)


def _package(read: Callable[[Context, PackageInfo], object]) -> Callable[[Context], object]:
    return lambda context: None if context.package_info is None else read(context, context.package_info)


def _row(read: Callable[[PackageInfo, int], object]) -> Callable[[Context], object]:
    """Read from the row of the version in the package's table of versions."""

    def read_row(context: Context) -> object:
        if context.package_info is None or context.row is None:
            return None
        return read(context.package_info, context.row)

    return read_row


def _metadata(read: Callable[[Metadata], object]) -> Callable[[Context], object]:
    return lambda context: None if context.metadata is None else read(context.metadata)


def _fact(field: str, read: Callable[[Any], object]) -> Callable[[Context], object]:
    """Read from the value of one fact of the evidence."""

    def read_value(context: Context) -> object:
        fact = getattr(context.evidence, field)
        return read(fact.value) if isinstance(fact, Found) else None

    return read_value


def _read_attestation(info: PackageInfo, row: int) -> str | None:
    if not info.has_attestation_data:
        return None
    if info.flags[row] & ATTESTED:
        return "attested"
    return "lost" if any(flags & ATTESTED for flags in info.flags[row + 1 :]) else "none"


def _read_release_files(context: Context, info: PackageInfo) -> str:
    flags = info.flags[context.row] if context.row is not None else 0
    return "wheel" if flags & WHEEL else "sdist" if flags & SDIST else "none"


def _read_hooks(metadata: Metadata) -> str | None:
    if metadata.hooks is None:
        return None
    return "none" if not metadata.hooks else "native" if metadata.hooks == ("node-gyp",) else "script"


def _read_line(context: Context, _: PackageInfo) -> str | None:
    line, newest_line = find_line(context.version), find_line(context.newest_stable)
    if not line or not newest_line:
        return None
    return "newest" if line == newest_line or context.is_newer_than_stable else "older"


def _read_line_date(context: Context, info: PackageInfo) -> int | None:
    line = find_line(context.version)
    dates = (info.published[row] for row in context.stable_rows if line and find_line(info.versions[row]) == line)
    return _to_date(max(dates, default=0))


def _is_first_of_line(context: Context, info: PackageInfo) -> bool:
    line = find_line(context.version)
    if not line or context.row is None:
        return False
    rows = (row for row in context.stable_rows if find_line(info.versions[row]) == line)
    return next(rows, None) == context.row


def _read_newest_date(context: Context, info: PackageInfo) -> int | None:
    newest = context.newest_stable
    return _to_date(info.published[info.versions.index(newest)]) if newest in info.versions else None


def _read_release_date(number: int) -> Callable[[Context], object]:
    """Return the reader of the date of the n-th newest stable release (from 0), by date."""

    def read(context: Context) -> int | None:
        info = context.package_info
        if info is None:
            return None
        dates = sorted((info.published[row] for row in context.stable_rows if info.published[row]), reverse=True)
        return _to_date(next(islice(dates, number, None), None))

    return read


def _read_clarity(metadata: Metadata) -> str | None:
    licence = choose_licence(metadata)
    return licence.clarity if licence else None


def _has_conflict(metadata: Metadata) -> bool:
    licence = choose_licence(metadata)
    return licence is not None and any(licences.are_conflicting(licence, other) for other in parse_licences(metadata))


def _read_terms(metadata: Metadata) -> str | None:
    licence = choose_licence(metadata)
    return (licences.classify_terms(licence.expression) or None) if licence and licence.expression else None


def _is_repository_in_metadata(context: Context) -> bool:
    url = ((context.metadata.repository if context.metadata else None) or "").lower()
    return context.repository is not None and context.repository.name.lower() in url


def _read_advisories(context: Context) -> list[dict[str, object]] | None:
    fact = context.evidence.advisories
    if not isinstance(fact, Found):
        return None
    return [
        {
            "id": advisory.id,
            "severity": get_severity(advisory),
            "exploited": advisory.exploited,
            "epss": advisory.epss,
            "fixed": bool(advisory.fixed_in),
            "unread": bool(advisory.unread),
        }
        for advisory in merge_advisories(record for record in fact.value if not record.malware)
    ]


def _has_unfixed_advisory(context: Context) -> bool | None:
    fact = context.evidence.advisories
    if not isinstance(fact, Found):
        return None
    unfixed = [advisory for advisory in fact.value if not advisory.fixed_in and not advisory.malware]
    if unfixed and all(advisory.is_unread for advisory in unfixed):
        return None
    return bool(unfixed)


def _has_unread_advisory(context: Context) -> bool | None:
    fact = context.evidence.advisories
    return any(advisory.is_unread for advisory in fact.value) if isinstance(fact, Found) else None


def _read_malware(context: Context) -> bool | None:
    fact = context.evidence.advisories
    return any(advisory.malware for advisory in fact.value) if isinstance(fact, Found) else None


def _state(field: str, title: str) -> FactColumn:
    return FactColumn(
        f"{field}_state",
        "category",
        "",
        f"whether {title} was read",
        lambda context: _read_plain_state(getattr(context.evidence, field)),
        STATES,
    )


def _read_scorecard(check: str) -> Callable[[Context], object]:
    def read(scorecard: Scorecard) -> int | None:
        score = scorecard.checks.get(check, -1)
        return score if score >= 0 else None

    return _fact("scorecard", read)


def _of_repository(field: str) -> Callable[[Context], object]:
    return _fact("repository", lambda repository: getattr(repository, field))


_P, _M, _A, _H, _S, _R, _D = "package", "metadata", "advisories", "history", "scorecard", "repository", "adoption"

#: Every column after ``ecosystem``, ``name`` and ``version``, in the order of the file.
FACT_COLUMNS: Final[tuple[FactColumn, ...]] = (
    # --- the package on its registry
    FactColumn(
        "package_state",
        "category",
        "",
        "whether the package's page on its registry was read",
        lambda context: _read_plain_state(context.evidence.package_info),
        STATES,
    ),
    FactColumn(
        "package_status",
        "category",
        _P,
        "status on the registry; empty or null = not stated",
        _package(lambda _, info: info.status if info.status in _STATUSES else ""),
        _STATUSES,
    ),
    FactColumn(
        "version_listed", "bool", _P, "the version is listed", _package(lambda context, _: context.row is not None)
    ),
    FactColumn(
        "partial", "bool", _P, "only some of its versions are listed; null = no", _package(lambda _, info: info.partial)
    ),
    FactColumn(
        "date_problem",
        "bool",
        _P,
        "its publication dates are not credible; null = no",
        _package(lambda _, info: bool(info.date_problem)),
    ),
    FactColumn(
        "version_published",
        "date",
        _P,
        "publication of the version; null = not stated",
        _row(lambda info, row: _to_date(info.published[row])),
    ),
    FactColumn(
        "first_published",
        "date",
        _P,
        "first publication of the package; null = not stated",
        _package(lambda _, info: _to_date(min((date for date in info.published if date), default=0))),
    ),
    FactColumn(
        "newest_stable",
        "text",
        _P,
        "highest stable version; empty or null = there is none, or it is not known",
        _package(lambda context, _: context.newest_stable),
    ),
    FactColumn(
        "newest_stable_published",
        "date",
        _P,
        "publication of the highest stable version; null = not stated",
        _package(_read_newest_date),
    ),
    *(
        FactColumn(
            f"stable_release_{number + 1}",
            "date",
            _P,
            f"publication of the stable version that is number {number + 1} from the newest, by date; null = none",
            _read_release_date(number),
        )
        for number in range(RECENT_RELEASES)
    ),
    FactColumn("version_count", "count", _P, "number of listed versions", _package(lambda _, info: len(info.versions))),
    FactColumn(
        "only_prereleases",
        "bool",
        _P,
        "every listed version is a pre-release; null = no",
        _package(lambda _, info: bool(info.versions) and all(flags & PRERELEASE for flags in info.flags)),
    ),
    FactColumn(
        "release_years",
        "count",
        _P,
        "calendar years (UTC) with a stable release",
        _package(lambda context, info: count_release_years(info.published[row] for row in context.stable_rows)),
    ),
    FactColumn(
        "stable_from_one",
        "bool",
        _P,
        "the highest stable version is 1.0 or higher; null = no",
        _package(lambda context, _: context.has_major_version),
    ),
    FactColumn(
        "at_newest_stable",
        "bool",
        _P,
        "the version is the highest stable one, or higher, in the order of its ecosystem; null = no",
        _package(lambda context, _: context.is_newer_than_stable),
    ),
    FactColumn(
        "majors_behind",
        "count",
        _P,
        "major versions that the highest stable one is ahead (years count as one); null = without numbers",
        _package(lambda context, _: context.majors_behind),
    ),
    FactColumn(
        "release_line",
        "category",
        _P,
        "release line of the version; null = no line is known",
        _package(_read_line),
        ("newest", "older"),
    ),
    FactColumn(
        "line_newest_release",
        "date",
        _P,
        "newest publication of a stable version on the release line; null = none is dated",
        _package(_read_line_date),
    ),
    FactColumn(
        "first_of_line",
        "bool",
        _P,
        "the version is the highest stable one of its release line; null = no",
        _package(_is_first_of_line),
    ),
    FactColumn(
        "registry_attestation",
        "category",
        _P,
        "attestation of the version by the list of versions: `lost` = earlier ones had one; null = not stated",
        _row(_read_attestation),
        ("attested", "lost", "none"),
    ),
    FactColumn(
        "release_files",
        "category",
        _P,
        "best installable file of the version; used for PyPI",
        _package(_read_release_files),
        ("wheel", "sdist", "none"),
    ),
    FactColumn(
        "new_hook",
        "bool",
        _P,
        "the version before has no install script; used for npm; null = no, or not known",
        _package(lambda context, _: is_new_hook(context)),
    ),
    FactColumn(
        "new_publisher",
        "bool",
        _P,
        "first version that this account or repository published; null = no, or not known",
        _package(lambda context, info: bool(has_new_publisher(info, context.metadata, context.version))),
    ),
    FactColumn(
        "package_publishers",
        "count",
        _P,
        "accounts that can publish; null or 0 = not stated",
        _package(lambda _, info: info.publishers),
    ),
    FactColumn(
        "organisation",
        "bool",
        _P,
        "an organisation owns the package; null = not stated",
        _package(lambda _, info: info.organisation),
    ),
    FactColumn(
        "package_inactive",
        "bool",
        _P,
        "the newest version is classified as inactive; null = not read",
        _package(lambda _, info: info.inactive),
    ),
    # --- the metadata of the version
    _state(_M, "the metadata of the version"),
    FactColumn(
        "version_deprecated",
        "bool",
        _M,
        "the version has a deprecation message; null = no",
        _metadata(lambda metadata: bool(metadata.deprecated)),
    ),
    FactColumn("yanked", "bool", _M, "the version is yanked; null = no", _metadata(lambda metadata: metadata.yanked)),
    FactColumn(
        "version_inactive",
        "bool",
        _M,
        "the version is classified as inactive; counts where `package_inactive` is null",
        _metadata(lambda metadata: metadata.inactive),
    ),
    FactColumn(
        "install_hooks",
        "category",
        _M,
        "what runs at installation; used for npm; null = not stated",
        _metadata(_read_hooks),
        ("none", "native", "script"),
    ),
    FactColumn(
        "version_attested",
        "bool",
        _M,
        "the version carries an attestation; counts where `registry_attestation` is null; null = not stated",
        _metadata(lambda metadata: metadata.attested),
    ),
    FactColumn(
        "version_publishers",
        "count",
        _M,
        "accounts that could publish at the time of the version; counts where `partial`; null or 0 = not stated",
        _metadata(lambda metadata: metadata.publishers),
    ),
    FactColumn(
        "readme",
        "count",
        _M,
        "characters of README without badges, HTML and code; null = not readable",
        _metadata(lambda metadata: metadata.readme),
    ),
    FactColumn("summary", "bool", _M, "has a summary", _metadata(lambda metadata: metadata.summary)),
    FactColumn("keywords", "bool", _M, "has keywords or classifiers", _metadata(lambda metadata: metadata.keywords)),
    FactColumn("types", "bool", _M, "has type information", _metadata(lambda metadata: metadata.typed)),
    FactColumn(
        "required_interpreter",
        "text",
        _M,
        "`requires_python` or `engines.node` as written; empty = none",
        _metadata(lambda metadata: metadata.required_interpreter),
    ),
    FactColumn(
        "python_classifiers",
        "text",
        _M,
        "Python versions that the classifiers name, with commas between them",
        _metadata(
            lambda metadata: None if metadata.python_classifiers is None else ",".join(metadata.python_classifiers)
        ),
    ),
    FactColumn(
        "documentation",
        "bool",
        _M,
        "links to documentation",
        _metadata(lambda metadata: _to_bool(metadata.documentation)),
    ),
    FactColumn(
        "changelog", "bool", _M, "links to a changelog", _metadata(lambda metadata: _to_bool(metadata.changelog))
    ),
    FactColumn("homepage", "bool", _M, "links to a homepage", _metadata(lambda metadata: _to_bool(metadata.homepage))),
    FactColumn(
        "declared_repository",
        "bool",
        _M,
        "links to a repository",
        _metadata(lambda metadata: _to_bool(metadata.repository)),
    ),
    FactColumn(
        "repository_mismatch",
        "bool",
        _M,
        "another repository than the declared one attested the version; null = no",
        _metadata(lambda metadata: bool(find_mismatch(metadata))),
    ),
    FactColumn(
        "attested_repository",
        "bool",
        _M,
        "the registry verified a repository as its publisher; null = no",
        _metadata(lambda metadata: bool(metadata.attested_repository)),
    ),
    FactColumn(
        "licence",
        "category",
        _M,
        "how clearly the licence is stated, as parsed from all its fields; null = no field was read",
        _metadata(_read_clarity),
        CLARITY_ORDER,
    ),
    FactColumn(
        "licence_conflict",
        "bool",
        _M,
        "the fields about the licence disagree; null = no",
        _metadata(_has_conflict),
    ),
    FactColumn(
        "licence_terms",
        "category",
        _M,
        "what the parsed licence demands; null = not recognised",
        _metadata(_read_terms),
        tuple(PACKAGES.signals["licence_terms"].levels),
    ),
    # --- names and use
    _state("popularity", "a list of most-downloaded packages"),
    FactColumn(
        "rank",
        "count",
        "popularity",
        "place on the list; null = not on it",
        _fact("popularity", lambda popularity: popularity.rank),
    ),
    FactColumn(
        "list_downloads",
        "number",
        "popularity",
        "weekly downloads by the list; null = not on it",
        _fact("popularity", lambda popularity: popularity.downloads),
    ),
    FactColumn(
        "list_min_downloads",
        "number",
        "popularity",
        "weekly downloads of the last name on the list",
        _fact("popularity", lambda popularity: popularity.min_downloads),
    ),
    _state("similar_name", "a list of popular names"),
    FactColumn(
        "similar_name",
        "text",
        "similar_name",
        "popular name that the name resembles, as found by comparing names; empty = none",
        _fact("similar_name", lambda similar: similar.name),
    ),
    FactColumn(
        "similar_rank",
        "count",
        "similar_name",
        "its place on the list",
        _fact("similar_name", lambda similar: similar.rank),
    ),
    FactColumn(
        "similar_downloads",
        "number",
        "similar_name",
        "its weekly downloads",
        _fact("similar_name", lambda similar: similar.downloads),
    ),
    FactColumn(
        "no_shared_publisher",
        "bool",
        "similar_name",
        "no organisation owns the package, and no account publishes both; null = no, or not known",
        lambda context: not compare_publishers(context),
    ),
    _state(_D, "measured use"),
    FactColumn("downloads", "number", _D, "downloads a week", _fact("adoption", lambda adoption: adoption.downloads)),
    FactColumn(
        "dependents",
        "count",
        _D,
        "packages that depend on it",
        _fact("adoption", lambda adoption: adoption.dependents),
    ),
    # --- advisories
    FactColumn(
        "advisories_state",
        "category",
        "",
        f"whether advisories were read; `{LOWER_BOUND}` = these are known, and there may be more",
        lambda context: _read_state(context.evidence.advisories),
        (*STATES, LOWER_BOUND),
    ),
    FactColumn(
        "advisories",
        "advisories",
        _A,
        "advisories of the version, each vulnerability once, without malware; null = none",
        _read_advisories,
    ),
    FactColumn("malware", "bool", _A, "the version is recorded as malware; null = no", _read_malware),
    FactColumn(
        "newer_fix",
        "bool",
        _A,
        "a higher version fixes one of the advisories; null = no",
        lambda context: context.has_newer_fix,
    ),
    FactColumn(
        "unfixed_advisory",
        "bool",
        _A,
        "no version fixes one of the advisories; null = not known",
        _has_unfixed_advisory,
    ),
    FactColumn(
        "unread_advisory",
        "bool",
        _A,
        "the record of one could not be read at all: it may be about malware; null = no",
        _has_unread_advisory,
    ),
    _state(_H, "the advisories of all versions of the package"),
    FactColumn(
        "old_advisories",
        "count",
        _H,
        "advisories of the package older than 90 days; null = there are some that were not read",
        _fact("history", lambda history: history.old_advisories),
    ),
    FactColumn(
        "fixed_advisories",
        "count",
        _H,
        "how many of them have a fixed version",
        _fact("history", lambda history: history.fixed_advisories),
    ),
    FactColumn(
        "malicious_at",
        "date",
        _H,
        "when another version was recorded as malware; null = none",
        _fact("history", lambda history: _to_date(history.malicious_at)),
    ),
    FactColumn(
        "fixes_predecessor",
        "bool",
        _H,
        "the version fixes an advisory of the version before it; null = no",
        _fact("history", lambda history: history.fixes_predecessor),
    ),
    # --- the repository
    _state(_S, "OpenSSF Scorecard"),
    FactColumn(
        "scorecard_date",
        "date",
        _S,
        "when Scorecard scanned the repository",
        _fact("scorecard", lambda scorecard: scorecard.date // DAY),
    ),
    *(
        FactColumn(
            name_check(check),
            "count",
            _S,
            f"Scorecard {check}, 0-10; null = not conclusive",
            _read_scorecard(check),
            maximum=_MAX_CHECK,
        )
        for check in CHECKS
    ),
    _state(_R, "the repository"),
    FactColumn(
        "link_status",
        "category",
        _R,
        "how certain the link from package to repository is",
        _of_repository("link_status"),
        LINK_STATUSES,
    ),
    FactColumn("archived", "bool", _R, "the repository is archived", _of_repository("archived")),
    FactColumn("stars", "count", _R, "stars", _of_repository("stars")),
    FactColumn("commits_90d", "count", _R, "commits on the default branch in 90 days", _of_repository("commits_90d")),
    FactColumn(
        "last_commit",
        "date",
        _R,
        "last commit",
        _fact("repository", lambda repository: _to_date(repository.last_commit)),
    ),
    FactColumn("open_items", "count", _R, "open issues and pull requests", _of_repository("open_items")),
    FactColumn("closed_items", "count", _R, "closed issues and pull requests", _of_repository("closed_items")),
    FactColumn("open_issues", "count", _R, "open issues", _of_repository("open_issues")),
    FactColumn(
        "security_policy",
        "bool",
        _R,
        "the repository describes how to report a vulnerability",
        _of_repository("security_policy"),
    ),
    FactColumn(
        "repository_in_metadata",
        "bool",
        _R,
        "the metadata link to this repository; null = no",
        _is_repository_in_metadata,
    ),
    FactColumn(
        "repository_unread",
        "bool",
        "",
        "the code host may know that the repository is archived or gone, and was not read; null = no",
        lambda context: context.is_repository_unread,
    ),
)

#: Ids of the ecosystems whose packages are scored.
ECOSYSTEM_IDS: Final[tuple[str, ...]] = tuple(ecosystem.id for ecosystem in ECOSYSTEMS)


def build_row(ecosystem: EcosystemId, name: str, version: str, evidence: Evidence) -> dict[str, object]:
    """Return the facts about one version of a package, by column. Pure; a date is a number of days since 1970."""
    get_ecosystem(ecosystem)
    # No column depends on the moment: ages are computed when the row is scored.
    context = Context(PACKAGES, ecosystem, version, evidence, 0)
    facts = {column.name: column.read(context) for column in FACT_COLUMNS}
    return {"ecosystem": ecosystem, "name": name, "version": version, **facts}
