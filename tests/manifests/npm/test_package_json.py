from __future__ import annotations

import json
import time
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nerq_cli.inventory import Declaration, DependencyFile
from nerq_cli.manifests.npm.package_json import NAME, matches, read
from nerq_cli.problem import Problem


def reading(**fields: object) -> DependencyFile:
    return read(json.dumps(fields, indent=2), "package.json")


def only(manifest: DependencyFile) -> Declaration:
    assert not manifest.problems
    [declared] = manifest.declarations
    return declared


def messages(manifest: DependencyFile) -> list[str]:
    return [problem.message for problem in manifest.problems]


@pytest.mark.parametrize(
    ("path", "wanted"), [("package.json", True), ("a/package.json", True), ("package-lock.json", False)]
)
def test_it_wants_package_json(path: str, *, wanted: bool) -> None:
    assert matches(PurePosixPath(path)) is wanted


# --- What is declared

FILE = """{
  "name": "@acme/web",
  "dependencies": {
    "react": "^18.2.0",
    "@scope/ui"
      : "1.0.0"
  },
  "devDependencies": { "vitest": "~1.2", "react": "next" },
  "optionalDependencies": {"fsevents": "*"},
  "peerDependencies": {
    "vue": ">=3 <4", "svelte": ""
  },
  "peerDependenciesMeta": {"svelte": {"optional": true}, "vue": {"optional": false}, "absent": {"optional": true}}
}
"""


@pytest.mark.parametrize("text", [FILE, "\ufeff" + FILE, FILE.replace("\n", "\r\n")])
def test_each_dependency_has_its_group_its_range_and_its_line(text: str) -> None:
    manifest = read(text, "web/package.json")
    found = [(d.name, d.requirement, d.group, d.location.line, d.marker) for d in manifest.declarations]
    assert found == [
        ("react", "^18.2.0", "main", 4, ""),
        ("@scope/ui", "1.0.0", "main", 5, ""),
        ("vitest", "~1.2", "dev", 8, ""),
        ("react", "next", "dev", 8, ""),
        ("fsevents", "*", "optional", 9, ""),
        ("vue", ">=3 <4", "peer", 11, ""),
        ("svelte", "", "peer", 11, "optional peer"),
    ]
    assert {d.location.path for d in manifest.declarations} == {"web/package.json"}
    assert {d.ecosystem for d in manifest.declarations} == {"npm"}
    assert (manifest.path, manifest.format, manifest.local_names) == ("web/package.json", NAME, ("@acme/web",))
    assert manifest.problems == ()


def test_a_minified_file_is_one_line() -> None:
    manifest = read(json.dumps(json.loads(FILE), separators=(",", ":")), "package.json")
    assert {declared.location.line for declared in manifest.declarations} == {1}


def test_of_two_entries_for_one_package_the_last_counts() -> None:
    manifest = read('{"dependencies": {\n"a": "1",\n"b": "2",\n"a": "3"}}', "package.json")
    assert [(d.name, d.requirement, d.location.line) for d in manifest.declarations] == [("a", "3", 4), ("b", "2", 3)]


def test_a_key_with_escapes_is_the_name_it_spells() -> None:
    assert only(read('{"dependencies": {"\\u0061\\u002Db": "1"}}', "package.json")).name == "a-b"


def test_a_file_without_dependencies_declares_nothing() -> None:
    assert replace(reading(name="a", version="1.0.0", scripts={"test": "x"}), settings=()) == DependencyFile(
        path="package.json", format=NAME, local_versions=(("a", "1.0.0"),), local_names=("a",)
    )


@pytest.mark.parametrize("spelling", ["bundleDependencies", "bundledDependencies"])
def test_bundled_dependencies_are_marked(spelling: str) -> None:
    dependencies = {"a": "1", "b": "2"}
    some = reading(dependencies=dependencies, devDependencies={"a": "1"}, **{spelling: ["a"]})
    assert [declared.marker for declared in some.declarations] == ["bundled", "", ""]
    everything = reading(dependencies=dependencies, **{spelling: True})
    assert [declared.marker for declared in everything.declarations] == ["bundled", "bundled"]
    nothing = reading(dependencies=dependencies, **{spelling: False})
    assert [declared.marker for declared in nothing.declarations] == ["", ""]


def test_an_alias_keeps_the_name_the_project_gives_it() -> None:
    declared = only(reading(dependencies={"old-lodash": "npm:lodash@^3"}))
    assert (declared.name, declared.alias, declared.requirement) == ("lodash", "old-lodash", "^3")


def test_what_is_not_in_the_registry_is_skipped_and_its_name_is_the_projects_own_if_it_lies_here() -> None:
    here = {"a": "file:../a", "b": "workspace:^", "c": "./c", "d": "workspace:real@*"}
    manifest = reading(dependencies={**here, "e": "owner/e", "f": "https://host.example/f.tgz", "g": "1"})
    assert [bool(declared.skip_reason) for declared in manifest.declarations] == [True] * 6 + [False]
    assert manifest.local_names == ("a", "b", "c", "real")


def test_catalogs_in_the_file_itself_settle_versions() -> None:
    dependencies = {"a": "catalog:", "b": "catalog:old", "c": "catalog:", "d": "catalog:new"}
    manifest = reading(
        dependencies=dependencies,
        workspaces={"packages": [], "catalog": {"a": "^1", "x": 1}, "catalogs": {"old": {"b": "0.9.0"}}},
        catalog={"c": "npm:real@^3"},
        catalogs={"new": "junk"},
    )
    assert [(d.name, d.requirement, d.skip_reason) for d in manifest.declarations] == [
        ("a", "^1", ""),
        ("b", "0.9.0", ""),
        ("real", "^3", ""),
        ("d", "", "catalog new: not listed here"),
    ]


@pytest.mark.parametrize("where", ["overrides", "resolutions", "pnpm"])
def test_overrides_that_apply_everywhere_are_constraints(where: str) -> None:
    settled = {
        "a": "1.2.3",
        "b": "^1.0.0",
        "c@^1": "1.0.0",
        "**/d": "1.0.0",
        "e": {".": "2.0.0-rc.1", "f": "1.0.0"},
        "g": "$j",
        "h": {"i": "1.0.0"},
        "k": "$gone",
        "l": "latest",
        "m": "-",
        "n": "",
    }
    fields = {where: {"overrides": settled} if where == "pnpm" else settled}
    manifest = reading(**fields, devDependencies={"j": "^2"})
    found = [(d.name, d.requirement, d.group, d.location.line) for d in manifest.declarations[1:]]
    line = 4 if where == "pnpm" else 3
    assert found == [
        ("a", "1.2.3", "constraint", line),
        ("b", "^1.0.0", "constraint", line + 1),
        ("d", "1.0.0", "constraint", line + 3),
        ("e", "2.0.0-rc.1", "constraint", line + 4),
        ("g", "^2", "constraint", line + 8),
        ("l", "latest", "constraint", line + 13),
    ]
    assert {declared.override_of for declared in manifest.declarations[1:]} == {"package.json"}
    assert not manifest.problems
    [note] = manifest.unlocked_problems
    message = "overrides below other packages, or of some versions only, decide nothing without a lock file: "
    assert note.message == f'{message}"c", "f", "i"'
    assert (note.level, note.line) == ("note", line + 2)


def test_the_file_that_includes_it_may_name_the_group() -> None:
    text = json.dumps({"dependencies": {"a": "1"}, "devDependencies": {"b": "1"}})
    assert [declared.group for declared in read(text, "p", group="dev:docs").declarations] == ["dev:docs", "dev"]
    narrowing = read(text, "p", constraint=True)
    assert narrowing.constraint
    assert [declared.group for declared in narrowing.declarations] == ["constraint", "constraint"]


# --- Workspaces


@pytest.mark.parametrize("wrap", [lambda globs: globs, lambda globs: {"packages": globs, "nohoist": []}])
def test_workspaces_are_included_in_their_order(wrap: object) -> None:
    assert callable(wrap)
    globs = ["packages/*", "./apps/web/", "!packages/old", "!!libs/**", ".", "tools\\x"]
    manifest = reading(workspaces=wrap(globs))
    assert [include.pattern for include in manifest.includes] == [
        "packages/*/package.json",
        "apps/web/package.json",
        "!packages/old/package.json",
        "libs/**/package.json",
        "tools/x/package.json",
    ]
    assert {include.format for include in manifest.includes} == {NAME}
    assert manifest.includes[0].line + 1 == manifest.includes[1].line


def test_workspaces_without_packages_include_nothing() -> None:
    assert replace(reading(workspaces={"catalog": {}}), settings=()) == DependencyFile(path="package.json", format=NAME)


# --- What is wrong


def test_malformed_json_is_pointed_at() -> None:
    manifest = read('{\n  "dependencies": {\n    "a": "1",\n  }\n}\n', "web/package.json")
    assert manifest.problems == (
        Problem(
            path="web/package.json",
            line=3,
            column=13,
            message="not valid JSON: JSON has no comma after the last one",
            text='    "a": "…',
            hint="remove the comma",
        ),
    )
    assert manifest.declarations == ()


@pytest.mark.parametrize("text", ["", "[]", "null", '"x"', "42", "{", "<html>", "[" * 1_000_000])
def test_what_is_no_object_is_one_problem(text: str) -> None:
    assert len(read(text, "package.json").problems) == 1


def test_an_empty_array_is_an_empty_object() -> None:
    manifest = reading(dependencies=[], devDependencies=[], overrides=[], peerDependenciesMeta=[])
    assert (messages(manifest), manifest.declarations) == ([], ())


def test_the_names_that_yarn_and_pnpm_override_are_known() -> None:
    manifest = reading(
        resolutions={"a": "1", "**/@s/b": "1", "x/c": "1", "d@npm:^1": "2", "x/@s/e": "1"},
        pnpm={"overrides": {"f": "-", "g@^1": "2", "x>h": "1"}},
        overrides={"i": "1"},
    )
    assert manifest.overridden_names == ("a", "@s/b", "d", "f", "g")


def test_wrong_shapes_are_reported_and_the_rest_is_read() -> None:
    manifest = reading(
        name=5,
        dependencies=["a"],
        devDependencies={"a": 1, "b": None, "c": {"version": "1"}, "d": "1"},
        optionalDependencies=None,
        peerDependencies="x",
        peerDependenciesMeta={"a": True},
        bundleDependencies={"a": 1},
        bundledDependencies=[1],
        overrides=["a"],
        workspaces=[1, "packages/*"],
    )
    assert messages(manifest) == [
        "dependencies must be an object, not an array",
        'the version of "a" must be a string, not a number',
        'the version of "b" must be a string, not null',
        'the version of "c" must be a string, not an object',
        "peerDependencies must be an object, not a string",
        "a must be an object, not a boolean",
        "bundleDependencies must be an array, not an object",
        "an item of bundledDependencies must be a string, not a number",
        "overrides must be an object, not an array",
        "an item of workspaces must be a string, not a number",
    ]
    assert [item.name for item in manifest.declarations if item.skip_reason != "line not understood"] == ["d"]
    assert [include.pattern for include in manifest.includes] == ["packages/*/package.json"]
    assert manifest.local_names == ()


def test_workspaces_of_another_shape_are_a_problem() -> None:
    assert messages(reading(workspaces="packages/*")) == ["workspaces must be an array, not a string"]
    assert reading(workspaces=None).problems == ()


def test_the_root_must_be_an_object() -> None:
    assert messages(read("null", "package.json")) == ["the file must be an object, not null"]


def test_what_is_no_name_is_a_problem_and_never_a_dependency() -> None:
    manifest = reading(dependencies={"../x": "1", "a b": "1", "ok": "npm:../y@1", "": "1", "fine": "1"})
    assert messages(manifest) == [
        '"../x" is no package name: no name begins like this',
        '"a b" is no package name: it has characters that no name has',
        '"ok" cannot be installed: no name begins like this',
        '"" is no package name: it is empty',
    ]
    assert [problem.column for problem in manifest.problems] == [5, 5, 11, 5]
    assert [(declared.name, declared.skip_reason) for declared in manifest.declarations] == [
        ("ok", "line not understood"),
        ("fine", ""),
    ]


def test_what_can_be_no_version_is_a_problem() -> None:
    [problem] = reading(dependencies={"a": "1.0, 2.0"}).problems
    assert problem.message == ('"a" cannot be installed: it is neither a version, a range, a dist-tag nor an address')
    assert (problem.line, problem.text) == (3, '    "a": "…')


def test_long_lines_and_values_are_not_repeated() -> None:
    [problem] = read(json.dumps({"dependencies": {"a": "x," * 400}}), "package.json").problems
    assert problem.text == '{"dependencies": {"…'
    assert len(problem.message) < 200


@pytest.mark.parametrize(
    "text", ["https://user:hunter2@host.example/x.tgz", "npm:a@https://u:hunter2@h.example/" + "x" * 99]
)
def test_credentials_are_repeated_nowhere(text: str) -> None:
    broken = f'{{"dependencies": {{"a": "{text}"'
    for manifest in (reading(dependencies={"a": text}), read(broken, "package.json"), read(broken + "}}", "p")):
        assert "hunter2" not in repr(manifest)


# --- Laws

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["^1", "npm:a@1", "catalog:"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "name",
    "dependencies",
    "devDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bundleDependencies",
    "bundledDependencies",
    "overrides",
    "resolutions",
    "pnpm",
    "workspaces",
    "catalog",
    "catalogs",
]


@given(st.dictionaries(st.sampled_from(FIELDS), junk | st.dictionaries(st.sampled_from(["a", "@b/c", "."]), junk)))
def test_no_shape_makes_it_raise(fields: dict[str, object]) -> None:
    manifest = reading(**fields)
    lines = json.dumps(fields, indent=2).count("\n") + 1
    assert all(1 <= declared.location.line <= lines for declared in manifest.declarations)
    assert all(1 <= problem.line <= lines and problem.column >= 1 for problem in manifest.problems)


@given(st.text(), st.integers(0, len(FILE)), st.integers(0, 20))
def test_no_text_makes_it_raise(noise: str, at: int, gone: int) -> None:
    for text in (noise, FILE[:at] + noise + FILE[at + gone :]):
        manifest = read(text, "package.json")
        assert (
            manifest.declarations
            or manifest.problems
            or not json.loads(text.removeprefix("\ufeff")).get("dependencies")
        )


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True), st.sampled_from(["^1.0.0", "2", "*"])))
def test_every_dependency_is_found_on_its_line(dependencies: dict[str, str]) -> None:
    lines = json.dumps({"dependencies": dependencies}, indent=1).split("\n")
    manifest = read("\n".join(lines), "package.json")
    assert {declared.name: declared.requirement for declared in manifest.declarations} == dependencies
    assert all(f'"{declared.name}"' in lines[declared.location.line - 1] for declared in manifest.declarations)


def test_a_thousand_dependencies_are_read_in_linear_time() -> None:
    def seconds(count: int) -> float:
        text = json.dumps(
            {"dependencies": {f"package-{number}": f"^{number}.0.0" for number in range(count)}}, indent=2
        )
        start = time.process_time()
        assert len(read(text, "package.json").declarations) == count
        return time.process_time() - start

    seconds(10)
    assert min(seconds(10_000) for _ in range(2)) < 40 * max(seconds(1_000), 0.005)
