"""What the home of a rendezvous knows of ends on other nodes: the offers of those who send, and the selects that seek.

Invariants
- An offer is in `offers` at its stub while the home may still take it, or expects its item. Only one op stands before
  each item in the lane, and says what the item is for.
- A seeker is known to its stub until the other side has the item, or says that it is gone. The item that was shipped
  stays here until then.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from actorpar.channels.errors import ChannelError
from actorpar.channels.flavors.rendezvous import PERMIT
from actorpar.channels.waiters import DONE, GRANTED, IDLE, WAITING, Waiter, wake

from ..errors import ProtocolError
from . import ops
from .receiver_stub import ReceiverStub
from .sender_stub import SenderStub

if TYPE_CHECKING:
    from .match import Match
    from .meeting_home import HomeRendezvous, MeetingHome


class Elsewhere(Waiter):
    """An operation on another node, known by the number that it has there; `selector` is that of its select, or 0."""

    __slots__ = ("match", "number", "selector", "stub")

    def __init__(self, stub: MeetingStub | SeekerStub, number: int, selector: int, item: Any = None) -> None:
        super().__init__()
        self.match: Match | None = None
        self.number = number
        self.selector = selector
        self.stub = stub
        self.item = item
        self.end = stub
        self.state = WAITING

    def is_live(self) -> bool:
        return self.state == WAITING

    def sleeper(self) -> asyncio.Future[Any] | None:
        return None

    def ask(self) -> None:
        """Claim its select: `granted` or `gone` of the match follows."""
        self.stub.say(ops.Claim(self.stub.alias, self.number))

    def release(self) -> None:
        """It is claimed no more; it is void, and its select makes a new one if it still wants something."""
        self.match = None
        self.state = IDLE
        self.stub.forget_waiter(self)
        self.stub.say(ops.Release(self.stub.alias, self.number))


class Offered(Elsewhere):
    """A sender on another node that waits, in the queue of the home."""

    __slots__ = ()

    stub: MeetingStub

    def claim(self, outcome: int) -> bool:
        if self.state != WAITING:
            return False
        self.state = outcome
        self.stub.chosen(self, outcome)
        return True

    def permit(self) -> None:
        """A receiver is held: have it hand over its item."""
        self.state = GRANTED
        self.stub.say(ops.Permitted(self.stub.alias, self.number))

    def stand_again(self) -> None:
        """It was not asked, and waits again, before all others."""
        self.match = None
        self.stub.core.sender_queue().appendleft(self)


class Seeker(Elsewhere):
    """A select on another node that waits to receive."""

    __slots__ = ()

    stub: SeekerStub

    def claim(self, outcome: int) -> bool:
        return False

    def take(self, item: Any) -> None:
        """The item is for it."""
        self.match = None
        self.item = item
        self.stub.ship_to(self)

    def stand_again(self) -> None:
        """It was not asked, and waits again, before all others."""
        self.match = None
        self.stub.home.seekers.insert(0, self)


class MeetingStub(SenderStub):
    """A sending end on another node."""

    home: MeetingHome

    def __init__(self, home: MeetingHome, nonce: bytes, node: bytes, credit: int) -> None:
        super().__init__(home, nonce, node, 0)
        self.counted = False
        self.offers: dict[int, Offered] = {}
        self._follows: ops.Offer | ops.Redeem | None = None  # the item of this op comes next

    @property
    def core(self) -> HomeRendezvous:
        return self.home.core

    def on_op(self, op: Any) -> None:
        match op:
            case ops.Offer():
                if op.permit:
                    self._want_permit(op.op, op.selector)
                else:
                    self._follows = op
            case ops.Redeem():
                self._follows = op
            case ops.Withdraw():
                self._withdraw(op.op)
            case ops.Forfeit():
                self._forfeited(op.op)
            case ops.Granted():
                answered(self.offers.get(op.op), True)
            case ops.Missed():
                answered(self.offers.pop(op.op, None), False)
            case _:
                super().on_op(op)

    def expects(self, count: int) -> None:
        if count > 1:
            raise ProtocolError(f"{self.core.name}: {count} items at once for a rendezvous", code="credit")

    def on_items(self, items: list[Any], bad: int, size: int) -> None:
        follows, self._follows = self._follows, None
        if self.next_nonce is not None:
            self._after_move(follows, items)
        elif isinstance(follows, ops.Offer) and items:
            self._offer_item(follows.op, items[0])
        elif isinstance(follows, ops.Redeem):
            self._redeem(follows.op, items)
        else:
            self._surplus(items)
        self.home.touch()

    def _after_move(self, follows: Any, items: list[Any]) -> None:
        """The home has moved: an offer is made again there, what was redeemed or left over goes on."""
        if not isinstance(follows, ops.Offer):
            self.core.buffer.extend(items)
            self.home.table.touch(self.core.remote)

    def _offer_item(self, number: int, item: Any) -> None:
        core = self.core
        try:
            if core.try_send(item):
                self.say(ops.Taken(self.alias, number))
                return
        except ChannelError:
            return
        offered = self.offers[number] = Offered(self, number, 0, item)
        core.sender_queue().append(offered)
        self.home.serve()

    def _want_permit(self, number: int, selector: int) -> None:
        core = self.core
        if core.failure is not None or self.next_nonce is not None:
            return
        self.offers[number] = Offered(self, number, selector, PERMIT)
        core.watched = True
        core.sender_queue().append(self.offers[number])
        core.serve_permit()

    def _redeem(self, number: int, items: list[Any]) -> None:
        offered = self.offers.pop(number, None)
        if offered is None or offered.state != GRANTED:
            raise ProtocolError(f"offer {number} was permitted nothing", code="op")
        if offered.match is not None:
            offered.match.redeemed(items)
        else:
            self._redeem_receiver(offered.item, items)
        if offered.selector:
            self.say(ops.Taken(self.alias, number))

    def _redeem_receiver(self, token: Any, items: list[Any]) -> None:
        try:
            if items:
                self.core.redeem(token, items[0])
            else:
                self.core.forfeit(token)
        except ChannelError:
            self.core.undelivered(items)

    def _surplus(self, items: list[Any]) -> None:
        core = self.core
        for item in items:
            if core.failure is not None:
                core.undelivered((item,))
                continue
            core.put(item)
            if core.receivers and len(core.buffer) > core.held and wake(core.receivers, GRANTED):
                core.held += 1
        self.home.serve()

    def _withdraw(self, number: int) -> None:
        offered = self.offers.pop(number, None)
        if offered is None:
            return
        if offered.match is not None:
            offered.match.lost(offered)
        elif offered.state == WAITING:
            offered.state = IDLE
            self.core.senders.remove(offered)
        elif offered.state == GRANTED and self.core.failure is None and self.home.outlet is None:
            self.core.forfeit(offered.item)

    def _forfeited(self, number: int) -> None:
        offered = self.offers.pop(number, None)
        if offered is None:
            return
        if offered.match is not None:
            offered.match.lost(offered)
        elif self.core.failure is None:
            self.core.forfeit(offered.item)

    def chosen(self, offered: Elsewhere, outcome: int) -> None:
        """The home has chosen an offer."""
        if outcome == GRANTED:
            self.say(ops.Permitted(self.alias, offered.number))
            return
        self.offers.pop(offered.number, None)
        if outcome == DONE:
            self.say(ops.Taken(self.alias, offered.number))

    def forget_waiter(self, waiter: Elsewhere) -> None:
        """An offer is void."""
        self.offers.pop(waiter.number, None)

    def say(self, op: ops.Op) -> None:
        """Tell the other side, at once."""
        if self.peer is not None:
            self.peer.control(op)

    def forward(self, home: bytes, nonce: bytes) -> None:
        self._drop_offers()
        super().forward(home, nonce)

    def forget(self) -> None:
        self._drop_offers()
        super().forget()

    def _drop_offers(self) -> None:
        for number in list(self.offers):
            self._withdraw(number)


class SeekerStub(ReceiverStub):
    """A receiving end on another node."""

    home: MeetingHome

    def __init__(self, home: MeetingHome, nonce: bytes, node: bytes) -> None:
        super().__init__(home, nonce, node)
        self.seekers: dict[int, Seeker] = {}

    def on_op(self, op: Any) -> None:
        match op:
            case ops.Seek():
                self._seek(op.op, op.selector)
            case ops.Unseek():
                self._gone(op.op)
            case ops.Granted():
                self._granted(op.op)
            case ops.Missed():
                self._gone(op.op)
            case _:
                super().on_op(op)

    def _seek(self, number: int, selector: int) -> None:
        if not selector or number in self.seekers:
            raise ProtocolError(f"seeker {number} of select {selector} is none", code="op")
        if self.home.core.failure is None:
            seeker = self.seekers[number] = Seeker(self, number, selector)
            self.home.seekers.append(seeker)
            self.home.core.serve_permit()

    def _granted(self, number: int) -> None:
        """Its select is held, or it has the item that was shipped to it."""
        seeker = self.seekers.get(number)
        if seeker is not None and seeker.state == DONE:
            del self.seekers[number]
            if self.home.core.failure is not None:
                self.home.core.wake_drained()
        else:
            answered(seeker, True)

    def ship_to(self, seeker: Seeker) -> None:
        """Ship its item; it stays here as well, until it was received."""
        assert self.peer is not None
        seeker.state = DONE
        self.peer.in_lane(ops.Take(self.alias, seeker.number))
        self.peer.items(self.alias, self.schema, [seeker.item])

    def _gone(self, number: int) -> None:
        seeker = self.seekers.pop(number, None)
        if seeker is None:
            return
        core = self.home.core
        if seeker.match is not None:
            seeker.match.lost(seeker)
        elif seeker.state == DONE and core.codec is None:
            self.give_back([seeker.item])
        elif seeker in core.claimed:
            core.claimed.remove(seeker)
        elif seeker in self.home.seekers:
            self.home.seekers.remove(seeker)

    def give_back(self, newest_first: list[Any]) -> None:
        super().give_back(newest_first)
        self.home.serve()

    def has_leases(self) -> bool:
        return super().has_leases() or any(seeker.state == DONE for seeker in self.seekers.values())

    def take_leases(self) -> list[Any]:
        shipped = [seeker.item for seeker in self.seekers.values() if seeker.state == DONE]
        for number in [number for number, seeker in self.seekers.items() if seeker.state != DONE]:
            self._gone(number)
        self.seekers.clear()
        return super().take_leases() + shipped

    def forget_waiter(self, waiter: Elsewhere) -> None:
        """A seeker is void."""
        self.seekers.pop(waiter.number, None)

    def say(self, op: ops.Op) -> None:
        """Tell the other side, at once."""
        if self.peer is not None:
            self.peer.control(op)


def answered(waiter: Elsewhere | None, held: bool) -> None:
    """The select of `waiter` is held, or gone; without a match, that was not asked for any more."""
    if waiter is not None and waiter.match is not None:
        if held:
            waiter.match.granted()
        else:
            waiter.match.gone()
