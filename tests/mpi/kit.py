"""The conformance kit with one end at rank 1: started by mpiexec on two ranks, prints one line of JSON for each check.

Each check is driven from rank 0 and asks rank 1 for what it needs by a control pipe (`tests/nodes/elsewhere.py`); the
channels themselves go over MPI, and the last line tells how much of what the links carried.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from multiprocessing.connection import Client, Listener
from typing import Any

import uvloop

from actorpar.nodes.codec import audit
from actorpar.nodes.node import Node
from tests.mpi.joined import Joined, joined
from tests.nodes.elsewhere import Far, Holder, receiver_far, sender_far
from tests.nodes.test_conformance_far import ARRANGEMENTS, PATIENCE
from tests.nodes.test_select_over_all import CANCELS, Sources, each_wins, is_cancelled

#: Seconds that one check may take.
LIMIT = 20.0


class FarRank(Far):
    """Rank 1, as the process that has the other ends."""

    def take(self, control: Any, node: bytes) -> None:
        """Drive it over this control pipe."""
        self._control = control
        self._link = self._node.links[node]
        asyncio.get_running_loop().add_reader(control.fileno(), self._readable)

    def stop(self) -> None:
        """End its operations."""
        self.now("stop")
        asyncio.get_running_loop().remove_reader(self._control.fileno())


def pairs(far: Far, name: str) -> Callable[[float], Any]:
    """What opens pairs whose ends are at the two ranks."""
    turn: dict[str, list[Callable[[Far, float], Any]]] = {
        "receiver_far": [receiver_far], "sender_far": [sender_far], "crossed": [receiver_far, sender_far],
    }  # fmt: skip
    each = itertools.cycle(turn[name])
    return lambda capacity: next(each)(far, capacity)


async def report(name: str, check: Coroutine[Any, Any, None]) -> None:
    """Run a check, and print how it went."""
    failure = ""
    try:
        async with asyncio.timeout(LIMIT):
            await check
    except Exception:
        failure = traceback.format_exc()
    print(json.dumps({"check": name, "failure": failure}), flush=True)


@contextlib.asynccontextmanager
async def sources(node: Node, far: Far) -> AsyncIterator[Sources]:
    """The channels of a select over memory, a thread, MPI, TCP, and a timer."""
    tcp = await Far(node).start("tcp")
    try:
        opened = Sources(far, tcp)
        yield opened
        opened.close()
    finally:
        await tcp.end()


async def lead(here: Joined) -> Far:
    """Drive all checks; what it returns is kept until all have ended, for over there its control pipe is watched."""
    path = str(here.ranks.folder / "control")
    with audit.allowed(), Listener(path, "AF_UNIX") as listener:
        here.world.tell_all(path)
        control = listener.accept()
    far = FarRank(here.node)
    (node,) = here.node.links
    far.take(control, node)
    for name, checks in ARRANGEMENTS.items():
        for check in checks.values():
            run = check.run(pairs(far, name), processes=name != "receiver_far", patience=PATIENCE)
            await report(f"{name}-{check.name}", run)
    async with sources(here.node, far) as opened:
        await report("select-each_wins", each_wins(opened))
        for cancel in CANCELS:
            await report(f"select-{cancel}", is_cancelled(opened, cancel))
    links = [(link.medium, link.outbound.next_seq + link.inbound.next_seq - 2) for link in here.node.links.values()]
    print(json.dumps({"carried": links, "packets": here.ranks.poller.packets}), flush=True)
    far.stop()
    return far


async def follow(here: Joined) -> None:
    path = here.world.tell_all("")[0]
    with audit.allowed():
        control: Any = Client(path, "AF_UNIX")
    (node,) = here.node.links
    await Holder(control, here.node, node).stopped.wait()


async def main() -> None:
    async with joined() as here:
        kept = await (lead(here) if here.rank == 0 else follow(here))
    del kept


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
