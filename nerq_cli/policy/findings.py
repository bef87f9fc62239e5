"""Findings: what a policy rule found, with its level and what became of it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from nerq_cli.inventory import Location

#: ``allow``: not reported; ``warn``: reported; ``deny``: fails the run.
Level: TypeAlias = Literal["allow", "warn", "deny"]

#: Beside the run that a scan is compared with: ``new``, ``worse`` or ``unchanged``; empty without a comparison.
Change: TypeAlias = Literal["", "new", "worse", "unchanged"]


class AppliedWaiver(msgspec.Struct, frozen=True, kw_only=True):
    """The waiver of a finding."""

    reason: str
    #: Last day that it applies (ISO 8601); empty if a VEX document waives the finding, which has no end.
    until: str = ""
    owner: str = ""
    #: Status of the advisory in OpenVEX; empty if none was decided.
    status: str = ""
    #: Justification of ``not_affected`` in OpenVEX; empty if there is none.
    justification: str = ""
    #: Author of the VEX document; empty if it is no VEX document.
    author: str = ""
    #: Where it is written: a settings file or a VEX document.
    location: Location | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding."""

    #: Id of the policy rule. A check leaves it empty; ``rules.find_findings`` sets it.
    id: str = ""
    text: str
    #: ``warn`` or ``deny``. A check leaves it unless its rule has levels of its own.
    level: Level = "deny"
    #: Whether something could not be checked: unless it fails the run, the run is incomplete.
    undecided: bool = False
    #: Package URL and name; empty if the finding concerns no single package.
    purl: str = ""
    name: str = ""
    #: Version in use; empty if not known.
    version: str = ""
    #: Id of the advisory that it concerns; empty if none.
    advisory: str = ""
    #: Severity of that advisory: ``critical``, ``high``, ``medium``, ``low`` or ``unknown``; empty without one.
    severity: str = ""
    #: Every id that names this advisory and no other: its own and its aliases.
    advisory_ids: tuple[str, ...] = ()
    #: Smallest installable version that fixes the advisory; empty if there is none.
    fix: str = ""
    locations: tuple[Location, ...] = ()
    #: The waiver that applies; None if none does.
    waiver: AppliedWaiver | None = None
    change: Change = ""

    @property
    def fails(self) -> bool:
        """Whether it fails the run: at level ``deny``, not waived, and not as in the run that it is compared with."""
        return self.level == "deny" and self.is_open

    @property
    def is_open(self) -> bool:
        """Whether it counts: it is not waived, and not as in the run that it is compared with."""
        return self.waiver is None and self.change != "unchanged"
