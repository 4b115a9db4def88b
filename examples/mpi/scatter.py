"""Scatter: one member cuts the work into pieces, one for each member, and each gets its own."""

import itertools

import actorpar as ap

SIZE = 4


async def member(seat: ap.Seat[None]) -> str:
    async with seat as team:
        whole = range(3 * team.size)
        pieces = [list(whole[at : at + 3]) for at in whole[::3]] if team.rank == 0 else None
        piece = await team.scatter(pieces, root=0, of=list[int])  # as many pieces as members, or InvalidCall
        return f"{team.rank} adds {piece} up to {sum(piece)}"


async def main() -> None:
    async with ap.ActorSystem() as system:
        places = itertools.cycle((None, *system.nodes))  # this node first, then the others, then again
        seats = zip(ap.open_team[None](SIZE), places, strict=False)
        members = [await system.spawn(member, seat, on=place) for seat, place in seats]
        for done in members:
            print(await done)


if __name__ == "__main__":
    ap.run(main)
