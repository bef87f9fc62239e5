"""Packages of conda channels: they are listed under their own names, and not scored."""

from __future__ import annotations

import re
from typing import Final

from nerq_cli.ecosystems import CONDA
from nerq_cli.inventory import Declaration, Location
from nerq_cli.patterns import compile_late

#: Skip reason of the packages of conda.
CONDA_REASON: Final = "conda package: not scored"

#: One exact version: ``=1.2=build``, ``1.2``, ``1.2 build`` or ``[version='1.2']`` (conda's manual, "Package match
#: specifications").
_EXACT_VERSION: Final = compile_late(
    r"==?\s*(\d[\w.!+]*)=[\w.*]+|==\s*(\d[\w.!+]*)(?:\s+[\w.*]+)?|(\d[\w.!+]*)(?:\s+[\w.*]+)?"
    r"|\[(?:.*,)?\s*version\s*=\s*(?P<quote>[\"']?)(?:==)?(\d[\w.!+]*)(?P=quote)\s*(?:,.*)?\]",
    re.ASCII,
)
#: Longest requirement that may be an exact one, and longest file name (NAME_MAX of Linux), in characters.
_MAX_REQUIREMENT_LENGTH: Final = 1_000
_MAX_FILE_NAME_LENGTH: Final = 255
_ADDRESS: Final = compile_late(r"[a-z]+://|[./~]")
_PACKAGE_FILE: Final = compile_late(r".*?([A-Za-z0-9_][\w.-]*?)-([^-/]+)-[^-/]+\.(?:conda|tar\.bz2)")


def make_conda_declaration(name: str, requirement: str, group: str, location: Location) -> Declaration:
    """Return the declaration of a package of conda; an exact requirement in the form ``==1.2``."""
    match = _EXACT_VERSION.fullmatch(requirement) if len(requirement) <= _MAX_REQUIREMENT_LENGTH else None
    return Declaration(
        ecosystem=CONDA,
        name=name,
        requirement=f"=={next(filter(None, match.group(1, 2, 3, 5)))}" if match else requirement,
        group=group,
        location=location,
        skip_reason=CONDA_REASON,
    )


def parse_file_url(url: str) -> tuple[str, str] | None:
    """Return name and version of the URL or path of a conda package, whose file is ``name-version-build``."""
    file_name = url.rpartition("/")[2]
    if not _ADDRESS.match(url) or len(file_name) > _MAX_FILE_NAME_LENGTH:
        return None
    match = _PACKAGE_FILE.fullmatch(file_name)
    return (match[1], match[2]) if match else None
