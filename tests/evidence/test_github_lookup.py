"""The facts about repositories on GitHub, collected from stand-ins for GitHub, deps.dev, Scorecard and OSV."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from nerq_cli.evidence.github_lookup import PRIVATE_NAME, GithubLookup
from nerq_cli.evidence.service_lookup import ServiceLookup
from nerq_cli.facts import Absent, Found, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.github_facts import GithubEvidence
from nerq_cli.inventory import Package
from nerq_cli.sources.endpoints import read_endpoints
from nerq_cli.units import DAY
from tests.conftest import NOW

if TYPE_CHECKING:
    from tests.conftest import Request, Site, Turn

OpenRun = Callable[..., FetchRun]
SHA = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "ghp_OfNobody"  # noqa: S105 - of nobody


def repository(name: str = "acme/demo") -> Package:
    return Package(ecosystem="github", name=name)


def format_time(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def list_commits(*ages: float) -> Any:
    """Return commits of these ages in days."""
    return [{"sha": SHA, "commit": {"committer": {"date": format_time(int(NOW - age * DAY))}}} for age in ages]


@pytest.fixture
def github(site: Site) -> Site:
    """Answer about every repository, and echo what deps.dev and OSV are asked."""

    def answer(request: Request) -> Turn:
        path = request.path.partition("?")[0]
        if path == "/deps_dev/v3alpha/projectbatch":
            return {"body": {"responses": [{"request": one} for one in json.loads(request.body)["requests"]]}}
        if path == "/osv/v1/querybatch":
            return {"body": {"results": [{} for _ in json.loads(request.body)["queries"]]}}
        if path == "/github/graphql":
            variables = json.loads(request.body)["variables"]
            places = [name[1:] for name in variables if name.startswith("o")]
            nodes = {f"r{i}": {"nameWithOwner": f"acme/{variables[f'n{i}']}", "isPrivate": False} for i in places}
            return {"body": {"data": nodes}}
        return answer_about_one(path)

    def answer_about_one(path: str) -> Turn:
        if path.endswith("/commits"):
            return {"body": list_commits(1)}
        if path.endswith("/contents"):
            return {"body": [{"name": "README.md", "type": "file", "size": 10}]}
        if path.startswith("/github/repos/"):
            return {"body": {"full_name": path.removeprefix("/github/repos/"), "private": False}}
        return {"status": 404}

    site.serve_all(answer)
    return site


@pytest.fixture
def look_up(open_run: OpenRun, github: Site) -> Callable[..., Any]:
    def ask(*targets: tuple[Package, str], token: str = "", configured: bool = True, **options: Any) -> Any:
        names = ("GITHUB", "DEPS_DEV", "SCORECARD", "OSV", "KEV", "EPSS")
        environ = {f"NERQ_{name}_URL": f"{github.url}/{name.lower()}" for name in names}
        endpoints = read_endpoints({**environ, **({"GITHUB_TOKEN": token} if token else {})})
        if not configured:
            endpoints = type(endpoints)(**{**_fields(endpoints), "configured": frozenset()})
        services = ServiceLookup(open_run(), endpoints, is_public=lambda _: True)
        return GithubLookup(services, as_of=NOW, **{"is_private": lambda _: False, **options}).collect(targets)

    return ask


def _fields(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def paths(site: Site) -> list[str]:
    return sorted(request.path for request in site.requests)


def test_a_repository_takes_three_requests_to_github_without_a_token(look_up: Any, github: Site) -> None:
    evidence = look_up((repository(), ""))[repository(), ""]
    assert isinstance(evidence.revision, Found)
    assert evidence.revision.value.commit == SHA
    assert [path for path in paths(github) if path.startswith("/github/")] == [
        "/github/repos/acme/demo",
        "/github/repos/acme/demo/commits?per_page=20",
        f"/github/repos/acme/demo/contents?ref={SHA}",
    ]
    assert isinstance(evidence.repository, Found)
    assert (evidence.repository.value.commits_90d, evidence.repository.value.link_status) == (1, "attested")
    assert evidence.advisories.value == ()


def test_revisions_of_one_repository_share_what_is_about_it(look_up: Any, github: Site) -> None:
    targets = [(repository(), revision) for revision in ("", "v1", SHA)]
    evidence = look_up(*targets, token=TOKEN)
    assert list(evidence) == targets
    requests = paths(github)
    assert requests.count("/github/graphql") == 1
    assert sum("/contents" in path for path in requests) == 1
    assert sum("/commits" in path for path in requests) == 3


def test_many_repositories_are_one_query_of_each_batch_service(look_up: Any, github: Site) -> None:
    look_up(*((repository(f"acme/r{number}"), SHA) for number in range(50)), token=TOKEN)
    requests = paths(github)
    assert [requests.count(f"/{path}") for path in ("github/graphql", "deps_dev/v3alpha/projectbatch")] == [1, 1]
    assert requests.count("/osv/v1/querybatch") == 1
    # With a token GitHub counts the commits itself.
    assert not any("per_page=20" in path for path in requests)


def test_a_private_name_is_sent_nowhere(look_up: Any, github: Site) -> None:
    evidence: GithubEvidence = look_up(
        (repository("secret/x"), ""), configured=False, is_private=lambda package: package.name.startswith("secret/")
    )[repository("secret/x"), ""]
    assert evidence.hosted == PRIVATE_NAME
    assert github.requests == []


def test_a_github_of_ones_own_receives_private_names(look_up: Any, github: Site) -> None:
    look_up((repository("secret/x"), ""), is_private=lambda _: True)
    assert "/github/repos/secret/x" in paths(github)


def test_with_a_token_an_answer_without_its_visibility_counts_as_private(look_up: Any, github: Site) -> None:
    github.on("/github/graphql", {"body": {"data": {"r0": {"nameWithOwner": "acme/demo"}}}})
    evidence = look_up((repository(), ""), token=TOKEN)[repository(), ""]
    assert isinstance(evidence.hosted, Found)
    assert isinstance(evidence.scorecard, Unknown)
    assert isinstance(evidence.advisories, Unknown)
    assert all(path.startswith("/github/") for path in paths(github))


@pytest.mark.parametrize(
    ("ages", "commits"),
    [
        ((1, 89, 91), 2),
        ((91, 400), 0),
        ((*range(20),), 20),
        ((-1, 3), 1),
        (tuple(-1 - number for number in range(20)), None),
    ],
)
def test_commits_are_counted_in_the_90_days_before_the_report(
    look_up: Any, github: Site, ages: tuple[int, ...], commits: int | None
) -> None:
    github.on("/github/repos/acme/demo/commits?per_page=20", {"body": list_commits(*ages)})
    evidence = look_up((repository(), ""))[repository(), ""]
    assert evidence.repository.value.commits_90d == commits


def test_an_empty_repository_has_no_commit(look_up: Any, github: Site) -> None:
    github.on("/github/repos/acme/demo/commits?per_page=20", {"status": 409})
    evidence = look_up((repository(), ""))[repository(), ""]
    assert isinstance(evidence.revision, Absent)
    assert evidence.revision.reason == "the repository has no commit"
    assert isinstance(evidence.advisories, Unknown)


def test_scorecard_is_asked_for_what_deps_dev_lacks_under_the_present_spelling(look_up: Any, github: Site) -> None:
    github.on("/github/repos/acme/old", {"body": {"full_name": "Acme/New", "private": False}})
    checks = [{"name": name, "score": 7} for name in ("Code-Review", "Maintained", "Binary-Artifacts")]
    github.on("/scorecard/projects/github.com/Acme/New", {"body": {"date": "2026-11-16", "checks": checks}})
    evidence = look_up((repository("acme/old"), ""))[repository("acme/old"), ""]
    assert isinstance(evidence.scorecard, Found)
    assert evidence.scorecard.value.checks["Maintained"] == 7
    [batch] = [request for request in github.requests if request.path.endswith("projectbatch")]
    assert b"github.com/acme/new" in batch.body.lower()
