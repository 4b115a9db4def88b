"""An array in the memory of a device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from .device import Device
    from .stream import Stream


class DeviceArray:
    """An array in the memory of a device: shape, dtype, and the point from which on it may be used.

    In a process it goes through channels and messages by reference, as it is: neither host nor device waits, but
    the stream on which it is used next waits for the work that was given before. Like all that is sent it then belongs
    to the receiver. Its memory is used again when nobody has it any more and the device is done with it.

    shape   of the array, in C order, without gaps
    dtype   numpy's
    device  whose memory it is
    """

    __slots__ = ("__weakref__", "buffer", "device", "dtype", "ready", "shape", "stream")

    def __init__(self, device: Device, shape: tuple[int, ...], dtype: DTypeLike, buffer: Any) -> None:
        self.device = device
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.buffer = buffer  # the library's
        self.stream: Stream | None = None  # that was given work on it last
        self.ready: Any = None  # the library's mark behind that work; None: the stream has gone no further

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes."""
        return self.size * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """For torch, cupy, numba: version 3, with the stream behind whose work it may be used. CUDA only."""
        pointer = self.device.pointer(self)
        interface: dict[str, Any] = {
            "shape": self.shape, "typestr": self.dtype.str, "data": (pointer, False), "strides": None, "version": 3,
        }  # fmt: skip
        if self.stream is not None:
            interface["stream"] = self.stream.handle
        return interface

    def __repr__(self) -> str:
        return f"<DeviceArray {self.shape} {self.dtype} on {self.device.spec}>"
