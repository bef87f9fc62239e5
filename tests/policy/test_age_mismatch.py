"""Age rules of one project that contradict each other, or are in another unit than meant."""

from __future__ import annotations

from typing import Any

import pytest

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.inventory import Location
from nerq_cli.policy.age import AgeRule
from nerq_cli.policy.age_mismatch import find_age_mismatches
from nerq_cli.policy.rules import RuleInput
from nerq_cli.units import DAY, HOUR, MINUTE

FILES = {"pnpm": "pnpm-workspace.yaml", "npm": ".npmrc", "Renovate": "renovate.json", "Bun": "bunfig.toml"}


def rule(tool: str, seconds: int | None, value: str = "", **fields: Any) -> AgeRule:
    defaults = {"ecosystem": NPM, "setting": "age", "location": Location(path=FILES.get(tool, "x"), line=4)}
    return AgeRule(tool=tool, seconds=seconds, value=value or f"{seconds} s", **{**defaults, **fields})


def find(*rules: AgeRule) -> list[str]:
    found = find_age_mismatches(RuleInput(assessments=(), dependency_files=(), age_rules=rules))
    return [finding.text for finding in found]


def test_a_bot_that_proposes_what_the_installer_leaves_out_is_one_finding_that_names_both_places() -> None:
    pnpm, renovate = rule("pnpm", 7 * DAY), rule("Renovate", 3 * DAY, is_bot=True)
    for rules in ((pnpm, renovate), (renovate, pnpm)):
        [finding] = find_age_mismatches(RuleInput(assessments=(), dependency_files=(), age_rules=rules))
        assert finding.text.startswith(
            "Renovate proposes after 3 days what pnpm leaves out until 7 days after the release: "
        )
        assert [location.path for location in finding.locations] == ["renovate.json", "pnpm-workspace.yaml"]
        assert finding.level == "warn"


def test_a_bot_that_waits_longer_is_no_contradiction_and_neither_are_equal_ages() -> None:
    assert not find(rule("pnpm", 3 * DAY), rule("Renovate", 7 * DAY, is_bot=True))
    assert not find(rule("pnpm", 3 * DAY), rule("Renovate", 3 * DAY, is_bot=True), rule("npm", 3 * DAY))
    assert not find(rule("Dependabot", DAY, is_bot=True), rule("Renovate", 3 * DAY, is_bot=True))


def test_two_installers_of_one_ecosystem() -> None:
    [text] = find(rule("pnpm", 7 * DAY), rule("npm", 0))
    assert text.startswith("pnpm installs after 7 days, npm at once: ")
    assert not find(rule("pnpm", 7 * DAY), rule("uv", DAY, ecosystem=PYPI))


def test_other_directories_other_kinds_and_the_user_do_not_contradict() -> None:
    assert not find(rule("pnpm", 7 * DAY, directory="a"), rule("npm", DAY, directory="ab"))
    assert find(rule("pnpm", 7 * DAY, directory="a"), rule("npm", DAY, directory="a/b"))
    assert not find(rule("pnpm", 7 * DAY), rule("npm", None, before=1))
    assert not find(rule("pnpm", 7 * DAY), rule("npm", DAY, is_user=True))


def test_the_default_of_a_tool_contradicts_a_bot_and_nothing_else() -> None:
    default = rule("pnpm", DAY, is_default=True)
    assert not find(default, rule("npm", 7 * DAY))
    [text] = find(default, rule("Renovate", 0, is_bot=True))
    assert text == (
        "Renovate proposes at once what pnpm leaves out until 1 day after the release: "
        "age = 0 s (renovate.json:4), the default of pnpm"
    )


@pytest.mark.parametrize(
    ("tool", "value", "seconds", "text"),
    [
        ("pnpm", "7", 7 * MINUTE, "pnpm counts in minutes, so this is 7 minutes; 7 days would be 10,080"),
        ("Bun", "7", 7, "Bun counts in seconds, so this is 7 seconds; 7 days would be 604,800"),
        ("Bun", "10080", 10080, "Bun counts in seconds, so this is 168 minutes; 7 days would be 604,800"),
        ("npm", "10080", 10080 * DAY, "npm counts in days, so this is 10,080 days; 7 days would be 7"),
        ("npm", "604800", 604800 * DAY, "npm counts in days, so this is 604,800 days; 7 days would be 7"),
        ("pnpm", "604800", 604800 * MINUTE, "pnpm counts in minutes, so this is 420 days; 7 days would be 10,080"),
    ],
)
def test_a_number_in_another_unit(tool: str, value: str, seconds: int, text: str) -> None:
    [found] = find(rule(tool, seconds, value))
    assert found == f"age = {value} ({FILES[tool]}:4): {text}"


@pytest.mark.parametrize(
    ("value", "seconds"), [("10080", 7 * DAY), ("60", HOUR), ("0", 0), ("5 minutes", 5 * MINUTE), ("1440", DAY)]
)
def test_plausible_numbers_and_durations_with_a_unit_are_believed(value: str, seconds: int) -> None:
    assert not find(rule("pnpm", seconds, value))


def test_a_value_that_cannot_be_used_is_reported_with_its_place() -> None:
    assert find(rule("pnpm", None, "7d", problem="not a number of minutes")) == [
        "age = 7d (pnpm-workspace.yaml:4): not a number of minutes"
    ]
