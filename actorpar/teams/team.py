"""A team: what its members call together.

All members call the same collectives in the same order. A collective is a process of this member that runs in the
background; who has called it waits for its result alone. So a caller that is cancelled leaves the team whole: the
collective is finished for the others, and the next one of this member begins after it.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import math
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from ..channels import env
from ..channels.runqueue import run_queue
from ..nodes.errors import CodecError
from . import values
from .engine import Channels
from .errors import InvalidCall, TeamBroken
from .mesh import Mesh
from .ops import SUM, Reduction, name_of
from .ranks import by_ranks, place_here

if TYPE_CHECKING:
    from .neighbourhood import Grid, Neighbourhood
    from .seat import Seat

T = TypeVar("T")
V = TypeVar("V")

#: Seconds after its patience for which a member waits for the word of one that knows who is missing.
GRACE: Final = 1.0


class Team(Generic[T]):
    """One member's view of a team. Made by taking a seat, and by `split`, `cart`, `graph` and `dist_graph`.

    name  as it was opened
    rank  of this member
    size  how many members there are

    All collectives raise TeamBroken when the team has ended, for whatever reason, and TeamMismatch when members have
    called different ones; InvalidCall, before anything is sent, for what no member could call. Values are encoded by
    their type, as on any channel: what one member gets is its own.
    """

    def __init__(self, mesh: Mesh, name: str, members: Sequence[int], seats: list[Team[Any]]) -> None:
        self.name = name
        self.members = tuple(members)  # by their ranks in the team that was opened
        self.rank = members.index(mesh.rank)
        self.size = len(members)
        from .collectives import Collectives

        self._mesh = mesh
        self._seats = seats  # all teams over these seats
        seats.append(self)
        self._collectives = Collectives(name, Channels(mesh, name, members), self.rank, self.size)
        self._has_met = len(seats) > 1  # only the first of them may be on ranks of their own
        self._waiting: collections.deque[tuple[Callable[[], Awaitable[Any]], str, asyncio.Future[Any]]]
        self._waiting = collections.deque()
        self._driver: Any = None
        self._called = 0

    @staticmethod
    def of(seat: Seat[T]) -> Team[T]:
        """Take a seat."""
        return Team(Mesh(seat), seat.name, range(seat.size), [])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}, member {self.rank} of {self.size}>"

    # -- collectives

    async def barrier(self) -> None:
        """Wait until all members have come here."""
        await self._call(self._collectives.barrier, "barrier")

    async def broadcast(
        self, value: V | None = None, *, root: int = 0, of: type[V] | None = None, out: Any = None
    ) -> V:
        """The value of `root`, at all members. The others pass none, and may say of which type it is, or where an
        array is to be received (`out`)."""
        self._check_root(root)
        declared = values.type_of(value, of) if self.rank == root else _expected(of, out)
        return cast(V, await self._call(self._collectives.broadcast, "broadcast", value, root, declared, out))

    async def scatter(self, given: Sequence[V] | None = None, *, root: int = 0, of: type[V] | None = None) -> V:
        """Of the values that `root` gives, one for each member, the one for this member."""
        self._check_root(root)
        if self.rank != root:
            return cast(V, await self._call(self._collectives.scatter, "scatter", None, root, _expected(of, None)))
        mine = self._one_each("scatter", given)
        return cast(V, await self._call(self._collectives.scatter, "scatter", mine, root, common_type(mine, of)))

    async def gather(self, value: V, *, root: int = 0, of: type[V] | None = None) -> list[V] | None:
        """The values of all members, by rank, at `root`; None at the others."""
        self._check_root(root)
        return cast("list[V] | None", await self._gather(value, root, of))

    async def allgather(self, value: V, *, of: type[V] | None = None) -> list[V]:
        """The values of all members, by rank, at all of them."""
        return cast("list[V]", await self._gather(value, None, of))

    async def _gather(self, value: Any, root: int | None, of: Any) -> Any:
        kind = "allgather" if root is None else "gather"
        return await self._call(self._collectives.gather, kind, value, root, values.type_of(value, of))

    async def alltoall(self, given: Sequence[V], *, of: type[V] | None = None) -> list[V]:
        """Give one value to each member; what each has given to this one, by rank."""
        mine = self._one_each("alltoall", given)
        return cast("list[V]", await self._call(self._collectives.alltoall, "alltoall", mine, common_type(mine, of)))

    async def reduce(self, value: V, op: Reduction = SUM, *, root: int = 0) -> V | None:
        """The values of all members as one, folded in the order of ranks, at `root`; None at the others.

        Arrays have one shape and dtype at all members, and are reduced element by element.
        """
        self._check_root(root)
        return cast(
            "V | None", await self._call(self._collectives.reduce, "reduce", value, op, name_of(op), root, None)
        )

    async def allreduce(self, value: V, op: Reduction = SUM, *, out: Any = None) -> V:
        """`reduce` for all members; an array may be received into `out`, which may be `value` itself."""
        if out is not None:
            values.checked_out(out, value)
        return cast(V, await self._call(self._collectives.reduce, "allreduce", value, op, name_of(op), None, out))

    async def scan(self, value: V, op: Reduction = SUM) -> V:
        """The values of all members up to this one as one, folded in the order of ranks."""
        return cast(V, await self._call(self._collectives.scan, "scan", value, op, name_of(op)))

    def _check_root(self, root: int) -> None:
        if type(root) is not int or not 0 <= root < self.size:
            raise InvalidCall(f"root is the rank of a member, 0 to {self.size - 1}, not {root!r}")

    def _one_each(self, kind: str, given: Sequence[Any] | None) -> list[Any]:
        mine = list(given) if given is not None else []
        if len(mine) != self.size:
            raise InvalidCall(f"{self.name}: {kind} takes a value for each of {self.size} members, not {len(mine)}")
        return mine

    # -- other teams of these members

    async def split(self, colour: int | None, key: int = 0) -> Team[T] | None:
        """A team of those that pass the same colour, ranked by their keys, then by their ranks here; None for none."""
        told = await self._tell("split", "", (colour, key), tuple[int | None, int])
        if colour is None:
            return None
        chosen = sorted((each[1], rank) for rank, each in enumerate(told) if each[0] == colour)
        return Team(self._mesh, self._next_name(f"colour {colour}"), [self.members[r] for _, r in chosen], self._seats)

    async def cart(
        self, dims: Sequence[int], *, periodic: bool | Sequence[bool] = False, capacity: float = 1
    ) -> Grid[T]:
        """A Cartesian topology over all members: rank after rank, row by row, with channels between neighbours.

        capacity  of these channels. InvalidTopology: the members do not fill it.
        """
        from .neighbourhood import Grid

        return await Grid.over(self, dims, periodic, capacity)

    async def graph(self, adjacency: Sequence[Sequence[int]], *, capacity: float = 1) -> Neighbourhood[T]:
        """A graph over all members: for each, whom it gives to. All pass the same. InvalidTopology."""
        from .neighbourhood import over_graph

        return await over_graph(self, adjacency, capacity)

    async def dist_graph(
        self, sources: Sequence[int], destinations: Sequence[int], *, capacity: float = 1
    ) -> Neighbourhood[T]:
        """A graph of which each member names its own neighbours alone. TeamMismatch: of two, one names the other."""
        from .neighbourhood import over_dist_graph

        return await over_dist_graph(self, sources, destinations, capacity)

    async def _tell(self, kind: str, alike: str, value: Any, declared: Any) -> list[Any]:
        return cast("list[Any]", await self._call(self._collectives.collect, kind, kind, alike, value, declared))

    def _next_name(self, what: str) -> str:
        """The name of a team over the same seats: the same at all its members, and of no other one."""
        return f"{self.name}, {what} ({self._called})"

    # -- driving

    async def _call(self, collective: Callable[..., Coroutine[Any, Any, Any]], kind: str, *args: Any) -> Any:
        """Run a collective behind those that were called before, and wait for its result."""
        if self._mesh.left:
            raise InvalidCall(f"{self.name}: member {self.rank} has left")
        self._called += 1
        begin: Callable[[], Awaitable[Any]]
        if self._collectives.engine.is_quick and self._driver is None:
            try:
                begun = _Begun(collective(*args))
            except StopIteration as over:
                return over.value
            except Exception as error:
                self._failed(kind, error)
                raise
            begin = lambda: begun  # noqa: E731
        else:
            begin = functools.partial(collective, *args)
        queue = run_queue()
        answer = queue.loop.create_future()
        self._waiting.append((begin, kind, answer))
        if self._driver is None:
            self._driver = queue.spawn(self._drive(), f"{self.name}: collectives of member {self.rank}")
        return await answer

    async def _drive(self) -> None:
        while self._waiting:
            begin, kind, answer = self._waiting.popleft()
            try:
                if not self._has_met:
                    await self._in_time(self._meet, kind)
                result = await self._in_time(begin, kind)
            except Exception as error:
                self._failed(kind, error)
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(result)
        self._driver = None

    def _failed(self, kind: str, error: Exception) -> None:
        """What was refused before anything was sent is the caller's alone; any other failure is one of the team."""
        if isinstance(error, TeamBroken):
            self._mesh.fail(error)
        elif not isinstance(error, InvalidCall | CodecError):
            text = f"{self.name}: member {self.rank} failed in {kind}: {type(error).__name__}: {error}"
            self._mesh.fail(TeamBroken(text))

    async def _meet(self) -> None:
        """Before the first collective: find out whether all members are on ranks of MPI of their own."""
        self._has_met = True
        steps = by_ranks(self._mesh, self._mesh.number, await self._collectives.places(place_here()))
        if steps is not None:
            self._collectives.engine = steps

    async def _in_time(self, begin: Callable[[], Awaitable[Any]], kind: str) -> Any:
        patience = self._mesh.patience
        if math.isinf(patience):
            return await begin()
        began = env.clock()
        try:
            async with asyncio.timeout(patience) as limit:
                watch = run_queue().loop.call_later(patience, self._missing, kind, patience)
                limit.reschedule(run_queue().loop.time() + patience + GRACE)
                try:
                    return await begin()
                finally:
                    watch.cancel()
        except TimeoutError:
            awaited = self._collectives.engine.awaits
            who = "another member" if awaited is None else f"member {awaited[0]}"
            took = f"{env.clock() - began:.1f} s"
            raise TeamBroken(
                f"{self.name}: {kind} has taken {took} at member {self.rank}, which waits for {who}"
            ) from None

    def _missing(self, kind: str, patience: float) -> None:
        """Patience is over. Who has not heard at all of the member that it hears of first knows who is missing."""
        awaited = self._collectives.engine.awaits
        if awaited is not None and awaited[1]:
            self._mesh.fail(
                TeamBroken(f"{self.name}: member {awaited[0]} has not called {kind} in {patience:g} s, as others have")
            )

    # -- leaving

    async def leave(self, error: BaseException | None = None) -> None:
        """Finish what was called, and leave; with an error, break the team. Other members see it in what they call."""
        mesh = self._mesh
        if error is not None:
            text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            why = str(error) if isinstance(error, TeamBroken) else f"{self.name}: member {self.rank} failed: {text}"
            mesh.fail(TeamBroken(why))
        try:
            for team in self._seats:
                if team._driver is not None:
                    await asyncio.wait([team._driver])
        finally:
            mesh.close()
        await mesh.ended()


class _Begun:
    """A coroutine that has taken its first step here, and goes on where it is awaited. StopIteration: it is over."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._signal = coroutine.send(None)

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, signal = self._coroutine, self._signal
        while True:
            try:
                try:
                    sent = yield signal
                except BaseException as error:
                    signal = coroutine.throw(error)
                else:
                    signal = coroutine.send(sent)
            except StopIteration as over:
                return over.value


def _expected(of: Any, out: Any) -> Any:
    return type(out) if of is None and out is not None else Any if of is None else of


def common_type(given: Sequence[Any], of: Any) -> Any:
    """The type of all the values, if it was not declared."""
    if of is not None:
        return of
    kinds = set(map(type, given))
    if len(kinds) != 1:
        raise InvalidCall(f"values of {len(kinds)} types ({', '.join(sorted(k.__name__ for k in kinds))}): pass `of=`")
    return kinds.pop()
