"""Rows of JSON objects as columns.

Values of one key are alike, so a column is compressed to a third of what the same values take within their rows. A
column is one of these objects, whose number of rows is known from where it stands:

- ``{"values": [...]}``: a value for each row.
- ``{"table": [...], "indexes": [...]}``: for each row the index of its value in a table of the distinct values.
- ``{"keys": {key: column}}``: an object for each row; the columns have the values of each key.
- ``{"counts": [...], "items": column}``: a list for each row; the column has the first items of all lists, then the
  second items of those that have one, and so on.
- ``{"has": [...], "rows": column}``: 1 for each row that has a value and 0 for the others; the column has the values.
  ``"else": null`` stands in the others; without it they have no value, as a key that an object lacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress, repeat
from operator import attrgetter
from typing import Final, TypeAlias, cast

import msgspec
from msgspec import UNSET

#: See above.
Column: TypeAlias = dict[str, object]

#: A table is worth its indexes from this number of rows for each distinct value.
_ROWS_PER_VALUE: Final = 2
#: Rows of the longest column that is read: 100,000 dependencies have 2,200,000 signals.
_MAX_ROWS: Final = 10_000_000


def pack_rows(rows: Sequence[object]) -> Column:
    """Return a column of values: what msgspec writes as JSON, UNSET for no value."""
    types = set(map(type, rows))
    for absent, more in ((UNSET, {}), (None, {"else": None})):
        if type(absent) in types and len(types) > 1 and _has_structure(types):
            has = [row is not absent for row in rows]
            return {"has": list(map(int, has)), "rows": pack_rows(list(compress(rows, has))), **more}
    if types == {type(UNSET)}:
        return {"has": [0] * len(rows), "rows": {"values": []}}
    return _pack_present(rows, types)


def _pack_present(rows: Sequence[object], types: set[type]) -> Column:
    """Return a column of values of these types, none of them UNSET, and null only among texts and the like."""
    if str in types and types <= {str, type(None)}:
        return _pack_texts(cast("Sequence[str | None]", rows))
    if types == {list}:
        return _pack_lists(cast("Sequence[list[object]]", rows))
    if types == {dict}:
        return _pack_mappings(cast("Sequence[Mapping[str, object]]", rows))
    if len(types) == 1 and issubclass(struct := next(iter(types)), msgspec.Struct):
        fields = struct.__struct_fields__
        return {"keys": {field: pack_rows(list(map(attrgetter(field), rows))) for field in fields}}
    return {"values": rows}


def unpack_rows(column: Column, count: int) -> list[object]:
    """Return the values of the rows of a column, with :data:`msgspec.UNSET` for those without one.

    Raises:
        ValueError: it is no column of this many rows.
    """
    try:
        rows = _unpack(column, count)
    except (AttributeError, IndexError, KeyError, RecursionError, StopIteration, TypeError) as error:
        raise ValueError("not the columns of a report") from error
    return rows


def _has_structure(types: set[type]) -> bool:
    """Whether values of these types are not all of them texts, numbers, booleans or null."""
    return type(UNSET) in types or any(type_ in (list, dict) or issubclass(type_, msgspec.Struct) for type_ in types)


def _pack_texts(texts: Sequence[str | None]) -> Column:
    table = dict.fromkeys(texts)
    if len(table) * _ROWS_PER_VALUE > len(texts):
        return {"values": texts}
    indexes = dict(zip(table, range(len(table)), strict=True))
    return {"table": list(table), "indexes": list(map(indexes.__getitem__, texts))}


def _pack_lists(lists: Sequence[list[object]]) -> Column:
    counts = list(map(len, lists))
    items: list[object] = []
    for position in range(max(counts, default=0)):
        lists = [list_ for list_ in lists if len(list_) > position]
        items += [list_[position] for list_ in lists]
    return {"counts": counts, "items": pack_rows(items)}


def _pack_mappings(mappings: Sequence[Mapping[str, object]]) -> Column:
    keys = dict.fromkeys(key for mapping in mappings for key in mapping)
    return {"keys": {key: pack_rows([mapping.get(key, UNSET) for mapping in mappings]) for key in keys}}


def _unpack(column: Column, count: int) -> list[object]:
    if not 0 <= count <= _MAX_ROWS:
        raise ValueError("not the columns of a report")
    if "values" in column:
        rows = cast("list[object]", column["values"])
    elif "table" in column:
        table = cast("list[object]", column["table"])
        rows = [table[index] for index in cast("list[int]", column["indexes"])]
    elif "keys" in column:
        rows = _unpack_mappings(cast("Mapping[str, Column]", column["keys"]), count)
    elif "counts" in column:
        rows = cast("list[object]", _unpack_lists(cast("list[int]", column["counts"]), cast("Column", column["items"])))
    else:
        has = cast("list[int]", column["has"])
        values = iter(_unpack(cast("Column", column["rows"]), sum(has)))
        absent = None if "else" in column else UNSET
        rows = [next(values) if is_there else absent for is_there in has]
    if len(rows) != count:
        raise ValueError("not the columns of a report")
    return rows


def _unpack_mappings(keys: Mapping[str, Column], count: int) -> list[object]:
    rows: list[dict[str, object]] = [{} for _ in repeat(None, count)]
    for key, column in keys.items():
        for row, value in zip(rows, _unpack(column, count), strict=True):
            if value is not UNSET:
                row[key] = value
    return cast("list[object]", rows)


def _unpack_lists(counts: Sequence[int], column: Column) -> list[list[object]]:
    lists: list[list[object]] = [[] for _ in counts]
    items = iter(_unpack(column, sum(counts)))
    unfilled = list(zip(lists, counts, strict=True))
    position = 0
    while unfilled := [(list_, count) for list_, count in unfilled if count > position]:
        for list_, _ in unfilled:
            list_.append(next(items))
        position += 1
    return lists
