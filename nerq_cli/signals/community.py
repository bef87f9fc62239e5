"""Community signals: how many people publish and contribute, and how many packages and users depend on it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from math import log10
from typing import Final

from nerq_cli.facts import Found, Popularity
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.signals.context import Context
from nerq_cli.signals.signal import (
    MeasureFunction,
    Signal,
    build_from_level,
    build_known,
    build_missing,
    build_unknown,
    format_count,
)


def measure_publishers(context: Context, spec: SignalSpec) -> Signal:
    """Measure the number of accounts that can publish a new version."""
    fact, package_info = context.evidence.package_info, context.package_info
    if package_info is None or not isinstance(fact, Found):
        return build_missing(spec, fact)
    if package_info.partial and context.metadata is not None and context.metadata.publishers:
        count, accounts = context.metadata.publishers, "could publish at the time of this version"
    elif package_info.publishers:
        count, accounts = package_info.publishers, "can publish"
    else:
        return build_unknown(spec, "the registry does not list publishers", fact.source)
    reason = f"{format_count(count, 'account')} {accounts}"
    if package_info.organisation:
        return build_from_level(spec, "organisation", f"{reason}, owned by an organisation", fact)
    return build_from_level(spec, "accounts", reason, fact)


def measure_adoption(context: Context, spec: SignalSpec) -> Signal:
    """Measure downloads, dependents and stars, over those that are known."""
    levels = spec.levels
    components: list[tuple[float, float, str]] = []
    adoption_fact, popularity_fact = context.evidence.adoption, context.evidence.popularity
    source: Found[object] | None = adoption_fact if isinstance(adoption_fact, Found) else None
    dependents = adoption_fact.value.dependents if isinstance(adoption_fact, Found) else None
    if isinstance(adoption_fact, Found) and adoption_fact.value.downloads is not None:
        downloads = adoption_fact.value.downloads
        value = _score_downloads(levels, downloads)
        components.append((levels["downloads"], value, f"{downloads:,.0f} downloads a week"))
    elif isinstance(popularity_fact, Found) and (estimate := _score_popularity(levels, popularity_fact.value)):
        source = source or popularity_fact
        components.append((levels["downloads"], *estimate))
    if dependents is not None:
        value = min(100.0, levels["dependents base"] + levels["per tenfold dependents"] * log10(1 + dependents))
        components.append((levels["dependents"], value, format_count(dependents, "dependent package")))
    if source is None or not components:
        if isinstance(popularity_fact, Found):
            reason = f"outside the {popularity_fact.value.list_size:,} most downloaded, and dependents not read"
            return build_unknown(spec, reason, popularity_fact.source)
        return build_missing(spec, popularity_fact)
    # Stars add to downloads and dependents; alone they are no evidence of use.
    repository = context.repository
    if repository is not None and repository.stars is not None:
        value = min(100.0, levels["per tenfold stars"] * log10(1 + repository.stars))
        components.append((levels["stars"] * context.repository_share, value, format_count(repository.stars, "star")))
    weighted_sum = sum(weight * component_value for weight, component_value, _ in components)
    value = weighted_sum / sum(weight for weight, _, _ in components)
    reason = ", ".join(text for _, _, text in components)
    is_young = context.package_days is not None and context.package_days < context.limit("young_days")
    if is_young and (dependents or 0) < context.limit("young_dependents") and value > levels["young limit"]:
        value, reason = levels["young limit"], f"{reason}; under a year old"
    return build_known(spec, value, reason, source)


def _score_downloads(levels: Mapping[str, float], downloads: float) -> float:
    """Return the 0-100 value of a number of downloads a week."""
    if downloads <= 1:
        return levels["least"]
    return min(100.0, max(levels["least"], levels["per tenfold downloads"] * log10(downloads)))


def _score_popularity(levels: Mapping[str, float], popularity: Popularity) -> tuple[float, str] | None:
    """Return the 0-100 value of a rank in the list; None when the package is not in it."""
    if popularity.downloads is None:
        return None
    qualifier = "about " if popularity.is_estimate else ""
    text = f"rank {popularity.rank:,} by downloads ({qualifier}{_format_number(popularity.downloads)} a week)"
    return _score_downloads(levels, popularity.downloads), text


def _format_number(number: float) -> str:
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if number >= size:
            return f"{number / size:.2g} {suffix}" if number < 100 * size else f"{number / size:.0f} {suffix}"
    return f"{number:.0f}"


#: The start of each year that a release may be dated in, in epoch seconds UTC: faster than dates for long histories.
_YEAR_STARTS: Final = tuple(int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp()) for year in range(1970, 2100))


def measure_track_record(context: Context, spec: SignalSpec) -> Signal:
    """Measure in how many calendar years the package had a stable release."""
    fact, package_info = context.evidence.package_info, context.package_info
    if package_info is None or not isinstance(fact, Found):
        return build_missing(spec, fact)
    if package_info.partial:
        return build_unknown(spec, "not all versions were requested", fact.source)
    if context.package_days is None:
        return build_unknown(spec, package_info.date_problem or "no publication dates", fact.source)
    years = count_release_years([package_info.published[row] for row in context.stable_rows])
    reason = f"stable releases in {format_count(years, 'calendar year')}"
    return build_known(spec, spec.curves["years"].value_at(years), reason, fact)


def count_release_years(dates: Iterable[int]) -> int:
    """Return the number of calendar years (UTC) that moments are in (epoch seconds; 0 = not known)."""
    return len({bisect_right(_YEAR_STARTS, date) for date in dates if date})


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[Context]]] = {
    "publishers": measure_publishers,
    "adoption": measure_adoption,
    "track_record": measure_track_record,
}
