from __future__ import annotations

import json
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerq_cli.inventory import DependencyFile, Location, LockedPackage
from nerq_cli.manifests.python.pipfile_lock import NAME, matches, read

FILE = """\
{
    "_meta": {
        "hash": {"sha256": "00"},
        "pipfile-spec": 6,
        "requires": {},
        "sources": [
            {"name": "Main", "url": "https://u:p@registry.example/simple", "verify_ssl": true},
            {"name": "acme", "url": "https://acme.example/simple"}
        ]
    },
    "default": {
        "acme-tool": {
            "hashes": ["sha256:0a"],
            "index": "acme",
            "version": "==1.2"
        },
        "certifi": {
            "hashes": ["sha256:0b", "sha256:0c"],
            "markers": "python_version >= '3.6'",
            "version": "==2024.2.2"
        },
        "requests[socks]": {
            "extras": ["socks"],
            "markers": "sys_platform == 'win32'",
            "version": "==2.31.0"
        }
    },
    "develop": {
        "certifi": {"hashes": ["sha256:0b"], "version": "==2024.2.2"},
        "requests": {"version": "==2.32.0"}
    },
    "docs": {
        "my_lib": {"editable": true, "path": "./my_lib"}
    }
}
"""


def locking(packages: object, **others: object) -> DependencyFile:
    return read(json.dumps({"_meta": {"pipfile-spec": 6}, "default": packages, **others}, indent=4), "Pipfile.lock")


def only(**entry: object) -> LockedPackage:
    manifest = locking({"a": entry})
    assert manifest.problems == ()
    [locked] = manifest.locked_packages
    return locked


def messages(manifest: DependencyFile) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in manifest.problems]


@pytest.mark.parametrize(("path", "wanted"), [("a/Pipfile.lock", True), ("Pipfile", False), ("poetry.lock", False)])
def test_it_wants_pipfile_lock(path: str, *, wanted: bool) -> None:
    assert matches(PurePosixPath(path)) is wanted


@pytest.mark.parametrize("text", [FILE, "\ufeff" + FILE, FILE.replace("\n", "\r\n")])
def test_each_package_is_there_once_with_its_groups_index_and_line(text: str) -> None:
    manifest = read(text, "a/Pipfile.lock", constraint=True)
    assert (manifest.format, manifest.problems, manifest.locked_filenames) == (NAME, (), ("Pipfile",))
    assert (manifest.importers, manifest.local_names, manifest.constraint) == (None, ("my-lib",), True)
    assert manifest.locked_packages[1] == LockedPackage(
        key="certifi@2024.2.2",
        ecosystem="PyPI",
        name="certifi",
        version="2024.2.2",
        location=Location(path="a/Pipfile.lock", line=17),
        edges=None,
        groups=("main", "dev"),
        marker="python_version >= '3.6'",
        index="https://registry.example/simple",
        has_hash=True,
    )
    found = [
        (one.key, one.groups, one.index, one.skip_reason, one.optional, one.location.line)
        for one in manifest.locked_packages
    ]
    assert [found[0], *found[2:]] == [
        ("acme-tool@1.2", ("main",), "https://acme.example/simple", "", False, 12),
        ("requests@2.31.0", ("main",), "https://registry.example/simple", "", False, 22),
        ("requests@2.32.0", ("dev",), "https://registry.example/simple", "", False, 30),
        ("my_lib", ("dev:docs",), "", "local path", False, 33),
    ]


@pytest.mark.parametrize(
    ("entry", "skip"),
    [
        (
            {"git": "https://u:p@git.example/a.git", "ref": "1f", "editable": True},
            "git: https://git.example/a.git @ 1f",
        ),
        ({"path": "."}, "local path"),
        ({"file": "https://x.example/a.zip", "hashes": ["sha256:00"]}, "URL: https://x.example/a.zip"),
        ({"version": "==1", "index": "gone"}, "index gone, not defined in this file"),
        ({"version": "==1"}, ""),
    ],
)
def test_a_package_says_where_it_comes_from(entry: dict[str, object], skip: str) -> None:
    assert (only(**entry).skip_reason, only(**entry).index) == (skip, "")


def test_the_same_version_from_two_places_stays_apart() -> None:
    manifest = locking({"a": {"version": "==1"}}, develop={"a": {"version": "==1", "index": "x"}})
    assert [one.key for one in manifest.locked_packages] == ["a@1", "a@1#2"]


@pytest.mark.parametrize(
    ("packages", "line", "message"),
    [
        ([], 5, '"default" must be an object'),
        ({"a": 1}, 6, '"a" must be an object'),
        ({"a": {}}, 6, '"a": no version'),
        ({"a": {"version": ">=1"}}, 6, '"a": the version is not one version'),
        ({"a b": {"version": "==1"}}, 6, '"a b" cannot be the name of a package'),
        ({"a": {"version": "==1", "markers": "x"}}, 6, "not an environment marker: expected"),
    ],
)
def test_a_damaged_entry_is_a_problem_at_its_line(packages: object, line: int, message: str) -> None:
    found, said = messages(locking(packages))[0]
    assert found == line
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "not valid JSON: the file is empty"),
        ("[]", 1, "the file must be an object"),
        ('{"lockfileVersion": 3}', 1, "no _meta: not a lock file of Pipenv"),
        ('{\n"_meta": {"pipfile-spec": 7}}', 2, 'pipfile-spec "7" is not supported'),
        ('{\n"_meta": {}}', 2, 'pipfile-spec "…" is not supported'),
        ('{\n"_meta": 1}', 2, '"_meta" must be an object'),
        ("[" * 100_000, 1, "not valid JSON: nested more than 100 levels deep"),
        ('{"_meta": "\\ud800"}', 1, "not readable as JSON"),
        ("{\n<<<<<<< ours\n", 2, "not valid JSON: this is a merge conflict marker"),
    ],
)
def test_a_file_that_is_not_pipenvs_or_not_whole_is_a_problem(text: str, line: int, message: str) -> None:
    manifest = read(text, "Pipfile.lock")
    assert messages(manifest)[0] == (line, message)
    assert manifest.locked_packages == ()


def test_a_key_that_occurs_twice_is_a_problem() -> None:
    twice = FILE.replace('"acme-tool"', r'"certif\u0069"').replace('"docs"', '"default"')
    assert messages(read(twice, "Pipfile.lock")) == [
        (17, '"certifi" is here twice, first on line 12'),
        (32, '"default" is here twice, first on line 11'),
    ]


def test_after_a_thousand_problems_the_rest_goes_without_saying() -> None:
    assert len(locking({f"a{number}": {} for number in range(1_500)}).problems) == 1_000


@given(st.integers(0, len(FILE.rstrip()) - 1))
def test_a_file_cut_off_anywhere_is_a_problem(length: int) -> None:
    assert read(FILE[:length], "Pipfile.lock").problems


@given(st.data())
@settings(deadline=None)
def test_damage_loses_no_package_in_silence(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(FILE)))
    damaged = FILE[:at] + data.draw(st.text(max_size=3)) + FILE[at + data.draw(st.integers(0, 3)) :]
    manifest = read(damaged, "Pipfile.lock")
    assert manifest.problems or len(manifest.locked_packages) >= 5


@given(st.text() | st.text(alphabet='{}[]":, \\1_meta'))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert read(text, "Pipfile.lock").problems
