"""Channels whose items become messages: `ctx.feed`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import actorpar as ap
from tests.processes.running import settle

from .staff import Busy, Desk, PlainDesk, Watcher, fails, having, refuses

pytestmark = pytest.mark.virtual_time


async def fed(system: ap.ActorSystem, ref: Any, rx: ap.Receiver[Any]) -> Any:
    """Have the actor be fed; the process that does it."""
    return await ref.ask(Desk.do, lambda actor: actor.ctx.feed(rx, actor.note))


async def test_ac01_items_of_a_channel_are_messages_in_their_order(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        tx, rx = ap.open_channel[int](3)
        feeding = await fed(system, ref, rx)
        for number in range(10):
            await tx.send(number)
        tx.close()
        await feeding
        assert await ref.ask(Desk.look) == list(range(10))


async def test_ac06_one_item_is_in_hand_at_a_time_and_back_pressure_reaches_the_sender(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        tx, rx = ap.open_channel[int](2)
        await fed(system, ref, rx)
        busy = Busy(ref)
        async with busy:
            sent = 0
            while tx.statistics().length < 2:
                tx.send_nowait(sent)
                sent += 1
                await settle()
            assert sent == 2 + 1, "one is in the mailbox, two are in the channel"
        await settle()
        assert await ref.ask(Desk.look) == list(range(sent))
        tx.close()


async def test_ac01_several_channels_may_feed_one_actor(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        channels = [ap.open_channel[str](2) for _ in range(3)]
        feeding = [await fed(system, ref, rx) for _, rx in channels]
        for number in range(5):
            for name, (tx, _) in zip("abc", channels, strict=True):
                await tx.send(f"{name}{number}")
        for tx, _ in channels:
            tx.close()
        await asyncio.gather(*feeding)
        notes = await ref.ask(Desk.look)
        for name in "abc":
            assert [note for note in notes if note[0] == name] == [f"{name}{number}" for number in range(5)]


async def test_ac18_an_item_that_is_refused_is_answered_to_nobody_and_the_next_comes(desk: type[Desk]) -> None:
    class Picky(desk):  # type: ignore[valid-type,misc]
        def note(self, item: Any) -> Any:
            if item % 2:
                raise ap.Reject(f"odd: {item}")
            self.notes.append(item)

    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(Picky)
        tx, rx = ap.open_channel[int](2)
        feeding = await fed(system, ref, rx)
        for number in range(6):
            await tx.send(number)
        tx.close()
        await feeding
        assert await ref.ask(Desk.look) == [0, 2, 4]
        assert ref.is_alive()


@pytest.mark.parametrize("how", ["stop", "kill", "fail"])
async def test_ac25_when_the_actor_ends_its_senders_learn_it_and_what_it_had_is_a_dead_letter(
    desk: type[Desk], how: str
) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        tx, rx = ap.open_channel[int](1)
        spare = rx.clone()
        feeding = await fed(system, ref, rx)
        gate = asyncio.Event()

        async def work(actor: Desk) -> None:
            await gate.wait()
            if how == "fail":
                raise ValueError("boom")
            actor.ctx.stop()

        ref.tell(Desk.run, work)
        await settle()
        await tx.send(1)
        await settle()
        await tx.send(2)
        if how == "kill":
            system.kill(ref)
        gate.set()
        await system.ended(ref)
        await settle()
        assert feeding.done()
        assert spare.receive_nowait() == 2, "what was not received is still in the channel"
        assert system.counters.dead_letters == {"dead": 1}
        await tx.send(3)
        spare.close()
        await fails(ap.ChannelBroken, tx.send(4))
        tx.close()


@pytest.mark.parametrize("how", ["broken", "aborted"])
async def test_ac24_a_channel_that_ends_abnormally_fails_the_actor(desk: type[Desk], how: str) -> None:
    """A short stream must not look complete (CH-21)."""
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        tx, rx = ap.open_channel[int](4)
        await fed(system, ref, rx)
        await tx.send(1)
        await settle()
        if how == "aborted":
            tx.abort(ValueError("poison"))
            tx.close()
        else:

            async def fail(tx: ap.Sender[int]) -> None:
                raise ValueError("boom")

            await fails(ValueError, await system.spawn(fail, tx))
        reason = await system.ended(ref)
        assert isinstance(reason.error, ap.ChannelAborted if how == "aborted" else ap.ChannelBroken)


async def test_ac31_a_feed_that_somebody_watches_leaves_its_failure_to_him() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(Watcher)
        tx, rx = ap.open_channel[int](4)

        def feed(actor: Desk) -> Any:
            feeding = actor.ctx.feed(rx, actor.note)
            actor.ctx.monitor(feeding)
            return feeding

        feeding = await ref.ask(Desk.do, feed)
        tx.abort(ValueError("poison"))
        tx.close()
        await settle()
        (down,) = await ref.ask(Desk.look)
        assert (down.ref, down.reason.kind) == (feeding, "error")


async def test_ac25_a_feed_may_be_cancelled_and_its_end_is_closed(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        tx, rx = ap.open_channel[int](1)
        feeding = await fed(system, ref, rx)
        await tx.send(1)
        await settle()
        feeding.cancel()
        await settle()
        await fails(ap.ChannelBroken, tx.send(2))
        assert await ref.ask(Desk.look) == [1]
        tx.close()


async def test_ac06_an_item_of_a_feed_that_was_cancelled_is_handled_and_leaves_no_room_behind(
    desk: type[Desk],
) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=2))
        tx, rx = ap.open_channel[int](1)
        feeding = await fed(system, ref, rx)
        async with Busy(ref):
            await tx.send(1)
            await settle()
            feeding.cancel()
            await settle()
        async with Busy(ref):
            assert [ref.tell(Desk.note, number) for number in range(3)] == [True, True, False]
        assert await ref.ask(Desk.look) == [1, 0, 1]
        tx.close()


async def test_ac09_only_its_own_methods_can_be_fed(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(desk)
        tx, rx = ap.open_channel[int](1)
        for wrong in (print, Desk.note, PlainDesk().note):
            assert await ref.ask(Desk.do, lambda a, wrong=wrong: refuses(ap.InvalidActor, a.ctx.feed, rx, wrong))
        rx.close()
        tx.close()


async def test_ac01_a_feed_of_a_reentrant_actor_still_has_one_item_in_hand() -> None:
    most = inside = 0

    class Slow(PlainDesk):
        async def note(self, item: Any) -> Any:
            nonlocal most, inside
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(1)
            inside -= 1

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(Slow, reentrant=True))
        tx, rx = ap.open_channel[int](5)
        feeding = await fed(system, ref, rx)
        for number in range(5):
            await tx.send(number)
        tx.close()
        await feeding
        assert most == 1
