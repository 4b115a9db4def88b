"""The nodes that a controller starts on its own host: they are started together, linked, and end with it.

Invariants
- `start` returns when all are linked, or raises and leaves what it has started to `end`.
- What is started is waited for: after `end` there is no child and no pipe left.
- Of a child that ended its node is down at once, by the end of its pipe, behind all that it had sent. Where a
  descendant keeps that pipe open, it is down a moment later, by the end of its process (NET-42).
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Final

from ..channels import env
from ..nodes.errors import HandshakeRefused, NodeDown
from . import cores
from .child import Child
from .serving import ChildConfig

if TYPE_CHECKING:
    from ..nodes.link import Link
    from ..nodes.node import Node
    from .application import Application
    from .output import Output

logger = logging.getLogger("actorpar.launch")

#: Seconds in which a child imports the program and says HELLO.
START: Final = 120.0
#: Seconds that children have to end, once their links are closed.
GRACE: Final = 5.0
#: Seconds after the end of a process in which its pipe is read to its end.
LAST_WORDS: Final = 0.5


class Children:
    """The child nodes of one controller, made on its loop. `runtime_dir` is a folder for their sockets."""

    def __init__(self, node: Node, application: Application, output: Output, *, runtime_dir: str) -> None:
        self._node = node
        self._application = application
        self._runtime_dir = runtime_dir
        self._output = output
        self._children: dict[str, Child] = {}
        self._linked: set[Child] = set()
        self._ending = False

    @property
    def pids(self) -> dict[str, int]:
        """The processes of those that have not ended, by the names of their nodes."""
        return {name: child.pid for name, child in self._children.items() if not child.exited.done()}

    async def start(self, count: int, *, labels: tuple[str, ...] = ()) -> None:
        """Start so many nodes, node-1 to node-N, and wait until all are linked.

        NodeDown: one of them ended or said nothing for START seconds. HandshakeRefused: as its code says.
        """
        environment = cores.bounds(count, os.environ)
        linking: list[asyncio.Task[None]] = []
        try:
            for number in range(1, count + 1):
                child = self._begin(f"node-{number}", labels, environment)
                linking.append(asyncio.create_task(self._link(child)))
                await env.sleep(0)  # so that what the starts take does not add up on the loop
            await asyncio.gather(*linking)
        finally:
            for task in linking:
                task.cancel()
            await asyncio.gather(*linking, return_exceptions=True)

    def _begin(self, name: str, labels: tuple[str, ...], environment: dict[str, str]) -> Child:
        config = ChildConfig(
            name=name, path=str(self._application.path), function=self._application.function, labels=labels,
            listen=f"unix:{self._runtime_dir}/{name}.sock", down_after=self._node.down_after,
        )  # fmt: skip
        child = self._children[name] = Child(config, self._output, environment)
        return child

    async def _link(self, child: Child) -> None:
        try:
            async with asyncio.timeout(START):
                spoke = await child.spoke()
        except TimeoutError:
            raise NodeDown(f"{child.name} has said nothing for {START:g} s", node=child.name) from None
        if spoke:
            try:
                link = await self._node.adopt(child.socket, dials=False)
            except HandshakeRefused as error:
                if error.code != "closed":
                    raise
            else:
                self._linked.add(child)
                child.exited.add_done_callback(lambda _: self._ended(child, link))
                return
            await asyncio.wait((child.exited,), timeout=LAST_WORDS)
        how = child.how() if child.exited.done() else "it has closed its pipe"
        raise NodeDown(f"{child.name} ended before it was linked, {how}; what it printed says why", node=child.name)

    def _ended(self, child: Child, link: Link) -> None:
        if self._ending:
            return
        logger.warning("%s has ended: %s", child.name, child.how())
        loop = asyncio.get_running_loop()
        loop.call_later(LAST_WORDS, link.down, f"its process has ended, {child.how()}")

    def kill(self, name: str) -> None:
        """Kill a child: for tests of what follows."""
        self._children[name].kill()

    async def end(self) -> None:
        """Wait for the children, whose links are closed, and kill those that do not end in time."""
        self._ending = True
        for child in self._children.values():
            if child not in self._linked:  # no link tells it to end
                child.kill()
        await self._wait(GRACE)
        for name in self.pids:
            logger.warning("%s has not ended in %g s and is killed", name, GRACE)
            self._children[name].kill()
        await self._wait(GRACE)
        for child in self._children.values():
            child.socket.close()

    async def _wait(self, seconds: float) -> None:
        running = [child.exited for child in self._children.values() if not child.exited.done()]
        if running:
            await asyncio.wait(running, timeout=seconds)
