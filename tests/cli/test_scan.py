"""``nerq scan``, from the command line to the exit status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import nerq_cli

AS_OF = ("--as-of", "2026-11-21")
#: The folder that nerq_cli is imported from.
SOURCE = Path(nerq_cli.__file__).parents[1]
ADVISORY = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "details": "A hole.",
    "fixed_in": ["2.0"],
    "link": "",
    "withdrawn": None,
}
GARBAGE = {"body": b"<html>surprise", "headers": {"Content-Type": "application/json"}}

Nerq = Callable[..., Any]


def write(folder: Path, text: str, name: str = "requirements.txt") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def only(report: Any) -> Any:
    [dependency] = report["dependencies"]
    return dependency


def test_a_good_dependency_passes(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "2.0")
    write(project, "demo==2.0\n")
    result = nerq("scan", *AS_OF)
    assert result.status == 0
    assert "PASS" in result.out
    assert "1 ok" in result.out
    assert "\x1b" not in result.out
    assert result.err == ""


def test_a_dependency_below_the_threshold_fails_and_says_why_and_where(
    nerq: Nerq, registry: Any, project: Path
) -> None:
    registry.pypi("demo", "1.0", "2.0", vulnerabilities={"1.0": [ADVISORY]})
    write(project, "# ours\ndemo==1.0\n")
    result = nerq("scan", *AS_OF)
    assert result.status == 1
    for words in ("FAIL", "demo    1.0 ", "PYSEC-2026-1", "requirements.txt:2", "2.0", "exit 1", "nerq check"):
        assert words in result.out


def test_the_threshold_is_the_users_to_set(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "2.0", vulnerabilities={"1.0": [ADVISORY]})
    write(project, "demo==1.0\n")
    assert nerq("scan", *AS_OF, "--threshold", "60").status == 0
    write(project, '[tool.nerq]\nthreshold = 60\n[project]\nname = "x"\nversion = "1"\n', "pyproject.toml")
    assert nerq("scan", *AS_OF).status == 0
    assert nerq("scan", *AS_OF, "--threshold", "99.9").status == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"status": 500},
        {"status": 503},
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"status": 405},
        {"status": 401},
        {"raw": b""},
        GARBAGE,
        {"body": b'{"info": {"name": "dem', "headers": {"Content-Type": "application/json"}},
        {"body": [1, 2, 3]},
        {"status": 302, "headers": {"Location": "http://elsewhere.example/"}},
    ],
    ids=["500", "503", "429", "405", "401", "closed", "garbage", "truncated", "wrong-shape", "redirect"],
)
def test_a_registry_that_fails_makes_the_run_incomplete_and_never_clean(
    nerq: Nerq, registry: Any, project: Path, broken: Any
) -> None:
    for path in ("/pypi/demo/json", "/pypi/demo/2.0/json", "/simple/demo/", "/left"):
        registry.site.on(path, broken)
    write(project, "demo==2.0\n")
    write(project, '{"dependencies": {"left": "1.0.0"}}', "package.json")
    result = nerq("scan", *AS_OF, "--timeout", "5")
    assert result.status == 0
    assert "INCOMPLETE" in result.out
    assert "PASS" not in result.out
    assert "warning" in result.err
    assert "Traceback" not in result.err
    strict = nerq("scan", *AS_OF, "--timeout", "5", "--strict")
    assert strict.status == 3
    report = nerq("scan", *AS_OF, "--timeout", "5", "--format", "json").json
    assert {one["state"] for one in report["dependencies"]} == {"unknown"}
    assert {one["score"] for one in report["dependencies"]} == {None}
    assert report["complete"] is False


def test_a_registry_that_hangs_ends_in_its_time(nerq: Nerq, registry: Any, project: Path) -> None:
    for path in ("/pypi/demo/json", "/simple/demo/"):
        registry.site.on(path, {"hang": True})
    write(project, "demo==2.0\n")
    result = nerq("scan", *AS_OF, "--timeout", "0.5", "--strict")
    assert result.status == 3
    assert "no answer within 0.2 s" in result.out


def test_in_ci_an_incomplete_run_fails_by_itself(
    nerq: Nerq, registry: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.site.on("/pypi/demo/json", {"status": 500})
    registry.site.on("/simple/demo/", {"status": 500})
    write(project, "demo==2.0\n")
    monkeypatch.setenv("CI", "true")
    assert nerq("scan", *AS_OF, "--timeout", "3").status == 3
    assert nerq("scan", *AS_OF, "--timeout", "3", "--no-strict").status == 0


def test_below_the_threshold_wins_over_incomplete(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "2.0", vulnerabilities={"1.0": [ADVISORY]})
    registry.site.on("/pypi/other/json", {"status": 500})
    registry.site.on("/simple/other/", {"status": 500})
    write(project, "demo==1.0\nother==1.0\n")
    assert nerq("scan", *AS_OF, "--strict", "--timeout", "5").status == 1


def test_a_name_the_index_does_not_have_is_never_scored(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.most_used()
    write(project, "demo-internal==2.0\n")
    result = nerq("scan", *AS_OF, "--format", "json")
    dependency = only(result.json)
    assert dependency["state"] == "unknown"
    assert dependency["score"] is None
    assert "not found" in dependency["reasons"][0]


def test_a_warm_run_sends_nothing_and_gives_the_same_bytes(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "2.0")
    registry.npm("left", "1.0.0", "2.0.0")
    write(project, "demo==1.0\n")
    write(project, '{"dependencies": {"left": "^1.0.0"}}', "package.json")
    nerq("scan", *AS_OF)
    asked = len(registry.paths)
    assert asked > 0
    one = nerq("scan", *AS_OF, "--format", "json").out
    other = nerq("scan", *AS_OF, "--format", "json").out
    assert one == other
    assert len(registry.paths) == asked


def test_a_mirror_without_release_json_is_asked_for_it_in_one_run_and_not_in_the_next(
    nerq: Nerq, registry: Any, services: Any, project: Path
) -> None:
    services.silent()
    names = [f"demo{n}" for n in range(8)]
    for name in names:
        registry.pypi(name, "1.0", "2.0")
        registry.site.on(f"/pypi/{name}/1.0/json", {"status": 404})
    write(project, "".join(f"{name}==1.0\n" for name in names))
    result = nerq("scan", *AS_OF)
    assert "INCOMPLETE" in result.out
    count = sum(path.endswith("/1.0/json") for path in registry.paths)
    assert count <= len(names) + 1  # each beside the page of its project, and one that counts
    nerq("scan", *AS_OF)
    assert sum(path.endswith("/1.0/json") for path in registry.paths) == count


def test_offline_uses_the_cache_and_admits_what_it_does_not_know(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "2.0")
    write(project, "demo==2.0\n")
    nerq("scan", *AS_OF)
    asked = len(registry.paths)
    assert nerq("scan", *AS_OF, "--offline").status == 0
    write(project, "demo==2.0\nother==1.0\n")
    result = nerq("scan", *AS_OF, "--offline", "--strict")
    assert result.status == 3
    assert "offline" in result.out
    assert len(registry.paths) == asked


def test_cached_answers_that_could_not_be_refreshed_are_no_new_answers(
    nerq: Nerq, registry: Any, services: Any, project: Path
) -> None:
    registry.pypi("demo", "1.0", "2.0")
    (project / "requirements.txt").write_text("demo==2.0\n")
    assert nerq("scan", *AS_OF).status == 0
    services.silent()
    time.sleep(1.1)  # an answer of this very second is not asked for again
    result = nerq("scan", *AS_OF, "--refresh", "--strict")
    assert result.status == 3
    printed = " ".join(result.out.split())
    assert "not checked: OSV" not in printed
    assert "not refreshed: OSV: " in printed
    assert "(2 of 2 answered from the cache)" in printed
    assert "OSV: 0 of 2 answered, 2 from the cache" in printed.partition("exit 3 (")[2]


def test_refresh_asks_again(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "2.0")
    write(project, "demo==2.0\n")
    nerq("scan", *AS_OF)
    asked = len(registry.paths)
    time.sleep(1.1)  # what was asked within the same second is not asked again
    nerq("scan", *AS_OF, "--refresh")
    assert len(registry.paths) == 2 * asked
    assert nerq("scan", "--refresh", "--offline").status == 2


def test_private_local_and_foreign_names_are_never_sent_out(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "2.0")
    write(
        project,
        "demo==2.0\nacme-billing==1.0\n./libs/tool\n-e ./libs/own\nfork @ git+https://code.example/fork@abc\n"
        "wheel @ https://files.example/wheel-1.0-py3-none-any.whl\ntorch==2.0+cpu\n",
    )
    write(project, 'private = ["acme-*"]\n', "nerq.toml")
    write(project, "--index-url https://pkgs.acme.example/simple\nsecret==1.0\n", "requirements/acme.txt")
    write(project, "--extra-index-url https://pkgs.acme.example/simple\nhidden==1.0\n", "requirements/extra.txt")
    write(project, '{"name": "app", "dependencies": {"ui": "workspace:*", "lib": "file:../lib"}}', "package.json")
    result = nerq("scan", *AS_OF, "--format", "json")
    asked = " ".join(registry.paths)
    for name in ("acme", "tool", "own", "fork", "wheel", "secret", "hidden", "ui", "lib"):
        assert name not in asked
    states = {one["name"]: one["state"] for one in result.json["dependencies"]}
    summary = result.json["summary"]
    assert {name for name, state in states.items() if state == "not-judged"} == {"fork", "wheel", "secret", "hidden"}
    assert summary["not_judged"] == 4
    assert summary["skipped"] == sum(state == "skipped" for state in states.values()) >= 5
    assert all(one["reasons"] for one in result.json["dependencies"] if one["state"] in ("skipped", "not-judged"))


def test_a_malformed_line_is_shown_with_a_caret_and_never_looked_up(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "2.0")
    write(project, "demo==2.0\nthis is not a requirement\nother==1.0 oops\n")
    result = nerq("scan", *AS_OF, "--stop-on-problem")
    assert result.status == 2
    assert "requirements.txt:2" in result.err
    assert "requirements.txt:3" in result.err
    assert "^" in result.err
    assert registry.paths == []
    kept = nerq("scan", *AS_OF, "--format", "json")
    assert kept.status == 2
    assert {one["name"]: one["state"] for one in kept.json["dependencies"]} == {"demo": "ok", "other": "not-judged"}
    assert kept.json["exit"]["code"] == 2
    assert len(kept.json["errors"]) == 2
    assert not any("this" in path or "other" in path for path in registry.paths)


def test_one_broken_file_does_not_hide_the_others(nerq: Nerq, registry: Any, project: Path) -> None:
    write(project, "{ not json", "package.json")
    write(project, "[project\n", "pyproject.toml")
    write(project, "???\n")
    result = nerq("scan", *AS_OF)
    assert result.status == 2
    for name in ("package.json", "pyproject.toml", "requirements.txt"):
        assert name in result.err


def test_nothing_to_scan_has_a_status_of_its_own(nerq: Nerq, project: Path) -> None:
    result = nerq("scan")
    assert result.status == 4
    assert nerq("scan", "--allow-empty").status == 0
    assert nerq("scan", "--format", "json").json["exit"]["code"] == 4
    write(project, "# nothing yet\n")
    assert nerq("scan").status == 0


def test_a_path_that_does_not_exist_is_a_usage_error(nerq: Nerq) -> None:
    result = nerq("scan", "nowhere")
    assert result.status == 2
    assert "nowhere" in result.err
    assert "Traceback" not in result.err


def test_list_shows_everything_and_asks_nothing(nerq: Nerq, registry: Any, project: Path) -> None:
    write(project, "demo==2.0\nother>=1\n")
    result = nerq("scan", "--list")
    assert result.status == 0
    assert "demo" in result.out
    assert registry.paths == []
    report = nerq("scan", "--list", "--format", "json").json
    assert all("score" not in one and "state" not in one for one in report["dependencies"])


def test_groups_can_be_chosen_and_left_out(nerq: Nerq, registry: Any, project: Path) -> None:
    write(
        project,
        '[project]\nname = "x"\nversion = "1"\ndependencies = ["a"]\noptional-dependencies.socks = ["b"]\n'
        '[dependency-groups]\ndev = ["c"]\ndocs = ["d"]\n',
        "pyproject.toml",
    )

    def names(*options: str) -> set[str]:
        report = nerq("scan", "--list", "--format", "json", *options).json
        return {one["name"] for one in report["dependencies"]}

    assert names() == {"a", "b", "c", "d"}
    assert names("--no-dev") == {"a", "b"}
    assert names("--group", "socks") == {"b"}
    assert names("--group", "dev:docs", "--group", "main") == {"a", "d"}


def test_a_range_is_scored_at_the_version_that_would_be_installed(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "1.5", "2.0")
    registry.npm("left", "1.0.0", "1.4.0", "2.0.0")
    write(project, "demo<2\n")
    write(project, '{"dependencies": {"left": "^1.0.0"}}', "package.json")
    report = nerq("scan", *AS_OF, "--format", "json").json
    assert [(one["name"], one["version"], one["resolution"]) for one in report["dependencies"]] == [
        ("demo", "1.5", "range"),
        ("left", "1.4.0", "range"),
    ]


def test_a_range_that_nothing_satisfies_names_the_nearest(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "1.0", "2.0")
    write(project, "demo>=9\n")
    dependency = only(nerq("scan", *AS_OF, "--format", "json").json)
    assert dependency["state"] == "unknown"
    assert "2.0" in dependency["fix"]


def test_an_npm_score_without_an_advisory_source_can_fail_but_not_pass(
    nerq: Nerq, registry: Any, services: Any, project: Path
) -> None:
    services.silent()
    registry.npm("left", "1.0.0", "2.0.0")
    write(project, '{"dependencies": {"left": "2.0.0"}}', "package.json")
    dependency = only(nerq("scan", *AS_OF, "--format", "json").json)
    assert dependency["provisional"] is True
    assert dependency["score"] >= 70
    assert dependency["state"] == "unknown"
    assert "~" in nerq("scan", *AS_OF, "--all").out


def test_reports_are_written_to_files_by_their_suffix(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "2.0")
    write(project, "demo==2.0\n")
    result = nerq("scan", *AS_OF, "-o", "out.json", "-o", "out.txt")
    assert result.status == 0
    schema = json.loads(nerq("schema").out)
    jsonschema.Draft202012Validator(schema).validate(json.loads((project / "out.json").read_text()))
    assert "PASS" in (project / "out.txt").read_text()
    assert nerq("scan", "-o", "out.pdf").status == 2
    assert nerq("scan", *AS_OF, "-o", "no/such/folder.json").status == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("scan", "--format", "yaml"), "known formats"),
        (("scan", "--as-of", "yesterday"), "not a date"),
        (("scan", "--python", "snake"), "not a version"),
        (("scan", "--python", "3." + "9" * 5_000), "not a version"),
        (("scan", "--threshold", "900"), "threshold"),
        (("scan", "--nonsense"), "nonsense"),
        (("nonsense",), "nonsense"),
    ],
)
def test_wrong_usage_is_said_in_words(nerq: Nerq, project: Path, arguments: tuple[str, ...], words: str) -> None:
    write(project, "demo==2.0\n")
    result = nerq(*arguments)
    assert result.status == 2
    assert words in result.err
    assert "Traceback" not in result.err


def test_a_wrong_setting_is_named_with_its_line(nerq: Nerq, project: Path) -> None:
    write(project, "demo==2.0\n")
    write(project, "treshold = 70\n", "nerq.toml")
    result = nerq("scan")
    assert result.status == 2
    assert "nerq.toml:1" in result.err
    assert "threshold" in result.err


def test_stdin_is_read_as_what_it_is_said_to_be(registry: Any, project: Path) -> None:
    registry.pypi("demo", "2.0")
    command = [sys.executable, "-m", "nerq_cli", "scan", "-", "--as", "requirements.txt", *AS_OF]
    done = subprocess.run(command, input="demo==2.0\n", capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0
    assert "1 ok" in done.stdout


def test_the_cache_that_cannot_be_written_is_said_once_and_done_without(
    nerq: Nerq, registry: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.pypi("demo", "2.0")
    write(project, "demo==2.0\n")
    (project / "taken").write_text("")
    monkeypatch.setenv("NERQ_CACHE_DIR", str(project / "taken"))
    for options in ((), ("--offline",)):
        result = nerq("scan", *AS_OF, *options)
        assert result.status == 0
        assert re.sub(r"\s+", "", result.out + result.err).count("facts-3.sqlite3") == 1
        assert "Traceback" not in result.err


def test_hostile_texts_from_a_registry_do_not_reach_the_terminal(nerq: Nerq, registry: Any, project: Path) -> None:
    evil = "\x1b[31mred\x1b[0m [bold]bold[/bold] \u202eback\u202c " + "x" * 1_000_000
    registry.pypi("demo", "2.0", summary=evil, yanked=True, yanked_reason=evil, license_expression=None, license=evil)
    write(project, "demo==2.0\n")
    result = nerq("scan", *AS_OF)
    card = nerq("check", "pypi:demo==2.0", *AS_OF)
    for shown in (result.out, card.out, nerq("scan", *AS_OF, "--format", "json").out):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert len(shown) < 100_000


def test_a_reader_that_leaves_early_gets_no_traceback(registry: Any, project: Path) -> None:
    write(project, "".join(f"demo{n}==1.0\n" for n in range(3_000)))
    command = f"{sys.executable} -m nerq_cli scan --list | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("format_name", ["json", "table"])
def test_a_warm_scan_opens_no_socket_and_imports_no_http_library(
    registry: Any, project: Path, format_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # one of this machine would be read with configparser
    registry.pypi("demo", "1.0", "2.0")
    registry.npm("left", "1.0.0")
    write(project, "demo==1.0\n")
    write(project, '{"dependencies": {"left": "1.0.0"}}', "package.json")
    heavy = "httpx httpcore h11 h2 idna ssl truststore email http.client urllib.request configparser hashlib tempfile"
    heavy += " zipfile fractions statistics pygments rapidfuzz asyncio concurrent.futures multiprocessing"
    watch = (
        "import sys\n"
        "sys.addaudithook(lambda name, _: name in ('socket.connect', 'socket.getaddrinfo') and sys.exit('socket!'))\n"
        "from nerq_cli.cli.app import run_command_line\n"
        f"status = run_command_line(['scan', '--as-of', '2026-11-21', '--format', {format_name!r}, '--quiet'])\n"
        f"loaded = set({heavy!r}.split()) & set(sys.modules)\n"
        "sys.exit(f'imported {loaded}' if loaded else status)\n"
    )
    subprocess.run([sys.executable, "-m", "nerq_cli", "scan", *AS_OF], capture_output=True, check=False)  # noqa: S603
    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_asking_for_help_imports_nothing_heavy(option: str) -> None:
    heavy = ["httpx", "rich", "msgspec", "pip_requirements_parser", "packageurl", "sqlite3", "packaging", "socket"]
    watch = (
        "import sys\n"
        "from nerq_cli.cli.app import run_command_line\n"
        f"run_command_line([{option!r}])\n"
        f"sys.exit(repr([name for name in {heavy} if name in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stderr.strip() == "[]"


def test_asking_for_the_version_imports_next_to_nothing() -> None:
    watch = (
        "import sys\n"
        "from nerq_cli.__main__ import main\n"
        "before = set(sys.modules)\n"
        "sys.argv = ['nerq', '--version']\n"
        "try:\n    main()\n"
        "except SystemExit as status:\n"
        "    print(status.code, *sorted(set(sys.modules) - before), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=True)  # noqa: S603
    modules = ["nerq_cli.cli", "nerq_cli.cli.shadowed_command", "nerq_cli.cli.stdout", "nerq_cli.cli.version"]
    assert done.stderr.split() == ["0", *modules]
    assert done.stdout == f"nerq-cli {nerq_cli.__version__}\n"


@pytest.mark.parametrize("arguments", [["--version"], ["-V"], ["--version", "scan"]])
def test_the_version_is_printed_in_the_same_words(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "nerq_cli", *arguments], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.splitlines()[0] == f"nerq-cli {nerq_cli.__version__}"
    assert done.stderr == ""


def test_help_tells_the_exit_statuses(nerq: Nerq) -> None:
    shown = " ".join(nerq("scan", "--help").out.split())
    assert "1 something is below the threshold" in shown
    assert "130 interrupted" in shown


def test_the_other_package_called_nerq_is_noticed(project: Path) -> None:
    fake = project / "site" / "nerq-1.3.0.dist-info"
    fake.mkdir(parents=True)
    # nerq_cli itself may be found by PYTHONPATH alone, where it is not installed.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(fake.parent), str(SOURCE)])}
    command = [sys.executable, "-m", "nerq_cli", "--version"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0
    assert "nerq 1.3.0" in done.stdout
    assert "nerq-cli" in done.stdout


def test_what_is_tested_is_the_installed_package() -> None:
    if os.environ.get("NERQ_TEST_INSTALLED"):
        import nerq_cli

        assert "site-packages" in str(nerq_cli.__file__)


def test_what_only_the_scanned_files_excuse_is_no_pass(nerq: Nerq, registry: Any, project: Path) -> None:
    write(project, "--index-url https://pkgs.example/simple\ndemo==1.0\n")
    result = nerq("scan", *AS_OF, "--strict")
    assert result.status == 3
    assert "INCOMPLETE" in result.out
    assert "1 not judged" in result.out


def test_a_run_that_judged_nothing_is_no_pass(nerq: Nerq, registry: Any, project: Path) -> None:
    write(project, "./libs/own\n")
    result = nerq("scan", *AS_OF)
    assert "INCOMPLETE" in result.out
    assert "nothing was judged" in result.out


def test_a_group_nobody_has_is_refused(nerq: Nerq, project: Path) -> None:
    write(project, "demo==1.0\n")
    result = nerq("scan", "--group", "nosuch")
    assert result.status == 2
    assert "groups found: main" in result.err
    write(project, "demo==1.0\n", "requirements-dev.txt")
    assert nerq("scan", "--group", "dev", "--no-dev").status == 2


@pytest.mark.parametrize("option", ["--threshold", "--timeout"])
def test_a_number_that_is_none_is_refused(nerq: Nerq, project: Path, option: str) -> None:
    write(project, "demo==1.0\n")
    assert nerq("scan", option, "nan").status == 2


def test_a_report_never_takes_the_place_of_a_dependency_file(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "2.0")
    write(project, "demo==2.0\n")
    (project / "out.txt").symlink_to("requirements.txt")
    for name in ("requirements.txt", "package.json", "out.txt"):
        assert nerq("scan", *AS_OF, "-o", name).status == 2
    assert (project / "requirements.txt").read_text() == "demo==2.0\n"


def test_a_project_cannot_make_us_read_what_lies_beside_it(
    nerq: Nerq, registry: Any, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    write(project, f"-r {tmp_path / 'token'}\n")
    (project / "constraints.txt").symlink_to(tmp_path / "token")
    result = nerq("scan", *AS_OF)
    assert result.status == 2
    assert "outside of the project" in result.err
    assert "hunter2" not in result.out + result.err
    assert registry.paths == []


def test_prose_with_a_familiar_name_does_not_stop_a_scan(nerq: Nerq, registry: Any, project: Path) -> None:
    registry.pypi("demo", "2.0")
    write(project, "demo==2.0\n")
    write(
        project,
        "Constraints\n===========\n\nThey are checked by the database.\nSee below how.\n",
        "docs/constraints.txt",
    )
    result = nerq("scan", *AS_OF)
    assert result.status == 0
    assert "1 ok" in result.out
    assert "docs/constraints.txt: not a requirements file by its content" in result.out


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-"])
def test_closed_streams_are_no_bug(project: Path, closed: str) -> None:
    write(project, "demo==1.0\n")
    command = f"{sys.executable} -m nerq_cli scan --list {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert "internal error" not in done.stderr
    assert done.returncode == 0
