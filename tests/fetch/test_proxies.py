"""The proxy of the environment, and the hosts that NO_PROXY takes from it."""

from __future__ import annotations

import pytest

from nerq_cli.fetch.proxies import find_proxy


@pytest.mark.parametrize(
    ("no_proxy", "host", "is_direct"),
    [
        ("", "10.1.2.3", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3/8", "10.9.9.9", True),
        ("other.example,10.0.0.0/8", "10.1.2.3", True),
        ("other.example 10.0.0.0/8", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("fd00::/8", "fd12::1", True),
        ("fd00::/8", "10.1.2.3", False),
        ("10.0.0.0/8", "fd12::1", False),
        ("10.0.0.0/8", "ten.example", False),
        ("10.0.0.0/99, words", "10.1.2.3", False),
        ("corp.example", "pypi.corp.example", True),
        (".corp.example", "pypi.corp.example", True),
        ("corp.example", "othercorp.example", False),
        ("*", "10.1.2.3", True),
    ],
)
def test_no_proxy_lists_names_addresses_and_networks(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, host: str, *, is_direct: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert find_proxy("https", host) == ("" if is_direct else "http://proxy.example:3128")


def test_one_proxy_may_serve_all_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://all.example")
    monkeypatch.setenv("HTTP_PROXY", "http://plain.example")
    assert [find_proxy(scheme, "pypi.example") for scheme in ("http", "https")] == [
        "http://plain.example",
        "http://all.example",
    ]
