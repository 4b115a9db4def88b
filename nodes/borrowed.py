"""Shared memory that another node of this host has lent to this one: its files, mapped (see `slabs.py`).

What a descriptor names is read in place. When nothing stands on it any more, its owner is told, and may use it again;
so whoever receives an array owns it for as long as it lives, and may write to it.

Invariants
- A descriptor comes from outside: its name, its file and its range are looked at before a byte is.
- `release` is called once for each view, in whichever thread drops the last that stands on it.
- A mapping that nothing stands on is kept while its file has a name: its owner will use it again.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import mmap
import os
import stat
import weakref
from collections.abc import Callable
from pathlib import Path

from .errors import CodecError, ProtocolError
from .shm import FOLDER, LIMIT, NAME, Descriptor, map_whole, open_existing


class _Mapping:
    """A file of the other node."""

    def __init__(self, file: int, size: int) -> None:
        self.file = file
        self.size = size
        self.in_use = 0
        self.memory: mmap.mmap = map_whole(file, size)

    def is_removed(self) -> bool:
        return os.fstat(self.file).st_nlink == 0

    def close(self) -> None:
        os.close(self.file)
        with contextlib.suppress(BufferError):  # arrays keep it, and it goes with the last
            self.memory.close()


class Borrowed:
    """What one other node lends to this one. Used by one thread, its loop's."""

    def __init__(self, release: Callable[[Descriptor], object], *, limit: int = LIMIT, folder: Path = FOLDER) -> None:
        self._release = release
        self._limit = limit
        self._folder = folder
        self._mappings: dict[str, _Mapping] = {}
        self._dropped: collections.deque[str] = collections.deque()

    @property
    def mapped(self) -> int:
        """Bytes of the files that are mapped."""
        return sum(mapping.size for mapping in self._mappings.values())

    def __contains__(self, name: str) -> bool:
        """True for a file that is mapped."""
        return name in self._mappings

    def view(self, descriptor: Descriptor) -> memoryview:
        """What it names, in place and writable. ProtocolError: it makes no sense. CodecError: its owner has ended."""
        mapping = self._mapping(descriptor)
        memory = (ctypes.c_char * descriptor.size).from_buffer(mapping.memory, descriptor.offset)
        mapping.in_use += 1
        finalizer = weakref.finalize(memory, _drop, self._dropped, self._release, descriptor)
        finalizer.atexit = False
        return memoryview(memory).cast("B")

    def copy(self, descriptor: Descriptor) -> bytearray:
        """A copy of what it names, which is released at once. Errors as `view`."""
        mapping = self._mapping(descriptor)
        with (
            memoryview(mapping.memory) as whole,
            whole[descriptor.offset : descriptor.offset + descriptor.size] as part,
        ):
            data = bytearray(part)
        self._release(descriptor)
        return data

    def tidy(self) -> None:
        """Unmap what its owner has removed and nothing stands on. Done at each `view`, too."""
        while self._dropped:
            mapping = self._mappings.get(self._dropped.popleft())
            if mapping is not None:
                mapping.in_use -= 1
        for name, mapping in list(self._mappings.items()):
            if not mapping.in_use and mapping.is_removed():
                del self._mappings[name]
                mapping.close()

    def close(self) -> None:
        """Unmap all; arrays that stand on it stay readable, and are released when they go."""
        for mapping in self._mappings.values():
            mapping.close()
        self._mappings.clear()

    def _mapping(self, descriptor: Descriptor) -> _Mapping:
        name, offset, size = descriptor
        mapping = self._mappings.get(name)
        if mapping is None:
            self.tidy()
            mapping = self._mappings[name] = self._map(name)
        if offset < 0 or size <= 0 or offset + size > mapping.size:
            raise ProtocolError(f"{size} bytes at {offset} of shared memory of {mapping.size}", code="slab")
        return mapping

    def _map(self, name: str) -> _Mapping:
        found = NAME.fullmatch(name)
        if found is None or int(found[1]) != os.getuid():
            raise ProtocolError(f"{name[:80]!r} is no shared memory of this user's nodes", code="slab")
        try:
            file = open_existing(self._folder / name)
        except OSError as error:
            raise CodecError(f"the shared memory of an item is gone with its node: {error.strerror}") from error
        try:
            status = os.fstat(file)
            is_ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid()
            if not is_ours or not 0 < status.st_size <= status.st_blocks * 512:  # to map holes would make this node pay
                raise ProtocolError(f"{name} is not what a node lends", code="slab")
            if self.mapped + status.st_size > self._limit:
                raise ProtocolError(f"more than {self._limit} bytes of shared memory", code="slab")
            return _Mapping(file, status.st_size)
        except BaseException:
            os.close(file)
            raise


def _drop(dropped: collections.deque[str], release: Callable[[Descriptor], object], descriptor: Descriptor) -> None:
    dropped.append(descriptor.name)
    release(descriptor)
