"""Age rules of Renovate and Dependabot, which propose updates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId, normalise_name
from nerq_cli.inventory import Location
from nerq_cli.manifests.age_rules.values import Age, make_rule, parse_age, parse_number
from nerq_cli.manifests.syntax.yaml_document import (
    NotYamlError,
    YamlMembers,
    YamlNode,
    get_members,
    get_text,
    parse_documents,
)
from nerq_cli.patterns import compile_late
from nerq_cli.policy.age import AgeException, AgeRule

_RENOVATE_KEY: Final = "minimumReleaseAge"
#: The files of Renovate, the one that counts first; further ones are not read by it.
RENOVATE_FILES: Final = (
    "renovate.json",
    "renovate.json5",
    "renovate.jsonc",
    ".github/renovate.json",
    ".github/renovate.json5",
    ".github/renovate.jsonc",
    ".gitlab/renovate.json",
    ".gitlab/renovate.json5",
    ".gitlab/renovate.jsonc",
    ".renovaterc",
    ".renovaterc.json",
    ".renovaterc.json5",
    ".renovaterc.jsonc",
    "package.json",
)
DEPENDABOT_FILES: Final = (".github/dependabot.yml", ".github/dependabot.yaml")
#: Presets of Renovate by which an npm version waits three days (its preset ``security:minimumReleaseAgeNpm``).
_NPM_PRESETS: Final = frozenset({"security:minimumReleaseAgeNpm", "npm:unpublishSafe", "config:best-practices"})
#: What the names of Renovate's own presets begin with, before a colon. Others stand in a repository or a package.
_OWN_PRESETS: Final = frozenset(
    {"", "abandonments", "compatibility", "config", "customManagers", "default", "docker", "global", "group", "helpers"}
    | {"mergeConfidence", "monorepo", "npm", "packages", "preview", "regexManagers", "replacements", "schedule"}
    | {"security", "workarounds"}
)
_NPM_PRESET_AGE: Final = "3 days"
#: Managers, data sources and categories of Renovate, and the ecosystem of each.
_RENOVATE_ECOSYSTEMS: Final[dict[str, EcosystemId]] = {
    **dict.fromkeys(("npm", "bun", "js", "node"), NPM),
    **dict.fromkeys(
        ("pypi", "pep621", "pip-compile", "pip_requirements", "pip_setup", "pipenv", "poetry", "setup-cfg", "python"),
        PYPI,
    ),
}
#: Conditions of a package rule that select a whole ecosystem.
_ECOSYSTEM_CONDITIONS: Final = ("matchManagers", "matchDatasources", "matchCategories")
_NAME_CONDITIONS: Final = ("matchPackageNames", "matchDepNames", "matchPackagePatterns", "matchPackagePrefixes")
_BOTH: Final[tuple[EcosystemId, ...]] = (PYPI, NPM)
#: Strings and comments of JSON5. Without comments and tabs it is YAML.
_JSON5_TOKEN: Final = compile_late(
    r"""("(?:[^"\\\n]|\\[^\n])*"?|'(?:[^'\\\n]|\\[^\n])*'?)|//[^\n]*|/\*.*?(?:\*/|\Z)|\t""",
    16,  # re.DOTALL
)
#: Months as Renovate counts them.
_MONTHS: Final = compile_late(r"(\d{1,4})\s*(?:months?|M)\b")
_DEPENDABOT_ECOSYSTEMS: Final[dict[str, EcosystemId]] = {
    **dict.fromkeys(("npm", "bun"), NPM),
    **dict.fromkeys(("pip", "uv"), PYPI),
}
_DEPENDABOT_AGES: Final = ("default-days", "semver-patch-days", "semver-minor-days", "semver-major-days")
#: Most entries read of one file; real ones have some dozens.
_MAX_ENTRIES: Final = 1_000


def read_renovate(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rules of Renovate: one for each ecosystem.

    As in Renovate, package rules count after the setting for everything, the last one first. Those with conditions
    other than an ecosystem and names are left out.
    """
    if _RENOVATE_KEY not in text and not any(preset in text for preset in _NPM_PRESETS):
        return
    try:
        documents = parse_documents(_strip_comments(text), lambda _message, _line: None)
    except NotYamlError:  # it only proposes: what it would leave out can be installed
        return
    root = get_members(documents[0] if documents else None)
    if path.endswith("package.json"):
        root = get_members(root.get("renovate"))
    for ecosystem in _BOTH:
        if rule := _read_renovate_rule(root, path, ecosystem):
            yield replace(rule, is_bot=True)


def list_unread_presets(text: str, path: str) -> Iterator[tuple[str, int]]:
    """Yield each preset that stands elsewhere and may have an age, with its line: such presets are not fetched."""
    if "extends" not in text or (path.endswith("package.json") and '"renovate"' not in text):
        return
    try:
        documents = parse_documents(_strip_comments(text), lambda _message, _line: None)
    except NotYamlError:
        return
    root = get_members(documents[0] if documents else None)
    if path.endswith("package.json"):
        root = get_members(root.get("renovate"))
    node = root.get("extends")
    for preset in _list_texts(node):
        prefix, colon, _ = preset.partition(":")
        if node is not None and not (colon and prefix in _OWN_PRESETS):
            yield preset, node.line


def _strip_comments(text: str) -> str:
    """Return JSON5 with a space in place of comments and tabs; every line keeps its number."""
    return _JSON5_TOKEN.sub(lambda match: match[1] or " " + "\n" * match[0].count("\n"), text)


def _read_renovate_rule(root: YamlMembers, path: str, ecosystem: EcosystemId) -> AgeRule | None:
    rule = _make_renovate_rule(root.get(_RENOVATE_KEY), path, ecosystem)
    presets = root.get("extends")
    if ecosystem == NPM and presets is not None and _NPM_PRESETS.intersection(_list_texts(presets)):
        location = Location(path=path, line=presets.line)
        age = parse_age(_NPM_PRESET_AGE)
        rule = make_rule("Renovate", ecosystem, _RENOVATE_KEY, f"{_NPM_PRESET_AGE} by a preset", age, location)
    exceptions: list[AgeException] = []
    for members in _iter_package_rules(root):
        node = members.get(_RENOVATE_KEY)
        if node is None or not _concerns(members, ecosystem):
            continue
        names = [name for key in _NAME_CONDITIONS for name in _list_texts(members.get(key))]
        if not names:
            rule = _make_renovate_rule(node, path, ecosystem)
            continue
        age = Age(seconds=0) if _is_null(node) else _parse_renovate(get_text(node))
        if not age.problem:
            exceptions += [_make_exception(name, ecosystem, age) for name in names if not name.startswith(("!", "/"))]
    if rule is None and exceptions:
        rule = make_rule("Renovate", ecosystem, _RENOVATE_KEY, "…", Age(), Location(path=path, line=0))
    return None if rule is None else replace(rule, exceptions=tuple(reversed(exceptions)))


def _iter_package_rules(root: YamlMembers) -> Iterator[YamlMembers]:
    """Yield the settings of managers, then the package rules."""
    for name, ecosystem in _RENOVATE_ECOSYSTEMS.items():
        node = get_members(root.get(name)).get(_RENOVATE_KEY)
        if node is not None:
            yield {_RENOVATE_KEY: node, "matchManagers": YamlNode([YamlNode(_any_manager(ecosystem), node.line)], 0)}
    rules = root.get("packageRules")
    for node in rules.data[:_MAX_ENTRIES] if rules is not None and isinstance(rules.data, list) else ():
        yield get_members(node)


def _any_manager(ecosystem: EcosystemId) -> str:
    return next(name for name, own in _RENOVATE_ECOSYSTEMS.items() if own == ecosystem)


def _concerns(members: YamlMembers, ecosystem: EcosystemId) -> bool:
    """Return whether a package rule is about an ecosystem, and about nothing else but names."""
    conditions = {key for key in members if key.startswith(("match", "exclude"))}
    if conditions - {*_ECOSYSTEM_CONDITIONS, *_NAME_CONDITIONS}:
        return False
    selected = [name for key in _ECOSYSTEM_CONDITIONS for name in _list_texts(members.get(key))]
    return not selected or any(_RENOVATE_ECOSYSTEMS.get(name) == ecosystem for name in selected)


def _make_renovate_rule(node: YamlNode | None, path: str, ecosystem: EcosystemId) -> AgeRule | None:
    if node is None or _is_null(node):
        return None
    value = get_text(node)
    location = Location(path=path, line=node.line)
    return make_rule("Renovate", ecosystem, _RENOVATE_KEY, value, _parse_renovate(value), location)


def _is_null(node: YamlNode) -> bool:
    return node.data in ("null", "~", "")


def _parse_renovate(value: str) -> Age:
    """Return a duration of Renovate, whose months have 30 days."""
    return parse_age(_MONTHS.sub(lambda match: f"{int(match[1]) * 30} days", value))


def _make_exception(name: str, ecosystem: EcosystemId, age: Age) -> AgeException:
    pattern = name if "*" in name else normalise_name(ecosystem, name)
    return AgeException(pattern=pattern, seconds=age.seconds, before=age.before)


def read_dependabot(text: str, path: str) -> Iterator[AgeRule]:
    """Yield the rules of Dependabot: one for each entry with a ``cooldown``.

    Its age is that of a patch where the entry has one for each kind of version, which is the shortest that a
    proposal may have.
    """
    if "cooldown" not in text:
        return
    try:
        documents = parse_documents(text, lambda _message, _line: None)
    except NotYamlError:  # as above
        return
    updates = get_members(documents[0] if documents else None).get("updates")
    for node in updates.data[:_MAX_ENTRIES] if updates is not None and isinstance(updates.data, list) else ():
        members = get_members(node)
        ecosystem_id = _DEPENDABOT_ECOSYSTEMS.get(get_text(members.get("package-ecosystem")))
        cooldown = get_members(members.get("cooldown"))
        if ecosystem_id is not None and cooldown:
            for directory in (get_text(members.get("directory")), *_list_texts(members.get("directories"))):
                if directory:
                    rule = _read_cooldown(cooldown, path, ecosystem_id)
                    yield replace(rule, is_bot=True, directory=_plain_directory(directory))


def _plain_directory(directory: str) -> str:
    """Return the directory in the repository up to its first pattern; empty for the root."""
    parts = []
    for part in directory.strip("/").split("/"):
        if "*" in part:
            break
        parts.append(part)
    return "/".join(part for part in parts if part not in ("", "."))


def _read_cooldown(cooldown: YamlMembers, path: str, ecosystem: EcosystemId) -> AgeRule:
    key = next((key for key in _DEPENDABOT_AGES if key in cooldown), "")
    node = cooldown.get(key) or next(iter(cooldown.values()))
    age = parse_number(get_text(node), "days") if key else Age()
    excluded = [_make_exception(name, ecosystem, Age(seconds=0)) for name in _list_texts(cooldown.get("exclude"))]
    included = [_make_exception(name, ecosystem, age) for name in _list_texts(cooldown.get("include"))]
    location = Location(path=path, line=node.line)
    exceptions = tuple(replace(exception, crosses_scopes=True) for exception in (*excluded, *included))
    rule_age = age._replace(seconds=None) if included and not age.problem else age
    return make_rule(
        "Dependabot",
        ecosystem,
        f"cooldown.{key}" if key else "cooldown",
        get_text(node),
        rule_age,
        location,
        exceptions,
    )


def _list_texts(node: YamlNode | None) -> Iterable[str]:
    """Return the texts of a list, or the one text in its place."""
    if node is None:
        return ()
    if isinstance(node.data, str):
        return (node.data,)
    return [item.data for item in node.data if isinstance(item, YamlNode) and isinstance(item.data, str)]
