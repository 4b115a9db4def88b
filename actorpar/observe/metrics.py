"""The counters and histograms of a system as metrics, in Prometheus's text format.

`exposition(system)` is what an endpoint answers. A program that has metrics of its own registers
`SystemMetrics(system)` with the registry that holds them. Nothing is registered globally, and nothing is computed until
somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ..actors.errors import ActorError
from ..channels import env
from .devices import DeviceRow, device_rows
from .sampling import Histogram, Samples

if TYPE_CHECKING:
    from ..nodes.node import Node
    from ..system import ActorSystem

#: What an endpoint says of `exposition`.
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

#: field of Counters -> (name of the metric, what it counts)
COUNTERS: Final = {
    "spawned": ("actors_spawned", "Actors that were started."),
    "ended": ("actors_ended", "Actors that ended, for whatever reason."),
    "crashed": ("actors_crashed", "Actors that ended by an error."),
    "restarted": ("actors_restarted", "Actors that a supervisor started in place of another."),
    "handled": ("messages_handled", "Messages that were handled in turns of their actor."),
    "inlined": ("asks_inlined", "Asks that were handled inside the asker's step."),
    "asked": ("asks_queued", "Asks that went through a mailbox."),
    "turns": ("turns", "Times an actor was given its turn."),
    "rejected": ("requests_rejected", "Requests that a handler rejected."),
    "late": ("answers_late", "Answers that came after the asker had given up."),
    "expired": ("requests_expired", "Requests that were dropped because the asker had given up."),
}

_Gauge: TypeAlias = Literal["memory_used", "memory_total", "streams", "busy", "in_flight"]
#: (name of the metric, what it is, field of DeviceRow)
DEVICES: Final[tuple[tuple[str, str, _Gauge], ...]] = (
    ("memory_used_bytes", "Memory of a device that is in use.", "memory_used"),
    ("memory_bytes", "Memory of a device.", "memory_total"),
    ("streams", "Streams of a device.", "streams"),
    ("streams_busy", "Streams that have work.", "busy"),
    ("in_flight", "Work that was given to a device and is not done.", "in_flight"),
)


class SystemMetrics(Collector):
    """The metrics of one running system; a system that has not started has none. The label `system` is its name."""

    def __init__(self, system: ActorSystem) -> None:
        self._system = system

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        try:
            dispatcher = self._system.dispatcher
        except ActorError:  # not started yet
            return
        counters = self._system.counters
        name = [self._system.name]
        for field, (metric, text) in COUNTERS.items():
            counter = CounterMetricFamily(f"actorpar_{metric}", text, labels=["system"])
            counter.add_metric(name, getattr(counters, field))
            yield counter
        dead = CounterMetricFamily(
            "actorpar_dead_letters", "Messages that nobody handled.", labels=["system", "reason"]
        )
        for reason in sorted({"dead", "overflow", *counters.dead_letters}):
            dead.add_metric([*name, reason], counters.dead_letters[reason])
        yield dead
        for metric, text, value in (
            ("actors", "Actors that are alive.", counters.spawned - counters.ended),
            ("actors_queued", "Actors that have messages and wait for their turn.", len(dispatcher.todo)),
            ("handlers_suspended", "Handlers that have begun and wait for something.", dispatcher.waiting),
        ):
            gauge = GaugeMetricFamily(f"actorpar_{metric}", text, labels=["system"])
            gauge.add_metric(name, value)
            yield gauge
        if isinstance(dispatcher.sample, Samples):
            yield from _histograms(name, dispatcher.sample)
        if self._system.remote is not None:
            yield from _links(name, self._system.remote.node)
        yield from _devices(name, device_rows())


def _histograms(name: list[str], samples: Samples) -> Iterator[Metric]:
    for metric, text, of in (
        ("handler_seconds", "Seconds for which one message kept the event loop, sampled.", samples.seconds),
        ("mailbox_messages", "Messages in a mailbox when its actor was given its turn, sampled.", samples.messages),
    ):
        family = HistogramMetricFamily(f"actorpar_{metric}", text, labels=["system", "class"])
        for kind, histogram in of.items():
            family.add_metric([*name, kind], _buckets(histogram), histogram.total)
        yield family


def _links(name: list[str], node: Node) -> Iterator[Metric]:
    """What this node sees of the others; each tells its own figures at its own endpoint."""
    lag = GaugeMetricFamily("actorpar_loop_lag_seconds", "How late the event loop was.", labels=["system"])
    lag.add_metric(name, node.heartbeat.lag)
    silence = GaugeMetricFamily("actorpar_node_heard_seconds", "Since a node was heard.", labels=["system", "node"])
    stall = GaugeMetricFamily("actorpar_node_stall_seconds", "Loop of a node that stands.", labels=["system", "node"])
    sent = CounterMetricFamily("actorpar_link_sent_bytes", "Bytes to a node.", labels=["system", "node"])
    received = CounterMetricFamily("actorpar_link_received_bytes", "Bytes from a node.", labels=["system", "node"])
    for link in list(node.links.values()):
        labels = [*name, link.name]
        silence.add_metric(labels, link.liveness.silence(env.clock()))
        stall.add_metric(labels, link.stall)
        sent.add_metric(labels, link.traffic[0])
        received.add_metric(labels, link.traffic[1])
    yield from (lag, silence, stall, sent, received)


def _devices(name: list[str], rows: list[DeviceRow]) -> Iterator[Metric]:
    """The devices of this process. What one that is lost does not tell is left out."""
    for metric, text, field in DEVICES if rows else ():
        family = GaugeMetricFamily(f"actorpar_device_{metric}", text, labels=["system", "device", "name"])
        for row in rows:
            if (value := row[field]) is not None:
                family.add_metric([*name, row["spec"], row["name"]], value)
        yield family
    if rows:
        done = CounterMetricFamily(
            "actorpar_device_completed", "Work that a device has done.", labels=["system", "device", "name"]
        )
        for row in rows:
            done.add_metric([*name, row["spec"], row["name"]], row["completed"])
        yield done


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [*(str(bound) for bound in histogram.bounds), "+Inf"]
    return list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))


def exposition(system: ActorSystem) -> bytes:
    """All metrics of a system as text; empty before it has started. Its media type is CONTENT_TYPE."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SystemMetrics(system))
    return generate_latest(registry)
