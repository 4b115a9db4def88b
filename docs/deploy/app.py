"""The program of the manifests beside it: it squares numbers on every node, and goes on as they come and leave."""

import asyncio
import itertools
import os

import actorpar as ap


async def square(number: int) -> int:
    print(f"squaring {number}", flush=True)
    return number * number


async def main() -> None:
    async with ap.ActorSystem("squares") as system:
        await system.wait_for_nodes(int(os.environ.get("NODES", "1")))
        for number in itertools.count(1):
            for node in await system.wait_for_nodes(1):
                try:
                    process = await system.spawn(square, number, on=node)
                    print(f"{number} squared on {node.name} is {await process}", flush=True)
                except ap.NodeDown as error:  # the next round is for those that are left, and for who comes
                    print(error, flush=True)
            await asyncio.sleep(1)
