from __future__ import annotations

import json
import time
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.inventory import DependencyFile, Edge, Importer, LockedPackage
from nerq_cli.manifests.sbom import components as bill
from nerq_cli.manifests.sbom.components import EXCLUDED, NO_SOURCE, NO_VERSION, PRIVATE
from nerq_cli.manifests.sbom.sbom import matches, read

CYCLONEDX = """\
{
  "bomFormat": "CycloneDX",
  "specVersion": "1.6",
  "metadata": {
    "component": {"bom-ref": "app", "type": "application", "name": "acme", "purl": "pkg:pypi/Acme_App@1.0"},
    "tools": {"components": [{"bom-ref": "tool", "name": "maker", "purl": "pkg:pypi/maker@1"}]}
  },
  "components": [
    {
      "bom-ref": "r", "name": "requests", "version": "2.31.0", "purl": "pkg:pypi/Requests@2.31.0",
      "hashes": [{"alg": "SHA-256", "content": "00"}]
    },
    {
      "bom-ref": "c", "group": "@babel", "name": "core", "purl": "pkg:npm/%40babel/core@7.24.0", "scope": "optional",
      "components": [
        {"bom-ref": "n", "name": "nested", "version": "1.0.0", "purl": "pkg:npm/nested"}
      ]
    },
    {"bom-ref": "x", "name": "left", "purl": "pkg:npm/left@1.0.0", "scope": "excluded"},
    {"bom-ref": "m", "name": "member", "purl": "pkg:maven/org.acme/member@1.0"},
    {"name": "file.txt", "type": "file"}
  ],
  "services": [{"bom-ref": "s", "name": "service"}],
  "dependencies": [
    {"ref": "app", "dependsOn": ["r", "m", "s"]},
    {"ref": "m", "dependsOn": ["c"]},
    {"ref": "r", "dependsOn": ["n", "n"]},
    {"ref": "n"}
  ]
}
"""

XML = """\
<?xml version="1.0" encoding="UTF-8"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.4">
  <metadata><component type="application" bom-ref="app"><name>acme</name></component></metadata>
  <components>
    <component type="library" bom-ref="r">
      <name>requests</name><version>2.31.0</version>
      <hashes><hash alg="SHA-256">00</hash></hashes>
      <purl>pkg:pypi/requests@2.31.0</purl>
      <components>
        <component type="library" bom-ref="n">
          <name>nested</name><version>1.0.0</version><scope>optional</scope><purl>pkg:npm/nested@1.0.0</purl>
          <properties><property name="cdx:npm:package:development">true</property></properties>
        </component>
      </components>
    </component>
  </components>
  <dependencies>
    <dependency ref="app"><dependency ref="r"/></dependency>
    <dependency ref="r"><dependency ref="n"/></dependency>
  </dependencies>
</bom>
"""

SPDX_2 = """\
{
  "spdxVersion": "SPDX-2.3",
  "SPDXID": "SPDXRef-DOCUMENT",
  "packages": [
    {"SPDXID": "SPDXRef-app", "name": "acme", "versionInfo": "1.0"},
    {
      "SPDXID": "SPDXRef-r", "name": "requests", "versionInfo": "2.31.0",
      "checksums": [{"algorithm": "SHA256", "checksumValue": "00"}],
      "externalRefs": [
        {"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:x"},
        {"referenceType": "purl", "referenceLocator": "pkg:pypi/requests@2.31.0"}
      ]
    },
    {"SPDXID": "SPDXRef-t", "name": "pytest", "versionInfo": ">= 8",
     "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:pypi/pytest"}]},
    {"SPDXID": "SPDXRef-i", "name": "idna", "versionInfo": "3.7",
     "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:pypi/idna@3.7"}]}
  ],
  "files": [{"SPDXID": "SPDXRef-file"}],
  "relationships": [
    {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-app"},
    {"spdxElementId": "SPDXRef-app", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "SPDXRef-r"},
    {"spdxElementId": "SPDXRef-t", "relationshipType": "DEV_DEPENDENCY_OF", "relatedSpdxElement": "SPDXRef-app"},
    {"spdxElementId": "SPDXRef-i", "relationshipType": "DEPENDENCY_OF", "relatedSpdxElement": "SPDXRef-r"},
    {"spdxElementId": "SPDXRef-i", "relationshipType": "TEST_DEPENDENCY_OF", "relatedSpdxElement": "SPDXRef-t"},
    {"spdxElementId": "SPDXRef-i", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-file"},
    {"spdxElementId": "SPDXRef-i", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "NOASSERTION"},
    {"spdxElementId": "SPDXRef-i", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "DocumentRef-a:SPDXRef-b"}
  ]
}
"""

SPDX_3 = """\
{
  "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
  "@graph": [
    {"type": "SpdxDocument", "spdxId": "urn:doc", "rootElement": ["urn:bom"]},
    {"type": "software_Sbom", "spdxId": "urn:bom", "rootElement": ["urn:app"]},
    {"type": "software_Package", "spdxId": "urn:app", "name": "acme"},
    {"type": "software_Package", "spdxId": "urn:r", "name": "requests", "software_packageVersion": "2.31.0",
     "software_packageUrl": "pkg:pypi/requests@2.31.0", "verifiedUsing": [{"type": "Hash"}]},
    {"type": "software_Package", "spdxId": "urn:l", "name": "lodash",
     "externalIdentifier": [{"externalIdentifierType": "packageUrl", "identifier": "pkg:npm/lodash@4.17.21"}]},
    {"type": "Relationship", "relationshipType": "dependsOn", "from": "urn:app", "to": ["urn:r"]},
    {"type": "LifecycleScopedRelationship", "relationshipType": "dependsOn", "scope": "test",
     "from": "urn:app", "to": ["urn:l"]},
    {"type": "Relationship", "relationshipType": "hasOptionalDependency", "from": "urn:r", "to": ["urn:l"]},
    {"type": "Relationship", "relationshipType": "contains", "from": "urn:r", "to": ["urn:l"]}
  ]
}
"""


def cyclonedx(*components: dict[str, Any], **others: Any) -> DependencyFile:
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": list(components), **others}
    return read(json.dumps(document), "bom.json")


def one(**component: Any) -> LockedPackage:
    manifest = cyclonedx(component)
    assert manifest.problems == ()
    [locked] = manifest.locked_packages
    return locked


def test_cyclonedx_in_json_is_read_with_its_lines() -> None:
    manifest = read(CYCLONEDX, "bom.json")
    assert [(p.ecosystem, p.name, p.version, p.location.line) for p in manifest.locked_packages] == [
        ("PyPI", "requests", "2.31.0", 9),
        ("npm", "@babel/core", "7.24.0", 13),
        ("npm", "nested", "1.0.0", 16),
        ("npm", "left", "1.0.0", 19),
    ]
    requests, core, nested, left = manifest.locked_packages
    assert requests.has_hash
    assert core.optional
    assert left.skip_reason == EXCLUDED
    assert requests.edges == (Edge(target="n"),)
    assert core.edges == nested.edges == ()
    assert manifest.problems == ()
    assert manifest.notes == (
        "2 entries are of a kind that is not scored: not listed here (maven 1, without a package URL 1)",
    )
    assert manifest.local_names == ("acme-app",)


def test_what_a_bill_is_of_and_what_is_no_package_of_ours_are_roots() -> None:
    assert read(CYCLONEDX, "bom.json").importers == (
        Importer(name="acme", edges=(Edge(target="r"),)),
        Importer(name="member", edges=(Edge(target="c"),)),
    )


def test_cyclonedx_in_xml_is_read_alike() -> None:
    manifest = read(XML, "bom.xml")
    requests, nested = manifest.locked_packages
    assert (requests.name, requests.version, requests.location.line, requests.has_hash) == (
        "requests",
        "2.31.0",
        5,
        True,
    )
    assert (nested.name, nested.location.line, nested.optional, nested.groups) == ("nested", 10, True, ("dev",))
    assert requests.edges == ()
    assert manifest.importers == (
        Importer(name="acme", edges=(Edge(target="r"),)),
        Importer(name="requests", edges=(Edge(target="n", group="dev"),)),
    )
    assert (manifest.problems, manifest.notes) == ((), ())


def test_spdx_2_is_read_with_its_relations() -> None:
    manifest = read(SPDX_2, "a.spdx.json")
    assert [(p.name, p.version, p.location.line, p.skip_reason) for p in manifest.locked_packages] == [
        ("requests", "2.31.0", 6, ""),
        ("pytest", "", 14, NO_VERSION),
        ("idna", "3.7", 16, ""),
    ]
    requests, pytest_, _ = manifest.locked_packages
    assert requests.has_hash
    assert requests.edges == pytest_.edges == (Edge(target="SPDXRef-i"),)
    assert manifest.importers == (
        Importer(name="acme", edges=(Edge(target="SPDXRef-r"), Edge(target="SPDXRef-t", group="dev"))),
    )
    assert (manifest.problems, manifest.notes) == ((), ())


def test_terms_of_spdx_may_be_full_addresses() -> None:
    text = SPDX_2.replace('"referenceType": "purl"', '"referenceType": "http://spdx.org/rdf/references/purl"')
    assert text != SPDX_2
    assert read(text, "a.spdx.json") == read(SPDX_2, "a.spdx.json")
    terms = "https://spdx.org/rdf/3.0.1/terms"
    text = SPDX_3.replace('"dependsOn"', f'"{terms}/Core/RelationshipType/dependsOn"')
    text = text.replace('"packageUrl"', f'"{terms}/Core/ExternalIdentifierType/packageUrl"')
    assert text.count(terms) >= 2
    assert read(text, "a.spdx.json") == read(SPDX_3, "a.spdx.json")


def test_spdx_3_is_read_as_a_graph() -> None:
    manifest = read(SPDX_3, "a.spdx.json")
    assert [(p.name, p.version, p.location.line) for p in manifest.locked_packages] == [
        ("requests", "2.31.0", 7),
        ("lodash", "4.17.21", 9),
    ]
    assert manifest.locked_packages[0].edges == (Edge(target="urn:l", group="optional"),)
    assert manifest.importers == (
        Importer(name="acme", edges=(Edge(target="urn:r"), Edge(target="urn:l", group="dev"))),
    )
    assert (manifest.problems, manifest.notes) == ((), ())


def test_a_bill_without_relations_has_no_edges_and_no_roots() -> None:
    manifest = cyclonedx({"bom-ref": "a", "purl": "pkg:npm/a@1.0.0"})
    assert manifest.locked_packages[0].edges is None
    assert manifest.importers is None


def test_a_bill_that_describes_all_its_packages_is_a_list() -> None:
    packages = [
        {
            "SPDXID": name,
            "name": name,
            "externalRefs": [{"referenceType": "purl", "referenceLocator": f"pkg:npm/{name}@1.0"}],
        }
        for name in "ab"
    ]
    text = json.dumps({"spdxVersion": "SPDX-2.2", "documentDescribes": ["a", "b"], "packages": packages})
    assert [package.name for package in read(text, "x.spdx.json").locked_packages] == ["a", "b"]


def test_what_an_api_wraps_is_unwrapped() -> None:
    assert len(read(f'{{"sbom": {SPDX_2}}}', "sbom.json").locked_packages) == 3


@pytest.mark.parametrize(
    ("purl", "skip", "index"),
    [
        ("pkg:pypi/a@1?vcs_url=git%2Bhttps://git.example/a.git%40abc", "git: https://git.example/a.git @ abc", ""),
        ("pkg:pypi/a@1?vcs_url=https://u:p@git.example/a.git%40abc", "git: https://git.example/a.git @ abc", ""),
        ("pkg:pypi/a@1?repository_url=https://u:p@pypi.example/simple", "", "https://pypi.example/simple"),
        ("pkg:npm/a@1.0.0?repository_url=npm.example", "", "https://npm.example"),
        ("pkg:pypi/a", NO_VERSION, ""),
    ],
)
def test_qualifiers_tell_where_a_package_comes_from(purl: str, skip: str, index: str) -> None:
    locked = one(purl=purl)
    assert (locked.skip_reason, locked.index) == (skip, index)


def test_a_package_marked_private_is_not_looked_up() -> None:
    assert (
        one(purl="pkg:npm/a@1.0.0", properties=[{"name": "cdx:npm:package:private", "value": "true"}]).skip_reason
        == PRIVATE
    )


@pytest.mark.parametrize("version", ["NOASSERTION", ">=1.0", "1 2", "1" * 300, "\u0661"])
def test_what_is_no_version_is_not_taken_for_one(version: str) -> None:
    assert one(purl="pkg:pypi/a", version=version).version == ""


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "not valid JSON: the file is empty"),
        ("{\n", 2, "not valid JSON: the file ends in the middle of a value"),
        (f'{{"a": {"1" * 5_000}}}', 1, "not a bill of materials"),
        ('{"a": NaN}', 1, "not valid JSON: this word means nothing in JSON"),
        ("[" * 200, 1, "not valid JSON: nested more than 100 levels deep"),
        ("[" * 200 + "]" * 200, 1, "not valid JSON: nested more than 100 levels deep"),
        ("[]", 1, "not a bill of materials"),
        ('\n{"lockfileVersion": 3}', 2, "not a bill of materials"),
        ('{"bomFormat": "CycloneDX", "specVersion": "9.9"}', 1, 'CycloneDX "9.9" is not a known version'),
        ('{"spdxVersion": "SPDX-9.9"}', 1, '"SPDX-9.9" is not a known version of SPDX'),
        ('{"@context": "https://spdx.example/9", "@graph": []}', 1, "not a known version of SPDX"),
        ('{"spdxVersion": "SPDX-2.3", "packages": [1]}', 1, "a package must be an object"),
        ('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [1]}', 1, "a component must be an object"),
        ('{"bomFormat": "CycloneDX", "specVersion": "1.6", "dependencies": [{}]}', 1, "a dependency must be an object"),
        (
            '{"@context": ["https://spdx.org/rdf/3.0.0/spdx-context.jsonld"], "@graph": [1]}',
            1,
            "an element must be an object",
        ),
        ('{"bomFormat": "CycloneDX", "specVersion": "1.6",\n"specVersion": "1.6"}', 1, '"specVersion" is here twice'),
        ("<a", 1, "not readable XML: unclosed token"),
        ("<a/>", 1, "not a bill of materials"),
        ('<bom xmlns="https://acme.example"/>', 1, "not a bill of materials"),
        ('<bom xmlns="http://cyclonedx.org/schema/bom/9.9"/>', 1, 'CycloneDX "9.9" is not a known version'),
        ("<a>" * 200, 1, "not readable XML: nested more than 100 levels deep"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", 1, "not readable XML: a document type or an entity: refused"),
        (
            "\n<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
            2,
            "not readable XML: a document type or an entity: refused",
        ),
    ],
)
def test_what_is_no_bill_of_materials_is_a_problem(text: str, line: int, message: str) -> None:
    manifest = read(text, "bom.json")
    [problem] = manifest.problems
    assert problem.line == line
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    ("component", "message"),
    [
        ({"purl": "requests"}, '"requests" is not a package URL'),
        ({"purl": "pkg:pypi/a%20b@1"}, '"pkg:pypi/a%20b@1" names no package: PyPI has no such names'),
        ({"purl": "pkg:npm/.a@1"}, '"pkg:npm/.a@1" names no package: no name begins like this'),
    ],
)
def test_a_damaged_component_is_a_problem(component: dict[str, Any], message: str) -> None:
    manifest = cyclonedx(component)
    [problem] = manifest.problems
    assert problem.message.startswith(message)
    assert manifest.locked_packages == ()


def test_half_a_surrogate_pair_never_gets_anywhere() -> None:
    refs = {r"\ud800": "\ufffd", r"\ud83d\ude00": "\U0001f600", r"\\ud800": r"\ud800"}
    components = ",".join(f'{{"bom-ref": "{ref}", "purl": "pkg:npm/a@1.0.0"}}' for ref in refs)
    text = f'{{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{components}]}}'
    assert [package.key for package in read(text, "bom.json").locked_packages] == list(refs.values())


def test_two_entries_of_one_name_are_a_problem() -> None:
    manifest = cyclonedx({"bom-ref": "a", "purl": "pkg:npm/a@1.0.0"}, {"bom-ref": "a", "purl": "pkg:npm/b@1.0.0"})
    [problem] = manifest.problems
    assert problem.message == '"a" is the name of two entries'


def test_an_edge_that_leads_nowhere_is_a_problem() -> None:
    manifest = cyclonedx({"bom-ref": "a", "purl": "pkg:npm/a@1.0.0"}, dependencies=[{"ref": "a", "dependsOn": ["b"]}])
    [problem] = manifest.problems
    assert problem.message == 'a dependency on "b", which is not in the file'


def test_a_bill_without_end_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bill, "MAX_COMPONENTS", 2)
    manifest = cyclonedx(*({"purl": f"pkg:npm/a{n}@1.0.0"} for n in range(5)))
    assert len(manifest.locked_packages) == 2
    assert [problem.message for problem in manifest.problems] == ["more than 2 entries: the rest is not read"]


def test_many_kinds_of_other_packages_fit_one_note() -> None:
    manifest = cyclonedx(*({"purl": f"pkg:kind{n}/a@1"} for n in range(20)))
    [note] = manifest.notes
    assert note.startswith("20 entries are of a kind that is not scored: not listed here (kind0 1, ")
    assert note.endswith(", …)")
    assert cyclonedx({"name": "a"}).notes[0].startswith("1 entry is of a kind that is not scored")


@pytest.mark.parametrize("name", ["bom.json", "BOM.xml", "sbom.json", "a.cdx.json", "a.cdx.xml", "a.spdx.json"])
def test_bills_of_materials_are_wanted(name: str) -> None:
    assert matches(PurePosixPath("a") / name)


@pytest.mark.parametrize("name", ["a.json", "a.xml", "bom.txt", "spdx.json"])
def test_other_files_are_not_wanted(name: str) -> None:
    assert not matches(PurePosixPath("a") / name)


ALL = (CYCLONEDX, XML, SPDX_2, SPDX_3)


@given(st.text() | st.tuples(st.sampled_from(ALL), st.integers(0, 2_000)).map(lambda cut: cut[0][: cut[1]]))
def test_nothing_is_ever_raised(text: str) -> None:
    read(text, "bom.json")


places = [(text, at) for text in ALL for at, mark in enumerate(text) if mark in '{}[]:,"<>']


@given(st.sampled_from(places), st.sampled_from("[]{}'\"<>&:,\\\n u"))
def test_a_damaged_file_loses_no_package_in_silence(place: tuple[str, int], mark: str) -> None:
    text, at = place
    whole, damaged = read(text, "bom.json"), read(f"{text[:at]}{mark}{text[at + 1 :]}", "bom.json")
    lost = len(damaged.locked_packages) < len(whole.locked_packages)
    assert not lost or damaged.problems or damaged.notes != whole.notes or damaged.local_names != whole.local_names


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["bom-ref", "purl", "components", "hashes", "properties", "scope", "ref", "dependsOn", "metadata", "component"]
SPDX_KEYS = [
    "packages",
    "relationships",
    "externalRefs",
    "SPDXID",
    "@graph",
    "type",
    "spdxId",
    "to",
    "from",
    "services",
]


@given(
    st.dictionaries(
        st.sampled_from([*KEYS, *SPDX_KEYS, "dependencies", "documentDescribes", "files"]),
        st.lists(st.dictionaries(st.sampled_from([*KEYS, *SPDX_KEYS]), values)) | values,
    ),
    st.sampled_from([{"bomFormat": "CycloneDX"}, {"spdxVersion": "SPDX-2.3"}, {"@context": "spdx"}]),
)
def test_no_shape_of_a_document_breaks_the_reader(document: dict[str, Any], kind: dict[str, str]) -> None:
    read(json.dumps({"@graph": [], **document, **kind}), "bom.json")


def test_a_thousand_packages_take_no_time() -> None:
    components = [{"bom-ref": f"r{n}", "name": f"a{n}", "purl": f"pkg:npm/%40a/a{n}@1.0.{n}"} for n in range(1_000)]
    edges = [{"ref": f"r{n}", "dependsOn": [f"r{(n * k) % 1_000}" for k in range(1, 5)]} for n in range(1_000)]
    text = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components, "dependencies": edges})
    start = time.process_time()
    assert len(read(text, "bom.json").locked_packages) == 1_000
    assert time.process_time() - start < 2


def npm(name: str, *, hashed: bool = True, **others: Any) -> dict[str, Any]:
    hashes = {"hashes": [{"alg": "SHA-512", "content": "00"}]} if hashed else {}
    return {"bom-ref": name, "name": name, "purl": f"pkg:npm/{quote(name, safe='')}@1.0.0", **hashes, **others}


DEVELOPMENT: dict[str, Any] = {"properties": [{"name": "cdx:npm:package:development", "value": "true"}]}
BUNDLED: dict[str, Any] = {"properties": [{"name": "cdx:npm:package:bundled", "value": "true"}]}
PROJECT = {"component": {"bom-ref": "app", "name": "app"}}


def leading(**edges: list[str]) -> list[dict[str, Any]]:
    return [{"ref": ref, "dependsOn": to} for ref, to in edges.items()]


def test_the_project_asks_for_a_component_in_the_group_that_states_itself() -> None:
    manifest = cyclonedx(
        npm("jest", **DEVELOPMENT),
        npm("expect", **DEVELOPMENT),
        npm("express"),
        metadata=PROJECT,
        dependencies=leading(app=["jest", "express"], jest=["expect"], express=["jest"]),
    )
    assert manifest.importers == (
        Importer(name="app", edges=(Edge(target="jest", group="dev"), Edge(target="express"))),
    )
    assert [one.edges for one in manifest.locked_packages] == [(Edge(target="expect"),), (), ()]


def test_only_a_member_brings_in_what_is_for_development() -> None:
    manifest = cyclonedx(
        npm("member"),
        npm("jest", **DEVELOPMENT),
        metadata=PROJECT,
        dependencies=leading(app=["member"], member=["jest"]),
    )
    assert manifest.importers == (
        Importer(name="app", edges=(Edge(target="member"),)),
        Importer(name="member", edges=(Edge(target="jest", group="dev"),)),
    )
    assert manifest.locked_packages[0].edges == ()


def test_what_the_project_asks_for_and_has_no_origin_when_others_have_one_is_on_no_registry() -> None:
    manifest = cyclonedx(
        npm("@w/a", hashed=False),
        npm("bundled", hashed=False, **BUNDLED),
        npm("elsewhere", hashed=False, externalReferences=[{"type": "distribution", "url": "https://r.example"}]),
        npm("deep", hashed=False),
        npm("express"),
        metadata=PROJECT,
        dependencies=[
            {"ref": "app", "dependsOn": ["@w/a", "bundled", "elsewhere", "express"]},
            {"ref": "@w/a", "dependsOn": ["deep"]},
        ],
    )
    assert {one.name: one.skip_reason for one in manifest.locked_packages if one.skip_reason} == {"@w/a": NO_SOURCE}
    assert manifest.local_names == ("@w/a",)
    assert manifest.importers is not None
    assert Importer(name="@w/a", edges=(Edge(target="deep"),)) in manifest.importers


def test_where_no_origins_are_stated_nothing_follows_from_their_absence() -> None:
    manifest = cyclonedx(
        npm("a", hashed=False), npm("b", hashed=False), metadata=PROJECT, dependencies=leading(app=["a", "b"])
    )
    assert [one.skip_reason for one in manifest.locked_packages] == ["", ""]


def test_a_download_location_is_an_origin_in_spdx() -> None:
    def package(name: str, location: str) -> dict[str, Any]:
        reference = {"referenceType": "purl", "referenceLocator": f"pkg:npm/{name}@1.0.0"}
        return {"SPDXID": name, "name": name, "downloadLocation": location, "externalRefs": [reference]}

    document = {
        "spdxVersion": "SPDX-2.3",
        "documentDescribes": ["app"],
        "packages": [
            {"SPDXID": "app", "name": "app"},
            package("member", "NOASSERTION"),
            package("express", "https://r.example/express.tgz"),
        ],
        "relationships": [
            {"spdxElementId": "app", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": one}
            for one in ("member", "express")
        ],
    }
    assert [one.skip_reason for one in read(json.dumps(document), "bom.spdx.json").locked_packages] == [NO_SOURCE, ""]


def test_a_distribution_is_an_origin_in_xml_too() -> None:
    reference = '<externalReferences><reference type="distribution"><url>https://r.example</url></reference>'
    components = "".join(
        f'<component bom-ref="{name}"><name>{name}</name><purl>pkg:npm/{name}@1.0.0</purl>{more}</component>'
        for name, more in (("member", ""), ("express", f"{reference}</externalReferences>"))
    )
    text = f"""<bom xmlns="http://cyclonedx.org/schema/bom/1.5">
      <metadata><component bom-ref="app"><name>app</name></component></metadata>
      <components>{components}</components>
      <dependencies>
        <dependency ref="app"><dependency ref="member"/><dependency ref="express"/></dependency>
      </dependencies>
    </bom>"""
    assert [one.skip_reason for one in read(text, "bom.xml").locked_packages] == [NO_SOURCE, ""]
