"""What many tests of processes do: run one alone, and let everything run until it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

import actorpar as ap

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


async def alone(target: Callable[[*Ts], Coroutine[Any, Any, R]], /, *args: *Ts) -> R:
    """Run one process and return its result."""
    async with ap.ProcessGroup() as group:
        process = group.spawn(target, *args)
    return process.result()


async def settle() -> None:
    """Called by an ordinary task: let everything that is ready run until it waits for something else."""
    for _ in range(20):
        await asyncio.sleep(0)


async def sleep_for_ever() -> None:
    """A process that only ends by being cancelled."""
    await asyncio.get_running_loop().create_future()
