"""The search finds planted bugs: without this, an empty report would prove nothing."""

from __future__ import annotations

from typing import Any

import pytest

from actorpar.channels.flavors.base import NOTHING, Flavor
from actorpar.channels.flavors.bounded import Bounded
from actorpar.channels.flavors.rendezvous import Rendezvous
from actorpar.channels.waiters import CANCELLED, GRANTED, IDLE, Waiter, wake

from .rules import check, conservation, order
from .search import Violation, explore
from .test_one_channel import (
    Scenario,
    one_sender_two_receivers,
    permits_and_sends,
    the_sender_closes_while_it_waits,
    two_senders_one_receiver,
)
from .world import World


class HandOver(Flavor):
    """The wake-up carries the item, as asyncio code that completes a future with it does (what CH-9 forbids)."""

    puts_back = False

    def room(self) -> int:
        return 0

    def try_send(self, item: Any) -> bool:
        receiver = wake(self.receivers, GRANTED)
        if receiver is None:
            self.buffer.append(item)
        else:
            receiver.item = item
        return True

    def try_receive(self) -> Any:
        if self.buffer:
            return self.buffer.popleft()
        self.receiver_queue()
        return NOTHING

    def finish_receive(self, waiter: Waiter) -> Any:
        waiter.state = IDLE
        return waiter.item

    def leave_receive(self, waiter: Waiter) -> None:
        if waiter.state == GRANTED:
            waiter.state = IDLE
            if self.puts_back:
                self.buffer.appendleft(waiter.item)
        else:
            self.discard(self.receivers, waiter)


class HandOverAndPutBack(HandOver):
    """The same, and a receiver that was cancelled puts its item back to the front."""

    puts_back = True


def over(flavor: type[HandOver]) -> Scenario:
    """One sender, two receivers, three items, cancel anywhere."""

    def build(world: World) -> None:
        tx, rx = world.channel(0, flavor(1))
        world.process("s", world.sends(tx, "s", 3))
        world.process("r1", world.receives(rx, "r1", 2))
        world.process("r2", world.receives(rx, "r2", 2))

    return build


def without_reservations(world: World, at_rest: bool) -> str | None:
    """The rules that need no knowledge of the flavour: only what got lost, doubled or overtaken."""
    woken_with_an_item = any(p.waiter.state in (GRANTED, CANCELLED) for p in world.processes.values())
    return order(world) or (None if woken_with_an_item else conservation(world))


def test_an_item_in_the_wake_up_is_lost() -> None:
    with pytest.raises(Violation, match="was sent and is lost"):
        explore(over(HandOver), without_reservations, cancels=1)


def test_an_item_put_back_after_a_wake_up_comes_out_of_order() -> None:
    with pytest.raises(Violation, match="out of order"):
        explore(over(HandOverAndPutBack), without_reservations, cancels=1)


def _forgets_the_item(self: Flavor, waiter: Waiter) -> None:
    if waiter.state == GRANTED:
        waiter.state = IDLE
    else:
        self.discard(self.receivers, waiter)
    waiter.end = None


def _forgets_the_slot(self: Bounded, waiter: Waiter) -> None:
    if waiter.state == GRANTED:
        waiter.state = IDLE
    else:
        self.discard(self.senders, waiter)
    waiter.end = waiter.item = None


def _keeps_the_item_for_nobody(self: Flavor) -> None:
    if self.held:
        self.held -= 1


def _takes_what_is_promised(self: Bounded) -> Any:
    if self.buffer:
        return self.buffer.popleft()
    if self.failure is not None:
        raise self.refusal()
    self.receiver_queue()
    return NOTHING


def _enqueues_for_a_cancelled_sender(self: Bounded, waiter: Waiter) -> None:
    if waiter.state == GRANTED:
        self.limit += 1
        self.buffer.append(waiter.item)
        if wake(self.receivers, GRANTED):
            self.held += 1
        waiter.state = IDLE
    else:
        self.discard(self.senders, waiter)
    waiter.end = waiter.item = None


def _wakes_nobody(self: Bounded) -> None:
    return


def _wakes_two(self: Bounded) -> None:
    while wake(self.senders, GRANTED):
        self.limit -= 1


def _passes_the_reserved_by(self: Rendezvous) -> Any:
    if len(self.buffer) > self.held:
        return self.buffer.popleft()
    if self.senders and (sender := self.first_with_item()) is not None:
        return sender.item
    if self.failure is not None and not self.buffer:
        raise self.refusal()
    self.receiver_queue()
    return NOTHING


def _drops_the_claim(self: Rendezvous, token: Any) -> None:
    self.unclaim(token)


def _does_not_look_whether_it_is_drained(self: Flavor) -> None:
    return


PLANTED: dict[str, tuple[type[Flavor], str, Any, Scenario]] = {
    "a cancelled receiver keeps its reservation": (
        Flavor, "leave_receive", _forgets_the_item, one_sender_two_receivers(1)),
    "a cancelled receiver passes its item to nobody": (
        Flavor, "release_item", _keeps_the_item_for_nobody, one_sender_two_receivers(1)),
    "a cancelled sender keeps its slot": (
        Bounded, "leave_send", _forgets_the_slot, two_senders_one_receiver(1)),
    "a cancelled sender's item is enqueued": (
        Bounded, "leave_send", _enqueues_for_a_cancelled_sender, two_senders_one_receiver(1)),
    "a free slot wakes nobody": (Bounded, "slot_freed", _wakes_nobody, two_senders_one_receiver(1)),
    "a free slot wakes everybody": (Bounded, "slot_freed", _wakes_two, two_senders_one_receiver(1)),
    "a receiver takes what is promised to another": (
        Bounded, "try_receive", _takes_what_is_promised, one_sender_two_receivers(1)),
    "a receiver on capacity 0 overtakes a reserved item": (
        Rendezvous, "try_receive", _passes_the_reserved_by, one_sender_two_receivers(0)),
    "a permit given back forgets its receiver": (
        Rendezvous, "forfeit", _drops_the_claim, permits_and_sends(0)),
    "the end of a drained channel is told to nobody": (
        Flavor, "wake_drained", _does_not_look_whether_it_is_drained, the_sender_closes_while_it_waits(1)),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, method, variant, scenario = PLANTED[name]
    monkeypatch.setattr(owner, method, variant)
    with pytest.raises(Violation) as found:
        explore(scenario, check, cancels=1)
    print(found.value)
