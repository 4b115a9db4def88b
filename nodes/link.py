"""A link: the session with one other node, over one connection after another (NET-30 … NET-36).

To the ends of channels it is a peer: it takes ops and items, and writes once at the end of each turn what the turn has
gathered. Reading delivers at once: the callback that has read the bytes puts the items into their channels and runs the
processes that this wakes.

Invariants
- What was accepted for a session is written in order and, while the session lives, arrives (NET-34). The session
  survives its connections for `down_after` seconds, unless it runs over a pipe, which ends with its process.
- `down` is called once. Then every end on this link learns it, and nothing is written or delivered any more (NET-43).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from actorpar.channels import env

from .delivery import deliver
from .errors import CodecError, ItemTooLarge, NodeDown, ProtocolError
from .foreign import one_line
from .lending import Lending
from .port import LinkPort
from .protocol import frame as frames
from .protocol.frame import CALL, ITEMS
from .protocol.inbound import Inbound
from .protocol.liveness import Alive, Down, Liveness, News, SendHeartbeat, Stalled, Stuck, Suspect
from .protocol.outbound import Outbound
from .remote import ops

if TYPE_CHECKING:
    from .codec.schema import Schema
    from .connection import Connection
    from .node import Node
    from .protocol.frame import FrameReader, Message
    from .protocol.handshake import Hello
    from .remote.peer import Away

logger = logging.getLogger("actorpar.nodes")

#: Bytes of one gather write.
WRITE: Final = 512 * 1024
#: Bytes that may wait for a peer whose questions are still answered.
BEHIND: Final = 64 << 20
#: Frames, and bytes, after which an acknowledgement is due at once.
ACK_FRAMES: Final = 64
ACK_BYTES: Final = 1 << 20


class Link:
    """What this node has to do with one other node."""

    def __init__(self, node: Node, peer: bytes, name: str, session: bytes, *, resumable: bool) -> None:
        self._node = node
        self.node = peer
        self.name = name
        self.session = session
        self.resumable = resumable
        self.secluded = False
        self.is_patient = False  # its end is seen, and silence says nothing
        self.them: Hello | None = None  # once the handshake is over
        self.ends: dict[int, Away] = {}
        self.port = LinkPort(node, self)
        self.inbound = Inbound(message_limit=node.message_limit)
        self.outbound = Outbound(resumable=resumable)
        self.lending = Lending(self.control, node.counters, node.message_limit)
        self.liveness = Liveness(env.clock(), down_after=node.down_after)
        self.stream: Connection | None = None
        self.is_down = False
        self.connections = 0
        self._before = (0, 0)  # bytes of connections that are over
        self._reader: FrameReader | None = None
        self._blocked = False
        self._wants_flush = False
        self._next_alias = 2 if node.id < peer else 1
        self._acked = 1
        self._unacked_bytes = 0

    # -- a peer, to the ends

    def new_alias(self) -> int:
        self._next_alias += 2
        return self._next_alias

    def control(self, op: ops.Op) -> None:
        self.outbound.control(ops.encode(op))
        self.touch()

    def in_lane(self, op: ops.Op) -> None:
        self.outbound.message(frames.OP, op.alias, ops.encode(op))
        self.touch()

    def items(self, alias: int, schema: Schema, items: list[Any]) -> int:
        body, buffers = schema.encode(items, self.port)
        size = len(body)
        if buffers:
            size += sum(map(len, buffers))
        self._check_size(size)
        kind = ITEMS
        if buffers:
            kind, buffers = self.lending.lend(kind, buffers)
        self.outbound.message(kind, alias, body, buffers)
        self.touch()
        return size

    def call(self, lane: int, body: bytes, buffers: list[Any]) -> None:
        """Send a message to actors, in the lane of its target."""
        self._check_size(len(body) + sum(map(len, buffers)))
        kind = CALL
        if buffers:
            kind, buffers = self.lending.lend(kind, buffers)
        self.outbound.message(kind, lane, body, buffers)
        self.touch()

    def _check_size(self, size: int) -> None:
        if self.them is not None and size > self.them.message_limit:
            raise CodecError(f"{size} bytes, and {self.name} takes {self.them.message_limit}") from ItemTooLarge()

    # -- writing

    def touch(self) -> None:
        """Write at the end of this turn."""
        if not self._wants_flush:
            self._wants_flush = True
            self._node.queue.after_turn(self._flush)

    def _flush(self) -> None:
        self._wants_flush = False
        self._pump()
        if self.outbound.overrun and not self.is_down:
            why = f"it does not read: {self.outbound.overrun} bytes of control wait for it"
            self._node.complaints.note("peers that do not read", "the link to %s ends: %s", self.name, why)
            self.down(why)

    @property
    def is_behind(self) -> bool:
        """True while more waits for the peer than it should be answered with (A14)."""
        return self.outbound.queued > BEHIND

    def push(self) -> None:
        """Write what was said so far."""
        self._pump()

    def _pump(self) -> None:
        stream, outbound = self.stream, self.outbound
        if stream is None or self._blocked:
            return
        out = outbound.take(WRITE)
        if not out:
            return
        while out:
            if not stream.write(out):
                self._blocked = True
                break
            out = outbound.take(WRITE) if outbound.more else []
        self.liveness.wrote(env.clock())

    def writable(self) -> None:
        """The stream has room again."""
        self._blocked = False
        self._pump()

    @property
    def unsaid(self) -> bool:
        """True while something that was said, or sent through an end here, is not written, and may be yet."""
        if self.is_down:
            return False
        waits = not self.connections or self._blocked or self.outbound.pending
        return waits or any(end.unsaid for end in self.ends.values())

    # -- connections

    def attach(self, stream: Connection, reader: FrameReader, them: Hello) -> None:
        """The handshake on a connection is over: go on there with what the other side lacks (NET-33)."""
        if (before := self._let_go()) is not None:
            before.abandon()
        self.stream = stream
        self.outbound.message_limit = them.message_limit
        self.outbound.resume(them.next_seq)
        self.them = them
        self.lending.is_near = them.host == self._node.host
        self.name = them.name
        self.connections += 1
        self._reader = reader
        self._blocked = False
        self._note(self.liveness.heard(env.clock()))
        stream.hand_over(self)
        self.touch()

    def closed(self, error: BaseException | None) -> None:
        """The connection is over; the session is not, if it can be resumed."""
        self._let_go()
        if self.is_down:
            return
        if not self.resumable:
            self.down("its process has ended" if error is None or isinstance(error, OSError) else str(error))
        else:
            self._node.reconnect(self)

    def _let_go(self) -> Connection | None:
        stream, self.stream, self._reader = self.stream, None, None
        if stream is not None:
            self._before = self._before[0] + stream.sent, self._before[1] + stream.received
        return stream

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes that were written and read, over all connections."""
        now = (0, 0) if self.stream is None else (self.stream.sent, self.stream.received)
        return self._before[0] + now[0], self._before[1] + now[1]

    @property
    def medium(self) -> str:
        """What its connection runs over: pipe, unix, tcp, tls or mpi; empty while there is none."""
        if self.stream is None:
            return ""
        medium = self.stream.medium
        return "pipe" if medium == "unix" and not self.resumable else medium

    @property
    def stall(self) -> float:
        """Seconds for which the loop over there had not run when that was told last; 0.0 once it has run since."""
        return self.liveness.stall(self.inbound.next_seq)

    def _broken(self, error: ProtocolError) -> None:
        """The peer broke the protocol: it is told why the link ends."""
        self._node.complaints.note("protocol errors", "the link to %s ends: %s", self.name, error)
        self.close(f"the protocol was broken: {error}")

    def close(self, reason: str) -> None:
        """Say goodbye, and be done with it."""
        if self.stream is not None and not self.is_down:
            self.outbound.connection(frames.BYE, reason.encode(errors="replace")[:500])
            self._blocked = False
            self._pump()
        self.down(reason)

    def down(self, reason: str) -> None:
        """The session has ended for good."""
        if self.is_down:
            return
        self.is_down = True
        if (stream := self._let_go()) is not None:
            stream.abandon()
        error = NodeDown(f"{self.name} is down: {reason}", node=self.name)
        self._node.link_down(self, error)
        self.lending.close()

    # -- reading

    @property
    def buffer(self) -> Callable[[], memoryview]:
        assert self._reader is not None
        return self._reader.buffer

    def advance(self, count: int) -> None:
        if self._reader is None:
            return
        try:
            messages = self._reader.advance(count)
            news = self.liveness.heard(env.clock())
            if news:
                self._note(news)
            if messages:
                self._node.queue.run_with(self._deliver, messages)
        except ProtocolError as error:
            self._broken(error)
        if self.resumable and not self.is_down:
            self._unacked_bytes += count
            if self.inbound.next_seq - self._acked >= ACK_FRAMES or self._unacked_bytes >= ACK_BYTES:
                self._ack()

    def _ack(self) -> None:
        if self._blocked:
            return  # the next one says it, too
        self._acked = self.inbound.next_seq
        self._unacked_bytes = 0
        self.outbound.connection(frames.ACK, self._acked.to_bytes(8, "little"))
        self.touch()

    def _deliver(self, messages: list[Message]) -> None:
        """ProtocolError. Any other failure is a fault of this node, and ends the link: half is not what was said."""
        try:
            for message in messages:
                if self.is_down:
                    return
                self._deliver_one(*message)
        except ProtocolError:
            raise
        except Exception as error:
            self._node.counters["failed deliveries"] += 1
            logger.exception("what %s sent could not be delivered, so the link ends", self.name)
            self.close(f"what came could not be delivered: {type(error).__name__}: {error}")

    def _deliver_one(self, kind: int, lane: int, body: Any, buffers: list[Any]) -> None:
        if kind == ITEMS:
            end = self.ends.get(lane)
            if end is None:
                self._node.table.stray += 1
            else:
                deliver(self._node, self.port, end, body, buffers)
        elif kind in (frames.CONTROL, frames.OP):
            op = ops.decode(body)
            if isinstance(op, ops.Members | ops.Gone):
                self._node.told(self, op)
            elif isinstance(op, ops.OfMemory):
                self.lending.on_op(op)
            else:
                self._node.table.on_op(self, op)
        elif kind == CALL:
            self._node.called(self, lane, body, buffers)
        elif kind == frames.LENT_ITEMS:
            self._deliver_one(ITEMS, lane, body, self.lending.borrow(buffers))
        elif kind == frames.LENT_CALL:
            self._deliver_one(CALL, lane, body, self.lending.borrow(buffers))
        elif kind == frames.ACK:
            self.outbound.acked(frames.number_in(body, 8))
            self.touch()
        elif kind == frames.HEARTBEAT:
            self._note(self.liveness.age_told(frames.number_in(body, 4) / 1000, self.inbound.next_seq))
        elif kind == frames.BYE:
            self.down(one_line(bytes(body).decode(errors="replace")) or "it has left")
        else:
            raise ProtocolError(f"a frame of kind {kind} after the handshake", code="kind")

    # -- time

    def tick(self) -> None:
        """Every half second: heartbeats, acknowledgements, suspicion."""
        if self.is_down or not (self.connections or self.resumable):
            return  # of a process that has not spoken yet the end is seen, and nothing else
        unfinished = 0 if self._reader is None else self._reader.unfinished
        self._note(self.liveness.tick(env.clock(), unfinished))
        self.lending.tidy()
        if self.resumable and self.stream is not None and self.inbound.next_seq != self._acked:
            self._ack()

    def _note(self, news: list[News]) -> None:
        if self.is_patient:
            return
        for each in news:
            match each:
                case SendHeartbeat():
                    if self._blocked:
                        continue  # it has not read what was written before
                    self.outbound.connection(frames.HEARTBEAT, (0).to_bytes(4, "little"))
                    self.touch()
                case Down(silence):
                    self.down(f"it was silent for {silence:.1f} s")
                case Stuck():
                    if self.stream is not None:
                        self.stream.close()  # another connection resumes the session
                case Suspect() | Alive() | Stalled():
                    self._node.publish(self, each)
