"""Score targets that a user named, each by itself: two versions of a package are two targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from nerq_cli.application.absence import describe_absence, list_repository_facts
from nerq_cli.application.build_report import describe_incomplete
from nerq_cli.application.check import MCP_PREFIX, group_by_package, mark_targets, parse_targets, select_matches
from nerq_cli.application.scan import assess_declarations
from nerq_cli.ecosystems import get_prefix
from nerq_cli.errors import UsageError
from nerq_cli.facts import McpRegistration, Unknown
from nerq_cli.inventory import Declaration, Package, RegistrationProblem
from nerq_cli.report.model import Assessment

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceRun
    from nerq_cli.application.session import Session

_STATES: Final = ("partial", "unavailable")


class NamedTarget(NamedTuple):
    """A target, and what it is."""

    #: As the user wrote it.
    text: str
    assessment: Assessment
    #: The MCP server that was named, if the registry has it.
    server: McpRegistration | None = None
    #: What the registry states against that server.
    problems: tuple[RegistrationProblem, ...] = ()


class LookedUpTarget(NamedTuple):
    """A name that a user gave, and everything that it may stand for."""

    #: As the user wrote it.
    text: str
    #: The packages that it may name; empty if it names none.
    packages: tuple[Package, ...] = ()
    #: One for each package that exists or may exist, else the first one; several of one MCP server, lowest score first.
    matches: tuple[Assessment, ...] = ()
    #: The MCP server that was named, if the registry has it.
    server: McpRegistration | None = None
    problems: tuple[RegistrationProblem, ...] = ()
    notes: tuple[str, ...] = ()
    #: Why it could not be looked up; None if it could.
    error: UsageError | None = None

    @property
    def is_ambiguous(self) -> bool:
        """Whether it may be packages of several ecosystems."""
        is_server = self.text.strip().lower().startswith(MCP_PREFIX)
        return not is_server and len({item.dependency.package for item in self.matches}) > 1


def look_up_targets(
    names: Sequence[str], session: Session, run: EvidenceRun, options: ScanOptions
) -> list[LookedUpTarget]:
    """Return what each name may stand for, in their order. A name that is no target, or does not exist, is no error.

    Args:
        names: As the user wrote them.
        session: Has the settings.
        run: Collects the evidence, of all names at once.
        options: What the run does.
    """
    rules, hub_url = session.build_rules(()), session.endpoints["huggingface"].url
    results: list[LookedUpTarget] = []
    parsed: list[list[Declaration]] = []
    for name in names:
        try:
            targets, notes, problems, servers = parse_targets([name], run, hub_url=hub_url)
        except UsageError as error:
            results.append(LookedUpTarget(name, error=error))
            parsed.append([])
            continue
        declarations = [declaration for target in mark_targets(targets, rules) for declaration in target]
        parsed.append(declarations)
        results.append(
            LookedUpTarget(
                name,
                packages=tuple(dict.fromkeys(declaration.package for declaration in declarations)),
                server=servers[0] if servers else None,
                problems=tuple(problems),
                notes=tuple(notes),
            )
        )
    candidates = assess_candidates(parsed, options, run)
    return [
        result._replace(matches=_sort_matches(result, _select(result.text, found))) if found else result
        for result, found in zip(results, candidates, strict=True)
    ]


def _sort_matches(target: LookedUpTarget, matches: Sequence[Assessment]) -> tuple[Assessment, ...]:
    """Return the packages of an MCP server with those that have a score first, the lowest one before the others."""
    if target.server is None:
        return tuple(matches)
    return tuple(sorted(matches, key=lambda item: (explain_no_score(item) != "", _get_value(item))))


def assess_targets(
    names: Sequence[str], session: Session, run: EvidenceRun, options: ScanOptions, *, command: str
) -> tuple[list[NamedTarget], list[str]]:
    """Return one assessment for each name, in their order, and sentences for the user.

    A name that may be a package of several ecosystems is one of the ecosystem that all other targets are of.

    Args:
        names: As the user wrote them.
        session: Has the settings.
        run: Collects the evidence.
        options: What the run does.
        command: Name of the command, for hints.

    Raises:
        UsageError: a name is no target, does not exist, or may be several things.
    """
    rules, hub_url = session.build_rules(()), session.endpoints["huggingface"].url
    parsed: list[list[Declaration]] = []
    notes: list[str] = []
    servers: list[tuple[McpRegistration | None, tuple[RegistrationProblem, ...]]] = []
    for name in names:
        targets, new_notes, found_problems, found = parse_targets([name], run, hub_url=hub_url)
        servers.append((found[0] if found else None, tuple(found_problems)))
        parsed += mark_targets(targets, rules)
        notes += [*new_notes, *(problem.text for problem in found_problems)]
    candidates = assess_candidates(parsed, options, run)
    matches = [_select(name, target) for name, target in zip(names, candidates, strict=True)]
    chosen = []
    for name, target, (server, problems) in zip(names, matches, servers, strict=True):
        assessment, note = _choose(name, target, matches, command) if server is None else _choose_package(name, target)
        _check_existence(assessment)
        chosen.append(NamedTarget(name, assessment, server, problems))
        notes += [note] if note else []
    return chosen, notes


def assess_candidates(
    parsed: Sequence[Sequence[Declaration]], options: ScanOptions, run: EvidenceRun
) -> list[list[Assessment]]:
    """Return what each target may be. Targets of one package are resolved apart: they do not limit each other."""
    results: list[list[Assessment]] = [[] for _ in parsed]
    pending = [(index, declaration) for index, target in enumerate(parsed) for declaration in target]
    while pending:
        batch: dict[Package, tuple[int, Declaration]] = {}
        later = []
        for index, declaration in pending:
            if declaration.package in batch:
                later.append((index, declaration))
            else:
                batch[declaration.package] = index, declaration
        by_package = group_by_package(assess_declarations([item for _, item in batch.values()], options, run))
        for package, (index, _) in batch.items():
            results[index] += by_package.get(package, [])
        pending = later
    return results


def _select(name: str, candidates: Sequence[Assessment]) -> list[Assessment]:
    """Return what a target may be; of the packages of an MCP server those that are scored."""
    if name.strip().lower().startswith(MCP_PREFIX):
        return [item for item in candidates if not item.dependency.skip_reason] or list(candidates[:1])
    return list(select_matches(candidates))


def _choose(
    name: str, matches: Sequence[Assessment], others: Sequence[Sequence[Assessment]], command: str
) -> tuple[Assessment, str]:
    """Return what a target is, and a sentence if the other targets decide that.

    Raises:
        UsageError: it may be several packages.
    """
    if len(matches) == 1:
        return matches[0], ""
    settled = {target[0].dependency.package.ecosystem for target in others if len(target) == 1}
    fitting = [item for item in matches if {item.dependency.package.ecosystem} == settled]
    if len(fitting) == 1:
        package = fitting[0].dependency.package
        return fitting[0], f"{name} is read as {get_prefix(package.ecosystem)}:{package.name}, as the other targets are"
    labels = [f"{get_prefix(item.dependency.package.ecosystem)}:{item.dependency.package.name}" for item in matches]
    raise UsageError(
        f"{name} may be {' or '.join(labels)}", hint=f"name one: nerq {command} {labels[0]}{' ...' * (len(others) > 1)}"
    )


def _choose_package(name: str, packages: Sequence[Assessment]) -> tuple[Assessment, str]:
    """Return the package of an MCP server with the lowest score, and a sentence if it has others."""
    scored = [item for item in packages if item.score is not None and item.score.value is not None]
    lowest = min(scored or packages, key=_get_value)
    if len(packages) == 1:
        return lowest, ""
    labels = [f"{get_prefix(item.dependency.package.ecosystem)}:{item.dependency.package.name}" for item in packages]
    chosen = labels[packages.index(lowest)]
    return lowest, f"{name} has the packages {' and '.join(labels)}: read is {chosen}, which has the lowest score"


def _get_value(assessment: Assessment) -> float:
    return float(assessment.score.value or 0) if assessment.score is not None else 0.0


def _check_existence(assessment: Assessment) -> None:
    """Raise UsageError if a package, a version or a repository does not exist, or has no version at all."""
    absence = describe_absence(assessment)
    if absence:
        raise UsageError(absence, hint=assessment.fix)
    dependency = assessment.dependency
    if assessment.in_registry and assessment.score is None and not dependency.skip_reason:
        reason = next(iter(assessment.reasons), "there is no version")
        raise UsageError(f"{dependency.package.name}{dependency.requirement}: {reason}", hint=assessment.fix)


def explain_missing(targets: Sequence[Assessment], run: EvidenceRun) -> list[str]:
    """Return why not everything could be read: targets without a score, and sources that did not answer."""
    missing = [
        f"{item.dependency.package.name}: {explain_no_score(item)}"
        for item in targets
        if item.score is None or item.score.value is None
    ]
    return list(dict.fromkeys((*missing, *describe_missing_sources(run))))


def describe_missing_sources(run: EvidenceRun) -> list[str]:
    """Return the required sources that did not answer, and that no other one replaced."""
    return [
        describe_incomplete(source)
        for source in run.describe_sources()
        if source.state in _STATES and source.required and not source.fallback
    ]


def explain_no_score(assessment: Assessment) -> str:
    """Return why a target has no score; empty if it has one."""
    score = assessment.score
    if score is not None and score.value is not None:
        return ""
    unread = next((fact for fact in list_repository_facts(assessment) if isinstance(fact, Unknown)), None)
    if unread is not None:
        return unread.reason
    verdict = score.verdict if score is not None else ""
    return (
        assessment.dependency.skip_reason or verdict or (assessment.reasons[0] if assessment.reasons else "not scored")
    )
