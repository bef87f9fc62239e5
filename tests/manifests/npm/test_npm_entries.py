from __future__ import annotations

import pytest

from nerq_cli.ecosystems import NPM
from nerq_cli.inventory import Edge, Location, LockedPackage
from nerq_cli.manifests.npm.npm_entries import (
    EntryKeys,
    extract_index,
    find_local_names,
    merge_entries,
)


@pytest.mark.parametrize(
    ("url", "name", "index"),
    [
        ("https://npm.example/a/-/a-1.0.0.tgz#abc", "a", "https://npm.example"),
        ("https://npm.example/@s/a/-/a-1.0.0.tgz", "@s/a", "https://npm.example"),
        ("https://npm.example/@s%2fa/-/a-1.0.0.tgz", "@s/a", "https://npm.example"),
        ("https://npm.example/@s%2Fa/-/a-1.0.0.tgz", "@s/a", "https://npm.example"),
        ("https://npm.example/repo/npm/a/-/a-1.0.0.tgz", "a", "https://npm.example/repo/npm"),
        ("https://me:secret@npm.example/npm/a/-/a-1.0.0.tgz", "a", "https://npm.example/npm"),
        ("https://npm.example/download/a/1.0.0/abc?token=secret", "a", "https://npm.example"),
    ],
)
def test_the_index_is_the_base_that_an_artefacts_address_begins_with(url: str, name: str, index: str) -> None:
    assert extract_index(url, name, "1.0.0") == index


@pytest.mark.parametrize(
    "url",
    [
        "https://npm.example/b/-/b-1.0.0.tgz",
        "https://npm.example/a/-/a-2.0.0.tgz",
        "https://npm.example/a/1.0.0/../../b/-/b-1.0.0.tgz",
        "https://npm.example/a/1.0.0/%2e%2e/%2e%2e/b.tgz",
        "https://npm.example/download/b/1.0.0/abc",
        "https://npm.example/download/a/11.0.0/abc",
        "b-1.0.0.tgz",
        "b/-/b-1.0.0.tgz",
    ],
)
def test_the_artefact_of_another_package_is_an_index_of_its_own(url: str) -> None:
    assert extract_index(f"{url}?q=/a/-/a-1.0.0.tgz#/a/-/a-1.0.0.tgz", "a", "1.0.0") == url


@pytest.mark.parametrize("path", ["a-1.0.0.tgz", "@s/a/-/a-1.0.0.tgz", "@s-a-1.0.0.tgz"])
def test_a_path_has_no_registry(path: str) -> None:
    assert extract_index(path, "@s/a", "1.0.0+build") == ""


def test_a_key_tells_two_registries_and_two_origins_apart_and_no_secret() -> None:
    keys = EntryKeys()
    assert keys.assign_key("a", "1.0.0", "") == "a@1.0.0"
    assert keys.assign_key("a", "1.0.0", "") == "a@1.0.0"
    assert keys.assign_key("a", "1.0.0", "https://npm.example") == "a@1.0.0 from https://npm.example"
    assert "secret" not in keys.assign_key("a", "https://me:secret@host.example/a.tgz", "")


def entry(key: str, **fields: object) -> LockedPackage:
    place = Location(path="lock", line=1)
    return LockedPackage(key=key, ecosystem=NPM, name="a", version="1", location=place, **fields)  # type: ignore[arg-type]


def test_entries_of_one_key_are_one_that_leads_wherever_any_leads() -> None:
    one = entry("a@1", edges=(Edge(target="b"), Edge(target="c")), groups=("dev",), optional=True, has_hash=True)
    other = entry("a@1", edges=(Edge(target="c"), Edge(target="d")), groups=("main",), alias="x")
    [both] = merge_entries([one, other])
    assert both.edges == (Edge(target="b"), Edge(target="c"), Edge(target="d"))
    assert (both.groups, both.optional, both.has_hash, both.alias) == (("dev", "main"), False, False, "x")
    [unsaid] = merge_entries([one, entry("a@1", edges=())])
    assert unsaid.groups == ()


def test_names_of_members_and_local_packages_are_the_projects_own_unless_the_registry_has_them_too() -> None:
    entries = [("a", "workspace member"), ("b", "local path"), ("c", "git: x"), ("d", ""), ("d", "local path")]
    assert find_local_names(entries) == ("a", "b")
