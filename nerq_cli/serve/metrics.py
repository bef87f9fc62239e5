"""Metrics of the service, for Prometheus. No label has a target, an address or the name of a token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from nerq_cli import __version__

#: Media type of the text format 0.0.4, which every release of Prometheus reads.
MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: Upper bounds of the buckets for the duration of a request, in seconds: warm answers, then cold ones.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
#: Methods with a label of their own; a client may send any word.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS"})


class Metrics:
    """Counters of one service. Other parts of it register theirs with ``registry``."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each counter, which few read
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        build = Gauge("nerq_build_info", "Version of nerq-cli; always 1.", ["version"], registry=self.registry)
        build.labels(__version__).set(1)
        self._requests = Counter(
            "nerq_http_requests_total",
            "Requests by method, route and status (499: the client left).",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "nerq_http_request_seconds",
            "Seconds from the headers of a request to the end of its response.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "nerq_http_refused_total",
            "Requests and connections that were refused, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "nerq_http_requests_in_progress", "Requests that the application works on.", registry=self.registry
        )
        self._request_children: dict[tuple[str, str, int], Counter] = {}
        self._seconds_children: dict[str, Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float, refusal: str) -> None:
        """Count a request."""
        method = method if method in _METHODS else "other"
        key = (method, route, status)
        counter = self._request_children.get(key)
        if counter is None:
            counter = self._request_children[key] = self._requests.labels(method, route or "none", str(status))
            self._seconds_children.setdefault(route, self._seconds.labels(route or "none"))
        counter.inc()
        self._seconds_children[route].observe(seconds)
        if refusal:
            self.count_refusal(refusal)

    def count_refusal(self, reason: str) -> None:
        """Count a request or a connection that was refused."""
        self._refused.labels(reason).inc()

    def watch(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Add a value that is read when the metrics are asked for."""
        Gauge(name, documentation, registry=self.registry).set_function(read)

    def render(self) -> bytes:
        """Return all metrics as text."""
        return generate_latest(self.registry)
