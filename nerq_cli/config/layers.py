"""The layers of settings: file, environment, command line. What is set in a later one outweighs the ones before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from nerq_cli.config.model import Config, Value
from nerq_cli.config.table import SETTINGS
from nerq_cli.config.values import SettingError, suggest
from nerq_cli.errors import ConfigError
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy.rules import RULES
from nerq_cli.policy.settings import (
    DEFAULT_POLICY,
    LEVELS,
    MIN_AGE,
    PRESETS,
    SEVERITY_LEVELS,
    PolicySettings,
    VulnerabilityOptions,
)
from nerq_cli.policy.waivers import Waiver
from nerq_cli.problem import Problem

#: Patterns of one setting that a warning shows.
_MAX_SHOWN: Final = 5
#: Variables about the service that no settings file has: its token, and whether it may be asked without encryption.
SERVICE_VARIABLES: Final = ("NERQ_SERVICE_TOKEN", "NERQ_SERVICE_ALLOW_HTTP")
#: Variables with the ids of rules, by the level that they give them.
LEVEL_VARIABLES: Final[Mapping[str, str]] = {f"NERQ_{level.upper()}": level for level in LEVELS}


def merge(*layers: Mapping[str, Value]) -> dict[str, Value]:
    """Return the values in force. A preset outweighs the threshold of the layers before it."""
    merged: dict[str, Value] = {}
    for layer in layers:
        values = dict(layer)
        if "threshold" in values:
            merged.pop("preset", None)
        elif "preset" in values:
            preset = values["preset"]
            values["threshold"] = Value(PRESETS[str(preset.value)], f"{preset.origin} (preset {preset.value})")
        merged.update(values)
    return merged


def build_config(
    layer: Mapping[str, Value], *, path: str = "", warnings: tuple[str, ...] = (), waivers: tuple[Waiver, ...] = ()
) -> Config:
    """Return the settings of one file; its weakenings are among the warnings."""
    config = replace(_build(merge(layer), path=path, warnings=warnings, waivers=waivers), values=layer)
    weakenings = tuple(_find_weakenings(config))
    if weakenings:
        warning = _describe_weakenings(path, weakenings)
        config = replace(config, weakenings=weakenings, warnings=(*warnings, warning))
    return config


def apply_layers(config: Config, *layers: Mapping[str, Value]) -> Config:
    """Return settings with the values of further layers; what they weaken and warn of is that of the file."""
    if not any(layers):
        return config
    return _build(
        merge(config.values, *layers),
        path=config.path,
        warnings=config.warnings,
        weakenings=config.weakenings,
        waivers=config.waivers,
    )


def drop_weakening(config: Config, key: str) -> Config:
    """Return the settings of a file without the warning about one that the run does not use at all."""
    kept = tuple(text for text in config.weakenings if not text.startswith(f"{key} = "))
    described = _describe_weakenings(config.path, config.weakenings)
    warnings = (
        _describe_weakenings(config.path, kept) if warning == described else warning for warning in config.warnings
    )
    return replace(config, weakenings=kept, warnings=tuple(filter(None, warnings)))


def drop_weakenings(config: Config) -> Config:
    """Return the settings of a file of the user: without the warning about weakenings."""
    described = _describe_weakenings(config.path, config.weakenings)
    return replace(config, weakenings=(), warnings=tuple(text for text in config.warnings if text != described))


def _describe_weakenings(path: str, weakenings: tuple[str, ...]) -> str:
    return f"{path} weakens the check: {'; '.join(weakenings)}" if weakenings else ""


def _build(values: dict[str, Value], **more: Any) -> Config:  # noqa: ANN401 - fields of Config
    fields = {
        setting.key.replace("-", "_"): values[key].value
        for key, setting in SETTINGS.items()
        if key in values and "." not in key and key not in ("preset", "report-only")
    }
    return Config(**fields, policy=_build_policy(values), values=values, **more)  # type: ignore[arg-type]


def _build_policy(values: Mapping[str, Value]) -> PolicySettings:
    def get(key: str, default: Any) -> Any:  # noqa: ANN401 - what the table reads
        return values[key].value if key in values else default

    def collect(prefix: str) -> dict[str, Any]:
        return {key.removeprefix(prefix): value.value for key, value in values.items() if key.startswith(prefix)}

    levels = {rule.id: values[f"rules.{rule.id}.level"].value for rule in RULES if f"rules.{rule.id}.level" in values}
    for rule in RULES:  # whoever writes options wants the rule
        if rule.level == "allow" and rule.id not in levels and any(collect(f"rules.{rule.id}.")):
            levels[rule.id] = "deny"
    defaults = VulnerabilityOptions()
    prefix = "rules.vulnerability."
    policy = PolicySettings(
        levels=levels,  # type: ignore[arg-type]
        vulnerability=VulnerabilityOptions(
            levels={severity: get(prefix + severity, level) for severity, level in SEVERITY_LEVELS.items()},
            only_fixable=get(f"{prefix}only-fixable", defaults.only_fixable),
            kev=get(f"{prefix}kev", defaults.kev),
            epss=get(f"{prefix}epss", defaults.epss),
        ),
        min_age=get("rules.too-new.min-age", MIN_AGE),
        allowed_licences=get("rules.licence.allow", ()),
        denied_licences=get("rules.licence.deny", ()),
        allowed_scripts=get("rules.install-script.allow", ()),
        group_thresholds=collect("thresholds.groups."),
        dimension_thresholds=collect("thresholds.dimensions."),
        package_thresholds=collect("thresholds.packages."),
        report_only=get("report-only", False),
    )
    return DEFAULT_POLICY if policy == DEFAULT_POLICY else policy


def read_environment(environ: Mapping[str, str]) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Return the values that variables set, and a warning for each variable that is none but looks like one.

    Raises:
        ConfigError: a variable has an invalid value; it lists all of them.
    """
    layer: dict[str, Value] = {}
    problems: list[Problem] = []
    variables = {setting.variable: setting for setting in SETTINGS.values() if setting.variable}
    for name, setting in variables.items():
        text = environ.get(name, "").strip()
        if text:
            try:
                layer[setting.key] = Value(setting.kind.read(setting.kind.parse(text)), name)
            except SettingError as error:
                problems.append(Problem(path=name, message=f"{setting.key} {error}", hint=error.hint))
    for name, level in LEVEL_VARIABLES.items():
        ids = [word.strip() for word in environ.get(name, "").split(",") if word.strip()]
        try:
            layer.update(read_levels(ids, level, name))
        except SettingError as error:
            problems.append(Problem(path=name, message=str(error), hint=error.hint))
    if problems:
        count = "it" if len(problems) == 1 else f"{len(problems)} variables"
        raise ConfigError(f"{problems[0].path}: {count} cannot be used", problems=tuple(problems))
    return layer, tuple(_warn_unknown(environ, (*variables, *LEVEL_VARIABLES, *SERVICE_VARIABLES)))


def read_levels(ids: list[str], level: str, origin: str) -> dict[str, Value]:
    """Return the values that give rules a level.

    Raises:
        SettingError: there is no such rule.
    """
    known = tuple(rule.id for rule in RULES)
    for id_ in ids:
        if id_ not in known:
            raise SettingError(f"there is no rule {id_!r}", suggest(id_, known, "rules"))
    return {f"rules.{id_}.level": Value(level, origin) for id_ in ids}


def _warn_unknown(environ: Mapping[str, str], known: tuple[str, ...]) -> Iterator[str]:
    """Yield a warning about each variable whose name differs little from that of a setting."""
    others = [name for name in environ if name.startswith("NERQ_") and name not in known and not name.endswith("_URL")]
    if others:
        import difflib

        for name in sorted(others):
            if matches := difflib.get_close_matches(name, known, n=1, cutoff=0.85):
                yield f"{name} is no setting and has no effect: did you mean {matches[0]}?"


def _find_weakenings(config: Config) -> Iterator[str]:
    """Yield each setting with which a run accepts more, or looks at less, than without settings."""
    if "preset" in config.values and config.threshold < PACKAGES.threshold:
        points = f"threshold {config.threshold:g}, default {PACKAGES.threshold:g}"
        yield f"preset = {config.values['preset'].value} ({points})"
    elif config.threshold < PACKAGES.threshold:
        yield f"threshold = {config.threshold:g} (default {PACKAGES.threshold:g})"
    if config.strict is False:
        yield "strict = false"
    switches = (("no-dev", config.no_dev), ("no-mcp", config.no_mcp), ("no-models", config.no_models))
    yield from (f"{key} = true" for key, is_set in switches if is_set)
    for key, patterns in (
        ("private", config.private),
        ("public", config.public),
        ("exclude", config.exclude),
        ("groups", config.groups),
        ("nested", ("waivers",) if config.nested == "waivers" else ()),
        ("baseline", (config.baseline,) if config.baseline else ()),
        ("service", (config.service,) if config.service else ()),
    ):
        if patterns:
            yield f"{key} = {', '.join(patterns[:_MAX_SHOWN])}{', …' * (len(patterns) > _MAX_SHOWN)}"
    if config.waivers:
        labels = [waiver.label for waiver in config.waivers[:_MAX_SHOWN]]
        more = "; …" * (len(config.waivers) > _MAX_SHOWN)
        noun = "waiver" if len(config.waivers) == 1 else "waivers"
        yield f"{len(config.waivers)} {noun} ({'; '.join(labels)}{more})"
    if config.policy is not DEFAULT_POLICY:
        yield from _find_policy_weakenings(config)


def _find_policy_weakenings(config: Config) -> Iterator[str]:
    policy = config.policy
    if policy.report_only:
        yield "report-only = true"
    lowest = min(config.threshold, PACKAGES.threshold)
    for table, thresholds in (("groups", policy.group_thresholds), ("packages", policy.package_thresholds)):
        lowered = [f"{name} {points:g}" for name, points in thresholds.items() if points < lowest]
        if lowered:
            more = ", …" * (len(lowered) > _MAX_SHOWN)
            yield f"thresholds.{table} = {', '.join(lowered[:_MAX_SHOWN])}{more}"
    for rule in RULES:
        level = policy.levels.get(rule.id, rule.level)
        if LEVELS.index(level) < LEVELS.index(rule.level):
            yield f"rules.{rule.id} = {level} (default {rule.level})"
    options, defaults = policy.vulnerability, VulnerabilityOptions()
    for name, level, default in (
        *((severity, options.levels[severity], default) for severity, default in SEVERITY_LEVELS.items()),
        ("kev", options.kev, defaults.kev),
    ):
        if LEVELS.index(level) < LEVELS.index(default):
            yield f"rules.vulnerability.{name} = {level} (default {default})"
    if added := options.only_fixable - defaults.only_fixable:
        yield f"rules.vulnerability.only-fixable = {', '.join(sorted(added))}"
