"""Nodes of one process that are joined by real sockets, and channels whose ends are spread over them."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import actorpar as ap
from actorpar.nodes.node import Node
from actorpar.nodes.remote import moving

#: What the kit sends, declared.
Item = int | str | None | tuple[int, int]
Pair = tuple[ap.Sender[Any], ap.Receiver[Any]]


def close(*ends: ap.Sender[Any] | ap.Receiver[Any]) -> None:
    """Close ends."""
    for end in ends:
        end.close()


class Mesh:
    """Nodes n0, n1, …, each linked to each."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.kept: list[Any] = []

    def move(self, end: Any, near: int, far: int, declared: Any = Item) -> Any:
        """Give an end of one node to another."""
        here, there = self.nodes[near], self.nodes[far]
        data = moving.export(here.table, end, here.peer(there.id))
        return moving.accept(there.table, data, declared, there.peer(here.id))

    # -- pairs whose ends are apart

    def receiver_moved(self, capacity: float) -> Pair:
        tx, rx = ap.open_channel[Item](capacity)
        return tx, self.move(rx, 0, 1)

    def sender_moved(self, capacity: float) -> Pair:
        tx, rx = ap.open_channel[Item](capacity)
        return self.move(tx, 0, 1), rx

    def both_moved(self, capacity: float) -> Pair:
        tx, rx = ap.open_channel[Item](capacity)
        rx = self.move(rx, 0, 1)
        return self.move(tx, 0, 2), rx

    def moved_twice(self, capacity: float) -> Pair:
        tx, rx = ap.open_channel[Item](capacity)
        return self.move(tx, 0, 2), self.move(self.move(rx, 0, 1), 1, 2)

    def away(self, capacity: float) -> Pair:
        """The home stays where neither end is."""
        tx, rx = ap.open_channel[Item](capacity)
        far = self.move(rx.clone(), 0, 1)
        rx.close()
        return self.move(tx, 0, 2), far


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something has become true that tells nobody."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # a condition is no event
            await asyncio.sleep(0.002)


async def linked(nodes: list[Node]) -> None:
    """Wait until each node has a link to each other one."""
    async with asyncio.timeout(5):
        while any(  # noqa: ASYNC110  # a node tells who has come, not that all have
            len([each for each in node.links.values() if each.connections]) < len(nodes) - 1 for node in nodes
        ):
            await asyncio.sleep(0.001)


@asynccontextmanager
async def mesh(count: int, kind: str = "unix", **options: Any) -> AsyncIterator[Mesh]:
    """So many nodes, linked over Unix sockets, TCP, or pipes."""
    with tempfile.TemporaryDirectory(prefix="ap-") as folder:
        nodes = [Node(f"n{number}", **options) for number in range(count)]
        try:
            if kind == "pipe":
                for one, other in itertools.combinations(nodes, 2):
                    near, far = socket.socketpair()
                    await asyncio.gather(one.adopt(near, dials=False), other.adopt(far, dials=True))
            else:
                for number, node in enumerate(nodes):
                    await node.listen(f"unix:{folder}/{number}" if kind == "unix" else "tcp://127.0.0.1:0")
                for node in nodes[1:]:
                    await node.connect(nodes[0].addresses[0])
            await linked(nodes)
            yield Mesh(nodes)
        finally:
            for node in nodes:
                await node.close()
            assert not os.listdir(folder), "sockets are removed"


PAIRS: dict[str, Callable[[Mesh, float], Pair]] = {
    "receiver_moved": Mesh.receiver_moved,
    "sender_moved": Mesh.sender_moved,
    "both_moved": Mesh.both_moved,
    "moved_twice": Mesh.moved_twice,
    "away": Mesh.away,
}
