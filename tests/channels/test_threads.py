"""Other threads and other loops: refused at the ends themselves, served by the thread-safe handle (CH-35, CH-59)."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
import uvloop

import actorpar as ap

R = TypeVar("R")
Channel = Callable[..., tuple[ap.Sender[Any], ap.Receiver[Any]]]


@pytest.fixture
async def channel() -> AsyncIterator[Channel]:
    """`open_channel` for one test."""
    ends: list[Any] = []

    def open_one(capacity: float, **options: Any) -> tuple[ap.Sender[Any], ap.Receiver[Any]]:
        pair = ap.open_channel[Any](capacity, **options)
        ends.extend(pair)
        return pair

    yield open_one
    for end in ends:
        end.close()


async def in_thread(function: Callable[..., R], *args: Any) -> R:
    """Run a function in a thread that must come to an end."""
    return await asyncio.wait_for(asyncio.to_thread(function, *args), 20)


def in_thread_while_the_loop_stands_still(function: Callable[..., R], *args: Any) -> R:
    """Run a function in a thread and wait for it here, on the loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result(20)


def send_all(sender: ap.ThreadSender[Any], items: Iterable[Any]) -> None:
    """Send the items one by one."""
    for item in items:
        sender.send(item)


async def until_somebody_waits_in(rx: ap.Receiver[Any]) -> None:
    """Until a receive waits; what it is about runs in a thread, which sets no event."""
    while not rx.statistics().waiting_receivers:  # noqa: ASYNC110
        await asyncio.sleep(0)


# -- CH-59: a channel belongs to the loop of its first use


@pytest.mark.parametrize("use", ["send", "send_many", "receive", "receive_many", "reserve", "select"])
async def test_ch59_another_loop_is_refused(channel: Channel, use: str) -> None:
    tx, rx = channel(4)
    await tx.send("mine")
    await asyncio.sleep(0)  # a use by another loop in the very step of a task that uses the channel is not noticed

    async def reserve() -> None:
        async with tx.reserve():
            pass

    async def use_it() -> None:
        if use == "select":
            await ap.select(ap.receive_from(rx))
        elif use == "reserve":
            await reserve()
        else:
            arguments: dict[str, list[Any]] = {"send": [1], "send_many": [[1]], "receive": [], "receive_many": [1]}
            await getattr(tx if use.startswith("send") else rx, use)(*arguments[use])

    with pytest.raises(ap.WrongLoop, match=r"threadsafe\(\)"):
        await in_thread(lambda: asyncio.run(use_it()))
    assert rx.statistics().length == 1


@pytest.mark.parametrize("use", ["send_nowait", "receive_nowait", "close", "abort"])
async def test_ch59_another_thread_is_refused(channel: Channel, use: str) -> None:
    tx, rx = channel(4)
    await tx.send("mine")
    operations: dict[str, Callable[[], Any]] = {
        "send_nowait": lambda: tx.send_nowait(1),
        "receive_nowait": rx.receive_nowait,
        "close": tx.close,
        "abort": lambda: tx.abort(ValueError()),
    }
    with pytest.raises(ap.WrongLoop):
        await in_thread(operations[use])
    assert await rx.receive() == "mine"


async def test_ch59_another_thread_is_refused_while_a_process_of_the_loop_runs(channel: Channel) -> None:
    tx, rx = channel(4)

    async def process() -> None:
        await tx.send("mine")
        with pytest.raises(ap.WrongLoop):
            in_thread_while_the_loop_stands_still(tx.send_nowait, "theirs")

    async with ap.ProcessGroup() as group:
        group.spawn(process)
    assert await rx.receive_many(4) == ["mine"]


def test_ch59_a_channel_may_be_opened_before_there_is_a_loop() -> None:
    tx, rx = ap.open_channel[int](4)
    tx.send_nowait(1)

    async def main() -> list[int]:
        tx.close()
        return [item async for item in rx]

    assert asyncio.run(main()) == [1]
    rx.close()


def test_ch59_once_its_loop_has_stopped_a_channel_may_be_closed_from_anywhere() -> None:
    lost: list[int] = []

    async def main() -> tuple[ap.Sender[int], ap.Receiver[int]]:
        tx, rx = ap.open_channel[int](4, on_undelivered=lost.append)
        await tx.send(1)
        return tx, rx

    tx, rx = asyncio.run(main())
    tx.close()
    rx.close()
    assert lost == [1]


def test_ch59_a_later_loop_is_refused_too() -> None:
    async def first() -> tuple[ap.Sender[int], ap.Receiver[int]]:
        tx, rx = ap.open_channel[int](4)
        await tx.send(1)
        return tx, rx

    async def second() -> None:
        await rx.receive()

    tx, rx = asyncio.run(first())
    with pytest.raises(ap.WrongLoop):
        asyncio.run(second())
    tx.close()
    rx.close()


async def test_ch59_the_posts_of_a_burst_are_one_wake_up(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    tx, rx = channel(math.inf)
    posts: list[Any] = []
    loop = asyncio.get_running_loop()
    post = loop.call_soon_threadsafe

    def count(*args: Any, **options: Any) -> asyncio.Handle:
        posts.append(args)
        return post(*args, **options)

    monkeypatch.setattr(loop, "call_soon_threadsafe", count)
    with tx.threadsafe() as sender:
        in_thread_while_the_loop_stands_still(send_all, sender, range(500))
        assert len(posts) == 1
        received: list[int] = []
        while len(received) < 500:
            received += await rx.receive_many(500)
        assert received == list(range(500))


# -- CH-35: the thread-safe sender is an end with credits


@pytest.mark.parametrize("capacity", [0, 1, 64, math.inf])
async def test_ch35_items_of_one_thread_keep_their_order(channel: Channel, capacity: float) -> None:
    tx, rx = channel(capacity)

    def produce() -> None:
        with sender:
            for item in range(2000):
                sender.send(item)

    sender = tx.threadsafe()
    tx.close()
    producing = asyncio.create_task(in_thread(produce))
    assert [item async for item in rx] == list(range(2000))
    await producing


async def test_ch35_several_threads_lose_and_double_nothing(channel: Channel) -> None:
    tx, rx = channel(8)
    sender = tx.threadsafe()
    tx.close()

    def produce(number: int) -> None:
        for item in range(500):
            sender.send((number, item))

    producing = [asyncio.create_task(in_thread(produce, number)) for number in range(4)]
    received = []
    for _ in range(2000):
        received.append(await rx.receive())
    await asyncio.gather(*producing)
    sender.close()
    assert [item async for item in rx] == []
    for number in range(4):
        assert [item for sender_number, item in received if sender_number == number] == list(range(500))


async def test_ch35_the_window_is_bounded(channel: Channel) -> None:
    tx, rx = channel(1)
    with tx.threadsafe() as sender:

        def fill() -> int:
            for count in range(1000):
                try:
                    sender.send_nowait(count)
                except ap.ChannelFull as refusal:
                    refused.append(refusal.item)
                    return count
            raise AssertionError("never full")

        refused: list[int] = []
        sent = in_thread_while_the_loop_stands_still(fill)
        assert sent <= 16
        assert refused == [sent]
        assert [await rx.receive() for _ in range(sent)] == list(range(sent))


async def test_ch35_a_thread_blocks_while_the_window_is_full_and_goes_on(channel: Channel) -> None:
    tx, rx = channel(1)
    sender = tx.threadsafe()
    tx.close()
    passed: list[int] = []

    def produce() -> None:
        with sender:
            for item in range(100):
                sender.send(item)
                passed.append(item)

    producing = asyncio.create_task(in_thread(produce))
    first = await rx.receive()
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(passed) <= 1 + 16 + 2  # taken, the window, the channel and the one in hand
    assert [first] + [item async for item in rx] == list(range(100))
    await producing


async def test_ch35_a_send_that_times_out_was_not_sent(channel: Channel) -> None:
    tx, rx = channel(1)
    with tx.threadsafe() as sender:

        def fill_until_it_times_out() -> int:
            for item in range(1000):
                try:
                    sender.send(item, timeout=0.01)
                except TimeoutError:
                    return item
            raise AssertionError("never full")

        sent = await in_thread(fill_until_it_times_out)
        assert [await rx.receive() for _ in range(sent)] == list(range(sent))
        with pytest.raises(ap.ChannelEmpty):
            rx.receive_nowait()


async def test_ch35_close_delivers_first_what_was_sent_before(channel: Channel) -> None:
    tx, rx = channel(2)
    sender = tx.threadsafe()
    tx.close()

    def send_and_close() -> None:
        for item in range(10):
            sender.send(item)
        sender.close()
        sender.close()
        with pytest.raises(ap.ChannelClosed) as closed:
            sender.send("late")
        assert closed.value.item == "late"

    await in_thread(send_and_close)
    assert [item async for item in rx] == list(range(10))


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_ch35_items_on_their_way_into_an_ended_channel_are_undelivered(channel: Channel, ending: str) -> None:
    lost: list[int] = []
    tx, rx = channel(2, on_undelivered=lost.append)
    cause = ValueError("poison")
    sender = tx.threadsafe()

    def produce() -> tuple[int, ap.ChannelError]:
        for item in range(10_000):
            try:
                sender.send(item)
            except ap.ChannelError as refusal:
                return item, refusal
        raise AssertionError("never refused")

    producing = asyncio.create_task(in_thread(produce))
    received = [await rx.receive() for _ in range(3)]
    rx.close() if ending == "close" else rx.abort(cause)
    accepted, refusal = await producing
    assert isinstance(refusal, ap.ChannelBroken if ending == "close" else ap.ChannelAborted)
    assert refusal.item == accepted
    assert refusal.__cause__ is (None if ending == "close" else cause)
    assert received + lost == list(range(accepted))
    sender.close()


async def test_ch35_a_full_send_on_the_loop_itself_is_refused(channel: Channel) -> None:
    tx, rx = channel(1)
    with tx.threadsafe() as sender:
        with pytest.raises(ap.WrongLoop, match="block the loop"):
            send_all(sender, range(1000))
        with rx.threadsafe() as receiver, pytest.raises(ap.WrongLoop, match="block the loop"):
            receiver.receive()
        assert await rx.receive() == 0
        rx.close()


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["default", "uvloop"])
async def test_ch59_a_coroutine_of_another_loop_sends_and_receives(channel: Channel, factory: Any) -> None:
    there_tx, here_rx = channel(2)
    here_tx, there_rx = channel(2)

    async def echo(sender: ap.ThreadSender[int], receiver: ap.ThreadReceiver[int]) -> None:
        for _ in range(100):
            await sender.asend(await receiver.areceive())
        with pytest.raises(ap.EndOfChannel):
            await receiver.areceive()

    def other_loop() -> None:
        with asyncio.Runner(loop_factory=factory) as runner, there_tx_safe, there_rx_safe:
            runner.run(echo(there_tx_safe, there_rx_safe))

    there_tx_safe, there_rx_safe = there_tx.threadsafe(), there_rx.threadsafe()
    there_tx.close()
    there_rx.close()
    running = asyncio.create_task(in_thread(other_loop))

    async def feed() -> None:
        await here_tx.send_many(range(100))
        here_tx.close()

    feeding = asyncio.create_task(feed())
    assert [item async for item in here_rx] == list(range(100))
    await feeding
    await running


async def test_ch59_a_waiting_sender_of_a_loop_that_is_gone_holds_nobody_up(channel: Channel) -> None:
    tx, rx = channel(1)
    sender = tx.threadsafe()
    tx.close()
    gave_up: Future[None] = Future()

    async def send_for_ever() -> None:
        for item in range(1000):
            await sender.asend(item)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(send_for_ever(), 0.01)

    def give_up_and_go_on() -> None:
        asyncio.run(give_up())
        gave_up.set_result(None)
        sender.send("after", timeout=3)

    with sender:
        sending = asyncio.create_task(in_thread(give_up_and_go_on))
        await in_thread(gave_up.result)
        received: list[Any] = []
        while "after" not in received:
            received.append(await asyncio.wait_for(rx.receive(), 3))
        await sending
    assert received == [*range(len(received) - 1), "after"]


async def test_ch35_an_overflow_on_the_way_is_undelivered_and_ends_nothing(channel: Channel) -> None:
    lost: list[int] = []
    tx, rx = channel(1, overflow="reject", on_undelivered=lost.append)
    with tx.threadsafe() as sender:
        in_thread_while_the_loop_stands_still(send_all, sender, (1, 2, 3))
        assert await rx.receive() == 1
        for _ in range(20):
            await asyncio.sleep(0)
        assert lost == [2, 3]
        await in_thread(sender.send, 4)
        assert await rx.receive() == 4


# -- the thread-safe receiver


async def test_ch35_a_thread_receives_in_order_until_the_end(channel: Channel) -> None:
    tx, rx = channel(4)
    with rx.threadsafe() as receiver:
        rx.close()
        receiving: asyncio.Task[list[int]] = asyncio.create_task(in_thread(list, receiver))
        await tx.send_many(range(300))
        tx.close()
        assert await receiving == list(range(300))


async def test_ch35_a_thread_receives_a_batch_in_one_round_trip(channel: Channel) -> None:
    tx, rx = channel(8)
    await tx.send_many(range(6))
    with rx.threadsafe() as receiver:
        assert await in_thread(receiver.receive_many, 4) == [0, 1, 2, 3]
        assert await in_thread(receiver.receive_many, 4) == [4, 5]


async def test_ch35_a_receive_that_times_out_loses_nothing(channel: Channel) -> None:
    tx, rx = channel(4)
    with rx.threadsafe() as receiver:

        def receive_with_tiny_timeouts() -> list[int]:
            items: list[int] = []
            while len(items) < 200:
                try:
                    items.append(receiver.receive(timeout=0.0002))
                except TimeoutError:
                    pass
            return items

        with pytest.raises(TimeoutError):
            await in_thread(receiver.receive, 0.001)
        receiving = asyncio.create_task(in_thread(receive_with_tiny_timeouts))
        for item in range(200):
            await tx.send(item)
            await asyncio.sleep(0)
        assert await receiving == list(range(200))


async def test_ch35_a_cancelled_areceive_loses_nothing(channel: Channel) -> None:
    tx, rx = channel(4)
    with rx.threadsafe() as receiver:

        async def receive_with_tiny_timeouts() -> list[int]:
            items: list[int] = []
            while len(items) < 200:
                try:
                    async with asyncio.timeout(0.0002):
                        items.append(await receiver.areceive())
                except TimeoutError:
                    pass
            return items

        receiving = asyncio.create_task(in_thread(lambda: asyncio.run(receive_with_tiny_timeouts())))
        for item in range(200):
            await tx.send(item)
            await asyncio.sleep(0)
        assert await receiving == list(range(200))


async def test_ch35_an_item_that_came_too_late_survives_the_handle(channel: Channel) -> None:
    lost: list[str] = []
    tx, rx = channel(4, on_undelivered=lost.append)
    receiver = rx.threadsafe()
    waiting: Future[None] = Future()
    answered: Future[None] = Future()

    async def give_up_after_the_answer() -> None:
        receiving = asyncio.create_task(receiver.areceive())
        await until_somebody_waits_in(rx)
        waiting.set_result(None)
        answered.result(10)  # this loop stands still while the item comes
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving

    giving_up = asyncio.create_task(in_thread(lambda: asyncio.run(give_up_after_the_answer())))
    await in_thread(waiting.result)
    await tx.send("x")
    for _ in range(20):
        await asyncio.sleep(0)
    answered.set_result(None)
    await giving_up
    receiver.close()
    for _ in range(20):
        await asyncio.sleep(0)
    kept = [rx.receive_nowait()] if rx.statistics().length else []
    assert lost + kept == ["x"]


async def test_ch35_closing_the_handle_wakes_the_thread_that_waits(channel: Channel) -> None:
    _, rx = channel(1)
    receiver = rx.threadsafe()
    receiving = asyncio.create_task(in_thread(receiver.receive))
    await until_somebody_waits_in(rx)
    receiver.close()
    with pytest.raises(ap.ChannelClosed):
        await receiving
    with pytest.raises(ap.ChannelClosed):
        await in_thread(receiver.receive)


async def test_ch35_an_abort_reaches_the_thread_with_its_cause(channel: Channel) -> None:
    _, rx = channel(1)
    cause = ValueError("poison")
    with rx.threadsafe() as receiver:
        receiving = asyncio.create_task(in_thread(receiver.receive))
        await until_somebody_waits_in(rx)
        rx.abort(cause)
        with pytest.raises(ap.ChannelAborted) as aborted:
            await receiving
        assert aborted.value.__cause__ is cause


@contextmanager
def loop_in_a_thread() -> Iterator[Callable[[Any], Any]]:
    """A loop of its own in another thread, to run coroutines on; it is stopped and closed at the end."""
    started: Future[asyncio.AbstractEventLoop] = Future()
    stop: Future[asyncio.Event] = Future()

    async def serve() -> None:
        event = asyncio.Event()
        stop.set_result(event)
        started.set_result(asyncio.get_running_loop())
        await event.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    loop = started.result(10)
    try:
        yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)
    finally:
        loop.call_soon_threadsafe(stop.result(10).set)
        thread.join(10)


def test_ch59_the_handles_outlive_their_loop_and_say_so() -> None:
    async def open_one() -> tuple[ap.ThreadSender[int], ap.ThreadReceiver[int]]:
        tx, rx = ap.open_channel[int](1)
        handles = tx.threadsafe(), rx.threadsafe()
        tx.close()
        rx.close()
        return handles

    with loop_in_a_thread() as run:
        sender, receiver = run(open_one())
    with sender, receiver:
        with pytest.raises(ap.ChannelBroken, match="loop"):
            receiver.receive()
        with pytest.raises(ap.ChannelBroken, match="loop") as broken:
            sender.send(1)
        assert broken.value.item == 1


def test_ch59_a_thread_that_waits_learns_that_the_loop_has_ended() -> None:
    async def open_one() -> tuple[ap.Sender[int], ap.Receiver[int], ap.ThreadReceiver[int]]:
        tx, rx = ap.open_channel[int](1)
        return tx, rx, rx.threadsafe()

    with ThreadPoolExecutor(1) as pool:
        with loop_in_a_thread() as run:
            tx, rx, receiver = run(open_one())
            receiving = pool.submit(receiver.receive)
            run(until_somebody_waits_in(rx))
        with tx, rx, receiver, pytest.raises(ap.ChannelError):
            receiving.result(10)
