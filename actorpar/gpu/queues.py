"""Queues and events of PyOpenCL, as far as their completion goes. Imported where PyOpenCL is in use."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Hashable
from typing import Any, Final

import pyopencl as cl

from .errors import InvalidDevice, WorkFailed

#: What the C part calls, in its order.
_CALLS: Final = ("clSetEventCallback", "clFlush", "clGetEventInfo", "clEnqueueMarkerWithWaitList", "clReleaseEvent")


@functools.cache
def _calls() -> Any:
    """The addresses of these functions in the library that PyOpenCL is linked with."""
    library = ctypes.CDLL(sys.modules[cl.CommandQueue.__module__].__file__)
    addresses = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in _CALLS]
    return (ctypes.c_void_p * len(_CALLS))(*addresses)


def opencl_source(stream: Any) -> QueueSource | EventSource:
    """What a queue or an event is to a loop. InvalidDevice."""
    if isinstance(stream, cl.CommandQueue):
        return QueueSource(stream)
    if isinstance(stream, cl.Event):
        return EventSource(stream)
    raise InvalidDevice(f"{stream!r} is no stream; of PyOpenCL, give the CommandQueue, or an Event")


class QueueSource:
    """A queue that some program has made: all that was put into it so far."""

    def __init__(self, queue: Any) -> None:
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


class EventSource:
    """An event: one piece of work, and in a queue that keeps its order all before it. Saves the marker of a queue."""

    def __init__(self, event: Any) -> None:
        self.event = event
        self._pointer: int = event.int_ptr

    def __repr__(self) -> str:
        return f"the OpenCL event {self._pointer:#x}"

    @property
    def context(self) -> Hashable:
        """See `Source`."""
        return "opencl event", self._pointer

    def notify(self, library: ctypes.CDLL, slot: int) -> None:
        """See `Source`. Its queue is flushed."""
        notify_event(library, self._pointer, slot, self)

    def waiter(self) -> Callable[[], None]:
        """See `Source`."""
        queue = self.event.command_queue
        if queue is not None:
            queue.flush()
        wait: Callable[[], None] = self.event.wait
        return wait

    def check(self) -> None:
        """See `Source`. OpenCL calls back for what has failed, too."""


def notify_event(library: ctypes.CDLL, event: int, slot: int, of: object) -> None:
    """Have the driver call when an event of `of` is complete. WorkFailed."""
    code = library.actorpar_notify_event(_calls(), event, slot)
    if code:
        raise WorkFailed(f"{of!r} cannot be waited for: OpenCL error {code}")
