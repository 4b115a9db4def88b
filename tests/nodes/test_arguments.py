"""Ends and references as arguments of a `multiprocessing.Process` of the program's own: real processes."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes.arrival import node_here
from actorpar.nodes.codec import audit
from actorpar.nodes.errors import CodecError, NodeDown
from actorpar.nodes.events import NodeLost
from tests.nodes import errands
from tests.nodes.meshed import close, mesh

SPAWN = multiprocessing.get_context("spawn")
FORKSERVER = multiprocessing.get_context("forkserver")


@contextlib.asynccontextmanager
async def started(main: Callable[..., Any], *args: Any, context: Any = SPAWN) -> AsyncIterator[Any]:
    """A process that runs `main(*args)` while the block does; it must have ended well by then, unless it was killed."""
    process = context.Process(target=errands.run, args=(main, *args))
    process.start()
    try:
        async with asyncio.timeout(60):
            yield process
            await asyncio.to_thread(process.join)
    finally:
        process.kill()
        process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    process.close()


async def exchange(tx: ap.Sender[int], rx: ap.Receiver[int], count: int) -> list[int]:
    """Send so many numbers, and receive what becomes of them."""

    async def feed() -> None:
        async with tx:
            await tx.send_many(range(count))

    async with asyncio.TaskGroup() as group, rx:
        group.create_task(feed())
        return [number async for number in rx]


# -- both ends


@pytest.mark.parametrize("context", [SPAWN, FORKSERVER], ids=["spawn", "forkserver"])
@pytest.mark.parametrize("capacity", [0, 1, 16])
async def test_net20_both_ends_of_two_channels_are_arguments_of_a_process(context: Any, capacity: int) -> None:
    numbers_tx, numbers_rx = ap.open_channel[int](capacity)
    squares_tx, squares_rx = ap.open_channel[int](capacity)
    async with started(errands.square, numbers_rx, squares_tx, context=context):
        assert await exchange(numbers_tx, squares_rx, 50) == [number**2 for number in range(50)]


async def test_net20_an_end_is_found_in_whatever_the_argument_holds_it() -> None:
    numbers_tx, numbers_rx = ap.open_channel[int](4)
    squares_tx, squares_rx = ap.open_channel[int](4)
    errand = errands.Errand({"in": [numbers_rx], "out": [squares_tx]})
    async with started(errands.square_nested, errand):
        assert await exchange(numbers_tx, squares_rx, 5) == [0, 1, 4, 9, 16]


async def test_net08_items_arrive_as_what_the_channel_was_declared_for() -> None:
    points_tx, points_rx = ap.open_channel[errands.Point](4)
    mirrored_tx, mirrored_rx = ap.open_channel[errands.Point](4)
    async with started(errands.mirror, points_rx, mirrored_tx):
        await points_tx.send(errands.Point(1, 2))
        assert await mirrored_rx.receive() == errands.Point(2, 1)
        close(points_tx, mirrored_rx)


async def test_net23_several_processes_share_the_items_of_one_channel_and_send_to_another() -> None:
    numbers_tx, numbers_rx = ap.open_channel[int](8)
    squares_tx, squares_rx = ap.open_channel[int](8)
    async with (
        started(errands.square, numbers_rx.clone(), squares_tx.clone()),
        started(errands.square, numbers_rx, squares_tx),
    ):
        assert sorted(await exchange(numbers_tx, squares_rx, 100)) == [number**2 for number in range(100)]


@pytest.mark.parametrize("first", ["sender", "receiver"])
async def test_net01_two_processes_are_given_the_two_ends_of_one_channel(first: str) -> None:
    numbers_tx, numbers_rx = ap.open_channel[int](4)
    middle_tx, middle_rx = ap.open_channel[int](4)
    out_tx, out_rx = ap.open_channel[int](4)
    pairs = [(numbers_rx, middle_tx), (middle_rx, out_tx)]
    if first == "receiver":
        pairs.reverse()
    async with started(errands.square, *pairs[0]), started(errands.square, *pairs[1]):
        assert await exchange(numbers_tx, out_rx, 20) == [number**4 for number in range(20)]


async def test_net11_a_prefetch_that_was_said_before_the_link_was_up_counts() -> None:
    numbers_tx, numbers_rx = ap.open_channel[int](200)
    squares_tx, squares_rx = ap.open_channel[int](200)
    async with started(errands.fetch_ahead, numbers_rx, squares_tx):
        assert await exchange(numbers_tx, squares_rx, 150) == [number**2 for number in range(150)]


async def test_ch50_a_process_selects_over_ends_of_two_processes_and_a_timer() -> None:
    (a_tx, a_rx), (b_tx, b_rx) = ap.open_channel[str](1), ap.open_channel[str](1)
    out_tx, out_rx = ap.open_channel[str](1)
    async with started(errands.merge, a_rx, b_rx, out_tx):
        assert await out_rx.receive() == "2 own"
        await b_tx.send("b")
        assert await out_rx.receive() == "1 b"
        await a_tx.send("a")
        assert await out_rx.receive() == "0 a"
        assert await out_rx.receive() == "3 timer"
        close(a_tx, b_tx, out_rx)


# -- how it ends


@pytest.mark.parametrize(("count", "size"), [(3, 8), (200, 100_000)], ids=["before the link is up", "more than fits"])
async def test_net34_a_process_that_ends_after_its_last_send_loses_nothing(count: int, size: int) -> None:
    tx, rx = ap.open_channel[bytes](2 * count)
    async with started(errands.send_and_leave, tx, count, size):
        received = [int.from_bytes(item, "little") async for item in rx]
        assert received == list(range(count))
        rx.close()


async def test_ch21_an_end_that_was_closed_before_any_loop_ran_is_closed_on_purpose() -> None:
    closed_tx, closed_rx = ap.open_channel[int](1)
    kept_tx, kept_rx = ap.open_channel[int](1)
    process = SPAWN.Process(target=errands.close_without_a_loop, args=(closed_tx, kept_tx))
    process.start()
    with pytest.raises(ap.EndOfChannel):
        await closed_rx.receive()
    assert [item async for item in kept_rx] == [1]
    await asyncio.to_thread(process.join)
    close(closed_rx, kept_rx)


async def test_net29_a_killed_process_takes_its_ends_with_it_at_once() -> None:
    out_tx, out_rx = ap.open_channel[int](1)
    numbers_tx, numbers_rx = ap.open_channel[int](1)
    async with started(errands.send_and_hang, out_tx, numbers_rx):
        os.kill(await out_rx.receive(), signal.SIGKILL)
        with pytest.raises(ap.ChannelBroken) as lost_sender:
            await out_rx.receive()
        assert isinstance(lost_sender.value.__cause__, NodeDown)
        with pytest.raises(ap.ChannelBroken):
            await numbers_tx.send_many(range(100))
        close(out_rx, numbers_tx)


async def test_ch21_a_process_that_fails_loses_its_end() -> None:
    tx, rx = ap.open_channel[int](1)
    process = SPAWN.Process(target=errands.run, args=(errands.fail, tx))
    process.start()
    assert await rx.receive() == 1
    with pytest.raises(ap.ChannelBroken, match=r"is gone") as lost:
        await rx.receive()
    assert isinstance(lost.value.__cause__, NodeDown)
    await asyncio.to_thread(process.join)
    assert process.exitcode == 3
    rx.close()


async def test_net29_ends_that_a_process_never_touched_are_lost_when_it_ends() -> None:
    tx, rx = ap.open_channel[int](1)
    process = SPAWN.Process(target=errands.touch_nothing, args=(tx,))
    process.start()
    with pytest.raises(ap.ChannelBroken):
        await rx.receive()
    await asyncio.to_thread(process.join)
    rx.close()


async def parent_of_one(tell: Any) -> None:
    """A process that is killed by the one that it starts."""
    tx, rx = ap.open_channel[int](1)
    async with started(errands.stop_parent, rx, tell):
        await tx.send(1)
        await asyncio.Event().wait()


async def test_net35_a_process_learns_that_the_one_that_started_it_was_killed() -> None:
    told, tell = multiprocessing.Pipe(duplex=False)
    with told, tell:
        async with started(parent_of_one, tell):
            assert await asyncio.to_thread(told.recv) == "LinkLost: NodeDown"


left_open: list[Any] = []


async def parent_whose_loop_ends(tell: Any) -> None:
    """Its loop ends while its child has an end, and the end here is open."""
    tx, rx = ap.open_channel[int](1)
    back_tx, back_rx = ap.open_channel[int](1)
    SPAWN.Process(target=errands.run, args=(errands.acknowledge, rx, back_tx, tell)).start()
    await tx.send(1)
    assert await back_rx.receive() == 1
    left_open.append((tx, back_rx))


async def test_net35_a_process_learns_that_the_loop_that_started_it_has_ended() -> None:
    told, tell = multiprocessing.Pipe(duplex=False)
    with told, tell:
        async with started(parent_whose_loop_ends, tell):
            assert await asyncio.to_thread(told.recv) == "LinkLost: NodeDown"


# -- when an end moves


async def test_net20_an_end_moves_when_the_process_starts_and_not_before() -> None:
    tx, rx = ap.open_channel[bytes](4)
    process = SPAWN.Process(target=errands.run, args=(errands.send_and_leave, tx, 1, 1))
    await tx.send(b"mine")
    process.start()
    with pytest.raises(ap.EndMoved):
        await tx.send(b"late")
    assert [item async for item in rx] == [b"mine", b"\0"]
    await asyncio.to_thread(process.join)
    rx.close()


async def test_net20_a_start_that_fails_gives_the_ends_back() -> None:
    tx, rx = ap.open_channel[int](4)
    before = tx.statistics()
    process = SPAWN.Process(target=errands.touch_nothing, args=(tx, rx, lambda: None))
    with pytest.raises((pickle.PicklingError, AttributeError)):
        process.start()
    with pytest.raises(ap.EndMoved):
        await tx.send(0)
    await asyncio.sleep(0)
    assert tx.statistics() == before
    await tx.send_many(range(4))
    tx.close()
    assert [item async for item in rx] == [0, 1, 2, 3]
    rx.close()


async def test_net20_an_end_that_was_closed_or_moved_is_refused_at_the_start() -> None:
    tx, rx = ap.open_channel[int](4)
    moved = rx.move()
    tx.close()
    for end, error in ((tx, ap.ChannelClosed), (rx, ap.EndMoved)):
        with pytest.raises(error):
            SPAWN.Process(target=errands.touch_nothing, args=(end,)).start()
    moved.close()


async def test_net20_what_is_no_end_of_an_ordinary_channel_is_refused() -> None:
    with ap.tick(1) as ticks, pytest.raises(CodecError, match="cannot leave its node"):
        SPAWN.Process(target=errands.touch_nothing, args=(ticks,)).start()


async def test_net25_an_end_whose_home_is_elsewhere_is_refused_and_stays() -> None:
    async with mesh(2) as nodes:
        tx, rx = nodes.sender_moved(4)
        assert node_here() is nodes.nodes[0]
        away = nodes.move(tx, 1, 0)
        here = nodes.move(away, 0, 1)
        with pytest.raises(CodecError, match="at home on another node"):
            SPAWN.Process(target=errands.touch_nothing, args=(here,)).start()
        await here.send(1)
        assert await rx.receive() == 1
        close(here, rx)


@pytest.mark.parametrize("first", ["the process", "the node"])
async def test_net01_the_home_stays_while_a_process_that_no_other_node_reaches_has_an_end(first: str) -> None:
    """One end goes to a process, the other one to another node; what was sent goes through here."""
    numbers_tx, numbers_rx = ap.open_channel[int](4)
    squares_tx, squares_rx = ap.open_channel[int](4)
    async with mesh(2) as nodes:
        assert node_here() is nodes.nodes[0]
        if first == "the node":
            numbers_tx = nodes.move(numbers_tx, 0, 1, int)
        async with started(errands.square, numbers_rx, squares_tx):
            if first == "the process":
                await asyncio.sleep(0)  # it has left
                numbers_tx, squares_rx = nodes.move(numbers_tx, 0, 1, int), nodes.move(squares_rx, 0, 1, int)
            assert await exchange(numbers_tx, squares_rx, 20) == [number**2 for number in range(20)]
            assert nodes.nodes[1].members.keys() == {nodes.nodes[0].id}, "it is not known there"


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
async def test_an_end_is_pickled_only_by_a_process_that_starts(copied: Callable[[object], object]) -> None:
    tx, rx = ap.open_channel[int](4)
    for end in (tx, rx):
        with pytest.raises(ap.NotPicklable, match="pass it as an argument"):
            copied(end)
    close(tx, rx)


def test_ch59_a_process_with_ends_is_started_on_a_running_loop() -> None:
    tx, rx = ap.open_channel[int](4)
    with pytest.raises(ap.WrongLoop, match="no event loop is running"):
        SPAWN.Process(target=errands.touch_nothing, args=(tx,)).start()
    close(tx, rx)


async def test_net47_no_pickle_is_read_where_a_process_was_started() -> None:
    seen = audit.counts["pickle.find_class"]
    out_tx, out_rx = ap.open_channel[bytes](1)
    async with started(errands.send_and_leave, out_tx, 1, 1):
        assert [item async for item in out_rx] == [b"\0"]
    assert audit.counts["pickle.find_class"] == seen
    out_rx.close()


def test_the_program_of_the_guide_to_a_process_of_your_own_runs(tmp_path: Path) -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "nodes.md").read_text("utf-8")
    section = guide.partition("## A process of your own")[2]
    program = tmp_path / "program.py"
    program.write_text(section.partition("```python\n")[2].partition("```")[0], "utf-8")
    done = subprocess.run([sys.executable, "-W", "error", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == (f"{sum(number**2 for number in range(64))}\n", "")


# -- fork


@pytest.mark.parametrize("touch", ["send", "send_nowait", "receive", "select", "close", "threadsafe", "unused"])
async def test_ch59_in_a_forked_process_every_use_of_an_end_of_the_parent_is_refused(touch: str) -> None:
    tx, rx = ap.open_channel[int](4)
    unused_tx, unused_rx = ap.open_channel[int](4)
    await tx.send(1)
    with tx.threadsafe() as sender, rx.threadsafe() as receiver:
        use: dict[str, Callable[[], Any]] = {
            "send": lambda: tx.send(2),
            "send_nowait": lambda: tx.send_nowait(2),
            "receive": rx.receive,
            "select": lambda: ap.select(ap.receive_from(rx)),
            "close": tx.close,
            "threadsafe": lambda: (sender.send if touch == "threadsafe" else receiver.receive)(2),
            "unused": lambda: unused_tx.send(1),
        }
        told, tell = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=errands.touch_after_fork, args=(tell, use[touch]))
        process.start()
        assert await asyncio.to_thread(told.recv) == "EndForked"
        process.join()
        for end in (told, tell):
            end.close()
    assert await rx.receive() == 1
    close(tx, rx, unused_tx, unused_rx)


# -- references


async def test_ac53_a_reference_is_an_argument_and_asks_and_tells_from_there() -> None:
    async with ap.ActorSystem() as system:
        counter = await system.spawn(errands.Counter)
        out_tx, out_rx = ap.open_channel[int](1)
        async with started(errands.count, counter, out_tx):
            assert [item async for item in out_rx] == [11]
            out_rx.close()


async def test_net34_what_a_process_told_before_its_end_is_handled() -> None:
    async with ap.ActorSystem() as system:
        counter = await system.spawn(errands.Counter)
        async with started(errands.tell_and_leave, counter):
            gone = asyncio.Event()
            node_here().watch(lambda event: gone.set() if isinstance(event, NodeLost) else None)
            await gone.wait()
        assert await counter.ask(errands.Counter.add, 0) == 100
        assert system.nodes == (node_here().member,), "nothing is to be started on such a process"


async def test_ac40_a_process_learns_of_the_end_of_an_actor_that_it_watches() -> None:
    async with ap.ActorSystem() as system:
        counter = await system.spawn(errands.Counter)
        out_tx, out_rx = ap.open_channel[str](1)
        async with started(errands.await_end, counter, out_tx):
            assert await out_rx.receive() == "watching"
            await system.stop(counter)
            assert await out_rx.receive() == "shutdown"
            out_rx.close()


async def test_a_reference_needs_a_system_where_it_arrives() -> None:
    async with ap.ActorSystem() as system:
        counter = await system.spawn(errands.Counter)
        out_tx, out_rx = ap.open_channel[str](1)
        async with started(errands.ask_without_a_system, counter, out_tx):
            assert "inside `async with ActorSystem()`" in await out_rx.receive()
            out_rx.close()
