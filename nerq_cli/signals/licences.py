"""Licence statements: which licences they name, how clearly, and what those demand of users."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

import msgspec

from nerq_cli.patterns import compile_late
from nerq_cli.signals.spdx import APPROVED, KINDS

#: How clearly a statement names licences: a level of the signal ``licence``.
Clarity = Literal["approved", "mapped", "unapproved", "ambiguous", "custom", "none", "unlicensed"]


class Licence(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed licence statement."""

    clarity: Clarity
    #: SPDX expression; empty when the statement names none.
    expression: str = ""


#: Classifiers (after ``License ::``, last part, lower case) and common free texts, as SPDX expressions. An empty
#: value marks a name of a family, not of a licence.
_EXPRESSIONS_BY_SPELLING: Final[dict[str, str]] = {
    "mit license": "MIT",
    "the mit license": "MIT",
    "the mit license (mit)": "MIT",
    "mit license (mit)": "MIT",
    "mit": "MIT",
    "expat": "MIT",
    "mit no attribution license (mit-0)": "MIT-0",
    "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "asl 2.0": "Apache-2.0",
    "bsd license": "",
    "bsd": "",
    "bsd-like": "",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "modified bsd": "BSD-3-Clause",
    "modified bsd license": "BSD-3-Clause",
    "simplified bsd": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "bsd-3": "BSD-3-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd-3-clause license": "BSD-3-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "2-clause bsd": "BSD-2-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "python software foundation license": "PSF-2.0",
    "psf": "PSF-2.0",
    "psfl": "PSF-2.0",
    "psf license": "PSF-2.0",
    "mozilla public license 1.1 (mpl 1.1)": "MPL-1.1",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl 2.0": "MPL-2.0",
    "mpl2": "MPL-2.0",
    "mozilla public license 2.0": "MPL-2.0",
    "gnu lesser general public license v2 (lgplv2)": "LGPL-2.0-only",
    "gnu lesser general public license v2 or later (lgplv2+)": "LGPL-2.0-or-later",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "gnu lesser general public license v3 or later (lgplv3+)": "LGPL-3.0-or-later",
    "gnu library or lesser general public license (lgpl)": "",
    "lgpl": "",
    "lgplv3": "LGPL-3.0-only",
    "lgplv3+": "LGPL-3.0-or-later",
    "lgpl v3": "LGPL-3.0-only",
    "gnu general public license (gpl)": "",
    "gpl": "",
    "gnu gpl": "",
    "gnu general public license v2 (gplv2)": "GPL-2.0-only",
    "gnu general public license v2 or later (gplv2+)": "GPL-2.0-or-later",
    "gnu general public license v3 (gplv3)": "GPL-3.0-only",
    "gnu general public license v3 or later (gplv3+)": "GPL-3.0-or-later",
    "gplv2": "GPL-2.0-only",
    "gplv2+": "GPL-2.0-or-later",
    "gplv3": "GPL-3.0-only",
    "gplv3+": "GPL-3.0-or-later",
    "gpl v3": "GPL-3.0-only",
    "gpl-3": "GPL-3.0-only",
    "gnu affero general public license v3": "AGPL-3.0-only",
    "gnu affero general public license v3 or later (agplv3+)": "AGPL-3.0-or-later",
    "agplv3": "AGPL-3.0-only",
    "agplv3+": "AGPL-3.0-or-later",
    "academic free license (afl)": "",
    "artistic license": "",
    "boost software license 1.0 (bsl-1.0)": "BSL-1.0",
    "cc0 1.0 universal (cc0 1.0) public domain dedication": "CC0-1.0",
    "eclipse public license 1.0 (epl-1.0)": "EPL-1.0",
    "eclipse public license 2.0 (epl-2.0)": "EPL-2.0",
    "european union public licence 1.2 (eupl 1.2)": "EUPL-1.2",
    "public domain": "CC0-1.0",
    "the unlicense (unlicense)": "Unlicense",
    "the unlicense": "Unlicense",
    "universal permissive license (upl)": "UPL-1.0",
    "university of illinois/ncsa open source license": "NCSA",
    "zope public license": "ZPL-2.1",
    "zpl 2.1": "ZPL-2.1",
    "zlib/libpng license": "Zlib",
    "zlib": "Zlib",
    "historical permission notice and disclaimer (hpnd)": "HPND",
    "hpnd": "HPND",
    "osi approved": "",
    "dual": "",
    "dual license": "",
}
_CUSTOM_CLASSIFIERS: Final = frozenset({"other/proprietary license", "proprietary", "free for non-commercial use"})
_ALL_RIGHTS_RESERVED: Final = frozenset({"unlicensed", "proprietary", "all rights reserved", "commercial"})
_TOKEN: Final = compile_late(r"\(|\)|[^\s()]+")
#: Longer texts are licence texts, not expressions.
_MAX_EXPRESSION_LENGTH: Final = 500
#: What licences demand of users, the most first: the levels of ``licence_terms``.
TERMS: Final = ("restricted use", "network copyleft", "strong copyleft", "weak copyleft", "permissive")


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> Licence:
    """Parse a field defined to hold an SPDX expression (npm ``license``, PyPI ``license_expression``)."""
    stripped = text.strip()
    if not stripped:
        return Licence(clarity="none")
    if stripped.upper() == "UNLICENSED":
        return Licence(clarity="unlicensed")
    expression = _canonicalise(stripped)
    if not expression:
        return parse_text(stripped)
    if "LicenseRef-" in expression:
        return Licence(clarity="custom", expression=expression)
    return Licence(clarity="approved" if _is_approved(expression) else "unapproved", expression=expression)


@lru_cache(maxsize=4096)
def parse_text(text: str) -> Licence:
    """Parse a free-text licence field: a common spelling, the start of a licence text, or other text."""
    normalised = " ".join(text.lower().split()).strip(" .\"'")
    if not normalised:
        return Licence(clarity="none")
    if normalised in _ALL_RIGHTS_RESERVED:
        return Licence(clarity="unlicensed")
    expression = _EXPRESSIONS_BY_SPELLING.get(
        normalised, _EXPRESSIONS_BY_SPELLING.get(normalised.removesuffix(" license").removesuffix(" licence"))
    )
    if expression is None:
        expression = _canonicalise(text.strip()) or _recognise_text(normalised)
    if expression:
        return Licence(clarity="mapped", expression=expression)
    return Licence(clarity="custom" if expression is None else "ambiguous")


def _recognise_text(normalised: str) -> str | None:
    """Return the licence whose text begins like this one; None when there is none."""
    for prefix, expression in (
        ("mit license", "MIT"),
        ("the mit license", "MIT"),
        ("permission is hereby granted, free of charge", "MIT"),
        ("apache license version 2.0", "Apache-2.0"),
        ("bsd 3-clause license", "BSD-3-Clause"),
        ("bsd 2-clause license", "BSD-2-Clause"),
        ("isc license", "ISC"),
        ("mozilla public license version 2.0", "MPL-2.0"),
        ("gnu general public license version 3", "GPL-3.0-only"),
        ("gnu lesser general public license version 3", "LGPL-3.0-only"),
    ):
        if normalised.startswith(prefix):
            return expression
    return None


@lru_cache(maxsize=4096)
def parse_classifiers(classifiers: tuple[str, ...]) -> Licence:
    """Parse ``License ::`` classifiers. Several usually mean a choice, so they are joined by OR."""
    names = [
        classifier.rpartition("::")[2].strip().lower()
        for classifier in classifiers
        if classifier.startswith("License ::")
    ]
    names = [name for name in names if name != "osi approved"] or names
    if not names:
        return Licence(clarity="none")
    mapped_names = [_EXPRESSIONS_BY_SPELLING.get(name) for name in names]
    expressions = [expression for expression in mapped_names if expression]
    if expressions:
        return Licence(clarity="mapped", expression=" OR ".join(dict.fromkeys(expressions)))
    if all(name in _CUSTOM_CLASSIFIERS for name in names):
        return Licence(clarity="custom")
    return Licence(clarity="ambiguous")


def _canonicalise(text: str) -> str:
    if len(text) > _MAX_EXPRESSION_LENGTH:
        return ""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return canonicalize_license_expression(text)
    except (InvalidLicenseExpression, ValueError, RecursionError, MemoryError, SyntaxError):
        return ""


def classify_terms(expression: str) -> str:
    """Return what a canonical SPDX expression demands of users, a level of ``licence_terms``; empty when unclassified.

    AND takes the worst of its parts, OR the best (the user chooses).
    """
    rank = _ExpressionEvaluator(expression).evaluate()
    return "" if rank is None else TERMS[rank]


def tokenise_expression(expression: str) -> list[str]:
    """Return the identifiers, operators and parentheses of an SPDX expression."""
    return _TOKEN.findall(expression)


class _ExpressionEvaluator:
    """Evaluates one canonical SPDX expression, whose grammar ``packaging`` has checked."""

    def __init__(self, expression: str) -> None:
        self._tokens = tokenise_expression(expression)[::-1]

    def evaluate(self) -> int | None:
        ranks = [self._evaluate_conjunction()]
        while self._skip_token("OR"):
            ranks.append(self._evaluate_conjunction())
        return max((rank for rank in ranks if rank is not None), default=None)

    def _evaluate_conjunction(self) -> int | None:
        ranks = [self._evaluate_term()]
        while self._skip_token("AND"):
            ranks.append(self._evaluate_term())
        return None if None in ranks else min(rank for rank in ranks if rank is not None)

    def _evaluate_term(self) -> int | None:
        if self._skip_token("("):
            rank = self.evaluate()
            self._skip_token(")")
            return rank
        identifier = self._tokens.pop() if self._tokens else ""
        terms = KINDS.get(identifier.lower().removesuffix("+"), "")
        rank = TERMS.index(terms) if terms else None
        if self._skip_token("WITH"):
            self._tokens.pop()
            # An exception grants more: it makes a strong copyleft licence a weak one.
            return rank if rank is None else max(rank, TERMS.index("weak copyleft"))
        return rank

    def _skip_token(self, token: str) -> bool:
        if self._tokens and self._tokens[-1] == token:
            self._tokens.pop()
            return True
        return False


def extract_identifiers(expression: str) -> frozenset[str]:
    """Return the licence identifiers in an expression, lower case, without exceptions."""
    tokens = tokenise_expression(expression)
    names = (
        token
        for index, token in enumerate(tokens)
        if token not in ("(", ")", "AND", "OR", "WITH") and tokens[index - 1 : index] != ["WITH"]
    )
    return frozenset(name.lower().removesuffix("+") for name in names)


def _is_approved(expression: str) -> bool:
    names = extract_identifiers(expression)
    quantifier = any if " OR " in expression else all
    return bool(names) and quantifier(name in APPROVED for name in names)


def are_conflicting(first: Licence, second: Licence) -> bool:
    """Whether two statements name licences without a common one."""
    if not first.expression or not second.expression:
        return False
    return _extract_families(first.expression).isdisjoint(_extract_families(second.expression))


def _extract_families(expression: str) -> frozenset[str]:
    """Return the identifiers without the only/or-later ending, whose two spellings do not conflict."""
    return frozenset(re.sub(r"-(only|or-later)$", "", name) for name in extract_identifiers(expression))
