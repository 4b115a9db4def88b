"""An actor in this process: its mailbox, its state, and the reference that others hold; one object is all three.

Invariants
- IDLE: nothing is queued and nothing is in hand. QUEUED: it stands in the dispatcher's queue. BUSY: a handler runs, on
  the stack or suspended. HELD: suspended from outside. STARTING, ENDING: its hooks run. DEAD: for good.
- Waiting messages are in `batch` (what the actor's turn has begun to take, an iterator) and behind it in `box`, a list
  or None; each is two items, the function and its argument, or None and an Entry. So a message that is told is no
  object of its own, and gives the cycle collector nothing to do. (Both are appended in two steps, which is a tenth
  cheaper than one: between them nothing can come but a signal handler that raises, and that of `ap.run` does not.)
  The first that is told to an idle actor is in `first` and `first_arg` alone. An idle actor has none of the three.
- `len(box) < limit` proves that there is room: `limit` is twice the capacity, less what is left of `batch`, less the
  places reserved for woken senders, and more by the signals that wait, which do not count. `set_limit` makes it exact;
  during a turn it is the worst case.
- What only few actors have is in `more`, made when it is first needed.
"""

from __future__ import annotations

import contextvars
import copy
import functools
from collections.abc import Callable, Iterator
from itertools import chain, islice
from operator import length_hint
from typing import TYPE_CHECKING, Any

from ..channels.carrying import moved
from ..channels.env import thread_id
from ..channels.errors import WrongLoop
from ..channels.process import pause
from .belongings import Belongings, more_of
from .entry import NO, Call, Entry, Letter
from .errors import ActorDead
from .kind import Kind, Message
from .ref import DEADLINE, ActorRef
from .request import Request
from .states import DEAD, IDLE, QUEUED, STARTING

if TYPE_CHECKING:
    from .actor import Actor
    from .dispatcher import Dispatcher
    from .reason import Reason
    from .runner import Runner
    from .threadref import ThreadRef


class Cell(ActorRef[Any]):
    """One incarnation of an actor, alive or dead."""

    __slots__ = (
        "__weakref__", "actor", "batch", "box", "context", "dispatcher", "first", "first_arg", "handled", "kind",
        "limit", "more", "parent", "runner", "serial", "state", "stopping",
    )  # fmt: skip

    def __init__(self, kind: Kind, dispatcher: Dispatcher, parent: Cell | None) -> None:
        self.kind = kind
        self.dispatcher = dispatcher
        self.parent = parent
        self.state = STARTING
        self.box: list[Any] | None = None
        self.batch: Iterator[Any] | None = None
        self.first: Callable[..., Any] | None = None
        self.first_arg: Any = None
        self.limit = kind.places
        self.handled = 0
        self.actor: Actor = None  # type: ignore[assignment]  # set by spawn; None again once it is dead
        self.context: contextvars.Context | None = None
        self.runner: Runner | None = None
        self.stopping: Reason | None = None
        self.more: Belongings | None = None
        dispatcher.serial = self.serial = dispatcher.serial + 1

    # -- the face

    @property
    def name(self) -> str:
        more = self.more
        return more.names[0] if more is not None and more.names else f"{self.kind.name}-{self.serial}"

    def is_alive(self) -> bool:
        return self.state != DEAD

    def tell(self, method: Callable[..., object], arg: Any = NO, /, *rest: Any, **kwargs: Any) -> bool:
        if rest or kwargs:
            return self._tell(method, (arg, *rest) if arg is not NO else rest, kwargs)
        try:
            function = self.kind.one[method] if arg is not NO else self.kind.none[method]
        except (KeyError, TypeError):
            return self._tell(method, () if arg is NO else (arg,), {})
        box = self.box
        if box is not None:
            if len(box) < self.limit:
                box.append(function)
                box.append(arg)
                return True
        elif self.state == IDLE and self.limit > 0:
            self._wake()
            self.first = function
            self.first_arg = arg
            self.limit -= 2
            return True
        elif self.limit > 0 and self.state != DEAD and thread_id() == self.dispatcher.thread:
            self.box = [function, arg]
            return True
        return self.put((function, arg))

    def teller(self, method: Callable[..., object], /) -> Any:
        message = self.message(method)
        function, kind = message.function, self.kind
        if method not in self.kind.one:
            return functools.partial(self.tell, method)

        def tell(arg: Any = NO, /, *rest: Any) -> bool:
            box = self.box
            if box is None or rest or arg is NO or len(box) >= self.limit or self.kind is not kind:
                return self.tell(method, arg, *rest)
            box.append(function)
            box.append(arg)
            return True

        return tell

    async def ask(self, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        dispatcher = self.dispatcher
        queue = dispatcher.queue
        if queue.fuel:
            queue.fuel -= 1
        else:
            if dispatcher.is_spent():
                await pause()
            queue.spend()
        result = asking.begin_ask(self, method, args, kwargs)
        return await result.wait(DEADLINE) if type(result) is Request else result

    async def ask_within(self, seconds: float | None, method: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        """`ask` with a deadline."""
        dispatcher = self.dispatcher
        if dispatcher.is_spent():
            await pause()
        dispatcher.queue.spend()
        dispatcher.within = seconds
        try:
            result = asking.begin_ask(self, method, args, kwargs)
        finally:
            dispatcher.within = DEADLINE
        return await result.wait(seconds) if type(result) is Request else result

    async def send(self, method: Callable[..., object], arg: Any = NO, /, *rest: Any, **kwargs: Any) -> None:
        queue, box, more = self.dispatcher.queue, self.box, self.more
        if queue.fuel and (more is None or more.door is None) and self.state != DEAD:  # nobody waits for room
            if box is None:
                if self.limit > 0:
                    queue.fuel -= 1
                    self.tell(method, arg, *rest, **kwargs)
                    return
            elif len(box) < self.limit and not rest and not kwargs:
                function = self.kind.one.get(method) if arg is not NO else self.kind.none.get(method)
                if function is not None:
                    queue.fuel -= 1
                    box.append(function)
                    box.append(arg)
                    return
        letter = self.letter(method, (arg, *rest) if arg is not NO else rest, kwargs)
        if self.dispatcher.is_spent():
            await pause()
        queue.spend()
        if self.state == DEAD:
            raise self.dead()
        if (self.more is None or self.more.door is None) and self.has_room():
            self.put(letter)
            return
        await self.door().send(letter)

    def within(self, seconds: float | None) -> ActorRef[Any]:
        return Timed(self, seconds)

    def threadsafe(self) -> ThreadRef[Any]:
        from .threadref import ThreadRef

        return ThreadRef(self)

    def __repr__(self) -> str:
        return f"<ActorRef[{self.kind.name}] {self.name}{'' if self.state != DEAD else ' (dead)'}>"

    # -- the mailbox

    def __len__(self) -> int:
        return (length_hint(self.batch or ()) + len(self.box or ())) // 2 + (self.first is not None)

    def __bool__(self) -> bool:
        return True

    def has_room(self) -> bool:
        """True if one more message would be taken."""
        if self.state == DEAD:
            return False
        waiting = len(self.box or ())
        if waiting >= self.limit:
            self.dispatcher.set_limit(self)  # during a turn the limit is the worst case
        return waiting < self.limit

    def put(self, letter: Letter) -> bool:
        """Put a message into the mailbox. False: it became a dead letter."""
        if not self.has_room():
            self.dispatcher.dead_letter(self, letter, "dead" if self.state == DEAD else "overflow")
            return False
        self.append(letter)
        return True

    def append(self, letter: Letter) -> None:
        """Put a letter behind everything that waits, whether there is room or not."""
        if self.kind.carrying and isinstance(letter, Call) and letter.function in self.kind.carrying:
            letter.args, letter.kwargs = moved((letter.args, letter.kwargs))
        if self.box is None:
            self._wake()
            self.box = []
        self.box += _flat(letter)

    def put_signal(self, signal: Entry) -> None:
        """Put a signal of the system into the mailbox, behind what is there; it never counts against the bound."""
        if self.state != DEAD:
            more_of(self).signals += 1
            self.limit += 2
            self.append(signal)

    def _wake(self) -> None:
        """A letter comes into an empty box: if the actor is idle it wants a turn."""
        dispatcher = self.dispatcher
        if thread_id() != dispatcher.thread:
            raise WrongLoop(f"{self.name} belongs to the event loop of another thread; cross with ref.threadsafe()")
        if self.state == IDLE:
            self.state = QUEUED
            dispatcher.todo.append(self)
            if not dispatcher.scheduled:
                dispatcher.schedule()

    def take_back(self) -> list[Letter]:
        """Everything that waits, oldest first, taken out; a turn in progress ends after the handler in hand."""
        rest = list(self.batch or ())
        if self.dispatcher.draining is self:
            self.dispatcher.untaken += len(rest) // 2
        self.batch = None
        if self.first is not None:
            rest += (self.first, self.first_arg)
            self.first = self.first_arg = None
            self.limit += 2
        if self.box is not None:
            rest += self.box
            self.box = None
        return _letters(rest)

    def give_back(self, letters: list[Letter]) -> None:
        """Put letters back in front of everything that waits."""
        waiting = letters + self.take_back()
        self.batch = iter([part for letter in waiting for part in _flat(letter)]) if waiting else None
        self.dispatcher.set_limit(self)

    def peek(self, most: int) -> list[Letter]:
        """The first `most` letters that wait, left where they are."""
        first = () if self.first is None else (self.first, self.first_arg)
        batch = () if self.batch is None else copy.copy(self.batch)
        return _letters(list(islice(chain(first, batch, self.box or ()), 2 * most)))

    def letter(self, method: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """The message as it lies in the mailbox; UnhandledMessage or BadArguments if there is no such message."""
        message = self.message(method)
        message.check(self.kind.name, args, kwargs)
        return self.dispatcher.observed(self, Call(message.function, args, kwargs, None))

    def door(self) -> Any:
        """The sending side of a channel whose items go into this mailbox, made at its first use."""
        from .mailbox import door_of

        return door_of(self)

    def _tell(self, method: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        return self.put(self.letter(method, args, kwargs))

    def message(self, method: Callable[..., Any]) -> Message:
        try:
            return self.kind.messages[method]
        except (KeyError, TypeError):
            self.dispatcher.unhandled(self, method)
            return self.kind.message(method)  # raises

    def dead(self) -> ActorDead:
        """The error that tells that this actor has ended."""
        return ActorDead(f"{self.name} has ended: {self.stopping}", self.stopping)


def _flat(letter: Letter) -> tuple[Any, Any]:
    """A letter as it lies in a box: the function and its argument, or None and the Entry."""
    return letter if isinstance(letter, tuple) else (None, letter)


def _letters(flat: list[Any]) -> list[Letter]:
    """The letters of a box, or of a part of it."""
    pairs = iter(flat)
    return [entry if function is None else (function, entry) for function, entry in zip(pairs, pairs, strict=True)]


from . import asking  # noqa: E402  # at the end: what these import needs Cell
from .timed import Timed  # noqa: E402
