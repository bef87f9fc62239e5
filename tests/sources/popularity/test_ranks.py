from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.facts import SimilarName
from nerq_cli.inventory import Package
from nerq_cli.sources.popularity import ranks as popular
from nerq_cli.sources.popularity.ranks import find_similar_name, get_list_date, get_popularity, is_listed, load_list

NOVEMBER = 1_793_491_200  # 2026-11-01
ECOSYSTEMS: tuple[EcosystemId, ...] = (PYPI, NPM)


def package(ecosystem: EcosystemId, name: str) -> Package:
    return Package(ecosystem=ecosystem, name=name)


@pytest.fixture
def afresh() -> Iterator[None]:
    load_list.cache_clear()
    yield
    load_list.cache_clear()


def test_the_first_of_the_npm_list_has_its_downloads_a_week() -> None:
    fact = get_popularity(package(NPM, "semver"))
    assert (fact.retrieved_at, fact.value.snapshot_date, fact.value.list_size, fact.value.rank) == (
        NOVEMBER,
        NOVEMBER,
        15_000,
        1,
    )
    assert fact.value.downloads == pytest.approx(2_399_072_936 * 7 / 30, rel=1e-5)
    assert not fact.value.is_estimate


def test_the_last_of_the_npm_list_is_the_floor() -> None:
    fact = get_popularity(package(NPM, "blamer"))
    assert fact.value.rank == 15_000
    assert fact.value.downloads == fact.value.min_downloads == pytest.approx(1_072_830 * 7 / 30, rel=1e-3)


def test_downloads_from_pypi_are_estimated_from_the_rank() -> None:
    first, last = get_popularity(package(PYPI, "boto3")).value, get_popularity(package(PYPI, "nextcord")).value
    assert (first.rank, last.rank, first.is_estimate, last.is_estimate) == (1, 15_000, True, True)
    assert first.downloads == pytest.approx(1.40e9 * 7 / 30)
    assert last.downloads == last.min_downloads == pytest.approx(3.1e4 * 7 / 30)


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_downloads_never_rise_with_the_rank(ecosystem: EcosystemId) -> None:
    names = [name for name in load_list(ecosystem).names if name]
    facts = [get_popularity(package(ecosystem, name)).value for name in names]
    downloads = [fact.downloads or 0 for fact in facts]
    assert downloads == sorted(downloads, reverse=True)
    ranks = [fact.rank or 0 for fact in facts]
    assert ranks == sorted(set(ranks))


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_a_name_that_is_not_listed_has_no_rank_and_a_floor(ecosystem: EcosystemId) -> None:
    fact = get_popularity(package(ecosystem, "acme-never-heard-of"))
    assert (fact.value.rank, fact.value.downloads) == (None, None)
    assert fact.value.min_downloads > 1_000


def test_an_edition_tells_its_day_and_its_names() -> None:
    assert get_list_date(PYPI) == get_list_date(NPM) == NOVEMBER
    assert is_listed(package(PYPI, "requests"))
    assert not is_listed(package(NPM, "acme-never-heard-of"))


def test_a_rank_the_list_leaves_out_is_nobodys() -> None:
    listed = load_list(PYPI)
    assert len(listed.names) == 15_000
    assert len(listed.ranks) == 14_985
    assert get_popularity(package(PYPI, "")).value.rank is None


@pytest.mark.parametrize(
    ("ecosystem", "name", "like"),
    [
        (PYPI, "reqeusts", "requests"),
        (PYPI, "python-requests", "requests"),
        (PYPI, "nurnpy", "numpy"),
        (NPM, "loadsh", "lodash"),
        (NPM, "crossenv", "cross-env"),
        (NPM, "@bable/core", "@babel/core"),
    ],
)
def test_a_name_like_a_popular_one_is_told(ecosystem: EcosystemId, name: str, like: str) -> None:
    found = find_similar_name(package(ecosystem, name))
    assert found.name == like
    assert found.similarity
    known = get_popularity(package(ecosystem, like)).value
    assert (found.rank, found.downloads) == (known.rank, known.downloads)


@pytest.mark.parametrize(
    ("ecosystem", "name"),
    [(PYPI, "requests"), (PYPI, "nextcord"), (PYPI, "xyz"), (PYPI, "acme-never-heard-of"), (NPM, "@babel/whatever")],
)
def test_listed_names_and_names_like_none_have_no_neighbour(ecosystem: EcosystemId, name: str) -> None:
    assert find_similar_name(package(ecosystem, name)) == SimilarName()


@given(st.sampled_from(ECOSYSTEMS), st.text(max_size=60))
def test_any_name_can_be_asked_about(ecosystem: EcosystemId, name: str) -> None:
    assert get_popularity(package(ecosystem, name)).value.list_size > 14_000
    assert find_similar_name(package(ecosystem, name)).rank <= 5_000


def test_the_lists_are_small() -> None:
    data = Path(popular.__file__).with_name("data")
    assert sum(file.stat().st_size for file in data.glob("*.z")) < 350_000


@pytest.mark.usefixtures("afresh")
@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_a_list_is_loaded_in_no_time(ecosystem: EcosystemId) -> None:
    started = perf_counter()
    load_list(ecosystem)
    assert perf_counter() - started < 0.1  # 3 to 6 ms on a quiet machine


def test_names_that_are_not_listed_are_compared_quickly() -> None:
    find_similar_name(package(NPM, "warm-up-the-index"))
    started = perf_counter()
    for number in range(100):
        find_similar_name(package(NPM, f"some-unlisted-package-{number}"))
    assert perf_counter() - started < 0.15  # 1.5 ms each; 0.03 ms on a quiet machine
