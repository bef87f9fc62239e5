"""Results of OpenSSF Scorecard, as its own API and deps.dev write them."""

from __future__ import annotations

from typing import Final

from nerq_cli.facts import Scorecard
from nerq_cli.inventory import RepositoryId
from nerq_cli.sources.text import MAX_SUMMARY, clean_text, parse_count, parse_timestamp

#: Highest score of a check.
_MAX_SCORE: Final = 10
#: Checks read of one result; Scorecard has about 20.
_MAX_CHECKS: Final = 200


def parse_scorecard(repository: RepositoryId, document: object, *, omits_zero: bool = False) -> Scorecard | None:
    """Return the checks that have a score; None if there are none.

    A negative score means that the check was inconclusive. With ``omits_zero``, a check without a score has 0.
    """
    if not isinstance(document, dict):
        return None
    date = parse_timestamp(document.get("date")) or parse_timestamp(f"{document.get('date')}T00:00:00Z")
    items = document.get("checks")
    checks: dict[str, int] = {}
    for check in items[:_MAX_CHECKS] if isinstance(items, list) else ():
        if not isinstance(check, dict):
            continue
        name = clean_text(check.get("name"), MAX_SUMMARY)
        score = parse_count(check.get("score", 0 if omits_zero else None))
        if name and score is not None and score <= _MAX_SCORE:
            checks[name] = score
    return Scorecard(repository=repository.id, date=date, checks=checks) if date and checks else None
