"""A device as one event loop uses it: opened once, shared by all actors of the loop, closed when the loop ends."""

from __future__ import annotations

import asyncio
import math
import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from . import figures
from .array import DeviceArray
from .completion import completions
from .ending import leave_process
from .errors import DeviceLost, InvalidDevice, InvalidLaunch
from .finding import Found, choose
from .loopend import at_end_of_loop
from .pinned import PinnedPool, cap

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from .program import Kernel, Program
    from .stream import Stream


class Device(ABC):
    """A device of CUDA or OpenCL. `open_device("cuda:0")` returns it.

    All of it is used on the thread of its loop. Actors that use one device share it, and its memory; each has streams
    of its own.

    spec       "cuda:0", "opencl:0"
    name       what its driver calls it
    lost       the error that every use raises from now on; None as long as it works
    completed  pieces of work that it has done
    """

    kind: str
    block: int  # items that one block may have

    def __init__(self, found: Found) -> None:
        self.spec = found.spec
        self.name = found.name
        self.lost: DeviceLost | None = None
        self.completed = 0
        self.spare: list[Stream] = []  # of actors that have ended
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()
        self._pinned = PinnedPool(self._make_pinned, cap())
        self._programs: dict[int, tuple[Program, asyncio.Future[dict[str, Kernel]]]] = {}

    # -- what each kind does in its own way

    @property
    @abstractmethod
    def context(self) -> Hashable:
        """What is lost together."""

    @abstractmethod
    def memory(self) -> tuple[int, int]:
        """Bytes in use, as far as is known, and in all."""

    @abstractmethod
    def pointer(self, array: DeviceArray) -> int:
        """The address of an array on the device. AttributeError where arrays have none (OpenCL)."""

    @abstractmethod
    def _make_stream(self) -> Stream:
        """A new stream."""

    @abstractmethod
    def _allocate(self, size: int) -> Any:
        """So many bytes from the pool. OutOfDeviceMemory."""

    @abstractmethod
    def _make_pinned(self, size: int) -> NDArray[np.uint8]:
        """So many bytes of host memory that the device copies from and to by itself. OutOfDeviceMemory."""

    @abstractmethod
    async def _compile(self, program: Program) -> dict[str, Kernel]:
        """Its kernels. CompileError."""

    @abstractmethod
    def _close(self, *, idle: bool) -> None:
        """Give the device back on the thread of the loop; if it is not idle, what it may work on stays where it is."""

    # -- the face

    def stream(self) -> Stream:
        """A new stream. Its work runs beside that of the others; only `after` and `use` order it."""
        self.check()
        if self.spare:
            return self.spare.pop()
        stream = self._make_stream()
        self._streams.add(stream)
        return stream

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """A new array with anything in it, as numpy.empty. OutOfDeviceMemory."""
        self.check()
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        size = math.prod(shape) * np.dtype(dtype).itemsize
        return DeviceArray(self, shape, dtype, self._allocate(max(size, 1)))

    async def pinned(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """A new array of host memory that the device copies from by itself, without a copy of the host before.

        Waits while ACTORPAR_PINNED bytes (1 GiB) are in use: drop arrays that are not needed. The memory is used again
        when the last array on it is gone. OutOfDeviceMemory: it is more than that.
        """
        self.check()
        kind = np.dtype(dtype)
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        memory = await self.pinned_block(math.prod(shape) * kind.itemsize)
        return memory.view(kind).reshape(shape)

    async def pinned_block(self, size: int) -> NDArray[np.uint8]:
        """So many bytes of pinned memory, as soon as they can be had."""
        block = self._pinned.take(size)
        if block is None:
            for stream in self._streams:
                stream.settle_midway()  # what is done gives its blocks back, also if nobody awaits it
            block = await self._pinned.wait_for(size)
        return block

    async def build(self, program: Program) -> dict[str, Kernel]:
        """The kernels of a program, compiled off the loop; a program is compiled once. CompileError, InvalidLaunch."""
        self.check()
        if self.kind not in program.sources:
            raise InvalidLaunch(f"{program!r} has no source for {self.kind}, which {self.spec} needs")
        known = self._programs.get(id(program))
        if known is None or (known[1].done() and known[1].exception() is not None):
            known = self._programs[id(program)] = program, asyncio.ensure_future(self._compile(program))
        return await asyncio.shield(known[1])

    @property
    def pool(self) -> PinnedPool:
        """Its pinned memory."""
        return self._pinned

    @property
    def streams(self) -> int:
        """How many streams it has."""
        return len(self._streams)

    @property
    def busy(self) -> int:
        """How many of them have work."""
        return sum(stream.in_flight > 0 for stream in self._streams)

    @property
    def in_flight(self) -> int:
        """Pieces of work that were given to it and are not done."""
        return sum(stream.in_flight for stream in self._streams)

    def check(self) -> None:
        """Raise DeviceLost if it is lost."""
        if self.lost is not None:
            raise self.lost

    def lose(self, error: DeviceLost) -> None:
        """It cannot be used any more: all that is awaited of it fails with `error`, and so does every later use."""
        if self.lost is None:
            self.lost = error
            completions().lose(self.context, error)

    def close(self) -> None:
        """The loop ends: give the device back, and leave what it still works on where it is."""
        figures.unwatch(self)
        idle = self.lost is None and not self.in_flight
        self._programs.clear()
        self.spare.clear()
        self._close(idle=idle)

    def __repr__(self) -> str:
        return f"<{self.spec}, {self.name}>"


_DEVICES: Final[dict[tuple[asyncio.AbstractEventLoop, str], Device]] = {}
_HELD: Final[list[Device]] = []  # of a parent: what stands in their memory belongs to it


def open_device(spec: str | None = None) -> Device:
    """The device of the running loop for "cuda:0", "opencl:0", "cuda", "opencl" or "auto".

    None is what ACTORPAR_DEVICE says, which on a node for a device is that device, else "auto": the first device of
    CUDA, and only where there is none, of OpenCL. That is never silent: the log says which. The first call makes a
    context, which blocks the loop for a moment; later ones return the same device. NoDevice, with the reasons;
    DeviceLost. InvalidDevice: it is a second one of CUDA, and each needs a process of its own.
    """
    loop = asyncio.get_running_loop()
    device = _DEVICES.get((loop, spec or ""))
    if device is None:
        found = choose(spec)
        device = _DEVICES.get((loop, found.spec)) or _open(loop, found)
        _DEVICES[loop, spec or ""] = device
    if device.lost is not None:
        leave_process(device.lost)  # on a node for it at once: a restart in this process would be in vain
        raise device.lost
    return device


def _open(loop: asyncio.AbstractEventLoop, found: Found) -> Device:
    others = [each for (on, _), each in _DEVICES.items() if on is loop and each.kind == found.kind == "cuda"]
    if others:  # a call of CUDA is for the context that is current, whatever device it means
        raise InvalidDevice(
            f"{found.spec} cannot be used beside {others[0]} in one process: `actorpar run --gpus all` has a node for "
            "each"
        )
    kind: Callable[[Found], Device]
    if found.kind == "cuda":
        from .cuda import CudaDevice as kind
    else:
        from .opencl import OpenCLDevice as kind
    device = _DEVICES[loop, found.spec] = kind(found)
    figures.watch(device)

    def close() -> None:
        for key in [key for key, each in _DEVICES.items() if each is device]:
            del _DEVICES[key]
        device.close()

    at_end_of_loop(close)
    return device


def _forked() -> None:
    """A device does not survive a fork: what a child has of it would harm the parent's."""
    for device in _DEVICES.values():
        device.lost = DeviceLost(f"{device.spec} was opened before this process was forked: start processes by spawn")
        _HELD.append(device)


os.register_at_fork(after_in_child=_forked)
