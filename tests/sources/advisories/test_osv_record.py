from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.errors import ResponseError
from nerq_cli.facts import AffectedPackage, Event, Range
from nerq_cli.sources.advisories import osv_record
from nerq_cli.sources.advisories.osv_record import filter_ecosystem, parse_record, parse_yaml_record

RECORD: dict[str, Any] = {
    "schema_version": "1.9.0",
    "id": "GHSA-aaaa-bbbb-cccc",
    "modified": "2026-05-01T10:00:00.123Z",
    "published": "2026-04-20T09:00:00Z",
    "aliases": ["CVE-2026-11111", "PYSEC-2026-77", "CVE-2026-11111", "GHSA-aaaa-bbbb-cccc", "no id", 3],
    "related": ["CVE-2026-22222"],
    "summary": "Path \x1b[31mtraversal\x1b[0m in demo-lib",
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}],
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Demo_Lib", "purl": "pkg:pypi/demo-lib"},
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0.3"}]},
                {"type": "GIT", "repo": "https://x.example/r", "events": [{"introduced": "0"}]},
                {"type": "SEMVER", "events": []},
            ],
            "versions": ["1.0.0", "2.0.0", "1.0.0"],
        },
        {"package": {"ecosystem": "PyPI:https://index.example", "name": "demo-lib"}},
        {
            "package": {"ecosystem": "npm", "name": "@scope/Demo"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "1.0.0", "last_affected": "1.2.0"}]}],
        },
        {"package": {"ecosystem": "Go", "name": "demo"}},
    ],
    "references": [
        {"type": "WEB", "url": "https://x.example/web"},
        {"type": "FIX", "url": "https://x.example/fix"},
        {"type": "WEB", "url": "javascript:alert(1)"},
        {"type": "ADVISORY", "url": "https://user:secret@x.example/advisory"},
        {"type": "WEB", "url": "https://x.example/web"},
    ],
    "database_specific": {"severity": "MODERATE", "cwe_ids": ["CWE-22"]},
}

V4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"
V3 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"
V2 = "AV:N/AC:L/Au:N/C:P/I:P/A:P"
DEMO = {"ecosystem": "PyPI", "name": "demo"}


def written(**fields: Any) -> bytes:
    return json.dumps({"id": "PYSEC-1", "modified": "2026-01-01T00:00:00Z", **fields}).encode()


def test_a_record_is_read() -> None:
    record = parse_record(json.dumps(RECORD).encode())
    assert record.id == "GHSA-aaaa-bbbb-cccc"
    assert (record.modified, record.published) == (1_777_629_600, 1_776_675_600)
    assert record.aliases == ("CVE-2026-11111", "PYSEC-2026-77")
    assert record.summary == "Path traversal in demo-lib"
    assert (record.severity, record.severity_from) == ("medium", "GHSA label")
    assert record.affected == (
        AffectedPackage(
            "PyPI",
            "demo-lib",
            ("1.0.0", "2.0.0"),
            (Range("ECOSYSTEM", (Event(introduced="0"), Event(fixed="2.0.3"))),),
        ),
        AffectedPackage(
            "npm", "@scope/Demo", (), (Range("SEMVER", (Event(introduced="1.0.0"), Event(last_affected="1.2.0"))),)
        ),
    )
    assert record.links == ("https://x.example/advisory", "https://x.example/fix", "https://x.example/web")
    assert not record.withdrawn
    assert not record.malware


def test_a_parsed_document_is_read_like_its_text() -> None:
    assert parse_record(RECORD) == parse_record(json.dumps(RECORD).encode())


def test_a_record_can_be_cut_to_one_ecosystem() -> None:
    record = parse_record(RECORD)
    assert [(entry.ecosystem, entry.name) for entry in record.affected] == [
        ("PyPI", "demo-lib"),
        ("npm", "@scope/Demo"),
    ]
    assert filter_ecosystem(filter_ecosystem(record, "npm"), "npm").affected == record.affected[1:]


@pytest.mark.parametrize(
    ("fields", "band", "origin"),
    [
        ({}, "unknown", ""),
        ({"database_specific": {"severity": "high"}}, "high", "label of its database"),
        (
            {"database_specific": {"severity": "?"}, "severity": [{"type": "CVSS_V3", "score": V3}]},
            "high",
            "CVSS 3.1 score 7.5",
        ),
        ({"severity": [{"score": V2}, {"score": V3}, {"score": V4}]}, "critical", "CVSS 4.0 score 9.3"),
        ({"severity": [{"score": V2}]}, "high", "CVSS 2.0 score 7.5"),
        ({"severity": [{"score": f"({V2})"}]}, "high", "CVSS 2.0 score 7.5"),
        ({"severity": [{"score": "CVSS:4.0/nonsense"}, {"score": V2}]}, "high", "CVSS 2.0 score 7.5"),
        ({"severity": [{"score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"}]}, "low", "CVSS 3.1 score 0.0"),
        ({"severity": [{"score": "5.4"}]}, "medium", "CVSS score 5.4"),
        ({"severity": [{"score": "99"}, {"score": 7}, 7, {}]}, "unknown", ""),
        ({"severity": "HIGH"}, "unknown", ""),
        ({"severity": [{"score": V3 + "/" * 500}, {"score": "\u2074"}]}, "unknown", ""),
        (
            {"affected": [{"package": DEMO, "severity": [{"score": V2}]}, {"severity": [{"score": V4}]}]},
            "critical",
            "CVSS 4.0 score 9.3",
        ),
    ],
)
def test_severity_is_the_label_else_what_the_newest_vector_comes_to(
    fields: dict[str, Any], band: str, origin: str
) -> None:
    record = parse_record(written(**fields))
    assert (record.severity, record.severity_from) == (band, origin)


@pytest.mark.parametrize(
    ("fields", "malware"),
    [
        ({"id": "MAL-2026-1"}, True),
        ({"id": "GHSA-1", "database_specific": {"cwe_ids": ["CWE-506"]}}, True),
        ({"id": "X-1", "database_specific": {"malicious-packages-origins": []}}, True),
        ({"id": "PYSEC-1", "database_specific": {"cwe_ids": ["CWE-506"]}}, False),
        ({"id": "GHSA-1", "aliases": ["MAL-2026-1"]}, False),
    ],
)
def test_malware_is_what_the_record_itself_is_about(fields: dict[str, Any], *, malware: bool) -> None:
    assert parse_record(written(**fields)).malware is malware


def affecting(name: str, *, versions: tuple[str, ...] = (), events: tuple[dict[str, str], ...] = ()) -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    return {"package": {"ecosystem": "PyPI", "name": name}, "versions": list(versions), "ranges": ranges}


ENDED = affecting("demo", versions=("0.1",), events=({"introduced": "0.1"}, {"fixed": "0.2"}))
OPEN = affecting("demo", versions=("0.1", "0.2"), events=({"introduced": "0"},))
BACKDOOR = "as distributed on PyPI, included a code-execution backdoor inserted by a third party."
TAKEOVER = "The demo project on PyPI was taken over via user account compromise via a phishing attack and "


@pytest.mark.parametrize(
    ("fields", "malware"),
    [
        ({"id": "NSWG-ECO-450", "summary": "Malicious Package in demo"}, True),
        ({"id": "NSWG-ECO-477", "summary": "Embedded Malicious Code in demo"}, True),
        ({"id": "NSWG-ECO-9", "summary": "Loads a malicious package in demo"}, False),
        ({"id": "PYSEC-9", "summary": "Malicious Package in demo"}, False),
        ({"id": "PYSEC-1", "details": f"The demo package, {BACKDOOR}", "affected": [ENDED]}, True),
        ({"id": "PYSEC-1", "details": "found to contain a code execution\nbackdoor.", "affected": [ENDED]}, True),
        ({"id": "PYSEC-2", "details": f"The demo package, {BACKDOOR}", "affected": [OPEN]}, False),
        ({"id": "PYSEC-2", "details": "included a potential code-execution backdoor.", "affected": [ENDED]}, False),
        ({"id": "PYSEC-3", "details": f"{TAKEOVER}a new malicious release made which"}, True),
        ({"id": "PYSEC-4", "details": f"{TAKEOVER}replaced with a malicious project"}, True),
        ({"id": "PYSEC-5", "details": "Malicious package. Exfiltrated secrets."}, True),
        ({"id": "PYSEC-6", "details": "A tool. Version 0.5 contained obfuscated, malicious code."}, True),
        ({"id": "PYSEC-7", "details": "Signatures are ignored, so that a malicious package is installed."}, False),
        ({"id": "CVE-1", "details": "Malicious package."}, False),
    ],
)  # fmt: skip
def test_malware_without_a_mark_is_known_by_its_text(fields: dict[str, Any], *, malware: bool) -> None:
    assert parse_record(written(**fields)).malware is malware


def test_details_stand_in_for_a_summary_and_are_cut() -> None:
    summary = parse_record(written(details="word " * 500)).summary
    assert len(summary) <= 200
    assert summary.endswith("…")


def test_a_withdrawn_record_says_so() -> None:
    assert parse_record(written(withdrawn="2026-01-01T00:00:00Z")).withdrawn
    assert not parse_record(written(withdrawn=None)).withdrawn


def test_at_most_five_links_are_kept() -> None:
    links = [{"type": "WEB", "url": f"https://x.example/{number}"} for number in range(9)]
    assert len(parse_record(written(references=links)).links) == 5


@pytest.mark.parametrize("kind", [[], {}, ["ECOSYSTEM"], 7, None])
def test_a_range_of_another_kind_is_left_out(kind: object) -> None:
    ranges = [{"type": kind, "events": [{"introduced": "0"}]}]
    affected = [{"package": {"ecosystem": "PyPI", "name": "demo"}, "ranges": ranges}]
    [entry] = parse_record(written(affected=affected)).affected
    assert entry.ranges == ()


@pytest.mark.parametrize("kind", [[], {}, ["CVSS_V3"], 7, None])
def test_a_score_of_another_kind_is_left_out(kind: object) -> None:
    severity = [{"type": kind, "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
    assert parse_record(written(severity=severity, database_specific={})).severity == "unknown"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"id": 7}',
        b'{"id": "../../etc"}',
        b'{"id": "A-1", "affected": {}}',
        b'{"id": "A-1", "schema_version": "2.0.0"}',
        b"[" * 100_000,
        b'{"id": "A-1"',
    ],
)
def test_what_is_no_record_is_refused(body: bytes) -> None:
    with pytest.raises(ResponseError):
        parse_record(body)


def test_a_record_with_the_documented_types_is_decoded_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    documented = {**RECORD, "aliases": RECORD["aliases"][:-1]}
    whole = parse_record(json.dumps(RECORD).encode())
    monkeypatch.setattr(osv_record, "_convert_record", None)
    assert parse_record(json.dumps(documented).encode()) == whole


def test_yaml_keeps_versions_and_times_as_they_are_written() -> None:
    record = parse_yaml_record(
        b"id: PYSEC-2026-1\nmodified: 2026-05-01T10:00:00Z\nwithdrawn: null\n"
        b"affected:\n- package: {ecosystem: PyPI, name: demo}\n  versions: [1.10, 2]\n"
        b"  ranges:\n  - type: ECOSYSTEM\n    events: [{introduced: 0}, {fixed: 1.20}]\n"
    )
    assert (record.modified, record.withdrawn) == (1_777_629_600, False)
    assert record.affected[0].versions == ("1.10", "2")
    assert record.affected[0].ranges[0].events == (Event(introduced="0"), Event(fixed="1.20"))


@pytest.mark.parametrize(
    "document",
    [
        b"- a",
        b"",
        b"a: [",
        b"\xff\xfe\x00",
        b"!!python/object:os.system {}",
        b"? [a]\n: b",
        b"[" * 50_000,
        b"a: &x b\nid: *x",
        b"a: b\n--- [",
        b"- " * 20_000,
    ],
)
def test_yaml_that_is_no_record_is_refused(document: bytes) -> None:
    with pytest.raises(ResponseError):
        parse_yaml_record(document)


_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["PyPI", "npm", "0", V2, V3, V4, "CVSS:4.0/AV:N"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["package", "ecosystem", "name", "events", "type", "ranges", "score", "severity", "url"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    record=st.fixed_dictionaries(
        {"id": st.just("A-1") | _ANYTHING},
        optional={name: _ANYTHING for name in RECORD if name != "id"},
    )
)
def test_anything_at_all_is_read_or_refused(record: dict[str, Any]) -> None:
    with suppress(ResponseError):
        parse_record(json.dumps(record).encode())


@given(document=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_text_as_yaml_is_read_or_refused(document: bytes) -> None:
    with pytest.raises(ResponseError):
        parse_yaml_record(document)


@given(
    vector=st.text(max_size=40)
    | st.lists(st.sampled_from([*V3.split("/"), *V4.split("/"), *V2.split("/"), "AV:", "X:Y"]), max_size=14).map(
        "/".join
    )
)
def test_any_text_as_a_vector_is_computed_or_unknown(vector: str) -> None:
    assert parse_record(written(severity=[{"score": vector}])).severity in {
        "low",
        "medium",
        "high",
        "critical",
        "unknown",
    }
