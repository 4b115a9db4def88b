"""The home of a channel: the node where its order is decided and its items wait (NET-1).

The channel itself stays what it is, a buffer and two queues; ends on other nodes stand in these queues as stubs, in
turn with the operations that wait here. Credit that a stub was given is a slot reserved, exactly as for a woken sender.

Invariants
- limit = capacity - slots reserved for woken senders - credit of all stubs, so the home never refuses an item (NET-3).
- A stub of a sender counts as one sending handle, a stub of a receiver as one receiving handle, from the moment that it
  is announced (NET-28); so the channel cannot end while an end is on its way.
- What a stub has to be told is told at the end of the turn, once for all operations of the turn (NET-5).
"""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from actorpar.channels.errors import ChannelAborted, EndOfChannel
from actorpar.channels.flavors.base import NOTHING, Flavor
from actorpar.channels.flavors.bounded import Bounded
from actorpar.channels.flavors.lossy import Lossy

from ..errors import ProtocolError
from . import ops
from .causes import describe
from .credit import credit_of
from .outlet import Outlet
from .receiver_stub import ReceiverStub
from .sender_stub import SenderStub

if TYPE_CHECKING:
    from ..codec.schema import Schema
    from .table import ChannelTable


class Home:
    """What the home knows of a channel whose ends are on several nodes. `core` is the channel itself."""

    sender_stub: ClassVar[type[Any]] = SenderStub
    receiver_stub: ClassVar[type[Any]] = ReceiverStub

    def __init__(self, table: ChannelTable, core: Flavor, channel: bytes, schema: Schema) -> None:
        self.table = table
        self.core = core
        self.channel = channel
        self.schema = schema
        self.origin: bytes | None = None  # the node that knows `on_undelivered`, if it is another one
        self.pinned = False
        self.outlet: Outlet | None = None  # the home has moved, and what still comes here goes on through this
        self.senders: dict[SenderStub, None] = {}
        self.receivers: dict[ReceiverStub, None] = {}
        # What came from stubs and may still be in the buffer, in its order: (stub, items, bad ones that are not there,
        # bytes). Of the first `_begun` items have left it.
        self._batches: collections.deque[tuple[SenderStub, int, int, int]] = collections.deque()
        self._batched = 0
        self._begun = 0
        core.watched = True

    # -- announcing ends (NET-21)

    def expect_sender(self, nonce: bytes, node: bytes, credit: int) -> SenderStub:
        """An end that sends is on its way to `node`, with credit that is reserved already."""
        stub: SenderStub = self.sender_stub(self, nonce, node, credit)
        self.senders[stub] = None
        self.table.expect(self.channel, nonce, stub)
        return stub

    def expect_receiver(self, nonce: bytes, node: bytes) -> ReceiverStub:
        """An end that receives is on its way to `node`."""
        stub: ReceiverStub = self.receiver_stub(self, nonce, node)
        self.receivers[stub] = None
        self.table.expect(self.channel, nonce, stub)
        return stub

    def first_credit(self) -> int:
        """Reserve credit for one more sender that is away: half of what is free (NET-2)."""
        core = self.core
        if core.failure is not None or core.capacity == math.inf:
            return 0
        if isinstance(core, Lossy):
            return int(core.capacity)  # nothing is reserved where nobody waits: it bounds what is on its way
        credit = (credit_of(core) + 1) // 2
        core.limit -= credit
        return credit

    def introduced(self, introducer: SenderStub | ReceiverStub, op: ops.Introduce) -> None:
        """An end that is away has given one away in turn: what it sent before is here (NET-22)."""
        core = self.core
        if op.receives != isinstance(introducer, ReceiverStub) or self.table.is_expected(self.channel, op.nonce):
            raise ProtocolError("an end was introduced by another kind of end, or twice", code="op")
        if not isinstance(introducer, SenderStub):
            core.receiver_count += 1
            self.expect_receiver(op.nonce, op.node).introduced_by = introducer.node
            return
        credit = introducer.hand_over(op.credit)
        if self.outlet is not None:
            self.outlet.introduce(op.nonce, op.node, credit)
            return
        core.sender_count += 1
        self.expect_sender(op.nonce, op.node, credit).introduced_by = introducer.node

    # -- moving away (NET-1)

    def move_to(self, outlet: Outlet, new_nonce: Callable[[], bytes]) -> None:
        """The home is another node from now on: what still comes here goes on through `outlet`."""
        self.outlet = outlet
        outlet.relays = lambda: bool(self.senders)
        core = self.core
        for stub in list(self.senders):
            stub.trigger.leave(core.senders)
            if stub.peer is None:
                stub.forget()
                outlet.introduce(stub.nonce, stub.node, stub.credit)
                core.drop_sender(None)
            else:
                stub.forward(outlet.home_node, new_nonce())

    # -- credit (NET-5, NET-6)

    def touch(self) -> None:
        """Look at the end of this turn who is to be told what."""
        if self.outlet is None:
            self.table.touch(self)

    def flush(self) -> None:
        """The turn is over: ship what was granted, hand out what slots are free, tell what was freed."""
        for receiver in list(self.receivers):
            receiver.ship()
        self._note_received()
        if self.core.failure is None:
            self._grant()
        for sender in self.senders:
            sender.tell_credit()

    def _grant(self) -> None:
        core = self.core
        asking = [stub for stub in self.senders if stub.wanted()]
        free = credit_of(core)
        for place, stub in enumerate(asking):
            share = -(-free // (len(asking) - place))
            give = min(share, stub.wanted())
            if give and (stub.is_urgent() or give >= stub.worth()):
                free -= give
                core.limit -= give
                stub.give(give)
        for stub in asking:
            if stub.wanted():
                stub.trigger.park(core.sender_queue())
                if stub.hungry:
                    self.reclaim(stub)
        if len(asking) > 1:  # the next turn begins with another one
            del self.senders[asking[0]]
            self.senders[asking[0]] = None

    def reclaim(self, starving: SenderStub | None = None) -> None:
        """Somebody starves: ask those for credit that have some and do not use it (NET-6)."""
        if credit_of(self.core) == 0:
            for stub in self.senders:
                if stub is not starving:
                    stub.reclaim()

    def note_batch(self, stub: SenderStub, items: int, bad: int, size: int) -> None:
        """A batch went into the buffer, except for what was bad of it."""
        self._batches.append((stub, items, bad, size))
        self._batched += items
        self.table.unreceived[self] = None

    def _note_received(self) -> None:
        """What left the buffer and is on no lease was received; a batch of which that is so frees its bytes (NET-4)."""
        batches = self._batches
        gone = self._batched - len(self.core.buffer) - sum(stub.on_lease for stub in self.receivers)
        while batches and gone >= batches[0][1]:
            stub, items, bad, size = batches.popleft()
            gone -= items
            self._batched -= items
            stub.received += items + bad - self._begun
            stub.freed += size
            self._begun = 0
        if batches and gone > self._begun:
            batches[0][0].received += gone - self._begun
            self._begun = gone

    def tell_received(self) -> bool:
        """Tell those who send how far it is, however little that is; False once there is nothing more to tell."""
        self._note_received()
        for sender in self.senders:
            sender.tell_received()
        return bool(self._batches)

    # -- endings

    def ended(self) -> None:
        """Nothing may be sent any more: tell those who send."""
        kind, cause = self.ending()
        for stub in list(self.senders):
            stub.tell_end(kind, cause)
        self.touch()

    def has_leases(self) -> bool:
        """True while items are on other nodes that may come back (NET-11)."""
        return any(stub.has_leases() for stub in self.receivers)

    def drained(self, discard: bool = False) -> None:
        """The channel has ended and nothing is left to receive: tell those who receive."""
        kind, cause = self.ending()
        for stub in list(self.receivers):
            stub.tell_end(kind, cause, discard)

    def ending(self) -> tuple[str, str | None]:
        """How the channel ended."""
        failure, cause = self.core.failure, self.core.cause
        kind = "end" if failure is EndOfChannel else "aborted" if failure is ChannelAborted else "broken"
        return kind, None if cause is None else describe(cause)


class _AtHome(Flavor):
    """What a channel does differently at a home."""

    __slots__ = ()

    remote: Home

    def sender_parked(self, waiter: Any) -> None:
        super().sender_parked(waiter)
        self.remote.reclaim()

    def end(self, failure: Any) -> None:
        super().end(failure)
        self.remote.ended()

    def try_receive(self) -> Any:
        if self.failure is not None and not self.buffer and self.remote.has_leases():
            self.receiver_queue()
            return NOTHING  # what another node has on lease may come back
        return super().try_receive()

    def wake_drained(self) -> None:
        if not self.buffer and not self.remote.has_leases():
            super().wake_drained()
            self.remote.drained()

    def discard_buffer(self) -> None:
        super().discard_buffer()
        self.remote.drained(discard=self.failure is ChannelAborted)

    def undelivered(self, items: Iterable[Any]) -> None:
        if self.remote.origin is None:
            super().undelivered(items)
        else:
            left = list(items)
            self.dropped += len(left)
            self.remote.table.report_undelivered(self.remote, left)

    def is_served_outside(self) -> bool:
        return bool(self.remote.senders or self.remote.receivers)


class HomeBounded(_AtHome, Bounded):
    """A channel with a buffer, some of whose ends are away."""

    __slots__ = ()


class HomeLossy(_AtHome, Lossy):
    """A channel that drops, some of whose ends are away."""

    __slots__ = ()
