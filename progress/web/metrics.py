"""`/metrics`: what the parts have counted, for Prometheus. The only place that knows its library.

Labels are kinds, which the author has named, and words of our own; never what a client has sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from progress.bus import MemoryBus
from progress.core.counts import Counts, Histogram
from progress.core.event import State
from progress.core.operation import ENDED
from progress.core.wires import POLL, SSE, WAIT, WEBHOOK, WEBSOCKET
from progress.hub import Hub
from progress.hub.counting import census
from progress.runner.kinds import Kinds

from .access import Access

__all__ = ["Metrics"]

_LIVE = [state for state in State if state not in ENDED]
_READ = [wire.name for wire in (SSE, WEBSOCKET, POLL)]
_TOLD = [wire.name for wire in (WAIT, WEBHOOK)]
"""Wires on which nothing is written: who waits is told that there is something new."""

_OUTCOMES = ("ok", "failed")
_ENDINGS = ("delivered", "replaced", "dead", "gone")

_Numbers = Iterable[tuple[tuple[str, ...], float]]
"""The values of labels, in the order of their names, and a number."""


class Metrics:
    """The endpoint, with a registry of its own: two servers in one process are independent."""

    def __init__(
        self, bus: MemoryBus, hub: Hub, kinds: Kinds, webhooks: Mapping[str, int], access: Access
    ) -> None:
        """`webhooks` are the counts of that name."""
        self._access = access
        self._registry = registry = CollectorRegistry()
        registry.register(_Server(bus, hub, kinds, webhooks))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    async def show(self, request: Request) -> Response:
        """`GET /metrics`: as text, or as OpenMetrics for who accepts it."""
        await self._access.check(request, "list")
        accept = ", ".join(request.headers.getlist("accept"))
        try:
            encode, media_type = choose_encoder(accept)
        except TypeError:  # it asks for a version that is no number
            encode, media_type = choose_encoder("")
        headers = {"cache-control": "no-store", "content-type": media_type, "vary": "Accept"}
        return Response(encode(self._registry), headers=headers)


class _Server(Collector):
    """Reads the numbers when they are asked for."""

    def __init__(self, bus: MemoryBus, hub: Hub, kinds: Kinds, webhooks: Mapping[str, int]) -> None:
        self._bus = bus
        self._hub = hub
        self._kinds = kinds
        self._webhooks = webhooks

    def describe(self) -> Iterable[Metric]:
        """The names are ours alone: nothing has to be collected to know that."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families, each with all its labels: what has not happened yet is 0."""
        counts = self._hub.counts
        yield from self._operations(counts)
        yield from self._subscribers(counts)
        yield from self._written(counts)
        yield from self._posted(self._webhooks)
        yield _gauge(
            "progress_journal_bytes",
            "Journals, parameters and results of all operations that are kept.",
            self._bus.bytes,
        )
        yield _counters(
            "progress_interims_total",
            "102 responses sent for operations that are waited for.",
            (),
            [((), counts.interims)],
        )
        yield _histogram(
            "progress_event_loop_lag_seconds",
            "How late a tick of the server came that is due once in a fifteenth of a heartbeat.",
            (),
            {(): counts.lag},
        )

    def _operations(self, counts: Counts) -> Iterator[Metric]:
        kinds = [kind.name for kind in self._kinds]
        live = Counter(counts.live.values())
        yield _gauges(
            "progress_operations",
            "Operations that have not ended.",
            ("kind", "state"),
            (((kind, state), live[kind, state]) for kind in kinds for state in _LIVE),
        )
        yield _counters(
            "progress_operations_started_total",
            "Operations that were taken, to run at once or to wait.",
            ("kind",),
            (((kind,), counts.started[kind]) for kind in kinds),
        )
        ended = sorted(ENDED)
        yield _counters(
            "progress_operations_ended_total",
            "Operations that have ended.",
            ("kind", "state"),
            (((kind, state), counts.ended[kind, state]) for kind in kinds for state in ended),
        )
        yield _histogram(
            "progress_operation_duration_seconds",
            "From the beginning of an operation to its end, without the time that it waited.",
            ("kind",),
            {(kind,): counts.durations[kind] for kind in kinds},
        )
        lossless = sum(counts.events.values())
        events = {**counts.events, "progress": self._bus.head.n - lossless}
        yield _counters(
            "progress_events_total",
            "Events of operations, whether anybody has read them or not.",
            ("type",),
            (((type,), events[type]) for type in sorted(events)),
        )

    def _subscribers(self, counts: Counts) -> Iterator[Metric]:
        here = census(self._hub.subscribers)
        wires = {**dict.fromkeys((*_READ, *_TOLD), 0), **here.wires}
        yield _gauges(
            "progress_subscribers",
            "Who follows operations just now, and requests that wait for one.",
            ("wire",),
            (((wire,), wires[wire]) for wire in wires),
        )
        yield _gauge(
            "progress_subscribers_lagging",
            "Subscribers that are behind, and take nothing just now.",
            here.lagging,
        )
        yield _counters(
            "progress_catch_ups_total",
            "Readers that had to be caught up: they came, could take no more, or one turn was"
            " too much.",
            ("cause",),
            (((cause,), count) for cause, count in counts.catch_ups.items()),
        )
        yield _counters(
            "progress_gaps_total",
            "Readers that were told of a loss.",
            ("reason",),
            (((reason,), count) for reason, count in counts.gaps.items()),
        )
        yield _counters(
            "progress_subscribers_closed_total",
            "Subscribers that the server told to go, or did not take.",
            ("reason",),
            (((reason,), count) for reason, count in counts.closed.items()),
        )

    def _written(self, counts: Counts) -> Iterator[Metric]:
        events, bytes = (dict.fromkeys(_READ, 0) for _ in range(2))
        for sent in counts.sent:
            if sent.wire in events:
                events[sent.wire] += sent.events
                bytes[sent.wire] += sent.bytes
        yield _counters(
            "progress_delivered_events_total",
            "Events written to subscribers, snapshots, gaps, pings and goodbyes among them.",
            ("wire",),
            (((wire,), events[wire]) for wire in _READ),
        )
        yield _counters(
            "progress_delivered_bytes_total",
            "Their bytes, as the wire has them, without TLS and HTTP/2.",
            ("wire",),
            (((wire,), bytes[wire]) for wire in _READ),
        )

    def _posted(self, counts: Mapping[str, int]) -> Iterator[Metric]:
        yield _counters(
            "progress_webhook_attempts_total",
            "Webhook requests, by whether the receiver has taken what they brought.",
            ("outcome",),
            (((outcome,), counts[outcome]) for outcome in _OUTCOMES),
        )
        yield _counters(
            "progress_webhook_deliveries_total",
            "Webhook deliveries that are over, by how they have ended.",
            ("state",),
            (((state,), counts[state]) for state in _ENDINGS),
        )
        yield _gauge(
            "progress_webhook_deliveries_pending",
            "Webhook deliveries that are still to be made, or to be tried again.",
            counts["pending"],
        )
        yield _counters(
            "progress_webhook_skipped_total",
            "Operations that the server's own webhook is not told of, for want of room.",
            (),
            [((), counts["skipped"])],
        )


def _gauge(name: str, says: str, value: float) -> Metric:
    return _gauges(name, says, (), [((), value)])


def _gauges(name: str, says: str, labels: tuple[str, ...], numbers: _Numbers) -> Metric:
    return _filled(GaugeMetricFamily(name, says, labels=labels), numbers)


def _counters(name: str, says: str, labels: tuple[str, ...], numbers: _Numbers) -> Metric:
    return _filled(CounterMetricFamily(name, says, labels=labels), numbers)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, numbers: _Numbers) -> Metric:
    for values, number in numbers:
        family.add_metric(values, number)
    return family


def _histogram(
    name: str, says: str, labels: tuple[str, ...], found: dict[tuple[str, ...], Histogram]
) -> Metric:
    family = HistogramMetricFamily(name, says, labels=labels)
    for values, histogram in found.items():
        buckets = [(_bound(bound), count) for bound, count in histogram.buckets]
        family.add_metric(values, buckets, histogram.sum)
    return family


def _bound(seconds: float) -> str:
    return "+Inf" if seconds == float("inf") else str(seconds)
