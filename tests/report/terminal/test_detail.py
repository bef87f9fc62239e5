from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from nerq_cli.ecosystems import HF_KERNEL, HF_SPACE
from nerq_cli.facts import AffectingAdvisory, Evidence, Found, Unknown
from nerq_cli.hub_facts import HubFile
from nerq_cli.inventory import Location
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy.upgrade import Upgrade
from nerq_cli.report.model import Assessment, Report, SourceStatus
from nerq_cli.report.terminal import detail
from nerq_cli.report.terminal.layout import cell_width
from nerq_cli.scoring import Breakdown
from nerq_cli.targets import COMMAND_LINE
from tests.report.conftest import HubAnswers, assess_hub, refer
from tests.signals.models.conftest import change

Assess = Callable[..., Assessment]
Make = Callable[..., Report]
Screen = Callable[..., str]


@pytest.fixture
def card_of(screen: Screen, report_of: Make) -> Callable[..., str]:
    def drawn(one: Assessment, **more: object) -> str:
        return screen(detail.render_text, one, report_of([one]), **more)

    return drawn


def named(report: Report, name: str) -> Assessment:
    return next(one for one in report.dependencies if one.dependency.package.name == name)


def flat(printed: str) -> str:
    return " ".join(printed.split())


CardOf = Callable[..., str]


def test_a_card_starts_with_the_package_its_purl_and_a_sentence(card_of: CardOf, findings: Report) -> None:
    printed = card_of(named(findings, "pillow"))
    assert re.match(r"pillow 9\.5\.0 +pkg:pypi/pillow@9\.5\.0\n", printed)
    assert "pillow 9.5.0 is below 70: 2 known advisories (1 high, 1 medium)" in printed
    assert "fix: 10.0.1" in printed


def test_score_grade_and_how_firm_they_are_stand_on_one_line(card_of: CardOf, findings: Report, assess: Assess) -> None:
    assert "  65.0  C  76.1 before caps · coverage 84% (high)\n" in card_of(named(findings, "pillow"))
    assert "  94.4  A+  verified · coverage 84% (high) · range 84.1 to 94.4\n" in card_of(assess("x"))
    assert "  ~93.8  provisional · coverage " in card_of(assess("x", advisories=None))


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        ({"name": "x"}, "x 2.31.0 reaches 70."),
        (
            {"name": "x", "advisories": None},
            "x 2.31.0 would reach 70, but its advisories were not checked: not enough for a pass",
        ),
        ({"name": "x", "version": None, "skip": "local path"}, "x is skipped: local path"),
        ({"name": "x", "version": None, "first_reason": "why"}, "x could not be judged: why"),
    ],
)
def test_the_verdict_is_one_sentence_in_every_state(
    card_of: CardOf, assess: Assess, one: dict[str, object], sentence: str
) -> None:
    assert sentence in flat(card_of(assess(**one)))


def test_each_dimension_has_a_bar_and_its_number(card_of: CardOf, findings: Report) -> None:
    printed = card_of(named(findings, "pillow"))
    assert all(re.search(rf"  {name} +[█░]{{30}}  +\d+\.\d\n", printed) for name in PACKAGES.dimensions)


def test_bars_have_an_ascii_form_and_unknown_ones_no_number(card_of: CardOf, assess: Assess) -> None:
    one = assess("x")
    assert one.score is not None
    assert isinstance(one.score.breakdown, Breakdown)
    breakdown = replace(one.score.breakdown, dimensions={**one.score.dimensions, "community": None})
    thin = replace(one, score=replace(one.score, breakdown=breakdown))
    printed = card_of(thin, encoding="ascii")
    assert printed.isascii()
    assert re.search(r"  security +#{29}\.   98\.1\n", printed)
    assert re.search(r"  community +\.{30}  unknown\n", printed)


def test_the_version_in_use_stands_beside_the_newest(card_of: CardOf, findings: Report, assess: Assess) -> None:
    assert "in use 2.19.1, 32 releases behind 2.34.2, released 8 years ago (2018-06-13)" in flat(
        card_of(named(findings, "requests"))
    )
    assert "the newest release, released 40 days ago" in flat(card_of(assess("x")))
    assert "newest stable release: 9.0" in flat(card_of(assess("x", latest="9.0")))
    assert "in use no version in use, newest stable release: 9.0" in flat(
        card_of(replace(assess("x", None), latest="9.0"))
    )
    assert "in use" not in card_of(assess("x", None))


def test_every_signal_is_there_with_value_weight_points_reason_source_and_date(
    card_of: CardOf, everything: Report
) -> None:
    printed = card_of(everything.dependencies[0], width=120)
    assert all(
        re.search(rf"^  {spec.label}  {spec.name} +(\d|\?|n/a)", printed, re.MULTILINE)
        for spec in PACKAGES.signals.values()
    )
    assert re.search(r"  C1  licence +10\.0 +45 +1\.04 of 10\.38  no licence stated · PyPI 2026-11-21\n", printed)
    assert re.search(r"  C2  licence terms +\? +20\n", printed)
    assert "PyPI: licence not recognised: 1 signal unknown, 3% of the evidence" in printed


def test_on_a_narrow_screen_the_reason_of_a_signal_stands_under_it(card_of: CardOf, everything: Report) -> None:
    printed = card_of(everything.dependencies[0])
    assert re.search(r"  C1  licence +10\.0 +45 +1\.04 of 10\.38\n      no licence stated · PyPI 2026-11-21\n", printed)


def test_signals_that_do_not_apply_say_so(card_of: CardOf, findings: Report) -> None:
    printed = card_of(named(findings, "pillow"))
    assert re.search(r"S4  provenance +n/a +8\n +released before attestations existed\n", printed)


def test_the_points_shown_add_up_to_the_total_shown(card_of: CardOf, everything: Report) -> None:
    printed = card_of(everything.dependencies[0])
    points = [float(n) for n in re.findall(r" (\d+\.\d\d) of +\d+\.\d\d\n", printed)]
    total = float(re.findall(r"total before caps +(\d+\.\d\d)", printed)[0])
    assert abs(sum(points) - total) < 0.1


def test_caps_tell_their_limit_and_the_evidence(card_of: CardOf, findings: Report) -> None:
    printed = flat(card_of(named(findings, "pillow")))
    assert (
        "≤ 65.0 high 2 known advisories (1 high, 1 medium); 69, less 4 for each of 1 more = 65 · OSV 2026-11-21"
        in printed
    )
    assert "76.1 before caps" in printed


def test_advisories_are_listed_one_by_one(card_of: CardOf, assess: Assess) -> None:
    known = (
        AffectingAdvisory(id="GHSA-1", severity="high"),
        AffectingAdvisory(id="GHSA-2"),
        AffectingAdvisory(id="MAL-3"),
    )
    printed = flat(card_of(assess("x", advisories=known)))
    assert "Advisories 3 for this version GHSA-1 severity high" in printed
    assert "GHSA-2 severity unknown" in printed


def test_two_records_of_one_vulnerability_are_one_advisory(card_of: CardOf, assess: Assess) -> None:
    twice = (AffectingAdvisory(id="GHSA-1", aliases=("CVE-1",)), AffectingAdvisory(id="PYSEC-1", aliases=("CVE-1",)))
    assert "1 for this version" in card_of(assess("x", advisories=twice))


def test_advisories_are_shown_even_where_nothing_could_be_scored(card_of: CardOf, assess: Assess) -> None:
    one = replace(assess("x", None), advisories=(AffectingAdvisory(id="GHSA-1"),))
    assert "GHSA-1" in card_of(one)


def test_the_way_out_is_told_with_what_it_does_to_the_score(card_of: CardOf, findings: Report) -> None:
    way = Upgrade(
        version="2.32.4",
        value=91.0,
        grade="A",
        provisional=False,
        in_range=False,
        excluding_ranges="<2.20",
        passes=True,
    )
    newest = replace(way, version="2.34.2", value=93.1, provisional=True)
    one = replace(named(findings, "requests"), upgrade=way, latest_upgrade=newest)
    printed = card_of(one)
    assert "fix: 2.32.4 (61.0 → 91.0), outside <2.20\n" in printed
    assert "\n  latest    2.34.2 scores ~93.1\n" in printed
    assert "next: nerq check pypi:requests==2.32.4" in flat(printed)


def test_a_way_out_without_a_score_is_just_named(card_of: CardOf, findings: Report) -> None:
    way = Upgrade(version="2.32.4", value=None, grade=None, provisional=False, in_range=True)
    assert "fix: 2.32.4\n" in card_of(replace(named(findings, "requests"), upgrade=way))


def test_what_is_not_known_is_listed_by_reason(card_of: CardOf, findings: Report) -> None:
    printed = flat(card_of(named(findings, "requests")))
    assert "Not known 20% of the evidence" in printed
    assert re.search(r"PyPI: README not in the registry's \w+: 1 signal unknown, 4% of the evidence README", printed)
    assert re.search(
        r"\? [^?]+: 5 signals unknown, 16% of the evidence fix record, repository hygiene, commits,", printed
    )


def test_sources_that_are_not_reachable_are_one_reason(screen: Screen, report_of: Make, assess: Assess) -> None:
    down = [("PyPI", "pypi.example: connection refused"), ("OSV", "osv.example: connection refused")]
    evidence = Evidence(
        package_info=Unknown(down[0][1], "PyPI"),
        metadata=Unknown(down[0][1], "PyPI"),
        advisories=Unknown(down[1][1], "OSV"),
    )
    one = assess("x", evidence=evidence)
    sources = tuple(SourceStatus(name=name, state="unavailable", reason=reason) for name, reason in down)
    printed = flat(screen(detail.render_text, one, report_of([one], sources=sources)))
    assert re.search(r"\? OSV, PyPI: no usable answer: \d+ signals unknown, \d+% of the evidence malware, ", printed)
    assert printed.count("no usable answer") == 1
    assert "connection refused" not in printed.partition("Signals")[2]


def test_hints_start_with_the_caps_then_the_costliest_then_the_unknown(card_of: CardOf, everything: Report) -> None:
    hints = card_of(everything.dependencies[0]).partition("What would raise it")[2]
    assert re.findall(r"^ +(\+\d+\.\d)  (\S+)", hints, re.MULTILINE)[:4] == [
        ("+2.7", "no"),
        ("+9.3", "C1"),
        ("+2.9", "S8"),
        ("+2.7", "S4"),
    ]
    assert "+2.1 C2 licence terms, if known and good (coverage +3%)" in flat(hints)


def test_the_way_out_is_named_where_one_is_known(card_of: CardOf, findings: Report) -> None:
    printed = flat(card_of(named(findings, "requests")))
    assert "+12.3 no cap in force (now: high, outdated); fix: 2.34.2" in printed
    assert "next: nerq check pypi:requests==2.34.2" in printed


def test_a_perfect_package_needs_no_hints(card_of: CardOf, assess: Assess) -> None:
    one = assess("x")
    assert one.score is not None
    assert isinstance(one.score.breakdown, Breakdown)
    perfect = tuple(
        type(signal)(signal.id, "known", 100.0, "perfect", "source", signal.retrieved_at)
        for signal in one.score.signals
    )
    breakdown = replace(one.score.breakdown, signals=perfect)
    printed = card_of(replace(one, score=replace(one.score, breakdown=breakdown, total=100.0, value=100.0)))
    assert "What would raise it" not in printed
    assert "Not known" not in printed


def test_a_package_that_is_not_found_is_still_explained(card_of: CardOf, findings: Report) -> None:
    printed = flat(card_of(named(findings, "acme-utils")))
    assert "could not be judged: not found in the registry" in printed
    assert "fix: if it is yours" in printed
    assert "? coverage 0% (insufficient)" in printed
    assert "no advisory source answered: 2 signals unknown, 13% of the evidence malware, known advisories" in printed
    assert "Signals" not in printed


def test_a_package_with_too_little_evidence_shows_what_there_is_and_no_points(card_of: CardOf, assess: Assess) -> None:
    evidence = Evidence(package_info=Unknown("deadline", "PyPI"), advisories=Found((), "OSV", 1_795_228_800))
    printed = card_of(assess("x", evidence=evidence))
    assert "could not be judged: insufficient data: 13% of the evidence" in flat(printed)
    assert "total before caps" not in printed
    assert " of " not in printed.partition("Signals")[2].partition("Not known")[0].replace("malware record", "")
    assert "What is needed for a score coverage of 40% ? K2 adoption, if known and good (coverage +8%)" in flat(printed)


def test_unknown_signals_that_would_add_nothing_are_no_hints(card_of: CardOf, assess: Assess) -> None:
    assert "if known and good" not in card_of(assess("x"))


def test_further_reasons_of_an_unscored_package_are_all_given(card_of: CardOf, assess: Assess) -> None:
    one = replace(assess("x", None), reasons=("first", "second", "third"))
    assert "x could not be judged: first second third" in flat(card_of(one))


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_no_line_of_a_card_is_wider_than_the_screen(
    card_of: CardOf, findings: Report, hostile: Report, width: int
) -> None:
    for one in (*findings.dependencies[-9:], *hostile.dependencies):
        printed = card_of(one, width=width)
        assert max(map(cell_width, printed.splitlines())) <= width
        assert "\x1b" not in printed


def test_a_dimension_without_a_signal_that_applies_is_not_unknown(card_of: CardOf) -> None:
    space = change(kind="space", id="acme/chat", stage="RUNNING", used_models=(), scanned_files=0)
    named_by_user = replace(refer(HF_SPACE, "acme/chat"), location=Location(path=COMMAND_LINE, line=0))
    (card,) = (card_of(one) for one in assess_hub([named_by_user], HubAnswers(chat=space)))
    row = next(line for line in card.splitlines() if line.strip().startswith("security"))
    assert row.split() == ["security", "n/a"]
    assert "verified ·" not in flat(card)


def test_nothing_raises_that_a_kernel_is_code(card_of: CardOf) -> None:
    kernel = change(kind="kernel", id="acme/flash", files=(HubFile("build/flash.so"),))
    (card,) = (card_of(one) for one in assess_hub([refer(HF_KERNEL, "acme/flash")], HubAnswers(flash=kernel)))
    hints = flat(card).partition("What would raise it")[2]
    assert "H4" in hints
    assert "compiled code" not in hints
    assert "compiled code" in flat(card)
