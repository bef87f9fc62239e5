"""Work that several threads and processes on one store divide among themselves, so that no source is asked twice.

What is claimed is the last part of a name, without ecosystem and version: the versions of a package share most of their
requests, and a name that may be of several ecosystems is one of each.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from nerq_cli.patterns import compile_late

if TYPE_CHECKING:
    from nerq_cli.store.claims import Claims

S = TypeVar("S")
R = TypeVar("R")

#: Seconds after which work is done although another worker still claims it: that one hangs.
MAX_WAIT: Final = 90.0
#: Seconds between two looks at what others have released.
_LOOK_INTERVAL: Final = 1.0
_SEPARATORS: Final = compile_late(r"[-_.]+", re.ASCII)


def name_claim(name: str) -> str:
    """Return the key that is claimed for a name: ``@scope/some_name`` and ``some-name`` have the same."""
    return _SEPARATORS.sub("-", name.rpartition("/")[2]).lower()


def divide_work(
    names: Mapping[S, str],
    claims: Claims,
    read: Callable[[Sequence[S]], Mapping[S, R]],
    make: Callable[[Sequence[S]], Mapping[S, R]],
) -> dict[S, R]:
    """Return the result for each subject: make what no other worker is at, and read what the others stored.

    Args:
        names: The name of each subject, which is claimed for it.
        claims: What the workers on the store are at.
        read: Returns the results that the store has.
        make: Makes results, and stores them.
    """
    results: dict[S, R] = {}
    left: dict[str, list[S]] = {}
    for subject, name in names.items():
        left.setdefault(name_claim(name), []).append(subject)
    deadline = time.monotonic() + MAX_WAIT
    while left:
        claimed = claims.claim(left)
        keys = claimed or (set(left) if time.monotonic() > deadline else set())
        try:
            subjects = [subject for key in left for subject in left[key] if key in keys]
            # Another worker may have stored them between the first look into the store and the claim.
            stored = read(subjects) if subjects else {}
            missing = [subject for subject in subjects if subject not in stored]
            results.update(stored)
            results.update(make(missing) if missing else {})
        finally:
            claims.release(claimed)
        for key in keys:
            del left[key]
        if left:
            claims.wait(list(left), _LOOK_INTERVAL)
    return results


@contextmanager
def hold_names(names: Iterable[str], claims: Claims) -> Iterator[None]:
    """Hold names while a document about them is made: what other workers learned about them is in the store then."""
    wanted = set(map(name_claim, names))
    deadline = time.monotonic() + MAX_WAIT
    claimed = claims.claim(wanted)
    while claimed != wanted and time.monotonic() < deadline:
        claims.release(claimed)  # all or none: while a worker waits it holds nothing
        claims.wait(wanted - claimed, _LOOK_INTERVAL)
        claimed = claims.claim(wanted)
    try:
        yield
    finally:
        claims.release(claimed)
