"""Assess repositories that a project refers to: models, datasets, Spaces and kernels of the Hub; those on GitHub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from msgspec.structs import replace

from nerq_cli import scoring
from nerq_cli.ecosystems import get_ecosystem, is_hub, is_repository
from nerq_cli.ecosystems.huggingface import DEFAULT_REVISION
from nerq_cli.facts import Absent, Fact, Found, Metadata, Unknown
from nerq_cli.inventory import MCP_GROUP, Declaration, Dependency, Package
from nerq_cli.policy.assessment import pack_metadata
from nerq_cli.policy.fix import describe_pin
from nerq_cli.report.model import Assessment
from nerq_cli.resolve.resolver import build_dependency

if TYPE_CHECKING:
    from nerq_cli.application.assess import ScanOptions
    from nerq_cli.application.evidence_run import EvidenceProvider
    from nerq_cli.hub_facts import HubEvidence, HubReference, HubRepository
    from nerq_cli.insight.watch import WatchedFacts
    from nerq_cli.policy import State

#: A repository and the revision that is asked for: empty for that of its main branch.
RepositoryKey: TypeAlias = tuple[Package, str]
#: Where the version of a floating reference comes from that the client of the Hub downloaded before.
CACHED_COMMIT: Final = "version in use: the commit in the cache of huggingface_hub"
#: Libraries whose version decides how the files of a model are loaded.
LOADERS: Final = frozenset(
    {"accelerate", "datasets", "diffusers", "huggingface-hub", "safetensors", "torch", "transformers"}
)
#: Caps that do not apply to a pinned commit.
_CAPS_PINNING_REMOVES: Final = frozenset({"remote-code"})
#: SPDX identifiers of licences that the Hub spells without a version.
_SPDX_NAMES: Final = {"odbl": "ODbL-1.0", "pddl": "PDDL-1.0"}


def split_declarations(declarations: Iterable[Declaration]) -> tuple[list[Declaration], list[Declaration]]:
    """Return the declarations of packages, and those of repositories: of the Hub, and on GitHub."""
    packages: list[Declaration] = []
    repositories: list[Declaration] = []
    for declaration in declarations:
        (repositories if is_repository(declaration.ecosystem) else packages).append(declaration)
    return packages, repositories


def find_loaders(declarations: Iterable[Declaration]) -> tuple[tuple[str, str], ...]:
    """Return the pinned versions of the libraries that load models: each pair of name and version once, sorted."""
    ecosystem = get_ecosystem("PyPI")
    return tuple(
        sorted(
            {
                (declaration.package.name, version)
                for declaration in declarations
                if declaration.ecosystem == ecosystem.id
                and declaration.group != MCP_GROUP  # in an environment of its own
                and declaration.package.name in LOADERS
                and (version := declaration.locked_version or ecosystem.parse_pin(declaration.requirement) or "")
            }
        )
    )


def list_repositories(declarations: Sequence[Declaration]) -> Iterator[Dependency]:
    """Yield every repository at each revision, sorted, as far as the project states it."""
    for (package, revision, _, _), items in group_declarations(declarations):
        yield build_repository_dependency(package, revision, items, "")


def assess_repositories(
    declarations: Sequence[Declaration],
    loaders: tuple[tuple[str, str], ...],
    options: ScanOptions,
    provider: EvidenceProvider,
) -> Iterator[Assessment]:
    """Yield every repository at each revision with its score and state, sorted; those on GitHub first.

    ``loaders`` are the versions of the libraries that load models (:func:`find_loaders`).
    """
    on_github = [declaration for declaration in declarations if not is_hub(declaration.ecosystem)]
    if on_github:
        from nerq_cli.application.github_repositories import assess_github_repositories

        yield from assess_github_repositories(on_github, options, provider)
        declarations = [declaration for declaration in declarations if is_hub(declaration.ecosystem)]
    groups = group_declarations(declarations)
    keys = [
        (package, cached_commit or revision)
        for (package, revision, skip_reason, cached_commit), _ in groups
        if not skip_reason
    ]
    evidence = provider.collect_repositories(keys) if keys else {}
    # Under the present name, so that a repository which is named by an old one as well has one row.
    present: dict[GroupKey, tuple[list[Declaration], HubEvidence | None]] = {}
    for (package, revision, skip_reason, cached_commit), items in groups:
        facts = None if skip_reason else evidence[package, cached_commit or revision]
        present_package = package if facts is None else _get_present_package(package, facts)
        key = GroupKey(present_package, revision, skip_reason, cached_commit)
        present.setdefault(key, ([], facts))[0].extend(items)
    for (package, revision, skip_reason, _), (items, facts) in sorted(present.items(), key=lambda group: group[0]):
        if facts is None:
            dependency = build_repository_dependency(package, revision, items, "")
            state = options.judge(dependency, None)
            yield Assessment(dependency=dependency, state=state, reasons=(skip_reason,))
        else:
            evidence_in_use = replace(facts, reference=_describe_reference(revision, items, loaders))
            yield _assess_repository(package, revision, items, evidence_in_use, options)


def _get_present_package(package: Package, evidence: HubEvidence) -> Package:
    """Return a repository under the name that the Hub has for it now."""
    fact = evidence.repository
    return Package(ecosystem=package.ecosystem, name=fact.value.id) if isinstance(fact, Found) else package


class GroupKey(NamedTuple):
    """What the declarations of one row have in common."""

    package: Package
    revision: str
    skip_reason: str
    #: Commit that the cache of huggingface_hub has for the revision; empty if none, or if the revision is a commit.
    cached_commit: str


def group_declarations(declarations: Iterable[Declaration]) -> list[tuple[GroupKey, list[Declaration]]]:
    """Return the declarations of each repository and revision, sorted.

    On the Hub the main branch is what is loaded without a revision: a place that names it, and one that names none, are
    one reference.
    """
    grouped: dict[GroupKey, list[Declaration]] = {}
    for item in declarations:
        is_main = item.requirement == DEFAULT_REVISION and is_hub(item.ecosystem)
        key = GroupKey(item.package, "" if is_main else item.requirement, item.skip_reason, item.locked_version)
        grouped.setdefault(key, []).append(item)
    return sorted(grouped.items(), key=lambda group: group[0])


def build_repository_dependency(
    package: Package, revision: str, declarations: Sequence[Declaration], commit: str
) -> Dependency:
    """Return the dependency on a repository under its present name, at the commit that its revision leads to."""
    pin = get_ecosystem(package.ecosystem).parse_pin(revision)
    cached_commit = declarations[0].locked_version
    version = pin or cached_commit or commit or None
    dependency = build_dependency(
        package, declarations, (), version, "pinned" if pin else "range" if version else "unresolved"
    )
    old_names = {item.package.name for item in declarations} - {package.name}
    return replace(dependency, aliases=tuple(sorted(old_names))) if old_names else dependency


def _assess_repository(
    package: Package, revision: str, declarations: Sequence[Declaration], evidence: HubEvidence, options: ScanOptions
) -> Assessment:
    from nerq_cli.methodology.models import MODELS
    from nerq_cli.signals.models import measure_repository  # only projects that refer to models need them

    fact = evidence.repository
    repository = fact.value if isinstance(fact, Found) else None
    commit = repository.sha if repository is not None else ""
    dependency = build_repository_dependency(package, revision, declarations, commit)
    score = scoring.compute_score(MODELS, measure_repository(MODELS, evidence, options.as_of))
    judged = choose_judged(dependency, options)
    state = options.judge(judged, score)
    threshold = options.policy.find_threshold(judged, options.threshold)
    return Assessment(
        dependency=dependency,
        state=state,
        score=score,
        reasons=(
            *explain_unknown(score, state),
            *collect_reasons(score, evidence.repository),
            *([CACHED_COMMIT] if declarations[0].locked_version else []),
            *([f"renamed on the Hub: before {', '.join(dependency.aliases)}"] if dependency.aliases else []),
        ),
        fix=_suggest_pin(dependency, repository, score, state, threshold),
        released_at=repository.modified_at if repository is not None else 0,
        in_registry=None if isinstance(fact, Unknown) else not _is_missing(fact),
        packed_metadata=pack_metadata(_build_metadata(fact)),
        threshold=threshold if options.policy.has_own_thresholds else None,
        marks=_collect_marks(evidence, options),
        hub=evidence,
        watched=_collect_facts(evidence, options) if options.keeps_facts else None,
    )


def choose_judged(dependency: Dependency, options: ScanOptions) -> Dependency:
    """Return a repository under that of its names with the highest threshold.

    Whoever renames a repository does not lower the threshold that the settings have for it.
    """
    named = [
        replace(dependency, package=Package(ecosystem=dependency.package.ecosystem, name=name))
        for name in dependency.aliases
    ]
    return max((dependency, *named), key=lambda one: options.policy.find_threshold(one, options.threshold))


def explain_unknown(score: scoring.Score, state: State) -> Iterator[str]:
    """Yield why a score gives no verdict."""
    from nerq_cli.application.assess import explain_range

    if state == "unknown" and score.value is not None and not score.has_required_signal:
        required = score.methodology.required_signal
        signal = next(signal for signal in score.signals if signal.id == required)
        yield f"{score.methodology.signals[required].name} not known: {signal.reason}"
    yield from explain_range(score, state)


def _is_missing(fact: Fact[HubRepository]) -> bool:
    """Return whether the Hub has no repository of this name; one without the revision is there."""
    from nerq_cli.hub_facts import NO_REVISION

    return isinstance(fact, Absent) and not fact.reason.startswith(NO_REVISION)


def _build_metadata(fact: Fact[HubRepository]) -> Fact[Metadata]:
    """Return what reports and rules read of a version: its licence, empty if it declares none, None if not read."""
    from nerq_cli.compliance.licences import read_licences

    if not isinstance(fact, Found):
        return fact
    licences = read_licences(fact.value)
    names = [licence.name or licence.id for licence in licences or ()]
    text = None if licences is None else " AND ".join(_SPDX_NAMES.get(name, name) for name in names if name)
    return Found(Metadata(version=fact.value.sha, licence_text=text), fact.source, fact.retrieved_at)


def _collect_marks(evidence: HubEvidence, options: ScanOptions) -> int | None:
    from nerq_cli.application.assess import list_marked_rules

    rule_ids = list_marked_rules(options.policy)
    if not rule_ids:
        return None
    from nerq_cli.policy.hub_marks import collect_hub_marks

    return collect_hub_marks(evidence, options.as_of, rule_ids)


def _collect_facts(evidence: HubEvidence, options: ScanOptions) -> WatchedFacts:
    from nerq_cli.application.watched_facts import collect_hub_facts

    return collect_hub_facts(evidence, options.as_of)


def _describe_reference(
    revision: str, declarations: Sequence[Declaration], loaders: tuple[tuple[str, str], ...]
) -> HubReference:
    from nerq_cli.hub_facts import HubReference
    from nerq_cli.targets import COMMAND_LINE

    stated = {declaration.trusts_remote_code for declaration in declarations}
    return HubReference(
        is_target=all(declaration.location.path == COMMAND_LINE for declaration in declarations),
        revision=revision,
        trusts_remote_code=True if True in stated else False if False in stated else None,
        refuses_safetensors=any(declaration.refuses_safetensors for declaration in declarations),
        libraries=loaders,
    )


def collect_reasons(score: scoring.Score, fact: Fact[Any]) -> tuple[str, ...]:
    """Return the reasons of a score, and why a repository was not read."""
    reasons = score.reason_texts
    if score.verdict and score.verdict not in reasons:
        reasons = (score.verdict, *reasons)
    if isinstance(fact, Unknown) and fact.reason not in reasons:
        reasons = (fact.reason, *reasons)
    return reasons


def _suggest_pin(
    dependency: Dependency, repository: HubRepository | None, score: scoring.Score, state: State, threshold: float
) -> str:
    """Return what to write so that the repository is always the one that was scored.

    Empty if that cures nothing: it is pinned, no project refers to it, or what else is wrong with it, or not known of
    it, decides. The commit to pin would be the one that is reported as unsafe, or that of a look-alike.
    """
    if dependency.resolution == "pinned" or repository is None or not repository.sha or repository.disabled:
        return ""
    lost_points = next((part.lost_points for part in score.parts if part.signal.id == "pinning"), 0.0)
    if not lost_points or any(cap.id not in _CAPS_PINNING_REMOVES for cap in score.caps):
        return ""
    from nerq_cli.signals.models.security import UNPINNED_CODE  # only projects that refer to models need it

    if not all(doubt.endswith(UNPINNED_CODE) for doubt in score.doubts):
        return ""
    is_cured = (
        state == "ok"
        or any(cap.id in _CAPS_PINNING_REMOVES for cap in score.caps)
        or (state == "unknown" and bool(score.doubts) and score.has_required_signal)
        or (state == "below" and (score.total or 0.0) + lost_points >= threshold)
    )
    return describe_pin(repository.sha, dependency.locations) if is_cured else ""
