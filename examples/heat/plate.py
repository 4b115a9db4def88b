"""The heat equation on a plate, on one process: the field, one step, and the result that tiles must equal.

u' = u + RATE (north + south + west + east - 4 u), the explicit five-point scheme; the outermost cells never change.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Field: TypeAlias = NDArray[np.float64]

#: Diffusivity times the time of a step, over the square of a cell's width; above 0.25 the scheme is unstable.
RATE = 0.2


def initial(rows: int, columns: int) -> Field:
    """A cold plate with a hot upper edge, a warm left one, and a hot disc in it."""
    y, x = np.ogrid[0.0 : rows - 1 : rows * 1j, 0.0 : columns - 1 : columns * 1j]
    disc = (y - 0.6 * rows) ** 2 + (x - 0.55 * columns) ** 2 < (0.2 * min(rows, columns)) ** 2
    field = disc.astype(np.float64)
    field[:, 0] = 0.5
    field[0] = 1.0
    return field


def relax(old: Field, new: Field) -> None:
    """One step, from `old` into the inner cells of `new`; both have the same fixed or foreign cells around these."""
    here, inner = old[1:-1, 1:-1], new[1:-1, 1:-1]
    np.add(old[:-2, 1:-1], old[2:, 1:-1], out=inner)
    inner += old[1:-1, :-2]
    inner += old[1:-1, 2:]
    inner -= 4.0 * here
    inner *= RATE
    inner += here


def solve(field: Field, steps: int) -> Field:
    """The field after so many steps; the one that is given stays as it is."""
    old, new = field.copy(), field.copy()
    for _ in range(steps):
        relax(old, new)
        old, new = new, old
    return old
