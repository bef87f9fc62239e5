"""Clients that drip, leave, send too much or too often get a clear answer, and the service goes on."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from nerq_cli.serve import protocol
from nerq_cli.serve.buckets import Buckets, find_client
from nerq_cli.serve.limits import split_host
from tests.serve.operation.conftest import Serve, Served, read_all, wait_until


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_GRACE", 0.3)


def assert_serves(served: Served) -> None:
    assert served.ask("/packages/demo").body == b"demo"


def drip(connection: socket.socket, text: bytes, pause: float = 0.05) -> None:
    for byte in text:
        try:
            connection.sendall(bytes([byte]))
        except OSError:
            return
        time.sleep(pause)


def test_headers_that_drip_are_refused_after_the_time_limit(serve: Serve) -> None:
    served = serve(receive_seconds=0.3)
    with served.connect() as connection:
        started = time.monotonic()
        connection.sendall(b"GET /packages/demo HTTP/1.1\r\n")
        drip(connection, b"Host: localhost\r\nX-Long: " + b"x" * 50)
        answer = read_all(connection)
        assert time.monotonic() - started < 5
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nX-Request-ID: " in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 408
    assert served.get_metric('nerq_http_refused_total{reason="receive"}') == 1
    assert_serves(served)


def test_a_connection_without_a_request_is_closed_without_a_response(serve: Serve) -> None:
    served = serve(receive_seconds=0.1)
    with served.connect() as connection:
        assert read_all(connection) == b""
    assert_serves(served)


def test_a_body_that_drips_is_refused_with_a_problem_document(serve: Serve) -> None:
    served = serve(receive_seconds=0.3)
    with served.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        drip(connection, b"x" * 20)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    assert served.application.entered == []
    assert_serves(served)


def test_a_slow_request_within_the_time_limit_is_answered(serve: Serve) -> None:
    served = serve(receive_seconds=5)
    with served.connect() as connection:
        drip(connection, b"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", 0.001)
        drip(connection, b"Content-Length: 10\r\n\r\n0123456789", 0.001)
        assert read_all(connection).endswith(b"\r\n\r\n10")


@pytest.mark.parametrize("protocol_name", ["h2c", "websocket"])
def test_a_client_that_offers_another_protocol_is_answered_in_this_one(serve: Serve, protocol_name: str) -> None:
    served = serve(receive_seconds=0.1)
    with served.connect() as connection:
        connection.sendall(
            b"GET /wait HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAM\r\n"
            + f"Upgrade: {protocol_name}\r\n\r\n".encode()
        )
        wait_until(lambda: served.application.entered)
        time.sleep(0.6)  # longer than a request may take to arrive
        served.application.gate.set()
        text = b""
        while b"waited" not in text:
            part = connection.recv(65_536)
            assert part
            text += part
    assert text.startswith(b"HTTP/1.1 200 ")
    assert {event["level"] for event in served.events} == {"info"}


@pytest.mark.parametrize(
    ("request_", "status", "problem"),
    [
        (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", 400, "bad-request"),
        (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400, "bad-request"),
        (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 400, "bad-request"),
        (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad-request"),
        (b"GET /packages/demo HTTP/1.1\r\n\r\n", 400, "bad-request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "bad-request"),
        (b"GET /" + b"x" * 500_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "uri-too-long"),
        (
            b"GET /packages/demo HTTP/1.1\r\nHost: localhost\r\n" + b"X-Long: " + b"x" * 500_000 + b"\r\n\r\n",
            431,
            "headers-too-large",
        ),
    ],
)
def test_what_is_no_valid_http_gets_a_problem_document(
    request_: bytes, status: int, problem: str, serve: Serve
) -> None:
    served = serve()
    for port in (served.port, served.management_port):
        with served.connect(port) as connection:
            started = time.monotonic()
            connection.sendall(request_)
            head, _, body = read_all(connection).partition(b"\r\n\r\n")
            assert time.monotonic() - started < 5
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert lines["Content-Type"] == "application/problem+json"
        assert lines["Cache-Control"] == "no-store"
        document = json.loads(body)
        assert (document["type"], document["status"]) == (f"urn:nerq:problem:{problem}", status)
        assert served.find_events("connection")[-1]["id"] == lines["X-Request-ID"]
    assert served.application.entered == []
    assert served.get_metric('nerq_http_refused_total{reason="request"}') == 2
    assert served.find_events("server") == []
    assert_serves(served)


def test_what_is_no_valid_http_after_a_request_is_refused_and_the_request_answered(serve: Serve) -> None:
    served = serve()
    with served.connect() as connection:
        connection.sendall(b"GET /packages/demo HTTP/1.1\r\nHost: localhost\r\n\r\nnonsense\r\n\r\n")
        text = read_all(connection)
    assert text.startswith(b"HTTP/1.1 200 ")
    assert b"demoHTTP/1.1 400 " in text
    assert served.find_events("server") == []


def test_the_body_of_a_refused_request_does_not_hold_its_connection(serve: Serve) -> None:
    """The response is sent at once; what follows of the body has the same time limit."""
    served = serve(receive_seconds=0.3, rate=1)
    assert_serves(served)
    with served.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 429"
        started = time.monotonic()
        drip(connection, b"x" * 30)
        read_all(connection)
        assert time.monotonic() - started < 3


def test_a_body_of_the_limit_is_read_and_one_byte_more_is_refused(serve: Serve) -> None:
    served = serve(body_bytes=1000)
    assert served.ask("/echo", method="POST", body=b"x" * 1000).body == b"1000"
    reply = served.ask("/echo", method="POST", body=b"x" * 1001)
    assert (reply.status, reply.headers["content-type"]) == (413, "application/problem+json")
    assert served.application.entered == ["/echo"]
    assert_serves(served)


def test_a_body_without_a_length_is_counted_while_it_is_read(serve: Serve) -> None:
    served = serve(body_bytes=1000)

    def chunks(count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield b"x" * 100

    headers = {"Transfer-Encoding": "chunked"}
    assert served.ask("/echo", headers, method="POST", body=chunks(10), chunked=True).body == b"1000"
    assert served.ask("/echo", headers, method="POST", body=chunks(11), chunked=True).status == 413
    assert served.application.entered == ["/echo"]


def test_a_body_without_an_end_is_not_read_to_the_end(serve: Serve) -> None:
    served = serve(body_bytes=1000, receive_seconds=0.5)
    sent = 0
    with served.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        started = time.monotonic()
        try:
            while time.monotonic() - started < 10:
                connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
                sent += 4096
        except OSError:
            pass
        assert time.monotonic() - started < 8
    assert served.application.entered == []
    assert_serves(served)


def test_a_client_that_waits_for_permission_sends_no_body_that_is_too_large(serve: Serve) -> None:
    served = serve(body_bytes=1000)
    with served.connect() as connection:
        connection.sendall(
            b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("body", [b"", b"x" * 10])
def test_a_client_that_leaves_in_its_body_is_logged_and_nothing_else(serve: Serve, body: bytes) -> None:
    served = serve()
    with served.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n" + body)
        time.sleep(0.1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a reset
    wait_until(lambda: served.find_events("request"))
    assert [event["status"] for event in served.find_events("request")] == [499]
    assert served.application.entered == []
    assert_serves(served)
    assert {event["level"] for event in served.events} == {"info"}


def test_a_client_that_leaves_before_the_answer_disturbs_nothing(serve: Serve) -> None:
    served = serve(concurrency=1)
    with served.connect() as connection:
        connection.sendall(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: served.application.entered)
    served.application.gate.set()
    wait_until(lambda: served.application.ended)
    wait_until(lambda: served.ask("/packages/demo").status == 200)
    assert {event["level"] for event in served.events} == {"info"}


@pytest.mark.parametrize("path", ["/large", "/stream"])
@pytest.mark.parametrize("end", ["close", "keep-alive"])
def test_a_client_that_reads_nothing_is_cut_off(serve: Serve, path: str, end: str) -> None:
    served = serve(write_seconds=0.3, concurrency=1)
    with served.connect() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: {end}\r\n\r\n".encode())
        wait_until(lambda: served.find_events("connection"))
        wait_until(lambda: served.ask("/packages/demo").status == 200)
        assert len(read_all(connection)) < 50_000_000
    assert served.get_metric('nerq_http_refused_total{reason="write"}') == 1


@pytest.mark.parametrize("request_line", [b"nonsense\r\n\r\n", b"\x16\x03\x01\x00" * 10])
def test_what_is_no_http_is_refused(serve: Serve, request_line: bytes) -> None:
    served = serve(receive_seconds=0.3)
    with served.connect() as connection:
        connection.sendall(request_line)
        assert read_all(connection)[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 408"}
    assert_serves(served)


def test_headers_that_are_too_long_are_refused(serve: Serve) -> None:
    served = serve()
    with served.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 200_000)
        assert read_all(connection)[:10] in {b"HTTP/1.1 4", b""}
    assert_serves(served)


def test_requests_in_one_packet_are_answered_in_their_order(serve: Serve) -> None:
    served = serve()
    with served.connect() as connection:
        connection.sendall(b"".join(b"GET /packages/p%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % n for n in range(5)))
        text = b""
        while b"p4" not in text:
            text += connection.recv(65_536)
    assert [part[:2] for part in text.split(b"\r\n\r\n")[1:]] == [b"p0", b"p1", b"p2", b"p3", b"p4"]


def test_too_many_requests_at_a_time_get_503_and_later_ones_are_answered(serve: Serve) -> None:
    served = serve(concurrency=2)
    first, second = served.start_asking("/wait"), served.start_asking("/wait")
    reply = served.ask("/packages/demo")
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert served.ask("/healthz").status == 200
    assert served.get_metric("nerq_http_requests_in_progress") == 2
    served.application.gate.set()
    assert (first().body, second().body) == (b"waited", b"waited")
    assert_serves(served)


def test_too_many_connections_get_503(serve: Serve) -> None:
    served = serve(connections=2)
    with served.connect() as first, served.connect() as second:
        for connection in (first, second):
            connection.sendall(b"GET /packages/demo HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
        with served.connect() as third:
            answer = read_all(third)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1\r\n" in answer
    wait_until(lambda: served.ask("/packages/demo").status == 200)


def test_a_connection_without_further_requests_is_closed(serve: Serve) -> None:
    served = serve(idle_seconds=1)
    with served.connect() as connection:
        connection.sendall(b"GET /packages/demo HTTP/1.1\r\nHost: localhost\r\n\r\n")
        started = time.monotonic()
        assert read_all(connection).endswith(b"demo")
        assert 0.5 < time.monotonic() - started < 5


def test_an_answer_that_takes_too_long_is_504_and_the_work_is_cancelled(serve: Serve) -> None:
    served = serve(request_seconds=0.2)
    reply = served.ask("/wait")
    assert (reply.status, reply.headers["content-type"]) == (504, "application/problem+json")
    assert int(reply.headers["retry-after"]) > 0
    assert served.application.ended == ["/wait"]
    assert_serves(served)


def test_a_timeout_inside_of_the_application_is_an_error_of_its_own(serve: Serve) -> None:
    served = serve()
    assert served.ask("/time-out").status == 500
    wait_until(lambda: served.find_events("request"))
    assert served.find_events("request")[0]["error"] == "TimeoutError"


def test_an_error_has_an_id_and_its_text_stands_nowhere(serve: Serve) -> None:
    served = serve()
    reply = served.ask("/fail", {"X-Request-ID": "abc-1"})
    assert (reply.status, reply.headers["x-request-id"]) == (500, "abc-1")
    wait_until(lambda: served.find_events("request"))
    [event] = served.find_events("request")
    assert (event["id"], event["level"], event["error"]) == ("abc-1", "error", "ValueError")
    assert any(" fail" in place for place in event["at"])
    assert "secret-package" not in served.log_text
    assert b"secret-package" not in reply.body
    assert_serves(served)


def test_a_request_beyond_the_rate_is_429_and_says_when_to_come_again(serve: Serve) -> None:
    served = serve(rate=2)
    assert [served.ask("/packages/demo").status for _ in range(3)] == [200, 200, 429]
    assert served.ask("/healthz").status == 200
    reply = served.ask("/packages/demo")
    assert 1 <= int(reply.headers["retry-after"]) <= 30
    assert served.get_metric('nerq_http_refused_total{reason="rate"}') == 2


def test_a_bucket_is_filled_evenly() -> None:
    now = 100.0
    buckets = Buckets(lambda: now)
    assert [buckets.take("a", 60) for _ in range(61)] == [0] * 60 + [1]
    assert buckets.take("b", 60) == 0
    now += 2.0
    assert [buckets.take("a", 60) for _ in range(3)] == [0, 0, 1]
    now += 3600
    assert [buckets.take("a", 60) for _ in range(61)] == [0] * 60 + [1]
    assert [buckets.take("slow", 1), buckets.take("slow", 1)] == [0, 60]


def test_the_buckets_of_many_clients_take_bounded_memory() -> None:
    buckets = Buckets(lambda: 0.0)
    for number in range(20_000):
        buckets.take(str(number), 1)
    assert buckets.size == 10_000
    assert buckets.take("19999", 1) == 60


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("testclient", "testclient"),
    ],
)
def test_addresses_that_one_client_can_choose_share_a_bucket(address: str, client: str) -> None:
    assert find_client({"client": (address, 1)}) == client or address.startswith("::ffff")
    assert find_client({"client": (address, 2)}) == find_client({"client": (address, 1)})


def test_a_client_without_an_address_has_a_bucket() -> None:
    assert find_client({"client": None}) == ""


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost", "localhost"),
        ("LOCALHOST:8320", "localhost"),
        ("127.0.0.1:8320", "127.0.0.1"),
        ("[::1]:8320", "[::1]"),
        ("[::1]", "[::1]"),
        ("localhost:", "localhost"),
        ("localhost:x", "localhost:x"),
        ("", ""),
    ],
)
def test_the_name_of_a_host_header(header: str, name: str) -> None:
    assert split_host(header) == name


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:80", "127.0.0.1.attacker.example", "10.0.0.1"])
def test_a_page_that_points_its_own_name_at_the_service_is_refused(serve: Serve, host: str) -> None:
    served = serve()
    for port in (served.port, served.management_port):
        reply = served.ask("/version", {"Host": host}, port=port)
        assert (reply.status, reply.headers["content-type"]) == (421, "application/problem+json")
    assert served.ask("/packages/demo", {"Host": host}).status == 421
    assert served.ask("/packages/demo", {"Host": f"localhost:{served.port}"}).status == 200


def test_names_that_the_operator_allows_are_served(serve: Serve) -> None:
    served = serve(allowed_hosts=("nerq.example",))
    assert served.ask("/packages/demo", {"Host": "NERQ.example:443"}).status == 200
    assert served.ask("/packages/demo", {"Host": "other.example"}).status == 421


def test_the_address_that_a_trusted_proxy_forwards_is_the_one_that_is_limited(serve: Serve) -> None:
    trusting, other = serve(rate=1, trusted_proxies=("127.0.0.0/8",)), serve(rate=1, trusted_proxies=("192.0.2.9",))
    for served, statuses in ((trusting, [200, 200]), (other, [200, 429])):
        asked = [served.ask("/packages/demo", {"X-Forwarded-For": f"192.0.2.{n}"}).status for n in (1, 2)]
        assert asked == statuses
