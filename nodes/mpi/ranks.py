"""Ranks as nodes: each is linked to each other one, over MPI's messages.

Where ranks are of one host, the end of a process is seen by its descriptor (pidfd), and silence says nothing: a rank
whose loop is busy cannot make MPI calls from another thread.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..link import Link
    from ..node import Node
    from .poller import Poller

#: Seconds in which a rank that has begun imports the program and says HELLO.
START: Final = 120.0


async def link_over_mpi(node: Node, poller: Poller, rank: int) -> Link:
    """Link to the node of another rank, which does the same. The greater rank says HELLO. HandshakeRefused."""
    link = await node.link_over(poller.streams[rank], dials=rank < poller.wire.rank, deadline=START)
    link.is_patient = True
    return link


def watch_process(poller: Poller, rank: int, pid: int) -> None:
    """Tell the poller when the process of a rank of this host ends, while the loop runs."""
    loop = asyncio.get_running_loop()
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        loop.call_soon(poller.lost, rank)
        return

    def has_ended() -> None:
        loop.remove_reader(process)
        os.close(process)
        poller.lost(rank)

    loop.add_reader(process, has_ended)
