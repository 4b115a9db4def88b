"""`python -m tests.gpu.hardware --out FILE.json [--small] [--image FATBIN]`: every figure that is promised of a GPU."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pycuda.driver as cu  # pyright: ignore[reportMissingImports]
import uvloop

from actorpar import gpu
from actorpar.gpu import completion

from . import moves, waits
from .bed import Bed, program
from .faults import faults
from .figures import Run

PARTS: tuple[Callable[[Run, Bed], Awaitable[None]], ...] = (waits.latency, waits.liveness, *moves.PARTS)


def surroundings(device: gpu.Device, *, small: bool) -> dict[str, Any]:
    """What the figures depend on."""
    version = cu.get_driver_version()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": device.name,
        "fake": device.name.startswith("Fake device"),
        "small": small,
        "driver": f"{version // 1000}.{version % 1000 // 10}",
        "kernel_module": _kernel_module(),
        "pycuda": ".".join(map(str, cu.get_version())),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "waits": completion.path(),
    }


def _kernel_module() -> str:
    """The version that people call that of the driver."""
    try:
        return Path("/sys/module/nvidia/version").read_text().strip()
    except OSError:
        return "unknown"


async def measure(small: bool, image: Path | None) -> Run:
    """All that one process can measure. A part that fails is told, and the others go on."""
    device = gpu.open_device("cuda:0")
    run = Run(surroundings(device, small=small))
    print(", ".join(f"{name}: {value}" for name, value in run.about.items()), flush=True)
    if run.about["fake"]:
        print("This is the fake driver: what follows shows that all of it runs, and is no figure of a GPU.", flush=True)
    bed = Bed(device, await device.build(program(image)), small=small)
    for part in PARTS:
        try:
            await part(run, bed)
        except Exception as error:
            _failed(run, part.__name__, error)
    return run


def _failed(run: Run, part: str, error: Exception) -> None:
    traceback.print_exc()
    run.failed[part] = f"{type(error).__name__}: {error}"


def main() -> int:
    """0 if all was measured, whether or not it is what was promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu.hardware", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    parser.add_argument("--small", action="store_true", help="as little as shows that all of it works; no figures")
    parser.add_argument("--image", type=Path, help="the kernels, compiled beforehand, where there is no nvcc")
    options = parser.parse_args()
    run = uvloop.run(measure(options.small, options.image))
    run.write(options.out)  # whatever becomes of the processes that are started now
    try:
        faults(run, 1 if options.small else 3, options.image)
    except Exception as error:
        _failed(run, "faults", error)
    run.write(options.out)
    print(f"wrote {options.out}")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
