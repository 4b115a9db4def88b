"""Two and more operating-system processes on one host, for figures of what joins them.

The figure is wall-clock time for each item, from the first that is sent until the other process has said that it has
the last one; processes are started, and linked, before the clock runs.
"""

import asyncio
import multiprocessing
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import actorpar as ap
from actorpar.nodes.events import NodeLost
from actorpar.nodes.node import Node
from actorpar.nodes.security import authority
from actorpar.nodes.security.tls import Certificates

from .cases import LoopFactory, Trial
from .measure import Sample, Stopwatch

#: What joins two nodes.
PIPE, UNIX, TCP, TLS = "actorpar, pipe", "actorpar, Unix socket", "actorpar, TCP", "actorpar, TLS"
SMALL = bytes(64)
SERVES = ("tests.bench.links", "tests.bench.across")

_context = multiprocessing.get_context("spawn")


def sample(watch: Stopwatch, items: int) -> Sample:
    """The wall-clock time per item."""
    return Sample(items, watch.cpu, watch.wall, watch.wall / items)


def on_loop(main: Callable[[int], Coroutine[Any, Any, Sample]]) -> Trial:
    """Run it as an actorpar process, on a fresh loop of the kind that is measured."""

    def trial(items: int, loop_factory: LoopFactory) -> Sample:
        async def body() -> Sample:
            async with ap.ProcessGroup() as group:
                running = group.spawn(main, items)
            return running.result()

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(body())

    return trial


@contextmanager
def process(target: Callable[..., Any], *args: Any) -> Iterator[None]:
    """Another process that runs this meanwhile; it has to end by itself."""
    running = _context.Process(target=target, args=args)
    running.start()
    try:
        yield
        running.join(30)
    finally:
        running.kill()
        running.join()


def pin(core: int | None) -> None:
    """From now on this process runs on one core only."""
    if core is not None:
        os.sched_setaffinity(0, {core})


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """This process runs on one core only meanwhile."""
    before = os.sched_getaffinity(0)
    pin(core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _far_node(
    name: str, sock: socket.socket | None, joins: str, listens: str, keys: str, core: int | None, apart: bool
) -> None:
    pin(core)

    async def main() -> None:
        lost = asyncio.Event()
        credentials = Certificates(Path(keys)) if keys else None
        async with Node(name, credentials=credentials) as node, ap.ActorSystem(name, node=node, serves=SERVES):
            if apart:
                node.host = "another host"  # so it says; nodes of two hosts lend each other no memory
            node.watch(lambda event: lost.set() if isinstance(event, NodeLost) and event.node.name == "near" else None)
            if listens:
                await node.listen(listens)
            await (node.connect(joins) if sock is None else node.adopt(sock, dials=True))
            await lost.wait()

    ap.run(main)


@asynccontextmanager
async def linked(
    kind: str, *, names: tuple[str, ...] = ("far",), core: int | None = None, apart: bool = False
) -> AsyncIterator[Any]:
    """A system, "near", that is linked to other processes, and they to each other: over a pipe only one.

    With `apart` nothing goes by shared memory, as between hosts.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ap-"))
        keys = dict.fromkeys(("near", *names), "")
        if kind == TLS:
            keys = dict(zip(keys, map(str, authority.make(Path(folder) / "keys", list(keys))), strict=True))
        credentials = Certificates(Path(keys["near"])) if kind == TLS else None
        async with Node("near", credentials=credentials) as node:
            ours, theirs = socket.socketpair() if kind == PIPE else (None, None)
            listens = {name: f"unix:{folder}/{name}" if kind == UNIX else "tcp://127.0.0.1:0" for name in keys}
            joins = "" if kind == PIPE else str((await node.listen(listens["near"])).address)
            processes = [
                _context.Process(
                    target=_far_node,
                    args=(name, theirs, joins, listens[name] if len(names) > 1 else "", keys[name], core, apart),
                )
                for name in names
            ]
            for each in processes:
                each.start()
            try:
                async with ap.ActorSystem("near", node=node, serves=SERVES) as system:
                    if ours is not None and theirs is not None:
                        theirs.close()
                        await node.adopt(ours, dials=False)
                    await system.wait_for_nodes(len(names))
                    yield system
            finally:
                await node.close()
                for each in processes:
                    await asyncio.to_thread(each.join, 10)
                    each.kill()
