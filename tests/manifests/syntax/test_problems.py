from __future__ import annotations

from nerq_cli.manifests.syntax.problems import MAX_PROBLEMS, LineIndex, ProblemList


def test_problems_have_line_column_and_text_and_each_is_told_once() -> None:
    problems = ProblemList("f", 'a\n  "b": "https://user:secret@host.example/"\n' + "x" * 600)
    problems.add_problem("second", 600)
    problems.add_problem("first", 4, hint="do")
    problems.add_problem("first", 4, hint="do")
    first, second = problems.problems
    assert (first.line, first.column, first.message, first.hint) == (2, 3, "first", "do")
    assert "secret" not in first.text
    assert (second.line, second.text) == (3, "")


def test_after_a_thousand_problems_the_rest_are_counted() -> None:
    problems = ProblemList("f", "\n" * 2000)
    for at in range(MAX_PROBLEMS + 7):
        problems.add_problem("wrong", at)
    listed = problems.problems
    assert len(listed) == MAX_PROBLEMS + 1
    assert listed[-1].message == "and 7 more problems in this file"


def test_lines_and_columns_are_what_an_editor_shows() -> None:
    lines = LineIndex("ab\r\ncd\n\nef")
    assert [(lines.line_number(at), lines.column_number(at)) for at in (0, 1, 4, 7, 8, 9, 10)] == [
        (1, 1),
        (1, 2),
        (2, 1),
        (3, 1),
        (4, 1),
        (4, 2),
        (4, 3),
    ]
    assert [lines.line_text(number) for number in (0, 1, 2, 3, 4, 5)] == ["", "ab", "cd", "", "ef", ""]


def test_a_mistake_quotes_the_name_of_its_line_and_comes_once() -> None:
    mistakes = ProblemList("lock", "x\r\nurl https://me:secret@host.example\r\n" + "y" * 1000)
    for _ in range(2):
        mistakes.add_line_problem("wrong https://me:secret@host.example", 2)
    mistakes.add_line_problem("as a whole")
    mistakes.add_line_problem("too long to quote", 3)
    whole, second, third = mistakes.problems
    assert (whole.line, whole.text, third.text) == (0, "", "")
    assert second.text == "url …"
    assert "secret" not in second.message
