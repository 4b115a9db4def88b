"""A pipeline: each stage is a process, the channels between them are bounded, and the slowest stage sets the pace.

The source could make numbers a thousand times faster than the last stage takes them. It waits instead: no channel
ever holds more than its capacity.
"""

import asyncio

import actorpar as ap


async def numbers(count: int, out: ap.Sender[int]) -> None:
    for n in range(count):
        await out.send(n)


async def squares(source: ap.Receiver[int], out: ap.Sender[int]) -> None:
    async for n in source:
        await out.send(n * n)


async def store(source: ap.Receiver[int]) -> int:
    total = 0
    async for n in source:
        await asyncio.sleep(0.001)  # a slow disk
        total += n
    return total


async def main() -> None:
    raw_tx, raw_rx = ap.open_channel[int](4, name="raw")
    ready_tx, ready_rx = ap.open_channel[int](4, name="ready")
    with raw_rx.clone() as raw, ready_rx.clone() as ready:  # ours, to look at; spawn takes the others away from us
        async with ap.ProcessGroup() as group:
            group.spawn(numbers, 100, raw_tx)
            group.spawn(squares, raw_rx, ready_tx)
            total = group.spawn(store, ready_rx)
        for end in (raw, ready):
            print(f"{end.name}: capacity {end.statistics().capacity}, peak {end.statistics().peak}")
    print(f"sum of 100 squares: {total.result()}")


if __name__ == "__main__":
    ap.run(main)
