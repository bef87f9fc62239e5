"""Evidence put together from registries and services on loopback: who is asked for what, and what it adds up to."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.evidence.collect import RELEASE_STEPS, EvidenceCollector
from nerq_cli.evidence.plan import ByRelease, Step
from nerq_cli.evidence.registry_lookup import RegistryLookup
from nerq_cli.evidence.service_lookup import ServiceLookup
from nerq_cli.facts import NOT_AVAILABLE, Absent, Evidence, Fact, Found, Unknown
from nerq_cli.inventory import Package, Release
from nerq_cli.sources.advisories.osv_files import build_entries
from nerq_cli.sources.advisories.osv_record import parse_record
from nerq_cli.sources.deps_dev import VersionFindings
from nerq_cli.sources.endpoints import read_endpoints
from nerq_cli.sources.popularity.ranks import get_most_used
from nerq_cli.sources.registries.config.indexes import read_index_config
from nerq_cli.store import MemoryCache
from nerq_cli.store.advisory_db import AdvisoryDatabase, ImportInfo

NOW = 1_800_000_000
DAY = 86_400
VERSIONS, FINDINGS, PROJECTS = (f"/deps-dev/v3alpha/{one}batch" for one in ("version", "findings", "project"))
LISTS = "/osv/v1/querybatch"
SERVICES = ("OSV", "DEPS_DEV", "SCORECARD", "GITHUB", "EPSS", "KEV", "NPM_DOWNLOADS", "PYPISTATS")
EVENTS = [{"introduced": "0"}, {"fixed": "2.0.0"}]


def day(ago: int) -> str:
    return datetime.fromtimestamp(NOW - ago * DAY, timezone.utc).isoformat().replace("+00:00", "Z")


def npm(version: str = "1.0.0", name: str = "left") -> Release:
    return Release(package=Package(ecosystem=NPM, name=name), version=version)


def pypi(version: str = "1.0", name: str = "demo") -> Release:
    return Release(package=Package(ecosystem=PYPI, name=name), version=version)


def record(identifier: str, name: str, ecosystem: EcosystemId = NPM, **more: Any) -> dict[str, Any]:
    kind = "SEMVER" if ecosystem == NPM else "ECOSYSTEM"
    affected = {"package": {"ecosystem": ecosystem, "name": name}, "ranges": [{"type": kind, "events": EVENTS}]}
    return {"id": identifier, "modified": day(400), "published": day(400), "affected": [affected], **more}


@dataclass(slots=True)
class World:
    """Two sites: the registries, and the services. ``versions`` is what deps.dev knows, ``default`` what it takes.

    ``listed`` are the ids that OSV lists for a release (name and version), or ever (name alone).
    """

    site: Any
    services: Any
    inquiry: Callable[..., EvidenceCollector]
    versions: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    listed: dict[Any, list[str]] = field(default_factory=dict)

    def npm(self, name: str, *versions: str, **more: Any) -> None:
        """Publish an npm package; deps.dev knows it, and its last version is the newest."""
        manifests = {one: {"name": name, "version": one, "description": "What it is", **more} for one in versions}
        times = {one: day(400 - n) for n, one in enumerate(versions)}
        packument = {"name": name, "dist-tags": {"latest": versions[-1]}, "time": times, "versions": manifests}
        self.site.on(f"/{name}", {"body": packument})
        for path, version in (*((one, one) for one in versions), ("latest", versions[-1])):
            self.site.on(f"/{name}/{path}", {"body": manifests[version]})
        for version in versions:
            self.versions[name, version] = {"publishedAt": times[version]}
        self.findings[name] = {"defaultVersion": {"versionKey": {"version": versions[-1]}}}

    def pypi(self, name: str, *versions: str, vulnerabilities: list[dict[str, Any]] | None = None) -> None:
        """Publish a PyPI project; its page is that of the last version."""
        files = {one: [{"filename": f"{name}-{one}-py3-none-any.whl", "yanked": False}] for one in versions}
        info = {"name": name, "version": versions[-1]}
        page = {"info": info, "releases": files, "vulnerabilities": vulnerabilities or [], "urls": []}
        self.site.on(f"/pypi/{name}/json", {"body": page})
        for version in versions:
            self.versions[name, version] = {"publishedAt": day(400)}

    def evidence(self, *releases: Release, pinned: bool = True, **options: Any) -> dict[Release, Evidence]:
        """Ask about releases, as a scan does."""
        inquiry = self.inquiry(**options)
        packages = sorted({one.package for one in releases})
        return inquiry.collect_evidence(releases, inquiry.collect_packages(packages, releases if pinned else ()))

    @property
    def asked(self) -> list[str]:
        """What the registries were asked for."""
        return [one.path for one in self.site.requests]

    def answer_batch(self, request: Any) -> dict[str, Any]:
        kind = request.path.removeprefix("/deps-dev/v3alpha/").removesuffix("batch")
        return {
            "body": {
                "responses": [{"request": one, **self._said(kind, one)} for one in json.loads(request.body)["requests"]]
            }
        }

    def _said(self, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
        key = request.get("versionKey", {})
        if kind == "version" and (key["name"], key["version"]) in self.versions:
            return {"version": {"versionKey": key, **self.versions[key["name"], key["version"]]}}
        return {"findings": self.findings[key["name"]]} if kind == "findings" and key["name"] in self.findings else {}

    def answer_lists(self, request: Any) -> dict[str, Any]:
        results = []
        for query in json.loads(request.body)["queries"]:
            name = query["package"]["name"]
            ids = self.listed.get((name, query["version"]) if "version" in query else name, [])
            results.append({"vulns": [{"id": one, "modified": day(400)} for one in ids]} if ids else {})
        return {"body": {"results": results}}


@pytest.fixture
def world(site: Any, services_site: Any, open_run: Callable[..., Any], tmp_path: Path) -> World:
    memory = MemoryCache()

    def inquiry(*, is_public: bool = True, **options: Any) -> EvidenceCollector:
        given = {"NERQ_NPM_URL": site.url, "NERQ_PYPI_URL": site.url}
        run = open_run(memory)
        environment = {f"NERQ_{one}_URL": f"{services_site.url}/{one.lower().replace('_', '-')}" for one in SERVICES}
        environment["GITHUB_TOKEN"] = "of-nobody"  # noqa: S105 - of nobody, as it says
        endpoints = read_endpoints(environment)
        if not is_public:
            endpoints = replace(endpoints, configured=frozenset())
        return EvidenceCollector(
            RegistryLookup(run, read_index_config(given, cwd=tmp_path, home=tmp_path, root=tmp_path)),
            ServiceLookup(run, endpoints, is_public=lambda _: is_public),
            memory,
            now=NOW,
            **options,
        )

    made = World(site, services_site, inquiry)
    for path in (VERSIONS, FINDINGS, PROJECTS):
        services_site.on(path, made.answer_batch)
    services_site.on(LISTS, made.answer_lists)
    return made


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Callable[..., AdvisoryDatabase]]:
    opened: list[AdvisoryDatabase] = []

    def fill(*records: dict[str, Any]) -> AdvisoryDatabase:
        one = AdvisoryDatabase.open(tmp_path, now=NOW)
        opened.append(one)
        assert one.replace_records(
            build_entries(parse_record(json.dumps(each).encode()) for each in records),
            ImportInfo("test", NOW, validator="1"),
        )
        return one

    yield fill
    for one in opened:
        one.close()


# npm packages that are pinned


def test_a_pinned_npm_package_costs_a_manifest_and_no_packument(world: World) -> None:
    world.npm("left", "1.0.0", "2.0.0")
    [evidence] = world.evidence(npm()).values()
    assert world.asked == ["/left/1.0.0"]
    assert isinstance(evidence.package_info, Found)
    project = evidence.package_info.value
    assert (project.partial, project.versions, project.newest_stable) == (True, ("2.0.0", "1.0.0"), "2.0.0")


def test_a_range_costs_the_packument(world: World) -> None:
    world.npm("left", "1.0.0", "2.0.0")
    world.evidence(npm(), pinned=False)
    assert world.asked == ["/left"]


def test_two_pinned_versions_of_a_package_cost_two_manifests(world: World) -> None:
    world.npm("left", "1.0.0", "2.0.0")
    world.evidence(npm(), npm("2.0.0"))
    assert sorted(world.asked) == ["/left/1.0.0", "/left/2.0.0"]


@pytest.mark.parametrize("why", ["young", "deprecated", "advisory", "not indexed", "no manifest", "looks like another"])
def test_a_package_that_needs_a_closer_look_costs_its_packument(world: World, why: str) -> None:
    name = "expresss" if why == "looks like another" else "left"
    world.npm(name, "1.0.0", "2.0.0")
    if why == "young":
        world.versions[name, "1.0.0"] = {"publishedAt": day(29)}
    elif why == "deprecated":
        world.versions[name, "1.0.0"]["isDeprecated"] = True
    elif why == "advisory":
        world.listed[name, "1.0.0"] = ["GHSA-1"]
        world.services.on("/osv/v1/vulns/GHSA-1", {"body": record("GHSA-1", name)})
    elif why == "not indexed":
        del world.versions[name, "1.0.0"]
    elif why == "no manifest":
        world.site.on(f"/{name}/1.0.0", {"status": 404, "body": {}})
    [evidence] = world.evidence(npm(name=name)).values()
    assert f"/{name}" in world.asked
    assert isinstance(evidence.package_info, Found)
    assert evidence.package_info.value.partial == (why == "no manifest")


def test_without_findings_the_registry_says_which_version_is_the_newest(world: World) -> None:
    world.npm("left", "1.0.0", "2.0.0")
    world.services.on(FINDINGS, {"status": 404})
    [evidence] = world.evidence(npm()).values()
    assert sorted(world.asked) == ["/left/1.0.0", "/left/latest"]
    assert isinstance(evidence.package_info, Found)
    project = evidence.package_info.value
    assert (project.newest_stable, project.tags, project.status) == ("2.0.0", {"latest": "2.0.0"}, "active")
    assert project.published[0] > project.published[1] > 0


@pytest.mark.parametrize(
    "turn",
    [
        {"status": 404, "body": {}},
        {"status": 405, "body": {}},
        {"status": 500},
        {"body": b"<html>"},
        {"body": {"name": "right", "version": "2.0.0"}},
        {"body": {"name": "left", "version": 2}},
    ],
)
def test_where_nobody_says_which_version_is_the_newest_it_is_not_known(world: World, turn: dict[str, Any]) -> None:
    world.npm("left", "1.0.0", "2.0.0")
    world.services.on(FINDINGS, {"status": 404})
    world.site.on("/left/latest", turn)
    [evidence] = world.evidence(npm()).values()
    assert "/left" not in world.asked
    assert isinstance(evidence.package_info, Found)
    project = evidence.package_info.value
    assert (project.newest_stable, project.tags, project.versions) == ("", {}, ("1.0.0",))


def test_a_newest_version_that_deps_dev_has_not_seen_is_no_date(world: World) -> None:
    world.npm("left", "1.0.0", "2.0.0")
    del world.versions["left", "2.0.0"]
    [evidence] = world.evidence(npm()).values()
    assert isinstance(evidence.package_info, Found)
    assert evidence.package_info.value.newest_stable == ""


# Advisories from several places

HOLE = {"id": "PYSEC-1", "aliases": ["CVE-2026-0001"], "details": "A hole.", "fixed_in": ["2.0"], "link": ""}


def ids(evidence: Evidence) -> list[str] | str:
    fact = evidence.advisories
    return [one.id for one in fact.value] if isinstance(fact, Found) else fact.reason


def test_that_a_registry_lists_nothing_is_no_clean_answer_where_osv_is_silent(world: World) -> None:
    world.pypi("demo", "1.0")
    world.services.on(LISTS, {"status": 404})
    [evidence] = world.evidence(pypi()).values()
    assert "does not answer batches (HTTP 404)" in ids(evidence)


def test_what_a_registry_lists_counts_also_where_osv_is_silent(world: World) -> None:
    world.pypi("demo", "1.0", vulnerabilities=[HOLE])
    world.services.on(LISTS, {"status": 404})
    [evidence] = world.evidence(pypi()).values()
    assert ids(evidence) == ["PYSEC-1"]


def test_what_osv_and_the_registry_know_alike_counts_once(world: World) -> None:
    world.pypi("demo", "1.0", vulnerabilities=[HOLE, {**HOLE, "id": "PYSEC-2", "aliases": []}])
    world.listed["demo", "1.0"] = ["GHSA-1"]
    body = record("GHSA-1", "demo", PYPI, aliases=["CVE-2026-0001"])
    world.services.on("/osv/v1/vulns/GHSA-1", {"body": body})
    [evidence] = world.evidence(pypi()).values()
    assert ids(evidence) == ["GHSA-1", "PYSEC-2"]


def test_what_deps_dev_finds_malicious_is_malware_even_where_osv_is_silent(world: World) -> None:
    world.npm("left", "1.0.0")
    world.findings["left"] |= {"requestedVersion": {"findings": [{"type": "MALICIOUS"}]}}
    world.services.on(LISTS, {"status": 404})
    [evidence] = world.evidence(npm()).values()
    assert isinstance(evidence.advisories, Found)
    assert [(one.id, one.malware) for one in evidence.advisories.value] == [("MALICIOUS", True)]
    assert evidence.advisories.source == "deps.dev"


def test_that_a_version_is_affected_is_the_lists_to_say(world: World) -> None:
    world.npm("left", "1.0.0", "3.0.0")
    world.listed |= {("left", "3.0.0"): ["MAL-1"], "left": ["MAL-1"]}
    world.services.on("/osv/v1/vulns/MAL-1", {"body": record("MAL-1", "left")})
    [evidence] = world.evidence(npm("3.0.0")).values()
    assert ids(evidence) == ["MAL-1"]


def test_what_a_list_says_of_one_version_is_not_lost_beside_what_it_says_of_another(world: World) -> None:
    world.pypi("demo", "3.0.0", "4.0.0")
    files = {
        one: [{"filename": f"demo-{one}-py3-none-any.whl", "upload_time_iso_8601": day(ago), "yanked": False}]
        for one, ago in (("3.0.0", 400), ("4.0.0", 5))
    }
    page = {"info": {"name": "demo", "version": "4.0.0"}, "releases": files, "vulnerabilities": [], "urls": []}
    world.site.on("/pypi/demo/json", {"body": page})
    world.listed |= {("demo", "3.0.0"): ["GHSA-1"], ("demo", "4.0.0"): ["GHSA-1"], "demo": ["GHSA-1"]}
    world.services.on("/osv/v1/vulns/GHSA-1", {"body": record("GHSA-1", "demo", PYPI)})
    [evidence] = world.evidence(pypi("4.0.0")).values()
    assert ids(evidence) == ["GHSA-1"]
    assert isinstance(evidence.history, Found)
    assert not evidence.history.value.fixes_predecessor


def test_what_is_recorded_and_was_not_read_makes_the_past_unknown(world: World) -> None:
    world.npm("left", "1.0.0")
    world.listed["left"] = ["GHSA-1"]
    [evidence] = world.evidence(npm()).values()
    assert isinstance(evidence.history, Found)
    assert evidence.history.value.old_advisories is None


def test_a_young_version_is_seen_to_fix_what_the_one_before_had(world: World) -> None:
    world.pypi("demo", "1.0", "2.0.0")
    page = {
        "info": {"name": "demo", "version": "2.0.0"},
        "releases": {
            one: [{"filename": f"demo-{one}-py3-none-any.whl", "upload_time_iso_8601": day(ago), "yanked": False}]
            for one, ago in (("1.0", 400), ("2.0.0", 5))
        },
        "vulnerabilities": [],
        "urls": [],
    }
    world.site.on("/pypi/demo/json", {"body": page})
    world.listed |= {("demo", "1.0"): ["GHSA-1"], "demo": ["GHSA-1"]}
    world.services.on("/osv/v1/vulns/GHSA-1", {"body": record("GHSA-1", "demo", PYPI)})
    [evidence] = world.evidence(pypi("2.0.0")).values()
    assert isinstance(evidence.history, Found)
    assert (evidence.history.value.fixes_predecessor, evidence.history.value.old_advisories) == (True, 1)


# The database


def test_where_osv_is_silent_the_database_stands_in(world: World, database: Callable[..., AdvisoryDatabase]) -> None:
    world.npm("left", "1.0.0", "2.0.0")
    world.services.on(LISTS, {"status": 500})
    inquiry = world.inquiry(database=database(record("GHSA-1", "left")))
    releases = [npm(), npm("2.0.0"), pypi()]
    world.pypi("demo", "1.0")
    evidence = inquiry.collect_evidence(releases, inquiry.collect_packages([one.package for one in releases], releases))
    assert [ids(evidence[one]) for one in releases[:2]] == [["GHSA-1"], []]
    assert isinstance(evidence[releases[2]].advisories, Unknown)
    assert (
        inquiry.answered_by_database[NPM],
        inquiry.answered_by_database[PYPI],
        inquiry.missing_advisories[PYPI],
    ) == (2, 0, 1)


def test_where_osv_answers_only_what_it_does_not_publish_is_added(
    world: World, database: Callable[..., AdvisoryDatabase]
) -> None:
    world.npm("left", "1.0.0")
    world.listed["left"] = ["GHSA-1"]
    world.services.on("/osv/v1/vulns/GHSA-1", {"body": record("GHSA-1", "other")})
    kept = database(record("GHSA-1", "left"), record("ACME-1", "left"))
    [evidence] = world.evidence(npm(), database=kept).values()
    assert ids(evidence) == ["ACME-1"]
    assert isinstance(evidence.history, Found)
    assert evidence.history.source == "advisory database"
    assert evidence.history.value.old_advisories == 2


# What else is filled in


def test_what_the_registry_does_not_say_is_filled_in_from_the_others(world: World) -> None:
    world.pypi("demo", "1.0")
    related = {"relationProvenance": "UNVERIFIED_METADATA", "relationType": "SOURCE_REPO"}
    world.versions["demo", "1.0"] |= {
        "licenses": ["MIT"],
        "relatedProjects": [{"projectKey": {"id": "github.com/acme/demo"}, **related}],
    }
    world.services.on(
        "/github/graphql", {"body": {"data": {"r0": {"nameWithOwner": "acme/demo", "readme": {"byteSize": 4_000}}}}}
    )
    [evidence] = world.evidence(pypi()).values()
    assert isinstance(evidence.metadata, Found)
    said = evidence.metadata.value
    assert (said.licence_expression, said.readme) == ("MIT", 4_000)
    assert isinstance(evidence.repository, Found)
    assert evidence.repository.value.name == "github.com/acme/demo"


def test_a_name_no_registry_knows_is_absent(world: World) -> None:
    world.npm(get_most_used(NPM), "1.0.0")
    [evidence] = world.evidence(npm(name="nobody-has-this")).values()
    assert isinstance(evidence.package_info, Absent)
    assert isinstance(evidence.metadata, Absent)


def test_downloads_are_asked_for_only_on_request(world: World) -> None:
    world.npm("left", "1.0.0")
    [evidence] = world.evidence(npm()).values()
    assert isinstance(evidence.adoption, Unknown)
    assert evidence.adoption.reason == "not requested"


def test_a_young_package_with_a_name_like_anothers_is_compared_with_that_one(world: World) -> None:
    world.npm("expresss", "1.0.0")
    world.site.on("/express", {"body": {"name": "express", "versions": {"4.0.0": {}}, "time": {"4.0.0": day(3_000)}}})
    world.site.on("/expresss", {"body": {"name": "expresss", "versions": {"1.0.0": {}}, "time": {"1.0.0": day(40)}}})
    [evidence] = world.evidence(npm(name="expresss")).values()
    assert isinstance(evidence.similar_package, Found)
    assert evidence.similar_package.value.name == "express"
    [again] = world.evidence(npm(name="expresss")).values()
    assert again.similar_name == evidence.similar_name
    assert world.asked.count("/express") == 1


def test_who_published_a_version_is_what_the_registry_verified(world: World) -> None:
    attested = {"dist": {"attestations": {"url": "https://npm.example/a"}}}
    world.npm("left", "1.0.0", **attested)
    statement = {
        "predicateType": "https://slsa.dev/provenance/v1",
        "subject": [{"name": "pkg:npm/left@1.0.0"}],
        "predicate": {
            "buildDefinition": {
                "externalParameters": {
                    "workflow": {"repository": "https://github.com/acme/left", "ref": "r", "path": "p"}
                }
            }
        },
    }
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    bundle = {"predicateType": statement["predicateType"], "bundle": {"dsseEnvelope": {"payload": payload}}}
    world.site.on("/-/npm/v1/attestations/left@1.0.0", {"body": {"attestations": [bundle]}})
    [evidence] = world.evidence(npm()).values()
    assert isinstance(evidence.metadata, Found)
    assert evidence.metadata.value.attested_repository == "github.com/acme/left"


# A step more


class StarredEvidence(Evidence, frozen=True, kw_only=True):
    stars: Fact[int] = NOT_AVAILABLE


def test_a_step_that_is_added_brings_its_evidence(world: World) -> None:
    """The step is listed first, and runs after the step that gives what it needs."""

    def count_stars(findings: ByRelease[VersionFindings]) -> ByRelease[int]:
        return {release: Found(len(release.version), "star catalogue", NOW) for release in findings}

    world.npm("left", "1.0.0")
    [evidence] = world.evidence(
        npm(), release_steps=[Step("stars", count_stars), *RELEASE_STEPS], evidence_type=StarredEvidence
    ).values()
    assert isinstance(evidence, StarredEvidence)
    assert evidence.stars == Found(5, "star catalogue", NOW)
    assert isinstance(evidence.package_info, Found)


def test_two_runs_share_no_counts(world: World) -> None:
    world.npm("left", "1.0.0")
    world.services.on(LISTS, {"status": 500})
    first, second = world.inquiry(), world.inquiry()
    first.collect_evidence([npm()], first.collect_packages([npm().package], [npm()]))
    assert (first.missing_advisories[NPM], second.missing_advisories[NPM]) == (1, 0)


# Privacy: whatever steps there are


def test_no_step_sends_a_private_name_to_a_service(world: World) -> None:
    world.npm("left", "1.0.0", repository="https://github.com/acme/left")
    world.pypi("demo", "1.0", "2.0")
    evidence = world.evidence(npm(), pypi(), is_public=False, downloads=True)
    assert all(isinstance(facts.metadata, Found) for facts in evidence.values())
    assert world.asked
    assert world.services.requests == []


def test_no_step_sends_a_name_that_no_registry_has_to_a_service(world: World) -> None:
    world.npm(get_most_used(NPM), "1.0.0")
    world.pypi(get_most_used(PYPI), "1.0")
    evidence = world.evidence(npm(name="our-own-tool"), pypi(name="our-own-tool"), downloads=True)
    assert all(isinstance(facts.package_info, Absent) for facts in evidence.values())
    assert {request.path for request in world.services.requests} <= {"/kev"}  # a file, and no name
