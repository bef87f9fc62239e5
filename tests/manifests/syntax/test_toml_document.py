from __future__ import annotations

import datetime as dt
import warnings

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from nerq_cli.manifests.syntax.toml_document import MAX_PROBLEMS, Position, TomlDocument, locate_values
from nerq_cli.problem import Problem


def line_of(text: str, *keys: str | int) -> int:
    """The line of one value, found by walking down from the root."""
    document = TomlDocument(text, "x.toml")
    field = document.root
    for key in keys:
        field = field.get(key) if isinstance(key, str) else list(field.elements())[key]
    return field.line


@pytest.mark.parametrize(
    ("text", "keys", "line"),
    [
        ("a = 1\nb = 2", ("b",), 2),
        ("a = [\n  1,\n  2,\n]", ("a", 1), 3),
        ("a = [\n\n# 'c'\n 'x', # \"\n 'y']", ("a", 1), 5),
        ("a = [['x'],\n ['y',\n 'z']]", ("a", 1, 1), 3),
        ("[t]\n\n[t.'quoted.key']\nb = 1", ("t", "quoted.key", "b"), 4),
        ('[t]\n"esc\\u0061ped" = 1', ("t", "escaped"), 2),
        ("x.y.z = 1\nx.y.w = 2", ("x", "y", "w"), 2),
        ("[[t]]\na=1\n[[t]]\na=2\n[t.s]\nb=3", ("t", 1, "s", "b"), 6),
        ("[[t]]\n[[t.u]]\na=1\n[[t.u]]\na=2", ("t", 0, "u", 1, "a"), 5),
        ("a = {b = [\n1], c = {d = 1}}", ("a", "c", "d"), 2),
        ("a = [{b = 1},\n {b = {c = 2}}]", ("a", 1, "b", "c"), 2),
        ('a = """\n[b]\nb = 1\n"""\n[b]\nc = 1', ("b", "c"), 6),
        ('a = """x\\""" ""\n"" \\\\"""""\nb = 1', ("b",), 3),
        ("a = '''\n'' [b] ' '''''\nb = 1", ("b",), 3),
        ('a = "# no \\" comment"  # "\nb = 1', ("b",), 2),
        ("a = [1.5, 07:32:00, 2024-01-01 10:00:00,\n+inf, 'x']", ("a", 4), 2),
        ('a = ["""\n\n  text"""]', ("a", 0), 3),
        ('a = ["""\\\n  text"""]', ("a", 0), 2),
        ("[ spaced . key ]\nb = 1", ("spaced", "key", "b"), 2),
        ("a = 1\r\nb = 2\r\nc = 3", ("c",), 3),
        ("\ufeffa = 1\nb = 2", ("b",), 2),
    ],
)
def test_every_value_is_found_on_its_line(text: str, keys: tuple[str | int, ...], line: int) -> None:
    assert line_of(text, *keys) == line


def test_a_missing_value_stands_where_its_table_stands() -> None:
    document = TomlDocument("a = 1\n[t]\nb = 1", "x.toml")
    missing = document.root.get_path("t", "nothing", "here")
    assert (missing.value, missing.line, missing.get_text()) == (None, 2, "")
    assert [*missing.items(), *missing.elements(), *missing.string_items()] == []
    assert document.problems == ()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("{}", "a table"),
        ("[]", "an array"),
        ("1", "an integer"),
        ("1.5", "a float"),
        ("true", "a boolean"),
        ("2024-01-01", "a date or time"),
        ("07:30:00", "a date or time"),
    ],
)
def test_a_value_of_the_wrong_type_is_a_problem_at_its_line(value: str, kind: str) -> None:
    document = TomlDocument(f"\n[t]\nname = {value}", "x.toml")
    assert document.root.get_path("t", "name").get_text() == ""
    message = f"t.name must be a string, here it is {kind}"
    problem_text = "name = [{…" if value.startswith("[{") else f"name = {value[0] if value[0] in '[{' else ''}…"
    assert document.problems == (Problem(path="x.toml", line=3, column=1, message=message, text=problem_text),)


def test_tables_and_arrays_of_the_wrong_type_are_problems_and_read_as_empty() -> None:
    document = TomlDocument("a = 'x'\nb = 1\nc = [1, 'y', []]", "x.toml")
    root = document.root
    assert [*root.get("a").items(), *root.get("b").elements()] == []
    assert root.get_path("a", "deeper").value is None
    assert [text for text, _ in root.get("c").string_items()] == ["y"]
    assert [(problem.line, problem.column, problem.message) for problem in document.problems] == [
        (1, 1, "a must be a table, here it is a string"),
        (2, 1, "b must be an array, here it is an integer"),
        (3, 6, "an item of c must be a string, here it is an integer"),
        (3, 14, "an item of c must be a string, here it is an array"),
    ]


def test_a_problem_inside_a_string_points_into_it_unless_escapes_make_that_a_guess() -> None:
    document = TomlDocument('a = ["plain", "\\u0061b"]', "x.toml")
    for _, field in document.root.get("a").string_items():
        field.report_problem("here", inner_offset=2)
    assert [problem.column for problem in document.problems] == [9, 15]


def test_the_same_problem_is_reported_once() -> None:
    document = TomlDocument("a = 1", "x.toml")
    document.root.get("a").get_text()
    document.root.get("a").get_text()
    assert len(document.problems) == 1


def test_notes_are_kept_once_and_in_order() -> None:
    document = TomlDocument("", "x.toml")
    for sentence in ("b", "a", "b"):
        document.add_note(sentence)
    assert document.notes == ("b", "a")


def test_a_syntax_error_has_line_column_text_and_hint_and_leaves_an_empty_document() -> None:
    document = TomlDocument("[t]\nb = 'x", "x.toml")
    [problem] = document.problems
    assert (problem.line, problem.column, problem.text) == (2, 7, "b = '…")
    assert problem.message.startswith("not valid TOML: ")
    assert problem.hint
    assert document.root.value == {}


@pytest.mark.parametrize(
    "text",
    [
        'a = "\\',
        "a = " + "[" * 100_000,
        "a = " + "{a=" * 100_000,
        "a = " + "9" * 5_000,
        ".".join("a" * 5_000) + " = 1",
        "a = 2024-99-99",
        "\0",
        "a = '\ud800'\nb",
    ],
)
def test_what_the_parser_refuses_is_one_problem(text: str) -> None:
    document = TomlDocument(text, "x.toml")
    assert len(document.problems) == 1
    assert document.root.value == {}


def test_a_very_long_line_is_not_repeated_in_a_problem() -> None:
    document = TomlDocument(f"a = 1 # {'x' * 1_000}", "x.toml")
    document.root.get("a").get_text()
    assert document.problems[0].text == "a = …"


def test_addresses_are_not_part_of_problems() -> None:
    line = 'a = [1, "https://me:pa55@host/x?token=abc"]'
    document = TomlDocument(line, "x.toml")
    list(document.root.get("a").string_items())
    [problem] = document.problems
    assert problem.text == "a = […"


def test_reading_stops_after_a_thousand_problems() -> None:
    document = TomlDocument(f"a = [{'1,' * 3_000}]\n[b]\nc = 1", "x.toml")
    assert list(document.root.get("a").string_items()) == []
    document.add_problem("one more", None)
    assert len(document.problems) == MAX_PROBLEMS
    assert document.too_many_problems
    assert list(document.root.get("b").items()) == []


# --- The law: whatever the parser finds in a valid text, the scanner has a place for, and the place is right.

keys = st.sampled_from(["a", "b-c", "1", '"d e"', "'f.g'", '"h\\u0069"', '""'])
words = st.sampled_from(["1", "-2.5", "true", "1979-05-27 07:32:00", "inf", "0x1F", "1e5"])
strings = st.sampled_from(
    ['"x"', "'y # ['", '"\\"]"', '"""m\n[z]\n"""', "'''l\n''\n'''", '"""q""\\""""', '"""\n  lead"""', "''", '""""""']
)
space = st.sampled_from(["", " ", "\t", "  "])
line_break = st.sampled_from(["", " ", "\n", "\n# 'c' [\n", "\r\n"])


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda items, gap, tail: f"[{gap}{f',{gap}'.join(items)}{tail if items else ''}{gap}]",
        st.lists(values, max_size=4),
        line_break,
        st.sampled_from(["", ","]),
    )


def tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(keys, values), max_size=3, unique_by=lambda pair: pair[0])
    return pairs.map(lambda found: "{" + ", ".join(f"{key} = {value}" for key, value in found) + "}")


values = st.recursive(words | strings, lambda inner: arrays(inner) | tables(inner), max_leaves=8)
dotted = st.builds(lambda parts, gap: f"{gap}.{gap}".join(parts), st.lists(keys, min_size=1, max_size=3), space)
statements = st.one_of(
    st.builds("{}{} ={}{}{}".format, space, dotted, space, values, st.sampled_from(["", " # 'x' = ["])),
    st.builds("[{}]".format, dotted),
    st.builds("[[{}]]".format, dotted),
    st.sampled_from(["", "# c = [", "   "]),
)
documents = st.builds(
    lambda parts, end: end.join(parts), st.lists(statements, max_size=12), st.sampled_from(["\n", "\r\n"])
)


def unplaced(value: object, place: Position, where: str = "") -> list[str]:
    """What of a parsed value has no place of its own."""
    if isinstance(value, dict):
        parts: list[tuple[str | int, object]] = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value))
    else:
        return []
    missing = [f"{where}.{key}" for key, _ in parts if key not in place.children]
    missing += [f"{where}: {extra}" for extra in place.children if extra not in dict(parts)]
    return missing or [m for key, part in parts for m in unplaced(part, place.children[key], f"{where}.{key}")]


@given(documents)
@settings(deadline=None)
def test_everything_in_a_valid_document_has_a_place_and_nothing_else_has(text: str) -> None:
    text = text.replace("\r\n", "\n")
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError:
        return
    assert unplaced(data, locate_values(text)) == []


@given(st.lists(st.tuples(keys, values), unique_by=lambda pair: tomli.loads(f"{pair[0]}=1").popitem()[0]))
@settings(deadline=None)
def test_the_place_of_a_key_is_where_it_is_written(pairs: list[tuple[str, str]]) -> None:
    text = "".join(f"{key} = {value}\n" for key, value in pairs).replace("\r\n", "\n")
    place = locate_values(text)
    for (written, _), key in zip(pairs, tomli.loads(text), strict=True):
        offset = place.children[key].offset
        assert text.startswith(f"{written} = ", offset)
        assert offset == 0 or text[offset - 1] == "\n"


@given(st.text() | st.text(alphabet="[]{}\"'=,.#\\\n\r ab1_-") | documents)
@settings(deadline=None)
def test_no_text_makes_reading_raise_or_warn(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        document = TomlDocument(text, "x.toml")
    assert isinstance(document.root.value, dict)
    assert all(1 <= problem.line <= text.count("\n") + 1 for problem in document.problems if problem.line)


def test_dates_are_values_like_any_other() -> None:
    assert TomlDocument("a = 2024-01-02", "x.toml").root.get("a").value == dt.date(2024, 1, 2)
