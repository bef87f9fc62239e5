"""Assess source repositories on GitHub that are dependencies by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from nerq_cli import scoring
from nerq_cli.application.repositories import (
    GroupKey,
    build_repository_dependency,
    choose_judged,
    collect_reasons,
    explain_unknown,
    group_declarations,
)
from nerq_cli.ecosystems import GITHUB
from nerq_cli.facts import Absent, Found, Unknown
from nerq_cli.github_facts import GithubEvidence, GithubReference
from nerq_cli.inventory import Declaration, Dependency, Package
from nerq_cli.policy.assessment import pack_metadata
from nerq_cli.report.model import Assessment
from nerq_cli.targets import COMMAND_LINE

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceProvider

#: Caps of a repository with which pinning its commit is good advice.
_CAPS_PINNING_ALLOWS = frozenset({"no-licence"})


def assess_github_repositories(
    declarations: Sequence[Declaration], options: ScanOptions, provider: EvidenceProvider
) -> Iterator[Assessment]:
    """Yield every repository at each revision with its score and state, sorted."""
    groups = group_declarations(declarations)
    keys = [(key.package, key.revision) for key, _ in groups if not key.skip_reason]
    evidence = provider.collect_github(keys) if keys else {}
    # Under the present name, so that a repository which is named by an old one as well has one row.
    present: dict[GroupKey, tuple[list[Declaration], GithubEvidence | None]] = {}
    for key, items in groups:
        facts = None if key.skip_reason else evidence[key.package, key.revision]
        name = "" if facts is None else get_present_name(facts)
        package = Package(ecosystem=GITHUB, name=name) if name else key.package
        present.setdefault(key._replace(package=package), ([], facts))[0].extend(items)
    for key, (items, facts) in sorted(present.items(), key=lambda group: group[0]):
        if facts is None:
            dependency = build_repository_dependency(key.package, key.revision, items, "")
            state = options.judge(dependency, None)
            yield Assessment(dependency=dependency, state=state, reasons=(key.skip_reason,))
        else:
            reference = GithubReference(
                is_target=all(item.location.path == COMMAND_LINE for item in items), revision=key.revision
            )
            yield _assess_repository(key, items, replace(facts, reference=reference), options)


def get_present_name(evidence: GithubEvidence) -> str:
    """Return the name that GitHub has for a repository now, in lower case; empty if it was not read."""
    hosted = evidence.hosted
    return hosted.value.name.partition("/")[2].lower() if isinstance(hosted, Found) else ""


def _assess_repository(
    key: GroupKey, declarations: Sequence[Declaration], evidence: GithubEvidence, options: ScanOptions
) -> Assessment:
    from nerq_cli.methodology.repositories import REPOSITORIES
    from nerq_cli.signals.repositories import measure_github_repository  # only projects with repositories need them

    hosted, revision = evidence.hosted, evidence.revision
    commit = revision.value.commit if isinstance(revision, Found) else ""
    dependency = build_repository_dependency(key.package, key.revision, declarations, commit)
    score = scoring.compute_score(REPOSITORIES, measure_github_repository(REPOSITORIES, evidence, options.as_of))
    judged = choose_judged(dependency, options)
    state = options.judge(judged, score)
    threshold = options.policy.find_threshold(judged, options.threshold)
    return Assessment(
        dependency=dependency,
        state=state,
        score=score,
        reasons=(
            *explain_unknown(score, state),
            *collect_reasons(score, hosted),
            *([f"renamed on GitHub: before {', '.join(dependency.aliases)}"] if dependency.aliases else []),
            *_name_packages(evidence),
        ),
        fix=_suggest_pin(dependency, score),
        released_at=revision.value.committed_at if isinstance(revision, Found) else 0,
        in_registry=None if isinstance(hosted, Unknown) else not isinstance(hosted, Absent),
        advisories=evidence.advisories.value if isinstance(evidence.advisories, Found) else (),
        packed_metadata=pack_metadata(evidence.metadata),
        threshold=threshold if options.policy.has_own_thresholds else None,
        marks=_collect_marks(evidence, options),
        github=evidence,
    )


def _name_packages(evidence: GithubEvidence) -> Iterator[str]:
    """Yield what is published from a repository, whose advisories are those of the packages."""
    packages = evidence.hosted.value.packages if isinstance(evidence.hosted, Found) else ()
    if packages:
        targets = " and ".join(package.replace("/", ":", 1) for package in packages)
        yield f"advisories about what is published from it are those of {targets}"


def _suggest_pin(dependency: Dependency, score: scoring.Score) -> str:
    """Return what to write so that the commit that was scored is always the one in use; empty if it is pinned.

    Empty as well if a cap limits its score: the commit to pin would be the one that is reported.
    """
    if dependency.resolution == "pinned" or not dependency.version:
        return ""
    if any(cap.id not in _CAPS_PINNING_ALLOWS for cap in score.caps):
        return ""
    return f"pin it: {dependency.package.name}@{dependency.version}"


def _collect_marks(evidence: GithubEvidence, options: ScanOptions) -> int | None:
    from nerq_cli.application.assess import list_marked_rules

    rule_ids = list_marked_rules(options.policy)
    if not rule_ids:
        return None
    from nerq_cli.policy.github_marks import collect_github_marks

    return collect_github_marks(evidence, options.as_of, rule_ids)
