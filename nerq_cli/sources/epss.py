"""EPSS: how probable it is that a CVE is exploited within 30 days. From FIRST (first.org/epss)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from nerq_cli.errors import AnswerError
from nerq_cli.facts import Absent, Fact, Unknown
from nerq_cli.inventory import AdvisoryId
from nerq_cli.sources.gather import Gatherer
from nerq_cli.sources.question import Answer, Endpoint, Question
from nerq_cli.sources.services import RESTS, service
from nerq_cli.sources.text import decoded, every, members

LABEL: Final = "EPSS"
URL: Final = "https://api.first.org/data/v1/epss"
VARIABLE: Final = "NERQ_EPSS_URL"

#: Rows in one answer unless more are asked for, and characters of the list of CVEs (first.org/epss/api).
BATCH: Final = 100
LONGEST: Final = 2_000
_CVE = re.compile(r"CVE-\d{4}-\d{4,19}", re.ASCII)
_DAY: Final = 86_400
_OK: Final = 200


class _Row(msgspec.Struct):
    cve: str
    epss: Any


class _Page(msgspec.Struct):
    data: msgspec.Raw
    total: Any = None


_ROW: Final = msgspec.json.Decoder(_Row)
_PAGE: Final = msgspec.json.Decoder(_Page)


def endpoint(environ: Mapping[str, str]) -> Endpoint:
    """Return where EPSS is asked."""
    return service(environ, VARIABLE, URL)


def is_cve(identifier: str) -> bool:
    """Whether this is the id of a CVE."""
    return _CVE.fullmatch(identifier) is not None


@dataclass(slots=True)
class _Probabilities:
    """Probabilities from 0 to 1."""

    name: str = "epss"
    label: str = LABEL
    kind: type[float] = float
    fresh: int = _DAY
    #: New CVEs get their first number within a day or so.
    absent_fresh: int = _DAY // 4
    limit: int = 1_000_000
    probe: bool = False
    rests: int = RESTS

    def ask(self, about: Sequence[AdvisoryId], at: Endpoint) -> Iterator[Question[AdvisoryId]]:
        """Ask about as many CVEs at a time as the service takes; anything else is left out."""
        for some in _lists(one for one in about if is_cve(one.id)):
            listed = ",".join(one.id for one in some)
            yield Question(url=f"{at.url}?cve={listed}&limit={len(some)}", about=tuple(some), endpoint=at)

    def read(self, question: Question[AdvisoryId], answer: Answer) -> Iterator[tuple[AdvisoryId, float | None]]:
        """Pair CVEs with their probability, and with None where there is none yet.

        Raises:
            AnswerError: the answer is not what the service documents.
        """
        if answer.status != _OK:
            raise AnswerError(f"does not answer (HTTP {answer.status})")
        page = decoded(_PAGE, answer.body)
        listed = members(page.data)
        if listed is None:
            raise AnswerError("its answer has no rows")
        rows = every(_ROW, page.data)
        stated: dict[str, set[float | None]] = {}
        for row in rows:
            stated.setdefault(row.cve, set()).add(_probability(row.epss))
        whole = len(rows) == max(len(listed), page.total if isinstance(page.total, int) else 0)
        for subject in question.about:
            said = stated.get(subject.id, set())
            if len(said) == 1 and None not in said:
                yield subject, said.pop()
            elif not said and whole:
                yield subject, None


EPSS: Final = _Probabilities()


def probabilities(gatherer: Gatherer, cves: Iterable[str], at: Endpoint) -> dict[str, Fact[float]]:
    """Return how probable the exploitation of each CVE is. One without a number is unknown: it is new, or rejected."""
    subjects = [AdvisoryId(id=cve) for cve in dict.fromkeys(cves) if is_cve(cve)]
    facts = gatherer.gather(EPSS, subjects, at) if subjects else {}
    return {subject.id: _unless_absent(fact) for subject, fact in facts.items()}


def _unless_absent(fact: Fact[float]) -> Fact[float]:
    return Unknown("EPSS has no number for it", LABEL) if isinstance(fact, Absent) else fact


def _lists(subjects: Iterable[AdvisoryId]) -> Iterator[list[AdvisoryId]]:
    """Yield lists that are short enough for one question."""
    some: list[AdvisoryId] = []
    length = 0
    for subject in subjects:
        if some and (len(some) == BATCH or length + len(subject.id) > LONGEST):
            yield some
            some, length = [], 0
        some.append(subject)
        length += len(subject.id) + 1
    if some:
        yield some


def _probability(value: object) -> float | None:
    """Return a number from 0 to 1; the service writes it as a string."""
    try:
        number = float(value) if isinstance(value, str | float | int) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= 1 else None
