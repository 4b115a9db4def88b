"""Any sequence of operations on one loop is one that a list could have seen (CH-62).

The model is a list of items and the two queues of those who wait. Hypothesis makes the sequences: operations that wait
are started and left, cancelled, or overtaken by an ending; operations that cannot wait may come several in one turn of
the loop, while those that they woke have not run.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import actorpar as ap
from actorpar.channels.runqueue import run_queue

#: Operations that have been started before a channel may end.
LATE = 6


class Model:
    """A channel: what is in it, who waits, and the outcome of each operation that waited."""

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity
        self.items: list[int] = []
        self.senders: list[tuple[int, int]] = []  # (operation, item)
        self.receivers: list[int] = []
        self.leaving: list[int] = []  # woken and then cancelled: they hold their reservation until they run (CH-10)
        self.outcome: dict[int, Any] = {}
        self.ended: str | None = None

    def send(self, operation: int, item: int) -> None:
        self.senders.append((operation, item))

    def receive(self, operation: int) -> None:
        self.receivers.append(operation)

    def send_nowait(self, item: int) -> str:
        if self.ended:
            return "ChannelAborted" if self.ended == "ChannelAborted" else "ChannelBroken"
        if self.capacity:  # a sender that was woken holds a slot; one that waits means that all slots are taken
            free = len(self.items) + len(self.senders) < self.capacity
        else:
            free = len(self.receivers) > len(self.items) and not self.senders
        if not free:
            return "ChannelFull"
        self.items.append(item)
        return "sent"

    def receive_nowait(self) -> Any:
        if len(self.items) > len(self.receivers):
            return self.items.pop(0)
        if not self.capacity and self.senders and not self.receivers:
            operation, item = self.senders.pop(0)
            self.outcome[operation] = "sent"
            return item
        return self.ended if self.ended and not self.items else "ChannelEmpty"

    def cancel(self, operation: int) -> None:
        if operation in self.woken():
            self.leaving.append(operation)
        else:
            self.drop(operation, "cancelled")

    def woken(self) -> list[int]:
        free = max(0, min(self.capacity - len(self.items), len(self.senders)))
        return self.receivers[: len(self.items)] + [operation for operation, _ in self.senders[: int(free)]]

    def drop(self, operation: int, outcome: str) -> None:
        self.senders = [sender for sender in self.senders if sender[0] != operation]
        self.receivers = [receiver for receiver in self.receivers if receiver != operation]
        self.outcome[operation] = outcome

    def settle(self) -> None:
        """Let everybody go on who can."""
        while self.leaving:
            self.drop(self.leaving.pop(), "cancelled")
        while True:
            if self.ended and self.senders:
                self.outcome[self.senders.pop(0)[0]] = self.ended
            elif self.items and self.receivers:
                self.outcome[self.receivers.pop(0)] = self.items.pop(0)
            elif self.senders and (len(self.items) < self.capacity or (self.receivers and not self.items)):
                operation, item = self.senders.pop(0)
                self.outcome[operation] = "sent"
                self.items.append(item)
            elif self.ended and self.receivers:
                self.outcome[self.receivers.pop(0)] = self.ended
            else:
                return

    def end(self, how: str) -> list[int]:
        """How the channel ended; returns what is undelivered."""
        self.ended = how
        lost = [] if how == "EndOfChannel" else self.items[:]
        if lost:
            self.items.clear()
        return lost


class ChannelMachine(RuleBasedStateMachine):
    """The shipped channel beside the model."""

    @initialize(capacity=st.sampled_from([0, 1, 2, 3, math.inf]), processes=st.booleans())
    def open(self, capacity: float, processes: bool) -> None:
        self.loop = asyncio.new_event_loop()
        self.model = Model(capacity)
        self.undelivered: list[int] = []
        self.lost: list[int] = []
        tx, rx = ap.open_channel[int](capacity, on_undelivered=self.undelivered.append)
        self.senders, self.receivers = [tx], [rx]
        self.handles: dict[int, object] = {}
        self.running: dict[int, asyncio.Future[Any]] = {}
        self.outcome: dict[int, Any] = {}
        self.processes = processes
        self.count = 0

    def teardown(self) -> None:
        for future in self.running.values():
            future.cancel()
        self.turn()
        for end in (*self.senders, *self.receivers):
            end.close()
        self.loop.close()

    # -- the machinery

    def turn(self) -> None:
        """Run the loop until nothing more happens: no operation takes more than a few turns to go on."""

        async def idle() -> None:
            for _ in range(8):
                await asyncio.sleep(0)

        self.loop.run_until_complete(idle())

    def on_loop(self, function: Any, *args: Any) -> Any:
        """Call a synchronous operation on the loop, and run nothing else: what it woke has not run when it returns."""
        previous = asyncio._get_running_loop()
        asyncio._set_running_loop(self.loop)
        try:
            return function(*args)
        except ap.ChannelError as error:
            return type(error).__name__
        finally:
            asyncio._set_running_loop(previous)

    def start(self, coroutine: Coroutine[Any, Any, Any], handle: object) -> int:
        """Start an operation and let it go on as far as it can."""
        self.settle()
        operation = self.count = self.count + 1

        async def run() -> None:
            try:
                result = await coroutine
                self.outcome[operation] = "sent" if result is None else result
            except asyncio.CancelledError:
                self.outcome[operation] = "cancelled"
            except ap.ChannelError as error:
                self.outcome[operation] = type(error).__name__

        async def spawn() -> asyncio.Future[Any]:
            return run_queue().spawn(run()) if self.processes else asyncio.ensure_future(run())

        self.running[operation] = self.loop.run_until_complete(spawn())
        self.handles[operation] = handle
        self.turn()
        return operation

    def waiting(self) -> list[int]:
        """The operations that wait, as the model sees it before the woken have run."""
        everybody = [operation for operation, _ in self.model.senders] + self.model.receivers
        return [operation for operation in everybody if operation not in self.model.leaving]

    @rule()
    def settle(self) -> None:
        """Let everybody go on."""
        self.turn()
        self.model.settle()
        assert self.outcome == self.model.outcome
        assert self.undelivered == self.lost

    # -- operations

    @precondition(lambda self: self.senders and self.model.ended is None)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        tx = data.draw(st.sampled_from(self.senders), label="handle")
        item = 1000 + self.count
        self.model_then(lambda operation: self.model.send(operation, item), tx.send(item), tx)

    @precondition(lambda self: self.receivers)
    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        rx = data.draw(st.sampled_from(self.receivers), label="handle")
        self.model_then(self.model.receive, rx.receive(), rx)

    def model_then(self, note: Any, coroutine: Coroutine[Any, Any, Any], handle: object) -> None:
        operation = self.start(coroutine, handle)
        note(operation)
        self.model.settle()
        assert self.outcome == self.model.outcome

    @precondition(lambda self: self.senders)
    @rule(item=st.integers(0, 999))
    def send_nowait(self, item: int) -> None:
        result = self.on_loop(self.senders[-1].send_nowait, item)
        assert (result or "sent") == self.model.send_nowait(item)

    @precondition(lambda self: self.receivers)
    @rule()
    def receive_nowait(self) -> None:
        assert self.on_loop(self.receivers[-1].receive_nowait) == self.model.receive_nowait()

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel somebody who waits, or who was woken by an operation before and has not run."""
        operation = data.draw(st.sampled_from(self.waiting()), label="operation")
        self.running[operation].cancel()
        self.model.cancel(operation)

    @precondition(lambda self: self.model.ended is None and self.senders and self.receivers and self.waiting())
    @rule(data=st.data())
    def wake_and_cancel(self, data: st.DataObject) -> None:
        """The case the promise is about: chosen, cancelled, and not yet run (CH-10)."""
        if self.model.receivers:
            self.send_nowait(1000 + self.count)
        else:
            self.receive_nowait()
        woken = [operation for operation in self.model.woken() if operation in self.waiting()]
        if woken:
            operation = data.draw(st.sampled_from(woken), label="operation")
            self.running[operation].cancel()
            self.model.cancel(operation)

    # -- handles and endings; late, for little happens afterwards

    @precondition(lambda self: self.senders and len(self.senders) < 3)
    @rule()
    def clone_sender(self) -> None:
        self.senders.append(self.senders[-1].clone())

    @precondition(lambda self: self.receivers and len(self.receivers) < 3)
    @rule()
    def clone_receiver(self) -> None:
        self.receivers.append(self.receivers[-1].clone())

    @precondition(lambda self: self.senders and (len(self.senders) > 1 or self.count > LATE))
    @rule()
    def close_sender(self) -> None:
        self.settle()
        tx = self.senders.pop()
        self.fail_waiters_of(tx)
        self.on_loop(tx.close)
        if not self.senders and self.model.ended is None:
            self.model.end("EndOfChannel")
        self.settle()

    @precondition(lambda self: self.receivers and (len(self.receivers) > 1 or self.count > LATE))
    @rule()
    def close_receiver(self) -> None:
        self.settle()
        rx = self.receivers.pop()
        self.fail_waiters_of(rx)
        self.on_loop(rx.close)
        if not self.receivers:
            if self.model.ended is None:
                self.model.ended = "ChannelBroken"
            self.lost += self.model.items
            self.model.items.clear()
        self.settle()

    def fail_waiters_of(self, handle: object) -> None:
        """Those that wait on a handle that is closed fail, and no others (CH-23)."""
        for operation in self.waiting():
            if self.handles[operation] is handle:
                self.model.drop(operation, "ChannelClosed")

    @precondition(lambda self: self.senders and self.receivers and self.model.ended is None and self.count > LATE)
    @rule()
    def abort(self) -> None:
        """Reservations of those who were woken and have not run are void, too (CH-26)."""
        self.on_loop(self.senders[-1].abort, KeyError("cause"))
        self.lost += self.model.end("ChannelAborted")
        self.settle()

    # -- what holds at every moment

    @invariant()
    def the_length_is_that_of_the_list(self) -> None:
        if hasattr(self, "model"):
            end: Any = (*self.senders, *self.receivers, None)[0]
            if end is not None:
                assert end.statistics().length == len(self.model.items)


#: Derandomized: the same sequences every time, so that a failure is one of the change under test.
EXPLORED = settings(
    max_examples=120,
    stateful_step_count=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_ch62_any_sequence_of_operations_is_one_that_a_list_could_have_seen() -> None:
    run_state_machine_as_test(ChannelMachine, settings=EXPLORED)
