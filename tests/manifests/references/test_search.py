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


def names_of(root: Path, files: dict[str, str], cache: DictCache | None = None) -> list[tuple[str, str, str]]:
    found = search_references(write(root, files), cache, root)
    return [(item.name, item.certainty, item.location.path) for item in found.references]


def test_a_constant_of_another_module_of_the_project_is_followed(tmp_path: Path) -> None:
    loader = "from transformers import AutoModel\nfrom {} import {}\nAutoModel.from_pretrained({}, revision='v1')\n"
    files = {
        "app/config.py": 'MODEL_ID = "acme/constant"\nclass Settings:\n    model: str = "acme/setting"\n'
        "settings = Settings()\n",
        "app/names.py": "from .config import MODEL_ID as MODEL\n",
        "app/relative.py": loader.format(".config", "MODEL_ID", "MODEL_ID"),
        "app/absolute.py": loader.format("app.config", "MODEL_ID", "MODEL_ID"),
        "app/through.py": loader.format("app.names", "MODEL", "MODEL"),
        "app/module.py": loader.format("app", "config", "config.MODEL_ID"),
        "app/settings.py": loader.format("app.config", "settings", "settings.model"),
        "app/other.py": loader.format("elsewhere.config", "MODEL_ID", "MODEL_ID"),
    }
    expected = [
        ("acme/constant", "certain", "app/absolute.py"),
        ("acme/constant", "certain", "app/module.py"),
        ("acme/constant", "certain", "app/relative.py"),
        ("acme/setting", "likely", "app/settings.py"),
        ("acme/constant", "certain", "app/through.py"),
    ]
    assert names_of(tmp_path, files) == expected
    assert {item.revision for item in search_references(write(tmp_path, files), root=tmp_path).references} == {"v1"}


def test_what_is_kept_of_a_file_holds_nothing_of_the_modules_that_it_imports(tmp_path: Path) -> None:
    loader = "from datasets import load_dataset\nimport config\nload_dataset(config.DATA)\n"
    cache = DictCache()
    assert names_of(tmp_path, {"config.py": "DATA = 'acme/old'\n", "a.py": loader}, cache)[0][0] == "acme/old"
    assert names_of(tmp_path, {"config.py": "DATA = 'acme/new'\n", "a.py": loader}, cache)[0][0] == "acme/new"
    assert search_references([("a.py", tmp_path / "a.py")], cache, tmp_path).cached_count == 1


def test_modules_outside_of_the_project_and_in_a_circle_are_not_followed(tmp_path: Path) -> None:
    loader = "from transformers import AutoModel\nfrom {} import MODEL\nAutoModel.from_pretrained(MODEL)\n"
    outside = tmp_path / "outside"
    project = tmp_path / "project"
    write(outside, {"secret.py": 'MODEL = "acme/outside"\n'})
    project.mkdir()
    (project / "link.py").symlink_to(outside / "secret.py")
    files = {
        "a.py": loader.format("link"),
        "b.py": loader.format("..outside.secret"),
        "c.py": loader.format("one"),
        "one.py": "from two import MODEL\n",
        "two.py": "from one import MODEL\n",
    }
    assert names_of(project, files) == []
