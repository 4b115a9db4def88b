"""A parallel map over processes: `ap.ProcessPool`, and the pools of the standard library.

The figure is wall-clock time for each task: that is what a parallel map is for. Workers are started, and have called
the function once, before the clock runs.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import actorpar as ap

from .cases import NO_LOOP, Case, Group, LoopFactory, Trial
from .measure import Sample, Stopwatch, expect

PROCESSES = 2
LONG = 0.001
ALONE, CHUNKED, EACH = "one process", "actorpar", "actorpar, chunk=1"
LIBRARY, LIBRARY_EACH = "multiprocessing.Pool", "multiprocessing.Pool, chunksize=1"
EXECUTOR, SUBMITTED = "ProcessPoolExecutor", "actorpar, submit"

Function = Callable[[int], int]
OurMap = Callable[[ap.ProcessPool, Function, range], Awaitable[list[int]]]


def nothing(n: int) -> int:
    return n


def compute(n: int) -> int:
    """Take a millisecond of processor time."""
    end = time.thread_time() + LONG
    while time.thread_time() < end:
        pass
    return n


def _sample(watch: Stopwatch, results: list[int], items: int) -> Sample:
    expect("results", results, list(range(items)))
    return Sample(items, watch.cpu, watch.wall, watch.wall / items)


def _alone(function: Function) -> Trial:
    def trial(items: int, _: LoopFactory) -> Sample:
        with Stopwatch() as watch:
            results = [function(n) for n in range(items)]
        return _sample(watch, results, items)

    return trial


def _ours(function: Function, mapped: OurMap) -> Trial:
    def trial(items: int, _: LoopFactory) -> Sample:
        async def main() -> Sample:
            async with ap.ProcessPool(PROCESSES) as pool:
                await pool.map(function, range(4 * PROCESSES))
                with Stopwatch() as watch:
                    results = await mapped(pool, function, range(items))
            return _sample(watch, results, items)

        return ap.run(main)

    return trial


async def _map(pool: ap.ProcessPool, function: Function, items: range) -> list[int]:
    return await pool.map(function, items)


async def _map_each(pool: ap.ProcessPool, function: Function, items: range) -> list[int]:
    return await pool.map(function, items, chunk=1)


async def _submit(pool: ap.ProcessPool, function: Function, items: range) -> list[int]:
    return await asyncio.gather(*[pool.submit(function, n) for n in items])


def _library(function: Function, **options: Any) -> Trial:
    def trial(items: int, _: LoopFactory) -> Sample:
        with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
            pool.map(function, range(4 * PROCESSES), chunksize=1)
            with Stopwatch() as watch:
                results = pool.map(function, range(items), **options)
            pool.close()
            pool.join()
        return _sample(watch, results, items)

    return trial


def _executor(function: Function) -> Trial:
    def trial(items: int, _: LoopFactory) -> Sample:
        with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
            list(pool.map(function, range(4 * PROCESSES)))
            with Stopwatch() as watch:
                results = list(pool.map(function, range(items)))
        return _sample(watch, results, items)

    return trial


def groups() -> list[Group]:
    cases = (
        Case(ALONE, _alone(compute)),
        Case(CHUNKED, _ours(compute, _map)),
        Case(EACH, _ours(compute, _map_each)),
        Case(LIBRARY, _library(compute)),
        Case(LIBRARY_EACH, _library(compute, chunksize=1)),
    )
    overhead = (
        Case(LIBRARY_EACH, _library(nothing, chunksize=1)),
        Case(CHUNKED, _ours(nothing, _map)),
        Case(EACH, _ours(nothing, _map_each)),
        Case(SUBMITTED, _ours(nothing, _submit)),
        Case(LIBRARY, _library(nothing)),
        Case(EXECUTOR, _executor(nothing)),
    )
    return [
        Group(
            "pool, tasks of 1 ms", f"a map over {PROCESSES} processes; each call takes 1 ms of processor time",
            1_000, cases, unit="us", loops=(NO_LOOP,),
        ),
        Group(
            "pool, overhead", f"a map over {PROCESSES} processes; the calls do nothing",
            20_000, overhead, unit="us", loops=(NO_LOOP,),
        ),
    ]  # fmt: skip
