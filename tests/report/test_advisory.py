from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.facts import AffectingAdvisory
from nerq_cli.inventory import Dependency, Package
from nerq_cli.report import RenderOptions
from nerq_cli.report.advisory import deduplicate_advisories
from nerq_cli.report.terminal.advisory_details import add_advisories
from nerq_cli.report.terminal.layout import Page, cell_width
from nerq_cli.signals.advisories import merge_advisories

Screen = Callable[..., str]
Shown = Callable[..., str]

FULL = AffectingAdvisory(
    id="GHSA-x84v-xcm2-53pg",
    aliases=("CVE-2018-18074", "PYSEC-2018-28"),
    summary="credentials are sent on when a redirect leaves the host",
    severity="high",
    severity_from="GHSA label",
    fixed_in=("2.20.0", "2.31.0"),
    link="https://osv.example/GHSA-x84v-xcm2-53pg",
    epss=0.0234,
    affected=">=1.0, <2.20.0",
    links=("https://advisories.example/1", "https://code.example/fix/2"),
)
LISTED = AffectingAdvisory(
    id="PYSEC-2018-28", aliases=("CVE-2018-18074",), fixed_in=("2.20",), link="https://pysec.example"
)


def in_use(version: str | None = "2.19.1", ecosystem: EcosystemId = PYPI) -> Dependency:
    package = Package(ecosystem=ecosystem, name="requests")
    return Dependency(
        package=package, requirement="", version=version, resolution="pinned", direct=True, groups=(), locations=()
    )


REACHED = {"EPSS": "ok", "CISA KEV": "ok"}


def draw(advisories: Sequence[AffectingAdvisory], states: Mapping[str, str], options: RenderOptions) -> str:
    page = Page(options)
    add_advisories(page, advisories, in_use(), states)
    return page.to_text()


@pytest.fixture
def shown(screen: Screen) -> Shown:
    def printed(*advisories: AffectingAdvisory, states: Mapping[str, str] = REACHED, **more: object) -> str:
        return screen(draw, advisories, states, **more)

    return printed


def test_everything_known_of_an_advisory_is_told(shown: Shown) -> None:
    assert shown(msgspec.structs.replace(FULL, exploited=False)) == (
        "  GHSA-x84v-xcm2-53pg · CVE-2018-18074 · PYSEC-2018-28\n"
        "    credentials are sent on when a redirect leaves the host\n"
        "    severity  high (GHSA label)\n"
        "    EPSS      2.3% probable to be exploited within 30 days\n"
        "    KEV       no: not in the catalogue of exploited vulnerabilities\n"
        "    affected  >=1.0, <2.20.0\n"
        "    fixed in  2.20.0, newest fix 2.31.0\n"
        "    links     https://osv.example/GHSA-x84v-xcm2-53pg\n"
        "              https://advisories.example/1\n"
        "              https://code.example/fix/2\n"
    )


def test_what_nobody_states_is_said_not_to_be_stated(shown: Shown) -> None:
    assert shown(AffectingAdvisory(id="GHSA-1")) == (
        "  GHSA-1\n"
        "    severity  unknown\n"
        "    EPSS      not stated\n"
        "    affected  not stated\n"
        "    fixed in  no fixed version named\n"
    )


@pytest.mark.parametrize(
    ("epss", "words"),
    [(None, "not stated"), (0.0, "0.0%"), (0.0004, "under 0.1%"), (0.001, "0.1%"), (0.9431, "94.3%"), (1.0, "100.0%")],
)
def test_a_probability_is_a_percentage_and_none_is_not_nought(shown: Shown, epss: float | None, words: str) -> None:
    assert f"EPSS      {words}" in shown(AffectingAdvisory(id="GHSA-1", epss=epss))


def test_a_vulnerability_in_the_catalogue_is_exploited(shown: Shown) -> None:
    assert "KEV       yes: known to be exploited" in shown(AffectingAdvisory(id="GHSA-1", exploited=True))


@pytest.mark.parametrize("one", [AffectingAdvisory(id="GHSA-1"), AffectingAdvisory(id="MAL-1", malware=True)])
def test_of_an_advisory_without_a_cve_the_catalogue_has_nothing(shown: Shown, one: AffectingAdvisory) -> None:
    assert "KEV" not in shown(one, states={})


@pytest.mark.parametrize("state", ["unavailable", "not offered", "not requested", None])
def test_what_was_not_reached_is_not_checked_and_what_has_no_number_is_not_stated(
    shown: Shown, state: str | None
) -> None:
    printed = shown(LISTED, states={"EPSS": state, "CISA KEV": state} if state else {})
    assert "EPSS      not checked\n" in printed
    assert "KEV       not checked\n" in printed
    reached = shown(LISTED)
    assert "EPSS      not stated\n" in reached
    assert "not checked" not in reached


def test_of_a_source_that_answered_in_part_either_may_be_true(shown: Shown) -> None:
    assert "EPSS      not stated, or not checked\n" in shown(LISTED, states={**REACHED, "EPSS": "partial"})


def test_a_number_from_epss_is_shown_whatever_its_state(shown: Shown) -> None:
    assert "EPSS      2.3% probable" in shown(FULL, states={"EPSS": "partial"})


def test_malware_is_called_malware_and_needs_no_severity_or_probability(shown: Shown) -> None:
    printed = shown(AffectingAdvisory(id="MAL-2026-1", malware=True))
    assert "malware   recorded as malicious code\n" in printed
    assert "severity" not in printed
    assert "EPSS" not in printed
    stated = shown(AffectingAdvisory(id="MAL-2026-1", malware=True, severity="critical", epss=0.5))
    assert "severity  critical\n" in stated
    assert "EPSS      50.0%" in stated


def test_advisories_stand_apart(shown: Shown) -> None:
    assert "no fixed version named\n\n  GHSA-2\n" in shown(
        AffectingAdvisory(id="GHSA-1"), AffectingAdvisory(id="GHSA-2")
    )


def test_a_link_is_given_once(shown: Shown) -> None:
    one = AffectingAdvisory(id="GHSA-1", link="https://a.example", links=("https://a.example", "https://b.example"))
    assert shown(one).count("https://a.example") == 1


HOSTILE = "\x1b[31mred\x1b[0m \u202eevil [bold]loud[/bold]\r\nline\x00" * 40


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_hostile_words_stay_words_and_on_the_screen(shown: Shown, width: int) -> None:
    hostile = AffectingAdvisory(
        id=HOSTILE,
        aliases=(HOSTILE,),
        summary=HOSTILE,
        severity="high",
        severity_from=HOSTILE,
        affected=HOSTILE,
        fixed_in=(HOSTILE,),
        link=HOSTILE,
        links=(HOSTILE, "https://code.example/" + "a" * 290),
    )
    printed = shown(hostile, width=width)
    assert max(map(cell_width, printed.splitlines())) <= width
    assert not {"\x1b", "\u202e", "\x00", "\r"} & set(printed)
    assert "[bold]loud[/bold]" in printed


def test_a_terminal_without_the_signs_gets_others(shown: Shown) -> None:
    printed = shown(FULL, encoding="ascii")
    assert printed.isascii()
    assert "GHSA-x84v-xcm2-53pg | CVE-2018-18074 | PYSEC-2018-28" in printed


# --- each once


def test_a_record_of_the_registry_adds_nothing_to_the_fuller_one_but_what_that_lacks() -> None:
    [one] = deduplicate_advisories((LISTED, FULL))
    assert one.id == FULL.id
    assert (one.severity, one.severity_from, one.affected, one.fixed_in) == (
        "high",
        "GHSA label",
        FULL.affected,
        FULL.fixed_in,
    )
    assert (one.link, one.links, one.epss) == (FULL.link, FULL.links, FULL.epss)
    lone = AffectingAdvisory(id="CVE-2018-18074", affected="<3")
    [told] = deduplicate_advisories((LISTED, lone))
    assert (told.affected, told.fixed_in, told.link) == ("<3", LISTED.fixed_in, LISTED.link)


def test_the_worst_severity_is_shown_with_the_origin_that_states_it() -> None:
    worse = AffectingAdvisory(id="PYSEC-2018-28", severity="critical", severity_from="CVSS 3.1 score 9.8")
    [one] = deduplicate_advisories((FULL, worse))
    assert (one.severity, one.severity_from) == ("critical", "CVSS 3.1 score 9.8")
    assert one.affected == FULL.affected


def test_malware_comes_first_and_then_the_worst() -> None:
    known = (
        AffectingAdvisory(id="GHSA-low", severity="low"),
        AffectingAdvisory(id="MAL-1", malware=True),
        AffectingAdvisory(id="GHSA-high", severity="high"),
        AffectingAdvisory(id="GHSA-kev", exploited=True),
    )
    assert [one.id for one in deduplicate_advisories(known)] == ["MAL-1", "GHSA-kev", "GHSA-high", "GHSA-low"]


def test_no_advisory_is_none() -> None:
    assert deduplicate_advisories(()) == ()


names = st.sampled_from(["CVE-1", "CVE-2", "GHSA-1", "GHSA-2", "PYSEC-1", "MAL-1"])
records = st.builds(
    AffectingAdvisory,
    id=names,
    aliases=st.lists(names, max_size=2).map(tuple),
    severity=st.sampled_from(["low", "medium", "high", "critical", "unknown"]),
    affected=st.sampled_from(["", "<1", "<2"]),
    links=st.sampled_from([(), ("https://a.example",)]),
    malware=st.booleans(),
    exploited=st.booleans(),
    epss=st.none() | st.floats(0, 1),
)


@given(st.lists(records, max_size=6))
def test_the_card_shows_exactly_the_vulnerabilities_that_are_scored(some: list[AffectingAdvisory]) -> None:
    ours, scored = deduplicate_advisories(some), merge_advisories(some)
    assert {(v.id, v.severity, v.exploited, v.epss, v.malware) for v in ours} == {
        (v.id, v.severity, v.exploited, v.epss, v.malware) for v in scored
    }
    assert len(ours) == len(scored)


@given(st.lists(records, max_size=6), st.randoms())
def test_the_order_of_the_records_has_no_effect(some: list[AffectingAdvisory], chance: Random) -> None:
    mixed = list(some)
    chance.shuffle(mixed)
    assert deduplicate_advisories(mixed) == deduplicate_advisories(some)


@given(st.lists(records, max_size=6))
def test_what_is_distinct_stays_as_it_is(some: list[AffectingAdvisory]) -> None:
    once = deduplicate_advisories(some)
    assert deduplicate_advisories(once) == once


def test_npm_versions_are_compared_as_npm_does(screen: Screen) -> None:
    def on_npm(options: RenderOptions) -> str:
        page = Page(options)
        add_advisories(
            page, (AffectingAdvisory(id="GHSA-1", fixed_in=("4.0.1", "10.0.2")),), in_use("9.1.0", NPM), REACHED
        )
        return page.to_text()

    assert "fixed in  10.0.2\n" in screen(on_npm)
