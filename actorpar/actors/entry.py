"""What lies in a mailbox.

Most messages are told with one plain argument or none: a tuple `(function, argument)`, NO for none. Everything else is
an Entry, which knows how it is handled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .errors import DeathPact
from .kind import name_of
from .reason import Down, Exit

if TYPE_CHECKING:
    from .actor import Actor
    from .cell import Cell
    from .request import Request

#: The argument of a message that was told without one.
NO: Final[Any] = type("No", (), {"__repr__": lambda _: "NO"})()


class Entry:
    """Something to handle. `call` returns what the handler returned: a value, or a coroutine to run."""

    __slots__ = ()

    #: The ask that waits for what `call` returns.
    request: Request | None = None
    #: True for news of the system, which are nobody's message: no dead letter is made of them.
    is_signal = True

    @property
    def name(self) -> str:
        """What it is called in logs."""
        raise NotImplementedError

    def call(self, actor: Actor) -> Any:
        """Handle it."""
        raise NotImplementedError

    def again(self, cell: Cell) -> Letter:
        """What is handled again when it was stashed; what is void once it was handled becomes a plain message."""
        return self


class Call(Entry):
    """A message with any arguments, told or asked."""

    __slots__ = ("args", "function", "kwargs", "request")

    is_signal = False

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], request: Request | None
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.request = request

    @property
    def name(self) -> str:
        return name_of(self.function)

    def call(self, actor: Actor) -> Any:
        return self.function(actor, *self.args, **self.kwargs)


class DownSignal(Entry):
    """A monitored actor or process has ended. `demonitor` makes it void, also when it lies in the mailbox (AC-30)."""

    __slots__ = ("down", "heeded", "pact")

    def __init__(self, down: Down, pact: bool, heeded: bool) -> None:
        self.down = down
        self.pact = pact  # the watcher dies with the watched unless it handles the Down (AC-33)
        self.heeded = heeded  # its class defines on_down

    @property
    def name(self) -> str:
        return "on_down"

    def again(self, cell: Cell) -> Letter:
        return (cell.kind.cls.on_down, self.down)

    def call(self, actor: Actor) -> Any:
        if not self.down.monitor.active:
            return None
        self.down.monitor.active = False
        if self.heeded:
            return actor.on_down(self.down)
        if self.pact:
            raise DeathPact(f"{self.down.ref!r} ended: {self.down.reason}") from self.down.reason.error
        return None


class ExitSignal(Entry):
    """A linked actor or process has ended, and the class traps exits. `unlink` makes it void (AC-30)."""

    __slots__ = ("exit", "link")

    def __init__(self, exit: Exit, link: Any) -> None:
        self.exit = exit
        self.link = link

    @property
    def name(self) -> str:
        return "on_exit"

    def again(self, cell: Cell) -> Letter:
        return (cell.kind.cls.on_exit, self.exit)

    def call(self, actor: Actor) -> Any:
        more = actor._cell.more
        if more is not None and more.links is not None:
            more.links.pop(self.link.peer_of(actor._cell), None)
        return actor.on_exit(self.exit) if self.link.active else None


#: What a mailbox holds.
Letter: TypeAlias = "tuple[Callable[..., Any], Any] | Entry"


def name_of_letter(letter: Letter) -> str:
    """The name of the message, for logs and dead letters."""
    return name_of(letter[0]) if isinstance(letter, tuple) else letter.name
