"""The report card in words."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec
import pytest

from nerq_cli import signals
from nerq_cli.ecosystems import PYPI
from nerq_cli.facts import Evidence, Found, Metadata, Unknown
from nerq_cli.hub_facts import CardMetadata, HubCard, HubEvidence, HubFile, HubRepository, HubScan
from nerq_cli.insight.guidance import Subject, build_guidance
from nerq_cli.insight.purpose import MINIMUM_SCORES, PURPOSES, Purpose
from nerq_cli.insight.restrictions import find_package_restrictions, find_repository_restrictions
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy.settings import PRESETS
from nerq_cli.scoring import Score, compute_score
from tests.signals.models.conftest import CARD, HEALTHY, NOW, PICKLE, SHA, change, found, score

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
    assert build_guidance(MODEL, result, "production", threshold=50).answer == "avoid"


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
    assert 'hf download acme/texts --repo-type dataset --include "$files" --local-dir checked-files' in list_commands(
        dataset
    )
    digests = (("demo.whl", "sha256:" + "ab" * 32),)
    check = build_guidance(Subject(ecosystem="pypi", name="x", digests=digests), None, "research").checks[-1]
    assert check.command == f"printf '%s\\n' '{'ab' * 32}  demo.whl' | sha256sum --check"


@pytest.mark.parametrize(
    ("ecosystem", "read", "left"),
    [
        (
            "huggingface",
            ("README.md", "config.json", "code/modeling.py", "LICENSE", "LICENSE.txt", "vocab.txt", "conf.yaml"),
            ("flax_model.msgpack", "model.pdparams", "x.pyc", "model.safetensors", "pytorch_model.bin", "model.pkl"),
        ),
        ("huggingface-dataset", ("README.md", "texts.py", "LICENSE"), ("train.json", "train.txt", "data/0.parquet")),
    ],
)
def test_the_files_to_read_are_spelt_out(ecosystem: str, read: Sequence[str], left: Sequence[str]) -> None:
    command = build_guidance(Subject(ecosystem=ecosystem, name="a/b"), None, "research").checks[0].command
    patterns = shlex.split(command.partition(";")[0])[3:]
    for name in (*read, *left):
        assert any(fnmatchcase(name, pattern) for pattern in patterns) is (name in read), name


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


def _find_answers(evidence: HubEvidence) -> dict[Purpose, str]:
    restrictions = find_repository_restrictions(evidence)
    result = score(evidence)
    return {purpose: build_guidance(MODEL, result, purpose, restrictions=restrictions).answer for purpose in PURPOSES}


NOT_IN_OPERATION: Final = {
    "research": "no-objection",
    "sandbox": "no-objection",
    "production": "avoid",
    "critical": "avoid",
}


def _license(*ids: str, name: str = "") -> CardMetadata:
    return CardMetadata(licence=ids, licence_name=name, datasets=("acme/texts",), has_results=True)


@pytest.mark.parametrize(
    ("card", "text"),
    [
        (_license("cc-by-nc-4.0"), "licence cc-by-nc-4.0: non-commercial (no commercial use"),
        (_license("other", name="research-only"), "licence research-only: research only"),
        (_license("apache-2.0", "cc-by-nc-nd-4.0"), "licence cc-by-nc-nd-4.0: "),
    ],
)
def test_a_licence_without_commercial_use_rules_out_production(card: CardMetadata, text: str) -> None:
    evidence = change(card=card)
    assert _find_answers(evidence) == NOT_IN_OPERATION
    guidance = build_guidance(MODEL, score(evidence), "production", restrictions=find_repository_restrictions(evidence))
    assert text in guidance.verdict
    assert guidance.findings[0].startswith(text)
    assert any(text in line for line in guidance.avoid)
    assert guidance.suits == ("research, on a machine without secrets", "trials in an isolated environment")


def test_the_licence_of_a_base_model_counts() -> None:
    base = found(HubRepository(kind="model", id="acme/base", card=_license("cc-by-nc-4.0"), has_card_data=True))
    evidence = msgspec.structs.replace(
        change(card=CardMetadata(licence=("apache-2.0",), base_models=("acme/base",), has_results=True)),
        bases={"acme/base": base},
    )
    [restriction] = find_repository_restrictions(evidence)
    assert restriction.text.startswith("base model acme/base: licence cc-by-nc-4.0: non-commercial")
    assert _find_answers(evidence)["production"] == "avoid"


@pytest.mark.parametrize(
    ("card", "text"),
    [
        (_license("llama3.1"), "licence llama3.1: community terms"),
        (_license("other", name="acme-terms"), "licence acme-terms: custom terms, read them"),
    ],
)
def test_other_terms_are_a_condition_of_operation(card: CardMetadata, text: str) -> None:
    evidence = change(card=card)
    restrictions = find_repository_restrictions(evidence)
    guidance = build_guidance(MODEL, score(evidence), "production", restrictions=restrictions)
    assert guidance.answer == "no-objection"
    assert "meets what is asked for production, on a condition: " in guidance.verdict
    assert text in guidance.verdict
    assert build_guidance(MODEL, score(evidence), "research", restrictions=restrictions).verdict.startswith("Nothing")


def _write_card(sentence: str) -> HubEvidence:
    card = found(HubCard(f"{CARD}\n\n## Uses\n\n{sentence}\n"))
    return msgspec.structs.replace(HEALTHY, card=card)


def test_a_banned_practice_rules_out_operation() -> None:
    evidence = _write_card("This model is intended for social scoring of citizens by public authorities.")
    assert _find_answers(evidence) == NOT_IN_OPERATION
    restrictions = find_repository_restrictions(evidence)
    guidance = build_guidance(MODEL, score(evidence), "production", restrictions=restrictions)
    assert guidance.findings[0].startswith("EU AI Act, touches a banned practice (Art. 5): ")
    assert "social scoring" in guidance.findings[0]
    assert guidance.avoid[0].startswith("for the practice that its page describes (EU AI Act, ")


def test_a_high_risk_area_is_a_condition() -> None:
    evidence = _write_card("This model is intended for screening of job applicants by employers.")
    restrictions = find_repository_restrictions(evidence)
    guidance = build_guidance(MODEL, score(evidence), "critical", restrictions=restrictions)
    assert guidance.answer == "no-objection"
    assert "on a condition: " in guidance.verdict
    assert guidance.findings[0].startswith("EU AI Act, may be high-risk")
    assert guidance.avoid == (
        f"in this area, unless the duties for high-risk systems are met ({guidance.findings[0]})",
    )


def _score_package(licence: str) -> Score:
    metadata = Metadata(version="1.0", licence_expression=licence)
    evidence = Evidence(metadata=Found(metadata, "PyPI", NOW))
    return compute_score(PACKAGES, signals.measure_package(PACKAGES, PYPI, "1.0", evidence, NOW))


@pytest.mark.parametrize(
    ("licence", "excluded"),
    [
        ("MIT", None),
        ("CC-BY-NC-4.0 OR MIT", None),
        ("CC-BY-NC-SA-4.0", True),
        ("MIT AND PolyForm-Noncommercial-1.0.0", True),
        ("BUSL-1.1", False),
    ],
)
def test_terms_of_packages(licence: str, excluded: bool | None) -> None:  # noqa: FBT001
    restrictions = find_package_restrictions(_score_package(licence))
    assert [bool(item.excluded) for item in restrictions] == ([] if excluded is None else [excluded])


def test_purposes_and_presets_of_the_gate_have_one_table() -> None:
    assert PRESETS == MINIMUM_SCORES
    assert tuple(MINIMUM_SCORES) == PURPOSES


def test_a_higher_threshold_of_the_gate_rules_out_operation_only() -> None:
    result = score(HEALTHY)
    assert build_guidance(MODEL, result, "production", threshold=99.9).answer == "avoid"
    assert build_guidance(MODEL, result, "research", threshold=99.9).answer == "no-objection"


@pytest.mark.parametrize(("kind", "words"), [("kernel", "compiled code"), ("space", "how it is built")])
def test_all_files_of_a_program_are_downloaded(kind: str, words: str) -> None:
    subject = Subject(ecosystem=f"huggingface-{kind}", name="acme/tool", version=SHA, has_pickle=False)
    [check] = build_guidance(subject, None, "research").checks
    assert check.command == f"hf download acme/tool --repo-type {kind} --revision {SHA} --local-dir checked-files"
    assert words in check.shows
    scanned = build_guidance(msgspec.structs.replace(subject, has_pickle=True), None, "research").checks[-1]
    assert scanned.command == "picklescan --path checked-files"


def test_pickle_files_of_a_dataset_are_downloaded_and_scanned() -> None:
    subject = Subject(ecosystem="huggingface-dataset", name="acme/rows", version=SHA, has_pickle=True)
    check = build_guidance(subject, None, "research").checks[-1]
    for text in ("'*.pkl'", "'*.pt'", "--repo-type dataset", f"--revision {SHA}", "picklescan --path checked-pickles"):
        assert text in check.command
    checks = build_guidance(msgspec.structs.replace(subject, has_pickle=False), None, "research").checks
    assert not any("picklescan" in item.command for item in checks)


def test_picklescan_is_named_where_there_may_be_pickle_files() -> None:
    def list_programs(**fields: Any) -> list[str]:
        subject = msgspec.structs.replace(MODEL, **fields)
        return [
            program
            for check in build_guidance(subject, None, "research").checks
            for program in ("hf", "picklescan")
            if f"{program} " in check.command
        ]

    assert list_programs(has_pickle=True) == ["hf", "picklescan"]
    assert list_programs(has_pickle=None) == ["hf", "picklescan"]
    assert list_programs(has_pickle=False) == ["hf"]
    assert list_programs(is_available=False) == []
    [check] = build_guidance(msgspec.structs.replace(MODEL, is_gated=True, has_pickle=False), None, "research").checks
    assert check.shows.endswith("needs a token whose account has access")


def test_what_the_rules_warn_about_is_a_key_finding_and_in_the_verdict() -> None:
    guidance = build_guidance(MODEL, score(HEALTHY), "production", warnings=("it is deprecated in the MCP registry",))
    assert guidance.findings[0] == "it is deprecated in the MCP registry"
    assert (guidance.answer, "with known problems" in guidance.verdict) == ("no-objection", True)
    assert guidance.verdict.endswith("; it is deprecated in the MCP registry.")


def test_what_fails_the_run_is_to_be_avoided() -> None:
    scored = build_guidance(MODEL, score(HEALTHY), "production", objections=("it was deleted",))
    assert scored.avoid[0] == "in production and critical systems (it was deleted)"
    assert (
        build_guidance(MODEL, None, "research", objections=("it was deleted",)).avoid[0] == "anywhere (it was deleted)"
    )
    assert build_guidance(MODEL, None, "research", reasons=("missing or private",)).avoid == (
        "before this is settled (missing or private)",
    )
    disabled = build_guidance(MODEL, score(change(disabled=True)), "research")
    assert disabled.avoid[0].startswith("before this is settled (disabled")


def test_a_virus_is_avoided_anywhere() -> None:
    result = score(change(scans=(HubScan("README.md", "unsafe", virus=True),)))
    assert build_guidance(MODEL, result, "research").avoid == (
        "anywhere, before the reported files are examined (virus found in README.md)",
    )


def test_a_licence_is_one_finding() -> None:
    evidence = change(card=CardMetadata(licence=("cc-by-nc-4.0",)), tags=())
    guidance = build_guidance(MODEL, score(evidence), "production", restrictions=find_repository_restrictions(evidence))
    assert sum("cc-by-nc-4.0" in finding for finding in guidance.findings) == 1


def test_no_text_repeats_its_words() -> None:
    evidence = change(card=CardMetadata(licence=("other",), licence_name="research-only"), tags=())
    texts = [item.text for item in find_repository_restrictions(evidence)]
    assert "licence research-only: research only" in texts
    evidence = change(tags=("social-scoring",), pipeline_tag="text-classification")
    [text] = [item.text for item in find_repository_restrictions(evidence) if item.text.startswith("EU AI Act")]
    assert text.count("touches a banned practice") == 1


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (found(HubCard(CARD, is_cut=True)), "only a part of the card was read"),
        (Unknown("gated", "Hub"), "the card was not read: gated"),
    ],
)
def test_a_card_that_was_not_read_leaves_the_class_open(card: Any, words: str) -> None:
    evidence = msgspec.structs.replace(change(pipeline_tag="text-generation"), card=card)
    restrictions = find_repository_restrictions(evidence)
    assert f"EU AI Act: class not assessed: {words}" in [item.text for item in restrictions]
    guidance = build_guidance(MODEL, score(evidence), "production", restrictions=restrictions)
    assert words in " ".join(guidance.findings)
    assert guidance.avoid
    whole = msgspec.structs.replace(evidence, card=found(HubCard(CARD)))
    assert not [item for item in find_repository_restrictions(whole) if "EU AI Act" in item.text]
