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
    assert (result.status, row["state"], row["grade"]) == (0, "ok", "A+")
    assert (row["ecosystem"], row["kind"], row["name"], row["version"]) == ("github", "repository", "acme/demo", SHA)
    assert row["purl"] == f"pkg:github/acme/demo@{SHA}"
    assert row["methodology"] == "repositories 1.0"
    assert row["fix"] == f"pin it: acme/demo@{SHA}"
    signals = {one["id"]: one for one in row["signals"]}
    assert {id_ for id_, one in signals.items() if one["state"] == "unknown"} == {"closed_issues"}
    assert signals["commits"]["reason"] == "20 commits in 90 days"
    assert signals["pinning"]["state"] == "not_applicable"


def test_a_revision_is_scored_at_its_commit(nerq: Nerq, publish: Any) -> None:
    publish()
    tag = only(check(nerq, "https://github.com/acme/demo/tree/v1"))
    assert (tag["version"], tag["requirement"], tag["resolution"]) == (OLD, "v1", "range")
    pin = only(check(nerq, f"pkg:github/Acme/Demo@{OLD}"))
    assert (pin["version"], pin["resolution"], pin["fix"]) == (OLD, "pinned", None)
    assert tag["signals"] == pin["signals"]


def test_a_renamed_repository_has_its_new_name(nerq: Nerq, publish: Any, services: Any) -> None:
    publish()
    services.site.on("/github/repos/acme/old", {"status": 301, "headers": {"Location": "/github/repos/acme/demo"}})
    services.site.on(
        "/github/repos/acme/old/commits?per_page=20",
        {"status": 301, "headers": {"Location": "/github/repos/acme/demo/commits?per_page=20"}},
    )
    result = check(nerq, "github:acme/old", "github:acme/demo")
    row = only(result)
    assert (row["name"], row["aliases"], row["version"]) == ("acme/demo", ["acme/old"], SHA)
    assert "renamed on GitHub: before acme/old" in row["reasons"]
    assert result.status == 0


@pytest.mark.parametrize("target", ["github:acme/gone", f"github:acme/gone@{OLD}"])
def test_what_is_missing_or_private_has_no_number_and_is_named_to_nobody_else(
    nerq: Nerq, services: Any, target: str
) -> None:
    result = check(nerq, target, options=("--strict",))
    row = only(result)
    assert (result.status, row["state"], row["score"]) == (3, "unknown", None)
    assert row["reasons"][0].startswith("missing or private on GitHub")
    bodies = [request.body for request in services.site.requests if "/github/" not in request.path]
    assert not any(b"gone" in body for body in bodies)
    assert not any("gone" in request.path for request in services.site.requests if "/github/" not in request.path)


def test_a_private_repository_is_scored_and_is_named_to_nobody_else(
    nerq: Nerq, publish: Any, services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    node = {"nameWithOwner": "Acme/Demo", "isPrivate": True, "isArchived": False, "stargazerCount": 3}
    services.site.on("/github/graphql", {"body": {"data": {"r0": node}}})
    row = only(check(nerq))
    assert (row["name"], row["version"], row["state"]) == ("acme/demo", SHA, "unknown")
    others = [request for request in services.site.requests if "/github/" not in request.path]
    assert not any(
        "demo" in request.path or b"demo" in request.body or SHA.encode() in request.body for request in others
    )


def test_with_a_token_everything_is_known(
    nerq: Nerq, publish: Any, services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    node = {
        "nameWithOwner": "Acme/Demo",
        "isPrivate": False,
        "isArchived": False,
        "isDisabled": False,
        "isFork": False,
        "createdAt": "2016-01-01T00:00:00Z",
        "stargazerCount": 9_999,
        "forkCount": 999,
        "description": "Does things",
        "homepageUrl": None,
        "owner": {"__typename": "User"},
        "licenseInfo": {"spdxId": "MIT"},
        "isSecurityPolicyEnabled": True,
        "openIssues": {"totalCount": 5},
        "closedIssues": {"totalCount": 90},
        "openPulls": {"totalCount": 5},
        "closedPulls": {"totalCount": 0},
        "python": {"text": '[project]\nname = "demo"'},
        "defaultBranchRef": {"target": {"committedDate": "2026-11-20T10:00:00Z", "history": {"totalCount": 9}}},
    }
    services.site.on("/github/graphql", {"body": {"data": {"r0": node}}})
    row = only(check(nerq))
    assert (row["coverage"], row["state"]) == (1, "ok")
    signals = {one["id"]: one["reason"] for one in row["signals"]}
    assert signals["closed_issues"] == "90% of 100 issues closed"
    assert signals["owner"] == "a person's account"
    assert signals["guides"] == "no homepage"
    assert "advisories about what is published from it are those of pypi:demo" in row["reasons"]


@pytest.mark.parametrize(
    ("fields", "state", "cap", "reason"),
    [
        ({"archived": True}, "below", "archived", "archived on GitHub"),
        ({"license": {"spdx_id": "NOASSERTION"}}, "ok", None, "licence is not a standard one"),
        ({"created_at": "2026-11-10T00:00:00Z"}, "below", "young", "created 11 days ago"),
        ({"fork": True}, "ok", None, "a fork of another repository"),
        ({"disabled": True}, "unknown", None, "disabled on GitHub"),
    ],
)
def test_the_state_of_a_repository_counts(
    nerq: Nerq, publish: Any, fields: dict[str, Any], state: str, cap: str | None, reason: str
) -> None:
    publish(**fields)
    row = only(check(nerq))
    assert (row["state"], [one["id"] for one in row["caps"]]) == (state, [cap] if cap else [])
    assert any(reason in text for text in (*row["reasons"], *(one["reason"] for one in row["signals"])))
    assert (row["score"] is None) == ("disabled" in fields)


def test_without_a_licence_the_score_is_capped(nerq: Nerq, publish: Any, services: Any) -> None:
    publish(license=None)
    readme = [{"name": "README.md", "type": "file", "size": 4_000}]
    services.site.on(f"/github/repos/acme/demo/contents?ref={SHA}", {"body": readme})
    assert [one["id"] for one in only(check(nerq))["caps"]] == ["no-licence"]


def test_without_the_list_of_files_it_is_not_known_that_there_is_no_licence(
    nerq: Nerq, publish: Any, services: Any
) -> None:
    publish(license=None)
    services.site.on(f"/github/repos/acme/demo/contents?ref={SHA}", {"status": 500})
    row = only(check(nerq))
    assert row["caps"] == []
    assert {one["id"]: one["state"] for one in row["signals"]}["licence"] == "unknown"


def test_a_repository_that_was_taken_down_has_no_score(nerq: Nerq, services: Any) -> None:
    services.site.on("/github/repos/acme/demo", {"status": 451})
    row = only(check(nerq))
    assert (row["state"], row["score"], row["reasons"][0]) == (
        "unknown",
        None,
        "taken down from GitHub for legal reasons",
    )


def test_a_revision_that_does_not_exist_has_no_score(nerq: Nerq, publish: Any, services: Any) -> None:
    publish()
    services.site.on("/github/repos/acme/demo/commits?sha=v9&per_page=1", {"status": 404})
    row = only(check(nerq, "github:acme/demo@v9"))
    assert (row["state"], row["score"], row["version"]) == ("unknown", None, None)
    assert row["reasons"] == ["the repository has no branch, tag or commit v9"]
    result = nerq("compare", "github:acme/demo", "github:acme/demo@v9", *NOW)
    assert (result.status, "no branch, tag or commit v9" in result.err) == (2, True)


def test_an_advisory_that_names_the_commit_fails_it(nerq: Nerq, publish: Any, services: Any) -> None:
    publish()
    services.affecting["commit", OLD] = ["GHSA-aaaa-bbbb-cccc"]
    services.advisory("unused", identifier="GHSA-aaaa-bbbb-cccc", database_specific={"severity": "HIGH"})
    result = check(nerq, "github:acme/demo@v1")
    row = only(result)
    assert (result.status, row["state"], row["caps"][0]["id"]) == (1, "below", "high")
    assert [one["id"] for one in row["advisories"]] == ["GHSA-aaaa-bbbb-cccc"]
    assert only(check(nerq))["advisories"] == []


def test_without_osv_the_score_is_provisional(nerq: Nerq, publish: Any, services: Any) -> None:
    publish()
    services.silent()
    result = check(nerq, options=("--strict",))
    row = only(result)
    assert (result.status, row["state"], row["provisional"]) == (3, "unknown", True)


@pytest.mark.parametrize("status", [403, 429])
def test_a_reached_rate_limit_is_named_with_the_token(nerq: Nerq, publish: Any, services: Any, status: int) -> None:
    publish()
    for path in ("", "/commits?per_page=20"):
        services.site.on(f"/github/repos/acme/demo{path}", {"status": status})
    result = check(nerq, options=("--strict",))
    row = only(result)
    assert (result.status, row["state"], row["score"]) == (3, "unknown", None)
    assert result.json["hints"] == ["a GitHub token (GITHUB_TOKEN) would settle 1 unknown repository"]


def test_without_a_token_more_than_ten_repositories_are_not_requested(nerq: Nerq, services: Any) -> None:
    result = check(nerq, *(f"github:acme/r{number}" for number in range(11)))
    assert {one["state"] for one in result.json["dependencies"]} == {"unknown"}
    assert not any("/github/" in request.path for request in services.site.requests)
    assert "GITHUB_TOKEN" in result.json["hints"][0]


def test_a_warm_check_sends_nothing(nerq: Nerq, publish: Any, services: Any) -> None:
    publish()
    first = check(nerq)
    before = len(services.site.requests)
    second = check(nerq)
    assert len(services.site.requests) == before
    assert first.json["dependencies"] == second.json["dependencies"]
    assert check(nerq, options=("--offline",)).json["dependencies"] == first.json["dependencies"]


def test_a_private_name_is_not_sent(nerq: Nerq, services: Any, project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "nerq.toml").write_text('private = ["github:secret/*"]\n', encoding="utf-8")
    row = only(check(nerq, "github:Secret/Demo"))
    assert row["state"] == "skipped"
    assert not any("secret" in request.path.lower() for request in services.site.requests)


def test_a_recording_gives_the_same_report(nerq: Nerq, publish: Any, project: Any, services: Any) -> None:
    publish()
    recorded = nerq("check", "github:acme/demo@v1", *NOW, "--format", "json", "--record", "run.nerq")
    before = len(services.site.requests)
    replayed = nerq("check", "--replay", "run.nerq", "--format", "json")
    assert (recorded.status, replayed.status) == (0, 0)
    assert replayed.json["dependencies"] == recorded.json["dependencies"]
    assert len(services.site.requests) == before


def test_every_format_has_it(nerq: Nerq, publish: Any) -> None:
    publish(license={"spdx_id": "NOASSERTION"})
    bom = nerq("check", "github:acme/demo", *NOW, "-f", "cyclonedx").json
    [component] = bom["components"]
    assert (component["type"], component["group"], component["name"]) == ("library", "acme", "demo")
    assert component["purl"] == f"pkg:github/acme/demo@{SHA}"
    assert {"type": "vcs", "url": "https://github.com/Acme/Demo"} in component["externalReferences"]
    spdx = nerq("check", "github:acme/demo", *NOW, "-f", "spdx").json
    assert spdx["packages"][1]["supplier"] == "Organization: Acme"
    assert ",repository," in nerq("check", "github:acme/demo", *NOW, "-f", "csv").out
    assert "1 repository" in nerq("check", "github:acme/demo", *NOW, "-f", "markdown").out
    page = nerq("check", "github:acme/demo", *NOW, "-f", "html").out
    assert "repositories 1.0" in page
    sarif = nerq("check", "github:acme/demo", *NOW, "-f", "sarif", "--deny", "unpinned").json
    [result] = sarif["runs"][0]["results"]
    assert result["ruleId"] == "unpinned"
    assert f"pin it: acme/demo@{SHA}" in result["message"]["text"]


def test_the_card_in_words_names_commands_that_read_it(nerq: Nerq, publish: Any) -> None:
    publish()
    out = nerq("check", "github:acme/demo", *NOW, "--for", "critical").out
    assert "Nothing known speaks against acme/demo 0123456789ab for critical systems" in out
    assert "git clone --filter=blob:none --no-checkout" in out
    gone = nerq("check", "github:acme/gone", *NOW, "--for", "critical").out
    assert "git clone" not in gone


def test_compliance_has_the_licence_and_no_ai_instruments(nerq: Nerq, publish: Any) -> None:
    publish()
    [target] = nerq("compliance", "github:acme/demo", *NOW, "-f", "json").json["targets"]
    compliance = target["compliance"]
    assert (compliance["kind"], compliance["value"]) == ("repository", 100)
    assert "a source repository is code" in compliance["not_applicable"]
    result = nerq("compliance", "github:acme/gone", *NOW, "--strict")
    assert (result.status, "missing or private" in result.out) == (3, True)


def test_the_page_about_a_repository_has_its_facts(nerq: Nerq, publish: Any) -> None:
    publish()
    page = nerq("report", "github:acme/demo", *NOW)
    assert page.status == 0
    assert "Acme, organisation" in page.out
    assert '"Does things"' in page.out
    assert "not applicable: it is a repository, not a model or system" in page.out
    assert page.out.count("git clone") == 1


def test_the_rules_look_at_the_state_of_repositories(nerq: Nerq, publish: Any, services: Any, project: Any) -> None:
    publish(archived=True)
    old = commits(20, date="2019-01-01T00:00:00Z")
    services.site.on("/github/repos/acme/demo/commits?per_page=20", {"body": old})
    services.site.on(f"/github/repos/acme/demo/commits?sha={'e' * 40}&per_page=1", {"status": 422})
    purls = (f"pkg:github/acme/demo@{OLD}", f"pkg:github/acme/demo@{'e' * 40}")
    components = [{"type": "library", "name": "demo", "bom-ref": purl, "purl": purl} for purl in purls]
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}
    (project / "bom.json").write_text(json.dumps(bom), encoding="utf-8")
    rules = ("archived", "inactive", "vanished", "deprecated", "lookalike")
    options = [word for rule in rules for word in ("--deny", rule)]
    findings = nerq("scan", "bom.json", *NOW, "-f", "json", *options).json["findings"]
    found = {(one["id"], one["text"]) for one in findings if one["id"] in rules}
    assert found == {
        ("archived", "archived on GitHub: read-only, without fixes"),
        ("inactive", "no commit for over five years"),
        ("vanished", f"GitHub does not have the commit {'e' * 40}"),
        ("lookalike", "its name was not compared with those of popular ones"),
    }


def test_two_repositories_are_compared(nerq: Nerq, publish: Any) -> None:
    publish()
    publish("acme/other", archived=True)
    result = nerq("compare", "github:acme/demo", "github:acme/other", *NOW, "-f", "json")
    assert (result.status, result.json["outcome"]["best"]) == (0, 0)


# --- scans


def test_servers_from_repositories_are_scored_with_what_pins_them(nerq: Nerq, publish: Any, project: Any) -> None:
    publish()
    servers = {
        "one": {"command": "npx", "args": ["-y", "github:acme/demo"]},
        "two": {"command": "uvx", "args": ["--from", f"git+https://github.com/acme/demo@{OLD}", "demo"]},
    }
    (project / ".mcp.json").write_text(json.dumps({"mcpServers": servers}), encoding="utf-8")
    result = nerq("scan", *NOW, "--format", "json", "--strict")
    assert result.status == 3
    floating, pinned = sorted(result.json["dependencies"], key=lambda one: one["resolution"] == "pinned")
    assert (floating["kind"], floating["name"], floating["version"]) == ("mcp-server", "acme/demo", SHA)
    # What the repository depends on is not known.
    assert (pinned["version"], pinned["state"], pinned["grade"]) == (OLD, "unknown", "A+")
    assert pinned["reasons"][0] == "its dependencies are not known: no service resolves those of a repository"
    assert any("2 MCP servers have dependencies that are not known" in hint for hint in result.json["hints"])
    reasons = [
        next(signal for signal in row["signals"] if signal["id"] == "pinning")["reason"] for row in (floating, pinned)
    ]
    assert reasons == ["no revision: the newest commit of the default branch is used", "pinned to a commit"]
    [origin] = [finding["text"] for finding in result.json["findings"] if finding["id"] == "foreign-origin"]
    assert origin == f"git: https://github.com/acme/demo and git: https://github.com/acme/demo @ {OLD}"


def test_components_of_an_sbom_are_scored(nerq: Nerq, publish: Any, project: Any) -> None:
    publish()
    components = [
        {"type": "library", "name": "demo", "purl": f"pkg:github/Acme/Demo@{OLD}"},
        {"type": "library", "name": "bad", "purl": "pkg:github/acme/.."},
    ]
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}
    (project / "bom.json").write_text(json.dumps(bom), encoding="utf-8")
    result = nerq("scan", *NOW, "--format", "json", "bom.json")
    [row] = result.json["dependencies"] or [None]
    assert (row["kind"], row["purl"], row["state"]) == ("repository", f"pkg:github/acme/demo@{OLD}", "ok")
