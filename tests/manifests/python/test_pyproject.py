from __future__ import annotations

import time
import warnings
from pathlib import PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerq_cli.ecosystems import PYPI
from nerq_cli.inventory import DependencyFile, Include
from nerq_cli.manifests.python import pyproject
from nerq_cli.manifests.python.declarations import MAX_DEPENDENCIES
from nerq_cli.manifests.python.pyproject import matches, read


def items(manifest: DependencyFile) -> list[tuple[str, str, str, int]]:
    """Name, requirement, group and line of everything declared."""
    return [(d.name, d.requirement, d.group, d.location.line) for d in manifest.declarations]


def groups(manifest: DependencyFile) -> list[tuple[str, str]]:
    return [(d.name, d.group) for d in manifest.declarations]


def complaints(manifest: DependencyFile) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in manifest.problems]


def test_it_wants_files_called_pyproject_toml() -> None:
    assert matches(PurePosixPath("a/pyproject.toml"))
    assert not matches(PurePosixPath("pyproject.toml/x"))
    assert not matches(PurePosixPath("poetry.toml"))


def test_an_empty_file_declares_nothing() -> None:
    assert read("", "a/pyproject.toml") == DependencyFile(path="a/pyproject.toml", format=pyproject.NAME)


# --- The standard's tables


STANDARD = """\
[build-system]
requires = ["hatchling>=1.27"]

[project]
name = "My.App"
dependencies = [
  "requests[socks]>=2.31, <3; python_version >= '3.9'",  # the usual
  'Flask (~=3.0)',
]

[project.optional-dependencies]
socks = ["PySocks>=1.5"]
Every_Thing = [
  "my_app[socks]",
  "httpx",
]
"""


@pytest.mark.parametrize("text", [STANDARD, STANDARD.replace("\n", "\r\n"), "\ufeff" + STANDARD])
def test_dependencies_extras_and_build_requirements_stand_on_their_lines(text: str) -> None:
    manifest = read(text, "pyproject.toml")
    assert items(manifest) == [
        ("requests", ">=2.31, <3", "main", 7),
        ("Flask", "~=3.0", "main", 8),
        ("PySocks", ">=1.5", "extra:socks", 12),
        ("httpx", "", "extra:every-thing", 15),
        ("hatchling", ">=1.27", "build", 2),
    ]
    first = manifest.declarations[0]
    assert (first.ecosystem, first.extras, first.marker) == (PYPI, ("socks",), "python_version >= '3.9'")
    assert (manifest.local_names, manifest.problems, manifest.notes) == (("my-app",), (), ())


def test_addresses_in_dependencies_are_skipped_without_their_secrets() -> None:
    manifest = read(
        """
        project.dependencies = [
          "a @ git+https://me:t0k@h.example/a.git@v1#egg=a",
          "b @ https://h.example/b.whl?sig=1 ; os_name == 'nt'",
          "c @ file:///srv/c",
        ]
        """,
        "pyproject.toml",
    )
    assert [(d.name, d.skip_reason, d.requirement) for d in manifest.declarations] == [
        ("a", "git: https://h.example/a.git @ v1", ""),
        ("b", "URL: https://h.example/b.whl", ""),
        ("c", "local file", ""),
    ]
    assert manifest.local_names == ("c",)


def test_a_group_includes_others_and_their_items_count_for_both() -> None:
    manifest = read(
        """
        [dependency-groups]
        dev = [{include-group = "Test_All"}, "ruff==0.17"]
        test-all = [
          "pytest",
          {include-group = "types"},
        ]
        Types = ["mypy"]
        """,
        "pyproject.toml",
    )
    assert items(manifest) == [
        ("ruff", "==0.17", "dev", 3),
        ("pytest", "", "dev", 5),
        ("mypy", "", "dev", 8),
        ("pytest", "", "dev:test-all", 5),
        ("mypy", "", "dev:test-all", 8),
        ("mypy", "", "dev:types", 8),
    ]
    assert manifest.problems == ()


def test_a_cycle_of_groups_is_reported_at_every_include_on_it_and_the_groups_are_read() -> None:
    manifest = read(
        """
        [dependency-groups]
        a = ["x", {include-group = "b"}]
        b = ["y", {include-group = "A"}]
        self = ["z", {include-group = "self"}]
        outside = [{include-group = "a"}]
        """,
        "p",
    )
    assert complaints(manifest) == [
        (3, 'group "a" is itself part of "b"'),
        (4, 'group "b" is itself part of "a"'),
        (5, 'group "self" is itself part of "self"'),
    ]
    assert groups(manifest) == [
        ("x", "dev:a"),
        ("y", "dev:a"),
        ("y", "dev:b"),
        ("x", "dev:b"),
        ("z", "dev:self"),
        ("x", "dev:outside"),
        ("y", "dev:outside"),
    ]


def test_a_missing_group_is_reported_with_the_groups_there_are() -> None:
    manifest = read('[dependency-groups]\na = ["x",\n {include-group = "no"}]', "p")
    [problem] = manifest.problems
    assert (problem.line, problem.message, problem.hint) == (3, 'there is no group "no"', 'the groups here: "a"')
    assert groups(manifest) == [("x", "dev:a")]


def test_groups_that_differ_only_in_spelling_are_reported_and_both_read() -> None:
    manifest = read('[dependency-groups]\na-b = ["x"]\nA_B = ["y"]', "p")
    assert [line for line, _ in complaints(manifest)] == [3]
    assert groups(manifest) == [("x", "dev:a-b"), ("y", "dev:a-b")]


def test_a_self_reference_in_a_group_is_no_dependency() -> None:
    assert groups(read('[project]\nname = "a.b"\n[dependency-groups]\ndev = ["A-B[x]", "c"]', "p")) == [("c", "dev")]


def test_the_including_file_may_say_what_main_belongs_to() -> None:
    text = """
    [project]
    dependencies = ["a"]
    optional-dependencies.b = ["c"]
    [tool.setuptools.dynamic]
    dependencies = {file = "r.txt"}
    """
    manifest = read(text, "p", group="dev:docs", constraint=True)
    assert groups(manifest) == [("a", "dev:docs"), ("c", "extra:b")]
    assert [include.group for include in manifest.includes] == ["dev:docs"]
    assert manifest.constraint


def test_a_pyproject_read_as_a_constraints_file_declares_constraints() -> None:
    manifest = read('[project]\ndependencies = ["a"]', "p", constraint=True)
    assert groups(manifest) == [("a", "constraint")]


# --- Dynamic dependencies


def test_setuptools_files_are_includes_with_their_group() -> None:
    manifest = read(
        """
        [project]
        dynamic = ["dependencies", "optional-dependencies", "version"]
        [tool.setuptools.dynamic]
        version = {attr = "x.y"}
        dependencies = {file = ["a.txt",
          "b.txt"]}
        optional-dependencies.Dev_X = {file = "c.txt"}
        """,
        "p",
    )
    assert manifest.includes == (
        Include(pattern="a.txt", line=6, format="requirements", group="main"),
        Include(pattern="b.txt", line=7, format="requirements", group="main"),
        Include(pattern="c.txt", line=8, format="requirements", group="extra:dev-x"),
    )
    assert (manifest.notes, manifest.problems) == ((), ())


def test_files_of_the_hatch_plugin_are_includes_too() -> None:
    manifest = read(
        """
        [project]
        dynamic = ["dependencies", "optional-dependencies"]
        [tool.hatch.metadata.hooks.requirements_txt]
        filename = "a.txt"
        files = ["b.txt"]
        [tool.hatch.metadata.hooks.requirements_txt.optional-dependencies]
        x = ["c.txt"]
        """,
        "p",
    )
    assert [(i.pattern, i.group) for i in manifest.includes] == [
        ("a.txt", "main"),
        ("b.txt", "main"),
        ("c.txt", "extra:x"),
    ]
    assert manifest.notes == ()


@pytest.mark.parametrize(
    "rest", ["", "[tool.hatch.metadata.hooks.custom]", "[tool.setuptools.dynamic]\nversion.attr = 'v'"]
)
def test_what_else_is_dynamic_is_noted(rest: str) -> None:
    manifest = read(f'[project]\ndynamic = ["version", "dependencies", "optional-dependencies"]\n{rest}', "p")
    assert manifest.notes == (
        "dependencies are dynamic: not listed here",
        "optional-dependencies are dynamic: not listed here",
    )


def test_dependencies_that_poetry_fills_in_are_listed() -> None:
    manifest = read('[project]\ndynamic = ["dependencies"]\n[tool.poetry.dependencies]\na = "^1"', "p")
    assert (groups(manifest), manifest.notes) == ([("a", "main")], ())


# --- PDM


def test_pdm_development_groups_may_be_editable() -> None:
    manifest = read(
        """
        [tool.pdm.dev-dependencies]
        dev = ["a>1"]
        Test_It = [
          "pytest",
          "-e git+https://h.example/b.git@v1#egg=b",
          "--editable file:///${PROJECT_ROOT}/c#egg=c",
          "-e ./nameless",
        ]
        """,
        "p",
    )
    assert [(d.name, d.group, d.skip_reason, d.location.line) for d in manifest.declarations] == [
        ("a", "dev", "", 3),
        ("pytest", "dev:test-it", "", 5),
        ("b", "dev:test-it", "git: https://h.example/b.git @ v1", 6),
        ("c", "dev:test-it", "local path", 7),
    ]
    assert (manifest.local_names, manifest.problems) == (("c",), ())


def test_pdm_sources_replace_or_add_to_the_public_index_or_serve_what_they_are_bound_to() -> None:
    manifest = read(
        """
        [project]
        dependencies = ["acme-core", "other"]
        [[tool.pdm.source]]
        name = "pypi"
        url = "https://u:p@mirror.example/simple"
        [[tool.pdm.source]]
        name = "more"
        url = "https://more.example/simple"
        [[tool.pdm.source]]
        name = "known-elsewhere"
        [[tool.pdm.source]]
        name = "acme"
        url = "https://acme.example/simple"
        include_packages = ["Acme.*"]
        """,
        "p",
    )
    assert [(d.name, d.index, d.extra_indexes) for d in manifest.declarations] == [
        ("acme-core", "https://acme.example/simple", ()),
        ("other", "https://mirror.example/simple", ("https://more.example/simple", "known-elsewhere")),
    ]


def test_a_pdm_source_called_pypi_without_an_address_is_the_public_index() -> None:
    manifest = read('project.dependencies = ["a"]\n[[tool.pdm.source]]\nname = "pypi"', "p")
    assert [(d.index, d.extra_indexes) for d in manifest.declarations] == [("", ())]


# --- Hatch


def test_hatch_environments_are_development_groups() -> None:
    manifest = read(
        """
        [tool.hatch.envs.default]
        dependencies = ["pytest", "beside @ {root:uri}/../beside"]
        [tool.hatch.envs.lint]
        detached = true
        extra-dependencies = [
          "ruff>=1",
          "django=={matrix:django}",
          "{env:MORE}",
        ]
        """,
        "p",
    )
    assert [(d.name, d.group, d.skip_reason) for d in manifest.declarations] == [
        ("pytest", "dev:hatch.default", ""),
        ("beside", "dev:hatch.default", "local path"),
        ("ruff", "dev:hatch.lint", ""),
    ]
    assert manifest.notes == (
        "tool.hatch.envs.lint.extra-dependencies: dependencies with placeholders are not listed here",
    )
    assert manifest.problems == ()


def test_what_hatch_does_not_fill_in_must_be_a_dependency() -> None:
    assert len(read('[tool.hatch.envs.a]\ndependencies = ["b^1"]', "p").problems) == 1


# --- uv


def test_uv_development_dependencies_and_constraints() -> None:
    manifest = read(
        """
        [tool.uv]
        dev-dependencies = ["a>1"]
        constraint-dependencies = ["b<2"]
        build-constraint-dependencies = ["c<3"]
        override-dependencies = ["d==4"]
        """,
        "p",
    )
    assert [(name, group) for name, _, group, _ in items(manifest)] == [
        ("a", "dev"),
        ("b", "constraint"),
        ("c", "constraint"),
        ("d", "constraint"),
    ]


UV = """
[project]
dependencies = ["a>=1", "b", "c", "d", "e", "f", "g", "h"]
[dependency-groups]
test = ["c"]
[tool.uv.sources]
a = {git = "https://t0k@h.example/a.git", tag = "v1"}
b = {workspace = true}
C = {index = "corp", group = "test"}
d = [
  {index = "corp", marker = "sys_platform == 'linux'"},
  {url = "https://h.example/d.whl", marker = "sys_platform != 'linux'"},
]
e = {path = "../e"}
f = {index = "unheard-of"}
g = {git = "https://h.example/g.git"}
[[tool.uv.index]]
name = "corp"
url = "https://u:p@corp.example/simple"
explicit = true
"""


def test_uv_sources_say_where_single_packages_come_from() -> None:
    manifest = read(UV, "p")
    assert [(d.name, d.group, d.index, d.skip_reason, d.marker) for d in manifest.declarations] == [
        ("a", "main", "", "git: https://h.example/a.git @ v1", ""),
        ("b", "main", "", "workspace member", ""),
        ("c", "main", "", "", ""),
        ("d", "main", "https://corp.example/simple", "", "sys_platform == 'linux'"),
        ("d", "main", "", "URL: https://h.example/d.whl", "sys_platform != 'linux'"),
        ("e", "main", "", "local path", ""),
        ("f", "main", "", "index unheard-of, not defined in this file", ""),
        ("g", "main", "", "git: https://h.example/g.git", ""),
        ("h", "main", "", "", ""),
        ("c", "dev:test", "https://corp.example/simple", "", ""),
    ]
    assert manifest.local_names == ("b", "e")
    assert manifest.problems == ()


def test_a_uv_source_may_be_limited_to_an_extra() -> None:
    manifest = read(
        """
        [project.optional-dependencies]
        cpu = ["torch"]
        gpu = ["torch"]
        [tool.uv.sources]
        torch = [{index = "cpu", extra = "CPU"}, {index = "gpu", extra = "gpu"}]
        [[tool.uv.index]]
        name = "cpu"
        url = "https://cpu.example"
        explicit = true
        [[tool.uv.index]]
        name = "gpu"
        url = "https://gpu.example"
        explicit = true
        """,
        "p",
    )
    assert [(d.group, d.index) for d in manifest.declarations] == [
        ("extra:cpu", "https://cpu.example"),
        ("extra:gpu", "https://gpu.example"),
    ]


def test_a_workspace_member_is_local_even_where_nothing_depends_on_it() -> None:
    assert read("[tool.uv.sources]\nMy_Part = {workspace = true}", "p").local_names == ("my-part",)


@pytest.mark.parametrize(
    ("text", "index", "extra"),
    [
        ('index-url = "https://a.example"', "https://a.example", ()),
        ('extra-index-url = ["https://u:p@a.example"]', "", ("https://a.example",)),
        ('[[tool.uv.index]]\nurl = "https://a.example"', "", ("https://a.example",)),
        ('[[tool.uv.index]]\nurl = "https://a.example"\ndefault = true', "https://a.example", ()),
        ('[[tool.uv.index]]\nname = "x"\nurl = "https://a.example"\nexplicit = true', "", ()),
        (
            'index-url = "https://b.example"\n[[tool.uv.index]]\nurl = "https://a.example"\ndefault = true',
            "https://a.example",
            (),
        ),
    ],
)
def test_uv_indexes_are_the_default_or_further_ones(text: str, index: str, extra: tuple[str, ...]) -> None:
    manifest = read(f'[build-system]\nrequires = ["a"]\n[tool.uv]\n{text}', "p")
    assert [(d.index, d.extra_indexes) for d in manifest.declarations] == [(index, extra)]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[tool.uv.sources]\na = {}", 2, "tool.uv.sources.a has no source"),
        ("[tool.uv.sources]\na = 'x'", 2, "tool.uv.sources.a must be a table, here it is a string"),
        ("[tool.uv.sources]\na.path = 'x'\na.marker = 'y'", 3, "not an environment marker: expected a marker"),
        ("[[tool.uv.index]]\nname = 'x'", 1, "an index needs a url"),
        ("[tool.uv]\nindex = {}", 2, "tool.uv.index must be an array of tables, here it is a table"),
        ("[tool.uv.sources]\na = [" + "{path=1}," * 51 + "]", 2, "more than 50 sources"),
        ("[[tool.pdm.source]]\ninclude_packages = [" + "'a'," * 51 + "]", 1, "more than 50 patterns"),
    ],
)
def test_a_malformed_source_is_a_problem_at_its_line(text: str, line: int, message: str) -> None:
    manifest = read('project.dependencies = ["a"]\n' + text, "p")
    assert any(at == line + 1 and message in said for at, said in complaints(manifest))


def test_a_package_whose_source_cannot_be_read_is_not_taken_for_public() -> None:
    [found] = read('project.dependencies = ["a"]\n[tool.uv.sources]\na = {}', "p").declarations
    assert found.skip_reason == "an unknown source"


# --- Flit


def test_flits_old_tables() -> None:
    manifest = read(
        """
        [tool.flit.metadata]
        module = "My_Mod"
        requires = ["a>=1"]
        dev-requires = ["b"]
        [tool.flit.metadata.requires-extra]
        test = ["pytest"]
        ".none" = ["c"]
        doc = ["sphinx", "my-mod[test]"]
        """,
        "p",
    )
    assert groups(manifest) == [
        ("a", "main"),
        ("pytest", "extra:test"),
        ("c", "main"),
        ("sphinx", "extra:doc"),
        ("b", "dev"),
    ]
    assert manifest.local_names == ("my-mod",)


def test_flits_distribution_name_is_the_projects_name() -> None:
    assert read('[tool.flit.metadata]\nmodule = "a"\ndist-name = "b"', "p").local_names == ("b",)


# --- What is wrong


def test_everything_wrong_is_reported_at_once_and_the_rest_is_read() -> None:
    manifest = read(
        """\
[project]
name = 5
dependencies = {a = "1"}
optional-dependencies.x = ["fine", "b^2", 7]
dynamic = "dependencies"
[build-system]
requires = "setuptools"
[dependency-groups]
dev = [5, {a = 1}, {include-group = 5}, "ruff"]
odd = "x"
[tool]
poetry = []
pdm = {dev-dependencies = 1}
hatch = {envs = {a = {dependencies = "x"}}}
setuptools = {dynamic = {dependencies = "a.txt"}}
""",
        "p",
    )
    assert groups(manifest) == [("fine", "extra:x"), ("ruff", "dev")]
    assert [(line, message.split(": expected")[0]) for line, message in complaints(manifest)] == [
        (2, "project.name must be a string, here it is an integer"),
        (3, "project.dependencies must be an array of strings, here it is a table"),
        (4, '"b" is not a dependency specifier'),
        (4, "an item of project.optional-dependencies.x must be a string, here it is an integer"),
        (5, "project.dynamic must be an array of strings, here it is a string"),
        (7, "build-system.requires must be an array of strings, here it is a string"),
        (9, "an item of dependency-groups.dev must be a string or an include-group table, here it is an integer"),
        (9, "a table in a group must be an include"),
        (9, "a table in a group must be an include"),
        (10, "dependency-groups.odd must be an array of strings and include-group tables, here it is a string"),
        (12, "tool.poetry must be a table, here it is an array"),
        (13, "tool.pdm.dev-dependencies must be a table, here it is an integer"),
        (14, "tool.hatch.envs.a.dependencies must be an array of strings, here it is a string"),
        (15, "tool.setuptools.dynamic.dependencies must be a table, here it is a string"),
    ]


def test_a_problem_in_a_string_has_its_column_and_a_hint() -> None:
    [problem] = read('[project]\ndependencies = ["ok", "requests^2"]', "a/pyproject.toml").problems
    assert (problem.path, problem.line, problem.column) == ("a/pyproject.toml", 2, 32)
    assert problem.text == 'dependencies = ["…'
    assert ">=1.2,<2" in problem.hint


def test_text_that_is_no_toml_is_one_problem_with_its_place() -> None:
    [problem] = read("[project]\nname = app", "p").problems
    assert (problem.line, problem.column, problem.text) == (2, 8, "name = …")


def test_a_tool_that_is_no_table_is_one_problem() -> None:
    assert complaints(read("tool = 1\n[project]\n", "p")) == [(1, "tool must be a table, here it is an integer")]


# --- Files made to take long


def chain(length: int, *, last: str) -> str:
    links = (f'g{n} = ["x", {{include-group = "g{n + 1}"}}]' for n in range(length))
    return "\n".join(["[dependency-groups]", *links, f"g{length} = [{last}]"])


HOSTILE = {
    "nested groups": chain(8_000, last="'x'"),
    "a circle of groups": chain(8_000, last='{include-group = "g0"}'),
    "empty groups": chain(8_000, last="").replace('"x", ', ""),
    "many items": "project.dependencies = [" + "'a'," * 60_000 + "]",
    "many mistakes": "project.dependencies = [" + "'^'," * 100_000 + "]",
    "one long string": "project.dependencies = ['" + "a" * 1_000_000 + "']",
    "a deep marker": "project.dependencies = ['a;" + "(" * 3_990 + "']",
    "sources times items": "project.dependencies = ["
    + "'a'," * 50_000
    + "]\ntool.uv.sources.a = ["
    + "{path='b'}," * 50
    + "]",
    "extras times constraints": "[tool.poetry]\ndependencies.a = ["
    + "{optional = true}," * 2_000
    + "]\n[tool.poetry.extras]\n"
    + "\n".join(f"e{n} = ['a']" for n in range(2_000)),
    "spaces in a constraint": "tool.poetry.dependencies.a = '1" + " " * 3_900 + "1'",
    "long names of groups": "[dependency-groups]\n" + "k" * 300_000 + " = [" + "1," * 50_000 + "'a'," * 50_000 + "]",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_read_in_seconds(text: str) -> None:
    start = time.process_time()
    manifest = read(text, "p")
    assert time.process_time() - start < 10
    assert len(manifest.declarations) <= MAX_DEPENDENCIES
    assert sum(len(problem.message) + len(problem.text) for problem in manifest.problems) < 1_000_000


def test_more_dependencies_than_anybody_has_are_cut_off_and_that_is_said() -> None:
    manifest = read(HOSTILE["many items"], "p")
    assert len(manifest.declarations) == MAX_DEPENDENCIES
    assert complaints(manifest) == [(0, "more than 50,000 dependencies: the rest is not read")]


def test_includes_are_followed_only_so_far() -> None:
    assert "the rest is not read" in read(HOSTILE["empty groups"], "p").problems[0].message


def test_a_thousand_dependencies_take_milliseconds() -> None:
    text = "project.dependencies = [\n" + "".join(f'  "package-{n}>=1.{n},<2",\n' for n in range(1_000)) + "]"
    read(text, "p")
    start = time.process_time()
    assert len(read(text, "p").declarations) == 1_000
    assert time.process_time() - start < 0.5  # measured: 0.03 s; the rest is room for a busy machine


# --- Laws

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,6}([._-][a-z0-9]{1,4})?", fullmatch=True)
SPECIFIERS = st.builds(
    "{}{}{}".format,
    NAMES,
    st.sampled_from(["", ">=1", "==2.0", " >= 1, < 2", "~=1.4"]),
    st.sampled_from(["", "; os_name == 'nt'", " ; python_version < '3.9'"]),
)
QUOTES = st.sampled_from(['"{}"', '"""{}"""', '"""\n{}"""', "'''{}'''"])
LAYOUTS = st.sampled_from(["", " ", "\n  ", "\n\n  # \"a\", ']'\n  "])
CONSTRAINTS = st.sampled_from(['"^1.2"', "'*'", '{version = "~1"}', '{ git = "https://h.example/x" , tag = "v" }'])


@st.composite
def arrays(draw: st.DrawFn, *more: str) -> tuple[str, int]:
    """An array of specifiers in any layout, and how many there are."""
    written = [draw(QUOTES).format(specifier) for specifier in draw(st.lists(SPECIFIERS, max_size=4))]
    gap = draw(LAYOUTS)
    return f"[{gap}{f',{gap}'.join((*written, *more))}{gap}]", len(written)


@st.composite
def poetry_tables(draw: st.DrawFn) -> tuple[str, int]:
    """Poetry's table of dependencies, each written in one of the ways there are, and how many there are."""
    packages = [name for name in draw(st.lists(NAMES, max_size=4, unique=True)) if name.lower() != "python"]
    inline = [f'"{name}" = {draw(CONSTRAINTS)}' for name in packages]
    dotted = [f'dev-dependencies."{name}".version = "1"' for name in packages]
    apart = [f'[tool.poetry.group.x.dependencies."{name}"]\nversion = "1"' for name in packages]
    return "\n".join(["[tool.poetry]", *dotted, "[tool.poetry.dependencies]", *inline, *apart]), 3 * len(packages)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, int]:
    """A pyproject.toml with dependencies wherever they can be, and how many items that makes."""
    main, of_main = draw(arrays())
    test, of_test = draw(arrays())
    dev, of_dev = draw(arrays('{ include-group = "Test" }'))
    build, of_build = draw(arrays())
    poetry, of_poetry = draw(poetry_tables())
    project = draw(st.sampled_from(["[project]\ndependencies = %s", "[project.optional-dependencies]\n'x' = %s"]))
    tables = [
        project % main,
        f"[dependency-groups]\ntest = {test}\n'dev' = {dev}",
        f"[build-system]\nrequires = {build}",
    ]
    text = "\n".join(draw(st.permutations([*tables, poetry])))
    return text.replace(
        "\n", draw(st.sampled_from(["\n", "\r\n"]))
    ), of_main + 2 * of_test + of_dev + of_build + of_poetry


@given(files())
@patient
def test_every_item_stands_on_a_line_that_has_its_name(file: tuple[str, int]) -> None:
    text, count = file
    manifest = read(text, "pyproject.toml")
    lines = text.split("\n")
    assert manifest.problems == ()
    assert len(manifest.declarations) <= count  # fewer where Poetry's table and the project's have a name in common
    assert all(item.name in lines[item.location.line - 1] for item in manifest.declarations)


def check(text: str) -> None:
    """Read the text: nothing is raised, no warning is given, and every place is one in the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        manifest = read(text, "pyproject.toml")
    lines = text.count("\n") + 1
    assert all(1 <= item.location.line <= lines and item.name for item in manifest.declarations)
    assert all(0 <= problem.line <= lines and problem.message for problem in manifest.problems)


VALUES = st.sampled_from(
    [
        "1",
        "'x'",
        "[]",
        "{}",
        "true",
        "[[1]]",
        "{a = 1}",
        "'a>=1'",
        "['a', 1]",
        '"\\u0000"',
        "2024-01-01",
        "[{}]",
        "'^1'",
    ]
)
PATHS = st.sampled_from(
    [
        "project",
        "project.name",
        "project.dependencies",
        "project.optional-dependencies",
        "project.optional-dependencies.x",
        "project.dynamic",
        "build-system",
        "build-system.requires",
        "dependency-groups",
        "dependency-groups.dev",
        "tool",
        "tool.poetry",
        "tool.poetry.name",
        "tool.poetry.source",
        "tool.poetry.extras",
        "tool.poetry.extras.x",
        "tool.poetry.dependencies",
        "tool.poetry.dependencies.a",
        "tool.poetry.dependencies.a.version",
        "tool.poetry.dependencies.a.markers",
        "tool.poetry.dependencies.a.python",
        "tool.poetry.dependencies.a.source",
        "tool.poetry.dependencies.a.git",
        "tool.poetry.group",
        "tool.poetry.group.x",
        "tool.poetry.group.x.include-groups",
        "tool.poetry.dev-dependencies",
        "tool.pdm",
        "tool.pdm.source",
        "tool.pdm.dev-dependencies",
        "tool.pdm.dev-dependencies.x",
        "tool.hatch.envs",
        "tool.hatch.envs.x.dependencies",
        "tool.hatch.metadata.hooks.requirements_txt",
        "tool.uv",
        "tool.uv.sources",
        "tool.uv.sources.a",
        "tool.uv.sources.a.index",
        "tool.uv.index",
        "tool.uv.index-url",
        "tool.uv.extra-index-url",
        "tool.uv.constraint-dependencies",
        "tool.flit.metadata",
        "tool.flit.metadata.module",
        "tool.flit.metadata.requires-extra",
        "tool.setuptools.dynamic",
        "tool.setuptools.dynamic.dependencies.file",
        "tool.setuptools.dynamic.optional-dependencies",
    ]
)
DAMAGE = st.tuples(
    st.floats(0, 1), st.floats(0, 0.1), VALUES | st.sampled_from(["", "\n", "=", "]", '"', "#"]) | st.text(max_size=5)
)


@given(st.text())
@patient
def test_any_text_gives_a_manifest(text: str) -> None:
    check(text)


@given(st.sampled_from([STANDARD, UV]) | files().map(lambda file: file[0]), st.lists(DAMAGE, max_size=4))
@patient
def test_a_damaged_file_gives_a_manifest(text: str, damages: list[tuple[float, float, str]]) -> None:
    for where, length, instead in damages:
        start = int(where * len(text))
        text = text[:start] + instead + text[start + int(length * len(text)) :]
    check(text)


@given(st.dictionaries(PATHS, VALUES | st.text().map(repr), max_size=6))
@patient
def test_any_value_in_any_place_gives_a_manifest(values: dict[str, str]) -> None:
    check("\n".join(f"{path} = {value}" for path, value in values.items()))


def test_the_tables_of_rye_are_read() -> None:
    manifest = read(
        """
        [project]
        dependencies = ["a"]
        [tool.rye]
        dev-dependencies = ["pytest>=8"]
        [[tool.rye.sources]]
        name = "default"
        url = "https://u:p@corp.example/simple"
        [[tool.rye.sources]]
        name = "more"
        url = "https://more.example/simple"
        [[tool.rye.sources]]
        name = "none"
        """,
        "pyproject.toml",
    )
    assert [(d.name, d.requirement, d.group) for d in manifest.declarations] == [
        ("a", "", "main"),
        ("pytest", ">=8", "dev"),
    ]
    assert {(d.index, d.extra_indexes) for d in manifest.declarations} == {
        ("https://corp.example/simple", ("https://more.example/simple",))
    }
    assert [problem.message for problem in manifest.problems] == ["a source needs a url"]


def test_the_names_that_uv_and_pdm_override_are_known() -> None:
    text = '[tool.uv]\noverride-dependencies = ["A_b>=2", "c ; sys_platform == \'never\'", "?"]\n'
    assert read(text, "pyproject.toml").overridden_names == ("a-b", "c")
    assert read('[tool.pdm.resolution.overrides]\nD = "2"\n', "pyproject.toml").overridden_names == ("d",)
