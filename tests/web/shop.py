"""The actor and the application that the tests of `actorpar.web` serve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web as http

import actorpar as ap
from actorpar import web


class SoldOut(ap.Reject):
    """There is none left."""


class SoldOutForGood(SoldOut):
    """There never will be one again."""


class Shop(ap.Actor, mailbox=1):
    """Answers what it is asked, or in the way it is told."""

    def __init__(self) -> None:
        self.waiting: list[ap.Reply[str]] = []
        self.asked = asyncio.Event()
        self.withdrawn = asyncio.Event()
        self.stopped: list[str] = []

    def buy(self, what: str) -> str:
        return f"one {what}"

    def fail(self, error: Exception) -> str:
        raise error

    def order(self) -> ap.Reply[str]:
        """Answered by `deliver`."""
        self.waiting.append(self.ctx.defer(str))
        self.asked.set()
        return self.waiting[-1]

    def deliver(self) -> None:
        for reply in self.waiting:
            reply.send("delivered")

    async def wait(self, gate: asyncio.Event) -> None:
        """Busy until the gate opens."""
        self.asked.set()
        await gate.wait()

    def on_withdrawn(self, reply: ap.Reply[Any]) -> None:
        self.withdrawn.set()


def shop_of(request: http.Request) -> ap.ActorRef[Shop]:
    shop = web.system(request).find("shop", Shop)
    assert shop is not None
    return shop


Handler = Callable[[http.Request], Awaitable[http.StreamResponse]]


def serves(handler: Handler, **options: Any) -> http.Application:
    """An application with one shop, and a handler at /."""
    app = http.Application()
    web.attach(app, **options)

    async def open_shop(app: http.Application) -> None:
        await web.system(app).spawn(Shop, name="shop")

    app.on_startup.append(open_shop)
    app.router.add_get("/", handler)
    return app


def asks(ask: Callable[[ap.ActorRef[Shop]], Awaitable[Any]], **options: Any) -> http.Application:
    """An application that answers / with what the shop answers."""

    async def handler(request: http.Request) -> http.Response:
        return http.Response(text=str(await ask(shop_of(request))))

    return serves(handler, **options)
