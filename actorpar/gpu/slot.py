"""Slots: streams that are used in turn, each by one at a time. Several of them are double buffering.

While one slot copies in, another computes and a third copies out. A slot is free again when its device is done with
what it was given, not when whoever had it went on, was cancelled or failed: so neither its memory nor its turn is given
to anybody else before.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .array import DeviceArray
from .device import Device
from .errors import GpuError, InvalidDevice, InvalidLaunch
from .foreign import OnCuda, adopt
from .program import Kernel, Size
from .staging import copy, copy_in, parts_of
from .stream import Stream


class Slots:
    """`count` slots of a device. `async with slots.slot() as slot:` waits for a free one; first come, first served."""

    def __init__(self, device: Device, kernels: Mapping[str, Kernel], count: int) -> None:
        self.device = device
        self.kernels = kernels
        self._free: asyncio.Queue[Stream] = asyncio.Queue()
        streams = [device.stream() for _ in range(count)]
        for stream in streams:
            self._free.put_nowait(stream)
        self._count = count
        # Whoever had them may have been killed, and die in a cycle on another thread: streams are used again instead.
        weakref.finalize(self, device.spare.extend, streams).atexit = False

    def slot(self) -> Slot:
        """A slot, to be entered."""
        return Slot(self)

    async def take(self) -> Stream:
        """The stream of a free slot."""
        return await self._free.get()

    def give_back(self, stream: Stream, *, idle: bool) -> None:
        """The slot is free as soon as the device is done with it; at once, if it is idle, or the device is lost."""
        if idle:
            self._free.put_nowait(stream)
            return
        try:
            stream.settle(lambda _: self._free.put_nowait(stream))
        except Exception:
            self._free.put_nowait(stream)

    async def drain(self) -> None:
        """Return when all slots are free: nobody has one, and the device is done with everything."""
        streams = [await self._free.get() for _ in range(self._count)]
        for stream in streams:
            self._free.put_nowait(stream)


class Slot:
    """One stream, and what an actor does on it; inside `async with`.

    Each of its methods waits until the stream has room, gives the device its piece of work, and returns: only `get` and
    `done` wait for the device. Cancelling any of them takes nothing back. An array belongs to the slot that uses it
    until another one does, or until it is sent.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._stream: Stream | None = None
        self._shared = False  # others may have given it work, which is not counted
        self._arrays: weakref.WeakSet[DeviceArray] = weakref.WeakSet()

    async def __aenter__(self) -> Slot:
        self._stream = await self._slots.take()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        stream, self._stream = self._own, None
        idle = not stream.in_flight and not self._shared
        with contextlib.suppress(GpuError):  # of a lost device nothing is waited for
            stream.hand_over(self._arrays, idle=idle)
        self._slots.give_back(stream, idle=idle)

    @property
    def stream(self) -> Stream:
        """Its stream, for other libraries: torch.cuda.ExternalStream(slot.stream.handle)."""
        self._shared = True
        return self._own

    @property
    def _own(self) -> Stream:
        if self._stream is None:
            raise InvalidDevice("a slot is used inside `async with actor.slot() as slot:`")
        return self._stream

    @property
    def device(self) -> Device:
        """Its device."""
        return self._slots.device

    async def pinned(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Memory of the host from which `put` copies without another copy before; see `Device.pinned`."""
        return await self.device.pinned(shape, dtype)

    async def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """A new array on the device, with anything in it. OutOfDeviceMemory."""
        return self.device.empty(shape, dtype)

    async def put(self, host: NDArray[Any] | DeviceArray | OnCuda) -> DeviceArray:
        """A new array on the device with what `host` has. OutOfDeviceMemory.

        Memory of `pinned`, and on OpenCL all contiguous memory, is copied by the device itself: do not change it before
        `done`. Other memory is copied to pinned memory first, on another thread if it is large, and is yours when this
        returns. An array of the device itself is the array that it is; one that has come from another process is
        brought here, and one of another device is copied, by way of the host. ArrayLost. An array of torch, cupy,
        numba or PyCUDA on a CUDA device is used where it is.
        """
        if isinstance(host, DeviceArray):
            await self._here(host)
            return host if host.device is self.device else await self._copy_of(host)
        if not isinstance(host, np.ndarray):
            array = adopt(self.device, self._own, host)
            self._arrays.add(array)
            return array
        array = self.device.empty(host.shape, host.dtype)
        self._arrays.add(array)
        await copy_in(self._own, array, np.ascontiguousarray(host).reshape(-1).view(np.uint8))
        return array

    async def launch(self, name: str, size: Size, *arguments: Any, block: Size | None = None) -> None:
        """Run a kernel of the program for `size` items: a number, or up to three for as many dimensions.

        Arrays that other slots or actors have worked on are waited for, by the device. InvalidLaunch for a kernel that
        there is not, and for arguments that are not those of its signature.
        """
        kernel = self._slots.kernels.get(name)
        if kernel is None:
            known = ", ".join(self._slots.kernels) or "none"
            raise InvalidLaunch(f"the program has no kernel {name!r}; its kernels are: {known}")
        for argument in arguments:
            if isinstance(argument, DeviceArray) and argument.arrival is not None:
                await self._here(argument)
        await self._own.room()
        self._own.launch(kernel, size, arguments, block)
        self._arrays.update(arguments[number] for number in kernel.signature.arrays)

    async def get(self, array: DeviceArray, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """What an array has, on the host, when the work before is done: in `out`, or in a new array.

        A new one stands in pinned memory as long as half of that is free. InvalidLaunch: `out` does not fit.
        """
        if out is not None and (out.nbytes != array.nbytes or not out.flags.c_contiguous or not out.flags.writeable):
            raise InvalidLaunch(f"out is a contiguous array of {array.nbytes} bytes that can be written to")
        await self._here(array)
        pool, stream = self.device.pool, self._own
        host = out
        if host is None:
            memory = pool.take(array.nbytes, spare=pool.cap // 2)
            host = np.empty(array.shape, array.dtype) if memory is None else _shaped(memory, array)
        if self.device.kind == "opencl" or pool.holds(host):
            await stream.room()
            stream.copy_out(host, array)
            await stream.done()
        else:
            flat, begin = host.reshape(-1).view(np.uint8), 0
            async for part in parts_of(stream, array):
                await copy(flat[begin : begin + len(part)], part)
                begin += len(part)
        return host

    async def done(self, *, timeout: float | None = None) -> None:
        """Return when the device is done with all that this slot was given. DeviceHung, if that takes longer."""
        await self._own.done(timeout=timeout)

    async def _copy_of(self, other: DeviceArray) -> DeviceArray:
        """A copy of an array of another device of this process."""
        array, source, begin = self.device.empty(other.shape, other.dtype), other.device.stream(), 0
        self._arrays.add(array)
        try:
            async for part in parts_of(source, other):
                await copy_in(self._own, array, part, begin)
                begin += len(part)
        finally:
            other.device.spare.append(source)
        return array

    async def _here(self, array: DeviceArray) -> DeviceArray:
        """Bring an array that has come from another process to this device."""
        if array.arrival is not None:
            await array.arrival.bring(array, self.device)
        self._arrays.add(array)
        return array


def _shaped(memory: NDArray[np.uint8], array: DeviceArray) -> NDArray[Any]:
    return memory.view(array.dtype).reshape(array.shape)
