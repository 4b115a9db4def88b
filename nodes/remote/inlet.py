"""The receiving end of a channel whose home is on another node (NET-11, NET-23).

Its buffer holds what the home has shipped: one item for each receive that waits here, or more with `prefetch`. What
came for a receive that gave up goes back to the home, so nobody's item waits where nobody wants it.

Invariants
- asked = items that the home owes this end: receives that wait, and what is to be prefetched, less what lies here.
- Items are numbered as they come. `numbers` are those of the items in the buffer, and of some that have left it since
  the last look. An item is on lease at the home until it is told that its number is settled.
- What is returned are always the last items, and what comes until the home says Recalled was returned with them: so the
  home puts back a whole tail, and one receiving node sees the order of the channel also across returns.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

from actorpar.channels.errors import ChannelBroken
from actorpar.channels.flavors.base import NO_WAITERS, NOTHING, Flavor
from actorpar.channels.flavors.bounded import Bounded
from actorpar.channels.waiters import ENDED, count_live, wake_all

from ..errors import LinkLost, ProtocolError, RemoteError, Unreachable
from . import ops
from .causes import FAILURES, describe, split

if TYPE_CHECKING:
    from ..codec.schema import Schema
    from .peer import Peer
    from .table import ChannelTable


class Inlet:
    """What an end that is away knows and does. `core` is the channel as its handles see it."""

    def __init__(self, table: ChannelTable, core: Flavor, channel: bytes, schema: Schema) -> None:
        self.table = table
        self.core = core
        self.channel = channel
        self.schema = schema
        self.peer: Peer | None = None
        self.home_node = b""
        self.alias = 0
        self.opened = False
        self.closed = False
        self.failure: BaseException | None = None  # the last handle here was lost
        self.introductions: list[ops.Introduce] = []
        self.asked = 0
        self.came = 0
        self.numbers: collections.deque[int] = collections.deque()
        self.told = 0
        self.recalls = 0  # Returns that the home has not answered; what comes meanwhile is void
        self.prefetch = 0
        self.batch = 1  # what the last receive_many asked for

    def open(self, peer: Peer, nonce: bytes) -> None:
        """Present this end to the home."""
        self.peer = peer
        self.home_node = peer.node
        self.opened = False
        self.alias = peer.new_alias()
        peer.ends[self.alias] = self
        peer.control(ops.Open(self.alias, self.channel, nonce))

    @property
    def unsaid(self) -> bool:
        return self.closed and not self.opened

    def introduce(self, nonce: bytes, node: bytes) -> None:
        """A handle of this end goes to `node`; if it is the last, what lies here goes back before (NET-21, NET-22)."""
        if self.core.receiver_count == 1 and self.opened:
            self._give_all_back()
        self.introductions.append(ops.Introduce(0, nonce, node, 0, True))
        if self.opened:
            self._introduce()

    def _introduce(self) -> None:
        for op in self.introductions:
            op.alias = self.alias
            if self.peer is not None:
                self.peer.in_lane(op)
        self.introductions.clear()

    # -- wanting

    def touch(self) -> None:
        """Look at the end of this turn what is to be asked for."""
        self.table.touch(self)

    def flush(self) -> None:
        """The turn is over: ask for what is wanted, return what nobody waits for."""
        core = self.core
        if self.closed or core.failure is not None or not self.opened or self.peer is None:
            return
        waiting = self.waiting()
        lying = len(core.buffer) - core.held
        target = max(waiting, self.batch) + self.prefetch if waiting else self.prefetch
        if lying > target:
            self._return(lying - target)
            lying = target
        lacking = target - lying - self.asked
        self.asked += lacking
        if lacking < 0:
            self.peer.control(ops.Unwant(self.alias, -lacking))
        if lacking > 0 or self._settled() > self.told:
            self._want(max(lacking, 0))

    def _want(self, items: int) -> None:
        assert self.peer is not None
        self.told = self._settled()
        self.peer.control(ops.Want(self.alias, items, self.told))

    def waiting(self) -> int:
        """Receives that wait here."""
        return 0 if self.core.receivers is NO_WAITERS else count_live(self.core.receivers)

    def _settled(self) -> int:
        numbers = self.numbers
        while len(numbers) > len(self.core.buffer):
            numbers.popleft()
        return numbers[0] if numbers else self.came

    def _return(self, many: int) -> None:
        """Give back the items that came last; the home still has them."""
        assert self.peer is not None
        self._settled()
        back: list[Any] = []
        for _ in range(many):
            back.append(self.core.buffer.pop())
            self.came = self.numbers.pop()
        self.asked = 0
        self.recalls += 1
        self.peer.control(ops.Return(self.alias, self.came))
        self.carry_back(back[::-1])

    def carry_back(self, items: list[Any]) -> None:
        """Return items themselves, where the home has only their shells: the ends in them came along (NET-20)."""
        if self.core.codec is not None and items and self.peer is not None:
            self.peer.items(self.alias, self.schema, items)

    # -- what the home says

    def expects(self, count: int) -> None:
        """The home may always ship: what nobody waits for goes back."""

    def on_items(self, items: list[Any], bad: int, size: int) -> None:
        core = self.core
        if self.recalls:
            self.carry_back(items)
            return
        many = len(items) + bad
        self.asked = max(self.asked - many, 0)
        self._settled()
        self.numbers.extend(range(self.came, self.came + len(items)))
        self.came += many
        if core.failure is not None or self.closed:
            core.undelivered(items)
            return
        core.enqueue(items)
        self.touch()

    def on_op(self, op: Any) -> None:
        match op:
            case ops.Opened():
                self.opened = True
                self._introduce()
                if self.closed:
                    self._say_closed()
                else:
                    self.touch()
            case ops.Recalled():
                if not self.recalls:
                    raise ProtocolError("a return was confirmed that was not made", code="op")
                self.recalls -= 1
                if self.closed and not self.recalls:
                    self._leave()
            case ops.Ended():
                self._on_ended(op)
            case ops.Moved():
                self._on_moved(op)
            case ops.Refused():
                self._end_now(ChannelBroken, RemoteError("UnknownChannel", op.reason))
            case _:
                raise ProtocolError(f"{type(op).__name__} is nothing that a home says to receivers", code="op")

    def _on_moved(self, op: ops.Moved) -> None:
        """The channel has another home now (NET-1)."""
        self._forget()
        self.asked = self.recalls = 0
        try:
            self.open(self.table.peer(op.home), op.nonce)
        except Unreachable as error:
            self._end_now(ChannelBroken, error)

    def _on_ended(self, op: ops.Ended) -> None:
        core = self.core
        cause = None if op.cause is None else RemoteError(*split(op.cause))
        failure = FAILURES.get(op.kind, ChannelBroken)
        if core.failure is None:
            core.cause = cause
            core.end(failure)
            if op.discard:
                core.discard_buffer()
            else:
                core.wake_drained()

    def _end_now(self, failure: Any, cause: BaseException) -> None:
        core = self.core
        self._forget()
        if core.failure is None:
            core.cause = cause
            core.end(failure)
            wake_all(core.receivers, ENDED)

    def on_lost(self, error: BaseException) -> None:
        """The node of the home is gone; what came from there can still be received (CH-21)."""
        core = self.core
        self._forget()
        if core.failure is None:
            core.cause = error
            core.end(LinkLost)
            core.wake_drained()

    # -- endings here

    def close(self, failure: BaseException | None) -> None:
        """The last handle here was closed, or lost: what lies here goes back."""
        if self.closed:
            return
        self.closed = True
        self.failure = failure
        if self.opened:
            self._say_closed()

    def _say_closed(self) -> None:
        if self.peer is not None and self.core.failure is not LinkLost:
            self._give_all_back()
            if self.core.codec is None or not self.recalls:
                self._leave()
            # else items that hold ends may be on their way, and come back before this end is gone (NET-20)

    def _leave(self) -> None:
        assert self.peer is not None
        failure = self.failure
        self.peer.in_lane(ops.Close(self.alias, None if failure is None else describe(failure)))
        self._forget()

    def _give_all_back(self) -> None:
        core = self.core
        self._want(0)
        if core.failure is None and (core.buffer or self.asked):
            core.held = 0
            self._return(len(core.buffer))

    def _forget(self) -> None:
        if self.peer is not None:
            self.peer.ends.pop(self.alias, None)


class InletBounded(Bounded):
    """What a channel is at a receiving end that is away."""

    __slots__ = ()

    remote: Inlet

    def receiver_parked(self, waiter: Any) -> None:
        super().receiver_parked(waiter)
        self.remote.touch()

    def leave_receive(self, waiter: Any) -> None:
        super().leave_receive(waiter)
        self.remote.touch()

    def prefetch(self, items: int) -> None:
        self.remote.prefetch = items
        self.remote.touch()

    def want(self, most: int) -> None:
        self.remote.batch = most

    def finish_receive(self, waiter: Any) -> Any:
        item = super().finish_receive(waiter)
        self.remote.touch()
        return item

    def try_receive(self) -> Any:
        item = super().try_receive()
        if item is not NOTHING:
            self.remote.touch()
        return item

    def drop_receiver(self, failure: BaseException | None) -> None:
        self.receiver_count -= 1
        if not self.receiver_count:
            self.remote.close(failure)

    def abort(self, exc: BaseException, after_drain: bool) -> None:
        inlet = self.remote
        if self.failure is None and inlet.peer is not None:
            inlet.peer.control(ops.Abort(inlet.alias, describe(exc), after_drain))
        if not after_drain:
            super().abort(exc, False)
        elif self.failure is None:
            self.remote.touch()

    def is_served_outside(self) -> bool:
        return True
