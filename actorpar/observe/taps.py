"""Who looks at messages on their way into mailboxes: the trace of single actors (AC-62), and spans for all of a system.

The runtime calls `dispatcher.observe` for each message of an actor whose kind is traced, so an actor that nobody looks
at pays nothing. A `Taps` is what is called; it is there while somebody looks.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from ..actors.entry import Call
from ..actors.events import Traced
from ..actors.kind import kind_of
from .text import call_shown

if TYPE_CHECKING:
    from ..actors.cell import Cell
    from ..actors.dispatcher import Dispatcher
    from ..system import ActorSystem

#: Is shown a call on its way into a mailbox, and returns it, or one that goes in its place.
Listener: TypeAlias = "Callable[[Cell, Call], Call]"


class Taps:
    """The observers of one system.

    `traced` are the actors whose messages become `Traced` events; `listeners` see the messages of all actors.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self.traced: weakref.WeakSet[Cell] = weakref.WeakSet()
        self.listeners: list[Listener] = []

    def __call__(self, cell: Cell, call: Call) -> Call:
        if cell in self.traced:
            sender, events = self._dispatcher.running(), self._dispatcher.system.events
            arguments = call_shown(call.args, call.kwargs)
            events.publish(Traced(cell, cell.name, call.name, arguments, sender, call.request is not None))
        for listener in self.listeners:
            call = listener(cell, call)
        return call

    def trace(self, cell: Cell, wanted: bool) -> None:
        """Make `Traced` events of an actor's messages from now on, or no more. ActorDead if it has ended."""
        if not cell.is_alive():
            raise cell.dead()
        if wanted:
            self.traced.add(cell)
        else:
            self.traced.discard(cell)
        self._set_kind(cell)
        self._attach()

    def listen(self, listener: Listener) -> None:
        """Show a listener the messages of all actors, those that start later included."""
        self.listeners.append(listener)
        self._attach_all()

    def leave(self, listener: Listener) -> None:
        """Show the listener nothing any more; idempotent."""
        if listener in self.listeners:
            self.listeners.remove(listener)
            self._attach_all()

    def _attach_all(self) -> None:
        self._attach()
        self._dispatcher.observes_all = bool(self.listeners)
        for cell in living(self._dispatcher.system):
            self._set_kind(cell)

    def _attach(self) -> None:
        self._dispatcher.observe = self if self.listeners or self.traced else None

    def _set_kind(self, cell: Cell) -> None:
        kind = kind_of(cell.kind.cls)
        cell.kind = kind.traced() if self.listeners or cell in self.traced else kind


def taps_of(dispatcher: Dispatcher) -> Taps:
    """The observers of a system; a new set if nobody looks yet."""
    taps = dispatcher.observe
    return taps if isinstance(taps, Taps) else Taps(dispatcher)


def living(system: ActorSystem) -> Iterator[Cell]:
    """The living actors of a system, breadth first: parents before children, siblings in start order."""
    parents = deque([system.root])
    while parents:
        more = parents.popleft().more
        for child in more.children if more is not None else ():
            yield child
            if child.more is not None and child.more.children:
                parents.append(child)
