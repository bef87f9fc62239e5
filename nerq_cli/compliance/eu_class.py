"""The class of the EU AI Act that a page's own description points to: a label with reasons, not a verdict.

The act classes systems by their intended purpose, and what is on a hub is mostly a component: the use that somebody
makes of it decides. A class follows from a structured field (task, tag, name) or from a sentence that states a
purpose; a mere mention, or a passage that excludes a use, leads to none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.compliance.areas import (
    ABUSE,
    HIGH_RISK,
    PROHIBITED,
    Area,
    Hit,
    iter_hits,
    names_abuse,
    prepare_text,
)
from nerq_cli.compliance.card import Section, explain_unread
from nerq_cli.compliance.prose import Clause
from nerq_cli.compliance.tasks import ANALYTIC, ASSISTIVE, GENERATIVE
from nerq_cli.facts import Fact, Found
from nerq_cli.hub_facts import HubCard, HubRepository
from nerq_cli.patterns import compile_late

EuClass: TypeAlias = Literal["prohibited_practice_flag", "high_risk_area", "limited", "minimal", "not_assessed"]
#: See ``Reason.strength``.
Strength: TypeAlias = Literal["A", "B", ""]
Confidence: TypeAlias = Literal["high", "medium", "low"]

#: Printed with every class.
CAVEAT: Final = "class of the use that the page describes; your own use decides"

#: The class in words.
CLASS_WORDS: Final[Mapping[str, str]] = {
    "prohibited_practice_flag": "touches a banned practice (Art. 5)",
    "high_risk_area": "may be high-risk if used for what the page describes",
    "limited": "limited (Art. 50)",
    "minimal": "minimal",
    "not_assessed": "not assessed",
}


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """What led to a class."""

    #: ``P1`` to ``P9``, ``H1`` to ``H8``, ``A1`` to ``A4``, or ``task``, ``dialogue``, ``imitation``, ``evidence``.
    rule: str
    #: A phrase for the user.
    text: str
    #: Where it stands: ``field pipeline_tag``, ``heading "Uses", line 12``; empty = nowhere.
    pointer: str = ""
    #: The value or the clause; at most 160 characters.
    quote: str = ""
    #: A = a structured field, B = a sentence that states a purpose; empty = neither.
    strength: Strength = ""
    #: Id of the base model that states it; empty = the repository itself does.
    inherited_from: str = ""


class EuAssessment(msgspec.Struct, frozen=True, kw_only=True):
    """The class of a repository, with its reasons."""

    label: EuClass
    confidence: Confidence = "low"
    reasons: tuple[Reason, ...] = ()
    #: Areas that the card names without stating a purpose: (id, name, pointer).
    also_mentioned: tuple[Reason, ...] = ()
    #: Areas that the card excludes.
    excluded: tuple[Reason, ...] = ()


class _Place(msgspec.Struct, frozen=True):
    """A structured field: a name, a tag."""

    pointer: str
    text: str
    inherited_from: str = ""


class _Findings:
    """The first hit of each area, by how strong it is."""

    def __init__(self) -> None:
        self.stated: dict[str, Reason] = {}
        self.mentioned: dict[str, Reason] = {}
        self.excluded: dict[str, Reason] = {}
        #: A summary that describes a model which produces content.
        self.generates: Reason | None = None
        #: A statement that excludes clinical use, or limits use to research.
        self.medical_exclusion: Reason | None = None


_QUOTE: Final = 160
#: Fewer words of prose are no description.
_MIN_PROSE: Final = 40

_AREAS: Final[Mapping[str, Area]] = {area.id: area for area in (*PROHIBITED, ABUSE, *HIGH_RISK)}
_PROHIBITED_IDS: Final = frozenset(area.id for area in (*PROHIBITED, ABUSE))

#: Before a term, within this clause: it is what the artefact is for.
_PURPOSE: Final = compile_late(
    r"\b(?:for|to|used|use|designed|intended|built|made|trained|tuned|optimi[sz]ed|performs?|predicts?|detects?"
    r"|classifies"
    r"|estimates?|recogni[sz]es|supports?|enables?|helps?|automates?|assists?|does|provides?|offers?|scores?|ranks?"
    r"|screens?|generates?)\b"
)
#: After a term: it is what the artefact is.
_NOUN: Final = compile_late(
    r"^\W{0,3}(?:\w+ ){0,2}?(?:model|classifier|detector|system|tool|app|application|pipeline|checkpoint|network"
    r"|assistant"
    r"|agent|bot|engine|software|demo|api|lora|adapter|dataset)s?\b"
)
#: At the end of what precedes a term in a sentence that describes it: "a ... for".
_MEDICAL_EXCLUSION: Final = compile_late(r"\b(?:clinical(?:ly)?|medical|diagnos\w+|patients?|healthcare|treatment)\b")
_RESEARCH_ONLY: Final = compile_late(
    r"\bresearch(?: use| purposes?)? only\b|\bonly (?:be used )?for (?:\w+ )?research\b|\bfor research (?:use "
    r"|purposes? )?only\b"
    r"|\b(?:solely|strictly|exclusively) for (?:\w+ )?research\b|\bonly intended for (?:\w+ )?research\b"
)
_DIALOGUE: Final = compile_late(
    r"\b(?:chat ?bots?|chat|assistant|companion|dialogue|dialog|conversational|role ?play|agent)\b"
)
_IMITATION: Final = compile_late(
    r"\b(?:face ?swap\w*|lip ?sync\w*|voice (?:clon\w+|conversion)|talking (?:head|face)s?|deep ?fakes?|singing"
    r" voice)\b"
)
#: What a model or a Space is described as.
_GENERATES: Final = compile_late(
    r"\b(?:chat ?bots?|(?:large |small )?(?:vision )?language models?|(?:generative|diffusion) models?|chat"
    r" models?|instruct models?"
    r"|(?:text|image|video|speech|music|audio|code) generation|text to (?:image|video|speech|audio|music|3d)|text"
    r" generation)\b"
)
_BIOMETRIC_ANALYSIS: Final = compile_late(
    r"\b(?:emotion|gender|age) (?:recognition|detection|classification|estimation)\b"
)


def assess_class(
    repository: Fact[HubRepository],
    card: Fact[HubCard],
    sections: tuple[Section, ...],
    clauses: Sequence[Clause],
    *,
    bases: Mapping[str, Fact[HubRepository]],
    used: Mapping[str, Fact[HubRepository]],
) -> EuAssessment:
    """Return the class of a repository.

    ``sections`` and ``clauses`` are those of the card, empty if it was not read. A derived model inherits the task and
    tags that it lacks from its ``bases``; a Space that uses a generative model (``used``) is one.
    """
    if not isinstance(repository, Found):
        return _not_assessed(_describe_missing("repository", repository))
    facts = repository.value
    findings = _Findings()
    places = [*_list_places(facts), *_list_inherited_places(facts, bases)]
    for place in places:
        _search_place(place, findings)
    for clause in clauses:
        _search_clause(clause, findings)
    if facts.pipeline_tag in _TEXT_TASKS:
        for rule in _BIOMETRIC_RULES:
            findings.stated.pop(rule, None)
    if banned := [reason for rule, reason in findings.stated.items() if rule in _PROHIBITED_IDS]:
        return _build("prohibited_practice_flag", banned, findings)
    high_risk = [reason for rule, reason in findings.stated.items() if rule not in _PROHIBITED_IDS]
    kept = [reason for reason in high_risk if not (findings.medical_exclusion and _AREAS[reason.rule].is_medical)]
    if len(kept) != len(high_risk) and findings.medical_exclusion:
        findings.excluded.setdefault("A1", findings.medical_exclusion)
    if kept:
        return _build_high_risk(kept, findings, explain_unread(card, sections))
    return _assess_rest(facts, card, sections, findings, places=places, used=used)


def _assess_rest(
    facts: HubRepository,
    card: Fact[HubCard],
    sections: tuple[Section, ...],
    findings: _Findings,
    *,
    places: Iterable[_Place],
    used: Mapping[str, Fact[HubRepository]],
) -> EuAssessment:
    """Return the class of a repository that touches no practice or area."""
    limited = list(_find_limited(facts, places, used))
    if not limited and not facts.pipeline_tag and findings.generates:
        limited = [findings.generates]
    if unread := explain_unread(card, sections):
        # What was not read may state a use of a higher class.
        return _not_assessed(unread, limited, findings)
    if facts.kind in _NO_SYSTEMS:
        return _not_assessed(_NO_SYSTEMS[facts.kind], [], findings)
    has_prose = bool(sections) and sections[0].words >= _MIN_PROSE
    if limited:
        return _build("limited", limited, findings, confidence="high" if has_prose else "medium")
    tasks = [place for place in places if place.pointer.endswith("pipeline_tag") and place.text in ANALYTIC]
    if tasks:
        reason = Reason(
            rule="task",
            text=f"task {tasks[0].text} produces no content, and the card states no use in a high-risk area",
            pointer=tasks[0].pointer,
            quote=tasks[0].text,
            strength="A",
            inherited_from=tasks[0].inherited_from,
        )
        is_sure = has_prose and tasks[0].text not in ("robotics", "reinforcement-learning")
        return _build("minimal", [reason], findings, confidence="medium" if is_sure else "low")
    return _not_assessed("no task is stated that a class could follow from", [], findings)


def _build_high_risk(reasons: Sequence[Reason], findings: _Findings, unread: str) -> EuAssessment:
    """Return a high-risk class, with less confidence where what was not read may describe a banned practice."""
    if not unread:
        return _build("high_risk_area", reasons, findings)
    doubt = Reason(rule="evidence", text=unread)
    confidence: Confidence = "medium" if any(reason.strength == "A" for reason in reasons) else "low"
    return _build("high_risk_area", [*reasons, doubt], findings, confidence=confidence)


def _build(
    label: EuClass, reasons: Sequence[Reason], findings: _Findings, confidence: Confidence | None = None
) -> EuAssessment:
    if confidence is None:
        confidence = "high" if any(reason.strength == "A" for reason in reasons) else "medium"
    stated = findings.stated.keys()
    return EuAssessment(
        label=label,
        confidence=confidence,
        reasons=tuple(reasons),
        also_mentioned=tuple(reason for rule, reason in findings.mentioned.items() if rule not in stated),
        excluded=tuple(findings.excluded.values()),
    )


def _not_assessed(text: str, candidates: Iterable[Reason] = (), findings: _Findings | None = None) -> EuAssessment:
    reasons = (Reason(rule="evidence", text=text), *candidates)
    return _build("not_assessed", reasons, findings or _Findings(), confidence="low")


def _describe_missing(what: str, fact: object) -> str:
    reason = getattr(fact, "reason", "")
    return f"the {what} was not read: {reason}" if reason else f"the {what} was not read"


_NO_SYSTEMS: Final = {
    "dataset": "a dataset is not an AI system",
    "kernel": "a kernel is code, not an AI system",
}
#: Tasks on text alone, and the rules about faces, voices and the like: emotions in texts are no biometric data.
_TEXT_TASKS: Final = frozenset(
    {
        "text-classification",
        "token-classification",
        "fill-mask",
        "sentence-similarity",
        "text-ranking",
        "zero-shot-classification",
    }
)
_BIOMETRIC_RULES: Final = ("P5", "P6", "P7", "H1")


# --- structured fields


def _list_places(facts: HubRepository) -> Iterator[_Place]:
    yield _Place("name", facts.id.rpartition("/")[2])
    if facts.pipeline_tag:
        yield _Place("field pipeline_tag", facts.pipeline_tag)
    tags = dict.fromkeys((*facts.tags, *(facts.card.tags if facts.card else ())))
    # Tags such as "license:mit" and "dataset:org/name" are fields of other things.
    yield from (_Place("field tags", tag) for tag in list(tags)[:_MAX_TAGS] if ":" not in tag)


#: Tags that are looked at.
_MAX_TAGS: Final = 200


def _list_inherited_places(facts: HubRepository, bases: Mapping[str, Fact[HubRepository]]) -> Iterator[_Place]:
    """Yield the tasks and tags of base models, where the repository states no task itself."""
    if facts.pipeline_tag:
        return
    for base_id in sorted(bases):
        base = bases[base_id]
        if isinstance(base, Found):
            for place in _list_places(base.value):
                if place.pointer != "name":
                    yield _Place(place.pointer, place.text, base_id)


def _search_place(place: _Place, findings: _Findings) -> None:
    text = prepare_text(place.text[:_MAX_FIELD])
    if place.pointer == "name":
        text = _NAME_BREAK.sub(" ", text)
    if names_abuse(text):
        # The word is not printed.
        findings.stated.setdefault(ABUSE.id, _describe(ABUSE, place.pointer, "", "A", place.inherited_from))
    for hit in iter_hits(text):
        reason = _describe(hit.area, place.pointer, place.text, "A", place.inherited_from)
        findings.stated.setdefault(hit.area.id, reason)


#: Characters of a name or tag that are looked at.
_MAX_FIELD: Final = 200
_NAME_BREAK: Final = compile_late(r"[.\s]+")


def _find_limited(
    facts: HubRepository, places: Iterable[_Place], used: Mapping[str, Fact[HubRepository]]
) -> Iterator[Reason]:
    """Yield what makes a repository generative or interactive."""
    for place in places:
        text = prepare_text(place.text[:_MAX_FIELD])
        is_task = place.pointer.endswith("pipeline_tag") or not facts.pipeline_tag
        if is_task and place.text in GENERATIVE:
            note = "; editing what people wrote may be left out" if place.text in ASSISTIVE else ""
            yield _limited("task", f"task {place.text} produces content{note}", place)
        elif place.text == "conversational" or (facts.kind == "space" and _DIALOGUE.search(text)):
            yield _limited("dialogue", "talks with people", place)
        elif _IMITATION.search(text):
            yield _limited("imitation", "imitates faces or voices: a deep fake must be disclosed", place)
        elif _BIOMETRIC_ANALYSIS.search(text) and facts.pipeline_tag in (
            "image-classification",
            "audio-classification",
        ):
            yield _limited("biometric", "sorts people by biometric data", place)
    for used_id in sorted(used):
        model = used[used_id]
        if facts.kind == "space" and isinstance(model, Found) and model.value.pipeline_tag in GENERATIVE:
            place = _Place("models of the Space", f"{used_id}: {model.value.pipeline_tag}")
            yield _limited("task", f"uses a model for {model.value.pipeline_tag}", place)


def _limited(rule: str, text: str, place: _Place) -> Reason:
    return Reason(
        rule=rule,
        text=text,
        pointer=place.pointer,
        quote=place.text[:_QUOTE],
        strength="A",
        inherited_from=place.inherited_from,
    )


# --- prose


def _search_clause(clause: Clause, findings: _Findings) -> None:
    text = clause.plain
    if findings.medical_exclusion is None and (medical := _find_medical_exclusion(clause)):
        findings.medical_exclusion = medical
    if findings.generates is None and clause.is_summary and not clause.is_negated and _GENERATES.search(text):
        findings.generates = Reason(
            rule="task",
            text="is described as a model that produces content",
            pointer=point_to(clause.section),
            quote=_cut(clause.quote),
            strength="B",
        )
    strength: Strength
    for hit in clause.hits:
        if clause.excludes(hit.start, hit.end):
            target, strength = findings.excluded, ""
        elif _states_purpose(clause, hit):
            target, strength = findings.stated, "B"
        else:
            target, strength = findings.mentioned, ""
        if hit.area.id not in target:
            target[hit.area.id] = _describe(hit.area, point_to(clause.section), clause.quote, strength)


def _find_medical_exclusion(clause: Clause) -> Reason | None:
    match = _MEDICAL_EXCLUSION.search(clause.plain) if clause.is_negated else None
    if (match and clause.excludes(match.start(), match.end())) or _RESEARCH_ONLY.search(clause.plain):
        return Reason(
            rule="A1",
            text="clinical use is excluded, or use is limited to research",
            pointer=point_to(clause.section),
            quote=_cut(clause.quote),
        )
    return None


def _states_purpose(clause: Clause, hit: Hit) -> bool:
    """Whether a clause states that the artefact is for what it names."""
    if clause.is_purpose:
        return True
    if not clause.is_summary:
        return False
    text = clause.plain
    before, after = text[max(0, hit.start - _REACH) : hit.start], text[hit.end : hit.end + _REACH]
    return _PURPOSE.search(before) is not None or _NOUN.search(after) is not None


#: Characters around a term in which words must stand that make it a purpose.
_REACH: Final = 80


def _describe(area: Area, pointer: str, quote: str, strength: Strength, inherited_from: str = "") -> Reason:
    words = "touches a banned practice" if area.id in _PROHIBITED_IDS else "may be high-risk if used for"
    since = f" (from {area.applies_from})" if area.applies_from > "2025-02-02" else ""
    return Reason(
        rule=area.id,
        text=f"{words}: {area.name}{since}",
        pointer=pointer,
        quote=_cut(quote),
        strength=strength,
        inherited_from=inherited_from,
    )


def _cut(text: str) -> str:
    return text if len(text) <= _QUOTE else f"{text[: _QUOTE - 1]}…"


def point_to(section: Section) -> str:
    """Return where a section stands."""
    return f'heading "{section.heading}", line {section.line}' if section.heading else "text before the first heading"


def find_excluded_area(clause: Clause) -> Hit | None:
    """Return the high-risk area that a clause excludes; None if it excludes none."""
    for hit in clause.hits:
        if hit.area.id not in _PROHIBITED_IDS and clause.excludes(hit.start, hit.end):
            return hit
    return None
