from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.manifests.package_source import PackageSource
from nerq_cli.manifests.python.pep508 import NotASpecifierError, parse_specifier
from nerq_cli.manifests.python.python_locks import (
    MAX_VERSIONS,
    LockEntry,
    LockFile,
    LockTable,
    is_package_name,
    join_alternatives,
    match_entries,
    parse_format_version,
    parse_locked_specifier,
    read_entries,
    split_extras,
)

INDEX = PackageSource()


def reading(text: str) -> tuple[LockFile, list[LockEntry]]:
    lock = LockFile(text, "x.lock")
    return lock, read_entries(lock, "package", lambda _: INDEX, ("source",))


def messages(lock: LockFile) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in lock.problems]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("[[package]]\nname='a'\nversion='1'\n\n  [[ package ]] # b\nname='b'\nversion='1'\n", [1, 5]),
        ('a = """\n[[package]]\n"""\n[["package"]]\nname="a"\nversion="1"\n', [4]),
        ("package = [\n{name='a', version='1'},\n{name='b', version='1'}]\n", [2, 3]),
    ],
)
def test_the_line_of_an_entry_is_where_it_begins(text: str, lines: list[int]) -> None:
    lock, found = reading(text)
    assert [entry.line for entry in found] == lines
    assert lock.problems == ()


@pytest.mark.parametrize("key", ["file", "url"])
def test_a_file_of_another_package_is_an_index_of_its_own_wherever_it_is_listed(key: str) -> None:
    prefix = "https://x.example/" if key == "url" else ""
    names = ("a-1-py3-none-any.whl", "a-1-py2-none-any.whl", "b-1-py3-none-any.whl", "a-1.tar.gz")
    files = "".join(f'    {{{key} = "{prefix}{name}", hash = "sha256:00"}},\n' for name in names)
    _, [entry] = reading(f'[[package]]\nname = "a"\nversion = "1"\nfiles = [\n{files}]\n')
    assert entry.source == PackageSource(index=f"{prefix}b-1-py3-none-any.whl")


def test_the_files_that_older_releases_of_pdm_list_at_the_end_are_compared_as_well() -> None:
    files = '[metadata.files]\n"a 1" = [{file = "b-1.tar.gz", hash = "sha256:00"}]\n'
    _, [entry] = reading(f'[[package]]\nname = "a"\nversion = "1"\n{files}')
    assert entry.source == PackageSource(index="b-1.tar.gz")


ARTEFACTS = (
    '    {file = "a.whl", hash = "sha256:00"},\n',
    '    { url = "https://x.example/a.whl", hash = "sha256:00", size = 1, upload-time = "2024" },\n',
    '    { name = "a", url = "b", upload-time = 2024-01-01T00:00:00Z, size = 2, hashes = { sha256 = "0" } },\n',
)


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_artefacts_are_counted_as_one_and_every_line_keeps_its_number(artefact: str) -> None:
    text = f'[[package]]\nname = "a"\nversion = "1"\nfiles = [\n{artefact * 4}]\n[[package]]\nname = "b"\nversion = 1\n'
    lock, [entry] = reading(text)
    assert len(entry.table.get_tables("files")) == 1
    assert messages(lock) == [(12, "version must be a string"), (10, '"b" has no version')][::-1]


def test_what_only_looks_like_an_artefact_is_left_alone() -> None:
    edges = '    { name = "b" },\n    { name = "c" },\n'
    escaped = '    {file = "a\\u0041", hash = "0"},\n' * 2
    _, [entry] = reading(f'[[package]]\nname="a"\nversion="1"\nneeds = [\n{edges}]\nfiles = [\n{escaped}]\n')
    assert (len(entry.table.get_tables("needs")), len(entry.table.get_tables("files"))) == (2, 2)


@pytest.mark.parametrize(
    ("entry", "line", "message"),
    [
        ("", 1, "a package needs a name"),
        ("name = 1\nversion = '1'", 2, "name must be a string"),
        ("name = '../a'\nversion = '1'", 2, '"../a" cannot be the name of a package'),
        ("name = 'a'", 1, '"a" has no version'),
        ("name = 'a'\nversion = '1/../2'", 3, '"a" has no version that can be one'),
    ],
)
def test_an_entry_that_is_no_package_is_a_problem_at_its_line(entry: str, line: int, message: str) -> None:
    lock, found = reading(f"[[package]]\n{entry}\n")
    assert found == []
    assert (line, message) in messages(lock)


def test_an_entry_that_is_here_twice_is_a_problem() -> None:
    entry = "[[package]]\nname = '{}'\nversion = '1'\n"
    lock, found = reading(entry.format("A.b") + entry.format("a-b"))
    assert [one.key for one in found] == ["A.b@1"]
    assert messages(lock) == [(4, '"a-b" 1 is here twice, first on line 1')]


def test_so_many_versions_of_one_package_are_no_real_file() -> None:
    text = "".join(f"[[package]]\nname = 'a'\nversion = '{number}'\n" for number in range(MAX_VERSIONS + 2))
    lock, found = reading(text)
    assert len(found) == MAX_VERSIONS
    assert [line for line, _ in messages(lock)] == [61, 64]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 100_000, "nested too deeply to be read"),
        (".".join("a" * 200) + " = 1", "a key of more than 100 parts"),
        ("a = " + "1" * 5_000, "not readable"),
        ("[[package]]\nname = 'a", "not valid TOML"),
        ("package = [1]", '"package" may contain only tables'),
        ("package = 'x'", '"package" must be an array of tables'),
    ],
)
def test_what_cannot_be_read_is_a_problem(text: str, message: str) -> None:
    lock, found = reading(text)
    assert found == []
    [(_, said)] = messages(lock)
    assert said.startswith(message)


def test_a_line_of_many_dots_is_no_problem_by_itself() -> None:
    lock, [entry] = reading(f"[[package]]\nname = 'a'\nversion = '1'\ntext = '{'.' * 500}'\n")
    assert (entry.line, lock.problems) == (1, ())


def test_entries_whose_version_cannot_be_compared_fit_when_nothing_else_does() -> None:
    table = LockTable(LockFile("a = 1", "x"), (), {})
    old, new = (
        LockEntry(table=table, key=version, name="a", version=version, line=1, source=INDEX)
        for version in ("2004d", "1.0")
    )
    assert match_entries([old, new], ">=1") == [new]
    assert match_entries([old, new], "nonsense") == [old, new]
    assert match_entries([old], ">=1") == [old]


specifiers = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["a", "Zope.interface", "a_b-c1"]),
    st.sampled_from(["", "[x]", "[x, y_z]", " [x]"]),
    st.sampled_from(["", ">=1", " >= 1.0, <2", "==1.*", "~=1.2,!=1.3", "(>=1)", ">=1 <2", "===x", "<", "=1", "@ b"]),
    st.sampled_from(["", "; os_name == 'nt'", " ; python_version < '3'"]),
)


@given(specifiers | st.text(alphabet="a[],<>=!~1.* ;@"))
def test_the_short_way_to_read_a_specifier_agrees_with_the_long_one(text: str) -> None:
    try:
        long = parse_specifier(text)
    except NotASpecifierError:
        return
    short = parse_locked_specifier(text)
    assert (short.name, sorted(short.extras), short.version.replace(" ", ""), short.marker) == (
        long.name,
        sorted(long.extras),
        long.version.replace(" ", ""),
        long.marker,
    )


def test_what_is_no_specifier_is_refused() -> None:
    with pytest.raises(NotASpecifierError):
        parse_locked_specifier("^1")


@pytest.mark.parametrize(
    ("written", "parts"), [("a", ("a", ())), ("a[y, x]", ("a", ("x", "y"))), ("a[]", ("a", ())), ("a[", ("a[", ()))]
)
def test_a_name_may_carry_extras(written: str, parts: tuple[str, tuple[str, ...]]) -> None:
    assert split_extras(written) == parts


@pytest.mark.parametrize(("text", "numbers"), [("2.1", (2, 1)), ("4.5.0", (4, 5)), ("1", (1, 0)), ("x", (-1, 0))])
def test_a_version_of_a_format_is_numbers(text: str, numbers: tuple[int, int]) -> None:
    assert parse_format_version(text) == numbers


def test_markers_of_which_one_must_hold_are_joined_unless_one_always_does() -> None:
    assert join_alternatives(["a", "b", "a"]) == "a or b"
    assert join_alternatives(["a", ""]) == join_alternatives(map(str, range(100))) == ""


def test_names_are_not_endless() -> None:
    assert not is_package_name("a" * 5_000)
