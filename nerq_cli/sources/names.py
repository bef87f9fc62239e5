"""Which popular name each name resembles, and whose project that is. Worked out once, and kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec

from nerq_cli.facts import Fact, Found, Neighbour, Project, Unknown
from nerq_cli.inventory import Package
from nerq_cli.sources import popular
from nerq_cli.store import Cache, Row

_NAMES: Final = "names"
_FOR_EVER: Final = 1 << 62
_A_YEAR: Final = 366 * 86_400
_NOT_ASKED: Final = Unknown("not asked")


def neighbours(packages: Collection[Package], store: Cache, *, now: int) -> dict[Package, Fact[Neighbour]]:
    """Return the popular name each name resembles; worked out once per name and edition of the list, then kept."""
    by_ecosystem: dict[str, list[Package]] = defaultdict(list)
    for package in packages:
        by_ecosystem[package.ecosystem].append(package)
    found: dict[Package, Fact[Neighbour]] = {}
    for ecosystem, some in by_ecosystem.items():
        edition = popular.edition(some[0].ecosystem)
        unlisted = [package for package in some if not popular.is_listed(package)]
        known = store.get_many(_NAMES, f"{ecosystem} {edition}", [package.key for package in unlisted])
        fresh = {p: popular.neighbour(p) for p in unlisted if p.key not in known}
        rows = {p.key: Row(msgspec.json.encode(neighbour), now, _FOR_EVER, "") for p, neighbour in fresh.items()}
        if rows:
            store.put_many(_NAMES, f"{ecosystem} {edition}", rows)
        for package in some:
            row = known.get(package.key)
            neighbour = fresh.get(package) or (_read(row) if row is not None else Neighbour())
            found[package] = Found(neighbour, popular.LABEL, edition)
    return found


def lookalikes(
    neighbours: Mapping[Package, Fact[Neighbour]],
    projects: Mapping[Package, Fact[Project]],
    ask: Callable[[Collection[Package]], Mapping[Package, Fact[Project]]],
    *,
    now: int,
) -> dict[Package, Fact[Project]]:
    """Return the project each name may be mistaken for, asked about only where its publishers could matter."""
    wanted = {
        package: Package(ecosystem=package.ecosystem, name=fact.value.name)
        for package, fact in neighbours.items()
        if isinstance(fact, Found) and fact.value.name and _is_young(projects.get(package, _NOT_ASKED), now)
    }
    if not wanted:
        return {}
    others = ask(sorted(set(wanted.values())))
    return {package: others.get(other, _NOT_ASKED) for package, other in wanted.items()}


def _is_young(project: Fact[Project], now: int) -> bool:
    """Whether the project appeared within a year: an older one is no suspect, whoever publishes it."""
    first = min((date for date in project.value.published if date), default=0) if isinstance(project, Found) else 0
    return now - first < _A_YEAR


def _read(row: Row) -> Neighbour:
    try:
        return msgspec.json.decode(row.value or b"{}", type=Neighbour)
    except msgspec.DecodeError:
        return Neighbour()
