"""What drives a fuzzing target: inputs made of known ones, by chance or by atheris, and the report."""

from __future__ import annotations

import argparse
import importlib
import inspect
import logging
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, Protocol

from actorpar.nodes.codec import audit

#: First bytes that begin something long, or something rare.
CODES: Final = bytes([*range(0xC0, 0xE0), 0x80, 0x8F, 0x90, 0x91, 0x9F, 0xA0, 0xBF, 0x00, 0x7F, 0xFF])
#: Bytes of an input.
LONGEST: Final = 4096
SLOW: Final = 2.0  # seconds of this process: the machine may be busy with others


class Target(Protocol):
    """What is run with each input."""

    #: What it is called in the report.
    name: str
    runs: int
    #: Inputs that came to nothing, as most do.
    refused: int
    findings: list[str]

    def run(self, data: bytes) -> None:
        """One input. What it breaks is noted."""

    def close(self) -> None:
        """There are no more."""


def watched(target: Target, run: Callable[[bytes], None], data: bytes) -> None:
    """Run one input; what it raises, and that it takes long, is a finding."""
    target.runs += 1
    began = time.process_time()
    try:
        run(data)
    except Exception as error:
        target.findings.append(f"{type(error).__name__}: {error}: {data.hex()}")
    if time.process_time() - began > SLOW:
        target.findings.append(f"took {time.process_time() - began:.1f} s: {data[:100].hex()} ({len(data)} bytes)")


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
                data[:1] = choose.randbytes(1)
            case _:
                data[at:at] = bytes([0xC7, choose.randint(0, 9), choose.choice((1, 2, 3, 0xFF, choose.randrange(256)))])
    return bytes(data[:LONGEST])


def fuzz(target: Target, seeds: list[bytes], runs: int, seed: int = 0) -> None:
    """So many runs, the same for the same seed."""
    choose, corpus = random.Random(seed), list(seeds)
    for data in seeds:
        target.run(data)
    while target.runs < runs:
        data = mutations(choose, corpus)
        refused = target.refused
        target.run(data)
        if target.refused == refused and len(corpus) < 5000:
            corpus.append(data)  # what was accepted is a good place to go on from


def by_atheris(target: Target, seeds: list[bytes], instrumented: Iterable[type], runs: int) -> None:
    """The same with inputs by atheris, which never returns: the program ends with the report."""
    atheris: Any = importlib.import_module("atheris")
    for cls in instrumented:
        for name, function in list(vars(cls).items()):
            if inspect.isfunction(function):
                setattr(cls, name, atheris.instrument_func(function))

    def one(data: bytes) -> None:
        target.run(data)
        if target.runs == runs:
            target.close()
            status = report(target)
            shutil.rmtree(corpus)
            sys.stdout.flush()
            os._exit(status)  # atheris takes any other end for a finding

    corpus = tempfile.mkdtemp()
    for number, seed in enumerate(seeds):
        Path(corpus, str(number)).write_bytes(seed)
    atheris.Setup(
        [sys.argv[0], f"-artifact_prefix={corpus}/", f"-max_len={LONGEST}", "-rss_limit_mb=1024", corpus], one
    )
    atheris.Fuzz()


def report(target: Target) -> int:
    """Print what there was; the status for the shell."""
    for finding in target.findings[:20]:
        print("found:", finding)
    print(f"{target.name}: {target.runs} runs, {target.refused} refused, {len(target.findings)} findings,", end=" ")
    print(f"{sum(audit.counts.values())} classes or code looked up by pickle or marshal")
    return 1 if target.findings or audit.counts else 0


def main(doc: str | None, target: Callable[[], Target], seeds: Callable[[Any], list[bytes]], classes: Any) -> int:
    """The command line of a target."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true")
    asked = parser.parse_args()
    logging.disable()  # most inputs are worth a line
    made = target()
    audit.install()
    audit.counts.clear()
    if asked.atheris:
        by_atheris(made, seeds(made), classes, asked.runs)
    fuzz(made, seeds(made), asked.runs, asked.seed)
    made.close()
    return report(made)
