from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from nerq_cli.config import Config, Value, find_private_pattern, find_public_pattern, read_config, read_config_file
from nerq_cli.config.layers import apply_layers, read_environment
from nerq_cli.config.schema import build_schema
from nerq_cli.config.table import SETTINGS, THRESHOLD_TABLES
from nerq_cli.config.template import render_template
from nerq_cli.config.values import format_duration
from nerq_cli.ecosystems import GITHUB, HF_DATASET, HF_KERNEL, HF_MODEL, NPM, PYPI, EcosystemId
from nerq_cli.errors import ConfigError, ExitStatus
from nerq_cli.inventory import Package
from nerq_cli.policy.age import parse_duration
from nerq_cli.policy.settings import PolicySettings, VulnerabilityOptions
from nerq_cli.problem import Problem


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read(start: Path) -> Config:
    return read_config(start, home=start / "no-home")


def problems(start: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as failure:
        read(start)
    return failure.value.problems


def messages(folder: Path, text: str) -> list[str]:
    write(folder / "nerq.toml", text)
    return [problem.message for problem in problems(folder)]


EVERYTHING = """\
threshold = 65
private = ["acme-*", "@acme/*"]
public = ["open-*"]
exclude = ["vendor/", "/docs/**"]
timeout = 12.5
strict = true
groups = ["main", "dev:docs"]
no-dev = false
"""


def test_nothing_configured_gives_the_defaults(tmp_path: Path) -> None:
    assert read(tmp_path) == Config()
    assert Config().threshold == 70.0
    assert Config().path == ""


def test_every_setting_of_nerq_toml_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "nerq.toml", EVERYTHING)
    config = read(tmp_path)
    assert config.values["groups"] == (("main", "dev:docs"), f"{path}:7")
    assert replace(config, weakenings=(), warnings=(), values={}) == Config(
        threshold=65.0,
        private=("acme-*", "@acme/*"),
        public=("open-*",),
        exclude=("vendor/", "/docs/**"),
        timeout=12.5,
        strict=True,
        groups=("main", "dev:docs"),
        no_dev=False,
        path=str(path),
    )


def test_a_table_in_pyproject_says_the_same_as_a_file_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "a/nerq.toml", EVERYTHING)
    shared = write(tmp_path / "b/pyproject.toml", f"[project]\nname = 'x'\n[tool.nerq]\n{EVERYTHING}")
    own, nested = read(tmp_path / "a"), read(tmp_path / "b")
    assert nested.path == str(shared)
    assert (own.threshold, own.private, own.exclude) == (nested.threshold, nested.private, nested.exclude)


def test_an_empty_file_is_a_configuration_with_every_default(tmp_path: Path) -> None:
    path = write(tmp_path / "nerq.toml", "")
    assert read(tmp_path) == Config(path=str(path))


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "nerq.toml").write_bytes(b"\xef\xbb\xbfthreshold = 1\n")
    assert read(tmp_path).threshold == 1.0


def test_the_path_is_shown_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "nerq.toml", "")
    write(tmp_path / "deep/er/x.txt", "")
    monkeypatch.chdir(tmp_path)
    assert read_config(Path(), home=tmp_path / "home").path == "nerq.toml"
    monkeypatch.chdir(tmp_path / "deep")
    assert read_config(Path(), home=tmp_path / "home").path == str(tmp_path / "nerq.toml")


# Where it is looked for.


def test_a_file_is_configured_by_the_directory_it_is_in(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "threshold = 1")
    assert read(write(tmp_path / "requirements.txt", "")).threshold == 1.0


def test_the_nearest_directory_above_with_settings_is_obeyed(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "threshold = 1")
    write(tmp_path / "a/pyproject.toml", "[tool.nerq]\nthreshold = 2")
    write(tmp_path / "a/b/pyproject.toml", "[tool.other]\nnerq = 3")
    (tmp_path / "a/b/c").mkdir()
    assert read(tmp_path / "a/b/c").threshold == 2.0


def test_settings_below_the_start_are_not_obeyed(tmp_path: Path) -> None:
    write(tmp_path / "nested/nerq.toml", "threshold = 1")
    assert read(tmp_path) == Config()


def test_the_search_ends_at_the_root_of_the_repository(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "threshold = 1")
    (tmp_path / "repository/.git").mkdir(parents=True)
    (tmp_path / "repository/inner").mkdir()
    assert read(tmp_path / "repository/inner") == Config()
    write(tmp_path / "repository/nerq.toml", "threshold = 2")
    assert read(tmp_path / "repository/inner").threshold == 2.0


def test_a_git_file_of_a_worktree_ends_the_search_too(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "threshold = 1")
    write(tmp_path / "worktree/.git", "gitdir: elsewhere")
    assert read(tmp_path / "worktree") == Config()


def test_the_home_directory_configures_only_itself(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "threshold = 1")
    write(tmp_path / "home/nerq.toml", "threshold = 2")
    (tmp_path / "home/project").mkdir()
    assert read_config(tmp_path / "home/project", home=tmp_path / "home") == Config()
    assert read_config(tmp_path / "home", home=tmp_path / "home").threshold == 2.0


def test_the_home_directory_is_the_users_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(tmp_path / "nerq.toml", "threshold = 1")
    (tmp_path / "project").mkdir()
    assert read_config(tmp_path / "project") == Config()


def test_nerq_toml_wins_over_pyproject_and_says_so(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "threshold = 1")
    write(tmp_path / "pyproject.toml", "[tool.nerq]\nthreshold = 2")
    config = read(tmp_path)
    assert config.threshold == 1.0
    assert [
        warning.endswith("[tool.nerq] in the pyproject.toml beside it does not") for warning in config.warnings
    ] == [True, False]


def test_a_pyproject_without_our_table_is_no_reason_to_warn(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "threshold = 1")
    write(tmp_path / "pyproject.toml", "[project]\nname = 'x'")
    assert not any("beside it" in warning for warning in read(tmp_path).warnings)


# Somebody else's pyproject.toml.


@pytest.mark.parametrize(
    "text",
    ["", "[project]\nname = 'nerq-cli'", "tool = 'nerq'", "tool = []", "[tool.x]\nnerq = 1", "nerq = [", "not toml: ["],
)
def test_a_pyproject_that_says_nothing_to_us_is_no_configuration(tmp_path: Path, text: str) -> None:
    write(tmp_path / "pyproject.toml", text)
    assert read(tmp_path) == Config()


def test_a_broken_pyproject_that_speaks_to_us_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "pyproject.toml", "[tool.nerq]\nthreshold = = 3\n")
    [problem] = problems(tmp_path)
    assert (problem.path, problem.line, problem.column, problem.text) == (str(path), 2, 13, "")
    assert problem.message.startswith("is not TOML: ")


@pytest.mark.parametrize("text", ["[tool]\nnerq = 3\n", "tool.nerq = 3\n", "[[tool.nerq]]\n"])
def test_a_value_where_the_table_should_be_is_an_error(tmp_path: Path, text: str) -> None:
    write(tmp_path / "pyproject.toml", text)
    [problem] = problems(tmp_path)
    assert "table" in problem.message
    assert problem.text in ("nerq", "")
    assert problem.hint


def test_an_unreadable_pyproject_is_left_to_those_who_need_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "pyproject.toml", "[tool.nerq]\nthreshold = 1")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert read(tmp_path) == Config()


def test_an_unreadable_nerq_toml_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "nerq.toml", "")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert [problem.message for problem in problems(tmp_path)] == ["cannot be read: Permission denied"]


def refuse(path: Path) -> bytes:
    raise PermissionError(13, "Permission denied", str(path))


# What is wrong in it.


def test_everything_wrong_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    text = "# settings\ntreshold = 50\nprivate = 'acme'\n\nstrict = 'yes'\ntimeout = 0\n"
    write(tmp_path / "nerq.toml", text)
    found = problems(tmp_path)
    assert [problem.line for problem in found] == [2, 3, 5, 6]
    assert [problem.text for problem in found] == ["treshold", "private", "strict", "timeout"]
    assert found[0].hint == "did you mean 'threshold'?"
    assert {problem.path for problem in found} == {str(tmp_path / "nerq.toml")}


def test_an_error_is_a_usage_error_that_counts_what_is_wrong(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "a = 1\nb = 2")
    with pytest.raises(ConfigError, match="2 settings in it cannot be used") as failure:
        read(tmp_path)
    assert failure.value.exit is ExitStatus.USAGE
    write(tmp_path / "nerq.toml", "a = 1")
    with pytest.raises(ConfigError, match="it cannot be used"):
        read(tmp_path)


def test_a_key_like_no_other_gets_the_list_of_keys(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "zzz = 1")
    [problem] = problems(tmp_path)
    assert problem.hint.startswith("the settings are threshold, private")


def test_an_underscore_where_a_hyphen_belongs_is_recognised(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "no_dev = true")
    [problem] = problems(tmp_path)
    assert problem.hint == "did you mean 'no-dev'?"


@pytest.mark.parametrize("value", ["-1", "100.1", "nan", "inf", "'70'", "true", "[70]", "1979-05-27"])
def test_a_threshold_is_a_number_from_0_to_100(tmp_path: Path, value: str) -> None:
    assert messages(tmp_path, f"threshold = {value}") == ["threshold must be a number from 0 to 100"]


@pytest.mark.parametrize("value", ["0", "0.0", "100", "69.9"])
def test_the_ends_of_the_scale_are_thresholds(tmp_path: Path, value: str) -> None:
    write(tmp_path / "nerq.toml", f"threshold = {value}")
    assert read(tmp_path).threshold == float(value)


@pytest.mark.parametrize("value", ["0", "-3", "nan", "inf", "86401", "9" * 400, "'30s'", "false"])
def test_a_timeout_is_a_number_of_seconds(tmp_path: Path, value: str) -> None:
    assert messages(tmp_path, f"timeout = {value}") == [
        "timeout must be a number of seconds, above 0 and at most 86400 (a day)"
    ]


@pytest.mark.parametrize("key", ["private", "public", "exclude", "groups"])
@pytest.mark.parametrize("value", ["'one'", "[1]", "{a = 1}", "true"])
def test_a_list_of_strings_is_exactly_that(tmp_path: Path, key: str, value: str) -> None:
    assert messages(tmp_path, f"{key} = {value}") == [f'{key} must be a list of strings, such as ["one", "two"]']


@pytest.mark.parametrize("key", ["private", "public", "exclude", "groups"])
@pytest.mark.parametrize("empty", ["", "  ", "\t"])
def test_an_empty_pattern_is_refused(tmp_path: Path, key: str, empty: str) -> None:
    assert messages(tmp_path, f'{key} = ["one", "{empty}"]') == [
        f"{key} has an empty string, which could mean everything or nothing"
    ]


@pytest.mark.parametrize("key", ["strict", "no-dev"])
def test_a_switch_is_true_or_false(tmp_path: Path, key: str) -> None:
    assert messages(tmp_path, f"{key} = 1") == [f"{key} must be true or false"]


def test_a_pattern_that_would_leave_nothing_to_do_is_refused(tmp_path: Path) -> None:
    assert messages(tmp_path, 'private = ["**"]\nexclude = ["/**/*"]') == [
        "private has a pattern that matches almost every package: nothing would be looked up",
        "exclude has a pattern that matches almost every file: nothing would be scanned",
    ]


def test_a_path_pattern_that_git_would_not_take_is_refused(tmp_path: Path) -> None:
    [message] = messages(tmp_path, 'exclude = ["!"]')
    assert message == "exclude has a text that is not a pattern"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[project]\nthreshold = 1\n[tool.nerq]\nthreshold = -1", 4),
        ("[tool.nerq]\nstrict = true\n[tool.nerq.threshold]\nx = 1", 3),
        ("[tool]\nnerq.threshold = -1", 2),
        ("tool.nerq.threshold = -1", 1),
        ("[tool]\nnerq = { strict = true, threshold = -1 }", 2),
        ("['tool'.\"nerq\"]\n'threshold' = -1", 2),
        ('[tool.nerq]\n"\\u0074hreshold" = -1', 0),
    ],
)
def test_the_line_is_found_however_the_table_is_written(tmp_path: Path, text: str, line: int) -> None:
    write(tmp_path / "pyproject.toml", text)
    [problem] = problems(tmp_path)
    assert problem.line == line
    assert problem.text == ("threshold" if line else "")


def test_a_syntax_error_says_where_it_is(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", 'threshold = 1\r\nprivate = ["a" "b"]\r\n')
    [problem] = problems(tmp_path)
    assert (problem.line, problem.column, problem.text) == (2, 16, "")


def test_an_unfinished_file_is_an_error_on_its_last_line(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "private = [\n")
    [problem] = problems(tmp_path)
    assert problem.message.startswith("is not TOML: ")
    assert problem.line <= 2


def test_bytes_that_are_not_utf8_are_an_error_with_a_line(tmp_path: Path) -> None:
    (tmp_path / "nerq.toml").write_bytes(b"threshold = 1\nprivate = ['caf\xe9']\n")
    [problem] = problems(tmp_path)
    assert (problem.line, problem.message) == (2, "is not UTF-8 text")


def test_nesting_without_end_is_an_error(tmp_path: Path) -> None:
    [message] = messages(tmp_path, f"private = {'[' * 5000}{']' * 5000}")
    assert message.startswith("is not TOML: ")


@given(text=st.text())
def test_no_text_does_more_than_fail_with_our_own_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-text"
    folder.mkdir(exist_ok=True)
    (folder / "nerq.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read(folder)
    except ConfigError as failure:
        assert failure.problems  # noqa: PT017 - either outcome is fine, an error without a place is not


# Private and public names.


def test_a_private_pattern_names_itself() -> None:
    config = Config(private=("acme-*", "@acme/*", "one"))
    assert find_private_pattern(config, Package(ecosystem=PYPI, name="acme-tools")) == "acme-*"
    assert find_private_pattern(config, Package(ecosystem=NPM, name="@acme/web")) == "@acme/*"
    assert find_private_pattern(config, Package(ecosystem=PYPI, name="one")) == "one"
    assert find_private_pattern(config, Package(ecosystem=PYPI, name="requests")) == ""


@pytest.mark.parametrize(
    ("pattern", "ecosystem", "name", "matches"),
    [
        ("hf:acme/secretmodel", HF_MODEL, "acme/secretmodel", True),
        ("hf:acme/*", HF_MODEL, "Acme/SecretModel", True),  # the Hub answers to any case
        ("acme/*", HF_MODEL, "ACME/one", True),
        ("hf:Acme/*", HF_DATASET, "acme/rows", True),
        ("huggingface:acme/*", HF_KERNEL, "acme/kernel", True),
        ("hf-dataset:acme/*", HF_DATASET, "acme/rows", True),
        ("hf-dataset:acme/*", HF_MODEL, "acme/rows", False),
        ("npm:lodash", NPM, "lodash", True),
        ("npm:lodash", PYPI, "lodash", False),
        ("PyPI:Acme_*", PYPI, "acme-tools", True),
        ("pypi:acme-*", NPM, "acme-tools", False),
        ("npm:@acme/*", NPM, "@acme/web", True),
        ("hf:Acme", HF_MODEL, "acme/secretmodel", True),  # an owner alone
        ("hf:acme", HF_DATASET, "acme/rows", True),
        ("hf:acme", HF_MODEL, "acme-labs/model", False),
        ("hf-dataset:acme", HF_MODEL, "acme/model", False),
        ("hf:gpt2", HF_MODEL, "gpt2", True),
        ("hf:w/*", HF_MODEL, "w/model", True),
        ("github:acme", GITHUB, "acme/server", True),
        ("npm:@acme", NPM, "@acme/web", True),
        ("@acme", NPM, "@acme/web", True),
        ("npm:acme", NPM, "acme-web", False),
        ("pypi:acme", PYPI, "acme", True),
    ],
)
def test_a_pattern_with_an_ecosystem_covers_that_ecosystem(
    pattern: str, ecosystem: EcosystemId, name: str, *, matches: bool
) -> None:
    package = Package(ecosystem=ecosystem, name=name)
    expected = pattern if matches else ""
    assert find_private_pattern(Config(private=(pattern,)), package) == expected
    assert find_public_pattern(Config(public=(pattern,)), package) == expected


@pytest.mark.parametrize("key", ["private", "public"])
@pytest.mark.parametrize("pattern", ["hg:acme/*", "pkg:npm/lodash", ":acme"])
def test_a_pattern_with_an_ecosystem_that_does_not_exist_is_refused(tmp_path: Path, key: str, pattern: str) -> None:
    assert messages(tmp_path, f'{key} = ["{pattern}"]') == [
        f"{key} has a pattern that begins with an ecosystem that is not known"
    ]


@pytest.mark.parametrize("pattern", ["hf:w/*", "npm:@w/*", "github:w/*"])
def test_an_owner_with_a_short_name_is_no_whole_ecosystem(tmp_path: Path, pattern: str) -> None:
    waiver = f'[[waivers]]\npackage = "{pattern}"\nrule = "vulnerability"\nuntil = 2027-01-01\nreason = "read it"\n'
    write(tmp_path / "nerq.toml", f'private = ["{pattern}"]\n{waiver}')
    config = read(tmp_path)
    assert (config.private, config.waivers[0].package) == ((pattern,), pattern)


@pytest.mark.parametrize("pattern", ["npm:*", "hf:", "pypi:?*", "hf:*/*", "hf:?/*", "npm:@*/*", "hf:/*"])
def test_a_pattern_of_a_whole_ecosystem_is_refused(tmp_path: Path, pattern: str) -> None:
    assert messages(tmp_path, f'private = ["{pattern}"]') == [
        "private has a pattern that matches almost every package: nothing would be looked up"
    ]


def test_pypi_patterns_are_normalised_and_npm_ones_are_not() -> None:
    config = Config(private=("Acme_.*",))
    assert find_private_pattern(config, Package(ecosystem=PYPI, name="acme-tools")) == "Acme_.*"
    assert find_private_pattern(config, Package(ecosystem=NPM, name="acme-tools")) == ""
    assert find_private_pattern(config, Package(ecosystem=NPM, name="Acme_.tools")) == "Acme_.*"


def test_public_patterns_are_read_the_same_way() -> None:
    config = Config(public=("*",), private=("acme-*",))
    assert find_public_pattern(config, Package(ecosystem=NPM, name="@any/thing")) == "*"
    assert find_public_pattern(Config(), Package(ecosystem=NPM, name="@any/thing")) == ""


@given(
    patterns=st.lists(st.text("ab*?-[]!", min_size=1, max_size=6), min_size=1, max_size=4),
    name=st.text("ab-", min_size=1, max_size=6),
)
def test_a_name_is_private_exactly_when_one_of_the_patterns_matches_it(patterns: list[str], name: str) -> None:
    expected = next((pattern for pattern in patterns if fnmatch.fnmatchcase(name, pattern)), "")
    assert find_private_pattern(Config(private=tuple(patterns)), Package(ecosystem=NPM, name=name)) == expected


def test_reading_no_configuration_imports_no_parser(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from nerq_cli.config import read_config; read_config(pathlib.Path('.')); "
        "sys.exit(any(name in sys.modules for name in ('tomli', 'pathspec', 'difflib')))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False).returncode == 0  # noqa: S603 - ours


# What a scanned project may not do.


@pytest.mark.parametrize("pattern", ["*", "**", "?*", "[!x]*", "@*/*", "*-*", "*a*", "[a-z]*"])
def test_a_pattern_that_fixes_almost_nothing_is_refused(tmp_path: Path, pattern: str) -> None:
    [message] = messages(tmp_path, f'private = ["{pattern}"]')
    assert "almost every package" in message


@pytest.mark.parametrize("pattern", ["acme-*", "@acme/*", "x", "*-internal", "ab?"])
def test_a_pattern_that_fixes_letters_is_taken(tmp_path: Path, pattern: str) -> None:
    write(tmp_path / "nerq.toml", f'private = ["{pattern}"]')
    assert read(tmp_path).private == (pattern,)


def test_each_weakening_is_named(tmp_path: Path) -> None:
    text = 'threshold = 0\nstrict = false\nno-dev = true\nprivate = ["evil-*"]\nexclude = ["lib/"]\ngroups = ["main"]'
    path = write(tmp_path / "nerq.toml", text)
    config = read(tmp_path)
    assert config.weakenings == (
        "threshold = 0 (default 70)",
        "strict = false",
        "no-dev = true",
        "private = evil-*",
        "exclude = lib/",
        "groups = main",
    )
    assert config.warnings == (f"{path} weakens the check: {'; '.join(config.weakenings)}",)


def test_a_stricter_setting_is_no_weakening(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "threshold = 90\nstrict = true\ntimeout = 9")
    assert read(tmp_path).weakenings == ()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="a system without /proc")
def test_a_link_out_of_the_directory_is_not_followed_and_nothing_of_it_is_shown(tmp_path: Path) -> None:
    (tmp_path / "nerq.toml").symlink_to("/proc/self/environ")
    [problem] = problems(tmp_path)
    assert problem.message == "is a link out of its directory, which is not followed"
    assert problem.text == ""


def test_a_link_inside_the_directory_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "settings/shared.toml", "threshold = 80")
    (tmp_path / "nerq.toml").symlink_to("settings/shared.toml")
    assert read(tmp_path).threshold == 80


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "nerq.toml")
    assert [problem.message for problem in problems(tmp_path)] == ["is not a regular file"]


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "#" * 65_537)
    assert [problem.message for problem in problems(tmp_path)] == ["is larger than 64 KB"]


def test_a_value_is_never_quoted(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", 'threshold = "hunter2"\nhunter3 = 1\nexclude = ["!"]\n')
    shown = [f"{problem.message} {problem.text} {problem.hint}" for problem in problems(tmp_path)]
    assert "hunter2" not in " ".join(shown)


def test_a_named_file_may_be_anywhere(tmp_path: Path) -> None:
    path = write(tmp_path / "elsewhere/ci.toml", "threshold = 85")
    assert read_config_file(path).threshold == 85
    with pytest.raises(ConfigError, match="there is no such settings file"):
        read_config_file(tmp_path / "missing.toml")


@pytest.mark.parametrize("pattern", ["a[[:alpha:]]b", "x[a&&b]", "x[a||b]"])
def test_no_pattern_makes_python_warn(tmp_path: Path, pattern: str) -> None:
    text = f"exclude = ['{pattern}']\nprivate = ['name-{pattern}']\n"
    assert read_config_file(write(tmp_path / "nerq.toml", text)).exclude == (pattern,)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nerq.toml", "".join(f"setting-{number} = 1\n" for number in range(3_000))),
        ("nerq.toml", '"" = 1\n' + " " * 65_000 + "\n"),
        ("pyproject.toml", "nerq = [\n" + " " * 400_000 + "\n"),
        ("pyproject.toml", "[tool.nerq]\n" + "".join(f"setting-{number} = 1\n" for number in range(40_000))),
    ],
)
def test_a_large_or_padded_file_is_judged_in_no_time(tmp_path: Path, name: str, text: str) -> None:
    path = write(tmp_path / name, text)
    begun = time.process_time()
    try:
        read_config_file(path)
    except ConfigError as error:
        assert len(error.problems) <= 60  # noqa: PT017 - the first file is refused, and may be
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("pattern", ["*", "?*", "[a-z]*"])
def test_public_patterns_that_match_everything_are_refused(tmp_path: Path, pattern: str) -> None:
    [message] = messages(tmp_path, f'public = ["{pattern}"]')
    assert "private names would be sent" in message


# --- the policy


def read_policy(folder: Path, text: str) -> PolicySettings:
    write(folder / "nerq.toml", text)
    return read(folder).policy


POLICY = """\
preset = "critical"
report-only = true

[thresholds]
groups = { dev = 50 }
dimensions.security = 80

[thresholds.packages]
"npm:@acme/web" = 40

[rules]
unpinned = "warn"
licence.allow = ["permissive", "MPL-2.0"]
malicious = { level = "deny" }

[rules.vulnerability]
medium = "deny"
only-fixable = true
kev = "warn"
epss = 0.5

[rules.too-new]
min-age = "P7D"
"""


def test_every_setting_of_the_policy_is_read(tmp_path: Path) -> None:
    policy = read_policy(tmp_path, POLICY)
    assert policy == PolicySettings(
        levels={"malicious": "deny", "unpinned": "warn", "licence": "deny", "too-new": "deny"},
        vulnerability=VulnerabilityOptions(
            levels={"critical": "deny", "high": "deny", "medium": "deny", "low": "allow", "unknown": "warn"},
            only_fixable=frozenset({"critical", "high", "medium", "low", "unknown"}),
            kev="warn",
            epss=0.5,
        ),
        min_age=7 * 86_400,
        allowed_licences=("permissive", "MPL-2.0"),
        group_thresholds={"dev": 50.0},
        dimension_thresholds={"security": 80.0},
        package_thresholds={"npm:@acme/web": 40.0},
        report_only=True,
    )
    assert read(tmp_path).threshold == 80.0


def test_each_value_has_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "nerq.toml", POLICY)
    origins = {key: value.origin for key, value in read(tmp_path).values.items()}
    assert {key: origin.removeprefix(f"{path}:") for key, origin in origins.items()} == {
        "preset": "1",
        "report-only": "2",
        "thresholds.groups.dev": "5",
        "thresholds.dimensions.security": "6",
        "thresholds.packages.npm:@acme/web": "9",
        "rules.unpinned.level": "12",
        "rules.licence.allow": "13",
        "rules.malicious.level": "14",
        "rules.vulnerability.medium": "17",
        "rules.vulnerability.only-fixable": "18",
        "rules.vulnerability.kev": "19",
        "rules.vulnerability.epss": "20",
        "rules.too-new.min-age": "23",
    }


def test_a_table_in_pyproject_has_the_same_policy(tmp_path: Path) -> None:
    policy = read_policy(tmp_path / "one", POLICY)
    text = re.sub(r"(?m)^\[", "[tool.nerq.", POLICY)
    write(tmp_path / "two" / "pyproject.toml", f"[tool.nerq]\n{text}")
    assert read(tmp_path / "two").policy == policy


def test_everything_wrong_in_the_policy_is_reported_at_once_with_line_and_nearest_name(tmp_path: Path) -> None:
    text = """\
preset = "prodution"
[thresholds]
group = { dev = 50 }
packages = 7
[thresholds.dimensions]
securty = 80
security = 101
[rules]
licenze = "deny"
yanked = "denny"
[rules.vulnerability]
hihg = "deny"
medium = "error"
epss = 2
only-fixable = ["mild"]
[rules.licence]
deny = ["GPL-3.0-olny"]
[rules.too-new]
min-age = "a week"
"""
    write(tmp_path / "nerq.toml", text)
    found = [(problem.line, problem.message, problem.hint) for problem in problems(tmp_path)]
    duration_message = 'must be a duration such as "7d", "P7D" or "168h", or a number of minutes, up to 365,000 days'
    licence_message = "has a text that is no SPDX identifier, no pattern of one and no kind of licence"
    assert found == [
        (1, "preset must be one of research, sandbox, production, critical", "did you mean 'production'?"),
        (3, "there is no key 'thresholds.group'", "did you mean 'groups'?"),
        (4, "thresholds.packages must be a table", ""),
        (6, "there is no dimension 'securty'", "did you mean 'security'?"),
        (7, "thresholds.dimensions.security must be a number from 0 to 100", ""),
        (9, "there is no rule 'licenze'", "did you mean 'licence'?"),
        (10, "rules.yanked must be one of allow, warn, deny", "did you mean 'deny'?"),
        (12, "there is no key 'rules.vulnerability.hihg'", "did you mean 'high'?"),
        (13, "rules.vulnerability.medium must be one of allow, warn, deny", ""),
        (14, "rules.vulnerability.epss must be a probability from 0 to 1", ""),
        (15, "rules.vulnerability.only-fixable must be one of low, unknown, medium, high, critical", ""),
        (17, f"rules.licence.deny {licence_message}", "did you mean 'gpl-3.0-only'?"),
        (19, f"rules.too-new.min-age {duration_message}", ""),
    ]


@pytest.mark.parametrize(
    ("value", "seconds"), [("10080", 604_800), ('"7d"', 604_800), ('"P7D"', 604_800), ('"168h"', 604_800)]
)
def test_a_minimum_age_is_a_duration_or_a_number_of_minutes(tmp_path: Path, value: str, seconds: int) -> None:
    assert read_policy(tmp_path, f"rules.too-new.min-age = {value}").min_age == seconds


@pytest.mark.parametrize(
    ("text", "weakenings"),
    [
        ('preset = "sandbox"', ("preset = sandbox (threshold 50, default 70)",)),
        ('preset = "critical"', ()),
        ("report-only = true", ("report-only = true",)),
        ("thresholds.groups = { dev = 50, main = 80 }", ("thresholds.groups = dev 50",)),
        ("thresholds.packages = { x = 0 }", ("thresholds.packages = x 0",)),
        ("thresholds.dimensions = { security = 1 }", ()),
        ('rules.malicious = "allow"', ("rules.malicious = allow (default deny)",)),
        ('rules.yanked = "deny"', ()),
        ('rules.vulnerability.high = "warn"', ("rules.vulnerability.high = warn (default deny)",)),
        ('rules.vulnerability.kev = "allow"', ("rules.vulnerability.kev = allow (default deny)",)),
        ("rules.vulnerability.only-fixable = true", ("rules.vulnerability.only-fixable = critical, high, unknown",)),
        ("rules.vulnerability.only-fixable = false", ()),
        ('rules.licence.allow = ["MIT"]', ()),
    ],
)
def test_each_weakening_of_the_policy_is_named(tmp_path: Path, text: str, weakenings: tuple[str, ...]) -> None:
    write(tmp_path / "nerq.toml", text)
    assert read(tmp_path).weakenings == weakenings


def test_the_file_with_a_dot_is_read_where_there_is_no_other(tmp_path: Path) -> None:
    write(tmp_path / ".nerq.toml", "threshold = 81")
    write(tmp_path / "pyproject.toml", "[tool.nerq]\nthreshold = 82")
    hidden = read(tmp_path)
    assert (hidden.threshold, len(hidden.warnings)) == (81.0, 1)
    write(tmp_path / "nerq.toml", "threshold = 83")
    config = read(tmp_path)
    name = str(tmp_path / "nerq.toml")
    assert config.threshold == 83.0
    assert config.warnings == (
        f"{name} applies; .nerq.toml beside it does not",
        f"{name} applies; [tool.nerq] in the pyproject.toml beside it does not",
    )


# --- the environment and the command line


def test_each_layer_outweighs_those_before_it(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", 'threshold = 60\nstrict = true\nrules.yanked = "warn"')
    variables, warnings = read_environment(
        {"NERQ_THRESHOLD": "75", "NERQ_STRICT": "no", "NERQ_DENY": "yanked, unpinned"}
    )
    options = {"threshold": Value(90.0, "--threshold")}
    assert warnings == ()
    assert read(tmp_path).threshold == 60.0
    config = apply_layers(read(tmp_path), variables)
    assert (config.threshold, config.strict) == (75.0, False)
    assert config.policy.levels == {"yanked": "deny", "unpinned": "deny"}
    config = apply_layers(read(tmp_path), variables, options)
    assert (config.threshold, config.values["threshold"].origin) == (90.0, "--threshold")
    assert config.warnings == read(tmp_path).warnings  # what the file weakens is named whoever outweighs it


def test_a_preset_outweighs_the_threshold_of_a_layer_before_it_and_no_other(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "threshold = 60")
    preset = {"preset": Value("sandbox", "--policy")}
    assert apply_layers(read(tmp_path), preset).threshold == 50.0
    both = preset | {"threshold": Value(65.0, "--threshold")}
    assert apply_layers(read(tmp_path), both).threshold == 65.0
    write(tmp_path / "nerq.toml", 'preset = "critical"')
    assert apply_layers(read(tmp_path), {"threshold": Value(65.0, "--threshold")}).threshold == 65.0


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("NERQ_THRESHOLD", "80", "threshold", 80.0),
        ("NERQ_PRESET", "critical", "preset", "critical"),
        ("NERQ_TIMEOUT", "12.5", "timeout", 12.5),
        ("NERQ_STRICT", "true", "strict", True),
        ("NERQ_REPORT_ONLY", "1", "report-only", True),
        ("NERQ_NO_DEV", "off", "no-dev", False),
        ("NERQ_GROUPS", "main, dev:docs", "groups", ("main", "dev:docs")),
        ("NERQ_EXCLUDE", "vendor/", "exclude", ("vendor/",)),
        ("NERQ_PRIVATE", "acme-*,@acme/*", "private", ("acme-*", "@acme/*")),
        ("NERQ_PUBLIC", "open-*", "public", ("open-*",)),
        ("NERQ_WARN", "yanked", "rules.yanked.level", "warn"),
        ("NERQ_ALLOW", "malicious", "rules.malicious.level", "allow"),
    ],
)
def test_a_variable_sets_a_value(name: str, text: str, key: str, value: object) -> None:
    assert read_environment({name: text}) == ({key: (value, name)}, ())
    assert read_environment({name: " "}) == ({}, ())


def test_every_setting_at_the_top_has_a_variable() -> None:
    variables = {setting.variable for key, setting in SETTINGS.items() if "." not in key}
    assert "" not in variables
    assert len(variables) == len([key for key in SETTINGS if "." not in key])


def test_every_wrong_variable_is_an_error_with_its_name() -> None:
    with pytest.raises(ConfigError) as failure:
        read_environment({"NERQ_THRESHOLD": "high", "NERQ_PRESET": "sandbx", "NERQ_DENY": "yankd"})
    found = sorted((problem.path, problem.message, problem.hint) for problem in failure.value.problems)
    assert found == [
        ("NERQ_DENY", "there is no rule 'yankd'", "did you mean 'yanked'?"),
        ("NERQ_PRESET", "preset must be one of research, sandbox, production, critical", "did you mean 'sandbox'?"),
        ("NERQ_THRESHOLD", "threshold must be a number from 0 to 100", ""),
    ]


def test_a_variable_that_looks_like_a_setting_is_named() -> None:
    warning = "NERQ_TRESHOLD is no setting and has no effect: did you mean NERQ_THRESHOLD?"
    assert read_environment({"NERQ_TRESHOLD": "80"}) == ({}, (warning,))
    others = {"NERQ_CACHE_DIR": "/x", "NERQ_CONFIG": "y", "NERQ_PYPI_URL": "https://pypi.example", "HOME": "/"}
    assert read_environment(others) == ({}, ())


def test_a_setting_of_the_file_that_was_written_for_it_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", render_template())
    assert replace(read(tmp_path), path="") == Config()


def test_each_line_of_the_written_file_is_valid_without_its_comment_sign(tmp_path: Path) -> None:
    lines = [line.removeprefix("# ") for line in render_template().splitlines() if line.startswith("# ")]
    settings = [line for line in lines if re.match(r"\[|[a-z\"][\w.:\"-]* = ", line)]
    write(tmp_path / "nerq.toml", "\n".join(settings))
    values = read(tmp_path).values
    assert {key for key in SETTINGS if not key.endswith(".level")} <= {*values}
    assert {key.split(".")[1] for key in values if key.startswith("thresholds.")} == {*THRESHOLD_TABLES}


def test_the_schema_takes_what_is_read_and_nothing_else() -> None:
    validator = Draft202012Validator(build_schema())
    Draft202012Validator.check_schema(build_schema())
    assert [*validator.iter_errors(tomli.loads(POLICY))] == []
    assert [*validator.iter_errors(tomli.loads(EVERYTHING))] == []
    for text in ("treshold = 1", "threshold = 101", "rules.yanked = 'denny'", "rules.licenze = 'deny'"):
        assert [*validator.iter_errors(tomli.loads(text))]
    for text in ("rules.vulnerability.hihg = 'deny'", "thresholds.dimensions.luck = 1", "preset = 'x'"):
        assert [*validator.iter_errors(tomli.loads(text))]


def test_settings_around_those_that_apply_are_compared_with_them(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path / "nerq.toml", 'threshold = 97\nprivate = ["acme-*"]\n[rules]\nunpinned = "deny"\n')
    write(tmp_path / "svc" / "nerq.toml", "")
    warning = read(tmp_path / "svc").warnings[-1]
    assert warning == (
        f"{tmp_path / 'svc' / 'nerq.toml'} applies; {tmp_path / 'nerq.toml'} around it does not, and it accepts more "
        "than that: threshold 97 → 70; rules.unpinned deny → allow; private - acme-*"
    )
    write(tmp_path / "svc" / "nerq.toml", 'threshold = 98\nprivate = ["acme-*"]\n[rules]\nunpinned = "deny"\n')
    warning = read(tmp_path / "svc").warnings[-1]
    assert warning.endswith("around it does not")
    write(tmp_path / "nerq.toml", "threshold = [")
    warning = read(tmp_path / "svc").warnings[-1]
    assert "cannot be compared" in warning
    assert read(tmp_path / "svc").threshold == 98
    (tmp_path / "nerq.toml").unlink()
    assert "around it" not in "".join(read(tmp_path / "svc").warnings)


def test_settings_beyond_the_repository_are_not_compared(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "threshold = 97\n")
    write(tmp_path / "repository" / "nerq.toml", "")
    (tmp_path / "repository" / ".git").mkdir()
    assert not read(tmp_path / "repository").warnings


@pytest.mark.parametrize(
    "text",
    [
        '[rules]\nlicence = "warn"\n[rules.licence]\nallow = ["MIT"]\n',
        '[rules.licence]\nallow = ["MIT"]\n[rules]\nlicence = "warn"\n',
        '[rules]\nlicence = "warn"\nlicence.allow = ["MIT"]\n',
    ],
)
def test_level_of_a_rule_beside_its_options(tmp_path: Path, text: str) -> None:
    write(tmp_path / "nerq.toml", text)
    [problem] = problems(tmp_path)
    assert "is not TOML" in problem.message
    assert 'licence has options: write its level beside them, level = "…"' in problem.hint


def test_other_mistakes_in_toml_have_no_hint_about_levels(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "[rules.licence\n")
    [problem] = problems(tmp_path)
    assert not problem.hint


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ("GPL", "did you mean 'GPL-*'?"),
        ("AGPL-", "did you mean 'AGPL-*'?"),
        ("gpl-3.0-olny", "did you mean 'gpl-3.0-only'?"),
    ],
)
def test_families_of_licences_are_suggested(tmp_path: Path, entry: str, hint: str) -> None:
    write(tmp_path / "nerq.toml", f'rules.licence.deny = ["{entry}"]\n')
    [problem] = problems(tmp_path)
    assert problem.hint == hint


def test_an_empty_list_of_accepted_licences_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "nerq.toml", "rules.licence.allow = []\n")
    [problem] = problems(tmp_path)
    assert problem.message.startswith("rules.licence.allow must not be empty")
    assert not Draft202012Validator(build_schema()).is_valid({"rules": {"licence": {"allow": []}}})


@pytest.mark.parametrize(
    ("seconds", "text"), [(604_800, "7d"), (129_600, "36h"), (5_400, "90m"), (45, "45s"), (0, "0d")]
)
def test_durations_are_shown_as_settings_have_them(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text
    assert parse_duration(text) == seconds
