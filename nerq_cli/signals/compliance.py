"""Compliance: may it be used, where does it come from, and how are problems reported?"""

from __future__ import annotations

from collections.abc import Iterator

from nerq_cli.facts import Found, Metadata
from nerq_cli.methodology import SIGNALS
from nerq_cli.signals import licences
from nerq_cli.signals.context import Context, build_unread
from nerq_cli.signals.licences import Licence
from nerq_cli.signals.signal import Flag, Signal, build_from_level, build_known, build_missing, build_unknown

_CLARITY_ORDER = ("approved", "unapproved", "mapped", "unlicensed", "ambiguous", "custom", "none")


def measure(context: Context) -> Iterator[Signal | Flag]:
    """Yield the compliance signals C1-C4 and the flag that goes with them."""
    fact = context.evidence.metadata
    if isinstance(fact, Found):
        yield from measure_licence(fact)
    else:
        yield build_missing("C1", fact)
        yield build_missing("C2", fact)
    yield measure_source_link(context)
    yield measure_disclosure(context)


def parse_licences(metadata: Metadata) -> tuple[Licence, ...]:
    """Return what each licence field of the registry says, most explicit first; empty when no field was read."""
    parsed_licences: list[Licence] = []
    if metadata.licence_expression is not None:
        parsed_licences.append(licences.parse_expression(metadata.licence_expression))
    if metadata.licence_classifiers is not None:
        parsed_licences.append(licences.parse_classifiers(metadata.licence_classifiers))
    if metadata.licence_text is not None:
        parsed_licences.append(licences.parse_text(metadata.licence_text))
    return tuple(parsed_licences)


def measure_licence(fact: Found[Metadata]) -> Iterator[Signal | Flag]:
    """C1 and C2: how clearly the licence is stated, and what it asks."""
    stated_licences = parse_licences(fact.value)
    if not stated_licences:
        yield build_unknown("C1", "no licence field in the registry's answer", fact.source)
        yield build_unknown("C2", "licence not known", fact.source)
        return
    clearest = min(stated_licences, key=lambda statement: _CLARITY_ORDER.index(statement.clarity))
    limit = SIGNALS["C1"].levels["disagreement limit"]
    value, reason = SIGNALS["C1"].levels[clearest.clarity], _describe_licence(clearest)
    if any(licences.are_conflicting(clearest, candidate) for candidate in stated_licences) and value > limit:
        other_expressions = sorted(
            {statement.expression for statement in stated_licences if statement.expression} - {clearest.expression}
        )
        value, reason = limit, f"licence statements disagree: {clearest.expression}, {', '.join(other_expressions)}"
    yield build_known("C1", value, reason, fact)
    terms = licences.classify_terms(clearest.expression) if clearest.expression else ""
    if terms:
        yield build_from_level("C2", terms, f"{clearest.expression}: {terms}", fact)
    else:
        yield build_unknown("C2", "licence not recognised", fact.source)
    if clearest.clarity == "none":
        yield Flag("no-licence", "no licence stated", fact.source, fact.retrieved_at)


def _describe_licence(statement: Licence) -> str:
    return {
        "approved": f"licence {statement.expression}",
        "mapped": f"licence {statement.expression} (as understood from a classifier or free text)",
        "unapproved": f"licence {statement.expression}, not approved by OSI or FSF",
        "ambiguous": "licence named only loosely",
        "custom": "licence is not a standard one",
        "none": "no licence stated",
        "unlicensed": "all rights reserved",
    }[statement.clarity]


def measure_source_link(context: Context) -> Signal:
    """C3: where the source is, and who confirms it."""
    fact, metadata = context.evidence.metadata, context.metadata
    repository, repository_fact = context.repository, context.evidence.repository
    if metadata is not None and metadata.attested_repository and isinstance(fact, Found):
        return build_from_level("C3", "attested", f"source attested: {metadata.attested_repository}", fact)
    if repository is not None and isinstance(repository_fact, Found):
        descriptions = {
            "attested": "source attested",
            "confirmed": "source link confirmed by the repository",
            "declared": "source link declared, not confirmed",
            "dead": "source link is dead",
            "foreign": "source link belongs to another package",
        }
        return build_from_level(
            "C3", repository.link_status, f"{descriptions[repository.link_status]}: {repository.name}", repository_fact
        )
    if metadata is None or not isinstance(fact, Found):
        return build_missing("C3", fact)
    if metadata.repository is None:
        return build_unknown("C3", "no link fields in the registry's answer", fact.source)
    if metadata.repository:
        return build_from_level("C3", "declared", f"source link declared: {metadata.repository}", fact)
    return build_from_level("C3", "none", "no source link", fact)


def measure_disclosure(context: Context) -> Signal:
    """C4: does the repository say how to report a vulnerability?"""
    repository, fact = context.repository, context.evidence.repository
    scorecard, share = context.scorecard, context.repository_share
    has_policy = repository.security_policy if repository is not None else None
    check_score = scorecard.value.checks.get("Security-Policy", -1) if isinstance(scorecard, Found) else -1
    if isinstance(fact, Found) and has_policy is not None and (has_policy or check_score <= 0):
        return _build_policy_signal(has_policy, fact, share)
    if isinstance(scorecard, Found) and check_score >= 0:
        return _build_policy_signal(check_score > 0, scorecard, share)
    return build_unread("C4", context)


def _build_policy_signal(is_published: bool, fact: Found[object], share: float) -> Signal:  # noqa: FBT001 - the answer itself
    reason = "security policy published" if is_published else "no security policy found"
    return build_from_level("C4", "yes" if is_published else "no", reason, fact, share=share)
