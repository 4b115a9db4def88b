"""A tile of the plate: a process that relaxes its block, and trades the edges of it with its neighbours each step.

A block has one ring of cells more than the tile: the edges of its neighbours, or the rim of the plate, which is fixed.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from plate import Field, relax

import actorpar as ap

#: As `Cartesian.neighbours` has them; of side n the opposite is n ^ 1.
SIDES: Final = ("north", "south", "west", "east")
#: The outermost cells of the tile itself, which the neighbour on that side needs, and its cells, around them.
EDGE: Final = {"north": np.s_[1, 1:-1], "south": np.s_[-2, 1:-1], "west": np.s_[1:-1, 1], "east": np.s_[1:-1, -2]}
HALO: Final = {"north": np.s_[0, 1:-1], "south": np.s_[-1, 1:-1], "west": np.s_[1:-1, 0], "east": np.s_[1:-1, -1]}


@dataclass(frozen=True)
class Part:
    """The cells of one tile after a step."""

    rank: int
    step: int
    cells: Field


async def tile(
    rank: int,
    block: Field,
    steps: tuple[int, int, int],
    to: dict[str, ap.Sender[Field]],
    of: dict[str, ap.Receiver[Field]],
    parts: ap.Sender[Part],
) -> None:
    """Relax a block, and send its cells every so many steps, and after the last.

    It ends early where a neighbour is gone: with that tile, or its node, the controller has to do.

    steps  the step after which the block was taken, the last one, and the number of steps between two parts
    to     who needs an edge, by its side
    of     whose edge comes, by its side
    """
    done, last, every = steps
    old, new = block, block.copy()
    with contextlib.suppress(ap.EndOfChannel, ap.ChannelBroken):
        while done < last:
            for side, neighbour in to.items():
                await neighbour.send(old[EDGE[side]].copy())  # what is sent belongs to the receiver
            await asyncio.sleep(0)  # a tile without neighbours waits for nobody, and its node has other things to do
            for side, edge in of.items():
                old[HALO[side]] = await edge.receive()
            relax(old, new)
            old, new, done = new, old, done + 1
            if done % every == 0 or done == last:
                await parts.send(Part(rank, done, old[1:-1, 1:-1].copy()))
        await parts.flush()  # who returns has nothing left to lose
