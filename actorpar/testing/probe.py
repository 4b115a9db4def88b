"""A probe: an actor that stands in for another and records what it is told, for a test to look at.

It is of a subclass of the class that it stands for, so it has the same messages, with the same checks of arguments and
the same types; none of the code of that class runs.
"""

from __future__ import annotations

import asyncio
import collections
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Final, Generic, NamedTuple, ParamSpec, Protocol, TypeVar, cast, overload

from actorpar.actors.actor import Actor
from actorpar.actors.kind import Message, kind_of
from actorpar.actors.ref import ActorRef
from actorpar.actors.reply import Reply
from actorpar.system import ActorSystem

from .idle import wait_idle

A = TypeVar("A", bound=Actor)
P = ParamSpec("P")
R = TypeVar("R")

#: Seconds for which a probe waits for the next message, unless it is told otherwise.
PATIENCE: Final = 3.0


class Told(NamedTuple):
    """One message as a probe got it. If it was asked, `reply` answers; if it was told, that reaches nobody."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    reply: Reply[Any]

    def __str__(self) -> str:
        return _call(self.name, self.args, self.kwargs)


class Probe(Generic[A]):
    """Made by `open_probe`, or by the fixture `probe`. `ref` is what the actors under test are given."""

    def __init__(self, system: ActorSystem, cls: type[A]) -> None:
        self.ref: ActorRef[A]
        self._system = system
        self._kind = kind_of(cls)
        self._told: collections.deque[Told] = collections.deque()
        self._news = asyncio.Event()
        self._answers: dict[str, object] = {}

    def answer(self, method: Callable[Concatenate[A, ...], Any], value: object) -> None:
        """Answer each further ask for this message with `value`, at once; an exception is what the asker is raised."""
        self._answers[self._kind.message(method).name] = value

    async def receive(self, timeout: float = PATIENCE) -> Told:
        """The next message, in the order in which they came. AssertionError if none comes within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while not self._told:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{self.ref.name} was told nothing for {timeout} s") from None
        return self._told.popleft()

    @overload
    async def expect(
        self, method: Callable[Concatenate[A, P], Coroutine[Any, Any, Reply[R]]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Reply[R]: ...
    @overload
    async def expect(
        self, method: Callable[Concatenate[A, P], Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Reply[R]: ...
    @overload
    async def expect(
        self, method: Callable[Concatenate[A, P], Reply[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Reply[R]: ...
    @overload
    async def expect(
        self, method: Callable[Concatenate[A, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Reply[R]: ...
    async def expect(self, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Reply[Any]:
        """The next message must be this one, with equal arguments: `await room.expect(Room.say, "hi")`.

        Returns the Reply, with which to answer if it was asked. AssertionError for another message, or for none within
        3 s.
        """
        message = self._kind.message(method)
        expected = _arguments(message, args, kwargs)
        wanted = _call(message.name, args, kwargs)
        try:
            told = await self.receive()
        except AssertionError as nothing:
            raise AssertionError(f"{nothing}; expected was {wanted}") from None
        if told.name != message.name or _arguments(message, told.args, told.kwargs) != expected:
            raise AssertionError(f"{self.ref.name} was told {told}; expected was {wanted}")
        return told.reply

    async def expect_nothing(self) -> None:
        """Wait until the system is idle; AssertionError if the probe was told anything that was not taken."""
        await wait_idle(self._system)
        if self._told:
            raise AssertionError(f"{self.ref.name} was told {', '.join(map(str, self._told))}; expected was nothing")

    def _record(self, told: Told) -> None:
        if told.name in self._answers:
            value = self._answers[told.name]
            if isinstance(value, BaseException):
                told.reply.fail(value)
            else:
                told.reply.send(value)
        self._told.append(told)
        self._news.set()


class OpenProbe(Protocol):
    """What the fixture `probe` gives: `room = await probe(Room)`."""

    def __call__(self, cls: type[A], /, *, name: str | None = None) -> Coroutine[Any, Any, Probe[A]]:
        """Open a probe in the system of the test."""
        ...


async def open_probe(system: ActorSystem, cls: type[A], *, name: str | None = None) -> Probe[A]:
    """Start a probe that stands in for an actor of `cls`, under that name if there is one.

    Its mailbox has the bound of the class. The constructor and the hooks of the class are not called.
    """
    probe = Probe(system, cls)
    probe.ref = cast("ActorRef[A]", await system.spawn(cast("Callable[[], A]", _double(cls, probe)), name=name))
    return probe


def _double(cls: type[A], probe: Probe[A]) -> type[A]:
    """A subclass of `cls` that hands every message to the probe."""
    members: dict[str, Any] = {
        name: member for name, member in vars(Actor).items() if name.startswith("on_")
    }  # so that no hook of the class is called
    members["__init__"] = lambda self: None
    for message in probe._kind.messages.values():
        members[message.name] = _recorder(message, getattr(cls, message.name), probe)
    make: Any = type(cls)
    return cast("type[A]", make(cls.__name__, (cls,), {**members, "__module__": cls.__module__}))


def _recorder(message: Message, method: Callable[..., Any], probe: Probe[Any]) -> Callable[..., Any]:
    def record(self: Actor, *args: Any, **kwargs: Any) -> Reply[Any]:
        reply: Reply[Any] = self.ctx.defer()
        probe._record(Told(message.name, args, kwargs, reply))
        return reply

    return functools.update_wrapper(record, method, updated=())  # without the mark of a blocking one


def _arguments(message: Message, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name, so that it does not matter how they were given."""
    bound = message.signature.bind(None, *args, **kwargs)
    bound.apply_defaults()
    return dict(list(bound.arguments.items())[1:])


def _call(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    given = [*map(repr, args), *(f"{key}={value!r}" for key, value in kwargs.items())]
    return f"{name}({', '.join(given)})"
