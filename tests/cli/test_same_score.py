"""The same version with the same services gets the same score, however it was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from nerq_cli.application.session import read_clock
from nerq_cli.cli.app import run_command_line

DAYS_AGO = {"old": 1300, "quarter": 70, "young": 10, "fresh": 1}


def days_ago(days: int) -> str:
    return f"{datetime.fromtimestamp(read_clock(), timezone.utc) - timedelta(days=days):%Y-%m-%d}"


@dataclass(frozen=True)
class Version:
    """One generated version of an npm package."""

    age: str
    has_hook: bool
    is_deprecated: bool
    is_indexed: bool
    has_advisory: bool
    is_attested: bool
    account: str


@dataclass
class Npm:
    """A registry and its services: three versions of one package, and another package beside it."""

    versions: Mapping[str, Version]
    silent: frozenset[str]
    manifests_missing: bool
    seen: list[str] = field(default_factory=list)

    def manifest(self, name: str, number: str) -> dict[str, Any]:
        one = self.versions[number]
        scripts = {"scripts": {"postinstall": "node build.js"}} if one.has_hook else {}
        deprecated = {"deprecated": "use another"} if one.is_deprecated else {}
        attestations = {"attestations": {"url": "x"}} if one.is_attested else {}
        return {
            "name": name,
            "version": number,
            "description": "What it is",
            "license": "MIT",
            "repository": "https://code.example/acme/demo",
            "maintainers": [{"name": "ann"}, {"name": one.account}],
            "_npmUser": {"name": one.account},
            "dist": {"signatures": [{"keyid": "k"}], **attestations},
            **scripts,
            **deprecated,
        }

    def answer_registry(self, request: Any) -> dict[str, Any]:
        name, _, number = request.path.strip("/").partition("/")
        number = max(self.versions) if number == "latest" else number
        self.seen.append(request.path)
        if number:
            return {"status": 404} if self.manifests_missing else {"body": self.manifest(name, number)}
        times = {one: f"{days_ago(DAYS_AGO[version.age])}T08:00:00.000Z" for one, version in self.versions.items()}
        return {
            "body": {
                "name": name,
                "dist-tags": {"latest": max(self.versions)},
                "time": times,
                "maintainers": [{"name": "ann"}, {"name": "bob"}, {"name": "eve"}],
                "readme": "What this package does and how it is used, in enough words to count. " * 60,
                "versions": {one: self.manifest(name, one) for one in self.versions},
            }
        }

    def answer_deps_dev(self, request: Any) -> dict[str, Any]:
        kind = request.path.rpartition("/")[2].removesuffix("batch")
        return {
            "body": {
                "responses": [
                    {"request": one, **self._describe(kind, one.get("versionKey", {"version": ""}))}
                    for one in json.loads(request.body)["requests"]
                ]
            }
        }

    def _describe(self, kind: str, key: Mapping[str, str]) -> dict[str, Any]:
        one = self.versions.get(key["version"])
        if one is None or not one.is_indexed:
            return {}
        if kind == "findings":
            return {"findings": {"defaultVersion": {"versionKey": {"version": max(self.versions)}}}}
        published = {"publishedAt": f"{days_ago(DAYS_AGO[one.age])}T08:00:00Z"}
        return {"version": {"versionKey": key, "licenses": ["MIT"], "isDeprecated": one.is_deprecated, **published}}

    def answer_osv(self, request: Any) -> dict[str, Any]:
        results: list[dict[str, Any]] = []
        for query in json.loads(request.body)["queries"]:
            affected = [number for number, one in self.versions.items() if one.has_advisory]
            version = query.get("version", next(iter(affected), ""))
            is_affected = query["package"]["name"] == "demo" and version in affected
            results.append({"vulns": [{"id": "GHSA-1", "modified": "2026-01-01T00:00:00Z"}]} if is_affected else {})
        return {"body": {"results": results}}

    @property
    def advisory(self) -> dict[str, Any]:
        affected = [number for number, one in self.versions.items() if one.has_advisory]
        return {
            "id": "GHSA-1",
            "modified": "2026-01-01T00:00:00Z",
            "published": "2026-01-01T00:00:00Z",
            "database_specific": {"severity": "MODERATE"},
            "affected": [{"package": {"ecosystem": "npm", "name": "demo"}, "versions": affected}],
        }


VERSIONS = st.builds(
    Version,
    age=st.sampled_from(sorted(DAYS_AGO)),
    has_hook=st.booleans(),
    is_deprecated=st.sampled_from([False, False, False, True]),
    is_indexed=st.sampled_from([True, True, True, False]),
    has_advisory=st.sampled_from([False, False, True]),
    is_attested=st.booleans(),
    account=st.sampled_from(["bob", "eve"]),
)
WORLDS = st.builds(
    Npm,
    versions=st.fixed_dictionaries({"1.0.0": VERSIONS, "1.1.0": VERSIONS, "2.0.0": VERSIONS}),
    silent=st.frozensets(st.sampled_from(["deps_dev", "osv", "scorecard", "github"]), max_size=2),
    manifests_missing=st.booleans(),
)


def write_manifest(folder: Path, **dependencies: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": "app", "dependencies": dependencies}))
    return folder


def write_lock(folder: Path, **dependencies: str) -> Path:
    write_manifest(folder, **dependencies)
    packages = {f"node_modules/{name}": {"version": version} for name, version in dependencies.items()}
    root = {"name": "app", "dependencies": dependencies}
    lock = {"name": "app", "lockfileVersion": 3, "packages": {"": root, **packages}}
    (folder / "package-lock.json").write_text(json.dumps(lock))
    return folder


#: What a report holds about a version, and not about how it was declared.
JUDGED = (
    "state", "in_registry", "score", "grade", "provisional", "verified", "coverage", "score_range", "verdict", "caps",
    "signals", "latest_version", "releases_behind", "released_at", "advisories", "metadata",
)  # fmt: skip


def without_times(value: Any) -> Any:
    """Return a part of a report without the times of requests, which the reasons of unknown signals name as well."""
    if isinstance(value, dict):
        left_out = {"retrieved_at", "reason"} if value.get("state") == "unknown" else {"retrieved_at"}
        return {key: without_times(item) for key, item in value.items() if key not in left_out}
    return [without_times(item) for item in value] if isinstance(value, list) else value


class Runner:
    """Runs whole commands against the two sites, each with an empty cache unless it is to be a warm one."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capfd = capfd
        self._numbers = count()
        #: Options of every run.
        self.options: tuple[str, ...] = ()

    def new_folder(self) -> Path:
        return self.folder / f"{next(self._numbers)}"

    def run(self, *arguments: str, cache: Path | None = None) -> Any:
        self._monkeypatch.setenv("NERQ_CACHE_DIR", str(cache or self.new_folder()))
        self._capfd.readouterr()
        run_command_line([*arguments, *self.options, "--format", "json"])
        return json.loads(self._capfd.readouterr().out)

    def judge(self, *arguments: str, version: str, cache: Path | None = None, name: str = "demo") -> dict[str, Any]:
        """Run a command, and return what it judges about one version."""
        entries = self.run(*arguments, cache=cache)["dependencies"]
        found = [entry for entry in entries if (entry["name"], entry["version"]) == (name, version)]
        assert found, [(entry["name"], entry["version"], entry["reasons"]) for entry in entries]
        judged: dict[str, Any] = without_times({key: found[0][key] for key in JUDGED if key in found[0]})
        return judged


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(tmp_path / "runs", monkeypatch, capfd)


def install(world: Npm, site: Any, services: Any) -> None:
    """Let the two sites answer as a generated world does."""
    silence = {"status": 404}
    for path in ("demo", *(f"demo/{number}" for number in (*world.versions, "latest")), "other", "other/1.0.0"):
        site.on(f"/{path}", world.answer_registry)
    for kind in ("version", "findings", "project"):
        answer = silence if "deps_dev" in world.silent else world.answer_deps_dev
        services.site.on(f"/deps_dev/v3alpha/{kind}batch", answer)
    services.site.on("/osv/v1/querybatch", silence if "osv" in world.silent else world.answer_osv)
    services.site.on("/osv/v1/vulns/GHSA-1", {"body": world.advisory})


@settings(
    max_examples=12,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=WORLDS, version=st.sampled_from(["1.1.0", "2.0.0"]), is_replay=st.booleans())
def test_an_npm_version_gets_the_same_score_however_it_was_asked_for(
    registry: Any, services: Any, runner: Runner, world: Npm, version: str, *, is_replay: bool
) -> None:
    assume(not is_replay or world.versions[version].age != "fresh")
    runner.options = ("--as-of", days_ago(5)) if is_replay else ()
    install(world, registry.site, services)
    pinned = write_manifest(runner.new_folder(), demo=version)
    cache = runner.new_folder()
    expected = runner.judge("scan", str(pinned), version=version, cache=cache)
    as_range = write_manifest(runner.new_folder(), demo=f"~{version}")
    beside = runner.new_folder()
    write_manifest(beside / "a", demo="1.0.0")
    write_manifest(beside / "b", demo=version, other="1.0.0")
    mixed = runner.new_folder()
    write_manifest(mixed / "a", demo="^1.0.0")
    write_manifest(mixed / "b", demo=version)
    assert runner.judge("scan", str(as_range), version=version) == expected
    assert runner.judge("scan", str(as_range), version=version, cache=cache) == expected
    assert runner.judge("scan", str(pinned), version=version, cache=cache) == expected
    assert runner.judge("scan", str(write_lock(runner.new_folder(), demo=version)), version=version) == expected
    assert runner.judge("scan", str(beside), version=version) == expected
    assert runner.judge("scan", str(mixed), version=version) == expected
    assert runner.judge("check", f"npm:demo@{version}", version=version) == expected


@settings(
    max_examples=8,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=WORLDS)
def test_an_upgrade_gets_the_score_that_the_version_has_in_use(
    registry: Any, services: Any, runner: Runner, world: Npm
) -> None:
    install(world, registry.site, services)
    older = runner.run("check", "npm:demo@1.0.0")["dependencies"][0]
    if older["latest_upgrade"] is not None:
        newest = runner.judge("check", "npm:demo@2.0.0", version="2.0.0")
        assert older["latest_upgrade"]["version"] == "2.0.0"
        assert older["latest_upgrade"]["score"] == newest["score"]


@dataclass(frozen=True)
class PypiVersion:
    """One generated version of a PyPI project."""

    age: str
    is_yanked: bool
    is_indexed: bool
    is_attested: bool
    has_advisory: bool


@dataclass
class Pypi:
    """An index and its services: three versions of one project."""

    versions: Mapping[str, PypiVersion]
    silent: frozenset[str]
    #: Whether the index has the pages of single releases.
    has_release_pages: bool
    has_listing: bool

    def file(self, number: str) -> dict[str, Any]:
        one = self.versions[number]
        return {
            "filename": f"demo-{number}-py3-none-any.whl",
            "packagetype": "bdist_wheel",
            "upload_time_iso_8601": f"{days_ago(DAYS_AGO[one.age])}T08:00:00.000000Z",
            "upload-time": f"{days_ago(DAYS_AGO[one.age])}T08:00:00.000000Z",
            "requires-python": ">=3.9",
            "yanked": one.is_yanked,
            "provenance": "https://index.example/provenance" if one.is_attested else None,
        }

    def page(self, shown: str) -> dict[str, Any]:
        info: dict[str, Any] = {
            "name": "demo",
            "version": shown,
            "summary": "x",
            "description": f"{shown} " * 300,
            "license": "MIT",
        }
        info |= {"classifiers": [], "project_urls": {"Source": "https://code.example/acme/demo"}, "yanked": False}
        releases = {number: [self.file(number)] for number in self.versions}
        return {"info": info, "releases": releases, "urls": [], "vulnerabilities": [], "ownership": None}

    def describe(self, kind: str, number: str) -> dict[str, Any]:
        one = self.versions.get(number)
        if one is None or not one.is_indexed or kind != "version":
            return {}
        attestations = [{"verified": True, "sourceRepository": "https://code.example/acme/demo"}]
        published = f"{days_ago(DAYS_AGO[one.age])}T08:00:00Z"
        more = {"attestations": attestations} if one.is_attested else {}
        return {"version": {"versionKey": {"version": number}, "licenses": ["MIT"], "publishedAt": published, **more}}

    def answer_deps_dev(self, request: Any) -> dict[str, Any]:
        kind = request.path.rpartition("/")[2].removesuffix("batch")
        requests = json.loads(request.body)["requests"]
        return {
            "body": {
                "responses": [
                    {"request": one, **self.describe(kind, one.get("versionKey", {"version": ""})["version"])}
                    for one in requests
                ]
            }
        }

    def install(self, site: Any, services: Any) -> None:
        silence = {"status": 404}
        site.on("/pypi/demo/json", {"body": self.page("2.0.0")})
        for number in self.versions:
            site.on(f"/pypi/demo/{number}/json", {"body": self.page(number)} if self.has_release_pages else silence)
        files = [self.file(number) for number in self.versions]
        listing = {"meta": {"api-version": "1.4"}, "name": "demo", "versions": list(self.versions), "files": files}
        headers = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
        site.on("/simple/demo/", {"headers": headers, "body": listing} if self.has_listing else silence)
        for kind in ("version", "findings", "project"):
            answer = silence if "deps_dev" in self.silent else self.answer_deps_dev
            services.site.on(f"/deps_dev/v3alpha/{kind}batch", answer)
        services.affecting.clear()
        services.recorded.clear()
        services.silent() if "osv" in self.silent else services.speak()
        affected = [number for number, one in self.versions.items() if one.has_advisory]
        if affected:
            services.advisory("demo", *affected, identifier="PYSEC-2026-1")


PYPI_VERSIONS = st.builds(
    PypiVersion,
    age=st.sampled_from(sorted(DAYS_AGO)),
    is_yanked=st.sampled_from([False, False, False, True]),
    is_indexed=st.booleans(),
    is_attested=st.booleans(),
    has_advisory=st.sampled_from([False, False, True]),
)
PYPI_WORLDS = st.builds(
    Pypi,
    versions=st.fixed_dictionaries({"1.0.0": PYPI_VERSIONS, "1.1.0": PYPI_VERSIONS, "2.0.0": PYPI_VERSIONS}),
    silent=st.frozensets(st.sampled_from(["deps_dev", "osv"]), max_size=2),
    has_release_pages=st.booleans(),
    has_listing=st.booleans(),
)


def write_requirements(folder: Path, **files: str) -> Path:
    for name, line in files.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "requirements.txt").write_text(f"{line}\n")
    return folder


@settings(
    max_examples=12,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=PYPI_WORLDS, version=st.sampled_from(["1.1.0", "2.0.0"]), is_replay=st.booleans())
def test_a_pypi_version_gets_the_same_score_however_it_was_asked_for(
    registry: Any, services: Any, runner: Runner, world: Pypi, version: str, *, is_replay: bool
) -> None:
    one = world.versions[version]
    assume(not one.is_yanked and not (is_replay and one.age == "fresh"))
    runner.options = ("--as-of", days_ago(5)) if is_replay else ()
    world.install(registry.site, services)
    cache = runner.new_folder()
    pinned = write_requirements(runner.new_folder(), a=f"demo=={version}")
    expected = runner.judge("scan", str(pinned), version=version, cache=cache)
    as_range = write_requirements(runner.new_folder(), a=f"demo~={version}")
    beside = write_requirements(runner.new_folder(), a="demo==1.0.0", b=f"demo=={version}")
    assert runner.judge("scan", str(as_range), version=version) == expected
    assert runner.judge("scan", str(as_range), version=version, cache=cache) == expected
    assert runner.judge("scan", str(beside), version=version) == expected
    assert runner.judge("scan", str(beside), version=version, cache=cache) == expected
    assert runner.judge("check", f"pypi:demo=={version}", version=version) == expected
