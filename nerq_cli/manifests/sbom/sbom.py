"""SBOMs (software bills of materials): CycloneDX in JSON or XML, SPDX in JSON."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests.sbom import cyclonedx, spdx
from nerq_cli.manifests.sbom.components import Sbom, build_dependency_file
from nerq_cli.manifests.syntax import safe_xml
from nerq_cli.manifests.syntax.json_document import JsonObject, JsonReader, NotJsonError
from nerq_cli.manifests.syntax.problems import LineIndex
from nerq_cli.manifests.syntax.quote import quote_text
from nerq_cli.manifests.syntax.text_document import TextDocument
from nerq_cli.patterns import compile_late

NAME: Final = "sbom"

_FILE_NAME: Final = compile_late(r"s?bom\.(?:json|xml)|.*\.cdx\.(?:json|xml)|.*\.spdx\.json")
_MARKUP: Final = compile_late(r"\s*<")
_HINT: Final = "read are CycloneDX in JSON or XML, and SPDX 2 or 3 in JSON; --as selects another format"


def matches(path: PurePosixPath) -> bool:
    """Whether the file is an SBOM, by its name."""
    return _FILE_NAME.fullmatch(path.name.lower()) is not None


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> DependencyFile:  # noqa: ARG001 - Reader protocol
    """Return the packages of an SBOM. Errors in the text are in ``problems``; nothing is raised.

    Packages of other ecosystems are counted in a note.
    """
    text_document = TextDocument(text, path)
    return build_dependency_file(read_sbom(text_document), text_document, NAME)


def read_sbom(text_document: TextDocument) -> Sbom:
    """Return the components of an SBOM and the relations between them; an empty one, and a problem, for other text."""
    return _read_xml(text_document) if _MARKUP.match(text_document.text) else _read_json(text_document)


def _read_xml(text_document: TextDocument) -> Sbom:
    try:
        root = safe_xml.parse(text_document.text)
    except safe_xml.NotXmlError as error:
        text_document.add_problem(
            f"not readable XML: {error}", min(error.line, len(text_document.lines)), column=error.column
        )
        return Sbom()
    if not cyclonedx.is_xml(root):
        text_document.add_problem("not a bill of materials", root.line, hint=_HINT)
        return Sbom()
    return cyclonedx.read_xml(root, text_document)


def _read_json(text_document: TextDocument) -> Sbom:
    reader, line_index = JsonReader(text_document.text), LineIndex(text_document.text)
    try:
        document = reader.read_objects()
        reader.expect_end()
    except NotJsonError as error:
        line, column = line_index.line_number(error.offset), line_index.column_number(error.offset)
        text_document.add_problem(f"not valid JSON: {error}", line, column=column, hint=error.hint)
        return Sbom()
    for key, offset in reader.repeated_keys:
        text_document.add_problem(f"{quote_text(key)} is here twice in one object", line_index.line_number(offset))
    if isinstance(document, JsonObject) and isinstance(document.get("sbom"), JsonObject):  # GitHub's API wraps the SBOM
        document = document["sbom"]
    if isinstance(document, JsonObject):
        for is_format, read_sbom in (
            (cyclonedx.is_json, cyclonedx.read_json),
            (spdx.is_version_2, spdx.read_version_2),
            (spdx.is_version_3, spdx.read_version_3),
        ):
            if is_format(document):
                return read_sbom(document, text_document)
    text_document.add_problem("not a bill of materials", getattr(document, "line", 1), hint=_HINT)
    return Sbom()
