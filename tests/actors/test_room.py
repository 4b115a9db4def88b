"""Waiting for room in a mailbox: `send`, and `send_to` in a select (AC-6)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import actorpar as ap
from tests.processes.running import settle

from .staff import CALLERS, Busy, Desk, PlainDesk, fails, from_task, having

pytestmark = pytest.mark.virtual_time

SMALL = 2


def fill(ref: Any) -> int:
    """Tell until the mailbox is full; how many messages it took."""
    count = 0
    while ref.tell(Desk.note, f"fill-{count}"):
        count += 1
    return count


@pytest.mark.parametrize("caller", CALLERS)
async def test_ac06_a_send_waits_for_room_and_is_served_in_order_of_arrival(desk: type[Desk], caller: Any) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=SMALL))
        async with Busy(ref):
            assert fill(ref) == SMALL
            sending = []
            for number in range(7):
                send = (
                    (lambda number=number: ref.send(Desk.note, number))
                    if number % 2
                    else (lambda number=number: ref.within(1).send(Desk.note, item=number))
                )
                sending.append(asyncio.ensure_future(caller(system, send)))
                await settle()
            assert not any(each.done() for each in sending)
        await asyncio.gather(*sending)
        await settle()
        assert (await ref.ask(Desk.look))[SMALL:] == list(range(7))


async def test_ac06_a_send_with_room_does_not_wait(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=SMALL))
        async with Busy(ref):
            for number in range(SMALL):
                await ref.send(Desk.note, number)
        assert await ref.ask(Desk.look) == list(range(SMALL))


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("caller", CALLERS[:2])
async def test_ac06_a_cancelled_send_was_not_sent_and_the_next_has_its_place(
    desk: type[Desk], place: int, caller: Any
) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=SMALL))
        async with Busy(ref):
            fill(ref)
            sending = []
            for number in range(4):
                sending.append(asyncio.ensure_future(caller(system, lambda number=number: ref.send(Desk.note, number))))
                await settle()
            sending[place].cancel()
            await settle()
            assert sending[place].cancelled()
        await asyncio.gather(*(each for each in sending if not each.cancelled()))
        await settle()
        assert (await ref.ask(Desk.look))[SMALL:] == [number for number in range(4) if number != place]


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("caller", CALLERS[:2])
async def test_ac06_a_send_cancelled_at_any_point_was_sent_or_has_no_effect(
    desk: type[Desk], turns: int, caller: Any
) -> None:
    """Room is made in the first of these turns, so the cancel comes before, with and after the wake-up."""
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=1))
        busy = Busy(ref)
        await busy.__aenter__()
        fill(ref)
        first = asyncio.ensure_future(caller(system, lambda: ref.send(Desk.note, "first")))
        await settle()
        second = asyncio.ensure_future(caller(system, lambda: ref.send(Desk.note, "second")))
        await settle()
        busy.gate.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first, second])
        await settle()
        notes = await ref.ask(Desk.look)
        assert notes[1:] in (["second"], ["first", "second"])
        if not first.cancelled():
            assert "first" in notes
        for number in range(3):
            await ref.send(Desk.note, number)
        await settle()
        assert (await ref.ask(Desk.look))[-3:] == [0, 1, 2], "no place is lost"


@pytest.mark.parametrize("how", ["stop", "kill", "fail"])
@pytest.mark.parametrize("caller", CALLERS)
async def test_ac06_senders_that_wait_learn_that_the_actor_ended(desk: type[Desk], how: str, caller: Any) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=SMALL))
        gate = asyncio.Event()

        async def work(actor: Desk) -> None:
            await gate.wait()
            if how == "stop":
                actor.ctx.stop()
            elif how == "fail":
                raise ValueError("boom")

        ref.tell(Desk.run, work)
        await settle()
        fill(ref)
        sending = [
            asyncio.ensure_future(caller(system, lambda: fails(ap.ActorDead, ref.send(Desk.note, 1)))) for _ in range(3)
        ]
        await settle()
        if how == "kill":
            system.kill(ref)
        gate.set()
        for each in sending:
            assert (await each).reason.kind == {"stop": "normal", "kill": "killed", "fail": "error"}[how]
        assert system.counters.dead_letters["dead"] == SMALL


async def test_ac06_one_place_lets_one_sender_in(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(having(desk, mailbox=SMALL))
        gates = [asyncio.Event() for _ in range(2)]

        def waiting(gate: asyncio.Event) -> Any:
            async def wait(actor: Desk) -> None:
                await gate.wait()

            return wait

        ref.tell(Desk.run, waiting(gates[0]))
        await settle()
        ref.tell(Desk.run, waiting(gates[1]))
        fill(ref)
        sending = []
        for number in range(4):
            sending.append(asyncio.ensure_future(ref.send(Desk.note, number)))
            await settle()
        gates[0].set()
        await settle()
        assert len(ref) == SMALL
        assert [each.done() for each in sending] == [True, False, False, False]
        gates[1].set()
        await asyncio.gather(*sending)


async def test_ac06_a_tell_does_not_take_the_place_of_a_woken_sender(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=1))
        busy = Busy(ref)
        await busy.__aenter__()
        fill(ref)
        sending = asyncio.ensure_future(ref.send(Desk.note, "sent"))
        await settle()

        async def steal() -> None:
            for _ in range(50):
                ref.tell(Desk.note, "stolen")
                await asyncio.sleep(0)

        busy.gate.set()
        await steal()
        assert sending.done()
        await settle()
        assert "sent" in await ref.ask(Desk.look)


async def test_ac06_what_was_unstashed_does_not_take_the_place_of_a_woken_sender() -> None:
    """The letters that come back stand before the sender's, but its place was promised."""

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(PlainDesk, mailbox=1))
        for _ in range(5):
            await ref.send(Desk.do, lambda a: a.notes.append("again") if "open" in a.notes else a.ctx.stash())
            await settle()
        busy = Busy(ref)
        await busy.__aenter__()
        ref.tell(Desk.do, lambda a: len([a.notes.append("open"), a.ctx.unstash_all()]))
        sending = [asyncio.ensure_future(ref.send(Desk.note, number)) for number in range(3)]
        await settle()
        busy.gate.set()
        await asyncio.gather(*sending)
        await settle()
        assert await ref.ask(Desk.look) == ["open", *["again"] * 5, 0, 1, 2]
        assert system.counters.dead_letters == {}


# -- in a select


@pytest.mark.parametrize("caller", CALLERS)
async def test_ac06_a_send_to_guard_waits_for_room(desk: type[Desk], caller: Any) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=SMALL))
        busy = Busy(ref)
        await busy.__aenter__()
        fill(ref)

        async def choose() -> list[Any]:
            chosen: list[Any] = [await ap.select(ap.send_to(ref, Desk.note, "a"), ap.after(1))]
            asyncio.get_running_loop().call_later(1, busy.gate.set)
            chosen.append(await ap.select(ap.send_to(ref, Desk.note, item="b"), ap.after(5)))
            return chosen

        (first, _), (second, _) = await caller(system, choose)
        assert (first, second) == (1, 0)
        await settle()
        assert (await ref.ask(Desk.look))[SMALL:] == ["b"]


async def test_ac06_a_send_to_guard_with_room_is_ready_at_once(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        assert (await ap.select(ap.send_to(ref, Desk.note, "a"), ap.default()))[0] == 0
        assert await ref.ask(Desk.look) == ["a"]


@pytest.mark.parametrize("early", [True, False])
async def test_ac06_a_send_to_guard_of_an_actor_that_ended_raises_why(desk: type[Desk], early: bool) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=1))
        async with Busy(ref):
            fill(ref)
            if early:
                system.kill(ref)
                await system.ended(ref)
            choosing = asyncio.ensure_future(
                fails(ap.ActorparError, ap.select(ap.send_to(ref, Desk.note, 1), ap.after(9)))
            )
            await settle()
            if not early:
                system.kill(ref)
            error = await choosing
            assert isinstance(error, ap.ActorDead) or isinstance(error.__cause__, ap.ActorDead)


async def test_ac06_a_send_to_guard_that_was_not_chosen_sends_nothing(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=1))
        tx, rx = ap.open_channel[str](1)
        async with Busy(ref):
            fill(ref)
            choosing = asyncio.ensure_future(ap.select(ap.send_to(ref, Desk.note, "no"), ap.receive_from(rx)))
            await settle()
            await tx.send("yes")
            assert await choosing == (1, "yes")
            cancelled = asyncio.ensure_future(ap.select(ap.send_to(ref, Desk.note, "no"), ap.receive_from(rx)))
            await settle()
            cancelled.cancel()
            await fails(asyncio.CancelledError, cancelled)
        assert (await ref.ask(Desk.look))[1:] == []
        tx.close()
        rx.close()


async def test_ac06_wrong_messages_in_a_guard_are_refused_when_it_is_made() -> None:
    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(PlainDesk)
        with pytest.raises(ap.UnhandledMessage):
            ap.send_to(ref, print, 1)
        with pytest.raises(ap.BadArguments):
            ap.send_to(ref, Desk.note)
        await from_task(system, lambda: ref.ask(Desk.note, 1))
