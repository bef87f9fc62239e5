"""What excludes a use beside the score: the terms of a licence, and the EU AI Act. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from nerq_cli.facts import Fact, Found
from nerq_cli.hub_facts import HubEvidence, HubRepository
from nerq_cli.insight.purpose import Purpose
from nerq_cli.patterns import compile_late
from nerq_cli.scoring import Score


class Restriction(msgspec.Struct, frozen=True, kw_only=True):
    """A limit to what a target may be used for."""

    #: A phrase for the user.
    text: str
    #: The use that it limits, as the end of "avoid it ...".
    use: str
    #: Purposes that it rules out; for all other ones but research it is a condition.
    excluded: tuple[Purpose, ...] = ()


#: Purposes that the terms "no commercial use" and "research only" rule out. The EU AI Act excludes research and
#: development from its scope (Art. 2(6) and 2(8)).
_OPERATION: Final[tuple[Purpose, ...]] = ("production", "critical")
#: Flags of licences, and the use that each of them rules out.
_EXCLUDING_FLAGS: Final[Mapping[str, str]] = {
    "research_only": "for anything but research",
    "non_commercial": "for commercial use",
}
#: Identifiers of SPDX that allow no commercial use, or only trials, research and education.
_NOT_COMMERCIAL: Final = compile_late(
    r"-NC(?:-|$)|non-?commercial|research|academic|evaluation|trial|educational|PolyForm-Strict", 2
)  # re.IGNORECASE


def find_repository_restrictions(evidence: HubEvidence) -> tuple[Restriction, ...]:
    """Return the restrictions of a repository of the Hub, those that rule out a purpose first."""
    fact = evidence.repository
    if not isinstance(fact, Found):
        return ()
    found = [*_read_act(evidence), *_read_terms(fact.value)]
    for label, parts in (("base model", evidence.bases), ("model", evidence.used)):
        found += _read_terms_of_parts(label, parts)
    unique = dict.fromkeys(found)
    return tuple(sorted(unique, key=lambda restriction: not restriction.excluded))


def find_package_restrictions(score: Score | None) -> tuple[Restriction, ...]:
    """Return the restrictions of a package, by the terms of its licence."""
    signal = next((item for item in score.signals if item.id == "licence_terms"), None) if score else None
    if score is None or signal is None or signal.value is None:
        return ()
    if signal.value > score.methodology.signals[signal.id].levels["restricted use"]:
        return ()
    if _NOT_COMMERCIAL.search(signal.reason):
        return (Restriction(text=f"licence {signal.reason}", use="for commercial use", excluded=_OPERATION),)
    return (Restriction(text=f"licence {signal.reason}", use="where its terms do not fit your use"),)


def _read_terms(repository: HubRepository, prefix: str = "") -> Iterator[Restriction]:
    from nerq_cli.compliance.licences import RESTRICTIONS, describe_licences, read_licences

    for licence in read_licences(repository) or ():
        text = f"{prefix}licence {describe_licences((licence,))}"
        use = next((use for flag, use in _EXCLUDING_FLAGS.items() if flag in licence.flags), "")
        if use:
            yield Restriction(text=text, use=use, excluded=_OPERATION)
        elif RESTRICTIONS.intersection(licence.flags):
            yield Restriction(text=text, use="where its terms do not fit your use")
        elif licence.category in ("custom", "family without version"):
            yield Restriction(text=text, use="before its terms are read")


def _read_terms_of_parts(label: str, parts: Mapping[str, Fact[HubRepository]]) -> Iterator[Restriction]:
    """Yield what the terms of the models that a repository was made from, or uses, rule out."""
    for id_, part in sorted(parts.items()):
        if isinstance(part, Found):
            terms: Iterable[Restriction] = _read_terms(part.value, f"{label} {id_}: ")
            yield from (restriction for restriction in terms if restriction.excluded)


def _read_act(evidence: HubEvidence) -> Iterator[Restriction]:
    """Yield the class of the EU AI Act, where the page describes a banned practice or a high-risk area."""
    from nerq_cli.compliance.card import read_sections
    from nerq_cli.compliance.eu_class import CLASS_WORDS, assess_class
    from nerq_cli.compliance.prose import iter_clauses

    sections = read_sections(evidence.card.value) if isinstance(evidence.card, Found) else ()
    clauses = tuple(iter_clauses(sections))
    result = assess_class(
        evidence.repository, evidence.card, sections, clauses, bases=evidence.bases, used=evidence.used
    )
    if result.label not in ("prohibited_practice_flag", "high_risk_area"):
        return
    reason = result.reasons[0]
    pointer = f" ({reason.pointer})" if reason.pointer else ""
    words = CLASS_WORDS[result.label]
    # The reason begins with the words of its class.
    detail = reason.text.removeprefix("touches a banned practice: ").removeprefix("may be high-risk if used for: ")
    text = f"EU AI Act, {words}: {detail}{pointer}"
    if result.label == "prohibited_practice_flag":
        yield Restriction(text=text, use="for the practice that its page describes", excluded=_OPERATION)
    else:
        yield Restriction(text=text, use="in this area, unless the duties for high-risk systems are met")
