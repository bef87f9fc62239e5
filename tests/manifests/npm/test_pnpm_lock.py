from __future__ import annotations

import time
from pathlib import PurePosixPath

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from nerq_cli.inventory import DependencyFile, Edge, Importer, LockedPackage
from nerq_cli.manifests.npm.pnpm_lock import NAME, matches, read


def by_key(manifest: DependencyFile) -> dict[str, LockedPackage]:
    found = {entry.key: entry for entry in manifest.locked_packages}
    assert len(found) == len(manifest.locked_packages)
    return found


def good(text: str) -> DependencyFile:
    manifest = read(text, "web/pnpm-lock.yaml")
    assert manifest.problems == ()
    keys = by_key(manifest)
    every = [need for entry in manifest.locked_packages for need in entry.edges or ()]
    assert all(
        need.target in keys for need in (*every, *(need for root in manifest.importers or () for need in root.edges))
    )
    return manifest


def problems(text: str) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in read(text, "pnpm-lock.yaml").problems]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [("a/pnpm-lock.yaml", True), ("pnpm-lock.feature!login.yaml", True), ("pnpm-workspace.yaml", False)],
)
def test_it_wants_pnpms_lock_file(path: str, *, wanted: bool) -> None:
    assert matches(PurePosixPath(path)) is wanted


# --- The versions of the format

NINE = """lockfileVersion: '9.0'

settings:
  autoInstallPeers: true

catalogs:
  default:
    vue:
      specifier: ^3.4.0
      version: 3.4.1

importers:

  .:
    dependencies:
      old:
        specifier: npm:lodash@^3.0.0
        version: lodash@3.10.1
      vue:
        specifier: 'catalog:'
        version: 3.4.1
      dom:
        specifier: ^1.0.0
        version: 1.2.0(vue@3.4.1(x@1.0.0))(y@2.0.0)
    devDependencies:
      '@acme/b':
        specifier: workspace:*
        version: link:packages/b
    optionalDependencies:
      fs:
        specifier: ^2.0.0
        version: 2.3.3

  packages/b:
    dependencies:
      dom:
        specifier: '*'
        version: 1.2.0
    devDependencies:
      lodash:
        specifier: ^3.0.0
        version: 3.10.1

packages:

  dom@1.2.0:
    resolution: {integrity: sha512-AAAA}
    engines: {node: '>=10'}
    peerDependencies:
      vue: '>=3'
      y: '*'
    peerDependenciesMeta:
      y:
        optional: true

  fs@2.3.3:
    resolution: {integrity: sha512-BBBB}
    cpu: [x64, arm64]
    os: [darwin]
    libc: glibc
    bundledDependencies: [inner]

  lodash@3.10.1:
    resolution: {integrity: sha512-CCCC}

  vue@3.4.1:
    resolution: {integrity: sha512-DDDD}

snapshots:

  dom@1.2.0:
    dependencies:
      low: lodash@3.10.1

  dom@1.2.0(vue@3.4.1(x@1.0.0))(y@2.0.0):
    dependencies:
      vue: 3.4.1
    optionalDependencies:
      fs: 2.3.3
      gone: 1.0.0

  fs@2.3.3:
    optional: true

  lodash@3.10.1: {}

  vue@3.4.1: {}
"""


def test_version_9_has_its_packages_edges_and_lines() -> None:
    manifest = good(NINE)
    found = by_key(manifest)
    assert (manifest.format, manifest.path, manifest.locked_filenames) == (
        NAME,
        "web/pnpm-lock.yaml",
        ("package.json",),
    )
    assert {key: entry.location.line for key, entry in found.items()} == {
        "dom@1.2.0": 46,
        "fs@2.3.3": 56,
        "lodash@3.10.1": 63,
        "vue@3.4.1": 66,
        "link:packages/b": 26,
    }
    assert found["lodash@3.10.1"].edges == ()
    assert all(entry.has_hash for entry in manifest.locked_packages if not entry.skip_reason)
    assert manifest.local_names == ("@acme/b",)
    assert manifest.declarations == ()


def test_a_package_with_several_sets_of_peers_is_one_entry_that_leads_wherever_any_leads() -> None:
    assert by_key(good(NINE))["dom@1.2.0"].edges == (
        Edge(target="lodash@3.10.1", alias="low"),
        Edge(target="vue@3.4.1", group="peer", requirement=">=3"),
        Edge(target="fs@2.3.3", group="optional"),
    )


def test_each_importer_is_a_root_with_its_groups_ranges_and_aliases() -> None:
    assert good(NINE).importers == (
        Importer(
            path="",
            edges=(
                Edge(target="lodash@3.10.1", requirement="^3.0.0", alias="old"),
                Edge(target="vue@3.4.1", requirement="^3.4.0"),
                Edge(target="dom@1.2.0", requirement="^1.0.0"),
                Edge(target="link:packages/b", group="dev", requirement="*"),
                Edge(target="fs@2.3.3", group="optional", requirement="^2.0.0"),
            ),
        ),
        Importer(
            path="packages/b",
            name="@acme/b",
            edges=(
                Edge(target="dom@1.2.0", requirement="*"),
                Edge(target="lodash@3.10.1", group="dev", requirement="^3.0.0"),
            ),
        ),
    )


def test_the_url_of_an_archive_of_a_registry_names_the_registry_of_its_entry() -> None:
    text = (
        "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n"
        "      tgz: {specifier: 'https://registry.example/once/-/once-1.4.0.tgz', version: once@1.4.0}\n"
        "packages:\n  once@1.4.0: {resolution: {integrity: sha512-AAAA}}\nsnapshots:\n  once@1.4.0: {}\n"
    )
    manifest = good(text)
    [one] = manifest.locked_packages
    assert (one.name, one.version, one.index, one.skip_reason) == ("once", "1.4.0", "https://registry.example", "")


def test_a_member_that_is_linked_to_leads_to_what_it_runs_with() -> None:
    member = by_key(good(NINE))["link:packages/b"]
    assert (member.name, member.version, member.skip_reason) == ("@acme/b", "", "workspace member")
    assert member.edges == (Edge(target="dom@1.2.0", requirement="*"),)


def test_platforms_and_what_can_be_gone_without_are_told() -> None:
    entry = by_key(good(NINE))["fs@2.3.3"]
    assert (entry.optional, entry.marker) == (True, "os: darwin; cpu: x64, arm64; libc: glibc")


def test_what_is_bundled_is_not_listed_and_the_user_is_told() -> None:
    assert good(NINE).notes == ("not listed in this file: what is bundled with fs@2.3.3",)
    packages = "".join(
        f"  p{i}@1.0.0: {{resolution: {{integrity: x}}, bundledDependencies: 'true'}}\n" for i in range(5)
    )
    snapshots = "".join(f"  p{i}@1.0.0: {{}}\n" for i in range(5))
    text = f"lockfileVersion: '9.0'\nimporters: {{}}\npackages:\n{packages}snapshots:\n{snapshots}"
    note = "not listed in this file: what is bundled with p0@1.0.0, p1@1.0.0, p2@1.0.0 and 2 more"
    assert good(text).notes == (note,)


SIX = """lockfileVersion: '6.0'
dependencies:
  old:
    specifier: npm:lodash@^3.0.0
    version: /lodash@3.10.1
  '@s/dom':
    specifier: ^1.0.0
    version: 1.2.0(vue@3.4.1)
devDependencies:
  vue:
    specifier: ^3.0.0
    version: 3.4.1
packages:
  /@s/dom@1.2.0(vue@3.4.1):
    resolution: {integrity: sha512-AAAA}
    peerDependencies:
      vue: '>=3'
    dependencies:
      vue: 3.4.1
      own: npm.example/own@1.0.0
    dev: false
  /lodash@3.10.1:
    resolution: {integrity: sha512-BBBB}
    dev: false
  /vue@3.4.1:
    resolution: {integrity: sha512-CCCC}
  npm.example/own@1.0.0:
    resolution: {integrity: sha512-DDDD, tarball: https://npm.example/r/own/-/own-1.0.0.tgz}
    name: own
    version: 1.0.0
    dev: true
"""

FIVE = """lockfileVersion: 5.4
specifiers:
  old: npm:lodash@^3.0.0
  '@s/dom': ^1.0.0
  vue: ^3.0.0
dependencies:
  old: /lodash/3.10.1
  '@s/dom': 1.2.0_vue@3.4.1
devDependencies:
  vue: 3.4.1
packages:
  /@s/dom/1.2.0_vue@3.4.1:
    resolution: {integrity: sha512-AAAA}
    peerDependencies:
      vue: '>=3'
    dependencies:
      vue: 3.4.1
      own: npm.example/own/1.0.0
    dev: false
  /@s/dom/1.2.0_abcdefghijklmnop:
    resolution: {integrity: sha512-AAAA}
    dev: false
  /lodash/3.10.1:
    resolution: {integrity: sha512-BBBB}
    dev: false
  /vue/3.4.1:
    resolution: {integrity: sha512-CCCC}
  npm.example/own/1.0.0:
    resolution: {integrity: sha512-DDDD, registry: https://npm.example/r/, tarball: own/-/own-1.0.0.tgz}
    dev: true
"""


@pytest.mark.parametrize("text", [SIX, FIVE], ids=["6", "5"])
def test_versions_5_and_6_say_the_same_in_their_own_keys(text: str) -> None:
    manifest = good(text)
    found = by_key(manifest)
    assert {key: entry.groups for key, entry in found.items()} == {
        "@s/dom@1.2.0": ("main",),
        "lodash@3.10.1": ("main",),
        "vue@3.4.1": (),
        "own@1.0.0": ("dev",),
    }
    assert found["@s/dom@1.2.0"].edges == (
        Edge(target="vue@3.4.1", group="peer", requirement=">=3"),
        Edge(target="own@1.0.0"),
    )
    assert found["own@1.0.0"].index == "https://npm.example/r"
    assert manifest.importers == (
        Importer(
            edges=(
                Edge(target="lodash@3.10.1", requirement="^3.0.0", alias="old"),
                Edge(target="@s/dom@1.2.0", requirement="^1.0.0"),
                Edge(target="vue@3.4.1", group="dev", requirement="^3.0.0"),
            )
        ),
    )


def test_inline_specifiers_are_version_5_too() -> None:
    text = "lockfileVersion: 5.4-inlineSpecifiers\ndependencies:\n  a:\n    specifier: ^1\n    version: 1.0.0\n"
    manifest = good(text + "packages:\n  /a/1.0.0:\n    resolution: {integrity: x}\n")
    assert manifest.importers == (Importer(edges=(Edge(target="a@1.0.0", requirement="^1"),)),)


def test_a_registrys_host_in_the_key_is_the_index_where_nothing_else_names_one() -> None:
    text = "lockfileVersion: 5.4\npackages:\n  npm.example+8080/a/1.0.0:\n    resolution: {integrity: x}\n"
    assert good(text).locked_packages[0].index == "https://npm.example:8080"


def test_the_documents_for_configuration_and_for_pnpm_itself_are_read_like_the_projects_own() -> None:
    first = """---
lockfileVersion: '9.0'
importers:
  .:
    configDependencies:
      conf: {specifier: 1.0.0, version: 1.0.0}
    packageManagerDependencies:
      pnpm: {specifier: 12.0.0, version: 12.0.0}
packages:
  conf@1.0.0: {resolution: {integrity: x}}
  lodash@3.10.1: {resolution: {integrity: x}}
  pnpm@12.0.0: {resolution: {integrity: x}}
snapshots:
  conf@1.0.0:
    dependencies:
      lodash: 3.10.1
  lodash@3.10.1: {}
  pnpm@12.0.0: {}
---
"""
    manifest = good(first + NINE + "---\n")
    assert set(by_key(manifest)) == {*by_key(good(NINE)), "conf@1.0.0", "pnpm@12.0.0"}
    assert by_key(manifest)["lodash@3.10.1"].location.line == 11
    top, member = manifest.importers or ()
    assert top.edges[:2] == (
        Edge(target="conf@1.0.0", group="dev:config", requirement="1.0.0"),
        Edge(target="pnpm@12.0.0", group="dev:package-manager", requirement="12.0.0"),
    )
    assert (len(top.edges), member.path) == (7, "packages/b")


# --- Where packages come from


def nine(*packages: str) -> str:
    """Return a lock file of packages, each given as its key and its fields."""
    fields = [package.split(" ", 1) for package in packages]
    head = "lockfileVersion: '9.0'\nimporters:\n  .: {}\n  packages/b: {}\n"
    listed = "".join(f"  '{key}': {rest}\n" for key, rest in fields)
    return f"{head}packages:\n{listed}snapshots:\n" + "".join(f"  '{key}': {{}}\n" for key, _ in fields)


@pytest.mark.parametrize(
    ("package", "name", "version", "skip"),
    [
        (
            (
                "a@git+https://git.example/a.git#abc {version: 1.0.0, resolution: {type: git, commit: abc, "
                "repo: https://u:pw@git.example/a.git}}"
            ),
            "a",
            "1.0.0",
            "git: https://git.example/a.git @ abc",
        ),
        (
            "a@https://host.example/o/a/abc {resolution: {tarball: https://host.example/o/a/abc}, version: 2.0.0}",
            "a",
            "2.0.0",
            "URL: https://host.example/o/a/abc",
        ),
        ("a@file:local {resolution: {directory: local, type: directory}}", "a", "", "local path"),
        ("@s/b@file:packages/b {resolution: {directory: packages/b, type: directory}}", "@s/b", "", "workspace member"),
        (
            "a@file:a.tgz {resolution: {tarball: file:a.tgz, integrity: x}, version: 1.0.0}",
            "a",
            "1.0.0",
            "local archive",
        ),
        ("a@1.0.0 {resolution: {tarball: file:a.tgz}}", "a", "1.0.0", "local archive"),
        (
            "node@runtime:22.0.0 {resolution: {type: variations, variants: []}, version: 22.0.0}",
            "node",
            "22.0.0",
            "runtime: not from the npm registry",
        ),
        ("bun@1.0.0 {resolution: {type: binary}}", "bun", "1.0.0", "binary: not from the npm registry"),
        ("a@strange {resolution: {integrity: x}}", "a", "", "not from the npm registry"),
    ],
)
def test_what_is_not_from_a_registry_stays_in_the_list_with_the_reason(
    package: str, name: str, version: str, skip: str
) -> None:
    [entry] = good(nine(package)).locked_packages
    assert (entry.name, entry.version, entry.skip_reason, entry.index) == (name, version, skip, "")
    assert "pw" not in entry.key


def test_two_directories_with_packages_of_one_name_are_two_entries() -> None:
    manifest = good(
        nine(
            "a@file:x {resolution: {directory: x, type: directory}}",
            "a@file:y {resolution: {directory: y, type: directory}}",
        )
    )
    assert [entry.key for entry in manifest.locked_packages] == ["a@file:x", "a@file:y"]


def test_brackets_in_a_path_are_no_peers() -> None:
    text = nine("a@file:x/(y)/z {resolution: {directory: x, type: directory}}")
    text = text.replace("snapshots:\n  'a@file:x/(y)/z'", "snapshots:\n  'a@file:x/(y)/z(b@1.0.0(c@1.0.0))(d@1.0.0)'")
    assert [entry.key for entry in good(text).locked_packages] == ["a@file:x/(y)/z"]


def test_a_link_to_a_directory_that_is_no_member_is_a_local_path() -> None:
    text = (
        "lockfileVersion: '9.0'\nimporters:\n  apps/web:\n    dependencies:\n"
        "      a: {specifier: 'link:../../../a', version: 'link:../../../a'}\n"
        "      up: {specifier: 'workspace:top@*', version: 'link:../..'}\n  .: {}\n"
    )
    manifest = good(text)
    assert [(e.key, e.name, e.skip_reason, e.edges) for e in manifest.locked_packages] == [
        ("link:../a", "a", "local path", ()),
        ("link:.", "top", "workspace member", ()),
    ]
    assert manifest.importers == (
        Importer(path="apps/web", edges=(Edge(target="link:../a"), Edge(target="link:.", requirement="*", alias="up"))),
        Importer(path="", name="top"),
    )


def test_copies_of_a_member_are_one_entry_and_tell_what_the_member_is_called() -> None:
    fields = "{resolution: {directory: packages/b, type: directory}, name: b"
    five = (
        "lockfileVersion: 5.4\nimporters:\n  packages/b: {}\npackages:\n"
        f"  file:packages/b_c@1.0.0: {fields}, id: file:packages/b}}\n"
        f"  file:packages/b_c@2.0.0: {fields}, id: file:packages/b}}\n"
    )
    six = five.replace("5.4", "'6.0'").replace(", id: file:packages/b", "").replace("_c@1.0.0", "(c@1.0.0)")
    for text in (five, six.replace("_c@2.0.0", "(c@2.0.0)")):
        manifest = good(text)
        assert [entry.key for entry in manifest.locked_packages] == ["b@file:packages/b"]
        assert manifest.importers == (Importer(path="packages/b", name="b"),)


def test_a_name_that_the_registry_has_too_is_not_the_projects_own() -> None:
    local = "ms@file:ms.tgz {resolution: {tarball: file:ms.tgz}}"
    assert good(nine(local)).local_names == ("ms",)
    assert good(nine(local, "ms@2.1.3 {resolution: {integrity: x}}")).local_names == ()


def test_the_index_is_the_registry_that_a_tarballs_address_names() -> None:
    own = "https://u:pw@npm.example/x/@s/a/-/a-1.0.0.tgz"
    manifest = good(nine(f"@s/a@1.0.0 {{resolution: {{integrity: x, tarball: '{own}'}}}}"))
    assert [(entry.index, entry.skip_reason) for entry in manifest.locked_packages] == [("https://npm.example/x", "")]


@pytest.mark.parametrize("base", ["https://registry.example/", ""])
def test_the_tarball_of_another_package_is_an_index_of_its_own(base: str) -> None:
    other = f"{base}eslint-scope/-/eslint-scope-3.7.2.tgz"
    manifest = good(nine(f"lodash@4.17.21 {{resolution: {{integrity: x, tarball: '{other}'}}}}"))
    assert [(entry.index, entry.skip_reason) for entry in manifest.locked_packages] == [(other, "")]


# --- What is wrong


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [(0, "the file is empty")]),
        ("---\n---\n", [(0, "the file is empty")]),
        ("- a\n", [(1, "a lock file is a mapping, not a list")]),
        ("packages: {}\n", [(1, "this is not a lock file of pnpm's: it has no lockfileVersion")]),
        ("a: 1\nlockfileVersion: '7.0'\n", [(2, 'unknown version of the lock file: "7.0"')]),
        ("lockfileVersion: '10.0'\n", [(1, 'unknown version of the lock file: "10.0"')]),
        ("lockfileVersion: {}\n", [(1, 'unknown version of the lock file: ""')]),
        ("lockfileVersion: '9.0'\n", [(0, "the importers are missing: the file is damaged")]),
        ("lockfileVersion: 5.4\nlockfileVersion: 5.4\n", [(2, '"lockfileVersion" is here twice, first in line 1')]),
        ('{\n  "name": "x"\n}\n', [(1, "this is not a lock file of pnpm's: it has no lockfileVersion")]),
        (
            "lockfileVersion: '9.0'\nimporters:\n  /etc: {}\n  C:\\x: {}\n",
            [(3, '"/etc" is not a directory of this project'), (4, '"C:\\x" is not a directory of this project')],
        ),
        ("lockfileVersion: '6.0'\npackages: []\n", [(2, '"packages" must be a mapping, not a list')]),
        ("lockfileVersion: '6.0'\npackages:\n  /a@1.0.0:\n", [(3, '"/a@1.0.0" must be a mapping, not nothing')]),
        (
            "lockfileVersion: '6.0'\npackages:\n  /a@1.0.0: {}\n",
            [(3, '"/a@1.0.0" has no resolution: the entry is damaged')],
        ),
        (
            "lockfileVersion: '6.0'\npackages:\n  strange: {resolution: {}}\n",
            [(3, '"strange" names no package: it is empty')],
        ),
        (
            "lockfileVersion: '6.0'\npackages:\n  /..@1.0.0: {resolution: {integrity: x}}\n",
            [(3, '"/..@1.0.0" names no package: no name begins like this')],
        ),
        (
            "lockfileVersion: '6.0'\ndependencies:\n  a: {specifier: ^1}\n  b: []\n  c: 1.0.0\n",
            [
                (3, '"a" has no version here: the entry is damaged'),
                (4, '"b" has no version here: the entry is damaged'),
                (5, '"c" leads to "1.0.0", which is not in this file'),
            ],
        ),
        (
            "lockfileVersion: '9.0'\nimporters: {}\npackages:\n  a@1.0.0: {resolution: {integrity: x}}\n",
            [(0, "the snapshots are missing: the file is damaged")],
        ),
        (
            (
                "lockfileVersion: '9.0'\nimporters: {}\n"
                "packages:\n  a@1.0.0: {resolution: {integrity: x}}\nsnapshots:\n  b@1.0.0: {}\n"
            ),
            [
                (4, '"a@1.0.0" is in packages, but not in snapshots'),
                (6, '"b@1.0.0" is in snapshots, but not in packages'),
            ],
        ),
        (
            "lockfileVersion: 5.4\nspecifiers:\n  a: ^1\n",
            [(2, "the versions of these specifiers are missing")],
        ),
        (
            "lockfileVersion: '9.0'\nimporters: {}\npackages: {a: {resolution: {integrity: x}}}\nsnapshots: {a: {}}\n",
            [],
        ),
    ],
)
def test_what_is_wrong_is_reported_with_its_line(text: str, expected: list[tuple[int, str]]) -> None:
    assert problems(text) == expected


def test_a_damaged_entry_is_reported_and_the_others_are_read() -> None:
    manifest = read(NINE.replace("  lodash@3.10.1:\n    res", "  lodash@3.10.1:\n    xyz"), "pnpm-lock.yaml")
    assert [problem.message for problem in manifest.problems] == [
        '"lodash@3.10.1" has no resolution: the entry is damaged'
    ]
    assert len(manifest.locked_packages) == 5


def test_an_edge_that_may_lead_nowhere_is_left_out() -> None:
    peers = (
        "lockfileVersion: '6.0'\npackages:\n  /a@1.0.0:\n    resolution: {integrity: x}\n    peerDependencies: {b: 1}\n"
    )
    assert good(peers + "    dependencies: {b: 1.0.0}\n").locked_packages[0].edges == ()


def test_without_libyaml_the_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = good(NINE)
    monkeypatch.delattr(yaml, "CBaseLoader", raising=False)
    slow = good(NINE)
    assert slow.locked_packages == fast.locked_packages
    assert slow.notes[-1] == "read slowly: the PyYAML installed here has no libyaml; its wheels do"


# --- Laws

FILES = [NINE, SIX, FIVE, NINE + "---\n" + SIX]


def packages(manifest: DependencyFile) -> set[tuple[str, str]]:
    return {(entry.name, entry.version) for entry in manifest.locked_packages}


@given(
    st.text(st.characters(codec="utf-8")), st.sampled_from(["", "lockfileVersion: '9.0'\n", "lockfileVersion: 5.4\n"])
)
def test_arbitrary_text_never_raises(text: str, head: str) -> None:
    manifest = read(head + text, "pnpm-lock.yaml")
    assert manifest.problems or manifest.importers is not None


@given(st.data())
def test_a_damaged_file_loses_no_package_in_silence(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(FILES[:3]))
    # With the first line alone it is the file of a project without dependencies.
    end = data.draw(st.integers(text.index("\n") + 2, len(text)))
    manifest = read(text[:end], "pnpm-lock.yaml")
    assert manifest.problems or packages(manifest) == packages(good(text))


@given(st.sampled_from(FILES), st.data())
def test_a_lost_line_loses_no_package_in_silence(text: str, data: st.DataObject) -> None:
    lines = text.splitlines(keepends=True)
    lost = data.draw(st.integers(0, len(lines) - 1))
    manifest = read("".join(lines[:lost] + lines[lost + 1 :]), "pnpm-lock.yaml")
    assert manifest.problems or packages(manifest) >= packages(good(text)) - {("@acme/b", "")}


@given(st.sampled_from(FILES), st.integers(0, 2000), st.integers(0, 40), st.text(max_size=5))
@example(NINE, 0, 0, "\x00")
def test_a_file_with_something_else_in_it_never_raises(text: str, at: int, length: int, other: str) -> None:
    manifest = read(text[:at] + other + text[at + length :], "pnpm-lock.yaml")
    keys = {entry.key for entry in manifest.locked_packages}
    assert all(need.target in keys for entry in manifest.locked_packages for need in entry.edges or ())


def test_a_thousand_packages_take_no_more_than_the_time_allowed() -> None:
    entries = [
        f"p{i}@1.{i}.0 {{resolution: {{integrity: sha512-{'a' * 88}}}, engines: {{node: '>=10'}}}}" for i in range(1000)
    ]
    text = nine(*entries)
    read(text, "pnpm-lock.yaml")
    start = time.process_time()
    assert len(read(text, "pnpm-lock.yaml").locked_packages) == 1000
    assert time.process_time() - start < 0.6  # four times what is promised, for a machine that has other things to do


def test_overrides_of_direct_dependencies_are_known_and_a_repeated_key_loses_nothing_else() -> None:
    text = (
        "lockfileVersion: '9.0'\noverrides:\n  a: 2.0.0\n  b@^1: '-'\n  x>c: 1.0.0\n"
        "importers:\n  .: {}\npackages:\n  d@1.0.0: {resolution: {integrity: sha512-x}}\n"
        "  d@1.0.0: {resolution: {integrity: sha512-x}}\nsnapshots:\n  d@1.0.0: {}\n"
    )
    manifest = read(text, "pnpm-lock.yaml")
    assert manifest.overridden_names == ("a", "b")
    assert [entry.key for entry in manifest.locked_packages] == ["d@1.0.0"]
    assert [problem.message for problem in manifest.problems] == ['"d@1.0.0" is here twice, first in line 9']
