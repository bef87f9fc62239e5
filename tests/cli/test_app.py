"""What becomes of failures, interruptions and waiting."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nerq_cli import cli
from nerq_cli.application import scan
from nerq_cli.cli import progress, shadowed_command
from nerq_cli.cli.app import COMMANDS, load_command, run_command_line

Nerq = Callable[..., Any]


def test_a_bug_is_admitted_without_a_traceback(nerq: Nerq, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "requirements.txt").write_text("demo==1.0\n")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("oh no")

    monkeypatch.setattr(scan, "build_report", broken)
    result = nerq("scan")
    assert result.status == 3
    assert "internal error: RuntimeError: oh no" in result.err
    assert "Traceback" not in result.err
    with pytest.raises(RuntimeError):
        run_command_line(["scan", "--debug"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("arguments", [["schema"], ["methodology"], ["scan", "--list", "--format", "json"]])
def test_a_full_disk_is_said_in_words(project: Path, arguments: list[str]) -> None:
    (project / "requirements.txt").write_text("demo==1.0\n")
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "nerq_cli", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr


def test_debug_shows_where_an_expected_failure_came_from(project: Path) -> None:
    with pytest.raises(Exception, match="nowhere"):
        run_command_line(["scan", "nowhere", "--debug"])


def test_ctrl_c_ends_a_waiting_run_at_once_with_130(registry: Any, project: Path) -> None:
    registry.site.on("/pypi/demo/json", {"hang": True})
    registry.site.on("/simple/demo/", {"hang": True})
    (project / "requirements.txt").write_text("demo==1.0\n")
    command = [sys.executable, "-m", "nerq_cli", "scan"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603
    until = time.monotonic() + 20
    while not registry.paths and time.monotonic() < until:
        time.sleep(0.05)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - started < 5
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_the_two_commands_and_the_module_are_the_same() -> None:
    module = subprocess.run([sys.executable, "-m", "nerq_cli", "--version"], capture_output=True, check=True)
    for name in ("nerq", "nerq-cli"):
        script = Path(sys.executable).with_name(name)
        if script.exists():
            assert subprocess.run([str(script), "--version"], capture_output=True, check=True).stdout == module.stdout  # noqa: S603


def test_the_namesake_is_found_by_its_folder(tmp_path: Path) -> None:
    assert shadowed_command.find_shadowed_command([str(tmp_path), str(tmp_path / "missing")]) == ""
    (tmp_path / "nerq-1.3.0.dist-info").mkdir()
    (tmp_path / "nerq_cli-0.1.0.dist-info").mkdir()
    assert "nerq 1.3.0" in shadowed_command.find_shadowed_command([str(tmp_path)])


def test_progress_is_shown_only_after_a_while_and_wiped_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bar = progress.ProgressBar("requests")
    bar(1, 10)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "PROGRESS_DELAY", 0.0)
    bar(5, 10)
    assert "5/10" in capsys.readouterr().err
    bar(10, 10)
    assert capsys.readouterr().err.endswith("\x1b[K")
    bar.clear()
    assert capsys.readouterr().err == ""


def test_progress_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress.create_progress("requests") is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    assert progress.create_progress("requests") is None
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(progress.create_progress("requests"), progress.ProgressBar)


def test_a_cache_that_cannot_be_opened_is_a_usage_error_for_cache_commands(nerq: Nerq, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    result = nerq("cache", "info", "--cache-dir", str(tmp_path / "taken"))
    assert result.status == 2
    assert "error: cannot use the cache" in result.err
    assert "MB" not in result.out
    assert nerq("cache", "clear", "--cache-dir", str(tmp_path / "taken")).status == 2


def test_a_card_can_be_written_to_files(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "2.0")
    result = nerq("check", "pypi:demo", "-o", "card.txt", "-o", "card.json", "--as-of", "2026-11-21")
    assert result.status == 0
    assert "demo" in (project / "card.txt").read_text()
    assert '"demo"' in (project / "card.json").read_text()


def test_the_methodology_is_a_page_too(nerq: Nerq) -> None:
    assert nerq("methodology", "--markdown").out.startswith("# Methodology")


def test_every_module_that_defines_a_command_is_registered_and_the_reverse() -> None:
    modules = [path for path in Path(cli.__path__[0]).glob("*.py") if path.stem != "app"]
    defined = {
        path.stem for path in modules if re.search(r"^app\b.*= ", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert defined == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_shows_the_first_line_of_each_help_whole(nerq: Nerq, name: str) -> None:
    assert (load_command(name).help or "").splitlines()[0] == COMMANDS[name]
    assert COMMANDS[name] in nerq("--help").out


def test_a_command_is_one_module_and_one_line(nerq: Nerq, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("nerq_cli.cli.greet")
    source = (
        "from nerq_cli.cli.command import create_app\n"
        "app = create_app()\n"
        "@app.command()\n"
        "def greet(name: str) -> None:\n"
        "    print('hello', name)\n"
    )
    exec(source, vars(module))  # noqa: S102 - a module of one command
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(COMMANDS, "greet", "Say hello.")
    assert nerq("greet", "ann").out == "hello ann\n"
    assert "greet" in nerq("--help").out
    assert nerq("greet", "--help").out.startswith("Usage: nerq greet [OPTIONS]")


@pytest.mark.parametrize(
    ("arguments", "modules"), [(["--version"], []), (["--help"], []), (["cache", "info"], ["cache"])]
)
def test_only_the_command_that_runs_is_imported(project: Path, arguments: list[str], modules: list[str]) -> None:
    watch = (
        "import sys\n"
        "from nerq_cli.cli.app import COMMANDS, run_command_line\n"
        f"run_command_line({arguments})\n"
        "sys.exit(repr([name for name in COMMANDS if f'nerq_cli.cli.{name}' in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stderr.strip() == repr(modules)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["--version"], ["-V"]])
def test_the_version_is_printed_to_nobody_without_a_traceback(arguments: list[str], unbuffered: str) -> None:
    command = [sys.executable, "-m", "nerq_cli", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=environment, check=False)  # noqa: S603
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_version_that_cannot_be_written_is_an_error(unbuffered: str) -> None:
    command = [sys.executable, "-m", "nerq_cli", "--version"]
    with Path("/dev/full").open("w") as full:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, text=True, check=False)  # noqa: S603
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("report_format", ["table", "json", "html"])
def test_a_closed_pipe_does_not_change_the_status_of_a_scan(report_format: str, tmp_path: Path) -> None:
    """A project with a problem in its file: exit status 2, whoever reads the report."""
    tmp_path.joinpath("requirements.txt").write_text("good==1.0\nnot a requirement ===\n", encoding="utf-8")
    command = [sys.executable, "-m", "nerq_cli", "scan", str(tmp_path), "--offline", "--format", report_format]
    environment = {**os.environ, "NERQ_CACHE_DIR": str(tmp_path / "cache")}
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=environment, text=True, check=False)  # noqa: S603
    os.close(writing)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


CLOSED_PIPE_COMMANDS = [
    ["config", "show"],
    ["why", "good"],
    ["db", "status"],
    ["cache", "info"],
    ["exploited", "--offline"],
    ["evidence", "show", "evidence.nerq"],
    ["check", "pypi:good==1.0", "--offline"],
    ["compliance", "pypi:good==1.0", "--offline"],
    ["alternatives", "pypi:good==1.0", "--offline"],
    ["compare", "pypi:good==1.0", "pypi:good==2.0", "--offline"],
    ["fix", "--offline"],
    ["completion", "bash"],
    ["methodology"],
    ["schema"],
    ["--help"],
]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("arguments", CLOSED_PIPE_COMMANDS, ids=lambda arguments: arguments[0])
def test_a_closed_pipe_changes_no_status_and_prints_nothing(arguments: list[str], stream: str, project: Path) -> None:
    (project / "requirements.txt").write_text("good==1.0\n", encoding="utf-8")
    prefix = [sys.executable, "-m", "nerq_cli"]
    if arguments[0] == "evidence":
        record = [*prefix, "scan", "--offline", "-q", "--record", "evidence.nerq"]
        subprocess.run(record, stdout=subprocess.DEVNULL, check=False)  # noqa: S603
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    expected = subprocess.run([*prefix, *arguments], **streams, check=False)  # noqa: S603
    assert b"No module named" not in expected.stderr
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*prefix, *arguments], **(streams | {stream: writing}), check=False)  # noqa: S603
    os.close(writing)
    assert done.returncode == expected.returncode
    assert b"Exception" not in (done.stderr or b"")
