from __future__ import annotations

import time
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.facts import Advisory, AffectedPackage, Event, History, Range
from nerq_cli.inventory import Package
from nerq_cli.vulnerabilities import matching
from nerq_cli.vulnerabilities.matching import (
    VersionMatch,
    affects_version,
    build_history,
    find_fixes,
    format_affected_range,
    match_advisories,
)
from nerq_cli.vulnerabilities.severity import GHSA_LABEL

DEMO = Package(ecosystem=PYPI, name="demo")
NOW = 1_800_000_000
DAY = 86_400


def span(*events: str) -> Range:
    """A range, each event written as in ``+1.0`` (introduced), ``-2.0`` (fixed), ``=2.0`` (last affected), ``~3``."""
    kinds = {"+": "introduced", "-": "fixed", "=": "last_affected", "~": "limit"}
    return Range("ECOSYSTEM", tuple(Event(**{kinds[event[0]]: event[1:]}) for event in events))


def pypi(*ranges: Range, versions: tuple[str, ...] = ()) -> AffectedPackage:
    return AffectedPackage(PYPI, "demo", versions, ranges)


def npm(*ranges: Range, versions: tuple[str, ...] = ()) -> AffectedPackage:
    return AffectedPackage(NPM, "demo", versions, ranges)


def advisory(  # noqa: PLR0913 - every field a test may want to state
    identifier: str,
    *affected: AffectedPackage,
    aliases: tuple[str, ...] = (),
    severity: str = "unknown",
    origin: str = "",
    published: int = NOW - 400 * DAY,
    withdrawn: bool = False,
    malware: bool = False,
    summary: str = "",
    links: tuple[str, ...] = (),
) -> Advisory:
    return Advisory(
        id=identifier,
        published=published,
        aliases=aliases,
        severity=severity,
        severity_from=origin,
        affected=affected or (pypi(span("+0", "-2.0")),),
        withdrawn=withdrawn,
        malware=malware,
        summary=summary,
        links=links,
    )


# Which versions are affected


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        (("+0", "-2.0"), ("0.0.1", "1.9", "2.0rc1", "2.0.dev1"), ("2.0", "2.0.0", "2.0.post1", "3")),
        (("+1.0", "-2.0"), ("1.0", "1.0.post1", "1.5a1"), ("1.0rc1", "0.9", "2.0")),
        (("+0", "=2.0"), ("2.0", "2.0.0", "1"), ("2.0.post1", "2.1")),
        (("+2.0", "=2.0"), ("2.0",), ("1.9", "2.0.1")),
        (("+1.0", "-1.5", "+2.0", "-2.3"), ("1.2", "2.0", "2.2.9"), ("1.5", "1.9", "2.3")),
        (("-2.3", "+2.0", "-1.5", "+1.0"), ("1.2", "2.1"), ("1.6", "2.3")),
        (("+1.0",), ("1.0", "99"), ("0.9",)),
        (("+0",), ("0", "0a1", "99"), ()),
        (("+0", "~2.0"), ("1.9",), ("2.0", "3")),
        (("+0", "~*"), ("1.9", "99"), ()),
        (("-2.0",), (), ("1.0", "2.0")),
        (("+1.0", "-1.0"), (), ("1.0", "2.0")),
        (("+1!0", "-1!2"), ("1!1",), ("3", "1!2")),
    ],
)
def test_a_range_holds_what_its_events_say(
    events: tuple[str, ...], inside: tuple[str, ...], outside: tuple[str, ...]
) -> None:
    record = pypi(span(*events))
    assert [version for version in inside if not affects_version(record, version)] == []
    assert [version for version in outside if affects_version(record, version)] == []


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        (("+0", "-2.0.0"), ("0.0.0", "1.10.0", "2.0.0-rc.1", "1.0.0+build"), ("2.0.0", "2.0.0+x", "10.0.0")),
        (("+1.0.0-alpha.2", "-1.0.0"), ("1.0.0-alpha.10", "1.0.0-beta"), ("1.0.0-alpha.1", "1.0.0")),
        (("+1", "-1.2"), ("1.0.0", "1.1.9"), ("0.9.9", "1.2.0", "1.0.0-rc.1")),
    ],
)
def test_npm_versions_are_ordered_by_semantic_versioning(
    events: tuple[str, ...], inside: tuple[str, ...], outside: tuple[str, ...]
) -> None:
    record = npm(span(*events))
    assert [version for version in inside if not affects_version(record, version)] == []
    assert [version for version in outside if affects_version(record, version)] == []


def test_any_of_several_ranges_is_enough() -> None:
    record = pypi(span("+1", "-1.5"), span("+2", "-2.5"))
    assert [version for version in ("1.2", "1.7", "2.2", "2.7") if affects_version(record, version)] == ["1.2", "2.2"]


def test_an_enumerated_version_is_affected_whatever_the_ranges_say() -> None:
    record = pypi(span("+0", "-1.0"), versions=("1.5", "1.6"))
    assert affects_version(record, "1.5")
    assert not affects_version(record, "1.7")


@pytest.mark.parametrize("spelling", ["1.0.0", "v1.0", "1.0.0.0", "01.0"])
def test_an_enumerated_version_is_found_in_any_spelling(spelling: str) -> None:
    assert affects_version(pypi(versions=("0.9", "1.0")), spelling)
    assert not affects_version(pypi(versions=("10", "1.1", "1.0a1")), spelling)


def test_npm_ignores_build_metadata_in_enumerated_versions() -> None:
    assert affects_version(npm(versions=("1.0.0+b1",)), "1.0.0+b2")


def test_a_local_build_is_as_affected_as_what_it_was_built_of() -> None:
    assert affects_version(pypi(span("+0", "=2.0")), "2.0+cu118")
    assert affects_version(pypi(versions=("2.0",)), "2.0+cu118")
    assert not affects_version(pypi(span("+0", "-2.0")), "2.0+cu118")


def test_what_is_no_version_is_affected_where_it_is_named_or_everything_is() -> None:
    assert affects_version(pypi(versions=("junk",)), "junk")
    assert affects_version(pypi(span("+junk", "=junk")), "junk")
    assert affects_version(pypi(span("+0")), "junk")
    assert not affects_version(pypi(span("+0", "-2.0")), "junk")
    assert not affects_version(pypi(span("+0", "~2.0")), "junk")
    assert not affects_version(pypi(span("+1.0")), "junk")


def test_an_event_that_is_no_version_comes_before_all_versions_as_at_osv() -> None:
    assert not affects_version(pypi(span("+0", "-2019-09-12x")), "1.0")
    assert affects_version(pypi(span("+0", "-2019-09-12x"), versions=("1.0",)), "1.0")


_VERSIONS = st.builds(
    "{}{}{}".format,
    st.lists(st.integers(0, 12), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts))),
    st.sampled_from(["", "a1", "rc2", ".post1"]),
    st.sampled_from(["", ".dev3"]),
)


@given(low=_VERSIONS, high=_VERSIONS, version=_VERSIONS)
def test_one_range_is_what_the_order_of_versions_says(low: str, high: str, version: str) -> None:
    record = pypi(span(f"+{low}", f"-{high}"))
    if low != "0" and Version(low) <= Version(high):
        assert affects_version(record, version) == (Version(low) <= Version(version) < Version(high))


@given(named=st.lists(_VERSIONS, max_size=6), version=_VERSIONS)
def test_enumeration_is_equality_of_versions(named: list[str], version: str) -> None:
    assert affects_version(pypi(versions=tuple(named)), version) == any(
        Version(one) == Version(version) for one in named
    )


@given(events=st.lists(st.tuples(st.sampled_from("+-=~"), _VERSIONS), max_size=5), version=_VERSIONS)
def test_the_order_in_which_events_are_written_means_nothing(events: list[tuple[str, str]], version: str) -> None:
    texts = [f"{kind}{text}" for kind, text in events]
    assert len({affects_version(pypi(span(*order)), version) for order in list(permutations(texts))[:24]}) == 1


_TEXT = st.text(max_size=12)
_EVENTS = st.builds(Event, introduced=_TEXT, fixed=_TEXT, last_affected=_TEXT, limit=_TEXT)


@given(
    record=st.builds(
        AffectedPackage,
        ecosystem=st.sampled_from([PYPI, NPM, "Go"]),
        name=st.just("demo"),
        versions=st.lists(_TEXT, max_size=4).map(tuple),
        ranges=st.lists(st.builds(Range, kind=_TEXT, events=st.lists(_EVENTS, max_size=4).map(tuple)), max_size=3).map(
            tuple
        ),
    ),
    version=_TEXT | _VERSIONS,
)
def test_nothing_anybody_writes_raises(record: AffectedPackage, version: str) -> None:
    affects_version(record, version)
    assert not any(affects_version(record, fix) for fix in find_fixes(record, version))
    format_affected_range(record)
    one = Advisory(id="X-1", affected=(record,), malware=True)
    match_advisories([one], DEMO, version)
    build_history([one], DEMO, version, version, NOW)


# What fixes them


@pytest.mark.parametrize(
    ("ranges", "version", "fixes"),
    [
        ((("+0", "-2.0"),), "1.0", ("2.0",)),
        ((("+1.0", "-1.5"), ("+2.0", "-2.3")), "1.2", ("1.5", "2.3")),
        ((("+1.0", "-1.5", "+2.0", "-2.3", "+3", "-3.1"),), "2.1", ("2.3", "3.1")),
        ((("+1.0", "-1.5"), ("+2.0", "-2.3")), "2.1", ("2.3",)),
        ((("+0", "=2.0"),), "1.0", ()),
        ((("+0",),), "1.0", ()),
        ((("+0", "=1.5", "+2.0", "-2.3"),), "1.0", ("2.3",)),
        ((("+0", "-2.0"), ("+1.0", "-2.5")), "1.2", ("2.5",)),
        ((("+0", "-2.0"), ("+0", "-2.0.0")), "1.2", ("2.0",)),
        ((("+0", "-not-a-version"),), "1.2", ()),
    ],
)
def test_the_nearest_fix_and_the_newest_are_named(
    ranges: tuple[tuple[str, ...], ...], version: str, fixes: tuple[str, ...]
) -> None:
    assert find_fixes(pypi(*(span(*events) for events in ranges)), version) == fixes


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (pypi(span("+0", "-2.0")), "<2.0"),
        (pypi(span("+1.0", "-1.5", "+2.0", "=2.3")), ">=1.0, <1.5 || >=2.0, <=2.3"),
        (pypi(span("+1.0"), span("+1.0")), ">=1.0"),
        (pypi(span("+0")), "all versions"),
        (pypi(span("+0", "~2.0", "~3.0")), "<3.0"),
        (pypi(span("+1", "+1.2", "-2", "-3")), ">=1, <2"),
        (pypi(versions=("1.0", "1.1")), "==1.0 || ==1.1"),
        (pypi(versions=tuple("123456789")), "==1 || ==2 || ==3 || ==4 || ==5 || 4 more"),
        (pypi(), ""),
    ],
)
def test_the_affected_range_is_put_in_words(record: AffectedPackage, words: str) -> None:
    assert format_affected_range(record) == words


# Vulnerabilities


def test_a_record_that_does_not_affect_the_version_is_left_out() -> None:
    assert match_advisories([advisory("A-1"), advisory("A-2", withdrawn=True)], DEMO, "2.0") == ()
    assert match_advisories([advisory("A-2", withdrawn=True)], DEMO, "1.0") == ()


def test_a_record_about_another_package_is_left_out() -> None:
    assert match_advisories([advisory("A-1", AffectedPackage(NPM, "demo", ("1.0",)))], DEMO, "1.0") == ()
    assert match_advisories([advisory("A-1", AffectedPackage(PYPI, "other", ("1.0",)))], DEMO, "1.0") == ()


def test_all_that_a_record_says_of_a_package_counts_together() -> None:
    record = advisory("A-1", pypi(span("+1", "-1.5")), pypi(span("+2", "-2.5")), npm(span("+0")))
    [found] = match_advisories([record], DEMO, "1.2")
    assert (found.fixed_in, found.affected) == (("1.5", "2.5"), ">=1, <1.5 || >=2, <2.5")


def test_aliases_are_one_vulnerability_even_through_others() -> None:
    records = [
        advisory("PYSEC-1", aliases=("CVE-1",), summary="late"),
        advisory("GHSA-1", aliases=("CVE-1", "CVE-2"), links=("https://x.example/1",)),
        advisory("OSV-1", aliases=("CVE-2",)),
        advisory("OTHER-1", aliases=("CVE-3",)),
    ]
    for order in permutations(records):
        one, other = match_advisories(order, DEMO, "1.0")
        assert (one.id, one.aliases) == ("GHSA-1", ("CVE-1", "CVE-2", "OSV-1", "PYSEC-1"))
        assert (one.summary, one.fixed_in, one.affected) == ("late", ("2.0",), "<2.0")
        assert (one.link, one.links) == ("https://osv.dev/vulnerability/GHSA-1", ("https://x.example/1",))
        assert (other.id, other.link) == ("OTHER-1", "")


def test_the_page_of_a_record_that_osv_does_not_keep_is_its_first_link() -> None:
    [found] = match_advisories([advisory("X-1", links=("https://x.example/1", "https://x.example/2"))], DEMO, "1.0")
    assert found.link == "https://x.example/1"


@pytest.mark.parametrize(
    ("records", "severity", "origin"),
    [
        ([("A-1", "unknown", "")], "unknown", ""),
        ([("A-1", "low", "CVSS 3.1 score 2.0"), ("B-1", "high", "CVSS 3.1 score 8.0")], "high", "alias B-1"),
        ([("A-1", "low", "CVSS 3.1 score 2.0"), ("GHSA-1", "high", GHSA_LABEL)], "high", "alias GHSA-1"),
        ([("A-1", "unknown", ""), ("B-1", "low", "x"), ("C-1", "high", "y")], "high", "alias C-1"),
        ([("GHSA-1", "medium", GHSA_LABEL), ("GHSA-2", "critical", GHSA_LABEL)], "critical", "alias GHSA-2"),
        ([("GHSA-1", "medium", GHSA_LABEL), ("B-1", "critical", "CVSS 3.1 score 9.8")], "medium", "alias GHSA-1"),
    ],
)
def test_severity_is_the_highest_reviewed_label_else_the_highest_of_all_records(
    records: list[tuple[str, str, str]], severity: str, origin: str
) -> None:
    made = [advisory(one, aliases=("CVE-1",), severity=band, origin=source) for one, band, source in records]
    [found] = match_advisories(made, DEMO, "1.0")
    assert (found.severity, found.severity_from) == (severity, origin)


def test_an_alias_that_affects_other_versions_still_lends_its_severity() -> None:
    other = advisory("Z-1", pypi(span("+5")), aliases=("A-1",), severity="high", origin="CVSS 3.1 score 8.0")
    [found] = match_advisories([advisory("A-1"), other], DEMO, "1.0")
    assert (found.severity, found.severity_from, found.aliases) == ("high", "alias Z-1", ("Z-1",))


def test_malware_is_said_of_the_exact_version_alone() -> None:
    bad = advisory("MAL-1", pypi(versions=("1.1",)), aliases=("GHSA-1",), malware=True)
    wide = advisory("GHSA-1", aliases=("MAL-1",))
    assert [one.malware for one in match_advisories([bad, wide], DEMO, "1.1")] == [True]
    assert [one.malware for one in match_advisories([bad, wide], DEMO, "1.0")] == [False]
    assert match_advisories([bad], DEMO, "1.0") == ()


# The past


def test_the_record_of_fixes_counts_each_old_vulnerability_once() -> None:
    records = [
        advisory("A-1", aliases=("CVE-1",)),
        advisory("B-1", pypi(span("+0")), aliases=("CVE-1",), published=NOW - 10 * DAY),
        advisory("C-1", pypi(span("+0", "=1.0"))),
        advisory("D-1", published=NOW - 89 * DAY),
        advisory("E-1", published=0),
        advisory("F-1", withdrawn=True),
        advisory("MAL-1", malware=True),
    ]
    found = build_history(records, DEMO, "9.0", None, NOW)
    assert (found.old_advisories, found.fixed_advisories, found.fixes_predecessor) == (2, 1, False)


def test_no_records_are_no_history() -> None:
    assert build_history([], DEMO, "1.0", "0.9", NOW) == History()


def test_malware_in_another_version_is_history() -> None:
    records = [
        advisory("MAL-1", pypi(versions=("1.1", "1.2", "1.0")), malware=True, published=NOW - 50),
        advisory("MAL-2", pypi(versions=("0.9",)), malware=True, published=NOW - 90),
        advisory("MAL-3", pypi(versions=("1.0",)), malware=True, published=NOW),
        advisory("MAL-4", pypi(span("+0")), malware=True, published=NOW),
    ]
    found = build_history(records, DEMO, "1.0.0", None, NOW)
    assert (found.malicious_version, found.malicious_at) == ("1.2", NOW - 50)


def test_malware_given_as_a_range_is_named_by_its_ends() -> None:
    record = advisory("MAL-1", pypi(span("+1.1", "=1.1")), malware=True, published=7)
    assert build_history([record], DEMO, "1.2", None, NOW).malicious_version == "1.1"


def test_a_release_that_ends_what_affected_its_predecessor_is_seen() -> None:
    assert build_history([advisory("A-1")], DEMO, "2.0", "1.9", NOW).fixes_predecessor
    assert not build_history([advisory("A-1")], DEMO, "2.1", "2.0", NOW).fixes_predecessor
    assert not build_history([advisory("A-1")], DEMO, "1.9", "1.8", NOW).fixes_predecessor
    bad = advisory("MAL-1", pypi(versions=("1.9",)), malware=True)
    assert not build_history([bad], DEMO, "2.0", "1.9", NOW).fixes_predecessor


def test_a_thousand_packages_are_matched_in_a_fifth_of_a_second() -> None:
    versions = tuple(f"{major}.{minor}" for major in range(4) for minor in range(10))
    packages = [Package(ecosystem=PYPI, name=f"demo-{number}") for number in range(1_000)]
    records = [
        [
            advisory(
                f"GHSA-{number}",
                AffectedPackage(PYPI, package.name, versions, (span("+0", f"-{number}.{index % 40}.1"),)),
            )
            for number in range(1, 4)
        ]
        for index, package in enumerate(packages)
    ]
    started = time.process_time()
    for package, some in zip(packages, records, strict=True):
        match_advisories(some, package, "2.7.1")
        build_history(some, package, "2.7.1", "2.7.0", NOW)
    assert time.process_time() - started < 1.0  # 0.2 s on a quiet machine


def test_each_record_is_compared_with_the_version_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    contain = matching._OrderedVersions.contain  # noqa: SLF001 - its calls are counted

    def observe(self: matching._OrderedVersions, version: str) -> bool:
        compared.append((self.affected.versions[0], version))
        return contain(self, version)

    monkeypatch.setattr(matching._OrderedVersions, "contain", observe)  # noqa: SLF001 - see above
    records = [advisory(f"A-{number}", pypi(versions=(f"{number}.0",))) for number in range(5)]
    match = VersionMatch(records, DEMO, "2.0")
    assert [found.id for found in match.find_affecting()] == ["A-2"]
    assert match.find_unevaluable() == ()
    assert match.build_history(None, NOW).old_advisories == 5
    assert compared == [(f"{number}.0", "2.0") for number in range(5)]


@pytest.mark.parametrize("local", ["", "+cu118"])
def test_the_versions_of_a_record_are_compared_only_with_one_of_the_same_digits(
    monkeypatch: pytest.MonkeyPatch, local: str
) -> None:
    record = pypi(versions=tuple(f"{major}.{minor}{local}" for major in range(20) for minor in range(20)))
    monkeypatch.setattr(matching, "_get_position", None)
    monkeypatch.setattr(matching, "_get_public_position", lambda *_: (2, None))
    assert not affects_version(record, "88.88.8")


@pytest.mark.parametrize(
    ("events", "affected", "words"),
    [
        ([{"introduced": "1"}, {"fixed": "2"}, {"introduced": "2"}, {"fixed": "3"}], ["1", "2", "2.5"], ">=1, <3"),
        ([{"introduced": "2"}, {"fixed": "3"}, {"introduced": "1"}, {"fixed": "2"}], ["1", "2", "2.5"], ">=1, <3"),
        ([{"introduced": "2"}, {"fixed": "2"}], [], ""),
    ],
)
def test_stretches_that_touch_are_one_and_an_empty_one_is_none(
    events: list[dict[str, str]], affected: list[str], words: str
) -> None:
    one = AffectedPackage(PYPI, "demo", (), (Range("ECOSYSTEM", tuple(Event(**event) for event in events)),))
    assert [version for version in ("0.9", "1", "2", "2.5", "3") if affects_version(one, version)] == affected
    assert format_affected_range(one) == words


@pytest.mark.parametrize(
    ("identifier", "affected", "version", "malware"),
    [
        ("PYSEC-1", pypi(span("+1.8"), versions=("1.8",)), "1.8", True),
        ("PYSEC-1", pypi(span("+1.8"), versions=("1.8",)), "1.9", False),
        ("PYSEC-1", pypi(span("+1.8", "-2.0"), versions=("1.8",)), "1.9", True),
        ("PYSEC-1", pypi(span("+1.8", "-1.9", "+2.0"), versions=("1.8",)), "2.1", False),
        ("PYSEC-1", pypi(span("+0")), "1.9", True),
        ("MAL-1", pypi(span("+1.8"), versions=("1.8",)), "1.9", True),
    ],
)
def test_malware_known_by_its_text_is_not_what_an_open_range_adds(
    identifier: str, affected: AffectedPackage, version: str, *, malware: bool
) -> None:
    [affecting_advisory] = match_advisories([advisory(identifier, affected, malware=True)], DEMO, version)
    assert affecting_advisory.malware is malware


@pytest.mark.parametrize(
    ("record", "is_affected"),
    [
        (pypi(span("+0", "-2.31.0")), False),
        (pypi(span("+1.0")), False),
        (pypi(span("+1.0", "=2.0"), versions=("1.0",)), False),
        (pypi(span("+0")), True),
        (pypi(span("+0", "-1.0"), span("+0")), True),
        (npm(span("+0", "-4.17.5")), False),
        (npm(span("+0")), True),
    ],
)
def test_a_version_that_is_not_known_is_affected_where_every_version_is(
    record: AffectedPackage, is_affected: object
) -> None:
    assert affects_version(record, "") is is_affected
