"""Broadcast: what one member has, all get; here settings that only the first member has read.

A team is opened with a seat for each member. A seat is an argument like any other, so members may be processes and
actors, here and on other nodes; whoever takes a seat calls what the others call.
"""

import itertools

import actorpar as ap

SIZE = 4


async def member(seat: ap.Seat[None]) -> str:
    async with seat as team:
        read = {"steps": 100, "every": 10} if team.rank == 0 else None
        settings = await team.broadcast(read, root=0, of=dict[str, int])  # the others pass nothing
        return f"{team.rank} makes {settings['steps']} steps"


async def main() -> None:
    async with ap.ActorSystem() as system:
        places = itertools.cycle((None, *system.nodes))  # this node first, then the others, then again
        seats = zip(ap.open_team[None](SIZE), places, strict=False)
        members = [await system.spawn(member, seat, on=place) for seat, place in seats]
        for done in members:
            print(await done)


if __name__ == "__main__":
    ap.run(main)
