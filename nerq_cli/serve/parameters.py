"""Which parameters a request may have."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from nerq_cli.serve.problems import RequestError

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams


def check_parameters(parameters: QueryParams, allowed: Collection[str]) -> None:
    """Raise RequestError for a parameter that the path does not have: a misspelt one would change nothing unseen."""
    for name in parameters:
        if name not in allowed:
            hint = f"parameters: {', '.join(allowed)}" if allowed else "the path takes none"
            raise RequestError("invalid-parameter", f"there is no parameter {name!r}", hint=hint)


def find_only(parameters: QueryParams, name: str) -> str | None:
    """Return the value of a parameter; None if it is missing.

    Raises:
        RequestError: it is there more than once.
    """
    values = parameters.getlist(name)
    if len(values) > 1:
        raise RequestError("invalid-parameter", f"the parameter {name} is there more than once")
    return values[0] if values else None
