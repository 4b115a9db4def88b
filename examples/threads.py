"""Threads and channels: a blocking producer in a thread feeds the loop, and another thread takes the results.

The handles for other threads block their thread when the channel is full or empty; the loop never blocks.
"""

import asyncio

import actorpar as ap


def read_sensor(out: ap.ThreadSender[int]) -> None:
    """Stands for a library that knows only blocking calls."""
    with out:
        for reading in range(1000):
            out.send(reading)


def print_totals(totals: ap.ThreadReceiver[int]) -> None:
    with totals:
        for total in totals:
            print(f"total so far: {total}")


async def add_up(readings: ap.Receiver[int], totals: ap.Sender[int]) -> None:
    total = 0
    with readings, totals:
        async for reading in readings:
            total += reading
            if reading % 250 == 249:
                await totals.send(total)


async def main() -> None:
    readings_tx, readings_rx = ap.open_channel[int](64)
    totals_tx, totals_rx = ap.open_channel[int](4)
    with readings_tx, totals_rx:  # threadsafe() clones; ours are closed at the end of this block
        sensor = asyncio.to_thread(read_sensor, readings_tx.threadsafe())
        printer = asyncio.to_thread(print_totals, totals_rx.threadsafe())
    await ap.par(sensor, add_up(readings_rx, totals_tx), printer)


if __name__ == "__main__":
    ap.run(main)
