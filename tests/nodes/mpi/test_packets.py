"""The bytes of a stream as packets: the same bytes come out, and no more are on their way than may be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorpar.nodes.errors import ProtocolError
from actorpar.nodes.mpi.packets import END, HEADER, INLINE, PACKET, WINDOW, Outflow

SIZES = st.one_of(
    st.integers(0, 40),
    st.integers(INLINE - 2, INLINE + 2),
    st.integers(PACKET // 2 - 2, PACKET // 2 + 2),
    st.integers(0, 3 * PACKET),
)


class Receiver:
    """Takes packets and bulks as the other rank does."""

    def __init__(self) -> None:
        self.stream = bytearray()
        self.taken = 0  # and not acknowledged

    def take(self, packet: bytes, bulk: bytes | None) -> None:
        owed, flags, size = HEADER.unpack_from(packet)
        assert (owed, flags) == (0, 0)
        assert len(packet) <= HEADER.size + PACKET
        assert size == (0 if bulk is None else len(bulk))
        self.stream += packet[HEADER.size :] + (bulk or b"")
        self.taken += 1


def write(out: Outflow, pieces: list[bytes], receiver: Receiver) -> None:
    """As the stream writes: as one packet if that may be, or queued."""
    whole = out.whole(list(pieces))
    if whole is not None:
        receiver.take(whole, None)
    else:
        out.put(list(pieces))
        push(out, receiver)


def push(out: Outflow, receiver: Receiver) -> None:
    while (packet := out.next()) is not None:
        receiver.take(*packet)


@given(st.lists(st.lists(SIZES, min_size=1, max_size=4), max_size=24), st.data())
def test_any_pieces_come_out_as_the_same_bytes_whenever_they_are_acknowledged(
    writes: list[list[int]], data: st.DataObject
) -> None:
    out, receiver = Outflow(), Receiver()
    written = bytearray()
    for number, sizes in enumerate(writes):
        pieces = [bytes([number % 251 + part]) * size for part, size in enumerate(sizes)]
        written += b"".join(pieces)
        write(out, pieces, receiver)
        assert receiver.taken == out.on_the_way <= WINDOW
        count = data.draw(st.integers(0, receiver.taken))
        receiver.taken -= count
        out.acknowledged(count)
        push(out, receiver)
        assert out.waits is (len(receiver.stream) < len(written))
        assert written.startswith(receiver.stream)
    while out.waits:
        assert receiver.taken == WINDOW, "it waits for credit alone"
        out.acknowledged(receiver.taken)
        receiver.taken = 0
        push(out, receiver)
    assert receiver.stream == written


def test_so_many_packets_go_without_an_acknowledgement_and_then_none() -> None:
    out = Outflow()
    assert [out.whole([b"x"]) is not None for _ in range(WINDOW + 1)] == [True] * WINDOW + [False]
    assert (out.credit, out.on_the_way) == (0, WINDOW)
    out.put([b"y"])
    assert (out.next(), out.waits) == (None, True)
    out.acknowledged(1)
    assert out.next() == (HEADER.pack(0, 0, 0) + b"y", None)
    assert (out.next(), out.waits) == (None, False)


def test_a_piece_that_is_too_large_goes_as_it_stands_behind_its_packet() -> None:
    out, large = Outflow(), bytearray(INLINE + 1)
    assert out.whole([b"head", large]) is None
    out.put([b"head", large, b"tail"])
    packet = out.next()
    assert packet is not None
    assert packet[0] == HEADER.pack(0, 0, INLINE + 1) + b"head"
    assert packet[1] is large, "no copy is made"
    assert out.next() == (HEADER.pack(0, 0, 0) + b"tail", None)


def test_what_waits_is_never_overtaken() -> None:
    out = Outflow()
    out.put([bytes(INLINE + 1), b"first"])
    assert out.whole([b"second"]) is None


def test_what_is_owed_travels_once_with_whatever_goes_first() -> None:
    out = Outflow()
    sends: list[Callable[[], bytes | None]] = [lambda: out.whole([b"x"]), out.acknowledgement, out.end]
    for send in sends:
        out.owed = 3
        assert HEADER.unpack_from(send() or b"")[0] == 3
    out = Outflow()
    out.owed = 2
    out.put([b"x"])
    queued = out.next()
    assert queued is not None
    assert (HEADER.unpack_from(queued[0])[0], out.owed) == (2, 0)


def test_an_acknowledgement_costs_no_credit_and_the_end_drops_what_waits() -> None:
    out = Outflow()
    out.acknowledgement()
    assert out.credit == WINDOW
    out.put([b"x"])
    assert HEADER.unpack(out.end())[1] == END
    assert not out.waits


def test_more_acknowledgements_than_packets_are_a_breach_of_the_protocol() -> None:
    out = Outflow()
    out.whole([b"x"])
    out.acknowledged(1)
    with pytest.raises(ProtocolError, match="1 packets taken, and 0 were on the way"):
        out.acknowledged(1)
