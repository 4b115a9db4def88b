"""Copies between a device and memory of the host that it cannot copy from by itself: through pinned blocks, in parts.

Two parts are under way at a time: the device copies one while a thread copies the other.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

import numpy as np

from ..channels import env

if TYPE_CHECKING:
    import asyncio

    from numpy.typing import NDArray

    from .array import DeviceArray
    from .stream import Stream

#: Bytes of a part.
CHUNK: Final = 8 << 20
#: Bytes that are copied on the loop's thread: more would keep the loop for longer than a thread costs.
SMALL: Final = 256 << 10


async def copy_in(stream: Stream, array: DeviceArray, host: NDArray[np.uint8], offset: int = 0) -> None:
    """Give a stream the copy of contiguous bytes into an array, from a byte of it on.

    What the device copies by itself (pinned memory, and on OpenCL all memory) must not be changed before it is done;
    other memory is free when this returns.
    """
    device = stream.device
    if device.kind == "opencl" or device.pool.holds(host):
        await stream.room()
        stream.copy_in(array, host, offset)
        return
    for begin in range(0, len(host), CHUNK):
        part = host[begin : begin + CHUNK]
        block = await device.pinned_block(len(part))
        await copy(block, part)
        await stream.room()
        stream.copy_in(array, block, offset + begin)


async def parts_of(stream: Stream, array: DeviceArray) -> AsyncGenerator[NDArray[np.uint8]]:
    """What an array has, part by part, each when the device has copied it; the next one is under way meanwhile."""
    before: tuple[NDArray[np.uint8], asyncio.Future[None]] | None = None
    for begin in range(0, array.nbytes, CHUNK):
        block = await stream.device.pinned_block(min(CHUNK, array.nbytes - begin))
        await stream.room()
        stream.copy_out(block, array, begin)
        point = stream.point()
        point.add_done_callback(_retrieved)
        if before is not None:
            await before[1]
            yield before[0]
        before = block, point
    if before is not None:
        await before[1]
        yield before[0]


async def copy(to: NDArray[np.uint8], part: NDArray[np.uint8]) -> None:
    """Copy bytes of the host, on another thread if they are many."""
    if len(part) <= SMALL:
        to[:] = part
    else:
        await env.run_in_thread(np.copyto, to, part)


def _retrieved(point: asyncio.Future[None]) -> None:
    """Whoever is cancelled does not ask for the error of a point; that is no mistake."""
    if not point.cancelled():
        point.exception()
