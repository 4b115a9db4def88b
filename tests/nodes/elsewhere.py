"""Ends in another operating-system process, driven from here: for the conformance kit.

The process has the true end. Here is a stand-in that forwards each operation over a control pipe of its own and gives
back the result or the error. What waits here is cancelled there, and has ended there before it has ended here; so the
checks of the kit see one end, wherever it is.
"""

from __future__ import annotations

import asyncio
import builtins
import collections
import inspect
import itertools
import multiprocessing
import socket
from collections.abc import Coroutine, Iterable
from multiprocessing.connection import Connection
from typing import Any, Self

import actorpar as ap
from actorpar.nodes.codec import audit
from actorpar.nodes.node import Node
from actorpar.nodes.remote import moving
from tests.nodes.meshed import Item

#: Seconds in which an operation that does not wait is answered.
DEADLINE = 20.0


# -- in the other process


class Holder:
    """The true ends, by number, and the operations under way."""

    def __init__(self, control: Connection, node: Node, near: bytes) -> None:
        self._control = control
        self._node = node
        self._near = near
        self._held: dict[int, Any] = {}
        self._numbers = itertools.count(1)
        self._running: dict[int, asyncio.Task[None]] = {}
        self.stopped = asyncio.Event()
        asyncio.get_running_loop().add_reader(control.fileno(), self._readable)

    def _readable(self) -> None:
        with audit.allowed():
            number, name, args = self._control.recv()
        operation = getattr(self, name)
        if inspect.iscoroutinefunction(operation):
            self._running[number] = asyncio.create_task(self._answer_later(number, operation(*args)))
            return
        try:
            self._control.send((number, operation(*args), None))
        except Exception as error:
            self._control.send((number, None, flat(error)))

    async def _answer_later(self, number: int, operation: Coroutine[Any, Any, Any]) -> None:
        try:
            result = await operation
        except BaseException as error:
            self._control.send((number, None, flat(error)))
        else:
            self._control.send((number, result, None))
        finally:
            del self._running[number]

    def hold(self, end: Any) -> int:
        number = next(self._numbers)
        self._held[number] = end
        return number

    def accept(self, data: bytes) -> int:
        return self.hold(moving.accept(self._node.table, data, Item, self._node.peer(self._near)))

    def cancel(self, number: int) -> None:
        if number in self._running:
            self._running[number].cancel()

    def clone(self, end: int) -> int:
        return self.hold(self._held[end].clone())

    def abort(self, end: int, exc: BaseException, after_drain: bool) -> None:
        self._held[end].abort(exc, after_drain=after_drain)

    def call(self, end: int, method: str, *args: Any) -> Any:
        return getattr(self._held[end], method)(*args)

    def look(self, end: int, name: str) -> Any:
        return getattr(self._held[end], name)

    async def wait(self, end: int, method: str, *args: Any) -> Any:
        return await getattr(self._held[end], method)(*args)

    async def send_many(self, end: int, items: list[Any]) -> tuple[list[Any], Any]:
        """What is left of the items, and the error."""
        rest = collections.deque(items)
        try:
            await self._held[end].send_many(rest)
        except BaseException as error:
            return list(rest), flat(error)
        return list(rest), None

    async def reserve(self, end: int) -> int:
        reservation = self._held[end].reserve()
        return self.hold((reservation, await reservation.__aenter__()))

    def redeem(self, permit: int, item: Any) -> None:
        self._held[permit][1].send(item)

    async def forfeit(self, permit: int) -> None:
        await self._held.pop(permit)[0].__aexit__(None, None, None)

    def stop(self) -> None:
        self.stopped.set()


def hold(control: Connection, link: socket.socket | str) -> None:
    """Hold ends until told to stop. The link is a pipe, or the address of the node that is near."""

    async def main() -> None:
        async with Node("far") as node:
            near = await (node.connect(link) if isinstance(link, str) else node.adopt(link, dials=True))
            await Holder(control, node, near.node).stopped.wait()

    ap.run(main)


def flat(error: BaseException) -> tuple[Any, ...]:
    """An error, as it goes over the control pipe."""
    item, items = getattr(error, "item", None), getattr(error, "items", ())
    return type(error).__name__, str(error), item, items, str(error.__cause__)


def raised(flat: tuple[Any, ...]) -> BaseException:
    """The error again; of its cause the text."""
    name, text, item, items, cause = flat
    if name == "CancelledError":
        return asyncio.CancelledError()
    kind = getattr(ap, name, None) or getattr(builtins, name)
    error: BaseException = kind(text, item=item, items=items) if issubclass(kind, ap.ChannelError) else kind(text)
    error.__cause__ = Exception(cause)
    return error


# -- here


class Far:
    """The other process, started and linked by `pipe` or `tcp`. Made on the loop that is near, and used there."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._process: Any = None

    async def start(self, kind: str) -> Self:
        context = multiprocessing.get_context("spawn")
        self._control, theirs = context.Pipe()
        ours, pipe = socket.socketpair()
        link: Any = pipe if kind == "pipe" else str((await self._node.listen("tcp://127.0.0.1:0")).address)
        before = set(self._node.links)
        up = asyncio.Event()
        self._node.watch(lambda _: up.set())
        self._process = context.Process(target=hold, args=(theirs, link))
        self._process.start()
        theirs.close()
        pipe.close()
        if kind == "pipe":
            await self._node.answer(ours)
        else:
            ours.close()
            await up.wait()
        (self._link,) = [link for id, link in self._node.links.items() if id not in before]
        asyncio.get_running_loop().add_reader(self._control.fileno(), self._readable)
        return self

    async def end(self) -> None:
        """End the process; it must end well."""
        try:
            self.now("stop")
            await asyncio.to_thread(self._process.join, DEADLINE)
            assert self._process.exitcode == 0
        finally:
            self._process.kill()
            self._process.join()
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()

    def give(self, end: Any) -> int:
        """Move an end there: its number."""
        data = moving.export(self._node.table, end, self._link)
        self._link.push()
        number: int = self.now("accept", data)
        return number

    def now(self, name: str, *args: Any) -> Any:
        """Have done what does not wait."""
        _, answer = self.begin(name, *args)
        while not answer.done():
            assert self._control.poll(DEADLINE), f"{name} is not answered"
            self._take_answer()
        return answer.result()

    def begin(self, name: str, *args: Any) -> tuple[int, asyncio.Future[Any]]:
        """Ask for something: its number and its answer."""
        number = next(self._numbers)
        self._control.send((number, name, args))
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        return number, answer

    async def later(self, name: str, *args: Any) -> Any:
        """Have done what may wait. Cancelled: it is cancelled there, and has ended there when this ends."""
        return await self.finish(*self.begin(name, *args))

    async def finish(self, number: int, answer: asyncio.Future[Any]) -> Any:
        """Wait for an answer."""
        try:
            await asyncio.wait([answer])
        except asyncio.CancelledError:
            self.now("cancel", number)
            await asyncio.wait([answer])
            if not answer.cancelled():
                answer.exception()  # it is seen: it came in the last moment, and the cancellation goes before
            raise
        return answer.result()

    def _readable(self) -> None:
        if self._control.poll():  # what the loop saw may have been taken in between
            self._take_answer()

    def _take_answer(self) -> None:
        with audit.allowed():
            number, result, error = self._control.recv()
        answer = self._waiting.pop(number)
        if error is None:
            answer.set_result(result)
        elif isinstance(failure := raised(error), asyncio.CancelledError):
            answer.cancel()
        else:
            answer.set_exception(failure)


class StandIn:
    """An end that is in the other process."""

    def __init__(self, far: Far, number: int) -> None:
        self.far = far
        self.number = number

    def clone(self) -> Self:
        return type(self)(self.far, self.far.now("clone", self.number))

    def close(self) -> None:
        self.far.now("call", self.number, "close")

    def abort(self, exc: BaseException, *, after_drain: bool = False) -> None:
        self.far.now("abort", self.number, exc, after_drain)

    def statistics(self) -> Any:
        return self.far.now("call", self.number, "statistics")

    @property
    def name(self) -> str:
        return str(self.far.now("look", self.number, "name"))


class FarSender(StandIn):
    """A sending end."""

    async def send(self, item: Any) -> None:
        await self.far.later("wait", self.number, "send", item)

    def send_nowait(self, item: Any) -> None:
        self.far.now("call", self.number, "send_nowait", item)

    async def send_many(self, items: Iterable[Any]) -> None:
        number, answer = self.far.begin("send_many", self.number, list(items))
        try:
            await self.far.finish(number, answer)
        finally:
            rest, error = answer.result()
            if isinstance(items, collections.deque):
                items.clear()
                items.extend(rest)
        if error is not None:
            raise raised(error)

    def reserve(self) -> FarReservation:
        return FarReservation(self.far, self.number)


class FarReservation:
    """`async with tx.reserve() as permit`; the permit, too."""

    def __init__(self, far: Far, number: int) -> None:
        self.far = far
        self.number = number

    async def __aenter__(self) -> Self:
        self.number = await self.far.later("reserve", self.number)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.far.later("forfeit", self.number)

    def send(self, item: Any) -> None:
        self.far.now("redeem", self.number, item)


class FarReceiver(StandIn):
    """A receiving end."""

    async def receive(self) -> Any:
        return await self.far.later("wait", self.number, "receive")

    def receive_nowait(self) -> Any:
        return self.far.now("call", self.number, "receive_nowait")

    async def receive_many(self, most: int) -> Any:
        return await self.far.later("wait", self.number, "receive_many", most)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.far.later("wait", self.number, "receive")
        except ap.EndOfChannel:
            raise StopAsyncIteration from None


# -- pairs whose ends are in two processes


def receiver_far(far: Far, capacity: float) -> Any:
    tx, rx = ap.open_channel[Item](capacity)
    return tx, FarReceiver(far, far.give(rx))


def sender_far(far: Far, capacity: float) -> Any:
    tx, rx = ap.open_channel[Item](capacity)
    return FarSender(far, far.give(tx)), rx
