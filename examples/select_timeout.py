"""Wait for several channels at once, with a deadline: the first that is ready is taken, nothing else is touched."""

import asyncio

import actorpar as ap


async def sensor(readings: ap.Sender[float]) -> None:
    for reading in (20.5, 21.0, 21.5):
        await asyncio.sleep(0.01)
        await readings.send(reading)
    await asyncio.sleep(3600)  # and then it falls silent


async def operator(orders: ap.Sender[str]) -> None:
    await orders.send("calibrate")
    await asyncio.sleep(3600)


async def watch(readings: ap.Receiver[float], orders: ap.Receiver[str]) -> None:
    while True:
        # A receiver is a guard. The value has the type of the channel that was chosen: match narrows it.
        match await ap.select(readings, orders, ap.after(0.2)):
            case 0, reading:
                print(f"reading {reading:.1f}")
            case 1, order:
                print(f"order {order.upper()}")
            case _:
                print("silence for 0.2 s: giving up")
                return


async def main() -> None:
    readings_tx, readings_rx = ap.open_channel[float](0)
    orders_tx, orders_rx = ap.open_channel[str](0)
    async with ap.ProcessGroup() as group:
        sources = [group.spawn(sensor, readings_tx), group.spawn(operator, orders_tx)]
        await group.spawn(watch, readings_rx, orders_rx)
        for source in sources:
            source.cancel()


if __name__ == "__main__":
    ap.run(main)
