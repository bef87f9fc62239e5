"""``POST /v1/preflight:batch`` over a real socket."""

from __future__ import annotations

import gzip
import json
import socket
import time
from typing import Any

import pytest

from nerq_cli.application import named_targets
from nerq_cli.serve import assess
from tests.serve.conftest import Client, Registry, Services, Start

BATCH = "/v1/preflight:batch"


@pytest.fixture(autouse=True)
def packages(registry: Registry) -> None:
    registry.most_used()
    registry.pypi("alpha", "1.0", "2.0")
    registry.npm("beta", "1.0.0", "1.1.0")


def test_each_entry_is_what_the_target_alone_gets(client: Client) -> None:
    targets = ["pypi:alpha==1.0", "beta", "pkg:npm/beta@1.0.0", "pypi:nobody", "pkg:cargo/serde@1", "alpha"]
    reply = client.post(BATCH, {"targets": targets, "for": "critical"})
    assert reply.status == 200
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json["purpose"] == "critical"
    assert [entry["target"] for entry in reply.json["results"]] == targets
    for target, entry in zip(targets, reply.json["results"], strict=True):
        alone = client.get("/v1/preflight", target=target, for_="critical")
        assert entry["status"] == alone.status
        body = dict(alone.json)
        if alone.status == 400:  # a text that is no target has no canonical spelling
            body["target"] = target
        assert entry["preflight" if alone.status == 200 else "problem"] == body
        assert ("problem" in entry) != ("preflight" in entry)


def test_versions_of_one_package_and_repeated_targets_do_not_limit_each_other(client: Client) -> None:
    targets = ["pypi:alpha==1.0", "pypi:alpha==2.0", "pypi:alpha", "pypi:alpha<2", "pypi:alpha==1.0"]
    results = client.post(BATCH, {"targets": targets}).json["results"]
    versions = [entry["preflight"]["version"] for entry in results]
    assert versions == ["1.0", "2.0", "2.0", "1.0", "1.0"]
    assert results[0] == results[4]


def test_a_whole_batch_of_cold_targets_is_one_run(client: Client, registry: Registry, services_site: Any) -> None:
    names = [f"package{letter}" for letter in "abcdefghijkl"]
    for name in names:
        registry.pypi(name, "1.0")
    reply = client.post(BATCH, {"targets": [f"pkg:pypi/{name}@1.0" for name in names]})
    assert {entry["status"] for entry in reply.json["results"]} == {200}
    queries = [request for request in services_site.requests if request.path == "/osv/v1/querybatch"]
    # about the versions, then about the packages
    assert [len(json.loads(query.body)["queries"]) for query in queries] == [12, 12]


def test_a_warm_batch_asks_no_source(client: Client, registry: Registry, services_site: Any) -> None:
    first = client.post(BATCH, {"targets": ["pypi:alpha==1.0", "npm:beta"]})
    asked = len(registry.paths), len(services_site.requests)
    assert client.post(BATCH, {"targets": ["pypi:alpha==1.0", "npm:beta"]}).body == first.body
    assert (len(registry.paths), len(services_site.requests)) == asked


def test_completeness_is_that_of_all_entries(client: Client, registry: Registry, services: Services) -> None:
    assert client.post(BATCH, {"targets": ["pypi:alpha==1.0"]}).json["complete"] is True
    services.silent()
    registry.pypi("obscure-name", "1.0")
    reply = client.post(BATCH, {"targets": ["pypi:alpha==1.0", "pypi:obscure-name"]})
    assert reply.json["complete"] is False
    assert [entry["preflight"]["complete"] for entry in reply.json["results"]] == [True, False]


@pytest.mark.parametrize(
    ("body", "status", "id_"),
    [
        (b"{", 400, "invalid-body"),
        (b"", 400, "invalid-body"),
        (b"\xff\xfe", 400, "invalid-body"),
        (b'["pypi:alpha"]', 400, "invalid-body"),
        (b'{"targets": []}', 400, "invalid-body"),
        (b'{"targets": "pypi:alpha"}', 400, "invalid-body"),
        (b'{"targets": [1]}', 400, "invalid-body"),
        (b'{"targets": ["pypi:alpha"], "for": "fun"}', 400, "invalid-body"),
        (b'{"targets": ["pypi:alpha"], "include": ["history"]}', 400, "invalid-body"),
        (b'{"targets": [' + b",".join([b'"pypi:alpha"'] * 1_001) + b"]}", 413, "batch-too-large"),
    ],
)
def test_a_body_that_is_no_batch_is_refused(client: Client, body: bytes, status: int, id_: str) -> None:
    reply = client.request("POST", BATCH, body, {"content-type": "application/json"})
    assert (reply.status, reply.json["type"]) == (status, f"urn:nerq:problem:{id_}")


def test_a_body_of_another_type_is_refused(client: Client) -> None:
    reply = client.request("POST", BATCH, b"targets=alpha", {"content-type": "application/x-www-form-urlencoded"})
    assert (reply.status, reply.json["type"]) == (415, "urn:nerq:problem:unsupported-media-type")
    typed = client.request(
        "POST", BATCH, b'{"targets":["pypi:alpha"]}', {"content-type": "Application/JSON; charset=utf-8"}
    )
    assert typed.status == 200


def test_a_target_that_breaks_the_run_fails_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assess_all = named_targets.assess_candidates

    def fail_for_beta(parsed: Any, *arguments: Any) -> Any:
        if any(declaration.name == "beta" for target in parsed for declaration in target):
            raise RuntimeError("beta breaks it")
        return assess_all(parsed, *arguments)

    with monkeypatch.context() as context:
        context.setattr(assess, "assess_candidates", fail_for_beta)
        results = client.post(BATCH, {"targets": ["pypi:alpha==1.0", "npm:beta", "pypi:alpha"]}).json["results"]
    assert [entry["status"] for entry in results] == [200, 500, 200]
    assert results[1]["problem"]["type"] == "urn:nerq:problem:internal-error"
    assert "beta breaks it" not in caplog.text
    assert client.get("/v1/preflight", target="npm:beta").status == 200


def test_a_large_batch_is_compressed(client: Client) -> None:
    document = {"targets": ["pypi:alpha==1.0"] * 1_000}
    plain = client.post(BATCH, document)
    packed = client.post(BATCH, document, **{"accept-encoding": "gzip"})
    assert len(packed.body) < len(plain.body) / 10
    assert gzip.decompress(packed.body) == plain.body


def test_a_client_that_leaves_does_not_stop_the_run_for_others(start_service: Start, registry: Registry) -> None:
    client = start_service()
    page = registry.page("alpha", ("1.0", "2.0"), "2.0")

    def answer_late(_request: Any) -> dict[str, Any]:
        time.sleep(0.4)
        return {"body": page}

    registry.site.on("/pypi/alpha/json", answer_late)
    with socket.create_connection(("127.0.0.1", client.port)) as leaving:
        leaving.sendall(b"GET /v1/preflight?target=pypi:alpha HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        time.sleep(0.1)
    assert client.get("/v1/preflight", target="pypi:alpha").status == 200
    assert registry.paths.count("/pypi/alpha/json") == 1
