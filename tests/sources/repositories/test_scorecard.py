from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from nerq_cli.facts import Found, Scorecard, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import RepositoryId
from nerq_cli.sources import SOURCES
from nerq_cli.sources.endpoints import read_endpoint
from nerq_cli.sources.repositories.scorecard import fetch_scorecards
from nerq_cli.store import MemoryCache

if TYPE_CHECKING:
    from tests.conftest import Site, Turn

MAY = 1_777_593_600  # 2026-05-01T00:00:00Z
DEMO = RepositoryId(id="github.com/acme/demo", spelling="github.com/Acme/Demo")
GIVEN, LOWER = "/projects/github.com/Acme/Demo", "/projects/github.com/acme/demo"
OpenRun = Callable[..., FetchRun]


def results(date: str = "2026-05-01") -> dict[str, Any]:
    checks = [{"name": "Code-Review", "score": 0}, {"name": "Maintained", "score": -1}, {"name": "License"}]
    return {"date": date, "score": 1.0, "checks": [*checks, {"name": "Fuzzing", "score": 11}]}


@pytest.mark.parametrize("date", ["2026-05-01", "2026-05-01T00:00:00Z"])
def test_results_are_conclusive_checks_and_a_date_in_either_form(open_run: OpenRun, site: Site, date: str) -> None:
    site.on(GIVEN, {"body": results(date)})
    fact = fetch_scorecards(open_run(), [DEMO], Endpoint(url=site.url))[DEMO]
    assert isinstance(fact, Found)
    assert fact.value == Scorecard("github.com/acme/demo", MAY, {"Code-Review": 0})


def test_a_repository_is_looked_for_as_spelled_and_then_in_lower_case(open_run: OpenRun, site: Site) -> None:
    site.on(LOWER, {"body": results()})
    run = open_run()
    assert isinstance(fetch_scorecards(run, [DEMO], Endpoint(url=site.url))[DEMO], Found)
    assert [request.path for request in site.requests] == [GIVEN, LOWER]
    assert run.summarise_sources()[0].state == "ok"


def test_one_that_was_never_scanned_is_unknown_and_remembered(open_run: OpenRun, site: Site) -> None:
    store = MemoryCache()
    for _ in range(2):
        fact = fetch_scorecards(open_run(store), [DEMO], Endpoint(url=site.url))[DEMO]
        assert fact == Unknown("never scanned by Scorecard", "OpenSSF Scorecard")
    assert len(site.requests) == 2


@pytest.mark.parametrize(
    "turn", [{"status": 500}, {"status": 400}, {"hang": True}, {"body": b"<html>"}, {"body": []}, {"body": {}}]
)
def test_a_service_that_is_not_well_makes_it_unknown(open_run: OpenRun, site: Site, turn: Turn) -> None:
    site.on(GIVEN, turn)
    fact = fetch_scorecards(open_run(deadline_seconds=1.0), [DEMO], Endpoint(url=site.url))[DEMO]
    assert isinstance(fact, Unknown)
    assert fact.reason != "never scanned by Scorecard"


def test_other_hosts_are_not_asked_about(open_run: OpenRun, site: Site) -> None:
    elsewhere = RepositoryId(id="bitbucket.org/a/b")
    assert isinstance(fetch_scorecards(open_run(), [elsewhere], Endpoint(url=site.url))[elsewhere], Unknown)
    assert not site.requests


def test_the_address_can_be_configured() -> None:
    assert read_endpoint("scorecard", {}).url == SOURCES["scorecard"].url
    assert read_endpoint("scorecard", {"NERQ_SCORECARD_URL": "http://127.0.0.1:1"}).url == "http://127.0.0.1:1"
