"""Evidence keys from cards and metadata."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerq_cli.compliance.card import read_sections
from nerq_cli.compliance.jurisdictions import load_table
from nerq_cli.compliance.keys import HALF, KEY_LABELS, KEY_WEIGHTS, KeyEvidence, read_keys
from nerq_cli.compliance.prose import iter_clauses
from nerq_cli.facts import Found, Unknown
from nerq_cli.hub_facts import HubCard, HubEvidence, HubFile, HubOwner
from tests.compliance.conftest import evidence, found, repository

LONG = "It has words enough to count as a section that an author wrote and not as a placeholder."
TEMPLATE = """# Model Card for Example

- **Developed by:** [More Information Needed]
- **License:** [More Information Needed]

## Uses

<!-- Say what it is for. -->

### Direct Use

[More Information Needed]

### Out-of-Scope Use

[More Information Needed]

## Bias, Risks, and Limitations

[More Information Needed]

### Recommendations

Users (both direct and downstream) should be made aware of the risks, biases and limitations of the model. More
information needed for further recommendations.

## Training Details

### Training Data

[More Information Needed]

## Evaluation

### Results

[More Information Needed]

## Model Card Contact

[More Information Needed]
"""


def read_evidence(facts: HubEvidence, base_cards: Any = None) -> dict[str, KeyEvidence]:
    sections = read_sections(facts.card.value) if isinstance(facts.card, Found) else ()
    keys = read_keys(facts, sections, tuple(iter_clauses(sections)), base_cards)
    assert [key.key for key in keys] == list(KEY_WEIGHTS)
    return {key.key: key for key in keys}


def read(text: Any = None, **fields: Any) -> dict[str, KeyEvidence]:
    return read_evidence(evidence(text, **fields))


def test_the_keys_are_those_of_the_table() -> None:
    assert set(KEY_WEIGHTS) == set(KEY_LABELS) == set(load_table().keys)


CARDS = {
    "license_declared": "## License\n\nApache License 2.0",
    "intended_use": f"## Intended uses\n\n{LONG}",
    "out_of_scope_use": f"### Out-of-Scope Use\n\n{LONG}",
    "limitations": f"## 5. Known limitations\n\n{LONG}",
    "bias_assessment": f"## Ethical considerations\n\n{LONG}",
    "training_data_summary": f"## Training Data\n\n{LONG}",
    "evaluation_results": "## Evaluation\n\n| task | score |\n|---|---|\n| MMLU | 71.2 |\n",
    "provider_contact": "- **Developed by:** Example Lab\n",
    "ai_generated_content_transparency": "Images carry an invisible watermark.",
    "personal_data_statement": "The corpus was filtered to remove personally identifiable information.",
    "security_contact": "Please report security issues to security@example.org.",
    "version_history": "## Changelog\n\n- 1.1: more data\n- 1.0: first release\n",
    "copyright_policy": "Authors may opt out; we honour robots.txt.",
    "risk_class_statement": "Under the EU AI Act this is a limited-risk system.",
}


@pytest.mark.parametrize("key", CARDS)
def test_a_key_is_present_where_the_card_has_it(key: str) -> None:
    evidence_ = read(f"# Example\n\n{CARDS[key]}\n")[key]
    assert (evidence_.state, evidence_.credit) == ("present", 1.0)
    assert "line " in evidence_.pointer
    assert evidence_.quote


PHRASES = [
    ("intended_use", "The model is intended for research on text."),
    ("out_of_scope_use", "The model must not be used for legal advice."),
    ("out_of_scope_use", "See our [Acceptable Use Policy](https://a.example)."),
    ("limitations", "The model may generate inaccurate statements."),
    ("bias_assessment", "We measured it on BBQ and CrowS-Pairs."),
    ("training_data_summary", "It is a fine-tuned version of bert-base on the imdb dataset."),
    ("training_data_summary", "The model was pre-trained on 15 trillion tokens of web documents and code."),
    ("evaluation_results", "It achieves an accuracy of 0.93 on the test set."),
    ("provider_contact", "Write to model-team@example.org."),
    ("ai_generated_content_transparency", "Outputs are signed with C2PA."),
    ("personal_data_statement", "All names were anonymized."),
    ("copyright_policy", "We removed copyrighted material on request."),
    ("risk_class_statement", "It is not intended for medical or legal advice."),
    ("risk_class_statement", "Not for medical, hiring or credit decisions."),
    ("risk_class_statement", "Do not use it for credit scoring."),
]


@pytest.mark.parametrize(("key", "sentence"), PHRASES)
def test_a_sentence_is_enough(key: str, sentence: str) -> None:
    assert read(f"# Example\n\n{sentence}\n")[key].credit == 1.0


NO_SIGNS = [
    ("limitations", "## Rate limits\n\nThe API has a limit of some calls in each minute, and more words follow here."),
    ("copyright_policy", "Copyright (c) 2024 Example Lab. All rights reserved."),
    ("bias_assessment", "We eat at a bbq."),
    ("ai_generated_content_transparency", "The output does not carry a watermark."),
    ("training_data_summary", "This model is a fine-tuned version of bert-base on the None dataset."),
    (
        "evaluation_results",
        "## Evaluation\n\nWe will evaluate it some day and then write down here what we found out.",
    ),
    ("training_data_summary", "The model was trained on 15 trillion tokens."),
    ("risk_class_statement", "It finds high-risk patients."),
    ("intended_use", "It is not intended for use."),
    ("security_contact", "## Security of supply\n\nWords words words."),
    ("license_declared", "## License\n\nSee the file."),
]


@pytest.mark.parametrize(("key", "text"), NO_SIGNS)
def test_a_look_alike_is_no_sign(key: str, text: str) -> None:
    assert read(f"# Example\n\n{text}\n")[key].state == "absent"


def test_a_template_that_nobody_filled_has_no_key() -> None:
    keys = read(TEMPLATE)
    states = {key: evidence_.state for key, evidence_ in keys.items() if evidence_.state != "absent"}
    assert states == {"provider_contact": "present", "version_history": "present"}
    assert keys["limitations"].reason == 'heading "Bias, Risks, and Limitations", line 18: has a placeholder only'


FIELDS = [
    ("license_declared", {"metadata": {"licence": ("mit",)}}, "field license"),
    ("license_declared", {"tags": ("license:mit",)}, "field tags"),
    ("training_data_summary", {"metadata": {"datasets": ("org/data",)}}, "field datasets"),
    ("training_data_summary", {"tags": ("dataset:org/data",)}, "field tags"),
    ("evaluation_results", {"metadata": {"has_results": True}}, "field model-index"),
    ("evaluation_results", {"files": (HubFile(".eval_results/a.yaml"),)}, "file .eval_results/a.yaml"),
    ("security_contact", {"files": (HubFile("SECURITY.md"),)}, "file SECURITY.md"),
    ("version_history", {"files": (HubFile("CHANGELOG.md"),)}, "file CHANGELOG.md"),
    ("version_history", {"metadata": {"new_version": "org/new"}}, "field new_version"),
    ("provider_contact", {"owner": found(HubOwner("example-lab", is_organisation=True, is_verified=True))}, "owner"),
]


@pytest.mark.parametrize(("key", "fields", "pointer"), FIELDS)
def test_a_key_is_present_where_a_field_has_it(key: str, fields: dict[str, Any], pointer: str) -> None:
    evidence_ = read(None, **fields)[key]
    assert (evidence_.state, evidence_.credit, evidence_.pointer) == ("present", 1.0, pointer)


def test_fields_that_hint_at_a_key_give_half() -> None:
    keys = read(None, pipeline_tag="fill-mask", tags=("pii",))
    assert [keys[key].credit for key in ("intended_use", "personal_data_statement", "version_history")] == [HALF] * 3
    assert keys["intended_use"].reason == "a task, not a purpose"


@pytest.mark.parametrize(
    ("licence", "name", "link", "files", "state"),
    [
        ("other", "my-terms", "https://a.example", (), "present"),
        ("other", "my-terms", "", (), "absent"),
        ("other", "", "", (HubFile("LICENSE"),), "present"),
        ("other", "", "", (), "absent"),
        ("unknown", "", "", (), "absent"),
    ],
)
def test_a_custom_licence_needs_name_and_link(licence: str, name: str, link: str, files: Any, state: str) -> None:
    metadata = {"licence": (licence,), "licence_name": name, "licence_link": link}
    assert read(None, metadata=metadata, files=files)["license_declared"].state == state


def test_what_was_not_read_is_unknown() -> None:
    keys = read(Unknown("rate limit"), pipeline_tag="text-generation", metadata={"licence": ("mit",)})
    assert keys["license_declared"].state == "present"
    assert keys["limitations"].state == "unknown"
    assert keys["limitations"].reason == "the card was not read: rate limit"
    assert keys["intended_use"].state == "unknown"
    assert keys["intended_use"].pointer == "field pipeline_tag"
    unread = read_evidence(HubEvidence(repository=Unknown("gated"), card=Unknown("gated")))
    assert {key.state for key in unread.values()} == {"unknown"}


def test_a_part_of_a_card_proves_no_absence() -> None:
    keys = read(found(HubCard(f"# A\n\n## Limitations\n\n{LONG}\n", is_cut=True)))
    assert keys["limitations"].state == "present"
    assert keys["bias_assessment"].state == "unknown"


def test_files_that_were_not_listed_prove_no_absence() -> None:
    assert read("# A", files=None)["security_contact"].state == "unknown"
    assert read("# A", files=(), more_files=3)["security_contact"].state == "unknown"
    assert read("# A")["security_contact"].state == "absent"


def test_metadata_that_were_not_in_the_answer_prove_no_absence() -> None:
    keys = read("# A", card=None, has_card_data=False)
    assert keys["license_declared"].state == "unknown"
    assert keys["training_data_summary"].state == "unknown"
    assert read("# A", card=None)["license_declared"].state == "absent"


def test_marking_does_not_apply_to_what_produces_no_content() -> None:
    key = "ai_generated_content_transparency"
    assert read("# A", pipeline_tag="fill-mask")[key].state == "not_applicable"
    assert read("# A", kind="dataset")[key].state == "not_applicable"
    assert read("# A", pipeline_tag="text-generation")[key].state == "absent"
    assert read("# A")[key].state == "absent"


BASE = "org/base"


def derived(**fields: Any) -> HubEvidence:
    base = repository(id=BASE, metadata={"datasets": ("org/data",), "has_results": True}, **fields.pop("base", {}))
    metadata = {"base_models": (BASE,), "base_model_relation": fields.pop("relation", "quantized")}
    verified = fields.pop("verified_bases", (BASE,))
    return evidence("# A", metadata=metadata, verified_bases=verified, bases={BASE: found(base)}, **fields)


def test_a_quantisation_has_half_of_what_its_base_documents() -> None:
    keys = read_evidence(derived(), {BASE: found(HubCard("## Copyright policy\n\n" + LONG))})
    for key in ("training_data_summary", "evaluation_results", "copyright_policy"):
        assert (keys[key].state, keys[key].credit, keys[key].inherited_from) == ("present", HALF, BASE)
    assert keys["limitations"].state == "absent"


@pytest.mark.parametrize(
    "fields",
    [
        {"relation": "finetune"},
        {"relation": ""},
        {"verified_bases": None},
        {"verified_bases": ("other/base",)},
        {"base": {"gated": "manual"}},
        {"base": {"gated": None}},
        {"base": {"disabled": True}},
    ],
)
def test_nothing_is_inherited_from_a_base_that_is_not_verified_and_public(fields: dict[str, Any]) -> None:
    assert read_evidence(derived(**fields))["training_data_summary"].state == "absent"


def test_losing_the_base_raises_nothing() -> None:
    with_base = read_evidence(derived())
    facts = derived()
    without = read_evidence(
        HubEvidence(repository=facts.repository, card=facts.card, bases={BASE: Unknown("no answer")})
    )
    assert without["training_data_summary"].credit < with_base["training_data_summary"].credit
    assert without["training_data_summary"].state == "absent"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400), st.lists(st.text(max_size=30), max_size=4))
def test_any_card_is_read(text: str, tags: list[str]) -> None:
    for evidence_ in read(text, tags=tuple(tags), id=f"a/{text[:50]}").values():
        assert (evidence_.state == "present") == (evidence_.credit > 0)
        assert evidence_.state != "unknown" or evidence_.reason
        assert len(evidence_.quote) <= 120
