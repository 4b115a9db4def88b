"""References to actors as arguments of a `multiprocessing.Process` that the program starts itself.

What is pickled inside its `start()` is the description of the actor. The system of the actor looks to other nodes from
then on, if it did not before. In the new process the reference is one to an actor on another node; it needs a system
there, which waits for answers and learns of ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..actors.cell import Cell
from ..actors.errors import ActorError
from ..actors.kind import kind_of
from ..actors.timed import Timed
from ..nodes import arrival
from ..nodes.departure import Departure, departure
from . import messages as m
from . import runtime
from .hub import Hub
from .ref import RemoteRef

if TYPE_CHECKING:
    from ..actors.ref import ActorRef
    from ..nodes.arrival import Invitation


def reduce_reference(ref: ActorRef[Any]) -> Any:
    """How a reference is pickled. Raises NotPicklable, WrongLoop, and ActorError."""
    if isinstance(ref, Timed):
        return Timed, (ref.cell, ref.seconds)
    going = departure(ref)
    if isinstance(ref, Cell):
        hub, cls = _hub_of(ref, going), ref.kind.cls
    else:
        raise ActorError(f"{ref!r} is on another node, and a process of your own can reach actors of this one alone")
    if hub.node is not going.node:
        raise ActorError(f"{ref!r} belongs to another node of this process than what was passed before it")
    return arrive_reference, (going.invitation, hub.export(ref, going.link), cls)


def _hub_of(cell: Cell, going: Departure) -> Hub:
    system = cell.dispatcher.system
    if system.remote is None:
        if going.node.references is not None:
            raise ActorError(f"{cell!r}: another system of this process has the node; pass references of one system")
        system.remote = Hub(system, going.node, ())
        system.remote.begin()
    return system.remote


# -- in the new process


class _Awaited:
    """The hub of references that have arrived, until there is a system."""

    def __init__(self, guest: arrival.Guest) -> None:
        self._guest = guest
        self.refs: list[RemoteRef] = []

    def __getattr__(self, name: str) -> Any:
        node = self._guest.node
        hub: Any = None if node is None else node.references
        if hub is None:
            raise ActorError("a reference that came from another process is used inside `async with ActorSystem()`")
        for ref in self.refs:
            ref.hub = hub
            hub.adopt(ref)
        self.refs.clear()
        return getattr(hub, name)


_awaited: _Awaited | None = None


def arrive_reference(invitation: Invitation, data: bytes, cls: type[Any]) -> RemoteRef:
    """The reference that the process which started this one has passed to it. Called by pickle."""
    global _awaited
    if _awaited is None:
        guest = arrival.guest_of(invitation)
        _awaited = _Awaited(guest)
        runtime.invite(guest.start)
    node, id, _, label = m.described(data)
    ref = RemoteRef(_awaited, node, id, kind_of(cls), label)  # type: ignore[arg-type]  # a hub, once there is one
    _awaited.refs.append(ref)
    return ref
