"""A program whose first node computes, whose second one is blocked, and whose third has nothing to do."""

from __future__ import annotations

import asyncio
import threading

import actorpar as ap


class Blocked(ap.Actor):
    """Blocks the loop of its node."""

    def block(self) -> None:
        threading.Event().wait(60)


async def compute() -> None:
    """Uses what CPU there is, and lets others have their turn."""
    while True:
        sum(range(10_000))
        await asyncio.sleep(0)


async def main() -> None:
    async with ap.ActorSystem("three") as system:
        await system.spawn(compute, on="node-1")
        blocked = await system.spawn(Blocked, on="node-2")
        print("ready", flush=True)
        blocked.tell(Blocked.block)
        await asyncio.Event().wait()
