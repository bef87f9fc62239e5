"""How to behave towards a service."""

from __future__ import annotations

from dataclasses import dataclass

from nerq_cli import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """How hard a service is asked, and how long it is waited for. Times are in seconds.

    ``concurrency`` is how many questions one host gets at a time. ``timeout`` is how long one request may take, from
    the connection to the last byte. ``attempts`` is how often a question is put in all, with a pause drawn from 0 to
    ``backoff`` before the second, and from twice as much before each further one. ``seed`` makes those draws repeatable.
    """

    concurrency: int = 16
    timeout: float = 20.0
    attempts: int = 3
    backoff: float = 0.5
    seed: int | None = None
    user_agent: str = f"nerq-cli/{__version__}"
