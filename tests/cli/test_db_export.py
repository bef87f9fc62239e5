"""``nerq db export``, and what reads its files: ``nerq db import`` and ``nerq db update --from-index``."""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AS_OF = ("--as-of", "2026-11-21")
NAME = "nerq-advisories"
WHEEL = "nerq_advisories-2026.11.20-py3-none-any.whl"
JSON_FORM = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
Nerq = Callable[..., Any]


def record(identifier: str, modified: str = "2026-11-20T00:00:00Z") -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]
    affected = [{"package": {"ecosystem": "PyPI", "name": "demo"}, "ranges": ranges}]
    label = {"severity": "HIGH"}
    times = {"modified": modified, "published": "2024-01-01T00:00:00Z"}
    return {"id": identifier, **times, "affected": affected, "database_specific": label}


@pytest.fixture
def other_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Go to a machine without a cache."""

    def go() -> None:
        monkeypatch.setenv("NERQ_CACHE_DIR", str(tmp_path / "other" / "cache"))

    return go


@pytest.fixture
def filled(nerq: Nerq, tmp_path: Path) -> Callable[..., None]:
    """Fill the database."""

    def fill(*records: dict[str, Any]) -> None:
        folder = tmp_path / "records"
        folder.mkdir()
        for row in records or (record("GHSA-1"),):
            (folder / f"{row['id']}.json").write_text(json.dumps(row))
        assert nerq("db", "import", str(folder)).status == 0

    return fill


@pytest.fixture
def wheel(nerq: Nerq, filled: Callable[..., None], tmp_path: Path) -> bytes:
    """A wheel of a filled database, written by the command."""
    filled()
    assert nerq("db", "export", "--wheel", str(tmp_path / "dist")).status == 0
    return (tmp_path / "dist" / WHEEL).read_bytes()


def serve(
    site: Any, content: bytes, filename: str = WHEEL, *, digest: str | None = "", prefix: str = "", **fields: Any
) -> None:
    """Let an index offer a wheel, by default with its own hash."""
    hashes = {} if digest is None else {"sha256": digest or hashlib.sha256(content).hexdigest()}
    file = {"filename": filename, "url": f"../../files/{filename}", "hashes": hashes, **fields}
    body = {"meta": {"api-version": "1.1"}, "name": NAME, "files": [file]}
    site.on(f"{prefix}/simple/{NAME}/", {"headers": JSON_FORM, "body": body})
    site.on(f"{prefix}/files/{filename}", {"body": content})


def test_an_exported_database_gives_another_machine_the_same_verdicts(
    nerq: Nerq, registry: Any, services: Any, project: Path, tmp_path: Path, filled: Any, other_machine: Any
) -> None:
    services.silent()
    registry.pypi("demo", "1.0", "2.0")
    (project / "requirements.txt").write_text("demo==1.0\n")
    filled()
    before = nerq("scan", *AS_OF, "--format", "json").json
    result = nerq("db", "export", str(tmp_path / "advisories.zip"))
    assert (result.status, result.out) == (
        0,
        f"PyPI: 1 advisory exported\nwritten to {tmp_path / 'advisories.zip'}\n",
    )
    other_machine()
    assert nerq("db", "import", str(tmp_path / "advisories.zip")).out == "PyPI: 1 advisory imported\n"
    after = nerq("scan", *AS_OF, "--format", "json").json
    assert [row["id"] for row in after["dependencies"][0]["advisories"]] == ["GHSA-1"]
    keys = ("state", "provisional", "score", "score_range", "caps", "advisories", "fix")
    verdicts = [{key: report["dependencies"][0][key] for key in keys} for report in (before, after)]
    assert verdicts[0] == verdicts[1]
    names = ("name", "state", "oldest_response")
    described = [[[row[name] for name in names] for row in report["sources"]] for report in (before, after)]
    assert [row for row in described[0] if "database" in row[0]] == [
        row for row in described[1] if "database" in row[0]
    ]


def test_an_export_needs_a_place_and_a_database(nerq: Nerq, tmp_path: Path) -> None:
    assert "needs a FILE or --wheel DIR" in nerq("db", "export").err
    assert nerq("db", "export", "a.zip", "--wheel", ".").status == 2


@pytest.mark.parametrize("arguments", [("a.zip",), ("--wheel", "dist")])
def test_without_a_database_of_its_own_there_is_nothing_to_export(
    nerq: Nerq, project: Path, arguments: tuple[str, ...]
) -> None:
    assert "shipped with nerq-cli: " in nerq("db", "status").out
    result = nerq("db", "export", *arguments)
    assert (result.status, result.out) == (2, "")
    assert "the advisory database is empty: nothing to export" in result.err
    assert "nerq db update or nerq db import fills it" in result.err
    assert not (project / arguments[-1]).exists()


def test_what_a_link_leads_to_is_written_and_a_pipe_stays_a_pipe(
    nerq: Nerq, filled: Callable[..., None], tmp_path: Path
) -> None:
    filled()
    (tmp_path / "link.zip").symlink_to(tmp_path / "target.zip")
    assert nerq("db", "export", str(tmp_path / "link.zip")).status == 0
    assert (tmp_path / "link.zip").is_symlink()
    assert zipfile.is_zipfile(tmp_path / "target.zip")
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    assert nerq("db", "export", str(tmp_path / "pipe")).status == 0
    reader.join(timeout=30)
    assert (tmp_path / "pipe").is_fifo()
    assert zipfile.is_zipfile(io.BytesIO(read[0]))


@pytest.mark.parametrize("path", [".", "", "/", "folder"])
def test_a_directory_is_no_file_to_write(nerq: Nerq, filled: Callable[..., None], project: Path, path: str) -> None:
    filled()
    (project / "folder").mkdir()
    result = nerq("db", "export", path)
    assert (result.status, result.out) == (2, "")
    assert "it is a directory" in result.err


@pytest.mark.parametrize("name", ["../x", "no such", ""])
def test_what_is_no_name_is_not_sent_to_the_index(nerq: Nerq, registry: Any, name: str) -> None:
    result = nerq("db", "update", "--from-index", name)
    assert result.status == 2
    assert "is no name of a package" in result.err
    assert registry.site.requests == []


def test_an_exported_database_is_imported_alone(nerq: Nerq, wheel: bytes, tmp_path: Path) -> None:
    path = tmp_path / "dist" / WHEEL
    assert nerq("db", "import", str(path), "-e", "npm").status == 2
    assert "alone and without --add" in nerq("db", "import", str(path), "--add").err
    assert "alone and without --add" in nerq("db", "import", str(path), str(path)).err
    assert nerq("db", "import", str(path)).out == "PyPI: 1 advisory imported\n"


@pytest.mark.parametrize("form", ["json", "html"])
def test_an_update_takes_the_newest_wheel_from_the_index_of_the_user(
    nerq: Nerq, registry: Any, wheel: bytes, other_machine: Any, form: str
) -> None:
    serve(registry.site, wheel)
    if form == "html":
        digest = hashlib.sha256(wheel).hexdigest()
        links = [
            "<a href='../../files/nerq_advisories-2026.1.1-py3-none-any.whl#sha256=00'>old</a>",
            f"<a href='../../files/{WHEEL}#sha256={digest}'>{WHEEL}</a>",
            "<a href='../../files/nerq_advisories-2027.1.1-py3-none-any.whl#sha256=00' data-yanked=''>yanked</a>",
            "<a href='../../files/nerq_advisories-2027.1.1.tar.gz#sha256=00'>sdist</a>",
            "<a href='../../files/nerq_advisories-2027.1.1-py3-none-linux_x86_64.whl#sha256=00'>compiled</a>",
        ]
        page = f"<!doctype html><html><body>{''.join(links)}</body></html>".encode()
        registry.site.on(f"/simple/{NAME}/", {"headers": {"Content-Type": "text/html"}, "body": page})
    other_machine()
    result = nerq("db", "update", "--from-index", NAME)
    assert (result.status, result.err) == (0, "")
    assert result.out == f"PyPI: 1 advisory from {WHEEL} of {registry.site.host}\n"
    assert "newest    2026-11-20T00:00:00Z" in nerq("db", "status").out
    assert nerq("db", "update", "--from-index", NAME).out.startswith("PyPI: unchanged")
    assert nerq("db", "update", "--from-index", NAME, "--full").out.startswith("PyPI: 1 advisory from")
    assert [path.rpartition("/")[2] for path in registry.paths if "files" in path] == [WHEEL] * 3


def test_an_older_wheel_does_not_replace_a_newer_database(
    nerq: Nerq, registry: Any, wheel: bytes, other_machine: Any, tmp_path: Path
) -> None:
    serve(registry.site, wheel)
    other_machine()
    (tmp_path / "newer.json").write_text(json.dumps(record("GHSA-2", "2026-11-22T00:00:00Z")))
    nerq("db", "import", str(tmp_path / "newer.json"))
    assert "unchanged" in nerq("db", "update", "--from-index", NAME).out
    assert "newest    2026-11-22T00:00:00Z" in nerq("db", "status").out


def test_a_further_index_of_the_user_comes_first_and_gets_its_own_password_alone(
    nerq: Nerq,
    site: Any,
    services_site: Any,
    wheel: bytes,
    other_machine: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve(services_site, wheel, prefix="/company")
    monkeypatch.delenv("NERQ_PYPI_URL", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"http://ann:secret@{services_site.host}/company/simple/")
    other_machine()
    result = nerq("db", "update", "--from-index", NAME)
    assert result.status == 0
    assert WHEEL in result.out
    assert not site.requests
    assert "secret" not in result.out + result.err + nerq("db", "status").out
    asked = [row for row in services_site.requests if row.path.startswith("/company")]
    assert len(asked) == 2
    assert all("Basic" in str(row.headers) for row in asked)


def evil(wheel: bytes, tmp_path: Path, name: str, content: bytes) -> bytes:
    path = tmp_path / "evil.whl"
    path.write_bytes(wheel)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../../../outside.txt", "does not belong in an exported database"),
        ("nerq_advisories/__init__.py", "does not belong in an exported database"),
        ("nerq_advisories/Go.records", "does not belong in an exported database"),
    ],
)
def test_a_hostile_wheel_is_refused_and_changes_nothing(
    nerq: Nerq, registry: Any, wheel: bytes, tmp_path: Path, other_machine: Any, name: str, words: str
) -> None:
    serve(registry.site, evil(wheel, tmp_path, name, b"raise SystemExit('executed')"))
    other_machine()
    result = nerq("db", "update", "--from-index", NAME)
    assert result.status == 2
    assert words in " ".join(result.err.split())
    assert "advisory database is empty" in nerq("db", "status").out
    assert not [path for path in tmp_path.rglob("*") if path.name in ("outside.txt", "__init__.py")]
    assert not list((tmp_path / "other").rglob("*.part*"))


def test_what_is_no_wheel_of_advisories_is_refused(
    nerq: Nerq, registry: Any, wheel: bytes, tmp_path: Path, other_machine: Any
) -> None:
    other_machine()
    with zipfile.ZipFile(tmp_path / "demo.whl", "w") as archive:
        archive.writestr("demo-1.0.dist-info/METADATA", "Name: demo")
    for content in (b"no zip", (tmp_path / "demo.whl").read_bytes(), wheel[:-100]):
        serve(registry.site, content)
        result = nerq("db", "update", "--from-index", NAME)
        assert result.status == 2, result
        assert "Traceback" not in result.err
    assert "advisory database is empty" in nerq("db", "status").out


def test_another_file_than_the_index_states_is_refused(
    nerq: Nerq, registry: Any, wheel: bytes, other_machine: Any
) -> None:
    other_machine()
    serve(registry.site, wheel, digest="0" * 64)
    result = nerq("db", "update", "--from-index", NAME)
    assert result.status == 3
    assert "is not the file that the index states" in result.err
    serve(registry.site, wheel, digest=None)
    result = nerq("db", "update", "--from-index", NAME)
    assert result.status == 2
    assert "states no SHA-256" in result.err
    assert "advisory database is empty" in nerq("db", "status").out


def test_an_index_that_has_no_such_package_or_no_answer_is_named(nerq: Nerq, registry: Any, wheel: bytes) -> None:
    result = nerq("db", "update", "--from-index", NAME)
    assert result.status == 3
    assert f"no package {NAME}" in result.err
    registry.site.on(f"/simple/{NAME}/", {"status": 401})
    assert "check the credentials" in nerq("db", "update", "--from-index", NAME).err
    serve(registry.site, wheel, "nerq_advisories-2026.11.20-cp311-cp311-linux_x86_64.whl")
    assert "no wheel of nerq-advisories for every platform" in nerq("db", "update", "--from-index", NAME).err


def test_a_wheel_is_not_read_beyond_the_size_that_is_accepted(
    nerq: Nerq, registry: Any, wheel: bytes, monkeypatch: pytest.MonkeyPatch, other_machine: Any
) -> None:
    from nerq_cli.sources.registries import wheel_index

    other_machine()
    monkeypatch.setattr(wheel_index, "_MAX_WHEEL_BYTES", 100)
    serve(registry.site, wheel)
    assert "is larger than" in nerq("db", "update", "--from-index", NAME).err


def test_a_configuration_without_an_index_is_an_error(
    nerq: Nerq, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    monkeypatch.delenv("NERQ_PYPI_URL", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", str(project))
    result = nerq("db", "update", "--from-index", NAME)
    assert result.status == 2
    assert "names no package index" in result.err
