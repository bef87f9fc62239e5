"""Estimates of general-purpose models."""

from __future__ import annotations

from typing import Any

import pytest

from nerq_cli.compliance.card import read_sections
from nerq_cli.compliance.gpai import GpaiAssessment, assess_gpai
from nerq_cli.compliance.prose import iter_clauses
from nerq_cli.compliance.tasks import ANALYTIC, GENERAL_PURPOSE, GENERATIVE
from nerq_cli.facts import Absent, Unknown
from nerq_cli.hub_facts import HubCard
from tests.compliance.conftest import found, repository

#: 2025-06-01
CREATED = 1_748_736_000


def assess(card: str = "", bases: Any = None, **fields: Any) -> GpaiAssessment:
    clauses = tuple(iter_clauses(read_sections(HubCard(card))))
    fields = {"pipeline_tag": "text-generation", "created_at": CREATED, **fields}
    return assess_gpai(found(repository(**fields)), clauses, bases or {})


@pytest.mark.parametrize(
    ("parameters", "tokens", "label"),
    [
        (4_000_000_000, "36 trillion tokens", "likely"),
        (4_000_000_000, "36T tokens", "likely"),
        (70_000_000_000, "24 trillion high-quality tokens", "likely_systemic"),
        (1_000_000_000, "300 billion tokens", "unlikely"),
        (1_000_000_000, "300B tokens", "unlikely"),
    ],
)
def test_compute_decides_where_it_is_known(parameters: int, tokens: str, label: str) -> None:
    assessment = assess(f"# A\n\nThe model was pretrained on {tokens}.", parameters=parameters)
    assert assessment.label == label
    assert assessment.compute == 6 * parameters * (assessment.tokens or 0)
    assert "FLOP" in assessment.reasons[0]
    assert assessment.tokens_from == 'heading "A", line 1'


def test_the_size_alone_never_is_a_systemic_risk() -> None:
    assessment = assess(parameters=1_000_000_000_000)
    assert assessment.label == "likely"
    assert "suggests checking" in assessment.reasons[-1]


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"parameters": 8_000_000_000}, "likely"),
        ({"parameters": 8_000_000_000, "created_at": 1_600_000_000}, "not_assessed"),
        ({"parameters": 4_000_000_000}, "not_assessed"),
        ({"parameters": 100_000_000}, "unlikely"),
        ({}, "not_assessed"),
        ({"id": "example-lab/Model-8B"}, "likely"),
        ({"id": "example-lab/Model-30B-A3B"}, "not_assessed"),
        ({"id": "example-lab/Model-8x7B-Instruct"}, "likely"),
        ({"id": "example-lab/model-135M"}, "unlikely"),
        ({"pipeline_tag": "fill-mask", "parameters": 8_000_000_000}, "unlikely"),
        ({"pipeline_tag": ""}, "not_assessed"),
        ({"kind": "space"}, "not_assessed"),
        ({"created_at": 10**15, "parameters": 8_000_000_000}, "not_assessed"),
    ],
)
def test_without_tokens_the_size_and_the_year_count(fields: dict[str, Any], label: str) -> None:
    assert assess(**fields).label == label


def test_active_parameters_count() -> None:
    assert assess(id="a/M-30B-A3B", author="a", parameters=30_000_000_000).parameters == 3e9


def test_tokens_of_a_context_are_no_training_tokens() -> None:
    assert assess("# A\n\nIt has a context of 1 billion tokens.", parameters=10**10).tokens is None


def test_what_others_derive_is_no_model_of_its_own() -> None:
    metadata = {"base_models": ("other/base",), "base_model_relation": "quantized"}
    bases = {"other/base": found(repository(id="other/base"))}
    assessment = assess(metadata=metadata, parameters=10**11, bases=bases)
    assert (assessment.label, assessment.base) == ("unlikely", "other/base")
    own = {"base_models": ("example-lab/base",), "base_model_relation": "finetune"}
    assert assess(metadata=own, parameters=10**11).label == "likely"


@pytest.mark.parametrize(
    ("base", "bases", "label", "words"),
    [
        (
            "other/base",
            {"other/base": Absent("Hugging Face", 0, "missing or private")},
            "likely",
            "is not on the Hub, or is private",
        ),
        ("../../etc/passwd", {}, "likely", "no id of a model"),
        ("other/base", {"other/base": Unknown("HTTP 500")}, "not_assessed", "other/base was not read"),
        ("other/base", {}, "not_assessed", "other/base was not read"),
    ],
)
def test_a_base_that_is_not_known_lifts_no_duty(base: str, bases: Any, label: str, words: str) -> None:
    assessment = assess(metadata={"base_models": (base,)}, parameters=10**11, bases=bases)
    assert (assessment.label, assessment.base) == (label, "")
    assert any(words in reason for reason in assessment.reasons)


@pytest.mark.parametrize("task", sorted(GENERATIVE))
def test_a_task_that_produces_content_is_no_reason_against_it(task: str) -> None:
    large, small = assess(pipeline_tag=task, parameters=10**11), assess(pipeline_tag=task, parameters=10**8)
    assert (large.label, small.label) == ("likely" if task in GENERAL_PURPOSE else "not_assessed", "unlikely")
    assert not any("produces no content" in reason for reason in (*large.reasons, *small.reasons))


@pytest.mark.parametrize("task", sorted(ANALYTIC))
def test_a_task_that_produces_no_content_is_one(task: str) -> None:
    assessment = assess(pipeline_tag=task, parameters=10**11)
    assert (assessment.label, assessment.reasons) == ("unlikely", (f"task {task} produces no content",))
    assert assess(pipeline_tag=task, parameters=10**11, tags=("conversational",)).label == "likely"


def test_a_task_that_is_not_known_is_not_assessed() -> None:
    assessment = assess(pipeline_tag="wibble", parameters=10**11)
    assert (assessment.label, assessment.reasons) == ("not_assessed", ("task wibble is not a known one",))


def test_a_quantisation_has_the_size_of_its_base() -> None:
    base = found(repository(id="example-lab/base", parameters=8_000_000_000))
    metadata = {"base_models": ("example-lab/base",), "base_model_relation": "quantized"}
    assessment = assess(metadata=metadata, parameters=1_000_000_000, bases={"example-lab/base": base})
    assert (assessment.parameters, assessment.parameters_from) == (8e9, "weights of example-lab/base")


@pytest.mark.parametrize(
    ("licence", "gated", "words"),
    [
        ("apache-2.0", "", "plausible"),
        ("apache-2.0", "manual", "gated"),
        ("llama3.1", "", "llama3.1 limits uses"),
        (None, "", "no licence"),
    ],
)
def test_relief_for_open_source(licence: str | None, gated: str, words: str) -> None:
    metadata = {"licence": (licence,) if licence else None}
    assert words in assess(metadata=metadata, gated=gated, parameters=8_000_000_000).relief


def test_what_was_not_read_is_not_assessed() -> None:
    assert assess_gpai(Unknown("no answer"), (), {}).label == "not_assessed"
