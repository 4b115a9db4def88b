"""What a driver and its Python package say of the devices here: for this process, and as a program for another one.

Run as a file, `looking.py KIND`, it prints what it sees as JSON. So it imports nothing of actorpar, and whoever must
not load a driver, or fears that one hangs or crashes, starts it and waits as long as he likes.

Invariants
- No context is made on any device, so none is taken.
- What is wrong comes back as a text that says what to do. Nothing is raised for it.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, Final, TypedDict

#: The oldest driver that can tell when a stream is done, by the CUDA version that it is for: cuLaunchHostFunc.
OLDEST: Final = 10_000
#: Codes of cuInit -> what to do about them.
HINTS: Final = {
    34: "libcuda.so.1 is the stub of a CUDA toolkit: take its folder out of LD_LIBRARY_PATH",
    803: "the loaded driver and libcuda.so.1 are of two versions: reload the driver, or reboot",
    804: "the compatibility package of CUDA does not fit this device: take it out of LD_LIBRARY_PATH",
    999: "the driver could not be started: see `nvidia-smi`, and load the module nvidia_uvm",
}
_NO_DEVICE: Final = 100


class Seen(TypedDict):
    """One device, at its position among those of its kind; `cpu`: it is no device of its own."""

    name: str
    memory: int
    cpu: bool


class Sight(TypedDict):
    """The devices that a driver has, and why actorpar cannot use them; or why there are none. None: all is well."""

    devices: list[Seen]
    why: str | None


def cuda(environment: Mapping[str, str]) -> Sight:
    """The devices of CUDA, and whether PyCUDA can use them."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        why = "libcuda.so.1 not found: there is no NVIDIA driver, or this container was started without its GPUs"
        return _nothing(why if "No such file" in str(error) else f"libcuda.so.1 cannot be loaded: {error}")
    try:
        return _of_driver(driver, environment)
    except AttributeError as error:
        return _nothing(f"libcuda.so.1 is not that of an NVIDIA driver: {error}")


def _of_driver(driver: Any, environment: Mapping[str, str]) -> Sight:
    code = driver.cuInit(0)
    if code == _NO_DEVICE:
        return _nothing(_no_device(environment))
    if code:
        return _nothing(f"the driver does not start: {_told(driver, code)}")
    version = _number(driver.cuDriverGetVersion)
    if version < OLDEST:
        return _nothing(f"the driver is too old: it is for CUDA {_text(version)}, and {_text(OLDEST)} is needed")
    devices = [_cuda_device(driver, index) for index in range(_number(driver.cuDeviceGetCount))]
    return {"devices": devices, "why": _pycuda(version) if devices else _no_device(environment)}


def _nothing(why: str) -> Sight:
    return {"devices": [], "why": why}


def _number(function: Any, *more: Any) -> int:
    """What a function of the driver writes to its first argument, or 0."""
    value = ctypes.c_int()
    function(ctypes.byref(value), *more)
    return value.value


def _cuda_device(driver: Any, index: int) -> Seen:
    device = _number(driver.cuDeviceGet, index)
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGetName(name, len(name), device)
    memory = ctypes.c_size_t()
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    return {"name": name.value.decode("utf-8", "replace"), "memory": memory.value, "cpu": False}


def _no_device(environment: Mapping[str, str]) -> str:
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return "there is an NVIDIA driver, and no device: see `nvidia-smi`"
    return f"CUDA_VISIBLE_DEVICES is {visible!r} and leaves no device: unset it, or name one that `nvidia-smi -L` lists"


def _told(driver: Any, code: int) -> str:
    text = ctypes.c_char_p()
    driver.cuGetErrorString(code, ctypes.byref(text))
    told = f"error {code}, {(text.value or b'unknown').decode('utf-8', 'replace')}"
    return f"{told}; {HINTS[code]}" if code in HINTS else told


def _text(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def _pycuda(version: int) -> str | None:
    """Why PyCUDA cannot be used with a driver for this version of CUDA."""
    for name, why in (
        ("pycuda", "PyCUDA is not installed: pip install 'actorpar[cuda]' compiles it (docs/gpu.md, Installing)"),
        ("numpy", "PyCUDA needs numpy, and it is not installed: pip install numpy"),
    ):
        if importlib.util.find_spec(name) is None:
            return why
    try:
        importlib.import_module("pycuda.driver")
    except Exception as error:  # whatever a broken package raises
        _, found, symbol = str(error).partition("undefined symbol: ")
        if found:
            return (
                f"PyCUDA was built for a newer driver than this one, which is for CUDA {_text(version)} and has no "
                f"{symbol}: install a newer driver, or build PyCUDA with the headers of CUDA {_text(version)}"
            )
        return f"PyCUDA cannot be imported: {type(error).__name__}: {error}"
    return None  # the driver has every function that PyCUDA calls, whatever headers it was built with


def opencl(environment: Mapping[str, str]) -> Sight:
    """The devices of OpenCL, those of all platforms in their order."""
    if importlib.util.find_spec("pyopencl") is None:
        return _nothing("pyopencl is not installed: pip install 'actorpar[opencl]'")
    try:
        cl = importlib.import_module("pyopencl")
    except Exception as error:  # whatever a broken package raises
        return _nothing(f"pyopencl cannot be imported: {type(error).__name__}: {error}")
    advice = "pip install 'pyopencl[pocl]' has one for the CPU, and others come with the driver of a device"
    try:
        platforms = cl.get_platforms()
    except cl.Error as error:
        if "PLATFORM_NOT_FOUND" in str(error):
            return _nothing(f"pyopencl finds no platform: {advice}")
        return _nothing(f"pyopencl does not start: {error}")
    found = [device for platform in platforms for device in _of_platform(cl, platform)]
    if not found:
        names = ", ".join(platform.name.strip() for platform in platforms) or "none"
        return _nothing(f"no platform has a device (platforms: {names}): {advice}")
    return {"devices": found, "why": None}


def _of_platform(cl: Any, platform: Any) -> list[Seen]:
    try:
        devices = platform.get_devices()
    except cl.Error:  # DEVICE_NOT_FOUND
        return []
    return [
        {"name": each.name.strip(), "memory": each.global_mem_size, "cpu": bool(each.type & cl.device_type.CPU)}
        for each in devices
    ]


LOOKS: Final = {"cuda": cuda, "opencl": opencl}

if __name__ == "__main__":
    print(json.dumps(LOOKS[sys.argv[1]](os.environ)))
