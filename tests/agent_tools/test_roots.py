from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nerq_cli.agent_tools.roots import find_directory, is_allowed, parse_root_uris, resolve_roots
from nerq_cli.errors import UsageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("root/project", "root-2", "other"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path / "root"


def test_a_path_is_relative_to_the_first_root(root: Path) -> None:
    roots = resolve_roots([root, root.parent / "root-2"])
    assert find_directory("project", roots) == root / "project"
    assert find_directory("project/../project/.", roots) == root / "project"
    assert find_directory(str(root.parent / "root-2"), roots) == root.parent / "root-2"


@pytest.mark.parametrize("text", ["..", "../root-2", "../other", "/", "project/../../other", "~", "../missing", "a\0"])
def test_what_lies_elsewhere_is_refused(root: Path, text: str) -> None:
    with pytest.raises(UsageError):
        find_directory(text, resolve_roots([root]))


@pytest.mark.parametrize("text", ["x" * 300, "x/" * 2_500, "requirements.txt/x", "\udcff", "loop"])
def test_a_path_that_cannot_be_read_is_a_usage_error(root: Path, text: str) -> None:
    (root / "requirements.txt").touch()
    (root / "loop").symlink_to("loop")
    with pytest.raises(UsageError):
        find_directory(text, resolve_roots([root]))


def test_a_root_whose_name_is_too_long_is_none(root: Path) -> None:
    assert parse_root_uris([(root / ("x" * 300)).as_uri(), root.as_uri()]) == (root,)
    with pytest.raises(UsageError, match="is no directory"):
        resolve_roots([root / ("x" * 300)])


def test_what_is_elsewhere_and_what_is_nowhere_get_the_same_answer(root: Path) -> None:
    messages = set()
    for name in ("other", "missing"):
        with pytest.raises(UsageError) as caught:
            find_directory(f"../{name}", resolve_roots([root]))
        messages.add(str(caught.value).replace(name, ""))
    assert len(messages) == 1


def test_links_are_followed_before_they_are_judged(root: Path) -> None:
    (root / "out").symlink_to(root.parent / "other", target_is_directory=True)
    (root / "in").symlink_to(root / "project", target_is_directory=True)
    roots = resolve_roots([root])
    assert find_directory("in", roots) == root / "project"
    with pytest.raises(UsageError, match="outside"):
        find_directory("out", roots)
    assert not is_allowed(root / "out" / "requirements.txt", roots)


def test_a_root_that_is_a_link_allows_what_it_leads_to(root: Path) -> None:
    (root.parent / "link").symlink_to(root, target_is_directory=True)
    assert find_directory("project", resolve_roots([root.parent / "link"])) == root / "project"


def test_a_root_that_is_no_directory_is_an_error(root: Path) -> None:
    with pytest.raises(UsageError, match="is no directory"):
        resolve_roots([root / "missing"])


@pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX")
def test_only_directories_of_this_machine_count_among_the_roots_of_a_client(root: Path) -> None:
    (root / "a b").mkdir()
    uris = [
        (root / "a b").as_uri(),
        f"file://localhost{root / 'project'}",
        f"file://server.example{root}",
        f"https://a.example{root}",
        (root / "missing").as_uri(),
        "file:///%00",
        "not a uri",
        "",
    ]
    assert parse_root_uris(uris) == (root / "a b", root / "project")
