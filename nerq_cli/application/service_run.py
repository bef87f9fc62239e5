"""The evidence of a run that a nerq service has: looked up in batches, and scored here.

Scores, thresholds and rules are those of this run, and only names that are known to be public are sent. What the
service does not have is collected here, as without a service. So is the evidence about a version against which this
machine has an advisory that the service does not list.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from nerq_cli.application import recorded_facts
from nerq_cli.application.evidence_run import EvidenceRun
from nerq_cli.application.recorded_facts import DEFAULTS, PACKAGE_INFO, FactReader
from nerq_cli.application.service_documents import DocumentCache
from nerq_cli.application.service_source import (
    LABEL,
    MAX_TARGETS,
    EvidenceSource,
    TargetDocument,
    describe_problem,
    has_unusable_number,
)
from nerq_cli.application.session import read_clock
from nerq_cli.application.settings import parse_as_of
from nerq_cli.evidence.registry_lookup import PackageFacts
from nerq_cli.evidence.service_lookup import NOT_SENT
from nerq_cli.facts import AffectingAdvisory, Evidence, Fact, Found, LowerBound, PackageInfo, Unknown
from nerq_cli.fetch.http_client import parse_host
from nerq_cli.fetch.source_stats import SourceState
from nerq_cli.inventory import Package, Release
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.report.model import SourceStatus
from nerq_cli.signals.advisories import SEVERITIES

if TYPE_CHECKING:
    from nerq_cli.application.service_settings import ServiceSettings
    from nerq_cli.application.service_source import ReceivedDocument, Target
    from nerq_cli.application.session import Session
    from nerq_cli.facts import Advisory
    from nerq_cli.sources.deps_dev import DependencyTree

#: Share of the deadline of a run that it may wait for the service in all. The rest is left to collect evidence here.
_SHARE: Final = 1 / 2
#: Why something is not known where nothing is computed.
_NOT_COMPUTED: Final = "the service does not have it, and service-only allows no other source"
#: Registries of whose packages a service has evidence.
_REGISTRIES: Final = ("npm", "pypi")
_UNREADABLE: Final = "the answer of the service cannot be read"
_FALLBACK: Final = "computation on this machine"


class ServiceRun(EvidenceRun):
    """Collects the evidence of one run from a service, and what that lacks as ``EvidenceRun`` does."""

    def __init__(self, session: Session, service: ServiceSettings) -> None:
        super().__init__(session)
        self._service = service
        self._is_local = service.is_only
        self._as_of = None if session.settings.as_of is None else parse_as_of(session.settings.as_of)
        #: Why the service is asked no more.
        self._problem = ""
        #: How often it had no evidence, by the reason, but for names that it does not have.
        self._failures: Counter[str] = Counter()
        #: Packages that it was not asked about.
        self._unsent: set[Package] = set()
        #: Whether it sent a document that could be read.
        self._has_replied = False
        self._seconds = 0.0
        self._requests = self._asked_count = self._answered_count = self._kept_count = self._oldest = 0
        self._begin_batch()

    def _begin_batch(self) -> None:
        """Forget what is about the packages of the batch before."""
        self._readers: dict[Target, FactReader] = {}
        self._package_readers: dict[Package, list[FactReader]] = {}
        self._reasons: dict[Target, str] = {}
        self._pinned: dict[Package, list[Release]] = {}
        #: Packages of which everything is from the service.
        self._served: set[Package] = set()
        #: What the registries publish, where it was collected here.
        self._own_facts = PackageFacts()
        self._has_asked_again = False

    @property
    def is_shareable(self) -> bool:
        """Whether a copy of this process could collect a part of the evidence from the cache: not of a service."""
        return False

    def collect_packages(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> PackageFacts:
        """Return what the registries publish about packages. All that may be sent are sent to the service at once."""
        self._begin_batch()
        self._ecosystems.update(package.ecosystem for package in packages)
        for release in pinned:
            self._pinned.setdefault(release.package, []).append(release)
        public = [package for package in packages if self._may_send(package)]
        self._unsent.update(set(packages).difference(public))
        self._ask([target for package in public for target in self._pinned.get(package, [package])])
        package_info: dict[Package, Fact[PackageInfo]] = {}
        for package in public:
            facts = [self._find_package_info(target) for target in self._pinned.get(package, [package])]
            stated = [fact for fact in facts if fact is not None and fact is not _NOT_LISTED]
            found = [fact for fact in stated if isinstance(fact, Found)]
            if None in facts or (len(found) < len(stated) and not self._service.is_only):
                continue
            self._served.add(package)
            if stated:
                package_info[package] = max(found, key=lambda fact: fact.retrieved_at) if found else stated[0]
        facts_here = self._collect_packages_here([package for package in packages if package not in self._served])
        return replace(facts_here, package_info={**facts_here.package_info, **package_info})

    def _find_package_info(self, target: Target) -> Fact[PackageInfo] | None:
        """Return what the service has of the package of a target; None if it has no evidence about the target."""
        reader = self._readers.get(target)
        if reader is None:
            return None
        fact = reader.find(recorded_facts.PACKAGES, _get_package(target)).get(PACKAGE_INFO)
        if fact is not None:
            return fact
        return _NOT_LISTED if isinstance(target, Release) else None

    def _collect_packages_here(self, packages: Sequence[Package]) -> PackageFacts:
        """Return what the registries publish about packages, collected here."""
        if not packages:
            return PackageFacts()
        if self._service.is_only:
            return PackageFacts({package: self._explain(package) for package in packages})
        pinned = [release for package in packages for release in self._pinned.get(package, ())]
        facts = super().collect_packages(packages, pinned)
        self._own_facts = self._own_facts.merge(facts)
        return facts

    def _explain(self, package: Package, release: Release | None = None) -> Unknown:
        """Return why nothing is known of a package or a release where nothing is computed."""
        targets: list[Target] = [*([release] if release is not None else self._pinned.get(package, ())), package]
        reason = next((self._reasons[target] for target in targets if target in self._reasons), "")
        if not reason and not self._may_send(package):
            reason = NOT_SENT.reason
        return Unknown(reason or self._problem or _NOT_COMPUTED, LABEL)

    def find_package_records(
        self, packages: Sequence[Package], neighbours: Sequence[Release], package_facts: PackageFacts
    ) -> dict[Package, Found[tuple[Advisory, ...]]]:
        """Return the advisory records of packages whose version in use is not known or not listed."""
        records: dict[Package, Found[tuple[Advisory, ...]]] = {}
        for package in packages:
            for target in self._pinned.get(package, [package]) if package in self._served else ():
                reader = self._readers.get(target)
                fact = reader.find(recorded_facts.RECORDS, package).get(recorded_facts.RECORDS) if reader else None
                if isinstance(fact, Found):
                    records[package] = fact
        records = self._add_own_records(records)
        others = [package for package in packages if package not in records]
        if others:
            own_neighbours = [release for release in neighbours if release.package in set(others)]
            records |= super().find_package_records(others, own_neighbours, package_facts)
        return records

    def _add_own_records(
        self, records: dict[Package, Found[tuple[Advisory, ...]]]
    ) -> dict[Package, Found[tuple[Advisory, ...]]]:
        """Return records without those of packages of which this machine has one that the service lacks.

        Where nothing is computed the records of this machine are added.
        """
        if not records:
            return records
        kept = dict(records)
        for package, own in self._open_collector().find_local_records(list(records)).items():
            known = {id_ for record in records[package].value for id_ in (record.id, *record.aliases)}
            missing = tuple(item for item in own.value if known.isdisjoint((item.id, *item.aliases)))
            if missing and self._service.is_only:
                kept[package] = replace(records[package], value=(*records[package].value, *missing))
            elif missing:
                del kept[package]
        return kept

    def collect_evidence(self, releases: Sequence[Release], package_facts: PackageFacts) -> dict[Release, Evidence]:  # noqa: ARG002 - the protocol
        """Return the evidence for each release.

        The service is asked a second time at most: for the versions that ranges select, or for possible upgrades.
        """
        evidence = self._find_evidence(releases)
        unasked = [
            release
            for release in releases
            if release not in evidence and release not in self._readers and release.package in self._served
        ]
        if unasked and not self._has_asked_again:
            self._has_asked_again = True
            self._ask(unasked)
            evidence.update(self._find_evidence(unasked))
        evidence = self._drop_contradicted(evidence)
        missing = [release for release in releases if release not in evidence]
        if missing:
            evidence.update(self._collect_here(missing))
        return {release: evidence[release] for release in releases}

    def _find_evidence(self, releases: Iterable[Release]) -> dict[Release, Evidence]:
        """Return the evidence of the service, as far as it can be used, about releases."""
        evidence: dict[Release, Evidence] = {}
        for release in releases:
            if release.package not in self._served:
                continue
            own = self._readers.get(release)
            for reader in (*([own] if own is not None else ()), *self._package_readers.get(release.package, ())):
                found = reader.find_evidence(recorded_facts.RELEASES, [release]).get(release)
                if found is not None and (self._service.is_only or _is_whole(found)):
                    evidence[release] = found
                    break
        return evidence

    def _drop_contradicted(self, evidence: dict[Release, Evidence]) -> dict[Release, Evidence]:
        """Return evidence without that about releases against which this machine has an advisory that it lacks.

        Where nothing is computed the advisories of this machine are added.
        """
        if not evidence:
            return evidence
        own_evidence = self.find_local_evidence(list(evidence))
        kept = dict(evidence)
        for release, own in own_evidence.items():
            fact = evidence[release].advisories
            missing = _find_missing(fact, own.advisories)
            if missing and self._service.is_only:
                kept[release] = replace(evidence[release], advisories=_add_advisories(fact, missing, own.advisories))
            elif missing:
                del kept[release]
        return kept

    def _collect_here(self, releases: Sequence[Release]) -> dict[Release, Evidence]:
        if self._service.is_only:
            unknown = {release: self._explain(release.package, release) for release in releases}
            evidence = {release: Evidence(**dict.fromkeys(DEFAULTS, fact)) for release, fact in unknown.items()}
            return self._drop_contradicted(evidence)
        known = self._own_facts.package_info.keys() | self._own_facts.version_manifests.keys()
        packages = dict.fromkeys(release.package for release in releases)
        self._collect_packages_here([package for package in packages if not self._has_own_facts(package, known)])
        return super().collect_evidence(releases, self._own_facts)

    def _has_own_facts(self, package: Package, known: Collection[Package | Release]) -> bool:
        """Whether what the registries publish about a package was collected here."""
        return package in known or any(release in known for release in self._pinned.get(package, ()))

    def find_dependencies(
        self, releases: Sequence[Release], package_facts: PackageFacts
    ) -> dict[Release, Fact[DependencyTree]]:
        """Return the dependencies of releases as deps.dev resolves them, without names that are declared private."""
        served = [release for release in releases if release.package in self._served]
        if served and not self._has_asked_again:
            self._has_asked_again = True
            self._ask(served, trees=True)
        call, trees = recorded_facts.DEPENDENCIES, {}
        for release in served:
            reader = self._readers.get(release)
            fact = reader.find(call, release.package, release.version).get(call) if reader is not None else None
            if isinstance(fact, Found):
                trees[release] = fact
        others = [release for release in releases if release not in trees]
        own_trees = super().find_dependencies(others, package_facts) if others else {}
        return {**self._select_public_nodes(trees), **own_trees}

    def describe_sources(self) -> tuple[SourceStatus, ...]:
        """Return the status of the service, then that of each source that was used here."""
        return (*self._describe_service(), *super().describe_sources())

    def _describe_service(self) -> Iterator[SourceStatus]:
        unsent_count = sum(package.registry_api in _REGISTRIES for package in self._unsent)
        if not self._asked_count and not unsent_count:
            return
        is_complete = self._answered_count == self._asked_count
        is_only = self._service.is_only
        reason = self._problem or self._describe_failures()
        state: SourceState = "ok" if self._asked_count else "not requested"
        if reason or (is_only and not is_complete):
            state = "partial" if self._answered_count else "unavailable"
        yield SourceStatus(
            name=LABEL,
            state=state,
            subjects=self._asked_count,
            answered_subjects=self._answered_count,
            from_cache=self._kept_count,
            requests=self._requests,
            oldest_response=self._oldest,
            reason=reason,
            fallback="" if is_only or (is_complete and not unsent_count) else _FALLBACK,
            address=self._service.endpoint.url,
            methodology=PACKAGES.version if self._has_replied else "",
            unsent_packages=unsent_count,
        )

    def _describe_failures(self) -> str:
        """Return how many targets the service failed to answer, and the most frequent reason; empty without any."""
        count = sum(self._failures.values())
        if not count:
            return ""
        [(reason, _)] = self._failures.most_common(1)
        host = parse_host(self._service.endpoint.url)
        return f"{host}: it failed to answer {count:,} of {self._asked_count:,} lookups: {reason}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user."""
        failures = self._describe_failures()
        if not failures:
            return super().warnings
        return (*super().warnings, f"{LABEL}: {failures}; {self._describe_action()}")

    def _may_send(self, package: Package) -> bool:
        """Whether the service may receive a name: only one that is known to be public, also if it is the user's."""
        return (
            package.registry_api in _REGISTRIES
            and not self._session.is_declared_private(package)
            and self._session.is_public(package)
        )

    def _find_deadline(self) -> float:
        return max(super()._find_deadline() - self._seconds, 0.1)

    def _ask(self, targets: Sequence[Target], *, trees: bool = False) -> None:
        """Ask the service for those targets of which no document is kept here, and keep what can be read."""
        wanted = list(dict.fromkeys(targets))
        self._asked_count += len(wanted)
        downloads = self._session.settings.downloads
        documents = DocumentCache(
            self._session.store,
            self._service.endpoint,
            as_of=self._as_of,
            downloads=downloads,
            trees=trees,
            now=read_clock(),
        )
        kept = {} if self._session.settings.refresh else documents.read(wanted)
        answered_count = self._answered_count
        read = {target for target, document in kept.items() if self._keep(target, document)}
        self._kept_count += self._answered_count - answered_count
        missing = [target for target in wanted if target not in read]
        source = EvidenceSource(as_of=self._as_of, downloads=downloads, trees=trees)
        for start in range(0, len(missing), MAX_TARGETS):
            received = self._ask_once(source, missing[start : start + MAX_TARGETS])
            readable = {target: one for target, one in received.items() if self._keep(target, one.document)}
            self._failures[_UNREADABLE] += len(received) - len(readable)
            documents.write(readable)

    def _ask_once(self, source: EvidenceSource, targets: Sequence[Target]) -> dict[Target, ReceivedDocument]:
        """Return what the service answers to one request."""
        seconds_left = super()._find_deadline() * _SHARE - self._seconds
        if self._problem or seconds_left <= 0:
            self._stop(self._problem or f"{parse_host(self._service.endpoint.url)}: no time is left for it")
            return {}
        started_at = time.monotonic()
        run = self._session.service_fetcher.open_run(
            now=read_clock(),
            deadline_seconds=seconds_left,
            progress=self._session.create_progress(f"looking up at {parse_host(self._service.endpoint.url)}"),
        )
        facts = run.fetch(source, targets, self._service.endpoint)
        self._seconds += time.monotonic() - started_at
        [summary] = run.summarise_sources()
        self._requests += summary.requests
        if not summary.received:
            self._stop(summary.reason)
            return {}
        self._failures.update(fact.reason for fact in facts.values() if isinstance(fact, Unknown))
        return {target: fact.value for target, fact in facts.items() if isinstance(fact, Found)}

    def _stop(self, reason: str) -> None:
        """Ask the service no more in this run, and state why once."""
        if self._problem:
            return
        self._problem = reason
        self.notes.append(f"{LABEL}: {reason}; {self._describe_action()}")

    def _describe_action(self) -> str:
        return "nothing is computed in its place" if self._service.is_only else "what it lacks is computed here"

    def _keep(self, target: Target, document: TargetDocument) -> bool:
        """Keep the answers about a target, and return whether the document could be read."""
        problem = document.problem
        if problem is not None:
            self._reasons[target] = describe_problem(problem)
        if problem is not None and not document.answers:
            self._has_replied = True
            if problem.status != HTTPStatus.NOT_FOUND:
                self._failures[self._reasons[target]] += 1
            return True
        try:
            reader = _read_document(document)
        except (msgspec.MsgspecError, ValueError, KeyError, RecursionError):
            self._reasons[target] = _UNREADABLE
            return False
        self._has_replied = True
        self._readers[target] = reader
        self._package_readers.setdefault(_get_package(target), []).append(reader)
        self._answered_count += 1
        if document.oldest_answer:
            self._oldest = min(self._oldest or document.oldest_answer, document.oldest_answer)
        return True


#: Stands for what a service need not state about a package of which a version is pinned.
_NOT_LISTED: Final = Unknown("not needed for a pinned version")


def _get_package(target: Target) -> Package:
    return target.package if isinstance(target, Release) else target


def _read_document(document: TargetDocument) -> FactReader:
    """Return the facts of a document.

    Raises:
        ValueError: a value is none that a source gives.
        KeyError: a value is missing.
    """
    values = {digest: bytes(value) for digest, value in document.values.items()}
    if any(map(has_unusable_number, values.values())):
        raise ValueError("a number is out of range")
    reader = FactReader(document.answers, values)
    for fact in reader.facts:
        _check_value(fact.value if isinstance(fact, Found) else None)
    return reader


def _check_value(value: Any) -> None:  # noqa: ANN401 - of any field
    if isinstance(value, PackageInfo):
        value.require_columns()
    elif isinstance(value, tuple):
        for item in value:
            if isinstance(item, AffectingAdvisory) and item.severity not in SEVERITIES:
                raise ValueError("there is no such severity")


def _is_whole(evidence: Evidence) -> bool:
    """Whether the service has what a verdict depends on: else it is collected here."""
    advisories = evidence.advisories
    return (
        isinstance(advisories, Found)
        and not isinstance(advisories, LowerBound)
        and isinstance(evidence.metadata, Found)
        and not isinstance(evidence.package_info, Unknown)
    )


def _find_missing(
    fact: Fact[tuple[AffectingAdvisory, ...]], own_fact: Fact[tuple[AffectingAdvisory, ...]]
) -> tuple[AffectingAdvisory, ...]:
    """Return the advisories of this machine that another list lacks."""
    known = {id_ for item in fact.value for id_ in (item.id, *item.aliases)} if isinstance(fact, Found) else set()
    own = own_fact.value if isinstance(own_fact, Found) else ()
    return tuple(item for item in own if known.isdisjoint((item.id, *item.aliases)))


def _add_advisories(
    fact: Fact[tuple[AffectingAdvisory, ...]],
    missing: tuple[AffectingAdvisory, ...],
    own_fact: Fact[tuple[AffectingAdvisory, ...]],
) -> Fact[tuple[AffectingAdvisory, ...]]:
    """Return a list of advisories with those that only this machine has; these alone are a lower bound."""
    if isinstance(fact, Found):
        return replace(fact, value=(*fact.value, *missing))
    return own_fact
