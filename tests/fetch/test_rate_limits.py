"""Limits that servers state in their answers: read, counted down, waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import httpx
import pytest

from nerq_cli.facts import Fact, Found, Unknown
from nerq_cli.fetch.fetcher import FetchRun
from nerq_cli.fetch.rate_limits import RateLimit, RateLimits, read_rate_limit
from nerq_cli.fetch.source import Endpoint, Request, Response
from nerq_cli.inventory import Package
from nerq_cli.store import MemoryCache
from tests.fetch.conftest import DEMOS, NOW, Demo, Demos

if TYPE_CHECKING:
    from tests.conftest import Site, Turn

OpenRun = Callable[..., FetchRun]
DEMO = Package(ecosystem="npm", name="demo")


@pytest.mark.parametrize(
    ("header", "limit"),
    [
        ('"api";r=499;t=120', RateLimit("api", 499, 120)),
        ('"api"; r = 0 ; t = 55', RateLimit("api", 0, 55)),
        ('"api";t=55;r=1', RateLimit("api", 1, 55)),
        ('"default";r=50;t=30, "api";r=0;t=137', RateLimit("api", 0, 137)),
        ('"a";r=0;t=30, "b";r=0;t=137', RateLimit("b", 0, 137)),
        ('"api";r=5', None),
        ('"api";r=-1;t=5', None),
        ("api;r=1;t=5", None),
        ("", None),
        ('"' * 10_000, None),
    ],
)
def test_a_limit_is_read_from_its_header(header: str, limit: RateLimit | None) -> None:
    assert read_rate_limit(httpx.Headers({"ratelimit": header})) == limit


def test_requests_are_counted_down_and_wait_for_the_end_of_the_window() -> None:
    now = [100.0]
    limits = RateLimits(clock=lambda: now[0])
    assert limits.reserve("hub", "page") == 0
    limits.record("hub", "page", RateLimit("api", 2, 60))
    assert [limits.reserve("hub", "page") for _ in range(3)] == [0, 0, 60]
    assert limits.reserve("hub", "file") == 0  # counted by another limit, or none
    assert limits.reserve("other", "page") == 0
    now[0] = 130
    assert limits.reserve("hub", "page") == 30
    now[0] = 160
    assert limits.reserve("hub", "page") == 0


def test_an_answer_that_arrives_late_allows_no_more_requests() -> None:
    limits = RateLimits(clock=lambda: 0.0)
    limits.record("hub", "page", RateLimit("api", 0, 60))
    limits.record("hub", "page", RateLimit("api", 7, 60))
    assert limits.reserve("hub", "page") == 60


def test_sources_that_one_limit_counts_share_it() -> None:
    limits = RateLimits(clock=lambda: 0.0)
    for source in ("page", "owner"):
        limits.record("hub", source, RateLimit("api", 1, 60))
    assert limits.reserve("hub", "page") == 0
    assert limits.reserve("hub", "owner") == 60


def refuse(header: str, **headers: str) -> Turn:
    return {"status": 429, "headers": {"RateLimit": header, **headers}}


def fetch(run: FetchRun, site: Site) -> Fact[Demo]:
    return run.fetch(DEMOS, [DEMO], Endpoint(url=site.url))[DEMO]


def test_the_end_of_a_window_is_waited_for(open_run: OpenRun, site: Site) -> None:
    site.on("/demo", refuse('"api";r=0;t=1'), {"body": {"name": "demo"}})
    started_at = time.monotonic()
    assert isinstance(fetch(open_run(), site), Found)
    assert time.monotonic() - started_at >= 0.9
    assert len(site.requests) == 2


def test_a_longer_wish_of_the_server_is_honoured(open_run: OpenRun, site: Site) -> None:
    site.on("/demo", refuse('"api";r=0;t=0', **{"Retry-After": "1"}), {"body": {"name": "demo"}})
    started_at = time.monotonic()
    assert isinstance(fetch(open_run(), site), Found)
    assert time.monotonic() - started_at >= 0.9


def test_a_window_that_ends_late_ends_the_requests_to_all_endpoints_it_counts(open_run: OpenRun, site: Site) -> None:
    site.on("/demo", refuse('"api";r=0;t=120'))
    run = open_run()
    reason = f"{site.host}: rate limit reached, no request allowed for 120 s"
    assert fetch(run, site) == Unknown(reason, "Demo")
    assert isinstance(fetch(run, site), Unknown)
    assert len(site.requests) == 1


def test_requests_left_make_a_refusal_one_of_too_many_at_a_time(open_run: OpenRun, site: Site) -> None:
    site.on("/demo", refuse('"api";r=400;t=120'), {"body": {"name": "demo"}})
    started_at = time.monotonic()
    assert isinstance(fetch(open_run(), site), Found)
    assert time.monotonic() - started_at < 5


def test_a_request_timeout_of_the_server_is_tried_again(open_run: OpenRun, site: Site) -> None:
    site.on("/demo", {"status": 408}, {"body": {"name": "demo"}})
    assert isinstance(fetch(open_run(), site), Found)


def test_the_headers_of_an_error_reach_its_source(open_run: OpenRun, site: Site) -> None:
    received: list[Response] = []

    class Source(Demos):
        extra_statuses = frozenset({403})

        def parse(self, question: Request[Package], answer: Response) -> Iterable[tuple[Package, Demo | None]]:
            received.append(answer)
            yield question.subjects[0], None

    headers = {"X-Error-Code": "GatedRepo", "X-Error-Message": "ask " * 100, "Link": '</next>; rel="next"'}
    for status in (403, 404):
        site.on("/demo", {"status": status, "headers": headers})
        open_run().fetch(Source(), [DEMO], Endpoint(url=site.url))
    for response in received:
        assert response.notes.error_code == "GatedRepo"
        assert len(response.notes.error_message) == 200
        assert response.notes.link == '</next>; rel="next"'
    assert [response.status for response in received] == [403, 404]


def test_a_source_may_state_how_long_an_answer_is_fresh(open_run: OpenRun, site: Site) -> None:
    class Source(Demos):
        def get_max_age(self, value: Demo) -> int:
            return value.size

    store = MemoryCache()
    site.on("/demo", {"body": {"name": "demo", "size": 500}}, {"body": {"name": "demo", "size": 500}})
    for later in (0, 499, 500):
        open_run(store, now=NOW + later).fetch(Source(), [DEMO], Endpoint(url=site.url))
    assert len(site.requests) == 2
