from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.inventory import DependencyFile, Edge, Importer
from nerq_cli.manifests.discovery.load import load_dependency_files
from nerq_cli.manifests.formats import detect_format
from nerq_cli.manifests.npm import deno_json, deno_lock
from nerq_cli.manifests.npm.deno_specifiers import JSR_REASON, parse_specifier
from nerq_cli.resolve.lockfile import apply_lockfiles

MANIFEST = """\
{
  // the import map
  "name": "@acme/app",
  "imports": {
    "chalk": "npm:chalk@4",
    "rd": "npm:/react-dom@18/server",
    "ms1": "npm:ms@1",
    "ms2": "npm:ms@^2.1.0",
    "any": "npm:is-odd",
    "@isaacs/cliui": "npm:@isaacs/cliui@8.0.2",
    "@std/path": "jsr:@std/path@^1",
    "local": "./x.ts",
    "remote": "https://deno.example/x.ts",
  },
  "scopes": { "./y/": { "debug": "npm:debug@4" } },
}
"""

#: As Deno 2.9.6 writes it, without most hashes.
LOCK = """\
{
  "version": "5",
  "specifiers": {
    "jsr:@std/path@1": "1.0.8",
    "npm:@isaacs/cliui@8.0.2": "8.0.2",
    "npm:chalk@4": "4.1.2",
    "npm:is-even@1": "1.0.0",
    "npm:is-odd@*": "0.1.2",
    "npm:left-pad@1.3.0": "1.3.0",
    "npm:ms@1": "1.0.0",
    "npm:ms@^2.1.0": "2.1.3",
    "npm:react-dom@18": "18.3.1_react@18.3.1"
  },
  "jsr": {
    "@std/path@1.0.8": {
      "integrity": "00",
      "dependencies": [
        "npm:ms@1"
      ]
    }
  },
  "npm": {
    "@isaacs/cliui@8.0.2": {
      "integrity": "sha512-00",
      "dependencies": [
        "string-width@5.1.2",
        "string-width-cjs@npm:string-width@4.2.3"
      ]
    },
    "chalk@4.1.2": {
      "optionalDependencies": [
        "fsevents",
        "gone"
      ]
    },
    "fsevents@2.3.3": {
      "os": ["darwin"],
      "tarball": "https://registry.example/npm/fsevents/-/fsevents-2.3.3.tgz"
    },
    "is-even@1.0.0": {
      "dependencies": [
        "is-odd"
      ]
    },
    "is-odd@0.1.2": {},
    "left-pad@1.3.0": {},
    "ms@1.0.0": {},
    "ms@2.1.3": {},
    "react-dom@18.3.1_react@18.3.1": {
      "dependencies": [
        "react"
      ]
    },
    "react@18.3.1": {},
    "string-width@4.2.3": {},
    "string-width@5.1.2": {}
  },
  "workspace": {
    "dependencies": [
      "jsr:@std/path@1",
      "npm:@isaacs/cliui@8.0.2",
      "npm:chalk@4",
      "npm:is-odd@*",
      "npm:ms@1",
      "npm:ms@^2.1.0",
      "npm:react-dom@18"
    ],
    "packageJson": {
      "dependencies": [
        "npm:left-pad@1.3.0"
      ]
    },
    "members": {
      "packages/a": {
        "dependencies": [
          "npm:is-even@1"
        ]
      }
    }
  }
}
"""


def edges_of(lock: DependencyFile) -> dict[str, tuple[str, ...]]:
    return {p.key: tuple(edge.target for edge in p.edges or ()) for p in lock.locked_packages if p.edges}


def test_packages_of_the_import_map_are_read_with_their_ranges() -> None:
    manifest = deno_json.read(MANIFEST, "deno.jsonc")
    assert (manifest.problems, manifest.local_names) == ((), ("@acme/app",))
    assert [(d.package.purl, d.requirement, d.skip_reason, d.location.line) for d in manifest.declarations] == [
        ("pkg:npm/chalk", "4", "", 5),
        ("pkg:npm/react-dom", "18", "", 6),
        ("pkg:npm/ms", "1", "", 7),
        ("pkg:npm/ms", "^2.1.0", "", 8),
        ("pkg:npm/is-odd", "", "", 9),
        ("pkg:npm/%40isaacs/cliui", "8.0.2", "", 10),
        ("pkg:generic/%40std/path", "^1", JSR_REASON, 11),
        ("pkg:npm/debug", "4", "", 15),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "not valid JSON: the file is empty"),
        ("[]", 1, "the file must be an object, not an array"),
        ('{"imports": 1}', 1, "imports must be an object, not a number"),
        ('{"imports": {"a": "npm:.a@1"}}', 1, '".a" is no package name'),
    ],
)
def test_a_damaged_manifest_is_a_problem(text: str, line: int, message: str) -> None:
    [problem] = deno_json.read(text, "deno.json").problems
    assert problem.line == line
    assert message in problem.message


def test_an_import_map_in_another_file_is_a_note() -> None:
    assert deno_json.read('{"importMap": "map.json"}', "deno.json").notes


def test_all_locked_packages_are_read_with_their_edges() -> None:
    lock = deno_lock.read(LOCK, "deno.lock")
    assert (lock.problems, lock.notes) == ((), ())
    assert {(p.name, p.version) for p in lock.locked_packages if p.ecosystem == "npm"} == {
        ("@isaacs/cliui", "8.0.2"),
        ("chalk", "4.1.2"),
        ("fsevents", "2.3.3"),
        ("is-even", "1.0.0"),
        ("is-odd", "0.1.2"),
        ("left-pad", "1.3.0"),
        ("ms", "1.0.0"),
        ("ms", "2.1.3"),
        ("react", "18.3.1"),
        ("react-dom", "18.3.1"),
        ("string-width", "4.2.3"),
        ("string-width", "5.1.2"),
    }
    assert edges_of(lock) == {
        "jsr:@std/path@1.0.8": ("npm:ms@1.0.0",),
        "npm:@isaacs/cliui@8.0.2": ("npm:string-width@5.1.2", "npm:string-width@4.2.3"),
        "npm:chalk@4.1.2": ("npm:fsevents@2.3.3",),
        "npm:is-even@1.0.0": ("npm:is-odd@0.1.2",),
        "npm:react-dom@18.3.1": ("npm:react@18.3.1",),
    }
    packages = {p.name: p for p in lock.locked_packages}
    assert packages["@isaacs/cliui"].edges == (
        Edge(target="npm:string-width@5.1.2"),
        Edge(target="npm:string-width@4.2.3", alias="string-width-cjs"),
    )
    assert (packages["fsevents"].optional, packages["fsevents"].marker) == (True, "os: darwin")
    assert packages["fsevents"].index == "https://registry.example/npm"
    assert packages["@std/path"].skip_reason == JSR_REASON
    assert (packages["@isaacs/cliui"].has_hash, packages["chalk"].has_hash) == (True, False)
    assert LOCK.splitlines()[packages["chalk"].location.line - 1] == '    "chalk@4.1.2": {'


def test_the_project_and_its_members_are_the_starts_of_the_graph() -> None:
    root, member = deno_lock.read(LOCK, "deno.lock").importers or ()
    assert [edge.target for edge in root.edges] == [
        "jsr:@std/path@1.0.8",
        "npm:@isaacs/cliui@8.0.2",
        "npm:chalk@4.1.2",
        "npm:is-odd@0.1.2",
        "npm:ms@1.0.0",
        "npm:ms@2.1.3",
        "npm:react-dom@18.3.1",
        "npm:left-pad@1.3.0",
    ]
    assert member == Importer(path="packages/a", edges=(Edge(target="npm:is-even@1.0.0", requirement="1"),))


def test_two_ranges_of_one_package_are_each_locked_without_drift() -> None:
    manifest = deno_json.read(MANIFEST.replace('"debug": "npm:debug@4"', ""), "deno.json")
    lock, manifest = apply_lockfiles([deno_lock.read(LOCK, "deno.lock"), manifest])
    assert (lock.drift, manifest.lockfile, manifest.declarations) == ((), "deno.lock", ())
    locked = {(d.name, d.requirement): d.locked_version for d in lock.declarations if d.location.path == "deno.json"}
    assert (locked["ms", "1"], locked["ms", "^2.1.0"]) == ("1.0.0", "2.1.3")


@pytest.mark.parametrize(
    "content",
    [
        {
            "version": "2",
            "npm": {
                "specifiers": {"chalk@4": "chalk@4.1.2"},
                "packages": {"chalk@4.1.2": {"dependencies": {"other": "ms@2.1.3"}}, "ms@2.1.3": {"dependencies": {}}},
            },
        },
        {
            "version": "3",
            "packages": {
                "specifiers": {"npm:chalk@4": "npm:chalk@4.1.2"},
                "npm": {"chalk@4.1.2": {"dependencies": {"other": "ms@2.1.3"}}, "ms@2.1.3": {"dependencies": {}}},
            },
            "remote": {"https://deno.example/x.ts": "00"},
        },
        {
            "version": "4",
            "specifiers": {"npm:chalk@4": "4.1.2"},
            "npm": {"chalk@4.1.2": {"dependencies": ["other@npm:ms@2.1.3"]}, "ms@2.1.3": {}},
        },
    ],
)
def test_older_versions_are_read_alike(content: dict[str, object]) -> None:
    lock = deno_lock.read(json.dumps(content), "deno.lock")
    assert lock.problems == ()
    assert [(p.name, p.version) for p in lock.locked_packages] == [("chalk", "4.1.2"), ("ms", "2.1.3")]
    assert lock.locked_packages[0].edges == (Edge(target="npm:ms@2.1.3", alias="other"),)
    assert lock.importers == (Importer(edges=(Edge(target="npm:chalk@4.1.2", requirement="4"),)),)
    assert lock.notes == (("1 modules from URLs: not listed here",) if "remote" in content else ())


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "not valid JSON: the file is empty"),
        ("[]", 1, "a lock file is an object"),
        ("{}", 1, "it has no version"),
        ('{"version": "9"}', 1, 'unknown version of the lock file: "9"'),
        ('{"version": "5",\n"npm": {"a": {}}}', 2, '"a" is no package: it has no version'),
        ('{"version": "5",\n"npm": {"a@1": []}}', 1, '"a@1" is no package: it is no object'),
        ('{"version": "5",\n"npm": {"a@1": {"dependencies": ["b"]}}}', 2, '"b" is required here'),
        ('{"version": "5", "npm": {}, "npm": {}}', 1, '"npm" stands here twice'),
    ],
)
def test_a_damaged_lock_file_is_a_problem(text: str, line: int, message: str) -> None:
    [problem] = deno_lock.read(text, "deno.lock").problems
    assert problem.line == line
    assert message in problem.message


@given(st.text(max_size=60), st.integers(0, len(LOCK)))
def test_any_text_is_read_or_refused(text: str, position: int) -> None:
    for damaged in (text, LOCK[:position] + text + LOCK[position + len(text) :]):
        deno_lock.read(damaged, "deno.lock")
        deno_json.read(damaged, "deno.json")


def test_what_names_no_package_is_no_specifier() -> None:
    for text in ("./a", "https://deno.example/a.ts", "node:fs", "npm", "data:a"):
        assert parse_specifier(text) is None


@pytest.mark.parametrize("manifest", ["deno.json", "packages/a/deno.json"])
def test_the_lock_file_governs_the_manifest_of_the_project_and_those_of_its_members(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "packages" / "a").mkdir(parents=True)
    (tmp_path / "deno.json").write_text(MANIFEST)
    (tmp_path / "packages" / "a" / "deno.json").write_text('{"imports": {"is-even": "npm:is-even@1"}}')
    (tmp_path / "deno.lock").write_text(LOCK)
    files = apply_lockfiles(load_dependency_files([manifest]))
    assert {file.format for file in files} == {"deno.json", "deno.lock"}
    versions = {d.name: d.locked_version for file in files for d in file.declarations}
    assert (versions["is-odd"], versions.get("chalk")) == ("0.1.2", "4.1.2" if manifest == "deno.json" else None)


def test_both_files_are_found() -> None:
    assert detect_format(PurePosixPath("a/deno.jsonc")) == deno_json.NAME
    assert detect_format(PurePosixPath("a/deno.lock")) == deno_lock.NAME
