"""Waivers in settings files: every key, every mistake with its place, and editing."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from nerq_cli.config import Config, read_config
from nerq_cli.config.edit import add_waiver
from nerq_cli.config.layers import apply_layers
from nerq_cli.config.model import Value
from nerq_cli.config.schema import build_schema
from nerq_cli.errors import ConfigError
from nerq_cli.inventory import Location
from nerq_cli.policy.waivers import Waiver
from nerq_cli.problem import Problem

ENTRY = '[[waivers]]\npackage = "npm:lodash"\nrule = "yanked"\nreason = "r"\nuntil = 2027-01-31\n'


def read(folder: Path, text: str, name: str = "nerq.toml") -> Config:
    (folder / name).write_text(text, encoding="utf-8")
    return read_config(folder, home=folder / "no-home")


def problems(folder: Path, text: str, name: str = "nerq.toml") -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as failure:
        read(folder, text, name)
    return failure.value.problems


def test_every_key_of_a_waiver_is_read(tmp_path: Path) -> None:
    text = (
        "threshold = 70\n[[waivers]]\npackage = 'npm:lodash'\nversion = '<4.17.21'\nadvisory = 'CVE-2021-23337'\n"
        "reason = 'templates are  our own'\nuntil = '2027-01-31'\nowner = 'ann'\n"
        "openvex-justification = 'vulnerable_code_cannot_be_controlled_by_adversary'\n"
        "[[waivers]]\npackage = 'demo'\nrule = 'vulnerability'\nreason = 'r'\nuntil = 2027-01-31\nuntil-fixed = true\n"
    )
    config = read(tmp_path, text)
    path = str(tmp_path / "nerq.toml")
    assert config.waivers == (
        Waiver(
            package="npm:lodash",
            version="<4.17.21",
            advisories=("CVE-2021-23337",),
            reason="templates are our own",
            until="2027-01-31",
            owner="ann",
            status="not_affected",
            justification="vulnerable_code_cannot_be_controlled_by_adversary",
            location=Location(path=path, line=2),
        ),
        Waiver(
            package="demo",
            rule="vulnerability",
            reason="r",
            until="2027-01-31",
            until_fixed=True,
            location=Location(path=path, line=10),
        ),
    )
    assert config.weakenings == ("2 waivers (npm:lodash <4.17.21, CVE-2021-23337; demo, vulnerability)",)
    assert apply_layers(config, {"threshold": Value(80.0, "--threshold")}).waivers == config.waivers


def test_waivers_in_pyproject_and_inline(tmp_path: Path) -> None:
    nested = read(
        tmp_path, ENTRY.replace("[[waivers]]", "[project]\nname = 'x'\n[[tool.nerq.waivers]]"), "pyproject.toml"
    )
    [waiver] = nested.waivers
    assert waiver.location == Location(path=str(tmp_path / "pyproject.toml"), line=3)
    inline = "waivers = [\n  {package = 'a', rule = 'yanked', reason = 'r', until = 2027-01-31},\n]\n"
    [waiver] = read(tmp_path, inline).waivers
    assert waiver.location == Location(path=str(tmp_path / "nerq.toml"), line=1)


def edit(key: str, value: str | None) -> str:
    """Return the entry with another value of a key, without it, or with one more."""
    lines = [line for line in ENTRY.splitlines() if not line.startswith(f"{key} =")]
    return "\n".join([*lines, *([f"{key} = {value}"] if value is not None else [])]) + "\n"


@pytest.mark.parametrize(
    ("key", "value", "line", "message", "hint"),
    [
        ("package", None, 1, "the waiver has no package", "add package"),
        ("reason", None, 1, "the waiver has no reason", "add reason"),
        ("until", None, 1, "the waiver has no until", "add until = 2027-01-31"),
        ("rule", None, 1, "the waiver names neither a rule nor an advisory", "add rule"),
        ("reason", '" "', 5, "waivers.reason must be a text that is not empty", ""),
        ("reason", f'"{"x" * 1_001}"', 5, "waivers.reason must have at most 1,000 characters", ""),
        ("until", "2027", 5, "waivers.until must be a day", ""),
        ("until", '"2027-02-30"', 5, "waivers.until must be a day", ""),
        ("until", "2027-01-31T00:00:00Z", 5, "waivers.until must be a day", ""),
        ("until", '"30d"', 5, "waivers.until must be a day", ""),
        ("rule", '"licenze"', 5, "waivers.rule names no rule", "did you mean 'licence'?"),
        ("rule", '"waiver-expired"', 5, "waivers.rule names waiver-expired, which is about waivers", ""),
        ("advisory", '"CVE-2021-23337"', 6, "the waiver names a rule and an advisory", "a waiver for each"),
        ("package", '"*"', 5, "waivers.package matches almost every package", ""),
        ("package", '"npm:*"', 5, "waivers.package matches almost every package", ""),
        (
            "package",
            '"nmp:left"',
            5,
            "waivers.package begins with an ecosystem that is not known",
            "did you mean 'npm'?",
        ),
        ("version", '"newest, please"', 6, "waivers.version must be a version or a range", ""),
        ("until-fixed", "true", 6, "waivers.until-fixed needs an advisory, or the rule vulnerability", ""),
        ("until-fixed", '"yes"', 6, "waivers.until-fixed must be true or false", ""),
        ("openvex-status", '"affected"', 6, "waivers.openvex-status needs an advisory", ""),
        ("ownr", '"x"', 6, "there is no key 'waivers.ownr'", "did you mean 'owner'?"),
    ],
)
def test_a_mistake_has_its_line_and_the_nearest_name(
    tmp_path: Path, key: str, value: str | None, line: int, message: str, hint: str
) -> None:
    [problem] = problems(tmp_path, edit(key, value))
    assert problem.message.startswith(message)
    assert (problem.line, problem.path) == (line, str(tmp_path / "nerq.toml"))
    assert hint in problem.hint


ADVISORY = ENTRY.replace('rule = "yanked"', 'advisory = "CVE-2021-23337"')


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("openvex-status = 'not_affected'", "waivers.openvex-status not_affected needs a justification"),
        ("openvex-status = 'fixed'", "waivers.openvex-status must be one of"),
        ("openvex-justification = 'no_fix'", "waivers.openvex-justification must be one of"),
        (
            "openvex-status = 'affected'\nopenvex-justification = 'component_not_present'",
            "contradicts the status affected",
        ),
        ("until-fixed = true\nopenvex-justification = 'component_not_present'", "what does not affect the project"),
    ],
)
def test_not_affected_needs_a_justification_and_never_follows_from_the_want_of_a_fix(
    tmp_path: Path, more: str, message: str
) -> None:
    [problem] = problems(tmp_path, ADVISORY + more)
    assert message in problem.message


def test_malware_is_waived_by_name_only(tmp_path: Path) -> None:
    text = ENTRY.replace("yanked", "malicious")
    assert read(tmp_path, text).waivers[0].rule == "malicious"
    [problem] = problems(tmp_path, text.replace("npm:lodash", "lod*"))
    assert "without wildcards" in problem.message


def test_every_mistake_of_every_waiver_is_reported_at_once(tmp_path: Path) -> None:
    text = (
        "threshold = 101\n"
        + edit("rule", '"x"')
        + "until-fixed = 1\n\n"
        + edit("reason", None)
        + "\n"
        + edit("package", "5")
    )
    found = problems(tmp_path, text)
    assert [problem.line for problem in found] == [1, 6, 7, 9, 18]
    assert not any("x'" in problem.message for problem in found)


@pytest.mark.parametrize("text", ["waivers = 5", "waivers = [1]", "[waivers]\npackage = 'x'"])
def test_waivers_are_an_array_of_tables(tmp_path: Path, text: str) -> None:
    [problem] = problems(tmp_path, text)
    assert (problem.line, problem.message) == (1, "waivers must be an array of tables")
    assert "[[waivers]]" in problem.hint


def test_the_schema_for_editors_accepts_what_is_read(tmp_path: Path) -> None:
    validator = Draft202012Validator(build_schema())
    good = tomli.loads(ENTRY.replace("2027-01-31", "'2027-01-31'"))
    assert not list(validator.iter_errors(good))
    for key, value in (("rule", "x"), ("reason", " "), ("until", "soon"), ("ownr", "x"), ("advisory", "CVE-1-1")):
        assert list(validator.iter_errors({"waivers": [{**good["waivers"][0], key: value}]}))


# --- editing

NEW: dict[str, Any] = {"package": "demo", "rule": "yanked", "reason": 'it "is"', "until": date(2027, 1, 31)}
BLOCK = 'package = "demo"\nrule = "yanked"\nreason = "it \\"is\\""\nuntil = 2027-01-31\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", f"[[waivers]]\n{BLOCK}"),
        ("threshold = 70 # why\n", f"threshold = 70 # why\n\n[[waivers]]\n{BLOCK}"),
        ("threshold=70", f"threshold=70\n\n[[waivers]]\n{BLOCK}"),
        (f"{ENTRY}\n[rules]\nx = 1\n", f"{ENTRY}\n[[waivers]]\n{BLOCK}\n[rules]\nx = 1\n"),
        (
            "# a\r\nthreshold = 1\r\n",
            f"# a\n\nthreshold = 1\n\n[[waivers]]\n{BLOCK}".replace("\n\nthr", "\nthr").replace("\n", "\r\n"),
        ),
        ("\ufeffthreshold = 1\n", f"\ufeffthreshold = 1\n\n[[waivers]]\n{BLOCK}"),
    ],
)
def test_a_waiver_is_added_and_the_rest_stays(text: str, expected: str) -> None:
    assert add_waiver(text, NEW, in_pyproject=False) == expected


@pytest.mark.parametrize(
    ("text", "in_pyproject"),
    [
        ("waivers = []\nthreshold = 1\n", False),
        ("threshold = 1\nwaivers = [{package = 'a'}]  # all\nstrict = true\n", False),
        ("waivers = [\n  # one\n  {package = 'a'},\n]\n", False),
        ("[project]\nname = 'x'\n\n[tool.nerq]\nthreshold = 1  # why\n\n[tool.black]\nline-length = 100\n", True),
        ("[tool.nerq]\nx = 1\n[tool.black]\ny = 1\n[tool.nerq.rules]\nunpinned = 'warn'\n[tool.z]\n", True),
        ("[tool.black]\nx = 1\n[[tool.nerq.waivers]]\npackage = 'a'\n\n[tool.c]\nd = 1\n", True),
    ],
)
def test_only_a_waiver_is_added(text: str, *, in_pyproject: bool) -> None:
    new_text = add_waiver(text, NEW, in_pyproject=in_pyproject)
    table = tomli.loads(new_text)
    settings = table["tool"]["nerq"] if in_pyproject else table
    assert settings["waivers"][-1] == NEW
    assert {line for line in text.split("\n") if "[" not in line or "waivers" not in line} <= set(new_text.split("\n"))


@pytest.mark.parametrize(
    "text", ["[tool]\nnerq.threshold = 5\n[tool.black]\nx = 1\n", "[tool]\nnerq = {threshold = 5}\n", "x = ["]
)
def test_what_cannot_be_edited_is_left_alone(text: str) -> None:
    with pytest.raises(ConfigError):
        add_waiver(text, NEW, in_pyproject=True)


LINES = (
    *(
        "# a comment",
        "",
        "threshold = 70   # why",
        "strict=true",
        "[rules]",
        "unpinned = 'warn'",
        "[thresholds.groups]",
    ),
    *("dev = 5", "[[waivers]]", "package = 'a'", "exclude = [\n  'x', # y\n]", "waivers = []", "[rules.licence]"),
)
TOML = st.lists(st.sampled_from(LINES), max_size=10)


@given(TOML, st.booleans(), st.text("a\"'\\\n#\u00e9", min_size=1, max_size=6))
def test_an_edit_changes_nothing_else_or_is_refused(lines: list[str], is_dos: bool, reason: str) -> None:  # noqa: FBT001
    text = ("\r\n" if is_dos else "\n").join(lines)
    waiver = {**NEW, "reason": reason}
    try:
        new_text = add_waiver(text, waiver, in_pyproject=False)
    except ConfigError:
        return
    old, new = tomli.loads(text), tomli.loads(new_text)
    assert new == {**old, "waivers": [*old.get("waivers", []), waiver]}
    rest = iter(line.strip() for line in new_text.split("\n"))
    assert all(line.strip() in rest for line in text.split("\n") if line.strip() and "waivers = " not in line)


def test_reading_waivers_imports_no_editor(tmp_path: Path) -> None:
    (tmp_path / "nerq.toml").write_text(ENTRY)
    program = (
        "import sys, pathlib; from nerq_cli.config import read_config; read_config(pathlib.Path('.')); "
        "sys.exit('tomlkit' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False).returncode == 0  # noqa: S603 - ours


@pytest.mark.parametrize(
    ("package", "version", "hints"),
    [
        ("pypi:urllib3", "1.24.*", ['write "==1.24.*"']),
        ("pypi:urllib3", "^1.24", ['write "==1.24.*"']),
        ("pypi:urllib3", "=1.24.1", ['write "==1.24.*"']),
        ("pypi:urllib3", "1.24.1 - 1.25", ['write "==1.24.*"']),
        ("npm:lodash", ">=1,<2", ['write "^1.24.0"']),
        ("@acme/ui", ">=1,<2", ['write "^1.24.0"']),
        ("urllib3", "1.24.*", ["begin the package with npm: if it is of npm, else write"]),
        ("urllib3", ">=1,<2", ["begin the package with pypi: if it is of PyPI, else write"]),
        ("pypi:urllib3", "==1.24.*", []),
        ("npm:lodash", "1.24.*", []),
        ("npm:lodash", "=1.24.1", []),
        ("@acme/*", "^1.24", []),
        ("urllib3", "<2.0", []),
        ("urllib3", "1.24.1", []),
    ],
)
def test_ranges_are_those_of_the_ecosystem(tmp_path: Path, package: str, version: str, hints: list[str]) -> None:
    entry = ENTRY.replace('package = "npm:lodash"', f'package = "{package}"\nversion = "{version}"')
    found = problems(tmp_path, entry) if hints else ()
    if not hints:
        assert len(read(tmp_path, entry).waivers) == 1
    assert [problem.line for problem in found] == [3] * len(hints)
    for problem, hint in zip(found, hints, strict=True):
        assert "is neither a version nor a range of" in problem.message
        assert problem.hint.startswith(hint)


@pytest.mark.parametrize("package", ["lodash@4.17.15", "npm:@acme/ui@1.0.0", "requests==2.*", "pypi:requests<3"])
def test_a_package_has_no_version(tmp_path: Path, package: str) -> None:
    [problem] = problems(tmp_path, ENTRY.replace("npm:lodash", package))
    assert problem.message.startswith("waivers.package names a version")
    assert "version = " in problem.hint
