"""A healthy repository, and what tests change of it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from nerq_cli import scoring
from nerq_cli.facts import Found
from nerq_cli.hub_facts import CardMetadata, HubCard, HubEvidence, HubFile, HubOwner, HubReference, HubRepository
from nerq_cli.methodology.models import MODELS
from nerq_cli.scoring import Score
from nerq_cli.signals.models import measure_repository
from nerq_cli.signals.signal import Measurement, Signal
from nerq_cli.units import DAY

#: 2026-01-01
NOW: Final = 1_767_225_600
SHA: Final = "0123456789abcdef0123456789abcdef01234567"

_PROSE: Final = (
    "The model answers questions in two languages and was made for short texts of the kind that support desks get. "
    "It was tested by three people over a month, who wrote down what they saw and compared it with the model before. "
)
CARD: Final = "\n\n".join(
    [
        "# Demo 1B",
        _PROSE * 4,
        *(
            f"## {heading}\n\n{_PROSE * 2}"
            for heading in ("Intended use", "Limitations", "Training data", "Training procedure", "How to use")
        ),
        "## Evaluation\n\n| test | score |\n| --- | --- |\n| MMLU | 71.2 |\n| GSM8K | 64.0 |",
        f"## Citation\n\n{_PROSE}",
    ]
)
SAFETENSORS: Final = (HubFile("README.md"), HubFile("config.json"), HubFile("model.safetensors"))
PICKLE: Final = (HubFile("README.md"), HubFile("config.json"), HubFile("pytorch_model.bin"))
HEADER: Final = CardMetadata(licence=("apache-2.0",), datasets=("acme/texts",), has_results=True)
REPOSITORY: Final = HubRepository(
    kind="model",
    id="acme/demo-1b",
    sha=SHA,
    author="acme",
    created_at=NOW - 200 * DAY,
    modified_at=NOW - 100 * DAY,
    gated="",
    downloads=10_000,
    likes=99,
    library="transformers",
    card=HEADER,
    has_card_data=True,
    auto_map=False,
    files=SAFETENSORS,
    scans_done=True,
)
VERIFIED: Final = HubOwner("acme", is_organisation=True, is_verified=True, models=40)
PERSON: Final = HubOwner("alice", is_organisation=False, models=1)
TARGET: Final = HubReference(is_target=True)


def found(value: Any, source: str = "Hub") -> Any:
    return Found(value, source, NOW)


HEALTHY: Final = HubEvidence(
    repository=found(REPOSITORY),
    card=found(HubCard(CARD)),
    owner=found(VERIFIED),
    reference=TARGET,
)


def change(evidence: HubEvidence = HEALTHY, **fields: Any) -> HubEvidence:
    """Return evidence with other fields of its repository."""
    assert isinstance(evidence.repository, Found)
    repository = msgspec.structs.replace(evidence.repository.value, **fields)
    return msgspec.structs.replace(evidence, repository=found(repository))


def use(evidence: HubEvidence = HEALTHY, **fields: Any) -> HubEvidence:
    """Return evidence with another reference of the project."""
    return msgspec.structs.replace(evidence, reference=HubReference(**fields))


def measure(evidence: HubEvidence) -> Measurement:
    return measure_repository(MODELS, evidence, NOW)


def score(evidence: HubEvidence) -> Score:
    return scoring.compute_score(MODELS, measure(evidence))


def signal(evidence: HubEvidence, id_: str) -> Signal:
    return next(item for item in measure(evidence).signals if item.id == id_)


def caps(evidence: HubEvidence) -> set[str]:
    return {flag.cap for flag in measure(evidence).flags if not flag.possible}


def possible_caps(evidence: HubEvidence) -> set[str]:
    return {flag.cap for flag in measure(evidence).flags if flag.possible}
