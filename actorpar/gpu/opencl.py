"""OpenCL through PyOpenCL. Imported where a device of OpenCL is opened.

Invariant: an event of a copy is referred to until the copy is done. PyOpenCL waits in the destructor of such an event,
with the GIL held and the loop with it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyopencl as cl
from pyopencl.tools import ImmediateAllocator, MemoryPool

from ..channels import env
from .array import DeviceArray
from .device import Device
from .errors import CompileError, DeviceLost, InvalidLaunch, OutOfDeviceMemory, WorkFailed
from .finding import Found
from .program import Dimensions, Kernel, Program, Signature
from .queues import QueueSource, notify_event
from .stream import Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: What a letter of a signature is to PyOpenCL.
_SCALARS: Final[dict[str, Any]] = {
    "P": None, "b": np.int8, "B": np.uint8, "h": np.int16, "H": np.uint16, "i": np.int32, "I": np.uint32,
    "q": np.int64, "Q": np.uint64, "f": np.float32, "d": np.float64,
}  # fmt: skip
#: Errors after which a device can only be lost, and those that tell of memory.
_LOST: Final = frozenset({"DEVICE_NOT_AVAILABLE", "INVALID_CONTEXT", "INVALID_COMMAND_QUEUE"})
_FULL: Final = frozenset({"MEM_OBJECT_ALLOCATION_FAILURE", "OUT_OF_RESOURCES", "OUT_OF_HOST_MEMORY"})
_TOO_LARGE: Final = "INVALID_BUFFER_SIZE"


class OpenCLDevice(Device):
    """A device of OpenCL, with a context of its own."""

    kind = "opencl"

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        number = int(found.spec.partition(":")[2])
        self._device = [device for platform in cl.get_platforms() for device in _devices(platform)][number]
        self.cl = cl.Context([self._device])
        self._allocations = cl.CommandQueue(self.cl)
        self._pool = MemoryPool(ImmediateAllocator(self._allocations))
        self._identity = ("opencl", self.cl.int_ptr)
        self.block: int = self._device.max_work_group_size

    @property
    def context(self) -> Hashable:
        return self._identity

    def memory(self) -> tuple[int, int]:
        return self._pool.managed_bytes, self._device.global_mem_size

    def pointer(self, array: DeviceArray) -> int:
        raise AttributeError("an array of OpenCL has no address on the device")

    def _make_stream(self) -> Stream:
        return OpenCLStream(self)

    def _allocate(self, size: int) -> Any:
        try:
            return self._pool.allocate(size)
        except cl.Error as error:
            raise self.meaning(error, f"{size} bytes on {self.spec}") from None

    def _make_pinned(self, size: int) -> NDArray[np.uint8]:
        return np.empty(size, np.uint8)  # every driver copies from it by itself

    async def _compile(self, program: Program) -> dict[str, Kernel]:
        source = program.sources["opencl"]
        if isinstance(source, bytes):
            raise InvalidLaunch(f"{program!r}: OpenCL takes source code")
        try:
            built = await env.run_in_thread(cl.Program(self.cl, source).build)
            return {name: self._kernel(built, signature) for name, signature in program.signatures.items()}
        except cl.Error as error:
            raise CompileError(f"{program!r} does not compile for {self}: {error}") from None

    def _kernel(self, built: Any, signature: Signature) -> Kernel:
        kernel = cl.Kernel(built, signature.name)
        if kernel.num_args != len(signature.codes):
            raise CompileError(
                f"{signature.name} has {kernel.num_args} arguments in OpenCL, and its signature is {signature.codes!r}"
            )
        kernel.set_scalar_arg_dtypes([_SCALARS[code] for code in signature.codes])
        return Kernel(signature, kernel)

    def meaning(self, error: Exception, what: str) -> Exception:
        """What an error of PyOpenCL means: the device is lost, is full, or has refused this piece of work."""
        text = f"{what}: {error}"
        told = {word.strip(",.") for word in str(error).split()}
        if told & _LOST:
            lost = DeviceLost(text)
            self.lose(lost)
            return lost
        if isinstance(error, cl.MemoryError) or _TOO_LARGE in told or told & _FULL:
            return OutOfDeviceMemory(text)
        return WorkFailed(text)

    def _close(self, *, idle: bool) -> None:
        if idle:
            self._pool.stop_holding()


class OpenCLStream(Stream):
    """An in-order queue of OpenCL."""

    device: OpenCLDevice

    def __init__(self, device: OpenCLDevice) -> None:
        super().__init__(device)
        self.queue = cl.CommandQueue(device.cl)
        self._source = QueueSource(self.queue)
        self._last: Any = None  # the event of the last work, until it is waited for

    @property
    def handle(self) -> int:
        return self.queue.int_ptr

    def __repr__(self) -> str:
        return f"a stream of {self.device.spec}"

    def copy_in(self, array: DeviceArray, host: NDArray[Any], offset: int = 0) -> None:
        self.use(array)
        event = self._do(cl.enqueue_copy, self.queue, array.buffer, host, is_blocking=False, dst_offset=offset)
        self._last = event
        self.given(array.buffer, host, event)

    def copy_out(self, host: NDArray[Any], array: DeviceArray, offset: int = 0) -> None:
        self.use(array)
        event = self._do(cl.enqueue_copy, self.queue, host, array.buffer, is_blocking=False, src_offset=offset)
        self._last = event
        self.given(array.buffer, host, event)

    def copy(self, to: DeviceArray, array: DeviceArray) -> None:
        self.use(to)
        self.use(array)
        event = self._do(cl.enqueue_copy, self.queue, to.buffer, array.buffer, byte_count=array.nbytes)
        self._last = event
        self.given(to.buffer, array.buffer, event)

    def _prepare(self, signature: Signature, values: list[Any]) -> Any:
        signature.pack([0 if code == "P" else value for code, value in zip(signature.codes, values, strict=True)])
        return values

    def _launch(self, kernel: Kernel, grid: Dimensions, block: Dimensions, arguments: Any) -> None:
        total = (grid[0] * block[0], grid[1] * block[1], grid[2] * block[2])
        self._last = self._do(kernel.handle, self.queue, total, block, *arguments)

    def mark(self) -> Any:
        # Of a copy it would hold the memory of the host for as long as somebody has the array.
        event = self._last if type(self._last) is cl.Event else self._do(cl.enqueue_marker, self.queue)
        self.queue.flush()
        return event

    def after(self, mark: Any) -> None:
        self._last = self._do(cl.enqueue_barrier, self.queue, wait_for=[mark])
        self._used.append(mark)

    def release(self) -> None:
        """A queue may be released on whatever thread."""

    def _do(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self.device.lost is not None:
            raise self.device.lost
        try:
            return call(*arguments, **options)
        except cl.Error as error:
            raise self.device.meaning(error, repr(self)) from None

    # -- as a source of completions

    def notify(self, library: ctypes.CDLL, slot: int) -> None:
        last, self._last = self._last, None
        if last is None:
            self._source.notify(library, slot)
        else:
            notify_event(library, last.int_ptr, slot, self)

    def waiter(self) -> Callable[[], None]:
        self._last = None
        return self._source.waiter()

    def check(self) -> None:
        """OpenCL calls back for what has failed, too."""


def _devices(platform: Any) -> list[Any]:
    """As `looking` sees them: a platform without one raises."""
    try:
        found: list[Any] = platform.get_devices()
    except cl.Error:
        return []
    return found
