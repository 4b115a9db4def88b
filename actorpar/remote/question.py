"""Something that was asked of another node, and waits for what comes back: an ask, or a start.

Invariant: a question is OPEN, then exactly once settled, by a value or an error, or EXPIRED by its deadline. What comes
later is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..channels.runqueue import RunQueue, sleep, waiter_here
from ..channels.waiters import GRANTED, IDLE, Waiter

if TYPE_CHECKING:
    from ..actors.request import Request
    from ..nodes.codec.signature import Signature
    from .process import RemoteProcess

OPEN, SETTLED, EXPIRED = range(3)


class Question:
    """`op` is its number on the link to `node`, `target` what people call it. One process waits for it, or none."""

    __slots__ = (
        "_waiter",
        "declared",
        "error",
        "node",
        "op",
        "process",
        "queue",
        "signature",
        "state",
        "target",
        "value",
    )

    def __init__(self, queue: RunQueue, op: int, node: bytes, signature: Signature, target: str) -> None:
        self.queue = queue
        self.op = op
        self.node = node
        self.signature = signature
        self.target = target
        self.declared: Any = None  # what a start is to give a reference to
        self.process: RemoteProcess | None = None
        self.state = OPEN
        self.value: Any = None
        self.error: BaseException | None = None
        self._waiter: Waiter | None = None

    def settle(self, value: Any, error: BaseException | None = None) -> bool:
        """This comes back. False: something has already, or it came too late."""
        if self.state != OPEN:
            return False
        self.state = SETTLED
        self.value = value
        self.error = error
        self._wake()
        return True

    def expire(self) -> None:
        """Its deadline has passed. What came before wins (AC-15)."""
        if self.state == OPEN:
            self.state = EXPIRED
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None:
            self._waiter.claim(GRANTED)

    async def wait(self) -> bool:
        """Wait until it is settled, and raise its error if that is one; False: it has expired. Cancelled, it stays
        open, and is to be forgotten."""
        if self.state == OPEN:
            waiter = self._waiter = waiter_here(self.queue)
            try:
                await sleep(waiter)
            finally:
                waiter.state = IDLE
                self._waiter = None
        error, self.error = self.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # or it, its traceback and this frame would keep each other alive
        return self.state == SETTLED


class Relay(Question):
    """A question whose answer is that of a request here, which an actor of this node has forwarded (AC-20)."""

    __slots__ = ("_over", "request")

    def __init__(
        self, queue: RunQueue, op: int, node: bytes, signature: Signature, target: str, request: Request,
        over: Callable[[], object],
    ) -> None:  # fmt: skip
        super().__init__(queue, op, node, signature, target)
        self.request = request
        self._over = over

    def settle(self, value: Any, error: BaseException | None = None) -> bool:
        """The other actor has answered, or cannot: so has this one."""
        if not super().settle(value, error):
            return False
        self._over()
        if error is None:
            self.request.answer(value)
        else:
            self.request.fail(error)
        return True
