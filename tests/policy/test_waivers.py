"""Waivers: which findings they match, when they end, and that nothing is ever left out."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.facts import AffectingAdvisory, PackageInfo
from nerq_cli.inventory import Dependency, Location, Package
from nerq_cli.policy.assessment import Assessment
from nerq_cli.policy.findings import Finding
from nerq_cli.policy.rules import RULES, WAIVABLE_RULES, RuleInput, find_findings
from nerq_cli.policy.settings import PolicySettings
from nerq_cli.policy.upgrade import find_uninstallable_fixes
from nerq_cli.policy.waivers import NOTICE_DAYS, Waiver, WaiverPaths, WaiverUse, apply_waivers

TODAY = date(2026, 11, 21)
AS_OF = int(datetime(2026, 11, 21, 12, tzinfo=timezone.utc).timestamp())


def finding(name: str = "demo", version: str = "1.0", *, rule: str = "vulnerability", **more: Any) -> Finding:
    ecosystem: EcosystemId = more.pop("ecosystem", PYPI)
    purl = Package(ecosystem=ecosystem, name=name).purl + (f"@{version}" if version else "")
    ids = more.pop("ids", ("GHSA-1-1", "CVE-2026-1") if rule == "vulnerability" else ())
    fields = {"advisory": ids[0] if ids else "", "advisory_ids": ids}
    return Finding(id=rule, text="t", purl=purl, name=name, version=version, **fields | more)


def waiver(**more: Any) -> Waiver:
    fields: dict[str, Any] = {"package": "demo", "reason": "r", "until": "2027-01-31"}
    if not {"rule", "advisories"} & set(more):
        fields["rule"] = "vulnerability"
    return Waiver(**fields | more)


def statement(status: str = "not_affected", **more: Any) -> Waiver:
    """Return what a VEX document states."""
    waives = status in ("not_affected", "fixed")
    fields: dict[str, Any] = {"package": "pypi:demo", "advisories": ("CVE-2026-1",), "until": "", "author": "acme"}
    return waiver(**fields | {"status": status, "waives": waives} | more)


def is_waived(one: Finding, *waivers: Waiver) -> bool:
    [applied], _ = apply_waivers([one], waivers, AS_OF)
    assert replace(applied, waiver=None) == one
    return applied.waiver is not None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"package": "pypi:demo"}, True),
        ({"package": "Demo"}, True),
        ({"package": "de*"}, True),
        ({"package": "npm:demo"}, False),
        ({"package": "demo2"}, False),
        ({"rule": "yanked"}, False),
        ({"advisories": ("GHSA-1-1",)}, True),
        ({"advisories": ("cve-2026-1",)}, True),
        ({"advisories": ("CVE-2026-2",)}, False),
        ({"version": "<2"}, True),
        ({"version": "1.0.0"}, True),
        ({"version": "==1.0"}, True),
        ({"version": ">=1.1"}, False),
        ({"version": "1.1"}, False),
        ({"until": "2026-11-21"}, True),
        ({"until": "2026-11-20"}, False),
        ({"until_fixed": True}, True),
    ],
)
def test_a_waiver_matches_by_package_version_and_target(fields: dict[str, Any], *, expected: bool) -> None:
    assert is_waived(finding(), waiver(**fields)) is expected


@pytest.mark.parametrize(
    ("one", "fields", "expected"),
    [
        (finding("@acme/x", ecosystem=NPM), {"package": "@acme/*"}, True),
        (finding("@acme/x", ecosystem=NPM), {"package": "npm:@acme/x", "version": "^1.0.0"}, False),
        (finding("@acme/x", "1.2.0", ecosystem=NPM), {"package": "npm:@acme/x", "version": "^1.0.0"}, True),
        (finding(version="1.0rc1"), {"version": "<2"}, True),
        (finding(version="1.0+cu117"), {"version": "==1.0"}, True),
        (finding(version=""), {"version": "<2"}, False),
        (finding(version=""), {}, True),
        (finding(fix="2.0"), {"until_fixed": True}, False),
        (finding(rule="not-on-index", version=""), {"rule": "not-on-index"}, True),
        (finding(rule="malicious", ids=("MAL-1-1",)), {"advisories": ("MAL-1-1",)}, True),
        (finding(rule="malicious", ids=("MAL-1-1",)), {"rule": "score-below-threshold"}, False),
        (finding(rule="malicious", ids=("MAL-1-1",)), {"rule": "vulnerability"}, False),
        (finding(rule="malicious", ids=(), advisory="MAL-1-1"), {"advisories": ("MAL-1-1",)}, False),
        (Finding(id="lock-drift", text="a setting"), {"rule": "lock-drift", "package": "*"}, False),
    ],
)
def test_what_a_waiver_does_not_know_it_does_not_waive(one: Finding, fields: dict[str, Any], *, expected: bool) -> None:
    assert is_waived(one, waiver(**fields)) is expected


def test_of_several_waivers_the_one_that_applies_longest_counts_and_settings_outweigh_vex() -> None:
    waivers = [waiver(until="2026-12-01"), waiver(until="2027-12-01", owner="ann"), statement()]
    [applied], uses = apply_waivers([finding()], waivers, AS_OF)
    assert applied.waiver is not None
    assert applied.waiver.owner == "ann"
    assert [(use.matched_count, use.waived_count, use.open_count) for use in uses] == [(1, 0, 0), (1, 1, 0), (1, 0, 0)]
    assert [use.days_left for use in uses] == [10, 375, None]


def test_an_ended_waiver_beside_one_in_force_leaves_nothing_open() -> None:
    _, uses = apply_waivers([finding()], [waiver(until="2026-11-01"), waiver()], AS_OF)
    assert [use.open_count for use in uses] == [0, 0]
    _, [use] = apply_waivers([finding()], [waiver(until="2026-11-01")], AS_OF)
    assert (use.open_count, use.has_ended, use.days_left) == (1, True, -20)


def test_the_last_statement_of_vex_documents_decides() -> None:
    assert is_waived(finding(), statement())
    assert is_waived(finding(), statement("affected"), statement("fixed"))
    assert not is_waived(finding(), statement(), statement("affected"))
    assert not is_waived(finding(), statement("under_investigation"))
    assert is_waived(finding(), statement("affected"), waiver())  # the project's own decision


def test_a_vex_version_is_one_version_and_never_a_range() -> None:
    assert is_waived(finding(), statement(version="1.0.0"))
    assert not is_waived(finding(), statement(version=">=0"))
    one = finding("left", "1.2.3", ecosystem=NPM)
    assert not is_waived(one, statement(package="npm:left", version="1"))
    assert is_waived(one, statement(package="npm:left", version="1.2.3"))


# --- as rules


def assess(name: str = "demo", **more: Any) -> Assessment:
    dependency = Dependency(
        package=Package(ecosystem=PYPI, name=name),
        requirement="==1.0",
        version="1.0",
        resolution="pinned",
        direct=True,
        groups=("main",),
        locations=(Location(path="a.txt", line=1),),
    )
    advisories = (AffectingAdvisory(id="GHSA-1-1", aliases=("CVE-2026-1",), severity="high", fixed_in=("2.0",)),)
    fields: dict[str, Any] = {"dependency": dependency, "state": "ok", "advisories": advisories}
    return Assessment(**fields | more)


def check(*waivers: Waiver, assessments: tuple[Assessment, ...] = (), **more: Any) -> list[tuple[str, str, bool]]:
    settings = PolicySettings(levels=more.pop("levels", {}))
    found = find_findings(
        RuleInput(
            assessments=assessments or (assess(),),
            dependency_files=(),
            settings=settings,
            waivers=waivers,
            as_of=AS_OF,
            **more,
        )
    )
    return [(one.id, one.level, one.waiver is not None) for one in found]


VULNERABLE = ("vulnerability", "deny", False)
WAIVED = ("vulnerability", "deny", True)


def test_without_waivers_nothing_is_about_waivers() -> None:
    assert check() == [VULNERABLE]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [WAIVED]),
        ({"until": "2026-11-21"}, [WAIVED, ("waiver-expired", "warn", False)]),
        ({"until": "2026-12-05"}, [WAIVED, ("waiver-expired", "warn", False)]),
        ({"until": "2026-12-06"}, [WAIVED]),
        ({"until": "2026-11-20"}, [VULNERABLE, ("waiver-expired", "deny", False)]),
        ({"rule": "yanked"}, [VULNERABLE, ("waiver-unused", "warn", False)]),
        ({"rule": "yanked", "until": "2026-01-01"}, [VULNERABLE, ("waiver-unused", "warn", False)]),
        ({"until_fixed": True}, [VULNERABLE, ("waiver-expired", "deny", False)]),
    ],
)
def test_the_rules_about_waivers(fields: dict[str, Any], expected: list[tuple[str, str, bool]]) -> None:
    assert check(waiver(**fields)) == expected


def test_levels_of_the_rules_about_waivers() -> None:
    ended = waiver(until="2026-11-20")
    assert check(ended, levels={"waiver-expired": "warn"}) == [VULNERABLE, ("waiver-expired", "warn", False)]
    assert check(ended, levels={"waiver-expired": "allow"}) == [VULNERABLE]
    unused = waiver(rule="yanked")
    assert check(unused, levels={"waiver-unused": "deny"}) == [VULNERABLE, ("waiver-unused", "deny", False)]
    assert check(unused, levels={"waiver-unused": "allow"}) == [VULNERABLE]


def test_a_renewed_waiver_makes_the_old_one_unused() -> None:
    assert check(waiver(until="2026-11-20"), waiver()) == [WAIVED, ("waiver-unused", "warn", False)]


def test_statements_of_vex_documents_are_never_unused() -> None:
    assert check(statement(package="pypi:other")) == [VULNERABLE]


def test_a_waiver_may_have_a_use_where_something_was_not_checked() -> None:
    unused = waiver(rule="yanked")
    assert check(unused, is_partial=True) == [VULNERABLE]
    unknown = assess(state="unknown", advisories=())
    for pattern in ("demo", "pypi:Demo", "de*"):
        found = check(waiver(package=pattern, rule="yanked"), assessments=(unknown,))
        assert [id_ for id_, _, _ in found] == ["score-unknown"]
    found = check(waiver(package="other", rule="yanked"), assessments=(unknown,))
    assert [id_ for id_, _, _ in found] == ["waiver-unused", "score-unknown"]


def test_a_vex_statement_on_a_part_of_a_product_is_left_out() -> None:
    assert check(statement(product="")) == [WAIVED]
    assert check(statement(product="pkg:pypi/framework")) == [VULNERABLE]


def test_until_fixed_lasts_while_no_fix_can_be_installed() -> None:
    lasting = waiver(until_fixed=True)
    assert check(lasting, assessments=(assess(uninstallable_fixes=("GHSA-1-1",)),)) == [WAIVED]
    unfixed = assess(advisories=(AffectingAdvisory(id="GHSA-1-1", severity="high"),))
    assert check(lasting, assessments=(unfixed,)) == [WAIVED]


# Flags of versions: yanked, pre-release, deprecated, nothing.
@pytest.mark.parametrize(
    ("versions", "flags", "fixed_in", "expected"),
    [
        (("2.0", "1.0"), (0, 0), ("2.0",), ()),
        (("2.0", "1.0"), (1, 0), ("2.0",), ("A",)),
        (("2.0", "1.0"), (4, 0), ("2.0",), ("A",)),
        (("2.0rc1", "1.0"), (2, 0), ("2.0rc1",), ("A",)),
        (("1.0",), (0,), ("2.0",), ("A",)),
        (("3.0", "2.0", "1.0"), (0, 1, 0), ("2.0",), ()),
        (("2.5", "1.0"), (0, 0), ("1.9", "3.0"), ("A",)),
        (("2.5", "1.9", "1.0"), (0, 0, 0), ("1.9", "3.0"), ()),
        (("1.0",), (0,), (), ()),
    ],
)
def test_a_fix_that_cannot_be_installed(
    versions: tuple[str, ...], flags: tuple[int, ...], fixed_in: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    info = PackageInfo(name="demo", versions=versions, published=(1,) * len(versions), flags=flags)
    advisories = (AffectingAdvisory(id="A", fixed_in=fixed_in),)
    dependency = assess().dependency
    assert find_uninstallable_fixes(dependency, info, advisories, python="3.12") == expected
    partial = replace(info, partial=True)
    assert find_uninstallable_fixes(dependency, partial, advisories, python="3.12") == ()


# --- laws

NAMES = st.sampled_from(["demo", "other", "@acme/x"])
FINDINGS = st.builds(
    finding,
    NAMES,
    st.sampled_from(["", "1.0", "2.0"]),
    rule=st.sampled_from([rule.id for rule in RULES]),
    ids=st.sampled_from([(), ("GHSA-1-1", "CVE-2026-1"), ("MAL-1-1",)]),
    fix=st.sampled_from(["", "3.0"]),
    level=st.sampled_from(["warn", "deny"]),
    undecided=st.booleans(),
)
WAIVERS = st.builds(
    waiver,
    package=st.one_of(NAMES, st.sampled_from(["*", "pypi:demo", "@acme/*"])),
    version=st.sampled_from(["", "<2", "2.0"]),
    rule=st.sampled_from(["", *WAIVABLE_RULES]),
    advisories=st.sampled_from([(), ("CVE-2026-1",), ("MAL-1-1",)]),
    until=st.dates(TODAY - timedelta(40), TODAY + timedelta(40)).map(date.isoformat) | st.just(""),
    until_fixed=st.booleans(),
    waives=st.booleans(),
)


def is_ended(one: Waiver) -> bool:
    return bool(one.until) and one.until < TODAY.isoformat()


@given(st.lists(FINDINGS, max_size=8), st.lists(WAIVERS, max_size=8))
def test_no_waiver_removes_or_changes_a_finding(findings: list[Finding], waivers: list[Waiver]) -> None:
    applied, uses = apply_waivers(findings, waivers, AS_OF)
    assert [replace(one, waiver=None) for one in applied] == findings
    assert len(uses) == len(waivers)
    assert sum(use.waived_count for use in uses) == sum(one.waiver is not None for one in applied)
    assert all(use.matched_count >= use.waived_count + use.open_count for use in uses)


@given(st.lists(FINDINGS, max_size=8), st.lists(WAIVERS, max_size=8))
def test_an_ended_waiver_is_as_if_it_were_not_there(findings: list[Finding], waivers: list[Waiver]) -> None:
    in_force = [one for one in waivers if not is_ended(one)]
    assert apply_waivers(findings, waivers, AS_OF)[0] == apply_waivers(findings, in_force, AS_OF)[0]


@given(st.lists(FINDINGS, max_size=8), WAIVERS)
def test_a_waiver_of_a_rule_waives_that_rule_alone(findings: list[Finding], one: Waiver) -> None:
    applied, _ = apply_waivers(findings, [one], AS_OF)
    for result in applied:
        if result.waiver is not None:
            assert result.id == one.rule or set(one.advisories) & set(result.advisory_ids)


@given(st.lists(WAIVERS, max_size=6), st.integers(0, 30))
def test_more_time_never_makes_a_waiver_apply_again(waivers: list[Waiver], days: int) -> None:
    own = [one for one in waivers if one.until]
    [now], _ = apply_waivers([finding()], own, AS_OF)
    [later], _ = apply_waivers([finding()], own, AS_OF + days * 86_400)
    assert now.waiver is not None or later.waiver is None


def test_notice_is_two_weeks() -> None:
    assert NOTICE_DAYS == 14
    assert WaiverUse(waiver=statement()).has_ended is False


def drift(*paths: str, purl: str = "", rule: str = "lock-drift") -> Finding:
    """Return a finding at places; about a package if it has a package URL."""
    name = "demo" if purl else ""
    return Finding(
        id=rule, text="t", purl=purl, name=name, locations=tuple(Location(path=path, line=1) for path in paths)
    )


@pytest.mark.parametrize(
    ("one", "fields", "expected"),
    [
        (drift("web/package.json"), {"path": "web/package.json"}, True),
        (drift("web/package.json"), {"path": "/web/package.json"}, True),
        (drift("web/package.json"), {"path": "web"}, True),
        (drift("web/package.json"), {"path": "web/*.json"}, True),
        (drift("web/package.json"), {"path": "**/package.json"}, True),
        (drift("web/package.json"), {"path": "package.json"}, False),  # that is the one beside the settings
        (drift("web/package.json"), {"path": "web/package.json", "rule": "age-policy-mismatch"}, False),
        (drift("web/package.json", "b/package.json"), {"path": "web/package.json"}, True),
        (drift(), {"path": "web/package.json"}, False),
        (drift("web/package.json", purl="pkg:npm/demo"), {"path": "web/package.json"}, False),
        (drift("web/package.json", purl="pkg:npm/demo"), {"path": "web/package.json", "package": "demo"}, True),
        (drift("web/a", "b/a", purl="pkg:npm/demo"), {"path": "web/a", "package": "demo"}, False),
        (drift("web/a"), {"path": "web/a", "directory": ""}, True),
        (drift("web/a"), {"path": "a", "directory": "web"}, True),
        (drift("webs/a"), {"path": "a", "directory": "web"}, False),
        (drift("web/a", "b/a", purl="pkg:npm/demo"), {"package": "demo", "directory": "web"}, False),
    ],
)
def test_a_waiver_of_files_waives_what_is_about_no_package(
    one: Finding, fields: dict[str, Any], *, expected: bool
) -> None:
    assert is_waived(one, waiver(**{"package": "", "rule": "lock-drift"} | fields)) is expected


@pytest.mark.parametrize(
    ("paths", "path", "expected"),
    [
        (WaiverPaths(base="../app"), "../app/web/package.json", True),
        (WaiverPaths(base="../app"), "web/package.json", False),
        (WaiverPaths(prefix="web"), "package.json", True),
        (WaiverPaths(base="x", prefix="web"), "x/package.json", True),
        (WaiverPaths(prefix="web"), "web/package.json", False),
    ],
)
def test_paths_of_waivers_are_relative_to_the_settings(paths: WaiverPaths, path: str, *, expected: bool) -> None:
    one = waiver(package="", path="web/package.json", rule="lock-drift")
    [applied], _ = apply_waivers([drift(path)], [one], AS_OF, paths)
    assert (applied.waiver is not None) is expected
