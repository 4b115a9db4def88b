"""A program whose actors on two nodes forward, defer, stash, refuse and are linked; it says what came of it in JSON."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from typing import Any

import actorpar as ap


class OutOfStock(ap.Reject):
    """A refusal of the program's own."""


class Stock(ap.Actor, stash=4096):
    """Answers in each of the ways that there are."""

    def __init__(self) -> None:
        self.replies: list[ap.Reply[str]] = []
        self.noted: list[str] = []
        self.is_open = False

    def pid(self) -> int:
        return os.getpid()

    def later(self) -> ap.Reply[str]:
        reply = self.ctx.defer(str)
        self.replies.append(reply)
        return reply

    def answer_all(self, text: str) -> int:
        replies, self.replies = self.replies, []
        return sum(reply.send(text) for reply in replies)

    def note(self, text: str) -> None:
        if self.is_open:
            self.noted.append(text)
        else:
            self.ctx.stash()

    def open(self) -> None:
        self.is_open = True
        self.ctx.unstash_all()

    def notes(self) -> list[str]:
        return self.noted

    def refuse(self) -> None:
        raise OutOfStock("none left")

    async def never(self) -> None:
        await asyncio.Event().wait()

    def bind(self, ref: ap.ActorRef[Any]) -> None:
        self.ctx.link(ref)

    def fail(self) -> None:
        raise ValueError("as it was told")


class Trapper(Stock):
    """Is told the ends of those it is linked to."""

    def __init__(self) -> None:
        super().__init__()
        self.exits: list[str] = []

    def on_exit(self, exit: ap.Exit) -> None:
        self.exits.append(str(exit.reason))

    def told(self) -> list[str]:
        return self.exits


class Clerk(ap.Actor):
    """Has the stock answer."""

    def ask_pid(self, stock: ap.ActorRef[Stock]) -> ap.Reply[int]:
        return self.ctx.forward(stock, Stock.pid)

    def ask_refuse(self, stock: ap.ActorRef[Stock]) -> ap.Reply[None]:
        return self.ctx.forward(stock, Stock.refuse)


async def error_of(asking: Any) -> list[str]:
    try:
        await asking
    except ap.ActorparError as error:
        return [type(error).__name__, str(error)]
    return []


async def main() -> None:
    async with ap.ActorSystem() as system:
        pids = {node.name: node.pid for node in await system.wait_for_nodes(2)}
        clerk, stock = await system.spawn(Clerk, on="node-1"), await system.spawn(Stock, on="node-2")
        mine = await system.spawn(Clerk)
        told: dict[str, Any] = {}
        told["forward"] = [await by.ask(Clerk.ask_pid, stock) == pids["node-2"] for by in (clerk, mine)]
        told["refuse"] = [await error_of(by.ask(Clerk.ask_refuse, stock)) for by in (clerk, mine)]
        told["refuse"].append(await error_of(stock.ask(Stock.refuse)))

        later = asyncio.ensure_future(stock.ask(Stock.later))
        while not await stock.ask(Stock.answer_all, "now"):  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.01)
        told["deferred"] = await later
        told["deadline"] = (await error_of(stock.within(0.05).ask(Stock.never)))[:1]
        system.kill(stock)  # it would never end by itself
        told["killed"] = (await system.ended(stock)).kind

        stock = await system.spawn(Stock, on="node-2")
        quiet: ap.Receiver[None] = ap.never()
        for number in range(2000):  # more than may be unhandled at once
            await ap.select(ap.send_to(stock, Stock.note, str(number)), quiet)
        await stock.ask(Stock.open)
        told["guarded and stashed"] = await stock.ask(Stock.notes) == [str(number) for number in range(2000)]

        one, other = await system.spawn(Trapper, on="node-1"), await system.spawn(Stock, on="node-2")
        await one.ask(Stock.bind, other)
        other.tell(Stock.fail)
        while not (exits := await one.ask(Trapper.told)):  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.01)
        told["trapped"] = exits
        linked = [await system.spawn(Stock, on=node) for node in ("node-1", "node-2", None)]
        for left, right in itertools.pairwise(linked):
            await right.ask(Stock.bind, left)
            await left.ask(Stock.pid)
        linked[0].tell(Stock.fail)
        told["linked"] = [(await system.ended(ref)).kind for ref in linked]
        print(json.dumps(told), flush=True)
