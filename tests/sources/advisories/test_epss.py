from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from nerq_cli.facts import Fact, Found, Unknown
from nerq_cli.fetch.fetcher import Fetcher, HttpSettings
from nerq_cli.fetch.source import Endpoint, Response
from nerq_cli.inventory import AdvisoryId
from nerq_cli.sources import COOLDOWN, SOURCES
from nerq_cli.sources.advisories.epss import (
    EPSS_SOURCE,
    MAX_CVES,
    MAX_LIST_LENGTH,
    fetch_probabilities,
    is_cve,
)
from nerq_cli.sources.endpoints import read_endpoint
from nerq_cli.store import MemoryCache

if TYPE_CHECKING:
    from tests.conftest import Site, Turn

NOW = 1_800_000_000
DAY = 86_400
AT = Endpoint(url="https://epss.example/data/v1/epss")
CVE, OTHER = "CVE-2026-11111", "CVE-2026-22222"
BOTH = f"/?cve={CVE},{OTHER}&limit=2"


def row(cve: str, epss: object) -> dict[str, object]:
    return {"cve": cve, "epss": epss, "percentile": "0.5", "date": "2026-09-01"}


def page(*rows: object, **more: object) -> dict[str, object]:
    return {"status": "OK", "total": len(rows), "offset": 0, "limit": 100, "data": list(rows), **more}


@pytest.fixture
def memory() -> MemoryCache:
    return MemoryCache()


@pytest.fixture
def ask(memory: MemoryCache, site: Site) -> Iterator[Callable[..., dict[str, Fact[float]]]]:
    """Ask the site about CVEs, in a run of its own."""
    opened: list[Fetcher] = []

    def ask_about(*cves: str, now: int = NOW, **options: Any) -> dict[str, Fact[float]]:
        manners = HttpSettings(timeout=0.3, backoff=0.001)
        opened.append(Fetcher(memory, settings=manners))
        run = opened[-1].open_run(now=now, deadline_seconds=10, **options)
        return fetch_probabilities(run, cves, Endpoint(url=f"{site.url}/"))

    yield ask_about
    for one in opened:
        one.close()


def value(fact: Fact[float]) -> float | None:
    return fact.value if isinstance(fact, Found) else None


def test_the_environment_can_name_another_place() -> None:
    assert read_endpoint("epss", {}).url == SOURCES["epss"].url
    assert (
        read_endpoint("epss", {"NERQ_EPSS_URL": "https://epss.example/v1/epss"}).url == "https://epss.example/v1/epss"
    )


@pytest.mark.parametrize(
    "text", ["", "CVE-2026-1", "CVE-26-1111", "GHSA-aaaa-bbbb-cccc", "CVE-2026-1111&x=1", "cve-2026-1111"]
)
def test_only_the_id_of_a_cve_is_one(text: str) -> None:
    assert is_cve("CVE-2026-1234567")
    assert not is_cve(text)


def test_numbers_are_written_as_strings(site: Site, ask: Callable[..., Any]) -> None:
    site.on(BOTH, {"body": page(row(OTHER, "0.970000000"), row(CVE, "0.012340000"))})
    facts = ask(CVE, OTHER, CVE, "GHSA-1")
    assert {cve: value(fact) for cve, fact in facts.items()} == {CVE: 0.01234, OTHER: 0.97}
    assert len(site.requests) == 1


def test_a_cve_without_a_row_is_unknown_and_not_asked_about_again_at_once(site: Site, ask: Callable[..., Any]) -> None:
    site.on(BOTH, {"body": page(row(CVE, "0.5"))})
    fact = ask(CVE, OTHER)[OTHER]
    assert isinstance(fact, Unknown)
    assert "no number" in fact.reason
    assert isinstance(ask(CVE, OTHER)[OTHER], Unknown)
    assert len(site.requests) == 1


def test_answers_are_good_for_a_day(site: Site, ask: Callable[..., Any]) -> None:
    site.on(f"/?cve={CVE}&limit=1", {"body": page(row(CVE, "0.5"))}, {"body": page(row(CVE, "0.6"))})
    assert [value(ask(CVE, now=NOW + age)[CVE]) for age in (0, DAY - 1, DAY + 1)] == [0.5, 0.5, 0.6]
    assert len(site.requests) == 2


@pytest.mark.parametrize("digits", [4, 7, 19])
def test_lists_are_as_long_as_the_service_takes(digits: int) -> None:
    subjects = [AdvisoryId(id=f"CVE-2026-{n:0{digits}}") for n in range(350)]
    asked = list(EPSS_SOURCE.requests(subjects, AT))
    lists = [parse_qs(question.url.partition("?")[2]) for question in asked]
    assert [subject for question in asked for subject in question.subjects] == subjects
    assert [one["cve"][0].count(",") + 1 for one in lists] == [len(question.subjects) for question in asked]
    assert [int(one["limit"][0]) for one in lists] == [len(question.subjects) for question in asked]
    assert all(len(one["cve"][0]) <= MAX_LIST_LENGTH for one in lists)
    assert len(asked) == -(-350 // (MAX_CVES if digits < 19 else MAX_LIST_LENGTH // 29))


def test_nothing_is_asked_about_no_cve(site: Site, ask: Callable[..., Any]) -> None:
    assert ask("GHSA-1") == {}
    assert list(EPSS_SOURCE.requests([AdvisoryId(id="GHSA-1")], AT)) == []
    assert site.requests == []


@pytest.mark.parametrize("number", [None, "", "high", "nan", "-0.1", "1.1", "inf", [], {}, 10**400])
def test_what_is_no_probability_is_unknown(site: Site, ask: Callable[..., Any], number: object) -> None:
    site.on(BOTH, {"body": page(row(CVE, number), row(OTHER, "1"))})
    facts = ask(CVE, OTHER)
    assert isinstance(facts[CVE], Unknown)
    assert value(facts[OTHER]) == 1.0


def test_rows_that_contradict_each_other_are_unknown(site: Site, ask: Callable[..., Any]) -> None:
    site.on(BOTH, {"body": page(row(CVE, "0.1"), row(CVE, "0.9"), row(OTHER, "0.5"), row(OTHER, "0.50"))})
    facts = ask(CVE, OTHER)
    assert isinstance(facts[CVE], Unknown)
    assert value(facts[OTHER]) == 0.5


def test_a_row_that_makes_no_sense_may_be_about_any_of_them(site: Site, ask: Callable[..., Any]) -> None:
    site.on(BOTH, {"body": page(row(CVE, "0.1"), {"epss": "0.2"})})
    site.on(f"/?cve={OTHER}&limit=1", {"body": page(row(OTHER, "0.2"))})
    facts = ask(CVE, OTHER)
    assert value(facts[CVE]) == 0.1
    assert isinstance(facts[OTHER], Unknown)
    assert value(ask(OTHER)[OTHER]) == 0.2


def test_a_page_that_leaves_rows_out_says_nothing_of_them(site: Site, ask: Callable[..., Any]) -> None:
    site.on(BOTH, {"body": page(row(CVE, "0.1"), total=2)}, {"body": page(row(CVE, "0.1"), row(OTHER, "0.2"))})
    site.on(f"/?cve={OTHER}&limit=1", {"body": page(row(OTHER, "0.2"))})
    assert isinstance(ask(CVE, OTHER)[OTHER], Unknown)
    assert value(ask(CVE, OTHER)[OTHER]) == 0.2


WHOLE = json.dumps(page(row(CVE, "0.5"))).encode()


@pytest.mark.parametrize(
    "turn",
    [
        {"status": 500},
        {"status": 429, "headers": {"Retry-After": "3600"}},
        {"status": 403},
        {"status": 404, "body": {}},
        {"hang": True},
        {"body": WHOLE, "cut": 30},
        {"raw": b"garbage\r\n\r\n"},
        {"body": WHOLE[:30]},
        {"body": []},
        {"body": {}},
        {"body": {"data": None}},
        {"body": {"data": {}}},
    ],
)
def test_a_service_that_fails_leaves_unknown_what_it_will_say_later(
    site: Site, ask: Callable[..., Any], turn: Turn
) -> None:
    path = f"/?cve={CVE}&limit=1"
    site.on(path, turn)
    fact = ask(CVE)[CVE]
    assert isinstance(fact, Unknown)
    assert fact.reason
    site.on(path, {"body": WHOLE})
    assert value(ask(CVE, now=NOW + COOLDOWN)[CVE]) == 0.5


def test_a_service_that_is_busy_is_asked_again(site: Site, ask: Callable[..., Any]) -> None:
    site.on(f"/?cve={CVE}&limit=1", {"status": 429, "headers": {"Retry-After": "0"}}, {"body": WHOLE})
    assert value(ask(CVE)[CVE]) == 0.5
    assert len(site.requests) == 2


def test_numbers_may_be_numbers() -> None:
    [question] = EPSS_SOURCE.requests([AdvisoryId(id=CVE)], AT)
    answer = Response(status=200, body=json.dumps(page(row(CVE, 0.25))).encode())
    assert list(EPSS_SOURCE.parse(question, answer)) == [(AdvisoryId(id=CVE), 0.25)]
