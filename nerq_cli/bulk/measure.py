"""Facts → signals, as columns: what ``nerq_cli.signals`` measures for one version, for a batch of rows at once.

Every number is taken from the methodology. The conditions are those of the function with the same id in
``nerq_cli.signals``; a test compares both over generated evidence.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import reduce
from itertools import pairwise
from typing import Final, TypeAlias

import msgspec
import polars as pl

from nerq_cli.bulk.fact_columns import ECOSYSTEM_IDS, FACT_COLUMNS, LOWER_BOUND, RECENT_RELEASES, name_check
from nerq_cli.ecosystems import ECOSYSTEMS
from nerq_cli.methodology.types import Curve, Methodology, SignalSpec
from nerq_cli.signals.context import allows_python, mentions_python
from nerq_cli.signals.security import SECURITY_STATUSES
from nerq_cli.units import DAY

#: A cap and the rows on which it applies. Of several in one tuple, the first that applies counts.
Case: TypeAlias = tuple[str, pl.Expr]


class MeasuredColumns(msgspec.Struct, frozen=True):
    """One signal of all rows."""

    #: 0-100; null = unknown or not applicable.
    value: pl.Expr
    #: None = it applies to every row.
    not_applicable: pl.Expr | None = None
    #: Part of its weight that it keeps; None = all.
    share: pl.Expr | None = None
    #: Caps in force. Of each tuple at most one applies to a row.
    caps: tuple[tuple[Case, ...], ...] = ()
    #: Caps that may apply: the facts that decide them were not read.
    possible: tuple[Case, ...] = ()


def build_curve(curve: Curve, x: pl.Expr) -> pl.Expr:
    """Return the value of a curve, in the operations of ``Curve.value_at``, so that it is the same to the last bit."""
    points = curve.points
    value: pl.Expr = pl.lit(float(points[-1][1]))
    for (x0, y0), (x1, y1) in reversed([*pairwise(points)]):
        slope = divide(float(y1 - y0) * (x - float(x0)), float(x1 - x0))
        value = pl.when(x <= x1).then(float(y0) + slope).otherwise(value)
    value = pl.when(x <= points[0][0]).then(float(points[0][1])).otherwise(value)
    return pl.when(x.is_not_null()).then(value)


def divide(numerator: pl.Expr, denominator: pl.Expr | float) -> pl.Expr:
    """Return a quotient, rounded as IEEE 754 demands.

    Polars multiplies by the reciprocal where the denominator is the same in all rows of a batch, which differs in the
    last bit: the score of a row would depend on the rows beside it.
    """
    return numerator / (pl.col("_zero") + denominator)


def build_level(levels: Mapping[str, float], column: str) -> pl.Expr:
    """Return the level that a column of categories names; null where it names none.

    Levels that are no category of the column are left out.
    """
    [categories] = [row.categories for row in FACT_COLUMNS if row.name == column]
    levels = {name: level for name, level in levels.items() if name in categories}
    # Polars keeps all rows in memory to replace values by a table; it streams this.
    return _choose(*((pl.col(column) == name, float(level)) for name, level in levels.items()))


def build_sum(terms: Iterable[pl.Expr]) -> pl.Expr:
    """Return the sum, added from the left."""
    return reduce(operator.add, terms)


def is_any(column: pl.Expr, names: Sequence[str]) -> pl.Expr:
    """Return whether a column of categories has one of these. Polars joins tables for ``is_in``."""
    return reduce(operator.or_, (column == name for name in names))


def is_true(name: str) -> pl.Expr:
    """Return whether a column of yes and no is yes; null counts as no."""
    return pl.col(name).fill_null(value=False)


def is_found(group: str) -> pl.Expr:
    """Return whether the record of a group was found."""
    return pl.col(f"{group}_state") == "found"


class Moment:
    """The day that ages are measured from, and the methodology."""

    def __init__(self, methodology: Methodology, as_of: int) -> None:
        self.methodology = methodology
        #: UTC days since 1970.
        self.day = as_of // DAY
        date = datetime.fromtimestamp(as_of, timezone.utc).date().isoformat()
        self.pythons = tuple(
            python for python, (first, end) in methodology.python_support.items() if first <= date <= end
        )

    def limit(self, id_: str) -> float:
        """Return one of the methodology's limits."""
        return self.methodology.limits[id_].value

    def count_days(self, name: str) -> pl.Expr:
        """Return the whole days since the date in a column; never negative."""
        return (pl.lit(self.day, pl.Int32) - pl.col(name).cast(pl.Int32)).clip(lower_bound=0)


def mask_unread() -> list[pl.Expr]:
    """Return the columns, each null where its group was not found: the state of a record wins over its values.

    A number outside of the range of its column is null as well: a negative count is none, and is not known.
    """
    states = {"advisories": is_any(pl.col("advisories_state"), ["found", LOWER_BOUND])}
    expressions = []
    for column in FACT_COLUMNS:
        if column.group:
            is_known = states.get(column.group, is_found(column.group))
            if column.kind in {"count", "number"}:  # not a number is above all numbers
                maximum = int(column.maximum) if column.kind == "count" else column.maximum
                is_known &= (pl.col(column.name) >= 0) & (pl.col(column.name) <= maximum)
            expressions.append(pl.when(is_known).then(pl.col(column.name)).alias(column.name))
    return expressions


def derive(moment: Moment) -> list[list[pl.Expr]]:
    """Return what several signals need, in stages: each is computed from the columns of those before.

    The names are those of ``nerq_cli.signals.context.Context``, with ``_`` before.
    """
    limit, day_count = moment.limit, moment.count_days
    has_problem, partial = is_true("date_problem"), is_true("partial")
    published = pl.when(~has_problem).then(pl.col("version_published"))
    # What is dated later than the moment had not been released.
    is_there = pl.col("first_published").cast(pl.Int32) <= moment.day
    package_days = pl.when(~has_problem & is_there).then(day_count("first_published"))
    releases = [pl.col(f"stable_release_{number + 1}").cast(pl.Int32) for number in range(RECENT_RELEASES)]
    newest_release = pl.max_horizontal(pl.when(release <= moment.day).then(release) for release in releases)
    repository, adoption = is_found("repository"), pl.col("downloads")
    downloads = pl.coalesce(adoption, pl.col("list_downloads"))
    stars_ratio = divide((pl.col("stars") + 1).cast(pl.Float64), downloads + 1.0)
    is_link_sure = is_any(pl.col("link_status"), ["attested", "confirmed"]).fill_null(value=False) & ~is_true(
        "repository_mismatch"
    )
    has_scorecard = (
        is_found("scorecard")
        & ~(pl.col("link_status") == "foreign").fill_null(value=False)
        & (day_count("scorecard_date") <= limit("scorecard_days")).fill_null(value=False)
    )
    first = [
        is_any(pl.col("ecosystem"), [row.id for row in ECOSYSTEMS if row.uses_python]).alias("_uses_python"),
        (pl.col("newest_stable").fill_null("") != "").alias("_has_newest_stable"),
        published.alias("_published"),
        pl.when(~(partial & (package_days < limit("young_days")))).then(package_days).alias("_package_days"),
        pl.when(~has_problem & (pl.col("newest_stable").fill_null("") != ""))
        .then(pl.lit(moment.day, pl.Int32) - newest_release)
        .alias("_days_since_release"),
        pl.when(pl.col("commits_90d").fill_null(0) > 0)
        .then(pl.lit(0, pl.Int32))
        .otherwise(day_count("last_commit"))
        .alias("_days_since_commit"),
        pl.when(is_found("popularity"))
        .then((pl.col("rank") <= limit("widely_used_rank")).fill_null(value=False))
        .alias("_is_widely_used"),
        pl.when(repository)
        .then(pl.col("last_commit").is_not_null() | pl.col("commits_90d").is_not_null())
        .otherwise(pl.col("dependents").is_not_null() & is_found("metadata") & ~is_true("declared_repository"))
        .alias("_is_activity_read"),
        has_scorecard.alias("_has_scorecard"),
        pl.when(repository & ~is_link_sure & (stars_ratio > limit("starjack_ratio")))
        .then(limit("unverified_share"))
        .otherwise(1.0)
        .alias("_repository_share"),
        is_link_sure.alias("_is_link_sure"),
        (
            is_any(pl.col("package_status"), ["deprecated", "archived"]).fill_null(value=False) | is_true("archived")
        ).alias("_is_deprecated"),
    ]
    checks = [
        pl.when(pl.col("_has_scorecard")).then(pl.col(name)).alias(name)
        for name in map(
            name_check, (*moment.methodology.signals["repository_hygiene"].levels, "Maintained", "Security-Policy")
        )
    ]
    days_behind = (pl.col("newest_stable_published").cast(pl.Int32) - pl.col("_published").cast(pl.Int32)).clip(
        lower_bound=0
    )
    second = [
        *checks,
        pl.when(pl.col("_published").cast(pl.Int32) <= moment.day).then(day_count("_published")).alias("_version_days"),
        days_behind.alias("_days_behind"),
        (pl.col("_days_since_commit") > limit("inactive_days")).fill_null(value=True).alias("_is_inactive"),
        (pl.col("_days_since_release") > limit("inactive_days")).fill_null(value=True).alias("_is_quiet"),
    ]
    is_maintained = (pl.col(name_check("Maintained")) > 0).fill_null(value=False)
    names_no_repository = (
        ~repository & is_found("metadata") & ~is_true("declared_repository") & ~is_true("repository_unread")
    )
    version_days = pl.col("_version_days")
    is_current = (version_days > 0) & (version_days <= limit("line_days"))
    is_newest = pl.col("version").fill_null("") == pl.col("newest_stable").fill_null("")
    is_active = (
        pl.when(~pl.col("_uses_python") | pl.col("_is_widely_used").fill_null(value=False))
        .then(statement=True)
        .when((pl.col("_days_since_release") <= limit("stale_days")) | is_maintained)
        .then(statement=True)
        .when(pl.col("_days_since_commit").is_not_null())
        .then(pl.col("_days_since_commit") <= limit("inactive_days"))
        .when(repository & pl.col("_is_activity_read") & pl.col("_is_widely_used").is_not_null())
        .then(statement=False)
    )
    third = [
        (is_true("first_of_line") & ~partial & is_current.fill_null(value=False)).alias("_is_newest_of_line"),
        (
            ~(repository & pl.col("archived").is_not_null())
            & ~names_no_repository
            & ~is_maintained
            & pl.col("_is_quiet")
        ).alias("_may_be_archived"),
        # Kleene logic: one condition that does not hold decides; else one that is not known.
        (
            is_true("stable_from_one")
            & ~pl.col("_is_deprecated")
            & pl.when(~is_newest).then(statement=True).otherwise(~pl.col("unfixed_advisory"))
            & (pl.col("open_issues") < limit("finished_issues"))
            & is_active
        ).alias("_is_finished"),
    ]
    return [first, second, third]


def _choose(*cases: tuple[pl.Expr, pl.Expr | float | None]) -> pl.Expr:
    """Return the value of the first case whose condition holds; null if none does. A null condition does not hold."""
    result: pl.Expr = pl.lit(None, pl.Float64)
    for condition, value in reversed(cases):
        chosen = value if isinstance(value, pl.Expr) else pl.lit(value, pl.Float64)
        result = pl.when(condition).then(chosen).otherwise(result)
    return result


_ALWAYS: Final = pl.lit(value=True)
#: A column of zeros that Polars does not take for a constant; see :func:`divide`.
ZERO: Final = (pl.col("version").str.len_bytes().fill_null(0).cast(pl.Float64) * 0.0).alias("_zero")


# --- security


def _measure_malware(moment: Moment, spec: SignalSpec) -> MeasuredColumns:
    status = pl.col("package_status")
    is_withheld = is_any(status, [*SECURITY_STATUSES]).fill_null(value=False)
    state, recorded = pl.col("advisories_state"), is_true("malware")
    value = _choose(
        (is_withheld, spec.levels["malicious"]),
        (state == "unknown", None),
        (recorded, spec.levels["malicious"]),
        ((state == LOWER_BOUND) | is_true("unread_advisory"), None),
        (_ALWAYS, spec.levels["clean"]),
    )
    is_recent = is_found("history") & (moment.count_days("malicious_at") <= moment.limit("malware_history_days"))
    return MeasuredColumns(
        value,
        caps=(
            (*((id_, status == id_) for id_ in SECURITY_STATUSES), ("malicious", recorded)),
            (("malware-history", ~is_withheld & (state != "unknown") & is_recent),),
        ),
        possible=(("malicious", ~is_withheld & ~recorded & (state == "found") & is_true("unread_advisory")),),
    )


def _measure_advisories(_: Moment, __: SignalSpec) -> MeasuredColumns:
    kept_share, is_unread = pl.col("_kept_share").fill_null(1.0), pl.col("_possible_advisory_limit").is_not_null()
    is_read = is_any(pl.col("advisories_state"), ["found", "absent"])
    return MeasuredColumns(_choose((is_read & ~is_unread, 100.0 * kept_share)))


def _measure_fix_record(_: Moment, __: SignalSpec) -> MeasuredColumns:
    count, fixed = pl.col("old_advisories").cast(pl.Float64), pl.col("fixed_advisories").fill_null(0).cast(pl.Float64)
    value = divide(100.0 * (fixed + 1.0), count + 1.0).clip(upper_bound=100.0)
    return MeasuredColumns(_choose((count > 0, value)), not_applicable=count == 0)


def _measure_provenance(moment: Moment, spec: SignalSpec) -> MeasuredColumns:
    listed, own = pl.col("registry_attestation"), pl.col("version_attested")
    since = {id_: moment.methodology.attestations_since[id_] // DAY for id_ in ECOSYSTEM_IDS}
    first_day = _choose(*((pl.col("ecosystem") == id_, float(day)) for id_, day in since.items()))
    predates = (pl.col("_published").cast(pl.Int32) < first_day).fill_null(value=False)
    is_confirmed = (
        is_found("repository") & pl.col("_is_link_sure") & is_true("repository_in_metadata") & pl.col("_has_scorecard")
    )
    is_listed = listed.is_not_null()
    is_attested = (listed == "attested") | (~is_listed & own)
    is_lost = (listed == "lost").fill_null(value=False)
    is_known = is_listed | own.is_not_null()
    value = _choose(
        (is_attested & is_true("repository_mismatch"), spec.levels["none"]),
        (is_attested & is_confirmed, spec.levels["confirmed"]),
        (is_attested, spec.levels["verified"]),
        (is_lost, spec.levels["lost"]),
        (is_known & ~predates, spec.levels["none"]),
    )
    is_young = pl.col("_version_days") < moment.limit("takeover_days")
    return MeasuredColumns(
        value,
        not_applicable=is_known & ~is_attested.fill_null(value=False) & ~is_lost & predates,
        caps=((("provenance-lost", is_lost & is_young),),),
    )


def _measure_install_code(moment: Moment, spec: SignalSpec) -> MeasuredColumns:
    files, hooks, levels = pl.col("release_files"), pl.col("install_hooks"), spec.levels
    builds = is_any(pl.col("ecosystem"), [row.id for row in ECOSYSTEMS if row.install_code == "build"])
    is_new = (hooks == "script") & is_true("new_hook")
    value = _choose(
        (builds & (files == "wheel"), levels["wheel"]),
        (builds & (files == "sdist"), levels["sdist"]),
        (builds, None),
        (hooks == "none", levels["none"]),
        (hooks == "native", levels["native"]),
        (is_new, levels["hook new"]),
        (hooks == "script", levels["hook"]),
    )
    is_used = pl.col("rank").is_not_null() | (pl.col("dependents").fill_null(0) > 0)
    is_young_package = pl.col("_package_days") < moment.limit("young_installer_days")
    is_young_version = pl.col("_version_days") < moment.limit("takeover_days")
    return MeasuredColumns(
        value,
        caps=(
            (("install-hook-new", ~builds & is_new & is_young_version),),
            (("young-installer", (value < levels["none"]) & is_young_package & ~is_used),),
        ),
    )


def _measure_name_confusion(moment: Moment, spec: SignalSpec) -> MeasuredColumns:
    is_read, is_similar = is_found("similar_name"), pl.col("similar_name").fill_null("") != ""
    downloads, other = pl.col("downloads"), pl.col("similar_downloads")
    listed = pl.coalesce(pl.col("list_downloads"), pl.col("list_min_downloads"))
    ratio = moment.limit("starjack_ratio")
    is_less_used = (
        pl.when(downloads.is_not_null())
        .then((downloads * ratio <= other) | (downloads < moment.limit("obscure_downloads")))
        .otherwise(is_found("popularity") & (listed * ratio <= other))
    )
    is_suspect = (
        (pl.col("similar_rank") <= moment.limit("compared_names"))
        & is_less_used
        & (pl.col("_package_days") < moment.limit("young_days"))
        & is_true("no_shared_publisher")
    ).fill_null(value=False)
    value = _choose(
        (is_read & ~is_similar, spec.levels["clean"]),
        (is_read & is_suspect, spec.levels["suspicion"]),
        (is_read, spec.levels["similar"]),
    )
    return MeasuredColumns(value, caps=((("name-confusion", is_read & is_similar & is_suspect),),))


def _measure_newness(moment: Moment, spec: SignalSpec) -> MeasuredColumns:
    version_days, package_days = pl.col("_version_days"), pl.col("_package_days")
    is_known = version_days.is_not_null() & (package_days.is_not_null() | is_true("partial"))
    is_fix = is_true("fixes_predecessor")
    version_value = build_curve(spec.curves["version"], version_days)
    fixed_value = version_value.clip(lower_bound=spec.levels["security fix"])
    version_value = pl.when(is_fix).then(fixed_value).otherwise(version_value)
    value = pl.min_horizontal(version_value, build_curve(spec.curves["package"], package_days))
    is_new = (
        is_known
        & is_true("version_listed")
        & (version_days < moment.limit("new_publisher_days"))
        & (package_days > moment.limit("young_days"))
        & is_true("new_publisher")
    )
    return MeasuredColumns(
        _choose((is_known & package_days.is_not_null(), value)),
        caps=(
            (("new-publisher", is_new),),
            (("fresh", is_known & (version_days < moment.limit("fresh_days")) & ~is_fix),),
        ),
    )


def _measure_hygiene(moment: Moment, spec: SignalSpec) -> MeasuredColumns:
    checks = [(pl.col(name_check(check)), float(weight)) for check, weight in spec.levels.items()]
    count = build_sum(check.is_not_null().cast(pl.UInt8) for check, _ in checks)
    weighted_sum = build_sum(check.fill_null(0).cast(pl.Float64) * weight for check, weight in checks)
    weights = build_sum(pl.when(check.is_not_null()).then(weight).otherwise(0.0) for check, weight in checks)
    is_known = pl.col("_has_scorecard") & (count >= moment.limit("scorecard_checks"))
    value = build_curve(spec.curves["mean"], divide(weighted_sum, weights))
    return MeasuredColumns(_choose((is_known, value)), share=pl.col("_repository_share"))


def _measure_release_line(moment: Moment, spec: SignalSpec) -> MeasuredColumns:
    days = moment.count_days("line_newest_release")
    value = _choose(
        (pl.col("release_line") == "newest", spec.levels["newest"]),
        (pl.col("release_line").is_null() | is_true("partial") | is_true("date_problem") | days.is_null(), None),
        (days > moment.limit("line_days"), spec.levels["ended"]),
        (_ALWAYS, spec.levels["maintained"]),
    )
    return MeasuredColumns(value)


# --- maintenance


def _measure_status(_: Moment, spec: SignalSpec) -> MeasuredColumns:
    has_package, is_read = is_found("package"), is_found("package") | is_found("metadata")
    status = pl.col("package_status").fill_null("")
    is_deprecated = (status == "deprecated") | is_true("version_deprecated")
    is_inactive = pl.coalesce(pl.col("package_inactive"), pl.col("version_inactive")).fill_null(value=False)
    adverse = {
        "deprecated": is_deprecated,
        "archived": (status == "archived") | is_true("archived"),
        "yanked": is_true("yanked"),
        "inactive": is_inactive,
    }
    values = (pl.when(is_adverse).then(float(spec.levels[name])) for name, is_adverse in adverse.items())
    value = pl.min_horizontal(*values, pl.lit(float(spec.levels["none"])))
    return MeasuredColumns(
        _choose((is_read, value)),
        caps=(
            (("yanked", is_read & is_true("yanked")),),
            (
                ("deprecated", is_read & pl.col("_is_deprecated")),
                ("deprecated-version", is_read & is_deprecated),
            ),
            (("inactive", is_read & is_inactive),),
        ),
        possible=(("deprecated", ~has_package | pl.col("_may_be_archived")),),
    )


def _raise_to_floor(spec: SignalSpec, value: pl.Expr) -> pl.Expr:
    """Return the value, raised to the floor for a finished package; null for a quiet one that may be finished."""
    floor, is_finished = float(spec.levels["finished floor"]), pl.col("_is_finished")
    return _choose(
        ((value >= floor) | ~is_finished | (is_finished.is_null() & ~pl.col("_is_quiet")), value),
        (is_finished & value.is_not_null(), floor),
    )


def _map_texts(name: str, function: Callable[[str], bool]) -> pl.Expr:
    """Return whether a function holds for the text in a column. It is called once for each different text."""

    def compute(texts: pl.Series) -> pl.Series:
        distinct = texts.unique().drop_nulls()
        answers = pl.Series([function(text) for text in distinct], dtype=pl.Boolean)
        result: pl.Series = texts.replace_strict(distinct, answers, default=None, return_dtype=pl.Boolean)
        return result

    return pl.col(name).map_batches(compute, return_dtype=pl.Boolean, is_elementwise=True)


def _measure_last_release(moment: Moment, spec: SignalSpec) -> MeasuredColumns:
    days, issues = pl.col("_days_since_release"), pl.col("open_issues")
    value = _raise_to_floor(spec, build_curve(spec.curves["days"], days))
    is_used = pl.col("_is_widely_used").fill_null(value=False)
    is_abandoned = ~is_used & pl.col("_is_inactive")
    pythons = frozenset(moment.pythons)
    names_python = _map_texts("python_classifiers", lambda text: not pythons.isdisjoint(text.split(",")))
    requires_python = _map_texts("required_interpreter", lambda text: mentions_python(text, moment.pythons))
    mentions = pl.col("python_classifiers").is_null() | names_python | requires_python.fill_null(value=False)
    uses_python = pl.col("_uses_python")
    cases = (
        ("abandoned", is_abandoned & uses_python & (days > moment.limit("abandoned_days"))),
        ("stale", is_abandoned & uses_python & (days > moment.limit("stale_days")) & ~mentions),
        (
            "backlog",
            is_abandoned & (days > moment.limit("backlog_days")) & (issues >= moment.limit("backlog_issues")),
        ),
    )
    is_certain = pl.col("_is_activity_read") & ~pl.col("_is_widely_used").fill_null(value=True)
    return MeasuredColumns(
        value,
        caps=(tuple((id_, condition & is_certain) for id_, condition in cases),),
        possible=_exclude_later((id_, condition & ~is_certain) for id_, condition in cases),
    )


def _exclude_later(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Return cases of which the first that holds excludes the later ones."""
    result: list[Case] = []
    for id_, condition in cases:
        earlier = [other.fill_null(value=False) for _, other in result]
        result.append((id_, reduce(lambda all_, other: all_ & ~other, earlier, condition)))
    return tuple(result)


def _measure_commits(_: Moment, spec: SignalSpec) -> MeasuredColumns:
    commits, check = pl.col("commits_90d"), pl.col(name_check("Maintained")).cast(pl.Float64)
    scorecard_value = pl.when(check == 0).then(float(spec.levels["maintained zero"])).otherwise(check * 10.0)
    value = pl.coalesce(build_curve(spec.curves["commits"], commits), scorecard_value)
    return MeasuredColumns(_raise_to_floor(spec, value), share=pl.col("_repository_share"))


def _measure_cadence(moment: Moment, spec: SignalSpec) -> MeasuredColumns:
    first_day = moment.day - int(moment.limit("cadence_days"))
    dates = [pl.col(f"stable_release_{number + 1}").cast(pl.Int32) for number in range(RECENT_RELEASES)]
    count = build_sum((date >= first_day).fill_null(value=False).cast(pl.UInt8) for date in dates)
    value = build_curve(spec.curves["releases"], count)
    early_value = (value + float(spec.levels["only pre-releases"])).clip(lower_bound=0.0)
    value = pl.when(is_true("only_prereleases")).then(early_value).otherwise(value)
    is_known = is_found("package") & ~is_true("partial") & pl.col("_package_days").is_not_null()
    is_single = pl.col("version_count") == 1
    single_value = value.clip(upper_bound=float(spec.levels["single version"]))
    return MeasuredColumns(_choose((is_known & is_single, single_value), (is_known, _raise_to_floor(spec, value))))


def _measure_issues(moment: Moment, spec: SignalSpec) -> MeasuredColumns:
    open_count, closed_count = pl.col("open_items").cast(pl.Int64), pl.col("closed_items").cast(pl.Int64)
    total = open_count + closed_count
    value = build_curve(spec.curves["share"], divide(closed_count.cast(pl.Float64), total))
    least = moment.limit("rated_issues")
    return MeasuredColumns(
        _choose((total >= least, value)), not_applicable=total < least, share=pl.col("_repository_share")
    )


def _measure_version_lag(moment: Moment, spec: SignalSpec) -> MeasuredColumns:
    days, majors, line_level = pl.col("_days_behind"), pl.col("majors_behind").fill_null(0), "newest of its line"
    is_known = is_found("package") & pl.col("_has_newest_stable")
    is_newest, heads_line = is_true("at_newest_stable"), pl.col("_is_newest_of_line")
    value = pl.min_horizontal(build_curve(spec.curves["days"], days), build_curve(spec.curves["majors"], majors))
    raised_value = value.clip(lower_bound=float(spec.levels[line_level]))
    value = pl.when(heads_line).then(raised_value).otherwise(value)
    is_far = is_known & ~is_newest & (days > moment.limit("outdated_days"))
    return MeasuredColumns(
        _choose((is_known & is_newest, 100.0), (is_known & days.is_not_null(), value)),
        caps=((("outdated", is_far & is_true("newer_fix")), ("behind", is_far & ~is_true("newer_fix") & ~heads_line)),),
    )


# --- documentation


def _measure_readme(_: Moment, spec: SignalSpec) -> MeasuredColumns:
    return MeasuredColumns(build_curve(spec.curves["characters"], pl.col("readme")))


def _measure_presence(spec: SignalSpec, fields: Mapping[str, pl.Expr]) -> pl.Expr:
    """Return the sum of the levels of the fields that are there, scaled to those that are known."""
    present = build_sum(
        pl.when(field.fill_null(value=False)).then(float(spec.levels[name])).otherwise(0.0)
        for name, field in fields.items()
    )
    maximum = build_sum(
        pl.when(field.is_not_null()).then(float(spec.levels[name])).otherwise(0.0) for name, field in fields.items()
    )
    return _choose((maximum > 0, divide(100.0 * present, maximum)))


def _measure_links(_: Moment, spec: SignalSpec) -> MeasuredColumns:
    return MeasuredColumns(_measure_presence(spec, {name: pl.col(name) for name in spec.levels}))


def _measure_basics(moment: Moment, spec: SignalSpec) -> MeasuredColumns:
    interpreter = pl.col("required_interpreter")
    fields = {"summary": pl.col("summary"), "keywords": pl.col("keywords"), "interpreter": interpreter != ""}
    excludes = _map_texts("required_interpreter", lambda text: bool(text) and not allows_python(text, moment.pythons))
    return MeasuredColumns(
        _measure_presence(spec, {**fields, "types": pl.col("types")}),
        caps=((("python-eol", pl.col("_uses_python") & excludes),),),
    )


# --- compliance


def _measure_licence(_: Moment, spec: SignalSpec) -> MeasuredColumns:
    value, limit = build_level(spec.levels, "licence"), float(spec.levels["disagreement limit"])
    value = pl.when(is_true("licence_conflict")).then(value.clip(upper_bound=limit)).otherwise(value)
    return MeasuredColumns(value, caps=((("no-licence", pl.col("licence") == "none"),),))


def _measure_licence_terms(_: Moment, spec: SignalSpec) -> MeasuredColumns:
    return MeasuredColumns(build_level(spec.levels, "licence_terms"))


def _measure_source_link(_: Moment, spec: SignalSpec) -> MeasuredColumns:
    declared = pl.col("declared_repository")
    value = _choose(
        (is_true("attested_repository") & is_true("repository_mismatch"), spec.levels["none"]),
        (is_true("attested_repository"), spec.levels["attested"]),
        (is_found("repository"), build_level(spec.levels, "link_status")),
        (declared, spec.levels["declared"]),
        (~declared, spec.levels["none"]),
    )
    return MeasuredColumns(value)


def _measure_disclosure(_: Moment, spec: SignalSpec) -> MeasuredColumns:
    policy, check = pl.col("security_policy"), pl.col(name_check("Security-Policy"))
    has_policy = policy | (check > 0)
    value = _choose(
        (has_policy.fill_null(value=False), spec.levels["yes"]),
        (policy.is_not_null() | check.is_not_null(), spec.levels["no"]),
    )
    return MeasuredColumns(value, share=pl.col("_repository_share"))


# --- community


def _measure_publishers(_: Moment, spec: SignalSpec) -> MeasuredColumns:
    own = is_true("partial") & (pl.col("version_publishers").fill_null(0) > 0)
    is_known = is_found("package") & (own | (pl.col("package_publishers").fill_null(0) > 0))
    value = _choose(
        (is_known & is_true("organisation"), spec.levels["organisation"]), (is_known, spec.levels["accounts"])
    )
    return MeasuredColumns(value)


def _build_log10(number: pl.Expr) -> pl.Expr:
    """Return the logarithm, exact for powers of ten as that of the C library is."""
    logarithm = number.log10()
    nearest = logarithm.round()
    return pl.when((logarithm - nearest).abs() < 1e-13).then(nearest).otherwise(logarithm)  # noqa: PLR2004


def _measure_adoption(moment: Moment, spec: SignalSpec) -> MeasuredColumns:
    levels = {name: float(level) for name, level in spec.levels.items()}
    downloads = pl.coalesce(pl.col("downloads"), pl.col("list_downloads"))
    dependents, stars = pl.col("dependents"), pl.col("stars")
    by_downloads = (
        pl.when(downloads <= 1)
        .then(levels["least"])
        .otherwise((levels["per tenfold downloads"] * _build_log10(downloads)).clip(levels["least"], 100.0))
    )
    by_dependents = levels["dependents base"] + levels["per tenfold dependents"] * _build_log10(
        1.0 + dependents.cast(pl.Float64)
    )
    by_stars = levels["per tenfold stars"] * _build_log10(1.0 + stars.cast(pl.Float64))
    parts = (
        (downloads, pl.lit(levels["downloads"]), by_downloads),
        (dependents, pl.lit(levels["dependents"]), by_dependents.clip(upper_bound=100.0)),
        (stars, levels["stars"] * pl.col("_repository_share"), by_stars.clip(upper_bound=100.0)),
    )
    weighted_sum = build_sum((weight * value).fill_null(0.0) for _, weight, value in parts)
    weights = build_sum(pl.when(fact.is_not_null()).then(weight).otherwise(0.0) for fact, weight, _ in parts)
    value = divide(weighted_sum, weights)
    is_young = (pl.col("_package_days") < moment.limit("young_days")) & (
        dependents.fill_null(0) < moment.limit("young_dependents")
    )
    value = pl.when(is_young).then(value.clip(upper_bound=levels["young limit"])).otherwise(value)
    return MeasuredColumns(_choose((downloads.is_not_null() | dependents.is_not_null(), value)))


def _measure_track_record(_: Moment, spec: SignalSpec) -> MeasuredColumns:
    is_known = is_found("package") & ~is_true("partial") & pl.col("_package_days").is_not_null()
    return MeasuredColumns(_choose((is_known, build_curve(spec.curves["years"], pl.col("release_years").fill_null(0)))))


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, Callable[[Moment, SignalSpec], MeasuredColumns]]] = {
    "malware": _measure_malware,
    "known_advisories": _measure_advisories,
    "fix_record": _measure_fix_record,
    "provenance": _measure_provenance,
    "install_code": _measure_install_code,
    "name_confusion": _measure_name_confusion,
    "newness": _measure_newness,
    "repository_hygiene": _measure_hygiene,
    "release_line": _measure_release_line,
    "status": _measure_status,
    "last_release": _measure_last_release,
    "commits": _measure_commits,
    "release_cadence": _measure_cadence,
    "closed_issues": _measure_issues,
    "version_lag": _measure_version_lag,
    "readme": _measure_readme,
    "links": _measure_links,
    "basics": _measure_basics,
    "licence": _measure_licence,
    "licence_terms": _measure_licence_terms,
    "source_link": _measure_source_link,
    "disclosure_policy": _measure_disclosure,
    "publishers": _measure_publishers,
    "adoption": _measure_adoption,
    "track_record": _measure_track_record,
}


def measure(moment: Moment) -> Mapping[str, MeasuredColumns]:
    """Return the columns of every signal of the methodology, in its order.

    Raises:
        KeyError: a signal has no function.
    """
    return {spec.id: FUNCTIONS[spec.id](moment, spec) for spec in moment.methodology.signals.values()}


def order_ids(ids: Iterable[str]) -> Sequence[str]:
    """Return ids in the order that ties are broken by."""
    return sorted(ids)
