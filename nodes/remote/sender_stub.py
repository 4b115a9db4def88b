"""What the home knows of the sending end on another node: its credit, and its place among those who wait to send."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from actorpar.channels.errors import ChannelError, ChannelFull
from actorpar.channels.flavors.lossy import Lossy
from actorpar.channels.waiters import GRANTED

from ..errors import NodeDown, ProtocolError, RemoteError
from . import ops
from .causes import split
from .credit import UNTOLD, WINDOW
from .trigger import Trigger

if TYPE_CHECKING:
    from ..codec.schema import Schema
    from .home import Home
    from .peer import Peer

#: Items after which a sender is told that they were received, though it needs no credit.
NOTE_EVERY: Final = 256


class SenderStub:
    """One sending end that is away. It is expected from its announcement on, and open once it has presented itself."""

    def __init__(self, home: Home, nonce: bytes, node: bytes, credit: int) -> None:
        self.home = home
        self.schema: Schema = home.schema
        self.nonce = nonce
        self.node = node
        self.introduced_by: bytes | None = None  # the node that has sent it on its way, if that is not this one
        self.peer: Peer | None = None
        self.alias = 0
        self.credit = credit  # slots that it may fill: told, or about to be
        self.untold = 0
        self.owed = 0  # slots that it has filled and not got back
        self.hungry = False
        self.received = 0  # items that somebody has received, or that were dropped or bad
        self.freed = 0  # bytes
        self.told = (0, 0)  # received, freed
        self.reclaimed = False
        self.next_nonce: bytes | None = None  # the home has moved: it presents itself there with this one
        self.trigger = Trigger(self._slot_came)
        self.lossy = isinstance(home.core, Lossy)
        self.counted = not self.lossy and home.core.capacity != math.inf

    @property
    def unsaid(self) -> bool:
        return False

    def open(self, peer: Peer, alias: int) -> None:
        """The end has presented itself."""
        self.peer, self.alias = peer, alias
        peer.ends[alias] = self
        peer.control(ops.Opened(alias))
        if self.home.core.failure is not None:
            self.tell_end(*self.home.ending())
        else:
            self.home.touch()

    # -- credit

    def wanted(self) -> int:
        """Slots that it could use."""
        if not self.counted or self.next_nonce is not None:
            return 0
        if self.hungry:
            return int(self.home.core.capacity) - self.credit
        return self.owed

    def worth(self) -> int:
        """Below this many slots it is not worth while to tell it: half of what it works with (NET-5)."""
        return max((self.credit + self.owed) // 2, 1)

    def is_urgent(self) -> bool:
        """True if it is told of every slot: it waits for one."""
        return self.hungry or self.lossy

    def give(self, slots: int) -> None:
        """Slots were reserved for it."""
        self.credit += slots
        self.untold += slots
        self.owed = max(self.owed - slots, 0)

    def _slot_came(self, outcome: int) -> None:
        if outcome == GRANTED:
            self.give(1)
        self.home.touch()

    def tell_credit(self) -> None:
        """Tell it what it may send, and what was received, if that is worth a message."""
        news = self.untold and (self.is_urgent() or self.untold >= self.worth())
        if news or self.received - self.told[0] >= NOTE_EVERY or self.freed - self.told[1] >= UNTOLD:
            self.tell_received()

    def tell_received(self) -> None:
        """Tell it what it may send, and what was received, unless it knows."""
        if self.peer is None or self.next_nonce is not None or (not self.untold and self.told[0] == self.received):
            return
        self.peer.control(ops.Credit(self.alias, self.untold, self.received, self.freed))
        self.told = (self.received, self.freed)
        if self.untold:
            self.untold = 0
            self.hungry = False

    def reclaim(self) -> None:
        """Have it give back what it does not use."""
        if self.credit and not self.reclaimed and self.counted and self.peer is not None:
            self.reclaimed = True
            self.peer.control(ops.Reclaim(self.alias))

    # -- what it says

    def expects(self, count: int) -> None:
        if self.counted and count > self.credit:
            raise ProtocolError(f"{self.home.core.name}: {count} items for a credit of {self.credit}", code="credit")

    def on_items(self, items: list[Any], bad: int, size: int) -> None:
        count = len(items) + bad
        core = self.home.core
        self.reclaimed = False
        if self.counted:
            self.credit -= count
            self.owed += len(items)
        if self.next_nonce is not None:
            self._pass_on(items, count)
            return
        if core.failure is not None:
            core.undelivered(items)
            return
        if self.counted:
            core.limit += count
        if self.lossy:
            self.untold += count
            self.received += count
            self._offer(items)
        else:
            core.enqueue(items)
            self.home.note_batch(self, len(items), bad, size if self.counted else 0)
        if self.counted:
            if bad and core.senders:
                core.slot_freed()
            if not self.hungry and self.owed < self.worth() and size < WINDOW // 8:
                return  # nothing to tell yet
        else:
            self.freed += size
        self.home.touch()

    def hand_over(self, credit: int) -> int:
        """Credit that it passes on to an end that it introduces."""
        if not self.counted:
            return 0
        if not 0 <= credit <= self.credit:
            raise ProtocolError(f"credit of {credit} handed over of {self.credit}", code="credit")
        self.credit -= credit
        return credit

    def _offer(self, items: list[Any]) -> None:
        for item in items:
            try:
                self.home.core.try_send(item)
            except ChannelFull:
                self.home.core.undelivered((item,))
            except ChannelError:
                return

    def on_op(self, op: Any) -> None:
        match op:
            case ops.Hungry():
                self.hungry = True
                self.home.touch()
            case ops.Close():
                self._leave(None if op.failure is None else RemoteError(*split(op.failure)))
            case ops.Confirm():
                if self.next_nonce is None and self.peer is not None:
                    self.peer.control(ops.Confirmed(self.alias))
            case ops.GiveBack():
                self._take_back(op.items)
            case ops.Introduce():
                self.home.introduced(self, op)
            case ops.Flushed():
                self._flushed()
            case ops.Abort():
                self._abort(op)
            case _:
                raise ProtocolError(f"{type(op).__name__} is nothing that a sender says", code="op")

    # -- when the home moves (NET-1, NET-22)

    def forward(self, home: bytes, nonce: bytes) -> None:
        """The home moves to another node: tell it, and pass on what it has sent before it knows."""
        assert self.peer is not None
        self.next_nonce = nonce
        self.credit -= self.untold
        self.release(self.untold)
        self.untold = 0
        self.peer.control(ops.Moved(self.alias, home, nonce))

    def _pass_on(self, items: list[Any], count: int) -> None:
        core = self.home.core
        if core.failure is not None:
            core.undelivered(items)
            return
        if self.counted:
            core.limit += count
        core.buffer.extend(items)
        self.home.table.touch(self.home.core.remote)

    def _flushed(self) -> None:
        if self.next_nonce is None or self.home.outlet is None:
            raise ProtocolError("an end left a home that has not moved", code="op")
        self.home.outlet.introduce(self.next_nonce, self.node, self.credit)
        self.forget()
        self.home.core.drop_sender(None)

    def _abort(self, op: ops.Abort) -> None:
        """Somebody aborts over there: that end knows, and is gone with it."""
        core = self.home.core
        self.forget()
        core.abort(RemoteError(*split(op.cause)), op.after_drain)
        core.drop_sender(None)

    def _take_back(self, items: int) -> None:
        if not 0 <= items <= self.credit:
            raise ProtocolError(f"{items} credits given back of {self.credit}", code="credit")
        self.reclaimed = False
        self.credit -= items
        self.release(items)

    def release(self, slots: int) -> None:
        """Slots that it does not need are free for the others."""
        core = self.home.core
        if core.failure is None and self.counted and slots:
            core.limit += slots
            if core.senders:
                core.slot_freed()
            self.home.touch()

    def on_lost(self, error: BaseException) -> None:
        if not isinstance(error, NodeDown):
            error = NodeDown(f"the node of a sender is lost: {error}")
        self._leave(error)

    def _leave(self, failure: BaseException | None) -> None:
        """It is gone: its slots are free, and after the last sender the channel ends (CH-21)."""
        home = self.home
        if self not in home.senders:
            return
        self.forget()
        self.release(self.credit)
        home.core.drop_sender(failure)

    def forget(self) -> None:
        """The home has nothing to do with it any more."""
        self.home.senders.pop(self, None)
        self.trigger.leave(self.home.core.senders)
        self.home.table.forget(self.home.channel, self.nonce)
        if self.peer is not None:
            self.peer.ends.pop(self.alias, None)

    # -- what it is told

    def tell_end(self, kind: str, cause: str | None) -> None:
        """The channel has ended."""
        if self.peer is not None:
            self.peer.control(ops.Ended(self.alias, kind, cause))
