"""Community signals of a repository: who publishes it, and how much it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log10
from typing import Final

from nerq_cli.facts import Found
from nerq_cli.hub_facts import HubOwner
from nerq_cli.methodology.types import SignalSpec
from nerq_cli.signals.models.context import RepositoryContext
from nerq_cli.signals.models.names import find_copied_repository, find_similar_organisation, is_well_known
from nerq_cli.signals.signal import (
    Flag,
    MeasureFunction,
    Signal,
    build_flag,
    build_from_level,
    build_known,
    build_missing,
    build_possible_flag,
    build_unknown,
    format_age,
    format_count,
)


def measure_publisher(context: RepositoryContext, spec: SignalSpec) -> Iterator[Signal | Flag]:
    """Measure who publishes the repository, and whether its name may be mistaken for another one."""
    fact, owner = context.evidence.owner, context.owner
    similar = _find_similar_organisation(context)
    yield from _flag_names(context, similar)
    if owner is None or not isinstance(fact, Found):
        yield build_missing(spec, fact)
        return
    level, reason = _rate_owner(context, owner)
    if similar and not owner.is_verified and spec.levels[level] > spec.levels["look-alike"]:
        yield build_from_level(spec, "look-alike", f"{owner.name} looks like {similar}; {reason}", fact)
    else:
        yield build_from_level(spec, level, reason, fact)


def _rate_owner(context: RepositoryContext, owner: HubOwner) -> tuple[str, str]:
    if owner.is_organisation:
        if owner.is_verified:
            return "verified organisation", f"organisation {owner.name}, verified by the Hub"
        return "organisation", f"organisation {owner.name}"
    count = "" if owner.models is None else f" with {format_count(owner.models, 'model')}"
    is_established = owner.models is not None and owner.models >= context.limit("established_models")
    return ("established person" if is_established else "person"), f"a person's account{count}"


def _find_similar_organisation(context: RepositoryContext) -> str:
    if context.repository is None:
        return ""
    account = context.repository.id.rpartition("/")[0] or context.repository.author
    return find_similar_organisation(account)


def _flag_names(context: RepositoryContext, similar: str) -> Iterator[Flag]:
    """Yield a flag where the repository may be taken for one of somebody else."""
    fact, repository, owner = context.fact, context.repository, context.owner
    if repository is None or not isinstance(fact, Found) or repository.kind in ("space", "kernel"):
        return
    account = repository.id.rpartition("/")[0]
    if is_well_known(account) or (owner is not None and owner.is_verified) or context.has_base_model:
        return
    copied = find_copied_repository(repository.id) if repository.kind == "model" else ""
    is_young = None if context.days is None else context.days < context.limit("look_alike_days")
    if not copied and similar and is_young is not False:
        text = f"the account {account} looks like {similar}; check that you meant it"
    elif copied:
        text = f"named like {copied}, by another author, without a base model; check that you meant it"
    else:
        return
    # An owner that was not read may be verified, and a header that was not read may name a base model.
    is_open = owner is None or context.has_base_model is None or (not copied and is_young is None)
    if is_open:
        yield build_possible_flag("name-clone", text, context.evidence.owner if owner is None else fact)
    else:
        yield build_flag("name-clone", text, fact)


def measure_adoption(context: RepositoryContext, spec: SignalSpec) -> Signal:
    """Measure downloads in 30 days and likes."""
    fact, repository, levels = context.fact, context.repository, spec.levels
    if repository is None or not isinstance(fact, Found):
        return build_missing(spec, fact)
    downloads, likes = repository.downloads, repository.likes
    if likes is None:
        return build_unknown(spec, "likes not in the answer", fact.source)
    likes_value = min(100.0, levels["per tenfold likes"] * log10(1 + max(0, likes)))
    if repository.kind == "space":
        value, reason = likes_value, format_count(likes, "like")
    elif downloads is None:
        return build_unknown(spec, f"{format_count(likes, 'like')}; downloads not in the answer", fact.source)
    else:
        logarithm = log10(downloads) if downloads > 1 else 0.0
        downloads_value = min(100.0, max(levels["least"], levels["per tenfold downloads"] * logarithm))
        value = levels["downloads"] * downloads_value + levels["likes"] * likes_value
        reason = f"{format_count(downloads, 'download')} in 30 days, {format_count(likes, 'like')}"
    if value > levels["young limit"]:
        # Numbers of a new repository can be bought within days.
        if context.days is None:
            return build_unknown(spec, f"{reason}; age not stated", fact.source)
        if context.days < context.limit("young_days"):
            value, reason = levels["young limit"], f"{reason}; only {format_age(context.days)} old"
    return build_known(spec, value, reason, fact)


#: The function of each signal, by id.
FUNCTIONS: Final[Mapping[str, MeasureFunction[RepositoryContext]]] = {
    "publisher": measure_publisher,
    "adoption": measure_adoption,
}
