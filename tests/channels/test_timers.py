"""after, tick and never: channels that only time sends to."""

from __future__ import annotations

import asyncio
import math

import pytest

import actorpar as ap
from actorpar.testing import Trial

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_ch51_after_is_ready_once_its_time_has_come_and_stays_ready(trial: Trial) -> None:
    deadline = ap.after(3)
    receiving = trial.start(deadline.receive)
    await asyncio.sleep(2.999)
    assert not receiving.done()
    await receiving
    assert now() == pytest.approx(3)
    for _ in range(2):
        await deadline.receive()
    assert now() == pytest.approx(3)


async def test_ch51_after_counts_from_when_it_was_made(trial: Trial) -> None:
    deadline = ap.after(3)
    await asyncio.sleep(2.999)
    with pytest.raises(ap.ChannelEmpty):
        deadline.receive_nowait()
    await deadline.receive()
    assert now() == pytest.approx(3)


async def test_ch51_after_wakes_everybody_who_waits_for_it(trial: Trial) -> None:
    deadline = ap.after(5)
    waiting = [trial.start(deadline.receive) for _ in range(3)]
    for each in waiting:
        await each
    assert now() == pytest.approx(5)


async def test_ch51_tick_has_no_drift(trial: Trial) -> None:
    times = []
    ticks = ap.tick(0.5)
    async for _ in ticks:
        times.append(now())
        await asyncio.sleep(0.2)
        if len(times) == 6:
            break
    assert times == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.5, 3.0])


async def test_ch51_missed_ticks_become_one(trial: Trial) -> None:
    ticks = ap.tick(1)
    await asyncio.sleep(3.4)
    await ticks.receive()
    assert now() == pytest.approx(3.4)
    await ticks.receive()
    assert now() == pytest.approx(4)  # the next one is on the old beat


async def test_ch51_one_tick_wakes_one_receiver(trial: Trial) -> None:
    ticks = ap.tick(1)
    waiting = [trial.start(ticks.receive) for _ in range(3)]
    times = []
    for each in waiting:
        await each
        times.append(now())
    assert times == pytest.approx([1, 2, 3])


async def test_ch51_never_never_comes(trial: Trial) -> None:
    receiving = await trial.started_and_waiting(ap.never().receive)
    await asyncio.sleep(1e6)
    assert not receiving.done()
    with pytest.raises(ap.ChannelEmpty):
        ap.never().receive_nowait()


async def test_ch51_after_none_is_never(trial: Trial) -> None:
    receiving = trial.start(ap.after(None).receive)
    await asyncio.sleep(1e6)
    assert not receiving.done()


@pytest.mark.parametrize("seconds", [1e9, math.inf])
async def test_ch51_huge_deadlines_do_not_overflow(trial: Trial, seconds: float) -> None:
    assert await ap.select(ap.after(seconds), ap.after(2)) == (1, None)
    assert now() == pytest.approx(2)


@pytest.mark.parametrize("seconds", [0, -1])
async def test_ch51_a_deadline_in_the_past_is_ready_at_once(trial: Trial, seconds: float) -> None:
    assert ap.after(seconds).receive_nowait() is None
    await ap.after(seconds).receive()
    assert now() == 0


async def test_ch30_nowait_tells_that_it_is_not_time_yet(trial: Trial) -> None:
    deadline, ticks = ap.after(1), ap.tick(1)
    for each in (deadline, ticks):
        with pytest.raises(ap.ChannelEmpty):
            each.receive_nowait()
    await asyncio.sleep(1)
    for each in (deadline, ticks):
        assert each.receive_nowait() is None


async def test_ch52_a_cancelled_receive_leaves_the_tick(trial: Trial) -> None:
    ticks = ap.tick(1)
    await trial.cancel(trial.start(ticks.receive))
    await asyncio.sleep(1.5)
    assert ticks.receive_nowait() is None
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await ticks.receive()
    await ticks.receive()
    assert now() == pytest.approx(2)


async def test_ch10_the_tick_of_a_cancelled_woken_receiver_goes_to_the_next(trial: Trial) -> None:
    ticks = ap.tick(1)
    first, second = trial.start(ticks.receive), trial.start(ticks.receive)

    await asyncio.sleep(0.5)
    asyncio.get_running_loop().call_at(1 + 1e-10, first.cancel)  # due with the tick, and after it: `first` is woken
    await second
    assert now() == pytest.approx(1)
    assert first.cancelled()


@pytest.mark.parametrize("make", [lambda: ap.after(5), lambda: ap.tick(5), ap.never], ids=["after", "tick", "never"])
async def test_ch23_closing_a_timer_fails_who_waits_for_it(trial: Trial, make: object) -> None:
    rx: ap.Receiver[None] = make()  # type: ignore[operator]
    receiving = trial.start(rx.receive)
    await asyncio.sleep(1)
    rx.close()
    await trial.fails(ap.ChannelClosed, receiving)
    await trial.fails(ap.ChannelClosed, rx.receive())


@pytest.mark.parametrize("make", [lambda: ap.after(5), lambda: ap.tick(5), ap.never], ids=["after", "tick", "never"])
async def test_ch26_aborting_a_timer_is_sticky(trial: Trial, make: object) -> None:
    rx: ap.Receiver[None] = make()  # type: ignore[operator]
    receiving = trial.start(rx.receive)
    await asyncio.sleep(1)
    rx.abort(ValueError("poison"))
    await trial.fails(ap.ChannelAborted, receiving)
    await asyncio.sleep(10)
    await trial.fails(ap.ChannelAborted, rx.receive())


async def test_ch25_a_timer_need_not_be_closed(trial: Trial) -> None:
    for make in (ap.after, ap.tick):
        make(1)
    await ap.after(1).receive()


async def test_ch51_an_idle_timer_keeps_no_loop_timer(trial: Trial) -> None:
    ticks = ap.tick(1)
    await ticks.receive()
    await trial.cancel(trial.start(ap.after(7).receive))
    await asyncio.sleep(0)
    scheduled = [handle for handle in getattr(asyncio.get_running_loop(), "_scheduled", ()) if not handle.cancelled()]
    assert scheduled == []
