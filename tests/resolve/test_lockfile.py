"""Lock files beside the files they settle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nerq_cli.ecosystems import NPM, PYPI
from nerq_cli.inventory import (
    Declaration,
    Dependency,
    DependencyFile,
    Edge,
    Importer,
    Include,
    Location,
    LockedPackage,
    MissingPackage,
    Package,
)
from nerq_cli.problem import Problem
from nerq_cli.resolve.graph import Graph
from nerq_cli.resolve.lockfile import apply_lockfiles
from nerq_cli.resolve.resolver import Declarations


def entry(name: str, version: str = "1.0", *needs: str, optional: str = "", **more: object) -> LockedPackage:
    edges = tuple(Edge(target=f"{to}@1.0", group="optional" if to == optional else "main") for to in needs)
    at = Location(path="uv.lock", line=len(name))
    base = LockedPackage(key=f"{name}@{version}", ecosystem=PYPI, name=name, version=version, location=at, edges=edges)
    return replace(base, **more)


def item(name: str, requirement: str = "", group: str = "main", **more: object) -> Declaration:
    at = Location(path="pyproject.toml", line=1)
    base = Declaration(ecosystem=PYPI, name=name, requirement=requirement, group=group, location=at)
    return replace(base, **more)


def lock(*entries: LockedPackage, roots: tuple[Importer, ...] | None = None, path: str = "uv.lock") -> DependencyFile:
    return DependencyFile(
        path=path, format="uv.lock", locked_packages=entries, importers=roots, locked_filenames=("pyproject.toml",)
    )


def manifest(*items: Declaration, path: str = "pyproject.toml") -> DependencyFile:
    return DependencyFile(path=path, format="pyproject", declarations=items)


def root(*needs: Edge, path: str = "") -> Importer:
    return Importer(path=path, edges=needs)


def by_name(*manifests: DependencyFile) -> dict[str, Dependency]:
    together = [one for each in apply_lockfiles(manifests) for one in each.declarations]
    declarations = Declarations(together)
    return {one.package.name: one for one in declarations.resolve_packages(declarations.packages, {}).dependencies}


def test_the_lock_file_has_the_say_about_the_version_and_the_manifest_about_what_is_direct() -> None:
    found = by_name(manifest(item("a", ">=1")), lock(entry("a", "1.0", "b"), entry("b")))
    assert {name: (one.version, one.direct, one.requirement) for name, one in found.items()} == {
        "a": ("1.0", True, ">=1"),
        "b": ("1.0", False, ""),
    }


def test_every_dependency_is_found_at_both_its_places() -> None:
    found = by_name(manifest(item("a", ">=1")), lock(entry("a")))["a"]
    assert [place.path for place in found.locations] == ["pyproject.toml", "uv.lock"]


def test_what_is_brought_in_names_the_direct_dependency_that_brings_it() -> None:
    needs = root(Edge(target="a@1.0"), Edge(target="z@1.0", group="dev"))
    found = by_name(lock(entry("a", "1.0", "b"), entry("b", "1.0", "c"), entry("c"), entry("z"), roots=(needs,)))
    assert {name: one.via for name, one in found.items()} == {"a": (), "b": ("a",), "c": ("a",), "z": ()}


def test_development_reaches_through_the_graph_and_yields_to_what_is_installed_anyway() -> None:
    needs = root(Edge(target="a@1.0"), Edge(target="t@1.0", group="dev"))
    entries = (entry("a", "1.0", "b"), entry("b"), entry("t", "1.0", "b", "u"), entry("u"))
    found = by_name(lock(*entries, roots=(needs,)))
    groups = {name: one.groups for name, one in found.items()}
    assert groups == {"a": ("main",), "b": ("dev", "main"), "t": ("dev",), "u": ("dev",)}


def test_what_is_reached_over_optional_edges_only_is_optional() -> None:
    needs = root(Edge(target="a@1.0"))
    found = by_name(lock(entry("a", "1.0", "b", "c", optional="b"), entry("b"), entry("c"), roots=(needs,)))
    assert {name: one.groups for name, one in found.items()} == {
        "a": ("main",),
        "b": ("optional",),
        "c": ("main",),
    }


def test_a_lock_file_that_tells_no_groups_takes_them_from_the_manifest() -> None:
    needs = root(Edge(target="t@1.0"))
    declared = manifest(item("t", ">=1", "dev:test"))
    found = by_name(declared, lock(entry("t", "1.0", "u"), entry("u"), roots=(needs,)))
    assert {name: one.groups for name, one in found.items()} == {"t": ("dev:test",), "u": ("dev:test",)}


def test_a_lock_file_that_no_longer_fits_is_told() -> None:
    declared = manifest(item("a", ">=2"), item("new", ">=1"), item("fine", ">=1"), item("b", "", "build"))
    together = apply_lockfiles([declared, lock(entry("a"), entry("fine"))])
    assert [(one.package and one.package.name, one.requirement, one.locked_versions) for one in together[1].drift] == [
        ("a", ">=2", ("1.0",)),
        ("new", ">=1", ()),
    ]


def test_a_lock_file_that_repeats_the_requirement_was_made_from_it() -> None:
    needs = root(Edge(target="a@1.0", requirement=">=2"))
    [_, made] = apply_lockfiles([manifest(item("a", ">=2")), lock(entry("a"), roots=(needs,))])
    assert made.drift == ()


def test_what_the_lock_file_does_not_hold_stays_with_the_manifest() -> None:
    declared = manifest(item("a", ">=1"), item("setuptools", ">=60", "build"))
    kept, made = apply_lockfiles([declared, lock(entry("a"))])
    assert [one.name for one in kept.declarations] == ["setuptools"]
    assert (kept.lockfile, kept.locked_count) == ("uv.lock", 1)
    assert made.lockfile == ""


def test_a_lock_file_settles_only_what_lies_beside_it() -> None:
    other = manifest(item("a", ">=1"), path="other/pyproject.toml")
    kept, _ = apply_lockfiles([other, lock(entry("a"))])
    assert kept.lockfile == ""
    assert len(kept.declarations) == 1


def test_members_of_a_workspace_are_settled_by_its_lock_file() -> None:
    roots = (root(Edge(target="a@1.0")), root(Edge(target="b@1.0"), path="packages/web"))
    member = manifest(item("b", ">=1"), path="app/packages/web/pyproject.toml")
    here = manifest(item("a", ">=1"), path="app/pyproject.toml")
    together = apply_lockfiles([here, member, lock(entry("a"), entry("b"), roots=roots, path="app/uv.lock")])
    assert [one.locked_count for one in together] == [1, 1, 0]


def test_several_versions_of_a_package_are_kept_apart() -> None:
    needs = root(Edge(target="a@1.0"), Edge(target="b@1.0"))
    entries = (entry("a"), entry("b", "1.0"), entry("a", "2.0"))
    entries = (entries[0], replace(entries[1], edges=(Edge(target="a@2.0"),)), entries[2])
    [made] = apply_lockfiles([lock(*entries, roots=(needs,))])
    assert sorted((one.name, one.locked_version, one.indirect) for one in made.declarations) == [
        ("a", "1.0", False),
        ("a", "2.0", True),
        ("b", "1.0", False),
    ]


def test_a_file_without_edges_counts_what_no_manifest_declares_as_brought_in() -> None:
    bare = (entry("a", edges=None, groups=("main",)), entry("b", edges=None, groups=("dev",)))
    found = by_name(manifest(item("a", "")), lock(*bare))
    assert {name: (one.direct, one.groups) for name, one in found.items()} == {
        "a": (True, ("main",)),
        "b": (False, ("dev",)),
    }


def test_an_alias_is_matched_by_its_name_and_scored_as_what_it_is() -> None:
    at = Location(path="package-lock.json", line=3)
    real = LockedPackage(key="k", ecosystem=NPM, name="real", version="2.0.0", location=at, edges=(), alias="short")
    locked = DependencyFile(
        path="package-lock.json",
        format="package-lock.json",
        locked_packages=(real,),
        importers=(Importer(edges=(Edge(target="k", alias="short", requirement="^2"),)),),
        locked_filenames=("package.json",),
    )
    asked = Declaration(
        ecosystem=NPM,
        name="real",
        alias="short",
        requirement="^2",
        group="main",
        location=Location(path="package.json", line=4),
    )
    declared = DependencyFile(path="package.json", format="package.json", declarations=(asked,))
    found = by_name(declared, locked)["real"]
    assert (found.version, found.aliases, found.direct) == ("2.0.0", ("short",), True)


def test_the_ways_to_a_package_begin_at_what_is_declared_the_shortest_first() -> None:
    needs = root(Edge(target="a@1.0"), Edge(target="z@1.0", group="dev"))
    entries = (entry("a", "1.0", "b"), entry("b", "1.0", "c"), entry("c"), entry("z", "1.0", "c"))
    graph = Graph(lock(*entries), [needs])
    paths = graph.find_paths(Package(ecosystem=PYPI, name="c"))
    ways = [(path.group, [step.name for step in path.steps]) for path in paths]
    assert ways == [("dev", ["z", "c"]), ("main", ["a", "b", "c"])]


def test_a_circle_ends() -> None:
    graph = Graph(lock(entry("a", "1.0", "b"), entry("b", "1.0", "a")), [root(Edge(target="a@1.0"))])
    assert [len(path.steps) for path in graph.find_paths(Package(ecosystem=PYPI, name="b"))] == [2]
    assert graph.groups == {"a@1.0": ("main",), "b@1.0": ("main",)}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30), st.sets(st.integers(0, 9), max_size=4))
def test_no_package_of_a_lock_file_is_ever_lost(edges: list[tuple[int, int]], direct: set[int]) -> None:
    entries = [
        entry(f"p{n}", "1.0", *(f"p{to}" for start, to in edges if start == n))  # its own edges
        for n in range(10)
    ]
    roots = (root(*(Edge(target=f"p{n}@1.0") for n in sorted(direct))),)
    [made] = apply_lockfiles([lock(*entries, roots=roots)])
    assert {one.name for one in made.declarations} == {one.name for one in entries}
    assert {one.name for one in made.declarations if not one.indirect} >= {f"p{n}" for n in direct}


def test_members_that_only_the_manifest_tells_of_are_settled_too() -> None:
    top = replace(manifest(item("a", "")), includes=(Include(pattern="packages/*/pyproject.toml", line=1),))
    inside = manifest(item("b", ""), item("sibling", ""), path="packages/web/pyproject.toml")
    outside = manifest(item("b", ">=9"), path="examples/one/pyproject.toml")
    inside = replace(inside, local_names=("sibling",))
    together = apply_lockfiles([top, inside, outside, lock(entry("a"), entry("b"))])
    assert [one.lockfile for one in together] == ["uv.lock", "uv.lock", "", ""]
    assert together[3].drift == ()


def test_two_lock_files_of_one_manifest_both_count() -> None:
    other = replace(lock(entry("a", "2.0")), path="poetry.lock")
    together = apply_lockfiles([manifest(item("a", ">=1")), lock(entry("a")), other])
    assert together[0].declarations == ()
    assert {one.locked_version for each in together for one in each.declarations if not one.indirect} == {"1.0", "2.0"}


def test_a_shrinkwrap_file_overrules_the_lock_file_beside_it() -> None:
    used = replace(lock(entry("a")), path="npm-shrinkwrap.json")
    unused = replace(lock(entry("a", "2.0")), path="package-lock.json")
    together = apply_lockfiles([used, unused])
    assert {one.locked_version for each in together for one in each.declarations} == {"1.0"}
    assert together[1].lockfile == "npm-shrinkwrap.json"


def test_a_project_may_lie_anywhere() -> None:
    for folder in ("", "app/", "/srv/app/", "../app/"):
        declared = manifest(item("a", ">=1"), path=f"{folder}pyproject.toml")
        member = manifest(item("b", ">=1"), path=f"{folder}web/pyproject.toml")
        roots = (root(Edge(target="a@1.0")), root(Edge(target="b@1.0"), path="web"))
        together = apply_lockfiles(
            [declared, member, lock(entry("a"), entry("b"), roots=roots, path=f"{folder}uv.lock")]
        )
        assert [one.locked_count for one in together] == [1, 1, 0], folder


# --- What frozen installations accept


def node(name: str, version: str, /, **more: object) -> LockedPackage:
    at = Location(path="yarn.lock", line=1)
    base = LockedPackage(key=f"{name}@{version}", ecosystem=NPM, name=name, version=version, location=at, edges=())
    return replace(base, **more)


def need(name: str, requirement: str, group: str = "main", **more: object) -> Declaration:
    at = Location(path="package.json", line=1)
    base = Declaration(ecosystem=NPM, name=name, requirement=requirement, group=group, location=at)
    return replace(base, **more)


def node_lock(*entries: LockedPackage, **more: object) -> DependencyFile:
    base = DependencyFile(
        path="yarn.lock",
        format="yarn.lock",
        locked_packages=entries,
        locked_filenames=("package.json",),
        compares_requirements=True,
    )
    return replace(base, **more)


def apply_node(lockfile: DependencyFile, *needs: Declaration, **more: object) -> tuple[list[str], set[str]]:
    """Return the names that have drifted, and the names that are listed."""
    manifest_file = DependencyFile(path="package.json", format="package.json", declarations=needs)
    files = apply_lockfiles([replace(manifest_file, **more), lockfile])
    drifted = [drift.package.name if drift.package else "" for file in files for drift in file.drift]
    return drifted, {declaration.name for file in files for declaration in file.declarations}


def test_a_pattern_decides_in_a_lock_file_without_roots() -> None:
    patterns = (
        Edge(target="a@2.0.0", requirement="latest"),
        Edge(target="a@1.0.0", requirement="^1"),
        Edge(target="c@1.0.0", requirement="next", alias="b"),
    )
    lockfile = node_lock(node("a", "1.0.0"), node("a", "2.0.0"), node("c", "1.0.0"), patterns=patterns)
    assert apply_node(lockfile, need("a", "latest"), need("c", "next", alias="b"))[0] == []
    assert apply_node(lockfile, need("a", ">=1"))[0] == ["a"]
    assert apply_node(lockfile, need("c", "latest", alias="b"))[0] == ["c"]
    assert apply_node(lockfile, need("a", ">=1"), overridden_names=("a",))[0] == []


def test_a_tag_is_no_drift_where_the_lock_file_does_not_state_what_was_required() -> None:
    lockfile = replace(node_lock(node("a", "1.0.0")), compares_requirements=False)
    assert apply_node(lockfile, need("a", "latest"))[0] == []
    assert apply_node(lockfile, need("a", "^2"))[0] == ["a"]
    stated = root(Edge(target="a@1.0.0", requirement="^1"))
    assert apply_node(replace(lockfile, importers=(stated,)), need("a", "latest"))[0] == ["a"]


def test_an_override_in_the_lock_file_decides_about_a_direct_dependency() -> None:
    importer = root(Edge(target="a@2.0.0", requirement="2.0.0"), Edge(target="c@1.0.0", requirement="1.0.0", alias="b"))
    lockfile = node_lock(
        node("a", "2.0.0"), node("c", "1.0.0"), importers=(importer,), overridden_names=("a", "b", "gone")
    )
    assert apply_node(lockfile, need("a", "^1"), need("b", "^1"), need("gone", "^1")) == ([], {"a", "c"})


def test_a_removed_dependency_is_neither_drift_nor_listed() -> None:
    lockfile = node_lock(importers=(root(),))
    assert apply_node(lockfile, need("a", "^1"), overridden_names=("a",)) == ([], set())
    assert apply_node(lockfile, need("a", "^1")) == (["a"], {"a"})


def test_another_requirement_is_drift_where_the_tool_compares_them() -> None:
    lockfile = node_lock(node("a", "1.5.0"), importers=(root(Edge(target="a@1.5.0", requirement="^1.0.0")),))
    assert apply_node(lockfile, need("a", "^1.1.0"))[0] == ["a"]
    assert apply_node(replace(lockfile, compares_requirements=False), need("a", "^1.1.0"))[0] == []
    assert apply_node(lockfile, need("a", "^1.1.0", "peer"), need("a", "^1.0.0", "dev"))[0] == []
    assert apply_node(lockfile, need("a", "^2.0.0", "dev"), need("a", "^1.0.0"))[0] == ["a"]


def test_the_order_of_comparisons_is_no_difference() -> None:
    lockfile = replace(
        lock(entry("a"), roots=(root(Edge(target="a@1.0", requirement="<2,>=1")),)), compares_requirements=True
    )
    [_, made] = apply_lockfiles([manifest(item("a", ">=1, <2")), lockfile])
    assert made.drift == ()


def test_peer_dependencies_that_are_not_locked_are_not_installed() -> None:
    lockfile = node_lock(importers=(root(),))
    assert apply_node(lockfile, need("a", "*", "peer", marker="optional peer"), need("b", "*", "peer")) == ([], set())


def test_a_lock_file_without_packages_is_a_lock_file() -> None:
    lockfile = node_lock()
    assert apply_node(lockfile) == ([], set())
    assert apply_node(lockfile, need("a", "^1")) == (["a"], {"a"})


def missing(name: str) -> MissingPackage:
    return MissingPackage(name=name, problem=Problem(path="yarn.lock", message=f"{name} is missing"))


def test_members_of_the_workspace_may_be_missing() -> None:
    lockfile = node_lock(node("m", "1.0.0"), missing_packages=(missing("@w/a"), missing("zed")))
    workspace = DependencyFile(
        path="package.json",
        format="package.json",
        includes=(Include(pattern="w/*/package.json", line=1, format="package.json"),),
        local_names=("@w/a",),
    )
    member = DependencyFile(path="w/z/package.json", format="package.json", local_names=("zed",))
    *_, made = apply_lockfiles([workspace, member, lockfile])
    assert (made.problems, made.notes) == ((), ())
    *_, made = apply_lockfiles([workspace, lockfile])
    assert [problem.message for problem in made.problems] == ["zed is missing"]
    *_, made = apply_lockfiles([replace(lockfile, missing_packages=(missing("a"),))])
    assert (made.problems, made.notes) == ((), ("required but not in this file, as what workspace members provide: a",))


# --- Each dependency once


def test_what_brings_a_package_in_is_of_the_groups_that_are_asked_for() -> None:
    needs = root(Edge(target="m@1.0"), Edge(target="d@1.0", group="dev"))
    entries = (entry("m", "1.0", "n"), entry("n", "1.0", "x"), entry("d", "1.0", "x"), entry("x"))
    lockfile = lock(*entries, roots=(needs,))
    assert (by_name(lockfile)["x"].via, by_name(lockfile)["x"].parents) == (("d",), ("d", "n"))
    [made] = apply_lockfiles([lockfile])
    main = [declaration for declaration in made.declarations if declaration.group == "main"]
    declarations = Declarations(main)
    found = {one.package.name: one for one in declarations.resolve_packages(declarations.packages, {}).dependencies}
    assert (found["x"].via, found["x"].parents) == (("m",), ("n",))


def test_a_skipped_dependency_of_manifest_and_lock_file_is_one() -> None:
    needs = root(Edge(target="a@1.0", requirement=">=1"))
    declared = manifest(item("a", ">=1", skip_reason="git: x"))
    files = apply_lockfiles([declared, lock(entry("a", skip_reason="git: x @ 1a2b3c"), roots=(needs,))])
    declarations = Declarations([one for file in files for one in file.declarations])
    [found] = declarations.resolve_packages(declarations.packages, {}).dependencies
    assert [place.path for place in found.locations] == ["pyproject.toml", "uv.lock"]
    assert (found.version, found.requirement, found.skip_reason) == ("1.0", ">=1", "git: x @ 1a2b3c")


@pytest.mark.parametrize(
    ("declared_reason", "reason"),
    [("local path", "local path"), ("local path", "workspace member"), ("git: x", "git: x @ 1a2b3c")],
)
def test_what_is_at_an_address_is_one_though_the_manifest_has_another_name_for_it(
    declared_reason: str, reason: str
) -> None:
    real = entry("local", "0.0.1", ecosystem=NPM, skip_reason=reason)
    needs = root(Edge(target="local@0.0.1", alias="loc"))
    declared = manifest(item("loc", ecosystem=NPM, skip_reason=declared_reason))
    found = by_name(declared, lock(real, roots=(needs,)))
    assert list(found) == ["local"]
    assert (found["local"].version, found["local"].aliases) == ("0.0.1", ("loc",))
    assert (found["local"].skip_reason, len(found["local"].locations)) == (reason, 2)


def test_what_is_at_an_address_is_not_the_package_of_the_registry_that_an_old_lock_file_has() -> None:
    needs = root(Edge(target="real@1.0", alias="loc"))
    declared = manifest(item("loc", ecosystem=NPM, skip_reason="local path"))
    found = by_name(declared, lock(entry("real", ecosystem=NPM), roots=(needs,)))
    assert {name: one.skip_reason for name, one in found.items()} == {"loc": "local path", "real": ""}


def test_an_exact_override_of_an_undeclared_package_is_indirect_unless_there_is_a_lock_file() -> None:
    def override(name: str, requirement: str) -> Declaration:
        return item(name, requirement, "constraint", override_of="pyproject.toml")

    file = manifest(item("own", ">=1"), override("own", "==1"), override("deep", "==2"), override("range", ">2"))
    found = by_name(file)
    assert {name: (one.version, one.direct) for name, one in found.items()} == {
        "own": ("1", True),
        "deep": ("2", False),
    }
    assert set(by_name(file, lock(entry("own"), roots=(root(Edge(target="own@1.0")),)))) == {"own"}


def test_what_yarn_1_locks_for_an_override_without_use_is_not_listed() -> None:
    patterns = (Edge(target="a@1.0.0", requirement="^1"), Edge(target="a@2.0.0", requirement="2.0.0"))
    lockfile = node_lock(node("a", "1.0.0"), node("a", "2.0.0"), patterns=patterns)
    manifest_file = DependencyFile(
        path="package.json", format="package.json", declarations=(need("a", "^1"),), overridden_names=("a",)
    )
    files = apply_lockfiles([manifest_file, lockfile])
    assert {one.locked_version for file in files for one in file.declarations} == {"1.0.0"}


def test_a_manifest_that_changed_since_it_was_locked_is_drift() -> None:
    lockfile = replace(lock(entry("a")), content_hashes=("2",))
    for hashes, drifted in ((("1", "2"), []), (("3",), [None]), ((), [])):
        declared = replace(manifest(item("a", ">=1")), content_hashes=hashes)
        [_, made] = apply_lockfiles([declared, lockfile])
        assert [drift.package for drift in made.drift] == drifted
    [_, made] = apply_lockfiles([replace(manifest(item("a", ">=2")), content_hashes=("3",)), lockfile])
    assert [drift.package.name for drift in made.drift if drift.package] == ["a"]


def test_a_hash_of_pdm_is_compared_with_those_of_pdm_only() -> None:
    for locked_hash, hashes, drifts in (
        ("sha256:2", ("1", "sha256:2"), False),
        ("sha256:2", ("1", "sha256:3"), True),
        ("sha256:2", ("1",), False),
        ("1", ("1", "sha256:3"), False),
        ("1", ("sha256:1",), False),
    ):
        lockfile = replace(lock(entry("a")), content_hashes=(locked_hash,))
        [_, made] = apply_lockfiles([replace(manifest(item("a")), content_hashes=hashes), lockfile])
        assert bool(made.drift) is drifts


def test_what_a_group_requires_that_the_lock_file_was_not_made_for_is_open_and_no_drift() -> None:
    declared = manifest(item("a"), item("b", group="extra:x"), item("c", group="dev"))
    for locked_groups, missing in ((None, ["b", "c"]), (("main", "dev"), ["c"]), ((), [])):
        [rest, made] = apply_lockfiles([declared, replace(lock(entry("a")), locked_groups=locked_groups)])
        assert [drift.package.name for drift in made.drift if drift.package] == missing
        assert [one.name for one in rest.declarations] == ["b", "c"]


def test_drift_tells_the_requirement_that_was_locked() -> None:
    lockfile = node_lock(node("a", "1.5.0"), importers=(root(Edge(target="a@1.5.0", requirement="^1.0.0")),))
    manifest_file = DependencyFile(path="package.json", format="package.json", declarations=(need("a", "^1.1.0"),))
    [_, made] = apply_lockfiles([manifest_file, lockfile])
    assert [(drift.requirement, drift.locked_requirement) for drift in made.drift] == [("^1.1.0", "^1.0.0")]


def test_local_packages_of_a_lock_file_without_edges_are_listed_and_the_project_is_not() -> None:
    entries = tuple(
        entry(name, edges=None, skip_reason="local path", directory=directory)
        for name, directory in (("p", "."), ("q", "../q"), ("r", ""))
    )
    lockfile = replace(lock(*entries), local_names=("p", "q", "r"))
    for others in ((), (manifest(item("a")),)):
        assert [one.name for one in apply_lockfiles([lockfile, *others])[0].declarations] == ["q", "r"]
    with_edges = replace(lockfile, locked_packages=tuple(replace(one, edges=()) for one in entries), importers=())
    assert not apply_lockfiles([with_edges])[0].declarations
