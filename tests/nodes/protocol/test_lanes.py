"""Who goes when: control, lanes and fragments, and how much of it may be under way."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorpar.nodes.errors import CodecError
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.protocol.frame import HEADER, MOST_BUFFERS, PLAIN
from actorpar.nodes.protocol.inbound import Inbound
from actorpar.nodes.protocol.outbound import FRAGMENT_ALONE, FRAGMENT_SHARED, QUANTUM, Outbound

from .wire import bytes_of, feed, reading

KIB = 1024


def head_of(out: list[Any]) -> tuple[int, int]:
    """The lane and the bytes of the single frame that was taken."""
    return HEADER.unpack(out[0])[4], sum(map(len, out))


def test_net32_data_waits_for_acknowledgements_and_control_does_not() -> None:
    outbound = Outbound(resumable=True, unacked_limit=100)
    outbound.message(frames.ITEMS, 1, bytes(150))
    outbound.message(frames.ITEMS, 1, b"later")
    assert len(bytes_of(outbound)) == HEADER.size + 150
    outbound.control(b"credit")
    assert bytes_of(outbound).endswith(b"credit")
    outbound.acked(2)
    assert b"later" in bytes_of(outbound)


def test_net39_control_overtakes_data_and_connection_frames_overtake_both() -> None:
    outbound = Outbound(resumable=False)
    outbound.message(frames.ITEMS, 1, b"data")
    outbound.control(b"control")
    outbound.connection(frames.HEARTBEAT, b"beat")
    kinds = [told[0] for told in feed(reading(Inbound()), bytes_of(outbound))]
    assert kinds == [frames.HEARTBEAT, frames.CONTROL, frames.ITEMS]


def test_net38_a_message_of_100_mib_delays_another_lane_by_one_fragment() -> None:
    outbound = Outbound(resumable=False)
    outbound.message(frames.ITEMS, 1, b"", [bytes(100 << 20)])
    outbound.take(1)  # the beginning
    outbound.take(1)  # one fragment, of 1 MiB, for it is alone
    for number in range(5):
        small = b"small %d" % number
        outbound.message(frames.ITEMS, 2, small)
        between = 0
        while small not in (chunk := outbound.take(1)):
            between += sum(map(len, chunk))
        assert between <= FRAGMENT_SHARED + HEADER.size


def test_net38_lanes_take_turns() -> None:
    outbound = Outbound(resumable=False)
    for lane in (1, 2, 3):
        for _ in range(3):
            outbound.message(frames.ITEMS, lane, bytes(40_000))
    lanes = [told[1] for told in feed(reading(Inbound()), bytes_of(outbound))]
    assert lanes == [1, 2, 3, 1, 1, 2, 2, 3, 3]  # a turn is 64 KiB, and what was left of the first one is kept


sizes = st.one_of(st.integers(0, 100), st.integers(0, PLAIN), st.integers(PLAIN + 1, 400 * KIB))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(sizes, min_size=1, max_size=4), min_size=2, max_size=4))
def test_net38_lanes_that_have_something_to_send_get_the_same_share_in_bytes(backlogs: list[list[int]]) -> None:
    outbound = Outbound(resumable=False)
    for lane, backlog in enumerate(backlogs, 1):
        for size in itertools.islice(itertools.cycle([*backlog, 1000]), 40):
            outbound.message(frames.ITEMS, lane, bytes(size))
    sent = dict.fromkeys(range(1, len(backlogs) + 1), 0)
    for _ in range(150):
        lane, size = head_of(outbound.take(1))
        sent[lane] += size
        if len(outbound._lanes) < len(backlogs):
            break
        assert max(sent.values()) - min(sent.values()) <= 2 * QUANTUM


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(sizes, min_size=1, max_size=4), min_size=1, max_size=4), st.integers(0, 60))
def test_net38_a_small_message_waits_at_most_one_turn_of_each_other_lane(backlogs: list[list[int]], when: int) -> None:
    outbound = Outbound(resumable=False)
    for lane, backlog in enumerate(backlogs, 1):
        for size in itertools.islice(itertools.cycle(backlog), 30):
            outbound.message(frames.ITEMS, lane, bytes(size))
    for _ in range(when):
        outbound.take(1)
    outbound.message(frames.ITEMS, 9, b"small")
    delay = 0
    while (taken := head_of(outbound.take(1)))[0] != 9:
        delay += taken[1]
    assert delay < 2 * QUANTUM * len(backlogs)


def test_net38_large_messages_of_many_lanes_go_on_in_turns_of_one_fragment() -> None:
    outbound = Outbound(resumable=False)
    for lane in (1, 2, 3):
        outbound.message(frames.ITEMS, lane, bytes(4 * FRAGMENT_SHARED))
    lanes = [head_of(outbound.take(1))[0] for _ in range(3 * 5)]
    assert lanes == [1, 2, 3] * 5  # the frames that begin the messages, and four fragments of each


def test_net38_a_lane_that_is_alone_sends_fragments_of_1_mib() -> None:
    outbound = Outbound(resumable=False)
    outbound.message(frames.ITEMS, 1, b"", [bytes(3 << 20)])
    outbound.take(1)
    assert [head_of(outbound.take(1))[1] - HEADER.size for _ in range(3)] == [FRAGMENT_ALONE] * 3
    assert not outbound.pending


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 190 * KIB)), min_size=1, max_size=12))
def test_net40_who_keeps_to_the_limit_of_a_message_never_meets_another_limit(sent: list[tuple[int, int]]) -> None:
    limit = 190 * KIB
    outbound, inbound = Outbound(resumable=False, message_limit=limit), Inbound(message_limit=limit)
    for number, (lane, size) in enumerate(sent):
        outbound.message(frames.ITEMS, lane, bytes([number]) * size)
    reader, told = reading(inbound), []
    while out := outbound.take(1):
        told += feed(reader, b"".join(map(bytes, out)))
        assert inbound._held <= limit
    for lane in (1, 2, 3, 4):
        expected = [bytes([number]) * size for number, (each, size) in enumerate(sent) if each == lane]
        assert [body for _, each, body, _ in told if each == lane] == expected
    assert not outbound.pending
    assert outbound.queued == 0


def test_net38_a_large_message_that_waits_for_another_is_not_overtaken_for_ever() -> None:
    outbound = Outbound(resumable=False, message_limit=300 * KIB)
    outbound.message(frames.ITEMS, 1, bytes(200 * KIB))
    outbound.message(frames.ITEMS, 2, bytes(290 * KIB))  # has to wait for the first
    outbound.take(1)
    outbound.take(1)
    for lane in range(3, 9):
        outbound.message(frames.ITEMS, lane, bytes(100 * KIB))  # these would find room beside the first
    begun = []
    while out := outbound.take(1):
        _, _, flags, _, lane, _ = HEADER.unpack(out[0])
        if flags == frames.BEGIN:
            begun.append(lane)
    assert begun == list(range(2, 9))


def test_net38_small_messages_stay_behind_the_large_one_of_their_lane_that_waits() -> None:
    outbound = Outbound(resumable=False, message_limit=100 * KIB)
    outbound.message(frames.ITEMS, 1, bytes(90 * KIB))
    outbound.take(1)
    outbound.message(frames.ITEMS, 2, bytes(80 * KIB))
    outbound.take(1)
    outbound.message(frames.ITEMS, 2, b"behind")
    assert bytes_of(outbound).endswith(b"behind")


@pytest.mark.parametrize("budget", [1, 1000, 1 << 20])
@pytest.mark.parametrize("limit", [1, 10 * KIB, 500 * KIB])
def test_net32_what_is_unacknowledged_is_bounded(budget: int, limit: int) -> None:
    outbound = Outbound(resumable=True, unacked_limit=limit)
    for size in (10, 60 * KIB, 5 << 20, 100) * 3:
        outbound.message(frames.ITEMS, 1, bytes(size))
    inbound = Inbound()
    reader, told, most = reading(inbound), 0, 0
    while outbound.pending:
        told += len(feed(reader, bytes_of(outbound, budget)))
        most = max(most, outbound.unacked)
        outbound.acked(inbound.next_seq)
    assert told == 12
    assert most <= limit + HEADER.size + FRAGMENT_ALONE
    assert (outbound.unacked, outbound.queued) == (0, 0)


@pytest.mark.parametrize("buffers", [[], [b""], [b"abc"], [b"", bytes(100), b""], [bytes(100 * KIB)]])
@pytest.mark.parametrize("size", [0, 1, PLAIN, PLAIN + 1])
def test_net32_what_is_queued_is_counted_and_leaves_nothing_behind(size: int, buffers: list[bytes]) -> None:
    outbound = Outbound(resumable=False)
    outbound.message(frames.ITEMS, 1, bytes(size), buffers)
    assert outbound.queued >= size + sum(map(len, buffers))
    ((_, _, body, got),) = feed(reading(Inbound()), bytes_of(outbound, 1))
    assert (body, got) == (bytes(size), buffers)
    assert not outbound.pending
    assert outbound.queued == 0


def test_net40_a_message_that_no_frame_can_carry_is_refused_at_once_and_nothing_is_queued() -> None:
    outbound = Outbound(resumable=True)
    with pytest.raises(CodecError, match="in parts"):
        outbound.control(bytes(PLAIN + 1))
    with pytest.raises(CodecError, match="fewer at a time"):
        outbound.message(frames.ITEMS, 1, b"", [b""] * (MOST_BUFFERS + 1))
    assert not outbound.pending
    assert outbound.queued == 0
    outbound.control(bytes(PLAIN))
    outbound.message(frames.ITEMS, 1, b"", [b"x"] * MOST_BUFFERS)
    assert len(feed(reading(Inbound()), bytes_of(outbound))) == 2


def test_net38_arrays_of_any_shape_go_as_their_bytes() -> None:
    import numpy as np

    outbound = Outbound(resumable=False)
    arrays: list[Any] = [
        np.arange(30_000, dtype=np.float64).reshape(300, 100),
        np.zeros((0, 3)),
        np.ones((2, 2), np.int16),
    ]
    outbound.message(frames.ITEMS, 1, b"body", [memoryview(array) for array in arrays])
    ((_, _, body, buffers),) = feed(reading(Inbound()), bytes_of(outbound))
    assert (body, buffers) == (b"body", [array.tobytes() for array in arrays])


def test_net38_a_lane_that_falls_empty_keeps_nothing_of_its_turn() -> None:
    outbound, reader = Outbound(resumable=False), reading(Inbound())
    for _ in range(5):
        outbound.message(frames.ITEMS, 1, bytes(60 * KIB))
        outbound.message(frames.ITEMS, 2, b"x")
        assert [lane for _, lane, _, _ in feed(reader, bytes_of(outbound))] == [1, 2]
        assert {lane.deficit for lane in outbound._idle} == {QUANTUM}


def test_net40_what_fits_the_limit_exactly_begins_together() -> None:
    outbound = Outbound(resumable=False, message_limit=300 * KIB)
    for lane, size in enumerate([150, 150, 1, 80, 70], 1):
        outbound.message(frames.ITEMS, lane, b"", [bytes(size * KIB)])
    order = []
    while out := outbound.take(1):
        _, _, flags, _, lane, _ = HEADER.unpack(out[0])
        order.append((lane, flags))
    begun = [lane for lane, flags in order if flags == frames.BEGIN]
    assert begun == [1, 2, 4, 5]  # the small one of lane 3 is a frame of its own
    last = {lane: at for at, (lane, _) in enumerate(order)}
    first = {lane: at for at, (lane, flags) in reversed(list(enumerate(order))) if flags == frames.BEGIN}
    assert first[2] < last[1] < first[4]  # the first two are under way together, the others wait for them
    assert first[5] < last[4]  # and go together, too


def test_net40_a_message_beyond_the_limit_goes_alone_for_the_peer_to_judge() -> None:
    outbound = Outbound(resumable=False, message_limit=100 * KIB)
    for lane in (1, 2, 3):
        outbound.message(frames.ITEMS, lane, bytes(150 * KIB))
    assert [lane for _, lane, _, _ in feed(reading(Inbound()), bytes_of(outbound))] == [1, 2, 3]
    assert not outbound.pending


@pytest.mark.parametrize("say", ["connection", "control", "message"])
def test_net39_whatever_waits_is_pending_and_so_is_what_has_to_be_sent_again(say: str) -> None:
    outbound = Outbound(resumable=True)
    assert not outbound.pending
    if say == "connection":
        outbound.connection(frames.HEARTBEAT, b"beat")
    elif say == "control":
        outbound.control(b"control")
    else:
        outbound.message(frames.ITEMS, 1, b"data")
    assert outbound.pending
    bytes_of(outbound)
    assert not outbound.pending
    outbound.resume(1)
    assert outbound.pending == (say != "connection")  # what belonged to the old connection is not said again


def test_net33_what_is_sent_again_comes_before_all_that_is_new() -> None:
    outbound, inbound = Outbound(resumable=True), Inbound()
    for number in range(5):
        outbound.message(frames.ITEMS, 1, b"old %d" % number)
    first = bytes_of(outbound)
    feed(reading(inbound), first[: len(first) // 2])
    outbound.control(b"new")
    outbound.resume(inbound.next_seq)
    outbound.connection(frames.HEARTBEAT, b"beat")
    told = feed(reading(inbound), bytes_of(outbound, 1))
    assert [body for _, _, body, _ in told] == [b"beat", b"old 2", b"old 3", b"old 4", b"new"]


def test_net33_a_session_can_be_resumed_from_each_frame_that_is_retained_and_from_no_other() -> None:
    outbound = Outbound(resumable=True)
    for _ in range(4):
        outbound.message(frames.ITEMS, 1, b"x")
    bytes_of(outbound)
    outbound.acked(3)
    assert [outbound.can_resume(number) for number in range(7)] == [False, False, False, True, True, True, False]
    outbound.acked(3)  # told twice
    assert outbound.unacked == 2 * (HEADER.size + 1)


def test_net32_over_a_pipe_nothing_is_retained() -> None:
    outbound = Outbound(resumable=False)
    outbound.message(frames.ITEMS, 1, bytes(100 * KIB))
    bytes_of(outbound)
    assert outbound.unacked == 0
    assert not outbound.can_resume(1)
