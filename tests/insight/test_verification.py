"""Commands with which a reader checks a target."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import pytest

from nerq_cli.facts import ReleaseFile
from nerq_cli.insight.guidance import Check, Subject, build_guidance
from nerq_cli.insight.verification import list_verification
from nerq_cli.report import RenderOptions
from nerq_cli.report.pages.blocks import Commands, Section, add_section
from nerq_cli.report.terminal.layout import Page

DIGEST = "0" * 63 + "a"


def list_commands(
    ecosystem: str, name: str, version: str, files: Sequence[ReleaseFile] = (), repository: str = ""
) -> list[str]:
    subject = Subject(ecosystem=ecosystem, name=name, version=version)
    checks = build_guidance(subject, None, "production").checks
    made = list_verification(
        checks, ecosystem=ecosystem, name=name, version=version, files=files, repository=repository
    )
    assert all(check.shows for check in made)
    return [check.command for check in made]


def test_a_wheel_is_downloaded_by_its_digest() -> None:
    commands = list_commands("PyPI", "x", "1.0", [ReleaseFile("x-1.0-py3-none-any.whl", DIGEST)])
    assert f"--hash=sha256:{DIGEST}" in commands[0]
    assert "--require-hashes" in commands[0]
    assert "--only-binary=:all:" in commands[0]


def test_without_all_digests_the_digest_is_printed() -> None:
    for files in ([], [ReleaseFile("x-1.0-py3-none-any.whl")], [ReleaseFile(f"x{n}.whl", DIGEST) for n in range(13)]):
        commands = list_commands("PyPI", "x", "1.0", files)
        assert "--require-hashes" not in commands[0]
        assert any("pip hash" in command for command in commands)


def test_a_source_archive_is_not_given_to_pip() -> None:
    file = ReleaseFile("x-1.0.tar.gz", DIGEST, "https://files.example/x-1.0.tar.gz")
    commands = list_commands("PyPI", "x", "1.0", [file])
    assert not any(word in command for command in commands for word in ("pip download", "pip install"))
    assert commands[0].startswith("curl --fail --location --output x-1.0.tar.gz -- https://files.example/")
    assert "sha256sum --check" in commands[1]


def test_an_archive_of_npm_has_its_digest_and_its_name() -> None:
    commands = list_commands("npm", "@acme/x", "1.0.0", [ReleaseFile("x-1.0.0.tgz", "sha512-AAAA")])
    assert 'test "$(openssl dgst -sha512 -binary acme-x-1.0.0.tgz | openssl base64 -A)" = AAAA && echo same' in commands
    assert "npm audit signatures" not in commands  # works in a project alone


@pytest.mark.skipif(not shutil.which("openssl"), reason="it is run by openssl")
@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_digest_of_an_archive_is_compared(tmp_path: Path, width: int) -> None:
    (tmp_path / "x-1.0.0.tgz").write_bytes(b"archive")
    digest = b64encode(hashlib.sha512(b"archive").digest()).decode()
    for stated, printed in ((digest, "same\n"), (digest.swapcase(), "")):
        checks = [Check("true", "nothing")]
        files = [ReleaseFile("x-1.0.0.tgz", f"sha512-{stated}")]
        made = list_verification(checks, ecosystem="npm", name="x", version="1.0.0", files=files)
        [check] = [item for item in made if "openssl" in item.command]
        page = Page(RenderOptions(width=width))
        add_section(page, Section("verify", "Verify", (Commands((check,)),)))
        lines = page.to_text().splitlines()[2:]
        assert all(line.startswith("  # ") for line in lines[:-1])
        done = subprocess.run(["sh", "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, check=False)  # noqa: S603, S607 - our own command
        assert done.stdout.decode() == printed


def test_the_repository_is_cloned_only_from_the_web() -> None:
    assert list_commands("npm", "x", "1.0.0", repository="https://code.example/a/b")[-1] == (
        "git clone --depth 1 -- https://code.example/a/b checked-source"
    )
    for address in ("--upload-pack=x", "ext::sh -c x", "file:///x", ""):
        assert not any("git clone" in command for command in list_commands("npm", "x", "1.0.0", repository=address))


def test_what_cannot_be_read_has_no_commands() -> None:
    assert list_verification((), ecosystem="pypi", name="x", version="1.0", repository="https://code.example/a") == ()
    checks = (Check("true", "nothing"),)
    assert list_verification(checks, ecosystem="huggingface", name="a/b", version="")[0] == checks[0]


@pytest.mark.parametrize("name", ["x; touch pwned", "$(touch pwned)", "`touch pwned`", "x' && touch pwned && '"])
@pytest.mark.parametrize("ecosystem", ["pypi", "npm", "huggingface"])
def test_names_are_quoted_for_a_shell(name: str, ecosystem: str) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    files = [ReleaseFile(f"{name}.whl", DIGEST), ReleaseFile(f"{name}.tar.gz", DIGEST, f"https://files.example/{name}")]
    for chosen in (files, files[1:]):
        for command in list_commands(ecosystem, name, name, chosen, f"https://code.example/{name}"):
            done = subprocess.run([shell, "-nc", command], capture_output=True, check=False)  # noqa: S603 - parsed only
            assert done.returncode == 0
            assert not any(word in ("touch", "$(touch", "`touch") for word in shlex.split(command))
