"""Ends of channels as arguments of a `multiprocessing.Process` that the program starts itself (NET-20).

multiprocessing pickles the arguments inside `start()`, and only then an end can be pickled. It moves there: what is
pickled is its description, and an invitation to be a node at the other end of a pipe that the new process inherits.

Invariants
- `start()` moves the ends, not the making of the process. A start that fails gives them back, with the next callbacks
  of the loop: nothing was said to anybody by then.
- Such a process is secluded: it is linked to this one and to no other node. So the home of a channel stays here while
  an end of it is there, and two such processes that have the two ends need not reach each other.
- The process ends the pipe by its end, however that comes, and with it the ends it had (NET-27, NET-29).
"""

from __future__ import annotations

import contextlib
import platform
import socket
from collections.abc import Iterator
from multiprocessing.context import get_spawning_popen
from multiprocessing.reduction import DupFd
from typing import Any, Final

from actorpar.channels.end import End, Refusing
from actorpar.channels.errors import NotPicklable
from actorpar.channels.flavors.base import Flavor

from .arrival import Invitation, arrive, node_here
from .node import Node
from .remote import moving


class Departure:
    """A process that starts, and what it is given. Made inside its `start()`, by the first end that is pickled."""

    def __init__(self, popen: Any, node: Node) -> None:
        self.node = node
        self._popen = popen
        self._ours, self._theirs = socket.socketpair()
        session = node.new_session()
        self.link = node.new_link(node.new_session(), "a process that starts", session, resumable=False)
        self.link.secluded = True
        self.link.is_patient = _patient
        self.invitation: Final = Invitation(
            DupFd(self._theirs.fileno()), self.link.node, node.id, node.name, session, node.app, node.down_after,
            node.message_limit, _patient,
        )  # fmt: skip
        self._moved: list[tuple[End, Flavor, bytes]] = []
        _departures[popen] = self
        node.queue.loop.call_soon(self._started)

    def take(self, end: End) -> bytes:
        """Give an end up to the process; its description."""
        core = end.core
        moved = end.move()
        try:
            data = moving.export(self.node.table, moved, self.link)
        except BaseException:
            end.core, moved.core = core, end.core
            raise
        self._moved.append((end, core, data))
        return data

    def _started(self) -> None:
        """`start()` is over: expect the process, or nothing came of it."""
        del _departures[self._popen]
        self._theirs.close()
        pid = getattr(self._popen, "pid", None)
        if pid is None:
            for end, core, data in self._moved:
                moving.take_back(self.node.table, end, core, data)
        if pid is None or self.link.is_down:
            self._ours.close()
            self.link.down("it did not start")
            return
        self.link.name = f"{platform.node() or 'node'}-{pid}"
        self.node.answer(self._ours).add_done_callback(self._answered)

    def _answered(self, done: Any) -> None:
        if done.cancelled() or done.exception() is not None:
            self.link.down("its process has ended")


_departures: dict[Any, Departure] = {}
_patient = False


@contextlib.contextmanager
def patiently() -> Iterator[None]:
    """A process that starts inside is down when it has ended, however long it is silent (NET-42).

    For those whose work is to compute: a call into C that keeps the interpreter's lock also keeps the heartbeats.
    """
    global _patient
    before, _patient = _patient, True
    try:
        yield
    finally:
        _patient = before


def departure(what: object) -> Departure:
    """The departure of the process whose arguments are pickled here and now. NotPicklable if none are, WrongLoop."""
    popen = get_spawning_popen()
    if popen is None:
        raise NotPicklable(
            f"{what!r} cannot be pickled: send it through a channel or in a message, or pass it as an argument of a "
            'multiprocessing.get_context("spawn").Process and start that'
        )
    if popen in _departures:
        return _departures[popen]
    return Departure(popen, node_here())


def reduce_end(end: End) -> Any:
    """How an end is pickled. Raises what `End.move` raises, NotPicklable, WrongLoop, and CodecError."""
    core = end.core
    going = departure(end)
    if isinstance(core, Refusing):
        raise core.refusal()
    return arrive, (going.invitation, going.take(end), core.declared)
