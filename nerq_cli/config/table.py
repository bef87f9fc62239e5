"""The settings: a table, one row each, from which they are read, documented and shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from nerq_cli.config import values
from nerq_cli.config.values import Kind
from nerq_cli.methodology.packages import PACKAGES
from nerq_cli.policy.rules import RULES
from nerq_cli.policy.settings import PRESETS, SEVERITY_LEVELS

#: Begins the variable of each setting that has one.
_PREFIX: Final = "NERQ_"


class Setting(NamedTuple):
    """One setting."""

    #: Dotted: ``threshold``, ``rules.licence.allow``.
    key: str
    kind: Kind
    #: For people, without a full stop.
    summary: str
    #: As text; empty if there is none.
    default: str = ""
    #: Option of the command line; empty if there is none.
    option: str = ""

    @property
    def variable(self) -> str:
        """Environment variable; empty for what belongs in a file."""
        return "" if "." in self.key else _PREFIX + self.key.replace("-", "_").upper()


#: What has a number of points for each of several names: the key of a table, what its names are, and an example.
THRESHOLD_TABLES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "groups": (
            "score that the dependencies of a group must reach; of several groups the highest counts",
            "dev = 50",
        ),
        "dimensions": (f"mean that a dimension must reach: {', '.join(PACKAGES.dimensions)}", "security = 80"),
        "packages": ("score that packages must reach, by pattern; outweighs groups", '"npm:left-pad" = 40'),
    }
)
_PRESET_TEXT: Final = ", ".join(f"{name} {points:g}" for name, points in PRESETS.items())
_SETTINGS: Final = (
    Setting("threshold", values.POINTS, "score a dependency must reach", f"{PACKAGES.threshold:g}", "--threshold"),
    Setting("private", values.PRIVATE_NAMES, 'names never asked about: `"acme-*"`, `"@acme/*"`, `"hf:acme/*"`'),
    Setting(
        "public",
        values.PUBLIC_NAMES,
        "names that may be asked about, of registries and services, although a registry or a further index of your own "
        "is configured",
    ),
    Setting("exclude", values.PATHS, "left out, in .gitignore syntax", option="--exclude"),
    Setting("timeout", values.SECONDS, "the deadline of a run", "30 for each 1,000 dependencies", "--timeout"),
    Setting(
        "strict", values.BOOLEAN, "exit 3 when something could not be checked", "only when `CI` is set", "--strict"
    ),
    Setting("groups", values.NAMES, "dependency groups to scan", "all", "--group"),
    Setting("no-dev", values.BOOLEAN, "leave development groups out", "false", "--no-dev"),
    Setting(
        "no-mcp", values.BOOLEAN, "leave the configurations of MCP clients and agent skills out", "false", "--no-mcp"
    ),
    Setting("no-models", values.BOOLEAN, "leave models out that source files refer to", "false", "--no-models"),
    Setting("preset", values.PRESET, f"threshold by name: {_PRESET_TEXT}", option="--policy"),
    Setting(
        "baseline", values.FILE, "earlier run to compare with: only what is new or worse fails", option="--baseline"
    ),
    Setting("report-only", values.BOOLEAN, "state what would fail, and exit 0", "false", "--report-only"),
    Setting(
        "nested",
        values.NESTED,
        "obey settings files in subdirectories for what is below them, as far as they are stricter; `waivers`: their "
        "waivers as well",
        "false",
    ),
    Setting(
        "service",
        values.URL,
        "nerq service at which evidence about public packages is looked up; what it lacks is computed",
        option="--service",
    ),
    Setting(
        "service-only",
        values.BOOLEAN,
        "compute no evidence; exit 3 when the service does not have everything",
        "false",
        "--service-only",
    ),
)
#: Options of rules beside their level.
_RULE_OPTIONS: Final[Mapping[str, tuple[Setting, ...]]] = MappingProxyType(
    {
        "vulnerability": (
            *(
                Setting(severity, values.LEVEL, f"level of advisories of {severity} severity", level)
                for severity, level in SEVERITY_LEVELS.items()
            ),
            Setting(
                "only-fixable",
                values.SEVERITY_SET,
                "severities of which only advisories with a fix count; true for all",
                '["medium", "low"]',
            ),
            Setting("kev", values.LEVEL, "least level of advisories that CISA KEV lists as exploited", "deny"),
            Setting("epss", values.PROBABILITY, "exploit probability from which an advisory is denied", "no limit"),
        ),
        "too-new": (Setting("min-age", values.DURATION, "age that a version must have; a number is in minutes", "7d"),),
        "licence": (
            Setting(
                "allow",
                values.ALLOWED_LICENCES,
                "licences that are accepted; without the list every one that is not denied",
            ),
            Setting("deny", values.LICENCES, "licences that are not accepted"),
        ),
        "install-script": (Setting("allow", values.PACKAGES, "packages that may run code when they are installed"),),
    }
)


def _list_rule_settings() -> Iterator[Setting]:
    for rule in RULES:
        prefix = f"rules.{rule.id}"
        yield Setting(f"{prefix}.level", values.LEVEL, rule.summary.removesuffix("."), rule.level)
        for option in _RULE_OPTIONS.get(rule.id, ()):
            yield option._replace(key=f"{prefix}.{option.key}")


#: The settings by key, without those of the tables of thresholds.
SETTINGS: Final[Mapping[str, Setting]] = MappingProxyType(
    {setting.key: setting for setting in (*_SETTINGS, *_list_rule_settings())}
)
#: Keys that a file has at its top.
TOP_KEYS: Final = (*(setting.key for setting in _SETTINGS), "thresholds", "rules", "waivers")
