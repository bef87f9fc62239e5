"""Which names may leave the machine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.config import Config
from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.inventory import Declaration, DependencyFile, Location, Package
from nerq_cli.privacy import PrivacyRules, collect_local_names, find_withheld_reason, mark_withheld

RULES = PrivacyRules(
    config=Config(private=("acme-*",), public=("open-*",)),
    local_names=frozenset({(PYPI, "myself")}),
    is_default_index=lambda index, _: index == "https://usual.example",
    is_popular=lambda package: package.name == "famous",
    assigned_index=lambda package: "https://theirs.example/npm" if package.name == "@them/x" else "",
)


def item(name: str, **more: Any) -> Declaration:
    said = {"ecosystem": PYPI, "requirement": "", "group": "main", "location": Location(path="r.txt", line=1), **more}
    return Declaration(name=name, **said)


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        (item("demo"), ""),
        (item("ACME_billing"), "private name (matches acme-*)"),
        (item("MySelf"), "provided by this project"),
        (item("demo", index="https://pkgs.example/simple"), "from the index pkgs.example"),
        (item("demo", index="https://usual.example"), ""),
        (item("torch", requirement="==2.0+cpu"), "local version: not on a public index"),
        (item("famous", extra_indexes=("https://pkgs.example",)), ""),
        (item("open-thing", extra_indexes=("https://pkgs.example",)), ""),
        (item("demo", extra_indexes=("https://usual.example",)), ""),
        (item("@them/x", ecosystem=NPM), "from the index theirs.example"),
    ],
)
def test_a_name_stays_here_for_a_reason(declared: Declaration, why: str) -> None:
    assert find_withheld_reason(declared, RULES) == why


def test_a_name_that_may_come_from_a_further_index_stays_here() -> None:
    assert "may come from the extra index pkgs.example" in find_withheld_reason(
        item("hidden", extra_indexes=("https://pkgs.example",)), RULES
    )


def test_an_index_that_is_no_address_is_named_as_it_is_written() -> None:
    index = "https://[pkgs.example"
    assert f"may come from the extra index {index}" in find_withheld_reason(item("demo", extra_indexes=(index,)), RULES)
    assert f"from the index {index}" in find_withheld_reason(item("demo", index=index), RULES)


def test_a_reason_a_file_gives_is_kept() -> None:
    [kept] = mark_withheld([item("acme-x", skip_reason="local path ./x")], RULES)
    assert kept.skip_reason == "local path ./x"


def test_the_names_a_project_provides_are_its_own() -> None:
    manifests = [
        DependencyFile(path="pyproject.toml", format="pyproject", local_names=("My_App",)),
        DependencyFile(path="package.json", format="package.json", local_names=("@me/ui",)),
    ]
    assert collect_local_names(manifests) == {(PYPI, "my-app"), (NPM, "@me/ui")}


@pytest.mark.parametrize("name", ["sbom", "a format that is in no table"])
def test_the_names_of_a_file_that_may_be_of_both_ecosystems_are_private_in_both(name: str) -> None:
    manifest = DependencyFile(path="bom.json", format=name, local_names=("ui",))
    assert collect_local_names([manifest]) == {(PYPI, "ui"), (NPM, "ui")}


@given(st.from_regex(r"acme-[a-z0-9]{1,9}", fullmatch=True), st.sampled_from([PYPI, NPM]))
def test_a_private_pattern_holds_for_every_name_it_matches(name: str, ecosystem: Any) -> None:
    assert find_withheld_reason(item(name, ecosystem=ecosystem), RULES)
    assert Package(ecosystem=ecosystem, name=name).name == name
