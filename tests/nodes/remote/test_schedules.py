"""Ends that move while items flow, in every order that the dice choose: nothing is lost, doubled or out of order."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes.errors import ProtocolError
from actorpar.nodes.remote import ops, outlet
from actorpar.testing import VirtualClock
from tests.nodes.meshed import close
from tests.nodes.remote.joined import World

#: Schedules that one test runs; the dice of each are its number.
SCHEDULES = 40


class Story:
    """One channel, up to three senders and one receiver that send, wait, give up and move by the dice."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.nodes = dice.choice([2, 3, 4])
        self.world = World(self.nodes, dice)
        self.count = dice.choice([5, 20, 60])
        self.got: list[tuple[int, int]] = []
        tx, rx = ap.open_channel[Any](dice.choice([0, 1, 2, 3, 8, 64, math.inf]))
        self.senders = [tx.clone() for _ in range(dice.choice([1, 2, 3]))]
        tx.close()
        self.rx, self.at = rx, 0
        self.pinned = dice.random() < 0.3
        if self.pinned:
            self.rx, self.at = self.world.move(rx.clone(), 0, self.nodes - 1), self.nodes - 1
            rx.close()
            self.rx.prefetch(dice.choice([0, 1, 5]))

    def other_node(self, at: int) -> int:
        return self.dice.choice([node for node in range(self.nodes) if node != at])

    async def send(self, sender: int) -> None:
        tx, at = self.senders[sender], 0
        for number in range(self.count):
            luck = self.dice.random()
            if luck < 0.08:
                to = self.other_node(at)
                tx, at = self.world.move(tx, at, to), to
            elif luck < 0.12:
                await asyncio.sleep(0.001)
            elif luck < 0.16:
                try:
                    async with asyncio.timeout(0.0005):
                        await tx.send((sender, -1))
                except TimeoutError:
                    pass
            elif luck < 0.2:
                try:
                    async with asyncio.timeout(0.0005):
                        await tx.flush()
                except TimeoutError:
                    pass
            elif luck < 0.22:
                await tx.flush()
            await tx.send((sender, number))
        tx.close()

    async def receive(self) -> None:
        while True:
            luck = self.dice.random()
            if luck < 0.08 and not self.pinned:
                to = self.other_node(self.at)
                self.rx, self.at = self.world.move(self.rx, self.at, to), to
            elif luck < 0.12:
                await asyncio.sleep(0.001)
            try:
                if luck > 0.9:
                    async with asyncio.timeout(0.0005):
                        self.got.append(await self.rx.receive())
                else:
                    self.got += await self.rx.receive_many(1 if luck < 0.8 else 5)
            except TimeoutError:
                pass
            except ap.EndOfChannel:
                return

    async def tell(self) -> None:
        async with ap.ProcessGroup() as group:
            for sender in range(len(self.senders)):
                group.spawn(self.send, sender)
            group.spawn(self.receive)
        self.rx.close()
        for sender in range(len(self.senders)):
            own = [number for who, number in self.got if who == sender and number >= 0]
            assert own == list(range(self.count))
        await asyncio.sleep(30)  # virtual: what is under way arrives
        assert self.world.left() == []


@pytest.mark.parametrize("first", range(0, 10 * SCHEDULES, SCHEDULES))
def test_net22_ends_move_while_items_flow_and_each_arrives_once_and_in_order(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(first, first + SCHEDULES):
        dice = random.Random(number)
        monkeypatch.setattr(outlet, "SLICE", dice.choice([1, 2, 3, 256]))

        async def tell(dice: random.Random = dice) -> None:
            await asyncio.wait_for(Story(dice).tell(), 1000)

        with asyncio.Runner(loop_factory=VirtualClock) as runner:
            try:
                runner.run(tell())
            except BaseException as error:
                error.add_note(f"schedule {number}")
                raise


@pytest.mark.parametrize("order", ["sender first", "receiver first"])
def test_net01_the_controller_carries_at_most_the_capacity(order: str) -> None:
    async def run(dice: random.Random) -> None:
        world = World(3, dice)
        tx, rx = ap.open_channel[int](16)
        if order == "sender first":
            tx = world.move(tx, 0, 1)
            rx = world.move(rx, 0, 2)
        else:
            rx = world.move(rx, 0, 2)
            tx = world.move(tx, 0, 1)
        carried = 0
        say = world.say

        def counted(peer: Any, lane: Any, op: Any, items: Any) -> None:
            nonlocal carried
            if items is not None and peer.near == 0:
                carried += len(items)
            say(peer, lane, op, items)

        world.say = counted  # type: ignore[method-assign]

        async def send() -> None:
            for number in range(300):
                await tx.send(number)
            tx.close()

        async with ap.ProcessGroup() as group:
            group.spawn(send)
            assert [item async for item in rx] == list(range(300))
        rx.close()
        assert carried <= 16

    for number in range(100):
        with asyncio.Runner(loop_factory=VirtualClock) as runner:
            runner.run(run(random.Random(number)))


def run_virtual(story: Any) -> None:
    with asyncio.Runner(loop_factory=VirtualClock) as runner:
        runner.run(story)


def test_net06_a_sender_that_starves_gets_the_credit_that_an_idle_one_holds() -> None:
    async def story() -> None:
        world = World(3, random.Random(1))
        tx, rx = ap.open_channel[int](8)
        idle, busy = world.move(tx.clone(), 0, 1), world.move(tx, 0, 2)
        await asyncio.sleep(1)
        for number in range(8):
            async with asyncio.timeout(5):
                await busy.send(number)
        assert [await rx.receive() for _ in range(8)] == list(range(8))
        close(idle, busy, rx)

    run_virtual(story())


def test_net29_a_sender_lost_with_its_node_ends_the_channel_abnormally() -> None:
    async def story() -> None:
        world = World(2, random.Random(1))
        tx, rx = ap.open_channel[int](8)
        tx = world.move(tx, 0, 1)
        await tx.send(1)
        await asyncio.sleep(1)
        world.kill(1)
        assert await rx.receive() == 1
        with pytest.raises(ap.ChannelBroken) as broken:
            await rx.receive()
        assert "node-1 is down" in str(broken.value.__cause__)
        close(rx, tx)

    run_virtual(story())


def test_net35_a_sender_is_told_which_items_have_an_unknown_outcome() -> None:
    async def story() -> None:
        world = World(2, random.Random(1))
        tx, rx = ap.open_channel[str](8)
        rx = world.move(rx, 0, 1)
        await asyncio.sleep(1)
        await tx.send_many(["a", "b"])
        await asyncio.sleep(1)
        world.kill(1)
        with pytest.raises(ap.LinkLost) as lost:
            await tx.send("c")
        assert (lost.value.item, lost.value.items) == ("c", ())
        assert lost.value.unknown == ("a", "b")
        close(rx, tx)

    run_virtual(story())


@pytest.mark.parametrize("capacity", [8, 400, math.inf])
@pytest.mark.parametrize("received", [0, 3, 300])
def test_net35_every_item_that_a_batch_sent_is_received_or_unknown_and_every_other_is_in_its_rest(
    capacity: float, received: int
) -> None:
    async def story() -> None:
        world = World(2, random.Random(1))
        tx, rx = ap.open_channel[int](capacity)
        rx = world.move(rx, 0, 1)
        await asyncio.sleep(1)
        sending = asyncio.create_task(tx.send_many(range(1000)))
        got = [await rx.receive() for _ in range(received)]
        await asyncio.sleep(1)
        world.tables[1].tick()
        await asyncio.sleep(1)
        world.kill(1)
        if capacity == math.inf:
            await sending
            with pytest.raises(ap.LinkLost) as lost:
                await tx.send_many([1000])
            assert lost.value.items == (1000,)
        else:
            with pytest.raises(ap.LinkLost) as lost:
                await sending
            assert lost.value.item == lost.value.items[0]
            assert len(lost.value.unknown) == capacity
        assert got == list(range(received))
        assert [*got, *lost.value.unknown, *lost.value.items] == list(range(1000 + (capacity == math.inf)))
        close(rx, tx)

    run_virtual(story())


def test_net35_what_was_sent_before_the_home_moved_is_unknown_until_something_after_it_is_received() -> None:
    async def story(lost: int, receives: int) -> None:
        world = World(3, random.Random(1))
        tx, rx = ap.open_channel[int](8)
        tx = world.move(tx, 0, 1)
        await asyncio.sleep(1)
        await tx.send_many([1, 2])
        rx = world.move(rx, 0, 2)
        await asyncio.sleep(1)
        await tx.send_many([3, 4])
        await asyncio.sleep(1)
        for number in range(receives):
            assert await rx.receive() == number + 1
        world.tables[2].tick()
        await asyncio.sleep(1)
        world.kill(lost)
        with pytest.raises(ap.LinkLost) as told:
            await tx.send(5)
        assert told.value.unknown == ((1, 2, 3, 4) if receives < 3 else tuple(range(receives + 1, 5)))
        close(rx, tx)

    for receives in range(5):
        run_virtual(story(2, receives))


def test_net35_what_a_third_node_has_on_lease_is_unknown_until_it_is_received() -> None:
    async def story(receives: bool) -> None:
        world = World(3, random.Random(1))
        tx, rx = ap.open_channel[int](8)
        tx, far = world.move(tx, 0, 1), world.move(rx.clone(), 0, 2)
        far.prefetch(2)
        await asyncio.sleep(1)
        await tx.send_many([1, 2, 3])
        await asyncio.sleep(1)
        if receives:
            assert await far.receive() == 1
            await asyncio.sleep(1)
        world.tables[0].tick()
        await asyncio.sleep(1)
        world.kill(0)
        with pytest.raises(ap.LinkLost) as told:
            await tx.send(4)
        assert told.value.unknown == ((2, 3) if receives else (1, 2, 3))
        close(rx, far, tx)

    for receives in (False, True):
        run_virtual(story(receives))


def test_net35_what_is_told_to_be_received_is_never_less_than_before() -> None:
    async def story() -> None:
        world = World(2, random.Random(1))
        tx, rx = ap.open_channel[int](8)
        rx = world.move(rx, 0, 1)
        await tx.send(1)
        await rx.receive()
        await asyncio.sleep(1)
        world.tables[1].tick()
        await asyncio.sleep(1)
        (end,) = (end for end in world._peers[0, 1].ends.values() if isinstance(end, outlet.Outlet))
        with pytest.raises(ProtocolError, match="1 items were received, and now 0"):
            end.on_op(ops.Credit(end.alias, 0, 0, 0))
        close(rx, tx)

    run_virtual(story())


def test_net11_an_item_on_lease_at_a_node_that_dies_is_undelivered() -> None:
    async def story() -> None:
        undelivered: list[str] = []
        world = World(2, random.Random(1))
        tx, rx = ap.open_channel[str](8, on_undelivered=undelivered.append)
        far = world.move(rx.clone(), 0, 1)
        await tx.send_many(["a", "b"])
        far.prefetch(1)
        await asyncio.sleep(1)
        world.kill(1)
        assert undelivered == ["a"]
        assert await rx.receive() == "b"
        close(rx, tx, far)

    run_virtual(story())


def test_net24_an_end_that_nobody_announced_is_refused_after_a_while() -> None:
    async def story() -> None:
        world = World(2, random.Random(1))
        peer = world._peers[1, 0]
        peer.ends[5] = refused = Refused()
        peer.control(ops.Open(5, b"c" * 16, b"n" * 16))
        await asyncio.sleep(60)
        assert refused.said == ["Refused"]
        assert world.tables[0].refused == 1

    run_virtual(story())


class Refused:
    def __init__(self) -> None:
        self.said: list[str] = []

    def on_op(self, op: Any) -> None:
        self.said.append(type(op).__name__)

    def on_items(self, items: Any, bad: int, size: int) -> None: ...

    def on_lost(self, error: BaseException) -> None: ...
