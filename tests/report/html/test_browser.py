"""The page in a real browser: what its script adds, for eyes, for keyboards, and for programs that read aloud.

Left out by default: ``pytest -m browser tests/report/html`` needs Chromium, Playwright and npm.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nerq_cli.policy.findings import Finding
from nerq_cli.report import FORMATS, RenderOptions
from nerq_cli.report.embedded import extract_report
from nerq_cli.report.model import Report
from tests.report.html.conftest import OpenPage, Page

pytestmark = pytest.mark.browser

REPORTS = (
    "findings",
    "calm",
    "provisional",
    "broken",
    "listed",
    "empty",
    "hostile",
    "everything",
    "levels",
    "graph",
    "aged",
    "compared",
    "models",
    "hostile_models",
)
PHONE = {"viewport": {"width": 360, "height": 740}}
CheckAccess = Callable[[Page], list[str]]


@pytest.fixture(params=REPORTS)
def any_report(request: pytest.FixtureRequest) -> Report:
    found: Report = request.getfixturevalue(request.param)
    return found


def read_rows(page: Page) -> list[list[str]]:
    """Return the texts of the cells of the table, white space as one space."""
    rows: list[list[str]] = page.eval_on_selector_all(
        "#rows tbody tr",
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent.replace(/\\s+/g, ' ').trim()))",
    )
    return rows


def read_column(page: Page, kind: str) -> list[str]:
    texts: list[str] = page.eval_on_selector_all(f"#rows td.{kind}", "cells => cells.map(cell => cell.textContent)")
    return texts


def read_names(page: Page) -> list[str]:
    names: list[str] = page.eval_on_selector_all(
        "#rows tbody .card-link", "links => links.map(link => link.textContent)"
    )
    return names


# --- content


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "pillow",
            (
                "10.0.1: installable in 3 days (minimumReleaseAge = 10080 (pnpm-workspace.yaml:3)), "
                'or today with: minimumReleaseAgeExclude: ["pillow"]'
            ),
        ),
        (
            "django",
            "3.2.25: not installable while this date stands (minimumReleaseAge = 10080 (pnpm-workspace.yaml:3))",
        ),
        ("requests", "2.34.2: installable today: no minimum age that is set leaves it out"),
        (
            "lodash",
            "4.17.21: not known whether it can be installed today (minimumReleaseAge = 10080 (pnpm-workspace.yaml:3))",
        ),
    ],
)
def test_a_card_has_when_age_rules_let_the_proposed_version_be_installed(
    open_page: OpenPage, aged: Report, name: str, text: str
) -> None:
    page = open_page(aged)
    page.locator("#rows .card-link", has_text=name).first.click()
    assert page.locator("dialog .availability").text_content() == text


def test_a_card_has_the_threshold_of_its_own(open_page: OpenPage, aged: Report) -> None:
    page = open_page(aged)
    page.locator("#rows .card-link", has_text="pillow").first.click()
    card = page.locator("dialog").text_content()
    assert "threshold 80 in place of 70" in card
    assert "✖ below 80" in card
    page.locator("dialog .card-close").click()
    page.locator("#rows .card-link", has_text="requests").first.click()
    assert "in place of" not in page.locator("dialog").text_content()


def test_the_script_draws_the_rows_as_the_page_has_them(open_page: OpenPage, any_report: Report) -> None:
    plain = open_page(any_report, ready=False, java_script_enabled=False)
    active = open_page(any_report)
    assert active.get_attribute("html", "data-ready") == "1"
    assert read_rows(active) == read_rows(plain)


def test_without_script_the_findings_the_pictures_and_the_worst_are_there(open_page: OpenPage, graph: Report) -> None:
    finding = Finding(id="malicious", text="bad", name="lodash", purl="pkg:npm/lodash")
    page = open_page(replace(graph, findings=(finding,)), ready=False, java_script_enabled=False)
    for selector in ("h1", ".unchecked", ".counts", ".findings li", ".histogram", ".icicle", "#rows tbody tr"):
        assert page.locator(selector).first.is_visible(), selector
    assert page.locator(".filters, #rows button").count() == 0


def test_findings_come_before_pictures_and_pictures_before_rows(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings)
    tops = [page.locator(name).first.bounding_box()["y"] for name in ("h1", "#findings", ".histogram", "#rows")]
    assert tops == sorted(tops)


def test_an_old_browser_keeps_what_the_page_has(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings, script="delete globalThis.DecompressionStream")
    assert "cannot be read by this browser" in page.locator("[role=alert]").text_content()
    assert page.locator(".findings li").count() == len(findings.findings)
    assert len(read_rows(page)) == 36
    [complaint] = open_page.complaints  # type: ignore[attr-defined]
    assert "DecompressionStream" in complaint
    open_page.complaints.clear()  # type: ignore[attr-defined]


# --- sorting and filtering


def test_columns_are_sorted_both_ways(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings)
    heading = page.locator("#rows th[data-sort=score]")
    assert page.locator("#rows th[aria-sort]").get_attribute("data-sort") == "state"
    for direction, order in (("ascending", 1), ("descending", -1)):
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == direction
        assert page.locator("#rows th[aria-sort]").count() == 1
        scores = [float(text.lstrip("~")) * order for text in read_column(page, "score") if text]
        assert len(scores) == 32
        assert all(before <= after for before, after in pairwise(scores))
    page.locator("#rows th[data-sort=name] button").click()
    assert read_names(page) == sorted(read_names(page))
    page.locator("#rows th[data-sort=age] button").click()
    assert [text for text in read_column(page, "age") if text][-3:] == ["4 years", "7 years", "8 years"]


def test_a_search_reads_names_reasons_and_advisories(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings)
    for words, names in (("REQ", ["requests"]), ("cve-2023-4863", ["pillow"]), ("no version satisfies", ["celery"])):
        page.get_by_role("searchbox", name="Search").fill(words)
        assert read_names(page) == names
        assert page.get_by_role("status").text_content() == f"{len(names)} of 36 dependencies"
    page.get_by_role("searchbox", name="Search").fill("nothing like it")
    assert read_rows(page) == [["No dependency matches."]]
    page.get_by_role("button", name="Show all").click()
    assert len(read_names(page)) == 36
    assert page.get_by_role("searchbox", name="Search").input_value() == ""


def test_each_filter_narrows_the_rows(open_page: OpenPage, findings: Report, graph: Report) -> None:
    page = open_page(findings)
    page.get_by_role("combobox", name="State", exact=True).select_option("unknown")
    assert read_names(page) == ["acme-utils", "celery"]
    page.get_by_role("combobox", name="State", exact=True).select_option("")
    page.get_by_role("combobox", name="Ecosystem", exact=True).select_option("npm")
    assert read_names(page) == ["lodash"]
    page.get_by_role("combobox", name="Ecosystem", exact=True).select_option("")
    page.get_by_role("combobox", name="Group", exact=True).select_option("dev")
    assert read_names(page) == ["acme-web"]
    page = open_page(graph)
    page.get_by_role("combobox", name="Project", exact=True).select_option("api")
    assert read_names(page) == ["celery", "flask"]


def test_the_count_of_a_state_filters_and_a_second_click_shows_all(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings)
    tile = page.get_by_role("button", name="4 below 70")
    tile.click()
    assert tile.get_attribute("aria-pressed") == "true"
    assert read_names(page) == ["requests", "django", "pillow", "lodash"]
    tile.click()
    assert tile.get_attribute("aria-pressed") == "false"
    assert len(read_names(page)) == 36


def test_the_count_of_advisories_filters_too(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings)
    tile = page.get_by_role("button", name="4 with known advisories")
    tile.click()
    assert tile.get_attribute("aria-pressed") == "true"
    assert read_names(page) == ["requests", "django", "pillow", "lodash"]
    assert "GHSA-x84v-xcm2-53pg high +2" in read_column(page, "why")[0]


def test_a_filter_is_in_the_address_and_comes_back_with_it(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings)
    page.get_by_role("combobox", name="State", exact=True).select_option("below")
    page.locator("#rows th[data-sort=name] button").click()
    fragment = "#" + page.url.partition("#")[2]
    assert read_names(open_page(findings, fragment)) == ["django", "lodash", "pillow", "requests"]


def test_a_direct_dependency_shows_what_it_brings_in(open_page: OpenPage, graph: Report) -> None:
    page = open_page(graph)
    page.locator('.icicle [data-direct="express"]').click()
    assert sorted(read_names(page)) == ["body-parser", "express", "lodash", "send"]
    assert "brought in by express" in page.get_by_role("status").text_content()
    page.get_by_role("button", name="Show all").click()
    page.get_by_text("The same as a table").click()
    page.get_by_role("region", name="What direct dependencies bring in").get_by_role("button", name="express").click()
    assert len(read_names(page)) == 4
    page.locator("#projects ~ div").get_by_role("button", name="api").click()
    assert page.get_by_role("combobox", name="Project", exact=True).input_value() == "api"


def test_findings_beyond_the_first_are_drawn_on_demand(open_page: OpenPage, levels: Report) -> None:
    failing = levels.findings[-1]
    page = open_page(replace(levels, findings=tuple(replace(failing, text=f"finding {n}") for n in range(230))))
    for label, count in (("Show 100 of 210 more", 120), ("Show 100 of 110 more", 220), ("Show 10 of 10 more", 230)):
        page.get_by_role("button", name=label).click()
        texts = page.locator(".rule .findings li").all_text_contents()
        assert len(texts) == count
        assert all(f"finding {n}" in text for n, text in enumerate(texts))
    assert page.locator(".more").count() == 0


# --- card


def open_card(page: Page, name: str) -> Any:
    page.locator("#rows").get_by_role("button", name=name, exact=True).click()
    card = page.get_by_role("dialog")
    card.wait_for()
    return card


def test_a_card_explains_the_score(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings)
    card = open_card(page, "requests")
    text = " ".join(card.inner_text().split())
    assert "requests 2.19.1 pkg:pypi/requests@2.19.1" in text
    assert "61.0 C ✖ below 70" in text
    assert "73.3 before caps" in text
    assert "≤ 61.0 high 3 known advisories" in text
    assert "GHSA-x84v-xcm2-53pg · CVE-2018-18074" in text
    one = next(one for one in findings.dependencies if one.dependency.package.name == "requests")
    assert one.score is not None
    assert card.locator(".signals tbody tr:not(.dimension)").count() == len(list(one.score.signals))
    points = [float(p.split()[0]) for p in card.locator(".signals td:nth-child(4)").all_inner_texts() if p]
    assert sum(points) == pytest.approx(one.score.total, abs=0.01)
    assert "OSV 2026-11-21" in text


def test_the_versions_are_a_ladder_with_ages(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings)
    rungs = open_card(page, "pillow").locator(".ladder li").all_inner_texts()
    assert [" ".join(rung.split()) for rung in rungs] == [
        "in use 9.5.0 65.0 4 years old (2023-04-01) ✖ below 70",
        "proposed 10.0.1 69.4 age not known ✖ below 70 still below 70 · outside the declared range",
        "newest 12.0.0 not scored 36 days old (2026-10-16)",
    ]


def test_what_is_unknown_is_hatched_and_no_low_value(open_page: OpenPage, provisional: Report) -> None:
    page = open_page(provisional)
    card = open_card(page, "package-0")
    shares = page.evaluate(
        "[...document.querySelectorAll('dialog .track')].map(track => {"
        "const width = kind => track.querySelector(kind).getBoundingClientRect().width / (track.clientWidth || 1);"
        "return [width('.fill'), width('.gap'), width('.hatched')]; })"
    )
    texts = card.locator(".bars .num").all_inner_texts()
    assert len(shares) == len(texts) == 5
    for (points, lost, unknown), text in zip(shares, texts, strict=True):
        assert points + lost + unknown == pytest.approx(1, abs=0.02)
        assert ("unknown" in text) == (unknown > 0.004)
    assert shares[0][2] > 0.3  # the advisories
    assert "repeating-linear-gradient" in page.eval_on_selector(
        "dialog .hatched", "element => getComputedStyle(element).backgroundImage"
    )


def test_a_card_has_the_path_and_leads_along_it(open_page: OpenPage, graph: Report) -> None:
    page = open_page(graph)
    card = open_card(page, "lodash")
    assert "web → express → body-parser → lodash" in " ".join(card.locator(".path").inner_text().split())
    card.get_by_role("button", name="express").click()
    assert card.get_by_role("heading", name="express").is_visible()
    page.keyboard.press("Escape")
    assert not card.is_visible()


def test_a_card_has_an_address(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings)
    open_card(page, "django")
    fragment = "#" + page.url.partition("#")[2]
    assert open_page(findings, fragment).get_by_role("heading", name="django 3.2.19").is_visible()


def test_a_finding_leads_to_the_card_of_its_package(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings)
    page.locator(".findings").get_by_role("button", name="acme-utils").first.click()
    assert "misspelt" in page.get_by_role("dialog").inner_text()


def test_a_report_about_one_package_shows_its_card(open_page: OpenPage, everything: Report) -> None:
    page = open_page(everything)
    card = page.locator(".alone")
    assert "74.0 B ✔ ok" in " ".join(card.inner_text().split())
    field = card.locator(".facts-list dd", has_text="https://docs.example")
    assert field.get_by_role("link").get_attribute("href") == "https://docs.example/"
    assert page.locator(".filters").count() == 0


def test_every_card_of_every_report_can_be_drawn(open_page: OpenPage, any_report: Report) -> None:
    page = open_page(any_report)
    for n in range(page.locator("#rows tbody .card-link").count()):
        page.locator("#rows tbody .card-link").nth(n).click()
        assert page.locator("dialog[open] .card-body").count() == 1
        page.keyboard.press("Escape")


# --- keyboard


def test_everything_is_reached_and_done_by_keyboard(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings)

    def focus() -> str:
        return str(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.type"))

    page.keyboard.press("Tab")
    assert focus() == "Skip to the dependencies"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    reached: list[str] = []
    while "requests" not in reached and len(reached) < 40:
        page.keyboard.press("Tab")
        reached.append(focus())
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    for stop in ("search", "State", "Score", "Package", "Age", "requests"):
        assert stop in reached
    page.keyboard.press("Enter")
    assert focus() == "requests 2.19.1"
    page.keyboard.press("Escape")
    assert focus() == "requests"
    page.locator("#rows th[data-sort=name] button").focus()
    page.keyboard.press("Space")
    assert page.locator("#rows th[data-sort=name]").get_attribute("aria-sort") == "ascending"


def test_more_rows_take_the_focus_along(open_page: OpenPage, many: Callable[[int], Report]) -> None:
    page = open_page(many(250))
    page.get_by_role("button", name="Show 100 more").focus()
    page.keyboard.press("Enter")
    assert page.locator("#rows tbody tr").count() == 200
    assert page.evaluate("document.activeElement.closest('tr').rowIndex") == 101
    page.get_by_role("button", name="Show 50 more").click()
    assert page.locator("#rows tbody tr").count() == 250
    assert not page.locator(".pager").is_visible()


# --- access, colours, sizes


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_no_serious_complaint(
    open_page: OpenPage, any_report: Report, check_access: CheckAccess, scheme: str
) -> None:
    page = open_page(any_report, color_scheme=scheme)
    assert check_access(page) == []
    for summary in page.locator("summary").all():
        summary.click()
    assert check_access(page) == []
    if page.locator("#rows tbody .card-link").count():
        page.locator("#rows tbody .card-link").first.click()
        assert check_access(page) == []


def test_axe_has_no_serious_complaint_on_a_phone(
    open_page: OpenPage, any_report: Report, check_access: CheckAccess
) -> None:
    assert check_access(open_page(any_report, **PHONE)) == []


def test_both_colour_schemes_are_drawn(open_page: OpenPage, findings: Report) -> None:
    def luminance(scheme: str) -> tuple[int, ...]:
        page = open_page(findings, color_scheme=scheme)
        return tuple(
            sum(map(int, page.eval_on_selector(selector, f"e => getComputedStyle(e).{name}.match(/[0-9]+/g)")))
            for selector, name in (("body", "backgroundColor"), ("body", "color"), ("dialog", "backgroundColor"))
        )

    light, dark = luminance("light"), luminance("dark")
    assert light[0] > 600 > light[1]
    assert dark[0] < 150 < dark[1]
    assert (light[2], dark[2] < 150) == (765, True)


def test_nothing_is_wider_than_a_phone(open_page: OpenPage, any_report: Report) -> None:
    page = open_page(any_report, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    if page.locator("#rows tbody .card-link").count():
        page.locator("#rows tbody .card-link").first.click()
        assert page.eval_on_selector("dialog", "dialog => dialog.scrollWidth <= dialog.clientWidth")
        assert page.locator("dialog").bounding_box()["width"] <= 360


def test_texts_on_a_phone_are_large_enough(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings, **PHONE)
    sizes = page.evaluate(
        "[...document.querySelectorAll('p, li, td, button')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12
    heights = page.evaluate(
        "[...document.querySelectorAll('.filters select, .filters input, .tile')].map(e => e.offsetHeight)"
    )
    assert min(heights) >= 34


def test_who_wants_no_motion_gets_none(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings, reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_paper_has_no_controls(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings)
    page.emulate_media(media="print")
    assert not page.locator(".filters").is_visible()
    assert page.locator(".findings li").first.is_visible()
    assert page.pdf().startswith(b"%PDF")


# --- safe


def test_a_text_that_is_markup_stays_text(open_page: OpenPage, findings: Report, levels: Report) -> None:
    attack = "</script><img src=x onerror=alert(1)><svg onload=alert(1)>"

    def poison(report: Report) -> Report:
        dependencies = [
            replace(
                one,
                reasons=(attack,),
                fix=attack,
                latest=attack,
                dependency=replace(one.dependency, requirement=attack, groups=(attack,), via=(attack,)),
                advisories=tuple(
                    replace(entry, id=attack, summary=attack, link="javascript:alert(1)", links=("data:text/html,x",))
                    for entry in one.advisories
                ),
            )
            for one in report.dependencies
        ]
        finding = replace(levels.findings[-1], text=attack)
        return replace(report, dependencies=tuple(dependencies), findings=(finding,) * 60, warnings=(attack,))

    page = open_page(poison(findings))
    page.get_by_role("button", name="Show 40 of 40 more").click()
    card = open_card(page, "requests")
    assert attack in card.inner_text()
    assert page.locator("script").count() == 2
    assert page.locator("img, [onload], [onerror]").count() == 0
    links = page.eval_on_selector_all("dialog a", "links => links.map(link => link.protocol)")
    assert set(links) <= {"https:", "http:"}
    assert "javascript:alert(1)" in card.inner_text()


def test_the_policy_stops_what_would_get_in(open_page: OpenPage, findings: Report) -> None:
    page = open_page(findings)
    with pytest.raises(Exception, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<b>x</b>'")
    blocked = page.evaluate(
        "new Promise(resolve => {"
        "document.addEventListener('securitypolicyviolation', event => resolve(event.effectiveDirective));"
        "const image = new Image(); image.src = 'http://127.0.0.1:9/x.png'; document.body.append(image); })"
    )
    assert blocked == "img-src"
    assert page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'stopped')") == "stopped"
    open_page.complaints.clear()  # type: ignore[attr-defined]


def test_a_browser_requests_the_page_alone(browser: Any, site: Any, findings: Report) -> None:
    headers = {"Content-Type": "text/html; charset=utf-8"}
    site.on("/report.html", {"headers": headers, "body": FORMATS["html"].render(findings, RenderOptions())})
    page = browser.new_page()
    page.goto(f"{site.url}/report.html")
    page.wait_for_selector("html[data-ready='1']", state="attached")
    open_card(page, "requests")
    page.wait_for_load_state("networkidle")
    page.close()
    assert [request.path for request in site.requests] == ["/report.html"]


def test_the_report_is_saved_as_json(open_page: OpenPage, graph: Report, tmp_path: Path) -> None:
    page = open_page(graph)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the report as JSON").click()
    saved = json.loads(Path(download.value.path()).read_bytes())
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the address of the file that is saved
    assert saved == json.loads(extract_report(FORMATS["html"].render(graph, RenderOptions())))


# --- large


def test_a_page_of_2000_dependencies_appears_at_once(open_page: OpenPage, varied: Callable[[int], Report]) -> None:
    page = open_page(varied(2_001))
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < 1_000
    assert page.locator("#rows tbody tr").count() == 100
    page.get_by_role("button", name="Show all").last.click()
    assert page.locator("#rows tbody tr").count() == 2_001
    page.get_by_role("searchbox", name="Search").fill("-2000")
    assert page.locator("#rows tbody tr").count() == 1
