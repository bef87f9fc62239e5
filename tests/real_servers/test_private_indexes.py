"""Private indexes and registries on real servers, with pip, uv and npm as judges. Left out by default.

``pytest -m real_servers`` installs the servers from the registries that this machine is configured with.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from real_servers.servers import serve_devpi, serve_pypiserver, serve_verdaccio

from nerq_cli.sources import SOURCES

pytestmark = pytest.mark.real_servers

Run = Callable[..., Any]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment with a home of its own, no proxies, and services that nobody serves."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(("PIP_", "UV_", "NPM_"))}
    services = {info.variable: "http://127.0.0.1:1" for info in SOURCES.values() if info.id not in ("pypi", "npm")}
    (tmp_path / "home").mkdir()
    return {
        **kept,
        **services,
        "HOME": str(tmp_path / "home"),
        "USERPROFILE": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "home/.config"),
        "XDG_CONFIG_DIRS": str(tmp_path / "nowhere"),
        "PIP_CONFIG_FILE": os.devnull,
        "NERQ_CACHE_DIR": str(tmp_path / "cache"),
        "NO_PROXY": "*",
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def scan(project: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the dependencies of the project by name."""
    command = [sys.executable, "-m", "nerq_cli", "scan", ".", "--format", "json", "--no-cache"]
    done = subprocess.run(  # noqa: S603 - the test's own words
        command, capture_output=True, text=True, check=False, cwd=project, env={**environ, "PYTHONPATH": _find_path()}
    )
    assert done.stdout, done.stderr
    return {one["name"]: one for one in json.loads(done.stdout)["dependencies"]}


def _find_path() -> str:
    return os.pathsep.join(path for path in sys.path if path)


def ask_pip(commands: Path, environ: Mapping[str, str], folder: Path, *names: str) -> dict[str, str]:
    """Return the versions that pip chooses."""
    report = folder / "pip.json"
    command: list[str | Path] = [
        commands / "python",
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--ignore-installed",
        "--no-deps",
        "--quiet",
    ]
    subprocess.run(  # noqa: S603 - the test's own words
        [*command, "--report", report, *names], check=True, capture_output=True, env=dict(environ)
    )
    installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {one["metadata"]["name"]: one["metadata"]["version"] for one in installed}


def ask_uv(commands: Path, environ: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return the versions that uv chooses."""
    command: list[str | Path] = [
        commands / "uv",
        "pip",
        "compile",
        "--no-header",
        "--no-annotate",
        "--no-deps",
        "--quiet",
        "-",
    ]
    text = "\n".join(names)
    done = subprocess.run(  # noqa: S603 - the test's own words
        command, check=True, capture_output=True, env=dict(environ), text=True, input=text
    )
    return dict(line.split("==") for line in done.stdout.split())


#: What the public index and the private one have.
PUBLIC = {"acme_common": ["1.0", "2.0"], "demo": ["1.0", "1.5"]}
PRIVATE = {"acme_common": ["1.0", "1.8"], "acme_lib": ["1.0", "1.1"]}
NAMES = ("acme-common", "acme-lib", "demo")


@pytest.fixture(scope="module")
def public(python_tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A pypiserver in place of the public index."""
    with serve_pypiserver(
        python_tools, tmp_path_factory.mktemp("public") / "files", "--disable-fallback", **PUBLIC
    ) as url:
        yield f"{url}/simple/"


@pytest.fixture(scope="module", params=["pypiserver", "devpi"])
def private(
    request: pytest.FixtureRequest, python_tools: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a private index."""
    folder = tmp_path_factory.mktemp("private") / "files"
    if request.param == "devpi":
        with serve_devpi(python_tools, folder, **PRIVATE) as url:
            yield f"{url}/root/dev/+simple/"
    else:
        with serve_pypiserver(python_tools, folder, "--disable-fallback", **PRIVATE) as url:
            yield f"{url}/simple/"


def test_the_versions_are_those_of_pip(
    public: str, private: str, python_tools: Path, project: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    environ |= {"PIP_INDEX_URL": public, "PIP_EXTRA_INDEX_URL": private}
    (project / "requirements.txt").write_text("\n".join(NAMES), encoding="utf-8")
    found = {name: one["version"] for name, one in scan(project, environ).items()}
    assert found == {"acme-common": "2.0", "acme-lib": "1.1", "demo": "1.5"}
    assert found == ask_pip(python_tools, environ, tmp_path, *NAMES)


def test_the_versions_are_those_of_uv(
    public: str, private: str, python_tools: Path, project: Path, environ: dict[str, str]
) -> None:
    environ |= {"UV_DEFAULT_INDEX": public, "UV_INDEX": private}
    (project / "requirements.txt").write_text("\n".join(NAMES), encoding="utf-8")
    found = {name: one["version"] for name, one in scan(project, environ).items()}
    assert found == {"acme-common": "1.8", "acme-lib": "1.1", "demo": "1.5"}
    assert found == ask_uv(python_tools, environ, *NAMES)


def test_an_index_is_the_only_one_of_the_packages_that_uv_assigns_to_it(
    public: str, private: str, python_tools: Path, project: Path, environ: dict[str, str]
) -> None:
    environ |= {"UV_DEFAULT_INDEX": public}
    index = f'[[tool.uv.index]]\nname = "corp"\nurl = "{private}"\nexplicit = true\n'
    text = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["acme-common", "demo"]\n'
    sources = '[tool.uv.sources]\nacme-common = { index = "corp" }\n'
    (project / "pyproject.toml").write_text(f"{text}{sources}{index}", encoding="utf-8")
    assert scan(project, environ)["acme-common"]["state"] == "not-judged"  # only the project names the index
    config = Path(environ["XDG_CONFIG_HOME"]) / "uv/uv.toml"
    config.parent.mkdir(parents=True)
    config.write_text(index.replace("tool.uv.", ""), encoding="utf-8")
    found = {name: one["version"] for name, one in scan(project, environ).items()}
    assert found == {"acme-common": "1.8", "demo": "1.5"}
    subprocess.run([python_tools / "uv", "lock", "--quiet"], check=True, env=environ, cwd=project)  # noqa: S603
    locked = {name: one["version"] for name, one in scan(project, environ).items()}
    assert locked == found


def test_a_scope_of_npm_is_requested_from_its_own_registry_with_its_token(
    verdaccio_command: list[str], project: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    with serve_verdaccio(verdaccio_command, tmp_path / "verdaccio", web=["1.0.0", "1.2.0"]) as (url, token):
        (project / "package.json").write_text('{"dependencies": {"@acme/web": "^1.0.0"}}', encoding="utf-8")
        npmrc = Path(environ["HOME"]) / ".npmrc"
        npmrc.write_text(f"@acme:registry={url}/\n", encoding="utf-8")
        assert "refused access" in json.dumps(scan(project, environ)["@acme/web"])
        npmrc.write_text(f"@acme:registry={url}/\n{url.removeprefix('http:')}/:_authToken={token}\n", encoding="utf-8")
        found = scan(project, environ)["@acme/web"]
        npm = shutil.which("npm") or "npm"
        command = [npm, "view", "@acme/web@^1.0.0", "version", "--json", "--userconfig", str(npmrc)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environ)  # noqa: S603
    versions = json.loads(done.stdout)
    assert found["version"] == (versions if isinstance(versions, str) else versions[-1]) == "1.2.0"
    assert found["in_registry"] is True
