"""Frames and sessions, without a socket: what one Outbound writes, one FrameReader and Inbound read."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorpar.nodes.errors import ProtocolError
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.protocol.frame import HEADER, FrameReader
from actorpar.nodes.protocol.inbound import Inbound
from actorpar.nodes.protocol.outbound import FRAGMENT_SHARED, Outbound

Told = tuple[int, int, bytes, list[bytes]]


def bytes_of(outbound: Outbound, budget: int = 1 << 40) -> bytes:
    """Everything that may be written now."""
    out = b""
    while chunk := outbound.take(budget):
        out += b"".join(map(bytes, chunk))
    return out


def reading(inbound: Inbound) -> FrameReader:
    reader = FrameReader()
    reader.begin(inbound)
    return reader


def feed(reader: FrameReader, data: bytes, sizes: list[int] | None = None) -> list[Told]:
    """Read `data` in pieces of these sizes, over and over; large pieces by default."""
    told: list[Told] = []
    pieces = itertools.cycle(sizes or [1 << 20])
    while data:
        view = reader.buffer()
        count = min(len(view), len(data), next(pieces))
        view[:count] = data[:count]
        data = data[count:]
        told += [(m.kind, m.lane, bytes(m.body), [bytes(b) for b in m.buffers]) for m in reader.advance(count)]
    return told


messages = st.lists(
    st.tuples(
        st.sampled_from([frames.ITEMS, frames.OP, frames.CALL]),
        st.integers(1, 3),
        st.binary(max_size=200),
        st.lists(st.integers(0, 200_000).map(lambda n: bytes([n % 251]) * n), max_size=3),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(messages, st.lists(st.integers(1, 100_000), min_size=1, max_size=6))
def test_net37_any_split_of_the_bytes_gives_the_same_messages(sent: list[Any], sizes: list[int]) -> None:
    outbound = Outbound(resumable=False)
    for kind, lane, body, buffers in sent:
        outbound.message(kind, lane, body, buffers)
    told = feed(reading(Inbound()), bytes_of(outbound), sizes)
    for lane in (1, 2, 3):
        assert [m for m in told if m[1] == lane] == [m for m in sent if m[1] == lane]


@settings(max_examples=40, deadline=None)
@given(messages, st.data())
def test_net34_whatever_connection_breaks_where_each_message_arrives_once_and_in_order(
    sent: list[Any], data: st.DataObject
) -> None:
    outbound, inbound = Outbound(resumable=True), Inbound()
    for kind, lane, body, buffers in sent:
        outbound.message(kind, lane, body, buffers)
    told: list[Told] = []
    for _ in range(4):
        outbound.resume(inbound.next_seq)
        wire = bytes_of(outbound)
        cut = data.draw(st.integers(0, len(wire)))
        told += feed(reading(inbound), wire[:cut], [30_000])
    outbound.resume(inbound.next_seq)
    told += feed(reading(inbound), bytes_of(outbound))
    outbound.acked(inbound.next_seq)
    assert outbound.unacked == 0
    for lane in (1, 2, 3):
        assert [m for m in told if m[1] == lane] == [m for m in sent if m[1] == lane]


def test_net33_a_frame_seen_before_is_dropped_and_a_gap_ends_the_link() -> None:
    outbound, inbound = Outbound(resumable=True), Inbound()
    outbound.message(frames.ITEMS, 1, b"one")
    wire = bytes_of(outbound)
    assert len(feed(reading(inbound), wire)) == 1
    assert feed(reading(inbound), wire) == []
    assert inbound.duplicates == 1
    with pytest.raises(ProtocolError, match="frame 9 came"):
        feed(reading(inbound), frames.frame(frames.ITEMS, b"x", lane=1, seq=9))


def test_net33_what_was_never_sent_cannot_be_acknowledged_or_resumed() -> None:
    outbound = Outbound(resumable=True)
    outbound.message(frames.ITEMS, 1, b"one")
    bytes_of(outbound)
    with pytest.raises(ProtocolError):
        outbound.acked(3)
    with pytest.raises(ProtocolError):
        outbound.resume(3)
    outbound.acked(2)
    with pytest.raises(ProtocolError):
        outbound.resume(1)


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


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, 255), st.integers(0, 65535),
    st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.binary(max_size=64),
)  # fmt: skip
def test_net40_no_header_makes_the_reader_allocate_or_misbehave(
    size: int, kind: int, flags: int, zero: int, lane: int, seq: int, payload: bytes
) -> None:
    inbound = Inbound(message_limit=1 << 20)
    reader = reading(inbound)
    try:
        feed(reader, HEADER.pack(size, kind, flags, zero, lane, seq) + payload)
    except ProtocolError:
        pass
    assert inbound._held <= 2 << 20


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5), st.sampled_from([frames.TABLE, frames.BEGIN]))
def test_net40_no_table_of_sizes_makes_the_reader_allocate_beyond_the_limit(sizes: list[int], flags: int) -> None:
    inbound = Inbound(message_limit=1 << 20)
    try:
        feed(reading(inbound), frames.frame(frames.ITEMS, frames.table(sizes), lane=1, flags=flags, seq=1))
    except ProtocolError:
        return
    assert sum(sizes) <= 1 << 20


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_net31_before_the_handshake_nothing_but_small_greetings_is_read(data: bytes) -> None:
    reader = FrameReader()
    try:
        told = feed(reader, data)
    except ProtocolError:
        return
    assert all(frames.HELLO <= kind <= frames.REFUSED for kind, *_ in told)


def test_net31_a_greeting_is_at_most_4_kib_and_no_session_frame() -> None:
    for wire in (
        HEADER.pack(4097, frames.HELLO, 0, 0, 0, 0),
        frames.frame(frames.ITEMS, b"x", lane=1, seq=1),
        HEADER.pack(10, frames.ITEMS, frames.FRAGMENT, 0, 1, 1),
    ):
        with pytest.raises(ProtocolError):
            feed(FrameReader(), wire)


def test_net31_what_follows_a_greeting_in_the_same_read_is_told_after_the_handshake() -> None:
    reader, outbound = FrameReader(), Outbound(resumable=False)
    outbound.message(frames.ITEMS, 1, b"early")
    assert len(feed(reader, frames.frame(frames.WELCOME, b"w") + bytes_of(outbound))) == 1
    reader.begin(Inbound())
    assert [bytes(message.body) for message in reader.advance(0)] == [b"early"]


def test_net38_fragments_are_received_into_their_place() -> None:
    outbound = Outbound(resumable=False)
    large = bytes(range(256)) * 12_000
    outbound.message(frames.ITEMS, 1, b"head", [large, b"", large[:70_000]])
    (told,) = feed(reading(Inbound()), bytes_of(outbound), [1 << 19])
    assert told == (frames.ITEMS, 1, b"head", [large, b"", large[:70_000]])


def test_net38_a_fragment_where_no_message_has_begun_ends_the_link() -> None:
    with pytest.raises(ProtocolError, match="no message has begun"):
        feed(reading(Inbound()), HEADER.pack(3, frames.ITEMS, frames.FRAGMENT, 0, 7, 1) + b"abc")
