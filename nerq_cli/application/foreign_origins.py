"""Find the packages that may come from a place that only the scanned project names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nerq_cli.inventory import Declaration, DependencyFile, Location, Package
from nerq_cli.policy.rules import ForeignOrigin
from nerq_cli.privacy import find_foreign_origins

if TYPE_CHECKING:
    from nerq_cli.privacy import PrivacyRules


def list_foreign_origins(
    declarations: Iterable[Declaration], dependency_files: Sequence[DependencyFile], rules: PrivacyRules
) -> tuple[ForeignOrigin, ...]:
    """Return every place that a package may come from and the user's configuration does not name, by package."""
    named_at: dict[str, Location] = {}
    for file in dependency_files:
        for origin in file.origins:
            if origin.url not in named_at or not named_at[origin.url].line:
                named_at[origin.url] = origin.location
    locations: dict[tuple[Package, str], dict[Location, None]] = {}
    places: dict[tuple[Package, str], Location | None] = {}
    for declaration in declarations:
        for address, place in find_foreign_origins(declaration, rules):
            key = (declaration.package, address)
            # An entry of a lock file names its address itself.
            places[key] = places.get(key) or place or named_at.get(address) or declaration.location
            locations.setdefault(key, {})[declaration.location] = None
    return tuple(
        ForeignOrigin(package=package, address=address, named_at=places[package, address], locations=tuple(found))
        for (package, address), found in sorted(locations.items(), key=lambda item: (item[0][0], item[0][1]))
    )
