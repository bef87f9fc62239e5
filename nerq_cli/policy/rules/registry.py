"""Rules about the state of a package or version on its registry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nerq_cli.ecosystems import get_ecosystem, get_hub_ecosystem, is_hub
from nerq_cli.inventory import Location, Package
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.marks import read_mark
from nerq_cli.policy.rules.rule import (
    PolicyRule,
    RuleInput,
    build_finding,
    build_undecided,
    check_marks,
    find_cap_reason,
    list_judged,
)


def _find_unlisted(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each package that its registry does not have."""
    locations_by_package: dict[Package, dict[Location, None]] = {}
    for assessment in rule_input.assessments:
        if assessment.in_registry is False:
            dependency = assessment.dependency
            locations_by_package.setdefault(dependency.package, {}).update(dict.fromkeys(dependency.locations))
    for package, locations in locations_by_package.items():
        ecosystem = get_ecosystem(package.ecosystem)
        noun = get_hub_ecosystem(ecosystem.id).kind if is_hub(ecosystem.id) else "package"
        yield Finding(
            text=f"{ecosystem.registry_name} has no {noun} of this name",
            purl=package.purl,
            name=package.name,
            locations=tuple(locations),
        )


def _find_lookalikes(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each package whose name is mistaken for a popular one, by the conditions of the cap."""
    for assessment in list_judged(rule_input):
        if reason := find_cap_reason(assessment, "name-confusion", "name-clone"):
            yield build_finding(assessment, reason)
        elif read_mark(assessment.marks, LOOKALIKE.id) is None:
            yield build_undecided(assessment, "its name was not compared with those of popular ones")


def _describe_yanked(assessment: Assessment) -> str:
    return find_cap_reason(assessment, "yanked") or "version yanked"


def _describe_deprecated(assessment: Assessment) -> str:
    if is_hub(assessment.dependency.package.ecosystem):
        return "its author names a successor"
    reason = find_cap_reason(assessment, "deprecated", "deprecated-version")
    return reason if "deprecated" in reason else "deprecated by its maintainers"


def _describe_archived(assessment: Assessment) -> str:
    if assessment.github is not None:
        return "archived on GitHub: read-only, without fixes"
    return "archived on the registry, or its repository is"


def _describe_inactive(assessment: Assessment) -> str:
    if is_hub(assessment.dependency.package.ecosystem):
        return "not changed for over four years"
    if assessment.github is not None:
        return "no commit for over five years"
    return find_cap_reason(assessment, "inactive", "abandoned", "stale", "backlog") or "no release or commit for years"


def _describe_vanished(assessment: Assessment) -> str:
    if is_hub(assessment.dependency.package.ecosystem):
        return f"the Hub does not have the commit {assessment.dependency.version}"
    if assessment.github is not None:
        return f"GitHub does not have the commit {assessment.dependency.version}"
    return f"version {assessment.dependency.version} is not listed by the registry any more"


def _find_vanished(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each pinned version that the registry does not list."""
    for assessment in list_judged(rule_input):
        if assessment.dependency.resolution != "pinned" or assessment.in_registry is False:
            continue
        mark = read_mark(assessment.marks, VANISHED.id)
        if mark:
            yield build_finding(assessment, _describe_vanished(assessment))
        elif mark is None:
            yield build_undecided(assessment, "not known whether the registry still lists the version")


NOT_ON_INDEX: Final = PolicyRule(
    id="not-on-index",
    level="deny",
    summary="The registry has no package of this name.",
    explanation="Anyone could register the name, and the next installation would run that code. Names that are "
    "declared private, or that an index of your own has, are not looked up there. On the Hugging Face Hub a repository "
    "that is private looks like one that does not exist, unless a token is set.",
    hint="correct it, or list it under private in [tool.nerq] if it is yours",
    headings=(
        "name that is not in the registry: anyone could register it",
        "names that are not in the registry: anyone could register them",
    ),
    count_phrases=("name in no public index", "names in no public index"),
    check=_find_unlisted,
)
VANISHED: Final = PolicyRule(
    id="vanished",
    level="allow",
    summary="The registry does not list a pinned version any more.",
    explanation="Registries remove versions for malware, and maintainers remove broken ones. A new installation fails, "
    "and what is installed cannot be checked again. Such a version has no score, so that a run with one is incomplete "
    "whatever the level of this rule.",
    hint="move to a version that the registry lists, and find out why this one was removed",
    headings=("pinned version that the registry does not list", "pinned versions that the registry does not list"),
    count_phrases=("vanished version", "vanished versions"),
    is_in_table=True,
    check=_find_vanished,
)
LOOKALIKE: Final = PolicyRule(
    id="lookalike",
    level="allow",
    summary="A name is easily mistaken for that of a popular package.",
    explanation="The package is young, at least 100 times less used than one of the 5,000 most used with a similar "
    "name, and shares no owner with it. The score has a cap of 30 for it. A repository of the Hugging Face Hub is one "
    "that has the name of a well-known one, or whose account looks like a well-known one, and that names no base "
    "model: the cap name-clone of 40.",
    hint="check that you meant this name",
    headings=("name that looks like a popular one", "names that look like popular ones"),
    count_phrases=("name that looks like a popular one", "names that look like popular ones"),
    is_in_table=True,
    check=_find_lookalikes,
)
YANKED: Final = PolicyRule(
    id="yanked",
    level="allow",
    summary="The version in use is yanked.",
    explanation="Its maintainers advise against installing it. Installers take it only when it is pinned. The score "
    "has a cap of 50 for it.",
    hint="move to another version",
    headings=("yanked version", "yanked versions"),
    count_phrases=("yanked version", "yanked versions"),
    is_in_table=True,
    check=check_marks("yanked", _describe_yanked, "not known whether the version is yanked"),
)
DEPRECATED: Final = PolicyRule(
    id="deprecated",
    level="allow",
    summary="The package, or the version in use, is deprecated.",
    explanation="The registry has a notice of deprecation of its maintainers. The score has a cap of 55 for a "
    "deprecated package, and one of 69 for a single deprecated version. Of a repository of the Hugging Face Hub its "
    "card names a successor (new_version).",
    hint="follow the notice, or look for an alternative",
    headings=("deprecated dependency", "deprecated dependencies"),
    count_phrases=("deprecated dependency", "deprecated dependencies"),
    is_in_table=True,
    check=check_marks("deprecated", _describe_deprecated, "not known whether it is deprecated"),
)
ARCHIVED: Final = PolicyRule(
    id="archived",
    level="allow",
    summary="The package or its repository is archived.",
    explanation="Nobody can change an archived repository: no fix will come from it. The score has a cap of 55 for it. "
    "Whether a repository is archived is read for few packages without a token for GitHub; a package with a recent "
    "release or recent activity is not archived.",
    hint="look for a fork or an alternative",
    headings=("archived dependency", "archived dependencies"),
    count_phrases=("archived dependency", "archived dependencies"),
    is_in_table=True,
    check=check_marks("archived", _describe_archived, "not known whether its repository is archived"),
)
INACTIVE: Final = PolicyRule(
    id="inactive",
    level="allow",
    summary="The package is not maintained any more, by its classifier or its age.",
    explanation="Its newest version has the classifier 7 - Inactive, or the conditions of the caps abandoned, stale or "
    "backlog hold: no stable release for years, and no commit known in 24 months. The most used packages are never "
    "taken for abandoned. A model is finished by nature: a repository of the Hugging Face Hub is inactive after four "
    "years without a change.",
    hint="look for an alternative",
    headings=("inactive dependency", "inactive dependencies"),
    count_phrases=("inactive dependency", "inactive dependencies"),
    is_in_table=True,
    check=check_marks("inactive", _describe_inactive, "not known whether it is maintained"),
)
