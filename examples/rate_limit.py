"""A rate limit with bursts: a token bucket is a channel that a ticker fills, and that drops tokens when it is full."""

import asyncio

import actorpar as ap

RATE = 100  # requests per second
BURST = 5  # requests that may go at once after a quiet time


async def refill(bucket: ap.Sender[None]) -> None:
    with ap.tick(1 / RATE) as ticks:
        async for _ in ticks:
            await bucket.send(None)  # "drop_new": never waits


async def client(requests: int, bucket: ap.Receiver[None]) -> float:
    clock = asyncio.get_running_loop().time
    start = clock()
    for _ in range(requests):
        await bucket.receive()
        # … the request itself
    return clock() - start


async def main() -> None:
    bucket_tx, bucket_rx = ap.open_channel[None](BURST, overflow="drop_new", name="bucket")
    for _ in range(BURST):
        bucket_tx.send_nowait(None)
    async with ap.ProcessGroup() as group:
        refiller = group.spawn(refill, bucket_tx)
        elapsed = await group.spawn(client, 25, bucket_rx)
        refiller.cancel()
    print(f"25 requests, {BURST} of them at once, took at least 0.19 s: {elapsed >= 0.19}")


if __name__ == "__main__":
    ap.run(main)
