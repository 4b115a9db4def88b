"""What a stage does with an item on which its function fails: end the pipeline, skip the item, or try again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import actorpar as ap
from actorpar.channels import env
from actorpar.flow.errors import StageFailed
from actorpar.flow.pipeline import pipeline
from actorpar.flow.retry import Retry
from actorpar.flow.stage import DeadLetterItem, stage

from .functions import double, failing_at, for_ever

pytestmark = pytest.mark.virtual_time

SHAPES = pytest.mark.parametrize(("workers", "ordered"), [(1, True), (3, True), (3, False)])


# -- fail


@SHAPES
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_failure_reaches_the_consumer_as_it_is(workers: int, ordered: bool, place: int) -> None:
    error = KeyError("seven")
    stages = [stage(double, workers=workers, ordered=ordered) for _ in range(3)]
    stages[place] = stage(failing_at(8, error), workers=workers, ordered=ordered, name="bad")
    got: list[int] = []

    async def consume() -> None:
        async with pipeline(range(100), *stages) as results:
            async for n in results:
                got.append(n)

    with pytest.raises(KeyError) as caught:
        await consume()
    assert caught.value is error
    assert error.__notes__ == ["in bad, for the item 8"]
    assert (error.__cause__, error.__context__) == (None, None)
    assert set(got) < {8 * n for n in range(100)}
    if ordered:
        assert got == [8 * n for n in range(len(got))], "what comes before a failure is a prefix"


async def test_a_failure_cancels_the_workers_that_are_busy_elsewhere() -> None:
    cancelled = []

    async def patient(n: int) -> None:
        if n == 3:
            raise ValueError(n)
        try:
            await for_ever(n)
        except asyncio.CancelledError:
            cancelled.append(n)
            raise

    with pytest.raises(ValueError):
        await pipeline(range(10), stage(patient, workers=4)).collect()
    assert cancelled == [0, 1, 2]


async def test_results_that_are_ready_come_before_the_failure() -> None:
    error = ValueError()
    async with pipeline(range(10), stage(failing_at(3, error))) as results:
        await asyncio.sleep(1)
        assert [await results.receive() for _ in range(3)] == [0, 2, 4]
        for _ in range(2):  # and it stays so
            with pytest.raises(ValueError) as caught:
                await results.receive()
            assert caught.value is error
        with pytest.raises(ValueError):
            await results.receive_many(10)


async def test_a_failure_that_the_consumer_met_and_caught_is_not_raised_again() -> None:
    async with pipeline(range(10), stage(failing_at(0, ValueError()))) as results:
        with pytest.raises(ValueError):
            await results.receive()


async def test_a_failure_that_the_consumer_did_not_meet_is_raised_at_the_end_of_the_block() -> None:
    error = ValueError()

    async def leave_late() -> None:
        async with pipeline(range(10), stage(failing_at(3, error))) as results:
            await results.receive()
            await asyncio.sleep(1)

    with pytest.raises(ValueError) as caught:
        await leave_late()
    assert caught.value is error


async def test_what_the_block_raises_goes_on_and_the_failure_stands_in_its_notes() -> None:
    async def fail_late() -> None:
        async with pipeline(range(10), stage(failing_at(3, ValueError("the stage")))):
            await asyncio.sleep(1)
            raise OSError("the block")

    with pytest.raises(OSError) as caught:
        await fail_late()
    assert caught.value.__notes__ == ["the pipeline failed, too: ValueError('the stage')"]


async def test_a_second_failure_stands_in_the_notes_of_the_first() -> None:
    async def careless(n: int) -> None:
        try:
            await for_ever(n)
        finally:
            raise OSError(f"cleaning up {n}")

    async def both() -> None:
        bad = stage(failing_at(3, ValueError("first")), name="bad")
        async with pipeline(range(10), bad, stage(careless, workers=2)) as results:
            await results.receive()

    with pytest.raises(ValueError) as caught:
        await both()
    assert caught.value.__notes__ == [
        "in bad, for the item 3",
        "another worker failed, too: OSError('cleaning up 0')",
        "another worker failed, too: OSError('cleaning up 2')",
    ]


async def async_source(error: BaseException) -> AsyncIterator[int]:
    yield 1
    raise error


def plain_source(error: BaseException) -> Iterator[int]:
    yield 1
    raise error


@pytest.mark.parametrize("source", [async_source, plain_source])
@pytest.mark.parametrize("workers", [1, 3])
async def test_a_failure_of_the_source_ends_the_pipeline_with_it(source: Any, workers: int) -> None:
    error = OSError("the disk is gone")
    with pytest.raises(OSError) as caught:
        await pipeline(source(error), stage(double, workers=workers)).collect()
    assert caught.value is error


async def test_a_source_that_breaks_off_never_looks_complete() -> None:
    tx, rx = ap.open_channel[int](4)
    async with pipeline(rx, stage(double, workers=2)) as results:
        await tx.send(1)
        tx.lose(OSError("the node is gone"))
        with pytest.raises(ap.ChannelBroken) as caught:
            [n async for n in results]
    assert isinstance(caught.value.__cause__, OSError)


ENDINGS = [StopAsyncIteration(), ap.EndOfChannel(), asyncio.CancelledError()]


@SHAPES
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda error: type(error).__name__)
async def test_what_would_look_like_an_end_travels_as_the_cause_of_stagefailed(
    workers: int, ordered: bool, ending: BaseException
) -> None:
    numbers = pipeline(range(10), stage(failing_at(4, ending), workers=workers, ordered=ordered), stage(double))
    with pytest.raises(StageFailed) as caught:
        await numbers.collect()
    assert caught.value.__cause__ is ending


async def test_a_plain_function_that_raises_stopiteration_ends_nothing_silently() -> None:
    with pytest.raises(StageFailed) as caught:
        await pipeline(range(10), stage(lambda n: next(iter([])))).collect()
    assert isinstance(caught.value.__cause__, StopIteration)


class Misleading:
    def __init__(self) -> None:
        self.left = 2

    def __iter__(self) -> Misleading:
        return self

    def __next__(self) -> int:
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return self.left


async def test_a_plain_source_that_raises_stopasynciteration_ends_nothing_silently() -> None:
    with pytest.raises(StageFailed, match="the source"):
        await pipeline(Misleading(), stage(double)).collect()


async def test_a_worker_that_somebody_else_cancels_ends_the_pipeline() -> None:
    async with pipeline(range(3), stage(for_ever, name="stuck")) as results:
        await asyncio.sleep(1)
        (worker,) = [task for task in asyncio.all_tasks() if task.get_name() == "stuck"]
        worker.cancel()
        with pytest.raises(StageFailed, match="cancelled, but not by its pipeline"):
            await results.receive()


async def test_a_worker_that_is_cancelled_before_its_first_step_leaves_no_short_result() -> None:
    async with pipeline(range(3), stage(double, name="one"), stage(double)) as results:
        (worker,) = [task for task in asyncio.all_tasks() if task.get_name() == "one"]
        worker.cancel()
        with pytest.raises(ap.ChannelBroken):
            [n async for n in results]


async def test_an_item_whose_repr_raises_does_not_hide_the_failure() -> None:
    class Rude:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    error = ValueError()

    def fail(item: Any) -> None:
        raise error

    with pytest.raises(ValueError) as caught:
        await pipeline([Rude()], stage(fail)).collect()
    assert caught.value is error


# -- skip


@SHAPES
async def test_a_skipped_item_goes_to_the_dead_letters(workers: int, ordered: bool) -> None:
    error = ValueError("bad")
    letters: list[DeadLetterItem] = []
    bad = stage(failing_at(3, error), workers=workers, ordered=ordered, on_error="skip", name="bad")
    numbers = pipeline(range(6), bad, stage(double), on_dead_letter=letters.append)
    assert sorted(await numbers.collect()) == [0, 4, 8, 16, 20]
    assert letters == [DeadLetterItem("bad", 3, error)]
    first, second = numbers.view().stages
    assert (first.done, first.failed, first.skipped) == (5, 1, 1)
    assert (second.done, second.failed, second.skipped) == (5, 0, 0)


async def test_an_item_can_be_skipped_with_nobody_to_tell() -> None:
    assert await pipeline([1, 2], stage(failing_at(1, ValueError()), on_error="skip")).collect() == [4]


async def test_what_on_dead_letter_raises_ends_the_pipeline() -> None:
    error = RuntimeError("too many bad items")

    def refuse(letter: DeadLetterItem) -> None:
        raise error

    bad = stage(failing_at(1, ValueError()), on_error="skip")
    with pytest.raises(RuntimeError) as caught:
        await pipeline(range(3), bad, on_dead_letter=refuse).collect()
    assert caught.value is error


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit()], ids=lambda error: type(error).__name__)
async def test_what_is_no_exception_of_the_item_is_never_skipped_or_tried_again(error: BaseException) -> None:
    calls = 0

    async def fail(n: int) -> None:
        nonlocal calls
        calls += 1
        raise error

    numbers = pipeline(range(3), stage(fail, on_error="skip", retry=Retry(attempts=5)))
    with pytest.raises((StageFailed, ap.ChannelBroken)):
        await numbers.collect()
    assert calls == 1


# -- try again


class Flaky:
    """Fails the first `failures` times for each item."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures = failures
        self.error = error
        self.calls: list[tuple[int, float]] = []

    async def __call__(self, n: int) -> int:
        self.calls.append((n, asyncio.get_running_loop().time()))
        if sum(item == n for item, _ in self.calls) <= self.failures:
            raise self.error
        return n


@pytest.fixture(autouse=True)
def longest_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pause is the longest that it may be."""

    class Longest(random.Random):
        def random(self) -> float:
            return 1.0

    monkeypatch.setattr(env, "random", Longest())


@SHAPES
async def test_an_item_is_tried_again_until_it_succeeds(workers: int, ordered: bool) -> None:
    flaky = Flaky(2, ValueError())
    numbers = pipeline(range(5), stage(flaky, workers=workers, ordered=ordered, retry=Retry(attempts=3, base=1)))
    assert sorted(await numbers.collect()) == [0, 1, 2, 3, 4]
    assert len(flaky.calls) == 15
    (view,) = numbers.view().stages
    assert (view.done, view.failed, view.retried) == (5, 0, 10)


async def test_pauses_double_up_to_their_cap() -> None:
    flaky = Flaky(5, ValueError())
    await pipeline([0], stage(flaky, retry=Retry(attempts=6, base=1, cap=5))).collect()
    assert [when for _, when in flaky.calls] == [0, 1, 3, 7, 12, 17]


@pytest.mark.parametrize(("drawn", "expected"), [(0.0, 2.0), (0.5, 3.0), (1.0, 4.0)])
def test_a_pause_is_drawn_from_its_upper_half(drawn: float, expected: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env.random, "random", lambda: drawn)
    assert Retry(base=1, cap=100).pause(3) == expected
    assert Retry(base=1, cap=4).pause(5000) == expected


async def test_what_failed_at_the_last_attempt_is_raised() -> None:
    error = ValueError()
    flaky = Flaky(9, error)
    with pytest.raises(ValueError) as caught:
        await pipeline(range(5), stage(flaky, retry=Retry(attempts=3))).collect()
    assert caught.value is error
    assert [item for item, _ in flaky.calls] == [0, 0, 0]


async def test_an_item_is_skipped_after_its_last_attempt() -> None:
    letters: list[DeadLetterItem] = []
    flaky = Flaky(3, ValueError())
    numbers = pipeline(range(3), stage(flaky, retry=Retry(attempts=3), on_error="skip"), on_dead_letter=letters.append)
    assert await numbers.collect() == []
    assert [letter.item for letter in letters] == [0, 1, 2]
    (view,) = numbers.view().stages
    assert (view.done, view.failed, view.retried, view.skipped) == (0, 3, 6, 3)


async def test_only_the_errors_that_are_named_are_tried_again() -> None:
    flaky = Flaky(1, ValueError())
    with pytest.raises(ValueError):
        await pipeline([0], stage(flaky, retry=Retry(only=(OSError,)))).collect()
    assert len(flaky.calls) == 1


async def test_a_pause_ends_with_the_pipeline() -> None:
    flaky = Flaky(1, ValueError())
    async with pipeline([0], stage(flaky, retry=Retry(base=1000, cap=1000))):
        await asyncio.sleep(1)
    assert asyncio.get_running_loop().time() == 1


async def test_a_blocking_function_is_tried_again_in_a_thread() -> None:
    here, calls = env.thread_id(), []

    def flaky(n: int) -> int:
        assert env.thread_id() != here
        calls.append(n)
        if len(calls) < 3:
            raise OSError("busy")
        return n

    assert await pipeline([7], stage(flaky, blocking=True, retry=Retry(attempts=3, base=0))).collect() == [7]
    assert calls == [7, 7, 7]
