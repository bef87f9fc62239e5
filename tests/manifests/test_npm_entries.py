from __future__ import annotations

import pytest

from nerq_cli.inventory import NPM, Location, Locked, Need
from nerq_cli.manifests.npm_entries import Keys, Mistakes, index_of, merged, own_names, quoted


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
    assert index_of(url, name) == index


def test_a_key_tells_two_registries_and_two_origins_apart_and_no_secret() -> None:
    keys = Keys()
    assert keys.of("a", "1.0.0", "") == "a@1.0.0"
    assert keys.of("a", "1.0.0", "") == "a@1.0.0"
    assert keys.of("a", "1.0.0", "https://npm.example") == "a@1.0.0 from https://npm.example"
    assert "secret" not in keys.of("a", "https://me:secret@host.example/a.tgz", "")


def entry(key: str, **fields: object) -> Locked:
    place = Location(path="lock", line=1)
    return Locked(key=key, ecosystem=NPM, name="a", version="1", location=place, **fields)  # type: ignore[arg-type]


def test_entries_of_one_key_are_one_that_leads_wherever_any_leads() -> None:
    one = entry("a@1", needs=(Need(to="b"), Need(to="c")), groups=("dev",), optional=True, hashed=True)
    other = entry("a@1", needs=(Need(to="c"), Need(to="d")), groups=("main",), alias="x")
    [both] = merged([one, other])
    assert both.needs == (Need(to="b"), Need(to="c"), Need(to="d"))
    assert (both.groups, both.optional, both.hashed, both.alias) == (("dev", "main"), False, False, "x")
    [unsaid] = merged([one, entry("a@1", needs=())])
    assert unsaid.groups == ()


def test_names_of_members_and_local_packages_are_the_projects_own_unless_the_registry_has_them_too() -> None:
    entries = [("a", "workspace member"), ("b", "local path"), ("c", "git: x"), ("d", ""), ("d", "local path")]
    assert own_names(entries) == ("a", "b")


def test_a_mistake_quotes_its_line_without_secrets_and_comes_once() -> None:
    mistakes = Mistakes("x\r\nurl https://me:secret@host.example\r\n" + "y" * 1000, "lock")
    for _ in range(2):
        mistakes.report("wrong https://me:secret@host.example", 2)
    mistakes.report("as a whole")
    mistakes.report("too long to quote", 3)
    whole, second, third = mistakes.found
    assert (whole.line, whole.text, third.text) == (0, "", "")
    assert second.text == "url https://*********@host.example"
    assert "secret" not in second.message


def test_a_long_value_is_cut_in_a_message() -> None:
    assert quoted("a" * 200) == '"' + "a" * 80 + '…"'
