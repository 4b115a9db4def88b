"""The children of these tests: they write down what happens to them, and do as they are told."""

from __future__ import annotations

import asyncio
from typing import Any

import actorpar as ap

S = ap.Supervisor


class Boom(Exception):
    """What children fail with."""


class Journal:
    """What happened to the children, in order; and what those that start next are to do."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.restarts: list[ap.Restart] = []
        #: How many of the next starts of a child fail.
        self.failing: dict[str, int] = {}
        #: Seconds that a child takes to start.
        self.slow: dict[str, float] = {}
        #: Seconds that a child takes to stop; math.inf: for ever.
        self.stubborn: dict[str, float] = {}

    def write(self, line: str) -> None:
        self.lines.append(line)

    def take(self) -> list[str]:
        """The lines since the last time."""
        lines, self.lines = self.lines, []
        return lines


class Worker(ap.Actor):
    """A child that does as it is told."""

    def __init__(self, journal: Journal, label: str) -> None:
        self.journal = journal
        self.label = label
        self.done: list[Any] = []

    async def on_start(self) -> None:
        if self.label in self.journal.slow:
            await asyncio.sleep(self.journal.slow[self.label])
        if self.journal.failing.get(self.label, 0):
            self.journal.failing[self.label] -= 1
            self.journal.write(f"failed {self.label}")
            raise Boom(self.label)
        self.journal.write(f"start {self.label}")

    def on_restart(self, restart: ap.Restart) -> None:
        self.journal.restarts.append(restart)

    async def on_stop(self, reason: ap.Reason) -> None:
        if self.label in self.journal.stubborn:
            await asyncio.sleep(self.journal.stubborn[self.label])
        self.journal.write(f"stop {self.label}")

    def fail(self) -> None:
        raise Boom(self.label)

    def finish(self, reason: ap.Reason = ap.NORMAL) -> None:
        self.ctx.stop(reason)

    async def work(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def note(self, item: Any) -> Any:
        self.done.append(item)
        return item

    def noted(self) -> list[Any]:
        return list(self.done)

    def keep(self, state: object) -> None:
        self.ctx.keep(state)

    def reject(self) -> None:
        raise ap.Reject("not like this")

    async def start_helper(self, label: str) -> ap.ActorRef[Worker]:
        return await self.ctx.spawn(Worker, self.journal, label)


def worker(journal: Journal, label: str, **options: Any) -> ap.ChildSpec[ap.ActorRef[Worker]]:
    """A child spec of a Worker, with its label as the id."""
    return ap.child(Worker, journal, label, id=label, **options)


async def settle() -> None:
    """Let everything happen that happens at once."""
    await asyncio.sleep(0.001)


async def find(supervisor: ap.ActorRef[S], label: str) -> ap.ActorRef[Worker]:
    """The present incarnation of a child."""
    ref: ap.ActorRef[Worker] | None = await supervisor.ask(S.child, label)
    assert ref is not None, f"{label} does not run"
    return ref


async def fail(supervisor: ap.ActorRef[S], label: str) -> None:
    """Let a child fail, and what follows happen."""
    (await find(supervisor, label)).tell(Worker.fail)
    await settle()


async def states(supervisor: ap.ActorRef[S]) -> dict[str, str]:
    """The state of every child, in order."""
    return {info.id: info.state for info in await supervisor.ask(S.which_children)}


async def running(supervisor: ap.ActorRef[S]) -> list[str]:
    """The children that run, in order."""
    return [id for id, state in (await states(supervisor)).items() if state == "running"]
