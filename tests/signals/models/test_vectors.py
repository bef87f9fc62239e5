"""Worked numbers, computed by hand: fifteen repositories from evidence to grade.

Weights within the dimensions: scan 40, format 30, code 20, pinning 10 · age 60, status 40 · card 60, evaluation 40 ·
licence 60, lineage 40 · publisher 50, adoption 50. Dimensions: 40, 15, 20, 15, 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from nerq_cli.facts import Absent, Unknown
from nerq_cli.hub_facts import CardMetadata, HubEvidence, HubFile, HubOwner, HubReference, HubScan
from nerq_cli.units import DAY
from tests.signals.models.conftest import (
    HEADER,
    HEALTHY,
    NOW,
    PERSON,
    PICKLE,
    REPOSITORY,
    SAFETENSORS,
    change,
    found,
    measure,
    score,
    signal,
    use,
)

replace = msgspec.structs.replace
GATED = Unknown("not for this account (HTTP 403)", "Hub")
NO_CARD = Absent("Hub", NOW)
QUANTISER = HubOwner("alice", is_organisation=False, models=2_000)
BASE = replace(REPOSITORY, id="acme/base-1b")
ADAPTER_FILES = (HubFile("adapter_config.json"), HubFile("adapter_model.safetensors"))


@dataclass(frozen=True)
class Case:
    """A repository, and what comes of it."""

    evidence: HubEvidence
    #: Security, maintenance, documentation, compliance, community.
    dimensions: tuple[float | None, ...]
    coverage: float
    total: float | None
    value: float | None
    grade: str | None
    caps: tuple[str, ...] = ()


def with_facts(evidence: HubEvidence, **facts: Any) -> HubEvidence:
    return replace(evidence, **facts)


CASES = {
    # adoption: .7 * 15 * log10(10000) + .3 * 33 * log10(100) = 42 + 19.8 = 61.8; community: (100 + 61.8) / 2 = 80.9
    # total: 40 + 15 + 20 + 15 + 8.09
    "safetensors of a verified organisation": Case(HEALTHY, (100, 100, 100, 100, 80.9), 1, 98.09, 98.1, "A+"),
    # security without pinning: (4000 + 30 * 30 + 2000) / 90 = 76.667; age: 20 + 30 * 5 / 7 = 41.43, with status 64.857
    # card 5, evaluation 0: 3; licence 10, lineage 50: 26; adoption: .7 * 25.485 = 17.84, with a person 33.92
    # total: 30.667 + 9.729 + 0.6 + 3.9 + 3.392
    "pickle only, five days old": Case(
        with_facts(
            change(
                files=PICKLE,
                created_at=NOW - 5 * DAY,
                modified_at=NOW - 5 * DAY,
                card=None,
                downloads=50,
                likes=0,
            ),
            card=NO_CARD,
            owner=found(PERSON),
        ),
        (76.7, 64.9, 3, 26, 33.9),
        1,
        48.29,
        40,
        "E",
        ("young-pickle", "no-licence"),
    ),
    # security: (4000 + 30 * 95 + 2000) / 90 = 98.333; lineage without datasets 50: (6000 + 2000) / 100 = 80
    # publisher 65: (65 + 61.8) / 2 = 63.4; total: 39.333 + 15 + 20 + 12 + 6.34
    "GGUF made from a base model": Case(
        with_facts(
            change(
                id="alice/base-1b-GGUF",
                files=(HubFile("base-1b.Q4_K_M.gguf"),),
                auto_map=None,
                card=CardMetadata(
                    licence=("apache-2.0",),
                    base_models=("acme/base-1b",),
                    base_model_relation="quantized",
                    has_results=True,
                ),
            ),
            owner=found(QUANTISER),
            bases={"acme/base-1b": found(BASE)},
        ),
        (98.3, 100, 100, 80, 63.4),
        1,
        92.67,
        92.7,
        "A+",
    ),
    # The text of the card is unknown: documentation does not count. Use-restricted 60: (3600 + 4000) / 100 = 76
    # coverage: 1 - .2; total: (40 + 15 + 11.4 + 8.09) / .8 = 93.11; low end: 40 + 15 + 0 + 11.4 + 8.09 = 74.5
    "gated": Case(
        with_facts(change(gated="manual", card=replace(HEADER, licence=("llama3.1",))), card=GATED),
        (100, 100, None, 76, 80.9),
        0.8,
        93.11,
        93.1,
        "A+",
    ),
    # format and code of security known, 50 of 90: 100. coverage: 1 - .4 * 40 / 90
    "scans not done": Case(change(scans_done=False), (100, 100, 100, 100, 80.9), 0.822, 98.09, 98.1, None),
    # scan 25, twins 80: (1000 + 2400 + 2000) / 90 = 60; total: 24 + 15 + 20 + 15 + 8.09
    "unsafe pickle with a safetensors twin": Case(
        change(files=(*SAFETENSORS, HubFile("pytorch_model.bin")), scans=(HubScan("pytorch_model.bin", "unsafe"),)),
        (60, 100, 100, 100, 80.9),
        1,
        82.09,
        60,
        "C",
        ("unsafe-twin",),
    ),
    # scan 0, pickle 30: (900 + 2000) / 90 = 32.222; total: 12.889 + 58.09
    "unsafe pickle alone": Case(
        change(files=PICKLE, scans=(HubScan("pytorch_model.bin", "unsafe"),)),
        (32.2, 100, 100, 100, 80.9),
        1,
        70.98,
        10,
        "F",
        ("unsafe",),
    ),
    # scan 0: (3000 + 2000) / 90 = 55.556; total: 22.222 + 58.09
    "virus": Case(
        change(scans=(HubScan("model.safetensors", "unsafe", virus=True),)),
        (55.6, 100, 100, 100, 80.9),
        1,
        80.31,
        0,
        "F",
        ("virus",),
    ),
    "disabled": Case(change(disabled=True), (100, 100, 100, 100, 80.9), 1, None, None, None),
    # No weights; code 40 and pinning 40 of 70: (4000 + 800 + 400) / 70 = 74.286. Evaluation and lineage do not apply.
    # licence 10; total: 29.714 + 15 + 20 + 1.5 + 8.09
    "kernel, not pinned, trusted": Case(
        use(
            change(kind="kernel", card=None, files=(HubFile("build/torch28/demo.so"),)),
            trusts_remote_code=True,
        ),
        (74.3, 100, 100, 10, 80.9),
        1,
        74.30,
        60,
        "C",
        ("remote-code", "no-licence"),
    ),
    # data 100, code 40: (4000 + 3000 + 800) / 90 = 86.667; no evaluation; sources declared
    # total: 34.667 + 15 + 20 + 15 + 8.09
    "dataset with a loading script": Case(
        change(
            kind="dataset",
            id="acme/texts",
            files=(HubFile("texts.py"), HubFile("data/train.parquet")),
            card=CardMetadata(licence=("mit",), fields=("source_datasets",)),
        ),
        (86.7, 100, 100, 100, 80.9),
        1,
        92.76,
        92.8,
        "A+",
    ),
    # The same, not pinned (40), loaded with datasets 2.18: (4000 + 3000 + 800 + 400) / 100 = 82
    # total: 32.8 + 58.09 = 90.89
    "dataset whose script runs unasked": Case(
        use(
            change(
                kind="dataset",
                id="acme/texts",
                files=(HubFile("texts.py"), HubFile("data/train.parquet")),
                card=CardMetadata(licence=("mit",), fields=("source_datasets",)),
            ),
            libraries=(("datasets", "2.18.0"),),
        ),
        (82, 100, 100, 100, 80.9),
        1,
        90.89,
        60,
        "C",
        ("remote-code",),
    ),
    # Format and code do not apply, the scan is not in the answer: security does not count, coverage .6.
    # status 30: 60 + 12 = 72; likes alone 66, publisher 80: 73; total: (10.8 + 20 + 15 + 7.3) / .6 = 88.5
    "Space in RUNTIME_ERROR": Case(
        with_facts(
            change(
                kind="space",
                stage="RUNTIME_ERROR",
                used_models=("acme/demo-1b",),
                downloads=None,
                scans_done=None,
            ),
            owner=found(HubOwner("acme", is_organisation=True, is_verified=False)),
            used={"acme/demo-1b": found(REPOSITORY)},
        ),
        (None, 72, 100, 100, 73),
        0.6,
        88.5,
        88.5,
        None,
    ),
    # licence looser than its base: 20; (6000 + 800) / 100 = 68; total: 40 + 15 + 20 + 10.2 + 8.09
    "permissive adapter of a restricted base": Case(
        with_facts(
            change(
                files=ADAPTER_FILES,
                card=replace(HEADER, base_models=("acme/base-1b",), base_model_relation="adapter"),
            ),
            bases={"acme/base-1b": found(replace(BASE, card=replace(HEADER, licence=("llama3.1",))))},
        ),
        (100, 100, 100, 68, 80.9),
        1,
        93.29,
        93.3,
        "A+",
    ),
    "nothing known": Case(HubEvidence(), (None, None, None, None, None), 0, None, None, None),
}


@pytest.mark.parametrize("name", CASES)
def test_the_worked_numbers_hold(name: str) -> None:
    case = CASES[name]
    result = score(case.evidence)
    assert tuple(result.dimensions.values()) == pytest.approx(case.dimensions, abs=0.05, nan_ok=True)
    assert result.coverage == pytest.approx(case.coverage, abs=0.001)
    if case.total is None:
        assert result.total is None
    else:
        assert result.total == pytest.approx(case.total, abs=0.01)
    assert (result.value, result.grade) == (case.value, case.grade)
    assert tuple(cap.id for cap in result.caps) == case.caps


def test_a_score_is_provisional_until_the_scans_are_done() -> None:
    result = score(change(scans_done=False))
    assert result.provisional
    assert not result.is_verified
    assert score(HEALTHY).is_verified


def test_a_score_without_a_signal_about_security_is_not_verified() -> None:
    space: dict[str, Any] = {
        "kind": "space",
        "stage": "RUNNING",
        "used_models": (),
        "scanned_files": 0,
        "downloads": None,
    }
    result = score(change(**space))
    assert result.inapplicable_dimensions == {"security"}
    assert (result.dimensions["security"], result.coverage) == (None, 1)
    assert not result.is_verified
    assert not result.provisional
    assert score(HEALTHY).inapplicable_dimensions == frozenset()
    assert score(change(**{**space, "scanned_files": 1})).is_verified


def test_a_creation_in_the_future_is_no_age() -> None:
    later = change(created_at=NOW + 400 * DAY)
    assert (signal(later, "age").state, signal(later, "age").reason) == (
        "unknown",
        "created after the moment of this report",
    )
    assert not score(later).is_verified
    assert signal(change(created_at=NOW + 3_600), "age").value is not None  # clocks differ


def test_what_cannot_be_scored_has_a_reason() -> None:
    assert measure(change(disabled=True)).no_score_reason == "disabled on the Hub"
    gone = HubEvidence(repository=Absent("Hub", NOW), reference=HubReference())
    assert "not found on the Hub" in measure(gone).no_score_reason
    assert score(gone).value is None
