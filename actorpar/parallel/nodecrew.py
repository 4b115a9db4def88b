"""Workers on the nodes of a system, for a stage of a pipeline that runs there.

Invariant: while the block runs there is one worker on each node that `on` names, those that join later included. What a
node that is lost had in hand fails with WorkerLost; if none is left, so does what waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..channels.group import ProcessGroup
from ..channels.opening import open_channel
from ..nodes.codec.signature import signature_of
from ..nodes.errors import NodeDown, NodeError
from ..nodes.events import NodeEvent, NodeUp
from ..remote.naming import name_of
from .crew import Crew, Task, Worker
from .wire import Done, Job
from .worker import work

if TYPE_CHECKING:
    from ..nodes.remote.ops import Member
    from ..system import ActorSystem

logger = logging.getLogger("actorpar")

#: Results of one node that may be on their way.
RESULTS = 64


class NodeCrew:
    """`async with` it, and `call` the function on one of the nodes; NotImportable, and NodeDown if there is none."""

    def __init__(
        self, system: ActorSystem, fn: Callable[..., Any], on: Member | str | None, per_node: int, blocking: bool
    ) -> None:
        self._system = system
        self._on = on
        self._per_node = per_node
        self._blocking = blocking
        self._alone = system.remote is None
        self._name = name_of(fn, by_child=self._alone)
        self._signature = signature_of(fn)
        self._crew = Crew(retries=0, at_once=per_node)
        self._group = ProcessGroup("workers on nodes")
        self._nodes: set[bytes] = set()
        self._unwatch: Callable[[], None] = lambda: None
        self._closing = False

    @property
    def size(self) -> int:
        """Calls that may run at a time."""
        return self._per_node * len(self._nodes)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        if not self._alone:
            self._unwatch = self._system.hub.node.watch(self._on_event)
            for member in self._system.hub.named(self._on):
                self._begin(member.node, member.name, member)
        elif self._on is None:
            self._begin(b"", "this process", None)
        if not self._nodes:
            await self.__aexit__(None, None, None)
            raise self._nobody()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """End the workers; what they have in hand is dropped."""
        self._closing = True
        self._unwatch()
        self._crew.fail_all(asyncio.CancelledError())
        self._group.cancel()
        await self._group.__aexit__(None, None, None)

    async def call(self, item: Any) -> Any:
        """Call the function with one argument on a node that has time. RemoteError or Reject: it raised; WorkerLost."""
        if not self._nodes:
            raise self._nobody()
        task = Task(self._name, self._signature, [(item,)], is_single=True)
        self._crew.put(task)
        return await task.future

    # -- nodes

    def _on_event(self, event: NodeEvent) -> None:
        if isinstance(event, NodeUp):
            for member in self._system.hub.named(self._on):
                if member.node == event.node.node:
                    self._begin(member.node, member.name, member)

    def _begin(self, node: bytes, name: str, on: Member | None) -> None:
        if node not in self._nodes and not self._closing:
            self._nodes.add(node)
            self._group.spawn(self._serve, node, name, on)

    async def _serve(self, node: bytes, name: str, on: Member | None) -> None:
        jobs_tx, jobs_rx = open_channel[Job](float("inf"), name=f"jobs of {name}")
        results_tx, results = open_channel[Done](RESULTS, name=f"results of {name}")
        with jobs_tx, results:
            try:
                arguments = (jobs_rx, results_tx, self._per_node, self._blocking)
                working = await self._system.spawn(work, *arguments, on=on)
                self._group.spawn(_followed, working)
                try:
                    await self._crew.serve(Worker(name, jobs_tx), results, self._how)
                finally:
                    working.cancel()
            except NodeError as error:
                logger.warning("%s does no work of %s: %s", name, self._name, error)
            finally:
                self._nodes.discard(node)
        if not self._nodes and not self._closing:
            self._crew.fail_all(self._nobody())

    async def _how(self) -> str:
        return "is lost, or has stopped its worker,"

    def _nobody(self) -> NodeDown:
        what = "no node is there" if self._on is None else f"no node has the name or the label {self._on!r}"
        return NodeDown(f"{self._name}: {what} to run it", node=str(self._on or ""))


async def _followed(working: Any) -> None:
    """Await a worker on a node: what it fails with is told by the end of its channels."""
    try:
        await working
    except asyncio.CancelledError:
        if not working.cancelled():
            raise
    except Exception as error:
        logger.debug("a worker on a node has ended: %s", error)
