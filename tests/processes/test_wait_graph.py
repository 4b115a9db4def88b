"""When nothing is left but operations that wait on channels, debug mode tells who waits for whom (CH-61)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import pytest

import actorpar as ap
from actorpar.channels import env
from actorpar.channels.runqueue import run_queue
from actorpar.channels.waitgraph import Wait, cycle, wait_graph

from .running import settle


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> str:
    """The run queue is what is watched; it need not be idle for long."""
    monkeypatch.setattr(env, "DEADLOCK_SECONDS", 0.001)
    return "run queue"


class Reports(logging.Handler):
    """Keeps what is reported, and cancels the task that is stuck."""

    def __init__(self, host: asyncio.Task[Any]) -> None:
        super().__init__()
        self.host = host
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
        self.host.cancel()


async def reports_of(program: Coroutine[Any, Any, None], *, debug: bool = True) -> list[str]:
    """What is reported while the program runs; the first report cancels it."""
    host = asyncio.current_task()
    assert host is not None
    host.get_loop().set_debug(debug)
    reports = Reports(host)
    logging.getLogger("actorpar").addHandler(reports)
    try:
        async with asyncio.timeout(10):
            await program
    except asyncio.CancelledError:
        assert reports.texts
        host.uncancel()
    finally:
        logging.getLogger("actorpar").removeHandler(reports)
    return reports.texts


async def forward(rx: ap.Receiver[int], tx: ap.Sender[int]) -> None:
    await tx.send(await rx.receive())


async def wait_in_a_ring(*names: str) -> None:
    """Every process waits for the one before it to send first."""
    channels = [ap.open_channel[int](0, name=f"to {name}") for name in names]
    async with ap.ProcessGroup() as group:
        for index, name in enumerate(names):
            tx, _ = channels[(index + 1) % len(names)]
            group.spawn(forward, channels[index][1], tx, name=name)


async def test_ch61_two_processes_that_wait_for_each_other_are_reported_by_name() -> None:
    (report,) = await reports_of(wait_in_a_ring("left", "right"))
    assert report.splitlines() == [
        "all 2 operations wait on channels and nothing else can run:",
        "  left waits to receive from to left, whose other end right owns",
        "  right waits to receive from to right, whose other end left owns",
        "  in a ring: left -> right -> left",
    ]


async def test_ch61_a_ring_of_many_is_told_in_its_order() -> None:
    (report,) = await reports_of(wait_in_a_ring("a", "b", "c", "d"))
    assert report.splitlines()[-1] == "  in a ring: a -> d -> c -> b -> a"


async def test_ch61_a_sender_that_nobody_receives_from_is_reported() -> None:
    tx, rx = ap.open_channel[int](1, name="full")

    async def produce(tx: ap.Sender[int]) -> None:
        await tx.send_many([1, 2])

    async def program() -> None:
        async with ap.ProcessGroup() as group:
            group.spawn(produce, tx, name="producer")

    (report,) = await reports_of(program())
    assert "producer waits to send to full, whose other end nobody owns" in report
    assert "in a ring" not in report
    rx.close()


async def test_ch61_processes_that_await_stuck_processes_are_stuck_too() -> None:
    tx, rx = ap.open_channel[int](0, name="silent")

    async def outer(system: ap.ActorSystem) -> None:
        await asyncio.gather(await system.spawn(rx.receive, name="inner"), await system.spawn(rx.receive, name="other"))

    async def program() -> None:
        async with ap.ActorSystem() as system:
            await (await system.spawn(outer, system))

    (report,) = await reports_of(program())
    assert "all 2 operations" in report
    tx.close()
    rx.close()


async def test_ch61_every_guard_of_a_select_is_told() -> None:
    tx, rx = ap.open_channel[int](0, name="in")
    out, out_rx = ap.open_channel[int](0, name="out")

    async def choose() -> None:
        await ap.select(ap.receive_from(rx), ap.send_to(out, 1), ap.after(None))

    async def program() -> None:
        async with ap.ProcessGroup() as group:
            group.spawn(choose, name="chooser")

    (report,) = await reports_of(program())
    assert "chooser waits to receive from in" in report
    assert "chooser waits to send to out" in report
    for end in (tx, rx, out, out_rx):
        end.close()


async def wait_for_something_outside(how: str) -> None:
    """A process waits on a channel, and another one on something that will come."""
    tx, rx = ap.open_channel[int](0)
    loop = asyncio.get_running_loop()

    async def send_later(tx: ap.Sender[int]) -> None:
        if how == "a future":
            future = loop.create_future()
            loop.call_later(0.01, future.set_result, None)
            await future
        elif how == "a thread":
            await asyncio.to_thread(int)
        else:
            async for _ in ap.tick(0.01):
                break
        await tx.send(1)

    async with ap.ProcessGroup() as group:
        group.spawn(rx.receive)
        group.spawn(send_later, tx)
    rx.close()


@pytest.mark.parametrize("how", ["a future", "a thread", "a timer channel"])
async def test_ch61_who_waits_for_something_outside_is_not_stuck(how: str) -> None:
    assert await reports_of(wait_for_something_outside(how)) == []


async def test_ch61_an_ordinary_task_that_waits_for_io_is_not_stuck() -> None:
    tx, rx = ap.open_channel[int](0)

    async def sleep_then_send() -> None:
        await asyncio.to_thread(int)
        await tx.send(1)

    async def program() -> None:
        sending = asyncio.create_task(sleep_then_send())
        async with ap.ProcessGroup() as group:
            group.spawn(rx.receive)
        await sending

    assert await reports_of(program()) == []
    tx.close()
    rx.close()


async def test_ch61_without_debug_mode_nobody_watches() -> None:
    async def program() -> None:
        assert run_queue().on_idle is None

    assert await reports_of(program(), debug=False) == []


async def test_the_wait_graph_names_who_waits_where_and_for_whom() -> None:
    tx, rx = ap.open_channel[int](0, name="numbers")

    async def hold(tx: ap.Sender[int]) -> None:
        await asyncio.get_running_loop().create_future()

    async with ap.ProcessGroup() as group:
        group.spawn(hold, tx, name="holder")
        group.spawn(rx.receive, name="reader")
        task = asyncio.create_task(rx.receive(), name="a task")
        await settle()
        assert wait_graph(run_queue()) == [
            Wait("a task", "receive", "numbers", ("holder",)),
            Wait("reader", "receive", "numbers", ("holder",)),
        ]
        task.cancel()
        group.cancel()
    await settle()
    assert wait_graph(run_queue()) == []
    rx.close()


def test_a_graph_without_a_ring_has_no_cycle() -> None:
    chain = [Wait("a", "receive", "x", ("b",)), Wait("b", "receive", "y", ("c",)), Wait("c", "send", "z", ())]
    assert cycle(chain) == []


def test_a_ring_is_found_behind_a_branch_that_leads_nowhere() -> None:
    waits = [
        Wait("a", "receive", "x", ("aside", "b")),
        Wait("b", "receive", "y", ("a",)),
    ]
    assert cycle(waits) in (["a", "b"], ["b", "a"])
