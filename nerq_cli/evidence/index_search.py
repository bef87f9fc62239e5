"""Search the indexes that the user configured beside the default one, in the order of pip and uv."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from nerq_cli.ecosystems import PYPI
from nerq_cli.facts import NOT_REQUESTED, Absent, Fact, Found, Unknown
from nerq_cli.fetch.run import FetchRun
from nerq_cli.fetch.source import Endpoint
from nerq_cli.inventory import Package
from nerq_cli.sources.endpoints import get_public_registry_url
from nerq_cli.sources.registries import pypi
from nerq_cli.sources.registries.config.indexes import IndexConfig, IndexSearch


class IndexResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the indexes beside the default one have of a package."""

    #: Their listings merged; Unknown if none has the package and one gave no answer.
    listing: Fact[pypi.SimpleListing]
    #: The first index that has the package; the first one requested, if none has.
    endpoint: Endpoint
    #: Whether the package comes from the default index as well.
    has_default: bool
    #: Whether no index but the public one has the package, or may have it.
    is_public: bool
    #: Whether an index refers to the public one for the package.
    is_referred: bool


def search_indexes(run: FetchRun, index_config: IndexConfig, packages: Sequence[Package]) -> dict[Package, IndexResult]:
    """Return what the indexes beside the default one have, by package; those without such indexes are left out.

    uv takes a package from the first index that has it. pip takes the best version of all indexes.
    """
    searches = {
        package: search for package in packages if (search := index_config.find_search(package)) != IndexSearch()
    }
    answers: dict[Package, list[tuple[Endpoint, Fact[pypi.SimpleListing]]]] = {package: [] for package in searches}
    final: set[Package] = set()
    for endpoint in dict.fromkeys(endpoint for search in searches.values() for endpoint in search.first):
        group = [package for package, search in searches.items() if endpoint in search.first and package not in final]
        for package, fact in (run.fetch(pypi.SIMPLE_API, group, endpoint) if group else {}).items():
            answers[package].append((endpoint, fact))
            if _has_versions(fact):
                final.add(package)
    groups: dict[Endpoint, list[Package]] = {}
    for package, search in searches.items():
        for endpoint in search.merged if package not in final else ():
            groups.setdefault(endpoint, []).append(package)
    results = run.fetch_all([(pypi.SIMPLE_API, group, endpoint) for endpoint, group in groups.items()])
    for endpoint, result in zip(groups, results, strict=True):
        for package, fact in result.items():
            answers[package].append((endpoint, fact))
    return {
        package: _build_result(answers[package], has_default=search.has_default and package not in final)
        for package, search in searches.items()
    }


def _build_result(answers: Sequence[tuple[Endpoint, Fact[pypi.SimpleListing]]], *, has_default: bool) -> IndexResult:
    found = [(endpoint, fact) for endpoint, fact in answers if _has_versions(fact)]
    unknown = [(endpoint, fact) for endpoint, fact in answers if isinstance(fact, Unknown)]
    absent = [(endpoint, fact) for endpoint, fact in answers if not isinstance(fact, Unknown)]
    endpoint, fact = (found or unknown or absent)[0]
    return IndexResult(
        listing=merge_listings([fact for _, fact in found]) if found else _drop_empty(fact),
        endpoint=endpoint,
        has_default=has_default,
        is_referred=any(is_referral(fact) for _, fact in answers),
        is_public=all(_is_public(endpoint) for endpoint, _ in (*found, *unknown)),
    )


def _has_versions(fact: Fact[pypi.SimpleListing]) -> bool:
    """Whether an index has versions of a package; some answer to every name with an empty page."""
    return isinstance(fact, Found) and bool(fact.value.package_info.versions)


def is_referral(fact: Fact[pypi.SimpleListing]) -> bool:
    """Whether an index refers to the public one for a package."""
    return isinstance(fact, Found) and bool(fact.value.referred_server)


def _drop_empty(fact: Fact[pypi.SimpleListing]) -> Fact[pypi.SimpleListing]:
    return Absent(fact.source, fact.retrieved_at) if isinstance(fact, Found) else fact


def _is_public(endpoint: Endpoint) -> bool:
    return endpoint.url == get_public_registry_url(PYPI)


def merge_listings(facts: Sequence[Fact[pypi.SimpleListing]]) -> Fact[pypi.SimpleListing]:
    """Return the listing of all versions that any of the listings has, as old as the oldest of them."""
    found = [fact for fact in facts if isinstance(fact, Found)]
    if not found:
        return NOT_REQUESTED
    listing = pypi.merge_listings([fact.value for fact in found])
    return Found(listing, found[0].source, min(fact.retrieved_at for fact in found))
