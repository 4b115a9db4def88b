"""Dining philosophers: five of them, five forks, and everybody needs two forks to eat.

A fork on the table is an item in a channel of capacity 1. If all took their left fork first, all could end up holding
one and waiting for the other for ever. So everybody takes the fork with the lower number first: then no circle of
waiting can close.
"""

import asyncio

import actorpar as ap

NAMES = ("Kant", "Hume", "Mill", "Marx", "Sartre")
MEALS = 20


class Fork:
    """A fork: `take` waits until it lies on the table."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._put, self._take = ap.open_channel[None](1, name=f"fork {number}")
        self._put.send_nowait(None)

    async def take(self) -> None:
        await self._take.receive()

    def put_back(self) -> None:
        self._put.send_nowait(None)

    def close(self) -> None:
        self._put.close()
        self._take.close()


async def philosopher(left: Fork, right: Fork) -> int:
    first, second = sorted((left, right), key=lambda fork: fork.number)
    meals = 0
    while meals < MEALS:
        await first.take()
        await second.take()
        meals += 1
        await asyncio.sleep(0)  # eats, and everybody else has a turn
        first.put_back()
        second.put_back()
    return meals


async def main() -> None:
    forks = [Fork(number) for number in range(len(NAMES))]
    async with ap.ProcessGroup("table") as table:
        guests = [
            table.spawn(philosopher, forks[seat], forks[(seat + 1) % len(forks)], name=name)
            for seat, name in enumerate(NAMES)
        ]
    for guest in guests:
        print(f"{guest.get_name()} ate {guest.result()} times")
    for fork in forks:
        fork.close()


if __name__ == "__main__":
    ap.run(main)
