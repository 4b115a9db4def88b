"""Memory of a CUDA device that another process of the same host uses where it stands: CUDA's own IPC, through PyCUDA.

Invariants
- What is lent stays where it is until whoever has it says that he and his device are done with it, or his node is lost.
- A handle is opened once at a time in a process, and only for the very GPU that it came from.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pycuda.driver as cu  # pyright: ignore[reportMissingImports]

from .crossing import Loan

if TYPE_CHECKING:
    from .array import DeviceArray
    from .cuda import CudaDevice
    from .device import Device

#: cuda.h: CU_IPC_HANDLE_SIZE.
_HANDLE = 64


def lend(array: DeviceArray) -> tuple[Loan, Any] | None:
    """A loan of an array, and what has to stay with the array while it is lent. None: this device lends nothing."""
    device: CudaDevice = array.device  # type: ignore[assignment]
    try:
        memory = cu.mem_get_ipc_handle(int(array.buffer))
        event = cu.Event(cu.event_flags.INTERPROCESS | cu.event_flags.DISABLE_TIMING)
        handle = event.ipc_handle()
    except cu.Error:
        return None
    device.record_behind(event, array)
    return Loan(os.getpid(), device.uuid, bytes(memory), bytes(handle)), event


class Mapped:
    """Memory that another process lends, as the buffer of an array. When nothing refers to it any more it is closed, on
    the thread of the loop, and its owner is told by `returned`."""

    def __init__(self, handle: Any, returned: Callable[[], object]) -> None:
        self._handle = handle
        self._address = int(handle)
        loop = asyncio.get_running_loop()
        weakref.finalize(self, _give_back, loop, handle, returned).atexit = False

    def __int__(self) -> int:
        return self._address


def _give_back(loop: asyncio.AbstractEventLoop, handle: Any, returned: Callable[[], object]) -> None:
    def close() -> None:
        handle.close()
        returned()

    try:
        loop.call_soon_threadsafe(close)
    except RuntimeError:  # the loop has ended, and the process of the memory was told that with its link
        pass


def borrow(device: Device, loan: Loan, size: int, returned: Callable[[], object]) -> tuple[Mapped, Any] | None:
    """So many bytes of a loan, and the event behind which they may be used.

    None: they cannot be used here where they stand, or the memory is smaller than that.
    """
    uuid = getattr(device, "uuid", None)  # of CUDA
    if loan.device != uuid or loan.process == os.getpid() or not len(loan.memory) == len(loan.event) == _HANDLE:
        return None
    try:
        event = cu.Event.from_ipc_handle(bytearray(loan.event))
        handle = cu.IPCMemoryHandle(bytearray(loan.memory))
    except cu.Error:
        return None
    base, held = cu.mem_get_address_range(int(handle))
    if base + held - int(handle) < size:
        handle.close()
        return None
    return Mapped(handle, returned), event
