"""Repositories and cards for the tests of compliance."""

from __future__ import annotations

from typing import Any

from nerq_cli.facts import Absent, Fact, Found
from nerq_cli.hub_facts import CardMetadata, HubCard, HubEvidence, HubOwner, HubRepository

SOURCE = "Hugging Face Hub"
#: 2026-11-29T12:00:00Z
AS_OF = 1_795_953_600


def found(value: Any) -> Any:
    return Found(value, SOURCE, AS_OF)


def repository(**fields: Any) -> HubRepository:
    metadata = fields.pop("metadata", {})
    defaults: dict[str, Any] = {
        "kind": "model",
        "id": "example-lab/example",
        "sha": "a" * 40,
        "author": "example-lab",
        "modified_at": AS_OF,
        "gated": "",
        "card": CardMetadata(**metadata),
        "has_card_data": True,
        "files": (),
    }
    return HubRepository(**{**defaults, **fields})


def evidence(text: str | Fact[HubCard] | None = None, **fields: Any) -> HubEvidence:
    """Return the facts about a repository with this card; None = it has none."""
    owner = found(HubOwner("example-lab", is_organisation=True))
    others = {"owner": owner} | {name: fields.pop(name) for name in ("owner", "bases", "used") if name in fields}
    if text is None:
        fact: Fact[HubCard] = Absent(SOURCE, AS_OF)
    else:
        fact = found(HubCard(text)) if isinstance(text, str) else text
    return HubEvidence(repository=found(repository(**fields)), card=fact, **others)
