"""A handle of an actor for other threads (and other event loops): made by `ref.threadsafe()` on the actor's loop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ..channels import env
from ..channels.errors import ChannelClosed, ChannelError, WrongLoop
from ..channels.threads import PATIENCE, ThreadSender
from ..channels.waiters import Waiter
from .entry import Call
from .errors import ActorDead
from .ref import DEADLINE, A_co
from .request import Request

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Concatenate, ParamSpec, Self

    from .cell import Cell
    from .reply import Reply

    P = ParamSpec("P")

R = TypeVar("R")


class ThreadRef(Generic[A_co]):
    """Sends to an actor from any thread. Messages of one thread keep their order; bursts share one wake-up of the loop.

    Close it, or use it in a `with` block. Do not call it on the loop of the actor: it would wait for itself.
    """

    def __init__(self, cell: Cell, seconds: float | None = DEADLINE) -> None:
        cell.dispatcher.is_spent()  # WrongLoop in a foreign thread
        self._cell = cell
        self._seconds = seconds
        self._sender: ThreadSender[Any] = ThreadSender(cell.door())

    def send(self, method: Callable[Concatenate[A_co, P], object], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Send a message; block the thread while too many are under way. Raises ActorDead, UnhandledMessage,
        BadArguments."""
        self._send(self._cell.letter(method, args, kwargs))

    @overload
    def ask(
        self,
        method: Callable[Concatenate[A_co, P], Coroutine[Any, Any, Reply[R]]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R: ...
    @overload
    def ask(
        self, method: Callable[Concatenate[A_co, P], Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    @overload
    def ask(self, method: Callable[Concatenate[A_co, P], Reply[R]], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def ask(self, method: Callable[Concatenate[A_co, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    def ask(self, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Send a message, behind those sent before, and block the thread until the answer comes.

        Raises what `ActorRef.ask` does; while the mailbox is full it waits. The deadline is that of the reference:
        `ref.within(30).threadsafe()`.
        """
        cell = self._cell
        if asyncio._get_running_loop() is cell.dispatcher.loop:
            raise WrongLoop(f"{cell.name}: this would block the loop of the actor; await ref.ask(…) there")
        letter = cell.letter(method, args, kwargs)
        request = letter.request = Request(cell, letter.name)
        answer = _Answer()
        request.waiter = answer
        deadline = math.inf if self._seconds is None else env.clock() + self._seconds
        self._send(letter)
        while not answer.came.wait(min(PATIENCE, max(deadline - env.clock(), 0))):
            if cell.dispatcher.loop.is_closed():
                raise ActorDead(f"{cell.name}: its event loop has ended", cell.stopping)
            if env.clock() >= deadline:
                cell.dispatcher.loop.call_soon_threadsafe(request.expire)  # an answer may come in the last moment
                deadline = math.inf
        return request.outcome(self._seconds)

    def _send(self, letter: Call) -> None:
        try:
            self._sender.send(letter)
        except ChannelClosed:
            raise
        except ChannelError as error:
            raise ActorDead(str(error), self._cell.stopping) from None

    def close(self) -> None:
        """Close the handle, from any thread; what was sent before arrives first. Idempotent."""
        self._sender.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class _Answer(Waiter):
    """A thread that waits for the answer to its request."""

    __slots__ = ("came",)

    def __init__(self) -> None:
        super().__init__()
        self.came = env.Event()

    def claim(self, outcome: int) -> bool:
        self.came.set()
        return True
