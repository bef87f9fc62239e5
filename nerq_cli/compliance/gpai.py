"""Whether a model is likely a general-purpose one in the sense of the EU AI Act: an estimate from public metadata.

The Commission's guidelines (C(2025) 7719, not binding) name more than 1e23 FLOP of training compute together with the
ability to generate language, images or video; systemic risk is presumed above 1e25 FLOP (Article 51). Compute is
estimated as 6 x parameters x training tokens, which is rough, above all for distilled and sparse models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.compliance.eu_class import Confidence, point_to
from nerq_cli.compliance.licences import read_licences
from nerq_cli.compliance.prose import Clause
from nerq_cli.compliance.tasks import ANALYTIC, GENERAL_PURPOSE, GENERATIVE, is_generative
from nerq_cli.ecosystems import HF_MODEL, get_ecosystem
from nerq_cli.facts import Absent, Fact, Found
from nerq_cli.hub_facts import HubRepository
from nerq_cli.patterns import compile_late

GpaiLabel: TypeAlias = Literal["likely_systemic", "likely", "unlikely", "not_assessed"]

#: Training compute in FLOP.
GPAI_COMPUTE: Final = 1e23
SYSTEMIC_COMPUTE: Final = 1e25
#: FLOP for each parameter and token.
_FLOP_PER_TOKEN: Final = 6
#: Parameters, where the number of tokens is not known.
_LIKELY_PARAMETERS: Final = 7e9
_UNLIKELY_PARAMETERS: Final = 2e8
#: The size from which a look at the systemic threshold is suggested: 1e25 FLOP are reached with 24 trillion tokens.
_LARGE_PARAMETERS: Final = 7e10
_FIRST_YEAR: Final = 2024

#: The label in words.
GPAI_WORDS: Final[Mapping[str, str]] = {
    "likely_systemic": "likely a general-purpose model with systemic risk",
    "likely": "likely a general-purpose model",
    "unlikely": "unlikely a general-purpose model of its own",
    "not_assessed": "not assessed",
}


class GpaiAssessment(msgspec.Struct, frozen=True, kw_only=True):
    """The estimate for a model, with what it rests on."""

    label: GpaiLabel
    confidence: Confidence = "low"
    #: Phrases for the user.
    reasons: tuple[str, ...] = ()
    #: Number of active parameters, and where it is from; None = not known.
    parameters: float | None = None
    parameters_from: str = ""
    #: Number of training tokens, and where it is from; None = not known.
    tokens: float | None = None
    tokens_from: str = ""
    #: Estimate in FLOP; None = not known.
    compute: float | None = None
    #: Id of the base model, if the model is made of that of another publisher.
    base: str = ""
    #: Whether the relief for open-source models is plausible, in words; empty = of no matter.
    relief: str = ""


def assess_gpai(
    repository: Fact[HubRepository], clauses: Sequence[Clause], bases: Mapping[str, Fact[HubRepository]]
) -> GpaiAssessment:
    """Return the estimate for a model. ``clauses`` are those of its card, empty if it was not read."""
    if not isinstance(repository, Found):
        return GpaiAssessment(label="not_assessed", reasons=("the repository was not read",))
    facts = repository.value
    if facts.kind != "model":
        return GpaiAssessment(label="not_assessed", reasons=(f"a {facts.kind} is no model",))
    task = facts.pipeline_tag or _inherit_task(bases)
    if task in ANALYTIC and is_generative(facts) is not True:
        # The author writes the task: it is no proof.
        return GpaiAssessment(label="unlikely", confidence="medium", reasons=(f"task {task} produces no content",))
    if task not in GENERATIVE and task not in ANALYTIC:
        reason = f"task {task} is not a known one" if task else "no task is stated"
        return GpaiAssessment(label="not_assessed", reasons=(reason,))
    foreign_bases = _list_foreign_bases(facts)
    if base := next((base for base in foreign_bases if _is_known_base(base, facts, bases)), ""):
        relation = facts.base_model_relation
        reason = f"a {relation or 'derived'} model of {base}: the duties are those of the base model's provider"
        return GpaiAssessment(label="unlikely", confidence="medium", reasons=(reason,), base=base)
    parameters, parameters_from = _read_parameters(facts, bases)
    tokens, tokens_from = _read_tokens(clauses)
    compute = _FLOP_PER_TOKEN * parameters * tokens if parameters and tokens else None
    label, confidence, reasons = _judge(facts, parameters, tokens, compute)
    if label != "unlikely" and task in GENERATIVE - GENERAL_PURPOSE:
        words = "the guidelines name language, and images or video from text: a specialised model may be left out"
        label, confidence, reasons = "not_assessed", "low", [f"task {task} produces content; {words}", *reasons]
    if label != "unlikely" and foreign_bases:
        label, confidence, reasons = _judge_derived(foreign_bases[0], bases, label, confidence, reasons)
    return GpaiAssessment(
        label=label,
        confidence=confidence,
        reasons=tuple(reasons),
        parameters=parameters,
        parameters_from=parameters_from,
        tokens=tokens,
        tokens_from=tokens_from,
        compute=compute,
        relief=_describe_relief(facts) if label != "unlikely" else "",
    )


def _judge(
    facts: HubRepository, parameters: float | None, tokens: float | None, compute: float | None
) -> tuple[GpaiLabel, Confidence, list[str]]:
    if not parameters:
        return "not_assessed", "low", ["the number of parameters is not known"]
    if compute is None or tokens is None:
        return _judge_size(facts, parameters)
    words = f"about {compute:.1e} FLOP: 6 x {_format(parameters)} active parameters x {_format(tokens)} tokens"
    if compute >= SYSTEMIC_COMPUTE:
        return "likely_systemic", "medium", [f"{words}, above 1e25"]
    if compute > GPAI_COMPUTE:
        return "likely", "medium", [f"{words}, above 1e23"]
    return "unlikely", "medium", [f"{words}, below 1e23"]


def _judge_size(facts: HubRepository, parameters: float) -> tuple[GpaiLabel, Confidence, list[str]]:
    """Judge a model whose number of training tokens is not known."""
    reasons = [f"{_format(parameters)} active parameters", "the number of training tokens is not stated"]
    if parameters < _UNLIKELY_PARAMETERS:
        return "unlikely", "low", reasons
    if parameters >= _LARGE_PARAMETERS:
        reasons.append("its size suggests checking the threshold of systemic risk, 1e25 FLOP")
    year = datetime.fromtimestamp(facts.created_at, timezone.utc).year if _is_date(facts.created_at) else 0
    is_likely = parameters >= _LIKELY_PARAMETERS and year >= _FIRST_YEAR
    return "likely" if is_likely else "not_assessed", "low", reasons


def _is_date(moment: int) -> bool:
    """Whether a moment is one that ``datetime`` can have."""
    return 0 < moment < _LAST_MOMENT


#: 9999-12-31, in epoch seconds UTC.
_LAST_MOMENT: Final = 253_402_214_400


def _inherit_task(bases: Mapping[str, Fact[HubRepository]]) -> str:
    tasks = [base.value.pipeline_tag for _, base in sorted(bases.items()) if isinstance(base, Found)]
    return next(filter(None, tasks), "")


def _list_foreign_bases(facts: HubRepository) -> list[str]:
    """Return the base models of other publishers, as stated."""
    bases = (*(facts.verified_bases or ()), *((facts.card.base_models or ()) if facts.card else ()))
    own = (facts.author or facts.id.partition("/")[0]).lower()
    return [base for base in dict.fromkeys(bases) if base.partition("/")[0].lower() != own]


def _is_known_base(base: str, facts: HubRepository, bases: Mapping[str, Fact[HubRepository]]) -> bool:
    """Whether a base model is there: it was read, or the Hub itself names it. Its author alone is no proof."""
    if isinstance(bases.get(base), Found):
        return True
    return base in (facts.verified_bases or ()) and not isinstance(bases.get(base), Absent) and _is_id(base)


def _is_id(base: str) -> bool:
    return not get_ecosystem(HF_MODEL).find_name_error(base)


def _judge_derived(
    base: str,
    bases: Mapping[str, Fact[HubRepository]],
    label: GpaiLabel,
    confidence: Confidence,
    reasons: Sequence[str],
) -> tuple[GpaiLabel, Confidence, list[str]]:
    """Judge a model that is stated to be made of one which is not known: that lifts no duty."""
    if not _is_id(base):
        return label, confidence, [*reasons, "the base model that is stated is no id of a model"]
    if isinstance(bases.get(base), Absent):
        return label, confidence, [*reasons, f"the base model {base} is not on the Hub, or is private"]
    return "not_assessed", "low", [f"the base model {base} was not read", *reasons]


# --- numbers

_ACTIVE: Final = compile_late(r"(?:^|[-_.])a(\d{1,4}(?:\.\d{1,3})?)b(?=$|[-_.])")
_SIZE: Final = compile_late(r"(?:^|[-_.])(?:(\d{1,3})x)?(\d{1,4}(?:\.\d{1,3})?)([bm])(?=$|[-_.])")
_TRAINING: Final = compile_late(r"\b(?:pre-?)?train(?:ed|ing|s)?\b")
_TOKENS: Final = compile_late(r"\b(\d{1,6}(?:\.\d{1,3})?)\+? ?(trillion|billion|t|b) (?:[\w-]{1,20} ){0,2}?tokens?\b")
_UNITS: Final = {"trillion": 1e12, "t": 1e12, "billion": 1e9, "b": 1e9, "m": 1e6}


def _read_parameters(facts: HubRepository, bases: Mapping[str, Fact[HubRepository]]) -> tuple[float | None, str]:
    """Return the number of active parameters, and where it is from."""
    # Quantised weights pack several values into one: the base model has the number.
    quantised = facts.base_model_relation == "quantized"
    candidates = [base.value for _, base in sorted(bases.items()) if isinstance(base, Found)] if quantised else []
    for candidate in (*candidates, facts):
        name = candidate.id.rpartition("/")[2].lower()
        if match := _ACTIVE.search(name):
            return float(match[1]) * 1e9, f"name {candidate.id}"
        if candidate.parameters:
            return float(candidate.parameters), f"weights of {candidate.id}"
        if match := _SIZE.search(name):
            return float(match[1] or 1) * float(match[2]) * _UNITS[match[3]], f"name {candidate.id}"
    return None, ""


def _read_tokens(clauses: Iterable[Clause]) -> tuple[float | None, str]:
    """Return the largest number of tokens that a sentence about training states, and where it stands."""
    found = max(_iter_tokens(clauses), default=None, key=lambda item: item[0])
    return found or (None, "")


def _iter_tokens(clauses: Iterable[Clause]) -> Iterator[tuple[float, str]]:
    for clause in clauses:
        if "token" in clause.text and _TRAINING.search(clause.text):
            for match in _TOKENS.finditer(clause.text):
                yield float(match[1]) * _UNITS[match[2]], point_to(clause.section)


def _format(number: float) -> str:
    for unit, value in (("T", 1e12), ("B", 1e9), ("M", 1e6)):
        if number >= value:
            return f"{number / value:.3g}{unit}"
    return f"{number:.0f}"


def _describe_relief(facts: HubRepository) -> str:
    """Return whether the relief for open-source models (Article 53(2)) is plausible, in words."""
    licences = [licence for licence in read_licences(facts) or () if licence.category != "none"]
    if not licences:
        return "open-source relief doubtful: no licence is declared"
    if not all(licence.is_open for licence in licences):
        ids = ", ".join(licence.name or licence.id for licence in licences)
        return f"open-source relief doubtful: {ids} limits uses, or is custom"
    if facts.gated:
        return "open-source relief doubtful: access to the weights is gated"
    return "open-source relief plausible; a copyright policy and a summary of training content are still asked for"
