"""A program whose supervisors have children on the nodes that the launcher has started; it kills nodes, and says what
happened, one JSON line for each thing that the test looks at."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Any

import actorpar as ap

S = ap.Supervisor


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


class Teller(ap.Actor):
    """Collects what children on all nodes tell it, in the order in which it comes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)

    def take(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines


class Worker(ap.Actor):
    """Tells when it starts, and is not done with its stop before that was noted."""

    def __init__(self, teller: ap.ActorRef[Teller], label: str) -> None:
        self.teller = teller
        self.label = label
        self.last: Any = None

    def on_restart(self, restart: ap.Restart) -> None:
        self.last = [str(restart.reason), restart.state]

    async def on_start(self) -> None:
        await self.teller.ask(Teller.note, f"start {self.label}")

    async def on_stop(self, reason: ap.Reason) -> None:
        await self.teller.ask(Teller.note, f"stop {self.label}")

    def pid(self) -> int:
        self.ctx.keep(self.label)
        return os.getpid()

    def fail(self) -> None:
        raise ValueError("as it was told")

    def was(self) -> Any:
        return self.last


class Away(ap.Supervisor):
    """A supervisor on a node, with a child on another one."""

    def __init__(self, teller: ap.ActorRef[Teller], node: str) -> None:
        super().__init__(ap.one_for_one(ap.child(Worker, teller, "grandchild", id="w", on=node)))

    def worker(self) -> ap.ActorRef[Worker] | None:
        return self.child("w")


class Scene:
    """A supervisor here with children a, b and c on node-1, node-2 and node-3, or where there is room."""

    def __init__(self, system: ap.ActorSystem, teller: ap.ActorRef[Teller], strategy: Any, by: dict[str, str]) -> None:
        self.system = system
        self.teller = teller
        self.children = [ap.child(Worker, teller, label, id=label, on=node) for label, node in by.items()]
        self.strategy = strategy
        self.sup: ap.ActorRef[S]

    async def begin(self) -> Scene:
        backoff = ap.Backoff(0.05, 0.2)
        self.sup = await self.system.spawn(S, self.strategy(*self.children, intensity=20, period=60.0, backoff=backoff))
        return self

    async def pids(self) -> list[int]:
        """The processes of the children, once all run."""
        async with asyncio.timeout(20):
            return [await self._pid(spec.label) for spec in self.children]

    async def _pid(self, id: str) -> int:
        while True:
            ref = await self.sup.ask(S.child, id)
            try:
                if ref is not None:
                    return int(await ref.ask(Worker.pid))
            except (ap.ActorDead, ap.NodeDown):
                pass
            await asyncio.sleep(0.01)

    async def restarts(self) -> list[int]:
        return [info.restarts for info in await self.sup.ask(S.which_children)]

    async def settled(self, restarts: list[int]) -> list[int]:
        async with asyncio.timeout(20):
            while await self.restarts() != restarts:  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.01)
        return await self.pids()


async def main() -> None:
    async with ap.ActorSystem() as system:
        members = {node.name: node.pid for node in await system.wait_for_nodes(3)}
        teller = await system.spawn(Teller)
        for strategy in (ap.one_for_one, ap.rest_for_one, ap.one_for_all):
            scene = await Scene(system, teller, strategy, {"a": "node-1", "b": "node-2", "c": "node-3"}).begin()
            at_first = await scene.pids() == [members[f"node-{number}"] for number in (1, 2, 3)]
            await teller.ask(Teller.take)
            middle = await scene.sup.ask(S.child, "b")
            assert middle is not None
            middle.tell(Worker.fail)
            wanted = {ap.one_for_one: [0, 1, 0], ap.rest_for_one: [0, 1, 1], ap.one_for_all: [1, 1, 1]}[strategy]
            await scene.settled(wanted)
            lines = await teller.ask(Teller.take)
            await system.stop(scene.sup)
            say(strategy=strategy.__name__, at_first=at_first, lines=lines, ended=await teller.ask(Teller.take))
        await kills(system, teller, members)


async def kills(system: ap.ActorSystem, teller: ap.ActorRef[Teller], members: dict[str, int]) -> None:
    """Kill a node below children, then one with a supervisor."""
    scene = await Scene(system, teller, ap.one_for_one, {"a": "worker", "b": "worker", "c": "worker"}).begin()
    before = await scene.pids()
    os.kill(before[0], signal.SIGKILL)
    after = await scene.settled([1, 0, 0])
    first = await scene.sup.ask(S.child, "a")
    assert first is not None
    say(
        spread=sorted(before) == sorted(members.values()),
        moved=after[0] in before[1:] and after[1:] == before[1:],
        was=await first.ask(Worker.was),
    )
    await system.stop(scene.sup)

    one, other = (node.name for node in system.nodes)
    away = await system.spawn(Away, teller, other, on=one)
    worker = await away.ask(Away.worker)
    assert worker is not None
    pid = await worker.ask(Worker.pid)
    await teller.ask(Teller.take)
    os.kill(members[one], signal.SIGKILL)
    reason = await system.ended(worker)
    say(elsewhere=pid == members[other], reason=str(reason), lines=await teller.ask(Teller.take))
