"""The description of the API is the one in docs/, and describes what is served. ``NERQ_UPDATE_GOLDEN=1`` writes it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from nerq_cli.application.settings import Settings
from nerq_cli.serve.app import LAYERS, ROUTES, create_app, encode_openapi
from nerq_cli.serve.problems import PROBLEMS
from nerq_cli.serve.service import Service, ServiceSettings
from tests.serve.conftest import Client, Registry

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
GUIDE = PAGE.with_name("http-api.md")
DESCRIPTION: Any = json.loads(encode_openapi())


def test_the_committed_description_is_that_of_the_code() -> None:
    if os.environ.get("NERQ_UPDATE_GOLDEN"):
        PAGE.write_bytes(encode_openapi())
    assert PAGE.read_bytes() == encode_openapi()


def test_the_service_sends_the_committed_description(client: Client) -> None:
    reply = client.get("/openapi.json")
    assert reply.body == PAGE.read_bytes()
    assert reply.headers["content-type"] == "application/json"


def test_every_route_of_the_api_is_described_with_its_methods(registry: Registry) -> None:
    app = create_app(Service(ServiceSettings(run=Settings())))
    routes = [route for route in app.routes if isinstance(route, Route)]
    served = {
        (re.sub(r":path\}", "}", route.path), method)
        for route in routes
        if route.path.startswith(("/v1/", "/badge/", "/openapi"))
        for method in (route.methods or set()) - {"HEAD"}
    }
    described = {(path, method.upper()) for path, item in DESCRIPTION["paths"].items() for method in item}
    assert served == described - {(operation.path, operation.method) for operation in LAYERS}


@pytest.mark.parametrize("operation", ROUTES, ids=lambda operation: operation.id)
def test_a_parameter_that_is_not_described_is_refused_by_name(client: Client, operation: Any) -> None:
    path = operation.path.replace("{purl}", "pkg:pypi/alpha@1.0")
    reply = client.request(operation.method, f"{path}?surprise=1", b"{}" if operation.body else None)
    assert reply.status == 400
    assert reply.json["type"] == "urn:nerq:problem:invalid-parameter"
    assert "surprise" in reply.json["detail"]
    names = (
        [item["name"] for item in DESCRIPTION["paths"][operation.path][operation.method.lower()]["parameters"]]
        if (operation.parameters)
        else []
    )
    in_query = [item.name for item in operation.parameters if item.place == "query"]
    assert names == [item.name for item in operation.parameters]
    assert all(name in reply.json["hint"] for name in in_query)


def test_values_that_are_described_are_taken_and_others_are_not(client: Client, registry: Registry) -> None:
    registry.most_used()
    registry.pypi("alpha", "1.0")
    for operation in ROUTES:
        for parameter in operation.parameters:
            others: dict[str, Any] = {
                item.name: "pypi:alpha==1.0" for item in operation.parameters if item.name == "target"
            }
            path = operation.path.replace("{purl}", "pkg:pypi/alpha@1.0")
            for value in parameter.values:
                assert client.get(path, **{**others, parameter.name: value}).status == 200
            if parameter.values:
                reply = client.get(path, **{**others, parameter.name: "other"})
                assert reply.status == 400
                assert all(value in reply.json["hint"] for value in parameter.values)


def test_every_problem_of_the_api_is_described() -> None:
    text = json.dumps(DESCRIPTION["paths"])
    described = set(re.findall(r"urn:nerq:problem:([a-z-]+)", text))
    # of what is no operation
    assert set(PROBLEMS) - described == {
        "no-such-path",
        "method-not-allowed",
        "bad-request",
        "headers-too-large",
        "uri-too-long",
    }


@pytest.mark.parametrize("operation", [*ROUTES, *LAYERS], ids=lambda operation: operation.id)
def test_the_reference_page_has_every_operation_and_its_parameters(operation: Any) -> None:
    page = GUIDE.read_text(encoding="utf-8")
    assert f"`{operation.method} {operation.path}" in page
    for parameter in operation.parameters:
        assert f"`{parameter.name}`" in page


@pytest.mark.parametrize("id_", PROBLEMS)
def test_the_reference_page_has_every_problem(id_: str) -> None:
    assert f"| `{id_}` | {PROBLEMS[id_][0]} |" in GUIDE.read_text(encoding="utf-8")  # type: ignore[index]
