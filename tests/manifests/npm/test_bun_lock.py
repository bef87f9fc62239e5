from __future__ import annotations

import json
import time
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.inventory import DependencyFile, Edge, Importer, LockedPackage
from nerq_cli.manifests.npm.bun_lock import NAME, matches, read

FILE = """{
  "lockfileVersion": 1,
  "workspaces": {
    "": {
      "name": "web",
      "dependencies": { "react": "catalog:", "ui": "workspace:*", "old": "npm:lodash@^3", },
      "devDependencies": { "@acme/t": "catalog:test", },
      "optionalDependencies": { "fsevents": "*", "absent": "1", },
    },
    "packages/ui": {
      "name": "ui",
      "version": "0.1.0",
      "dependencies": { "react": "^17", },
      "devDependencies": { "fsevents": "*" },
      "peerDependencies": { "gone": "*" },
      "optionalPeers": ["gone"],
    },
  },
  // what stands in for versions
  "catalog": { "react": "^18" },
  "catalogs": { "test": { "@acme/t": "~2.0.0", "odd": 1 }, "odd": [] },
  "packages": {
    "@acme/t": ["@acme/t@2.0.1", "https://user:secret@npm.example/repo/@acme/t/-/t-2.0.1.tgz", {}, "sha512-abc="],

    "@acme/t/react": ["react@16.0.0", "", {}, ""],

    "fsevents": ["fsevents@2.3.3", "", { "os": "x", "bundled": true, "dependencies": { "lost": "1" } }, "sha512-abc="],

    "old": ["lodash@3.10.1", "", { "peerDependencies": { "react": "*" } }, "sha512-abc="],

    "react": ["react@18.3.1", "", {}, "sha512-abc="],

    "ui": ["ui@workspace:packages/ui"],

    "ui/react": ["react@17.0.2", "", { "dependencies": { "old": "^3", "react": "1" } }, "sha512-abc="],
  }
}
"""


def bun(packages: dict[str, Any], root: dict[str, Any] | None = None, **top: object) -> str:
    document = {"lockfileVersion": 1, "workspaces": {"": root or {}}, **top, "packages": packages}
    return json.dumps(document, indent=2)


def reading(text: str) -> DependencyFile:
    manifest = read(text, "bun.lock")
    assert manifest.problems == ()
    return manifest


def only(manifest: DependencyFile) -> LockedPackage:
    [locked] = manifest.locked_packages
    return locked


def messages(text: str) -> list[str]:
    return [f"{problem.line}: {problem.message}" for problem in read(text, "bun.lock").problems]


@pytest.mark.parametrize(("path", "wanted"), [("a/bun.lock", True), ("bun.lockb", False), ("uv.lock", False)])
def test_it_wants_bun_lock(path: str, *, wanted: bool) -> None:
    assert matches(PurePosixPath(path)) is wanted


@pytest.mark.parametrize("text", [FILE, "\ufeff" + FILE, FILE.replace("\n", "\r\n")])
def test_each_package_has_its_version_its_registry_its_edges_and_its_line(text: str) -> None:
    manifest = read(text, "bun.lock")
    assert manifest.problems == ()
    found = [
        (one.key, one.name, one.version, one.location.line, one.alias, one.index, one.has_hash)
        for one in manifest.locked_packages
    ]
    assert found == [
        ("@acme/t", "@acme/t", "2.0.1", 23, "", "https://npm.example/repo", True),
        ("@acme/t/react", "react", "16.0.0", 25, "", "", False),
        ("fsevents", "fsevents", "2.3.3", 27, "", "", True),
        ("old", "lodash", "3.10.1", 29, "old", "", True),
        ("react", "react", "18.3.1", 31, "", "", True),
        ("ui", "ui", "0.1.0", 33, "", "", False),
        ("ui/react", "react", "17.0.2", 35, "", "", True),
    ]
    by_key = {one.key: one for one in manifest.locked_packages}
    assert by_key["old"].edges == (Edge(target="react", group="peer", requirement="*"),)
    assert by_key["ui"].edges == (Edge(target="ui/react", requirement="^17"),)
    assert by_key["ui/react"].edges == (
        Edge(target="old", requirement="^3", alias="old"),
        Edge(target="ui/react", requirement="1"),
    )
    assert [key for key, one in by_key.items() if one.optional] == ["fsevents"]
    assert [key for key, one in by_key.items() if one.marker] == ["fsevents"]
    assert {one.skip_reason for one in manifest.locked_packages} == {"", "workspace member"}
    assert {one.groups for one in manifest.locked_packages} == {()}


def test_the_project_and_its_members_are_where_the_graph_begins() -> None:
    manifest = read(FILE, "bun.lock", constraint=True, group="dev")
    assert manifest.importers == (
        Importer(
            name="web",
            edges=(
                Edge(target="react", requirement="^18"),
                Edge(target="ui", requirement="*"),
                Edge(target="old", requirement="^3", alias="old"),
                Edge(target="@acme/t", group="dev", requirement="~2.0.0"),
                Edge(target="fsevents", group="optional", requirement="*"),
            ),
        ),
        Importer(
            path="packages/ui",
            name="ui",
            edges=(
                Edge(target="ui/react", requirement="^17"),
                Edge(target="fsevents", group="dev", requirement="*"),
            ),
        ),
    )
    assert (manifest.format, manifest.local_names, manifest.constraint) == (NAME, ("ui", "web"), True)
    assert manifest.locked_filenames == ("package.json", "packages/ui/package.json")


@pytest.mark.parametrize("version", [0, 1, 2])
def test_three_versions_are_read(version: int) -> None:
    assert only(reading(bun({"a": ["a@1.0.0", "", {}, ""]}, lockfileVersion=version))).version == "1.0.0"


@pytest.mark.parametrize(
    ("what", "skip"),
    [
        ("a@git+ssh://git@host.example/o/a.git#1a2b3c", "git: ssh://host.example/o/a.git @ 1a2b3c"),
        ("a@github:o/a#1a2b3c", "git: github:o/a @ 1a2b3c"),
        ("a@https://u:secret@files.example/a.tgz", "URL: https://files.example/a.tgz"),
        ("a@./a.tgz", "local archive"),
        ("a@file:lib", "local path"),
        ("a@link:a", "local path"),
        ("a@workspace:gone", "workspace member"),
        ("a@root:", "workspace member"),
    ],
)
def test_what_is_in_no_registry_is_skipped(what: str, skip: str) -> None:
    one = only(reading(bun({"a": [what, {"dependencies": {}}, "o-a-1a2b3c"]})))
    assert (one.name, one.version, one.skip_reason, one.has_hash, one.index) == ("a", "", skip, False, "")


def test_an_address_of_no_known_shape_stands_for_its_registry() -> None:
    one = only(reading(bun({"@acme/a": ["@acme/a@1.0.0", "https://npm.example/download/@acme/a/1.0.0/abc", {}, ""]})))
    assert (one.index, one.skip_reason) == ("https://npm.example/download/@acme/a/1.0.0/abc", "")


@pytest.mark.parametrize("rest", [[], [None]])
def test_a_package_without_an_address_is_from_the_default_registry(rest: list[object]) -> None:
    assert only(reading(bun({"a": ["a@1.0.0", *rest]}))).index == ""


def test_an_edge_to_nowhere_is_a_problem_where_it_is_asked_for() -> None:
    text = bun(
        {"a": ["a@1.0.0", "", {"dependencies": {"gone": "1"}}, ""]}, {"dependencies": {"a": "1", "l\u00f6st": "2"}}
    )
    assert messages(text) == [
        '4: "l\u00f6st" is required here, but not in this file',
        '17: "gone" is required here, but not in this file',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: not valid JSON: the file is empty"),
        ("# yarn lockfile v1\n", "1: not valid JSON: JSON has no comments"),
        ('{"lockfileVersion": 1,\n"packages": {"a": ["a@1', "2: not valid JSON: this string is never closed"),
        ("[]", "1: a lock file of Bun is an object"),
        ("{}", "1: no lockfileVersion: this is not a lock file of Bun"),
        ('{\n"lockfileVersion": 3}', "2: unknown lockfileVersion 3"),
        ('{\n"lockfileVersion": "1"}', "2: unknown lockfileVersion that is no number"),
        ('{\n"lockfileVersion": true}', "2: unknown lockfileVersion that is no number"),
        (
            '{"lockfileVersion": 1, "workspaces": {"": {}},\n"packages": []}',
            "2: a lock file of Bun has an object called packages",
        ),
        (
            '{"lockfileVersion": 1, "packages": {}}',
            "1: a lock file of Bun has an object called workspaces",
        ),
        ('{"lockfileVersion": 1,\n"workspaces": {}, "packages": {}}', "2: the project itself is missing"),
    ],
)
def test_what_is_no_lock_file_of_bun_is_a_problem(text: str, expected: str) -> None:
    assert messages(text) == [expected]
    assert read(text, "bun.lock").locked_packages == ()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("a", {}, '"a" must be an array that begins with name@version'),
        ("a", [], '"a" must be an array that begins with name@version'),
        ("a", [1], '"a" must be an array that begins with name@version'),
        ("a", ["a"], '"a" has no version that can be one'),
        ("a", ["a@^1", ""], '"a" has no version that can be one'),
        ("a", ["-@1.0.0", ""], '"-" is no package name: no name begins like this'),
        ("a", ["\x1b@workspace:x"], '"\\u001b" is no package name: it has characters that no name has'),
        ("\x1b", ["a@1.0.0", ""], '"\\u001b" cannot be the place of a package'),
        ("", ["a@1.0.0", ""], '"" cannot be the place of a package'),
        ("a/" * 3000 + "a", ["a@1.0.0", ""], f'"{"a/" * 20}…" cannot be the place of a package'),
        ("a", ["a@1.0.0", "", {"dependencies": 1}], "dependencies must be an object"),
        ("a", ["a@1.0.0", "", {"peerDependencies": {"b": 1}}], "the values of peerDependencies must be strings"),
    ],
)
def test_a_damaged_entry_is_a_problem_at_its_line(key: str, value: object, expected: str) -> None:
    assert messages(bun({key: value})) == [f"7: {expected}"]


@pytest.mark.parametrize(
    ("place", "fields", "expected"),
    [
        ("packages/x", 1, '"packages/x" must be an object'),
        ("../x", {}, '"../x" is no folder of this project'),
        ("/x", {}, '"/x" is no folder of this project'),
        ("C:\\x", {}, '"C:\\x" is no folder of this project'),
    ],
)
def test_a_damaged_member_is_a_problem_at_its_line(place: str, fields: object, expected: str) -> None:
    assert messages(bun({}, workspaces={"": {}, place: fields})) == [f"5: {expected}"]


def test_a_key_that_stands_twice_is_a_problem() -> None:
    text = '{"lockfileVersion": 1, "workspaces": {"": {}}, "packages": {\n"a": ["a@1.0.0"],\n"a": ["a@2.0.0"]}}'
    assert messages(text) == ['3: "a" stands here twice']


def test_a_member_without_a_name_asks_from_the_top() -> None:
    workspaces = {"": {}, "x": {"name": "\x1b", "dependencies": {"a": "1"}}}
    manifest = reading(bun({"a": ["a@1.0.0"]}, workspaces=workspaces))
    assert manifest.importers == (Importer(), Importer(path="x", edges=(Edge(target="a", requirement="1"),)))


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    assert read(text, "f").problems


@given(data=st.data())
def test_damage_never_takes_packages_away_in_silence(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(WHOLE)))
    end = data.draw(st.integers(at, min(at + 40, len(WHOLE))))
    damaged = WHOLE[:at] + data.draw(st.sampled_from(["", '"', "{", "}", ",", "[]", "\\", "null", "x"])) + WHOLE[end:]
    manifest = read(damaged, "f")
    try:
        document = json.loads(damaged)
    except ValueError:
        return  # it may be read nevertheless: this is not just JSON
    assert manifest.problems or len(manifest.locked_packages) == len(document["packages"])


WHOLE = bun(
    {"a": ["a@1.0.0", "", {"dependencies": {"b": "1"}}, "sha512-abc"], "b": ["b@1.0.0"], "a/b": ["b@2.0.0", ""]},
    {"name": "web", "dependencies": {"a": "1"}},
)


def test_a_thousand_packages_are_read_in_no_time() -> None:
    packages = {
        f"package-{n}": [
            f"package-{n}@1.0.0",
            "",
            {"dependencies": {f"package-{(n * 7 + k) % 1000}": "^1.0.0" for k in range(4)}},
            "sha512-abc",
        ]
        for n in range(1000)
    }
    text = bun(packages)
    start = time.process_time()
    manifest = reading(text)
    assert time.process_time() - start < 1.5  # ten times what is promised: the machine may be busy
    assert sum(len(one.edges or ()) for one in manifest.locked_packages) == 4000
