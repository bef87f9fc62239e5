from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt
from msgspec.structs import replace

from nerq_cli.policy.findings import Finding
from nerq_cli.report import RenderOptions
from nerq_cli.report.formats import markdown
from nerq_cli.report.model import Report

Golden = Callable[[str, bytes], None]
Many = Callable[[int], Report]
REPORTS = [
    "mixed",
    "calm",
    "doubtful",
    "broken",
    "listed",
    "empty",
    "hostile",
    "everything",
    "waived",
    "attack",
    "compared",
    "models",
    "hostile_models",
]
#: HTML that the format writes itself, or that Markdown becomes.
OWN_TAGS = {"code", "details", "summary", "sub", "h2", "h3", "p", "strong", "ul", "li", "a"}
TABLE_TAGS = {"table", "thead", "tbody", "tr", "th", "td"}


class Page(HTMLParser):
    """The elements and the text of a page; texts that a comment parts are two."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        self.open.remove(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append((data, "code" if "code" in self.open else ""))


def render(report: Report, **options: Any) -> str:
    return markdown.render(report, RenderOptions(**options)).decode()


@pytest.fixture(params=REPORTS)
def any_report(request: pytest.FixtureRequest) -> Report:
    report: Report = request.getfixturevalue(request.param)
    return report


@pytest.mark.parametrize("name", ["mixed", "hostile", "waived", "listed"])
def test_the_report_reads_as_agreed(request: pytest.FixtureRequest, golden: Golden, name: str) -> None:
    golden(f"formats/{name}.md", markdown.render(request.getfixturevalue(name), RenderOptions()))


def test_a_parser_finds_only_the_elements_of_the_format(any_report: Report) -> None:
    page = Page(render(any_report, show_all=True))
    assert set(page.tags) <= OWN_TAGS | TABLE_TAGS
    assert page.open == []


def test_hostile_text_adds_no_row_no_cell_and_no_heading(attack: Report) -> None:
    text = render(attack, show_all=True)
    page = Page(text)
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.count("|") in (6, 7)
    assert page.tags.count("h2") == 1
    assert page.tags.count("h3") == 1
    assert not {"script", "img", "svg", "b", "blockquote", "ol", "hr", "s", "em"} & set(page.tags)


def test_hostile_text_mentions_no_one_and_links_nowhere(attack: Report) -> None:
    page = Page(render(attack, show_all=True))
    assert all(link.startswith("https://advisories.example/") for link in page.links)
    for text, _ in page.texts:
        assert "@octocat" not in text
        assert "://" not in text
        assert "www." not in text
        assert "#1" not in text


def test_the_worst_comes_first(findings: Report) -> None:
    text = render(findings)
    order = [text.index(f"<code>{name}") for name in ("acme-utils", "django 3.2.19", "celery")]
    assert order == sorted(order)


def with_findings(report: Report, count: int) -> Report:
    """A report with that many findings, and nothing else."""
    findings = tuple(Finding(id="malicious", text="a reason " * 5, name=f"p{number}") for number in range(count))
    return replace(report, findings=findings, dependencies=())


def test_a_comment_fits_and_says_what_is_left_out(calm: Report) -> None:
    text = render(with_findings(calm, 3_000))
    assert 60_000 < len(text.encode()) <= markdown.COMMENT_LIMIT
    assert Page(text).open == []
    rows = sum(line.startswith("| ✖") for line in text.splitlines())
    assert f"**Left out to fit the size: {3_000 - rows:,} findings.**" in text


def test_a_large_report_fits(many: Many) -> None:
    text = render(many(3_000))
    assert len(text.encode()) <= markdown.COMMENT_LIMIT
    assert "**Left out to fit the size: " in text
    assert Page(text).open == []


def test_a_larger_limit_leaves_out_less(calm: Report) -> None:
    report = with_findings(calm, 30_000)
    text = render(report, size_limit=1_000_000)
    assert len(render(report)) < len(text.encode()) <= 1_000_000


def test_few_findings_are_shown_and_many_are_folded(calm: Report) -> None:
    assert "more</summary>" not in render(with_findings(calm, 20))
    text = render(with_findings(calm, 60))
    assert "<details><summary>40 more</summary>" in text
    assert text.index("### 60 findings") < text.index("40 more")


def test_waived_findings_are_folded_with_their_reason(waived: Report) -> None:
    text = render(waived)
    assert "<details><summary>2 findings waived or as before</summary>" in text
    assert "(waived until 2026-12-31 by web team: no input reaches it)" in text


def test_a_comparison_is_a_sentence_and_a_folded_table(compared: Report, findings: Report) -> None:
    page = Page(render(compared))
    texts = " ".join(text for text, _ in page.texts)
    assert "Compared with main at 1a2b3c4d5: 2 added, 1 downgraded" in texts
    assert "5 changed packages" in texts
    for text in ("pypi:idna", "5.0 → 3.2.19", "94.4 → 65.0", "cap high none → 65"):
        assert text in texts
    assert "ompared with" not in render(findings)


def test_what_was_not_checked_stands_above_the_findings(doubtful: Report, broken: Report) -> None:
    text = render(doubtful)
    assert "**Not everything was checked:**" in text
    assert "OSV" in text[: text.index("findings")]
    assert "<code>requirements.txt:3</code>" in render(broken)


def test_packages_that_are_asked_for_are_shown_though_they_pass(calm: Report) -> None:
    assert "attrs" not in render(calm)
    assert "attrs" in render(calm, details=calm.dependencies)
    assert "attrs" in render(calm, show_all=True)


def test_the_comment_of_an_earlier_run_can_be_found(calm: Report) -> None:
    assert render(calm).startswith("<!-- nerq report -->\n")


def test_a_text_is_cut_at_the_length_of_a_cell(calm: Report) -> None:
    text = render(replace(calm, findings=(Finding(id="malicious", text="x" * 5_000),)))
    assert "x" * 299 + "…" in text
    assert "x" * 300 not in text
