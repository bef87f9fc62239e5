"""Whole commands in the network of a company: its certificates, and settings that are not valid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def secure_registry(secure: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """Registries behind TLS, with a certificate of their own making."""
    monkeypatch.setenv("NERQ_PYPI_URL", f"https://{secure[0]}")
    monkeypatch.setenv("NERQ_NPM_URL", f"https://{secure[0]}")
    return secure


def write_home(tmp_path: Path, name: str, text: str) -> None:
    """Write a file of the home directory."""
    path = tmp_path / "home" / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text, encoding="utf-8")


NAMES = {
    "pip.conf": (".config/pip/pip.conf", "[global]\ncert = {}\n"),
    ".npmrc": (".npmrc", "cafile={}\n"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", ["requests==2.31.0", "npm:lodash@4.17.21"])
def test_the_certificates_that_pip_and_npm_are_configured_with_are_trusted(
    nerq: Callable[..., Any], secure_registry: tuple[str, Path], tmp_path: Path, name: str, target: str
) -> None:
    host, certificate = secure_registry
    refused = nerq("check", target, "--format", "json", "--no-cache")
    assert f"{host}: TLS certificate not trusted" in refused.out
    path, text = NAMES[name]
    write_home(tmp_path, path, text.format(certificate))
    answered = nerq("check", target, "--format", "json", "--no-cache")
    assert "TLS" not in answered.out


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_of_the_configuration_that_does_not_exist_is_named(
    nerq: Callable[..., Any], secure_registry: tuple[str, Path], tmp_path: Path, name: str
) -> None:
    path, text = NAMES[name]
    write_home(tmp_path, path, text.format(tmp_path / "missing.pem"))
    result = nerq("check", "requests==2.31.0")
    assert result.status == 2
    assert "no certificates can be read from" in result.err
    assert "missing.pem" in result.err
    assert f"{name} (~/{path}) names it" in result.err.replace("\n", " ")


def test_an_update_of_the_advisories_trusts_the_same_certificates(
    nerq: Callable[..., Any], secure: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, certificate = secure
    monkeypatch.setenv("NERQ_OSV_DUMPS_URL", f"https://{host}")
    assert "TLS certificate not trusted" in nerq("db", "update", "-e", "PyPI").err
    write_home(tmp_path, ".npmrc", f"cafile={certificate}\n")
    assert "TLS" not in nerq("db", "update", "-e", "PyPI").err


VARIABLES = [
    f"NERQ_{name}_URL"
    for name in (
        "PYPI",
        "NPM",
        "OSV",
        "DEPS_DEV",
        "SCORECARD",
        "GITHUB",
        "EPSS",
        "KEV",
        "NPM_DOWNLOADS",
        "PYPISTATS",
    )
]


@pytest.mark.parametrize("command", [("scan", "."), ("scan", ".", "--list"), ("check", "requests")])
@pytest.mark.parametrize("variable", VARIABLES)
def test_an_address_that_is_none_is_a_mistake_of_the_configuration(
    nerq: Callable[..., Any],
    registry: Any,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    command: tuple[str, ...],
) -> None:
    (project / "requirements.txt").write_text("requests==2.31.0\n", encoding="utf-8")
    monkeypatch.setenv(variable, "user:secret@mirror.example")
    result = nerq(*command)
    assert (result.status, result.out) == (2, "")
    assert variable in result.err
    assert "secret" not in result.err
    assert registry.paths == []
