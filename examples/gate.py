"""A gate that opens: a service answers when its table is loaded, and requests that come earlier wait, in their order.

A message that cannot be handled yet is put aside with `stash`. `unstash_all` brings all of them back, before everything
that came later; whoever has given up by then is not served.
"""

import asyncio

import actorpar as ap

CAPITALS = {"Ghana": "Accra", "Japan": "Tokyo", "Malta": "Valletta"}


class Atlas(ap.Actor):
    def __init__(self) -> None:
        self.table: dict[str, str] | None = None

    async def on_start(self) -> None:
        await self.ctx.spawn(load, self.ctx.ref)  # a process beside the actor: it answers meanwhile

    def open(self, table: dict[str, str]) -> None:
        print("the gate opens")
        self.table = table
        self.ctx.unstash_all()

    def capital(self, country: str) -> str:
        if self.table is None:
            self.ctx.stash()
            return ""  # reaches nobody: the message will be handled again
        print("looked up:", country)
        return self.table[country]


async def load(atlas: ap.ActorRef[Atlas]) -> None:
    await asyncio.sleep(0.2)  # stands for a large file, or another service
    atlas.tell(Atlas.open, CAPITALS)


async def main() -> None:
    async with ap.ActorSystem() as system:
        atlas = await system.spawn(Atlas)
        early = [asyncio.create_task(atlas.ask(Atlas.capital, country)) for country in CAPITALS]
        try:
            await atlas.within(0.05).ask(Atlas.capital, "Chile")
        except ap.AskTimeout as error:
            print(str(error).replace(atlas.name, "the atlas").partition(";")[0])
        print(await asyncio.gather(*early))
        print(await atlas.ask(Atlas.capital, "Malta"))


if __name__ == "__main__":
    ap.run(main)
