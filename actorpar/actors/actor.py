"""What a user derives from: `Actor`, whose public methods are its messages.

Everything of the runtime is under one attribute, `self.ctx`, so that any message name stays free. Names that start with
`_` or `on_` are never messages: the hooks below are called by the runtime, and may be `def` or `async def`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from .errors import InvalidActor

if TYPE_CHECKING:
    from .cell import Cell
    from .context import ActorContext
    from .reason import Down, Exit, Reason, Restart
    from .reply import Reply

F = TypeVar("F", bound=Callable[..., Any])

#: Messages that may wait in a mailbox, unless the class says otherwise (AC-6).
MAILBOX = 65_536
#: Messages that may be stashed at a time (AC-11).
STASH = 1_024


class Actor:
    """Base class of actors. `await system.spawn(Stats, 1)` makes one and returns its `ActorRef[Stats]`.

    An actor handles one message at a time, awaits included (AC-1). Options stand in the class statement:

    mailbox    messages that may wait, 65 536; what comes beyond is a dead letter, loudly (AC-6)
    reentrant  True: while a handler awaits, the next message may start; plain handlers still run one at a time
    stash      messages that may be stashed, 1 024 (AC-11)
    """

    __slots__ = ("__weakref__", "_cell")

    _mailbox: ClassVar[int] = MAILBOX
    _reentrant: ClassVar[bool] = False
    _stash: ClassVar[int] = STASH
    #: How a supervisor stops its children; an order to stop it cancels what it has in hand (AC-36, AC-40).
    _stop_children: ClassVar[Callable[[Any], Coroutine[Any, Any, None]] | None] = None
    _cell: Cell

    def __init_subclass__(
        cls, *, mailbox: int | None = None, reentrant: bool | None = None, stash: int | None = None, **options: Any
    ) -> None:
        super().__init_subclass__(**options)
        for option, value in (("mailbox", mailbox), ("stash", stash)):
            if value is not None:
                if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                    raise InvalidActor(f"{cls.__qualname__}: {option} is a number of messages from 1 on, not {value!r}")
                setattr(cls, f"_{option}", value)
        if reentrant is not None:
            cls._reentrant = reentrant

    @property
    def ctx(self) -> ActorContext[Self]:
        """The runtime as this actor sees it: its reference, children, timers, links, stash, replies."""
        cell = self._cell
        return cell.dispatcher.context_of(cell)  # an import here would cost a microsecond at each use

    def on_start(self) -> Awaitable[None] | None:
        """Called before the first message, and before `spawn` returns; what it raises is raised there (AC-23)."""
        return None

    def on_stop(self, reason: Reason) -> Awaitable[None] | None:
        """Called exactly once when the actor ends, unless it is killed or never started (AC-24).

        Its children have ended, its names, timers and channel ends are still there. If it raises, that is logged.
        """
        return None

    def on_failure(self, error: BaseException) -> Awaitable[None] | None:
        """Called first when a handler raised; the actor ends all the same, and a supervisor may start another."""
        return None

    def on_restart(self, restart: Restart) -> Awaitable[None] | None:
        """Called before `on_start` in an actor that replaces one that ended; `restart.state` is what that one kept."""
        return None

    def on_down(self, down: Down) -> Awaitable[None] | None:
        """An actor or process that this one monitors has ended (AC-31)."""
        return None

    def on_exit(self, exit: Exit) -> Awaitable[None] | None:
        """A linked actor or process has ended. A class that defines it traps exits: the actor lives on (AC-29)."""
        return None

    def on_withdrawn(self, reply: Reply[Any]) -> None:
        """An asker gave up on a request that is in hand or deferred (AC-22): a plain `def`, called at once.

        `reply` is equal to the one that was deferred.
        """

    def __repr__(self) -> str:
        cell = getattr(self, "_cell", None)
        return f"<{type(self).__qualname__} {'not started' if cell is None else cell.name}>"


def blocking(method: F) -> F:
    """Mark a plain `def` message that blocks: it runs in a thread, still one message at a time.

    The loop goes on meanwhile. Cancelling or killing the actor does not stop the thread: it runs to its end, and its
    result is dropped. Inside, use `self.ctx.ref.threadsafe()` and channels' thread-safe handles, nothing else of ctx.
    """
    method._actorpar_blocking = True  # type: ignore[attr-defined]
    return method
