"""Arithmetic of Cartesian topologies: ranks, coordinates, shifts, sub-grids, and balanced dimensions, as MPI has them.

Ranks go row by row: the last coordinate counts fastest (MPI 4.1, 8.5.1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from .errors import InvalidTopology


@dataclass(frozen=True)
class Cartesian:
    """A grid of so many places along each axis; `periodic` says for each axis whether it closes to a ring."""

    dims: tuple[int, ...]
    periodic: tuple[bool, ...]

    def __init__(self, dims: Sequence[int], periodic: bool | Sequence[bool] = False) -> None:
        extents = tuple(dims)
        closed = (periodic,) * len(extents) if isinstance(periodic, bool) else tuple(periodic)
        if not extents or any(type(extent) is not int or extent < 1 for extent in extents):
            raise InvalidTopology(f"dims are positive whole numbers, one for each axis, not {dims!r}")
        if len(closed) != len(extents):
            raise InvalidTopology(f"periodic is one bool, or one for each of {len(extents)} axes, not {periodic!r}")
        object.__setattr__(self, "dims", extents)
        object.__setattr__(self, "periodic", closed)

    @property
    def size(self) -> int:
        """How many places there are."""
        return math.prod(self.dims)

    def coords(self, rank: int) -> tuple[int, ...]:
        """Where a rank is. InvalidTopology: it is nowhere."""
        if not 0 <= rank < self.size:
            raise InvalidTopology(f"rank {rank} is not on a grid of {self.size}")
        found = []
        for extent in reversed(self.dims):
            rank, coordinate = divmod(rank, extent)
            found.append(coordinate)
        return tuple(reversed(found))

    def rank(self, coords: Sequence[int]) -> int | None:
        """Who is there; None beyond a border that does not close."""
        if len(coords) != len(self.dims):
            raise InvalidTopology(f"{tuple(coords)} are not the coordinates of a grid of {len(self.dims)} axes")
        found = 0
        for coordinate, extent, closes in zip(coords, self.dims, self.periodic, strict=True):
            if closes:
                coordinate %= extent
            elif not 0 <= coordinate < extent:
                return None
            found = found * extent + coordinate
        return found

    def shift(self, rank: int, axis: int, displacement: int = 1) -> tuple[int | None, int | None]:
        """Along an axis: from whom `rank` gets, and to whom it gives, when all give as far (MPI_Cart_shift)."""
        if not -len(self.dims) <= axis < len(self.dims):
            raise InvalidTopology(f"axis {axis} of a grid of {len(self.dims)} axes")
        here = list(self.coords(rank))
        there = list(here)
        there[axis] += displacement
        here[axis] -= displacement
        return self.rank(here), self.rank(there)

    def neighbours(self, rank: int) -> list[int | None]:
        """Of each axis the one before and the one behind, None at a border."""
        return [each for axis in range(len(self.dims)) for each in self.shift(rank, axis)]

    def sub(self, keep: Sequence[int]) -> Cartesian:
        """The grid of these axes alone, in their order (MPI_Cart_sub)."""
        axes = self._axes(keep)
        return Cartesian([self.dims[axis] for axis in axes], [self.periodic[axis] for axis in axes])

    def members_of_sub(self, rank: int, keep: Sequence[int]) -> list[int]:
        """The ranks of the sub-grid that holds `rank`, in the order of their ranks there."""
        axes, here = self._axes(keep), list(self.coords(rank))
        found = []
        for along in product(*(range(self.dims[axis]) for axis in axes)):
            for axis, coordinate in zip(axes, along, strict=True):
                here[axis] = coordinate
            member = self.rank(here)
            assert member is not None
            found.append(member)
        return found

    def _axes(self, keep: Sequence[int]) -> list[int]:
        axes = sorted({axis % len(self.dims) for axis in keep if -len(self.dims) <= axis < len(self.dims)})
        if not axes or len(axes) != len(keep):
            raise InvalidTopology(f"a sub-grid keeps some of the {len(self.dims)} axes, each once, not {tuple(keep)}")
        return axes


def balanced_dims(size: int, axes: int, given: Sequence[int] = ()) -> tuple[int, ...]:
    """`size` places on so many axes, as close to each other as can be, the largest first (MPI_Dims_create).

    given  extents that stand already, by axis; 0 is to be found. InvalidTopology: they do not divide `size`.
    """
    fixed = list(given) or [0] * axes
    if size < 1 or axes < 1 or len(fixed) != axes or any(extent < 0 for extent in fixed):
        raise InvalidTopology(f"{size} places on {axes} axes, of which {list(given)} are given")
    known = math.prod(extent for extent in fixed if extent)
    free = fixed.count(0)
    if size % known or (not free and known != size):
        raise InvalidTopology(f"{size} places do not fill a grid of which {fixed} is given (0 is open)")
    if not free:
        return tuple(fixed)
    best = min(_factorings(size // known, free), key=lambda each: (each[0] - each[-1], each))
    found = iter(best)
    return tuple(extent or next(found) for extent in fixed)


def _factorings(size: int, count: int, most: int | None = None) -> Iterator[tuple[int, ...]]:
    """Every way to write `size` as so many factors, the largest first, none above `most`."""
    limit = size if most is None else min(size, most)
    if count == 1:
        if size <= limit:
            yield (size,)
        return
    for first in range(limit, 0, -1):
        if first**count < size:
            return
        if size % first == 0:
            for rest in _factorings(size // first, count - 1, first):
                yield (first, *rest)
