from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from nerq_cli.facts import Fact, Found, Unknown
from nerq_cli.fetch.fetcher import Fetcher, HttpSettings
from nerq_cli.fetch.source import Endpoint
from nerq_cli.sources import SOURCES
from nerq_cli.sources.advisories.kev import Catalogue, fetch_catalogue
from nerq_cli.sources.endpoints import read_endpoints
from nerq_cli.store import MemoryCache

if TYPE_CHECKING:
    from tests.conftest import Site, Turn

NOW = 1_800_000_000
DAY = 86_400


def document(*cves: str, **more: object) -> dict[str, object]:
    entries = [{"cveID": cve, "vendorProject": "acme", "knownRansomwareCampaignUse": "Unknown"} for cve in cves]
    return {"catalogVersion": "2026.09.01", "count": len(cves), "vulnerabilities": entries, **more}


KNOWN = document("CVE-2026-1111", "CVE-2026-2222")


@pytest.fixture
def memory() -> MemoryCache:
    return MemoryCache()


@pytest.fixture
def ask(memory: MemoryCache, site: Site, other_site: Site) -> Iterator[Callable[..., Fact[Catalogue]]]:
    """Ask the site, and the other one as its mirror, in a run of its own."""
    opened: list[Fetcher] = []

    def ask_for_it(*, now: int = NOW, mirrored: bool = True, **options: Any) -> Fact[Catalogue]:
        manners = HttpSettings(timeout=0.3, backoff=0.001)
        opened.append(Fetcher(memory, settings=manners))
        run = opened[-1].open_run(now=now, deadline_seconds=10, **options)
        places = (Endpoint(url=f"{site.url}/kev"), Endpoint(url=f"{other_site.url}/copy"))
        return fetch_catalogue(run, places if mirrored else places[:1])

    yield ask_for_it
    for one in opened:
        one.close()


def cves(fact: Fact[Catalogue]) -> set[str]:
    assert isinstance(fact, Found), fact
    return set(fact.value.cves)


def test_a_place_that_the_environment_names_has_no_mirror() -> None:
    assert [one.url for one in read_endpoints({}).by_source["kev"]] == [SOURCES["kev"].url, *SOURCES["kev"].mirrors]
    assert [one.url for one in read_endpoints({"NERQ_KEV_URL": "https://kev.example/kev.json"}).by_source["kev"]] == [
        "https://kev.example/kev.json"
    ]


def test_the_whole_file_is_read_once_a_day(site: Site, other_site: Site, ask: Callable[..., Any]) -> None:
    site.on("/kev", {"body": KNOWN})
    fact = ask()
    assert cves(fact) == {"CVE-2026-1111", "CVE-2026-2222"}
    assert fact.value.version == "2026.09.01"
    assert ask(now=NOW + DAY - 1) == fact
    assert (len(site.requests), len(other_site.requests)) == (1, 0)


def test_a_file_that_has_not_changed_is_not_sent_again(site: Site, other_site: Site, ask: Callable[..., Any]) -> None:
    site.on("/kev", {"body": KNOWN, "headers": {"ETag": '"7"'}}, {"status": 304})
    before = ask()
    after = ask(now=NOW + DAY + 1)
    assert cves(after) == cves(before)
    assert after.retrieved_at == NOW + DAY + 1
    assert site.requests[1].headers["if-none-match"] == '"7"'
    assert other_site.requests == []


WHOLE = json.dumps(KNOWN).encode()
FAULTS: list[Turn] = [
    {"status": 403},
    {"status": 404},
    {"status": 500},
    {"status": 429, "headers": {"Retry-After": "3600"}},
    {"hang": True},
    {"body": WHOLE, "cut": 30},
    {"raw": b"garbage\r\n\r\n"},
    {"body": WHOLE[:30]},
    {"body": b"<html>Access denied</html>"},
    {"body": []},
    {"body": {}},
    {"body": document()},
    {"body": {"vulnerabilities": None}},
    {"body": {"vulnerabilities": {}}},
    {"body": document("CVE-2026-1111", count=2)},
    {"body": {"vulnerabilities": [{"cveID": "CVE-2026-1111"}, {"cve": "CVE-2026-2222"}]}},
]


@pytest.mark.parametrize("turn", FAULTS)
def test_a_site_that_fails_has_a_mirror(site: Site, other_site: Site, ask: Callable[..., Any], turn: Turn) -> None:
    site.on("/kev", turn)
    other_site.on("/copy", {"body": KNOWN})
    assert len(cves(ask())) == 2
    assert len(cves(ask())) == 2
    assert (len(site.requests), len(other_site.requests)) == (1, 1)


@pytest.mark.parametrize("turn", FAULTS)
@pytest.mark.parametrize("mirrored", [True, False])
def test_where_all_fail_nothing_is_known(
    site: Site, other_site: Site, ask: Callable[..., Any], turn: Turn, *, mirrored: bool
) -> None:
    site.on("/kev", turn)
    other_site.on("/copy", turn)
    fact = ask(mirrored=mirrored)
    assert isinstance(fact, Unknown)
    assert fact.reason
    assert bool(other_site.requests) == mirrored


def test_an_older_catalogue_does_where_all_fail_for_a_day(
    site: Site, other_site: Site, ask: Callable[..., Any]
) -> None:
    site.on("/kev", {"body": KNOWN}, {"status": 500})
    other_site.on("/copy", {"status": 500})
    assert cves(ask()) == cves(ask(now=NOW + 2 * DAY))
    assert isinstance(ask(now=NOW + 30 * DAY), Unknown)


def test_a_file_that_states_no_count_or_version_is_read_all_the_same(site: Site, ask: Callable[..., Any]) -> None:
    site.on("/kev", {"body": {"vulnerabilities": [{"cveID": "CVE-2026-1111"}]}})
    fact = ask()
    assert cves(fact) == {"CVE-2026-1111"}
    assert fact.value.version == ""
