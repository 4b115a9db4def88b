"""A deadlock: two processes that both receive before they send, so that each waits for the other for ever.

In MPI such a job hangs and says nothing. Here the picture of who waits for whom, which `actorpar top` shows too, has
the ring with its names, if both are on one node. A ring that leads through two nodes is in no picture: each node shows
its own half of it, and only a deadline ends it. Members of a team that call different things are told, on any nodes.
"""

import asyncio
import os

import actorpar as ap


async def polite(inbox: ap.Receiver[str], outbox: ap.Sender[str]) -> str:
    heard = await inbox.receive()  # first; the mend is to let one of the two send first
    await outbox.send("hello")
    return heard


async def meet(system: ap.ActorSystem, where: str | None) -> None:
    """Ann is here, Ben on the node of that name; after half a second we look, and end it."""
    to_ann_tx, to_ann_rx = ap.open_channel[str](1, name="letters to Ann")
    to_ben_tx, to_ben_rx = ap.open_channel[str](1, name="letters to Ben")
    ann = await system.spawn(polite, to_ann_rx, to_ben_tx, name="Ann")
    ben = await system.spawn(polite, to_ben_rx, to_ann_tx, name="Ben", on=where)
    await asyncio.wait([ann, ben], timeout=0.5)
    picture = system.snapshot()
    for wait in picture["waits"]:
        print(f"  {wait['who']} waits to {wait['does']} {wait['on']}")
    for ring in picture["suspects"]:
        print("  deadlock:", " -> ".join([*ring, ring[0]]))
    ann.cancel()
    ben.cancel()
    await asyncio.wait([ann, ben])


async def member(seat: ap.Seat[None]) -> str:
    async with seat as team:
        try:
            await (team.barrier() if team.rank == 0 else team.allgather(team.rank))
        except ap.TeamMismatch as error:
            return f"  {team.rank} is told: {error}"
        return "  nothing is wrong"


async def main() -> None:
    async with ap.ActorSystem() as system:
        elsewhere = [node.name for node in system.nodes if node.pid != os.getpid()]
        print("both on one node:")
        await meet(system, None)
        for name in elsewhere[:1]:
            print("on two nodes:")
            await meet(system, name)
        print("in a team:")
        seats = zip(ap.open_team[None](2), (None, *elsewhere, None), strict=False)
        for done in [await system.spawn(member, seat, on=place) for seat, place in seats]:
            print(await done)


if __name__ == "__main__":
    ap.run(main)
