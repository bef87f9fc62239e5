"""A real PostgreSQL, as the tests of the store have it."""

from __future__ import annotations

from tests.store.postgres.conftest import PostgresServer, server, shared_server, url

__all__ = ["PostgresServer", "server", "shared_server", "url"]
