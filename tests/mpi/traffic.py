"""What sends and receives in the soak (`soak.py`), importable on every rank."""

from __future__ import annotations

import random

import actorpar as ap

SMALLEST, LARGEST = 8, 200_000


def sizes(seed: int, count: int) -> list[int]:
    """As many small ones as large ones, and all between."""
    draw = random.Random(seed)
    return [int(SMALLEST * (LARGEST / SMALLEST) ** draw.random()) for _ in range(count)]


def message(number: int, size: int) -> bytes:
    """Its number, over and over: a byte that is lost, doubled or of another message shows."""
    return (number.to_bytes(8, "little") * (size // 8 + 1))[:size]


async def produce(out: ap.Sender[bytes], seed: int, count: int) -> None:
    async with out:
        for number, size in enumerate(sizes(seed, count)):
            await out.send(message(number, size))


async def consume(items: ap.Receiver[bytes], seed: int, count: int) -> int:
    expected = sizes(seed, count)
    came = 0
    async with items:
        async for item in items:
            assert item == message(came, expected[came]), f"item {came} of seed {seed}"
            came += 1
    return came
