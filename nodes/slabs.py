"""Shared memory that a node lends to the other nodes of its host: large buffers cross without the kernel.

The arena of a process is a few files in /dev/shm that it maps. A buffer is copied into a block of one, or was built
there (`empty`), and what crosses the link is its descriptor: file, offset, size. The peer maps the file (`borrowed.py`)
and says when it is done. Files and their pages are used again, for fresh pages cost as much as the copy.

Invariants
- A block is used again only when nothing here stands on it and every loan of it came back. What a lost borrower may
  still hold is never used again: it may be alive, and write.
- A file keeps its name while somebody has a loan of it that has not mapped it.
- The files together have at most `limit` bytes, and their pages are there before anything is written: a full
  /dev/shm is OutOfSlabs, never a SIGBUS.
- The files are removed at `close` and at the end of the interpreter; those of a process that was killed by
  `shm.sweep`.
- Finalizers run anywhere, even inside `allocate`: they only append to a deque, which is looked through later.
- Any thread may ask for memory; a fork has an arena of its own.
"""

from __future__ import annotations

import collections
import ctypes
import math
import os
import weakref
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

from actorpar.channels import env

from . import shm
from .errors import OutOfSlabs
from .segment import PAGE, Segment
from .shm import FOLDER, LIMIT, Descriptor

#: Bytes of a file that serves many blocks.
SEGMENT: Final = 16 << 20
#: Bytes of files that are kept while nothing is in use of them, where another one is needed.
KEPT: Final = 256 << 20
#: Seconds for which a folder that had no room is not asked for as much again.
FULL: Final = 1.0


class Arena:
    """The shared memory of this process, see `arena`. `close` ends it, and arrays in it stay readable.

    limit   bytes that its files may have together; by default half of what the folder can hold, and at most LIMIT
    folder  where they are; on systems without /dev/shm everything is OutOfSlabs
    """

    def __init__(self, *, limit: int | None = None, folder: Path = FOLDER) -> None:
        self.limit = min(shm.capacity(folder) // 2, LIMIT) if limit is None else limit
        self.is_closed = False
        self._folder = folder
        self._segments: dict[str, Segment] = {}
        self._retired: set[str] = set()  # nothing is taken from these any more
        self._dropped: collections.deque[tuple[str, int]] = collections.deque()
        self._lock = env.Lock()
        self._full: tuple[float, int, str] = (0.0, 0, "")  # until when, for how many bytes, and why
        self._close = weakref.finalize(self, _close_all, self._segments)

    @property
    def size(self) -> int:
        """Bytes that its files have together."""
        return sum(segment.size for segment in self._segments.values())

    @property
    def used(self) -> int:
        """Bytes of the blocks in use."""
        with self._lock:
            self._collect()
        return sum(block.size for segment in self._segments.values() for block in segment.blocks.values())

    # -- memory to fill

    def allocate(self, size: int) -> memoryview:
        """Writable memory of this size, not cleared; it is in use while anything stands on it. OutOfSlabs."""
        with self._lock:
            segment, offset = self._take(size)
            segment.blocks[offset].here += 1
        memory = (ctypes.c_char * size).from_buffer(segment.memory, offset)
        finalizer = weakref.finalize(memory, self._dropped.append, (segment.path.name, offset))
        finalizer.atexit = False
        return memoryview(memory).cast("B")

    def empty(self, shape: int | tuple[int, ...], dtype: Any = float) -> Any:
        """A numpy array in shared memory, not cleared: sent to a node of this host, it is not copied. OutOfSlabs."""
        import numpy

        shape = (shape,) if isinstance(shape, int) else shape
        kind = numpy.dtype(dtype)
        if kind.hasobject:
            raise TypeError(f"an array of {kind} holds references, which mean nothing to another process")
        size = math.prod(shape) * kind.itemsize
        return numpy.frombuffer(self.allocate(size), dtype=kind).reshape(shape) if size else numpy.empty(shape, kind)

    # -- lending

    def put(self, data: Any, borrower: Hashable) -> Descriptor:
        """Copy bytes into a block and lend it; `data` is a buffer of items of one byte. OutOfSlabs."""
        size = len(data)
        with self._lock:
            segment, offset = self._take(size)
            segment.blocks[offset].lend(borrower)
        segment.view[offset : offset + size] = data
        return Descriptor(segment.path.name, offset, size)

    def lend(self, data: Any, borrower: Hashable) -> Descriptor | None:
        """Lend what stands in this arena already, without a copy; None: it cannot be, and is to be copied."""
        view = memoryview(data)
        if view.readonly or not view.nbytes or not view.c_contiguous:
            return None
        address = ctypes.addressof(ctypes.c_char.from_buffer(view.cast("B") if view.format != "B" else view))
        with self._lock:
            for name, segment in self._segments.items():
                offset = address - segment.start
                if 0 <= offset < segment.size and name not in self._retired:
                    found = segment.block_at(offset)
                    assert found is not None
                    found[1].lend(borrower)
                    return Descriptor(name, offset, view.nbytes)
        return None

    def returned(self, descriptor: Descriptor, borrower: Hashable) -> bool:
        """The borrower is done with it. False: it never had it."""
        with self._lock:
            segment = self._segments.get(descriptor.name)
            found = None if segment is None else segment.block_at(descriptor.offset)
            if segment is None or found is None or not found[1].take_back(borrower):
                return False
            self._release(descriptor.name, segment, found[0])
            return True

    def mapped(self, name: str, borrower: Hashable) -> None:
        """The borrower reaches this file, whatever becomes of its name."""
        with self._lock:
            segment = self._segments.get(name)
            if segment is not None:
                segment.reached_by.add(borrower)
                self._let_go(name, segment)

    def is_reached(self, borrower: Hashable) -> bool:
        """True if the borrower reaches everything that was lent to it: the files may be removed."""
        with self._lock:
            return not any(borrower in segment.awaits() for segment in self._segments.values())

    def lost(self, borrower: Hashable) -> None:
        """The borrower is gone, or is thought to be: what it has is written off, and its files are not used again."""
        with self._lock:
            self._collect()
            for name, segment in list(self._segments.items()):
                segment.reached_by.discard(borrower)
                held = [offset for offset, block in segment.blocks.items() if borrower in block.loans]
                for offset in held:
                    del segment.blocks[offset].loans[borrower]
                    segment.give_back(offset)
                if held:
                    self._retired.add(name)
                    self._let_go(name, segment)

    def trim(self) -> None:
        """Remove the files that nobody uses. Those of arrays that live here stay."""
        with self._lock:
            self._collect()
            for name, segment in list(self._segments.items()):
                self._drop_if_idle(name, segment)

    # -- inside

    def _take(self, size: int) -> tuple[Segment, int]:
        if self.is_closed:
            raise OutOfSlabs("the shared memory of this node is closed")
        if size <= 0:
            raise ValueError(f"a block of {size} bytes")
        self._collect()
        whole = -(-size // PAGE) * PAGE
        for name, segment in self._segments.items():
            if name not in self._retired and (offset := segment.take(whole)) is not None:
                return segment, offset
        segment = self._new_segment(whole)
        taken = segment.take(whole)
        assert taken is not None
        return segment, taken

    def _new_segment(self, size: int) -> Segment:
        size = max(size, min(SEGMENT, self.limit))
        for name, idle in list(self._segments.items()):
            if self.size + size <= min(self.limit, KEPT):
                break
            self._drop_if_idle(name, idle)
        if self.size + size > self.limit:
            raise OutOfSlabs(
                f"{size} bytes more than the {self.size} of {self.limit} that are lent: send it by the link"
            )
        until, too_much, why = self._full
        if size >= too_much and env.clock() < until:
            raise OutOfSlabs(why)
        try:
            segment = Segment(self._folder, size)
        except OSError as error:
            why = f"{self._folder} has no room for {size} bytes: {error.strerror}"
            self._full = env.clock() + FULL, size, why
            raise OutOfSlabs(why) from error
        self._segments[segment.path.name] = segment
        return segment

    def _collect(self) -> None:
        """Look through what was dropped here since."""
        while self._dropped:
            name, offset = self._dropped.popleft()
            segment = self._segments.get(name)
            if segment is not None:
                segment.blocks[offset].here -= 1
                self._release(name, segment, offset)

    def _release(self, name: str, segment: Segment, offset: int) -> None:
        segment.give_back(offset)
        self._let_go(name, segment)

    def _let_go(self, name: str, segment: Segment) -> None:
        """Of a file that is not used again: its name, and itself when nothing is in use of it."""
        if name in self._retired:
            if not segment.awaits():
                segment.unlink()
            self._drop_if_idle(name, segment)

    def _drop_if_idle(self, name: str, segment: Segment) -> None:
        if not segment.blocks:
            del self._segments[name]
            self._retired.discard(name)
            segment.close()

    def close(self) -> None:
        """Remove all files. What a borrower has mapped it keeps; what it has not, it cannot get any more."""
        with self._lock:
            if not self.is_closed:
                self.is_closed = True
                self._close()
                self._segments.clear()


def _close_all(segments: dict[str, Segment]) -> None:
    for segment in segments.values():
        segment.close()


_arenas: list[Arena] = []  # of this process: none, or one
os.register_at_fork(after_in_child=_arenas.clear)


def arena() -> Arena:
    """The shared memory of this process, made when it is first asked for."""
    if not _arenas:
        _arenas.append(Arena())
    return _arenas[0]


def trim() -> None:
    """Remove the files of this process that nobody uses."""
    for each in _arenas:
        each.trim()


def empty_shared(shape: int | tuple[int, ...], dtype: Any = float) -> Any:
    """A numpy array, not cleared, in memory that the nodes of this host share: sent to one of them, it is not copied.

    What is sent is the receiver's: it may write to it, and so may whoever else it is sent to. Its memory is free when
    the last array on it is gone, here and there. TypeError: a dtype with references. OutOfSlabs: there is no room; an
    array of `numpy.empty` does as well, and is copied.
    """
    return arena().empty(shape, dtype)
