"""Devices: actors that own one, streams that are awaited, arrays that travel. `from actorpar import gpu`.

Nothing of CUDA or OpenCL is imported before it is used. Every name is loaded at its first use (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actor import GpuActor as GpuActor
    from .array import DeviceArray as DeviceArray
    from .device import Device as Device
    from .device import open_device as open_device
    from .errors import ArrayLost as ArrayLost
    from .errors import CompileError as CompileError
    from .errors import DeviceHung as DeviceHung
    from .errors import DeviceLost as DeviceLost
    from .errors import GpuError as GpuError
    from .errors import InvalidDevice as InvalidDevice
    from .errors import InvalidLaunch as InvalidLaunch
    from .errors import NoDevice as NoDevice
    from .errors import OutOfDeviceMemory as OutOfDeviceMemory
    from .errors import WorkFailed as WorkFailed
    from .program import Program as Program
    from .slot import Slot as Slot
    from .slot import Slots as Slots
    from .stream import Stream as Stream
    from .waiting import done as done

_HOMES = {
    "actor": "GpuActor",
    "crossing": "DeviceArray",  # and with it how arrays cross links
    "device": "Device open_device",
    "errors": "ArrayLost CompileError DeviceHung DeviceLost GpuError InvalidDevice InvalidLaunch NoDevice "
    "OutOfDeviceMemory WorkFailed",
    "program": "Program",
    "slot": "Slot Slots",
    "stream": "Stream",
    "waiting": "done",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605  # pyright: ignore[reportUnsupportedDunderAll]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        try:
            module = import_module(f"{__name__}.{home}")
        except ModuleNotFoundError as error:
            if error.name != "numpy":
                raise
            from .errors import NoDevice

            text = "devices need numpy: pip install 'actorpar[opencl]' or 'actorpar[cuda]' brings it"
            raise NoDevice(text) from error
        value = getattr(module, name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
