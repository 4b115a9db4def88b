"""A program that `actorpar top` looks at: `python -m tests.observe.program NAME…` runs a system of each name.

It prints `ready` and ends when its standard input does. In each system two actors ask each other in a ring, one is
suspended with three messages, and one counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

import actorpar as ap


class Counter(ap.Actor, mailbox=4):
    """Counts."""

    def __init__(self) -> None:
        self.count = 0

    def add(self) -> None:
        self.count += 1

    async def pass_on(self, *others: ap.ActorRef[Counter]) -> None:
        if others:
            await others[0].within(None).ask(Counter.pass_on, *others[1:])


async def fill(system: ap.ActorSystem) -> None:
    """Start the actors of one system."""
    first, second = await system.spawn(Counter, name="first"), await system.spawn(Counter, name="second")

    async def ask() -> None:
        with contextlib.suppress(ap.ActorDead):
            await first.within(60).ask(Counter.pass_on, second, first)

    await system.spawn(ask, name="client")
    held = await system.spawn(Counter, name="held")
    system.suspend(held)
    for _ in range(3):
        held.tell(Counter.add)
    counter = await system.spawn(Counter, name="counter")
    counter.tell(Counter.add)


async def main() -> None:
    async with contextlib.AsyncExitStack() as stack:
        systems = [await stack.enter_async_context(ap.ActorSystem(name, shutdown=0.0)) for name in sys.argv[1:]]
        for system in systems:
            await fill(system)
        await asyncio.sleep(0)
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for system in systems:
            for ref in system.actors:
                system.kill(ref)


if __name__ == "__main__":
    asyncio.run(main())
