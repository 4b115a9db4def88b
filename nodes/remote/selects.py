"""Selects as other nodes know them: by a number, which orders all claims, and by what holds them meanwhile (NET-14)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from actorpar.channels import env
from actorpar.channels.waiters import GuardWaiter, Waiter

_numbers = itertools.count(env.random.getrandbits(48) << 15)


def selector_of(waiter: Waiter) -> int:
    """The number of the select behind a guard, unlike all others on all nodes; 0 for a plain operation."""
    if not isinstance(waiter, GuardWaiter):
        return int(getattr(waiter, "selector", 0))
    if not waiter.choice.number:
        waiter.choice.number = next(_numbers)
    return waiter.choice.number


class Hold:
    """What the home of a channel claims here: a select of this node, for one of its guards (NET-15).

    `answer(True)` is called once the select is held, `answer(False)` if it is gone; one of them, once, unless it was
    released before.
    """

    def __init__(self, guard: GuardWaiter, answer: Callable[[bool], Any]) -> None:
        self.guard = guard
        self._answer = answer

    def claim(self) -> None:
        """Hold it as soon as it can be held."""
        held = self.guard.choice.lock(self)
        if held is not None:
            self._answer(held)

    def granted(self) -> None:
        self._answer(True)

    def gone(self) -> None:
        self._answer(False)

    def release(self) -> None:
        """The home wants it no more: the select looks at its guards again, unless another claim waits for it."""
        if self in self.guard.choice.claims:
            self.guard.choice.release(self)

    def settle(self, outcome: int) -> bool:
        """Choose the guard. False: the select was cancelled meanwhile."""
        return self in self.guard.choice.claims and self.guard.settle(outcome)
