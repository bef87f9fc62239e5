"""Find the popular name that each name resembles, and that package's publishers. Results are stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec

from nerq_cli.facts import NOT_REQUESTED, Fact, Found, PackageInfo, SimilarName
from nerq_cli.inventory import Package
from nerq_cli.sources.popularity import ranks
from nerq_cli.store import Cache, Row
from nerq_cli.units import DAY

_STORE_SOURCE: Final = "names"
_NEVER_EXPIRES: Final = 1 << 62
_YEAR: Final = 366 * DAY

#: A name that resembles none, and the contents of its row.
_NONE: Final = SimilarName()
_NONE_ENCODED: Final = (None, b"", b"{}")


def find_similar_names(packages: Collection[Package], store: Cache, *, now: int) -> dict[Package, Fact[SimilarName]]:
    """Return the popular name that each name resembles; computed once per name and list, then stored."""
    by_ecosystem: dict[str, list[Package]] = defaultdict(list)
    for package in packages:
        by_ecosystem[package.ecosystem].append(package)
    results: dict[Package, Fact[SimilarName]] = {}
    for ecosystem, group in by_ecosystem.items():
        list_date = ranks.get_list_date(group[0].ecosystem)
        unlisted = [package for package in group if not ranks.is_listed(package)]
        stored_rows = store.get_many(_STORE_SOURCE, f"{ecosystem} {list_date}", [package.key for package in unlisted])
        stored_matches = {key: _decode_row(row) for key, row in stored_rows.items()}
        new_matches = {p: ranks.find_similar_name(p) for p in unlisted if stored_matches.get(p.key) is None}
        rows = {
            p.key: Row(msgspec.json.encode(similar_name), now, _NEVER_EXPIRES, "")
            for p, similar_name in new_matches.items()
        }
        if rows:
            store.put_many(_STORE_SOURCE, f"{ecosystem} {list_date}", rows)
        none = Found(_NONE, ranks.LABEL, list_date)
        for package in group:
            similar_name = new_matches.get(package) or stored_matches.get(package.key) or _NONE
            results[package] = none if similar_name is _NONE else Found(similar_name, ranks.LABEL, list_date)
    return results


def fetch_similar_packages(
    similar_names: Mapping[Package, Fact[SimilarName]],
    package_info: Mapping[Package, Fact[PackageInfo]],
    fetch_packages: Callable[[Collection[Package]], Mapping[Package, Fact[PackageInfo]]],
    *,
    now: int,
) -> dict[Package, Fact[PackageInfo]]:
    """Return the package that each name may be mistaken for, fetched only where its publishers matter."""
    similar_packages = {
        package: Package(ecosystem=package.ecosystem, name=fact.value.name)
        for package, fact in similar_names.items()
        if isinstance(fact, Found) and fact.value.name and _is_young(package_info.get(package, NOT_REQUESTED), now)
    }
    if not similar_packages:
        return {}
    facts = fetch_packages(sorted(set(similar_packages.values())))
    return {package: facts.get(similar_package, NOT_REQUESTED) for package, similar_package in similar_packages.items()}


def _is_young(package_info: Fact[PackageInfo], now: int) -> bool:
    """Whether the package appeared within a year: older ones are never suspects."""
    first_date = (
        min((date for date in package_info.value.published if date), default=0)
        if isinstance(package_info, Found)
        else 0
    )
    return now - first_date < _YEAR


def _decode_row(row: Row) -> SimilarName | None:
    """Return a stored result; None if it cannot be decoded, or lacks the name."""
    if row.value in _NONE_ENCODED:
        return _NONE
    try:
        similar_name = msgspec.json.decode(row.value or b"", type=SimilarName)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return similar_name if similar_name.name else None
