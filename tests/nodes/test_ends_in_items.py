"""Ends inside items that cross links, come back, or are offered in vain (NET-20)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import actorpar as ap
from tests.nodes.meshed import Mesh, close, mesh

Reply = ap.Sender[int]


async def answers_to(end: Any, answers: ap.Receiver[int]) -> bool:
    """True if what is sent into `end` comes out of `answers`."""
    await end.send(7)
    return await asyncio.wait_for(answers.receive(), 5) == 7


async def until(true: Callable[[], object]) -> None:
    """Wait for something of which no link tells."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0)


def pinned(nodes: Mesh, capacity: int) -> tuple[Any, Any, Any]:
    """A channel of ends that is at home on node 0, with a receiver there and one on node 1."""
    tx, rx = ap.open_channel[Reply](capacity)
    return tx, rx, nodes.move(rx.clone(), 0, 1, Reply)


@pytest.mark.parametrize("capacity", [0, 1, 8])
async def test_net20_an_end_in_an_item_works_on_the_other_node(capacity: int) -> None:
    async with mesh(2) as nodes:
        tx, rx = ap.open_channel[Reply](capacity)
        rx = nodes.move(rx, 0, 1, Reply)
        reply, answers = ap.open_channel[int](1)
        sending = asyncio.create_task(tx.send(reply))
        end = await asyncio.wait_for(rx.receive(), 5)
        await sending
        assert reply.closed
        assert await answers_to(end, answers)
        close(tx, rx, end, answers)


@pytest.mark.parametrize("at", ["home", "away"])
async def test_net20_an_item_that_comes_back_from_a_node_brings_its_end_along(at: str) -> None:
    async with mesh(2) as nodes:
        tx, rx, far = pinned(nodes, 1)
        reply, answers = ap.open_channel[int](1)
        far.prefetch(1)
        await until(lambda: far.core.remote.opened)
        await tx.send(reply)
        await until(lambda: far.core.buffer)
        receiving = asyncio.create_task(rx.receive())
        if at == "home":
            far.close()
        else:
            far.prefetch(0)
        end = await asyncio.wait_for(receiving, 5)
        assert await answers_to(end, answers)
        close(tx, rx, end, answers, far)


async def test_net20_an_offer_in_vain_keeps_its_end_here() -> None:
    async with mesh(2) as nodes:
        tx, rx = ap.open_channel[Reply](0)
        tx = nodes.move(tx, 0, 1, Reply)
        reply, answers = ap.open_channel[int](1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await tx.send(reply)
        assert not reply.closed
        assert await answers_to(reply, answers)
        sending = asyncio.create_task(tx.send(reply))
        end = await asyncio.wait_for(rx.receive(), 5)
        await sending
        assert await answers_to(end, answers)
        close(tx, rx, end, answers)


@pytest.mark.parametrize("sends", [False, True])
async def test_net20_a_select_hands_an_end_over_across_nodes(sends: bool) -> None:
    async with mesh(2) as nodes:
        tx, rx, far = pinned(nodes, 0)
        reply, answers = ap.open_channel[int](1)
        sending = asyncio.create_task(ap.select(ap.send_to(tx, reply)) if sends else tx.send(reply))
        _, end = await asyncio.wait_for(ap.select(far, ap.never()), 5)
        await sending
        assert await answers_to(end, answers)
        assert end is not None
        close(tx, rx, far, end, answers)


@pytest.mark.parametrize("receivers", ["one more", "no other"])
async def test_net20_an_end_that_was_on_its_way_to_an_end_that_closes_is_not_lost(receivers: str) -> None:
    async with mesh(2) as nodes:
        tx, rx = ap.open_channel[Reply](1)
        far = nodes.move(rx.clone(), 0, 1, Reply)
        reply, answers = ap.open_channel[int](1)
        far.prefetch(1)
        await until(lambda: any(stub.wanted for stub in rx.core.remote.receivers))
        await tx.send(reply)
        far.close()  # before it arrives
        if receivers == "one more":
            end = await asyncio.wait_for(rx.receive(), 5)
            assert await answers_to(end, answers)
            close(end, rx)
        else:
            rx.close()
            with pytest.raises(ap.EndOfChannel):
                await asyncio.wait_for(answers.receive(), 5)
        await until(
            lambda: not any(len(node.links) and link.ends for node in nodes.nodes for link in node.links.values())
        )
        close(tx, answers)
