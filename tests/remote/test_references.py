"""References that lead to other nodes: guards, forwarding, deferred answers, refusals, links, and watches (AC-55)."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes import link as links
from actorpar.nodes.errors import NodeDown, RemoteError
from actorpar.remote import hub, reasons
from actorpar.remote import messages as m
from actorpar.remote.ref import RemoteRef
from tests.remote.staff import JOURNAL, Clerk, OutOfStock, Plain, Stock, Trapper
from tests.remote.systems import Systems, systems, until

WINDOW = 1024


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Actors fail here on purpose."""
    JOURNAL.clear()
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
async def three() -> AsyncIterator[Systems]:
    async with systems(3) as made:
        yield made


# -- forward (AC-20)


@pytest.mark.parametrize(("clerk", "stock"), [("n0", "n1"), ("n1", "n0"), ("n1", "n1"), ("n1", "n2")])
async def test_ac20_a_request_is_forwarded_to_an_actor_on_another_node(three: Systems, clerk: str, stock: str) -> None:
    by, to = await three.here.spawn(Clerk, on=clerk), await three.here.spawn(Stock, on=stock)
    assert await by.ask(Clerk.ask_stock, to, "three") == f"three from {stock}"
    assert await by.ask(Clerk.ask_stock_after_a_while, to, "four") == f"four from {stock}"
    assert by.tell(Clerk.pass_on, to, "told")
    async with asyncio.timeout(5):
        while await to.ask(Stock.notes) != ["told"]:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.002)


@pytest.mark.parametrize(("clerk", "stock"), [("n0", "n1"), ("n1", "n2")])
async def test_ac20_the_end_of_the_forwarder_does_not_matter_any_more(three: Systems, clerk: str, stock: str) -> None:
    by, to = await three.here.spawn(Clerk, on=clerk), await three.here.spawn(Stock, on=stock)
    asking = asyncio.create_task(by.ask(Clerk.ask_and_leave, to))
    async with asyncio.timeout(5):
        while not await to.ask(Stock.waiting):  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.002)
    assert (await three.here.ended(by)).kind in ("normal", "noproc")
    await to.ask(Stock.answer_all, "late")
    assert await asking == "late"


@pytest.mark.parametrize("clerk", ["n0", "n1"])
async def test_ac20_the_end_of_the_other_fails_the_asker(three: Systems, clerk: str) -> None:
    by, to = await three.here.spawn(Clerk, on=clerk), await three.here.spawn(Stock, on="n2")
    with pytest.raises(ap.HandlerFailed, match="ValueError: as it was told"):
        await by.ask(Clerk.ask_fail, to)
    await until(lambda: not three.all[2].actors)
    with pytest.raises(ap.ActorDead):
        await by.ask(Clerk.ask_stock, to, "x")
    to = await three.here.spawn(Stock, on="n2")
    asking = asyncio.create_task(by.within(None).ask(Clerk.ask_never, to))
    await until(lambda: JOURNAL)
    await three.lose(2)
    with pytest.raises(NodeDown):
        await asking
    assert by.is_alive()


@pytest.mark.parametrize(("clerk", "stock"), [("n0", "n1"), ("n1", "n2")])
async def test_ac20_the_deadline_goes_along_and_who_gives_up_withdraws_it_there(
    three: Systems, clerk: str, stock: str
) -> None:
    by, to = await three.here.spawn(Clerk, on=clerk), await three.here.spawn(Stock, on=stock)
    left = await by.within(3).ask(Clerk.ask_left, to)
    assert left is not None
    assert 0 < left <= 3
    assert await by.within(None).ask(Clerk.ask_left, to) is None
    with pytest.raises(ap.AskTimeout):
        await by.within(0.05).ask(Clerk.ask_never, to)
    await until(lambda: "withdrawn" in JOURNAL)
    relays = [relay for system in three.all for relay in system.hub._relays]
    assert relays == []


@pytest.mark.parametrize("clerk", ["n0", "n1"])
async def test_ac20_arguments_that_do_not_fit_fail_the_forwarder_and_its_asker(three: Systems, clerk: str) -> None:
    by, to = await three.here.spawn(Clerk, on=clerk), await three.here.spawn(Stock, on="n2")
    with pytest.raises(ap.HandlerFailed, match="str is declared, not int"):
        await by.ask(Clerk.ask_wrongly, to)


# -- guards and threads (AC-6)


def room_for_one(to: ap.ActorRef[Stock]) -> None:
    """As if the other node said that one more message is handled."""
    assert isinstance(to, RemoteRef)
    to.room(1)


async def fill(three: Systems) -> ap.ActorRef[Stock]:
    """An actor on n1 that is suspended, and has as many messages of here as may be."""
    to = await three.here.spawn(Stock, on="n1")
    three.all[1].suspend(three.all[1].actors[0])
    for number in range(WINDOW):
        assert to.tell(Stock.note, str(number))
    return to


async def test_ac06_a_guard_sends_to_an_actor_on_another_node_once_there_is_room(three: Systems) -> None:
    to = await fill(three)
    tx, rx = ap.open_channel[str](1)
    with tx, rx:
        assert (await ap.select(ap.send_to(to, Stock.note, "a"), ap.default()))[0] == 1
        choosing = asyncio.create_task(ap.select(ap.send_to(to, Stock.note, "chosen"), rx))
        await asyncio.sleep(0)
        await tx.send("the other")
        _, value = await choosing
        assert value == "the other"
        choosing = asyncio.create_task(ap.select(ap.send_to(to.within(1), Stock.note, "chosen"), rx))
        await asyncio.sleep(0.01)
        assert not choosing.done()
        three.all[1].resume(three.all[1].actors[0])
        assert (await choosing)[1] is None
    seen = await to.ask(Stock.notes)
    assert seen == [*map(str, range(WINDOW)), "chosen"]


async def test_ac06_a_cancelled_send_gives_its_room_to_the_next(three: Systems) -> None:
    to = await fill(three)
    first, second = (asyncio.create_task(to.send(Stock.note, text)) for text in ("first", "second"))
    await asyncio.sleep(0.01)
    room_for_one(to)  # the first is woken, and does not run before it is cancelled
    first.cancel()
    await asyncio.wait_for(second, 5)
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not to.tell(Stock.note, "a third")


async def test_ac06_a_send_that_is_cancelled_while_it_waits_was_not_sent(three: Systems) -> None:
    to = await fill(three)
    first = asyncio.create_task(to.send(Stock.note, "first"))
    second = asyncio.create_task(to.send(Stock.note, "second"))
    await asyncio.sleep(0.01)
    first.cancel()
    three.all[1].resume(three.all[1].actors[0])
    await second
    assert (await to.ask(Stock.notes))[-1] == "second"


async def test_ac07_a_guard_to_an_actor_that_has_ended_is_ready_and_raises(three: Systems) -> None:
    to = await fill(three)
    waiting = asyncio.create_task(ap.select(ap.send_to(to, Stock.note, "x"), ap.never()))
    await asyncio.sleep(0)
    await three.lose(1)
    with pytest.raises(ap.ActorDead, match="noconnection"):
        await waiting
    with pytest.raises(ap.ActorDead):
        await ap.select(ap.send_to(to, Stock.note, "x"), ap.never())


async def test_ac09_a_guard_is_checked_at_once_and_what_cannot_cross_uses_no_room(three: Systems) -> None:
    to = await three.here.spawn(Stock, on="n1")
    with pytest.raises(ap.BadArguments):
        ap.send_to(to, Stock.note)  # type: ignore[call-overload]
    with pytest.raises(ap.BadArguments, match="str is declared"):
        await ap.select(ap.send_to(to, Stock.note, 7))  # type: ignore[call-overload]
    with pytest.raises(ap.BadArguments, match="str is declared"):
        await to.send(Stock.note, 7)  # type: ignore[arg-type]
    assert sum(to.tell(Stock.note, "x") for _ in range(WINDOW)) == WINDOW


async def test_ac09_what_waited_for_room_and_cannot_cross_leaves_the_room_to_others(three: Systems) -> None:
    to = await fill(three)
    sending = asyncio.create_task(to.send(Stock.note, 7))  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    room_for_one(to)
    with pytest.raises(ap.BadArguments, match="str is declared"):
        await sending
    assert to.tell(Stock.note, "one")
    assert not to.tell(Stock.note, "another")


async def test_a_thread_sends_to_and_asks_an_actor_on_another_node(three: Systems) -> None:
    to = await three.here.spawn(Stock, on="n1")

    def work(handle: ap.ThreadRef[Stock]) -> str:
        with handle:
            for number in range(100):
                handle.send(Stock.note, str(number))
            return handle.ask(Stock.answer, "yes")

    assert await asyncio.to_thread(work, to.threadsafe()) == "yes from n1"
    assert await to.ask(Stock.notes) == [str(number) for number in range(100)]


# -- answers (AC-11, AC-18, AC-19)


async def test_ac19_a_deferred_answer_crosses_and_a_dropped_one_fails_the_asker(three: Systems) -> None:
    to = await three.here.spawn(Stock, on="n1")

    async def asked() -> asyncio.Task[str]:
        asking = asyncio.create_task(to.ask(Stock.later))
        async with asyncio.timeout(5):
            while not await to.ask(Stock.waiting):  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.002)
        return asking

    asking = await asked()
    assert await to.ask(Stock.answer_all, "now") == [True]
    assert await asking == "now"
    asking = await asked()
    await to.ask(Stock.refuse_all)
    with pytest.raises(OutOfStock, match="later is now"):
        await asking
    asking = await asked()
    await to.ask(Stock.drop_all)
    gc.collect()
    with pytest.raises(ap.BrokenPromise, match="later"):
        await asking
    asking = await asked()
    await to.ask(Stock.leave)
    with pytest.raises(ap.ActorDead):
        await asking


async def test_ac22_an_asker_that_gives_up_withdraws_a_deferred_answer(three: Systems) -> None:
    to = await three.here.spawn(Stock, on="n1")
    with pytest.raises(ap.AskTimeout):
        await to.within(0.05).ask(Stock.later)
    await until(lambda: JOURNAL == ["withdrawn"])
    assert await to.ask(Stock.pending) == [False]
    assert await to.ask(Stock.answer_all, "late") == [False]


async def test_ac11_what_another_node_asks_and_tells_can_be_stashed_and_counts_once(three: Systems) -> None:
    to = await three.here.spawn(Stock, on="n1")
    asking = asyncio.create_task(to.ask(Stock.when_open, "asked"))
    await asyncio.sleep(0)
    for number in range(600):
        assert to.tell(Stock.when_open, str(number))
    await to.ask(Stock.open)
    assert await asking == "asked"
    assert await to.ask(Stock.notes) == ["asked", *map(str, range(600))]
    (handled,) = three.all[1].hub.serving._handled.values()
    assert handled == 600 - WINDOW // 2, "a message that was stashed is handled once"


async def test_ac18_a_refusal_of_the_program_is_raised_as_its_class_on_another_node(three: Systems) -> None:
    to = await three.here.spawn(Stock, on="n1")
    with pytest.raises(OutOfStock, match="none left") as refused:
        await to.ask(Stock.out_of_stock)
    assert isinstance(refused.value.__cause__, RemoteError)
    assert refused.value.__cause__.kind == "OutOfStock"
    with pytest.raises(ap.Reject, match="3 wanted, 2 left") as other:
        await to.ask(Stock.too_many)
    assert type(other.value) is ap.Reject, "one that is made of more than a text cannot be made here"
    by = await three.here.spawn(Clerk, on="n2")
    with pytest.raises(OutOfStock, match="none left"):
        await by.ask(Clerk.ask_out_of_stock, to)
    three.here.hub.served = ()
    with pytest.raises(ap.Reject, match="none left") as unknown:
        await to.ask(Stock.out_of_stock)
    assert type(unknown.value) is ap.Reject, "its class is not served here"


# -- links (AC-27 … AC-30)


@pytest.mark.parametrize("which", ["the one that linked", "the other"])
@pytest.mark.parametrize(("one", "other"), [("n0", "n1"), ("n1", "n0"), ("n1", "n2")])
async def test_ac28_an_abnormal_end_takes_the_linked_along_whoever_made_the_link(
    three: Systems, one: str, other: str, which: str
) -> None:
    a, b = await three.here.spawn(Plain, on=one), await three.here.spawn(Plain, on=other)
    await a.ask(Plain.bind, b)
    await b.ask(Plain.ping)
    failing, taken = (a, b) if which == "the one that linked" else (b, a)
    failing.tell(Plain.fail)
    await asyncio.wait_for(three.here.ended(taken), 5)
    await until(lambda: len(JOURNAL) == 2)
    assert JOURNAL == [
        "Plain stops: error(ValueError('as it was told'))",
        "Plain stops: error(RemoteError('ValueError: as it was told'))",
    ]


@pytest.mark.parametrize("which", ["the one that linked", "the other"])
async def test_ac28_a_normal_end_is_ignored_across_nodes(three: Systems, which: str) -> None:
    a, b = await three.here.spawn(Plain), await three.here.spawn(Plain, on="n1")
    await a.ask(Plain.bind, b)
    await b.ask(Plain.ping)
    leaving, left = (a, b) if which == "the one that linked" else (b, a)
    await leaving.ask(Plain.leave)
    await three.here.ended(leaving)
    assert await left.ask(Plain.ping) == "pong"


@pytest.mark.parametrize("order", ["leave", "fail"])
@pytest.mark.parametrize("which", ["the one that linked", "the other"])
async def test_ac29_a_class_that_traps_exits_is_told_them_across_nodes(three: Systems, which: str, order: str) -> None:
    a, b = await three.here.spawn(Trapper), await three.here.spawn(Trapper, on="n1")
    await a.ask(Plain.bind, b)
    await b.ask(Plain.ping)
    ending, told = (a, b) if which == "the one that linked" else (b, a)
    ending.tell(Plain.leave if order == "leave" else Plain.fail)
    await until(lambda: len(JOURNAL) == 2)
    reason = "normal" if order == "leave" else "error(RemoteError('ValueError: as it was told'))"
    assert JOURNAL[1] == f"exit: {reason}"
    assert await told.ask(Plain.ping) == "pong"


@pytest.mark.parametrize("by", ["the one that linked", "the other"])
@pytest.mark.parametrize("failing", ["the one that linked", "the other"])
async def test_ac30_a_link_that_is_undone_is_undone_on_both_nodes(three: Systems, by: str, failing: str) -> None:
    a, b = await three.here.spawn(Plain), await three.here.spawn(Plain, on="n1")
    await a.ask(Plain.bind, b)
    await b.ask(Plain.ping)
    one, other = (a, b) if by == "the one that linked" else (b, a)
    await one.ask(Plain.unbind, other)
    await other.ask(Plain.ping)
    await b.ask(Plain.ping)
    assert (three.here.hub._watched, three.all[1].hub._watched) == ({}, {})
    one, other = (a, b) if failing == "the one that linked" else (b, a)
    one.tell(Plain.fail)
    await until(lambda: len(JOURNAL) == 1)
    assert await other.ask(Plain.ping) == "pong"


async def test_ac28_an_end_right_after_the_link_was_made_is_told_with_its_reason(three: Systems) -> None:
    a, b = await three.here.spawn(Plain), await three.here.spawn(Trapper, on="n1")
    a.tell(Plain.bind_and_leave, b)
    await until(lambda: len(JOURNAL) == 2)
    assert JOURNAL == ["Plain stops: normal", "exit: normal"]


def test_ac47_of_a_long_chain_of_reasons_the_root_is_told() -> None:
    reason = ap.Reason("error", error=ValueError("the root"))
    for number in range(3 * reasons.CHAIN):
        reason = ap.Reason("shutdown", detail=number, cause=reason)
    crossed = reasons.reason_of(reasons.told(reason))
    assert crossed.detail == str(3 * reasons.CHAIN - 1)
    assert str(crossed.root.error) == "ValueError: the root"
    again = reasons.reason_of(reasons.told(crossed))
    assert str(again) == str(crossed), "what crosses twice is what crossed once"
    assert reasons.reason_of(m.Why("haunted")).kind == "noconnection"


async def test_ac27_two_that_link_each_other_at_once_have_one_link(three: Systems) -> None:
    a, b = await three.here.spawn(Trapper), await three.here.spawn(Trapper, on="n1")
    await asyncio.gather(a.ask(Plain.bind, b), b.ask(Plain.bind, a))
    await b.ask(Plain.ping)
    b.tell(Plain.fail)
    await until(lambda: len(JOURNAL) == 2)
    assert await a.ask(Plain.ping) == "pong"
    assert [line for line in JOURNAL if line.startswith("exit")] == [JOURNAL[1]]


async def test_ac32_a_lost_node_ends_links_with_noconnection_on_both_sides(three: Systems) -> None:
    a, b = await three.here.spawn(Trapper), await three.here.spawn(Plain)
    other = await three.here.spawn(Trapper, on="n1")
    await a.ask(Plain.bind, other)
    await b.ask(Plain.bind, other)
    await other.ask(Plain.ping)
    three.nodes[0].links[three.nodes[1].id].down("of the test")
    await three.here.ended(b)
    await until(lambda: {"Plain stops: noconnection", "exit: noconnection"} <= set(JOURNAL))
    assert a.is_alive()


async def test_a_link_to_an_actor_whose_class_this_node_does_not_have_stands_all_the_same(three: Systems) -> None:
    other = await three.here.spawn(Plain, on="n1")
    mine = await three.here.spawn(Plain)
    three.all[1].hub.served = ()
    await mine.ask(Plain.bind, other)
    mine.tell(Plain.fail)
    await until(lambda: not three.all[1].actors)


# -- watches (AC-31, AC-55)


async def test_ac55_a_watch_that_is_taken_back_is_forgotten_there_and_tells_nothing(three: Systems) -> None:
    watcher, other = await three.here.spawn(Plain), await three.here.spawn(Plain, on="n1")
    for _ in range(3):
        await watcher.ask(Plain.watch, other)
        await watcher.ask(Plain.unwatch)
    await other.ask(Plain.ping)
    assert three.here.hub._watched == {}
    assert [nodes for nodes in three.all[1].hub.serving.watches._nodes.values() if nodes] == []
    other.tell(Plain.fail)
    await until(lambda: len(JOURNAL) == 1)
    assert await watcher.ask(Plain.ping) == "pong"
    assert len(JOURNAL) == 1


async def test_ac55_several_watches_of_one_actor_are_one_between_the_nodes_and_each_is_told_once(
    three: Systems,
) -> None:
    watchers = [await three.here.spawn(Plain) for _ in range(3)]
    other = await three.here.spawn(Plain, on="n1")
    for watcher in watchers:
        await watcher.ask(Plain.watch, other)
    await watchers[0].ask(Plain.unwatch)
    other.tell(Plain.leave)
    await until(lambda: len(JOURNAL) == 3)
    for watcher in watchers:
        await watcher.ask(Plain.ping)
    assert JOURNAL == ["Plain stops: normal", "down: normal", "down: normal"]


@pytest.mark.parametrize("again", ["before it arrives", "after that"])
async def test_ac55_a_watch_that_crosses_the_end_is_told_once_how_it_ended(three: Systems, again: str) -> None:
    """The end is on its way while the watch is taken back and made again."""
    watcher, other = await three.here.spawn(Plain), await three.here.spawn(Plain, on="n1")
    await watcher.ask(Plain.watch, other)
    await other.ask(Plain.ping)
    under_way: list[tuple[Any, ...]] = []
    deliver = three.nodes[0].on_call
    assert deliver is not None

    def delay(link: Any, lane: int, body: Any, buffers: list[Any]) -> None:
        if isinstance(m.unpack(body)[0], m.Down):
            under_way.append((link, lane, bytes(body), buffers))
        else:
            deliver(link, lane, body, buffers)

    three.nodes[0].on_call = delay
    other.tell(Plain.fail)
    await until(lambda: len(under_way) == 1)
    await watcher.ask(Plain.unwatch)
    if again == "after that":
        deliver(*under_way.pop())
    await watcher.ask(Plain.watch, other)
    if again == "before it arrives":
        await until(lambda: len(under_way) == 2)
    for each in under_way:
        deliver(*each)
    await until(lambda: len(JOURNAL) > 1)
    await watcher.ask(Plain.ping)
    assert JOURNAL == [
        "Plain stops: error(ValueError('as it was told'))",
        "down: error(RemoteError('ValueError: as it was told'))",
    ]


async def test_ac55_a_watch_outlives_broken_connections_and_is_told_once(three: Systems) -> None:
    watcher, other = await three.here.spawn(Plain), await three.here.spawn(Plain, on="n1")
    link = three.nodes[0].links[three.nodes[1].id]
    for _ in range(3):
        await watcher.ask(Plain.watch, other)
        assert link.stream is not None
        link.stream.close()
        await watcher.ask(Plain.unwatch)
        await other.ask(Plain.ping)
    await watcher.ask(Plain.watch, other)
    await other.ask(Plain.ping)  # the watch has arrived
    before = link.connections
    assert link.stream is not None
    link.stream.close()
    three.all[1].actors[0].tell(Plain.fail)
    await until(lambda: len(JOURNAL) == 2)
    await until(lambda: link.connections > before)
    assert await watcher.ask(Plain.ping) == "pong"
    assert JOURNAL[1] == "down: error(RemoteError('ValueError: as it was told'))"
    assert len(JOURNAL) == 2


async def test_ac55_the_loss_of_the_node_ends_a_watch_once_and_a_new_link_revives_nothing(three: Systems) -> None:
    watcher, other = await three.here.spawn(Plain), await three.here.spawn(Plain, on="n1")
    await watcher.ask(Plain.watch, other)
    three.nodes[0].links[three.nodes[1].id].down("of the test")
    await until(lambda: JOURNAL.count("down: noconnection") == 1)
    await watcher.ask(Plain.watch, other)  # what nobody knows stays unknown
    await until(lambda: JOURNAL.count("down: noconnection") == 2)
    assert [line for line in JOURNAL if line.startswith("down")] == ["down: noconnection"] * 2


async def test_ac55_a_node_that_does_not_read_what_it_is_told_is_cut_off_and_its_watches_end_once(
    three: Systems, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher, other = await three.here.spawn(Plain), await three.here.spawn(Plain, on="n1")
    link = three.nodes[0].links[three.nodes[1].id]
    await watcher.ask(Plain.watch, other)
    monkeypatch.setattr(hub, "UNREAD", 100)
    monkeypatch.setattr(links, "BEHIND", 1000)
    link._blocked = True  # as if nothing of what is written was read over there
    third = three.here.hub.peer_of(link, m.describe(three.nodes[1].id, b"t" * 16, "m:T", "third"))
    for _ in range(100):
        monitor = watcher.ask(Plain.watch, third), watcher.ask(Plain.unwatch)
        await asyncio.gather(*monitor)
    await until(lambda: link.is_down)
    await until(lambda: JOURNAL.count("down: noconnection") == 1)
    assert await watcher.ask(Plain.ping) == "pong"
    with pytest.raises(ap.ActorDead):
        await other.ask(Plain.ping)
    assert three.nodes[1].id not in three.nodes[0].members, "that incarnation is down for good"


async def test_an_actor_on_another_node_is_killed_and_its_end_awaited_from_here(three: Systems) -> None:
    other = await three.here.spawn(Plain, on="n1")
    ended = asyncio.create_task(three.here.ended(other))
    await asyncio.sleep(0)
    three.here.kill(other)
    assert (await ended).kind == "killed"
    assert JOURNAL == []
    assert (await three.here.ended(other)).kind == "killed"
