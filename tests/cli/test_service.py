"""Evidence that is looked up at a nerq service: the same report as one that is computed, with few requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nerq_cli.application.service_answers import build_response, collect_documents
from nerq_cli.application.service_source import PATH, EvidenceQuery
from nerq_cli.application.session import Session, read_clock
from nerq_cli.application.settings import Settings
from tests.cli.conftest import AS_OF, Registry, Result, Services

Nerq = Callable[..., Result]


class Service:
    """A service on loopback, which collects what it is asked for from the registries of the tests."""

    def __init__(self, site: Any, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.queries: list[list[str]] = []
        self.leave_out: Callable[[dict[str, Any]], None] = lambda _: None
        site.on(PATH, self.answer)

    @property
    def url(self) -> str:
        return str(self.site.url)

    @property
    def headers(self) -> list[Any]:
        return [request.headers for request in self.site.requests]

    def answer(self, request: Any) -> dict[str, Any]:
        query = msgspec.json.decode(request.body, type=EvidenceQuery)
        self.queries.append(list(query.targets))
        now = read_clock()
        settings = Settings(cache_dir=self.folder / "cache", as_of=AS_OF if query.as_of else None)
        with Session.open(settings, self.folder) as session:
            session.uses_service = False
            rules, options = session.build_rules(()), session.build_scan_options()
            documents = collect_documents(query, query.targets, session.open_run(), rules, options, now)
        body = json.loads(build_response(query.targets, documents, now))
        self.leave_out(body)
        return {"body": json.dumps(body, separators=(",", ":")).encode()}


@pytest.fixture
def service(other_site: Any, tmp_path: Path) -> Service:
    folder = tmp_path / "service"
    folder.mkdir()
    return Service(other_site, folder)


@pytest.fixture
def scanned(registry: Registry, services: Services, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with pins, a range, a package of npm and a version with an advisory; all names are public."""
    monkeypatch.setenv("NERQ_PUBLIC", "alpha,beta,gamma,delta")
    registry.most_used()
    registry.pypi("alpha", "1.0", "1.1", "2.0")
    registry.pypi("beta", "1.0", "1.5")
    registry.pypi("gamma", "3.0", "3.1")
    registry.npm("delta", "1.0.0", "1.1.0")
    services.advisory("gamma", "3.0", identifier="GHSA-gggg-gggg-gggg", database_specific={"severity": "CRITICAL"})
    (project / "requirements.txt").write_text("alpha==1.0\nbeta>=1.0,<1.5\ngamma==3.0\n")
    (project / "package.json").write_text(json.dumps({"name": "own", "dependencies": {"delta": "1.0.0"}}))
    return project


def drop_sources(value: Any) -> Any:
    """Return a report without what is about sources: their status, and when each answered."""
    if isinstance(value, dict):
        left_out = ("sources", "retrieved_at")
        return {key: drop_sources(entry) for key, entry in value.items() if key not in left_out}
    return [drop_sources(entry) for entry in value] if isinstance(value, list) else value


def test_report_is_that_of_a_scan_without_a_service(scanned: Path, service: Service, nerq: Nerq) -> None:
    computed = nerq("scan", "--format=json", "--as-of", AS_OF)
    looked_up = nerq("scan", "--format=json", "--as-of", AS_OF, "--no-cache", "--service", service.url)
    assert drop_sources(looked_up.json) == drop_sources(computed.json)
    assert looked_up.status == computed.status == 1
