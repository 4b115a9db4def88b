"""The chat over real connections: who is let in, what the button answers, a hundred people, and a program that ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import actorpar as ap
from actorpar import web
from examples.chat import actors
from examples.chat.actors import Hall, Room
from examples.chat.app import FILES, make_app

ROOT = Path(__file__).resolve().parents[2]


class Person:
    """A websocket in a room, and what it was told."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.events: list[dict[str, Any]] = []

    async def until(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Read until there are so many events of a kind; these."""
        while len(found := [event for event in self.events if event["type"] == kind]) < count:
            self.events += json.loads(await self._socket.receive_str(timeout=20))
        return found

    async def say(self, text: str) -> None:
        await self._socket.send_str(text)

    async def goodbye(self) -> tuple[int, str]:
        """Read to the end: the code and the reason."""
        while (message := await self._socket.receive(timeout=20)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type is aiohttp.WSMsgType.CLOSE
        return message.data, message.extra or ""


class Site:
    """The chat, served, and a client for it."""

    def __init__(self, app: Any, address: str, client: aiohttp.ClientSession) -> None:
        self.system = web.system(app)
        self.address = address
        self.client = client

    async def person(self, nick: str, room: str = "lobby") -> Person:
        url = f"{self.address}/api/rooms/{room}/talk"
        return Person(await self.client.ws_connect(url, params={"nick": nick}, max_msg_size=0))

    async def kill(self, room: str = "lobby", **headers: str) -> tuple[int, str]:
        async with self.client.post(f"{self.address}/api/rooms/{room}/kill", headers=headers) as answer:
            return answer.status, await answer.text()

    async def describe(self, room: str = "lobby") -> dict[str, Any]:
        async with self.client.get(f"{self.address}/api/rooms/{room}") as answer:
            numbers: dict[str, Any] = await answer.json()
            return numbers


@asynccontextmanager
async def serving_chat() -> AsyncIterator[Site]:
    app = make_app()
    connector = aiohttp.TCPConnector(limit=0)
    async with web.serving(app, port=0) as address, aiohttp.ClientSession(connector=connector) as client:
        yield Site(app, address, client)


async def test_a_room_is_killed_by_a_post_and_is_back_with_its_history() -> None:
    async with serving_chat() as site:
        ada = await site.person("Ada")
        await ada.until("welcome")
        await ada.say("hello")
        await ada.until("post")
        assert await site.kill() == (202, '{"killed": "lobby"}')
        away, (_, back) = await ada.until("away"), await ada.until("welcome", 2)
        assert away == [{"type": "away", "why": "killed"}]
        assert ([post["text"] for post in back["posts"]], back["restarts"], back["why"]) == (["hello"], 1, "killed")
        assert await site.describe() == {"room": "lobby", "members": 1, "posts": 1, "restarts": 1}
        status, text = await site.kill()
        assert (status, text) == (429, "one room in 2 seconds, please\n")
        assert await site.kill("cellar") == (404, "there is no room cellar\n")
        status, _ = await site.kill("Cellar")
        assert status == 400


async def test_pages_of_other_sites_kill_nothing_and_hear_nothing() -> None:
    async with serving_chat() as site:
        ada = await site.person("Ada")
        await ada.until("welcome")
        elsewhere = "http://elsewhere.example"
        assert (await site.kill(Origin=elsewhere))[0] == 403
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await site.client.ws_connect(f"{site.address}/api/rooms/lobby/talk?nick=Bob", headers={"Origin": elsewhere})
        assert (await site.describe())["restarts"] == 0


@pytest.mark.parametrize("host", ["elsewhere.example", "elsewhere.example:80", "127.0.0.1.elsewhere.example", ""])
async def test_a_foreign_name_for_this_computer_is_refused(host: str) -> None:
    async with serving_chat() as site:
        headers = {"Host": host, "Origin": f"http://{host}"}
        async with site.client.get(site.address, headers=headers) as answer:
            assert answer.status == 403
        assert (await site.kill(**headers))[0] == 403


@pytest.mark.parametrize("path", FILES)
async def test_the_page_may_load_nothing_from_elsewhere(path: str) -> None:
    async with serving_chat() as site, site.client.get(site.address + path) as answer:
        assert answer.status == 200
        assert "default-src 'none'; script-src 'self';" in answer.headers["Content-Security-Policy"]
        text = await answer.text()
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert "innerHTML" not in text


@pytest.mark.parametrize(
    ("nick", "room", "told"),
    [
        ("", "lobby", "a nickname has 1 to 24 letters"),
        ("<b>", "lobby", "a nickname has 1 to 24 letters"),
        ("Ada", "Lobby", "a room is named with 1 to 30 small letters"),
        ("Ada", "lobby", ""),
        ("ada", "lobby", "somebody in lobby is called ada already"),
    ],
)
async def test_who_cannot_be_let_in_is_told_why(nick: str, room: str, told: str) -> None:
    async with serving_chat() as site:
        ada = await site.person("Ada", "lobby" if nick == "ada" else "garden")
        await ada.until("welcome")
        person = await site.person(nick, room)
        if not told:
            await person.until("welcome")
            return
        code, reason = await person.goodbye()
        assert code == 1008
        assert reason.startswith(told)


async def test_a_frame_that_is_far_too_long_ends_the_connection_and_nothing_else() -> None:
    async with serving_chat() as site:
        ada, bob = await site.person("Ada"), await site.person("Bob")
        await ada.until("joined")
        await bob.say("x" * 100_000)
        assert (await bob.goodbye())[0] == 1009
        assert await ada.until("left") == [{"type": "left", "nick": "Bob"}]


async def test_a_person_who_vanishes_has_left() -> None:
    async with serving_chat() as site:
        ada, bob = await site.person("Ada"), await site.person("Bob")
        await ada.until("joined")
        await bob.until("welcome")
        await bob._socket.close()
        assert await ada.until("left") == [{"type": "left", "nick": "Bob"}]


async def test_who_comes_while_the_room_is_away_is_asked_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actors, "BACKOFF", ap.Backoff(5.0, 5.0))
    async with serving_chat() as site:
        ada = await site.person("Ada")
        await ada.until("welcome")
        room = site.system.find("room:lobby", Room)
        assert room is not None
        site.system.kill(room)
        bob = await site.person("Bob")
        code, reason = await bob.goodbye()
        assert (code, reason) == (1013, "the room lobby is being started again")


async def test_a_browser_that_reads_nothing_is_sent_away_while_the_others_read_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web, "CLOSE_SECONDS", 0.2)
    monkeypatch.setattr(actors, "OUTBOX", 200)
    async with serving_chat() as site:
        ada = await site.person("Ada")
        await ada.until("welcome")
        port = int(site.address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(
            b"GET /api/rooms/lobby/talk?nick=Slow HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await ada.until("joined")
        room: Any = site.system.find("room:lobby", Room)
        author = next(iter(room.actor.memory.members))
        sent = 0
        while not any(event["type"] == "left" for event in ada.events):
            for _ in range(50):
                sent += 1
                assert room.tell(Room.say, author, "x" * 4000)
            await ada.until("post", sent)
            assert sent < 20_000, "everything went into a connection that nobody reads"
        assert [post["n"] for post in await ada.until("post", sent)] == list(range(1, sent + 1))
        await reader.read()
        writer.close()


@pytest.mark.may_block  # a hundred clients and their server share one loop and one core
async def test_a_hundred_people_in_one_room_all_read_everything_in_the_same_order() -> None:
    people, texts = 100, 4
    async with serving_chat() as site:
        everybody = [await site.person(f"nick{number}") for number in range(people)]
        await asyncio.gather(*(person.until("welcome") for person in everybody))

        async def talk(number: int, person: Person) -> list[tuple[int, str]]:
            for text in range(texts):
                await person.say(f"{number}.{text}")
            return [(post["n"], post["text"]) for post in await person.until("post", people * texts)]

        read = await asyncio.gather(*(talk(number, person) for number, person in enumerate(everybody)))
        first = read[0]
        assert all(other == first for other in read)
        assert [n for n, _ in first] == list(range(1, people * texts + 1))
        said = [text for _, text in first]
        assert sorted(said) == sorted(f"{number}.{text}" for number in range(people) for text in range(texts))
        for number in range(people):
            mine = [text for text in said if text.startswith(f"{number}.")]
            assert mine == [f"{number}.{text}" for text in range(texts)], "each one's texts in the order they were said"
        assert site.system.counters.dead_letters["overflow"] == 0


def test_the_program_says_where_it_is_and_ends_with_0_when_it_is_told_to() -> None:
    async def talk(address: str, program: subprocess.Popen[str]) -> tuple[int, str]:
        async with aiohttp.ClientSession() as client:
            socket = await client.ws_connect(f"{address}/api/rooms/lobby/talk?nick=Ada")
            person = Person(socket)
            await person.until("welcome")
            program.send_signal(signal.SIGTERM)
            return await person.goodbye()

    command = [sys.executable, "-W", "error", "-m", "examples.chat", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True) as program:
        try:
            assert program.stdout is not None
            line = program.stdout.readline().strip()
            assert line.startswith("the chat is at http://127.0.0.1:")
            assert asyncio.run(talk(line.rpartition(" ")[2], program)) == (1001, "the server ends")
            out, err = program.communicate(timeout=20)
        finally:
            program.kill()
    assert (out, err, program.returncode) == ("", "", 0)


async def test_a_hall_that_is_away_is_a_503() -> None:
    async with serving_chat() as site:
        chat = site.system.find("chat", ap.Supervisor)
        assert chat is not None
        await chat.ask(ap.Supervisor.terminate_child, "hall")
        assert await site.kill() == (503, "busy, try again\n")
        assert site.system.find("hall", Hall) is None
