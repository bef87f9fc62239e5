"""Steps that match advisories: those of OSV, of the local database and of the registries, merged into one list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec

from nerq_cli.evidence.plan import ByRelease
from nerq_cli.evidence.registry_lookup import YOUNG_RELEASE_AGE, PackageFacts, select_package_info
from nerq_cli.evidence.replay import select_exploited
from nerq_cli.evidence.service_lookup import NOT_SENT, ServiceLookup, find_previous_version
from nerq_cli.facts import (
    NOT_REQUESTED,
    Advisory,
    AffectingAdvisory,
    Fact,
    Found,
    History,
    LowerBound,
    PackageInfo,
    Unknown,
)
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories import epss, exploitation, kev, local_database, osv, shipped_advisories
from nerq_cli.sources.advisories.kev import Catalogue
from nerq_cli.sources.advisories.local_database import AdvisoryFindings
from nerq_cli.sources.advisories.osv import OsvAdvisories
from nerq_cli.sources.advisories.shipped_advisories import ShippedAdvisories
from nerq_cli.sources.deps_dev import VersionFindings, VersionInfo
from nerq_cli.store.advisory_db import AdvisoryDatabase
from nerq_cli.vulnerabilities.matching import (
    OSV_ID_PREFIXES,
    VersionMatch,
    select_known_advisories,
)
from nerq_cli.vulnerabilities.severity import is_rated

Advisories: TypeAlias = tuple[AffectingAdvisory, ...]

#: The history of a package without advisories.
_NO_HISTORY: Final = History()


class Position(NamedTuple):
    """The place of a version among those of its package."""

    #: Epoch seconds UTC; 0 = unknown.
    published: int
    #: The stable version before it; None = none, or unknown.
    previous_version: str | None


class AdvisoryCoverage(NamedTuple):
    """Releases without an answer of OSV, counted by ecosystem."""

    #: Those for which the local database has an answer.
    replaced: Counter[str]
    #: Those for which neither has one.
    missing: Counter[str]


class ShippedFindings(NamedTuple):
    """What the shipped advisories have about releases, and the number of releases looked up, by ecosystem."""

    findings: Mapping[Release, AdvisoryFindings]
    looked_up: Counter[str]


def locate_releases(
    releases: Sequence[Release],
    unindexed_facts: PackageFacts,
    unindexed_releases: frozenset[Release],
    versions: ByRelease[VersionInfo],
    known_until: int,
) -> Mapping[Release, Position]:
    """Return when each version was published, and the stable version before it."""
    return {
        release: _locate_release(
            release, select_package_info(release, unindexed_facts, unindexed_releases, known_until), versions[release]
        )
        for release in releases
    }


def _locate_release(release: Release, fact: Fact[PackageInfo] | None, version: Fact[VersionInfo]) -> Position:
    if not isinstance(fact, Found) or release.version not in fact.value.versions:
        return Position(version.value.published if isinstance(version, Found) else 0, None)
    row = fact.value.versions.index(release.version)
    published = 0 if fact.value.date_problem else fact.value.published[row]
    return Position(published, find_previous_version(release, fact))


def _find_young_predecessor(release: Release, position: Position, as_of: int) -> Release | None:
    """Return the release before a young one."""
    if position.previous_version is None or as_of - position.published >= YOUNG_RELEASE_AGE:
        return None
    return Release(package=release.package, version=position.previous_version)


def find_young_predecessors(as_of: int, positions: Mapping[Release, Position]) -> Mapping[Release, Release]:
    """Return the release before each young one."""
    predecessors = {
        release: _find_young_predecessor(release, position, as_of) for release, position in positions.items()
    }
    return {release: predecessor for release, predecessor in predecessors.items() if predecessor is not None}


def fetch_osv_advisories(
    services: ServiceLookup, as_of: int, known_until: int, positions: Mapping[Release, Position]
) -> OsvAdvisories:
    """Return the advisories of releases and their packages; of young releases also those of the release before."""
    predecessors = (_find_young_predecessor(release, position, as_of) for release, position in positions.items())
    releases = [*positions, *(release for release in predecessors if release is not None)]
    public_releases = services.select_public("osv", releases)
    packages = sorted({release.package for release in public_releases})
    advisories = (
        osv.fetch_advisories(
            services.run, public_releases, packages, services.endpoints["osv"], known_until=known_until
        )
        if public_releases
        else OsvAdvisories({}, {})
    )
    return OsvAdvisories(
        {release: advisories.affecting.get(release, NOT_SENT) for release in releases},
        {release.package: advisories.recorded.get(release.package, NOT_SENT) for release in releases},
        advisories.incomplete,
        advisories.listed_ids,
    )


def find_package_records(
    services: ServiceLookup,
    database: AdvisoryDatabase | None,
    shipped: ShippedAdvisories | None,
    packages: Sequence[Package],
    neighbours: Sequence[Release],
    known_until: int,
) -> dict[Package, Found[tuple[Advisory, ...]]]:
    """Return the records of packages whose version in use is not known or not listed.

    Of OSV only the malware records, and those that affect the releases beside that version (``neighbours``), which
    have it as their fix. The shipped records are those of packages for which OSV has no answer.

    Records published after ``known_until`` (epoch seconds UTC) are left out.
    """
    public_packages = services.select_public("osv", packages)
    public_neighbours = services.select_public("osv", neighbours)
    advisories = (
        osv.fetch_advisories(services.run, public_neighbours, public_packages, services.endpoints["osv"])
        if public_packages
        else OsvAdvisories({}, {})
    )
    database_records = (
        {} if database is None else local_database.find_records(database, packages, known_until=known_until)
    )
    open_packages = [package for package in packages if not isinstance(advisories.recorded.get(package), Found)]
    shipped_records = (
        {}
        if shipped is None
        else shipped_advisories.find_records(
            shipped, select_uncovered(shipped, database, open_packages), known_until=known_until
        )
    )
    found_records = {}
    for package in packages:
        candidates = (
            advisories.recorded.get(package),
            *(advisories.affecting.get(release) for release in public_neighbours if release.package == package),
            database_records.get(package),
            shipped_records.get(package),
        )
        facts = [fact for fact in candidates if isinstance(fact, Found) and fact.value]
        records = select_known_advisories(
            _merge_records(record for fact in facts for record in fact.value), known_until
        )
        if records:
            found_records[package] = Found(records, facts[0].source, facts[0].retrieved_at)
    return found_records


def find_database_advisories(
    database: AdvisoryDatabase | None, as_of: int, known_until: int, positions: Mapping[Release, Position]
) -> Mapping[Release, AdvisoryFindings]:
    """Return the advisories in the local database, of the ecosystems that it has."""
    if database is None:
        return {}
    return local_database.find_advisories(database, positions, as_of=as_of, known_until=known_until)


def select_uncovered(
    shipped: ShippedAdvisories, database: AdvisoryDatabase | None, packages: Iterable[Package]
) -> list[Package]:
    """Return the packages of ecosystems for which the shipped records are newer than those of the database."""
    snapshots = {} if database is None else local_database.read_snapshots(database)
    ecosystems = {
        ecosystem
        for ecosystem, edition in shipped.editions.items()
        if ecosystem not in snapshots or snapshots[ecosystem].valid_until < edition.newest
    }
    return [package for package in packages if package.ecosystem in ecosystems]


def find_local_advisories(
    database: AdvisoryDatabase | None,
    shipped: ShippedAdvisories | None,
    releases: Sequence[Release],
    as_of: int,
    known_until: int,
) -> dict[Release, Fact[Advisories]]:
    """Return the advisories on this machine that affect releases, without those that OSV lists."""
    positions = dict.fromkeys(releases, Position(0, None))
    findings = find_database_advisories(database, as_of, known_until, positions)
    facts = {release: finding.advisories for release, finding in findings.items()}
    if shipped is None:
        return facts
    packages = set(select_uncovered(shipped, database, (release.package for release in releases)))
    shipped_findings = shipped_advisories.find_advisories(
        shipped, [release for release in releases if release.package in packages], as_of=as_of, known_until=known_until
    )
    return facts | {
        release: _add_shipped_advisories(facts.get(release, NOT_REQUESTED), finding.advisories)
        for release, finding in shipped_findings.items()
    }


def fetch_listed_advisories(
    services: ServiceLookup,
    database: AdvisoryDatabase | None,
    releases: Iterable[Release],
    as_of: int,
    known_until: int,
) -> dict[Release, Fact[Advisories]]:
    """Return the advisories of OSV that affect releases of which nothing else is known."""
    positions = dict.fromkeys(releases, Position(0, None))
    osv_advisories = fetch_osv_advisories(services, as_of, known_until, positions)
    findings = match_osv_advisories(database, as_of, known_until, positions, osv_advisories)
    return {release: finding.advisories for release, finding in findings.items()}


def find_shipped_advisories(
    shipped: ShippedAdvisories | None,
    database: AdvisoryDatabase | None,
    as_of: int,
    known_until: int,
    positions: Mapping[Release, Position],
    osv_advisories: OsvAdvisories,
) -> ShippedFindings:
    """Return what the shipped advisories have about releases that OSV has no answer for, and no newer database covers.

    A record that OSV does not list any more for the package of such a release is left out: it was withdrawn.
    """
    open_releases = [release for release in positions if not isinstance(osv_advisories.affecting[release], Found)]
    if shipped is None or not open_releases:
        return ShippedFindings({}, Counter())
    packages = set(select_uncovered(shipped, database, (release.package for release in open_releases)))
    releases = [release for release in open_releases if release.package in packages]
    findings = shipped_advisories.find_advisories(shipped, releases, as_of=as_of, known_until=known_until)
    return ShippedFindings(
        {
            release: _drop_unlisted(finding, osv_advisories.listed_ids[release.package])
            if isinstance(osv_advisories.recorded[release.package], Found)
            else finding
            for release, finding in findings.items()
        },
        Counter(release.package.ecosystem for release in releases),
    )


def _drop_unlisted(finding: AdvisoryFindings, listed_ids: Collection[str]) -> AdvisoryFindings:
    """Return a finding without the records of databases that OSV publishes, and that it does not list."""
    if not isinstance(finding.advisories, Found):
        return finding
    advisories = tuple(
        advisory
        for advisory in finding.advisories.value
        if not advisory.id.startswith(OSV_ID_PREFIXES)
        or any(identifier in listed_ids for identifier in (advisory.id, *advisory.aliases))
    )
    if not advisories:
        return finding._replace(advisories=Unknown("no shipped advisory is listed by OSV", finding.advisories.source))
    return finding._replace(advisories=msgspec.structs.replace(finding.advisories, value=advisories))


def match_osv_advisories(
    database: AdvisoryDatabase | None,
    as_of: int,
    known_until: int,
    positions: Mapping[Release, Position],
    osv_advisories: OsvAdvisories,
) -> Mapping[Release, AdvisoryFindings]:
    """Return the advisories of OSV that affect each release, and the history of its package.

    A severity that OSV has under none of the ids of an advisory is taken from the database, if that has it.
    """
    records_by_release = {release: _select_own_records(release, osv_advisories) for release in positions}
    rated_records = {
        release: select_known_advisories(records, known_until) if records else ()
        for release, records in records_by_release.items()
    }
    if database is not None:
        rated_records = _add_database_severities(rated_records, database, known_until)
    findings: dict[Release, AdvisoryFindings] = {}
    for release, position in positions.items():
        affecting, recorded = osv_advisories.affecting[release], osv_advisories.recorded[release.package]
        records = records_by_release[release]
        predecessor = _find_young_predecessor(release, position, as_of)
        if (
            not records
            and predecessor is None
            and isinstance(affecting, Found)
            and isinstance(recorded, Found)
            and release.package not in osv_advisories.incomplete
            and not osv_advisories.listed_ids.get(release.package)
        ):  # of most packages
            findings[release] = AdvisoryFindings(
                Found((), affecting.source, affecting.retrieved_at),
                Found(_NO_HISTORY, recorded.source, recorded.retrieved_at),
            )
            continue
        match = VersionMatch(rated_records[release], release.package, release.version)
        advisories = _find_affecting(match, affecting)
        if not isinstance(recorded, Found):
            findings[release] = AdvisoryFindings(advisories, recorded)
            continue
        if predecessor is not None:
            records = _merge_records([*records, *_get_records(osv_advisories.affecting[predecessor])])
            known_records = select_known_advisories(records, known_until)
            match = VersionMatch(known_records, release.package, release.version)
        history = match.build_history(predecessor.version if predecessor else None, as_of)
        read_ids = {record.id for record in records}
        if release.package in osv_advisories.incomplete or (
            osv_advisories.listed_ids.get(release.package, frozenset()) - read_ids
        ):  # read for other releases, or not at all
            history = msgspec.structs.replace(history, old_advisories=None, fixed_advisories=0)
        findings[release] = AdvisoryFindings(advisories, Found(history, recorded.source, recorded.retrieved_at))
    return findings


def _select_own_records(release: Release, osv_advisories: OsvAdvisories) -> list[Advisory]:
    """Return the records that affect a release, and the malware records of its package."""
    affecting_records = _get_records(osv_advisories.affecting[release])
    package_records = _get_records(osv_advisories.recorded[release.package])
    if not affecting_records and not package_records:  # of most packages
        return []
    own_ids = {record.id for record in affecting_records}
    return _merge_records(
        [*affecting_records, *(record for record in package_records if record.malware or record.id in own_ids)]
    )


def _add_database_severities(
    records: Mapping[Release, Sequence[Advisory]], database: AdvisoryDatabase, known_until: int
) -> dict[Release, tuple[Advisory, ...]]:
    """Return the records of releases with the severities that only the database has."""
    unrated_records = {
        (release, record.id): (record,)
        for release, release_records in records.items()
        for record in release_records
        if not is_rated(record)
    }
    rated_records = local_database.rate_records(database, unrated_records, known_until)
    return {
        release: tuple(
            rated_records[key][0] if (key := (release, record.id)) in rated_records else record
            for record in release_records
        )
        for release, release_records in records.items()
    }


def collect_later_ids(osv_advisories: OsvAdvisories, known_until: int) -> frozenset[str]:
    """Return the ids and aliases of the advisories that were published after ``known_until`` (epoch seconds UTC).

    Lists without dates leave these out.
    """
    facts = (*osv_advisories.affecting.values(), *osv_advisories.recorded.values())
    records = [record for fact in facts for record in _get_records(fact)]
    known_ids = {name for record in records if record.published <= known_until for name in (record.id, *record.aliases)}
    return (
        frozenset(name for record in records if record.published > known_until for name in (record.id, *record.aliases))
        - known_ids
    )


def _find_affecting(match: VersionMatch, affecting: Fact[tuple[Advisory, ...]]) -> Fact[Advisories]:
    if not isinstance(affecting, Found):
        return affecting
    advisories = match.find_affecting()
    gap = local_database.find_gap(match)
    if not gap:
        return Found(advisories, affecting.source, affecting.retrieved_at)
    if advisories:
        return LowerBound(advisories, affecting.source, affecting.retrieved_at, gap)
    return Unknown(gap, affecting.source, unevaluable=match.find_unevaluable())


def _get_records(fact: Fact[tuple[Advisory, ...]]) -> tuple[Advisory, ...]:
    return fact.value if isinstance(fact, Found) else ()


def _merge_records(records: Iterable[Advisory]) -> list[Advisory]:
    """Return each record once, with every affected package of its copies: OSV's lists add some that a record lacks."""
    merged: dict[str, Advisory] = {}
    for record in records:
        merged_record = merged.setdefault(record.id, record)
        extra_affected = tuple(affected for affected in record.affected if affected not in merged_record.affected)
        if extra_affected:
            merged[record.id] = msgspec.structs.replace(
                merged_record, affected=(*merged_record.affected, *extra_affected)
            )
    return list(merged.values())


def add_database_advisories(
    osv_findings: Mapping[Release, AdvisoryFindings],
    database_findings: Mapping[Release, AdvisoryFindings],
    unlisted_advisories: Mapping[Release, Advisories],
) -> ByRelease[Advisories]:
    """Return OSV's advisories with those that only the database has, or the database's if OSV did not answer."""
    return {
        release: _add_database_advisories(
            findings.advisories,
            database_findings[release].advisories if release in database_findings else NOT_REQUESTED,
            unlisted_advisories.get(release, ()),
        )
        for release, findings in osv_findings.items()
    }


def _add_database_advisories(
    osv_fact: Fact[Advisories], database_fact: Fact[Advisories], unlisted_advisories: Advisories
) -> Fact[Advisories]:
    if database_fact is NOT_REQUESTED and not unlisted_advisories:
        return osv_fact
    if not isinstance(osv_fact, Found):
        if isinstance(osv_fact, Unknown) and isinstance(database_fact, Unknown):
            reason = f"{osv_fact.reason}; {database_fact.source}: {database_fact.reason}"
            unevaluable_ids = dict.fromkeys((*osv_fact.unevaluable, *database_fact.unevaluable))
            return Unknown(reason, osv_fact.source, unevaluable=tuple(unevaluable_ids))
        return database_fact if isinstance(database_fact, Found) else osv_fact
    database_advisories = database_fact.value if isinstance(database_fact, Found) else ()
    # Of the records that OSV publishes, those that its list lacks were looked up; records from elsewhere all count.
    other_advisories = (advisory for advisory in database_advisories if not advisory.id.startswith(OSV_ID_PREFIXES))
    extra_advisories = (*unlisted_advisories, *other_advisories)
    osv_fact = _complete_unread(osv_fact, database_advisories)
    if not extra_advisories:
        return osv_fact
    return msgspec.structs.replace(osv_fact, value=(*osv_fact.value, *extra_advisories))


def _complete_unread(fact: Found[Advisories], others: Advisories) -> Found[Advisories]:
    """Return advisories with what other sources have about those whose records could not be read."""
    if not others or not any(advisory.unread for advisory in fact.value):
        return fact
    completed = tuple(_complete_advisory(advisory, others) if advisory.unread else advisory for advisory in fact.value)
    return msgspec.structs.replace(fact, value=completed)


def _complete_advisory(advisory: AffectingAdvisory, others: Advisories) -> AffectingAdvisory:
    ids = {advisory.id, *advisory.aliases}
    other = next((other for other in others if not ids.isdisjoint((other.id, *other.aliases))), None)
    if other is None:
        return advisory
    names = {*ids, other.id, *other.aliases} - {advisory.id}
    is_rated = other.malware or other.severity != "unknown"
    if not advisory.is_unread:
        rating = {"severity": other.severity, "severity_from": other.severity_from, "unread": ()} if is_rated else {}
        return msgspec.structs.replace(advisory, fixed_in=advisory.fixed_in or other.fixed_in, **rating)
    return msgspec.structs.replace(
        other,
        id=advisory.id,
        aliases=tuple(sorted(names)),
        malware=other.malware or advisory.malware,
        unread=() if is_rated else advisory.unread,
    )


def add_shipped_advisories(
    kept_advisories: ByRelease[Advisories], shipped_findings: ShippedFindings
) -> ByRelease[Advisories]:
    """Return the advisories with those that only the shipped records have."""
    return {
        release: _add_shipped_advisories(fact, shipped_findings.findings[release].advisories)
        if release in shipped_findings.findings
        else fact
        for release, fact in kept_advisories.items()
    }


def _add_shipped_advisories(fact: Fact[Advisories], shipped_fact: Fact[Advisories]) -> Fact[Advisories]:
    """Add shipped advisories to those of an older database, or take them as a lower bound where nothing is known."""
    if not isinstance(shipped_fact, LowerBound):
        return fact
    if not isinstance(fact, Found):
        reason = f"{fact.reason}; {shipped_fact.reason}" if fact.reason else shipped_fact.reason
        return msgspec.structs.replace(shipped_fact, reason=reason)
    known_ids = {identifier for advisory in fact.value for identifier in (advisory.id, *advisory.aliases)}
    extra_advisories = tuple(
        advisory for advisory in shipped_fact.value if known_ids.isdisjoint((advisory.id, *advisory.aliases))
    )
    return msgspec.structs.replace(fact, value=(*fact.value, *extra_advisories)) if extra_advisories else fact


def choose_history(
    osv_findings: Mapping[Release, AdvisoryFindings],
    database_findings: Mapping[Release, AdvisoryFindings],
    shipped_findings: ShippedFindings,
) -> ByRelease[History]:
    """Return the history of each package: OSV's if complete, else the database's, which has every record.

    The shipped advisories add malware where neither has an answer.
    """
    histories = {
        release: findings.history
        if release not in database_findings
        or (isinstance(findings.history, Found) and findings.history.value.old_advisories is not None)
        else database_findings[release].history
        for release, findings in osv_findings.items()
    }
    return histories | {
        release: finding.history
        for release, finding in shipped_findings.findings.items()
        if isinstance(finding.history, Found) and not isinstance(histories[release], Found)
    }


def count_coverage(
    osv_findings: Mapping[Release, AdvisoryFindings], database_findings: Mapping[Release, AdvisoryFindings]
) -> AdvisoryCoverage:
    """Count the releases without an answer of OSV."""
    coverage = AdvisoryCoverage(Counter(), Counter())
    for release, findings in osv_findings.items():
        if isinstance(findings.advisories, Unknown):
            database_fact = database_findings.get(release)
            is_replaced = database_fact is not None and isinstance(database_fact.advisories, Found)
            (coverage.replaced if is_replaced else coverage.missing)[release.package.ecosystem] += 1
    return coverage


def merge_advisories(
    matched_advisories: ByRelease[Advisories],
    registry_advisories: ByRelease[Advisories],
    findings: ByRelease[VersionFindings],
    later_ids: frozenset[str],
) -> ByRelease[Advisories]:
    """Return the advisories of all sources, each once."""
    return {
        release: _merge_advisories(
            fact, _hide_later(registry_advisories.get(release, NOT_REQUESTED), later_ids), findings[release]
        )
        for release, fact in matched_advisories.items()
    }


def _hide_later(fact: Fact[Advisories], later_ids: frozenset[str]) -> Fact[Advisories]:
    if not isinstance(fact, Found) or not later_ids:
        return fact
    advisories = tuple(advisory for advisory in fact.value if later_ids.isdisjoint((advisory.id, *advisory.aliases)))
    return Found(advisories, fact.source, fact.retrieved_at)


def _merge_advisories(
    osv_fact: Fact[Advisories], registry_fact: Fact[Advisories], finding: Fact[VersionFindings]
) -> Fact[Advisories]:
    """Merge the lists of one release.

    The registry's list has no malware records, and is updated later than the others: alone it is a lower bound, and no
    evidence where it is empty. So is a finding of deps.dev.
    """
    if isinstance(osv_fact, Found) and isinstance(registry_fact, Found):
        osv_fact = _complete_unread(osv_fact, registry_fact.value)
    facts = [fact for fact in (osv_fact, registry_fact) if isinstance(fact, Found) and (fact is osv_fact or fact.value)]
    merged: list[AffectingAdvisory] = []
    for fact in facts:
        known_ids = {advisory_id for advisory in merged for advisory_id in (advisory.id, *advisory.aliases)}
        merged += [advisory for advisory in fact.value if known_ids.isdisjoint((advisory.id, *advisory.aliases))]
    if isinstance(finding, Found) and finding.value.malicious and not any(advisory.malware for advisory in merged):
        merged.append(AffectingAdvisory(id="MALICIOUS", summary="malicious according to deps.dev", malware=True))
        facts.append(Found((), finding.source, finding.retrieved_at))
    if not facts:
        return osv_fact
    gap = osv_fact.reason if isinstance(osv_fact, Unknown | LowerBound) else ""
    if gap:
        return LowerBound(tuple(merged), facts[0].source, facts[0].retrieved_at, gap)
    return Found(tuple(merged), facts[0].source, facts[0].retrieved_at)


def collect_cves(merged_advisories: ByRelease[Advisories]) -> tuple[str, ...]:
    """Return the CVE ids of all advisories."""
    return exploitation.collect_cves(
        advisory for fact in merged_advisories.values() if isinstance(fact, Found) for advisory in fact.value
    )


def fetch_exploited_cves(services: ServiceLookup, cves: tuple[str, ...]) -> Fact[Catalogue]:
    """Return the catalogue of exploited vulnerabilities, if there is a CVE to look up."""
    return kev.fetch_catalogue(services.run, services.endpoints.by_source["kev"]) if cves else NOT_REQUESTED


def fetch_exploit_probabilities(services: ServiceLookup, cves: tuple[str, ...]) -> Mapping[str, Fact[float]]:
    """Return the EPSS probability of each CVE."""
    return epss.fetch_probabilities(services.run, cves, services.endpoints["epss"]) if cves else {}


def add_exploitation(
    merged_advisories: ByRelease[Advisories],
    exploited_cves: Fact[Catalogue],
    exploit_probabilities: Mapping[str, Fact[float]],
    known_until: int,
) -> ByRelease[Advisories]:
    """Return the advisories with what EPSS and KEV have about their CVEs."""
    exploited_cves = select_exploited(exploited_cves, known_until)
    return {
        release: msgspec.structs.replace(
            fact, value=exploitation.add_exploitation(fact.value, exploit_probabilities, exploited_cves)
        )
        if isinstance(fact, Found) and fact.value
        else fact
        for release, fact in merged_advisories.items()
    }
