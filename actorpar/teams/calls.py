"""What a member says of a collective that it calls, and whether all members have called the same.

A record is a head, the encoded call, and behind it the parts of the values if these are small. Where the heads of all
are the same bytes, all have called the same, and one of them is decoded for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from .errors import TeamMismatch

#: Bytes of values that travel with the record of the call.
SMALL: Final = 1024
#: Bytes that say how long the head is.
_LENGTH: Final = 4


class Call(msgspec.Struct, array_like=True):
    """What one member calls."""

    number: int
    kind: str
    #: What must be the same at all members: root, reduction, type or shape.
    alike: str
    #: Sizes of the parts of each value.
    sizes: list[list[int]]
    #: Of a value that only its giver knows, the name of its type.
    of: str = ""

    def __str__(self) -> str:
        return f"{self.kind}({self.alike})"

    @property
    def is_small(self) -> bool:
        """True if the values have come with the record."""
        return sum(map(sum, self.sizes)) <= SMALL


class Told(NamedTuple):
    """The call of one member, and what came with it."""

    call: Call
    #: The parts of all its values, one behind the other, if they are small.
    values: memoryview
    is_small: bool

    def parts(self, place: int = 0) -> list[memoryview]:
        """The parts of one of the values, as memory of this member."""
        sizes = self.call.sizes
        if place >= len(sizes):
            return []
        at = sum(map(sum, sizes[:place]))
        found = []
        for size in sizes[place]:
            found.append(memoryview(bytearray(self.values[at : at + size])))
            at += size
        return found


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Call).decode


def pack(call: Call, values: Sequence[Sequence[memoryview]]) -> bytes:
    """The record of a call with these values."""
    call.sizes = [[len(part) for part in parts] for parts in values]
    head = _encode(call)
    parts = [part for value in values for part in value] if call.is_small else []
    return b"".join((len(head).to_bytes(_LENGTH, "little"), head, *parts))


def unpack(team: str, records: Sequence[bytes]) -> list[Told]:
    """What all members have told. TeamMismatch: they have not called the same."""
    first = records[0]
    end = _LENGTH + int.from_bytes(first[:_LENGTH], "little")
    head = first[:end]
    if all(record.startswith(head) for record in records):
        call = _decode(head[_LENGTH:])
        small = call.is_small
        return [Told(call, memoryview(record)[end:], small) for record in records]
    told = [_told(record) for record in records]
    _check(team, [each.call for each in told])
    return told


def _told(record: bytes) -> Told:
    end = _LENGTH + int.from_bytes(record[:_LENGTH], "little")
    call = _decode(record[_LENGTH:end])
    return Told(call, memoryview(record)[end:], call.is_small)


def _check(team: str, calls: Sequence[Call]) -> None:
    first = calls[0]
    for member, call in enumerate(calls):
        if (call.number, call.kind, call.alike) != (first.number, first.kind, first.alike):
            others = [str(rank) for rank, each in enumerate(calls) if str(each) == str(call)]
            raise TeamMismatch(
                f"{team}: in its collective {first.number + 1} member 0 has called {first}, and member "
                f"{', '.join(others) if len(others) < 9 else member} {call}"
            )
