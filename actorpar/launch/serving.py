"""A node that serves: it has no `main` of its own and runs what other nodes start on it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..gpu.ending import belong_to
from ..nodes.errors import Fenced
from ..nodes.events import NodeEvent, NodeFenced, NodeLost
from ..nodes.link import Link
from ..nodes.node import Node
from ..running import run
from ..system import ActorSystem
from .application import Application

#: Seconds in which a node that is to be joined has to come: where all are started at once, it may come late.
JOIN: Final = 120.0


@dataclass(frozen=True)
class ChildConfig:
    """What a child node is told at its start; `device` is the one that it is for, if it is for one."""

    name: str
    path: str
    function: str
    labels: tuple[str, ...]
    listen: str
    down_after: float
    device: str = ""


def serve_until_lost(sock: socket.socket, config: ChildConfig) -> None:
    """Serve as a child of the node at the other end of the socket, until that is gone."""
    if config.device:
        belong_to(config.device)
    application = Application(Path(config.path), config.function)
    application.load()
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # unless the program has its own

    async def main() -> None:
        node = Node(config.name, labels=config.labels, app=application.fingerprint(), down_after=config.down_after)
        async with node:
            await node.listen(config.listen)

            async def link() -> list[Link]:
                return [await node.adopt(sock, dials=True)]

            await serve(node, application, link)

    run(main)


async def joined(node: Node, where: Sequence[str]) -> list[Link]:
    """Link to the nodes at these addresses. Each may be starting, too, and is waited for JOIN seconds; Unreachable."""
    return [await node.join(each, JOIN) for each in where]


async def serve(node: Node, application: Application, link: Callable[[], Awaitable[Sequence[Link]]]) -> None:
    """Link, and serve until the first node that was linked to is gone; without one, until cancelled.

    Whoever is linked to may start something here at once, so the system is there before. Fenced: others have declared
    this node down.
    """
    lost = asyncio.Event()
    first = b""

    def happened(event: NodeEvent) -> None:
        if isinstance(event, NodeFenced) or (isinstance(event, NodeLost) and event.node.node == first):
            lost.set()

    node.watch(happened)
    async with ActorSystem(node.name, node=node, serves=application.modules()):
        links = await link()
        first = links[0].node if links else b""
        if not links or not links[0].is_down:
            await lost.wait()
    if node.is_fenced:
        raise Fenced(f"{node.name} was declared down by another node while it did not run, and ends: start it anew")
