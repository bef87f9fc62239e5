from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.facts import Advisory, Fact, Found, Unknown
from nerq_cli.fetch.fetcher import Fetcher, FetchRun, HttpSettings
from nerq_cli.fetch.source import Endpoint, Response
from nerq_cli.inventory import AdvisoryId, Package, Release
from nerq_cli.sources import COOLDOWN, SOURCES
from nerq_cli.sources.advisories.osv import (
    MAX_HALVINGS,
    MAX_PAGES,
    MAX_QUERIES,
    AdvisoryHits,
    OsvAdvisories,
    create_affecting_source,
    create_recorded_source,
    fetch_advisories,
)
from nerq_cli.sources.endpoints import read_endpoint
from nerq_cli.store import MemoryCache
from nerq_cli.vulnerabilities.matching import match_advisories

if TYPE_CHECKING:
    from tests.conftest import Request, Site, Turn

NOW = 1_800_000_000
HOUR = 3_600
MAY = 1_777_593_600  # 2026-05-01T00:00:00Z
LISTS = "/v1/querybatch"


def package(name: str) -> Package:
    return Package(ecosystem=PYPI, name=name)


def release(name: str, version: str = "1.0") -> Release:
    return Release(package=package(name), version=version)


DEMO, OTHER = release("demo"), release("other")


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")


def hit(identifier: str, modified: int = MAY) -> dict[str, object]:
    return {"id": identifier, "modified": moment(modified)}


def record(identifier: str, *names: str, modified: int = MAY, **more: object) -> dict[str, object]:
    events = [{"introduced": "0"}, {"fixed": "2.0"}]
    affected = [
        {"package": {"ecosystem": PYPI, "name": name}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
        for name in names or ("demo",)
    ]
    return {"id": identifier, "modified": moment(modified), "affected": affected, "schema_version": "1.7.0", **more}


class Osv:
    """OSV on a site. ``lists`` has the pages of each name's list; a name in ``refused`` spoils its batch."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.lists: dict[str, list[list[dict[str, object]]]] = {}
        self.past: dict[str, list[list[dict[str, object]]]] = {}
        self.refused: set[str] = set()
        self.endless: set[str] = set()
        self.sizes: list[int] = []
        site.on(LISTS, self.answer)

    def record(self, identifier: str, *names: str, **more: Any) -> None:
        self.site.on(f"/v1/vulns/{identifier}", {"body": record(identifier, *names, **more)})

    def answer(self, request: Request) -> Turn:
        queries = json.loads(request.body)["queries"]
        self.sizes.append(len(queries))
        for index, query in enumerate(queries):
            if query["package"]["name"] in self.refused:
                return {"status": 400, "body": {"code": 3, "message": f"invalid query at index {index}"}}
        return {"body": {"results": [self.result(query) for query in queries]}}

    def result(self, query: Mapping[str, Any]) -> dict[str, object]:
        name = query["package"]["name"]
        if name in self.endless:
            return {"next_page_token": f"{name}:again"}
        pages = (self.lists if "version" in query else self.past).get(name, [[]])
        asked_for, _, page = query.get("page_token", f"{name}:0").partition(":")
        assert asked_for == name
        found: dict[str, object] = {"vulns": pages[int(page)]} if pages[int(page)] else {}
        going_on = int(page) + 1 < len(pages)
        return found | ({"next_page_token": f"{name}:{int(page) + 1}"} if going_on else {})

    @property
    def asked(self) -> Counter[str]:
        return Counter(request.path for request in self.site.requests)


@pytest.fixture
def osv(site: Site) -> Osv:
    return Osv(site)


@pytest.fixture
def memory() -> MemoryCache:
    return MemoryCache()


@pytest.fixture
def gatherer(memory: MemoryCache) -> Iterator[Callable[..., FetchRun]]:
    opened: list[Fetcher] = []

    def open_gatherer(**options: Any) -> FetchRun:
        settings = options.pop("settings", HttpSettings(timeout=5, backoff=0.001))
        opened.append(Fetcher(memory, settings=settings))
        return opened[-1].open_run(**{"now": NOW, "deadline_seconds": 20.0} | options)

    yield open_gatherer
    for one in opened:
        one.close()


@pytest.fixture
def listed(gatherer: Callable[..., FetchRun], site: Site) -> Callable[..., dict[Release, Fact[AdvisoryHits]]]:
    """Ask for what affects releases, in a run of its own."""

    def ask(*releases: Release, **options: Any) -> dict[Release, Fact[AdvisoryHits]]:
        return gatherer(**options).fetch(create_affecting_source(), releases, Endpoint(url=site.url))

    return ask


@pytest.fixture
def look_up(gatherer: Callable[..., FetchRun], site: Site) -> Callable[..., OsvAdvisories]:
    """Ask for everything about releases and their packages, in a run of its own."""

    def ask(*releases: Release, every_record: bool = False, **options: Any) -> OsvAdvisories:
        packages = [one.package for one in releases]
        at = Endpoint(url=site.url)
        return fetch_advisories(gatherer(**options), releases, packages, at, all_records=every_record)

    return ask


def names(fact: Fact[AdvisoryHits]) -> list[str]:
    assert isinstance(fact, Found), fact
    return [identifier for identifier, _ in fact.value.ids]


def told(fact: Fact[tuple[Advisory, ...]]) -> tuple[Advisory, ...]:
    assert isinstance(fact, Found), fact
    return fact.value


# --- lists ---------------------------------------------------------------------------------------------------------


def test_the_environment_can_name_another_place() -> None:
    assert read_endpoint("osv", {}).url == SOURCES["osv"].url
    assert read_endpoint("osv", {"NERQ_OSV_URL": "https://osv.example/api/"}).url == "https://osv.example/api"


def test_results_belong_to_the_queries_in_their_order(osv: Osv, listed: Callable[..., Any]) -> None:
    osv.lists = {f"p{n}": [[hit(f"GHSA-{n}")]] for n in range(0, 9, 2)}
    releases = [release(f"p{n}") for n in range(9)]
    assert [names(fact) for fact in listed(*releases).values()] == [[] if n % 2 else [f"GHSA-{n}"] for n in range(9)]
    assert osv.sizes == [9]


def test_a_query_names_the_package_its_ecosystem_and_the_version(osv: Osv, listed: Callable[..., Any]) -> None:
    scoped = Release(package=Package(ecosystem=NPM, name="@acme/demo"), version="1.0.0+build")
    listed(release("torch", "2.1+cu118"), scoped)
    [request] = osv.site.requests
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
    assert json.loads(request.body)["queries"] == [
        {"package": {"name": "torch", "ecosystem": "PyPI"}, "version": "2.1"},
        {"package": {"name": "@acme/demo", "ecosystem": "npm"}, "version": "1.0.0+build"},
    ]


def test_a_package_is_asked_about_without_a_version(osv: Osv, gatherer: Callable[..., FetchRun], site: Site) -> None:
    osv.past = {"demo": [[hit("PYSEC-1")]]}
    facts = gatherer().fetch(create_recorded_source(), [DEMO.package], Endpoint(url=site.url))
    assert names(facts[DEMO.package]) == ["PYSEC-1"]
    assert "version" not in json.loads(site.requests[0].body)["queries"][0]


def test_a_batch_has_at_most_a_thousand_queries(osv: Osv, listed: Callable[..., Any]) -> None:
    osv.lists = {f"p{n}": [[hit(f"GHSA-{n}")]] for n in range(2_500)}
    releases = [release(f"p{n}") for n in range(2_500)]
    facts = listed(*releases)
    assert all(names(facts[one]) == [f"GHSA-{n}"] for n, one in enumerate(releases))
    assert sorted(osv.sizes) == [500, MAX_QUERIES, MAX_QUERIES]


def test_only_queries_with_a_token_are_put_again_each_with_its_own(osv: Osv, listed: Callable[..., Any]) -> None:
    osv.lists = {
        "a": [[hit("A-1")], [], [hit("A-2"), hit("A-1")]],
        "b": [[hit("B-1")]],
        "c": [[], [hit("C-1")]],
    }
    facts = listed(release("a"), release("b"), release("c"), release("d"))
    assert [names(fact) for fact in facts.values()] == [["A-1", "A-2"], ["B-1"], ["C-1"], []]
    assert osv.sizes == [4, 2, 1]


def test_a_list_without_an_end_is_unknown_and_the_others_are_not(osv: Osv, listed: Callable[..., Any]) -> None:
    osv.endless = {"demo"}
    osv.lists = {"other": [[hit("GHSA-1")]]}
    facts = listed(DEMO, OTHER)
    assert isinstance(facts[DEMO], Unknown)
    assert f"no end after {MAX_PAGES} pages" in facts[DEMO].reason
    assert names(facts[OTHER]) == ["GHSA-1"]
    assert len(osv.sizes) == MAX_PAGES


def test_a_list_that_breaks_off_between_pages_is_unknown(osv: Osv, site: Site, listed: Callable[..., Any]) -> None:
    osv.lists = {"demo": [[hit("GHSA-1")], [hit("GHSA-2")]]}
    site.on(LISTS, osv.answer, {"status": 500})
    assert isinstance(listed(DEMO)[DEMO], Unknown)
    site.on(LISTS, osv.answer)
    assert names(listed(DEMO, now=NOW + COOLDOWN)[DEMO]) == ["GHSA-1", "GHSA-2"]


def test_one_bad_query_does_not_blind_the_rest(osv: Osv, listed: Callable[..., Any]) -> None:
    osv.refused = {"p637"}
    osv.lists = {f"p{n}": [[hit(f"GHSA-{n}")]] for n in range(1_000)}
    releases = [release(f"p{n}") for n in range(1_000)]
    facts = listed(*releases)
    unknown = [one.package.name for one, fact in facts.items() if not isinstance(fact, Found)]
    assert unknown == ["p637"]
    assert facts[release("p637")].reason.endswith("HTTP 400")
    assert all(names(facts[one]) == [f"GHSA-{n}"] for n, one in enumerate(releases) if n != 637)
    assert len(osv.sizes) <= 1 + 2 * 10


def test_a_refused_next_page_is_halved_too(osv: Osv, site: Site, listed: Callable[..., Any]) -> None:
    osv.lists = {name: [[hit(f"{name}-1")], [hit(f"{name}-2")]] for name in "abc"}

    def refusing(request: Request) -> Turn:
        tokens = [query.get("page_token") for query in json.loads(request.body)["queries"]]
        return {"status": 400} if "b:1" in tokens else osv.answer(request)

    site.on(LISTS, refusing)
    facts = listed(release("a"), release("b"), release("c"))
    assert [isinstance(fact, Found) for fact in facts.values()] == [True, False, True]
    assert names(facts[release("a")]) == ["a-1", "a-2"]


def test_a_server_that_refuses_everything_is_not_asked_about_each(site: Site, listed: Callable[..., Any]) -> None:
    site.on(LISTS, {"status": 400})
    facts = listed(*(release(f"p{n}") for n in range(1_000)))
    assert not any(isinstance(fact, Found) for fact in facts.values())
    assert len(site.requests) <= 2 * MAX_HALVINGS + 1


@pytest.mark.parametrize(
    "bad",
    [
        release(" "),
        release("de\nmo"),
        release("demo", ""),
        release("demo", "1\x00"),
    ],
)
def test_what_cannot_be_a_name_or_a_version_is_never_sent(osv: Osv, listed: Callable[..., Any], bad: Release) -> None:
    facts = listed(bad, OTHER)
    assert isinstance(facts[bad], Unknown)
    assert names(facts[OTHER]) == []
    assert osv.sizes == [1]


def test_an_ecosystem_that_osv_has_other_names_for_is_not_asked_about() -> None:
    strange = Release(package=Package(ecosystem="Go", name="demo"), version="1")  # type: ignore[arg-type]
    assert list(create_affecting_source().requests([strange], Endpoint(url="https://osv.example"))) == []


# --- faults --------------------------------------------------------------------------------------------------------


def test_a_server_that_is_busy_is_asked_again_when_it_says(osv: Osv, site: Site, listed: Callable[..., Any]) -> None:
    osv.lists = {"demo": [[hit("GHSA-1")]]}
    site.on(LISTS, {"status": 429, "headers": {"Retry-After": "0"}}, {"status": 503}, osv.answer)
    assert names(listed(DEMO)[DEMO]) == ["GHSA-1"]
    assert len(site.requests) == 3


GOOD = json.dumps({"results": [{"vulns": [hit("GHSA-1")]}]}).encode()


@pytest.mark.parametrize(
    "turn",
    [
        {"status": 500},
        {"status": 429, "headers": {"Retry-After": "3600"}},
        {"status": 403},
        {"status": 404, "body": {}},
        {"status": 204},
        {"hang": True},
        {"body": GOOD, "cut": 20},
        {"raw": b"garbage\r\n\r\n"},
        {"body": GOOD[:20]},
        {"body": b"<html>busy</html>"},
        {"body": []},
        {"body": {}},
        {"body": {"results": []}},
        {"body": {"results": [{}, {}]}},
        {"body": {"results": {}}},
        {"body": {"results": [None]}},
        {"body": {"results": [[]]}},
        {"body": {"results": [{"vulns": "GHSA-1"}]}},
        {"body": {"results": [{"vulns": [{"modified": "2026-05-01T00:00:00Z"}]}]}},
        {"body": {"results": [{"vulns": [{"id": "../../admin"}]}]}},
        {"body": {"results": [{"vulns": [{"id": "G" * 101}]}]}},
        {"body": {"results": [{"next_page_token": 7}]}},
        {"body": {"results": [{"next_page_token": "x" * 10_001}]}},
    ],
)
def test_an_answer_that_makes_no_sense_is_unknown_and_not_kept(
    osv: Osv, site: Site, listed: Callable[..., Any], turn: Turn
) -> None:
    site.on(LISTS, turn)
    fact = listed(DEMO, settings=HttpSettings(timeout=0.3, backoff=0.001))[DEMO]
    assert isinstance(fact, Unknown)
    assert fact.reason
    osv.lists = {"demo": [[hit("GHSA-1")]]}
    site.on(LISTS, osv.answer)
    assert names(listed(DEMO, now=NOW + COOLDOWN)[DEMO]) == ["GHSA-1"]


def test_one_result_that_makes_no_sense_does_not_spoil_the_others(site: Site, listed: Callable[..., Any]) -> None:
    site.on(LISTS, {"body": {"results": [None, {"vulns": [hit("GHSA-1")]}]}})
    facts = listed(DEMO, OTHER)
    assert isinstance(facts[DEMO], Unknown)
    assert names(facts[OTHER]) == ["GHSA-1"]


def test_a_plain_question_is_read_as_a_first_page() -> None:
    source = create_affecting_source()
    [question] = source.requests([DEMO], Endpoint(url="https://osv.example"))
    plain = type(question).__mro__[1](url=question.url, subjects=(DEMO,), endpoint=question.endpoint)
    assert list(source.parse(plain, Response(status=200, body=GOOD))) == [(DEMO, AdvisoryHits((("GHSA-1", MAY),)))]


# --- records -------------------------------------------------------------------------------------------------------


def test_a_thousand_packages_with_forty_advisories_take_forty_two_requests(
    osv: Osv, look_up: Callable[..., OsvAdvisories]
) -> None:
    for n in range(40):
        osv.record(f"GHSA-{n}", *(f"p{m}" for m in range(1_000)))
    osv.lists = {f"p{n}": [[hit(f"GHSA-{n % 40}")]] for n in range(1_000)}
    osv.past = osv.lists
    releases = [release(f"p{n}") for n in range(1_000)]
    found = look_up(*releases)
    assert all(
        [one.id for one in told(found.affecting[one_of])] == [f"GHSA-{n % 40}"] for n, one_of in enumerate(releases)
    )
    assert len(osv.site.requests) == 42
    assert set(osv.asked.values()) == {1, 2}


def test_records_are_kept_for_as_long_as_they_do_not_change(osv: Osv, look_up: Callable[..., OsvAdvisories]) -> None:
    osv.lists = {"demo": [[hit("GHSA-1")]]}
    osv.record("GHSA-1", summary="first")
    look_up(DEMO)
    look_up(DEMO, now=NOW + 300 * 24 * HOUR)
    assert osv.asked["/v1/vulns/GHSA-1"] == 1
    osv.lists = {"demo": [[hit("GHSA-1", MAY + 60)]]}
    osv.record("GHSA-1", modified=MAY + 60, summary="second")
    [advisory] = told(look_up(DEMO, now=NOW + 301 * 24 * HOUR).affecting[DEMO])
    assert advisory.summary == "second"
    assert osv.asked["/v1/vulns/GHSA-1"] == 2


def test_a_run_without_network_has_what_the_one_before_it_had(osv: Osv, look_up: Callable[..., OsvAdvisories]) -> None:
    osv.lists = {"demo": [[hit("GHSA-1")]]}
    osv.record("GHSA-1")
    online = look_up(DEMO)
    asked = len(osv.site.requests)
    assert look_up(DEMO, offline=True) == online
    assert len(osv.site.requests) == asked


def test_a_record_older_than_its_list_says_is_used_and_asked_for_again(
    osv: Osv, look_up: Callable[..., OsvAdvisories]
) -> None:
    osv.lists = {"demo": [[hit("GHSA-1", MAY + 60)]]}
    osv.record("GHSA-1", summary="old")
    [advisory] = told(look_up(DEMO).affecting[DEMO])
    assert advisory.summary == "old"
    osv.record("GHSA-1", modified=MAY + 60, summary="new")
    [advisory] = told(look_up(DEMO, now=NOW + 2 * HOUR).affecting[DEMO])
    assert advisory.summary == "new"


def test_a_record_that_is_only_old_is_better_than_none(
    osv: Osv, site: Site, look_up: Callable[..., OsvAdvisories]
) -> None:
    osv.lists = {"demo": [[hit("GHSA-1", MAY + 60)]]}
    site.on("/v1/vulns/GHSA-1", {"body": record("GHSA-1", summary="old")}, {"status": 404, "body": {}})
    [advisory] = told(look_up(DEMO).affecting[DEMO])
    assert advisory.summary == "old"


def test_a_list_without_times_has_its_records_asked_for_each_hour(
    osv: Osv, look_up: Callable[..., OsvAdvisories]
) -> None:
    osv.lists = {"demo": [[{"id": "GHSA-1"}]], "other": [[{"id": "GHSA-1", "modified": "yesterday"}]]}
    osv.record("GHSA-1", "demo", "other")
    for hours in (0, 0.5, 2):
        [advisory] = told(look_up(DEMO, OTHER, now=NOW + int(hours * HOUR)).affecting[DEMO])
        assert advisory.id == "GHSA-1"
    assert osv.asked["/v1/vulns/GHSA-1"] == 2


def test_where_lists_disagree_on_the_change_the_newest_counts(osv: Osv, look_up: Callable[..., OsvAdvisories]) -> None:
    osv.lists = {"demo": [[hit("GHSA-1", MAY - 60)]], "other": [[hit("GHSA-1", MAY)]]}
    osv.record("GHSA-1", "demo", "other")
    look_up(DEMO, OTHER)
    assert osv.asked["/v1/vulns/GHSA-1"] == 1


@pytest.mark.parametrize(
    "turn",
    [
        {"status": 404, "body": {"code": 5, "message": "not found"}},
        {"status": 410},
        {"status": 500},
        {"body": b"{"},
        {"body": {}},
        {"body": record("GHSA-2")},
        {"body": []},
    ],
)
def test_an_advisory_whose_record_cannot_be_had_still_affects_the_version(
    osv: Osv, site: Site, look_up: Callable[..., OsvAdvisories], turn: Turn
) -> None:
    osv.lists = {"demo": [[hit("GHSA-1")]]}
    site.on("/v1/vulns/GHSA-1", turn)
    [one] = match_advisories(told(look_up(DEMO).affecting[DEMO]), DEMO.package, "1.0")
    assert (one.id, one.severity, one.malware) == ("GHSA-1", "unknown", False)


def test_malware_whose_record_cannot_be_had_is_still_malware(osv: Osv, look_up: Callable[..., OsvAdvisories]) -> None:
    osv.lists = osv.past = {"demo": [[hit("MAL-2026-1")]]}
    found = look_up(DEMO)
    [one] = match_advisories(told(found.affecting[DEMO]), DEMO.package, "1.0")
    assert one.malware
    assert isinstance(found.recorded[DEMO.package], Unknown)


@pytest.mark.parametrize("about", ["another", "demo"])
def test_that_a_version_is_affected_is_for_the_list_to_say(
    osv: Osv, look_up: Callable[..., OsvAdvisories], about: str
) -> None:
    """The record names another package, or ends before the version."""
    fixed = release("demo", "2.5")
    osv.lists = {"demo": [[hit("GHSA-1")]]}
    osv.record("GHSA-1", about, database_specific={"severity": "HIGH"})
    [one] = match_advisories(told(look_up(fixed).affecting[fixed]), fixed.package, "2.5")
    assert (one.id, one.severity) == ("GHSA-1", "high")


def test_a_withdrawn_record_counts_for_nothing(osv: Osv, look_up: Callable[..., OsvAdvisories]) -> None:
    osv.lists = {"demo": [[hit("GHSA-1")]]}
    osv.record("GHSA-1", withdrawn=moment(MAY))
    assert match_advisories(told(look_up(DEMO).affecting[DEMO]), DEMO.package, "1.0") == ()


def test_a_version_nothing_is_listed_for_has_no_advisory(osv: Osv, look_up: Callable[..., OsvAdvisories]) -> None:
    found = look_up(DEMO)
    assert told(found.affecting[DEMO]) == told(found.recorded[DEMO.package]) == ()
    assert osv.sizes == [1, 1]


def test_of_the_past_only_malware_is_read_unless_more_is_wanted(
    osv: Osv, look_up: Callable[..., OsvAdvisories]
) -> None:
    osv.past = {"demo": [[hit("GHSA-1"), hit("MAL-2026-1")]]}
    osv.record("GHSA-1")
    osv.record("MAL-2026-1")
    assert [one.id for one in told(look_up(DEMO).recorded[DEMO.package])] == ["MAL-2026-1"]
    assert osv.asked["/v1/vulns/GHSA-1"] == 0
    everything = look_up(DEMO, every_record=True).recorded[DEMO.package]
    assert [one.id for one in told(everything)] == ["GHSA-1", "MAL-2026-1"]


def test_a_service_that_is_down_leaves_everything_unknown(site: Site, look_up: Callable[..., OsvAdvisories]) -> None:
    site.on(LISTS, {"status": 500})
    found = look_up(DEMO)
    assert isinstance(found.affecting[DEMO], Unknown)
    assert isinstance(found.recorded[DEMO.package], Unknown)


def test_a_changed_advisory_has_another_key() -> None:
    assert AdvisoryId(id="GHSA-1").key == "GHSA-1"
    assert AdvisoryId(id="GHSA-1", modified=7).key == "GHSA-1@7"


@pytest.mark.parametrize(
    ("turn", "words"),
    [({"status": 403}, "refused access (403)"), ({"status": 404}, "does not give out the record (HTTP 404)")],
)
def test_a_record_that_cannot_be_had_says_why(
    osv: Osv, site: Site, gatherer: Callable[..., FetchRun], turn: Turn, words: str
) -> None:
    osv.lists, osv.past = {"demo": [[hit("GHSA-1")]]}, {"demo": [[hit("GHSA-1")]]}
    site.on("/v1/vulns/GHSA-1", turn)
    said = fetch_advisories(gatherer(), [DEMO], [DEMO.package], Endpoint(url=site.url))
    fact = said.affecting[DEMO]
    assert isinstance(fact, Found)
    assert words in fact.value[0].summary
    assert said.incomplete == {DEMO.package}


# --- aliases ---------------------------------------------------------------------------------------------------------

CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]


def severities(found: OsvAdvisories, *releases: Release) -> list[tuple[str, str]]:
    return [
        (one.severity, one.severity_from)
        for of in releases or (DEMO,)
        for one in match_advisories(told(found.affecting[of]), of.package, of.version)
    ]


def test_a_record_without_a_severity_takes_that_of_any_alias(osv: Osv, look_up: Callable[..., OsvAdvisories]) -> None:
    osv.lists = {"demo": [[hit("PYSEC-1")]]}
    osv.record("PYSEC-1", aliases=["CVE-1"])
    osv.record("CVE-1", "another", severity=CRITICAL)
    assert severities(look_up(DEMO)) == [("critical", "alias CVE-1")]


def test_an_alias_that_osv_lacks_is_no_failure_and_is_asked_for_once(
    osv: Osv, gatherer: Callable[..., FetchRun], site: Site
) -> None:
    osv.lists = {"demo": [[hit("PYSEC-1")]]}
    osv.record("PYSEC-1", aliases=["CVE-1", "GHSA-1"])
    at = Endpoint(url=site.url)
    for _ in range(2):
        run = gatherer()
        assert severities(fetch_advisories(run, [DEMO], [DEMO.package], at)) == [("unknown", "")]
        assert [(source.state, source.reason) for source in run.summarise_sources()] == [("ok", "")]
    assert (osv.asked["/v1/vulns/CVE-1"], osv.asked["/v1/vulns/GHSA-1"]) == (1, 1)


def test_one_alias_is_asked_for_once_for_all_packages(osv: Osv, look_up: Callable[..., OsvAdvisories]) -> None:
    releases = [release(f"demo{number}") for number in range(20)]
    osv.lists = {one.package.name: [[hit(f"PYSEC-{one.package.name}")]] for one in releases}
    for one in releases:
        osv.record(f"PYSEC-{one.package.name}", one.package.name, aliases=["CVE-1"])
    osv.record("CVE-1", "another", aliases=["CVE-2"])
    osv.record("CVE-2", "another", aliases=["CVE-1"], severity=CRITICAL)
    assert severities(look_up(*releases), *releases) == [("critical", "alias CVE-2")] * 20
    assert (osv.asked["/v1/vulns/CVE-1"], osv.asked["/v1/vulns/CVE-2"]) == (1, 1)


@pytest.mark.parametrize("turn", [{"hang": True}, {"status": 500}, {"status": 403}])
def test_an_alias_that_cannot_be_had_is_a_failure_and_the_others_count(
    osv: Osv, site: Site, gatherer: Callable[..., FetchRun], turn: Turn
) -> None:
    osv.lists = {"demo": [[hit("PYSEC-1")]]}
    osv.record("PYSEC-1", aliases=["CVE-1", "GHSA-1"])
    site.on("/v1/vulns/GHSA-1", turn)
    osv.record("CVE-1", "another", severity=CRITICAL)
    run = gatherer(settings=HttpSettings(timeout=1, attempts=1, backoff=0.001))
    assert severities(fetch_advisories(run, [DEMO], [DEMO.package], Endpoint(url=site.url))) == [
        ("critical", "alias CVE-1")
    ]
    assert [source.state for source in run.summarise_sources()] == ["partial"]


def test_an_alias_published_later_counts_only_later(osv: Osv, site: Site, gatherer: Callable[..., FetchRun]) -> None:
    osv.lists = {"demo": [[hit("PYSEC-1")]]}
    osv.record("PYSEC-1", aliases=["CVE-1"], published=moment(MAY))
    osv.record("CVE-1", "another", severity=CRITICAL, published=moment(MAY + 10))
    at = Endpoint(url=site.url)
    for known_until, severity in ((MAY + 5, "unknown"), (MAY + 10, "critical")):
        found = fetch_advisories(gatherer(), [DEMO], [DEMO.package], at, known_until=known_until)
        assert [one for one, _ in severities(found)] == [severity]
