from __future__ import annotations

from contextlib import suppress
from time import perf_counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerq_cli.errors import ResponseError
from nerq_cli.sources import text as text_module
from nerq_cli.sources.text import (
    clean_text,
    clean_url,
    decode_json,
    decode_list,
    decode_optional,
    hash_account,
    is_version,
    measure_readme,
    parse_count,
    parse_forge_url,
    parse_repository_url,
    parse_timestamp,
    repair_unicode,
    select_homepage,
    split_list,
)

ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Any)
NUMBER = msgspec.json.Decoder(int)


# --- JSON


def test_half_a_character_does_not_spoil_the_rest() -> None:
    assert decode_json(ANYTHING, rb'{"readme": "cut \ud83d", "name": "demo"}') == {
        "readme": "cut \ufffd",
        "name": "demo",
    }


def test_a_whole_character_in_two_escapes_stays() -> None:
    assert decode_json(ANYTHING, rb'"\ud83d\ude00"') == "😀"


def test_an_escaped_backslash_before_a_u_is_no_character() -> None:
    assert decode_json(ANYTHING, rb'"\\ud83d \ud83d"') == "\\ud83d \ufffd"


def test_bytes_that_are_no_unicode_are_replaced() -> None:
    assert decode_json(ANYTHING, b'"caf\xe9 \xc3\xa9"') == "caf\ufffd é"


@given(st.text())
def test_mending_leaves_sound_json_as_it_is(text: str) -> None:
    assert decode_json(ANYTHING, msgspec.json.encode(text)) == text
    assert repair_unicode(msgspec.json.encode(text)) == msgspec.json.encode(text)


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"[" * 100_000, b"9" * 10_000, b"\xff\xfe", b"<html>"])
def test_what_is_no_json_is_an_answer_error(body: bytes) -> None:
    with pytest.raises(ResponseError):
        decode_json(ANYTHING, body)


@given(st.binary())
def test_nothing_but_an_answer_error_leaves_decoding(body: bytes) -> None:
    with suppress(ResponseError):
        decode_json(ANYTHING, body)


def test_a_part_of_another_shape_is_none() -> None:
    assert decode_optional(NUMBER, b'"x"') is None
    assert decode_optional(NUMBER, b"[" * 100_000) is None
    assert decode_optional(NUMBER, b"3") == 3


def test_members_of_another_shape_are_left_out() -> None:
    assert decode_list(NUMBER, b'[1, "x", null, 2]') == [1, 2]
    assert decode_list(NUMBER, b'{"a": 1}') == []
    assert split_list(b"7") is None


# --- prose


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("plain text", "plain text"),
        ("\x1b[31mred\x1b[0m alert", "red alert"),
        ("\x1b]8;;https://evil.example\x07click\x1b]8;;\x1b\\ here", "click here"),
        ("\x9b31mred \x1bMup", "red up"),
        ("safe\u202egnp.exe\u2066\u200b\u2069", "safegnp.exe"),
        ("two\nlines\tand\u2028more\u00a0space", "two lines and more space"),
        ("bell\x07 null\x00 half\ud800", "bell null half"),
        ("Überraschung 日本語", "Überraschung 日本語"),
        ("   ", ""),
        (None, ""),
        (["list"], ""),
        (7, ""),
    ],
)
def test_prose_is_kept_without_what_a_terminal_would_obey(written: object, kept: str) -> None:
    assert clean_text(written, 100) == kept


def test_prose_is_cut_with_an_ellipsis() -> None:
    assert clean_text("a" * 50, 10) == "aaaaaaaaa…"
    assert clean_text("word " * 50, 11) == "word word…"


@given(st.text(), st.integers(1, 40))
def test_clean_prose_is_printable_short_and_stays_as_it_is(text: str, limit: int) -> None:
    kept = clean_text(text, limit)
    assert kept.isprintable()
    assert len(kept) <= limit
    assert kept == kept.strip()
    assert clean_text(kept, limit) == kept


@pytest.mark.parametrize("hostile", ["\x1b[" * 500_000, "\x1b]" * 500_000, "é " * 500_000, " " * 1_000_000])
def test_a_megabyte_of_nonsense_is_cleaned_at_once(hostile: str) -> None:
    started = perf_counter()
    clean_text(hostile, 200)
    assert perf_counter() - started < 0.5


# --- addresses


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://acme.example/docs?a=1#top", "https://acme.example/docs?a=1#top"),
        (" HTTP://Acme.Example ", "http://acme.example"),
        ("https://user:secret@acme.example/x", "https://acme.example/x"),
        ("https://acme.example:8443/x", "https://acme.example:8443/x"),
        ("javascript:alert(1)", ""),
        ("ftp://acme.example/", ""),
        ("https://acme.example/a b", ""),
        ("https://acme.example/\x1b[31m", ""),
        ('https://acme.example/"><script>', ""),
        ("https://acme.example/" + "a" * 600, ""),
        ("https://", ""),
        ("UNKNOWN", ""),
        (None, ""),
        ({"url": "https://acme.example"}, ""),
    ],
)
def test_only_web_addresses_without_credentials_are_kept(written: object, kept: str) -> None:
    assert clean_url(written) == kept


@given(
    st.from_regex(r"\A(https?)://[a-z0-9.-]{1,6}[a-zA-Z:@\x80\u017f]?(?:[/?#][ -\x80\u2028]{0,6})?\Z"),
    st.sampled_from(["", " ", "a" * 490]),
)
def test_a_clean_address_is_returned_as_the_pattern_of_all_addresses_has_it(address: str, end: str) -> None:
    address += end
    quick = text_module._CLEAN_URL.fullmatch(address)  # noqa: SLF001 - it must accept no more than the other one
    if quick and len(address) <= 500:
        match = text_module._WEB_URL.fullmatch(address)  # noqa: SLF001 - see above
        assert match
        assert clean_url(address) == address == f"{match[1].lower()}://{match[2].lower()}{match[3]}"
        assert address.isprintable()


@pytest.mark.parametrize(
    "written",
    [
        "https://github.com/acme/demo",
        "http://www.github.com/acme/demo/",
        "git+https://github.com/acme/demo.git",
        "git://github.com/acme/demo.git#main",
        "git@github.com:acme/demo.git",
        "ssh://git@github.com/acme/demo.git",
        "git+ssh://git@github.com:22/acme/demo.git",
        "https://ann:token@github.com/acme/demo.git",
        "https://github.com/acme/demo/issues",
        "https://github.com/acme/demo/tree/main/packages/core",
        "https://github.com/acme/demo#readme",
        "acme/demo",
        "github:acme/demo",
        "acme/demo#branch",
    ],
)
def test_a_repository_has_one_address_however_it_is_written(written: str) -> None:
    assert parse_repository_url(written) == "https://github.com/acme/demo"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("gitlab:acme/demo", "https://gitlab.com/acme/demo"),
        ("bitbucket:acme/demo", "https://bitbucket.org/acme/demo"),
        ("gist:0123abc", "https://gist.github.com/0123abc"),
        ("https://gitlab.com/group/sub/demo/-/tree/main", "https://gitlab.com/group/sub/demo"),
        ("https://codeberg.org/acme/demo/src/branch/main", "https://codeberg.org/acme/demo"),
        ("https://git.acme.example:8443/team/demo.git", "https://git.acme.example:8443/team/demo"),
        ("https://git.acme.example/team/demo/issues", "https://git.acme.example/team/demo"),
        ("https://svn.acme.example", "https://svn.acme.example"),
        ("https://github.com/acme", ""),
        ("https://github.com/sponsors/acme", ""),
        ("demo", ""),
        ("./packages/demo", ""),
        ("../demo", ""),
        ("not a repository", ""),
        ("git+https://github.com/acme/demo\x1b[31m.git", ""),
        ("https://github.com/acme/" + "a" * 600, ""),
        (None, ""),
        (["acme/demo"], ""),
    ],
)
def test_a_repository_elsewhere_keeps_its_path_and_what_is_none_is_nothing(written: object, kept: str) -> None:
    assert parse_repository_url(written) == kept


def test_only_hosts_of_repositories_make_a_homepage_a_repository() -> None:
    assert parse_forge_url("https://github.com/acme/demo#readme") == "https://github.com/acme/demo"
    assert parse_forge_url("https://gitlab.com/acme/demo") == "https://gitlab.com/acme/demo"
    assert parse_forge_url("https://acme.github.io/demo") == ""
    assert parse_forge_url("acme/demo") == ""


def test_a_page_of_the_repository_is_no_homepage_of_its_own() -> None:
    assert select_homepage("https://github.com/acme/demo", "https://github.com/acme/demo#readme") == ""
    assert select_homepage("https://github.com/acme/demo", "https://acme.example/") == "https://acme.example/"
    assert select_homepage("", "https://github.com/acme") == "https://github.com/acme"


@given(st.text() | st.from_regex(r"(git\+)?(https?|ssh)://[a-z.@:/#?\[\]%]{1,60}"))
def test_any_text_is_an_address_or_nothing(text: str) -> None:
    for address in (clean_url(text), parse_repository_url(text), parse_forge_url(text)):
        assert address == "" or address.startswith(("https://", "http://"))
        assert address.isprintable()


# --- READMEs


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("word  and\n\nword", 13),
        ("[![build](https://ci.example/b.svg)](https://ci.example)", 0),
        ("![logo](logo.png) ![other][ref] [![x][y]][z]", 0),
        ("a [link](https://acme.example)", 30),
        ("<h1 align=center>Title</h1><img src=x>", 5),
        ("a < b and c > d", 15),
        ("before\n```python\nprint()\n```\nafter", 12),
        ("before\n~~~\n```\n~~~\nafter", 12),
        ("before\n```\nnever closed\n", 6),
        ("``` \n```` no end\n```\nafter", 5),
        ("kept <!-- not\nkept --> too", 8),
        ("kept <!-- never closed", 4),
        (".. image:: https://ci.example/b.svg\n   :target: https://ci.example\n   :alt: build\ntext", 4),
        (".. |badge| image:: https://ci.example/b.svg\n\n:field: list", 12),
    ],
)
def test_a_readme_is_measured_without_what_is_not_read(text: str, length: int) -> None:
    assert measure_readme(text) == length


@pytest.mark.parametrize("piece", ["![", "[", "<a", "<!--", "```\n", "`", "[![](", "~~~x\n", " :a: ", ".. image:: "])
def test_a_hostile_readme_is_measured_at_once(piece: str) -> None:
    started = perf_counter()
    measure_readme(piece * 300_000)
    assert perf_counter() - started < 1


@given(st.text())
def test_a_readme_never_measures_more_than_it_has(text: str) -> None:
    assert 0 <= measure_readme(text) <= len(text)


# --- moments, versions, accounts


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-04-21T08:00:00.000000Z", 1_776_758_400),
        ("2026-04-21T08:00:00", 1_776_758_400),
        ("2026-04-21T10:00:00+02:00", 1_776_758_400),
        ("1969-01-01T00:00:00Z", 0),
        ("yesterday", 0),
        (1_776_758_400, 0),
        (None, 0),
    ],
)
def test_a_moment_without_a_zone_is_utc_and_what_is_none_is_zero(written: object, moment: int) -> None:
    assert parse_timestamp(written) == moment


def test_versions_are_short_and_plain() -> None:
    assert is_version("1!2.0.post1+local-1")
    assert is_version("2.0.0-rc.1")
    for other in ("", "1.0 beta", "1.0\x1b[31m", "../1.0", "1" * 200, 1.0, None):
        assert not is_version(other)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (0, 0),
        ("12345", 12_345),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (10**400, None),
        (-1, None),
        (True, None),
        ("1e3", None),
        (1.5, None),
        (None, None),
    ],
)
def test_a_count_is_an_integer_of_64_bits(value: object, count: int | None) -> None:
    assert parse_count(value) == count


def test_an_account_has_a_short_tag_of_its_own_on_each_registry() -> None:
    assert hash_account("npm", "ann") == hash_account("npm", "ann")
    assert len({hash_account("npm", "ann"), hash_account("npm", "bob"), hash_account("pypi", "ann")}) == 3
    assert len(hash_account("npm", "ann\ud800")) == 12
