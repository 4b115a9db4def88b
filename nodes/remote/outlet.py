"""The sending end of a channel whose home is on another node (NET-2, NET-8).

To its handles it is a bounded channel. Its buffer holds what was sent in this turn; at the end of the turn that is
encoded in one go and put on the link. So `send` is the very code that it is on a local channel, and a channel whose
home moves away becomes an outlet by changing its class.

Invariants
- `limit` is what is in the buffer and the credit that is shown; the rest of the credit is in `hidden`. At most SLICE is
  shown, so that a sender that never waits still writes every SLICE items, and the other side has work meanwhile.
- credit here + credit on its way back + items on their way + items at the home <= capacity (NET-3).
- Nothing is written before the home said Opened; until then the backlog keeps items and ops in their order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from actorpar.channels.errors import ChannelAborted, ChannelBroken, ChannelError, EndOfChannel
from actorpar.channels.flavors.base import UNLIMITED, Flavor
from actorpar.channels.waiters import ENDED, wake_all

from ..errors import CodecError, ItemTypeError, LinkLost, ProtocolError, RemoteError, Unreachable
from . import ops
from .causes import FAILURES, describe, split
from .confirming import Confirming
from .credit import credit_of
from .flights import Flights
from .trigger import Trigger

if TYPE_CHECKING:
    from ..codec.schema import Schema
    from .peer import Peer
    from .table import ChannelTable

#: Items that are sent in a turn before they are written.
SLICE: Final = 256


class Outlet:
    """What an end that is away knows and does. `core` is the channel as its handles see it."""

    def __init__(self, table: ChannelTable, core: Flavor, channel: bytes, schema: Schema) -> None:
        self.table = table
        self.core = core
        self.channel = channel
        self.schema = schema
        self.peer: Peer | None = None
        self.home_node = b""
        self.alias = 0
        self.opened = self.closed = False
        self.backlog: list[list[Any] | ops.Op] = []
        self.flights = Flights()
        self.confirming = Confirming(self)
        self.hungry = False
        self.hidden = 0  # credit beyond what `limit` shows
        self.relays: Callable[[], bool] = lambda: False  # ends of other nodes still come through here
        self.lingers = False  # the channel has ended, and this goes on for them
        self.unknown: tuple[Any, ...] = ()
        self.trigger = Trigger(self._filled)

    # -- opening

    def open(self, peer: Peer, nonce: bytes | None) -> None:
        """Present this end to the home; without a nonce, the home learns of it by what moves it there."""
        self.peer = peer
        self.home_node = peer.node
        self.opened = False
        self.alias = peer.new_alias()
        peer.ends[self.alias] = self
        if nonce is not None:
            peer.control(ops.Open(self.alias, self.channel, nonce))

    @property
    def unsaid(self) -> bool:
        return bool(self.backlog or self.core.buffer)

    def adopt_waiting(self) -> None:
        """The home was here until now: what is in the buffer follows it, and who waits to send waits for credit."""
        self.park()
        if self.core.senders:
            self.starve()

    def show(self) -> None:
        """Show a slice of the credit to those who send."""
        core = self.core
        if core.limit < UNLIMITED and core.failure is None:
            shown = core.limit - len(core.buffer)
            change = min(SLICE - shown, self.hidden)
            if change:
                core.limit += change
                self.hidden -= change
                if core.senders:
                    core.slot_freed()
            if core.senders and not self.hidden:
                self.starve()

    def next_slice(self) -> bool:
        """The slice that was shown is used up: write it. True: there is room now."""
        if not self.hidden or not self.opened:
            return False
        self.flush()
        if self.peer is not None:
            self.peer.push()
        core = self.core
        return len(core.buffer) < core.limit

    def spare(self) -> int:
        """Credit that no item and no woken sender uses."""
        return credit_of(self.core) + self.hidden

    def take_spare(self, credit: int) -> None:
        """Give credit away."""
        core = self.core
        if core.limit < UNLIMITED and core.failure is None:
            from_hidden = min(credit, self.hidden)
            self.hidden -= from_hidden
            core.limit -= credit - from_hidden

    def park(self) -> None:
        """Wait for the first item of the next batch."""
        core = self.core
        core.held = 0
        self.show()
        if core.failure is None:
            if core.buffer:
                self.table.touch(self)
            else:
                self.trigger.park(core.receiver_queue())

    def _filled(self, outcome: int) -> None:
        if outcome != ENDED:
            self.table.touch(self)

    # -- sending

    def check(self, item: Any) -> None:
        """Raise ItemTypeError unless the item is of the declared outer type (NET-8)."""
        try:
            self.schema.check(item)
        except ItemTypeError as error:
            raise ItemTypeError(f"{self.core.name}: {error}", item=item) from None

    def flush(self) -> None:
        """The turn is over: encode what was sent in it and put it on the link."""
        core = self.core
        if not self.opened:
            self._keep()
        while core.buffer and self.opened:
            most = self.flights.batch_size(len(core.buffer), core.buffer[0])
            if most <= 0:
                core.held = 0
                return  # the bytes on their way are as many as may be; Credit goes on from here
            self._send_batch(self._take(most))
        self.park()

    def _take(self, most: int) -> list[Any]:
        core = self.core
        buffer = core.buffer
        if most == len(buffer):
            items = list(buffer)
            buffer.clear()
        else:
            items = [buffer.popleft() for _ in range(most)]
        if core.limit < UNLIMITED and core.failure is None:
            core.limit -= len(items)
        return items

    def _send_batch(self, items: list[Any]) -> None:
        assert self.peer is not None
        try:
            size = self.peer.items(self.alias, self.schema, items)
        except CodecError as error:
            if len(items) == 1:
                self._refuse(items[0], error)
            else:
                for item in items:
                    self._send_batch([item])
            return
        self.flights.sent(items, size)

    def _refuse(self, item: Any, error: CodecError) -> None:
        """The item cannot be encoded: its credit is free again, and it is reported (NET-8)."""
        if self.core.limit < UNLIMITED and self.core.failure is None:
            self.core.limit += 1
        self.table.report_unsent(self.core.name, error)
        self.core.undelivered((item,))

    def _keep(self) -> None:
        """The home does not know this end yet: keep the order of what was sent."""
        if self.core.buffer:
            self.backlog.append(self._take(len(self.core.buffer)))

    def in_lane(self, op: ops.Op) -> None:
        """Say something to the home, behind everything sent so far."""
        self._keep()
        if not self.opened:
            self.backlog.append(op)
            return
        backlog, self.backlog = self.backlog, []
        for part in backlog:
            self._send_batch(cast("list[Any]", part))
        assert self.peer is not None
        op.alias = self.alias
        self.peer.in_lane(op)

    def introduce(self, nonce: bytes, node: bytes, credit: int) -> None:
        """An end of this channel goes to `node`, with this credit; what was sent before precedes it (NET-22)."""
        op = ops.Introduce(self.alias, nonce, node, credit, False)
        if self.lingers and self.peer is not None:
            self.peer.in_lane(op)  # the channel has ended: whoever comes is to learn it
        else:
            self.in_lane(op)

    def starve(self) -> None:
        """A sender waits here and there is no credit left."""
        if not self.hungry and not self.hidden and self.core.failure is None:
            self.hungry = True
            if self.opened and self.peer is not None:
                self.peer.control(ops.Hungry(self.alias))

    def close(self, failure: BaseException | None) -> None:
        """The last handle here was closed, or lost, and no end of another node comes through here any more."""
        if self.lingers:
            self._leave()
        if not self.closed and self.core.failure is None:
            self.in_lane(ops.Close(0, None if failure is None else describe(failure)))
            self.closed = True
            self.core.end(EndOfChannel)
            self.confirming.end()
            self.trigger.leave(self.core.receivers)
            if self.opened:
                self._forget()

    def abort(self, exc: BaseException, after_drain: bool) -> None:
        """End the channel for everybody; `after_drain`, what was sent arrives first (CH-26, CH-27)."""
        core = self.core
        op = ops.Abort(self.alias, describe(exc), after_drain)
        unsent: list[Any] = []
        if after_drain:
            self.in_lane(op)
        else:
            unsent = self._take_unsent()
            if self.opened and self.peer is not None:
                self.peer.control(op)
            else:
                self.backlog.append(op)
        self.closed = True
        core.cause = exc
        core.end(ChannelAborted)
        self.confirming.end()
        self.trigger.leave(core.receivers)
        if self.opened:
            self._forget()
        wake_all(core.senders, ENDED)
        core.undelivered(unsent)

    def _take_unsent(self) -> list[Any]:
        """What was sent and has not left this node."""
        core = self.core
        unsent = [item for part in self.backlog if isinstance(part, list) for item in part] + list(core.buffer)
        self.backlog = []
        core.buffer.clear()
        core.held = 0
        return unsent

    # -- what the home says

    def on_op(self, op: Any) -> None:
        match op:
            case ops.Credit():
                self._on_credit(op)
            case ops.Opened():
                self._on_opened()
            case ops.Confirmed():
                self.confirming.confirmed()
            case ops.Ended():
                self._on_ended(op)
            case ops.Reclaim():
                self._give_back()
            case ops.Moved():
                self._on_moved(op)
            case ops.Refused():
                self._forget()
                self._end(ChannelBroken, RemoteError("UnknownChannel", op.reason))
            case _:
                raise ProtocolError(f"{type(op).__name__} is nothing that a home says to senders", code="op")

    def expects(self, count: int) -> None:
        raise ProtocolError(f"items for {self.core.name}, which sends here", code="direction")

    def on_items(self, items: list[Any], bad: int, size: int) -> None:
        self.expects(len(items))

    def _on_opened(self) -> None:
        self.opened = True
        backlog, self.backlog = self.backlog, []
        for part in backlog:
            if isinstance(part, list):
                self._send_batch(part)
            else:
                self.in_lane(part)
        if self.hungry and not self.closed and self.peer is not None:
            self.peer.control(ops.Hungry(self.alias))
        if not self.closed:
            self.table.touch(self)
        else:
            self._forget()

    def _on_credit(self, credit: ops.Credit) -> None:
        core = self.core
        self.flights.told(credit)
        if core.failure is not None:
            return
        if credit.items and core.limit < UNLIMITED:
            self.hungry = False
            self.hidden += credit.items
            self.show()
        if core.buffer:
            self.table.touch(self)

    def _give_back(self) -> None:
        core = self.core
        if core.failure is None and core.limit < UNLIMITED:
            spare = self.spare()
            self.take_spare(spare)
            self.in_lane(ops.GiveBack(0, spare))
            self.park()

    def _on_ended(self, op: ops.Ended) -> None:
        cause = None if op.cause is None else RemoteError(*split(op.cause))
        self._end(FAILURES.get(op.kind, ChannelBroken), cause)
        self.lingers = True
        if not self.relays():
            self._leave()

    def _leave(self) -> None:
        """Nothing more comes from here."""
        self.lingers = False
        if self.peer is not None:
            self.peer.in_lane(ops.Close(self.alias))
        self._forget()

    def _end(self, failure: type[ChannelError], cause: BaseException | None) -> None:
        core = self.core
        if core.failure is None:
            core.cause = cause
            core.end(failure)
            unsent = self._take_unsent()
            self.trigger.leave(core.receivers)
            wake_all(core.senders, ENDED)
            core.undelivered(unsent)
        self.backlog.clear()
        self.flights.clear()
        self.confirming.end()

    def _on_moved(self, op: ops.Moved) -> None:
        """The channel has another home now: go on there with what credit is left (NET-1)."""
        if self.opened:
            self.in_lane(ops.Flushed(0))
        self._forget()
        self.flights.moved()
        try:
            self.open(self.table.peer(op.home), op.nonce)
        except Unreachable as error:
            self._end(ChannelBroken, error)
        self.confirming.ask_anew()

    def on_lost(self, error: BaseException) -> None:
        """The node of the home is gone (NET-35)."""
        self.unknown = self.flights.unknown()
        self._forget()
        self._end(LinkLost, error)

    def _forget(self) -> None:
        if self.peer is not None:
            self.peer.ends.pop(self.alias, None)
