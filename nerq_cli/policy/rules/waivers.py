"""Rules about waivers. What applies them finds what these rules report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nerq_cli.policy.findings import Finding
from nerq_cli.policy.rules.rule import PolicyRule, RuleInput


def _find_expired(_rule_input: RuleInput) -> Iterable[Finding]:
    """Yield nothing: no waivers are read."""
    return ()


def _find_unused(_rule_input: RuleInput) -> Iterable[Finding]:
    """Yield nothing: no waivers are read."""
    return ()


WAIVER_EXPIRED: Final = PolicyRule(
    id="waiver-expired",
    level="deny",
    summary="The last day of a waiver has passed.",
    explanation="A waiver applies until the day that it names, and what it waives counts again after it. From 14 days "
    "ahead the report warns.",
    hint="mend what was waived, or decide again and write a new day",
    headings=("expired waiver", "expired waivers"),
    count_phrases=("expired waiver", "expired waivers"),
    check=_find_expired,
)
WAIVER_UNUSED: Final = PolicyRule(
    id="waiver-unused",
    level="warn",
    summary="A waiver waives nothing.",
    explanation="No finding of the run matches it: what it waived was mended, or the waiver has a mistake.",
    hint="remove it",
    headings=("unused waiver", "unused waivers"),
    count_phrases=("unused waiver", "unused waivers"),
    check=_find_unused,
)
