"""EPSS: how probable it is that a CVE is exploited within 30 days. From FIRST (first.org/epss)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from nerq_cli.decoders import build_json_decoder_late
from nerq_cli.errors import ResponseError
from nerq_cli.facts import Absent, Fact, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint, Request, Response
from nerq_cli.fetch.time_budget import TimeLimits
from nerq_cli.inventory import AdvisoryId
from nerq_cli.patterns import compile_late
from nerq_cli.sources import SOURCES
from nerq_cli.sources.text import decode_json, decode_list, split_list

_INFO: Final = SOURCES["epss"]
LABEL: Final = _INFO.label

#: Rows in one answer unless more are asked for, and characters of the list of CVEs (first.org/epss/api).
MAX_CVES: Final = 100
MAX_LIST_LENGTH: Final = 2_000
_CVE_PATTERN = compile_late(r"CVE-\d{4}-\d{4,19}", re.ASCII)


class _Row(msgspec.Struct):
    cve: str
    epss: Any


class _Page(msgspec.Struct):
    data: msgspec.Raw
    total: Any = None


_ROW_DECODER: Final = build_json_decoder_late(_Row)
_PAGE_DECODER: Final = build_json_decoder_late(_Page)


def is_cve(identifier: str) -> bool:
    """Whether this is the id of a CVE."""
    return identifier.startswith("CVE-") and _CVE_PATTERN.fullmatch(identifier) is not None


class _EpssSource(msgspec.Struct):
    """Probabilities from 0 to 1."""

    name: str = "epss"
    label: str = LABEL
    kind: type[float] = float
    max_age: int = _INFO.max_age
    #: New CVEs get their first number within about a day.
    absent_max_age: int = _INFO.absent_max_age
    limit: int = 1_000_000
    probe: bool = False
    cooldown: int = _INFO.cooldown
    time_limits: TimeLimits = _INFO.time_limits

    def requests(self, subjects: Sequence[AdvisoryId], endpoint: Endpoint) -> Iterator[Request[AdvisoryId]]:
        """Request as many CVEs at a time as the service accepts; other ids are left out."""
        for batch in _split_batches(subject for subject in subjects if is_cve(subject.id)):
            cve_list = ",".join(subject.id for subject in batch)
            yield Request(
                url=f"{endpoint.url}?cve={cve_list}&limit={len(batch)}", subjects=tuple(batch), endpoint=endpoint
            )

    def parse(self, request: Request[AdvisoryId], response: Response) -> Iterator[tuple[AdvisoryId, float | None]]:
        """Pair CVEs with their probability, and with None where there is none yet.

        Raises:
            AnswerError: the answer is not what the service documents.
        """
        if response.status != HTTPStatus.OK:
            raise ResponseError(f"does not answer (HTTP {response.status})")
        page = decode_json(_PAGE_DECODER, response.body)
        raw_rows = split_list(page.data)
        if raw_rows is None:
            raise ResponseError("its answer has no rows")
        rows = decode_list(_ROW_DECODER, page.data)
        probabilities_by_cve: dict[str, set[float | None]] = {}
        for row in rows:
            probabilities_by_cve.setdefault(row.cve, set()).add(_parse_probability(row.epss))
        is_complete = len(rows) == max(len(raw_rows), page.total if isinstance(page.total, int) else 0)
        for subject in request.subjects:
            cve_probabilities = probabilities_by_cve.get(subject.id, set())
            if len(cve_probabilities) == 1 and None not in cve_probabilities:
                yield subject, cve_probabilities.pop()
            elif not cve_probabilities and is_complete:
                yield subject, None


EPSS_SOURCE: Final = _EpssSource()


def fetch_probabilities(run: FetchRun, cves: Iterable[str], endpoint: Endpoint) -> dict[str, Fact[float]]:
    """Return the probability that each CVE is exploited. A CVE without a number is unknown: it is new, or rejected."""
    subjects = [AdvisoryId(id=cve) for cve in dict.fromkeys(cves) if is_cve(cve)]
    facts = run.fetch(EPSS_SOURCE, subjects, endpoint) if subjects else {}
    return {subject.id: _replace_absent(fact) for subject, fact in facts.items()}


def _replace_absent(fact: Fact[float]) -> Fact[float]:
    return Unknown("EPSS has no number for it", LABEL) if isinstance(fact, Absent) else fact


def _split_batches(subjects: Iterable[AdvisoryId]) -> Iterator[list[AdvisoryId]]:
    """Yield lists that are short enough for one request."""
    batch: list[AdvisoryId] = []
    length = 0
    for subject in subjects:
        if batch and (len(batch) == MAX_CVES or length + len(subject.id) > MAX_LIST_LENGTH):
            yield batch
            batch, length = [], 0
        batch.append(subject)
        length += len(subject.id) + 1
    if batch:
        yield batch


def _parse_probability(value: object) -> float | None:
    """Return a number from 0 to 1; the service writes it as a string."""
    try:
        number = float(value) if isinstance(value, str | float | int) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= 1 else None
