"""Memory of the host that a device reads and writes by itself, lent out block by block, up to a cap.

On CUDA it is page-locked: making a block stops the device, so blocks are made once and used again.

Invariants
- What was made never exceeds the cap, whoever waits.
- A block is lent once at a time, and comes back when the last array on it is gone, on whichever thread that is.
"""

from __future__ import annotations

import asyncio
import collections
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .errors import InvalidDevice, OutOfDeviceMemory

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Bytes of such memory that the devices of one loop may have each, unless ACTORPAR_PINNED says otherwise.
CAP: Final = 1 << 30
_SMALLEST: Final = 1 << 12


def cap() -> int:
    """The cap in bytes. InvalidDevice: ACTORPAR_PINNED is no number."""
    text = os.environ.get("ACTORPAR_PINNED") or str(CAP)
    if not text.isdecimal():
        raise InvalidDevice(f"ACTORPAR_PINNED is a number of bytes, not {text!r}")
    return int(text)


class PinnedPool:
    """The blocks of one device. `make` makes so many bytes; `cap` is how many there may be in all."""

    def __init__(self, make: Callable[[int], NDArray[np.uint8]], cap: int) -> None:
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._free: dict[int, list[NDArray[np.uint8]]] = {}
        self._back: collections.deque[NDArray[np.uint8]] = collections.deque()  # filled on any thread
        self._waiting: collections.deque[tuple[int, asyncio.Future[NDArray[np.uint8]]]] = collections.deque()
        self.cap = cap
        self.made = 0
        self.closed = False

    @property
    def lent(self) -> int:
        """Bytes that are in use."""
        self._collect()
        return self.made - sum(size * len(blocks) for size, blocks in self._free.items())

    def take(self, size: int, *, spare: int = 0) -> NDArray[np.uint8] | None:
        """So many bytes, if they and `spare` more can be had now."""
        if self._waiting:
            return None
        return self._take(size, spare)

    async def wait_for(self, size: int) -> NDArray[np.uint8]:
        """So many bytes, as soon as they can be had; first come, first served. OutOfDeviceMemory: the cap is lower."""
        if _rounded(size) > self.cap:
            raise OutOfDeviceMemory(
                f"{size} bytes of pinned memory were asked for, and there may be {self.cap}: see ACTORPAR_PINNED"
            )
        block = self.take(size)
        if block is not None:
            return block
        waiter: asyncio.Future[NDArray[np.uint8]] = self._loop.create_future()
        self._waiting.append((size, waiter))
        try:
            return await waiter
        finally:
            if waiter.cancelled():  # whoever is behind may need less
                self._serve()

    def holds(self, array: NDArray[Any]) -> bool:
        """True for an array that stands on memory of this pool."""
        base: Any = array
        while isinstance(base, np.ndarray):
            base = base.base
        return isinstance(base, _Lent) and base.pool is self

    def _take(self, size: int, spare: int) -> NDArray[np.uint8] | None:
        self._collect()
        rounded = _rounded(size)
        free = self._free.get(rounded)
        if self.lent + rounded + spare > self.cap:
            return None
        if free:
            block = free.pop()
        else:
            self._make_room(rounded)
            block = self._make(rounded)
            self.made += rounded
        return np.asarray(_Lent(self, block))[:size]

    def _make_room(self, size: int) -> None:
        """Give up free blocks of other sizes, so that one more of this size stays within the cap."""
        for blocks in self._free.values():
            while blocks and self.made + size > self.cap:
                self.made -= len(blocks.pop())

    def _collect(self) -> None:
        while self._back:
            block = self._back.popleft()
            self._free.setdefault(len(block), []).append(block)

    def _serve(self) -> None:
        """Give those who wait what came back, in their order."""
        while self._waiting:
            size, waiter = self._waiting[0]
            if not waiter.done():
                block = self._take(size, 0)
                if block is None:
                    return
                waiter.set_result(
                    block
                )  # if its await is cancelled now, the block goes with the future, and comes back
            self._waiting.popleft()

    def release(self) -> None:
        """Let go of the blocks that are not lent; those that are go with the arrays on them."""
        self._collect()
        self._free.clear()
        self.closed = True

    def came_back(self, block: NDArray[np.uint8]) -> None:
        """The last array on a block is gone; on any thread."""
        if self.closed:
            return
        self._back.append(block)
        if self._waiting:
            try:
                self._loop.call_soon_threadsafe(self._serve)
            except RuntimeError:  # the loop has ended, and nobody waits
                pass


class _Lent:
    """Stands under the arrays on one block, and goes with the last of them."""

    __slots__ = ("_block", "pool")

    def __init__(self, pool: PinnedPool, block: NDArray[np.uint8]) -> None:
        self.pool = pool
        self._block = block

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self._block.__array_interface__

    def __del__(self) -> None:
        self.pool.came_back(self._block)


def _rounded(size: int) -> int:
    """The size of the block for so many bytes: at most a quarter is not used."""
    size = max(size, _SMALLEST)
    step = 1 << (size.bit_length() - 3)
    return -(-size // step) * step
