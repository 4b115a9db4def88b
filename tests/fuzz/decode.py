"""Bytes of a stranger into the decoder: each run gives values of the declared type or a CodecError, and leaks no end.

`python -m tests.fuzz.decode --runs 100000` prints how many runs there were and what was found; it fails if something
was. With atheris installed, `--atheris` lets it choose the inputs, by what they reach in the codec.

An input is one byte for the declared type, one for the buffers that come along, and the body.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy

import actorpar as ap
from actorpar.nodes.codec import audit
from actorpar.nodes.codec.buffers import Buffers
from actorpar.nodes.codec.hooks import Hooks
from actorpar.nodes.codec.port import Acceptance, NoPort
from actorpar.nodes.codec.schema import Schema, schema_of
from actorpar.nodes.errors import CodecError
from tests.nodes.codec.declared import ARRAYS, DATA, ENDS, Ends, ends_in, example

TYPES: Final = [declared for declared, _ in DATA] + ARRAYS + ENDS
#: Lengths of the buffers that an input can ask for, one bit each.
LENGTHS: Final = (0, 1, 8, 16, 24, 800, 16384)
SLOW: Final = 2.0  # seconds
#: First bytes that begin something long, or something rare.
CODES: Final = bytes([*range(0xC0, 0xE0), 0x80, 0x8F, 0x90, 0x91, 0x9F, 0xA0, 0xBF, 0x00, 0x7F, 0xFF])


class Target:
    """What is run with each input."""

    def __init__(self) -> None:
        self.runs = 0
        self.refused = 0
        self.findings: list[str] = []
        self._schemas = [schema_of(declared) for declared in TYPES]

    def run(self, data: bytes) -> None:
        """One input. What it breaks is noted."""
        self.runs += 1
        began = time.perf_counter()
        try:
            self._run(data)
        except Exception as error:
            self.findings.append(f"{type(error).__name__}: {error}: {data.hex()}")
        if time.perf_counter() - began > SLOW:
            self.findings.append(f"took {time.perf_counter() - began:.1f} s: {data[:100].hex()} ({len(data)} bytes)")

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


def mutations(choose: random.Random, corpus: list[bytes]) -> bytes:
    """An input made of one that is known, or of two."""
    data = bytearray(choose.choice(corpus))
    for _ in range(choose.randint(1, 4)):
        at = choose.randint(1, max(len(data), 1))
        match choose.randint(0, 7):
            case 0:
                data[at:at] = choose.randbytes(choose.randint(1, 4))
            case 1:
                data[at : at + 1] = bytes([choose.choice(CODES)])
            case 2:
                del data[at : at + choose.randint(1, 4)]
            case 3:
                other = choose.choice(corpus)
                data[at:] = other[choose.randint(0, len(other)) :]
            case 4:
                data[at:at] = data[choose.randint(0, at) : at] * choose.choice((1, 1, 2, 50))
            case 5:
                data[at : at + 4] = choose.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x00"))
            case 6:
                data[:1] = bytes([choose.randrange(len(TYPES))])
            case _:
                data[at:at] = bytes([0xC7, choose.randint(0, 9), choose.choice((1, 2, 3, 0xFF, choose.randrange(256)))])
    return bytes(data[:4096])


def fuzz(runs: int, seed: int = 0) -> Target:
    """So many runs, the same for the same seed."""
    target, choose, corpus = Target(), random.Random(seed), seeds()
    for data in corpus:
        target.run(data)
    while target.runs < runs:
        data = mutations(choose, corpus)
        refused = target.refused
        target.run(data)
        if target.refused == refused and len(corpus) < 5000:
            corpus.append(data)  # what was accepted is a good place to go on from
    return target


def by_atheris(runs: int) -> None:
    """The same with inputs by atheris, which never returns: the program ends with the report."""
    atheris: Any = importlib.import_module("atheris")
    for cls in (Hooks, Schema, Buffers, Acceptance):
        for name, function in list(vars(cls).items()):
            if inspect.isfunction(function):
                setattr(cls, name, atheris.instrument_func(function))
    target = Target()

    def one(data: bytes) -> None:
        target.run(data)
        if target.runs == runs:
            status = report(target)
            shutil.rmtree(corpus)
            sys.stdout.flush()
            os._exit(status)  # atheris takes any other end for a finding

    corpus = tempfile.mkdtemp()
    for number, seed in enumerate(seeds()):
        Path(corpus, str(number)).write_bytes(seed)
    atheris.Setup([sys.argv[0], f"-artifact_prefix={corpus}/", "-max_len=4096", "-rss_limit_mb=1024", corpus], one)
    atheris.Fuzz()


def report(target: Target) -> int:
    """Print what there was; the status for the shell."""
    for finding in target.findings[:20]:
        print("found:", finding)
    print(f"decode: {target.runs} runs, {target.refused} refused, {len(target.findings)} findings,", end=" ")
    print(f"{sum(audit.counts.values())} classes or code looked up by pickle or marshal")
    return 1 if target.findings or audit.counts else 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true")
    asked = parser.parse_args()
    audit.install()
    audit.counts.clear()
    if asked.atheris:
        by_atheris(asked.runs)
    return report(fuzz(asked.runs, asked.seed))


if __name__ == "__main__":
    sys.exit(main())
