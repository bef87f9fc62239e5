"""Source repositories on GitHub as targets: scored like a package, over loopback services."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Nerq = Callable[..., Any]
NOW = ("--as-of", "2026-11-21")
SHA = "0123456789abcdef0123456789abcdef01234567"
OLD = "fedcba9876543210fedcba9876543210fedcba98"
TOKEN = "ghp_OfNobody"  # noqa: S105 - of nobody
CHECKS = ("Code-Review", "Branch-Protection", "Dangerous-Workflow", "Token-Permissions", "Binary-Artifacts")


def commits(count: int, sha: str = SHA, date: str = "2026-11-20T10:00:00Z") -> list[dict[str, Any]]:
    return [{"sha": sha, "commit": {"committer": {"date": date}}} for _ in range(count)]


@pytest.fixture
def publish(services: Any) -> Callable[..., None]:
    """List a healthy repository without a token; the fields that are given differ."""

    def add(name: str = "acme/demo", *, scorecard: bool = True, **fields: Any) -> None:
        body = {
            "full_name": name.title(),
            "archived": False,
            "disabled": False,
            "fork": False,
            "private": False,
            "stargazers_count": 9_999,
            "forks_count": 999,
            "open_issues_count": 7,
            "license": {"spdx_id": "MIT"},
            "created_at": "2016-01-01T00:00:00Z",
            "owner": {"type": "Organization"},
            "description": "Does things",
            "homepage": "https://demo.example",
            **fields,
        }
        entries = [{"name": item, "type": "file", "size": 4_000} for item in ("README.md", "CHANGELOG.md", "LICENSE")]
        extra = [{"name": item, "type": "file", "size": 900} for item in ("CONTRIBUTING.md", "SECURITY.md")]
        services.site.on(f"/github/repos/{name}", {"body": body})
        services.site.on(f"/github/repos/{name}/commits?per_page=20", {"body": commits(20)})
        services.site.on(f"/github/repos/{name}/commits?sha=v1&per_page=1", {"body": commits(1, OLD)})
        services.site.on(f"/github/repos/{name}/commits?sha={OLD}&per_page=1", {"body": commits(1, OLD)})
        for sha in (SHA, OLD):
            services.site.on(f"/github/repos/{name}/contents?ref={sha}", {"body": [*entries, *extra]})
        if scorecard:
            results = [{"name": check, "score": 9} for check in CHECKS]
            services.site.on(
                f"/scorecard/projects/github.com/{name.title()}", {"body": {"date": "2026-11-16", "checks": results}}
            )

    return add


def only(result: Any) -> Any:
    [row] = result.json["dependencies"]
    return row


def check(nerq: Nerq, *targets: str, options: tuple[str, ...] = ()) -> Any:
    return nerq("check", *(targets or ("github:acme/demo",)), *NOW, "--format", "json", *options)


def test_a_healthy_repository_passes_a_strict_run_without_a_token(nerq: Nerq, publish: Any) -> None:
    publish()
    result = check(nerq, options=("--strict",))
    row = only(result)
    assert (result.code, row["state"], row["grade"]) == (0, "ok", "A+")
    assert (row["ecosystem"], row["kind"], row["name"], row["version"]) == ("github", "repository", "acme/demo", SHA)
    assert row["purl"] == f"pkg:github/acme/demo@{SHA}"
    assert row["methodology"] == "repositories 1.0"
    assert row["fix"] == f"pin it: acme/demo@{SHA}"
    signals = {one["id"]: one for one in row["signals"]}
    assert {id_ for id_, one in signals.items() if one["state"] == "unknown"} == {"closed_issues"}
    assert signals["commits"]["reason"] == "20 commits in 90 days"
    assert signals["pinning"]["state"] == "not_applicable"
