"""Parts of a table of facts, scored by the workers of a Dask cluster. Needs the extra ``cluster``."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from concurrent import futures
from contextlib import suppress
from time import monotonic
from types import FunctionType
from typing import Any, Final

import distributed
import msgspec

from nerq_cli import __version__
from nerq_cli.bulk.parts import Part
from nerq_cli.bulk.task import run_task
from nerq_cli.errors import NerqError, UsageError

#: Seconds to wait for the scheduler, and then for its first worker.
_TIMEOUT: Final = 10
#: Seconds between two looks at the workers while no part gets done.
_POLL_INTERVAL: Final = 2
#: Raised where something is waited for that did not come, or was cancelled.
_UNFINISHED: Final = (TimeoutError, asyncio.TimeoutError, asyncio.CancelledError, futures.CancelledError)


def score_on_cluster(
    address: str, plan: Callable[[], Sequence[Part]], report: Callable[[int], None], timeout: float = _TIMEOUT
) -> None:
    """Score parts on the workers of a scheduler. A part whose worker dies is given to another one.

    Args:
        address: ``tcp://host:port`` or ``tls://host:port``.
        plan: Returns the parts; called once a worker is there, so that a run without one leaves no folder. Each part is
            one task; a part whose file is there is not computed again.
        report: Called with the number of rows of each part that is done.
        timeout: Seconds to wait for the scheduler, and for a worker where there is none.

    Raises:
        UsageError: the scheduler or a worker is not there, or a part failed.
    """
    client: Any = None
    with suppress(OSError, ValueError, ImportError, *_UNFINISHED):
        client = distributed.Client(address, timeout=timeout, set_as_default=False)
    if client is None:
        # The collector closes the client that has no connection. While another one starts, both would wait for a lock.
        gc.collect()
        raise UsageError(f"no scheduler answers at {address}", hint="dask scheduler starts one; it prints its address")
    try:
        _run(client, address, plan, report, timeout)
    finally:
        client.close(timeout=timeout)


def _run(
    client: Any,  # noqa: ANN401 - distributed has no types
    address: str,
    plan: Callable[[], Sequence[Part]],
    report: Callable[[int], None],
    timeout: float,
) -> None:
    try:
        client.wait_for_workers(1, timeout=timeout)
    except (OSError, TimeoutError, asyncio.TimeoutError) as error:
        raise UsageError(
            f"the scheduler at {address} has no worker", hint=f"dask worker {address} starts one"
        ) from error
    parts = plan()
    # Not pure: a task is not taken for done because an earlier command sent the same one.
    contents = [msgspec.json.encode(part) for part in parts]
    pending = client.map(_detach(run_task), [__version__] * len(parts), contents, pure=False, retries=0)
    try:
        while pending:
            done, pending = _wait(client, address, pending, timeout)
            for future in done:
                report(_get_rows(future))
    except BaseException:
        client.cancel(pending)
        raise


def _detach(function: Callable[..., int]) -> Callable[..., int]:
    """Return a copy of a function that is sent as code, as a function of a notebook is, and not by its name.

    A worker that cannot import a function by its name ends, and the next one that gets the task as well.
    """
    copy = FunctionType(function.__code__, {}, function.__name__)
    copy.__module__ = "__main__"
    return copy


def _wait(client: Any, address: str, pending: Sequence[Any], timeout: float) -> tuple[Sequence[Any], Sequence[Any]]:  # noqa: ANN401 - distributed has no types
    """Return the futures that are done, one at least, and the others.

    Raises:
        UsageError: no worker has been there for a while.
    """
    last_seen = monotonic()
    while True:
        done = [future for future in pending if future.done()]
        if done:
            return done, [future for future in pending if not future.done()]
        with suppress(*_UNFINISHED), client.as_current():
            distributed.wait(pending, timeout=_POLL_INTERVAL, return_when="FIRST_COMPLETED")
            continue
        has_workers = True  # without a connection it is not known, and the client tries to connect again
        with suppress(OSError, *_UNFINISHED):
            has_workers = client.status != "running" or bool(client.nthreads())
        if has_workers:
            last_seen = monotonic()
        elif monotonic() - last_seen > timeout:
            raise UsageError(
                f"the scheduler at {address} has no worker left: they ended, or lost their connection",
                hint="see their logs, and start others; run again to go on",
            )


def _get_rows(future: Any) -> int:  # noqa: ANN401 - distributed has no types
    try:
        return int(future.result())
    except NerqError:
        raise
    except (Exception, asyncio.CancelledError) as error:
        if future.status == "error" and type(error).__name__ == "KilledWorker":
            message = "a part was given up after several workers died on it: they may lack memory"
        elif future.cancelled():
            message = "the scheduler went away"
        elif isinstance(error, ImportError):
            message = f"a worker lacks what it needs ({error})"
        else:
            reason = f"{error}".strip().partition("\n")[0]
            message = f"a part failed on a worker: {type(error).__name__}: {reason}"
        hint = "workers need the same nerq-cli[cluster] as the command; run again to go on"
        raise UsageError(message, hint=hint) from error
