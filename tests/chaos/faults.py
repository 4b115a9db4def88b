"""The faults of the campaign. Each makes one happen, proves by a counter that it took effect, and waits until all is
well again; what was promised and did not come is a broken promise.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .campaign import Campaign, Node

#: Seconds of silence after which the nodes of the campaign are down.
DOWN_AFTER: Final = 3.0
#: Seconds within which a promise has to come true, on a busy machine.
PATIENCE: Final = 20.0


async def _lost_and_back(campaign: Campaign, node: Node, began: float, heal: Callable[[], Any]) -> None:
    """The node is declared down, and a new one takes its place once `heal` was called."""
    lost = await campaign.event("NodeLost", node, began)
    campaign.detected(lost - began)
    heal()
    healed = time.monotonic()
    await node.restart()
    campaign.recovered(await campaign.progress(node, healed) - healed)


async def kill(campaign: Campaign, node: Node) -> int:
    """kill -9."""
    began = time.monotonic()
    node.process.kill()
    await node.process.wait()
    await _lost_and_back(campaign, node, began, lambda: None)
    return 1


async def stop_for_long(campaign: Campaign, node: Node) -> int:
    """SIGSTOP past the deadline, then SIGCONT: the node finds itself fenced and ends."""
    began = time.monotonic()
    os.kill(node.pid, signal.SIGSTOP)
    await campaign.event("NodeLost", node, began)
    campaign.detected(time.monotonic() - began)
    os.kill(node.pid, signal.SIGCONT)
    code = await asyncio.wait_for(node.process.wait(), PATIENCE)
    healed = time.monotonic()
    await node.restart()
    campaign.recovered(await campaign.progress(node, healed) - healed)
    return int(code == os.EX_TEMPFAIL)


async def stop_briefly(campaign: Campaign, node: Node) -> int:
    """SIGSTOP for a second: the session goes on."""
    async with campaign.same_session(node):
        os.kill(node.pid, signal.SIGSTOP)
        await asyncio.sleep(1.0)
        with open(f"/proc/{node.pid}/stat") as state:  # noqa: ASYNC230
            stopped = state.read().rpartition(")")[2].split()[0] == "T"
        os.kill(node.pid, signal.SIGCONT)
    return int(stopped)


async def compute(campaign: Campaign, node: Node) -> int:
    """A handler that computes for 8 s: told as stalled, and never down."""
    began = time.monotonic()
    async with campaign.same_session(node):
        await campaign.order("compute", node, 8.0)
    return campaign.count("NodeStalled", node, began)


async def reset(campaign: Campaign, node: Node) -> int:
    """A reset in the middle of the stream: the session goes on over another connection."""
    async with campaign.same_session(node):
        return campaign.network.reset_connections(node.number)


async def half_open(campaign: Campaign, node: Node) -> int:
    """The node dies while the wire is cut: nobody hears of it."""
    wire = node.wire
    before, began = wire.counted["cut"], time.monotonic()
    wire.to_near_cut = wire.to_far_cut = True
    node.process.kill()
    await node.process.wait()
    await _lost_and_back(campaign, node, began, wire.heal)
    return wire.counted["cut"] - before


async def partition_for_long(campaign: Campaign, node: Node) -> int:
    """No packet passes until both have declared the other down; the lesser one is fenced when they meet again."""
    wire = node.wire
    before, began = wire.counted["cut"], time.monotonic()
    wire.to_near_cut = wire.to_far_cut = True
    campaign.detected(await campaign.event("NodeLost", node, began) - began)
    await asyncio.sleep(1.0)
    wire.heal()
    await asyncio.wait_for(node.process.wait(), PATIENCE)  # it has lost who it joined, or was told that it is fenced
    healed = time.monotonic()
    await node.restart()
    campaign.recovered(await campaign.progress(node, healed) - healed)
    return wire.counted["cut"] - before


def _wire(change: Callable[[Any], None], counter: str, seconds: float) -> Callable[..., Awaitable[int]]:
    """A fault of the wire that a session outlives."""

    async def fault(campaign: Campaign, node: Node) -> int:
        wire = node.wire
        before = wire.counted[counter]
        async with campaign.same_session(node):
            change(wire)
            await asyncio.sleep(seconds)
            wire.heal()
        return int(wire.counted[counter] - before)

    return fault


def _cut(*, near: bool, far: bool) -> Callable[[Any], None]:
    def change(wire: Any) -> None:
        wire.to_near_cut, wire.to_far_cut = near, far

    return change


def _set(name: str, value: float) -> Callable[[Any], None]:
    return lambda wire: setattr(wire, name, value)


async def slow_consumer(campaign: Campaign, node: Node) -> int:
    """The receiver takes nothing for a second and a half: the sender waits, and nothing grows."""
    before = campaign.lane(node)["blocked"]
    async with campaign.same_session(node):
        await campaign.order("slow", node, 1.5)
        await asyncio.sleep(1.7)
    return int(campaign.lane(node)["blocked"] - before > 0.5)


async def exhaust_descriptors(campaign: Campaign, node: Node) -> int:
    """No descriptor is left on the node while its connection breaks: it goes on when there are some again."""
    async with campaign.same_session(node):
        running = asyncio.create_task(campaign.order("exhaust", node, 1.0))
        await asyncio.sleep(0.3)
        campaign.network.reset_connections(node.number)
        return int(await running)


async def fill_disk(campaign: Campaign, node: Node) -> int:
    """The file system of the node's sockets and log is full."""
    async with campaign.same_session(node):
        return int(await campaign.order("fill", node, node.folder))


async def clock_jump(campaign: Campaign, node: Node) -> int:
    """The wall clock of the node jumps by a day, there and back: timers go by another clock."""
    async with campaign.same_session(node):
        return int(await campaign.order("jump", node, node.clock))


#: What a lane does in turn: the name of each kind, and the fault.
KINDS: Final[dict[str, Callable[..., Awaitable[int]]]] = {
    "kill -9": kill,
    "SIGSTOP past the deadline": stop_for_long,
    "SIGSTOP for a second": stop_briefly,
    "a handler computes for 8 s": compute,
    "reset of the connection": reset,
    "half-open": half_open,
    "partition of one way": _wire(_cut(near=True, far=False), "cut", 1.0),
    "partition of both ways": _wire(_cut(near=True, far=True), "cut", 1.0),
    "partition past the deadline": partition_for_long,
    "loss of 10 %": _wire(_set("loss", 0.1), "lost", 1.0),
    "delay of 20 to 60 ms": _wire(_set("delay", 0.04), "delayed", 1.0),
    "duplication of 20 %": _wire(_set("doubled", 0.2), "doubled", 1.0),
    "reordering of 20 %": _wire(_set("reordered", 0.2), "reordered", 1.0),
    "slow consumer": slow_consumer,
    "descriptors exhausted": exhaust_descriptors,
    "disk full": fill_disk,
    "jump of the wall clock": clock_jump,
}
#: Which kinds follow each other on which lane; each lane takes about as long.
LANES: Final = (
    ("kill -9", "slow consumer", "descriptors exhausted", "disk full", "reset of the connection", "loss of 10 %",
     "delay of 20 to 60 ms"),
    ("SIGSTOP past the deadline", "duplication of 20 %", "reordering of 20 %"),
    ("a handler computes for 8 s",),
    ("half-open", "SIGSTOP for a second"),
    ("partition past the deadline", "partition of one way", "partition of both ways", "jump of the wall clock"),
)  # fmt: skip
