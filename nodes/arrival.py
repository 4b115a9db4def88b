"""Ends of channels that a `multiprocessing.Process` of the program's own was given as arguments, as they arrive in it.

They are unpickled before any event loop runs. So an end is a handle of a channel that is nowhere yet; the first loop
that uses one of them makes this process a node, linked to the process that has started it, and all of them go live.

Invariants
- A process is a guest once: all its ends come by one invitation, belong to one loop, and share one link.
- The loop ends only when what was sent through the ends is written, or the other process is gone: the end of a process
  loses nothing that a send had accepted.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from actorpar.channels import env
from actorpar.channels.end import End
from actorpar.channels.errors import WrongLoop
from actorpar.channels.flavors.base import Flavor
from actorpar.channels.receiver import Receiver
from actorpar.channels.runqueue import RunQueue, run_queue
from actorpar.channels.sender import Sender

from .node import GUEST, Node
from .remote import moving
from .remote.away import OutletBounded, OutletLossy
from .remote.inlet import InletBounded
from .remote.meeting import OutletRendezvous
from .remote.seeking import InletRendezvous

if TYPE_CHECKING:
    from .link import Link

#: Seconds between two looks whether all is written, when the loop ends.
LOOK: Final = 0.002


@dataclass(frozen=True)
class Invitation:
    """What a process needs to be a node that is linked to the one that has started it."""

    pipe: Any  # of multiprocessing: `detach()` is the descriptor
    id: bytes
    host: bytes
    host_name: str
    session: bytes
    app: bytes
    down_after: float
    message_limit: int
    is_patient: bool


class Guest:
    """This process, as the guest of another one."""

    def __init__(self, invitation: Invitation) -> None:
        self.invitation = invitation
        self.arrivals: list[Arrival] = []
        self.node: Node | None = None
        self._life: asyncio.Task[None] | None = None

    def start(self) -> Node:
        """Make this process a node, on the loop that runs, unless it is one; the ends that have arrived go live."""
        if self.node is not None:
            return self.node
        told = self.invitation
        node = self.node = Node(
            id=told.id, labels=(GUEST,), app=told.app, down_after=told.down_after, message_limit=told.message_limit
        )
        link = node.new_link(told.host, told.host_name, told.session, resumable=False)
        link.is_patient = told.is_patient
        greeted = node.say_hello(socket.socket(fileno=told.pipe.detach()), link)
        greeted.add_done_callback(lambda done: _fail(link, done))
        self._life = node.queue.loop.create_task(_stay(node), name="actorpar guest")
        for arrival in self.arrivals:
            arrival.go_live(node, link)
        return node


def _fail(link: Link, done: asyncio.Future[Any]) -> None:
    if not done.cancelled() and done.exception() is not None:
        link.down(str(done.exception()))


async def _stay(node: Node) -> None:
    """Be there until the loop ends; asyncio.run cancels what still runs then."""
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        while any(link.unsaid for link in node.links.values()):
            await env.sleep(LOOK)  # it may wait for room, credit or an answer, and nothing tells of all of them
        await node.close()


#: Who this process is, if it was given ends or references when it started.
guest: Guest | None = None


def guest_of(invitation: Invitation) -> Guest:
    """This process as the guest that it was invited as."""
    global guest
    guest = guest or Guest(invitation)
    return guest


class Arrival:
    """What is behind an end that has arrived, until it goes live: it keeps what was said to it before."""

    def __init__(self, core: Flavor, description: moving.Description, guest: Guest) -> None:
        self.guest = guest
        self.prefetch = 0
        self._core = core
        self._becomes = type(core)
        self._description = description
        self._close: Callable[[Any], None] | None = None
        core.remote = self
        core.__class__ = _ARRIVING[type(core)]
        guest.arrivals.append(self)

    def go_live(self, node: Node, link: Link) -> None:
        """The node is there: the channel becomes what it is at an end that is away."""
        core = self._core
        core.__class__ = self._becomes
        core.bind(node.queue)
        remote = moving.go_live(node.table, core, self._description, link)
        if self.prefetch:
            core.prefetch(self.prefetch)
        if self._close is not None:
            self._close(remote)

    def touch(self) -> None:
        """Look at the end of this turn what is to be asked for: when it goes live."""

    def close(self, failure: BaseException | None) -> None:
        """The last handle was closed before any loop ran."""
        self._close = lambda remote: remote.close(failure)


class _Arriving(Flavor):
    """What a channel of an end that has arrived does differently until its first use in a loop."""

    __slots__ = ()

    def bind(self, queue: RunQueue) -> None:
        self.remote.guest.start()

    def want(self, most: int) -> None:
        self.check_loop()
        self.want(most)  # it is of another class now

    def abort(self, exc: BaseException, after_drain: bool) -> None:
        raise WrongLoop(f"{self.name}: no event loop runs yet; abort the channel from a coroutine")


class _ArrivingBounded(_Arriving, OutletBounded):
    __slots__ = ()


class _ArrivingLossy(_Arriving, OutletLossy):
    __slots__ = ()


class _ArrivingRendezvous(_Arriving, OutletRendezvous):
    __slots__ = ()


class _ArrivingReceiver(_Arriving, InletBounded):
    __slots__ = ()


class _ArrivingMeeting(_Arriving, InletRendezvous):
    __slots__ = ()


_ARRIVING: Final[dict[type[Flavor], type[Flavor]]] = {
    OutletBounded: _ArrivingBounded,
    OutletLossy: _ArrivingLossy,
    OutletRendezvous: _ArrivingRendezvous,
    InletBounded: _ArrivingReceiver,
    InletRendezvous: _ArrivingMeeting,
}


def arrive(invitation: Invitation, data: bytes, declared: Any) -> End:
    """The end that the process which started this one has passed to it. Called by pickle."""
    description = moving.described(data)
    core = moving.new_core(description, declared)
    Arrival(core, description, guest_of(invitation))
    return Sender(core) if description.role == moving.SENDER else Receiver(core)


def node_here() -> Node:
    """The node that the loop which runs has already, or has as a guest; otherwise a new one that ends with the loop."""
    queue = run_queue()
    for node in Node.living:
        if node.queue is queue:
            return node
    if guest is not None and guest.node is None:
        return guest.start()
    node = Node()
    _lives.add(life := queue.loop.create_task(_stay(node), name="actorpar node"))
    life.add_done_callback(_lives.discard)
    return node


_lives: set[asyncio.Task[None]] = set()
