"""What a scan without a GitHub token leaves open is named, and is the same however a package was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Nerq = Callable[..., Any]
#: Three years after the newest release, so that only the repository can tell whether a package is finished.
LATER = ("--as-of", "2029-11-20")
NOW = ("--as-of", "2026-11-21")
OTHERS = tuple(f"other{number}" for number in range(11))
TOKEN = "ghp_OfNobody"  # noqa: S105 - of nobody


@pytest.fixture
def github(registry: Any, services: Any) -> Callable[..., None]:
    """List packages, each with a repository that GitHub has or has not, and deps.dev has."""

    def answer_projects(request: Any) -> dict[str, Any]:
        requests = json.loads(request.body)["requests"]
        project = {"starsCount": 900, "openIssuesCount": 4}
        return {"body": {"responses": [{"request": one, "project": {**one, **project}} for one in requests]}}

    def publish(*names: str, host: str = "github.com", **repository: Any) -> None:
        services.site.on("/deps_dev/v3alpha/projectbatch", answer_projects)
        for name in names:
            registry.pypi(name, "1.0", "2.0", project_urls={"Source": f"https://{host}/acme/{name}"})
            body = {"full_name": f"acme/{name}", "archived": False, "stargazers_count": 900, **repository}
            services.site.on(
                f"/github/repos/acme/{name}", {"body": body} if body["archived"] is not None else {"status": 404}
            )

    return publish


@pytest.fixture
def scan(nerq: Nerq, project: Path, tmp_path: Path) -> Callable[..., Any]:
    """Scan packages, with a cache of its own for each number of them."""

    def run(*names: str, options: tuple[str, ...] = (), as_json: bool = True) -> Any:
        (project / "requirements.txt").write_text("".join(f"{name}==2.0\n" for name in names))
        cache = ("--cache-dir", str(tmp_path / f"cache-{len(names)}"))
        return nerq("scan", *(options or LATER), *cache, *(("--format", "json") if as_json else ()))

    return run


def find(result: Any, name: str = "demo") -> Any:
    return next(one for one in result.json["dependencies"] if one["name"] == name)


def test_a_scan_names_how_many_packages_a_token_would_settle(github: Any, scan: Any) -> None:
    github("demo", *OTHERS)
    sentence = "a GitHub token (GITHUB_TOKEN) would settle 12 unknown packages"
    assert scan("demo", *OTHERS).json["hints"] == [sentence]
    assert sentence in scan("demo", *OTHERS, as_json=False).out


def test_a_card_names_the_signals_that_a_token_would_settle(github: Any, nerq: Nerq) -> None:
    github("demo")
    out = nerq("check", "demo==2.0", *LATER).out
    assert "a GitHub token (GITHUB_TOKEN) would settle" in out
    assert "not read without a GITHUB_TOKEN" in out


def test_the_hint_ends_with_the_rate_limit_too(github: Any, scan: Any, services: Any) -> None:
    github("demo")
    services.site.on("/github/repos/acme/demo", {"status": 403})
    assert scan("demo").json["hints"] == ["a GitHub token (GITHUB_TOKEN) would settle 1 unknown package"]


def test_no_token_is_suggested_where_none_would_help(
    github: Any, scan: Any, nerq: Nerq, services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    github("demo", host="gitlab.com")
    assert scan("demo").json["hints"] == []
    github("demo")
    services.site.on("/github/repos/acme/demo", {"status": 500})
    assert scan("demo", "demo").json["hints"] == []
    github("demo", *OTHERS)
    assert scan("demo", *OTHERS).json["hints"]
    assert scan("demo", *OTHERS, options=(*LATER, "--offline")).json["hints"] == []
    assert "GitHub token" not in nerq("check", "demo==2.0", *LATER, "--offline").out
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    services.site.on("/github/graphql", {"status": 500})
    assert scan("demo", *OTHERS, options=(*LATER, "--refresh")).json["hints"] == []


@pytest.mark.parametrize("options", [NOW, LATER, ("--as-of", "2032-11-20")])
@pytest.mark.parametrize("repository", [{}, {"archived": True}, {"archived": None}], ids=["alive", "archived", "gone"])
def test_beside_others_no_package_has_another_verified_score_than_alone(
    github: Any, scan: Any, options: tuple[str, ...], repository: dict[str, Any]
) -> None:
    github(*OTHERS)
    github("demo", **repository)
    alone, beside = find(scan("demo", options=options)), find(scan("demo", *OTHERS, options=options))
    assert not beside["verified"]
    if repository == {}:
        assert beside["score"] == alone["score"]
        assert [one["value"] for one in beside["signals"]] == [one["value"] for one in alone["signals"]]


@pytest.mark.parametrize("count", [1, 12])
def test_a_package_whose_repository_github_does_not_answer_for_is_not_verified(
    github: Any, scan: Any, services: Any, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    names = ("demo", *OTHERS)[:count]
    github(*names)
    if count > 1:
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        services.site.on("/github/graphql", {"status": 500})
    else:
        github("other0")
        assert find(scan("demo", "other0", options=NOW))["verified"]
        services.site.on("/github/repos/acme/demo", {"status": 500})
    result = scan(*names, options=NOW)
    assert (find(result)["state"], find(result)["verified"]) == ("ok", False)
    assert not any(one["verified"] for one in result.json["dependencies"])


def test_an_offline_report_is_the_one_of_the_same_cache_with_a_network(github: Any, scan: Any, nerq: Nerq) -> None:
    github("demo", *OTHERS)
    scan("demo", *OTHERS, options=NOW)
    online = scan("demo", *OTHERS, options=NOW)
    offline = scan("demo", *OTHERS, options=(*NOW, "--offline"))
    assert not any(one["verified"] for one in offline.json["dependencies"])
    assert offline.json["dependencies"] == online.json["dependencies"]
    assert offline.json["sources"] == online.json["sources"]
    assert offline.json["complete"] == online.json["complete"]


def test_offline_a_package_whose_repository_is_not_in_the_cache_is_not_verified(
    github: Any, scan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    github("demo", *OTHERS)
    scan("demo", *OTHERS, options=NOW)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    offline = scan("demo", *OTHERS, options=(*NOW, "--offline")).json
    assert [one["verified"] for one in offline["dependencies"]] == [False] * 12
    assert not offline["complete"]


def test_a_quiet_package_whose_commits_were_not_read_may_be_finished(github: Any, scan: Any) -> None:
    """Scorecard and GitHub without a token state no commits: that is no sign of an abandoned package."""
    github("demo")
    signals = {one["id"]: one for one in find(scan("demo", options=("--as-of", "2032-11-20")))["signals"]}
    assert signals["last_release"]["state"] == "unknown"
    assert "not known whether the package is finished" in signals["last_release"]["reason"]
