"""Tokens: their file, when it changes, and the requests that have none or a wrong one."""

from __future__ import annotations

import base64
import http.client
import os
import time
from hashlib import sha256
from pathlib import Path

import pytest

from nerq_cli.errors import ConfigError, UsageError
from nerq_cli.serve import tokens
from nerq_cli.serve.tokens import TokenFile, append_token, create_token, read_credentials, read_tokens
from tests.serve.operation.conftest import Serve, wait_until

TOKEN = "nerq_a-token-of-the-tests"  # noqa: S105 - of the tests
OTHER = "nerq_another-token"


def make_line(name: str, token: str, *more: str) -> str:
    return " ".join([name, f"sha256:{sha256(token.encode()).hexdigest()}", *more])


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    path.chmod(0o600)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "tokens", "# name, hash, requests a minute", "", make_line("ci", TOKEN))


@pytest.fixture(autouse=True)
def quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_RECHECK_SECONDS", 0.0)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_created_token_is_found_by_its_line(tmp_path: Path) -> None:
    token, line = create_token("team-a")
    assert token.startswith("nerq_")
    assert len(token) > 40
    assert token not in line
    path = write(tmp_path / "tokens", line)
    found = TokenFile(path, print).find(token)
    assert found is not None
    assert found.name == "team-a"
    assert TokenFile(path, print).find(token + "x") is None


def test_no_two_tokens_are_equal() -> None:
    assert create_token("a")[0] != create_token("a")[0]


@pytest.mark.parametrize("name", ["", "two words", "#comment", "a" * 65, "névé", "-a", "a\n"])
def test_a_name_that_cannot_stand_in_the_file_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        create_token(name)


def test_a_line_is_added_to_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    append_token(path, create_token("a")[1])
    path.write_text(path.read_text().rstrip("\n"))  # an editor left the last line open
    append_token(path, create_token("b")[1])
    assert [token.name for token in read_tokens(path)[0]] == ["a", "b"]
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="named b already"):
        append_token(path, create_token("b")[1])
    with pytest.raises(ConfigError, match="cannot be changed"):
        append_token(tmp_path / "none" / "tokens", create_token("b")[1])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ci", "not a token"),
        ("ci nerq_plain-token", "not a token"),
        (f"ci sha256:{'0' * 63}", "not a token"),
        (f"ci sha256:{'G' * 64}", "not a token"),
        (make_line("ci", OTHER, "0"), "requests a minute"),
        (make_line("ci", OTHER, "-1"), "requests a minute"),
        (make_line("ci", OTHER, "10", "x"), "not a token"),
        (make_line("first", OTHER), "earlier line"),
        (make_line("other", TOKEN), "earlier line"),
    ],
)
def test_a_line_that_is_no_token_is_named_with_its_number(tmp_path: Path, line: str, reason: str) -> None:
    path = write(tmp_path / "tokens", make_line("first", TOKEN), line)
    with pytest.raises(ConfigError, match=reason) as caught:
        read_tokens(path)
    assert f"{path}:2: " in str(caught.value)
    assert "nerq_plain-token" not in str(caught.value)


def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        TokenFile(tmp_path / "none", print)
    with pytest.raises(ConfigError, match="cannot be read"):
        TokenFile(tmp_path, print)
    with pytest.raises(ConfigError, match="there is no token in it"):
        TokenFile(write(tmp_path / "empty", "# nothing"), print)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        TokenFile(binary, print)
    large = write(tmp_path / "large", "#" * (1 << 20))
    with pytest.raises(ConfigError, match="more than"):
        TokenFile(large, print)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_that_others_can_change_is_refused(path: Path, serve: Serve) -> None:
    for mode in (0o620, 0o602, 0o666):
        path.chmod(mode)
        with pytest.raises(ConfigError, match="other users can change") as caught:
            TokenFile(path, print)
        assert caught.value.hint.startswith("chmod 600")
    path.chmod(0o644)
    served = serve(tokens=path)
    assert any("every user can read" in event["message"] for event in served.find_events("tokens"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_refused(path: Path) -> None:
    os.chown(path, 12_345, 12_345)
    with pytest.raises(ConfigError, match="belongs to another user"):
        TokenFile(path, print)


def test_requests_need_a_token(path: Path, serve: Serve) -> None:
    served = serve(tokens=path)
    reply = served.ask("/packages/demo")
    assert (reply.status, reply.headers["content-type"]) == (401, "application/problem+json")
    assert reply.headers["www-authenticate"] == 'Bearer realm="nerq"'
    assert served.ask("/version").status == 401
    assert served.ask("/none").status == 401
    assert served.ask("/packages/demo", bearer(TOKEN)).body == b"demo"
    assert served.ask("/packages/demo", {"Authorization": f"bearer  {TOKEN}"}).body == b"demo"
    assert served.ask("/healthz").status == served.ask("/readyz").status == 200
    wait_until(lambda: len(served.find_events("request")) == 5)
    assert [event.get("token") for event in served.find_events("request")] == [None, None, None, "ci", "ci"]
    assert TOKEN not in served.log_text


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer ",
        "Bearer",
        f"Token {TOKEN}",
        TOKEN,
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xff").decode(),
        f"Bearer {'x' * 10_000}",
        "Bearer sha256:" + sha256(TOKEN.encode()).hexdigest(),
    ],
)
def test_a_wrong_token_is_refused(path: Path, serve: Serve, header: str) -> None:
    served = serve(tokens=path)
    reply = served.ask("/packages/demo", {"Authorization": header})
    assert reply.status == 401
    assert 'error="invalid_token"' in reply.headers["www-authenticate"]


def test_a_browser_is_asked_for_the_token_as_a_password(path: Path, serve: Serve) -> None:
    served = serve(tokens=path)
    assert "Basic realm=" in served.ask("/", {"Accept": "text/html,*/*"}).headers["www-authenticate"]
    password = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
    assert served.ask("/packages/demo", {"Authorization": f"Basic {password}"}).status == 200


def test_credentials_without_a_header_are_none() -> None:
    assert read_credentials(None) is None
    assert read_credentials("Basic " + base64.b64encode(b"no colon").decode()) == ""


def test_an_address_that_guesses_is_slowed_down_and_the_right_token_is_not(path: Path, serve: Serve) -> None:
    served = serve(tokens=path)
    statuses = [served.ask("/packages/demo", bearer("wrong")).status for _ in range(62)]
    assert statuses[:60] == [401] * 60
    assert statuses[-1] == 429
    assert served.ask("/packages/demo", bearer(TOKEN)).status == 200


def test_each_token_has_a_rate_of_its_own(tmp_path: Path, serve: Serve) -> None:
    path = write(tmp_path / "tokens", make_line("slow", TOKEN, "1"), make_line("usual", OTHER))
    served = serve(tokens=path, rate=3)
    assert [served.ask("/packages/demo", bearer(TOKEN)).status for _ in range(2)] == [200, 429]
    assert [served.ask("/packages/demo", bearer(OTHER)).status for _ in range(4)] == [200, 200, 200, 429]


def test_a_changed_file_is_read_again(path: Path, serve: Serve) -> None:
    served = serve(tokens=path)
    assert served.ask("/packages/demo", bearer(OTHER)).status == 401
    write(path, make_line("ci", TOKEN), make_line("new", OTHER))
    assert served.ask("/packages/demo", bearer(OTHER)).status == 200
    write(path, make_line("new", OTHER))
    assert served.ask("/packages/demo", bearer(TOKEN)).status == 401
    assert served.ask("/packages/demo", bearer(OTHER)).status == 200
    write(path, "# all are withdrawn")
    assert served.ask("/packages/demo", bearer(OTHER)).status == 401


def test_a_file_that_becomes_unusable_changes_nothing_and_is_reported_once(path: Path, serve: Serve) -> None:
    served = serve(tokens=path)
    write(path, make_line("ci", TOKEN), "half a li")
    assert [served.ask("/packages/demo", bearer(TOKEN)).status for _ in range(3)] == [200, 200, 200]
    assert len(served.find_events("tokens")) == 1
    assert "stay valid" in served.find_events("tokens")[0]["message"]
    path.unlink()
    assert [served.ask("/packages/demo", bearer(TOKEN)).status for _ in range(3)] == [200, 200, 200]
    assert len(served.find_events("tokens")) == 2
    write(path, make_line("new", OTHER))
    assert served.ask("/packages/demo", bearer(TOKEN)).status == 401
    assert served.ask("/packages/demo", bearer(OTHER)).status == 200


def test_the_file_is_not_looked_at_for_each_request(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_RECHECK_SECONDS", 60.0)
    file = TokenFile(path, print)
    write(path, make_line("new", OTHER))
    assert file.find(TOKEN) is not None
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)
    assert file.find(TOKEN) is None


def test_the_management_port_needs_a_token_where_others_reach_it(path: Path, serve: Serve) -> None:
    served = serve(tokens=path)
    assert served.ask("/metrics", port=served.management_port).status == 200
    served = serve(tokens=path, host="0.0.0.0", management_host="0.0.0.0")  # noqa: S104 - with tokens
    assert served.ask("/metrics", port=served.management_port).status == 401
    assert served.ask("/metrics", bearer(TOKEN), port=served.management_port).status == 200
    assert served.ask("/healthz", port=served.management_port).status == 200
    assert served.ask("/packages/demo", {**bearer(TOKEN), "Host": "any.example"}).status == 200


def test_a_refused_request_with_a_body_leaves_its_connection_usable(path: Path, serve: Serve) -> None:
    served = serve(tokens=path)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    for token, status in (("wrong", 401), (TOKEN, 200), ("", 401), (TOKEN, 200)):
        connection.request("POST", "/echo", b"x" * 200_000, bearer(token))
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (status, True)
    connection.close()
