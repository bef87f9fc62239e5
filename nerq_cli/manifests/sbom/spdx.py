"""SPDX SBOMs in JSON: version 2 is a tree, version 3 a graph of elements (JSON-LD)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from nerq_cli.manifests.sbom.components import Component, Relation, Sbom, unique_refs
from nerq_cli.manifests.syntax.json_document import JsonObject
from nerq_cli.manifests.syntax.quote import quote_version
from nerq_cli.manifests.syntax.text_document import TextDocument
from nerq_cli.patterns import compile_late

_VERSION_2: Final = compile_late(r"SPDX-2\.[0-3]")
_CONTEXT_3: Final = compile_late(r"https://spdx\.org/rdf/3\.0\.\d+/spdx-context\.jsonld")

#: Relations where the first element depends on the second, with the group (SPDX 2.3, chapter 11).
_FORWARD: Final[Mapping[str, str]] = {"DEPENDS_ON": "main"}
#: Relations where the second element depends on the first.
_BACKWARD: Final[Mapping[str, str]] = {
    "DEPENDENCY_OF": "main",
    "RUNTIME_DEPENDENCY_OF": "main",
    "PREREQUISITE_FOR": "main",
    "PROVIDED_DEPENDENCY_OF": "main",
    "DEV_DEPENDENCY_OF": "dev",
    "TEST_DEPENDENCY_OF": "dev",
    "BUILD_DEPENDENCY_OF": "build",
    "OPTIONAL_DEPENDENCY_OF": "optional",
}
#: Lifecycle scopes of SPDX 3, with the group.
_SCOPES: Final[Mapping[str, str]] = {"development": "dev", "test": "dev", "build": "build"}
#: Values of a missing download location.
_NO_LOCATION: Final = ("", "NONE", "NOASSERTION")
#: Types of packages of SPDX 3 that are models or datasets.
_MODEL_TYPES: Final = ("ai_AIPackage", "dataset_DatasetPackage")
_DOCUMENT_REF: Final = "SPDXRef-DOCUMENT"


def is_version_2(document: JsonObject) -> bool:
    """Whether a JSON document is an SPDX 2 SBOM."""
    return document.get_text("spdxVersion").startswith("SPDX-")


def is_version_3(document: JsonObject) -> bool:
    """Whether a JSON document is an SPDX 3 SBOM."""
    return "spdx" in str(document.get("@context")) and isinstance(document.get("@graph"), list)


# --- Version 2 -------------------------------------------------------------------------------------------------------


def read_version_2(document: JsonObject, text_document: TextDocument) -> Sbom:
    """Return the content of an SPDX 2 SBOM."""
    if not _VERSION_2.fullmatch(document.get_text("spdxVersion")):
        version = document.get_text("spdxVersion")
        text_document.add_problem(
            f"{quote_version(version)} is not a known version of SPDX",
            document.line,
            hint="known are SPDX-2.0 to SPDX-2.3",
        )
    relations = document.get_objects("relationships")
    described_refs = [
        relation.get_text("relatedSpdxElement")
        for relation in relations
        if relation.get_text("relationshipType") == "DESCRIBES"
    ]
    described_refs += [
        relation.get_text("spdxElementId")
        for relation in relations
        if relation.get_text("relationshipType") == "DESCRIBED_BY"
    ]
    described_refs += [ref for ref in document.get_list("documentDescribes") if isinstance(ref, str)]
    if any(not isinstance(package, JsonObject) for package in document.get_list("packages")):
        text_document.add_problem("a package must be an object", document.line)
    sbom = Sbom(
        components=[_package_component(item, number) for number, item in enumerate(document.get_objects("packages"))]
    )
    sbom.root_refs = _root_refs(sbom, unique_refs(described_refs))
    sbom.other_refs = {_DOCUMENT_REF, document.get_text("SPDXID")} | {
        item.get_text("SPDXID") for key in ("files", "snippets") for item in document.get_objects(key)
    }
    sbom.relations = list(_read_relations(relations)) or None
    return sbom


def _package_component(package: JsonObject, number: int) -> Component:
    references = package.get_objects("externalRefs")
    purls = [
        reference.get_text("referenceLocator")
        for reference in references
        if _get_term(reference, "referenceType") == "purl"
    ]
    return Component(
        ref=package.get_text("SPDXID") or f"#{number}",
        line=package.line,
        purl=next(filter(None, purls), ""),
        name=package.get_text("name"),
        version=package.get_text("versionInfo"),
        hashed=bool(package.get_list("checksums")),
        has_source=bool(package.get_list("checksums")) or package.get_text("downloadLocation") not in _NO_LOCATION,
    )


def _get_term(element: JsonObject, key: str) -> str:
    """Return a term of SPDX without the address of its vocabulary: ``purl`` of ``http://…/references/purl``."""
    return re.split(r"[/#]", element.get_text(key))[-1]


def _read_relations(relations: list[JsonObject]) -> Iterator[Relation]:
    for relation in relations:
        kind, element, related = (
            relation.get_text(key) for key in ("relationshipType", "spdxElementId", "relatedSpdxElement")
        )
        if related in _NO_LOCATION[1:] or _is_external(element) or _is_external(related):
            continue
        if kind in _FORWARD:
            yield Relation(element, related, relation.line, _FORWARD[kind])
        elif kind in _BACKWARD:
            yield Relation(related, element, relation.line, _BACKWARD[kind])


def _is_external(ref: str) -> bool:
    """Whether a ref is in another document."""
    return ref.startswith("DocumentRef-")


def _root_refs(sbom: Sbom, described_refs: list[str]) -> list[str]:
    """Return the subject of the SBOM; none if it describes all packages alike, as a list does."""
    return [] if len(described_refs) > 1 and len(described_refs) == len(sbom.components) else described_refs


# --- Version 3 -------------------------------------------------------------------------------------------------------


def read_version_3(document: JsonObject, text_document: TextDocument) -> Sbom:
    """Return the content of an SPDX 3 SBOM."""
    context = document.get("@context")
    contexts = context if isinstance(context, list) else [context]
    if not any(isinstance(item, str) and _CONTEXT_3.fullmatch(item) for item in contexts):
        text_document.add_problem("not a known version of SPDX", document.line, hint="known is SPDX 3.0")
    graph = document.get_objects("@graph")
    if len(graph) < len(document.get_list("@graph")):
        text_document.add_problem("an element must be an object", document.line)
    elements = [item for item in graph if _is_package(item)]
    sbom = Sbom(components=[_element_component(item, number) for number, item in enumerate(elements)])
    sbom.other_refs = {_element_id(item) for item in graph if not _is_package(item)}
    roots = [
        ref
        for item in graph
        if _element_type(item) in ("SpdxDocument", "software_Sbom")
        for ref in item.get_list("rootElement")
    ]
    packages = {entry.ref for entry in sbom.components}
    sbom.root_refs = _root_refs(
        sbom, [ref for ref in unique_refs(r for r in roots if isinstance(r, str)) if ref in packages]
    )
    sbom.relations = list(_read_dependencies(graph)) or None
    return sbom


def _element_type(element: JsonObject) -> str:
    return _get_term(element, "type") or _get_term(element, "@type")


def _is_package(element: JsonObject) -> bool:
    return _element_type(element) in ("software_Package", *_MODEL_TYPES) or "software_packageUrl" in element


def _element_id(element: JsonObject) -> str:
    return element.get_text("spdxId") or element.get_text("@id")


def _element_component(element: JsonObject, number: int) -> Component:
    identifiers = element.get_objects("externalIdentifier")
    purls = [
        element.get_text("software_packageUrl"),
        *(
            identifier.get_text("identifier")
            for identifier in identifiers
            if _get_term(identifier, "externalIdentifierType") in ("packageUrl", "purl")
        ),
    ]
    return Component(
        ref=_element_id(element) or f"#{number}",
        line=element.line,
        purl=next(filter(None, purls), ""),
        name=element.get_text("name"),
        version=element.get_text("software_packageVersion"),
        hashed=bool(element.get_list("verifiedUsing")),
        has_source=bool(element.get_list("verifiedUsing"))
        or element.get_text("software_downloadLocation") not in _NO_LOCATION,
        is_model=_element_type(element) in _MODEL_TYPES,
        urls=(element.get_text("software_downloadLocation"), element.get_text("software_homePage")),
    )


def _read_dependencies(graph: list[JsonObject]) -> Iterator[Relation]:
    for element in graph:
        kind = _get_term(element, "relationshipType")
        if kind in ("dependsOn", "hasOptionalDependency", "hasProvidedDependency"):
            group = "optional" if kind == "hasOptionalDependency" else _SCOPES.get(_get_term(element, "scope"), "main")
            targets = element.get_list("to") or [element.get_text("to")]
            for target in unique_refs(ref for ref in targets if isinstance(ref, str)):
                yield Relation(element.get_text("from"), target, element.line, group)
