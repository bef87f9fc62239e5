"""The file that ``nerq init`` writes: every setting with its default, as comments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nerq_cli.config.table import SETTINGS, THRESHOLD_TABLES, Setting
from nerq_cli.config.waivers import WAIVER_KEYS
from nerq_cli.policy.rules import RULES

_HEAD: Final = """\
# Settings of nerq. Options of the command line and NERQ_* variables outweigh them.
# nerq config show prints the values in force; nerq schema config is for editors.
"""
#: An example for each setting whose default is no value that may be written.
_EXAMPLES: Final = {
    "private": '["acme-*", "@acme/*"]',
    "public": '["acme-open-*"]',
    "exclude": '["vendor/", "examples/"]',
    "timeout": "60",
    "strict": "true",
    "groups": '["main"]',
    "preset": '"production"',
    "baseline": '"nerq-baseline.json"',
    "service": '"https://nerq.example"',
    "rules.vulnerability.epss": "0.5",
    "rules.too-new.min-age": '"7d"',
    "rules.licence.allow": '["permissive", "MPL-2.0"]',
    "rules.licence.deny": '["AGPL-3.0-*"]',
    "rules.install-script.allow": '["esbuild"]',
}
#: A waiver as an example.
_WAIVER_EXAMPLE: Final = {
    "package": '"npm:lodash"',
    "version": '"<4.17.21"',
    "advisory": '"GHSA-35jh-r3h4-6jhm"',
    "reason": '"templates are our own"',
    "until": "2027-01-31",
    "owner": '"ann@acme.example"',
}


def render_template() -> str:
    """Return the text of a settings file in which nothing is set."""
    return "\n".join((_HEAD, *_list_lines(), *_describe_waivers())) + "\n"


def set_baseline(text: str) -> str:
    """Return the text of a settings file with the setting ``baseline`` as a value, no longer as a comment."""
    return text.replace("\n# baseline = ", "\nbaseline = ", 1)


def _list_lines() -> Iterator[str]:
    for key, setting in SETTINGS.items():
        if "." not in key:
            yield from _describe_setting(setting, key)
    for name, (description, example) in THRESHOLD_TABLES.items():
        yield from ("", f"# {description}", f"# [thresholds.{name}]", f"# {example}")
    yield from ("", "# Levels of the rules: allow (not reported), warn (reported), deny (fails the run).", "# [rules]")
    for rule in RULES:
        options = [setting for key, setting in SETTINGS.items() if key.startswith(f"rules.{rule.id}.")]
        if len(options) == 1:
            yield f'# {rule.id} = "{rule.level}"'.ljust(40) + f" # {rule.summary}"
    for rule in RULES:
        options = [setting for key, setting in SETTINGS.items() if key.startswith(f"rules.{rule.id}.")]
        if len(options) > 1:
            yield from ("", f"# {rule.summary}", f"# [rules.{rule.id}]")
            for setting in options:
                if setting.key.endswith(".level") and rule.level == "allow":
                    continue  # whoever sets an option means to deny
                yield from _describe_setting(setting, setting.key.rpartition(".")[2])


def _describe_waivers() -> Iterator[str]:
    yield from ("", "# A finding that is accepted for a time. nerq waive writes one.", "# [[waivers]]")
    for key, example in _WAIVER_EXAMPLE.items():
        yield f"# {key} = {example}".ljust(40) + f" # {WAIVER_KEYS[key].summary.replace('`', '')}"


def _describe_setting(setting: Setting, key: str) -> Iterator[str]:
    value = _EXAMPLES.get(setting.key, setting.default)
    value = f'"{value}"' if value.isalpha() and value not in ("true", "false") else value
    default = f" (default: {setting.default})" if setting.default else ""
    yield f"# {key} = {value}".ljust(40) + f" # {setting.summary}{default}"
