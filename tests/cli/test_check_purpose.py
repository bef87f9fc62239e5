"""``nerq check --for``: the report card in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from nerq_cli.insight.purpose import PURPOSES
from tests.cli.conftest import AS_OF, Registry, Result, Services
from tests.conftest import Site
from tests.sources.huggingface.conftest import HubStandIn, build_model

Nerq = Callable[..., Result]
NAME = "io.github.acme/files"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """A stand-in for the Hub with a repository of each kind."""
    site = Site()
    stand_in = HubStandIn(site)
    stand_in.add_model("org/demo")
    for kind, name in (("datasets", "org/texts"), ("spaces", "org/app"), ("kernels", "org/fast")):
        stand_in.repositories[kind, name] = build_model(name, sdk="gradio")
    monkeypatch.setenv("NERQ_HF_URL", site.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield stand_in
    site.close()


def ask(nerq: Nerq, target: str, purpose: str = "production") -> Any:
    result = nerq("check", target, "--for", purpose, "--as-of", AS_OF, "-f", "json")
    jsonschema.validate(result.json, nerq("schema").json)
    return result.json["dependencies"][0]["guidance"]


@pytest.mark.parametrize("target", ["hf:org/demo", "hf-dataset:org/texts", "hf-space:org/app", "hf-kernel:org/fast"])
def test_every_kind_of_repository_has_the_card(hub: HubStandIn, nerq: Nerq, target: str) -> None:
    for purpose in PURPOSES:
        guidance = ask(nerq, target, purpose)
        assert guidance["purpose"] == purpose
        assert guidance["verdict"]
        assert guidance["licence"]
        assert "hf download org/" in guidance["checks"][0]["command"]


def test_a_package_has_the_card(registry: Registry, nerq: Nerq) -> None:
    registry.pypi("acme", "1.0")
    registry.most_used()
    guidance = ask(nerq, "pypi:acme==1.0", "sandbox")
    assert guidance["licence"] == "licence MIT; terms: permissive"
    assert guidance["checks"][0]["command"].endswith("acme==1.0")
    text = nerq("check", "pypi:acme==1.0", "--for", "sandbox", "--as-of", AS_OF).out
    assert text.index("Is it safe to use?") < text.index("Verify it yourself") < text.index("Signals")


def test_a_server_has_the_card_of_its_package(registry: Registry, nerq: Nerq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERQ_MCP_REGISTRY_URL", registry.site.url)
    registry.npm("@acme/files", "1.0.0")
    package = {"registryType": "npm", "identifier": "@acme/files", "version": "1.0.0"}
    body = {"server": {"name": NAME, "version": "1.0.0", "packages": [package]}}
    registry.site.on("/v0.1/servers/io.github.acme%2Ffiles/versions/latest?include_deleted=true", {"body": body})
    assert "npm view @acme/files@1.0.0" in ask(nerq, f"mcp:{NAME}")["checks"][0]["command"]


def test_what_fails_the_run_rules_out_production(registry: Registry, services: Services, nerq: Nerq) -> None:
    registry.pypi("acme", "1.0")
    registry.most_used()
    services.advisory(
        "acme",
        "1.0",
        identifier="GHSA-x",
        severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
    )
    result = nerq("check", "pypi:acme==1.0", "--for", "production", "--as-of", AS_OF, "-f", "json")
    assert result.status == 1
    assert result.json["dependencies"][0]["guidance"]["answer"] == "avoid"


def test_nothing_changes_without_a_purpose(hub: HubStandIn, nerq: Nerq) -> None:
    plain = nerq("check", "hf:org/demo", "--as-of", AS_OF, "-f", "json")
    asked = nerq("check", "hf:org/demo", "--as-of", AS_OF, "-f", "json", "--for", "critical")
    assert plain.status == asked.status
    (entry,) = asked.json["dependencies"]
    del entry["guidance"]
    assert [entry] == plain.json["dependencies"]
    assert asked.json["exit"] == plain.json["exit"]
    text = nerq("check", "hf:org/demo", "--as-of", AS_OF).out
    assert text.count("--for") == 1
    assert "Is it safe" not in text


def test_a_recording_is_the_same_with_and_without_a_purpose(hub: HubStandIn, nerq: Nerq, project: Path) -> None:
    for name, words in (("a.nerq", ()), ("b.nerq", ("--for", "critical"))):
        nerq("check", "hf:org/demo", "--as-of", AS_OF, "--record", name, *words)
    assert nerq("evidence", "verify", "b.nerq").status == 0
    replayed = nerq("check", "--replay", "b.nerq", "--for", "critical", "-f", "json")
    assert json.loads(replayed.out)["dependencies"][0]["guidance"]["purpose"] == "critical"
    assert "guidance" not in nerq("check", "--replay", "b.nerq", "-f", "json").json["dependencies"][0]


def test_what_does_not_exist_has_no_commands(registry: Registry, nerq: Nerq) -> None:
    registry.most_used()
    for path in ("/pypi/acme-gone/json", "/simple/acme-gone/"):
        registry.site.on(path, {"status": 404})
    guidance = ask(nerq, "pypi:acme-gone", "research")
    assert (guidance["answer"], guidance["checks"]) == ("avoid", [])


def test_what_cannot_be_read_is_unsettled(hub: HubStandIn, nerq: Nerq) -> None:
    guidance = ask(nerq, "hf:org/gone", "research")
    assert guidance["answer"] == "unsettled"
    assert "missing or private" in " ".join((guidance["verdict"], *guidance["findings"]))
    assert guidance["checks"] == []


def test_terms_and_banned_practices_rule_out_production(hub: HubStandIn, nerq: Nerq) -> None:
    hub.add_model("org/nc", cardData={"license": "cc-by-nc-4.0"}, tags=["license:cc-by-nc-4.0"])
    guidance = ask(nerq, "hf:org/nc")
    assert guidance["answer"] == "avoid"
    assert "licence cc-by-nc-4.0: non-commercial" in " ".join(guidance["findings"])
    assert any(line.startswith("for commercial use (") for line in guidance["avoid"])
    hub.add_model("org/scores", pipeline_tag="text-classification", tags=["social-scoring"])
    guidance = ask(nerq, "hf:org/scores")
    assert guidance["answer"] == "avoid"
    assert any("touches a banned practice (Art. 5)" in line for line in guidance["findings"])


def test_picklescan_is_not_named_without_pickle_files(hub: HubStandIn, nerq: Nerq) -> None:
    hub.add_model("org/safe", siblings=[{"rfilename": "model.safetensors", "size": 3}])
    assert not any("picklescan" in check["command"] for check in ask(nerq, "hf:org/safe")["checks"])


@pytest.mark.parametrize("width", ["80", "200"])
def test_a_hostile_repository_cannot_write_to_the_terminal(
    hub: HubStandIn, nerq: Nerq, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    files = [{"rfilename": "\x1b[31m\u202e::error::" + "x" * 500 + ".bin", "size": 3}]
    hub.add_model("org/evil", siblings=files, cardData={"license": "\x1b[2J##[error]y"}, safetensors=None)
    for form in ("table", "json"):
        out = nerq("check", "hf:org/evil", "--for", "production", "-f", form).out
        assert not any(sign in out for sign in ("\x1b", "\u202e", "\\u001b", "##[error]"))
        assert form == "json" or max(map(len, out.splitlines())) <= int(width)


def test_another_purpose_is_refused(nerq: Nerq) -> None:
    assert nerq("check", "hf:org/demo", "--for", "fun").status == 2
