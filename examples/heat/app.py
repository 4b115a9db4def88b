"""Heat on a plate: tiles on several nodes, which trade their edges each step, and go on when a node is killed.

    python examples/heat/app.py
    actorpar run examples/heat/app.py --nodes 4
    mpiexec -n 5 actorpar run examples/heat/app.py

The controller cuts the plate into the tiles of a Cartesian grid, one for each node that works. Every HEAT_EVERY steps
the tiles send what they have: a checkpoint, once all of them have. When a node is lost, all begin again at the last
one, in a grid of the nodes that are left, and the result is the same, bit for bit.

HEAT_ROWS, HEAT_COLUMNS and HEAT_STEPS are the size of the plate, its rim included, and how long it relaxes; HEAT_TILES
is the number of tiles, 0 for one on each node; HEAT_NODES is how many nodes to wait for; HEAT_PICTURE is where to write
a picture of the result.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import picture
import progress
from checkpoints import Checkpoints
from plate import Field, initial
from problem import Problem
from tile import SIDES, Part, tile

import actorpar as ap


def wire(grid: ap.Cartesian) -> list[tuple[dict[str, ap.Sender[Field]], dict[str, ap.Receiver[Field]]]]:
    """A channel for each edge that somebody needs: of each tile the ends to and of its neighbours, by their side.

    Two edges have room in it: with one, a tile could not send the next before it had heard that the last was received.
    """
    to: list[dict[str, ap.Sender[Field]]] = [{} for _ in range(grid.size)]
    of: list[dict[str, ap.Receiver[Field]]] = [{} for _ in range(grid.size)]
    for rank in range(grid.size):
        for number, neighbour in enumerate(grid.neighbours(rank)):
            if neighbour is not None:
                to[rank][SIDES[number]], of[neighbour][SIDES[number ^ 1]] = ap.open_channel[Field](2)
    return list(zip(to, of, strict=True))


async def run_tiles(system: ap.ActorSystem, problem: Problem, kept: Checkpoints, show: Callable[[int], None]) -> None:
    """Run tiles from the last checkpoint on, to the end. NodeDown: a node was lost, and nobody runs any more."""
    nodes = system.nodes
    grid = problem.grid(len(nodes) or 1)
    places: list[Any] = ap.place(grid, nodes) if nodes else [None] * grid.size

    async def follow(node: Any, *arguments: Any) -> None:
        """Run a tile there, to its end: who awaits it at once is told of its failure, and not the system."""
        await (await system.spawn(tile, *arguments, on=node))

    names = ", ".join(f"{node.name} (pid {node.pid})" for node in nodes) or "this process"
    print(f"{grid.dims[0]} x {grid.dims[1]} tiles from step {kept.step} on, on {names}", file=sys.stderr, flush=True)
    parts_tx, parts_rx = ap.open_channel[Part](grid.size)
    steps = (kept.step, problem.steps, problem.every)
    async with parts_rx, ap.ProcessGroup("tiles") as tiles:
        with parts_tx:
            for rank, (block, (to, of)) in enumerate(zip(kept.blocks(grid), wire(grid), strict=True)):
                tiles.spawn(follow, places[rank], rank, block, steps, to, of, parts_tx.clone())
        try:
            async for part in parts_rx:
                if kept.add(part):
                    show(kept.step)
        except ap.ChannelBroken:
            pass  # a tile has failed or its node is lost, which `follow` raises


async def solve(system: ap.ActorSystem, problem: Problem) -> Field:
    """The plate at the end, whatever nodes are lost meanwhile."""
    kept = Checkpoints(initial(problem.rows, problem.columns))
    with progress.shown(problem.steps) as show:
        while kept.step < problem.steps:
            try:
                await run_tiles(system, problem, kept, show)
            except ap.NodeDown as lost:
                print(f"{lost}; all begin again at step {kept.step}", file=sys.stderr, flush=True)
    return kept.field


async def main() -> None:
    problem = Problem.of(os.environ)
    async with ap.ActorSystem("heat") as system:
        if problem.nodes:
            await system.wait_for_nodes(problem.nodes)
        begin = time.perf_counter()
        field = await solve(system, problem)
        print(f"{time.perf_counter() - begin:.3f} s", file=sys.stderr)
    print(problem.told(field))
    if where := os.environ.get("HEAT_PICTURE"):
        picture.write(Path(where), field)


if __name__ == "__main__":
    ap.run(main)
