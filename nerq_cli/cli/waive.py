"""``nerq waive``: accept findings about a package for a time."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from nerq_cli.cli import options
from nerq_cli.cli.command import create_app
from nerq_cli.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from nerq_cli.config import Config

#: The file that is written if the project has no settings.
_NAME: Final = "nerq.toml"
_PYPROJECT: Final = "pyproject.toml"

app = create_app()


@app.command()
def waive(
    *,
    name: Annotated[
        str,
        typer.Argument(
            help="Package: lodash, npm:lodash, requests==2.31.0, @acme/*. None with --path: findings about a file.",
            show_default=False,
        ),
    ] = "",
    rule: Annotated[
        list[str] | None, typer.Option("--rule", help="Waive the findings of this rule (repeatable).")
    ] = None,
    advisory: Annotated[
        list[str] | None, typer.Option("--advisory", help="Waive the advisory with this id or alias (repeatable).")
    ] = None,
    until: Annotated[
        str, typer.Option("--until", metavar="DATE", help="Last day: 2027-01-31, or a time from today on: 30d.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    path: Annotated[
        str, typer.Option("--path", metavar="PATTERN", help="Only in these files: web/package.json, legacy/**.")
    ] = "",
    owner: Annotated[str, typer.Option("--owner", help="Who answers for it.")] = "",
    version: Annotated[str, typer.Option("--version", metavar="RANGE", help="Only these versions: <2.0.")] = "",
    until_fixed: Annotated[
        bool,
        typer.Option("--until-fixed", help="End it as soon as a version that can be installed fixes the advisory."),
    ] = False,
    openvex_status: Annotated[
        str, typer.Option("--openvex-status", help="not_affected, affected or under_investigation.")
    ] = "",
    openvex_justification: Annotated[
        str,
        typer.Option("--openvex-justification", help="Why the project is not affected, in the words of OpenVEX."),
    ] = "",
    debug: options.Debug = False,  # noqa: ARG001 - read by run_command_line
) -> None:
    """Accept findings about a package or a file for a time.

    A waiver is written to the settings file that a scan of this directory reads, else to a new nerq.toml. What the file
    has already stays as it is.
    """
    from nerq_cli.application.session import read_clock, read_settings
    from nerq_cli.application.settings import Settings

    today = datetime.fromtimestamp(read_clock(), timezone.utc).date()
    if not name.strip() and not path:
        raise UsageError("the waiver names neither a package nor a file", hint="add a NAME, or --path for a file")
    package, named_version = _parse_name(name) if name.strip() else ("", "")
    if version and named_version:
        raise UsageError(
            f"{name} and --version {version} contradict each other", hint="leave one of the two versions out"
        )
    common: dict[str, Any] = {
        "package": package,
        "path": path,
        "version": version or named_version,
        "reason": reason,
        "until": _parse_until(until, today),
        "until-fixed": until_fixed or None,
        "owner": owner,
        "openvex-status": openvex_status,
        "openvex-justification": openvex_justification,
    }
    targets = [("rule", value) for value in rule or ()] + [("advisory", value) for value in advisory or ()]
    if not targets:
        raise UsageError("the waiver names neither a rule nor an advisory", hint="add --rule RULE or --advisory ID")
    entries = [_build_entry({**common, key: value}) for key, value in targets]
    config = read_settings(Settings(), Path())
    settings_path = Path(config.path or _NAME)
    _write_entries(settings_path, entries)
    for entry in entries:
        label = " ".join(filter(None, (package, entry.get("version", ""), entry.get("path", ""))))
        typer.echo(
            f"wrote to {settings_path.as_posix()}: {label}, {entry.get('rule') or entry.get('advisory')}, "
            f"until {entry['until']}"
        )
        _note_earlier(config, entry)


def _parse_name(text: str) -> tuple[str, str]:
    """Return the package as settings name it, and the range of versions that stands with the name."""
    from nerq_cli.ecosystems import get_ecosystem, get_prefix
    from nerq_cli.policy.settings import PREFIXES, has_wildcards
    from nerq_cli.targets import parse_target

    name = text.strip()
    prefix, colon, rest = name.partition(":")
    ecosystem = PREFIXES.get(prefix.lower()) if colon else None
    if ecosystem is not None and not get_ecosystem(ecosystem).target_prefixes:  # listed and not scored: no target
        return f"{prefix.lower()}:{rest.strip()}", ""
    base, equals, version = name.partition("==")
    if has_wildcards(name):
        if not equals or has_wildcards(base):
            return name, ""
        package, _ = _parse_name(f"{base}==0")  # requests==2.* is no pattern of names
        return package, f"=={version}"
    declarations = parse_target(name)
    [declaration, *others] = declarations
    prefix = "" if others else f"{get_prefix(declaration.ecosystem)}:"
    return f"{prefix}{declaration.name}", declaration.requirement


def _parse_until(text: str, today: date) -> date:
    """Return the last day of a waiver: a date, or a time from today on.

    Raises:
        UsageError: it is neither, or has passed.
    """
    from nerq_cli.config.entries import read_day
    from nerq_cli.config.values import SettingError
    from nerq_cli.policy.age import parse_duration
    from nerq_cli.units import DAY

    try:
        day = date.fromisoformat(read_day(text))
    except SettingError:
        try:
            day = today + timedelta(days=parse_duration(text, "days") // DAY)
        except (ValueError, OverflowError) as error:
            message = f"--until {text!r} is neither a date nor a number of days"
            raise UsageError(message, hint="write 2027-01-31, or 30d for 30 days from today on") from error
    if day < today:
        raise UsageError(f"--until {day} has passed", hint=f"today is {today}")
    return day


def _build_entry(values: dict[str, Any]) -> dict[str, Any]:
    """Return the keys and values of one waiver, in the order of the documentation.

    Raises:
        ConfigError: a value is not valid; it lists all of them.
    """
    from nerq_cli.config.waivers import WAIVER_KEYS, read_waiver
    from nerq_cli.inventory import Location
    from nerq_cli.problem import Problem

    entry = {key: values[key] for key in WAIVER_KEYS if values.get(key)}
    if "reason" in values:
        entry["reason"] = values["reason"]  # an empty one is an error
    problems = [
        Problem(
            path="NAME" if problem.key == "package" else f"--{problem.key}",
            message=problem.message.removeprefix(f"waivers.{problem.key} "),
            hint=problem.hint,
        )
        for problem in read_waiver(
            {key: entry[key] for key in WAIVER_KEYS if key in entry}, Location(path="", line=0)
        ).problems
    ]
    if problems:
        raise ConfigError("the waiver is not valid", problems=tuple(problems))
    return {key: entry[key] for key in WAIVER_KEYS if key in entry}


def _write_entries(path: Path, entries: list[dict[str, Any]]) -> None:
    """Add waivers to a settings file: as a whole or not at all.

    Raises:
        UsageError: the file cannot be written.
        ConfigError: it cannot be edited.
    """
    from nerq_cli.cli.output import write_file
    from nerq_cli.config.edit import add_waiver

    target = Path(os.path.realpath(path))
    try:
        content = target.read_bytes().decode() if target.exists() else ""
        for entry in entries:
            content = add_waiver(content, entry, in_pyproject=path.name == _PYPROJECT)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    write_file(target, [content.encode()])


def _note_earlier(config: Config, entry: dict[str, Any]) -> None:
    """Print a note about waivers of the same target, which the new one takes the place of."""
    from nerq_cli.cli.output import write_message

    for waiver in config.waivers:
        is_same = (waiver.package, waiver.path, waiver.version) == tuple(
            entry.get(key, "") for key in ("package", "path", "version")
        )
        if is_same and waiver.target == (entry.get("rule") or entry.get("advisory")) and waiver.location is not None:
            place = f"{waiver.location.path}:{waiver.location.line}"
            write_message("note", f"{place} has a waiver of the same, until {waiver.until}: remove one of the two")
