"""What a methodology is made of: dimensions, signals, caps, grades and limits."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Curve(msgspec.Struct, frozen=True):
    """A piecewise linear curve, constant outside its points."""

    #: Points (x, y) with x ascending.
    points: tuple[tuple[float, float], ...]

    def value_at(self, x: float) -> float:
        """Return the value at ``x``, 0-100."""
        x0, y0 = self.points[0]
        if x <= x0:
            return y0
        for x1, y1 in self.points[1:]:
            if x <= x1:
                return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
            x0, y0 = x1, y1
        return y0

    def __str__(self) -> str:
        """Return the points as text: ``180 → 100, 365 → 85``."""
        return ", ".join(f"{x:g} → {y:g}" for x, y in self.points)


class SignalSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One signal: what it measures, its weight, and the numbers that turn a fact into 0-100."""

    #: Identifier in code and JSON: a word such as ``provenance``.
    id: str
    #: Short code in tables, such as ``S4``.
    label: str
    dimension: str
    #: Weight within the dimension.
    weight: float
    #: Name in reports.
    name: str
    description: str
    curves: Mapping[str, Curve] = {}
    #: Values (0-100) of the cases the signal distinguishes, or weights of its parts.
    levels: Mapping[str, float] = {}
    #: Prior work the numbers are derived from.
    reference: str = ""
    unknown_when: str = ""
    not_applicable_when: str = ""


class CapSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A hard limit: while its condition holds, the final score is at most ``limit``."""

    id: str
    limit: float
    condition: str
    #: Id of the signal whose reason the cap replaces in the list of reasons.
    signal: str = ""
    #: Points that each further advisory of unknown, medium or higher severity lowers the limit by.
    step: float = 0.0
    #: The limit is not lowered below this.
    floor: float = 0.0

    def limit_after(self, further_count: int) -> float:
        """Return the limit, lowered for further advisories."""
        return min(self.limit, max(self.floor, self.limit - self.step * further_count))


class Limit(msgspec.Struct, frozen=True):
    """A threshold that signals or caps compare a fact with."""

    id: str
    value: float
    unit: str
    description: str


class Methodology(msgspec.Struct, frozen=True, kw_only=True):
    """Every number behind the scores of one kind of target."""

    #: Changes whenever a number in the methodology changes.
    version: str
    #: What it is for: ``packages``, ``models``. Editions are numbered for each of them.
    target: str = "packages"
    #: Weight of each dimension in the total.
    dimensions: Mapping[str, float]
    signals: Mapping[str, SignalSpec]
    caps: Mapping[str, CapSpec] = {}
    limits: Mapping[str, Limit] = {}
    #: Grades, best first: (lowest score, grade).
    grades: tuple[tuple[float, str], ...]
    #: Labels of coverage, best first: (lowest coverage, label).
    coverage_labels: tuple[tuple[float, str], ...]
    #: The score a dependency must reach when the configuration sets none.
    threshold: float
    #: A dimension counts when at least this share of its applicable weight is known.
    dimension_floor: float
    #: Below this coverage there is no score.
    coverage_floor: float
    #: Below this coverage no version is verified.
    low_coverage: float
    #: Values of unknown signals at the two ends of a score's range.
    range_low: float
    range_high: float
    #: A version is verified only when its package is known to be this many days old.
    verified_days: int = 0
    #: Id of the signal without which a score is provisional; empty when there is none.
    required_signal: str = ""
    #: First moment at which a version on the registry could carry an attestation (epoch seconds UTC).
    attestations_since: Mapping[str, int] = {}
    #: First release and end of upstream support of each Python, as ISO dates.
    python_support: Mapping[str, tuple[str, str]] = {}

    def find_grade(self, score: float) -> str:
        """Return the grade of a final score (one decimal, 0-100)."""
        return next(letter for minimum, letter in self.grades if score >= minimum)

    def find_coverage_label(self, coverage: float) -> str:
        """Return the label, such as ``medium``, of a coverage of 0-1."""
        return next(label for minimum, label in self.coverage_labels if coverage >= minimum)

    def signals_of(self, dimension: str) -> tuple[SignalSpec, ...]:
        """Return the signals of one dimension, in the order of the table."""
        return tuple(spec for spec in self.signals.values() if spec.dimension == dimension)
