from __future__ import annotations

import json
import time
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.inventory import DependencyFile, Edge, Importer, LockedPackage
from nerq_cli.manifests.npm.package_lock import NAME, matches, read

BASE = "https://npm.example"


def tarball(name: str, version: str = "1.0.0", base: str = BASE) -> str:
    return f"{base}/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"


def entry(name: str, version: str = "1.0.0", /, **more: object) -> dict[str, object]:
    return {"version": version, "resolved": tarball(name, version), "integrity": "sha512-abc", **more}


def flat(packages: dict[str, Any], root: dict[str, Any] | None = None, **top: object) -> str:
    document = {"name": "web", "lockfileVersion": 3, **top, "packages": {"": root or {}, **packages}}
    return json.dumps(document, indent=2)


def nested(dependencies: dict[str, Any], **top: object) -> str:
    return json.dumps({"name": "web", "lockfileVersion": 1, "requires": True, **top, "dependencies": dependencies})


def reading(text: str) -> DependencyFile:
    manifest = read(text, "package-lock.json")
    assert manifest.problems == ()
    return manifest


def packages(manifest: DependencyFile) -> dict[str, LockedPackage]:
    return {one.key: one for one in manifest.locked_packages}


def only(manifest: DependencyFile) -> LockedPackage:
    [locked] = manifest.locked_packages
    return locked


def messages(text: str) -> list[str]:
    manifest = read(text, "package-lock.json")
    assert all(problem.path == "package-lock.json" for problem in manifest.problems)
    return [f"{problem.line}: {problem.message}" for problem in manifest.problems]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("package-lock.json", True),
        ("a/npm-shrinkwrap.json", True),
        ("node_modules/.package-lock.json", False),
        ("package.json", False),
    ],
)
def test_it_wants_the_lock_files_of_npm(path: str, *, wanted: bool) -> None:
    assert matches(PurePosixPath(path)) is wanted


# --- What is where

FILE = """{
  "name": "web",
  "version": "1.0.0",
  "lockfileVersion": 3,
  "requires": true,
  "packages": {
    "": {
      "name": "web",
      "version": "1.0.0",
      "dependencies": { "a": "^1.0.0" },
      "devDependencies": { "@acme/t": "~2.0.0" }
    },
    "node_modules/@acme/t": {
      "version": "2.0.1",
      "resolved": "https://user:secret@npm.example/repo/@acme/t/-/t-2.0.1.tgz?x=1#frag",
      "dev": true
    },
    "node_modules/a": {
      "version": "1.2.3",
      "resolved": "https://npm.example/a/-/a-1.2.3.tgz",
      "integrity": "sha512-abc",
      "dependencies": { "b": "^2.0.0" },
      "hasInstallScript": true
    },
    "node_modules/a/node_modules/b": { "version": "2.0.0", "resolved": "https://npm.example/b/-/b-2.0.0.tgz" },
    "node_modules/b": { "version": "1.0.0" }
  }
}
"""


@pytest.mark.parametrize("text", [FILE, "\ufeff" + FILE, FILE.replace("\n", "\r\n")])
def test_each_package_has_its_version_its_registry_its_edges_and_its_line(text: str) -> None:
    manifest = read(text, "web/package-lock.json")
    assert manifest.problems == ()
    found = [
        (one.key, one.name, one.version, one.location.line, one.groups, one.index) for one in manifest.locked_packages
    ]
    assert found == [
        ("node_modules/@acme/t", "@acme/t", "2.0.1", 13, ("dev",), "https://npm.example/repo"),
        ("node_modules/a", "a", "1.2.3", 18, ("main",), BASE),
        ("node_modules/a/node_modules/b", "b", "2.0.0", 25, ("main",), BASE),
        ("node_modules/b", "b", "1.0.0", 26, ("main",), ""),
    ]
    assert {(one.location.path, one.ecosystem, one.skip_reason, one.alias) for one in manifest.locked_packages} == {
        ("web/package-lock.json", "npm", "", "")
    }
    assert [one.has_hash for one in manifest.locked_packages] == [False, True, False, False]
    assert packages(manifest)["node_modules/a"].edges == (
        Edge(target="node_modules/a/node_modules/b", requirement="^2.0.0"),
    )
    root = Importer(
        name="web",
        edges=(
            Edge(target="node_modules/a", requirement="^1.0.0"),
            Edge(target="node_modules/@acme/t", group="dev", requirement="~2.0.0"),
        ),
    )
    assert manifest.importers == (root,)
    assert (manifest.path, manifest.format, manifest.locked_filenames) == (
        "web/package-lock.json",
        NAME,
        ("package.json",),
    )
    assert (manifest.declarations, manifest.local_names, manifest.notes) == ((), ("web",), ())


def test_it_may_be_read_as_a_constraint() -> None:
    assert read(FILE, "f", constraint=True, group="dev").constraint


def test_an_edge_leads_to_the_nearest_folder_as_in_node() -> None:
    places = ["a", "c", "a/node_modules/b", "a/node_modules/b/node_modules/c", "a/node_modules/d", "b"]
    wishes = {"a/node_modules/b": {"c": "1", "d": "1", "a": "1", "b": "1"}}
    manifest = reading(
        flat({f"node_modules/{p}": entry(p.rpartition("/")[2], dependencies=wishes.get(p, {})) for p in places})
    )
    needs = packages(manifest)["node_modules/a/node_modules/b"].edges or ()
    assert [need.target for need in needs] == [
        "node_modules/a/node_modules/b/node_modules/c",
        "node_modules/a/node_modules/d",
        "node_modules/a",
        "node_modules/a/node_modules/b",
    ]


def test_edges_are_main_optional_or_peer_and_the_last_two_may_lead_nowhere() -> None:
    asks = {
        "dependencies": {"a": "1", "b": "1", "absent": "1"},
        "optionalDependencies": {"b": "^1", "absent": "1"},
        "peerDependencies": {"c": "*", "gone": "*"},
        "devDependencies": {"never": "1"},
    }
    manifest = reading(
        flat({f"node_modules/{name}": entry(name) for name in "abc"} | {"node_modules/x": entry("x", **asks)})
    )
    assert packages(manifest)["node_modules/x"].edges == (
        Edge(target="node_modules/a", requirement="1"),
        Edge(target="node_modules/b", group="optional", requirement="^1"),
        Edge(target="node_modules/c", group="peer", requirement="*"),
    )
    assert packages(manifest)["node_modules/a"].edges == ()


@pytest.mark.parametrize(
    ("flags", "groups", "optional"),
    [
        ({}, ("main",), False),
        ({"dev": True}, ("dev",), False),
        ({"optional": True}, ("optional",), True),
        ({"dev": True, "optional": True}, ("dev",), True),
        ({"devOptional": True}, ("dev", "optional"), True),
        ({"peer": True}, ("peer",), False),
        ({"dev": True, "peer": True}, ("dev",), False),
        ({"dev": False, "optional": None}, ("main",), False),
    ],
)
def test_flags_say_what_a_package_is_for(flags: dict[str, object], groups: tuple[str, ...], *, optional: bool) -> None:
    one = only(reading(flat({"node_modules/a": entry("a", **flags)})))
    assert (one.groups, one.optional) == (groups, optional)


def test_an_alias_is_scored_as_the_package_it_stands_for() -> None:
    manifest = reading(
        flat({"node_modules/old": entry("lodash", name="lodash")}, {"dependencies": {"old": "npm:lodash@^3"}})
    )
    one = only(manifest)
    assert (one.name, one.alias, one.index) == ("lodash", "old", BASE)
    assert manifest.importers == (
        Importer(name="web", edges=(Edge(target="node_modules/old", requirement="^3", alias="old"),)),
    )


def test_what_is_bundled_is_kept_and_need_not_be_complete() -> None:
    one = only(
        reading(
            flat({"node_modules/a/node_modules/b": {"version": "1.0.0", "inBundle": True, "dependencies": {"c": "1"}}})
        )
    )
    assert (one.marker, one.skip_reason, one.has_hash, one.edges) == ("bundled", "", False, ())


# --- Where from


@pytest.mark.parametrize(
    ("resolved", "skip"),
    [
        ("git+ssh://git@host.example/o/a.git#1a2b3c", "git: ssh://host.example/o/a.git @ 1a2b3c"),
        ("git+https://user:secret@host.example/o/a.git#1a2b3c", "git: https://host.example/o/a.git @ 1a2b3c"),
        ("file:../a-1.0.0.tgz", "local archive"),
        ("a-1.0.0", "local path"),
    ],
)
def test_what_is_in_no_registry_is_skipped(resolved: str, skip: str) -> None:
    one = only(reading(flat({"node_modules/a": {"version": "1.0.0", "resolved": resolved}})))
    assert (one.skip_reason, one.index, one.version) == (skip, "", "1.0.0")


def test_an_archive_of_a_registry_has_the_name_of_its_url_in_version_1_too() -> None:
    one = only(reading(nested({"short": {"version": tarball("a", "1.4.0")}})))
    assert (one.name, one.alias, one.version, one.index, one.skip_reason) == ("a", "short", "1.4.0", BASE, "")
    one = only(reading(nested({"short": {"version": "https://files.example/v1.4.0.tgz"}})))
    assert (one.name, one.version, one.skip_reason) == ("short", "", "URL: https://files.example/v1.4.0.tgz")


def test_an_address_that_somebody_asks_for_is_no_registry() -> None:
    url = "https://files.example/a.tgz?token=secret"
    manifest = reading(flat({"node_modules/a": {"version": "1.0.0", "resolved": url}}, {"dependencies": {"a": url}}))
    assert (only(manifest).skip_reason, only(manifest).index) == ("URL: https://files.example/a.tgz", "")
    assert manifest.importers is not None
    assert manifest.importers[0].edges == (Edge(target="node_modules/a"),)


@pytest.mark.parametrize(
    ("name", "resolved", "index"),
    [
        ("@acme/a", "https://npm.example/x/@acme%2fa/-/a-1.0.0.tgz", "https://npm.example/x"),
        ("@acme/a", "https://npm.example/@acme/a/-/@acme/a-1.0.0.tgz", BASE),
        ("@acme/a", "https://npm.example/download/@acme/a/1.0.0/abc", "https://npm.example/download/@acme/a/1.0.0/abc"),
        ("a", "https://npm.example/b/-/b-1.0.0.tgz", "https://npm.example/b/-/b-1.0.0.tgz"),
        ("a", "https://npm.example/a/-/a-6.6.6.tgz", "https://npm.example/a/-/a-6.6.6.tgz"),
        ("a", "https://u:s@npm.example/a.tgz?key=s", "https://npm.example/a.tgz"),
        ("a", False, ""),
        ("a", "", ""),
    ],
)
def test_an_address_that_nobody_asks_for_is_the_registry_or_stands_for_itself(
    name: str, resolved: object, index: str
) -> None:
    one = only(reading(flat({f"node_modules/{name}": {"version": "1.0.0", "resolved": resolved}})))
    assert (one.index, one.skip_reason) == (index, "")


def test_build_metadata_is_in_no_address() -> None:
    one = only(reading(flat({"node_modules/a": {"version": "1.0.0+build", "resolved": tarball("a")}})))
    assert one.index == BASE


# --- Workspaces and folders


def test_members_of_the_workspace_are_roots_and_their_links_lead_to_them() -> None:
    member = {"name": "@acme/ui", "version": "0.1.0", "dependencies": {"a": "^2"}, "devDependencies": {"b": "1"}}
    manifest = reading(
        flat(
            {
                "node_modules/@acme/ui": {"resolved": "packages/ui", "link": True},
                "node_modules/a": entry("a"),
                "node_modules/b": entry("b", dev=True),
                "packages/ui": member,
                "packages/ui/node_modules/a": entry("a", "2.0.0"),
            },
            {"workspaces": ["packages/*"], "dependencies": {"@acme/ui": "*", "a": "^1"}},
        )
    )
    assert manifest.importers == (
        Importer(
            name="web",
            edges=(Edge(target="packages/ui", requirement="*"), Edge(target="node_modules/a", requirement="^1")),
        ),
        Importer(
            path="packages/ui",
            name="@acme/ui",
            edges=(
                Edge(target="packages/ui/node_modules/a", requirement="^2"),
                Edge(target="node_modules/b", group="dev", requirement="1"),
            ),
        ),
    )
    ui = packages(manifest)["packages/ui"]
    assert (ui.name, ui.version, ui.skip_reason, ui.alias, ui.groups) == (
        "@acme/ui",
        "0.1.0",
        "workspace member",
        "",
        (),
    )
    assert ui.edges == (Edge(target="packages/ui/node_modules/a", requirement="^2"),)
    assert list(packages(manifest)) == ["node_modules/a", "node_modules/b", "packages/ui", "packages/ui/node_modules/a"]
    assert manifest.local_names == ("@acme/ui", "web")
    assert manifest.locked_filenames == ("package.json", "packages/ui/package.json")


@pytest.mark.parametrize(
    ("globs", "reasons"),
    [
        (["./packages/*/"], ("workspace member", "local path")),
        ({"packages": ["**", "!lib"]}, ("workspace member", "local path")),
        (["packages/*", "!packages/ui"], ("local path", "local path")),
        (7, ("local path", "local path")),
    ],
)
def test_a_folder_that_is_no_member_of_the_workspace_is_a_local_path(globs: object, reasons: tuple[str, str]) -> None:
    folders: dict[str, object] = {
        "node_modules/ui": {"resolved": "packages/ui", "link": True},
        "node_modules/lib": {"resolved": "lib", "link": True},
        "packages/ui": {"version": "1.0.0"},
        "lib": {"version": "1.0.0"},
    }
    entries = packages(reading(flat(folders, {"workspaces": globs, "dependencies": {"lib": "file:lib", "ui": "*"}})))
    assert (entries["packages/ui"].skip_reason, entries["lib"].skip_reason) == reasons


def test_a_folder_that_is_linked_is_local_and_one_outside_is_no_root() -> None:
    manifest = reading(
        flat(
            {
                "../lib": {"version": "2.0.0", "dependencies": {"elsewhere": "1"}},
                "tools/@acme/x": {},
                "C:\\y": {"dependencies": {"elsewhere": "1"}},
                "node_modules/lib": {"resolved": "../lib", "link": True},
                "node_modules/@acme/x": {"resolved": "tools/@acme/x", "link": True},
                "node_modules/a": entry("a"),
            },
            {"name": "own", "dependencies": {"lib": "file:../lib", "@acme/x": "file:tools/@acme/x"}},
            name=None,
        )
    )
    found = packages(manifest)
    assert [(found[key].name, found[key].skip_reason) for key in ("../lib", "tools/@acme/x", "C:\\y")] == [
        ("lib", "local path"),
        ("@acme/x", "local path"),
        ("C:\\y", "local path"),
    ]
    assert [(root.path, root.name) for root in manifest.importers or ()] == [("", "own"), ("tools/@acme/x", "@acme/x")]
    assert manifest.local_names == ("@acme/x", "own")


def test_a_folder_outside_finds_nothing_of_this_project() -> None:
    manifest = reading(flat({"../lib": {"dependencies": {"a": "1"}}, "node_modules/a": entry("a")}))
    assert packages(manifest)["../lib"].edges == ()


@pytest.mark.parametrize("target", ["packages/gone", "", "node_modules/a", None])
def test_a_link_to_nowhere_is_a_problem(target: object) -> None:
    text = flat({"node_modules/a": entry("a"), "node_modules/x": {"link": True, "resolved": target}})
    assert messages(text) == ['11: the link "node_modules/x" leads to no entry']


# --- Versions 2 and 1


def test_of_version_2_the_packages_are_read() -> None:
    text = flat({"node_modules/a": entry("a")}, lockfileVersion=2, dependencies={"b": {"version": "1.0.0"}})
    assert [one.name for one in reading(text).locked_packages] == ["a"]


def test_version_1_nests_packages_as_the_folders_are() -> None:
    manifest = reading(
        nested(
            {
                "a": {**entry("a"), "requires": {"b": "^2", "f": "*"}, "dependencies": {"b": entry("b", "2.0.0")}},
                "b": {**entry("b"), "dev": True, "optional": True},
                "f": {**entry("f"), "optional": True, "bundled": True, "requires": {"b": "1"}},
                "old": {"version": "npm:@acme/real@3.0.0", "resolved": tarball("@acme/real", "3.0.0")},
            }
        )
    )
    found = [
        (one.key, one.name, one.version, one.groups, one.optional, one.marker, one.alias, one.index)
        for one in manifest.locked_packages
    ]
    assert found == [
        ("node_modules/a", "a", "1.0.0", ("main",), False, "", "", BASE),
        ("node_modules/a/node_modules/b", "b", "2.0.0", ("main",), False, "", "", BASE),
        ("node_modules/b", "b", "1.0.0", ("dev",), True, "", "", BASE),
        ("node_modules/f", "f", "1.0.0", ("optional",), True, "bundled", "", BASE),
        ("node_modules/old", "@acme/real", "3.0.0", ("main",), False, "", "old", BASE),
    ]
    assert packages(manifest)["node_modules/a"].edges == (
        Edge(target="node_modules/a/node_modules/b", requirement="^2"),
        Edge(target="node_modules/f", group="optional", requirement="*"),
    )
    assert packages(manifest)["node_modules/f"].edges == (Edge(target="node_modules/b", requirement="1"),)
    assert (manifest.importers, manifest.local_names, manifest.locked_filenames) == (None, ("web",), ("package.json",))


@pytest.mark.parametrize(
    ("version", "skip"),
    [
        ("git+ssh://git@host.example/o/a.git#1a2b3c", "git: ssh://host.example/o/a.git @ 1a2b3c"),
        ("github:o/a#1a2b3c", "git: github:o/a @ 1a2b3c"),
        ("https://files.example/a.tgz", "URL: https://files.example/a.tgz"),
        ("file:packages/a", "local path"),
    ],
)
def test_in_version_1_an_address_stands_for_the_version(version: str, skip: str) -> None:
    one = only(reading(nested({"a": {"version": version, "from": "x"}})))
    assert (one.version, one.skip_reason) == ("", skip)


def test_before_npm_5_a_file_knew_no_edges() -> None:
    text = json.dumps({"name": "web", "dependencies": {"a": {"version": "1.0.0", "resolved": tarball("a")}}})
    assert only(reading(text)).edges is None


def test_what_version_1_lacks_is_noted_for_it_may_be_optional() -> None:
    manifest = reading(nested({"a": {**entry("a"), "requires": {f"x{n}": "1" for n in range(7)}}}))
    [note] = manifest.notes
    named = ", ".join(f'"x{n}" (required by a)' for n in range(5))
    assert note == f"required but not in this file, as npm 6 leaves out optional packages: {named} and 2 more"
    assert only(manifest).edges == ()
    [note] = reading(nested({"a": {**entry("a"), "requires": {"x": "1"}}})).notes
    assert note.endswith(': "x" (required by a)')


def test_a_version_1_file_may_have_no_packages() -> None:
    assert reading('{"lockfileVersion": 1}').locked_packages == ()


# --- What is wrong


def test_an_edge_to_nowhere_is_a_problem_where_it_is_asked_for() -> None:
    text = flat({"node_modules/a": entry("a", dependencies={"gone": "1"})}, {"dependencies": {"a": "1", "lost": "2"}})
    assert messages(text) == [
        '8: "lost" is required here, but not in this file',
        '16: "gone" is required here, but not in this file',
    ]
    escaped = text.replace('"gone"', '"g\\u006fne"')
    assert messages(escaped)[1].startswith("11: ")


def test_what_npm_ci_does_not_install_is_left_out() -> None:
    extraneous = entry("a", extraneous=True, dependencies={"gone": "1"})
    flags = [{"dev": True, "optional": True, "peer": True}, {"optional": True}, {"ideallyInert": True, "dev": True}]
    left_out = {f"node_modules/b{number}": fields for number, fields in enumerate(flags)}
    text = flat({"node_modules/a": extraneous, "node_modules/k": entry("k"), **left_out}, {"dependencies": {"k": "1"}})
    assert [*packages(reading(text))] == ["node_modules/k"]


def test_a_required_entry_of_flags_alone_is_missing() -> None:
    text = flat({"node_modules/a": {"dev": True}}, {"devDependencies": {"a": "^1"}})
    assert messages(text) == ['7: "a" is required here, but not in this file']


def test_a_project_with_nothing_has_no_entry() -> None:
    manifest = reading('{"name": "web", "lockfileVersion": 3, "requires": true, "packages": {}}')
    assert (manifest.locked_packages, manifest.importers) == ((), (Importer(name="web"),))


@pytest.mark.parametrize("version", [2, 3])
def test_dependencies_alone_are_read_as_in_version_1(version: int) -> None:
    manifest = reading(nested({"a": {"version": "1.0.0", "resolved": tarball("a")}}, lockfileVersion=version))
    assert (only(manifest).name, only(manifest).version, manifest.importers) == ("a", "1.0.0", None)


@pytest.mark.parametrize(
    "text",
    [
        '{"lockfileVersion": 1, "requires": true, "dependencies": []}',
        '{"lockfileVersion": 3, "packages": []}',
        '{"lockfileVersion": 3, "packages": {"": {"dependencies": [], "devDependencies": []}}}',
    ],
)
def test_an_empty_array_is_an_empty_object(text: str) -> None:
    assert reading(text).locked_packages == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: not valid JSON: the file is empty"),
        ("lockfileVersion: '9.0'\n", "1: not valid JSON: this word means nothing in JSON"),
        ('{"lockfileVersion": 3,\n"packages": {"": {}', "2: not valid JSON: the file ends in the middle of a value"),
        ("[]", "1: a lock file of npm is an object"),
        ("{}", "1: no lockfileVersion: this is not a lock file of npm"),
        ('{"packages": {"": {}}}', "1: no lockfileVersion: this is not a lock file of npm"),
        ('{\n"lockfileVersion": 4}', "2: unknown lockfileVersion 4"),
        ('{\n"lockfileVersion": "3"}', "2: unknown lockfileVersion that is no number"),
        ('{\n"lockfileVersion": true}', "2: unknown lockfileVersion that is no number"),
        ('{\n"lockfileVersion": 3}', "2: a lock file of this version needs an object called packages"),
        ('{"lockfileVersion": 3,\n"packages": [1]}', "2: a lock file of this version needs an object called packages"),
        (
            '{"lockfileVersion": 3,\n"packages": {"node_modules/a": {"dev": true}}}',
            "2: the project itself is missing from packages",
        ),
        ('{"lockfileVersion": 1,\n"dependencies": [1]}', "2: dependencies must be an object"),
        ('{"lockfileVersion": 1, "dependencies": {\n"a": "1.0.0"}}', '2: "a" must be an object'),
        ('{"dependencies": {\n"a": "^1.0.0"}}', '2: "a" must be an object'),
    ],
)
def test_what_is_no_lock_file_of_npm_is_a_problem(text: str, expected: str) -> None:
    assert messages(text) == [expected]
    assert read(text, "f").locked_packages == ()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("node_modules/a", 1, '"node_modules/a" must be an object'),
        ("node_modules/a", {"resolved": tarball("a")}, '"a" has no version'),
        ("node_modules/a", {"version": "^1"}, '"a" has no version that can be one'),
        ("node_modules/a", {"version": 1}, '"a" has no version that can be one'),
        ("node_modules/a b", entry("a"), '"a b" is no package name: it has characters that no name has'),
        ("node_modules/a/b", entry("a"), '"a/b" is no package name: it has characters that no name has'),
        ("node_modules/a", entry("a", name="-"), '"-" is no package name: no name begins like this'),
        ("node_modules/\x1b", entry("a"), '"node_modules/\\u001b" cannot be the path of a folder'),
        ("node_modules/" * 400 + "a", entry("a"), f'"{("node_modules/" * 5)[:40]}…" cannot be the path of a folder'),
        ("node_modules/a", entry("a", dependencies=[1]), "dependencies must be an object"),
        ("node_modules/a", entry("a", peerDependencies={"b": 1}), "the values of peerDependencies must be strings"),
    ],
)
def test_a_damaged_entry_is_a_problem_at_its_line(key: str, value: object, expected: str) -> None:
    assert messages(flat({key: value})) == [f"6: {expected}"]


def test_names_that_nothing_can_print_are_left_out() -> None:
    manifest = reading(flat({"tools/x": {"name": "\x1b[2J"}, "node_modules/a": entry("a", name="\n")}, name="\x1b"))
    assert [one.name for one in manifest.locked_packages] == ["x", "a"]
    assert manifest.local_names == ("x",)


def test_a_key_that_stands_twice_is_a_problem() -> None:
    twice = '"node_modules/a": {"version": "1.0.0"},\n"node_modules/a": {"version": "2.0.0",\n"version": "3.0.0"}'
    text = f'{{"lockfileVersion": 3, "packages": {{"": {{}},\n{twice}}}}}'
    assert messages(text) == ['3: "node_modules/a" stands here twice', '3: "version" stands here twice']


def test_folders_do_not_nest_without_end() -> None:
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"a": {"version": "1.0.0", "dependencies": deep}}
    assert messages(nested(deep)) == ["1: not valid JSON: nested more than 100 levels deep"]


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    manifest = read(text, "f")
    assert manifest.problems


WHOLE = flat(
    {
        "node_modules/a": entry("a", dependencies={"b": "1"}),
        "node_modules/b": entry("b"),
        "node_modules/ui": {"resolved": "packages/ui", "link": True},
        "packages/ui": {"name": "ui"},
    },
    {"dependencies": {"a": "1", "ui": "*"}, "devDependencies": {"b": "1"}},
)
WHOLE_1 = nested({"a": {**entry("a"), "requires": {"b": "1"}, "dependencies": {"b": entry("b")}}, "c": entry("c")})


@pytest.mark.parametrize("whole", [WHOLE, WHOLE_1])
@given(data=st.data())
def test_damage_never_takes_packages_away_in_silence(whole: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(at, min(at + 40, len(whole))))
    damaged = whole[:at] + data.draw(st.sampled_from(["", '"', "{", "}", ",", "[]", "\\", "null", "x"])) + whole[end:]
    manifest = read(damaged, "f")
    try:
        document = json.loads(damaged)
    except ValueError:
        assert manifest.problems
        return
    assert manifest.problems or manifest.notes or len(manifest.locked_packages) >= _entries_of(document)


def _entries_of(document: dict[str, Any]) -> int:
    if document.get("lockfileVersion") in (1, None):
        return _nested_entries_of(document.get("dependencies", {}))
    return sum(1 for key, fields in document["packages"].items() if key and fields.get("link") is not True)


def _nested_entries_of(dependencies: dict[str, Any]) -> int:
    return sum(1 + _nested_entries_of(fields.get("dependencies", {})) for fields in dependencies.values())


@pytest.mark.parametrize("version", [1, 3])
def test_a_thousand_packages_are_read_in_no_time(version: int) -> None:
    wishes = {
        f"package-{number}": {f"package-{(number * 7 + k) % 1000}": "^1.0.0" for k in range(4)}
        for number in range(1000)
    }
    field = "requires" if version == 1 else "dependencies"
    entries = {name: entry(name, **{field: asked}) for name, asked in wishes.items()}
    text = nested(entries) if version == 1 else flat({f"node_modules/{name}": one for name, one in entries.items()})
    start = time.process_time()
    manifest = reading(text)
    assert time.process_time() - start < 1.5  # ten times what is promised: the machine may be busy
    assert sum(len(one.edges or ()) for one in manifest.locked_packages) == 4000
