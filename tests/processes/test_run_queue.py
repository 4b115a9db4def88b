"""The run queue: many switches in few turns of the loop, and no turn so long that the loop starves (CH-17, CH-18)."""

from __future__ import annotations

import asyncio
import collections
import gc
import itertools
import math
import types
import weakref
from collections.abc import Callable, Generator
from typing import Any

import pytest

import actorpar as ap
from actorpar.channels import env, runqueue
from actorpar.channels.runqueue import is_active, run_queue

from .running import settle, sleep_for_ever


@pytest.fixture(autouse=True)
def engine() -> str:
    """These tests are about the run queue itself."""
    return "run queue"


class LoopTurns:
    """Counts the turns of the running loop, and calls `at_each` in every one."""

    def __init__(self, at_each: Any = None) -> None:
        self.count = 0
        self.at_each = at_each
        self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self.count += 1
        if self.at_each is not None:
            self.at_each()
        self._handle = self._loop.call_soon(self._turn)

    def __enter__(self) -> LoopTurns:
        return self

    def __exit__(self, *error: object) -> None:
        self._handle.cancel()


class FakeClock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def exchange(items: int) -> None:
    """Two processes hand `items` items over on a rendezvous: two switches each."""
    tx, rx = ap.open_channel[int](0)

    async def produce(tx: ap.Sender[int]) -> None:
        for item in range(items):
            await tx.send(item)

    async def consume(rx: ap.Receiver[int]) -> int:
        return len([item async for item in rx])

    async with ap.ProcessGroup() as group:
        group.spawn(produce, tx)
        consumer = group.spawn(consume, rx)
    assert consumer.result() == items


def test_the_run_queue_is_active_on_this_interpreter() -> None:
    assert is_active()


async def test_ten_thousand_switches_take_fewer_than_a_hundred_turns_of_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(env, "TURN_SECONDS", math.inf)  # or a busy machine would add turns
    with LoopTurns() as turns:
        await exchange(5_000)
    assert turns.count < 100


async def test_the_same_switches_between_plain_tasks_take_thousands_of_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "plain_tasks", True)
    with LoopTurns() as turns:
        await exchange(5_000)
    assert turns.count > 2_000


async def test_a_turn_ends_after_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "TURN_SECONDS", math.inf)
    monkeypatch.setattr(env, "TURN_STEPS", 64)
    steps = 0
    seen: list[int] = []

    async def spin() -> None:
        nonlocal steps
        for _ in range(1_000):
            steps += 1
            await asyncio.sleep(0)

    async with ap.ProcessGroup() as group:
        with LoopTurns(lambda: seen.append(steps)):
            await asyncio.wait([group.spawn(spin), group.spawn(spin)])
    per_turn = [after - before for before, after in itertools.pairwise(seen)]
    assert steps == 2_000
    assert max(per_turn) <= 64 + 31  # the steps are counted by strides of at most 32


async def test_a_turn_ends_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(env, "clock", clock)
    steps = 0
    seen: list[int] = []

    async def slow() -> None:
        nonlocal steps
        for _ in range(50):
            steps += 1
            clock.now += env.TURN_SECONDS  # this step alone takes a whole turn
            await asyncio.sleep(0)

    async with ap.ProcessGroup() as group:
        with LoopTurns(lambda: seen.append(steps)):
            await asyncio.wait([group.spawn(slow), group.spawn(slow)])
    per_turn = [after - before for before, after in itertools.pairwise(seen)]
    assert steps == 100
    assert max(per_turn) == 1


async def test_after_quick_steps_the_first_slow_stretch_is_at_most_32_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(env, "clock", clock)
    steps = 0
    seen: list[int] = []

    async def quick_then_slow() -> None:
        nonlocal steps
        for number in range(3_000):
            steps += 1
            if number > 2_000:
                clock.now += env.TURN_SECONDS
            await asyncio.sleep(0)

    async with ap.ProcessGroup() as group:
        with LoopTurns(lambda: seen.append(steps)):
            await asyncio.wait([group.spawn(quick_then_slow)])
    per_turn = [after - before for before, after in itertools.pairwise(seen) if before > 2_001]
    assert per_turn[0] <= 32
    assert set(per_turn[1:]) <= {0, 1}


async def test_ch17_two_processes_on_a_busy_channel_let_a_third_run() -> None:
    tx, rx = ap.open_channel[int](64)
    operations = 0
    stop = False

    async def send(tx: ap.Sender[int]) -> None:
        nonlocal operations
        while not stop:
            await tx.send(1)
            operations += 1

    async def receive(rx: ap.Receiver[int]) -> None:
        async for _ in rx:
            pass

    async def third() -> None:
        nonlocal stop
        stop = True

    async with ap.ProcessGroup() as group:
        group.spawn(send, tx)
        group.spawn(receive, rx)
        group.spawn(third)
    assert operations <= env.BUDGET


async def test_ch17_a_process_that_never_has_to_wait_yields_after_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "BUDGET", 10)
    tx, rx = ap.open_channel[int](1)
    operations = 0
    stop = False

    async def busy(tx: ap.Sender[int], rx: ap.Receiver[int]) -> None:
        nonlocal operations
        while not stop:
            await tx.send(1)
            await rx.receive()
            operations += 2

    async def other() -> None:
        nonlocal stop
        stop = True

    async with ap.ProcessGroup() as group:
        group.spawn(busy, tx, rx)
        group.spawn(other)
    assert operations <= 12


@pytest.mark.parametrize("where", ["process", "task"])
async def test_ch17_an_operation_that_can_complete_does_not_suspend_not_even_the_first(where: str) -> None:
    order = []

    async def first() -> None:
        for number in range(3):
            tx, rx = ap.open_channel[int](1)
            with tx, rx:
                await tx.send(number)
                order.append(await rx.receive())

    async def second() -> None:
        order.append(-1)

    if where == "task":
        await asyncio.gather(first(), second())
    else:
        await ap.par(first(), second())
    assert order == [0, 1, 2, -1]


async def test_ch17_timers_and_sockets_are_served_while_two_processes_saturate_the_queue() -> None:
    tx, rx = ap.open_channel[int](1)

    async def produce(tx: ap.Sender[int]) -> None:
        while True:
            await tx.send(1)

    async def consume(rx: ap.Receiver[int]) -> None:
        async for _ in rx:
            pass

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with ap.ProcessGroup() as group, asyncio.timeout(20):
        saturating = [group.spawn(produce, tx), group.spawn(consume, rx)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async for _ in ap.tick(0.001):
            writer.write(b"hello\n")
            if await reader.readline() == b"hello\n":
                break
        writer.close()
        await writer.wait_closed()
        assert not any(process.done() for process in saturating)
        group.cancel()
    server.close()
    await server.wait_closed()


async def test_ch18_a_busy_loop_of_channel_operations_can_be_cancelled() -> None:
    tx, rx = ap.open_channel[int](1)
    sent = received = 0

    async def busy(tx: ap.Sender[int], rx: ap.Receiver[int]) -> None:
        nonlocal sent, received
        while True:
            await tx.send(sent)
            sent += 1
            assert await rx.receive() == received
            received += 1

    own_tx, own_rx = tx.clone(), rx.clone()
    async with ap.ProcessGroup() as group:
        process = group.spawn(busy, tx, rx)
        await settle()
        assert not process.done()
        operations = sent + received
        process.cancel()
        await asyncio.wait([process])
    assert process.cancelled()
    assert sent + received == operations  # it stood at its budget pause, before an operation that then had no effect
    assert own_rx.statistics().length == sent - received
    own_tx.close()
    own_rx.close()


async def test_ch18_a_process_that_cancels_itself_learns_it_within_its_budget() -> None:
    tx, rx = ap.open_channel[int](1)
    operations = 0

    async def busy(tx: ap.Sender[int], rx: ap.Receiver[int]) -> None:
        nonlocal operations
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        while True:
            await tx.send(1)
            await rx.receive()
            operations += 2

    async with ap.ProcessGroup() as group:
        process = group.spawn(busy, tx, rx)
    assert process.cancelled()
    assert operations <= env.BUDGET + 2


async def test_a_simulator_chooses_the_next_process(monkeypatch: pytest.MonkeyPatch) -> None:
    class LastComesFirst(collections.deque[Any]):
        def popleft(self) -> Any:
            return self.pop()

    monkeypatch.setattr(env, "ReadyQueue", LastComesFirst)
    order: list[int] = []

    async def note(number: int) -> None:
        order.append(number)

    async with ap.ProcessGroup() as group:
        for number in range(5):
            group.spawn(note, number)
    assert order == [4, 3, 2, 1, 0]


async def test_processes_run_in_the_order_in_which_they_became_ready() -> None:
    order: list[int] = []

    async def note(number: int) -> None:
        for _ in range(3):
            order.append(number)
            await asyncio.sleep(0)

    async with ap.ProcessGroup() as group:
        for number in range(4):
            group.spawn(note, number)
    assert order == [0, 1, 2, 3] * 3


async def test_a_failing_process_does_not_disturb_the_turn_of_the_others() -> None:
    async def fail() -> None:
        raise ValueError

    async def answer() -> int:
        return 42

    async with ap.ActorSystem() as system:
        failing, answering = await system.spawn(fail), await system.spawn(answer)
        with pytest.raises(ValueError):
            await failing
        assert await answering == 42


async def test_callbacks_of_the_loop_run_outside_every_process() -> None:
    seen: list[object] = []

    async def process() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: seen.append(asyncio.current_task()))
        future: asyncio.Future[None] = loop.create_future()
        future.add_done_callback(lambda _: seen.append(asyncio.current_task()))
        loop.call_soon(future.set_result, None)
        await future

    async with ap.ProcessGroup() as group:
        await asyncio.wait([group.spawn(process)])
    assert seen == [None, None]


def test_a_loop_that_was_closed_is_freed_at_the_latest_when_another_loop_has_a_run_queue() -> None:
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await exchange(3)

    for _ in range(3):
        asyncio.run(main())
    gc.collect()
    assert [loop() for loop in loops[:-1]] == [None, None]


async def test_one_loop_has_one_run_queue() -> None:
    assert run_queue() is run_queue(asyncio.get_running_loop())


def test_without_a_running_loop_there_is_no_run_queue() -> None:
    with pytest.raises(ap.WrongLoop):
        run_queue()


class Local:
    """Something that a process holds in a variable."""


async def test_what_a_cancelled_process_held_is_freed_without_the_help_of_the_collector() -> None:
    held: list[weakref.ref[Local]] = []

    async def hold() -> None:
        local = Local()
        held.append(weakref.ref(local))
        await sleep_for_ever()

    gc.disable()
    try:
        async with ap.ProcessGroup() as group:
            process = group.spawn(hold)
            await settle()
            process.cancel()
        del process, group
        await settle()
        assert held[0]() is None
    finally:
        gc.enable()


class Unspeakable:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


@types.coroutine
def yield_it(value: object) -> Generator[Any, Any, None]:
    yield value


async def test_a_bad_yield_that_cannot_be_shown_does_not_stop_the_queue() -> None:
    async def process() -> str:
        with pytest.raises((RuntimeError, ZeroDivisionError)):
            await yield_it(Unspeakable())
        return "went on"

    async with asyncio.timeout(5), ap.ProcessGroup() as group:
        bad, other = group.spawn(process), group.spawn(asyncio.sleep, 0, "other")
        assert [await bad, await other] == ["went on", "other"]


async def test_a_cancellation_raised_by_on_undelivered_does_not_stop_the_queue() -> None:
    def refuse(item: int) -> None:
        raise asyncio.CancelledError

    tx, rx = ap.open_channel[int](1, on_undelivered=refuse)

    async def hold(rx: ap.Receiver[int]) -> str:
        return "done"

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    tx.send_nowait(1)
    async with asyncio.timeout(5), ap.ProcessGroup() as group:
        holder = group.spawn(hold, rx)
        other = group.spawn(asyncio.sleep, 0, "other")
        assert [await holder, await other] == ["done", "other"]
    tx.close()


def test_loops_of_other_threads_may_come_and_go_while_closed_ones_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    loops: dict[Any, Any] = {}
    monkeypatch.setattr(runqueue, "_queues", loops)

    class ClosedLoop:
        """Closed; when it is asked, another thread comes between."""

        def __init__(self, between: Callable[[], object]) -> None:
            self.between = between

        def is_closed(self) -> bool:
            self.between()
            return True

    first = ClosedLoop(lambda: loops.pop(first, None))
    second = ClosedLoop(lambda: loops.setdefault(ClosedLoop(int), None))
    loops.update(dict.fromkeys([first, second]))

    async def main() -> None:
        run_queue()

    asyncio.run(main())
    assert first not in loops
    assert second not in loops
