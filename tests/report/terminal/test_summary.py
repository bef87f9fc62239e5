from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from nerq_cli.errors import ExitStatus, Problem
from nerq_cli.facts import Evidence, Unknown
from nerq_cli.inventory import Location
from nerq_cli.policy.findings import Finding
from nerq_cli.report.model import Assessment, Report, SourceStatus
from nerq_cli.report.terminal import summary
from nerq_cli.report.terminal.layout import cell_width

Assess = Callable[..., Assessment]
Make = Callable[..., Report]
Screen = Callable[..., str]

AS_OF = 1_795_228_800


def drawn(screen: Screen, report: Report, *, width: int = 80, show_all: bool = False, verbose: bool = False) -> str:
    return screen(summary.render_text, report, width=width, show_all=show_all, verbose=verbose)


def flat(printed: str) -> str:
    """The words of a screen, however they are wrapped."""
    return " ".join(printed.split())


# --- head and verdict


def test_the_first_line_says_what_was_scanned_how_old_the_data_is_and_how_long_it_took(
    screen: Screen, calm: Report
) -> None:
    first = drawn(screen, calm).splitlines()[0]
    assert first.startswith("nerq 0.1.0 · 3 packages · requirements.txt (3) · data 14 min old (cache)")
    assert first.endswith(" 0.6 s")
    assert not drawn(screen, replace(calm, elapsed=0.0)).splitlines()[0].endswith("s")


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ((), "no data"),
        (
            (SourceStatus(name="PyPI", state="ok", subjects=3, answered_subjects=3, oldest_response=AS_OF - 2),),
            "data just fetched",
        ),
        (
            (
                SourceStatus(
                    name="PyPI",
                    state="ok",
                    subjects=3,
                    answered_subjects=3,
                    from_cache=1,
                    oldest_response=AS_OF - 7_200,
                ),
            ),
            "data up to 2 h old (partly cache)",
        ),
        (
            (SourceStatus(name="PyPI", state="ok", subjects=3, answered_subjects=3, from_cache=3),),
            "data of unknown age (cache)",
        ),
        (
            (
                SourceStatus(
                    name="PyPI", state="ok", subjects=3, answered_subjects=3, from_cache=3, oldest_response=AS_OF + 99
                ),
            ),
            "data just fetched (cache)",
        ),
    ],
)
def test_the_age_of_the_data_is_that_of_the_oldest_answer(
    screen: Screen, calm: Report, sources: tuple[SourceStatus, ...], words: str
) -> None:
    assert words in flat(drawn(screen, replace(calm, sources=sources)))


def test_further_files_are_counted(screen: Screen, calm: Report) -> None:
    [manifest] = calm.dependency_files
    five = replace(calm, dependency_files=tuple(replace(manifest, path=f"{n}.txt") for n in range(5)))
    assert "0.txt (3) · 1.txt (3) · 2.txt (3) · 2 more files" in flat(drawn(screen, five))
    assert "1 more file " in flat(drawn(screen, replace(five, dependency_files=five.dependency_files[:4])))


def test_only_a_run_that_could_check_everything_passes(
    screen: Screen, calm: Report, provisional: Report, empty: Report
) -> None:
    assert summary.overall_verdict(calm)[0] == "PASS"
    assert summary.overall_verdict(empty)[0] == "PASS"
    assert summary.overall_verdict(provisional)[0] == "INCOMPLETE"
    assert summary.overall_verdict(replace(calm, complete=False))[0] == "INCOMPLETE"
    assert summary.overall_verdict(replace(calm, exit=ExitStatus.INCOMPLETE))[0] == "INCOMPLETE"
    assert "PASS" not in drawn(screen, provisional)


def test_below_the_threshold_wins_over_incomplete(findings: Report, broken: Report) -> None:
    assert findings.count_state("unknown")
    assert summary.overall_verdict(findings)[0] == "FAIL"
    assert summary.overall_verdict(broken)[0] == "FAIL"


def test_counts_of_zero_are_left_out_except_of_what_is_ok(screen: Screen, calm: Report, provisional: Report) -> None:
    assert "  PASS  ✔ 3 ok  " in drawn(screen, calm)
    assert "✔ 0 ok  ? 41 unknown" in drawn(screen, provisional)
    assert "– 0" not in drawn(screen, provisional)  # noqa: RUF001 - the sign of skipped


def test_a_verdict_too_long_for_a_line_takes_two(screen: Screen, findings: Report) -> None:
    lines = drawn(screen, findings, width=50).splitlines()
    assert max(map(cell_width, lines)) <= 50
    assert all(words in flat("\n".join(lines)) for words in ("4 below 70", "2 skipped", "threshold 70"))


def test_nothing_declared_is_said_in_words(screen: Screen, empty: Report) -> None:
    assert "PASS  no dependencies declared" in drawn(screen, empty)


def test_the_last_line_repeats_exit_status_and_reason(screen: Screen, findings: Report) -> None:
    assert drawn(screen, findings).splitlines()[-1] == "exit 1 (4 below 70, 1 name no public index knows)"


# --- packages


def names(printed: str) -> list[str]:
    """The packages of a stacked screen, in order."""
    return re.findall(r"^  .{6} [✔✖?–]  (?:npm:)?(\S+)", printed, re.MULTILINE)  # noqa: RUF001 - the sign of skipped


def test_the_worst_comes_first_and_what_passes_is_only_counted(screen: Screen, findings: Report) -> None:
    printed = drawn(screen, findings)
    assert names(printed) == ["acme-utils", "requests", "pillow", "django", "lodash", "celery"]
    assert "28 packages at 70 or above not shown (--all)" in printed
    assert "2 skipped on purpose (--all)" in printed


def test_equal_scores_are_ordered_by_what_they_were_before_caps(
    screen: Screen, assess: Assess, report_of: Make
) -> None:
    report = report_of(
        [
            assess("zebra", fields={"yanked": True, "readme": 0}),
            assess("ant", fields={"yanked": True}),
            assess("bee", fields={"yanked": True}),
        ]
    )
    assert names(drawn(screen, report)) == ["zebra", "ant", "bee"]


def test_all_shows_every_package_also_those_left_out_on_purpose(screen: Screen, findings: Report) -> None:
    printed = drawn(screen, findings, show_all=True)
    assert len(names(printed)) == len(findings.findings) + len(findings.dependencies)
    assert names(printed)[-2:] == ["acme-web", "fork"]
    assert "(--all)" not in printed
    assert "git: https://git.example/fork @ 1a2b3c" in printed


def test_at_most_three_reasons_are_shown_unless_all_are_wanted(screen: Screen, findings: Report) -> None:
    assert "· +2 more" in flat(drawn(screen, findings))
    assert "more" not in drawn(screen, findings, verbose=True)
    assert "no types" in drawn(screen, findings, verbose=True)


def test_without_a_score_only_the_reasons_why_are_shown(screen: Screen, assess: Assess, report_of: Make) -> None:
    whole = assess("x", fields={"keywords": False, "summary": False, "typed": False})
    assert whole.score is not None
    thin = replace(
        whole, state="unknown", score=replace(whole.score, value=None), reasons=("insufficient data", *whole.reasons)
    )
    assert "no summary, keywords, types" in thin.reasons
    assert re.search(r"^ +insufficient data$", drawn(screen, report_of([thin])), re.MULTILINE)


def test_a_provisional_score_carries_a_tilde_and_an_explanation(
    screen: Screen, assess: Assess, report_of: Make
) -> None:
    printed = drawn(screen, report_of([assess("x", advisories=None)]))
    assert "   ~97.3 ?  x 2.31.0" in printed
    assert "~ provisional: no advisory source answered" in printed


def test_many_packages_without_advisories_share_one_line(screen: Screen, provisional: Report) -> None:
    printed = drawn(screen, provisional)
    assert names(printed) == ["celery", "40"]
    assert (
        "? 40 packages score 70 or above, but no advisory source answered: ~92.4 to ~97.3 (--all lists them)"
    ) in flat(printed)
    assert len(names(drawn(screen, provisional, show_all=True))) == 41


def test_the_shared_line_says_why_the_advisories_are_not_known(screen: Screen, assess: Assess, report_of: Make) -> None:
    late = [assess(f"p{n}", advisories=Unknown("deadline", "OSV")) for n in range(4)]
    assert "no advisory source answered (OSV: deadline): ~97.3 to ~97.3" in flat(drawn(screen, report_of(late)))


def test_few_packages_are_shown_one_by_one(screen: Screen, assess: Assess, report_of: Make) -> None:
    report = report_of([assess(f"p{n}", advisories=None) for n in range(3)])
    assert names(drawn(screen, report)) == ["p0", "p1", "p2"]


def test_many_packages_too_little_is_known_about_share_one_line(
    screen: Screen, assess: Assess, report_of: Make
) -> None:
    thin = [replace(assess(f"p{n}", evidence=Evidence()), in_registry=True) for n in range(6)]
    printed = flat(drawn(screen, report_of(thin)))
    assert "? 6 packages could not be judged: insufficient data:" in printed
    assert "too little on security, maintenance, documentation, compliance, community" in printed


def test_many_packages_nobody_could_be_asked_about_share_one_line(
    screen: Screen, assess: Assess, report_of: Make
) -> None:
    down = Evidence(package_info=Unknown("connection refused", "PyPI"))
    pinned = [assess(f"p{n}", evidence=down) for n in range(12)]
    ranges = [
        replace(
            assess(f"r{n}", None, requirement=">=1", first_reason="version in use not known: connection refused"),
            in_registry=None,
        )
        for n in range(5)
    ]
    printed = flat(drawn(screen, report_of([*pinned, *ranges])))
    assert "? 12 packages could not be judged: PyPI: connection refused (--all lists them)" in printed
    assert "? 5 packages could not be judged: version in use not known: connection refused" in printed


def test_packages_unknown_for_their_own_reason_are_always_shown(
    screen: Screen, assess: Assess, report_of: Make
) -> None:
    lost = [assess(f"lost{n}", absent=True, advisories=None) for n in range(6)]
    unsatisfied = [
        assess(f"range{n}", None, requirement=">=9", first_reason="no version satisfies >=9") for n in range(6)
    ]
    thin = [assess("silent", None, first_reason="")]
    silent = replace(thin[0], reasons=(), in_registry=None)
    assert len(names(drawn(screen, report_of([*lost, *unsatisfied, silent])))) == 13


def test_npm_names_say_so_only_beside_python_ones(
    screen: Screen, findings: Report, assess: Assess, report_of: Make
) -> None:
    assert "npm:lodash 4.17.15 (range ^4.17.0)" in drawn(screen, findings)
    alone = report_of([assess("lodash", ecosystem="npm", advisories=None)])
    assert "npm:" not in drawn(screen, alone).partition("next:")[0]


def test_a_capped_package_with_too_little_evidence_is_below_with_a_bound(
    screen: Screen, assess: Assess, report_of: Make
) -> None:
    one = assess("x", fields={"yanked": True})
    assert one.score is not None
    bounded = replace(one, score=replace(one.score, value=None, total=None))
    assert "  ≤50.0 ✖  x 2.31.0" in drawn(screen, report_of([bounded]))


def test_the_next_command_checks_the_worst(screen: Screen, findings: Report, calm: Report) -> None:
    assert "next:  nerq check pypi:requests==2.19.1" in drawn(screen, findings)
    assert "next:" not in drawn(screen, calm)


# --- the way out


def test_a_way_out_says_what_it_does_to_the_score_and_what_it_leaves(screen: Screen, findings: Report) -> None:
    printed = drawn(screen, findings)
    assert "→ 2.34.2 (61.0 → 93.1)\n" in printed
    assert "→ 10.0.1 (65.0 → 69.4), still below 70\n" in printed
    assert "→ 3.2.25 (65.0 → 90.0), outside >=3.2,<3.2.20\n" in printed


def test_a_provisional_way_out_is_marked_and_the_mark_explained(screen: Screen, findings: Report) -> None:
    [lodash] = (one for one in findings.dependencies if one.dependency.package.name == "lodash")
    printed = drawn(screen, replace(findings, dependencies=(lodash,)))
    assert "→ 4.17.21 (69.0 → ~88.2)\n" in printed
    assert "~ provisional: no advisory source answered" in printed


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_the_two_scores_of_a_way_out_stay_on_one_line(screen: Screen, findings: Report, width: int) -> None:
    printed = drawn(screen, findings, width=width)
    assert all(scores in printed for scores in ("(61.0 → 93.1)", "(65.0 → 69.4)", "(65.0 → 90.0)", "(69.0 → ~88.2)"))


def test_a_way_out_fits_beside_a_short_reason(screen: Screen, findings: Report) -> None:
    [one] = (one for one in findings.dependencies if one.dependency.package.name == "requests")
    printed = drawn(screen, replace(findings, dependencies=(replace(one, reasons=("old",)),)))
    assert "            old  → 2.34.2 (61.0 → 93.1)\n" in printed


# --- findings


def test_a_name_that_no_registry_knows_has_a_block_of_its_own_and_no_row(screen: Screen, findings: Report) -> None:
    printed = drawn(screen, findings)
    assert "1 name that the registry does not know: anybody could register it\n" in printed
    assert "PyPI has no package of this name\n" in printed
    assert printed.count("acme-utils") == 1
    assert drawn(screen, findings, show_all=True).count("acme-utils") == 2


def test_a_run_with_a_finding_fails_whatever_the_scores(screen: Screen, assess: Assess, report_of: Make) -> None:
    report = report_of([assess("click"), assess("lost", absent=True), assess("gone", absent=True)])
    printed = drawn(screen, report)
    assert "  FAIL  ✔ 1 ok" in printed
    assert "2 names that the registry does not know: anybody could register them\n" in printed
    assert printed.splitlines()[-1] == "exit 1 (2 names no public index knows)"


def test_findings_beyond_twenty_are_counted(screen: Screen, assess: Assess, report_of: Make) -> None:
    report = report_of([assess(f"lost{n}", absent=True) for n in range(23)])
    printed = drawn(screen, report)
    assert "+3 more (--all)" in printed
    assert "lost22" not in printed
    assert "lost22" in drawn(screen, report, verbose=True)


def test_a_finding_about_no_single_package_is_told_by_its_text(screen: Screen, findings: Report) -> None:
    whole = Finding(id="not-in-registry", text="something is off", locations=(Location(path="a.lock", line=0),))
    printed = drawn(screen, replace(findings, findings=(whole,)))
    assert re.search(r"✖  something is off +a\.lock\n", printed)
    assert printed.count("something is off") == 1


# --- width


@pytest.mark.parametrize("width", [40, 60, 80, 99, 100, 110, 120, 160, 200, 300])
@pytest.mark.parametrize("name", ["findings", "provisional", "hostile", "broken", "listed", "empty"])
def test_no_line_is_wider_than_the_screen(
    screen: Screen, request: pytest.FixtureRequest, name: str, width: int
) -> None:
    printed = drawn(screen, request.getfixturevalue(name), width=width, show_all=True, verbose=True)
    assert max(map(cell_width, printed.splitlines())) <= width


@pytest.mark.parametrize("width", [80, 120, 200])
def test_every_word_of_a_reason_is_on_the_screen(screen: Screen, findings: Report, width: int) -> None:
    printed = flat(drawn(screen, findings, width=width, verbose=True))
    words = {word for one in findings.dependencies if one.state == "below" for r in one.reasons for word in r.split()}
    assert not {word for word in words if word not in printed}


def test_a_wide_screen_has_a_line_per_package_under_headings(screen: Screen, findings: Report) -> None:
    printed = drawn(screen, findings, width=200)
    assert re.search(r"Score +Package +Why \(worst first\) +Fix +Where\n", printed)
    assert re.search(
        r"✖  pillow 9.5.0 +2 known advisories .* +10\.0\.1 \(65\.0 → 69\.4\), .* +requirements.txt:27\n", printed
    )


def test_a_long_name_wraps_and_keeps_its_place(screen: Screen, assess: Assess, report_of: Make) -> None:
    name = "a-very-long-package-name-" * 4
    lines = drawn(screen, report_of([assess(name, None, first_reason="why")])).splitlines()
    start = next(n for n, line in enumerate(lines) if "a-very-long" in line)
    assert lines[start + 1].endswith("requirements.txt:1")
    assert lines[start].strip("? ") + lines[start + 1].split()[0] == name


def test_a_package_without_a_reason_takes_one_line(screen: Screen, assess: Assess, report_of: Make) -> None:
    one = replace(assess("x", None), reasons=(), fix="")
    printed = drawn(screen, report_of([one]))
    assert re.search(r"\?  x +requirements.txt:1\n\n", printed)


# --- foot


def test_sources_that_did_not_answer_are_named(screen: Screen, calm: Report) -> None:
    sources = (
        SourceStatus(name="npm registry", state="unavailable", subjects=12, reason="connection refused"),
        SourceStatus(name="PyPI", state="partial", subjects=3, answered_subjects=2),
        SourceStatus(name="OSV", state="partial", subjects=3, answered_subjects=3),
        SourceStatus(name="index pages", state="not offered", subjects=3),
        SourceStatus(name="mirror", state="ok", subjects=3, answered_subjects=1, reason="no JSON for single releases"),
    )
    printed = drawn(screen, replace(calm, sources=sources))
    assert "not checked: npm registry: connection refused (12 of 12 questions)" in printed
    assert "not checked: PyPI (1 of 3 questions)" in printed
    assert "not checked: OSV\n" in printed
    assert "index pages" not in printed
    assert "note: mirror answered 1 of 3: no JSON for single releases" in printed
    all_of_them = flat(drawn(screen, replace(calm, sources=sources), verbose=True))
    assert "index pages: not offered, 0 of 3 answered, 0 from the cache, 0 requests" in all_of_them
    assert (
        "npm registry: unavailable, 0 of 12 answered, 0 from the cache, 0 requests (connection refused)" in all_of_them
    )


def test_what_a_file_cannot_tell_is_said_once(screen: Screen, findings: Report) -> None:
    note = "requirements.txt: dependencies are dynamic: not listed here"
    assert f"note: {note}" in drawn(screen, findings)
    warned = drawn(screen, replace(findings, warnings=(note,)))
    assert f"warning: {note}" in warned
    assert f"note: {note}" not in warned


def test_problems_in_files_are_pointed_at(screen: Screen, broken: Report) -> None:
    assert "1 problem in dependency files: requirements.txt:3:6" in drawn(screen, broken)
    many = replace(broken, errors=tuple(Problem(path="a", line=n, message="m") for n in range(1, 6)))
    assert "5 problems in dependency files: a:1, a:2, a:3 and 2 more" in drawn(screen, many)


def test_warnings_beyond_twenty_are_counted(screen: Screen, calm: Report) -> None:
    report = replace(calm, warnings=tuple(f"number {n}" for n in range(23)))
    assert "+3 more (--verbose)" in drawn(screen, report)
    assert "number 22" in drawn(screen, report, verbose=True)


# --- hostile words, and many of them


@pytest.mark.parametrize("width", [80, 200])
def test_hostile_words_reach_the_screen_as_words(screen: Screen, hostile: Report, width: int) -> None:
    printed = drawn(screen, hostile, width=width, show_all=True, verbose=True)
    assert not set(printed) & set("\x1b\x9b\u202e\u202c\r\x00")
    assert "[bold]loud[/bold]" in flat(printed)
    assert len(printed) < 20_000


def test_ten_thousand_failing_packages_are_printed_in_two_seconds(
    screen: Screen, many: Callable[[int], Report]
) -> None:
    report = many(10_000)
    started = time.perf_counter()
    printed = drawn(screen, report, width=120)
    assert time.perf_counter() - started <= (2.0 if sys.gettrace() is None else 10.0)  # traced for coverage
    assert "10,000 below 70" in printed


# --- the list


def test_a_list_shows_requirement_groups_places_and_what_is_left_out(screen: Screen, listed: Report) -> None:
    printed = drawn(screen, listed)
    assert re.search(r"npm:lodash 4\.17\.15 +\^4\.17\.0 +main +package\.json:9\n", printed)
    assert re.search(r"celery +>=99 +main +requirements\.txt:8\n", printed)
    assert re.search(r"acme-web +local path +dev +requirements\.txt:40\n", printed)
    assert "main 35 · dev 1" in printed
    assert "FAIL" not in printed
    assert printed.splitlines()[-1] == "exit 0 (listed, not scored)"


def test_a_list_shows_markers_and_any_version(screen: Screen, assess: Assess, report_of: Make) -> None:
    one = assess("x", None)
    marked = replace(one.dependency, requirement="", markers=("python_version < '3.9'", "os_name == 'nt'"))
    printed = drawn(screen, report_of([replace(one, dependency=marked)], listed=True), width=120)
    assert re.search(r"x +any ; python_version < '3\.9' or os_name +main +requirements\.txt:1\n +== 'nt'\n", printed)


def test_a_list_keeps_names_and_places_in_one_piece_on_a_narrow_screen(
    screen: Screen, assess: Assess, report_of: Make
) -> None:
    one = assess("python-dateutil", "2.9.0.post0")
    place = (Location(path="docs/examples/service/requirements.txt", line=10),)
    report = report_of([replace(one, dependency=replace(one.dependency, locations=place))], listed=True)
    printed = drawn(screen, report)
    assert "  python-dateutil 2.9.0.post0      docs/examples/service/requirements.txt:10\n" in re.sub(
        " {7,}", " " * 6, printed
    )
    assert "    ==2.9.0.post0 (main)\n" in printed


def test_an_empty_list_says_so(screen: Screen, report_of: Make, assess: Assess) -> None:
    assert "no dependencies declared" in drawn(screen, report_of([], listed=True))
    skipped = drawn(screen, report_of([assess("x", None, skip="local path")], listed=True))
    assert "Skipped on purpose" in skipped
    assert "Requirement" not in skipped


def test_a_list_that_stands_in_for_a_scan_says_that_nothing_was_scored(screen: Screen, broken: Report) -> None:
    printed = drawn(screen, replace(broken, list_only=True))
    assert "FAIL  nothing was scored" in printed


def test_a_place_without_a_line_is_the_file_itself(screen: Screen, assess: Assess, report_of: Make) -> None:
    one = assess("x", None)
    whole = replace(one.dependency, locations=(Location(path="setup.cfg", line=0),))
    assert re.search(r" setup\.cfg\n", drawn(screen, report_of([replace(one, dependency=whole)])))
