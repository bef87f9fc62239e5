"""What must hold for every score, whatever the evidence."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.scoring import compute_score, round_half_up
from nerq_cli.signals.signal import Flag, Measurement, Signal, SignalState

STATES: tuple[SignalState, ...] = ("known", "known", "known", "unknown", "not_applicable")
VALUES = st.floats(0, 100)
SHARES = st.sampled_from([1.0, 0.5])


@st.composite
def signals(draw: st.DrawFn) -> tuple[Signal, ...]:
    made = []
    for id_ in PACKAGES.signals:
        state: SignalState = draw(st.sampled_from(STATES))
        value = draw(VALUES) if state == "known" else None
        made.append(Signal(id_, state, value, f"{id_} is {state}", "registry", 1, draw(SHARES)))
    return tuple(made)


FLAGS = st.lists(
    st.builds(Flag, st.sampled_from(sorted(PACKAGES.caps)), st.just("why"), further_count=st.integers(0, 40)),
    max_size=4,
).map(tuple)
MEASURED = st.builds(Measurement, signals(), FLAGS)


@given(MEASURED)
def test_a_score_stays_on_its_scale_and_under_every_cap(measured: Measurement) -> None:
    result = compute_score(PACKAGES, measured)
    if result.value is None:
        assert result.grade is None
        return
    assert 0 <= result.value <= 100
    assert result.value == round_half_up(result.value)
    assert all(result.value <= cap.limit for cap in result.caps)
    assert result.low is not None
    assert result.high is not None
    assert result.low <= result.value <= result.high


@given(MEASURED)
def test_contributions_add_up_to_the_total(measured: Measurement) -> None:
    result = compute_score(PACKAGES, measured)
    if result.total is not None:
        assert sum(part.contribution for part in result.parts) == pytest.approx(result.total)
        assert sum(part.contribution + part.lost_points for part in result.parts) == pytest.approx(100)


@given(MEASURED, st.sampled_from(sorted(PACKAGES.signals)), VALUES, VALUES)
def test_a_better_signal_never_lowers_the_score(measured: Measurement, id_: str, one: float, other: float) -> None:
    def with_value(value: float) -> Measurement:
        changed = (Signal(s.id, "known", value, "", "", 0, s.share) if s.id == id_ else s for s in measured.signals)
        return Measurement(tuple(changed), measured.flags)

    worse, better = (
        compute_score(PACKAGES, with_value(min(one, other))),
        compute_score(PACKAGES, with_value(max(one, other))),
    )
    assert (worse.value is None) == (better.value is None)
    if worse.value is not None and better.value is not None:
        assert worse.value <= better.value


@given(MEASURED, FLAGS)
def test_another_flag_never_raises_the_score(measured: Measurement, more: tuple[Flag, ...]) -> None:
    before, after = (
        compute_score(PACKAGES, measured),
        compute_score(PACKAGES, Measurement(measured.signals, measured.flags + more)),
    )
    if before.value is not None and after.value is not None:
        assert after.value <= before.value


@given(MEASURED, st.randoms(use_true_random=False))
def test_the_order_of_the_evidence_has_no_effect(measured: Measurement, shuffler: random.Random) -> None:
    mixed_signals, mixed_flags = list(measured.signals), list(measured.flags)
    shuffler.shuffle(mixed_signals)
    shuffler.shuffle(mixed_flags)
    one, other = (
        compute_score(PACKAGES, measured),
        compute_score(PACKAGES, Measurement(tuple(mixed_signals), tuple(mixed_flags))),
    )
    assert (one.value, one.total, one.coverage, one.dimensions) == (
        other.value,
        other.total,
        other.coverage,
        other.dimensions,
    )
    assert (one.caps, one.reasons, one.low, one.high) == (other.caps, other.reasons, other.low, other.high)


@given(MEASURED)
def test_saying_a_flag_twice_is_saying_it_once(measured: Measurement) -> None:
    assert (
        compute_score(PACKAGES, Measurement(measured.signals, measured.flags * 2)).caps
        == compute_score(PACKAGES, measured).caps
    )


@given(MEASURED, st.sampled_from(sorted(PACKAGES.signals)))
def test_not_knowing_a_signal_never_raises_coverage(measured: Measurement, id_: str) -> None:
    def in_state(state: SignalState) -> Measurement:
        value = 50.0 if state == "known" else None
        changed = (Signal(s.id, state, value, "", "", 0, s.share) if s.id == id_ else s for s in measured.signals)
        return Measurement(tuple(changed), measured.flags)

    assert (
        compute_score(PACKAGES, in_state("unknown")).coverage
        <= compute_score(PACKAGES, in_state("known")).coverage + 1e-9
    )


@given(MEASURED, st.sampled_from(sorted(PACKAGES.signals)))
def test_not_knowing_a_signal_leaves_every_other_dimension_alone(measured: Measurement, id_: str) -> None:
    lost = Measurement(
        tuple(Signal(s.id, "unknown", None, "", "") if s.id == id_ else s for s in measured.signals), measured.flags
    )
    before, after = compute_score(PACKAGES, measured).dimensions, compute_score(PACKAGES, lost).dimensions
    assert all(after[name] == before[name] for name in before if name != PACKAGES.signals[id_].dimension)


@given(MEASURED)
def test_a_malicious_version_scores_zero_regardless_of_all_else(measured: Measurement) -> None:
    result = compute_score(
        PACKAGES, Measurement(measured.signals, (*measured.flags, Flag("malicious", "recorded as malicious")))
    )
    assert result.value == 0.0
    assert result.grade == "F"


@given(MEASURED)
def test_a_number_needs_enough_coverage(measured: Measurement) -> None:
    result = compute_score(PACKAGES, Measurement(measured.signals))
    assert (result.value is not None) == (result.coverage >= PACKAGES.coverage_floor and result.total is not None)


def test_everything_unknown_gives_no_number_and_says_so() -> None:
    result = compute_score(
        PACKAGES, Measurement(tuple(Signal(id_, "unknown", None, "down") for id_ in PACKAGES.signals))
    )
    assert result.value is None
    assert result.low is None
    assert result.coverage == 0.0
    assert result.provisional
    assert not result.is_verified
    assert result.verdict


def test_a_verdict_withholds_the_number() -> None:
    known = tuple(Signal(id_, "known", 100.0, "good") for id_ in PACKAGES.signals)
    result = compute_score(PACKAGES, Measurement(known, (), "not found in the registry"))
    assert result.value is None
    assert result.reasons[0].text == "not found in the registry"


def test_a_score_with_thin_coverage_has_no_grade() -> None:
    half = {
        "known_advisories",
        "install_code",
        "name_confusion",
        "status",
        "last_release",
        "readme",
        "licence",
        "publishers",
    }
    made = (
        Signal(id_, "known", 100.0, "") if id_ in half else Signal(id_, "unknown", None, "not asked")
        for id_ in PACKAGES.signals
    )
    result = compute_score(PACKAGES, Measurement(tuple(made)))
    assert result.value == 100.0
    assert 0.40 <= result.coverage < 0.55
    assert result.low is not None
    assert result.low < PACKAGES.threshold
    assert result.grade is None
    assert not result.is_verified


@pytest.mark.parametrize(("value", "shown"), [(69.95, 70.0), (69.949, 69.9), (69.6, 69.6), (0.05, 0.1), (100.0, 100.0)])
def test_scores_are_rounded_half_up_to_one_decimal(value: float, shown: float) -> None:
    assert round_half_up(value) == shown


@pytest.mark.parametrize(
    ("value", "letter"),
    [(100, "A+"), (90, "A+"), (89.9, "A"), (70, "B"), (69.6, "C"), (45, "D"), (30, "E"), (29.9, "F")],
)
def test_a_grade_uses_the_very_number_that_is_shown(value: float, letter: str) -> None:
    assert PACKAGES.find_grade(value) == letter
    assert [least for least, _ in PACKAGES.grades] == sorted((least for least, _ in PACKAGES.grades), reverse=True)


def test_where_nothing_applies_only_a_malware_record_gives_a_number() -> None:
    inapplicable = tuple(Signal(id_, "not_applicable", None, "does not apply") for id_ in PACKAGES.signals)
    for signals_ in (inapplicable, ()):
        assert compute_score(PACKAGES, Measurement(signals_)).value is None
        result = compute_score(PACKAGES, Measurement(signals_, (Flag("malicious", "recorded as malicious"),)))
        assert (result.value, result.total, result.coverage) == (0.0, None, 0.0)


def test_an_id_that_the_methodology_does_not_list_is_an_error() -> None:
    with pytest.raises(KeyError, match="horoscope"):
        compute_score(PACKAGES, Measurement((Signal("horoscope", "known", 100.0, "good"),)))
    with pytest.raises(KeyError, match="bad-luck"):
        compute_score(PACKAGES, Measurement((), (Flag("bad-luck", "a black cat"),)))


@given(MEASURED, st.sampled_from(sorted(PACKAGES.caps)))
def test_a_possible_cap_lowers_the_low_end_of_the_range_alone(measured: Measurement, cap: str) -> None:
    before = compute_score(PACKAGES, measured)
    after = compute_score(
        PACKAGES, Measurement(measured.signals, (*measured.flags, Flag(cap, "not read", possible=True)))
    )
    assert (after.value, after.caps, after.high) == (before.value, before.caps, before.high)
    may_lower = before.value is not None and PACKAGES.caps[cap].limit < before.value
    assert after.doubts == (("not read",) if may_lower else ())
    if after.low is not None and before.low is not None:
        assert after.low <= min(before.low, PACKAGES.caps[cap].limit)


@given(MEASURED, st.sampled_from([spec.id for spec in PACKAGES.signals.values() if spec.weight]))
def test_not_knowing_a_signal_above_the_low_guess_never_lifts_the_low_end_to_the_threshold(
    measured: Measurement, id_: str
) -> None:
    kept = tuple(s for s in measured.signals if s.id != id_)
    known = next((s for s in measured.signals if s.id == id_), None)
    if known is None or known.value is None or known.value < PACKAGES.range_low:
        return
    unknown = Signal(known.id, "unknown", None, "not read", share=known.share)
    full, lost = (compute_score(PACKAGES, Measurement((*kept, s), measured.flags)) for s in (known, unknown))
    if full.low is not None and lost.low is not None:
        assert lost.low <= full.low or lost.low < PACKAGES.threshold


@given(MEASURED)
def test_only_a_certain_score_has_a_grade_and_is_verified(measured: Measurement) -> None:
    result = compute_score(PACKAGES, measured)
    if result.value is None or result.low is None or result.value == 0:
        return
    if result.provisional or result.low < PACKAGES.threshold <= result.value:
        assert result.grade is None
        assert not result.is_verified
    else:
        assert result.grade is not None
