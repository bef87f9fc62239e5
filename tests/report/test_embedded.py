from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from zlib import compress

import pytest

from nerq_cli.report import FORMATS, RenderOptions, embedded
from nerq_cli.report.embedded import embed_report, extract_report
from nerq_cli.report.model import Report

PACKED = json.dumps({"document": {"a": 1, "rows": []}, "lists": {"rows": [{"count": 1, "column": {"values": [2]}}]}})


def as_page(element: str) -> bytes:
    return f"<!doctype html>\n<p>é</p>\n{element}\n".encode()


def in_element(content: bytes) -> bytes:
    return as_page(f'<script type="application/gzip" id="nerq-report">{b64encode(content).decode()}</script>')


@pytest.mark.parametrize(
    "name", ["findings", "calm", "doubtful", "broken", "listed", "empty", "hostile", "everything", "levels"]
)
def test_the_report_in_a_page_has_the_value_of_the_json_report(request: pytest.FixtureRequest, name: str) -> None:
    report: Report = request.getfixturevalue(name)
    page = FORMATS["html"].render(report, RenderOptions())
    assert json.loads(extract_report(page)) == json.loads(FORMATS["json"].render(report, RenderOptions()))


def test_options_of_the_json_report_do_not_change_the_one_in_a_page(findings: Report) -> None:
    page = FORMATS["html"].render(findings, RenderOptions())
    assert FORMATS["html"].render(findings, RenderOptions(compact=True, show_all=True, top=1)) == page


def test_the_element_has_no_character_of_markup() -> None:
    element = embed_report([b'{"a": "</script><!--"}'])
    assert element.count("<") == 2
    assert "--" not in element.removeprefix('<script type="application/gzip" id="nerq-report">')


def test_lists_are_put_back_at_their_place() -> None:
    assert extract_report(as_page(embed_report([PACKED.encode()]))) == b'{"a":1,"rows":[2]}'


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (b"", "holds no report"),
        (b"<html><script>1</script></html>", "holds no report"),
        (b"\xff\xfe<script type=", "holds no report"),
        (as_page('<script type="application/gzip" id="nerq-report">a*b</script>'), "damaged"),
        (in_element(b"no gzip"), "damaged"),
        (in_element(compress(PACKED.encode())), "damaged"),
        (as_page(embed_report([b"[]"])), "damaged"),
        (as_page(embed_report([b"{"])), "damaged"),
        (as_page(embed_report([PACKED.replace("[2]", "[2, 3]").encode()])), "not the columns"),
    ],
    ids=lambda value: value if isinstance(value, str) else "page",
)
def test_what_is_no_page_of_ours_is_refused(page: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        extract_report(page)


def test_a_report_that_was_cut_is_refused() -> None:
    element = embed_report([PACKED.encode()])
    start = element.index(">") + 1
    with pytest.raises(ValueError, match="not complete"):
        extract_report(as_page(element[: start + 40] + "</script>"))


def test_a_report_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "SIZE_LIMIT", 1_000)
    with pytest.raises(ValueError, match="too large"):
        extract_report(as_page(embed_report([b" " * 10_000_000])))


def test_a_packed_report_has_the_document_and_its_lists_in_blocks(many: Callable[[int], Report]) -> None:
    packed: Any = json.loads(FORMATS["json"].render(many(4_500), RenderOptions(packed=True)))
    assert set(packed) == {"document", "lists"}
    assert packed["document"]["dependencies"] == packed["document"]["findings"] == []
    counts = {key: [block["count"] for block in blocks] for key, blocks in packed["lists"].items()}
    assert counts["dependencies"] == [2_000, 2_000, 500]
    assert sum(counts["findings"]) > 0


def test_blocks_are_put_together_in_their_order(many: Callable[[int], Report]) -> None:
    report = many(2_001)
    page = FORMATS["html"].render(report, RenderOptions())
    purls = [one["purl"] for one in json.loads(extract_report(page))["dependencies"]]
    assert purls == [one.dependency.purl for one in report.dependencies]
