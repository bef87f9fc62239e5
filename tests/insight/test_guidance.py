"""The report card in words."""

from __future__ import annotations

import shlex

import pytest

from nerq_cli.hub_facts import HubFile, HubScan
from nerq_cli.insight.guidance import Subject, build_guidance
from nerq_cli.insight.purpose import PURPOSES, Purpose
from tests.signals.models.conftest import HEALTHY, PICKLE, SHA, change, score

MODEL = Subject(ecosystem="huggingface", name="acme/demo-1b", version=SHA)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_healthy_model_meets_every_purpose(purpose: Purpose) -> None:
    guidance = build_guidance(MODEL, score(HEALTHY), purpose)
    assert guidance.answer == "no-objection"
    assert guidance.verdict.startswith("Nothing known speaks against acme/demo-1b 0123456789ab for ")
    assert len(guidance.suits) == len(PURPOSES)
    assert guidance.avoid == ()
    assert guidance.licence == "apache-2.0: permissive (attribution)"


def test_a_virus_rules_out_every_purpose() -> None:
    result = score(change(scans=(HubScan("model.safetensors", "unsafe", virus=True),)))
    for purpose in PURPOSES:
        guidance = build_guidance(MODEL, result, purpose)
        assert (guidance.answer, guidance.suits) == ("avoid", ())
        assert "virus found in model.safetensors" in guidance.verdict
        assert guidance.findings[0] == "virus found in model.safetensors"


def test_what_is_missing_leaves_the_answer_open() -> None:
    guidance = build_guidance(MODEL, score(change(scans_done=False)), "production")
    assert guidance.answer == "unsettled"
    assert "not known: file scan" in guidance.verdict
    assert "file scan not known: scans not done" in guidance.findings
    assert build_guidance(MODEL, None, "research").verdict.endswith("it was not scored.")


def test_a_cap_fails_the_purposes_above_it_and_no_others() -> None:
    files = (*PICKLE, HubFile("model.safetensors"))
    result = score(change(files=files, scans=(HubScan("pytorch_model.bin", "unsafe"),)))
    assert result.value == 60
    answers = {purpose: build_guidance(MODEL, result, purpose).answer for purpose in PURPOSES}
    assert answers == {
        "research": "no-objection",
        "sandbox": "no-objection",
        "production": "avoid",
        "critical": "avoid",
    }
    assert build_guidance(MODEL, result, "production", threshold=50).answer == "no-objection"


def test_uses_to_avoid_follow_from_the_signals() -> None:
    guidance = build_guidance(MODEL, score(change(files=PICKLE)), "production")
    assert len(guidance.avoid) == 1
    assert guidance.avoid[0].startswith("on machines with secrets, unless the weights are converted to safetensors (")
    assert guidance.avoid[0].endswith("(loaders choose a pickle file: pytorch_model.bin)")


@pytest.mark.parametrize("ecosystem", ["pypi", "npm", "huggingface", "huggingface-dataset", "huggingface-space"])
def test_commands_keep_a_hostile_name_in_one_word(ecosystem: str) -> None:
    name = "a b'; rm -rf ~ #`id`$(id)"
    guidance = build_guidance(Subject(ecosystem=ecosystem, name=name, version="1 && x"), None, "research")
    commands = [check.command for check in guidance.checks]
    assert commands
    for command in commands:
        assert "rm" not in shlex.split(command)
        assert any(name in word for word in shlex.split(command)) or "rm" not in command


def test_commands_name_the_version_in_use() -> None:
    def list_commands(subject: Subject) -> str:
        return "\n".join(check.command for check in build_guidance(subject, None, "research").checks)

    assert "requests==2.31.0" in list_commands(Subject(ecosystem="PyPI", name="requests", version="2.31.0"))
    assert "npm view @scope/x@1.2.3 " in list_commands(Subject(ecosystem="npm", name="@scope/x", version="1.2.3"))
    assert f"hf download acme/demo-1b --revision {SHA} " in list_commands(MODEL)
    dataset = Subject(ecosystem="huggingface-dataset", name="acme/texts")
    assert "hf download acme/texts --repo-type dataset --include '*.[jmp][dsy]*'" in list_commands(dataset)
    digests = (("demo.whl", "sha256:" + "ab" * 32),)
    check = build_guidance(Subject(ecosystem="pypi", name="x", digests=digests), None, "research").checks[-1]
    assert (check.command, check.shows) == ("sha256sum demo.whl", "must print " + "ab" * 32)


def test_what_fails_the_run_rules_out_production_whatever_the_score() -> None:
    for purpose in PURPOSES:
        guidance = build_guidance(MODEL, score(HEALTHY), purpose, objections=("advisory A-1 is high",))
        assert guidance.answer == ("avoid" if purpose in ("production", "critical") else "no-objection")
        assert guidance.findings[0] == "advisory A-1 is high"
        assert "advisory A-1 is high" in guidance.verdict
        assert not guidance.verdict.startswith("Nothing known")
        assert len(guidance.suits) == 2


def test_why_nothing_was_scored_is_stated() -> None:
    guidance = build_guidance(MODEL, None, "research", reasons=("the name is private", "x"))
    assert guidance.answer == "unsettled"
    assert guidance.verdict.endswith("it was not scored; the name is private.")
    assert guidance.findings == ("the name is private", "x")
    absent = build_guidance(MODEL, None, "research", objections=("not on the index",))
    assert (absent.answer, absent.suits) == ("avoid", ())
