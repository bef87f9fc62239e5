from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerq_cli.ecosystems import PYPI
from nerq_cli.inventory import Declaration, Location
from nerq_cli.manifests.package_source import (
    LOCAL,
    LOCAL_FILE,
    FileIndexes,
    PackageSource,
    assign_sources,
    compile_name_glob,
    join_markers,
    mask_secrets,
    repository_reason,
    strip_credentials,
    url_reason,
)


def item(name: str, *, group: str = "main", skip: str = "", marker: str = "") -> Declaration:
    return Declaration(
        ecosystem=PYPI,
        name=name,
        requirement="",
        group=group,
        location=Location(path="p", line=1),
        skip_reason=skip,
        marker=marker,
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://pypi.example/simple/", "https://pypi.example/simple/"),
        ("https://me:secret@pypi.example:8443/simple?token=1#f", "https://pypi.example:8443/simple"),
        ("https://${USER}:${PASS}@pypi.example/simple", "https://pypi.example/simple"),
        ("https://${HOST}/simple", "https://${HOST}/simple"),
        ("https://me:pa/ss@pypi.example/simple", "https://…"),
        ("https://[broken/simple", "https://…"),
        ("ssh://git@host.example/x.git", "ssh://host.example/x.git"),
        ("git@host.example:o/x.git", "host.example:o/x.git"),
        ("file:///srv/wheels", "file:///srv/wheels"),
        ("../wheels", "../wheels"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_anything_secret(url: str, shown: str) -> None:
    assert strip_credentials(url) == shown


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("git+https://me:t0k@h.example/o/r.git@feature/x#egg=r", "git: https://h.example/o/r.git @ feature/x"),
        ("GIT+ssh://git@h.example/o/r.git", "git: ssh://h.example/o/r.git"),
        ("hg+https://h.example/r@12", "hg: https://h.example/r @ 12"),
        ("https://me:t0k@h.example/a.whl?sig=1", "URL: https://h.example/a.whl"),
        ("file:///srv/a.whl", LOCAL_FILE),
        ("{root:uri}/../b", LOCAL),
        ("../b", LOCAL),
        ("C:\\b", LOCAL),
    ],
)
def test_the_reason_for_an_address_tells_its_kind(url: str, reason: str) -> None:
    assert url_reason(url) == reason


def test_reasons_are_cut_to_a_readable_length() -> None:
    assert (
        len(repository_reason("https://h/" + "x" * 5_000, "v1")) == len(url_reason("https://h/" + "x" * 5_000)) == 300
    )


@given(st.from_regex(r"[a-z0-9!$%&*+,;=:~-]{3,12}", fullmatch=True), st.sampled_from(["https", "git+ssh", "http"]))
@settings(deadline=None)
def test_no_password_survives(secret: str, scheme: str) -> None:
    url = f"{scheme}://me:qq{secret}qq@host.example/path?key=qq{secret}qq"
    for shown in (strip_credentials(url), url_reason(url), mask_secrets(f'x = "{url}"'), repository_reason(url, "v1")):
        assert f"qq{secret}" not in shown


def test_masking_keeps_ports_and_lengths() -> None:
    text = 'url = "https://host.example:8080/x" and "https://u:p/q@host/?a=b&c=d"'
    assert mask_secrets(text) == 'url = "https://host.example:8080/x" and "https://*****@host/?*******"'


def test_markers_that_must_all_hold_are_joined() -> None:
    assert join_markers("", "a == b", "") == "a == b"
    assert join_markers("a == b or c == d", "e == f") == "(a == b or c == d) and e == f"
    assert join_markers() == ""


def test_items_come_from_the_public_index_when_nothing_is_said() -> None:
    items = [item("a"), item("b", skip=LOCAL)]
    assert list(assign_sources(items, FileIndexes(by_name={"corp": "https://corp.example"}), {})) == items


def test_a_default_index_and_further_ones_hold_for_all_that_have_no_place_of_their_own() -> None:
    indexes = FileIndexes(default="https://d.example", extra_indexes=("https://e.example",))
    placed = list(assign_sources([item("a"), item("b", skip=LOCAL)], indexes, {}))
    assert [(one.index, one.extra_indexes) for one in placed] == [
        ("https://d.example", ("https://e.example",)),
        ("", ()),
    ]


def test_an_origin_holds_for_its_package_and_its_group_and_adds_its_marker() -> None:
    origins = {
        "my-a": [
            PackageSource(skip="x", group="dev", marker="m == 1"),
            PackageSource(index="https://i.example", group="main"),
        ]
    }
    placed = list(
        assign_sources(
            [item("My_A", group="dev", marker="n == 2"), item("my.a"), item("my-a", group="build")],
            FileIndexes(),
            origins,
        )
    )
    assert [(one.skip_reason, one.index, one.marker) for one in placed] == [
        ("x", "", "n == 2 and m == 1"),
        ("", "https://i.example", ""),
        ("", "", ""),
    ]


def test_a_bound_pattern_beats_the_default() -> None:
    indexes = FileIndexes(
        default="https://d.example", by_pattern=((compile_name_glob("Acme_*"), "https://acme.example"),)
    )
    assert [one.index for one in assign_sources([item("acme.core"), item("b")], indexes, {})] == [
        "https://acme.example",
        "https://d.example",
    ]


def test_an_index_is_found_by_name_whatever_its_case_and_skipped_when_unknown() -> None:
    indexes = FileIndexes(by_name={"corp": "https://corp.example"})
    assert indexes.source_named("CORP") == PackageSource(index="https://corp.example")
    assert indexes.source_named("other") == PackageSource(skip="index other, not defined in this file")


def test_of_two_sets_of_indexes_the_first_has_the_say() -> None:
    both = FileIndexes(default="d", extra_indexes=("e",), by_name={"n": "1"}) | FileIndexes(
        default="x", extra_indexes=("e", "f"), by_name={"n": "2"}
    )
    assert (both.default, both.extra_indexes, both.by_name) == ("d", ("e", "f"), {"n": "1"})
