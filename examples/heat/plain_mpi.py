"""The same plate by plain mpi4py, to compare with: each rank trades edges by Sendrecv, and nothing survives a loss.

    mpiexec -n 4 python examples/heat/plain_mpi.py

It is cut as for the tiles of `app.py`, takes the same options, and prints the same.
"""

import os
import sys
import time

import numpy as np
from checkpoints import Checkpoints
from mpi4py import MPI
from plate import Field, initial, relax
from problem import Problem
from tile import EDGE, HALO, SIDES, Part


def solve(cart: MPI.Cartcomm, block: Field, steps: int) -> Field:
    """The cells of this rank after so many steps."""
    neighbours = [*cart.Shift(0, 1), *cart.Shift(1, 1)]  # in the order of SIDES
    old, new = block, block.copy()
    for _ in range(steps):
        for number, side in enumerate(SIDES):
            halo = HALO[SIDES[number ^ 1]]
            edge, came = old[EDGE[side]].copy(), old[halo].copy()
            cart.Sendrecv(edge, neighbours[number], recvbuf=came, source=neighbours[number ^ 1])
            old[halo] = came
        relax(old, new)
        old, new = new, old
    return np.ascontiguousarray(old[1:-1, 1:-1])


def main() -> None:
    problem = Problem.of(os.environ)
    world = MPI.COMM_WORLD
    grid = problem.grid(world.size)
    cart = world.Create_cart(grid.dims)
    kept = Checkpoints(initial(problem.rows, problem.columns))
    cart.Barrier()
    begin = time.perf_counter()
    block = cart.scatter(list(kept.blocks(grid)) if cart.rank == 0 else None)
    parts = cart.gather(Part(cart.rank, problem.steps, solve(cart, block, problem.steps)))
    if parts is not None:
        for part in parts:
            kept.add(part)
        print(f"{time.perf_counter() - begin:.3f} s", file=sys.stderr)
        print(problem.told(kept.field))


if __name__ == "__main__":
    main()
