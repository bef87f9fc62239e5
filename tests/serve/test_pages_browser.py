"""The pages of the service in a real browser without scripts: forms, links and what they load.

Left out by default: ``pytest -m browser tests/serve`` needs Chromium, Playwright and npm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

from tests.serve.conftest import Client, Registry, Services

pytestmark = pytest.mark.browser

SIZES = {
    "desk": {"width": 1000, "height": 800},
    "phone": {"width": 360, "height": 740},
    "small": {"width": 320, "height": 600},
}
#: A page of Playwright; its types are not installed where other tests run.
Page: TypeAlias = Any
Visit = Callable[..., Page]


@pytest.fixture
def packages(registry: Registry, services: Services) -> Registry:
    registry.most_used()
    registry.pypi("alpha", "1.0", "2.0")
    registry.pypi("both", "1.0")
    registry.npm("both", "1.0.0")
    registry.pypi("holey", "1.0", "2.0")
    services.advisory("holey", "1.0", identifier="GHSA-aaaa-bbbb-cccc", summary="reads too much")
    return registry


@pytest.fixture
def visit(browser: Any, client: Client, packages: Registry) -> Iterator[Visit]:
    """Open a path of the service; at the end nothing but pages of it was requested, and the console has no message."""
    contexts: list[Any] = []
    complaints: list[str] = []
    origin = f"http://127.0.0.1:{client.port}"

    def open_(path: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": SIZES["desk"], **options})
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            # the browser notes each status of an error
            lambda message: None if "Failed to load resource" in message.text else complaints.append(message.text),
        )
        page.on("pageerror", lambda error: complaints.append(f"{error}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith("data:")
                or (request.url.startswith(f"{origin}/") and request.resource_type == "document")
                else complaints.append(request.url)
            ),
        )
        page.goto(f"{origin}{path}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def test_a_search_without_scripts_leads_to_the_page(visit: Visit) -> None:
    page = visit("/", java_script_enabled=False)
    page.get_by_role("searchbox", name="Package").fill("pypi:holey==1.0")
    page.get_by_label("Purpose").select_option("critical")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Look up").click()
    assert page.url.endswith("/packages/pkg:pypi/holey@1.0?for=critical")
    assert page.get_by_role("heading", level=1).inner_text() == "pypi:holey 1.0"
    assert page.get_by_text("GHSA-aaaa-bbbb-cccc").first.is_visible()
    page.get_by_role("link", name="nerq", exact=True).click()
    assert page.get_by_role("link", name="pypi:holey 1.0").is_visible()


def test_candidates_lead_to_pages(visit: Visit) -> None:
    page = visit("/", java_script_enabled=False)
    page.get_by_role("searchbox", name="Package").fill("both")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="npm:both").click()
    assert page.get_by_role("heading", level=1).inner_text() == "npm:both 1.0.0"


def test_a_page_leads_to_a_comparison_and_back(visit: Visit) -> None:
    page = visit("/packages/pkg:pypi/alpha@2.0", java_script_enabled=False)
    page.get_by_label("Compare with").fill("pypi:alpha==1.0")
    page.get_by_role("button", name="Compare").click()
    assert page.get_by_role("heading", level=1).inner_text() == "2 packages side by side"
    page.get_by_label("Target 3").fill("pypi:nowhere")
    page.get_by_role("button", name="Compare").click()
    assert "nowhere" in page.locator(".note").inner_text()
    assert page.get_by_label("Target 1").input_value() == "pypi:alpha==2.0"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/search?q=both",
        "/search?q=pypi:nowhere",
        "/packages/pkg:pypi/holey@1.0",
        "/compare",
        "/compare?target=pypi:alpha==1.0&target=pypi:alpha==2.0&target=pypi:holey==1.0",
        "/compare?target=pypi:alpha",
    ],
)
def test_nothing_keeps_people_from_using_a_page(
    visit: Visit, client: Client, check_access: Callable[[Page], list[str]], path: str, scheme: str, size: str
) -> None:
    client.get("/v1/preflight", target="pypi:holey==1.0")
    page = visit(path, viewport=SIZES[size], color_scheme=scheme)
    assert check_access(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
