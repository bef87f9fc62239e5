"""GitHub: the commit that a revision leads to, and the files at its root."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from nerq_cli.facts import Found, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.github_facts import GithubFile, GithubFiles, GithubRevision
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.endpoints import read_endpoint
from nerq_cli.sources.repositories.github_revisions import FILES, HEAD, REVISIONS

if TYPE_CHECKING:
    from tests.conftest import Site

SHA = "0123456789abcdef0123456789abcdef01234567"
NOW = 1_800_000_000  # 2027-01-15T08:00:00Z
OpenRun = Callable[..., FetchRun]


def release(version: str, name: str = "acme/demo") -> Release:
    return Release(package=Package(ecosystem="github", name=name), version=version)


@pytest.fixture
def fetch(open_run: OpenRun, site: Site) -> Callable[..., Any]:
    def ask(source: Any, version: str, token: str = "") -> Any:
        endpoint = read_endpoint("github", {"NERQ_GITHUB_URL": site.url, "GH_TOKEN": token})
        return open_run().fetch(source, [release(version)], endpoint)[release(version)]

    return ask


def commit(sha: object = SHA, date: object = "2027-01-15T08:00:00Z") -> dict[str, Any]:
    return {"sha": sha, "commit": {"committer": {"date": date}}}


def test_the_default_branch_has_its_newest_commits(fetch: Any, site: Site) -> None:
    site.on("/repos/acme/demo/commits?per_page=20", {"body": [commit(SHA.upper()), commit("f" * 40)]})
    fact = fetch(REVISIONS, HEAD)
    assert fact.value == GithubRevision(commit=SHA, committed_at=NOW, newest=(NOW, NOW))


def test_a_branch_has_one_commit_and_its_name_is_encoded(fetch: Any, site: Site) -> None:
    site.on("/repos/acme/demo/commits?sha=fix%2Fa%26b&per_page=1", {"body": [commit()]})
    assert fetch(REVISIONS, "fix/a&b").value == GithubRevision(commit=SHA, committed_at=NOW)


@pytest.mark.parametrize("script", [{"status": 404}, {"status": 409}, {"status": 422}, {"body": []}])
def test_what_is_empty_or_unknown_to_github_has_no_commit(fetch: Any, site: Site, script: Any) -> None:
    site.on("/repos/acme/demo/commits?sha=v9&per_page=1", script)
    assert fetch(REVISIONS, "v9").value == GithubRevision()


@pytest.mark.parametrize("body", [{}, [commit("x")], [commit(7)], [3], [{}], "text"])
def test_another_answer_is_unknown(fetch: Any, site: Site, body: Any) -> None:
    site.on("/repos/acme/demo/commits?per_page=20", {"body": body})
    assert isinstance(fetch(REVISIONS, HEAD), Unknown)


@pytest.mark.parametrize("details", [None, {}, {"committer": None}, {"committer": {"date": 5}}])
def test_a_commit_without_a_time_is_one(fetch: Any, site: Site, details: Any) -> None:
    site.on("/repos/acme/demo/commits?per_page=20", {"body": [{"sha": SHA, "commit": details}]})
    assert fetch(REVISIONS, HEAD).value == GithubRevision(commit=SHA)


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_refusal_is_unknown(fetch: Any, site: Site, status: int) -> None:
    site.serve_all({"status": status})
    assert isinstance(fetch(REVISIONS, HEAD), Unknown)
    assert isinstance(fetch(FILES, SHA), Unknown)


def test_the_files_at_the_root_are_listed(fetch: Any, site: Site) -> None:
    entries = [
        {"name": "README.md", "type": "file", "size": 10},
        {"name": "src", "type": "dir", "size": 0},
        {"name": "\x1b[31m", "type": "file", "size": -1},
        {"name": 3},
    ]
    site.on(f"/repos/acme/demo/contents?ref={SHA}", {"body": entries})
    fact = fetch(FILES, SHA)
    assert isinstance(fact, Found)
    assert fact.value.files[:2] == (GithubFile("README.md", 10), GithubFile("src", 0, is_directory=True))
    assert not any("\x1b" in file.name for file in fact.value.files)
    assert all(file.size is None for file in fact.value.files[2:])


def test_what_is_no_list_of_files_is_unknown(fetch: Any, site: Site) -> None:
    site.on(f"/repos/acme/demo/contents?ref={SHA}", {"body": {"name": "README.md"}})
    assert isinstance(fetch(FILES, SHA), Unknown)
    site.on(f"/repos/acme/demo/contents?ref={'a' * 40}", {"body": []})
    assert fetch(FILES, "a" * 40).value == GithubFiles()
