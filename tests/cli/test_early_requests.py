"""When requests leave: as soon as what each needs is known, and not before a name may be told."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.evidence.early_requests import EarlyRequests

Nerq = Callable[..., Any]
SCAN = ("scan", "--as-of", "2026-11-21", "--format", "json", "--timeout", "30")
#: Seconds that an answer waits at most for a request that is to come before it.
PATIENCE = 6


class Waiting:
    """A turn that answers once a request arrived at the services, and remembers whether it did."""

    def __init__(self, services: Any, turn: Any, arrives: Callable[[Any], bool]) -> None:
        self.has_arrived: bool | None = None
        self._services, self._turn, self._arrives = services, turn, arrives

    def __call__(self, _: Any) -> Any:
        pause = threading.Event()
        for _ in range(PATIENCE * 100):
            self.has_arrived = any(self._arrives(request) for request in list(self._services.site.requests))
            if self.has_arrived:
                break
            pause.wait(0.01)
        return self._turn


def names(*words: str) -> Callable[[Any], bool]:
    """Return whether a request has all of these words in its path or body."""
    return lambda request: all(word in f"{request.path} {request.body.decode()}" for word in words)


def hold(registry: Any, services: Any, path: str, arrives: Callable[[Any], bool]) -> Waiting:
    """Let a path answer what it does, but not before a request arrived at the services."""
    waiting = Waiting(services, registry.site.scripts[path][0], arrives)
    registry.site.on(path, waiting)
    return waiting


@pytest.fixture
def pins(registry: Any, project: Path) -> Any:
    """A project with two pinned packages that are on no list, and a popular one."""
    for name in ("requests", "quick", "slow"):
        registry.pypi(name, "1.0", "2.0")
    (project / "requirements.txt").write_text("requests==1.0\nquick==1.0\nslow==1.0\n")
    return registry


@pytest.mark.parametrize(
    "kind", ["/osv/v1/querybatch", "/deps_dev/v3alpha/versionbatch", "/deps_dev/v3alpha/findingsbatch"]
)
def test_a_package_does_not_wait_for_the_page_of_another(nerq: Nerq, pins: Any, services: Any, kind: str) -> None:
    page = hold(pins, services, "/pypi/slow/json", names(kind, '"quick"'))
    assert nerq(*SCAN).status == 0
    assert page.has_arrived


def test_the_page_of_a_release_does_not_wait_for_the_page_of_another_project(
    nerq: Nerq, pins: Any, services: Any
) -> None:
    page = Waiting(pins, pins.site.scripts["/pypi/slow/json"][0], names("/pypi/quick/1.0/json"))
    pins.site.on("/pypi/slow/json", page)
    assert nerq(*SCAN).status == 0
    assert page.has_arrived


def test_the_page_of_a_pinned_release_does_not_wait_for_that_of_its_project(nerq: Nerq, pins: Any) -> None:
    page = Waiting(pins, pins.site.scripts["/pypi/slow/json"][0], names("/pypi/slow/1.0/json"))
    pins.site.on("/pypi/slow/json", page)
    assert nerq(*SCAN).status == 0
    assert page.has_arrived
    assert pins.paths.count("/pypi/slow/1.0/json") == 1


@pytest.mark.parametrize("status", [404, 500])
def test_a_pinned_release_that_does_not_exist_changes_nothing_for_others(
    nerq: Nerq, pins: Any, project: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    def select_others(report: Any) -> list[Any]:
        fields = ("name", "state", "score", "score_range", "coverage", "reasons")
        others = (dependency for dependency in report["dependencies"] if dependency["name"] != "quick")
        return [[dependency[field] for field in fields] for dependency in others]

    usual = nerq(*SCAN).json
    monkeypatch.setenv("NERQ_CACHE_DIR", str(project.parent / "other cache"))
    (project / "requirements.txt").write_text("requests==1.0\nquick==9.9\nslow==1.0\n")
    pins.site.on("/pypi/quick/9.9/json", {"status": status})
    result = nerq(*SCAN).json
    assert select_others(result) == select_others(usual)
    assert {source["name"]: source["state"] for source in result["sources"]}["PyPI"] == "ok"
    count = len(pins.site.requests)
    nerq(*SCAN)
    assert len(pins.site.requests) == count


def test_a_registry_without_pages_of_releases_has_the_same_report_and_is_not_asked_again(
    nerq: Nerq, pins: Any, project: Path
) -> None:
    versions = {}
    for name in ("requests", "quick", "slow"):
        versions[name] = pins.site.scripts[f"/pypi/{name}/1.0/json"]
        pins.site.on(f"/pypi/{name}/1.0/json", {"status": 404})
    first = nerq(*SCAN).json
    count = pins.paths.count("/pypi/quick/1.0/json")
    assert 1 <= count <= 2
    nerq(*SCAN)
    for name, scripts in versions.items():  # it has them again, and that is known a day later
        pins.site.on(f"/pypi/{name}/1.0/json", *scripts)
    second = nerq(*SCAN).json
    assert pins.paths.count("/pypi/quick/1.0/json") == count
    assert second["dependencies"] == first["dependencies"]


def test_the_newest_version_is_requested_in_the_same_batch(nerq: Nerq, pins: Any, services: Any) -> None:
    assert nerq(*SCAN).status == 0
    batches = [request.body.decode() for request in services.site.requests if "versionbatch" in request.path]
    assert any('"quick"' in body and '"1.0"' in body and '"2.0"' in body for body in batches)


def test_probabilities_do_not_wait_for_the_records_of_advisories_that_the_registry_lists(
    nerq: Nerq, pins: Any, services: Any
) -> None:
    listed = {"id": "GHSA-1", "aliases": ["CVE-2026-1111"], "fixed_in": ["2.0"], "details": "A hole", "source": "osv"}
    pins.pypi("quick", "1.0", "2.0", vulnerabilities={"1.0": [listed]})
    services.advisory("quick", "1.0", identifier="GHSA-1", aliases=["CVE-2026-1111"],
                      database_specific={"severity": "CRITICAL"})  # fmt: skip
    record = hold(services, services, "/osv/v1/vulns/GHSA-1", names("/epss", "CVE-2026-1111"))
    result = nerq(*SCAN).json
    assert record.has_arrived
    [quick] = [dependency for dependency in result["dependencies"] if dependency["name"] == "quick"]
    assert quick["upgrade"]["version"] == "2.0"


@pytest.mark.parametrize("kind", ["/osv/v1/querybatch", "/deps_dev/v3alpha/versionbatch"])
def test_a_popular_name_is_told_at_once(nerq: Nerq, pins: Any, services: Any, kind: str) -> None:
    page = hold(pins, services, "/pypi/requests/json", names(kind, '"requests"', '"1.0"'))
    assert nerq(*SCAN).status == 0
    assert page.has_arrived


def test_a_name_that_is_declared_public_is_told_at_once(nerq: Nerq, pins: Any, services: Any, project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.nerq]\npublic = ["sl*"]\n')
    page = hold(pins, services, "/pypi/slow/json", names("/osv/v1/querybatch", '"slow"'))
    assert nerq(*SCAN).status == 0
    assert page.has_arrived


def test_no_other_name_is_told_before_its_registry_has_it(nerq: Nerq, pins: Any, services: Any) -> None:
    told: list[str] = []
    turn = pins.site.scripts["/pypi/slow/json"][0]

    def answer(_: Any) -> Any:
        threading.Event().wait(1.0)
        told.extend(request.path for request in list(services.site.requests) if names("slow")(request))
        return turn

    pins.site.on("/pypi/slow/json", answer)
    assert nerq(*SCAN).status == 0
    assert told == []
    assert any(names("slow")(request) for request in services.site.requests)


def test_a_name_that_its_registry_lacks_is_told_to_nobody_while_others_are(
    nerq: Nerq, pins: Any, services: Any, project: Path
) -> None:
    (project / "requirements.txt").write_text("quick==1.0\nslow==1.0\nour-own-tool==1.0\n")
    pins.site.on("/pypi/our-own-tool/json", {"status": 404, "delay": 0.3})
    nerq(*SCAN)
    assert any(names("quick")(request) for request in services.site.requests)
    assert not any(names("our-own-tool")(request) for request in services.site.requests)


def test_a_name_of_the_users_own_registry_is_told_to_no_public_service(
    nerq: Nerq, pins: Any, services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nerq_cli.sources import endpoints

    configured = endpoints.read_endpoints

    def read(environ: Any) -> Any:
        return endpoints.Endpoints(by_source=configured(environ).by_source, configured=frozenset())

    monkeypatch.setattr(endpoints, "read_endpoints", read)
    nerq(*SCAN)
    bodies = [f"{request.path} {request.body.decode()}" for request in services.site.requests]
    assert any('"requests"' in body for body in bodies)
    assert not any("quick" in body or "slow" in body for body in bodies)


def test_the_catalogue_of_exploited_vulnerabilities_is_requested_at_once_and_named_only_if_needed(
    nerq: Nerq, pins: Any, services: Any
) -> None:
    pages = [hold(pins, services, f"/pypi/{name}/json", names("/kev")) for name in ("requests", "quick", "slow")]
    result = nerq(*SCAN).json
    assert all(page.has_arrived for page in pages)
    assert "CISA KEV" not in {source["name"] for source in result["sources"]}
    assert result["complete"]


def test_a_catalogue_that_is_not_needed_fails_nothing(nerq: Nerq, pins: Any, services: Any) -> None:
    services.site.on("/kev", {"status": 404})
    assert nerq(*SCAN, "--strict").status == 0
    services.site.on("/kev", {"hang": True})
    assert nerq(*SCAN, "--strict", "--refresh").status == 0


def test_records_and_their_probabilities_do_not_wait_for_the_page_of_another_package(
    nerq: Nerq, pins: Any, services: Any
) -> None:
    services.advisory("quick", "1.0", identifier="GHSA-1", aliases=["CVE-2026-1111"],
                      database_specific={"severity": "LOW"})  # fmt: skip
    page = hold(pins, services, "/pypi/slow/json", names("/epss", "CVE-2026-1111"))
    nerq(*SCAN)
    assert page.has_arrived
    lists = [request.path for request in services.site.requests]
    assert lists.count("/osv/v1/vulns/GHSA-1") == 1


def test_the_versions_to_move_to_are_requested_beside_the_records(nerq: Nerq, pins: Any, services: Any) -> None:
    services.advisory("quick", "1.0", identifier="GHSA-1", database_specific={"severity": "CRITICAL"})
    record = Waiting(services, services.site.scripts["/osv/v1/vulns/GHSA-1"][0],
                     names("/osv/v1/querybatch", '"quick"', '"2.0"'))  # fmt: skip
    services.site.on("/osv/v1/vulns/GHSA-1", record)
    result = nerq(*SCAN).json
    assert record.has_arrived
    [quick] = [dependency for dependency in result["dependencies"] if dependency["name"] == "quick"]
    assert quick["upgrade"]["version"] == "2.0"


def test_an_npm_package_does_not_wait_for_the_manifest_of_another(
    nerq: Nerq, registry: Any, services: Any, project: Path
) -> None:
    for name in ("quick", "slow"):
        registry.npm(name, "1.0.0", "2.0.0")
        body = {"name": name, "version": "1.0.0", "description": "What it is"}
        registry.site.on(f"/{name}/1.0.0", {"body": body})
    (project / "package.json").write_text(json.dumps({"dependencies": {"quick": "1.0.0", "slow": "1.0.0"}}))
    manifest = hold(registry, services, "/slow/1.0.0", names("/osv/v1/querybatch", '"quick"', '"1.0.0"'))
    nerq(*SCAN)
    assert manifest.has_arrived


def test_download_counts_do_not_wait_for_the_page_of_another_package(nerq: Nerq, pins: Any, services: Any) -> None:
    page = hold(pins, services, "/pypi/slow/json", names("/pypistats/packages/quick/recent"))
    nerq(*SCAN, "--with", "downloads")
    assert page.has_arrived


def test_attestations_do_not_wait_for_the_manifest_of_another_package(
    nerq: Nerq, registry: Any, services: Any, project: Path
) -> None:
    for name in ("quick", "slow"):
        registry.npm(name, "1.0.0", "2.0.0")
        dist = {"attestations": {"url": "x"}, "signatures": []}
        body = {"name": name, "version": "1.0.0", "description": "What it is", "dist": dist}
        registry.site.on(f"/{name}/1.0.0", {"body": body})
    (project / "package.json").write_text(json.dumps({"dependencies": {"quick": "1.0.0", "slow": "1.0.0"}}))

    def describe(request: Any) -> Any:
        keys = [one["versionKey"] for one in json.loads(request.body)["requests"]]
        version = {"publishedAt": "2025-01-01T00:00:00Z"}
        responses = [{"request": {"versionKey": key}, "version": {"versionKey": key, **version}} for key in keys]
        return {"body": {"responses": responses}}

    services.site.on("/deps_dev/v3alpha/versionbatch", describe)
    manifest = Waiting(registry, registry.site.scripts["/slow/1.0.0"][0], names("/-/npm/v1/attestations/quick@1.0.0"))
    registry.site.on("/slow/1.0.0", manifest)
    nerq(*SCAN)
    assert manifest.has_arrived


def test_the_versions_of_a_name_like_a_popular_one_are_requested_beside_its_manifest(
    nerq: Nerq, registry: Any, project: Path
) -> None:
    registry.npm("raect", "1.0.0")
    body = {"name": "raect", "version": "1.0.0", "description": "What it is"}
    manifest = Waiting(registry, {"body": body}, lambda request: request.path == "/raect")
    registry.site.on("/raect/1.0.0", manifest)
    (project / "package.json").write_text(json.dumps({"dependencies": {"raect": "1.0.0"}}))
    nerq(*SCAN)
    assert manifest.has_arrived


def test_a_second_scan_begins_nothing(nerq: Nerq, pins: Any, services: Any) -> None:
    nerq(*SCAN)
    count = len(pins.site.requests) + len(services.site.requests)
    nerq(*SCAN)
    assert len(pins.site.requests) + len(services.site.requests) == count


def test_other_versions_of_known_packages_are_requested_at_once(
    nerq: Nerq, pins: Any, services: Any, project: Path
) -> None:
    for name in ("requests", "quick", "slow"):
        pins.pypi(name, "1.0", "1.5", "2.0")
    nerq(*SCAN)
    (project / "requirements.txt").write_text("requests==1.5\nquick==1.5\nslow==1.5\n")
    versions = services.site.scripts["/deps_dev/v3alpha/versionbatch"][0]
    waiting = Waiting(services, None, names("/osv/v1/querybatch", '"quick"', '"1.5"'))

    def answer(request: Any) -> Any:
        waiting(request)
        return versions(request)

    services.site.on("/deps_dev/v3alpha/versionbatch", answer)
    nerq(*SCAN)
    assert waiting.has_arrived


@pytest.mark.parametrize(
    "method", ["_begin_packages", "_begin_releases", "_proceed", "_add_page", "_compare", "_add_versions", "_tell"]
)
def test_a_failure_of_early_requests_changes_no_result(
    nerq: Nerq, pins: Any, services: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, method: str
) -> None:
    services.advisory("quick", "1.0", identifier="GHSA-aaaa-bbbb-cccc", database_specific={"severity": "HIGH"})
    results = []
    for name in ("whole", "failing"):
        monkeypatch.setenv("NERQ_CACHE_DIR", str(tmp_path / name))
        result = nerq(*SCAN)
        dependencies = re.sub(r"'(retrieved_at|oldest)\w*': '[^']*'", "", str(result.json["dependencies"]))
        results.append((result.status, dependencies, result.err))
        failures: list[str] = []

        def fail(*_: object, failures: list[str] = failures, **__: object) -> None:
            failures.append(method)
            raise IndexError(method)

        monkeypatch.setattr(EarlyRequests, method, fail)
    assert "GHSA-aaaa-bbbb-cccc" in results[0][1]
    assert results[1] == results[0]


def test_what_one_run_gave_up_is_not_requested_by_the_next_one_ahead_of_need(
    nerq: Nerq, pins: Any, services: Any
) -> None:
    first = nerq(*SCAN)
    with closing(sqlite3.connect(next(Path(os.environ["NERQ_CACHE_DIR"]).glob("facts-*.sqlite3")))) as database:
        deleted = database.execute(
            "DELETE FROM fact WHERE key LIKE '%quick%2.0%'"
            " AND place IN (SELECT id FROM place WHERE source LIKE 'osv%' OR source LIKE '%findings%')"
        ).rowcount
        database.commit()
    assert deleted
    services.site.requests.clear()
    pins.site.requests.clear()
    assert nerq(*SCAN).status == first.status
    assert (services.site.requests, pins.site.requests) == ([], [])
