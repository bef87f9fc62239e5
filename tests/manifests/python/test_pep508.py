from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from nerq_cli.manifests.python.pep508 import (
    MAX_DEPTH,
    MAX_LENGTH,
    NotASpecifierError,
    Specifier,
    parse_specifier,
    validate_marker,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("requests", Specifier(name="requests")),
        ("  Zope.Interface  ", Specifier(name="Zope.Interface")),
        ("requests>=2, <3", Specifier(name="requests", version=">=2, <3")),
        ("requests (>=2,<3)", Specifier(name="requests", version=">=2,<3")),
        ("requests[socks, b ] ~= 2.1", Specifier(name="requests", extras=("b", "socks"), version="~= 2.1")),
        ("a[]==1.0", Specifier(name="a", version="==1.0")),
        ("a===x-y", Specifier(name="a", version="===x-y")),
        ("a>=1; os_name == 'nt' ", Specifier(name="a", version=">=1", marker="os_name == 'nt'")),
        ("a;python_version<'3.9'", Specifier(name="a", marker="python_version<'3.9'")),
        ("a @ https://h/x;y.whl", Specifier(name="a", url="https://h/x;y.whl", skip_reason="URL: https://h/x;y.whl")),
        (
            "a[b] @ git+https://h/x@v1 ; os_name=='nt'",
            Specifier(
                name="a",
                extras=("b",),
                url="git+https://h/x@v1",
                marker='os_name == "nt"',
                skip_reason="git: https://h/x @ v1",
            ),
        ),
    ],
)
def test_a_specifier_is_taken_apart_with_version_and_marker_as_written(text: str, parts: Specifier) -> None:
    assert parse_specifier(text) == parts


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("", "package name", 0),
        ("requests^2", "expected", 8),
        ("requests 2.0", "expected", 9),
        ("requests>=2;", "marker", 12),
        ("requests; python_versio > '3'", "marker", 10),
        ("-r other.txt", "package name", 0),
        ("./path", "package name", 0),
        ("a @ ", "URL", 4),
        ("a; os_name == '\\d'", "backslash", 15),
        ("a;" + "(" * 3_000, "nested", 2 + MAX_DEPTH),
        ("a;" + "(" * 199 + "os_name == 'nt'" + ")" * 199, "nested", 2 + MAX_DEPTH),
        ("a @ https://example.org/a.whl ;" + "(" * 3_000, "nested", 31 + MAX_DEPTH),
        ("a" * (MAX_LENGTH + 1), "longer", 0),
    ],
)
def test_what_is_no_specifier_is_refused_with_the_place(text: str, message: str, offset: int) -> None:
    with pytest.raises(NotASpecifierError, match=message) as caught:
        parse_specifier(text)
    assert caught.value.offset == offset
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "hint"), [("a^1", "Poetry"), ("a ~1", "Poetry"), ("-e x", "options"), ("a 1", "order")]
)
def test_the_hint_fits_the_mistake(text: str, hint: str) -> None:
    with pytest.raises(NotASpecifierError) as caught:
        parse_specifier(text)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("(" * 3_000, "nested"),
        ("x" * (MAX_LENGTH + 1), "longer"),
        (r"'\x' == os_name", "backslash"),
        ("", "expected a marker variable"),
    ],
)
def test_what_is_no_marker_is_refused_in_one_line(marker: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        validate_marker(marker)
    assert "\n" not in str(caught.value)


@given(st.text() | st.text(alphabet="ab1.-_[],;()<>=!~@ '\"\\^/:" + "\ud800"))
@settings(deadline=None)
def test_any_text_is_a_specifier_or_refused(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            name = parse_specifier(text).name
        except NotASpecifierError:
            return
    assert name in text


@given(
    st.text(alphabet="abZ0189.-_=", max_size=14) | st.from_regex(r"[A-Za-z0-9._-]{1,8}==[0-9.]{1,9}", fullmatch=True)
)
@settings(deadline=None)
def test_a_pin_is_read_as_the_library_reads_it(text: str) -> None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        with pytest.raises(NotASpecifierError):
            parse_specifier(text)
        return
    found = parse_specifier(text)
    assert (found.name, found.extras, found.marker, found.url) == (requirement.name, (), "", "")
    assert SpecifierSet(found.version) == requirement.specifier
    assert text == found.name + found.version


@pytest.mark.parametrize("text", ["a==1\n", "a==\u0661", "é==1", "a==1.", "a==.1", "-a==1", "a-==1", "a==1=="])
def test_what_resembles_a_pin_is_left_to_the_library(text: str) -> None:
    try:
        expected: object = Requirement(text).name
    except InvalidRequirement:
        expected = NotASpecifierError
    try:
        found: object = parse_specifier(text).name
    except NotASpecifierError as error:
        found = type(error)
    assert found == expected
