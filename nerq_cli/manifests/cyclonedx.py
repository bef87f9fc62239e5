"""CycloneDX, a bill of materials in JSON (1.2 to 1.7) or XML (1.0 to 1.7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from nerq_cli.manifests.bill import EXCLUDED, PRIVATE, Bill, Edge, Entry, unique
from nerq_cli.manifests.json_objects import Object
from nerq_cli.manifests.page import Page
from nerq_cli.manifests.safe_xml import Element

#: The versions of the specification that are understood; the JSON format begins with 1.2.
VERSIONS: Final = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7")

_NAMESPACE: Final = re.compile(r"https?://cyclonedx\.org/schema/bom/(\d+\.\d+)")
#: Properties that cyclonedx-npm sets.
_DEVELOPMENT: Final = "cdx:npm:package:development"
_PRIVATE: Final = "cdx:npm:package:private"
_BUNDLED: Final = "cdx:npm:package:bundled"


def is_json(document: Object) -> bool:
    """Say whether a JSON document is one of CycloneDX."""
    return document.text("bomFormat") == "CycloneDX" or ("specVersion" in document and "components" in document)


def is_xml(root: Element) -> bool:
    """Say whether an XML document is one of CycloneDX."""
    return root.name == "bom" and _NAMESPACE.match(root.namespace) is not None


def from_xml(root: Element, page: Page) -> Bill:
    """Read a bill in XML."""
    version = _NAMESPACE.match(root.namespace)
    members: list[tuple[str, Any]] = [("specVersion", version[1] if version else "")]
    metadata = root.first("metadata")
    component = metadata.first("component") if metadata is not None else None
    if component is not None:
        members.append(("metadata", Object([("component", _component(component))], component.line)))
    members.append(("components", [_component(child) for child in root.within("components")]))
    dependencies = root.first("dependencies")
    if dependencies is not None:
        members.append(("dependencies", [_dependency(child) for child in dependencies.all("dependency")]))
    members.append(("services", [Object([("bom-ref", _ref(child))], child.line) for child in root.within("services")]))
    return from_json(Object(members, root.line), page)


def from_json(document: Object, page: Page) -> Bill:
    """Read a bill in JSON."""
    version = document.text("specVersion")
    if version not in VERSIONS:
        hint = f"known are {VERSIONS[0]} to {VERSIONS[-1]}"
        page.report(f"CycloneDX {version[:20]!r} is not a known version", document.line, hint=hint)
    root = document.object("metadata").get("component")
    bill = Bill()
    if isinstance(root, Object):
        bill.entries += _entries([root], page)
        bill.roots = [bill.entries[0].ref]
    bill.entries += _entries(document.list("components"), page, after=len(bill.entries), wrong=document.line)
    bill.others = {service.text("bom-ref") for service in _nested(document.list("services"), "services")}
    if "dependencies" in document:
        bill.edges = list(_edges(document, page))
    return bill


def _nested(items: list[Any], key: str) -> Iterator[Object]:
    """Go through objects and those nested in them, in the order of the file."""
    waiting = list(reversed(items))
    while waiting:
        item = waiting.pop()
        if isinstance(item, Object):
            yield item
            waiting.extend(reversed(item.list(key)))


def _entries(components: list[Any], page: Page, *, after: int = 0, wrong: int = 0) -> Iterator[Entry]:
    """Go through components and those in them. ``after`` is how many come before, to tell those without a ref."""
    if any(not isinstance(component, Object) for component in components):
        page.report("a component must be an object", wrong)
    for number, component in enumerate(_nested(components, "components"), after):
        properties = {one.text("name"): one.text("value") for one in component.objects("properties")}
        scope = component.text("scope")
        skip = EXCLUDED if scope == "excluded" else PRIVATE if properties.get(_PRIVATE) == "true" else ""
        references = {one.text("type") for one in component.objects("externalReferences")}
        hashed = bool(component.list("hashes"))
        group, name = component.text("group"), component.text("name")
        yield Entry(
            ref=component.text("bom-ref") or f"#{number}",
            line=component.line,
            purl=component.text("purl"),
            name=f"{group}/{name}" if group else name,
            version=component.text("version"),
            groups=("dev",) if properties.get(_DEVELOPMENT) == "true" else (),
            optional=scope == "optional",
            skip=skip,
            hashed=hashed,
            placed=hashed or "distribution" in references or properties.get(_BUNDLED) == "true",
        )


def _edges(document: Object, page: Page) -> Iterator[Edge]:
    for item in document.list("dependencies"):
        if not isinstance(item, Object) or not item.text("ref"):
            page.report("a dependency must be an object with a ref", getattr(item, "line", document.line))
            continue
        for target in unique(ref for ref in item.list("dependsOn") if isinstance(ref, str)):
            yield Edge(item.text("ref"), target, item.line)


def _component(element: Element) -> Object:
    """Return a component in XML as the same in JSON."""
    members: list[tuple[str, Any]] = [("bom-ref", _ref(element))]
    for key in ("group", "name", "version", "scope", "purl"):
        child = element.first(key)
        members.append((key, child.text.strip() if child is not None else ""))
    members.append(("hashes", element.within("hashes")))
    members.append(("externalReferences", [_reference(child) for child in element.within("externalReferences")]))
    members.append(("components", [_component(child) for child in element.within("components")]))
    members.append(("properties", [_property(child) for child in element.within("properties")]))
    return Object(members, element.line)


def _property(element: Element) -> Object:
    return Object([("name", element.attributes.get("name", "")), ("value", element.text.strip())], element.line)


def _reference(element: Element) -> Object:
    return Object([("type", element.attributes.get("type", ""))], element.line)


def _dependency(element: Element) -> Object:
    targets = [child.attributes.get("ref", "") for child in element.all("dependency")]
    return Object([("ref", element.attributes.get("ref", "")), ("dependsOn", targets)], element.line)


def _ref(element: Element) -> str:
    return element.attributes.get("bom-ref", "")
