from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.manifests.syntax.json_comments import strip_comments

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1, // x,\n}', '{"a": 1       \n}'),
        ('["a", /* b,\n] */ ]', '["a"       \n     ]'),
        ('{"a//b": "/*,}", "c,]": ",]",}', '{"a//b": "/*,}", "c,]": ",]" }'),
        ('["\\",]", 1,]', '["\\",]", 1 ]'),
        ('["a" /* no end', '["a"          '),
        ('{"a": "no end, }\n,}', '{"a": "no end, }\n }'),
    ],
)
def test_comments_and_last_commas_become_space(text: str, expected: str) -> None:
    assert strip_comments(text) == expected
    assert len(strip_comments(text)) == len(text)


@given(VALUES)
def test_what_is_json_already_stays_as_it_is(document: object) -> None:
    text = json.dumps(document, indent=1)
    assert strip_comments(text) == text
