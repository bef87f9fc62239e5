"""Findings: problems that no score expresses."""

from __future__ import annotations

import msgspec

from nerq_cli.inventory import Location


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding."""

    #: Id of the policy rule. A check leaves it empty; ``rules.find_problems`` sets it.
    id: str = ""
    text: str
    #: Package URL and name; empty if the finding concerns no single package.
    purl: str = ""
    name: str = ""
    locations: tuple[Location, ...] = ()
