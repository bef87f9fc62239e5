"""Pages, comparisons, alternatives, badges and schemas over a real socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from tests.serve.conftest import AS_OF, Client, Registry, Services, Start

Nerq = Callable[..., Any]


@pytest.fixture(autouse=True)
def packages(registry: Registry) -> None:
    registry.most_used()
    registry.pypi("alpha", "1.0", "2.0")
    registry.npm("@scope/beta", "1.0.0", "1.1.0")


# --- pages


def test_a_page_is_what_report_writes(client: Client, nerq: Nerq) -> None:
    reply = client.get("/v1/packages/pkg:pypi/alpha@1.0", for_="critical")
    written = nerq("report", "pypi:alpha==1.0", "--for", "critical", "--as-of", AS_OF, "-f", "json").json
    assert reply.json == written


@pytest.mark.parametrize(
    "path",
    [
        "pkg:npm/%40scope/beta@1.0.0",
        "pkg:npm/@scope/beta@1.0.0",
        "pkg%3Anpm%2F%2540scope%2Fbeta%401.0.0",
        "npm:@scope/beta@1.0.0",
    ],
)
def test_a_package_url_in_the_path_may_be_encoded_or_not(client: Client, path: str) -> None:
    assert client.get(f"/v1/packages/{path}").json["target"]["purl"] == "pkg:npm/%40scope/beta@1.0.0"


def test_a_page_is_kept_and_has_an_entity_tag(client: Client, registry: Registry) -> None:
    path = "/v1/packages/pkg:pypi/alpha@1.0"
    first = client.get(path)
    asked = len(registry.paths)
    assert client.get(path).body == first.body
    assert len(registry.paths) == asked
    assert client.get(path, {"if-none-match": first.headers["etag"]}).status == 304
    assert client.get(path, for_="research").headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("pkg:pypi/nobody@1", 404),
        ("pkg:pypi/alpha@9", 404),
        ("pkg:gem/rails", 400),
        ("%2e%2e/%2e%2e/etc", 400),
        ("", 400),
    ],
)
def test_there_is_no_page_about_what_does_not_exist(client: Client, path: str, status: int) -> None:
    for url in (f"/v1/packages/{path}", f"/badge/{path}.svg"):
        reply = client.get(url)
        assert reply.status == status
        assert reply.headers["content-type"] == "application/problem+json"


# --- comparisons


def test_a_comparison_is_what_compare_writes(client: Client, nerq: Nerq) -> None:
    reply = client.get("/v1/compare", target=["pypi:alpha==1.0", "pypi:alpha==2.0"])
    written = nerq("compare", "pypi:alpha==1.0", "pypi:alpha==2.0", "--as-of", AS_OF, "-f", "json").json
    assert reply.json == written
    tag = reply.headers["etag"]
    again = client.get("/v1/compare", {"if-none-match": tag}, target=["pkg:pypi/alpha@1.0", "pkg:pypi/alpha@2.0"])
    assert again.status == 304


def test_an_ambiguous_name_is_settled_by_the_other_targets(client: Client, registry: Registry) -> None:
    registry.npm("alpha", "3.0.0")
    registry.pypi("gamma", "1.0")
    reply = client.get("/v1/compare", target=["alpha", "pypi:gamma"])
    assert [item["purl"] for item in reply.json["targets"]] == ["pkg:pypi/alpha@2.0", "pkg:pypi/gamma@1.0"]
    registry.npm("gamma", "1.0.0")
    unsettled = client.get("/v1/compare", target=["alpha", "alpha==2.0"])
    assert unsettled.status in (300, 400)


@pytest.mark.parametrize(
    ("targets", "status", "id_"),
    [
        (["pypi:alpha"], 400, "invalid-parameter"),
        ([], 400, "invalid-parameter"),
        (["pypi:alpha"] * 9, 400, "invalid-parameter"),
        (["pypi:alpha", "pypi:alpha==2.0"], 400, "not-comparable"),
        (["pypi:alpha", "pypi:nobody"], 404, "no-such-target"),
        (["pypi:alpha", "pkg:gem/rails"], 400, "invalid-target"),
    ],
)
def test_what_cannot_be_compared_is_a_problem(client: Client, targets: list[str], status: int, id_: str) -> None:
    reply = client.get("/v1/compare", target=targets)
    assert (reply.status, reply.json["type"]) == (status, f"urn:nerq:problem:{id_}")


# --- alternatives


def test_alternatives_are_what_alternatives_writes(client: Client, registry: Registry, nerq: Nerq) -> None:
    registry.pypi("toml", "0.10.2")
    reply = client.get("/v1/alternatives", target="pypi:toml")
    written = nerq("alternatives", "pypi:toml", "--no-project", "--as-of", AS_OF, "-f", "json").json
    assert reply.json == written
    assert reply.json["alternatives"]


def test_there_are_no_alternatives_to_what_does_not_exist(client: Client) -> None:
    assert client.get("/v1/alternatives", target="pypi:nobody").status == 404


def test_a_document_without_a_source_lives_shortly(client: Client, registry: Registry, services: Services) -> None:
    services.silent()
    registry.pypi("obscure-name", "1.0")
    reply = client.get("/v1/packages/pkg:pypi/obscure-name@1.0")
    assert reply.status == 200
    assert int(reply.headers["cache-control"].removeprefix("max-age=")) <= 30


# --- badges


def test_a_badge_is_what_badge_writes(client: Client, nerq: Nerq) -> None:
    reply = client.get("/badge/pkg:pypi/alpha@1.0.svg")
    assert reply.headers["content-type"] == "image/svg+xml"
    assert reply.body.decode() == nerq("badge", "pypi:alpha==1.0", "--as-of", AS_OF, "-f", "svg").out
    assert ET.fromstring(reply.body).tag.endswith("svg")  # noqa: S314 - written here
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    assert client.get("/badge/pkg:pypi/alpha@1.0.svg", {"if-none-match": reply.headers["etag"]}).status == 304


def test_a_badge_of_a_name_is_that_of_its_newest_version(client: Client) -> None:
    assert b"@scope/beta 1.1.0" in client.get("/badge/pkg:npm/%40scope/beta.svg").body


# --- schemas


def test_each_schema_is_valid_and_holds_for_its_document(client: Client) -> None:
    documents = {
        "preflight": client.get("/v1/preflight", target="pypi:alpha").json,
        "batch": client.post("/v1/preflight:batch", {"targets": ["pypi:alpha", "pypi:nobody"]}).json,
        "page": client.get("/v1/packages/pkg:pypi/alpha").json,
        "compare": client.get("/v1/compare", target=["pypi:alpha==1.0", "pypi:alpha"]).json,
        "alternatives": client.get("/v1/alternatives", target="pypi:alpha").json,
        "problem": client.get("/v1/preflight", target="pypi:nobody").json,
    }
    for name, document in documents.items():
        reply = client.get("/v1/schema", document=name)
        assert reply.headers["content-type"] == "application/schema+json"
        jsonschema.Draft202012Validator.check_schema(reply.json)
        jsonschema.Draft202012Validator(reply.json).validate(document)


@pytest.mark.parametrize("name", ["preflight", "problem", "page", "compare", "alternatives"])
def test_the_command_prints_the_same_schema(client: Client, nerq: Nerq, name: str) -> None:
    assert json.loads(nerq("schema", name).out) == client.get("/v1/schema", document=name).json


def test_a_schema_without_a_name_is_that_of_the_preflight(client: Client) -> None:
    reply = client.get("/v1/schema")
    assert reply.body == client.get("/v1/schema", document="preflight").body
    assert client.get("/v1/schema", {"if-none-match": reply.headers["etag"]}).status == 304


@pytest.mark.parametrize("path", ["/v1/packages/alpha", "/packages/alpha", "/v1/alternatives?target=alpha"])
def test_a_bare_name_that_one_registry_has_is_enough(client: Client, path: str) -> None:
    reply = client.get(path)
    assert reply.status == 200
    assert b" | " not in reply.body


def test_two_services_in_a_process_do_not_share_answers(start_service: Start) -> None:
    first, second = start_service(), start_service(as_of="2026-11-22")
    assert first.get("/v1/preflight", target="pypi:alpha").json["as_of"].startswith("2026-11-21")
    assert second.get("/v1/preflight", target="pypi:alpha").json["as_of"].startswith("2026-11-22")
