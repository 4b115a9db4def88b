"""A command queue of PyOpenCL, as far as its completion goes. Imported where PyOpenCL is in use."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Hashable
from typing import Any, Final

import pyopencl as cl

from .errors import InvalidDevice, WorkFailed

#: What the C part calls, in its order.
_CALLS: Final = ("clEnqueueMarkerWithWaitList", "clSetEventCallback", "clReleaseEvent", "clFlush")


@functools.cache
def _calls() -> Any:
    """The addresses of these functions in the library that PyOpenCL is linked with."""
    library = ctypes.CDLL(sys.modules[cl.CommandQueue.__module__].__file__)
    addresses = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in _CALLS]
    return (ctypes.c_void_p * len(_CALLS))(*addresses)


class QueueSource:
    """A queue that some program has made."""

    def __init__(self, queue: Any) -> None:
        if not isinstance(queue, cl.CommandQueue):
            raise InvalidDevice(f"{queue!r} is no stream; of PyOpenCL, give the CommandQueue")
        self.queue = queue
        self._pointer: int = queue.int_ptr

    def __repr__(self) -> str:
        return f"the OpenCL queue {self._pointer:#x}"

    @property
    def context(self) -> Hashable:
        """See `Source`."""
        return "opencl", self._pointer

    def notify(self, library: ctypes.CDLL, slot: int) -> None:
        """See `Source`. The queue is flushed, for what is not flushed may never begin."""
        code = library.actorpar_notify_queue(_calls(), self._pointer, slot)
        if code:
            raise WorkFailed(f"{self!r} takes no work: OpenCL error {code}")

    def waiter(self) -> Callable[[], None]:
        """See `Source`."""
        marker = cl.enqueue_marker(self.queue)
        self.queue.flush()
        wait: Callable[[], None] = marker.wait
        return wait

    def check(self) -> None:
        """See `Source`. OpenCL calls back for what has failed, too."""
