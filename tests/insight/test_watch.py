"""Changes between two passes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from nerq_cli.ecosystems import HF_MODEL, PYPI
from nerq_cli.insight.watch import (
    Observation,
    Outcome,
    Pair,
    PairKind,
    Registration,
    WatchChange,
    Watched,
    WatchedAdvisory,
    WatchedFacts,
    WatchedServer,
    WatchedWaiver,
    carry_registrations,
    compare_registrations,
    compare_servers,
    compare_waivers,
    find_changes,
)

KNOWN = WatchedFacts(knows_advisories=True)


def build(version: str = "1.0", **fields: Any) -> Watched:
    fields.setdefault("signals", {"one": (100.0, 50.0), "two": (80.0, 40.0)})
    fields.setdefault("score", round(sum(points for _, points in fields["signals"].values()), 1))
    fields.setdefault("methodology", "packages 2.0")
    defaults: dict[str, Any] = {"ecosystem": PYPI, "name": "demo", "version": version, "state": "ok", "facts": KNOWN}
    return Watched(**defaults | fields)


def compare(old: Watched, new: Watched, kind: PairKind = "same", reason: str = "") -> Outcome:
    labels = {id_: (f"signal {id_}", f"reason of {id_}") for id_ in {*old.signals, *new.signals}}
    return find_changes([Pair(kind, old, Observation(new, labels, {}, reason))])


def list_kinds(outcome: Outcome) -> list[str]:
    return [change.kind for change in outcome.changes]


def test_a_fall_names_the_signals_that_moved_it() -> None:
    new = build(signals={"one": (60.0, 30.0), "two": (80.0, 40.0)})
    [change] = compare(build(), new).changes
    assert (change.kind, change.effect, change.points) == ("score-fell", "worse", -20.0)
    assert [(move.id, move.points, move.before, move.after) for move in change.moves] == [("one", -20.0, 100.0, 60.0)]
    assert change.moves[0].reason_after == "reason of one"


def test_small_falls_count_together() -> None:
    state = build()
    for points in (49.7, 49.4):
        outcome = compare(state, build(signals={"one": (99.0, points), "two": (80.0, 40.0)}))
        assert outcome.changes == ()
        [state] = outcome.kept
        assert state.score == 90.0
    [change] = compare(state, build(signals={"one": (98.0, 49.0), "two": (80.0, 40.0)})).changes
    assert (change.kind, change.points) == ("score-fell", -1.0)


def test_a_small_fall_below_the_threshold_is_a_change() -> None:
    new = build(signals={"one": (99.0, 49.6), "two": (80.0, 40.0)}, state="below")
    assert list_kinds(compare(build(), new)) == ["score-fell"]


def test_another_methodology_is_no_fall() -> None:
    new = build(methodology="packages 3.0", score=20.0)
    outcome = compare(build(), new)
    [change] = outcome.changes
    assert (change.kind, change.effect, change.points, change.causes) == (
        "methodology",
        "uncertain",
        None,
        ("methodology",),
    )
    assert outcome.kept == (new,)


def test_a_lost_source_is_no_rise_and_its_return_no_fall() -> None:
    old = build(signals={"one": (0.0, 0.0), "two": (80.0, 40.0)})
    without = build(signals={"one": (None, 0.0), "two": (80.0, 80.0)})
    outcome = compare(old, without)
    [change] = outcome.changes
    assert (change.kind, change.effect, change.text) == ("source-lost", "uncertain", "signal one: not known any more")
    [state] = outcome.kept
    assert (state.score, state.signals["one"], state.lost) == (40.0, (0.0, 0.0), ("one",))
    outcome = compare(state, without)
    assert outcome.changes == ()
    [state] = outcome.kept
    [change] = compare(state, old).changes
    assert (change.kind, change.effect) == ("source-regained", "uncertain")


def test_a_fall_while_a_source_was_lost_is_seen_when_it_is_back() -> None:
    [state] = compare(build(), build(signals={"one": (None, 0.0), "two": (80.0, 80.0)})).kept
    outcome = compare(state, build(signals={"one": (20.0, 10.0), "two": (80.0, 40.0)}))
    assert list_kinds(outcome) == ["score-fell", "source-regained"]
    assert outcome.changes[0].points == -40.0


def test_a_fall_of_what_is_known_counts_while_a_source_is_lost_and_once_only() -> None:
    without = build(signals={"one": (None, 0.0), "two": (50.0, 30.0)})
    outcome = compare(build(), without)
    assert list_kinds(outcome) == ["score-fell", "source-lost"]
    assert outcome.changes[0].points == -15.0  # at the weight before: 40 points for 80
    assert [(move.id, move.points) for move in outcome.changes[0].moves] == [("two", -15.0)]
    [state] = outcome.kept
    assert (state.score, state.signals) == (75.0, {"one": (100.0, 50.0), "two": (50.0, 30.0)})
    assert compare(state, without).changes == ()


def test_a_small_change_beside_a_lost_source_is_no_rise() -> None:
    without = build(signals={"one": (None, 0.0), "two": (81.0, 81.0)})
    assert list_kinds(compare(build(), without)) == ["source-lost"]


def test_a_cap_that_is_gone_with_its_source_is_no_rise() -> None:
    old = build(score=50.0, caps={"archived": 50.0})
    without = build(signals={"one": (None, 0.0), "two": (80.0, 80.0)}, caps={})
    outcome = compare(old, without)
    assert list_kinds(outcome) == ["source-lost"]
    assert outcome.kept[0].caps == {"archived": 50.0}
    assert list_kinds(compare(outcome.kept[0], old)) == ["source-regained"]


def test_a_new_cap_is_a_fall() -> None:
    outcome = compare(build(), build(score=50.0, caps={"yanked": 50.0}))
    [change] = outcome.changes
    assert (change.kind, change.points, change.moves[0].id) == ("score-fell", -40.0, "cap")


ADVISORIES = "known_advisories"
CAP_SIGNALS = {"critical": ADVISORIES, "advisory": ADVISORIES, "yanked": "two"}


def compare_caps(old: Watched, new: Watched) -> Outcome:
    return find_changes([Pair("same", old, Observation(new, cap_signals=CAP_SIGNALS))])


def test_an_advisory_whose_record_is_lost_is_no_rise_and_its_return_no_fall() -> None:
    advisory = WatchedAdvisory(id="A-1", aliases=("CVE-1",), severity="critical")
    signals: dict[str, Any] = {ADVISORIES: (15.0, 5.0), "two": (100.0, 60.0)}
    old = build(signals=signals, caps={"critical": 30.0}, score=30.0, advisories=(advisory,), state="below")
    for value in (80.0, None):  # judged as one of unknown severity, or not judged
        unread = build(
            signals=signals | {ADVISORIES: (value, 20.0 if value else 0.0)},
            caps={"advisory": 69.0},
            score=69.0,
            advisories=(WatchedAdvisory(id="CVE-1"),),
            state="below",
        )
        outcome = compare_caps(old, unread)
        assert list_kinds(outcome) == ["source-lost"]
        [state] = outcome.kept
        assert (state.score, state.caps, state.signals) == (30.0, {"critical": 30.0}, old.signals)
        assert state.advisories[0].severity == "critical"
        assert compare_caps(state, unread).changes == ()
        [change] = compare_caps(state, old).changes
        assert (change.kind, change.effect) == ("source-regained", "uncertain")


def test_a_severity_that_is_learned_is_uncertain() -> None:
    signals: dict[str, Any] = {ADVISORIES: (None, 0.0), "two": (100.0, 60.0)}
    old = build(signals=signals, advisories=(WatchedAdvisory(id="A-1"),))
    new = build(signals=signals, advisories=(WatchedAdvisory(id="A-1", severity="high"),))
    [change] = compare(old, new).changes
    assert (change.kind, change.effect) == ("advisory-raised", "uncertain")


def test_a_severity_that_is_learned_moves_no_score() -> None:
    signals: dict[str, Any] = {ADVISORIES: (None, 0.0), "two": (100.0, 89.0)}
    old = build(signals=signals, caps={"advisory": 69.0}, score=69.0)
    for caps in ({"critical": 30.0}, {"advisory": 30.0}):
        read = build(signals={ADVISORIES: (15.0, 5.0), "two": (100.0, 80.0)}, caps=caps, score=30.0)
        [change] = compare_caps(old, read).changes
        assert (change.kind, change.score_before, change.score_after) == ("source-regained", 69.0, 30.0)
    clean = build(signals={ADVISORIES: (100.0, 30.0), "two": (100.0, 60.0)})
    assert list_kinds(compare_caps(old, clean)) == ["source-regained", "score-rose"]


def test_one_row_has_the_scores_and_its_word_is_their_direction() -> None:
    old = build(signals={"one": (None, 0.0), "two": (80.0, 77.0)})
    yanked = build(signals={"one": (90.0, 40.0), "two": (85.0, 40.0)}, caps={"yanked": 50.0}, score=50.0)
    fell, source = compare_caps(old, yanked).changes
    assert (fell.kind, fell.effect, fell.score_before, fell.score_after) == ("score-fell", "worse", 77.0, 50.0)
    assert (source.kind, source.score_before, source.score_after) == ("source-regained", None, None)


def test_a_fall_hidden_by_a_source_has_points_and_no_scores() -> None:
    old = build(signals={"one": (None, 0.0), "two": (80.0, 40.0)})
    new = build(signals={"one": (100.0, 50.0), "two": (60.0, 30.0)})
    fell, source = compare(old, new).changes
    assert (fell.kind, fell.points, fell.score_before, fell.score_after) == ("score-fell", -10.0, None, None)
    assert (source.kind, source.score_before, source.score_after) == ("source-regained", 40.0, 80.0)


def test_a_fall_of_another_version_hidden_by_a_source_has_points_and_no_scores() -> None:
    old = build(signals={"one": (None, 0.0), "two": (80.0, 40.0)})
    new = build("2.0", signals={"one": (100.0, 50.0), "two": (60.0, 30.0)})
    version, source = sorted(compare(old, new, "upgraded").changes, key=lambda change: change.kind == "source-regained")
    assert (version.kind, version.effect, version.points, version.score_after) == ("version", "worse", -10.0, None)
    assert (source.score_before, source.score_after) == (40.0, 80.0)


def test_a_version_that_vanished_is_one_row_of_its_score() -> None:
    gone = build(signals={"one": (None, 0.0), "two": (80.0, 40.0)}, facts=WatchedFacts(marks={"vanished": True}))
    gone = replace(gone, score=None, state="unknown", caps={"vanished": 20.0})
    old = build(facts=WatchedFacts(marks={"vanished": False}, knows_advisories=True))
    outcome = compare(old, gone, reason="the version is gone")
    assert list_kinds(outcome) == ["score-missing", "vanished"]
    assert outcome.changes[0].text == "the version is gone"
    assert compare(outcome.kept[0], gone).changes == ()
    assert list_kinds(compare(outcome.kept[0], old)) == ["source-regained", "vanished"]


@pytest.mark.parametrize("version", ["1.0", ""])
def test_nothing_could_be_read_is_stated_once_and_forgets_nothing(version: str) -> None:
    old = build(advisories=(WatchedAdvisory(id="A-1"),))
    unread = Watched(ecosystem=PYPI, name="demo", version=version, state="unknown")
    kind: PairKind = "same" if version else "replaced"
    outcome = compare(old, unread, kind, reason="PyPI: no answer")
    [change] = outcome.changes
    assert (change.kind, change.effect) == ("source-lost", "uncertain")
    assert "PyPI: no answer" in change.text
    [state] = outcome.kept
    assert (state.version, state.score, state.advisories, state.facts) == ("1.0", 90.0, old.advisories, old.facts)
    again = compare(state, unread, kind)
    assert again.changes == ()
    assert list_kinds(compare(again.kept[0], old)) == ["source-regained"]


def test_a_first_score_after_a_pass_without_one() -> None:
    old = Watched(ecosystem=PYPI, name="demo", version="1.0", state="unknown")
    assert list_kinds(compare(old, build())) == ["source-regained"]


def test_another_version_has_the_change_of_the_score() -> None:
    new = build("2.0", signals={"one": (60.0, 30.0), "two": (80.0, 40.0)})
    [change] = compare(build(), new, "upgraded").changes
    assert (change.kind, change.effect, change.points) == ("version", "worse", -20.0)
    assert (change.version_before, change.version_after, change.score_before, change.score_after) == (
        "1.0",
        "2.0",
        90.0,
        70.0,
    )
    [change] = compare(build(), build("2.0"), "upgraded").changes
    assert (change.kind, change.effect, change.text) == ("version", "neutral", "a newer version")


@pytest.mark.parametrize(("floats", "effect"), [(True, "worse"), (False, "neutral")])
def test_a_moved_model(floats: bool, effect: str) -> None:  # noqa: FBT001 - a parameter of a test
    old = build("a" * 40, ecosystem=HF_MODEL, floats=floats)
    [change] = compare(old, replace(old, version="b" * 40), "replaced").changes
    assert (change.kind, change.effect) == ("model-moved", effect)


def test_advisories_are_the_same_by_any_id() -> None:
    old = build(advisories=(WatchedAdvisory(id="GHSA-1", aliases=("CVE-1",), severity="medium", exploited=False),))
    new = build(advisories=(WatchedAdvisory(id="PYSEC-1", aliases=("CVE-1",), severity="medium"),))
    assert compare(old, new).changes == ()
    raised = build(advisories=(WatchedAdvisory(id="CVE-1", severity="critical"),))
    assert list_kinds(compare(old, raised)) == ["advisory-raised"]
    exploited = build(advisories=(WatchedAdvisory(id="CVE-1", severity="medium", exploited=True),))
    assert list_kinds(compare(old, exploited)) == ["advisory-exploited"]
    assert list_kinds(compare(old, build())) == ["advisory-gone"]


def test_advisories_that_are_not_known_are_neither_gone_nor_new_again() -> None:
    old = build(advisories=(WatchedAdvisory(id="A-1"),))
    outcome = compare(old, build(facts=WatchedFacts()))
    assert outcome.changes == ()
    [state] = outcome.kept
    assert (state.advisories, state.facts.knows_advisories) == (old.advisories, True)
    assert compare(state, old).changes == ()


def test_what_was_not_checked_before_is_no_fall() -> None:
    unchecked = build(facts=WatchedFacts())
    [change] = compare(unchecked, build(advisories=(WatchedAdvisory(id="A-1"),))).changes
    assert (change.kind, change.effect) == ("advisory-new", "uncertain")
    old = build(advisories=(WatchedAdvisory(id="A-1"),))
    [change] = compare(old, build(advisories=(WatchedAdvisory(id="A-1", exploited=True),))).changes
    assert (change.kind, change.effect) == ("advisory-exploited", "uncertain")


def test_parts_of_an_advisory_that_are_not_known_stay() -> None:
    old = build(advisories=(WatchedAdvisory(id="A-1", severity="high", exploited=True),))
    outcome = compare(old, build(advisories=(WatchedAdvisory(id="A-1"),)))
    assert outcome.changes == ()
    assert outcome.kept[0].advisories == old.advisories
    assert compare(outcome.kept[0], old).changes == ()


def test_an_upgrade_takes_advisories_away_and_brings_others() -> None:
    old = build(advisories=(WatchedAdvisory(id="A-1"),))
    new = build("2.0", advisories=(WatchedAdvisory(id="A-2", severity="high"),))
    changes = {change.kind: change for change in compare(old, new, "upgraded").changes}
    assert changes["advisory-new"].text == "it came with the version"
    assert (changes["advisory-gone"].advisory, changes["advisory-gone"].text) == ("A-1", "not in this version")


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [(False, True, "worse"), (None, True, "uncertain"), (True, False, "better")],
)
def test_marks(before: bool | None, after: bool, effect: str) -> None:  # noqa: FBT001 - parameters of a test
    for mark in ("vanished", "yanked", "deprecated", "archived", "inactive", "provenance-lost"):
        old = build(facts=WatchedFacts(marks={} if before is None else {mark: before}))
        [change] = compare(old, build(facts=WatchedFacts(marks={mark: after}))).changes
        assert (change.kind, change.effect) == (mark, effect)


def test_a_mark_that_is_not_known_stays() -> None:
    old = build(facts=WatchedFacts(marks={"yanked": True}))
    outcome = compare(old, build(facts=WatchedFacts()))
    assert outcome.changes == ()
    assert outcome.kept[0].facts.marks == {"yanked": True}


def test_another_publisher_is_old_after_a_while_which_is_no_change() -> None:
    old = build(facts=WatchedFacts(marks={"publisher-changed": True}))
    assert compare(old, build(facts=WatchedFacts(marks={"publisher-changed": False}))).changes == ()


def test_names_releases_and_accounts() -> None:
    def facts(latest: str, *accounts: str) -> WatchedFacts:
        return WatchedFacts(latest=latest, accounts=accounts)

    old = build(facts=facts("1.10", "a", "b"), in_registry=True)
    changes = {
        change.kind: change for change in compare(old, build(facts=facts("1.11", "a"), in_registry=True)).changes
    }
    assert changes["release"].effect == changes["accounts"].effect == "neutral"
    changes = {change.kind: change for change in compare(old, build(facts=facts("1.9", "a", "c"))).changes}
    assert changes["release-gone"].effect == changes["accounts"].effect == "worse"
    assert list_kinds(compare(old, build(facts=facts("", *()), in_registry=False))) == ["name-vanished"]
    free = replace(old, in_registry=False)
    assert list_kinds(compare(free, old)) == ["name-registered"]


def test_what_a_source_did_to_several_packages_is_one_change() -> None:
    pairs = []
    for name in ("one", "two", "three"):
        old = build(name=name)
        new = build(name=name, signals={"one": (None, 0.0), "two": (80.0, 80.0)})
        pairs.append(Pair("same", old, Observation(new)))
    [change] = find_changes(pairs).changes
    assert (change.kind, change.name) == ("source-lost", "")
    assert [name for _, name, _ in change.members] == ["one", "three", "two"]


def test_dependencies_of_servers_that_are_not_known_are_neither_removed_nor_added() -> None:
    old = build(servers=("server",))
    outcome = find_changes([Pair("removed", old, None)], unresolved={"server"})
    [change] = outcome.changes
    assert (change.kind, change.effect) == ("source-lost", "uncertain")
    [state] = outcome.kept
    assert (state.key, state.score) == (old.key, 90.0)
    assert find_changes([Pair("removed", state, None)], unresolved={"server"}).changes == ()
    assert list_kinds(find_changes([Pair("removed", state, None)])) == ["removed"]
    outcome = find_changes([Pair("added", None, Observation(old))], unresolved_before=True)
    assert list_kinds(outcome) == ["source-regained"]
    assert list_kinds(find_changes([Pair("removed", build(), None)], unresolved={"server"})) == ["removed"]


def test_worst_first_and_in_any_order_the_same() -> None:
    pairs = [
        Pair("added", None, Observation(build(name="new"))),
        Pair("removed", build(name="old"), None),
        Pair("same", build(name="fell"), Observation(build(name="fell", score=50.0, caps={"yanked": 50.0}))),
        Pair("same", build(name="rose", score=50.0, caps={"yanked": 50.0}), Observation(build(name="rose"))),
    ]
    changes = find_changes(pairs).changes
    assert [change.kind for change in changes] == ["score-fell", "added", "removed", "score-rose"]
    assert find_changes(reversed(pairs)).changes == changes


def test_servers() -> None:
    def build_server(name: str, **parts: str) -> WatchedServer:
        return WatchedServer(name=name, client="claude", path=".mcp.json", parts=parts)

    old = [build_server("one", URL="https://a.example"), build_server("two")]
    new = [build_server("one", URL="https://b.example"), build_server("three", launcher="npx")]
    changes = {change.kind: change for change in compare_servers(old, new)}
    assert {kind: change.name for kind, change in changes.items()} == {
        "mcp-changed": "one",
        "mcp-removed": "two",
        "mcp-added": "three",
    }
    assert "URL https://a.example before, https://b.example now" in changes["mcp-changed"].text


def test_registrations() -> None:
    old = [Registration(name="a", status="active", version="1"), Registration(name="b", status="active")]
    new = [Registration(name="a", status="deleted", version="1")]
    [change] = compare_registrations(old, new)
    assert (change.kind, change.effect, change.name) == ("mcp-registry", "worse", "a")
    assert [item.name for item in carry_registrations(old, new, ["b"])] == ["a", "b"]
    assert [item.name for item in carry_registrations(old, new, [])] == ["a"]
    moved = [Registration(name="a", status="active", version="2", packages=("npm:x:2",))]
    [change] = compare_registrations(old, moved)
    assert (change.effect, change.version_before, change.version_after) == ("neutral", "1", "2")


@pytest.mark.parametrize(
    ("days_left", "passed", "kind"),
    [
        (20, 1, None),
        (14, 1, "waiver-ends"),
        (14, 0, None),
        (0, 30, "waiver-ends"),
        (-1, 1, "waiver-ended"),
        (-2, 1, None),
    ],
)
def test_waivers(days_left: int, passed: int, kind: str | None) -> None:
    waiver = WatchedWaiver(label="demo", reason="later", until="2026-12-01", days_left=days_left)
    changes: list[WatchChange] = list(compare_waivers([waiver], passed, 14))
    assert [change.kind for change in changes] == ([kind] if kind else [])
