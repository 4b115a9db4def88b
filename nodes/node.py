"""A node: one operating-system process with its channels, its links, and what it knows of other nodes.

Invariants
- There is at most one link for each other node; it is made by whoever needs it first (NET-30).
- An incarnation that is down stays down: `_down` remembers the newest one of each node (NET-43).
- Everybody is told of a death once, with its reason; who has seen a proof tells the others (NET-42).
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from actorpar.channels import env
from actorpar.channels.runqueue import run_queue

from . import address as addresses
from . import shm, slabs
from .codec import audit
from .dialer import Dialer
from .door import Door, listen_at_one_place, member_of
from .early import EarlyCalls
from .errors import NodeDown, ProtocolError, Unreachable
from .events import NodeEvent, NodeFenced, NodeLost, NodeSilent, NodeStalled, NodeUp
from .expected import Expected
from .foreign import one_line
from .greeting import DEADLINE, Greeting
from .heartbeat import TICK, Heartbeat
from .lending import settled
from .link import Link
from .listener import Listener, listen
from .loopback import Loopback
from .protocol import handshake
from .protocol.handshake import Hello
from .protocol.inbound import MESSAGE_LIMIT
from .protocol.liveness import DOWN_AFTER, Alive, Stalled, Suspect
from .remote import ops
from .remote.ops import Member
from .remote.table import ChannelTable
from .security.binding import names_proven
from .stream import Stream

if TYPE_CHECKING:
    import asyncio
    import socket

    from .connection import Connection
    from .port import References
    from .remote.peer import Away, Peer
    from .security.binding import Credentials

logger = logging.getLogger("actorpar.nodes")

#: The label of a process that is linked to its parent alone: it serves its own program.
GUEST: Final = "guest"


class Node:
    """This process among others. Made on a running loop; `close` ends it.

    name         how others call it; by default host-pid
    id           16 bytes; by default drawn anew
    labels       for placement: `on="gpu"`
    app          a hash of the code; nodes with another one are refused
    credentials  keys for TLS; without them only this host can be reached
    down_after   seconds of silence after which a node is down (NET-42)
    """

    #: Those of this process that are not closed.
    living: ClassVar[list[Node]] = []

    def __init__(
        self,
        name: str | None = None,
        *,
        id: bytes = b"",
        labels: Iterable[str] = (),
        app: bytes = b"",
        credentials: Credentials | None = None,
        down_after: float = DOWN_AFTER,
        message_limit: int = MESSAGE_LIMIT,
    ) -> None:
        self.id = id or bytes.fromhex(env.new_id())
        self.name = name or f"{platform.node() or 'node'}-{os.getpid()}"
        self.incarnation = int(env.wall_clock() * 1e6)
        self.labels = tuple(labels)
        self.app = app
        self.credentials = credentials
        self.down_after = down_after
        self.message_limit = message_limit
        self.host = _host_id()
        self.queue = run_queue()
        self.table = ChannelTable(self.id, self.queue, self.peer)
        self.links: dict[bytes, Link] = {}
        self.members: dict[bytes, Member] = {}
        self.complaints = self.table.complaints
        self.counters = self.complaints.counters
        self.references: References | None = None
        #: Called with messages to actors: link, lane, body, buffers.
        self.on_call: Callable[[Link, int, Any, list[Any]], None] = EarlyCalls(self.complaints)
        self.listeners: list[Listener] = []
        self.expected = Expected()
        self.is_closed = False
        self._watchers: list[Callable[[NodeEvent], object]] = []
        self._lost_watchers: list[Callable[[Link, NodeDown], object]] = []
        self._down: dict[bytes, int] = {}
        self._loopback: Loopback | None = None
        self.greetings: set[Greeting] = set()  # handshakes that are not over
        self.is_fenced = False  # others have declared this node down, and it has closed (NET-42)
        self._door = Door(self)
        self._dialer = Dialer(self)
        self._ticker = self.queue.loop.call_later(TICK, self._tick)
        self.heartbeat = Heartbeat(self._streams, self._stalled_here)
        audit.install()
        Node.living.append(self)
        self.counters["shared memory: swept"] += shm.sweep()

    def _streams(self) -> list[Connection]:
        return [link.stream for link in list(self.links.values()) if link.stream is not None]

    def _stalled_here(self, age: float, stack: str) -> None:
        """From the thread of the heartbeat: the loop of this node is late."""
        self.counters["stalls"] += 1
        logger.warning("%s: the loop has not run for %.1f s; it is here:\n%s", self.name, age, stack)

    # -- what others see

    def hello(self, session: bytes, *, fresh: bool, next_seq: int = 1) -> Hello:
        """What this node says of itself."""
        return Hello(
            handshake.MAGIC, handshake.VERSION, self.id, self.name, self.incarnation, session, fresh, next_seq,
            self.message_limit, self.addresses, self.host, self.app, self.labels, os.getpid(), os.cpu_count() or 1,
        )  # fmt: skip

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where others can reach this node; an address that means every one of this host names none."""
        return tuple(str(listener.address) for listener in self.listeners if not listener.address.is_any)

    @property
    def member(self) -> Member:
        """This node as others are told of it."""
        return member_of(self.hello(self.id, fresh=True))

    def watch(self, watcher: Callable[[NodeEvent], object]) -> Callable[[], None]:
        """Call back with every event of nodes from now on, until what this returns is called."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def watch_links(self, watcher: Callable[[Link, NodeDown], object]) -> Callable[[], None]:
        """Call back with every link that is down, before the ends on it learn it, until what this returns is called."""
        self._lost_watchers.append(watcher)
        return lambda: self._lost_watchers.remove(watcher)

    # -- links

    async def listen(self, where: str) -> Listener:
        """Accept links at an address; BindRefused for one beyond this host without a key."""
        listener = await listen(addresses.parse(where), self._door.accepted, self.credentials)
        self.listeners.append(listener)
        return listener

    async def connect(self, where: str) -> Link:
        """Link to the node at an address. Unreachable, HandshakeRefused."""
        return await self._dialer.connect(where)

    async def join(self, where: str, patience: float = DOWN_AFTER) -> Link:
        """`connect` to a node that may be starting: try again for `patience` seconds while it cannot be reached."""
        return await self._dialer.join(where, patience)

    async def adopt(self, sock: socket.socket, *, dials: bool) -> Link:
        """Link over a pipe to a parent or a child; it ends with that process."""
        return await self.link_over(Stream(sock), dials=dials)

    async def link_over(self, connection: Connection, *, dials: bool, deadline: float | None = DEADLINE) -> Link:
        """Link over a connection that stands, for as long as it does. HandshakeRefused, in so many seconds."""
        if dials:
            return await self._dialer.greet(connection, resumable=False, deadline=deadline)
        greeting = self._door.answer(connection, resumable=False, deadline=deadline)
        return self.links[(await greeting.over).node]

    def answer(self, sock: socket.socket) -> asyncio.Future[Hello]:
        """Answer the HELLO of a process that was started, whenever it comes. HandshakeRefused: it ended before."""
        return self._door.answer(Stream(sock), resumable=False, deadline=None).over

    def say_hello(self, sock: socket.socket, link: Link) -> asyncio.Future[Hello]:
        """Say HELLO to the process that has started this one, however long that is busy. HandshakeRefused."""
        return self._dialer.begin(Stream(sock), resumable=False, link=link, deadline=None).over

    def peer(self, node: bytes) -> Peer:
        """The link to a node; it is made now if there is none. Unreachable (NET-25)."""
        if node == self.id:
            self._loopback = self._loopback or Loopback(self)
            return self._loopback
        link = self.links.get(node)
        if link is None:
            member = self.members.get(node)
            if member is None or not member.addresses:
                raise Unreachable(f"node {node.hex()[:8]} is not known here, or it listens nowhere")
            link = self.new_link(node, member.name, self.new_session(), resumable=True)
            self._dialer.dial(link)
        return link

    def reconnect(self, link: Link) -> None:
        """A connection broke: dial again if the other side can be dialed; it may dial, too."""
        if not self.is_closed:
            self._dialer.reconnect(link)

    def new_session(self) -> bytes:
        """The id of a session that begins."""
        return bytes.fromhex(env.new_id())

    def new_link(self, node: bytes, name: str, session: bytes, *, resumable: bool) -> Link:
        """The one link to a node, from now on."""
        link = self.links[node] = Link(self, node, name, session, resumable=resumable)
        return link

    # -- what the door has to know

    def session_with(self, link: Link | None, them: Hello) -> bytes:
        """The session with a node: the one of the link, or one that was offered to it; or none."""
        if link is not None:
            return link.session
        return them.session if self._dialer.has_offered(them.session) else b""

    def down_incarnation(self, node: bytes) -> int:
        """The newest incarnation of a node that is down for good; 0 if none is."""
        return self._down.get(node, 0)

    def other_incarnation(self, member: Member, *, proven: bool) -> Member | None:
        """Another incarnation of the same node, which has another id. `proven`: by its certificate it has its name."""
        others = (each for each in self.members.values() if each.name == member.name and each.node != member.node)
        return next((each for each in others if proven or listen_at_one_place(member, each)), None)

    # -- membership (NET-44)

    def attach(self, link: Link, greeting: Greeting, them: Hello) -> None:
        """A handshake is over: the connection is the link's."""
        first = link.connections == 0
        link.attach(greeting.stream, greeting.reader, them)
        member = member_of(them)
        if first:
            self._supersede(member, proven=names_proven(greeting.stream.tls))
            if GUEST not in (*self.labels, *member.labels):
                known = [each for each in self.members.values() if GUEST not in each.labels]
                link.control(ops.Members(0, [self.member, *known]))
                self._tell_others(ops.Members(0, [member]), link)
            self.members[them.node] = member
            self._publish(NodeUp(member))

    def _tell_others(self, op: ops.Members | ops.Gone, link: Link) -> None:
        for other in list(self.links.values()):
            if other is not link and other.connections and not other.secluded:
                other.control(op)

    def told(self, link: Link, op: ops.Members | ops.Gone) -> None:
        """Another node tells of others. ProtocolError: of such as cannot be."""
        if isinstance(op, ops.Gone):
            self._gone(op.node, op.incarnation, one_line(op.reason))
            return
        for member in op.members:
            if not handshake.is_fit_to_print(member):
                raise ProtocolError("a node is told of whose name or texts no node can have", code="members")
            if member.node != self.id and member.incarnation > self._down.get(member.node, 0):
                if not self._supersede(member, proven=False):
                    continue
                known_member = self.members.get(member.node)
                if known_member is None or known_member.incarnation <= member.incarnation:
                    self.members[member.node] = member
                    dials = member.addresses and (self.id > member.node or not self.addresses)
                    if known_member is None and dials:
                        self.peer(member.node)  # the mesh is full; of two that can be dialed the greater id dials

    def _gone(self, node: bytes, incarnation: int, reason: str) -> None:
        """That incarnation of a node is down for good."""
        self._down[node] = max(self._down.get(node, 0), incarnation)
        link = self.links.get(node)
        if link is not None and link.them is not None and link.them.incarnation <= incarnation:
            link.down(reason)
        elif node in self.members and self.members[node].incarnation <= incarnation:
            self._publish(NodeLost(self.members.pop(node), reason))

    def _supersede(self, member: Member, *, proven: bool) -> bool:
        """A node is there: an older incarnation of it is down, and this is the proof. False: it is the older one."""
        other = self.other_incarnation(member, proven=proven)
        if other is not None and other.incarnation < member.incarnation:
            self._gone(other.node, other.incarnation, "a newer incarnation of it has come")
        return other is None or other.incarnation < member.incarnation

    def fenced(self, link: Link) -> None:
        """A node that this one was linked to has declared it down: it closes, for no other one listens to it any more.

        What was started here by others is stopped, ends learn that their links are down, and NodeFenced is told. The
        process goes on; whoever has started it starts it anew, or makes another Node (NET-42).
        """
        member = self.members.get(link.node)
        if self.is_closed or member is None:
            return
        self.is_fenced = True
        logger.error("%s was declared down by %s while it did not run: it closes", self.name, link.name)
        self._publish(NodeFenced(member))
        self._end(f"it was declared down by {link.name}")

    def link_down(self, link: Link, error: NodeDown) -> None:
        """A link is down for good: everybody here learns it, and the other nodes."""
        if self.links.get(link.node) is link:
            del self.links[link.node]
        for watcher in list(self._lost_watchers):
            watcher(link, error)
        self.table.on_lost(link, error)
        member = self.members.pop(link.node, None)
        if member is None or self.is_closed:
            return
        logger.info("%s", error)
        if link.connections:
            self._down[link.node] = max(self._down.get(link.node, 0), member.incarnation)
        if link.connections and not link.secluded:  # one that was never reached from here, others may well reach
            reason = str(error).partition(" is down: ")[2]
            self._tell_others(ops.Gone(0, member.node, member.incarnation, reason), link)
        self._publish(NodeLost(member, str(error)))

    def publish(self, link: Link, news: Suspect | Alive | Stalled) -> None:
        """The liveness of a node has changed."""
        member = self.members.get(link.node)
        if member is None:
            return
        if isinstance(news, Stalled):
            self._publish(NodeStalled(member, news.age))
        else:
            self._publish(NodeSilent(member, isinstance(news, Suspect)))

    def _publish(self, event: NodeEvent) -> None:
        for watcher in list(self._watchers):
            watcher(event)
        self.expected.changed()

    # -- what links deliver

    def called(self, link: Link, lane: int, body: Any, buffers: list[Any]) -> None:
        """A message to actors came."""
        self.on_call(link, lane, body, buffers)

    def refused_items(self, end: Away, errors: list[Any]) -> None:
        """Items came that were none of the declared type (NET-8)."""
        text = "%d items were no %s and are undelivered: %s"
        self.complaints.note("items of a wrong type", text, len(errors), end.schema.name, errors[0], count=len(errors))

    # -- time, and the end

    def _tick(self) -> None:
        self.heartbeat.tick()
        self._ticker = self.queue.loop.call_later(TICK, self._tick)
        for link in list(self.links.values()):
            link.tick()
        self.table.tick()

    async def close(self, reason: str = "it has left") -> None:
        """Say goodbye to all, close all links and listeners."""
        try:
            await settled([link.lending for link in self.links.values() if link.stream is not None])
        finally:
            self._end(reason)
        await self._dialer.close()

    def _end(self, reason: str) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        Node.living.remove(self)
        self._ticker.cancel()
        self.heartbeat.close()
        for listener in self.listeners:
            listener.close()
        for greeting in list(self.greetings):
            greeting.stream.close()
        for link in list(self.links.values()):
            link.close(reason)
        slabs.trim()

    async def __aenter__(self) -> Node:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


def _host_id() -> str:
    """What two nodes of one machine have in common."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()
