"""A file of shared memory that this process lends from: what is in use of it, by whom, and what is free.

Invariants
- Blocks begin and end at pages, and do not overlap; what is free between them is kept in order and never adjacent.
- A block is given back only when nothing here stands on it and nobody has a loan of it.
- A fork removes nothing.
"""

from __future__ import annotations

import bisect
import contextlib
import ctypes
import mmap
import os
from collections.abc import Hashable
from pathlib import Path
from typing import Final

from . import shm

#: Blocks begin and end at pages.
PAGE: Final = mmap.PAGESIZE


class Block:
    """What is in use of a file: `here` counts those who stand on it here, `loans` those over there."""

    __slots__ = ("here", "loans", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.here = 0
        self.loans: dict[Hashable, int] = {}

    def lend(self, borrower: Hashable) -> None:
        self.loans[borrower] = self.loans.get(borrower, 0) + 1

    def take_back(self, borrower: Hashable) -> bool:
        """One loan of the borrower is over. False: it has none."""
        count = self.loans.pop(borrower, 0)
        if count > 1:
            self.loans[borrower] = count - 1
        return count > 0


class Segment:
    """One file, mapped: blocks in use by their offset, and what is free between them, in order and never adjacent."""

    def __init__(self, folder: Path, size: int) -> None:
        self.path = folder / shm.new_name()
        self.size = size
        self.blocks: dict[int, Block] = {}
        self.offsets: list[int] = []
        self.free: list[tuple[int, int]] = [(0, size)]
        self.owner = os.getpid()
        self.reached_by: set[Hashable] = set()  # who has mapped it, and reaches it also when its name is gone
        self.file = shm.create(self.path, size)
        try:
            self.memory = shm.map_whole(self.file, size)
        except BaseException:
            self.unlink()
            os.close(self.file)
            raise
        self.view = memoryview(self.memory)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))

    def take(self, size: int) -> int | None:
        """The first free place for a block; None: there is none."""
        for number, (offset, room) in enumerate(self.free):
            if room >= size:
                self.free[number : number + 1] = [(offset + size, room - size)] if room > size else []
                self.blocks[offset] = Block(size)
                bisect.insort(self.offsets, offset)
                return offset
        return None

    def block_at(self, offset: int) -> tuple[int, Block] | None:
        """The block that has this byte."""
        place = bisect.bisect_right(self.offsets, offset) - 1
        if place < 0:
            return None
        start = self.offsets[place]
        block = self.blocks[start]
        return (start, block) if offset < start + block.size else None

    def give_back(self, offset: int) -> None:
        """Free the block if nobody uses it any more."""
        block = self.blocks[offset]
        if block.here or block.loans:
            return
        del self.blocks[offset], self.offsets[bisect.bisect_left(self.offsets, offset)]
        place = bisect.bisect_left(self.free, (offset, 0))
        start, end = offset, offset + block.size
        if place < len(self.free) and self.free[place][0] == end:
            end += self.free.pop(place)[1]
        if place and sum(self.free[place - 1]) == start:
            start = self.free.pop(place - 1)[0]
            place -= 1
        self.free.insert(place, (start, end - start))

    def awaits(self) -> set[Hashable]:
        """Who has a loan of it, and has yet to map it."""
        return {borrower for block in self.blocks.values() for borrower in block.loans} - self.reached_by

    def unlink(self) -> None:
        """Remove the name, unless this is a fork of the process that made it."""
        if os.getpid() == self.owner:
            with contextlib.suppress(OSError):
                os.unlink(self.path)

    def close(self) -> None:
        """Unmap, as soon as nothing stands on it."""
        self.unlink()
        os.close(self.file)
        self.view.release()
        with contextlib.suppress(BufferError):  # its arrays keep it, and it goes with the last
            self.memory.close()
