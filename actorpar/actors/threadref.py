"""A handle of an actor for other threads (and other event loops): made by `ref.threadsafe()` on the actor's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..channels.errors import ChannelError, WrongLoop
from ..channels.threads import PATIENCE, ThreadSender
from .errors import ActorDead
from .mailbox import door_of
from .ref import DEADLINE, A_co

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Concatenate, ParamSpec, Self

    from .cell import Cell

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
        self._sender: ThreadSender[Any] = ThreadSender(door_of(cell))

    def send(
        self, method: Callable[Concatenate[A_co, P], object], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Send a message; block the thread while too many are under way. Raises ActorDead, UnhandledMessage,
        BadArguments."""
        try:
            self._sender.send(self._cell.letter(method, args, kwargs))
        except ChannelError as error:
            raise ActorDead(str(error), self._cell.stopping) from None

    def ask(self, method: Callable[Concatenate[A_co, P], Any], /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Send a message and block the thread until the answer comes; raises what `ActorRef.ask` does.

        The deadline is that of the reference: `ref.within(30).threadsafe()`.
        """
        loop = self._cell.dispatcher.loop
        if asyncio._get_running_loop() is loop:
            raise WrongLoop(f"{self._cell.name}: this would block the loop of the actor; await ref.ask(…) there")
        asking = self._cell.ask_within(self._seconds, method, args, kwargs)
        try:
            answer = asyncio.run_coroutine_threadsafe(asking, loop)
        except RuntimeError:
            asking.close()
            raise ActorDead(f"{self._cell.name}: its event loop has ended", self._cell.stopping) from None
        while True:
            try:
                return answer.result(PATIENCE)
            except TimeoutError:
                if answer.done():
                    raise
                if loop.is_closed():
                    raise ActorDead(f"{self._cell.name}: its event loop has ended", self._cell.stopping) from None

    def close(self) -> None:
        """Close the handle, from any thread; what was sent before arrives first. Idempotent."""
        self._sender.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
