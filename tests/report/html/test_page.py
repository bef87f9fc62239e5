"""The page as text: what it has without its script, and that no text of a package is markup or a command in it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from hashlib import sha256
from html import unescape
from itertools import pairwise

import pytest
from msgspec.structs import replace

from nerq_cli.inventory import Package
from nerq_cli.policy.findings import Finding
from nerq_cli.report import FORMATS, RenderOptions
from nerq_cli.report.html import foot
from nerq_cli.report.html.charts import build_histogram, build_icicle, list_brought
from nerq_cli.report.html.markup import element, escape_text, join, link_to
from nerq_cli.report.html.paths import find_path, index_dependencies
from nerq_cli.report.model import Assessment, Report, SourceStatus
from nerq_cli.report.projects import group_by_project
from nerq_cli.report.sanitize import defuse_ci_commands
from tests.report.html.conftest import Reader

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
Golden = Callable[[str, bytes], None]


def render(report: Report) -> str:
    return FORMATS["html"].render(report, RenderOptions()).decode()


@pytest.fixture(params=REPORTS)
def any_report(request: pytest.FixtureRequest) -> Report:
    found: Report = request.getfixturevalue(request.param)
    return found


def shorten(page: str) -> bytes:
    """Return a page without style, script, their hashes, and the data, which differs between releases of zlib."""
    page = re.sub(
        r"(<style>|<script>|id=\"nerq-report\">)[^<]*.*?(</style>|</script>)", r"\1...\2", page, flags=re.DOTALL
    )
    return re.sub(r"sha256-[^&]+&", "sha256-...&", page).replace("><", ">\n<").encode()


@pytest.mark.parametrize("name", ["mixed", "hostile", "levels", "graph"])
def test_the_page_reads_as_agreed(request: pytest.FixtureRequest, golden: Golden, name: str) -> None:
    golden(f"page-{name}.html", shorten(render(request.getfixturevalue(name))))


# --- well made


def test_elements_are_nested_and_ids_are_unique(any_report: Report) -> None:
    reader = Reader(render(any_report))
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in reader.elements:
        for name in ("aria-labelledby", "for"):
            assert attributes.get(name) in (None, *ids)
        assert (attributes.get("href") or "")[:1] != "#" or (attributes["href"] or "")[1:] in ids


def test_the_same_report_gives_the_same_bytes(any_report: Report) -> None:
    assert render(any_report) == render(any_report)


def test_headings_skip_no_level(any_report: Report) -> None:
    levels = [int(name[1]) for name, _ in Reader(render(any_report)).elements if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


# --- safe


def test_only_this_style_and_this_script_are_allowed(any_report: Report) -> None:
    page = render(any_report)
    [policy] = [meta["content"] or "" for meta in Reader(page).all("meta") if "http-equiv" in meta]
    for name in ("style", "script"):
        [content] = re.findall(f"<{name}>(.*?)</{name}>", page, re.DOTALL)
        assert f"{name}-src 'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert re.findall(r"https?:|\*", policy) == []


def test_nothing_is_loaded_and_nothing_runs_but_the_script(any_report: Report) -> None:
    for name, attributes in Reader(render(any_report)).elements:
        assert name not in ("img", "iframe", "object", "embed", "form", "base", "audio", "video", "use", "image")
        assert not {key for key in attributes if key.startswith("on") or key in ("src", "srcset", "style", "action")}
        if name == "link":
            assert (attributes["href"] or "").startswith("data:image/svg+xml,")
        if name == "meta":
            assert attributes.get("http-equiv") in (None, "Content-Security-Policy")


def test_the_script_makes_no_markup_of_text() -> None:
    [script] = re.findall("<script>(.*?)</script>", render_empty(), re.DOTALL)
    words = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "DOMParser",
        "fetch(",
    )
    assert [word for word in words if word in script] == []


def render_empty() -> str:
    from nerq_cli.report.html import read_asset

    return f"<style>{read_asset('page.css')}</style><script>{read_asset('page.js')}</script>"


def test_the_style_loads_nothing() -> None:
    [style] = re.findall("<style>(.*?)</style>", render_empty(), re.DOTALL)
    assert set(re.findall(r"url\(([^)]*)\)", style)) == {'"#hatch"', '"#dots"'}
    assert "@import" not in style


def test_no_ci_system_finds_a_command_in_a_page(any_report: Report) -> None:
    page = render(any_report)
    assert defuse_ci_commands(page) == page


BREAKOUT = "</td></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'><!--"


def rename(report: Report) -> Report:
    """Return the report with that text wherever an author can write one."""

    def hostile(one: Assessment) -> Assessment:
        advisories = tuple(
            replace(
                entry, id=BREAKOUT, summary=BREAKOUT, link="javascript:alert(1)", links=("data:text/html,x", BREAKOUT)
            )
            for entry in one.advisories
        )
        dependency = replace(
            one.dependency,
            package=Package(ecosystem=one.dependency.package.ecosystem, name=BREAKOUT),
            version=BREAKOUT,
            requirement=BREAKOUT,
            groups=(BREAKOUT,),
            via=(BREAKOUT,),
            parents=(BREAKOUT,),
            locations=tuple(replace(place, path=BREAKOUT) for place in one.dependency.locations),
        )
        changes = {"fix": BREAKOUT, "latest": BREAKOUT, "reasons": (BREAKOUT,), "advisories": advisories}
        upgrade = None if one.upgrade is None else replace(one.upgrade, version=BREAKOUT)
        return replace(one, dependency=dependency, upgrade=upgrade, **changes)

    return replace(
        report,
        dependencies=tuple(map(hostile, report.dependencies)),
        dependency_files=tuple(replace(file, path=BREAKOUT, notes=(BREAKOUT,)) for file in report.dependency_files),
        findings=tuple(replace(finding, name=BREAKOUT, text=BREAKOUT, purl=BREAKOUT) for finding in report.findings),
        sources=tuple(replace(source, reason=BREAKOUT, note=BREAKOUT) for source in report.sources),
        exit_reason=BREAKOUT,
        warnings=(BREAKOUT,),
        hints=(BREAKOUT,),
    )


def test_no_text_of_an_author_is_markup(findings: Report, levels: Report, graph: Report) -> None:
    for report in (findings, levels, graph):
        ordinary, hostile = Reader(render(report)), Reader(render(rename(report)))
        assert {name for name, _ in hostile.elements} <= {name for name, _ in ordinary.elements}
        assert len(hostile.all("script")) == 2
        assert BREAKOUT in hostile.text
        assert {link["href"] for link in hostile.all("a")} == {"#dependencies"}


def test_texts_are_escaped_and_cut() -> None:
    assert escape_text('<a href="x">\'&') == "&lt;a href=&quot;x&quot;&gt;&#x27;&amp;"
    assert escape_text("\x1b[31mred\u202e\n##[error]") == "red &#35;&#35;[error]"
    assert len(escape_text("x" * 5_000)) == 1_000
    assert (
        element("p", "<", join("a", None, 1), class_='a"b', hidden=True, id=None)
        == '<p class="a&quot;b" hidden>&lt;a1</p>'
    )


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//x.example", "ftp://x.example", "HTTPS:x"]
)
def test_only_addresses_of_the_web_become_links(url: str) -> None:
    assert link_to(url, "<label>") == "&lt;label&gt;"


def test_a_link_takes_nothing_along() -> None:
    assert 'rel="noreferrer noopener external"' in link_to("https://x.example/?a&b", "label")


# --- what it states without its script


def test_the_head_has_the_verdict_and_its_reason(findings: Report) -> None:
    text = Reader(render(findings)).text
    assert "✖ FAIL 4 below 70, 4 vulnerabilities, 1 name in no public index" in text
    assert "4 ✖ below 70 2 ? unknown 28 ✔ ok 2 – skipped" in text  # noqa: RUF001 - the sign of what is skipped


def test_a_run_that_could_not_check_everything_states_so_first(provisional: Report) -> None:
    text = Reader(render(provisional)).text
    head = text[: text.index("Dependencies")]
    assert "INCOMPLETE" in head
    assert "PASS" not in head
    assert "Not everything could be checked" in head
    assert "OSV : connection refused; 40 of 40 lookups not answered" in head


def test_a_failed_run_states_what_it_could_not_check_as_well(broken: Report, findings: Report) -> None:
    assert "requirements.txt:3 not a requirement" in Reader(render(broken)).text
    down = SourceStatus(name="EPSS", state="unavailable", subjects=3, reason="timed out")
    text = Reader(render(replace(findings, sources=(*findings.sources, down)))).text
    assert text.index("Not everything could be checked") < text.index("EPSS : timed out") < text.index("Findings")


def test_a_source_that_another_one_replaced_is_not_missing(calm: Report) -> None:
    replaced = SourceStatus(
        name="OSV", state="unavailable", subjects=3, reason="timed out", fallback="shipped advisories"
    )
    text = Reader(render(replace(calm, sources=(replaced,)))).text
    assert "Not everything" not in text
    assert "shipped advisories was used" in text


def test_an_incomplete_run_without_a_listed_cause_gives_its_reason(calm: Report) -> None:
    text = Reader(render(replace(calm, complete=False, exit_reason="something was not checked"))).text
    assert "INCOMPLETE" in text
    assert "Not everything could be checked something was not checked" in text


def test_many_files_and_problems_are_counted(broken: Report) -> None:
    [file] = broken.dependency_files
    files = [replace(file, path=f"{n}/requirements.txt", problems=()) for n in range(300)]
    report = replace(broken, errors=broken.errors * 9, dependency_files=tuple(files))
    text = Reader(render(report)).text
    assert "297 more files" in text
    assert "4 more problems in dependency files" in text
    assert "100 more are in the JSON report" in text


def test_a_clean_run_passes(calm: Report) -> None:
    text = Reader(render(calm)).text
    assert "✔ PASS everything at or above the threshold" in text
    assert "No policy rule found anything." in text
    assert "Not everything" not in text


def test_an_empty_report_and_a_list_state_what_they_are(empty: Report, listed: Report) -> None:
    assert "no dependencies declared" in Reader(render(empty)).text
    text = Reader(render(listed)).text
    assert "LISTED listed, not scored" in text
    assert "acme-utils 1.2 pypi · direct · requirements.txt:3" in text
    assert "threshold" not in text
    assert "Scores" not in text


def test_findings_come_by_rank_each_with_its_level_and_waiver(levels: Report) -> None:
    text = Reader(render(levels)).text
    texts = ("fails the run", "known before", "warned about", "waived until 2027-01-31")
    places = [text.rindex(words) for words in texts]
    assert places == sorted(places)
    assert "1 fail the run · 1 not new · 1 warn · 1 waived" in text
    assert "waived until 2027-01-31 by web team: no fix yet (nerq.toml:12)" in text
    assert "acme-utils 9.5.0 high waived" in text


def test_a_rule_whose_findings_all_are_waived_is_shown_as_waived(levels: Report) -> None:
    waived = tuple(finding for finding in levels.findings if finding.waiver is not None)
    page = render(replace(levels, findings=waived))
    assert '<span class="level level-waived">waived</span>' in page
    assert "deny" not in Reader(page).text


def test_findings_beyond_a_limit_are_counted_and_left_to_the_script(levels: Report) -> None:
    failing = levels.findings[-1]
    many = (levels.findings[0], *(replace(failing, text=f"finding {n}") for n in range(500)))
    page = render(replace(levels, findings=many))
    assert page.count("<p>finding ") == 20
    [rest] = [attributes["data-rest"] for attributes in Reader(page).all("p") if "data-rest" in attributes]
    assert (rest or "").split() == [*map(str, range(21, 501)), "0"]
    assert "481 more" in page


def test_a_finding_has_the_path_to_its_package(graph: Report, levels: Report) -> None:
    deep = replace(levels.findings[-1], name="lodash", purl="pkg:npm/lodash")
    assert "express → body-parser → lodash" in Reader(render(replace(graph, findings=(deep,)))).text


def test_a_comparison_has_its_counts_and_a_row_for_each_change(compared: Report, findings: Report) -> None:
    text = Reader(render(compared)).text
    assert "Compared with main at 1a2b3c4d5" in text
    assert "2 added, 1 downgraded, 1 rescored, 1 removed, 8 unchanged" in text
    assert "Findings: 8 new, 7 known, as before" in text
    for row in ("pypi:idna removed 2.31.0 94.4", "pypi:django downgraded 5.0 → 3.2.19", "94.4 → 65.0 cap high none"):
        assert row in text
    assert "Compared with" not in Reader(render(findings)).text


def test_changes_beyond_a_limit_are_counted(compared: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foot, "_MAX_CHANGES", 2)
    assert "3 more are in the JSON report." in Reader(render(compared)).text


def test_a_row_has_when_the_version_can_be_installed_and_the_threshold_of_its_own(aged: Report) -> None:
    text = Reader(render(aged)).text
    assert "10.0.1 scores 69.4 · still below 80 · outside the declared range · installable in 3 days" in text
    assert "✖ below 80" in text


def test_the_first_rows_are_the_worst(many: Callable[[int], Report]) -> None:
    report = many(250)
    page = render(
        replace(
            report,
            dependencies=(*(replace(one, state="ok") for one in report.dependencies[:200]), *report.dependencies[200:]),
        )
    )
    states = re.findall(r'<td class="state" role="cell"><span class="state state-(\w+)', page)
    assert states == ["below"] * 50 + ["ok"] * 50
    assert "The first 100 of 250, worst first." in page


def test_a_row_has_reason_age_and_the_version_to_move_to(findings: Report) -> None:
    text = Reader(render(findings)).text
    assert "✖ below 70 61.0 requests 2.19.1 pypi · direct · requirements.txt:31 +2 8 years 3 known advisories" in text
    assert "2.34.2 scores 93.1 · outside the declared range" in text
    assert "10.0.1 scores 69.4 · still below 70 · outside the declared range" in text
    assert "nearest: 5.6.2, 5.6.1" in text
    assert "4.17.21 scores ~88.2" in text


def test_a_known_advisory_is_on_the_page_also_where_its_dependency_passes(many: Callable[[int], Report]) -> None:
    report = many(400)
    clean = [replace(one, state="ok", advisories=()) for one in report.dependencies]
    affected = next(one for one in report.dependencies if one.advisories)
    text = Reader(render(replace(report, dependencies=(*clean, replace(affected, state="ok"))))).text
    assert "GHSA-56pw-mpj4-fxww high +1" in text
    assert "1 with known advisories" in text


def test_an_upgrade_without_a_score_states_so(findings: Report) -> None:
    one = next(one for one in findings.dependencies if one.upgrade is not None)
    unscored = replace(one, upgrade=replace(one.upgrade, value=None, in_range=True))  # type: ignore[type-var]
    assert "not scored" in Reader(render(replace(findings, dependencies=(unscored,)))).text


def test_sources_are_open_where_one_is_missing(provisional: Report, calm: Report) -> None:
    assert [details.get("open", "closed") for details in Reader(render(provisional)).all("details")][:1] == [None]
    assert "open" not in Reader(render(calm)).all("details")[0]


def test_several_projects_have_a_table_worst_first(graph: Report) -> None:
    page = render(graph)
    assert re.findall(r'<span data-project="(\w+)"', page) == ["web", "api"]
    assert "2 projects Project below 70 unknown ok all web 1 4 5 api 1 1 2" in Reader(page).text


# --- pictures


def test_the_histogram_has_the_threshold_and_what_has_no_score(findings: Report) -> None:
    picture = build_histogram(findings)
    assert picture is not None
    titles = re.findall("<title>(.*?)</title>", picture)
    assert titles == [
        "scores 60 to 65: 1 below 70",
        "scores 65 to 70: 3 below 70",
        "scores 75 to 80: 1 ok",
        "scores 90 to 95: 27 ok",
        "no score: 2 unknown",
    ]
    assert "threshold 70" in picture
    assert 'class="bar bar-unknown"' in picture


def test_a_score_of_100_is_in_the_last_bar(findings: Report) -> None:
    best = [replace(one, score=replace(one.score, value=100.0)) for one in findings.dependencies[:3] if one.score]
    assert "scores 95 to 100: 3 ok" in (build_histogram(replace(findings, dependencies=tuple(best))) or "")


def test_few_packages_need_no_picture(calm: Report, empty: Report) -> None:
    assert build_histogram(replace(calm, dependencies=calm.dependencies[:2])) is None
    assert build_histogram(empty) is None


def test_a_package_counts_at_what_brings_it_in(graph: Report) -> None:
    api, web = group_by_project(graph)
    assert [(entry.name, entry.count, entry.worst) for entry in list_brought(web)] == [
        ("express", 4, "below"),
        ("react", 1, "ok"),
    ]
    assert [(entry.name, entry.worst) for entry in list_brought(api)] == [("", "unknown"), ("flask", "ok")]
    picture = build_icicle(graph)
    assert picture is not None
    assert "express: 4 packages: 1 below 70, 3 ok" in picture
    assert "✖ express · 4" in picture
    assert 'data-project="web" data-direct="express"' in picture
    assert "not stated by the file" in picture


def test_there_is_no_icicle_of_bars_of_one_length(findings: Report, listed: Report) -> None:
    assert build_icicle(findings) is None
    assert build_icicle(listed) is None


def test_small_boxes_share_one_for_each_state(graph: Report, assess: Callable[..., Assessment]) -> None:
    place = graph.dependencies[0].dependency.locations
    more = [assess(f"package-{n}", ecosystem="npm") for n in range(60)]
    moved = [replace(one, dependency=replace(one.dependency, locations=place)) for one in more]
    picture = build_icicle(replace(graph, dependencies=(*graph.dependencies, *moved))) or ""
    assert picture.count('data-direct="') == 20 + 2 - 1
    assert "42 others: 42 packages: 42 ok" in picture


def test_projects_beyond_a_limit_share_a_box(graph: Report) -> None:
    files, dependencies = list(graph.dependency_files), list(graph.dependencies)
    for n in range(20):
        path = f"package-{n}/package-lock.json"
        files.append(replace(files[0], path=path))
        place = replace(dependencies[0].dependency.locations[0], path=path)
        dependencies += [
            replace(one, dependency=replace(one.dependency, locations=(place,))) for one in graph.dependencies[:2]
        ]
    report = replace(graph, dependency_files=tuple(files), dependencies=tuple(dependencies))
    assert "10 more projects: 20 packages: 20 ok" in (build_icicle(report) or "")


def paths_of(report: Report) -> dict[str, Iterable[str]]:
    index = index_dependencies(one.dependency for one in report.dependencies)
    return {one.dependency.package.name: find_path(one.dependency, index) for one in report.dependencies}


def test_a_path_is_the_shortest_from_a_direct_dependency(graph: Report) -> None:
    paths = paths_of(graph)
    assert paths["lodash"] == ("express", "body-parser", "lodash")
    assert paths["express"] == ("express",)
    assert paths["celery"] == ("celery",)


def test_a_path_ends_where_packages_require_each_other(graph: Report) -> None:
    a, b = (
        replace(one, dependency=replace(one.dependency, direct=False, via=("gone",), parents=(parent,)))
        for one, parent in zip(graph.dependencies[1:3], ("send", "body-parser"), strict=True)
    )
    assert paths_of(replace(graph, dependencies=(a, b)))["send"] == ("gone", "send")


# --- size

FINDING = Finding(id="malicious", text="")


def test_the_page_of_2000_dependencies_has_at_most_a_megabyte(varied: Callable[[int], Report]) -> None:
    report = varied(2_000)
    findings = tuple(
        replace(FINDING, name=one.dependency.package.name, purl=one.dependency.purl, text=f"finding {n}")
        for n, one in enumerate(report.dependencies)
    )
    assert len(render(replace(report, findings=findings))) < 1_000_000


def test_every_asset_is_plain_text_without_a_tag() -> None:
    assert unescape(render_empty()).count("</") == 2
