"""Licences of models and data: what they ask, and whether those along the lineage fit together.

Identifiers are those of the Hub's list (2026-08). A restriction is information, not a fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from nerq_cli.facts import Fact, Found
from nerq_cli.hub_facts import CardMetadata, HubRepository
from nerq_cli.patterns import compile_late

Category: TypeAlias = Literal[
    "permissive",
    "public domain",
    "attribution",
    "data, limited purpose",
    "weak copyleft",
    "strong copyleft",
    "network copyleft",
    "responsible use",
    "community terms",
    "non-commercial",
    "no derivatives",
    "research only",
    "sample code",
    "family without version",
    "custom",
    "none",
]

#: Flags in words, in the order of what readers need to know first.
FLAGS: Final[Mapping[str, str]] = {
    "non_commercial": "no commercial use",
    "research_only": "research only",
    "no_derivatives": "no derivatives",
    "use_restrictions": "uses are restricted",
    "pass_on_terms": "terms must be passed on",
    "network": "source must be offered to users over a network",
    "share_alike": "derivatives under the same licence",
    "share_alike_partial": "changed files under the same licence",
    "naming": "names of derivatives are prescribed",
    "user_threshold": "another licence is needed above a number of users",
    "revenue_limit": "another licence is needed above a revenue",
    "region_limit": "some regions are excluded",
    "train_others_limit": "output may not train other models without conditions",
    "computational_use_only": "computational use only",
    "attribution": "attribution",
}
#: Flags that restrict who may use a work, or for what.
RESTRICTIONS: Final = frozenset(
    {
        "non_commercial",
        "research_only",
        "no_derivatives",
        "use_restrictions",
        "user_threshold",
        "revenue_limit",
        "region_limit",
        "train_others_limit",
        "computational_use_only",
    }
)
#: Categories that are open in the sense of the EU guidelines on general-purpose models: no limits of use.
_OPEN: Final = frozenset(
    {"permissive", "public domain", "attribution", "weak copyleft", "strong copyleft", "network copyleft"}
)
_PERMISSIVE: Final = frozenset({"permissive", "public domain", "attribution"})


class ModelLicence(msgspec.Struct, frozen=True, kw_only=True):
    """A licence of a model or dataset."""

    #: As declared, lower case; empty = none.
    id: str
    category: Category
    flags: tuple[str, ...] = ()
    #: Name and link of a custom licence.
    name: str = ""
    link: str = ""
    #: Where it is declared: ``field license``, ``field tags``.
    pointer: str = ""

    @property
    def is_open(self) -> bool:
        """Whether everybody may use, study, change and share the work for any purpose."""
        return self.category in _OPEN

    @property
    def is_recognised(self) -> bool:
        """Whether its terms are known."""
        return self.category not in ("none", "custom", "family without version")


class LineageConflict(msgspec.Struct, frozen=True, kw_only=True):
    """Two licences along a lineage that do not obviously fit together: something to check."""

    #: A phrase with both licences.
    text: str
    #: Id of the base model or dataset.
    base: str
    #: Whether it is only worth a note.
    is_note: bool = False


_COMMUNITY: Final = ("use_restrictions", "pass_on_terms")
_LLAMA: Final = (*_COMMUNITY, "naming", "user_threshold", "attribution")

# The categories that list their identifiers; see `_index_licences`.
_IDS: Final[Mapping[Category, tuple[tuple[str, ...], str]]] = {
    "permissive": (
        ("attribution",),
        """
        apache-2.0 mit bsd-2-clause bsd-3-clause bsd-3-clause-clear isc afl-3.0 artistic-2.0 bsl-1.0 ecl-2.0 ncsa zlib
        postgresql ms-pl unlicense wtfpl openmdw-1.0 openmdw-1.1 cdla-permissive-1.0 cdla-permissive-2.0
        """,
    ),
    "public domain": ((), "cc0-1.0 pddl"),
    "attribution": (("attribution",), "cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 odc-by etalab-2.0"),
    "data, limited purpose": (("computational_use_only",), "c-uda"),
    "weak copyleft": (
        ("share_alike_partial", "attribution"),
        "ofl-1.1 lppl-1.3c lgpl-2.1 lgpl-3.0 lgpl-lr mpl-2.0 epl-1.0 epl-2.0 eupl-1.1 eupl-1.2",
    ),
    "strong copyleft": (
        ("share_alike", "attribution"),
        "gpl-2.0 gpl-3.0 osl-3.0 cc-by-sa-3.0 cc-by-sa-4.0 cdla-sharing-1.0 odbl",
    ),
    "network copyleft": (("network", "share_alike", "attribution"), "agpl-3.0"),
    "responsible use": (
        ("use_restrictions", "pass_on_terms", "attribution"),
        "openrail++ creativeml-openrail-m bigscience-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m",
    ),
    "community terms": (_COMMUNITY, "gemma grok2-community"),
    "non-commercial": (
        ("non_commercial", "attribution"),
        "cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 fair-noncommercial-research-license deepfloyd-if-license",
    ),
    "no derivatives": (("no_derivatives", "attribution"), "cc-by-nd-4.0"),
    "research only": (("research_only",), "apple-amlr intel-research h-research"),
    "sample code": ((), "apple-ascl"),
    "family without version": ((), "cc bsd gpl lgpl openrail gfdl"),
}
# Licences whose flags differ from those of their category.
_SPECIAL: Final[Mapping[str, tuple[Category, tuple[str, ...]]]] = {
    "llama2": ("community terms", (*_COMMUNITY, "user_threshold", "train_others_limit", "attribution")),
    "llama3": ("community terms", (*_LLAMA, "train_others_limit")),
    "llama3.1": ("community terms", _LLAMA),
    # The exclusion of users in the EU concerns the multimodal models.
    "llama3.2": ("community terms", (*_LLAMA, "region_limit")),
    "llama3.3": ("community terms", _LLAMA),
    "llama4": ("community terms", (*_LLAMA, "region_limit")),
    "cc-by-nc-sa-2.0": ("non-commercial", ("non_commercial", "share_alike", "attribution")),
    "cc-by-nc-sa-3.0": ("non-commercial", ("non_commercial", "share_alike", "attribution")),
    "cc-by-nc-sa-4.0": ("non-commercial", ("non_commercial", "share_alike", "attribution")),
    "cc-by-nc-nd-3.0": ("non-commercial", ("non_commercial", "no_derivatives", "attribution")),
    "cc-by-nc-nd-4.0": ("non-commercial", ("non_commercial", "no_derivatives", "attribution")),
}
# Licences under `other`, by a part of `license_name` in lower case without signs; the first that fits.
_NAMED: Final[Sequence[tuple[str, Category, tuple[str, ...]]]] = (
    ("qwen research", "research only", ("research_only", "non_commercial")),
    ("qwen", "community terms", (*_COMMUNITY, "user_threshold")),
    ("tongyi qianwen research", "research only", ("research_only", "non_commercial")),
    ("tongyi qianwen", "community terms", (*_COMMUNITY, "user_threshold")),
    ("deepseek", "community terms", _COMMUNITY),
    ("mnpl", "non-commercial", ("non_commercial",)),
    ("mistral ai non production", "non-commercial", ("non_commercial",)),
    ("mrl", "research only", ("research_only", "non_commercial")),
    ("mistral ai research", "research only", ("research_only", "non_commercial")),
    ("flux 1 dev non commercial", "non-commercial", ("non_commercial", "use_restrictions")),
    ("stabilityai ai community", "community terms", (*_COMMUNITY, "revenue_limit")),
    ("stability ai community", "community terms", (*_COMMUNITY, "revenue_limit")),
    ("stable ai community", "community terms", (*_COMMUNITY, "revenue_limit")),
    ("nvidia open model", "community terms", _COMMUNITY),
    ("exaone", "research only", ("research_only", "non_commercial")),
    ("falcon", "community terms", _COMMUNITY),
    ("modified mit", "permissive", ("attribution", "naming")),
    ("tencent hunyuan", "community terms", (*_COMMUNITY, "region_limit", "user_threshold")),
    ("hunyuan", "community terms", (*_COMMUNITY, "region_limit", "user_threshold")),
    ("lfm", "community terms", (*_COMMUNITY, "revenue_limit")),
    ("non commercial", "non-commercial", ("non_commercial",)),
    ("noncommercial", "non-commercial", ("non_commercial",)),
    ("research only", "research only", ("research_only",)),
)
_SIGNS: Final = compile_late(r"[\W_]+")
#: A licence of a later version may only say so in its version.
_LLAMA_ID: Final = compile_late(r"llama(\d+)(?:\.\d+)?")
_FIRST_NAMED_LLAMA: Final = 3


def _index_licences() -> dict[str, tuple[Category, tuple[str, ...]]]:
    index = {id_: (category, flags) for category, (flags, ids) in _IDS.items() for id_ in ids.split()}
    return {**index, **_SPECIAL}


_LICENCES: Final = _index_licences()


def parse_licence(id_: str, name: str = "", link: str = "", pointer: str = "") -> ModelLicence:
    """Return a licence from its identifier on the Hub, and the name and link of a custom one."""
    key = id_.strip().lower()
    category: Category
    if not key or key == "unknown":
        return ModelLicence(id=key, category="none", pointer=pointer)
    if key in _LICENCES:
        category, flags = _LICENCES[key]
    elif match := _LLAMA_ID.fullmatch(key):
        category, flags = "community terms", _LLAMA if int(match[1]) >= _FIRST_NAMED_LLAMA else _COMMUNITY
    else:
        category, flags = _find_named(name or ("" if key == "other" else key))
    ordered = tuple(flag for flag in FLAGS if flag in flags)
    return ModelLicence(id=key, category=category, flags=ordered, name=name, link=link, pointer=pointer)


def _find_named(name: str) -> tuple[Category, tuple[str, ...]]:
    words = f" {_SIGNS.sub(' ', name[:200].lower()).strip()} "
    for part, category, flags in _NAMED:
        if f" {part} " in words or (len(part) > _SHORT and f" {part}" in words):
            return category, flags
    return "custom", ()


#: Longer parts may be followed by more letters ("exaone3").
_SHORT: Final = 4


def read_licences(repository: HubRepository) -> tuple[ModelLicence, ...] | None:
    """Return the licences that a repository declares; empty = none. None = its metadata were not read."""
    card = repository.card
    if card is not None and card.licence:
        return tuple(
            parse_licence(id_, card.licence_name, card.licence_link, "field license") for id_ in card.licence[:_MAX]
        )
    tagged = [tag.partition(":")[2] for tag in repository.tags if tag.startswith("license:")]
    if tagged:
        name, link = (card.licence_name, card.licence_link) if card is not None else ("", "")
        return tuple(parse_licence(id_, name, link, "field tags") for id_ in tagged[:_MAX])
    return () if repository.has_card_data or card is not None else None


#: Licences of one repository that are looked at.
_MAX: Final = 20


def describe_licences(licences: Sequence[ModelLicence] | None) -> str:
    """Return the licences in one line of words."""
    if licences is None:
        return "licence not known: the metadata of the card was not read"
    declared = [licence for licence in licences if licence.category != "none"]
    if not declared:
        return "no licence declared: all rights are reserved"
    return "; ".join(_describe(licence) for licence in declared)


def _describe(licence: ModelLicence) -> str:
    label = licence.name if licence.id == "other" and licence.name else licence.id
    if licence.category == "custom":
        return f"{label}: custom terms, read them" + (f" ({licence.link})" if licence.link else "")
    if licence.category == "family without version":
        return f"{label}: names a family of licences, not a licence"
    terms = [FLAGS[flag] for flag in licence.flags if FLAGS[flag] != licence.category]
    return f"{label}: {licence.category}" + (f" ({', '.join(terms)})" if terms else "")


# --- lineage


def find_conflicts(
    repository: HubRepository, bases: Mapping[str, Fact[HubRepository]], datasets: Mapping[str, Fact[HubRepository]]
) -> tuple[LineageConflict, ...]:
    """Return what to check about the licence of a repository and those of its base models and datasets.

    Bases and datasets that were not read are left out.
    """
    own = read_licences(repository)
    if own is None:
        return ()
    parents = {id_: read_licences(base.value) or () for id_, base in sorted(bases.items()) if isinstance(base, Found)}
    conflicts = [conflict for id_, licences in parents.items() for conflict in _compare(repository, own, id_, licences)]
    conflicts += _compare_parents(parents)
    for id_, dataset in sorted(datasets.items()):
        if isinstance(dataset, Found):
            conflicts += _compare_dataset(own, id_, read_licences(dataset.value))
    return tuple(conflicts)


def _compare(
    repository: HubRepository, own: Sequence[ModelLicence], base_id: str, base: Sequence[ModelLicence]
) -> Iterator[LineageConflict]:
    own_ids, base_ids = _list_ids(own), _list_ids(base)
    if not base_ids:
        return
    if not own_ids:
        text = f"no licence declared; that of the base model is {_join(base_ids)} (inherited, undeclared)"
        yield LineageConflict(text=text, base=base_id)
    elif not own_ids & base_ids:
        words = f"licence {_join(own_ids)}, base model {_join(base_ids)}"
        for problem in _list_problems(repository, own, _join_flags(base)):
            yield LineageConflict(text=f"{words}: {problem}", base=base_id)
    name = repository.id.rpartition("/")[2].lower().removeprefix("meta-")
    if "naming" in _join_flags(base) and any(map(_LLAMA_ID.fullmatch, base_ids)) and not name.startswith("llama"):
        text = f'base model {_join(base_ids)}: names of derivatives must start with "Llama"'
        yield LineageConflict(text=text, base=base_id)


def _list_problems(repository: HubRepository, own: Sequence[ModelLicence], base_flags: frozenset[str]) -> Iterator[str]:
    """Yield what a base model with these flags does not allow."""
    if base_flags & {"use_restrictions", "pass_on_terms"} and all(licence.category in _PERMISSIVE for licence in own):
        yield "restrictions of the base are not passed on"
    limits = ("non_commercial", "research_only")
    limit = next((flag for flag in limits if flag in base_flags), "")
    if limit and not _join_flags(own).intersection(limits):
        yield f"the base: {FLAGS[limit]}"
    relation = repository.base_model_relation
    if "no_derivatives" in base_flags and relation != "quantized":
        yield "the base allows no derivatives"
    if "share_alike" in base_flags:
        yield "derivatives of the base stay under its licence"


def _compare_parents(parents: Mapping[str, Sequence[ModelLicence]]) -> Iterator[LineageConflict]:
    """Yield base models of one merge whose terms cannot both hold."""
    items = [(id_, _list_ids(licences), _join_flags(licences)) for id_, licences in parents.items()]
    for first, (id_, ids, flags) in enumerate(items):
        for other_id, other_ids, other_flags in items[first + 1 :]:
            if "share_alike" in flags | other_flags and ids and other_ids and not ids & other_ids:
                restricted = (flags | other_flags) & (RESTRICTIONS | {"share_alike"})
                if ("share_alike" in flags and "share_alike" in other_flags) or restricted - {"share_alike"}:
                    text = (
                        f"base models {id_} ({_join(ids)}) and {other_id} ({_join(other_ids)}): terms cannot both hold"
                    )
                    yield LineageConflict(text=text, base=other_id)


def _compare_dataset(
    own: Sequence[ModelLicence], dataset_id: str, dataset: Sequence[ModelLicence] | None
) -> Iterator[LineageConflict]:
    if dataset is None or not own or not all(licence.category in _PERMISSIVE for licence in own):
        return
    words = f"licence {_join(_list_ids(own))}, training data"
    if "non_commercial" in _join_flags(dataset):
        text = f"{words} {_join(_list_ids(dataset))}: the data allow no commercial use"
        yield LineageConflict(text=text, base=dataset_id, is_note=True)
    elif not _list_ids(dataset):
        yield LineageConflict(text=f"{words} without a licence", base=dataset_id, is_note=True)


def _list_ids(licences: Sequence[ModelLicence]) -> set[str]:
    return {licence.name or licence.id for licence in licences if licence.category != "none"}


def _join_flags(licences: Sequence[ModelLicence]) -> frozenset[str]:
    """Return the flags of all licences: of several, each may apply to a part."""
    return frozenset(flag for licence in licences for flag in licence.flags)


def _join(ids: set[str]) -> str:
    return " and ".join(sorted(ids))


def has_link_or_text(licences: Sequence[ModelLicence], card: CardMetadata | None) -> bool:
    """Whether the text of a licence can be found from what is declared: a known identifier, or a link."""
    known = any(licence.is_recognised and licence.id != "other" for licence in licences)
    return known or bool(card and card.licence_link)
