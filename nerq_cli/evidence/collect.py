"""Collect the evidence about packages and the versions in use: two plans, one per round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, cast

from msgspec.structs import replace

from nerq_cli.evidence import advisory_lookup, merge, registry_lookup, service_lookup, unlisted_advisories
from nerq_cli.evidence.absence import doubt_absences, may_be_private
from nerq_cli.evidence.advisory_lookup import AdvisoryCoverage
from nerq_cli.evidence.early_requests import EarlyRequests
from nerq_cli.evidence.plan import ByPackage, Plan, Step
from nerq_cli.evidence.registry_lookup import PackageFacts, RegistryLookup
from nerq_cli.evidence.replay import hide_later_versions
from nerq_cli.evidence.service_lookup import ServiceLookup
from nerq_cli.facts import NOT_REQUESTED, Advisory, Evidence, Fact, Found, LowerBound, Popularity, SimilarName
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories.shipped_advisories import ShippedAdvisories
from nerq_cli.sources.deps_dev import DependencyTree, collect_dependencies
from nerq_cli.sources.popularity import ranks, similar_names
from nerq_cli.store import Cache
from nerq_cli.store.advisory_db import AdvisoryDatabase
from nerq_cli.units import NO_LIMIT


def find_similar_names(store: Cache, now: int, releases: Sequence[Release]) -> ByPackage[SimilarName]:
    """Return the popular name that each name resembles."""
    return similar_names.find_similar_names({release.package for release in releases}, store, now=now)


def find_popularity(releases: Sequence[Release]) -> ByPackage[Popularity]:
    """Return the rank of each package on the shipped list."""
    return {release.package: ranks.get_popularity(release.package) for release in releases}


#: First round: packages, before their versions are resolved. Of steps that could run next, the first one here does.
PACKAGE_STEPS: Final = (
    Step("is_deps_dev_usable", service_lookup.check_deps_dev),
    Step("pinned_manifests", registry_lookup.fetch_pinned_manifests),
    Step("pinned_versions", service_lookup.fetch_pinned_versions),
    Step("registry_facts", registry_lookup.fetch_packages),
    Step("package_facts", doubt_absences),
)
PACKAGE_INPUTS: Final = ("registries", "services", "packages", "pinned_releases")

#: Second round: the versions in use. A result that is named like a field of ``Evidence`` fills that field.
RELEASE_STEPS: Final = (
    # versions on the registries and on deps.dev
    Step("release_pages", service_lookup.fetch_release_pages),
    Step("versions", service_lookup.fetch_versions),
    Step("findings", service_lookup.fetch_findings),
    # names
    Step("popularity", find_popularity),
    Step("similar_name", find_similar_names),
    # versions that are judged by the list of all versions of their package
    Step("superseded_releases", service_lookup.find_superseded_releases),
    Step("unindexed_releases", registry_lookup.select_unindexed_releases),
    Step("unindexed_facts", registry_lookup.fetch_unindexed_packages),
    # advisories
    Step("positions", advisory_lookup.locate_releases),
    Step("predecessors", advisory_lookup.find_young_predecessors),
    Step("osv_advisories", advisory_lookup.fetch_osv_advisories),
    Step("osv_findings", advisory_lookup.match_osv_advisories),
    Step("database_findings", advisory_lookup.find_database_advisories),
    Step("shipped_findings", advisory_lookup.find_shipped_advisories),
    Step("unlisted_advisories", unlisted_advisories.find_unlisted_advisories),
    Step("kept_advisories", advisory_lookup.add_database_advisories),
    Step("matched_advisories", advisory_lookup.add_shipped_advisories),
    Step("advisory_coverage", advisory_lookup.count_coverage),
    Step("later_ids", advisory_lookup.collect_later_ids),
    Step("history", advisory_lookup.choose_history),
    # what the registries have and deps.dev lacks
    Step("affected_releases", registry_lookup.select_affected_releases),
    Step("detailed_facts", registry_lookup.fetch_details),
    Step("version_manifests", registry_lookup.fetch_version_manifests),
    Step("listed_releases", registry_lookup.select_listed_releases),
    Step("complete_facts", registry_lookup.fetch_complete_facts),
    # other versions to compare with
    Step("latest_versions", registry_lookup.fetch_latest_versions),
    Step("related_versions", service_lookup.fetch_related_versions),
    # metadata and repositories
    Step("registry_metadata", merge.merge_registry_metadata),
    Step("publishers", registry_lookup.fetch_publishers),
    Step("previous_publishers", registry_lookup.fetch_previous_publishers),
    Step("package_metadata", merge.merge_package_metadata),
    Step("repository_ids", service_lookup.choose_repositories),
    Step("repository_info", service_lookup.fetch_repository_info),
    Step("scorecards", service_lookup.fetch_scorecards),
    Step("hosted_repositories", service_lookup.fetch_hosted_repositories),
    Step("repository", merge.merge_repositories),
    Step("scorecard", service_lookup.choose_scorecards),
    Step("metadata", merge.add_readme_sizes),
    # packages
    Step("package_info", merge.merge_packages),
    # exploitation
    Step("registry_advisories", registry_lookup.select_advisories),
    Step("merged_advisories", advisory_lookup.merge_advisories),
    Step("cves", advisory_lookup.collect_cves),
    Step("exploited_cves", advisory_lookup.fetch_exploited_cves),
    Step("exploit_probabilities", advisory_lookup.fetch_exploit_probabilities),
    Step("advisories", advisory_lookup.add_exploitation),
    # packages to compare with, and downloads
    Step("similar_package", registry_lookup.fetch_similar_packages),
    Step("adoption", service_lookup.fetch_downloads),
)
RELEASE_INPUTS: Final = (
    "registries",
    "services",
    "store",
    "database",
    "shipped",
    "now",
    "as_of",
    "known_until",
    "include_downloads",
    "package_facts",
    "releases",
)


def _list_private(package_facts: PackageFacts) -> list[Package]:
    return [package for package, fact in package_facts.package_info.items() if may_be_private(fact)]


class EvidenceCollector:
    """Collects evidence for one run, in two rounds."""

    def __init__(  # noqa: PLR0913 - what a run consists of
        self,
        registries: RegistryLookup,
        services: ServiceLookup,
        store: Cache,
        *,
        now: int,
        as_of: int | None = None,
        database: AdvisoryDatabase | None = None,
        shipped: ShippedAdvisories | None = None,
        downloads: bool = False,
        release_steps: Sequence[Step] = RELEASE_STEPS,
        evidence_type: type[Evidence] = Evidence,
    ) -> None:
        """Collect evidence as of a moment, by default now; both in epoch seconds (UTC).

        ``database`` is the local advisory database, ``shipped`` has the advisories that are shipped with nerq-cli.
        """
        self._registries = registries
        self._services = services
        self._package_plan = Plan(PACKAGE_STEPS, inputs=PACKAGE_INPUTS)
        self._release_plan = Plan(release_steps, inputs=RELEASE_INPUTS)
        self._known_until = NO_LIMIT if as_of is None or as_of >= now else as_of
        self._local_inputs: dict[str, Any] = {
            "store": store,
            "database": database,
            "shipped": shipped,
            "now": now,
            "as_of": now if as_of is None else as_of,
            "known_until": self._known_until,
            "include_downloads": downloads,
        }
        self._early_requests: EarlyRequests | None = None
        self._database = database
        self._shipped = shipped
        self._as_of = now if as_of is None else as_of
        self._evidence_type = evidence_type
        #: Releases without an answer of OSV that the local database answered, by ecosystem.
        self.answered_by_database: Counter[str] = Counter()
        #: Releases without an answer of either, by ecosystem.
        self.missing_advisories: Counter[str] = Counter()
        #: Releases that were looked up in the shipped advisories, by ecosystem.
        self.looked_up_in_shipped: Counter[str] = Counter()

    @property
    def services(self) -> ServiceLookup:
        """Access to the public services."""
        return self._services

    @property
    def as_of(self) -> int:
        """The moment of the report, in epoch seconds UTC."""
        return self._as_of

    @property
    def known_until(self) -> int:
        """The moment after which nothing counts, in epoch seconds UTC; ``NO_LIMIT`` if that is now."""
        return self._known_until

    def collect_packages(
        self, packages: Collection[Package], pinned_releases: Collection[Release] = ()
    ) -> PackageFacts:
        """Return what is known about packages before their versions are resolved.

        ``pinned_releases`` are all versions in use of some of the packages; of npm packages only these are requested.
        """
        if self._early_requests is not None:
            self._early_requests.close()
        self._services.run.drop_unclaimed()  # by the batch of packages before this one, whose facts it holds
        self._early_requests = EarlyRequests(
            self._registries,
            self._services,
            as_of=self._as_of,
            known_until=self._known_until,
            include_downloads=self._local_inputs["include_downloads"],
        )
        self._early_requests.begin_packages(packages, pinned_releases)
        if self._early_requests.is_active:  # while the first answers are under way; the step finds it in the store
            names = similar_names.find_similar_names(
                set(packages), self._local_inputs["store"], now=self._local_inputs["now"]
            )
            self._early_requests.begin_resembling(names)
        values = self._package_plan.run(
            {
                "registries": self._registries,
                "services": self._services,
                "packages": tuple(packages),
                "pinned_releases": tuple(
                    release for release in pinned_releases if release.package.registry_api == "npm"
                ),
            }
        )
        package_facts = cast("PackageFacts", values["package_facts"])
        return package_facts if self._known_until == NO_LIMIT else self._hide_later(package_facts, pinned_releases)

    def _hide_later(self, package_facts: PackageFacts, pinned_releases: Collection[Release]) -> PackageFacts:
        """Return the facts without the versions that were published later; those in use are kept."""
        pinned_versions: dict[Package, set[str]] = {}
        for release in pinned_releases:
            pinned_versions.setdefault(release.package, set()).add(release.version)
        package_info = {
            package: hide_later_versions(fact, self._known_until, pinned_versions.get(package, ()))
            for package, fact in package_facts.package_info.items()
        }
        return replace(package_facts, package_info=package_info)

    def find_package_records(
        self, packages: Sequence[Package], neighbours: Sequence[Release], package_facts: PackageFacts
    ) -> dict[Package, Found[tuple[Advisory, ...]]]:
        """Return the advisory records of packages whose version in use is not known or not listed."""
        services = self._select_services(package_facts)
        return advisory_lookup.find_package_records(
            services, self._database, self._shipped, packages, neighbours, self._known_until
        )

    def find_local_records(self, packages: Sequence[Package]) -> dict[Package, Found[tuple[Advisory, ...]]]:
        """Return the advisory records of packages that are on this machine; no request is sent."""
        services = self._services.hide_packages(packages)
        return advisory_lookup.find_package_records(
            services, self._database, self._shipped, packages, (), self._known_until
        )

    def _select_services(self, package_facts: PackageFacts) -> ServiceLookup:
        return self._services.use_facts(package_facts).hide_packages(_list_private(package_facts))

    def find_dependencies(
        self, releases: Sequence[Release], package_facts: PackageFacts
    ) -> dict[Release, Fact[DependencyTree]]:
        """Return the dependencies of releases as deps.dev resolves them."""
        services = self._select_services(package_facts)
        return services.fetch_public("deps-dev", collect_dependencies, releases)

    def select_public(
        self, source_id: str, releases: Sequence[Release], package_facts: PackageFacts
    ) -> tuple[Release, ...]:
        """Return the releases whose names a service may receive."""
        return tuple(self._select_services(package_facts).select_public(source_id, releases))

    def find_local_evidence(self, releases: Sequence[Release]) -> dict[Release, Evidence]:
        """Return the advisories on this machine that affect releases; no request is sent.

        The files may differ from those of the public release of this name: the list is a lower bound.
        """
        facts = advisory_lookup.find_local_advisories(
            self._database, self._shipped, releases, self._as_of, self._known_until
        )
        return {
            release: Evidence(advisories=LowerBound(fact.value, fact.source, fact.retrieved_at, "it was not looked up"))
            for release, fact in facts.items()
            if isinstance(fact, Found) and fact.value
        }

    def find_advisories(self, releases: Sequence[Release], package_facts: PackageFacts) -> dict[Release, Evidence]:
        """Return the advisories that affect releases of which nothing else is looked up.

        Where OSV has no answer it is that of this machine, which may be Unknown.
        """
        facts = advisory_lookup.fetch_listed_advisories(
            self._select_services(package_facts), self._database, releases, self._as_of, self._known_until
        )
        open_releases = [release for release, fact in facts.items() if not isinstance(fact, Found)]
        local_evidence = self.find_local_evidence(open_releases) if open_releases else {}
        return {release: Evidence(advisories=fact) for release, fact in facts.items()} | local_evidence

    def collect_evidence(self, releases: Sequence[Release], package_facts: PackageFacts) -> dict[Release, Evidence]:
        """Return the evidence about versions in use."""
        services = self._select_services(package_facts)
        if self._early_requests is not None:
            self._early_requests.begin_releases(services, package_facts, releases)
        values = self._release_plan.run(
            {
                **self._local_inputs,
                "registries": self._registries,
                "services": services,
                "package_facts": package_facts,
                "releases": releases,
            }
        )
        coverage: AdvisoryCoverage = values["advisory_coverage"]
        self.answered_by_database += coverage.replaced
        self.missing_advisories += coverage.missing
        self.looked_up_in_shipped += values["shipped_findings"].looked_up
        fields: dict[str, Mapping[Release | Package, Any]] = {
            name: values[name] for name in self._evidence_type.__struct_fields__ if values.get(name)
        }
        by_package = {name: facts for name, facts in fields.items() if isinstance(next(iter(facts)), Package)}
        by_release = {name: facts for name, facts in fields.items() if name not in by_package}
        empty = {
            name: NOT_REQUESTED
            for name in self._evidence_type.__struct_fields__
            if name in values and name not in fields
        }
        return {
            release: self._evidence_type(
                **{name: facts.get(release, NOT_REQUESTED) for name, facts in by_release.items()},
                **{name: facts.get(release.package, NOT_REQUESTED) for name, facts in by_package.items()},
                **empty,
            )
            for release in releases
        }
