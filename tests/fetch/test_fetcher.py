from __future__ import annotations

import gzip
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from nerq_cli.ecosystems import PYPI
from nerq_cli.errors import ConfigError
from nerq_cli.facts import Absent, Fact, Found, Unknown
from nerq_cli.fetch.fetcher import Fetcher, FetchRun, HttpSettings, SourceSummary
from nerq_cli.fetch.host_workers import HostWorkers
from nerq_cli.fetch.run import _hide_hosts
from nerq_cli.fetch.source import Endpoint, Request, Response
from nerq_cli.fetch.validator import pack_validator
from nerq_cli.inventory import Package
from nerq_cli.store import MemoryCache, Row, Store
from tests.fetch.conftest import DEMOS, NOW, Demo, Demos

if TYPE_CHECKING:
    from tests.conftest import Site, Turn

DAY = 86_400
QUICK = HttpSettings(timeout=2.0, backoff=0.001, seed=1)


def package(name: str) -> Package:
    return Package(ecosystem=PYPI, name=name)


def packages(count: int) -> list[Package]:
    return [package(f"p{n}") for n in range(count)]


A, B = package("a"), package("b")


@pytest.fixture
def memory() -> MemoryCache:
    return MemoryCache()


@pytest.fixture
def gatherer(memory: MemoryCache) -> Iterator[Callable[..., FetchRun]]:
    opened: list[Fetcher] = []

    def open_gatherer(
        store: Any = None, settings: HttpSettings = QUICK, transport: httpx.BaseTransport | None = None, **options: Any
    ) -> FetchRun:
        opened.append(Fetcher(memory if store is None else store, settings=settings, transport=transport))
        return opened[-1].open_run(**{"now": NOW, "deadline_seconds": 10.0} | options)

    yield open_gatherer
    for one in opened:
        one.close()


@contextmanager
def opened_run(store: MemoryCache, *, settings: HttpSettings | None = None, **options: Any) -> Iterator[FetchRun]:
    with closing(Fetcher(store, settings=settings)) as fetcher:
        yield fetcher.open_run(**options)


@pytest.fixture
def ask(gatherer: Callable[..., FetchRun], site: Site) -> Callable[..., Any]:
    """Ask the site about one package in a run of its own."""

    def ask_about(subject: Package = A, source: Demos = DEMOS, **options: Any) -> Fact[Demo]:
        return gatherer(**options).fetch(source, [subject], Endpoint(url=site.url))[subject]

    return ask_about


def held(memory: MemoryCache, site: Site) -> Row | None:
    return memory.get_many("demo", site.url, [A.key]).get(A.key)


def hold(
    memory: MemoryCache, site: Site, value: bytes | None = b'{"name":"old"}', *, age: int = 0, etag: str = '"1"'
) -> None:
    """Put an answer by that expired ``age`` seconds ago."""
    row = Row(value, NOW - age - DEMOS.max_age, NOW - age, pack_validator(etag))
    memory.put_many("demo", site.url, {A.key: row})


def only(reports: tuple[SourceSummary, ...]) -> SourceSummary:
    [report] = reports
    return report


# Found, absent, unknown


def test_an_answer_is_a_found_fact_with_its_source_and_date(ask: Callable[..., Any], site: Site) -> None:
    site.on("/a", {"body": {"name": "a", "size": 7}})
    assert ask() == Found(Demo("a", 7), "Demo", NOW)


def test_no_such_thing_is_an_absence(ask: Callable[..., Any]) -> None:
    assert ask() == Absent("Demo", NOW)


def test_a_question_says_who_asks_and_what_it_takes(ask: Callable[..., Any], site: Site) -> None:
    ask(settings=HttpSettings(user_agent="nerq-cli/9"))
    [request] = site.requests
    assert (request.headers["user-agent"], request.headers["accept"]) == ("nerq-cli/9", "application/json")
    assert request.headers["accept-encoding"] == "gzip"
    assert "if-none-match" not in request.headers


def test_several_sources_are_asked_at_once_and_answered_in_order(
    gatherer: Callable[..., FetchRun], site: Site, other_site: Site
) -> None:
    site.on("/a", {"body": {"name": "here"}})
    other_site.on("/a", {"body": {"name": "there"}})
    two = Demos(name="two", label="Two")
    plan = [
        (DEMOS, [A], Endpoint(url=site.url)),
        (two, [B, A, B], Endpoint(url=other_site.url)),
        (two, [], Endpoint(url="x")),
    ]
    one, other, nothing = gatherer().fetch_all(plan)
    assert one == {A: Found(Demo("here"), "Demo", NOW)}
    assert list(other.items()) == [(B, Absent("Two", NOW)), (A, Found(Demo("there"), "Two", NOW))]
    assert nothing == {}


class Batch(Demos):
    """Asks about all packages in one question."""

    def requests(self, about: Sequence[Package], at: Endpoint) -> Iterable[Request[Package]]:
        about = [one for one in about if one.name != "never-asked"]
        yield Request(url=f"{at.url}/batch", method="POST", body=b"[]", subjects=tuple(about), endpoint=at)

    def parse(self, _: Request[Package], answer: Response) -> Iterable[tuple[Package, Demo | None]]:
        names = msgspec.json.decode(answer.body, type=dict[str, str | None])
        pairs = [(package(name), None if value is None else Demo(value)) for name, value in names.items()]
        return [*pairs, (A, Demo("a second time"))]


def test_one_question_may_be_about_many_subjects(
    gatherer: Callable[..., FetchRun], site: Site, memory: MemoryCache
) -> None:
    site.on("/batch", {"body": {"a": "A", "b": None, "stranger": "S"}, "headers": {"ETag": '"all"'}})
    about = [A, B, package("left-out"), package("never-asked")]
    run = gatherer()
    facts = run.fetch(Batch(), about, Endpoint(url=site.url))
    assert list(facts.values()) == [
        Found(Demo("A"), "Demo", NOW),
        Absent("Demo", NOW),
        Unknown("missing in the response", "Demo"),
        Unknown("not requested", "Demo"),
    ]
    [request] = site.requests
    assert (request.method, request.body, request.headers["content-type"]) == ("POST", b"[]", "application/json")
    kept = memory.get_many("demo", site.url, [A.key, B.key, "pypi/stranger"])
    assert {key: row.validator for key, row in kept.items()} == {A.key: "", B.key: ""}
    assert (only(run.summarise_sources()).requested, only(run.summarise_sources()).received) == (4, 2)


# The store answers first


def test_a_fresh_answer_is_not_asked_for_again(ask: Callable[..., Any], site: Site) -> None:
    site.on("/a", {"body": {"name": "a"}})
    ask()
    assert ask(now=NOW + DEMOS.max_age - 1) == Found(Demo("a"), "Demo", NOW)
    assert len(site.requests) == 1


def test_an_absence_stays_fresh_for_its_own_time(ask: Callable[..., Any], site: Site) -> None:
    ask()
    assert ask(now=NOW + 59) == Absent("Demo", NOW)
    assert len(site.requests) == 1
    assert ask(now=NOW + 60) == Absent("Demo", NOW + 60)
    assert len(site.requests) == 2


def test_credentials_do_not_share_answers(gatherer: Callable[..., FetchRun], site: Site) -> None:
    site.on("/a", {"body": {"name": "a"}}, {"status": 404})
    gatherer().fetch(DEMOS, [A], Endpoint(url=site.url))
    assert gatherer().fetch(DEMOS, [A], Endpoint(url=site.url, identity="me")) == {A: Absent("Demo", NOW)}


def test_an_expired_answer_is_asked_for_with_its_validator_and_renewed(
    ask: Callable[..., Any], memory: MemoryCache, site: Site
) -> None:
    hold(memory, site)
    site.on("/a", {"status": 304})
    assert ask() == Found(Demo("old"), "Demo", NOW)
    assert site.requests[0].headers["if-none-match"] == '"1"'
    assert held(memory, site) == Row(b'{"name":"old"}', NOW, NOW + DEMOS.max_age, pack_validator('"1"'))


def test_an_absence_that_still_stands_is_renewed_for_its_own_time(
    ask: Callable[..., Any], memory: MemoryCache, site: Site
) -> None:
    hold(memory, site, None)
    site.on("/a", {"status": 304})
    assert ask() == Absent("Demo", NOW)
    assert held(memory, site) == Row(None, NOW, NOW + DEMOS.absent_max_age, pack_validator('"1"'))


def test_an_answer_that_changed_takes_the_place_of_the_old_one(
    ask: Callable[..., Any], memory: MemoryCache, site: Site
) -> None:
    hold(memory, site)
    site.on("/a", {"body": {"name": "new"}, "headers": {"ETag": '"2"'}})
    assert ask() == Found(Demo("new"), "Demo", NOW)
    row = held(memory, site)
    assert row is not None
    assert (msgspec.json.decode(row.value or b""), row.validator) == ({"name": "new", "size": 0}, pack_validator('"2"'))


def test_an_answer_that_another_version_has_read_is_read_again(
    ask: Callable[..., Any], memory: MemoryCache, site: Site
) -> None:
    hold(memory, site)
    row = held(memory, site)
    assert row is not None
    memory.put_many("demo", site.url, {A.key: row._replace(validator='0.0.9 "1"')})
    site.on("/a", lambda request: {"status": 304} if "if-none-match" in request.headers else {"body": {"name": "new"}})
    assert ask() == Found(Demo("new"), "Demo", NOW)


@pytest.mark.parametrize("etag", ["", "line\nbreak", "ünicode"])
def test_a_validator_that_cannot_be_sent_is_not(
    ask: Callable[..., Any], memory: MemoryCache, site: Site, etag: str
) -> None:
    hold(memory, site, etag=etag)
    ask()
    assert "if-none-match" not in site.requests[0].headers


def test_not_modified_without_being_asked_is_no_answer(ask: Callable[..., Any], site: Site) -> None:
    site.on("/a", {"status": 304})
    assert ask() == Unknown(f"{site.host}: HTTP 304 without a conditional request", "Demo")


@pytest.mark.parametrize("junk", [b"", b"junk", b'{"name":1}', b'{"name":"\xff"}', b"[" * 100_000])
def test_junk_in_the_store_is_as_good_as_nothing(
    ask: Callable[..., Any], memory: MemoryCache, site: Site, junk: bytes
) -> None:
    hold(memory, site, junk, age=-60)
    site.on("/a", {"body": {"name": "new"}})
    assert ask() == Found(Demo("new"), "Demo", NOW)
    assert "if-none-match" not in site.requests[0].headers


def test_an_answer_from_the_future_is_asked_for_again(ask: Callable[..., Any], memory: MemoryCache, site: Site) -> None:
    memory.put_many("demo", site.url, {A.key: Row(b'{"name":"old"}', NOW + 2 * DAY, NOW + 3 * DAY)})
    assert ask() == Absent("Demo", NOW)


def test_offline_takes_what_there_is_however_old_and_asks_nobody(
    gatherer: Callable[..., FetchRun], memory: MemoryCache, site: Site
) -> None:
    hold(memory, site, age=1_000 * DAY)
    run = gatherer(offline=True)
    facts = run.fetch(DEMOS, [A, B], Endpoint(url=site.url))
    seen = NOW - 1_000 * DAY - DEMOS.max_age
    assert facts == {A: Found(Demo("old"), "Demo", seen), B: Unknown("offline: not in the cache", "Demo")}
    assert site.requests == []
    report = only(run.summarise_sources())
    assert (report.state, report.received, report.from_cache, report.oldest) == ("partial", 1, 1, seen)


def test_refreshing_asks_about_fresh_answers_too_but_once_in_a_run(
    gatherer: Callable[..., FetchRun], memory: MemoryCache, site: Site
) -> None:
    hold(memory, site, age=-60)
    site.on("/a", {"status": 304})
    run = gatherer(refresh=True)
    for _ in range(2):
        assert run.fetch(DEMOS, [A], Endpoint(url=site.url)) == {A: Found(Demo("old"), "Demo", NOW)}
    assert [request.headers.get("if-none-match") for request in site.requests] == ['"1"']


def test_an_answer_of_the_same_run_is_not_from_the_cache(
    gatherer: Callable[..., FetchRun], memory: MemoryCache, site: Site
) -> None:
    site.on("/a", {"body": {"name": "new"}})
    for expected in (0, 2):
        run = gatherer()
        for _ in range(2):
            run.fetch(DEMOS, [A], Endpoint(url=site.url))
        report = only(run.summarise_sources())
        assert (report.received, report.from_cache) == (2, expected)
    assert len(site.requests) == 1


def test_an_answer_expired_within_a_week_does_when_no_new_one_comes(
    gatherer: Callable[..., FetchRun], memory: MemoryCache, site: Site
) -> None:
    hold(memory, site, age=7 * DAY - 1)
    site.on("/a", {"status": 500})
    run = gatherer()
    seen = NOW - 7 * DAY + 1 - DEMOS.max_age
    assert run.fetch(DEMOS, [A], Endpoint(url=site.url)) == {A: Found(Demo("old"), "Demo", seen)}
    report = only(run.summarise_sources())
    assert (report.state, report.received, report.from_cache) == ("partial", 1, 1)
    assert report.reason == f"{site.host}: HTTP 500 after 3 attempts"


def test_an_answer_expired_for_longer_does_not(ask: Callable[..., Any], memory: MemoryCache, site: Site) -> None:
    hold(memory, site, age=7 * DAY)
    site.on("/a", {"status": 500})
    assert isinstance(ask(), Unknown)


def test_a_broken_store_changes_no_answer(ask: Callable[..., Any], site: Site, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    site.on("/a", {"body": {"name": "a"}})
    with closing(Store.open(tmp_path / "taken" / "cache", now=NOW)) as store:
        assert ask(store=store) == Found(Demo("a"), "Demo", NOW)
        assert "new answers are not kept" in store.problem


# Bad days


def gzipped(content: bytes) -> Turn:
    return {"body": gzip.compress(content), "headers": {"Content-Encoding": "gzip"}}


BAD_DAYS: dict[str, tuple[Turn, str, int]] = {
    "bad request": ({"status": 400}, "HTTP 400", 1),
    "no content type": ({"status": 406}, "HTTP 406", 1),
    "too many": ({"status": 429}, "HTTP 429 after 3 attempts", 3),
    "error": ({"status": 500}, "HTTP 500 after 3 attempts", 3),
    "not implemented": ({"status": 501}, "HTTP 501", 1),
    "bad gateway": ({"status": 502}, "HTTP 502 after 3 attempts", 3),
    "unavailable": ({"status": 503}, "HTTP 503 after 3 attempts", 3),
    "gateway timeout": ({"status": 504}, "HTTP 504 after 3 attempts", 3),
    "long error page": ({"status": 500, "body": b"x" * 100_000}, "HTTP 500 after 3 attempts", 3),
    "wait too long": ({"status": 429, "headers": {"Retry-After": "31"}}, "HTTP 429, Retry-After 31 s", 1),
    "wait past the deadline": ({"status": 503, "headers": {"Retry-After": "12"}}, "HTTP 503, Retry-After 12 s", 1),
    "wait for ever": ({"status": 503, "headers": {"Retry-After": "9" * 30}}, "HTTP 503, Retry-After 999999999 s", 1),
    "method not allowed": ({"status": 405}, "this server has no demos", 1),
    "web page": ({"body": b"<html>Please log in</html>"}, "not JSON", 1),
    "nothing": ({"body": b""}, "not JSON", 1),
    "truncated JSON": ({"body": b'{"name":"a'}, "not JSON", 1),
    "wrong shape": ({"body": [{"name": "a"}]}, "not JSON", 1),
    "garbage": ({"raw": b"\x00\xff garbage\r\n\r\n" * 10}, "the response is not HTTP", 1),
    "closed at once": ({"raw": b""}, "the connection was closed early after 3 attempts", 3),
    "closed in the head": ({"raw": b"HTTP/1.1 200 OK\r\nConte"}, "the connection was closed early after 3 attempts", 3),
    "closed in the body": ({"body": {"name": "a"}, "cut": 5}, "the connection was closed early after 3 attempts", 3),
    "announced 200 MB": ({"headers": {"Content-Length": "200000000"}, "cut": 1}, "response larger than 0.1 MB", 1),
    "sent 20 MB": ({"body": b"x" * 20_000_000, "chunked": True}, "response larger than 0.1 MB", 1),
    "bomb": (gzipped(bytes(20_000_000)), "response larger than 0.1 MB", 1),
    "no gzip": (
        {"body": b"plain", "headers": {"Content-Encoding": "gzip"}},
        "the response is not valid gzip",
        1,
    ),
    "half gzip": (
        {"body": gzip.compress(b'{"name":"a"}')[:-9], "headers": {"Content-Encoding": "gzip"}},
        "the response was cut short after 3 attempts",
        3,
    ),
    "other packing": (
        {"body": b"x", "headers": {"Content-Encoding": "br"}},
        "the content encoding was not requested",
        1,
    ),
    "circle": ({"status": 302, "headers": {"Location": "/a"}}, "too many redirects", 6),
    "redirect to a stranger": (
        {"status": 301, "headers": {"Location": "http://other.example/a"}},
        "redirects to other.example, which is not followed",
        1,
    ),
    "redirect to another scheme": (
        {"status": 301, "headers": {"Location": "file:///etc/passwd"}},
        "redirects to nowhere, which is not followed",
        1,
    ),
    "redirect to nonsense": (
        {"status": 308, "headers": {"Location": "http://[::"}},
        "the response is not HTTP",
        1,
    ),
    "redirect without a target": ({"status": 301}, "HTTP 301", 1),
}


@pytest.mark.parametrize("day", BAD_DAYS)
def test_a_bad_day_makes_unknown_and_says_why(
    ask: Callable[..., Any], site: Site, memory: MemoryCache, day: str
) -> None:
    turn, reason, requests = BAD_DAYS[day]
    site.on("/a", turn)
    assert ask() == Unknown(f"{site.host}: {reason}", "Demo")
    assert len(site.requests) == requests
    assert held(memory, site) is None


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_points_at_the_credentials(ask: Callable[..., Any], site: Site, status: int) -> None:
    site.on("/a", {"status": status})
    reason = f"{site.host}: refused access ({status}); check the credentials for {site.host}"
    assert ask() == Unknown(reason, "Demo")


@pytest.mark.parametrize(
    "turn",
    [
        gzipped(b'{"name":"a"}'),
        {"body": zlib.compress(b'{"name":"a"}'), "headers": {"Content-Encoding": "deflate"}},
        {"body": b'{"name":"a"}', "headers": {"Content-Encoding": "identity"}},
        {"body": b'{"name":"a"}', "chunked": True},
        {"raw": b'HTTP/1.0 200 OK\r\n\r\n{"name":"a"}'},
    ],
)
def test_a_body_may_be_packed_or_in_pieces(ask: Callable[..., Any], site: Site, turn: Turn) -> None:
    site.on("/a", turn)
    assert ask() == Found(Demo("a"), "Demo", NOW)


@pytest.mark.parametrize("turn", [gzipped(b'{"name":"a"}' + b" " * 988), {"body": b'{"name":"a"}' + b" " * 988}])
@pytest.mark.parametrize(("limit", "kind"), [(1000, Found), (999, Unknown)])
def test_a_body_is_read_up_to_the_limit(
    ask: Callable[..., Any], site: Site, turn: Turn, limit: int, kind: type[object]
) -> None:
    site.on("/a", turn)
    assert type(ask(source=Demos(limit=limit))) is kind


def test_a_refused_connection_is_tried_three_times(gatherer: Callable[..., FetchRun]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        run = gatherer(settings=HttpSettings(concurrency=1, backoff=0.001))
        facts = run.fetch(DEMOS, packages(10), Endpoint(url=f"http://{host}"))
    refused = f"{host}: connection refused after 3 attempts"
    reasons = [fact.reason for fact in facts.values() if isinstance(fact, Unknown)]
    assert reasons == [refused] * 3 + [f"stopped after 3 failures: {refused}"] * 7
    assert only(run.summarise_sources()).requests == 9
    assert only(run.summarise_sources()).state == "unavailable"


def test_a_name_that_does_not_resolve_is_named(
    gatherer: Callable[..., FetchRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    facts = gatherer().fetch(DEMOS, [A], Endpoint(url="https://pypi.example/simple"))
    assert facts == {A: Unknown("pypi.example: name does not resolve after 3 attempts", "Demo")}


def test_an_unreachable_network_is_named(gatherer: Callable[..., FetchRun], monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    facts = gatherer().fetch(DEMOS, [A], Endpoint(url="http://pypi.example"))
    assert facts == {A: Unknown("pypi.example: network is unreachable after 3 attempts", "Demo")}


def test_a_connection_that_fails_without_a_cause_is_named(gatherer: Callable[..., FetchRun]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("", request=request)

    facts = gatherer(transport=httpx.MockTransport(fail)).fetch(DEMOS, [A], Endpoint(url="http://pypi.example"))
    assert facts == {A: Unknown("pypi.example: cannot connect after 3 attempts", "Demo")}


def test_a_connection_that_breaks_off_is_named(gatherer: Callable[..., FetchRun]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("", request=request)

    facts = gatherer(transport=httpx.MockTransport(fail)).fetch(DEMOS, [A], Endpoint(url="http://pypi.example"))
    assert facts == {A: Unknown("pypi.example: the connection broke off after 3 attempts", "Demo")}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://[::", "the URL cannot be parsed"),
        ("ftp://pypi.example", "pypi.example: the request cannot be sent"),
        ("http://" + "a" * 64 + ".example", "a" * 64 + ".example: the request cannot be sent"),
    ],
)
def test_an_address_nobody_can_ask_is_named(gatherer: Callable[..., FetchRun], url: str, reason: str) -> None:
    assert gatherer().fetch(DEMOS, [A], Endpoint(url=url)) == {A: Unknown(reason, "Demo")}


def test_a_source_that_stumbles_over_an_answer_loses_only_that(ask: Callable[..., Any], site: Site) -> None:
    class Stumbles(Demos):
        def parse(self, *_: object) -> Iterable[tuple[Package, Demo | None]]:
            raise ZeroDivisionError

    assert ask(source=Stumbles()) == Unknown(f"{site.host}: the response cannot be parsed", "Demo")


def test_no_credentials_are_ever_told(gatherer: Callable[..., FetchRun], site: Site) -> None:
    site.on("/a", {"status": 500})
    address = site.url.replace("http://", "http://user:secret@")
    at = Endpoint(url=address, headers={"Authorization": "Bearer secret"})
    run = gatherer()
    assert "secret" not in str(run.fetch(DEMOS, [A], at))
    assert "secret" not in str(run.summarise_sources())


# Tries and pauses


def test_a_service_that_recovers_is_believed(ask: Callable[..., Any], site: Site) -> None:
    site.on("/a", {"status": 503}, {"raw": b""}, {"body": {"name": "a"}})
    assert ask() == Found(Demo("a"), "Demo", NOW)
    assert len(site.requests) == 3


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which take no time."""
    taken: list[float] = []

    class Hasty(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if timeout is None:
                return super().wait()
            taken.append(timeout)
            return self.is_set()

    monkeypatch.setattr(threading, "Event", Hasty)
    return taken


@pytest.mark.parametrize("date", [False, True])
def test_the_wait_a_server_asks_for_is_kept(
    ask: Callable[..., Any], site: Site, pauses: list[float], *, date: bool
) -> None:
    asked = formatdate(1_000_000_003, usegmt=True) if date else "3"
    headers = {"Retry-After": asked, "Date": formatdate(1_000_000_000, usegmt=True)}
    site.on("/a", {"status": 429, "headers": headers}, {"body": {"name": "a"}})
    assert ask() == Found(Demo("a"), "Demo", NOW)
    assert pauses == [3.0]


@pytest.mark.parametrize("asked", ["soon", "-1", "1.5", "", "²", formatdate(0), "Mon, 99 Foo 2099 00:00:00 GMT"])
def test_a_wait_that_makes_no_sense_is_not_kept(
    ask: Callable[..., Any], site: Site, pauses: list[float], asked: str
) -> None:
    site.on("/a", {"status": 429, "headers": {"Retry-After": asked}}, {"body": {"name": "a"}})
    assert ask() == Found(Demo("a"), "Demo", NOW)
    assert 0 <= pauses[0] <= QUICK.backoff


def test_pauses_grow_to_a_limit_and_can_be_repeated(ask: Callable[..., Any], site: Site, pauses: list[float]) -> None:
    site.on("/a", {"status": 500})
    for _ in range(2):
        ask(settings=HttpSettings(attempts=40, seed=4), deadline_seconds=60)
    assert pauses[:39] == pauses[39:]
    assert all(pause <= min(0.5 * 2**n, 8) for n, pause in enumerate(pauses[:39]))
    assert 7 < max(pauses) <= 8


def test_five_failures_in_a_row_end_the_asking(gatherer: Callable[..., FetchRun], site: Site) -> None:
    for one in packages(30):
        site.on(f"/{one.name}", {"status": 503})
    run = gatherer(settings=HttpSettings(concurrency=1, backoff=0.001))
    facts = run.fetch(DEMOS, packages(20), Endpoint(url=site.url))
    last = facts[package("p19")]
    assert last == Unknown(f"stopped after 5 failures: {site.host}: HTTP 503 after 3 attempts", "Demo")
    assert len(site.requests) == 15
    assert run.fetch(DEMOS, [package("p29")], Endpoint(url=site.url)) == {package("p29"): last}
    assert len(site.requests) == only(run.summarise_sources()).requests == 15


def test_failures_with_answers_between_them_do_not(gatherer: Callable[..., FetchRun], site: Site) -> None:
    for one in packages(20)[::2]:
        site.on(f"/{one.name}", {"status": 500})
    facts = gatherer(settings=HttpSettings(concurrency=1, backoff=0.001)).fetch(
        DEMOS, packages(20), Endpoint(url=site.url)
    )
    assert [type(fact) for fact in facts.values()] == [Unknown, Absent] * 10
    assert len(site.requests) == 40


@pytest.mark.parametrize("turn", [{"status": 403}, {"body": b"junk"}, {"status": 400}])
def test_what_is_wrong_with_one_question_does_not_end_the_asking(
    gatherer: Callable[..., FetchRun], site: Site, turn: Turn
) -> None:
    for one in packages(10):
        site.on(f"/{one.name}", turn)
    gatherer(settings=HttpSettings(concurrency=1)).fetch(DEMOS, packages(10), Endpoint(url=site.url))
    assert len(site.requests) == 10


def test_another_source_on_the_same_host_is_still_asked(gatherer: Callable[..., FetchRun], site: Site) -> None:
    for one in packages(10):
        site.on(f"/{one.name}", {"status": 500})
    run = gatherer()
    run.fetch(DEMOS, packages(10), Endpoint(url=site.url))
    other = Demos(name="other", label="Other", folder="/other")
    assert run.fetch(other, [A], Endpoint(url=site.url)) == {A: Absent("Other", NOW)}


def test_a_try_that_waits_stops_when_the_service_is_given_up(gatherer: Callable[..., FetchRun], site: Site) -> None:
    for one in packages(16):
        site.on(f"/{one.name}", {"status": 500})
    site.on("/a", {"status": 503, "headers": {"Retry-After": "1"}})
    facts = gatherer().fetch(DEMOS, [A, *packages(16)], Endpoint(url=site.url))
    assert facts[A] == Unknown(f"stopped after 5 failures: {site.host}: HTTP 500 after 3 attempts", "Demo")


# Endpoints that are not there


def test_a_missing_endpoint_is_noticed_once(gatherer: Callable[..., FetchRun], site: Site) -> None:
    for one in packages(50):
        site.on(f"/{one.name}", {"status": 405})
    run = gatherer(settings=HttpSettings(concurrency=1))
    facts = run.fetch(DEMOS, packages(50), Endpoint(url=site.url))
    assert set(facts.values()) == {Unknown(f"{site.host}: this server has no demos", "Demo")}
    assert len(site.requests) == 1
    report = only(run.summarise_sources())
    assert (report.state, report.requested, report.received, report.requests) == ("not offered", 50, 0, 1)


def test_where_endpoints_are_often_missing_one_question_goes_ahead(
    gatherer: Callable[..., FetchRun], site: Site
) -> None:
    for one in packages(50):
        site.on(f"/{one.name}", {"status": 405, "delay": 0.05})
    facts = gatherer().fetch(Demos(probe=True), packages(50), Endpoint(url=site.url))
    assert set(facts.values()) == {Unknown(f"{site.host}: this server has no demos", "Demo")}
    assert len(site.requests) == 1


def test_the_others_follow_when_it_is_there(gatherer: Callable[..., FetchRun], site: Site) -> None:
    site.on("/p0", {"status": 404, "delay": 0.05})
    run = gatherer()
    at = Endpoint(url=site.url)
    one, other = run.fetch_all([(Demos(probe=True), packages(30), at), (Demos(probe=True), [A], at)])
    assert set((one | other).values()) == {Absent("Demo", NOW)}
    assert site.requests[0].path == "/p0"
    assert len(site.requests) == 31
    assert run.fetch(Demos(probe=True), [B], at) == {B: Absent("Demo", NOW)}


def test_a_source_that_can_do_without_one_endpoint_is_ok(gatherer: Callable[..., FetchRun], site: Site) -> None:
    site.on("/more/a", {"status": 405})
    run = gatherer()
    more = Demos(name="more", folder="/more")
    run.fetch_all([(DEMOS, [A], Endpoint(url=site.url)), (more, [A], Endpoint(url=site.url))])
    report = only(run.summarise_sources())
    assert (report.state, report.requested, report.received) == ("ok", 2, 1)
    assert report.reason == f"{site.host}: this server has no demos"


# The deadline


def test_one_request_that_hangs_costs_a_third_of_the_deadline(gatherer: Callable[..., FetchRun], site: Site) -> None:
    site.on("/p3", {"hang": True})
    start = time.monotonic()
    run = gatherer(deadline_seconds=4.5)
    facts = run.fetch(DEMOS, packages(20), Endpoint(url=site.url))
    assert 1.4 < time.monotonic() - start < 4
    assert facts.pop(package("p3")) == Unknown(f"{site.host}: no answer within 1.5 s", "Demo")
    assert set(facts.values()) == {Absent("Demo", NOW)}
    assert only(run.summarise_sources()).requests == 20


def test_what_has_arrived_when_the_time_is_up_still_counts(gatherer: Callable[..., FetchRun], site: Site) -> None:
    naps = iter([0.0, 0.6])
    run = gatherer(deadline_seconds=0.5, progress=lambda *_: time.sleep(next(naps, 0.0)))
    facts = run.fetch(DEMOS, packages(5), Endpoint(url=site.url))
    assert set(facts.values()) == {Absent("Demo", NOW)}


def test_what_was_not_even_begun_is_unknown_too(gatherer: Callable[..., FetchRun], site: Site) -> None:
    for one in packages(100):
        site.on(f"/{one.name}", {"hang": True})
    facts = gatherer(deadline_seconds=3.0).fetch(DEMOS, packages(100), Endpoint(url=site.url))
    assert {type(fact) for fact in facts.values()} == {Unknown}
    assert len(site.requests) < 60


def test_after_the_deadline_only_the_store_is_asked(
    gatherer: Callable[..., FetchRun], site: Site, memory: MemoryCache
) -> None:
    hold(memory, site, age=-60)
    run = gatherer(deadline_seconds=0.0)
    facts = run.fetch(DEMOS, [A, B], Endpoint(url=site.url))
    assert [type(fact) for fact in facts.values()] == [Found, Unknown]
    assert facts[B] == Unknown("deadline of 0 s reached", "Demo")
    assert site.requests == []


def test_a_name_look_up_that_hangs_costs_no_more_than_the_deadline(
    gatherer: Callable[..., FetchRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> None:
        released.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.monotonic()
    run = gatherer(deadline_seconds=0.3)
    assert run.fetch(DEMOS, [A], Endpoint(url="http://pypi.example")) == {
        A: Unknown("deadline of 0.3 s reached", "Demo")
    }
    run.fetcher.close()
    assert time.monotonic() - start < 0.8
    released.set()


@pytest.mark.parametrize("turn", [{"hang": True}, {"body": b"x" * 1_000, "drip": 0.02}])
def test_one_request_takes_no_longer_than_it_may(ask: Callable[..., Any], site: Site, turn: Turn) -> None:
    site.on("/a", turn)
    start = time.monotonic()
    fact = ask(settings=HttpSettings(timeout=0.3))
    assert time.monotonic() - start < 3
    assert fact == Unknown(f"{site.host}: no answer within 0.3 s", "Demo")
    assert len(site.requests) == 1


def test_a_slow_drip_ends_at_the_deadline(ask: Callable[..., Any], site: Site) -> None:
    site.on("/a", {"body": b"x" * 1_000, "drip": 0.02})
    start = time.monotonic()
    assert ask(deadline_seconds=0.3) == Unknown("deadline of 0.3 s reached", "Demo")
    assert time.monotonic() - start < 0.8


def test_hanging_requests_end_the_asking_after_five(gatherer: Callable[..., FetchRun], site: Site) -> None:
    for one in packages(60):
        site.on(f"/{one.name}", {"hang": True})
    facts = gatherer(settings=HttpSettings(timeout=0.1)).fetch(DEMOS, packages(60), Endpoint(url=site.url))
    assert facts[package("p59")] == Unknown(f"stopped after 5 failures: {site.host}: no answer within 0.1 s", "Demo")
    assert len(site.requests) < 60


# Redirects and credentials


@pytest.mark.parametrize("location", ["/b", "b", "//{host}/b", "http://{host}/b"])
def test_a_redirect_within_the_host_is_followed_with_credentials(
    gatherer: Callable[..., FetchRun], site: Site, location: str
) -> None:
    site.on("/a", {"status": 301, "headers": {"Location": location.format(host=site.host)}, "body": b"moved"})
    site.on("/b", {"body": {"name": "b"}})
    at = Endpoint(url=site.url, headers={"Authorization": "Bearer secret"})
    run = gatherer()
    assert run.fetch(DEMOS, [A], at) == {A: Found(Demo("b"), "Demo", NOW)}
    assert [request.headers["authorization"] for request in site.requests] == ["Bearer secret"] * 2
    assert only(run.summarise_sources()).requests == 2


def test_a_redirect_to_another_host_is_not_followed(ask: Callable[..., Any], site: Site, other_site: Site) -> None:
    site.on("/a", {"status": 302, "headers": {"Location": f"{other_site.url}/a"}})
    assert ask() == Unknown(f"{site.host}: redirects to {other_site.host}, which is not followed", "Demo")
    assert other_site.requests == []


def test_a_host_may_lead_from_http_to_https_and_not_back(gatherer: Callable[..., FetchRun]) -> None:
    def turn_round(request: httpx.Request) -> httpx.Response:
        there = {"http": "https", "https": "http"}[request.url.scheme]
        return httpx.Response(301, headers={"Location": f"{there}://pypi.example/a"})

    run = gatherer(transport=httpx.MockTransport(turn_round))
    assert run.fetch(DEMOS, [A], Endpoint(url="http://pypi.example")) == {
        A: Unknown("pypi.example: redirects to pypi.example, which is not followed", "Demo")
    }
    assert only(run.summarise_sources()).requests == 2


@pytest.mark.parametrize(("status", "methods"), [(307, ["POST", "POST"]), (301, ["POST"])])
def test_a_question_with_a_body_is_sent_on_only_where_it_stays_the_same(
    gatherer: Callable[..., FetchRun], site: Site, status: int, methods: list[str]
) -> None:
    site.on("/batch", {"status": status, "headers": {"Location": "/there"}})
    site.on("/there", {"body": {"a": "A"}})
    gatherer().fetch(Batch(), [A], Endpoint(url=site.url))
    assert [request.method for request in site.requests] == methods


def test_credentials_go_to_their_own_host_only(gatherer: Callable[..., FetchRun], site: Site, other_site: Site) -> None:
    class Elsewhere(Demos):
        def requests(self, about: Sequence[Package], at: Endpoint) -> Iterable[Request[Package]]:
            return (Request(url=f"{other_site.url}/{one.url_segment}", subjects=(one,), endpoint=at) for one in about)

    at = Endpoint(url=site.url, headers={"Authorization": "Bearer secret"})
    gatherer().fetch(Elsewhere(), [A], at)
    assert "authorization" not in other_site.requests[0].headers


def test_cookies_are_not_sent_back(gatherer: Callable[..., FetchRun], site: Site) -> None:
    site.on("/a", {"status": 404, "headers": {"Set-Cookie": "track=1"}})
    run = gatherer()
    run.fetch(DEMOS, [A], Endpoint(url=site.url))
    run.fetch(DEMOS, [B], Endpoint(url=site.url))
    assert "cookie" not in site.requests[1].headers


# Proxies and certificates


def test_the_proxy_of_the_environment_is_used(
    gatherer: Callable[..., FetchRun], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", site.url)
    site.on("http://pypi.example/a", {"body": {"name": "a"}})
    assert gatherer().fetch(DEMOS, [A], Endpoint(url="http://pypi.example")) == {A: Found(Demo("a"), "Demo", NOW)}


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "fd00::/8, 127.0.0.0/8"])
def test_a_host_named_in_no_proxy_is_asked_directly(
    ask: Callable[..., Any], site: Site, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert ask() == Absent("Demo", NOW)
    site.on("/a", {"hang": True})
    reason = f"{site.host}: no answer within 0.1 s"
    assert ask(settings=HttpSettings(timeout=0.1), refresh=True, now=NOW + 8 * DAY) == Unknown(reason, "Demo")


@pytest.mark.parametrize("scheme", ["http://user:secret@", ""])
def test_a_proxy_that_does_not_answer_is_named_without_its_password(
    gatherer: Callable[..., FetchRun], monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"{scheme}127.0.0.1:1")
    facts = gatherer().fetch(DEMOS, [A], Endpoint(url="http://pypi.example"))
    reason = "pypi.example (through the proxy 127.0.0.1:1): connection refused after 3 attempts"
    assert facts == {A: Unknown(reason, "Demo")}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_login_is_named(
    gatherer: Callable[..., FetchRun], site: Site, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", site.url)
    site.on("http://pypi.example/a", {"status": 407})
    site.on("pypi.example:443", {"status": 407})
    [fact] = gatherer().fetch(DEMOS, [A], Endpoint(url=f"{scheme}://pypi.example")).values()
    assert fact == Unknown(
        f"pypi.example (through the proxy {site.host}): the proxy refused (407); check its credentials", "Demo"
    )


def test_a_proxy_that_makes_no_sense_is_a_mistake_of_the_configuration(
    ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://user:secret@proxy.example")
    with pytest.raises(ConfigError, match="proxy that the environment sets") as raised:
        ask()
    assert "secret" not in str(raised.value)


def test_a_server_without_tls_is_named(gatherer: Callable[..., FetchRun], site: Site) -> None:
    facts = gatherer().fetch(DEMOS, [A], Endpoint(url=f"https://{site.host}"))
    assert facts == {A: Unknown(f"{site.host}: TLS handshake failed", "Demo")}


# Many questions


def test_a_host_is_asked_no_more_at_once_than_allowed(gatherer: Callable[..., FetchRun], site: Site) -> None:
    for one in packages(40):
        site.on(f"/{one.name}", {"status": 404, "delay": 0.01})
    run = gatherer(settings=HttpSettings(concurrency=4))
    at = Endpoint(url=site.url)
    other = Demos(name="other", label="Other")
    run.fetch_all([(DEMOS, packages(20), at), (other, packages(40)[20:], at)])
    assert site.crowd == 4


def test_progress_counts_questions_over_the_whole_run(gatherer: Callable[..., FetchRun], site: Site) -> None:
    seen: list[tuple[int, int]] = []
    run = gatherer(progress=lambda done, total: seen.append((done, total)))
    run.fetch(DEMOS, [A, B], Endpoint(url=site.url))
    run.fetch(DEMOS, [A, B, package("c")], Endpoint(url=site.url))
    assert seen == [(0, 2), (1, 2), (2, 2), (2, 3), (3, 3)]


def test_the_report_adds_up(gatherer: Callable[..., FetchRun], site: Site, memory: MemoryCache) -> None:
    hold(memory, site, age=-60)
    site.on("/b", {"body": {"name": "b"}})
    site.on("/p0", {"status": 400})
    run = gatherer()
    assert run.summarise_sources() == ()
    run.fetch(DEMOS, [A, B, package("p0"), package("p1")], Endpoint(url=site.url))
    run.fetch(Demos(name="idle", label="Idle"), [], Endpoint(url=site.url))
    busy, idle = run.summarise_sources()
    assert busy == SourceSummary(
        name="Demo",
        state="partial",
        requested=4,
        received=3,
        from_cache=1,
        outdated=0,
        requests=3,
        oldest=NOW + 60 - DEMOS.max_age,
        reason=f"{site.host}: HTTP 400",
    )
    assert (idle.state, idle.oldest, idle.reason) == ("not requested", None, "")


def test_many_answers_reach_the_store(gatherer: Callable[..., FetchRun], site: Site, tmp_path: Path) -> None:
    with closing(Store.open(tmp_path, now=NOW)) as store:
        gatherer(store=store).fetch(DEMOS, packages(300), Endpoint(url=site.url))
        assert store.get_info().rows == {"demo": 300}


def test_a_broken_connection_to_one_host_does_not_hold_up_another(
    gatherer: Callable[..., FetchRun], site: Site, other_site: Site
) -> None:
    for one in packages(20):
        site.on(f"/{one.name}", {"hang": True})
    seen: list[float] = []
    start = time.monotonic()
    run = gatherer(deadline_seconds=1.0, progress=lambda *_: seen.append(time.monotonic() - start))
    plan = [(DEMOS, packages(20), Endpoint(url=site.url)), (DEMOS, packages(20), Endpoint(url=other_site.url))]
    _, answered = run.fetch_all(plan)
    assert set(answered.values()) == {Absent("Demo", NOW)}
    assert seen[20] < 0.95


SERVER = """
import asyncio

BODY = b'{"name":"demo","readme":"' + b"x" * 10_000 + b'"}'
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(BODY) + BODY

class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):  # a request of ours is one packet
        asyncio.get_running_loop().call_later(0.05, self.transport.write, ANSWER)

async def main():
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=100)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


def test_the_time_goes_into_waiting_for_answers(gatherer: Callable[..., FetchRun]) -> None:
    """The limit leaves room for a busy machine; by itself it comes to 1.1 times the time the server takes."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - the test's own code
        assert server.stdout is not None
        at = Endpoint(url=f"http://127.0.0.1:{int(server.stdout.readline())}")
        start = time.monotonic()
        facts = gatherer(settings=HttpSettings(concurrency=16)).fetch(DEMOS, packages(320), at)
        taken = time.monotonic() - start
        server.kill()
    assert set(facts.values()) == {Found(Demo("demo"), "Demo", NOW)}
    assert 1.0 <= taken < 2.0


# Leaving


def test_closing_twice_or_before_asking_is_fine(gatherer: Callable[..., FetchRun], site: Site) -> None:
    run = gatherer()
    run.fetcher.close()
    run.fetch(DEMOS, [A], Endpoint(url=site.url))
    run.fetcher.close()
    run.fetcher.close()


def test_the_last_thread_at_work_closes_the_door() -> None:
    begun, released, closed = threading.Event(), threading.Event(), threading.Event()

    def work(_: str) -> None:
        begun.set()
        released.wait(5)

    lanes: HostWorkers[str] = HostWorkers(1, work)
    lanes.add_jobs("pypi.example", ["a", "b"])
    begun.wait(5)
    lanes.call_when_idle(closed.set)
    assert not closed.is_set()
    released.set()
    assert closed.wait(5)


def test_a_try_that_waits_when_the_run_ends_is_given_up(gatherer: Callable[..., FetchRun], site: Site) -> None:
    site.on("/a", {"status": 503, "headers": {"Retry-After": "5"}})
    run = gatherer(deadline_seconds=6)
    asking = threading.Thread(target=run.fetch, args=(DEMOS, [A], Endpoint(url=site.url)))
    asking.start()
    while not site.requests:
        time.sleep(0.005)
    time.sleep(0.05)
    run.fetcher.close()
    asking.join(1)
    assert not asking.is_alive()


PREAMBLE = """
import sys
import threading
from pathlib import Path
import msgspec
from nerq_cli.inventory import Package
from nerq_cli.fetch.fetcher import Fetcher, FetchRun, HttpSettings
from nerq_cli.fetch.source import Endpoint, Request
from nerq_cli.store import Store

class Demo(msgspec.Struct):
    name: str

class Demos:
    name, label, kind, max_age, absent_max_age, limit, probe = "demo", "Demo", Demo, 3600, 60, 1000, False
    def requests(self, subjects, endpoint):
        for package in subjects:
            yield Request(url=f"{endpoint.url}/{package.url_segment}", subjects=(package,), endpoint=endpoint)
    def parse(self, request, response):
        return [(request.subjects[0], None if response.status == 404 else Demo("a"))]

def gather(count, deadline=30.0):
    fetcher = Fetcher(store)
    run = fetcher.open_run(now=1_800_000_000, deadline_seconds=deadline)
    packages = [Package(ecosystem="PyPI", name=f"p{n}") for n in range(count)]
    try:
        return list(run.fetch(Demos(), packages, Endpoint(url=sys.argv[1])).values())
    finally:
        fetcher.close()

store = Store.open(Path(sys.argv[2]), now=1_800_000_000)
"""

WARM = """
events = []
sys.addaudithook(lambda event, _: events.append(event) if event.startswith("socket.") else None)
print(gather(20)[-1])
print(events, sorted({"httpcore", "httpx", "ssl", "truststore", "random"} & set(sys.modules)))
store.close()
"""

COLD = """
gather(2)
print(sorted({"httpx", "truststore", "email", "http.client", "urllib.request"} & set(sys.modules)))
store.close()
"""

HANGS = """
print(type(gather(20, 6.0)[-1]).__name__)
print(threading.active_count() > 1)
store.close()
"""

INTERRUPTED = """
try:
    gather(20)
except KeyboardInterrupt:
    print("interrupted")
store.close()
"""


def start(code: str, site: Site, directory: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PREAMBLE + code, site.url, str(directory)]
    return subprocess.Popen(  # noqa: S603 - the test's own code
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_warm_run_opens_no_socket_and_imports_no_http(site: Site, tmp_path: Path) -> None:
    start("gather(20)\nstore.close()", site, tmp_path).communicate()
    asked = len(site.requests)
    output, errors = start(WARM, site, tmp_path).communicate()
    assert errors == ""
    assert output == "Absent(source='Demo', retrieved_at=1800000000, reason='')\n[] []\n"
    assert len(site.requests) == asked == 20


def test_requests_without_proxy_are_sent_without_the_layers_above_the_core(site: Site, tmp_path: Path) -> None:
    output, errors = start(COLD, site, tmp_path).communicate()
    assert errors == ""
    assert output == "[]\n"
    assert len(site.requests) == 2


def test_a_process_leaves_at_once_though_threads_hang(site: Site, tmp_path: Path) -> None:
    for one in packages(20):
        site.on(f"/{one.name}", {"headers": {"X-Long": "x" * 9_000}, "drip": 0.05})
    begun = time.monotonic()
    output, errors = start(HANGS, site, tmp_path).communicate()
    assert errors == ""
    assert output == "Unknown\nTrue\n"
    assert time.monotonic() - begun < 60  # the answers take 450 s


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_an_interrupted_run_ends_at_once_and_keeps_what_it_has(site: Site, tmp_path: Path) -> None:
    site.on("/p19", {"hang": True})
    run = start(INTERRUPTED, site, tmp_path)
    while len(site.requests) < 20:
        time.sleep(0.01)
    time.sleep(1)
    begun = time.monotonic()
    run.send_signal(signal.SIGINT)
    output, errors = run.communicate()
    assert (output, errors) == ("interrupted\n", "")
    assert time.monotonic() - begun < 6
    with closing(Store.open(tmp_path, now=NOW)) as store:
        assert store.get_info().rows == {"demo": 19}


# Services that a run can do without


@dataclass
class Extras(Demos):
    """A service that is left alone for a quarter of an hour after it gave no answer."""

    cooldown: int = 900


def test_a_service_that_gave_no_answer_is_left_alone_for_a_while(site: Site) -> None:
    some = [Package(ecosystem=PYPI, name=name) for name in ("a", "b")]
    site.on("/a", {"status": 403})
    memory, at = MemoryCache(), Endpoint(url=site.url)
    reasons = []
    for moment in (NOW, NOW + 60, NOW + 901):
        with opened_run(memory, now=moment, settings=QUICK) as run:
            fact = run.fetch(Extras(), some[:1], at)[some[0]]
        assert isinstance(fact, Unknown)
        reasons.append((len(site.requests), fact.reason))
    assert [count for count, _ in reasons] == [1, 1, 2]
    assert "requested at 2027-01-15 08:00 UTC" in reasons[1][1]
    assert "--refresh" in reasons[1][1]


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ({"status": 403}, "refused access (403); check the credentials for the source"),
        ({"body": b"<html>"}, ""),
        ({"raw": b"nonsense"}, ""),
        ({"status": 302, "headers": {"Location": "http://mirror.example/x"}}, "redirects elsewhere"),
    ],
)
def test_reasons_of_a_run_can_be_without_hosts(site: Site, turn: Turn, expected: str) -> None:
    site.on("/a", turn)
    reasons = []
    memory = MemoryCache()
    for moment in (NOW, NOW + 60):
        with opened_run(memory, now=moment, settings=msgspec.structs.replace(QUICK, hides_hosts=True)) as run:
            fact = run.fetch(Extras(), [A], Endpoint(url=site.url))[A]
            assert isinstance(fact, Unknown)
            reasons += [fact.reason, *(summary.reason for summary in run.summarise_sources())]
    assert all(expected in reason for reason in reasons), reasons
    assert not [reason for reason in reasons if "127.0.0.1" in reason or "mirror" in reason or not reason]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("registry.example: HTTP 503 after 3 attempts", "HTTP 503 after 3 attempts"),
        ("[::1]:80: connection refused", "connection refused"),
        ("devpi: name does not resolve", "name does not resolve"),
        ("other.example:8443 (through the proxy proxy.example:3128): cannot connect", "cannot connect"),
        ("devpi: TLS certificate not trusted (expired); trusted: /etc/ca.pem", "TLS certificate not trusted"),
        ("offline: not in the cache", "offline: not in the cache"),
        ("deadline of 30 s reached", "deadline of 30 s reached"),
        ("missing in the response", "missing in the response"),
    ],
)
def test_a_reason_is_left_without_its_host(reason: str, expected: str) -> None:
    assert _hide_hosts(reason, "devpi") == expected


@pytest.mark.parametrize("turn", [{"status": 403}, {"status": 429}])
def test_a_run_can_ask_again_sooner(site: Site, turn: Turn) -> None:
    site.on("/a", turn)
    memory, at = MemoryCache(), Endpoint(url=site.url)
    reasons, counts = [], []
    for moment in (NOW, NOW + 29, NOW + 30):
        with opened_run(memory, now=moment, settings=QUICK, max_cooldown=30) as run:
            fact = run.fetch(Extras(), [A], at)[A]
        assert isinstance(fact, Unknown)
        reasons.append(fact.reason)
        counts.append(len(site.requests))
    assert counts[0] == counts[1] < counts[2]
    assert reasons[1] == f"{reasons[0]} (requested at 2027-01-15 08:00 UTC)"


@pytest.mark.parametrize("turn", [{"status": 500}, {"status": 403}, {"body": b"<html>"}])
def test_one_odd_answer_concerns_its_subject_alone(site: Site, turn: Turn) -> None:
    odd, good, late = (Package(ecosystem=PYPI, name=name) for name in ("a", "b", "c"))
    site.on("/a", turn)
    memory, at = MemoryCache(), Endpoint(url=site.url)
    with opened_run(memory, now=NOW, settings=QUICK) as run:
        [first] = run.fetch(Extras(), [odd], at).values()
    count = len(site.requests)
    site.on("/b", {"body": {"name": "b"}})
    site.on("/c", {"body": {"name": "c"}})
    with opened_run(memory, now=NOW + 60, settings=QUICK) as run:
        assert isinstance(run.fetch(Extras(), [good], at)[good], Found)
    with opened_run(memory, now=NOW + 60, settings=QUICK) as run:
        [again] = run.fetch(Extras(), [odd], at).values()
        assert isinstance(run.fetch(Extras(), [late], at)[late], Found)
    assert isinstance(first, Unknown)
    assert again == Unknown(f"{first.reason} (requested at 2027-01-15 08:00 UTC; --refresh retries)", "Demo")
    assert len(site.requests) == count + 2


def test_one_odd_answer_does_not_end_the_requests_of_its_run(site: Site) -> None:
    odd, good = (Package(ecosystem=PYPI, name=name) for name in ("a", "b"))
    site.on("/a", {"body": b"<html>"})
    site.on("/b", {"body": {"name": "b"}})
    at = Endpoint(url=site.url)
    with opened_run(MemoryCache(), now=NOW, settings=QUICK) as run:
        assert isinstance(run.fetch(Extras(), [odd], at)[odd], Unknown)
        assert isinstance(run.fetch(Extras(), [good], at)[good], Found)
        assert isinstance(run.fetch(Extras(), [odd], at)[odd], Unknown)
    assert len(site.requests) == 2


def test_unreadable_answers_never_end_the_requests_for_others(site: Site) -> None:
    memory, at = MemoryCache(), Endpoint(url=site.url)
    for one in packages(4):
        site.on(f"/{one.name}", {"body": b"<html>"})
    site.on("/a", {"body": {"name": "a"}})
    with opened_run(memory, now=NOW, settings=QUICK) as run:
        run.fetch(Extras(), packages(4), at)
    with opened_run(memory, now=NOW + 60, settings=QUICK) as run:
        assert isinstance(run.fetch(Extras(), [A], at)[A], Found)


@pytest.mark.parametrize(("turn", "count"), [({"status": 403}, 3), ({"status": 429}, 1), ({"raw": b""}, 1)])
def test_limits_broken_connections_and_several_failures_concern_the_service(site: Site, turn: Turn, count: int) -> None:
    memory, at = MemoryCache(), Endpoint(url=site.url)
    for one in packages(count):
        site.on(f"/{one.name}", turn)
    with opened_run(memory, now=NOW, settings=QUICK) as run:
        run.fetch(Extras(), packages(count), at)
    sent = len(site.requests)
    with opened_run(memory, now=NOW + 60, settings=QUICK) as run:
        assert isinstance(run.fetch(Extras(), [A], at)[A], Unknown)
    assert len(site.requests) == sent


def test_a_refresh_that_succeeds_ends_the_cooldown_of_single_subjects(site: Site) -> None:
    memory, at = MemoryCache(), Endpoint(url=site.url)
    site.on("/a", {"status": 403}, {"body": {"name": "a"}})
    site.on("/p0", {"body": {"name": "p0"}})
    with opened_run(memory, now=NOW, settings=QUICK) as run:
        run.fetch(Extras(), [A], at)
    with opened_run(memory, now=NOW + 60, settings=QUICK, refresh=True) as run:
        run.fetch(Extras(), packages(1), at)
    with opened_run(memory, now=NOW + 90, settings=QUICK) as run:
        assert isinstance(run.fetch(Extras(), [A], at)[A], Found)


def test_a_service_that_is_left_alone_is_asked_on_refresh(site: Site) -> None:
    some = [Package(ecosystem=PYPI, name=name) for name in ("a", "b")]
    site.on("/a", {"status": 403}, {"body": {"name": "a"}})
    memory, at = MemoryCache(), Endpoint(url=site.url)
    with opened_run(memory, now=NOW, settings=QUICK) as run:
        run.fetch(Extras(), some[:1], at)
    with opened_run(memory, now=NOW + 60, settings=QUICK, refresh=True) as run:
        assert isinstance(run.fetch(Extras(), some[:1], at)[some[0]], Found)
    site.on("/b", {"body": {"name": "b"}})
    with opened_run(memory, now=NOW + 90, settings=QUICK) as run:
        assert isinstance(run.fetch(Extras(), some[1:], at)[some[1]], Found)


def test_an_answer_that_makes_no_sense_is_none(site: Site) -> None:
    some = [Package(ecosystem=PYPI, name="a")]
    site.on("/a", {"body": b"<html>"})
    memory, at = MemoryCache(), Endpoint(url=site.url)
    for moment in (NOW, NOW + 60):
        with opened_run(memory, now=moment, settings=QUICK) as run:
            assert isinstance(run.fetch(Extras(), some, at)[some[0]], Unknown)
    assert len(site.requests) == 1


def test_a_service_that_hangs_takes_a_third_of_the_time_and_is_not_asked_in_another_way(site: Site) -> None:
    some = [Package(ecosystem=PYPI, name=name) for name in ("a", "b")]
    for name in ("a", "b"):
        site.on(f"/{name}", {"hang": True})
    at = Endpoint(url=site.url)
    begun = time.monotonic()
    with opened_run(MemoryCache(), now=NOW, deadline_seconds=1.5) as run:
        [first] = run.fetch(Extras(), some[:1], at).values()
        [again] = run.fetch(Extras(), some[1:], at).values()
        [another] = run.fetch(Extras("other"), some[:1], at).values()
    assert time.monotonic() - begun < 1
    assert first == again == another
    assert isinstance(first, Unknown)
    assert first.reason.endswith("no answer within 0.5 s")
    assert len(site.requests) == 1


def test_a_service_that_had_hardly_any_time_is_not_left_alone(site: Site) -> None:
    some = [Package(ecosystem=PYPI, name=name) for name in ("a", "b")]
    site.on("/b", {"hang": True}, {"body": {"name": "b"}})
    memory, at = MemoryCache(), Endpoint(url=site.url)
    with opened_run(memory, now=NOW, deadline_seconds=1.0) as run:
        time.sleep(0.8)
        assert isinstance(run.fetch(Extras("other"), some[1:], at)[some[1]], Unknown)
    with opened_run(memory, now=NOW + 60, settings=QUICK) as run:
        assert isinstance(run.fetch(Extras("other"), some[1:], at)[some[1]], Found)


def test_a_service_that_answered_something_is_asked_again_at_once(site: Site) -> None:
    some = [Package(ecosystem=PYPI, name=name) for name in ("a", "b")]
    site.on("/a", {"body": {"name": "a"}})
    site.on("/b", {"status": 403}, {"body": {"name": "b"}})
    memory, at = MemoryCache(), Endpoint(url=site.url)
    with opened_run(memory, now=NOW, settings=QUICK) as run:
        run.fetch(Extras(), some, at)
    with opened_run(memory, now=NOW + 60, settings=QUICK) as run:
        assert isinstance(run.fetch(Extras(), some, at)[some[1]], Found)


def test_what_a_run_needs_is_asked_for_however_often_it_fails(site: Site) -> None:
    some = [Package(ecosystem=PYPI, name=name) for name in ("a", "b")]
    site.on("/a", {"status": 403})
    memory, at = MemoryCache(), Endpoint(url=site.url)
    for moment in (NOW, NOW + 60):
        with opened_run(memory, now=moment, settings=QUICK) as run:
            run.fetch(DEMOS, some[:1], at)
    assert len(site.requests) == 2


# Several runs at once


def fetch_in_thread(run: FetchRun, source: Demos, subjects: Sequence[Package], url: str) -> Callable[[], list[Any]]:
    facts: list[Any] = []
    thread = threading.Thread(target=lambda: facts.extend(run.fetch(source, subjects, Endpoint(url=url)).values()))
    thread.start()

    def wait() -> list[Any]:
        thread.join(10)
        assert not thread.is_alive()
        return facts

    return wait


def test_two_threads_share_a_fetcher_and_each_run_has_its_own_deadline_and_statistics(
    site: Site, tmp_path: Path
) -> None:
    for one in packages(3):
        site.on(f"/{one.name}", {"delay": 0.8, "body": {"name": one.name}})
    with closing(Store.open(tmp_path, now=NOW)) as store, closing(Fetcher(store, settings=QUICK)) as fetcher:
        time.sleep(1.3)  # more than the short deadline: it does not count from the construction of the fetcher
        short, long = fetcher.open_run(now=NOW, deadline_seconds=1.2), fetcher.open_run(now=NOW, deadline_seconds=6.0)
        begun = time.monotonic()
        wait_short = fetch_in_thread(short, DEMOS, packages(3), site.url)
        wait_long = fetch_in_thread(long, DEMOS, packages(2), site.url)
        assert wait_short() == [Unknown(f"{site.host}: no answer within 0.4 s", "Demo")] * 3
        assert time.monotonic() - begun < 4
        assert [fact.value.name for fact in wait_long()] == ["p0", "p1"]
        assert (only(short.summarise_sources()).state, only(short.summarise_sources()).requested) == ("unavailable", 3)
        assert (only(long.summarise_sources()).state, only(long.summarise_sources()).requested) == ("ok", 2)


def test_a_short_deadline_opens_no_circuit_for_another_run(site: Site) -> None:
    hang: Turn = {"hang": True}
    site.on("/a", *[hang] * 8, {"body": {"name": "a"}})
    with closing(Fetcher(MemoryCache(), settings=QUICK)) as fetcher:
        for _ in range(8):
            run = fetcher.open_run(now=NOW, deadline_seconds=0.06)
            assert isinstance(run.fetch(DEMOS, [A], Endpoint(url=site.url))[A], Unknown)
        while len(site.requests) < 8:
            time.sleep(0.01)
        run = fetcher.open_run(now=NOW, deadline_seconds=5.0)
        assert isinstance(run.fetch(DEMOS, [A], Endpoint(url=site.url))[A], Found)


def test_the_end_of_a_run_drops_its_own_waiting_jobs_only(site: Site) -> None:
    for one in [A, *packages(20)]:
        site.on(f"/{one.name}", {"hang": True})
    settings = HttpSettings(concurrency=1, timeout=2.0)
    with closing(Fetcher(MemoryCache(), settings=settings)) as fetcher:
        first, second = fetcher.open_run(now=NOW, deadline_seconds=0.2), fetcher.open_run(now=NOW, deadline_seconds=5.0)
        wait_first = fetch_in_thread(first, DEMOS, [A, *packages(20)], site.url)
        while not site.requests:
            time.sleep(0.005)
        wait_second = fetch_in_thread(second, DEMOS, [B], site.url)
        assert all(isinstance(fact, Unknown) for fact in wait_first())
        assert all(isinstance(fact, Absent) for fact in wait_second())
        assert "/p19" not in {request.path for request in site.requests}


def test_an_open_circuit_is_shared_and_a_later_run_tries_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    some = packages(9)
    for one in some:
        site.on(f"/{one.name}", {"status": 500})
    settings = HttpSettings(concurrency=1, attempts=1)
    with closing(Fetcher(MemoryCache(), settings=settings)) as fetcher:
        fetcher.open_run(now=NOW).fetch(DEMOS, some, Endpoint(url=site.url))
        fetcher.open_run(now=NOW).fetch(DEMOS, some, Endpoint(url=site.url))
        assert len(site.requests) == 5
        monkeypatch.setattr("nerq_cli.fetch.fetcher._CIRCUIT_RESET", -1)
        fetcher.open_run(now=NOW).fetch(DEMOS, some, Endpoint(url=site.url))
        assert len(site.requests) == 10
