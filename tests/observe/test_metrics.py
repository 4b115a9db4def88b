"""Counters and sampled histograms, as Prometheus reads them."""

from __future__ import annotations

import asyncio
import bisect
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

import actorpar as ap
from actorpar.observe.metrics import SystemMetrics, exposition
from actorpar.observe.sampling import MESSAGES, SECONDS, Histogram, Samples
from actorpar.testing import VirtualClock
from tests.actors.staff import Desk, PlainDesk, fails
from tests.processes.running import settle

virtual = pytest.mark.virtual_time


def read(system: ap.ActorSystem) -> dict[tuple[str, str], float]:
    """The samples of an exposition by name and by the label that is not the system, read as Prometheus reads them."""
    found = {}
    for family in text_string_to_metric_families(exposition(system).decode()):
        for sample in family.samples:
            assert sample.labels.pop("system") == system.name
            found[sample.name, ",".join(sample.labels.values())] = sample.value
    return found


@virtual
async def test_every_counter_is_there_with_what_was_counted() -> None:
    def refuse(desk: Desk) -> None:
        raise ap.Reject("no")

    def fail(desk: Desk) -> None:
        raise ValueError

    async with ap.ActorSystem('shop "\\\n') as system:
        first, second = await system.spawn(PlainDesk), await system.spawn(PlainDesk)
        for n in range(10):
            first.tell(Desk.note, n)
        await settle()
        await first.ask(Desk.note, 1)
        await fails(ap.Reject, first.ask(Desk.do, refuse))
        await fails(ap.HandlerFailed, second.ask(Desk.do, fail))
        second.tell(Desk.note, 1)
        told = read(system)
        assert told["actorpar_actors", ""] == 1
        assert told["actorpar_actors_spawned_total", ""] == 2
        assert told["actorpar_actors_ended_total", ""] == told["actorpar_actors_crashed_total", ""] == 1
        assert told["actorpar_messages_handled_total", ""] + told["actorpar_asks_inlined_total", ""] == 13
        assert told["actorpar_requests_rejected_total", ""] == 1
        assert told["actorpar_dead_letters_total", "dead"] == 1
        assert told["actorpar_dead_letters_total", "overflow"] == 0
        assert told["actorpar_turns_total", ""] == system.counters.turns > 0


@virtual
async def test_handlers_that_are_suspended_and_actors_that_are_queued_are_gauges() -> None:
    async with ap.ActorSystem() as system:
        busy, queued = await system.spawn(PlainDesk), await system.spawn(PlainDesk)
        gate = asyncio.Event()
        busy.tell(Desk.run, lambda _: gate.wait())
        await settle()
        queued.tell(Desk.note, 1)
        told = read(system)
        assert told["actorpar_handlers_suspended", ""] == 1
        assert told["actorpar_actors_queued", ""] == 1
        gate.set()
        await settle()
        told = read(system)
        assert told["actorpar_handlers_suspended", ""] == told["actorpar_actors_queued", ""] == 0


@virtual
async def test_one_turn_in_64_is_sampled_with_its_time_and_its_mailbox() -> None:
    clock = asyncio.get_running_loop()
    assert isinstance(clock, VirtualClock)
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        for _ in range(640):
            ref.tell(Desk.do, lambda _: clock.advance(0.002))
            await settle()
        told = read(system)
        assert told["actorpar_turns_total", ""] == 640
        assert told["actorpar_mailbox_messages_count", "PlainDesk"] == 10
        assert told["actorpar_mailbox_messages_sum", "PlainDesk"] == 10
        assert told["actorpar_handler_seconds_count", "PlainDesk"] == 10
        assert told["actorpar_handler_seconds_sum", "PlainDesk"] == pytest.approx(0.02)
        buckets = {name: value for name, value in told.items() if name[0] == "actorpar_handler_seconds_bucket"}
        assert buckets["actorpar_handler_seconds_bucket", "PlainDesk,0.001"] == 0
        assert buckets["actorpar_handler_seconds_bucket", "PlainDesk,0.003"] == 10
        assert buckets["actorpar_handler_seconds_bucket", "PlainDesk,+Inf"] == 10


@virtual
async def test_without_counters_no_histogram_is_sampled() -> None:
    async with ap.ActorSystem(counters=False) as system:
        ref = await system.spawn(PlainDesk)
        for _ in range(640):
            ref.tell(Desk.note, 1)
            await settle()
        told = read(system)
        assert told["actorpar_messages_handled_total", ""] == 640
        assert not [name for name, _ in told if "handler_seconds" in name]


@virtual
async def test_a_registry_of_the_program_may_hold_systems_before_they_run() -> None:
    system = ap.ActorSystem("later")
    registry = CollectorRegistry(auto_describe=True)
    registry.register(SystemMetrics(system))
    assert exposition(system) == b""
    assert list(registry.collect()) == []
    async with system:
        assert registry.get_sample_value("actorpar_actors", {"system": "later"}) == 0


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(1, 9))), st.sampled_from([SECONDS, MESSAGES]))
def test_a_histogram_counts_each_value_at_the_first_bound_that_is_not_below_it(
    values: list[tuple[float, int]], bounds: tuple[float, ...]
) -> None:
    histogram = Histogram(bounds)
    for value, times in values:
        histogram.add(value, times)
    assert sum(histogram.counts) == sum(times for _, times in values)
    for place, bound in enumerate(bounds):
        at_most = sum(times for value, times in values if value <= bound)
        assert sum(histogram.counts[: place + 1]) == at_most
    assert list(bounds) == sorted(bounds)
    assert bisect.bisect_left(bounds, bounds[0]) == 0


class Waiting(SimpleNamespace):
    """As much of an actor as a sample looks at, with two messages that wait."""

    def __len__(self) -> int:
        return 2


def test_the_time_of_a_turn_is_shared_by_its_messages_which_were_in_the_mailbox_when_it_began() -> None:
    samples, actor = Samples(), cast(Any, Waiting(kind=SimpleNamespace(name="Desk")))
    samples(actor, 0.5, 5)
    samples(actor, 0.5, 0)
    assert sum(samples.seconds["Desk"].counts) == 5
    assert samples.seconds["Desk"].total == pytest.approx(0.5)
    assert samples.seconds["Desk"].counts[SECONDS.index(0.1)] == 5
    assert (sum(samples.messages["Desk"].counts), samples.messages["Desk"].total) == (2, 9)
