"""Streams between ranks over messages that arrive when they like, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from actorpar.channels import env
from actorpar.nodes.errors import ProtocolError
from actorpar.nodes.mpi.packets import END, HEADER, INLINE, PACKET, WINDOW
from actorpar.nodes.mpi.poller import REST
from tests.nodes.mpi.fabric import Collector, Ranks

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Ranks]:
    """Two ranks, of which none has been opened."""
    ranks = Ranks(tmp_path)
    yield ranks
    ranks.end()


async def until(condition: Callable[[], Any], seconds: float = 0.5) -> None:
    """Wait until something is true; virtual seconds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await env.sleep(1e-5)


def pieces(seed: int, count: int) -> list[bytes]:
    """Pieces of a stream of all sizes."""
    draw = random.Random(seed)
    sizes = [1, 20, INLINE, INLINE + 1, PACKET - 1, PACKET, PACKET + 1, 5 * PACKET]
    return [draw.randbytes(draw.choice(sizes)) for _ in range(count)]


@pytest.mark.parametrize("seed", range(8))
async def test_what_both_write_comes_in_order_however_late_messages_leave_and_bulks_arrive(
    pair: Ranks, seed: int
) -> None:
    draw = random.Random(seed)
    sinks = pair.open(0, 1, 1000), pair.open(1, 0)  # one has less room than a bulk
    written = bytearray(), bytearray()
    for each in pieces(seed, 120):
        rank = draw.randrange(2)
        parts = [each[: len(each) // 3], each[len(each) // 3 :]] if draw.random() < 0.5 else [each]
        pair.stream(rank, 1 - rank).write(list(parts))
        written[rank].extend(each)
        pair.fabric.bulks_arrive = draw.random() < 0.7
        pair.fabric.leaves_at_once = draw.random() < 0.8
        if draw.random() < 0.3:
            await env.sleep(draw.choice([0, 1e-3, REST]))
    pair.fabric.bulks_arrive = pair.fabric.leaves_at_once = True
    await until(lambda: len(sinks[0].came) == len(written[1]) and len(sinks[1].came) == len(written[0]))
    assert (sinks[0].came, sinks[1].came) == (written[1], written[0])
    await until(pair.is_quiet)
    assert pair.fabric.unmatched() == 0
    assert [pair.stream(rank, 1 - rank).out.on_the_way for rank in range(2)] == [0, 0], "sleepers owe nothing"


async def test_who_writes_more_than_may_be_on_its_way_is_told_when_there_is_room(pair: Ranks) -> None:
    sink = pair.open(1, 0)
    writer = pair.open(0, 1)
    stream = pair.stream(0, 1)
    assert [stream.write([b"x"]) for _ in range(WINDOW + 2)] == [True] * WINDOW + [False] * 2
    assert writer.writables == 0
    await until(lambda: len(sink.came) == WINDOW + 2)
    assert writer.writables == 1


async def test_an_empty_piece_behind_a_large_one_costs_nothing(pair: Ranks) -> None:
    sink = pair.open(1, 0)
    for _ in range(2 * WINDOW):
        pair.stream(0, 1).write([b"x", bytes(INLINE + 1), b""])
    await until(lambda: len(sink.came) == 2 * WINDOW * (INLINE + 2))
    await until(pair.is_quiet)
    assert pair.stream(0, 1).out.on_the_way == 0


async def test_a_bulk_is_received_where_the_sink_has_said(pair: Ranks) -> None:
    sink = pair.open(1, 0, 4 * PACKET)
    pair.stream(0, 1).write([b"head", b"b" * 3 * PACKET, b"tail"])
    await until(lambda: len(sink.came) == 3 * PACKET + 8)
    assert bytes(sink.memory[4:8]) == b"bbbb"
    assert sink.came == b"head" + b"b" * 3 * PACKET + b"tail"


async def test_packets_behind_a_bulk_wait_for_it_and_so_does_the_end(pair: Ranks) -> None:
    sink = pair.open(1, 0)
    pair.open(0, 1)
    pair.fabric.bulks_arrive = False
    stream = pair.stream(0, 1)
    stream.write([b"b" * (INLINE + 1)])
    stream.write([b"behind"])
    stream.close()
    await env.sleep(1.0)
    assert (bytes(sink.came), sink.ends) == (b"", [])
    pair.fabric.bulks_arrive = True
    await until(lambda: sink.ends)
    assert sink.came == b"b" * (INLINE + 1) + b"behind"
    assert sink.ends == [None]


async def test_what_came_before_the_stream_was_opened_is_told_then(pair: Ranks) -> None:
    pair.stream(0, 1).write([b"early"])
    await env.sleep(1.0)
    assert pair.open(1, 0).came == b"early"


async def test_a_sink_may_hand_over_in_the_midst_of_a_packet(pair: Ranks) -> None:
    first, second = pair.open(1, 0, 3), Collector()
    first.on_advance = lambda: pair.stream(1, 0).hand_over(second)
    pair.stream(0, 1).write([b"onetwo"])
    await until(lambda: second.came)
    assert (bytes(first.came), bytes(second.came)) == (b"one", b"two")


@pytest.mark.parametrize("both", [False, True])
async def test_closing_with_bulks_under_way_leaves_none_unmatched(pair: Ranks, both: bool) -> None:
    sinks = pair.open(0, 1), pair.open(1, 0)
    pair.fabric.bulks_arrive = False
    for rank in range(2):
        pair.stream(rank, 1 - rank).write([b"b" * 2 * PACKET, b"c" * 2 * PACKET, b"d"])
    await env.sleep(0.1)
    pair.stream(0, 1).close()
    if both:
        pair.stream(1, 0).abandon()
    await env.sleep(0.1)
    pair.fabric.bulks_arrive = True
    await until(lambda: sinks[0].ends and (sinks[1].ends or both))
    assert sinks[0].ends == [None]
    assert sinks[1].ends == ([] if both else [None]), "one that is abandoned is not told"
    assert await pair.close() == [True, True]
    assert pair.fabric.unmatched() == 0
    assert all(wire.is_closed for wire in pair.wires)


async def test_an_error_of_mpi_ends_all_streams_with_it(pair: Ranks, caplog: pytest.LogCaptureFixture) -> None:
    sink = pair.open(0, 1)
    error = pair.wires[0].error = RuntimeError("no such rank")
    await until(lambda: sink.ends)
    assert sink.ends == [error]
    assert pair.pollers[0].is_closed
    assert "MPI failed at rank 0, so its links end" in caplog.text
    assert not await pair.pollers[0].close(0.05)


async def test_a_breach_of_the_protocol_ends_that_stream_alone(tmp_path: Path) -> None:
    ranks = Ranks(tmp_path, 3)
    bad, good = ranks.open(0, 1), ranks.open(0, 2)
    ranks.pollers[1].send(0, HEADER.pack(5, 0, 0))
    ranks.stream(2, 0).write([b"goes on"])
    await until(lambda: bad.ends and good.came)
    assert [type(each) for each in bad.ends] == [ProtocolError]
    assert (bytes(good.came), good.ends) == (b"goes on", [])
    assert await ranks.close() == [True] * 3


async def test_a_rank_that_is_lost_ends_its_stream_once_and_nothing_waits_for_it(pair: Ranks) -> None:
    sink = pair.open(0, 1)
    pair.fabric.bulks_arrive = pair.fabric.leaves_at_once = False
    pair.stream(0, 1).write([b"b" * (INLINE + 1)])
    pair.stream(1, 0).write([b"b" * (INLINE + 1)])
    await env.sleep(0.1)
    pair.pollers[0].lost(1)
    pair.pollers[0].lost(1)
    assert sink.ends == [None]
    assert pair.stream(0, 1).write([b"to nobody"])
    await until(lambda: not pair.pollers[0]._is_awake)
    assert not await pair.pollers[0].close(0.0)


async def test_a_rank_with_nothing_to_do_sleeps_and_is_woken_at_once(pair: Ranks) -> None:
    sink = pair.open(1, 0)
    await until(pair.is_quiet)
    slept = pair.pollers[1].sleeps
    await env.sleep(20 * REST)
    assert pair.pollers[1].sleeps - slept == pytest.approx(20, abs=2), "one look in each REST"
    await until(pair.is_quiet)
    began = env.clock()
    pair.stream(0, 1).write([b"wake up"])
    await until(lambda: sink.came)
    assert env.clock() - began < REST / 10
    assert pair.pollers[1].bells.heard == 1


async def test_after_a_message_a_rank_with_a_core_of_its_own_goes_on_looking_for_a_while(tmp_path: Path) -> None:
    ranks = Ranks(tmp_path, spin=0.01)
    sink = ranks.open(1, 0)
    ranks.stream(0, 1).write([b"x"])
    await until(lambda: sink.came)
    before = ranks.pollers[1].sleeps
    await env.sleep(0.005)
    assert (ranks.pollers[1].sleeps, ranks.pollers[1]._is_awake) == (before, True)
    await env.sleep(0.02)
    assert (ranks.pollers[1].sleeps, ranks.pollers[1]._is_awake) == (before + 1, False)
    assert await ranks.close() == [True, True]


async def test_ranks_end_together_or_say_that_one_has_not_come(pair: Ranks) -> None:
    began = env.clock()
    assert not await pair.pollers[0].close(0.0)
    assert env.clock() == began


async def test_the_end_of_a_stream_is_a_packet_of_its_own(pair: Ranks) -> None:
    pair.open(0, 1)
    pair.stream(0, 1).close()
    assert HEADER.unpack(pair.fabric.inboxes[1][0][1]) == (0, END, 0)


@pytest.mark.parametrize("seed", range(6))
async def test_ranks_of_different_hosts_wake_each_other_and_sleep_only_when_all_is_acknowledged(
    tmp_path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    apart = Ranks(tmp_path, apart=True)
    sinks = apart.open(0, 1), apart.open(1, 0)
    written = bytearray(), bytearray()
    for _ in range(40):
        rank = draw.randrange(2)
        for each in pieces(draw.randrange(1000), draw.randrange(1, 12)):
            apart.stream(rank, 1 - rank).write([each])
            written[rank].extend(each)
        began = apart.fabric.clock.time()
        await until(lambda: len(sinks[0].came) == len(written[1]) and len(sinks[1].came) == len(written[0]))
        assert apart.fabric.clock.time() - began < REST, "it was woken, and has not looked by itself"
        if draw.random() < 0.5:
            await until(apart.is_quiet)
            assert [apart.stream(rank, 1 - rank).out.on_the_way for rank in range(2)] == [0, 0]
    assert (sinks[0].came, sinks[1].came) == (written[1], written[0])
    assert all(await apart.close())
