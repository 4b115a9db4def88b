"""Actors that forward, defer, stash, refuse, link and trap, for references that lead to other nodes."""

from __future__ import annotations

import asyncio
from typing import Any

import actorpar as ap

#: What happened, in order, on all nodes of this process.
JOURNAL: list[str] = []


class OutOfStock(ap.Reject):
    """A refusal of the program's own."""


class TooMany(ap.Reject):
    """One that is made of more than a text."""

    def __init__(self, wanted: int, left: int) -> None:
        super().__init__(f"{wanted} wanted, {left} left")
        self.left = left


class Stock(ap.Actor, mailbox=4096):
    """Answers at once, later, when it may, or not at all."""

    def __init__(self) -> None:
        self.replies: list[ap.Reply[str]] = []
        self.is_open = False
        self.seen: list[str] = []

    def answer(self, text: str) -> str:
        return f"{text} from {self.ctx.system.name}"

    def note(self, text: str) -> None:
        self.seen.append(text)

    def notes(self) -> list[str]:
        return self.seen

    def later(self) -> ap.Reply[str]:
        reply = self.ctx.defer(str)
        self.replies.append(reply)
        return reply

    def answer_all(self, text: str) -> list[bool]:
        replies, self.replies = self.replies, []
        return [reply.send(text) for reply in replies]

    def refuse_all(self) -> None:
        replies, self.replies = self.replies, []
        for reply in replies:
            reply.fail(OutOfStock("later is now, and there is none"))

    def drop_all(self) -> None:
        self.replies.clear()

    def waiting(self) -> int:
        return len(self.replies)

    def pending(self) -> list[bool]:
        return [reply.pending for reply in self.replies]

    async def never(self) -> str:
        JOURNAL.append("never has begun")
        await asyncio.Event().wait()
        return "never"

    def left(self) -> float | None:
        until = self.ctx.deadline
        return None if until is None else until - asyncio.get_running_loop().time()

    def when_open(self, text: str) -> str:
        if not self.is_open:
            self.ctx.stash()
            return ""
        self.seen.append(text)
        return text

    def open(self) -> None:
        self.is_open = True
        self.ctx.unstash_all()

    def out_of_stock(self) -> None:
        raise OutOfStock("none left")

    def too_many(self) -> None:
        raise TooMany(3, 2)

    def fail(self) -> None:
        raise ValueError("as it was told")

    def leave(self) -> None:
        self.ctx.stop()

    def on_withdrawn(self, reply: ap.Reply[Any]) -> None:
        JOURNAL.append("withdrawn")


class Clerk(ap.Actor):
    """Has others answer."""

    def ask_stock(self, stock: ap.ActorRef[Stock], text: str) -> ap.Reply[str]:
        return self.ctx.forward(stock, Stock.answer, text)

    async def ask_stock_after_a_while(self, stock: ap.ActorRef[Stock], text: str) -> ap.Reply[str]:
        await asyncio.sleep(0)
        return self.ctx.forward(stock, Stock.answer, text)

    def ask_and_leave(self, stock: ap.ActorRef[Stock]) -> ap.Reply[str]:
        self.ctx.stop()
        return self.ctx.forward(stock, Stock.later)

    def ask_never(self, stock: ap.ActorRef[Stock]) -> ap.Reply[str]:
        return self.ctx.forward(stock, Stock.never)

    def ask_left(self, stock: ap.ActorRef[Stock]) -> ap.Reply[float | None]:
        return self.ctx.forward(stock, Stock.left)

    def ask_fail(self, stock: ap.ActorRef[Stock]) -> ap.Reply[None]:
        return self.ctx.forward(stock, Stock.fail)

    def ask_out_of_stock(self, stock: ap.ActorRef[Stock]) -> ap.Reply[None]:
        return self.ctx.forward(stock, Stock.out_of_stock)

    def ask_wrongly(self, stock: ap.ActorRef[Stock]) -> Any:
        return self.ctx.forward(stock, Stock.answer, 7)  # type: ignore[call-overload]  # which is the test

    def pass_on(self, stock: ap.ActorRef[Stock], text: str) -> None:
        self.ctx.forward(stock, Stock.note, text)


class Plain(ap.Actor):
    """Linked to others, and taken along by them."""

    def bind(self, ref: ap.ActorRef[Any]) -> None:
        self.ctx.link(ref)

    def bind_and_leave(self, ref: ap.ActorRef[Any]) -> None:
        self.ctx.link(ref)
        self.ctx.stop()

    def unbind(self, ref: ap.ActorRef[Any]) -> None:
        self.ctx.unlink(ref)

    def watch(self, ref: ap.ActorRef[Any]) -> None:
        self.monitor = self.ctx.monitor(ref)

    def unwatch(self) -> None:
        self.ctx.demonitor(self.monitor)

    def fail(self) -> None:
        raise ValueError("as it was told")

    def leave(self) -> None:
        self.ctx.stop()

    def ping(self) -> str:
        return "pong"

    def on_down(self, down: ap.Down) -> None:
        JOURNAL.append(f"down: {down.reason}")

    def on_stop(self, reason: ap.Reason) -> None:
        JOURNAL.append(f"{type(self).__name__} stops: {reason}")


class Trapper(Plain):
    """Is told instead."""

    def on_exit(self, exit: ap.Exit) -> None:
        JOURNAL.append(f"exit: {exit.reason}")
