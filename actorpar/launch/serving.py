"""A node that serves: it has no `main` of its own and runs what other nodes start on it."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from pathlib import Path

from ..nodes.errors import Fenced
from ..nodes.events import NodeEvent, NodeFenced, NodeLost
from ..nodes.node import Node
from ..running import run
from ..system import ActorSystem
from .application import Application


@dataclass(frozen=True)
class ChildConfig:
    """What a child node is told at its start."""

    name: str
    path: str
    function: str
    labels: tuple[str, ...]
    listen: str
    down_after: float


def serve_until_lost(sock: socket.socket, config: ChildConfig) -> None:
    """Serve as a child of the node at the other end of the socket, until that is gone."""
    application = Application(Path(config.path), config.function)
    application.load()
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # unless the program has its own

    async def main() -> None:
        node = Node(config.name, labels=config.labels, app=application.fingerprint(), down_after=config.down_after)
        async with node:
            await node.listen(config.listen)
            await serve(node, application, sock=sock)

    run(main)


async def serve(node: Node, application: Application, *, sock: socket.socket | None = None, join: str = "") -> None:
    """Serve until the node that was joined first is gone; without one, until cancelled.

    Fenced: others have declared this node down.
    """
    lost = asyncio.Event()
    first = b""

    def happened(event: NodeEvent) -> None:
        if isinstance(event, NodeFenced) or (isinstance(event, NodeLost) and event.node.node == first):
            lost.set()

    node.watch(happened)
    async with ActorSystem(node.name, node=node, serves=application.modules()):
        if sock is not None:
            link = await node.adopt(sock, dials=True)
        elif join:
            link = await node.join(join)
        else:
            link = None
        first = b"" if link is None else link.node
        if link is None or not link.is_down:
            await lost.wait()
    if node.is_fenced:
        raise Fenced(f"{node.name} was declared down by another node while it did not run, and ends: start it anew")
