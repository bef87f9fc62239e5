"""What an installation without extras has, and what a command without its extra states."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nerq_cli.cli import app as app_module
from nerq_cli.cli.app import COMMANDS
from nerq_cli.cli.extras import EXTRAS, require_extra
from tests.cli.conftest import Result

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: The distributions that ``pip install nerq-cli`` installs, without what they bring.
BASE: Final = {
    "cvss",
    "httpcore",
    "httpx",
    "msgspec",
    "node-semver",
    "packageurl-python",
    "packaging",
    "pathspec",
    "pip-requirements-parser",
    "platformdirs",
    "pyyaml",
    "rapidfuzz",
    "rich",
    "tomli",
    "tomlkit",
    "truststore",
    "typer",
}
#: Command lines that need an extra, with it. Each fails before it does anything.
COMMAND_LINES: Final = {
    "serve": ["serve", "--port", "0", "--management-port", "0"],
    "index": ["index", "score", "facts.parquet", "-o", "scores.parquet"],
    "cluster": ["index", "score", "facts.parquet", "-o", "scores", "--scheduler", "tcp://127.0.0.1:1"],
    "mcp": ["mcp"],
    "postgres": ["serve", "--port", "0", "--management-port", "0", "--store", "postgresql://nobody@127.0.0.1:1/none"],
}
#: Modules that belong to an extra, and some that these bring.
HEAVY: Final = sorted({"anyio", "dask", "numpy", "pandas", "psycopg2", "pyarrow", "pydantic"}.union(*EXTRAS.values()))
FIND_HEAVY: Final = f"result = sorted(set(sys.modules) & set({HEAVY!r}))"


def read_project() -> dict[str, Any]:
    path = Path(__file__).parents[2] / "pyproject.toml"
    project: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    return project


def get_names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def hide(monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    """Let the modules of one extra, and only those, be missing."""
    for module in {module for modules in EXTRAS.values() for module in modules} - set(EXTRAS[extra]):
        if module not in sys.modules:
            monkeypatch.setitem(sys.modules, module, sys)  # as if it were installed
    for module in EXTRAS[extra]:
        monkeypatch.setitem(sys.modules, module, None)


def run(*arguments: str, code: str, cwd: Path) -> list[str]:
    """Run a command line in a new process; return what the code prints after it, as JSON."""
    script = f"import json, sys\nfrom nerq_cli.cli.app import *\n{code}\nprint('\\n' + json.dumps(result))"
    done = subprocess.run(  # noqa: S603 - the script of the test
        [sys.executable, "-c", script, *arguments], cwd=cwd, capture_output=True, text=True, check=True
    )
    result: list[str] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_the_package_depends_on_what_it_did() -> None:
    assert get_names(read_project()["dependencies"]) == BASE


def test_the_installed_package_depends_on_nothing_else() -> None:
    try:
        requirements = requires("nerq-cli") or []
    except PackageNotFoundError:
        pytest.skip("not installed")
    assert get_names([text for text in requirements if not re.search(r"\bextra\b", text)]) == BASE


def test_each_extra_is_in_the_table_and_in_all() -> None:
    extras = dict(read_project()["optional-dependencies"])
    [everything] = extras.pop("all")
    assert Requirement(everything).extras == set(extras) == set(EXTRAS)


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_modules_of_an_extra_are_those_that_it_installs(extra: str) -> None:
    extras = read_project()["optional-dependencies"]
    installed: set[str] = set()
    pending = [extra]
    while pending:
        for requirement in map(Requirement, extras[pending.pop()]):
            if canonicalize_name(requirement.name) == "nerq-cli":
                pending.extend(requirement.extras)
            else:
                installed.add(canonicalize_name(requirement.name).replace("-", "_"))
    assert set(EXTRAS[extra]) <= installed


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_command_without_its_extra_states_how_to_install_it(
    nerq: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, project: Path, extra: str
) -> None:
    arguments = COMMAND_LINES[extra]
    if arguments[0] not in COMMANDS or ("--store" in arguments and "--store" not in nerq("serve", "--help").out):
        pytest.skip("there is no such command yet")
    hide(monkeypatch, extra)
    result = nerq(*arguments)
    assert result.status == 2
    assert result.out == ""
    error, hint = result.err.splitlines()
    assert error.startswith("error: ")
    assert f"needs {', '.join(EXTRAS[extra])}" in error
    assert re.fullmatch(rf'hint: pip install "nerq-cli\[([a-z]+,)*{extra}\]"', hint)
    assert list(project.iterdir()) == []


@pytest.mark.parametrize(("extra", "module"), [(extra, module) for extra in EXTRAS for module in EXTRAS[extra]])
def test_a_module_of_an_extra_that_is_missing_anywhere_is_explained(
    nerq: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, extra: str, module: str
) -> None:
    def fail(**_: object) -> None:
        raise ModuleNotFoundError(f"No module named {module}.part", name=f"{module}.part")

    monkeypatch.setattr(app_module, "app", fail)
    result = nerq("scan")
    assert result.status == 2
    first = next(name for name, modules in EXTRAS.items() if module in modules)
    assert f'pip install "nerq-cli[{first}]"' in result.err
    assert "internal error" not in result.err


@pytest.mark.parametrize("error", [ModuleNotFoundError("No module named 'x'", name="x"), ImportError("no name y in z")])
def test_a_module_of_the_package_that_is_missing_is_a_bug(
    nerq: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, error: ImportError
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(app_module, "app", fail)
    result = nerq("scan")
    assert result.status == 3
    assert "internal error" in result.err


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_that_is_installed_is_not_imported_to_find_that_out(
    monkeypatch: pytest.MonkeyPatch, extra: str
) -> None:
    code = (
        "from contextlib import suppress\nfrom nerq_cli.cli.extras import *\n"
        f"with suppress(UsageError): require_extra({extra!r})\n{FIND_HEAVY}"
    )
    assert run(code=code, cwd=Path.cwd()) == []
    hide(monkeypatch, extra)
    for module in EXTRAS[extra]:
        monkeypatch.setitem(sys.modules, module, sys)
    require_extra(extra)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["scan", "--offline", "--no-config"],
        ["check", "pypi:demo==1.0", "--offline"],
        ["schema"],
        ["config", "show"],
        *([name, "--help"] for name in COMMANDS),
    ],
    ids=" ".join,
)
def test_a_command_imports_nothing_of_an_extra(project: Path, arguments: list[str]) -> None:
    (project / "requirements.txt").write_text("demo==1.0\n")
    code = f"status = run_command_line(sys.argv[1:])\nassert status != 2\n{FIND_HEAVY}"
    assert run(*arguments, code=code, cwd=project) == []
