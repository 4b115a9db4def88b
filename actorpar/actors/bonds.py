"""Links and monitors: who learns of whose end (AC-27 … AC-33). Both sides are actors, or a CSP process is watched.

Invariants
- A link is one object, known to both actors under the other's cell; an actor keeps at most one with each (AC-27).
- A monitor is one object, known to its watcher and to the watched; each call makes its own (AC-31).
- `active` is false once it was undone or has told its news: a signal that lies in a mailbox is void then (AC-30).
"""

from __future__ import annotations

from typing import Any

from ..channels.process import Process
from . import life
from .belongings import Belongings, more_of
from .cell import Cell
from .entry import DownSignal, ExitSignal
from .errors import InvalidActor
from .reason import NOPROC, Down, Exit, Reason, reason_of
from .ref import ActorRef, AwayRef
from .states import DEAD
from .timed import addressee_of


class Link:
    """Two whose ends concern each other: the abnormal end of one ends the other, or is told to it if it traps exits."""

    __slots__ = ("active", "one", "other")

    def __init__(self, one: Any, other: Any) -> None:
        self.one = one
        self.other = other
        self.active = True

    def peer_of(self, side: Any) -> Any:
        """The other side."""
        return self.other if side is self.one else self.one

    def other_ended(self, other: Any) -> None:
        """The other side, a process or an actor on another node, has ended."""
        if self.active and self.one.state != DEAD:
            signal_exit(self.one, self.other, reason_of(other), self)


class Monitor:
    """The wish of an actor to be told, once, of another's end. Made by `ctx.monitor`, undone by `ctx.demonitor`."""

    __slots__ = ("active", "pact", "ref", "watcher")

    def __init__(self, ref: ActorRef[Any] | Process[Any], watcher: Cell, pact: bool) -> None:
        self.ref = ref
        self.watcher = watcher
        self.pact = pact
        self.active = True

    def ended(self, watched: Any) -> None:
        """A process, or an actor on another node, has ended."""
        signal_down(self, reason_of(watched))

    def __repr__(self) -> str:
        return f"<Monitor of {self.ref!r} by {self.watcher.name}{'' if self.active else ', over'}>"


def target_of(ref: object) -> Any:
    """What can be linked or monitored: the cell behind a reference, or a process."""
    if isinstance(ref, Process) or hasattr(ref, "add_done_callback"):
        return ref
    try:
        return addressee_of(ref)
    except InvalidActor:
        raise InvalidActor(f"{ref!r} is neither a reference to an actor nor a process") from None


# -- links


def link(cell: Cell, ref: object, *, tell: bool = True) -> None:
    """Link two; a repeat changes nothing. Linked to one that is dead, the actor learns that at once (AC-31).

    `tell` the node of one that is elsewhere; False: it has told this one.
    """
    peer = target_of(ref)
    if peer is cell:
        return
    links = more_of(cell).links = more_of(cell).links or {}
    if peer in links:
        return
    bond = Link(cell, peer)
    if isinstance(peer, Cell):
        if peer.state == DEAD:
            signal_exit(cell, peer, NOPROC, bond)
            return
        peers = more_of(peer).links = more_of(peer).links or {}
        peers[cell] = bond
    else:
        peer.add_done_callback(bond.other_ended)
        if tell and isinstance(peer, AwayRef):
            peer.bind(cell)
    links[peer] = bond


def unlink(cell: Cell, ref: object, *, tell: bool = True) -> None:
    """Undo a link: no exit of it arrives any more, also none that lies in the mailbox (AC-30)."""
    peer = target_of(ref)
    more = cell.more
    bond = None if more is None or more.links is None else more.links.pop(peer, None)
    if bond is not None:
        bond.active = False
        if isinstance(peer, Cell):
            if peer.more is not None and peer.more.links is not None:
                peer.more.links.pop(cell, None)
        elif isinstance(peer, AwayRef):
            peer.remove_done_callback(bond.other_ended)
            if tell:
                peer.unbind(cell)


def signal_exit(cell: Cell, peer: Any, reason: Reason, bond: Link) -> None:
    """The peer of a link has ended: a trapping actor gets a message, another one ends unless it was normal (AC-28)."""
    if cell.state == DEAD:
        return
    if "on_exit" in cell.kind.hooks:  # the bond stays known until the signal is handled, or `unlink` could not void it
        told = Reason("killed", cause=reason.cause) if reason.kind == "killed" else reason
        cell.put_signal(ExitSignal(Exit(peer, told), bond))
        return
    (more_of(cell).links or {}).pop(peer, None)
    if reason.kind != "normal":
        life.stop(cell, reason, hurry=True)


# -- monitors


def monitor(cell: Cell, ref: object, pact: bool) -> Monitor:
    """Have `on_down` told of the end of an actor or a process; at once with `noproc` if it is dead (AC-31)."""
    target = target_of(ref)
    watch = Monitor(target, cell, pact)
    more = more_of(cell)
    if isinstance(target, Cell):
        if target.state == DEAD:
            signal_down(watch, NOPROC)
            return watch
        watchers = more_of(target).watchers = more_of(target).watchers or {}
        watchers[watch] = None
    else:
        target.add_done_callback(watch.ended)
    more.watching = more.watching or {}
    more.watching[watch] = None
    return watch


def demonitor(watch: Monitor) -> None:
    """Undo a monitor: no Down of it arrives any more, also none that lies in the mailbox (AC-30)."""
    watch.active = False
    _forget(watch)


def _forget(watch: Monitor) -> None:
    more = watch.watcher.more
    if more is not None and more.watching is not None:
        more.watching.pop(watch, None)
    target = watch.ref
    if isinstance(target, Cell):
        if target.more is not None and target.more.watchers is not None:
            target.more.watchers.pop(watch, None)
    elif isinstance(target, AwayRef):
        target.remove_done_callback(watch.ended)


def signal_down(watch: Monitor, reason: Reason) -> None:
    """Tell the watcher, behind everything that the watched sent it before (AC-5)."""
    cell = watch.watcher
    _forget(watch)
    if watch.active and cell.state != DEAD:
        cell.put_signal(DownSignal(Down(watch.ref, reason, watch), watch.pact, "on_down" in cell.kind.hooks))


# -- at an end


def tell(cell: Cell, more: Belongings, reason: Reason) -> None:
    """An actor has ended: tell its links, then its monitors, each in the order in which they were made."""
    links, more.links = more.links, None
    for peer, bond in (links or {}).items():
        if isinstance(peer, Cell):
            if bond.active:
                signal_exit(peer, cell, reason, bond)
        elif isinstance(peer, AwayRef):  # its node watches this actor
            bond.active = False
            peer.remove_done_callback(bond.other_ended)
        elif bond.active and reason.kind != "normal":
            bond.active = False
            peer.cancel()
    for watch in list(more.watching or ()):
        demonitor(watch)
    watchers, more.watchers = more.watchers, None
    for watch in watchers or ():
        signal_down(watch, reason)
