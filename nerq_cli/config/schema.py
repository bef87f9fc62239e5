"""The JSON Schema of settings files, for editors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nerq_cli.config.table import SETTINGS, THRESHOLD_TABLES, Setting
from nerq_cli.config.values import LEVEL, POINTS
from nerq_cli.config.waivers import WAIVER_KEYS
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy.rules import RULES


def build_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of ``nerq.toml`` and of ``[tool.nerq]``."""
    top = (setting for key, setting in SETTINGS.items() if "." not in key)
    thresholds = {
        name: {"description": f"{description}."} | _describe_names(name)
        for name, (description, _) in THRESHOLD_TABLES.items()
    }
    rules = {
        rule.id: {
            "description": f"{rule.summary} Default: {rule.level}.",
            "anyOf": [LEVEL.schema, _build_object(_list_options(rule.id), f"rules.{rule.id}.")],
        }
        for rule in RULES
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:nerq-cli:schema:config:1",
        "title": "Settings of nerq-cli",
        "description": "nerq.toml, .nerq.toml, or the table tool.nerq of pyproject.toml.",
        **_build_object(top),
    } | {
        "properties": {
            **_build_object(setting for key, setting in SETTINGS.items() if "." not in key)["properties"],
            "thresholds": {
                "description": "Thresholds of groups, dimensions and packages.",
                "type": "object",
                "properties": thresholds,
                "additionalProperties": False,
            },
            "rules": {
                "description": "Levels and options of the policy rules.",
                "type": "object",
                "properties": rules,
                "additionalProperties": False,
            },
            "waivers": {
                "description": "Findings that are accepted for a time.",
                "type": "array",
                "items": _describe_waiver(),
            },
        }
    }


def _describe_waiver() -> dict[str, Any]:
    properties = {
        key: {"description": f"{spec.summary[:1].upper()}{spec.summary[1:]}."} | dict(spec.schema)
        for key, spec in WAIVER_KEYS.items()
    }
    return {
        "type": "object",
        "properties": properties,
        "required": [key for key, spec in WAIVER_KEYS.items() if spec.is_required],
        "oneOf": [{"required": ["rule"]}, {"required": ["advisory"]}],
        "anyOf": [{"required": ["package"]}, {"required": ["path"]}],
        "additionalProperties": False,
    }


def _describe_names(table: str) -> dict[str, Any]:
    if table != "dimensions":
        return {"type": "object", "additionalProperties": POINTS.schema}
    properties = dict.fromkeys(PACKAGES.dimensions, POINTS.schema)
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _list_options(rule_id: str) -> list[Setting]:
    return [setting for key, setting in SETTINGS.items() if key.startswith(f"rules.{rule_id}.")]


def _build_object(settings: Iterable[Setting], prefix: str = "") -> dict[str, Any]:
    properties = {
        setting.key.removeprefix(prefix): {
            "description": f"{setting.summary[:1].upper()}{setting.summary[1:]}."
            + (f" Default: {setting.default}." if setting.default else "")
        }
        | dict(setting.kind.schema)
        for setting in settings
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}
