"""Requests that a run begins before anything waits for them."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from nerq_cli.ecosystems import PYPI
from nerq_cli.facts import Absent, Found, Unknown
from nerq_cli.fetch.fetcher import Fetcher, FetchRun, HttpSettings
from nerq_cli.fetch.source import Endpoint
from nerq_cli.fetch.time_budget import TimeLimits
from nerq_cli.inventory import Package
from nerq_cli.store import MemoryCache
from tests.fetch.conftest import Demo, Demos

if TYPE_CHECKING:
    from tests.conftest import Site

NOW = 1_800_000_000
DEMOS = Demos()
OTHERS = Demos(name="others", label="Others", folder="/others")
A, B, C = (Package(ecosystem=PYPI, name=name) for name in "abc")


@pytest.fixture
def memory() -> MemoryCache:
    return MemoryCache()


@pytest.fixture
def run(memory: MemoryCache) -> Iterator[FetchRun]:
    settings = HttpSettings(timeout=5.0, backoff=0.001, seed=1)
    with closing(Fetcher(memory, settings=settings)) as fetcher:
        yield fetcher.open_run(now=NOW, deadline_seconds=10.0)


def wait_for_requests(site: Site, count: int) -> None:
    end = time.monotonic() + 5
    while len(site.requests) < count and time.monotonic() < end:
        time.sleep(0.002)


def test_it_leaves_at_once_and_is_not_sent_again(run: FetchRun, site: Site) -> None:
    site.on("/a", {"body": {"name": "a"}})
    run.start(DEMOS, [A, B, A], Endpoint(url=site.url))
    wait_for_requests(site, 2)
    assert {request.path for request in site.requests} == {"/a", "/b"}
    facts = run.fetch(DEMOS, [B, A], Endpoint(url=site.url))
    assert list(facts.items()) == [(B, Absent("Demo", NOW)), (A, Found(Demo("a"), "Demo", NOW))]
    assert len(site.requests) == 2
    [summary] = run.summarise_sources()
    assert (summary.requested, summary.received, summary.requests) == (2, 2, 2)


def test_what_is_never_asked_for_is_in_no_summary(run: FetchRun, site: Site) -> None:
    site.on("/others/a", {"status": 400})
    run.start(OTHERS, [A], Endpoint(url=site.url))
    run.fetch(DEMOS, [A], Endpoint(url=site.url))
    assert [summary.name for summary in run.summarise_sources()] == ["Demo"]


def test_nothing_waits_for_what_was_only_started(run: FetchRun, site: Site) -> None:
    site.on("/others/a", {"hang": True})
    begun = time.monotonic()
    run.start(OTHERS, [A], Endpoint(url=site.url))
    assert run.fetch(DEMOS, [A], Endpoint(url=site.url)) == {A: Absent("Demo", NOW)}
    assert time.monotonic() - begun < 3
    assert run.has_open_requests
    run.finish()
    assert not run.has_open_requests


def test_facts_start_further_requests_while_the_run_waits(run: FetchRun, site: Site) -> None:
    at = Endpoint(url=site.url)
    site.on("/a", {"body": {"name": "a"}})
    site.on("/b", {"body": {"name": "b"}, "delay": 0.3})
    site.on("/others/a", {"body": {"name": "other"}})
    seen: list[Any] = []

    def follow(facts: Any) -> None:
        seen.extend(facts)
        run.start(OTHERS, facts, at)

    run.start(DEMOS, [A, B], at, follow)
    run.fetch(DEMOS, [A, B], at)
    assert seen == [A, B]
    assert run.fetch(OTHERS, [A], at) == {A: Found(Demo("other"), "Others", NOW)}
    wait_for_requests(site, 4)
    paths = [request.path for request in site.requests]
    assert sorted(paths) == ["/a", "/b", "/others/a", "/others/b"]
    assert paths.index("/others/a") < 3  # before the answer about b


def test_what_is_waited_for_is_not_requested_again(run: FetchRun, site: Site) -> None:
    at = Endpoint(url=site.url)
    site.on("/others/a", {"status": 404, "delay": 0.3})

    def follow(_: object) -> None:
        run.start(OTHERS, [A], at)

    run.start(DEMOS, [B], at, follow)
    assert run.fetch(OTHERS, [A], at) == {A: Absent("Others", NOW)}
    assert [request.path for request in site.requests].count("/others/a") == 1


def test_what_nothing_asked_for_is_dropped_and_stays_in_the_store(run: FetchRun, site: Site) -> None:
    at = Endpoint(url=site.url)
    site.on("/a", {"body": {"name": "a"}})
    batch = run.start(DEMOS, [A], at, lambda _: None)
    run.fetch(OTHERS, [B], at)
    wait_for_requests(site, 2)
    while run.has_open_requests:
        run.fetch(OTHERS, [C], at)
    assert batch is not None
    dropped = weakref.ref(batch)
    del batch
    gc.collect()
    assert dropped() is not None
    run.drop_unclaimed()
    gc.collect()
    assert dropped() is None
    assert run.fetch(DEMOS, [A], at) == {A: Found(Demo("a"), "Demo", NOW)}
    assert [request.path for request in site.requests].count("/a") == 1


def test_what_is_under_way_is_not_dropped(run: FetchRun, site: Site) -> None:
    at = Endpoint(url=site.url)
    site.on("/a", {"body": {"name": "a"}, "delay": 0.3})
    run.start(DEMOS, [A], at)
    run.drop_unclaimed()
    assert run.fetch(DEMOS, [A], at) == {A: Found(Demo("a"), "Demo", NOW)}
    assert [request.path for request in site.requests].count("/a") == 1


def test_facts_of_the_store_arrive_at_once(run: FetchRun, site: Site) -> None:
    run.fetch(DEMOS, [A], Endpoint(url=site.url))
    seen: list[Any] = []
    run.start(DEMOS, [A], Endpoint(url=site.url), seen.append)
    assert seen == [{A: Absent("Demo", NOW)}]
    assert len(site.requests) == 1


def test_the_first_request_to_an_uncertain_endpoint_is_alone_however_many_are_started(
    run: FetchRun, site: Site
) -> None:
    probed = Demos(probe=True)
    site.on("/a", {"status": 405, "delay": 0.2})
    for package in (A, B, C):
        run.start(probed, [package], Endpoint(url=site.url))
    facts = run.fetch(probed, [A, B, C], Endpoint(url=site.url))
    assert set(facts.values()) == {Unknown(f"{site.host}: this server has no demos", "Demo")}
    assert len(site.requests) == 1


def test_it_is_called_when_every_result_is_processed(run: FetchRun, site: Site) -> None:
    collected: list[Any] = []
    at = Endpoint(url=site.url)

    def send(*, is_quiet: bool) -> None:
        run.start(OTHERS, collected, at)

    run.call_when_idle(send)
    run.start(DEMOS, [A, B], at, collected.extend)
    run.fetch(DEMOS, [A, B], at)
    wait_for_requests(site, 4)
    assert {request.path for request in site.requests} == {"/a", "/b", "/others/a", "/others/b"}


def test_only_the_time_that_a_run_waits_counts_for_a_service(run: FetchRun, site: Site) -> None:
    brief = Demos(name="brief", label="Brief")
    brief.time_limits = TimeLimits(total=0.05)  # type: ignore[attr-defined] # half a second
    site.on("/a", {"status": 404, "delay": 0.1})
    run.start(brief, [A], Endpoint(url=site.url))
    time.sleep(0.8)
    facts = run.fetch(brief, [A, B], Endpoint(url=site.url))
    assert set(facts.values()) == {Absent("Brief", NOW)}


def test_one_failure_among_many_started_requests_ends_nothing(run: FetchRun, site: Site) -> None:
    lenient = Demos(name="lenient")
    lenient.cooldown = 900  # type: ignore[attr-defined]
    site.on("/a", {"status": 400})
    run.start(lenient, [A], Endpoint(url=site.url))
    run.fetch(DEMOS, [C], Endpoint(url=site.url))
    run.start(lenient, [B], Endpoint(url=site.url))
    facts = run.fetch(lenient, [A, B], Endpoint(url=site.url))
    assert isinstance(facts[A], Unknown)
    assert facts[B] == Absent("Demo", NOW)


def test_without_a_network_nothing_is_started(memory: MemoryCache, site: Site) -> None:
    with closing(Fetcher(memory)) as fetcher:
        run = fetcher.open_run(now=NOW, offline=True)
        run.start(DEMOS, [A], Endpoint(url=site.url))
        assert isinstance(run.fetch(DEMOS, [A], Endpoint(url=site.url))[A], Unknown)
    assert not site.requests


# --- subjects that may not exist -------------------------------------------------------------------------------------

PROBED = Demos(probe=True)
MISSING = "this server has no demos"


def test_a_tentative_request_with_a_value_is_not_sent_again(run: FetchRun, site: Site) -> None:
    at = Endpoint(url=site.url)
    for name in ("a", "b"):
        site.on(f"/{name}", {"body": {"name": name}})
    seen: list[Any] = []
    run.start(PROBED, [A, B], at, seen.append, is_tentative=True)
    wait_for_requests(site, 2)  # both at once, though the endpoint is uncertain
    run.start(PROBED, [A], at)
    facts = run.fetch(PROBED, [A, B], at)
    assert facts == {A: Found(Demo("a"), "Demo", NOW), B: Found(Demo("b"), "Demo", NOW)}
    assert len(site.requests) == 2
    assert {subject for found in seen for subject in found} == {A, B}


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_a_tentative_failure_is_followed_by_a_request_that_counts(run: FetchRun, site: Site, delay: float) -> None:
    at = Endpoint(url=site.url)
    site.on("/a", {"status": 405, "delay": delay}, {"body": {"name": "a"}})
    run.start(PROBED, [A], at, is_tentative=True)
    wait_for_requests(site, 1)
    if not delay:
        run.fetch(OTHERS, [B], at)
    assert run.fetch(PROBED, [A], at) == {A: Found(Demo("a"), "Demo", NOW)}
    assert [request.path for request in site.requests].count("/a") == 2


def test_a_tentative_failure_is_the_same_as_none_if_it_stays(run: FetchRun, site: Site) -> None:
    at = Endpoint(url=site.url)
    for name in "abc":
        site.on(f"/{name}", {"status": 405})
    run.start(PROBED, [A, B, C], at, is_tentative=True)
    wait_for_requests(site, 3)
    facts = run.fetch(PROBED, [A, B, C], at)
    assert set(facts.values()) == {Unknown(f"{site.host}: {MISSING}", "Demo")}
    assert len(site.requests) == 4  # the first one that counts is alone


@pytest.mark.parametrize("status", [404, 405, 403])
def test_a_tentative_failure_says_nothing_about_other_subjects(run: FetchRun, site: Site, status: int) -> None:
    at = Endpoint(url=site.url)
    site.on("/a", {"status": status})
    site.on("/b", {"body": {"name": "b"}})
    seen: list[Any] = []
    run.start(PROBED, [A], at, seen.append, is_tentative=True)
    wait_for_requests(site, 1)
    run.fetch(OTHERS, [C], at)
    assert run.fetch(PROBED, [B], at) == {B: Found(Demo("b"), "Demo", NOW)}
    assert all(not found for found in seen)
    [summary, _] = sorted(run.summarise_sources(), key=lambda one: one.name)
    assert (summary.name, summary.requested, summary.received) == ("Demo", 1, 1)


def test_tentative_requests_end_after_a_few_failures(run: FetchRun, site: Site) -> None:
    at = Endpoint(url=site.url)
    packages = [Package(ecosystem=PYPI, name=f"p{number}") for number in range(120)]
    for package in packages:
        site.on(f"/{package.name}", {"status": 405, "delay": 0.05})
    run.start(PROBED, packages, at, is_tentative=True)
    site.on("/others/a", {"status": 404, "delay": 2.0})
    run.fetch(OTHERS, [A], at)  # until all of them had their turn
    assert len(site.requests) < 60


def test_what_the_store_knows_to_be_missing_is_not_tried(run: FetchRun, memory: MemoryCache, site: Site) -> None:
    at = Endpoint(url=site.url)
    site.on("/a", {"status": 405})
    run.fetch(PROBED, [A], at)
    with closing(Fetcher(memory)) as fetcher:
        later = fetcher.open_run(now=NOW + 60)
        later.start(PROBED, [B], at, is_tentative=True)
        assert later.fetch(PROBED, [B], at) == {B: Unknown(f"{site.host}: {MISSING}", "Demo")}
    assert len(site.requests) == 1
