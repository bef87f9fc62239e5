"""Signals → scores, as columns: what ``nerq_cli.scoring`` computes for one version, for a batch of rows at once.

Weights, caps, grades and floors are read from the methodology when the expressions are built. Sums are added in the
order of ``nerq_cli.scoring``, so that both give the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from nerq_cli.bulk.fact_columns import ADVISORY_FIELDS, ECOSYSTEM_IDS, FACT_COLUMNS, FactColumn
from nerq_cli.bulk.measure import (
    ZERO,
    Moment,
    build_sum,
    derive,
    divide,
    is_found,
    is_true,
    mask_unread,
    measure,
    order_ids,
)
from nerq_cli.bulk.score_columns import REASON_COUNT, VERDICTS
from nerq_cli.methodology.types import CapSpec, Methodology
from nerq_cli.scoring import MIN_REASON_DAMAGE
from nerq_cli.signals.advisories import SEVERITIES, choose_cap_id, raise_known_severity

_VERDICT: Final = "verdict"
#: The columns that identify a row; they are copied.
KEYS: Final = ("ecosystem", "name", "version")


def find_type(column: FactColumn) -> pl.DataType | type[pl.DataType]:
    """Return the type of a column of facts."""
    if column.kind == "category":
        return pl.Enum(column.categories)
    if column.kind == "advisories":
        fields = (pl.String, pl.Enum(SEVERITIES), pl.Boolean, pl.Float64, pl.Boolean, pl.Boolean)
        return pl.List(pl.Struct(dict(zip(ADVISORY_FIELDS, fields, strict=True))))
    return _TYPES[column.kind]


_TYPES: Final[Mapping[str, type[pl.DataType]]] = {
    "text": pl.String,
    "bool": pl.Boolean,
    "count": pl.Int64,
    "number": pl.Float64,
    "date": pl.Date,
}


def build_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """Return the columns of a table of facts and their types."""
    return {
        "ecosystem": pl.Enum(ECOSYSTEM_IDS),
        "name": pl.String,
        "version": pl.String,
        **{column.name: find_type(column) for column in FACT_COLUMNS},
    }


def score(facts: pl.LazyFrame, methodology: Methodology, as_of: int) -> pl.LazyFrame:
    """Return the scores of a table of facts as of a moment (epoch seconds UTC), row by row.

    Pure; depends on the UTC day of the moment only. The columns of ``facts`` have the types of :func:`build_schema`.
    """
    moment = Moment(methodology, as_of)
    table = derive_columns(facts, moment)
    builder = _Builder(moment)
    for stage in builder.build_stages():
        table = table.with_columns(stage)
    return table.select(builder.build_output())


def derive_columns(facts: pl.LazyFrame, moment: Moment) -> pl.LazyFrame:
    """Return the table with the columns that ``nerq_cli.bulk.measure.measure`` computes signals from."""
    table = facts.with_columns(*mask_unread(), ZERO)
    table = table.with_columns(_summarise_advisories(moment).struct.unnest())
    for stage in derive(moment):
        table = table.with_columns(stage)
    return table


def _round_half_up(value: pl.Expr) -> pl.Expr:
    """Return what ``nerq_cli.scoring.round_half_up`` returns."""
    return divide(((value * 10.0).round(6) + 0.5).floor(), 10.0)


def _summarise_advisories(moment: Moment) -> pl.Expr:
    """Return, for the list of advisories of each row, the share that is kept, and the cap with its limit."""
    caps, levels = moment.methodology.caps, moment.methodology.signals["known_advisories"].levels
    epss_raise, epss_cap = moment.limit("epss_raise"), moment.limit("epss_cap")
    fields = {
        "_kept_share": pl.Float64,
        "_advisory_cap": pl.UInt8,
        "_advisory_limit": pl.Float64,
        "_possible_advisory_limit": pl.Float64,
    }
    codes = _number_ids(moment.methodology)
    no_details = dict.fromkeys(ADVISORY_FIELDS)

    def summarise(lists: pl.Series) -> pl.Series:
        # Few packages have advisories, so that a loop over those costs little.
        kept: list[float | None] = [None] * len(lists)
        cap_codes: list[int | None] = [None] * len(lists)
        limits: list[float | None] = [None] * len(lists)
        possible_limits: list[float | None] = [None] * len(lists)
        for row in (lists.list.len() > 0).arg_true().to_list():
            share = 1.0
            candidates: list[tuple[float, str, CapSpec]] = []
            further_count = 0
            advisories = [advisory or no_details for advisory in lists[row].to_list()]
            for advisory in advisories:
                severity, epss = advisory["severity"] or "unknown", advisory["epss"] or 0.0
                is_exploited = advisory["exploited"]
                share *= 1.0 - levels[raise_known_severity(severity, epss, epss_raise, is_exploited=bool(is_exploited))]
                cap_id = choose_cap_id(
                    severity, epss, epss_cap, is_exploited=bool(is_exploited), is_fixed=bool(advisory["fixed"])
                )
                candidates.append((caps[cap_id].limit, advisory["id"] or "", caps[cap_id]))
                further_count += severity != "low"
                if advisory["unread"]:
                    possible = caps["critical" if advisory["fixed"] else "critical-no-fix"].limit_after(0)
                    possible_limits[row] = float(min(possible, possible_limits[row] or possible))
            worst_index = min(range(len(candidates)), key=lambda index: candidates[index][:2])
            cap = candidates[worst_index][2]
            further_count -= advisories[worst_index]["severity"] != "low"
            kept[row], cap_codes[row], limits[row] = share, codes[cap.id], float(cap.limit_after(further_count))
        return pl.DataFrame(
            {
                "_kept_share": kept,
                "_advisory_cap": cap_codes,
                "_advisory_limit": limits,
                "_possible_advisory_limit": possible_limits,
            },
            schema=fields,
        ).to_struct(lists.name)

    return pl.col("advisories").map_batches(summarise, return_dtype=pl.Struct(fields), is_elementwise=True)


def _number_ids(methodology: Methodology) -> dict[str, int]:
    """Return a number for each id of a signal or cap: ties between reasons are broken in the order of the ids."""
    ids = order_ids((*methodology.signals, *methodology.caps, _VERDICT))
    return {id_: number for number, id_ in enumerate(ids)}


def _name_codes(column: str, names: Sequence[str]) -> pl.Expr:
    """Return the name that each number of a column stands for."""
    texts = pl.Series(names, dtype=pl.Enum(names))
    return pl.col(column).map_batches(texts.gather, return_dtype=texts.dtype, is_elementwise=True)


class _Builder:
    """Builds the expressions of the scoring, in stages: each uses the columns of those before."""

    def __init__(self, moment: Moment) -> None:
        self.methodology, self.day = moment.methodology, moment.day
        #: The first dimension of a methodology is security.
        self.security = next(iter(self.methodology.dimensions))
        self.signals = measure(moment)
        self.codes = _number_ids(self.methodology)
        #: Signal and names of the columns (code, limit) of each slot: at most one cap of a slot applies.
        self.slots: list[tuple[str, str, str]] = [("known_advisories", "_advisory_cap", "_advisory_limit")]

    def build_stages(self) -> list[list[pl.Expr]]:
        return [
            self._build_signals(),
            self._build_sums(),
            self._build_means(),
            self._build_total(),
            self._build_score(),
            self._build_range(),
            self._build_judgement(),
            self._build_damages(),
            *(stage for number in range(1, REASON_COUNT + 1) for stage in self._build_reason(number)),
        ]

    def _build_signals(self) -> list[pl.Expr]:
        expressions: list[pl.Expr] = []
        possible: list[pl.Expr] = []
        for id_, measured in self.signals.items():
            expressions.append(measured.value.cast(pl.Float64).alias(f"_{id_}"))
            for number, cases in enumerate(measured.caps):
                code, limit = f"_{id_}_cap{number}", f"_{id_}_limit{number}"
                self.slots.append((id_, code, limit))
                codes: pl.Expr = pl.lit(None, pl.UInt8)
                limits: pl.Expr = pl.lit(None, pl.Float64)
                for cap_id, condition in reversed(cases):
                    codes = pl.when(condition).then(pl.lit(self.codes[cap_id], pl.UInt8)).otherwise(codes)
                    cap_limit = float(self.methodology.caps[cap_id].limit_after(0))
                    limits = pl.when(condition).then(pl.lit(cap_limit)).otherwise(limits)
                expressions += [codes.alias(code), limits.alias(limit)]
            possible += [
                pl.when(condition).then(pl.lit(float(self.methodology.caps[cap_id].limit_after(0))))
                for cap_id, condition in measured.possible
            ]
        status = self.signals["status"].value
        may_change = status.is_not_null() & is_true("repository_unread")
        status_value = pl.col("package_status").fill_null("")
        verdict = (
            pl.when(pl.col("package_state") == "absent")
            .then(pl.lit(0, pl.UInt8))
            .when(status_value == "unpublished")
            .then(pl.lit(1, pl.UInt8))
            .when(
                is_found("package")
                & (pl.col("version").fill_null("") != "")
                & ~is_true("version_listed")
                & ~is_true("partial")
            )
            .then(pl.lit(2, pl.UInt8))
            .when(pl.col("_published").cast(pl.Int32) > self.day)
            .then(pl.lit(3, pl.UInt8))
        )
        return [
            *expressions,
            pl.min_horizontal(*possible, pl.col("_possible_advisory_limit")).alias("_possible_limit"),
            may_change.alias("_may_change"),
            verdict.alias("_no_score"),
        ]

    def _find_weight(self, id_: str) -> pl.Expr:
        """Return the weight of a signal where it is known."""
        weight, share = float(self.methodology.signals[id_].weight), self.signals[id_].share
        return pl.lit(weight) if share is None else weight * share

    def _find_applicable_weight(self, id_: str) -> pl.Expr:
        """Return the weight of a signal; 0 where it does not apply, and all of it where it is unknown."""
        is_not = self.signals[id_].not_applicable
        weight = pl.lit(float(self.methodology.signals[id_].weight))
        if self.signals[id_].share is not None:
            weight = pl.when(pl.col(f"_{id_}").is_not_null()).then(self._find_weight(id_)).otherwise(weight)
        return weight if is_not is None else pl.when(is_not.fill_null(value=False)).then(0.0).otherwise(weight)

    def _build_sums(self) -> list[pl.Expr]:
        expressions = []
        for dimension in self.methodology.dimensions:
            ids = [spec.id for spec in self.methodology.signals_of(dimension)]
            known = build_sum(
                pl.when(pl.col(f"_{id_}").is_not_null()).then(self._find_weight(id_)).otherwise(0.0) for id_ in ids
            )
            value = build_sum((self._find_weight(id_) * pl.col(f"_{id_}")).fill_null(0.0) for id_ in ids)
            expressions += [
                build_sum(map(self._find_applicable_weight, ids)).alias(f"_applicable_{dimension}"),
                known.alias(f"_known_{dimension}"),
                value.alias(f"_value_{dimension}"),
            ]
        limits = [pl.col(limit) for _, _, limit in self.slots]
        return [*expressions, pl.min_horizontal(limits).alias("_lowest_limit")]

    def _build_means(self) -> list[pl.Expr]:
        floor = float(self.methodology.dimension_floor)
        expressions = []
        for dimension in self.methodology.dimensions:
            known, applicable = pl.col(f"_known_{dimension}"), pl.col(f"_applicable_{dimension}")
            mean = pl.when((known > 0) & ~(divide(known, applicable) < floor)).then(
                divide(pl.col(f"_value_{dimension}"), known)
            )
            expressions.append(mean.alias(f"_mean_{dimension}"))
        shares = self._sum_dimensions(
            {name: pl.col(f"_applicable_{name}") > 0 for name in self.methodology.dimensions},
            {
                name: divide(pl.col(f"_known_{name}"), pl.col(f"_applicable_{name}"))
                for name in self.methodology.dimensions
            },
        )
        return [
            *expressions,
            shares.round(9).fill_null(0.0).alias("coverage"),
            (pl.col("_lowest_limit") == 0).fill_null(value=False).alias("_is_zeroed"),
        ]

    def _sum_dimensions(self, conditions: Mapping[str, pl.Expr], values: Mapping[str, pl.Expr]) -> pl.Expr:
        """Return the mean of the values over the dimensions whose condition holds; null over none."""
        weighted = build_sum(
            pl.when(conditions[name]).then(float(weight) * values[name]).otherwise(0.0)
            for name, weight in self.methodology.dimensions.items()
        )
        weights = self._sum_weights(conditions)
        return pl.when(weights > 0).then(divide(weighted, weights))

    def _sum_weights(self, conditions: Mapping[str, pl.Expr]) -> pl.Expr:
        return build_sum(
            pl.when(conditions[name]).then(float(weight)).otherwise(0.0)
            for name, weight in self.methodology.dimensions.items()
        )

    def _build_total(self) -> list[pl.Expr]:
        means = {name: pl.col(f"_mean_{name}") for name in self.methodology.dimensions}
        conditions = {name: mean.is_not_null() for name, mean in means.items()}
        is_scored = (pl.col("coverage") >= self.methodology.coverage_floor) & pl.col("_no_score").is_null()
        total = pl.when(is_scored | pl.col("_is_zeroed")).then(self._sum_dimensions(conditions, means))
        return [total.alias("_total"), self._sum_weights(conditions).alias("_mean_weights")]

    def _apply_caps(self, total: pl.Expr) -> pl.Expr:
        capped = _round_half_up(pl.min_horizontal(total, pl.col("_lowest_limit").fill_null(100.0)))
        return pl.when(pl.col("_is_zeroed")).then(0.0).when(total.is_not_null()).then(capped)

    def _build_score(self) -> list[pl.Expr]:
        return [self._apply_caps(pl.col("_total")).alias("score")]

    def _build_range(self) -> list[pl.Expr]:
        names = tuple(self.methodology.dimensions)
        conditions = {name: pl.col(f"_applicable_{name}") > 0 for name in names}

        def estimate(guess: float) -> pl.Expr:
            means = {}
            for name in names:
                applicable, known = pl.col(f"_applicable_{name}"), pl.col(f"_known_{name}")
                means[name] = divide(pl.col(f"_value_{name}") + (applicable - known) * guess, applicable)
            return self._apply_caps(self._sum_dimensions(conditions, means))

        score_ = pl.col("score")
        low = pl.min_horizontal(score_, estimate(float(self.methodology.range_low)), pl.col("_possible_limit"))
        high = pl.max_horizontal(score_, estimate(float(self.methodology.range_high)))
        is_doubtful = (pl.col("_possible_limit") < score_).fill_null(value=False)
        required = self.methodology.required_signal
        is_required_unknown = pl.col(f"_{required}").is_null()
        if (is_not := self.signals[required].not_applicable) is not None:
            is_required_unknown &= ~is_not.fill_null(value=False)
        return [
            pl.when(score_.is_not_null()).then(low).alias("low"),
            pl.when(score_.is_not_null()).then(high).alias("high"),
            (~pl.col("_is_zeroed") & (is_required_unknown | is_doubtful)).alias("provisional"),
        ]

    def _build_judgement(self) -> list[pl.Expr]:
        methodology, score_, low = self.methodology, pl.col("score"), pl.col("low")
        is_uncertain = ((low < methodology.threshold) & (score_ >= methodology.threshold)).fill_null(value=False)
        letters = pl.Enum([letter for _, letter in methodology.grades])
        grade: pl.Expr = pl.lit(None, letters)
        for minimum, letter in reversed(methodology.grades):
            grade = pl.when(score_ >= minimum).then(pl.lit(letter, letters)).otherwise(grade)
        is_certain = pl.col("_is_zeroed") | ~(pl.col("provisional") | is_uncertain)
        is_verified = (
            ~pl.col("provisional")
            & pl.col("_lowest_limit").is_null()
            & ~pl.col("_may_change")
            & (pl.col("_package_days").fill_null(0) >= methodology.verified_days)
            & (low >= methodology.threshold)
            & (pl.col("coverage") >= methodology.low_coverage)
            & pl.col(f"_mean_{methodology.signals[methodology.required_signal].dimension}").is_not_null()
        )
        codes = [pl.when(pl.col(limit) == pl.col("_lowest_limit")).then(pl.col(code)) for _, code, limit in self.slots]
        verdict = pl.coalesce(pl.col("_no_score"), pl.when(score_.is_null()).then(pl.lit(len(VERDICTS) - 1, pl.UInt8)))
        return [
            pl.when(score_.is_not_null() & is_certain).then(grade).alias("grade"),
            is_verified.fill_null(value=False).alias("verified"),
            pl.min_horizontal(codes).alias("_cap"),
            verdict.alias("_verdict"),
        ]

    def _build_damages(self) -> list[pl.Expr]:
        """Return what each signal and cap costs (points); null where it is no reason."""
        expressions, lost_points = [], {}
        for dimension, weight in self.methodology.dimensions.items():
            per_weight = divide(divide(pl.lit(float(weight)), pl.col("_mean_weights")), pl.col(f"_known_{dimension}"))
            for spec in self.methodology.signals_of(dimension):
                cost = per_weight * self._find_weight(spec.id) * (100.0 - pl.col(f"_{spec.id}"))
                is_counted = pl.col(f"_mean_{dimension}").is_not_null() & pl.col(f"_{spec.id}").is_not_null()
                lost_points[spec.id] = pl.when(is_counted).then(cost).otherwise(0.0)
        uncapped = pl.col("_total").fill_null(100.0)
        for id_, lost in lost_points.items():
            slots = [(code, limit) for signal, code, limit in self.slots if signal == id_]
            for code, limit in slots:
                damage = (uncapped - pl.col(limit)).clip(lower_bound=0.0) + lost
                if self.methodology.signals[id_].dimension == self.security:
                    expressions.append(damage.alias(f"{code}_first"))
                    continue
                lowers = pl.col(limit) < uncapped
                expressions.append(pl.when(lowers).then(damage).alias(f"{code}_first"))
                expressions.append(pl.when(~lowers).then(damage).alias(f"{code}_damage"))
            is_reason = lost >= MIN_REASON_DAMAGE
            for _, limit in slots:
                is_reason &= pl.col(limit).is_null()
            expressions.append(pl.when(is_reason).then(lost).alias(f"_{id_}_damage"))
        verdict = pl.when(pl.col("_no_score").is_not_null()).then(100.0)
        return [*expressions, verdict.alias(f"_{_VERDICT}_first")]

    def _list_damages(self) -> tuple[list[tuple[pl.Expr, pl.Expr]], list[tuple[pl.Expr, pl.Expr]]]:
        """Return the columns of damage, each with the number of its id: those that are named first, and the others."""
        first = [(pl.col(f"_{_VERDICT}_first"), pl.lit(self.codes[_VERDICT], pl.UInt8))]
        others = [(pl.col(f"_{id_}_damage"), pl.lit(self.codes[id_], pl.UInt8)) for id_ in self.methodology.signals]
        for id_, code, _ in self.slots:
            first.append((pl.col(f"{code}_first"), pl.col(code)))
            if self.methodology.signals[id_].dimension != self.security:
                others.append((pl.col(f"{code}_damage"), pl.col(code)))
        return first, others

    def _build_reason(self, number: int) -> list[list[pl.Expr]]:
        """Return the stages that find the next reason: one that is named first, the most damage, then the first id."""
        first, others = self._list_damages()
        largest, is_first = pl.col(f"_points{number}"), pl.col(f"_is_first{number}")
        codes = [
            *(pl.when((damage == largest) & is_first).then(code) for damage, code in first),
            *(pl.when((damage == largest) & ~is_first).then(code) for damage, code in others),
        ]
        drop = [
            pl.when(code != pl.col(f"_reason{number}")).then(damage).alias(damage.meta.output_name())
            for damage, code in (*first, *others)
        ]
        largest_first = pl.max_horizontal([damage for damage, _ in first])
        largest_other = pl.max_horizontal([damage for damage, _ in others])
        return [
            [
                pl.coalesce(largest_first, largest_other).alias(f"_points{number}"),
                largest_first.is_not_null().alias(f"_is_first{number}"),
            ],
            [pl.min_horizontal(codes).alias(f"_reason{number}")],
            *([drop] if number < REASON_COUNT else []),
        ]

    def build_output(self) -> list[pl.Expr]:
        """Return the columns of a table of scores."""
        ids = [*self.codes]
        names = (*KEYS, "score", "grade", "coverage", "low", "high", "provisional", "verified")
        return [
            *map(pl.col, names),
            pl.lit(f"{self.methodology.target} {self.methodology.version}").alias("methodology"),
            pl.lit(self.day, pl.Int32).cast(pl.Date).alias("as_of"),
            _name_codes("_verdict", [*VERDICTS]).alias("verdict"),
            *(_round_half_up(pl.col(f"_mean_{name}")).alias(name) for name in self.methodology.dimensions),
            _name_codes("_cap", ids).alias("cap"),
            pl.col("_lowest_limit").alias("cap_limit"),
            *(
                column
                for number in range(1, REASON_COUNT + 1)
                for column in (
                    _name_codes(f"_reason{number}", ids).alias(f"reason_{number}"),
                    _round_half_up(pl.col(f"_points{number}")).alias(f"reason_{number}_points"),
                )
            ),
        ]
