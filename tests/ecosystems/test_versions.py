from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from nerq_cli.ecosystems import NPM, PYPI, EcosystemId, VersionChoice, get_ecosystem
from nerq_cli.ecosystems.listing import count_newer
from nerq_cli.facts import DEPRECATED, EMPTY, PRERELEASE, YANKED, PackageInfo

ECOSYSTEMS: list[EcosystemId] = [PYPI, NPM]

small = st.integers(min_value=0, max_value=3)
pypi_versions = st.builds(
    lambda numbers, suffix: ".".join(map(str, numbers)) + suffix,
    st.lists(small, min_size=1, max_size=3),
    st.sampled_from(["", "", "", "a1", "rc1", ".post1", ".dev1", "+local.1"]),
)
npm_versions = st.builds(
    "{}.{}.{}{}".format, small, small, small, st.sampled_from(["", "", "", "-alpha.1", "-beta.2", "-1", "-rc.1", "+b"])
)
pypi_clauses = st.builds(
    "{}{}".format, st.sampled_from([">=", "<", "<=", ">", "!=", "=="]), pypi_versions.filter(lambda v: "+" not in v)
) | st.builds("{}{}.{}{}".format, st.sampled_from(["==", "!="]), small, small, st.just(".*"))
pypi_requirements = st.lists(pypi_clauses | st.builds("~={}.{}".format, small, small), max_size=3).map(",".join)
npm_comparators = st.builds("{}{}".format, st.sampled_from(["^", "~", ">=", "<", "<=", ">", "", "="]), npm_versions)
npm_requirements = st.lists(npm_comparators, min_size=1, max_size=2).map(" ".join)


def listing(*versions: str, name: str = "demo", flags: dict[str, int] | None = None, **more: object) -> PackageInfo:
    """A project whose versions stand in the order given."""
    marks = tuple((flags or {}).get(version, 0) for version in versions)
    return PackageInfo(name=name, versions=versions, flags=marks, **more)  # type: ignore[arg-type]


# --- Ordering


def test_python_versions_are_ordered_as_pep_440_orders_them() -> None:
    ordered = ["1!0.1", "2.0.post1", "2.0+local", "2.0", "2.0rc1", "2.0b2", "2.0a1.dev3", "2.0.dev1", "1.10", "1.9"]
    assert get_ecosystem(PYPI).sort_newest_first(reversed(ordered)) == ordered


def test_npm_versions_are_ordered_as_semver_item_11_orders_them() -> None:
    ordered = [
        "10.0.0",
        "1.0.0",
        "1.0.0-rc.1",
        "1.0.0-beta.11",
        "1.0.0-beta.2",
        "1.0.0-beta",
        "1.0.0-alpha.beta",
        "1.0.0-alpha.1",
        "1.0.0-alpha",
        "1.0.0-7",
    ]
    assert get_ecosystem(NPM).sort_newest_first(reversed(ordered)) == ordered


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_what_is_no_version_comes_last_in_text_order(ecosystem: EcosystemId) -> None:
    assert get_ecosystem(ecosystem).sort_newest_first(["zz", "1.0.0", "aa", "2.0.0", "9" * 5000]) == [
        "2.0.0",
        "1.0.0",
        "9" * 5000,
        "aa",
        "zz",
    ]


@given(st.permutations(["1.0", "1.0.0", "1.0+a", "junk", "2", "1.0.0-x", "1.0.0+y", "v1.0.0"]))
def test_the_order_does_not_depend_on_the_order_given(versions: list[str]) -> None:
    for ecosystem in ECOSYSTEMS:
        assert get_ecosystem(ecosystem).sort_newest_first(versions) == get_ecosystem(ecosystem).sort_newest_first(
            sorted(versions)
        )


@pytest.mark.parametrize("version", ["1.0a1", "1.0.dev3", "1.0rc2.post1", "junk"])
def test_python_pre_releases_are_pre_and_dev_releases_and_what_cannot_be_read(version: str) -> None:
    assert get_ecosystem(PYPI).is_prerelease(version)


@pytest.mark.parametrize("version", ["1.0.0-1", "1.0.0-alpha.2+build", "1.0.0beta", "1.0", "junk"])
def test_npm_pre_releases_are_those_with_identifiers_and_what_cannot_be_read(version: str) -> None:
    assert get_ecosystem(NPM).is_prerelease(version)


@pytest.mark.parametrize(("ecosystem", "version"), [(PYPI, "1.0.post1"), (PYPI, "1.0+cu12"), (NPM, "1.0.0+build-1")])
def test_post_releases_local_versions_and_builds_are_final(ecosystem: EcosystemId, version: str) -> None:
    assert not get_ecosystem(ecosystem).is_prerelease(version)


@pytest.mark.parametrize(
    ("ecosystem", "a", "b", "equal"),
    [
        (PYPI, "1.0", "1.0.0", True),
        (PYPI, "1.0-RC1", "1.0rc1", True),
        (PYPI, "1.0", "1.0+local", False),
        (PYPI, "junk", "junk", True),
        (PYPI, "junk", "1.0", False),
        (NPM, "1.0.0", "v1.0.0", True),
        (NPM, "1.0.0+a", "1.0.0+b", True),
        (NPM, "1.0.0", "1.0.0-0", False),
        (NPM, "1.0", "1.0.0", False),
    ],
)
def test_two_spellings_can_mean_one_version(ecosystem: EcosystemId, a: str, b: str, *, equal: bool) -> None:
    assert get_ecosystem(ecosystem).is_same_version(a, b) is equal
    assert get_ecosystem(ecosystem).is_same_version(b, a) is equal


# --- Pins


@pytest.mark.parametrize(
    ("requirement", "version"),
    [
        ("==1.2", "1.2"),
        (" == 1.2 ", "1.2"),
        ("==v1.2", "1.2"),
        ("==1.2+cu118", "1.2+cu118"),
        ("===1.2-odd", "1.2-odd"),
        ("===not-a-version", "not-a-version"),
        ("==1.2,>=1", "1.2"),
        (">=1,==1.2", "1.2"),
        ("==1.0rc1", "1.0rc1"),
        ("==1.2,<1", None),
        ("==1.2,==1.3", None),
        ("==1.2.*", None),
        ("==1.2 || ==1.3", None),
        (">=1.2", None),
        ("~=1.2", None),
        ("1.2", None),
        ("", None),
        ("==junk", None),
        ("==" + "9" * 5000, None),
    ],
)
def test_a_python_pin_is_an_exact_clause_that_the_others_allow(requirement: str, version: str | None) -> None:
    assert get_ecosystem(PYPI).parse_pin(requirement) == version


@pytest.mark.parametrize(
    ("requirement", "version"),
    [
        ("1.2.3", "1.2.3"),
        ("=1.2.3", "1.2.3"),
        ("= 1.2.3", "1.2.3"),
        (" v1.2.3 ", "1.2.3"),
        ("1.2.3-beta.4+build", "1.2.3-beta.4"),
        ("1.2.3beta", "1.2.3-beta"),
        ("1.2", None),
        ("1.2.x", None),
        ("^1.2.3", None),
        (">=1.2.3 <=1.2.3", None),
        ("1.2.3 || 1.2.4", None),
        ("", None),
        ("latest", None),
        ("\N{ARABIC-INDIC DIGIT ONE}.2.3", None),
    ],
)
def test_an_npm_pin_is_one_full_version(requirement: str, version: str | None) -> None:
    assert get_ecosystem(NPM).parse_pin(requirement) == version


# --- Ranges: Python


@pytest.mark.parametrize(
    ("requirement", "inside", "outside"),
    [
        ("", ["0.1", "1!2"], ["1.0a1", "junk"]),
        ("*", ["0.1"], ["1.0a1"]),
        (">=1.0,<2", ["1.0", "1.9.9"], ["0.9", "2.0", "2.0rc1"]),
        ("~=1.4.2", ["1.4.2", "1.4.9"], ["1.5", "1.4.1"]),
        ("==1.4.*", ["1.4", "1.4.7", "1.4.post1"], ["1.5", "1.40"]),
        ("!=1.5", ["1.4"], ["1.5", "1.5.0"]),
        (">=2.0rc1", ["2.0rc1", "2.1a1", "2.0"], ["1.9"]),
        (">=1,<2 || >=3,<4", ["1.5", "3.5"], ["2.5", "4.0"]),
        ("===odd", ["odd"], ["1.0", "even"]),
    ],
)
def test_python_ranges_admit_what_pep_440_says(requirement: str, inside: list[str], outside: list[str]) -> None:
    assert all(get_ecosystem(PYPI).satisfies(requirement, version) for version in inside)
    assert not any(get_ecosystem(PYPI).satisfies(requirement, version) for version in outside)


# --- Ranges: npm, by the rules that node-semver documents


@pytest.mark.parametrize(
    ("requirement", "inside", "outside"),
    [
        # caret: up to the next change of the left-most number that is not zero
        ("^1.2.3", ["1.2.3", "1.9.0"], ["1.2.2", "2.0.0", "2.0.0-0"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0", "0.2.2"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4", "0.1.0"]),
        ("^1.2.3-beta.2", ["1.2.3-beta.2", "1.2.3-beta.4", "1.2.3", "1.3.0"], ["1.2.3-beta.1", "1.2.4-beta.2"]),
        ("^0.0.3-beta", ["0.0.3-beta", "0.0.3-pr.2", "0.0.3"], ["0.0.4"]),
        ("^1.2.x", ["1.2.0", "1.9.0"], ["1.1.9", "2.0.0"]),
        ("^0.0.x", ["0.0.0", "0.0.9"], ["0.1.0"]),
        ("^0.0", ["0.0.9"], ["0.1.0"]),
        ("^1.x", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.0"]),
        ("^0.x", ["0.0.1", "0.9.0"], ["1.0.0"]),
        # tilde: patches, or minors when only a major is named
        ("~1.2.3", ["1.2.3", "1.2.9"], ["1.3.0", "1.2.2"]),
        ("~1.2", ["1.2.0", "1.2.9"], ["1.3.0"]),
        ("~1", ["1.0.0", "1.9.0"], ["2.0.0"]),
        ("~0", ["0.9.0"], ["1.0.0"]),
        ("~1.2.3-beta.2", ["1.2.3-beta.4", "1.2.9"], ["1.2.4-beta.2", "1.3.0"]),
        ("~> 1.2", ["1.2.5"], ["1.3.0"]),
        ("~>1.2.3", ["1.2.5"], ["1.3.0"]),
        # x-ranges
        ("*", ["0.0.0", "9.9.9"], ["1.0.0-alpha"]),
        ("", ["0.0.0", "9.9.9"], ["1.0.0-alpha"]),
        ("1.x", ["1.0.0", "1.9.9"], ["2.0.0"]),
        ("1.2.x", ["1.2.0", "1.2.9"], ["1.3.0"]),
        ("1.2.*", ["1.2.0", "1.2.9"], ["1.3.0"]),
        ("1.X", ["1.4.0"], ["2.0.0"]),
        ("1", ["1.4.0"], ["2.0.0"]),
        ("1.2", ["1.2.4"], ["1.3.0"]),
        # hyphens
        ("1.2.3 - 2.3.4", ["1.2.3", "2.3.4"], ["1.2.2", "2.3.5"]),
        ("1.2 - 2.3.4", ["1.2.0", "2.3.4"], ["1.1.9", "2.3.5"]),
        ("1.2.3 - 2.3", ["1.2.3", "2.3.9"], ["2.4.0"]),
        ("1.2.3 - 2", ["2.9.9"], ["3.0.0"]),
        # comparators, white space and alternatives
        (">= 1.2", ["1.2.0", "2.0.0"], ["1.1.9"]),
        ("> 1.2", ["1.3.0"], ["1.2.9"]),
        (">1", ["2.0.0"], ["1.9.9"]),
        ("<=1.2", ["1.2.9"], ["1.3.0"]),
        ("<1.2", ["1.1.9"], ["1.2.0", "1.2.0-0"]),
        (" >=1.2.7   <1.3.0 ", ["1.2.7", "1.2.99"], ["1.2.6", "1.3.0"]),
        ("1.2.7 || >=1.2.9 <2.0.0", ["1.2.7", "1.2.9", "1.4.6"], ["1.2.8", "2.0.0"]),
        ("<1.0 || >=2 <3", ["0.9.0", "2.5.0"], ["1.0.0", "3.0.0"]),
        ("1.0.0||2.0.0", ["1.0.0", "2.0.0"], ["1.5.0"]),
        ("^1 || ", ["7.0.0"], ["7.0.0-1"]),
        # pre-releases need a comparator of the same major.minor.patch
        (">1.2.3-alpha.3", ["1.2.3-alpha.7", "3.4.5"], ["3.4.5-alpha.9", "1.2.3-alpha.3"]),
        (">=1.0.0-rc.0 <1.0.1", ["1.0.0-rc.1", "1.0.0"], ["1.0.1-rc.0"]),
        # a star takes the alternatives up, and the pre-releases with them
        ("* || ^1.2.3-beta.1", ["1.0.0"], ["1.2.3-beta.2"]),
        (">=0.0.0 || ^1.2.3-beta.1", ["1.0.0"], ["1.2.3-beta.2"]),
        # build metadata never counts
        ("1.2.3+build", ["1.2.3", "1.2.3+other"], ["1.2.4"]),
        (">=1.2.3+build <2", ["1.2.3"], ["1.2.2"]),
        # loose spellings
        ("v1.2.3", ["1.2.3"], ["1.2.4"]),
        ("=1.2.3", ["1.2.3"], ["1.2.4"]),
        (">=01.02.03", ["1.2.3"], ["1.2.2"]),
        ("^1.2.3beta", ["1.2.3-beta"], ["1.2.3-alpha"]),
        # nothing
        ("<0.0.0", [], ["0.0.0", "1.0.0"]),
        ("<*", [], ["0.0.0", "1.0.0"]),
        ("latest", [], ["1.0.0"]),
    ],
)
def test_npm_ranges_admit_what_node_semver_documents(requirement: str, inside: list[str], outside: list[str]) -> None:
    assert [version for version in inside if not get_ecosystem(NPM).satisfies(requirement, version)] == []
    assert [version for version in outside if get_ecosystem(NPM).satisfies(requirement, version)] == []


def test_pre_releases_on_request_are_versions_like_any_other() -> None:
    assert get_ecosystem(PYPI).satisfies(">=1", "2.0rc1", prereleases=True)
    assert get_ecosystem(NPM).satisfies("^1.2.3", "1.4.0-beta.1", prereleases=True)
    assert get_ecosystem(NPM).satisfies("*", "1.0.0-0", prereleases=True)


def test_a_pre_release_never_satisfies_a_range_that_stops_short_of_its_release() -> None:
    assert not get_ecosystem(NPM).satisfies("^1.2.3", "2.0.0-rc.1", prereleases=True)
    assert not get_ecosystem(PYPI).satisfies("<2.0", "2.0rc1", prereleases=True)


JUNK = [
    "not a range!",
    ">>1",
    "==",
    "1..2",
    "^",
    "\x00",
    "git+ssh://x",
    "1.2.3 foo",
    "|| ||",
    "\N{SNOWMAN}",
    "=" * 10_000,
]


@pytest.mark.parametrize("junk", JUNK)
def test_junk_never_raises(junk: str) -> None:
    for ecosystem in ECOSYSTEMS:
        get_ecosystem(ecosystem).satisfies(junk, "1.0.0")
        get_ecosystem(ecosystem).choose_version(junk, listing("1.0.0"))
    assert not get_ecosystem(PYPI).satisfies(junk, "1.0.0") or junk == "|| ||"


@given(st.text(alphabet="0123456789.xX*^~<>=| -+vab,!\u0663\u2028", max_size=40), st.sampled_from(ECOSYSTEMS))
def test_no_text_makes_a_requirement_raise(text: str, ecosystem: EcosystemId) -> None:
    project = listing("2.0.0", "1.0.0", "0.1.0-rc.1", "odd", tags={"latest": "1.0.0"})
    assert isinstance(get_ecosystem(ecosystem).satisfies(text, "1.0.0"), bool)
    chosen = get_ecosystem(ecosystem).choose_version(text, project, interpreter="3.12.1")
    assert (chosen.version is None) == bool(chosen.reason)
    assert chosen.version is None or chosen.version in project.versions
    assert set(chosen.suggestions) <= set(project.versions)


@given(pypi_versions | npm_versions | st.text(max_size=12), pypi_versions | npm_versions | st.text(max_size=12))
def test_equality_agrees_with_the_order(a: str, b: str) -> None:
    for ecosystem in ECOSYSTEMS:
        assert get_ecosystem(ecosystem).is_same_version(a, b) == get_ecosystem(ecosystem).is_same_version(b, a)
        assert sorted(get_ecosystem(ecosystem).sort_newest_first([a, b])) == sorted([a, b])


# --- The version in use: pip


@given(st.sets(pypi_versions, max_size=12), pypi_requirements)
def test_choosing_early_finds_what_pip_finds_by_looking_at_everything(versions: set[str], requirement: str) -> None:
    ordered = get_ecosystem(PYPI).sort_newest_first(versions)
    specifiers = SpecifierSet(requirement)
    admitted = [version for version in ordered if specifiers.contains(version, prereleases=True)]
    if not specifiers.prereleases:
        admitted = [version for version in admitted if not Version(version).is_prerelease] or admitted
    chosen = get_ecosystem(PYPI).choose_version(requirement, listing(*ordered)).version
    exact = get_ecosystem(PYPI).parse_pin(requirement)
    if exact in versions:
        assert chosen == exact
    elif admitted:
        assert chosen is not None
        assert Version(chosen) == Version(admitted[0])
    else:
        assert chosen is None


def test_pip_takes_the_newest_final_release() -> None:
    assert get_ecosystem(PYPI).choose_version(">=1", listing("3.0rc1", "2.0", "1.0")) == VersionChoice("2.0")


def test_pip_takes_a_pre_release_that_the_requirement_names() -> None:
    assert get_ecosystem(PYPI).choose_version(">=3.0a1", listing("3.0rc1", "2.0")).version == "3.0rc1"


@pytest.mark.parametrize("requirement", ["", ">=2", "!=1.0a1"])
def test_pip_takes_a_pre_release_when_no_final_release_satisfies(requirement: str) -> None:
    assert get_ecosystem(PYPI).choose_version(requirement, listing("3.0rc1", "3.0b1")).version == "3.0rc1"


def test_a_yanked_release_is_passed_over_unless_it_is_pinned() -> None:
    project = listing("2.1", "2.0", "1.0", flags={"2.1": YANKED})
    assert get_ecosystem(PYPI).choose_version(">=1", project).version == "2.0"
    assert get_ecosystem(PYPI).choose_version("==2.1", project).version == "2.1"


def test_a_version_without_files_is_passed_over() -> None:
    assert get_ecosystem(PYPI).choose_version("", listing("2.0", "1.0", flags={"2.0": EMPTY})).version == "1.0"
    assert (
        get_ecosystem(PYPI).choose_version("", listing("2.0", flags={"2.0": EMPTY})).reason
        == "no version of demo can be installed"
    )


def test_pip_takes_the_newest_release_that_runs_on_this_python() -> None:
    interpreters = (">=3.12", ">=3.8,<3.11", "junk")
    project = listing("4.0", "3.0", "2.0", "1.0", interpreter_indexes=(0, 1, 2, -1), interpreters=interpreters)
    assert get_ecosystem(PYPI).choose_version("", project).version == "4.0"
    assert get_ecosystem(PYPI).choose_version("", project, interpreter="3.12.1").version == "4.0"
    assert get_ecosystem(PYPI).choose_version("", project, interpreter="3.9.2").version == "3.0"
    assert get_ecosystem(PYPI).choose_version("", project, interpreter="3.11.0").version == "2.0"
    assert get_ecosystem(PYPI).choose_version("<2", project, interpreter="3.7.0").version == "1.0"


def test_a_release_that_states_no_python_runs_on_any() -> None:
    assert (
        get_ecosystem(PYPI)
        .choose_version("", PackageInfo(name="demo", versions=("1.0",)), interpreter="2.7.18")
        .version
        == "1.0"
    )


def test_alternatives_are_tried_together() -> None:
    project = listing("4.0", "3.5", "2.0", "1.5")
    assert get_ecosystem(PYPI).choose_version(">=1,<2 || >=3,<4", project).version == "3.5"


def test_a_pin_is_found_under_the_registrys_spelling() -> None:
    assert get_ecosystem(PYPI).choose_version("==1.0", listing("2.0.0", "1.0.0")).version == "1.0.0"
    assert get_ecosystem(PYPI).choose_version("==1.0.RC1", listing("1.0rc1")).version == "1.0rc1"
    assert get_ecosystem(PYPI).choose_version("===1.0", listing("1.0.0")).version == "1.0.0"
    assert get_ecosystem(NPM).choose_version("v1.0.0+build", listing("1.0.0")).version == "1.0.0"


def test_a_pin_without_a_local_part_accepts_a_local_build() -> None:
    assert get_ecosystem(PYPI).choose_version("==2.0", listing("2.1+cpu", "2.0+cu2", "2.0+cu1")).version == "2.0+cu2"


def test_a_pin_that_is_not_listed_has_neighbours() -> None:
    project = listing("2.3", "2.2", "2.1", "2.0", "1.9", name="requests", flags={"2.0": YANKED})
    assert get_ecosystem(PYPI).choose_version("==2.1.5", project) == VersionChoice(
        None, ("2.2", "2.1", "1.9"), "no version 2.1.5 of requests exists", is_missing=True
    )
    assert get_ecosystem(PYPI).choose_version("==9", project).suggestions == ("2.3", "2.2", "2.1")
    assert get_ecosystem(PYPI).choose_version("==0.1", project).suggestions == ("2.2", "2.1", "1.9")
    assert get_ecosystem(PYPI).choose_version("==1.9.1", project).suggestions == ("2.2", "2.1", "1.9")
    assert get_ecosystem(PYPI).choose_version("===odd", project).suggestions == ("2.3", "2.2", "2.1")
    assert get_ecosystem(NPM).choose_version("1.0.1", listing("1.0.2-rc.1", "1.0.0")).suggestions == ("1.0.0",)


def test_a_range_that_nothing_satisfies_says_what_is_newest() -> None:
    project = listing("3.0rc1", "2.34.2", "2.34.1", flags={"3.0rc1": PRERELEASE})
    chosen = get_ecosystem(PYPI).choose_version(">=9", project)
    assert chosen == VersionChoice(
        None, ("2.34.2", "2.34.1"), "no version satisfies >=9; newest is 2.34.2", is_missing=True
    )
    assert (
        get_ecosystem(NPM).choose_version("^9.0.0", listing("2.0.0")).reason
        == "no version satisfies ^9.0.0; newest is 2.0.0"
    )


def test_neighbours_of_a_gap_stand_on_both_sides() -> None:
    assert get_ecosystem(PYPI).choose_version(">=1.5,<1.6", listing("3.0", "2.0", "1.4", "1.3", "1.2")).suggestions == (
        "2.0",
        "1.4",
        "1.3",
    )


def test_a_range_whose_versions_are_all_yanked_says_so() -> None:
    project = listing("2.1", "2.0", "1.0", flags={"2.1": YANKED, "2.0": YANKED})
    assert get_ecosystem(PYPI).choose_version(">=2", project) == VersionChoice(
        None, ("1.0",), "every version that satisfies >=2 is yanked"
    )


def test_a_range_out_of_reach_for_this_python_says_what_it_needs() -> None:
    project = listing("2.1", "2.0", "1.0", interpreter_indexes=(0, 0, 1), interpreters=(">=3.12", ">=3.8"))
    assert get_ecosystem(PYPI).choose_version(">=2", project, interpreter="3.10.4") == VersionChoice(
        None, ("1.0",), "2.1 satisfies >=2, but needs Python >=3.12"
    )


def test_a_yanked_release_does_not_open_the_door_to_its_pre_release() -> None:
    project = listing("2.0", "2.0rc1", "1.0", flags={"2.0": YANKED})
    assert get_ecosystem(PYPI).choose_version(">=2.0.dev0,!=2.0", project).version == "2.0rc1"
    project = listing("2.1", "2.1rc1", flags={"2.1": YANKED})
    assert get_ecosystem(PYPI).choose_version(">=2", project).reason == "only a pre-release satisfies >=2: 2.1rc1"


def test_a_package_without_versions_has_nothing_to_install() -> None:
    for ecosystem in ECOSYSTEMS:
        assert get_ecosystem(ecosystem).choose_version("", PackageInfo(name="demo")) == VersionChoice(
            None, (), "no version of demo can be installed"
        )


def test_what_is_no_range_is_called_so() -> None:
    project = listing("1.0.0")
    assert get_ecosystem(PYPI).choose_version("^1.0", project).reason == "^1.0 is not a version range"
    assert get_ecosystem(NPM).choose_version("not/a range", project).reason == "not/a range is not a version range"
    assert get_ecosystem(PYPI).choose_version(">" * 600, project).reason == ">" * 80 + "… is not a version range"


# --- The version in use: npm


def test_npm_prefers_the_latest_tag_to_a_newer_version() -> None:
    project = listing("2.1.0", "2.0.0", "1.0.0", tags={"latest": "2.0.0"})
    for requirement in ("", "*", "^2.0.0", ">=1", "latest"):
        assert get_ecosystem(NPM).choose_version(requirement, project).version == "2.0.0"


def test_npm_takes_the_newest_version_when_latest_does_not_satisfy() -> None:
    project = listing("3.1.0", "3.0.0", "2.0.0", tags={"latest": "2.0.0"})
    assert get_ecosystem(NPM).choose_version("^3.0.0", project).version == "3.1.0"


def test_npm_takes_any_version_when_latest_is_a_pre_release_and_anything_goes() -> None:
    project = listing("1.0.0-rc.1", tags={"latest": "1.0.0-rc.1"})
    assert get_ecosystem(NPM).choose_version("", project).version == "1.0.0-rc.1"
    assert get_ecosystem(NPM).choose_version("^1.0.0", project) == VersionChoice(
        None, (), "no version satisfies ^1.0.0; newest is 1.0.0-rc.1", is_missing=True
    )
    assert (
        get_ecosystem(NPM).choose_version("x", listing("1.0.0-rc.1")).reason
        == "only a pre-release satisfies x: 1.0.0-rc.1"
    )


def test_npm_avoids_deprecated_versions_while_there_is_another() -> None:
    project = listing("1.2.0", "1.1.0", "1.0.0", tags={"latest": "1.2.0"}, flags={"1.2.0": DEPRECATED})
    assert get_ecosystem(NPM).choose_version("^1.0.0", project).version == "1.1.0"
    assert get_ecosystem(NPM).choose_version("^1.2.0", project).version == "1.2.0"
    assert get_ecosystem(NPM).choose_version("latest", project).version == "1.2.0"


def test_a_dist_tag_is_a_requirement() -> None:
    project = listing("2.0.0-rc.1", "1.0.0", tags={"latest": "1.0.0", "next": "2.0.0-rc.1", "gone": "0.1.0"})
    assert get_ecosystem(NPM).choose_version("next", project).version == "2.0.0-rc.1"
    assert (
        get_ecosystem(NPM).choose_version("gone", project).reason
        == "the dist-tag gone of demo is 0.1.0, which is not listed"
    )
    assert (
        get_ecosystem(NPM).choose_version("beta", project).reason
        == "beta is not a version range, and demo has no such dist-tag"
    )


def test_latest_means_the_newest_where_a_mirror_drops_the_tags() -> None:
    assert get_ecosystem(NPM).choose_version("latest", listing("2.0.0-rc.1", "1.0.0")).version == "1.0.0"


@given(st.sets(npm_versions, max_size=12), npm_requirements)
def test_choosing_early_finds_the_newest_npm_version_that_satisfies(versions: set[str], requirement: str) -> None:
    ordered = get_ecosystem(NPM).sort_newest_first(versions)
    admitted = [version for version in ordered if get_ecosystem(NPM).satisfies(requirement, version)]
    chosen = get_ecosystem(NPM).choose_version(requirement, listing(*ordered)).version
    assert (chosen is None) == (not admitted)
    assert chosen is None or get_ecosystem(NPM).is_same_version(chosen, admitted[0])


# --- How far behind


def test_behind_counts_the_newer_final_releases_that_are_not_yanked() -> None:
    flags = {"4.0rc1": PRERELEASE, "3.0": YANKED, "2.5": EMPTY}
    project = listing("4.0rc1", "3.1", "3.0", "2.5", "2.0", "1.0", flags=flags)
    assert [count_newer(project, version) for version in ("4.0rc1", "3.1", "2.0", "1.0")] == [0, 0, 1, 2]


def test_how_far_behind_an_unlisted_version_is_nobody_knows() -> None:
    assert count_newer(listing("1.0"), "0.9") is None


def test_behind_counts_without_flags_too() -> None:
    assert count_newer(PackageInfo(name="demo", versions=("2.0", "1.0")), "1.0") == 1
