"""The tests of Go's runtime/chan_test.go that hold for a single loop."""

from __future__ import annotations

import asyncio
import collections
import math
from typing import Any

import pytest

import actorpar as ap
from actorpar.channels.process import pause

from .conftest import Go, Run


async def settle() -> None:
    """Let everybody go on until nobody can; ten turns are more than any test here needs."""
    for _ in range(10):
        await asyncio.sleep(0)


async def receive(rx: ap.Receiver[Any]) -> Any:
    """The next item, or "end"."""
    try:
        return await rx.receive()
    except ap.EndOfChannel:
        return "end"


@pytest.mark.parametrize("capacity", range(4))
def test_what_a_channel_does_when_it_is_empty_full_and_closed(run: Run, capacity: int) -> None:
    async def program(go: Go) -> None:
        tx, rx = ap.open_channel[int](capacity)
        receiving = go(receive, rx)
        await settle()
        assert not receiving.done(), "a receive from an empty channel waits"
        await tx.send(7)
        assert await receiving == 7
        for number in range(capacity):
            await tx.send(number)
        sending = go(tx.send, capacity)
        await settle()
        assert not sending.done(), "a send into a full channel waits"
        assert [await rx.receive() for _ in range(capacity + 1)] == list(range(capacity + 1))
        await sending
        for number in range(capacity):
            await tx.send(number)
        receiving = go(receive, rx)
        await settle()
        tx.close()
        drained = [await receiving, *[await receive(rx) for _ in range(capacity + 1)]]
        assert drained == [*range(capacity), "end", "end"]
        rx.close()

    run(program)


@pytest.mark.parametrize("capacity", [0, 1, 10, 100])
def test_one_stream_keeps_its_order(run: Run, capacity: int) -> None:
    async def send(tx: ap.Sender[int]) -> None:
        with tx:
            for number in range(500):
                await tx.send(number)

    async def program(go: Go) -> None:
        tx, rx = ap.open_channel[int](capacity)
        go(send, tx)
        assert [number async for number in rx] == list(range(500))
        rx.close()

    run(program)


def test_a_select_that_sends_and_receives_on_one_channel_never_meets_itself(run: Run) -> None:
    """TestSelfSelect: two goroutines, each offers its number and takes the other's; on capacity 0 never its own."""
    rounds = 500

    async def trade(me: int, tx: ap.Sender[int], rx: ap.Receiver[int], capacity: int) -> None:
        for number in range(rounds):
            guards = [ap.send_to(tx, me), ap.receive_from(rx)]
            index, value = await ap.select(*(guards if (me + number) % 2 else guards[::-1]))
            received = index == ((me + number) % 2)
            assert not received or capacity or value != me, "a select paired with itself"

    async def program(go: Go) -> None:
        for capacity in (0, 10):
            tx, rx = ap.open_channel[int](capacity)
            trading = [go(trade, me, tx, rx, capacity) for me in range(2)]
            done, pending = await asyncio.wait(trading, timeout=None, return_when=asyncio.FIRST_COMPLETED)
            assert done
            while pending:  # the other has nobody to trade with any more: take and give
                await ap.select(ap.send_to(tx, -1), rx, ap.default())
                await pause()
                pending = {goroutine for goroutine in pending if not goroutine.done()}
            tx.close()
            rx.close()

    run(program)


def test_selects_crossed_over_four_channels_do_not_deadlock(run: Run) -> None:
    """TestSelectStress: senders and receivers, plain and by select, over the same channels; the counts agree."""
    each = 200

    async def send(tx: ap.Sender[int]) -> None:
        for number in range(each):
            await tx.send(number)

    async def receive_each(rx: ap.Receiver[int]) -> None:
        for number in range(each):
            assert await rx.receive() >= 0, number

    async def send_anywhere(outs: list[ap.Sender[int]]) -> None:
        left = [each] * len(outs)
        while any(left):
            index, _ = await ap.select(*(ap.send_to(tx, 1, when=left[i] > 0) for i, tx in enumerate(outs)))
            left[index] -= 1

    async def receive_anywhere(ins: list[ap.Receiver[int]]) -> None:
        left = [each] * len(ins)
        while any(left):
            index, _ = await ap.select(*(ap.receive_from(rx, when=left[i] > 0) for i, rx in enumerate(ins)))
            left[index] -= 1

    async def program(go: Go) -> None:
        pairs = [ap.open_channel[int](capacity) for capacity in (0, 0, 2, 3)]
        outs, ins = [tx for tx, _ in pairs], [rx for _, rx in pairs]
        started = [go(send, tx) for tx in outs] + [go(receive_each, rx) for rx in ins]
        started += [go(send_anywhere, outs), go(receive_anywhere, ins)]
        await asyncio.gather(*started)
        for tx, rx in pairs:
            assert rx.statistics().length == 0
            tx.close()
            rx.close()

    run(program)


@pytest.mark.parametrize("capacity", [0, 1, math.inf])
def test_a_select_is_fair_to_each_of_its_guards(run: Run, capacity: float) -> None:
    """TestSelectFairness: four channels that are always ready are chosen about equally often."""

    async def flood(tx: ap.Sender[int]) -> None:
        while True:
            await tx.send(0)
            if tx.statistics().length > 50:
                await pause()

    async def program(go: Go) -> None:
        pairs = [ap.open_channel[int](capacity) for _ in range(4)]
        floods = [go(flood, tx) for tx, _ in pairs]
        await settle()
        counts = collections.Counter([(await ap.select(*(rx for _, rx in pairs)))[0] for _ in range(800)])
        assert sorted(counts) == [0, 1, 2, 3]
        assert min(counts.values()) > 100, counts
        for goroutine in floods:
            goroutine.cancel()
        await asyncio.gather(*floods, return_exceptions=True)
        for tx, rx in pairs:
            tx.close()
            rx.close()

    run(program)


@pytest.mark.parametrize("capacity", [0, 1, 3])
def test_many_senders_and_receivers_count_up_to_the_same(run: Run, capacity: int) -> None:
    """TestPseudoRandomSend and TestMultiConsumer: items through a pool of workers, each once."""

    async def work(rx: ap.Receiver[int], tx: ap.Sender[tuple[int, int]], me: int) -> None:
        async for number in rx:
            if me % 3 == 0:
                await pause()
            await tx.send((me, number))
        tx.close()
        rx.close()

    async def feed(tx: ap.Sender[int]) -> None:
        with tx:
            for number in range(600):
                await tx.send(number)

    async def program(go: Go) -> None:
        jobs_tx, jobs = ap.open_channel[int](capacity)
        done_tx, done = ap.open_channel[tuple[int, int]](capacity)
        for me in range(23):
            go(work, jobs.clone(), done_tx.clone(), me)
        jobs.close()
        done_tx.close()
        go(feed, jobs_tx)
        results = [result async for result in done]
        assert sorted(number for _, number in results) == list(range(600))
        assert len({me for me, _ in results}) == 23, "a worker never got an item"
        done.close()

    run(program)


def test_one_channel_in_two_guards_of_a_select_wakes_it_once(run: Run) -> None:
    """TestSelectDuplicateChannel: and the waiters behind it are not lost when it leaves the queue twice."""

    async def program(go: Go) -> None:
        (a_tx, a_rx), (b_tx, b_rx) = ap.open_channel[int](0), ap.open_channel[int](0)
        twice = go(ap.select, a_rx, b_rx, a_rx)
        await settle()
        behind = go(a_rx.receive)
        await settle()
        await b_tx.send(1)
        assert await twice == (1, 1)
        await a_tx.send(2)
        assert await behind == 2
        for end in (a_tx, a_rx, b_tx, b_rx):
            end.close()

    run(program)


def test_closing_a_channel_wakes_everybody_who_receives_and_selects(run: Run) -> None:
    async def wait(rx: ap.Receiver[int], select: bool) -> str:
        try:
            await (ap.select(rx, ap.never()) if select else rx.receive())
        except ap.EndOfChannel:
            return "end"
        return "item"

    async def program(go: Go) -> None:
        tx, rx = ap.open_channel[int](0)
        started = [go(wait, rx, number % 2 == 0) for number in range(20)]
        await settle()
        tx.close()
        assert await asyncio.gather(*started) == ["end"] * 20
        rx.close()

    run(program)


def test_a_select_over_a_closed_and_a_busy_channel_yields_both(run: Run) -> None:
    """A closed channel is always ready, and does not starve the other."""

    async def program(go: Go) -> None:
        (a_tx, a_rx), (b_tx, b_rx) = ap.open_channel[int](0), ap.open_channel[int](math.inf)
        a_tx.close()
        await b_tx.send_many(range(100))
        outcomes: collections.Counter[str] = collections.Counter()
        selector = ap.Selector(a_rx, b_rx)
        for _ in range(100):
            try:
                await selector.select()
                outcomes["item"] += 1
            except ap.EndOfChannel:
                outcomes["end"] += 1
        assert outcomes == {"item": 50, "end": 50}
        for end in (a_rx, b_tx, b_rx):
            end.close()

    run(program)


@pytest.mark.parametrize("capacity", [0, 1])
def test_ping_pong_goes_on_for_thousands_of_rounds(run: Run, capacity: int) -> None:
    """A long stream without a cancellation: no reservation may pile up."""
    rounds = 2000

    async def pong(rx: ap.Receiver[int], tx: ap.Sender[int]) -> None:
        async for number in rx:
            await tx.send(number + 1)

    async def program(go: Go) -> None:
        (a_tx, a_rx), (b_tx, b_rx) = ap.open_channel[int](capacity), ap.open_channel[int](capacity)
        go(pong, a_rx, b_tx)
        number = 0
        for _ in range(rounds):
            await a_tx.send(number)
            number = await b_rx.receive()
        assert number == rounds
        assert a_tx.core.held == b_tx.core.held == 0
        for end in (a_tx, b_rx):
            end.close()
        await settle()
        a_rx.close()
        b_tx.close()

    run(program)
