"""One pass of ``nerq watch``: scan a project, compare it with the last pass, and return the state for the next one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from msgspec.structs import replace

from nerq_cli import __version__
from nerq_cli.application.named_targets import explain_no_score
from nerq_cli.application.project_identity import ProjectIdentity
from nerq_cli.application.scan import run_scan
from nerq_cli.application.watch_state import WatchedFinding, WatchState, encode_state, find_directory
from nerq_cli.ecosystems import EcosystemId, get_prefix
from nerq_cli.errors import ExitStatus, UsageError
from nerq_cli.facts import Absent, Found
from nerq_cli.insight.watch import (
    Observation,
    Pair,
    Registration,
    WatchChange,
    Watched,
    WatchedAdvisory,
    WatchedFacts,
    WatchedServer,
    WatchedWaiver,
    carry_registrations,
    compare_registrations,
    compare_servers,
    compare_waivers,
    find_changes,
    list_unread,
    sort_changes,
)
from nerq_cli.inventory import MCP_GROUP, McpServerId
from nerq_cli.policy.baseline import (
    DependencyChange,
    Record,
    RecordedAdvisory,
    RecordedDependency,
    RecordedFinding,
    RecordedScore,
    compare,
    freeze_parts,
    mark_findings,
    record_finding,
    record_run,
)
from nerq_cli.policy.rules import describe_counts
from nerq_cli.policy.settings import LEVELS
from nerq_cli.policy.waivers import count_days_left
from nerq_cli.report.gaps import list_unchecked
from nerq_cli.report.pages.watch import OpenFinding, WatchReport
from nerq_cli.signals.advisories import merge_advisories
from nerq_cli.signals.signal import format_count
from nerq_cli.sources import SOURCES
from nerq_cli.units import DAY, HOUR

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.read_dependencies import Inputs
    from nerq_cli.application.session import Session
    from nerq_cli.inventory import McpServer
    from nerq_cli.policy.findings import Finding
    from nerq_cli.policy.waivers import Waiver
    from nerq_cli.report.model import Assessment, Report

#: Packages from which a state that shares none of them is taken for that of another project.
_MIN_PACKAGES: Final = 3
#: Names of a project that an error has.
_MAX_NAMES: Final = 3
#: Servers whose registration is looked up, with two requests each.
_MAX_REGISTRATIONS: Final = 100
#: Seconds that the clock of the machine of the last pass may be ahead.
_MAX_SKEW: Final = HOUR
_UNCHECKED_STATES: Final = frozenset({"unknown", "not-judged"})
#: Rules that the files of the project decide, whatever sources answer.
_FILE_RULES: Final = frozenset({"unpinned", "lock-drift", "mcp-unpinned", "mcp-insecure-url"})


#: Ecosystem, name and version.
ReleaseKey: TypeAlias = tuple[EcosystemId, str, str]


class Pass(NamedTuple):
    """The result of a pass."""

    report: WatchReport
    #: The state for the next pass; None if this one could not read the project.
    state: bytes | None


def run_watch(
    inputs: Inputs, options: ScanOptions, session: Session, earlier: WatchState | None, *, notice_days: int
) -> Pass:
    """Scan a project and compare it with its last pass.

    Args:
        inputs: the project.
        options: what the scan does.
        session: where evidence comes from.
        earlier: the state of the last pass; None for the first one.
        notice_days: days before the end of a waiver from which on it is reported.

    Raises:
        UsageError: the last pass was after the moment of this one, or the state is that of another project.
    """
    if earlier is not None and earlier.as_of > options.as_of + _MAX_SKEW:
        from nerq_cli.report.wording import format_timestamp

        raise UsageError(
            f"the last pass was at {format_timestamp(earlier.as_of)}, after {format_timestamp(options.as_of)}",
            hint="leave --as-of out, or name a state of an earlier pass with --state",
        )
    result = run_scan(inputs, replace(options, keeps_facts=True), session)
    report = result.report
    if report.exit in (ExitStatus.USAGE, ExitStatus.EMPTY) or report.errors:
        return Pass(_report_failure(report, earlier), None)
    base = inputs.base
    entries = [entry for entry in report.dependencies if not entry.dependency.is_own]
    record = record_run(entries, report.findings, report.methodology.version, base=base)
    observations = _observe(entries, record.dependencies)
    project = result.identity or ProjectIdentity()
    if earlier is not None:
        _check_project(earlier, project, observations)
    waivers = list(_list_waivers(result.waivers, options.as_of))
    servers = [_build_server(server, base) for server in result.mcp_servers]
    registrations, unknown, notes = _read_registrations(entries, session, earlier)
    now = _Now(
        record, observations, servers, registrations, unknown, waivers, _find_unresolved(report, observations, earlier)
    )
    compared = _compare(earlier, now, report.findings, options.as_of, notice_days, base)
    state = WatchState(
        as_of=options.as_of,
        directory=find_directory(inputs.root),
        project=project,
        methodology=report.methodology.version,
        unresolved=bool(now.unresolved),
        dependencies=compared.kept,
        findings=(
            *_drop_replaced(_record(report.findings, base, accepted=False), compared.carried),
            *compared.carried,
        ),
        accepted=(*_record(report.findings, base, accepted=True), *compared.carried_accepted),
        servers=tuple(servers),
        registrations=carry_registrations(earlier.registrations if earlier else (), registrations, unknown),
    )
    open_findings = tuple(
        _build_open(finding, marked, is_first=earlier is None)
        for finding, marked in zip(report.findings, compared.findings, strict=True)
        if finding.fails
    )
    open_findings += tuple(_build_unchecked(finding) for finding in compared.carried if finding.level == "deny")
    threshold = options.policy.describe_threshold(options.threshold)
    status, reason = _decide(report, compared, threshold, is_first=earlier is None)
    page = WatchReport(
        version=__version__,
        as_of=options.as_of,
        last_pass=0 if earlier is None else earlier.as_of,
        threshold=report.threshold,
        changes=compared.changes,
        findings=open_findings,
        waivers=tuple(item for item in waivers if item.days_left <= notice_days),
        dependencies=len(entries),
        complete=report.complete,
        strict=report.strict,
        unchecked=() if report.complete else tuple(list_unchecked(report)),
        clean=not open_findings and report.strict,
        exit=status,
        exit_reason=reason,
        warnings=tuple(dict.fromkeys((*report.warnings, *notes))),
    )
    return Pass(page, encode_state(state))


class _Now(NamedTuple):
    """What this pass found."""

    record: Record
    observations: dict[ReleaseKey, Observation]
    servers: Sequence[WatchedServer]
    registrations: Sequence[Registration]
    #: Names of servers that the MCP registry did not answer.
    unknown: Sequence[str]
    waivers: Sequence[WatchedWaiver]
    #: MCP servers whose dependencies are not known.
    unresolved: frozenset[str]


class _Compared(NamedTuple):
    """What became of it since the last pass."""

    changes: tuple[WatchChange, ...]
    #: The findings of the report, in its order, with what became of each since the last pass.
    findings: Sequence[Finding]
    kept: tuple[Watched, ...]
    #: Findings of the last pass that could not be checked again.
    carried: tuple[WatchedFinding, ...] = ()
    #: Those of them that a baseline of the settings accepts.
    carried_accepted: tuple[WatchedFinding, ...] = ()


def _record(findings: Iterable[Finding], base: str, *, accepted: bool) -> Iterator[WatchedFinding]:
    """Yield the findings that a baseline of the settings accepts, or the others; without those that are waived."""
    for finding in findings:
        if finding.waiver is None and (finding.change == "unchanged") == accepted:
            recorded = record_finding(finding, base)
            fields = {name: getattr(recorded, name) for name in recorded.__struct_fields__}
            yield WatchedFinding(**fields, shown=finding.text)


def _compare(
    earlier: WatchState | None, now: _Now, findings: Sequence[Finding], as_of: int, notice_days: int, base: str
) -> _Compared:
    watched = tuple(observation.watched for observation in now.observations.values())
    if earlier is None:
        return _Compared((), findings, watched)
    before = Record(
        methodology=earlier.methodology,
        dependencies=tuple(map(_build_recorded, earlier.dependencies)),
        findings=(*earlier.findings, *earlier.accepted),
        label="the last pass",
    )
    comparison = compare(before, now.record)
    marked, comparison = mark_findings(before, now.record, findings, comparison, base=base)
    outcome = find_changes(
        _pair(earlier, now.observations, comparison.changes),
        unresolved_before=earlier.unresolved,
        unresolved=now.unresolved,
    )
    days_passed = as_of // DAY - earlier.as_of // DAY
    changes = sort_changes(
        (
            *outcome.changes,
            *compare_servers(earlier.servers, now.servers),
            *compare_registrations(earlier.registrations, now.registrations),
            *compare_waivers(now.waivers, days_passed, notice_days),
        )
    )
    missing = [item for item in outcome.kept if item.key not in now.observations]  # kept from the last pass
    carried, carried_accepted = (
        tuple(_carry_findings(group, now.record, earlier.dependencies, watched, missing))
        for group in (earlier.findings, earlier.accepted)
    )
    return _Compared(tuple(changes), marked, outcome.kept, carried, carried_accepted)


def _pair(
    earlier: WatchState, observations: Mapping[ReleaseKey, Observation], changes: Iterable[DependencyChange]
) -> Iterator[Pair]:
    """Yield each release with what it was, those with another version first."""
    old = {item.key: item for item in earlier.dependencies}
    for change in changes:
        before = old.get((change.ecosystem, change.name, change.version_before or ""))
        after = observations.get((change.ecosystem, change.name, change.version_after or ""))
        if change.kind == "added":
            if after is not None and after.watched.key not in old:
                yield Pair("added", None, after)
        elif change.kind == "removed":
            if before is not None and before.key not in observations:
                yield Pair("removed", before, None)
        elif change.kind != "rescored" and before is not None and after is not None:
            yield Pair(change.kind, before, after)
    for key in sorted(old.keys() & observations.keys()):
        yield Pair("same", old[key], observations[key])


def _carry_findings(
    findings: Iterable[WatchedFinding],
    record: Record,
    earlier: Sequence[Watched],
    watched: Sequence[Watched],
    missing: Iterable[Watched],
) -> Iterator[WatchedFinding]:
    """Yield the findings of the last pass that are gone or milder, and whose packages could not be checked again.

    Without them they would be new once the source answers again.
    """
    before = {item.key: item for item in earlier}
    unchecked = {item.purl for item in record.dependencies if item.state in _UNCHECKED_STATES}
    unchecked |= {finding.package for finding in record.findings if finding.undecided}
    missing_packages = {_build_recorded(item).purl for item in missing}
    unchecked |= missing_packages
    unchecked |= {
        _build_recorded(item).purl
        for item in watched
        if item.state != "skipped" and (not item.facts.knows_advisories or _has_unread(before.get(item.key), item))
    }
    known: dict[tuple[str, str, str], list[RecordedFinding]] = {}
    for found in record.findings:
        if not found.undecided:
            known.setdefault((found.rule, found.package, found.advisory), []).append(found)
    for finding in findings:
        others = known.get((finding.rule, finding.package, finding.advisory), [])
        is_milder = all(_is_milder(other, finding) for other in others)
        packages = missing_packages if finding.rule in _FILE_RULES else unchecked
        if finding.package in packages and not finding.undecided and is_milder:
            yield finding


def _has_unread(earlier: Watched | None, now: Watched) -> bool:
    return earlier is not None and bool(list_unread(earlier, now))


def _is_milder(finding: RecordedFinding, earlier: RecordedFinding) -> bool:
    """Return whether a finding about an advisory has a lower level, as its severity is not known any more."""
    return (
        bool(finding.advisory)
        and finding.severity == "unknown" != earlier.severity
        and LEVELS.index(finding.level) < LEVELS.index(earlier.level)
    )


def _drop_replaced(findings: Iterable[WatchedFinding], carried: Sequence[WatchedFinding]) -> Iterator[WatchedFinding]:
    """Yield the findings of this pass but those in whose place one of the last pass stays."""
    kept = {(finding.rule, finding.package, finding.advisory) for finding in carried}
    for finding in findings:
        if finding.undecided or (finding.rule, finding.package, finding.advisory) not in kept:
            yield finding


def _build_recorded(item: Watched) -> RecordedDependency:
    return RecordedDependency(
        ecosystem=item.ecosystem,
        name=item.name,
        version=item.version,
        projects=item.projects,
        state=item.state,
        score=item.score,
        parts=RecordedScore(item.signals, item.caps) if item.signals or item.caps else None,
        advisories=tuple(
            RecordedAdvisory(tuple(sorted(advisory.ids)), bool(advisory.exploited)) for advisory in item.advisories
        ),
    )


def _observe(entries: Sequence[Assessment], records: Sequence[RecordedDependency]) -> dict[ReleaseKey, Observation]:
    """Return what is known of each release, by ecosystem, name and version."""
    observations: dict[ReleaseKey, Observation] = {}
    for entry, recorded in zip(entries, records, strict=True):
        observation = _observe_one(entry, recorded)
        key = observation.watched.key
        known = observations.get(key)
        if known is None:
            observations[key] = observation
        else:  # one version may have several rows
            first, other = (known, observation) if known.watched.state != "skipped" else (observation, known)
            projects = tuple(sorted({*first.watched.projects, *other.watched.projects}))
            observations[key] = replace(first, watched=replace(first.watched, projects=projects))
    return observations


def _observe_one(entry: Assessment, recorded: RecordedDependency) -> Observation:
    score = entry.score
    parts = freeze_parts(recorded.parts)
    watched = Watched(
        ecosystem=recorded.ecosystem,
        name=recorded.name,
        version=recorded.version,
        projects=recorded.projects,
        floats=entry.dependency.resolution != "pinned",
        servers=entry.dependency.via if entry.dependency.groups == (MCP_GROUP,) else (),
        state=recorded.state,
        methodology="" if score is None else f"{score.methodology.target} {score.methodology.version}",
        score=recorded.score,
        signals=dict(parts.signals),
        caps=dict(parts.caps),
        advisories=tuple(
            WatchedAdvisory(
                id=advisory.id,
                aliases=advisory.aliases,
                severity=advisory.severity,
                exploited=advisory.exploited,
            )
            for advisory in merge_advisories(entry.advisories)
        )
        if entry.advisories
        else (),
        in_registry=entry.in_registry,
        facts=entry.watched or WatchedFacts(),
    )
    if score is None:
        return Observation(watched, reason=explain_no_score(entry))
    labels = {signal.id: (score.methodology.signals[signal.id].name, signal.reason) for signal in score.signals}
    reason = "" if score.value is not None else explain_no_score(entry)
    cap_signals = {id_: spec.signal for id_, spec in score.methodology.caps.items() if spec.signal}
    return Observation(watched, labels, {cap.id: cap.reason for cap in score.caps}, reason, cap_signals)


def _check_project(earlier: WatchState, project: ProjectIdentity, observations: dict[ReleaseKey, Observation]) -> None:
    """Raise UsageError if the state is that of another project: by name or repository, else by its packages."""
    hint = "name another file with --state; delete this one if it is right and the project has changed"
    differs = earlier.project.differs(project)
    if differs:
        names = [" and ".join(item.names[:_MAX_NAMES]) for item in (earlier.project, project)]
        text = f"of {names[0]}, and not of {names[1]}" if all(names) else "its repository has another address"
        raise UsageError(f"the state is that of another project: {text}", hint=hint)
    old = {(item.ecosystem, item.name) for item in earlier.dependencies}
    new = {key[:2] for key in observations}
    if differs is None and min(len(old), len(new)) >= _MIN_PACKAGES and old.isdisjoint(new):
        raise UsageError(
            f"the state is that of another project: none of its {len(old):,} packages is among the {len(new):,} here",
            hint=hint,
        )


# --- servers and waivers


def _build_server(server: McpServer, base: str) -> WatchedServer:
    packages = sorted(
        f"{get_prefix(package.ecosystem)}:{package.name} {package.requirement}".rstrip() for package in server.packages
    )
    image = server.image
    parts = {
        "launcher": server.launcher,
        "package": ", ".join(packages),
        "image": ""
        if image is None
        else f"{image.name}:{image.tag}".rstrip(":") + (f"@{image.digest}" * bool(image.digest)),
        "URL": server.url,
        "transport": server.transport,
        "variables": ", ".join(server.environment),
        "headers": ", ".join(server.headers),
        "switched": "" if server.is_enabled else "off",
    }
    path = server.location.path
    return WatchedServer(
        name=server.name,
        client=server.client,
        path=path.removeprefix(f"{base}/") if base else path,
        parts={id_: text for id_, text in parts.items() if text},
    )


def _read_registrations(
    entries: Sequence[Assessment], session: Session, earlier: WatchState | None
) -> tuple[list[Registration], list[str], list[str]]:
    """Return what the MCP registry states about the servers of the project, those it did not answer, and notes.

    The package of a server states its name there; without such a statement nothing is looked up.
    """
    servers = [
        entry.dependency.release
        for entry in entries
        if entry.dependency.kind == "mcp-server" and entry.in_registry and entry.dependency.release is not None
    ]
    if not servers:
        return [], [], []
    run = session.open_run()
    registrations: dict[str, Registration] = {}
    unknown: list[str] = []
    notes: list[str] = []
    for release in servers[:_MAX_REGISTRATIONS]:
        proof = run.find_name_proof(release)
        if not isinstance(proof, Found):
            if not isinstance(proof, Absent):
                unknown += [item.name for item in earlier.registrations] if earlier else []
                notes.append(f"{release.package.name}: the name in the MCP registry is not known: {proof.reason}")
            continue
        for name in proof.value.names:
            fact = run.find_server(McpServerId(name=name))
            if isinstance(fact, Found):
                server = fact.value
                registrations[name] = Registration(
                    name=name,
                    status=server.status,
                    version=server.version,
                    packages=tuple(":".join(filter(None, package)) for package in server.packages),
                    remotes=tuple(url for _, url in server.remotes),
                )
            elif isinstance(fact, Absent):
                registrations[name] = Registration(name=name, status="missing")
            else:
                unknown.append(name)
                notes.append(f"{name}: not known whether its registration changed: {fact.reason}")
    if len(servers) > _MAX_REGISTRATIONS:
        notes.append(f"the registrations of {len(servers) - _MAX_REGISTRATIONS} MCP servers were not looked up")
    return [registrations[name] for name in sorted(registrations)], unknown, notes


def _find_unresolved(
    report: Report, observations: Mapping[ReleaseKey, Observation], earlier: WatchState | None
) -> frozenset[str]:
    """Return the MCP servers whose dependencies are not known: the service did not answer, or has none any more."""
    label = SOURCES["deps-dev"].label
    names = {
        entry.dependency.package.name
        for entry in report.dependencies
        if entry.dependency.kind == "mcp-server" and entry.dependency.release is not None
    }
    if any(source.state in ("partial", "unavailable") for source in report.sources if source.name == label):
        return frozenset(names)
    if earlier is None:
        return frozenset()
    before = {name for item in earlier.dependencies for name in item.servers}
    now = {name for observation in observations.values() for name in observation.watched.servers}
    same = {item.name for item in earlier.dependencies if item.key in observations}
    return frozenset(names & before & same - now)


def _list_waivers(waivers: Iterable[Waiver], as_of: int) -> Iterator[WatchedWaiver]:
    seen: set[tuple[str, str]] = set()
    for waiver in waivers:
        days_left = count_days_left(waiver, as_of)
        if days_left is not None and (key := (waiver.label, waiver.until)) not in seen:
            seen.add(key)
            yield WatchedWaiver(label=waiver.label, reason=waiver.reason, until=waiver.until, days_left=days_left)


# --- verdict


def _build_open(finding: Finding, marked: Finding, *, is_first: bool) -> OpenFinding:
    return OpenFinding(
        rule=finding.id,
        text=finding.text,
        purl=finding.purl,
        name=finding.name,
        version=finding.version,
        advisory=finding.advisory,
        severity=finding.severity,
        fix=finding.fix,
        locations=finding.locations,
        change="" if is_first else marked.change,
    )


def _build_unchecked(finding: WatchedFinding) -> OpenFinding:
    text = finding.shown or ", ".join(filter(None, (finding.advisory, finding.severity)))
    return OpenFinding(
        rule=finding.rule,
        text=text,
        purl=finding.package,
        name=finding.package.rpartition("/")[2],
        version=finding.version,
        advisory=finding.advisory,
        severity=finding.severity,
        fix="",
        locations=(),
        change="unchanged",
        is_checked=False,
    )


def _decide(report: Report, compared: _Compared, threshold: str, *, is_first: bool) -> tuple[ExitStatus, str]:
    if is_first:
        return report.exit, f"first pass, nothing to compare with; {report.exit_reason}"
    # What a baseline of the settings accepts is no finding of this pass either.
    worse = [
        marked
        for finding, marked in zip(report.findings, compared.findings, strict=True)
        if finding.fails and marked.fails
    ]
    carried_count = sum(finding.level == "deny" for finding in compared.carried)
    still_open = sum(finding.fails for finding in report.findings) - len(worse) + carried_count
    rest = f"; {format_count(still_open, 'finding')} of earlier passes still open" if still_open else ""
    if worse:
        counts = ", ".join(describe_counts(worse, threshold))
        status, reason = ExitStatus.BELOW, f"worse since the last pass: {counts}{rest}"
    elif not report.strict:
        status = ExitStatus.INCOMPLETE if report.fails_incomplete else ExitStatus.PASSED
        reason = f"nothing known got worse past the policy, but not everything could be checked{rest}"
    else:
        status, reason = ExitStatus.PASSED, f"nothing got worse past the policy{rest}"
    if report.report_only and status is not ExitStatus.PASSED:
        return ExitStatus.PASSED, f"report only: would exit {status.value}: {reason}"
    return status, reason


def _report_failure(report: Report, earlier: WatchState | None) -> WatchReport:
    """Return the report of a pass that could not read the project: the state of the last one stays."""
    return WatchReport(
        version=__version__,
        as_of=report.as_of,
        last_pass=0 if earlier is None else earlier.as_of,
        threshold=report.threshold,
        dependencies=len(report.dependencies),
        complete=False,
        strict=False,
        clean=False,
        exit=report.exit if report.exit is not ExitStatus.PASSED else ExitStatus.USAGE,
        exit_reason=f"not compared: {report.exit_reason}",
        warnings=report.warnings,
        problems=report.errors,
    )
