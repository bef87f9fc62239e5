"""Software bills of materials: CycloneDX in JSON or XML, SPDX in JSON. Their PyPI and npm packages are listed."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from nerq_cli.inventory import Manifest
from nerq_cli.manifests import cyclonedx, safe_xml, spdx
from nerq_cli.manifests.bill import Bill, manifest
from nerq_cli.manifests.json_document import NotJsonError
from nerq_cli.manifests.json_objects import Object, decode, place
from nerq_cli.manifests.page import Page

NAME: Final = "sbom"

_FILE: Final = re.compile(r"s?bom\.(?:json|xml)|.*\.cdx\.(?:json|xml)|.*\.spdx\.json")
_MARKUP: Final = re.compile(r"\s*<")
_HINT: Final = "read are CycloneDX in JSON or XML, and SPDX 2 or 3 in JSON; --as tells another format"


def wants(path: PurePosixPath) -> bool:
    """Say whether this file is a bill of materials, by its name."""
    return _FILE.fullmatch(path.name.lower()) is not None


def read(text: str, path: str, *, constraint: bool = False, group: str = "") -> Manifest:  # noqa: ARG001 - as all readers
    """Read the packages of a bill of materials. What is wrong with it is in ``problems``; nothing is raised.

    Packages of other ecosystems are counted in a note. ``constraint`` and ``group`` mean nothing here.
    """
    page = Page(text, path)
    bill = _from_xml(page) if _MARKUP.match(page.text) else _from_json(page)
    return manifest(bill, page, NAME)


def _from_xml(page: Page) -> Bill:
    try:
        root = safe_xml.parse(page.text)
    except safe_xml.NotXmlError as error:
        page.report(f"not readable XML: {error}", min(error.line, len(page.lines)), column=error.column)
        return Bill()
    if not cyclonedx.is_xml(root):
        page.report("not a bill of materials", root.line, hint=_HINT)
        return Bill()
    return cyclonedx.from_xml(root, page)


def _from_json(page: Page) -> Bill:
    try:
        document, twice = decode(page.text)
    except NotJsonError as error:
        line, column = place(page.text, error)
        page.report(f"not valid JSON: {error}", line, column=column, hint=error.hint)
        return Bill()
    for key, line in twice:
        page.report(f"{key[:60]!r} is here twice in one object", line)
    if isinstance(document, Object) and isinstance(document.get("sbom"), Object):  # as GitHub's API wraps one
        document = document["sbom"]
    if isinstance(document, Object):
        for fits, read_as in (
            (cyclonedx.is_json, cyclonedx.from_json),
            (spdx.is_version_2, spdx.from_version_2),
            (spdx.is_version_3, spdx.from_version_3),
        ):
            if fits(document):
                return read_as(document, page)
    page.report("not a bill of materials", getattr(document, "line", 1), hint=_HINT)
    return Bill()
