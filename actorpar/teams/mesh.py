"""What one member sends to the others and hears of them: parts, sorted by the team that they are for.

Several teams may lie over the same seats (a grid and its rows, say), and their parts come by the same channels. A
process of this member takes them in and puts each where it belongs, so nobody waits for a part behind another one.

Invariants
- Of one member, parts for one team are received in the order in which they were sent.
- Broken is broken for good, for all teams over these seats, and for all members: who finds it out ends its channels
  with the reason. Who hears of it so goes on with what it has in hand, GRACE seconds at most, as long as that needs
  nothing of the one that has ended: so of what all have called wrongly, all find out what was wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, get_args

from ..channels.errors import ChannelAborted, ChannelError, EndOfChannel
from ..channels.opening import open_channel
from ..channels.process import Process
from ..channels.runqueue import run_queue
from .errors import TeamBroken

if TYPE_CHECKING:
    from ..channels.receiver import Receiver
    from ..channels.sender import Sender
    from .seat import Seat

#: Seconds after the first word that the team is broken in which all others give theirs.
GRACE: Final = 1.0
#: Characters of a reason that go from member to member.
REASON: Final = 2000


class Mesh:
    """The channels of one member, taken over from its seat. Used on the loop that makes it."""

    def __init__(self, seat: Seat[Any]) -> None:
        self.name = seat.name
        self.rank = seat.rank
        self.size = seat.size
        self.patience = seat.patience
        self.number = seat.number
        others = [rank for rank in range(seat.size) if rank != seat.rank]
        self._senders = dict(zip(others, seat.senders, strict=True))
        self._receivers = dict(zip(others, seat.receivers, strict=True))
        self._doors = dict(zip(others, seat.doors, strict=True))
        self._door = seat.door
        #: What the channels between neighbours carry.
        self.item = _item_of(seat.door.core.declared)
        self._boxes: dict[Any, tuple[Sender[Any], Receiver[Any]]] = {}
        self._gone: dict[int, TeamBroken] = {}
        self._watchers: list[Callable[[int, TeamBroken], object]] = []
        #: Why the team is broken, once it is.
        self.broken: TeamBroken | None = None
        self.left = False
        queue = run_queue()
        self._taking: dict[int, Process[None]] = {
            other: queue.spawn(self._take_in(other), f"{self.name}: from {other} to {self.rank}") for other in others
        }
        self._porter = queue.spawn(self._take_ends(), f"{self.name}: the door of {self.rank}")

    # -- to and from others

    async def send(self, to: int, tag: str, parts: list[memoryview]) -> None:
        """Send parts to a member, and wait while it lags behind. TeamBroken."""
        try:
            await self._senders[to].send((tag, parts))
        except ChannelError as error:
            if self.broken is None:  # why that member has ended, the channel from it tells
                await asyncio.wait([self._taking[to]])
            raise TeamBroken(str(self.broken or self._gone.get(to) or error)) from error

    async def receive(self, source: int, tag: str) -> list[memoryview]:
        """The next parts of a member for this team. TeamBroken."""
        return await self._from_box((tag, source))  # type: ignore[no-any-return]

    def hand(self, to: int, tag: str, number: int, end: Any) -> None:
        """Give an end to a member, this one included. TeamBroken."""
        if to == self.rank:
            self._box((tag, "end", number))[0].send_nowait(end)
            return
        try:
            self._doors[to].send_nowait((tag, number, end))
        except ChannelError as error:
            raise self._lost(to, error) from error

    async def handed(self, tag: str, number: int) -> Any:
        """The end of this number that somebody has given to this member. TeamBroken."""
        return await self._from_box((tag, "end", number))

    def _box(self, key: Any) -> tuple[Sender[Any], Receiver[Any]]:
        box = self._boxes.get(key)
        if box is None:
            box = self._boxes[key] = open_channel[Any](math.inf)
            why = self.broken or self._gone.get(key[1])
            if why is not None:
                box[0].abort(why, after_drain=True)
        return box

    async def _from_box(self, key: Any) -> Any:
        try:
            return await self._box(key)[1].receive()
        except ChannelAborted as error:
            raise TeamBroken(str(error.__cause__)) from error.__cause__

    def _put(self, key: Any, what: Any) -> None:
        with contextlib.suppress(ChannelAborted):  # too late
            self._box(key)[0].send_nowait(what)

    async def _take_in(self, source: int) -> None:
        try:
            async for tag, parts in self._receivers[source]:
                self._put((tag, source), parts)
            error: ChannelError = EndOfChannel()
        except ChannelError as failure:
            error = failure
        if not self.left:
            self._gone[source] = why = self._lost(source, error)
            for watcher in self._watchers:
                watcher(source, why)
            for key, box in self._boxes.items():
                if key[1] == source:
                    box[0].abort(why, after_drain=True)

    async def _take_ends(self) -> None:
        with contextlib.suppress(ChannelError):  # a member is lost, which the channel from it tells, too
            async for tag, number, end in self._door:
                self._put((tag, "end", number), end)

    # -- ends

    def watch(self, watcher: Callable[[int, TeamBroken], object]) -> None:
        """Call back with each member that sends nothing more, and why."""
        self._watchers.append(watcher)
        for member, why in self._gone.items():
            watcher(member, why)

    def _lost(self, member: int, error: ChannelError) -> TeamBroken:
        """What the end of a channel says of the member at its other end; a failure of that breaks the team."""
        if self.broken is not None:
            return TeamBroken(str(self.broken))
        if isinstance(error, EndOfChannel):
            return TeamBroken(f"{self.name}: member {member} has left, and member {self.rank} waited for it")
        if isinstance(error, ChannelAborted):
            why = TeamBroken(_reason(error))
        else:
            why = TeamBroken(f"{self.name}: member {member} is lost: {_reason(error)}")
        run_queue().loop.call_later(GRACE, self.fail, why)
        return why

    def fail(self, why: TeamBroken) -> None:
        """The team is broken here, for nobody waits any more: all others learn it."""
        if self.broken is not None or self.left:
            return
        self.broken = why
        told = TeamBroken(str(why)[:REASON])
        for sender in self._senders.values():
            if not sender.closed:
                sender.abort(told, after_drain=True)
        for tx, _ in self._boxes.values():
            tx.abort(why, after_drain=True)

    def close(self) -> None:
        """This member has left."""
        self.left = True
        for end in self._all_ends():
            end.close()
        for tx, rx in self._boxes.values():
            tx.close()
            rx.close()

    def _all_ends(self) -> Iterator[Any]:
        yield from self._senders.values()
        yield from self._receivers.values()
        yield from self._doors.values()
        yield self._door

    async def ended(self) -> None:
        """Wait for the processes of this member, which end once it is closed."""
        await asyncio.wait([self._porter, *self._taking.values()])


def _item_of(delivered: Any) -> Any:
    """T of the tuple[str, int, Sender[T]] that is handed in at a door."""
    return get_args(get_args(delivered)[2])[0] if get_args(delivered) else Any


def _reason(error: BaseException) -> str:
    """Of a channel that was aborted the reason; of any other the error and its cause."""
    cause = error.__cause__
    if isinstance(error, ChannelAborted) and cause is not None:
        return str(cause).removeprefix("TeamBroken: ").removeprefix("TeamMismatch: ")
    return f"{error}{'' if cause is None else f' ({cause})'}" or type(error).__name__
