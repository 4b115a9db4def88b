"""Reduce: pi by the midpoint rule; each member adds up every fourth strip, and the sums are added in rank order.

The order is the same on any number of nodes and over any link, so the last digit is, too.
"""

import itertools
import math

import actorpar as ap

SIZE = 4
STRIPS = 10_000


async def member(seat: ap.Seat[None]) -> str:
    async with seat as team:
        middles = ((strip + 0.5) / STRIPS for strip in range(team.rank, STRIPS, team.size))
        part = sum(4 / (1 + x * x) for x in middles) / STRIPS
        pi = await team.reduce(part, ap.SUM, root=0)  # allreduce, if all want it
        if pi is None:
            return f"{team.rank} has given its part"
        return f"{team.rank} has pi, {pi:.6f}, which is wrong by {abs(pi - math.pi):.0e}"


async def main() -> None:
    async with ap.ActorSystem() as system:
        places = itertools.cycle((None, *system.nodes))  # this node first, then the others, then again
        seats = zip(ap.open_team[None](SIZE), places, strict=False)
        members = [await system.spawn(member, seat, on=place) for seat, place in seats]
        for done in members:
            print(await done)


if __name__ == "__main__":
    ap.run(main)
