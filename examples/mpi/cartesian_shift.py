"""Cartesian shift: members on a ring, each with the temperature of its place, and heat that spreads to the neighbours.

Where MPI_Cart_shift gives two ranks for MPI_Sendrecv, a neighbour has a channel for each direction. Nobody waits for
all: a member goes on when its two neighbours have sent.
"""

import itertools

import actorpar as ap

SIZE = 4
STEPS = 3


async def member(seat: ap.Seat[float]) -> str:
    async with seat as team:
        ring = await team.cart((team.size,), periodic=True)
        source, destination = ring.shift(0, 1)
        before, behind = ring.neighbours[0, -1], ring.neighbours[0, 1]
        heat = 100.0 if ring.coords == (0,) else 0.0
        for _ in range(STEPS):
            await before.sender.send(heat)  # there is room for one, so all may send first
            await behind.sender.send(heat)
            heat = heat / 2 + (await before.receiver.receive() + await behind.receiver.receive()) / 4
        ring.close_neighbours()
        return f"{team.rank} gets from {source}, gives to {destination}, and has {heat:.3f} degrees"


async def main() -> None:
    async with ap.ActorSystem() as system:
        places = itertools.cycle((None, *system.nodes))  # this node first, then the others, then again
        seats = zip(ap.open_team[float](SIZE), places, strict=False)
        members = [await system.spawn(member, seat, on=place) for seat, place in seats]
        for done in members:
            print(await done)


if __name__ == "__main__":
    ap.run(main)
