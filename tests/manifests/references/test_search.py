"""Searches over many files."""

from __future__ import annotations

from pathlib import Path

from nerq_cli.manifests.references.find import has_reader
from nerq_cli.manifests.references.search import compute_digest, search_references


class DictCache(dict[str, bytes]):
    def put(self, digest: str, packed: bytes) -> None:
        self[digest] = packed


CALL = "from transformers import AutoModel\nAutoModel.from_pretrained({!r})\n"


def write(root: Path, files: dict[str, str]) -> list[tuple[str, Path]]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return [(name, root / name) for name in files]


def test_references_of_files_are_sorted_and_skipped_files_counted(tmp_path: Path) -> None:
    files = write(
        tmp_path, {"b.py": CALL.format("acme/b"), "a.py": CALL.format("acme/a"), "c.py": CALL.format("a/b") + "("}
    )
    found = search_references([*files, ("gone.py", tmp_path / "gone.py"), ("x.txt", tmp_path / "x.txt")])
    assert [item.name for item in found.references] == ["acme/a", "acme/b"]
    assert (found.file_count, found.skipped_count) == (4, 2)
    assert [item.path for item in found.skipped] == ["c.py", "gone.py"]


def test_what_was_found_is_kept_by_content(tmp_path: Path) -> None:
    cache = DictCache()
    files = write(tmp_path, {"a.py": CALL.format("acme/a"), "b.py": CALL.format("acme/a"), "c.py": "x = (transformers"})
    first = search_references(files, cache)
    second = search_references(files, cache)
    assert second.cached_count == 3
    assert first.references == second.references
    assert {item.location.path for item in second.references} == {"a.py", "b.py"}


def test_a_damaged_entry_of_the_cache_is_not_used(tmp_path: Path) -> None:
    files = write(tmp_path, {"a.py": CALL.format("acme/a")})
    cache = DictCache({compute_digest("python", (tmp_path / "a.py").read_bytes()): b"\xc1"})
    assert [item.name for item in search_references(files, cache).references] == ["acme/a"]


def test_a_directory_of_the_project_is_no_repository(tmp_path: Path) -> None:
    files = write(tmp_path, {"src/a.py": CALL.format("acme/a") + "AutoModel.from_pretrained('acme/b')\n"})
    (tmp_path / "acme" / "a").mkdir(parents=True)
    found = search_references(files, root=tmp_path)
    assert [item.name for item in found.references] == ["acme/b"]


def test_only_files_with_a_reader_are_searched() -> None:
    assert has_reader("src/A.PY")
    assert has_reader("deploy/Dockerfile.gpu")
    assert not has_reader("image.png")
    assert not has_reader("package-lock.json")
