"""Patterns are compiled on first use, and all of them can be compiled."""

from __future__ import annotations

import pkgutil
import re

import pytest

import nerq_cli
from nerq_cli.patterns import LatePattern, compile_late
from tests.conftest import import_or_skip

MODULES = [module.name for module in pkgutil.walk_packages(nerq_cli.__path__, "nerq_cli.")]


def test_a_late_pattern_does_what_a_compiled_one_does() -> None:
    late = compile_late("(?P<name>a+)b", re.IGNORECASE)
    assert late.fullmatch("AAB")
    assert not late.match("b")
    assert late.sub("x", "zab") == "zx"
    assert late.groupindex == {"name": 1}


def test_it_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []

    def count(pattern: str, flags: int = 0) -> re.Pattern[str]:
        compiled.append(pattern)
        return original(pattern, flags)

    original = re.compile
    monkeypatch.setattr(re, "compile", count)
    late = compile_late("c+d")
    assert compiled == []
    assert [bool(late.match("cd")) for _ in range(3)] == [True] * 3
    assert compiled == ["c+d"]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_the_patterns_of_each_module_can_be_compiled(name: str) -> None:
    for value in vars(import_or_skip(name)).values():
        if isinstance(value, LatePattern):
            assert isinstance(value.pattern, str | bytes)
