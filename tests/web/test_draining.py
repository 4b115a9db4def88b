"""How a server ends: told to go, it says so, ends what is under way, closes websockets, and then stops its actors."""

from __future__ import annotations

import asyncio
import os
import signal
import socket as sockets
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web as http

import actorpar as ap
from actorpar import web
from actorpar.channels import env

from .shop import Shop, asks, serves, shop_of
from .test_websockets import echo


class Server:
    """A server in a task of the test, which can be told to end."""

    def __init__(self, app: http.Application, **options: Any) -> None:
        self.app = app
        self.address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._end = asyncio.Event()
        self._options = options
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with web.serving(self.app, port=0, **self._options) as address:
            self.address.set_result(address)
            await self._end.wait()

    def drain(self) -> None:
        """Begin the end."""
        self._end.set()

    async def ended(self) -> None:
        """Wait until it has ended."""
        async with asyncio.timeout(10):
            await self._task

    @property
    def shop(self) -> Any:
        """The actor itself, to look into it."""
        shop: Any = web.system(self.app).find("shop", Shop)
        return shop.actor


async def test_readyz_says_no_for_the_time_of_the_notice_while_all_else_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noticed, over = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        assert seconds == 7.0
        noticed.set()
        await over.wait()

    monkeypatch.setattr(env, "sleep", sleep)
    server = Server(asks(lambda shop: shop.ask(Shop.buy, "loaf")), notice=7.0)
    address = await server.address
    server.drain()
    await noticed.wait()
    async with aiohttp.ClientSession() as client:
        seen = {}
        for path in "/readyz", "/healthz", "/":
            async with client.get(address + path) as answer:
                seen[path] = (answer.status, await answer.text())
    assert seen == {"/readyz": (503, "draining\n"), "/healthz": (200, "ok\n"), "/": (200, "one loaf")}
    over.set()
    await server.ended()


async def test_a_request_under_way_is_answered_and_a_new_connection_refused() -> None:
    app = asks(lambda shop: shop.within(None).ask(Shop.order))
    shut = asyncio.Event()

    async def shut_down(app: http.Application) -> None:
        shut.set()

    app.on_shutdown.append(shut_down)
    server = Server(app)
    address = await server.address
    shop = server.shop
    ref = web.system(server.app).find("shop", Shop)
    assert ref is not None
    async with aiohttp.ClientSession() as client, aiohttp.ClientSession() as other:
        page = asyncio.ensure_future(client.get(address))
        await shop.asked.wait()
        server.drain()
        await shut.wait()
        with pytest.raises(aiohttp.ClientConnectorError):
            await other.get(address + "/healthz")
        assert ref.is_alive()
        ref.tell(Shop.deliver)
        answer = await page
        assert (answer.status, await answer.text()) == (200, "delivered")
        await server.ended()
    assert not ref.is_alive()


async def test_a_handler_that_does_not_end_in_time_is_cancelled_and_named(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(asks(lambda shop: shop.within(None).ask(Shop.order)), drain=0.05)
    address = await server.address
    shop = server.shop
    async with aiohttp.ClientSession() as client:
        page = asyncio.ensure_future(client.get(address))
        await shop.asked.wait()
        server.drain()
        with pytest.raises(aiohttp.ClientError):
            await page
        await server.ended()
    assert shop.withdrawn.is_set()
    assert "GET / was cancelled while the server drains" in caplog.text


async def test_websockets_are_closed_with_1001_and_their_handlers_end_before_the_actors() -> None:
    seen = []

    async def handler(request: http.Request) -> http.StreamResponse:
        shop = shop_of(request)
        async with web.open_websocket(request) as socket:
            await socket.send_str("open")
            async for _ in socket:
                pass
        seen.append(await shop.ask(Shop.buy, "last loaf"))
        return socket

    server = Server(serves(handler))
    address = await server.address
    async with aiohttp.ClientSession() as client:
        connected = [await client.ws_connect(address) for _ in range(3)]
        for socket in connected:
            assert await socket.receive_str(timeout=10) == "open"
        server.drain()
        for socket in connected:
            closed = await socket.receive(timeout=10)
            assert (closed.type, closed.data, closed.extra) == (aiohttp.WSMsgType.CLOSE, 1001, "the server ends")
        await server.ended()
    assert seen == ["one last loaf"] * 3


async def test_a_websocket_that_was_closed_is_forgotten() -> None:
    app = serves(echo)
    async with web.serving(app, port=0) as address, aiohttp.ClientSession() as client:
        async with client.ws_connect(address) as socket:
            await socket.send_str("hello")
            assert await socket.receive_str(timeout=10) == "hello"
            assert len(app[web._JOINED].websockets) == 1
        async with client.get(address + "/healthz"):
            assert len(app[web._JOINED].websockets) == 0


# -- programs

PROGRAM = """
import asyncio, sys
import actorpar as ap
from aiohttp import web as http
from actorpar import web

class Shop(ap.Actor):
    def on_stop(self, reason):
        print("closed", flush=True)

class Stuck(ap.Actor):
    async def on_stop(self, reason):
        await asyncio.get_running_loop().create_future()

app = http.Application()
web.attach(app, ap.ActorSystem("town", shutdown=0.2))

async def open_shops(app):
    await web.system(app).spawn(Stuck, name="stuck")
    await web.system(app).spawn(Shop, name="shop")

app.on_startup.append(open_shops)
"""
WITH_OURS = "web.serve(app, port=0)\nprint('over')"
WITH_THEIRS = """
def listens(_):  # told when it does, not before: a signal in between would leave the socket open
    print("http://ready", flush=True)

http.run_app(app, host="127.0.0.1", port=0, print=listens, handler_cancellation=True)
print("over")
"""


@pytest.fixture
def programs() -> Iterator[Any]:
    """Starts programs, and leaves none behind."""
    started: list[subprocess.Popen[str]] = []

    def start(source: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "-c", textwrap.dedent(source)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment))
        return started[-1]

    yield start
    for program in started:
        if program.poll() is None:
            program.kill()
        program.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("server", [WITH_OURS, WITH_THEIRS], ids=["web.serve", "aiohttp.web.run_app"])
def test_ac_61_a_server_that_is_told_to_end_drains_names_what_it_killed_and_exits_with_0(
    programs: Any, number: signal.Signals, server: str
) -> None:
    program = programs(PROGRAM + server)
    assert program.stdout.readline().startswith("http://")
    program.send_signal(number)
    out, err = program.communicate(timeout=20)
    assert out == "closed\nover\n"
    assert err == "town: 1 actors did not stop in time and were killed: stuck\n"
    assert program.returncode == 0


def test_an_address_that_is_taken_is_said_at_once(programs: Any) -> None:
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        program = programs(PROGRAM + f"web.serve(app, port={taken.getsockname()[1]})")
        out, err = program.communicate(timeout=20)
    assert program.returncode == 1
    assert "address already in use" in err
    assert "closed" in out


def test_a_system_can_be_given_a_name_and_a_deadline_of_its_own() -> None:
    app = http.Application()
    system = ap.ActorSystem("town", shutdown=3.0)
    web.attach(app, system)
    assert web.system(app) is system
