from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.facts import Found, Scorecard, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Package, Release, RepositoryId
from nerq_cli.sources import SOURCES
from nerq_cli.sources.deps_dev import (
    MAX_BATCH_REQUESTS,
    REPOSITORIES,
    VERSIONS,
    Attestation,
    RelatedRepository,
    RepositoryInfo,
    VersionFindings,
    VersionInfo,
    collect_repositories,
    collect_versions,
)
from nerq_cli.sources.endpoints import read_endpoint
from nerq_cli.sources.scorecard_results import parse_scorecard
from nerq_cli.sources.text import parse_count
from nerq_cli.store import MemoryCache

if TYPE_CHECKING:
    from tests.conftest import Request, Site, Turn

MAY = 1_777_593_600  # 2026-05-01T00:00:00Z
DEMO = RepositoryId(id="github.com/acme/demo", spelling="github.com/Acme/Demo")
OpenRun = Callable[..., FetchRun]


def release(name: str, version: str = "1.0.0") -> Release:
    return Release(package=Package(ecosystem=NPM, name=name), version=version)


A, B, C = release("a"), release("@acme/b"), release("c")
BATCHES = "/v3alpha/versionbatch"
PROJECT_BATCHES = "/v3alpha/projectbatch"


def key(subject: Release) -> dict[str, str]:
    return {"system": "NPM", "name": subject.package.name, "version": subject.version}


def response(subject: Release, **said: Any) -> dict[str, Any]:
    return {"request": {"versionKey": key(subject)}, "version": {"versionKey": key(subject), **said}}


def unindexed(subject: Release) -> dict[str, Any]:
    return {"request": {"versionKey": key(subject)}}


def one_by_one(subject: Release) -> str:
    return f"/v3/systems/npm/packages/{subject.package.url_segment}/versions/{subject.version}"


def licences(fact: object) -> tuple[str, ...]:
    assert isinstance(fact, Found), fact
    assert isinstance(fact.value, VersionInfo)
    return fact.value.licences


def asked(site: Site, path: str) -> list[Any]:
    return [json.loads(request.body) for request in site.requests if request.path == path]


# The batch


def test_many_versions_cost_one_request_and_are_matched_by_what_is_echoed(open_run: OpenRun, site: Site) -> None:
    site.on(BATCHES, {"body": {"responses": [response(B, licenses=["MIT"]), response(A, licenses=["ISC"])]}})
    facts = collect_versions(open_run(), [A, B], Endpoint(url=site.url))
    assert (licences(facts[A]), licences(facts[B])) == (("ISC",), ("MIT",))
    assert len(site.requests) == 1


def test_pages_are_asked_for_with_the_same_requests_and_the_token(open_run: OpenRun, site: Site) -> None:
    site.on(
        BATCHES,
        {"body": {"responses": [response(A, licenses=["MIT"])], "nextPageToken": "t1"}},
        {"body": {"responses": [response(B, licenses=["ISC"])], "nextPageToken": "t2"}},
        {"body": {"responses": [response(C, licenses=["0BSD"])]}},
    )
    run = open_run()
    facts = collect_versions(run, [A, B, C], Endpoint(url=site.url))
    assert [licences(facts[one]) for one in (A, B, C)] == [("MIT",), ("ISC",), ("0BSD",)]
    first, second, third = asked(site, BATCHES)
    assert first["requests"] == second["requests"] == third["requests"]
    assert [body.get("pageToken") for body in (first, second, third)] == [None, "t1", "t2"]
    [report] = run.summarise_sources()
    assert (report.state, report.requested, report.received, report.requests) == ("ok", 3, 3, 3)


def test_a_token_that_never_ends_is_not_followed_for_ever(open_run: OpenRun, site: Site) -> None:
    site.on(BATCHES, {"body": {"responses": [response(A)], "nextPageToken": "again"}})
    facts = collect_versions(open_run(), [A, B], Endpoint(url=site.url))
    assert isinstance(facts[A], Found)
    assert isinstance(facts[B], Unknown)
    assert len(site.requests) == 2


def test_a_page_that_fails_leaves_only_the_rest_unknown(open_run: OpenRun, site: Site) -> None:
    site.on(BATCHES, {"body": {"responses": [response(A)], "nextPageToken": "t1"}}, {"status": 500})
    run = open_run()
    facts = collect_versions(run, [A, B], Endpoint(url=site.url))
    assert isinstance(facts[A], Found)
    rest = facts[B]
    assert isinstance(rest, Unknown)
    assert "HTTP 500" in rest.reason
    assert run.summarise_sources()[0].state == "partial"


def test_a_partial_page_leaves_the_missing_unknown(open_run: OpenRun, site: Site) -> None:
    site.on(BATCHES, {"body": {"responses": [response(A)]}})
    assert isinstance(collect_versions(open_run(), [A, B], Endpoint(url=site.url))[B], Unknown)


def test_what_is_not_indexed_is_unknown_and_not_asked_again_at_once(open_run: OpenRun, site: Site) -> None:
    site.on(BATCHES, {"body": {"responses": [unindexed(A)]}})
    store = MemoryCache()
    for _ in range(2):
        fact = collect_versions(open_run(store), [A], Endpoint(url=site.url))[A]
        assert fact == Unknown("not indexed by deps.dev", "deps.dev")
    assert len(site.requests) == 1


def test_no_batch_is_larger_than_the_service_takes(open_run: OpenRun, site: Site) -> None:
    def answered(request: Request) -> Turn:
        said = [{"request": one, "version": one} for one in json.loads(request.body)["requests"]]
        return {"body": {"responses": said}}

    site.on(BATCHES, answered)
    some = [release(f"p{number}") for number in range(MAX_BATCH_REQUESTS + 1)]
    facts = collect_versions(open_run(), some, Endpoint(url=site.url))
    assert all(isinstance(fact, Found) for fact in facts.values())
    assert sorted(len(body["requests"]) for body in asked(site, BATCHES)) == [1, MAX_BATCH_REQUESTS]


# Without the batch


@pytest.mark.parametrize(
    "turn",
    [
        {"status": 404, "body": b"not found"},
        {"status": 410},
        {"status": 400, "body": {"error": "no such field"}},
        {"body": b"<html>"},
        {"body": []},
        {"body": {"responses": "none"}},
        {"body": {}},
    ],
)
def test_the_stable_endpoint_answers_where_the_batch_does_not(open_run: OpenRun, site: Site, turn: Turn) -> None:
    site.on(BATCHES, turn)
    site.on(one_by_one(A), {"body": {"versionKey": key(A), "licenses": ["MIT"]}})
    site.on(one_by_one(B), {"body": {"versionKey": key(B), "licenses": ["ISC"]}})
    store = MemoryCache()
    facts = collect_versions(open_run(store), [A, B, C], Endpoint(url=site.url))
    assert (licences(facts[A]), licences(facts[B])) == (("MIT",), ("ISC",))
    assert facts[C] == Unknown("not indexed by deps.dev", "deps.dev")
    assert site.requests[-1].path.startswith("/v3/")
    offline = collect_versions(open_run(store, offline=True), [A], Endpoint(url=site.url))
    assert licences(offline[A]) == ("MIT",)


def test_a_server_that_answers_404_to_everything_is_not_deps_dev(open_run: OpenRun, site: Site) -> None:
    site.on(BATCHES, {"status": 404})
    releases, store = [release(f"p{number}") for number in range(30)], MemoryCache()
    for _ in range(2):
        run = open_run(store)
        facts = collect_versions(run, releases, Endpoint(url=site.url))
        assert all(isinstance(fact, Unknown) and "does not answer batches" in fact.reason for fact in facts.values())
        [summary] = run.summarise_sources()
        assert (summary.state, summary.received, summary.from_cache, summary.oldest) == ("unavailable", 0, 0, None)
    assert len([request for request in site.requests if request.path.startswith("/v3/")]) == 8


def test_a_server_with_a_stable_endpoint_has_no_repository_where_it_answers_404(open_run: OpenRun, site: Site) -> None:
    site.on(BATCHES, {"status": 404})
    site.on(PROJECT_BATCHES, {"status": 404})
    site.on(one_by_one(A), {"body": {"versionKey": key(A)}})
    run = open_run()
    collect_versions(run, [A], Endpoint(url=site.url))
    facts = collect_repositories(run, [DEMO], Endpoint(url=site.url))
    assert facts[DEMO] == Unknown("not indexed by deps.dev", "deps.dev")


def test_a_subject_after_the_tried_ones_is_found_where_one_of_them_is(open_run: OpenRun, site: Site) -> None:
    site.on(BATCHES, {"status": 404})
    releases = [release(f"p{number}") for number in range(30)]
    for number in (7, 29):
        site.on(one_by_one(releases[number]), {"body": {"versionKey": key(releases[number])}})
    facts = collect_versions(open_run(), releases, Endpoint(url=site.url))
    assert [number for number in range(30) if isinstance(facts[releases[number]], Found)] == [7, 29]
    assert facts[releases[0]] == facts[releases[28]] == Unknown("not indexed by deps.dev", "deps.dev")


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b"\xff\xfe", b'{"versionKey": 1}'])
def test_garbage_from_the_stable_endpoint_is_unknown(open_run: OpenRun, site: Site, body: bytes) -> None:
    site.on(BATCHES, {"status": 404})
    site.on(one_by_one(A), {"body": body})
    assert isinstance(collect_versions(open_run(), [A], Endpoint(url=site.url))[A], Unknown)


@pytest.mark.parametrize("turn", [{"status": 429}, {"status": 500}, {"hang": True}, {"raw": b"nonsense\r\n\r\n"}])
def test_a_service_that_is_not_well_is_not_asked_one_by_one(open_run: OpenRun, site: Site, turn: Turn) -> None:
    site.on(BATCHES, turn)
    fact = collect_versions(open_run(deadline_seconds=1.0), [A], Endpoint(url=site.url))[A]
    assert isinstance(fact, Unknown)
    assert {request.path for request in site.requests} == {BATCHES}


def test_nothing_is_asked_about_nothing(open_run: OpenRun, site: Site) -> None:
    assert collect_versions(open_run(), [], Endpoint(url=site.url)) == {}
    assert not site.requests


# What a version says


def version_of(open_run: OpenRun, site: Site, **said: Any) -> VersionInfo:
    site.on(BATCHES, {"body": {"responses": [response(A, **said)]}})
    fact = collect_versions(open_run(), [A], Endpoint(url=site.url))[A]
    assert isinstance(fact, Found)
    return fact.value


def test_a_version_tells_what_it_is_made_of(open_run: OpenRun, site: Site) -> None:
    version = version_of(
        open_run,
        site,
        licenses=["MIT", "non-standard", 3],
        publishedAt="2026-05-01T00:00:00Z",
        isDeprecated=True,
        deprecatedReason="use \x1b[31mb",
        links=[{"label": "HOMEPAGE", "url": "https://demo.example"}, {"label": "X", "url": "javascript:1"}, 7],
        attestations=[{"verified": True, "sourceRepository": "https://github.com/Acme/Demo"}],
        slsaProvenances=[{"sourceRepository": "nonsense", "verified": False}],
        relatedProjects=[
            {
                "projectKey": {"id": "github.com/acme/demo"},
                "relationProvenance": "UNVERIFIED_METADATA",
                "relationType": "SOURCE_REPO",
            },
            {"projectKey": "?"},
        ],
    )
    assert version == VersionInfo(
        licences=("MIT", "non-standard"),
        published=MAY,
        deprecated=True,
        deprecated_reason="use b",
        links=(("HOMEPAGE", "https://demo.example"),),
        attestations=(Attestation(verified=True, repository="github.com/Acme/Demo"), Attestation()),
        related=(RelatedRepository("github.com/acme/demo", "UNVERIFIED_METADATA", "SOURCE_REPO"),),
    )
    assert version.verified_repository == "github.com/Acme/Demo"


def test_fields_of_any_other_shape_say_nothing(open_run: OpenRun, site: Site) -> None:
    fields = ("licenses", "publishedAt", "isDeprecated", "links", "attestations", "relatedProjects")
    assert version_of(open_run, site, **dict.fromkeys(fields, 5)) == VersionInfo()


def test_unverified_metadata_proves_nothing() -> None:
    named = RelatedRepository("github.com/acme/demo", "UNVERIFIED_METADATA", "SOURCE_REPO")
    claimed = VersionInfo(related=(named,), attestations=(Attestation(verified=False, repository="github.com/a/b"),))
    assert (claimed.verified_repository, claimed.declared_repository) == ("", "github.com/acme/demo")


@pytest.mark.parametrize("provenance", ["SLSA_ATTESTATION", "PYPI_PUBLISH_ATTESTATION"])
def test_an_attestation_proves_the_source(provenance: str) -> None:
    assert VersionInfo(
        related=(RelatedRepository("github.com/acme/demo", provenance, "SOURCE_REPO"),)
    ).verified_repository
    assert not VersionInfo(
        related=(RelatedRepository("github.com/acme/demo", provenance, "ISSUE_TRACKER"),)
    ).verified_repository


def test_a_link_to_the_source_declares_it() -> None:
    assert (
        VersionInfo(links=(("SOURCE_REPO", "git+https://github.com/Acme/Demo.git"),)).declared_repository
        == "github.com/Acme/Demo"
    )


# Projects


def project(**said: Any) -> dict[str, Any]:
    return {"projectKey": {"id": "github.com/acme/demo"}, **said}


def test_a_project_is_found_under_either_spelling(open_run: OpenRun, site: Site) -> None:
    def answered(request: Request) -> Turn:
        given, lower = json.loads(request.body)["requests"]
        return {"body": {"responses": [{"request": lower, "project": project(starsCount=9)}, {"request": given}]}}

    site.on(PROJECT_BATCHES, answered)
    fact = collect_repositories(open_run(), [DEMO], Endpoint(url=site.url))[DEMO]
    assert isinstance(fact, Found)
    assert fact.value == RepositoryInfo(stars=9)


def test_two_spellings_on_two_pages_are_still_one_repository(open_run: OpenRun, site: Site) -> None:
    given, lower = ({"projectKey": {"id": one}} for one in (DEMO.spelling, DEMO.id))
    site.on(
        PROJECT_BATCHES,
        {
            "body": {
                "responses": [
                    {"request": given},
                    {"request": {"projectKey": {"id": "github.com/b/b"}}, "project": project()},
                ],
                "nextPageToken": "t",
            }
        },
        {"body": {"responses": [{"request": lower, "project": project(starsCount="7")}]}},
    )
    other = RepositoryId(id="github.com/b/b")
    fact = collect_repositories(open_run(), [other, DEMO], Endpoint(url=site.url))[DEMO]
    assert isinstance(fact, Found)
    assert fact.value.stars == 7


def test_projects_fall_back_to_the_stable_endpoint(open_run: OpenRun, site: Site) -> None:
    site.on("/v3/projects/github.com%2FAcme%2FDemo", {"body": project(starsCount="12", license="MIT", forksCount=2)})
    fact = collect_repositories(open_run(), [DEMO], Endpoint(url=site.url))[DEMO]
    assert isinstance(fact, Found)
    assert fact.value == RepositoryInfo(stars=12, forks=2, licence="MIT")


def test_other_hosts_are_not_asked_about(open_run: OpenRun, site: Site) -> None:
    elsewhere = RepositoryId(id="git.acme.example/a/b")
    assert isinstance(collect_repositories(open_run(), [elsewhere], Endpoint(url=site.url))[elsewhere], Unknown)
    assert not site.requests


def test_a_check_without_a_score_has_zero_and_a_negative_one_did_not_run(open_run: OpenRun, site: Site) -> None:
    checks = [{"name": "Code-Review"}, {"name": "Maintained", "score": -1}, {"name": "License", "score": 10}, {}]
    said = {"date": "2026-05-01T00:00:00Z", "checks": checks}
    site.on("/v3/projects/github.com%2FAcme%2FDemo", {"body": project(scorecard=said)})
    fact = collect_repositories(open_run(), [DEMO], Endpoint(url=site.url))[DEMO]
    assert isinstance(fact, Found)
    assert fact.value.scorecard == Scorecard("github.com/acme/demo", MAY, {"Code-Review": 0, "License": 10})


@pytest.mark.parametrize("said", [None, [], {}, {"date": "x", "checks": [{"name": "A"}]}, {"date": "2026-05-01"}])
def test_a_scorecard_without_date_or_checks_is_none(said: object) -> None:
    assert parse_scorecard(DEMO, said, omits_zero=True) is None


@pytest.mark.parametrize(
    ("said", "meant"), [(3, 3), ("3", 3), (0, 0), (-1, None), (True, None), (1.5, None), ("x", None), (None, None)]
)
def test_numbers_may_be_strings(said: object, meant: int | None) -> None:
    assert parse_count(said) == meant


# Where


def test_the_address_can_be_configured() -> None:
    assert read_endpoint("deps-dev", {}).url == SOURCES["deps-dev"].url
    assert read_endpoint("deps-dev", {"NERQ_DEPS_DEV_URL": "http://127.0.0.1:1/x/"}).url == "http://127.0.0.1:1/x"


def test_python_versions_are_asked_about_as_pypi() -> None:
    python = Release(package=Package(ecosystem=PYPI, name="demo"), version="1.0")
    [question] = VERSIONS.requests([python], Endpoint(url=""))
    assert b'"system":"PYPI"' in (question.body or b"")


def test_a_batch_of_projects_counts_both_spellings() -> None:
    many = [
        RepositoryId(id=f"github.com/a/r{n}", spelling=f"github.com/A/r{n}") for n in range(MAX_BATCH_REQUESTS // 2 + 1)
    ]
    assert [len(question.subjects) for question in REPOSITORIES.requests(many, Endpoint(url=""))] == [
        MAX_BATCH_REQUESTS // 2,
        1,
    ]


@pytest.mark.parametrize(
    "stored", [b"{}", b'{"default":""}', b'{"default":"","maliciout":true}', b'{"malicious":true}']
)
def test_stored_findings_that_lack_a_conclusion_cannot_be_read(stored: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(stored, type=VersionFindings)
    whole = VersionFindings("", malicious=False)
    assert msgspec.json.decode(msgspec.json.encode(whole), type=VersionFindings) == whole
