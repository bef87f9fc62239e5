"""``GET /v1/preflight`` over a real socket."""

from __future__ import annotations

from tests.serve.conftest import Client, Registry


def test_a_package_gets_its_verdict_score_and_sources(client: Client, registry: Registry) -> None:
    registry.most_used()
    registry.pypi("alpha", "1.0", "2.0")
    reply = client.get("/v1/preflight", target="pypi:alpha==1.0")
    assert reply.status == 200
    assert reply.json["purl"] == "pkg:pypi/alpha@1.0"
