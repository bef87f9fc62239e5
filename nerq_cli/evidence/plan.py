"""A plan of steps: each step declares what it needs and what it gives, and the order follows from that."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import msgspec

from nerq_cli.facts import Fact
from nerq_cli.inventory import Package, Release

if TYPE_CHECKING:
    from types import FunctionType

T = TypeVar("T")

ByRelease: TypeAlias = Mapping[Release, Fact[T]]
ByPackage: TypeAlias = Mapping[Package, Fact[T]]


class PlanError(ValueError):
    """The steps cannot be put in order."""


class Step(msgspec.Struct, frozen=True):
    """One part of the collection: a function, and the name under which later steps find its result."""

    gives: str
    run: Callable[..., Any]

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of its parameters: inputs of the plan, or what other steps give."""
        code = cast("FunctionType", self.run).__code__  # much faster than inspect.signature
        return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


class Plan:
    """Steps in an order in which each one runs after those whose results it needs."""

    def __init__(self, steps: Sequence[Step], *, inputs: Collection[str]) -> None:
        self.steps = order_steps(steps, inputs)

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run all steps, and return the inputs and the results by name."""
        values = dict(inputs)
        for step in self.steps:
            values[step.gives] = step.run(**{name: values[name] for name in step.needs})
        return values


def order_steps(steps: Sequence[Step], inputs: Collection[str]) -> tuple[Step, ...]:
    """Return the steps in order: always the first one in ``steps`` whose needs are met.

    Raises:
        PlanError: two steps give the same, nothing gives what a step needs, or steps need each other.
    """
    names = [*inputs, *(step.gives for step in steps)]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise PlanError(f"given more than once: {', '.join(duplicates)}")
    if missing := sorted({f"{name} (for {step.gives})" for step in steps for name in step.needs if name not in names}):
        raise PlanError(f"no step gives: {', '.join(missing)}")
    ordered: list[Step] = []
    available, pending = set(inputs), list(steps)
    while pending:
        step = next((step for step in pending if available.issuperset(step.needs)), None)
        if step is None:
            raise PlanError(f"steps need each other: {', '.join(step.gives for step in pending)}")
        pending.remove(step)
        available.add(step.gives)
        ordered.append(step)
    return tuple(ordered)
