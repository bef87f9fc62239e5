"""What a scan says when one of the services beside the registries does not: which one, what is unknown, and no more."""

from __future__ import annotations

import functools
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.fetch.fetcher import HttpSettings

Nerq = Callable[..., Any]
SCAN = ("scan", "--as-of", "2026-11-21", "--format", "json")
MODIFIED = "2026-01-01T00:00:00Z"
TOKEN = "ghp_AveryS3cretTokenOfNobody"  # noqa: S105 - of nobody, as it says
CVES = "CVE-2025-11111,CVE-2025-22222"
CHECKS = ("Code-Review", "Maintained", "Token-Permissions", "Security-Policy", "Contributors", "Binary-Artifacts")

OSV_LISTS = "/osv/v1/querybatch"
OSV_RECORDS = ("/osv/v1/vulns/GHSA-1", "/osv/v1/vulns/GHSA-2")
DEPS_DEV_VERSIONS = "/deps_dev/v3alpha/versionbatch"
DEPS_DEV_FINDINGS = "/deps_dev/v3alpha/findingsbatch"
DEPS_DEV_PROJECTS = "/deps_dev/v3alpha/projectbatch"
SCORECARD = "/scorecard/projects/github.com/acme/third"
GITHUB = "/github/graphql"
EPSS = f"/epss?cve={CVES}&limit=2"
KEV = "/kev"


def version_said(key: Mapping[str, str]) -> dict[str, Any]:
    return {
        "versionKey": key,
        "publishedAt": "2026-10-20T08:00:00Z" if key["version"] == "2.0.0" else "2025-10-20T08:00:00Z",
        "licenses": ["MIT"],
        "relatedProjects": [
            {
                "projectKey": {"id": f"github.com/acme/{key['name']}"},
                "relationProvenance": "UNVERIFIED_METADATA",
                "relationType": "SOURCE_REPO",
            }
        ],
    }


def findings_said(key: Mapping[str, str]) -> dict[str, Any]:
    return {"requestedVersion": {"versionKey": key}, "defaultVersion": {"versionKey": {**key, "version": "2.0.0"}}}


def checks_said(points: int) -> dict[str, Any]:
    return {"date": "2026-11-16T00:00:00Z", "checks": [{"name": one, "score": points} for one in CHECKS]}


def project_said(key: Mapping[str, str]) -> dict[str, Any] | None:
    """Say what deps.dev knows of a repository; of that of ``third`` it knows nothing."""
    if key["id"].endswith("/third"):
        return None
    return {"projectKey": key, "starsCount": 900, "openIssuesCount": 12, "scorecard": checks_said(7)}


def batch(key: str, name: str, said: Callable[[Mapping[str, str]], Any]) -> Callable[[Any], dict[str, Any]]:
    """Return a batch endpoint of deps.dev."""

    def answer(request: Any) -> dict[str, Any]:
        responses = []
        for one in json.loads(request.body)["requests"]:
            value = said(one[key])
            responses.append({"request": one} | ({} if value is None else {name: value}))
        return {"body": {"responses": responses}}

    return answer


def graphql(request: Any) -> dict[str, Any]:
    variables = json.loads(request.body)["variables"]
    counted = {"totalCount": 20}
    repository = {
        "isArchived": False,
        "stargazerCount": 900,
        "openIssues": counted,
        "closedIssues": {"totalCount": 80},
        "openPulls": counted,
        "closedPulls": {"totalCount": 80},
        "defaultBranchRef": {"target": {"committedDate": "2026-11-01T00:00:00Z", "history": counted}},
    }
    some = [n for n in range(50) if f"o{n}" in variables]
    return {"body": {"data": {f"r{n}": {"nameWithOwner": f"acme/{variables[f'n{n}']}", **repository} for n in some}}}


def advisory(services: Any, identifier: str, *, cve: str, severity: str, fixed: str = "2.0.0", **more: Any) -> None:
    """Record an advisory that affects demo 1.0.0."""
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]
    services.advisory(
        "demo",
        "1.0.0",
        identifier=identifier,
        aliases=[cve],
        affected=[{"package": {"ecosystem": "PyPI", "name": "demo"}, "ranges": ranges}],
        database_specific={"severity": severity},
        **more,
    )


@dataclass(slots=True)
class World:
    """A project of three pinned packages, and all services, each of which has something to say about them."""

    services: Any
    registry: Any
    nerq: Nerq
    folder: Path
    broken: list[str] = field(default_factory=list)

    def scan(self, *more: str, cache: str = "cache", timeout: float = 20.0) -> Any:
        """Scan, with a cache of that name."""
        return self.nerq(*SCAN, "--timeout", str(timeout), "--cache-dir", str(self.folder / cache), *more)

    def ruin(self, turn: Any, *paths: str) -> None:
        """Let these paths do something else."""
        self.broken += paths
        for path in paths:
            self.services.site.on(path, turn)

    @property
    def asked(self) -> list[str]:
        """How the ruined paths were asked for."""
        return [one.path for one in self.services.site.requests if one.path in self.broken]


@pytest.fixture
def world(registry: Any, services: Any, nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("nerq_cli.fetch.fetcher.HttpSettings", functools.partial(HttpSettings, backoff=0.001))
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    for name in ("demo", "third"):
        links = {"Source": f"https://github.com/acme/{name}", "Documentation": "https://docs.example"}
        registry.pypi(name, "1.0.0", "2.0.0", project_urls=links)
    manifest = {"name": "left", "repository": "https://github.com/acme/left", "description": "What it is"}
    registry.npm("left", "1.0.0", "2.0.0", repository="https://github.com/acme/left")
    for path, version in (("1.0.0", "1.0.0"), ("2.0.0", "2.0.0"), ("latest", "2.0.0")):
        registry.site.on(f"/left/{path}", {"body": {**manifest, "version": version}})
    (project / "requirements.txt").write_text("demo==1.0.0\nthird==2.0.0\n")
    (project / "package.json").write_text('{"dependencies": {"left": "1.0.0"}}')
    advisory(services, "GHSA-1", cve="CVE-2025-11111", severity="HIGH")
    advisory(services, "GHSA-2", cve="CVE-2025-22222", severity="LOW")
    site = services.site
    site.on(DEPS_DEV_VERSIONS, batch("versionKey", "version", version_said))
    site.on(DEPS_DEV_FINDINGS, batch("versionKey", "findings", findings_said))
    site.on(DEPS_DEV_PROJECTS, batch("projectKey", "project", project_said))
    site.on(SCORECARD, {"body": checks_said(6)})
    site.on(GITHUB, graphql)
    site.on(EPSS, {"body": {"total": 2, "data": [{"cve": cve, "epss": "0.5"} for cve in CVES.split(",")]}})
    site.on(KEV, {"body": {"catalogVersion": "1", "count": 1, "vulnerabilities": [{"cveID": "CVE-2025-11111"}]}})
    return World(services, registry, nerq, project.parent)


def test_each_field_of_the_metadata_names_its_source(world: World) -> None:
    options = ("--as-of", "2026-11-21", "--format", "json", "--cache-dir", str(world.folder / "cache"))
    [dependency] = world.nerq("check", "npm:left@1.0.0", *options).json["dependencies"]
    fields = {key: (field["value"], field["source"]) for key, field in dependency["metadata"].items()}
    assert fields["licence"] == ("MIT", "deps.dev")
    assert fields["repository"] == ("https://github.com/acme/left", "npm")
    assert all(field["retrieved_at"].endswith("Z") for field in dependency["metadata"].values())


# One service fails, in every way

REPOSITORY = frozenset(
    {"repository_hygiene", "commits", "closed_issues", "source_link", "disclosure_policy", "adoption"}
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a service: where it is asked, whose it is, and which signals it feeds.

    ``lacks`` says that some servers do without it, so that its absence is no failure.
    """

    service: str
    paths: tuple[str, ...]
    signals: frozenset[str]
    lacks: bool = False


PARTS = {
    "OSV lists": Part("OSV", (OSV_LISTS,), frozenset({"malware", "known_advisories", "fix_record"})),
    "OSV records": Part("OSV", OSV_RECORDS, frozenset({"malware", "known_advisories", "fix_record"}), lacks=True),
    "deps.dev versions": Part("deps.dev", (DEPS_DEV_VERSIONS,), REPOSITORY, lacks=True),
    "deps.dev findings": Part("deps.dev", (DEPS_DEV_FINDINGS,), REPOSITORY, lacks=True),
    "deps.dev projects": Part("deps.dev", (DEPS_DEV_PROJECTS,), REPOSITORY, lacks=True),
    "Scorecard": Part("OpenSSF Scorecard", (SCORECARD,), REPOSITORY, lacks=True),
    "GitHub": Part("GitHub", (GITHUB,), REPOSITORY),
    "EPSS": Part("EPSS", (EPSS,), frozenset({"known_advisories"})),
    "KEV": Part("CISA KEV", (KEV,), frozenset({"known_advisories"})),
}
FAILURES: dict[str, Any] = {
    "500": {"status": 500},
    "429": {"status": 429, "headers": {"Retry-After": "3600"}},
    "401": {"status": 401},
    "403": {"status": 403},
    "404": {"status": 404, "body": {}},
    "hang": {"hang": True},
    "garbage": {"body": b"\x00\xff<html>busy</html>"},
    "truncated": {"body": b'{"results": [{"vulns"'},
    "cut short": {"body": {"results": "x" * 200}, "cut": 100},
    "another shape": {"body": [7]},
    "empty": {"body": b""},
    "elsewhere": {"status": 307},
}
#: Seconds a run gets when a service hangs, and otherwise.
SHORT, LONG = 3.0, 20.0
LATER = re.compile(r" \(requested at \d{4}-\d\d-\d\d \d\d:\d\d UTC; --refresh retries\)")


def signals(result: Any) -> dict[tuple[str, str], tuple[str, float | None, str]]:
    return {
        (one["name"], signal["id"]): (signal["state"], signal["value"], signal["reason"])
        for one in result.json["dependencies"]
        for signal in one["signals"]
    }


def sources(result: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in result.json["sources"]}


def without_time(result: Any) -> Any:
    return json.loads(LATER.sub("", json.dumps(result.json["dependencies"])))


def require_calm(world: World, healthy: Any, failed: Any, part: Part, *, named: bool = True) -> None:
    """Require that a run with a failing part tells of it, and says of everything else what it says in health."""
    assert failed.status == failed.json["exit"]["code"] != 2
    assert "Traceback" not in failed.err
    assert TOKEN not in failed.out + failed.err
    told = sources(failed)
    if named:
        assert told[part.service]["reason"] or told[part.service]["state"] != "ok"
    assert {name for name, one in told.items() if one["state"] != "ok"} <= {part.service}
    before, after = signals(healthy), signals(failed)
    for key, (state, value, reason) in after.items():
        assert reason
        if key[1] not in part.signals and before[key][0] == "known":
            assert (state, value, reason) == before[key], key
    if part is PARTS["OSV lists"]:
        assert {after[name, "known_advisories"][0] for name in ("demo", "third", "left")} == {"unknown"}
        assert {after[name, "malware"][0] for name in ("demo", "third", "left")} == {"unknown"}
        assert all(one["provisional"] for one in failed.json["dependencies"])


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_fails_is_named_and_nothing_else_changes(
    world: World, other_site: Any, name: str, failure: str
) -> None:
    part, seconds = PARTS[name], SHORT if failure == "hang" else LONG
    healthy = world.scan(cache="healthy")
    turn = FAILURES[failure]
    if failure == "elsewhere":
        turn = {**turn, "headers": {"Location": f"{other_site.url}/"}}
    world.ruin(turn, *part.paths)
    begun = time.monotonic()
    failed = world.scan(timeout=seconds)
    assert time.monotonic() - begun < seconds
    require_calm(world, healthy, failed, part, named=not (part.lacks and failure == "404"))
    assert other_site.requests == []
    asked = len(world.asked)
    again, once_more = world.scan(timeout=seconds), world.scan(timeout=seconds)
    assert len(world.asked) == asked
    assert again.out == once_more.out
    assert without_time(again) == without_time(failed)
    assert again.status == failed.status


@pytest.mark.parametrize("name", ["OSV", "DEPS_DEV", "SCORECARD", "GITHUB", "EPSS", "KEV"])
def test_a_service_that_is_not_there_is_named_and_nothing_else_changes(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    healthy = world.scan(cache="healthy")
    monkeypatch.setenv(f"NERQ_{name}_URL", "http://127.0.0.1:9")
    failed = world.scan()
    part = {
        "OSV": PARTS["OSV lists"],
        "DEPS_DEV": PARTS["deps.dev versions"],
        "SCORECARD": PARTS["Scorecard"],
        "GITHUB": PARTS["GitHub"],
        "EPSS": PARTS["EPSS"],
        "KEV": PARTS["KEV"],
    }[name]
    require_calm(world, healthy, failed, part)
    assert "connection refused" in sources(failed)[part.service]["reason"]
    again, once_more = world.scan(), world.scan()
    assert sources(again)[part.service]["requests"] == 0
    assert again.out == once_more.out
    assert without_time(again) == without_time(failed)


def test_one_service_that_hangs_leaves_time_for_all_the_others(world: World) -> None:
    world.ruin({"hang": True}, DEPS_DEV_VERSIONS, DEPS_DEV_FINDINGS, DEPS_DEV_PROJECTS, SCORECARD, GITHUB)
    begun = time.monotonic()
    result = world.scan(timeout=SHORT)
    assert time.monotonic() - begun < SHORT
    assert {name for name, one in sources(result).items() if one["state"] == "ok"} == {
        "PyPI",
        "npm",
        "OSV",
        "EPSS",
        "CISA KEV",
    }
    asked = Counter(world.asked)
    assert asked.keys() == {DEPS_DEV_VERSIONS, DEPS_DEV_FINDINGS, SCORECARD, GITHUB}
    assert max(asked.values()) <= 2  # a second batch, where a page came late


def test_a_service_that_had_hardly_any_time_is_asked_again_in_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ruin({"hang": True}, EPSS)
    with monkeypatch.context() as patch:
        patch.setattr("nerq_cli.fetch.run._MIN_TIME_SHARE", 1.1)
        assert sources(world.scan(timeout=SHORT))["EPSS"]["state"] == "unavailable"
    world.ruin({"body": {"total": 2, "data": [{"cve": cve, "epss": "0.5"} for cve in CVES.split(",")]}}, EPSS)
    assert sources(world.scan())["EPSS"]["state"] == "ok"


def test_what_was_silent_is_asked_on_refresh_and_a_quarter_of_an_hour_later(world: World) -> None:
    world.ruin({"status": 500}, KEV)
    world.scan()
    asked = len(world.asked)
    assert sources(world.scan("--refresh"))["CISA KEV"]["requests"] > 0
    assert len(world.asked) > asked


# Answers that are partly there


def test_a_list_of_advisories_without_an_end_is_no_clean_answer(world: World) -> None:
    def endless(request: Any) -> dict[str, Any]:
        queries = json.loads(request.body)["queries"]
        return {"body": {"results": [{"next_page_token": "again"} for _ in queries]}}

    healthy = world.scan(cache="healthy")
    world.ruin(endless, OSV_LISTS)
    failed = world.scan()
    require_calm(world, healthy, failed, PARTS["OSV lists"])
    assert "no end" in sources(failed)["OSV"]["reason"]
    asked = len(world.asked)
    world.scan()
    assert len(world.asked) == asked


def test_a_list_that_breaks_off_in_the_middle_is_no_clean_answer(world: World) -> None:
    healthy = world.scan(cache="healthy")

    def first_page(request: Any) -> dict[str, Any]:
        queries = json.loads(request.body)["queries"]
        return {"body": {"results": [{"vulns": [], "next_page_token": "2"} for _ in queries]}}

    def pages(request: Any) -> dict[str, Any]:
        return {"status": 500} if b"page_token" in request.body else first_page(request)

    world.ruin(pages, OSV_LISTS)
    require_calm(world, healthy, world.scan(), PARTS["OSV lists"])


def test_pages_of_deps_dev_that_stop_or_never_end_leave_the_rest_unknown(world: World) -> None:
    healthy = world.scan(cache="healthy")
    answer = batch("projectKey", "project", project_said)

    def pages(request: Any) -> dict[str, Any]:
        body = answer(request)["body"]
        return {"body": {"responses": body["responses"][:1], "nextPageToken": "again"}}

    world.ruin(pages, DEPS_DEV_PROJECTS)
    failed = world.scan()
    require_calm(world, healthy, failed, PARTS["deps.dev projects"], named=False)
    assert len(world.asked) < 10


def test_a_page_of_probabilities_with_rows_missing_makes_nothing_improbable(world: World) -> None:
    world.ruin({"body": {"total": 2, "data": [{"cve": "CVE-2025-11111", "epss": "0.5"}]}}, EPSS)
    result = world.scan()
    found = {one["id"]: one["epss"] for one in result.json["dependencies"][0]["advisories"]}
    assert found == {"GHSA-1": 0.5, "GHSA-2": None}
    assert sources(result)["EPSS"]["state"] == "partial"


def test_repositories_that_an_answer_leaves_out_are_unknown_and_the_others_are_not(world: World) -> None:
    def partly(request: Any) -> dict[str, Any]:
        data = graphql(request)["body"]["data"]
        return {"body": {"data": {**data, "r0": None}, "errors": [{"type": "INTERNAL", "path": ["r0"]}]}}

    world.ruin(partly, GITHUB)
    result = world.scan()
    known = {name for name in ("demo", "third", "left") if "20 commits" in signals(result)[name, "commits"][2]}
    assert len(known) == 2
    assert sources(result)["GitHub"]["state"] == "partial"


# Records that contradict each other


def demo(result: Any) -> Any:
    return next(one for one in result.json["dependencies"] if one["name"] == "demo")


def test_two_records_of_one_vulnerability_count_once_by_the_reviewed_one(world: World) -> None:
    both = {"services": world.services, "cve": "CVE-2025-11111"}
    advisory(identifier="PYSEC-1", severity="LOW", fixed="1.5.0", **both)
    world.services.affecting["demo", "1.0.0"] = ["PYSEC-1", "GHSA-1"]
    [one] = demo(world.scan())["advisories"]
    assert (one["id"], one["severity"], one["severity_source"]) == ("GHSA-1", "high", "GHSA label")
    assert {"PYSEC-1", "CVE-2025-11111"} <= set(one["aliases"])
    assert one["fixed_versions"] == ["2.0.0"]


def test_that_a_version_is_affected_is_the_lists_to_say_even_where_the_record_reads_otherwise(world: World) -> None:
    advisory(world.services, "GHSA-1", cve="CVE-2025-11111", severity="HIGH", fixed="0.5.0")
    assert "GHSA-1" in {one["id"] for one in demo(world.scan())["advisories"]}


def test_a_record_older_than_its_list_says_counts_as_it_is_and_is_asked_for_again(world: World) -> None:
    advisory(world.services, "GHSA-1", cve="CVE-2025-11111", severity="HIGH", modified="2025-01-01T00:00:00Z")
    result = world.scan()
    assert "GHSA-1" in {one["id"] for one in demo(result)["advisories"]}
    asked = Counter(one.path for one in world.services.site.requests)
    assert (asked[OSV_RECORDS[0]], asked[OSV_RECORDS[1]]) == (2, 1)


def test_the_record_of_another_advisory_says_nothing_of_this_one(world: World) -> None:
    world.ruin({"body": {"id": "GHSA-9", "modified": MODIFIED, "affected": []}}, OSV_RECORDS[0])
    result = world.scan()
    [one] = [one for one in demo(result)["advisories"] if one["id"] == "GHSA-1"]
    assert one["severity"] == "unknown"
    assert "another record than GHSA-1" in one["summary"]
    assert sources(result)["OSV"]["state"] == "partial"


def test_what_records_cannot_be_read_makes_the_past_unknown_not_clean(world: World) -> None:
    world.ruin({"status": 404}, *OSV_RECORDS)
    state, value, _ = signals(world.scan())["demo", "fix_record"]
    assert (state, value) == ("unknown", None)


# Tokens


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_appears_nowhere(world: World, status: int) -> None:
    world.ruin({"status": status, "body": {"message": f"Bad credentials {TOKEN}"}}, GITHUB)
    said = [world.scan("--verbose"), world.nerq("scan", "--as-of", "2026-11-21", "--verbose"), world.scan("--offline")]
    assert all(TOKEN not in one.out + one.err for one in said)
    kept = [path for path in world.folder.rglob("*") if path.is_file()]
    assert kept
    assert all(TOKEN.encode() not in path.read_bytes() for path in kept)
    assert f"refused access ({status})" in sources(said[0])["GitHub"]["reason"]
    [asked] = [one for one in world.services.site.requests if one.path == GITHUB][:1]
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    others = [one for one in world.services.site.requests if not one.path.startswith("/github/")]
    assert not any(TOKEN in str(one.headers) for one in [*others, *world.registry.site.requests])


@pytest.mark.parametrize("token", ["", "ghp_OfSomebodyElse"])
@pytest.mark.parametrize("options", [(), ("--offline",)])
def test_what_was_answered_to_a_token_is_not_shared(
    world: World, monkeypatch: pytest.MonkeyPatch, token: str, options: tuple[str, ...]
) -> None:
    assert "20 commits" in signals(world.scan())["demo", "commits"][2]
    world.ruin({"status": 403}, GITHUB, *(f"/github/repos/acme/{name}" for name in ("demo", "third", "left")))
    assert "20 commits" in signals(world.scan(*options))["demo", "commits"][2]
    monkeypatch.setenv("GITHUB_TOKEN", token)
    assert all("20 commits" not in reason for _, _, reason in signals(world.scan(*options)).values())


# Names that are nobody's business


def sent(world: World) -> list[bytes]:
    """Everything that the services were sent."""
    return [one.path.encode() + one.body for one in world.services.site.requests]


def test_a_name_that_no_registry_knows_is_sent_to_no_service(world: World, project: Path) -> None:
    world.registry.most_used()
    (project / "requirements.txt").write_text("demo==1.0.0\nhouse-lib==1.0\n")
    (project / "package.json").write_text('{"dependencies": {"left": "1.0.0", "house-js": "1.0.0"}}')
    result = world.scan()
    assert {one["name"] for one in result.findings} == {"house-lib", "house-js"}
    assert any(b"demo" in one for one in sent(world))
    assert not any(b"house" in one for one in sent(world))


def test_what_may_come_from_an_page_of_the_users_own_is_not_asked_about(
    world: World, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NERQ_PYPI_URL")
    monkeypatch.setenv("PIP_INDEX_URL", f"{world.registry.site.url}/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "https://corp.example/wheels")
    (project / "requirements.txt").write_text("demo==1.0.0\n")
    (project / "package.json").unlink()
    result = world.scan()
    [demo] = result.json["dependencies"]
    assert demo["state"] == "not-judged"
    assert "corp.example" in demo["skip_reason"]
    assert sent(world) == []
