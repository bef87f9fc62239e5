"""Compliance: may it be used, where does it come from, and how are problems reported?"""

from __future__ import annotations

from collections.abc import Iterator

from nerq_cli.facts import Found, Metadata
from nerq_cli.methodology import SIGNALS
from nerq_cli.signals import licences
from nerq_cli.signals.context import Context, unread
from nerq_cli.signals.licences import Licence
from nerq_cli.signals.signal import Flag, Signal, known, level, missing, unknown

_CLEAREST_FIRST = ("approved", "unapproved", "mapped", "unlicensed", "ambiguous", "custom", "none")


def measure(context: Context) -> Iterator[Signal | Flag]:
    """Yield the compliance signals C1-C4 and the flag that goes with them."""
    fact = context.evidence.metadata
    if isinstance(fact, Found):
        yield from licence(fact)
    else:
        yield missing("C1", fact)
        yield missing("C2", fact)
    yield source_link(context)
    yield disclosure(context)


def statements(metadata: Metadata) -> tuple[Licence, ...]:
    """Return what each licence field of the registry says, most explicit first; empty when no field was read."""
    found: list[Licence] = []
    if metadata.licence_expression is not None:
        found.append(licences.from_expression(metadata.licence_expression))
    if metadata.licence_classifiers is not None:
        found.append(licences.from_classifiers(metadata.licence_classifiers))
    if metadata.licence_text is not None:
        found.append(licences.from_text(metadata.licence_text))
    return tuple(found)


def licence(fact: Found[Metadata]) -> Iterator[Signal | Flag]:
    """C1 and C2: how clearly the licence is stated, and what it asks."""
    said = statements(fact.value)
    if not said:
        yield unknown("C1", "no licence field in the registry's answer", fact.source)
        yield unknown("C2", "licence not known", fact.source)
        return
    best = min(said, key=lambda s: _CLEAREST_FIRST.index(s.clarity))
    limit = SIGNALS["C1"].levels["disagreement limit"]
    value, reason = SIGNALS["C1"].levels[best.clarity], _in_words(best)
    if any(licences.disagree(best, other) for other in said) and value > limit:
        others = sorted({s.expression for s in said if s.expression} - {best.expression})
        value, reason = limit, f"licence statements disagree: {best.expression}, {', '.join(others)}"
    yield known("C1", value, reason, fact)
    kind = licences.kind(best.expression) if best.expression else ""
    if kind:
        yield level("C2", kind, f"{best.expression}: {kind}", fact)
    else:
        yield unknown("C2", "licence not recognised", fact.source)
    if best.clarity == "none":
        yield Flag("no-licence", "no licence stated", fact.source, fact.seen)


def _in_words(statement: Licence) -> str:
    return {
        "approved": f"licence {statement.expression}",
        "mapped": f"licence {statement.expression} (as understood from a classifier or free text)",
        "unapproved": f"licence {statement.expression}, not approved by OSI or FSF",
        "ambiguous": "licence named only loosely",
        "custom": "licence is not a standard one",
        "none": "no licence stated",
        "unlicensed": "all rights reserved",
    }[statement.clarity]


def source_link(context: Context) -> Signal:
    """C3: where the source is, and who confirms it."""
    fact, metadata = context.evidence.metadata, context.metadata
    repository, repository_fact = context.repository, context.evidence.repository
    if metadata is not None and metadata.attested_repository and isinstance(fact, Found):
        return level("C3", "attested", f"source attested: {metadata.attested_repository}", fact)
    if repository is not None and isinstance(repository_fact, Found):
        words = {
            "attested": "source attested",
            "confirmed": "source link confirmed by the repository",
            "declared": "source link declared, not confirmed",
            "dead": "source link is dead",
            "foreign": "source link belongs to another package",
        }
        return level("C3", repository.link, f"{words[repository.link]}: {repository.name}", repository_fact)
    if metadata is None or not isinstance(fact, Found):
        return missing("C3", fact)
    if metadata.repository is None:
        return unknown("C3", "no link fields in the registry's answer", fact.source)
    if metadata.repository:
        return level("C3", "declared", f"source link declared: {metadata.repository}", fact)
    return level("C3", "none", "no source link", fact)


def disclosure(context: Context) -> Signal:
    """C4: does the repository say how to report a vulnerability?"""
    repository, fact = context.repository, context.evidence.repository
    scorecard, share = context.scorecard, context.repository_share
    policy = repository.security_policy if repository is not None else None
    checked = scorecard.value.checks.get("Security-Policy", -1) if isinstance(scorecard, Found) else -1
    if isinstance(fact, Found) and policy is not None and (policy or checked <= 0):
        return _policy(policy, fact, share)
    if isinstance(scorecard, Found) and checked >= 0:
        return _policy(checked > 0, scorecard, share)
    return unread("C4", context)


def _policy(there: bool, fact: Found[object], share: float) -> Signal:  # noqa: FBT001 - the answer itself
    words = "security policy published" if there else "no security policy found"
    return level("C4", "yes" if there else "no", words, fact, share=share)
