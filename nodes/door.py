"""Who may link: a HELLO is judged by what this node knows, and answered with WELCOME or REFUSED (NET-30, NET-31).

Invariants
- Two nodes of one name are two incarnations of one node if certificates prove the name, or if both listen at one
  address: the newer replaces the older, which is down (NET-42), and an older one is refused.
- Nobody makes this node keep more than MOST_LINKS links.
- Whatever strangers do, the log has one line of each kind of it a second; all are counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .address import parse
from .errors import InvalidAddress
from .greeting import DEADLINE, Greeting
from .protocol import frame as frames
from .protocol import handshake
from .protocol.handshake import Hello, Known
from .remote.ops import Member
from .security.binding import check_name, names_proven

if TYPE_CHECKING:
    import asyncio

    from .connection import Connection
    from .link import Link
    from .node import Node

#: Links that a node has at most; each of them is a connection, and the mesh is full.
MOST_LINKS: Final = 1024


class Door:
    """Answers those who dial one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def accepted(self, stream: Connection) -> Greeting:
        """Somebody has connected to a listener."""
        return self.answer(stream, resumable=True)

    def answer(self, stream: Connection, *, resumable: bool, deadline: float | None = DEADLINE) -> Greeting:
        """Wait for HELLO on a connection, for so many seconds, and answer it."""
        node = self._node

        def heard(greeting: Greeting, them: Hello) -> Link:
            check_name(greeting.stream.tls, them.name)
            link = self._judge(them, resumable, proven=names_proven(greeting.stream.tls))
            mine = node.hello(link.session, fresh=them.fresh, next_seq=link.inbound.next_seq)
            greeting.say(frames.WELCOME, handshake.encode(mine))
            return link

        def over(done: asyncio.Future[Hello]) -> None:
            node.greetings.discard(greeting)
            if resumable and not done.cancelled() and done.exception() is not None:
                self._refused(done.exception())

        greeting = Greeting(stream, frames.HELLO, heard, node.attach, deadline)
        node.greetings.add(greeting)
        greeting.over.add_done_callback(over)
        stream.start(greeting)
        return greeting

    def _judge(self, them: Hello, resumable: bool, *, proven: bool) -> Link:
        """Decide on a HELLO: the link that it is for. HandshakeRefused."""
        node = self._node
        link, member = node.links.get(them.node), node.members.get(them.node)
        if member is not None and member.name != them.name:
            raise handshake.refused("auth")  # by its certificate it is another one
        other = node.other_incarnation(member_of(them), proven=proven)
        known = Known(
            incarnation=max(each.incarnation if each is not None else 0 for each in (member, other)),
            session=node.session_with(link, them),
            can_resume=link is None or link.outbound.can_resume(them.next_seq),
            dialing=link is not None and not link.connections,
            down=node.down_incarnation(them.node),
        )
        verdict = handshake.judge(node.hello(node.id, fresh=True), them, known)
        if verdict.resume and link is not None:
            return link
        if verdict.replaces and link is not None:
            link.down("a newer incarnation of it has come")
            link = None
        if link is not None:  # both dial at once, and the other side's connection stays: the link is the same
            link.session = them.session
            return link
        if len(node.links) >= MOST_LINKS:
            raise handshake.refused("limits")
        return node.new_link(them.node, them.name, them.session, resumable=resumable)

    def _refused(self, error: BaseException | None) -> None:
        code = getattr(error, "code", "closed")
        self._node.complaints.note(f"refused: {code}", "a connection was refused: %s", error)


def member_of(hello: Hello) -> Member:
    """A node as others are told of it."""
    return Member(
        hello.node, hello.name, hello.incarnation, hello.addresses, hello.labels, hello.host, hello.pid, hello.cores
    )


def listen_at_one_place(one: Member, other: Member) -> bool:
    """True if both say that they listen at the same address, which only one process can: one of them is gone."""
    common = [where for where in one.addresses if where in other.addresses]
    return bool(common) and (one.host == other.host or not all(map(_is_local, common)))


def _is_local(where: str) -> bool:
    """True unless it is certain that other hosts mean the same place by this address."""
    try:
        return parse(where).is_loopback
    except InvalidAddress:
        return True
