"""Limits of the HTTP client."""

from __future__ import annotations

import msgspec

from nerq_cli import __version__
from nerq_cli.fetch.ca_bundle import CaBundle
from nerq_cli.fetch.concurrency import MAX_CONCURRENCY


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How requests are sent."""

    #: Requests that one host receives at a time at most; ``HostConcurrency`` begins with fewer.
    concurrency: int = MAX_CONCURRENCY
    #: Seconds that one HTTP request may take, from the connection to the last byte.
    timeout: float = 20.0
    #: Attempts for one request, the first included.
    attempts: int = 3
    #: Upper limit of the random delay before the second attempt, in seconds; it doubles for each further one.
    backoff: float = 0.5
    #: Seed of the random delays, to repeat them; None = unpredictable.
    seed: int | None = None
    #: Certificates that the configuration of the user names, beside those of the system and the environment.
    ca_bundles: tuple[CaBundle, ...] = ()
    #: Reasons name no hosts: those who read them are not to know the mirrors and proxies.
    hides_hosts: bool = False
    user_agent: str = f"nerq-cli/{__version__}"
