from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from nerq_cli.ecosystems import HF_MODEL
from nerq_cli.errors import ExitStatus
from nerq_cli.inventory import Location, Package
from nerq_cli.policy.findings import Finding
from nerq_cli.problem import Problem
from nerq_cli.report import wording
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
            (
                SourceStatus(
                    name="PyPI", state="ok", subjects=3, answered_subjects=3, from_cache=1, oldest_response=AS_OF - 2
                ),
            ),
            "data just fetched (partly cache)",
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


def test_the_age_of_the_advisory_database_stands_apart_from_that_of_the_answers(screen: Screen, calm: Report) -> None:
    database = SourceStatus(name="advisory database (PyPI)", state="ok", oldest_response=AS_OF - 12 * 86_400)
    age = "advisory database 12 days old"
    assert f"data 14 min old (cache) · {age}" in flat(drawn(screen, replace(calm, sources=(*calm.sources, database))))
    assert f"no data · {age}" in flat(drawn(screen, replace(calm, sources=(database,))))
    assert "database" not in drawn(screen, calm)


def test_further_files_are_counted(screen: Screen, calm: Report) -> None:
    [manifest] = calm.dependency_files
    five = replace(calm, dependency_files=tuple(replace(manifest, path=f"{n}.txt") for n in range(5)))
    assert "0.txt (3) · 1.txt (3) · 2.txt (3) · 2 more files" in flat(drawn(screen, five))
    assert "1 more file " in flat(drawn(screen, replace(five, dependency_files=five.dependency_files[:4])))


def test_only_a_run_that_could_check_everything_passes(
    screen: Screen, calm: Report, provisional: Report, empty: Report
) -> None:
    assert wording.overall_verdict(calm)[0] == "PASS"
    assert wording.overall_verdict(empty)[0] == "PASS"
    assert wording.overall_verdict(provisional)[0] == "INCOMPLETE"
    assert wording.overall_verdict(replace(calm, complete=False))[0] == "INCOMPLETE"
    assert wording.overall_verdict(replace(calm, exit=ExitStatus.INCOMPLETE))[0] == "INCOMPLETE"
    assert "PASS" not in drawn(screen, provisional)


def test_below_the_threshold_wins_over_incomplete(findings: Report, broken: Report) -> None:
    assert findings.count_state("unknown")
    assert wording.overall_verdict(findings)[0] == "FAIL"
    assert wording.overall_verdict(broken)[0] == "FAIL"


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
    last_line = drawn(screen, findings).splitlines()[-1]
    assert last_line == "exit 1 (4 below 70, 4 vulnerabilities, 1 name in no public index)"


def test_the_next_command_checks_the_worst(screen: Screen, findings: Report, calm: Report) -> None:
    assert "next:  nerq check pypi:requests==2.19.1" in drawn(screen, findings)
    assert "next:" not in drawn(screen, calm)


# --- findings


def test_a_name_that_the_registry_lacks_has_a_block_of_its_own_beside_its_row(screen: Screen, findings: Report) -> None:
    printed = drawn(screen, findings)
    assert "1 name that is not in the registry: anyone could register it\n" in printed
    assert "PyPI has no package of this name\n" in printed
    assert printed.count("acme-utils") == 2
    assert drawn(screen, findings, show_all=True).count("acme-utils") == 2


def test_a_run_with_a_finding_fails_whatever_the_scores(screen: Screen, assess: Assess, report_of: Make) -> None:
    report = report_of([assess("click"), assess("lost", absent=True), assess("gone", absent=True)])
    printed = drawn(screen, report)
    assert "  FAIL  ✔ 1 ok" in printed
    assert "2 names that are not in the registry: anyone could register them\n" in printed
    assert printed.splitlines()[-1] == "exit 1 (2 names in no public index)"


def test_findings_beyond_twenty_are_counted(screen: Screen, assess: Assess, report_of: Make) -> None:
    report = report_of([assess(f"lost{n}", absent=True) for n in range(23)])
    printed = drawn(screen, report)
    assert "+3 more (--all)" in printed
    assert "✖ lost22" not in printed
    assert "✖ lost22" in drawn(screen, report, verbose=True)


def test_a_finding_about_no_single_package_is_told_by_its_text(screen: Screen, findings: Report) -> None:
    whole = Finding(id="not-on-index", text="something is off", locations=(Location(path="a.lock", line=0),))
    printed = drawn(screen, replace(findings, findings=(whole,)))
    assert re.search(r"✖ something is off +a\.lock\n", printed)
    assert printed.count("something is off") == 1


# --- width


@pytest.mark.parametrize("width", [40, 60, 80, 99, 100, 110, 120, 160, 200, 300])
@pytest.mark.parametrize("name", ["findings", "provisional", "hostile", "broken", "listed", "empty"])
def test_no_line_is_wider_than_the_screen(
    screen: Screen, request: pytest.FixtureRequest, name: str, width: int
) -> None:
    printed = drawn(screen, request.getfixturevalue(name), width=width, show_all=True, verbose=True)
    assert max(map(cell_width, printed.splitlines())) <= width


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
    assert "not checked: npm registry: connection refused (12 of 12 lookups)" in printed
    assert "not checked: PyPI (1 of 3 lookups)" in printed
    assert "not checked: OSV\n" in printed
    assert "index pages" not in printed
    assert "note: mirror answered 1 of 3: no JSON for single releases" in printed
    all_of_them = flat(drawn(screen, replace(calm, sources=sources), verbose=True))
    assert "index pages: not offered, 0 of 3 answered, 0 from the cache, 0 requests" in all_of_them
    assert (
        "npm registry: unavailable, 0 of 12 answered, 0 from the cache, 0 requests (connection refused)" in all_of_them
    )


def test_sources_without_any_answer_share_a_line(screen: Screen, calm: Report) -> None:
    reasons = {
        "OSV": "osv.example: name does not resolve after 3 attempts",
        "EPSS": "stopped after 3 failures: epss.example: name does not resolve after 2 attempts",
        "KEV": "kev.example: connection refused",
    }
    sources = [SourceStatus(name=name, state="unavailable", subjects=9, reason=text) for name, text in reasons.items()]
    partial = SourceStatus(name="npm", state="partial", subjects=3, answered_subjects=2, reason="npm.example: HTTP 500")
    report = replace(calm, sources=(*sources, partial))
    printed = drawn(screen, report, width=160)
    assert "not checked (name does not resolve; connection refused): OSV, EPSS, KEV\n" in printed
    assert "not checked: npm: npm.example: HTTP 500 (1 of 3 lookups)" in printed
    assert "osv.example" not in printed
    earlier = [
        replace(source, reason=f"{source.reason} (requested at 2026-11-29 09:57 UTC; --refresh retries)")
        for source in sources
    ]
    printed = drawn(screen, replace(calm, sources=tuple(earlier)), width=160)
    assert "not checked (name does not resolve; connection refused; --refresh retries): OSV, EPSS, KEV\n" in printed
    fourth = SourceStatus(name="GitHub", state="unavailable", subjects=1, reason="api.example: HTTP 500")
    assert "connection refused; other reasons): " in drawn(
        screen, replace(report, sources=(*sources, fourth)), width=160
    )
    assert "OSV: osv.example: name does not" in flat(drawn(screen, report, verbose=True))


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


# --- the list


def test_a_list_shows_requirement_groups_places_and_what_is_left_out(screen: Screen, listed: Report) -> None:
    printed = drawn(screen, listed)
    assert re.search(r"  lodash +4\.17\.15 +npm +\^4\.17\.0 +main +package\.json:9\n", printed)
    assert re.search(r"  Package +Version +Eco +Requirement +Groups +Where\n", printed)
    assert re.search(r"celery +pypi +>=99 +main +requirements\.txt:8\n", printed)
    assert re.search(r"acme-web +pypi +local path +dev +requirements\.txt:40\n", printed)
    assert "main 35 · dev 1" in printed
    assert "FAIL" not in printed
    assert printed.splitlines()[-1] == "exit 0 (listed, not scored)"


def test_a_list_shows_markers_and_any_version(screen: Screen, assess: Assess, report_of: Make) -> None:
    one = assess("x", None)
    marked = replace(one.dependency, requirement="", markers=("python_version < '3.9'", "os_name == 'nt'"))
    printed = drawn(screen, report_of([replace(one, dependency=marked)], listed=True), width=120)
    first_line = r"x +pypi +any ; python_version < '3\.9' or os_name +main +requirements\.txt:1"
    assert re.search(rf"{first_line}\n +== 'nt'\n", printed)


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
    assert "    pypi  ==2.9.0.post0 (main)\n" in printed


@pytest.mark.parametrize("width", [80, 90, 100, 110, 120, 160])
def test_a_list_breaks_no_word_of_kinds_groups_and_reasons(
    screen: Screen, assess: Assess, report_of: Make, width: int
) -> None:
    model = Package(ecosystem=HF_MODEL, name="microsoft/Phi-4-multimodal-instruct")
    one = assess("x", None)
    likely = replace(one.dependency, package=model, groups=("models:likely",), requirement="v1.0-of-the-model")
    skipped = assess("corp-private", "sha256:" + "a" * 64, skip="container image (by its digest): not scored")
    report = report_of([replace(one, dependency=likely), skipped], listed=True)
    printed = drawn(screen, report, width=width)
    for text in ("microsoft/Phi-4-multimodal-instruct", "hf model", "models:likely", "sha256:aaaaaaaaaaaa "):
        assert text in printed
    assert printed.count("aaa") == 4
    reason = " ".join(
        part for line in printed.splitlines() if "image" in line or "scored" in line for part in line.split()
    )
    assert {"container", "image", "scored"} <= set(re.findall(r"\w+", reason))


def test_an_empty_list_says_so(screen: Screen, report_of: Make, assess: Assess) -> None:
    assert "no dependencies declared" in drawn(screen, report_of([], listed=True))
    skipped = drawn(screen, report_of([assess("x", None, skip="local path")], listed=True))
    assert "Skipped" in skipped
    assert "Requirement" not in skipped


def test_a_list_of_files_that_could_not_be_read_does_not_say_that_nothing_is_declared(
    screen: Screen, broken: Report
) -> None:
    printed = drawn(screen, replace(broken, dependencies=(), list_only=True))
    assert "nothing could be read" in printed
    assert "no dependencies declared" not in printed


def test_top_limits_a_list_and_counts_the_rest(screen: Screen, listed: Report) -> None:
    printed = screen(summary.render_text, listed, top=2)
    assert re.search("acme-utils +1.2 ", printed)
    assert re.search("anyio +2.31.0 ", printed)
    assert "attrs" not in printed
    assert "Skipped" not in printed
    assert "34 packages not shown (--top 2)" in printed
    assert "main 35 · dev 1" in printed
    assert "not shown" not in screen(summary.render_text, listed, top=36)


def test_a_list_with_problems_says_that_not_every_file_could_be_read(screen: Screen, broken: Report) -> None:
    printed = drawn(screen, replace(broken, list_only=True))
    assert "FAIL  not every dependency file could be read" in printed
    assert "nothing was scored" not in printed


def test_a_place_without_a_line_is_the_file_itself(screen: Screen, assess: Assess, report_of: Make) -> None:
    one = assess("x", None)
    whole = replace(one.dependency, locations=(Location(path="setup.cfg", line=0),))
    assert re.search(r" setup\.cfg\n", drawn(screen, report_of([replace(one, dependency=whole)])))
