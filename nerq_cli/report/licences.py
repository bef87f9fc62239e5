"""The licence of a package: an SPDX expression, a text, none, or not known."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from nerq_cli.report.model import Assessment
from nerq_cli.report.sanitize import sanitize_text
from nerq_cli.signals import licences

#: Longest licence text of a report, in characters. Metadata keep no more.
_MAX_LENGTH: Final = 200


class Licence(msgspec.Struct, frozen=True):
    """What the metadata of one version declare."""

    #: ``expression``: one of SPDX; ``text``: any other text; ``none``: the metadata have no licence; ``unknown``: no
    #: metadata were read.
    kind: Literal["expression", "text", "none", "unknown"]
    value: str = ""


_UNKNOWN: Final = Licence("unknown")
_NONE: Final = Licence("none")


def find_licence(assessment: Assessment) -> Licence:
    """Return the licence that the version in use declares: the most explicit field that names one of SPDX, or any."""
    if assessment.metadata is None:
        return _UNKNOWN
    metadata = assessment.metadata.value
    expression, classifiers, text = metadata.licence_expression, metadata.licence_classifiers, metadata.licence_text
    if expression is None and classifiers is None and text is None:
        return _UNKNOWN
    parsed = (
        licences.parse_expression(expression or ""),
        licences.parse_classifiers(classifiers or ()),
        licences.parse_text(text or ""),
    )
    for licence in parsed:
        if licence.expression:
            return Licence("expression", licence.expression)
    names = ", ".join(classifier.rpartition("::")[2].strip() for classifier in classifiers or ())
    for statement in (expression, names, text):
        if statement and (clean := sanitize_text(statement, _MAX_LENGTH).strip()):
            return Licence("text", clean)
    return _NONE
