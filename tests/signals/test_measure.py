"""Facts become signals: what each fact is worth, and what is not known stays unknown."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli import signals
from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.facts import (
    ATTESTED,
    INSTALL_HOOK,
    PRERELEASE,
    SDIST,
    WHEEL,
    YANKED,
    Absent,
    Adoption,
    AffectingAdvisory,
    Evidence,
    Fact,
    Found,
    History,
    Metadata,
    PackageInfo,
    Popularity,
    Repository,
    Scorecard,
    SimilarName,
    Unknown,
)
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.signals.advisories import describe_advisories, merge_advisories
from nerq_cli.signals.signal import Measurement, Signal
from nerq_cli.units import DAY

NOW = 1_790_000_000  # 2026-09-21
DOWN = Unknown("registry.example: connection refused", "registry")


def days_ago(days: float) -> int:
    return int(NOW - days * DAY)


PROJECT = PackageInfo(
    name="demo",
    versions=("2.1.0", "2.0.0", "1.0.0"),
    published=(days_ago(45), days_ago(300), days_ago(2000)),
    flags=(WHEEL | SDIST, WHEEL, SDIST),
    status="active",
    publishers=3,
    publisher_tags=("aa", "bb", "cc"),
    has_attestation_data=True,
    has_hook_data=True,
)
METADATA = Metadata(
    version="2.1.0",
    summary=True,
    keywords=True,
    typed=True,
    required_interpreter=">=3.11",
    python_classifiers=("3.11", "3.12"),
    readme=4000,
    documentation="https://docs.example",
    changelog="https://docs.example/changes",
    homepage="https://demo.example",
    repository="https://code.example/demo",
    licence_expression="MIT",
    licence_classifiers=(),
    licence_text="",
    inactive=False,
    yanked=False,
    deprecated="",
    hooks=(),
)
POPULARITY = Popularity(snapshot_date=days_ago(10), list_size=15_000, min_downloads=7_000, rank=5, downloads=20e6)
HEALTHY = Evidence(
    package_info=Found(PROJECT, "registry", NOW),
    metadata=Found(METADATA, "registry", NOW),
    popularity=Found(POPULARITY, "list", NOW),
    similar_name=Found(SimilarName(), "list", NOW),
    advisories=Found((), "advisories", NOW),
)


def measure(evidence: Evidence, *, version: str = "2.1.0", ecosystem: EcosystemId = PYPI) -> Measurement:
    return signals.measure_package(PACKAGES, ecosystem, version, evidence, NOW)


def signal(measured: Measurement, id_: str) -> Signal:
    [found] = [one for one in measured.signals if one.id == id_]
    return found


def caps(measured: Measurement) -> set[str]:
    return {flag.cap for flag in measured.flags if not flag.possible}


def with_project(**changes: Any) -> Evidence:
    project = msgspec.structs.replace(PROJECT, **changes)
    return msgspec.structs.replace(HEALTHY, package_info=Found(project, "registry", NOW))


def with_metadata(**changes: Any) -> Evidence:
    metadata = msgspec.structs.replace(METADATA, **changes)
    return msgspec.structs.replace(HEALTHY, metadata=Found(metadata, "registry", NOW))


def with_advisories(*advisories: AffectingAdvisory) -> Evidence:
    return msgspec.structs.replace(HEALTHY, advisories=Found(advisories, "advisories", NOW))


def with_repository(**changes: Any) -> Evidence:
    return msgspec.structs.replace(HEALTHY, repository=Found(Repository("code.example/demo", **changes), "host", NOW))


#: Many open issues: not a finished package.
BUSY = Repository("code.example/demo", open_issues=99, archived=False)


def advisory(id_: str = "X-1", severity: str = "high", **changes: Any) -> AffectingAdvisory:
    return AffectingAdvisory(id=id_, severity=severity, **changes)


def test_every_signal_of_the_table_is_measured_exactly_once() -> None:
    assert [one.id for one in measure(HEALTHY).signals] == list(PACKAGES.signals)
    assert [one.id for one in measure(Evidence()).signals] == list(PACKAGES.signals)


def test_with_nothing_known_every_signal_is_unknown_and_says_why() -> None:
    measured = measure(Evidence())
    assert {one.state for one in measured.signals} == {"unknown"}
    assert all(one.reason and one.value is None for one in measured.signals)
    assert all(flag.possible for flag in measured.flags)


def test_a_healthy_package_raises_no_flag() -> None:
    measured = measure(HEALTHY)
    assert measured.flags == ()
    assert measured.no_score_reason == ""
    assert signal(measured, "known_advisories").value == 100
    assert signal(measured, "last_release").value == 100
    assert signal(measured, "licence").value == 100


@pytest.mark.parametrize(
    ("severities", "value"),
    [
        (("high", "medium"), 42.5),
        (("medium", "medium", "low"), 68.6375),
        (("critical",), 15),
        (("unknown",), 80),
        ((), 100),
    ],
)
def test_each_advisory_takes_its_share_of_what_is_left(severities: tuple[str, ...], value: float) -> None:
    evidence = with_advisories(*(advisory(f"X-{n}", severity) for n, severity in enumerate(severities)))
    assert signal(measure(evidence), "known_advisories").value == pytest.approx(value)


@pytest.mark.parametrize(
    ("record", "cap"),
    [
        (advisory(severity="critical"), "critical-no-fix"),
        (advisory(severity="critical", fixed_in=("3",)), "critical"),
        (advisory(severity="high"), "high-no-fix"),
        (advisory(severity="high", fixed_in=("3",)), "high"),
        (advisory(severity="high", fixed_in=("3",), epss=0.5), "high-epss"),
        (advisory(severity="medium"), "medium"),
        (advisory(severity="low"), "low"),
        (advisory(severity="unknown"), "advisory"),
        (advisory(severity="low", exploited=True), "exploited"),
        (advisory(malware=True), "malicious"),
    ],
)
def test_the_worst_advisory_decides_the_cap(record: AffectingAdvisory, cap: str) -> None:
    assert cap in caps(measure(with_advisories(record, advisory("L-1", "low"))))


def test_a_likely_exploited_advisory_counts_one_band_higher() -> None:
    assert signal(measure(with_advisories(advisory(severity="medium", epss=0.10))), "known_advisories").value == 50


def test_one_vulnerability_under_two_names_counts_once() -> None:
    twice = with_advisories(
        advisory("GHSA-1", "high", aliases=("CVE-1",)),
        advisory("PYSEC-1", "unknown", aliases=("CVE-1",), fixed_in=("3",)),
    )
    once = with_advisories(advisory("GHSA-1", "high", aliases=("CVE-1", "PYSEC-1"), fixed_in=("3",)))
    assert signal(measure(twice), "known_advisories").value == signal(measure(once), "known_advisories").value
    assert caps(measure(twice)) == caps(measure(once)) == {"high"}


RECORDS = st.lists(
    st.builds(
        AffectingAdvisory,
        id=st.sampled_from([f"A-{n}" for n in range(6)]),
        aliases=st.lists(st.sampled_from([f"C-{n}" for n in range(4)]), max_size=2).map(tuple),
        severity=st.sampled_from(["low", "medium", "high", "critical", "unknown", "odd"]),
        exploited=st.booleans(),
        epss=st.none() | st.floats(0, 1),
        fixed_in=st.lists(st.sampled_from(["3", "4"]), max_size=1).map(tuple),
    ),
    max_size=6,
)


@given(RECORDS, st.randoms(use_true_random=False))
def test_the_order_and_repetition_of_records_have_no_effect(records: list[AffectingAdvisory], shuffler: Any) -> None:
    mixed = records * 2
    shuffler.shuffle(mixed)
    one, other = merge_advisories(records), merge_advisories(mixed)
    assert [(v.severity, set(v.aliases) | {v.id}, set(v.fixed_in)) for v in one] == [
        (v.severity, set(v.aliases) | {v.id}, set(v.fixed_in)) for v in other
    ]
    ids = [name for v in one for name in {v.id, *v.aliases}]
    assert len(ids) == len(set(ids))


def test_advisories_are_told_in_words_worst_first() -> None:
    words = describe_advisories(
        (advisory("A", "unknown"), advisory("B", "high"), advisory("C", "high", exploited=True))
    )
    assert words == "3 known advisories (2 high, 1 of unknown severity, exploited in the wild)"


def test_a_silent_advisory_source_is_not_a_clean_one() -> None:
    measured = measure(msgspec.structs.replace(HEALTHY, advisories=DOWN))
    assert signal(measured, "known_advisories").state == "unknown"
    assert signal(measured, "malware").state == "unknown"
    assert signal(measured, "known_advisories").reason == DOWN.reason


def test_an_absent_advisory_is_a_known_clean_answer() -> None:
    measured = measure(msgspec.structs.replace(HEALTHY, advisories=Absent("advisories", NOW)))
    assert signal(measured, "known_advisories").value == 100


@pytest.mark.parametrize(("status", "cap"), [("quarantined", "quarantined"), ("security-holding", "security-holding")])
def test_a_package_taken_down_by_its_registry_is_capped(status: str, cap: str) -> None:
    measured = measure(with_project(status=status))
    assert cap in caps(measured)
    assert signal(measured, "malware").value == 0


def test_a_package_taken_down_by_its_registry_names_the_malware_record_that_is_known() -> None:
    project = with_project(status="security-holding")
    advisories = (AffectingAdvisory(id="MAL-2026-2", malware=True), AffectingAdvisory(id="GHSA-1"))
    measured = measure(msgspec.structs.replace(project, advisories=Found(advisories, "advisories", NOW)))
    assert signal(measured, "malware").reason == "removed from npm for security; a placeholder is left (MAL-2026-2)"
    assert signal(measure(project), "malware").reason == "removed from npm for security; a placeholder is left"


def test_a_recent_malicious_version_is_remembered() -> None:
    history = History(malicious_version="1.9.9", malicious_at=days_ago(100))
    remembered = msgspec.structs.replace(HEALTHY, history=Found(history, "advisories", NOW))
    forgotten = msgspec.structs.replace(
        HEALTHY, history=Found(msgspec.structs.replace(history, malicious_at=days_ago(200)), "advisories", NOW)
    )
    assert "malware-history" in caps(measure(remembered))
    assert caps(measure(forgotten)) == set()


def test_the_fix_record_is_smoothed_and_does_not_apply_without_history() -> None:
    def fix_record(history: History) -> Signal:
        return signal(
            measure(msgspec.structs.replace(HEALTHY, history=Found(history, "advisories", NOW))), "fix_record"
        )

    assert fix_record(History(old_advisories=3, fixed_advisories=1)).value == 50
    assert fix_record(History()).state == "not_applicable"


def test_provenance_is_verified_none_lost_or_not_told() -> None:
    attested = with_project(flags=(WHEEL | ATTESTED, WHEEL, SDIST))
    lost = with_project(flags=(WHEEL, WHEEL | ATTESTED, SDIST))
    assert signal(measure(attested), "provenance").value == 80
    assert signal(measure(HEALTHY), "provenance").value == 50
    assert signal(measure(lost), "provenance").value == 10
    assert "provenance-lost" not in caps(measure(lost))  # 45 days old: no longer the pattern of a takeover
    assert signal(measure(with_project(has_attestation_data=False)), "provenance").state == "unknown"
    assert signal(measure(HEALTHY, version="1.0.0"), "provenance").state == "not_applicable"


def test_provenance_lost_in_a_fresh_version_is_capped() -> None:
    fresh = with_project(flags=(WHEEL, WHEEL | ATTESTED, SDIST), published=(days_ago(5), days_ago(300), days_ago(2000)))
    assert "provenance-lost" in caps(measure(fresh))


def test_a_wheel_runs_nothing_and_a_source_archive_does() -> None:
    assert signal(measure(HEALTHY), "install_code").value == 100
    assert signal(measure(HEALTHY, version="1.0.0"), "install_code").value == 50
    assert signal(measure(with_project(flags=(0, 0, 0))), "install_code").state == "unknown"


@pytest.mark.parametrize(
    ("hooks", "value"), [((), 100), (("node-gyp",), 70), (("postinstall",), 40), (("node-gyp", "install"), 40)]
)
def test_install_hooks_of_npm_cost_points(hooks: tuple[str, ...], value: float) -> None:
    evidence = with_metadata(hooks=hooks)
    project = Found(msgspec.structs.replace(PROJECT, flags=(INSTALL_HOOK,) * 3), "registry", NOW)
    assert (
        signal(measure(msgspec.structs.replace(evidence, package_info=project), ecosystem=NPM), "install_code").value
        == value
    )


def test_an_install_hook_new_in_a_fresh_version_is_capped() -> None:
    fresh = msgspec.structs.replace(PROJECT, published=(days_ago(5), days_ago(300), days_ago(2000)))
    evidence = msgspec.structs.replace(
        with_metadata(hooks=("postinstall",)), package_info=Found(fresh, "registry", NOW)
    )
    measured = measure(evidence, ecosystem=NPM)
    assert signal(measured, "install_code").value == 15
    assert "install-hook-new" in caps(measured)


def test_hooks_nobody_told_about_are_unknown() -> None:
    assert signal(measure(with_metadata(hooks=None), ecosystem=NPM), "install_code").state == "unknown"


def look_alike(**changes: Any) -> Evidence:
    young = {"published": (days_ago(45), days_ago(50), days_ago(60)), **changes}
    evidence = with_project(**young)
    return msgspec.structs.replace(
        evidence,
        similar_name=Found(SimilarName("requests", rank=5, similarity="one letter", downloads=150e6), "list", NOW),
        popularity=Found(Popularity(snapshot_date=NOW, list_size=15_000, min_downloads=7_000), "list", NOW),
        similar_package=Found(msgspec.structs.replace(PROJECT, publisher_tags=("zz",)), "registry", NOW),
    )


def test_a_look_alike_is_suspected_only_when_all_four_conditions_hold() -> None:
    assert "name-confusion" in caps(measure(look_alike()))
    assert signal(measure(look_alike()), "name_confusion").value == 15


@pytest.mark.parametrize(
    "evidence",
    [
        look_alike(published=(days_ago(45), days_ago(50), days_ago(400))),
        look_alike(publisher_tags=("zz", "aa")),
        look_alike(publisher_tags=()),
        look_alike(date_problem="its dates contradict its versions"),
        msgspec.structs.replace(look_alike(), similar_package=DOWN),
        msgspec.structs.replace(look_alike(), popularity=DOWN),
        msgspec.structs.replace(
            look_alike(), similar_name=Found(SimilarName("rare", rank=6_000, downloads=1e9), "list", NOW)
        ),
        msgspec.structs.replace(look_alike(), adoption=Found(Adoption(downloads=5e6), "downloads", NOW)),
    ],
)
def test_a_look_alike_that_fails_one_condition_is_only_a_neighbour(evidence: Evidence) -> None:
    measured = measure(evidence)
    assert "name-confusion" not in caps(measured)
    assert signal(measured, "name_confusion").value == 85


def test_a_little_used_look_alike_is_suspected_by_its_downloads() -> None:
    evidence = msgspec.structs.replace(look_alike(), adoption=Found(Adoption(downloads=900), "downloads", NOW))
    assert "name-confusion" in caps(measure(evidence))


@pytest.mark.parametrize(
    ("age", "value", "fresh"), [(0, 10, True), (2, 40, True), (6, 72.5, True), (7, 80, False), (14, 100, False)]
)
def test_a_new_version_has_not_been_looked_at_yet(age: int, value: float, *, fresh: bool) -> None:
    measured = measure(with_project(published=(days_ago(age), days_ago(300), days_ago(2000))))
    assert signal(measured, "newness").value == pytest.approx(value)
    assert ("fresh" in caps(measured)) is fresh


def test_a_security_fix_is_not_held_back_for_being_new() -> None:
    evidence = with_project(published=(days_ago(0), days_ago(300), days_ago(2000)))
    history = Found(History(fixes_predecessor=True), "advisories", NOW)
    measured = measure(msgspec.structs.replace(evidence, history=history))
    assert signal(measured, "newness").value == 80
    assert "fresh" not in caps(measured)


def test_dates_that_cannot_be_believed_make_no_signal() -> None:
    measured = measure(with_project(date_problem="its dates contradict the order of its versions"))
    for id_ in ("newness", "last_release", "release_cadence"):
        assert signal(measured, id_).state == "unknown"
        assert "contradict" in signal(measured, id_).reason


CHECKS = {"Code-Review": 8, "Branch-Protection": 3, "Token-Permissions": 10, "Maintained": 10, "Security-Policy": 0}


def test_hygiene_is_the_weighted_mean_of_conclusive_checks() -> None:
    def hygiene(checks: dict[str, int], date: int = NOW) -> Signal:
        card = Scorecard("code.example/demo", date, checks)
        return signal(
            measure(msgspec.structs.replace(HEALTHY, scorecard=Found(card, "scorecard", NOW))), "repository_hygiene"
        )

    assert hygiene(CHECKS).value == pytest.approx(90)
    assert hygiene({"Code-Review": 8, "Branch-Protection": -1}).state == "unknown"
    assert hygiene(CHECKS, days_ago(100)).state == "unknown"


def test_a_foreign_repository_says_nothing_about_the_package() -> None:
    card = Found(Scorecard("code.example/demo", NOW, CHECKS), "scorecard", NOW)
    measured = measure(msgspec.structs.replace(with_repository(link_status="foreign"), scorecard=card))
    assert signal(measured, "repository_hygiene").state == "unknown"
    assert signal(measured, "source_link").value == 0


@pytest.mark.parametrize(
    ("evidence", "value", "cap"),
    [
        (HEALTHY, 100, None),
        (with_metadata(inactive=True), 30, "inactive"),
        (with_project(inactive=True), 30, "inactive"),
        (with_metadata(yanked=True, yanked_reason="broken"), 20, "yanked"),
        (with_project(status="archived"), 15, "deprecated"),
        (with_project(status="deprecated"), 10, "deprecated"),
        (with_metadata(deprecated="use other"), 10, "deprecated-version"),
        (with_repository(archived=True), 15, "deprecated"),
    ],
)
def test_the_stated_status_counts_at_its_worst(evidence: Evidence, value: float, cap: str | None) -> None:
    measured = measure(evidence)
    assert signal(measured, "status").value == value
    assert caps(measured) == ({cap} if cap else set())


@pytest.mark.parametrize(
    ("days", "value"), [(90, 100), (270, 92.7), (365, 85), (730, 55), (1000, 40.2), (1825, 15), (2500, 11.3)]
)
def test_the_age_of_the_last_release_follows_its_curve(days: int, value: float) -> None:
    evidence = msgspec.structs.replace(
        with_project(published=(days_ago(days), days_ago(4000), days_ago(5000))), repository=Found(BUSY, "host", NOW)
    )
    assert signal(measure(evidence), "last_release").value == pytest.approx(value, abs=0.051)


QUIET = Found(Repository("code.example/demo", open_issues=3, archived=False, last_commit=days_ago(1000)), "host", NOW)
UNLISTED = Found(msgspec.structs.replace(POPULARITY, rank=None, downloads=None), "list", NOW)


def last_release(evidence: Evidence, ecosystem: EcosystemId = PYPI) -> float | None:
    return signal(measure(evidence, ecosystem=ecosystem), "last_release").value


def old_package(days: float, repository: Fact[Repository] = QUIET, **changes: Any) -> Evidence:
    """Return a package that is not widely used, with its last release some days ago."""
    return msgspec.structs.replace(
        with_project(published=(days_ago(days), days_ago(days + 100), days_ago(days + 200)), **changes),
        repository=repository,
        popularity=UNLISTED,
    )


def test_a_finished_package_is_not_a_dead_one() -> None:
    assert last_release(old_package(1400)) == 70
    assert last_release(old_package(1400, versions=("0.9", "0.8", "0.7"))) != 70
    assert last_release(old_package(1400, status="deprecated")) != 70


def test_a_readme_that_was_not_read_leaves_a_package_finished() -> None:
    unread = Found(msgspec.structs.replace(METADATA, readme=None), "registry", NOW)
    assert last_release(msgspec.structs.replace(old_package(1400), metadata=unread)) == 70


@pytest.mark.parametrize("changes", [{"repository": DOWN}, {"advisories": DOWN}])
def test_whether_a_package_is_finished_is_unknown_where_a_fact_that_decides_it_is(changes: dict[str, Any]) -> None:
    evidence = msgspec.structs.replace(old_package(1400), **changes)
    assert last_release(evidence) is None
    assert "not known whether the package is finished" in signal(measure(evidence), "last_release").reason


def test_an_old_python_package_without_a_sign_of_life_is_not_finished_and_an_npm_one_is() -> None:
    old = old_package(2200)
    assert last_release(old) not in (None, 70)
    assert last_release(old, NPM) == 70
    alive = msgspec.structs.replace(QUIET.value, last_commit=days_ago(300))
    assert last_release(old_package(2200, Found(alive, "host", NOW))) == 70
    widely_used = msgspec.structs.replace(old, popularity=Found(POPULARITY, "list", NOW))
    assert last_release(widely_used) == 70


def test_commits_that_were_not_read_leave_open_whether_an_old_python_package_is_finished() -> None:
    unread = Found(Repository("code.example/demo", open_issues=3, unread_token="TOKEN"), "deps.dev", NOW)  # noqa: S106
    old = old_package(2200, unread)
    assert last_release(old) is None
    assert signal(measure(old), "last_release").token == "TOKEN"  # noqa: S105 - the name of a variable
    maintained = Found(Scorecard("code.example/demo", NOW, {"Maintained": 1}), "scorecard", NOW)
    assert last_release(msgspec.structs.replace(old, scorecard=maintained)) == 70


def test_an_unfixed_advisory_or_many_open_issues_make_a_package_unfinished() -> None:
    old = msgspec.structs.replace(PROJECT, published=(days_ago(1400), days_ago(1500), days_ago(2000)))
    unfixed = msgspec.structs.replace(
        with_advisories(advisory(severity="low")), package_info=Found(old, "registry", NOW), repository=QUIET
    )
    busy = msgspec.structs.replace(with_repository(open_issues=15), package_info=Found(old, "registry", NOW))
    assert last_release(unfixed) not in (None, 70)
    assert last_release(busy) not in (None, 70)


@pytest.mark.parametrize(
    ("days", "pythons", "interpreter", "cap"),
    [
        (3000, ("3.12",), ">=3.12", "abandoned"),
        (2000, ("2.7",), ">=2.7", "stale"),
        (2000, ("3.12",), ">=2.7", None),
        (2000, (), ">=3.12", None),
        (2000, None, "", None),
        (1500, (), "", None),
    ],
)
def test_a_python_package_long_silent_is_capped(
    days: int, pythons: tuple[str, ...] | None, interpreter: str, cap: str | None
) -> None:
    metadata = msgspec.structs.replace(METADATA, python_classifiers=pythons, required_interpreter=interpreter)
    evidence = msgspec.structs.replace(old_package(days), metadata=Found(metadata, "registry", NOW))
    assert caps(measure(evidence)) == ({cap} if cap else set())
    assert caps(measure(evidence, ecosystem=NPM)) == set()
    widely_used = msgspec.structs.replace(evidence, popularity=Found(POPULARITY, "list", NOW))
    assert caps(measure(widely_used)) == set()


@pytest.mark.parametrize("changes", [{"repository": DOWN}, {"popularity": DOWN}])
def test_a_cap_for_age_is_only_possible_where_activity_or_use_was_not_read(changes: dict[str, Any]) -> None:
    measured = measure(msgspec.structs.replace(old_package(3000), **changes))
    assert caps(measured) == set()
    assert "abandoned" in {flag.cap for flag in measured.flags if flag.possible}


@pytest.mark.parametrize("ecosystem", [PYPI, NPM])
@pytest.mark.parametrize(
    ("days", "issues", "cap"), [(1100, 30, "backlog"), (1100, 29, None), (1000, 30, None), (1100, None, None)]
)
def test_an_old_package_with_a_backlog_and_no_commits_is_capped(
    ecosystem: EcosystemId, days: int, issues: int | None, cap: str | None
) -> None:
    repository = Repository("code.example/demo", archived=False, open_issues=issues, last_commit=days_ago(900))
    evidence = old_package(days, Found(repository, "host", NOW))
    assert caps(measure(evidence, ecosystem=ecosystem)) == ({cap} if cap else set())
    active = msgspec.structs.replace(repository, last_commit=days_ago(300))
    alive = msgspec.structs.replace(evidence, repository=Found(active, "host", NOW))
    assert caps(measure(alive, ecosystem=ecosystem)) == set()


def test_a_known_commit_lifts_the_cap_of_a_silent_package() -> None:
    repository = Repository("code.example/demo", commits_90d=1, archived=False)
    assert caps(measure(old_package(3000, Found(repository, "host", NOW)))) == set()


def possible_caps(evidence: Evidence) -> set[str]:
    return {flag.cap for flag in measure(evidence).flags if flag.possible}


def test_a_quiet_package_whose_repository_was_not_read_may_be_archived() -> None:
    unread = Found(Repository("code.example/demo", unread_reason="no token"), "deps.dev", NOW)
    assert "deprecated" in possible_caps(old_package(800, unread))
    assert possible_caps(old_package(700, unread)) == set()
    assert possible_caps(old_package(800)) == set()
    maintained = Found(Scorecard("code.example/demo", NOW, {"Maintained": 1}), "scorecard", NOW)
    assert possible_caps(msgspec.structs.replace(old_package(800, unread), scorecard=maintained)) == set()


def test_a_quiet_package_that_names_no_repository_may_have_one_where_deps_dev_was_not_read() -> None:
    named_by_none = msgspec.structs.replace(
        old_package(800, Unknown("no source repository is named")),
        metadata=Found(Metadata(version="2.0.0", repository=""), "PyPI", NOW),
    )
    assert possible_caps(named_by_none) == set()
    unread = msgspec.structs.replace(named_by_none, repository=Unknown("deps.dev was not read", "deps.dev"))
    assert "deprecated" in possible_caps(unread)


def test_a_package_may_be_deprecated_where_its_registry_did_not_answer() -> None:
    assert possible_caps(msgspec.structs.replace(HEALTHY, package_info=DOWN)) == {"deprecated"}


@pytest.mark.parametrize(
    ("interpreter", "capped"), [("<3.8", True), (">=2.7,<3", True), (">=3.7", False), ("", False), ("nonsense", False)]
)
def test_a_version_no_maintained_python_installs_is_capped(interpreter: str, *, capped: bool) -> None:
    assert ("python-eol" in caps(measure(with_metadata(required_interpreter=interpreter)))) is capped


@pytest.mark.parametrize(("commits", "value"), [(0, 10), (1, 45), (3, 70), (13, 100)])
def test_commits_follow_their_curve(commits: int, value: float) -> None:
    evidence = with_repository(commits_90d=commits, open_issues=99)
    assert signal(measure(evidence), "commits").value == value


def test_scorecard_stands_in_for_commits() -> None:
    card = Found(Scorecard("code.example/demo", NOW, {"Maintained": 0}), "scorecard", NOW)
    measured = measure(msgspec.structs.replace(HEALTHY, scorecard=card, repository=Found(BUSY, "host", NOW)))
    assert signal(measured, "commits").value == 10


def test_cadence_counts_stable_releases_of_two_years() -> None:
    def cadence(**changes: Any) -> float | None:
        return signal(measure(with_project(**changes)), "release_cadence").value

    assert cadence() == 80
    assert cadence(published=(days_ago(45), days_ago(1000), days_ago(2000))) == 60
    assert cadence(flags=(PRERELEASE,) * 3) == 10
    assert cadence(versions=("2.1.0",), published=(days_ago(45),), flags=(WHEEL,)) == 50
    assert cadence(flags=(WHEEL | YANKED, WHEEL, WHEEL)) == 60


@pytest.mark.parametrize(("opened", "closed", "value"), [(20, 80, 100), (50, 50, 50), (10, 0, 0)])
def test_closed_issues_follow_their_curve(opened: int, closed: int, value: float) -> None:
    assert signal(
        measure(with_repository(open_items=opened, closed_items=closed)), "closed_issues"
    ).value == pytest.approx(value)


def test_a_handful_of_issues_says_nothing() -> None:
    assert signal(measure(with_repository(open_items=2, closed_items=2)), "closed_issues").state == "not_applicable"
    assert signal(measure(with_repository()), "closed_issues").state == "unknown"


@pytest.mark.parametrize(("length", "value"), [(0, 10), (400, 60), (1500, 85), (3000, 100), (90_000, 100)])
def test_readme_length_follows_its_curve(length: int, value: float) -> None:
    assert signal(measure(with_metadata(readme=length)), "readme").value == value


def test_what_a_mirror_drops_is_unknown_and_not_missing() -> None:
    measured = measure(with_metadata(readme=None, documentation=None, changelog=None, homepage=None, repository=None))
    assert {signal(measured, id_).state for id_ in ("readme", "links", "source_link")} == {"unknown"}


def test_links_and_basics_add_up() -> None:
    measured = measure(with_metadata(changelog="", homepage="", typed=False))
    assert signal(measured, "links").value == 40
    assert signal(measured, "links").reason == "no changelog, homepage"
    assert signal(measured, "basics").value == 75
    assert signal(measure(with_metadata(changelog=None, homepage="")), "links").value == pytest.approx(100 * 40 / 70)


@pytest.mark.parametrize(
    ("fields", "clarity", "terms"),
    [
        ({"licence_expression": "MIT"}, 100, 100),
        ({"licence_expression": "Apache-2.0 OR GPL-3.0-only"}, 100, 100),
        ({"licence_expression": "MIT AND GPL-3.0-only"}, 100, 60),
        ({"licence_expression": "AGPL-3.0-or-later"}, 100, 45),
        ({"licence_expression": "MPL-2.0"}, 100, 85),
        ({"licence_expression": "GPL-2.0-only WITH Classpath-exception-2.0"}, 100, 85),
        ({"licence_expression": "BUSL-1.1"}, 70, 20),
        ({"licence_expression": "UNLICENSED"}, 0, None),
        ({"licence_expression": "SEE LICENSE IN LICENSE.txt"}, 40, None),
        ({"licence_expression": "", "licence_classifiers": ("License :: OSI Approved :: MIT License",)}, 80, 100),
        ({"licence_expression": "", "licence_classifiers": ("License :: OSI Approved :: BSD License",)}, 50, None),
        ({"licence_expression": "", "licence_classifiers": ("License :: Other/Proprietary License",)}, 40, None),
        ({"licence_expression": "", "licence_text": "BSD 3-Clause"}, 80, 100),
        ({"licence_expression": "", "licence_text": "MIT License\n\nCopyright (c) somebody"}, 80, 100),
        ({"licence_expression": "", "licence_text": "Our own terms"}, 40, None),
        ({"licence_expression": ""}, 10, None),
        (
            {
                "licence_expression": "MIT",
                "licence_classifiers": ("License :: OSI Approved :: Apache Software License",),
            },
            60,
            100,
        ),
        ({"licence_expression": "MIT", "licence_classifiers": ("License :: OSI Approved :: BSD License",)}, 100, 100),
    ],
)
def test_a_licence_is_as_clear_as_it_is_stated(fields: dict[str, Any], clarity: float, terms: float | None) -> None:
    measured = measure(with_metadata(**fields))
    assert signal(measured, "licence").value == clarity
    assert signal(measured, "licence_terms").value == terms
    assert ("no-licence" in caps(measured)) is (clarity == 10)


def test_a_licence_nobody_told_about_is_unknown() -> None:
    measured = measure(with_metadata(licence_expression=None, licence_classifiers=None, licence_text=None))
    assert signal(measured, "licence").state == "unknown"
    assert caps(measured) == set()


@given(st.text(max_size=60))
def test_any_licence_text_is_understood_somehow(text: str) -> None:
    measured = measure(with_metadata(licence_expression=text, licence_text=text, licence_classifiers=(text,)))
    assert signal(measured, "licence").state == "known"


def test_a_source_link_is_worth_what_confirms_it() -> None:
    assert signal(measure(with_metadata(attested_repository="https://code.example/demo")), "source_link").value == 100
    assert signal(measure(with_repository(link_status="confirmed")), "source_link").value == 80
    assert signal(measure(HEALTHY), "source_link").value == 60
    assert signal(measure(with_metadata(repository="")), "source_link").value == 20


def test_a_disclosure_policy_is_found_by_either_source() -> None:
    card = Found(Scorecard("code.example/demo", NOW, {"Security-Policy": 10}), "scorecard", NOW)
    none = with_repository(security_policy=False)
    assert signal(measure(none), "disclosure_policy").value == 40
    assert signal(measure(with_repository(security_policy=True)), "disclosure_policy").value == 100
    assert signal(measure(msgspec.structs.replace(none, scorecard=card)), "disclosure_policy").value == 100
    assert signal(measure(HEALTHY), "disclosure_policy").state == "unknown"


@pytest.mark.parametrize("accounts", [1, 2, 3, 15, 80])
def test_the_number_of_publishers_has_no_effect(accounts: int) -> None:
    assert signal(measure(with_project(publishers=accounts)), "publishers").value == 75


def test_an_organisation_is_better_than_accounts() -> None:
    assert signal(measure(with_project(publishers=1, organisation=True)), "publishers").value == 100
    assert signal(measure(with_project(publishers=None)), "publishers").state == "unknown"


@pytest.mark.parametrize(
    ("downloads", "value"), [(0, 25), (10, 25), (100, 30), (1e3, 45), (1e4, 60), (1e5, 75), (1e6, 90), (1e7, 100)]
)
def test_downloads_count_on_a_logarithmic_scale(downloads: float, value: float) -> None:
    evidence = msgspec.structs.replace(HEALTHY, adoption=Found(Adoption(downloads=downloads), "downloads", NOW))
    assert signal(measure(evidence), "adoption").value == pytest.approx(value)


def test_dependents_and_stars_join_the_downloads() -> None:
    evidence = msgspec.structs.replace(
        with_repository(stars=999, link_status="confirmed"),
        adoption=Found(Adoption(downloads=1e6, dependents=999), "deps", NOW),
    )
    assert signal(measure(evidence), "adoption").value == pytest.approx(0.5 * 90 + 0.45 * 82.5 + 0.05 * 75)


def test_the_adoption_of_an_unlisted_name_is_unknown() -> None:
    measured = signal(measure(msgspec.structs.replace(HEALTHY, popularity=UNLISTED)), "adoption")
    assert measured.state == "unknown"
    assert "outside the 15,000 most downloaded" in measured.reason


def test_a_young_package_cannot_be_popular_yet() -> None:
    young = (days_ago(45), days_ago(50), days_ago(60))
    assert signal(measure(with_project(published=young)), "adoption").value == 70


def test_a_famous_repository_merely_claimed_counts_half() -> None:
    obscure = Found(
        Popularity(snapshot_date=NOW, list_size=15_000, min_downloads=7_000, downloads=10.0, rank=9), "list", NOW
    )
    card = Found(Scorecard("code.example/demo", NOW, {"Security-Policy": 10}), "scorecard", NOW)
    claimed = msgspec.structs.replace(with_repository(stars=90_000), popularity=obscure, scorecard=card)
    proven = msgspec.structs.replace(
        claimed, repository=Found(Repository("x", link_status="attested", stars=90_000), "host", NOW)
    )
    assert signal(measure(claimed), "disclosure_policy").share == 0.5
    assert signal(measure(proven), "disclosure_policy").share == 1.0


@pytest.mark.parametrize(
    ("project", "words"),
    [
        (Absent("registry", NOW), "not found in the registry"),
        (Found(PackageInfo(name="gone", status="unpublished"), "registry", NOW), "unpublished"),
    ],
)
def test_what_the_index_does_not_have_gets_a_verdict_instead_of_a_number(project: Any, words: str) -> None:
    assert words in measure(msgspec.structs.replace(HEALTHY, package_info=project)).no_score_reason


def test_losing_a_source_only_ever_turns_signals_unknown() -> None:
    full = measure(HEALTHY)
    for field in ("package_info", "metadata", "popularity", "similar_name", "advisories"):
        lost = measure(msgspec.structs.replace(HEALTHY, **{field: DOWN}))
        assert caps(lost) <= caps(full)
        for before, after in zip(full.signals, lost.signals, strict=True):
            assert (
                after.state == "unknown"
                or after.id in {"status", "last_release", "release_cadence", "adoption"}
                or after.value == before.value
            )


@pytest.mark.parametrize("reason", ["offline: not in the cache", "HTTP 500", "too many repositories"])
def test_a_repository_that_was_not_read_for_any_reason_leaves_the_status_open(reason: str) -> None:
    def may_change(fact: Fact[Repository]) -> bool:
        return signal(measure(msgspec.structs.replace(HEALTHY, repository=fact)), "status").may_change

    name = "github.com/acme/demo"
    assert may_change(Found(Repository(name, unread_reason=reason, is_unread=True), "deps.dev", NOW))
    assert not may_change(Found(Repository(name, archived=False), "GitHub", NOW))
    assert not may_change(Unknown("no source repository is named"))
