"""Files that git tracks are searched whatever an ignore file states; the index is read in every form git writes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nerq_cli.errors import NothingToScanError
from nerq_cli.manifests.discovery.git_index import TrackedFiles, build_index
from nerq_cli.manifests.discovery.load import load_dependency_files

_Git = Callable[..., None]
_PROGRAM = shutil.which("git") or ""
pytestmark = pytest.mark.skipif(not _PROGRAM, reason="git is not installed")
_NAMES = ("a/requirements.txt", "build/x/requirements.txt", "requirements-dev.txt", "requirements.txt")


def _write(root: Path, *paths: str, text: str = "flask==3.1.3\n") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def _scan(root: Path) -> list[str]:
    return sorted(file.path for file in load_dependency_files((".",), root=root))


def _scan_or_nothing(root: Path) -> list[str]:
    try:
        return _scan(root)
    except NothingToScanError:
        return []


def _run_git(directory: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=ann", "-c", "user.email=ann@mail.example")
    command = [_PROGRAM, *identity, *arguments]
    result = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True)  # noqa: S603 - of the test
    return result.stdout


@pytest.fixture
def git(tmp_path: Path) -> _Git:
    def run(*arguments: str) -> None:
        _run_git(tmp_path, *arguments)

    run("init", "-q")
    return run


@pytest.fixture
def repository(tmp_path: Path, git: _Git) -> Path:
    """Four tracked files, all but one of them ignored, and two ignored ones that are not tracked."""
    _write(tmp_path, *_NAMES)
    (tmp_path / ".gitignore").write_text("a/\nbuild/\nrequirements-dev.txt\nrequirements-own.txt\n")
    git("add", "-f", ".")
    _write(tmp_path, "requirements-own.txt", "build/y/requirements.txt", "a/requirements-own.txt")
    return tmp_path


def test_ignored_files_count_if_they_are_tracked(repository: Path) -> None:
    assert _scan(repository) == [*_NAMES]


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_each_version_of_the_index(repository: Path, git: _Git, version: str) -> None:
    git("update-index", "--index-version", version)
    if version == "3":  # is only written for an entry that needs it
        _write(repository, "a/constraints.txt")
        git("add", "-fN", "a/constraints.txt")
        assert _scan(repository) == ["a/constraints.txt", *_NAMES]
    else:
        assert _scan(repository) == [*_NAMES]
    assert (repository / ".git/index").read_bytes()[7] == int(version)


def test_split_index(repository: Path, git: _Git) -> None:
    git("update-index", "--split-index")
    _write(repository, "a/constraints.txt")
    git("add", "-f", "a/constraints.txt")
    assert list((repository / ".git").glob("sharedindex.*"))
    assert _scan(repository) == ["a/constraints.txt", *_NAMES]


def test_sha256_repository(tmp_path: Path) -> None:
    _run_git(tmp_path, "init", "-q", "--object-format=sha256")
    _write(tmp_path, *_NAMES)
    (tmp_path / ".gitignore").write_text("a/\nbuild/\n")
    _run_git(tmp_path, "add", "-f", ".")
    assert _scan(tmp_path) == [*_NAMES]


def test_linked_work_tree_has_an_index_of_its_own(repository: Path, git: _Git) -> None:
    git("commit", "-qm", "Add files")
    git("worktree", "add", "-q", str(repository / "worktree"))
    assert _scan(repository / "worktree") == [*_NAMES]


def test_search_below_the_top_of_the_work_tree(repository: Path, git: _Git) -> None:
    _write(repository, "web/build/requirements.txt", "web/build/requirements-own.txt")
    assert _scan_or_nothing(repository / "web") == []
    git("add", "-f", "web/build/requirements.txt")
    assert _scan_or_nothing(repository / "web") == ["build/requirements.txt"]


def test_ignored_submodule(repository: Path, git: _Git) -> None:
    inner = repository / "build" / "sub"
    _write(inner, "requirements.txt")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
        _run_git(inner, *arguments)
    assert "build/sub/requirements.txt" not in _scan(repository)
    git("add", "-f", "build/sub")
    assert "build/sub/requirements.txt" in _scan(repository)


def test_tracked_files_in_what_looks_like_an_environment(repository: Path, git: _Git) -> None:
    _write(repository, "svc/requirements.txt", "svc/pyvenv.cfg")
    assert "svc/requirements.txt" not in _scan(repository)
    git("add", "svc")
    _write(repository, "svc/requirements-own.txt")
    assert _scan(repository) == [*_NAMES, "svc/requirements.txt"]


def test_index_is_not_read_where_nothing_is_ignored(tmp_path: Path, git: _Git) -> None:
    _write(tmp_path, "a/requirements.txt")
    git("add", ".")
    (tmp_path / ".git" / "index").write_bytes(b"damaged")
    assert _scan(tmp_path) == ["a/requirements.txt"]
    assert not load_dependency_files((".",), root=tmp_path)[0].problems


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: b"DIRX" + content[4:], "it is damaged"),
        (lambda content: content[:4] + b"\0\0\0\x09" + content[8:], "its version 9 is not known"),
        (lambda content: content[:-60], "it is damaged"),
        (lambda content: content[:10] + b"\xff\xff" + content[12:], "it is damaged"),
    ],
)
def test_damaged_index_makes_a_run_incomplete(repository: Path, damage: Callable[[bytes], bytes], reason: str) -> None:
    index = repository / ".git" / "index"
    index.write_bytes(damage(index.read_bytes()))
    files = load_dependency_files((".",), root=repository)
    assert [file.path for file in files] == ["requirements.txt"]
    [problem] = files[0].problems
    assert problem.level == "incomplete"
    assert reason in problem.message
    assert "a/requirements.txt" in problem.message


def test_files_are_listed_where_no_index_shows_what_is_tracked(tmp_path: Path) -> None:
    _write(tmp_path, "a/requirements.txt", "requirements.txt")
    (tmp_path / ".gitignore").write_text("a/\n")
    [file] = load_dependency_files((".",), root=tmp_path)
    assert not file.problems
    [note] = file.notes
    assert note.startswith(".gitignore leaves out 1 file (a/requirements.txt): there is no git repository")
    (tmp_path / "requirements.txt").unlink()
    with pytest.raises(NothingToScanError) as caught:
        load_dependency_files((".",), root=tmp_path)
    assert "a/requirements.txt" in caught.value.hint


def test_index_that_this_program_writes_is_one_of_git(repository: Path) -> None:
    (repository / ".git" / "index").write_bytes(build_index(["b/c.txt", "a", "b/ccccccc.txt"]))
    listed = _run_git(repository, "ls-files")
    assert listed.split() == ["a", "b/c.txt", "b/ccccccc.txt"]
    tracked = TrackedFiles(repository)
    assert tracked.has_file(str(repository / "b/c.txt"))
    assert not tracked.has_file(str(repository / "b/c"))
    assert tracked.has_files_below(str(repository / "b"))
    assert not tracked.has_files_below(str(repository / "a"))
    assert not tracked.problem
