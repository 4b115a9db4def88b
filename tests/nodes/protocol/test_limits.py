"""What a peer cannot do: claim memory, stop in the middle of a frame, speak before it is known (A6, A7, NET-40)."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorpar.nodes.errors import ProtocolError
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.protocol.frame import GREETING, HEADER, LARGEST_FRAGMENT, PLAIN, FrameReader
from actorpar.nodes.protocol.inbound import ASSEMBLIES, Inbound
from actorpar.nodes.protocol.liveness import FRAME_DEADLINE, Liveness, Stuck
from actorpar.nodes.protocol.outbound import Outbound

from .wire import bytes_of, feed, reading

MIB = 1 << 20
#: Sizes around every border that there is, and those that a peer would try.
CLAIMS = [0, 1, PLAIN, PLAIN + 1, MIB - 1, MIB, MIB + 1, 2**31 - 1, 2**31, 2**32 - 1]
HUGE = [*CLAIMS, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1]


@contextlib.contextmanager
def takes_at_most(size: int) -> Iterator[None]:
    """No more memory than this is taken inside, at any moment."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] <= size
    finally:
        tracemalloc.stop()


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
    assert inbound._held <= 1 << 20


@pytest.mark.parametrize("flags", [0, frames.TABLE, frames.BEGIN])
@pytest.mark.parametrize("size", [PLAIN + 1, 2**31, 2**32 - 1])
def test_net40_a_frame_that_is_no_fragment_and_larger_than_64_kib_is_refused_by_its_header(
    size: int, flags: int
) -> None:
    with pytest.raises(ProtocolError, match="makes no sense"):
        feed(reading(Inbound()), HEADER.pack(size, frames.ITEMS, flags, 0, 1, 1))


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


def test_net38_a_fragment_where_no_message_has_begun_ends_the_link() -> None:
    with pytest.raises(ProtocolError, match="no message has begun"):
        feed(reading(Inbound()), HEADER.pack(3, frames.ITEMS, frames.FRAGMENT, 0, 7, 1) + b"abc")


@pytest.mark.parametrize("kind", [frames.ITEMS, frames.CONTROL, frames.ACK, 0, 255])
@pytest.mark.parametrize("flags", [0, frames.TABLE, frames.BEGIN, frames.FRAGMENT, 7, 255])
def test_a07_no_claim_of_a_header_takes_memory(kind: int, flags: int) -> None:
    for size in CLAIMS:
        for seq in (0, 1, 2**64 - 1):
            reader = reading(Inbound(message_limit=MIB))
            with takes_at_most(64 * 1024), contextlib.suppress(ProtocolError):
                feed(reader, HEADER.pack(size, kind, flags, 0, 1, seq))


@pytest.mark.parametrize("flags", [frames.TABLE, frames.BEGIN])
@pytest.mark.parametrize("first", HUGE)
def test_a07_no_table_of_sizes_takes_more_memory_than_a_message_may_have(first: int, flags: int) -> None:
    for second in HUGE:
        reader = reading(Inbound(message_limit=MIB))
        with takes_at_most(MIB + 64 * 1024), contextlib.suppress(ProtocolError):
            feed(reader, frames.frame(frames.ITEMS, frames.table([first, second]), lane=1, flags=flags, seq=1))


def test_a07_large_messages_that_never_end_take_bounded_memory_together() -> None:
    inbound = Inbound(message_limit=MIB)
    reader = reading(inbound)
    wire = b"".join(
        frames.frame(frames.ITEMS, frames.table([MIB // 4]), lane=number, flags=frames.BEGIN, seq=number)
        for number in range(1, 100)
    )
    with takes_at_most(MIB + 64 * 1024), pytest.raises(ProtocolError) as refused:
        feed(reader, wire)
    assert refused.value.code == "limit"


def test_a07_the_parts_of_a_large_message_take_memory_only_when_they_come() -> None:
    reader = reading(Inbound(message_limit=MIB))
    wire = b"".join(
        frames.frame(frames.ITEMS, frames.table([1] * 257), lane=number, flags=frames.BEGIN, seq=number)
        for number in range(1, 501)
    )
    with takes_at_most(3 * len(wire)):
        feed(reader, wire)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.binary(max_size=64))
def test_a07_a_count_of_parts_is_checked_against_the_frame_that_has_them(count: int, rest: bytes) -> None:
    payload = memoryview(count.to_bytes(4, "little") + rest)
    try:
        sizes, end = frames.parse_table(payload)
    except ProtocolError:
        return
    assert len(sizes) == count
    assert end <= len(payload)


def test_a07_before_the_handshake_a_connection_takes_the_memory_of_one_greeting() -> None:
    wire = HEADER.pack(GREETING, frames.HELLO, 0, 0, 0, 0) + bytes(GREETING - 1)
    with takes_at_most(GREETING + 2 * 1024):
        reader = FrameReader()
        assert len(reader.buffer()) == HEADER.size + GREETING
        assert feed(reader, wire) == []


def test_net31_greetings_are_told_one_at_a_time_and_the_largest_fits() -> None:
    reader = FrameReader()
    wire = frames.frame(frames.HELLO, bytes(100)) * 3 + frames.frame(frames.WELCOME, bytes(GREETING))
    told = 0
    while wire:
        view = reader.buffer()
        assert len(view) > 0
        count = min(len(view), len(wire))
        view[:count] = wire[:count]
        wire = wire[count:]
        messages = reader.advance(count)
        assert len(messages) <= 1
        told += len(messages)
    while messages := reader.advance(0):
        told += len(messages)
    assert told == 4


@pytest.mark.parametrize("cut", [1, HEADER.size, HEADER.size + 1])
@pytest.mark.parametrize("size", [30, PLAIN + 1])
def test_a06_a_frame_that_stops_in_the_middle_is_unfinished(size: int, cut: int) -> None:
    outbound, reader = Outbound(resumable=False), reading(Inbound())
    outbound.message(frames.ITEMS, 1, bytes(size))
    first = b"".join(map(bytes, outbound.take(1)))
    assert reader.unfinished == 0
    feed(reader, first[:cut])
    assert reader.unfinished == 1
    feed(reader, first[cut:])
    assert reader.unfinished == 0
    rest = bytes_of(outbound)
    if rest:  # fragments are received elsewhere, and are unfinished all the same
        feed(reader, rest[: HEADER.size + 10])
        assert reader.unfinished == 2
        feed(reader, rest[HEADER.size + 10 :])
        assert reader.unfinished == 0


def test_a06_a_duplicate_that_is_passed_over_is_unfinished_too() -> None:
    inbound = Inbound()
    inbound.next_seq = 5
    reader = reading(inbound)
    wire = HEADER.pack(1000, frames.ITEMS, frames.FRAGMENT, 0, 1, 3)
    feed(reader, wire + bytes(400))
    assert reader.unfinished
    feed(reader, bytes(600))
    assert not reader.unfinished


def test_a06_one_byte_a_second_is_a_sign_of_life_and_no_progress() -> None:
    liveness, reader = Liveness(0.0), reading(Inbound())
    wire = HEADER.pack(1000, frames.ITEMS, 0, 0, 1, 1) + bytes(1000)
    stuck = []
    for second in range(1, 100):
        feed(reader, wire[second - 1 : second])
        liveness.heard(second)
        stuck += [(second, each) for each in liveness.tick(second, reader.unfinished) if isinstance(each, Stuck)]
    assert stuck == [(FRAME_DEADLINE + 1, Stuck(FRAME_DEADLINE))]
    assert not liveness.suspected


def test_a06_a_slow_connection_whose_frames_end_is_not_stuck() -> None:
    liveness, reader = Liveness(0.0), reading(Inbound())
    outbound = Outbound(resumable=False)
    for _ in range(100):
        outbound.message(frames.ITEMS, 1, bytes(50))
    wire, now = bytes_of(outbound), 0
    while wire:
        now += 1
        feed(reader, wire[:9])
        wire = wire[9:]
        assert not [each for each in liveness.tick(now, reader.unfinished) if isinstance(each, Stuck)]
    assert now > 5 * FRAME_DEADLINE


def test_a06_time_in_which_this_loop_was_blocked_is_no_delay_of_the_frame() -> None:
    liveness = Liveness(0.0)
    liveness.tick(1.0, 7)
    assert not [each for each in liveness.tick(500.0, 7) if isinstance(each, Stuck)]
    assert not [each for each in liveness.tick(500.5, 7) if isinstance(each, Stuck)]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ((PLAIN + 1, frames.ITEMS, 0, 0, 1, 1), "frame"),
        ((PLAIN + 1, frames.ACK, 0, 0, 0, 0), "frame"),
        ((10, frames.ITEMS, 0, 1, 1, 1), "frame"),
        ((10, frames.ITEMS, 8, 0, 1, 1), "frame"),
        ((10, frames.ITEMS, frames.TABLE | frames.BEGIN, 0, 1, 1), "frame"),
        ((LARGEST_FRAGMENT + 1, frames.ITEMS, frames.FRAGMENT, 0, 1, 2), "fragment"),
        ((10, frames.ACK, frames.FRAGMENT, 0, 1, 2), "fragment"),
        ((10, frames.ITEMS, frames.FRAGMENT, 1, 1, 2), "fragment"),
    ],
)
def test_a07_a_header_that_makes_no_sense_is_refused_before_its_payload_comes(
    header: tuple[int, ...], code: str
) -> None:
    reader = reading(Inbound(message_limit=4 * MIB))
    if code == "fragment":
        feed(reader, frames.frame(frames.ITEMS, frames.table([2 * MIB]), lane=1, flags=frames.BEGIN, seq=1))
    with pytest.raises(ProtocolError) as refused:
        feed(reader, HEADER.pack(*header))
    assert refused.value.code == code


def test_net40_large_messages_under_way_are_bounded_in_number_on_both_sides() -> None:
    outbound, inbound = Outbound(resumable=False), Inbound()
    for lane in range(ASSEMBLIES + 2):
        outbound.message(frames.ITEMS, lane, bytes(PLAIN + 1))
    reader = reading(inbound)
    for _ in range(ASSEMBLIES):
        feed(reader, b"".join(map(bytes, outbound.take(1))))
    assert len(inbound._assemblies) == ASSEMBLIES
    begin = frames.table([10])
    with pytest.raises(ProtocolError, match="too many"):
        feed(reader, frames.frame(frames.ITEMS, begin, lane=1 << 20, flags=frames.BEGIN, seq=inbound.next_seq))
    inbound.next_seq -= 1  # that frame was not the sender's
    told = feed(reading(inbound), bytes_of(outbound))
    assert len(told) == ASSEMBLIES + 2


def test_net40_a_large_message_of_no_bytes_is_refused() -> None:
    with pytest.raises(ProtocolError):
        feed(reading(Inbound()), frames.frame(frames.ITEMS, frames.table([0, 0]), lane=1, flags=frames.BEGIN, seq=1))
