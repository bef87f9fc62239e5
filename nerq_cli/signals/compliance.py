"""Compliance signals: licence, origin of the source, and how to report vulnerabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from nerq_cli.facts import Found, Metadata
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.signals import licences
from nerq_cli.signals.context import Context, build_unread
from nerq_cli.signals.licences import Licence
from nerq_cli.signals.provenance import find_mismatch
from nerq_cli.signals.signal import (
    Flag,
    MeasureFunction,
    Signal,
    build_flag,
    build_from_level,
    build_known,
    build_missing,
    build_unknown,
)

#: Clarities of a licence, clearest first.
CLARITY_ORDER: Final = ("approved", "unapproved", "mapped", "unlicensed", "ambiguous", "custom", "none")
_LINK_DESCRIPTIONS: Final = {
    "attested": "source attested",
    "confirmed": "source link confirmed by the repository",
    "declared": "source link declared, not confirmed",
    "dead": "source link is dead",
    "foreign": "source link belongs to another package",
}
#: See ``Repository.link_status``.
LINK_STATUSES: Final = tuple(_LINK_DESCRIPTIONS)


def parse_licences(metadata: Metadata) -> tuple[Licence, ...]:
    """Return the licence of each field of the registry, most explicit first; empty when no field was read."""
    parsed_licences: list[Licence] = []
    if metadata.licence_expression is not None:
        parsed_licences.append(licences.parse_expression(metadata.licence_expression))
    if metadata.licence_classifiers is not None:
        parsed_licences.append(licences.parse_classifiers(metadata.licence_classifiers))
    if metadata.licence_text is not None:
        parsed_licences.append(licences.parse_text(metadata.licence_text))
    return tuple(parsed_licences)


def choose_licence(metadata: Metadata) -> Licence | None:
    """Return the clearest statement of the licence; None when no field was read."""
    statements = parse_licences(metadata)
    return _choose_clearest(statements) if statements else None


def measure_licence(context: Context, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure how clearly the licence is stated."""
    fact = context.evidence.metadata
    if not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    statements = parse_licences(fact.value)
    if not statements:
        yield build_unknown(spec, "no licence field in the registry's answer", fact.source)
        return
    clearest = _choose_clearest(statements)
    limit = spec.levels["disagreement limit"]
    value, reason = spec.levels[clearest.clarity], _describe_licence(clearest)
    if value > limit and any(licences.are_conflicting(clearest, statement) for statement in statements):
        other_expressions = {statement.expression for statement in statements} - {"", clearest.expression}
        expressions = [clearest.expression, *sorted(other_expressions)]
        value, reason = limit, f"licence statements disagree: {', '.join(expressions)}"
    yield build_known(spec, value, reason, fact)
    if clearest.clarity == "none":
        yield build_flag("no-licence", "no licence stated", fact)


def measure_licence_terms(context: Context, spec: SignalSpec) -> Signal:
    """Measure what the licence demands of users."""
    fact = context.evidence.metadata
    if not isinstance(fact, Found):
        return build_missing(spec, fact)
    statements = parse_licences(fact.value)
    if not statements:
        return build_unknown(spec, "licence not known", fact.source)
    expression = _choose_clearest(statements).expression
    terms = licences.classify_terms(expression) if expression else ""
    if not terms:
        return build_unknown(spec, "licence not recognised", fact.source)
    return build_from_level(spec, terms, f"{expression}: {terms}", fact)


def _choose_clearest(statements: Sequence[Licence]) -> Licence:
    return min(statements, key=lambda statement: CLARITY_ORDER.index(statement.clarity))


def _describe_licence(licence: Licence) -> str:
    return {
        "approved": f"licence {licence.expression}",
        "mapped": f"licence {licence.expression} (as understood from a classifier or free text)",
        "unapproved": f"licence {licence.expression}, not approved by OSI or FSF",
        "ambiguous": "licence named only loosely",
        "custom": "licence is not a standard one",
        "none": "no licence stated",
        "unlicensed": "all rights reserved",
    }[licence.clarity]


def measure_source_link(context: Context, spec: SignalSpec) -> Signal:
    """Measure whether the package links to its source, and whether the link is confirmed."""
    fact, metadata = context.evidence.metadata, context.metadata
    repository, repository_fact = context.repository, context.evidence.repository
    if metadata is not None and metadata.attested_repository and isinstance(fact, Found):
        reason, mismatch = f"source attested: {metadata.attested_repository}", find_mismatch(metadata)
        if mismatch:
            reason = f"source link contradicted: {mismatch}"
        return build_from_level(spec, "none" if mismatch else "attested", reason, fact)
    if repository is not None and isinstance(repository_fact, Found):
        status = repository.link_status
        return build_from_level(spec, status, f"{_LINK_DESCRIPTIONS[status]}: {repository.name}", repository_fact)
    if metadata is None or not isinstance(fact, Found):
        return build_missing(spec, fact)
    if metadata.repository is None:
        return build_unknown(spec, "no link fields in the registry's answer", fact.source)
    if metadata.repository:
        return build_from_level(spec, "declared", f"source link declared: {metadata.repository}", fact)
    return build_from_level(spec, "none", "no source link", fact)


def measure_disclosure(context: Context, spec: SignalSpec) -> Signal:
    """Measure whether the repository describes how to report a vulnerability."""
    repository, fact, scorecard = context.repository, context.evidence.repository, context.scorecard
    has_policy = repository.security_policy if repository is not None else None
    check_score = scorecard.value.checks.get("Security-Policy", -1) if isinstance(scorecard, Found) else -1
    source: Found[object]
    if isinstance(fact, Found) and has_policy is not None and (has_policy or check_score <= 0):
        source = fact
    elif isinstance(scorecard, Found) and check_score >= 0:
        source, has_policy = scorecard, check_score > 0
    else:
        return build_unread(spec, context)
    level, reason = ("yes", "security policy published") if has_policy else ("no", "no security policy found")
    return build_from_level(spec, level, reason, source, share=context.repository_share)


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[Context]]] = {
    "licence": measure_licence,
    "licence_terms": measure_licence_terms,
    "source_link": measure_source_link,
    "disclosure_policy": measure_disclosure,
}
