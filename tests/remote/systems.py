"""Several systems of one process, each on a node of its own, that are joined by real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import actorpar as ap
from tests.nodes.meshed import Mesh, mesh

SERVES = ("tests.remote",)


class Systems:
    """The systems of nodes n0, n1, …; `here` is the first."""

    def __init__(self, systems: list[ap.ActorSystem], nodes: Mesh) -> None:
        self.all = systems
        self.here = systems[0]
        self.nodes = nodes.nodes

    async def lose(self, number: int) -> None:
        """A node goes down."""
        await self.nodes[number].close()

    def actors(self) -> list[int]:
        """How many actors each system has at its top."""
        return [len(system.actors) for system in self.all]


@asynccontextmanager
async def systems(count: int, serves: tuple[str, ...] = SERVES, **options: Any) -> AsyncIterator[Systems]:
    """A system on each of several nodes."""
    async with mesh(count, **options) as nodes, AsyncExitStack() as stack:
        made = [ap.ActorSystem(node.name, node=node, serves=serves, shutdown=0.5) for node in nodes.nodes]
        for system in reversed(made):
            await stack.enter_async_context(system)
        yield Systems(made, nodes)


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something has become true that tells nobody."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # a condition is no event
            await asyncio.sleep(0.002)
