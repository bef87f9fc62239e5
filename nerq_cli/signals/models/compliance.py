"""Compliance signals of a repository: its licence, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from nerq_cli.compliance.licences import (
    Category,
    ModelLicence,
    describe_licences,
    find_conflicts,
    read_licences,
)
from nerq_cli.facts import Found
from nerq_cli.hub_facts import HubRepository
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.patterns import compile_late
from nerq_cli.signals.models.context import RepositoryContext, is_adapter
from nerq_cli.signals.signal import (
    Flag,
    MeasureFunction,
    Signal,
    build_flag,
    build_from_level,
    build_known,
    build_missing,
    build_not_applicable,
    build_possible_flag,
    build_unknown,
)

#: Names of repositories that hold a converted or adapted model.
_DERIVED_NAME: Final = compile_late(
    r"(?:^|[-_.])(?:gguf|ggml|awq|gptq|exl2|exl3|mlx|bnb|lora|qlora|int4|int8|4bit|8bit|fp8|nf4|onnx|quantized|abliterated"
    r"|merged?)(?:$|[-_.])",
    2,  # re.IGNORECASE
)
#: Number of ids that a reason names.
_SHOWN: Final = 3
#: The level of each category of licences but custom ones.
_LEVELS: Final[Mapping[Category, str]] = {
    "permissive": "permissive",
    "public domain": "permissive",
    "attribution": "permissive",
    "weak copyleft": "copyleft",
    "strong copyleft": "copyleft",
    "network copyleft": "copyleft",
    "responsible use": "use-restricted",
    "community terms": "use-restricted",
    "data, limited purpose": "use-restricted",
    "no derivatives": "use-restricted",
    "sample code": "use-restricted",
    "family without version": "family",
    "non-commercial": "non-commercial",
    "research only": "non-commercial",
    "none": "none",
}
_SOURCE_FIELDS: Final = ("source_datasets", "annotations_creators", "language_creators")


def measure_licence(context: RepositoryContext, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure the category of the declared licence."""
    fact, repository = context.fact, context.repository
    if repository is None or not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    licences = read_licences(repository)
    if licences is None:
        yield build_unknown(spec, "header of the card not read", fact.source)
        yield build_possible_flag("no-licence", "not known whether a licence is declared", fact)
        return
    levels = [level for licence in licences if (level := _rate(licence)) != "none"]
    if not levels:
        yield build_from_level(spec, "none", "no licence declared", fact)
        yield build_flag("no-licence", "no licence declared", fact)
        return
    strictest = min(levels, key=lambda level: (spec.levels[level], level))
    yield build_from_level(spec, strictest, describe_licences(licences), fact)


def _rate(licence: ModelLicence) -> str:
    """Return the level of a licence."""
    if licence.category == "custom":
        return "other" if licence.link else "other without text"
    return _LEVELS[licence.category]


def measure_lineage(context: RepositoryContext, spec: SignalSpec) -> Signal:
    """Measure whether the origin is declared, and whether the licence fits that of the base model."""
    fact, repository = context.fact, context.repository
    if repository is None or not isinstance(fact, Found):
        return build_missing(spec, fact)
    if repository.kind == "kernel":
        return build_not_applicable(spec, "a kernel has no base model")
    if repository.kind == "space":
        return _measure_used_models(spec, repository, fact)
    if not context.is_header_read:
        return build_unknown(spec, "header of the card not read", fact.source)
    if repository.kind == "dataset":
        return _measure_sources(spec, repository, fact)
    return _measure_base(context, spec, repository, fact)


def _measure_base(
    context: RepositoryContext, spec: SignalSpec, repository: HubRepository, fact: Found[HubRepository]
) -> Signal:
    has_data = bool(repository.card is not None and repository.card.datasets)
    has_data = has_data or any(tag.startswith("dataset:") for tag in repository.tags)
    # Compliance also counts what the text of the card describes.
    data_text = "training data declared" if has_data else "no dataset named in the header of the card"
    value, base_text = has_data * spec.levels["datasets"], "no base model"
    if context.base_models:
        conflict, unread = _compare_licences(context, repository)
        if conflict:
            value = min(spec.levels["looser licence"], spec.levels["base"] + value)
            return build_known(spec, value, f"{conflict}; {data_text}", fact)
        if unread:
            return build_unknown(spec, f"licence of {unread} not known; {data_text}", fact.source)
        base_text = f"base model: {', '.join(context.base_models[:_SHOWN])}"
    elif context.files is None:
        return build_unknown(spec, f"files not listed; no base model declared; {data_text}", fact.source)
    elif reason := _find_missing_base(context, repository):
        return build_known(spec, value, f"no base model declared ({reason}); {data_text}", fact)
    return build_known(spec, spec.levels["base"] + value, f"{base_text}; {data_text}", fact)


def _measure_sources(spec: SignalSpec, repository: HubRepository, fact: Found[HubRepository]) -> Signal:
    fields = repository.card.fields if repository.card is not None else ()
    declared = [name for name in _SOURCE_FIELDS if name in fields]
    if not declared:
        return build_from_level(spec, "none", "no sources declared", fact)
    value = spec.levels["base"] + spec.levels["datasets"]
    return build_known(spec, value, f"sources declared ({', '.join(declared)})", fact)


def _measure_used_models(spec: SignalSpec, repository: HubRepository, fact: Found[HubRepository]) -> Signal:
    used = repository.used_models
    if used is None:
        return build_unknown(spec, "the models that it uses are not stated", fact.source)
    if not used:
        return build_from_level(spec, "none", "names no models", fact)
    more = f" and {len(used) - _SHOWN} more" if len(used) > _SHOWN else ""
    value = spec.levels["base"] + spec.levels["datasets"]
    return build_known(spec, value, f"uses {', '.join(used[:_SHOWN])}{more}", fact)


def _compare_licences(context: RepositoryContext, repository: HubRepository) -> tuple[str, str]:
    """Return a conflict with the licence of a base model, and the id of one whose licence is not known; or empty."""
    own = read_licences(repository)
    bases = {id_: fact for id_ in context.base_models if isinstance(fact := context.evidence.bases.get(id_), Found)}
    declared = {id_: read_licences(fact.value) for id_, fact in bases.items()}
    own_ids = {licence.id for licence in own or ()}
    for conflict in find_conflicts(repository, bases, {}):
        # Under the licence of its base it is not looser, whatever else there is to check.
        if own_ids.isdisjoint(licence.id for licence in declared.get(conflict.base) or ()):
            return f"check {conflict.base}: {conflict.text}", ""
    unread = [id_ for id_ in context.base_models if own is None or declared.get(id_) is None]
    return "", (*unread, "")[0]


def _find_missing_base(context: RepositoryContext, repository: HubRepository) -> str:
    """Return what shows that it was made from another model; empty if nothing does."""
    if is_adapter(context):
        return "it is an adapter"
    if match := _DERIVED_NAME.search(repository.id.rpartition("/")[2]):
        return f"named {match[0].strip('-_.')}"
    return "it holds GGUF files" if context.weights is not None and context.weights.level == "gguf" else ""


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[RepositoryContext]]] = {
    "licence": measure_licence,
    "lineage": measure_lineage,
}
