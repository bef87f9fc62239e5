from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from nerq_cli.report.columns import pack_rows, unpack_rows

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(0, 100) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=12,
)


class Inner(msgspec.Struct):
    text: str
    number: float | None


class Outer(msgspec.Struct):
    name: str
    inner: Inner | None
    items: list[Inner]
    fields: dict[str, Inner]
    more: Any = UNSET


def restore(rows: list[Any]) -> list[Any]:
    return unpack_rows(msgspec.json.decode(msgspec.json.encode(pack_rows(rows))), len(rows))


@given(st.lists(VALUES, max_size=8))
def test_rows_of_any_values_are_restored(rows: list[Any]) -> None:
    assert restore(rows) == rows


def test_objects_of_every_kind_are_restored() -> None:
    rows = [
        Outer("a", None, [], {}),
        Outer("b", Inner("x", 1.5), [Inner("y", None), Inner("z", 2)], {"k": Inner("", None)}, more=[1]),
        Outer("c", Inner("x", None), [Inner("w", 0.1)], {"l": Inner("", 3), "k": Inner("q", 4)}, more=None),
    ]
    assert restore(rows) == msgspec.json.decode(msgspec.json.encode(rows))


def test_texts_that_repeat_are_written_once() -> None:
    assert pack_rows(["a", "b", "a", None, "a", None]) == {"table": ["a", "b", None], "indexes": [0, 1, 0, 2, 0, 2]}
    assert pack_rows(["a", "b", "a"]) == {"values": ["a", "b", "a"]}


@pytest.mark.parametrize(
    "column",
    [
        {},
        {"values": [1]},
        {"values": 2},
        {"table": [], "indexes": [0, 1]},
        {"table": ["a"], "indexes": [0, "0"]},
        {"counts": [1, 1], "items": {"values": [1]}},
        {"counts": [-1, 3], "items": {"values": [1, 2]}},
        {"counts": [10**12, 1], "items": {"keys": {}}},
        {"has": [1, 1], "rows": {"values": [1]}},
        {"has": [1, 0, 0], "rows": {"values": [1]}},
        {"keys": []},
        {"keys": {"a": {"values": [1, 2, 3]}}},
    ],
    ids=str,
)
def test_what_is_no_column_of_two_rows_is_refused(column: Any) -> None:
    with pytest.raises(ValueError, match="not the columns"):
        unpack_rows(column, 2)
