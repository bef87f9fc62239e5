"""Whole reports about a panel of packages, compared with recorded ones: cold, warm, and with services at fault.

What is requested, when, and in which order must not change a score, a state or any other part of a report but the
number of requests. ``NERQ_UPDATE_GOLDEN=1 pytest tests/cli/test_recorded_panel.py`` records anew; read the difference.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.application import evidence_run, session
from nerq_cli.fetch import fetcher
from nerq_cli.fetch.settings import HttpSettings

GOLDEN = Path(__file__).parents[1] / "data" / "recorded_panel"
NOW = 1_795_262_400  # 2026-11-21T12:00:00Z
AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]
Scenario = Callable[["World"], "tuple[str, ...] | None"]

REQUIREMENTS = """\
requests==2.30.0
flask==3.0.0
current==2.0
older==1.0
ranged>=1,<3
affected==1.0
aliased==1.0
malicious==1.0
removed==9.9
unindexed==1.0
young==3.0
yanked==1.0
licence-changed==1.0
listed-by-registry==1.0
attested==2.0
reposcored==1.0
no-repository==1.0
broken==1.0
failing==1.0
absent==1.0
reqeusts==1.0
"""
NPM = {
    "react": "18.0.0",
    "left": "1.0.0",
    "affected": "1.0.0",
    "ranged": "^1.0.0",
    "old": "1.0.0",
    "deprecated": "1.0.0",
    "unindexed": "1.0.0",
    "young": "3.0.0",
    "hooked": "3.0.0",
    "@acme/scoped": "1.0.0",
    "nodefault": "1.0.0",
    "broken": "1.0.0",
    "failing": "1.0.0",
    "absent": "1.0.0",
    "removed": "9.9.9",
}


class World:
    """Registries and services that know the packages of the panel."""

    def __init__(self, registry: Any, services: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.registry, self.services, self.monkeypatch = registry, services, monkeypatch
        self.unindexed = {"unindexed"}
        self.repositories = {"reposcored"}
        self._publish()
        self._record_advisories()
        self._serve_deps_dev()
        services.site.on("/epss", {"status": 500})
        self._serve_epss()
        self._serve_repositories()

    def _publish(self) -> None:
        registry, site = self.registry, self.registry.site
        registry.most_used()
        registry.pypi("requests", "2.28.0", "2.30.0", "2.31.0")
        registry.pypi("flask", "2.0.0", "3.0.0")
        registry.pypi("current", "1.0", "2.0")
        registry.pypi("older", "1.0", "1.5", "2.0")
        registry.pypi("ranged", "1.0", "2.0", "3.0")
        registry.pypi("affected", "1.0", "1.1", "2.0", "2.1")
        registry.pypi("aliased", "1.0", "2.0")
        registry.pypi("malicious", "1.0")
        registry.pypi("removed", "1.0", "2.0")
        registry.pypi("unindexed", "1.0", "2.0")
        registry.pypi("young", "1.0", "2.0", "3.0")
        registry.pypi("yanked", "1.0", "2.0", yanked=True, yanked_reason="wrong build")
        registry.pypi("licence-changed", "1.0", "2.0")
        page = registry.page("licence-changed", ("1.0", "2.0"), "1.0", license_expression="GPL-3.0-only")
        site.on("/pypi/licence-changed/1.0/json", {"body": page})
        hole = {"id": "PYSEC-2026-9", "aliases": ["CVE-2026-1009"], "summary": "A hole", "fixed_in": ["2.0"]}
        registry.pypi("listed-by-registry", "1.0", "2.0", vulnerabilities={"1.0": [hole]})
        registry.pypi("attested", "1.0", "2.0", "3.0")
        registry.pypi("reposcored", "1.0", "2.0")
        registry.pypi("no-repository", "1.0", "2.0", project_urls={})
        registry.pypi("reqeusts", "1.0")
        site.on("/pypi/broken/json", {"body": b"<html>no"})
        site.on("/simple/broken/", {"body": b"{"})
        site.on("/pypi/failing/json", {"status": 500})
        site.on("/simple/failing/", {"status": 500})
        for name in ("react", "left", "affected", "ranged", "old", "unindexed", "young", "@acme/scoped", "nodefault"):
            self._npm(name, "1.0.0", "2.0.0", "3.0.0", *(["18.0.0"] if name == "react" else []))
        self._npm("deprecated", "1.0.0", "2.0.0", deprecated="use another")
        self._npm("hooked", "1.0.0", "2.0.0", "3.0.0", scripts={"postinstall": "node x.js"})
        self._npm("removed", "1.0.0", removed=("9.9.8",))
        site.on("/broken", {"body": b"[]"})
        site.on("/broken/1.0.0", {"body": b"[]"})
        site.on("/failing", {"status": 500})
        site.on("/failing/1.0.0", {"status": 500})

    def _npm(self, name: str, *versions: str, removed: tuple[str, ...] = (), **manifest: Any) -> None:
        self.registry.npm(name, *versions, removed=removed, **manifest)
        path = name.replace("/", "%2f")
        scripts = self.registry.site.scripts["/" + path]
        packument = scripts[0]["body"]
        for version, listed in packument["versions"].items():
            body = {**listed, "maintainers": packument["maintainers"]}
            self.registry.site.on(f"/{path}/{version}", {"body": body})
        self.registry.site.on(f"/{path}/latest", {"body": packument["versions"][versions[-1]]})

    def _record_advisories(self) -> None:
        services = self.services
        cvss = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
        services.advisory("affected", "1.0", "1.1", identifier="GHSA-aaaa-bbbb-cccc", aliases=["CVE-2026-1001"],
                          database_specific={"severity": "HIGH"}, summary="A hole")  # fmt: skip
        services.advisory("affected", "1.0", identifier="PYSEC-2026-1", aliases=["CVE-2026-1002"], severity=cvss)
        services.advisory("aliased", "1.0", identifier="PYSEC-2026-2",
                          aliases=["CVE-2026-1003", "GHSA-dddd-eeee-ffff"])  # fmt: skip
        reviewed = {"id": "GHSA-dddd-eeee-ffff", "modified": "2026-01-01T00:00:00Z",
                    "published": "2026-01-01T00:00:00Z", "aliases": ["CVE-2026-1003", "CVE-2026-1004"],
                    "database_specific": {"severity": "CRITICAL"}, "affected": []}  # fmt: skip
        services.site.on("/osv/v1/vulns/GHSA-dddd-eeee-ffff", {"body": reviewed})
        services.advisory("malicious", "1.0", identifier="MAL-2026-1", summary="steals")
        services.advisory("removed", "9.9", identifier="MAL-2026-2", summary="steals")
        services.advisory("older", "0.5", identifier="PYSEC-2020-1", aliases=["CVE-2020-1001"])
        services.advisory("flask", "3.0.0", identifier="GHSA-gggg-hhhh-jjjj", aliases=["CVE-2026-1005"],
                          database_specific={"severity": "LOW"})  # fmt: skip
        services.affecting["current", "2.0"] = ["GHSA-lost-lost-lost"]
        npm = {"package": {"ecosystem": "npm", "name": "old"}, "ranges": [
            {"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}  # fmt: skip
        services.affecting["old", "1.0.0"] = ["GHSA-mmmm-nnnn-pppp"]
        services.recorded["old"] = ["GHSA-mmmm-nnnn-pppp"]
        record = {"id": "GHSA-mmmm-nnnn-pppp", "modified": "2026-01-01T00:00:00Z", "aliases": ["CVE-2026-1006"],
                  "published": "2026-01-01T00:00:00Z", "affected": [npm],
                  "database_specific": {"severity": "HIGH"}}  # fmt: skip
        services.site.on("/osv/v1/vulns/GHSA-mmmm-nnnn-pppp", {"body": record})

    def _serve_deps_dev(self) -> None:
        for kind in ("version", "findings", "project"):
            self.services.site.on(f"/deps_dev/v3alpha/{kind}batch", self._answer_batch)

    def _answer_batch(self, request: Any) -> dict[str, Any]:
        requests = json.loads(request.body)["requests"]
        return {"body": {"responses": [{"request": one, **self._describe(request.path, one)} for one in requests]}}

    def _describe(self, path: str, key: dict[str, Any]) -> dict[str, Any]:
        if "projectbatch" in path:
            name = key["projectKey"]["id"].rpartition("/")[2]
            if name not in self.repositories:
                return {}
            checks = [{"name": "Maintained", "score": 7}, {"name": "Code-Review", "score": 3}]
            scorecard = {"date": "2026-11-01T00:00:00Z", "checks": checks}
            return {"project": {"projectKey": key["projectKey"], "starsCount": 9, "scorecard": scorecard}}
        version = key["versionKey"]
        name = version["name"]
        if name in self.unindexed:
            return {}
        if "findingsbatch" in path:
            if name == "nodefault":
                return {}
            default = {"versionKey": {**version, "version": "3.0.0"}}
            return {"findings": {"requestedVersion": {}, "defaultVersion": default}}
        verified = name in {"attested", "react"}
        repository = {
            "projectKey": {"id": f"github.com/acme/{name.rpartition('/')[2]}"},
            "relationType": "SOURCE_REPO",
            "relationProvenance": "SLSA_ATTESTATION" if verified else "UNVERIFIED_METADATA",
        }
        age = {"young": "2026-11-10", "hooked": "2026-10-01"} if version["version"].startswith("3") else {}
        return {
            "version": {
                "versionKey": version,
                "publishedAt": f"{age.get(name, '2025-10-20')}T08:00:00Z",
                "licenses": ["MIT"],
                "isDeprecated": name == "deprecated",
                "relatedProjects": [] if name == "no-repository" else [repository],
                "attestations": [{"verified": True, "sourceRepository": f"https://github.com/acme/{name}"}]
                if verified
                else [],
            }
        }

    def _serve_epss(self) -> None:
        def serve(request: Any, connection: Any) -> bool:
            if request.path.startswith("/epss?"):
                cves = request.path.partition("cve=")[2].partition("&")[0].split(",")
                rows = [{"cve": cve, "epss": f"0.{cve[-2:]}"} for cve in cves]
                request = type(request)(request.method, "/epss", request.headers, request.body)
                script = self.services.site.scripts["/epss"][0]
                if script.get("status") == 500:
                    self.services.site.on("/epss-answer", {"body": {"total": len(rows), "data": rows}})
                    request = type(request)(request.method, "/epss-answer", request.headers, request.body)
            return bool(original(request, connection))

        original = self.services.site.serve
        self.monkeypatch.setattr(self.services.site, "serve", serve)

    def _serve_repositories(self) -> None:
        site = self.services.site
        kev = [{"cveID": "CVE-1999-0001"}, {"cveID": "CVE-2026-1001", "dateAdded": "2026-02-01"}]
        site.on("/kev", {"body": {"catalogVersion": "1", "count": 2, "vulnerabilities": kev}})
        checks = [{"name": "Maintained", "score": 5}, {"name": "Code-Review", "score": 6}]
        result = {"date": "2026-11-02", "repo": {"name": "github.com/acme/older"}, "checks": checks}
        site.on("/scorecard/projects/github.com/acme/older", {"body": result})

        def query(request: Any) -> dict[str, Any]:
            variables = json.loads(request.body)["variables"]
            count = {"totalCount": 20}
            names = {n: f"{variables[f'o{n}']}/{variables[f'n{n}']}" for n in range(50) if f"o{n}" in variables}
            target = {"committedDate": "2026-11-01T00:00:00Z", "history": count}
            body = {"isArchived": False, "stargazerCount": 9, "defaultBranchRef": {"target": target},
                    "openIssues": count, "closedIssues": count, "openPulls": count, "closedPulls": count}  # fmt: skip
            return {"body": {"data": {f"r{n}": {"nameWithOwner": name, **body} for n, name in names.items()}}}

        site.on("/github/graphql", query)


def everything(_: World) -> None:
    """Let everything answer."""


def few(_: World) -> tuple[str, ...]:
    """Scan so few packages that GitHub is requested without a token."""
    return ("few",)


def with_token(world: World) -> None:
    world.monkeypatch.setenv("GITHUB_TOKEN", "t")


def earlier(_: World) -> tuple[str, ...]:
    return ("--as-of", "2025-12-01")


def osv_missing(world: World) -> None:
    world.services.silent()


def osv_records_failing(world: World) -> None:
    for identifier in ("GHSA-aaaa-bbbb-cccc", "MAL-2026-1"):
        world.services.site.on(f"/osv/v1/vulns/{identifier}", {"status": 400})


def deps_dev_without_batches(world: World) -> None:
    for kind in ("version", "findings", "project"):
        world.services.site.on(f"/deps_dev/v3alpha/{kind}batch", {"status": 404})
    body = {"versionKey": {}, "publishedAt": "2025-10-20T08:00:00Z", "licenses": ["MIT"]}
    for name in ("older", "current", "affected"):
        world.services.site.on(f"/deps_dev/v3/systems/pypi/packages/{name}/versions/1.0", {"body": body})
    for name in ("left", "affected"):
        world.services.site.on(f"/deps_dev/v3/systems/npm/packages/{name}/versions/1.0.0", {"body": body})


def deps_dev_failing(world: World) -> None:
    for kind in ("version", "findings", "project"):
        world.services.site.on(f"/deps_dev/v3alpha/{kind}batch", {"status": 500})


def exploitation_missing(world: World) -> None:
    world.services.site.on("/epss", {"status": 404})
    world.services.site.on("/kev", {"status": 404})


def no_release_pages(world: World) -> None:
    for path in list(world.registry.site.scripts):
        if re.fullmatch(r"/pypi/[^/]+/[^/]+/json", path):
            world.registry.site.on(path, {"status": 404})


def no_project_pages(world: World) -> None:
    for path in list(world.registry.site.scripts):
        if path.startswith("/pypi/"):
            world.registry.site.on(path, {"status": 404})


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        everything,
        few,
        with_token,
        earlier,
        osv_missing,
        osv_records_failing,
        deps_dev_without_batches,
        deps_dev_failing,
        exploitation_missing,
        no_release_pages,
        no_project_pages,
    )
}


#: Scenarios whose second report differs from the first.
COOLDOWNS = {"osv_missing", "deps_dev_failing", "exploitation_missing"}


@pytest.fixture
def world(registry: Any, services: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The panel, and a clock that stands still."""
    for module in (evidence_run, session):
        monkeypatch.setattr(module, "read_clock", lambda: NOW)
    monkeypatch.setattr(fetcher, "HttpSettings", partial(HttpSettings, backoff=0.01))
    (project / "requirements.txt").write_text(REQUIREMENTS)
    (project / "package.json").write_text(json.dumps({"dependencies": NPM}))
    return World(registry, services, monkeypatch)


def normalise(result: Any, world: World) -> list[str]:
    """Return a report as lines of JSON, without addresses and numbers of requests."""
    text = result.out
    for site in (world.registry.site, world.services.site):
        text = text.replace(site.host, "registry.example")
    document = json.loads(text)
    for source in document["sources"]:
        # Of several reasons the commonest is named, by the order of answers if there are equally many of each.
        for field in ("requests", "subjects", "answered_subjects", "cached_subjects", "reason"):
            del source[field]
    del document["python"], document["tool"]
    dependencies = document.pop("dependencies")
    return [json.dumps(part, sort_keys=True) for part in ({"status": result.status, **document}, *dependencies)]


def shorten(line: str) -> str:
    """Return what is most worth reading of a dependency, and a digest of everything."""
    part = json.loads(line)
    if "sources" in part:
        return line
    names = ("name", "ecosystem", "version", "state", "score", "reasons", "upgrade")
    short = {name: part[name] for name in names if part.get(name) is not None}
    return json.dumps({**short, "digest": hashlib.sha256(line.encode()).hexdigest()[:16]}, sort_keys=True)


def compare(name: str, lines: list[str]) -> None:
    path = GOLDEN / f"{name}.jsonl"
    if os.environ.get("NERQ_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    assert lines == path.read_text().splitlines()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_report_is_the_recorded_one_cold_and_warm(nerq: Nerq, world: World, project: Path, name: str) -> None:
    options = SCENARIOS[name](world) or AS_OF
    if options == ("few",):
        options = AS_OF
        (project / "package.json").unlink()
        (project / "requirements.txt").write_text("older==1.0\naffected==1.0\nreposcored==1.0\nattested==2.0\n")
    cold = normalise(nerq("scan", *options, "--format", "json"), world)
    compare(name, cold if name == "everything" else [shorten(line) for line in cold])
    warm = normalise(nerq("scan", *options, "--format", "json"), world)
    if name in COOLDOWNS:  # a service without an answer is not requested again: the reasons say since when
        compare(f"{name}-warm", [shorten(line) for line in warm])
    else:
        assert warm == cold


@pytest.mark.parametrize("seed", range(4))
def test_a_report_does_not_depend_on_the_order_of_answers(
    nerq: Nerq, world: World, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    numbers = random.Random(seed)  # noqa: S311 - no secret
    with_token(world)
    for site in (world.registry.site, world.services.site):
        monkeypatch.setattr(site, "serve", delay_answers(site.serve, numbers))
    compare("with_token", [shorten(line) for line in normalise(nerq("scan", *AS_OF, "--format", "json"), world)])


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_replay_is_the_report_that_was_recorded(nerq: Nerq, world: World, project: Path, name: str) -> None:
    options = SCENARIOS[name](world) or AS_OF
    if options == ("few",):
        options = AS_OF
        (project / "package.json").unlink()
        (project / "requirements.txt").write_text("older==1.0\naffected==1.0\nreposcored==1.0\nattested==2.0\n")
    recording = ("--record", "evidence.nerq", "--record-private")
    recorded = nerq("scan", *options, "--format", "json", *recording)
    world.registry.site.requests.clear()
    world.services.site.requests.clear()
    replayed = nerq("scan", "--replay", "evidence.nerq", "--format", "json")
    assert (replayed.status, replayed.out) == (recorded.status, recorded.out)
    assert "differs" not in replayed.err
    assert not world.registry.site.requests
    assert not world.services.site.requests
    redacted = nerq("scan", *options, "--format", "json", "--record", "evidence.nerq")
    shown = nerq("scan", "--replay", "evidence.nerq", "--format", "json")
    assert shown.status == redacted.status
    names = {(item["ecosystem"], item["name"]) for item in shown.json["dependencies"]}
    kept = [item for item in redacted.json["dependencies"] if (item["ecosystem"], item["name"]) in names]
    assert kept == shown.json["dependencies"]


def delay_answers(serve: Callable[[Any, Any], bool], numbers: random.Random) -> Callable[[Any, Any], bool]:
    """Return a server whose answers take up to 0.2 s."""

    def serve_late(request: Any, connection: Any) -> bool:
        time.sleep(numbers.choice([0.0, 0.01, 0.05, 0.2]))
        return serve(request, connection)

    return serve_late
