"""`open_websocket`: who may open one, how it ends, and with which code."""

from __future__ import annotations

import asyncio
import socket as sockets
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web as http

import actorpar as ap
from actorpar import web

from .shop import Shop, serves, shop_of


async def echo(request: http.Request) -> http.StreamResponse:
    async with web.open_websocket(request, max_size=100) as socket:
        async for message in socket:
            await socket.send_str(message.data)
    return socket


def raises(error: BaseException) -> http.Application:
    """A websocket whose handler raises at its first message."""

    async def handler(request: http.Request) -> http.StreamResponse:
        async with web.open_websocket(request) as socket:
            await socket.receive()
            raise error
        return socket

    return serves(handler)


async def test_messages_go_both_ways_until_the_client_closes() -> None:
    async with web.serving(serves(echo), port=0) as address, aiohttp.ClientSession() as client:
        async with client.ws_connect(address) as socket:
            await socket.send_str("hello")
            assert await socket.receive_str(timeout=10) == "hello"
            await socket.close()
            assert socket.close_code == 1000


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("{address}", True),
        ("http://elsewhere.example", False),
        ("{address}.elsewhere.example", False),
        ("null", False),
        ("", False),
    ],
)
async def test_a_page_of_another_site_opens_no_websocket(origin: str | None, allowed: bool) -> None:
    async with web.serving(serves(echo), port=0) as address, aiohttp.ClientSession() as client:
        headers = {} if origin is None else {"Origin": origin.format(address=address)}
        if allowed:
            async with client.ws_connect(address, headers=headers):
                return
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(address, headers=headers)
        assert refused.value.status == 403


async def test_a_message_that_is_too_long_closes_the_websocket_with_1009() -> None:
    async with web.serving(serves(echo), port=0) as address, aiohttp.ClientSession() as client:
        async with client.ws_connect(address) as socket:
            await socket.send_str("x" * 101)
            assert (await socket.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == 1009


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (ap.MailboxFull("busy"), 1013, "busy"),
        (ap.ActorDead("gone"), 1013, "gone"),
        (ap.AskTimeout("late"), 1013, "late"),
        (ap.Reject("é" * 100), 1008, "é" * 61),
    ],
)
async def test_the_error_of_an_ask_becomes_a_close_code_and_its_text_the_reason(
    error: ap.ActorError, code: int, reason: str
) -> None:
    async with web.serving(raises(error), port=0) as address, aiohttp.ClientSession() as client:
        async with client.ws_connect(address) as socket:
            await socket.send_str("go")
            closed = await socket.receive(timeout=10)
            assert (closed.type, closed.data, closed.extra) == (aiohttp.WSMsgType.CLOSE, code, reason)


async def test_a_handler_that_failed_closes_with_1011_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with web.serving(raises(LookupError("secret")), port=0) as address, aiohttp.ClientSession() as client:
        async with client.ws_connect(address) as socket:
            await socket.send_str("go")
            closed = await socket.receive(timeout=10)
            assert (closed.data, closed.extra) == (1011, "the server failed")
    assert "secret" in caplog.text


async def test_a_client_that_vanishes_cancels_the_handler_and_withdraws_its_ask() -> None:
    async def handler(request: http.Request) -> http.StreamResponse:
        async with web.open_websocket(request) as socket:
            await shop_of(request).within(None).ask(Shop.order)
        return socket

    app = serves(handler)
    async with web.serving(app, port=0) as address, aiohttp.ClientSession() as client:
        shop = web.system(app).find("shop", Shop)
        assert shop is not None
        inside: Shop = shop.actor  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        socket = await client.ws_connect(address)
        async with asyncio.timeout(10):
            await inside.asked.wait()
            transport = socket.get_extra_info("socket")
            transport.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close by a reset
            await client.close()
            await inside.withdrawn.wait()


async def test_a_peer_that_reads_nothing_and_answers_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "CLOSE_SECONDS", 0.1)
    left = asyncio.Event()
    sent = 0

    async def flood(request: http.Request) -> http.StreamResponse:
        nonlocal sent
        try:
            async with web.open_websocket(request) as socket:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        while True:
                            sent += 65536
                            await socket.send_str("x" * 65536)
            return socket
        finally:
            left.set()

    async with web.serving(serves(flood), port=0) as address:
        port = int(address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(10):
            await left.wait()
            received = len(await reader.read())
        assert received < sent, "what the connection had not taken was thrown away"
        writer.close()
