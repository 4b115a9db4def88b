"""The contestants behind one small interface: open a channel, run some functions together until all have returned.

Each shape is written once against it, so that every contestant runs the same loop over its own `send` and `receive`.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple

import actorpar as ap

from .cases import Body, Trial, on_asyncio, on_trio, peer

Job = tuple[Any, ...]  # an async function and its arguments


class Ends(NamedTuple):
    """One channel. `source` is the object of the library that a select takes."""

    send: Callable[[int], Awaitable[object]]
    receive: Callable[[], Awaitable[int]]
    close: Callable[[], object]
    source: Any


@dataclass(frozen=True)
class System:
    """A contestant. `narrowest` and `widest` are the capacities that it offers."""

    name: str
    open: Callable[[float], Ends]
    together: Callable[..., Coroutine[Any, Any, None]]
    on: Callable[[Body], Trial] = on_asyncio
    needs: tuple[str, ...] = ()
    narrowest: float = 0
    widest: float = math.inf

    def offers(self, capacity: float) -> bool:
        """Whether it has channels of this capacity."""
        return self.narrowest <= capacity <= self.widest


async def as_processes(*jobs: Job) -> None:
    """Run the jobs as processes on actorpar's run queue."""
    async with ap.ProcessGroup() as group:
        for function, *arguments in jobs:
            group.spawn(function, *arguments)


async def as_tasks(*jobs: Job) -> None:
    """Run the jobs as asyncio tasks."""
    await asyncio.gather(*(asyncio.create_task(function(*arguments)) for function, *arguments in jobs))


async def in_a_nursery(*jobs: Job) -> None:
    """Run the jobs as trio tasks."""
    async with peer("trio").open_nursery() as nursery:
        for function, *arguments in jobs:
            nursery.start_soon(function, *arguments)


def _nothing_to_close() -> None:
    pass


def _actorpar(capacity: float) -> Ends:
    tx, rx = ap.open_channel[int](capacity)

    def close() -> None:
        tx.close()
        rx.close()

    return Ends(tx.send, rx.receive, close, rx)


def _asyncio_queue(capacity: float) -> Ends:
    queue: asyncio.Queue[int] = asyncio.Queue(0 if capacity == math.inf else int(capacity))
    return Ends(queue.put, queue.get, _nothing_to_close, queue)


def _anyio(capacity: float) -> Ends:
    send, receive = peer("anyio").create_memory_object_stream(capacity)

    def close() -> None:
        send.close()
        receive.close()

    return Ends(send.send, receive.receive, close, receive)


def _trio(capacity: float) -> Ends:
    send, receive = peer("trio").open_memory_channel(capacity)

    def close() -> None:
        send.close()
        receive.close()

    return Ends(send.send, receive.receive, close, receive)


def _aiochan(capacity: float) -> Ends:
    channel = peer("aiochan").Chan(int(capacity) or None)
    return Ends(channel.put, channel.get, channel.close, channel)


def _janus(capacity: float) -> Ends:
    queue = peer("janus").Queue(0 if capacity == math.inf else int(capacity))
    return Ends(queue.async_q.put, queue.async_q.get, queue.close, queue)


def _culsans(capacity: float) -> Ends:
    queue = peer("culsans").Queue(0 if capacity == math.inf else int(capacity))
    return Ends(queue.async_q.put, queue.async_q.get, _nothing_to_close, queue)


PROCESSES = System("actorpar, processes", _actorpar, as_processes)
TASKS = System("actorpar, tasks", _actorpar, as_tasks)
QUEUE = System("asyncio.Queue", _asyncio_queue, as_tasks, narrowest=1)
ANYIO = System("anyio", _anyio, as_tasks, needs=("anyio",))
TRIO = System("trio", _trio, in_a_nursery, on=on_trio, needs=("trio",))
AIOCHAN = System("aiochan", _aiochan, as_tasks, needs=("aiochan",), widest=1024)  # its put queue is capped at 1024
JANUS = System("janus", _janus, as_tasks, needs=("janus",), narrowest=1)
CULSANS = System("culsans", _culsans, as_tasks, needs=("culsans",), narrowest=1)

SYSTEMS = (QUEUE, PROCESSES, TASKS, ANYIO, TRIO, AIOCHAN, JANUS, CULSANS)
