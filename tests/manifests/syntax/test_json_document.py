from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.manifests.syntax.json_document import MAX_DEPTH, JsonNode, JsonReader, NotJsonError, parse_json

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
        return {key: plain(member) for key, member in node.data.items()}
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
            assert decoder.raw_decode(text, member.key_offset)[0] == key
        for child in [*children, *(node.data if isinstance(node.data, list) else ())]:
            check(child)

    check(parse_json(text))


def test_of_two_members_with_one_key_the_last_counts() -> None:
    node = parse_json('{"a": 1, "b": 2, "a": 3}')
    assert plain(node) == {"a": 3, "b": 2}
    assert isinstance(node.data, dict)
    assert node.data["a"].key_offset == 17


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
        (r'["C:\dir"]', "unknown escape after this backslash", 4),
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


# --- From left to right

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def gone_through(text: str) -> list[tuple[str, int, object]]:
    reader = JsonReader(text)
    found = [(key, at, reader.read_value()) for key, at in reader.iter_members()]
    reader.expect_end()
    return found


@given(st.dictionaries(st.text(max_size=4), VALUES), st.sampled_from([None, 2]))
def test_walking_finds_what_decoding_finds_and_where_it_is(document: dict[str, Any], indent: int | None) -> None:
    text = f" {json.dumps(document, indent=indent, ensure_ascii=False)}\n"
    found = gone_through(text)
    assert {key: value for key, _, value in found} == document
    assert all(text.startswith(json.dumps(key, ensure_ascii=False), at) for key, at, _ in found)


def test_objects_are_walked_within_objects_and_values_skipped() -> None:
    reader = JsonReader('{"a": {"b": 1, "c": {}}, "d": [{"e": 2}], "f": 3}')
    keys: list[object] = []
    for key, _ in reader.iter_members():
        keys.append(key)
        if reader.in_object:
            keys += [(inner, reader.read_value()) for inner, _ in reader.iter_members()]
        else:
            reader.skip_value()
    reader.expect_end()
    assert keys == ["a", ("b", 1.0), ("c", {}), "d", "f"]


def test_keys_that_stand_twice_are_noted_where_they_or_what_holds_them_stand() -> None:
    text = '{"a": 1, "b": {"x": 1, "x": 2, "x": 3}, "a": [{"y": 1, "y": 1}]}'
    reader = JsonReader(text)
    for _ in reader.iter_members():
        reader.read_value()
    assert reader.repeated_keys == [
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
        ('{"\\x": 1}', "unknown escape after this backslash", 2),
        ("{a: 1}", "this word means nothing in JSON", 1),
        ('{"a": NaN}', "this word means nothing in JSON", 6),
        ('{"a": [1, 2}', "the wrong bracket: ] is expected here", 11),
        ('{"a": ]}', "a value is missing here", 6),
        ('{"a": 1} {}', "nothing may follow the end of the document", 9),
        ('{"a": ' + "[" * 100_000, "nested more than 100 levels deep", 105),
        ('"a" "b"', "nothing may follow the end of the document", 4),
        ("<<<<<<< HEAD\n{}", "this is a merge conflict marker", 0),
        ("", "the file is empty", 0),
        (" \n", "the file is empty", 0),
    ],
)
def test_a_mistake_is_told_with_its_place_by_the_reader(text: str, message: str, at: int) -> None:
    reader = JsonReader(text)
    with pytest.raises(NotJsonError, match=re.escape(message)) as raised:
        _whole(reader)
    assert raised.value.offset == at


def _whole(reader: JsonReader) -> None:
    if reader.in_object:
        for _ in reader.iter_members():
            reader.read_value()
    else:
        reader.skip_value()
    reader.expect_end()


@given(st.dictionaries(st.text(max_size=2), VALUES, max_size=3), st.data())
def test_walking_refuses_what_json_document_refuses(document: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(document)
    at = data.draw(st.integers(0, len(text)))
    damaged = text[:at] + data.draw(st.sampled_from(["", '"', ",", "}", "]", "x", ":", "\\"])) + text[at + 1 :]
    assert _is_refused(damaged) == _is_refused_by_the_other(damaged)


def _is_refused(text: str) -> bool:
    try:
        _whole(JsonReader(text))
    except NotJsonError:
        return True
    return False


def _is_refused_by_the_other(text: str) -> bool:
    try:
        parse_json(text)
    except NotJsonError:
        return True
    return False


def test_a_number_of_any_size_is_decoded() -> None:
    assert gone_through('{"a": ' + "9" * 5000 + "}")[0][2] == float("inf")
