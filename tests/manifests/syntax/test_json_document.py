from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.manifests.syntax.json_document import MAX_DEPTH, JsonNode, LineIndex, NotJsonError, parse_json

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


def plain(node: JsonNode) -> object:
    """The value as the standard library returns it."""
    if isinstance(node.data, dict):
        return {key: plain(member.value) for key, member in node.data.items()}
    if isinstance(node.data, list):
        return [plain(item) for item in node.data]
    return node.data


def outcome(reading: Callable[[], object]) -> object:
    try:
        return reading()
    except (ValueError, NotJsonError):
        return "refused"


def mistake(text: str) -> tuple[str, int]:
    with pytest.raises(NotJsonError) as caught:
        parse_json(text)
    return str(caught.value), caught.value.offset


@given(values, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_it_reads_what_the_standard_library_reads(value: object, indent: int | str | None, ascii_only: bool) -> None:  # noqa: FBT001 - drawn
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert plain(parse_json(text)) == json.loads(text, parse_int=float)


@given(st.text(alphabet='{}[]:,"\\u0123abtrue fals null-.eE+\n\x01', max_size=30))
def test_it_refuses_what_the_standard_library_refuses(text: str) -> None:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    def theirs() -> object:
        return json.loads(text, parse_int=float, parse_constant=refuse)

    def ours() -> object:
        return plain(parse_json(text))

    expected, found = outcome(theirs), outcome(ours)
    assert found == expected or "\\u" in text  # half a surrogate pair is replaced


@given(values)
def test_every_key_and_value_knows_where_it_begins(value: object) -> None:
    text = json.dumps(value, indent=2)
    decoder = json.JSONDecoder(parse_int=float)

    def check(node: JsonNode) -> None:
        assert decoder.raw_decode(text, node.offset)[0] == plain(node)
        children = list(node.data.values()) if isinstance(node.data, dict) else []
        for key, member in node.data.items() if isinstance(node.data, dict) else ():
            assert decoder.raw_decode(text, member.offset)[0] == key
        for child in [*(one.value for one in children), *(node.data if isinstance(node.data, list) else ())]:
            check(child)

    check(parse_json(text))


def test_of_two_members_with_one_key_the_last_counts() -> None:
    node = parse_json('{"a": 1, "b": 2, "a": 3}')
    assert plain(node) == {"a": 3, "b": 2}
    assert isinstance(node.data, dict)
    assert node.data["a"].offset == 17


def test_escapes_are_decoded_and_half_a_pair_is_replaced() -> None:
    assert parse_json(r'"\u0041\n\/\ud83d\ude00\ud800"').data == "A\n/\N{GRINNING FACE}\N{REPLACEMENT CHARACTER}"


def test_a_number_of_any_size_is_read() -> None:
    assert parse_json("9" * 5000).data == math.inf
    assert parse_json("1e999").data == math.inf


def test_nesting_has_a_limit() -> None:
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert mistake("[" * (MAX_DEPTH + 1)) == (f"nested more than {MAX_DEPTH} levels deep", MAX_DEPTH)
    assert mistake('{"a":' * 100_000) == (f"nested more than {MAX_DEPTH} levels deep", MAX_DEPTH * 5)


@pytest.mark.parametrize(
    ("text", "message", "at"),
    [
        ("", "the file is empty", 0),
        (" \n ", "the file is empty", 0),
        ("{", "the file ends in the middle of a value", 1),
        ('{"a": 1', "the file ends in the middle of a value", 7),
        ('{"a"', "a colon is missing after the key", 4),
        ('{"a" 1}', "a colon is missing after the key", 5),
        ('{"a": }', "a value is missing here", 6),
        ('{"a": 1,}', "JSON has no comma after the last one", 7),
        ("[1, 2, \n ]", "JSON has no comma after the last one", 5),
        ("[,1]", "a comma has nothing before it here", 1),
        ("[1,,2]", "a comma has nothing before it here", 3),
        ('{"a": 1 "b": 2}', "a comma is missing before this", 8),
        ("[1 true]", "a comma is missing before this", 3),
        ("[1}", "the wrong bracket: ] is expected here", 2),
        ("[1;2]", "a comma or ] is expected here", 2),
        ('{"a": 1} // end', "JSON has no comments", 9),
        ('{/* a */ "a": 1}', "JSON has no comments", 1),
        ("# a\n{}", "JSON has no comments", 0),
        ("{'a': 1}", "these quotes are not JSON's", 1),
        ('{"a": \N{LEFT DOUBLE QUOTATION MARK}b"}', "these quotes are not JSON's", 6),
        ("{a: 1}", "this word means nothing in JSON", 1),
        ("[undefined]", "this word means nothing in JSON", 1),
        ("[01]", "this is not a number in JSON", 1),
        ("[.5]", "this is not a number in JSON", 1),
        ("[-]", "a value is expected here", 1),
        ("{[1]: 2}", "a key is missing here", 1),
        ("{:}", "a key in double quotes is expected here", 1),
        ("{} {}", "nothing may follow the end of the document", 3),
        ('["abc', "this string is never closed", 1),
        ('["abc\n"]', "this string is never closed", 1),
        ('["abc\\', "this string is never closed", 1),
        ('{"abc\n": 1}', "this string is never closed", 1),
        ('["a\tb"]', "a control character may not stand in a string", 3),
        (r'["C:\dir"]', "this backslash begins nothing that JSON knows", 4),
        ('{\n<<<<<<< HEAD\n"a": 1\n}', "this is a merge conflict marker", 2),
    ],
)
def test_a_mistake_is_told_where_it_was_made(text: str, message: str, at: int) -> None:
    assert mistake(text) == (message, at)


@pytest.mark.parametrize("kind", ['"', "{", "[", "1", "true", "null"])
def test_every_value_has_a_kind(kind: str) -> None:
    text = {'"': '"a"', "{": "{}", "[": "[]"}.get(kind, kind)
    kinds = {"a string", "an object", "an array", "a number", "a boolean", "null"}
    assert parse_json(text).kind in kinds


def test_lines_and_columns_are_what_an_editor_shows() -> None:
    lines = LineIndex("ab\r\ncd\n\nef")
    assert [(lines.line_number(at), lines.column_number(at)) for at in (0, 1, 4, 7, 8, 9, 10)] == [
        (1, 1),
        (1, 2),
        (2, 1),
        (3, 1),
        (4, 1),
        (4, 2),
        (4, 3),
    ]
    assert [lines.line_text(at) for at in (0, 5, 7, 9)] == ["ab", "cd", "", "ef"]
