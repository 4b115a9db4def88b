"""A deadlock: two processes that both receive before they send, so that each waits for the other for ever.

In MPI such a job hangs and says nothing. Here the picture of who waits for whom has the ring, by name, for processes
of one node; `actorpar top` shows it, too. A ring that leads through several nodes is in no picture yet: there each
node shows its own wait, and a deadline is what ends it.
"""

import asyncio

import actorpar as ap


async def polite(inbox: ap.Receiver[str], outbox: ap.Sender[str]) -> str:
    heard = await inbox.receive()  # first; the mend is that one of the two sends first
    await outbox.send("hello")
    return heard


async def meet(system: ap.ActorSystem, where: str | None) -> None:
    to_ann_tx, to_ann_rx = ap.open_channel[str](1, name="to Ann")
    to_ben_tx, to_ben_rx = ap.open_channel[str](1, name="to Ben")
    ann = await system.spawn(polite, to_ann_rx, to_ben_tx, name="Ann")
    ben = await system.spawn(polite, to_ben_rx, to_ann_tx, name="Ben", on=where)
    await asyncio.wait([ann, ben], timeout=0.5)
    picture = system.snapshot()
    for wait in picture["waits"]:
        print(f"  {wait['who']} waits to {wait['does']} on {wait['on']}")
    for ring in picture["suspects"]:
        print("  deadlock:", " -> ".join([*ring, ring[0]]))
    for process in (ann, ben):
        process.cancel()
    await asyncio.wait([ann, ben])


async def main() -> None:
    async with ap.ActorSystem() as system:
        print("both on one node:")
        await meet(system, None)
        for node in system.nodes[:1]:
            print("on two nodes:")
            await meet(system, node.name)


if __name__ == "__main__":
    ap.run(main)
