"""Named groups of actors, as OTP's pg: join, leave, members, and a monitor that misses nothing (AC-52, AC-53).

Members on other nodes come and go by what those tell (see remote/groups.py); here only actors of this node join or
leave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..channels.errors import ChannelError
from ..channels.opening import open_channel
from ..channels.receiver import Receiver
from ..channels.sender import Sender
from .belongings import more_of
from .errors import ActorDead
from .ref import ActorRef
from .registry import checked_name
from .timed import cell_of

if TYPE_CHECKING:
    from .cell import Cell


@dataclass(frozen=True, slots=True)
class GroupChange:
    """Actors joined or left a group; an actor that joined twice is in `refs` twice."""

    group: str
    joined: bool
    refs: tuple[ActorRef[Any], ...]


class Groups:
    """The groups as one system sees them. A group exists while it has members."""

    def __init__(self) -> None:
        self._groups: dict[str, _Joins] = {}
        self._monitors: dict[str, list[Sender[GroupChange]]] = {}
        #: Called when an actor of this system has joined a group (1) or left it, so many times (-n).
        self.on_own: Callable[[str, Cell, int], object] | None = None

    def join(self, group: str, ref: ActorRef[Any]) -> None:
        """Make an actor a member; joined twice it is a member twice, and must leave twice.

        Raises ActorDead, and InvalidActor for an actor of another node: only there it joins.
        """
        cell = cell_of(ref)
        if not cell.is_alive():
            raise ActorDead(f"{cell.name} has ended and cannot join {group!r}", cell.stopping)
        self.arrive(checked_name(group), (cell,))
        more = more_of(cell)
        more.groups = more.groups or []
        more.groups.append(group)
        self._own_changed(group, cell, 1)

    def leave(self, group: str, ref: ActorRef[Any]) -> None:
        """Undo one join; not a member: nothing happens. InvalidActor for an actor of another node."""
        cell = cell_of(ref)
        if self.depart(group, (cell,)):
            if cell.more is not None and cell.more.groups is not None:
                cell.more.groups.remove(group)
            self._own_changed(group, cell, -1)

    def release(self, cell: Cell) -> None:
        """The actor has ended: it leaves every group, before anybody is told of its end (AC-25)."""
        if cell.more is None or cell.more.groups is None:
            return
        joined, cell.more.groups = Counter(cell.more.groups), None
        for group, times in joined.items():
            self.depart(group, [cell] * times)
            self._own_changed(group, cell, -times)

    def _own_changed(self, group: str, cell: Cell, times: int) -> None:
        if self.on_own is not None:
            self.on_own(group, cell, times)

    def arrive(self, group: str, refs: Iterable[ActorRef[Any]]) -> None:
        """These are members now, each as often as it is in `refs`."""
        arrived = tuple(refs)
        if arrived:
            joins = self._groups.setdefault(group, _Joins())
            for ref in arrived:
                joins.add(ref)
            self._tell(GroupChange(group, True, arrived))

    def depart(self, group: str, refs: Iterable[ActorRef[Any]]) -> bool:
        """These are no members any more, each as often as it is in `refs`. False: none of them was one."""
        joins = self._groups.get(group)
        if joins is None:
            return False
        gone = tuple(ref for ref in refs if joins.take(ref))
        if joins.is_empty:
            del self._groups[group]
        if gone:
            self._tell(GroupChange(group, False, gone))
        return bool(gone)

    def members(self, group: str) -> tuple[ActorRef[Any], ...]:
        """The members in the order in which it became known here; empty for a group that nobody joined."""
        joins = self._groups.get(group)
        return () if joins is None else joins.all()

    def names(self) -> list[str]:
        """All groups that have members."""
        return list(self._groups)

    def monitor(self, group: str) -> tuple[tuple[ActorRef[Any], ...], Receiver[GroupChange]]:
        """The members now, and every change from now on, none missed or doubled. Close the receiver to end it."""
        tx, rx = open_channel[GroupChange](float("inf"), name=f"changes of group {group}")
        rx.core.check_loop()
        self._monitors.setdefault(checked_name(group), []).append(tx)
        return self.members(group), rx

    def close(self) -> None:
        """End the streams of all monitors."""
        for monitors in self._monitors.values():
            for tx in monitors:
                tx.close()
        self._monitors.clear()

    def _tell(self, change: GroupChange) -> None:
        monitors = self._monitors.get(change.group, [])
        for tx in list(monitors):
            try:
                tx.send_nowait(change)
            except ChannelError:  # the receiver was closed
                tx.close()
                monitors.remove(tx)


class _Joins:
    """Who has joined a group, in order: each join has a place, and a leave gives back the first of its actor."""

    __slots__ = ("_all", "_by_place", "_next", "_places")

    def __init__(self) -> None:
        self._by_place: dict[int, ActorRef[Any]] = {}
        self._places: dict[ActorRef[Any], list[int]] = {}
        self._next = 0
        self._all: tuple[ActorRef[Any], ...] | None = None  # kept from one change to the next: routers look often

    @property
    def is_empty(self) -> bool:
        return not self._by_place

    def all(self) -> tuple[ActorRef[Any], ...]:
        if self._all is None:
            self._all = tuple(self._by_place.values())
        return self._all

    def add(self, ref: ActorRef[Any]) -> None:
        self._by_place[self._next] = ref
        self._places.setdefault(ref, []).append(self._next)
        self._next += 1
        self._all = None

    def take(self, ref: ActorRef[Any]) -> bool:
        places = self._places.get(ref)
        if places is None:
            return False
        del self._by_place[places.pop(0)]
        if not places:
            del self._places[ref]
        self._all = None
        return True
