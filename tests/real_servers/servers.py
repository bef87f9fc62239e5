"""Real package servers on loopback: pypiserver, devpi-server and Verdaccio, with the packages that a test names."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

#: Seconds that a server may take to start on a busy machine.
_START_TIMEOUT: Final = 120
PASSWORD: Final = "a-password-of-the-test"  # noqa: S105 - of a server that lives as long as the test


def run(command: Sequence[str | Path], **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - the test's own words
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def find_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def serve(command: Sequence[str | Path], port: int, folder: Path) -> Iterator[str]:
    """Run a server until the end of the block; its address without a trailing slash."""
    log_path = folder / f"server-{port}.log"
    url = f"http://127.0.0.1:{port}"
    environ = {**os.environ, "NO_PROXY": "*", "HOME": str(folder)}
    with (
        log_path.open("wb") as log,
        subprocess.Popen(  # noqa: S603 - the test's own words
            [str(part) for part in command], stdout=log, stderr=log, cwd=folder, env=environ
        ) as process,
    ):
        try:
            _wait_for(url, process, log_path)
            yield url
        finally:
            process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes], log_path: Path) -> None:
    end = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < end and process.poll() is None:
        if _answers(url):
            return
        time.sleep(0.2)
    pytest.fail(f"the server does not start: {log_path.read_text(errors='replace')[-2_000:]}")


def _answers(url: str) -> bool:
    try:
        send("GET", url)
    except OSError as error:
        return isinstance(error, urllib.error.HTTPError)
    return True


def send(method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """Send one request without a proxy, and return the body of the response."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, body, {**(headers or {})}, method=method)  # noqa: S310 - loopback
    with opener.open(request, timeout=30) as response:
        return bytes(response.read())


def build_wheel(name: str, version: str) -> tuple[str, bytes]:
    """Return the file name and the content of a wheel without code."""
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members = {"METADATA": metadata, "WHEEL": tags}
    record = "".join(f"{stem}.dist-info/{member},,\n" for member in (*members, "RECORD"))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for member, text in {**members, "RECORD": record}.items():
            archive.writestr(f"{stem}.dist-info/{member}", text)
    return f"{stem}-py3-none-any.whl", stream.getvalue()


@contextmanager
def serve_pypiserver(commands: Path, folder: Path, *options: str, **versions: Sequence[str]) -> Iterator[str]:
    """Run a pypiserver with these versions of packages (``_`` stands for ``-`` in a name)."""
    folder.mkdir(parents=True)
    for name, numbers in versions.items():
        for number in numbers:
            file_name, content = build_wheel(name.replace("_", "-"), number)
            (folder / file_name).write_bytes(content)
    port = find_port()
    command: list[str | Path] = [commands / "pypi-server", "run", "-i", "127.0.0.1", "-p", str(port), *options, folder]
    with serve(command, port, folder.parent) as url:
        yield url


@contextmanager
def serve_devpi(commands: Path, folder: Path, **versions: Sequence[str]) -> Iterator[str]:
    """Run a devpi-server with the index ``root/dev`` of these versions of packages."""
    folder.mkdir(parents=True)
    run([commands / "devpi-init", "--serverdir", folder / "data", "--no-root-pypi"])
    port = find_port()
    command: list[str | Path] = [commands / "devpi-server"]
    command += ["--serverdir", folder / "data", "--host", "127.0.0.1", "--port", str(port)]
    with serve([*command, "--offline-mode"], port, folder) as url:
        json_headers = {"Content-Type": "application/json", "Accept": "application/json"}
        answer = send("POST", f"{url}/+login", json.dumps({"user": "root", "password": ""}).encode(), json_headers)
        token = base64.b64encode(f"root:{json.loads(answer)['result']['password']}".encode()).decode()
        headers = {**json_headers, "X-Devpi-Auth": token}
        send("PUT", f"{url}/root/dev", json.dumps({"type": "stage", "bases": []}).encode(), headers)
        for name, numbers in versions.items():
            for number in numbers:
                _upload(f"{url}/root/dev/", token, name.replace("_", "-"), number)
        yield url


def _upload(url: str, token: str, name: str, version: str) -> None:
    file_name, content = build_wheel(name, version)
    fields = {":action": "file_upload", "name": name, "version": version, "filetype": "bdist_wheel"}
    fields |= {"pyversion": "py3", "metadata_version": "2.1", "protocol_version": "1"}
    boundary = b"--------boundary"
    parts = [
        b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % (key.encode(), value.encode())
        for key, value in fields.items()
    ]
    parts.append(
        b'Content-Disposition: form-data; name="content"; filename="%s"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n%s" % (file_name.encode(), content)
    )
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts) + b"--%s--\r\n" % boundary
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}", "X-Devpi-Auth": token}
    send("POST", url, body, headers)


_VERDACCIO_CONFIG: Final = """\
storage: ./storage
auth:
  htpasswd:
    file: ./htpasswd
    max_users: 10
packages:
  '@acme/*':
    access: $authenticated
    publish: $authenticated
  '**':
    access: $all
    publish: $authenticated
log: {type: stdout, format: pretty, level: warn}
"""


@contextmanager
def serve_verdaccio(command: Sequence[str], folder: Path, **versions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Run Verdaccio with these versions of ``@acme/NAME``: its address, and a token that may read them."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(_VERDACCIO_CONFIG, encoding="utf-8")
    port = find_port()
    with serve([*command, "--config", folder / "config.yaml", "--listen", f"127.0.0.1:{port}"], port, folder) as url:
        headers = {"Content-Type": "application/json"}
        user = {"name": "me", "password": PASSWORD, "type": "user", "roles": []}
        answer = send("PUT", f"{url}/-/user/org.couchdb.user:me", json.dumps(user).encode(), headers)
        token = json.loads(answer)["token"]
        headers["Authorization"] = f"Bearer {token}"
        for name, numbers in versions.items():
            for number in numbers:
                _publish(url, f"@acme/{name}", number, headers)
        yield url, token


#: The content of every package: it is not read.
_TARBALL: Final = b"x"


def _publish(url: str, name: str, version: str, headers: Mapping[str, str]) -> None:
    file_name = f"{name}-{version}.tgz"
    manifest = {
        "name": name,
        "version": version,
        "license": "MIT",
        "dist": {
            "tarball": f"{url}/{name}/-/{file_name}",
            "shasum": hashlib.sha1(_TARBALL, usedforsecurity=False).hexdigest(),
        },
    }
    document = {
        "_id": name,
        "name": name,
        "dist-tags": {"latest": version},
        "versions": {version: manifest},
        "_attachments": {
            file_name: {
                "content_type": "application/octet-stream",
                "data": base64.b64encode(b"x").decode(),
                "length": 1,
            }
        },
    }
    send("PUT", f"{url}/{name.replace('/', '%2f')}", json.dumps(document).encode(), headers)
