from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.sources.popularity.typosquat import (
    NameIndex,
    NameMatch,
    normalise_confusables,
    parse_scope,
    split_words,
    strip_separators,
)

POPULAR = [
    "requests",
    "python-dateutil",
    "six",
    "pyyaml",
    "urllib3",
    "beautifulsoup4",
    "scikit-learn",
    "boto3",
    "number",
]
SCOPED = ["lodash", "@babel/core", "react-router", "@radix-ui/react-slot", "@types/wrap-ansi", "cross-env"]
ANY_NAME = st.text(string.ascii_lowercase[:4] + "-", min_size=1, max_size=14)


def like(ecosystem: EcosystemId, name: str) -> tuple[str, str] | None:
    popular, scopes = (POPULAR, ()) if ecosystem == PYPI else (SCOPED, ("babel", "types", "radix-ui"))
    found = NameIndex(ecosystem, popular, scopes).find_match(name)
    return None if found is None else (popular[found.position], found.reason)


@pytest.mark.parametrize(
    ("name", "popular", "how"),
    [
        ("scikitlearn", "scikit-learn", "other separators"),
        ("req-uests", "requests", "other separators"),
        ("nurnber", "number", "look-alike characters"),
        ("b0to3", "boto3", "look-alike characters"),
        ("url1ib3", "urllib3", "look-alike characters"),
        ("reqeusts", "requests", "one character apart"),
        ("request", "requests", "one character apart"),
        ("requestss", "requests", "one character apart"),
        ("requezts", "requests", "one character apart"),
        ("learn-scikit", "scikit-learn", "another order"),
        ("yaml", "pyyaml", "“py” in front"),
        ("dateutil", "python-dateutil", "“python” in front"),
        ("requests-cli", "requests", "“cli” at the end"),
        ("boto", "boto3", "a number at the end"),
        ("urllib42", "urllib3", "a number at the end"),
        ("beautifulzoup5", "beautifulsoup4", "two characters apart"),
    ],
)
def test_a_python_name_is_mistaken_in_many_ways(name: str, popular: str, how: str) -> None:
    found = like(PYPI, name)
    assert found is not None
    assert found[0] == popular
    assert how in found[1]


@pytest.mark.parametrize(
    ("name", "popular", "how"),
    [
        ("babel-core", "@babel/core", "other separators"),
        ("@bable/core", "@babel/core", "one character apart"),
        ("crossenv", "cross-env", "other separators"),
        ("lodash.js", "lodash", "“js” at the end"),
        ("node-lodash", "lodash", "“node” in front"),
        ("react-slot", "@radix-ui/react-slot", "a scoped name without its scope"),
        ("@evil/lodash", "lodash", "a scope of its own"),
    ],
)
def test_an_npm_name_is_mistaken_for_its_scope_too(name: str, popular: str, how: str) -> None:
    found = like(NPM, name)
    assert found is not None
    assert found[0] == popular
    assert how in found[1]


@pytest.mark.parametrize(
    ("ecosystem", "name"),
    [
        (PYPI, "completely-different"),
        (PYPI, "s1x"),
        (PYPI, "sixx"),
        (PYPI, "@evil/requests"),
        (NPM, "@babel/cores"),
        (NPM, "@babel/lodash"),
        (NPM, "wrapansi"),
        (NPM, "core"),
        (NPM, "@evil/core"),
        (NPM, "@/"),
        (NPM, ""),
    ],
)
def test_short_names_known_scopes_and_other_names_are_mistaken_for_nothing(ecosystem: EcosystemId, name: str) -> None:
    assert like(ecosystem, name) is None


def test_the_most_popular_of_several_is_named() -> None:
    assert NameIndex(PYPI, ["vwxyz-1", "abcdef", "abcdeg"]).find_match("abcdex") == NameMatch(1, "one character apart")
    assert NameIndex(PYPI, ["demo-lib", "demolib"]).find_match("demo.lib") == NameMatch(
        0, "the same letters, other separators"
    )


def test_one_slip_counts_before_two() -> None:
    names = NameIndex(PYPI, ["abcdefghijxy", "abcdefghijkx"])
    assert names.find_match("abcdefghijkl") == NameMatch(1, "one character apart")


@given(st.lists(ANY_NAME, max_size=12), ANY_NAME)
def test_no_name_within_one_or_two_slips_is_missed(popular: list[str], name: str) -> None:
    found = NameIndex(PYPI, popular).find_match(name)
    plain = strip_separators(name)
    if found is None and len(plain) > 3:
        for other in map(strip_separators, popular):
            shorter = min(len(plain), len(other))
            slips = 2 if shorter >= 10 else 1 if shorter >= 5 else 0
            assert OSA.distance(plain, other) > slips or len(other) <= 3


@given(st.lists(ANY_NAME, max_size=8), st.text())
def test_any_text_is_a_name(popular: list[str], name: str) -> None:
    for ecosystem in (PYPI, NPM):
        found = NameIndex(ecosystem, popular).find_match(name)
        assert found is None or found.position < len(popular)


def test_the_parts_of_a_name() -> None:
    assert strip_separators("@Babel/Core_js.x") == "babelcorejsx"
    assert normalise_confusables("vvord-c10ck5") == normalise_confusables("worcl-clocks")
    assert split_words("@b/c-a") == ("a", "b", "c")
    assert (parse_scope("@babel/core"), parse_scope("lodash")) == ("babel", "")
