"""Marks: what the evidence of a release states for rules that look at more than a score, packed into one integer.

Evidence is dropped once a release is scored. A mark keeps yes, no or unknown in two bits, so that the answers of all
rules of 50,000 dependencies take no memory to speak of. Only those of rules that are in force are determined.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final

from nerq_cli.ecosystems import EcosystemId, get_ecosystem
from nerq_cli.facts import DEPRECATED, SDIST, WHEEL, YANKED, Evidence, Found
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.signals import provenance
from nerq_cli.signals.context import Context
from nerq_cli.signals.maintenance import choose_age_cap

_YES: Final = 0b01
_UNKNOWN: Final = 0b10
_WIDTH: Final = 2


def _is_yanked(context: Context) -> bool | None:
    if context.metadata is not None and context.metadata.yanked is not None:
        return context.metadata.yanked
    if context.package_info is None or context.row is None:
        return None
    return bool(context.package_info.flags[context.row] & YANKED)


def _is_deprecated(context: Context) -> bool | None:
    info, row, metadata = context.package_info, context.row, context.metadata
    if info is not None and (info.status == "deprecated" or (row is not None and info.flags[row] & DEPRECATED)):
        return True
    if metadata is not None and metadata.deprecated is not None:
        return bool(metadata.deprecated)
    return None if info is None or info.status is None else False


def _is_archived(context: Context) -> bool | None:
    info, repository = context.package_info, context.repository
    if (info is not None and info.status == "archived") or (repository is not None and repository.archived):
        return True
    return None if info is None or context.may_be_archived else False


def _is_inactive(context: Context) -> bool | None:
    """Whether it is classified as inactive, or nothing was released or committed for years; see the caps for age."""
    info, metadata = context.package_info, context.metadata
    classified = info.inactive if info is not None else None
    if classified is None and metadata is not None:
        classified = metadata.inactive
    days = context.days_since_release
    cap = "" if days is None else choose_age_cap(context, days)
    if classified or (cap and context.is_activity_read and context.is_widely_used is False):
        return True
    has_classifiers = get_ecosystem(context.ecosystem).uses_python
    return None if cap or days is None or (classified is None and has_classifiers) else False


def _is_vanished(context: Context) -> bool | None:
    info = context.package_info
    if info is None or not context.version:
        return None
    if context.row is not None:
        return False
    return None if info.partial and context.version not in info.removed else True


def _runs_code(context: Context) -> bool | None:
    """Whether something runs at installation: scripts of npm, the build of a source archive of PyPI."""
    info, row, metadata = context.package_info, context.row, context.metadata
    if get_ecosystem(context.ecosystem).install_code == "build":
        flags = info.flags[row] if info is not None and row is not None else 0
        return not flags & WHEEL if flags & (WHEEL | SDIST) else None
    return None if metadata is None or metadata.hooks is None else bool(metadata.hooks)


def _has_lost_provenance(context: Context) -> bool | None:
    return provenance.has_lost_provenance(context.package_info, context.metadata, context.version)


def _has_new_publisher(context: Context) -> bool | None:
    """Whether another account or repository published the version than those before, within the time of the cap.

    Or another repository than the package states, whenever that was.
    """
    if provenance.find_mismatch(context.metadata):
        return True
    days = context.version_days
    if context.row is None or days is None:
        return None
    if days >= context.limit("new_publisher_days"):
        return False
    return provenance.has_new_publisher(context.package_info, context.metadata, context.version)


def _is_security_fix(context: Context) -> bool | None:
    history = context.evidence.history
    return history.value.fixes_predecessor if isinstance(history, Found) else None


def _is_lookalike(context: Context) -> bool | None:
    """Whether names were compared; the score has a cap for one that is mistaken for another."""
    return False if isinstance(context.evidence.similar_name, Found) else None


#: The function of each mark, by the id of its rule.
_FUNCTIONS: Final[Mapping[str, Callable[[Context], bool | None]]] = MappingProxyType(
    {
        "yanked": _is_yanked,
        "deprecated": _is_deprecated,
        "archived": _is_archived,
        "inactive": _is_inactive,
        "vanished": _is_vanished,
        "install-script": _runs_code,
        "provenance-lost": _has_lost_provenance,
        "publisher-changed": _has_new_publisher,
        "too-new": _is_security_fix,
        "lookalike": _is_lookalike,
    }
)
#: Position of the bits of each mark.
MARK_SHIFTS: Final[Mapping[str, int]] = MappingProxyType({id_: _WIDTH * row for row, id_ in enumerate(_FUNCTIONS)})


def collect_marks(
    ecosystem: EcosystemId, version: str, evidence: Evidence, as_of: int, rule_ids: Collection[str]
) -> int:
    """Return the marks of a release for these rules. ``as_of`` is in epoch seconds UTC."""
    context = Context(PACKAGES, ecosystem, version, evidence, as_of)
    return pack_marks({id_: _FUNCTIONS[id_](context) for id_ in rule_ids if id_ in _FUNCTIONS})


def pack_marks(values: Mapping[str, bool | None]) -> int:
    """Return marks by the id of their rule as one integer."""
    marks = 0
    for id_, value in values.items():
        marks |= (_UNKNOWN if value is None else _YES if value else 0) << MARK_SHIFTS[id_]
    return marks


def read_mark(marks: int | None, rule_id: str) -> bool | None:
    """Return one mark: yes, no, or None if it is not known. Without marks (None) none is known."""
    if marks is None:
        return None
    bits = marks >> MARK_SHIFTS[rule_id]
    return None if bits & _UNKNOWN else bool(bits & _YES)


#: Ids of the rules that have a mark.
MARKED_RULES: Final = frozenset(_FUNCTIONS)
