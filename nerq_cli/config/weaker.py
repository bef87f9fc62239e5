"""Compare the settings of two states of a project: what a run accepts or leaves out only with the newer ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Final

from msgspec.structs import replace

from nerq_cli.config.model import Config
from nerq_cli.config.values import format_duration
from nerq_cli.policy.rules import RULES
from nerq_cli.policy.settings import LEVELS, PolicySettings

#: Names that one sentence lists.
_MAX_SHOWN: Final = 5


def find_weaker(old: Config, new: Config) -> Iterator[str]:
    """Yield each setting with which a run accepts more, or looks at less, than with the older settings."""
    if new.threshold < old.threshold:
        yield f"threshold {old.threshold:g} → {new.threshold:g}"
    if old.strict and not new.strict:
        yield f"strict true → {'not set' if new.strict is None else 'false'}"
    if new.strict is False and old.strict is None:
        yield "strict not set → false"
    yield from _find_weaker_scope(old, new)
    for key in ("private", "public", "exclude"):
        added = [pattern for pattern in getattr(new, key) if pattern not in getattr(old, key)]
        if added:
            yield f"{key} + {_join(added)}"
    dropped = [group for group in old.groups if group not in new.groups]
    if new.groups and (dropped or not old.groups):
        yield f"groups {_join(old.groups) or 'all'} → {_join(new.groups)}"
    yield from _find_added_waivers(old, new)
    if new.policy != old.policy:
        yield from _find_weaker_policy(old, new)


def _find_weaker_scope(old: Config, new: Config) -> Iterator[str]:
    """Yield what of a project is looked at less, and by which settings."""
    switches = (
        ("no-dev", old.no_dev, new.no_dev),
        ("no-mcp", old.no_mcp, new.no_mcp),
        ("no-models", old.no_models, new.no_models),
    )
    yield from (f"{key} false → true" for key, before, after in switches if after and not before)
    if new.baseline and new.baseline != old.baseline:
        yield f"baseline {old.baseline or 'not set'} → {new.baseline}"
    if new.service and new.service != old.service:
        yield f"service {old.service or 'not set'} → {new.service}"
    if (old.nested and not new.nested) or (new.nested == "waivers" and old.nested != "waivers"):
        yield f"nested {str(old.nested).lower()} → {str(new.nested).lower()}"


def _find_added_waivers(old: Config, new: Config) -> Iterator[str]:
    """Yield the waivers that are new, or have another end or range."""
    known = {replace(waiver, location=None, reason="", owner="") for waiver in old.waivers}
    added = [waiver.label for waiver in new.waivers if replace(waiver, location=None, reason="", owner="") not in known]
    if added:
        yield f"waivers + {_join(added)}"


def _find_weaker_policy(old_config: Config, new_config: Config) -> Iterator[str]:
    old, new = old_config.policy, new_config.policy
    if new.report_only and not old.report_only:
        yield "report-only false → true"
    for rule in RULES:
        before, after = old.levels.get(rule.id, rule.level), new.levels.get(rule.id, rule.level)
        if LEVELS.index(after) < LEVELS.index(before):
            yield f"rules.{rule.id} {before} → {after}"
    for name, before, after in (
        *((name, level, new.vulnerability.levels[name]) for name, level in old.vulnerability.levels.items()),
        ("kev", old.vulnerability.kev, new.vulnerability.kev),
    ):
        if LEVELS.index(after) < LEVELS.index(before):
            yield f"rules.vulnerability.{name} {before} → {after}"
    if added := sorted(new.vulnerability.only_fixable - old.vulnerability.only_fixable):
        yield f"rules.vulnerability.only-fixable + {_join(added)}"
    if (new.vulnerability.epss or inf) > (old.vulnerability.epss or inf):
        yield f"rules.vulnerability.epss {old.vulnerability.epss:g} → {_format(new.vulnerability.epss)}"
    if new.min_age < old.min_age:
        yield f"rules.too-new.min-age {format_duration(old.min_age)} → {format_duration(new.min_age)}"
    yield from _find_weaker_lists(old, new)
    for name in ("groups", "packages", "dimensions"):
        key = f"{name.removesuffix('s')}_thresholds"
        # A group or package without a threshold of its own has that of the run; a dimension has none.
        thresholds = (old_config.threshold, new_config.threshold) if name != "dimensions" else (0.0, 0.0)
        yield from _find_lowered(f"thresholds.{name}", getattr(old, key), getattr(new, key), *thresholds)


def _find_weaker_lists(old: PolicySettings, new: PolicySettings) -> Iterator[str]:
    if added := [name for name in new.allowed_scripts if name not in old.allowed_scripts]:
        yield f"rules.install-script.allow + {_join(added)}"
    if old.allowed_licences:
        added = [name for name in new.allowed_licences if name not in old.allowed_licences]
        if added or not new.allowed_licences:
            yield f"rules.licence.allow {f'+ {_join(added)}' if added else 'is removed'}"
    if removed := [name for name in old.denied_licences if name not in new.denied_licences]:
        yield f"rules.licence.deny - {_join(removed)}"


def _find_lowered(
    table: str, old: Mapping[str, float], new: Mapping[str, float], old_default: float, new_default: float
) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, old_default), new.get(name, new_default)
        if after < before:
            yield f"{table}.{name} {before:g} → {after:g}"


def _format(value: float | None) -> str:
    return "not set" if value is None else f"{value:g}"


def _join(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:_MAX_SHOWN]) + ", …" * (len(names) > _MAX_SHOWN)
