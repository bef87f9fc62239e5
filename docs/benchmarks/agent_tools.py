"""Measures how long a coding agent waits for an answer of ``nerq mcp``, with the client of the SDK over stdio.

    python docs/benchmarks/agent_tools.py [--calls N]

Registries and services are stood in for on loopback, and the cache has every answer. Printed are the times from the
start of the process to the handshake, from there to the first answer, and of each further call.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import anyio
import run as benchmarks
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

#: The goal for a warm answer, in milliseconds.
GOAL = 150


def describe(label: str, seconds: list[float]) -> None:
    numbers = sorted(1_000 * value for value in seconds)
    p95 = numbers[min(len(numbers) - 1, round(0.95 * len(numbers)))]
    print(f"{label:<44} median {statistics.median(numbers):7.1f} ms   p95 {p95:7.1f} ms   most {numbers[-1]:7.1f} ms")


async def measure(environment: dict[str, str], targets: list[str], pause: float) -> tuple[float, list[float]]:
    """Return the seconds until a server is ready, and those of each call."""
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "nerq_cli", "mcp"], env=environment)
    started = time.perf_counter()
    seconds = []
    async with Client(stdio_client(parameters), mode="legacy") as client:
        ready = time.perf_counter() - started
        await anyio.sleep(pause)
        for target in targets:
            called = time.perf_counter()
            result: Any = await client.call_tool("check_package", {"target": target})
            seconds.append(time.perf_counter() - called)
            if result.is_error or result.structured_content["result"]["status"] != "checked":
                sys.exit(f"{target}: {result.content[0].text}")
    return ready, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--starts", type=int, default=7)
    arguments = parser.parse_args()
    targets = [f"pypi:package-{number:05}" for number in range(arguments.calls)]
    with benchmarks.registry() as environment:
        anyio.run(measure, environment, targets, 0.0)  # fills the cache
        _, seconds = anyio.run(measure, environment, targets, 2.0)
        describe("tools/call to answer, running server", seconds)
        idle = [anyio.run(measure, environment, targets[:1], 2.0) for _ in range(arguments.starts)]
        describe("start of the process to handshake", [ready for ready, _ in idle])
        describe("first call of a server, 2 s after its start", [first for _, [first] in idle])
        at_once = [anyio.run(measure, environment, targets[:1], 0.0) for _ in range(arguments.starts)]
        describe("first call, sent with the handshake", [first for _, [first] in at_once])
        describe("start of the process to the first answer", [ready + first for ready, [first] in at_once])
    median = 1_000 * statistics.median(seconds)
    print(f"goal {GOAL} ms for a warm answer: {'met' if median <= GOAL else 'missed'}")


if __name__ == "__main__":
    main()
