"""The way from an Outbound to a FrameReader, without a socket."""

from __future__ import annotations

import itertools

from actorpar.nodes.protocol.frame import FrameReader
from actorpar.nodes.protocol.inbound import Inbound
from actorpar.nodes.protocol.outbound import Outbound

#: Pieces of a size of their own.
MOST_PIECES = 3000

#: What was told: kind, lane, body, buffers.
Told = tuple[int, int, bytes, list[bytes]]


def bytes_of(outbound: Outbound, budget: int = 1 << 40) -> bytes:
    """Everything that may be written now."""
    out = b""
    while chunk := outbound.take(budget):
        out += b"".join(map(bytes, chunk))
    return out


def reading(inbound: Inbound) -> FrameReader:
    """A reader whose handshake is over."""
    reader = FrameReader()
    reader.begin(inbound)
    return reader


def feed(reader: FrameReader, data: bytes, sizes: list[int] | None = None) -> list[Told]:
    """Read `data` in pieces of these sizes, over and over, and what is left then in large ones."""
    told: list[Told] = []
    pieces = itertools.chain(
        itertools.islice(itertools.cycle(sizes or [1 << 20]), MOST_PIECES), itertools.repeat(1 << 20)
    )
    rest = memoryview(data)
    while rest:
        view = reader.buffer()
        count = min(len(view), len(rest), next(pieces))
        view[:count] = rest[:count]
        rest = rest[count:]
        told += [(m.kind, m.lane, bytes(m.body), [bytes(b) for b in m.buffers]) for m in reader.advance(count)]
    return told
