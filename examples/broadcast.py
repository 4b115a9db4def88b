"""A price ticker: every subscriber gets every price, and one that is too slow sees only the latest.

With overflow="latest" a send never waits for a subscriber. With the default, "wait", the slowest one sets the pace.
"""

import asyncio

import actorpar as ap

PRICES = [100.0 + step for step in range(20)]


async def exchange(out: ap.Sender[float]) -> None:
    with ap.tick(0.005) as ticks:
        for price in PRICES:
            await ticks.receive()
            await out.send(price)


async def trader(name: str, pause: float, prices: ap.Receiver[float]) -> tuple[str, list[float]]:
    seen = []
    async for price in prices:
        seen.append(price)
        await asyncio.sleep(pause)
    return name, seen


async def main() -> None:
    out, hub = ap.open_broadcast[float](1, overflow="latest", name="prices")
    async with ap.ProcessGroup() as group:
        with hub:
            quick = group.spawn(trader, "quick", 0.0, hub.subscribe())
            slow = group.spawn(trader, "slow", 0.03, hub.subscribe())
        group.spawn(exchange, out)
    for name, seen in (quick.result(), slow.result()):
        print(f"{name} saw {len(seen)} of {len(PRICES)} prices, and last of all {seen[-1]:.0f}")


if __name__ == "__main__":
    ap.run(main)
