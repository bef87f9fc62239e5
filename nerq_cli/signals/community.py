"""Community: how many stand behind it, and how many lean on it."""

from __future__ import annotations

from collections.abc import Iterator
from math import log10

from nerq_cli.facts import Found, Popularity
from nerq_cli.methodology import MIN_DEPENDENTS, SIGNALS, YOUNG_DAYS
from nerq_cli.signals.context import Context, build_unread
from nerq_cli.signals.signal import Flag, Signal, build_known, build_missing, build_unknown, days_between, format_count


def measure(context: Context) -> Iterator[Signal | Flag]:
    """Yield the community signals K1-K3."""
    yield measure_publishers(context)
    yield measure_adoption(context)
    yield measure_contributors(context)


def measure_publishers(context: Context) -> Signal:
    """K1: accounts that can publish a new version."""
    fact, package_info = context.evidence.package_info, context.package_info
    if package_info is None or not isinstance(fact, Found):
        return build_missing("K1", fact)
    if package_info.partial and context.metadata is not None and context.metadata.publishers:
        return _measure_version_publishers(context, context.metadata.publishers)
    if not package_info.publishers:
        return build_unknown("K1", "the registry does not tell who can publish", fact.source)
    spec = SIGNALS["K1"]
    value, reason = (
        spec.curves["accounts"].value_at(package_info.publishers),
        f"{format_count(package_info.publishers, 'account')} can publish",
    )
    if package_info.organisation:
        value, reason = max(value, spec.levels["organisation"]), f"{reason}, owned by an organisation"
    return build_known("K1", value, reason, fact)


def _measure_version_publishers(context: Context, publisher_count: int) -> Signal:
    """K1 from the manifest of the version in use, where the package as a whole was not asked about."""
    fact = context.evidence.metadata
    if not isinstance(fact, Found):
        return build_missing("K1", fact)
    value = SIGNALS["K1"].curves["accounts"].value_at(publisher_count)
    return build_known(
        "K1", value, f"{format_count(publisher_count, 'account')} could publish when this version was", fact
    )


def score_downloads(downloads: float) -> float:
    """Return the 0-100 value of a number of downloads a week."""
    levels = SIGNALS["K2"].levels
    if downloads <= 1:
        return levels["least"]
    return min(100.0, max(levels["least"], levels["per tenfold downloads"] * log10(downloads)))


def measure_adoption(context: Context) -> Signal:
    """K2: downloads, dependents and stars over what is known of them."""
    levels = SIGNALS["K2"].levels
    components: list[tuple[float, float, str]] = []
    adoption_fact, popularity_fact = context.evidence.adoption, context.evidence.popularity
    source: Found[object] | None = adoption_fact if isinstance(adoption_fact, Found) else None
    dependents = adoption_fact.value.dependents if isinstance(adoption_fact, Found) else None
    if isinstance(adoption_fact, Found) and adoption_fact.value.downloads is not None:
        downloads = adoption_fact.value.downloads
        components.append((levels["downloads"], score_downloads(downloads), f"{downloads:,.0f} downloads a week"))
    elif isinstance(popularity_fact, Found) and (estimate := _score_popularity(popularity_fact.value, context.as_of)):
        source = source or popularity_fact
        components.append((levels["downloads"], *estimate))
    if dependents is not None:
        value = min(100.0, levels["dependents base"] + levels["per tenfold dependents"] * log10(1 + dependents))
        components.append((levels["dependents"], value, format_count(dependents, "dependent package")))
    repository, repository_fact = context.repository, context.evidence.repository
    if repository is not None and repository.stars is not None and isinstance(repository_fact, Found):
        source = source or repository_fact
        value = min(100.0, levels["per tenfold stars"] * log10(1 + repository.stars))
        components.append((levels["stars"] * context.repository_share, value, format_count(repository.stars, "star")))
    if source is None or not components:
        return (
            build_missing("K2", popularity_fact)
            if not isinstance(popularity_fact, Found)
            else build_unknown("K2", "popularity list too old")
        )
    value = sum(weight * part_value for weight, part_value, _ in components) / sum(
        weight for weight, _, _ in components
    )
    reason = ", ".join(text for _, _, text in components)
    is_young = context.package_days is not None and context.package_days < YOUNG_DAYS
    if is_young and (dependents or 0) < MIN_DEPENDENTS and value > levels["young limit"]:
        value, reason = levels["young limit"], f"{reason}; under a year old"
    return build_known("K2", value, reason, source)


def _score_popularity(popularity: Popularity, as_of: int) -> tuple[float, str] | None:
    """Return the value a place in the shipped list stands for, or None when an absence from it says nothing."""
    levels = SIGNALS["K2"].levels
    if popularity.downloads is not None:
        qualifier = "about " if popularity.is_estimate else ""
        text = f"rank {popularity.rank:,} by downloads ({qualifier}{_format_number(popularity.downloads)} a week)"
        return score_downloads(popularity.downloads), text
    if days_between(popularity.snapshot_date, as_of) > levels["list days"]:
        return None
    midpoint = (levels["least"] + score_downloads(popularity.min_downloads)) / 2
    return midpoint, f"outside the {popularity.list_size:,} most downloaded (estimated)"


def _format_number(number: float) -> str:
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if number >= size:
            return f"{number / size:.2g} {suffix}" if number < 100 * size else f"{number / size:.0f} {suffix}"
    return f"{number:.0f}"


def measure_contributors(context: Context) -> Signal:
    """K3: distinct contributors, else Scorecard's Contributors check."""
    spec, repository, fact = SIGNALS["K3"], context.repository, context.evidence.repository
    if repository is not None and repository.contributors is not None and isinstance(fact, Found):
        value = spec.curves["people"].value_at(repository.contributors)
        return build_known(
            "K3", value, format_count(repository.contributors, "contributor"), fact, share=context.repository_share
        )
    scorecard = context.scorecard
    if isinstance(scorecard, Found) and scorecard.value.checks.get("Contributors", -1) >= 0:
        score = scorecard.value.checks["Contributors"]
        reason = f"Scorecard Contributors {score} of 10"
        return build_known("K3", score * 10.0, reason, scorecard, share=context.repository_share)
    return build_unread("K3", context)
