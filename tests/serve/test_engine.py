"""Worker threads, batches, and what is kept in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, cast

import pytest

from nerq_cli.application.session import Session
from nerq_cli.serve import engine as engine_module
from nerq_cli.serve.answers import Answer, AnswerCache, AnswerSummary, pack_answer, unpack_answer
from nerq_cli.serve.assess import Lifetimes
from nerq_cli.serve.documents import Documents, Made
from nerq_cli.serve.engine import Batches, Engine
from nerq_cli.serve.lookup import Lookup
from nerq_cli.serve.problems import RequestError
from nerq_cli.units import DAY


class StandInSession:
    """Counts how often it is closed, and has the thread that opened it."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.closed = 0

    def close(self) -> None:
        assert threading.get_ident() == self.thread
        self.closed += 1


def build_answer(key: str, *, size: int = 0, expires_at: int = 100, complete: bool = True) -> Answer:
    return Answer(
        key=key,
        status=200,
        head=b"x" * size,
        verdicts=(b"1", b"2", b"3", b"4"),
        tail=b"}",
        digest=key,
        as_of=0,
        expires_at=expires_at,
        complete=complete,
        summary=AnswerSummary(label=key, ecosystem="pypi", purl=key, score=1.0, grade="F", provisional=False),
    )


def fail(lookup: Lookup, error: BaseException) -> Answer:
    return build_answer(f"{lookup.key} failed by {type(error).__name__}")


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what other threads do, some seconds at most."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen")


class Harness:
    """An engine over stand-in sessions, with batches whose two steps a test defines."""

    def __init__(self, workers: int = 1) -> None:
        self.sessions: list[StandInSession] = []
        self.engine = Engine(self._open, workers=workers)
        self.reads: list[list[str]] = []
        self.runs: list[list[str]] = []
        self.stored: dict[str, Answer] = {}
        self.kept: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: BaseException | None = None
        self.read_error: BaseException | None = None
        self.batches = Batches(self.engine, self._read, self._assess, lambda answer: self.kept.append(answer.key), fail)

    def _open(self) -> Session:
        self.sessions.append(StandInSession())
        return cast("Session", self.sessions[-1])

    def _read(self, lookups: Sequence[Lookup], _session: Session) -> Mapping[str, Answer]:
        self.reads.append([lookup.key for lookup in lookups])
        if self.read_error is not None:
            raise self.read_error
        return {lookup.key: self.stored[lookup.key] for lookup in lookups if lookup.key in self.stored}

    def _assess(self, lookups: Sequence[Lookup], _session: Session) -> Mapping[str, Answer]:
        self.runs.append([lookup.key for lookup in lookups])
        self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return {lookup.key: build_answer(lookup.key) for lookup in lookups}

    def run(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            self.engine.start()
            try:
                return await work()
            finally:
                self.gate.set()
                await self.engine.close()

        return asyncio.run(main())

    async def find(self, *keys: str) -> list[str]:
        found = await self.batches.find([Lookup(key, key, ()) for key in keys])
        return [found[key].key for key in keys]


def test_what_waits_while_a_worker_is_busy_is_one_batch() -> None:
    harness = Harness()

    async def work() -> None:
        harness.gate.clear()
        first = asyncio.create_task(harness.find("a"))
        await wait_until(lambda: bool(harness.runs))
        others = [asyncio.create_task(harness.find(key)) for key in ("b", "c", "d", "b")]
        await wait_until(lambda: sum(map(len, harness.reads)) == 4)
        harness.gate.set()
        assert await asyncio.gather(first, *others) == [["a"], ["b"], ["c"], ["d"], ["b"]]

    harness.run(work)
    assert harness.runs == [["a"], ["b", "c", "d"]]
    assert harness.batches.count == 0


def test_what_the_store_has_never_waits_for_a_run() -> None:
    harness = Harness()
    harness.stored["stored"] = build_answer("stored")

    async def work() -> None:
        harness.gate.clear()
        slow = asyncio.create_task(harness.find("slow"))
        await wait_until(lambda: bool(harness.runs))
        assert await harness.find("stored") == ["stored"]
        assert not slow.done()
        harness.gate.set()
        await slow

    harness.run(work)
    assert harness.runs == [["slow"]]


def test_a_batch_has_no_more_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MAX_BATCH", 4)
    harness = Harness()
    keys = [f"key-{number}" for number in range(10)]
    assert harness.run(lambda: harness.find(*keys)) == keys
    assert [len(batch) for batch in harness.reads] == [4, 4, 2]
    assert [key for run in harness.runs for key in run] == keys
    assert max(map(len, harness.runs)) <= 4


def test_a_run_goes_on_when_the_first_client_leaves() -> None:
    harness = Harness()

    async def work() -> None:
        harness.gate.clear()
        first = asyncio.create_task(harness.find("a"))
        await wait_until(lambda: bool(harness.runs))
        second = asyncio.create_task(harness.find("a"))
        first.cancel()
        await asyncio.sleep(0.01)
        harness.gate.set()
        assert await second == ["a"]
        assert first.cancelled()

    harness.run(work)
    assert harness.runs == [["a"]]
    assert harness.kept == ["a"]


def test_an_error_of_the_store_leaves_the_run() -> None:
    harness = Harness()
    harness.read_error = OSError("disk")
    assert harness.run(lambda: harness.find("a")) == ["a"]


def test_an_error_of_a_run_is_the_answer_to_all_its_lookups_and_the_next_run_works() -> None:
    harness = Harness()

    async def work() -> None:
        harness.error = ValueError("broken")
        assert await harness.find("a", "b") == ["a failed by ValueError", "b failed by ValueError"]
        harness.error = None
        assert await harness.find("a") == ["a"]

    harness.run(work)
    assert harness.kept == ["a"]


def test_too_many_waiting_lookups_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_MAX_WAITING", 3)
    harness = Harness()

    async def work() -> None:
        harness.gate.clear()
        first = asyncio.create_task(harness.find("a", "b"))
        await wait_until(lambda: bool(harness.runs))
        with pytest.raises(RequestError) as caught:
            await harness.find("c", "d")
        assert (caught.value.id, caught.value.status, caught.value.retry_after) == ("busy", 503, 5)
        harness.gate.set()
        await first
        assert await harness.find("c", "d") == ["c", "d"]

    harness.run(work)


def test_each_thread_has_a_session_of_its_own_and_closes_it() -> None:
    harness = Harness(workers=2)
    barrier = threading.Barrier(3)

    async def work() -> list[int]:
        def meet(_session: Session) -> int:
            barrier.wait(10)
            return threading.get_ident()

        lanes: list[engine_module.Lane] = ["slow", "slow", "quick"]
        return await asyncio.gather(*(harness.engine.run(meet, lane=lane) for lane in lanes))

    threads = harness.run(work)
    assert len(set(threads)) == 3
    assert sorted(session.thread for session in harness.sessions) == sorted(threads)
    assert [session.closed for session in harness.sessions] == [1, 1, 1]
    assert not harness.engine.is_running


def test_an_old_session_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_SESSION_AGE", -1.0)
    harness = Harness()

    async def work() -> None:
        for _ in range(3):
            await harness.engine.run(lambda _session: None)

    harness.run(work)
    assert [session.closed for session in harness.sessions] == [1, 1, 1]


def test_a_session_that_cannot_be_opened_fails_the_request_and_not_the_thread() -> None:
    harness = Harness()
    failures = [OSError("no store")]

    def open_session() -> Session:
        if failures:
            raise failures.pop()
        return cast("Session", StandInSession())

    harness.engine = Engine(open_session, workers=1)

    async def work() -> int:
        with pytest.raises(OSError, match="no store"):
            await harness.engine.run(lambda _session: 1)
        return await harness.engine.run(lambda _session: 2)

    assert harness.run(work) == 2


# --- answers


def test_an_answer_is_read_as_it_was_stored() -> None:
    answer = build_answer("a", size=10)
    row = pack_answer(answer)
    assert unpack_answer(row, "a") == answer
    assert unpack_answer(row, "b") is None
    assert unpack_answer(row._replace(value=b"\xc1damaged"), "a") is None
    assert unpack_answer(row._replace(value=None), "a") is None
    assert (row.fetched_at, row.expires_at) == (0, 100)


def test_the_answers_that_were_not_used_for_longest_make_room() -> None:
    one = build_answer("one", size=1_000)
    cache = AnswerCache(3 * one.size + 10)
    for key in ("one", "two", "six"):
        cache.put(build_answer(key, size=1_000))
    assert cache.get("one", 0) is not None
    cache.put(build_answer("new", size=1_000))
    assert [cache.get(key, 0) is not None for key in ("one", "two", "six", "new")] == [True, False, True, True]
    assert len(cache) == 3
    assert cache.size == 3 * one.size
    cache.put(build_answer("big", size=100_000))
    assert len(cache) == 1
    assert cache.get("big", 0) is not None


def test_an_answer_that_has_expired_is_not_given() -> None:
    cache = AnswerCache(10_000)
    cache.put(build_answer("a", expires_at=100))
    assert cache.get("a", 99) is not None
    assert cache.get("a", 100) is None


def test_compressed_answers_count_and_go_with_their_answer() -> None:
    cache = AnswerCache(100_000)
    answer = build_answer("a", size=2_000)
    cache.put(answer)
    before = cache.size
    first = cache.compress(answer, "production")
    assert cache.compress(answer, "production") is first
    assert cache.size == before + len(first)
    cache.put(build_answer("a", size=2_000))
    assert cache.size == before
    assert cache.compress(answer, "production") == first  # an answer that is no longer kept


def test_the_answers_that_were_used_last_come_first() -> None:
    cache = AnswerCache(100_000)
    for key in ("a", "b", "c"):
        cache.put(build_answer(key))
    cache.get("a", 0)
    assert [answer.key for answer in cache.list_recent(2)] == ["a", "c"]


def test_each_purpose_has_its_verdict() -> None:
    answer = build_answer("a", size=1)
    assert [answer.get_body(purpose) for purpose in ("research", "sandbox", "production", "critical")] == [
        b"x1}",
        b"x2}",
        b"x3}",
        b"x4}",
    ]


@pytest.mark.parametrize(
    ("now", "is_whole", "end"),
    [(0, True, 3_600), (0, False, 30), (DAY - 100, True, DAY), (DAY - 10, False, DAY), (DAY, True, DAY + 3_600)],
)
def test_a_life_ends_with_the_day(now: int, is_whole: bool, end: int) -> None:  # noqa: FBT001 - one of the cases
    assert Lifetimes().find_end(now, is_whole=is_whole) == end


# --- documents


def test_equal_documents_are_made_once_and_the_oldest_make_room() -> None:
    harness = Harness(workers=2)
    documents = Documents(harness.engine, Lifetimes(), 12_000)
    made: list[str] = []

    def make(key: str) -> Callable[[Session], Made]:
        def work(_session: Session) -> Made:
            made.append(key)
            return Made(key.encode() * 100, complete=True)

        return work

    async def work() -> None:
        same = await asyncio.gather(*(documents.find("a", make("a")) for _ in range(5)))
        assert len({id(document) for document in same}) == 1
        for key in ("b", "c", "a"):
            await documents.find(key, make(key))

    harness.run(work)
    assert made == ["a", "b", "c", "a"]


def test_a_document_that_fails_is_made_again() -> None:
    harness = Harness()
    documents = Documents(harness.engine, Lifetimes(), 10_000)
    results: list[Any] = [ValueError("broken"), Made(b"{}", complete=True)]

    def make(_session: Session) -> Made:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return cast("Made", result)

    async def work() -> bytes:
        with pytest.raises(ValueError, match="broken"):
            await documents.find("a", make)
        return (await documents.find("a", make)).content

    assert harness.run(work) == b"{}"
