"""What a member says of a collective that it calls, and whether all members have called the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from .errors import TeamMismatch

#: Bytes of a value that travel with the record of the call.
SMALL: Final = 1024


class Call(msgspec.Struct, array_like=True):
    """The record of one member."""

    number: int
    kind: str
    #: What must be the same at all members: root, reduction, type or shape.
    alike: str
    #: Sizes of the parts, for each member that they are for, or of the only value.
    sizes: list[list[int]]
    #: The parts themselves, if they are small.
    small: list[list[bytes]]
    #: Of a value that only its giver knows, the name of its type.
    of: str = ""

    def __str__(self) -> str:
        return f"{self.kind}({self.alike})"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Call).decode


def pack(call: Call, values: Sequence[Sequence[memoryview]]) -> bytes:
    """The record, with the parts of the values in it if they are small."""
    call.sizes = [[len(part) for part in parts] for parts in values]
    if sum(map(sum, call.sizes)) <= SMALL:
        call.small = [[bytes(part) for part in parts] for parts in values]
    return _encode(call)


def unpack(team: str, records: Sequence[bytes]) -> list[Call]:
    """The records of all members. TeamMismatch: they have not called the same."""
    calls = [_decode(record) for record in records]
    first = calls[0]
    for member, call in enumerate(calls):
        if (call.number, call.kind, call.alike) != (first.number, first.kind, first.alike):
            others = [str(rank) for rank, each in enumerate(calls) if str(each) == str(call)]
            raise TeamMismatch(
                f"{team}: in its collective {first.number + 1} member 0 has called {first}, and member "
                f"{', '.join(others) if len(others) < 9 else member} {call}"
            )
    return calls


def parts_of(call: Call, place: int = 0) -> list[memoryview] | None:
    """The parts that came with the record; None: they follow."""
    return [memoryview(bytearray(part)) for part in call.small[place]] if call.small else None
