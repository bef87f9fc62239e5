"""Marks of repositories of the Hugging Face Hub; see ``policy.marks``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final

from nerq_cli.facts import Absent, Unknown
from nerq_cli.hub_facts import HubEvidence
from nerq_cli.methodology.models import MODELS
from nerq_cli.policy.marks import MARKED_RULES, pack_marks
from nerq_cli.signals.models.context import RepositoryContext


def _is_superseded(context: RepositoryContext) -> bool | None:
    if context.card is not None:
        return bool(context.card.new_version)
    return False if context.is_header_read else None


def _is_unchanged(context: RepositoryContext) -> bool | None:
    days = context.unchanged_days
    return None if days is None else days > context.limit("very_quiet_days")


def _is_vanished(context: RepositoryContext) -> bool | None:
    if isinstance(context.fact, Unknown):
        return None
    return isinstance(context.fact, Absent)


def _is_compared(context: RepositoryContext) -> bool | None:
    """Whether its name was compared; the score has a cap for one that is taken for another."""
    return None if context.repository is None else False


def _never(_context: RepositoryContext) -> bool:
    """Return False: repositories of the Hub have nothing of the kind."""
    return False


#: What is not listed does not exist on the Hub: versions are not yanked, nothing runs at installation, no build is
#: attested, and a version has no publisher of its own.
_FUNCTIONS: Final[Mapping[str, Callable[[RepositoryContext], bool | None]]] = MappingProxyType(
    {
        "deprecated": _is_superseded,
        "inactive": _is_unchanged,
        "vanished": _is_vanished,
        "lookalike": _is_compared,
    }
)


def collect_hub_marks(evidence: HubEvidence, as_of: int, rule_ids: Collection[str]) -> int:
    """Return the marks of a repository for these rules. ``as_of`` is in epoch seconds UTC."""
    context = RepositoryContext(MODELS, evidence, as_of)
    return pack_marks({id_: _FUNCTIONS.get(id_, _never)(context) for id_ in rule_ids if id_ in MARKED_RULES})
