from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from nerq_cli.inventory import Declaration, DependencyFile
from nerq_cli.manifests.python.poetry import translate_constraint
from nerq_cli.manifests.python.pyproject import read


def poetry(text: str) -> DependencyFile:
    return read(f"[tool.poetry]\nname = 'app'\n{text}", "pyproject.toml")


def one(text: str) -> Declaration:
    manifest = poetry(f"[tool.poetry.dependencies]\n{text}")
    assert manifest.problems == ()
    [found] = manifest.declarations
    return found


@pytest.mark.parametrize(
    ("constraint", "translated"),
    [
        ("^1.2.3", ">=1.2.3,<2.0.0"),
        ("^1.2", ">=1.2,<2.0"),
        ("^1", ">=1,<2"),
        ("^0.2.3", ">=0.2.3,<0.3.0"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0.0", ">=0.0,<0.1"),
        ("^0", ">=0,<1"),
        ("^ 1.2.3a1", ">=1.2.3a1,<2.0.0"),
        ("^1!2.3", ">=1!2.3,<1!3.0"),
        ("^1.2+cpu", ">=1.2,<2.0"),
        ("~1.2.3", ">=1.2.3,<1.3.0"),
        ("~1.2", ">=1.2,<1.3"),
        ("~1", ">=1,<2"),
        ("~=1.2", "~=1.2"),
        ("~=1", ">=1,<2"),
        ("1.2.3", "==1.2.3"),
        ("v1.2.3", "==1.2.3"),
        ("=1.2", "==1.2"),
        ("===1.2", "===1.2"),
        ("1.2+local.1", "==1.2+local.1"),
        ("1.2.*", "==1.2.*"),
        ("1.x", "==1.*"),
        ("!=1.2.*", "!=1.2.*"),
        ("<>1.2", "!=1.2"),
        (">=3.6.*", ">=3.6"),
        ("*", ""),
        ("x.x", ""),
        ("", ""),
        (" >= 1.2 , < 2 ", ">=1.2,<2"),
        (">=1.2 <2,", ">=1.2,<2"),
        ("^1.2 || ^2.0", ">=1.2,<2.0 || >=2.0,<3.0"),
        ("1.2|2.*", "==1.2 || ==2.*"),
        ("^1 || *", ""),
    ],
)
def test_a_constraint_is_translated_to_pep_440(constraint: str, translated: str) -> None:
    assert translate_constraint(constraint) == translated


@pytest.mark.parametrize(
    "constraint", ["latest", "^", "^1.2 ||", ">=1.2,,<2", "1.2 - 1.4", ">>1", "1.*.2", "^x1", "9" * 5_000, "@1", "1;2"]
)
def test_what_is_no_constraint_is_refused(constraint: str) -> None:
    with pytest.raises(ValueError, match=r"constraint|version"):
        translate_constraint(constraint)


numbers = st.lists(st.integers(0, 12), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
versions = st.builds("{}{}".format, numbers, st.sampled_from(["", "", "a1", "-beta.2", ".post1", ".dev3", "+l.1"]))
operators = st.sampled_from(["^", "~", "", "=", "==", "!=", "<>", ">=", "<", ">", "<="])
clauses = st.builds("{}{}".format, operators, versions) | st.builds(
    "{}{}.*".format, st.sampled_from(["", "==", "!=", ">="]), numbers
)
constraints = st.lists(st.lists(clauses, min_size=1, max_size=3).map(", ".join), min_size=1, max_size=3).map(
    " || ".join
)


@given(constraints)
@settings(deadline=None)
def test_every_translation_is_pep_440(constraint: str) -> None:
    for alternative in translate_constraint(constraint).split(" || "):
        SpecifierSet(alternative)


@given(numbers, numbers, st.sampled_from("^~"))
@settings(deadline=None)
def test_a_range_goes_from_its_lower_end_as_far_as_the_numbers_that_count_stay_the_same(
    start: str, other: str, operator: str
) -> None:
    lower, version = Version(start), Version(other)
    first_that_counts = next((i for i, number in enumerate(lower.release) if number), len(lower.release) - 1)
    kept = 1 + (first_that_counts if operator == "^" else min(1, len(lower.release) - 1))
    same = (*version.release, 0, 0, 0, 0)[:kept] == lower.release[:kept]
    assert SpecifierSet(translate_constraint(operator + start)).contains(other) == (version >= lower and same)


@given(st.text() | st.text(alphabet="^~<>=!|,. *x1230ab@"))
@settings(deadline=None)
def test_any_text_is_translated_or_refused(constraint: str) -> None:
    try:
        translated = translate_constraint(constraint)
    except ValueError:
        return
    assert "^" not in translated


def test_python_is_no_dependency_and_main_is_the_group() -> None:
    found = one('python = "^3.9"\nRequests = "^2"')
    assert (found.name, found.requirement, found.group, found.location.line) == ("Requests", ">=2,<3", "main", 5)


@pytest.mark.parametrize(
    "text",
    [
        'a = {version = "^1.2", extras = ["y", "x"]}',
        'a.version = "^1.2"\na.extras = ["x", "y"]',
        '[tool.poetry.dependencies.a]\nversion = "^1.2"\nextras = ["x", "y"]',
    ],
)
def test_a_table_says_the_same_however_it_is_written(text: str) -> None:
    found = one(text)
    assert (found.name, found.requirement, found.extras) == ("a", ">=1.2,<2.0", ("x", "y"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('git = "https://t0k@h.example/a.git", branch = "main"', "git: https://h.example/a.git @ main"),
        ('git = "https://h.example/a.git", tag = "v1"', "git: https://h.example/a.git @ v1"),
        ('git = "git@h.example:o/a.git", rev = "1a2b", branch = "b"', "git: h.example:o/a.git @ 1a2b"),
        ('git = "https://h.example/a.git"', "git: https://h.example/a.git"),
        ('path = "../a", develop = true', "local path"),
        ('file = "a.whl"', "local archive"),
        ('url = "https://me:pw@h.example/a.whl"', "URL: https://h.example/a.whl"),
        ('version = "1", source = "elsewhere"', "index elsewhere, not defined in this file"),
    ],
)
def test_what_comes_from_no_known_index_is_skipped_with_the_reason(text: str, reason: str) -> None:
    found = one(f"a = {{{text}}}")
    assert (found.skip_reason, found.requirement, found.index) == (reason, "", "")


def test_a_package_beside_the_project_is_the_projects_own() -> None:
    assert poetry("[tool.poetry.dependencies]\nMy_Lib = {path = '../lib'}").local_names == ("app", "my-lib")


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ('python = "^3.9"', 'python_version >= "3.9" and python_version < "4.0"'),
        ('python = "3.9.*"', 'python_version == "3.9.*"'),
        ('python = ">=3.9.2"', 'python_full_version >= "3.9.2"'),
        ('python = "<3.9 || >=3.11"', 'python_version < "3.9" or python_version >= "3.11"'),
        ('python = "*"', ""),
        ('python = "^3 || *"', ""),
        ('platform = "linux"', 'sys_platform == "linux"'),
        ('platform = "!=win32,!=darwin"', 'sys_platform != "win32" and sys_platform != "darwin"'),
        ('platform = "linux || darwin"', 'sys_platform == "linux" or sys_platform == "darwin"'),
        ("markers = \"os_name == 'nt'\"", "os_name == 'nt'"),
        (
            'python = "<3.9 || >=3.11", platform = "linux", markers = "os_name == \'x\' or os_name == \'y\'"',
            (
                '(python_version < "3.9" or python_version >= "3.11") and sys_platform == "linux" and '
                "(os_name == 'x' or os_name == 'y')"
            ),
        ),
    ],
)
def test_python_platform_and_markers_make_one_marker(text: str, marker: str) -> None:
    assert one(f'a = {{version = "1", {text}}}').marker == marker


def test_a_list_of_constraints_is_one_item_each_on_its_own_line() -> None:
    manifest = poetry(
        """
        [tool.poetry.dependencies]
        a = [
          {version = "<2", python = "<3.9"},
          {version = "^2", python = ">=3.9"},
        ]
        """
    )
    assert [(d.name, d.requirement, d.marker, d.location.line) for d in manifest.declarations] == [
        ("a", "<2", 'python_version < "3.9"', 6),
        ("a", ">=2,<3", 'python_version >= "3.9"', 7),
    ]


def test_an_optional_dependency_belongs_to_the_extras_that_name_it() -> None:
    manifest = poetry(
        """
        [tool.poetry.dependencies]
        a = {version = "1", optional = true}
        b = {version = "1", optional = true}
        c = "1"
        [tool.poetry.extras]
        One_More = ["A", "c"]
        all = ["a"]
        """
    )
    assert [(d.name, d.group) for d in manifest.declarations] == [
        ("a", "extra:one-more"),
        ("a", "extra:all"),
        ("b", "optional"),
        ("c", "main"),
    ]


def test_groups_and_the_old_development_table_are_development() -> None:
    manifest = poetry(
        """
        [tool.poetry.dev-dependencies]
        old = "1"
        [tool.poetry.group.dev.dependencies]
        new = "1"
        [tool.poetry.group.Docs]
        optional = true
        include-groups = ["dev"]
        [tool.poetry.group.Docs.dependencies]
        sphinx = "*"
        """
    )
    assert [(d.name, d.group) for d in manifest.declarations] == [
        ("new", "dev"),
        ("old", "dev"),
        ("sphinx", "dev:docs"),
        ("new", "dev:docs"),
        ("old", "dev:docs"),
    ]
    assert manifest.problems == ()


SOURCES = """
[[tool.poetry.source]]
name = "Corp"
url = "https://u:p@corp.example/simple"
[[tool.poetry.source]]
name = "second"
url = "https://second.example/simple"
priority = "primary"
[[tool.poetry.source]]
name = "more"
url = "https://more.example/simple"
priority = "supplemental"
[[tool.poetry.source]]
name = "special"
url = "https://special.example/simple"
priority = "explicit"
[[tool.poetry.source]]
name = "PyPI"
priority = "primary"
[tool.poetry.dependencies]
a = "1"
b = {version = "1", source = "SPECIAL"}
c = {version = "1", source = "pypi"}
d = {version = "1", python = ">3"}
"""


def test_explicit_sources_serve_what_names_them_and_the_others_everything_in_order_of_priority() -> None:
    first = "https://corp.example/simple"
    further = ("https://second.example/simple", "https://more.example/simple")
    assert [(d.name, d.index, d.extra_indexes) for d in poetry(SOURCES).declarations] == [
        ("a", first, further),
        ("b", "https://special.example/simple", ()),
        ("c", "", ()),
        ("d", first, further),
    ]


@pytest.mark.parametrize(
    ("keys", "index"),
    [
        ('priority = "default"', "https://late.example"),
        ("default = true", "https://late.example"),
        ("secondary = true", "https://first.example"),
        ('priority = "secondary"', "https://first.example"),
    ],
)
def test_the_older_words_for_priorities_are_understood(keys: str, index: str) -> None:
    manifest = poetry(
        f"""
        [[tool.poetry.source]]
        name = "first"
        url = "https://first.example"
        [[tool.poetry.source]]
        name = "late"
        url = "https://late.example"
        {keys}
        [tool.poetry.dependencies]
        a = "1"
        """
    )
    assert manifest.declarations[0].index == index


def test_a_supplemental_source_alone_stands_behind_the_public_index() -> None:
    manifest = poetry(
        """
        [[tool.poetry.source]]
        name = "more"
        url = "https://more.example"
        priority = "supplemental"
        [tool.poetry.dependencies]
        a = "1"
        """
    )
    assert [(d.index, d.extra_indexes) for d in manifest.declarations] == [("", ("https://more.example",))]


def test_a_source_without_a_url_is_a_problem_and_nothing_is_taken_for_public_because_of_it() -> None:
    manifest = poetry(
        '[[tool.poetry.source]]\nname = "corp"\npriority = "explicit"\n'
        '[tool.poetry.dependencies]\na = {version = "1", source = "corp"}'
    )
    assert [problem.line for problem in manifest.problems] == [3]
    assert manifest.declarations[0].skip_reason


def test_a_package_in_both_tables_is_one_item_with_what_both_allow() -> None:
    manifest = read(
        """
        [project]
        name = "app"
        dependencies = ["Requests>=2,<3", "plain>=1", "local"]
        optional-dependencies.socks = ["pysocks>1"]
        [tool.poetry.dependencies]
        requests = {version = "^2", source = "corp"}
        plain = "^1"
        pysocks = {source = "corp"}
        local = {path = "../local"}
        alone = "^4"
        [dependency-groups]
        dev = ["ruff==1.0"]
        [tool.poetry.group.dev.dependencies]
        ruff = {git = "https://h.example/ruff.git"}
        black = "1"
        [[tool.poetry.source]]
        name = "corp"
        url = "https://corp.example"
        priority = "explicit"
        """,
        "pyproject.toml",
    )
    assert [(d.name, d.requirement, d.group, d.index, d.skip_reason) for d in manifest.declarations] == [
        ("Requests", ">=2,<3", "main", "https://corp.example", ""),
        ("plain", ">=1,<2", "main", "", ""),
        ("local", "", "main", "", "local path"),
        ("pysocks", ">1", "extra:socks", "https://corp.example", ""),
        ("ruff", "==1.0", "dev", "", "git: https://h.example/ruff.git"),
    ]
    assert manifest.notes == ("packages that only a table of Poetry has: not installed, not listed here",)
    assert manifest.local_names == ("app", "local")


def test_sources_that_differ_by_environment_enrich_with_their_markers() -> None:
    manifest = read(
        """
        [project]
        dependencies = ["torch>=2"]
        [tool.poetry.dependencies]
        torch = [
          {version = ">=2", platform = "linux", source = "corp"},
          {version = ">=2", platform = "!=linux"},
          {version = ">=2", platform = "!=linux", markers = "os_name == 'nt'"},
        ]
        [[tool.poetry.source]]
        name = "corp"
        url = "https://corp.example"
        priority = "explicit"
        """,
        "pyproject.toml",
    )
    assert [(d.requirement, d.index, d.marker, d.location.line) for d in manifest.declarations] == [
        (">=2", "https://corp.example", 'sys_platform == "linux"', 3),
        (">=2", "", 'sys_platform != "linux"', 3),
        (">=2", "", "sys_platform != \"linux\" and os_name == 'nt'", 3),
    ]


def test_poetrys_table_refines_requirements_and_markers() -> None:
    manifest = read(  # the result is that of poetry-core 2.5
        """
        [project]
        dependencies = ["requests>=2.20", "flask", "either>=1,<4", "url @ https://h.example/x.zip"]
        optional-dependencies.socks = ["pysocks>1"]
        [tool.poetry.dependencies]
        requests = "^2.28"
        flask = {version = ">=2,<3", python = ">=3.9"}
        either = "^2 || ^3"
        pysocks = {version = "1.7.1", optional = true}
        url = ">1"
        """,
        "pyproject.toml",
    )
    assert [(d.name, d.requirement, d.marker, d.group) for d in manifest.declarations] == [
        ("requests", ">=2.20,>=2.28,<3.0", "", "main"),
        ("flask", ">=2,<3", 'python_version >= "3.9"', "main"),
        ("either", ">=1,<4,>=2,<3 || >=1,<4,>=3", "", "main"),
        ("url", "", "", "main"),
        ("pysocks", ">1,==1.7.1", "", "extra:socks"),
    ]


@pytest.mark.parametrize(
    ("project", "names"),
    [
        ("dependencies = ['a']", ["a"]),
        ("optional-dependencies.s = ['a']", ["a"]),
        ("dependencies = ['a']\ndynamic = ['optional-dependencies']", ["a", "optional"]),
        ("optional-dependencies.s = ['a']\ndynamic = ['dependencies']", ["a", "alone"]),
        ("dynamic = ['dependencies']", ["alone", "optional"]),
        ("dependencies = []", ["alone", "optional"]),
        ("name = 'x'", ["alone", "optional"]),
    ],
)
def test_what_only_poetrys_table_has_is_installed_where_the_standard_ones_leave_it_to_poetry(
    project: str, names: list[str]
) -> None:
    tables = "[tool.poetry.dependencies]\nalone = '1'\noptional = {version = '1', optional = true}"
    manifest = read(f"[project]\n{project}\n{tables}", "pyproject.toml")
    assert [declaration.name for declaration in manifest.declarations] == names


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('a = "latest"', '"a": not a version'),
        ('a = ">>1"', '"a": not a version constraint'),
        ("a = 1", "must be a version constraint, a table or an array of tables, here it is an integer"),
        ("a = [1]", "here it is an integer"),
        ('"a b" = "1"', '"a b" cannot be the name of a package'),
        ("a = {version = 1}", "tool.poetry.dependencies.a.version must be a string"),
        ('a = {version = "1", markers = "nonsense"}', "expected a marker"),
        ('a = {version = "1", python = "three"}', '"a": not a version'),
        ('a = {version = "1", platform = "li nux"}', '"a": not the name of a platform'),
        ('a = {version = "1", markers = "os_name == \'\\\\d\'"}', "a marker has no backslashes"),
        (f'a = "{"1" * 5_000}"', "longer than"),
    ],
)
def test_a_malformed_dependency_is_a_problem_at_its_line_and_the_rest_is_read(line: str, message: str) -> None:
    manifest = poetry(f'[tool.poetry.dependencies]\nbefore = "1"\n{line}\nafter = "1"')
    assert [problem.line for problem in manifest.problems] == [5]
    assert message in manifest.problems[0].message
    assert {"before", "after"} <= {d.name for d in manifest.declarations}
