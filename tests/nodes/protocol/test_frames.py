"""Frames and sessions, without a socket: what one Outbound writes, one FrameReader and Inbound read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorpar.nodes.errors import ProtocolError
from actorpar.nodes.protocol import frame as frames
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
