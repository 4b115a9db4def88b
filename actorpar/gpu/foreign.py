"""Arrays that other libraries have on a CUDA device: torch, cupy, numba, PyCUDA, by `__cuda_array_interface__`."""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .array import DeviceArray
from .driver import driver
from .errors import InvalidLaunch

if TYPE_CHECKING:
    from .device import Device
    from .stream import Stream


class OnCuda(Protocol):
    """What torch, cupy, numba and PyCUDA show of an array on a CUDA device."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...


class Foreign:
    """The memory of an array of another library, which is kept as long as anybody, or the device, needs it."""

    def __init__(self, address: int, owner: Any) -> None:
        self._address = address
        self._owner = owner

    def __int__(self) -> int:
        return self._address


def adopt(device: Device, stream: Stream, foreign: Any) -> DeviceArray:
    """An array on the very memory of another library's; `stream` begins nothing on it before the work on it is done.

    That is known where the interface names a stream; where it names none, the library says that nothing is to be waited
    for. InvalidLaunch: the device is none of CUDA, or the array has gaps, or may only be read.
    """
    interface = getattr(foreign, "__cuda_array_interface__", None)
    if interface is None:
        raise InvalidLaunch(f"a device takes arrays of numpy, and those that are on one, not {foreign!r}")
    shape, dtype = tuple(interface["shape"]), np.dtype(interface["typestr"])
    address, only_read = interface["data"]
    if device.kind != "cuda":
        raise InvalidLaunch(f"an array of CUDA cannot be used on {device}")
    if only_read or not _has_no_gaps(shape, dtype.itemsize, interface.get("strides")):
        raise InvalidLaunch("an array of another library has to be contiguous in C order, and not only to be read")
    theirs = interface.get("stream")
    if theirs is not None:
        _wait(stream, int(theirs))
    array = DeviceArray(device, shape, dtype, Foreign(address, foreign))
    array.stream = stream
    return array


def _has_no_gaps(shape: tuple[int, ...], itemsize: int, strides: Any) -> bool:
    expected = tuple(itemsize * math.prod(shape[place + 1 :]) for place in range(len(shape)))
    return strides is None or tuple(strides) == expected


def _wait(stream: Stream, theirs: int) -> None:
    """Have a stream wait for what another one was given so far; 1 and 2 are the default streams, as for the driver."""
    event = ctypes.c_void_p()
    driver().event_create(ctypes.byref(event), 2)  # no timing
    try:
        driver().event_record(event, theirs)
        driver().stream_wait(stream.handle, event, 0)
    finally:
        driver().event_destroy(event)
