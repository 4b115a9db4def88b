"""The nodes that a controller starts on its own host: they are started together, linked, and end with it.

Invariants
- `start` returns when all are linked, or raises and leaves what it has started to `end`.
- A node for a device is started again when it fails (`again.py`), and is expected back as long as it may be. Any other
  that ends is not.
- What is started is waited for: after `end` there is no child and no pipe left.
- Of a child that ended its node is down at once, by the end of its pipe, behind all that it had sent. Where a
  descendant keeps that pipe open, it is down a moment later, by the end of its process (NET-42).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..channels import env
from ..channels.errors import ActorparError
from ..gpu.ending import EX_DEVICE_LOST
from ..nodes.errors import HandshakeRefused, NodeDown
from ..nodes.events import NodeEvent, NodeLost
from . import cores
from .again import Attempts, is_failure
from .child import Child
from .serving import ChildConfig

if TYPE_CHECKING:
    from ..nodes.link import Link
    from ..nodes.node import Node
    from .application import Application
    from .output import Output
    from .specs import NodeSpec

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
        self._environment: dict[str, str] = {}
        self._replacing: set[asyncio.Task[None]] = set()
        self._unwatch = node.watch(self._happened)

    @property
    def pids(self) -> dict[str, int]:
        """The processes of those that have not ended, by the names of their nodes."""
        return {name: child.pid for name, child in self._children.items() if not child.exited.done()}

    async def start(self, nodes: Sequence[NodeSpec]) -> None:
        """Start these nodes, and wait until all are linked.

        NodeDown: one of them ended or said nothing for START seconds. HandshakeRefused: as its code says.
        """
        self._environment = cores.bounds(len(nodes), os.environ)
        linking: list[asyncio.Task[None]] = []
        try:
            for spec in nodes:
                linking.append(asyncio.create_task(self._link(self._begin(spec), spec, Attempts())))
                await env.sleep(0)  # so that what the starts take does not add up on the loop
            await asyncio.gather(*linking)
        finally:
            for task in linking:
                task.cancel()
            await asyncio.gather(*linking, return_exceptions=True)

    def _begin(self, spec: NodeSpec) -> Child:
        config = ChildConfig(
            name=spec.name, path=str(self._application.path), function=self._application.function, labels=spec.labels,
            listen=f"unix:{self._runtime_dir}/{spec.name}.sock", down_after=self._node.down_after, device=spec.device,
        )  # fmt: skip
        if spec.device:
            self._node.expected.add(spec.name, spec.labels)
        child = self._children[spec.name] = Child(config, self._output, {**self._environment, **spec.environment})
        return child

    async def _link(self, child: Child, spec: NodeSpec, attempts: Attempts) -> None:
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
                child.exited.add_done_callback(lambda _: self._ended(child, link, spec, attempts))
                return
            await asyncio.wait((child.exited,), timeout=LAST_WORDS)
        how = child.how() if child.exited.done() else "it has closed its pipe"
        raise NodeDown(f"{child.name} ended before it was linked, {how}; what it printed says why", node=child.name)

    def _ended(self, child: Child, link: Link, spec: NodeSpec, attempts: Attempts) -> None:
        if self._ending or self._node.is_closed:
            return
        lost = ", for its device is lost" if child.exited.result() == EX_DEVICE_LOST else ""
        logger.warning("%s has ended: %s%s", child.name, child.how(), lost)
        loop = asyncio.get_running_loop()
        loop.call_later(LAST_WORDS, link.down, f"its process has ended, {child.how()}")
        if spec.device:
            task = loop.create_task(self._replace(child, spec, attempts))
            self._replacing.add(task)
            task.add_done_callback(self._replacing.discard)

    async def _replace(self, child: Child, spec: NodeSpec, attempts: Attempts) -> None:
        """Start a node for a device again, until it is linked; as often as its attempts allow, and none that left."""
        while is_failure(child.exited.result()) and (delay := attempts.next(child.name)) is not None:
            self._linked.discard(child)
            await env.sleep(delay)
            try:
                child = self._begin(spec)
                await self._link(child, spec, attempts)
            except (ActorparError, OSError) as error:
                logger.warning("%s could not be started again: %s", spec.name, error)
                child.kill()
                await asyncio.wait((child.exited,))
                child.socket.close()  # unless a link has taken it, and closes it itself
            else:
                logger.warning("%s is there again, as process %d", child.name, child.pid)
                return
        self._node.expected.remove(spec.name)

    def _happened(self, event: NodeEvent) -> None:
        """A node that is down must not keep its device, whatever it hangs in: it is killed, and so replaced."""
        if isinstance(event, NodeLost) and not self._ending and self._node.expected.has(event.node.name):
            child = self._children.get(event.node.name)
            if child is not None and not child.exited.done() and child.pid == event.node.pid:
                asyncio.get_running_loop().call_later(GRACE, child.kill)

    def kill(self, name: str) -> None:
        """Kill a child: for tests of what follows."""
        self._children[name].kill()

    async def end(self) -> None:
        """Wait for the children, whose links are closed, and kill those that do not end in time."""
        self._ending = True
        self._unwatch()
        for task in self._replacing:
            task.cancel()
        await asyncio.gather(*self._replacing, return_exceptions=True)
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
