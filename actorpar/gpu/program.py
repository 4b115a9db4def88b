"""Kernels as an actor declares them: the source for each kind of device, and what each kernel is called with."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from .errors import InvalidLaunch

Kind: TypeAlias = Literal["cuda", "opencl"]

#: The letters of a signature, which are those of `struct`: an array, whole numbers, floating-point numbers.
CODES: Final = "PbBhHiIqQfd"
#: Work items in a block, by the number of dimensions, unless a launch says otherwise.
BLOCKS: Final = ((256, 1, 1), (16, 16, 1), (8, 8, 4))


class Program:
    """Source code for each kind of device, and the kernels in it by name with their signatures.

        Program({"cuda": "extern \\"C\\" __global__ void scale(float *x, float a, int n) …",
                 "opencl": "__kernel void scale(__global float *x, float a, int n) …"},
                scale="Pfi")

    A signature has a letter for each argument: P an array; b B h H i I q Q whole numbers of 8, 16, 32 and 64 bits,
    signed and unsigned; f d floating-point numbers of 32 and 64 bits. CUDA may also be given compiled, as bytes: a
    fatbin, a cubin, or PTX. A kernel is run for more items than asked for, up to a full block, and has to return for
    those beyond. InvalidLaunch, if there is no source, no kernel, or no such letter.
    """

    def __init__(self, sources: Mapping[Kind, str | bytes], /, **kernels: str) -> None:
        if not sources or not kernels:
            raise InvalidLaunch("a program has the source for a kind of device, and a kernel or more: name='Pfi'")
        for kind in sources:
            if kind not in ("cuda", "opencl"):
                raise InvalidLaunch(f"{kind!r} is no kind of device: a program has sources for 'cuda' and 'opencl'")
        self.sources = dict(sources)
        self.signatures = {name: Signature(name, codes) for name, codes in kernels.items()}

    def __repr__(self) -> str:
        return f"<Program of {', '.join(self.signatures)} for {' and '.join(self.sources)}>"


class Signature:
    """What one kernel is called with."""

    def __init__(self, name: str, codes: str) -> None:
        wrong = set(codes) - set(CODES)
        if wrong:
            raise InvalidLaunch(f"{name}: {''.join(sorted(wrong))!r} is no argument; those are {', '.join(CODES)}")
        self.name = name
        self.codes = codes
        self.arrays = tuple(number for number, code in enumerate(codes) if code == "P")
        self._packer = struct.Struct(codes)

    def check(self, arguments: Sequence[Any]) -> None:
        """Refuse a call with another number of arguments. InvalidLaunch."""
        if len(arguments) != len(self.codes):
            raise InvalidLaunch(f"{self.name} takes {len(self.codes)} arguments ({self.codes}), not {len(arguments)}")

    def pack(self, values: Sequence[Any]) -> bytes:
        """The arguments as a C compiler lays out their struct, arrays as addresses. InvalidLaunch for what is no such
        number, or too large."""
        try:
            return self._packer.pack(*values)
        except (struct.error, TypeError, OverflowError) as error:
            raise InvalidLaunch(f"{self.name} takes {self.codes}, not {tuple(values)}: {error}") from None


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel on a device. `handle` is the library's."""

    signature: Signature
    handle: Any


Size: TypeAlias = int | tuple[int, ...]
Dimensions: TypeAlias = tuple[int, int, int]


def blocks(size: Size, block: Size | None, most: int) -> tuple[Dimensions, Dimensions]:
    """How many blocks of how many items there are in each dimension for so many items in all. InvalidLaunch.

    `most` is how many items a block may have.
    """
    items = _dimensions("size", size)
    used = 1 if isinstance(size, int) else len(size)
    each = _fitting(BLOCKS[used - 1], most) if block is None else _dimensions("block", block)
    if each[0] * each[1] * each[2] > most:
        raise InvalidLaunch(f"a block of {block} items is too large: this device takes {most}")
    grid = (-(-items[0] // each[0]), -(-items[1] // each[1]), -(-items[2] // each[2]))
    return grid, each


def _dimensions(what: str, given: Size) -> Dimensions:
    sizes = (given,) if isinstance(given, int) else tuple(given)
    if not 1 <= len(sizes) <= 3 or not all(isinstance(each, int) and each > 0 for each in sizes):
        raise InvalidLaunch(f"{what} is a number of items from 1 on, or up to three of them, not {given!r}")
    return (*sizes, 1, 1)[:3]  # type: ignore[return-value]


def _fitting(block: Dimensions, most: int) -> Dimensions:
    """A block that a small device takes, too."""
    x, y, z = block
    while x * y * z > most:
        x, y, z = (max(1, each // 2) for each in (x, y, z))
    return x, y, z
