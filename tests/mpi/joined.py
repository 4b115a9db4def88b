"""Ranks that are nodes, joined by MPI's messages, for programs that the tests start by mpiexec."""

from __future__ import annotations

import os
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from actorpar.nodes.mpi import world as mpi
from actorpar.nodes.mpi.ranks import Ranks
from actorpar.nodes.mpi.world import World
from actorpar.nodes.node import Node


@dataclass
class Joined:
    """One rank, linked to all others."""

    world: World
    ranks: Ranks
    node: Node

    @property
    def rank(self) -> int:
        return self.world.rank

    @property
    def others(self) -> list[int]:
        return [rank for rank in range(self.world.size) if rank != self.rank]


@asynccontextmanager
async def joined() -> AsyncIterator[Joined]:
    """This rank and the others, which all come here; they leave together. Whoever fails ends them all.

    With APART in the environment they take each other for ranks of different hosts.
    """
    world = mpi.start(os.environ)
    node = Node(f"rank-{world.rank}")
    ranks = Ranks(world, node, route="mpi", host=f"host-{world.rank}" if os.environ.get("APART") else "")
    try:
        await ranks.link()
        yield Joined(world, ranks, node)
        await node.close()
        assert await ranks.end(), "not all ranks have come to the end"
        world.end()
    except BaseException:
        traceback.print_exc()
        world.abort(1)
