"""A source that is added as a row, a module and a step works end to end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nerq_cli.cli import about
from nerq_cli.errors import ResponseError
from nerq_cli.evidence.collect import RELEASE_STEPS, EvidenceCollector
from nerq_cli.evidence.plan import Step
from nerq_cli.evidence.service_lookup import ServiceLookup
from nerq_cli.facts import Evidence, Fact, Found, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint, Request, Response
from nerq_cli.inventory import Release
from nerq_cli.sources import SOURCES, Credit, SourceInfo

Nerq = Callable[..., Any]
INFO = SourceInfo(
    id="mirrors",
    credit=Credit(
        "Mirror count", "number of mirrors of a version", "CC0-1.0", "https://mirrors.example", "By Mirrors."
    ),
    variable="NERQ_MIRRORS_URL",
    url="https://api.mirrors.example",
    required=False,
)


class Mirrors(msgspec.Struct, frozen=True):
    count: int


class MirrorsSource:
    name = "mirrors"
    label = INFO.label
    kind = Mirrors
    max_age = INFO.max_age
    absent_max_age = INFO.absent_max_age
    limit = 1_000
    probe = False
    cooldown = INFO.cooldown

    def requests(self, subjects: Sequence[Release], endpoint: Endpoint) -> Iterable[Request[Release]]:
        for release in subjects:
            url = f"{endpoint.url}/{release.package.url_segment}/{release.version}"
            yield Request(url=url, subjects=(release,), endpoint=endpoint)

    def parse(self, request: Request[Release], response: Response) -> Iterable[tuple[Release, Mirrors | None]]:
        try:
            yield request.subjects[0], msgspec.json.decode(response.body, type=Mirrors)
        except msgspec.MsgspecError as error:
            raise ResponseError("no count") from error


class MirroredEvidence(Evidence, frozen=True):
    mirrors: Fact[Mirrors] = Unknown("not requested")


def collect_mirrors(run: FetchRun, releases: Sequence[Release], endpoint: Endpoint) -> dict[Release, Fact[Mirrors]]:
    return run.fetch(MirrorsSource(), releases, endpoint)


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch, registry: Any, project: Path) -> list[Fact[Mirrors]]:
    """Add the row and the step to the program; return the facts that arrive."""
    arrived: list[Fact[Mirrors]] = []

    def fetch_mirrors(services: ServiceLookup, releases: Sequence[Release]) -> dict[Release, Fact[Mirrors]]:
        collected = services.fetch_public(INFO.id, collect_mirrors, releases)
        arrived.extend(collected.values())
        return collected

    monkeypatch.setitem(SOURCES, INFO.id, INFO)
    defaults: Any = EvidenceCollector.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "release_steps", (*RELEASE_STEPS, Step("mirrors", fetch_mirrors)))
    monkeypatch.setitem(defaults, "evidence_type", MirroredEvidence)
    registry.pypi("demo", "1.0.0")
    (project / "requirements.txt").write_text("demo==1.0.0\n")
    return arrived


def report_of(result: Any) -> dict[str, Any]:
    [status] = [one for one in json.loads(result.out)["sources"] if one["name"] == INFO.label]
    return dict(status)


def test_a_source_that_is_added_is_named_in_about_and_in_the_documentation(
    facts: list[Fact[Mirrors]], nerq: Nerq
) -> None:
    assert "Mirror count\n  number of mirrors of a version\n  terms: CC0-1.0\n" in nerq("--about").out
    page = about.render_markdown()
    assert "| Mirror count | number of mirrors of a version | CC0-1.0 | https://mirrors.example |" in page
    assert "- By Mirrors." in page
    assert "| `NERQ_MIRRORS_URL` | Mirror count | https://api.mirrors.example |" in about.render_variables()


def test_its_variable_is_honoured_and_its_facts_arrive(
    facts: list[Fact[Mirrors]], nerq: Nerq, other_site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INFO.variable, f"{other_site.url}/api/")
    other_site.on("/api/demo/1.0.0", {"body": {"count": 3}})
    status = report_of(nerq("scan", "--format", "json"))
    [fact] = facts
    assert isinstance(fact, Found)
    assert fact.value == Mirrors(3)
    assert fact.source == INFO.label
    assert (status["state"], status["required"]) == ("ok", False)


def test_its_failure_is_reported_under_its_label_and_fails_no_strict_run(
    facts: list[Fact[Mirrors]], nerq: Nerq, other_site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INFO.variable, other_site.url)
    other_site.on("/demo/1.0.0", {"status": 403})
    result = nerq("scan", "--format", "json", "--strict")
    assert [fact.source for fact in facts if isinstance(fact, Unknown)] == [INFO.label]
    assert report_of(result)["state"] == "unavailable"
    assert "refused access (403)" in report_of(result)["reason"]
    assert result.status != 3
