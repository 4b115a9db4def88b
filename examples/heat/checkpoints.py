"""The plate as all its tiles had it after one step: whole, or it is no checkpoint."""

from collections.abc import Iterator

from plate import Field
from tile import Part

import actorpar as ap


class Checkpoints:
    """What is kept of a run: `field` is the plate after `step`, when last all tiles had sent their parts of a step."""

    def __init__(self, field: Field) -> None:
        self.step = 0
        self.field = field
        self._grid = ap.Cartesian((1, 1))
        self._waiting: dict[int, list[Part]] = {}

    def blocks(self, grid: ap.Cartesian) -> Iterator[Field]:
        """Of each tile of a grid that begins here, its cells and one ring around them; parts are of that grid now."""
        self._grid = grid
        self._waiting.clear()
        for rank in range(grid.size):
            rows, columns = self._place(rank)
            yield self.field[rows.start - 1 : rows.stop + 1, columns.start - 1 : columns.stop + 1].copy()

    def add(self, part: Part) -> bool:
        """Take what a tile has sent. True: it was the last of its step, which is a checkpoint."""
        parts = self._waiting.setdefault(part.step, [])
        parts.append(part)
        if len(parts) < self._grid.size:
            return False
        for each in self._waiting.pop(part.step):
            self.field[self._place(each.rank)] = each.cells
        self.step = part.step
        return True

    def _place(self, rank: int) -> tuple[slice, slice]:
        """Where on the plate the cells of a tile are."""
        rows, columns = (
            slice(1 + cells * at // tiles, 1 + cells * (at + 1) // tiles)
            for at, tiles, cells in zip(
                self._grid.coords(rank), self._grid.dims, (extent - 2 for extent in self.field.shape), strict=True
            )
        )
        return rows, columns
