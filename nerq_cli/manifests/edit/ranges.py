"""New version requirements in the style of the old ones: the operators stay, the versions move."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nerq_cli.manifests.edit.edits import CannotEditError
from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from packaging.version import Version

_CLAUSE: Final = compile_late(r"(\s*)(===|~=|==|!=|<=|>=|<|>)(\s*)([^\s,]+)(\s*)")
_NUMBERS: Final = compile_late(r"\d+(?:\.\d+)*")
_POETRY_CLAUSE: Final = compile_late(r"\s*(\^|~(?!=))(\s*)v?(\d[\w.+!-]*)\s*", re.ASCII)
_POETRY_EXACT: Final = compile_late(r"\s*v?\d[\w.+!-]*\s*", re.ASCII)
_NPM_SIMPLE: Final = compile_late(
    r"(\s*(?:[\^~]|>=|=)?\s*v?)(\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)(\s*)", re.ASCII
)
_NPM_BOUNDED: Final = compile_late(
    r"(\s*>=?\s*)v?(\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z.-]+)?)(\s+<=?\s*v?\d[\w.-]*\s*)", re.ASCII
)


#: Dots in a full npm version; fewer numbers without an operator are a range.
_FULL_DOTS: Final = 2


def rewrite_pep440(requirement: str, version: str) -> str:
    """Return version specifiers (PEP 440) whose lower bound, or pin, is a version.

    Upper bounds that exclude it move to the next number. Space, order and other specifiers stay.

    Raises:
        CannotEditError: no such specifiers would be in the style of the old ones.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        new, _ = Version(version), SpecifierSet(requirement)
    except (InvalidSpecifier, InvalidVersion, ValueError):
        raise CannotEditError(f"{requirement!r} is in a form that is not written") from None
    if not requirement.strip():
        return f">={version}"
    clauses = requirement.split(",")
    has_lower = any(clause.strip().startswith((">", "==", "~=", "===")) for clause in clauses)
    rewritten = [_rewrite_clause(clause, version, new) for clause in clauses]
    if not has_lower:
        rewritten.insert(0, f">={version}")
    text = ",".join(rewritten)
    if not SpecifierSet(text).contains(version, prereleases=True):
        raise CannotEditError(f"{requirement} excludes {version}")
    return text


def _rewrite_clause(clause: str, version: str, new: Version) -> str:
    match = _CLAUSE.fullmatch(clause)
    if match is None:
        raise CannotEditError(f"{clause.strip()!r} is in a form that is not written")
    before, operator, space, bound, after = match.groups()
    if "+" in bound:
        raise CannotEditError(f"{operator}{bound} is a local build, which no index has")
    if operator in ("===", "==", ">", ">=") and not bound.endswith(".*"):
        return f"{before}{operator.replace('>=', '>').replace('>', '>=')}{space}{version}{after}"
    if operator in ("==", "~="):
        star = ".*" if operator == "==" else ""
        kept = _truncate(new, len(bound.removesuffix(".*").split(".")))
        further = "" if _is_equal(new, kept) else f",>={version}"
        return f"{before}{operator}{space}{kept}{star}{after}{further}"
    if operator == "<" and not _is_below(new, bound):
        return f"{before}<{space}{_raise_bound(bound, new)}{after}"
    return clause


def _truncate(version: Version, length: int) -> str:
    numbers = [*version.release, *[0] * length][:length]
    epoch = f"{version.epoch}!" if version.epoch else ""
    return epoch + ".".join(map(str, numbers))


def _is_equal(version: Version, text: str) -> bool:
    from packaging.version import parse

    return version == parse(text)


def _is_below(version: Version, text: str) -> bool:
    from packaging.version import parse

    return version < parse(text)


def _raise_bound(bound: str, new: Version) -> str:
    """Return the next upper bound of the same precision: of ``<3`` and 3.1 that is 4, of ``<2.5`` and 2.7 it is 2.8."""
    if _NUMBERS.fullmatch(bound) is None or new.epoch:
        raise CannotEditError(f"<{bound} excludes {new}")
    numbers = [int(number) for number in bound.split(".")]
    last = max((index for index, number in enumerate(numbers) if number), default=0)
    release = [*new.release, *[0] * len(numbers)]
    raised = [*release[:last], release[last] + 1, *[0] * (len(numbers) - last - 1)]
    return ".".join(map(str, raised))


def rewrite_poetry(requirement: str, version: str) -> str:
    """Return a constraint of Poetry with a version in place of that of ``^``, ``~`` or an exact one.

    Raises:
        CannotEditError: as in :func:`rewrite_pep440`.
    """
    if "|" in requirement:
        raise CannotEditError("alternatives (||) are left to you")
    match = _POETRY_CLAUSE.fullmatch(requirement)
    if match is not None:
        return f"{match[1]}{match[2]}{version}"
    if requirement.strip() in ("", "*"):
        return f">={version}"
    if _POETRY_EXACT.fullmatch(requirement):
        return version
    return rewrite_pep440(requirement, version)


def rewrite_npm(requirement: str, version: str) -> str:
    """Return an npm range with a version in place of its own: ``^``, ``~`` and ``>=`` stay.

    Raises:
        CannotEditError: as in :func:`rewrite_pep440`.
    """
    from nerq_cli.ecosystems import NPM, get_ecosystem

    if (match := _NPM_SIMPLE.fullmatch(requirement)) and (match[1].strip(" =v") or match[2].count(".") == _FULL_DOTS):
        return f"{match[1]}{version}{match[3]}"
    if match := _NPM_BOUNDED.fullmatch(requirement):
        text = f"{match[1].replace('>', '>=').replace('>==', '>=')}{version}{match[3]}"
        parsed = get_ecosystem(NPM).parse_requirement(text)
        if parsed is not None and parsed.allows(version, prereleases=True):
            return text
        raise CannotEditError(f"{requirement} excludes {version}")
    raise CannotEditError(f"{requirement!r} is in a form that is left to you")
