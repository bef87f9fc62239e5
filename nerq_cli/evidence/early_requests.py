"""Requests that leave as soon as what each needs is known, while the run still waits for other answers.

The steps of the plans decide what counts as evidence, one after the other. This module only begins early what they will
need: they find the answers, or wait for those that are under way. So a request that is missing here costs time and one
too many a request; neither changes a result.

A name is sent to a service once its registry has answered that it has the package, at once if it is on the list of
popular packages or declared ``public``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

from nerq_cli.errors import ConfigError
from nerq_cli.evidence import repository_link
from nerq_cli.evidence.plan import ByPackage
from nerq_cli.evidence.registry_lookup import YOUNG_HOOK_AGE, YOUNG_RELEASE_AGE, PackageFacts, RegistryLookup
from nerq_cli.evidence.replay import hide_later_versions
from nerq_cli.evidence.service_lookup import MAX_ANONYMOUS, ServiceLookup, find_previous_version
from nerq_cli.facts import NOT_REQUESTED, Advisory, AffectingAdvisory, Fact, Found, Metadata, PackageInfo, SimilarName
from nerq_cli.fetch.batch import Batch
from nerq_cli.fetch.run import NotCachedError
from nerq_cli.fetch.source import Endpoint, Source
from nerq_cli.inventory import AdvisoryId, Package, Release, RepositoryId
from nerq_cli.policy.fix import find_fixing_version
from nerq_cli.sources import deps_dev
from nerq_cli.sources.advisories import epss, kev, osv
from nerq_cli.sources.deps_dev import RepositoryInfo, VersionFindings, VersionInfo
from nerq_cli.sources.popularity import downloads
from nerq_cli.sources.registries import npm, provenance, pypi
from nerq_cli.sources.registries.config.indexes import IndexSearch
from nerq_cli.sources.repositories import github, scorecard
from nerq_cli.units import NO_LIMIT
from nerq_cli.vulnerabilities.matching import match_advisories

S = TypeVar("S")

#: A batch of at least ``_MIN_BATCH`` leaves when it is so many times as large as what may still be added: a thousand
#: packages take two batches then.
_BATCH_RATIO: Final = 3
_MIN_BATCH: Final = 200
#: Packages up to which requests leave that may turn out not to be needed: the page of a pinned release that its project
#: shows, and the newest version of a package, to which one with an advisory may move. With more packages connections
#: are busy all the time, so that such requests only take the place of others.
_FEW_PACKAGES: Final = 200
#: Answers that no batch waits for when some time brought none.
_FEW: Final = 16
#: What the requests about versions to move to are counted as.
_CANDIDATE: Final = "candidate"


class _Collector(Generic[S]):
    """Subjects for one batch."""

    def __init__(self, source: Source[Any, Any], endpoint: Endpoint, capacity: int, *stages: str) -> None:
        self.source = source
        self.endpoint = endpoint
        self.capacity = capacity
        #: Kinds of requests whose answers may add subjects.
        self.stages = stages
        self.handle: Callable[[Mapping[Any, Fact[Any]]], None] | None = None
        self.subjects: dict[S, None] = {}

    def add(self, subjects: Iterable[S]) -> None:
        """Add subjects; those that were added before are in no second batch."""
        self.subjects.update(dict.fromkeys(subjects))

    def is_due(self, open_counts: Mapping[str, int], *, is_quiet: bool) -> bool:
        """Whether the batch leaves: nothing may be added, or little and not soon, or it is large beside what may be."""
        size, pending = len(self.subjects), sum(open_counts[stage] for stage in self.stages)
        is_large = size >= max(_BATCH_RATIO * pending, _MIN_BATCH)
        is_late = is_quiet and pending <= max(size, _FEW)
        return bool(size) and (not pending or is_late or is_large or size >= self.capacity)


class EarlyRequests:
    """Begins the requests of one batch of packages. For use by the thread of the run."""

    def __init__(
        self,
        registries: RegistryLookup,
        services: ServiceLookup,
        *,
        as_of: int,
        known_until: int,
        include_downloads: bool = False,
    ) -> None:
        """Begin nothing yet; ``as_of`` and ``known_until`` are in epoch seconds UTC."""
        self._registries = registries
        self._services = services
        self._run = services.run
        self._as_of = as_of
        self._known_until = known_until
        #: Whether a request had to be sent: what the store has needs none, and leaves no time to use.
        self.is_active = False
        #: The exception after which nothing more was begun; None without one.
        self.failure: Exception | None = None
        #: Facts that arrived and are not looked at yet.
        self._inbox: list[tuple[Callable[[Any], None], Mapping[Any, Fact[Any]]]] = []
        #: Subjects without an answer, by what the requests are about.
        self._open: Counter[str] = Counter()
        #: Versions in use, and others that may be compared with them.
        self._releases: dict[Package, list[Release]] = {}
        self._told_packages: set[Package] = set()
        self._told_releases: set[Release] = set()
        self._package_info: dict[Package, PackageInfo] = {}
        self._metadata: dict[Release, Fact[Metadata]] = {}
        self._versions: dict[Release, Fact[VersionInfo]] = {}
        self._listed: set[Package] = set()
        self._affecting_ids: dict[Release, tuple[str, ...]] = {}
        #: Newest versions that were requested with those in use, and their advisories: read if one is to move there.
        self._newest_releases: set[Release] = set()
        self._newest_hits: dict[Release, Fact[osv.AdvisoryHits]] = {}
        #: Versions that affected ones may move to.
        self._candidates: set[Release] = set()
        self._records: dict[str, Fact[Advisory]] = {}
        self._unread_ids: set[str] = set()
        self._aliases: dict[str, Fact[Advisory]] = {}
        self._may_read_repositories = self._has_read_repositories = self._has_few_packages = False
        self._pages: dict[Package, Found[pypi.ProjectJson]] = {}
        #: Pages of releases that arrived before those of their projects.
        self._expected_pages: dict[Release, Found[Metadata]] = {}
        #: Releases whose page is to be requested, by the index.
        self._page_queues: dict[str, _Collector[Release]] = {}
        self._queues_by_package: dict[Package, _Collector[Release]] = {}
        endpoints = services.endpoints
        self._version_batch = _Collector[Release](
            deps_dev.VERSIONS, endpoints["deps-dev"], deps_dev.MAX_BATCH_REQUESTS, "name"
        )
        self._findings_batch = _Collector[Release](
            deps_dev.FINDINGS, endpoints["deps-dev"], deps_dev.MAX_BATCH_REQUESTS, "name"
        )
        self._affecting_batch = _Collector[Release](
            osv.create_affecting_source(), endpoints["osv"], osv.MAX_QUERIES, "name"
        )
        self._recorded_batch = _Collector[Package](
            osv.create_recorded_source(), endpoints["osv"], osv.MAX_QUERIES, "name"
        )
        self._cve_batch = _Collector[AdvisoryId](
            epss.EPSS_SOURCE, endpoints["epss"], epss.MAX_CVES, "name", "page", "record"
        )
        self._repository_batch = _Collector[RepositoryId](
            deps_dev.REPOSITORIES, endpoints["deps-dev"], deps_dev.MAX_BATCH_REQUESTS, "name", "version", "page"
        )
        self._hosted_batch = _Collector[RepositoryId](
            github.create_graphql_source(as_of), endpoints["github"], github.MAX_REPOSITORIES, "name", "version", "page"
        )
        self._download_batches = (
            (
                _Collector[Package](
                    downloads.NPM_DOWNLOADS, endpoints["npm-downloads"], downloads.MAX_BULK_NAMES, "name"
                ),
                _Collector[Package](downloads.PYPISTATS, endpoints["pypistats"], 1, "name"),
            )
            if include_downloads
            else ()
        )
        self._handlers: Mapping[_Collector[Any], tuple[str, Callable[[Any], None]]] = {
            **dict.fromkeys(self._download_batches, ("", _ignore)),
            self._version_batch: ("version", self._add_versions),
            self._findings_batch: ("", self._add_findings),
            self._affecting_batch: ("list", self._add_affecting),
            self._recorded_batch: ("list", self._add_recorded),
            self._cve_batch: ("", _ignore),
            self._repository_batch: ("", self._add_repositories),
            self._hosted_batch: ("", _ignore),
        }
        self._run.call_when_idle(self._proceed_safely)

    # --- begin -------------------------------------------------------------------------------------------------------

    def begin_packages(self, packages: Collection[Package], pinned_releases: Collection[Release]) -> None:
        """Begin the requests about packages; ``pinned_releases`` are all versions in use of some of them."""
        with self._contain_errors():
            self._begin_packages(packages, pinned_releases)

    def _begin_packages(self, packages: Collection[Package], pinned_releases: Collection[Release]) -> None:
        for release in pinned_releases:
            self._track(release)
        self._has_few_packages = len(packages) <= _FEW_PACKAGES and len(pinned_releases) <= _FEW_PACKAGES
        config = self._registries.index_config
        requested = [package for package in packages if config.find_search(package) == IndexSearch()]
        if not config.pypi.is_simple_index:
            pypi_packages = [package for package in requested if package.registry_api == "pypi"]
            batch = self._start("name", pypi.PROJECT_JSON, pypi_packages, config.pypi, self._add_pages)
            if batch is not None and self._has_few_packages:
                self._start_expected_pages(package for package in batch.subjects if package not in batch.facts)
        pinned_npm = [release for release in pinned_releases if release.package.registry_api == "npm"]
        for endpoint, group in _group_by_endpoint(pinned_npm, self._registries).values():
            self._start("name", npm.VERSION_MANIFEST, group, endpoint, self._add_manifests)
        self._start_packuments(
            package for package in requested if package.registry_api == "npm" and package not in self._releases
        )
        self.is_active = self._run.has_open_requests
        if not self.is_active:
            self._inbox.clear()
            return
        self._may_read_repositories = bool(self._services.endpoints["github"].identity) or (
            len(packages) <= MAX_ANONYMOUS and len(pinned_releases) <= MAX_ANONYMOUS
        )
        if self._services.select_public("osv", packages):
            endpoint, *mirrors = self._services.endpoints.by_source["kev"]
            self._run.start(kev.CatalogueSource(tuple(mirrors)), [kev.CATALOGUE_ID], endpoint)
        for package in packages:
            if self._services.is_known_name(package):
                self._tell(package)
        for collector in (self._version_batch, self._findings_batch, self._affecting_batch, self._recorded_batch):
            self._send(collector)
        self._proceed()

    def begin_resembling(self, similar_name: ByPackage[SimilarName]) -> None:
        """Begin to fetch the versions of npm packages whose name resembles a popular one."""
        with self._contain_errors():
            self._start_packuments(
                package
                for package, fact in sorted(similar_name.items())
                if package.registry_api == "npm" and isinstance(fact, Found) and fact.value.name
            )

    def begin_releases(
        self, services: ServiceLookup, package_facts: PackageFacts, releases: Collection[Release]
    ) -> None:
        """Begin the requests about versions in use, or others, of packages that the registries answered about."""
        if self.failure is None:
            with self._contain_errors():
                self._begin_releases(services, package_facts, releases)

    def _begin_releases(
        self, services: ServiceLookup, package_facts: PackageFacts, releases: Collection[Release]
    ) -> None:
        self._services = services
        new_releases = [release for release in releases if release not in self._told_releases]
        for release in new_releases:
            self._track(release)
            self._told_packages.add(release.package)
            if release in package_facts.versions:
                self._versions[release] = package_facts.versions[release]
        if not self.is_active:  # has the store what deps.dev told about them?
            missing = [release for release in new_releases if release not in self._versions]
            self._version_batch.add(services.select_public("deps-dev", missing))
            self._send(self._version_batch)
            self.is_active = self._run.has_open_requests
            if not self.is_active:
                self._inbox.clear()
                return
        self._tell_releases(new_releases)
        self._recorded_batch.add(services.select_public("osv", {release.package for release in new_releases}))
        for package in dict.fromkeys(release.package for release in new_releases):
            self._use_facts(package, package_facts)
        for release, fact in package_facts.version_manifests.items():
            self._metadata.setdefault(release, fact)
        self._choose_repositories(new_releases)
        for collector in (self._version_batch, self._findings_batch, self._affecting_batch, self._recorded_batch):
            self._send(collector)
        self._proceed()

    @contextmanager
    def _contain_errors(self) -> Iterator[None]:
        """Begin no more after a failure: a run does without early requests, and its steps send their own.

        What ends a run in its steps as well passes through.
        """
        try:
            yield
        except (ConfigError, NotCachedError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the steps find it as well, or do without
            self.failure = error.with_traceback(None)  # its frames hold the facts
            self.close()

    def close(self) -> None:
        """Begin no more, and drop all facts.

        Its references to itself would keep them until the next search for cyclic garbage.
        """
        self.is_active = False
        self._inbox.clear()
        self._handlers = {}
        self._page_queues.clear()

    def _use_facts(self, package: Package, package_facts: PackageFacts) -> None:
        """Use what the registries answered about a package."""
        if package in package_facts.packuments:
            self._add_packuments({package: package_facts.packuments[package]})
        elif isinstance(fact := package_facts.project_pages.get(package), Found):
            endpoint = package_facts.indexes.get(package, self._registries.index_config.pypi)
            self._add_page(package, fact, endpoint)

    def _track(self, release: Release) -> None:
        releases = self._releases.setdefault(release.package, [])
        if release not in releases:
            releases.append(release)

    # --- send --------------------------------------------------------------------------------------------------------

    def _start(
        self,
        stage: str,
        source: Source[Any, Any],
        subjects: Iterable[Any],
        endpoint: Endpoint,
        handle: Callable[[Any], None],
        *,
        is_tentative: bool = False,
    ) -> Batch[Any, Any] | None:
        """Begin requests whose facts ``handle`` receives; return the batch of those that are new, if there are any."""
        subjects = list(subjects)
        if not subjects:
            return None
        count = 0

        def receive(facts: Mapping[Any, Fact[Any]]) -> None:
            nonlocal count
            self._inbox.append((handle, facts))
            if batch is not None:
                self._open[stage] += batch.open_count - count
                count = batch.open_count

        batch: Batch[Any, Any] | None = None
        batch = self._run.start(source, subjects, endpoint, receive, is_tentative=is_tentative)
        if batch is not None:
            count = batch.open_count
            self._open[stage] += count
        return batch

    def _send(self, collector: _Collector[Any], stage: str | None = None) -> None:
        usual_stage, handle = self._handlers[collector]
        subjects, collector.subjects = collector.subjects, {}
        # in an order that does not depend on that of the answers
        self._start(
            usual_stage if stage is None else stage, collector.source, sorted(subjects), collector.endpoint, handle
        )

    def _proceed_safely(self, *, is_quiet: bool = False) -> None:
        with self._contain_errors():
            self._proceed(is_quiet=is_quiet)

    def _proceed(self, *, is_quiet: bool = False) -> None:
        """Look at the facts that arrived, and send what follows from them."""
        if not self.is_active:
            self._inbox.clear()
            return
        is_new = True
        while is_new:
            inbox, self._inbox = self._inbox, []
            for handle, facts in inbox:
                handle(facts)
            open_counts = self._open
            if inbox and not open_counts["record"]:
                self._start_aliases()
            self._send_pages("page")
            for collector in self._handlers:
                if collector.is_due(open_counts, is_quiet=is_quiet):
                    self._send(collector)
            if self._candidates and not (open_counts["name"] or open_counts["page"] or open_counts["list"]):
                self._tell_candidates()
            is_new = bool(self._inbox)
        if self._affecting_ids and not any(
            open_counts[stage] for stage in ("name", "list", "record", "version", "page")
        ):
            self._start_candidate_repositories()

    def _send_pages(self, stage: str) -> None:
        for queue in self._page_queues.values():
            subjects, queue.subjects = queue.subjects, {}
            self._start(stage, queue.source, subjects, queue.endpoint, self._add_release_pages)

    def _start_expected_pages(self, packages: Iterable[Package]) -> None:
        """Request the pages of pinned releases beside those of their projects, which show another one most often.

        The registry receives their names anyway. A release may not exist, so a failure counts for nothing.
        """
        releases = [
            release
            for package in packages
            for release in self._releases.get(package, ())
            if "+" not in release.version  # a local build is on no public index
        ]
        self._start(
            "page",
            pypi.RELEASE_JSON,
            releases,
            self._registries.index_config.pypi,
            self._add_release_pages,
            is_tentative=True,
        )

    def _start_packuments(self, packages: Iterable[Package]) -> None:
        new_packages = [package for package in packages if package not in self._listed]
        self._listed.update(new_packages)
        for endpoint, group in self._registries.group_by_endpoint(new_packages):
            self._start("name", npm.PACKUMENT, group, endpoint, self._add_packuments)

    def _start_listings(self, packages: Iterable[Package]) -> None:
        new_packages = [package for package in packages if package not in self._listed]
        self._listed.update(new_packages)
        self._start("", pypi.SIMPLE_API, new_packages, self._registries.index_config.pypi, _ignore)

    def _list_packages(self, releases: Iterable[Release]) -> None:
        """Begin to fetch the list of all versions of packages."""
        packages = dict.fromkeys(release.package for release in releases)
        self._start_packuments(package for package in packages if package.registry_api == "npm")
        self._start_listings(package for package in packages if package.registry_api == "pypi")

    # --- names -------------------------------------------------------------------------------------------------------

    def _tell(self, package: Package) -> None:
        """Request what the services have about a package that its registry has, or whose name is known as public."""
        if package not in self._told_packages:
            self._told_packages.add(package)
            self._recorded_batch.add(self._services.select_public("osv", [package]))
            for batch in self._download_batches:
                if downloads.covers_package(batch.source, package):
                    batch.add(self._services.select_public(batch.source.name, [package]))
        self._tell_releases(self._releases.get(package, ()))

    def _tell_releases(self, releases: Iterable[Release]) -> None:
        new_releases = [release for release in releases if release not in self._told_releases]
        self._told_releases.update(new_releases)
        public_releases = self._services.select_public("deps-dev", new_releases)
        self._version_batch.add(release for release in public_releases if release not in self._versions)
        self._findings_batch.add(public_releases)
        self._affecting_batch.add(self._services.select_public("osv", new_releases))

    def _add_pages(self, facts: Mapping[Package, Fact[pypi.ProjectJson]]) -> None:
        for package, fact in facts.items():
            if isinstance(fact, Found):
                self._tell(package)
                self._add_page(package, fact, self._registries.index_config.pypi)

    def _add_page(self, package: Package, fact: Found[pypi.ProjectJson], endpoint: Endpoint) -> None:
        """Use the page of a project, and request those of its releases that it does not show."""
        self._pages[package] = fact
        self._package_info[package] = fact.value.package_info
        if endpoint.scope not in self._page_queues:
            self._page_queues[endpoint.scope] = _Collector[Release](pypi.RELEASE_JSON, endpoint, 1)
        self._queues_by_package[package] = self._page_queues[endpoint.scope]
        releases = self._releases.get(package, ())
        for release in releases:
            self._use_page(release)
        self._compare(releases)
        if self._has_few_packages:
            self._tell_newest(package, releases)
        self._choose_repositories(releases)

    def _tell_newest(self, package: Package, releases: Sequence[Release]) -> None:
        """Request what the services have about the newest version, which one with an advisory may move to."""
        info = self._get_package_info(releases[0]) if releases else None
        if info is None or not info.newest_stable:
            return
        newest = Release(package=package, version=info.newest_stable)
        self._newest_releases.add(newest)
        self._version_batch.add(self._services.select_public("deps-dev", [newest]))
        self._findings_batch.add(self._services.select_public("deps-dev", [newest]))
        self._affecting_batch.add(self._services.select_public("osv", [newest]))

    def _use_page(self, release: Release) -> None:
        if release in self._metadata or release.package not in self._pages:
            return
        fact = self._pages[release.package]
        self._metadata[release] = Found(fact.value.metadata, fact.source, fact.retrieved_at)
        expected_page = self._expected_pages.pop(release, None)
        if fact.value.metadata.version == release.version:
            self._use_listed(release, fact.value.metadata.advisories or ())
        elif release.version in fact.value.package_info.versions and expected_page is not None:
            self._add_release_pages({release: expected_page})
        elif release.version in fact.value.package_info.versions:
            self._queues_by_package[release.package].add([release])

    def _compare(self, releases: Iterable[Release]) -> None:
        """Request what is known of the versions before those in use."""
        for release in releases:
            info = self._get_package_info(release)
            if info is None or release.version not in info.versions:
                continue
            previous_version = find_previous_version(release, Found(info, "", 0))
            if previous_version is None:
                continue
            previous = Release(package=release.package, version=previous_version)
            if release.package.registry_api == "pypi":
                self._version_batch.add(self._services.select_public("deps-dev", [previous]))
            published = info.published[info.versions.index(release.version)]
            if self._as_of - published < YOUNG_RELEASE_AGE:
                self._affecting_batch.add(self._services.select_public("osv", [previous]))

    def _get_package_info(self, release: Release) -> PackageInfo | None:
        """Return the versions of the package of a release, as of the moment of the report."""
        info = self._package_info.get(release.package)
        if info is None or self._known_until == NO_LIMIT:
            return info
        fact = hide_later_versions(Found(info, "", 0), self._known_until, {release.version})
        return fact.value if isinstance(fact, Found) else None

    def _add_release_pages(self, facts: Mapping[Release, Fact[Metadata]]) -> None:
        for release, fact in facts.items():
            if not isinstance(fact, Found):
                continue
            if release.package in self._pages:
                self._metadata[release] = fact
                self._use_listed(release, fact.value.advisories or ())
            else:
                self._expected_pages[release] = fact
        self._choose_repositories(facts)

    def _use_listed(self, release: Release, advisories: Collection[AffectingAdvisory]) -> None:
        """Use the advisories that the registry lists for a version: OSV has them too, and answers later."""
        self._add_cves(advisories)
        if advisories and self._has_few_packages:
            self._suggest_versions(release, find_fixing_version(release.package.ecosystem, release.version, advisories))

    def _add_manifests(self, facts: Mapping[Release, Fact[Metadata]]) -> None:
        for release, fact in facts.items():
            if isinstance(fact, Found):
                self._metadata[release] = fact
                self._tell(release.package)
        self._list_packages(release for release, fact in facts.items() if not isinstance(fact, Found))
        self._check_hooks(facts)
        self._choose_repositories(facts)

    def _add_packuments(self, facts: Mapping[Package, Fact[npm.Packument]]) -> None:
        for package, fact in facts.items():
            info = npm.read_package_info(fact)
            if not isinstance(info, Found):
                continue
            self._package_info[package] = info.value
            releases = self._releases.get(package, ())
            for release in releases:
                self._metadata.setdefault(release, npm.merge_metadata(release.version, fact, NOT_REQUESTED))
            self._tell(package)
            self._compare(releases)
            self._suggest([release for release in releases if self._affecting_ids.get(release)])
            self._choose_repositories(releases)

    # --- deps.dev and repositories -----------------------------------------------------------------------------------

    def _add_versions(self, facts: Mapping[Release, Fact[VersionInfo]]) -> None:
        unindexed: list[Release] = []
        for release, fact in facts.items():
            self._versions[release] = fact
            if release not in self._told_releases:
                continue  # another version to compare with, or to move to
            if not isinstance(fact, Found):
                unindexed += [] if deps_dev.needs_single_request(fact) else [release]
            elif release.package.registry_api == "npm" and (
                self._as_of - fact.value.published < YOUNG_RELEASE_AGE or fact.value.deprecated
            ):
                unindexed.append(release)
        self._list_packages(release for release in unindexed if release in self._metadata)
        self._check_hooks(facts)
        self._choose_repositories(facts)

    def _check_hooks(self, releases: Iterable[Release]) -> None:
        """Begin to fetch the versions of npm packages with a young version that runs code at installation."""
        self._list_packages(
            release
            for release in releases
            if release.package.registry_api == "npm"
            if isinstance(metadata := self._metadata.get(release), Found) and metadata.value.hooks
            if isinstance(version := self._versions.get(release), Found)
            and self._as_of - version.value.published < YOUNG_HOOK_AGE
        )

    def _add_findings(self, facts: Mapping[Release, Fact[VersionFindings]]) -> None:
        newest = [
            Release(package=release.package, version=fact.value.default)
            for release, fact in facts.items()
            if release.package.registry_api == "npm" and release.package not in self._listed
            if isinstance(fact, Found) and fact.value.default
        ]
        self._version_batch.add(self._services.select_public("deps-dev", newest))

    def _choose_repositories(self, releases: Iterable[Release]) -> None:
        repository_ids = {
            release: repository_link.choose_repository(self._metadata[release], self._versions[release])
            for release in releases
            if release in self._metadata and release in self._versions
        }
        self._start_attestations(repository_ids)
        covered = (
            id_
            for id_ in self._services.select_repositories("deps-dev", repository_ids)
            if id_.id.partition("/")[0] in deps_dev.HOSTS
        )
        self._repository_batch.add(covered)
        if self._may_read_repositories:
            ids = self._services.select_repositories("github", repository_ids)
            hosted = [id_ for id_ in ids if id_.id.startswith(github.HOST_PREFIX)]
            if self._services.endpoints["github"].identity:
                self._hosted_batch.add(hosted)
            else:
                self._start("", github.REST_SOURCE, hosted, self._services.endpoints["github"], _ignore)

    def _start_attestations(self, releases: Iterable[Release]) -> None:
        """Request the publishers of attested npm versions whose repository deps.dev has not verified."""
        attested = [
            release
            for release in releases
            if release.package.registry_api == "npm"
            if isinstance(fact := self._metadata[release], Found) and fact.value.attested
            if not repository_link.find_proven_repository(fact, self._versions[release])
        ]
        for endpoint, group in _group_by_endpoint(attested, self._registries).values():
            self._start("", provenance.NPM_ATTESTATIONS, group, endpoint, _ignore)

    def _add_repositories(self, facts: Mapping[RepositoryId, Fact[RepositoryInfo]]) -> None:
        missing = (
            id_
            for id_, fact in facts.items()
            if not isinstance(fact, Found) and not deps_dev.needs_single_request(fact)
            if id_.id.partition("/")[0] in scorecard.SCANNED_HOSTS
        )
        self._start("", scorecard.SCORECARD_SOURCE, missing, self._services.endpoints["scorecard"], _ignore)

    # --- advisories --------------------------------------------------------------------------------------------------

    def _add_affecting(self, facts: Mapping[Release, Fact[osv.AdvisoryHits]]) -> None:
        affected = []
        unused = (self._newest_releases - self._told_releases) & facts.keys()
        self._newest_hits |= {release: facts[release] for release in unused}
        facts = {release: fact for release, fact in facts.items() if release not in unused}
        for release, fact in facts.items():
            if isinstance(fact, Found) and fact.value.ids:
                self._affecting_ids[release] = tuple(id_ for id_, _ in fact.value.ids)
                affected.append(release)
        self._start_records(hit for fact in facts.values() if isinstance(fact, Found) for hit in fact.value.ids)
        self._list_packages(release for release in affected if release.package.registry_api == "npm")
        self._suggest(affected)

    def _add_recorded(self, facts: Mapping[Package, Fact[osv.AdvisoryHits]]) -> None:
        self._start_records(
            (id_, modified)
            for fact in facts.values()
            if isinstance(fact, Found)
            for id_, modified in fact.value.ids
            if osv.is_malware(id_)
        )

    def _start_records(self, hits: Iterable[tuple[str, int]]) -> None:
        subjects = [AdvisoryId(id=id_, modified=modified) for id_, modified in hits if id_ not in self._records]
        self._unread_ids.update(subject.id for subject in subjects)
        endpoint = self._services.endpoints["osv"]
        dated = [subject for subject in subjects if subject.modified]
        self._start("record", osv.RECORD_SOURCE, dated, endpoint, self._add_records)
        undated = [subject for subject in subjects if not subject.modified]
        self._start("record", osv.LATEST_SOURCE, undated, endpoint, self._add_records)

    def _add_records(self, facts: Mapping[AdvisoryId, Fact[Advisory]]) -> None:
        self._records |= {subject.id: fact for subject, fact in facts.items()}
        self._add_cves(fact.value for fact in facts.values() if isinstance(fact, Found))
        self._unread_ids.difference_update(subject.id for subject in facts)
        if not self._unread_ids:
            self._suggest(list(self._affecting_ids))

    def _start_aliases(self) -> None:
        """Request the aliases that severities depend on; called when no record is open, because most are among them."""
        missing = [id_ for id_ in osv.list_missing_aliases(self._records, self._aliases) if id_ not in self._aliases]
        self._aliases |= dict.fromkeys(missing, NOT_REQUESTED)
        subjects = [AdvisoryId(id=id_) for id_ in missing]
        self._start("record", osv.ALIAS_SOURCE, subjects, self._services.endpoints["osv"], self._add_aliases)

    def _add_aliases(self, facts: Mapping[AdvisoryId, Fact[Advisory]]) -> None:
        self._aliases |= {subject.id: fact for subject, fact in facts.items()}
        self._add_cves(fact.value for fact in facts.values() if isinstance(fact, Found))

    def _add_cves(self, advisories: Iterable[Any]) -> None:
        self._cve_batch.add(
            AdvisoryId(id=name)
            for advisory in advisories
            for name in (advisory.id, *advisory.aliases)
            if epss.is_cve(name)
        )

    def _suggest(self, releases: Sequence[Release]) -> None:
        """Request what the services have about the versions that affected releases may move to."""
        for release in releases:
            fix = ""
            records = [self._records.get(id_) for id_ in self._affecting_ids[release]]
            if all(record is not None for record in records):
                advisories = match_advisories(
                    [record.value for record in records if isinstance(record, Found)], release.package, release.version
                )
                fix = find_fixing_version(release.package.ecosystem, release.version, advisories)
            self._suggest_versions(release, fix)

    def _suggest_versions(self, release: Release, fix: str) -> None:
        """Request, in time, what the services have about a fix and the newest version of a package."""
        info = self._get_package_info(release)
        if info is None:
            return
        candidates = {info.newest_stable}
        if fix and any(info.versions[row] == fix for row in info.stable_rows):
            candidates.add(fix)
        self._candidates.update(
            Release(package=release.package, version=version) for version in candidates - {release.version, ""}
        )

    def _tell_candidates(self) -> None:
        self._send_pages("page")
        candidates, self._candidates = sorted(self._candidates - self._told_releases), set()
        for candidate in candidates:
            self._track(candidate)
            self._use_page(candidate)
        self._tell_releases(candidates)
        self._compare(candidates)
        self._choose_repositories(candidates)
        self._add_affecting(
            {candidate: self._newest_hits.pop(candidate) for candidate in candidates if candidate in self._newest_hits}
        )
        for collector in (self._version_batch, self._findings_batch, self._affecting_batch):
            self._send(collector, _CANDIDATE)  # nothing that concerns the versions in use waits for it
        self._send_pages(_CANDIDATE)

    def _start_candidate_repositories(self) -> None:
        """Request the repositories of packages below the threshold from GitHub, if they are few.

        Without a token those of all packages are not requested where there are more than a few, and those of the
        versions to move to are.
        """
        if self._may_read_repositories or self._has_read_repositories:
            return
        self._has_read_repositories = True
        releases = {
            release: repository_link.choose_repository(self._metadata[release], self._versions[release])
            for release, ids in self._affecting_ids.items()
            if release in self._metadata and release in self._versions
            if any(isinstance(fact := self._records.get(id_), Found) and fact.value.severity != "low" for id_ in ids)
        }
        ids = [
            id_
            for id_ in self._services.select_repositories("github", releases)
            if id_.id.startswith(github.HOST_PREFIX)
        ]
        if len(ids) <= MAX_ANONYMOUS:
            self._start("", github.REST_SOURCE, ids, self._services.endpoints["github"], _ignore)


def _group_by_endpoint(
    releases: Iterable[Release], registries: RegistryLookup
) -> dict[str, tuple[Endpoint, list[Release]]]:
    groups: dict[str, tuple[Endpoint, list[Release]]] = {}
    for release in releases:
        endpoint = registries.index_config.find_endpoint(release.package)
        groups.setdefault(endpoint.scope, (endpoint, []))[1].append(release)
    return groups


def _ignore(_: object) -> None:
    """Look at no fact: nothing follows from it."""
