"""Ranks that are nodes, joined by MPI's messages, for programs that the tests start by mpiexec."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actorpar.nodes.mpi.bell import Bells
from actorpar.nodes.mpi.poller import SPIN, Poller
from actorpar.nodes.mpi.ranks import link_over_mpi
from actorpar.nodes.mpi.wire import Wire
from actorpar.nodes.node import Node


@dataclass
class Joined:
    """One rank, linked to all others."""

    comm: Any
    folder: Path
    poller: Poller
    node: Node

    @property
    def rank(self) -> int:
        return self.poller.wire.rank

    @property
    def others(self) -> list[int]:
        return [rank for rank in range(self.poller.wire.size) if rank != self.rank]


@asynccontextmanager
async def joined(*, spin: float = SPIN) -> AsyncIterator[Joined]:
    """This rank and the others, which all come here; they leave together."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD.Dup()
    folder = Path(comm.bcast(tempfile.mkdtemp(prefix="ap-") if comm.rank == 0 else None))
    wire, bells = Wire(comm), Bells(folder, comm.rank, comm.size)
    comm.Barrier()
    bells.meet([rank for rank in range(comm.size) if rank != comm.rank])
    poller = Poller(wire, bells, spin=spin)
    here = Joined(comm, folder, poller, Node(f"rank-{comm.rank}"))
    try:
        await asyncio.gather(*(link_over_mpi(here.node, poller, rank) for rank in here.others))
        yield here
        await here.node.close()
        assert await poller.close(10), "not all ranks have come to the end"
        if comm.rank == 0:
            shutil.rmtree(folder)
    except BaseException:
        import traceback

        traceback.print_exc()
        comm.Abort(1)
