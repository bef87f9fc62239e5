"""Which licence statements lists of licences accept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.policy.licence_lists import LicenceLists, find_unknown
from nerq_cli.signals.licences import parse_expression

CLASSPATH = "GPL-2.0-only WITH Classpath-exception-2.0"


def accepts(expression: str, allowed: tuple[str, ...] = (), denied: tuple[str, ...] = ()) -> bool:
    return LicenceLists(allowed, denied).find_objection(parse_expression(expression)) == ""


@pytest.mark.parametrize(
    ("expression", "allowed", "accepted"),
    [
        ("MIT", ("MIT",), True),
        ("mit", ("MIT",), True),
        ("Apache-2.0", ("MIT",), False),
        ("MIT OR GPL-3.0-only", ("MIT",), True),
        ("MIT AND GPL-3.0-only", ("MIT",), False),
        ("MIT AND Apache-2.0", ("MIT", "Apache-2.0"), True),
        ("(MIT OR GPL-3.0-only) AND (Apache-2.0 OR GPL-3.0-only)", ("MIT", "Apache-2.0"), True),
        ("(MIT OR GPL-3.0-only) AND GPL-2.0-only", ("MIT", "Apache-2.0"), False),
        (CLASSPATH, ("GPL-2.0-only",), True),
        (CLASSPATH, (CLASSPATH,), True),
        ("GPL-2.0-only", (CLASSPATH,), False),
        ("GPL-2.0", ("GPL-2.0-only",), True),
        ("GPL-2.0-only", ("GPL-2.0",), True),
        ("GPL-2.0+", ("GPL-2.0-or-later",), True),
        ("GPL-2.0-or-later", ("GPL-3.0-only",), True),
        ("GPL-3.0-or-later", ("GPL-2.0-only",), False),
        ("GPL-3.0-only", ("GPL-*",), True),
        ("LGPL-3.0-only", ("GPL-*",), False),
        ("BSD-3-Clause", ("permissive",), True),
        ("MPL-2.0", ("permissive",), False),
        ("MPL-2.0", ("permissive", "weak copyleft"), True),
        ("LicenseRef-Acme", ("LicenseRef-Acme",), True),
        ("LicenseRef-Acme", ("permissive",), False),
    ],
)
def test_an_allow_list_accepts_what_is_on_it(expression: str, allowed: tuple[str, ...], accepted: bool) -> None:  # noqa: FBT001
    assert accepts(expression, allowed) is accepted


@pytest.mark.parametrize(
    ("expression", "denied", "accepted"),
    [
        ("MIT", ("GPL-3.0-only",), True),
        ("GPL-3.0-only", ("GPL-3.0-only",), False),
        ("MIT OR GPL-3.0-only", ("GPL-3.0-only",), True),
        ("MIT AND GPL-3.0-only", ("GPL-3.0-only",), False),
        ("AGPL-3.0-or-later", ("network copyleft",), False),
        (CLASSPATH, ("GPL-2.0-only",), False),
    ],
)
def test_a_deny_list_refuses_what_is_on_it(expression: str, denied: tuple[str, ...], accepted: bool) -> None:  # noqa: FBT001
    assert accepts(expression, (), denied) is accepted


def test_a_denied_licence_outweighs_a_pattern_and_an_expression_outweighs_a_denied_licence() -> None:
    assert not accepts("GPL-3.0-only", ("GPL-*",), ("GPL-3.0-only",))
    assert accepts(CLASSPATH, (CLASSPATH,), ("GPL-2.0-only",))
    assert not accepts(CLASSPATH, ("GPL-2.0-only",), (CLASSPATH,))


@pytest.mark.parametrize(("text", "objection"), [("", "no licence stated"), ("UNLICENSED", "all rights reserved")])
def test_what_names_no_licence_is_on_no_allow_list(text: str, objection: str) -> None:
    assert LicenceLists(("MIT",), ()).find_objection(parse_expression(text)) == objection
    assert LicenceLists((), ("MIT",)).find_objection(parse_expression(text)) == ""


def test_a_text_that_is_not_recognised_cannot_be_compared_with_a_deny_list() -> None:
    licence = parse_expression("Use it as you like")
    assert LicenceLists((), ("MIT",)).find_objection(licence) is None
    assert LicenceLists(("MIT",), ()).find_objection(licence)


def test_entries_that_name_no_licence_are_found() -> None:
    known = ("MIT", "gpl-2.0", "GPL-*", "permissive", CLASSPATH, "LicenseRef-Acme", "GPL-2.0+")
    assert [*find_unknown((*known, "MTI", "GPL-9.*", "free"))] == ["MTI", "GPL-9.*", "free"]


@given(st.sampled_from(["MIT", "Apache-2.0", "GPL-3.0-only"]), st.sampled_from(["MIT", "ISC", "GPL-3.0-only"]))
def test_or_accepts_what_either_part_does_and_and_what_both_do(first: str, second: str) -> None:
    allowed = ("MIT", "ISC")
    either, both = (accepts(f"{first} {word} {second}", allowed) for word in ("OR", "AND"))
    results = [accepts(name, allowed) for name in (first, second)]
    assert (either, both) == (any(results), all(results))
