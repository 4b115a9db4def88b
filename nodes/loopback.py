"""A node's link to itself: two peers back to back, so that an end whose home is here needs no second way.

Items are encoded and decoded as on any link.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from .delivery import deliver
from .port import LinkPort

if TYPE_CHECKING:
    from .codec.schema import Schema
    from .node import Node
    from .remote import ops
    from .remote.peer import Away


class Loopback:
    """One of the two peers; `back` is the other one."""

    def __init__(self, node: Node, back: Loopback | None = None) -> None:
        self._node = node
        self.node = node.id
        self.name = node.name
        self.secluded = False
        self.ends: dict[int, Away] = {}
        self._aliases = itertools.count(1 if back is None else 2, 2)
        self.back: Loopback = back or Loopback(node, self)
        self.port = LinkPort(node, self)

    def new_alias(self) -> int:
        return next(self._aliases)

    def control(self, op: ops.Op) -> None:
        self._node.queue.loop.call_soon(self._node.table.on_op, self.back, op)

    in_lane = control

    def push(self) -> None:
        pass

    def items(self, alias: int, schema: Schema, items: list[Any]) -> int:
        body, buffers = schema.encode(items, self.port)
        self._node.queue.loop.call_soon(self.back.arrive, alias, body, [bytearray(each) for each in buffers])
        return len(body) + sum(map(len, buffers))

    def arrive(self, alias: int, body: bytes, buffers: list[Any]) -> None:
        """Items came from the other peer."""
        end = self.ends.get(alias)
        if end is not None:
            deliver(self._node, self.port, end, body, buffers)
