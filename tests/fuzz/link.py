"""Bytes of a linked peer into a node: frames, session, ops, items and messages to actors, each way to its end.

`python -m tests.fuzz.link --runs 100000` prints how many runs there were and what was found; it fails if something was.
With atheris installed, `--atheris` lets it choose the inputs, by what they reach in the protocol.

A run is a link of its own, with an end of each kind that there is on it. An input is a list of frames, each of one byte
for the kind, one for the flags, one for the lane, two for the size, and a payload; or, behind a 0, raw bytes. Whatever
comes, the link goes on or ends with a reason, nothing of it is left, and no failure but ProtocolError is ever raised.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import random
import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

import actorpar as ap
from actorpar.channels import env
from actorpar.nodes.door import member_of
from actorpar.nodes.events import NodeUp
from actorpar.nodes.link import Link
from actorpar.nodes.node import Node
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.protocol import handshake
from actorpar.nodes.protocol.frame import FrameReader
from actorpar.nodes.protocol.inbound import Assembly, Inbound
from actorpar.nodes.protocol.outbound import Outbound
from actorpar.nodes.remote import moving, ops
from actorpar.nodes.remote.inlet import Inlet
from actorpar.nodes.remote.meeting_stubs import MeetingStub
from actorpar.nodes.remote.outlet import Outlet
from actorpar.nodes.remote.receiver_stub import ReceiverStub
from actorpar.nodes.remote.sender_stub import SenderStub
from actorpar.nodes.remote.table import ChannelTable
from actorpar.nodes.shm import Descriptor
from actorpar.remote import messages as m
from tests.fuzz import driving
from tests.fuzz.desk import Desk, double

PEER: Final = b"p" * 16
LIMIT: Final = 1 << 16
KINDS: Final = (
    *(frames.CONTROL, frames.OP, frames.ITEMS, frames.CALL, frames.ACK, frames.HEARTBEAT, frames.BYE, 0, 99),
    *(frames.LENT_ITEMS, frames.LENT_CALL),
)
#: The ends that this node has at its peer, and the type of their items.
ENDS: Final[tuple[tuple[int, float, Any], ...]] = (
    (11, 4, list[int]), (13, 0, int), (15, 4, ap.Sender[int]), (17, float("inf"), bytes),
)  # fmt: skip
_pack = msgspec.msgpack.encode


class Wire:
    """A connection that takes everything."""

    tls = None
    sent = received = 0
    is_closed = False
    sent = received = 0

    def write(self, buffers: list[Any]) -> bool:
        return True

    def beat(self, frame: bytes) -> None:
        pass

    def hand_over(self, sink: object) -> None:
        pass

    def abandon(self) -> None:
        self.is_closed = True

    close = abandon


class Target:
    """What is run with each input, on a loop of its own."""

    name = "link"

    def __init__(self) -> None:
        self.runs = 0
        self.refused = 0
        self.findings: list[str] = []
        self.loop = asyncio.new_event_loop()
        self._raised: list[BaseException] = []
        self.loop.set_exception_handler(self._failed)
        env.new_id = lambda: f"{next(self._ids):032x}"
        self._ids = itertools.count(1 << 100)
        self.loop.run_until_complete(self._begin())

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback has raised, or a task that nobody awaits."""
        self._raised.append(context.get("exception") or AssertionError(context["message"]))

    async def _begin(self) -> None:
        self.node = Node("fuzzed", message_limit=LIMIT)
        self.node.id = b"n" * 16
        self.system = await ap.ActorSystem("fuzzed", node=self.node, serves=("tests.fuzz.desk",)).__aenter__()
        self.desk = await self.system.spawn(Desk)
        self.actor = self.system.hub.id_of(self.desk)  # type: ignore[arg-type]

    async def _end(self) -> None:
        await self.system.__aexit__(None, None, None)
        await self.node.close()

    def close(self) -> None:
        """End the node."""
        self.loop.run_until_complete(self._end())
        self.loop.close()

    def run(self, data: bytes) -> None:
        """One input. What it breaks is noted."""
        driving.watched(self, self._run, data)

    def _run(self, data: bytes) -> None:
        self._ids = itertools.count(1)
        self._turn(self._open)
        try:
            for piece in frames_of(data):
                self._turn(functools.partial(self._feed, piece))
            self._turn()
            if self.link.inbound._held > LIMIT:
                raise AssertionError(f"{self.link.inbound._held} bytes are held")
            if self.node.counters.pop("failed deliveries", 0):
                raise AssertionError("a delivery failed")
            self.refused += self.node.counters.pop("protocol errors", 0)
        finally:
            self._turn(self._leave)
            self._turn()
            for key, stub in list(self.node.table._expected.items()):
                self.node.table._expect_no_more(key, stub)  # as it would be in ten seconds
            self._is_clean()

    def _turn(self, what: Callable[[], None] = lambda: None) -> None:
        """Do something in a callback of the loop, and let it run what is ready."""
        self.loop.call_soon(what)
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        if self._raised:
            raised, self._raised = self._raised, []
            raise raised[0]

    def _open(self) -> None:
        """A link of its own, with an end of each kind."""
        node = self.node
        link = self.link = node.new_link(PEER, "peer", bytes(16), resumable=True)
        reader = FrameReader()
        reader.begin(link.inbound)
        hello = handshake.decode(handshake.encode(node.hello(bytes(16), fresh=True)))
        hello = msgspec.structs.replace(hello, node=PEER, name="peer")
        link.attach(Wire(), reader, hello)  # type: ignore[arg-type]
        node._publish(NodeUp(member_of(hello)))
        self.ends = self._ends(link)

    def _leave(self) -> None:
        """The run is over."""
        self.link.down("the run is over")
        for end in self.ends:
            end.close()

    def _feed(self, data: bytes) -> None:
        link, rest = self.link, memoryview(data)
        while rest and not link.is_down:
            view = link.buffer()
            count = min(len(view), len(rest))
            view[:count] = rest[:count]
            rest = rest[count:]
            link.advance(count)

    def _ends(self, link: Link) -> list[Any]:
        """Ends of all kinds, half of them at home here."""
        node, ends = self.node, []
        for alias, capacity, declared in ENDS:
            tx, rx = ap.open_channel[declared](capacity)  # type: ignore[valid-type]
            told = msgspec.msgpack.decode(moving.export(node.table, tx, link))
            node.table.on_op(link, ops.Open(alias, told[1], told[2]))
            kept = rx.clone()
            told = msgspec.msgpack.decode(moving.export(node.table, rx, link))
            node.table.on_op(link, ops.Open(alias + 20, told[1], told[2]))
            ends.append(kept)
        for role, capacity in itertools.product((moving.SENDER, moving.RECEIVER), (4, 0)):
            told = [role, bytes(16), bytes(16), PEER, 4, capacity, "wait", "away", "int", 0, False]
            end: Any = moving.accept(node.table, _pack(told), int, link)
            end.core.remote.on_op(ops.Opened(end.core.remote.alias))
            ends.append(end)
        return ends

    def _is_clean(self) -> None:
        node, table = self.node, self.node.table
        early = [peer for peer, _ in table._early.values() if peer is self.link]
        left = [*node.links, *self.link.ends.items(), *table._expected.items(), *early, *self.system.groups.names()]
        for each in (node.members, node._down, table._early, table._expected, node.links):
            each.clear()
        node._loopback = None  # an end that was told to open here waits there
        if left:
            raise AssertionError(f"something of the link is left: {left}")


def frames_of(data: bytes) -> list[bytes]:
    """What an input stands for, as it is read piece by piece."""
    if not data:
        return []
    if data[0] == 0:
        return [data[1:]]
    out: list[bytes] = []
    at = seq = 1
    while at + 5 <= len(data) and len(out) < 50:
        kind, flags, lane, size = data[at], data[at + 1] & 7, data[at + 2], int.from_bytes(data[at + 3 : at + 5], "big")
        at += 5
        payload = data[at : at + size]
        at += size
        kind = KINDS[kind % len(KINDS)]
        numbered = kind in frames.SESSION_KINDS
        out.append(frames.frame(kind, payload, lane=m.LANE if lane == 0 else lane, flags=flags, seq=seq * numbered))
        seq += numbered
    return out


def record(kind: int, payload: bytes, lane: int = 0, flags: int = 0) -> bytes:
    """A frame in an input."""
    return bytes([KINDS.index(kind), flags, lane]) + len(payload).to_bytes(2, "big") + payload


def seeds(target: Target) -> list[bytes]:
    """Valid inputs: each op on each end, items for each, each message to an actor."""
    found: list[bytes] = []
    aliases = [alias + more for alias, *_ in ENDS for more in (0, 20)] + [4, 6, 8, 10, 12, 14, 3, 5, 7, 9]
    several = ops.Members(0, [target.node.member])
    said: list[Any] = [
        *(ops.Close(0), ops.Abort(0, "E: e", False), ops.Hungry(0), ops.GiveBack(0, 1), ops.Flushed(0)),
        *(ops.Introduce(0, b"i" * 16, PEER, 1, False), ops.Want(0, 2, 0), ops.Unwant(0, 1), ops.Return(0, 0)),
        *(ops.Opened(0), ops.Refused(0, "r"), ops.Credit(0, 1, 0, 0), ops.Reclaim(0), ops.Ended(0, "end")),
        *(ops.Moved(0, b"n" * 16, b"o" * 16), ops.Recalled(0), ops.Offer(0, 1, True, 0), ops.Withdraw(0, 1)),
        *(ops.Confirm(0), ops.Confirmed(0)),
        *(ops.Taken(0, 1), ops.Permitted(0, 1), ops.Redeem(0, 1), ops.Forfeit(0, 1), ops.Seek(0, 1, 1)),
        *(ops.Unseek(0, 1), ops.Claim(0, 1), ops.Granted(0, 1), ops.Missed(0, 1), ops.Release(0, 1), ops.Take(0, 1)),
    ]
    for op in said:
        for alias in aliases:
            op.alias = alias
            kind = random.Random(alias).choice((frames.CONTROL, frames.OP))
            found.append(b"\1" + record(kind, ops.encode(op), alias) + record(frames.ITEMS, b"\x91\x01", alias))
    for other in (several, ops.Gone(0, b"g" * 16, 5, "why"), ops.Open(50, b"c" * 16, b"n" * 16)):
        found.append(b"\1" + record(frames.CONTROL, ops.encode(other)))
    for items in ([[1, 2]], [1], [], [b"x" * 300], [["bad"]]):
        found += [b"\1" + record(frames.ITEMS, _pack(items), alias) for alias in aliases]
    told = _pack([moving.SENDER, b"c" * 16, b"d" * 16, PEER, 1, 4, "wait", "x", "int", 0, False])
    found.append(b"\1" + record(frames.ITEMS, _pack([msgspec.msgpack.Ext(3, b"e" + told)]), 15))
    body = _pack([[1]])
    member = m.Membership("desks", b"d" * 16, f"{Desk.__module__}:Desk", "desk", 2)
    for envelope in (
        *(m.WhoIsIn(), m.Everyone((member,)), m.Joins((member, member)), m.Leaves("desks", member.actor, 1)),
        *(m.Spawn(1, f"{double.__module__}:double", None, False, 1, ()), m.Tell(target.actor, "note", 1, ())),
        *(m.Ask(2, target.actor, "add", 5.0, 1, ()), m.Watch(target.actor), m.Room(target.actor, 3), m.Cancel(1)),
        *(m.Failed(1, "start", "E", "m"), m.Returned(1), m.Down(b"x" * 16, m.Why("error", "", ("E", "e")))),
        *(m.Started(1, m.describe(PEER, b"x" * 16, "m:C", "c")), m.Ended(1, m.Why("normal")), m.Kept(1)),
        *(m.Cancel(1, True), m.Unwatch(target.actor), m.Bind(target.actor, m.describe(PEER, b"x" * 16, "m:C", "c"))),
        m.Unbind(target.actor, m.describe(PEER, b"x" * 16, "m:C", "c")),
    ):
        found.append(b"\1" + record(frames.CALL, m.pack(envelope, body)))
    place = Descriptor(f"actorpar-{os.getuid()}-1-{'0' * 32}", 0, 32)
    for about in (ops.Look(0, place), ops.Seen(0, b"s" * 32), ops.Mapped(0, place.name), ops.Returned(0, [place])):
        found.append(b"\1" + record(frames.CONTROL, ops.encode(about)))
    for kind in (frames.LENT_ITEMS, frames.LENT_CALL):
        notes = _pack([[0, place]])
        found.append(b"\1" + record(kind, frames.table([3, len(notes)]) + b"\x91\x91\x01" + notes, 11, frames.TABLE))
    large = frames.table([3, 4])
    found.append(b"\1" + record(frames.ITEMS, large + b"\x91\x91\x01" + b"beef", 11, frames.TABLE))
    found.append(
        b"\1"
        + record(frames.ITEMS, large, 11, frames.BEGIN)
        + record(frames.ITEMS, b"\x91\x91\x01", 11, frames.FRAGMENT)
        + record(frames.ITEMS, b"beef", 11, frames.FRAGMENT)
    )
    for kind, payload in ((frames.ACK, 8), (frames.HEARTBEAT, 4), (frames.BYE, 3)):
        found.append(b"\1" + record(kind, bytes(payload)))
    return found + [b"\0" + b"".join(frames_of(each)) for each in found[::7]]


#: What atheris watches.
CLASSES: Final = (
    FrameReader, Inbound, Assembly, Outbound, Link, ChannelTable, SenderStub, ReceiverStub, MeetingStub, Outlet, Inlet,
)  # fmt: skip


def fuzz(runs: int, seed: int = 0) -> Target:
    """So many runs, the same for the same seed."""
    target = Target()
    driving.fuzz(target, seeds(target), runs, seed)
    target.close()
    return target


if __name__ == "__main__":
    sys.exit(driving.main(__doc__, Target, seeds, CLASSES))
