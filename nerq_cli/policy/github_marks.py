"""Marks of source repositories on GitHub; see ``policy.marks``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final

from nerq_cli.facts import Absent, Unknown
from nerq_cli.github_facts import GithubEvidence
from nerq_cli.methodology.repositories import REPOSITORIES
from nerq_cli.policy.marks import MARKED_RULES, pack_marks
from nerq_cli.signals.repositories.context import GithubContext
from nerq_cli.signals.signal import days_between


def _is_archived(context: GithubContext) -> bool | None:
    return None if context.hosted is None else context.hosted.archived


def _is_inactive(context: GithubContext) -> bool | None:
    if context.repository is None or context.repository.last_commit is None:
        return None
    return days_between(context.repository.last_commit, context.as_of) > context.limit("stale_days")


def _is_vanished(context: GithubContext) -> bool | None:
    revision = context.github.revision
    return None if isinstance(revision, Unknown) else isinstance(revision, Absent)


def _never(_context: GithubContext) -> bool:
    """Return False: repositories have nothing of the kind."""
    return False


def _is_not_compared(_context: GithubContext) -> None:
    """Return None: names are not compared with those of popular repositories."""


#: What is not listed does not exist on GitHub: commits are not yanked, nothing runs at installation, no build is
#: attested, and a commit has no publisher of its own.
_FUNCTIONS: Final[Mapping[str, Callable[[GithubContext], bool | None]]] = MappingProxyType(
    {
        "archived": _is_archived,
        "inactive": _is_inactive,
        "vanished": _is_vanished,
        "lookalike": _is_not_compared,
    }
)


def collect_github_marks(evidence: GithubEvidence, as_of: int, rule_ids: Collection[str]) -> int:
    """Return the marks of a repository for these rules. ``as_of`` is in epoch seconds UTC."""
    context = GithubContext(REPOSITORIES, evidence, as_of)
    return pack_marks({id_: _FUNCTIONS.get(id_, _never)(context) for id_ in rule_ids if id_ in MARKED_RULES})
