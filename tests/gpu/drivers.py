"""Stand-ins for the libraries that a look at devices meets: a driver of CUDA, PyCUDA, PyOpenCL."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class Driver:
    """libcuda.so.1 with some devices, as ctypes would call it."""

    def __init__(self, *names: str, version: int = 12_040, code: int = 0) -> None:
        self._names = names
        self._version = version
        self._code = code

    def cuInit(self, flags: int) -> int:
        return self._code

    def cuDriverGetVersion(self, version: Any) -> int:
        version._obj.value = self._version
        return 0

    def cuGetErrorString(self, code: int, text: Any) -> int:
        text._obj.value = b"the text of the driver"
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = len(self._names)
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:
        device._obj.value = 10 + index
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: int) -> int:
        name.value = self._names[device - 10].encode()
        return 0

    def cuDeviceTotalMem_v2(self, memory: Any, device: int) -> int:
        memory._obj.value = (device + 1) << 33
        return 0


class Libraries:
    """What is installed, until the test ends."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.driver(None)
        self.absent("pycuda", "numpy", "pyopencl")

    def driver(self, driver: object | None, why: str = "libcuda.so.1: cannot open: No such file or directory") -> None:
        """The driver of CUDA; None: it cannot be loaded."""

        def load(name: str) -> object:
            assert name == "libcuda.so.1"
            if driver is None:
                raise OSError(why)
            return driver

        self._patch.setattr("actorpar.gpu.looking.ctypes.CDLL", load)

    def absent(self, *names: str) -> None:
        """These packages are not installed."""
        for name in names:
            self._patch.setitem(sys.modules, name, None)

    def pycuda(self) -> None:
        """PyCUDA and numpy."""
        self._package("numpy")
        self._package("pycuda")
        self._package("pycuda.driver")

    def broken_pycuda(self, error: str) -> None:
        """PyCUDA whose import fails so."""
        self.pycuda()
        self._failing("pycuda.driver", ImportError(error))

    def pyopencl(self, *platforms: SimpleNamespace, error: str = "") -> None:
        """PyOpenCL with these platforms; or asking for them fails."""

        class Error(Exception):
            pass

        def get_platforms() -> list[SimpleNamespace]:
            if error:
                raise Error(error)
            return list(platforms)

        kinds = SimpleNamespace(CPU=2, GPU=4)
        self._package("pyopencl", Error=Error, device_type=kinds, get_platforms=get_platforms)

    def broken_pyopencl(self, error: Exception) -> None:
        """PyOpenCL whose import fails so."""
        self.pyopencl()
        self._failing("pyopencl", error)

    def _package(self, name: str, **content: Any) -> None:
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        vars(module).update(content)
        self._patch.setitem(sys.modules, name, module)

    def _failing(self, name: str, error: Exception) -> None:
        real = importlib.import_module

        def import_module(wanted: str) -> Any:
            if wanted == name:
                raise error
            return real(wanted)

        self._patch.setattr("actorpar.gpu.looking.importlib.import_module", import_module)


def platform(name: str, *devices: tuple[str, bool]) -> SimpleNamespace:
    """A platform of OpenCL; each device is its name, and whether it is a CPU."""
    found = [SimpleNamespace(name=each, global_mem_size=1 << 30, type=2 if cpu else 4) for each, cpu in devices]
    return SimpleNamespace(name=name, get_devices=lambda: found)
