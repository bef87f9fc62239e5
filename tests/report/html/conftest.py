"""Reads pages: as elements, and in a browser."""

from __future__ import annotations

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
