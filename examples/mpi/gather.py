"""Gather: each member has a part of the answer, and one of them collects the parts, in the order of the ranks."""

import itertools

import actorpar as ap

SIZE = 4


async def member(seat: ap.Seat[None]) -> str:
    async with seat as team:
        cubes = await team.gather(team.rank**3, root=0)  # allgather, if all want them
        if cubes is None:
            return f"{team.rank} has given its part"
        return f"{team.rank} has all of {cubes}"


async def main() -> None:
    async with ap.ActorSystem() as system:
        places = itertools.cycle((None, *system.nodes))  # this node first, then the others, then again
        seats = zip(ap.open_team[None](SIZE), places, strict=False)
        members = [await system.spawn(member, seat, on=place) for seat, place in seats]
        for done in members:
            print(await done)


if __name__ == "__main__":
    ap.run(main)
