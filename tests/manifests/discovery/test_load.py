from __future__ import annotations

import codecs
import gc
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerq_cli.errors import NothingToScanError, UsageError
from nerq_cli.inventory import DependencyFile, Include
from nerq_cli.manifests.discovery import gitignore
from nerq_cli.manifests.discovery.find import find_dependency_files
from nerq_cli.manifests.discovery.include_graph import IncludeEdge, connected_groups, find_cycles
from nerq_cli.manifests.discovery.load import load_dependency_files
from nerq_cli.manifests.discovery.walk import MAX_DEPTH
from nerq_cli.manifests.formats import FORMATS, detect_format
from nerq_cli.manifests.python import requirements
from nerq_cli.manifests.read_file import MAX_BYTES, CannotReadError, decode_text, read_bytes
from nerq_cli.problem import Problem

Project = Callable[[Mapping[str, str | bytes]], Path]


def paths(manifests: tuple[DependencyFile, ...]) -> list[str]:
    return [manifest.path for manifest in manifests]


def names(manifest: DependencyFile) -> list[str]:
    return [item.name for item in manifest.declarations]


def problem(manifests: tuple[DependencyFile, ...]) -> Problem:
    [only] = [problem for manifest in manifests for problem in manifest.problems]
    return only


# --- The table of formats --------------------------------------------------------------------------------------------


def test_every_reader_is_called_what_the_table_calls_it() -> None:
    assert [file_format.reader.NAME for file_format in FORMATS.values()] == list(FORMATS)
    assert all(file_format.ecosystems for file_format in FORMATS.values())


def test_every_reader_in_the_room_is_in_the_table() -> None:
    root = Path(gitignore.__file__).parents[1]
    readers = {
        ".".join(("nerq_cli", "manifests", *file.relative_to(root).with_suffix("").parts))
        for file in root.glob("*/*.py")
        if "\ndef matches(" in file.read_text(encoding="utf-8")
    }
    assert readers == {one.module for one in FORMATS.values()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("requirements.txt", "requirements"),
        ("Requirements-Dev.TXT", "requirements"),
        ("requirements/x.in", "requirements"),
        ("pyproject.toml", "pyproject"),
        ("package.json", "package.json"),
        ("other.toml", ""),
        ("package-lock.json", "package-lock.json"),
        ("npm-shrinkwrap.json", "package-lock.json"),
        (".package-lock.json", ""),
        ("Pipfile", "Pipfile"),
        ("Pipfile.lock", "Pipfile.lock"),
        ("poetry.lock", "poetry.lock"),
        ("uv.lock", "uv.lock"),
        ("pdm.lock", "pdm.lock"),
        ("pylock.dev.toml", "pylock.toml"),
        ("yarn.lock", "yarn.lock"),
        ("pnpm-lock.yaml", "pnpm-lock.yaml"),
        ("bun.lock", "bun.lock"),
        ("Cargo.lock", ""),
        ("notes.txt", ""),
    ],
)
def test_a_file_is_known_by_its_name(name: str, expected: str) -> None:
    assert detect_format(PurePosixPath("x") / name) == expected


def test_readers_are_imported_when_a_file_of_theirs_turns_up(project: Project) -> None:
    project({"requirements.txt": "requests\n", "notes.md": ""})
    script = (
        "import sys; from nerq_cli.manifests.discovery.load import load_dependency_files; load_dependency_files(['.']);"
        "print(*(name in sys.modules for name in ('nerq_cli.manifests.python.requirements',"
        " 'nerq_cli.manifests.python.pyproject', 'nerq_cli.manifests.npm.package_json',"
        " 'pathspec', 'pip_requirements_parser')))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)  # noqa: S603 - ours
    assert done.stdout.split() == ["True", "False", "False", "False", "False"]


# --- Paths -----------------------------------------------------------------------------------------------------------


def test_a_directory_is_searched_in_a_stable_order(project: Project) -> None:
    project(
        {
            "b/package.json": "{}",
            "requirements.txt": "",
            "a/requirements/dev.txt": "",
            "a/z/pyproject.toml": "",
            "a/requirements.txt": "",
            "pyproject.toml": "",
            "README.md": "",
        }
    )
    assert paths(load_dependency_files(["."])) == [
        "pyproject.toml",
        "requirements.txt",
        "a/requirements.txt",
        "a/requirements/dev.txt",
        "a/z/pyproject.toml",
        "b/package.json",
    ]


def test_paths_are_read_in_the_order_they_are_given(project: Project) -> None:
    project({"b.in": "", "a/requirements.txt": "", "pyproject.toml": ""})
    assert paths(load_dependency_files(["b.in", "a", "pyproject.toml"])) == [
        "b.in",
        "a/requirements.txt",
        "pyproject.toml",
    ]


def test_paths_below_the_current_directory_are_shown_relative_to_it(project: Project) -> None:
    home = project({"app/requirements.txt": "requests", "app/x": ""})
    for given_path in ("app/requirements.txt", "./app/../app/requirements.txt", str(home / "app"), "app/", str(home)):
        [manifest] = load_dependency_files([given_path])
        assert manifest.path == "app/requirements.txt"
        assert manifest.declarations[0].location.path == "app/requirements.txt"


def test_paths_elsewhere_are_shown_as_given(project: Project) -> None:
    home = project({"inner/x": "", "../other/requirements.txt": "-r more/x.txt", "../other/more/x.txt": "a=1"})
    assert paths(load_dependency_files(["../other"])) == ["../other/requirements.txt", "../other/more/x.txt"]
    assert paths(load_dependency_files([str(home.parent / "other")])) == [
        f"{home.parent}/other/requirements.txt",
        f"{home.parent}/other/more/x.txt",
    ]


def test_paths_can_be_relative_to_another_directory(project: Project) -> None:
    home = project({"app/requirements.txt": "requests"})
    assert paths(load_dependency_files(["requirements.txt"], root=home / "app")) == ["requirements.txt"]
    assert [one.path for one in find_dependency_files(["."], root=home / "app")] == ["requirements.txt"]


def test_each_file_is_read_once(project: Project) -> None:
    home = project({"requirements.txt": "-r base.txt\n-c base.txt\n", "base.txt": "requests"})
    (home / "requirements-link.txt").symlink_to("requirements.txt")
    manifests = load_dependency_files([".", "requirements.txt", "base.txt", "./base.txt"], as_format="requirements")
    assert [names(manifest) for manifest in manifests] == [[], ["requests"]]


@pytest.mark.parametrize(
    ("name", "link", "kept"),
    [
        ("requirements.txt", "constraints.txt", "requirements.txt"),
        ("constraints.txt", "requirements.txt", "requirements.txt"),
        ("requirements.txt", "requirements-dev.txt", "requirements.txt"),
    ],
)
def test_a_link_moves_nothing_into_another_group(project: Project, name: str, link: str, kept: str) -> None:
    home = project({name: "requests"})
    (home / link).symlink_to(name)
    [manifest] = load_dependency_files(["."])
    assert (manifest.path, [item.group for item in manifest.declarations]) == (kept, ["main"])


def test_a_path_that_does_not_exist_is_a_usage_error(project: Project) -> None:
    project({})
    for path in ("nowhere", "nowhere/requirements.txt", "a\x00b"):
        with pytest.raises(UsageError, match="no such file or directory"):
            load_dependency_files([path])


def test_nothing_found_says_where_it_looked_and_for_what(project: Project) -> None:
    project({"src/main.py": "", "docs/notes.txt": ""})
    with pytest.raises(NothingToScanError, match=r"no dependency file in src, docs$") as caught:
        load_dependency_files(["src", "docs"])
    assert "pyproject.toml" in caught.value.hint
    with pytest.raises(NothingToScanError):
        load_dependency_files([])


def test_a_file_of_no_known_format_is_a_problem(project: Project) -> None:
    project({"deps.lst": "requests"})
    found = problem(load_dependency_files(["deps.lst"]))
    assert found.message == "not a dependency file of a known format"
    assert "package.json" in found.hint
    assert "--as" in found.hint


@pytest.mark.parametrize("name", ["requirements", "requirements.txt", "dev.in"])
def test_a_file_can_be_read_as_another_format(project: Project, name: str) -> None:
    project({"deps.lst": "requests", "sub/pyproject.toml": ""})
    manifests = load_dependency_files(["deps.lst", "sub"], as_format=name)
    assert [manifest.format for manifest in manifests] == ["requirements", "pyproject"]
    assert names(manifests[0]) == ["requests"]


def test_a_source_for_pip_compile_may_be_called_anything_when_it_is_named(project: Project) -> None:
    project({"web.in": "requests", "requirements.txt": ""})
    assert paths(load_dependency_files(["web.in"])) == ["web.in"]
    assert paths(load_dependency_files(["."])) == ["requirements.txt"]


def test_a_format_that_does_not_exist_is_a_usage_error(project: Project) -> None:
    project({"requirements.txt": ""})
    with pytest.raises(UsageError, match=r"Cargo.toml: no such format"):
        load_dependency_files(["requirements.txt"], as_format="Cargo.toml")
    with pytest.raises(UsageError, match=r"x: no such format"):
        load_dependency_files(["-"], stdin=bytes, stdin_as="x")


# --- Standard input --------------------------------------------------------------------------------------------------


def test_standard_input_is_read_as_what_it_is_said_to_be(project: Project) -> None:
    project({"base.txt": "flask"})
    first, second = load_dependency_files(["-", "-"], stdin=lambda: b"requests==1\n-r base.txt")
    assert (first.path, names(first)) == ("<stdin>", ["requests"])
    assert (second.path, names(second)) == ("base.txt", ["flask"])
    [manifest] = load_dependency_files(
        ["-"], stdin=lambda: b'{"dependencies": {"lodash": "4"}}', stdin_as="package.json"
    )
    assert (manifest.format, names(manifest)) == ("package.json", ["lodash"])


def test_standard_input_is_the_real_one_unless_another_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"requests")))
    assert names(load_dependency_files(["-"])[0]) == ["requests"]


def test_too_much_standard_input_is_a_problem() -> None:
    assert problem(load_dependency_files(["-"], stdin=lambda: bytes(MAX_BYTES + 1))).message.startswith("too large")


def test_standard_input_that_cannot_be_read_is_a_problem() -> None:
    def refuse() -> bytes:
        raise OSError(5, "Input/output error")

    assert problem(load_dependency_files(["-"], stdin=refuse)).message == "cannot be read: input/output error"


def test_no_standard_input_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert problem(load_dependency_files(["-"])).message == "there is no standard input"


# --- What a search leaves out ----------------------------------------------------------------------------------------


def test_installed_packages_and_caches_are_not_searched(project: Project) -> None:
    project(
        {
            "requirements.txt": "",
            "node_modules/x/package.json": "{}",
            ".venv/requirements.txt": "",
            "env/pyvenv.cfg": "",
            "env/requirements.txt": "",
            "conda/conda-meta/history": "",
            "conda/requirements.txt": "",
            "lib/site-packages/requirements.txt": "",
            ".tox/requirements.txt": "",
            ".nox/requirements.txt": "",
            ".git/requirements.txt": "",
            ".hg/requirements.txt": "",
            "a/__pycache__/requirements.txt": "",
            "dist/requirements.txt": "",
        }
    )
    assert paths(load_dependency_files(["."])) == ["requirements.txt", "dist/requirements.txt"]


def test_what_is_named_is_searched_even_so(project: Project) -> None:
    project({"env/pyvenv.cfg": "", "env/requirements.txt": "", ".git/x": "", ".gitignore": "env/\n"})
    assert paths(load_dependency_files(["env"])) == ["env/requirements.txt"]
    assert paths(load_dependency_files(["env/requirements.txt"])) == ["env/requirements.txt"]


def test_what_git_ignores_is_left_out_as_the_files_nest(project: Project) -> None:
    project(
        {
            ".gitignore": "dist/\n*-local.txt\n/build\n# note\n\n!\n[z-a]\nrequirements[[]x].txt\n",
            "requirements.txt": "",
            "requirements-local.txt": "",
            "dist/requirements.txt": "",
            "build/requirements.txt": "",
            "app/build/requirements.txt": "",
            "app/.gitignore": "!requirements-local.txt\nrequirements.txt\n",
            "app/requirements-local.txt": "",
            "app/requirements.txt": "",
            "app/deep/requirements.txt": "",
        }
    )
    assert paths(load_dependency_files(["."])) == ["requirements.txt", "app/requirements-local.txt"]


def test_ignore_files_above_apply_within_a_work_tree(project: Project) -> None:
    files = {".gitignore": "requirements-a.txt", "x/.gitignore": "requirements-b.txt", "x/y/requirements-a.txt": ""}
    project({**files, "x/y/requirements-b.txt": "", "x/y/requirements-c.txt": ""})
    assert len(load_dependency_files(["x/y"])) == 3
    project({".git/HEAD": ""})
    assert paths(load_dependency_files(["x/y"])) == ["x/y/requirements-c.txt"]


def test_the_exclude_file_of_a_repository_counts(project: Project) -> None:
    project({".git/info/exclude": "requirements-mine.txt", "requirements-mine.txt": "", "requirements.txt": ""})
    assert paths(load_dependency_files(["."])) == ["requirements.txt"]
    project({".gitignore": "!requirements-mine.txt"})
    assert paths(load_dependency_files(["."])) == ["requirements-mine.txt", "requirements.txt"]


def test_the_exclude_file_is_found_from_a_linked_work_tree_and_a_submodule(project: Project) -> None:
    project(
        {
            "main/.git/info/exclude": "requirements-a.txt",
            "main/.git/worktrees/x/commondir": "../..\n",
            "linked/.git": "gitdir: ../main/.git/worktrees/x\n",
            "linked/requirements-a.txt": "",
            "linked/requirements-b.txt": "",
            "module/.git": "gitdir: ../main/.git\n",
            "module/requirements-a.txt": "",
            "module/requirements-b.txt": "",
            "broken/.git": "gitdir: \x00\n",
            "broken/requirements-a.txt": "",
        }
    )
    assert paths(load_dependency_files(["linked", "module", "broken"])) == [
        "linked/requirements-b.txt",
        "module/requirements-b.txt",
        "broken/requirements-a.txt",
    ]


def test_a_repository_inside_another_has_rules_of_its_own(project: Project) -> None:
    project({".git/HEAD": "", ".gitignore": "requirements-x.txt", "in/.git/HEAD": "", "in/requirements-x.txt": ""})
    assert paths(load_dependency_files(["."])) == ["in/requirements-x.txt"]


def test_an_ignore_file_that_cannot_be_read_ignores_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    home = project({"requirements.txt": ""})
    (home / ".gitignore").symlink_to(".gitignore")
    assert paths(load_dependency_files(["."])) == ["requirements.txt"]
    (home / ".gitignore").unlink()
    project({".gitignore": "*"})

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert paths(load_dependency_files(["."])) == ["requirements.txt"]


def test_more_can_be_left_out(project: Project) -> None:
    home = project(
        {"requirements.txt": "", "a/b/requirements.txt": "", "a/requirements.txt": "", "b/package.json": "{}"}
    )
    project({"a/.gitignore": "!b/"})
    assert paths(load_dependency_files(["."], exclude=["b/"])) == ["requirements.txt", "a/requirements.txt"]
    assert paths(load_dependency_files(["a"], exclude=["a/b"])) == ["a/requirements.txt"]
    assert paths(load_dependency_files([".."], root=home / "a", exclude=["/project/b", "*.json"])) == [
        "../requirements.txt",
        "requirements.txt",
        "b/requirements.txt",
    ]
    assert paths(load_dependency_files(["b/package.json"], exclude=["*"])) == ["b/package.json"]


def test_links_to_directories_are_not_followed(project: Project) -> None:
    home = project({"app/requirements.txt": "", "../outside/requirements.txt": "", "requirements-x.txt/y": ""})
    (home / "app" / "loop").symlink_to(home)
    (home / "linked").symlink_to(home.parent / "outside")
    (home / "requirements.txt").symlink_to(home / "app")
    assert paths(load_dependency_files(["."])) == ["app/requirements.txt"]
    assert paths(load_dependency_files(["linked"])) == ["linked/requirements.txt"]


@pytest.mark.parametrize("name", ["requirements.txt", "package.json", "pylock.toml", "package-lock.json", "uv.lock"])
def test_a_file_that_links_out_of_the_project_is_a_problem_and_not_read(project: Project, name: str) -> None:
    home = project({"../secret": "TOKEN=hunter2"})
    (home / name).symlink_to(home.parent / "secret")
    found = problem(load_dependency_files(["."]))
    assert found == Problem(path=name, message="a link that leads out of the project: not followed")


@pytest.mark.parametrize(
    ("name", "text", "link"),
    [
        ("requirements.txt", "-r linked.txt\n", "linked.txt"),
        ("requirements.txt", "-c linked.txt\n", "linked.txt"),
        ("package.json", '{"workspaces": ["a"]}', "a/package.json"),
        ("package.json", '{"workspaces": ["a/*"]}', "a/b/package.json"),
        ("setup.cfg", "[options]\ninstall_requires = file: linked.txt\n", "linked.txt"),
        ("pyproject.toml", "[tool.setuptools.dynamic]\ndependencies = {file = 'linked.txt'}\n", "linked.txt"),
    ],
)
@pytest.mark.parametrize("target", ["secret", "pipe", "gone", os.devnull])
def test_an_included_file_that_links_out_of_the_project_is_a_problem_and_not_read(
    project: Project, name: str, text: str, link: str, target: str
) -> None:
    home = project({"../secret": "TOKEN=hunter2", name: text, f"{link}.txt": ""})
    if target == "pipe":
        os.mkfifo(home.parent / "pipe")
    (home / link).symlink_to(home.parent / target)
    found = [problem.message for file in load_dependency_files([name]) for problem in file.problems]
    assert found
    assert {message.partition(":")[0] for message in found} <= {
        "lies outside of the project",
        "a link that leads out of the project",
        "cannot be read",
    }


def test_the_lock_file_of_a_script_is_no_link_out_of_the_project(project: Project) -> None:
    home = project({"../secret": "TOKEN=hunter2", "tool.py": "# /// script\n# dependencies = []\n# ///\n"})
    (home / "tool.py.lock").symlink_to(home.parent / "secret")
    found = problem(load_dependency_files(["tool.py"]))
    assert found == Problem(path="tool.py.lock", message="a link that leads out of the project: not followed")


def test_directories_too_deep_are_a_problem(project: Project) -> None:
    home = project({"requirements.txt": ""})
    deepest = home.joinpath(*("d" for _ in range(MAX_DEPTH)))
    deepest.mkdir(parents=True)
    (deepest / "requirements.txt").touch()
    assert len(load_dependency_files(["."])) == 2
    (deepest / "d").mkdir()
    found = problem(load_dependency_files(["."]))
    assert found.message.startswith(f"more than {MAX_DEPTH} directories deep")
    assert found.path == "/".join("d" for _ in range(MAX_DEPTH))


def test_a_directory_that_cannot_be_searched_is_a_problem(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    home = project({"requirements.txt": "", "secret/requirements.txt": ""})
    listed = os.scandir

    def scandir(path: str) -> object:
        if path == str(home / "secret"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = problem(load_dependency_files(["."]))
    assert (found.path, found.message) == ("secret", "cannot be searched: permission denied")


# --- Opening ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such pipes here")
def test_a_pipe_is_a_problem_and_nobody_waits_for_it(project: Project) -> None:
    home = project({})
    os.mkfifo(home / "requirements.txt")
    found = problem(load_dependency_files(["."]))
    assert found.message == "is not a regular file"
    assert "nerq scan -" in found.hint
    assert problem(load_dependency_files(["requirements.txt"])) == found


def test_a_device_is_a_problem() -> None:
    with pytest.raises(CannotReadError, match="is not a regular file"):
        read_bytes(Path(os.devnull))


def test_what_cannot_be_opened_is_a_problem(project: Project) -> None:
    home = project({"pyproject.toml": ""})
    (home / "requirements.txt").symlink_to("gone.txt")
    (home / "requirements-loop.txt").symlink_to("requirements-loop.txt")
    messages = [problem.message for manifest in load_dependency_files(["."]) for problem in manifest.problems]
    assert messages == [
        "cannot be read: too many levels of symbolic links",
        "cannot be read: no such file or directory",
    ]


def test_a_file_that_may_not_be_read_is_a_problem(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project({"requirements.txt": "", "sub/pyproject.toml": ""})

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert [one.problems[0].message for one in load_dependency_files(["."])] == [
        "cannot be read: permission denied"
    ] * 2


def test_what_may_not_be_looked_at_is_taken_for_a_file(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project({"requirements.txt": ""})

    def refuse(*_: object, **__: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    assert problem(load_dependency_files(["requirements.txt"])).message == "cannot be read: permission denied"


def test_a_file_that_grows_while_it_is_read_is_too_large(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    home = project({"requirements.txt": ""})
    small = (home / "requirements.txt").stat()
    with (home / "requirements.txt").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert problem(load_dependency_files(["."])).message.startswith("too large")
    monkeypatch.setattr(Path, "stat", lambda *_, **__: small)
    monkeypatch.setattr(os, "fstat", lambda _: small)
    with pytest.raises(CannotReadError, match="too large"):
        read_bytes(home / "requirements.txt")


@pytest.mark.parametrize(
    "data",
    [
        "naïve".encode(),
        codecs.BOM_UTF8 + "naïve".encode(),
        codecs.BOM_UTF16_LE + "naïve".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "naïve".encode("utf-16-be"),
        codecs.BOM_UTF32_LE + "naïve".encode("utf-32-le"),
        codecs.BOM_UTF32_BE + "naïve".encode("utf-32-be"),
    ],
)
def test_byte_order_marks_tell_the_encoding(data: bytes) -> None:
    assert decode_text(data) == "naïve"


@pytest.mark.parametrize(
    "line", ["# -*- coding: latin-1 -*-\n", "#!x\n# vim: set fileencoding=latin-1 :\n", "\n  # coding=latin-1\n"]
)
def test_the_first_two_lines_may_name_the_encoding(line: str) -> None:
    assert decode_text(f"{line}naïve".encode("latin-1")) == f"{line}naïve"


@pytest.mark.parametrize("line", ["\n\n# coding: latin-1\n", "x # coding: latin-1\n", "# no coding here\n"])
def test_other_lines_do_not(line: str) -> None:
    with pytest.raises(CannotReadError, match="is not UTF-8 text"):
        decode_text(f"{line}naïve".encode("latin-1"))


def test_bytes_in_another_encoding_are_a_problem_at_their_line(project: Project) -> None:
    project({"requirements.txt": "a\nb # naïve\n".encode("latin-1")})
    found = problem(load_dependency_files(["."]))
    assert (found.message, found.line) == ("is not UTF-8 text", 2)


@pytest.mark.parametrize(("name", "count"), [("requirements.txt", 1), ("setup.py", 1), ("package.json", 0)])
def test_only_formats_with_an_encoding_comment_suggest_one(project: Project, name: str, count: int) -> None:
    project({name: b"\xff\x00binary\x80"})
    found = problem(load_dependency_files([name]))
    assert found.message == "is not UTF-8 text"
    assert found.hint.startswith("save it as UTF-8")
    assert found.hint.count("coding: latin-1") == count


@pytest.mark.parametrize("name", ["klingon", "rot13", "hex", "punycode", "idna", "unicode_escape", "undefined", "..."])
def test_an_encoding_that_is_none_is_a_problem(name: str) -> None:
    with pytest.raises(CannotReadError, match="names an unknown encoding"):
        decode_text(f"# coding: {name}\nx\\d".encode())


@given(st.binary(max_size=100), st.sampled_from(["", "utf-7", "utf-16", "big5", "cp037", "iso2022_jp", "mbcs"]))
@settings(deadline=None)
def test_any_bytes_are_text_or_cannot_be_read(data: bytes, encoding: str) -> None:
    with suppress(CannotReadError):
        assert isinstance(decode_text(f"# coding: {encoding}\n".encode() + data if encoding else data), str)


def test_utf_16_files_are_read(project: Project) -> None:
    project({"requirements.txt": "requests==2.31.0\r\nflask\r\n".encode("utf-16")})
    assert names(load_dependency_files(["."])[0]) == ["requests", "flask"]


# --- Includes --------------------------------------------------------------------------------------------------------


def test_includes_are_relative_to_the_file_that_names_them(project: Project) -> None:
    project(
        {
            "requirements.txt": "-r more/all.lst\n",
            "more/all.lst": "--requirement=../base.txt\nflask\n",
            "base.txt": "requests\n",
        }
    )
    manifests = load_dependency_files(["requirements.txt"])
    assert [(one.path, names(one)) for one in manifests] == [
        ("requirements.txt", []),
        ("more/all.lst", ["flask"]),
        ("base.txt", ["requests"]),
    ]


def test_an_include_may_lie_outside_of_what_is_searched_but_not_of_the_repository(project: Project) -> None:
    project({"app/requirements.txt": "-r ../shared/base.txt", "shared/base.txt": "requests"})
    [alone] = load_dependency_files(["app"])
    assert "outside of the project" in alone.problems[0].message
    Path(".git").mkdir()
    assert paths(load_dependency_files(["app"])) == ["app/requirements.txt", "shared/base.txt"]


def test_a_constraints_file_only_narrows(project: Project) -> None:
    project({"requirements.txt": "-c limits.txt\nflask", "limits.txt": "-r more.txt\nrequests<3", "more.txt": "idna"})
    manifests = load_dependency_files(["."])
    assert [(one.path, one.constraint) for one in manifests] == [
        ("requirements.txt", False),
        ("limits.txt", True),
        ("more.txt", False),
    ]
    assert [item.group for item in manifests[1].declarations] == ["constraint"]


@pytest.mark.parametrize(
    "first", ["-c base.txt\n-r base.txt", "-r base.txt\n-c base.txt", "-c limits.txt\n-c base.txt"]
)
def test_a_file_that_is_asked_for_both_ways_declares(project: Project, first: str) -> None:
    project({"requirements.txt": first, "base.txt": "requests", "limits.txt": "-r base.txt"})
    manifests = {manifest.path: manifest for manifest in load_dependency_files(["requirements.txt"])}
    assert not manifests["base.txt"].constraint


def test_constraints_that_lie_around_are_requirements_when_somebody_asks_for_them(project: Project) -> None:
    project({"constraints.txt": "requests", "requirements.txt": "-r constraints.txt"})
    manifests = load_dependency_files(["."])
    assert [(one.path, one.constraint) for one in manifests] == [
        ("constraints.txt", False),
        ("requirements.txt", False),
    ]


def test_who_includes_a_file_says_what_it_is_for(project: Project) -> None:
    project(
        {
            "pyproject.toml": '[project]\nname = "x"\ndynamic = ["version", "dependencies", "optional-dependencies"]\n'
            '[tool.setuptools.dynamic]\ndependencies = {file = "requirements.txt"}\n'
            'optional-dependencies.socks = {file = ["requirements-dev.txt"]}\n',
            "requirements.txt": "requests",
            "requirements-dev.txt": "pysocks",
        }
    )
    groups = {item.name: item.group for manifest in load_dependency_files(["."]) for item in manifest.declarations}
    assert groups == {"requests": "main", "pysocks": "extra:socks"}


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("-r gone.txt", 4, "no such file: gone.txt"),
        ("  --constraint=sub/gone.txt", 16, "no such file: sub/gone.txt"),
        ("-r sub", 4, "a directory, not a file: sub"),
        ("-r *.txt", 4, "no such file: *.txt"),
        ("-r https://files.example/r.txt", 4, "a file at an address is not fetched"),
        ("-r https://me:pw@files.example/r.txt", 0, "a file at an address is not fetched"),
        ("-r ${HOME}/r.txt", 4, "no such file: ${HOME}/r.txt"),
        (f"-r {'x' * 350}", 4, "no such file: "),
    ],
)
def test_an_include_that_leads_nowhere_is_a_problem_at_its_line(
    project: Project, line: str, column: int, message: str
) -> None:
    project({"requirements.txt": f"flask\n{line}\n", "sub/x": ""})
    found = problem(load_dependency_files(["."]))
    assert found.message.startswith(message)
    assert (found.path, found.line, found.column) == ("requirements.txt", 2, column)
    assert found.text == f"{line[: column - 1] if column else '-r '}…"


def test_a_file_that_includes_itself_is_a_problem(project: Project) -> None:
    project({"a.txt": "x\n-r b.txt\n", "b.txt": "-c c.txt\ny", "c.txt": "\n\n-r a.txt\n"})
    manifests = load_dependency_files(["a.txt"], as_format="requirements")
    found = problem(manifests)
    assert found.message == "includes itself: a.txt -> b.txt -> c.txt -> a.txt"
    assert (found.path, found.line, found.text) == ("c.txt", 3, "-r …")
    assert paths(manifests) == ["a.txt", "b.txt", "c.txt"]


def test_a_file_that_names_itself_is_a_problem(project: Project) -> None:
    project({"requirements.txt": "-r ./requirements.txt"})
    assert problem(load_dependency_files(["."])).message == "includes itself: requirements.txt -> requirements.txt"


def test_the_same_file_by_two_ways_is_no_circle(project: Project) -> None:
    project({"a.in": "-r b.in\n-r c.in", "b.in": "-r d.in", "c.in": "-r d.in", "d.in": "x"})
    assert [manifest.problems for manifest in load_dependency_files(["a.in"])] == [()] * 4


def test_a_long_chain_of_includes_is_followed(project: Project) -> None:
    project({f"r{number}.in": f"-r r{number + 1}.in\n" for number in range(1_500)} | {"r1500.in": "x"})
    assert len(load_dependency_files(["r0.in"])) == 1_501


# --- Globs -----------------------------------------------------------------------------------------------------------


def test_a_workspace_may_be_named_without_a_glob(project: Project) -> None:
    project({"package.json": '{"workspaces": ["app"]}', "app/package.json": "{}"})
    assert paths(load_dependency_files(["package.json"])) == ["package.json", "app/package.json"]


def test_workspaces_are_found_in_the_directory_that_is_searched(project: Project) -> None:
    project(
        {
            "package.json": '{"workspaces": ["packages/*", "!packages/old", "apps/**", "../out/*"]}',
            "packages/a/package.json": "{}",
            "packages/a/deep/package.json": "{}",
            "packages/old/package.json": "{}",
            "packages/b/node_modules/x/package.json": "{}",
            "apps/one/two/package.json": "{}",
            "apps/one/node_modules/y/package.json": "{}",
            "../out/c/package.json": "{}",
        }
    )
    manifests = load_dependency_files(["package.json"])
    assert paths(manifests) == ["package.json", "packages/a/package.json", "apps/one/two/package.json"]
    assert any("../out/*" in note for note in manifests[0].notes)
    assert [manifest.problems for manifest in manifests] == [()] * 3


def test_globs_may_reach_beside_a_file_within_what_is_searched(project: Project) -> None:
    project({"app/package.json": '{"workspaces": ["../libs/*"]}', "libs/x/package.json": "{}", "libs/y/z": ""})
    assert paths(load_dependency_files(["app"])) == ["app/package.json"]
    assert paths(load_dependency_files(["."])) == ["app/package.json", "libs/x/package.json"]


def test_globs_do_not_lead_through_links_out_of_what_is_searched(project: Project) -> None:
    home = project({"package.json": '{"workspaces": ["libs/*", "no/*"]}', "../out/x/package.json": "{}"})
    (home / "libs").symlink_to(home.parent / "out")
    assert paths(load_dependency_files(["."])) == ["package.json"]


# --- Indexes ---------------------------------------------------------------------------------------------------------


def indexes(manifests: tuple[DependencyFile, ...]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {item.name: (item.index, item.extra_indexes) for manifest in manifests for item in manifest.declarations}


def test_an_index_holds_for_the_files_that_are_read_together(project: Project) -> None:
    project(
        {
            "requirements.txt": "-r base.txt\n-r index.txt\na\n",
            "base.txt": "--extra-index-url https://extra.example\nb\n-e .\n",
            "index.txt": "-i https://index.example\n-c limits.txt\n",
            "limits.txt": "c",
            "requirements-other.txt": "d",
        }
    )
    both = ("https://index.example", ("https://extra.example",))
    assert indexes(load_dependency_files(["."])) == {
        "a": both,
        "b": both,
        "local-project": ("", ()),
        "c": both,
        "d": ("", ()),
    }


def test_a_file_keeps_the_index_it_names_itself(project: Project) -> None:
    project(
        {
            "requirements.txt": "-i https://one.example\n-r b.txt\na",
            "b.txt": "-i https://two.example\nb\n-r c.txt",
            "c.txt": "c",
        }
    )
    assert {name: index for name, (index, _) in indexes(load_dependency_files(["."])).items()} == {
        "a": "https://one.example",
        "b": "https://two.example",
        "c": "https://two.example",
    }


# --- Laws ------------------------------------------------------------------------------------------------------------


def links_between(pairs: list[tuple[int, int]]) -> dict[str, list[IncludeEdge]]:
    links: dict[str, list[IncludeEdge]] = {str(number): [] for number in range(6)}
    for line, (start, end) in enumerate(pairs):
        links[str(start)].append(IncludeEdge(Include(pattern=str(end), line=line), str(end)))
    return links


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=15))
def test_without_the_links_that_close_circles_there_are_none(pairs: list[tuple[int, int]]) -> None:
    links = links_between(pairs)
    found = list(find_cycles(links))
    for circle in found:
        assert circle.path[0] == circle.path[-1] == circle.include.pattern
        assert circle.path[-2] == circle.includer
    closing = {circle.include.line for circle in found}
    rest = {key: [link for link in held if link.include.line not in closing] for key, held in links.items()}
    assert not list(find_cycles(rest))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=15))
def test_linked_files_are_in_the_same_group_and_each_is_in_one(pairs: list[tuple[int, int]]) -> None:
    groups = list(connected_groups(links_between(pairs)))
    members = [member for group in groups for member in group]
    assert len(members) == len(set(members))
    for start, end in pairs:
        assert any(str(start) in group and str(end) in group for group in groups)


PATTERNS = [
    *(
        "a",
        "/a",
        "a/",
        "b/",
        "a/b",
        "**/b",
        "b/**",
        "*",
        "*.txt",
        "!*.txt",
        "!a/",
        "!b",
        "requirements*",
        "**",
        "/**",
        "**/",
    ),
    *(
        "!requirements.txt",
        "/requirements.txt",
        "a/*",
        "!a/b/",
        "[ab]",
        "?",
        "#a",
        r"\!a",
        "a/requirements.txt",
        "!**/b/",
    ),
    *(
        "a/**/requirements.txt",
        "[!a]",
        "[^b]",
        "*/",
        "!*/",
        "/*/",
        "!/a/b",
        "a//b",
        "/",
        "./a",
        "a ",
        "!a/**",
        "**/a/**",
    ),
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return git, to be run in a new repository with a few files."""
    home = tmp_path_factory.mktemp("repository")
    for folder in (".", "a", "a/b", "a/b/a", "b", "b/a"):
        (home / folder).mkdir(exist_ok=True)
        (home / folder / "requirements.txt").touch()

    def git(words: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
        command = ["git", "-C", str(home), *words.split()]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout  # noqa: S603 - git

    git("init --quiet")
    return git


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")
@given(
    rules=st.dictionaries(
        st.sampled_from([".gitignore", "a/.gitignore", "a/b/.gitignore", "b/.gitignore", ".git/info/exclude"]),
        st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=4),
    )
)
@settings(max_examples=50, deadline=None)
def test_a_search_finds_what_git_would_add(repository: Callable[[str], str], rules: dict[str, list[str]]) -> None:
    home = Path(repository("rev-parse --show-toplevel").strip())
    for name in (".gitignore", "a/.gitignore", "a/b/.gitignore", "b/.gitignore", ".git/info/exclude"):
        (home / name).write_text("\n".join(rules.get(name, [])), encoding="utf-8")
    added = repository("ls-files --others --exclude-standard").splitlines()
    assert sorted(one.path for one in find_dependency_files(["."], root=home)) == sorted(
        one for one in added if one.endswith(".txt")
    )


# --- What lies beside ------------------------------------------------------------------------------------------------


def test_a_binary_lock_file_is_not_passed_over_in_silence(project: Project) -> None:
    project({"a/bun.lockb": b"#!/usr/bin/env bun\n\0", "a/package.json": "{}"})
    binary, _ = load_dependency_files(["."])
    assert binary.path == "a/bun.lockb"
    assert problem((binary,)).message.startswith("a binary lock file")
    assert (
        problem(load_dependency_files(["a/bun.lockb"])).hint
        == "bun install --save-text-lockfile writes bun.lock, which is read"
    )


def test_a_binary_lock_file_beside_one_of_text_says_nothing_new(project: Project) -> None:
    project({"bun.lockb": b"\0", "bun.lock": "{}", "package.json": "{}"})
    assert paths(load_dependency_files(["."])) == ["bun.lock", "package.json"]


def test_the_lock_file_of_a_script_is_read_with_it(project: Project) -> None:
    project({"tool.py": "# /// script\n# dependencies = ['a']\n# ///\n", "tool.py.lock": "version = 1\n"})
    assert paths(load_dependency_files(["tool.py"])) == ["tool.py", "tool.py.lock"]
    assert paths(load_dependency_files(["tool.py"], as_format="requirements.txt")) == ["tool.py"]


@pytest.mark.parametrize("text", ['{"dependencies": {}}', '\n  {\n"a": 1,\n"b": 2\n}'])
def test_json_for_requirements_is_one_mistake(project: Project, text: str) -> None:
    project({"x.in": text})
    assert (
        problem(load_dependency_files(["-"], stdin=text.encode)).message
        == "this looks like JSON, not like a requirements file"
    )
    assert "--as" in problem(load_dependency_files(["x.in"])).hint


def test_what_is_looked_for_is_told_in_few_words_without_what_is_not(project: Project) -> None:
    project({"x.zz": ""})
    with pytest.raises(NothingToScanError) as raised:
        load_dependency_files(["."])
    assert raised.value.hint.endswith("npm, Yarn, pnpm, Bun, Deno")
    assert "SBOM" not in raised.value.hint
    hint = problem(load_dependency_files(["x.zz"])).hint
    assert "SBOM" in hint
    assert len(hint) <= 370


@pytest.mark.parametrize("is_enabled", [True, False])
def test_garbage_is_collected_as_before_once_a_file_is_read(
    project: Project, monkeypatch: pytest.MonkeyPatch, *, is_enabled: bool
) -> None:
    project({"requirements.txt": "a==1\n"})
    states: list[bool] = []
    read = requirements.read

    def read_and_note(*arguments: Any, **options: Any) -> DependencyFile:
        states.append(gc.isenabled())
        return read(*arguments, **options)

    monkeypatch.setattr(requirements, "read", read_and_note)
    was_enabled = gc.isenabled()
    (gc.enable if is_enabled else gc.disable)()
    try:
        load_dependency_files(["."])
        assert (states, gc.isenabled()) == ([False], is_enabled)
    finally:
        (gc.enable if was_enabled else gc.disable)()
