"""Who published a version: what speaks against it counts in the score, the verdict, the rules and the proposals."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import AS_OF, SIMPLE, Registry, Result

Nerq = Callable[..., Result]
_STATED = {"Source": "https://github.com/acme/att", "Documentation": "https://docs.example"}
_FOREIGN = "attested by github.com/mallory/att, while the package names github.com/acme/att"


def _attest(registry: Registry, version: str, repository: str) -> None:
    file = f"att-{version}-py3-none-any.whl"
    statement = {
        "subject": [{"name": file, "digest": {}}],
        "predicateType": "https://pypi.example/attestations/publish/v1",
        "predicate": None,
    }
    envelope = {"statement": b64encode(json.dumps(statement).encode()).decode(), "signature": "c2ln"}
    bundle = {
        "publisher": {"kind": "GitHub", "repository": repository},
        "attestations": [{"version": 1, "envelope": envelope}],
    }
    body = {"version": 1, "attestation_bundles": [bundle]}
    registry.site.on(f"/integrity/att/{version}/{file}/provenance", {"body": body})


@pytest.fixture
def att(registry: Registry) -> Registry:
    """1.0 attested by the repository that the package states, 2.0 not attested, 3.0 attested by another one."""
    versions = ("1.0", "2.0", "3.0")
    registry.pypi("att", *versions, project_urls=_STATED)
    listing = registry.listing("att", versions)
    for file in listing["files"]:
        if "-2.0-" not in file["filename"]:
            file["provenance"] = f"{registry.site.url}/integrity/att/{file['filename'].split('-')[1]}/x/provenance"
    registry.site.on("/simple/att/", {"headers": SIMPLE, "body": listing})
    _attest(registry, "1.0", "acme/att")
    _attest(registry, "3.0", "mallory/att")
    registry.most_used()
    return registry


def _report(nerq: Nerq, target: str) -> Any:
    return nerq("report", target, "--as-of", AS_OF, "-f", "json").json


@pytest.mark.usefixtures("att")
def test_an_attestation_by_another_repository_earns_nothing(nerq: Nerq) -> None:
    signals = {
        target: {signal["id"]: signal for signal in _report(nerq, target)["signals"]}
        for target in ("att==1.0", "att==3.0")
    }
    assert signals["att==1.0"]["source_link"]["value"] == 100
    assert signals["att==3.0"]["source_link"]["value"] == 20
    assert signals["att==3.0"]["provenance"]["value"] == 50
    assert signals["att==3.0"]["provenance"]["reason"] == _FOREIGN


@pytest.mark.usefixtures("att")
def test_it_is_part_of_concerns_verdict_takeaways_and_answers(nerq: Nerq) -> None:
    page = _report(nerq, "att==3.0")
    assert _FOREIGN in {concern["text"] for concern in page["concerns"]}
    assert "Nothing known speaks against" not in page["verdict"]["text"]
    assert any(_FOREIGN in text for text in page["takeaways"])
    [answer] = [row["answer"] for row in page["questions"] if row["id"] == "publisher"]
    assert _FOREIGN in answer
    assert "Nothing known speaks against" not in nerq("check", "att==3.0", "--as-of", AS_OF).out


@pytest.mark.usefixtures("att")
def test_it_is_stated_where_the_version_is_proposed(nerq: Nerq) -> None:
    page = _report(nerq, "att==2.0")
    assert page["provenance"]["proposed"]["state"] == "inconsistent"
    assert any("3.0" in text and _FOREIGN in text for text in page["takeaways"])


@pytest.mark.usefixtures("att")
def test_the_rule_reports_it(nerq: Nerq, project: Path) -> None:
    (project / "requirements.txt").write_text("att==3.0\n")
    result = nerq("scan", "--deny", "publisher-changed", "--as-of", AS_OF, "-f", "json")
    assert result.status == 1
    [finding] = [finding for finding in result.findings if finding["id"] == "publisher-changed"]
    assert finding["text"] == _FOREIGN


def test_an_account_that_is_new_is_a_concern_whatever_its_age(nerq: Nerq, registry: Registry) -> None:
    registry.npm("leaf", "1.0.0", "2.0.0")
    [packument] = [script["body"] for script in registry.site.scripts["/leaf"]]
    for version, user in (("1.0.0", "ann"), ("2.0.0", "eve")):
        packument["versions"][version] = {**packument["versions"][version], "_npmUser": {"name": user}}
    registry.site.on("/leaf", {"body": packument})
    registry.most_used()
    page = _report(nerq, "npm:leaf@2.0.0")
    text = "first version that this account published"
    assert any(text in concern["text"] for concern in page["concerns"])
    assert any(text in sentence for sentence in page["takeaways"])
    assert "Nothing known speaks against" not in page["verdict"]["text"]
