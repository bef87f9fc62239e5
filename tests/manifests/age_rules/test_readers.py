"""The settings of package managers and update bots, with their units, exceptions and lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.inventory import Location, Package
from nerq_cli.manifests.age_rules import npm_tools, python_tools, update_bots
from nerq_cli.policy.age import AgeRule
from nerq_cli.units import DAY, HOUR

DEMO = Package(ecosystem=PYPI, name="demo")
LODASH = Package(ecosystem=NPM, name="lodash")
CORE = Package(ecosystem=NPM, name="@acme/core")
WEEK = 7 * DAY
#: 2026-11-01T00:00:00Z
NOVEMBER = 1_793_491_200


def only(rules: Iterable[AgeRule]) -> AgeRule:
    [rule] = rules
    return rule


@pytest.mark.parametrize("value", ["7 days", "P7D", "1 week", "168h", "PT168H"])
def test_uv_takes_durations_in_words_and_in_iso_8601(value: str) -> None:
    rule = only(python_tools.read_uv(f'# top\nexclude-newer = "{value}"\n', "uv.toml"))
    assert (rule.seconds, rule.before, rule.location.line, rule.problem) == (WEEK, None, 2, "")


@pytest.mark.parametrize("value", ["2026-11-01T00:00:00Z", "2026-10-31", "2026-11-01T01:00:00+01:00"])
def test_uv_takes_times_and_dates_which_end_with_the_day(value: str) -> None:
    rule = only(python_tools.read_uv(f'exclude-newer = "{value}"\n', "uv.toml"))
    assert (rule.seconds, rule.before) == (None, NOVEMBER)


def test_uv_in_pyproject_has_exceptions_for_packages() -> None:
    text = """[project]
name = "x"
[tool.uv]
exclude-newer = "7 days"
exclude-newer-package = { Demo = false, other = "1 day", wrong = "soon" }
"""
    rule = only(python_tools.read_uv(text, "sub/pyproject.toml"))
    assert rule.location.line == 4
    assert rule.find_age(DEMO, "1.0") == (0, None)
    assert rule.find_age(Package(ecosystem=PYPI, name="other"), "1") == (DAY, None)
    assert rule.find_age(Package(ecosystem=PYPI, name="wrong"), "1") == (WEEK, None)
    assert rule.find_age(Package(ecosystem=PYPI, name="demo-more"), "1") == (WEEK, None)


def test_uv_may_have_a_rule_for_single_packages_only_or_none() -> None:
    rule = only(python_tools.read_uv('exclude-newer-package = { demo = "3 days" }\n', "uv.toml"))
    assert rule.find_age(DEMO, "1") == (3 * DAY, None)
    assert rule.find_age(Package(ecosystem=PYPI, name="other"), "1") == (None, None)
    assert only(python_tools.read_uv("exclude-newer = false\n", "uv.toml")).seconds == 0
    assert not list(python_tools.read_uv("[tool.uv]\nexclude-newer = '7d'\n", "uv.toml"))
    assert not list(python_tools.read_uv("exclude-newer-package = { demo = false }", "uv.toml"))


def test_pip_takes_whole_days_and_dates_from_their_beginning_and_install_counts_first() -> None:
    text = "[global]\nuploaded-prior-to = P3D\n\n[install]\nuploaded_prior_to: P7D\n"
    rule = only(python_tools.read_pip(text, "~/.config/pip/pip.conf"))
    assert (rule.seconds, rule.location.line) == (WEEK, 5)
    assert only(python_tools.read_pip("[global]\nuploaded-prior-to=2026-11-01", "p")).before == NOVEMBER
    assert "all pip accepts" in only(python_tools.read_pip("[global]\nuploaded-prior-to=7 days", "p")).problem
    assert not list(python_tools.read_pip("[wheel]\nuploaded-prior-to=P7D", "p"))


def test_poetry_counts_days() -> None:
    text = '[solver]\nmin-release-age = 7\nmin-release-age-exclude = "Demo, other"\n'
    rule = only(python_tools.read_poetry(text, "poetry.toml"))
    assert (rule.seconds, rule.location.line) == (WEEK, 2)
    assert rule.find_age(DEMO, "1") == (0, None)
    assert only(python_tools.read_poetry("[solver]\nmin-release-age = '7d'", "p")).problem == "not a number of days"


def test_npm_counts_days_and_before_counts_first() -> None:
    text = "; top\nmin-release-age = 7\nmin-release-age-exclude[]=@acme/*\nmin-release-age-exclude[]=lodash, other\n"
    rule = only(npm_tools.read_npmrc(text, ".npmrc"))
    assert (rule.seconds, rule.location.line) == (WEEK, 2)
    assert rule.find_age(CORE, "1.0.0") == rule.find_age(LODASH, "1.0.0") == (0, None)
    assert rule.find_age(Package(ecosystem=NPM, name="acme"), "1.0.0") == (WEEK, None)
    both = only(npm_tools.read_npmrc("min-release-age=7\nbefore=2026-11-01T00:00:00Z\n", ".npmrc"))
    assert (both.setting, both.before) == ("before", NOVEMBER)
    assert only(npm_tools.read_npmrc("min-release-age=${DAYS}", ".npmrc")).problem
    assert only(npm_tools.read_npmrc("min-release-age=0.5", ".npmrc")).seconds == 12 * HOUR
    assert only(npm_tools.read_npmrc("minimum-release-age=10080", ".npmrc")).tool == "pnpm"


def test_pnpm_counts_minutes_and_excepts_versions() -> None:
    text = """packages:
  - "*"
minimumReleaseAge: 10080
minimumReleaseAgeExclude:
  - '@acme/*'
  - lodash@4.17.20 || 4.17.21
"""
    rule = only(npm_tools.read_pnpm_workspace(text, "pnpm-workspace.yaml"))
    assert (rule.seconds, rule.location.line) == (WEEK, 3)
    assert rule.find_age(CORE, "1.0.0") == (0, None)
    assert rule.find_age(LODASH, "4.17.21") == (0, None)
    assert rule.find_age(LODASH, "4.17.22") == (WEEK, None)
    wrong = only(npm_tools.read_pnpm_workspace("minimumReleaseAge: 7d\n", "p"))
    assert (wrong.seconds, wrong.problem) == (None, "not a number of minutes")
    anchors = "x: &a 1\nminimumReleaseAge: 10080 # a week\ny: *a\nminimumReleaseAgeExclude: [lodash]\n"
    strict = only(npm_tools.read_pnpm_workspace(anchors, "p"))
    assert (strict.seconds, strict.location.line, strict.exceptions) == (WEEK, 2, ())
    assert not list(npm_tools.read_pnpm_workspace("x: &a minimumReleaseAge\n  - *a", "p"))


def test_yarn_counts_minutes_or_takes_durations_and_a_scope_may_differ() -> None:
    text = """npmMinimalAgeGate: 7d
npmScopes:
  acme:
    npmMinimalAgeGate: 0
npmPreapprovedPackages:
  - "lodash@^4.17.0"
"""
    rule = only(npm_tools.read_yarnrc(text, ".yarnrc.yml"))
    assert rule.seconds == WEEK
    assert rule.find_age(CORE, "1.0.0") == (0, None)
    assert rule.find_age(LODASH, "4.18.0") == (0, None)
    assert rule.find_age(LODASH, "5.0.0") == (WEEK, None)
    assert only(npm_tools.read_yarnrc("npmMinimalAgeGate: 10080", ".yarnrc.yml")).seconds == WEEK


def test_bun_counts_seconds_or_takes_durations() -> None:
    text = '[install]\nminimumReleaseAge = 604800\nminimumReleaseAgeExcludes = ["@acme/core", "lodash@4.17.21"]\n'
    rule = only(npm_tools.read_bunfig(text, "bunfig.toml"))
    assert (rule.seconds, rule.location.line) == (WEEK, 2)
    assert rule.find_age(CORE, "1.0.0") == rule.find_age(LODASH, "4.17.21") == (0, None)
    assert rule.find_age(LODASH, "4.17.20") == (WEEK, None)
    assert only(npm_tools.read_bunfig('[install]\nminimumReleaseAge = "3d"', "b")).seconds == 3 * DAY


def test_pdm_takes_a_letter_or_a_date_from_its_beginning() -> None:
    text = '[tool.pdm.resolution]\nexclude-newer = "7d"\nexclude-newer-override = { Demo = false, other = "1d" }\n'
    rule = only(python_tools.read_pyproject(text, "pyproject.toml"))
    assert (rule.tool, rule.seconds, rule.location.line) == ("PDM", WEEK, 2)
    assert rule.find_age(DEMO, "1") == (0, None)
    assert rule.find_age(Package(ecosystem=PYPI, name="other"), "1") == (DAY, None)
    assert only(python_tools.read_pdm('[strategy]\nexclude-newer = "2026-11-01"', "pdm.toml")).before == NOVEMBER
    assert "all PDM accepts" in only(python_tools.read_pdm('[strategy]\nexclude-newer = "7 days"', "p")).problem


def test_pipenv_takes_days_only() -> None:
    rule = only(python_tools.read_pipfile('[pipenv]\ncool-down-period = "7d"\n', "Pipfile"))
    assert (rule.seconds, rule.location.line) == (WEEK, 2)
    assert only(python_tools.read_pipfile("[pipenv]\ncool-down-period = 7\n", "Pipfile")).problem


def test_deno_counts_minutes_or_takes_iso_8601() -> None:
    text = '{ // why\n "minimumDependencyAge": {"age": "P7D", "exclude": ["npm:@acme/*", "jsr:@std/x"]},\n}'
    rule = only(npm_tools.read_deno(text, "deno.json"))
    assert (rule.seconds, rule.location.line) == (WEEK, 2)
    assert rule.find_age(CORE, "1.0.0") == (0, None)
    assert rule.find_age(LODASH, "1.0.0") == (WEEK, None)
    assert only(npm_tools.read_deno('{"minimumDependencyAge": 10080}', "deno.json")).seconds == WEEK
    assert only(npm_tools.read_deno('{"minimumDependencyAge": "0"}', "deno.json")).seconds == 0
    assert only(npm_tools.read_deno('{"minimumDependencyAge": {"exclude": []}}', "deno.json")).seconds == DAY
    assert only(npm_tools.read_deno('{"minimumDependencyAge": "2026-10-31"}', "deno.json")).before == NOVEMBER


RENOVATE = """// why
{
  $schema: 'https://docs.renovatebot.com/renovate-schema.json',
  extends: ['config:recommended'],
  minimumReleaseAge: '3 days',
  packageRules: [
    { matchDatasources: ['npm'], minimumReleaseAge: '1 month' },
    { matchPackageNames: ['lodash'], minimumReleaseAge: null },
    { matchPackageNames: ['@acme/**'], minimumReleaseAge: '1 day' },
    { matchUpdateTypes: ['major'], minimumReleaseAge: '1 year' },
  ],
}
"""


def test_renovate_has_a_rule_for_each_ecosystem_with_its_package_rules() -> None:
    rules = {rule.ecosystem: rule for rule in update_bots.read_renovate(RENOVATE, "renovate.json5")}
    assert {rule.is_bot for rule in rules.values()} == {True}
    assert (rules[PYPI].seconds, rules[PYPI].location.line) == (3 * DAY, 5)
    assert (rules[NPM].seconds, rules[NPM].location.line) == (30 * DAY, 7)
    assert rules[NPM].find_age(LODASH, "1.0.0") == (0, None)
    assert rules[NPM].find_age(CORE, "1.0.0") == (DAY, None)


def test_a_preset_of_renovate_is_a_rule_for_npm() -> None:
    text = '{"extends": ["config:best-practices"], "minimumReleaseAge": "14 days"}'
    rules = {rule.ecosystem: rule.seconds for rule in update_bots.read_renovate(text, "renovate.json")}
    assert rules == {PYPI: 14 * DAY, NPM: 3 * DAY}
    text = '{"name": "x", "renovate": {"minimumReleaseAge": "2 days"}}'
    assert {rule.seconds for rule in update_bots.read_renovate(text, "package.json")} == {2 * DAY}
    assert not list(update_bots.read_renovate('{"minimumReleaseAge": "2 days"}', "package.json"))
    wrong = list(update_bots.read_renovate('{"minimumReleaseAge": "soon"}', "renovate.json"))
    assert all(rule.problem for rule in wrong)


def test_dependabot_counts_days_for_each_entry() -> None:
    text = """version: 2
updates:
  - package-ecosystem: pip
    directory: /
    cooldown:
      default-days: 5
      semver-major-days: 30
      exclude: ["demo", "acme-*"]
  - package-ecosystem: npm
    directories: ["/web", "/packages/*"]
    cooldown: {semver-patch-days: 3, include: ["lodash"]}
  - package-ecosystem: github-actions
    directory: /
    cooldown: {default-days: 9}
"""
    pip, web, packages = update_bots.read_dependabot(text, ".github/dependabot.yml")
    assert (pip.seconds, pip.location.line, pip.directory) == (5 * DAY, 6, "")
    assert pip.find_age(DEMO, "1") == pip.find_age(Package(ecosystem=PYPI, name="acme-x"), "1") == (0, None)
    assert (web.directory, packages.directory) == ("web", "packages")
    assert web.find_age(LODASH, "1.0.0") == (3 * DAY, None)
    assert web.find_age(CORE, "1.0.0") == (None, None)


def test_files_of_update_bots_that_cannot_be_read_hold_nothing_back() -> None:
    assert not list(update_bots.read_renovate('{"minimumReleaseAge": "7 days"', "renovate.json"))
    assert not list(update_bots.read_dependabot("updates: &a [cooldown]\n", ".github/dependabot.yml"))


READERS: list[tuple[Callable[..., Iterable[AgeRule]], str, str]] = [
    (python_tools.read_uv, "uv.toml", "exclude-newer"),
    (python_tools.read_uv, "pyproject.toml", "exclude-newer"),
    (python_tools.read_pip, "pip.conf", "uploaded-prior-to"),
    (python_tools.read_poetry, "poetry.toml", "min-release-age"),
    (python_tools.read_pyproject, "pyproject.toml", "exclude-newer"),
    (python_tools.read_pdm, "pdm.toml", "exclude-newer"),
    (python_tools.read_pipfile, "Pipfile", "cool-down-period"),
    (npm_tools.read_deno, "deno.json", "minimumDependencyAge"),
    (npm_tools.read_npmrc, ".npmrc", "min-release-age"),
    (npm_tools.read_pnpm_workspace, "pnpm-workspace.yaml", "minimumReleaseAge"),
    (npm_tools.read_yarnrc, ".yarnrc.yml", "npmMinimalAgeGate"),
    (npm_tools.read_bunfig, "bunfig.toml", "minimumReleaseAge"),
    (update_bots.read_renovate, "renovate.json", "minimumReleaseAge"),
    (update_bots.read_dependabot, ".github/dependabot.yml", "cooldown"),
]


@pytest.mark.parametrize(("reader", "path", "key"), READERS)
@given(
    prefix=st.sampled_from(
        [
            "",
            "[tool.uv]\n",
            "[tool.pdm.resolution]\n",
            "[strategy]\n",
            "[pipenv]\n",
            '{"',
            "[install]\n",
            "[solver]\n",
            "{",
            "updates:\n- package-ecosystem: npm\n  ",
        ]
    ),
    separator=st.sampled_from([" = ", ": ", "='", '":{"', "=[", ": [", ":\n  - "]),
    value=st.text(max_size=40),
)
def test_any_text_gives_rules_or_none_and_no_error(
    reader: Callable[..., Iterable[AgeRule]], path: str, key: str, prefix: str, separator: str, value: str
) -> None:
    for rule in reader(f"{prefix}{key}{separator}{value}", path):
        assert rule.location.path == path
        assert rule.problem or rule.seconds is None or rule.seconds >= 0


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (npm_tools.read_npmrc, "min-release-age" + " " * 200_000 + "x\nbefore=" + " " * 200_000 + "x"),
        (python_tools.read_pip, "[global]\nuploaded-prior-to" + " " * 400_000 + "x"),
        (update_bots.read_renovate, "minimumReleaseAge" + "/*" * 200_000),
        (update_bots.read_renovate, 'minimumReleaseAge"' + '\\"' * 200_000),
        (npm_tools.read_pnpm_workspace, "minimumReleaseAge" + "[" * 200_000),
        (npm_tools.read_yarnrc, "npmMinimalAgeGate: &a x\n" + "npmMinimalAgeGate " * 40_000),
    ],
)
def test_the_time_of_a_reader_grows_with_the_length_of_the_text(
    reader: Callable[[str, str], Iterable[AgeRule]], text: str
) -> None:
    start = time.process_time()
    list(reader(text, "x"))
    assert time.process_time() - start < 5


def package(name: str) -> Package:
    return Package(ecosystem=PYPI, name=name)


def test_uv_indexes_may_have_rules_of_their_own() -> None:
    text = """[tool.uv]
exclude-newer = "7 days"
exclude-newer-package = { vision = "2 days" }
[[tool.uv.index]]
name = "torch"
url = "https://torch.example/simple"
explicit = true
exclude-newer = false
[[tool.uv.index]]
name = "main"
url = "https://main.example/simple"
default = true
exclude-newer = "3 days"
[[tool.uv.index]]
name = "plain"
url = "https://plain.example/simple"
[tool.uv.sources]
Torch = { index = "torch" }
vision = [{ index = "torch", marker = "sys_platform == 'linux'" }, { git = "https://git.example/x" }]
other = { index = "plain" }
"""
    rule = only(python_tools.read_uv(text, "pyproject.toml"))
    assert (rule.seconds, rule.location.line) == (3 * DAY, 13)  # that of the default index
    assert rule.find_age(package("torch"), "1") == (0, None)
    assert rule.find_age(package("vision"), "1") == (2 * DAY, None)  # its own counts before that of the index
    assert rule.find_age(package("other"), "1") == (3 * DAY, None)
    assert only(python_tools.read_uv('[[index]]\nname="a"\ndefault=true\nexclude-newer="1d"', "uv.toml")).seconds == DAY
    assert (
        only(python_tools.read_uv('exclude-newer = "7d"\nindex = "x"\nsources = 1\npip = 1', "uv.toml")).seconds == WEEK
    )


def test_uv_pip_has_a_rule_for_what_it_installs_from() -> None:
    text = '[tool.uv]\nexclude-newer = "1 day"\n[tool.uv.pip]\nexclude-newer = "7 days"\n'
    project, pip = python_tools.read_uv(text, "pyproject.toml")
    assert (project.seconds, project.endings) == (DAY, ())
    assert (pip.tool, pip.setting, pip.seconds, pip.location.line) == ("uv", "pip.exclude-newer", WEEK, 4)
    assert pip.covers(Location(path="requirements.txt", line=1))
    assert not pip.covers(Location(path="uv.lock", line=1))


@pytest.mark.parametrize(
    ("text", "seconds", "exempt"),
    [
        ('[workspace]\nexclude-newer = "7d"', WEEK, WEEK),
        ('[project]\nexclude-newer = "7d"', WEEK, WEEK),
        ('[workspace]\nexclude-newer = "7d"\npypi-exclude-newer = "3d"', 3 * DAY, 3 * DAY),
        ('[workspace]\nexclude-newer = "7d"\n[pypi-exclude-newer]\nDemo = "0d"', WEEK, 0),
        ('[workspace.pypi-exclude-newer]\ncutoff = "7d"\nexemptions = { demo = "*" }', WEEK, 0),
        ('[workspace.pypi-exclude-newer]\ncutoff = "7d"\nexemptions = { demo = { cutoff = "2d" } }', WEEK, 2 * DAY),
        ('[workspace.exclude-newer]\ncutoff = "7d"\nexemptions = { demo = "*" }', WEEK, WEEK),  # those are of conda
    ],
)
def test_pixi_has_rules_for_packages_of_pypi(text: str, seconds: int, exempt: int) -> None:
    rule = only(python_tools.read_pixi(text, "pixi.toml"))
    assert (rule.tool, rule.seconds) == ("pixi", seconds)
    assert rule.find_age(DEMO, "1") == (exempt, None)
    in_pyproject = text.replace("[", "[tool.pixi.")
    assert only(python_tools.read_pyproject(in_pyproject, "pyproject.toml")).find_age(DEMO, "1") == (exempt, None)
    assert not list(python_tools.read_pixi("[pypi-exclude-newer]\ndemo = '1d'", "pixi.toml"))  # without a limit


@pytest.mark.parametrize(
    ("extends", "unread"),
    [
        ('["config:recommended", ":semanticCommits", "npm:unpublishSafe", "docker:pinDigests"]', []),
        ('["github>acme/renovate-config", "config:recommended"]', ["github>acme/renovate-config"]),
        ('["local>acme/x//y#1", "acme", "@acme", "acme:js"]', ["local>acme/x//y#1", "acme", "@acme", "acme:js"]),
        ('"https://presets.example/x.json"', ["https://presets.example/x.json"]),
    ],
)
def test_presets_of_renovate_that_stand_elsewhere_are_named(extends: str, unread: list[str]) -> None:
    text = f'{{\n  "extends": {extends}\n}}'
    assert list(update_bots.list_unread_presets(text, "renovate.json")) == [(name, 2) for name in unread]
    assert list(update_bots.list_unread_presets(f'{{"x": {text}}}', "package.json")) == []
    inner = update_bots.list_unread_presets(f'{{"renovate":\n{text}}}', "package.json")
    assert [name for name, _ in inner] == unread
