"""Nodes that share memory, for the tests: when they have found out, and what they have in /dev/shm."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from actorpar.nodes import shm, slabs
from actorpar.nodes.node import Node
from actorpar.nodes.slabs import Arena

LENT = "shared memory: lent"
NONE_FREE = "shared memory: none free"


def files(process: int | None = None) -> list[str]:
    """What a process has in /dev/shm, this one unless told otherwise."""
    start = f"actorpar-{os.getuid()}-{process or os.getpid()}-"
    return [name for name in os.listdir(shm.FOLDER) if name.startswith(start)]


@contextmanager
def arena_of_its_own(limit: int, *, is_warm: bool = True) -> Iterator[Arena]:
    """The shared memory of this process meanwhile; afterwards nothing is left of it.

    Warm, its first file is there already: on a busy machine fresh pages take a while, and keep a loop.
    """
    before, made = slabs._arenas[:], Arena(limit=limit)
    if is_warm:
        made.allocate(1)
    slabs._arenas[:] = [made]
    try:
        yield made
    finally:
        made.close()
        slabs._arenas[:] = before
    assert files() == []


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something has become true."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.001)


async def share(*nodes: Node) -> None:
    """Let each find out of each that they share memory, as they do when the first large buffer is sent."""
    lendings = [link.lending for node in nodes for link in node.links.values()]
    for lending in lendings:
        lending.ask()
    await until(lambda: all(lending._shares for lending in lendings))


def lent(*nodes: Node) -> int:
    """Buffers that these nodes have lent."""
    return sum(node.counters[LENT] for node in nodes)
