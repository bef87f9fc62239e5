"""``nerq check``: single packages, named by a person."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from nerq_cli import targets
from nerq_cli.errors import UsageError

AS_OF = ("--as-of", "2026-11-21")
Nerq = Callable[..., Any]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("requests==2.19.1", [("PyPI", "requests", "==2.19.1")]),
        ("requests>=2,<3", [("PyPI", "requests", ">=2,<3")]),
        ("Requests[socks]>=2", [("PyPI", "Requests", ">=2")]),
        ("requests[socks, use_chardet]", [("PyPI", "requests", "")]),
        ("pypi:requests", [("PyPI", "requests", "")]),
        ("pypi:requests==2.0", [("PyPI", "requests", "==2.0")]),
        ("pypi:requests@2.0", [("PyPI", "requests", "==2.0")]),
        ("npm:lodash@4.17.15", [("npm", "lodash", "4.17.15")]),
        ("lodash@^4", [("npm", "lodash", "^4")]),
        ("flask@3.0.0", [("PyPI", "flask", "==3.0.0"), ("npm", "flask", "3.0.0")]),
        ("@babel/core", [("npm", "@babel/core", "")]),
        ("npm:@babel/core@7.0.0", [("npm", "@babel/core", "7.0.0")]),
        ("pkg:pypi/requests@2.19.1", [("PyPI", "requests", "==2.19.1")]),
        ("pkg:npm/%40babel/core@7.0.0", [("npm", "@babel/core", "7.0.0")]),
        ("requests", [("PyPI", "requests", ""), ("npm", "requests", "")]),
    ],
)
def test_a_target_names_a_package(text: str, meant: list[tuple[str, str, str]]) -> None:
    assert [(one.ecosystem, one.name, one.requirement) for one in targets.parse_target(text)] == meant


@pytest.mark.parametrize(
    "text",
    ["", "two words", "pkg:cargo/serde@1", "pkg:", "pypi:", "pypi:@x", "requests==not a version", "../up", "npm:a b"],
)
def test_what_names_no_package_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        targets.parse_target(text)
    assert refused.value.hint


def test_a_long_version_is_judged_in_no_time() -> None:
    begun = time.process_time()
    for version in ("1" * 50_000, "1" * 50_000 + " !"):
        with suppress(UsageError):  # older releases of `packaging` read no number of so many digits
            assert targets.parse_target(f"demo@{version}")[-1].ecosystem == "npm"
    assert time.process_time() - begun < 2


def test_the_card_shows_every_signal_with_its_weight_and_source(nerq: Nerq, registry: Any) -> None:
    registry.pypi("demo", "1.0", "2.0")
    result = nerq("check", "demo==1.0", *AS_OF)
    assert result.status == 0
    for words in ("demo", "1.0", "2.0", "Security", "known advisories", "last stable release", "licence", "PyPI"):
        assert words.lower() in result.out.lower()


def test_a_bare_name_in_one_ecosystem_is_that_one(nerq: Nerq, registry: Any) -> None:
    registry.most_used()
    registry.pypi("demo", "1.0", "2.0")
    result = nerq("check", "demo", *AS_OF)
    assert result.status == 0
    assert "demo" in result.out


def test_a_bare_name_in_two_ecosystems_is_a_question_with_both_answers(nerq: Nerq, registry: Any) -> None:
    registry.pypi("demo", "1.0", "2.0")
    registry.npm("demo", "1.0.0", "3.0.0")
    result = nerq("check", "demo", *AS_OF)
    assert result.status == 2
    assert "nerq check pypi:demo" in result.err
    assert "nerq check npm:demo" in result.err
    assert "2.0" in result.out
    assert "3.0.0" in result.out
    as_json = nerq("check", "demo", *AS_OF, "--format", "json")
    assert {one["version"] for one in as_json.json["dependencies"]} == {"2.0", "3.0.0"}
    assert "3.0.0" in as_json.err


def test_a_bare_name_is_not_settled_while_one_registry_is_silent(nerq: Nerq, registry: Any) -> None:
    registry.pypi("demo", "1.0", "2.0")
    registry.site.on("/demo", {"status": 500})
    result = nerq("check", "demo", *AS_OF, "--timeout", "5")
    assert result.status == 2
    assert "no usable answer" in result.err


def test_an_unknown_name_gets_a_card_that_explains(nerq: Nerq, registry: Any) -> None:
    registry.most_used()
    result = nerq("check", "pypi:no-such-thing", *AS_OF)
    assert result.status == 2
    assert "exit 2: no-such-thing: there is no such package on PyPI" in result.err
    assert "not found" in result.out
    report = nerq("check", "pypi:no-such-thing", *AS_OF, "--format", "json").json
    assert [one["id"] for one in report["findings"]] == ["not-on-index", "score-unknown"]


def test_a_card_is_json_too(nerq: Nerq, registry: Any) -> None:
    registry.pypi("demo", "1.0", "2.0")
    report = nerq("check", "demo==2.0", *AS_OF, "--format", "json").json
    assert [one["name"] for one in report["dependencies"]] == ["demo"]
    assert len(report["dependencies"][0]["signals"]) == 25


def test_several_targets_are_checked_in_one_run(nerq: Nerq, registry: Any) -> None:
    registry.pypi("demo", "2.0")
    registry.npm("left", "1.0.0")
    result = nerq("check", "pypi:demo", "npm:left", *AS_OF)
    assert "demo" in result.out
    assert "left" in result.out


def test_a_private_name_is_not_asked_about_anywhere(nerq: Nerq, registry: Any, project: Any) -> None:
    (project / "nerq.toml").write_text('private = ["acme-*"]\n')
    result = nerq("check", "acme-billing", *AS_OF)
    assert result.status == 0
    assert "private name" in result.out
    assert registry.paths == []


def test_the_reason_of_a_status_that_is_not_0_is_on_stderr(nerq: Nerq, registry: Any, project: Any) -> None:
    registry.most_used()
    result = nerq("check", "pypi:nosuchpkg-xyzzy-123", *AS_OF)
    assert result.status == 2
    assert "\nexit 2: " in f"\n{result.err}"
    assert "exit 2" not in nerq("check", "pypi:nosuchpkg-xyzzy-123", *AS_OF, "--quiet").err


def test_a_version_that_does_not_exist_was_not_judged_and_that_is_said(nerq: Nerq, registry: Any, project: Any) -> None:
    registry.pypi("demo", "1.0", "2.0")
    for options in ([], ["--strict"]):
        result = nerq("check", "pypi:demo==99", *AS_OF, *options)
        assert (result.status, result.err) == (2, "exit 2: demo==99: no version 99 of demo exists\n")
        assert "demo 99 could not be judged" in result.out
    assert "judged" not in nerq("check", "pypi:demo==2.0", *AS_OF).err
