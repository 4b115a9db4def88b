"""Channel tables of several nodes on one loop, joined by peers in memory that keep a link's promises and no others.

What is said is delivered in any order that a link may choose: each lane in its own order, control before all that was
said later, everything else by the dice of the test.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Any

from actorpar.channels.runqueue import run_queue
from actorpar.nodes.errors import NodeDown
from actorpar.nodes.remote import moving
from actorpar.nodes.remote.ops import Op
from actorpar.nodes.remote.table import ChannelTable


class MemoryPeer:
    """What `near` says to `far`. Items cross by reference."""

    def __init__(self, world: World, near: int, far: int, first_alias: int) -> None:
        self.world, self.near, self.far = world, near, far
        self.node = world.ids[far]
        self.name = f"node-{far}"
        self.secluded = False
        self.ends: dict[int, Any] = {}
        self.back: MemoryPeer = self  # what `far` says to `near`; set by the world
        self._aliases = itertools.count(first_alias, 2)
        #: None is control; the others are lanes.
        self.waiting: dict[int | None, list[tuple[int, Any, list[Any] | None]]] = {}

    def new_alias(self) -> int:
        return next(self._aliases)

    def control(self, op: Op) -> None:
        self.world.say(self, None, op, None)

    def in_lane(self, op: Op) -> None:
        self.world.say(self, op.alias, op, None)

    def push(self) -> None:
        pass

    def items(self, alias: int, schema: Any, items: list[Any]) -> int:
        self.world.say(self, alias, None, list(items))
        return 64 * len(items)

    def may_arrive(self) -> list[int | None]:
        """The lanes whose first message may arrive now."""
        control = self.waiting.get(None)
        oldest = control[0][0] if control else None
        return [
            lane
            for lane, waiting in self.waiting.items()
            if waiting and (lane is None or oldest is None or waiting[0][0] < oldest)
        ]


class World:
    """Nodes 0 … n-1, each linked to each and to itself."""

    def __init__(self, nodes: int, dice: random.Random) -> None:
        self.ids = [bytes([number]) * 16 for number in range(nodes)]
        self.dice = dice
        self._numbers = itertools.count()
        self._pumping = False
        self._peers: dict[tuple[int, int], MemoryPeer] = {}
        for near, far in itertools.combinations_with_replacement(range(nodes), 2):
            one, other = MemoryPeer(self, near, far, 1), MemoryPeer(self, far, near, 2)
            one.back, other.back = other, one
            self._peers[far, near] = other
            self._peers[near, far] = one
        self.all_peers = [
            peer for one in self._peers.values() for peer in {id(one): one, id(one.back): one.back}.values()
        ]
        self.tables = [ChannelTable(self.ids[number], run_queue(), self._finder(number)) for number in range(nodes)]
        self.dead: set[int] = set()
        self.delivered = 0
        #: What happens after so many messages were delivered.
        self.then: dict[int, Callable[[], object]] = {}

    def _finder(self, near: int) -> Callable[[bytes], Any]:
        return lambda node: self._peers[near, self.ids.index(node)]

    def say(self, peer: MemoryPeer, lane: int | None, op: Any, items: list[Any] | None) -> None:
        peer.waiting.setdefault(lane, []).append((next(self._numbers), op, items))
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Deliver one message, any that may be next."""
        choices = [(peer, lane) for peer in self.all_peers for lane in peer.may_arrive()]
        if not choices:
            self._pumping = False
            return
        peer, lane = self.dice.choice(choices)
        _, op, items = peer.waiting[lane].pop(0)
        if peer.near not in self.dead and peer.far not in self.dead:
            if items is None:
                self.tables[peer.far].on_op(peer.back, op)
            elif lane in peer.back.ends:
                peer.back.ends[lane].on_items(items, 0, 64 * len(items))
        self.delivered += 1
        if self.delivered in self.then:
            self.then[self.delivered]()
        asyncio.get_running_loop().call_soon(self._pump)

    def kill(self, node: int) -> None:
        """A node is gone, and the others learn it at once."""
        self.dead.add(node)
        for other, table in enumerate(self.tables):
            if other not in self.dead:
                table.on_lost(self._peers[other, node], NodeDown(f"node-{node} is down", node=f"node-{node}"))

    def move(self, end: Any, near: int, far: int) -> Any:
        """Give an end of one node to another."""
        data = moving.export(self.tables[near], end, self._peers[near, far])
        return moving.accept(self.tables[far], data, Any, self._peers[near, far].back)

    def left(self) -> list[str]:
        """Ends that a link still knows."""
        living = [peer for peer in self.all_peers if peer.near not in self.dead]
        return [type(end).__name__ for peer in living for end in peer.ends.values()]
