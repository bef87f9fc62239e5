from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.manifests.syntax.yaml_document import (
    MAX_DEPTH,
    NotYamlError,
    YamlNode,
    find_conflict,
    has_libyaml,
    parse_documents,
)


def test_every_value_is_the_text_it_is_written_as_with_the_line_of_its_key() -> None:
    [node] = parse_documents("a: 1.10\nb:\n  - yes\n  - 'x'\nc: {d: , e: {}}\n")
    assert node == YamlNode(
        {
            "a": YamlNode("1.10", 1),
            "b": YamlNode([YamlNode("yes", 3), YamlNode("x", 4)], 2),
            "c": YamlNode({"d": YamlNode("", 5), "e": YamlNode({}, 5)}, 5),
        },
        1,
    )
    assert isinstance(node.data, dict)
    assert [value.kind for value in (node, *node.data.values())] == ["a mapping", "text", "a list", "a mapping"]
    assert YamlNode("", 1).kind == "nothing"


def test_a_stream_may_hold_several_documents_or_none() -> None:
    assert [node.data for node in parse_documents("---\na\n---\nb\n")] == ["a", "b"]
    assert parse_documents("# nothing\n") == []


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: &x [1]\nc: *x", 2, "an anchor or alias is not read in a lock file"),
        ("a: &x 1", 1, "an anchor or alias is not read in a lock file"),
        ("a: 1\nb: *x", 2, "an anchor or alias is not read in a lock file"),
        ("a: !!str 1", 1, "a tag is not read in a lock file"),
        ("a: !!map {}", 1, "a tag is not read in a lock file"),
        ("a: 1\nb: 2\na: 3", 3, '"a" is here twice, first in line 1'),
        ("a: 1\n[b]: 2", 2, "a key must be text"),
        ("a:\n\tb: 1", 2, "not valid YAML: found character"),
        ("a: b: c", 1, "not valid YAML: mapping values are not allowed"),
        ("a: 1\n'b", 2, "not valid YAML: found unexpected end of stream"),
        ("a: 1\nb: \x00", 2, "not valid YAML: it has characters that YAML does not allow"),
        ("a: 1\nb: \ud800", 2, "not valid YAML: it has characters that YAML does not allow"),
        ("a: 1\n<<<<<<< ours\nb: 1", 2, "this is a merge conflict marker"),
        ("[" * 100_000, 1, f"nested more than {MAX_DEPTH} levels deep"),
        ("- " * 100_000, 1, f"nested more than {MAX_DEPTH} levels deep"),
    ],
)
def test_what_is_not_read_is_refused_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(NotYamlError) as raised:
        parse_documents(text)
    assert (raised.value.line, str(raised.value)[: len(message)]) == (line, message)


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nerq_cli.manifests.syntax.yaml_document.MAX_EVENTS", 10)
    with pytest.raises(NotYamlError, match="more than 10 values in one file"):
        parse_documents("- a\n" * 20)


def test_without_libyaml_the_same_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: 1.10\nb:\n  - {c: 'd'}\n"
    fast = parse_documents(text)
    monkeypatch.delattr(yaml, "CBaseLoader", raising=False)
    assert not has_libyaml()
    assert parse_documents(text) == fast
    for wrong in ("a: b: c", "\x00", "a: 1\na: 2", "[" * 1000):
        with pytest.raises(NotYamlError):
            parse_documents(wrong)


def test_a_marker_left_by_a_merge_is_found_at_the_beginning_of_a_line_only() -> None:
    assert find_conflict("a\n=======\nb") == 2
    assert find_conflict("a\r\n>>>>>>> theirs\r\n") == 2
    assert find_conflict("a: =======\n ======= \n========\n") == 0


@given(st.text(st.characters(codec="utf-8")) | st.text("ab:-[]{},'\"#&*!|>%@ \n\t?", max_size=60))
def test_arbitrary_text_is_read_or_refused(text: str) -> None:
    line = 0
    try:
        parse_documents(text)
    except NotYamlError as error:
        line = error.line
    assert 0 <= line <= len(text) + 1


def test_reading_takes_time_in_proportion_to_the_size() -> None:
    start = time.process_time()
    parse_documents("".join(f"k{i}: {{a: 1, b: [x, y]}}\n" for i in range(20_000)))
    assert time.process_time() - start < 5
