from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId
from nerq_cli.facts import Absent, Fact, Found, PackageInfo, Unknown
from nerq_cli.inventory import Declaration, Dependency, Location, Package
from nerq_cli.resolve.resolver import CONSTRAINT_GROUP, Declarations, Resolution, Unsatisfied, resolve


def declare(requirement: str, at: str = "requirements.txt:1", **more: object) -> Declaration:
    """One declaration of demo (Python, main group) unless told otherwise."""
    path, _, line = at.rpartition(":")
    said: dict[str, object] = {"ecosystem": PYPI, "name": "demo", "group": "main", **more}
    return Declaration(requirement=requirement, location=Location(path=path, line=int(line)), **said)  # type: ignore[arg-type]


def place(at: str) -> Location:
    path, _, line = at.rpartition(":")
    return Location(path=path, line=int(line))


def known(
    *versions: str, ecosystem: EcosystemId = PYPI, name: str = "demo", **more: object
) -> dict[Package, Fact[PackageInfo]]:
    project = PackageInfo(name=name, versions=versions, **more)  # type: ignore[arg-type]
    return {Package(ecosystem=ecosystem, name=name): Found(project, "registry.example", 0)}


def alone(inventory: Resolution) -> Dependency:
    [dependency] = inventory.dependencies
    return dependency


def versions(inventory: Resolution) -> list[str | None]:
    return [dependency.version for dependency in inventory.dependencies]


DEMO = known("3.0", "2.1", "2.0", "1.5", "1.0")


# --- Pins and ranges


def test_a_pin_is_its_own_version() -> None:
    dependency = alone(resolve([declare("==2.0")], DEMO))
    assert (dependency.version, dependency.resolution, dependency.requirement) == ("2.0", "pinned", "==2.0")


def test_a_pin_takes_the_registrys_spelling() -> None:
    assert alone(resolve([declare("==2.0.0")], DEMO)).version == "2.0"


def test_a_range_is_what_would_be_installed_today() -> None:
    dependency = alone(resolve([declare(">=1,<3")], DEMO))
    assert (dependency.version, dependency.resolution) == ("2.1", "range")


@pytest.mark.parametrize("facts", [{}, *({next(iter(DEMO)): fact} for fact in (Absent("x", 0), Unknown("down")))])
def test_where_nobody_knows_a_pin_stays_and_a_range_is_unresolved(facts: dict[Package, Fact[PackageInfo]]) -> None:
    inventory = resolve([declare("==2.0", "a/r.txt:1"), declare(">=1", "b/r.txt:2"), declare("<9", "c/r.txt:3")], facts)
    unresolved, pinned = inventory.dependencies
    assert (pinned.version, pinned.resolution) == ("2.0", "pinned")
    assert (unresolved.version, unresolved.resolution, unresolved.requirement) == (None, "unresolved", ">=1 · <9")
    assert unresolved.release is None
    assert not inventory.unsatisfied


def test_distinct_pins_are_distinct_dependencies() -> None:
    inventory = resolve([declare("==2.0", "a/r.txt:1"), declare("==1.5", "b/r.txt:1")], DEMO)
    assert versions(inventory) == ["1.5", "2.0"]


@pytest.mark.parametrize(("ecosystem", "a", "b"), [(PYPI, "==1.0", "==1.0.0"), (NPM, "1.0.0", "v1.0.0+build")])
def test_pins_that_are_equal_as_versions_are_one_dependency(ecosystem: EcosystemId, a: str, b: str) -> None:
    declared = [declare(a, "a/x:1", ecosystem=ecosystem), declare(b, "b/x:1", ecosystem=ecosystem)]
    assert alone(resolve(declared, {})).requirement == f"{a} · {b}"


def test_a_range_joins_the_highest_pin_of_its_project_that_satisfies_it() -> None:
    declared = [
        declare(">=1,<3", "service/requirements/base.in:4"),
        declare("==1.5", "service/requirements/base.txt:9"),
        declare("==2.0", "service/dev-requirements.txt:7"),
        declare("==3.0", "service/requirements.txt:1"),
    ]
    dependency = resolve(declared, DEMO).dependencies[1]
    assert (dependency.version, dependency.resolution) == ("2.0", "pinned")
    assert dependency.requirement == "==2.0 · >=1,<3"
    assert dependency.locations == (place("service/dev-requirements.txt:7"), place("service/requirements/base.in:4"))


def test_a_range_of_another_project_does_not_join_a_pin() -> None:
    assert versions(resolve([declare("==2.0", "a/r.txt:1"), declare(">=1", "b/r.txt:1")], DEMO)) == ["2.0", "3.0"]


def test_a_range_that_comes_to_the_version_of_a_pin_is_united_with_it() -> None:
    dependency = alone(resolve([declare("==3.0", "a/r.txt:1"), declare(">=1", "b/r.txt:1")], DEMO))
    assert dependency.resolution == "pinned"
    assert len(dependency.locations) == 2


def test_ranges_that_come_to_the_same_version_are_united() -> None:
    dependency = alone(resolve([declare(">=1", "a/r.txt:1"), declare("!=2.0", "b/r.txt:1")], DEMO))
    assert (dependency.version, dependency.resolution, dependency.requirement) == ("3.0", "range", ">=1 · !=2.0")


def test_a_range_rather_joins_a_pin_meant_for_this_python() -> None:
    declared = [
        declare("==1.5", "r.txt:1", marker='python_version < "3.8"'),
        declare("==2.0", "r.txt:2", marker='python_version >= "3.8"'),
        declare(">=1", "r.in:1"),
    ]
    assert versions(resolve(declared, DEMO, python="3.7.9")) == ["1.5", "2.0"]
    assert [len(one.locations) for one in resolve(declared, DEMO, python="3.7.9").dependencies] == [2, 1]
    assert [len(one.locations) for one in resolve(declared, DEMO, python="3.12.0").dependencies] == [1, 2]
    both_out = [one for one in declared if ">=" not in one.marker]
    assert versions(resolve(both_out, DEMO, python="3.12.0")) == ["1.5"]


# --- What a dependency remembers


def test_a_dependency_keeps_every_place_group_marker_alias_and_extra_once() -> None:
    declared = [
        declare("==2.0", "b.txt:2", group="dev", extras=("socks",), marker="os_name == 'nt'"),
        declare("==2.0", "b.txt:2", group="dev", extras=("socks", "async"), alias="other", marker="os_name == 'nt'"),
        declare("==2.0", "a.txt:7", group="main"),
    ]
    dependency = alone(resolve(declared, DEMO))
    assert dependency.locations == (place("a.txt:7"), place("b.txt:2"))
    assert dependency.groups == ("dev", "main")
    assert dependency.markers == ("os_name == 'nt'",)
    assert dependency.aliases == ("other",)
    assert dependency.extras == ("async", "socks")
    assert dependency.requirement == "==2.0"


def test_a_package_that_a_file_also_has_without_a_marker_has_none() -> None:
    declared = [declare("==2.0", "a.txt:1"), declare("==2.0", "a.txt:2", marker='python_version < "3"')]
    assert alone(resolve(declared, DEMO)).markers == ()
    declared = [replace(one, location=place(f"{path}.txt:1")) for path, one in zip("ab", declared, strict=True)]
    assert alone(resolve(declared, DEMO)).markers == ('python_version < "3"',)


def test_a_dependency_is_direct_unless_every_place_says_it_is_not() -> None:
    assert not alone(resolve([declare("==2.0", indirect=True)], DEMO)).direct
    assert alone(resolve([declare("==2.0", indirect=True), declare("==2.0", "b.txt:1")], DEMO)).direct


def test_names_are_united_in_their_normal_form() -> None:
    declared = [declare("==2.0", name="De.mo_X"), declare("==2.0", "b.txt:1", name="de-mo-x")]
    assert alone(resolve(declared, {})).package.name == "de-mo-x"


def test_ecosystems_are_kept_apart() -> None:
    assert len(resolve([declare("==2.0"), declare("2.0.0", ecosystem=NPM)], {}).dependencies) == 2


# --- What is skipped


def test_skipped_items_are_united_by_package_requirement_and_reason() -> None:
    declared = [
        declare("", "a.txt:1", skip_reason="local path ./demo"),
        declare("", "b.txt:1", skip_reason="local path ./demo"),
        declare("", "c.txt:1", skip_reason="git: https://git.example/demo @ 1a2b3c"),
        declare("==2.0", "d.txt:1", skip_reason="private"),
        declare(">=1", "e.txt:1"),
    ]
    git, local, private, resolved = resolve(declared, DEMO).dependencies
    assert (git.version, git.resolution) == (None, "unresolved")
    assert len(local.locations) == 2
    assert (private.version, private.resolution, private.skip_reason) == ("2.0", "pinned", "private")
    assert (resolved.version, resolved.skip_reason) == ("3.0", "")


def test_a_package_of_the_project_is_one_however_each_file_states_it() -> None:
    declared = [
        declare("", "pylock.toml:7", skip_reason="local path"),
        declare("", "requirements.txt:3", skip_reason="local path ./packages/demo"),
        declare("==0.1", "tests/requirements.txt:1", skip_reason="provided by this project"),
        declare("", "uv.lock:9", skip_reason="workspace member", locked_version="0.1"),
    ]
    found = alone(resolve(declared, {}))
    assert (found.version, found.skip_reason, len(found.locations)) == ("0.1", "workspace member", 4)
    assert alone(resolve(declared[:2], {})).skip_reason == "local path ./packages/demo"


def test_a_skipped_package_without_a_version_counts_to_the_only_one_that_others_have() -> None:
    url = {"skip_reason": "URL: https://files.example/demo"}
    declared = [declare("", "a.txt:1", **url), declare("==1.0", "b.txt:1", **url), declare("==2.0", "c.txt:1", **url)]
    assert alone(resolve(declared[:2], {})).version == "1.0"
    assert [one.version for one in resolve(declared, {}).dependencies] == [None, "1.0", "2.0"]


def test_local_packages_of_one_name_at_two_paths_are_two() -> None:
    declared = [
        declare("", "a.txt:1", skip_reason="local path ./a/demo"),
        declare("", "b.txt:1", skip_reason="local path ./b/demo"),
        declare("", "c.txt:1", skip_reason="local path"),
    ]
    reasons = sorted(one.skip_reason for one in resolve(declared, {}).dependencies)
    assert reasons == ["local path", "local path ./a/demo", "local path ./b/demo"]


def test_the_registry_is_needed_for_all_but_the_skipped() -> None:
    declared = [
        declare("", name="b"),
        declare("", name="A"),
        declare("", name="a"),
        declare("", name="c", skip_reason="x"),
    ]
    everything = Declarations(declared)
    assert [package.name for package in everything.packages] == ["a", "b", "c"]
    assert [package.name for package in everything.filter_queryable(everything.packages)] == ["a", "b"]


def test_packages_that_are_dropped_are_not_there_any_more() -> None:
    everything = Declarations([declare("", name="a"), declare("", name="b")])
    everything.drop_packages(everything.packages[:1])
    assert [package.name for package in everything.packages] == ["b"]


def test_settling_in_batches_gives_what_settling_at_once_gives() -> None:
    declared = [
        declare("", name="b"),
        declare("==2.0", "x/requirements.txt:1"),
        declare(">=1", "y/c.txt:2", group=CONSTRAINT_GROUP),
    ]
    everything = Declarations(declared)
    batches = [everything.resolve_packages([package], DEMO) for package in everything.packages]
    assert tuple(one for batch in batches for one in batch.dependencies) == resolve(declared, DEMO).dependencies


# --- Constraints


def test_an_exact_constraint_in_the_range_is_the_version_in_use() -> None:
    declared = [declare(">=1"), declare("==2.0.0", "constraints.txt:3", group="constraint")]
    dependency = alone(resolve(declared, DEMO))
    assert (dependency.version, dependency.resolution) == ("2.0", "pinned")
    assert dependency.requirement == "==2.0.0 · >=1"
    assert dependency.locations == (place("constraints.txt:3"), place("requirements.txt:1"))
    assert dependency.groups == ("main",)
    assert alone(resolve(declared, {})).version == "2.0.0"


def test_a_range_constraint_narrows_the_range() -> None:
    declared = [declare(">=1 || ==0.1.*"), declare("<2.1", "constraints.txt:3", group="constraint")]
    dependency = alone(resolve(declared, DEMO))
    assert (dependency.version, dependency.resolution) == ("2.0", "range")
    assert len(dependency.locations) == 2


@pytest.mark.parametrize("requirement", ["", "*"])
def test_a_constraint_narrows_what_asks_for_nothing(requirement: str) -> None:
    declared = [declare(requirement), declare("<2", "constraints.txt:3", group="constraint")]
    assert alone(resolve(declared, DEMO)).version == "1.5"


def test_a_constraint_that_contradicts_the_range_leaves_nothing() -> None:
    declared = [declare(">=3"), declare("==2.0", "constraints.txt:3", group="constraint")]
    inventory = resolve(declared, DEMO)
    assert versions(inventory) == [None]
    assert inventory.unsatisfied[0].requirement == ">=3,==2.0"


def test_a_constraint_does_not_touch_a_pin() -> None:
    declared = [declare("==3.0"), declare("==2.0", "constraints.txt:3", group="constraint")]
    assert versions(resolve(declared, DEMO)) == ["3.0"]


def test_constraints_add_no_dependency() -> None:
    declared = [declare("==1.0", name="other"), declare("==2.0", "constraints.txt:3", group="constraint")]
    assert [one.package.name for one in resolve(declared, DEMO).dependencies] == ["other"]


def test_constraints_alone_are_listed() -> None:
    declared = [
        declare("==2.0", "constraints.txt:3", group="constraint"),
        declare("", "constraints.txt:4", group="constraint", skip_reason="local path ./x"),
    ]
    inventory = resolve(declared, DEMO)
    assert [(one.version, one.groups, len(one.locations)) for one in inventory.dependencies] == [
        ("2.0", ("constraint",), 2)
    ]


@pytest.mark.parametrize(
    ("constraint", "declared", "version"),
    [
        ("constraints.txt:1", "a/requirements.txt:1", "2.0"),  # above
        ("a/constraints.txt:1", "a/requirements/base.txt:1", "2.0"),  # beside
        ("shared/constraints.txt:1", "a/requirements.txt:1", "2.0"),  # a folder for constraints alone
        ("b/constraints.txt:1", "a/requirements.txt:1", "3.0"),  # another project's
    ],
)
def test_constraints_reach_their_own_project(constraint: str, declared: str, version: str) -> None:
    limits = declare("==2.0", constraint, group="constraint")
    inventory = resolve([declare(">=1", declared), declare("==1", "b/x.txt:1", name="other"), limits], DEMO)
    assert inventory.dependencies[0].version == version


def test_a_constraint_for_another_python_does_not_count() -> None:
    limit = declare("==2.0", "constraints.txt:1", group="constraint", marker='python_version < "3"')
    assert alone(resolve([declare(">=1"), limit], DEMO, python="3.12.0")).version == "3.0"


def test_an_npm_override_settles_a_range_and_a_range_override_does_nothing() -> None:
    facts = known("2.0.0", "1.5.0", "1.0.0", ecosystem=NPM)
    item = declare("^1.0.0", "package.json:3", ecosystem=NPM)
    exact = declare("1.0.0", "package.json:9", ecosystem=NPM, group="constraint")
    assert alone(resolve([item, exact], facts)).version == "1.0.0"
    loose = declare("~1.0.0", "package.json:9", ecosystem=NPM, group="constraint")
    assert alone(resolve([item, loose], facts)).version == "1.5.0"


OVERRIDE = declare("==2.0", "pyproject.toml:9", group="constraint", override_of="pyproject.toml")


@pytest.mark.parametrize("requirement", ["", ">=1", ">=3", "==1.0"])
def test_an_override_replaces_what_its_project_requires(requirement: str) -> None:
    item = declare(requirement, "pyproject.toml:3")
    found = alone(resolve([item, OVERRIDE], DEMO))
    assert (found.version, found.resolution) == ("2.0", "pinned")
    assert found.locations == (item.location, OVERRIDE.location)
    assert resolve([item, OVERRIDE], DEMO).unsatisfied == ()
    assert Declarations([item, OVERRIDE]).find_pinned_releases([item.package]) == []


def test_an_override_with_a_range_replaces_the_requirement_as_well() -> None:
    override = replace(OVERRIDE, requirement="<2")
    assert alone(resolve([declare(">=3", "pyproject.toml:3"), override], DEMO)).version == "1.5"


def test_an_override_replaces_no_lock_and_no_pin_of_another_tool() -> None:
    locked = declare(">=1", "pyproject.toml:3", locked_version="3.0")
    assert alone(resolve([locked, OVERRIDE], DEMO)).version == "3.0"
    assert alone(resolve([declare("==3.0", "requirements.txt:1"), OVERRIDE], DEMO)).version == "3.0"


def test_overrides_for_several_environments_are_listed_each() -> None:
    overrides = [
        replace(OVERRIDE, requirement=f"=={version}", marker=f'python_version {sign} "3.9"')
        for version, sign in (("1.0", "<"), ("2.0", ">="))
    ]
    item = declare(">=1", "pyproject.toml:3")
    assert versions(resolve([item, *overrides], DEMO)) == ["1.0", "2.0"]
    assert versions(resolve([item, *overrides], DEMO, python="3.12.0")) == ["2.0"]


# --- The Python in use

PICKY = known("3.0", "2.0", interpreter_indexes=(0, 1), interpreters=(">=3.12", ">=3.8"))


def test_a_range_comes_to_a_version_that_runs_on_this_python() -> None:
    assert alone(resolve([declare("")], PICKY, python="3.10.1")).version == "2.0"
    assert alone(resolve([declare("")], PICKY)).version == "3.0"


@pytest.mark.parametrize(
    ("marker", "version"),
    [
        ("python_version >= '3.8'", "2.0"),
        ("python_version >= '3.12'", "3.0"),
        ("python_full_version < '3.10.1'", "3.0"),
        ("sys_platform == 'no such'", "2.0"),
        ("sys_platform == 'no such' and python_version >= '3.12'", "3.0"),
        ("sys_platform == 'no such' or python_version >= '3.12'", "2.0"),
        ("platform_python_implementation == 'python_version'", "2.0"),
        ("'3.11' in python_version", "3.0"),
        ("extra == 'socks'", "2.0"),
        ("optional peer", "2.0"),
    ],
)
def test_only_a_marker_that_excludes_this_python_lifts_the_filter(marker: str, version: str) -> None:
    assert alone(resolve([declare("", marker=marker)], PICKY, python="3.10.1")).version == version


# --- What nothing satisfies


def test_a_range_that_nothing_satisfies_is_reported_with_its_neighbours() -> None:
    inventory = resolve([declare(">=9", "b.txt:2"), declare(">=9", "a.txt:1"), declare("==2.0", "c/r.txt:1")], DEMO)
    assert versions(inventory) == [None, "2.0"]
    assert inventory.unsatisfied == (
        Unsatisfied(
            package=Package(ecosystem=PYPI, name="demo"),
            requirement=">=9",
            reason="no version satisfies >=9; newest is 3.0",
            nearest=("3.0", "2.1", "2.0"),
            locations=(place("a.txt:1"), place("b.txt:2")),
            is_missing=True,
        ),
    )


def test_a_pin_that_does_not_exist_keeps_its_version_and_is_reported() -> None:
    inventory = resolve([declare("==2.0.7")], DEMO)
    dependency = alone(inventory)
    assert (dependency.version, dependency.resolution) == ("2.0.7", "pinned")
    [finding] = inventory.unsatisfied
    assert finding.reason == "no version 2.0.7 of demo exists"
    assert finding.nearest == ("2.1", "2.0", "1.5")


# --- Laws

requirements = st.sampled_from(["==1.0", "==1.0.0", "==2.0", "==9", ">=1", "<3", "~=2.0", "", "junk", ">=9"])
declarations = st.lists(
    st.builds(
        lambda requirement, folder, line, group, skip: declare(
            requirement, f"{folder}r.txt:{line}", group=group, skip_reason=skip
        ),
        requirements,
        st.sampled_from(["", "a/", "b/", "a/requirements/"]),
        st.integers(1, 4),
        st.sampled_from(["main", "dev", "constraint"]),
        st.sampled_from(["", "", "", "local path ."]),
    ),
    max_size=8,
)


@given(declarations.flatmap(lambda some: st.tuples(st.just(some), st.permutations(some))))
def test_the_order_of_declarations_does_not_matter(both: tuple[list[Declaration], list[Declaration]]) -> None:
    assert resolve(both[0], DEMO) == resolve(both[1], DEMO)


@given(declarations)
def test_no_declaration_is_lost_and_no_dependency_is_listed_twice(declared: list[Declaration]) -> None:
    dependencies = resolve(declared, DEMO).dependencies
    kept = [item for item in declared if item.group != "constraint"] or declared
    listed = {location for dependency in dependencies for location in dependency.locations}
    assert {item.location for item in kept} <= listed
    resolved = [(one.package, one.version) for one in dependencies if not one.skip_reason]
    assert len(resolved) == len(set(resolved))


def test_ten_thousand_declarations_are_united_in_linear_time() -> None:
    def seconds(count: int) -> float:
        declared = [declare(">=1,<3", f"p/r.txt:{number + 1}", name=f"demo-{number}") for number in range(count)]
        facts = {item.package: DEMO[Package(ecosystem=PYPI, name="demo")] for item in declared}
        start = time.perf_counter()
        resolve(declared, facts, python="3.12.0")
        return time.perf_counter() - start

    seconds(100)
    assert min(seconds(10_000) for _ in range(2)) < 40 * max(seconds(1_000), 0.01)
