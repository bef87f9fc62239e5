"""Reads pages: as elements, and in headless Chromium, driven by Playwright, with axe-core.

Nothing of a browser is imported or installed unless a test asks for it. axe-core is installed once into a folder of its
own: ``NERQ_TEST_BROWSER``, or one in the directory for temporary files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from msgspec.structs import replace

from nerq_cli.application.report_page import PageParts, build_page
from nerq_cli.ecosystems import PYPI
from nerq_cli.errors import ExitStatus
from nerq_cli.insight.compare import Side, compare_sides
from nerq_cli.report import FORMATS, RenderOptions
from nerq_cli.report.model import Report
from nerq_cli.report.pages import compare, service
from nerq_cli.report.pages import report as target_page
from nerq_cli.report.pages.html_page import Site
from nerq_cli.report.pages.service import Candidate, RecentTarget, StartPage
from tests.report.conftest import AS_OF

#: A page of Playwright; its types are not installed where the tests of other parts run.
Page: TypeAlias = Any
OpenPage: TypeAlias = Callable[..., Page]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Milliseconds that a page may take on a busy machine.
_TIMEOUT: Final = 20_000

#: Elements without an end tag.
VOID = {"meta", "link", "input"}


class Reader(HTMLParser):
    """Collects the elements of a page, and fails where they are not nested."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.stack[-1] if self.stack else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(text for tag, text in self.texts if tag not in ("style", "script")).split())


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The browser of the system; Playwright's own one is not downloaded."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, _NAMES)), None)
    assert path is not None, "no Chromium to test the page with: apt-get install chromium"
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core."""
    folder = Path(os.environ.get("NERQ_TEST_BROWSER") or Path(tempfile.gettempdir()) / "nerq-test-browser")
    script = folder / "node_modules/axe-core/axe.min.js"
    if not script.exists():
        npm = shutil.which("npm")
        assert npm is not None, "no npm to install axe-core with"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": {"axe-core": "^4.10"}}))
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - as above
        assert done.returncode == 0, done.stdout + done.stderr
    return script.read_text(encoding="utf-8")


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[OpenPage]:
    """Open the page of a report; at the end nothing was requested beside it, and the console has no error."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_(report: Report, fragment: str = "", *, ready: bool = True, script: str = "", **options: Any) -> Page:
        path = tmp_path / f"report-{len(contexts)}.html"
        path.write_bytes(FORMATS["html"].render(report, RenderOptions()))
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        context.set_default_timeout(_TIMEOUT)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        address = path.as_uri() + fragment
        page.on("pageerror", lambda error: complaints.append(f"{error}"))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: None if is_own(request.url, address) else complaints.append(request.url))
        page.goto(address)
        if ready:
            page.wait_for_selector("html[data-ready]", state="attached")
        return page

    def is_own(url: str, address: str) -> bool:
        return url.partition("#")[0] == address.partition("#")[0] or url.startswith("data:")

    open_.complaints = complaints  # type: ignore[attr-defined]  # for a test that causes one
    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def check_access(axe: str) -> Callable[[Page], list[str]]:
    """Return what axe-core finds in a page that keeps people from using it."""

    def check(page: Page) -> list[str]:
        # The policy of the page forbids a script element; the protocol of the browser needs none.
        session = page.context.new_cdp_session(page)
        session.send("Runtime.evaluate", {"expression": axe})
        expression = "axe.run(document).then((found) => JSON.stringify([found.violations, found.passes.length]))"
        answer = session.send(
            "Runtime.evaluate", {"expression": expression, "awaitPromise": True, "returnByValue": True}
        )
        violations, pass_count = json.loads(answer["result"]["value"])
        assert pass_count > 10, "axe-core checked next to nothing"
        return [
            f"{one['impact']}: {one['id']}: {one['nodes'][0]['html']}"
            for one in violations
            if one["impact"] in ("serious", "critical")
        ]

    return check


# --- pages of a service

SERVICE_PAGES = ("start", "empty", "comparison", "form", "candidates", "problem", "target")
RenderPage: TypeAlias = Callable[[str, Site, str], str]


def recent(label: str, answer: str = "avoid", value: float | None = 40.0, **more: object) -> RecentTarget:
    made = RecentTarget(
        target=f"pkg:{PYPI}/{label.replace(' ', '@')}",
        label=label,
        answer=answer,  # type: ignore[arg-type]
        score="" if value is None else f"{value}",
        value=value,
        reason="a reason",
    )
    return replace(made, **more)


@pytest.fixture
def render_page(findings: Report) -> RenderPage:
    """Return a page with a text in each place where others write one."""

    def render_(name: str, site: Site, text: str = "text") -> str:
        if name == "target":
            made = next(item for item in findings.dependencies if item.state)
            page = build_page(made, findings, PageParts(), {}, site.purpose)
            page = replace(page, target=text, warnings=(text,), strict=False, exit_reason=text)
            return target_page.render_html(page, site, service.build_beside(page, site))
        if name == "comparison":
            return service.render_comparison(compare_two(findings, text), site)
        made_pages = {
            "start": lambda: service.render_start(
                StartPage(
                    recent=(recent("ok"), recent(text, reason=text, target=text, score=text)),
                    count=2,
                    notes=(text,),
                    as_of=AS_OF,
                ),
                site,
            ),
            "empty": lambda: service.render_start(StartPage(as_of=AS_OF), site),
            "form": lambda: service.render_compare_form([text, "b"], text, site),
            "candidates": lambda: service.render_candidates(
                text, [Candidate(text, text), Candidate("x", "y", None)], site
            ),
            "problem": lambda: service.render_problem("Not found", text, text, site),
        }
        return made_pages[name]()

    return render_


def compare_two(findings: Report, text: str) -> compare.CompareReport:
    scored = [item for item in findings.dependencies if item.score is not None][:2]
    sides = [Side(label=f"{n} {text}", package=f"{n} {text}", score=item.score) for n, item in enumerate(scored)]
    facts = [
        compare.SideFacts(
            target=side.label, purl=side.package, version="1", latest="2", released_at=AS_OF, releases_behind=1
        )
        for side in sides
    ]
    return compare.CompareReport(
        version="0",
        as_of=AS_OF,
        kind="package",
        comparison=compare_sides(sides),
        facts=tuple(facts),
        complete=False,
        strict=False,
        exit=ExitStatus.PASSED,
        exit_reason=f"not everything could be read: {text}",
        warnings=(text,),
    )
