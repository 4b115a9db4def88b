"""What supervisors of the tests start on other nodes. In tests of one process they write into one journal."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import actorpar as ap

#: What happened, in order, on all nodes of this process.
JOURNAL: list[str] = []
#: How many of the next starts of a child fail; how many seconds its start or stop takes.
FAILING: dict[str, int] = {}
SLOW: dict[str, float] = {}
STUBBORN: dict[str, float] = {}


class Child(ap.Actor):
    """Does as it is told, and writes it down."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.state: Any = None
        self.restarts = 0
        self.why = ""

    def on_restart(self, restart: ap.Restart) -> None:
        self.state, self.restarts, self.why = restart.state, restart.count, str(restart.reason)

    async def on_start(self) -> None:
        JOURNAL.append(f"start {self.label}")
        if FAILING.get(self.label, 0):
            FAILING[self.label] -= 1
            raise RuntimeError(f"{self.label} cannot start")
        if self.label in SLOW:
            await asyncio.sleep(SLOW[self.label])

    async def on_stop(self, reason: ap.Reason) -> None:
        if self.label in STUBBORN:
            await asyncio.sleep(STUBBORN[self.label])
        JOURNAL.append(f"stop {self.label}: {reason}")

    def fail(self) -> None:
        raise ValueError("as it was told")

    def leave(self) -> None:
        self.ctx.stop()

    def keep(self, text: str) -> None:
        self.ctx.keep({"text": text})

    def keep_what_cannot_cross(self) -> None:
        self.ctx.keep(object())

    def was(self) -> tuple[Any, int, str]:
        return self.state, self.restarts, self.why

    def where(self) -> str:
        return self.ctx.system.name

    def pid(self) -> int:
        return os.getpid()


class Clinging(ap.Actor):
    """Takes a while to unwind when it is killed."""

    async def hold(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            JOURNAL.append("unwound")


class Nest(ap.Actor):
    """Has a child of its own."""

    async def on_start(self) -> None:
        JOURNAL.append("start nest")
        clinging = await self.ctx.spawn(Clinging)
        clinging.tell(Clinging.hold)


class Parent(ap.Supervisor):
    """A supervisor that is a child on another node itself: what it supervises is its own to know."""

    def __init__(self, intensity: int) -> None:
        super().__init__(ap.one_for_one(ap.child(Child, "inner", id="inner"), intensity=intensity))

    def fail_inner(self) -> bool:
        inner = self.child("inner")
        return inner is not None and inner.tell(Child.fail)


async def loop_for_ever(started: ap.Sender[str]) -> None:
    """A process that says where it is, and resists its cancellation once if it is told to be stubborn."""
    await started.send(str(os.getpid()))
    try:
        await asyncio.Event().wait()
    finally:
        if "process" in STUBBORN:
            await asyncio.sleep(STUBBORN["process"])
        JOURNAL.append("the process ends")
