"""Settings of a directory are never weaker than those around it, whatever they state."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nerq_cli.config.layers import build_config
from nerq_cli.config.model import Config, Value
from nerq_cli.config.stricter import merge_stricter
from nerq_cli.config.table import SETTINGS
from nerq_cli.config.weaker import find_weaker
from nerq_cli.policy.rules import RULES
from nerq_cli.policy.settings import LEVELS, PRESETS
from nerq_cli.signals.advisories import SEVERITIES
from nerq_cli.units import DAY

POINTS = st.sampled_from([0.0, 30.0, 60.0, 70.0, 85.0, 100.0])
NAMES = st.lists(st.sampled_from(["MIT", "GPL-3.0-only", "Apache-2.0"]), unique=True).map(tuple)
#: Values of the options that are no level, by the end of their key.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "rules.vulnerability.only-fixable": st.frozensets(st.sampled_from(SEVERITIES)),
    "rules.vulnerability.epss": st.sampled_from([0.1, 0.5]),
    "rules.too-new.min-age": st.sampled_from([DAY, 7 * DAY, 30 * DAY]),
    "rules.licence.allow": NAMES,
    "rules.licence.deny": NAMES,
    "rules.install-script.allow": NAMES,
    "threshold": POINTS,
    "preset": st.sampled_from(sorted(PRESETS)),
    "report-only": st.booleans(),
    "strict": st.booleans(),
    "no-dev": st.booleans(),
    "private": NAMES,
    "exclude": NAMES,
    "thresholds.groups.dev": POINTS,
    "thresholds.packages.demo": POINTS,
    "thresholds.dimensions.security": POINTS,
}
RULE_KEYS = [key for key in SETTINGS if key.startswith("rules.")]


def get_strategy(key: str) -> st.SearchStrategy[Any]:
    return VALUES.get(key, st.sampled_from(LEVELS))


CONFIGS = st.dictionaries(st.sampled_from([*RULE_KEYS, *VALUES]), st.none(), max_size=6).flatmap(
    lambda keys: st.fixed_dictionaries({key: get_strategy(key) for key in keys})
)


def build(values: dict[str, Any]) -> Config:
    return build_config({key: Value(value, "nerq.toml") for key, value in values.items()}, path="nerq.toml")


@given(CONFIGS, CONFIGS)
@example({"rules.licence.allow": ("MIT",)}, {"rules.licence.allow": ()})
def test_no_setting_of_a_directory_is_weaker(outer: dict[str, Any], nested: dict[str, Any]) -> None:
    around = build(outer)
    result = merge_stricter(around, build(nested))
    # A threshold of a package or group counts beside that of the run around it: the higher one is required. Options of
    # a rule that is not in force there may have every value.
    off = [f"rules.{rule.id}" for rule in RULES if around.policy.levels.get(rule.id, rule.level) == "allow"]
    weaker = [text for text in find_weaker(around, result.config) if not text.startswith(("thresholds.", *off))]
    assert not weaker
    assert {*result.obeyed} - {"threshold"} <= {*nested} | {key for key in result.obeyed if key.endswith(".level")}


@pytest.mark.parametrize("key", [*RULE_KEYS, "threshold", "thresholds.groups.dev", "thresholds.dimensions.security"])
def test_every_setting_of_a_rule_can_be_stricter(key: str) -> None:
    strict: dict[str, Any] = {
        "rules.vulnerability.only-fixable": frozenset(),
        "rules.vulnerability.epss": 0.1,
        "rules.too-new.min-age": 30 * DAY,
        "rules.licence.allow": ("MIT",),
        "rules.licence.deny": ("MIT",),
        "rules.install-script.allow": ("MIT",),
    }
    value = strict.get(key, "deny" if key.startswith("rules.") else 99.0)
    outer = build({f"{key.rpartition('.')[0]}.level": "allow"} if key.endswith(".level") else {})
    assert key in (merged := merge_stricter(outer, build({key: value}))).obeyed or (
        value == "deny" and not list(find_weaker(build({key: value}), merged.config))
    )
