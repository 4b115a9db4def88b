"""Select: wait for several channels at once, send and receive guards mixed, and commit exactly one (CH-33 … CH-51).

First the guards are polled, in an order that starves none; the first that is ready is committed. If none is, every
guard is queued at its channel and the select sleeps; whoever chooses one of them commits the select for it in the same
transition (CH-34). The losers then leave their queues, and the chosen guard finishes its operation.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final, Generic, Literal, Protocol, TypeAlias, TypeVar, cast, overload

from . import env
from .end import End
from .env import thread_id
from .errors import AllClosed, ChannelError, InvalidGuard
from .flavors.base import NOTHING, Flavor
from .guard import Default, Guard, ReceiveFrom, SendTo
from .process import park, pause
from .receiver import Receiver
from .runqueue import RunQueue, current, run_queue, waiter_here
from .waiters import BURIED, GRANTED, IDLE, PARKED, WAITING, GuardWaiter, Waiter

T = TypeVar("T")
G0 = TypeVar("G0")
G1 = TypeVar("G1")
G2 = TypeVar("G2")
G3 = TypeVar("G3")
G4 = TypeVar("G4")
G5 = TypeVar("G5")
G6 = TypeVar("G6")
G7 = TypeVar("G7")

_Selection: TypeAlias = Coroutine[Any, Any, T]

#: The index of a guard in the call, the guard, and its end.
_Entry: TypeAlias = tuple[int, Guard[Any], End]


#: The winner of a select that was released by a claim: nothing was chosen, and it looks at its guards again.
AGAIN: Final = GuardWaiter(-1)


class Claim(Protocol):
    """Whoever takes a select out of play while several nodes agree on a match (NET-14)."""

    def granted(self) -> None:
        """The claims before this one are over: the select is held for it now."""

    def gone(self) -> None:
        """The select has chosen something, or was cancelled; it is not held."""


class Choice:
    """A select that sleeps: OPEN until one of its guards commits it, once (CH-34).

    The first of `claims` holds it: until that one has settled or released it, nobody else can commit it.
    """

    __slots__ = ("claims", "number", "waiter", "winner")

    def __init__(self, waiter: Waiter) -> None:
        self.claims: tuple[Claim, ...] = ()
        self.number = 0  # by which other nodes know it, once it offers them something
        self.waiter = waiter
        self.winner: GuardWaiter | None = None

    def is_open(self) -> bool:
        """True while a guard may still be chosen."""
        return self.winner is None and not self.claims and self.waiter.is_live()

    def commit(self, guard: GuardWaiter, outcome: int) -> bool:
        """Choose `guard` and wake the sleeper. False: another was chosen, it is held, or the sleeper was cancelled."""
        if self.winner is not None or self.claims or not self.waiter.claim(outcome):
            return False
        self.winner = guard
        return True

    # -- claims (NET-14, NET-15)

    def lock(self, claim: Claim) -> bool | None:
        """Hold it for `claim`. None: another claim holds it, and `claim` is told later. False: it is gone."""
        if self.winner is not None or not self.waiter.is_live():
            return False
        self.claims += (claim,)
        return True if self.claims[0] is claim else None

    def settle(self, guard: GuardWaiter, outcome: int) -> bool:
        """The claim that holds it commits `guard`. False: the sleeper was cancelled meanwhile."""
        waiting, self.claims = self.claims[1:], ()
        chosen = self.commit(guard, outcome)
        for claim in waiting:
            claim.gone()
        return chosen

    def release(self, claim: Claim) -> None:
        """The claim wants it no more: the next claim has it, or it looks at its guards again.

        What came to its guards while it was held found them closed, so it may not sleep on.
        """
        held = self.claims[0] is claim
        self.claims = tuple(other for other in self.claims if other is not claim)
        if not held:
            return
        if self.winner is not None or not self.waiter.is_live():
            gone, self.claims = self.claims, ()
            for other in gone:
                other.gone()
        elif self.claims:
            self.claims[0].granted()
        else:
            self.commit(AGAIN, GRANTED)


class Selector(Generic[T]):
    """A select that is made once and used many times; cheaper than `select`, and fair by rotation.

    A guard that is ready at each of n successive calls over n guards is chosen at least once (CH-38). With `priority`
    the first declared guard that is ready wins (CH-39). With `skip_closed` a guard whose channel has ended is passed
    over instead of raising, and AllClosed is raised when none is left (CH-42).
    One task at a time may wait on it (InvalidGuard for a second one).
    """

    __slots__ = ("_default", "_entries", "_first", "_priority", "_queue", "_skip_closed", "_sleeping", "_waiters")

    def __init__(self, *guards: Guard[T], priority: bool = False, skip_closed: bool = False) -> None:
        self._entries, self._default = _entries_of(guards)
        self._priority = priority
        self._skip_closed = skip_closed
        self._first = 0
        self._queue: RunQueue | None = None
        self._sleeping = False
        self._waiters: list[GuardWaiter] = []

    async def select(self) -> tuple[int, T]:
        """Commit one guard and return its index and value; wait while none is ready.

        Raises the error of the channel when the guard chosen has ended (CH-42), and InvalidGuard when no guard is
        enabled and there is no default (CH-44). Cancelled: no channel was touched, or, if a send guard had been
        committed, its item was delivered (CH-47).
        """
        queue = self._queue
        if queue is None or queue.loop not in current or thread_id() != queue.thread:
            queue = self._queue = run_queue()
        if queue.is_spent():
            await pause()
        index, value = self._poll(queue)
        return (index, value) if index >= 0 else await self._wait(queue)

    async def _wait(self, queue: RunQueue) -> tuple[int, T]:
        """Nothing is ready: queue the guards until one is chosen."""
        if self._sleeping:
            raise InvalidGuard("another task waits on this Selector; make one for each task")
        while True:
            choice = Choice(waiter_here(queue))
            self._sleeping = True
            try:
                self._park(choice)
                if choice.waiter.state == PARKED:
                    await park()
                else:
                    await choice.waiter.future  # type: ignore[attr-defined]  # not PARKED: a TaskWaiter
            except BaseException:
                choice.winner = choice.winner or AGAIN  # its waiter serves the next wait: no claim may find it live
                self._leave(None)
                raise
            finally:
                choice.waiter.state = IDLE
                self._sleeping = False
            index, value = self._finish(cast(GuardWaiter, choice.winner), queue)
            if index < 0:
                index, value = self._poll(queue)
            if index >= 0:
                return index, value

    def _poll(self, queue: RunQueue) -> tuple[int, Any]:
        order = self._entries
        if not self._priority and order:
            first = self._first
            self._first = first + 1 if first + 1 < len(order) else 0
            order = order[first:] + order[:first]
        return _poll(order, queue, self._default, self._skip_closed)

    def _park(self, choice: Choice) -> None:
        """Queue every guard that is enabled and can still become ready."""
        waiters = self._waiters
        if not waiters:
            waiters += [GuardWaiter(index) for index, _, _ in self._entries]
        for place, (index, guard, end) in enumerate(self._entries):
            if guard.when:
                waiter = waiters[place]
                if waiter.state == BURIED:
                    waiter = waiters[place] = GuardWaiter(index)
                waiter.state = WAITING
                waiter.choice = choice
                waiter.guard = guard
                guard._park(end.core, waiter, end)

    def _leave(self, winner: GuardWaiter | None) -> None:
        """Take every queued guard but the winner out of its queue."""
        for waiter in self._waiters:
            core = waiter.core
            if core is not None and waiter is not winner:
                waiter.core = None
                waiter.end.waits -= 1
                waiter.guard._leave(core, waiter)

    def _finish(self, winner: GuardWaiter, queue: RunQueue) -> tuple[int, Any]:
        """One guard was chosen. (-1, None): its channel has ended and is passed over, or none was, so poll again."""
        self._leave(winner)
        if winner is AGAIN:
            return -1, None
        core, winner.core = cast(Flavor, winner.core), None
        winner.end.waits -= 1
        try:
            if core.yields and winner.end.core is core:
                index, value = self._poll(queue)  # something may have become ready since the deadline passed (CH-41)
                winner.guard._leave(core, winner)
                return (index, value) if index >= 0 else (winner.index, None)
            return winner.index, winner.guard._finish(core, winner)
        except ChannelError:
            if self._skip_closed:
                return -1, None
            raise


def _entries_of(guards: tuple[Guard[Any], ...]) -> tuple[list[_Entry], int | None]:
    """The guards with their ends, and the index of the default."""
    entries: list[_Entry] = []
    default = None
    guard: Any
    for index, guard in enumerate(guards):
        kind = type(guard)
        if kind is Receiver:
            entries.append((index, guard, guard))
        elif kind is ReceiveFrom or kind is SendTo:
            entries.append((index, guard, guard.end))
        elif kind is Default and default is None:
            default = index
        else:
            raise InvalidGuard(
                f"guard {index} is {guard!r}; a select takes receive_from, send_to, after, tick, never, a receiver, "
                "and default once"
            )
    return entries, default


def _poll(order: list[_Entry], queue: RunQueue, default: int | None, skip_closed: bool) -> tuple[int, Any]:
    """Commit the first guard that is ready, or the default. (-1, None): none is ready, and none is the default."""
    enabled = deadlines = ended = False
    for index, guard, end in order:
        if not guard.when:
            continue
        core = end.core
        if core.queue is not queue:
            core.check_loop()
        elif core.plain and guard._is_waiting(core):
            enabled = True
            continue
        if core.yields:
            deadlines = True
            continue
        try:
            value = guard._poll(core)
        except ChannelError:
            if not skip_closed:
                raise
            ended = True
            continue
        if value is not NOTHING:
            return index, value
        enabled = True
    if deadlines:  # nothing else is ready, so a deadline that has passed is chosen now (CH-41)
        for index, guard, end in order:
            if guard.when and end.core.yields and guard._poll(end.core) is not NOTHING:
                return index, None
    if default is not None:
        return default, None
    if not enabled and not deadlines:
        if ended:
            raise AllClosed("every guard of the select has ended")
        raise InvalidGuard("a select needs an enabled guard or default(); without one it would wait for ever")
    return -1, None


@overload
def select(
    a: Guard[G0], /,
    *, priority: bool = ..., skip_closed: bool = ...,
) -> _Selection[
    tuple[Literal[0], G0]
]: ...  # fmt: skip
@overload
def select(
    a: Guard[G0], b: Guard[G1], /,
    *, priority: bool = ..., skip_closed: bool = ...,
) -> _Selection[
    tuple[Literal[0], G0] | tuple[Literal[1], G1]
]: ...  # fmt: skip
@overload
def select(
    a: Guard[G0], b: Guard[G1], c: Guard[G2], /,
    *, priority: bool = ..., skip_closed: bool = ...,
) -> _Selection[
    tuple[Literal[0], G0] | tuple[Literal[1], G1] | tuple[Literal[2], G2]
]: ...  # fmt: skip
@overload
def select(
    a: Guard[G0], b: Guard[G1], c: Guard[G2], d: Guard[G3], /,
    *, priority: bool = ..., skip_closed: bool = ...,
) -> _Selection[
    tuple[Literal[0], G0] | tuple[Literal[1], G1] | tuple[Literal[2], G2] | tuple[Literal[3], G3]
]: ...  # fmt: skip
@overload
def select(
    a: Guard[G0], b: Guard[G1], c: Guard[G2], d: Guard[G3], e: Guard[G4], /,
    *, priority: bool = ..., skip_closed: bool = ...,
) -> _Selection[
    tuple[Literal[0], G0] | tuple[Literal[1], G1] | tuple[Literal[2], G2] | tuple[Literal[3], G3]
    | tuple[Literal[4], G4]
]: ...  # fmt: skip
@overload
def select(
    a: Guard[G0], b: Guard[G1], c: Guard[G2], d: Guard[G3], e: Guard[G4], f: Guard[G5], /,
    *, priority: bool = ..., skip_closed: bool = ...,
) -> _Selection[
    tuple[Literal[0], G0] | tuple[Literal[1], G1] | tuple[Literal[2], G2] | tuple[Literal[3], G3]
    | tuple[Literal[4], G4] | tuple[Literal[5], G5]
]: ...  # fmt: skip
@overload
def select(
    a: Guard[G0], b: Guard[G1], c: Guard[G2], d: Guard[G3], e: Guard[G4], f: Guard[G5], g: Guard[G6], /,
    *, priority: bool = ..., skip_closed: bool = ...,
) -> _Selection[
    tuple[Literal[0], G0] | tuple[Literal[1], G1] | tuple[Literal[2], G2] | tuple[Literal[3], G3]
    | tuple[Literal[4], G4] | tuple[Literal[5], G5] | tuple[Literal[6], G6]
]: ...  # fmt: skip
@overload
def select(
    a: Guard[G0], b: Guard[G1], c: Guard[G2], d: Guard[G3], e: Guard[G4], f: Guard[G5], g: Guard[G6], h: Guard[G7], /,
    *, priority: bool = ..., skip_closed: bool = ...,
) -> _Selection[
    tuple[Literal[0], G0] | tuple[Literal[1], G1] | tuple[Literal[2], G2] | tuple[Literal[3], G3]
    | tuple[Literal[4], G4] | tuple[Literal[5], G5] | tuple[Literal[6], G6] | tuple[Literal[7], G7]
]: ...  # fmt: skip
@overload
def select(*guards: Guard[T], priority: bool = ..., skip_closed: bool = ...) -> _Selection[tuple[int, T]]: ...
def select(*guards: Guard[Any], priority: bool = False, skip_closed: bool = False) -> _Selection[tuple[int, Any]]:
    """Wait for one of the guards and return `(index, value)`, typed so that `match` narrows the value.

    Fair by default: it begins at a random guard. `priority=True` begins with the first declared. See `Selector` for
    the rest of the contract, and for a loop that selects over the same guards again and again.
    """
    entries, default = _entries_of(guards)
    return _select_once(entries, default, priority, skip_closed)


async def _select_once(
    entries: list[_Entry], default: int | None, priority: bool, skip_closed: bool
) -> tuple[int, Any]:
    queue = run_queue()
    if queue.is_spent():
        await pause()
    order = entries
    if not priority:
        first = int(env.random.random() * len(entries))
        order = entries[first:] + entries[:first]
    index, value = _poll(order, queue, default, skip_closed)
    if index >= 0:
        return index, value
    selector: Selector[Any] = Selector(priority=priority, skip_closed=skip_closed)
    selector._entries = entries
    return await selector._wait(queue)
