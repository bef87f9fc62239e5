"""The class that a page's own description points to."""

from __future__ import annotations

import time
from typing import Any

import pytest

from nerq_cli.compliance.card import read_sections
from nerq_cli.compliance.eu_class import EuAssessment, assess_class
from nerq_cli.compliance.prose import iter_clauses
from nerq_cli.facts import Absent, Found, Unknown
from nerq_cli.hub_facts import HubCard
from nerq_cli.sources.huggingface import parse_card
from tests.compliance.conftest import AS_OF, SOURCE, evidence, found, repository

PROSE = "# Example\n\nThis text has no purpose in it, it is here to be long enough. " + "Words follow words here. " * 10


def assess(text: Any = None, **fields: Any) -> EuAssessment:
    facts = evidence(text, **fields)
    sections = read_sections(facts.card.value) if isinstance(facts.card, Found) else ()
    clauses = tuple(iter_clauses(sections))
    return assess_class(facts.repository, facts.card, sections, clauses, bases=facts.bases, used=facts.used)


def rules(assessment: EuAssessment) -> list[str]:
    return [reason.rule for reason in assessment.reasons]


STATED = {
    "P1": "A tool to manipulate users into buying.",
    "P2": "The model computes a social credit score for residents and is used for social scoring.",
    "P3": "The network is trained to predict criminality of a person.",
    "P4": "A pipeline to scrape faces for a search engine.",
    "P5": "The system is used for emotion recognition of students in the classroom.",
    "P6": "A classifier to predict ethnicity from a face.",
    "P7": "Designed for real-time face recognition by police.",
    "P8": "A tool to nudify pictures.",
    "H1": "Designed for face recognition at a distance.",
    "H2": "Designed for power grid control.",
    "H3": "The model is used for automated essay scoring.",
    "H4": "This model is designed for resume screening.",
    "H5": "The model is intended for credit scoring.",
    "H6": "Used to predict recidivism in courts.",
    "H7": "The model helps to triage visa applications.",
    "H8": "A model for legal judgement prediction.",
    "A1": "A network for brain tumor segmentation.",
    "A2": "A perception model for autonomous driving.",
    "A3": "Made for drone navigation.",
    "A4": "Built for interactive toys.",
}


@pytest.mark.parametrize("rule", STATED)
def test_a_stated_purpose_leads_to_its_area(rule: str) -> None:
    assessment = assess(f"# Example\n\n{STATED[rule]}\n", pipeline_tag="image-classification")
    assert assessment.label == ("prohibited_practice_flag" if rule[0] == "P" else "high_risk_area")
    reason = next(reason for reason in assessment.reasons if reason.rule == rule)
    assert (reason.strength, reason.pointer) == ("B", 'heading "Example", line 1')
    assert reason.quote in STATED[rule]


@pytest.mark.parametrize("rule", STATED)
@pytest.mark.parametrize(
    "template",
    [
        "## Out-of-Scope Use\n\n{}\n",
        "## Prohibited uses\n\n- {}\n- other things\n",
        "## Limitations\n\n{}\n",
        "## Uses\n\n### Misuse and malicious use\n\n{}\n",
        "## Bias, Risks, and Limitations\n\n{}\n",
        "## Not intended for\n\n{}\n",
        "The model must not be used for the following:\n\n- {}\n- other things\n",
        "You should never use it in these ways, including but not limited to:\n* {}\n",
        "**Out of scope:** {}\n",
        "- **Prohibited:** {}\n",
    ],
)
def test_a_passage_that_excludes_a_use_leads_to_no_area(rule: str, template: str) -> None:
    card = f"{PROSE}\n\n{template.format(STATED[rule])}"
    assessment = assess(card, pipeline_tag="image-classification")
    assert assessment.label == "minimal"
    assert rule in [reason.rule for reason in assessment.excluded]


TERMS = (
    "resume screening",
    "credit scoring",
    "face recognition",
    "autonomous driving",
    "social scoring",
    "essay scoring",
    "clinical decisions",
    "visa decisions",
    "predictive policing",
)


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize(
    "sentence",
    [
        "It is not intended for {}.",
        "It isn't designed for {}.",
        "Do not use it for {}.",
        "Don't use this model for {}.",
        "It must not be used for {}.",
        "It should never be used for {}.",
        "It cannot be used for {}.",
        "The licence prohibits {}.",
        "The use for {} is prohibited.",
        "Use for {} is strictly forbidden.",
        "Uses such as {} are out of scope.",
        "Uses like {} are not supported.",
        "We strongly discourage its use for {}.",
        "It is unsuitable for {}.",
        "Avoid using it for {}.",
        "Refrain from using it for {}.",
        "It is for research rather than for {}.",
        "It is intended for any use except {}.",
        "It is for every use other than {}.",
        "It is neither meant for medical use nor for {}.",
        "It has not been evaluated for high-stakes uses, e.g. {}.",
        "It is not intended\nfor {}.",
        "It is **not** intended for {}.",
        "Users agree to refrain from any use for {}.",
        "Not for medical, hiring or credit decisions, including {}.",
        "The model may lead to harm when used for {}.",
    ],
)
def test_a_sentence_that_excludes_a_use_leads_to_no_area(sentence: str, term: str) -> None:
    card = f"# Example\n\n{sentence.format(term)}\n\nIt sorts pictures of cats. {'It does that well. ' * 10}"
    assessment = assess(card, pipeline_tag="image-classification")
    assert assessment.label == "minimal"
    assert assessment.excluded


@pytest.mark.parametrize(
    "sentence",
    [
        "It is not only for chat but also for {}.",
        "It is a tool for {} that does not need a GPU.",
        "It is intended for many uses, not limited to {}.",
        "It is not large, but it is designed for {}.",
        "It needs no labels. It is designed for {}.",
        "It is designed for {}. It is not suitable for poems.",
        "A model for {}, which is not tuned for German.",
    ],
)
@pytest.mark.parametrize("term", ["resume screening", "credit scoring", "face recognition"])
def test_a_negation_of_something_else_hides_no_area(sentence: str, term: str) -> None:
    assert (
        assess(f"# Example\n\n{sentence.format(term)}\n", pipeline_tag="image-classification").label == "high_risk_area"
    )


@pytest.mark.parametrize(
    "card",
    [
        "## Training data\n\nTexts about credit scoring and resume screening were part of the corpus.",
        "## Evaluation\n\nWe compare it with models for face recognition.",
        "## Citation\n\nA model for essay scoring, 2024.",
        "```\nmodel for resume screening\n```",
        "<!-- designed for resume screening -->",
        "[more](https://example.com/for/resume-screening)",
    ],
)
def test_a_mere_mention_leads_to_no_area(card: str) -> None:
    assert assess(f"{PROSE}\n\n{card}\n", pipeline_tag="image-classification").label == "minimal"


@pytest.mark.parametrize(
    "sentence",
    [
        "The trainer can resume training from a checkpoint, for ranking losses.",
        "A model to detect deepfake porn and nudify apps.",
        "A model for credit card fraud detection.",
        "A model for CV tasks: classification and detection.",
        "A language model with attention that predicts the logits of a teacher for its student.",
        "A classifier for emotion detection in which a student model learns from a teacher.",
        "A reranker for candidate ranking in search.",
        "A tokenizer for sentences.",
        "A model for 1:1 verification of face recognition documents.",
    ],
)
def test_look_alikes_lead_to_no_area(sentence: str) -> None:
    assert assess(f"# Example\n\n{sentence}\n", pipeline_tag="text-ranking").label == "minimal"


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"id": "a/credit-risk-model", "pipeline_tag": "tabular-classification"}, "H5"),
        ({"id": "a/nudify-v2", "pipeline_tag": "image-to-image"}, "P8"),
        ({"tags": ("face-recognition", "license:mit")}, "H1"),
        ({"metadata": {"tags": ("resume-screening",)}}, "H4"),
        ({"id": "a/cv_screening_bert", "pipeline_tag": "text-classification"}, "H4"),
    ],
)
def test_names_and_tags_lead_to_an_area(fields: dict[str, Any], rule: str) -> None:
    assessment = assess(PROSE, **fields)
    assert rule in rules(assessment)
    assert assessment.reasons[0].strength == "A"
    assert assessment.confidence == "high"


def test_words_for_abuse_are_found_and_not_printed() -> None:
    word = "nocilol"[::-1]
    assessment = assess(None, id=f"a/{word}-lora")
    assert assessment.label == "prohibited_practice_flag"
    assert [reason.rule for reason in assessment.reasons] == ["P9"]
    assert word not in repr(assessment)
    assert assess(None, id=f"a/{word}-detector").label == "not_assessed"


def test_tags_that_name_other_things_lead_to_no_area() -> None:
    assert assess(PROSE, pipeline_tag="fill-mask", tags=("dataset:x/credit-scoring",)).label == "minimal"
    assert assess(PROSE, pipeline_tag="image-to-image", tags=("not-for-all-audiences",)).label == "limited"


def test_medical_models_for_research_only_are_of_no_high_risk() -> None:
    card = "# BioChat\n\nA language model for medical diagnosis questions. Research only, not for clinical use.\n"
    assessment = assess(card, pipeline_tag="text-generation")
    assert assessment.label == "limited"
    assert [reason.rule for reason in assessment.excluded][-1:] == ["A1"]
    assert assess("# A\n\nA model for medical diagnosis.", pipeline_tag="text-generation").label == "high_risk_area"


def test_emotions_in_texts_are_no_biometric_data() -> None:
    card = "# A\n\nA model for emotion recognition in speech of students.\n"
    assert assess(card, pipeline_tag="audio-classification").label == "prohibited_practice_flag"
    assert assess(card, pipeline_tag="text-classification").label == "minimal"
    clinical = "# A\n\nA model for emotion recognition from faces of students in clinical research.\n"
    assert assess(clinical, pipeline_tag="image-classification").label == "high_risk_area"


def test_what_produces_content_is_limited() -> None:
    assert assess(PROSE, pipeline_tag="text-generation").label == "limited"
    assert assess(None, pipeline_tag="text-generation").label == "limited"
    assert assess(None, pipeline_tag="text-generation").confidence == "medium"
    assert rules(assess(PROSE, tags=("conversational",))) == ["dialogue"]
    assert rules(assess(PROSE, pipeline_tag="image-to-image", id="a/face-swap")) == ["imitation", "task"]
    assert rules(assess("# A\n\nAn open large language model.")) == ["task"]


def test_a_space_is_what_its_models_make_it() -> None:
    model = found(repository(id="x/y", pipeline_tag="text-to-image"))
    assessment = assess(PROSE, kind="space", used={"x/y": model})
    assert assessment.label == "limited"
    assert assessment.reasons[0].quote == "x/y: text-to-image"
    assert assess(PROSE, kind="space", used={"x/y": Unknown("no answer")}).label == "not_assessed"


def test_tasks_that_a_derived_model_lacks_come_from_its_base() -> None:
    base = found(repository(id="x/base", pipeline_tag="text-generation"))
    assessment = assess(PROSE, bases={"x/base": base})
    assert (assessment.label, assessment.reasons[0].inherited_from) == ("limited", "x/base")
    assert assess(PROSE, pipeline_tag="fill-mask", bases={"x/base": base}).label == "minimal"


def test_quotes_are_as_they_were_written() -> None:
    texts = (
        "Screening CVs of applicants. Intended for resume screening by HR.",
        "İstanbul model. The MODEL is designed for Resume Screening, but İt is new.",
    )
    for text in texts:
        reason = next(reason for reason in assess(f"# Example\n\n{text}\n").reasons if reason.rule == "H4")
        assert reason.quote in text
        assert reason.quote.lower() != reason.quote


def test_minimal_needs_evidence() -> None:
    assert assess(PROSE).label == "not_assessed"
    assert assess(None).label == "not_assessed"
    assert assess("", pipeline_tag="").label == "not_assessed"
    assert assess(Unknown("gated"), pipeline_tag="fill-mask").label == "not_assessed"
    for task in ("fill-mask", "text-generation"):
        part = assess(found(HubCard(PROSE, is_cut=True)), pipeline_tag=task)
        assert (part.label, part.confidence) == ("not_assessed", "low")
        assert part.reasons[0].text == "only a part of the card was read"
    assert assess(PROSE, pipeline_tag="text-generation").label == "limited"
    assert assess(PROSE, pipeline_tag="fill-mask", kind="dataset").label == "not_assessed"
    assert assess(PROSE, kind="kernel").label == "not_assessed"


@pytest.mark.parametrize(("fact", "words"), [(HubCard(PROSE, is_cut=True), "only a part"), (None, "gated")])
def test_a_class_that_more_of_the_card_may_raise_has_less_confidence(fact: HubCard | None, words: str) -> None:
    assessment = assess(found(fact) if fact else Unknown("gated"), id="a/credit-scoring")
    assert (assessment.label, assessment.confidence) == ("high_risk_area", "medium")
    assert words in assessment.reasons[-1].text
    assert assess(PROSE, id="a/credit-scoring").confidence == "high"
    assert assess(PROSE, pipeline_tag="fill-mask").confidence == "medium"
    assert assess(None, pipeline_tag="fill-mask").confidence == "low"


def test_a_gated_card_keeps_what_fields_state() -> None:
    assessment = assess(Unknown("gated"), pipeline_tag="text-generation")
    assert assessment.label == "not_assessed"
    assert [reason.quote for reason in assessment.reasons] == ["", "text-generation"]
    assert assess(Unknown("gated"), id="a/nudify").label == "prohibited_practice_flag"


@pytest.mark.parametrize("fact", [Unknown("no answer"), Absent(SOURCE, AS_OF)])
def test_a_repository_that_was_not_read_is_not_assessed(fact: Any) -> None:
    assessment = assess_class(fact, Unknown("no answer"), (), (), bases={}, used={})
    assert assessment.label == "not_assessed"


@pytest.mark.parametrize(
    "text",
    [
        "face recognition " * 60_000,
        "not " * 250_000,
        "emotion recognition of the student for " * 25_000,
        "predict " * 125_000,
        "predict a b c d " * 60_000,
        "the following: not\n\n- cv screening\n\n" * 25_000,
        "real time live police face recognition " * 25_000,
        "is not is not " * 70_000,
        "brain skin lung " * 60_000,
    ],
)
def test_a_hostile_card_of_a_megabyte_is_classed_within_seconds(text: str) -> None:
    durations = []
    for _ in range(3):
        start = time.process_time()
        assess(f"# A\n\n{text}", pipeline_tag="fill-mask")
        durations.append(time.process_time() - start)
    assert min(durations) < 5


@pytest.mark.parametrize("heading", ["Intended use", "\x1b[31mIntended use\x1b[0m", "Inten\x1bded\x0buse"])
def test_control_characters_do_not_change_the_class(heading: str) -> None:
    card = parse_card(f"# Demo\n\n## {heading}\n\nThis is \x07for \x1b[1msocial scoring\x1b[0m of citizens.\n".encode())
    assert card.card is not None
    result = assess(card.card.text)
    assert result.label == "prohibited_practice_flag"
    assert result.reasons[0].pointer == 'heading "Intended use", line 3'
