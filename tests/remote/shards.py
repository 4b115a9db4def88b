"""A node of a program whose state is spread over actors of several nodes by key.

`python -m tests.remote.shards NAME FOLDER [OTHER]` starts two shards, listens in the folder, and links to the other
node that listens there. It prints each change of the group, `ready`, and for each line of its input who has each of
KEYS.
"""

from __future__ import annotations

import asyncio
import sys

import actorpar as ap
from actorpar.nodes.node import Node

GROUP = "shards"
KEYS = 60
#: Seconds of silence after which these nodes are down.
DOWN_AFTER = 3.0
SERVES = ("tests.remote.shards",)


class Shard(ap.Actor):
    """Has the keys that its name draws."""

    def __init__(self, group: str = GROUP) -> None:
        self.seen: list[str] = []
        if group:
            self.ctx.join(group)

    def note(self, text: str) -> str:
        self.seen.append(text)
        return self.ctx.name

    def notes(self) -> list[str]:
        return self.seen

    def join(self, group: str) -> None:
        self.ctx.join(group)

    def leave(self, group: str) -> None:
        self.ctx.leave(group)

    async def wait(self) -> None:
        await asyncio.Event().wait()

    def stop(self) -> None:
        self.ctx.stop()


def say(line: str) -> None:
    print(line, flush=True)


async def tell_changes(members: tuple[ap.ActorRef[Shard], ...], changes: ap.Receiver[ap.GroupChange]) -> None:
    for ref in members:
        say(f"+{ref.name}")
    async with changes:
        async for change in changes:
            say(("+" if change.joined else "-") + ",".join(sorted(ref.name for ref in change.refs)))


async def main(name: str, folder: str, other: str = "") -> None:
    async with (
        Node(name, down_after=DOWN_AFTER) as node,
        ap.ActorSystem(name, node=node, serves=SERVES, shutdown=1.0) as system,
    ):
        telling = asyncio.create_task(tell_changes(*system.groups.monitor(GROUP)))
        for number in range(2):
            await system.spawn(Shard, name=f"{name}-{number}")
        await node.listen(f"unix:{folder}/{name}")
        if other:
            await node.connect(f"unix:{folder}/{other}")
        say("ready")
        router = ap.Router.of_group(system, GROUP, Shard)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            owners = [await router.by_key(f"key {key}").ask(Shard.note, str(key)) for key in range(KEYS)]
            say("keys " + " ".join(owners))
        telling.cancel()


if __name__ == "__main__":
    from tests.remote import shards  # under its own name, by which other nodes know its class

    asyncio.run(shards.main(*sys.argv[1:]))
