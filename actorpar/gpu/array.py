"""An array in the memory of a device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InvalidDevice

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from .crossing import Arrival
    from .device import Device
    from .stream import Stream


class DeviceArray:
    """An array in the memory of a device: shape, dtype, and the point from which on it may be used.

    In a process it goes through channels and messages by reference, as it is: neither host nor device waits, but
    the stream on which it is used next waits for the work that was given before. Like all that is sent it then belongs
    to the receiver. Its memory is used again when nobody has it any more and the device is done with it.

    To another process it goes as a ticket, and what it has follows when it is used there: the first `put`, `launch` or
    `get` of it in a slot brings it to the device of that slot, part by part. `to_host` needs no device.

    shape   of the array, in C order, without gaps
    dtype   numpy's
    """

    __slots__ = ("__weakref__", "_device", "arrival", "buffer", "dtype", "ready", "shape", "stream")

    def __init__(self, device: Device | None, shape: tuple[int, ...], dtype: DTypeLike, buffer: Any) -> None:
        self._device = device
        self.arrival: Arrival | None = None  # it has arrived from another process, and is on no device here yet
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.buffer = buffer  # the library's
        self.stream: Stream | None = None  # that was given work on it last
        self.ready: Any = None  # the library's mark behind that work; None: the stream has gone no further

    @property
    def device(self) -> Device:
        """Whose memory it is. InvalidDevice: it is on none of this process yet."""
        if self._device is None:
            raise InvalidDevice(f"{self!r} is used in a slot first, or brought to the host by to_host()")
        return self._device

    def become(self, other: DeviceArray) -> None:
        """Be what another array is, which nobody else has."""
        self._device, self.buffer = other._device, other.buffer
        self.stream, self.ready = other.stream, other.ready
        self.arrival = None

    async def to_host(self) -> NDArray[Any]:
        """A new array of numpy with what it has, in ordinary memory.

        One that has come from another process is used up by it, and needs no device here. ArrayLost: it has not come
        whole. DeviceLost.
        """
        from .crossing import to_host

        return await to_host(self)

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
        place = "that has arrived" if self._device is None else f"on {self._device.spec}"
        return f"<DeviceArray {self.shape} {self.dtype} {place}>"
