"""Pages of a service in a real browser: for eyes, for phones, on paper, and for programs that read aloud.

Left out by default: ``pytest -m browser tests/report/html`` needs Chromium, Playwright and npm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.report.pages.html_page import Site
from tests.report.html.conftest import SERVICE_PAGES, Page, RenderPage

pytestmark = pytest.mark.browser

SIZES = {
    "desk": {"width": 1280, "height": 900},
    "phone": {"width": 360, "height": 740},
    "small": {"width": 320, "height": 600},
}
LONG = "pypi:a-name-that-is-as-long-as-names-of-packages-may-be-" + "x" * 150 + " 1.0"


@pytest.fixture
def open_text(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open a page without scripts; at the end nothing was requested, and the console has no message."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_(text: str, **options: Any) -> Page:
        path = tmp_path / f"page-{len(contexts)}.html"
        path.write_text(text, encoding="utf-8")
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(f"{error}"))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((path.as_uri(), "data:")) else complaints.append(request.url)
            ),
        )
        page.goto(path.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", SERVICE_PAGES)
def test_nothing_keeps_people_from_using_a_page(
    render_page: RenderPage,
    open_text: Callable[..., Page],
    check_access: Callable[[Page], list[str]],
    name: str,
    scheme: str,
    size: str,
) -> None:
    page = open_text(render_page(name, Site(), LONG), viewport=SIZES[size], color_scheme=scheme)
    assert check_access(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    assert page.evaluate("getComputedStyle(document.querySelector('.site')).display") == "flex", "the style is refused"


@pytest.mark.parametrize("name", SERVICE_PAGES)
def test_a_page_works_without_scripts(render_page: RenderPage, open_text: Callable[..., Page], name: str) -> None:
    page = open_text(render_page(name, Site(), "text"), viewport=SIZES["desk"], java_script_enabled=False)
    page.keyboard.press("Tab")
    assert page.locator(":focus").get_attribute("class") == "skip"
    assert page.get_by_role("search").get_by_role("button").is_visible()
    assert page.get_by_role("searchbox", name="Package").is_editable()


@pytest.mark.parametrize("name", SERVICE_PAGES)
def test_paper_has_no_fields(render_page: RenderPage, open_text: Callable[..., Page], name: str) -> None:
    page = open_text(render_page(name, Site(), "text"), viewport={"width": 794, "height": 1123})
    page.emulate_media(media="print")
    assert page.locator("input:visible, button:visible").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
