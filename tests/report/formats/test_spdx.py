from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from msgspec.structs import replace

from nerq_cli.facts import Found, Metadata
from nerq_cli.manifests.sbom import sbom
from nerq_cli.policy.assessment import pack_metadata
from nerq_cli.report import RenderOptions
from nerq_cli.report.formats import spdx
from nerq_cli.report.model import Assessment, Report

Json: TypeAlias = Any
Golden = Callable[[str, bytes], None]
Assess = Callable[..., Assessment]
Make = Callable[..., Report]
REPORTS = [
    "mixed",
    "calm",
    "doubtful",
    "broken",
    "listed",
    "empty",
    "hostile",
    "everything",
    "waived",
    "attack",
    "compared",
    "models",
    "hostile_models",
]


def document(report: Report) -> Json:
    return json.loads(spdx.render(report, RenderOptions()))


def package(report: Report, name: str) -> Json:
    return next(one for one in document(report)["packages"] if one["name"] == name)


def relations(report: Report) -> list[tuple[str, str, str]]:
    return [
        (one["spdxElementId"], one["relationshipType"], one["relatedSpdxElement"])
        for one in document(report)["relationships"]
    ]


@pytest.fixture(params=REPORTS)
def any_report(request: pytest.FixtureRequest) -> Report:
    report: Report = request.getfixturevalue(request.param)
    return report


def test_spdx_tools_finds_every_report_valid(
    read_back: Callable[[str], Any], tmp_path: Path, any_report: Report
) -> None:
    parser = read_back("spdx_tools.spdx.parser.parse_anything")
    validator = read_back("spdx_tools.spdx.validation.document_validator")
    path = tmp_path / "bom.spdx.json"
    path.write_bytes(spdx.render(any_report, RenderOptions()))
    read = parser.parse_file(str(path))
    assert validator.validate_full_spdx_document(read) == []
    assert len(read.packages) == len(any_report.dependencies) + 1


@pytest.mark.parametrize("name", ["mixed", "listed"])
def test_the_document_reads_as_agreed(request: pytest.FixtureRequest, golden: Golden, name: str) -> None:
    golden(f"formats/{name}.spdx.json", spdx.render(request.getfixturevalue(name), RenderOptions()))


def test_a_document_has_what_the_specification_requires(any_report: Report) -> None:
    content = document(any_report)
    assert content["spdxVersion"] == "SPDX-2.3"
    assert content["dataLicense"] == "CC0-1.0"
    assert content["SPDXID"] == "SPDXRef-DOCUMENT"
    assert content["creationInfo"]["created"] == "2026-11-21T02:40:00Z"
    ids = [one["SPDXID"] for one in content["packages"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", one) for one in ids)
    known = {"SPDXRef-DOCUMENT", "NOASSERTION", "NONE", *ids}
    assert all({source, target} <= known for source, _, target in relations(any_report))
    for one in content["packages"]:
        assert one["downloadLocation"] == "NOASSERTION"
        assert one["filesAnalyzed"] is False


def test_the_namespace_is_that_of_the_content(calm: Report, mixed: Report) -> None:
    namespace = document(calm)["documentNamespace"]
    assert namespace == document(replace(calm, elapsed=9.0))["documentNamespace"]
    assert namespace != document(mixed)["documentNamespace"]
    assert "#" not in namespace


def test_a_package_has_its_package_url_and_its_advisories(findings: Report) -> None:
    references = package(findings, "pillow")["externalRefs"]
    assert references[0] == {
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": "pkg:pypi/pillow@9.5.0",
    }
    assert references[1]["referenceType"] == "advisory"
    assert references[1]["referenceLocator"] == "https://advisories.example/GHSA-56pw-mpj4-fxww"


def test_the_score_is_an_annotation(findings: Report, listed: Report) -> None:
    [annotation] = package(findings, "pillow")["annotations"]
    assert annotation["annotator"] == "Tool: nerq-cli"
    assert annotation["comment"].startswith("state below; scores 65.0 of 100; ")
    assert "annotations" not in package(listed, "pillow")


def test_a_comparison_is_annotations_of_the_document_and_of_packages(compared: Report, findings: Report) -> None:
    comments = [one["comment"] for one in document(compared)["annotations"]]
    assert comments == [
        (
            "compared with main at 1a2b3c4d5: 2 added, 1 downgraded, 1 rescored, 1 removed, 8 unchanged; "
            "findings: 8 new, 7 known, as before"
        ),
        "removed: pypi:idna 2.31.0",
    ]
    assert [one["comment"] for one in package(compared, "django")["annotations"]][1:] == ["change: downgraded from 5.0"]
    assert len(package(compared, "attrs")["annotations"]) == 1
    assert "annotations" not in document(findings)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (None, "NOASSERTION"),
        ({}, "NOASSERTION"),
        ({"licence_expression": "", "licence_text": ""}, "NONE"),
        ({"licence_expression": "mit or apache-2.0"}, "MIT OR Apache-2.0"),
        ({"licence_expression": "LicenseRef-acme"}, "LicenseRef-acme"),
    ],
)
def test_no_licence_differs_from_one_that_is_not_known(
    assess: Assess, report_of: Make, fields: dict[str, Any] | None, expected: str
) -> None:
    found = b"" if fields is None else pack_metadata(Found(Metadata(version="1", **fields), "PyPI", 1))
    report = report_of([replace(assess("x"), packed_metadata=found)])
    assert package(report, "x")["licenseDeclared"] == expected
    assert package(report, "x")["licenseConcluded"] == "NOASSERTION"
    extracted = [one["licenseId"] for one in document(report).get("hasExtractedLicensingInfos", [])]
    assert extracted == [expected] * expected.startswith("LicenseRef-")


def test_any_other_licence_text_is_extracted_once(assess: Assess, report_of: Make) -> None:
    found = pack_metadata(Found(Metadata(version="1", licence_text="Acme's own terms"), "PyPI", 1))
    report = report_of([replace(assess(name), packed_metadata=found) for name in ("x", "y")])
    [extracted] = document(report)["hasExtractedLicensingInfos"]
    assert extracted["extractedText"] == "Acme's own terms"
    assert package(report, "x")["licenseDeclared"] == extracted["licenseId"] == package(report, "y")["licenseDeclared"]


def test_relationships_follow_the_groups(assess: Assess, report_of: Make) -> None:
    def grouped(name: str, group: str, **changes: Any) -> Assessment:
        one = assess(name, "1")
        return replace(one, dependency=replace(one.dependency, groups=(group,), **changes))

    found = relations(
        report_of(
            [
                grouped("a", "main"),
                grouped("b", "dev:docs"),
                grouped("c", "extra:socks"),
                grouped("d", "main", direct=False, parents=("a",)),
            ]
        )
    )
    assert found == [
        ("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-project"),
        ("SPDXRef-project", "DEPENDS_ON", "SPDXRef-pypi-a-1"),
        ("SPDXRef-pypi-b-1", "DEV_DEPENDENCY_OF", "SPDXRef-project"),
        ("SPDXRef-pypi-c-1", "OPTIONAL_DEPENDENCY_OF", "SPDXRef-project"),
        ("SPDXRef-pypi-a-1", "DEPENDS_ON", "SPDXRef-pypi-d-1"),
    ]


def test_a_list_that_may_lack_something_depends_on_what_is_not_asserted(
    calm: Report, doubtful: Report, broken: Report, empty: Report
) -> None:
    open_end = ("SPDXRef-project", "DEPENDS_ON", "NOASSERTION")
    assert open_end not in relations(calm)
    assert open_end in relations(doubtful)
    assert open_end in relations(broken)
    assert ("SPDXRef-project", "DEPENDS_ON", "NONE") in relations(empty)


def test_nerq_reads_its_own_document(mixed: Report) -> None:
    file = sbom.read(spdx.render(mixed, RenderOptions()).decode(), "bom.spdx.json")
    assert file.problems == ()
    assert {one.name for one in file.locked_packages} == {one.dependency.package.name for one in mixed.dependencies}
