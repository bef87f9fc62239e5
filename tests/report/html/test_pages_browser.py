"""The pages of ``nerq compare``, ``alternatives`` and ``history`` in a real browser: for eyes, for phones, on paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nerq_cli.ecosystems import PYPI
from nerq_cli.errors import ExitStatus
from nerq_cli.insight.alternatives import Candidate, Choice, Option, choose_options
from nerq_cli.insight.compare import Side, compare_sides
from nerq_cli.insight.fleet import FleetProject, Portfolio, ProjectState, VersionUse
from nerq_cli.insight.history import Trend, build_history
from nerq_cli.insight.peers import NO_TABLE, ProjectStanding, Standing
from nerq_cli.insight.reconstruction import MonthGap, Reconstruction
from nerq_cli.insight.snapshots import ProjectSummary, pack_score, unpack_row
from nerq_cli.report.model import Report
from nerq_cli.report.pages import alternatives, compare, fleet, fleet_document, history, history_document
from nerq_cli.scoring import Score
from nerq_cli.units import DAY
from tests.report.conftest import AS_OF
from tests.report.html.conftest import OpenPage, Page

pytestmark = pytest.mark.browser

CheckAccess = Callable[[Page], list[str]]
OpenText = Callable[..., Page]
SOURCE = "https://docs.example/why"
SIZES = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 360, "height": 740}}


@pytest.fixture
def open_text(browser: Any, tmp_path: Path) -> Iterator[OpenText]:
    """Open a page of HTML; at the end nothing was requested, and the console has no error."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_(text: str, **options: Any) -> Page:
        path = tmp_path / f"page-{len(contexts)}.html"
        path.write_text(text, encoding="utf-8")
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{error}"))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: None if request.url == path.as_uri() else complaints.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def compared(everything: Report) -> str:
    """Three packages side by side, one of them without a score."""
    scored = [item for item in everything.dependencies if item.score is not None and item.dependency.kind == "package"]
    sides = [
        Side(
            label=f"{item.dependency.package.name} {item.dependency.version}",
            package=item.dependency.package.purl,
            score=item.score,
            advisories=item.advisories,
        )
        for item in scored[:2]
    ]
    sides.append(Side(label="gone 1.0", package="pkg:pypi/gone", score=None, reason="the registry did not answer"))
    facts = [
        compare.SideFacts(
            target=side.label, purl=side.package, version="1.0", latest="2.0", released_at=AS_OF, releases_behind=1
        )
        for side in sides
    ]
    return compare.render_html(
        compare.CompareReport(
            version="0",
            as_of=AS_OF,
            kind="package",
            comparison=compare_sides(sides),
            facts=tuple(facts),
            complete=False,
            strict=False,
            exit=ExitStatus.PASSED,
            exit_reason="",
        )
    )


CANDIDATES = [
    Candidate(relation="listed", ecosystem=PYPI, name="scored", reason="the package was renamed", source=SOURCE),
    Candidate(relation="listed", ecosystem=PYPI, name="open", reason="a fork <script>x</script>", source=SOURCE),
    Candidate(relation="builtin", ecosystem=PYPI, feature="tomllib", reason="reads TOML", source=SOURCE),
]


@pytest.fixture
def listed(everything: Report) -> str:
    """A package with three alternatives: one scored, one not, one that is built in."""
    score = next(item.score for item in everything.dependencies if item.score is not None)
    return alternatives.render_html(
        alternatives.AlternativesReport(
            version="0",
            as_of=AS_OF,
            target="pypi:old",
            label="pypi:old 1.0",
            purl="pkg:pypi/old@1.0",
            score=score,
            reason="",
            threshold=70.0,
            choice=choose(score),
            complete=True,
            exit=ExitStatus.PASSED,
            exit_reason="",
        )
    )


def choose(score: Score) -> Choice:
    """Return the candidates, the first one with a score."""
    others = (Option(candidate=candidate, reason="the registry did not answer") for candidate in CANDIDATES[1:])
    return choose_options([Option(candidate=CANDIDATES[0], version="1.0", score=score), *others])


@pytest.fixture
def past(everything: Report) -> str:
    """A package with recorded scores and reconstructed ones, and a project."""
    score = next(item.score for item in everything.dependencies if item.score is not None)
    today = AS_OF // DAY
    snapshots = [unpack_row(pack_score(score, today - age, 0), "1.0") for age in (800, 770, 9, 2, 0)]
    made = [replace(item, value=50.0 + number) for number, item in enumerate(filter(None, snapshots))]
    earlier = tuple(replace(item, origin="reconstructed") for item in made[:2])
    reconstruction = Reconstruction(
        snapshots=earlier, steps=(), gaps=(MonthGap(today - 830, "no stable version"),), notes=("2.0 is passed over",)
    )
    standing = Standing(
        project=ProjectStanding(name="app", day=today, is_member=True, count=9, lower=2, equal=0),
        outside_reason=NO_TABLE,
    )
    target = history_document.TargetHistory(
        target="pypi:demo",
        purl="pkg:pypi/demo@1.0",
        versions=(history_document.RecordedVersion("1.0", today - 9, today, 3),),
        history=build_history(made[2:], today),
        reconstruction=reconstruction,
        standing=standing,
    )
    summary = ProjectSummary(
        dependencies=9, scored=9, below=1, lowest=40.0, median=70.0, lowest_name="demo 1.0", threshold=70.0,
        complete=False, methodology="packages 2.0",
    )  # fmt: skip
    project = history_document.ProjectHistory(
        path="/app",
        days=tuple(history_document.ProjectDay(today - age, replace(summary, below=age)) for age in (3, 0)),
        trend=Trend(direction="too little history"),
        dependencies=(history_document.DependencyHistory(name="demo", history=build_history(made[2:], today)),),
    )
    return history.render_html(
        history_document.HistoryReport(version="0", as_of=AS_OF, threshold=70.0, targets=(target,), project=project)
    )


@pytest.fixture
def portfolio() -> str:
    """A fleet of three projects in different states, with two versions of a package below the threshold."""
    states: tuple[ProjectState, ...] = ("failing", "unreadable", "passed")
    portfolio = Portfolio(70.0)
    projects = []
    for index, state in enumerate(states):
        uses = [
            VersionUse(
                ecosystem="PyPI",
                name=name,
                version=f"{index}.0",
                purl=f"pkg:pypi/{name}@{index}.0",
                score=score,
                grade="D",
                provisional=False,
                state="below",
                direct=True,
                reason="a severe advisory affects it, and a newer version fixes that",
                advisories=("GHSA-aaaa-bbbb-cccc",),
                malware=False,
                exploited=index == 0,
                fix="9.0",
                latest="9.0",
            )
            for name, score in (("acme", 20.0 + index), ("a-name-that-is-quite-long", 90.0))
        ]
        portfolio.add(index, uses)
        weaker = ("threshold 70 → 40",) if index else ()
        name = f"team/project-{index}"
        projects.append(
            FleetProject(name=name, path=name, state=state, exit=1, reason="1 below 70", below=1, weaker=weaker)
        )
    return fleet.render_html(
        fleet_document.FleetReport(
            version="1",
            as_of=AS_OF,
            threshold=70.0,
            strict=False,
            exit=ExitStatus.BELOW,
            exit_reason="1 fails",
            complete=False,
            projects=tuple(projects),
            packages=tuple(portfolio.list_packages()),
            dependencies=portfolio.dependency_count,
            versions=portfolio.version_count,
        )
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["compared", "listed", "past", "portfolio"])
def test_nothing_keeps_people_from_using_a_page(
    request: pytest.FixtureRequest, open_text: OpenText, check_access: CheckAccess, name: str, scheme: str, size: str
) -> None:
    page = open_text(request.getfixturevalue(name), viewport=SIZES[size], color_scheme=scheme)
    assert check_access(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"


def test_words_of_a_table_stay_whole_on_a_phone(compared: str, open_text: OpenText) -> None:
    page = open_text(compared, viewport=SIZES["phone"])
    heading = page.get_by_role("rowheader", name="coverage", exact=True)
    lines = heading.evaluate(
        "(cell) => { const range = document.createRange(); range.selectNodeContents(cell);"
        " return range.getClientRects().length; }"
    )
    assert lines == 1


@pytest.mark.parametrize("name", ["compared", "listed", "past", "portfolio"])
def test_a_page_is_whole_on_paper(request: pytest.FixtureRequest, open_text: OpenText, name: str) -> None:
    page = open_text(request.getfixturevalue(name), viewport={"width": 794, "height": 1123})
    page.emulate_media(media="print")
    widest = page.evaluate(
        "Math.max(0, ...[...document.querySelectorAll('table')].map((table) => table.getBoundingClientRect().right))"
    )
    assert widest <= page.viewport_size["width"]


def test_the_card_of_what_is_below_the_threshold_has_alternatives(
    findings: Report, open_page: OpenPage, check_access: CheckAccess
) -> None:
    below = next(item for item in findings.dependencies if item.state == "below" and item.score is not None)
    assert below.score is not None
    page = open_page(replace(findings, alternatives={below.dependency.purl: choose(below.score)}))
    page.locator("#rows").get_by_role("button", name=below.dependency.package.name, exact=True).first.click()
    section = page.locator("dialog section", has_text="Alternatives: what does the same job")
    texts = section.locator("li").all_inner_texts()
    assert ["built in: tomllib" in text for text in texts] == [True, False, False]
    assert "scored 1.0" in texts[1]
    assert "not scored" in texts[2]
    assert "a fork <script>x</script>" in texts[2]
    assert section.get_by_role("link").first.get_attribute("href") == SOURCE
    assert check_access(page) == []
