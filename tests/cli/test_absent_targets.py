"""Targets that are known not to exist: every command that takes one exits 2. What could not be read is not one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nerq_cli.errors import ExitStatus
from tests.cli.conftest import AS_OF, Registry, Result
from tests.sources.huggingface.conftest import HubStandIn

Nerq = Callable[..., Result]
COMMANDS = ("check", "compliance", "report", "alternatives", "badge", "compare")


@pytest.fixture
def hub(other_site: Any, monkeypatch: pytest.MonkeyPatch) -> HubStandIn:
    stand_in = HubStandIn(other_site)
    stand_in.add_model("org/one")
    monkeypatch.setenv("NERQ_HF_URL", stand_in.url)
    return stand_in


def run(nerq: Nerq, command: str, target: str, *options: str) -> Result:
    other = {True: "hf:org/one", False: "pypi:demo"}[target.startswith("hf")]
    targets = [other, target] if command == "compare" else [target]
    return nerq(command, *targets, "--as-of", AS_OF, *options)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("hf:org/one@nope", "the repository has no revision nope"),
        ("pypi:demo==99", "no version 99 of demo exists"),
        ("pypi:demo>=99", "no version satisfies >=99"),
        ("npm:knot@beta", "has no such dist-tag"),
        ("pypi:nosuch", "there is no such package on PyPI"),
    ],
)
def test_a_target_that_does_not_exist_is_an_error(
    nerq: Nerq, hub: HubStandIn, registry: Registry, command: str, target: str, reason: str
) -> None:
    registry.most_used()
    registry.pypi("demo", "1.0", "2.0")
    registry.npm("knot", "1.0.0")
    result = run(nerq, command, target)
    assert result.status == ExitStatus.USAGE, result.out
    assert reason in result.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_repository_that_a_token_does_not_see_does_not_exist(
    nerq: Nerq, hub: HubStandIn, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    hidden = run(nerq, command, "hf:org/nothing", *([] if command == "badge" else ["--strict"]))
    assert hidden.status == (ExitStatus.PASSED if command == "badge" else ExitStatus.INCOMPLETE)
    hub.turns["/api/models/org/nothing/revision/main"] = {
        "status": 404,
        "headers": {"X-Error-Code": "RepoNotFound"},
        "body": {},
    }
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert run(nerq, command, "hf:org/nothing", "--refresh").status == ExitStatus.USAGE


def test_an_index_that_is_out_is_no_error_of_the_user(nerq: Nerq, hub: HubStandIn, registry: Registry) -> None:
    registry.most_used()
    registry.pypi("demo", "1.0", "2.0")
    assert nerq("check", "pypi:demo==2.0", "--offline", "--as-of", AS_OF).status == ExitStatus.PASSED
    hub.turns["/api/models/org/one/revision/v2"] = {"status": 500, "headers": {}, "body": {}}
    assert run(nerq, "check", "hf:org/one@v2").status == ExitStatus.PASSED


def test_the_other_targets_of_a_check_keep_their_cards(nerq: Nerq, hub: HubStandIn, registry: Registry) -> None:
    registry.most_used()
    registry.pypi("demo", "1.0", "2.0")
    result = nerq("check", "pypi:demo==2.0", "hf:org/one@nope", "--as-of", AS_OF, "-f", "json")
    assert [row["score"] is None for row in result.json["dependencies"]] == [False, True]
    assert result.json["exit"] == {
        "code": 2,
        "reason": "org/one: the repository has no revision nope",
        "report_only": False,
        "judged_code": 2,
    }
