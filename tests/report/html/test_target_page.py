"""The page about one target in a real browser: for eyes, for phones, for paper, and for programs that read aloud.

Left out by default: ``pytest -m browser tests/report/html`` needs Chromium, Playwright and npm.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nerq_cli.application.report_page import PageParts, build_page
from nerq_cli.insight.history import build_history
from nerq_cli.insight.snapshots import Snapshot
from nerq_cli.report.model import Report
from nerq_cli.report.pages.report import render_html
from tests.report.html.conftest import Page

pytestmark = pytest.mark.browser

WIDE = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 360, "height": 740}}
OpenFile = Callable[..., Page]
CheckAccess = Callable[[Page], list[str]]


@pytest.fixture(params=["findings", "provisional", "hostile", "everything", "models", "hostile_models"])
def pages(request: pytest.FixtureRequest) -> list[str]:
    """The pages about all dependencies of a report, with a history."""
    report: Report = request.getfixturevalue(request.param)
    today = report.as_of // 86_400
    snapshots = [
        Snapshot(
            day=today - number,
            version="1.0",
            methodology="packages 2.0",
            value=70.0 + number,
            low=60.0,
            high=90.0,
            total=70.0,
            grade="B",
            coverage=0.8,
            provisional=False,
            dimensions={"security": 70.0},
            signals=(),
            caps=(),
        )
        for number in range(20)
    ]
    parts = PageParts(history=build_history(snapshots, today))
    return [
        render_html(replace(build_page(assessment, report, parts, {}, "production"), target="x"))
        for assessment in report.dependencies
        if assessment.state
    ]


@pytest.fixture
def open_file(browser: Any, tmp_path: Path) -> Iterator[OpenFile]:
    """Open a page; at the end nothing was requested beside it, and the console has no message."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_(content: str, **options: Any) -> Page:
        path = tmp_path / f"page-{len(contexts)}.html"
        path.write_text(content, encoding="utf-8")
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(f"{error}"))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on(
            "request",
            lambda request: (
                None
                if request.url == path.as_uri() or request.url.startswith("data:")
                else complaints.append(request.url)
            ),
        )
        page.goto(path.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("view", [WIDE, PHONE, {**WIDE, "color_scheme": "dark"}], ids=["wide", "phone", "dark"])
def test_pages_can_be_used_by_all(
    pages: list[str], open_file: OpenFile, check_access: CheckAccess, view: dict[str, Any]
) -> None:
    for content in pages[:2]:
        page = open_file(content, **view)
        assert check_access(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_no_text_becomes_markup(pages: list[str], open_file: OpenFile) -> None:
    for content in pages:
        page = open_file(content)
        assert page.eval_on_selector_all("script", "items => items.map(item => item.type)") == ["application/ld+json"]
        assert (
            page.eval_on_selector_all("img, iframe, object, form, style:not(head > style)", "items => items.length")
            == 0
        )
        data = json.loads(page.eval_on_selector("script", "item => item.textContent"))
        assert data["@type"] == "Review"
        assert data["itemReviewed"]["name"]


def test_a_page_can_be_printed(pages: list[str], open_file: OpenFile, tmp_path: Path) -> None:
    page = open_file(pages[0])
    page.emulate_media(media="print")
    assert page.eval_on_selector("nav", "item => getComputedStyle(item).display") == "none"
    page.pdf(path=str(tmp_path / "page.pdf"), format="A4")
    assert (tmp_path / "page.pdf").stat().st_size > 10_000


def test_the_sections_are_linked(pages: list[str], open_file: OpenFile) -> None:
    page = open_file(pages[0])
    targets = page.eval_on_selector_all("nav a", "links => links.map(link => link.hash.slice(1))")
    assert targets
    assert page.eval_on_selector_all("main > section", "items => items.map(item => item.id)") == targets
    assert page.eval_on_selector_all("figure.chart circle", "items => items.length") == 20


def test_the_cells_of_a_row_have_their_names_on_a_phone(pages: list[str], open_file: OpenFile) -> None:
    label = "cells => cells.map(cell => getComputedStyle(cell, '::before').content)"
    wide, phone = open_file(pages[0], **WIDE), open_file(pages[0], **PHONE)
    assert set(wide.eval_on_selector_all(".stacked td", label)) <= {"none", "normal"}
    labels = phone.eval_on_selector_all(".stacked td", label)
    assert labels
    assert all(text.endswith(': "') for text in labels)
