"""The few calls of CUDA's driver that PyCUDA does not have, by ctypes: they serve every library's streams.

The driver is `libcuda.so.1`, which a library of CUDA has loaded before; nothing here makes a context.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any, Final

from .errors import DeviceLost, InvalidDevice, NoDevice, OutOfDeviceMemory, WorkFailed

NAME: Final = "libcuda.so.1"

_SUCCESS: Final = 0
_OUT_OF_MEMORY: Final = 2
_INVALID_CONTEXT: Final = 201
_NOT_READY: Final = 600
#: Of these cuda.h says that the process must be terminated, or that nothing works after them: deinitialized, ECC,
#: contained, illegal address, timeout, context destroyed, assert, stack, instruction, alignment, address space, program
#: counter, launch failed, tensor memory, the server of MPS gone, external device.
STICKY: Final = frozenset({4, 214, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911})
_EVENT_FLAGS: Final = 1 | 2  # blocking sync, no timing


class Driver:
    """The driver's functions, each of which raises what its result means."""

    def __init__(self, library: ctypes.CDLL) -> None:
        pointer, unsigned = ctypes.c_void_p, ctypes.c_uint
        self._library = library
        self.launch_host_function = self._call("cuLaunchHostFunc", pointer, pointer, pointer)
        self.stream_query = self._raw("cuStreamQuery", pointer)
        self.event_create = self._call("cuEventCreate", pointer, unsigned)
        self.event_record = self._call("cuEventRecord", pointer, pointer)
        self.event_synchronize = self._call("cuEventSynchronize", pointer)
        self.event_destroy = self._call("cuEventDestroy_v2", pointer)
        self.stream_wait = self._call("cuStreamWaitEvent", pointer, pointer, unsigned)
        self.current_context = self._call("cuCtxGetCurrent", pointer)
        self._uuid = self._call("cuDeviceGetUuid_v2", pointer, ctypes.c_int)
        self.set_context = self._call("cuCtxSetCurrent", pointer)

    def _raw(self, name: str, *arguments: Any) -> Callable[..., int]:
        function = getattr(self._library, name)
        function.argtypes = arguments
        return function  # type: ignore[no-any-return]

    def _call(self, name: str, *arguments: Any) -> Callable[..., None]:
        function = self._raw(name, *arguments)

        def call(*values: Any) -> None:
            code = function(*values)
            if code:
                raise self.error(name, code)

        return call

    def error(self, name: str, code: int) -> Exception:
        """What a result other than success means: DeviceLost, OutOfDeviceMemory, InvalidDevice or WorkFailed."""
        text = f"{name}: {self.describe(code)}"
        if code in STICKY:
            return DeviceLost(text)
        if code == _OUT_OF_MEMORY:
            return OutOfDeviceMemory(text)
        if code == _INVALID_CONTEXT:
            return InvalidDevice(f"{text}; make a context of CUDA current on the thread of the loop first")
        return WorkFailed(text)

    def describe(self, code: int) -> str:
        """The driver's own text for a result, and its number."""
        text = ctypes.c_char_p()
        self._library.cuGetErrorString(code, ctypes.byref(text))
        return f"{(text.value or b'unknown error').decode(errors='replace')} (CUDA error {code})"

    def check_stream(self, handle: int) -> None:
        """Raise DeviceLost if the context of the stream cannot be used any more."""
        code = self.stream_query(handle)
        if code not in (_SUCCESS, _NOT_READY):
            raise DeviceLost(f"cuStreamQuery: {self.describe(code)}")

    def context(self) -> int:
        """The context that is current on this thread; 0 if there is none."""
        context = ctypes.c_void_p()
        self.current_context(ctypes.byref(context))
        return context.value or 0

    def uuid(self, device: int) -> bytes:
        """What no other GPU, and no other part of one, has as its id."""
        uuid = (ctypes.c_char * 16)()
        self._uuid(uuid, device)
        return bytes(uuid.raw)

    def waiter(self, handle: int) -> Callable[[], None]:
        """Record an event on the stream, and return what blocks a thread until it is reached."""
        event = ctypes.c_void_p()
        context = self.context()
        self.event_create(ctypes.byref(event), _EVENT_FLAGS)
        try:
            self.event_record(event, handle)
        except BaseException:
            self.event_destroy(event)
            raise

        def wait() -> None:
            self.set_context(context)
            try:
                self.event_synchronize(event)
                self.event_destroy(event)
            finally:
                self.set_context(None)

        return wait


@functools.cache
def driver() -> Driver:
    """The driver of this process. NoDevice: there is none."""
    try:
        return Driver(ctypes.CDLL(NAME))
    except OSError as error:
        raise NoDevice(f"CUDA: {NAME} was not found: there is no NVIDIA driver here ({error})") from None
    except AttributeError as error:
        raise NoDevice(f"CUDA: the NVIDIA driver is too old, it has no {str(error).split()[-1]}") from None
