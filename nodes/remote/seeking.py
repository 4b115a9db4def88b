"""The receiving end of a rendezvous whose home is on another node: each select that waits there seeks for itself.

A plain receive is asked for as on any inlet. A select is told to the home as a seeker: the home claims it before it
ships an item to it, so that no sender is told of a receiver that then chooses something else (NET-14).

Invariants
- A guard is in `seeks` from when it is queued until the home has released it, the item is here, or its select is over.
- A guard in `taken` was chosen for the item that came for it; the home keeps a copy until it is told Granted.
"""

from __future__ import annotations

import itertools
from typing import Any

from actorpar.channels.waiters import DONE, IDLE, GuardWaiter

from . import ops
from .inlet import Inlet, InletBounded
from .selects import Hold, selector_of


class MeetingInlet(Inlet):
    """What a receiving end of a rendezvous that is away knows and does."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seeks: dict[int, GuardWaiter] = {}
        self.holds: dict[int, Hold] = {}
        self.taken: dict[GuardWaiter, int] = {}
        self._numbers = itertools.count(1)
        self._taking = 0  # the item that comes next is for this one

    def waiting(self) -> int:
        return sum(waiter.is_live() and not isinstance(waiter, GuardWaiter) for waiter in self.core.receivers)

    def seek(self, guard: GuardWaiter) -> None:
        """A select waits here."""
        number = next(self._numbers)
        self.seeks[number] = guard
        if self.opened:
            self.say(ops.Seek(self.alias, number, selector_of(guard)))

    def leave(self, guard: GuardWaiter) -> None:
        """The select does not wait here any more."""
        for number in [number for number, known in self.seeks.items() if known is guard]:
            del self.seeks[number]
            hold = self.holds.pop(number, None)
            if hold is not None:
                hold.release()
            if self.opened:
                self.say(ops.Unseek(self.alias, number))

    def finished(self, guard: GuardWaiter, received: bool) -> None:
        """The select that was chosen has its item, or was cancelled before it could take it."""
        number = self.taken.pop(guard)
        if received:
            self.say(ops.Granted(self.alias, number))
        else:
            self._miss(number, [guard.item])

    def _miss(self, number: int, items: list[Any]) -> None:
        self.say(ops.Missed(self.alias, number))
        self.carry_back(items)

    def say(self, op: ops.Op) -> None:
        """Tell the home, at once."""
        if self.peer is not None:
            self.peer.control(op)

    # -- what the home says

    def on_op(self, op: Any) -> None:
        match op:
            case ops.Claim():
                self._claim(op.op)
            case ops.Release():
                self.seeks.pop(op.op, None)
                hold = self.holds.pop(op.op, None)
                if hold is not None:
                    hold.release()
            case ops.Take():
                self._taking = op.op
            case ops.Opened():
                super().on_op(op)
                for number, guard in self.seeks.items():
                    self.say(ops.Seek(self.alias, number, selector_of(guard)))
            case ops.Moved():
                super().on_op(op)
                for waiter in list(self.core.receivers):
                    if isinstance(waiter, GuardWaiter) and waiter.is_live():
                        self.seek(waiter)
            case _:
                super().on_op(op)

    def _claim(self, number: int) -> None:
        guard = self.seeks.get(number)
        if guard is None:
            self.say(ops.Missed(self.alias, number))
            return
        self.holds[number] = Hold(guard, lambda held: self._answer(number, held))
        self.holds[number].claim()

    def _answer(self, number: int, held: bool) -> None:
        if held:
            self.say(ops.Granted(self.alias, number))
        else:
            self.holds.pop(number, None)
            self.seeks.pop(number, None)
            self.say(ops.Missed(self.alias, number))

    def on_items(self, items: list[Any], bad: int, size: int) -> None:
        number, self._taking = self._taking, 0
        if not number:
            super().on_items(items, bad, size)
            return
        guard, hold = self.seeks.pop(number, None), self.holds.pop(number, None)
        if bad:
            self.say(ops.Granted(self.alias, number))  # it was none of the declared type, and is nobody's
            if hold is not None:
                hold.release()
        elif guard is None or hold is None or not hold.settle(DONE):
            self._miss(number, items)
        else:
            guard.item = items[0]
            self.taken[guard] = number
            if guard in self.core.receivers:
                self.core.receivers.remove(guard)

    def _forget(self) -> None:
        super()._forget()
        self.seeks.clear()
        holds, self.holds = self.holds, {}
        for hold in holds.values():
            hold.release()


class InletRendezvous(InletBounded):
    """What a rendezvous is at a receiving end that is away."""

    __slots__ = ()

    remote: MeetingInlet

    def receiver_parked(self, waiter: Any) -> None:
        super().receiver_parked(waiter)
        if isinstance(waiter, GuardWaiter):
            self.remote.seek(waiter)

    def leave_receive(self, waiter: Any) -> None:
        if waiter in self.remote.taken:
            self.remote.finished(waiter, False)
            waiter.state = IDLE
            waiter.end = waiter.item = None
            return
        if isinstance(waiter, GuardWaiter):
            self.remote.leave(waiter)
        super().leave_receive(waiter)

    def finish_receive(self, waiter: Any) -> Any:
        if waiter not in self.remote.taken:
            if isinstance(waiter, GuardWaiter):
                self.remote.leave(waiter)
            return super().finish_receive(waiter)
        item, end = waiter.item, waiter.end
        waiter.state, waiter.end, waiter.item = IDLE, None, None
        self.remote.finished(waiter, end.core is self)
        if end.core is not self:
            raise end.core.refusal()
        return item
