"""The page about one target: its evidence, its history, its alternatives."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from nerq_cli import __version__
from nerq_cli.application.alternatives import find_alternatives
from nerq_cli.application.badge import describe_assessment, describe_target
from nerq_cli.application.build_report import build_report
from nerq_cli.application.check import CheckResult
from nerq_cli.application.compare import label_target
from nerq_cli.application.compliance import KeepingRun, assess_github, assess_package, assess_repositories
from nerq_cli.application.history import read_package_history
from nerq_cli.application.named_targets import assess_targets, explain_missing, explain_no_score
from nerq_cli.application.peers import Others, describe_present, find_standing, read_table
from nerq_cli.application.registered_servers import format_target, label_server
from nerq_cli.application.snapshots import record_report
from nerq_cli.ecosystems import get_prefix
from nerq_cli.errors import ExitStatus
from nerq_cli.facts import NOT_REQUESTED, Evidence, Fact, Found, McpRegistration, ReleaseProfile, Unknown
from nerq_cli.insight.provenance import build_record, list_known_concerns, read_version
from nerq_cli.insight.purpose import PURPOSES, Purpose
from nerq_cli.insight.report_page import PageSubject, Version, write_texts
from nerq_cli.insight.target_details import (
    Description,
    describe_github_repository,
    describe_package,
    describe_repository,
    list_github_details,
    list_hub_details,
    list_package_details,
    list_server_details,
)
from nerq_cli.insight.verification import list_verification
from nerq_cli.policy.upgrade import Upgrade
from nerq_cli.report import wording
from nerq_cli.report.advisory import deduplicate_advisories
from nerq_cli.report.badge import Badge
from nerq_cli.report.guidance import explain_assessment
from nerq_cli.report.pages.report import PageFinding, PageReport
from nerq_cli.units import DAY

if TYPE_CHECKING:
    from pathlib import Path

    from nerq_cli.application.session import Session
    from nerq_cli.compliance.assess import Compliance
    from nerq_cli.insight.alternatives import Choice
    from nerq_cli.insight.guidance import Guidance
    from nerq_cli.insight.history import History
    from nerq_cli.insight.peers import PeerTable, Standing
    from nerq_cli.insight.provenance import ProvenanceRecord
    from nerq_cli.inventory import RegistrationProblem, Release
    from nerq_cli.report.model import Assessment, Report

#: Why a service has no history of a target; the whole reason is for its operator.
UNREADABLE_HISTORY: Final = "the history cannot be read at present"


class PageParts(msgspec.Struct, frozen=True, kw_only=True):
    """What a page has beside the assessment of its target."""

    profile: Fact[ReleaseProfile] = NOT_REQUESTED
    #: Of an MCP server that was named.
    server: McpRegistration | None = None
    problems: tuple[RegistrationProblem, ...] = ()
    compliance: Compliance | None = None
    #: None = alternatives were not looked for.
    choice: Choice | None = None
    history: History | None = None
    #: Why there is no history.
    history_reason: str = ""
    standing: Standing | None = None
    #: None = it is that of the assessment.
    badge: Badge | None = None


def run_report(name: str, session: Session, purpose: Purpose, peers: Path | None = None) -> PageReport:
    """Score a target, and return the page about it.

    Args:
        name: As the user wrote it.
        session: Has the settings.
        purpose: What the target is to be used for.
        peers: A table of scores that nerq index peers wrote; None for the shipped one.

    Raises:
        UsageError: the name is no target, does not exist, or may be several things; or the table cannot be read.
    """
    table = None if peers is None else read_table(peers)
    run = KeepingRun(session)
    options = replace(session.build_scan_options(), score_latest=True, keep_provenance=True)
    (target,), notes = assess_targets([name], session, run, options, command="report")
    assessment = target.assessment
    package = assessment.dependency.package
    server = target.server
    problems = tuple(
        problem if problem.id == "name-proof" else replace(problem, package=package) for problem in target.problems
    )
    options = replace(options, registration_problems=problems)
    parts = _collect_parts(assessment, server, session, run)
    report = build_report((), (assessment,), options, sources=run.describe_sources())
    record_report(report, session)
    history, history_reason = _read_history(assessment, session, options.as_of)
    standing = _find_standing(assessment, parts.profile, history, session, options.as_of, table)
    if server is not None:
        result = CheckResult(report, servers=(server,))
        parts = replace(parts, problems=problems, badge=describe_target(result))
    parts = replace(parts, history=history, history_reason=history_reason, standing=standing)
    missing = explain_missing([assessment], run)
    if missing:
        status = ExitStatus.INCOMPLETE if options.strict else ExitStatus.PASSED
        reason = f"not everything could be read: {'; '.join(missing)}"
    else:
        status, reason = ExitStatus.PASSED, "read"
    (assessment,) = report.dependencies
    page = build_page(assessment, report, parts, run.evidence, purpose)
    return replace(
        page,
        target=target.text,
        options=_format_options(session),
        # The page may be published, and the folder is private.
        peers_option="" if peers is None else shlex.join(["--peers", peers.name]),
        complete=report.complete and not missing,
        strict=not missing,
        exit=status,
        exit_reason=reason,
        warnings=tuple(dict.fromkeys((*run.warnings, *notes))),
    )


def _format_options(session: Session) -> str:
    """Return the options of a run without which the same command could give another page."""
    settings = session.settings
    options = ["--as-of", settings.as_of] if settings.as_of is not None else []
    return shlex.join([*options, *(["--no-config"] if settings.no_config else [])])


def _collect_parts(
    assessment: Assessment, server: McpRegistration | None, session: Session, run: KeepingRun
) -> PageParts:
    dependency = assessment.dependency
    options = replace(session.build_scan_options(), find_upgrades=False)
    profile: Fact[ReleaseProfile] = NOT_REQUESTED
    if assessment.hub is not None:
        key = dependency.package, dependency.requirement
        compliance: Compliance | None = assess_repositories({key: assessment.hub}, options.as_of, run)[key].compliance
    elif assessment.github is not None:
        compliance = assess_github(assessment, assessment.github).compliance
    elif dependency.release is not None and assessment.score is not None:
        evidence = run.evidence.get(dependency.release, Evidence())
        profile = Unknown("the metadata of this version were not read")
        if isinstance(evidence.metadata, Found):
            profile = run.find_profile(dependency.release)
        compliance = assess_package(assessment, evidence).compliance
    else:
        compliance = None
    choice, _ = find_alternatives(assessment, session, run, options)
    return PageParts(
        profile=profile, server=server, compliance=compliance, choice=choice, history=None, history_reason=""
    )


def _read_history(assessment: Assessment, session: Session, as_of: int) -> tuple[History | None, str]:
    """Return the past of a target; else why there is none."""
    file = session.history
    if file is None:
        return None, "--no-cache leaves no history to read"
    history = read_package_history(assessment.dependency.package, file, as_of // DAY)
    if history is not None:
        return history, ""
    if file.read_problem:
        return None, file.read_problem if session.reports_setup else UNREADABLE_HISTORY
    return None, "no run before this one left a snapshot"


def _find_standing(
    assessment: Assessment,
    profile: Fact[ReleaseProfile],
    history: History | None,
    session: Session,
    as_of: int,
    table: PeerTable | None,
) -> Standing | None:
    """Return how the score of a package stands; None for another target, or without a score."""
    if assessment.hub is not None or assessment.score is None:
        return None
    stated = (*profile.value.topics, *profile.value.keywords) if isinstance(profile, Found) else ()
    release = assessment.dependency.release
    return find_standing(
        assessment.dependency.package,
        release.version if release is not None else assessment.dependency.version or "",
        describe_present(assessment.score),
        history.snapshots if history is not None else (),
        session.history,
        session.root,
        as_of // DAY,
        Others([item for item in stated if not item.startswith("Intended Audience")], table),
    )


def build_page(
    assessment: Assessment,
    report: Report,
    parts: PageParts,
    evidence_by_release: Mapping[Release, Evidence],
    purpose: Purpose,
) -> PageReport:
    """Return the page about an assessment of a report, without the exit status.

    Args:
        assessment: With what reviews come to.
        report: The report that it is from: settings and findings.
        parts: What the page has beside it.
        evidence_by_release: The evidence that it was scored by.
        purpose: What the verdict is about.
    """
    dependency = assessment.dependency
    package = dependency.package
    evidence = evidence_by_release.get(dependency.release, Evidence()) if dependency.release else Evidence()
    server = parts.server
    label = label_server(server) if server is not None else ""
    guidance = {other: explain_assessment(assessment, report, other, label=label) for other in PURPOSES}
    subject = _build_subject(assessment, report, parts, guidance, purpose)
    findings = wording.select_findings(wording.group_findings(report), dependency)
    metadata = assessment.metadata.value if assessment.metadata is not None else None
    profile = parts.profile.value if isinstance(parts.profile, Found) else ReleaseProfile(version="")
    version = dependency.release.version if dependency.release is not None else dependency.version or ""
    if assessment.hub is not None:
        details, description = tuple(list_hub_details(assessment.hub)), describe_repository(assessment.hub)
    elif assessment.github is not None:
        details = tuple(list_github_details(assessment.github))
        description = describe_github_repository(assessment.github)
    elif assessment.score is None:
        details = tuple(list_server_details(parts.server))
        description = Description(text="", reason=subject.reason)
    else:
        used = read_version(assessment.provenance) if assessment.provenance is not None else None
        details = tuple(list_package_details(evidence, parts.profile, parts.server, provenance=used))
        description = describe_package(parts.profile)
    texts = write_texts(subject)
    if server is not None:
        texts = replace(texts, takeaways=(_describe_server(server, subject, parts.problems), *texts.takeaways))
    return PageReport(
        version=__version__,
        as_of=report.as_of,
        target="",
        command=wording.check_target(dependency) if server is None else format_target(server),
        server=label,
        ecosystem=get_prefix(package.ecosystem),
        kind=dependency.kind,
        purl=dependency.purl,
        subject=subject,
        texts=texts,
        details=details,
        description=description,
        findings=tuple(PageFinding(finding.id, finding.text, finding.fails) for finding in findings),
        compliance=parts.compliance,
        checks=list_verification(
            guidance[purpose].checks,
            ecosystem=package.ecosystem,
            name=package.name,
            version=version,
            files=profile.files,
            is_malicious=bool(wording.find_malware_reason(assessment)),
            repository=(metadata.attested_repository or metadata.repository or "") if metadata is not None else "",
        ),
        history=parts.history,
        history_reason=parts.history_reason,
        standing=parts.standing,
        badge=parts.badge or describe_assessment(assessment, report),
        provenance=_build_provenance(assessment),
        reviews=assessment.review,
        complete=report.complete,
        strict=True,
        exit=ExitStatus.PASSED,
        exit_reason="",
    )


def _describe_server(server: McpRegistration, subject: PageSubject, problems: Sequence[RegistrationProblem]) -> str:
    """Return what comes first about an MCP server: its status if that is against it, and whose score the page has."""
    label = label_server(server)
    status = next((item.text for item in problems if item.id in {"deleted", "deprecated"}), "")
    if status:
        advice = ": do not start it" if server.status == "deleted" else ""
        return f"{label}: {status}{advice}."
    if subject.score is None:
        return f"{label} has no package that is scored."
    return f"{label} runs {subject.label}: score and signals are those of the package."


def _build_subject(
    assessment: Assessment, report: Report, parts: PageParts, guidance: Mapping[Purpose, Guidance], purpose: Purpose
) -> PageSubject:
    dependency, score = assessment.dependency, assessment.score
    findings = wording.select_findings(wording.group_findings(report), dependency)
    compliance = parts.compliance
    eu_class = compliance.eu_class if compliance is not None else None
    words, reason = "", ""
    if eu_class is not None and eu_class.label != "not_assessed":
        from nerq_cli.compliance.eu_class import CLASS_WORDS

        words, reason = CLASS_WORDS[eu_class.label], next((item.text for item in eu_class.reasons), "")
    return PageSubject(
        label=label_target(assessment),
        name=dependency.package.name,
        version=wording.shorten_version(dependency.version or ""),
        kind=wording.KIND_NAMES[dependency.kind][0],
        as_of=report.as_of,
        score=score,
        reason=explain_no_score(assessment),
        threshold=wording.find_threshold(assessment, report),
        advisories=deduplicate_advisories(assessment.advisories),
        knows_advisories=any(
            signal.id == "known_advisories" and signal.state == "known"
            for signal in (score.signals if score is not None else ())
        ),
        malware=wording.find_malware_reason(assessment),
        objections=tuple(f"{finding.id}: {finding.text}" for finding in findings if finding.fails),
        provenance=() if assessment.provenance is None else list_known_concerns(assessment.provenance),
        latest=assessment.latest,
        latest_released_at=assessment.latest_released_at,
        releases_behind=assessment.releases_behind,
        released_at=assessment.released_at,
        proposed=_build_version(assessment.upgrade),
        newest=_build_version(assessment.latest_upgrade),
        guidance=guidance,
        purpose=purpose,
        choice=parts.choice,
        trend=parts.history.trend if parts.history is not None else None,
        eu_class=words,
        eu_reason=reason,
    )


def _build_version(upgrade: Upgrade | None) -> Version | None:
    if upgrade is None:
        return None
    return Version(
        version=upgrade.version,
        value=upgrade.value,
        passes=upgrade.passes,
        is_open=upgrade.value is not None and (upgrade.grade is None or upgrade.uncertain),
        fixed_advisories=upgrade.fixed_advisories,
        concerns=() if upgrade.provenance is None else list_known_concerns(upgrade.provenance),
    )


def _build_provenance(assessment: Assessment) -> ProvenanceRecord | None:
    """Return the provenance of the version in use beside that of others; None for what is no package."""
    if assessment.provenance is None:
        return None
    upgrade = assessment.upgrade
    if upgrade is None and assessment.releases_behind:
        upgrade = assessment.latest_upgrade
    if upgrade is not None and upgrade.provenance is not None:
        return build_record(assessment.provenance, upgrade.provenance)
    version = upgrade.version if upgrade is not None else assessment.latest if assessment.releases_behind else None
    return build_record(assessment.provenance, version)
