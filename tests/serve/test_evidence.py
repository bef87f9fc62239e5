"""``POST /v1/evidence:batch`` over a real socket, and scans that look up there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.application.service_answers import EvidenceStore, collect_documents
from nerq_cli.application.service_source import EvidenceQuery
from nerq_cli.application.session import read_clock
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.serve import evidence
from tests.cli.conftest import AS_OF, Registry, Result, Services, nerq
from tests.serve.conftest import Client, Start

__all__ = ["nerq"]

PATH = "/v1/evidence:batch"
Nerq = Callable[..., Result]


@pytest.fixture(autouse=True)
def packages(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("NERQ_PUBLIC", "alpha,beta,gone,delta")
    registry.most_used()
    registry.pypi("alpha", "1.0", "2.0")
    registry.pypi("beta", "1.0", "1.5")
    registry.npm("delta", "1.0.0", "1.1.0")
    return registry


def drop_moments(value: Any) -> Any:
    if isinstance(value, dict):
        left_out = ("sources", "retrieved_at")
        return {key: drop_moments(entry) for key, entry in value.items() if key not in left_out}
    return [drop_moments(entry) for entry in value] if isinstance(value, list) else value


def test_a_target_has_what_a_run_asks_about_it(client: Client) -> None:
    reply = client.post(PATH, {"targets": ["pkg:pypi/alpha@1.0"]})
    assert reply.status == 200
    assert reply.json["format"] == 1
    assert reply.json["methodologies"]["packages"] == PACKAGES.version
    [entry] = reply.json["targets"]
    assert entry["target"] == "pkg:pypi/alpha@1.0"
    asked = {(answer["call"], answer.get("version", "")) for answer in entry["answers"]}
    assert asked == {("packages", ""), ("releases", "1.0"), ("releases", "2.0")}
    assert entry["oldest_answer"] == reply.json["oldest_answer"] <= reply.json["as_of"]


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The targets of each run that collects evidence."""
    runs: list[Sequence[str]] = []

    def collect(query: EvidenceQuery, targets: Sequence[str], *arguments: Any) -> Any:
        runs.append(targets)
        return collect_documents(query, targets, *arguments)

    monkeypatch.setattr(evidence, "collect_documents", collect)
    return runs


def test_a_warm_answer_has_the_same_bytes_and_needs_no_request(
    client: Client, packages: Registry, collected: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {"targets": ["pkg:pypi/alpha@1.0", "pkg:npm/delta@1.0.0"]}
    start = read_clock()
    monkeypatch.setattr(evidence, "read_clock", lambda: start)
    first = client.post(PATH, document)
    assert "problem" not in first.body.decode()
    count = len(packages.paths)
    monkeypatch.setattr(evidence, "read_clock", lambda: start + 290)
    second = client.post(PATH, document)
    assert second.json["as_of"] == start + 290
    assert second.json["targets"] == first.json["targets"]
    assert len(packages.paths) == count
    assert collected == [document["targets"]]


def test_what_one_thread_stores_another_one_reads(client: Client, collected: list[Sequence[str]]) -> None:
    for _ in range(3):
        client.post(PATH, {"targets": ["pkg:pypi/alpha@1.0"]})
    assert collected == [["pkg:pypi/alpha@1.0"]]


def test_the_digest_of_settings_is_that_of_other_processes() -> None:
    code = (
        "from pathlib import Path\n"
        "from nerq_cli.application.session import Session\n"
        "from nerq_cli.application.settings import Settings\n"
        "from nerq_cli.serve.assess import describe_settings\n"
        "print(describe_settings(Session.open(Settings(no_config=True), Path())))\n"
    )
    digests = {
        subprocess.run(  # noqa: S603 - the interpreter itself
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1


def test_a_bad_target_fails_alone(client: Client) -> None:
    targets = ["pkg:pypi/alpha@1.0", "nothing", "pkg:cargo/serde", "pkg:pypi/gone", "pkg:pypi/beta@9.9"]
    entries = client.post(PATH, {"targets": targets}).json["targets"]
    assert [entry["target"] for entry in entries] == targets
    statuses = [entry["problem"]["status"] if "problem" in entry else 200 for entry in entries]
    assert statuses[:4] == [200, 400, 400, 404]
    assert entries[3]["problem"]["detail"] == "PyPI has no package of this name"


def test_each_target_states_until_when_it_may_be_kept(client: Client, services: Services) -> None:
    targets = ["pkg:pypi/alpha@1.0", "pkg:pypi/gone", "nothing"]
    entries = client.post(PATH, {"targets": targets}).json["targets"]
    assert [entry["expires_at"] - entry["as_of"] for entry in entries] == [3_600, 3_600, 0]
    services.site.on("/osv/v1/querybatch", {"status": 500})
    [entry] = client.post(PATH, {"targets": ["pkg:pypi/beta@1.0"]}).json["targets"]
    assert entry["expires_at"] - entry["as_of"] == 300


def test_evidence_with_an_older_list_of_advisories_is_kept_for_less(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = {"targets": ["pkg:pypi/alpha@1.0"]}
    [first] = client.post(PATH, query).json["targets"]
    for minutes, kept_seconds in ((40, 20 * 60), (58, 5 * 60)):
        monkeypatch.setattr(evidence, "read_clock", lambda now=first["as_of"] + minutes * 60: now)
        monkeypatch.setattr(EvidenceStore, "read", lambda *_: {})  # the facts are in the cache, the document is not
        [entry] = client.post(PATH, query).json["targets"]
        assert entry["expires_at"] - entry["as_of"] == pytest.approx(kept_seconds, abs=60)


def test_a_package_that_is_not_on_its_registry_has_a_problem_and_the_answers(client: Client) -> None:
    [entry] = client.post(PATH, {"targets": ["pkg:pypi/gone@1.0"]}).json["targets"]
    assert entry["problem"]["status"] == 404
    states = {(answer["call"], answer["field"]): answer["state"] for answer in entry["answers"]}
    assert states["packages", "package_info"] == "absent"


def test_a_name_that_the_service_keeps_private_is_sent_nowhere(
    start_service: Start, packages: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERQ_PRIVATE", "acme-*")
    [entry] = start_service().post(PATH, {"targets": ["pkg:pypi/acme-core@1.0"]}).json["targets"]
    assert entry["problem"] == {
        "title": "not looked up",
        "status": 404,
        "detail": "the service does not look this name up",
    }
    assert not [path for path in packages.paths if "acme" in path]


@pytest.mark.parametrize("body", [{"targets": []}, {"targets": ["pkg:pypi/alpha"] * 1_001}, {"target": "x"}, []])
def test_a_body_that_is_no_query_is_refused(client: Client, body: Any) -> None:
    reply = client.post(PATH, body)
    assert reply.status == 400
    assert reply.json["type"] == "urn:nerq:problem:invalid-body"


def test_what_two_clients_ask_at_a_time_is_collected_once(client: Client, packages: Registry) -> None:
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: client.post(PATH, {"targets": ["pkg:pypi/alpha@1.0"]}), range(4)))
    assert len({json.dumps(reply.json["targets"]) for reply in replies}) == 1
    assert packages.paths.count("/pypi/alpha/1.0/json") == 1


def test_each_version_of_a_package_has_its_own_evidence(client: Client) -> None:
    targets = ["pkg:pypi/alpha@1.0", "pkg:pypi/alpha@2.0", "pkg:pypi/alpha"]
    entries = client.post(PATH, {"targets": targets}).json["targets"]
    versions = [
        sorted({answer["version"] for answer in entry["answers"] if answer["call"] == "releases"}) for entry in entries
    ]
    assert versions == [["1.0", "2.0"], ["2.0"], ["2.0"]]


def test_a_moment_of_the_past_has_its_own_answer(client: Client) -> None:
    query = {"targets": ["pkg:pypi/alpha"]}
    past = client.post(PATH, {**query, "as_of": 1_767_225_600}).json["targets"]  # 2026-01-01
    now = client.post(PATH, query).json["targets"]
    assert {answer["version"] for answer in past[0]["answers"] if answer["call"] == "releases"} == {"1.0"}
    assert {answer["version"] for answer in now[0]["answers"] if answer["call"] == "releases"} == {"2.0"}


def test_scan_reports_the_same_as_without_the_service(
    client: Client, services: Services, project: Path, nerq: Nerq
) -> None:
    services.advisory("beta", "1.0", identifier="GHSA-bbbb-bbbb-bbbb", database_specific={"severity": "CRITICAL"})
    (project / "requirements.txt").write_text("alpha>=1.0,<2.0\nbeta==1.0\ngone==1.0\n")
    (project / "package.json").write_text(json.dumps({"name": "own", "dependencies": {"delta": "1.0.0"}}))
    options = ("scan", "--format=json", "--as-of", AS_OF)
    computed = nerq(*options)
    looked_up = nerq(*options, "--no-cache", "--service", f"http://127.0.0.1:{client.port}")
    assert drop_moments(looked_up.json) == drop_moments(computed.json)
    assert looked_up.status == computed.status == 1
    only = nerq(*options, "--no-cache", "--service-only", "--service", f"http://127.0.0.1:{client.port}")
    assert {**drop_moments(only.json), "exit": {}} == {**drop_moments(computed.json), "exit": {}}
    assert only.status == 1
    source = looked_up.json["sources"][0]
    assert source["address"] == f"http://127.0.0.1:{client.port}"
    assert source["requests"] <= 2
