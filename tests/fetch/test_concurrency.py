"""How many requests a host receives at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from nerq_cli.facts import Absent
from nerq_cli.fetch.concurrency import INITIAL_CONCURRENCY, MAX_CONCURRENCY, REGISTRY_CONCURRENCY, HostConcurrency
from nerq_cli.fetch.fetcher import HttpSettings
from nerq_cli.fetch.host_workers import HostWorkers
from nerq_cli.fetch.source import Endpoint, get_initial_concurrency
from nerq_cli.inventory import Package
from nerq_cli.sources.advisories.osv import RECORD_SOURCE
from nerq_cli.sources.registries.npm import PACKUMENT
from nerq_cli.sources.registries.pypi import PROJECT_JSON
from tests.conftest import Site, Turn
from tests.fetch.conftest import DEMOS, Demos


class Host:
    """A host on clocks of its own. ``load`` is the share of the time that this process computes."""

    def __init__(self, maximum: int = MAX_CONCURRENCY) -> None:
        self.now = self.processor_seconds = 0.0
        self.load = 0.1
        self.concurrency = HostConcurrency(
            maximum, clock=lambda: self.now, processor_clock=lambda: self.processor_seconds
        )

    def answer(self, status: int = 200, *, seconds: float = 0.1, kind: str = "page", is_needed: bool = True) -> int:
        """Answer as many requests as are allowed, sent at the same time; return the limit after that."""
        begun_at = self.now
        self.now += seconds
        self.processor_seconds += seconds * self.load
        for _ in range(self.concurrency.limit):
            self.concurrency.record_answer(kind, begun_at, status, is_needed=is_needed)
        return self.concurrency.limit


def test_the_limit_doubles_with_each_round_of_good_answers() -> None:
    host = Host()
    assert host.concurrency.limit == INITIAL_CONCURRENCY == 16
    assert [host.answer(status) for status in (200, 404, 304)] == [32, 64, 64]


def test_a_registry_begins_with_more_requests_than_a_service() -> None:
    assert get_initial_concurrency(PROJECT_JSON) == get_initial_concurrency(PACKUMENT) == REGISTRY_CONCURRENCY
    assert get_initial_concurrency(RECORD_SOURCE) == INITIAL_CONCURRENCY
    host = HostConcurrency(initial=48, clock=lambda: 0.0)
    assert host.limit == 48
    assert host.record_answer("page", 0.0, 429, is_needed=True)  # too early to count as an attempt
    assert host.limit == 24
    assert HostConcurrency(4, initial=48).limit == 4


def test_a_limit_of_the_settings_or_the_source_is_kept() -> None:
    assert Host(4).answer() == 4
    assert Host(20).answer() == 20


def test_it_does_not_grow_without_need_or_while_the_process_is_busy() -> None:
    host = Host()
    assert host.answer(is_needed=False) == 16
    host.load = 0.9
    assert host.answer() == 16
    assert host.answer(seconds=0.001) == 16  # too short to measure: as before
    host.load = 0.1
    assert host.answer() == 32


def test_it_does_not_grow_before_the_load_of_the_process_is_known() -> None:
    assert Host().answer(seconds=0.001) == 16


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_has_too_much_receives_half_and_then_one_more_with_each_round(status: int) -> None:
    host = Host()
    host.answer()
    host.answer()
    assert host.answer(status) == 32  # once for all requests of the round
    assert [host.answer() for _ in range(3)] == [33, 34, 35]
    assert [host.answer(status) for _ in range(7)] == [17, 8, 4, 2, 1, 1, 1]
    assert host.answer() == 2


def test_answers_to_requests_sent_before_the_reduction_do_not_count_again() -> None:
    host = Host()
    host.now = 1.0
    host.concurrency.record_answer("page", 0.9, 429, is_needed=True)
    host.now = 1.1
    host.concurrency.record_answer("page", 0.95, 503, is_needed=True)
    assert host.concurrency.limit == 8
    host.now = 1.3
    host.concurrency.record_answer("page", 1.2, 503, is_needed=True)
    assert host.concurrency.limit == 4


@pytest.mark.parametrize("status", [500, 502, 504])
def test_other_failures_of_the_server_end_the_growth(status: int) -> None:
    host = Host()
    assert host.answer(status) == 16
    assert host.answer() == 32


def test_a_host_that_does_not_answer_in_time_receives_less_but_not_next_to_nothing() -> None:
    host = Host()
    host.answer()
    assert [host.answer(0, seconds=20.0) for _ in range(4)] == [16, 8, 8, 8]


def test_a_host_that_becomes_slow_receives_less() -> None:
    host = Host()
    host.answer()
    host.answer()
    limits = [host.answer(seconds=4.0) for _ in range(3)]
    assert limits[0] == 32
    assert min(limits) >= 8


def test_a_few_large_answers_and_other_kinds_of_requests_are_not_slow() -> None:
    host = Host()
    for _ in range(4):
        host.answer()
    host.concurrency.record_answer("page", host.now - 5.0, 200, is_needed=True)
    for _ in range(20):
        host.concurrency.record_answer("batch", host.now - 5.0, 200, is_needed=True)
    assert host.concurrency.limit == 64


def test_a_refusal_is_premature_if_the_limit_had_grown() -> None:
    host = Host()
    record = host.concurrency.record_answer
    assert not record("page", 0.0, 429, is_needed=True)
    host = Host()
    host.answer()
    record = host.concurrency.record_answer
    assert not record("page", host.now, 500, is_needed=True)
    host.now += 1.0
    assert record("page", host.now, 503, is_needed=True)  # 32 at a time
    assert record("page", host.now - 0.5, 429, is_needed=True)  # sent beside it
    host.now += 1.0
    assert not record("page", host.now, 429, is_needed=True)  # 16


# --- over a socket ---------------------------------------------------------------------------------------------------


def serve(site: Site, count: int, *, delay: float) -> list[Package]:
    asked = [Package(ecosystem="PyPI", name=f"p{number}") for number in range(count)]
    for package in asked:
        site.on(f"/{package.name}", {"status": 404, "delay": delay})
    return asked


def test_a_host_that_answers_well_receives_more_requests_at_a_time(open_run: Callable[..., Any], site: Site) -> None:
    asked = serve(site, 200, delay=0.3)
    facts = open_run(settings=HttpSettings()).fetch(DEMOS, asked, Endpoint(url=site.url))
    assert {type(fact) for fact in facts.values()} == {Absent}
    assert INITIAL_CONCURRENCY < site.crowd <= MAX_CONCURRENCY


def test_a_source_may_ask_for_fewer_requests_at_a_time(open_run: Callable[..., Any], site: Site) -> None:
    class Shy(Demos):
        max_concurrency = 3

    asked = serve(site, 30, delay=0.02)
    shy = Shy(name="shy", label="Shy")
    open_run(settings=HttpSettings()).fetch(shy, asked, Endpoint(url=site.url))
    assert site.crowd == 3


class Crowded:
    """Answers at most so many requests at a time, and refuses others."""

    def __init__(self, capacity: int, delay: float = 0.1) -> None:
        self.capacity = capacity
        self.delay = delay
        self.refusal_count = 0
        #: Requests at a time when each came, since the last refusal.
        self.crowds: list[int] = []
        self._inside = 0
        self._lock = threading.Lock()

    def __call__(self, _: Any) -> Turn:
        with self._lock:
            self._inside += 1
            self.crowds.append(self._inside)
            is_refused = self._inside > self.capacity
            if is_refused:
                self.refusal_count += 1
                self.crowds.clear()
        time.sleep(self.delay)
        with self._lock:
            self._inside -= 1
        return {"status": 429 if is_refused else 404}


def test_a_host_with_less_room_than_we_try_still_answers_everything(open_run: Callable[..., Any], site: Site) -> None:
    crowded = Crowded(20)
    asked = serve(site, 300, delay=0.0)
    for package in asked:
        site.on(f"/{package.name}", crowded)
    facts = open_run(settings=HttpSettings(backoff=0.001, attempts=2)).fetch(DEMOS, asked, Endpoint(url=site.url))
    assert crowded.refusal_count > 0
    assert {type(fact) for fact in facts.values()} == {Absent}


def test_refused_requests_are_sent_again_no_more_at_a_time_than_allowed(
    open_run: Callable[..., Any], site: Site
) -> None:
    crowded = Crowded(64)
    asked = serve(site, INITIAL_CONCURRENCY, delay=0.0)
    refusal: Turn = {"status": 429, "headers": {"Retry-After": "0"}, "delay": 0.1}
    for package in asked:
        site.on(f"/{package.name}", refusal, crowded)
    facts = open_run(settings=HttpSettings(backoff=0.001)).fetch(DEMOS, asked, Endpoint(url=site.url))
    assert {type(fact) for fact in facts.values()} == {Absent}
    assert max(crowded.crowds) <= INITIAL_CONCURRENCY // 2 + 1


# --- threads ---------------------------------------------------------------------------------------------------------


def test_a_thread_waits_for_the_next_job_and_takes_it() -> None:
    threads: list[int] = []
    done = threading.Semaphore(0)

    def run(_: int) -> None:
        threads.append(threading.get_ident())
        done.release()

    workers: HostWorkers[int] = HostWorkers(64, run)
    for job in range(10):
        workers.add_jobs("host", [job])
        assert done.acquire(timeout=30)
        time.sleep(0.02)
    assert len(set(threads)) == 1


def test_threads_end_when_no_job_comes() -> None:
    before = threading.active_count()
    workers: HostWorkers[int] = HostWorkers(64, lambda _: None)
    workers.add_jobs("host", range(40))
    until = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.05)
    assert threading.active_count() <= before


def test_idle_threads_do_not_delay_the_end() -> None:
    idle = threading.Event()
    workers: HostWorkers[int] = HostWorkers(64, lambda _: None)
    workers.add_jobs("host", range(4))
    time.sleep(0.1)
    workers.call_when_idle(idle.set)
    assert idle.wait(30)


@pytest.mark.parametrize("way", ["room", "deadline", "abandoned", "end"])
def test_a_paused_job_goes_on_with_room_at_its_deadline_and_when_it_is_given_up(way: str) -> None:
    begun = threading.Semaphore(0)
    reduced, released, went_on = threading.Event(), threading.Event(), threading.Event()

    def run(job: str) -> None:
        begun.release()
        if job == "busy":
            released.wait(60)
            return
        with workers.pause("host", job, time.monotonic() + (0.5 if way == "deadline" else 60)):
            reduced.wait(60)
        went_on.set()

    workers: HostWorkers[str] = HostWorkers(2, run)
    workers.add_jobs("host", ["busy", "paused"])
    for _ in range(2):
        assert begun.acquire(timeout=30)
    workers.record_answer("host", "page", time.monotonic(), 429)
    reduced.set()
    if way != "deadline":
        assert not went_on.wait(0.2)
    if way == "room":
        released.set()
    elif way == "abandoned":
        workers.abandon_jobs(lambda job: job == "paused")
    elif way == "end":
        workers.call_when_idle(lambda: None)
    assert went_on.wait(30)
    released.set()


def test_every_job_is_run_while_the_limit_changes() -> None:
    done: list[int] = []
    complete = threading.Event()
    lock = threading.Lock()

    def run(job: int) -> None:
        status = 429 if job % 7 == 0 else 200
        workers.record_answer("host", "page", time.monotonic(), status)
        with lock:
            done.append(job)
            if len(done) == 2_000:
                complete.set()

    workers: HostWorkers[int] = HostWorkers(64, run)
    for start in range(0, 2_000, 50):
        workers.add_jobs("host", range(start, start + 50))
        if start % 400 == 0:
            time.sleep(0.01)
    assert complete.wait(60)
    assert sorted(done) == list(range(2_000))
