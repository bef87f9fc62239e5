"""Pages that the code writes are the ones in docs/. ``NERQ_UPDATE_GOLDEN=1`` writes them anew."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from nerq_cli.bulk.fact_columns import ADVISORY_FIELDS, FACT_COLUMNS
from nerq_cli.bulk.score_columns import SCORE_COLUMNS
from nerq_cli.cli import about
from nerq_cli.cli.app import app, load_command
from nerq_cli.config.schema import build_schema
from nerq_cli.config.table import SETTINGS, THRESHOLD_TABLES
from nerq_cli.config.waivers import WAIVER_KEYS
from nerq_cli.errors import EXIT_MEANINGS
from nerq_cli.manifests.references import table
from nerq_cli.manifests.references.find import READERS
from nerq_cli.methodology.models import MODELS
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.methodology.repositories import REPOSITORIES
from nerq_cli.policy.rules import RULES
from nerq_cli.report.formats.json import SCHEMA_VERSION
from nerq_cli.report.terminal import compliance_page, methodology_page
from nerq_cli.sources import SOURCES

DOCS = Path(__file__).parents[2] / "docs"


def reference() -> str:
    """Return the page about the commands. Typer's own page differs between the releases that are allowed."""
    group = cast("TyperGroup", typer.main.get_command(app))
    return "\n".join(document_command(group, "nerq")).rstrip() + "\n"


def document_command(command: TyperCommand | TyperGroup, name: str) -> Iterator[str]:
    """Yield the lines about a command and the commands below it."""
    arguments = [param for param in command.params if not param.opts[0].startswith("-")]
    options = [
        param for param in command.params if param.opts[0].startswith("-") and not getattr(param, "hidden", False)
    ]
    commands = command.commands if isinstance(command, TyperGroup) else {}
    if name == "nerq":
        commands = {command_name: load_command(command_name) for command_name in commands}
    words = ["[OPTIONS]", *(argument.human_readable_name.strip("[].").upper() for argument in arguments)]
    usage = " ".join([name, *words, *(["COMMAND [ARGS]..."] if commands else [])])
    yield from (f"{'#' * len(name.split())} `{name}`", "", command.help or "", "", f"Usage: `{usage}`", "")
    for title, params in (("Arguments", arguments), ("Options", options)):
        if params:
            yield from (f"{title}:", "", *map(document_parameter, params), "")
    if command.epilog:
        yield from (command.epilog, "")
    for child, below in commands.items():
        yield from document_command(cast("TyperCommand | TyperGroup", below), f"{name} {child}")


def document_parameter(param: Any) -> str:
    """Return one line about an option or an argument."""
    names = (
        [*param.opts, *param.secondary_opts]
        if param.opts[0].startswith("-")
        else [param.human_readable_name.strip("[].").upper()]
    )
    return f"* `{', '.join(names)}`: {param.help}"


def document_rules() -> str:
    """Return the page about the policy rules."""
    intro = (
        "# Policy rules\n\n"
        "Each rule has a level: `allow` (not reported), `warn` (reported) or `deny` (fails the run, exit status 1). "
        "Levels and options are set under [`[tool.nerq.rules]`](configuration.md#rules), or with `--deny`, `--warn` "
        "and `--allow`. A rule whose facts are not known does not pass: the run is incomplete, and exits 3 with "
        "`--strict`.\n"
    )
    rows = "".join(f"| [`{rule.id}`](#{rule.id}) | `{rule.level}` | {rule.summary} |\n" for rule in RULES)
    pages = "".join(
        f"\n## {rule.id}\n\n{rule.summary} Default level: `{rule.level}`.\n\n{rule.explanation}\n\n"
        f"What to do: {rule.hint}.\n"
        for rule in RULES
    )
    return f"{intro}\n| rule | default level | finding |\n| --- | --- | --- |\n{rows}{pages}"


def document_references() -> str:
    """Return the page about references to models, datasets, Spaces and kernels."""
    intro = (
        "# References to models, datasets, Spaces and kernels\n\n"
        "Files of a project are searched for references to repositories of the Hugging Face Hub and to hosted models, "
        "by their syntax: nothing is imported or executed. Values are followed through constants, defaults of "
        "parameters, options, settings and environment variables, dictionaries and strings that are put together "
        "from constants; also those of other Python modules of the project (`from config import MODEL_ID`, "
        "`settings.model`). Commands are read in texts and lists that Python code and other commands run as well. "
        "Comments, docstrings, local paths, placeholders and computed values are no references.\n\n"
        "| certainty | meaning |\n| --- | --- |\n"
        "| `certain` | a known loader, with a literal, a name that has one value only, each item of a loop, or what "
        "calls in the file pass; settings of training runs and evaluation tasks |\n"
        "| `likely` | a default that can be overridden, one of several values, or a setting whose name and value fit "
        "|\n"
        "| `possible` | a text of the form of an id near a word about models; not scored |\n\n"
        "Ids of routers and providers (`openai/gpt-4o`) are *hosted models*, which are no repositories. A file of more "
        "than 1 MiB (notebooks: 20 MiB), or one that cannot be parsed, is not read, or not all of it: the report names "
        "it and the run is incomplete, so that it fails with `--strict`; `--exclude` leaves it out. Data (JSON, YAML, "
        "TOML, INI and HTML of more than 1 MiB) and templates are named only. Of large "
        "Python files, functions without a text of the form of an id and without a loader are not parsed.\n\n"
        "## Files\n\n| reader | files |\n| --- | --- |\n"
    )
    files = "".join(f"| `{row.id}` | {row.files} |\n" for row in READERS)
    return f"{intro}{files}{''.join(document_patterns())}"


def document_patterns() -> Iterator[str]:
    """Yield the tables of the patterns that find references."""
    head = "\n## {}\n\n| pattern | loader | kind | {} |\n| --- | --- | --- | --- |\n"
    yield head.format("Python", "functions: argument with the id")
    for call in table.CALLS:
        argument = " or ".join(f"#{part + 1}" if isinstance(part, int) else f"`{part}`" for part in call.argument)
        names = ", ".join(f"`{name}`" for name in call.functions)
        prefixes = f", with {' or '.join(f'`{prefix}`' for prefix in call.prefixes)}" if call.prefixes else ""
        yield f"| `{call.id}` | {call.loader or 'any'} | {call.kind} | {names}: {argument}{prefixes} |\n"
    yield head.format("JavaScript and TypeScript", "functions: argument with the id")
    for script in table.SCRIPTS:
        names = ", ".join(f"`{name}`" for name in script.functions)
        places = [*([f"#{script.position + 1}"] if script.position >= 0 else []), *(f"`{key}`" for key in script.keys)]
        yield f"| `{script.id}` | {script.loader or 'any'} | {script.kind} | {names}: {' or '.join(places)} |\n"
    yield head.format("Commands", "program: argument or options with the id")
    for command in table.COMMANDS:
        program = " ".join("\\|".join(words) for words in command.words)
        places = [*(["first argument"] if command.takes_id else []), *(f"`{option}`" for option in command.options)]
        needs = ", with `hf.co/`" if command.needs_address else ""
        yield f"| `{command.id}` | {command.loader} | {command.kind} | `{program}`: {', '.join(places)}{needs} |\n"
    yield "\n## Options, keys and variables\n\n| pattern | kind | certainty | names |\n| --- | --- | --- | --- |\n"
    for option in table.OPTIONS:
        names = ", ".join(f"`{name}`" for name in option.options)
        yield f"| `{option.id}` | {option.kind} | {option.certainty} | {names} |\n"
    for key in table.KEYS:
        names = ", ".join(f"`{name}`" for name in key.keys)
        yield f"| `{key.id}` | {key.kind} | {key.certainty} | {names} |\n"
    for variable in table.VARIABLES:
        expression = variable.expression.replace("|", "\\|")
        yield f"| `{variable.id}` | {variable.kind} | {variable.certainty} | `{expression}` |\n"
    yield "\n## Other forms\n\n| pattern | certainty | form |\n| --- | --- | --- |\n"
    for form in table.FORMS:
        yield f"| `{form.id}` | {form.certainty} | {form.summary} |\n"


def document_index() -> str:
    """Return the page about the tables of nerq index."""
    intro = (
        "# Tables of nerq index\n\n"
        "`nerq index score` reads a table of facts and writes a table of scores: Parquet files with one row for each "
        "version of a package. Facts are what was gathered, not what it is worth: dates instead of ages, counts "
        "instead of values. Ages are computed when a table is scored.\n\n"
        "## Facts\n\n"
        "All columns must be there, in any order; further ones are left out. A category may be a text. Dates are UTC "
        "days. A state column keeps three cases apart: `found` (the record was read), `absent` (the source answered "
        "that there is none) and `unknown` (no usable answer; null is the same). The values of a record count only "
        'where its state is `found`: elsewhere they are taken for null. Null in a record that was found is "not '
        'read", unless the column states otherwise. So is a number outside of its range: below 0, above 2^53 (10 for '
        "a check of Scorecard), or not a number.\n\n"
        "The dates of stable releases are those of the newest ones, so that a day before the facts were gathered is "
        "not answered exactly.\n\n"
        "Licences, names that resemble popular ones, versions and release lines are compared as texts of any form. "
        "Their columns hold the outcome of that comparison, without the points it is worth: `licence`, "
        "`licence_conflict`, `licence_terms`, `similar_name`, `no_shared_publisher`, `at_newest_stable`, "
        "`majors_behind`, `release_line`, `first_of_line`, `newer_fix`, "
        "`new_publisher`, `repository_in_metadata`, `repository_mismatch`.\n\n"
        "| column | type | counts if found | content |\n| --- | --- | --- | --- |\n"
        "| `ecosystem` | category | | `PyPI` or `npm` |\n"
        "| `name` | text | | name of the package; copied to the scores |\n"
        "| `version` | text | | version that is scored |\n"
    )
    rows = "".join(
        f"| `{column.name}` | {column.kind} | {f'`{column.group}_state`' if column.group else ''} "
        f"| {column.description}"
        f"{': ' + ', '.join(f'`{name}`' for name in column.categories if name) if column.categories else ''} |\n"
        for column in FACT_COLUMNS
    )
    advisories = "".join(f"| `{name}` | {text} |\n" for name, text in ADVISORY_FIELDS.items())
    scores = "".join(f"| `{name}` | {text} |\n" for name, text in SCORE_COLUMNS.items())
    return (
        f"{intro}{rows}\n`advisories` is a list of records, worst first, each vulnerability once:\n\n"
        f"| field | content |\n| --- | --- |\n{advisories}\n## Scores\n\n"
        "The numbers are those of `nerq scan` for the same evidence and day; a test compares them. Reasons are ids of "
        "signals and caps of the [methodology](methodology.md).\n\n"
        f"| column | content |\n| --- | --- |\n{scores}"
    )


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("cli", reference),
        ("index-tables", document_index),
        ("model-references", document_references),
        ("rules", document_rules),
        ("methodology", partial(methodology_page.render_markdown, PACKAGES)),
        ("methodology-models", partial(methodology_page.render_markdown, MODELS)),
        ("methodology-repositories", partial(methodology_page.render_markdown, REPOSITORIES)),
        ("data-sources", about.render_markdown),
        ("jurisdictions", compliance_page.render_reference),
    ],
)
def test_a_generated_page_says_what_the_code_says(name: str, write: object) -> None:
    page = DOCS / "reference" / f"{name}.md"
    text = write() if callable(write) else ""
    if os.environ.get("NERQ_UPDATE_GOLDEN"):
        page.write_text(text, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text


def document_settings() -> str:
    """Return the tables of settings."""
    lines = ["| key | type | meaning | default | variable | option |", "|---|---|---|---|---|---|"]
    for key, setting in SETTINGS.items():
        if "." not in key:
            option = f"`{setting.option}`" if setting.option else ""
            cells = (f"`{key}`", setting.kind.name, setting.summary, setting.default, f"`{setting.variable}`", option)
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| table | meaning | example |", "|---|---|---|"]
    lines += [
        f"| `thresholds.{name}` | {meaning} | `{example}` |" for name, (meaning, example) in THRESHOLD_TABLES.items()
    ]
    lines += ["", "| option of a rule | type | meaning | default |", "|---|---|---|---|"]
    for key, setting in SETTINGS.items():
        if key.startswith("rules.") and not key.endswith(".level"):
            lines.append(f"| `{key}` | {setting.kind.name} | {setting.summary} | {setting.default} |")
    return "\n".join(lines) + "\n"


def test_the_configuration_page_has_every_setting_and_ends_with_the_variable_of_each_source() -> None:
    page = DOCS / "reference" / "configuration.md"
    start = "<!-- Generated from nerq_cli/config/table.py. Do not edit. -->\n\n"
    end = "<!-- End of the generated part. -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(start)
    middle = rest.partition(end)[2]
    start_of_sources = "<!-- Generated from nerq_cli/sources/__init__.py. Do not edit. -->\n\n"
    middle = middle.partition(start_of_sources)[0]
    text = f"{before}{start}{document_settings()}\n{end}{middle}{start_of_sources}{about.render_variables()}"
    if os.environ.get("NERQ_UPDATE_GOLDEN"):
        page.write_text(text, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text


def test_the_configuration_page_has_every_key_of_a_waiver() -> None:
    page = DOCS / "reference" / "configuration.md"
    start = "<!-- Generated from nerq_cli/config/waivers.py. Do not edit. -->\n\n"
    end = "<!-- End of the waivers. -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(start)
    lines = ["| key of a waiver | meaning | required |", "|---|---|---|"]
    for key, spec in WAIVER_KEYS.items():
        choices = {"rule": "one of the two", "advisory": "one of the two"} | dict.fromkeys(
            ("package", "path"), "at least one"
        )
        required = "yes" if spec.is_required else choices.get(key, "")
        lines.append(f"| `{key}` | {spec.summary} | {required} |")
    text = f"{before}{start}{chr(10).join(lines)}\n\n{end}{rest.partition(end)[2]}"
    if os.environ.get("NERQ_UPDATE_GOLDEN"):
        page.write_text(text, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text


def test_the_schema_of_settings_is_the_printed_one() -> None:
    page = DOCS / "reference" / "nerq.schema.json"
    text = json.dumps(build_schema(), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("NERQ_UPDATE_GOLDEN"):
        page.write_text(text, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text


def test_the_page_about_time_limits_ends_with_the_limits_of_each_source() -> None:
    page = DOCS / "reference" / "time-limits.md"
    start = "<!-- Generated from nerq_cli/sources/__init__.py. Do not edit. -->\n\n"
    rows = "".join(
        f"| {row.label} | {limits.request * 30:g} s | {limits.total * 30:g} s | {('no', 'yes')[limits.is_joint]} |\n"
        for row in SOURCES.values()
        if row.id != "osv-dumps" and (limits := row.time_limits)
    )
    header = "| Source, with a deadline of 30 s | One request | All requests | Joint |\n| --- | --- | --- | --- |\n"
    text = f"{page.read_text(encoding='utf-8').partition(start)[0]}{start}{header}{rows}"
    if os.environ.get("NERQ_UPDATE_GOLDEN"):
        page.write_text(text, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text


def test_the_page_about_the_json_report_lists_the_policy_rules() -> None:
    page = DOCS / "reference" / "json.md"
    start = "<!-- Generated from nerq_cli/policy/rules/. Do not edit. -->\n\n"
    rows = "".join(f"| `{rule.id}` | {rule.level} | {rule.headings[0]} |\n" for rule in RULES)
    before, _, after = page.read_text(encoding="utf-8").partition(start)
    text = (
        f"{before}{start}| id | default level | finding |\n| --- | --- | --- |\n{rows}\n{after[after.index('## ') :]}"
    )
    if os.environ.get("NERQ_UPDATE_GOLDEN"):
        page.write_text(text, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text


def test_the_schema_lists_the_policy_rules() -> None:
    path = DOCS.parent / "nerq_cli" / "report" / f"schema-{SCHEMA_VERSION}.json"
    text = path.read_text(encoding="utf-8")
    old = json.loads(text)["$defs"]["finding"]["properties"]["id"]["description"]
    rules = ", ".join(f"{rule.id} ({rule.headings[0]})" for rule in RULES)
    new = f"Id of the policy rule: {rules}. Readers must expect further ids."
    if os.environ.get("NERQ_UPDATE_GOLDEN"):
        path.write_text(
            text.replace(json.dumps(old, ensure_ascii=False), json.dumps(new, ensure_ascii=False)), encoding="utf-8"
        )
    else:
        assert old == new


def test_the_readme_tells_every_exit_status() -> None:
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert all(f"| {status.value} |" in readme for status in EXIT_MEANINGS)


def test_the_methodology_page_names_every_signal_and_cap() -> None:
    page = (DOCS / "reference" / "methodology.md").read_text(encoding="utf-8")
    assert all(id_ in page for id_ in (*PACKAGES.signals, *PACKAGES.caps))


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in [DOCS.parent / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
