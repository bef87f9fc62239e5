from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.facts import Adoption, Fact, Found, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Package
from nerq_cli.sources import SOURCES
from nerq_cli.sources.endpoints import read_endpoint
from nerq_cli.sources.popularity.downloads import (
    collect_downloads,
)

if TYPE_CHECKING:
    from tests.conftest import Site, Turn

OpenRun = Callable[..., FetchRun]
NOBODY = Unknown("no downloads are counted for this name", "npm downloads")


def npm(name: str) -> Package:
    return Package(ecosystem=NPM, name=name)


def pypi(name: str) -> Package:
    return Package(ecosystem=PYPI, name=name)


@pytest.fixture
def told(open_run: OpenRun, site: Site) -> Callable[..., dict[Package, Fact[Adoption]]]:
    def ask(*packages: Package, **options: Any) -> dict[Package, Fact[Adoption]]:
        at = Endpoint(url=site.url)
        return collect_downloads(open_run(**options), packages, npm=at, pypistats=at)

    return ask


Told = Callable[..., dict[Package, Fact[Adoption]]]


def counted(fact: Fact[Adoption]) -> float | None:
    assert isinstance(fact, Found), fact
    return fact.value.downloads


def test_npm_counts_plain_names_in_bulk_and_scoped_ones_alone(told: Told, site: Site) -> None:
    site.on("/point/last-week/a,b,c", {"body": {"a": {"downloads": 5, "package": "a"}, "b": None}})
    site.on("/point/last-week/@acme/d", {"body": {"downloads": 0, "package": "@acme/d"}})
    facts = told(npm("a"), npm("@acme/d"), npm("b"), npm("c"))
    assert (counted(facts[npm("a")]), counted(facts[npm("@acme/d")])) == (5.0, 0.0)
    assert facts[npm("b")] == NOBODY
    assert facts[npm("c")] == Unknown("missing in the response", "npm downloads")


def test_no_more_than_128_names_are_asked_about_at_once(told: Told, site: Site) -> None:
    told(*(npm(f"p{number}") for number in range(129)))
    assert sorted(request.path.count(",") for request in site.requests) == [0, 127]


def test_a_single_name_nobody_counts_is_unknown(told: Told) -> None:
    assert told(npm("a"))[npm("a")] == NOBODY
    assert isinstance(told(pypi("a"))[pypi("a")], Unknown)


def test_pypistats_counts_the_recent_week(told: Told, site: Site) -> None:
    site.on("/packages/demo/recent?period=week", {"body": {"data": {"last_week": 70}, "package": "demo"}})
    assert counted(told(pypi("demo"))[pypi("demo")]) == 70.0


def test_the_first_429_ends_the_asking(told: Told, site: Site) -> None:
    some = [pypi(f"p{number}") for number in range(40)]
    for one in some:
        site.on(f"/packages/{one.name}/recent?period=week", {"status": 429, "headers": {"Retry-After": "0"}})
    facts = told(*some)
    assert all(isinstance(fact, Unknown) and "429" in fact.reason for fact in facts.values())
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    "turn", [{"status": 500}, {"hang": True}, {"body": b"<html>"}, {"body": []}, {"body": {"downloads": "many"}}]
)
def test_a_service_that_is_not_well_makes_it_unknown(told: Told, site: Site, turn: Turn) -> None:
    site.on("/point/last-week/a", turn)
    site.on("/packages/a/recent?period=week", turn)
    facts = told(npm("a"), pypi("a"), deadline_seconds=1.0)
    assert all(isinstance(fact, Unknown) for fact in facts.values())


def test_downloads_are_counted_beside_the_public_registries() -> None:
    assert read_endpoint("npm-downloads", {}).url.startswith("https://api.")
    assert read_endpoint("npm-downloads", {}).url.endswith("/downloads")
    assert read_endpoint("pypistats", {}).url == SOURCES["pypistats"].url


def test_the_addresses_can_be_configured() -> None:
    assert read_endpoint("npm-downloads", {"NERQ_NPM_DOWNLOADS_URL": "http://127.0.0.1:1"}).url == "http://127.0.0.1:1"
    assert read_endpoint("pypistats", {"NERQ_PYPISTATS_URL": "http://127.0.0.1:2"}).url == "http://127.0.0.1:2"
