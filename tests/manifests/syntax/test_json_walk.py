from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.manifests.syntax.json_document import NotJsonError, parse_json
from nerq_cli.manifests.syntax.json_walk import MAX_PROBLEMS, JsonWalker, ProblemList, quote_text, strip_comments

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def gone_through(text: str) -> list[tuple[str, int, object]]:
    walk = JsonWalker(text)
    found = [(key, at, walk.read_value()) for key, at in walk.iter_members()]
    walk.expect_end()
    return found


@given(st.dictionaries(st.text(max_size=4), VALUES), st.sampled_from([None, 2]))
def test_walking_finds_what_decoding_finds_and_where_it_is(document: dict[str, Any], indent: int | None) -> None:
    text = f" {json.dumps(document, indent=indent, ensure_ascii=False)}\n"
    found = gone_through(text)
    assert {key: value for key, _, value in found} == document
    assert all(text.startswith(json.dumps(key, ensure_ascii=False), at) for key, at, _ in found)


def test_objects_are_walked_within_objects_and_values_skipped() -> None:
    walk = JsonWalker('{"a": {"b": 1, "c": {}}, "d": [{"e": 2}], "f": 3}')
    keys: list[object] = []
    for key, _ in walk.iter_members():
        keys.append(key)
        if walk.in_object:
            keys += [(inner, walk.read_value()) for inner, _ in walk.iter_members()]
        else:
            walk.skip_value()
    walk.expect_end()
    assert keys == ["a", ("b", 1.0), ("c", {}), "d", "f"]


def test_keys_that_stand_twice_are_noted_where_they_or_what_holds_them_stand() -> None:
    text = '{"a": 1, "b": {"x": 1, "x": 2, "x": 3}, "a": [{"y": 1, "y": 1}]}'
    walk = JsonWalker(text)
    for _ in walk.iter_members():
        walk.read_value()
    assert walk.repeated_keys == [
        ("x", text.index('{"x"')),
        ("x", text.index('{"x"')),
        ("a", text.rindex('"a"')),
        ("y", text.index('[{"y"')),
    ]


@pytest.mark.parametrize(
    ("text", "message", "at"),
    [
        ('{"a": 1', "the file ends in the middle of a value", 7),
        ('{"a": ', "the file ends in the middle of a value", 6),
        ('{"a": 1,}', "JSON has no comma after the last one", 7),
        ('{"a": 1 "b": 2}', "a comma is missing before this", 8),
        ('{"a": 1]', "the wrong bracket: } is expected here", 7),
        ('{"a" 1}', "a colon is missing after the key", 5),
        ('{"a": 1, "b" 2}', "a colon is missing after the key", 13),
        ('{"\\x": 1}', "this backslash begins nothing that JSON knows", 2),
        ("{a: 1}", "this word means nothing in JSON", 1),
        ('{"a": NaN}', "this word means nothing in JSON", 6),
        ('{"a": [1, 2}', "the wrong bracket: ] is expected here", 11),
        ('{"a": ]}', "a value is missing here", 6),
        ('{"a": 1} {}', "nothing may follow the end of the document", 9),
        ('{"a": ' + "[" * 100_000, "nested more than 100 levels deep", 105),
        ('"a" "b"', "nothing may follow the end of the document", 4),
        ("<<<<<<< HEAD\n{}", "this is a merge conflict marker", 0),
        ("", "the file is empty", 0),
        (" \n", "the file is empty", 2),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, message: str, at: int) -> None:
    walk = JsonWalker(text)
    with pytest.raises(NotJsonError, match=re.escape(message)) as raised:
        _whole(walk)
    assert raised.value.offset == at


def _whole(walk: JsonWalker) -> None:
    if walk.in_object:
        for _ in walk.iter_members():
            walk.read_value()
    else:
        walk.skip_value()
    walk.expect_end()


@given(st.dictionaries(st.text(max_size=2), VALUES, max_size=3), st.data())
def test_walking_refuses_what_json_document_refuses(document: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(document)
    at = data.draw(st.integers(0, len(text)))
    damaged = text[:at] + data.draw(st.sampled_from(["", '"', ",", "}", "]", "x", ":", "\\"])) + text[at + 1 :]
    assert _is_refused(damaged) == _is_refused_by_the_other(damaged)


def _is_refused(text: str) -> bool:
    try:
        _whole(JsonWalker(text))
    except NotJsonError:
        return True
    return False


def _is_refused_by_the_other(text: str) -> bool:
    try:
        parse_json(text)
    except NotJsonError:
        return True
    return False


def test_a_number_of_any_size_is_read() -> None:
    assert gone_through('{"a": ' + "9" * 5000 + "}")[0][2] == float("inf")


# --- Comments and commas


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
def test_what_is_json_already_stays_as_it_is(document: Any) -> None:
    text = json.dumps(document, indent=1)
    assert strip_comments(text) == text


# --- Problems


def test_problems_have_line_column_and_text_and_each_is_told_once() -> None:
    problems = ProblemList("f", 'a\n  "b": "https://user:secret@host.example/"\n' + "x" * 600)
    problems.add_problem("second", 600)
    problems.add_problem("first", 4, hint="do")
    problems.add_problem("first", 4, hint="do")
    first, second = problems.sorted_problems()
    assert (first.line, first.column, first.message, first.hint) == (2, 3, "first", "do")
    assert "secret" not in first.text
    assert (second.line, second.text) == (3, "")


def test_after_a_thousand_problems_the_rest_are_counted() -> None:
    problems = ProblemList("f", "\n" * 2000)
    for at in range(MAX_PROBLEMS + 7):
        problems.add_problem("wrong", at)
    listed = problems.sorted_problems()
    assert len(listed) == MAX_PROBLEMS + 1
    assert listed[-1].message == "and 7 more problems in this file"


@pytest.mark.parametrize(
    ("text", "expected"), [("a", '"a"'), ("a\x1b[2J\n", '"a\\u001b[2J\\n"'), ("x" * 100, f'"{"x" * 60}…"')]
)
def test_a_text_is_quoted_on_one_short_line(text: str, expected: str) -> None:
    assert quote_text(text) == expected
