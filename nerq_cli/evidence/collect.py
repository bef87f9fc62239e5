"""Everything that is known about packages and versions, put together as evidence from all there is to ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.evidence import merge, registry_lookup
from nerq_cli.evidence.registry_lookup import NOT_REQUESTED, RegistryFacts, RegistryLookup
from nerq_cli.evidence.repository_link import find_proven_repository
from nerq_cli.evidence.service_lookup import ServiceLookup
from nerq_cli.facts import (
    Absent,
    Advisory,
    AffectingAdvisory,
    Evidence,
    Fact,
    Found,
    Metadata,
    PackageInfo,
    SimilarName,
    Unknown,
)
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories import local_database, osv
from nerq_cli.sources.advisories.local_database import AdvisoryFindings
from nerq_cli.sources.deps_dev import NOT_INDEXED, VersionFindings, VersionInfo
from nerq_cli.sources.popularity import ranks, similar_names
from nerq_cli.sources.registries.provenance import Provenance
from nerq_cli.store import Cache
from nerq_cli.store.advisory_db import AdvisoryDatabase
from nerq_cli.vulnerabilities.matching import OSV_ID_PREFIXES, build_history, match_advisories

_DAY: Final = 86_400
#: An npm version younger than this many seconds (30 days) is looked at with all versions before it: what an attack
#: changes (a new install script, a lost attestation, a name that nobody had before) shows only beside them.
_YOUNG_RELEASE_AGE: Final = 30 * _DAY


class EvidenceCollector:
    """Asks in two rounds: about packages, then about the versions in use.

    What one service says decides what another one need not be asked. ``database`` are the advisories kept on this
    disk, ``now`` is the present in epoch seconds (UTC).
    """

    def __init__(
        self,
        registries: RegistryLookup,
        services: ServiceLookup,
        store: Cache,
        *,
        now: int,
        database: AdvisoryDatabase | None = None,
        downloads: bool = False,
    ) -> None:
        self._registries = registries
        self._services = services
        self._store = store
        self._now = now
        self._database = database
        self._downloads = downloads
        #: What was asked about the pinned versions of the batch at hand, together with their packages.
        self._pinned_versions: dict[Release, Fact[VersionInfo]] = {}
        self._version_manifests: dict[Release, Fact[Metadata]] = {}
        #: Releases of which OSV said nothing and the database did, by ecosystem.
        self.answered_by_database: Counter[str] = Counter()
        #: Releases of which neither said anything, by ecosystem.
        self.missing_advisories: Counter[str] = Counter()

    # --- packages ------------------------------------------------------------------------------------------------

    def collect_packages(
        self, packages: Collection[Package], pinned_releases: Collection[Release] = ()
    ) -> RegistryFacts:
        """Ask about packages. Of npm packages whose versions are all ``pinned_releases`` deps.dev knows enough.

        Their packuments hold every version there ever was, and are megabytes of JSON.
        """
        pins_by_package: dict[Package, list[Release]] = {}
        for release in pinned_releases:
            if release.package.ecosystem == NPM:
                pins_by_package.setdefault(release.package, []).append(release)
        npm_releases = [release for package_pins in pins_by_package.values() for release in package_pins]
        self._version_manifests = (
            dict(self._registries.fetch_version_manifests(npm_releases, RegistryFacts()))
            if self._can_use_deps_dev(npm_releases)
            else {}
        )
        published_releases = [release for release, fact in self._version_manifests.items() if isinstance(fact, Found)]
        self._pinned_versions = self._services.fetch_versions(published_releases)
        complete_packages = {
            package
            for package, package_pins in pins_by_package.items()
            if all(isinstance(self._pinned_versions.get(pin), Found) for pin in package_pins)
        }
        remaining_packages = [package for package in packages if package not in complete_packages]
        registry_facts = self._registries.fetch_packages(remaining_packages)
        self._services.hide_packages(
            package for package, fact in registry_facts.package_info.items() if isinstance(fact, Absent)
        )
        return registry_facts

    def _can_use_deps_dev(self, releases: Sequence[Release]) -> bool:
        """Whether deps.dev may answer: it is tried with a name that everybody knows, where there is one."""
        popular_release = next((release for release in releases if ranks.is_listed(release.package)), None)
        if popular_release is None:
            return bool(releases)
        fact = self._services.fetch_versions([popular_release])[popular_release]
        return isinstance(fact, Found) or fact == NOT_INDEXED

    # --- versions in use -----------------------------------------------------------------------------------------

    def collect_evidence(self, releases: Sequence[Release], registry_facts: RegistryFacts) -> dict[Release, Evidence]:
        """Ask about the versions in use, and put everything known about each together."""
        pypi_releases = [release for release in releases if release.package.ecosystem == PYPI]
        release_pages = self._registries.fetch_release_pages(
            pypi_releases, registry_facts, prefetch=self._services.plan_prefetch(pypi_releases)
        )
        versions = self._fetch_versions(releases)
        findings = self._services.fetch_findings(releases)
        name_matches = similar_names.find_similar_names(
            {release.package for release in releases}, self._store, now=self._now
        )
        advisory_findings = self._collect_advisories(releases, registry_facts, versions)
        registry_facts = self._complete_packages(registry_facts, releases, versions, name_matches, advisory_findings)
        known_manifests = {
            subject: self._version_manifests[subject] for subject in releases if subject in self._version_manifests
        }
        version_manifests = {
            **known_manifests,
            **self._registries.fetch_version_manifests(
                [subject for subject in releases if subject not in known_manifests], registry_facts
            ),
        }
        unresolved_packages = sorted(
            {subject.package for subject, fact in version_manifests.items() if not isinstance(fact, Found)}
        )
        registry_facts = registry_facts.merge(
            self._registries.fetch_packages(
                [subject for subject in unresolved_packages if subject not in registry_facts.package_info]
            )
        )
        metadata = {
            subject: merge.fill_metadata(
                registry_lookup.get_metadata(subject, registry_facts, release_pages, version_manifests),
                versions[subject],
            )
            for subject in releases
        }
        unproven_metadata = {
            subject: fact
            for subject, fact in metadata.items()
            if isinstance(fact, Found) and not find_proven_repository(fact, versions[subject])
        }
        for subject, publisher in self._registries.fetch_publishers(unproven_metadata, registry_facts).items():
            metadata[subject] = _add_publisher(metadata[subject], publisher)
        repository_facts = self._services.fetch_repositories(metadata, versions)
        package_info = self._collect_package_info(releases, registry_facts, versions, findings)
        advisories = self._services.add_exploitation(
            {
                subject: _merge_advisories(
                    registry_lookup.get_advisories(subject, registry_facts, release_pages),
                    advisory_findings[subject].advisories,
                    findings[subject],
                )
                for subject in releases
            }
        )
        similar_packages = similar_names.fetch_similar_packages(
            name_matches,
            package_info,
            lambda packages: self._registries.fetch_packages(packages).package_info,
            now=self._now,
        )
        adoption = self._services.fetch_downloads({subject.package for subject in releases}) if self._downloads else {}
        return {
            release: Evidence(
                package_info=package_info.get(release.package, NOT_REQUESTED),
                metadata=_add_readme_size(metadata[release], repository_facts.readmes.get(release)),
                popularity=ranks.get_popularity(release.package),
                similar_name=name_matches[release.package],
                similar_package=similar_packages.get(release.package, NOT_REQUESTED),
                advisories=advisories[release],
                history=advisory_findings[release].history,
                scorecard=repository_facts.scorecards[release],
                repository=repository_facts.repositories[release],
                adoption=adoption.get(release.package, NOT_REQUESTED),
            )
            for release in releases
        }

    def _complete_packages(
        self,
        registry_facts: RegistryFacts,
        releases: Sequence[Release],
        versions: Mapping[Release, Fact[VersionInfo]],
        name_matches: Mapping[Package, Fact[SimilarName]],
        advisory_findings: Mapping[Release, AdvisoryFindings],
    ) -> RegistryFacts:
        """Ask the registries for what deps.dev cannot tell."""
        unindexed_packages = {release.package for release in releases if not isinstance(versions[release], Found)}
        registry_facts = self._registries.fetch_listings(
            registry_facts, sorted(unindexed_packages & registry_facts.project_pages.keys())
        )
        npm_packages = {
            release.package
            for release in releases
            if release.package.ecosystem == NPM and release.package not in registry_facts.package_info
            if self._needs_packument(
                versions[release], name_matches[release.package], advisory_findings[release].advisories
            )
        }
        return (
            registry_facts.merge(self._registries.fetch_packages(sorted(npm_packages)))
            if npm_packages
            else registry_facts
        )

    def _needs_packument(
        self,
        version: Fact[VersionInfo],
        similar_name: Fact[SimilarName],
        advisories: Fact[tuple[AffectingAdvisory, ...]],
    ) -> bool:
        """Whether a package must be seen whole: where its age, its past or its newer versions matter."""
        return (
            not isinstance(version, Found)
            or self._now - version.value.published < _YOUNG_RELEASE_AGE
            or version.value.deprecated
            or bool(isinstance(similar_name, Found) and similar_name.value.name)
            or bool(isinstance(advisories, Found) and advisories.value)
        )

    def _collect_package_info(
        self,
        releases: Sequence[Release],
        registry_facts: RegistryFacts,
        versions: Mapping[Release, Fact[VersionInfo]],
        findings: Mapping[Release, Fact[VersionFindings]],
    ) -> dict[Package, Fact[PackageInfo]]:
        """Return what is known of each package."""
        latest_versions = self._find_latest_versions(registry_facts, findings)
        known_versions = self._group_versions(releases, registry_facts, versions, latest_versions)
        return {
            package: _build_package_info(
                package,
                registry_facts.package_info.get(package),
                known_versions.get(package, {}),
                latest_versions.get(package, ""),
                has_listing=package in registry_facts.listings,
            )
            for package in dict.fromkeys(release.package for release in releases)
        }

    def _find_latest_versions(
        self, registry_facts: RegistryFacts, findings: Mapping[Release, Fact[VersionFindings]]
    ) -> dict[Package, str]:
        """Return the version that installers take, of packages that the registry was not asked about as a whole."""
        partial_findings = {
            release: fact for release, fact in findings.items() if release.package not in registry_facts.package_info
        }
        latest_versions = {
            release.package: fact.value.default
            for release, fact in partial_findings.items()
            if isinstance(fact, Found) and fact.value.default
        }
        remaining_packages = sorted({release.package for release in partial_findings} - latest_versions.keys())
        registry_versions = self._registries.fetch_latest_versions(remaining_packages) if remaining_packages else {}
        return latest_versions | {
            package: fact.value for package, fact in registry_versions.items() if isinstance(fact, Found)
        }

    def _group_versions(
        self,
        releases: Sequence[Release],
        registry_facts: RegistryFacts,
        versions: Mapping[Release, Fact[VersionInfo]],
        latest_versions: Mapping[Package, str],
    ) -> dict[Package, dict[str, Found[VersionInfo]]]:
        """Return what deps.dev says of the versions that matter, by package.

        Beside those in use that are the newest, where the registry was not asked, and the one before that in use,
        where PyPI was not asked which are attested.
        """
        previous_releases = [
            Release(package=release.package, version=previous_version)
            for release in releases
            if release.package.ecosystem == PYPI and release.package not in registry_facts.listings
            if isinstance(versions[release], Found)
            if (previous_version := _locate_release(release, registry_facts.package_info.get(release.package))[1])
            is not None
        ]
        extra_releases = [
            *previous_releases,
            *(Release(package=package, version=version) for package, version in latest_versions.items()),
        ]
        versions_by_package: dict[Package, dict[str, Found[VersionInfo]]] = {}
        for release, fact in {**self._services.fetch_versions(extra_releases), **versions}.items():
            if isinstance(fact, Found):
                versions_by_package.setdefault(release.package, {})[release.version] = fact
        return versions_by_package

    def _fetch_versions(self, releases: Sequence[Release]) -> dict[Release, Fact[VersionInfo]]:
        """Return what deps.dev says of versions, asking about those that it was not asked about with the packages."""
        remaining_releases = [release for release in releases if release not in self._pinned_versions]
        return {
            **{release: self._pinned_versions[release] for release in releases if release in self._pinned_versions},
            **self._services.fetch_versions(remaining_releases),
        }

    # --- advisories ----------------------------------------------------------------------------------------------

    def _collect_advisories(
        self, releases: Sequence[Release], registry_facts: RegistryFacts, versions: Mapping[Release, Fact[VersionInfo]]
    ) -> dict[Release, AdvisoryFindings]:
        """Return what OSV says of releases and, where it says nothing, what the database on this disk does."""
        positions = {
            release: _locate_release(release, registry_facts.package_info.get(release.package), versions[release])
            for release in releases
        }
        previous_releases = {
            release: Release(package=release.package, version=previous_version)
            for release, (published, previous_version) in positions.items()
            if previous_version is not None and self._now - published < _YOUNG_RELEASE_AGE
        }
        osv_advisories = self._services.fetch_advisories([*releases, *previous_releases.values()])
        local_findings = (
            {} if self._database is None else local_database.find_advisories(self._database, positions, as_of=self._now)
        )
        merged_findings: dict[Release, AdvisoryFindings] = {}
        for release in releases:
            osv_findings = self._build_findings(
                release, osv_advisories, positions[release][1], previous_releases.get(release)
            )
            merged_findings[release] = self._merge_findings(
                osv_findings, local_findings.get(release), release.package.ecosystem
            )
        return merged_findings

    def _build_findings(
        self,
        release: Release,
        osv_advisories: osv.OsvAdvisories,
        previous_version: str | None,
        previous_release: Release | None,
    ) -> AdvisoryFindings:
        """Return what OSV says of one release."""
        package, affecting_fact = release.package, osv_advisories.affecting[release]
        package_fact = osv_advisories.recorded[package]
        records = _merge_records([*_get_records(affecting_fact), *_get_records(package_fact)])
        advisories: Fact[tuple[AffectingAdvisory, ...]] = (
            Found(
                match_advisories(records, package, release.version), affecting_fact.source, affecting_fact.retrieved_at
            )
            if isinstance(affecting_fact, Found)
            else affecting_fact
        )
        if not isinstance(package_fact, Found):
            return AdvisoryFindings(advisories, package_fact)
        previous_records = (
            _get_records(osv_advisories.affecting[previous_release]) if previous_release is not None else ()
        )
        package_history = build_history(
            _merge_records([*records, *previous_records]),
            package,
            release.version,
            previous_version if previous_release else None,
            self._now,
        )
        if package in osv_advisories.incomplete:
            package_history = msgspec.structs.replace(package_history, old_advisories=None, fixed_advisories=0)
        return AdvisoryFindings(advisories, Found(package_history, package_fact.source, package_fact.retrieved_at))

    def _merge_findings(
        self, osv_findings: AdvisoryFindings, local_findings: AdvisoryFindings | None, ecosystem: str
    ) -> AdvisoryFindings:
        """Return what OSV says, and what only the database does.

        It has read every record of a package's past, and it may hold records that somebody wrote for themselves.
        """
        is_unknown = isinstance(osv_findings.advisories, Unknown)
        in_database = local_findings is not None and isinstance(local_findings.advisories, Found)
        self.answered_by_database[ecosystem] += is_unknown and in_database
        self.missing_advisories[ecosystem] += is_unknown and not in_database
        if local_findings is None:
            return osv_findings
        history_fact = osv_findings.history
        is_complete = isinstance(history_fact, Found) and history_fact.value.old_advisories is not None
        advisories = (
            local_findings.advisories
            if is_unknown and in_database
            else _add_local_records(osv_findings.advisories, local_findings.advisories)
        )
        return AdvisoryFindings(advisories, history_fact if is_complete else local_findings.history)


def _add_local_records(
    osv_advisories: Fact[tuple[AffectingAdvisory, ...]], local_advisories: Fact[tuple[AffectingAdvisory, ...]]
) -> Fact[tuple[AffectingAdvisory, ...]]:
    """Add the records that OSV does not publish; of its own it knows better whether they still stand."""
    local_records = (
        tuple(advisory for advisory in local_advisories.value if not advisory.id.startswith(OSV_ID_PREFIXES))
        if isinstance(local_advisories, Found)
        else ()
    )
    return (
        Found((*osv_advisories.value, *local_records), osv_advisories.source, osv_advisories.retrieved_at)
        if local_records and isinstance(osv_advisories, Found)
        else osv_advisories
    )


def _get_records(fact: Fact[tuple[Advisory, ...]]) -> tuple[Advisory, ...]:
    return fact.value if isinstance(fact, Found) else ()


def _merge_records(records: Iterable[Advisory]) -> list[Advisory]:
    """Return each record once, with all that is said of what it affects: OSV's lists may know more than it does."""
    merged: dict[str, Advisory] = {}
    for record in records:
        merged_record = merged.setdefault(record.id, record)
        extra_affected = tuple(affected for affected in record.affected if affected not in merged_record.affected)
        if extra_affected:
            merged[record.id] = msgspec.structs.replace(
                merged_record, affected=(*merged_record.affected, *extra_affected)
            )
    return list(merged.values())


def _locate_release(
    release: Release, fact: Fact[PackageInfo] | None, version: Fact[VersionInfo] = NOT_REQUESTED
) -> tuple[int, str | None]:
    """Return when a version was published (0 = not known), and the stable version before it."""
    if not isinstance(fact, Found) or release.version not in fact.value.versions:
        return (version.value.published if isinstance(version, Found) else 0), None
    package_info = fact.value
    row = package_info.versions.index(release.version)
    previous_version = next(
        (package_info.versions[older_row] for older_row in package_info.stable_rows if older_row > row), None
    )
    return (0 if package_info.date_problem else package_info.published[row]), previous_version


def _build_package_info(
    package: Package,
    fact: Fact[PackageInfo] | None,
    version_facts: Mapping[str, Found[VersionInfo]],
    latest_version: str,
    *,
    has_listing: bool,
) -> Fact[PackageInfo]:
    """Return what is known of a package, with what deps.dev adds to it, or what it alone says."""
    versions = {version: version_fact.value for version, version_fact in version_facts.items()}
    if fact is None:
        return merge.build_partial_info(
            package, versions, latest_version, min(version_fact.retrieved_at for version_fact in version_facts.values())
        )
    if package.ecosystem == PYPI and not has_listing and versions and isinstance(fact, Found):
        return Found(merge.add_attestations(fact.value, versions), fact.source, fact.retrieved_at)
    return fact


def _merge_advisories(
    registry_advisories: Fact[tuple[AffectingAdvisory, ...]],
    osv_advisories: Fact[tuple[AffectingAdvisory, ...]],
    finding: Fact[VersionFindings],
) -> Fact[tuple[AffectingAdvisory, ...]]:
    """Return what the registry, OSV or the database, and deps.dev say together; each may know what others do not.

    That a registry lists nothing is no clean answer by itself: its list has no malware, and lags behind the others.
    """
    facts = [
        fact
        for fact in (osv_advisories, registry_advisories)
        if isinstance(fact, Found) and (fact is osv_advisories or fact.value)
    ]
    merged: list[AffectingAdvisory] = []
    for fact in facts:
        known_ids = {advisory_id for advisory in merged for advisory_id in (advisory.id, *advisory.aliases)}
        merged += [advisory for advisory in fact.value if known_ids.isdisjoint((advisory.id, *advisory.aliases))]
    if isinstance(finding, Found) and finding.value.malicious and not any(advisory.malware for advisory in merged):
        merged.append(AffectingAdvisory(id="MALICIOUS", summary="malicious, as deps.dev concludes", malware=True))
        facts.append(Found((), finding.source, finding.retrieved_at))
    if not facts:
        return osv_advisories
    return Found(tuple(merged), facts[0].source, facts[0].retrieved_at)


def _add_publisher(metadata: Fact[Metadata], publisher: Fact[Provenance]) -> Fact[Metadata]:
    """Return the metadata with the repository that the registry verified as the publisher."""
    if not isinstance(metadata, Found) or not isinstance(publisher, Found):
        return metadata
    updated = msgspec.structs.replace(metadata.value, attested_repository=publisher.value.repository)
    return Found(updated, metadata.source, metadata.retrieved_at)


def _add_readme_size(metadata: Fact[Metadata], size: int | None) -> Fact[Metadata]:
    """Return the metadata with the length of the repository's README, where the registry lost the package's own."""
    if size is None or not isinstance(metadata, Found) or metadata.value.readme is not None:
        return metadata
    return Found(msgspec.structs.replace(metadata.value, readme=size), metadata.source, metadata.retrieved_at)
