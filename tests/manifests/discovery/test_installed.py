from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nerq_cli.inventory import DependencyFile, Edge, Importer, LockedPackage
from nerq_cli.manifests.discovery.installed import read_installed
from nerq_cli.manifests.npm import installed_npm
from nerq_cli.manifests.npm.installed_npm import PRIVATE_REASON
from nerq_cli.manifests.python import installed_python
from nerq_cli.manifests.python.installed_python import CONDA_REASON

Project = Callable[[Mapping[str, "str | bytes"]], Path]

SITE = "env/lib/python3.11/site-packages"


def metadata(name: str, version: str, *requires: str) -> str:
    lines = [f"Requires-Dist: {one}" for one in requires]
    return "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, "", "Name: not this"])


def package(name: str, version: str = "1.0.0", **others: Any) -> str:
    return json.dumps({"name": name, "version": version, **others})


def by_name(manifest: DependencyFile) -> dict[str, LockedPackage]:
    return {one.name: one for one in manifest.locked_packages}


# --- Python ----------------------------------------------------------------------------------------------------------


def test_a_virtual_environment_is_read_by_its_metadata(project: Project) -> None:
    project(
        {
            "env/pyvenv.cfg": "home = /usr\nversion = 3.11.4\ninclude-system-site-packages = false\n",
            f"{SITE}/requests-2.31.0.dist-info/METADATA": metadata(
                "Requests",
                "2.31.0",
                "idna<4,>=2.5",
                'tomli (>=2) ; python_version < "3.11"',
                'PySocks!=1.5.7; extra == "socks"',
                'chardet; extra == "charset"',
            ),
            f"{SITE}/requests-2.31.0.dist-info/REQUESTED": "",
            f"{SITE}/idna-3.7.dist-info/METADATA": metadata("idna", "3.7"),
            f"{SITE}/PySocks-1.7.1.dist-info/METADATA": metadata("PySocks", "1.7.1"),
        }
    )
    manifest = read_installed(Path("env"))
    assert manifest.format == "environment"
    assert (manifest.problems, manifest.notes) == ((), ())
    assert sorted((one.name, one.version) for one in manifest.locked_packages) == [
        ("idna", "3.7"),
        ("pysocks", "1.7.1"),
        ("requests", "2.31.0"),
    ]
    requests = by_name(manifest)["requests"]
    assert requests.edges == (
        Edge(target="idna", requirement="<4,>=2.5"),
        Edge(target="pysocks", group="optional", requirement="!=1.5.7"),
    )
    assert requests.location.path == f"{SITE}/requests-2.31.0.dist-info/METADATA"
    assert requests.location.line == 2
    assert manifest.importers == (Importer(edges=(Edge(target="requests"),)),)


@pytest.mark.parametrize("folder", [SITE, "env/Lib/site-packages", "env/lib/python3/dist-packages"])
def test_packages_are_found_wherever_a_system_keeps_them(project: Project, folder: str) -> None:
    project({f"{folder}/a-1.0.dist-info/METADATA": metadata("a", "1.0")})
    for path in (Path("env"), Path(folder)):
        assert [one.name for one in read_installed(path).locked_packages] == ["a"]


def test_a_directory_by_two_names_is_read_once(project: Project) -> None:
    home = project({f"{SITE}/a-1.0.dist-info/METADATA": metadata("a", "1.0")})
    (home / "env/lib64").symlink_to("lib")
    assert len(read_installed(Path("env")).locked_packages) == 1


def test_without_notes_about_what_was_requested_nothing_is_known_to_be_direct(project: Project) -> None:
    project({f"{SITE}/a-1.0.dist-info/METADATA": metadata("a", "1.0")})
    assert read_installed(Path("env")).importers is None


@pytest.mark.parametrize(
    ("direct", "skip"),
    [
        ({"url": "file:///home/me/a", "dir_info": {"editable": True}}, "local path"),
        ({"url": "file:///home/me/a-1.0.whl", "archive_info": {}}, "local file"),
        (
            {"url": "https://u:p@git.example/a.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "git: https://git.example/a.git @ abc",
        ),
        (
            {"url": "https://files.example/a-1.0.whl?token=x", "archive_info": {}},
            "URL: https://files.example/a-1.0.whl",
        ),
    ],
)
def test_what_came_from_no_index_says_so(project: Project, direct: dict[str, Any], skip: str) -> None:
    project(
        {
            f"{SITE}/a-1.0.dist-info/METADATA": metadata("a", "1.0"),
            f"{SITE}/a-1.0.dist-info/direct_url.json": json.dumps(direct),
        }
    )
    manifest = read_installed(Path("env"))
    assert manifest.locked_packages[0].skip_reason == skip
    assert manifest.local_names == (("a",) if skip.startswith("local") else ())


@pytest.mark.parametrize("text", ["{", "[]", "{}", "[" * 100_000])
def test_an_origin_that_cannot_be_read_is_a_problem_and_nobody_is_asked(project: Project, text: str) -> None:
    project(
        {
            f"{SITE}/a-1.0.dist-info/METADATA": metadata("a", "1.0"),
            f"{SITE}/a-1.0.dist-info/direct_url.json": text,
        }
    )
    manifest = read_installed(Path("env"))
    assert manifest.locked_packages[0].skip_reason
    assert [problem.message for problem in manifest.problems] == ["the source of the package is missing"]


def test_what_conda_installed_is_not_scored(project: Project) -> None:
    project(
        {
            f"{SITE}/a-1.0.dist-info/METADATA": metadata("a", "1.0"),
            f"{SITE}/a-1.0.dist-info/INSTALLER": "conda\n",
        }
    )
    assert read_installed(Path("env")).locked_packages[0].skip_reason == CONDA_REASON


def test_older_kinds_of_metadata_are_read_too(project: Project) -> None:
    project(
        {
            f"{SITE}/a-1.0-py3.11.egg-info/PKG-INFO": metadata("a", "1.0"),
            f"{SITE}/a-1.0-py3.11.egg-info/requires.txt": (
                'b>=1\n\n[:python_version < "3"]\nc\n\n[x]\nd\n\n[y:python_version > "3"]\ne\n'
            ),
            f"{SITE}/b-1.0.egg-info": metadata("b", "1.0"),
            f"{SITE}/d-1.0.egg/EGG-INFO/PKG-INFO": metadata("d", "1.0"),
            f"{SITE}/d-1.0.egg/EGG-INFO/requires.txt": "b\n",
            f"{SITE}/e-1.0.dist-info/METADATA": metadata("e", "1.0"),
            f"{SITE}/own.egg-link": "/home/me/own\n.",
            f"{SITE}/-.egg-link": "/home/me/own\n.",
        }
    )
    found = by_name(read_installed(Path("env")))
    assert sorted(found) == ["a", "b", "d", "e", "own"]
    assert found["a"].edges == (
        Edge(target="b", requirement=">=1"),
        Edge(target="d", group="optional"),
        Edge(target="e", group="optional"),
    )
    assert found["d"].edges == (Edge(target="b"),)
    assert found["own"].skip_reason == "local path"


@pytest.mark.parametrize(
    ("files", "message", "listed"),
    [
        ({"a-1.0.dist-info/RECORD": ""}, "cannot be read: no such file or directory", ["a"]),
        ({"a-1.0.dist-info/METADATA": "Version: 1.0\n"}, "no name in it", ["a"]),
        ({"a-1.0.dist-info/METADATA": "Name: a\n"}, "no version in it", ["a"]),
        ({"a-1.0.dist-info/METADATA": b"\xff\xfe\x00"}, "no name in it", ["a"]),
        ({"x.dist-info/METADATA": ""}, "no name in it", []),
        ({"a-1.0.dist-info/METADATA": metadata("a b", "1.0")}, 'not a package: "a b"', []),
        ({"a-1.0.dist-info/METADATA": metadata("a", "1.0", "!")}, 'unreadable requirement: "…"', ["a"]),
        (
            {
                "a-1.0.dist-info/METADATA": metadata("a", "1.0"),
                "a-2.0.dist-info/METADATA": metadata("a", "2.0"),
            },
            "a is installed twice: 1.0 and 2.0",
            ["a", "a"],
        ),
    ],
)
def test_broken_metadata_are_a_problem(
    project: Project, files: dict[str, str | bytes], message: str, listed: list[str]
) -> None:
    project({f"{SITE}/{name}": text for name, text in files.items()})
    manifest = read_installed(Path("env"))
    assert [problem.message for problem in manifest.problems] == [message]
    assert [one.name for one in manifest.locked_packages] == listed


def test_one_package_described_twice_is_listed_once(project: Project) -> None:
    project(
        {
            f"{SITE}/a-1.0.dist-info/METADATA": metadata("a", "1.0"),
            f"{SITE}/a.egg-info/PKG-INFO": metadata("a", "1.0"),
        }
    )
    manifest = read_installed(Path("env"))
    assert (len(manifest.locked_packages), manifest.problems) == (1, ())


def test_a_version_further_down_the_path_is_listed_and_no_problem(project: Project) -> None:
    project(
        {
            f"{SITE}/a-1.0.dist-info/METADATA": metadata("a", "1.0"),
            "env/Lib/site-packages/a-2.0.dist-info/METADATA": metadata("a", "2.0"),
        }
    )
    manifest = read_installed(Path("env"))
    assert [one.version for one in manifest.locked_packages] == ["1.0", "2.0"]
    assert len({one.key for one in manifest.locked_packages}) == 2
    assert manifest.problems == ()


def test_leftovers_and_missing_packages_are_noted(project: Project) -> None:
    project(
        {
            "env/pyvenv.cfg": "include-system-site-packages = true\nversion = 3.11.4\n",
            f"{SITE}/~a-1.0.dist-info/METADATA": metadata("a", "1.0"),
            f"{SITE}/b-1.0.dist-info/METADATA": metadata("b", "1.0", *(f"c{n}" for n in range(7)), "x ; what"),
        }
    )
    assert read_installed(Path("env")).notes == (
        "1 left by an interrupted installation: not listed (~a-1.0.dist-info)",
        "8 needed but not installed: c0 for b, c1 for b, c2 for b, c3 for b, c4 for b, …",
        "packages of the system are used as well: not listed here",
    )


def test_long_headers_go_on_in_the_next_line(project: Project) -> None:
    text = "Name: a\r\nVersion: 1.0\r\n x\r\nSummary: b\r\n c\r\nRequires-Dist: b\r\n  >=1\r\n\r\nName: z"
    project(
        {
            f"{SITE}/a-1.0.dist-info/METADATA": text.replace(" x\r\n", ""),
            f"{SITE}/b-1.0.dist-info/METADATA": metadata("b", "1.0"),
        }
    )
    assert by_name(read_installed(Path("env")))["a"].edges == (Edge(target="b", requirement=">=1"),)


def test_an_environment_without_end_is_cut_and_says_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed_python, "MAX_PACKAGES", 2)
    project({f"{SITE}/a{n}-1.0.dist-info/METADATA": metadata(f"a{n}", "1.0") for n in range(5)})
    manifest = read_installed(Path("env"))
    assert len(manifest.locked_packages) == 2
    assert [problem.message for problem in manifest.problems] == ["more than 2 packages: the rest is not read"]


def test_five_hundred_packages_take_no_time(project: Project) -> None:
    project(
        {
            f"{SITE}/a{n}-1.0.dist-info/METADATA": metadata(
                f"a{n}",
                "1.0",
                *(f"a{(n * k) % 500}>={k}" for k in range(1, 6)),
                *(f"b{k}>={k}; extra == 'x{k}'" for k in range(20)),
            )
            + "x" * 20_000
            for n in range(500)
        }
    )
    start = time.process_time()
    assert len(read_installed(Path("env")).locked_packages) == 500
    assert time.process_time() - start < 2


# --- npm -------------------------------------------------------------------------------------------------------------


def test_a_tree_of_npm_is_read_with_what_node_would_find(project: Project) -> None:
    project(
        {
            "package.json": json.dumps(
                {
                    "name": "app",
                    "dependencies": {"a": "^1", "old": "npm:b@1", "gone": "1"},
                    "devDependencies": {"@acme/c": "1"},
                }
            ),
            "node_modules/a/package.json": package(
                "a", "1.2.0", dependencies={"b": "^2", "e": "1"}, optionalDependencies={"e": "1"}
            ),
            "node_modules/a/node_modules/b/package.json": package("b", "2.0.0", peerDependencies={"a": "*", "f": "1"}),
            "node_modules/a/dist/package.json": package("inner"),
            "node_modules/b/package.json": package("b", "1.0.0", dependencies={"gone": "1"}),
            "node_modules/old/package.json": package("b", "v1.0.0"),
            "node_modules/@acme/c/package.json": package("@acme/c", "1.0.0", private=True),
            "node_modules/.bin/package.json": package("bin"),
            "node_modules/.cache/x/package.json": package("cache"),
        }
    )
    manifest = read_installed(Path("node_modules"))
    assert manifest.format == "node_modules"
    assert manifest.problems == ()
    assert [(one.key, one.name, one.version, one.alias, one.skip_reason) for one in manifest.locked_packages] == [
        ("node_modules/@acme/c", "@acme/c", "1.0.0", "", PRIVATE_REASON),
        ("node_modules/a", "a", "1.2.0", "", ""),
        ("node_modules/a/node_modules/b", "b", "2.0.0", "", ""),
        ("node_modules/b", "b", "1.0.0", "", ""),
        ("node_modules/old", "b", "1.0.0", "old", ""),
    ]
    needs = {one.key: one.edges for one in manifest.locked_packages}
    assert needs["node_modules/a"] == (Edge(target="node_modules/a/node_modules/b", requirement="^2"),)
    assert needs["node_modules/a/node_modules/b"] == (Edge(target="node_modules/a", group="peer", requirement="*"),)
    assert manifest.importers == (
        Importer(
            name="app",
            edges=(
                Edge(target="node_modules/a", requirement="^1"),
                Edge(target="node_modules/old", alias="old"),
                Edge(target="node_modules/@acme/c", group="dev", requirement="1"),
            ),
        ),
    )
    assert manifest.notes == ("1 required but not installed: gone for b",)
    assert manifest.local_names == ("app",)
    assert manifest.locked_packages[1].location.path == "node_modules/a/package.json"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_the_store_of_pnpm_is_read_once_through_its_links(project: Project) -> None:
    store = "node_modules/.pnpm"
    home = project(
        {
            "package.json": package("app", dependencies={"a": "1"}),
            f"{store}/a@1.0.0/node_modules/a/package.json": package("a", dependencies={"b": "1"}),
            f"{store}/b@1.0.0/node_modules/b/package.json": package("b", dependencies={"a": "1"}),
            f"{store}/c@file+c/node_modules/c/package.json": package("c"),
            f"{store}/d@https+++git.example/node_modules/d/package.json": package("d"),
            f"{store}/lock.yaml": "",
        }
    )
    links = home / store / "a@1.0.0/node_modules/b", home / store / "b@1.0.0/node_modules/a", home / "node_modules/a"
    links[0].symlink_to("../../b@1.0.0/node_modules/b")
    links[1].symlink_to("../../a@1.0.0/node_modules/a")
    links[2].symlink_to(".pnpm/a@1.0.0/node_modules/a")
    manifest = read_installed(Path("node_modules"))
    assert [(one.name, one.skip_reason) for one in manifest.locked_packages] == [
        ("a", ""),
        ("b", ""),
        ("c", "local path"),
        ("d", "not from the npm registry"),
    ]
    a, b, *_ = manifest.locked_packages
    assert a.edges == (Edge(target=b.key, requirement="1"),)
    assert b.edges == (Edge(target=a.key, requirement="1"),)
    assert manifest.importers == (Importer(name="app", edges=(Edge(target=a.key, requirement="1"),)),)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_lead_to_members_of_the_workspace_and_never_away(project: Project, tmp_path: Path) -> None:
    home = project(
        {
            "package.json": package("app"),
            "packages/m/package.json": package("m", "0.1.0", dependencies={"a": "1"}),
            "packages/n/x": "",
            "node_modules/a/package.json": package("a"),
        }
    )
    outside = tmp_path / "secret"
    (outside / "node_modules/hidden").mkdir(parents=True)
    (outside / "package.json").write_text(package("secret-name"))
    for name, target in {"m": "../packages/m", "n": "../packages/n", "o": str(outside), "@s": str(outside)}.items():
        (home / "node_modules" / name).symlink_to(target)
    (home / "node_modules/loop").symlink_to("loop")
    (home / "node_modules/a/node_modules").symlink_to("..")
    (home / "packages/m/node_modules").symlink_to(str(outside / "node_modules"))
    manifest = read_installed(Path("node_modules"))
    assert [(one.name, one.version, one.skip_reason, one.edges) for one in manifest.locked_packages] == [
        ("a", "1.0.0", "", ()),
        ("m", "0.1.0", "workspace member", ()),
        ("n", "", "workspace member", ()),
        ("o", "", "local path", ()),
    ]
    assert manifest.local_names == ("app", "m", "n", "o")
    assert manifest.importers == (
        Importer(name="app"),
        Importer(path="packages/m", name="m", edges=(Edge(target="node_modules/a", requirement="1"),)),
        Importer(path="packages/n", name="n"),
    )
    assert manifest.problems == ()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_directory_of_packages_that_leads_away_is_not_followed(project: Project, tmp_path: Path) -> None:
    home = project({"node_modules/a/package.json": package("a")})
    (tmp_path / "else/b").mkdir(parents=True)
    (tmp_path / "else/b/package.json").write_text(package("b"))
    (home / "node_modules/a/node_modules").symlink_to(tmp_path / "else")
    assert [one.name for one in read_installed(Path("node_modules")).locked_packages] == ["a"]


def test_what_npm_noted_tells_where_packages_came_from(project: Project) -> None:
    notes = {
        "a": {"resolved": "https://u:p@npm.example/base/a/-/a-1.0.0.tgz", "integrity": "sha512-x", "dev": True},
        "@s/b": {"resolved": "https://npm.example/@s/b/-/b-1.0.0.tgz", "optional": True},
        "c": {"resolved": "git+ssh://git@git.example/me/c.git#abc"},
        "d": {"resolved": "file:../d"},
        "e": "damaged",
    }
    project(
        {f"node_modules/{name}/package.json": package(name) for name in notes}
        | {
            "node_modules/.package-lock.json": json.dumps(
                {"packages": {f"node_modules/{n}": v for n, v in notes.items()}}
            )
        }
    )
    found = by_name(read_installed(Path("node_modules")))
    a, b = found["a"], found["@s/b"]
    assert (a.index, a.has_hash, a.groups, a.optional) == ("https://npm.example/base", True, ("dev",), False)
    assert (b.index, b.has_hash, b.groups, b.optional) == ("https://npm.example", False, (), True)
    assert found["c"].skip_reason.startswith("git: ssh://git.example/me/c.git")
    assert found["d"].skip_reason == "local path"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a package.json"),
        (b"\xff", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("{}", "no package: its name is 'None'"),
        ('{"name": "../x", "version": "1"}', "no package: its name is '../x'"),
        ('{"name": "a", "version": "new"}', "no version: 'new'"),
        ('{"name": "a"}', "no version: 'None'"),
    ],
)
def test_a_broken_package_is_a_problem(project: Project, text: str | bytes, message: str) -> None:
    project({"node_modules/a/package.json": text, "node_modules/b/package.json": package("b", dependencies={"a": "1"})})
    manifest = read_installed(Path("node_modules"))
    assert [(problem.path, problem.message) for problem in manifest.problems] == [
        ("node_modules/a/package.json", message)
    ]
    assert [one.name for one in manifest.locked_packages] == ["b"]
    assert manifest.importers is None


def test_a_tree_without_end_is_cut_and_says_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed_npm, "MAX_PACKAGES", 2)
    project({f"node_modules/a{n}/package.json": package(f"a{n}") for n in range(5)})
    assert [one.message for one in read_installed(Path("node_modules")).problems] == [
        "more than 2 packages: the rest is not read"
    ]


# --- Neither ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "message", "hint"),
    [
        ({}, "no such directory", "name a virtual environment, its site-packages, or a node_modules directory"),
        (
            {"x/y": ""},
            "no installed packages",
            "name a virtual environment, its site-packages, or a node_modules directory",
        ),
        (
            {"x/.venv/y": "", "x/node_modules/y": ""},
            "no installed packages",
            "there is x/.venv and x/node_modules",
        ),
    ],
)
def test_what_is_no_environment_is_a_problem(project: Project, files: dict[str, str], message: str, hint: str) -> None:
    project(files)
    [problem] = read_installed(Path("x")).problems
    assert (problem.path, problem.message, problem.hint) == ("x", message, hint)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="everything may be read here")
def test_what_may_not_be_read_is_a_problem(project: Project) -> None:
    home = project({"x/y": ""})
    (home / "x").chmod(0)
    assert read_installed(Path("x/y")).problems
    (home / "x").chmod(0o700)


@pytest.mark.parametrize("path", [Path("x" * 300), Path("x" * 300, "node_modules")])
def test_a_path_that_can_be_none_is_a_problem(path: Path) -> None:
    [problem] = read_installed(path).problems
    assert problem.message in ("no such directory", "cannot be read: file name too long")


def test_an_empty_environment_is_no_problem(project: Project) -> None:
    project({f"{SITE}/readme": ""})
    manifest = read_installed(Path("env"))
    assert (manifest.locked_packages, manifest.problems) == ((), ())
