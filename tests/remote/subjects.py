"""Actors and processes that the tests start on other nodes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import actorpar as ap


@dataclass
class Order:
    number: int
    answers: ap.Sender[str]


class Counter(ap.Actor):
    def __init__(self, start: int = 0) -> None:
        if start < 0:
            raise ValueError("below zero")
        self.count = start

    def add(self, number: int, *, times: int = 1) -> int:
        self.count += number * times
        return self.count

    def fail(self) -> None:
        raise RuntimeError("as it was told")

    def refuse(self) -> None:
        raise ap.Reject("not today")

    async def slow(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    async def answer(self, order: Order) -> None:
        await order.answers.send(f"order {order.number}")
        order.answers.close()

    def tell_when(self, watcher: ap.ActorRef[Watcher], times: int) -> None:
        for number in range(times):
            watcher.tell(Watcher.note, str(number))
        self.ctx.stop()


class Watcher(ap.Actor):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def watch(self, ref: ap.ActorRef[Counter]) -> None:
        self.ctx.monitor(ref)

    def bind(self, ref: ap.ActorRef[Counter]) -> None:
        self.ctx.link(ref)

    def note(self, text: str) -> None:
        self.seen.append(text)

    def on_down(self, down: ap.Down) -> None:
        self.seen.append(f"down: {down.reason}")

    def all(self) -> list[str]:
        return self.seen


class Linked(ap.Actor):
    def bind(self, ref: ap.ActorRef[Counter]) -> None:
        self.ctx.link(ref)

    def fail(self) -> None:
        raise RuntimeError("as it was told")


async def double(jobs: ap.Receiver[int], results: ap.Sender[int]) -> int:
    count = 0
    async for job in jobs:
        await results.send(2 * job)
        count += 1
    return count


async def fails(message: str) -> None:
    raise ValueError(message)


async def waits(started: ap.Sender[str]) -> None:
    await started.send("started")
    await asyncio.sleep(3600)


async def naps(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


async def serve_orders(orders: ap.Receiver[Order]) -> None:
    async for order in orders:
        await order.answers.send(f"served {order.number}")
        order.answers.close()


async def local_only(text: str) -> str:
    return text


def plain(text: str) -> str:
    return text
