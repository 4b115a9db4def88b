"""Frames and sessions, without a socket: what one Outbound writes, one FrameReader and Inbound read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorpar.nodes.errors import ProtocolError
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.protocol.frame import HEADER, FrameReader
from actorpar.nodes.protocol.inbound import Inbound
from actorpar.nodes.protocol.outbound import Outbound

from .wire import Told, bytes_of, feed, reading

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


def test_net38_fragments_are_received_into_their_place() -> None:
    outbound = Outbound(resumable=False)
    large = bytes(range(256)) * 12_000
    outbound.message(frames.ITEMS, 1, b"head", [large, b"", large[:70_000]])
    (told,) = feed(reading(Inbound()), bytes_of(outbound), [1 << 19])
    assert told == (frames.ITEMS, 1, b"head", [large, b"", large[:70_000]])


def test_net38_the_bytes_of_a_fragment_are_never_copied_whole() -> None:
    """After a fragment the next header is read alone, so that what follows it arrives in its place."""
    outbound, inbound = Outbound(resumable=False), Inbound()
    outbound.message(frames.ITEMS, 1, b"", [bytes(3 << 20)])
    reader, wire, in_place = reading(inbound), memoryview(bytes_of(outbound)), 0
    while wire:
        view = reader.buffer()
        parts = [part for assembly in inbound._assemblies.values() for part in assembly.parts]
        in_place += len(view[: len(wire)]) if any(view.obj is memoryview(part).obj for part in parts) else 0
        count = min(len(view), len(wire))
        view[:count] = wire[:count]
        wire = wire[count:]
        reader.advance(count)
    assert in_place >= 3 * (1 << 20) - frames.READ - frames.PLAIN  # all but what came with the first read


def test_net38_small_frames_after_fragments_are_read_in_bulk_again() -> None:
    outbound, reader = Outbound(resumable=False), reading(Inbound())
    outbound.message(frames.ITEMS, 1, bytes(100_000))
    outbound.message(frames.ITEMS, 1, b"small")
    assert len(feed(reader, bytes_of(outbound))) == 2
    assert len(reader.buffer()) > frames.READ


@pytest.mark.parametrize("kind", sorted(frames.CONNECTION_KINDS))
def test_net32_a_frame_of_a_connection_has_neither_number_nor_flags(kind: int) -> None:
    assert len(feed(reading(Inbound()), frames.frame(kind, b"x"))) == 1
    for facts in ({"seq": 1}, {"flags": frames.TABLE}, {"flags": frames.BEGIN}):
        with pytest.raises(ProtocolError):
            feed(reading(Inbound()), frames.frame(kind, b"x", **facts))


@pytest.mark.parametrize("kind", sorted(set(range(256)) - frames.CONNECTION_KINDS - frames.SESSION_KINDS))
def test_net40_a_frame_of_an_unknown_kind_ends_the_link(kind: int) -> None:
    for flags in (0, frames.FRAGMENT):
        with pytest.raises(ProtocolError):
            feed(reading(Inbound()), frames.frame(kind, b"x", flags=flags))


@pytest.mark.parametrize("kind", [frames.HELLO, frames.WELCOME, frames.REFUSED])
def test_net31_before_the_handshake_each_of_its_frames_is_told(kind: int) -> None:
    assert feed(FrameReader(), frames.frame(kind, b"x")) == [(kind, 0, b"x", [])]


def test_net38_a_fragment_may_not_cross_the_border_of_a_part_nor_be_empty() -> None:
    begin = frames.frame(frames.ITEMS, frames.table([10, 10]), lane=1, flags=frames.BEGIN, seq=1)
    for size in (0, 11, 20):
        with pytest.raises(ProtocolError):
            feed(reading(Inbound()), begin + HEADER.pack(size, frames.ITEMS, frames.FRAGMENT, 0, 1, 2) + bytes(size))


def test_net38_a_lane_has_one_large_message_under_way() -> None:
    begin = frames.table([10])
    wire = [frames.frame(frames.ITEMS, begin, lane=1, flags=frames.BEGIN, seq=seq) for seq in (1, 2)]
    with pytest.raises(ProtocolError, match="second large message"):
        feed(reading(Inbound()), b"".join(wire))


def test_net37_two_reads_may_meet_anywhere_in_small_and_large_frames() -> None:
    outbound = Outbound(resumable=False)
    sent = [(1, b"a", []), (2, b"b", [b"c"]), (3, bytes(range(256)) * 300, []), (1, b"last", [])]
    for lane, body, buffers in sent:
        outbound.message(frames.ITEMS, lane, body, buffers)
    wire = bytes_of(outbound)
    begins = wire.index(bytes([frames.ITEMS, frames.BEGIN]))
    for cut in [*range(1, begins + 100), *range(len(wire) - 60, len(wire))]:
        told = feed(reading(Inbound()), wire, [cut, 1 << 20])
        assert sorted((lane, body, buffers) for _, lane, body, buffers in told) == sorted(sent)


@pytest.mark.parametrize("sizes", [[1], [7], [HEADER.size], [33, 5], [100, 1 << 20], [1 << 20]])
def test_net33_duplicates_are_passed_over_in_any_pieces_and_what_follows_them_is_told(sizes: list[int]) -> None:
    inbound = Inbound()
    inbound.next_seq = 5
    wire = [
        frames.frame(frames.ITEMS, b"old", lane=1, seq=2),
        frames.frame(frames.ITEMS, bytes([255]) * 1000, lane=1, flags=frames.FRAGMENT, seq=3),
        frames.frame(frames.ITEMS, bytes([255]) * 10, lane=1, flags=frames.FRAGMENT, seq=4),
        frames.frame(frames.ITEMS, b"new", lane=1, seq=5),
        frames.frame(frames.HEARTBEAT, b""),
    ]
    told = feed(reading(inbound), b"".join(wire), sizes)
    assert [body for _, _, body, _ in told] == [b"new", b""]
    assert (inbound.duplicates, inbound.next_seq) == (3, 6)
