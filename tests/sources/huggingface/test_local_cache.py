"""The cache of the Hub's client: which commit is in use on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nerq_cli.hub_facts import HubKind
from nerq_cli.sources.huggingface.local_cache import find_cache_directory, find_cached_revision

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    add(tmp_path, "models--org--demo")
    return tmp_path


def add(cache: Path, folder: str, *, reference: str = "main", commit: str = SHA) -> None:
    path = cache / folder / "refs" / reference
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(commit)
    (cache / folder / "snapshots" / SHA).mkdir(parents=True, exist_ok=True)


def test_the_commit_of_a_branch_a_tag_or_itself_is_found(cache: Path) -> None:
    add(cache, "models--org--demo", reference="refs/pr/1")
    for revision in ("", "main", "refs/pr/1", SHA, SHA.upper()):
        assert find_cached_revision("model", "org/demo", revision, cache) == SHA
    assert find_cached_revision("model", "org/demo", "v1", cache) == ""
    assert find_cached_revision("model", "org/demo", "f" * 40, cache) == ""


@pytest.mark.parametrize(
    ("kind", "name", "folder"),
    [
        ("model", "gpt2", "models--gpt2"),
        ("dataset", "a/b", "datasets--a--b"),
        ("space", "a/b", "spaces--a--b"),
        ("kernel", "a/b", "kernels--a--b"),
    ],
)
def test_each_kind_has_its_folders(cache: Path, kind: HubKind, name: str, folder: str) -> None:
    assert find_cached_revision(kind, name, "main", cache) == ""
    add(cache, folder)
    assert find_cached_revision(kind, name, "main", cache) == SHA


@pytest.mark.parametrize(
    "name", ["", "org--demo", "../cache/models--org--demo", "org/../demo", "org/demo\x00", "a/b/c"]
)
def test_a_name_that_would_be_another_folder_is_not_looked_for(cache: Path, name: str) -> None:
    assert find_cached_revision("model", name, "main", cache) == ""


@pytest.mark.parametrize("revision", ["../main", "/etc/passwd", "main/../main", "a\x00b", "x" * 300, "main/x"])
def test_a_revision_that_is_none_is_not_looked_for(cache: Path, revision: str) -> None:
    assert find_cached_revision("model", "org/demo", revision, cache) == ""


@pytest.mark.parametrize("content", ["", "main", SHA[:39], f"{SHA}x", f"../../{SHA}", "\xff"])
def test_a_file_without_a_commit_is_none(cache: Path, content: str) -> None:
    (cache / "models--org--demo" / "refs" / "main").write_text(content, encoding="latin-1")
    assert find_cached_revision("model", "org/demo", "main", cache) == ""


def test_a_commit_whose_files_are_not_there_is_not_in_use(cache: Path) -> None:
    (cache / "models--org--demo" / "snapshots" / SHA).rmdir()
    assert find_cached_revision("model", "org/demo", "main", cache) == ""
    (cache / "models--org--demo" / "snapshots").rmdir()
    assert find_cached_revision("model", "org/demo", SHA, cache) == ""


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
@pytest.mark.parametrize("linked", ["", "refs", "refs/main", "snapshots", f"snapshots/{SHA}"])
def test_links_are_not_followed(cache: Path, tmp_path: Path, linked: str) -> None:
    path = cache / "models--org--demo" / linked
    target = tmp_path / "elsewhere"
    path.rename(target)
    path.symlink_to(target)
    assert find_cached_revision("model", "org/demo", "main", cache) == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_is_not_waited_for(cache: Path) -> None:
    path = cache / "models--org--demo" / "refs" / "main"
    path.unlink()
    os.mkfifo(path)
    assert find_cached_revision("model", "org/demo", "main", cache) == ""


def test_a_folder_that_is_none_or_cannot_be_read_has_none(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert find_cached_revision("model", "org/demo", "main", file) == ""
    assert find_cached_revision("model", "org/demo", "main", tmp_path / "none") == ""
    (cache / "models--org--demo" / "refs" / "dir").mkdir()
    assert find_cached_revision("model", "org/demo", "dir", cache) == ""


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({}, "/home/u/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        ({"HF_HOME": "/h", "XDG_CACHE_HOME": "/c"}, "/h/hub"),
        ({"HF_HOME": "~/h"}, "/home/u/h/hub"),
        ({"HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/h"}, "/old"),
        ({"HF_HUB_CACHE": "/new", "HUGGINGFACE_HUB_CACHE": "/old"}, "/new"),
        ({"HF_HUB_CACHE": " "}, "/home/u/.cache/huggingface/hub"),
    ],
)
def test_the_folder_is_where_the_client_has_it(environ: dict[str, str], path: str) -> None:
    assert find_cache_directory(environ, Path("/home/u")) == Path(path)
