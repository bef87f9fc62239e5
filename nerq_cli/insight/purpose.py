"""What a target may be used for: the values of ``nerq check --for``, and the score that each of them asks for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

Purpose: TypeAlias = Literal["research", "sandbox", "production", "critical"]

PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)
DEFAULT_PURPOSE: Final[Purpose] = "production"
#: Lowest score for each purpose, 0 to 100: of ``check --for``, and as a threshold of the gate by name (``--policy``).
MINIMUM_SCORES: Final[Mapping[Purpose, float]] = MappingProxyType(
    {"research": 30.0, "sandbox": 50.0, "production": 70.0, "critical": 80.0}
)
