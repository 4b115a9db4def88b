"""Seats: the place of one member in a team, as channel ends that move to whoever takes it.

Whoever opens a team gets a seat for each member, and passes each to an actor or a process, here or on another node. So
a team is as close together, or as far apart, as its seats are: nothing else knows.

Invariants
- From each member to each other one leads one channel, with one sender and one receiver: so what one sends to another
  comes in order, and the end of a member is seen by each of the others, at once.
- Each member has a door, at which the others hand it ends of channels.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from ..channels.opening import open_channel
from ..channels.receiver import Receiver
from ..channels.sender import Sender
from .errors import InvalidCall

if TYPE_CHECKING:
    from .team import Team

T = TypeVar("T")

#: Items on the way from one member to another. A member is at most one collective ahead of another, and sends at most
#: a few items to it in each.
PLACES: Final = 16
#: Seconds that a collective may take, from the first member that calls it to the last.
PATIENCE: Final = 300.0

#: What one member sends to another: whose it is (of which team over these seats), and parts.
Part: TypeAlias = tuple[str, list[memoryview]]


@dataclass
class Seat(Generic[T]):
    """One member's place. `async with seat as team:` takes it; it is the argument of an actor or a process, or an item.

    T is what the channels between neighbours of a topology carry (`Team.cart`).
    """

    name: str
    rank: int
    patience: float
    #: Of all teams that ranks of one job open, each has another number; -1 where none of them has opened it.
    number: int
    senders: list[Sender[Part]]
    receivers: list[Receiver[Part]]
    #: Where others hand in ends: whose, which of them, and the end.
    door: Receiver[tuple[str, int, Sender[T]]]
    doors: list[Sender[tuple[str, int, Sender[T]]]]

    @property
    def size(self) -> int:
        """How many members the team has."""
        return len(self.senders) + 1

    async def __aenter__(self) -> Team[T]:
        from .team import Team

        self._team = Team.of(self)
        return self._team

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._team.leave(exc)

    def close(self) -> None:
        """Give the place up without taking it: the team breaks for those who call something."""
        for end in (*self.senders, *self.receivers, self.door, *self.doors):
            end.close()


def _open(size: int, /, *, name: str = "team", patience: float = PATIENCE, declared: Any = Any) -> list[Seat[Any]]:
    if type(size) is not int or size < 1:
        raise InvalidCall(f"a team has one member or more, not {size!r}")
    if not patience > 0:
        raise InvalidCall(f"patience is a number of seconds, or math.inf, not {patience!r}")
    ends: dict[tuple[int, int], tuple[Sender[Part], Receiver[Part]]] = {
        (one, other): open_channel[Part](PLACES, name=f"{name}: {one} to {other}")
        for one in range(size)
        for other in range(size)
        if one != other
    }
    delivered: Any = tuple[str, int, Sender[declared]]
    doors = [open_channel[delivered](math.inf, name=f"{name}: the door of {rank}") for rank in range(size)]
    seats = []
    number = _next_number()
    for rank in range(size):
        others = [other for other in range(size) if other != rank]
        seats.append(
            Seat[Any](
                name, rank, patience, number, [ends[rank, other][0] for other in others],
                [ends[other, rank][1] for other in others], doors[rank][1],
                [doors[other][0].clone() for other in others],
            )
        )  # fmt: skip
    for door, _ in doors:
        door.close()
    return seats


_opened = itertools.count()


def _next_number() -> int:
    from .ranks import here

    ranks = here()
    return -1 if ranks is None else ranks.world.rank + ranks.world.size * next(_opened)


class open_team(list[Seat[T]]):
    """Open a team: `seats = open_team(size)`, a seat for each member, by rank; pass each to a member.

    size      how many members
    name      for errors
    patience  seconds that a collective may take from its first caller on; then the team breaks (math.inf: for ever)

    With `open_team[T](size)` the channels between neighbours of a topology carry T. To a type checker it is the list it
    returns; at run time it is a function.
    """

    if TYPE_CHECKING:

        def __init__(self, size: int, /, *, name: str = "team", patience: float = PATIENCE) -> None: ...

    else:

        def __new__(cls, size, /, **options):
            return _open(size, **options)

        def __class_getitem__(cls, declared):
            return functools.partial(_open, declared=declared)
