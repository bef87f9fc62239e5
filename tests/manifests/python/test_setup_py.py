from __future__ import annotations

import sys
import textwrap
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.inventory import DependencyFile
from nerq_cli.manifests.python.setup_py import MAX_LENGTH, matches, read
from nerq_cli.manifests.syntax.text_document import MAX_PROBLEMS

SETUP = '''\
"""Set up."""
from setuptools import setup, find_packages

VERSION = "1.2"
BASE = ["requests>=2.31", "rich"]
TESTS = ("pytest",)
EXTRAS = {
    "docs": ["sphinx"],
    "test": TESTS,
    ':python_version < "3.11"': ["tomli"],
    "win:sys_platform == 'win32'": ["pywin32"],
}

setup(
    name="Acme_App",
    packages=find_packages(),
    install_requires=BASE + [
        "attrs",
        f"acme-core=={VERSION}",
    ],
    setup_requires="setuptools_scm",
    tests_require=EXTRAS["test"],
    extras_require={**EXTRAS, "all": [*BASE, "extra-" "thing"]},
)
'''


def setup(text: str) -> DependencyFile:
    return read(textwrap.dedent(text), "setup.py")


def items(manifest: DependencyFile) -> list[tuple[str, str, str, int]]:
    return [(one.name, one.requirement, one.group, one.location.line) for one in manifest.declarations]


def names(manifest: DependencyFile) -> list[str]:
    return [one.name for one in manifest.declarations]


def test_literal_lists_are_read_with_their_groups_and_lines() -> None:
    manifest = read(SETUP, "setup.py")
    assert items(manifest) == [
        ("requests", ">=2.31", "main", 5),
        ("rich", "", "main", 5),
        ("attrs", "", "main", 18),
        ("acme-core", "==1.2", "main", 19),
        ("setuptools_scm", "", "build", 21),
        ("pytest", "", "dev", 6),
        ("sphinx", "", "extra:docs", 8),
        ("pytest", "", "extra:test", 6),
        ("tomli", "", "main", 10),
        ("pywin32", "", "extra:win", 11),
        ("requests", ">=2.31", "extra:all", 5),
        ("rich", "", "extra:all", 5),
        ("extra-thing", "", "extra:all", 23),
    ]
    assert (manifest.notes, manifest.problems, manifest.local_names) == ((), (), ("acme-app",))
    assert [one.marker for one in manifest.declarations if one.marker] == [
        'python_version < "3.11"',
        "sys_platform == 'win32'",
    ]


@pytest.mark.parametrize(
    "call",
    [
        "import setuptools\nsetuptools.setup(install_requires=['a'])",
        "import setuptools as st\nst.setup(install_requires=['a'])",
        "from setuptools import setup as make\nmake(install_requires=['a'])",
        "from distutils import core\ncore.setup(install_requires=['a'])",
        "import distutils.core\ndistutils.core.setup(install_requires=['a'])",
        "def main():\n    needs = ['a']\n    setup(install_requires=needs)",
        "if True:\n    config: dict = dict(install_requires=['a'])\nsetup(**config)",
        "config = {'install_requires': ['a']}\nsetup(name=None, **config)",
        "setup(install_requires={'a'})",
        "setup(install_requires={'a': 1 - 1 and '', 'a': ''})",
        "x = y = ['a']\nsetup(install_requires=[y])",
        'setup(install_requires="""\n  a  # why not\n  # nothing\n""")',
    ],
)
def test_a_call_is_found_however_it_is_spelled(call: str) -> None:
    assert names(read(call, "setup.py")) == ["a"]


def test_each_line_of_a_long_string_has_its_own_line() -> None:
    manifest = setup("""
        setup(install_requires='''
            a>=1
            b
        ''')
    """)
    assert [(name, line) for name, _, _, line in items(manifest)] == [("a", 3), ("b", 4)]


@pytest.mark.parametrize(
    ("expression", "listed", "note"),
    [
        ("open('r.txt').read().split()", [], "dynamic: not listed here (line 1)"),
        ("NEEDS", [], "dynamic: not listed here (line 1)"),
        ("['a', read_it()]", ["a"], "dynamic in part: the rest is not listed here (line 1)"),
        ("['a', *more]", ["a"], "dynamic in part: the rest is not listed here (line 1)"),
        ("['a', *'bc']", ["a"], "dynamic in part: the rest is not listed here (line 1)"),
        ("['a'] + read_it()", ["a"], "dynamic in part: the rest is not listed here (line 1)"),
        ("read_it() + ['a']", ["a"], "dynamic in part: the rest is not listed here (line 1)"),
        ("read_it() + more()", [], "dynamic: not listed here (line 1)"),
        ("['a'] + 'b'", [], "dynamic: not listed here (line 1)"),
        ("f'a=={version()}'", [], "dynamic: not listed here (line 1)"),
        ("f'a=={[]}'", [], "dynamic: not listed here (line 1)"),
        ("f'a=={\"1\"!r}'", [], "dynamic: not listed here (line 1)"),
        ("{'a': ['b']}['c']", [], "dynamic: not listed here (line 1)"),
        ("['b']['c']", [], "dynamic: not listed here (line 1)"),
        ("['a', {'b': 'c'}]", ["a"], "dynamic in part: the rest is not listed here (line 1)"),
        ("{'a': '', b(): ''}", ["a"], "dynamic in part: the rest is not listed here (line 1)"),
        ("[a for a in b]", [], "dynamic: not listed here (line 1)"),
    ],
)
def test_what_is_computed_is_noted_and_names_the_keyword(expression: str, listed: list[str], note: str) -> None:
    manifest = read(f"setup(install_requires={expression})", "setup.py")
    assert names(manifest) == listed
    assert manifest.notes == (f"install_requires is {note}",)


@pytest.mark.parametrize(
    "change",
    [
        "needs.append('b')",
        "needs += ['b']",
        "needs[0] = 'b'",
        "del needs[0]",
    ],
)
def test_a_list_that_is_changed_later_is_listed_in_part(change: str) -> None:
    manifest = read(f"needs = ['a']\nif x:\n    {change}\nsetup(install_requires=needs)", "setup.py")
    assert names(manifest) == ["a"]
    assert manifest.notes == ("install_requires is dynamic in part: the rest is not listed here (line 3)",)


@pytest.mark.parametrize(
    "text",
    [
        "needs = ['a']\nneeds = ['b']\n",
        "needs = ['a']\ndef f(needs):\n    pass\n",
        "needs = ['a']\nfor needs in x:\n    pass\n",
        "needs = ['a']\nfrom x import needs\n",
        "needs = ['a']\ndef needs():\n    pass\n",
        "needs = ['a']\ndef f():\n    global needs\n",
        "needs = ['a']\ndel needs\n",
        "needs = ['a']\ntry:\n    pass\nexcept X as needs:\n    pass\n",
        "needs = ['a']\nmatch x:\n    case needs:\n        pass\n",
        "needs = 'a'\nneeds += 'b'\n",
        "needs = needs\n",
        "needs, other = ['a'], 1\n",
    ],
)
def test_a_name_that_may_mean_something_else_is_dynamic(text: str) -> None:
    manifest = read(f"{text}setup(install_requires=needs)", "setup.py")
    assert names(manifest) == []
    assert manifest.notes[0].startswith("install_requires is dynamic: not listed here (line ")


def test_extras_are_listed_as_far_as_they_can_be_told() -> None:
    manifest = setup("""
        extras = {"a": ["b"], **more(), "c": other()}
        extras["d"] = extras["a"] + ["e"]
        setup(extras_require=extras, tests_require=extras["a"], **config())
    """)
    assert [(one.name, one.group) for one in manifest.declarations] == [("b", "extra:a")]
    assert manifest.notes == (
        "extras_require is dynamic in part: the rest is not listed here (lines 2, 3)",
        "tests_require is dynamic: not listed here (line 4)",
        "setup(**…) is dynamic: not listed here (line 4)",
    )


def test_changes_at_many_places_are_counted_up_to_a_few() -> None:
    text = "needs = []\n" + "needs.append(x)\n" * 5 + "setup(install_requires=needs)"
    assert read(text, "setup.py").notes == (
        "install_requires is dynamic in part: the rest is not listed here (lines 2, 3, 4, …)",
    )


def test_several_calls_are_all_listed() -> None:
    manifest = read("if x:\n    setup(install_requires=['a'])\nelse:\n    setup(install_requires=['b'])", "setup.py")
    assert names(manifest) == ["a", "b"]
    assert manifest.notes == ("setup() is called 2 times: what any call declares is listed",)


def test_a_file_that_calls_nothing_is_noted() -> None:
    assert read("print(1)\nx.y().setup(install_requires=['a'])", "setup.py").notes == (
        "setup() is not called here: nothing is listed",
    )
    assert read("", "setup.py").notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "print 'hello'\nsetup(install_requires=['a'])",
        pytest.param(
            "try:\n    pass\nexcept ImportError, error:\n    pass",
            marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="valid since Python 3.14 (PEP 758)"),
        ),
        "exec 'x'",
        "mode = 0644\n",
        "raise ValueError, 'x'",
        "if a <> b: pass",
    ],
)
def test_a_file_for_python_2_is_noted_and_no_problem(text: str) -> None:
    manifest = read(text, "setup.py")
    [note] = manifest.notes
    assert note.startswith("written for Python 2 (line ")
    assert manifest.problems == ()


@pytest.mark.parametrize("text", ["setup(install_requires=['a'", "def", "x = 'a", "a b"])
def test_a_damaged_file_is_a_problem_at_its_line(text: str) -> None:
    [problem] = read(f"\n{text}\n", "setup.py").problems
    assert problem.line == 2
    assert problem.message.startswith("not valid Python 3.")


def test_a_requirement_that_is_none_is_a_problem() -> None:
    [problem] = read("setup(install_requires=[\n  'a ^1',\n])", "setup.py").problems
    assert (problem.line, problem.column) == (2, 6)


@pytest.mark.parametrize("text", ["(" * 300 + ")" * 300, "\0", "#" * (MAX_LENGTH + 1)])
def test_traps_are_refused(text: str) -> None:
    assert read(text, "setup.py").problems


@pytest.mark.parametrize("value", ["-" * 5_000 + "1", "x" + ".y" * 100_000, "+".join(["['a']"] * 5_000)])
def test_what_is_too_deep_to_follow_is_said_to_be_left_out(value: str) -> None:
    manifest = read(f"setup(install_requires={value})", "setup.py")
    assert manifest.problems or manifest.notes or len(manifest.declarations) == 5_000  # Python's releases differ


@pytest.mark.parametrize("kind", ["['x']", "'x'"])
def test_sums_that_double_with_every_line_are_dynamic(kind: str) -> None:
    text = f"a0 = {kind}\n" + "".join(f"a{n + 1} = a{n} + a{n}\n" for n in range(60)) + "setup(install_requires=a60)"
    [note] = read(text, "setup.py").notes
    assert note.startswith("install_requires is dynamic: not listed here")


def test_a_dictionary_without_end_is_dynamic() -> None:
    text = "setup(extras_require={" + ",".join(f"'{n}': []" for n in range(10_001)) + "})"
    assert read(text, "setup.py").notes == ("extras_require is dynamic: not listed here (line 1)",)


def test_a_sum_too_long_to_follow_is_dynamic() -> None:
    text = f"setup(install_requires={'+'.join(['[]'] * 900)})"
    read(text, "setup.py")


def test_warnings_about_the_scanned_file_are_not_ours() -> None:
    assert names(read("x = '\\d'\nsetup(install_requires=['a'])", "setup.py")) == ["a"]


def test_the_including_file_says_what_the_items_are() -> None:
    assert [one.group for one in read(SETUP, "setup.py", group="dev:x").declarations][:2] == ["dev:x", "dev:x"]
    assert {one.group for one in read(SETUP, "setup.py", constraint=True).declarations} == {"constraint"}


def test_only_a_setup_py_is_wanted() -> None:
    assert matches(PurePosixPath("a/setup.py"))
    assert not matches(PurePosixPath("a/setup_py.py"))


@given(st.text() | st.integers(0, len(SETUP)).map(lambda end: SETUP[:end]))
def test_nothing_is_ever_raised(text: str) -> None:
    read(text, "setup.py")


@given(st.integers(0, len(SETUP) - 1), st.sampled_from("()[]{}'\",\\\n #=*"))
def test_a_damaged_file_loses_nothing_in_silence(at: int, mark: str) -> None:
    manifest = read(f"{SETUP[:at]}{mark}{SETUP[at + 1 :]}", "setup.py")
    read(SETUP, "setup.py")
    assert manifest.declarations or manifest.problems or manifest.notes


@pytest.mark.parametrize(
    "additions",
    [
        "needs += ['b', 'c']",
        "needs += ('b',)\nneeds += ['c']",
        "needs.append('b')\nneeds.append('c')",
        "needs.extend(['b', 'c'])",
        "more = ['b']\nneeds += more + ['c']",
        "needs.append('b'); needs.append('c')",
    ],
)
def test_what_is_added_to_a_list_in_the_same_block_is_listed(additions: str) -> None:
    manifest = read(f"needs = ['a']\n{additions}\nsetup(install_requires=needs)", "setup.py")
    assert (names(manifest), manifest.notes) == (["a", "b", "c"], ())
    body = textwrap.indent(f"needs = ['a']\n{additions}\nsetup(install_requires=needs)", "    ")
    assert names(read(f"def main():\n{body}", "setup.py")) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "addition",
    ["needs += read_it()", "needs.append(one())", "needs.extend(x for x in y)", "needs += needs", "needs += 'b'"],
)
def test_an_addition_that_is_computed_is_noted_with_its_line(addition: str) -> None:
    manifest = read(f"needs = ['a']\n{addition}\nneeds.append('c')\nsetup(install_requires=needs)", "setup.py")
    assert names(manifest) == ["a", "c"]
    assert manifest.notes == ("install_requires is dynamic in part: the rest is not listed here (line 2)",)


def test_what_is_added_after_a_use_is_noted_there() -> None:
    text = "base = ['a']\ndev = base + ['b']\nbase.append('c')\nsetup(install_requires=base, tests_require=dev)"
    manifest = read(text, "setup.py")
    assert [(name, group) for name, _, group, _ in items(manifest)] == [
        ("a", "main"),
        ("c", "main"),
        ("a", "dev"),
        ("b", "dev"),
    ]
    assert manifest.notes == ("tests_require is dynamic in part: the rest is not listed here (line 3)",)


@pytest.mark.parametrize("text", ["'a' '>=1' ',<2'", "'a' + '>=1' + ',<2'", "'a' + LOW + ',<2'", "'a' + (LOW + ',<2')"])
def test_concatenated_strings_are_one_requirement(text: str) -> None:
    manifest = read(f"LOW = '>=' '1'\nsetup(install_requires=[{text}])", "setup.py")
    assert [(name, requirement) for name, requirement, _, _ in items(manifest)] == [("a", ">=1,<2")]


@pytest.mark.parametrize(
    "text",
    [
        "a = []\n" + "a.append('')\n" * 10_000 + f"setup(install_requires=[{'a,' * 30_000}])",
        "a = [" + "''," * 9_000 + f"]\nsetup(install_requires=[{'[*a],' * 20_000}])",
        "a = [" + "'x'," * 9_000 + "]\nsetup(extras_require={" + ",".join(f"'{n}':a" for n in range(9_000)) + "})",
        f"a = '{'x' * 99_000}'\nsetup(install_requires=[{'a+a[0:],' * 10_000}])",
    ],
)
def test_values_that_multiply_are_bounded(text: str) -> None:
    manifest = read(text, "setup.py")
    assert manifest.notes or manifest.problems


def test_a_change_inside_a_dictionary_is_noted_with_its_line() -> None:
    text = "extras = {'x': ['a']}\nextras['x'].append('b')\nf().append(extras)\nsetup(extras_require=extras)"
    manifest = read(text, "setup.py")
    assert names(manifest) == ["a"]
    assert manifest.notes == ("extras_require is dynamic in part: the rest is not listed here (line 2)",)


def test_other_arguments_in_a_dictionary_are_left_out() -> None:
    manifest = read("setup(**{'version': '1', 'install_requires': ['a'], 'classifiers': ['b']})", "setup.py")
    assert (names(manifest), manifest.notes) == (["a"], ())


def test_after_too_many_problems_the_rest_is_not_read() -> None:
    requirements = "'!',\n" * 200
    manifest = read(f"setup(install_requires=[{requirements}], setup_requires=['a'])", "setup.py")
    assert len(manifest.problems) == MAX_PROBLEMS + 1
    assert names(manifest) == []
