"""Systems that have one node after another: what the first leaves, and what the second finds."""

from __future__ import annotations

import asyncio
import functools

import pytest

import actorpar as ap
from tests.nodes.meshed import mesh
from tests.remote.staff import Stock
from tests.remote.systems import SERVES, until


async def test_the_next_system_of_a_node_has_its_nodes_and_groups_and_the_first_one_leaves_nothing() -> None:
    async with mesh(2) as nodes:
        near, far = nodes.nodes
        async with ap.ActorSystem("far", node=far, serves=SERVES) as there:
            member = await there.spawn(Stock)
            there.groups.join("stocks", member)
            watchers = []
            for name in ("first", "second", "third"):
                async with ap.ActorSystem(name, node=near, serves=SERVES) as here:
                    assert [node.name for node in here.nodes] == ["n1"]
                    await until(functools.partial(here.groups.members, "stocks"))
                    stock = await here.spawn(Stock, on="n1")
                    assert await stock.ask(Stock.notes) == []
                    here.groups.join("stocks", await here.spawn(Stock))
                    await until(lambda: len(there.groups.members("stocks")) == 2)
                    watchers.append((len(near._watchers), len(near._lost_watchers)))
                await until(lambda: len(there.groups.members("stocks")) == 1)
            assert len(set(watchers)) == 1


async def test_a_reference_to_an_actor_of_a_system_that_has_ended_is_dead_before_and_after_the_next_one() -> None:
    async with mesh(2) as nodes:
        near, far = nodes.nodes
        async with ap.ActorSystem("near", node=near, serves=SERVES) as here:
            async with ap.ActorSystem("first", node=far, serves=SERVES):
                stock = await here.spawn(Stock, on="n1")
                assert await stock.ask(Stock.notes) == []
            async with asyncio.timeout(5):
                with pytest.raises(ap.ActorDead):
                    await stock.ask(Stock.notes)
            async with ap.ActorSystem("second", node=far, serves=SERVES):
                with pytest.raises(ap.ActorDead):
                    await stock.ask(Stock.notes)
                again = await here.spawn(Stock, on="n1")
                assert await again.ask(Stock.notes) == []
