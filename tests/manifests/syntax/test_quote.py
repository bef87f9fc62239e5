from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.manifests.syntax.quote import (
    MAX_QUOTED_NAME,
    excerpt_line,
    quote_requirement,
    quote_text,
    quote_version,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", '"a"'),
        ("a b", '"a b"'),
        ("@scope/a@npm:^1.0", '"@scope/a@npm:^1.0"'),
        ("x" * 100, f'"{"x" * 40}…"'),
        ("a\x1b[2J\n", '"a\\u001b[2J\\u2026"'),
        ("TOKEN=hunter2", '"TOKEN…"'),
        ("a@https://me:hunter2@host.example/x", '"a@https…"'),
        ("pkg:pypi/a@1?token=hunter2", '"pkg:pypi/a@1…"'),
        ("", '""'),
    ],
)
def test_a_name_is_quoted_up_to_what_may_be_a_value(text: str, expected: str) -> None:
    assert quote_text(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("requests =>2", '"requests"'), ("a[b]^1", '"a"'), ("@s/a ^1", '"@s/a"'), ("^1", '"…"'), ("", '"…"')],
)
def test_of_a_requirement_its_name_is_quoted(text: str, expected: str) -> None:
    assert quote_requirement(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("4.5", '"4.5"'), ("SPDX-9.9", '"SPDX-9.9"'), ("", '""'), ("x", '"…"'), ("1" * 40, '"…"')]
)
def test_of_a_version_only_a_number_is_quoted(text: str, expected: str) -> None:
    assert quote_version(text) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flask", "flask"),
        ("  flask  ", "  flask"),
        ("requests=>2.0", "requests=>…"),
        ("AWS_SECRET_ACCESS_KEY=hunter2", "AWS_SECRET_ACCESS_KEY=…"),
        ("password hunter2", "password …"),
        ('    "password": "hunter2",', '    "password": "…'),
        ("password: hunter2", "password: …"),
        ("--index-url https://me:hunter2@host.example/", "--index-url …"),
        ("https://me:hunter2@host.example/x", "https:…"),
        ("-----BEGIN PRIVATE KEY-----", "-----BEGIN …"),
        ("x" * 41, ""),
        (" " * 400 + "a b", ""),
        ("=hunter2", ""),
        ("", ""),
    ],
)
def test_of_a_line_its_name_is_shown(line: str, expected: str) -> None:
    assert excerpt_line(line) == expected


@given(st.text(alphabet="ab =:\"'[{(#-@/.<>~^,;\t\x00é", max_size=60))
def test_an_excerpt_stands_where_it_stands_in_the_line(line: str) -> None:
    excerpt = excerpt_line(line)
    assert line.startswith(excerpt.removesuffix("…"))
    assert len(excerpt) <= 3 * MAX_QUOTED_NAME + 80
