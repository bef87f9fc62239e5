from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nerq_cli.facts import Fact, Found, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.github_facts import HostedRepository
from nerq_cli.inventory import RepositoryId
from nerq_cli.sources import SOURCES
from nerq_cli.sources.endpoints import read_endpoint
from nerq_cli.sources.repositories.github import (
    ANONYMOUS_LIMIT,
    NOT_REACHABLE,
    fetch_repositories,
    get_recent_commits,
)
from nerq_cli.store import MemoryCache, Store

if TYPE_CHECKING:
    from tests.conftest import Request, Site, Turn

NOW = 1_800_000_000  # 2027-01-15T08:00:00Z
DAY = 86_400
SINCE = NOW // DAY * DAY - 90 * DAY
TOKEN = "ghp_verysecret0123456789"  # noqa: S105 - not a real one
OpenRun = Callable[..., FetchRun]
Told = Callable[..., dict[RepositoryId, Fact[HostedRepository]]]


def repo(number: int) -> RepositoryId:
    return RepositoryId(id=f"github.com/acme/r{number}", spelling=f"github.com/Acme/r{number}")


A, B = repo(0), repo(1)


@pytest.fixture
def told(open_run: OpenRun, site: Site) -> Told:
    def ask(*about: RepositoryId, token: str = TOKEN, store: Any = None, **options: Any) -> Any:
        at = read_endpoint("github", {"NERQ_GITHUB_URL": site.url, "GH_TOKEN": token})
        return fetch_repositories(open_run(store, **options), about, at, as_of=NOW)

    return ask


def node(**said: Any) -> dict[str, Any]:
    return {"nameWithOwner": "Acme/r0", "stargazerCount": 9, **said}


def value(fact: Fact[HostedRepository]) -> HostedRepository:
    assert isinstance(fact, Found), fact
    return fact.value


def every_one(request: Request) -> Turn:
    variables = json.loads(request.body)["variables"]
    places = [name[1:] for name in variables if name.startswith("o")]
    return {"body": {"data": {f"r{i}": node(nameWithOwner=f"Acme/{variables[f'n{i}']}") for i in places}}}


# GraphQL


def test_fifty_repositories_go_in_one_query_with_names_as_variables(told: Told, site: Site) -> None:
    site.on("/graphql", every_one)
    facts = told(*(repo(number) for number in range(120)))
    assert [value(facts[repo(number)]).name for number in (0, 119)] == ["github.com/Acme/r0", "github.com/Acme/r119"]
    bodies = [json.loads(request.body) for request in site.requests]
    assert sorted(body["query"].count("repository(") for body in bodies) == [20, 50, 50]
    assert not any("acme" in body["query"].lower() for body in bodies)
    assert {body["variables"]["since"] for body in bodies} == {"2026-10-17T00:00:00Z"}


def test_what_a_repository_says_is_read(told: Told, site: Site) -> None:
    said = node(
        isArchived=True,
        isDisabled=False,
        isFork=False,
        forkCount=3,
        licenseInfo={"spdxId": "MIT"},
        isSecurityPolicyEnabled=True,
        openIssues={"totalCount": 4},
        openPulls={"totalCount": 1},
        closedIssues={"totalCount": 10},
        closedPulls={"totalCount": 5},
        readme={"byteSize": 800},
        npm={"text": '{"name": "@acme/demo"}'},
        python={"text": '[project]\nname = "Acme_Demo"'},
        defaultBranchRef={"target": {"committedDate": "2027-01-15T08:00:00Z", "history": {"totalCount": 12}}},
    )
    site.on("/graphql", {"body": {"data": {"r0": said}}})
    assert value(told(A)[A]) == HostedRepository(
        name="github.com/Acme/r0",
        archived=True,
        disabled=False,
        fork=False,
        stars=9,
        forks=3,
        licence="MIT",
        security_policy=True,
        open_issues=4,
        open_items=5,
        closed_items=15,
        last_commit=NOW,
        commits=12,
        since=SINCE,
        readme=800,
        packages=("npm/@acme/demo", "pypi/acme-demo"),
    )


def test_fields_of_any_other_shape_are_not_read(told: Told, site: Site) -> None:
    odd = dict.fromkeys(("stargazerCount", "isArchived", "openIssues", "npm", "defaultBranchRef", "nameWithOwner"), 1.5)
    manifests = {"npm": {"text": "{"}, "python": {"text": "= no"}}
    site.on("/graphql", {"body": {"data": {"r0": odd, "r1": node(**manifests)}}})
    facts = told(A, B)
    assert value(facts[A]) == HostedRepository(name="github.com/Acme/r0", since=SINCE)
    assert value(facts[B]).packages == ()


def test_a_project_of_poetry_names_its_package_too(told: Told, site: Site) -> None:
    site.on("/graphql", {"body": {"data": {"r0": node(python={"text": '[tool.poetry]\nname = "demo"'})}}})
    assert value(told(A)[A]).packages == ("pypi/demo",)


def test_a_repository_that_is_not_found_may_be_private(told: Told, site: Site) -> None:
    errors = [{"type": "NOT_FOUND", "path": ["r1"]}]
    site.on("/graphql", {"body": {"data": {"r0": node(), "r1": None}, "errors": errors}})
    facts = told(A, B)
    assert value(facts[A]).stars == 9
    assert facts[B] == NOT_REACHABLE


def test_another_error_about_one_says_nothing_of_it(told: Told, site: Site) -> None:
    errors = [{"type": "FORBIDDEN", "path": ["r0"]}, {"type": "NOT_FOUND", "path": [3]}]
    site.on("/graphql", {"body": {"data": {"r0": None}, "errors": errors}})
    fact = told(A)[A]
    assert isinstance(fact, Unknown)
    assert fact != NOT_REACHABLE


def test_a_rate_limit_ends_the_asking(told: Told, site: Site, open_run: OpenRun) -> None:
    site.on("/graphql", {"body": {"data": None, "errors": [{"type": "RATE_LIMITED"}]}})
    run = open_run()
    at = read_endpoint("github", {"NERQ_GITHUB_URL": site.url, "GITHUB_TOKEN": TOKEN})
    for one in (A, B):
        fact = fetch_repositories(run, [one], at, as_of=NOW)[one]
        assert isinstance(fact, Unknown)
        assert "the rate limit is reached" in fact.reason
    assert len(site.requests) == 1


@pytest.mark.parametrize("status", [502, 504])
def test_a_query_that_takes_too_long_is_halved(told: Told, site: Site, status: int) -> None:
    def slow(request: Request) -> Turn:
        many = json.loads(request.body)["query"].count("repository(") > 10
        return {"status": status} if many else every_one(request)

    site.on("/graphql", slow)
    facts = told(*(repo(number) for number in range(20)))
    assert [value(fact).name for fact in facts.values()] == [f"github.com/Acme/r{number}" for number in range(20)]
    assert len(site.requests) == 3


@pytest.mark.parametrize(
    "turn",
    [
        {"status": 500},
        {"status": 404},
        {"status": 502},
        {"hang": True},
        {"body": b"<html>"},
        {"body": []},
        {"body": {}},
        {"body": {"data": 5}},
        {"body": {"data": {"r0": 7}}},
    ],
)
def test_a_service_that_is_not_well_makes_it_unknown(told: Told, site: Site, turn: Turn) -> None:
    site.on("/graphql", turn)
    fact = told(A, deadline_seconds=1.0)[A]
    assert isinstance(fact, Unknown)
    assert fact != NOT_REACHABLE


# Tokens


@pytest.mark.parametrize("status", [401, 403])
def test_a_bad_token_is_neither_told_nor_kept_nor_used_on(
    told: Told,
    site: Site,
    status: int,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    site.on("/graphql", {"status": status, "body": {"message": "Bad credentials"}})
    store = Store(tmp_path / "cache", now=NOW)
    facts = told(*(repo(number) for number in range(200)), store=store)
    store.close()
    reasons = {fact.reason for fact in facts.values() if isinstance(fact, Unknown)}
    assert all("check the credentials" in reason for reason in reasons)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    captured = capfd.readouterr()
    assert TOKEN not in str(reasons) + captured.out + captured.err + caplog.text + repr(facts)
    assert TOKEN.encode() not in kept


def test_a_good_token_is_sent_and_not_kept(told: Told, site: Site, tmp_path: Path) -> None:
    site.on("/graphql", every_one)
    store = Store(tmp_path / "cache", now=NOW)
    told(A, store=store)
    store.close()
    assert site.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(TOKEN.encode() in content for content in files)
    assert TOKEN not in repr(read_endpoint("github", {"GITHUB_TOKEN": TOKEN}))


def test_the_token_follows_no_redirect_to_another_host(told: Told, site: Site, other_site: Site) -> None:
    site.on("/graphql", {"status": 307, "headers": {"Location": f"{other_site.url}/graphql"}})
    assert isinstance(told(A)[A], Unknown)
    assert not other_site.requests


def test_answers_are_not_shared_between_tokens(told: Told, site: Site) -> None:
    site.on("/graphql", every_one)
    store = MemoryCache()
    assert isinstance(told(A, store=store)[A], Found)
    assert isinstance(told(A, store=store, offline=True)[A], Found)
    assert isinstance(told(A, store=store, token="another", offline=True)[A], Unknown)  # noqa: S106 - not a real one
    assert isinstance(told(A, store=store, token="", offline=True)[A], Unknown)


@pytest.mark.parametrize("token", ["", "  ", "two\nlines", "å"])
def test_what_cannot_be_a_token_is_none(token: str) -> None:
    assert not read_endpoint("github", {"GITHUB_TOKEN": token}).headers


def test_the_address_can_be_configured() -> None:
    assert read_endpoint("github", {}).url == SOURCES["github"].url
    assert (
        read_endpoint("github", {"GITHUB_TOKEN": "a"}).identity != read_endpoint("github", {"GH_TOKEN": "b"}).identity
    )


# REST


def test_without_a_token_repositories_are_asked_about_one_by_one(told: Told, site: Site) -> None:
    said = {"full_name": "Acme/r0", "archived": True, "stargazers_count": 3, "open_issues_count": 2, "license": None}
    site.on("/repos/Acme/r0", {"body": said})
    expected = HostedRepository(name="github.com/Acme/r0", archived=True, stars=3, open_items=2)
    facts = told(A, B, token="")
    assert value(facts[A]) == expected
    assert facts[B] == NOT_REACHABLE


def test_a_repository_that_was_taken_down_is_known_to_be(told: Told, site: Site) -> None:
    site.on("/repos/Acme/r0", {"status": 451})
    assert value(told(A, token="")[A]) == HostedRepository(name="github.com/Acme/r0", taken_down=True)


def test_a_moved_repository_is_followed_and_renamed(told: Told, site: Site) -> None:
    site.on("/repos/Acme/r0", {"status": 301, "headers": {"Location": "/repositories/7"}})
    site.on("/repositories/7", {"body": {"full_name": "New/name"}})
    assert value(told(A, token="")[A]).name == "github.com/New/name"


def test_no_more_is_asked_than_an_hour_allows(told: Told, site: Site) -> None:
    facts = told(*(repo(number) for number in range(ANONYMOUS_LIMIT + 1)), token="")
    assert len(site.requests) == ANONYMOUS_LIMIT
    last = facts[repo(ANONYMOUS_LIMIT)]
    assert isinstance(last, Unknown)
    assert "GITHUB_TOKEN" in last.reason


def test_a_refusal_ends_the_asking(told: Told, site: Site) -> None:
    for number in range(40):
        site.on(f"/repos/Acme/r{number}", {"status": 403, "headers": {"X-RateLimit-Remaining": "0"}})
    facts = told(*(repo(number) for number in range(40)), token="")
    assert len(set(facts.values())) == 1  # whichever were sent
    assert isinstance(facts[repo(0)], Unknown)
    assert len(site.requests) <= 16


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}"])
def test_garbage_is_unknown(told: Told, site: Site, body: bytes) -> None:
    site.on("/repos/Acme/r0", {"body": body})
    fact = told(A, token="")[A]
    assert isinstance(fact, Unknown)
    assert fact != NOT_REACHABLE


def test_other_hosts_are_not_asked_about(told: Told, site: Site) -> None:
    elsewhere = RepositoryId(id="gitlab.com/a/b")
    assert told(elsewhere)[elsewhere] == Unknown("not on GitHub", "GitHub")
    assert not site.requests


def test_commits_count_only_for_the_time_they_were_counted_for() -> None:
    hosted = HostedRepository(name="x", commits=5, since=SINCE)
    assert get_recent_commits(hosted, NOW + 5 * DAY) == 5
    assert get_recent_commits(hosted, NOW + 60 * DAY) is None
