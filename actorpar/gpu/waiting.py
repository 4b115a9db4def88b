"""`done`: wait for a stream of whatever library, without blocking the loop."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable, Hashable
from typing import Any, Final

from .completion import Source, completions
from .driver import driver
from .errors import DeviceHung, InvalidDevice


async def done(stream: Any, *, timeout: float | None = None) -> None:
    """Wait until the device has done everything that was enqueued on `stream` so far, while the loop goes on.

    `stream` is a stream of PyCUDA, torch, cupy, numba or cuda.core, whatever has `__cuda_stream__`, the address of a
    CUstream as a number, a `CommandQueue` of PyOpenCL, or a `Stream` of a device of actorpar. An `Event` of PyOpenCL is
    waited for itself, which costs less than its queue. The context of a stream must be current on this thread, which is
    that of the loop: that is so for whoever has just used the stream here.

    Cancelling the wait does not stop the device: what it works on has to stay where it is until the device is done.
    Raises DeviceLost if the device is lost meanwhile, and DeviceHung if `timeout` seconds pass: the work goes on, and
    nothing but the end of the process stops it; so the device is lost for all that is awaited of it here, and a process
    that is a node for it ends. InvalidDevice for what is no stream.
    """
    loop = asyncio.get_running_loop()
    source = source_of(stream)
    future: asyncio.Future[None] = loop.create_future()

    def then(error: BaseException | None) -> None:
        if not future.done():
            future.set_result(None) if error is None else future.set_exception(error)

    completions(loop).arm(source, then)
    if timeout is None:
        await future
        return

    def give_up() -> None:
        if not future.done():
            completions(loop).lose(source.context, hung(source, timeout))

    timer = loop.call_later(timeout, give_up)
    try:
        await future
    finally:
        timer.cancel()


def hung(source: Source, timeout: float) -> DeviceHung:
    """The error for work that has not been done in time."""
    return DeviceHung(f"{source!r} was not done within {timeout:g} s; only the end of the process stops its work")


class CudaSource:
    """A stream of CUDA that some library has made."""

    def __init__(self, handle: int, owner: Any) -> None:
        self.handle = handle
        self.context: Hashable = ("cuda", driver().context())
        self._owner = owner  # destroyed, its handle would be another's

    def __repr__(self) -> str:
        return f"the CUDA stream {self.handle:#x}"

    def notify(self, library: ctypes.CDLL, slot: int) -> None:
        """See `Source`."""
        driver().launch_host_function(self.handle, library.actorpar_host_function, slot)

    def waiter(self) -> Callable[[], None]:
        """See `Source`."""
        return driver().waiter(self.handle)

    def check(self) -> None:
        """See `Source`."""
        driver().check_stream(self.handle)


def source_of(stream: Any) -> Source:
    """What `stream` is to a loop. InvalidDevice."""
    kind = type(stream)
    find = _FINDERS.get(kind) or _find(kind)
    return find(stream)


#: What makes a source of a stream of this class: the classes of some libraries.
_FINDERS: Final[dict[type, Callable[[Any], Source]]] = {}


def _find(kind: type) -> Callable[[Any], Source]:
    find: Callable[[Any], Source] = _of_cuda
    if hasattr(kind, "notify"):
        find = _itself
    elif kind.__module__.partition(".")[0] == "pyopencl":
        from .queues import opencl_source as find
    _FINDERS[kind] = find
    return find


def _itself(stream: Source) -> Source:
    return stream


def _of_cuda(stream: Any) -> Source:
    return CudaSource(cuda_handle(stream), stream)


def cuda_handle(stream: Any) -> int:
    """The CUstream of a stream of whatever library, as a number. InvalidDevice."""
    if isinstance(stream, int) and not isinstance(stream, bool) and stream >= 0:
        return stream
    protocol = getattr(stream, "__cuda_stream__", None)
    if protocol is not None:
        told: Any = protocol() if callable(protocol) else protocol
        return int(told[1])
    for attribute in ("cuda_stream", "ptr", "handle"):  # torch; cupy; PyCUDA and numba
        handle = getattr(stream, attribute, None)
        if handle is not None:
            return int(getattr(handle, "value", handle) or 0)
    raise InvalidDevice(
        f"{stream!r} is no stream: a stream of PyCUDA, torch, cupy, numba or cuda.core, whatever has __cuda_stream__, "
        "the address of a CUstream, or a CommandQueue or Event of PyOpenCL"
    )
