"""Documentation readiness as JSON and as a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import msgspec
import pytest

from nerq_cli.compliance.assess import Compliance, PackageLicence, assess_hub_compliance, assess_package_compliance
from nerq_cli.errors import ExitStatus
from nerq_cli.facts import Evidence, Found, Unknown
from nerq_cli.hub_facts import CardMetadata, HubCard, HubEvidence, HubRepository
from nerq_cli.report import RenderOptions
from nerq_cli.report.compliance import ComplianceEntry, ComplianceReport, build_document, build_schema, render_json
from nerq_cli.report.terminal.compliance_page import describe_compliance, render_report, render_text
from nerq_cli.report.terminal.layout import cell_width

Golden = Callable[[str, bytes], None]
#: 2026-11-29T12:00:00Z
AS_OF = 1_795_953_600
CARD = "# A \x1b[31mmodel\u202e\n\nA model for resume screening.\n\n## Limitations\n\nTODO\n"


def assess(text: str | None = CARD, **fields: Any) -> Compliance:
    defaults: dict[str, Any] = {
        "kind": "model",
        "id": "org/a\x1b[31m",
        "sha": "a" * 40,
        "pipeline_tag": "text-generation",
        "card": CardMetadata(licence=("mit",), base_models=("org/b",), base_model_relation="finetune"),
        "files": (),
    }
    card = Unknown("rate limit") if text is None else Found(HubCard(text), "Hub", AS_OF)
    base = HubRepository(kind="model", id="org/b", card=CardMetadata(licence=("cc-by-nc-4.0",)))
    repository = Found(HubRepository(**{**defaults, **fields}), "Hub", AS_OF)
    evidence = HubEvidence(repository=repository, card=card, bases={"org/b": Found(base, "Hub", AS_OF)})
    return assess_hub_compliance(evidence, AS_OF)


PACKAGE = assess_package_compliance(Evidence(), PackageLicence(clarity="none"), name="example", version="1.0")
ALL = {"model": assess(), "unread": assess(None), "space": assess(kind="space"), "kernel": assess(kind="kernel")}
ALL["package"] = PACKAGE


@pytest.mark.parametrize("name", ALL)
def test_the_document_fits_its_schema(name: str) -> None:
    document = json.loads(msgspec.json.encode(build_document(ALL[name])))
    jsonschema.Draft202012Validator.check_schema(build_schema())
    jsonschema.validate(document, {**build_schema(), "$ref": "#/$defs/ComplianceDocument"})


def test_the_document_has_values_states_and_places() -> None:
    document = build_document(ALL["model"])
    keys = {key.key: key for key in document.keys}
    assert keys["limitations"].state == "absent"
    assert keys["limitations"].reason == 'heading "Limitations", line 5: has a placeholder only'
    assert document.eu_class is not None
    assert document.eu_class.label == "high_risk_area"
    assert document.instruments is not None
    assert document.instruments.total == len(document.instruments.jurisdictions) == 52
    assert document.licence.conflicts[0].base == "org/b"
    assert document.disclaimer.startswith("Documentation readiness only")
    assert build_document(PACKAGE).instruments is None


@pytest.mark.parametrize("name", ALL)
def test_nothing_unsafe_is_printed(name: str) -> None:
    page = render_text(ALL[name], RenderOptions(width=100))
    document = msgspec.json.encode(build_document(ALL[name])).decode()
    for text in (page, document):
        assert not any(sign in text for sign in ("\x1b", "\u202e", "\\u001b"))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("width", "encoding"), [(40, "utf-8"), (80, "utf-8"), (80, "ascii"), (200, "utf-8")])
def test_the_page_fits_the_screen(name: str, width: int, encoding: str) -> None:
    page = render_text(ALL[name], RenderOptions(width=width, encoding=encoding))
    assert max(map(cell_width, page.splitlines())) <= max(width, 60)
    assert encoding == "utf-8" or page.isascii()


def make_report(*names: str, **fields: Any) -> ComplianceReport:
    entries = tuple(ComplianceEntry(target=name, purl=f"pkg:x/{name}", compliance=ALL[name]) for name in names)
    defaults: dict[str, Any] = {"complete": True, "exit": ExitStatus.PASSED, "exit_reason": "everything is known"}
    return ComplianceReport(version="1.0", as_of=AS_OF, entries=entries, **{**defaults, **fields})


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_pages_look_as_agreed(golden: Golden, width: int) -> None:
    report = make_report("model", "package")
    gap = msgspec.structs.replace(report.entries[1], unread=("metadata: rate limit",))
    gone = msgspec.structs.replace(gap, missing="there is no such package on PyPI")
    report = msgspec.structs.replace(report, entries=(report.entries[0], gap, gone))
    text = render_report(report, RenderOptions(width=width))
    assert max(map(cell_width, text.splitlines())) <= width
    golden(f"compliance-{width}.txt", text.encode())


def test_a_report_of_a_run_fits_its_schema(golden: Golden) -> None:
    report = make_report(*ALL, complete=False, exit=ExitStatus.INCOMPLETE, warnings=("\x1b[0mold",))
    content = render_json(report)
    document = json.loads(content)
    jsonschema.validate(document, build_schema())
    assert document["warnings"] == ["old"]
    assert [entry["target"] for entry in document["targets"]] == [*ALL]
    golden("compliance.json", render_json(make_report("model", "package")))


def test_keys_come_before_jurisdictions() -> None:
    page = render_text(ALL["model"], RenderOptions(width=100))
    assert page.index("out-of-scope use") < page.index("Viet Nam")
    assert "Viet Nam" not in render_text(ALL["model"], RenderOptions(width=100), show_jurisdictions=False)
    assert "21 binding, applies in full or in part; 3 adopted" in page
    assert "2026-12-02" in page
    assert "touches" not in page
    assert "may be high-risk if used for" in page


def test_the_line_has_value_coverage_and_counts() -> None:
    line = describe_compliance(ALL["model"])
    assert line.startswith("Compliance ")
    assert "readiness against 50 of 52 jurisdictions; 2 not applicable" in line
    assert "not assessed (coverage" in describe_compliance(ALL["unread"])
    assert describe_compliance(PACKAGE).endswith("AI instruments: not applicable: a package is no AI artefact")


@pytest.mark.parametrize("name", ALL)
def test_no_verdict_of_law_is_stated(name: str) -> None:
    page = render_text(ALL[name], RenderOptions(width=200)).lower()
    for words in ("non-compliant", "is compliant", "legal to", "approved", "is safe"):
        assert words not in page
