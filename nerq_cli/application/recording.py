"""Record what a run used, and replay it: the same report without a network and without the project."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from msgspec.structs import replace

from nerq_cli import __version__
from nerq_cli.application import recorded_facts
from nerq_cli.application.recorded_facts import (
    DEFAULTS,
    GITHUB_FIELDS,
    HUB_FIELDS,
    HUB_TABLES,
    PACKAGE_INFO,
    FactReader,
    FactWriter,
)
from nerq_cli.application.recording_file import (
    FORMAT,
    NO_DIGEST,
    SINGLE_FORMAT,
    Answer,
    Command,
    Manifest,
    RecordedEarlierRun,
    RecordedInputs,
    Recording,
    compute_sha256,
    encode_recording,
    read_recording,
)
from nerq_cli.errors import ExitStatus, NerqError, UsageError
from nerq_cli.evidence.absence import may_be_private
from nerq_cli.evidence.registry_lookup import PackageFacts
from nerq_cli.facts import Advisory, Evidence, Fact, Found, Unknown
from nerq_cli.github_facts import GithubEvidence
from nerq_cli.hub_facts import HubEvidence
from nerq_cli.inventory import ADVISORIES_ONLY, Declaration, DependencyFile, Package, Release
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.report import FORMATS, RenderOptions
from nerq_cli.signals.signal import format_count

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceRun
    from nerq_cli.application.repositories import RepositoryKey
    from nerq_cli.application.session import Session
    from nerq_cli.policy.baseline import Record
    from nerq_cli.policy.rules.rule import ForeignOrigin
    from nerq_cli.policy.settings import PolicySettings
    from nerq_cli.report.model import Report, SourceStatus
    from nerq_cli.sources.deps_dev import DependencyTree

#: States of dependencies that are not looked up: the project's own, and those of other places.
_UNLISTED_STATES: Final = frozenset({"skipped", "not-judged"})


class Recorder:
    """An ``EvidenceProvider`` that keeps every answer of a run."""

    def __init__(self, session: Session, command: Command, *, keeps_private: bool) -> None:
        self._session = session
        self._command = command
        self._keeps_private = keeps_private
        self._facts = FactWriter()
        #: Packages that are not known to be public.
        self._private: set[Package] = set()
        self._opened_run: EvidenceRun | None = None
        self._inputs: RecordedInputs | None = None
        self._earlier: Record | None = None
        self._base = ""

    @property
    def has_inputs(self) -> bool:
        """Whether something was judged."""
        return self._inputs is not None

    @property
    def _run(self) -> EvidenceRun:
        if self._opened_run is None:
            message = "the recording has not begun"
            raise RuntimeError(message)
        return self._opened_run

    def begin(
        self,
        run: EvidenceRun,
        declarations: Sequence[Sequence[Declaration]],
        options: ScanOptions,
        dependency_files: Sequence[DependencyFile] = (),
        foreign_origins: Sequence[ForeignOrigin] = (),
    ) -> None:
        """Record the answers of a run, and keep what is judged, and how.

        The declarations have the reasons for which some are not looked up.
        """
        self._opened_run = run
        self._inputs = RecordedInputs(
            options=options,
            declarations=tuple(map(tuple, declarations)),
            dependency_files=tuple(dependency_files),
            foreign_origins=tuple(foreign_origins),
        )
        self._private.update(
            declaration.package
            for group in declarations
            for declaration in group
            if declaration.skip_reason and not declaration.skip_reason.endswith(ADVISORIES_ONLY)
        )

    def keep_earlier(self, record: Record, base: str) -> None:
        """Keep the run that this one is compared with; ``base`` is the scanned directory, as in the locations."""
        self._earlier, self._base = record, base
        for dependency in record.dependencies:
            package = Package(ecosystem=dependency.ecosystem, name=dependency.name)
            if dependency.state in _UNLISTED_STATES or not self._session.is_public(package):
                self._private.add(package)

    def collect_packages(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> PackageFacts:
        """Return and keep what the registries publish about packages."""
        package_facts = self._run.collect_packages(packages, pinned)
        is_public = self._session.is_public
        for package in packages:
            fact = package_facts.package_info.get(package)
            is_own = self._command == "scan" and fact is not None and may_be_private(fact)
            if is_own or not is_public(package):
                self._private.add(package)
        self._facts.keep_packages(package_facts)
        return package_facts

    def find_package_records(
        self, packages: Sequence[Package], neighbours: Sequence[Release], package_facts: PackageFacts
    ) -> Mapping[Package, Found[tuple[Advisory, ...]]]:
        """Return and keep the advisory records of packages."""
        facts = self._run.find_package_records(packages, neighbours, package_facts)
        self._facts.keep_records(facts)
        return facts

    def find_local_evidence(self, releases: Sequence[Release]) -> Mapping[Release, Evidence]:
        """Return and keep what advisories on this machine have about releases."""
        return self._keep_evidence(recorded_facts.LOCAL, self._run.find_local_evidence(releases))

    def find_advisories(self, releases: Sequence[Release], package_facts: PackageFacts) -> Mapping[Release, Evidence]:
        """Return and keep the advisories that affect releases."""
        return self._keep_evidence(recorded_facts.ADVISORIES, self._run.find_advisories(releases, package_facts))

    def collect_evidence(self, releases: Sequence[Release], package_facts: PackageFacts) -> Mapping[Release, Evidence]:
        """Return and keep the evidence for each release."""
        return self._keep_evidence(recorded_facts.RELEASES, self._run.collect_evidence(releases, package_facts))

    def collect_repositories(self, keys: Sequence[RepositoryKey]) -> Mapping[RepositoryKey, HubEvidence]:
        """Return and keep what the Hub has about repositories."""
        evidence = self._run.collect_repositories(keys)
        for (package, revision), facts in evidence.items():
            for field, fact in _list_hub_facts(facts):
                self._facts.keep(recorded_facts.REPOSITORIES, package, revision, field, fact)
        return evidence

    def collect_github(self, keys: Sequence[RepositoryKey]) -> Mapping[RepositoryKey, GithubEvidence]:
        """Return and keep what is known of repositories on GitHub; of one that it shows to its owner only, nothing."""
        evidence = self._run.collect_github(keys)
        for (package, revision), facts in evidence.items():
            if not (isinstance(facts.hosted, Found) and not facts.hosted.value.private):
                self._private.add(package)
            for field in GITHUB_FIELDS:
                self._facts.keep(recorded_facts.GITHUB, package, revision, field, getattr(facts, field))
        return evidence

    def find_dependencies(
        self, releases: Sequence[Release], package_facts: PackageFacts
    ) -> Mapping[Release, Fact[DependencyTree]]:
        """Return and keep the dependencies of releases."""
        facts = self._run.find_dependencies(releases, package_facts)
        self._facts.keep_dependencies(facts)
        return facts

    def describe_sources(self) -> tuple[SourceStatus, ...]:
        """Return and keep the status of each source that was used."""
        sources = self._run.describe_sources()
        if self._inputs is not None:
            self._inputs = replace(self._inputs, sources=sources)
        return sources

    def _keep_evidence(self, call: str, evidence: Mapping[Release, Evidence]) -> Mapping[Release, Evidence]:
        self._facts.keep_evidence(call, evidence)
        return evidence

    def finish(self, report: Report) -> tuple[bytes, Manifest]:
        """Return the content of the recording of a finished report, and its manifest."""
        if self._inputs is None:
            message = "the recording has not begun"
            raise RuntimeError(message)
        inputs = replace(
            self._inputs, warnings=self._run.warnings, offline=self._run.is_offline, directory=report.directory
        )
        private = frozenset() if self._keeps_private else self._find_private(inputs)
        is_whole, earlier = not private, self._earlier
        if not self._keeps_private:
            cleaner = _Cleaner(private, self._session.config.private)
            inputs = cleaner.clean(inputs)
            earlier = None if earlier is None else cleaner.clean_earlier(earlier)
            is_whole = not private and not cleaner.has_dropped
        if earlier is not None:
            inputs = replace(inputs, earlier=_encode_earlier(earlier, self._base))
        answers = [answer for answer in self._facts.answers if _get_package(answer) not in private]
        kept_digests = {answer.sha256 for answer in answers}
        recording = Recording(
            manifest=Manifest(
                format=SINGLE_FORMAT if earlier is None else FORMAT,
                command=self._command,
                version=__version__,
                methodology=PACKAGES.version,
                as_of=report.as_of,
                shipped_data=_list_shipped_data(),
                left_out=len(private),
                exit=report.exit,
                report_sha256=compute_sha256(_render_json(report)) if is_whole else NO_DIGEST,
                documents={},
            ),
            inputs=inputs,
            answers=tuple(answers),
            values={digest: value for digest, value in self._facts.values.items() if digest in kept_digests},
        )
        return encode_recording(recording), recording.manifest

    def _find_private(self, inputs: RecordedInputs) -> frozenset[Package]:
        """Return the packages to leave out. A name that is public in one of the ecosystems of a check is no secret."""
        if self._command == "scan":
            return frozenset(self._private)
        groups = [{declaration.package for declaration in group} for group in inputs.declarations]
        return frozenset(self._private) - {package for group in groups if group - self._private for package in group}


def _encode_earlier(record: Record, base: str) -> RecordedEarlierRun:
    from nerq_cli.application.baseline_files import encode_record

    document = msgspec.Raw(encode_record(record))
    return RecordedEarlierRun(document=document, label=record.label, notes=record.notes, base=base)


class Player:
    """An ``EvidenceProvider`` that gives the answers of a recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._facts = FactReader(recording.answers, recording.values)

    def collect_packages(self, packages: Sequence[Package], pinned: Sequence[Release] = ()) -> PackageFacts:  # noqa: ARG002 - the protocol
        """Return what the registries published about packages."""
        found = {package: self._facts.find(recorded_facts.PACKAGES, package).get(PACKAGE_INFO) for package in packages}
        return PackageFacts({package: fact for package, fact in found.items() if fact is not None})

    def find_package_records(
        self,
        packages: Sequence[Package],
        neighbours: Sequence[Release],  # noqa: ARG002 - the protocol
        package_facts: PackageFacts,  # noqa: ARG002 - the protocol
    ) -> Mapping[Package, Found[tuple[Advisory, ...]]]:
        """Return the advisory records of packages."""
        found = {
            package: self._facts.find(recorded_facts.RECORDS, package).get(recorded_facts.RECORDS)
            for package in packages
        }
        return {package: fact for package, fact in found.items() if isinstance(fact, Found)}

    def find_local_evidence(self, releases: Sequence[Release]) -> Mapping[Release, Evidence]:
        """Return what advisories on the machine of the recording had about releases."""
        return self._facts.find_evidence(recorded_facts.LOCAL, releases)

    def find_advisories(self, releases: Sequence[Release], package_facts: PackageFacts) -> Mapping[Release, Evidence]:  # noqa: ARG002 - the protocol
        """Return the advisories that affect releases."""
        return self._facts.find_evidence(recorded_facts.ADVISORIES, releases)

    def collect_evidence(self, releases: Sequence[Release], package_facts: PackageFacts) -> Mapping[Release, Evidence]:  # noqa: ARG002 - the protocol
        """Return the evidence for each release; of one that is not recorded everything is unknown."""
        evidence = self._facts.find_evidence(recorded_facts.RELEASES, releases)
        return {release: evidence.get(release) or _NOT_RECORDED for release in releases}

    def collect_repositories(self, keys: Sequence[RepositoryKey]) -> Mapping[RepositoryKey, HubEvidence]:
        """Return what the Hub had about repositories; of one that is not recorded everything is unknown."""
        return {key: _build_hub_evidence(self._facts.find(recorded_facts.REPOSITORIES, *key)) for key in keys}

    def collect_github(self, keys: Sequence[RepositoryKey]) -> Mapping[RepositoryKey, GithubEvidence]:
        """Return what was known of repositories on GitHub; of one that is not recorded everything is unknown."""
        unknown = Unknown("not in the recording")
        found = {key: self._facts.find(recorded_facts.GITHUB, *key) for key in keys}
        fields: dict[RepositoryKey, dict[str, Any]] = {
            key: {field: facts.get(field, unknown) for field in GITHUB_FIELDS} for key, facts in found.items()
        }
        return {key: GithubEvidence(**facts) for key, facts in fields.items()}

    def find_dependencies(
        self,
        releases: Sequence[Release],
        package_facts: PackageFacts,  # noqa: ARG002 - the protocol
    ) -> Mapping[Release, Fact[DependencyTree]]:
        """Return the dependencies of releases that are recorded."""
        call = recorded_facts.DEPENDENCIES
        facts = {release: self._facts.find(call, release.package, release.version) for release in releases}
        return {release: found[call] for release, found in facts.items() if call in found}

    def describe_sources(self) -> tuple[SourceStatus, ...]:
        """Return the status of each source that was used."""
        return self._recording.inputs.sources


_NOT_RECORDED: Final = Evidence(**{name: Unknown("not in the recording") for name in DEFAULTS})


def _list_hub_facts(evidence: HubEvidence) -> Iterator[tuple[str, Fact[Any]]]:
    """Yield the facts about a repository with the names of their fields: ``card``, ``bases:owner/name``."""
    yield from ((field, getattr(evidence, field)) for field in HUB_FIELDS)
    for table in HUB_TABLES:
        yield from ((f"{table}:{id_}", fact) for id_, fact in getattr(evidence, table).items())


def _build_hub_evidence(facts: Mapping[str, Fact[Any]]) -> HubEvidence:
    unknown = Unknown("not in the recording")
    tables: dict[str, dict[str, Fact[Any]]] = {table: {} for table in HUB_TABLES}
    for name, fact in facts.items():
        table, _, id_ = name.partition(":")
        if id_:
            tables[table][id_] = fact
    fields: dict[str, Any] = {**tables, **{field: facts.get(field, unknown) for field in HUB_FIELDS}}
    return HubEvidence(**fields)


class Replay(msgspec.Struct, frozen=True):
    """What a replay returns."""

    report: Report
    recording: Recording
    #: Sentences about how the report differs from the one that was recorded.
    notices: tuple[str, ...] = ()
    #: For each target of a check that names several packages, these.
    ambiguous: tuple[tuple[Any, ...], ...] = ()


def replay_file(path: Path, *, command: Command, rescore: bool = False) -> Replay:
    """Make the report of a recording again. No clock, network, cache, configuration or project is read.

    Args:
        path: the recording.
        command: the command that recorded it.
        rescore: whether another methodology than that of the recording may be used.

    Raises:
        UsageError: the file is no recording or is damaged, another command wrote it, or its scores are of another
            methodology.
    """
    recording = read_recording(path)
    manifest = recording.manifest
    if manifest.command != command:
        raise UsageError(
            f"{path} is the recording of nerq {manifest.command}", hint=f"nerq {manifest.command} --replay {path}"
        )
    if manifest.methodology != PACKAGES.version and not rescore:
        raise UsageError(
            f"{path}: its scores are of methodology {manifest.methodology}, and this version has {PACKAGES.version}",
            hint="--rescore computes them by this one; the report is then another one",
        )
    try:
        report, ambiguous = _score(recording)
        digest = compute_sha256(_render_json(report))
    except NerqError:
        raise
    except Exception as error:  # whatever is wrong with them: the data are those of the file
        raise UsageError(f"{path}: the recording is damaged: its data contradict each other") from error
    return Replay(report, recording, tuple(_compare(manifest, digest)), ambiguous)


def _score(recording: Recording) -> tuple[Report, tuple[tuple[Any, ...], ...]]:
    from nerq_cli.application.check import report_targets
    from nerq_cli.application.report_alternatives import add_alternatives
    from nerq_cli.application.scan import report_declarations

    inputs, player = recording.inputs, Player(recording)
    ambiguous: tuple[tuple[Any, ...], ...] = ()
    if recording.manifest.command == "check":
        report, ambiguous = report_targets(inputs.declarations, inputs.options, player)
    else:
        report = report_declarations(
            [declaration for group in inputs.declarations for declaration in group],
            inputs.options,
            player,
            dependency_files=inputs.dependency_files,
            foreign_origins=inputs.foreign_origins,
            earlier=_decode_earlier(inputs.earlier),
            base=inputs.earlier.base if inputs.earlier is not None else "",
        )
    report = replace(
        report,
        warnings=(*report.warnings, *inputs.warnings),
        hints=() if inputs.offline else report.hints,
        offline=inputs.offline,
        directory=inputs.directory,
    )
    report = add_alternatives(report, inputs.options)
    return _add_left_out(report, recording.manifest), ambiguous


def _decode_earlier(earlier: RecordedEarlierRun | None) -> Record | None:
    if earlier is None:
        return None
    from nerq_cli.application.baseline_files import decode_record

    return decode_record(bytes(earlier.document), earlier.label, earlier.notes)


def _add_left_out(report: Report, manifest: Manifest) -> Report:
    """Return a report that passes only if that of the recording did, which had further packages."""
    if not manifest.left_out:
        return report
    text = f"{format_count(manifest.left_out, 'private package')} left out of the recording"
    status = report.exit or ExitStatus(manifest.exit)
    reason = f"{report.exit_reason}; {text}, with which the exit status was {manifest.exit}"
    return replace(report, complete=False, exit=status, exit_reason=reason, warnings=(*report.warnings, text))


def _compare(manifest: Manifest, digest: str) -> Iterator[str]:
    """Yield how a report differs from that of the recording."""
    if manifest.methodology != PACKAGES.version:
        yield f"rescored: the recording has scores of methodology {manifest.methodology}"
    elif manifest.version != __version__:
        yield f"the recording is of nerq-cli {manifest.version}, this report of {__version__}"
    elif manifest.has_report_digest and digest != manifest.report_sha256:
        yield "this is not the report that was recorded: its digest differs"


def _render_json(report: Report) -> bytes:
    return b"".join(FORMATS["json"].render_parts(report, RenderOptions()))


def _list_shipped_data() -> dict[str, str]:
    """Return the dates of the data that are shipped with nerq-cli."""
    from datetime import datetime, timezone

    from nerq_cli.ecosystems import NPM, PYPI
    from nerq_cli.sources.advisories.shipped_editions import read_editions
    from nerq_cli.sources.popularity import ranks

    popular = {
        f"popular packages ({ecosystem})": datetime.fromtimestamp(ranks.get_list_date(ecosystem), timezone.utc)
        .date()
        .isoformat()
        for ecosystem in (PYPI, NPM)
    }
    return {**popular, **{f"advisories ({edition.ecosystem})": edition.date for edition in read_editions().values()}}


def _get_package(answer: Answer) -> Package:
    return Package(ecosystem=cast("Any", answer.ecosystem), name=answer.name)


class _Cleaner:
    """Leaves private names out of what is recorded."""

    def __init__(self, private: Collection[Package], patterns: Iterable[str]) -> None:
        self._private = private
        self._names = {package.name for package in private}
        self._patterns = tuple(patterns)
        #: Whether a sentence was left out.
        self.has_dropped = False

    def clean(self, inputs: RecordedInputs) -> RecordedInputs:
        """Return the inputs without private names. What a report does not need is left out as well."""
        private = self._private
        return replace(
            inputs,
            declarations=tuple(
                tuple(self._clean_declaration(item) for item in group if item.package not in private)
                for group in inputs.declarations
            ),
            dependency_files=tuple(map(self._clean_file, inputs.dependency_files)),
            foreign_origins=tuple(origin for origin in inputs.foreign_origins if origin.package not in private),
            warnings=self._select(inputs.warnings),
            options=self._clean_options(inputs.options),
        )

    def clean_earlier(self, record: Record) -> Record:
        """Return an earlier run without private names."""
        purls = {package.purl for package in self._private}
        return replace(
            record,
            dependencies=tuple(
                dependency
                for dependency in record.dependencies
                if Package(ecosystem=dependency.ecosystem, name=dependency.name) not in self._private
            ),
            findings=tuple(
                finding
                for finding in record.findings
                if finding.package not in purls and (not finding.text or self._is_public(finding.text))
            ),
            notes=self._select(record.notes),
        )

    def _clean_options(self, options: ScanOptions) -> ScanOptions:
        """Return the options without the settings about single private packages."""
        return replace(
            options,
            policy=self._clean_policy(options.policy),
            registration_problems=tuple(
                problem
                for problem in options.registration_problems
                if problem.package not in self._private and self._is_public(problem.text)
            ),
            waivers=tuple(
                waiver
                for waiver in options.waivers
                if self._is_public(f"{waiver.package} {waiver.path} {waiver.reason}")
            ),
            reviews=tuple(
                review for review in options.reviews if self._is_public(f"{review.package.name} {review.notes}")
            ),
        )

    def _clean_policy(self, policy: PolicySettings) -> PolicySettings:
        thresholds = policy.package_thresholds
        return replace(
            policy,
            package_thresholds={key: value for key, value in thresholds.items() if self._is_public(key)},
            allowed_scripts=self._select(policy.allowed_scripts),
            subtrees=tuple(replace(entry, policy=self._clean_policy(entry.policy)) for entry in policy.subtrees),
        )

    def _clean_declaration(self, declaration: Declaration) -> Declaration:
        return replace(
            declaration,
            via="" if declaration.via in self._names else declaration.via,
            parents=tuple(parent for parent in declaration.parents if parent not in self._names),
        )

    def _clean_file(self, file: DependencyFile) -> DependencyFile:
        return replace(
            file,
            local_names=(),
            local_versions=(),
            project_name="",
            members=(),
            overridden_names=(),
            settings=(),
            includes=(),
            origins=(),
            index="",
            extra_indexes=(),
            unlocked_problems=(),
            decided_scripts=tuple(
                entry for entry in file.decided_scripts if not {entry, entry.rpartition("@")[0]} & self._names
            ),
            drift=tuple(drift for drift in file.drift if drift.package not in self._private),
            notes=self._select(file.notes),
            setting_notes=self._select(file.setting_notes),
            remarks=self._select(file.remarks),
            problems=tuple(
                problem
                if self._is_public(f"{problem.message} {problem.text} {problem.hint}")
                else replace(problem, message="left out of the recording", text="", hint="")
                for problem in file.problems
            ),
        )

    def _select(self, sentences: Iterable[str]) -> tuple[str, ...]:
        return tuple(filter(self._is_public, sentences))

    def _is_public(self, sentence: str) -> bool:
        is_public = not any(name in sentence for name in (*self._names, *self._patterns))
        self.has_dropped |= not is_public
        return is_public
