"""Who gets the next job, how much goes at a time, and what becomes of the jobs of a worker that is lost."""

from __future__ import annotations

import asyncio
import gc
import io
import itertools
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

import actorpar as ap
from actorpar.nodes.codec.signature import signature_of
from actorpar.nodes.errors import CodecError
from actorpar.parallel import pace, progress, wire
from actorpar.parallel.batches import Batches
from actorpar.parallel.crew import Crew, Task, Worker
from actorpar.parallel.errors import WorkerLost
from actorpar.parallel.pace import Pace
from actorpar.parallel.window import windowed
from actorpar.parallel.wire import Done, Failure, Job
from tests.parallel import chores

SQUARE = signature_of(chores.square)


class Hand:
    """A worker played by the test: jobs come here, and the test says what is done, and when it dies."""

    def __init__(self, crew: Crew, *, sees_begun: bool = True) -> None:
        jobs_tx, self.jobs = ap.open_channel[Job](float("inf"))
        self.results, results = ap.open_channel[Done](64)
        self.ends = (jobs_tx, self.jobs, self.results, results)
        self.began = 0
        self.buried = asyncio.Event()
        worker = Worker("worker 1", jobs_tx, (lambda: self.began) if sees_begun else None)
        self.serving = asyncio.ensure_future(crew.serve(worker, results, self._how))

    async def _how(self) -> str:
        await self.buried.wait()
        return "was killed"

    def numbers(self) -> list[int]:
        """The jobs that have come since."""
        taken: list[int] = []
        while self.jobs.statistics().length:
            taken.append(self.jobs.receive_nowait()[0])
        return taken

    async def do(self, number: int, value: int, seconds: float = 1e-5) -> None:
        body, buffers = SQUARE.result.encode([value], wire._PORT)
        await self.results.send((number, body, buffers, [], seconds))

    async def die(self) -> None:
        self.results.close()
        self.buried.set()
        await self.serving
        for end in self.ends:
            end.close()


def task(number: int) -> Task:
    return Task("chores:square", SQUARE, [(number,)], is_single=True)


async def warm(crew: Crew, hand: Hand) -> None:
    """Jobs are short: a worker may have many in hand."""
    for _ in range(3):
        crew.put(first := task(0))
        await asyncio.sleep(0)
        await hand.do(hand.numbers()[0], 0)
        await first.future
    assert crew.depth() > 8


async def test_a_worker_has_one_long_job_in_hand_and_many_short_ones() -> None:
    crew = Crew(retries=0)
    hand = Hand(crew)
    await asyncio.sleep(0)
    tasks = [task(number) for number in range(10)]
    for each in tasks:
        crew.put(each)
    assert hand.numbers() == [1]  # nothing is known yet
    await hand.do(1, 0, seconds=1.0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert hand.numbers() == [2]
    for each in tasks:
        each.future.cancel()
    await hand.die()


@pytest.mark.parametrize("retries", [0, 1])
async def test_a_worker_that_dies_fails_the_job_it_was_at_and_those_it_had_not_begun_lose_nothing(retries: int) -> None:
    crew = Crew(retries=retries)
    hand = Hand(crew)
    await asyncio.sleep(0)
    await warm(crew, hand)
    tasks = [task(number) for number in range(6)]
    for each in tasks:
        crew.put(each)
    numbers = hand.numbers()
    assert len(numbers) == 6
    await hand.do(numbers[0], 0)
    assert await tasks[0].future == 0
    hand.began = numbers[2]  # so the second is done, and its result is lost
    await hand.die()
    again = Hand(crew)
    await asyncio.sleep(0)
    given = again.numbers()
    if retries:
        assert [each.lost for each in tasks] == [0, 0, 1, 0, 0, 0]
    else:
        for place, what in ((1, "the result of chores:square"), (2, "chores:square in hand; retries=1")):
            with pytest.raises(WorkerLost, match=f"worker 1 was killed with {what}"):
                tasks[place].future.result()
    alive = [each for each in tasks[1:] if not each.future.done()]
    assert len(given) == len(alive) == (5 if retries else 3)
    for number, each in zip(given, alive, strict=True):
        await again.do(number, 1)
        assert await each.future == 1
    await again.die()


async def test_a_job_that_kills_each_worker_fails_and_takes_no_other_with_it() -> None:
    crew = Crew(retries=2)
    hand = Hand(crew)
    await asyncio.sleep(0)
    await warm(crew, hand)
    before, deadly, behind = tasks = [task(number) for number in range(3)]
    for each in tasks:
        crew.put(each)
    for _ in range(3):
        hand.began = hand.numbers()[1]  # the result of the first is lost each time
        await hand.die()
        hand = Hand(crew)
        await asyncio.sleep(0)
    with pytest.raises(WorkerLost):
        deadly.future.result()
    assert [before.lost, behind.lost] == [0, 0]
    for each, number in zip((before, behind), hand.numbers(), strict=True):
        await hand.do(number, 4)
        assert await each.future == 4
    await hand.die()


async def test_where_nobody_sees_what_was_begun_all_that_a_worker_had_in_hand_is_lost() -> None:
    crew = Crew(retries=0)
    hand = Hand(crew, sees_begun=False)
    await asyncio.sleep(0)
    await warm(crew, hand)
    tasks = [task(number) for number in range(3)]
    for each in tasks:
        crew.put(each)
    await hand.die()
    for each in tasks:
        with pytest.raises(WorkerLost):
            each.future.result()


async def test_a_crew_is_not_idle_while_it_is_not_known_how_a_worker_has_ended() -> None:
    crew = Crew(retries=1)
    hand = Hand(crew)
    await asyncio.sleep(0)
    crew.put(only := task(3))
    hand.began = hand.numbers()[0]
    hand.results.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not crew.is_idle()
    await hand.die()
    again = Hand(crew)
    await asyncio.sleep(0)
    await again.do(again.numbers()[0], 9)
    assert await only.future == 9
    await crew.idle()
    await again.die()


# -- how much at a time


def test_batches_grow_while_calls_are_short_and_small() -> None:
    known = Pace()
    assert known.worth("f") == 1
    known.took("f", 1, 0.001)
    assert known.worth("f") == pace.WORTH / 0.001
    known.took("g", 1000, 0.0001)
    assert known.worth("g") == pace.MOST_CALLS
    known.went("g", 1, 100 << 20)
    assert known.worth("g") < 1


def test_a_worker_has_little_in_hand_when_jobs_are_long_or_large() -> None:
    known = Pace()
    assert known.ahead() == 0
    known.took("f", 1, pace.LONG)
    assert known.ahead() == 1  # so that the worker has something to do while its result is on its way
    for _ in range(50):
        known.took("f", 1, 1e-5)
    assert known.ahead() == pace.MOST_JOBS - 1
    for _ in range(30):
        known.went("f", 1, pace.IN_HAND)
    assert known.ahead() == 1
    for _ in range(30):
        known.took("f", 1, 1.0)
    assert known.ahead() == 0


def sizes(items: Sequence[Any], workers: int) -> list[int]:
    """How many items each batch has, where any number is worth its way."""
    source = Batches(items, None, workers, lambda: 1000.0, spread=False).source()
    assert isinstance(source, Iterable)
    return [len(batch) for batch in source]


@pytest.mark.parametrize("large", [np.zeros(pace.FULL // 16), bytes(pace.FULL // 2), "x" * (pace.FULL // 2)])
def test_a_batch_of_large_items_is_full_however_short_the_calls_are(large: Any) -> None:
    assert sizes([large] * 5, 1) == [2, 1, 1, 1]  # two are full, and then the rest is shared out


def test_the_last_batches_are_shared_out_among_the_workers() -> None:
    cut = sizes(range(100), 2)
    assert sum(cut) == 100
    assert cut[0] <= 25  # whatever is thought of their length, no worker has most of them
    assert cut[-1] <= 3


# -- what is too large, and what fails


async def test_arguments_that_no_link_takes_are_refused_before_anything_is_submitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "MOST", 1000)
    with pytest.raises(CodecError, match=r"the arguments of 1 calls of total_of have .* give them in parts"):
        Task("chores:total_of", signature_of(chores.total_of), [(np.zeros(1000),)])
    with pytest.raises(CodecError, match="take fewer in a chunk"):
        Task("chores:total_of", signature_of(chores.total_of), [(np.zeros(50),)] * 5)


async def test_results_that_no_link_takes_fail_their_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    from actorpar.parallel.worker import do

    signature = signature_of(chores.doubled)
    only = Task("tests.parallel.chores:doubled", signature, [(np.zeros(1000),)])
    monkeypatch.setattr(wire, "MOST", 1000)
    done = await do((1, only.name, *only.content), None, False)
    [outcome] = wire.decode_outcomes(signature, done, 1)
    assert isinstance(outcome, Failure)
    assert "the results of 1 calls of doubled have" in str(outcome.error)


@pytest.mark.parametrize("ordered", [True, False])
async def test_of_several_failures_one_is_raised_and_the_others_are_no_news(ordered: bool) -> None:
    news: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: news.append(context))

    def put(number: int) -> asyncio.Future[int]:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        future.set_exception(WorkerLost(str(number)))
        return future

    with pytest.raises(WorkerLost):
        async for _ in windowed(range(8), put, lambda: 4, ordered):
            pass
    gc.collect()
    await asyncio.sleep(0)
    assert news == []


def test_a_bar_tells_how_far_a_map_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with progress.shown("app:longest", range(4)) as advance:
        advance(4)
    assert "longest" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()
    monkeypatch.setattr(sys, "stderr", elsewhere := io.StringIO())
    with progress.shown("app:longest", itertools.count()) as advance:
        advance(1)
    assert elsewhere.getvalue() == ""
