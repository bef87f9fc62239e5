"""Parts of a table of facts, scored by the workers of a Dask cluster. Needs the extra ``cluster``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import distributed

from nerq_cli.bulk.parts import Part, score_part
from nerq_cli.errors import NerqError, UsageError

#: Seconds to wait for the scheduler, and then for its first worker.
_TIMEOUT: Final = 10


def score_on_cluster(
    address: str, parts: Sequence[Part], report: Callable[[int], None], timeout: float = _TIMEOUT
) -> None:
    """Score parts on the workers of a scheduler. A part whose worker dies is given to another one.

    Args:
        address: ``tcp://host:port`` or ``tls://host:port``.
        parts: Each is one task; a part whose file is there is not computed again.
        report: Called with the number of rows of each part that is done.
        timeout: Seconds to wait for the scheduler, and for a worker.

    Raises:
        UsageError: the scheduler or a worker is not there, or a part failed.
    """
    try:
        client: Any = distributed.Client(address, timeout=timeout, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        raise UsageError(
            f"no scheduler answers at {address}", hint="dask scheduler starts one; it prints its address"
        ) from error
    try:
        _run(client, address, parts, report, timeout)
    finally:
        client.close(timeout=timeout)


def _run(client: Any, address: str, parts: Sequence[Part], report: Callable[[int], None], timeout: float) -> None:  # noqa: ANN401 - distributed has no types
    try:
        client.wait_for_workers(1, timeout=timeout)
    except (OSError, TimeoutError) as error:
        raise UsageError(
            f"the scheduler at {address} has no worker", hint=f"dask worker {address} starts one"
        ) from error
    # Not pure: a task is not taken for done because an earlier command sent the same one.
    futures = client.map(score_part, parts, pure=False, retries=0)
    try:
        with client.as_current():
            completed: Any = distributed.as_completed(futures)
        for future in completed:
            report(_get_rows(future))
    except BaseException:
        client.cancel(futures)
        raise


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
            message = f"a worker cannot import what it needs ({error})"
        else:
            message = f"a part failed on a worker: {type(error).__name__}: {error}"
        hint = "scheduler and workers need the same nerq-cli[cluster]; run again to go on"
        raise UsageError(message, hint=hint) from error
