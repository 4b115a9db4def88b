"""Programs of Go's test/chan: sieve, fifo, doubleselect, fairness, nonblock, select and goroutine storms."""

from __future__ import annotations

import asyncio
import collections
import math
from typing import Any

import pytest

import actorpar as ap
from actorpar.channels.process import pause

from .conftest import Go, Run

PRIMES = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97]


@pytest.mark.parametrize("capacity", [0, 1, 7])
def test_the_sieve_of_a_chain_of_filters_finds_the_primes(run: Run, capacity: int) -> None:
    async def generate(tx: ap.Sender[int]) -> None:
        number = 2
        while True:
            await tx.send(number)
            number += 1

    async def sift(rx: ap.Receiver[int], tx: ap.Sender[int], prime: int) -> None:
        async for number in rx:
            if number % prime:
                await tx.send(number)

    async def program(go: Go) -> None:
        tx, rx = ap.open_channel[int](capacity)
        ends: list[Any] = [tx, rx]
        started = [go(generate, tx)]
        found = []
        for _ in PRIMES:
            found.append(await rx.receive())
            tx, following = ap.open_channel[int](capacity)
            started.append(go(sift, rx, tx, found[-1]))
            ends += [tx, following]
            rx = following
        for goroutine in started:
            goroutine.cancel()
        assert found == PRIMES
        await asyncio.gather(*started, return_exceptions=True)
        for end in ends:
            end.close()

    run(program)


def test_buffered_items_come_out_in_order(run: Run) -> None:
    async def program(go: Go) -> None:
        tx, rx = ap.open_channel[int](10)
        for number in range(10):
            await tx.send(number)
        tx.close()
        assert [number async for number in rx] == list(range(10))
        rx.close()

    run(program)


def test_senders_that_wait_are_served_in_the_order_in_which_they_came(run: Run) -> None:
    async def program(go: Go) -> None:
        tx, rx = ap.open_channel[int](0)
        for number in range(100):
            go(tx.send, number)
            await asyncio.sleep(0)
        assert [await rx.receive() for _ in range(100)] == list(range(100))
        tx.close()
        rx.close()

    run(program)


def test_a_chain_of_hand_overs_keeps_each_item(run: Run) -> None:
    async def relay(rx: ap.Receiver[int], tx: ap.Sender[int]) -> None:
        await tx.send(await rx.receive() + 1)

    async def program(go: Go) -> None:
        first, rx = ap.open_channel[int](0)
        ends: list[Any] = [first, rx]
        for _ in range(500):
            tx, following = ap.open_channel[int](0)
            ends += [tx, following]
            go(relay, rx, tx)
            rx = following
        await first.send(0)
        assert await rx.receive() == 500
        for end in ends:
            end.close()

    run(program)


@pytest.mark.parametrize("capacity", [0, 1])
def test_a_select_never_sends_in_two_places_at_once(run: Run, capacity: int) -> None:
    """doubleselect: one number at a time is offered to four channels; each arrives once, and in order."""
    count = 1000

    async def offer(*outs: ap.Sender[int]) -> None:
        for number in range(count):
            await ap.select(*(ap.send_to(tx, number) for tx in outs))
        for tx in outs:
            tx.close()

    async def copy(rx: ap.Receiver[int], tx: ap.Sender[int]) -> None:
        async for number in rx:
            await tx.send(number)
        tx.close()

    async def program(go: Go) -> None:
        collected, numbers = ap.open_channel[int](capacity)
        pairs = [ap.open_channel[int](capacity) for _ in range(4)]
        for _, rx in pairs:
            go(copy, rx, collected.clone())
        collected.close()
        go(offer, *(tx for tx, _ in pairs))
        seen = [number async for number in numbers]
        assert sorted(seen) == list(range(count)), collections.Counter(seen).most_common(1)
        for _, rx in pairs:
            rx.close()
        numbers.close()

    run(program)


def test_a_select_over_two_busy_channels_is_fair(run: Run) -> None:
    """fairness: each of two senders that never rest is received from before long."""

    async def flood(tx: ap.Sender[int]) -> None:
        while True:
            await tx.send(0)

    async def program(go: Go) -> None:
        (a_tx, a_rx), (b_tx, b_rx) = ap.open_channel[int](0), ap.open_channel[int](0)
        floods = [go(flood, a_tx), go(flood, b_tx)]
        counts = [0, 0]
        for _ in range(1000):
            index, _ = await ap.select(a_rx, b_rx)
            counts[index] += 1
        assert min(counts) > 350, counts
        for goroutine in floods:
            goroutine.cancel()
        await asyncio.gather(*floods, return_exceptions=True)
        for end in (a_tx, a_rx, b_tx, b_rx):
            end.close()

    run(program)


@pytest.mark.parametrize("capacity", [0, 1])
def test_operations_that_must_not_block_do_not(run: Run, capacity: int) -> None:
    """nonblock: try to receive from an empty channel, to send into a full one, and find a partner that waits."""

    async def program(go: Go) -> None:
        tx, rx = ap.open_channel[str](capacity)
        with pytest.raises(ap.ChannelEmpty):
            rx.receive_nowait()
        assert await ap.select(rx, ap.default()) == (1, None)
        for item in "x" * capacity:
            tx.send_nowait(item)
        with pytest.raises(ap.ChannelFull):
            tx.send_nowait("y")
        assert await ap.select(ap.send_to(tx, "y"), ap.default()) == (1, None)
        sending = go(tx.send, "z")
        await asyncio.sleep(0)
        assert "".join([rx.receive_nowait() for _ in range(capacity)]) == "x" * capacity
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await ap.select(rx, ap.default()) == (0, "z")
        await sending
        receiving = go(rx.receive)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await ap.select(ap.send_to(tx, "w"), ap.default()) == (0, None)
        assert await receiving == "w"
        tx.close()
        rx.close()

    run(program)


def test_a_value_of_a_guard_that_is_masked_is_never_sent(run: Run) -> None:
    """select: with one direction switched off at a time, the numbers pass in strict alternation."""

    async def program(go: Go) -> None:
        (a_tx, a_rx), (b_tx, b_rx) = ap.open_channel[int](1), ap.open_channel[int](1)
        chosen = []
        for number in range(10):
            to_a = not a_tx.statistics().length
            index, _ = await ap.select(ap.send_to(a_tx, number, when=to_a), ap.send_to(b_tx, number, when=not to_a))
            chosen.append(index)
            if index == 1:
                assert (a_rx.receive_nowait(), b_rx.receive_nowait()) == (number - 1, number)
        assert chosen == [0, 1] * 5
        for end in (a_tx, a_rx, b_tx, b_rx):
            end.close()

    run(program)


@pytest.mark.parametrize("capacity", [0, 1, 10, math.inf])
def test_a_storm_of_goroutines_loses_and_doubles_nothing(run: Run, capacity: float) -> None:
    """goroutines: many senders, many receivers, one channel."""
    senders, receivers, each = 40, 25, 50

    async def send(tx: ap.Sender[tuple[int, int]], me: int) -> None:
        for number in range(each):
            await tx.send((me, number))
            if number % 7 == me % 7:
                await pause()
        tx.close()

    async def receive(rx: ap.Receiver[tuple[int, int]], seen: list[tuple[int, int]]) -> None:
        async for item in rx:
            seen.append(item)
        rx.close()

    async def program(go: Go) -> None:
        tx, rx = ap.open_channel[tuple[int, int]](capacity)
        logs: list[list[tuple[int, int]]] = [[] for _ in range(receivers)]
        started = [go(receive, rx.clone(), log) for log in logs]
        started += [go(send, tx.clone(), me) for me in range(senders)]
        tx.close()
        rx.close()
        await asyncio.gather(*started)
        assert sorted(item for log in logs for item in log) == [(s, n) for s in range(senders) for n in range(each)]
        for log in logs:
            for me in range(senders):
                mine = [number for sender, number in log if sender == me]
                assert mine == sorted(mine), "one receiver saw one sender's items out of order (CH-5)"

    run(program)


def test_many_goroutines_select_over_the_same_channels(run: Run) -> None:
    """select storms: eight goroutines over four channels; half of them send, half receive; everything arrives."""
    each = 100

    async def send(me: int, *outs: ap.Sender[tuple[int, int]]) -> None:
        selector: ap.Selector[None] | None = None
        for number in range(each):
            guards = [ap.send_to(tx, (me, number)) for tx in outs]
            selector = ap.Selector(*guards)
            await selector.select()
        for tx in outs:
            tx.close()

    async def receive(seen: list[tuple[int, int]], *ins: ap.Receiver[tuple[int, int]]) -> None:
        selector = ap.Selector(*ins, skip_closed=True)
        try:
            while True:
                seen.append((await selector.select())[1])
        except ap.AllClosed:
            for rx in ins:
                rx.close()

    async def program(go: Go) -> None:
        pairs = [ap.open_channel[tuple[int, int]](capacity) for capacity in (0, 0, 1, 3)]
        seen: list[tuple[int, int]] = []
        started = [go(receive, seen, *(rx.clone() for _, rx in pairs)) for _ in range(4)]
        started += [go(send, me, *(tx.clone() for tx, _ in pairs)) for me in range(4)]
        for tx, rx in pairs:
            tx.close()
            rx.close()
        await asyncio.gather(*started)
        assert sorted(seen) == [(me, number) for me in range(4) for number in range(each)]

    run(program)
