"""Cards: the header, which may be hostile, and the text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.compliance.card import read_sections
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
    assert split_card(document)[:2] == (header, text)


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("## \x1b[31mIntended use\x1b[0m", "## Intended use"),
        ("## \x1b[1;4mIntended\x1b[m use\x1b[K", "## Intended use"),
        ("## Inten\x1bded\x07 use", "## Intended use"),
        ("## \x1b[Intended use", "## Intended use"),
        ("## \x1b]0;Intended use\x07 and more", "## Intended use and more"),
        ("\x1b]8;;link\x1b\\Intended use\x1b]8;;\x1b\\", ";linkIntended use;"),
        ("\x9b31mIntended\x0buse\x1b(B", "Intended use"),
        ("social\u2028scoring\x85system", "social scoring system"),
        ("a\r\nb\rc\td", "a\nb\nc\td"),
    ],
)
def test_escape_sequences_hide_and_add_no_words(text: str, expected: str) -> None:
    card = parse_card(f"---\nlicense: \x1b[32mmit\x1b[0m\n---\n{text}".encode())
    assert card.card is not None
    assert card.card.text == expected
    assert card.metadata is not None
    assert card.metadata.licence == ("mit",)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("header", "lines"), [("", 0), ("---\nlicense: mit\ntags: [a]\n---\n", 4), ("\n---\n---\n", 3)]
)
def test_the_lines_of_the_header_are_counted(header: str, lines: int, end: str) -> None:
    card = parse_card(f"{header}# Demo\n\n## Uses\n\nx\n".replace("\n", end).encode()).card
    assert card is not None
    assert card.lines_before == lines
    sections = {section.heading: section.line for section in read_sections(card)}
    assert sections == {"": lines + 1, "Demo": lines + 1, "Uses": lines + 3}
