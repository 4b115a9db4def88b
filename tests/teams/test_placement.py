"""TM-13: neighbours of a grid are placed on one host as far as possible."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorpar.teams.cartesian import Cartesian
from actorpar.teams.errors import InvalidTopology
from actorpar.teams.placement import place


@dataclass(frozen=True)
class Node:
    name: str
    host: str


def nodes(hosts: int, each: int) -> list[Node]:
    """Their names do not tell how they are spread."""
    return [Node(f"n{number}", f"h{number % hosts}") for number in range(hosts * each)]


def crossing(grid: Cartesian, placed: list[Node]) -> int:
    """Pairs of neighbours that are on different hosts."""
    return sum(
        placed[rank].host != placed[other].host
        for rank in range(grid.size)
        for axis in range(len(grid.dims))
        if (other := grid.shift(rank, axis)[1]) is not None
    )


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(1, 4), st.integers(1, 4))
def test_tm13_every_place_has_a_node_and_every_node_its_share(dims: list[int], hosts: int, each: int) -> None:
    grid, all_of = Cartesian(dims), nodes(hosts, each)
    placed = place(grid, all_of)
    counts = Counter(placed)
    shares = [counts[node] for node in all_of]
    assert len(placed) == grid.size
    assert max(shares) - min(shares) <= 1


def test_tm13_hosts_get_blocks_of_the_least_surface() -> None:
    assert crossing(Cartesian((4, 4)), place(Cartesian((4, 4)), nodes(4, 4))) == 8  # row by row they would be 12
    assert crossing(Cartesian((8, 8)), place(Cartesian((8, 8)), nodes(4, 4))) == 16
    assert crossing(Cartesian((4, 4, 4)), place(Cartesian((4, 4, 4)), nodes(8, 2))) == 48


def test_tm13_on_a_host_nodes_get_blocks_too() -> None:
    placed = place(Cartesian((4, 4)), nodes(1, 4))
    blocks = [{placed[r * 4 + c].name for r in (a, a + 1) for c in (b, b + 1)} for a in (0, 2) for b in (0, 2)]
    assert sorted(len(block) for block in blocks) == [1, 1, 1, 1]


def test_tm13_without_nodes_there_is_no_place() -> None:
    with pytest.raises(InvalidTopology, match="there is no node to place a grid on"):
        place(Cartesian((2,)), [])
