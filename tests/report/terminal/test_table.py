from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from nerq_cli.facts import AffectingAdvisory, Evidence, Unknown
from nerq_cli.policy.findings import Finding
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.terminal import summary
from nerq_cli.report.terminal.layout import cell_width
from nerq_cli.report.terminal.table import MAX_FULL_TABLE
from nerq_cli.scoring import Breakdown

Assess = Callable[..., Assessment]
Make = Callable[..., Report]
Screen = Callable[..., str]


def drawn(screen: Screen, report: Report, **options: Any) -> str:
    return screen(summary.render_text, report, **options)


def flat(printed: str) -> str:
    """The words of a screen, however they are wrapped."""
    return " ".join(printed.split())


def rows(printed: str) -> list[str]:
    """The first lines of the rows, in order."""
    return [line for line in printed.splitlines() if re.match(r" [✔✖?–x+] ", line)]  # noqa: RUF001 - the sign of skipped


def names(printed: str) -> list[str]:
    """The packages of the rows, in order."""
    return [row[12:].split()[0] for row in rows(printed)]


@pytest.fixture
def long(assess: Assess, report_of: Make) -> Callable[..., Report]:
    """A report too long to have a row for each dependency: 41 that pass, and those given."""

    def build(*assessments: Assessment, **options: Any) -> Report:
        passing = [assess(f"fine{n}", line=n + 1) for n in range(MAX_FULL_TABLE + 1)]
        return report_of([*passing, *assessments], **options)

    return build


# --- which dependencies have a row


def test_up_to_forty_dependencies_each_has_a_row_the_worst_first(screen: Screen, findings: Report) -> None:
    printed = drawn(screen, findings)
    assert len(findings.dependencies) <= MAX_FULL_TABLE
    assert names(printed)[:6] == ["requests", "pillow", "django", "lodash", "acme-utils", "celery"]
    assert names(printed)[-2:] == ["acme-web", "fork"]
    assert len(names(printed)) == len(findings.dependencies)
    assert "not shown" not in printed


def test_of_more_those_that_pass_or_are_skipped_are_only_counted(screen: Screen, findings: Report) -> None:
    report = replace(findings, dependencies=findings.dependencies + findings.dependencies[:9])
    printed = drawn(screen, report)
    assert names(printed) == ["requests", "pillow", "django", "lodash", "acme-utils", "celery"]
    assert "39 packages not shown: 37 ok, 2 skipped (--all)" in printed


def test_all_shows_every_package_also_those_left_out_on_purpose(
    screen: Screen, long: Callable[..., Report], assess: Assess
) -> None:
    skipped = assess("fork", None, skip="git: https://git.example/fork @ 1a2b3c")
    printed = drawn(screen, long(skipped), show_all=True)
    assert len(names(printed)) == MAX_FULL_TABLE + 2
    assert names(printed)[-1] == "fork"
    assert "(--all)" not in printed
    assert "git: https://git.example/fork @ 1a2b3c" in printed


def test_top_shows_the_worst_rows_and_counts_the_rest(screen: Screen, findings: Report) -> None:
    printed = drawn(screen, findings, top=2)
    assert names(printed) == ["requests", "pillow"]
    assert "34 packages not shown: 2 below, 2 unknown, 28 ok, 2 skipped (--top 2)" in printed
    assert drawn(screen, findings, top=2, show_all=True) == printed


def test_an_advisory_is_shown_with_its_id_also_where_the_package_passes(
    screen: Screen, long: Callable[..., Report], assess: Assess
) -> None:
    low = AffectingAdvisory(id="GHSA-x84v-xcm2-53pg", severity="low")
    one = assess("oldish", advisories=(low,))
    assert one.state == "ok"
    printed = drawn(screen, long(one))
    assert names(printed) == ["oldish"]
    assert "GHSA-x84v-xcm2-53pg (low)" in printed


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_the_id_of_the_worst_advisory_fits_on_every_width(screen: Screen, findings: Report, width: int) -> None:
    printed = drawn(screen, findings, width=width)
    assert all(id_ in printed for id_ in ("GHSA-x84v-xcm2-53pg", "GHSA-56pw-mpj4-fxww", "GHSA-35jh-r3h4-6jhm"))


def test_malware_and_exploited_advisories_are_called_so(screen: Screen, assess: Assess, report_of: Make) -> None:
    bad = AffectingAdvisory(id="MAL-1", malware=True)
    used = AffectingAdvisory(id="GHSA-2", severity="high", exploited=True)
    printed = drawn(screen, report_of([assess("a", advisories=(bad, used)), assess("b", advisories=(used,))]))
    assert "MAL-1 +1 (malware)" in printed
    assert "GHSA-2 (high, exploited)" in printed


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


# --- cells


def test_at_most_three_reasons_are_shown_unless_all_are_wanted(screen: Screen, findings: Report) -> None:
    [requests] = (one for one in findings.dependencies if one.dependency.package.name == "requests")
    report = replace(findings, dependencies=(requests,))
    assert "· +5 more" in flat(drawn(screen, report, width=340))
    assert "no types" not in drawn(screen, report, width=340)
    assert "no types" in drawn(screen, report, verbose=True)


def test_without_a_score_only_the_reasons_why_are_shown(screen: Screen, assess: Assess, report_of: Make) -> None:
    whole = assess("x", fields={"keywords": False, "summary": False, "typed": False})
    assert whole.score is not None
    thin = replace(
        whole, state="unknown", score=replace(whole.score, value=None), reasons=("insufficient data", *whole.reasons)
    )
    assert "no summary, keywords, types" in thin.reasons
    assert re.search(r"^ +insufficient data +requirements", drawn(screen, report_of([thin])), re.MULTILINE)


def test_a_provisional_score_carries_a_tilde_an_explanation_and_no_grade(
    screen: Screen, assess: Assess, report_of: Make
) -> None:
    printed = drawn(screen, report_of([assess("x", advisories=None)]))
    assert " ? ~93.8    x 2.31.0  pypi" in printed
    assert "~ provisional: advisories not checked" in printed


def test_a_score_has_its_grade_beside_it_and_an_unknown_one_has_none(screen: Screen, findings: Report) -> None:
    printed = drawn(screen, findings)
    assert " ✔  94.4 A+ anyio" in printed
    assert " ✖  61.0 C  requests" in printed
    assert " ?          celery >=99" in printed


def test_a_capped_package_with_too_little_evidence_is_below_with_a_bound(
    screen: Screen, assess: Assess, report_of: Make
) -> None:
    one = assess("x", fields={"yanked": True})
    assert one.score is not None
    bounded = replace(one, score=replace(one.score, value=None, total=None, grade=None))
    assert " ✖ ≤50.0    x 2.31.0" in drawn(screen, report_of([bounded]))


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_a_long_name_is_cut_and_its_version_is_not(screen: Screen, assess: Assess, report_of: Make, width: int) -> None:
    [row] = rows(drawn(screen, report_of([assess("long-name-" * 9, "2024.10.31")]), width=width))
    assert re.search(r"long-.*… +2024\.10\.31 +pypi", row)


def test_what_brings_a_dependency_in_stands_beside_its_name(screen: Screen, assess: Assess, report_of: Make) -> None:
    one = assess("idna", "3.7")
    one = replace(one, dependency=replace(one.dependency, direct=False, via=("requests",), aliases=("other",)))
    assert re.search(r"idna \(as other\) \(via requests\) +3\.7 +pypi", drawn(screen, report_of([one]), width=200))


def test_the_ecosystem_is_a_column_of_its_own(screen: Screen, findings: Report) -> None:
    assert re.search(r" lodash 4\.17\.15  npm +→", drawn(screen, findings))
    assert re.search(r"  lodash +4\.17\.15 +npm +75 +83 100  91 +89 ", drawn(screen, findings, width=120))
    assert re.search(r" requests +2\.19\.1 +pypi +68  62  88  80  89 ", drawn(screen, findings, width=100))


@pytest.mark.parametrize(("width", "has_columns"), [(60, False), (99, False), (100, True), (200, True)])
def test_the_dimensions_are_columns_from_a_hundred_cells_on(
    screen: Screen, findings: Report, width: int, *, has_columns: bool
) -> None:
    printed = drawn(screen, findings, width=width)
    assert ("Sec Mnt Doc Cpl Com" in printed) is has_columns
    assert ("Sec security · Mnt maintenance · Doc documentation" in printed) is has_columns


def test_a_dimension_that_is_not_known_has_a_question_mark(screen: Screen, assess: Assess, report_of: Make) -> None:
    one = assess("x")
    assert one.score is not None
    assert isinstance(one.score.breakdown, Breakdown)
    breakdown = replace(one.score.breakdown, dimensions={**one.score.dimensions, "community": None})
    thin = replace(one, score=replace(one.score, breakdown=breakdown))
    assert re.search(r"pypi  98 +95 100 +91 +\? ", drawn(screen, report_of([thin]), width=100))


def test_an_instruction_that_is_no_version_stands_among_the_reasons(
    screen: Screen, assess: Assess, report_of: Make
) -> None:
    one = assess(
        "celery", None, requirement=">=99", first_reason="no version satisfies >=99", fix="nearest: 5.6.2, 5.6.1"
    )
    assert "no version satisfies >=99 · nearest: 5.6.2, 5.6.1" in drawn(screen, report_of([one]), width=140)


# --- the version to move to


def test_the_version_to_move_to_has_its_score_and_marks(screen: Screen, findings: Report) -> None:
    printed = drawn(screen, findings)
    assert "→ 2.34.2 (93.1)\n" in printed
    assert "→ 10.0.1! (69.4)\n" in printed
    assert "→ 3.2.25* (90.0)\n" in printed
    assert " ! still below 70\n" in printed
    assert " * outside the declared range\n" in printed


def test_a_version_to_move_to_that_may_yet_fail_is_marked_as_such(screen: Screen, findings: Report) -> None:
    [lodash] = (one for one in findings.dependencies if one.dependency.package.name == "lodash")
    assert lodash.upgrade is not None
    uncertain = replace(lodash, upgrade=replace(lodash.upgrade, provisional=False, uncertain=True))
    printed = drawn(screen, replace(findings, dependencies=(uncertain,)))
    assert "→ 4.17.21 (~88.2)\n" in printed
    assert "or unknown facts may lower the score" in printed


def test_a_provisional_version_to_move_to_is_marked_and_the_mark_explained(screen: Screen, findings: Report) -> None:
    [lodash] = (one for one in findings.dependencies if one.dependency.package.name == "lodash")
    printed = drawn(screen, replace(findings, dependencies=(lodash,)))
    assert "→ 4.17.21 (~88.2)\n" in printed
    assert "~ provisional: advisories not checked" in printed
    assert "* outside" not in printed
    assert "! still" not in printed


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140, 200])
def test_the_version_to_move_to_is_never_cut(screen: Screen, findings: Report, width: int) -> None:
    printed = drawn(screen, findings, width=width)
    assert all(version in printed for version in ("2.34.2", "10.0.1!", "3.2.25*", "4.17.21"))


def test_a_version_to_move_to_that_was_not_scored_stands_alone(screen: Screen, assess: Assess, report_of: Make) -> None:
    assert "→ 3.0\n" in drawn(screen, report_of([assess("x", fields={"yanked": True}, fix="3.0")]))


# --- many that are unknown for one reason


def test_a_package_without_an_advisory_source_names_that_reason_first(screen: Screen, provisional: Report) -> None:
    printed = rows(drawn(screen, provisional, show_all=True, width=200))
    lines = [line for line in printed if " ? ~" in line]
    assert len(lines) == 40
    assert all(" · " not in line.split("advisories not checked")[0] for line in lines)
    assert all("advisories not checked" in line for line in lines)


def test_many_packages_without_advisories_share_one_line(screen: Screen, provisional: Report) -> None:
    printed = drawn(screen, provisional)
    assert names(printed) == ["celery", "40"]
    assert (
        "? 40 packages score 70 or above, but advisories not checked (no advisory source answered): ~90.2 to ~93.8 "
        "(--all lists them)"
    ) in flat(printed)
    assert len(names(drawn(screen, provisional, show_all=True))) == 41


def test_the_shared_line_says_why_the_advisories_are_not_known(
    screen: Screen, assess: Assess, long: Callable[..., Report]
) -> None:
    late = [assess(f"p{n}", advisories=Unknown("deadline", "OSV")) for n in range(4)]
    assert "advisories not checked (OSV: deadline): ~93.8 to ~93.8" in flat(drawn(screen, long(*late)))


@pytest.mark.parametrize("width", [80, 200])
def test_the_shared_line_stands_before_the_packages_that_pass(
    screen: Screen, assess: Assess, long: Callable[..., Report], width: int
) -> None:
    passing = assess("oldish", advisories=(AffectingAdvisory(id="GHSA-1", severity="low"),))
    below = assess("yanked", fields={"yanked": True})
    late = [assess(f"p{n}", advisories=Unknown("deadline", "OSV")) for n in range(4)]
    assert passing.state == "ok"
    assert names(drawn(screen, long(passing, below, *late), width=width)) == ["yanked", "4", "oldish"]
    assert names(drawn(screen, long(passing, *late), width=width)) == ["4", "oldish"]


def test_few_packages_are_shown_one_by_one(screen: Screen, assess: Assess, long: Callable[..., Report]) -> None:
    report = long(*(assess(f"p{n}", advisories=None) for n in range(3)))
    assert names(drawn(screen, report)) == ["p0", "p1", "p2"]


def test_many_packages_too_little_is_known_about_share_one_line(
    screen: Screen, assess: Assess, long: Callable[..., Report]
) -> None:
    thin = [replace(assess(f"p{n}", evidence=Evidence()), in_registry=True) for n in range(6)]
    printed = flat(drawn(screen, long(*thin)))
    assert "? 6 packages could not be judged: insufficient data:" in printed
    assert "too little on security, maintenance, documentation, compliance, community" in printed


def test_many_packages_nobody_could_be_asked_about_share_one_line(
    screen: Screen, assess: Assess, long: Callable[..., Report]
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
    printed = flat(drawn(screen, long(*pinned, *ranges)))
    assert "? 12 packages could not be judged: PyPI: connection refused (--all lists them)" in printed
    assert "? 5 packages could not be judged: version in use not known: connection refused" in printed


def test_packages_unknown_for_their_own_reason_are_always_shown(
    screen: Screen, assess: Assess, long: Callable[..., Report]
) -> None:
    lost = [assess(f"lost{n}", absent=True, advisories=None) for n in range(6)]
    unsatisfied = [
        assess(f"range{n}", None, requirement=">=9", first_reason="no version satisfies >=9") for n in range(6)
    ]
    thin = [assess("silent", None, first_reason="")]
    silent = replace(thin[0], reasons=(), in_registry=None)
    assert len(names(drawn(screen, long(*lost, *unsatisfied, silent)))) == 13


def test_a_package_with_an_advisory_never_shares_a_line(
    screen: Screen, assess: Assess, long: Callable[..., Report]
) -> None:
    thin = [replace(assess(f"p{n}", evidence=Evidence()), in_registry=True) for n in range(6)]
    affected = replace(thin[0], advisories=(AffectingAdvisory(id="GHSA-1", severity="high"),))
    printed = drawn(screen, long(affected, *thin[1:]))
    assert "GHSA-1 (high)" in printed
    assert "? 5 packages could not be judged" in flat(printed)


# --- width


@pytest.mark.parametrize("width", [100, 120, 140, 200])
def test_a_wide_screen_has_a_line_per_package_under_headings(screen: Screen, findings: Report, width: int) -> None:
    printed = drawn(screen, findings, width=width)
    heading = r"^   Score +Package +Version +Eco +Sec Mnt Doc Cpl Com +Why \(worst first\) +Move to +Where\n"
    assert re.search(heading, printed, re.MULTILINE)
    start = printed.splitlines().index(rows(printed)[0])
    assert printed.splitlines()[start : start + 36] == rows(printed)


def test_a_line_has_package_advisory_version_and_place(screen: Screen, findings: Report) -> None:
    [row] = (row for row in rows(drawn(screen, findings, width=200)) if "pillow" in row)
    assert row.startswith(" ✖  65.0 C   pillow  ")
    assert "  GHSA-56pw-mpj4-fxww +1 (high) · 3 major versions and 4 years behind" in row
    assert re.search(r" +10\.0\.1! \(69\.4\) +requirements.txt:27$", row)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_every_word_of_a_reason_is_on_the_screen_when_all_are_wanted(
    screen: Screen, findings: Report, width: int
) -> None:
    printed = flat(drawn(screen, findings, width=width, verbose=True))
    words = {word for one in findings.dependencies if one.state == "below" for r in one.reasons for word in r.split()}
    assert not {word for word in words if word not in printed}


@pytest.mark.parametrize(
    ("width", "ellipsis", "encoding"), [(80, "…", "utf-8"), (100, "…", "utf-8"), (80, "...", "ascii")]
)
def test_a_long_name_is_cut_and_its_row_keeps_the_place(
    screen: Screen, assess: Assess, report_of: Make, width: int, ellipsis: str, encoding: str
) -> None:
    name = "a-very-long-package-name-" * 4
    one = assess(name, None, first_reason="why")
    printed = drawn(screen, report_of([one]), width=width, encoding=encoding)
    [row] = rows(printed)
    assert f"{ellipsis} " in row
    assert "ments.txt:1\n" in printed
    assert max(map(cell_width, printed.splitlines())) <= width


def test_a_package_without_a_reason_keeps_its_place(screen: Screen, assess: Assess, report_of: Make) -> None:
    one = replace(assess("x", None), reasons=(), fix="")
    assert re.search(r"\?  +x  pypi\n +requirements.txt:1\n\n", drawn(screen, report_of([one])))


def test_what_failed_before_is_marked_and_comes_after_what_is_new(screen: Screen, compared: Report) -> None:
    printed = drawn(screen, compared, width=200)
    known = [row[12:].split()[0] for row in rows(printed) if " known" in row]
    assert known == ["django", "lodash", "acme-utils"]
    assert names(printed)[:5] == ["requests", "pillow", *known]
    assert "known (not-on-index)" in printed  # its score does not show it
    assert "known: failed in the same way in the run that this one is compared with" in flat(printed)


def test_a_failure_beside_a_known_one_is_new(screen: Screen, compared: Report) -> None:
    purl = next(one.dependency.purl for one in compared.dependencies if one.dependency.package.name == "django")
    new = Finding(id="yanked", text="x", purl=purl, name="django", level="deny", change="new")
    printed = drawn(screen, replace(compared, findings=(*compared.findings, new)), width=200)
    assert [row[12:].split()[0] for row in rows(printed) if " known" in row] == ["lodash", "acme-utils"]


def test_without_a_comparison_nothing_is_known(screen: Screen, findings: Report) -> None:
    printed = drawn(screen, findings, width=200)
    assert not [row for row in rows(printed) if " known" in row]
    assert "known:" not in printed


def test_colours_follow_grades(screen: Screen, findings: Report) -> None:
    printed = drawn(screen, findings, width=100, color=True)
    assert "\x1b[1;31m✖  61.0 C\x1b[0m" in printed
    assert "\x1b[1;32m✔  94.4 A+\x1b[0m" in printed
    plain = re.sub(r"\x1b\[[0-9;]*m", "", printed)
    assert plain == drawn(screen, findings, width=100)


def test_ten_thousand_failing_packages_are_printed_in_two_seconds(
    screen: Screen, many: Callable[[int], Report]
) -> None:
    report = many(10_000)
    started = time.process_time()
    printed = drawn(screen, report, width=120)
    assert time.process_time() - started <= (2.0 if sys.gettrace() is None else 10.0)  # traced for coverage
    assert "10,000 below 70" in printed
