"""``GET /v1/preflight`` over a real socket."""

from __future__ import annotations

import gzip
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.application.session import read_clock
from nerq_cli.application.settings import Settings
from nerq_cli.config.document import REVIEW_FILE
from nerq_cli.serve import assess
from nerq_cli.serve.assess import Lifetimes
from nerq_cli.serve.service import Service, ServiceSettings
from tests.serve.conftest import AS_OF, Client, Registry, Services, Start

CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
Nerq = Callable[..., Any]


@pytest.fixture(autouse=True)
def packages(registry: Registry) -> None:
    registry.most_used()
    registry.pypi("alpha", "1.0", "2.0")
    registry.npm("beta", "1.0.0", "1.1.0")
    registry.npm("@scope/beta", "1.0.0")


# --- the document


def test_it_has_what_check_reports(client: Client, nerq: Nerq) -> None:
    document = client.get("/v1/preflight", target="pypi:alpha==1.0").json
    report = nerq("check", "pypi:alpha==1.0", "--for", "production", "--as-of", AS_OF, "-f", "json").json
    [checked] = report["dependencies"]
    same = ("purl", "ecosystem", "kind", "name", "version", "score", "grade", "provisional", "score_range", "coverage")
    assert {key: document[key] for key in same} == {key: checked[key] for key in same}
    assert document["dimensions"] == checked["dimensions"]
    assert document["verdict"] == {
        "purpose": "production",
        "answer": checked["guidance"]["answer"],
        "text": checked["guidance"]["verdict"],
    }
    assert [reason["text"] for reason in document["reasons"]] == checked["reasons"][:5]
    assert (document["latest_version"], document["released_at"]) == ("2.0", checked["released_at"])
    assert document["as_of"] == f"{AS_OF}T00:00:00Z"
    assert document["complete"] is True


def test_the_verdict_is_about_the_purpose_that_was_asked_about(client: Client) -> None:
    replies = {
        purpose: client.get("/v1/preflight", target="pypi:alpha==1.0", for_=purpose).json
        for purpose in ("research", "sandbox", "production", "critical")
    }
    assert {reply["verdict"]["purpose"] for reply in replies.values()} == set(replies)
    assert replies["critical"]["verdict"]["answer"] == "unsettled"
    assert replies["production"]["verdict"]["answer"] == "no-objection"
    others = [{key: value for key, value in reply.items() if key != "verdict"} for reply in replies.values()]
    assert all(other == others[0] for other in others)


def test_an_advisory_is_listed_with_the_version_that_fixes_it(client: Client, services: Services) -> None:
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]
    affected = [{"package": {"ecosystem": "PyPI", "name": "alpha"}, "ranges": ranges, "versions": ["1.0"]}]
    services.advisory(
        "alpha", "1.0", identifier="GHSA-aaaa", severity=CRITICAL, summary="Bad \x1b[2Jthing", affected=affected
    )
    document = client.get("/v1/preflight", target="pypi:alpha==1.0").json
    [advisory] = document["advisories"]
    assert (advisory["id"], advisory["severity"], advisory["nearest_fix"]) == ("GHSA-aaaa", "critical", "2.0")
    assert "\x1b" not in advisory["summary"]
    assert document["verdict"]["answer"] == "avoid"
    assert document["cap"]["limit"] == document["score"]
    assert document["upgrade"]["version"] == "2.0"
    assert document["upgrade"]["fixed_advisories"] == ["GHSA-aaaa"]


def test_without_a_version_it_is_about_the_one_that_would_be_installed(client: Client) -> None:
    document = client.get("/v1/preflight", target="pkg:pypi/alpha").json
    assert (document["target"], document["purl"]) == ("pypi:alpha", "pkg:pypi/alpha@2.0")


def test_all_spellings_of_a_target_have_the_same_answer(client: Client, registry: Registry) -> None:
    spellings = ("pypi:alpha==1.0", "pkg:pypi/alpha@1.0", "pkg:pypi/Alpha@1.0", " pypi:ALPHA==1.0 ", "PyPI:alpha@1.0")
    replies = [client.get("/v1/preflight", target=text) for text in spellings]
    assert {reply.body for reply in replies} == {replies[0].body}
    assert {reply.headers["etag"] for reply in replies} == {replies[0].headers["etag"]}


def test_the_answer_is_the_same_in_another_process_and_in_another_batch(start_service: Start) -> None:
    alone = start_service(no_cache=True).get("/v1/preflight", target="npm:beta@1.0.0", for_="critical")
    other = start_service(no_cache=True)
    targets = ["npm:beta@1.1.0", "pypi:alpha", "npm:beta@1.0.0", "npm:beta"]
    batch = other.post("/v1/preflight:batch", {"targets": targets, "for": "critical"})
    entry = batch.json["results"][2]["preflight"]
    expected = alone.json
    for document in (entry, expected):
        for source in document["sources"]:
            del source["retrieved_at"]
    assert entry == expected


def test_history_is_added_on_request_only(start_service: Start, nerq: Nerq) -> None:
    client = start_service(as_of=None)
    plain = client.get("/v1/preflight", target="pypi:alpha==1.0")
    assert "history" not in plain.json
    full = client.get("/v1/preflight", target="pypi:alpha==1.0", include="history")
    assert [item["version"] for item in full.json["history"]["snapshots"]] == ["1.0"]
    assert {key: value for key, value in full.json.items() if key != "history"} == plain.json
    assert full.headers["etag"] != plain.headers["etag"]
    again = client.get(
        "/v1/preflight", {"if-none-match": full.headers["etag"]}, target="pypi:alpha==1.0", include="history"
    )
    assert again.status == 304


def test_without_a_snapshot_the_history_is_null(start_service: Start) -> None:
    client = start_service(no_cache=True)
    assert client.get("/v1/preflight", target="pypi:alpha==1.0", include="history").json["history"] is None


def test_a_history_that_cannot_be_read_is_not_none(start_service: Start, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(exist_ok=True)
    connection = sqlite3.connect(tmp_path / "cache" / "history.sqlite3")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    client = start_service()
    reply = client.get("/v1/preflight", target="pypi:alpha==1.0", include="history")
    assert reply.json["history"] is None
    assert reply.json["history_reason"] == "the history cannot be read at present"
    assert int(reply.headers["cache-control"].rpartition("=")[2]) <= 30
    for path in ("/v1/packages/pkg:pypi/alpha@1.0", "/packages/pkg:pypi/alpha@1.0", "/v1/preflight?target=pypi:alpha"):
        text = client.get(path).body.decode()
        assert "sqlite3" not in text
        assert str(tmp_path) not in text


def test_clients_do_not_see_the_settings_of_the_service(
    start_service: Start, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "nerq.toml").write_text('private = ["hidden-name-*"]\n')
    monkeypatch.setenv("NERQ_UNKNOWN", "1")
    (tmp_path / "cache").touch()
    client = start_service(Service(ServiceSettings(run=Settings(as_of=AS_OF), root=project)))
    assert client.get("/v1/preflight", target="pypi:alpha==1.0").json["warnings"] == []
    for path in (
        "/v1/packages/pkg:pypi/alpha@1.0",
        "/packages/pkg:pypi/alpha@1.0",
        "/v1/compare?target=pypi:alpha&target=pypi:alpha==1.0",
        "/compare?target=pypi:alpha&target=pypi:alpha==1.0",
        "/v1/alternatives?target=pypi:alpha",
    ):
        text = client.get(path).body.decode()
        assert "hidden-name" not in text
        assert "NERQ_UNKNOWN" not in text
        assert str(tmp_path) not in text


def test_a_served_answer_leaves_a_snapshot_for_the_history_command(start_service: Start, nerq: Nerq) -> None:
    start_service(as_of=None).get("/v1/preflight", target="pypi:alpha==1.0")
    result = nerq("history", "pypi:alpha==1.0", "-f", "json")
    assert result.json["targets"][0]["versions"][0]["version"] == "1.0"


# --- problems


def read_problem(client: Client, status: int, **parameters: Any) -> Any:
    reply = client.get("/v1/preflight", **parameters)
    assert reply.status == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["status"] == status
    return reply.json


@pytest.mark.parametrize(
    ("target", "detail"),
    [
        ("pypi:nobody-has-this", "there is no such package on PyPI"),
        ("npm:nobody-has-this", "there is no such package on npm"),
        ("nobody-has-this", "nobody-has-this: there is no such package on PyPI or npm"),
        ("nobody-has-this==1.0", "there is no such package on PyPI"),
        ("pypi:alpha==9.9", "no version 9.9 of alpha exists"),
        ("pkg:npm/beta@7.0.0", "7.0.0"),
    ],
)
def test_what_nobody_knows_is_404_and_no_document_with_nulls(client: Client, target: str, detail: str) -> None:
    problem = read_problem(client, 404, target=target)
    assert problem["type"] == "urn:nerq:problem:no-such-target"
    assert detail in problem["detail"]


@pytest.mark.parametrize("text", ["alpha", "Nobody_Has.This", "alpha==1.0", "pypi:alpha", "@scope/beta", "beta@1.0.0"])
def test_the_target_of_an_answer_can_be_asked_for(client: Client, text: str) -> None:
    first = client.get("/v1/preflight", target=text)
    second = client.get("/v1/preflight", target=first.json["target"])
    assert " | " not in first.json["target"]
    assert (second.status, second.body) == (first.status, first.body)


def test_a_missing_version_has_the_nearest_ones_as_a_hint(client: Client) -> None:
    assert read_problem(client, 404, target="pypi:alpha==9.9")["hint"] == "nearest: 2.0, 1.0"


def test_an_ambiguous_name_is_300_with_candidates_that_can_be_followed(client: Client, registry: Registry) -> None:
    registry.npm("alpha", "3.0.0")
    problem = read_problem(client, 300, target="alpha")
    assert [item["target"] for item in problem["candidates"]] == ["pypi:alpha", "npm:alpha"]
    followed = [client.request("GET", item["href"]) for item in problem["candidates"]]
    assert [reply.json["purl"] for reply in followed] == [item["purl"] for item in problem["candidates"]]


def test_a_name_that_one_registry_has_is_not_ambiguous(client: Client) -> None:
    assert client.get("/v1/preflight", target="alpha").json["purl"] == "pkg:pypi/alpha@2.0"


@pytest.mark.parametrize("target", ["", "  ", "pkg:pypi", "pkg:cargo/serde@1", "a b", "==1", "x" * 1_001, "mcp:a/b/c"])
def test_what_names_nothing_is_400(client: Client, target: str) -> None:
    assert read_problem(client, 400, target=target)["type"] == "urn:nerq:problem:invalid-target"


def test_a_missing_repeated_or_unknown_parameter_is_400(client: Client) -> None:
    for parameters in (
        {},
        {"target": ["pypi:alpha", "pypi:beta"]},
        {"target": "pypi:alpha", "for_": "fun"},
        {"target": "pypi:alpha", "for_": ["production", "critical"]},
        {"target": "pypi:alpha", "include": "everything"},
        {"target": "pypi:alpha", "purpose": "production"},
    ):
        assert read_problem(client, 400, **parameters)["type"] == "urn:nerq:problem:invalid-parameter"


def test_a_private_name_is_neither_sent_nor_looked_up(start_service: Start, project: Path, registry: Registry) -> None:
    (project / "nerq.toml").write_text('private = ["acme-*"]\n')
    problem = read_problem(start_service(), 422, target="pypi:acme-secret==1.0")
    assert problem["type"] == "urn:nerq:problem:not-looked-up"
    assert "acme-*" not in problem["detail"]
    assert not [path for path in registry.paths if "acme" in path]


def test_silent_sources_are_503_with_a_time_to_come_back(client: Client, registry: Registry) -> None:
    registry.site.on("/pypi/alpha/json", {"status": 500})
    registry.site.on("/simple/alpha/", {"status": 500})
    reply = client.get("/v1/preflight", target="pypi:alpha")
    assert reply.status == 503
    assert reply.json["type"] == "urn:nerq:problem:no-answer"
    assert 0 < int(reply.headers["retry-after"]) <= 30
    assert reply.headers["cache-control"] == "no-store"


def test_a_silent_advisory_source_leaves_an_answer_that_is_marked_and_lives_shortly(
    client: Client, services: Services, registry: Registry
) -> None:
    registry.pypi("obscure-name", "1.0")
    services.silent()
    reply = client.get("/v1/preflight", target="pypi:obscure-name==1.0")
    assert reply.status == 200
    assert reply.json["complete"] is False
    assert reply.json["provisional"] is True
    assert reply.json["knows_advisories"] is False
    assert reply.json["verdict"]["answer"] == "unsettled"
    assert "OSV" in reply.json["warnings"][0]
    assert int(reply.headers["cache-control"].removeprefix("max-age=")) <= 30


def test_an_incomplete_answer_is_not_kept_as_a_whole_one(
    start_service: Start, services: Services, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.pypi("obscure-name", "1.0")
    services.silent()
    assert start_service().get("/v1/preflight", target="pypi:obscure-name==1.0").json["complete"] is False
    services.speak()
    reply = start_service(refresh=True).get("/v1/preflight", target="pypi:obscure-name==1.0")
    assert reply.json["complete"] is True
    assert reply.json["provisional"] is False


def test_a_source_that_was_silent_is_asked_again_when_the_answer_ends(
    start_service: Start, services: Services, registry: Registry
) -> None:
    registry.pypi("obscure-name", "1.0")
    services.site.on("/osv/v1/querybatch", {"status": 503})
    lifetimes = Lifetimes(incomplete=1)
    client = start_service(Service(ServiceSettings(run=Settings(as_of=AS_OF), lifetimes=lifetimes)))
    before = client.get("/v1/preflight", target="pypi:obscure-name==1.0").json
    services.speak()
    time.sleep(2.05)  # a command would leave the source alone for a quarter of an hour
    after = client.get("/v1/preflight", target="pypi:obscure-name==1.0").json
    assert [document["complete"] for document in (before, after)] == [False, True]


def test_a_source_that_was_silent_has_a_reason_without_hosts_and_options(
    client: Client, services: Services, registry: Registry
) -> None:
    registry.pypi("obscure-name", "1.0")
    services.site.on("/osv/v1/querybatch", {"status": 503})
    before = client.get("/v1/preflight", target="pypi:obscure-name==1.0").json
    after = client.get("/v1/preflight", target="pypi:obscure-name").json
    assert "HTTP 503" in after["warnings"][0]
    for document in (before, after):
        assert "--refresh" not in json.dumps(document)
        assert "127.0.0.1" not in json.dumps(document)


def test_settings_that_break_while_the_service_runs_are_the_business_of_its_operator(
    start_service: Start, project: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = start_service(Service(ServiceSettings(run=Settings(as_of=AS_OF), root=project)))
    assert client.get("/v1/preflight", target="pypi:alpha").status == 200
    (project / REVIEW_FILE).write_text("[[review")
    for path in ("/v1/preflight?target=npm:beta", "/v1/packages/pkg:pypi/alpha"):
        reply = client.get(path)
        assert reply.status == 503
        assert REVIEW_FILE not in reply.body.decode()
    body = client.post("/v1/evidence:batch", {"targets": ["pkg:npm/beta@1.0.0"]}).body.decode()
    assert REVIEW_FILE not in body
    assert str(tmp_path) not in body
    assert REVIEW_FILE in caplog.text


def test_an_error_of_the_service_is_500_without_a_word_about_the_target(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise ValueError("secret-name is wrong")

    with monkeypatch.context() as context:
        context.setattr(assess, "build_preflight", fail)
        reply = client.get("/v1/preflight", target="pypi:alpha")
    assert reply.status == 500
    assert reply.json["type"] == "urn:nerq:problem:internal-error"
    assert b"secret-name" not in reply.body
    assert "ValueError at test_preflight.py" in caplog.text
    assert "secret-name" not in caplog.text
    assert client.get("/v1/preflight", target="pypi:alpha").status == 200


def test_other_paths_and_methods_are_problems_too(client: Client) -> None:
    for path in ("/v2/preflight", "/v1/preflight/", "/v1", "//v1/preflight"):
        missing = client.get(path)
        assert (missing.status, missing.json["type"]) == (404, "urn:nerq:problem:no-such-path")
    refused = client.request("DELETE", "/v1/preflight")
    assert (refused.status, refused.json["type"]) == (405, "urn:nerq:problem:method-not-allowed")
    assert "GET" in refused.headers["allow"]


# --- caches


def test_a_client_that_has_the_answer_gets_304(client: Client) -> None:
    first = client.get("/v1/preflight", target="pypi:alpha==1.0")
    etag = first.headers["etag"]
    for header in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
        reply = client.get("/v1/preflight", {"if-none-match": header}, target="pypi:alpha==1.0")
        assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", etag)
    reply = client.get("/v1/preflight", {"if-none-match": '"other"'}, target="pypi:alpha==1.0")
    assert (reply.status, reply.body) == (200, first.body)


def test_another_purpose_day_or_version_has_another_entity_tag(start_service: Start) -> None:
    client, later = start_service(), start_service(as_of="2026-11-22")
    tags = [
        client.get("/v1/preflight", target="pypi:alpha==1.0").headers["etag"],
        client.get("/v1/preflight", target="pypi:alpha==1.0", for_="critical").headers["etag"],
        client.get("/v1/preflight", target="pypi:alpha==2.0").headers["etag"],
        later.get("/v1/preflight", target="pypi:alpha==1.0").headers["etag"],
    ]
    assert len(set(tags)) == 4


def test_long_answers_are_compressed_for_whom_allows_it(client: Client) -> None:
    plain = client.get("/v1/preflight", target="pypi:alpha==1.0")
    assert "content-encoding" not in plain.headers
    for header in ("gzip", "br;q=1.0, gzip;q=0.5", "*", "GZIP"):
        reply = client.get("/v1/preflight", {"accept-encoding": header}, target="pypi:alpha==1.0")
        assert reply.headers["content-encoding"] == "gzip"
        assert gzip.decompress(reply.body) == plain.body
        assert reply.headers["vary"] == "accept-encoding"
        assert reply.headers["etag"] == plain.headers["etag"]
    for header in ("identity", "gzip;q=0", "*;q=0", "br", "gzip;q=x"):
        assert client.get("/v1/preflight", {"accept-encoding": header}, target="pypi:alpha==1.0").body == plain.body


def test_the_answer_may_be_kept_until_it_expires(client: Client) -> None:
    reply = client.get("/v1/preflight", target="pypi:alpha==1.0")
    until_midnight = 86_400 - read_clock() % 86_400
    age = int(reply.headers["cache-control"].removeprefix("max-age="))
    assert min(3_590, until_midnight - 10) <= age <= min(3_600, until_midnight + 10)


def test_a_head_request_has_the_headers_without_the_body(client: Client) -> None:
    reply = client.request("HEAD", "/v1/preflight?target=pypi:alpha")
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["etag"]


def test_a_second_request_asks_no_source(client: Client, registry: Registry, services_site: Any) -> None:
    first = client.get("/v1/preflight", target="pypi:alpha==1.0")
    asked = len(registry.paths), len(services_site.requests)
    assert client.get("/v1/preflight", target="pkg:pypi/alpha@1.0").body == first.body
    assert (len(registry.paths), len(services_site.requests)) == asked


def test_a_service_that_is_started_again_answers_from_the_store(
    start_service: Start, registry: Registry, services_site: Any
) -> None:
    first = start_service().get("/v1/preflight", target="pypi:alpha==1.0")
    asked = len(registry.paths), len(services_site.requests)
    registry.site.on("/pypi/alpha/json", {"status": 500})
    assert start_service().get("/v1/preflight", target="pypi:alpha==1.0").body == first.body
    assert (len(registry.paths), len(services_site.requests)) == asked


def test_other_settings_have_other_answers(start_service: Start) -> None:
    first = start_service().get("/v1/preflight", target="pypi:alpha==1.0")
    other = start_service(threshold=95.0).get("/v1/preflight", target="pypi:alpha==1.0")
    assert (first.json["threshold"], other.json["threshold"]) == (70.0, 95.0)
    assert other.json["verdict"]["answer"] == "avoid"


def test_a_target_that_many_ask_about_at_once_is_looked_up_once(client: Client, registry: Registry) -> None:
    gate = threading.Event()
    page = registry.page("alpha", ("1.0", "2.0"), "2.0")

    def wait(_request: Any) -> dict[str, Any]:
        gate.wait(10)
        return {"body": page}

    registry.site.on("/pypi/alpha/json", wait)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(client.get, "/v1/preflight", target="pypi:alpha") for _ in range(8)]
        threading.Timer(0.3, gate.set).start()
        replies = [future.result() for future in futures]
    assert {reply.body for reply in replies} == {replies[0].body}
    assert replies[0].status == 200
    assert registry.paths.count("/pypi/alpha/json") == 1


def test_what_is_stored_is_answered_while_the_workers_wait_for_sources(
    start_service: Start, registry: Registry
) -> None:
    start_service().get("/v1/preflight", target="pypi:alpha==1.0")
    gate = threading.Event()

    def wait(_request: Any) -> dict[str, Any]:
        gate.wait(10)
        return {"status": 500}

    for name in ("slow-one", "slow-two", "slow-three"):
        registry.site.on(f"/pypi/{name}/json", wait)
        registry.site.on(f"/simple/{name}/", wait)
    client = start_service()
    with ThreadPoolExecutor(3) as pool:
        futures = [
            pool.submit(client.get, "/v1/preflight", target=f"pypi:{name}")
            for name in ("slow-one", "slow-two", "slow-three")
        ]
        threading.Event().wait(0.2)
        assert client.get("/v1/preflight", target="pypi:alpha==1.0").status == 200
        assert not any(future.done() for future in futures)
        gate.set()
        for future in futures:
            future.result()


def test_answers_are_utf8_json_on_one_line(client: Client, registry: Registry) -> None:
    reply = client.get("/v1/preflight", target="pypi:alpha")
    assert b"\n" not in reply.body
    assert json.loads(reply.body.decode()) == reply.json
