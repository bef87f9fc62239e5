"""Rules about licences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nerq_cli.policy.findings import Finding
from nerq_cli.policy.licence_lists import LicenceLists
from nerq_cli.policy.rules.rule import PolicyRule, RuleInput, build_finding, build_undecided, list_judged
from nerq_cli.signals.compliance import choose_licence

_UNKNOWN: Final = "licence not known"


def _find_unaccepted(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each licence that the lists do not accept."""
    settings = rule_input.settings
    if not settings.allowed_licences and not settings.denied_licences:
        return
    lists = LicenceLists(settings.allowed_licences, settings.denied_licences)
    for assessment in list_judged(rule_input):
        licence = None if assessment.metadata is None else choose_licence(assessment.metadata.value)
        if licence is None:
            yield build_undecided(assessment, _UNKNOWN)
            continue
        reason = lists.find_objection(licence)
        if reason:
            yield build_finding(assessment, reason)
        elif reason is None:
            yield build_undecided(assessment, "its licence statement is no SPDX expression, and matches no known text")


def _find_unlicensed(rule_input: RuleInput) -> Iterator[Finding]:
    """Yield a finding for each version whose metadata state no licence."""
    for assessment in list_judged(rule_input):
        licence = None if assessment.metadata is None else choose_licence(assessment.metadata.value)
        if licence is None:
            yield build_undecided(assessment, _UNKNOWN)
        elif licence.clarity == "none":
            yield build_finding(assessment, "no licence stated")


LICENCE: Final = PolicyRule(
    id="licence",
    level="allow",
    summary="The licence of a dependency is not accepted.",
    explanation="allow and deny list SPDX identifiers, patterns of them (GPL-*), expressions with an exception "
    "(GPL-2.0-only WITH Classpath-exception-2.0) or kinds of licence (permissive, weak copyleft, strong copyleft, "
    "network copyleft, restricted use). Of an expression with OR one part must be accepted, with AND every part. With "
    "allow a licence must be on it; deny outweighs it. A licence with an exception is accepted where the licence is, "
    "and denied where it is, unless the expression itself is listed. A licence of the form or-later is accepted where "
    "a later version is.",
    hint="replace the dependency, or ask whoever decides about licences",
    headings=("licence that is not accepted", "licences that are not accepted"),
    count_phrases=("licence that is not accepted", "licences that are not accepted"),
    check=_find_unaccepted,
)
NO_LICENCE: Final = PolicyRule(
    id="no-licence",
    level="allow",
    summary="A version states no licence.",
    explanation="Without a licence nobody may use, change or pass on the code. Every field of the registry's metadata "
    "is read. The score has a cap of 74 for it.",
    hint="ask its maintainers to state one",
    headings=("dependency without a licence", "dependencies without a licence"),
    count_phrases=("dependency without a licence", "dependencies without a licence"),
    is_in_table=True,
    check=_find_unlicensed,
)
