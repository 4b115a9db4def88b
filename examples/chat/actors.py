"""The actors of the chat, and the tree that keeps them alive.

    chat           supervisor: what fails takes along what was started after it
    ├── rooms      supervisor: starts a room again that ended, its memory and its mailbox kept
    │   └── room:lobby, …
    ├── users      supervisor: one for each browser, never started again
    │   └── user:1, …
    └── hall       knows where the rooms are

Invariants
- Nobody waits for a browser: a room tells its users, and what a user has for its browser lies in a bounded outbox. A
  browser that does not keep up is sent away.
- A room's memory changes only within one message, so whenever a room is killed, its memory is whole.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import actorpar as ap

from .words import BURST, TEXT_LENGTH, Allowance, checked_text

HISTORY = 200
ROOMS = 100
#: Events that may wait for a browser.
OUTBOX = 1000
#: Events that go to a browser in one frame at most.
FRAME = 100
#: Texts that wait while a room is away, and seconds for which its users wait for it.
UNSENT = 20
PATIENCE = 10.0
#: Refused messages in a row after which a user is sent away.
REFUSED = 50
#: Seconds between two rooms that are killed for show.
KILL_PAUSE = 2.0
#: How long a room is away: long enough to be seen, and longer each time if it ends again and again.
BACKOFF = ap.Backoff(0.4, 5.0)


class NickTaken(ap.Reject):
    """Somebody in the room has this nickname."""


class TooManyRooms(ap.Reject):
    """There are as many rooms as there may be."""


class NoSuchRoom(ap.Reject):
    """Nobody has opened this room."""


class RoomAway(ap.Reject):
    """The room has ended and is being started again."""


class TooSoon(ap.Reject):
    """A room was killed a moment ago."""


class Goodbye(NamedTuple):
    """Why a user is sent away: the code and the reason with which the browser's websocket is closed."""

    code: int
    reason: str


TOO_SLOW = Goodbye(4008, "your browser did not keep up")
TOO_LOUD = Goodbye(1008, "too many messages")
ROOM_GONE = Goodbye(1013, "the room did not come back")


class Connection(Protocol):
    """The way to a browser."""

    async def send(self, text: str) -> None:
        """Send a frame; wait while the browser does not keep up."""

    async def close(self, code: int, reason: str) -> None:
        """Close it, within bounded time."""


@dataclass
class Memory:
    """What a room keeps, whatever happens to it."""

    posts: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=HISTORY))
    count: int = 0
    members: dict[ap.ActorRef[User], str] = field(default_factory=dict)


class Room(ap.Actor, mailbox=4096):
    """One room: who is in it, and the last 200 posts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.memory = Memory()
        self.restarts = 0
        self.why = ""

    def on_restart(self, restart: ap.Restart) -> None:
        self.memory = restart.state
        self.restarts = restart.count
        self.why = restart.reason.kind

    def on_start(self) -> None:
        self.ctx.keep(self.memory)
        for user in list(self.memory.members):
            self.ctx.monitor(user)
            user.tell(User.welcome, self.ctx.ref, self._welcome())

    def enter(self, user: ap.ActorRef[User], nick: str) -> None:
        """Let somebody in, who is told what was said so far and then everything that is. NickTaken."""
        members = self.memory.members
        if nick.casefold() in (known.casefold() for known in members.values()):
            raise NickTaken(f"somebody in {self.name} is called {nick} already")
        self._tell_all(type="joined", nick=nick)
        members[user] = nick
        self.ctx.monitor(user)
        user.tell(User.welcome, self.ctx.ref, self._welcome())

    def say(self, user: ap.ActorRef[User], text: str) -> None:
        """Somebody says something: everybody in the room learns it, in the same order."""
        memory = self.memory
        if user not in memory.members:
            return
        memory.count += 1
        post = {"n": memory.count, "nick": memory.members[user], "text": text, "at": round(time.time() * 1000)}
        memory.posts.append(post)
        self._tell_all(type="post", **post)

    def describe(self) -> dict[str, Any]:
        """The room in numbers."""
        memory = self.memory
        return {
            "room": self.name, "members": len(memory.members), "posts": len(memory.posts), "restarts": self.restarts
        }  # fmt: skip

    def on_down(self, down: ap.Down) -> None:
        nick = self.memory.members.pop(down.ref, None)  # type: ignore[arg-type]  # only users are monitored
        if nick is not None:
            self._tell_all(type="left", nick=nick)

    def _welcome(self) -> str:
        memory = self.memory
        return json.dumps({
            "type": "welcome", "room": self.name, "members": list(memory.members.values()),
            "posts": list(memory.posts), "restarts": self.restarts, "why": self.why,
        })  # fmt: skip

    def _tell_all(self, **event: object) -> None:
        text = json.dumps(event)  # once, for all of them
        for user in self.memory.members:
            if not user.tell(User.deliver, text) and user.is_alive():
                self.ctx.system.kill(user)  # it does not even take messages any more; its end is told by its monitor


class User(ap.Actor, mailbox=2 * OUTBOX):
    """One browser."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.room: ap.ActorRef[Room] | None = None
        self.unsent: list[str] = []
        self.refused = 0
        self.allowance = Allowance(asyncio.get_running_loop().time)

    async def on_start(self) -> None:
        self.outbox, waiting = ap.open_channel[str](OUTBOX, name=f"outbox of {self.ctx.name}")
        self.ctx.monitor(await self.ctx.spawn(write, self.connection, waiting))

    def welcome(self, room: ap.ActorRef[Room], event: str) -> None:
        """A room lets this user in, or has come back."""
        self.ctx.cancel_timer("room")
        self.room = room
        self.ctx.monitor(room)
        self.deliver(event)
        unsent, self.unsent = self.unsent, []
        for text in unsent:
            self._say(text)

    def deliver(self, event: str) -> None:
        """Something for the browser."""
        try:
            self.outbox.send_nowait(event)
        except ap.ChannelFull:
            self.ctx.stop(ap.Reason("shutdown", TOO_SLOW))
        except ap.ChannelError:
            self.ctx.stop()

    def typed(self, text: str) -> None:
        """The person has written something."""
        if not self.allowance.take():
            self._refuse(f"not sent: at most {BURST} messages at once, please")
            return
        if len(text) > TEXT_LENGTH:
            self._refuse(f"not sent: a message has at most {TEXT_LENGTH} characters")
            return
        self.refused = 0
        checked = checked_text(text)
        if checked is not None:
            self._say(checked)

    def leave(self) -> None:
        """The browser has gone."""
        self.ctx.stop()

    def give_up(self) -> None:
        """The room did not come back in time."""
        self.ctx.stop(ap.Reason("shutdown", ROOM_GONE))

    def on_down(self, down: ap.Down) -> None:
        if down.ref == self.room:
            self.room = None
            self.deliver(json.dumps({"type": "away", "why": down.reason.kind}))
            self.ctx.after(PATIENCE, self.give_up, key="room")
        elif not isinstance(down.ref, ap.ActorRef):
            self.ctx.stop()  # nothing can be written any more

    async def on_stop(self, reason: ap.Reason) -> None:
        if isinstance(reason.detail, Goodbye):  # else whoever stopped it closes the connection
            await self.connection.close(*reason.detail)

    def _say(self, text: str) -> None:
        if self.room is None or not self.room.is_alive():
            if len(self.unsent) < UNSENT:
                self.unsent.append(text)
            else:
                self._refuse("not sent: the room is away")
        elif not self.room.tell(Room.say, self.ctx.ref, text):
            self._refuse("not sent: the room is full of messages, try again")

    def _refuse(self, notice: str) -> None:
        self.refused += 1
        if self.refused < REFUSED:
            self.deliver(json.dumps({"type": "notice", "text": notice}))
        else:
            self.ctx.stop(ap.Reason("shutdown", TOO_LOUD))


async def write(connection: Connection, events: ap.Receiver[str]) -> None:
    """Write what comes to the browser, many events in one frame where it is slower than they are."""
    try:
        while True:
            await connection.send("[" + ",".join(await events.receive_many(FRAME)) + "]")
    except (ap.EndOfChannel, ConnectionError):
        pass


class Hall(ap.Actor):
    """Knows where the rooms are, opens new ones, and kills one when somebody presses the button."""

    def __init__(self) -> None:
        self.killed_at = -KILL_PAUSE

    async def room(self, name: str) -> ap.ActorRef[Room]:
        """The room of this name, opened if it is new. TooManyRooms, RoomAway."""
        try:
            return await self.find(name)
        except NoSuchRoom:
            spec = ap.child(Room, name, id=name, name=f"room:{name}", restart="permanent", keep_mailbox=True)
            if (await self._rooms().ask(ap.Supervisor.count_children)).specs >= ROOMS:
                raise TooManyRooms(f"there are {ROOMS} rooms already") from None
            return await self._rooms().ask(ap.Supervisor.start_child, spec)

    async def find(self, name: str) -> ap.ActorRef[Room]:
        """A room that is open. NoSuchRoom, RoomAway."""
        room = self.ctx.system.find(f"room:{name}", Room)
        if room is not None:
            return room
        if any(child.id == name for child in await self._rooms().ask(ap.Supervisor.which_children)):
            raise RoomAway(f"the room {name} is being started again")
        raise NoSuchRoom(f"there is no room {name}")

    async def kill(self, name: str) -> None:
        """Kill a room: it ends at once, whatever it does. NoSuchRoom, RoomAway, TooSoon."""
        room, now = await self.find(name), asyncio.get_running_loop().time()
        if now - self.killed_at < KILL_PAUSE:
            raise TooSoon(f"one room in {KILL_PAUSE:.0f} seconds, please")
        self.killed_at = now
        self.ctx.system.kill(room)

    def _rooms(self) -> ap.ActorRef[ap.Supervisor]:
        rooms = self.ctx.system.find("rooms", ap.Supervisor)
        assert rooms is not None, "where rooms ends, so does what was started after it"
        return rooms


def tree() -> ap.Strategy:
    """The tree above, for the supervisor at its root."""
    rooms = ap.dynamic(intensity=10, period=10.0, backoff=BACKOFF)
    return ap.rest_for_one(
        ap.child(ap.Supervisor, rooms, id="rooms", name="rooms"),
        ap.child(ap.Supervisor, ap.dynamic(), id="users", name="users"),
        ap.child(Hall, id="hall", name="hall"),
        intensity=3,
        period=60.0,
    )
