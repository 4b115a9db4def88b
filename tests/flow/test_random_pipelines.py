"""Random pipelines, delays and failures give what a list comprehension gives, in bounded memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actorpar as ap
from actorpar.flow.pipeline import Pipeline, pipeline
from actorpar.flow.retry import Retry
from actorpar.flow.stage import DeadLetterItem, Stage, stage
from actorpar.testing import live_processes, run_virtual

from .functions import Meter

ITEMS = 20


class Bad(Exception):
    """What a function of these tests raises."""


@dataclass(frozen=True)
class Plan:
    """A stage, and what becomes of each item in it."""

    workers: int
    ordered: bool
    more_window: int
    on_error: Literal["fail", "skip"]
    attempts: int
    #: Seconds for each item, by its number.
    delays: tuple[int, ...]
    #: How often each item fails, by its number.
    failures: tuple[int, ...]

    def fails(self, number: int) -> bool:
        return self.failures[number] >= self.attempts

    @property
    def room(self) -> int:
        """How many items the stage may have in hand."""
        return self.workers + self.more_window if self.ordered and self.workers > 1 else self.workers


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    bad = st.one_of(st.just(0), st.just(0), st.just(0), st.integers(0, 3))
    return Plan(
        workers=draw(st.integers(1, 4)),
        ordered=draw(st.booleans()),
        more_window=draw(st.integers(0, 5)),
        on_error=draw(st.sampled_from(["fail", "skip"])),
        attempts=draw(st.integers(1, 3)),
        delays=tuple(draw(st.lists(st.integers(0, 5), min_size=ITEMS, max_size=ITEMS))),
        failures=tuple(draw(st.lists(bad, min_size=ITEMS, max_size=ITEMS))),
    )


def step(place: int, value: tuple[int, int]) -> tuple[int, int]:
    """What the stage at this place makes of an item, which carries its number."""
    number, text = value
    return number, 10 * text + place


def declare(plan: Plan, place: int) -> Stage[tuple[int, int], tuple[int, int]]:
    tries: Counter[int] = Counter()

    async def work(value: tuple[int, int]) -> tuple[int, int]:
        await asyncio.sleep(plan.delays[value[0]])
        tries[value[0]] += 1
        if tries[value[0]] <= plan.failures[value[0]]:
            raise Bad(place, value[0])
        return step(place, value)

    window = plan.room if plan.ordered and plan.workers > 1 else None
    retry = Retry(attempts=plan.attempts, base=1) if plan.attempts > 1 else None
    return stage(
        work, workers=plan.workers, ordered=plan.ordered, window=window, on_error=plan.on_error, retry=retry,
        name=str(place),
    )  # fmt: skip


@dataclass
class Expected:
    """What a list comprehension says."""

    results: list[tuple[int, int]]
    skipped: set[tuple[int, int]]
    failures: set[tuple[int, int]]


def model(stages: list[Plan]) -> Expected:
    expected = Expected([(number, 0) for number in range(ITEMS)], set(), set())
    for place, plan in enumerate(stages):
        bad = {(place, number) for number, _ in expected.results if plan.fails(number)}
        (expected.failures if plan.on_error == "fail" else expected.skipped).update(bad)
        expected.results = [step(place, value) for value in expected.results if not plan.fails(value[0])]
    return expected


async def plain(meter: Meter, run: Callable[[Any], Awaitable[None]]) -> None:
    await run((number, 0) for number in meter.source(ITEMS))


async def asynchronous(meter: Meter, run: Callable[[Any], Awaitable[None]]) -> None:
    await run((number, 0) async for number in meter.asource(ITEMS))


async def channel(meter: Meter, run: Callable[[Any], Awaitable[None]]) -> None:
    async def send(tx: ap.Sender[tuple[int, int]]) -> None:
        try:
            for number in meter.source(ITEMS):
                await tx.send((number, 0))
        except ap.ChannelBroken:
            pass

    async with ap.ProcessGroup() as group:
        tx, rx = ap.open_channel[tuple[int, int]](1)
        group.spawn(send, tx)
        await run(rx)


@pytest.mark.virtual_time
@given(
    stages=st.lists(plans(), min_size=1, max_size=4),
    source=st.sampled_from([plain, asynchronous, channel]),
    capacity=st.integers(0, 4),
    pace=st.integers(0, 4),
)
def test_a_random_pipeline_gives_what_a_list_comprehension_gives(
    stages: list[Plan], source: Callable[..., Awaitable[None]], capacity: int, pace: int
) -> None:
    meter = Meter()
    got: list[tuple[int, int]] = []
    letters: list[DeadLetterItem] = []
    failed: list[Bad] = []

    async def run(items: Any) -> None:
        declared = [declare(plan, place) for place, plan in enumerate(stages)]
        numbers: Pipeline[Any] = pipeline(items, *declared, capacity=capacity, on_dead_letter=letter_came)
        try:
            async with numbers as results:
                async for value in results:
                    got.append(value)
                    meter.given += 1
                    await asyncio.sleep(pace)
        except Bad as bad:
            failed.append(bad)
        view = numbers.view()
        assert sum(part.skipped for part in view.stages) == len(letters)
        assert all(part.busy == part.workers == 0 for part in view.stages)

    def letter_came(letter: DeadLetterItem) -> None:
        meter.given += 1
        letters.append(letter)

    async def main() -> None:
        await source(meter, run)
        assert live_processes() == []

    run_virtual(main)

    expected = model(stages)
    dead = {(int(letter.stage), letter.item[0]) for letter in letters}
    before = {"plain": 0, "asynchronous": capacity + 1, "channel": 1 + 1}[source.__name__]
    bound = before + sum(plan.room for plan in stages) + capacity * len(stages) + 1  # and one that the consumer has
    assert meter.most <= bound
    in_order = all(plan.ordered or plan.workers == 1 for plan in stages)
    if failed:
        (bad,) = failed
        assert bad.args in expected.failures
        assert Counter(got) <= Counter(expected.results)
        assert dead <= expected.skipped
        if in_order:
            first_bad = min(number for _, number in expected.failures)
            assert got == expected.results[: len(got)]
            assert all(number < first_bad for number, _ in got)
    else:
        assert expected.failures == set()
        assert Counter(got) == Counter(expected.results)
        assert dead == expected.skipped
        if in_order:
            assert got == expected.results
