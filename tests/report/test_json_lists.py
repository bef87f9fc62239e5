from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from nerq_cli.report.json_lists import write_document

TEXT = '","a":[],"b":[] \n  "a": []'


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (0, 2), (3, 2)])
def test_the_document_is_that_of_one_piece(compact: bool, counts: tuple[int, int]) -> None:  # noqa: FBT001 - a parameter
    first, second = ([{"text": TEXT, "number": number, "a": []} for number in range(count)] for count in counts)
    document: dict[str, Any] = {"text": TEXT, "a": [], "x": {"y": [TEXT]}, "b": [], "end": TEXT}
    lists = {"a": map(msgspec.json.encode, first), "b": map(msgspec.json.encode, second)}
    content = b"".join(write_document(document, lists, compact=compact))
    whole = msgspec.json.encode({**document, "a": first, "b": second})
    assert content == (whole if compact else msgspec.json.format(whole, indent=2)) + b"\n"
    assert json.loads(content)["a"] == first
