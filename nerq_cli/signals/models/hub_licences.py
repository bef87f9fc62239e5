"""Levels of the licences that cards name, and whether a licence is looser than another one."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

import msgspec

from nerq_cli.hub_facts import CardMetadata, HubRepository
from nerq_cli.patterns import compile_late

_PERMISSIVE: Final = """apache-2.0 mit bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear isc afl-3.0 artistic-2.0 bsl-1.0
    ecl-2.0 ncsa zlib postgresql ms-pl unlicense wtfpl openmdw-1.0 openmdw-1.1 cdla-permissive-1.0 cdla-permissive-2.0
    cc0-1.0 pddl cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 odc-by etalab-2.0"""
_COPYLEFT: Final = """ofl-1.1 lppl-1.3c lgpl lgpl-2.1 lgpl-3.0 lgpl-lr mpl-2.0 epl-1.0 epl-2.0 eupl-1.1 eupl-1.2 gpl
    gpl-2.0 gpl-3.0 osl-3.0 cc-by-sa-3.0 cc-by-sa-4.0 cdla-sharing-1.0 odbl gfdl agpl-3.0"""
_USE_RESTRICTED: Final = """openrail openrail++ creativeml-openrail-m bigscience-openrail-m bigscience-bloom-rail-1.0
    bigcode-openrail-m llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma grok2-community c-uda cc-by-nd-4.0 cc
    apple-ascl"""
_NON_COMMERCIAL: Final = """cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
    cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 fair-noncommercial-research-license deepfloyd-if-license apple-amlr intel-research
    h-research"""
_LEVELS: Final = MappingProxyType(
    {
        name: level
        for level, names in (
            ("permissive", _PERMISSIVE),
            ("copyleft", _COPYLEFT),
            ("use-restricted", _USE_RESTRICTED),
            ("non-commercial", _NON_COMMERCIAL),
        )
        for name in names.split()
    }
)
#: SPDX identifiers of licences that the Hub spells without a version.
SPDX_NAMES: Final = MappingProxyType({"odbl": "ODbL-1.0", "pddl": "PDDL-1.0"})
#: Loosest first. ``other`` is not ordered: its text decides.
_ORDER: Final = ("permissive", "copyleft", "use-restricted", "non-commercial")
_NON_COMMERCIAL_NAME: Final = compile_late(r"non-?commercial|\bnc\b|research-only|\bmnpl\b|\bmrl\b", 2)  # re.IGNORECASE


class DeclaredLicence(msgspec.Struct, frozen=True):
    """The licence that a repository declares."""

    #: A level of the signal ``licence``.
    level: str
    #: The licences by name, as declared; empty = none.
    names: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The licence as a phrase."""
        return " and ".join(self.names) or "no licence declared"


def read_licence(repository: HubRepository) -> DeclaredLicence | None:
    """Return the licence that a repository declares; None if the header of its card was not read."""
    card, tags = repository.card, [tag[8:] for tag in repository.tags if tag.startswith("license:")]
    if card is not None and card.licence:
        return _rate(card, card.licence)
    if tags:
        return _rate(card or CardMetadata(), tags)
    return DeclaredLicence("none") if card is not None or repository.has_card_data else None


def is_looser(licence: DeclaredLicence, base: DeclaredLicence) -> bool:
    """Return whether a licence permits more than that of a base model."""
    if base.level not in _ORDER or licence.level not in _ORDER:
        return False
    return base.level != "permissive" and _ORDER.index(licence.level) < _ORDER.index(base.level)


def _rate(card: CardMetadata, identifiers: Iterable[str]) -> DeclaredLicence:
    rated = [_rate_one(card, identifier.strip()) for identifier in identifiers]
    names = tuple(dict.fromkeys(name for _, name in rated if name))
    level = max((level for level, _ in rated), key=_STRICTNESS.index)
    return DeclaredLicence(level, names)


#: Mildest first: of several licences the strictest counts.
_STRICTNESS: Final = (*_ORDER, "other", "other without text", "none")


def _rate_one(card: CardMetadata, identifier: str) -> tuple[str, str]:
    key = identifier.lower()
    if level := _LEVELS.get(key):
        return level, identifier
    if not key or key == "unknown":
        return "none", ""
    name = card.licence_name if key == "other" and card.licence_name else identifier
    if _NON_COMMERCIAL_NAME.search(name):
        return "non-commercial", name
    return ("other" if card.licence_link else "other without text"), name
