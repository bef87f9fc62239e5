"""Certificates of the system, of the environment and of the configuration, tried on a TLS server."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import truststore

from nerq_cli.errors import ConfigError
from nerq_cli.fetch import certificates
from nerq_cli.fetch.ca_bundle import CaBundle
from nerq_cli.fetch.certificates import CERTIFICATE_VARIABLES, create_ssl_context
from nerq_cli.fetch.http_client import HttpClient
from nerq_cli.fetch.request_error import RequestError
from nerq_cli.fetch.source import Endpoint, Request

FILE_VARIABLES = [name for name in CERTIFICATE_VARIABLES if name != "SSL_CERT_DIR"]


def get(host: str, bundles: Sequence[CaBundle] = ()) -> bytes:
    """Request the server."""
    client = HttpClient(user_agent="test", timeout=20, ca_bundles=bundles)
    client.open_host(f"https://{host}")
    request: Request[Any] = Request(url=f"https://{host}/", subjects=(), endpoint=Endpoint(url=f"https://{host}"))
    try:
        return client.send(request, limit=1000, deadline=float("inf"), on_request=lambda: None).body
    finally:
        client.close()


def test_a_certificate_of_an_unknown_authority_is_refused_with_the_settings_that_can_name_it(
    secure: tuple[str, Path],
) -> None:
    host, _ = secure
    with pytest.raises(RequestError, match=rf"^{host}: TLS certificate not trusted \(self") as raised:
        get(host)
    for name in (*FILE_VARIABLES, "pip's cert", "npm's cafile"):
        assert name in str(raised.value)


def test_the_settings_that_name_certificates_are_named_where_those_do_not_help(
    secure: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host, _ = secure
    other = _make_authority(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    bundle = CaBundle(origin="pip.conf (~/.pip/pip.conf)", path=str(other))
    with pytest.raises(RequestError, match=r"nor those that REQUESTS_CA_BUNDLE, pip\.conf .* names$"):
        get(host, [bundle])


def _make_authority(folder: Path) -> Path:
    path, key = folder / "other.pem", folder / "other.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=other", "-keyout", str(key), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - the test's own words
    return path


@pytest.mark.parametrize("variable", CERTIFICATE_VARIABLES)
def test_certificates_that_a_variable_names_are_trusted_beside_those_of_the_system(
    secure: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    host, certificate = secure
    system_count = create_ssl_context().cert_store_stats()["x509_ca"]
    monkeypatch.setenv(variable, str(certificate.parent if variable == "SSL_CERT_DIR" else certificate))
    assert get(host) == b'{"name":"secure"}'
    if isinstance(create_ssl_context(), truststore.SSLContext):
        return  # it loads those of the system with each handshake
    assert create_ssl_context().cert_store_stats()["x509_ca"] == system_count + 1


def test_certificates_of_several_settings_are_all_trusted(
    secure: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host, certificate = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(_make_authority(tmp_path)))
    assert get(host, [CaBundle(origin=".npmrc", pem=certificate.read_text())])
    assert get(host, [CaBundle(origin=".npmrc", path=str(certificate))])


@pytest.mark.parametrize("is_hashed", [False, True])
def test_a_directory_of_certificates_needs_no_hashed_names(secure: tuple[str, Path], *, is_hashed: bool) -> None:
    host, certificate = secure
    if is_hashed:
        command = ["openssl", "x509", "-hash", "-noout", "-in", str(certificate)]
        name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603
        shutil.move(certificate, certificate.with_name(f"{name}.0"))
    assert get(host, [CaBundle(origin="here", path=str(certificate.parent))])


@pytest.mark.parametrize("variable", CERTIFICATE_VARIABLES)
def test_a_bundle_that_does_not_exist_is_a_mistake_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigError, match=r"missing\.pem") as raised:
        create_ssl_context()
    assert raised.value.hint == f"{variable} names it"


def _make_empty(path: Path) -> CaBundle:
    path.touch()
    return CaBundle(origin="here", path=str(path))


def _make_text(path: Path) -> CaBundle:
    path.write_text("no certificate\n")
    return CaBundle(origin="here", path=str(path))


def _make_directory(path: Path) -> CaBundle:
    path.mkdir()
    (path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    (path / "readme").touch()
    return CaBundle(origin="here", path=str(path))


@pytest.mark.parametrize("make", [_make_empty, _make_text, _make_directory])
def test_a_bundle_without_certificates_is_a_mistake_of_the_configuration(
    tmp_path: Path, make: Callable[[Path], CaBundle]
) -> None:
    bundle = make(tmp_path / "bundle")
    with pytest.raises(ConfigError, match=r"no certificates can be read from .*bundle") as raised:
        create_ssl_context([bundle])
    assert raised.value.hint == "here names it"
    with pytest.raises(ConfigError, match="the text of a setting"):
        create_ssl_context([CaBundle(origin="here", pem="words")])


def test_truststore_is_used_where_openssl_does_not_find_the_certificates_of_the_system(
    secure: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, certificate = secure
    bundle = CaBundle(origin="here", path=str(certificate))
    monkeypatch.setattr(sys, "platform", "darwin")
    certificates._load_openssl_context.cache_clear()  # noqa: SLF001 - needs a Mac otherwise
    assert isinstance(create_ssl_context([bundle]), truststore.SSLContext)
    assert get(host, [bundle])
    certificates._load_openssl_context.cache_clear()  # noqa: SLF001
