from __future__ import annotations

import threading
import time

import pytest

from nerq_cli.store.breaker import Breaker


def wait_until_used(breaker: Breaker) -> None:
    deadline = time.monotonic() + 10
    while breaker.problem:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nerq_cli.store.breaker._FIRST_DELAY", 0.02)


def test_a_server_is_tried_until_it_responds_by_one_thread() -> None:
    results = iter(["it hangs", "it refuses", ""])
    seen: list[str] = []
    closed = threading.Event()
    breaker = Breaker(lambda: seen.append(threading.current_thread().name) or next(results), closed.set)  # type: ignore[func-returns-value]
    assert breaker.problem == ""
    for _ in range(5):
        breaker.open("it does not respond")
    assert breaker.problem == "it does not respond"
    assert closed.wait(10)
    assert breaker.problem == ""
    assert seen == ["nerq-store-probe"] * 3


def test_the_problem_is_the_one_of_the_last_attempt() -> None:
    tried, go_on = threading.Event(), threading.Event()

    def probe() -> str:
        if tried.is_set():
            go_on.wait(10)
            return ""
        tried.set()
        return "it refuses"

    breaker = Breaker(probe)
    breaker.open("it does not respond")
    deadline = time.monotonic() + 10
    while breaker.problem != "it refuses":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    go_on.set()
    wait_until_used(breaker)


def test_a_server_that_hangs_again_and_again_is_left_alone_for_longer_each_time() -> None:
    breaker = Breaker(lambda: "")
    seconds = []
    for _ in range(4):
        started = time.monotonic()
        breaker.open("it does not respond")
        wait_until_used(breaker)
        seconds.append(time.monotonic() - started)
    assert seconds[3] > 0.15  # 0.02, 0.04, 0.08, 0.16


def test_after_the_end_a_server_is_not_tried() -> None:
    tried: list[int] = []
    breaker = Breaker(lambda: tried.append(1) or "")  # type: ignore[func-returns-value]
    breaker.open("it does not respond")
    breaker.end()
    breaker.open("it does not respond")
    time.sleep(0.1)
    assert tried == []
    assert breaker.problem == "it does not respond"
