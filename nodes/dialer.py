"""Who dials: links that this node makes, and makes again when their connection breaks.

Invariants
- A session that was offered is offered again until WELCOME is heard: WELCOME can be lost, and then the other side has
  the session already.
- A link without a connection is dialed, or waits to be dialed, for `down_after` seconds; then it is down.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from actorpar.channels import env

from . import address as addresses
from .dial import dial
from .errors import HandshakeRefused, NodeError, Unreachable
from .greeting import DEADLINE, Greeting
from .protocol import frame as frames
from .protocol import handshake
from .protocol.handshake import Hello
from .protocol.liveness import DOWN_AFTER
from .security.binding import check_name

if TYPE_CHECKING:
    from .connection import Connection
    from .link import Link
    from .node import Node

#: Seconds before the next attempt to connect.
RETRY: Final = 0.2
#: Seconds after which the node of the lesser id dials, too: the greater one may not be able to reach it.
PATIENCE: Final = 1.0


class Dialer:
    """The connections that one node makes."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._offered: dict[str, bytes] = {}
        self._reached: dict[bytes, str] = {}  # where nodes were reached, which may be told nowhere else
        self._timers: dict[Link, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def has_offered(self, session: bytes) -> bool:
        """True if this node has offered that session, and WELCOME was not heard."""
        return session in self._offered.values()

    async def connect(self, where: str) -> Link:
        """Link to the node at an address. Unreachable, HandshakeRefused."""
        stream = await dial(addresses.parse(where), self._node.credentials)
        try:
            session = self._offered.setdefault(where, self._node.new_session())
            link = await self.greet(stream, resumable=True, session=session)
            self._offered.pop(where, None)
            self._reached[link.node] = where
            return link
        except HandshakeRefused as error:
            if error.code != "duplicate":
                raise
        return await self._linked_at(where)

    async def join(self, where: str, patience: float = DOWN_AFTER) -> Link:
        """`connect` to a node that may be starting: try again for `patience` seconds while it cannot be reached."""
        deadline = env.clock() + patience
        while True:
            try:
                return await self.connect(where)
            except Unreachable:
                if env.clock() >= deadline:
                    raise
            await env.sleep(RETRY)

    async def _linked_at(self, where: str) -> Link:
        """The link to the node at an address, which another connection makes just now."""
        async with asyncio.timeout(DEADLINE):
            while True:
                for link in self._node.links.values():
                    if link.them is not None and where in (*link.them.addresses, self._reached.get(link.node)):
                        return link
                await env.sleep(RETRY / 10)

    async def greet(
        self, stream: Connection, *, resumable: bool, link: Link | None = None, session: bytes = b"",
        deadline: float | None = DEADLINE,
    ) -> Link:  # fmt: skip
        """Say HELLO on a connection; the link, once WELCOME came."""
        greeting = self.begin(stream, resumable=resumable, link=link, session=session, deadline=deadline)
        try:
            await greeting.over
        except BaseException:
            stream.close()
            raise
        finally:
            self._node.greetings.discard(greeting)
        assert greeting.link is not None
        return greeting.link

    def begin(
        self, stream: Connection, *, resumable: bool, link: Link | None = None, session: bytes = b"",
        deadline: float | None = DEADLINE,
    ) -> Greeting:  # fmt: skip
        """Say HELLO on a connection, and attach it to the link once WELCOME comes."""
        session = link.session if link is not None else session or self._node.new_session()
        fresh = link is None or link.connections == 0

        def welcomed(greeting: Greeting, them: Hello) -> Link:
            check_name(stream.tls, them.name)
            this = link or self._node.links.get(them.node)
            if this is None:
                if them.next_seq != 1:
                    raise handshake.refused("session")
                this = self._node.new_link(them.node, them.name, session, resumable=resumable)
            elif link is None:
                if this.connections:
                    raise handshake.refused("duplicate")
                this.session = session  # it is being dialed, too, and this connection was quicker
            if this.name != them.name:
                raise handshake.refused("auth")
            if this.is_down or this.node != them.node or them.session != this.session:
                raise handshake.refused("session")
            if not this.outbound.can_resume(them.next_seq):
                raise handshake.refused("session")
            return this

        greeting = Greeting(stream, frames.WELCOME, welcomed, self._node.attach, deadline)
        stream.start(greeting)
        next_seq = 1 if link is None else link.inbound.next_seq
        greeting.say(frames.HELLO, handshake.encode(self._node.hello(session, fresh=fresh, next_seq=next_seq)))
        self._node.greetings.add(greeting)
        greeting.over.add_done_callback(lambda _: self._node.greetings.discard(greeting))
        return greeting

    def dial(self, link: Link, pause: float = 0.0) -> None:
        """Connect, or connect again, in the background; after a pause, if there is no connection then."""
        task = self._node.queue.loop.create_task(self._dial(link, pause))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _dial(self, link: Link, pause: float) -> None:
        deadline = env.clock() + self._node.down_after
        await env.sleep(pause)
        while not link.is_down and link.stream is None:
            try:
                await self._dial_once(link)
            except HandshakeRefused as error:
                if error.code == "fenced" and link.connections:
                    self._node.fenced(link)
                if error.code in ("fenced", "session", "app", "version", "self"):
                    link.down(str(error))
                    return
                if error.code == "duplicate" and link.connections == 0:
                    return  # the other side is dialing, too, and its connection stays
            except (OSError, NodeError) as error:
                if env.clock() >= deadline:
                    link.down(f"it cannot be reached: {error}")
                    return
            else:
                return
            await env.sleep(RETRY)

    async def _dial_once(self, link: Link) -> None:
        failure: BaseException | None = None
        for where in self._addresses(link):
            try:
                stream = await dial(addresses.parse(where), self._node.credentials)
            except (OSError, Unreachable) as error:
                failure = error
                continue
            await self.greet(stream, resumable=True, link=link)
            return
        raise failure or Unreachable(f"{link.name} listens nowhere")

    def reconnect(self, link: Link) -> None:
        """A connection broke: dial again if the other side can be dialed; it may dial, too."""
        self._timers[link] = self._node.queue.loop.call_later(
            self._node.down_after, self._give_up, link, link.connections
        )
        if self._addresses(link):
            first = self._node.id > link.node or not self._node.addresses
            self.dial(link, 0.0 if first else min(PATIENCE, self._node.down_after / 4))

    def _addresses(self, link: Link) -> tuple[str, ...]:
        """Where the node of a link may be reached."""
        member = self._node.members.get(link.node)
        told = () if member is None else member.addresses
        return told or tuple(filter(None, [self._reached.get(link.node)]))

    def _give_up(self, link: Link, connections: int) -> None:
        self._timers.pop(link, None)
        if link.stream is None and link.connections == connections:
            link.down(f"it was not reached for {self._node.down_after:g} s")

    async def close(self) -> None:
        """Dial nobody any more."""
        for timer in self._timers.values():
            timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await env.sleep(0)
