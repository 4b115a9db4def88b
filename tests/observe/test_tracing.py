"""Spans of messages: the context of whoever sends one travels with it, and its handler runs in a span of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import actorpar as ap
from actorpar.observe.tracing import Instrumentation, instrument
from tests.actors.staff import Desk, PlainDesk, SlowDesk, fails, having
from tests.processes.running import settle

pytestmark = pytest.mark.virtual_time


def name_here() -> str:
    """The name of the span in which this runs; empty outside of all spans."""
    return str(getattr(trace.get_current_span(), "name", ""))


def ids(span: ReadableSpan) -> tuple[int, int]:
    """The ids of the trace and of the span."""
    context = span.get_span_context()
    assert context is not None
    return context.trace_id, context.span_id


class Spans:
    """A provider whose spans can be looked at when they have ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("tests")

    def watch(self, system: ap.ActorSystem) -> Instrumentation:
        return instrument(system, self.provider)

    @property
    def ended(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()

    @property
    def traces(self) -> set[int]:
        return {ids(span)[0] for span in self.ended}

    def named(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.ended if span.name == name]
        return span

    def parents(self) -> dict[str, str | None]:
        """The name of each span, with that of its parent."""
        by_id = {ids(span)[1]: span.name for span in self.ended}
        return {span.name: None if span.parent is None else by_id[span.parent.span_id] for span in self.ended}


@pytest.fixture
def spans() -> Spans:
    return Spans()


class Shop(ap.Actor):
    """Asks the store, which asks the bank."""

    def __init__(self, other: ap.ActorRef[Shop] | None = None) -> None:
        self.other = other

    async def order(self, slowly: bool = False) -> str:
        if slowly:
            await asyncio.sleep(1.0)
        if self.other is not None:
            await self.other.ask(Shop.order, slowly)
        return name_here()

    def note(self, item: object) -> None:
        pass


class Store(Shop):
    pass


class Bank(Shop, reentrant=True):
    pass


@pytest.mark.parametrize("slowly", [False, True])
async def test_one_span_for_each_message_with_that_of_its_asker_as_parent(spans: Spans, slowly: bool) -> None:
    async with ap.ActorSystem("town") as system:
        spans.watch(system)
        bank = await system.spawn(Bank, name="bank")
        store = await system.spawn(Store, bank)
        shop = await system.spawn(Shop, store)
        with spans.tracer.start_as_current_span("customer"):
            assert await shop.ask(Shop.order, slowly) == "Shop.order"
    assert spans.parents() == {
        "Bank.order": "Store.order",
        "Store.order": "Shop.order",
        "Shop.order": "customer",
        "customer": None,
    }
    attributes = spans.named("Bank.order").attributes
    assert attributes is not None
    assert (attributes["actorpar.system"], attributes["actorpar.actor"]) == ("town", "bank")
    assert attributes["actorpar.asked"] is True
    assert len(spans.traces) == 1


async def test_actors_that_were_there_before_and_tells_of_every_kind_have_spans(spans: Spans) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(Shop)
        spans.watch(system)
        with spans.tracer.start_as_current_span("customer"):
            ref.tell(Shop.note, 1)
            ref.tell(Shop.note, item=2)
            ref.teller(Shop.note)(3)
            await ref.send(Shop.note, 4)
        await settle()
    assert [span.name for span in spans.ended].count("Shop.note") == 4
    assert spans.parents()["Shop.note"] == "customer"


async def test_a_message_of_a_handler_that_was_told_belongs_to_its_trace(spans: Spans) -> None:
    async with ap.ActorSystem() as system:
        spans.watch(system)
        store = await system.spawn(Store)
        ref = await system.spawn(PlainDesk)
        with spans.tracer.start_as_current_span("customer"):
            ref.tell(Desk.do, lambda _: store.tell(Shop.note, 1))
        await settle()
    assert spans.parents() == {"Store.note": "PlainDesk.do", "PlainDesk.do": "customer", "customer": None}


async def test_without_a_span_of_the_sender_a_message_begins_a_trace(spans: Spans) -> None:
    async with ap.ActorSystem() as system:
        spans.watch(system)
        ref = await system.spawn(Shop)
        await ref.ask(Shop.order)
        await ref.ask(Shop.order)
    assert [span.parent for span in spans.ended] == [None, None]
    assert len(spans.traces) == 2


@pytest.mark.parametrize("cls", [PlainDesk, SlowDesk, having(SlowDesk, reentrant=True)])
async def test_what_a_handler_raises_is_recorded(spans: Spans, cls: type[Desk]) -> None:
    def fail(desk: Desk) -> None:
        raise KeyError("lost")

    def refuse(desk: Desk) -> None:
        raise ap.Reject("not today")

    async with ap.ActorSystem() as system:
        spans.watch(system)
        ref = await system.spawn(cls)
        await fails(ap.Reject, ref.ask(Desk.do, refuse))
        await fails(ap.HandlerFailed, ref.ask(Desk.do, fail))
    refused, failed = spans.ended
    assert refused.status.is_ok or refused.status.is_unset
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert failed.status.description == "KeyError('lost')"
    for span, kind in ((refused, "Reject"), (failed, "KeyError")):
        (event,) = span.events
        assert event.attributes is not None
        assert str(event.attributes["exception.type"]).endswith(kind)


async def test_an_error_whose_text_raises_is_recorded_by_its_type(spans: Spans) -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

        __repr__ = __str__

    def fail(desk: Desk) -> None:
        raise Rude

    async with ap.ActorSystem() as system:
        spans.watch(system)
        ref = await system.spawn(PlainDesk)
        failure = await fails(ap.HandlerFailed, ref.ask(Desk.do, fail))
        assert isinstance(failure.__cause__, Rude)
    (span,) = spans.ended
    assert "Rude" in (span.status.description or "")


async def test_handlers_of_a_reentrant_actor_keep_their_spans_apart(spans: Spans) -> None:
    seen: dict[str, list[str]] = {}

    async def work(name: str, seconds: float) -> None:
        for _ in range(4):
            with spans.tracer.start_as_current_span(f"part of {name}"):
                await asyncio.sleep(seconds)
                seen.setdefault(name, []).append(name_here())
            seen[name].append(name_here())

    async with ap.ActorSystem() as system:
        spans.watch(system)
        ref = await system.spawn(having(PlainDesk, reentrant=True))
        await asyncio.gather(
            ref.within(60).ask(Desk.run, lambda _: work("a", 1.0)),
            ref.within(60).ask(Desk.run, lambda _: work("b", 0.7)),
        )
        assert not trace.get_current_span().is_recording()
    for name in "ab":
        assert seen[name] == [f"part of {name}", "PlainDesk.run"] * 4
    runs = {ids(span)[1] for span in spans.ended if span.name == "PlainDesk.run"}
    parts = [span for span in spans.ended if span.name.startswith("part")]
    assert len(runs) == 2
    assert len({(span.name, span.parent.span_id) for span in parts if span.parent is not None}) == 2


async def test_a_cancelled_handler_of_a_reentrant_actor_is_cancelled_and_its_span_ends(spans: Spans) -> None:
    cancelled: list[str] = []

    async def wait(desk: Any) -> None:
        try:
            await asyncio.sleep(100.0)
        except asyncio.CancelledError:
            cancelled.append("here")
            raise

    async with ap.ActorSystem() as system:
        spans.watch(system)
        ref = await system.spawn(having(PlainDesk, reentrant=True))
        ref.tell(Desk.run, wait)
        await settle()
        system.kill(ref)
        await system.ended(ref)
        await settle()
    assert cancelled == ["here"]
    assert spans.named("PlainDesk.run").status.status_code is trace.StatusCode.ERROR


async def test_nothing_of_a_span_is_left_in_the_actor_when_its_handler_has_ended(spans: Spans) -> None:
    async with ap.ActorSystem() as system:
        instrumentation = spans.watch(system)
        ref = await system.spawn(PlainDesk)
        with spans.tracer.start_as_current_span("customer"):
            await ref.ask(Desk.note, 1)
        instrumentation.close()
        assert not await ref.ask(Desk.do, lambda _: trace.get_current_span().is_recording())


async def test_baggage_travels_with_the_message(spans: Spans) -> None:
    async with ap.ActorSystem() as system:
        spans.watch(system)
        ref = await system.spawn(SlowDesk)
        token = context.attach(baggage.set_baggage("tenant", "seven"))
        try:
            assert await ref.ask(Desk.do, lambda _: baggage.get_baggage("tenant")) == "seven"
        finally:
            context.detach(token)


async def test_a_forwarded_request_keeps_its_trace(spans: Spans) -> None:
    async with ap.ActorSystem() as system:
        spans.watch(system)
        store = await system.spawn(Store)
        ref = await system.spawn(PlainDesk)
        with spans.tracer.start_as_current_span("customer"):
            answer = await ref.ask(Desk.do, lambda desk: desk.ctx.forward(store, Shop.order))
        assert answer == "Store.order"
    assert spans.parents() == {"Store.order": "PlainDesk.do", "PlainDesk.do": "customer", "customer": None}


async def test_after_close_there_are_no_spans_and_messages_take_their_short_way_again(spans: Spans) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(Shop)
        instrumentation = spans.watch(system)
        late = await system.spawn(Store)
        await ref.ask(Shop.order)
        instrumentation.close()
        instrumentation.close()
        for shop in (ref, late, await system.spawn(Store)):
            await shop.ask(Shop.order)
            shop.tell(Shop.note, 1)
        await settle()
        assert system.dispatcher.observe is None
    assert [span.name for span in spans.ended] == ["Shop.order"]


async def test_spans_and_the_trace_of_one_actor_do_not_disturb_each_other(spans: Spans) -> None:
    async with ap.ActorSystem() as system:
        events = system.events.subscribe(ap.Traced)
        instrumentation = spans.watch(system)
        ref = await system.spawn(Shop)
        system.trace(ref)
        await ref.ask(Shop.order)
        instrumentation.close()
        await ref.ask(Shop.order)
        system.trace(ref, False)
        spans.watch(system)
        await ref.ask(Shop.order)
        with events:
            assert [(await events.receive()).message for _ in range(2)] == ["order", "order"]
            with pytest.raises(ap.ChannelEmpty):
                events.receive_nowait()
    assert len(spans.ended) == 2


async def test_a_system_that_does_not_run_cannot_be_instrumented(spans: Spans) -> None:
    with pytest.raises(ap.ActorError, match="not running"):
        spans.watch(ap.ActorSystem())
