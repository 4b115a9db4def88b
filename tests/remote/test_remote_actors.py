"""Actors and processes on other nodes: two systems, joined by a Unix socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes.errors import ItemTypeError, NodeDown, NotImportable, RemoteError
from actorpar.remote.naming import resolve
from tests.nodes.meshed import Mesh, close, mesh
from tests.remote.subjects import Counter, Linked, Order, Watcher, double, fails, naps, serve_orders, waits

SERVES = ("tests.remote.subjects",)


class Two:
    """A system here, and one on node n1."""

    def __init__(self, here: ap.ActorSystem, there: ap.ActorSystem, nodes: Mesh) -> None:
        self.here, self.there, self.nodes = here, there, nodes


@asynccontextmanager
async def two_systems(**options: Any) -> AsyncIterator[Two]:
    async with mesh(2, **options) as nodes:
        here, there = (ap.ActorSystem(node.name, node=node, serves=SERVES, shutdown=0.5) for node in nodes.nodes)
        async with there, here:
            yield Two(here, there, nodes)


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.002)


async def saw(watcher: ap.ActorRef[Watcher], last: str) -> list[str]:
    """What the watcher has seen, once `last` is the last of it."""
    async with asyncio.timeout(5):
        while (seen := await watcher.ask(Watcher.all))[-1:] != [last]:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.002)
    return seen


async def test_an_actor_on_another_node_is_asked_and_told_like_any_other() -> None:
    async with two_systems() as two:
        counter = await two.here.spawn(Counter, 5, on="n1")
        assert await counter.ask(Counter.add, 3) == 8
        assert counter.tell(Counter.add, 2)
        assert await counter.ask(Counter.add, 1, times=3) == 13
        await counter.send(Counter.add, 1)
        assert await counter.within(1).ask(Counter.add, number=0) == 14
        assert len(two.there.actors) == 1
        assert two.here.actors == ()
        assert (await two.here.stop(counter)).kind == "shutdown"


async def test_net47_an_exception_of_a_handler_arrives_as_its_text() -> None:
    async with two_systems() as two:
        counter = await two.here.spawn(Counter, on="n1")
        with pytest.raises(ap.Reject, match="not today"):
            await counter.ask(Counter.refuse)
        assert await counter.ask(Counter.add, 1) == 1
        logging.disable(logging.ERROR)
        try:
            with pytest.raises(ap.HandlerFailed) as failed:
                await counter.ask(Counter.fail)
        finally:
            logging.disable(logging.NOTSET)
        assert isinstance(failed.value.__cause__, RemoteError)
        assert (failed.value.__cause__.kind, failed.value.__cause__.details) == ("RuntimeError", "")
        with pytest.raises(ap.ActorDead):
            await counter.ask(Counter.add, 1)


async def test_what_does_not_fit_raises_here_and_nothing_is_sent() -> None:
    async with two_systems() as two:
        counter = await two.here.spawn(Counter, on="n1")
        with pytest.raises(ap.BadArguments, match="int is declared, not str"):
            counter.tell(Counter.add, "one")  # type: ignore[arg-type]
        with pytest.raises(ap.BadArguments):
            await counter.ask(Counter.add)  # type: ignore[call-overload]
        with pytest.raises(ap.UnhandledMessage):
            counter.tell(Watcher.note, "x")  # type: ignore[arg-type]
        assert await counter.ask(Counter.add, 0) == 0


async def test_ac14_an_ask_gives_up_at_its_deadline_and_the_actor_lives_on() -> None:
    async with two_systems() as two:
        counter = await two.here.spawn(Counter, on="n1")
        with pytest.raises(ap.AskTimeout):
            await counter.within(0.02).ask(Counter.slow, 0.2)
        assert await counter.ask(Counter.add, 1) == 1


async def test_a_start_that_fails_raises_where_it_was_wanted() -> None:
    async with two_systems() as two:
        with pytest.raises(ap.StartFailed, match="below zero"):
            await two.here.spawn(Counter, -1, on="n1")
        with pytest.raises(ItemTypeError, match="int is declared"):
            await two.here.spawn(Counter, "x", on="n1")  # type: ignore[arg-type]


async def test_code_travels_by_importable_name_only() -> None:
    async def nested() -> None: ...

    async with two_systems() as two:
        with pytest.raises(NotImportable, match="define it in a module"):
            await two.here.spawn(nested, on="n1")
        two.there.hub.served = ("some.other.module",)
        with pytest.raises(NotImportable, match="does not serve"):
            await two.here.spawn(Counter, on="n1")


@pytest.mark.parametrize("module", ["tests.remote.subjects:", "os:", "subprocess:", ""])
@pytest.mark.parametrize(
    "name", ["asyncio.sleep", "plain", "", "Counter.add", "Counter.__init__", "no_such_name", "system", "Popen"]
)
def test_a12_no_name_leads_to_what_is_not_served(module: str, name: str) -> None:
    with pytest.raises(NotImportable):
        resolve(module + name, SERVES)


async def test_a_process_on_another_node_gets_its_ends_and_gives_its_result() -> None:
    async with two_systems() as two:
        jobs_tx, jobs_rx = ap.open_channel[int](8)
        results_tx, results_rx = ap.open_channel[int](8)
        process = await two.here.spawn(double, jobs_rx, results_tx, on="n1")

        async def feed() -> None:
            await jobs_tx.send_many(range(100))
            jobs_tx.close()

        feeding = asyncio.create_task(feed())
        assert [result async for result in results_rx] == [2 * number for number in range(100)]
        assert await process == 100
        await feeding
        results_rx.close()


async def test_the_failure_of_a_process_on_another_node_raises_where_it_is_awaited() -> None:
    async with two_systems() as two:
        process = await two.here.spawn(fails, "broken", on="n1")
        with pytest.raises(RemoteError, match="ValueError: broken"):
            await process


async def test_a_process_on_another_node_can_be_cancelled() -> None:
    async with two_systems() as two:
        tx, rx = ap.open_channel[str](1)
        process = await two.here.spawn(waits, tx, on="n1")
        assert await rx.receive() == "started"
        process.cancel()
        with pytest.raises(asyncio.CancelledError):
            await process
        with pytest.raises(ap.ChannelBroken):
            await rx.receive()
        rx.close()


async def test_net20_an_end_travels_inside_a_message() -> None:
    async with two_systems() as two:
        counter = await two.here.spawn(Counter, on="n1")
        orders_tx, orders_rx = ap.open_channel[Order](4)
        serving = await two.here.spawn(serve_orders, orders_rx, on="n1")
        for number in range(5):
            answers_tx, answers_rx = ap.open_channel[str](1)
            await counter.ask(Counter.answer, Order(number, answers_tx))
            assert [text async for text in answers_rx] == [f"order {number}"]
            reply_tx, reply_rx = ap.open_channel[str](1)
            await orders_tx.send(Order(number, reply_tx))
            assert [text async for text in reply_rx] == [f"served {number}"]
            close(answers_rx, reply_rx)
        orders_tx.close()
        await serving


async def test_ac5_down_arrives_behind_every_message_that_was_sent_before() -> None:
    async with two_systems() as two:
        watcher = await two.here.spawn(Watcher)
        counter = await two.here.spawn(Counter, on="n1")
        await watcher.ask(Watcher.watch, counter)
        counter.tell(Counter.tell_when, watcher, 50)
        assert await saw(watcher, "down: normal") == [*map(str, range(50)), "down: normal"]


async def test_ac31_a_monitor_of_an_actor_that_is_dead_tells_it_at_once() -> None:
    async with two_systems() as two:
        watcher = await two.here.spawn(Watcher)
        counter = await two.here.spawn(Counter, on="n1")
        await two.here.stop(counter)
        await watcher.ask(Watcher.watch, counter)
        assert await saw(watcher, "down: shutdown") == ["down: shutdown"]


async def test_ac32_a_lost_node_is_told_as_noconnection_and_an_ask_fails_at_once() -> None:
    async with two_systems() as two:
        watcher = await two.here.spawn(Watcher)
        counter = await two.here.spawn(Counter, on="n1")
        await watcher.ask(Watcher.watch, counter)
        asking = asyncio.create_task(counter.within(None).ask(Counter.slow, 3600))
        await asyncio.sleep(0.02)
        two.nodes.nodes[0].links[two.nodes.nodes[1].id].down("of the test")
        with pytest.raises(NodeDown):
            await asking
        assert await saw(watcher, "down: noconnection") == ["down: noconnection"]
        assert not counter.tell(Counter.add, 1)
        with pytest.raises(ap.ActorDead):
            await counter.send(Counter.add, 1)


async def test_ac28_an_abnormal_end_crosses_a_link_between_nodes_in_both_directions() -> None:
    logging.disable(logging.ERROR)
    try:
        async with two_systems() as two:
            linked = await two.here.spawn(Linked)
            counter = await two.here.spawn(Counter, on="n1")
            await linked.ask(Linked.bind, counter)
            counter.tell(Counter.fail)
            await until(lambda: not linked.is_alive())
            linked = await two.here.spawn(Linked)
            counter = await two.here.spawn(Counter, on="n1")
            await linked.ask(Linked.bind, counter)
            await until(lambda: len(two.there.actors) == 1)
            linked.tell(Linked.fail)
            await until(lambda: not two.there.actors)
    finally:
        logging.disable(logging.NOTSET)


async def test_ac57_what_a_node_has_started_here_ends_with_it() -> None:
    async with two_systems() as two:
        await two.here.spawn(Counter, on="n1")
        tx, rx = ap.open_channel[str](1)
        process = await two.here.spawn(waits, tx, on="n1")

        async def learn() -> None:
            with pytest.raises(NodeDown):
                await process

        learning = asyncio.create_task(learn())
        assert await rx.receive() == "started"
        two.nodes.nodes[1].links[two.nodes.nodes[0].id].down("of the test")
        await until(lambda: not two.there.actors and not two.there.hub.serving._running)
        await learning
        rx.close()


async def test_ac6_a_tell_without_credit_is_a_dead_letter_and_send_waits_for_room() -> None:
    async with two_systems() as two:
        counter = await two.here.spawn(Counter, on="n1")
        two.there.suspend(two.there.actors[0])
        sent = 0
        while counter.tell(Counter.add, 1):
            sent += 1
        assert sent == 1024
        sending = asyncio.create_task(counter.send(Counter.add, 1))
        await asyncio.sleep(0.02)
        assert not sending.done()
        two.there.resume(two.there.actors[0])
        await asyncio.wait_for(sending, 5)
        assert await counter.ask(Counter.add, 0) == 1025


async def test_a_reference_comes_home_as_the_actor_itself() -> None:
    async with two_systems() as two:
        watcher = await two.here.spawn(Watcher)
        counter = await two.here.spawn(Counter, on="n1")
        await counter.ask(Counter.tell_when, watcher, 1)
        assert await watcher.ask(Watcher.all) == ["0"]


async def test_a_label_places_in_turn_and_an_unknown_one_is_refused() -> None:
    async with mesh(3, labels=("worker",)) as nodes:
        systems = [ap.ActorSystem(node.name, node=node, serves=SERVES) for node in nodes.nodes]
        async with systems[0] as here, systems[1], systems[2]:
            assert [node.name for node in await here.wait_for_nodes(2)] == ["n1", "n2"]
            for _ in range(4):
                await here.spawn(Counter, on="worker")
            assert [len(system.actors) for system in systems] == [0, 2, 2]
            with pytest.raises(NodeDown, match="there are: n1, n2"):
                await here.spawn(Counter, on="gpu")


async def test_leaving_the_block_waits_for_processes_on_other_nodes() -> None:
    async with mesh(2) as nodes:
        here, there = (ap.ActorSystem(node.name, node=node, serves=SERVES, shutdown=0.5) for node in nodes.nodes)
        async with there:
            async with here:
                process = await here.spawn(naps, 0.05, on="n1")
            assert process.result() == "slept"


async def broken(here: ap.ActorSystem) -> None:
    async with here:
        await here.spawn(fails, "broken", on="n1")
        await asyncio.Event().wait()


async def test_the_failure_of_a_process_on_another_node_that_nobody_awaits_ends_the_block() -> None:
    async with mesh(2) as nodes:
        here, there = (ap.ActorSystem(node.name, node=node, serves=SERVES, shutdown=0.5) for node in nodes.nodes)
        async with there:
            with pytest.raises(RemoteError, match="ValueError: broken"):
                await broken(here)
