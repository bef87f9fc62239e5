"""URLs of requests: split as httpx splits them, with and without it."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nerq_cli.fetch.request_error import RequestError
from nerq_cli.fetch.url import parse_url

_HOSTS = st.one_of(
    st.sampled_from(
        [
            "registry.example",
            "REGISTRY.example",
            "1.2.3.4",
            "256.1.1.1",
            "01.2.3.4",
            "[::1]",
            "xn--bcher-kva.example",
            "bücher.example",
            "",
            "a..b",
            "u:p@registry.example",
            "-a",
        ]
    ),
    st.text("abcXn-.0129:@[]% é", max_size=12),
)
_PORTS = st.sampled_from(["", ":80", ":443", ":8080", ":0", ":65535", ":65536", ":99999", ":080", ":x", ":"])
_TARGETS = st.text("abZ09/._~-%2fF@=&,:+?#;!$'()*[] \\é\"<>{}|^`\n", max_size=20)


@given(st.sampled_from(["http", "https", "HTTP", "ftp"]), _HOSTS, _PORTS, _TARGETS)
@example("https", "registry.example", "", "")
@example("https", "registry.example", "", "/pypi/demo/1.0/json")
@example("https", "registry.example", ":8443", "/@scope%2fname")
@example("https", "registry.example", "", "/a/../b/./c")
@example("https", "registry.example", "", "/a?b=../c&d=%zz")
@example("https", "registry.example", "", "?")
@example("https", "registry.example", "", "/a?")
@example("https", "registry.example", "", "/a\n")
def test_a_url_is_split_as_httpx_splits_it(scheme: str, host: str, port: str, target: str) -> None:
    text = f"{scheme}://{host}{port}{target}"
    try:
        expected = httpx.URL(text)
        address = (expected.host, expected.port, expected.netloc.decode("ascii"))
    except (httpx.InvalidURL, ValueError):
        with pytest.raises(RequestError, match="cannot be parsed"):
            parse_url(text)
        return
    url = parse_url(text)
    assert (url.host, url.port, url.netloc) == address
    assert (url.scheme, url.raw_host, url.target) == (expected.scheme, expected.raw_host, expected.raw_path)
    assert url.user_info == ((expected.username, expected.password) if expected.userinfo else ())


def test_the_longest_url_is_that_of_httpx() -> None:
    with pytest.raises(RequestError):
        parse_url("https://registry.example/" + "a" * 65_536)


def test_a_redirect_is_relative_to_its_url() -> None:
    url = parse_url("https://registry.example:8443/a/b?c")
    assert url.join("../d%20e").text == "https://registry.example:8443/d%20e"
    assert url.join("//other.example/x").netloc == "other.example"
    with pytest.raises(ValueError, match=r".+"):
        url.join("http://registry.example:port/")


def test_plain_urls_are_split_without_httpx() -> None:
    code = (
        "import sys\n"
        "from nerq_cli.fetch.url import parse_url\n"
        "for text in ('http://127.0.0.1:8080/pypi/a.b-c_d/1.0/json', 'https://registry.example/@a%2fb?x=1,2'):\n"
        "    parse_url(text)\n"
        "sys.exit('httpx' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603
