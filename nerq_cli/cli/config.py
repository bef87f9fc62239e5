"""``nerq config``: the settings in force."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.errors import UsageError

if TYPE_CHECKING:
    from nerq_cli.config import Config

app = create_app("Show the settings in force, and where each comes from.")


@app.callback()
def config() -> None:
    """Show the settings in force, and where each comes from."""


@app.command()
def show(
    *,
    path: Annotated[str, typer.Argument(help="Directory that would be scanned.")] = ".",
    form: Annotated[str, typer.Option("--format", "-f", help="table or json.")] = "table",
    threshold: options.Threshold = None,
    preset: options.Preset = None,
    report_only: options.ReportOnly = False,
    deny: options.Deny = None,
    warn: options.Warn = None,
    allow: options.Allow = None,
    strict: options.Strict = None,
    no_config: options.NoConfig = False,
    timeout: options.Timeout = None,
    group: options.Group = None,
    no_dev: options.NoDev = False,
    no_mcp: options.NoMcp = False,
    no_models: options.NoModels = False,
    exclude: options.Exclude = None,
    baseline: options.Baseline = None,
    debug: options.Debug = False,  # noqa: ARG001 - read by run_command_line
) -> None:
    """Show each setting with its value, and where that comes from: option, variable, file and line, or default."""
    from nerq_cli.application.session import read_settings
    from nerq_cli.application.settings import Settings
    from nerq_cli.cli.output import write_warnings
    from nerq_cli.report.sanitize import sanitize_text

    if form not in ("table", "json"):
        raise UsageError(f"{form!r} is not a format of this command", hint="known formats: json, table")
    settings = Settings(
        threshold=threshold,
        preset=preset,
        report_only=report_only,
        deny=deny,
        warn=warn,
        allow=allow,
        strict=strict,
        no_config=no_config,
        timeout=timeout,
    )
    config = _add_scan_options(
        read_settings(settings, Path(path)), group, exclude, baseline, no_dev=no_dev, no_mcp=no_mcp, no_models=no_models
    )
    rows = [(sanitize_text(key, 0), _simplify(value), origin) for key, value, origin in _list_settings(config)]
    if form == "json":
        entries = [{"key": key, "value": value, "origin": origin} for key, value, origin in rows]
        document = {
            "path": config.path or None,
            "settings": entries,
            "warnings": [sanitize_text(text) for text in config.warnings],
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    typer.echo("\n".join(_format_rows(rows)))
    write_warnings(config.warnings)


def _add_scan_options(
    config: Config,
    groups: list[str] | None,
    exclude: list[str] | None,
    baseline: str | None,
    *,
    no_dev: bool,
    no_mcp: bool,
    no_models: bool,
) -> Config:
    """Return the settings with the options that only a scan has."""
    from nerq_cli.config import Value
    from nerq_cli.config.layers import apply_layers

    patterns = config.values.get("exclude")
    values = {
        "groups": Value(tuple(groups or ()), "--group"),
        "no-dev": Value(no_dev, "--no-dev"),
        "no-mcp": Value(no_mcp, "--no-mcp"),
        "no-models": Value(no_models, "--no-models"),
        "baseline": Value(baseline, "--baseline"),
        "exclude": Value(
            (*config.exclude, *(exclude or ())), f"{patterns.origin}, --exclude" if patterns else "--exclude"
        ),
    }
    given = {
        "groups": groups,
        "no-dev": no_dev,
        "no-mcp": no_mcp,
        "no-models": no_models,
        "baseline": baseline,
        "exclude": exclude,
    }
    return apply_layers(
        config, {key: value for key, value in values.items() if given[key] or (key == "baseline" and baseline == "")}
    )


def _list_settings(config: Config) -> Iterator[tuple[str, Any, str]]:
    """Yield the key, the value and the origin of each setting, in the order of the table; then the thresholds."""
    from nerq_cli.application.settings import is_ci
    from nerq_cli.config.layers import merge
    from nerq_cli.config.table import SETTINGS

    values = merge(config.values)
    for key, setting in SETTINGS.items():
        if key in values:
            yield key, setting.kind.format(values[key].value), values[key].origin
        elif key.endswith(".level") and config.policy.levels.get(rule_id := key.split(".")[1], setting.default) != (
            setting.default
        ):
            yield key, config.policy.levels[rule_id], f"options of {rule_id} are set"
        elif key == "strict":
            yield key, is_ci(), "CI" if is_ci() else "default"
        else:
            yield key, _parse_default(setting.default), "default"
    for key, value in values.items():
        if key not in SETTINGS:
            yield key, value.value, value.origin
    for waiver in config.waivers:
        place = waiver.location
        yield "waivers", f"{waiver.label}, until {waiver.until}", f"{place.path}:{place.line}" if place else config.path


def _parse_default(text: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except ValueError:
        return text or None


def _simplify(value: object) -> Any:  # noqa: ANN401 - JSON
    from nerq_cli.report.sanitize import sanitize_text

    if isinstance(value, frozenset | tuple | list):
        items = [sanitize_text(str(item), 0) for item in value]
        return sorted(items) if isinstance(value, frozenset) else items
    return value


def _format_rows(rows: list[tuple[str, Any, str]]) -> Iterator[str]:
    from nerq_cli.report.sanitize import sanitize_text

    texts = [(key, _format_value(value), origin) for key, value, origin in rows]
    key_width, value_width = max(len(key) for key, _, _ in texts), min(40, max(len(text) for _, text, _ in texts))
    for key, text, origin in texts:
        yield sanitize_text(f"{key.ljust(key_width)}  {text.ljust(value_width)}  {origin}", 0).rstrip()


def _format_value(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
