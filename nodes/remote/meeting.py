"""Rendezvous across nodes (NET-9): each send is an offer to the home, and returns when a receiver there has the item.

The home parks an offer where it would park a sender of its own. A permit, and a guard of a select, are offers without
the item: the home sets a receiver aside and asks; the sender then redeems it with the item, or forfeits it.

Invariants
- An offer is in `offers` at its outlet while its sender waits, and at its stub while the home may still take it.
- A sender whose item was taken is DONE, whatever happens to it meanwhile: at most once (CH-54). It withdraws by one
  message and does not wait for the answer.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from actorpar.channels import env
from actorpar.channels.errors import ChannelError
from actorpar.channels.flavors.rendezvous import PERMIT, Rendezvous
from actorpar.channels.waiters import DONE, GRANTED, IDLE, QUEUED, WAITING, GuardWaiter, Waiter, wake

from ..errors import CodecError, ProtocolError
from . import ops
from .away import AtOutlet
from .home import _AtHome
from .outlet import Outlet
from .sender_stub import SenderStub

if TYPE_CHECKING:
    from ..codec.schema import Schema
    from .home import Home
    from .table import ChannelTable


class MeetingOutlet(Outlet):
    """The sending end of a rendezvous whose home is on another node."""

    def __init__(self, table: ChannelTable, core: Any, channel: bytes, schema: Schema) -> None:
        super().__init__(table, core, channel, schema)
        self.offers: dict[int, Waiter] = {}
        self._numbers = 0

    def adopt_waiting(self) -> None:
        """The home was here until now: who waits to send makes an offer."""
        self.park()
        for waiter in list(self.core.senders):
            self.offer(waiter)

    def offer(self, waiter: Waiter) -> None:
        """A sender waits: tell the home."""
        self._numbers += 1
        self.offers[self._numbers] = waiter
        if self.opened:
            self._tell(self._numbers, waiter)

    def _tell(self, number: int, waiter: Waiter) -> None:
        permit = waiter.item is PERMIT or isinstance(waiter, GuardWaiter)
        self.in_lane(ops.Offer(0, number, permit, selector_of(waiter)))
        if not permit:
            self._send_item(number, waiter.item)

    def _send_item(self, number: int, item: Any) -> None:
        assert self.peer is not None
        try:
            self.peer.items(self.alias, self.schema, [item])
        except CodecError:
            self.peer.items(self.alias, self.schema, [])  # the home waits for what follows the op
            self.core.undelivered((item,))

    def number_of(self, waiter: Waiter) -> int | None:
        """The number of the offer of a sender that waits."""
        return next((number for number, known in self.offers.items() if known is waiter), None)

    def withdraw(self, waiter: Waiter) -> None:
        """The sender gave up."""
        number = self.number_of(waiter)
        if number is not None:
            del self.offers[number]
            if self.opened:
                self.in_lane(ops.Withdraw(0, number))

    def redeem(self, number: int, item: Any) -> None:
        """The item goes to the receiver that was set aside."""
        self.in_lane(ops.Redeem(0, number))
        self._send_item(number, item)

    def forfeit(self, number: int) -> None:
        """The receiver that was set aside is free again."""
        self.in_lane(ops.Forfeit(0, number))

    def flush(self) -> None:
        """What a cancelled rendezvous left in the buffer of a home that moved goes on without an offer."""
        if self.opened and self.peer is not None:
            while self.core.buffer:
                self.peer.items(self.alias, self.schema, [self.core.buffer.popleft()])

    def park(self) -> None:
        """There is no batch to wait for."""
        if self.core.buffer:
            self.table.touch(self)

    def starve(self) -> None:
        """There is no credit to be had."""

    def on_op(self, op: Any) -> None:
        match op:
            case ops.Taken():
                waiter = self.offers.pop(op.op, None)
                if waiter is not None:
                    self._choose(waiter, DONE)
            case ops.Permitted():
                self._permitted(op.op)
            case ops.Opened():
                super().on_op(op)
                for number, waiter in list(self.offers.items()):
                    self._tell(number, waiter)
            case _:
                super().on_op(op)

    def _permitted(self, number: int) -> None:
        waiter = self.offers.pop(number, None)
        if waiter is None:
            return  # its withdrawal is on its way, and frees the receiver
        item = waiter.item
        if item is PERMIT:
            waiter.item = number
            if not self._choose(waiter, GRANTED):
                self.forfeit(number)
        elif self._choose(waiter, DONE):
            self.redeem(number, item)
        else:
            self.forfeit(number)

    def _choose(self, waiter: Waiter, outcome: int) -> bool:
        if waiter.state not in QUEUED:
            return False
        self.core.senders.remove(waiter)
        if waiter.claim(outcome):
            return True
        waiter.state = IDLE
        return False


class OutletRendezvous(AtOutlet, Rendezvous):
    """A rendezvous whose receivers are on other nodes."""

    __slots__ = ()

    remote: MeetingOutlet

    def try_send(self, item: Any) -> bool:
        self.remote.check(item)
        if self.failure is not None:
            raise self.refusal(item)
        self.sender_queue()
        return False

    def sender_parked(self, waiter: Waiter) -> None:
        Rendezvous.sender_parked(self, waiter)
        self.remote.offer(waiter)

    def leave_send(self, waiter: Waiter) -> None:
        if waiter.state in QUEUED:
            self.remote.withdraw(waiter)
        super().leave_send(waiter)

    def try_reserve(self) -> Any:
        if self.failure is not None:
            raise self.refusal()
        return None

    def redeem(self, token: Any, item: Any) -> None:
        if self.failure is not None:
            raise self.refusal(item)
        self.remote.redeem(token, item)

    def forfeit(self, token: Any) -> None:
        if self.failure is None:
            self.remote.forfeit(token)

    def fail_waiters_of(self, end: Any, queue: Any) -> None:
        gone = [waiter for waiter in queue if waiter.end is end]
        super().fail_waiters_of(end, queue)
        for waiter in gone:
            self.remote.withdraw(waiter)


class HomeRendezvous(_AtHome, Rendezvous):
    """A rendezvous, some of whose ends are away."""

    __slots__ = ()

    def serve_permit(self) -> None:
        """A receiver waits now: the first sender gets it, if it waits for a permit; a select never meets itself."""
        for sender in list(self.senders):
            if not sender.is_live():
                continue
            if sender.item is not PERMIT:
                return
            receiver = self.claim_for(selector_of(sender))
            if receiver is not None:
                self.senders.remove(sender)
                sender.item = receiver
                sender.claim(GRANTED)
                return

    def claim_for(self, selector: int) -> Waiter | None:
        """Set aside the first waiting receiver that is not of this select."""
        for receiver in list(self.receivers):
            if receiver.is_live() and not (selector and selector_of(receiver) == selector):
                self.receivers.remove(receiver)
                self.claims += 1
                receiver.item = self.claims
                self.claimed.append(receiver)
                return receiver
        return None


_selectors = itertools.count(env.random.getrandbits(48) << 15)


def selector_of(waiter: Waiter) -> int:
    """The number of the select behind a guard, unlike all others on all nodes; 0 for a plain operation."""
    if not isinstance(waiter, GuardWaiter):
        return int(getattr(waiter, "selector", 0))
    if not waiter.choice.number:
        waiter.choice.number = next(_selectors)
    return waiter.choice.number


class Offered(Waiter):
    """A sender on another node that waits, in the queue of the home."""

    __slots__ = ("number", "selector", "stub")

    def __init__(self, stub: MeetingStub, number: int, item: Any, selector: int = 0) -> None:
        super().__init__()
        self.selector = selector
        self.stub = stub
        self.number = number
        self.item = item
        self.end = stub
        self.state = WAITING

    def claim(self, outcome: int) -> bool:
        if self.state != WAITING:
            return False
        self.state = outcome
        self.stub.chosen(self, outcome)
        return True

    def is_live(self) -> bool:
        return self.state == WAITING

    def sleeper(self) -> asyncio.Future[Any] | None:
        return None


class MeetingStub(SenderStub):
    """What the home of a rendezvous knows of a sending end on another node: its offers."""

    def __init__(self, home: Home, nonce: bytes, node: bytes, credit: int) -> None:
        super().__init__(home, nonce, node, 0)
        self.counted = False
        self.offers: dict[int, Offered] = {}
        self._follows: ops.Offer | ops.Redeem | None = None  # the item of this op comes next

    @property
    def core(self) -> Rendezvous:
        core = self.home.core
        assert isinstance(core, Rendezvous)
        return core

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
                offered = self.offers.pop(op.op, None)
                if offered is not None and self.core.failure is None:
                    self.core.forfeit(offered.item)
            case _:
                super().on_op(op)

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
                self._say(ops.Taken(self.alias, number))
                return
        except ChannelError:
            return
        offered = self.offers[number] = Offered(self, number, item)
        core.sender_queue().append(offered)

    def _want_permit(self, number: int, selector: int) -> None:
        core = self.core
        if core.failure is not None or self.next_nonce is not None:
            return
        assert isinstance(core, HomeRendezvous)
        offered = self.offers[number] = Offered(self, number, PERMIT, selector)
        core.watched = True
        token = core.claim_for(selector) if not core.senders else None
        if token is None:
            core.sender_queue().append(offered)
        else:
            offered.item = token
            offered.claim(GRANTED)

    def _redeem(self, number: int, items: list[Any]) -> None:
        offered = self.offers.pop(number, None)
        if offered is None or offered.state != GRANTED:
            raise ProtocolError(f"offer {number} was permitted nothing", code="op")
        try:
            if items:
                self.core.redeem(offered.item, items[0])
            else:
                self.core.forfeit(offered.item)
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

    def _withdraw(self, number: int) -> None:
        offered = self.offers.pop(number, None)
        if offered is None:
            return
        if offered.state == WAITING:
            offered.state = IDLE
            self.core.senders.remove(offered)
        elif offered.state == GRANTED and self.core.failure is None:
            self.core.forfeit(offered.item)

    def chosen(self, offered: Offered, outcome: int) -> None:
        """The home has chosen an offer."""
        if outcome == GRANTED:
            self._say(ops.Permitted(self.alias, offered.number))
            return
        self.offers.pop(offered.number, None)
        if outcome == DONE:
            self._say(ops.Taken(self.alias, offered.number))

    def _say(self, op: ops.Op) -> None:
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
