"""Rooms, users and the hall without any web, in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import actorpar as ap
from actorpar.testing import VirtualClock
from examples.chat import actors
from examples.chat.actors import Hall, Room, User, tree
from examples.chat.words import BURST, Allowance

pytestmark = pytest.mark.virtual_time


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual": VirtualClock}


class Screen:
    """A browser that keeps what it is sent; one that is stuck takes nothing until it is freed."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.frames = 0
        self.goodbye: tuple[int, str] | None = None
        self.free = asyncio.Event()
        self.free.set()

    async def send(self, text: str) -> None:
        await self.free.wait()
        self.frames += 1
        self.events += json.loads(text)

    async def close(self, code: int, reason: str) -> None:
        self.goodbye = (code, reason)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    @property
    def texts(self) -> list[str]:
        """What the page would show: the posts of the last welcome and those after it."""
        last = max(index for index, event in enumerate(self.events) if event["type"] == "welcome")
        later = [event for event in self.events[last:] if event["type"] == "post"]
        return [post["text"] for post in [*self.events[last]["posts"], *later]]


class Chat:
    """The tree in a system, and people who come in."""

    def __init__(self, system: ap.ActorSystem) -> None:
        self.system = system

    async def room(self, name: str = "lobby") -> ap.ActorRef[Room]:
        return await self.named("hall", Hall).ask(Hall.room, name)

    async def person(self, nick: str, room: str = "lobby") -> tuple[ap.ActorRef[User], Screen]:
        screen = Screen()
        users = self.named("users", ap.Supervisor)
        user = await users.ask(ap.Supervisor.start_child, ap.child(User, screen, restart="temporary"))
        await (await self.room(room)).ask(Room.enter, user, nick)
        await self.settle()
        return user, screen

    def named(self, name: str, cls: type[Any]) -> ap.ActorRef[Any]:
        ref = self.system.find(name, cls)
        assert ref is not None
        return ref

    async def settle(self, seconds: float = 0.001) -> None:
        """Let everything that is ready run, and time pass."""
        await asyncio.sleep(seconds)


@asynccontextmanager
async def chatting() -> AsyncIterator[Chat]:
    async with ap.ActorSystem("chat") as system:
        root = await system.spawn(ap.Supervisor, tree(), name="chat")
        yield Chat(system)
        await system.stop(root)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told to slow down."""
    monkeypatch.setattr(Allowance, "take", lambda self: True)


async def test_everybody_in_a_room_reads_everything_in_the_same_order(quiet: None) -> None:
    async with chatting() as chat:
        people = [await chat.person(f"nick{number}") for number in range(5)]
        for number in range(20):
            people[number % 5][0].tell(User.typed, f"text {number}")
        await chat.settle()
        assert {tuple(post["n"] for post in screen.of("post")) for _, screen in people} == {tuple(range(1, 21))}
        assert len({tuple(screen.texts) for _, screen in people}) == 1


async def test_rooms_do_not_hear_one_another() -> None:
    async with chatting() as chat:
        ada, _ = await chat.person("Ada", "lobby")
        _, screen = await chat.person("Bob", "garden")
        ada.tell(User.typed, "hello")
        await chat.settle()
        assert screen.of("post") == []


async def test_who_comes_later_reads_the_last_200_posts() -> None:
    async with chatting() as chat:
        ada, _ = await chat.person("Ada")
        room = await chat.room()
        for number in range(1, 251):
            room.tell(Room.say, ada, f"text {number}")
        _, screen = await chat.person("Bob")
        assert screen.texts == [f"text {number}" for number in range(51, 251)]
        assert [post["n"] for post in screen.events[0]["posts"]] == list(range(51, 251))


async def test_a_room_that_is_killed_comes_back_with_its_memory_its_mailbox_and_its_people(quiet: None) -> None:
    async with chatting() as chat:
        (ada, on_ada), (bob, on_bob) = await chat.person("Ada"), await chat.person("Bob")
        ada.tell(User.typed, "before")
        await chat.settle()
        room = await chat.room()
        chat.system.suspend(room)
        room.tell(Room.say, ada, "in the mailbox")
        chat.system.kill(room)
        await chat.settle()
        assert on_bob.of("away") == [{"type": "away", "why": "killed"}]
        bob.tell(User.typed, "while it is away")
        await chat.settle(1.0)
        again = await chat.room()
        assert again != room
        bob.tell(User.typed, "after")
        await chat.settle()
        assert on_ada.texts == on_bob.texts == ["before", "in the mailbox", "while it is away", "after"]
        assert [post["n"] for post in on_ada.of("post")] == [1, 2, 3, 4]
        welcome = on_ada.of("welcome")[-1]
        assert (welcome["restarts"], welcome["why"], welcome["members"]) == (1, "killed", ["Ada", "Bob"])


async def test_who_left_while_the_room_was_away_is_not_in_it_any_more() -> None:
    async with chatting() as chat:
        (ada, _), (_, screen) = await chat.person("Ada"), await chat.person("Bob")
        chat.system.kill(await chat.room())
        await chat.settle()
        ada.tell(User.leave)
        await chat.settle(1.0)
        assert screen.of("left") == [{"type": "left", "nick": "Ada"}]
        assert (await (await chat.room()).ask(Room.describe))["members"] == 1


async def test_a_room_that_is_away_is_refused_as_such_and_one_that_nobody_opened_too() -> None:
    async with chatting() as chat:
        hall = chat.named("hall", Hall)
        with pytest.raises(actors.NoSuchRoom):
            await hall.ask(Hall.find, "lobby")
        await hall.ask(Hall.kill, (await chat.room()).name.removeprefix("room:"))
        await chat.settle()
        with pytest.raises(actors.RoomAway):
            await chat.room()
        await chat.settle(1.0)
        with pytest.raises(actors.TooSoon):
            await hall.ask(Hall.kill, "lobby")
        await chat.settle(actors.KILL_PAUSE)
        await hall.ask(Hall.kill, "lobby")
        assert hall.is_alive()


async def test_a_room_that_does_not_come_back_sends_its_people_away() -> None:
    async with chatting() as chat:
        user, screen = await chat.person("Ada")
        rooms = chat.named("rooms", ap.Supervisor)
        child, *_ = await rooms.ask(ap.Supervisor.which_children)
        await rooms.ask(ap.Supervisor.terminate_child, child.id)
        await chat.settle(actors.PATIENCE + 1)
        assert screen.goodbye == actors.ROOM_GONE
        assert not user.is_alive()


async def test_a_nickname_is_unique_in_its_room_however_it_is_written() -> None:
    async with chatting() as chat:
        await chat.person("Straße")
        with pytest.raises(actors.NickTaken):
            await chat.person("STRASSE")
        await chat.person("Strasse", "garden")


async def test_a_nickname_is_free_again_when_its_owner_has_left() -> None:
    async with chatting() as chat:
        ada, _ = await chat.person("Ada")
        await chat.system.stop(ada)
        _, screen = await chat.person("Ada")
        assert screen.of("welcome")[0]["members"] == ["Ada"]


async def test_a_browser_that_does_not_keep_up_is_sent_away_and_holds_up_nobody(quiet: None) -> None:
    async with chatting() as chat:
        (ada, on_ada), (slow, on_slow) = await chat.person("Ada"), await chat.person("Slow")
        on_slow.free.clear()
        for number in range(actors.OUTBOX + actors.FRAME + 10):
            ada.tell(User.typed, f"text {number}")
            if number % 500 == 0:
                await chat.settle()
        await chat.settle()
        assert on_slow.goodbye == actors.TOO_SLOW
        assert not slow.is_alive()
        assert len(on_ada.of("post")) == actors.OUTBOX + actors.FRAME + 10
        assert on_ada.of("left") == [{"type": "left", "nick": "Slow"}]


async def test_a_browser_that_is_behind_for_a_while_catches_up_in_a_few_frames(quiet: None) -> None:
    async with chatting() as chat:
        (ada, _), (late, on_late) = await chat.person("Ada"), await chat.person("Late")
        on_late.free.clear()
        for number in range(500):
            ada.tell(User.typed, f"text {number}")
        await chat.settle()
        on_late.free.set()
        await chat.settle()
        assert late.is_alive()
        assert on_late.texts == [f"text {number}" for number in range(500)]
        assert on_late.frames < 12


async def test_who_speaks_too_much_is_told_and_who_goes_on_is_sent_away() -> None:
    async with chatting() as chat:
        (ada, on_ada), (_, on_bob) = await chat.person("Ada"), await chat.person("Bob")
        for number in range(BURST + 3):
            ada.tell(User.typed, f"text {number}")
        await chat.settle()
        assert len(on_ada.of("notice")) == 3
        assert len(on_bob.of("post")) == BURST
        for _ in range(actors.REFUSED):
            ada.tell(User.typed, "more")
        await chat.settle()
        assert on_ada.goodbye == actors.TOO_LOUD
        assert on_bob.of("left") == [{"type": "left", "nick": "Ada"}]


async def test_a_text_that_is_too_long_is_refused_and_one_that_is_not_is_sent() -> None:
    async with chatting() as chat:
        ada, screen = await chat.person("Ada")
        ada.tell(User.typed, "x" * 1001)
        ada.tell(User.typed, "x" * 1000)
        ada.tell(User.typed, "   ")
        await chat.settle()
        assert [notice["text"] for notice in screen.of("notice")] == ["not sent: a message has at most 1000 characters"]
        assert screen.texts == ["x" * 1000]


async def test_more_is_not_kept_for_a_room_that_is_away_than_fits(quiet: None) -> None:
    async with chatting() as chat:
        ada, screen = await chat.person("Ada")
        chat.system.kill(await chat.room())
        for number in range(actors.UNSENT + 2):
            ada.tell(User.typed, f"text {number}")
        await chat.settle(1.0)
        assert screen.texts == [f"text {number}" for number in range(actors.UNSENT)]
        assert [notice["text"] for notice in screen.of("notice")] == ["not sent: the room is away"] * 2


async def test_there_are_only_so_many_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actors, "ROOMS", 2)
    async with chatting() as chat:
        await chat.room("one")
        await chat.room("two")
        with pytest.raises(actors.TooManyRooms):
            await chat.room("three")
        assert await chat.room("one") == await chat.room("one")


async def test_a_hall_that_fails_is_started_again_alone_and_finds_the_rooms() -> None:
    async with chatting() as chat:
        ada, screen = await chat.person("Ada")
        room = await chat.room()
        chat.system.kill(chat.named("hall", Hall))
        await chat.settle(1.0)
        assert await chat.room() == room
        ada.tell(User.typed, "still here")
        await chat.settle()
        assert screen.texts == ["still here"]
