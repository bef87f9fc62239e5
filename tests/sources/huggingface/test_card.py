"""Cards: the header, which may be hostile, and the text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.hub_facts import CardMetadata
from nerq_cli.sources.huggingface import parse_card
from nerq_cli.sources.huggingface.card import HeaderError, build_metadata, parse_header, split_card

HEADER = """
license: other
license_name: demo-licence
license_link: LICENSE
language: [en, no]
base_model:
- org/base
- org/base
base_model_relation: Quantized
datasets: org/data
metrics: [accuracy]
new_version: org/next
tags: [a]
model-index:
- name: demo
  results: [{task: {type: x}}]
task_categories: [text]
extra_gated_prompt: |
  You accept
  everything.
"""


def test_the_metadata_is_read_as_written() -> None:
    assert build_metadata(parse_header(HEADER)) == CardMetadata(
        licence=("other",),
        licence_name="demo-licence",
        licence_link="LICENSE",
        languages=("en", "no"),  # not false: a language
        base_models=("org/base",),
        base_model_relation="quantized",
        datasets=("org/data",),
        metrics=("accuracy",),
        has_results=True,
        new_version="org/next",
        tags=("a",),
        fields=("extra_gated_prompt", "task_categories"),
        gate_text="You accept everything.",
    )


def test_a_field_that_is_not_there_differs_from_an_empty_one() -> None:
    assert build_metadata({}).licence is None
    assert build_metadata(parse_header("license:\ndatasets: []")) == CardMetadata(datasets=())


@pytest.mark.parametrize(
    ("document", "header", "text"),
    [
        ("---\na: b\n---\ntext", "a: b\n", "text"),
        ("\ufeff---\r\na: b\r\n---\r\ntext", "a: b\r\n", "text"),
        ("---\n---\ntext", "", "text"),
        ("---\na: b\ntext", "", "---\na: b\ntext"),
        ("text\n---\na: b\n---\n", "", "text\n---\na: b\n---\n"),
        ("", "", ""),
    ],
)
def test_a_card_is_divided(document: str, header: str, text: str) -> None:
    assert split_card(document) == (header, text)


@pytest.mark.parametrize(
    "header",
    [
        "a: &a [x, x]\nb: [*a, *a]",
        "a: [",
        "- a",
        "text",
        "a: " + "[" * 40 + "]" * 40,
        "a: [" + "1," * 250_000 + "]",
        "a: " + "x" * 1_000_001,
        "a: b\n  c: d\n e: f",
    ],
)
def test_a_header_that_is_refused_costs_little_and_leaves_the_text(header: str) -> None:
    started_at = time.process_time()
    with pytest.raises(HeaderError):
        parse_header(header)
    answer = parse_card(f"---\n{header}\n---\ntext".encode())
    assert time.process_time() - started_at < 10
    assert answer.card is not None
    assert (answer.card.text, answer.metadata, bool(answer.problem)) == ("text", None, True)


def test_a_tag_makes_no_object() -> None:
    assert parse_header("a: !!python/object/apply:os.system [x]") == {"a": ["x"]}


def test_metadata_has_no_control_characters_and_a_limited_size() -> None:
    metadata = build_metadata(
        {"license": ["\x1b[31mmit\u202e", 1, {"a": 1}], "tags": ["t" * 999] + [str(n) for n in range(999)]}
    )
    assert metadata.licence == ("mit",)
    assert len(metadata.tags) == 100
    assert max(map(len, metadata.tags)) <= 200


@given(st.binary(max_size=300))
def test_no_card_raises(body: bytes) -> None:
    parse_card(body)
    parse_card(b"---\n" + body + b"\n---\n" + body)


@given(
    st.dictionaries(
        st.sampled_from(["license", "base_model", "datasets", "tags", "model-index", "extra_gated_prompt"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda values: st.lists(values) | st.dictionaries(st.text(), values),
            max_leaves=6,
        ),
    )
)
def test_no_value_of_a_field_raises(fields: dict[str, object]) -> None:
    build_metadata(fields)
