"""A process and a task that live through the same random life tell the same story.

One coroutine waits in many ways, and now and then swallows a cancellation; a driver sends, receives, resolves and
cancels around it, and lets everything come to rest in between. What the coroutine saw must not depend on the engine.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

import actorpar as ap
from actorpar.channels import env

from .running import settle

LIVES = 100


@pytest.fixture(autouse=True)
def engine() -> str:
    """Each test compares both engines itself."""
    return "both"


class Life:
    """One random life, and the story it tells."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.story: list[Any] = []
        self.tx, self.rx = ap.open_channel[int](self.chance.randrange(3))
        self.futures = [asyncio.get_running_loop().create_future() for _ in range(3)]
        waits = ["future", "receive", "send", "pause", "cancel itself", "task group", "gather", "select"]
        self.waits = [
            (self.chance.choice(waits), self.chance.random() < 0.6) for _ in range(self.chance.randrange(2, 8))
        ]

    async def live(self) -> str:
        """The coroutine: wait for one thing after the other."""
        task = asyncio.current_task()
        assert task is not None
        for number, (wait, swallows) in enumerate(self.waits):
            try:
                self.story.append((number, wait, await self.wait_for(wait, number, task), task.cancelling()))
            except asyncio.CancelledError:
                self.story.append((number, wait, "cancelled", task.cancelling()))
                if not swallows:
                    raise
                if number % 2:
                    task.uncancel()
        return "end"

    async def wait_for(self, wait: str, number: int, task: asyncio.Task[Any]) -> Any:
        match wait:
            case "future":
                return await self.futures[number % 3]
            case "receive":
                return await self.rx.receive()
            case "send":
                return await self.tx.send(number)
            case "select":
                return await ap.select(ap.receive_from(self.rx), ap.send_to(self.tx, number), priority=True)
            case "cancel itself":
                return task.cancel()
            case "gather":
                return await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))
            case "task group":
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(asyncio.sleep(0))
        return await asyncio.sleep(0)

    async def drive(self, process: ap.Process[str]) -> None:
        """Interfere a few times, at moments that are the same for both engines."""
        for step in range(self.chance.randrange(2, 10)):
            match self.chance.choice(
                ["cancel", "cancel twice", "resolve", "resolve and cancel", "spoil", "send", "take"]
            ):
                case "cancel":
                    process.cancel()
                case "cancel twice":
                    process.cancel()
                    process.cancel()
                case "resolve":
                    self.resolve(step)
                case "resolve and cancel":
                    self.resolve(step)
                    process.cancel()
                case "spoil":
                    self.chance.choice(self.futures).cancel()
                case "send":
                    self.try_send(step)
                case "take":
                    self.try_receive()
            if self.chance.random() < 0.7:
                await settle()

    async def let_it_end(self, process: ap.Process[str]) -> None:
        """Give it what it may wait for, and cancel it if it wants still more."""
        for number in range(12):
            self.resolve(number % 3)
            self.try_send(number)
            await settle()
            self.try_receive()
            await settle()
        process.cancel()
        await asyncio.wait([process])
        outcome = "cancelled" if process.cancelled() else process.result()
        self.story.append((outcome, process.cancelling(), self.rx.statistics()[1:7]))
        self.tx.close()
        self.rx.close()

    def resolve(self, number: int) -> None:
        future = self.futures[number % 3]
        if not future.done():
            future.set_result(number)

    def try_send(self, item: int) -> None:
        try:
            self.tx.send_nowait(item)
        except ap.ChannelFull:
            self.story.append("full")

    def try_receive(self) -> None:
        try:
            self.story.append(self.rx.receive_nowait())
        except ap.ChannelEmpty:
            self.story.append("empty")


async def tell(seed: int) -> list[Any]:
    """The story of one life on the engine of the moment."""
    life = Life(seed)
    async with ap.ActorSystem() as system:
        process = await system.spawn(life.live)
        process.add_done_callback(lambda _: life.story.append("done"))
        await life.drive(process)
        await life.let_it_end(process)
    return life.story


async def test_a_process_and_a_task_tell_the_same_story(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(LIVES):
        stories = []
        for plain in (False, True):
            monkeypatch.setattr(env, "plain_tasks", plain)
            stories.append(await tell(seed))
        assert stories[0] == stories[1], f"seed {seed}"
