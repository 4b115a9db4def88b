"""A probe stands in for an actor: it records what it is told, checks it, and answers."""

from __future__ import annotations

import pytest

import actorpar as ap
from actorpar.testing import OpenProbe


class Base(ap.Actor):
    def ping(self) -> str:
        return "base"


class Room(Base, mailbox=2):
    def __init__(self, name: str) -> None:
        raise AssertionError("the code of the class must not run")

    def on_start(self) -> None:
        raise AssertionError("the code of the class must not run")

    def say(self, text: str, *, loud: bool = False) -> None: ...

    async def size(self) -> int:
        raise AssertionError("the code of the class must not run")

    @ap.blocking
    def archive(self, days: int) -> int:
        raise AssertionError("the code of the class must not run")


class User(ap.Actor):
    def __init__(self, room: ap.ActorRef[Room]) -> None:
        self.room = room

    def chat(self, text: str) -> None:
        self.room.tell(Room.say, text)

    async def count(self) -> int:
        return 1 + await self.room.ask(Room.size)


async def test_it_records_what_it_is_told(actor_system: ap.ActorSystem, probe: OpenProbe) -> None:
    room = await probe(Room, name="lobby")
    user = await actor_system.spawn(User, room.ref)
    user.tell(User.chat, "hi")
    await room.expect(Room.say, "hi")
    room.ref.tell(Room.say, text="HO", loud=True)
    await room.expect(Room.say, "HO", loud=True)
    room.ref.tell(Room.say, "hum")
    await room.expect(Room.say, "hum", loud=False)  # which is the default
    await room.expect_nothing()
    assert actor_system.find("lobby", Room) == room.ref


async def test_its_messages_can_be_looked_at_one_by_one(probe: OpenProbe) -> None:
    room = await probe(Room)
    room.ref.tell(Room.archive, 3)
    told = await room.receive()
    assert (told.name, told.args, told.kwargs, str(told)) == ("archive", (3,), {}, "archive(3)")


async def test_it_answers_when_the_test_does(actor_system: ap.ActorSystem, probe: OpenProbe) -> None:
    room = await probe(Room)
    user = await actor_system.spawn(User, room.ref)

    async def answer() -> None:
        (await room.expect(Room.size)).send(41)

    count, _ = await ap.par(user.ask(User.count), answer())
    assert count == 42


async def test_it_answers_by_itself_as_it_was_told(probe: OpenProbe) -> None:
    room = await probe(Room)
    room.answer(Room.size, 7)
    room.answer(Base.ping, "pong")
    room.answer(Room.archive, ap.Reject("not today"))
    assert await room.ref.ask(Room.size) == 7
    assert await room.ref.ask(Base.ping) == "pong"
    with pytest.raises(ap.Reject, match="not today"):
        await room.ref.ask(Room.archive, 1)
    await room.expect(Room.size)


async def test_another_message_than_the_expected_one_is_told(probe: OpenProbe) -> None:
    room = await probe(Room, name="lobby")
    room.ref.tell(Room.say, "hi")
    with pytest.raises(AssertionError, match=r"lobby was told say\('hi'\); expected was say\('ho'\)"):
        await room.expect(Room.say, "ho")
    room.ref.tell(Room.say, "hi")
    with pytest.raises(AssertionError, match=r"lobby was told say\('hi'\); expected was size\(\)"):
        await room.expect(Room.size)
    room.ref.tell(Room.say, "hi")
    with pytest.raises(AssertionError, match=r"lobby was told say\('hi'\); expected was nothing"):
        await room.expect_nothing()


@pytest.mark.virtual_time
async def test_a_message_that_does_not_come_is_told(probe: OpenProbe) -> None:
    room = await probe(Room, name="lobby")
    with pytest.raises(AssertionError, match=r"lobby was told nothing for 3.0 s; expected was say\('hi'\)"):
        await room.expect(Room.say, "hi")


async def test_it_takes_no_message_that_its_class_would_not(probe: OpenProbe) -> None:
    room = await probe(Room)
    with pytest.raises(ap.BadArguments):
        room.ref.tell(Room.say)  # type: ignore[call-arg]
    with pytest.raises(ap.UnhandledMessage):
        room.ref.tell(User.chat, "hi")  # type: ignore[arg-type]
    assert [room.ref.tell(Room.say, "hi") for _ in range(3)] == [True, True, False]  # the bound of the class


async def test_a_reply_that_the_test_drops_breaks_the_promise(probe: OpenProbe) -> None:
    room = await probe(Room)

    async def drop() -> None:
        await room.expect(Room.size)

    with pytest.raises(ap.BrokenPromise):
        await ap.par(room.ref.ask(Room.size), drop())
