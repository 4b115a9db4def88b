"""Alltoall: each member has something for each; here a matrix by rows becomes the same matrix by columns."""

import itertools

import actorpar as ap

SIZE = 4


async def member(seat: ap.Seat[None]) -> str:
    async with seat as team:
        row = [10 * team.rank + place for place in range(team.size)]  # item i is for member i
        column = await team.alltoall(row)  # item i is from member i
        return f"{team.rank} gave {row} and has {column}"


async def main() -> None:
    async with ap.ActorSystem() as system:
        places = itertools.cycle((None, *system.nodes))  # this node first, then the others, then again
        seats = zip(ap.open_team[None](SIZE), places, strict=False)
        members = [await system.spawn(member, seat, on=place) for seat, place in seats]
        for done in members:
            print(await done)


if __name__ == "__main__":
    ap.run(main)
