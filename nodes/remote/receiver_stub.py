"""What the home knows of a receiving end on another node: how many items it waits for, and which it holds on lease.

An item that was shipped is on lease until the other node says that it was taken (NET-11). Returned, it goes back to the
front of the buffer; if its node is lost first, its outcome is unknown, unless the channel redelivers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorpar.channels.errors import ChannelError
from actorpar.channels.flavors.base import NOTHING
from actorpar.channels.waiters import BURIED, GRANTED, IDLE, WAITING, wake

from ..errors import ProtocolError, RemoteError
from . import ops
from .causes import split
from .trigger import Trigger

if TYPE_CHECKING:
    from ..codec.schema import Schema
    from .home import Home
    from .peer import Peer


class ReceiverStub:
    """One receiving end that is away."""

    def __init__(self, home: Home, nonce: bytes, node: bytes) -> None:
        self.home = home
        self.nonce = nonce
        self.node = node
        self.introduced_by: bytes | None = None  # the node that has sent it on its way, if that is not this one
        self.peer: Peer | None = None
        self.alias = 0
        self.wanted = 0  # items that it waits for and was not promised
        self.granted = 0  # items at the front of the buffer that are reserved for it
        self.leased: dict[int, Any] = {}  # by the number of the item, in ascending order
        self.shipped = 0
        self.returning = 0  # items that come back themselves, because they hold ends
        self.ended = False
        self.trigger = Trigger(self._item_came, counts=True)

    @property
    def schema(self) -> Schema:
        return self.home.schema

    @property
    def unsaid(self) -> bool:
        return False

    def open(self, peer: Peer, alias: int) -> None:
        """The end has presented itself."""
        self.peer, self.alias = peer, alias
        peer.ends[alias] = self
        peer.control(ops.Opened(alias))
        core = self.home.core
        if core.failure is not None:
            core.wake_drained()

    # -- items

    def _item_came(self, outcome: int) -> None:
        if outcome == GRANTED:
            self.granted += 1
            self.wanted -= 1
            if self.wanted:
                self.trigger.park(self.home.core.receiver_queue())
        self.home.touch()

    def ship(self) -> None:
        """Send what is reserved for it, on lease."""
        core = self.home.core
        many = min(self.granted, core.held, len(core.buffer))
        self.granted = 0
        if not many or self.peer is None:
            return
        core.held -= many
        self._lease([core.buffer.popleft() for _ in range(many)])
        if core.failure is not None:
            core.wake_drained()
        elif core.senders:
            core.slot_freed()

    def _lease(self, items: list[Any]) -> None:
        assert self.peer is not None
        self.leased.update(enumerate(items, self.shipped))
        self.shipped += len(items)
        self.peer.items(self.alias, self.schema, items)

    def _serve(self) -> None:
        """Take what can be had at once, and stand in the queue for the rest."""
        core = self.home.core
        items: list[Any] = []
        try:
            while self.wanted and (item := core.try_receive()) is not NOTHING:
                items.append(item)
                self.wanted -= 1
        except ChannelError:
            self.wanted = 0
        if items:
            self._lease(items)
            if core.failure is not None:
                core.wake_drained()
        if self.wanted:
            self.trigger.park(core.receiver_queue())
            core.receiver_parked(self.trigger)
        elif core.failure is not None:
            core.wake_drained()
        self.home.touch()

    # -- what it says

    def on_op(self, op: Any) -> None:
        match op:
            case ops.Want():
                self._settle(op.settled)
                self.wanted += op.items
                self._serve()
            case ops.Unwant():
                self.wanted = max(self.wanted - op.items, 0)
                if not self.wanted:
                    self._stand_back()
            case ops.Return():
                self._returned(op.first)
            case ops.Close():
                self._leave(None if op.failure is None else RemoteError(*split(op.failure)))
            case ops.Introduce():
                self.home.introduced(self, op)
            case ops.Abort():
                self.home.core.abort(RemoteError(*split(op.cause)), op.after_drain)
            case _:
                raise ProtocolError(f"{type(op).__name__} is nothing that a receiver says", code="op")

    def _settle(self, below: int) -> None:
        if below > self.shipped:
            raise ProtocolError(f"item {below} settled, and {self.shipped} were shipped", code="lease")
        leased = self.leased
        while leased and (first := next(iter(leased))) < below:
            del leased[first]
        if not leased and self.home.core.failure is not None:
            self.home.core.wake_drained()

    def _returned(self, first: int) -> None:
        """Nobody there waits any more for what was shipped from `first` on: back to the front, in its order."""
        if not self.shipped - len(self.leased) <= first <= self.shipped:
            raise ProtocolError(f"items from {first} on returned, which are not on lease", code="lease")
        self.wanted = 0
        self._stand_back()
        for _ in range(min(self.granted, self.home.core.held)):
            self.home.core.release_item()
        self.granted = 0
        back = [self.leased.pop(number) for number in range(self.shipped - 1, first - 1, -1)]
        self.shipped = first
        if self.peer is not None:
            self.peer.in_lane(ops.Recalled(self.alias))
        if self.home.core.codec is None:
            self.give_back(back)
        else:
            self.returning += len(back)

    def expects(self, count: int) -> None:
        if count > self.returning:
            raise ProtocolError("items from an end that receives", code="direction")

    def on_items(self, items: list[Any], bad: int, size: int) -> None:
        """Items that hold ends come back themselves (NET-20)."""
        self.expects(len(items) + bad)
        self.returning -= len(items) + bad
        self.give_back(items[::-1])

    def give_back(self, newest_first: list[Any]) -> None:
        """Put items back where they came from."""
        core = self.home.core
        if core.failure is not None and not core.receiver_count:
            core.undelivered(reversed(newest_first))
            return
        core.buffer.extendleft(newest_first)
        while core.receivers and len(core.buffer) > core.held and wake(core.receivers, GRANTED):
            core.held += 1
        self.home.touch()

    def on_lost(self, error: BaseException) -> None:
        self._leave(error)

    def _leave(self, failure: BaseException | None) -> None:
        home, core = self.home, self.home.core
        if self not in home.receivers:
            return
        self.forget()
        self._stand_back()
        for _ in range(min(self.granted, core.held)):
            core.release_item()
        self.granted = 0
        leased = self.take_leases()
        if failure is not None and leased:
            if core.redeliver and core.receiver_count > 1:
                self.give_back(leased[::-1])
            else:
                core.undelivered(leased)
        core.drop_receiver(failure)

    @property
    def on_lease(self) -> int:
        """Items that it has, and nobody is known to have received."""
        return len(self.leased)

    def has_leases(self) -> bool:
        """True while it may give items back."""
        return bool(self.leased)

    def take_leases(self) -> list[Any]:
        """What was shipped to it and not acknowledged; it is known no more."""
        leased, self.leased = list(self.leased.values()), {}
        return leased

    def _stand_back(self) -> None:
        """It waits for nothing any more."""
        if self.trigger.state == WAITING:
            self.home.core.leave_receive(self.trigger)
            if self.trigger.state == BURIED:
                self.trigger = Trigger(self._item_came, counts=True)
            self.trigger.state = IDLE

    def forget(self) -> None:
        """The home has nothing to do with it any more."""
        self.home.receivers.pop(self, None)
        self.home.table.forget(self.home.channel, self.nonce)
        if self.peer is not None:
            self.peer.ends.pop(self.alias, None)

    def tell_end(self, kind: str, cause: str | None, discard: bool = False) -> None:
        """The channel has ended, and nothing is left: behind the last item; overtaking them if they are void."""
        if self.peer is None or self.ended:
            return
        self.ended = True
        if discard:
            self.peer.control(ops.Ended(self.alias, kind, cause, True))
        else:
            self.peer.in_lane(ops.Ended(self.alias, kind, cause))
