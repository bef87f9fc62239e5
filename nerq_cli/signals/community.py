"""Community: how many stand behind it, and how many lean on it."""

from __future__ import annotations

from collections.abc import Iterator
from math import log10

from nerq_cli.facts import Found, Popularity
from nerq_cli.methodology import ENOUGH_DEPENDENTS, SIGNALS, YOUNG_DAYS
from nerq_cli.signals.context import Context, unread
from nerq_cli.signals.signal import Flag, Signal, count, days_between, known, missing, unknown


def measure(context: Context) -> Iterator[Signal | Flag]:
    """Yield the community signals K1-K3."""
    yield publishers(context)
    yield adoption(context)
    yield people(context)


def publishers(context: Context) -> Signal:
    """K1: accounts that can publish a new version."""
    fact, project = context.evidence.project, context.project
    if project is None or not isinstance(fact, Found):
        return missing("K1", fact)
    if project.partial and context.metadata is not None and context.metadata.publishers:
        return _publishers_then(context, context.metadata.publishers)
    if not project.publishers:
        return unknown("K1", "the registry does not tell who can publish", fact.source)
    spec = SIGNALS["K1"]
    value, reason = (
        spec.curves["accounts"].at(project.publishers),
        f"{count(project.publishers, 'account')} can publish",
    )
    if project.organisation:
        value, reason = max(value, spec.levels["organisation"]), f"{reason}, owned by an organisation"
    return known("K1", value, reason, fact)


def _publishers_then(context: Context, publishers: int) -> Signal:
    """K1 from the manifest of the version in use, where the package as a whole was not asked about."""
    fact = context.evidence.metadata
    if not isinstance(fact, Found):
        return missing("K1", fact)
    value = SIGNALS["K1"].curves["accounts"].at(publishers)
    return known("K1", value, f"{count(publishers, 'account')} could publish when this version was", fact)


def downloads_value(downloads: float) -> float:
    """Return the 0-100 value of a number of downloads a week."""
    levels = SIGNALS["K2"].levels
    if downloads <= 1:
        return levels["least"]
    return min(100.0, max(levels["least"], levels["per tenfold downloads"] * log10(downloads)))


def adoption(context: Context) -> Signal:
    """K2: downloads, dependents and stars over what is known of them."""
    levels = SIGNALS["K2"].levels
    parts: list[tuple[float, float, str]] = []
    measured, listed = context.evidence.adoption, context.evidence.popularity
    source: Found[object] | None = measured if isinstance(measured, Found) else None
    dependents = measured.value.dependents if isinstance(measured, Found) else None
    if isinstance(measured, Found) and measured.value.downloads is not None:
        downloads = measured.value.downloads
        parts.append((levels["downloads"], downloads_value(downloads), f"{downloads:,.0f} downloads a week"))
    elif isinstance(listed, Found) and (estimate := _listed(listed.value, context.as_of)):
        source = source or listed
        parts.append((levels["downloads"], *estimate))
    if dependents is not None:
        value = min(100.0, levels["dependents base"] + levels["per tenfold dependents"] * log10(1 + dependents))
        parts.append((levels["dependents"], value, count(dependents, "dependent package")))
    repository, repository_fact = context.repository, context.evidence.repository
    if repository is not None and repository.stars is not None and isinstance(repository_fact, Found):
        source = source or repository_fact
        value = min(100.0, levels["per tenfold stars"] * log10(1 + repository.stars))
        parts.append((levels["stars"] * context.repository_share, value, count(repository.stars, "star")))
    if source is None or not parts:
        return missing("K2", listed) if not isinstance(listed, Found) else unknown("K2", "popularity list too old")
    value = sum(w * v for w, v, _ in parts) / sum(w for w, _, _ in parts)
    reason = ", ".join(words for _, _, words in parts)
    young = context.package_days is not None and context.package_days < YOUNG_DAYS
    if young and (dependents or 0) < ENOUGH_DEPENDENTS and value > levels["young limit"]:
        value, reason = levels["young limit"], f"{reason}; under a year old"
    return known("K2", value, reason, source)


def _listed(popularity: Popularity, as_of: int) -> tuple[float, str] | None:
    """Return the value a place in the shipped list stands for, or None when an absence from it says nothing."""
    levels = SIGNALS["K2"].levels
    if popularity.downloads is not None:
        about = "about " if popularity.estimated else ""
        words = f"rank {popularity.rank:,} by downloads ({about}{_rounded(popularity.downloads)} a week)"
        return downloads_value(popularity.downloads), words
    if days_between(popularity.edition, as_of) > levels["list days"]:
        return None
    middle = (levels["least"] + downloads_value(popularity.floor)) / 2
    return middle, f"outside the {popularity.listed:,} most downloaded (estimated)"


def _rounded(n: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if n >= size:
            return f"{n / size:.2g} {letter}" if n < 100 * size else f"{n / size:.0f} {letter}"
    return f"{n:.0f}"


def people(context: Context) -> Signal:
    """K3: distinct contributors, else Scorecard's Contributors check."""
    spec, repository, fact = SIGNALS["K3"], context.repository, context.evidence.repository
    if repository is not None and repository.contributors is not None and isinstance(fact, Found):
        value = spec.curves["people"].at(repository.contributors)
        return known("K3", value, count(repository.contributors, "contributor"), fact, share=context.repository_share)
    scorecard = context.scorecard
    if isinstance(scorecard, Found) and scorecard.value.checks.get("Contributors", -1) >= 0:
        score = scorecard.value.checks["Contributors"]
        reason = f"Scorecard Contributors {score} of 10"
        return known("K3", score * 10.0, reason, scorecard, share=context.repository_share)
    return unread("K3", context)
