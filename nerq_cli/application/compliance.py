"""Documentation readiness of the packages and repositories that the user named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from msgspec.structs import replace

from nerq_cli import __version__
from nerq_cli.application.absence import explain_absence
from nerq_cli.application.build_report import describe_incomplete
from nerq_cli.application.check import group_by_package, mark_targets, parse_targets, select_matches
from nerq_cli.application.evidence_run import EvidenceRun
from nerq_cli.application.registered_servers import MCP_GROUP
from nerq_cli.application.scan import assess_declarations
from nerq_cli.compliance.assess import (
    Compliance,
    PackageLicence,
    assess_hub_compliance,
    assess_package_compliance,
    assess_repository_compliance,
)
from nerq_cli.compliance.card import MAX_CHARACTERS, MAX_LINES, MAX_SECTIONS, is_read_whole, read_sections
from nerq_cli.compliance.keys import KEY_LABELS, UNLISTED_FILES, iter_inherited
from nerq_cli.ecosystems import GENERIC, HF_DATASET, get_ecosystem, get_hub_ecosystem, is_hub
from nerq_cli.errors import ExitStatus, UsageError
from nerq_cli.facts import Absent, Evidence, Fact, Found, Metadata, Unknown
from nerq_cli.github_facts import GithubEvidence
from nerq_cli.hub_facts import HubCard, HubEvidence, HubRepository
from nerq_cli.inventory import Declaration, Package, Release
from nerq_cli.methodology.repositories import REPOSITORIES
from nerq_cli.report.compliance import ComplianceEntry, ComplianceReport
from nerq_cli.signals.compliance import choose_licence
from nerq_cli.signals.licences import classify_terms
from nerq_cli.signals.provenance import find_mismatch
from nerq_cli.signals.repositories.context import GithubContext
from nerq_cli.sources.huggingface import LABEL as HUB_LABEL

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.session import Session
    from nerq_cli.evidence.registry_lookup import PackageFacts
    from nerq_cli.report.model import Assessment

#: What of a card is not read, in words.
_PART_READ: Final = f"what is beyond {MAX_CHARACTERS // 1024} KiB, {MAX_LINES:,} lines or {MAX_SECTIONS:,} headings"
#: Training datasets of a model that are looked up, at most.
MAX_DATASETS: Final = 8


class KeepingRun(EvidenceRun):
    """A run that keeps the evidence about releases."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.evidence: dict[Release, Evidence] = {}

    def collect_evidence(self, releases: Sequence[Release], package_facts: PackageFacts) -> dict[Release, Evidence]:
        """Return the evidence for each release."""
        evidence = super().collect_evidence(releases, package_facts)
        self.evidence.update(evidence)
        return evidence


def run_compliance(names: Sequence[str], session: Session) -> ComplianceReport:
    """Read what the named packages and repositories have of documentation, and return the report.

    Raises:
        UsageError: a name is no target, or may be a package of several ecosystems.
        ConfigError: a variable of an endpoint holds no URL for HTTP.
    """
    rules = session.build_rules(())
    options = replace(session.build_scan_options(), find_upgrades=False)
    run = KeepingRun(session)
    targets: list[tuple[str, list[Declaration]]] = []
    notes: list[str] = []
    for name in dict.fromkeys(names):
        parsed, new_notes, problems, _ = parse_targets([name], run, hub_url=session.endpoints["huggingface"].url)
        targets += [(name, declarations) for declarations in mark_targets(parsed, rules)]
        notes += [*new_notes, *(problem.text for problem in problems)]
    declarations = [declaration for _, target in targets for declaration in target]
    repositories = [declaration for declaration in declarations if is_hub(declaration.ecosystem)]
    others = [declaration for declaration in declarations if not is_hub(declaration.ecosystem)]
    hub_entries = _read_repositories(repositories, options.as_of, run)
    assessments = group_by_package(assess_declarations(others, options, run))
    entries = tuple(
        replace(entry, target=name)
        for name, target in targets
        for entry in _iter_entries(target, hub_entries, assessments, run.evidence)
    )
    return _build_report(entries, options, run, notes)


def _iter_entries(
    target: Sequence[Declaration],
    hub_entries: Mapping[tuple[Package, str], ComplianceEntry],
    assessments: Mapping[Package, Sequence[Assessment]],
    evidence: Mapping[Release, Evidence],
) -> Iterator[ComplianceEntry]:
    """Yield what a target names: one entry, but for an MCP server of several packages."""
    packages = [declaration for declaration in target if not is_hub(declaration.ecosystem)]
    for declaration in target:
        if is_hub(declaration.ecosystem):
            yield hub_entries[declaration.package, declaration.requirement]
    candidates = [entry for declaration in packages for entry in assessments[declaration.package]]
    is_server = any(declaration.group == MCP_GROUP for declaration in packages)
    matches = candidates if is_server else select_matches(candidates)
    if not is_server and len({match.dependency.package for match in matches}) > 1:
        _raise_ambiguous(matches)
    for match in matches:
        if match.github is not None:
            yield assess_github(match, match.github)
            continue
        release = match.dependency.release
        yield assess_package(match, evidence.get(release, Evidence()) if release is not None else Evidence())


def _raise_ambiguous(matches: Sequence[Assessment]) -> NoReturn:
    packages = list(dict.fromkeys(match.dependency.package for match in matches))
    ecosystems = " and ".join(package.ecosystem for package in packages)
    commands = "   ".join(f"nerq compliance {package.ecosystem.lower()}:{package.name}" for package in packages)
    raise UsageError(f"{packages[0].name} may be the package on {ecosystems}", hint=f"name one: {commands}")


def _build_report(
    entries: tuple[ComplianceEntry, ...], options: ScanOptions, run: EvidenceRun, notes: Sequence[str]
) -> ComplianceReport:
    missing = [f"{entry.compliance.id}: {entry.missing}" for entry in entries if entry.missing]
    unread = [f"{entry.compliance.id}: {text}" for entry in entries for text in entry.unread]
    # Files that were not listed leave no reason behind.
    unread = unread or [
        describe_incomplete(source)
        for source in run.describe_sources()
        if source.name == HUB_LABEL and source.state in ("partial", "unavailable")
    ]
    unknown = [text for entry in entries if not entry.missing for text in _describe_unknown(entry.compliance)]
    if missing:
        status, reason = ExitStatus.USAGE, "; ".join(missing)
    elif unread:
        status = ExitStatus.INCOMPLETE if options.strict else ExitStatus.PASSED
        reason = f"not everything could be read: {'; '.join(unread)}"
    else:
        status, reason = ExitStatus.PASSED, "; ".join(unknown) or "everything is known"
    readiness = (entry.compliance.readiness for entry in entries)
    warnings = dict.fromkeys((*run.warnings, *notes, *(item.warning for item in readiness if item and item.warning)))
    return ComplianceReport(
        version=__version__,
        as_of=options.as_of,
        entries=entries,
        complete=not (missing or unread or unknown),
        strict=not unread or bool(missing),
        exit=status,
        exit_reason=reason,
        warnings=tuple(warnings),
    )


def _describe_unknown(compliance: Compliance) -> Iterator[str]:
    """Yield what is not known about an artefact in one text, if there is something."""
    labels = [KEY_LABELS[key.key] for key in compliance.keys if key.state == "unknown"]
    labels += [row.label for row in compliance.licence.rows if row.state == "unknown"]
    if labels:
        yield f"{compliance.id}: not known: {', '.join(dict.fromkeys(labels))}"


# --- repositories of the Hub


def _read_repositories(
    declarations: Sequence[Declaration], as_of: int, run: EvidenceRun
) -> dict[tuple[Package, str], ComplianceEntry]:
    """Return the entry of each repository and revision."""
    skip_reasons = {(item.package, item.requirement): item.skip_reason for item in declarations}
    readable = [key for key, reason in skip_reasons.items() if not reason]
    evidence = dict(run.collect_repositories(readable)) if readable else {}
    evidence |= {key: HubEvidence(repository=Unknown(reason)) for key, reason in skip_reasons.items() if reason}
    return assess_repositories(evidence, as_of, run)


def assess_repositories(
    evidence: Mapping[tuple[Package, str], HubEvidence], as_of: int, run: EvidenceRun
) -> dict[tuple[Package, str], ComplianceEntry]:
    """Return the entry of each repository and revision, given the evidence about it."""
    lineage = {key: _list_lineage(facts) for key, facts in evidence.items()}
    bases = {base.id: base for base_models, _ in lineage.values() for base in base_models.values()}
    names = list(dict.fromkeys(name for _, dataset_names in lineage.values() for name in dataset_names))
    cards, datasets = run.collect_lineage([*bases.values()], names) if bases or names else ({}, {})
    return {
        key: _assess_repository(
            key[0],
            facts,
            as_of,
            {name: cards[base.id] for name, base in lineage[key][0].items()},
            {name: datasets[name] for name in lineage[key][1]},
        )
        for key, facts in evidence.items()
    }


def _list_lineage(evidence: HubEvidence) -> tuple[dict[str, HubRepository], list[str]]:
    """Return the base models whose cards count, by the id that is stated, and the names of the training datasets."""
    fact = evidence.repository
    if not isinstance(fact, Found) or fact.value.kind != "model" or fact.value.card is None:
        return {}, []
    is_name = get_hub_ecosystem(HF_DATASET).find_name_error
    names = [name for name in dict.fromkeys(fact.value.card.datasets or ()) if not is_name(name)]
    return dict(iter_inherited(evidence)), names[:MAX_DATASETS]


def _assess_repository(
    package: Package,
    evidence: HubEvidence,
    as_of: int,
    base_cards: Mapping[str, Fact[HubCard]],
    datasets: Mapping[str, Fact[HubRepository]],
) -> ComplianceEntry:
    fact = evidence.repository
    compliance = assess_hub_compliance(
        evidence,
        as_of,
        kind=get_hub_ecosystem(package.ecosystem).kind,
        name=package.name,
        base_cards=base_cards,
        datasets=datasets,
    )
    parts: dict[str, Fact[Any]] = {"repository": fact}
    if isinstance(fact, Found):
        parts |= {"card": evidence.card, "publisher": evidence.owner}
        # A kernel has no base model, whatever its card names.
        bases = {} if fact.value.kind == "kernel" else evidence.bases
        parts |= {f"base model {name}": base for name, base in bases.items()}
        parts |= {f"model {name}": model for name, model in evidence.used.items()}
        parts |= {f"card of base model {name}": card for name, card in base_cards.items()}
        parts |= {f"dataset {name}": dataset for name, dataset in datasets.items()}
    return ComplianceEntry(
        purl=Release(
            package=Package(ecosystem=package.ecosystem, name=compliance.id), version=compliance.revision
        ).purl,
        compliance=compliance,
        missing=(fact.reason or "there is no such repository") if isinstance(fact, Absent) else "",
        unread=tuple(_iter_unread(parts, compliance)),
    )


def _iter_unread(parts: Mapping[str, Fact[Any]], compliance: Compliance) -> Iterator[str]:
    """Yield what of a repository, and of those it is built on, was not read as a whole, and why."""
    for part, fact in parts.items():
        if isinstance(fact, Unknown):
            yield f"{part}: {fact.reason}"
        elif (
            isinstance(fact, Found)
            and isinstance(fact.value, HubCard)
            and not is_read_whole(fact.value, read_sections(fact.value))
        ):
            yield f"{part}: {_PART_READ}"
    reasons = [key.reason for key in compliance.keys if key.state == "unknown"]
    reasons += [row.text for row in compliance.licence.rows if row.state == "unknown"]
    if any(UNLISTED_FILES in reason for reason in reasons):
        yield f"files: {UNLISTED_FILES}"


# --- packages


def assess_package(assessment: Assessment, evidence: Evidence) -> ComplianceEntry:
    """Return the entry of a package: its licence. AI instruments are not about packages."""
    dependency = assessment.dependency
    metadata = evidence.metadata.value if isinstance(evidence.metadata, Found) else None
    version = dependency.release.version if dependency.release is not None else dependency.version or ""
    compliance = assess_package_compliance(
        evidence,
        _read_licence(metadata) if metadata is not None else None,
        name=f"{get_ecosystem(dependency.package.ecosystem).purl_type}:{dependency.package.name}",
        version=version,
        # A server that the MCP registry lists without a package.
        noun="a server" if dependency.package.ecosystem == GENERIC else "a package",
        provenance_problem=find_mismatch(metadata),
    )
    missing, unread = _explain_gaps(assessment, evidence)
    return ComplianceEntry(purl=dependency.purl, compliance=compliance, missing=missing, unread=unread)


def assess_github(assessment: Assessment, evidence: GithubEvidence) -> ComplianceEntry:
    """Return the licence and data handling of a repository on GitHub."""
    dependency, context = assessment.dependency, GithubContext(REPOSITORIES, evidence, 0)
    has_policy = context.repository.security_policy if context.repository is not None else None
    if context.find_file("security.") is not None:
        has_policy = True
    compliance = assess_repository_compliance(
        _read_licence(context.metadata) if context.metadata is not None else None,
        name=f"github:{dependency.package.name}",
        revision=dependency.version or "",
        has_security_policy=has_policy,
        has_changelog=context.has_file("changelog", "changes", "history", "news", "release"),
    )
    facts: dict[str, Fact[Any]] = {
        "repository": evidence.hosted,
        "revision": evidence.revision,
        "files": evidence.files,
    }
    read = isinstance(evidence.hosted, Found)
    return ComplianceEntry(
        purl=dependency.purl,
        compliance=compliance,
        missing=evidence.revision.reason if isinstance(evidence.revision, Absent) else "",
        unread=tuple(
            f"{part}: {fact.reason}"
            for part, fact in facts.items()
            if isinstance(fact, Unknown) and (read or part == "repository")
        ),
    )


def _read_licence(metadata: Metadata) -> PackageLicence | None:
    licence = choose_licence(metadata)
    if licence is None:
        return None
    terms = classify_terms(licence.expression) if licence.expression else ""
    return PackageLicence(clarity=licence.clarity, expression=licence.expression, terms=terms)


def _explain_gaps(assessment: Assessment, evidence: Evidence) -> tuple[str, tuple[str, ...]]:
    """Return why a package does not exist, empty if it does or if that is not known; and what was not read."""
    dependency = assessment.dependency
    if dependency.skip_reason:
        return "", (dependency.skip_reason,)
    absence = explain_absence(assessment)
    if absence:
        return absence, ()
    if dependency.release is None:
        return "", assessment.reasons[:1]
    facts: dict[str, Fact[Any]] = {"versions": evidence.package_info, "metadata": evidence.metadata}
    absent = next((fact for fact in facts.values() if isinstance(fact, Absent)), None)
    if absent is not None:
        return absent.reason or f"{dependency.package.ecosystem} has no version {dependency.version}", ()
    return "", tuple(f"{part}: {fact.reason}" for part, fact in facts.items() if isinstance(fact, Unknown))
