"""Bytes of a stranger into the decoder: each run gives values of the declared type or a CodecError, and leaks no end.

`python -m tests.fuzz.decode --runs 100000` prints how many runs there were and what was found; it fails if something
was. With atheris installed, `--atheris` lets it choose the inputs, by what they reach in the codec.

An input is one byte for the declared type, one for the buffers that come along, and the body.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy

import actorpar as ap
from actorpar.nodes.codec.buffers import Buffers
from actorpar.nodes.codec.hooks import Hooks
from actorpar.nodes.codec.port import Acceptance, NoPort
from actorpar.nodes.codec.schema import Schema, schema_of
from actorpar.nodes.errors import CodecError
from tests.fuzz import driving
from tests.nodes.codec.declared import ARRAYS, DATA, ENDS, Ends, ends_in, example

TYPES: Final = [declared for declared, _ in DATA] + ARRAYS + ENDS
#: Lengths of the buffers that an input can ask for, one bit each.
LENGTHS: Final = (0, 1, 8, 16, 24, 800, 16384)


class Target:
    """What is run with each input."""

    name = "decode"

    def __init__(self) -> None:
        self.runs = 0
        self.refused = 0
        self.findings: list[str] = []
        self._schemas = [schema_of(declared) for declared in TYPES]

    def run(self, data: bytes) -> None:
        """One input. What it breaks is noted."""
        driving.watched(self, self._run, data)

    def close(self) -> None:
        """There is nothing to close."""

    def _run(self, data: bytes) -> None:
        if len(data) < 2:
            return
        schema = self._schemas[data[0] % len(self._schemas)]
        buffers = [bytearray(length) for bit, length in enumerate(LENGTHS) if data[1] >> bit & 1]
        if not schema.has_ends:
            self._decode(schema, data[2:], buffers, NoPort())
            return
        port = Ends()
        try:
            ends = [end for item in self._decode(schema, data[2:], buffers, port) for end in ends_in(item)]
            if port.open() != len(ends):
                raise AssertionError(f"{port.open()} ends are open, and {len(ends)} were delivered")
        finally:
            port.close()

    def _decode(self, schema: Schema, body: bytes, buffers: list[Any], port: Any) -> list[Any]:
        try:
            items = schema.decode(memoryview(body), buffers, port)
        except CodecError:
            self.refused += 1
            try:
                parts = schema.decode_each(memoryview(body), buffers, port)
            except CodecError:
                return []
            items = [part for part in parts if not isinstance(part, CodecError)]
        for item in items:
            schema.check(item)
        if not schema.has_ends:  # a value of the type can be sent, and comes again
            body, beside = schema.encode(items, port)
            again = schema.decode(body, [bytearray(each) for each in beside], port)
            if len(again) != len(items):
                raise AssertionError(f"{len(items)} items are {len(again)} when they come again")
        return items


def seeds() -> list[bytes]:
    """Valid inputs: a batch of each type."""
    found = []
    for index, (declared, value) in enumerate(DATA):
        body, _ = schema_of(declared).encode([value, value], NoPort())
        found += [bytes([index, 0]) + body, bytes([index, 0, 0x90])]
    arrays: list[Any] = [numpy.arange(3.0), numpy.arange(100.0)]
    for declared, value in ((numpy.ndarray, arrays[1]), (list[numpy.ndarray], arrays), (Any, {"a": arrays[0]})):
        body, _ = schema_of(declared).encode([value], NoPort())
        found.append(bytes([TYPES.index(declared), 0]) + body)
    for index, length in enumerate(LENGTHS):
        header = b"\x93\x00\xa3|u1" + bytes([0x91, 0xCD]) + length.to_bytes(2, "big")
        found.append(bytes([TYPES.index(Any), 1 << index, 0x91, 0xC7, len(header), 2]) + header)
        found.append(bytes([TYPES.index(list[bytes]), 1 << index]) + b"\x91\x91\xc7\x04\x01\x92\x00\xa1b")
        found.append(bytes([TYPES.index(bytes), 1 << index]) + b"\x91\xc7\x04\x01\x92\x00\xa1b")
    port = Ends()
    tx, rx = ap.open_channel[Any](1)
    for declared in ENDS:
        body, _ = schema_of(declared).encode([example(declared, tx, rx), example(declared, tx, rx)], port)
        found.append(bytes([TYPES.index(declared), 0]) + body)
    for end in (port, tx, rx):
        end.close()
    return found


def fuzz(runs: int, seed: int = 0) -> Target:
    """So many runs, the same for the same seed."""
    target = Target()
    driving.fuzz(target, seeds(), runs, seed)
    return target


if __name__ == "__main__":
    sys.exit(driving.main(__doc__, Target, lambda _: seeds(), (Hooks, Schema, Buffers, Acceptance)))
