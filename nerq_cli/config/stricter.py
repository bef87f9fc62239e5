"""Settings below the root of a scan: what of them makes the check of their directory stricter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any, Final, NamedTuple

from nerq_cli.config.layers import apply_layers
from nerq_cli.config.model import Config, Value
from nerq_cli.policy.rules import RULES
from nerq_cli.policy.settings import LEVELS, PolicySettings

#: Settings that are about a run as a whole, or about what it sees.
_OF_RUN: Final = frozenset(
    {"private", "public", "exclude", "timeout", "strict", "groups", "no-dev", "baseline", "report-only", "nested"}
    | {"service", "service-only"}
)
_DEFAULT_LEVELS: Final = {rule.id: rule.level for rule in RULES}


class Stricter(NamedTuple):
    """The settings of a directory."""

    #: Those around it, with what is stricter in the directory.
    config: Config
    #: Keys of the values that were taken.
    obeyed: tuple[str, ...]
    #: Keys of the values that are not stricter, or that are about a run as a whole.
    ignored: tuple[str, ...]


def merge_stricter(outer: Config, nested: Config) -> Stricter:
    """Return the settings of a directory: the outer ones, with the nested values that are stricter than those.

    Waivers are those of the outer settings.
    """
    kept = dict(_select_stricter(outer, nested))
    ignored = tuple(key for key in nested.values if key not in kept and not (key == "preset" and "threshold" in kept))
    return Stricter(apply_layers(outer, kept), tuple(kept), ignored)


def _select_stricter(outer: Config, nested: Config) -> Iterator[tuple[str, Value]]:
    values, policy = nested.values, outer.policy
    if nested.threshold > outer.threshold and (key := next(filter(values.get, ("threshold", "preset")), "")):
        yield "threshold", Value(nested.threshold, values[key].origin)
    levels = {**_DEFAULT_LEVELS, **policy.levels}
    for rule_id, level in nested.policy.levels.items():  # also a level that options imply
        if LEVELS.index(level) > LEVELS.index(levels[rule_id]):
            levels[rule_id] = level
            key = f"rules.{rule_id}.level"
            origin = values.get(key) or next(
                value for key, value in values.items() if key.startswith(f"rules.{rule_id}.")
            )
            yield key, Value(level, origin.origin)
    for key, value in values.items():
        parts = key.split(".", 2)
        if key in _OF_RUN or len(parts) == 1 or parts[-1] == "level":
            continue
        if parts[0] == "thresholds":
            if isinstance(value.value, float) and value.value > _find_points(outer, parts[1], parts[2]):
                yield key, value
        elif levels[parts[1]] != "allow":
            is_off = policy.levels.get(parts[1], _DEFAULT_LEVELS[parts[1]]) == "allow"
            result = _merge_option(parts[1], parts[2], value.value, policy, is_off=is_off)
            if result is not None:
                yield key, Value(result, value.origin)


def _find_points(config: Config, table: str, name: str) -> float:
    """Return the points that the outer settings require; a group or package without any has those of the run."""
    policy = config.policy
    tables: Mapping[str, tuple[Mapping[str, float], float]] = {
        "groups": (policy.group_thresholds, config.threshold),
        "packages": (policy.package_thresholds, config.threshold),
        "dimensions": (policy.dimension_thresholds, 0.0),
    }
    points, default = tables[table]
    return points.get(name, default)


def _merge_option(rule_id: str, option: str, value: Any, policy: PolicySettings, *, is_off: bool) -> Any:  # noqa: ANN401 - what the table reads
    """Return the value of an option of a rule, if it is stricter than that of the outer settings; else None.

    ``is_off`` is whether the rule is not in force there, so that every value is stricter.
    """
    if rule_id == "vulnerability":
        return value if _is_stricter_vulnerability(option, value, policy, is_off=is_off) else None
    if option == "deny":  # both lists count
        added = tuple(name for name in value if name not in policy.denied_licences)
        return (*policy.denied_licences, *added) if added else None
    if option == "min-age":
        return value if is_off or value > policy.min_age else None
    if rule_id == "licence":  # an empty list accepts every licence
        outer = policy.allowed_licences
        return value if value and (is_off or not outer or set(value) < set(outer)) else None
    return value if is_off or set(value) < set(policy.allowed_scripts) else None


def _is_stricter_vulnerability(option: str, value: Any, policy: PolicySettings, *, is_off: bool) -> bool:  # noqa: ANN401 - what the table reads
    outer = policy.vulnerability
    if is_off:
        return True
    if option == "only-fixable":
        return bool(value < outer.only_fixable)
    if option == "epss":
        return bool(value < (inf if outer.epss is None else outer.epss))
    level = outer.kev if option == "kev" else outer.levels[option]
    return LEVELS.index(value) > LEVELS.index(level)
