"""Findings: problems that no score expresses."""

from __future__ import annotations

from dataclasses import dataclass

from nerq_cli.inventory import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding."""

    #: Id of the policy rule. A check leaves it empty; ``rules.find_problems`` sets it.
    id: str = ""
    text: str
    #: Package URL and name; empty if the finding concerns no single package.
    purl: str = ""
    name: str = ""
    locations: tuple[Location, ...] = ()
