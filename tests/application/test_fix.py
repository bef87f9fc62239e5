"""What is planned for each dependency, and how files are written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.application import fix
from nerq_cli.application.fix import FileEdit, FixPlan, plan_fixes, write_files
from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.errors import UsageError
from nerq_cli.inventory import Dependency, Location, Package
from nerq_cli.manifests.discovery.load import load_dependency_files
from nerq_cli.policy.upgrade import Upgrade
from nerq_cli.report.model import Assessment


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def assess(
    name: str,
    version: str,
    *places: tuple[str, int],
    ecosystem: EcosystemId = PYPI,
    in_range: bool = False,
    **fields: Any,
) -> Assessment:
    """Return a dependency below the threshold, for which a version is proposed."""
    dependency_fields = {key: fields.pop(key) for key in ("direct", "via", "parents") if key in fields}
    dependency = Dependency(
        package=Package(ecosystem=ecosystem, name=name),
        requirement="",
        version="1.0.0",
        resolution="pinned",
        groups=("main",),
        locations=tuple(Location(path=path, line=line) for path, line in places),
        **{"direct": True, **dependency_fields},
    )
    upgrade = Upgrade(version=version, value=90.0, grade="A", provisional=False, in_range=in_range, passes=True)
    return Assessment(dependency=dependency, state="below", **{"upgrade": upgrade if version else None, **fields})


def plan(*assessments: Assessment) -> FixPlan:
    return plan_fixes(assessments, load_dependency_files(["."]), as_of=0)


def reasons(plan: FixPlan) -> list[str]:
    return [reason for fix in plan.fixes for _, reason in fix.left]


def test_without_a_version_the_instruction_is_left(project: Path) -> None:
    write(project, {"requirements.txt": "a==1.0.0\nb==1.0.0\n"})
    waiting = assess("a", "", ("requirements.txt", 1), fix="wait a few days")
    nothing = assess("b", "", ("requirements.txt", 2))
    assert reasons(plan(waiting, nothing)) == ["wait a few days", "no newer version is known to be better"]


def test_a_passing_dependency_without_a_proposal_needs_nothing(project: Path) -> None:
    write(project, {"requirements.txt": "a==1.0.0\n"})
    passing = assess("a", "", ("requirements.txt", 1))
    assert plan(Assessment(dependency=passing.dependency, state="ok")).fixes == ()


def test_formats_and_places_that_are_not_written(project: Path) -> None:
    write(
        project,
        {
            "Pipfile": '[packages]\na = "==1.0.0"\n',
            "package.json": '{"overrides": {"b": "1.0.0"}}',
            "latin/requirements.txt": b"# -*- coding: latin-1 -*-\nc==1.0.0  # caf\xe9\n",
        },
    )
    found = plan(
        assess("a", "2.0.0", ("Pipfile", 2)),
        assess("b", "2.0.0", ("package.json", 1), ecosystem=NPM),
        assess("c", "2.0.0", ("latin/requirements.txt", 2)),
    )
    assert reasons(found) == ["Pipfile is not written", "an override is left to you", "it is not UTF-8 text"]
    assert not found.files


def test_of_two_versions_for_one_line_the_newer_one_is_written(project: Path) -> None:
    write(project, {"requirements.txt": "a>=1\n"})
    for versions in (("2.0.0", "3.0.0"), ("3.0.0", "2.0.0")):
        found = plan(*(assess("a", version, ("requirements.txt", 1)) for version in versions))
        assert [edit.new for edit in found.files] == [b"a>=3.0.0\n"]


POETRY_LOCK = """[[package]]
name = "a"
version = "1.0.0"
optional = false
python-versions = "*"
groups = ["main"]
files = []

[metadata]
lock-version = "2.1"
python-versions = "^3.9"
content-hash = "00"
"""


def test_a_package_that_others_require_names_them_and_the_override_that_forces_it(project: Path) -> None:
    write(project, {"sub/pyproject.toml": '[tool.poetry]\nname = "x"\nversion = "1"\n', "sub/poetry.lock": POETRY_LOCK})
    place = ("sub/poetry.lock", 1)
    fitting = plan(assess("a", "2.0.0", place, direct=False, in_range=True))
    assert (reasons(fitting), fitting.commands) == ([], ("cd sub && poetry update a",))
    blocked = plan(assess("a", "2.0.0", place, direct=False, via=("p", "q"), parents=("p", "q", "r")))
    assert reasons(blocked) == ["it comes with p, q: move that, or override it: poetry add a@^2.0.0"]
    many = plan(assess("a", "2.0.0", place, direct=False, parents=("p", "q", "r", "s")))
    assert reasons(many)[0].startswith("it comes with p, q, r and others: move that")
    assert reasons(plan(assess("a", "2.0.0", place, direct=False)))[0].startswith("it is required by other packages")
    assert not blocked.commands


NPM_LOCK = """{"name": "x", "lockfileVersion": 3, "packages": {
  "": {"name": "x", "dependencies": {"a": "^1.0.0"}},
  "node_modules/a": {"version": "1.0.0", "dependencies": {"b": "^1.0.0"}},
  "node_modules/b": {"version": "1.0.0"}}}
"""


def test_a_lock_file_gets_one_command_for_what_is_edited_and_one_for_the_rest(project: Path) -> None:
    write(project, {"package.json": '{"name": "x", "dependencies": {"a": "^1.0.0"}}\n', "package-lock.json": NPM_LOCK})
    edited = assess("a", "2.0.0", ("package.json", 1), ("package-lock.json", 3), ecosystem=NPM)
    further = assess("b", "1.1.0", ("package-lock.json", 4), ecosystem=NPM, direct=False, in_range=True)
    assert plan(edited, further).commands == ("npm install", "npm update b")
    assert plan(further).commands == ("npm update b",)


@pytest.mark.parametrize(
    ("lock", "command"),
    [
        ('# yarn lockfile v1\n\n\nb@^1.0.0:\n  version "1.0.0"\n', "yarn upgrade b"),
        ('__metadata:\n  version: 8\n\n"b@npm:^1.0.0":\n  version: 1.0.0\n  resolution: "b@npm:1.0.0"\n', "yarn up b"),
    ],
)
def test_yarn_1_has_other_commands_than_later_ones(project: Path, lock: str, command: str) -> None:
    write(project, {"package.json": '{"name": "x"}', "yarn.lock": lock})
    further = assess("b", "1.1.0", ("yarn.lock", 4), ecosystem=NPM, direct=False, in_range=True)
    assert plan(further).commands == (command,)


def test_a_lock_file_without_a_command_is_named(project: Path) -> None:
    write(
        project,
        {"pylock.toml": PYLOCK, "pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["a"]\n'},
    )
    found = plan(assess("a", "2.0.0", ("pyproject.toml", 4), ("pylock.toml", 5)))
    assert found.commands == ("write pylock.toml anew with the tool that wrote it",)


PYLOCK = """lock-version = "1.0"
created-by = "x"

[[packages]]
name = "a"
version = "1.0.0"
"""


def test_an_edit_that_reads_otherwise_than_meant_is_not_used(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, {"requirements.txt": "a==1.0.0\n"})
    monkeypatch.setattr(fix, "apply_edits", lambda _text, _edits: "a==2.0.0\nb==1.0.0\n")
    found = plan(assess("a", "2.0.0", ("requirements.txt", 1)))
    assert (reasons(found), found.files) == (["the change could not be verified: edit it yourself"], ())
    monkeypatch.setattr(fix, "apply_edits", lambda _text, _edits: "a==2.1.0\n")
    assert reasons(plan(assess("a", "2.0.0", ("requirements.txt", 1))))


@pytest.mark.parametrize("text", ["a==1.0.0", "a==1.0.0\n", "x==1\n\x0ca==1.0.0\r\n"])
def test_the_diff_states_where_the_last_line_has_no_end(project: Path, text: str) -> None:
    write(project, {"requirements.txt": text})
    line = text.splitlines().index("a==1.0.0") + 1
    [edit] = plan(assess("a", "2.0.0", ("requirements.txt", line))).files
    assert ("\\ No newline at end of file\n" in edit.diff) is not text.endswith("\n")
    assert edit.new == text.replace("1.0.0", "2.0.0").encode()


def test_nothing_is_written_if_one_file_cannot_be(project: Path) -> None:
    write(project, {"a.txt": "a", "b.txt": "b", "link/c.txt": "c"})
    edits = [FileEdit(path=path, old=path[:1].encode(), new=b"new", diff="") for path in ("a.txt", "b.txt")]
    (project / "b.txt").write_text("changed")
    with pytest.raises(UsageError, match=r"b\.txt has changed since it was read"):
        write_files(edits, project)
    (project / "b.txt").unlink()
    with pytest.raises(UsageError, match="nothing was written"):
        write_files(edits, project)
    assert (project / "a.txt").read_text() == "a"
    assert sorted(path.name for path in project.iterdir()) == ["a.txt", "link"]


def test_a_directory_that_cannot_be_written_is_an_error_without_a_trace(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, {"a.txt": "a"})

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(UsageError, match=r"a\.txt: cannot be written: Permission denied"):
        write_files([FileEdit(path="a.txt", old=b"a", new=b"b", diff="")], project)
    assert [path.name for path in project.iterdir()] == ["a.txt"]


def test_a_link_inside_of_the_project_stays_a_link(project: Path) -> None:
    write(project, {"real/a.txt": "a"})
    (project / "a.txt").symlink_to("real/a.txt")
    write_files([FileEdit(path="a.txt", old=b"a", new=b"b", diff="")], project)
    assert (project / "a.txt").is_symlink()
    assert (project / "real/a.txt").read_text() == "b"
