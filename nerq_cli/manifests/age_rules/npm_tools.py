"""Age rules of npm, pnpm, Yarn, Bun and Deno."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from nerq_cli.ecosystems import NPM
from nerq_cli.inventory import Location
from nerq_cli.manifests.age_rules.values import (
    Age,
    make_rule,
    parse_age,
    parse_age_or_moment,
    parse_moment,
    parse_number,
)
from nerq_cli.manifests.npm.npm_spec import split_name
from nerq_cli.manifests.syntax.json_comments import strip_comments
from nerq_cli.manifests.syntax.json_document import NotJsonError, parse_json
from nerq_cli.manifests.syntax.toml_document import TomlDocument
from nerq_cli.manifests.syntax.yaml_document import NotYamlError, YamlMembers, YamlNode, get_members, parse_documents
from nerq_cli.policy.age import AgeException, AgeRule

_NPM_KEY: Final = "min-release-age"
_PNPM_KEY: Final = "minimumReleaseAge"
_YARN_KEY: Final = "npmMinimalAgeGate"
_YARN_EXCEPTIONS: Final = "npmPreapprovedPackages"
_BUN_KEY: Final = "minimumReleaseAge"
_DENO_KEY: Final = "minimumDependencyAge"
_VARIABLE: Final = "${"


def read_npmrc(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rules of an npmrc: that of npm, of which ``before`` counts first, and that of pnpm up to version 10."""
    if "release-age" not in text and "before" not in text:
        return
    values: dict[str, tuple[str, int]] = {}
    excluded: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        key, _, value = (part.strip() for part in line.partition("="))
        value = value.strip("\"'")
        if key.removesuffix("[]") == f"{_NPM_KEY}-exclude":
            excluded += value.split(",")
        else:
            values[key] = (value, number)
    exceptions = tuple(AgeException(pattern=name.strip()) for name in excluded if name.strip())
    for key in ("before", _NPM_KEY):
        if key in values:
            value, number = values[key]
            yield make_rule("npm", NPM, key, value, parse_npm(key, value), Location(path=path, line=number), exceptions)
            break
    if "minimum-release-age" in values:
        value, number = values["minimum-release-age"]
        location = Location(path=path, line=number)
        yield make_rule("pnpm", NPM, "minimum-release-age", value, parse_pnpm(value), location)


def parse_npm(key: str, value: str) -> Age:
    """Return a value of npm: a date or time for ``before``, else a number of days."""
    if _VARIABLE in value:
        return Age(problem="it names a variable, which is not read")
    if key != "before":
        return Age(seconds=None) if value == "null" else parse_number(value, "days")
    moment = parse_moment(value)
    return Age(problem="not a date or time") if moment is None else Age(before=moment)


def parse_pnpm(value: str) -> Age:
    """Return a value of pnpm: a number of minutes."""
    return parse_number(value, "minutes")


def read_pnpm_workspace(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rule of a pnpm-workspace.yaml, or of the configuration of a user."""
    if _PNPM_KEY not in text:
        return
    members = _parse_yaml(text, _PNPM_KEY)
    if node := members.get(_PNPM_KEY):
        exceptions = tuple(map(_parse_exception, _list_texts(members.get(f"{_PNPM_KEY}Exclude"))))
        yield make_rule("pnpm", NPM, _PNPM_KEY, node.data, parse_pnpm(_text(node)), _locate(path, node), exceptions)


def read_yarnrc(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rule of a .yarnrc.yml; a scope may have an age of its own."""
    if _YARN_KEY not in text:
        return
    members = _parse_yaml(text, _YARN_KEY)
    node = members.get(_YARN_KEY)
    scopes = {
        scope.lstrip("@"): scope_node
        for scope, table in get_members(members.get("npmScopes")).items()
        if (scope_node := get_members(table).get(_YARN_KEY)) is not None
    }
    exceptions = [_parse_exception(text) for text in _list_texts(members.get(_YARN_EXCEPTIONS))]
    for scope, scope_node in scopes.items():
        age = parse_yarn(_text(scope_node))
        if not age.problem:
            exceptions.append(AgeException(pattern=f"@{scope}/*", seconds=age.seconds))
    if node is not None:
        yield make_rule(
            "Yarn", NPM, _YARN_KEY, node.data, parse_yarn(_text(node)), _locate(path, node), tuple(exceptions)
        )
    elif scopes:
        location = _locate(path, next(iter(scopes.values())))
        yield make_rule("Yarn", NPM, f"npmScopes.{_YARN_KEY}", "…", Age(), location, tuple(exceptions))


def parse_yarn(value: str) -> Age:
    """Return a value of Yarn: a duration, or a number of minutes."""
    return parse_age(value, "minutes")


def read_bunfig(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rule of a bunfig.toml: a number of seconds, or since 1.4 also a duration."""
    if _BUN_KEY not in text:
        return
    install = TomlDocument(text, path).root.get("install")
    field = install.get(_BUN_KEY)
    if field.value is None:
        return
    names = install.get(f"{_BUN_KEY}Excludes").value
    exceptions = tuple(_parse_exception(name) for name in (names if isinstance(names, list) else ()) if _is_text(name))
    location = Location(path=path, line=field.line)
    yield make_rule("Bun", NPM, _BUN_KEY, field.value, parse_age(field.value, "seconds"), location, exceptions)


def read_deno(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rule of a deno.json: a number of minutes, a duration (ISO 8601), a date or a time, or a table."""
    if _DENO_KEY not in text:
        return
    try:
        document = parse_json(strip_comments(text))
    except NotJsonError:  # its own reader reports that
        return
    node = document.data.get(_DENO_KEY) if isinstance(document.data, dict) else None
    if node is None:
        return
    members = node.data if isinstance(node.data, dict) else {"age": node}
    excluded = members.get("exclude")
    names = excluded.data if excluded is not None and isinstance(excluded.data, list) else []
    exceptions = tuple(
        AgeException(pattern=item.data.removeprefix("npm:"), crosses_scopes=True)
        for item in names
        if isinstance(item.data, str) and item.data.startswith("npm:")
    )
    age_node = members.get("age")
    value = "P1D" if age_node is None else age_node.data  # the default
    text_value = f"{value:g}" if isinstance(value, float) else value
    location = Location(path=path, line=text.count("\n", 0, node.key_offset) + 1)
    age = parse_age_or_moment(text_value, "minutes")
    yield make_rule("Deno", NPM, _DENO_KEY, text_value, age, location, exceptions)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _parse_exception(text: str) -> AgeException:
    """Return an exception: a name, a pattern, or ``name@1.0.0 || 1.0.1``."""
    name, requirement = split_name(text.strip())
    return AgeException(pattern=name, crosses_scopes=True, requirement=requirement.strip())


def _parse_yaml(text: str, key: str) -> YamlMembers:
    """Return the members of a YAML document.

    Of one that uses what is not read (anchors, tags) that is the setting at the start of a line, without exceptions.
    """
    try:
        documents = parse_documents(text, lambda _message, _line: None)
    except NotYamlError:
        match = re.search(rf"^{key}[ \t]*:[ \t]*(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s#]*))", text, re.MULTILINE)
        if match is None:
            return {}
        value = next(group for group in match.groups() if group is not None)
        return {key: YamlNode(value, text.count("\n", 0, match.start()) + 1)}
    return get_members(documents[0] if documents else None)


def _list_texts(node: YamlNode | None) -> Iterable[str]:
    items = node.data if node is not None and isinstance(node.data, list) else []
    return [item.data for item in items if isinstance(item.data, str)]


def _text(node: YamlNode) -> str:
    return node.data if isinstance(node.data, str) else f"({node.kind})"


def _locate(path: str, node: YamlNode) -> Location:
    return Location(path=path, line=node.line)
