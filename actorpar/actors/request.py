"""An ask under way: who asks, who was asked, until when, and the one answer (AC-13 … AC-22).

Invariants
- A request is PENDING, then exactly once ANSWERED (a value or an error) or WITHDRAWN (the asker gave up: its deadline
  passed, or it was cancelled). What comes later is dropped and counted as late.
- Whoever holds a pending request is the asked actor, in its mailbox, in hand, deferred or stashed; when that actor ends
  it fails them all, so no asker waits for an actor that is gone (AC-8, AC-16).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..channels.runqueue import sleep, waiter_here
from ..channels.waiters import GRANTED, IDLE, Waiter
from .errors import AskTimeout

if TYPE_CHECKING:
    from .cell import Cell

PENDING, ANSWERED, WITHDRAWN = range(3)


class Request:
    """One ask. `deferred` is true once the handler said that it answers later."""

    __slots__ = ("asker", "cell", "chain", "deferred", "due", "error", "message", "state", "value", "waiter")

    def __init__(self, cell: Cell, message: str, asker: Cell | None = None, chain: Request | None = None) -> None:
        self.cell = cell
        self.message = message
        self.asker = asker
        self.chain = chain  # the request that the asker had in hand, in debug mode
        self.state = PENDING
        self.deferred = False
        self.due: float | None = None
        self.value: Any = None
        self.error: BaseException | None = None
        self.waiter: Waiter | None = None

    def is_due_from(self, cell: Cell) -> bool:
        """True if it is for the handler of `cell` to answer: it neither deferred nor forwarded it."""
        return not self.deferred and self.cell is cell

    def answer(self, value: Any) -> bool:
        """Hand the value to the asker. False: it does not wait any more, and the answer is dropped (AC-13)."""
        if self.state != PENDING:
            self.cell.dispatcher.counters.late += self.state == WITHDRAWN
            return False
        self.state = ANSWERED
        self.value = value
        if self.waiter is not None:
            self.waiter.claim(GRANTED)
        return True

    def fail(self, error: BaseException) -> bool:
        """Raise the error at the asker. False: it does not wait any more."""
        self.error = error if self.state == PENDING else self.error
        return self.answer(None)

    async def wait(self, seconds: float | None) -> Any:
        """Wait for the answer, at most `seconds` (None: for ever), and return it or raise what it was.

        Raises AskTimeout, ActorDead, HandlerFailed, BrokenPromise or what the handler rejected the request with.
        Cancelled: the request is withdrawn; if its handler has not begun, it never will.
        """
        if self.state == PENDING:
            deadlines = self.cell.dispatcher.deadlines
            waiter = self.waiter = waiter_here(self.cell.dispatcher.queue)
            if seconds is not None:
                self.due = deadlines.set(self, seconds)
            try:
                await sleep(waiter)
            except BaseException:
                self.withdraw()
                raise
            finally:
                waiter.state = IDLE
                self.waiter = None
                if seconds is not None:
                    deadlines.clear(self, seconds)
        return self.outcome(seconds)

    def outcome(self, seconds: float | None) -> Any:
        """The answer, or raise why there is none; `seconds` is what the asker was ready to wait."""
        if self.state == WITHDRAWN:
            raise AskTimeout(
                f"{self.cell.name} did not answer {self.message} within {seconds:g} s; "
                "ref.within(seconds) sets another deadline"
            )
        error, self.error = self.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # or it, its traceback and this frame would keep each other alive
        return self.value

    def expire(self) -> None:
        """The deadline has passed. An answer that came before wins (AC-15)."""
        if self.state == PENDING:
            self.withdraw()
            if self.waiter is not None:
                self.waiter.claim(GRANTED)

    def withdraw(self) -> None:
        """The asker gave up: the handler will not be called, or its answer will be dropped."""
        if self.state == PENDING:
            self.state = WITHDRAWN
            from .reply import withdrawn

            withdrawn(self)


#: What a handler has in hand that runs inside the asker's step: a Request is made only if it defers or suspends.
LAZY: Final[Any] = type("Lazy", (), {"__repr__": lambda _: "LAZY"})()


class _GivenAway:
    """What a handler has in hand, after its first await, that deferred, forwarded or stashed its request."""

    deferred = True
    due = None

    def is_due_from(self, cell: Cell) -> bool:
        return False

    def fail(self, error: BaseException) -> bool:
        return False


GIVEN_AWAY: Final[Any] = _GivenAway()


class _Unasked(Request):
    """What a handler has in hand whose message was told: nobody waits for an answer."""

    __slots__ = ()

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell, "")
        self.state = ANSWERED


def unasked(cell: Cell) -> Request:
    """A request to which every answer is dropped."""
    return _Unasked(cell)
