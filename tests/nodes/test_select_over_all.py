"""One select over memory, a thread, a pipe and TCP to other processes, and a timer.

Over MPI in place of the pipe the same is asked in `tests/mpi/kit.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes.node import Node
from tests.nodes.elsewhere import Far, sender_far

NAMES = ("memory", "thread", "pipe", "tcp", "timer")
#: When a select is cancelled, and what may come of it.
CANCELS = {
    "before it is sent": {"left"},
    "when it is sent": {"left", "kept"},
    "when it has come": {"kept"},
}


class Sources:
    """A channel of each kind, all received from here; and how each is sent to."""

    def __init__(self, pipe: Far, tcp: Far) -> None:
        self.pairs: dict[str, Any] = {
            "memory": ap.open_channel[str](1),
            "thread": ap.open_channel[str](1),
            "pipe": sender_far(pipe, 1),
            "tcp": sender_far(tcp, 1),
        }
        self.receivers: dict[str, ap.Receiver[str]] = {name: rx for name, (_, rx) in self.pairs.items()}

    def select(self, timer: float) -> Coroutine[Any, Any, tuple[int, Any]]:
        return ap.select(*(ap.receive_from(self.receivers[name]) for name in NAMES[:-1]), ap.after(timer))

    async def send(self, name: str, item: str) -> None:
        tx = self.pairs[name][0]
        if name != "thread":
            await tx.send(item)
            return
        with tx.threadsafe() as sender:
            await asyncio.to_thread(sender.send, item)

    def close(self) -> None:
        for tx, rx in self.pairs.values():
            tx.close()
            rx.close()


@contextlib.asynccontextmanager
async def sources() -> AsyncIterator[Sources]:
    async with Node("near") as node:
        pipe, tcp = await Far(node).start("pipe"), await Far(node).start("tcp")
        try:
            opened = Sources(pipe, tcp)
            yield opened
            opened.close()
        finally:
            await pipe.end()
            await tcp.end()


async def each_wins(opened: Sources) -> None:
    for winner in 2 * NAMES:
        selecting = asyncio.create_task(opened.select(0.01 if winner == "timer" else 30))
        if winner != "timer":
            await opened.send(winner, f"from {winner}")
        index, value = await selecting
        assert (NAMES[index], value) == (winner, None if winner == "timer" else f"from {winner}")


async def is_cancelled(opened: Sources, cancel: str) -> None:
    outcomes: set[str] = set()
    for name in 5 * NAMES[:-1]:
        selecting = asyncio.create_task(opened.select(30))
        await asyncio.sleep(0)
        if cancel == "before it is sent":
            selecting.cancel()
        await opened.send(name, name)
        if cancel == "when it has come":
            await asyncio.wait([selecting])
        selecting.cancel()
        await asyncio.wait([selecting])
        if selecting.cancelled():
            outcomes.add("left")
            assert await opened.receivers[name].receive() == name
        else:
            outcomes.add("kept")
            assert NAMES[selecting.result()[0]] == name
        for rx in opened.receivers.values():
            assert rx.statistics().length == 0
    assert outcomes <= CANCELS[cancel]


async def test_net13_each_of_memory_thread_pipe_tcp_and_timer_wins_a_select_over_all() -> None:
    async with sources() as opened:
        await each_wins(opened)


@pytest.mark.parametrize("cancel", CANCELS)
async def test_ch47_a_select_over_all_that_is_cancelled_keeps_its_item_or_leaves_it(cancel: str) -> None:
    async with sources() as opened:
        await is_cancelled(opened, cancel)
