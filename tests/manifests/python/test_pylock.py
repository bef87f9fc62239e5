from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerq_cli.inventory import DependencyFile, Edge, Location, LockedPackage
from nerq_cli.manifests.python.pylock import NAME, matches, read

FILE = """\
lock-version = "1.0"
created-by = "a tool"
requires-python = ">=3.10"
extras = ["cli"]
dependency-groups = ["default", "dev", "Docs"]
default-groups = ["default"]

[[packages]]
name = "attrs"
version = "25.1.0"
index = "https://user:pass@registry.example/simple"
wheels = [
    { url = "https://files.example/attrs.whl", upload-time = 2025-01-25T11:30:10.164985Z, hashes = { sha256 = "0a" } },
    { name = "attrs-b.whl", url = "https://files.example/b.whl", size = 1, hashes = { sha256 = "0b" } },
]
dependencies = [
    { name = "numpy", version = "2.0" },
    { name = "tool" },
]

[[packages]]
name = "numpy"
version = "1.0"
marker = "sys_platform == 'win32' and 'dev' in dependency_groups"
sdist = { url = "https://files.example/n.tar.gz", hashes = { sha256 = "0c" } }

[[packages]]
name = "numpy"
version = "2.0"
marker = "'cli' in extras or \\"docs\\" in dependency_groups or 'default' in dependency_groups"

[[packages]]
name = "tool"
marker = "python_version < '3.12' or 'dev' in dependency_groups"
directory = { path = "tool", editable = true }
"""

HEAD = 'lock-version = "1.0"\ncreated-by = "a tool"\n'


def locking(*entries: str) -> DependencyFile:
    tables = (f'[[packages]]\nname = "{one.partition(" ")[0]}"\n{one.partition(" ")[2]}\n' for one in entries)
    return read(HEAD + "".join(tables), "pylock.toml")


def only(manifest: DependencyFile) -> LockedPackage:
    assert manifest.problems == ()
    return manifest.locked_packages[0]


def messages(manifest: DependencyFile) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in manifest.problems]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [("a/pylock.toml", True), ("pylock.dev.toml", True), ("pylock.a.b.toml", False), ("pylock..toml", False)],
)
def test_it_wants_pylock_toml_and_named_ones(path: str, *, wanted: bool) -> None:
    assert matches(PurePosixPath(path)) is wanted


def test_each_package_has_its_version_edges_groups_and_line() -> None:
    manifest = read(FILE, "a/pylock.toml")
    assert manifest.problems == ()
    assert (manifest.format, manifest.locked_filenames, manifest.local_names) == (NAME, ("pyproject.toml",), ("tool",))
    attrs, old, new, tool = manifest.locked_packages
    assert attrs == LockedPackage(
        key="attrs@25.1.0",
        ecosystem="PyPI",
        name="attrs",
        version="25.1.0",
        location=Location(path="a/pylock.toml", line=8),
        edges=(Edge(target="numpy@2.0"), Edge(target="tool")),
        groups=("main",),
        index="https://registry.example/simple",
        has_hash=True,
    )
    assert (old.groups, old.optional, old.has_hash, old.edges) == (("dev",), False, True, ())
    assert (new.groups, new.optional, new.has_hash) == (("extra:cli", "dev:docs", "main"), False, False)
    assert (tool.groups, tool.version, tool.skip_reason) == (("main", "dev"), "", "local path")


def test_a_file_without_edges_knows_of_none_and_one_for_a_single_use_of_no_groups() -> None:
    one = only(locking("a version = '1'\nmarker = \"os_name == 'nt'\"", "b version = '1'"))
    assert (one.edges, one.groups, one.optional) == (None, (), False)


def test_pdm_keeps_edges_in_its_own_table() -> None:
    manifest = locking(
        "a version = '1'\n[packages.tool.pdm]\ndependencies = [\"b>=1\", \"c; os_name == 'nt'\"]", "b version = '1'"
    )
    assert [one.edges for one in manifest.locked_packages] == [(Edge(target="b@1", requirement=">=1"),), ()]


@pytest.mark.parametrize(
    ("source", "skip"),
    [
        (
            'vcs = { type = "hg", url = "https://hg.example/a", requested-revision = "x", commit-id = "1f" }',
            "hg: https://hg.example/a @ 1f",
        ),
        ('vcs = { url = "https://git.example/a", requested-revision = "x" }', "git: https://git.example/a @ x"),
        ('vcs = { type = "git", path = "../a", commit-id = "1f" }', "local path"),
        ('archive = { url = "https://x.example/a.zip", hashes = { sha256 = "00" } }', "URL: https://x.example/a.zip"),
        ('archive = { path = "a.zip", hashes = { sha256 = "00" } }', "local archive"),
    ],
)
def test_what_no_index_serves_says_where_it_comes_from(source: str, skip: str) -> None:
    assert only(locking(f"a {source}")).skip_reason == skip


def test_the_same_version_may_stand_there_for_several_environments() -> None:
    manifest = locking("a version='1'\nmarker=\"os_name=='nt'\"", "a version='1'\nmarker=\"os_name!='nt'\"")
    assert [one.key for one in manifest.locked_packages] == ["a@1", "a@1#2"]
    assert manifest.problems == ()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "the file is empty"),
        ("a = 1\n", 0, "no lock-version: not a lock file of PEP 751"),
        ("lock-version = '2.0'\n", 1, 'lock-version "2.0" is not supported'),
        ("lock-version = '1.0'\n", 0, "no packages: the file is not complete"),
        ("lock-version = '1.0'\npackages = 1\n", 2, '"packages" must be an array of tables'),
        (HEAD + "[[packages]]\nname='a'\nversion='1'\nmarker='x'\n", 6, "not an environment marker: expected"),
        (HEAD + "[[packages]]\nname='a'\nversion='1'\n[[packages.dependencies]]\nname='b'", 6, '"b" is required here'),
    ],
)
def test_a_file_that_is_none_or_not_whole_is_a_problem(text: str, line: int, message: str) -> None:
    [(found, said)] = messages(read(text, "pylock.toml"))
    assert found == line
    assert said.startswith(message)


@given(st.data())
@settings(deadline=None)
def test_damage_loses_no_package_in_silence(data: st.DataObject) -> None:
    lines = FILE.splitlines(keepends=True)
    start = data.draw(st.integers(0, len(lines)))
    damaged = (
        lines[:start] + data.draw(st.lists(st.sampled_from(lines))) + lines[start + data.draw(st.integers(0, 3)) :]
    )
    manifest = read("".join(damaged), "pylock.toml")
    assert manifest.problems or len(manifest.locked_packages) == damaged.count("[[packages]]\n")


@given(st.text() | st.text(alphabet="[]{}=\"'packgevrsion.\n1,"))
@settings(deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    assert read(text, "pylock.toml").problems


@pytest.mark.parametrize("marker", ["sys_platform == 'linux'", "sys_platform == 'win32' and extra == 'x'"])
def test_a_package_for_some_platforms_is_not_optional(marker: str) -> None:
    one = only(locking(f"a version = '1'\nmarker = \"{marker}\""))
    assert (one.groups, one.optional, one.marker) == ((), False, marker)


@pytest.mark.parametrize(
    ("path", "groups"),
    [("pylock.toml", ("main", "extra:cli", "dev:docs")), ("pylock.x.toml", ("extra:cli", "dev:docs"))],
)
def test_the_groups_that_it_was_made_for_are_those_that_it_states(path: str, groups: tuple[str, ...]) -> None:
    assert read(f"{HEAD}extras = ['cli']\ndependency-groups = ['docs']\npackages = []\n", path).locked_groups == groups


def test_the_hash_that_pdm_writes_is_known() -> None:
    text = f"{HEAD}packages = []\n[tool.pdm]\nhashes = {{ sha256 = '0a' }}\n"
    assert read(text, "pylock.toml").content_hashes == ("sha256:0a",)
