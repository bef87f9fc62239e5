"""What a target may be used for: the values of ``nerq check --for``."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

Purpose: TypeAlias = Literal["research", "sandbox", "production", "critical"]

PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)
