"""Cards as sections."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.compliance.card import BOLD, LABEL, MAX_CHARACTERS, clean_heading, is_read_whole, read_sections
from nerq_cli.hub_facts import HubCard


def read(text: str) -> dict[str, Any]:
    return {section.heading: section for section in read_sections(HubCard(text))}


@pytest.mark.parametrize(
    "line",
    [
        "## Limitations",
        "##Limitations",
        "## Limitations ##",
        "## 4.2. Limitations",
        "## 4) Limitations:",
        "## IV. Limitations",
        "## ⚠️ Limitations 🚧",
        "## **Limitations**",
        "## [Limitations](#limits)",
        "## <a name='limits'></a>Limitations {#limits}",
        "### Limitations [optional]",
        "**Limitations**",
        "**Limitations:**",
        "**Limitations**:",
        "__Limitations__",
        '<h2 align="center">Limitations</h2>',
        "<div align='center'><h3>Limitations</h3></div>",
        "<details><summary>Limitations</summary>",
        "Limitations\n===========",
        "Limitations\n---",
        "## Lim\u200bitations",
        "## Ｌｉｍｉｔａｔｉｏｎｓ",  # noqa: RUF001
        "## \x1b[31mLimitations\x1b[0m",
    ],
)
def test_headings_are_found_as_authors_write_them(line: str) -> None:
    sections = read(f"Intro.\n\n{line}\n\nIt fails on long texts.\n")
    assert sections["Limitations"].text == "It fails on long texts."
    assert sections["Limitations"].line == 3


@pytest.mark.parametrize(
    "text",
    [
        "```\n## Limitations\n```",
        "~~~text\n## Limitations\n```\n~~~",
        "<!-- ## Limitations -->",
        "<!--\n## Limitations\n-->",
        "<pre>\n## Limitations\n</pre>",
        "<style>\n## Limitations\n</style>",
        "This is **Limitations** in a sentence.",
        "**This sentence in bold ends with a stop.**",
        "#hashtag",
        "| **Limitations** | 1 |",
    ],
)
def test_other_lines_are_no_headings(text: str) -> None:
    assert list(read(f"{text}\n\nmore\n")) == [""]


def test_sections_nest_and_count_what_is_below_them() -> None:
    sections = read("# Model\n\n## Uses\n\none two\n\n### Direct Use\n\nthree four five\n\n## Limits\n\nsix\n")
    assert sections["Direct Use"].parents == ("Model", "Uses")
    assert sections["Uses"].words == 5
    assert sections["Uses"].text == "one two"
    assert sections["Limits"].parents == ("Model",)
    assert sections[""].words == sections["Model"].words == 6


def test_labels_of_lists_and_paragraphs_are_sections() -> None:
    sections = read(
        "# Details\n\n- **Developed by:** Example Lab\n- **License**: MIT\n\nMore text.\n\n"
        "**Intended use:** Research.\n"
    )
    assert sections["Developed by"].text == "Example Lab"
    assert sections["Developed by"].level == LABEL
    assert sections["License"].text == "MIT"
    assert sections["Details"].text == "More text."
    assert sections["Intended use"].text == "Research."
    assert sections["Intended use"].level == BOLD


def test_a_label_ends_with_its_paragraph_unless_it_names_a_topic() -> None:
    sections = read("# Model\n\n**Authors:** Example Lab\n\nIt sorts texts.\n")
    assert sections["Authors"].text == "Example Lab"
    assert sections["Model"].text == "It sorts texts."
    sections = read("# Uses\n\n**Out-of-scope** Use for war.\n\nAlso for spying.\n\n**Intended use cases** Poems.\n")
    assert sections["Out-of-scope"].text == "Use for war.\n\nAlso for spying."
    assert sections["Intended use cases"].text == "Poems."
    assert list(read("# A\n\n**Example** sorts texts.")) == ["", "A"]


def test_lists_of_labels_count_as_items() -> None:
    sections = read("# Details\n\n- **Developed by:** Example Lab\n- **License**: MIT\n")
    assert sections["Details"].items == 2


@pytest.mark.parametrize(
    "placeholder",
    [
        "[More Information Needed]",
        "More information needed",
        "Needs More Information",
        "TODO",
        "N/A",
        "TBD.",
        "Coming soon!",
        "...",
        "{{ direct_use }}",
        '{{ bias | default("[More Information Needed]", true)}}',
        "<!-- Say what it is not for. -->",
        (
            "Users (both direct and downstream) should be made aware of the risks, biases and limitations of the "
            "model. More information needed for further recommendations."
        ),
        "- **Hardware:** [More Information Needed]",
        "[Insert the limits here]",
    ],
)
def test_what_a_template_puts_there_is_no_content(placeholder: str) -> None:
    section = read(f"## Limitations\n\n{placeholder}\n")["Limitations"]
    assert (section.text, section.words, section.items, section.is_filled) == ("", 0, 0, False)


def test_a_section_is_filled_by_words_a_list_or_a_table() -> None:
    assert read(f"## A\n{'word ' * 15}")["A"].is_filled
    assert not read(f"## A\n{'word ' * 14}")["A"].is_filled
    assert read("## A\n- one\n- two")["A"].is_filled
    assert not read("## A\n- one")["A"].is_filled
    table = read("## A\n| task | score |\n|---|---|\n| x | 81.5 |\n")["A"]
    assert (table.rows, table.number_rows, table.is_filled) == (2, 1, True)
    assert read("## A\n该模型不适用于医疗诊断，也不适用于信用评估和招聘决定，输出可能不准确。")["A"].is_filled  # noqa: RUF001


def test_prose_is_left_without_markup() -> None:
    section = read(
        "## A\n[![badge](a.svg)](https://a.example) See the [use policy](https://b.example/x), `code` and "
        "https://c.example/for/hiring <b>now</b>&nbsp;_or_ **never** snake_case."
    )["A"]
    assert section.text.split() == ["See", "the", "use", "policy,", "and", "now", "or", "never", "snake_case."]


def test_a_comment_without_an_end_hides_nothing_within_a_line() -> None:
    assert "hires people" in read("It <!-- hires people\n")[""].text
    assert read("text\n<!-- hidden\n\nall of it\n")[""].text == "text"


def test_what_was_cut_is_not_read_whole() -> None:
    def whole(card: HubCard) -> bool:
        return is_read_whole(card, read_sections(card))

    assert whole(HubCard("# A\ntext"))
    assert not whole(HubCard("# A\ntext", is_cut=True))
    assert not whole(HubCard("a" * (MAX_CHARACTERS + 1)))
    assert not whole(HubCard("\n" * 20_000))
    assert not whole(HubCard("## A\n" * 1_500))


def test_a_heading_keeps_its_words() -> None:
    assert clean_heading("3D models: C++ & 100 %") == "3D models: C++ & 100 %"
    assert clean_heading("  A. Results  ") == "Results"
    assert clean_heading("2. ") == ""


HOSTILE = {
    "line": "a" * 1_000_000,
    "lines": "\n" * 1_000_000,
    "short lines": "a\n" * 500_000,
    "headings": "# a\n" * 250_000,
    "labels": "- **a:** b\n" * 90_000,
    "bold": "**a**\n" * 160_000,
    "opened links": "[](" * 330_000,
    "opened images": "![" * 500_000,
    "opened tags": "<a" * 500_000,
    "comments": "<!-- a -->" * 100_000,
    "opened comments": "<!--\n" * 200_000,
    "scripts": "<script></script>" * 60_000,
    "ticks": "`a" * 500_000,
    "braces": "{%" * 500_000,
    "double braces": "{{" * 500_000,
    "stars": "*" * 1_000_000,
    "dashes": "-" * 999_999 + "x",
    "table": "|" * 1_000_000,
    "rule row": "|" + "-" * 999_998 + "x",
    "punctuation": ("!" * 78 + "a\n") * 12_000,
    "expanding": "\ufdfa" * 330_000,
    "escapes": "\x1b[" * 500_000,
    "spaces": " " * 1_000_000,
    "indented": (" " * 500 + "#\n") * 2_000,
    "anchors": "<h2>" * 250_000,
    "summaries": "<summary>a\n" * 90_000,
    "quotes": ">" * 1_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_card_of_a_megabyte_is_read_within_seconds(name: str) -> None:
    card = HubCard(HOSTILE[name])
    durations = []
    for _ in range(3):
        start = time.process_time()
        read_sections(card)
        durations.append(time.process_time() - start)
    assert min(durations) < 5


@given(st.text(alphabet=st.sampled_from("#*_-=|<>!`~[](){}: \n\ta1é🚧\u202e\x1b"), max_size=300))
def test_any_text_is_read(text: str) -> None:
    sections = read_sections(HubCard(text))
    assert sections[0].heading == ""
    assert all(section.words >= 0 and 1 <= section.line <= text.count("\n") + 1 for section in sections)
