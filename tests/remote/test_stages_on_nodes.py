"""Stages of a pipeline that run on other nodes: the results and the order of one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes.errors import NodeDown, RemoteError
from tests.nodes.meshed import Mesh, mesh
from tests.parallel import chores

SERVES = ("tests.parallel.chores",)


@asynccontextmanager
async def systems(count: int, **options: Any) -> AsyncIterator[tuple[ap.ActorSystem, Mesh]]:
    """A system on each of several nodes; the first is given."""
    async with mesh(count, **options) as nodes, AsyncExitStack() as stack:
        made = [ap.ActorSystem(node.name, node=node, serves=SERVES, shutdown=0.5) for node in nodes.nodes]
        for system in reversed(made):
            await stack.enter_async_context(system)
        yield made[0], nodes


@pytest.mark.parametrize("where", [{"on": "n1"}, {"per_node": 2}, {"on": "n2", "per_node": 3}, {"on": "n0"}])
async def test_a_stage_on_nodes_gives_the_results_in_order(where: dict[str, Any]) -> None:
    async with systems(3) as (system, _):
        stages = ap.stage(chores.square, **where), ap.stage(chores.later, workers=3)
        assert await ap.pipeline(range(200), *stages, system=system).collect() == [n * n + 1 for n in range(200)]


async def test_stages_follow_each_other_on_nodes_and_here() -> None:
    async with systems(3) as (system, _):
        stages = ap.stage(chores.later, on="n1", per_node=4), ap.stage(chores.square), ap.stage(chores.later, on="n2")
        assert await ap.pipeline(range(50), *stages, system=system).collect() == [(n + 1) ** 2 + 1 for n in range(50)]


async def test_an_unordered_stage_gives_them_as_they_are_ready() -> None:
    async with systems(3) as (system, _):
        stage = ap.stage(chores.nap, per_node=1, ordered=False, blocking=True)
        results = await ap.pipeline([0.2, 0.0, 0.0, 0.0], stage, system=system).collect()
        assert (results[0], sorted(results)) == (0.0, [0.0, 0.0, 0.0, 0.2])


async def test_without_other_nodes_it_runs_here() -> None:
    async with systems(1) as (system, _):
        assert await ap.pipeline(range(9), ap.stage(chores.square, per_node=2), system=system).collect() == [
            n * n for n in range(9)
        ]


async def test_a_failure_over_there_ends_the_pipeline_or_is_skipped() -> None:
    async with systems(2) as (system, _):
        with pytest.raises(RemoteError, match="seven is never right"):
            await ap.pipeline(range(4, 9), ap.stage(chores.refuse, on="n1"), system=system).collect()
        letters: list[ap.DeadLetterItem] = []
        stage = ap.stage(chores.refuse, on="n1", on_error="skip")
        kept = await ap.pipeline(range(9), stage, system=system, on_dead_letter=letters.append).collect()
        assert kept == [0, 1, 2, 4, 5, 6, 8]
        assert [(letter.item, type(letter.error)) for letter in letters] == [(3, ap.Reject), (7, RemoteError)]


@pytest.mark.parametrize("retry", [None, ap.Retry(only=(ap.WorkerLost,), base=0.001)])
async def test_what_a_lost_node_had_in_hand_fails_or_is_done_again(retry: ap.Retry | None) -> None:
    async with systems(3) as (system, nodes):
        stage = ap.stage(chores.later, per_node=2, retry=retry)
        results: list[int] = []

        async def run() -> None:
            async with ap.pipeline(range(400), stage, system=system) as later:
                async for result in later:
                    results.append(result)
                    if len(results) == 100:
                        await nodes.nodes[1].close()

        if retry is None:
            with pytest.raises(ap.WorkerLost, match="n1 is lost"):
                await run()
        else:
            await run()
            assert results == list(range(1, 401))


async def test_the_last_node_that_is_lost_ends_the_pipeline_with_its_name() -> None:
    async with systems(2) as (system, nodes):
        retry = ap.Retry(attempts=3, base=0.001)

        async def run() -> None:
            async with ap.pipeline(range(400), ap.stage(chores.later, on="n1", retry=retry), system=system) as later:
                await later.receive()
                await nodes.nodes[1].close()
                async for _ in later:
                    pass

        with pytest.raises((NodeDown, ap.WorkerLost), match=r"label .n1.|n1 is lost"):
            await run()


async def test_what_makes_no_sense_is_refused_before_anything_starts() -> None:
    with pytest.raises(ap.InvalidPipeline, match="say of which system"):
        ap.pipeline([1], ap.stage(chores.square, on="n1"))
    with pytest.raises(ap.InvalidPipeline, match="has per_node=4"):
        ap.stage(chores.square, per_node=2, workers=4)
    with pytest.raises(ap.InvalidPipeline, match="per_node must be"):
        ap.stage(chores.square, per_node=0)
    async with systems(2) as (system, _):
        with pytest.raises(NodeDown, match="no node has the name or the label 'gpu'"):
            await ap.pipeline([1], ap.stage(chores.square, on="gpu"), system=system).collect()


async def test_leaving_early_ends_the_workers_on_the_nodes() -> None:
    async with systems(3) as (system, nodes):
        async with ap.pipeline(range(10_000), ap.stage(chores.later, per_node=2), system=system) as later:
            assert await later.receive() == 1
        async with asyncio.timeout(5):
            while any(link.ends for node in nodes.nodes for link in node.links.values()):  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.002)
