"""Memory for large messages, used again: a fresh block of 16 MiB costs 4096 page faults, more than copying its bytes.

Whoever receives an array owns the block on which it stands. When nothing stands on it any more, in whichever thread
that is, the next message of its size is received into it.

Invariants
- A block is handed out again only when the last view of it is gone.
- Blocks that wait to be used again are at most KEPT bytes together; the oldest go first.
"""

from __future__ import annotations

import collections
import ctypes
import mmap
import weakref
from typing import Final

#: Bytes from which memory is worth using again.
LARGE: Final = 64 * 1024
#: Bytes that may wait.
KEPT: Final = 128 << 20


class Recycled:
    """Blocks of one process. May be used in any thread: each step is one operation of a deque or a dict."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._returned: collections.deque[mmap.mmap] = collections.deque()
        self._free: collections.OrderedDict[int, list[mmap.mmap]] = collections.OrderedDict()
        self._waiting = 0

    def take(self, size: int) -> memoryview:
        """Writable memory of so many bytes, with anything in it."""
        self._sort()
        blocks = self._free.get(size)
        if blocks:
            block = blocks.pop()
            self._waiting -= size
        else:
            block = mmap.mmap(-1, size)
        memory = (ctypes.c_char * size).from_buffer(block)
        weakref.finalize(memory, self._returned.append, block).atexit = False
        return memoryview(memory).cast("B")

    @property
    def waiting(self) -> int:
        """Bytes that wait to be used again."""
        self._sort()
        return self._waiting

    def _sort(self) -> None:
        while self._returned:
            block = self._returned.popleft()
            size = len(block)
            self._free.setdefault(size, []).append(block)
            self._free.move_to_end(size)
            self._waiting += size
        while self._waiting > self._kept:
            size, blocks = next(iter(self._free.items()))
            if blocks:
                blocks.pop(0).close()
                self._waiting -= size
            else:
                del self._free[size]


#: Those of this process.
memory: Final = Recycled()
