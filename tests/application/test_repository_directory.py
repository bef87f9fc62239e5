from __future__ import annotations

from pathlib import Path

import pytest

from nerq_cli.application.repository_directory import find_repository_directory


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder below another one, outside of the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    path = tmp_path / "repository/services/web"
    path.mkdir(parents=True)
    monkeypatch.chdir(path)
    return path


@pytest.mark.parametrize("is_folder", [True, False])
def test_the_directory_is_relative_to_the_nearest_repository(folder: Path, *, is_folder: bool) -> None:
    git = folder.parents[1] / ".git"
    git.mkdir() if is_folder else git.write_text("gitdir: elsewhere\n")  # a work tree or a submodule has a file
    (folder.parents[2] / ".git").mkdir()
    assert find_repository_directory() == "services/web"


def test_the_root_and_no_repository_have_no_directory(folder: Path) -> None:
    assert find_repository_directory() == ""
    (folder / ".git").mkdir()
    assert find_repository_directory() == ""


def test_a_repository_at_the_home_directory_or_above_counts_only_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.parents[1] / ".git").mkdir()
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert find_repository_directory() == ""


def test_links_do_not_lead_to_another_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.parents[1] / ".git").mkdir()
    link = folder.parents[2] / "link"
    link.symlink_to(folder, target_is_directory=True)
    monkeypatch.chdir(link)
    assert find_repository_directory() == "services/web"
