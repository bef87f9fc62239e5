"""What a nerq service sends to those who look evidence up: everything that a run asks about each target.

The answers about a target are one JSON document, which is stored: a response is these documents side by side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from nerq_cli import __version__
from nerq_cli.application import recorded_facts
from nerq_cli.application.recorded_facts import FactWriter
from nerq_cli.application.scan import assess_declarations
from nerq_cli.application.service_source import (
    FORMAT,
    MAX_AGE,
    EvidenceQuery,
    TargetDocument,
    TargetProblem,
)
from nerq_cli.ecosystems import NPM, PYPI, get_ecosystem
from nerq_cli.errors import NerqError
from nerq_cli.evidence.registry_lookup import PackageFacts
from nerq_cli.facts import Absent, Found, Unknown
from nerq_cli.inventory import Declaration, Package, Release
from nerq_cli.methodology.models import MODELS
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.methodology.repositories import REPOSITORIES
from nerq_cli.privacy import PrivacyRules, mark_withheld
from nerq_cli.sources.advisories.osv import LABEL as OSV_LABEL
from nerq_cli.store import Row
from nerq_cli.targets import parse_target
from nerq_cli.units import MINUTE

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceProvider, EvidenceRun
    from nerq_cli.application.recording_file import Answer
    from nerq_cli.application.repositories import RepositoryKey
    from nerq_cli.facts import Advisory, Evidence, Fact
    from nerq_cli.github_facts import GithubEvidence
    from nerq_cli.hub_facts import HubEvidence
    from nerq_cli.report.model import SourceStatus
    from nerq_cli.sources.deps_dev import DependencyTree
    from nerq_cli.store import Cache

#: Name of the documents in the cache.
SOURCE: Final = "evidence"
#: Seconds that one is used of which a source did not answer.
INCOMPLETE_MAX_AGE: Final = 5 * MINUTE
#: Digits of the digests in a document: they tell its few values apart.
_DIGEST_LENGTH: Final = 12
#: Fields of evidence that are of lists in the package of nerq-cli, not of a source.
_SHIPPED_FIELDS: Final = frozenset({"popularity", "similar_name"})
#: States of a source that did not answer everything, and of answers that lack something then. What a source does not
#: have although it answered is no gap: a repository that Scorecard never scanned.
_SILENT_STATES: Final = frozenset({"partial", "unavailable"})
_GAPS: Final = frozenset({"unknown", "lower-bound"})
_ECOSYSTEMS: Final = (NPM, PYPI)
_NOT_FOUND: Final = 404
_BAD_REQUEST: Final = 400
_UNAVAILABLE: Final = 503


class StoredDocument(NamedTuple):
    """The document of one target, ready to be sent."""

    content: bytes
    #: When the oldest answer in it was received (epoch seconds UTC; 0 = none).
    oldest_answer: int
    #: Until when it is used (epoch seconds UTC).
    expires_at: int


class EvidenceStore:
    """The documents of a service in its cache, for queries of one kind."""

    def __init__(self, cache: Cache, query: EvidenceQuery, settings_digest: str = "") -> None:
        self._cache = cache
        parts = (str(FORMAT), __version__, PACKAGES.version, settings_digest, str(query.as_of), query.downloads)
        self._scope = "/".join((*map(str, parts), str(query.trees)))

    def read(self, targets: Iterable[str], now: int) -> dict[str, StoredDocument]:
        """Return the documents that are stored and not too old, by target."""
        rows = self._cache.get_many(SOURCE, self._scope, list(targets))
        return {
            target: StoredDocument(row.value, int(row.validator or 0), row.expires_at)
            for target, row in rows.items()
            if row.value is not None and row.fetched_at <= now < row.expires_at
        }

    def write(self, documents: Mapping[str, StoredDocument], now: int) -> None:
        """Store documents."""
        rows = {
            target: Row(document.content, now, document.expires_at, str(document.oldest_answer))
            for target, document in documents.items()
        }
        self._cache.put_many(SOURCE, self._scope, rows)


def build_response(targets: Sequence[str], documents: Mapping[str, StoredDocument], now: int) -> bytes:
    """Return the body of a response, in the order of the query."""
    oldest = min((document.oldest_answer for document in documents.values() if document.oldest_answer), default=0)
    head = {
        "format": FORMAT,
        "version": __version__,
        "methodologies": {methodology.target: methodology.version for methodology in (PACKAGES, MODELS, REPOSITORIES)},
        "as_of": now,
        "oldest_answer": oldest,
    }
    content = b",".join(documents[target].content for target in dict.fromkeys(targets))
    return b"".join((msgspec.json.encode(head)[:-1], b',"targets":[', content, b"]}"))


def collect_documents(
    query: EvidenceQuery, targets: Sequence[str], run: EvidenceRun, rules: PrivacyRules, options: ScanOptions, now: int
) -> dict[str, StoredDocument]:
    """Collect the evidence about targets, and return the document of each; of one that cannot be, why.

    Args:
        query: what is asked for.
        targets: those of its targets to collect.
        run: where the evidence is from; its moment is that of the query.
        rules: which names may be sent.
        options: how upgrades are chosen.
        now: when it is collected, in epoch seconds UTC.
    """
    documents: dict[str, StoredDocument] = {}
    open_targets: dict[str, Declaration] = {}
    for target in dict.fromkeys(targets):
        parsed = _parse(target, rules)
        if isinstance(parsed, TargetProblem):
            max_age = INCOMPLETE_MAX_AGE if parsed.status == _NOT_FOUND else 0  # a client may ask for any text
            documents[target] = build_problem_document(target, parsed, now, max_age)
        else:
            open_targets[target] = parsed
    run.expected_count = len(open_targets)
    options = replace(options, score_latest=True, find_upgrades=True)
    gatherers: list[tuple[dict[str, Declaration], _Gatherer]] = []
    for batch in _split_by_package(open_targets):
        gatherer = _Gatherer(run)
        declarations = list(batch.values())
        deque(assess_declarations(declarations, options, gatherer), maxlen=0)  # it asks as a scan does
        if query.trees:
            releases = [release for item in declarations if (release := _get_release(item)) is not None]
            gatherer.find_dependencies(releases, gatherer.package_facts)
        gatherers.append((batch, gatherer))
    is_silent = bool(gatherers) and any(source.state in _SILENT_STATES for source in run.describe_sources())
    for batch, gatherer in gatherers:
        for target, item in batch.items():
            max_age = INCOMPLETE_MAX_AGE if is_silent and gatherer.has_gap(item.package) else MAX_AGE
            documents[target] = _build_document(target, item.package, gatherer, now, max_age)
    return documents


def _parse(target: str, rules: PrivacyRules) -> Declaration | TargetProblem:
    """Return what a package URL names; a problem if it is none, or of a package that is not looked up."""
    if not target.startswith("pkg:"):
        return _create_problem("not a target", _BAD_REQUEST, "a target is a package URL")
    try:
        [declaration] = mark_withheld(parse_target(target), rules)
    except (NerqError, ValueError) as error:
        return _create_problem("not a target", _BAD_REQUEST, str(error))
    if declaration.package.ecosystem not in _ECOSYSTEMS:
        return _create_problem("not a target", _BAD_REQUEST, "evidence is of packages on PyPI and npm")
    if declaration.skip_reason:
        return _create_problem("not looked up", _NOT_FOUND, "the service does not look this name up")
    return declaration


def _create_problem(title: str, status: int, detail: str) -> TargetProblem:
    return TargetProblem(title=title, status=status, detail=detail)


def build_problem_document(target: str, problem: TargetProblem, now: int, max_age: int = 0) -> StoredDocument:
    """Return the document of a target about which there is no evidence."""
    document = TargetDocument(target=target, as_of=now, expires_at=now + max_age, problem=problem)
    return StoredDocument(msgspec.json.encode(document), 0, now + max_age)


def _split_by_package(targets: Mapping[str, Declaration]) -> Iterator[dict[str, Declaration]]:
    """Yield the targets in batches with each package once: the evidence about one version is not that about another."""
    left = dict(targets)
    while left:
        batch: dict[Package, str] = {}
        for target, declaration in left.items():
            batch.setdefault(declaration.package, target)
        yield {target: left.pop(target) for target in batch.values()}


def _get_release(declaration: Declaration) -> Release | None:
    version = get_ecosystem(declaration.ecosystem).parse_pin(declaration.requirement)
    return Release(package=declaration.package, version=version) if version else None


def _build_document(target: str, package: Package, gatherer: _Gatherer, now: int, max_age: int) -> StoredDocument:
    writer = gatherer.writers.get(package)
    fact = gatherer.package_facts.package_info.get(package)
    problem = None
    if isinstance(fact, Absent):
        problem = _create_problem("not found", _NOT_FOUND, f"{fact.source} has no package of this name")
    elif writer is None or not any(answer.call == recorded_facts.RELEASES for answer in writer.answers):
        reason = fact.reason if isinstance(fact, Unknown) else "nothing is known about it"
        return build_problem_document(target, _create_problem("not known", _UNAVAILABLE, reason), now)
    answers = writer.answers if writer is not None else []
    received = [answer.retrieved_at for answer in answers if answer.field not in _SHIPPED_FIELDS]
    oldest = min(filter(None, received), default=0)
    expires_at = _find_end(answers, now, max_age)
    document = TargetDocument(
        target=target,
        as_of=now,
        oldest_answer=oldest,
        expires_at=expires_at,
        answers=tuple(answers),
        values={digest: msgspec.Raw(content) for digest, content in sorted(writer.values.items())} if writer else {},
        problem=problem,
    )
    return StoredDocument(msgspec.json.encode(document), oldest, expires_at)


def _find_end(answers: Iterable[Answer], now: int, max_age: int) -> int:
    """Return until when a document is used: the advisories in it are then not much older than an hour.

    OSV's answers are reused for an hour, and evidence made from them must not add a full hour to that.
    """
    asked_at = [answer.retrieved_at for answer in answers if answer.source == OSV_LABEL and answer.retrieved_at]
    end = min(now + max_age, min(asked_at, default=now) + MAX_AGE)
    return max(end, now + min(max_age, INCOMPLETE_MAX_AGE))


class _Gatherer:
    """An ``EvidenceProvider`` that keeps the answers of a run by package."""

    def __init__(self, run: EvidenceProvider) -> None:
        self._run = run
        self.writers: dict[Package, FactWriter] = {}
        self.package_facts = PackageFacts()

    def has_gap(self, package: Package) -> bool:
        """Whether something is unknown, or not known in full, that a source which did not answer may have."""
        writer = self.writers.get(package)
        return writer is not None and any(answer.state in _GAPS and answer.source for answer in writer.answers)

    def _open(self, package: Package) -> FactWriter:
        return self.writers.setdefault(package, FactWriter(_DIGEST_LENGTH))

    def collect_packages(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> PackageFacts:
        """Return and keep what the registries publish about packages."""
        package_facts = self._run.collect_packages(packages, pinned)
        self.package_facts = self.package_facts.merge(package_facts)
        for package, fact in package_facts.package_info.items():
            self._open(package).keep(
                recorded_facts.PACKAGES, package, recorded_facts.NO_VERSION, recorded_facts.PACKAGE_INFO, fact
            )
        return package_facts

    def find_package_records(
        self, packages: Sequence[Package], neighbours: Sequence[Release], package_facts: PackageFacts
    ) -> Mapping[Package, Found[tuple[Advisory, ...]]]:
        """Return and keep the advisory records of packages."""
        facts = self._run.find_package_records(packages, neighbours, package_facts)
        for package, fact in facts.items():
            self._open(package).keep_records({package: fact})
        return facts

    def find_local_evidence(self, releases: Sequence[Release]) -> Mapping[Release, Evidence]:
        """Return what advisories on this machine have about releases: those who ask have their own."""
        return self._run.find_local_evidence(releases)

    def find_advisories(self, releases: Sequence[Release], package_facts: PackageFacts) -> Mapping[Release, Evidence]:
        """Return the advisories that affect releases of which nothing else is looked up."""
        return self._run.find_advisories(releases, package_facts)

    def collect_evidence(self, releases: Sequence[Release], package_facts: PackageFacts) -> Mapping[Release, Evidence]:
        """Return and keep the evidence for each release."""
        evidence = self._run.collect_evidence(releases, package_facts)
        for release, facts in evidence.items():
            self._open(release.package).keep_evidence(recorded_facts.RELEASES, {release: facts})
        return evidence

    def collect_repositories(self, keys: Sequence[RepositoryKey]) -> Mapping[RepositoryKey, HubEvidence]:
        """Return what the Hub has about repositories."""
        return self._run.collect_repositories(keys)

    def collect_github(self, keys: Sequence[RepositoryKey]) -> Mapping[RepositoryKey, GithubEvidence]:
        """Return what is known of repositories on GitHub."""
        return self._run.collect_github(keys)

    def find_dependencies(
        self, releases: Sequence[Release], package_facts: PackageFacts
    ) -> Mapping[Release, Fact[DependencyTree]]:
        """Return and keep the dependencies of releases."""
        facts = self._run.find_dependencies(releases, package_facts)
        for release, fact in facts.items():
            self._open(release.package).keep_dependencies({release: fact})
        return facts

    def describe_sources(self) -> tuple[SourceStatus, ...]:
        """Return the status of each source that was used."""
        return self._run.describe_sources()
