"""Token buckets: how many requests a client may send in a minute."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.types import Scope

_MINUTE: Final = 60.0
#: Clients whose buckets are kept; the one that sent nothing for longest is dropped first.
_MAX_CLIENTS: Final = 10_000
#: Bits of an IPv6 address that one client can choose freely.
_IPV6_HOST_BITS: Final = 64


class Buckets:
    """A bucket for each client. It holds the requests of one minute, and is filled evenly."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    @property
    def size(self) -> int:
        """The number of clients that have a bucket."""
        return len(self._levels)

    def take(self, client: str, per_minute: int) -> int:
        """Take one request from the bucket of a client; return 0, or the seconds until there is one again."""
        now = self._clock()
        level, moment = self._levels.get(client, (float(per_minute), now))
        level = min(float(per_minute), level + (now - moment) * per_minute / _MINUTE)
        is_allowed = level >= 1
        self._levels[client] = (level - 1 if is_allowed else level, now)
        self._levels.move_to_end(client)
        if len(self._levels) > _MAX_CLIENTS:
            self._levels.popitem(last=False)
        return 0 if is_allowed else max(1, math.ceil((1 - level) * _MINUTE / per_minute))


def find_client(scope: Scope) -> str:
    """Return the address that a request came from; of an IPv6 address the network of 64 bits."""
    client = scope.get("client")
    if not client:
        return ""
    try:
        address = ip_address(client[0])
    except ValueError:
        return str(client[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Address(int(address) >> _IPV6_HOST_BITS << _IPV6_HOST_BITS))
    return str(address)
