"""Which node gets which place of a grid: neighbours on one host as far as possible, and on one node.

MPI leaves that to a communicator that is created with `reorder`, when the processes have been placed already; both
Open MPI 5 and MPICH 5 give every rank its old number then. Here members are placed before they begin, so the grid is
cut into equal blocks of the least surface, one for each host, and these into blocks for its nodes (W. Gropp, Using Node
and Socket Information to Implement MPI Cartesian Topologies, 2019).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Protocol, TypeVar

from .cartesian import Cartesian
from .errors import InvalidTopology


class Placeable(Protocol):
    """What is known of a node: its name, and what nodes of one host have in common."""

    @property
    def name(self) -> str:
        """Its name."""
        raise NotImplementedError

    @property
    def host(self) -> str:
        """Its host."""
        raise NotImplementedError


N = TypeVar("N", bound=Placeable)


def place(grid: Cartesian, nodes: Sequence[N]) -> list[N]:
    """A node for each rank of a grid. Each gets as many places as any other, or one more.

    Where hosts have unequal shares, or no block of a host's share fills the grid, places go to them row by row.
    """
    if not nodes:
        raise InvalidTopology("there is no node to place a grid on: start some, as with --nodes")
    by_host = sorted(nodes, key=lambda node: (node.host, node.name))
    share, more = divmod(grid.size, len(by_host))
    slots = [node for number, node in enumerate(by_host) for _ in range(share + (number < more))]
    shares = [_common(Counter(node.host for node in slots)), _common(Counter(node.name for node in slots))]
    found: dict[int, N] = {}
    for node, coords in zip(slots, _in_blocks(grid.dims, [each for each in shares if each]), strict=True):
        rank = grid.rank(coords)
        assert rank is not None
        found[rank] = node
    return [found[rank] for rank in range(grid.size)]


def _common(counts: Counter[str]) -> int:
    """The share that all have; 0 if they differ."""
    sizes = set(counts.values())
    return sizes.pop() if len(sizes) == 1 else 0


def _in_blocks(dims: tuple[int, ...], shares: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All places, block by block of the first share, and in each block by block of the next."""
    if not shares:
        yield from product(*map(range, dims))
        return
    block = _block(dims, shares[0])
    if block is None:
        yield from _in_blocks(dims, shares[1:])
        return
    corners = product(*(range(0, extent, step) for extent, step in zip(dims, block, strict=True)))
    for corner in corners:
        for inside in _in_blocks(block, shares[1:]):
            yield tuple(at + offset for at, offset in zip(corner, inside, strict=True))


def _block(dims: tuple[int, ...], volume: int) -> tuple[int, ...] | None:
    """The block of so many places that tiles the grid and has the least surface; None: there is none."""
    edges = [[step for step in range(1, extent + 1) if extent % step == 0] for extent in dims]
    fits = [block for block in product(*edges) if math.prod(block) == volume]
    return min(fits, key=lambda block: (sum(volume // step for step in block), block), default=None)
