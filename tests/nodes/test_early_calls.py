"""What other nodes say to actors here before there is a system waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes import early
from actorpar.nodes.complaints import Complaints
from actorpar.nodes.early import EarlyCalls
from actorpar.nodes.errors import ProtocolError
from tests.nodes.meshed import mesh
from tests.remote import subjects


class FakeLink:
    """What is asked of a link."""

    name = "n0"

    def __init__(self) -> None:
        self.is_down = False
        self.closed: list[str] = []

    def close(self, reason: str) -> None:
        self.closed.append(reason)
        self.is_down = True


def kept(calls: EarlyCalls) -> list[tuple[int, bytes, list[Any]]]:
    """What a system would get."""
    came: list[tuple[int, bytes, list[Any]]] = []
    calls.pass_on(lambda link, lane, body, buffers: came.append((lane, body, buffers)))
    return came


async def test_what_is_started_on_a_node_without_a_system_begins_with_the_system() -> None:
    async with mesh(2) as nodes, ap.ActorSystem(node=nodes.nodes[0]) as here:
        starting = asyncio.ensure_future(here.spawn(subjects.naps, 0.0, on="n1"))
        arrived = nodes.nodes[1].links[nodes.nodes[0].id].inbound
        before = arrived.next_seq
        async with asyncio.timeout(10):
            while arrived.next_seq == before:  # noqa: ASYNC110  # a condition is no event
                await asyncio.sleep(0)
            assert not starting.done()
            async with ap.ActorSystem(node=nodes.nodes[1], serves=("tests.remote",)):
                assert await (await starting) == "slept"


def test_calls_keep_their_order_and_stand_in_memory_of_their_own() -> None:
    calls, link = EarlyCalls(Complaints()), FakeLink()
    memory = bytearray(b"one")
    calls(link, 1, memoryview(memory), [b"buffer"])  # type: ignore[arg-type]
    memory[:] = b"two"
    calls(link, 2, memoryview(memory), [])  # type: ignore[arg-type]
    assert kept(calls) == [(1, b"one", [b"buffer"]), (2, b"two", [])]
    assert kept(calls) == []


@pytest.mark.parametrize("size", [0, early.BYTES // 4])
def test_no_more_waits_than_may_and_the_rest_is_counted(size: int) -> None:
    complaints, link = Complaints(), FakeLink()
    calls = EarlyCalls(complaints)
    for number in range(early.CALLS + 3):
        calls(link, number, bytes(size), [])  # type: ignore[arg-type]
    may_wait = 4 if size else early.CALLS
    assert [lane for lane, _, _ in kept(calls)] == list(range(may_wait))
    assert complaints.counters["calls before a system"] == early.CALLS + 3 - may_wait


def test_a_link_that_breaks_the_protocol_so_ends_and_says_no_more() -> None:
    calls, bad, good = EarlyCalls(Complaints()), FakeLink(), FakeLink()
    for lane, link in enumerate((bad, bad, good)):
        calls(link, lane, b"", [])  # type: ignore[arg-type]
    came: list[int] = []

    def receive(link: Any, lane: int, body: Any, buffers: list[Any]) -> None:
        came.append(lane)
        if link is bad:
            raise ProtocolError("nothing that a node asks for")

    calls.pass_on(receive)
    assert came == [0, 2]
    assert bad.closed == ["it broke the protocol: nothing that a node asks for"]
    assert good.closed == []
