"""How a report speaks about one dependency: the same words on every screen."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nerq_cli.inventory import NPM, PURL_TYPES, Dependency, Location
from nerq_cli.policy.remedy import fixes_above
from nerq_cli.signals.signal import count

if TYPE_CHECKING:
    from nerq_cli.facts import Vulnerability
    from nerq_cli.policy.way_out import Alternative
    from nerq_cli.report.layout import Marks
    from nerq_cli.report.model import Assessed

#: Style of each state; None is a dependency that was only listed.
STATE_STYLES: Final = {
    "ok": "good",
    "below": "bad",
    "unknown": "doubt",
    "waived": "excused",
    "skipped": "dim",
    None: "",
}

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400


def target(dependency: Dependency) -> str:
    """Return what ``nerq check`` is to be told, quoted for a shell: ``pypi:pillow==9.5.0``, ``npm:lodash@4.17.15``."""
    import shlex

    package = dependency.package
    between = "@" if package.ecosystem == NPM else "=="
    version = f"{between}{dependency.version}" if dependency.version else ""
    return shlex.quote(f"{PURL_TYPES[package.ecosystem]}:{package.name}{version}")


def name(dependency: Dependency, *, mixed: bool) -> str:
    """Return name and extras; npm names say so where both ecosystems occur (``mixed``)."""
    prefix = "npm:" if mixed and dependency.package.ecosystem == NPM else ""
    extras = f"[{','.join(dependency.extras)}]" if dependency.extras else ""
    return f"{prefix}{dependency.package.name}{extras}"


def label(dependency: Dependency, *, mixed: bool) -> str:
    """Return name and version in use, and the range it was chosen from: ``requests 2.34.2 (range >=2)``.

    Where that is not the project's own choice, it says what brings it in: ``idna 3.7 (via requests)``.
    """
    version = f" {dependency.version}" if dependency.version else ""
    alias = f" (as {', '.join(dependency.aliases)})" if dependency.aliases else ""
    via = f" (via {', '.join(dependency.via)})" if dependency.via else ""
    return f"{name(dependency, mixed=mixed)}{version}{_range(dependency)}{alias}{via}"


def _range(dependency: Dependency) -> str:
    if dependency.how == "range":
        return f" (range {dependency.requirement or 'any'})"
    if dependency.version is None and dependency.requirement:
        return f" ({dependency.requirement})"
    return ""


def where(locations: tuple[Location, ...]) -> str:
    """Return the first place, and how many more there are: ``requirements.txt:27 +2``."""
    if not locations:
        return ""
    more = f" +{len(locations) - 1}" if len(locations) > 1 else ""
    return f"{spot(locations[0])}{more}"


def spot(location: Location) -> str:
    """Return ``path:line``, or the path alone for a file as a whole."""
    return f"{location.path}:{location.line}" if location.line else location.path


def ceiling(one: Assessed) -> float | None:
    """Return the score, or the most it can be where a cap is all that is known; None where neither is."""
    if one.score is None:
        return None
    return one.score.value if one.score.value is not None else min((cap.limit for cap in one.score.caps), default=None)


def number(one: Assessed, marks: Marks) -> str:
    """Return the score as shown: ``63.0``, provisional ``~84.0``, bounded by a cap ``≤45.0``; empty where none is."""
    most = ceiling(one)
    if one.score is None or most is None:
        return ""
    sign = marks.at_most if one.score.value is None else "~" * one.score.provisional
    return f"{sign}{most:.1f}"


def gain(one: Assessed, marks: Marks) -> str:
    """Return what the way out does to the score: ``45.0 → 91.0``; empty where there is none, or nobody knows."""
    way = one.way_out
    return "" if way is None or way.value is None else f"{number(one, marks)} {marks.arrow} {_value(way)}"


def fix(one: Assessed, marks: Marks, threshold: float) -> list[str]:
    """Return what to do in pieces that are better not broken: ``2.32.4``, ``(45.0 → 91.0)``, ``outside >=2,<2.20``.

    What must be known before doing it comes last: that it is not enough, that the written range does not allow it.
    """
    way = one.way_out
    if way is None:
        return [one.fix] if one.fix else []
    pieces = [way.version]
    if change := gain(one, marks):
        pieces.append(f"({change})")
    if way.value is not None and way.value < threshold:
        pieces.append(f"still below {threshold:g}")
    if way.outside:
        pieces.append(f"outside {way.outside}")
    return pieces


def latest(one: Assessed) -> str:
    """Return the newest version beside the one in use: ``2.34.2 scores 93.1``; empty where it was not scored."""
    newest = one.latest_scored
    if newest is None:
        return ""
    return f"{newest.version} scores {_value(newest)}" if newest.value is not None else f"{newest.version}: no score"


def _value(way: Alternative) -> str:
    return f"{'~' * way.provisional}{way.value:.1f}"


def fixed(dependency: Dependency, advisory: Vulnerability) -> str:
    """Return what fixes an advisory: ``fixed in 1.26.18, newest fix 2.0.7``, or that nothing is known to.

    First the smallest version above the one in use, then the newest where that is another.
    """
    above = fixes_above(dependency.package.ecosystem, dependency.version or "", advisory)
    if not above:
        return "no fix known"
    return ", newest fix ".join((f"fixed in {above[0]}", *above[1:]))


def mark(one: Assessed, marks: Marks) -> str:
    """Return the sign of a state; nothing for a dependency that was only listed."""
    return str(getattr(marks, one.state)) if one.state else ""


def packages(n: int) -> str:
    """Return ``1 package``, ``45 packages``."""
    return count(n, "package")


def age(seconds: int) -> str:
    """Return how old data is: ``14 min old``, ``3 h old``, ``2 days old``; ``just fetched`` under a minute."""
    if seconds < _MINUTE:
        return "just fetched"
    if seconds < 2 * _HOUR:
        return f"{seconds // _MINUTE} min old"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR} h old"
    return f"{seconds // _DAY} days old"


def moment(seconds: int) -> str:
    """Return a moment as ISO 8601 in UTC (``2026-11-21T02:40:00Z``); empty where it is not known or absurd."""
    return _moment(seconds) if seconds else ""


@lru_cache(maxsize=4096)
def _moment(seconds: int) -> str:
    from datetime import datetime, timezone

    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")
    except (OverflowError, OSError, ValueError):
        return ""


def day(seconds: int) -> str:
    """Return a moment's date in UTC; empty where it is not known."""
    return moment(seconds)[:10]
