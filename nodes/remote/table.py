"""The channels of one node whose ends are on several nodes: who is at home here, who is expected, who has moved away.

Invariants
- An end presents itself (Open) with the channel's id and a nonce, both unguessable; whoever announced it before is
  found under the two (NET-24). An Open may come before the announcement: it waits, for a while and in bounded number.
- What is touched in a turn is flushed once at its end.
"""

from __future__ import annotations

import collections
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from actorpar.channels import env
from actorpar.channels.runqueue import RunQueue

from ..complaints import Complaints
from ..errors import ProtocolError, Unreachable
from . import ops

if TYPE_CHECKING:
    from .home import Home
    from .peer import Peer
    from .receiver_stub import ReceiverStub
    from .sender_stub import SenderStub

#: Ends of one peer that may wait for their announcement at a time; and for how many seconds they do, and those that
#: were announced wait for a node that is not known here.
EARLY: Final = 1024
EARLY_SECONDS: Final = 10.0
#: Channels that moved away of which the new home is remembered.
REMEMBERED: Final = 4096


def check_alias(peer: Peer, alias: int) -> None:
    """ProtocolError for an alias that another end has, or that is none: an end would be taken over."""
    if alias in peer.ends or not 0 <= alias <= ops.LARGEST_ALIAS:
        raise ProtocolError(f"alias {alias} is in use, or none", code="alias")


class ChannelTable:
    """What a node knows of channels that cross its borders."""

    def __init__(self, node: bytes, queue: RunQueue, peer_of: Callable[[bytes], Peer]) -> None:
        self.node = node
        self.queue = queue
        self.peer = peer_of
        #: While somebody has to do with them: an end here, or a stub on a link.
        self.homes: weakref.WeakValueDictionary[bytes, Home] = weakref.WeakValueDictionary()
        self.complaints = Complaints()
        #: Ops for ends that are gone, and Opens that nobody announced.
        self.stray = 0
        self.refused = 0
        self._expected: dict[tuple[bytes, bytes], SenderStub | ReceiverStub] = {}
        self._early: dict[tuple[bytes, bytes], tuple[Peer, int]] = {}
        self._early_of: collections.Counter[Peer] = collections.Counter()
        self._moved: collections.OrderedDict[bytes, bytes] = collections.OrderedDict()
        self._touched: dict[Any, None] = {}
        #: Homes with items that were not received when somebody looked.
        self.unreceived: dict[Home, None] = {}

    # -- turns

    def touch(self, what: Any) -> None:
        """Call `what.flush()` once, at the end of this turn."""
        if not self._touched:
            self.queue.after_turn(self._flush)
        self._touched[what] = None

    def _flush(self) -> None:
        while self._touched:
            touched, self._touched = self._touched, {}
            for what in touched:
                what.flush()

    def tick(self) -> None:
        """Every half second: tell what was received since, so that who sends does not keep it for unknown (NET-35)."""
        for home in [home for home in self.unreceived if not home.tell_received()]:
            del self.unreceived[home]

    # -- ends that come

    def expect(self, channel: bytes, nonce: bytes, stub: SenderStub | ReceiverStub) -> None:
        """An end was announced; it may have presented itself already."""
        early = self._pop_early((channel, nonce))
        if early is not None and early[0].node == stub.node:
            stub.open(*early)
            return
        self._expected[channel, nonce] = stub
        if early is not None:
            self._refuse(*early, "this end was announced for another node")
        try:
            self.peer(stub.node)
        except Unreachable:  # its node may be about to come; if not, nobody would ever say that the end is lost
            self.queue.loop.call_later(EARLY_SECONDS, self._expect_no_more, (channel, nonce), stub)

    def _expect_no_more(self, key: tuple[bytes, bytes], stub: SenderStub | ReceiverStub) -> None:
        """Unless it has presented itself: the end is lost if where it goes is, or where it comes from."""
        if self._expected.get(key) is stub:
            try:
                self.peer(stub.node)
                self.peer(stub.introduced_by or self.node)
            except Unreachable as error:
                stub.on_lost(error)

    def is_expected(self, channel: bytes, nonce: bytes) -> bool:
        """True if an end was announced under this nonce, and has not presented itself."""
        return (channel, nonce) in self._expected

    def _pop_early(self, key: tuple[bytes, bytes]) -> tuple[Peer, int] | None:
        """The end that presented itself under this key before it was announced."""
        early = self._early.pop(key, None)
        if early is not None:
            self._early_of[early[0]] -= 1
        return early

    def expected(self, channel: bytes, nonce: bytes) -> SenderStub | ReceiverStub:
        """What waits for the end that was announced under this nonce."""
        return self._expected[channel, nonce]

    def forget(self, channel: bytes, nonce: bytes) -> None:
        """The end will not come any more, or is gone."""
        self._expected.pop((channel, nonce), None)

    def home_moved(self, channel: bytes, node: bytes) -> None:
        """The channel is at home elsewhere now."""
        self.homes.pop(channel, None)
        self._moved[channel] = node
        if len(self._moved) > REMEMBERED:
            self._moved.popitem(last=False)
        for key in [key for key in self._early if key[0] == channel]:
            early = self._pop_early(key)
            if early is not None:
                early[0].control(ops.Moved(early[1], node, key[1]))

    def add_home(self, home: Home) -> None:
        """The channel is at home here now."""
        self._moved.pop(home.channel, None)
        self.homes[home.channel] = home

    def _open(self, peer: Peer, op: ops.Open) -> None:
        check_alias(peer, op.alias)
        key = (op.channel, op.nonce)
        stub = self._expected.pop(key, None)
        if stub is not None:
            if stub.node != peer.node:
                self._expected[key] = stub
                self._refuse(peer, op.alias, "this end was announced for another node")
                return
            stub.open(peer, op.alias)
        elif op.channel in self._moved:
            peer.control(ops.Moved(op.alias, self._moved[op.channel], op.nonce))
        elif self._early_of[peer] >= EARLY or key in self._early:
            self._refuse(peer, op.alias, "too many ends that nobody announced")
        else:
            self._early[key] = (peer, op.alias)
            self._early_of[peer] += 1
            self.queue.loop.call_later(EARLY_SECONDS, self._give_up, key, peer, op)

    def _give_up(self, key: tuple[bytes, bytes], peer: Peer, op: ops.Open) -> None:
        if self._pop_early(key) is not None:
            self._refuse(peer, op.alias, "no such channel is at home here")

    def _refuse(self, peer: Peer, alias: int, why: str) -> None:
        self.refused += 1
        peer.control(ops.Refused(alias, why))

    # -- what peers say

    def on_op(self, peer: Peer, op: Any) -> None:
        """An op came, as control or in its lane."""
        if type(op) is ops.Open:
            self._open(peer, op)
            return
        end = peer.ends.get(op.alias)
        if end is None:
            self.stray += 1  # it crossed the end of the end
        else:
            end.on_op(op)

    def on_lost(self, peer: Peer, error: BaseException) -> None:
        """A node is gone for good: so are its ends, those on their way to it included."""
        for key in [key for key, (known, _) in self._early.items() if known is peer]:
            del self._early[key]
        self._early_of.pop(peer, None)
        for key, stub in list(self._expected.items()):
            if stub.node == peer.node:
                stub.on_lost(error)
            elif stub.introduced_by == peer.node:  # it may have been sent on before that, and be about to come
                self.queue.loop.call_later(EARLY_SECONDS, self._expect_no_more, key, stub)
        for end in list(peer.ends.values()):
            end.on_lost(error)
        peer.ends.clear()

    def report_undelivered(self, home: Home, items: list[Any]) -> None:
        """Items of a channel whose `on_undelivered` is on another node."""
        text = "%s: %d items are undelivered"
        self.complaints.note("items that nobody received", text, home.core.name, len(items), count=len(items))

    def report_unsent(self, channel: str, error: BaseException) -> None:
        """An item was accepted and cannot be encoded, or is larger than the peer takes (NET-8, NET-40)."""
        self.complaints.note("items that cannot go", "%s: an item was not sent and is undelivered: %s", channel, error)

    def new_id(self) -> bytes:
        """128 bits that nobody can guess."""
        return bytes.fromhex(env.new_id())
