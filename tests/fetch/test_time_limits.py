"""What one request, one service and one host may cost a run, over real sockets that hang or drip."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from nerq_cli.ecosystems import PYPI
from nerq_cli.facts import Absent, Fact, Found, Unknown
from nerq_cli.fetch.fetcher import FetchRun, HttpSettings
from nerq_cli.fetch.host_workers import HostWorkers
from nerq_cli.fetch.http_client import HttpClient
from nerq_cli.fetch.request_error import RequestError
from nerq_cli.fetch.source import Endpoint, Request, Response
from nerq_cli.fetch.time_budget import REGISTRY_LIMITS, TimeLimits
from nerq_cli.inventory import Package

if TYPE_CHECKING:
    from tests.conftest import Site, Turn

Open = Callable[..., FetchRun]

#: A server that sends its headers, or its body, byte by byte for longer than any test lasts.
HEADER_DRIP: Turn = {"headers": {"X-Long": "x" * 50_000}, "drip": 0.05}
BODY_DRIP: Turn = {"body": b"x" * 50_000, "drip": 0.05}
HANG: Turn = {"hang": True}


class Demo(msgspec.Struct, frozen=True):
    name: str


@dataclass
class Demos:
    """A made-up source: one document for each package, under its name."""

    name: str = "demo"
    label: str = "Demo"
    kind: type[Demo] = Demo
    max_age: int = 3_600
    absent_max_age: int = 60
    limit: int = 100_000
    probe: bool = False
    time_limits: TimeLimits = REGISTRY_LIMITS

    def requests(self, about: Sequence[Package], at: Endpoint) -> Iterable[Request[Package]]:
        for package in about:
            yield Request(url=f"{at.url}/{package.url_segment}", subjects=(package,), endpoint=at)

    def parse(self, request: Request[Package], response: Response) -> Iterable[tuple[Package, Demo | None]]:
        yield request.subjects[0], None if response.status == 404 else Demo("x")


def packages(*names: str) -> list[Package]:
    return [Package(ecosystem=PYPI, name=name) for name in names]


def fetch(run: FetchRun, site: Site, *names: str, source: Demos | None = None) -> list[Fact[Demo]]:
    return list(run.fetch(source or Demos(), packages(*names), Endpoint(url=site.url)).values())


def reasons(facts: Iterable[Fact[Any]]) -> set[str]:
    return {fact.reason if isinstance(fact, Unknown) else "" for fact in facts}


@pytest.fixture
def begun() -> Callable[[], float]:
    """Seconds since the test began."""
    start = time.monotonic()
    return lambda: time.monotonic() - start


# One request


@pytest.mark.parametrize("turn", [HANG, HEADER_DRIP, BODY_DRIP], ids=["hang", "headers", "body"])
def test_a_request_ends_in_time_however_its_bytes_come(
    open_run: Open, site: Site, begun: Callable[[], float], turn: Turn
) -> None:
    site.on("/a", turn)
    facts = fetch(open_run(settings=HttpSettings(timeout=0.5), deadline_seconds=20.0), site, "a")
    assert begun() < 5
    assert reasons(facts) == {f"{site.host}: no answer within 0.5 s"}


@pytest.mark.parametrize("turn", [HANG, HEADER_DRIP, BODY_DRIP], ids=["hang", "headers", "body"])
def test_a_request_takes_a_third_of_a_short_deadline(
    open_run: Open, site: Site, begun: Callable[[], float], turn: Turn
) -> None:
    site.on("/a", turn)
    facts = fetch(open_run(settings=HttpSettings(), deadline_seconds=6.0), site, "a")
    assert 1.9 < begun() < 5.5
    assert reasons(facts) == {f"{site.host}: no answer within 2 s"}


def test_a_name_look_up_that_hangs_ends_in_time(
    open_run: Open, begun: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> None:
        released.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    run = open_run(settings=HttpSettings(timeout=0.5), deadline_seconds=20.0)
    facts = run.fetch(Demos(), packages("a"), Endpoint(url="http://registry.example"))
    assert reasons(facts.values()) == {"registry.example: no answer within 0.5 s"}
    assert begun() < 5
    released.set()


def test_a_body_that_is_discarded_ends_in_time_too(open_run: Open, site: Site, begun: Callable[[], float]) -> None:
    site.on("/a", {"status": 403, "body": b"x" * 10_000, "drip": 0.01})
    facts = fetch(open_run(settings=HttpSettings(timeout=1.5, attempts=1), deadline_seconds=20.0), site, "a")
    assert begun() < 6
    assert reasons(facts) <= {
        f"{site.host}: refused access (403); check the credentials for {site.host}",
        f"{site.host}: no answer within 1.5 s",
    }


@pytest.mark.parametrize("turn", [HANG, HEADER_DRIP, BODY_DRIP], ids=["hang", "headers", "body"])
def test_a_request_outside_of_a_run_ends_in_time_too(site: Site, begun: Callable[[], float], turn: Turn) -> None:
    site.on("/a", turn)
    site.on("/b", {"body": b"here"})
    endpoint = Endpoint(url=site.url)
    with closing(HttpClient(user_agent="nerq-cli/test", timeout=20.0)) as client:
        client.open_host(site.url)
        with pytest.raises(RequestError, match=r"no answer within 0\.5 s"):
            client.send_bounded(Request(url=f"{site.url}/a", subjects=(), endpoint=endpoint), limit=99_999, seconds=0.5)
        assert begun() < 10
        response = client.send_bounded(
            Request(url=f"{site.url}/b", subjects=(), endpoint=endpoint), limit=99_999, seconds=20.0
        )
    assert response.body == b"here"


def test_a_request_that_drips_gives_its_place_to_the_next_one(
    open_run: Open, site: Site, begun: Callable[[], float]
) -> None:
    site.on("/a", HEADER_DRIP)
    settings = HttpSettings(timeout=0.5, concurrency=1)
    first, *others = fetch(open_run(settings=settings, deadline_seconds=20.0), site, "a", "b", "c", "d")
    assert isinstance(first, Unknown)
    assert {type(fact) for fact in others} == {Absent}
    assert begun() < 6


def test_dripping_requests_open_the_circuit(open_run: Open, site: Site) -> None:
    names = [f"p{number}" for number in range(60)]
    for name in names:
        site.on(f"/{name}", HEADER_DRIP)
    settings = HttpSettings(timeout=0.5, concurrency=4)
    facts = fetch(open_run(settings=settings, deadline_seconds=20.0), site, *names)
    assert f"stopped after 5 failures: {site.host}: no answer within 0.5 s" in reasons(facts)
    assert len(site.requests) < 20


def test_a_late_result_of_an_abandoned_job_changes_nothing(open_run: Open, site: Site) -> None:
    site.on("/a", {"body": b"{}", "drip": 0.02})  # about a second
    run = open_run(settings=HttpSettings(timeout=0.3), deadline_seconds=20.0)
    [fact] = fetch(run, site, "a")
    site.on("/b", {"delay": 2.0, "body": {}})
    [other] = fetch(run, site, "b", source=Demos("other"))
    assert isinstance(fact, Unknown)
    assert isinstance(other, Unknown)
    [summary] = run.summarise_sources()
    assert (summary.requested, summary.received, summary.requests) == (2, 0, 2)


# One service


def test_a_service_that_answers_and_then_drips_takes_no_more_than_its_budget(
    open_run: Open, site: Site, begun: Callable[[], float]
) -> None:
    site.on("/a", {"body": {}})
    for name in ("b", "c", "d", "e"):
        site.on(f"/{name}", HEADER_DRIP)
    run = open_run(settings=HttpSettings(), deadline_seconds=6.0)
    source = Demos(time_limits=TimeLimits(total=1 / 4))
    assert isinstance(fetch(run, site, "a", source=source)[0], Found)
    for name in ("b", "c", "d"):
        assert isinstance(fetch(run, site, name, source=source)[0], Unknown)
    assert begun() < 4
    asked = len(site.requests)
    assert reasons(fetch(run, site, "e", "f", source=source)) == {"time budget of 1.5 s used up"}
    assert len(site.requests) == asked


def test_services_that_no_verdict_depends_on_take_no_more_than_half_of_the_run(
    open_run: Open, site: Site, begun: Callable[[], float]
) -> None:
    run = open_run(settings=HttpSettings(), deadline_seconds=6.0)
    facts = []
    for number in range(8):
        site.on(f"/p{number}", HANG)
        source = Demos(f"helpful-{number}", f"Helpful {number}", time_limits=TimeLimits(total=1 / 4, is_joint=True))
        facts += fetch(run, site, f"p{number}", source=source)
    assert 2.9 < begun() < 5.5
    assert reasons(facts[-3:]) == {"joint time budget of 3 s used up"}
    assert isinstance(fetch(run, site, "a")[0], Absent)


def test_a_registry_that_is_silent_for_half_of_the_run_is_not_asked_again(
    open_run: Open, site: Site, begun: Callable[[], float]
) -> None:
    for name in ("a", "b", "c", "d", "e"):
        site.on(f"/{name}", HANG)
    run = open_run(settings=HttpSettings(), deadline_seconds=6.0)
    facts = [fetch(run, site, name, source=Demos(f"demo-{name}"))[0] for name in ("a", "b", "c", "d", "e")]
    assert 2.9 < begun() < 5.5
    assert reasons(facts[-2:]) == {"time budget used up: no response for 3 s"}
    assert len(site.requests) == 2


def test_a_registry_that_answers_slowly_may_take_longer(open_run: Open, site: Site) -> None:
    names = [f"p{number}" for number in range(10)]
    for name in names:
        site.on(f"/{name}", {"delay": 0.25, "body": {}})
    facts = fetch(open_run(settings=HttpSettings(concurrency=1), deadline_seconds=4.5), site, *names)
    assert {type(fact) for fact in facts} == {Found}


# Several hosts


@pytest.mark.parametrize("turn", [HANG, HEADER_DRIP, BODY_DRIP], ids=["hang", "headers", "body"])
def test_a_host_that_hangs_costs_another_one_nothing(
    open_run: Open, site: Site, other_site: Site, begun: Callable[[], float], turn: Turn
) -> None:
    names = [f"p{number}" for number in range(200)]
    for name in names:
        site.on(f"/{name}", turn)
        other_site.on(f"/{name}", {"body": {}})
    run = open_run(settings=HttpSettings(), deadline_seconds=6.0)
    silent, good = run.fetch_all(
        [(Demos(), packages(*names), Endpoint(url=one.url)) for one in (site, other_site)],
    )
    assert {type(fact) for fact in silent.values()} == {Unknown}
    assert {type(fact) for fact in good.values()} == {Found}
    assert begun() < 5.5
    assert isinstance(fetch(run, other_site, "more")[0], Absent)


def test_the_thread_of_an_abandoned_job_is_replaced_and_closes_the_door_at_last() -> None:
    begun, released, done, closed = (threading.Event() for _ in range(4))

    def work(job: str) -> None:
        if job == "slow":
            begun.set()
            released.wait(20)
        else:
            done.set()

    workers: HostWorkers[str] = HostWorkers(1, work)
    workers.add_jobs("registry.example", ["slow", "quick", "dropped"])
    assert begun.wait(10)
    workers.abandon_jobs({"slow", "dropped"}.__contains__)
    assert done.wait(10)
    workers.call_when_idle(closed.set)
    assert not closed.is_set()
    released.set()
    assert closed.wait(10)
