"""Named groups of actors, as OTP's pg: join, leave, members, and a monitor that misses nothing (AC-52, AC-53)."""

from __future__ import annotations

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
    """The groups of one system. A group exists while it has members."""

    def __init__(self) -> None:
        self._members: dict[str, list[Cell]] = {}
        self._monitors: dict[str, list[Sender[GroupChange]]] = {}

    def join(self, group: str, ref: ActorRef[Any]) -> None:
        """Make an actor a member; joined twice it is a member twice, and must leave twice. Raises ActorDead."""
        cell = cell_of(ref)
        if not cell.is_alive():
            raise ActorDead(f"{cell.name} has ended and cannot join {group!r}", cell.stopping)
        self._members.setdefault(checked_name(group), []).append(cell)
        more = more_of(cell)
        more.groups = more.groups or []
        more.groups.append(group)
        self._tell(GroupChange(group, True, (cell,)))

    def leave(self, group: str, ref: ActorRef[Any]) -> None:
        """Undo one join; not a member: nothing happens."""
        cell = cell_of(ref)
        members = self._members.get(group, [])
        if cell in members:
            members.remove(cell)
            if not members:
                del self._members[group]
            if cell.more is not None and cell.more.groups is not None:
                cell.more.groups.remove(group)
            self._tell(GroupChange(group, False, (cell,)))

    def release(self, cell: Cell) -> None:
        """The actor has ended: it leaves every group, before anybody is told of its end (AC-25)."""
        groups = () if cell.more is None or cell.more.groups is None else tuple(dict.fromkeys(cell.more.groups))
        for group in groups:
            members = self._members[group]
            gone = tuple(member for member in members if member is cell)
            members[:] = [member for member in members if member is not cell]
            if not members:
                del self._members[group]
            self._tell(GroupChange(group, False, gone))
        if cell.more is not None:
            cell.more.groups = None

    def members(self, group: str) -> tuple[ActorRef[Any], ...]:
        """The members in the order in which they joined; empty for a group that nobody joined."""
        return tuple(self._members.get(group, ()))

    def names(self) -> list[str]:
        """All groups that have members."""
        return list(self._members)

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
