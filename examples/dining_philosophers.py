"""Dining philosophers: five of them, five forks, and everybody needs two forks to eat.

A fork is a process; picking it up and putting it down are messages that it takes from one neighbour at a time. With
`--careless` everybody picks up the left fork first, and all wait for the other one for ever: in debug mode the loop
then reports who waits for whom. Without it everybody picks up the fork with the lower number first, and no ring of
waiting can close.
"""

import asyncio
import functools
import sys

import actorpar as ap

NAMES = ("Kant", "Hume", "Mill", "Marx", "Sartre")
MEALS = 20


async def fork(left: ap.Receiver[None], right: ap.Receiver[None]) -> None:
    try:
        while True:
            match await ap.select(left, right, skip_closed=True):  # picked up
                case 0, _:
                    await left.receive()  # put down
                case _:
                    await right.receive()
    except ap.AllClosed:
        return  # both neighbours have left the table


async def philosopher(first: ap.Sender[None], second: ap.Sender[None]) -> int:
    for _ in range(MEALS):
        await first.send(None)
        await second.send(None)
        await asyncio.sleep(0)  # eats
        await first.send(None)
        await second.send(None)
    return MEALS


async def dinner(careless: bool) -> None:
    left_hands, right_hands = [], []  # the ends with which the philosophers speak to their forks
    async with ap.ProcessGroup("table") as table:
        for number in range(len(NAMES)):
            as_left, from_the_right = ap.open_channel[None](0, name=f"left of {NAMES[number]}")
            as_right, from_the_left = ap.open_channel[None](0, name=f"right of {NAMES[number - 1]}")
            left_hands.append(as_left)
            right_hands.append(as_right)
            table.spawn(fork, from_the_left, from_the_right, name=f"fork {number}")
        right_hands.append(right_hands.pop(0))  # fork 0 lies to the right of the last one
        guests = []
        for name, left, right in zip(NAMES, left_hands, right_hands, strict=True):
            last = name == NAMES[-1]  # only for this one the left fork has the higher number
            first, second = (right, left) if last and not careless else (left, right)
            guests.append(table.spawn(philosopher, first, second, name=name))
    for guest in guests:
        print(f"{guest.get_name()} ate {guest.result()} times")


async def main(careless: bool) -> None:
    try:
        async with asyncio.timeout(2 if careless else None):
            await dinner(careless)
    except TimeoutError:
        print("nobody can eat; the report above tells why")


if __name__ == "__main__":
    careless = "--careless" in sys.argv
    ap.run(functools.partial(main, careless), debug=careless)
