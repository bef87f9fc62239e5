from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from jsonschema import Draft7Validator
from msgspec.structs import replace
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from nerq_cli.facts import AffectingAdvisory, Found, Metadata
from nerq_cli.manifests.sbom import sbom
from nerq_cli.policy.assessment import pack_metadata
from nerq_cli.policy.findings import AppliedWaiver, Finding
from nerq_cli.policy.vex import read_vex
from nerq_cli.report import FORMATS, RenderOptions
from nerq_cli.report.formats import cyclonedx
from nerq_cli.report.model import Assessment, Report

Json: TypeAlias = Any
Golden = Callable[[str, bytes], None]
Assess = Callable[..., Assessment]
Make = Callable[..., Report]
SCHEMAS = Path(__file__).parents[2] / "data" / "schemas"
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
REGISTRY: Registry[Any] = Registry().with_resources(
    [
        (
            f"http://cyclonedx.org/schema/{path.name}",
            Resource.from_contents(json.loads(path.read_bytes()), default_specification=DRAFT7),
        )
        for path in SCHEMAS.glob("*.SNAPSHOT.schema.json")
    ]
)


def document(report: Report, version: str = "") -> Json:
    return json.loads(cyclonedx.render(report, RenderOptions(variant=version)))


def component(report: Report, name: str) -> Json:
    return next(one for one in document(report)["components"] if one["name"] == name)


def properties(part: Json) -> dict[str, str]:
    return {one["name"]: one["value"] for one in part["properties"]}


@pytest.fixture(params=REPORTS)
def any_report(request: pytest.FixtureRequest) -> Report:
    report: Report = request.getfixturevalue(request.param)
    return report


@pytest.mark.parametrize("version", ["1.6", "1.7"])
def test_the_official_schema_accepts_every_report(any_report: Report, version: str) -> None:
    schema = json.loads((SCHEMAS / f"bom-{version}.SNAPSHOT.schema.json").read_bytes())
    content = document(any_report, version)
    Draft7Validator(schema, registry=REGISTRY).validate(content)
    assert content["specVersion"] == version


@pytest.mark.parametrize("version", ["1.6", "1.7"])
def test_the_validator_of_cyclonedx_accepts_every_report(
    read_back: Callable[[str], Any], any_report: Report, version: str
) -> None:
    validation, schema = read_back("cyclonedx.validation.json"), read_back("cyclonedx.schema")
    validator = validation.JsonStrictValidator(schema.SchemaVersion.from_version(version))
    assert validator.validate_str(cyclonedx.render(any_report, RenderOptions(variant=version)).decode()) is None


def test_cyclonedx_python_lib_reads_the_components(read_back: Callable[[str], Any], waived: Report) -> None:
    bom = read_back("cyclonedx.model.bom").Bom.from_json(document(waived))
    assert {one.purl.name for one in bom.components} == {one.dependency.package.name for one in waived.dependencies}
    assert len(bom.vulnerabilities) == len(document(waived)["vulnerabilities"])


@pytest.mark.parametrize("name", ["mixed", "listed", "hostile"])
def test_the_bill_of_materials_reads_as_agreed(request: pytest.FixtureRequest, golden: Golden, name: str) -> None:
    golden(f"formats/{name}.cdx.json", cyclonedx.render(request.getfixturevalue(name), RenderOptions()))


def test_the_formats_have_the_version_of_their_name(calm: Report) -> None:
    for name, version in (("cyclonedx", "1.6"), ("cyclonedx-1.6", "1.6"), ("cyclonedx-1.7", "1.7")):
        assert json.loads(FORMATS[name].render(calm, RenderOptions()))["specVersion"] == version


def test_the_serial_number_is_that_of_the_content(calm: Report, mixed: Report) -> None:
    serial_number = document(calm)["serialNumber"]
    assert serial_number.startswith("urn:uuid:")
    assert serial_number == document(replace(calm, elapsed=9.0))["serialNumber"]
    assert serial_number != document(mixed)["serialNumber"]
    assert serial_number != document(replace(calm, as_of=calm.as_of + 1))["serialNumber"]
    assert document(calm)["metadata"]["timestamp"] == "2026-11-21T02:40:00Z"


def test_a_component_has_its_score_as_properties(findings: Report) -> None:
    found = properties(component(findings, "pillow"))
    assert found["nerq:state"] == "below"
    assert found["nerq:score"] == "65.0"
    assert found["nerq:fix"] == "10.0.1"


def test_what_is_not_known_has_no_property(findings: Report, doubtful: Report) -> None:
    assert "nerq:score" not in properties(component(findings, "celery"))
    assert all("nerq:grade" not in properties(one) for one in document(doubtful)["components"])


def test_scope_and_group_follow_the_dependency(assess: Assess, report_of: Make) -> None:
    one = assess("left-pad", "1.3.0", ecosystem="npm")
    scoped = replace(one.dependency.package, name="@acme/left-pad")
    dependency = replace(one.dependency, package=scoped, groups=("dev", "dev:docs"))
    [found] = document(report_of([replace(one, dependency=dependency)]))["components"]
    assert (found["group"], found["name"], found["purl"]) == ("@acme", "left-pad", "pkg:npm/%40acme/left-pad@1.3.0")
    assert properties(found)["cdx:npm:package:development"] == "true"
    optional = replace(dependency, groups=("extra:socks",))
    [found] = document(report_of([replace(one, dependency=optional)]))["components"]
    assert found["scope"] == "optional"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"licence_expression": "mit or apache-2.0"}, [{"expression": "MIT OR Apache-2.0"}]),
        ({"licence_expression": "SEE LICENSE IN x"}, [{"license": {"name": "SEE LICENSE IN x"}}]),
        ({"licence_text": "Apache 2.0"}, [{"expression": "Apache-2.0"}]),
        ({"licence_classifiers": ("License :: OSI Approved :: BSD License",)}, [{"license": {"name": "BSD License"}}]),
        ({"licence_expression": "", "licence_text": ""}, None),
        ({}, None),
    ],
)
def test_a_licence_is_an_expression_or_a_name(
    assess: Assess, report_of: Make, fields: dict[str, Any], expected: list[Json] | None
) -> None:
    found = replace(assess("x"), packed_metadata=pack_metadata(Found(Metadata(version="1", **fields), "PyPI", 1)))
    [one] = document(report_of([found]))["components"]
    licences = one.get("licenses")
    for licence in licences or ():
        assert (licence.pop("acknowledgement", None) or licence["license"].pop("acknowledgement")) == "declared"
    assert licences == expected


def chain(assess: Assess) -> list[Assessment]:
    """A requires b; b requires c of which there are two versions in two files."""

    def place(one: Assessment, path: str, **changes: Any) -> Assessment:
        locations = tuple(replace(location, path=path) for location in one.dependency.locations)
        return replace(one, dependency=replace(one.dependency, locations=locations, **changes))

    return [
        place(assess("a", "1"), "x/uv.lock"),
        place(assess("b", "1"), "x/uv.lock", direct=False, parents=("A",)),
        place(assess("c", "1"), "x/uv.lock", direct=False, parents=("b",)),
        place(assess("c", "2"), "y/uv.lock"),
        place(assess("d", "1"), "y/uv.lock", direct=False, parents=("c",)),
    ]


def test_dependencies_are_the_edges_of_the_lock_files(assess: Assess, report_of: Make) -> None:
    edges = {one["ref"]: one["dependsOn"] for one in document(report_of(chain(assess)))["dependencies"]}
    assert edges == {
        cyclonedx.ROOT_REF: ["pkg:pypi/a@1", "pkg:pypi/c@2"],
        "pkg:pypi/a@1": ["pkg:pypi/b@1"],
        "pkg:pypi/b@1": ["pkg:pypi/c@1"],
        "pkg:pypi/c@1": [],
        "pkg:pypi/c@2": ["pkg:pypi/d@1"],
        "pkg:pypi/d@1": [],
    }


def test_an_edge_that_may_be_of_two_versions_is_left_out_and_the_list_is_incomplete(
    assess: Assess, report_of: Make
) -> None:
    dependencies = chain(assess)
    places = (*dependencies[2].dependency.locations, *dependencies[3].dependency.locations)
    dependencies[4] = replace(dependencies[4], dependency=replace(dependencies[4].dependency, locations=places))
    content = document(report_of(dependencies))
    assert all("pkg:pypi/d@1" not in one["dependsOn"] for one in content["dependencies"])
    assert content["compositions"][0]["aggregate"] == "incomplete"
    assert properties(content["components"][4])["nerq:parent"] == "c"


def test_only_a_complete_run_over_lock_files_claims_a_complete_list(
    calm: Report, doubtful: Report, broken: Report
) -> None:
    def aggregate(report: Report) -> str:
        [composition] = document(report)["compositions"]
        return str(composition["aggregate"])

    locked = replace(calm, dependency_files=tuple(replace(file, lockfile="uv.lock") for file in calm.dependency_files))
    assert aggregate(locked) == "complete"
    assert aggregate(calm) == "unknown"
    assert aggregate(doubtful) == "incomplete"
    assert aggregate(broken) == "incomplete"
    assert aggregate(replace(locked, warnings=("pyproject.toml: dependencies are dynamic: not listed here",))) == (
        "incomplete"
    )


def test_a_vulnerability_has_what_the_advisory_has(findings: Report) -> None:
    [found] = [one for one in document(findings)["vulnerabilities"] if one["id"] == "GHSA-56pw-mpj4-fxww"]
    assert found["source"]["name"] == "GitHub Advisories"
    assert [one["id"] for one in found["references"]] == ["CVE-2023-4863", "PYSEC-2023-175"]
    assert found["ratings"][0]["severity"] == "high"
    assert found["recommendation"] == "upgrade to 10.0.1 or a later fixed version"
    assert found["affects"] == [
        {"ref": "pkg:pypi/pillow@9.5.0", "versions": [{"version": "9.5.0", "status": "affected"}]}
    ]
    assert properties(found) == {"nerq:known-exploited": "false", "nerq:epss": "0.02"}
    assert "analysis" not in found


def test_only_a_waiver_gives_an_analysis_and_none_claims_not_to_be_affected(waived: Report) -> None:
    analyses = {one["id"]: one["analysis"] for one in document(waived)["vulnerabilities"] if "analysis" in one}
    assert analyses == {
        "GHSA-56pw-mpj4-fxww": {
            "state": "exploitable",
            "detail": "no input reaches it; accepted until 2026-12-31; by web team",
        }
    }


@pytest.mark.parametrize(
    ("fields", "expected", "version_status"),
    [
        ({}, {"state": "exploitable", "detail": "r; accepted until 2027-01-31; by ann"}, "affected"),
        ({"status": "affected"}, {"state": "exploitable"}, "affected"),
        (
            {"status": "not_affected", "justification": "vulnerable_code_not_in_execute_path"},
            {"state": "not_affected", "justification": "code_not_reachable"},
            "affected",
        ),
        (
            {"status": "not_affected", "justification": "component_not_present"},
            {"state": "not_affected", "justification": "code_not_present"},
            "affected",
        ),
        (
            {"status": "not_affected", "justification": "inline_mitigations_already_exist"},
            {"state": "not_affected", "justification": "protected_by_mitigating_control"},
            "affected",
        ),
        (
            {"status": "not_affected", "justification": "vulnerable_code_cannot_be_controlled_by_adversary"},
            {
                "state": "not_affected",
                "detail": "vulnerable_code_cannot_be_controlled_by_adversary; r; accepted until 2027-01-31; by ann",
            },
            "affected",
        ),
        ({"status": "not_affected", "reason": "no call of it"}, {"state": "not_affected"}, "affected"),
        ({"status": "fixed"}, {"state": "resolved"}, "unaffected"),
        ({"status": "under_investigation"}, {"state": "in_triage"}, "affected"),
        (
            {"status": "fixed", "until": "", "owner": "", "author": "acme"},
            {"state": "resolved", "detail": "r; by acme"},
            "unaffected",
        ),
    ],
)
def test_the_analysis_is_what_the_waiver_states(
    assess: Assess, report_of: Make, fields: dict[str, Any], expected: Json, version_status: str
) -> None:
    record = AffectingAdvisory(id="GHSA-1-1", aliases=("CVE-2026-1",), severity="high")
    waiver = AppliedWaiver(**{"reason": "r", "until": "2027-01-31", "owner": "ann", **fields})
    finding = Finding(id="vulnerability", text="t", purl="pkg:pypi/demo@1.0", advisory="CVE-2026-1", waiver=waiver)
    report = replace(report_of([assess("demo", "1.0", advisories=(record,))]), findings=(finding,))
    [found] = document(report)["vulnerabilities"]
    assert {key: found["analysis"].get(key) for key in expected} == expected
    assert ("justification" in found["analysis"]) == ("justification" in expected)
    assert found["affects"][0]["versions"] == [{"version": "1.0", "status": version_status}]


def test_nerq_reads_the_decisions_of_its_own_bill_of_materials(assess: Assess, report_of: Make) -> None:
    record = AffectingAdvisory(id="GHSA-1-1", severity="high")
    waiver = AppliedWaiver(reason="r", status="not_affected", justification="vulnerable_code_not_in_execute_path")
    finding = Finding(id="vulnerability", text="t", purl="pkg:pypi/demo@1.0", advisory="GHSA-1-1", waiver=waiver)
    report = replace(report_of([assess("demo", "1.0", advisories=(record,))]), findings=(finding,))
    [read] = read_vex(cyclonedx.render(report, RenderOptions()), "bom.cdx.json").waivers
    assert (read.waives, read.status, read.justification) == (True, waiver.status, waiver.justification)


def test_a_comparison_is_properties_of_the_run_and_of_components(compared: Report, findings: Report) -> None:
    found = [(one["name"], one["value"]) for one in document(compared)["metadata"]["properties"]]
    assert [(name, value) for name, value in found if name.startswith("nerq:comparison:")] == [
        ("nerq:comparison:baseline", "main at 1a2b3c4d5"),
        ("nerq:comparison:dependencies", "2 added, 1 downgraded, 1 rescored, 1 removed, 8 unchanged"),
        ("nerq:comparison:findings", "8 new, 7 known, as before"),
        ("nerq:comparison:removed", "pypi:idna 2.31.0"),
    ]
    assert properties(component(compared, "django"))["nerq:change"] == "downgraded from 5.0"
    assert "nerq:change" not in properties(component(compared, "attrs"))
    assert "nerq:change" not in json.dumps(document(findings))


def test_no_version_and_no_fix_claim_nothing(assess: Assess, report_of: Make) -> None:
    one = assess("celery", None, requirement=">=99", first_reason="no version satisfies >=99")
    content = document(report_of([one]))
    [found] = content["components"]
    assert "version" not in found
    assert content["compositions"][0]["aggregate"] == "incomplete"


def test_bom_refs_are_unique(any_report: Report) -> None:
    content = document(any_report)
    refs = [one["bom-ref"] for one in content["components"]] + [one["bom-ref"] for one in content["vulnerabilities"]]
    assert len(set(refs)) == len(refs)


def test_two_dependencies_of_one_package_url_have_two_refs(assess: Assess, report_of: Make) -> None:
    one, other = (assess("celery", None, requirement=text, first_reason="x") for text in (">=99", ">=98"))
    refs = [part["bom-ref"] for part in document(report_of([one, other]))["components"]]
    assert refs == ["pkg:pypi/celery", "pkg:pypi/celery#2"]


def test_nerq_reads_its_own_bill_of_materials(assess: Assess, report_of: Make) -> None:
    text = cyclonedx.render(report_of(chain(assess)), RenderOptions()).decode()
    file = sbom.read(text, "bom.cdx.json")
    assert file.problems == ()
    assert {(one.name, one.version) for one in file.locked_packages} == {
        ("a", "1"),
        ("b", "1"),
        ("c", "1"),
        ("c", "2"),
        ("d", "1"),
    }
    assert file.importers is not None
    assert {edge.target for edge in file.importers[0].edges} == {"pkg:pypi/a@1", "pkg:pypi/c@2"}


def test_links_are_addresses_on_the_web(attack: Report) -> None:
    for one in document(attack)["components"]:
        assert [link["type"] for link in one["externalReferences"]] == ["release-notes"]
    for one in document(attack)["vulnerabilities"]:
        for advisory in one["advisories"]:
            assert advisory["url"].startswith("https://")
            assert not set(advisory["url"]) & set('<>"|` ')


def test_a_compact_document_has_the_same_content(calm: Report) -> None:
    compact = cyclonedx.render(calm, RenderOptions(compact=True))
    assert json.loads(compact) == document(calm)
    assert compact.count(b"\n") == 1
