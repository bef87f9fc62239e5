"""Steps run in an order that follows from what they need."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.evidence.collect import PACKAGE_INPUTS, PACKAGE_STEPS, RELEASE_INPUTS, RELEASE_STEPS
from nerq_cli.evidence.plan import Plan, PlanError, Step, order_steps
from nerq_cli.facts import Evidence
from nerq_cli.inventory import Package, Release


def add_one(number: int) -> int:
    return number + 1


def double(increment: int) -> int:
    return 2 * increment


def join(number: int, increment: int, product: int) -> str:
    return f"{number} {increment} {product}"


STEPS = (Step("text", join), Step("product", double), Step("increment", add_one))


def test_each_step_runs_after_those_whose_results_it_needs() -> None:
    assert Plan(STEPS, inputs=("number",)).run({"number": 3})["text"] == "3 4 8"


@given(st.permutations(STEPS))
def test_the_order_follows_from_the_needs_however_the_steps_are_listed(steps: Sequence[Step]) -> None:
    assert [step.gives for step in order_steps(steps, ("number",))] == ["increment", "product", "text"]


def test_of_steps_that_could_run_next_the_first_one_listed_does() -> None:
    steps = [Step(name, add_one) for name in "cab"]
    assert [step.gives for step in order_steps(steps, ("number",))] == ["c", "a", "b"]


def test_steps_that_need_each_other_are_refused() -> None:
    with pytest.raises(PlanError, match="steps need each other: increment, number"):
        order_steps([Step("increment", add_one), Step("number", lambda increment: increment)], ())


def test_a_need_that_nothing_gives_is_refused() -> None:
    with pytest.raises(PlanError, match=r"no step gives: increment \(for product\)"):
        order_steps([Step("product", double)], ("number",))


@pytest.mark.parametrize("steps", [[Step("number", add_one)], [Step("increment", add_one)] * 2])
def test_a_name_that_is_given_twice_is_refused(steps: Sequence[Step]) -> None:
    with pytest.raises(PlanError, match="given more than once"):
        order_steps(steps, ("number",))


@pytest.mark.parametrize(
    ("steps", "inputs"),
    [(PACKAGE_STEPS, PACKAGE_INPUTS), (RELEASE_STEPS, RELEASE_INPUTS)],
    ids=["packages", "releases"],
)
def test_the_steps_of_a_round_are_listed_in_the_order_in_which_they_run(
    steps: Sequence[Step], inputs: Sequence[str]
) -> None:
    assert order_steps(steps, inputs) == steps


def test_what_a_step_needs_has_the_type_that_another_one_gives() -> None:
    steps = (*PACKAGE_STEPS, *RELEASE_STEPS)
    hints = {step.gives: typing.get_type_hints(step.run) for step in steps}
    given_types = {name: types["return"] for name, types in hints.items()}
    for input_name in {*PACKAGE_INPUTS, *RELEASE_INPUTS} - given_types.keys():
        needed_types = [types[input_name] for types in hints.values() if input_name in types]
        assert all(one == other for one, other in pairwise(needed_types))
    mismatches = {
        (step.gives, name)
        for step in steps
        for name in step.needs
        if name in given_types and hints[step.gives][name] != given_types[name]
    }
    assert not mismatches


def test_every_field_of_the_evidence_is_filled_by_a_step_of_its_type() -> None:
    given_types = {step.gives: typing.get_type_hints(step.run)["return"] for step in RELEASE_STEPS}
    for name, field_type in typing.get_type_hints(Evidence).items():
        key_type, fact_type = typing.get_args(given_types[name])
        assert key_type in (Release, Package)
        assert fact_type == field_type, name
