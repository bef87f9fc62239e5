"""VEX documents: what each statement says about which package, and what is malformed."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.ecosystems import NPM
from nerq_cli.errors import ConfigError, ExitStatus
from nerq_cli.inventory import Package
from nerq_cli.policy.vex import (
    JUSTIFICATIONS,
    PROJECT_REF,
    OwnProduct,
    VexDocument,
    merge_documents,
    read_vex,
    select_products,
)
from nerq_cli.policy.waivers import Waiver
from nerq_cli.report.formats.cyclonedx import ROOT_REF


def openvex(*statements: Any, **more: Any) -> dict[str, Any]:
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "urn:example:1",
        "author": "acme",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        "statements": list(statements),
    }
    return document | more


def state(status: str = "not_affected", product: Any = "pkg:pypi/demo@1.0", **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "vulnerability": {"name": "CVE-2026-1"},
        "products": [{"@id": product} if isinstance(product, str) else product],
        "status": status,
    }
    if status == "not_affected":
        fields["justification"] = JUSTIFICATIONS[0]
    return fields | more


def cyclonedx(*vulnerabilities: Any, **more: Any) -> dict[str, Any]:
    component = {
        "type": "library",
        "bom-ref": "outer",
        "purl": "pkg:pypi/outer@3",
        "components": [{"bom-ref": "ref-1", "purl": "pkg:pypi/demo@1.0"}],
    }
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"timestamp": "2026-01-01T00:00:00Z", "authors": [{"name": "ann"}]},
        "components": [component],
        "vulnerabilities": list(vulnerabilities),
    }
    return document | more


def analyse(state_: str = "not_affected", ref: str = "ref-1", **more: Any) -> dict[str, Any]:
    analysis = {"state": state_, **more.pop("analysis", {})}
    return {"id": "CVE-2026-1", "analysis": analysis, "affects": [{"ref": ref, **more.pop("affected", {})}], **more}


def read(document: Any) -> VexDocument:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_vex(content, "a.json")


def only(document: Any) -> Waiver:
    [waiver] = read(document).waivers
    return waiver


def problems(document: Any) -> list[str]:
    with pytest.raises(ConfigError) as failure:
        read(document)
    assert failure.value.exit == ExitStatus.USAGE
    assert all(problem.path == "a.json" for problem in failure.value.problems)
    return [problem.message for problem in failure.value.problems]


def test_an_openvex_statement() -> None:
    vulnerability = {"name": "CVE-2026-1", "aliases": ["GHSA-1-1", "CVE-2026-1"]}
    waiver = only(
        openvex(state(vulnerability=vulnerability, impact_statement="removed  by\na patch", status_notes="n"))
    )
    assert (waiver.package, waiver.version, waiver.advisories) == ("pypi:demo", "1.0", ("CVE-2026-1", "GHSA-1-1"))
    assert waiver.reason == "component_not_present: removed by a patch: n"
    assert (waiver.status, waiver.justification, waiver.author, waiver.waives) == (
        "not_affected",
        "component_not_present",
        "acme",
        True,
    )
    assert (waiver.until, waiver.rule) == ("", "")


@pytest.mark.parametrize(
    ("status", "waives"), [("not_affected", True), ("fixed", True), ("affected", False), ("under_investigation", False)]
)
def test_which_statuses_waive(status: str, *, waives: bool) -> None:
    assert only(openvex(state(status))).waives is waives


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        ("pkg:pypi/Demo", ("pypi:demo", "")),
        ("pkg:npm/%40acme/x@1.0.0", ("npm:@acme/x", "1.0.0")),
        ({"@id": "urn:1", "identifiers": {"purl": "pkg:pypi/demo@2"}}, ("pypi:demo", "2")),
        ({"@id": "urn:1", "subcomponents": [{"@id": "pkg:pypi/demo@2"}]}, ("pypi:demo", "2")),
    ],
)
def test_products(product: Any, expected: tuple[str, str]) -> None:
    waiver = only(openvex(state(product=product)))
    assert (waiver.package, waiver.version) == expected
    assert waiver.product == ("" if isinstance(product, str) or "subcomponents" not in product else "urn:1")


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ({"@id": "pkg:pypi/Framework@1"}, "pkg:pypi/framework@1"),
        ({"@id": "https://vendor.example/app", "identifiers": {"purl": "pkg:npm/app@3.0.0"}}, "pkg:npm/app@3.0.0"),
        ({"@id": "pkg:oci/image@sha256%3Aa"}, "pkg:oci/image@sha256%3Aa"),
        ({}, "(no name)"),
    ],
)
def test_a_subcomponent_is_limited_to_its_product(product: dict[str, Any], name: str) -> None:
    product = {**product, "subcomponents": [{"identifiers": {"purl": "pkg:pypi/demo@2"}}]}
    waiver = only(openvex(state(product=product)))
    assert (waiver.product, waiver.package, waiver.version) == (name, "pypi:demo", "2")


@pytest.mark.parametrize(
    ("component", "name"),
    [
        ({"bom-ref": "r", "purl": "pkg:npm/app@3.0.0"}, "pkg:npm/app@3.0.0"),
        ({"bom-ref": "r", "name": "image", "version": "1"}, "image@1"),
        ({"group": "@acme", "name": "app"}, "@acme/app"),
        ({"bom-ref": PROJECT_REF, "name": "project"}, ""),
        ({"bom-ref": "r", "purl": "pkg:pypi/demo@1.0"}, ""),
        ({"type": "application"}, "(no name)"),
    ],
)
def test_a_cyclonedx_document_is_about_its_component(component: dict[str, Any], name: str) -> None:
    assert only(cyclonedx(analyse(), metadata={"component": component})).product == name
    assert PROJECT_REF == ROOT_REF


@pytest.mark.parametrize(
    ("product", "directories"),
    [
        ("", [""]),
        ("pkg:npm/app", [""]),
        ("pkg:npm/app@3.0.0", [""]),
        ("pkg:npm/app@3.0.1", []),
        ("app@3.0.0", [""]),
        ("app@2", []),
        ("@acme/web", ["web"]),
        ("pkg:npm/%40acme/web", ["web"]),
        ("pkg:npm/%40acme/web@1.0.0", []),  # whether it is this version is not known
        ("pkg:pypi/app", []),
        ("pkg:oci/image@sha256%3Aa", [""]),
        ("https://vendor.example/app", []),
    ],
)
def test_statements_on_parts_of_products(product: str, directories: list[str]) -> None:
    own = [
        OwnProduct(Package(ecosystem=NPM, name="app"), "3.0.0", ""),
        OwnProduct(Package(ecosystem=NPM, name="@acme/web"), "", "web"),
    ]
    waiver = Waiver(package="pypi:demo", advisories=("CVE-2026-1",), reason="r", product=product)
    selected, others = select_products([waiver], own, ["pkg:oci/image"])
    assert [entry.directory for entry in selected] == directories
    assert not any(entry.product for entry in selected)
    assert others == ({} if directories else {product: 1})


@pytest.mark.parametrize("product", ["pkg:pypi/*", "pkg:oci/app", "urn:uuid:1", "pkg:pypi", "pkg:npm/a%3F"])
def test_what_is_no_package_of_an_ecosystem_waives_nothing(product: str) -> None:
    document = read(openvex(state(product=product)))
    assert (document.waivers, document.foreign_count) == ((), 1)


def test_statements_are_in_the_order_of_their_time_and_of_one_moment_those_about_a_version_come_last() -> None:
    late = state("affected", timestamp="2026-03-01T00:00:00.123456789+02:00")
    early = state("fixed", product="pkg:pypi/demo@1", timestamp="2026-02-01T00:00:00Z")
    general = state("under_investigation", product="pkg:pypi/demo")
    exact = state("not_affected")
    document = read(openvex(late, exact, early, general))
    assert [waiver.status for waiver in document.waivers] == [
        "under_investigation",
        "not_affected",
        "fixed",
        "affected",
    ]
    other = read(openvex(state("fixed"), timestamp="2026-02-15T00:00:00Z", author="b"))
    assert [waiver.author for waiver in merge_documents([document, other])] == ["acme", "acme", "acme", "b", "acme"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        ([], "is no VEX document"),
        ({"@context": "https://openvex.dev/ns/v9.9.9", "statements": []}, "is no VEX document"),
        (openvex(statements=None), "statements must be a list"),
        (openvex(1), "statements[0] must be an object"),
        (openvex(author=""), "the document has no author"),
        (openvex(timestamp=None), "the document has no timestamp"),
        (openvex(timestamp="yesterday"), "timestamp is no time"),
        (openvex(timestamp="2026-99-01T00:00:00Z"), "timestamp is no time"),
        (openvex(state("odd")), "statements[0].status must be one of"),
        (openvex(state(vulnerability={})), "statements[0].vulnerability has no name"),
        (openvex(state(vulnerability={"name": "x", "aliases": 1})), "aliases must be a list of texts"),
        (openvex(state(justification="because")), "statements[0].justification must be one of"),
        (openvex(state(justification="")), "has neither a justification nor an impact_statement"),
        (openvex(state(products=[1])), "statements[0].products must be a list of products"),
        (cyclonedx(vulnerabilities={}), "vulnerabilities must be a list"),
        (cyclonedx(1), "vulnerabilities[0] must be an object"),
        (cyclonedx(analyse("odd")), "vulnerabilities[0].analysis.state must be one of"),
        (cyclonedx(analyse(id="")), "vulnerabilities[0] has no id"),
        (cyclonedx(analyse(analysis={"justification": "x"})), "vulnerabilities[0].analysis.justification must be"),
        (cyclonedx(analyse(affects=[{}])), "vulnerabilities[0].affects has an entry without ref"),
    ],
)
def test_what_is_malformed_is_named(document: Any, message: str) -> None:
    assert any(message in text for text in problems(document))


def test_every_problem_is_reported_at_once() -> None:
    assert len(problems(openvex(state("odd"), state(vulnerability={}), author=""))) == 3
    assert len(problems(openvex(*[state("odd")] * 50))) == 20


def test_a_statement_without_products_waives_nothing() -> None:
    assert read(openvex(state(products=[]))) == VexDocument()


@pytest.mark.parametrize(
    ("status", "openvex_status", "waives"),
    [
        ("not_affected", "not_affected", True),
        ("false_positive", "not_affected", True),
        ("resolved", "fixed", True),
        ("resolved_with_pedigree", "fixed", True),
        ("exploitable", "affected", False),
        ("in_triage", "under_investigation", False),
    ],
)
def test_states_of_cyclonedx(status: str, openvex_status: str, *, waives: bool) -> None:
    waiver = only(cyclonedx(analyse(status)))
    assert (waiver.package, waiver.version, waiver.author) == ("pypi:demo", "1.0", "ann")
    assert (waiver.status, waiver.waives, waiver.reason) == (openvex_status, waives, status)


def test_a_cyclonedx_analysis() -> None:
    analysis = {"justification": "code_not_reachable", "detail": "never called", "response": ["will_not_fix"]}
    waiver = only(cyclonedx(analyse(analysis=analysis, references=[{"id": "GHSA-1-1", "source": {}}])))
    assert waiver.reason == "code_not_reachable: never called"
    assert waiver.justification == "vulnerable_code_not_in_execute_path"
    assert waiver.advisories == ("CVE-2026-1", "GHSA-1-1")
    other = only(cyclonedx(analyse(analysis={"justification": "requires_configuration"})))
    assert (other.justification, other.reason) == ("", "requires_configuration")


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("pkg:npm/left@1.0.0", ("npm:left", "1.0.0")),
        ("urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#ref-1", ("pypi:demo", "1.0")),
        ("urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg%3Apypi%2Fother%402", ("pypi:other", "2")),
        ("outer", ("pypi:outer", "3")),
    ],
)
def test_references_of_cyclonedx(ref: str, expected: tuple[str, str]) -> None:
    waiver = only(cyclonedx(analyse(ref=ref)))
    assert (waiver.package, waiver.version) == expected


def test_versions_of_cyclonedx() -> None:
    versions = [{"version": "1.0"}, {"version": "1.1"}, {"range": "vers:pypi/<1.0"}]
    affected = {"versions": versions}
    document = read(cyclonedx(analyse(ref="pkg:pypi/demo", affected=affected)))
    assert [waiver.version for waiver in document.waivers] == ["1.0", "1.1"]
    assert document.foreign_count == 1
    document = read(cyclonedx(analyse("exploitable", ref="pkg:pypi/demo", affected=affected)))
    assert sorted(waiver.version for waiver in document.waivers) == ["", "1.0", "1.1"]


def test_a_vulnerability_without_an_analysis_decides_nothing() -> None:
    assert read(cyclonedx({"id": "CVE-1-1"}, {"id": "CVE-1-2", "analysis": {"detail": "x"}})).waivers == ()


def test_an_unknown_author_is_empty_and_a_supplier_is_one() -> None:
    assert only(cyclonedx(analyse(), metadata={})).author == ""
    assert only(cyclonedx(analyse(), metadata={"supplier": {"name": "acme"}})).author == "acme"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["pkg:pypi/demo", "not_affected"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["@id", "name", "status", "state", "id", "analysis", "ref", "purl", "vulnerability", "products"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=3))
def test_reading_raises_one_kind_of_error_only(parts: list[Any]) -> None:
    for document in (
        openvex(*parts),
        cyclonedx(*parts),
        cyclonedx(components=parts, metadata={"authors": parts}),
        openvex(state(product={"@id": parts, "identifiers": parts, "subcomponents": parts})),
    ):
        with suppress(ConfigError):
            read(document)
