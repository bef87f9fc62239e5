"""What cards of repositories of the Hugging Face Hub state, for formats that have a place for it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from nerq_cli.facts import Found
from nerq_cli.hub_facts import HubEvidence, HubOwner, HubRepository
from nerq_cli.report.model import Assessment

#: Keys of statements whose beginning is of use to readers.
_QUOTED: Final = (
    "intended_use",
    "out_of_scope_use",
    "limitations",
    "bias_assessment",
    "training_data_summary",
    "evaluation_results",
    "personal_data_statement",
)


class Statement(msgspec.Struct, frozen=True):
    """A statement in a card or its header. Its author wrote it: untrusted text."""

    #: Where it stands: ``heading "Limitations", line 12``.
    pointer: str
    #: Its beginning, at most 120 characters; empty if it is no text.
    quote: str

    @property
    def text(self) -> str:
        """The beginning and where it stands, as one text."""
        return f"{self.quote} ({self.pointer})" if self.quote else f"see {self.pointer} of the card"


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """A repository as it is described by its author and the Hub."""

    repository: HubRepository
    #: None if it was not read.
    owner: HubOwner | None
    #: Names of base models and of datasets that it was trained on or uses.
    base_models: tuple[str, ...]
    datasets: tuple[str, ...]
    #: By key of the evidence of compliance; what is absent or not known has none.
    statements: Mapping[str, Statement]


_NOTHING: Final[Mapping[str, Statement]] = MappingProxyType({})


def read_model_card(assessment: Assessment) -> ModelCard | None:
    """Return the card of a repository; None if it is none, or if it was not read."""
    evidence = assessment.hub
    if evidence is None or not isinstance(evidence.repository, Found):
        return None
    repository = evidence.repository.value
    header = repository.card
    base_models = (header.base_models if header is not None else None) or repository.verified_bases or ()
    datasets = (header.datasets if header is not None else None) or ()
    return ModelCard(
        repository=repository,
        owner=evidence.owner.value if isinstance(evidence.owner, Found) else None,
        base_models=tuple(dict.fromkeys((*base_models, *(repository.used_models or ())))),
        datasets=tuple(dict.fromkeys((*datasets, *(repository.used_datasets or ())))),
        statements=_read_statements(evidence),
    )


def _read_statements(evidence: HubEvidence) -> Mapping[str, Statement]:
    if not isinstance(evidence.card, Found):
        return _NOTHING
    # Ten milliseconds a card: only the formats that need it read it.
    from nerq_cli.compliance.card import read_sections
    from nerq_cli.compliance.keys import read_keys
    from nerq_cli.compliance.prose import iter_clauses

    sections = read_sections(evidence.card.value)
    keys = read_keys(evidence, sections, tuple(iter_clauses(sections)))
    return {
        key.key: Statement(key.pointer, key.quote)
        for key in keys
        if key.key in _QUOTED and key.state == "present" and not key.inherited_from
    }
