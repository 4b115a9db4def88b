"""The types go through a pipeline from end to end: mypy and pyright check what is asserted here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import actorpar as ap
from actorpar.flow.pipeline import Pipeline, pipeline
from actorpar.flow.results import Results
from actorpar.flow.source import iterate_in_thread
from actorpar.flow.stage import Stage, stage
from actorpar.flow.view import View


async def parse(text: str) -> int:
    return int(text)


def half(n: int) -> float:
    return n / 2


async def show(x: float) -> str:
    return str(x)


async def size(text: object) -> int:
    return len(str(text))


async def test_a_stage_knows_its_items_and_its_results() -> None:
    assert_type(stage(parse), Stage[str, int])
    assert_type(stage(parse, workers=4, ordered=False, window=None), Stage[str, int])
    assert_type(stage(half), Stage[int, float])
    assert_type(stage(half, blocking=True, workers=2), Stage[int, float])


async def test_a_function_that_returns_an_awaitable_is_as_good_as_an_async_one() -> None:
    def started(text: str) -> asyncio.Task[int]:
        return asyncio.create_task(parse(text))

    assert_type(stage(started), Stage[str, int])
    assert await pipeline(["1"], stage(started)).collect() == [1]


async def test_the_results_have_the_type_that_the_last_stage_gives() -> None:
    async with pipeline(["1", "2"], stage(parse), stage(half), stage(show)) as results:
        assert_type(results, Results[str])
        assert_type(await results.receive(), str)
        async for text in results:
            assert_type(text, str)
        assert_type(results.view(), View)
    assert_type(await pipeline(["1"], stage(parse)).collect(), list[int])
    assert_type(await pipeline(["1"], stage(parse)).run(), View)


async def test_a_chain_of_up_to_six_stages_is_typed() -> None:
    a, b, c, d = stage(parse), stage(half), stage(show), stage(size)
    assert_type(pipeline(["1"], a), Pipeline[int])
    assert_type(pipeline(["1"], a, b), Pipeline[float])
    assert_type(pipeline(["1"], a, b, c), Pipeline[str])
    assert_type(pipeline(["1"], a, b, c, d), Pipeline[int])
    assert_type(pipeline(["1"], a, b, c, d, b), Pipeline[float])
    assert_type(pipeline(["1"], a, b, c, d, b, c, capacity=3), Pipeline[str])
    assert_type(pipeline(["1"], a, b, c, d, b, c, d), Pipeline[Any])
    assert await pipeline(["1"], a, b, c, d, b, c, d, capacity=3).collect() == [3]


async def test_every_kind_of_source_carries_its_type() -> None:
    async def texts() -> AsyncIterator[str]:
        yield "1"

    def lines() -> Iterator[str]:
        yield "1"

    tx, rx = ap.open_channel[str](1)
    tx.send_nowait("1")
    tx.close()
    assert_type(pipeline(rx, stage(parse)), Pipeline[int])
    assert await pipeline(rx, stage(parse)).collect() == [1]
    assert_type(pipeline(texts(), stage(parse)), Pipeline[int])
    assert_type(pipeline(lines(), stage(parse)), Pipeline[int])
    assert_type(pipeline(iterate_in_thread(lines()), stage(parse)), Pipeline[int])
    async with pipeline({"1": None}, stage(parse)) as numbers, pipeline(numbers, stage(half)) as results:
        assert_type(await results.receive(), float)


async def test_a_stage_takes_the_items_of_a_subtype() -> None:
    assert_type(pipeline([True], stage(half), stage(size)), Pipeline[int])


def misuse() -> None:
    """Never run: what the checkers refuse."""
    pipeline([1], stage(parse))  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    pipeline(["1"], stage(parse), stage(parse))  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    pipeline(["1"], parse)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    stage(parse, blocking=True)  # this one only the program refuses: a plain function may return an awaitable
