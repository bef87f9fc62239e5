"""``nerq completion``: the scripts, in the shells that they are for."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.cli.app import COMMANDS
from nerq_cli.cli.completion import list_commands
from nerq_cli.cli.completion_scripts import SHELLS, CommandWords, OptionWords, Values
from nerq_cli.policy.rules import RULES
from nerq_cli.report import FORMATS

#: Seconds that a shell may take to answer on a busy machine.
PATIENCE = 60
NO_FILES = {"HISTFILE": "/dev/null", "TERM": "dumb", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def script(nerq: Callable[..., Any], tmp_path: Path) -> Callable[[str], Path]:
    """Write the script of a shell to a file."""

    def write(shell: str) -> Path:
        result = nerq("completion", shell)
        assert (result.status, result.err) == (0, "")
        path = tmp_path / f"completion.{shell}"
        path.write_text(result.out, encoding="utf-8")
        return path

    return write


def find_shell(name: str) -> str:
    """Return the path of a shell, or skip the test."""
    if sys.platform == "win32" or (path := shutil.which(name)) is None:
        pytest.skip(f"no {name}")
    return path


def run_bash(path: Path, directory: Path, line: str) -> list[str]:
    """Complete the last word of a command line as bash does, without the keyboard."""
    words = line.replace("=", " = ").split(" ")
    program = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _nerq; printf "%s\\n" "${COMPREPLY[@]}"'
    command = [find_shell("bash"), "--norc", "-c", program, str(path), *words]
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True)  # noqa: S603 - the test's own words
    assert result.stderr == ""
    return result.stdout.split()


@pytest.fixture
def complete_bash(script: Callable[[str], Path], project: Path) -> Callable[[str], list[str]]:
    """Complete the last word of a command line with the script of nerq."""
    return partial(run_bash, script("bash"), project)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_has_every_command_option_format_and_rule(shell: str, nerq: Callable[..., Any]) -> None:
    text = nerq("completion", shell).out
    words = set(re.findall(r"[\w.-]+", text))
    assert set(COMMANDS) <= words
    assert {rule.id for rule in RULES} <= words
    assert set(FORMATS) <= words
    for command in list_commands():
        for option in command.options:
            for name in option.names:
                # the script of fish has names without dashes
                assert name in words or name.lstrip("-") in words, (command.path, name)


def test_another_shell_is_an_error_that_names_those_there_are(nerq: Callable[..., Any]) -> None:
    result = nerq("completion", "tcsh")
    assert result.status == 2
    assert "hint: known shells: bash, zsh, fish, powershell" in result.err
    assert result.out == ""


def test_nothing_changes_the_files_of_a_shell(nerq: Callable[..., Any]) -> None:
    assert nerq("--install-completion").status == 2
    assert nerq("--show-completion").status == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nerq sc", ["scan", "schema"]),
        ("nerq db ", ["update", "export", "import", "status"]),
        ("nerq db --", ["--help"]),
        ("nerq --ver", ["--version"]),
        ("nerq scan --thr", ["--threshold"]),
        ("nerq scan --format js", ["json"]),
        ("nerq scan --format=js", ["json"]),
        ("nerq scan requirements.txt -f ta", ["table"]),
        ("nerq scan --deny lic", ["licence"]),
        ("nerq scan --policy ", ["research", "sandbox", "production", "critical"]),
        ("nerq scan --threshold ", []),
        ("nerq completion f", ["fish"]),
        ("nerq config show --format ", ["table", "json"]),
        ("nerq db update --ecosystem P", ["PyPI"]),
        ("nerq check ", []),
        # a value that is also the name of a command
        ("nerq scan --group db --form", ["--format"]),
    ],
)
def test_bash_completes_what_may_follow(
    line: str, expected: list[str], complete_bash: Callable[[str], list[str]]
) -> None:
    assert complete_bash(line) == expected


def test_bash_completes_every_format(complete_bash: Callable[[str], list[str]]) -> None:
    assert complete_bash("nerq scan --format ") == list(FORMATS)


def test_a_script_of_bash_has_no_mistake_that_shellcheck_finds(script: Callable[[str], Path]) -> None:
    path = script("bash")
    # SC2034: bash sets variables for functions of completion
    result = subprocess.run([find_shell("shellcheck"), "-s", "bash", str(path)], capture_output=True, text=True)  # noqa: S603, PLW1510 - the test's own words
    assert result.stdout == ""


def test_a_name_of_a_branch_is_completed_and_never_run(project: Path, tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        settings = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *settings, *arguments], cwd=project, check=True, capture_output=True)  # noqa: S603, S607

    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "one")
    git("branch", "maintenance")
    git("branch", "ma$(touch${IFS}executed)")
    since = OptionWords(("--since",), "", Values(kind="ref"))
    commands = [CommandWords((), {"scan": ""}, (), Values()), CommandWords(("scan",), {}, (since,), Values())]
    path = tmp_path / "completion.bash"
    path.write_text(SHELLS["bash"](commands), encoding="utf-8")
    assert run_bash(path, project, "nerq scan --since ma") == ["main", "maintenance"]
    assert not (project / "executed").exists()


class Terminal:
    """An interactive shell on a terminal of its own."""

    def __init__(self, command: list[str], directory: Path, environment: dict[str, str]) -> None:
        import pty

        master, slave = pty.openpty()
        self._master = master
        self._process = subprocess.Popen(  # noqa: S603 - the test's own words
            command, cwd=directory, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)

    def send(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def wait_for(self, text: str) -> str:
        """Return what is shown until this text is, or fail."""
        shown, end = "", time.monotonic() + PATIENCE
        while text not in shown:
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{text!r} is not shown: {shown!r}"
            shown += os.read(self._master, 65_536).decode(errors="replace")
        return shown

    def close(self) -> None:
        """End the shell."""
        self._process.kill()
        self._process.wait()
        os.close(self._master)


@pytest.fixture
def open_terminal(project: Path) -> Iterator[Callable[..., Terminal]]:
    """Open interactive shells, and close them after the test."""
    opened: list[Terminal] = []

    def start(*command: str) -> Terminal:
        environment = {**os.environ, **NO_FILES, "PS1": "ready> "}
        opened.append(Terminal(list(command), project, environment))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def test_bash_completes_at_the_keyboard(
    script: Callable[[str], Path], open_terminal: Callable[..., Terminal], project: Path
) -> None:
    (project / "requirements.txt").write_text("", encoding="utf-8")
    terminal = open_terminal(find_shell("bash"), "--norc", "--noprofile", "-i")
    terminal.send(f"PS1='ready> '; set -u; source {script('bash')}; echo lo''aded\n")
    terminal.wait_for("loaded")
    terminal.send("nerq sch\t")
    terminal.wait_for("nerq schema ")
    terminal.send("\x15nerq scan --format=js\t")
    terminal.wait_for("--format=json ")
    terminal.send("\x15nerq scan req\t")
    terminal.wait_for("nerq scan requirements.txt ")


def test_zsh_completes_at_the_keyboard(
    script: Callable[[str], Path], open_terminal: Callable[..., Terminal], project: Path, tmp_path: Path
) -> None:
    (project / "requirements.txt").write_text("", encoding="utf-8")
    terminal = open_terminal(find_shell("zsh"), "-f", "-i")
    load = f"autoload -Uz compinit; compinit -u -D; source {script('zsh')}; echo lo''aded\n"
    terminal.send(load)
    terminal.wait_for("loaded")
    terminal.send("nerq sch\t")
    terminal.wait_for("ma ")
    terminal.send("compac\t")
    terminal.wait_for("t ")
    terminal.send("\x15nerq scan --format=js\t")
    terminal.wait_for("on ")
    terminal.send("\x15nerq scan req\t")
    terminal.wait_for("uirements.txt ")


def test_zsh_loads_the_script_from_its_path(
    script: Callable[[str], Path], open_terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    functions = tmp_path / "functions"
    functions.mkdir()
    script("zsh").rename(functions / "_nerq")
    terminal = open_terminal(find_shell("zsh"), "-f", "-i")
    terminal.send(f"fpath=({functions} $fpath); autoload -Uz compinit; compinit -u -D; echo lo''aded\n")
    terminal.wait_for("loaded")
    terminal.send("nerq scan --deny yan\t")
    terminal.wait_for("ked ")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nerq sch", ["schema"]),
        ("nerq db ", ["export", "import", "status", "update"]),
        ("nerq scan --format js", ["json"]),
        ("nerq scan --format=js", ["--format=json"]),
        ("nerq scan --deny lic", ["licence"]),
        ("nerq schema compac", ["compact"]),
        ("nerq-cli completion z", ["zsh"]),
        ("nerq scan req", ["requirements.txt"]),
        ("nerq check req", []),
    ],
)
def test_fish_completes_what_may_follow(
    line: str, expected: list[str], script: Callable[[str], Path], project: Path
) -> None:
    (project / "requirements.txt").write_text("", encoding="utf-8")
    program = f"source {script('fish')}; complete -C '{line}'"
    command = [find_shell("fish"), "--no-config", "-c", program]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)  # noqa: S603 - the test's own words
    found = [entry.split("\t")[0] for entry in result.stdout.splitlines()]
    assert (result.stderr, found) == ("", expected)
