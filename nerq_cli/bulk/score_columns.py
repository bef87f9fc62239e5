"""The columns of a table of scores, for documentation. ``nerq_cli.bulk.score`` computes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nerq_cli.methodology.packages import PACKAGES

#: Reasons of each row, in the order of `nerq scan`.
REASON_COUNT: Final = 3
#: Why a row has no score, in the order in which they are looked for.
VERDICTS: Final[Mapping[str, str]] = {
    "not found": "the registry does not have the package",
    "unpublished": "the package is unpublished",
    "not listed": "the registry does not list the version",
    "not released yet": "the version was published after the day that ages are measured from",
    "insufficient data": "too little of the evidence is known",
}

#: What each column holds, in the order of the file.
SCORE_COLUMNS: Final[Mapping[str, str]] = {
    "ecosystem": "as in the facts",
    "name": "as in the facts",
    "version": "as in the facts",
    "score": "0-100 with one decimal; null = no score",
    "grade": "null without a score, while provisional, and where missing evidence decides about the default threshold",
    "coverage": "known share of the weight that applies (0-1)",
    "low": "lowest score that the missing evidence allows",
    "high": "highest score that the missing evidence allows",
    "provisional": "a fact that may lower the score was not read",
    "verified": "the whole range reaches the default threshold, without a cap",
    "methodology": "kind of target and edition, the same in each row",
    "as_of": "day that ages are measured from, the same in each row",
    "verdict": "why there is no score; null = there is one: "
    + "; ".join(f"`{name}` = {meaning}" for name, meaning in VERDICTS.items()),
    **dict.fromkeys(PACKAGES.dimensions, "mean of the dimension; null = too little of it is known"),
    "cap": "lowest cap in force; null = none",
    "cap_limit": "its limit (points)",
    **{
        name: text
        for number in range(1, REASON_COUNT + 1)
        for name, text in (
            (
                f"reason_{number}",
                "id of the first reason: caps that lower the score or are about security, then what costs most"
                if number == 1
                else "id of the next",
            ),
            (
                f"reason_{number}_points",
                "what it costs (points, one decimal); of a cap: what it takes off the score and what its signal "
                "costs in the mean, which `nerq check` states one by one"
                if number == 1
                else "what it costs, as above",
            ),
        )
    },
}
