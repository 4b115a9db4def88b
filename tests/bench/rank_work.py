"""What runs on the other rank in the rows of ranks, imported there by name."""

from __future__ import annotations

import time

import numpy as np

import actorpar as ap


async def echo(items: ap.Receiver[bytes], back: ap.Sender[bytes]) -> None:
    async for item in items:
        await back.send(item)


async def count(items: ap.Receiver[bytes], done: ap.Sender[int]) -> None:
    total = 0
    await done.send(0)
    async for _ in items:
        total += 1
    await done.send(total)


async def count_arrays(arrays: ap.Receiver[np.ndarray], done: ap.Sender[int]) -> None:
    total = 0
    await done.send(0)
    async for array in arrays:
        total += int(array[-1])
    await done.send(total)


async def reduce(seat: ap.Seat[None], items: int) -> float:
    """Seconds for each of so many allreduces of 64 B."""
    async with seat as team:
        mine = np.ones(8)
        await team.allreduce(mine)
        began = time.perf_counter()
        for _ in range(items):
            await team.allreduce(mine)
        return (time.perf_counter() - began) / items


async def drive(back: ap.Receiver[bytes], out: ap.Sender[bytes], items: int) -> float:
    """Seconds for each way of so many items that go there and back."""
    item = bytes(64)
    await out.send(item)
    await back.receive()
    began = time.perf_counter()
    for _ in range(items):
        await out.send(item)
        await back.receive()
    return (time.perf_counter() - began) / items / 2
