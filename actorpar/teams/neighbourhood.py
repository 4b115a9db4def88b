"""Topologies over teams: whom a member gives to and gets from, as ends of channels.

Each edge is a channel. Who gets opens it, and hands the sending end to who gives, through its door; so the ends are the
members' own, on whatever lies between them, and can be selected over, cloned and passed on like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ..channels.opening import open_channel
from . import values
from .cartesian import Cartesian
from .engine import own
from .errors import InvalidCall, InvalidTopology, TeamMismatch
from .team import Team, common_type

if TYPE_CHECKING:
    from ..channels.receiver import Receiver
    from ..channels.sender import Sender

T = TypeVar("T")
V = TypeVar("V")


@dataclass(frozen=True)
class Source(Generic[T]):
    """Somebody who gives to this member."""

    rank: int
    receiver: Receiver[T]


@dataclass(frozen=True)
class Destination(Generic[T]):
    """Somebody whom this member gives to."""

    rank: int
    sender: Sender[T]


@dataclass(frozen=True)
class Neighbour(Generic[T]):
    """Who is next along an axis of a grid: both directions of the way there."""

    rank: int
    sender: Sender[T]
    receiver: Receiver[T]


class Neighbourhood(Team[T]):
    """A team whose members have neighbours.

    sources       who gives to this member, in the order in which it has named them
    destinations  whom it gives to
    """

    sources: tuple[Source[T], ...] = ()
    destinations: tuple[Destination[T], ...] = ()

    async def exchange(self, given: Sequence[V], *, of: type[V] | None = None) -> list[V]:
        """Give one value to each destination; what the sources have given to this member, in their order.

        Only neighbours wait for each other. Their types must be the same; TeamMismatch. A member that only gets says by
        `of` which type it wants, or gets what comes.
        """
        mine = list(given)
        if len(mine) != len(self.destinations):
            wanted = len(self.destinations)
            raise InvalidCall(f"{self.name}: exchange takes a value for each of {wanted} destinations, not {len(mine)}")
        declared = common_type(mine, of) if mine or of is not None else Any
        return cast("list[V]", await self._call(self._exchange, "exchange", mine, declared))

    async def _exchange(self, mine: list[Any], declared: Any) -> list[Any]:
        tag = f"{self.name}: exchange"
        name = values.name_of(declared)
        head = memoryview(name.encode())
        # Nobody says when he has taken his part, and ours may change as soon as this returns: copies go.
        given = [[head, *(memoryview(bytearray(part)) for part in values.encode(value, declared))] for value in mine]
        to_itself: list[list[memoryview]] = []
        for destination, parts in zip(self.destinations, given, strict=True):
            if destination.rank == self.rank:
                to_itself.append(parts)
            else:
                await self._mesh.send(self.members[destination.rank], tag, parts)
        found = []
        for source in self.sources:
            here = source.rank == self.rank
            parts = to_itself.pop(0) if here else await self._mesh.receive(self.members[source.rank], tag)
            theirs = bytes(parts[0]).decode()
            if theirs != name and (self.destinations or declared is not Any):
                raise TeamMismatch(
                    f"{self.name}: in exchange member {source.rank} gives {theirs}, and member {self.rank} wants {name}"
                )
            found.append(values.decode(own(parts[1:]), declared))
        return found

    async def _lay(self, sources: Sequence[int], destinations: Sequence[int], numbers: Sequence[int],
                   wanted: Sequence[int], capacity: float) -> None:  # fmt: skip
        """Open a channel for each source, and give its sending end to that one, by its number there."""
        declared = self._mesh.item
        mesh, found = self._mesh, []
        for source, number in zip(sources, numbers, strict=True):
            tx, rx = open_channel[declared](capacity, name=f"{self.name}: {source} to {self.rank}")  # type: ignore[valid-type]
            mesh.hand(self.members[source], self.name, number, tx)
            found.append(Source(source, rx))
        self.sources = tuple(found)
        self.destinations = tuple(
            [Destination(rank, await mesh.handed(self.name, n)) for rank, n in zip(destinations, wanted, strict=True)]
        )

    def close_neighbours(self) -> None:
        """Close the ends of all channels to and from neighbours."""
        for source in self.sources:
            source.receiver.close()
        for destination in self.destinations:
            destination.sender.close()


class Grid(Neighbourhood[T]):
    """A Cartesian topology: `cartesian` is its arithmetic, `coords` where this member is."""

    def __init__(self, mesh: Any, name: str, members: Sequence[int], seats: list[Team[Any]], shape: Cartesian) -> None:
        super().__init__(mesh, name, members, seats)
        self.cartesian = shape
        self.coords = shape.coords(self.rank)
        self._neighbours: dict[tuple[int, int], Neighbour[T]] = {}

    @staticmethod
    async def over(team: Team[T], dims: Sequence[int], periodic: bool | Sequence[bool], capacity: float) -> Grid[T]:
        """Lay a grid over a team."""
        shape = Cartesian(dims, periodic)
        if shape.size != team.size:
            raise InvalidTopology(f"{team.name}: {team.size} members do not fill a grid of {shape.dims}, {shape.size}")
        await team._tell("cart", f"{shape.dims}, periodic={shape.periodic}", None, None)
        grid: Grid[T] = Grid(team._mesh, team._next_name("cart"), team.members, team._seats, shape)
        await grid._lay_grid(capacity)
        return grid

    async def _lay_grid(self, capacity: float) -> None:
        """Slot 2a is the neighbour before this member along axis a, 2a + 1 the one behind; for that one it is the other
        slot of the axis."""
        slots = [(slot, rank) for slot, rank in enumerate(self.cartesian.neighbours(self.rank)) if rank is not None]
        ranks = [rank for _, rank in slots]
        await self._lay(ranks, ranks, [slot ^ 1 for slot, _ in slots], [slot for slot, _ in slots], capacity)
        for (slot, rank), source, destination in zip(slots, self.sources, self.destinations, strict=True):
            place = slot // 2, 1 if slot % 2 else -1
            self._neighbours[place] = Neighbour(rank, destination.sender, source.receiver)

    @property
    def neighbours(self) -> dict[tuple[int, int], Neighbour[T]]:
        """Who is next, by axis and direction: (0, -1) is the one before this member along axis 0. None at borders."""
        return dict(self._neighbours)

    def shift(self, axis: int, displacement: int = 1) -> tuple[int | None, int | None]:
        """From whom this member gets, and to whom it gives, when all give so far along an axis."""
        return self.cartesian.shift(self.rank, axis, displacement)

    async def sub(self, keep: Sequence[int], *, capacity: float = 1) -> Grid[T]:
        """The sub-grid of these axes in which this member is. All members keep the same."""
        shape = self.cartesian.sub(keep)
        places = self.cartesian.members_of_sub(self.rank, keep)
        await self._tell("sub", str(tuple(keep)), None, None)
        name = self._next_name(f"sub {tuple(keep)}")
        grid: Grid[T] = Grid(self._mesh, name, [self.members[place] for place in places], self._seats, shape)
        await grid._lay_grid(capacity)
        return grid


async def over_graph(team: Team[T], adjacency: Sequence[Sequence[int]], capacity: float) -> Neighbourhood[T]:
    """Lay a graph that all members know over a team."""
    rows = [list(row) for row in adjacency]
    if len(rows) != team.size or any(not 0 <= each < team.size for row in rows for each in row):
        raise InvalidTopology(f"{team.name}: a graph names the neighbours of each of {team.size} members, by rank")
    sources = [rank for rank, row in enumerate(rows) for each in row if each == team.rank]
    return await over_dist_graph(team, sources, rows[team.rank], capacity)


async def over_dist_graph(
    team: Team[T], sources: Sequence[int], destinations: Sequence[int], capacity: float
) -> Neighbourhood[T]:
    """Lay a graph of which each member names its own neighbours over a team."""
    mine = list(sources), list(destinations)
    if any(not 0 <= each < team.size for row in mine for each in row):
        raise InvalidTopology(f"{team.name}: neighbours are named by rank, 0 to {team.size - 1}, not {mine}")
    told = await team._tell("dist_graph", "", mine, tuple[list[int], list[int]])
    _check_graph(team.name, told)
    graph: Neighbourhood[T] = Neighbourhood(team._mesh, team._next_name("graph"), team.members, team._seats)
    # Of several edges between the same two, the first that is named is the first at both. Edges are numbered by who
    # gives and which of its edges to the same one it is.
    numbers = [_number_of(mine[0], place, told[source][1], graph.rank) for place, source in enumerate(mine[0])]
    await graph._lay(mine[0], mine[1], numbers, range(len(mine[1])), capacity)
    return graph


def _number_of(sources: list[int], place: int, theirs: list[int], here: int) -> int:
    """Which of the edges of a source leads here, if it is the one at this place."""
    which = sources[:place].count(sources[place])
    return [number for number, rank in enumerate(theirs) if rank == here][which]


def _check_graph(name: str, told: Sequence[tuple[list[int], list[int]]]) -> None:
    for rank, (sources, _) in enumerate(told):
        for other, (_, destinations) in enumerate(told):
            if sources.count(other) != destinations.count(rank):
                raise TeamMismatch(
                    f"{name}: member {rank} gets from member {other} {sources.count(other)} times, and that one gives "
                    f"to it {destinations.count(rank)} times"
                )
