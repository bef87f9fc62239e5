"""Read and judge one project of a fleet: the code of a scan, with what the projects share opened once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from nerq_cli.application.fleet_sources import Checkout, FleetSource, open_checkout
from nerq_cli.application.known_assessments import ENCODER, KnownAssessments
from nerq_cli.application.read_dependencies import Inputs, read_inputs
from nerq_cli.application.scan import run_scan, select_groups
from nerq_cli.application.scores import describe_code
from nerq_cli.application.session import Session, hide_progress, read_settings
from nerq_cli.application.snapshots import name_release, summarise_report
from nerq_cli.config import compile_patterns, find_private_strings
from nerq_cli.config.weaker import find_weaker
from nerq_cli.decoders import build_msgpack_decoder_late
from nerq_cli.ecosystems import EcosystemId, is_repository, normalise_name
from nerq_cli.errors import ConfigError, ExitStatus, NerqError, NothingToScanError
from nerq_cli.insight.fleet import FleetProject, ProjectResult, ProjectState, RuleCount, VersionUse, is_below
from nerq_cli.insight.snapshots import pack_summary
from nerq_cli.inventory import MCP_GROUP, PRIVATE_REASON, PROJECT_REASONS, Declaration, DependencyFile, Package
from nerq_cli.manifests.formats import format_ecosystems
from nerq_cli.privacy import find_withheld_reason
from nerq_cli.report.terminal.problems import format_position
from nerq_cli.resolve.resolver import CONSTRAINT_GROUP
from nerq_cli.signals.signal import format_count

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceRun
    from nerq_cli.application.session import ProgressFactory
    from nerq_cli.application.settings import Settings
    from nerq_cli.config import Config
    from nerq_cli.config.patterns import CompiledPatterns
    from nerq_cli.fetch.fetcher import Fetcher
    from nerq_cli.privacy import PrivacyRules
    from nerq_cli.problem import Problem
    from nerq_cli.report.model import Assessment, Report
    from nerq_cli.store import Cache
    from nerq_cli.store.history import HistoryFile

#: Start of the reason of a name that another project of the fleet withholds. It leaves a project incomplete: none can
#: exempt the dependencies of others.
WITHHELD_REASON: Final = "not sent: withheld by "
_WITHHELD_END: Final = ", another project of this fleet"
#: Reasons why a project takes a package from elsewhere than a registry.
_ELSEWHERE: Final = ("URL: ", "git: ", "hg: ", "svn: ", "bzr: ")
_OWN: Final = (*PROJECT_REASONS, *_ELSEWHERE)
#: Problems of its files that a project is reported with.
_MAX_PROBLEMS: Final = 5
_SEVERITIES: Final = ("critical", "high", "medium", "low", "unknown")
_DIGEST_SIZE: Final = 16


_FILES_DECODER: Final = build_msgpack_decoder_late(tuple[DependencyFile, ...])


class NameUse(NamedTuple):
    """A package as a project declares it, as far as it is asked about: with its version, or with its range."""

    ecosystem: EcosystemId
    name: str
    requirement: str
    locked_version: str


class ReadProject(msgspec.Struct, frozen=True, array_like=True):
    """What a fleet must know of all projects before the first request is sent."""

    #: Digest of everything that the judgement of the project rests on beside evidence.
    digest: bytes
    commit: str = ""
    uses: tuple[NameUse, ...] = ()
    #: Names that the project keeps from registries: ecosystem, name, and whether its settings declare it private.
    withheld: tuple[tuple[EcosystemId, str, bool], ...] = ()
    #: Why it cannot be read; empty if it can.
    error: str = ""
    #: Patterns of the names that its settings declare private, whether the project has them or not.
    private: tuple[str, ...] = ()


class Shared:
    """What the projects of a fleet share in one process. It is opened on its first use."""

    def __init__(
        self,
        settings: Settings,
        *,
        now: int,
        as_of: int,
        store: Cache | None,
        failures: dict[tuple[tuple[str, str], str], str],
        deadline: float | None,
    ) -> None:
        """Share what is open.

        Args:
            settings: as the user gave them.
            now: the present, in epoch seconds UTC.
            as_of: moment that ages are measured from, in epoch seconds UTC.
            store: a cache in memory; None for that of the settings.
            failures: requests that failed, which are not sent again.
            deadline: moment of the monotonic clock when no answer is waited for any more; None for none.
        """
        self.settings = settings
        self.now = now
        self.as_of = as_of
        self._store = store
        self._failures = failures
        self._deadline = deadline
        #: What every project is given that is judged alike; begun before the first project is.
        self.known = KnownAssessments()
        config = read_fleet_settings(settings)
        self._uses_service = bool(config.service or config.service_only)
        self._is_service_only = bool(config.service_only)
        self._session: FleetSession | None = None

    def without_refresh(self) -> Shared:
        """Return the same, not open, which uses the answers that the run received."""
        shared = Shared(
            replace(self.settings, refresh=False),
            now=self.now,
            as_of=self.as_of,
            store=self._store,
            failures=self._failures,
            deadline=self._deadline,
        )
        shared.known = self.known
        if self.settings.refresh and not self._is_service_only:  # the answers are those of the sources
            shared._uses_service = False
        return shared

    def open_gathering(
        self, config: Config, create_progress: ProgressFactory, withheld: Callable[[Package], str]
    ) -> FleetSession:
        """Return the session of no project, which asks about the packages of all; nothing of it is open yet."""
        session = self._prepare(FleetSession(self.settings, config, Path(), create_progress))
        session.withheld = withheld
        session.known = self.known
        return session

    def open_session(self, root: Path, withheld: Callable[[Package], str]) -> FleetSession:
        """Return the session of a project, with its own settings.

        Raises:
            ConfigError: its settings are not valid.
        """
        if self._session is None:
            config = read_fleet_settings(self.settings)
            self._session = self._prepare(FleetSession(self.settings, config, Path()))
            self._session.fetcher.sends_tentative = False  # what is of use was asked for before
        session = self._prepare(FleetSession(self.settings, read_settings(self.settings, root), root))
        session.withheld = withheld
        session.share(self._session)
        return session

    def _prepare(self, session: FleetSession) -> FleetSession:
        session.now, session.deadline, session.failures = self.now, self._deadline, self._failures
        # A service that only a project names is not asked: what is asked about once is asked at one place.
        session.uses_service = self._uses_service
        if self._store is not None:
            session.use_store(self._store)
        return session

    def close(self) -> None:
        """Close what was opened here."""
        if self._session is not None:
            self._session.close()
            self._session = None


class FleetSession(Session):
    """The session of a project in a fleet. Its cache and its connections are those of the fleet."""

    #: The present, in epoch seconds UTC.
    now: int = 0
    #: Moment of the monotonic clock when no answer is waited for any more; None for none.
    deadline: float | None = None
    #: Requests that failed, which are not sent again.
    failures: dict[tuple[tuple[str, str], str], str] | None = None
    #: Returns why another project of the fleet keeps a name from being sent; empty if none does.
    withheld: Callable[[Package], str] = lambda _: ""
    #: Assessments that its runs share with those of other projects; None for none.
    known: KnownAssessments | None = None
    _run: EvidenceRun | None = None

    @property
    def history(self) -> HistoryFile | None:
        """None: the fleet leaves the snapshots of all projects, at its end."""
        return None

    @property
    def fetcher(self) -> Fetcher:
        """The connections of the fleet, which send no failed request again."""
        if self._fetcher is None:
            super().fetcher.failures = self.failures
        return super().fetcher

    def is_declared_private(self, package: Package) -> bool:
        """Return whether the settings of the project declare a name private, or another project withholds it."""
        return super().is_declared_private(package) or bool(self.withheld(package))

    def build_rules(self, dependency_files: Sequence[DependencyFile]) -> PrivacyRules:
        """Return the rules that decide which names may leave the machine: those of the project, and of the others."""
        rules = super().build_rules(dependency_files)
        if self._run is not None and self.index_config.assigned_searches:  # its packages come from other indexes
            self._run.known = None
        return replace(rules, withheld_elsewhere=self.withheld)

    def open_run(self) -> EvidenceRun:
        """Return the evidence of a run at the moment of the fleet, within its time."""
        if self.deadline is not None:
            self.config = replace(self.config, timeout=max(1.0, self.deadline - time.monotonic()))
        run = super().open_run()
        run.known = self.known
        if self.now:
            run.fix_moment(self.now)
        self._run = run
        return run


def read_fleet_settings(settings: Settings) -> Config:
    """Return the settings of the fleet: those of the user, without any project's.

    Raises:
        ConfigError: a variable, or the file that NERQ_CONFIG names, is not valid.
        UsageError: an option is not valid.
    """
    if not os.environ.get("NERQ_CONFIG", "").strip():
        settings = replace(settings, no_config=True)
    return read_settings(settings, Path())


# --- Before the first request


def read_project(source: FleetSource, settings: Settings, path: Path) -> ReadProject:
    """Return what a project declares, and which names it withholds. No request is sent.

    Its dependency files are written to ``path`` as they were read, for ``judge_project``.
    """
    try:
        with open_checkout(source) as checkout:
            try:
                return _read_checkout(checkout.root, checkout.commit, source, settings, path)
            except Exception as error:  # noqa: BLE001 - what one project makes fail must not stop the others
                return _read_what_is_withheld(checkout, error, source, settings, path)
    except NerqError as error:
        return ReadProject(digest=b"", error=describe_error(error))
    except Exception as error:  # noqa: BLE001 - as above
        return ReadProject(digest=b"", error=describe_bug(error))


def _read_what_is_withheld(
    checkout: Checkout, error: Exception, source: FleetSource, settings: Settings, path: Path
) -> ReadProject:
    """Return a project that cannot be judged, and names that the others must not send: those that can be read of it."""
    obeys_project = not settings.no_config and not os.environ.get("NERQ_CONFIG", "").strip()
    private = find_private_strings(checkout.root) if obeys_project else ()
    read = ReadProject(digest=b"")
    if isinstance(error, ConfigError):
        with suppress(Exception):
            read = _read_checkout(checkout.root, checkout.commit, source, replace(settings, no_config=True), path)
        path.unlink(missing_ok=True)
    reason = describe_error(error) if isinstance(error, NerqError) else describe_bug(error)
    return replace(read, digest=b"", uses=(), error=_cut_root(reason, source, checkout.root), private=private)


def describe_bug(error: Exception) -> str:
    """Return an exception that no code expects as a reason."""
    return f"it could not be read: {type(error).__name__}: {error}"


def describe_error(error: NerqError) -> str:
    """Return an error as a reason: the place and the text of its first problem, or its own text, with its hint."""
    problems = getattr(error, "problems", ())
    if not problems:
        return f"{error} ({error.hint})" if error.hint else f"{error}"
    more = format_count(len(problems) - 1, "more problem")
    return f"{describe_problem(problems[0])}{f' and {more}' if len(problems) > 1 else ''}"


def describe_problem(problem: Problem) -> str:
    """Return a problem of a file with its place and hint."""
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"{format_position(problem)}: {problem.message}{hint}"


def _cut_root(text: str, source: FleetSource, root: Path) -> str:
    """Return a text whose paths are those of the commit: its files are in a temporary directory."""
    if not source.ref:
        return text
    return text.replace(f"{root.as_posix()}/", "").replace(f"{root.parent.as_posix()}/", "../")


def _read_checkout(root: Path, commit: str, source: FleetSource, settings: Settings, path: Path) -> ReadProject:
    with Session.open(settings, root) as session:
        config = session.config
        inputs = Inputs(
            paths=(str(root),),
            exclude=config.exclude,
            no_mcp=bool(config.no_mcp),
            no_models=bool(config.no_models),
        )
        options = session.build_scan_options()
        try:
            files = read_inputs(inputs, hide_progress, open_cache=session.open_second_cache, notes=[])
        except NothingToScanError:
            digest = _compute_digest(source, commit, (), b"", session, options)
            return ReadProject(digest=digest, commit=commit, private=config.private)
        try:
            content = ENCODER.encode(files)
        except UnicodeEncodeError:  # a name of a file that is not UTF-8
            content = b""
        else:
            path.write_bytes(content)
        files = session.add_cached_commits(session.name_indexes(files))
        rules = session.build_rules(files)
        selected = select_groups((declaration for file in files for declaration in file.declarations), options)
        uses: dict[NameUse, None] = {}
        withheld: dict[tuple[EcosystemId, str], bool] = {
            (ecosystem, normalise_name(ecosystem, name)): False
            for file in files
            for ecosystem in format_ecosystems(file.format)
            for name in file.local_names
        }
        for declaration in selected:
            package = declaration.package
            reason = declaration.skip_reason or find_withheld_reason(declaration, rules)
            key = (package.ecosystem, package.name)
            if not reason and declaration.index and not rules.is_default_index(declaration.index, package):
                withheld.setdefault(key, False)  # asked about at an index of the user's own
            elif not reason:
                if _is_gathered(declaration):
                    uses[
                        NameUse(
                            package.ecosystem,
                            package.name,
                            "" if declaration.locked_version else declaration.requirement,
                            declaration.locked_version,
                        )
                    ] = None
            elif not declaration.skip_reason or reason.startswith(_OWN):
                withheld[key] = withheld.get(key, False) or reason.startswith(PRIVATE_REASON)
        return ReadProject(
            digest=_compute_digest(source, commit, files, content, session, options) if content else b"",
            commit=commit,
            uses=tuple(uses),
            withheld=tuple((ecosystem, name, is_declared) for (ecosystem, name), is_declared in withheld.items()),
            private=config.private,
        )


def _is_gathered(declaration: Declaration) -> bool:
    """Whether a package is asked about before the projects are judged: not where its project decides from where."""
    return (
        not is_repository(declaration.ecosystem)
        and declaration.group not in (CONSTRAINT_GROUP, MCP_GROUP)
        and not declaration.index_name
        and not declaration.extra_indexes
        and not declaration.override_of
    )


def _compute_digest(
    source: FleetSource,
    commit: str,
    files: Sequence[DependencyFile],
    encoded_files: bytes,
    session: Session,
    options: ScanOptions,
) -> bytes:
    """Return the digest of what a judgement rests on, beside evidence: the files, the settings and this program.

    Empty if there is none, so that the judgement is not used again.
    """
    content: list[Any] = [
        describe_code(),
        source.key,
        commit or encoded_files,
        session.config,
        session.settings,
        replace(options, as_of=0),
        session.read_age_rules(files, session.root),
    ]
    if session.config.baseline:
        path = Path(session.config.path).parent / session.config.baseline
        content.append(path.read_bytes() if path.is_file() else b"")
    try:
        return blake2b(ENCODER.encode(content), digest_size=_DIGEST_SIZE).digest()
    except UnicodeEncodeError:  # as above
        return b""


# --- Judging


def judge_project(
    source: FleetSource,
    read: ReadProject,
    shared: Shared,
    withheld: Callable[[Package], str],
    fleet_config: Config,
    path: Path,
) -> ProjectResult:
    """Return the row of a project and its dependencies, as a scan of it finds them.

    ``path`` has its dependency files, where it has any. ``withheld`` returns why another project keeps a name from
    registries; empty if none does.
    """
    if read.error:
        return ProjectResult(_build_unreadable(source, read.error))
    root = Path(source.path)
    try:
        with open_checkout(source, read.commit) as checkout:
            root = checkout.root
            session = shared.open_session(checkout.root, withheld)
            options = replace(session.build_scan_options(), as_of=shared.as_of)
            inputs = Inputs(paths=(str(checkout.root),))
            if session.config.public == fleet_config.public:  # else services are asked about more names
                session.known = shared.known
            # Those of a commit have paths of a directory that is gone; its id stands for the same files.
            files = None if source.ref or not path.exists() else _FILES_DECODER.decode(path.read_bytes())
            report = run_scan(inputs, options, session, read_files=files).report
            was_given = shared.known.is_used
            if not shared.known.finish_run(report.sources) and was_given:
                session.known = None  # a source has no answer: how many it lacks is to be counted over all
                report = run_scan(inputs, options, session, read_files=files).report
            weaker = tuple(find_weaker(fleet_config, session.config)) if session.config.path else ()
            result = summarise_project(source, checkout.commit, report, fleet_config.threshold, weaker, checkout.root)
            return _mark_unread(result, checkout.unread_submodules, strict=options.strict)
    except NerqError as error:
        reason = _cut_root(describe_error(error), source, root)
        return ProjectResult(_build_unreadable(source, reason, error.exit))
    except Exception as error:  # noqa: BLE001 - as above
        return ProjectResult(_build_unreadable(source, _cut_root(describe_bug(error), source, root)))


def _build_unreadable(source: FleetSource, reason: str, status: ExitStatus = ExitStatus.USAGE) -> FleetProject:
    return FleetProject(
        name=source.name,
        path=show_text(source.path),
        ref=source.ref,
        state="incomplete" if status is ExitStatus.INCOMPLETE else "unreadable",
        exit=status.value,
        reason=reason,
    )


def summarise_project(
    source: FleetSource, commit: str, report: Report, threshold: float, weaker: tuple[str, ...], root: Path
) -> ProjectResult:
    """Return a report on a project as its row and its dependencies, those of third parties.

    ``threshold`` is that of the fleet; ``weaker`` is what the project's settings accept beyond those of the fleet.
    """
    summary = summarise_report(report)
    withheld = [
        entry.dependency.skip_reason.removeprefix(WITHHELD_REASON).removesuffix(_WITHHELD_END)
        for entry in report.dependencies
        if entry.dependency.skip_reason.startswith(WITHHELD_REASON) and not entry.dependency.is_own
    ]
    entries = [entry for entry in report.dependencies if not entry.dependency.is_own]
    uses = tuple(map(build_use, entries))
    if source.ref:
        uses = tuple(replace(use, reason=_cut_root(use.reason, source, root)) for use in uses)
    counts: dict[tuple[str, str], int] = {}
    for finding in report.findings:
        if finding.is_open:
            counts[finding.id, finding.level] = counts.get((finding.id, finding.level), 0) + 1
    project = FleetProject(
        name=source.name,
        path=show_text(source.path),
        ref=source.ref,
        commit=commit,
        state=_find_state(report),
        exit=report.exit.value,
        reason=_cut_root(report.exit_reason, source, root),
        complete=report.complete,
        dependency_files=len(report.dependency_files),
        dependencies=summary.dependencies,
        scored=summary.scored,
        below=summary.below,
        below_fleet=sum(is_below(use, threshold) for use in uses),
        lowest=summary.lowest,
        lowest_name=summary.lowest_name,
        median=summary.median,
        threshold=summary.threshold,
        findings=tuple(RuleCount(rule, level, count) for (rule, level), count in sorted(counts.items())),
        waived=sum(finding.waiver is not None for finding in report.findings),
        weaker=weaker,
        withheld=len(withheld),
        withheld_by=tuple(sorted({*withheld})),
        problems=tuple(_cut_root(describe_problem(problem), source, root) for problem in report.errors[:_MAX_PROBLEMS]),
        methodology=summary.methodology,
    )
    members = sorted(
        {
            name_release(release)
            for entry in report.dependencies
            if entry.score is not None and (release := entry.dependency.release) is not None
        }
    )
    return ProjectResult(project, uses, pack_summary(summary) if members else b"", tuple(members))


def _mark_unread(result: ProjectResult, submodules: Sequence[str], *, strict: bool) -> ProjectResult:
    """Return a judged project as one that was not checked completely if submodules could not be read."""
    if not submodules:
        return result
    reason = f"{format_count(len(submodules), 'submodule')} not read, whose commits the repository lacks"
    project = result.project
    if project.state in ("passed", "empty"):
        status = ExitStatus.INCOMPLETE if strict else ExitStatus.PASSED
        project = replace(project, state="incomplete", exit=status.value, reason=f"{project.reason}; {reason}")
    problems = (*project.problems, *(f"{path}: a submodule that cannot be read" for path in submodules))
    project = replace(project, complete=False, problems=problems[:_MAX_PROBLEMS])
    return replace(result, project=project)


def show_text(text: str) -> str:
    """Return a text without lone surrogates, which stand for bytes that are not UTF-8."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _find_state(report: Report) -> ProjectState:
    """Return the state of a project. A run that only reports is as it would be judged."""
    status = report.exit if report.judged_exit is None else report.judged_exit
    states: dict[ExitStatus, ProjectState] = {
        ExitStatus.BELOW: "failing",
        ExitStatus.USAGE: "unreadable",
        ExitStatus.INCOMPLETE: "incomplete",
        ExitStatus.EMPTY: "empty",
    }
    return states.get(status) or ("passed" if report.complete else "incomplete")


def build_use(entry: Assessment) -> VersionUse:
    """Return one dependency as a fleet reports it."""
    dependency, score = entry.dependency, entry.score
    advisories = sorted(entry.advisories, key=lambda item: (_SEVERITIES.index(item.severity), item.id))
    return VersionUse(
        ecosystem=dependency.package.ecosystem,
        name=dependency.package.name,
        version=dependency.version or "",
        purl=dependency.purl,
        score=None if score is None else score.value,
        grade="" if score is None else score.grade or "",
        provisional=score is not None and score.value is not None and score.grade is None,
        state=entry.state or "",
        direct=dependency.direct,
        reason="" if entry.state == "ok" or not entry.reasons else entry.reasons[0],
        advisories=tuple(item.id for item in advisories),
        malware=any(item.malware for item in advisories),
        exploited=any(item.exploited for item in advisories),
        fix=entry.fix if entry.upgrade is None else entry.upgrade.version,
        latest=entry.latest,
    )


#: Projects that are kept of those that withhold a name: one of them is another than that which is judged.
_NAMED: Final = 2


class Withheld:
    """The names that the projects of a fleet keep from registries: those that they have, and patterns of others."""

    def __init__(self, reads: Iterable[tuple[int, ReadProject]], is_known: Callable[[Package], bool]) -> None:
        """Collect them.

        A name that a project declares private is withheld in any case; another one not if it is known to be public.
        """
        self._names: dict[Package, tuple[int, ...]] = {}
        self._patterns: dict[str, tuple[int, ...]] = {}
        self._compiled: dict[EcosystemId, CompiledPatterns] = {}
        self._found: dict[Package, tuple[int, ...]] = {}
        for index, read in reads:
            for pattern in read.private:
                self._patterns[pattern] = _add_project(self._patterns.get(pattern, ()), index)
            for ecosystem, name, is_declared in read.withheld:
                package = Package(ecosystem=ecosystem, name=name)
                if is_declared or not is_known(package):
                    self._names[package] = _add_project(self._names.get(package, ()), index)

    def __bool__(self) -> bool:
        """Return whether any name is withheld."""
        return bool(self._names or self._patterns)

    @property
    def patterns(self) -> list[str]:
        """The patterns of names that the settings of projects declare private, sorted."""
        return sorted(self._patterns)

    def find_projects(self, package: Package) -> tuple[int, ...]:
        """Return the indexes of two of the projects that withhold a name; of fewer where there are no two."""
        if not self._patterns:
            return self._names.get(package, ())
        projects = self._found.get(package)
        if projects is None:
            projects = self._names.get(package, ())
            compiled = self._compiled.get(package.ecosystem)
            if compiled is None:
                compiled = self._compiled[package.ecosystem] = compile_patterns(self._patterns, package.ecosystem)
            for pattern in compiled.find(package):
                for index in self._patterns[pattern]:
                    projects = _add_project(projects, index)
            self._found[package] = projects
        return projects


def _add_project(projects: tuple[int, ...], index: int) -> tuple[int, ...]:
    return projects if index in projects or len(projects) == _NAMED else (*projects, index)


def explain_withheld(index: int | None, withheld: Withheld, names: Sequence[str]) -> Callable[[Package], str]:
    """Return a function that gives why a project with this index must not send a name: others withhold it.

    Without an index it is about what is sent for all projects.
    """

    def explain(package: Package) -> str:
        other = next((project for project in withheld.find_projects(package) if project != index), None)
        return "" if other is None else f"{WITHHELD_REASON}{names[other]}{_WITHHELD_END}"

    return explain


def list_withheld_names(uses: Iterable[NameUse], explain: Callable[[Package], str]) -> list[str]:
    """Return the names of a project that others withhold, sorted."""
    packages = {Package(ecosystem=use.ecosystem, name=use.name) for use in uses}
    return sorted(f"{package.ecosystem}/{package.name}" for package in packages if explain(package))
