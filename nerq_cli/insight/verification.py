"""Commands with which a reader checks a target without trusting the page. Pure: nothing is run here."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from nerq_cli.facts import ReleaseFile
from nerq_cli.insight.guidance import Check

#: Directory that the commands download into, as in :mod:`nerq_cli.insight.guidance`.
_FOLDER: Final = "checked-files"
#: Wheels whose digests a command has; releases with more are checked by the digest of what was downloaded.
_MAX_WHEELS: Final = 12
_MOUNT: Final = (
    'docker run --rm --network none --mount type=bind,source="$PWD/{folder}",target=/files,readonly {image} '
)
#: A command that works in a project alone.
_IN_PROJECT: Final = "npm audit signatures"
_PYTHON_IMAGE: Final = "python:3-slim"
_NODE_IMAGE: Final = "node:22-slim"


def list_verification(
    checks: Sequence[Check],
    *,
    ecosystem: str,
    name: str,
    version: str,
    files: Sequence[ReleaseFile] = (),
    repository: str = "",
    is_malicious: bool = False,
) -> tuple[Check, ...]:
    """Return the commands of a report card, with those that files, repository and digests of the target make possible.

    Args:
        checks: Those of the report card; without any the target cannot be read, and nothing is added.
        ecosystem: Its id in any case: ``pypi``, ``npm``, ``huggingface`` ...
        name: Its name.
        version: Version or commit; empty = not known.
        files: The files of the version.
        repository: Address of its source repository; empty = not known.
        is_malicious: Whether it is known to be: no command then installs it.
    """
    if not checks:
        return ()
    ecosystem = ecosystem.lower()
    listed = list(checks)
    if ecosystem == "pypi" and version:
        listed = [*_check_wheels(listed, name, version, files)]
        if is_malicious:
            listed = [check for check in listed if " pip install " not in check.command]
    elif ecosystem == "npm" and version:
        listed = [check for check in listed if check.command != _IN_PROJECT]
        listed += _check_archive(name, version, files)
    elif ecosystem.startswith("huggingface"):
        command = _MOUNT.format(folder=_FOLDER, image=_PYTHON_IMAGE) + "ls -lR /files"
        listed.append(Check(command, "the files, read-only, in a container without a network"))
    if ecosystem != "github" and repository.startswith(("https://", "http://")):
        command = shlex.join(["git", "clone", "--depth", "1", "--", repository, "checked-source"])
        listed.append(Check(command, "the source repository that it names, at its newest commit"))
    return tuple(listed)


def _check_wheels(checks: list[Check], name: str, version: str, files: Sequence[ReleaseFile]) -> Iterator[Check]:
    """Yield the commands for a release on PyPI: nothing of it is run, which building it would do."""
    wheels = [file for file in files if file.name.endswith(".whl")]
    requirement = f"{name}=={version}"
    if files and not wheels:
        yield from _check_source(files)
        yield from (check for check in checks if " index " in check.command)
        return
    if wheels and len(wheels) <= _MAX_WHEELS and all(file.digest for file in wheels):
        hashes = " ".join(f"--hash=sha256:{file.digest}" for file in wheels)
        line = shlex.join(["printf", "%s\\n", f"{requirement} {hashes}"])
        download = "python -m pip download --no-deps --only-binary=:all: --require-hashes"
        yield Check(
            f"{line} > checked.txt && {download} --dest {_FOLDER} -r checked.txt",
            "downloads the wheel if it has the digest of the registry, and runs nothing of it",
        )
        yield from checks[1:]
    else:
        yield from checks
    install = shlex.join(
        ["python", "-m", "pip", "install", "--no-index", "--no-deps", "--find-links", "/files", requirement]
    )
    yield Check(
        _MOUNT.format(folder=_FOLDER, image=_PYTHON_IMAGE) + install,
        "installs it in a container without a network and without your files",
    )


def _check_source(files: Sequence[ReleaseFile]) -> Iterator[Check]:
    for file in files[:1]:
        if file.url.startswith("https://"):
            command = shlex.join(["curl", "--fail", "--location", "--output", file.name, "--", file.url])
            yield Check(command, "downloads the source archive; pip would run its build to read it")
            if file.digest:
                line = shlex.join(["printf", "%s\\n", f"{file.digest}  {file.name}"])
                yield Check(f"{line} | sha256sum --check", "compares it with the digest of the registry")
            yield Check(shlex.join(["tar", "-tf", file.name]), "the files in it")


def _check_archive(name: str, version: str, files: Sequence[ReleaseFile]) -> Iterator[Check]:
    """Yield the commands for an archive that ``npm pack`` downloaded."""
    archive = f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
    digest = next((file.digest for file in files if file.digest.startswith("sha512-")), "")
    if digest:
        computed = f"openssl dgst -sha512 -binary {shlex.quote(archive)} | openssl base64 -A"
        stated = shlex.quote(digest.removeprefix("sha512-"))
        yield Check(f'test "$({computed})" = {stated} && echo same', "prints same if it has the digest of the registry")
    yield Check(
        _MOUNT.format(folder="", image=_NODE_IMAGE).replace('/"', '"')
        + shlex.join(["tar", "-tzf", f"/files/{archive}"]),
        "the files in it, listed in a container without a network",
    )
