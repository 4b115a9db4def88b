"""CUDA through PyCUDA. Imported where a device of CUDA is opened.

Invariants
- All objects of PyCUDA are made and used on the thread of the loop, on which the primary context, the one that torch,
  cupy and numba use, stays current: of those that die elsewhere PyCUDA leaks what they have.
- Memory comes from pools: cuMemAlloc and cuMemFree stop the device, with the GIL held.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pycuda.driver as cu  # pyright: ignore[reportMissingImports]
from pycuda.tools import DeviceMemoryPool  # pyright: ignore[reportMissingImports]

from .array import DeviceArray
from .compiling import compile_cuda
from .completion import Source
from .device import Device
from .driver import driver
from .errors import CompileError, DeviceLost, NoDevice, OutOfDeviceMemory, WorkFailed
from .finding import Found
from .program import Dimensions, Kernel, Program, Signature
from .stream import Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NON_BLOCKING: Final = 1
_DISABLE_TIMING: Final = 2


class CudaDevice(Device):
    """A device of CUDA, by its primary context."""

    kind = "cuda"

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        try:
            cu.init()
            device = cu.Device(int(found.spec.partition(":")[2]))
            self._context = device.retain_primary_context()
            self._context.push()
            atexit.register(self._pop)  # an interpreter that ends with a context of PyCUDA aborts
            self._identity = ("cuda", driver().context())
            self._probe = cu.Stream(_NON_BLOCKING)
        except cu.Error as error:
            raise NoDevice(f"{found.spec}, {found.name}, cannot be opened: {error}") from error
        self.uuid = driver().uuid(int(found.spec.partition(":")[2]))
        self._pool = DeviceMemoryPool()
        self._pool.allocate(1)  # held from now on, and of a size that no array has: see `_allocate`
        self.architecture = "sm_{}{}".format(*device.compute_capability())
        self.block: int = device.max_threads_per_block

    @property
    def context(self) -> Hashable:
        return self._identity

    def memory(self) -> tuple[int, int]:
        self.check()
        free, total = cu.mem_get_info()
        return total - free, total

    def pointer(self, array: DeviceArray) -> int:
        return int(array.buffer)

    def _make_stream(self) -> Stream:
        try:
            return CudaStream(self)
        except cu.Error as error:
            raise self.meaning(error, f"a stream of {self.spec}") from None

    def _allocate(self, size: int) -> Any:
        try:
            # A pool that holds nothing asks for the context when a block comes back to it. Where there is none any
            # more, as when an array outlives a device that was lost, that aborts the process.
            return self._pool.allocate(max(size, 2))
        except cu.Error as error:
            raise self.meaning(error, f"{size} bytes on {self.spec}") from None

    def _make_pinned(self, size: int) -> NDArray[np.uint8]:
        try:
            memory: NDArray[np.uint8] = cu.pagelocked_empty(size, np.uint8)
        except cu.Error as error:
            raise self.meaning(error, f"{size} bytes of pinned memory") from None
        return memory

    async def _compile(self, program: Program) -> dict[str, Kernel]:
        source = program.sources["cuda"]
        image = source if isinstance(source, bytes) else await compile_cuda(source, self.architecture)
        self.check()
        try:
            module = cu.module_from_buffer(image)
        except cu.Error as error:
            raise CompileError(f"{self.spec}, {self.architecture}, does not load {program!r}: {error}") from None
        kernels = {}
        for name, signature in program.signatures.items():
            try:
                kernels[name] = Kernel(signature, module.get_function(name))
            except cu.Error:
                raise CompileError(
                    f'{program!r} has no kernel {name} for CUDA: write extern "C" __global__ void {name}(…)'
                ) from None
        return kernels

    def meaning(self, error: Exception, what: str) -> Exception:
        """What an error of PyCUDA means: the device is lost, is full, or has refused this piece of work."""
        try:
            driver().check_stream(self._probe.handle)
        except DeviceLost as lost:
            self.lose(lost)
            return lost
        if isinstance(error, cu.MemoryError):
            return OutOfDeviceMemory(f"{what}: {error}")
        return WorkFailed(f"{what}: {error}")

    def record_behind(self, event: Any, array: DeviceArray) -> None:
        """Record an event behind the last work on an array."""
        stream = self._probe
        if array.ready is not None:
            stream.wait_for_event(array.ready)
        elif isinstance(array.stream, CudaStream):
            stream = array.stream._stream
        event.record(stream)

    def _close(self, *, idle: bool) -> None:
        atexit.unregister(self._pop)
        if idle:
            for stream in self._streams:
                stream.release()
            self._pinned.release()
            del self._probe
            gc.collect()  # what dies in cycles dies on this thread, while the context is current
            self._pool.stop_holding()
            del self._pool
        else:
            _LEFT.append(self)
        self._pop()
        if idle:
            self._context.detach()  # which makes it current again
            driver().set_context(None)

    def _pop(self) -> None:
        """Take the context off this thread."""
        if driver().context() == self._identity[1]:
            cu.Context.pop()


#: Devices whose loops have ended while they worked, or that were lost: what drivers may still write to stays.
_LEFT: Final[list[CudaDevice]] = []


class CudaStream(Stream):
    """A stream of CUDA that does not wait for the default stream."""

    device: CudaDevice

    def __init__(self, device: CudaDevice) -> None:
        super().__init__(device)
        self._stream = cu.Stream(_NON_BLOCKING)
        self._handle: int = self._stream.handle
        self._signal: _Signal | None = None

    @property
    def handle(self) -> int:
        return self._handle

    def __cuda_stream__(self) -> tuple[int, int]:
        """For cuda.core, torch, numba: the version of this protocol, and the CUstream."""
        return 0, self._handle

    def __repr__(self) -> str:
        return f"a stream of {self.device.spec}"

    def copy_in(self, array: DeviceArray, host: NDArray[Any], offset: int = 0) -> None:
        self.use(array)
        self._do(cu.memcpy_htod_async, int(array.buffer) + offset, host, self._stream)
        self.given(array.buffer, host)

    def copy_out(self, host: NDArray[Any], array: DeviceArray, offset: int = 0) -> None:
        self.use(array)
        self._do(cu.memcpy_dtoh_async, host, int(array.buffer) + offset, self._stream)
        self.given(array.buffer, host)

    def copy(self, to: DeviceArray, array: DeviceArray) -> None:
        self.use(to)
        self.use(array)
        self._do(cu.memcpy_dtod_async, int(to.buffer), int(array.buffer), array.nbytes, self._stream)
        self.given(to.buffer, array.buffer)

    def _prepare(self, signature: Signature, values: list[Any]) -> Any:
        for number in signature.arrays:
            values[number] = int(values[number])
        return signature.pack(values)

    def _launch(self, kernel: Kernel, grid: Dimensions, block: Dimensions, arguments: Any) -> None:
        # One call of the driver; PyCUDA's other ways make two, one of which is deprecated.
        self._do(kernel.handle._launch_kernel, grid, block, arguments, 0, self._stream)

    def mark(self) -> Any:
        event = cu.Event(_DISABLE_TIMING)
        self._do(event.record, self._stream)
        return event

    def after(self, mark: Any) -> None:
        self._do(self._stream.wait_for_event, mark)
        self._used.append(mark)

    def release(self) -> None:
        """Destroy it, for its device is closed."""
        del self._stream
        self._signal = None

    def _do(self, call: Callable[..., Any], *arguments: Any) -> None:
        if self.device.lost is not None:
            raise self.device.lost
        try:
            call(*arguments)
        except cu.Error as error:
            raise self.device.meaning(error, repr(self)) from None

    # -- as a source of completions

    def midway(self) -> Source:
        if self._signal is None:
            self._signal = _Signal(self)
        return self._signal

    def notify(self, library: ctypes.CDLL, slot: int) -> None:
        driver().launch_host_function(self._handle, library.actorpar_host_function, slot)

    def waiter(self) -> Callable[[], None]:
        return driver().waiter(self._handle)

    def check(self) -> None:
        driver().check_stream(self._handle)


class _Signal:
    """Tells of a point of a stream by another one: work behind a host function waits for it."""

    def __init__(self, stream: CudaStream) -> None:
        self._of = stream
        self._stream = cu.Stream(_NON_BLOCKING)
        self.context = stream.context

    def notify(self, library: ctypes.CDLL, slot: int) -> None:
        event = self._of.mark()
        self._of._do(self._stream.wait_for_event, event)
        driver().launch_host_function(self._stream.handle, library.actorpar_host_function, slot)

    def waiter(self) -> Callable[[], None]:
        return self._of.waiter()

    def check(self) -> None:
        self._of.check()
