"""TM-9 to TM-12: Cartesian arithmetic, and topologies whose neighbours are ends of channels."""

from __future__ import annotations

import asyncio
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import actorpar as ap
from actorpar.teams.cartesian import Cartesian, balanced_dims
from actorpar.teams.errors import InvalidCall, InvalidTopology, TeamBroken, TeamMismatch
from actorpar.teams.neighbourhood import Grid
from actorpar.teams.team import Team
from tests.teams.working import together

GRIDS = st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=4)


@given(GRIDS)
def test_tm09_ranks_and_coordinates_are_the_same_places_row_by_row(axes: list[tuple[int, bool]]) -> None:
    grid = Cartesian([extent for extent, _ in axes], [closes for _, closes in axes])
    places = list(itertools.product(*(range(extent) for extent in grid.dims)))
    assert [grid.coords(rank) for rank in range(grid.size)] == places
    assert [grid.rank(place) for place in places] == list(range(grid.size))


@given(GRIDS, st.data())
def test_tm09_a_shift_goes_there_and_back(axes: list[tuple[int, bool]], data: st.DataObject) -> None:
    grid = Cartesian([extent for extent, _ in axes], [closes for _, closes in axes])
    axis = data.draw(st.integers(0, len(axes) - 1))
    by = data.draw(st.integers(-5, 5))
    for rank in range(grid.size):
        source, destination = grid.shift(rank, axis, by)
        there = list(grid.coords(rank))
        there[axis] += by
        if grid.periodic[axis]:
            there[axis] %= grid.dims[axis]
        inside = 0 <= there[axis] < grid.dims[axis]
        assert destination == (grid.rank(there) if inside else None)
        assert source is None or grid.shift(source, axis, by)[1] == rank


@given(GRIDS, st.data())
def test_tm09_sub_grids_part_the_grid(axes: list[tuple[int, bool]], data: st.DataObject) -> None:
    grid = Cartesian([extent for extent, _ in axes], [closes for _, closes in axes])
    keep = data.draw(st.lists(st.sampled_from(range(len(axes))), min_size=1, unique=True))
    parts = {tuple(grid.members_of_sub(rank, keep)) for rank in range(grid.size)}
    assert sorted(itertools.chain(*parts)) == list(range(grid.size))
    sub = grid.sub(keep)
    for part in parts:
        assert len(part) == sub.size
        assert [tuple(grid.coords(m)[axis] for axis in sorted(keep)) for m in part] == [
            sub.coords(rank) for rank in range(sub.size)
        ]


@settings(max_examples=60)
@given(st.integers(1, 300), st.integers(1, 4))
def test_tm09_balanced_dims_fill_the_grid_and_none_are_closer(size: int, axes: int) -> None:
    dims = balanced_dims(size, axes)
    assert math.prod(dims) == size
    assert list(dims) == sorted(dims, reverse=True)
    divisors = [n for n in range(1, size + 1) if size % n == 0]
    for other in itertools.combinations_with_replacement(divisors, axes):
        if math.prod(other) == size:
            assert max(dims) - min(dims) <= max(other) - min(other)


def test_tm09_given_extents_stay_and_what_does_not_fill_is_refused() -> None:
    assert balanced_dims(12, 3, (0, 3, 0)) == (2, 3, 2)
    assert balanced_dims(6, 2, (2, 3)) == (2, 3)
    for size, axes, given_dims in ((7, 2, (2, 0)), (6, 2, (2, 2)), (0, 1, ()), (4, 2, (2,)), (4, 1, (-4,))):
        with pytest.raises(InvalidTopology):
            balanced_dims(size, axes, given_dims)
    for dims, periodic in (((), False), ((0, 2), False), ((2, 2), [True])):
        with pytest.raises(InvalidTopology):
            Cartesian(dims, periodic)
    with pytest.raises(InvalidTopology):
        Cartesian([2, 2]).shift(0, 2)
    with pytest.raises(InvalidTopology):
        Cartesian([2, 2]).sub([0, 0])


@pytest.mark.parametrize(
    ("dims", "periodic"), [((6,), True), ((6,), False), ((2, 3), (False, True)), ((3, 2), True), ((1, 2, 2), True)]
)
async def test_tm10_what_neighbours_send_each_other_comes_from_where_the_arithmetic_says(
    dims: tuple[int, ...], periodic: Any
) -> None:
    async def member(team: Team[Any]) -> None:
        grid = await team.cart(dims, periodic=periodic)
        assert grid.coords == Cartesian(dims, periodic).coords(team.rank)
        for (axis, direction), neighbour in grid.neighbours.items():
            assert neighbour.rank == grid.shift(axis, direction)[1]
            await neighbour.sender.send((grid.rank, axis, direction))
        for (axis, direction), neighbour in grid.neighbours.items():
            assert await neighbour.receiver.receive() == (neighbour.rank, axis, -direction)
        values = [f"{grid.rank} to {each.rank}" for each in grid.destinations]
        expected = [f"{each.rank} to {grid.rank}" for each in grid.sources]
        for _ in range(3):
            assert sorted(await grid.exchange(values)) == sorted(expected)
        grid.close_neighbours()

    size = math.prod(dims)
    assert await together(size, member) == [None] * size


async def test_tm10_neighbours_are_ends_that_select_takes_and_that_are_typed() -> None:
    async def member(team: Team[np.ndarray]) -> list[float]:
        grid = await team.cart([3], periodic=True)
        before, behind = grid.neighbours[0, -1], grid.neighbours[0, 1]
        await behind.sender.send(np.full(3, grid.rank))
        match await ap.select(ap.receive_from(behind.receiver), ap.receive_from(before.receiver)):
            case 1, array:
                found = [float(each) for each in array]
            case _:
                raise AssertionError
        grid.close_neighbours()
        return found

    assert await together(3, member, item=np.ndarray) == [[2.0] * 3, [0.0] * 3, [1.0] * 3]


async def test_tm11_sub_grids_are_teams_of_their_own() -> None:
    async def member(team: Team[Any]) -> tuple[list[int], list[int], int]:
        grid = await team.cart((2, 3), periodic=True)
        row, column = await grid.sub([1]), await grid.sub([0])
        assert row.cartesian == Cartesian([3], True)
        assert column.coords == (grid.coords[0],)
        found = await row.allgather(team.rank), await column.allgather(team.rank), await grid.allreduce(1)
        for each in (grid, row, column):
            each.close_neighbours()
        return found

    rows, columns = ([0, 1, 2], [3, 4, 5]), ([0, 3], [1, 4], [2, 5])
    assert await together(6, member) == [(rows[rank // 3], columns[rank % 3], 6) for rank in range(6)]


async def test_tm11_sub_grids_have_sub_grids() -> None:
    async def member(team: Team[Any]) -> list[int]:
        grid = await team.cart((2, 2, 2))
        plane = await grid.sub([0, 2])
        line = await plane.sub([1])
        found = await line.allgather(team.rank)
        for each in (grid, plane, line):
            each.close_neighbours()
        return found

    assert await together(8, member) == [[rank & 6, rank | 1] for rank in range(8)]


async def test_tm12_graphs_have_edges_as_they_are_named_also_several_between_two() -> None:
    adjacency = [[1, 1, 2], [0], [2, 0]]

    async def member(team: Team[Any]) -> list[str]:
        graph = await team.graph(adjacency)
        for number, each in enumerate(graph.destinations):
            await each.sender.send(f"{graph.rank}.{number}")
        came = [await each.receiver.receive() for each in graph.sources]
        assert await graph.exchange([f"{graph.rank}.{n}" for n in range(len(graph.destinations))]) == came
        graph.close_neighbours()
        return came

    assert await together(3, member) == [["1.0", "2.1"], ["0.0", "0.1"], ["0.2", "2.0"]]


async def test_tm12_a_distributed_graph_must_be_named_alike_by_both_sides_of_each_edge() -> None:
    async def member(team: Team[Any]) -> None:
        ring = await team.dist_graph([(team.rank - 1) % 3], [(team.rank + 1) % 3])
        assert await ring.exchange([team.rank]) == [(team.rank - 1) % 3]
        ring.close_neighbours()
        with pytest.raises(TeamMismatch, match="member 0 gets from member 1 1 times, and that one gives to it 0 times"):
            await team.dist_graph([1] if team.rank == 0 else [], [])

    assert await together(3, member) == [None] * 3


async def test_tm02_what_was_given_to_a_neighbour_may_be_changed_at_once() -> None:
    """Member 2 is done while member 1 still waits for member 0, and has not looked at what came from 2."""
    changed = asyncio.Event()

    async def member(team: Team[Any]) -> list[float]:
        grid = await team.cart([3])
        if team.rank == 0:
            await changed.wait()
        array = np.full(30_000, float(team.rank))
        found = await grid.exchange([array] * len(grid.destinations))
        array += 100
        if team.rank == 2:
            changed.set()
        await team.barrier()
        grid.close_neighbours()
        return [float(each[-1]) for each in found]

    assert await together(3, member) == [[1.0], [0.0, 2.0], [1.0]]


async def test_tm12_a_member_that_only_gets_exchanges_with_those_that_only_give() -> None:
    async def member(team: Team[Any]) -> list[str]:
        gives = team.rank > 0
        star = await team.dist_graph([] if gives else [1, 2], [0] if gives else [])
        found = await star.exchange([f"of {team.rank}"] if gives else [])
        wanted = await star.exchange([f"of {team.rank}"], of=str) if gives else await star.exchange([], of=str)
        assert wanted == found
        star.close_neighbours()
        return found

    assert await together(3, member) == [["of 1", "of 2"], [], []]


async def test_tm12_an_exchange_that_cannot_be_encoded_has_sent_nothing() -> None:
    async def member(team: Team[Any]) -> list[int]:
        grid = await team.cart([3], periodic=True)
        if team.rank == 0:
            with pytest.raises(InvalidCall, match="values of 2 types"):
                await grid.exchange([1, "2"])
            with pytest.raises(ap.CodecError):
                await grid.exchange([1, object()], of=object)
        found = await grid.exchange([team.rank, team.rank])
        grid.close_neighbours()
        return found

    assert await together(3, member) == [[2, 1], [0, 2], [1, 0]]


async def twice(grid: Grid[Any]) -> None:
    """Exchange what does not fit at member 0; who is between two others may find out at the second time only."""
    for _ in range(2):
        values: list[Any] = [1, 2] if grid.rank else ["1", "2"]
        await grid.exchange(values)


async def test_tm12_an_exchange_of_what_does_not_fit_breaks_the_team() -> None:
    async def member(team: Team[Any]) -> None:
        grid = await team.cart([3], periodic=True)
        with pytest.raises(InvalidCall, match="a value for each of 2 destinations, not 1"):
            await grid.exchange([1])
        with pytest.raises(TeamBroken, match=r"gives (str|int), and member . wants (str|int)"):
            await twice(grid)
        grid.close_neighbours()

    assert await together(3, member) == [None] * 3


async def test_tm09_members_that_do_not_fill_a_grid_are_told_before_anything_is_sent() -> None:
    async def member(team: Team[Any]) -> int:
        with pytest.raises(InvalidTopology, match=r"3 members do not fill a grid of \(2, 2\), 4"):
            await team.cart((2, 2))
        with pytest.raises(InvalidTopology, match="names the neighbours of each of 3 members"):
            await team.graph([[0]])
        with pytest.raises(InvalidTopology, match="neighbours are named by rank, 0 to 2"):
            await team.dist_graph([3], [])
        return await team.allreduce(1)

    assert await together(3, member) == [3] * 3
