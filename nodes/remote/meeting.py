"""The sending end of a rendezvous whose home is on another node: each send is an offer to the home (NET-9).

A send returns when a receiver has the item. A permit, a guard of a select, and an item that holds ends are offers
without the item: the home finds a receiver and permits; the sender then redeems it with the item, or forfeits it.

Invariants
- An offer is in `offers` while its sender waits and the home may take it.
- A sender whose item was taken is DONE, whatever happens to it meanwhile: at most once (CH-54). It withdraws by one
  message and does not wait for the answer.
- A select that redeems is held until the home has taken its item: so a send guard, too, is chosen only when a receiver
  has the item, and its outcome is known or it raises (NET-18).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from actorpar.channels.flavors.rendezvous import PERMIT, Rendezvous
from actorpar.channels.waiters import DONE, GRANTED, IDLE, QUEUED, GuardWaiter, Waiter

from ..errors import CodecError
from . import ops
from .away import AtOutlet
from .outlet import Outlet
from .selects import Hold, selector_of

if TYPE_CHECKING:
    from ..codec.schema import Schema
    from .table import ChannelTable


class MeetingOutlet(Outlet):
    """The sending end of a rendezvous whose home is on another node."""

    def __init__(self, table: ChannelTable, core: Any, channel: bytes, schema: Schema) -> None:
        super().__init__(table, core, channel, schema)
        self.offers: dict[int, Waiter] = {}
        self.holds: dict[int, Hold] = {}
        self.redeemed: dict[int, Hold] = {}  # their items are on their way
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
        permit = waiter.item is PERMIT or isinstance(waiter, GuardWaiter) or self.core.codec is not None
        self.in_lane(ops.Offer(0, number, permit, selector_of(waiter)))
        if not permit:
            self._send_item(number, waiter.item)

    def _send_item(self, number: int, item: Any) -> None:
        assert self.peer is not None
        try:
            self.peer.items(self.alias, self.schema, [item])
        except CodecError as error:
            self.table.report_unsent(self.core.name, error)
            self.peer.items(self.alias, self.schema, [])  # the home waits for what follows the op
            self.core.undelivered((item,))

    def number_of(self, waiter: Waiter) -> int | None:
        """The number of the offer of a sender that waits."""
        return next((number for number, known in self.offers.items() if known is waiter), None)

    def withdraw(self, waiter: Waiter) -> None:
        """The sender gave up."""
        number = self.number_of(waiter)
        if number is not None:
            self._drop(number)
            if self.opened:
                self.in_lane(ops.Withdraw(0, number))

    def _drop(self, number: int) -> None:
        """An offer is over; its select is not held for it any more."""
        self.offers.pop(number, None)
        hold = self.holds.pop(number, None)
        if hold is not None:
            hold.release()

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
                self._taken(op.op)
            case ops.Permitted():
                self._permitted(op.op)
            case ops.Claim():
                self._claim(op.op)
            case ops.Release():
                self._drop(op.op)
            case ops.Moved():
                for number in list(self.redeemed):
                    self._taken(number)  # the item goes on from the old home
                super().on_op(op)
            case ops.Opened():
                super().on_op(op)
                for number, waiter in list(self.offers.items()):
                    self._tell(number, waiter)
            case _:
                super().on_op(op)

    def _taken(self, number: int) -> None:
        """A receiver has the item, or it is behind all that were sent before."""
        hold = self.redeemed.pop(number, None)
        waiter = self.offers.pop(number, None)
        if waiter is not None:
            self._choose(waiter, DONE)
        elif hold is not None and hold.settle(DONE) and hold.guard in self.core.senders:
            self.core.senders.remove(hold.guard)

    def _permitted(self, number: int) -> None:
        waiter = self.offers.get(number)
        if waiter is None:
            return  # its withdrawal is on its way, and frees the receiver
        if waiter.item is PERMIT:
            self._permit(number, waiter)
        elif not isinstance(waiter, GuardWaiter):
            self._redeem_plain(number, waiter)
        elif number in self.holds:
            self._redeem_held(number)
        else:
            self._hold(number, waiter, lambda held: self._redeem_held(number) if held else self._miss(number, False))

    def _permit(self, number: int, waiter: Waiter) -> None:
        del self.offers[number]
        waiter.item = number
        if not self._choose(waiter, GRANTED):
            self.forfeit(number)

    def _redeem_plain(self, number: int, waiter: Waiter) -> None:
        """An item that holds ends leaves only now, for with a send that gives up they stay here (NET-20)."""
        del self.offers[number]
        item = waiter.item
        if self._choose(waiter, DONE):
            self.redeem(number, item)
        else:
            self.forfeit(number)

    def _claim(self, number: int) -> None:
        guard = self.offers.get(number)
        if isinstance(guard, GuardWaiter):
            self._hold(number, guard, lambda held: self._grant(number) if held else self._miss(number, True))

    def _hold(self, number: int, guard: GuardWaiter, answer: Callable[[bool], None]) -> None:
        self.holds[number] = Hold(guard, answer)
        self.holds[number].claim()

    def _grant(self, number: int) -> None:
        if self.peer is not None:
            self.peer.control(ops.Granted(self.alias, number))

    def _miss(self, number: int, claimed: bool) -> None:
        """The select has chosen something else."""
        del self.offers[number], self.holds[number]
        if not claimed:
            self.forfeit(number)
        elif self.peer is not None:
            self.peer.control(ops.Missed(self.alias, number))

    def _redeem_held(self, number: int) -> None:
        self.redeemed[number] = self.holds.pop(number)
        self.redeem(number, self.offers.pop(number).item)

    def _choose(self, waiter: Waiter, outcome: int) -> bool:
        if waiter.state not in QUEUED:
            return False
        self.core.senders.remove(waiter)
        if waiter.claim(outcome):
            return True
        waiter.state = IDLE
        return False

    def on_lost(self, error: BaseException) -> None:
        on_its_way = tuple(hold.guard.item for hold in self.redeemed.values())
        super().on_lost(error)
        self.unknown += on_its_way

    def _forget(self) -> None:
        super()._forget()
        holds = [*self.holds.values(), *self.redeemed.values()]
        self.holds.clear()
        self.redeemed.clear()
        for hold in holds:
            hold.release()


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

    async def flush(self) -> None:
        """Nothing: a send returns when its item was taken."""

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
