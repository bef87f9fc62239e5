"""A stand-in for both registries on loopback: answers every name after a delay.

Beside them, at the same address, are the other services (``services.py``). With ``--real`` bodies are as large as real
ones, compressed for whoever accepts it, and more packages have an advisory (``bodies.py``).
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import random
import time
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import bodies

README = "Some words about what this package does and how it is used, long enough to count. " * 60


@cache
def versions(name: str) -> list[tuple[str, str]]:
    """Return (version, ISO time), oldest first: forty releases over four years, the last a month old.

    Some packages have several patches of each (``bodies.py``).
    """
    shift = random.Random(name).randrange(20)
    made = []
    for n in range(40):
        months = 12 * 2022 + 9 + n + shift // 10
        day = f"{months // 12}-{months % 12 + 1:02}-{1 + shift:02}"
        made += [
            (f"{1 + n // 10}.{n % 10}.{patch}", f"{day}T08:{patch:02}:00") for patch in range(bodies.patches(name))
        ]
    return made


def _files(name: str, version: str, time: str) -> list[dict[str, object]]:
    stem = name.replace("-", "_")
    return [
        {
            "filename": filename,
            "packagetype": kind,
            "upload_time_iso_8601": f"{time}.000000Z",
            "requires_python": ">=3.9",
            "size": 12345,
            "yanked": False,
            "yanked_reason": None,
            "digests": {"sha256": "0" * 64},
            "url": f"https://files.registry.example/{filename}",
            **bodies.file_fields(filename),
        }
        for filename, kind in (
            (f"{stem}-{version}-py3-none-any.whl", "bdist_wheel"),
            (f"{stem}-{version}.tar.gz", "sdist"),
        )
    ]


@cache
def pypi_json(name: str, shown: str = "") -> bytes:
    """Return the project JSON, or that of one release."""
    releases = {version: _files(name, version, time) for version, time in versions(name)}
    newest = shown or versions(name)[-1][0]
    info = {
        "name": name,
        "version": newest,
        "summary": f"What {name} is",
        "description": README,
        "license_expression": "MIT",
        "classifiers": ["Programming Language :: Python :: 3.12", "Typing :: Typed"],
        "keywords": "a,b",
        "requires_python": ">=3.9",
        "project_urls": {
            "Source": f"https://github.com/acme/{name}",
            "Documentation": "https://docs.example",
            "Changelog": "https://docs.example/changes",
        },
        "home_page": "",
        "yanked": False,
        "yanked_reason": None,
    }
    owners = {"roles": [{"role": "Owner", "user": "ann"}, {"role": "Maintainer", "user": "bob"}], "organization": None}
    document = {
        "info": info,
        **({} if shown else {"releases": releases}),
        "urls": releases[newest],
        "vulnerabilities": bodies.listed_advisories(name, newest),
        "ownership": owners,
        "last_serial": 1,
    }
    return json.dumps(document).encode()


@cache
def simple_json(name: str) -> bytes:
    """Return the simple API's JSON."""
    files = [
        {
            "filename": file["filename"],
            "url": file["url"],
            "hashes": file["digests"],
            "requires-python": ">=3.9",
            "size": 12345,
            "upload-time": file["upload_time_iso_8601"],
            "yanked": False,
            "provenance": None,
        }
        for version, time in versions(name)
        for file in _files(name, version, time)
    ]
    document = {
        "meta": {"api-version": "1.4"},
        "name": name,
        "versions": [version for version, _ in versions(name)],
        "files": files,
    }
    return json.dumps(document).encode()


@cache
def packument(name: str) -> bytes:
    """Return the full packument."""
    listed = versions(name)
    manifests = {
        version: {
            "name": name,
            "version": version,
            "description": f"What {name} is",
            "license": "MIT",
            "keywords": ["a", "b"],
            "homepage": "https://demo.example",
            "repository": {"type": "git", "url": f"git+https://github.com/acme/{name}.git"},
            "types": "index.d.ts",
            "engines": {"node": ">=18"},
            "dist": {
                "tarball": "https://files.registry.example/x.tgz",
                "signatures": [{"keyid": "x", "sig": "y"}],
            },
            **bodies.manifest_fields(name, version),
        }
        for version, _ in listed
    }
    document = {
        "name": name,
        "dist-tags": {"latest": listed[-1][0]},
        "time": {"created": listed[0][1] + "Z", **{version: time + "Z" for version, time in listed}},
        "maintainers": [{"name": "ann"}, {"name": "bob"}],
        "readme": README,
        "versions": manifests,
    }
    return json.dumps(document).encode()


#: What a manifest in an abbreviated packument has.
_ABBREVIATED = ("name", "version", "dependencies", "devDependencies", "dist", "engines")


@cache
def abbreviated_packument(name: str) -> bytes:
    """Return the packument that npm asks for to install."""
    document = json.loads(packument(name))
    manifests = {
        version: {field: whole[field] for field in _ABBREVIATED if field in whole}
        for version, whole in document["versions"].items()
    }
    modified = versions(name)[-1][1] + "Z"
    return json.dumps(
        {"name": name, "modified": modified, "dist-tags": document["dist-tags"], "versions": manifests}
    ).encode()


@cache
def manifest(name: str, version: str) -> bytes:
    """Return the manifest of one version."""
    document = json.loads(packument(name))
    return json.dumps({**document["versions"][version], "maintainers": document["maintainers"]}).encode()


def answer(path: str, accept: str = "") -> bytes:
    """Return the body for one path; any name exists."""
    parts = path.strip("/").split("/")
    if len(parts) == 1 and "application/vnd.npm.install-v1+json" in accept:
        return abbreviated_packument(unquote(parts[0]))
    if parts[0] == "pypi":
        return pypi_json(*parts[1:-1])
    if parts[0] == "simple":
        return simple_json(parts[1])
    return manifest(unquote(parts[0]), parts[1]) if len(parts) > 1 else packument(unquote(parts[0]))


@cache
def packed_answer(path: str, accept: str) -> bytes:
    """Return the same, compressed."""
    return gzip.compress(answer(path, accept), 6)


def respond(path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes, bytes]:
    """Return the status, further headers and the body for a request."""
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    is_packed = bodies.real and "gzip" in headers.get("accept-encoding", "")
    if services.answers(path):
        status, sent = services.answer(path, body)
        sent = gzip.compress(sent, 6) if is_packed else sent
    else:
        accept = headers.get("accept", "")
        status, sent = 200, packed_answer(path, accept) if is_packed else answer(path, accept)
    kind = b"application/vnd.pypi.simple.v1+json" if path.startswith("/simple") else b"application/json"
    return status, b"Content-Type: %s\r\n%s" % (kind, b"Content-Encoding: gzip\r\n" if is_packed else b""), sent


def parse_headers(head: bytes) -> tuple[str, dict[str, str]]:
    """Return the path of a request, and its headers by their names in lower case."""
    request_line, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return request_line.split(" ", 2)[1], {name.lower(): value.strip() for name, _, value in pairs}


async def serve(delay: float, port: int, log: str = "") -> None:
    """Answer until killed; prints the port it listens on.

    ``log`` is a file to which each request is added: when it came, when it was answered (in seconds), and its path.
    """
    log_file = Path(log).open("a", buffering=1) if log else None  # noqa: ASYNC230, SIM115 - open until killed

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                started = time.monotonic()
                path, headers = parse_headers(head)
                received = await reader.readexactly(int(headers.get("content-length", 0)))
                status, fields, body = respond(path, headers, received)
                await asyncio.sleep(delay)
                writer.write(b"HTTP/1.1 %d Said\r\n%sContent-Length: %d\r\n\r\n" % (status, fields, len(body)) + body)
                await writer.drain()
                if log_file is not None:
                    log_file.write(f"{started:.6f} {time.monotonic():.6f} {path}\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import services

    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", default="")
    parser.add_argument("--real", action="store_true", help="bodies as large as real ones, and compressed")
    options = parser.parse_args()
    bodies.real = options.real
    asyncio.run(serve(options.delay, options.port, options.log))
