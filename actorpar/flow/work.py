"""A stage at work: what each of its workers does with an item, and the counters that tell how it goes.

Invariants
- A worker has at most one item in hand. It takes the next one only after the result went on, or into the row of an
  ordered stage, so a full channel behind the stage reaches the channel before it.
- `fn` fails with an Exception: the policy of the stage decides. Whatever else a worker raises ends the pipeline.
"""

from __future__ import annotations

import reprlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from ..channels import env
from ..channels.errors import EndOfChannel
from ..channels.flavors.base import Flavor
from ..channels.sender import Sender
from .errors import StageFailed
from .order import SKIPPED, Order
from .stage import WINDOW_PER_WORKER, DeadLetterItem, Stage
from .view import StageView

OnDeadLetter = Callable[[DeadLetterItem], object]

#: What an iterator, or a receiver, raises at its end.
_ENDINGS = (StopIteration, StopAsyncIteration, EndOfChannel)


class Work:
    """One stage of a running pipeline."""

    __slots__ = (
        "_asynchronous", "_call", "_on_dead_letter", "alive", "done", "failed", "intake", "name", "order", "outlet",
        "retried", "seconds", "skipped", "stage", "stopping", "workers",
    )  # fmt: skip

    def __init__(self, stage: Stage[Any, Any], name: str, on_dead_letter: OnDeadLetter | None) -> None:
        self.stage = stage
        self.name = name
        self.workers = stage.workers
        self.order = Order(stage.window) if stage.window else None
        self.intake: Flavor | None = None  # the channels before and behind the stage, for the view
        self.outlet: Flavor | None = None
        self.alive = 0
        self.stopping = False  # a function that swallows its cancellation is not called again
        self.done = self.failed = self.retried = self.skipped = 0
        self.seconds = 0.0
        self._call: Callable[[Any], Any] = partial(env.run_in_thread, stage.fn) if stage.blocking else stage.fn
        self._asynchronous = stage.asynchronous or stage.blocking
        self._on_dead_letter = on_dead_letter

    def go(self, call: Callable[[Any], Any], workers: int) -> None:
        """It runs elsewhere: `call` has an item worked on there, and so many are on their way at a time."""
        self._call, self._asynchronous = call, True
        self.workers = workers
        if self.order is not None:
            self.order = Order(max(self.stage.window, workers * WINDOW_PER_WORKER))

    async def run(self, items: AsyncIterator[Any], out: Sender[Any]) -> None:
        """One worker: until the items end. Raises what ends the pipeline."""
        order, call, asynchronous = self.order, self._call, self._asynchronous
        take, clock = items.__anext__, env.clock
        slot: list[Any] = []
        try:
            while not self.stopping:
                if order is not None:
                    if order.used < order.size:
                        order.used += 1
                    else:
                        await order.enter()
                try:
                    item = await take()
                except StopAsyncIteration:
                    if order is not None:
                        order.leave()
                    return
                if order is not None:
                    slot = order.take()  # in the step in which the item was taken
                began = clock()
                try:
                    result = call(item)
                    if asynchronous or hasattr(type(result), "__await__"):
                        result = await result
                except Exception as error:
                    result = await self._recover(item, error)
                self.seconds += clock() - began
                if result is not SKIPPED:
                    self.done += 1
                if order is not None:
                    await order.put(slot, result, out)
                elif result is not SKIPPED:
                    await out.send(result)
        finally:
            self.alive -= 1

    async def _recover(self, item: Any, error: Exception) -> Any:
        retry = self.stage.retry
        if retry is not None:
            attempts = 1
            while attempts < retry.attempts and isinstance(error, retry.only):
                await env.sleep(retry.pause(attempts))
                self.retried += 1
                attempts += 1
                try:
                    result = self._call(item)
                    if self._asynchronous or hasattr(type(result), "__await__"):
                        result = await result
                    return result
                except Exception as again:
                    error = again
        self.failed += 1
        if self.stage.on_error == "skip":
            self.skipped += 1
            if self._on_dead_letter is not None:
                self._on_dead_letter(DeadLetterItem(self.name, item, error))
            return SKIPPED
        if isinstance(error, _ENDINGS):
            raise StageFailed(f"{self.name} raised {type(error).__name__} for {reprlib.repr(item)}") from error
        error.add_note(f"in {self.name}, for the item {reprlib.repr(item)}")
        raise error

    def look(self) -> StageView:
        """A snapshot of the stage."""
        before = None if self.intake is None else self.intake.statistics()
        behind = None if self.outlet is None else self.outlet.statistics()
        no_input = min(self.alive, before.waiting_receivers) if before else 0
        no_room = min(self.alive, behind.waiting_senders) if behind else 0
        in_order = self.order.waiting if self.order else 0
        count = self.done + self.skipped
        return StageView(
            name=self.name,
            workers=self.alive,
            busy=max(0, self.alive - no_input - no_room - in_order),
            no_input=no_input,
            no_room=no_room,
            in_order=in_order,
            done=self.done,
            failed=self.failed,
            retried=self.retried,
            skipped=self.skipped,
            queued=before.length if before else 0,
            capacity=before.capacity if before else None,
            seconds=self.seconds / count if count else 0.0,
        )
