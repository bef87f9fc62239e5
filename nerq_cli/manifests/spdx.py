"""SPDX, a bill of materials in JSON: version 2 as one tree, version 3 as a graph of elements (JSON-LD)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from nerq_cli.manifests.bill import Bill, Edge, Entry, unique
from nerq_cli.manifests.json_objects import Object
from nerq_cli.manifests.page import Page

_VERSION_2: Final = re.compile(r"SPDX-2\.[0-3]")
_CONTEXT_3: Final = re.compile(r"https://spdx\.org/rdf/3\.0\.\d+/spdx-context\.jsonld")

#: Relations by which the first depends on the second, and the group that is for (SPDX 2.3, chapter 11).
_FORWARD: Final[Mapping[str, str]] = {"DEPENDS_ON": "main"}
#: Relations by which the second depends on the first.
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
#: What SPDX 3 calls the phase in which a relation holds.
_SCOPES: Final[Mapping[str, str]] = {"development": "dev", "test": "dev", "build": "build"}
#: What stands for no place a package can be got from.
_NOWHERE: Final = ("", "NONE", "NOASSERTION")
_DOCUMENT: Final = "SPDXRef-DOCUMENT"


def is_version_2(document: Object) -> bool:
    """Say whether a JSON document is one of SPDX 2."""
    return document.text("spdxVersion").startswith("SPDX-")


def is_version_3(document: Object) -> bool:
    """Say whether a JSON document is one of SPDX 3."""
    return "spdx" in str(document.get("@context")) and isinstance(document.get("@graph"), list)


# --- Version 2 -------------------------------------------------------------------------------------------------------


def from_version_2(document: Object, page: Page) -> Bill:
    """Read a bill of SPDX 2."""
    if not _VERSION_2.fullmatch(document.text("spdxVersion")):
        stated = document.text("spdxVersion")[:20]
        page.report(f"{stated!r} is not a known version of SPDX", document.line, hint="known are SPDX-2.0 to SPDX-2.3")
    relations = document.objects("relationships")
    described = [r.text("relatedSpdxElement") for r in relations if r.text("relationshipType") == "DESCRIBES"]
    described += [r.text("spdxElementId") for r in relations if r.text("relationshipType") == "DESCRIBED_BY"]
    described += [ref for ref in document.list("documentDescribes") if isinstance(ref, str)]
    if any(not isinstance(package, Object) for package in document.list("packages")):
        page.report("a package must be an object", document.line)
    bill = Bill(entries=[_package(one, number) for number, one in enumerate(document.objects("packages"))])
    bill.roots = _roots(bill, unique(described))
    bill.others = {_DOCUMENT, document.text("SPDXID")} | {
        one.text("SPDXID") for key in ("files", "snippets") for one in document.objects(key)
    }
    bill.edges = list(_relations(relations)) or None
    return bill


def _package(package: Object, number: int) -> Entry:
    references = package.objects("externalRefs")
    purls = [one.text("referenceLocator") for one in references if one.text("referenceType") == "purl"]
    return Entry(
        ref=package.text("SPDXID") or f"#{number}",
        line=package.line,
        purl=next(filter(None, purls), ""),
        name=package.text("name"),
        version=package.text("versionInfo"),
        hashed=bool(package.list("checksums")),
        placed=bool(package.list("checksums")) or package.text("downloadLocation") not in _NOWHERE,
    )


def _relations(relations: list[Object]) -> Iterator[Edge]:
    for one in relations:
        kind, first, second = (one.text(key) for key in ("relationshipType", "spdxElementId", "relatedSpdxElement"))
        if second in _NOWHERE[1:] or _is_elsewhere(first) or _is_elsewhere(second):
            continue
        if kind in _FORWARD:
            yield Edge(first, second, one.line, _FORWARD[kind])
        elif kind in _BACKWARD:
            yield Edge(second, first, one.line, _BACKWARD[kind])


def _is_elsewhere(ref: str) -> bool:
    """Whether this is an element of another document."""
    return ref.startswith("DocumentRef-")


def _roots(bill: Bill, described: list[str]) -> list[str]:
    """Return what the bill is of. One that describes all its packages alike is a list, not a bill of something."""
    return [] if len(described) > 1 and len(described) == len(bill.entries) else described


# --- Version 3 -------------------------------------------------------------------------------------------------------


def from_version_3(document: Object, page: Page) -> Bill:
    """Read a bill of SPDX 3."""
    context = document.get("@context")
    contexts = context if isinstance(context, list) else [context]
    if not any(isinstance(one, str) and _CONTEXT_3.fullmatch(one) for one in contexts):
        page.report("not a known version of SPDX", document.line, hint="known is SPDX 3.0")
    graph = document.objects("@graph")
    if len(graph) < len(document.list("@graph")):
        page.report("an element must be an object", document.line)
    elements = [one for one in graph if _is_package(one)]
    bill = Bill(entries=[_element(one, number) for number, one in enumerate(elements)])
    bill.others = {_id(one) for one in graph if not _is_package(one)}
    roots = [ref for one in graph if _kind(one) in ("SpdxDocument", "software_Sbom") for ref in one.list("rootElement")]
    packages = {entry.ref for entry in bill.entries}
    bill.roots = _roots(bill, [ref for ref in unique(r for r in roots if isinstance(r, str)) if ref in packages])
    bill.edges = list(_dependencies(graph)) or None
    return bill


def _kind(one: Object) -> str:
    return one.text("type") or one.text("@type")


def _is_package(one: Object) -> bool:
    return _kind(one) == "software_Package" or "software_packageUrl" in one


def _id(one: Object) -> str:
    return one.text("spdxId") or one.text("@id")


def _element(one: Object, number: int) -> Entry:
    identifiers = one.objects("externalIdentifier")
    purls = [
        one.text("software_packageUrl"),
        *(i.text("identifier") for i in identifiers if i.text("externalIdentifierType") == "packageUrl"),
    ]
    return Entry(
        ref=_id(one) or f"#{number}",
        line=one.line,
        purl=next(filter(None, purls), ""),
        name=one.text("name"),
        version=one.text("software_packageVersion"),
        hashed=bool(one.list("verifiedUsing")),
        placed=bool(one.list("verifiedUsing")) or one.text("software_downloadLocation") not in _NOWHERE,
    )


def _dependencies(graph: list[Object]) -> Iterator[Edge]:
    for one in graph:
        kind = one.text("relationshipType")
        if kind in ("dependsOn", "hasOptionalDependency", "hasProvidedDependency"):
            group = "optional" if kind == "hasOptionalDependency" else _SCOPES.get(one.text("scope"), "main")
            targets = one.list("to") or [one.text("to")]
            for target in unique(ref for ref in targets if isinstance(ref, str)):
                yield Edge(one.text("from"), target, one.line, group)
