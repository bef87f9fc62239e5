from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from msgspec.structs import replace

from nerq_cli.errors import EXIT_MEANINGS, ExitStatus
from nerq_cli.facts import AffectingAdvisory
from nerq_cli.inventory import Location
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy import STATES
from nerq_cli.policy.findings import AppliedWaiver, Finding
from nerq_cli.report import RenderOptions
from nerq_cli.report.formats import json as json_report
from nerq_cli.report.model import Assessment, Report
from nerq_cli.report.sanitize import TEXT_LIMIT

Json: TypeAlias = Any
Assess = Callable[..., Assessment]
Make = Callable[..., Report]

SCHEMA: dict[str, Json] = json.loads(json_report.read_schema())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker())
GOLDEN = sorted((Path(__file__).parents[2] / "data" / "golden").glob("report-*.json"))
REPORTS = [
    "mixed",
    "calm",
    "doubtful",
    "broken",
    "listed",
    "empty",
    "hostile",
    "everything",
    "compared",
    "models",
    "hostile_models",
]


def document(report: Report) -> Json:
    return json.loads(json_report.render(report, RenderOptions()))


def of(report: Report, name: str) -> Json:
    return next(one for one in document(report)["dependencies"] if one["name"] == name)


@pytest.fixture(params=REPORTS)
def any_report(request: pytest.FixtureRequest) -> Report:
    report: Report = request.getfixturevalue(request.param)
    return report


# --- the compact report


COMPACT_SCHEMA: dict[str, Json] = json.loads(json_report.read_schema(compact=True))
COMPACT = RenderOptions(compact=True)


def render_compact(report: Report) -> Json:
    return json.loads(json_report.render(report, COMPACT))


def find_properties(schema: Json) -> Json:
    """The properties of what a part of the schema describes."""
    for part in (schema, schema.get("items", {}), schema.get("additionalProperties"), *schema.get("anyOf", ())):
        if isinstance(part, dict) and "$ref" in part:
            return SCHEMA["$defs"][part["$ref"].removeprefix("#/$defs/")].get("properties", {})
    return {}


def add_defaults(value: Json, properties: Json) -> Json:
    """A part of a compact report with the keys that it lacks, by the schema."""
    if isinstance(value, list):
        return [add_defaults(item, properties) for item in value]
    if not isinstance(value, dict) or not properties:
        return value
    defaults = {key: part["default"] for key, part in properties.items() if "default" in part}
    return {**defaults, **{key: add_defaults(item, find_properties(properties[key])) for key, item in value.items()}}


def test_a_compact_report_validates_and_lacks_only_defaults(any_report: Report) -> None:
    compact, full = render_compact(any_report), document(any_report)
    Draft202012Validator(COMPACT_SCHEMA, format_checker=FormatChecker()).validate(compact)
    assert compact.keys() == full.keys()
    for key in ("dependencies", "findings", "sources", "errors", "dependency_files"):
        properties = find_properties(SCHEMA["properties"][key])
        for left, right in zip(add_defaults(compact[key], properties), full[key], strict=True):
            assert {name: left[name] for name in right if name != "metadata"} == {
                name: item for name, item in right.items() if name != "metadata"
            }
            assert left.get("metadata") == right.get("metadata")


def test_not_known_and_false_differ_in_a_compact_report(everything: Report) -> None:
    for left, right in zip(
        render_compact(everything)["dependencies"], document(everything)["dependencies"], strict=True
    ):
        for key in ("in_registry", "provisional"):
            assert (key in left) == (right.get(key) is not None)


def test_a_compact_report_has_a_line_for_each_dependency(everything: Report) -> None:
    lines = json_report.render(everything, COMPACT).splitlines()
    assert len(lines) == len(everything.dependencies) + 2
    assert json.loads(lines[1].rstrip(b","))["name"] == everything.dependencies[0].dependency.package.name
    assert len(b"".join(lines)) < 0.6 * len(json_report.render(everything, RenderOptions()))


def test_the_report_is_written_in_parts(any_report: Report) -> None:
    parts = [*json_report.render_parts(any_report, RenderOptions())]
    assert len(parts) == len(any_report.dependencies) + len(any_report.findings) + 3
    assert json.dumps(document(any_report), indent=2, ensure_ascii=False).encode() + b"\n" == b"".join(parts)


# --- the schema


def test_the_schema_is_a_valid_schema_and_ends_in_a_newline() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json_report.read_schema().endswith("}\n")


def test_every_report_validates(any_report: Report) -> None:
    VALIDATOR.validate(document(any_report))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_every_golden_report_validates(path: Path) -> None:
    VALIDATOR.validate(json.loads(path.read_bytes()))


def test_there_are_golden_reports_to_validate() -> None:
    assert len(GOLDEN) >= 7


def closed(schema: Json) -> Json:
    """The schema with no room for keys it does not describe."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: False if key == "additionalProperties" else closed(part) for key, part in schema.items()}


def test_every_key_a_report_can_have_is_described(any_report: Report) -> None:
    Draft202012Validator(closed(SCHEMA)).validate(document(any_report))


def descriptions(schema: Json) -> Iterator[tuple[str, Json]]:
    for name, part in schema.get("properties", {}).items():
        yield name, part
        yield from descriptions(part)
    if isinstance(schema.get("items"), dict):
        yield from descriptions(schema["items"])


def test_every_key_is_explained() -> None:
    parts = [SCHEMA, *SCHEMA["$defs"].values()]
    silent = [name for part in parts for name, it in descriptions(part) if not it.get("description")]
    assert silent == []


def test_the_schema_promises_to_grow_only() -> None:
    assert "only added" in SCHEMA["description"]
    assert SCHEMA["additionalProperties"] is True
    assert all(part.get("additionalProperties", True) is True for part in SCHEMA["$defs"].values())


def test_the_schema_knows_every_word_the_program_uses() -> None:
    properties = SCHEMA["$defs"]["dependency"]["properties"]
    assert set(properties["state"]["enum"]) == set(STATES)
    assert properties["grade"]["enum"] == [*(grade for _, grade in PACKAGES.grades), None]
    assert properties["coverage_label"]["enum"] == [*(label for _, label in PACKAGES.coverage_labels), None]
    assert list(properties["dimensions"]["properties"]) == list(PACKAGES.dimensions)
    assert SCHEMA["properties"]["exit"]["properties"]["code"]["enum"] == [status.value for status in EXIT_MEANINGS]


def test_a_field_of_the_metadata_names_the_source_that_gave_it(everything: Report) -> None:
    fields = of(everything, "whole")["metadata"]
    assert (fields["licence"]["value"], fields["licence"]["source"]) == ("MIT", "deps.dev")
    assert (fields["readme_length"]["value"], fields["readme_length"]["source"]) == (4_200, "PyPI")
    assert "attested_repository" not in fields


REMOVED = object()
FIRST = ("dependencies", 0)
SIGNAL = (*FIRST, "signals", 0)
JUDGED = SCHEMA["else"]["properties"]["dependencies"]["items"]["required"]

WAY = {
    "version": "2.0",
    "score": 90.0,
    "grade": "A",
    "provisional": False,
    "in_range": True,
    "passes": True,
    "fixed_advisories": [],
}

#: Ways to spoil a report: a path into it, and what to put there.
CORRUPTIONS: list[tuple[tuple[str | int, ...], object]] = [
    *(((key,), REMOVED) for key in SCHEMA["required"]),
    *(((*FIRST, key), REMOVED) for key in [*SCHEMA["$defs"]["dependency"]["required"], *JUDGED]),
    *(((*SIGNAL, key), REMOVED) for key in SCHEMA["$defs"]["signal"]["required"]),
    ((*FIRST, "score"), 100.1),
    ((*FIRST, "score"), -1),
    ((*FIRST, "score"), "63.0"),
    ((*FIRST, "score"), None),
    ((*FIRST, "state"), "fine"),
    ((*FIRST, "state"), None),
    ((*FIRST, "state"), "skipped"),
    ((*FIRST, "grade"), "G"),
    ((*FIRST, "coverage"), 1.01),
    ((*FIRST, "score_range"), [1.0]),
    ((*FIRST, "score_range"), [0.0, 101.0]),
    ((*FIRST, "provisional"), True),
    ((*FIRST, "ecosystem"), "pypi"),
    ((*FIRST, "purl"), "pypi/attrs"),
    ((*FIRST, "version"), None),
    ((*FIRST, "resolution"), "guessed"),
    ((*FIRST, "locations", 0, "path"), ""),
    ((*FIRST, "locations", 0, "line"), -1),
    ((*FIRST, "released_at"), "2026-11-21"),
    ((*FIRST, "released_at"), "2026-13-41T99:00:00Z"),
    ((*FIRST, "releases_behind"), -1),
    ((*FIRST, "dimensions"), {"security": 1.0}),
    ((*FIRST, "caps"), [{"id": "high", "limit": 169, "reason": "r", "source": None, "retrieved_at": None}]),
    ((*FIRST, "advisories"), [{"id": "A"}]),
    ((*FIRST, "upgrade"), {"version": "2.0"}),
    ((*FIRST, "latest_upgrade"), WAY | {"passes": True, "score": None}),
    ((*FIRST, "latest_upgrade"), WAY | {"score": 101}),
    (("findings",), [{"id": "not-on-index"}]),
    ((*FIRST, "groups"), "main"),
    ((*SIGNAL, "state"), "unknown"),
    ((*SIGNAL, "value"), None),
    ((*SIGNAL, "value"), 101),
    ((*SIGNAL, "dimension"), "luck"),
    ((*SIGNAL, "contribution"), -1),
    (("schema_version",), 2),
    (("exit", "code"), 7),
    (("as_of",), "2026-11-21T02:40:00+01:00"),
    (("threshold",), 170),
    (("summary", "ok"), -1),
    (("summary", "unknown"), REMOVED),
    (("list_only",), True),
    (("sources", 0, "state"), "fine"),
    (("errors",), [{"path": "a", "line": 1, "column": 1, "message": "", "hint": None, "text": None}]),
]


def spoil(found: Json, path: tuple[str | int, ...], value: object) -> None:
    *above, key = path
    for step in above:
        found = found[step]
    if value is REMOVED:
        del found[key]
    else:
        found[key] = value


@pytest.mark.parametrize(
    ("path", "value"), CORRUPTIONS, ids=lambda value: "something else" if type(value) is object else str(value)
)
def test_a_spoilt_report_does_not_validate(calm: Report, path: tuple[str | int, ...], value: object) -> None:
    found = document(calm)
    spoil(found, path, value)
    assert not VALIDATOR.is_valid(found)


# --- the document


def test_the_same_report_gives_the_same_bytes_whatever_time_it_took(findings: Report) -> None:
    assert json_report.render(findings, RenderOptions()) == json_report.render(
        replace(findings, elapsed=9.0), RenderOptions()
    )


def test_the_document_is_indented_and_ends_in_a_newline(calm: Report) -> None:
    assert json_report.render(calm, RenderOptions()).startswith(b'{\n  "schema_version": 1,\n')
    assert json_report.render(calm, RenderOptions()).endswith(b"}\n")


def test_numbers_keep_one_decimal_and_moments_are_utc(findings: Report) -> None:
    printed = json_report.render(findings, RenderOptions()).decode()
    assert '"score": 65.0,' in printed
    assert '"limit": 65.0,' in printed
    assert '"threshold": 70.0,' in printed
    assert '"as_of": "2026-11-21T02:40:00Z",' in printed


def test_the_summary_counts_every_state(findings: Report) -> None:
    summary = document(findings)["summary"]
    assert summary == {"total": 36, "ok": 28, "below": 4, "unknown": 2, "not_judged": 0, "skipped": 2, "waived": 0}


def test_exit_code_and_reason_are_repeated(findings: Report) -> None:
    found = document(findings)["exit"]
    reason = "4 below 70, 4 vulnerabilities, 1 name in no public index"
    assert found == {"code": 1, "reason": reason, "report_only": False, "judged_code": None}


def test_a_way_out_says_what_it_scores_and_whether_that_is_enough(findings: Report) -> None:
    assert of(findings, "requests")["upgrade"] == {
        "version": "2.34.2",
        "score": 93.1,
        "grade": "A",
        "provisional": False,
        "in_range": False,
        "passes": True,
        "fixed_advisories": ["GHSA-x84v-xcm2-53pg", "GHSA-j8r2-6x86-q33q", "GHSA-9wx4-h78v-vm56"],
        "released_at": "2026-09-02T02:40:00Z",
    }
    assert of(findings, "requests")["latest_upgrade"] == of(findings, "requests")["upgrade"]
    assert of(findings, "pillow")["upgrade"]["passes"] is False
    assert of(findings, "pillow")["latest_upgrade"] is None
    assert of(findings, "click")["upgrade"] is None


def test_an_advisory_names_the_fix_on_the_branch_in_use_and_the_newest(assess: Assess, report_of: Make) -> None:
    hole = AffectingAdvisory(id="A", fixed_in=("1.0", "2.35.0", "3.1"))
    [found] = of(report_of([assess("x", advisories=(hole,))]), "x")["advisories"]
    assert (found["fixed_versions"], found["nearest_fix"], found["newest_fix"]) == (
        ["1.0", "2.35.0", "3.1"],
        "2.35.0",
        "3.1",
    )
    [without] = of(report_of([assess("x", advisories=(AffectingAdvisory(id="A"),))]), "x")["advisories"]
    assert (without["nearest_fix"], without["newest_fix"]) == (None, None)


def test_findings_stand_beside_the_dependencies(findings: Report, calm: Report) -> None:
    found = document(findings)["findings"]
    nothing = dict.fromkeys(("version", "advisory", "severity", "waiver", "change"))
    assert [one for one in found if one["id"] == "not-on-index"] == [
        nothing
        | {
            "id": "not-on-index",
            "text": "PyPI has no package of this name",
            "level": "deny",
            "undecided": False,
            "name": "acme-utils",
            "purl": "pkg:pypi/acme-utils",
            "locations": [{"path": "requirements.txt", "line": 3}],
        }
    ]
    [worst, *_] = [one for one in found if one["id"] == "vulnerability" and one["level"] == "deny"]
    assert (worst["name"], worst["version"], worst["severity"]) == ("pillow", "9.5.0", "high")
    assert worst["advisory"] in worst["text"]
    assert document(calm)["findings"] == []
    whole = Finding(id="not-on-index", text="something is off\x1b[2J")
    [found] = document(replace(calm, findings=(whole,)))["findings"]
    assert (found["id"], found["name"], found["purl"], found["locations"]) == ("not-on-index", None, None, [])
    assert "\x1b" not in found["text"]


def test_a_waiver_stands_beside_its_finding(calm: Report) -> None:
    waiver = AppliedWaiver(
        reason="not reachable\x1b[2J", until="2027-01-31", owner="web", location=Location(path="nerq.toml", line=4)
    )
    finding = Finding(id="yanked", text="version yanked", waiver=waiver, change="unchanged")
    [found] = document(replace(calm, findings=(finding,)))["findings"]
    assert "\x1b" not in found["waiver"].pop("reason")
    assert found["waiver"] == {
        "until": "2027-01-31",
        "owner": "web",
        "location": {"path": "nerq.toml", "line": 4},
        "status": None,
        "justification": None,
        "author": None,
    }
    assert found["change"] == "unchanged"


def test_a_run_that_only_reports_states_both_exit_codes(calm: Report) -> None:
    report = replace(calm, report_only=True, judged_exit=ExitStatus.BELOW)
    found = document(report)["exit"]
    assert (found["code"], found["report_only"], found["judged_code"]) == (0, True, 1)


def test_a_list_has_neither_states_nor_scores(listed: Report) -> None:
    found = document(listed)
    assert found["list_only"] is True
    assert found["summary"] == {"total": 36, "skipped": 2, "waived": 0}
    assert not {key for one in found["dependencies"] for key in one} & {"state", "score", "signals", "reasons"}
    assert of(listed, "fork")["skip_reason"] == "git: https://git.example/fork @ 1a2b3c"


def test_what_was_not_scored_has_nulls_and_reasons(findings: Report) -> None:
    celery = of(findings, "celery")
    assert celery["state"] == "unknown"
    assert celery["score"] is celery["grade"] is celery["coverage"] is celery["version"] is None
    assert celery["dimensions"] == dict.fromkeys(PACKAGES.dimensions)
    assert celery["signals"] == celery["caps"] == []
    assert celery["reasons"] == ["no version satisfies >=99"]


def test_contributions_add_up_to_the_total(any_report: Report) -> None:
    for one in document(any_report)["dependencies"]:
        if one.get("uncapped_score") is not None:
            assert math.isclose(sum(s["contribution"] for s in one["signals"]), one["uncapped_score"], abs_tol=0.011)


def test_every_rounded_contribution_is_within_a_hundredth_of_the_exact_one(everything: Report) -> None:
    [one] = everything.dependencies
    assert one.score is not None
    printed = [signal["contribution"] for signal in of(everything, "whole")["signals"]]
    exact = [part.contribution for part in one.score.parts]
    assert all(abs(a - b) <= 0.011 for a, b in zip(printed, exact, strict=True))


def test_contributions_are_not_known_where_there_is_no_total(findings: Report) -> None:
    assert {signal["contribution"] for signal in of(findings, "acme-utils")["signals"]} == {None}


def test_a_number_that_is_not_one_becomes_null(assess: Assess, report_of: Make) -> None:
    odd = AffectingAdvisory(id="A", epss=math.nan)
    printed = json_report.render(report_of([assess("x", advisories=(odd,))]), RenderOptions())
    assert b"NaN" not in printed
    assert b'"epss": null' in printed


def test_hostile_words_come_out_clean_and_short(hostile: Report) -> None:
    printed = json_report.render(hostile, RenderOptions())
    assert not any(sign in printed.decode() for sign in ("\x1b", "\u202e", "\\u001b", "\\u202e", "\x9b", "\\u0000"))
    assert len(printed) < 60_000
    assert all(len(reason) <= TEXT_LIMIT for one in json.loads(printed)["dependencies"] for reason in one["reasons"])


def test_a_thousand_packages_take_a_tenth_of_a_second(many: Callable[[int], Report]) -> None:
    report = many(1_000)
    json_report.render(report, RenderOptions())
    best = min(_seconds(report) for _ in range(3))
    # About 0.06 s on an idle machine; three times the promise leaves room for a busy one, more for a traced one.
    assert best <= (0.3 if sys.gettrace() is None else 2.0)


def _seconds(report: Report) -> float:
    started = time.process_time()
    json_report.render(report, RenderOptions())
    return time.process_time() - started


def test_the_documentation_lists_each_renamed_key_under_the_name_it_has_now() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| `(\w+)` \| `(\w+)` \|$", page, re.MULTILINE)
    keys = {name for part in (SCHEMA, *SCHEMA["$defs"].values()) for name, _ in descriptions(part)}
    assert len(rows) == 29
    assert {new for _, new in rows} <= keys
