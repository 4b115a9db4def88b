"""Two or more channel tables on one loop, joined by peers in memory that keep a link's promises and no others."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from actorpar.channels.runqueue import run_queue
from actorpar.nodes.errors import NodeDown
from actorpar.nodes.remote import moving
from actorpar.nodes.remote.table import ChannelTable


class MemoryPeer:
    """One direction of a link: what `near` says to `far`. Items cross by reference."""

    def __init__(self, world: World, near: int, far: int) -> None:
        self.world = world
        self.near, self.far = near, far
        self.node = world.ids[far]
        self.name = f"node-{far}"
        self.ends: dict[int, Any] = {}
        self._aliases = itertools.count(2 if near < far else 1, 2)
        self.control_ops = 0
        self.items_sent = 0

    def new_alias(self) -> int:
        return next(self._aliases)

    def control(self, op: Any) -> None:
        self.control_ops += 1
        self.world.post(self, op, None)

    def in_lane(self, op: Any) -> None:
        self.world.post(self, op, None)

    def push(self) -> None:
        pass

    def items(self, alias: int, schema: Any, items: list[Any]) -> int:
        self.items_sent += len(items)
        self.world.post(self, alias, list(items))
        return 64 * len(items)


class World:
    """Nodes 0 … n-1, fully meshed; messages are delivered in order, one callback of the loop each."""

    def __init__(self, nodes: int) -> None:
        self.ids = [bytes([number]) * 16 for number in range(nodes)]
        self.peers: dict[tuple[int, int], MemoryPeer] = {}
        queue = run_queue()
        self.tables = [ChannelTable(self.ids[n], queue, self._finder(n)) for n in range(nodes)]
        self.dead: set[int] = set()

    def _finder(self, near: int) -> Any:
        return lambda node: self.peer(near, self.ids.index(node))

    def peer(self, near: int, far: int) -> MemoryPeer:
        key = (near, far)
        if key not in self.peers:
            self.peers[key] = MemoryPeer(self, max(near, ~near), far)
        return self.peers[key]

    def back_of(self, peer: MemoryPeer) -> MemoryPeer:
        """The other direction; a node's link to itself has two ends, too."""
        if peer.near != peer.far:
            return self.peer(peer.far, peer.near)
        return (
            self.peer(~peer.near, peer.near)
            if self.peers[peer.near, peer.far] is peer
            else self.peer(peer.far, peer.far)
        )

    def post(self, peer: MemoryPeer, what: Any, items: list[Any] | None) -> None:
        asyncio.get_running_loop().call_soon(self._deliver, peer, what, items)

    def _deliver(self, peer: MemoryPeer, what: Any, items: list[Any] | None) -> None:
        if peer.near in self.dead or peer.far in self.dead:
            return
        table = self.tables[peer.far]
        back = self.back_of(peer)
        if items is None:
            table.on_op(back, what)
        elif what in back.ends:
            back.ends[what].on_items(items, 0, 64 * len(items))

    def kill(self, node: int) -> None:
        self.dead.add(node)
        for other, table in enumerate(self.tables):
            if other != node and (other, node) in self.peers:
                table.on_lost(self.peers[other, node], NodeDown(f"node-{node} is down", node=f"node-{node}"))

    def move(self, end: Any, near: int, far: int) -> Any:
        """Give an end of node `near` to node `far`."""
        data = moving.export(self.tables[near], end, self.peer(near, far))
        return moving.accept(self.tables[far], data, Any, self.peer(far, near))
