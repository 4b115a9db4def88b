"""The web side of the chat: one page, one websocket for each person, and the button that kills a room."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from aiohttp import WSMsgType
from aiohttp import web as http

import actorpar as ap
from actorpar import web

from .actors import Hall, NoSuchRoom, Room, RoomAway, TooSoon, User, tree
from .words import TEXT_LENGTH, checked_nick, checked_room

PAGE = Path(__file__).parent / "page"
FILES = {"/": "index.html", "/chat.js": "chat.js", "/chat.css": "chat.css"}
#: Bytes that a browser may send in one frame; a text that is only somewhat too long is refused with a word.
FRAME_BYTES = 16 * TEXT_LENGTH
#: The page loads nothing from anywhere else, runs no script of anybody else, and stands in nobody's frame.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
#: Names under which this computer reaches itself; a page that reaches it by another one was led here by a foreign site.
LOCAL = ("127.0.0.1", "localhost", "::1")

A = TypeVar("A", bound=ap.Actor)

serials = itertools.count(1)


class Browser:
    """A websocket, as a user sees it."""

    def __init__(self, request: http.Request, socket: http.WebSocketResponse) -> None:
        self._request = request
        self._socket = socket

    async def send(self, text: str) -> None:
        await self._socket.send_str(text)

    async def close(self, code: int, reason: str) -> None:
        await web.close_websocket(self._request, self._socket, code, reason)


async def talk(request: http.Request) -> http.StreamResponse:
    """A person in a room, from the moment they enter to the moment they leave."""
    system = web.system(request)
    async with web.open_websocket(request, max_size=FRAME_BYTES) as socket:
        name, nick = checked_room(request.match_info["room"]), checked_nick(request.query.get("nick", ""))
        user = await named(system, "users", ap.Supervisor).ask(
            ap.Supervisor.start_child,
            ap.child(User, Browser(request, socket), name=f"user:{next(serials)}", restart="temporary"),
        )
        try:
            await enter(system, name, user, nick)
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(read(socket, user))
                reason = await system.ended(user)
                reading.cancel()
        finally:
            await system.stop(user)
        if reason.abnormal:
            raise ap.ActorDead(f"{user.name} has ended: {reason}", reason)
    return socket


async def enter(system: ap.ActorSystem, name: str, user: ap.ActorRef[User], nick: str) -> None:
    """Let a user into a room; ActorDead if the room is being started again, so that the page tries again."""
    try:
        room = await named(system, "hall", Hall).ask(Hall.room, name)
    except RoomAway as away:
        raise ap.ActorDead(str(away)) from away
    await room.ask(Room.enter, user, nick)


async def read(socket: http.WebSocketResponse, user: ap.ActorRef[User]) -> None:
    """Pass on what the person types. A user that has much to do makes the browser wait, not this server's memory."""
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await user.send(User.typed, message.data)
        await user.send(User.leave)
    except ap.ActorDead:
        pass  # it was sent away


async def describe(request: http.Request) -> http.Response:
    """GET: one room in numbers."""
    room = await named(web.system(request), "hall", Hall).ask(Hall.find, checked_room(request.match_info["room"]))
    return http.json_response(await room.ask(Room.describe))


async def kill(request: http.Request) -> http.Response:
    """POST: kill a room. Pages of other sites may not."""
    if not web.is_same_origin(request):
        raise http.HTTPForbidden(text="this button is for pages of its own site\n")
    name = checked_room(request.match_info["room"])
    await named(web.system(request), "hall", Hall).ask(Hall.kill, name)
    return http.json_response({"killed": name}, status=202)


def named(system: ap.ActorSystem, name: str, cls: type[A]) -> ap.ActorRef[A]:
    """An actor of the tree; ActorDead while it is being started again."""
    ref = system.find(name, cls)
    if ref is None:
        raise ap.ActorDead(f"{name} is being started again")
    return ref


@http.middleware
async def guard(
    request: http.Request, handler: Callable[[http.Request], Awaitable[http.StreamResponse]]
) -> http.StreamResponse:
    """Answer this computer only, also where a foreign site gives its own name this computer's address."""
    if urlsplit(f"//{request.host}").hostname not in LOCAL:
        raise http.HTTPForbidden(text="this chat is at 127.0.0.1\n")
    return await handler(request)


async def add_headers(request: http.Request, response: http.StreamResponse) -> None:
    """What every answer says to the browser about its safety."""
    response.headers.update(HEADERS)


def file_at(name: str) -> Callable[[http.Request], Awaitable[http.StreamResponse]]:
    """A handler for one file of the page."""

    async def answer(request: http.Request) -> http.StreamResponse:
        return http.FileResponse(PAGE / name)

    return answer


def make_app() -> http.Application:
    """The application: its system starts and stops with it."""
    app = http.Application(middlewares=[guard])
    web.attach(app, ap.ActorSystem("chat", shutdown=5.0), rejects={NoSuchRoom: 404, RoomAway: 503, TooSoon: 429})
    app.on_response_prepare.append(add_headers)

    async def grow_tree(app: http.Application) -> None:
        await web.system(app).spawn(ap.Supervisor, tree(), name="chat")

    app.on_startup.append(grow_tree)
    for path, name in FILES.items():
        app.router.add_get(path, file_at(name))
    app.router.add_get("/api/rooms/{room}", describe)
    app.router.add_post("/api/rooms/{room}/kill", kill)
    app.router.add_get("/api/rooms/{room}/talk", talk)
    return app
