"""What each policy rule finds, what it lets pass, and what it states of facts that are not known."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.facts import AffectingAdvisory, Found, Metadata
from nerq_cli.inventory import Dependency, DependencyFile, Location, Package
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy import State, judge_dependency
from nerq_cli.policy.assessment import Assessment, pack_metadata
from nerq_cli.policy.findings import Finding, Level
from nerq_cli.policy.marks import MARK_SHIFTS, read_mark
from nerq_cli.policy.rules import RULES, RuleInput, describe_counts, find_findings, group_by_rule
from nerq_cli.policy.settings import PolicySettings, VulnerabilityOptions
from nerq_cli.scoring import Cap, Score
from nerq_cli.scoring.breakdown import Breakdown
from nerq_cli.signals.signal import Signal


def lost(name: str, *lines: int, version: str = "1.0", ecosystem: EcosystemId = PYPI) -> Assessment:
    dependency = Dependency(
        package=Package(ecosystem=ecosystem, name=name),
        requirement=f"=={version}",
        version=version,
        resolution="pinned",
        direct=True,
        groups=(),
        locations=tuple(Location(path="a.txt", line=line) for line in lines),
    )
    return Assessment(dependency=dependency, state="unknown", in_registry=False)


def check(*assessments: Assessment) -> tuple[Finding, ...]:
    findings = find_findings(RuleInput(assessments=assessments, dependency_files=()))
    return tuple(finding for finding in findings if finding.id == "not-on-index")


def test_a_name_is_found_once_with_every_place_that_writes_it() -> None:
    found = check(lost("x", 1, 2), lost("y", 3, ecosystem=NPM), lost("x", 2, 4, version="2.0"))
    assert [(one.name, one.purl, [place.line for place in one.locations]) for one in found] == [
        ("x", "pkg:pypi/x", [1, 2, 4]),
        ("y", "pkg:npm/y", [3]),
    ]
    assert [one.text for one in found] == [
        "PyPI has no package of this name",
        "the npm registry has no package of this name",
    ]


def test_findings_are_counted_rule_by_rule_in_words() -> None:
    one, other = check(lost("x", 1), lost("y", 2))
    assert describe_counts([]) == []
    assert describe_counts([one]) == ["1 name in no public index"]
    assert describe_counts([one, other]) == ["2 names in no public index"]
    assert {rule.id: group for rule, group in group_by_rule([one, other]).items()} == {"not-on-index": [one, other]}
    assert group_by_rule([]) == {}


def test_every_rule_has_an_id_of_its_own_and_words_for_one_and_for_several() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(len(set(rule.headings)) == 2 and rule.hint for rule in RULES)
    assert all(rule.summary.endswith(".") and rule.explanation.endswith(".") for rule in RULES)


# --- each rule

DAY = 86_400
AS_OF = 1_800_000_000


def cap(id_: str, limit: float = 50, reason: str = "") -> Cap:
    return Cap(id=id_, limit=limit, reason=reason or f"cap {id_}", source="", retrieved_at=0)


def scored(value: float | None = 90.0, *caps: Cap, **more: Any) -> Score:
    fields: dict[str, Any] = {
        "methodology": PACKAGES,
        "value": value,
        "total": value,
        "grade": None,
        "coverage": 1.0,
        "low": None,
        "high": None,
        "caps": caps,
        "breakdown": Breakdown(
            signals=more.pop("signals", ()), dimensions=more.pop("dimensions", {}), points_per_weight={}, reasons=()
        ),
        "reason_texts": (),
        "provisional": False,
    }
    return Score(**fields | more)


def assess(name: str = "x", *, state: State | None = "ok", **more: Any) -> Assessment:
    ecosystem = more.pop("ecosystem", PYPI)
    if (found := more.pop("metadata", None)) is not None:
        more["packed_metadata"] = pack_metadata(found)
    fields = {
        "package": Package(ecosystem=ecosystem, name=name),
        "requirement": "==1.0",
        "version": "1.0",
        "resolution": "pinned",
        "direct": True,
        "groups": ("main",),
        "locations": (Location(path="a.txt", line=1),),
    }
    dependency = Dependency(**fields | more.pop("dependency", {}))
    return Assessment(dependency=dependency, state=state, score=more.pop("score", scored()), **more)


def metadata(**fields: Any) -> Found[Metadata]:
    return Found(Metadata(version="1.0", **fields), "PyPI", 0)


def find(rule: str, *assessments: Assessment, level: Level = "deny", **more: Any) -> list[Finding]:
    """Return what a rule finds at a level."""
    files = more.pop("files", ())
    settings = PolicySettings(levels={rule: level}, **more)
    rule_input = RuleInput(
        assessments=assessments, dependency_files=files, settings=settings, as_of=AS_OF, threshold=70.0
    )
    return [finding for finding in find_findings(rule_input) if finding.id == rule]


def mark(rule: str, answer: str) -> int:
    """Return the marks of a release with this answer for one rule: yes, no or unknown."""
    value = {"yes": True, "no": False, "unknown": None}[answer]
    return next(marks for bits in range(3) if read_mark(marks := bits << MARK_SHIFTS[rule], rule) is value)


@pytest.mark.parametrize(
    "rule", ["yanked", "deprecated", "archived", "inactive", "vanished", "provenance-lost", "publisher-changed"]
)
def test_a_rule_about_a_mark_is_broken_kept_or_not_decided(rule: str) -> None:
    [broken] = find(rule, assess(marks=mark(rule, "yes")))
    assert (broken.level, broken.undecided, broken.name, broken.version) == ("deny", False, "x", "1.0")
    assert broken.text
    assert find(rule, assess(marks=mark(rule, "no"))) == []
    [undecided] = find(rule, assess(marks=mark(rule, "unknown")))
    assert (undecided.level, undecided.undecided) == ("warn", True)
    assert find(rule, assess(marks=None))[0].undecided  # nothing was read
    assert find(rule, assess(marks=mark(rule, "yes")), level="allow") == []
    assert find(rule, assess(marks=mark(rule, "yes")), level="warn")[0].level == "warn"


@pytest.mark.parametrize("rule", [rule.id for rule in RULES if not rule.leaves_incomplete])
def test_what_is_not_looked_up_breaks_no_rule_about_packages(rule: str) -> None:
    own = assess(state="skipped", score=None, dependency={"skip_reason": "local path"})
    listed = assess(state=None, score=None)
    more: dict[str, Any] = {"allowed_licences": ("MIT",), "min_age": DAY}
    assert find(rule, own, listed, **more) == []


def test_a_score_below_its_threshold_is_found_with_both_numbers() -> None:
    [finding] = find("score-below-threshold", assess(state="below", score=scored(45.0)))
    assert finding.text == "45.0 of 70 points"
    [capped] = find("score-below-threshold", assess(state="below", score=scored(None, cap("critical", 45))))
    assert capped.text == "at most 45.0 of 70 points"
    assert find("score-below-threshold", assess()) == []
    assert find("score-below-threshold", assess(state="unknown")) == []


def test_a_finding_names_the_threshold_of_the_package_and_of_a_dimension() -> None:
    signals = [
        Signal(id=spec.id, state="known", value=50, reason="", source="", retrieved_at=0)
        for spec in PACKAGES.signals.values()
        if spec.dimension == "security"
    ]
    low = assess(state="below", score=scored(60.0, signals=tuple(signals), dimensions={"security": 50.0}))
    [finding] = find(
        "score-below-threshold", low, package_thresholds={"x": 65.0}, dimension_thresholds={"security": 80.0}
    )
    assert finding.text == "60.0 of 65 points; security 50.0 of 80 points"


def test_a_dimension_below_its_threshold_fails_and_one_that_is_not_known_is_unknown() -> None:
    ids = [spec.id for spec in PACKAGES.signals.values() if spec.dimension == "security"]
    known = [Signal(id=id_, state="known", value=50, reason="", source="", retrieved_at=0) for id_ in ids]
    unknown = [Signal(id=id_, state="unknown", value=None, reason="not read", source="", retrieved_at=0) for id_ in ids]
    dependency = assess().dependency
    for signals, minimum, state in (
        (known, 51.0, "below"),
        (known, 50.0, "ok"),
        (unknown, 30.0, "ok"),
        (unknown, 31.0, "unknown"),
        (unknown, 91.0, "below"),
        ([], 99.0, "ok"),
    ):
        score = scored(90.0, signals=tuple(signals))
        assert judge_dependency(dependency, score, 70.0, {"security": minimum}) == state


@pytest.mark.parametrize(("rule", "state"), [("score-unknown", "unknown"), ("not-judged", "not-judged")])
def test_what_is_not_judged_leaves_a_run_incomplete_at_every_level(rule: str, state: State) -> None:
    for level in ("allow", "warn", "deny"):
        [finding] = find(rule, assess(state=state, score=None, reasons=("no answer",)), level=level)
        assert (finding.level, finding.undecided, finding.text) == (level, True, "no answer")
    assert find(rule, assess()) == []


def advisory(id_: str = "GHSA-1", severity: str = "high", **more: Any) -> AffectingAdvisory:
    return AffectingAdvisory(id=id_, severity=severity, fixed_in=more.pop("fixed_in", ("2.0",)), **more)


def vulnerabilities(*advisories: AffectingAdvisory, **options: Any) -> list[tuple[str, Level]]:
    settings = PolicySettings(vulnerability=VulnerabilityOptions(**options))
    rule_input = RuleInput(assessments=[assess(advisories=advisories)], dependency_files=(), settings=settings)
    return [(finding.advisory, finding.level) for finding in find_findings(rule_input)]


@pytest.mark.parametrize(
    ("severity", "fixed_in", "level"),
    [
        ("critical", (), "deny"),
        ("high", (), "deny"),
        ("medium", ("2.0",), "warn"),
        ("medium", (), None),
        ("medium", ("0.9",), None),
        ("unknown", (), "warn"),
        ("low", ("2.0",), None),
    ],
)
def test_an_advisory_has_the_level_of_its_severity(severity: str, fixed_in: tuple[str, ...], level: str | None) -> None:
    found = vulnerabilities(advisory(severity=severity, fixed_in=fixed_in))
    assert found == ([] if level is None else [("GHSA-1", level)])


def test_exploitation_raises_the_level_of_an_advisory() -> None:
    low = advisory(severity="low", fixed_in=())
    assert vulnerabilities(replace(low, exploited=True)) == [("GHSA-1", "deny")]
    assert vulnerabilities(replace(low, exploited=True), kev="warn") == [("GHSA-1", "warn")]
    assert vulnerabilities(replace(low, exploited=None)) == []
    assert vulnerabilities(replace(low, epss=0.5), epss=0.5) == [("GHSA-1", "deny")]
    assert vulnerabilities(replace(low, epss=0.49), epss=0.5) == []
    assert vulnerabilities(replace(low, epss=0.99)) == []


def test_only_fixable_severities_are_those_of_the_option() -> None:
    high = advisory(fixed_in=())
    assert vulnerabilities(high, only_fixable=frozenset({"high"})) == []
    medium = advisory(severity="medium", fixed_in=())
    assert vulnerabilities(medium, only_fixable=frozenset()) == [("GHSA-1", "warn")]


def test_records_of_one_vulnerability_are_one_finding_with_its_advisory_and_severity() -> None:
    records = (advisory("GHSA-1", "medium"), advisory("PYSEC-1", "high", aliases=("GHSA-1",)))
    [finding] = find("vulnerability", assess(advisories=records))
    assert (finding.advisory, finding.severity, finding.level) == ("GHSA-1", "high", "deny")
    assert finding.text == "GHSA-1, high, fixed in 2.0"


def test_a_level_of_the_rule_is_the_highest_of_any_advisory() -> None:
    records = assess(advisories=(advisory("GHSA-1"), advisory("GHSA-2", "medium")))
    assert [finding.level for finding in find("vulnerability", records, level="warn")] == ["warn", "warn"]
    assert find("vulnerability", records, level="allow") == []


def test_advisories_that_are_not_known_are_named_where_no_rule_about_scores_does() -> None:
    unread = assess(state="below", score=scored(50.0, has_required_signal=False))
    rule_input = RuleInput(assessments=[unread], dependency_files=(), threshold=70.0)
    assert [finding.id for finding in find_findings(rule_input)] == ["score-below-threshold"]
    settings = PolicySettings(levels={"score-below-threshold": "allow"})
    [finding] = find_findings(RuleInput(assessments=[unread], dependency_files=(), settings=settings, threshold=70.0))
    assert (finding.id, finding.undecided) == ("vulnerability", True)


def test_malware_is_another_rule_than_a_vulnerability() -> None:
    bad = assess(
        state="below",
        score=scored(0.0, cap("malicious", 0, "recorded as malicious")),
        advisories=(advisory("MAL-1", malware=True),),
    )
    [finding] = find("malicious", bad)
    assert (finding.text, finding.advisory) == ("recorded as malicious", "MAL-1")
    assert find("vulnerability", bad) == []
    assert find("malicious", assess()) == []


def test_a_name_like_a_popular_one_is_found_by_the_cap_of_the_score() -> None:
    [finding] = find("lookalike", assess(score=scored(30.0, cap("name-confusion", 30, "looks like requests"))))
    assert finding.text == "looks like requests"
    assert find("lookalike", assess(marks=mark("lookalike", "no"))) == []
    assert find("lookalike", assess(marks=mark("lookalike", "unknown")))[0].undecided


def test_a_vanished_version_is_a_pinned_one() -> None:
    gone = assess(marks=mark("vanished", "yes"), dependency={"resolution": "range"})
    assert find("vanished", gone) == []
    assert find("vanished", assess(marks=mark("vanished", "yes"), in_registry=False)) == []  # another rule


def test_a_version_is_too_new_below_the_least_age_unless_it_fixes_a_vulnerability() -> None:
    young = assess(released_at=AS_OF - DAY, marks=mark("too-new", "no"))
    [finding] = find("too-new", young)
    assert finding.text == "published 1 day ago; the least age is 7 days"
    assert find("too-new", young, min_age=DAY) == []
    assert find("too-new", replace(young, marks=mark("too-new", "yes"))) == []
    assert len(find("too-new", replace(young, marks=mark("too-new", "unknown")))) == 1  # a fix is not assumed
    assert find("too-new", replace(young, released_at=0))[0].undecided
    assert find("too-new", replace(young, released_at=AS_OF - 8 * DAY)) == []


def test_a_licence_is_found_when_the_lists_do_not_accept_it() -> None:
    gpl, mit = metadata(licence_expression="GPL-3.0-only"), metadata(licence_expression="MIT")
    [finding] = find("licence", assess(metadata=gpl), assess("y", metadata=mit), allowed_licences=("MIT",))
    assert (finding.name, finding.text) == ("x", "GPL-3.0-only is not accepted")
    assert len(find("licence", assess(metadata=gpl), denied_licences=("GPL-*",))) == 1
    assert find("licence", assess(metadata=mit), denied_licences=("GPL-*",)) == []
    assert find("licence", assess(metadata=gpl)) == []  # without lists every licence is accepted


@pytest.mark.parametrize("rule", ["licence", "no-licence"])
def test_a_licence_that_was_not_read_is_not_decided(rule: str) -> None:
    for facts in (None, metadata()):
        [finding] = find(rule, assess(metadata=facts), allowed_licences=("MIT",))
        assert (finding.undecided, finding.text) == (True, "licence not known")


def test_a_statement_that_is_no_expression_is_refused_by_a_list_of_what_is_allowed_only() -> None:
    custom = assess(metadata=metadata(licence_text="Use it as you like, but tell us"))
    assert find("licence", custom, denied_licences=("GPL-*",))[0].undecided
    [finding] = find("licence", custom, allowed_licences=("MIT",))
    assert not finding.undecided


def test_a_version_without_a_licence_is_found() -> None:
    assert len(find("no-licence", assess(metadata=metadata(licence_expression="")))) == 1
    assert find("no-licence", assess(metadata=metadata(licence_expression="MIT"))) == []


def test_a_dependency_without_a_fixed_version_is_found() -> None:
    for resolution in ("range", "unresolved"):
        [finding] = find("unpinned", assess(dependency={"resolution": resolution, "requirement": ">=1"}))
        assert finding.text == ">=1: no file fixes the version"
    assert find("unpinned", assess()) == []


def test_an_install_script_is_found_unless_the_project_decided_about_it() -> None:
    hooks = assess(ecosystem=NPM, marks=mark("install-script", "yes"), metadata=metadata(hooks=("postinstall",)))
    [finding] = find("install-script", hooks)
    assert finding.text == "runs a script at installation (postinstall)"
    for decided in ("x", "x@1.0"):
        file = DependencyFile(path="package.json", format="package.json", decided_scripts=(decided,))
        assert find("install-script", hooks, files=(file,)) == []
    for decided in ("y", "x@2.0"):
        file = DependencyFile(path="package.json", format="package.json", decided_scripts=(decided,))
        assert len(find("install-script", hooks, files=(file,))) == 1
    assert find("install-script", hooks, allowed_scripts=("x",)) == []
    assert find("install-script", replace(hooks, marks=mark("install-script", "no"))) == []
    assert find("install-script", replace(hooks, marks=mark("install-script", "unknown")))[0].undecided


def test_a_list_of_npm_decides_nothing_about_the_builds_of_python() -> None:
    build = assess(marks=mark("install-script", "yes"))
    file = DependencyFile(path="package.json", format="package.json", decided_scripts=("x",))
    [finding] = find("install-script", build, files=(file,))
    assert finding.text == "source archive only: its build code runs at installation"
    assert find("install-script", build, allowed_scripts=("pypi:x",)) == []
    assert len(find("install-script", build, allowed_scripts=("npm:x",))) == 1
