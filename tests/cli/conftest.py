"""Whole commands, run in a project of their own against registries on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nerq_cli.cli.app import run_command_line
from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.sources.popularity.ranks import get_most_used

README = "What this package does and how it is used, in enough words to count. " * 60
AS_OF = "2026-11-21"


class Result(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON report on stdout."""
        return json.loads(self.out)

    @property
    def findings(self) -> list[Any]:
        """The findings of the JSON report beside those that repeat the state of a dependency and its advisories."""
        repeated = {"score-below-threshold", "score-unknown", "not-judged", "vulnerability"}
        return [finding for finding in self.json["findings"] if finding["id"] not in repeated]


@dataclass(frozen=True, slots=True)
class Registry:
    """Both registries, on one loopback site. ``site`` is a fixture of the tests as a whole."""

    site: Any

    def pypi(self, name: str, *versions: str, **info: Any) -> None:
        """List a project with these versions, oldest first, released a year apart, the last one a month ago."""
        self.site.on(f"/pypi/{name}/json", {"body": self.page(name, versions, versions[-1], **info)})
        for version in versions:
            self.site.on(f"/pypi/{name}/{version}/json", {"body": self.page(name, versions, version, **info)})
        self.site.on(f"/simple/{name}/", {"headers": SIMPLE, "body": self.listing(name, versions)})

    def page(self, name: str, versions: tuple[str, ...], shown: str, **info: Any) -> dict[str, Any]:
        """Return the project JSON, or that of a release."""
        advisories = info.pop("vulnerabilities", {})
        return {
            "info": {
                "name": name,
                "version": shown,
                "summary": f"What {name} is",
                "description": README,
                "license_expression": "MIT",
                "classifiers": ["Programming Language :: Python :: 3.12", "Typing :: Typed"],
                "keywords": "a",
                "requires_python": ">=3.9",
                "project_urls": {
                    "Source": f"https://code.example/acme/{name}",
                    "Documentation": "https://docs.example",
                    "Changelog": "https://docs.example/changes",
                    "Homepage": "https://demo.example",
                },
                "yanked": False,
                **info,
            },
            "releases": {version: self._files(name, version, n) for n, version in enumerate(reversed(versions))},
            "urls": [],
            "ownership": {"roles": [{"role": "Owner", "user": u} for u in ("ann", "bob", "eve")], "organization": None},
            "vulnerabilities": advisories.get(shown, []),
            "last_serial": 1,
        }

    def _files(self, name: str, version: str, years: int) -> list[dict[str, Any]]:
        return [
            {
                "filename": f"{name}-{version}-py3-none-any.whl",
                "packagetype": "bdist_wheel",
                "upload_time_iso_8601": f"{2026 - years}-10-20T08:00:00.000000Z",
                "requires_python": ">=3.9",
                "yanked": False,
            }
        ]

    def listing(self, name: str, versions: tuple[str, ...]) -> dict[str, Any]:
        """Return the simple API's JSON."""
        files = [
            {
                "filename": file["filename"],
                "upload-time": file["upload_time_iso_8601"],
                "requires-python": ">=3.9",
                "yanked": False,
                "provenance": None,
            }
            for n, version in enumerate(reversed(versions))
            for file in self._files(name, version, n)
        ]
        return {"meta": {"api-version": "1.4"}, "name": name, "versions": list(versions), "files": files}

    def npm(self, name: str, *versions: str, removed: tuple[str, ...] = (), **manifest: Any) -> None:
        """List an npm package with these versions, oldest first, released a year apart."""
        times = dict.fromkeys(removed, "2020-01-01T00:00:00.000Z")
        times |= {version: f"{2026 - n}-10-20T08:00:00.000Z" for n, version in enumerate(reversed(versions))}
        manifests = {
            version: {
                "name": name,
                "version": version,
                "description": f"What {name} is",
                "license": "MIT",
                "repository": f"https://code.example/acme/{name}",
                "dist": {"signatures": [{"keyid": "k", "sig": "s"}]},
                **manifest,
            }
            for version in versions
        }
        packument = {
            "name": name,
            "dist-tags": {"latest": versions[-1]},
            "time": times,
            "maintainers": [{"name": "ann"}, {"name": "bob"}],
            "readme": README,
            "versions": manifests,
        }
        self.site.on("/" + name.replace("/", "%2F"), {"body": packument})
        self.site.on("/" + name.replace("/", "%2f"), {"body": packument})

    def most_used(self) -> None:
        """List the most used package of each registry, without which an index is not believed."""
        self.pypi(get_most_used(PYPI), "1.0")
        self.npm(get_most_used(NPM), "1.0.0")

    @property
    def paths(self) -> list[str]:
        """Every path that was asked for."""
        return [request.path for request in self.site.requests]


SIMPLE = {"Content-Type": "application/vnd.pypi.simple.v1+json"}


@pytest.fixture
def registry(site: Any, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Registries that know nothing yet, and an environment that points at them."""
    monkeypatch.setenv("NERQ_PYPI_URL", site.url)
    monkeypatch.setenv("NERQ_NPM_URL", site.url)
    return Registry(site)


class Services:
    """The services beside the registries, on one loopback site: all there, and none knows anything yet."""

    #: What they are called where the environment says where they are.
    PLACES = ("OSV", "DEPS_DEV", "SCORECARD", "GITHUB", "EPSS", "KEV", "NPM_DOWNLOADS", "PYPISTATS", "MCP_REGISTRY")

    def __init__(self, site: Any) -> None:
        self.site = site
        self.affecting: dict[tuple[str, str], list[str]] = {}
        self.recorded: dict[str, list[str]] = {}
        self.speak()
        site.on("/deps_dev/v3alpha/versionbatch", self._echo)
        site.on("/deps_dev/v3alpha/findingsbatch", self._echo)
        site.on("/deps_dev/v3alpha/projectbatch", self._echo)
        site.on("/kev", {"body": {"catalogVersion": "1", "count": 1, "vulnerabilities": [{"cveID": "CVE-1999-0001"}]}})

    def advisory(self, name: str, *versions: str, identifier: str, **record: Any) -> None:
        """Record an advisory that affects these versions of a PyPI project."""
        self.recorded.setdefault(name, []).append(identifier)
        for version in versions:
            self.affecting.setdefault((name, version), []).append(identifier)
        affected = {"package": {"ecosystem": "PyPI", "name": name}, "versions": list(versions)}
        body = {"id": identifier, "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z"}
        self.site.on(f"/osv/v1/vulns/{identifier}", {"body": {**body, "affected": [affected], **record}})

    def silent(self) -> None:
        """Let OSV have no answer."""
        self.site.on("/osv/v1/querybatch", {"status": 404})

    def speak(self) -> None:
        """Let OSV answer."""
        self.site.on("/osv/v1/querybatch", self._querybatch)

    def _querybatch(self, request: Any) -> dict[str, Any]:
        results = []
        for query in json.loads(request.body)["queries"]:
            package = query.get("package", {"name": "commit"})
            name, version = package["name"], query.get("version", query.get("commit"))
            ids = self.recorded.get(name, []) if version is None else self.affecting.get((name, version), [])
            results.append({"vulns": [{"id": one, "modified": "2026-01-01T00:00:00Z"} for one in ids]} if ids else {})
        return {"body": {"results": results}}

    def _echo(self, request: Any) -> dict[str, Any]:
        return {"body": {"responses": [{"request": one} for one in json.loads(request.body)["requests"]]}}


@pytest.fixture(autouse=True)
def services(services_site: Any, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Services that know nothing yet, and an environment that points at them."""
    for name in Services.PLACES:
        monkeypatch.setenv(f"NERQ_{name}_URL", f"{services_site.url}/{name.lower()}")
    for name in ("GITHUB_TOKEN", "GH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return Services(services_site)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project as the current directory, a home and a cache of its own, and no CI."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NERQ_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
    for name in (
        "CI",
        "FORCE_COLOR",
        "PIP_INDEX_URL",
        "PIP_CONFIG_FILE",
        "UV_INDEX_URL",
        "UV_DEFAULT_INDEX",
        "VIRTUAL_ENV",
        "HF_HUB_CACHE",
        "HF_HOME",
        "HF_TOKEN",
        "HUGGINGFACE_HUB_CACHE",
        "HUGGING_FACE_HUB_TOKEN",
        "XDG_CACHE_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def nerq(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command line in this process."""

    def command(*arguments: str) -> Result:
        capfd.readouterr()
        status = run_command_line(arguments)
        return Result(status, *capfd.readouterr())

    return command
