"""Measures a warm ``nerq serve`` on loopback, beside a bare Starlette route that sends as many bytes.

    python docs/benchmarks/serve_load.py [--rate 500] [--seconds 10] [--rounds 3] [--targets 1000]

1. A batch of ``--targets`` purls, asked again and again of a warm service: the time to the last byte.
2. Single preflights, open-loop: requests are due at moments that do not depend on the answers (a Poisson process, drawn
   from a fixed seed), and a latency is counted from the moment a request was due. A server that stops for a moment pays
   for all requests of that moment, which a client that waits for each answer would hide.

Both servers take turns, each in a process of its own under Uvicorn with h11; the client is a third process. Registries
and other sources are the stand-ins of ``registry.py``; nothing leaves the machine. ``--address`` measures a service
that runs already, with the packages of ``--purls`` (and ``NERQ_SERVICE_TOKEN`` as its token). With ``--check`` the exit
status is 1 if a goal is missed. Where ``/proc`` is, the processor time of the server for a request is printed as well.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

HERE = Path(__file__).parent
SINGLE_PATH = "/v1/preflight"
BATCH_PATH = "/v1/preflight:batch"
#: Goals: seconds of a warm batch of 1,000, and of the 99th percentile of single preflights at 500 a second.
BATCH_GOAL = 0.3
LATENCY_GOAL = 0.05
#: Seconds in which a server must be ready, and a cold batch answered.
START_LIMIT = 60
COLD_LIMIT = 600
_ADDRESS = re.compile(r"http://([\w.\[\]:-]+?):(\d+)")


class Server(NamedTuple):
    """A server to measure."""

    name: str
    host: str
    port: int
    #: Process id; 0 = it was not started here.
    pid: int = 0
    token: str = ""


class Round(NamedTuple):
    """What a client saw in one round."""

    #: Seconds from the moment a request was due to the last byte of its answer, sorted.
    latencies: list[float]
    #: Seconds from the moment a request was due to the moment it was written, sorted: what the client itself adds.
    lags: list[float]
    #: Answers other than 200, and connections that ended, by name.
    errors: Counter[str]
    #: Requests due.
    count: int
    #: Seconds from the first request to the last answer.
    seconds: float
    #: Processor seconds of the server; None where it cannot be read.
    processor: float | None


# --- client


class Connection(asyncio.Protocol):
    """One kept connection, with at most one request at a time."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.transport: asyncio.Transport | None = None
        self.due = 0.0
        self.is_busy = False
        self.received = bytearray()
        #: Bytes of the whole answer; 0 = its head is not complete.
        self.expected = 0
        self.status = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, request: bytes, due: float) -> None:
        assert self.transport is not None
        self.due, self.is_busy, self.expected = due, True, 0
        self.received.clear()
        self.transport.write(request)
        self.client.lags.append(time.perf_counter() - due)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.expected:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.received[:end]).lower()
            self.status = head[9:12]
            place = head.find(b"\r\ncontent-length:")
            length = int(head[place + 17 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            self.expected = end + 4 + length
        if len(self.received) >= self.expected:
            self.is_busy = False
            self.client.finish(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.client.lose(self)


class Client:
    """Kept connections to one server. A request waits for a free one, and that time counts."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.idle: list[Connection] = []
        self.connections: set[Connection] = set()
        self.waiting: deque[tuple[bytes, float]] = deque()
        self.latencies: list[float] = []
        self.lags: list[float] = []
        self.errors: Counter[str] = Counter()
        self.pending = 0
        self.last_body = b""
        self.is_finished = asyncio.Event()

    async def open(self, count: int) -> None:
        """Open connections."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            _, connection = await loop.create_connection(lambda: Connection(self), self.server.host, self.server.port)
            self.connections.add(connection)
            self.idle.append(connection)

    def close(self) -> None:
        for connection in self.connections:
            if connection.transport is not None:
                connection.transport.abort()

    def submit(self, request: bytes, due: float) -> None:
        self.pending += 1
        self.is_finished.clear()
        if self.idle:
            self.idle.pop().send(request, due)
        elif self.connections:
            self.waiting.append((request, due))
        else:
            self.fail("no connection left")

    def finish(self, connection: Connection) -> None:
        """Record an answer; the connection takes the next request that waits."""
        if connection.status == b"200":
            self.latencies.append(time.perf_counter() - connection.due)
            self.last_body = bytes(connection.received)
            self.complete()
        else:
            self.fail(f"status {connection.status.decode(errors='replace')}")
        if self.waiting:
            connection.send(*self.waiting.popleft())
        else:
            self.idle.append(connection)

    def lose(self, connection: Connection) -> None:
        """Count a request whose connection ended, and every one that waits if none is left."""
        self.connections.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        if connection.is_busy:
            self.fail("connection lost")
        while self.waiting and not self.connections:
            self.waiting.popleft()
            self.fail("no connection left")

    def fail(self, name: str) -> None:
        self.errors[name] += 1
        self.complete()

    def complete(self) -> None:
        self.pending -= 1
        if not self.pending:
            self.is_finished.set()

    async def ask(self, request: bytes, limit: float) -> tuple[float, bytes]:
        """Send one request; return the seconds it took and the body.

        Raises:
            SystemExit: it failed.
        """
        failed = self.errors.total()
        started = time.perf_counter()
        self.submit(request, started)
        await asyncio.wait_for(self.is_finished.wait(), limit)
        if self.errors.total() > failed:
            sys.exit(f"{self.server.name}: {request.split(b' HTTP', 1)[0].decode()} failed: {dict(self.errors)}")
        return time.perf_counter() - started, self.last_body.partition(b"\r\n\r\n")[2]


def build_request(server: Server, method: str, path: str, body: bytes = b"") -> bytes:
    """Return a request as it is sent."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {server.host}:{server.port}", "Accept: application/json"]
    if server.token:
        lines.append(f"Authorization: Bearer {server.token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def build_batch(server: Server, purls: Sequence[str]) -> bytes:
    """Return the request for many targets."""
    return build_request(server, "POST", BATCH_PATH, json.dumps({"targets": list(purls)}).encode())


def build_singles(server: Server, purls: Sequence[str]) -> list[bytes]:
    """Return one request for each target."""
    return [build_request(server, "GET", f"{SINGLE_PATH}?target={quote(purl, safe='')}") for purl in purls]


def draw_arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Return the moments at which requests are due, in seconds from the start: a Poisson process."""
    source = random.Random(seed)
    moments, moment = [], 0.0
    while (moment := moment + source.expovariate(rate)) < seconds:
        moments.append(moment)
    return moments


async def run_round(
    server: Server, requests: Sequence[bytes], arrivals: Sequence[float], connections: int, limit: float = 30
) -> Round:
    """Send requests when they are due, and wait for their answers, ``limit`` seconds after the last at most."""
    client = Client(server)
    await client.open(connections)
    order = random.Random(len(arrivals))
    gc.disable()  # pauses of the client are not the server's
    before = read_processor_time(server.pid)
    started = time.perf_counter()
    for arrival in arrivals:
        due = started + arrival
        delay = due - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        client.submit(order.choice(requests), due)
    try:
        await asyncio.wait_for(client.is_finished.wait(), limit)
    except asyncio.TimeoutError:
        client.errors["no answer"] += client.pending
    seconds = time.perf_counter() - started
    after = read_processor_time(server.pid)
    gc.enable()
    errors = Counter(client.errors)  # without the connections that end now
    client.close()
    spent = after - before if after is not None and before is not None else None
    return Round(sorted(client.latencies), sorted(client.lags), errors, len(arrivals), seconds, spent)


async def time_batches(server: Server, request: bytes, count: int) -> tuple[list[float], bytes]:
    """Return the seconds of each of some batches, one after the other, and the last body."""
    client = Client(server)
    await client.open(1)
    times, body = [], b""
    for _ in range(count):
        seconds, body = await client.ask(request, COLD_LIMIT)
        times.append(seconds)
    client.close()
    return times, body


async def ask_once(server: Server, request: bytes) -> tuple[float, bytes]:
    """Return the seconds of one request on a connection of its own, and its body."""
    client = Client(server)
    await client.open(1)
    result = await client.ask(request, COLD_LIMIT)
    client.close()
    return result


# --- servers


def read_processor_time(pid: int) -> float | None:
    """Return the processor seconds that a process has used, its threads included; None where that cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def start(name: str, command: Sequence[str], env: dict[str, str] | None = None) -> Iterator[Server]:
    """Run a server that prints its address, until the end of the block."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=env)
        try:
            yield _await_address(name, process, output.fileno(), errors.fileno())
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_address(name: str, process: subprocess.Popen[bytes], output: int, errors: int) -> Server:
    """Return a server once it has printed its address."""
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        found = _ADDRESS.search(os.pread(output, 65_536, 0).decode(errors="replace"))
        if found is not None:
            return Server(name, found[1].strip("[]"), int(found[2]), process.pid)
        if process.poll() is not None:
            break
        time.sleep(0.05)
    sys.exit(f"{name} did not start:\n{os.pread(errors, 65_536, 0).decode(errors='replace')}")


@contextmanager
def start_service(workers: int) -> Iterator[Server]:
    """Run ``nerq serve`` on the stand-ins, with a cache of its own."""
    import run  # the benchmark beside this one

    with run.registry() as env, tempfile.TemporaryDirectory() as folder:
        places = {"NERQ_CONFIG_DIR": folder, "NERQ_CACHE_DIR": f"{folder}/cache"}
        command = [*run.NERQ, "serve", "--port", "0", "--management-port", "0"]
        command += ["--workers", str(workers)] if workers else []
        with start("nerq serve", command, {**env, **places}) as server:
            yield server


def serve_bare(single: int, batch: int) -> None:
    """Serve two routes that do nothing but send bytes; prints the address."""
    import socket

    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    bodies = b"x" * single, b"x" * batch

    async def answer_single(_request: Request) -> Response:
        return Response(bodies[0], media_type="application/json")

    async def answer_batch(request: Request) -> Response:
        json.loads(await request.body())
        return Response(bodies[1], media_type="application/json")

    app = Starlette(routes=[Route(SINGLE_PATH, answer_single), Route(BATCH_PATH, answer_batch, methods=["POST"])])
    # With the protocol named asyncio turns Nagle's algorithm off for connections; without, each answer waits for 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)  # before the address is printed: who reads it connects at once
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, http="h11", ws="none", lifespan="off", access_log=False, log_level="error")
    uvicorn.Server(config).run([listener])


# --- figures


def find_percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile of sorted values by the nearest rank; NaN if there are none."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def show(what: str, value: str, goal: str = "") -> None:
    """Print one figure."""
    print(f"{what:<58} {value:>40}   {goal}", flush=True)


def describe(rounds: Sequence[Round]) -> str:
    """Return the latencies of some rounds as a text."""
    latencies = sorted(value for one in rounds for value in one.latencies)
    median, high = (find_percentile(latencies, share) * 1e3 for share in (0.5, 0.99))
    return f"p50 {median:.1f} ms, p99 {high:.1f} ms, max {find_percentile(latencies, 1) * 1e3:.0f} ms"


def find_high(rounds: Sequence[Round]) -> float:
    """Return the 99th percentile of some rounds in seconds."""
    return find_percentile(sorted(value for one in rounds for value in one.latencies), 0.99)


def report_rounds(name: str, rounds: Sequence[Round]) -> None:
    """Print what one server did."""
    count = sum(one.count for one in rounds)
    show(f"{name}: {count} single preflights", describe(rounds))
    show(f"{name}: p99 of each round", ", ".join(f"{find_high([one]) * 1e3:.1f}" for one in rounds) + " ms")
    answered = sum(len(one.latencies) for one in rounds)
    show(f"{name}: answers a second", f"{answered / sum(one.seconds for one in rounds):.0f}")
    spent = [one.processor for one in rounds if one.processor is not None]
    if spent and answered:
        show(f"{name}: processor time of the server", f"{sum(spent) / answered * 1e3:.2f} ms a request")
    lag = find_percentile(sorted(value for one in rounds for value in one.lags), 0.99)
    show(f"{name}: sent late, with waiting for a connection", f"p99 {lag * 1e3:.1f} ms")
    errors = sum((one.errors for one in rounds), Counter[str]())
    if errors:
        show(f"{name}: FAILED", ", ".join(f"{number} {error}" for error, number in errors.items()))


def report_batches(name: str, count: int, times: Sequence[float], size: int, goal: str = "") -> None:
    """Print how long warm batches took."""
    ordered = sorted(times)
    value = f"{find_percentile(ordered, 0.5) * 1e3:.0f} ms, least {ordered[0] * 1e3:.0f}, most {ordered[-1] * 1e3:.0f}"
    show(f"{name}: {count} purls, warm, {size / 1e3:.0f} kB", value, goal)


def check_batch(body: bytes, count: int) -> None:
    """Stop if a batch was not answered in full: figures about errors are none.

    Raises:
        SystemExit: an answer is missing, is a problem or is provisional.
    """
    answers = json.loads(body)["results"]
    bad = [item for item in answers if not item.get("preflight", {}).get("complete")]
    if len(answers) != count or bad:
        sys.exit(f"{len(answers)} of {count} answers, {len(bad)} of them not whole: {json.dumps(bad[:1])[:500]}")


async def measure(options: argparse.Namespace, service: Server, stack: ExitStack) -> bool:
    """Measure a service beside the bare route. Returns whether the goals are met."""
    purls = read_purls(options)
    seconds, body = await ask_once(service, build_batch(service, purls))
    show(f"{service.name}: {len(purls)} purls, cold", f"{seconds:.2f} s")
    check_batch(body, len(purls))
    _, single = await ask_once(service, build_singles(service, purls)[0])
    bare_command = [sys.executable, __file__, "--serve-bare", str(len(single)), str(len(body))]
    bare = stack.enter_context(start("bare route", bare_command))
    servers = (service, bare)

    times: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(options.rounds):
        for server in servers:
            times[server.name] += (await time_batches(server, build_batch(server, purls), 5))[0]
    report_batches(service.name, len(purls), times[service.name], len(body), f"at most {BATCH_GOAL * 1e3:.0f} ms")
    report_batches(bare.name, len(purls), times[bare.name], len(body))
    batch, bare_batch = (sorted(times[server.name])[len(times[server.name]) // 2] for server in servers)
    show("ratio of a batch to the bare route", f"{batch / bare_batch:.1f} x")

    rounds: dict[str, list[Round]] = {server.name: [] for server in servers}
    for number in range(options.rounds):
        arrivals = draw_arrivals(options.rate, options.seconds, number)
        for server in servers:
            found = await run_round(server, build_singles(server, purls), arrivals, options.connections)
            rounds[server.name].append(found)
    show("single preflights, open-loop", f"{options.rate:.0f} a second, {options.connections} connections")
    for server in servers:
        report_rounds(server.name, rounds[server.name])
    high, bare_high = (find_high(rounds[server.name]) for server in servers)
    show("p99", f"{high * 1e3:.1f} ms, {high / bare_high:.1f} x the bare route", f"at most {LATENCY_GOAL * 1e3:.0f} ms")
    failed = any(one.errors for found in rounds.values() for one in found)
    return batch <= BATCH_GOAL and high <= LATENCY_GOAL and not failed


def read_purls(options: argparse.Namespace) -> list[str]:
    """Return what is asked for: the lines of a file, or names that the stand-ins have."""
    if options.purls:
        lines = Path(options.purls).read_text(encoding="utf-8").splitlines()
        return [line.strip() for line in lines if line.strip()][: options.targets]
    return [f"pkg:pypi/package-{n:05}@{1 + n % 4}.{n % 10}.0" for n in range(options.targets)]


def parse_address(text: str) -> Server:
    """Return the server at an address.

    Raises:
        SystemExit: it is no address of HTTP with a port.
    """
    found = _ADDRESS.fullmatch(text.rstrip("/"))
    if found is None:
        sys.exit(f"{text!r} is no address: write http://127.0.0.1:8643")
    return Server("service", found[1].strip("[]"), int(found[2]), token=os.environ.get("NERQ_SERVICE_TOKEN", ""))


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(description="Measure a warm nerq serve beside a bare Starlette route.")
    parser.add_argument("--rate", type=float, default=500, help="single preflights a second")
    parser.add_argument("--seconds", type=float, default=10, help="length of a round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each server, in turns")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--targets", type=int, default=1_000, help="purls of the batch, and that single ones ask for")
    parser.add_argument("--workers", type=int, default=0, help="of nerq serve; 0 = its default")
    parser.add_argument("--address", default="", help="of a service that runs already")
    parser.add_argument("--purls", default="", help="file with one a line, for --address: a service without stand-ins")
    parser.add_argument("--check", action="store_true", help="fail if a goal is missed")
    parser.add_argument("--serve-bare", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_bare:
        serve_bare(*options.serve_bare)
        return
    if bool(options.address) != bool(options.purls):
        parser.error("--address and --purls go together: its registries do not have the names of the stand-ins")
    with ExitStack() as stack:
        started = (
            parse_address(options.address) if options.address else stack.enter_context(start_service(options.workers))
        )
        is_met = asyncio.run(measure(options, started, stack))
    if options.check and not is_met:
        sys.exit("a goal is missed")


if __name__ == "__main__":
    main()
