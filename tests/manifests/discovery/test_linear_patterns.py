"""Ignore patterns with many wildcards match as git does, and in linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.manifests.discovery.gitignore import LinearPattern, compile_rules, is_ignored, rewrite_line

SEGMENTS = st.sampled_from(["a", "b", "*", "a*", "*b", "?", "[ab]", "**"])
PATTERNS = st.builds(
    lambda negated, anchored, segments, ending: f"{negated}{anchored}{'/'.join(segments)}{ending}",
    st.sampled_from(["", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(SEGMENTS, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "c"]), min_size=1, max_size=4).map("/".join)


@given(PATTERNS, PATHS, st.sampled_from(["", "/"]))
def test_it_matches_what_the_library_matches(pattern: str, path: str, ending: str) -> None:
    from pathspec import GitIgnoreSpec

    pattern = rewrite_line(pattern)
    expected = GitIgnoreSpec.from_lines([pattern]).patterns[0]
    linear = LinearPattern(pattern)
    assert linear.include == expected.include
    assert (linear.match_file(path + ending) is not None) == (expected.match_file(path + ending) is not None)


@pytest.mark.parametrize(
    "pattern", ["*a*a*a*a*a*a*a*a*b", "**/a/**/a/**/a/**/a/**/b", "x/*a*a*a*a*a*a*a*b/y", "*" * 5_000 + "b"]
)
def test_many_wildcards_take_no_time(pattern: str) -> None:
    rules = compile_rules("/top", [pattern])
    started_at = time.monotonic()
    for path in ("a" * 250, "/".join("a" * 60), f"x/{'a' * 240}/z"):
        assert not is_ignored([rules], f"/top/{path}")
    assert time.monotonic() - started_at < 1


def test_the_order_of_lines_and_negations_counts() -> None:
    rules = compile_rules("/top", ["*a*a*a*.txt", "!*a*a*a*keep.txt"])
    assert is_ignored([rules], "/top/aaa.txt")
    assert not is_ignored([rules], "/top/aaakeep.txt")
    assert not is_ignored([rules], "/top/aa.txt")


TREE = ("f", "a/", "a/f", "a/b/", "a/b/f", "c/", "c/f")
EVERYTHING = set(TREE)


@pytest.mark.parametrize(
    ("pattern", "ignored"),  # as `git check-ignore` has them
    [
        ("**", EVERYTHING),
        ("/**", EVERYTHING),
        ("/**/**", EVERYTHING),
        ("/**/**/**", EVERYTHING),
        ("**/", EVERYTHING - {"f"}),
        ("/**/", EVERYTHING - {"f"}),
        ("**/**/", EVERYTHING - {"f"}),
        ("/**/**/", EVERYTHING - {"f"}),
        ("/**/**/**/", EVERYTHING - {"f"}),
        ("a/**", {"a/f", "a/b/", "a/b/f"}),
        ("a/**/", {"a/b/", "a/b/f"}),
        ("a/**/**/", {"a/b/", "a/b/f"}),
        ("a/**/f", {"a/f", "a/b/f"}),
        ("a/**/**/f", {"a/f", "a/b/f"}),
        ("/**/**/f", {"f", "a/f", "a/b/f", "c/f"}),
    ],
)
def test_directories_at_any_depth_match_as_in_git(pattern: str, ignored: set[str]) -> None:
    rules = [compile_rules("/top", [pattern])]

    def is_listed(path: str) -> bool:
        parts = path.rstrip("/").split("/")
        parents = ("/".join(parts[:count]) for count in range(1, len(parts)))
        return is_ignored(rules, f"/top/{path.rstrip('/')}", directory=path.endswith("/")) or any(
            is_ignored(rules, f"/top/{parent}", directory=True) for parent in parents
        )

    assert {path for path in TREE if is_listed(path)} == ignored
