"""Compare targets of one kind signal by signal: what decides between them first, what cannot be compared last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.facts import AffectingAdvisory
from nerq_cli.insight.provenance import ProvenanceFacts, ProvenanceStep, compare_versions
from nerq_cli.scoring import Score
from nerq_cli.scoring.score import Cap, ScorePart
from nerq_cli.signals.advisories import merge_advisories
from nerq_cli.signals.signal import Number

#: ``decides``: the values differ. ``same``: they do not. ``not-applicable``: it does not apply to a target.
#: ``unknown``: it is not known of a target.
Group: TypeAlias = Literal["decides", "same", "not-applicable", "unknown"]
CellState: TypeAlias = Literal["known", "unknown", "not_applicable", "none"]

#: Order of the groups.
GROUPS: Final[tuple[Group, ...]] = ("decides", "same", "not-applicable", "unknown")
#: Id and name of the row with the facts that were not read and may cap a score.
DOUBTS: Final = "doubts"
_DOUBTS_NAME: Final = "facts that may cap the score"
#: Id of the dimension of rows about caps.
CAPS: Final = "caps"
#: Names in the sentence about what decides.
_MAX_NAMED: Final = 3
#: Relations of the provenance of two versions, in words.
_RELATIONS: Final = {
    "same": "unchanged",
    "unknown": "not compared",
    "gained": "gained",
    "lost": "lost",
    "changed": "changed",
}
#: Digits of a score, and of the points of a row.
_DIGITS: Final = 1


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One target of a comparison."""

    #: As it is shown: ``requests 2.34.2``.
    label: str
    #: Ecosystem and name: two versions of one package have the same.
    package: str
    #: None = it was not scored.
    score: Score | None
    #: Why it has no score; empty if it has one.
    reason: str = ""
    #: What rules it out whatever its score, after its name; empty = nothing does.
    objection: str = ""
    #: Advisories that affect this version, as far as they are known.
    advisories: tuple[AffectingAdvisory, ...] = ()
    #: Whether ``advisories`` has all of them.
    knows_advisories: bool = False
    #: What its provenance is read from; None of what has none: models, servers that only run remotely.
    provenance: ProvenanceFacts | None = None


class Cell(msgspec.Struct, frozen=True):
    """One signal or cap of one target."""

    #: ``none``: the cap is not in force.
    state: CellState
    #: Of a signal 0-100; of a cap its limit. None unless ``state`` is ``known``.
    value: Number | None
    reason: str
    source: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One signal or cap of all targets."""

    #: Id of the signal or cap.
    id: str
    name: str
    #: ``caps`` for a cap.
    dimension: str
    group: Group
    #: Points of the score that the difference is worth, 0-100; 0 unless the group is ``decides``.
    points: float
    #: In the order of the targets.
    cells: tuple[Cell, ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Which target has the higher score."""

    #: Index of the target with the highest score; None if there is none, or if a target has no score.
    best: int | None
    #: Whether no unknown fact can change that.
    certain: bool
    #: The same in sentences.
    text: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What another version of the same package brings."""

    #: Indexes of the two targets.
    before: int
    after: int
    #: Points between the scores; None if a version has none.
    points: float | None
    #: Ids of vulnerabilities that affect the first version only; None = those of the second one are not all known.
    fixed: tuple[str, ...] | None
    #: Ids of those that affect the second version only; None = those of the first one are not all known.
    introduced: tuple[str, ...] | None
    #: Ids of known ones that affect both.
    remaining: tuple[str, ...]
    #: Ids of the rows that are better and worse, those worth most first.
    better: tuple[str, ...]
    worse: tuple[str, ...]
    #: What changes in how the versions were published; None where that does not apply.
    provenance: ProvenanceStep | None
    #: The same in sentences.
    text: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Targets side by side."""

    sides: tuple[Side, ...]
    outcome: Outcome
    #: By group; those worth most points first.
    rows: tuple[Row, ...]
    #: For versions of one package: every other one beside the first one.
    changes: tuple[Change, ...] = ()

    @property
    def has_unknown(self) -> bool:
        """Whether something could not be compared because it is not known."""
        return any(row.group == "unknown" for row in self.rows) or any(_get_value(side) is None for side in self.sides)


def compare_sides(sides: Sequence[Side]) -> Comparison:
    """Return targets of one kind side by side; at least two, scored by one methodology where they have scores."""
    rows = _sort_rows([*_iter_caps(sides), *_iter_signals(sides), *_iter_doubts(sides)])
    is_one_package = len({side.package for side in sides}) == 1
    return Comparison(
        sides=tuple(sides),
        outcome=_find_outcome(sides, rows),
        rows=rows,
        changes=tuple(_compare_versions(sides, rows, index) for index in range(1, len(sides)))
        if is_one_package
        else (),
    )


def _get_value(side: Side) -> Number | None:
    return None if side.score is None else side.score.value


# --- rows


def _sort_rows(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows by group; a cap precedes the signals where it decides, because it limits the whole score."""
    return tuple(
        sorted(
            rows,
            key=lambda row: (GROUPS.index(row.group), row.group == "decides" and row.dimension != CAPS, -row.points),
        )
    )


def _iter_signals(sides: Sequence[Side]) -> Iterator[Row]:
    parts = [{part.spec.id: part for part in side.score.parts} if side.score is not None else {} for side in sides]
    ids = dict.fromkeys(id_ for mapping in parts for id_ in mapping)
    for id_ in ids:
        known_parts = [mapping.get(id_) for mapping in parts]
        spec = next(part.spec for part in known_parts if part is not None)
        cells = tuple(_build_cell(part, side) for part, side in zip(known_parts, sides, strict=True))
        group, points = _classify(cells, known_parts)
        yield Row(id=id_, name=spec.name, dimension=spec.dimension, group=group, points=points, cells=cells)


def _build_cell(part: ScorePart | None, side: Side) -> Cell:
    if part is None:
        return Cell("unknown", None, side.reason or "not scored")
    signal = part.signal
    return Cell(signal.state, signal.value, signal.reason, signal.source)


def _classify(cells: Sequence[Cell], parts: Sequence[ScorePart | None]) -> tuple[Group, float]:
    """Return the group of a signal, and what its difference is worth by the highest weight that it has."""
    if any(cell.state == "unknown" for cell in cells):
        return "unknown", 0.0
    values = [cell.value for cell in cells if cell.value is not None]
    if len(values) < len(cells):
        return "not-applicable", 0.0
    spread = max(values) - min(values)
    if not spread:
        return "same", 0.0
    weight = max((part.contribution + part.lost_points for part in parts if part is not None), default=0.0)
    return "decides", weight * spread / 100


def _iter_caps(sides: Sequence[Side]) -> Iterator[Row]:
    caps = [{cap.id: cap for cap in side.score.caps} if side.score is not None else {} for side in sides]
    for id_ in dict.fromkeys(id_ for mapping in caps for id_ in mapping):
        effects = [_measure_cap(mapping.get(id_), side) for mapping, side in zip(caps, sides, strict=True)]
        cells = tuple(_build_cap_cell(id_, mapping.get(id_), side) for mapping, side in zip(caps, sides, strict=True))
        is_unknown = any(cell.state == "unknown" for cell in cells)
        differs = len({cell.value for cell in cells}) > 1
        yield Row(
            id=id_,
            name=f"cap: {id_.replace('_', ' ')}",
            dimension=CAPS,
            group="unknown" if is_unknown else "decides" if differs else "same",
            points=max(effects) - min(effects) if differs and not is_unknown else 0.0,
            cells=cells,
        )


def _build_cap_cell(id_: str, cap: Cap | None, side: Side) -> Cell:
    """Return a cap of a target; one that is not in force is known to be so only if its signal is known."""
    if side.score is None:
        return Cell("unknown", None, side.reason or "not scored")
    if cap is not None:
        return Cell("known", cap.limit, cap.reason, cap.source)
    spec = side.score.methodology.caps.get(id_)
    signal = next((item for item in side.score.signals if spec is not None and item.id == spec.signal), None)
    if signal is not None and signal.state == "unknown":
        return Cell("unknown", None, signal.reason, signal.source)
    return Cell("none", None, "")


def _measure_cap(cap: Cap | None, side: Side) -> float:
    """Return the points by which a cap is below the score before caps."""
    if cap is None or side.score is None:
        return 0.0
    return max(0.0, (100.0 if side.score.total is None else side.score.total) - cap.limit)


def _iter_doubts(sides: Sequence[Side]) -> Iterator[Row]:
    if any(side.score is not None and side.score.doubts for side in sides):
        cells = (
            Cell("unknown", None, "; ".join(side.score.doubts) if side.score is not None else side.reason)
            if side.score is None or side.score.doubts
            else Cell("none", None, "")
            for side in sides
        )
        yield Row(id=DOUBTS, name=_DOUBTS_NAME, dimension=CAPS, group="unknown", points=0.0, cells=tuple(cells))


# --- outcome


def _find_outcome(sides: Sequence[Side], rows: Sequence[Row]) -> Outcome:
    """Return which target has the highest score. One that is ruled out is never the best."""
    outcome = _compare_scores(sides, rows)
    objections = " and ".join(f"{side.label} {side.objection}" for side in sides if side.objection)
    if not objections:
        return outcome
    best = None if outcome.best is None or sides[outcome.best].objection else outcome.best
    return Outcome(
        best=best,
        certain=outcome.certain and best is not None,
        text=f"{objections}: do not use it, whatever the score. {outcome.text}",
    )


def _compare_scores(sides: Sequence[Side], rows: Sequence[Row]) -> Outcome:
    without = [side for side in sides if _get_value(side) is None]
    if without:
        reasons = "; ".join(f"{side.label}: {_explain_missing(side)}" for side in without)
        return Outcome(best=None, certain=False, text=f"Not settled, because a score is missing. {reasons}.")
    values = [float(_get_value(side) or 0) for side in sides]
    numbers = ", ".join(map(_describe_number, sides))
    best = max(range(len(sides)), key=values.__getitem__)
    if values.count(values[best]) > 1:
        leaders = [side.label for side, value in zip(sides, values, strict=True) if value == values[best]]
        relation = "the same" if len(leaders) == len(sides) else "the highest"
        text = f"{_join(leaders)} have {relation} score ({numbers}).{_name_deciding(rows, 'What differs')}"
        return Outcome(best=None, certain=False, text=text)
    certain = _is_certain(sides, best)
    doubt = "" if certain else " What is not known could change the order."
    return Outcome(
        best=best,
        certain=certain,
        text=f"{sides[best].label} has the highest score ({numbers}).{_name_deciding(rows)}{doubt}"
        if len(sides) > 2  # noqa: PLR2004 - of two, one is higher
        else f"{sides[best].label} has the higher score ({numbers}).{_name_deciding(rows)}{doubt}",
    )


def _describe_number(side: Side) -> str:
    """Return the label and the score; ``~`` marks one that is not settled."""
    sign = side.score.sign if side.score is not None else ""
    return f"{side.label} {sign}{_get_value(side) or 0:.1f}"


def _explain_missing(side: Side) -> str:
    return side.reason or (side.score.verdict if side.score is not None else "") or "not scored"


def _is_certain(sides: Sequence[Side], best: int) -> bool:
    """Return whether the range of the best target is above those of all others, and no score is provisional."""
    scores = [side.score for side in sides if side.score is not None]
    low = scores[best].low
    highs = [score.high for index, score in enumerate(scores) if index != best]
    if low is None or any(score.provisional or score.doubts or score.may_change for score in scores):
        return False
    return all(high is not None and low > high for high in highs)


def _join(texts: Sequence[str]) -> str:
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def _name_deciding(rows: Sequence[Row], verb: str = "What decides") -> str:
    deciding = [row for row in rows if row.group == "decides"][:_MAX_NAMED]
    if not deciding:
        return " No signal that is known of all differs."
    names = ", ".join(f"{row.name} ({row.points:.1f} points)" for row in deciding)
    return f" {verb}: {names}."


# --- versions of one package


def _compare_versions(sides: Sequence[Side], rows: Sequence[Row], after: int) -> Change:
    first, second = sides[0], sides[after]
    only_first, only_second, remaining = _compare_advisories(first.advisories, second.advisories)
    fixed = only_first if second.knows_advisories else None
    introduced = only_second if first.knows_advisories else None
    values = _get_value(first), _get_value(second)
    points = None if values[0] is None or values[1] is None else round(values[1] - values[0], _DIGITS)
    better = [row for row in rows if _measure_gain(row, after) > 0]
    worse = [row for row in rows if _measure_gain(row, after) < 0]
    provenance = None
    if first.provenance is not None and second.provenance is not None:
        provenance = compare_versions(first.provenance, second.provenance)
    return Change(
        before=0,
        after=after,
        points=points,
        fixed=fixed,
        introduced=introduced,
        remaining=remaining,
        better=tuple(row.id for row in better),
        worse=tuple(row.id for row in worse),
        provenance=provenance,
        text=" ".join(
            (
                f"From {first.label} to {second.label}: {_describe_points(points)};",
                f"{_describe_advisories(fixed, introduced, remaining)}.",
                *([f"Better: {_list_names(better)}."] if better else []),
                *([f"Worse: {_list_names(worse)}."] if worse else []),
                *([f"Provenance {_RELATIONS[provenance.relation]}: {provenance.text}."] if provenance else []),
            )
        ),
    )


def _measure_gain(row: Row, after: int) -> float:
    """Return how much higher a signal or the limit of a cap is than in the first version; 0 where one is not known."""
    cells = row.cells[0], row.cells[after]
    if any(cell.state in ("unknown", "not_applicable") for cell in cells):
        return 0.0
    before_value, after_value = (100.0 if cell.value is None else float(cell.value) for cell in cells)
    return after_value - before_value


def _compare_advisories(
    before: Sequence[AffectingAdvisory], after: Sequence[AffectingAdvisory]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the ids of the vulnerabilities of the first version only, of the second only, and of both."""
    first, second = merge_advisories(before), merge_advisories(after)
    first_ids = {id_ for advisory in first for id_ in (advisory.id, *advisory.aliases)}
    second_ids = {id_ for advisory in second for id_ in (advisory.id, *advisory.aliases)}
    return (
        tuple(advisory.id for advisory in first if second_ids.isdisjoint((advisory.id, *advisory.aliases))),
        tuple(advisory.id for advisory in second if first_ids.isdisjoint((advisory.id, *advisory.aliases))),
        tuple(advisory.id for advisory in second if not first_ids.isdisjoint((advisory.id, *advisory.aliases))),
    )


def _describe_points(points: float | None) -> str:
    if points is None:
        return "the difference of the scores is not known"
    return f"{points:+.1f} points" if points else "the same score"


def _describe_advisories(
    fixed: tuple[str, ...] | None, introduced: tuple[str, ...] | None, remaining: tuple[str, ...]
) -> str:
    parts = []
    if fixed is None:
        parts.append("which advisories no longer affect it is not known")
    elif fixed:
        parts.append(f"is not affected by {', '.join(fixed)}")
    if introduced is None:
        parts.append("whether new ones affect it is not known")
    elif introduced:
        parts.append(f"newly affected by {', '.join(introduced)}")
    if remaining:
        parts.append(f"still affected by {', '.join(remaining)}")
    return ", ".join(parts) or "no known advisory affects either"


def _list_names(rows: Sequence[Row]) -> str:
    names = [row.name for row in rows]
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return f"{', '.join(names[:_MAX_NAMED])}{more}"
