"""CycloneDX SBOMs in JSON (1.2 to 1.7) or XML (1.0 to 1.7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from nerq_cli.manifests.sbom.components import EXCLUDED, PRIVATE, Component, Relation, Sbom, unique_refs
from nerq_cli.manifests.syntax.json_document import JsonObject
from nerq_cli.manifests.syntax.quote import quote_version
from nerq_cli.manifests.syntax.safe_xml import XmlElement
from nerq_cli.manifests.syntax.text_document import TextDocument
from nerq_cli.patterns import compile_late

#: Supported versions of the specification; JSON begins with 1.2.
VERSIONS: Final = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7")

_NAMESPACE: Final = compile_late(r"https?://cyclonedx\.org/schema/bom/(\d+\.\d+)")
#: Properties that cyclonedx-npm sets.
_DEVELOPMENT: Final = "cdx:npm:package:development"
_PRIVATE: Final = "cdx:npm:package:private"
_BUNDLED: Final = "cdx:npm:package:bundled"
#: Types of components that are models or datasets.
_MODEL_TYPES: Final = ("machine-learning-model", "data")


def is_json(document: JsonObject) -> bool:
    """Whether a JSON document is a CycloneDX SBOM."""
    return document.get_text("bomFormat") == "CycloneDX" or ("specVersion" in document and "components" in document)


def is_xml(root: XmlElement) -> bool:
    """Whether an XML document is a CycloneDX SBOM."""
    return root.name == "bom" and _NAMESPACE.match(root.namespace) is not None


def read_xml(root: XmlElement, text_document: TextDocument) -> Sbom:
    """Return the content of an SBOM in XML."""
    version = _NAMESPACE.match(root.namespace)
    members: list[tuple[str, Any]] = [("specVersion", version[1] if version else "")]
    metadata = root.first_child("metadata")
    component = metadata.first_child("component") if metadata is not None else None
    if component is not None:
        members.append(("metadata", JsonObject([("component", _component_object(component))], component.line)))
    members.append(("components", [_component_object(child) for child in root.children_of("components")]))
    dependencies = root.first_child("dependencies")
    if dependencies is not None:
        members.append(
            ("dependencies", [_dependency_object(child) for child in dependencies.children_named("dependency")])
        )
    members.append(
        ("services", [JsonObject([("bom-ref", _bom_ref(child))], child.line) for child in root.children_of("services")])
    )
    return read_json(JsonObject(members, root.line), text_document)


def read_json(document: JsonObject, text_document: TextDocument) -> Sbom:
    """Return the content of an SBOM in JSON."""
    version = document.get_text("specVersion")
    if version not in VERSIONS:
        hint = f"known are {VERSIONS[0]} to {VERSIONS[-1]}"
        text_document.add_problem(
            f"CycloneDX {quote_version(version)} is not a known version", document.line, hint=hint
        )
    root = document.get_object("metadata").get("component")
    sbom = Sbom()
    if isinstance(root, JsonObject):
        sbom.components += _read_components([root], text_document)
        sbom.root_refs = [sbom.components[0].ref]
    sbom.components += _read_components(
        document.get_list("components"), text_document, first_number=len(sbom.components), problem_line=document.line
    )
    sbom.other_refs = {
        service.get_text("bom-ref") for service in _walk_nested(document.get_list("services"), "services")
    }
    if "dependencies" in document:
        sbom.relations = list(_read_relations(document, text_document))
    return sbom


def _walk_nested(items: list[Any], key: str) -> Iterator[JsonObject]:
    """Yield objects and those nested under a key, in the order of the file."""
    pending = list(reversed(items))
    while pending:
        item = pending.pop()
        if isinstance(item, JsonObject):
            yield item
            pending.extend(reversed(item.get_list(key)))


def _read_components(
    components: list[Any], text_document: TextDocument, *, first_number: int = 0, problem_line: int = 0
) -> Iterator[Component]:
    """Yield components and nested ones. ``first_number`` is the number of the first one, the ref if it has none."""
    if any(not isinstance(component, JsonObject) for component in components):
        text_document.add_problem("a component must be an object", problem_line)
    for number, component in enumerate(_walk_nested(components, "components"), first_number):
        properties = {item.get_text("name"): item.get_text("value") for item in component.get_objects("properties")}
        scope = component.get_text("scope")
        skip = EXCLUDED if scope == "excluded" else PRIVATE if properties.get(_PRIVATE) == "true" else ""
        links = component.get_objects("externalReferences")
        references = {item.get_text("type") for item in links}
        is_model = component.get_text("type") in _MODEL_TYPES
        hashed = bool(component.get_list("hashes"))
        group, name = component.get_text("group"), component.get_text("name")
        yield Component(
            ref=component.get_text("bom-ref") or f"#{number}",
            line=component.line,
            purl=component.get_text("purl"),
            name=f"{group}/{name}" if group else name,
            version=component.get_text("version"),
            groups=("dev",) if properties.get(_DEVELOPMENT) == "true" else (),
            optional=scope == "optional",
            skip=skip,
            hashed=hashed,
            has_source=hashed or "distribution" in references or properties.get(_BUNDLED) == "true",
            is_model=is_model,
            urls=tuple(item.get_text("url") for item in links) if is_model else (),
        )


def _read_relations(document: JsonObject, text_document: TextDocument) -> Iterator[Relation]:
    for item in document.get_list("dependencies"):
        if not isinstance(item, JsonObject) or not item.get_text("ref"):
            text_document.add_problem("a dependency must be an object with a ref", getattr(item, "line", document.line))
            continue
        for target in unique_refs(ref for ref in item.get_list("dependsOn") if isinstance(ref, str)):
            yield Relation(item.get_text("ref"), target, item.line)


def _component_object(element: XmlElement) -> JsonObject:
    """Return an XML component in its JSON form."""
    members: list[tuple[str, Any]] = [
        ("type", element.attributes.get("type", "")),
        ("bom-ref", _bom_ref(element)),
    ]
    for key in ("group", "name", "version", "scope", "purl"):
        child = element.first_child(key)
        members.append((key, child.text.strip() if child is not None else ""))
    members.append(("hashes", element.children_of("hashes")))
    members.append(
        ("externalReferences", [_reference_object(child) for child in element.children_of("externalReferences")])
    )
    members.append(("components", [_component_object(child) for child in element.children_of("components")]))
    members.append(("properties", [_property_object(child) for child in element.children_of("properties")]))
    return JsonObject(members, element.line)


def _property_object(element: XmlElement) -> JsonObject:
    return JsonObject([("name", element.attributes.get("name", "")), ("value", element.text.strip())], element.line)


def _reference_object(element: XmlElement) -> JsonObject:
    url = element.first_child("url")
    members: list[tuple[str, Any]] = [("type", element.attributes.get("type", ""))]
    if url is not None:
        members.append(("url", url.text.strip()))
    return JsonObject(members, element.line)


def _dependency_object(element: XmlElement) -> JsonObject:
    targets = [child.attributes.get("ref", "") for child in element.children_named("dependency")]
    return JsonObject([("ref", element.attributes.get("ref", "")), ("dependsOn", targets)], element.line)


def _bom_ref(element: XmlElement) -> str:
    return element.attributes.get("bom-ref", "")
