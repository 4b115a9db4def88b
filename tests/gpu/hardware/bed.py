"""The device that is measured, its kernels, and contestants that are timed in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pycuda.driver as cu  # pyright: ignore[reportMissingImports]

from actorpar import gpu
from actorpar.gpu.program import Kernel

#: `spin` keeps to the clock on the wall of the device, whatever its processors run at.
CUDA = """
__device__ long long now() { long long t; asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t)); return t; }
extern "C" {
__global__ void spin(long long ns) { if (ns > 0) { long long begun = now(); while (now() - begun < ns) ; } }
__global__ void scale(float *x, float a, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] *= a;
}
__global__ void trap() { *(volatile int *)8 = 1; }
}
"""
KERNELS = {"spin": "q", "scale": "Pfi", "trap": ""}


def program(image: Path | None = None) -> gpu.Program:
    """The kernels; `image` has them compiled beforehand, where there is no compiler."""
    return gpu.Program({"cuda": CUDA if image is None else image.read_bytes()}, **KERNELS)


class Bed:
    """The device with its kernels. `small`: as little as shows that all of it works."""

    def __init__(self, device: gpu.Device, kernels: Mapping[str, Kernel], *, small: bool) -> None:
        self.device = device
        self.kernels = kernels
        self.small = small
        self.processors: int = cu.Device(0).multiprocessor_count
        self._spin = kernels["spin"]

    @property
    def rounds(self) -> int:
        """How often each contestant has its turn."""
        return 2 if self.small else 7

    def spin(self, stream: Any, ns: int) -> None:
        """One block that takes so long, by one call of the driver on a stream of PyCUDA."""
        self._spin.handle._launch_kernel((1, 1, 1), (1, 1, 1), self._spin.signature.pack([ns]), 0, stream)

    def fill(self, stream: Any, ns: int) -> None:
        """The same with so many blocks that nothing else has room beside it."""
        grid = (2 * self.processors, 1, 1)
        self._spin.handle._launch_kernel(grid, (1024, 1, 1), self._spin.signature.pack([ns]), 0, stream)

    @property
    def full(self) -> int:
        """How many items a launch of `spin` in blocks of 1024 has to have for that."""
        return 2 * self.processors * 1024

    def slots(self, count: int) -> gpu.Slots:
        """So many slots of the device."""
        return gpu.Slots(self.device, self.kernels, count)


Contestant = Callable[[], Awaitable[Any]]


async def in_turn(
    contestants: Mapping[str, Contestant],
    rounds: int,
    times: int,
    around: Mapping[str, Callable[[], AbstractContextManager[None]]] | None = None,
) -> dict[str, tuple[float, float]]:
    """Seconds by the wall clock and of all processors for each call: medians of rounds, after one that does not count.

    In each round every contestant is called so many times; no round begins where the one before did. `around` is
    entered for a contestant before the clock starts.
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            with (around or {}).get(name, nullcontext)():
                taken = await _timed(contestants[name], times)
            if number:
                found[name].append(taken)
    return {
        name: (middle([wall for wall, _ in all_]), middle([cpu for _, cpu in all_])) for name, all_ in found.items()
    }


async def _timed(call: Contestant, times: int) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(times):
        await call()
    return (time.perf_counter() - wall) / times, (time.process_time() - cpu) / times


def middle(values: Sequence[float]) -> float:
    """Their median."""
    return statistics.median(values)


def micros(times: Mapping[str, tuple[float, float]]) -> dict[str, dict[str, float]]:
    """For the JSON file."""
    return {name: {"us": round(wall * 1e6, 2), "cpu_us": round(cpu * 1e6, 2)} for name, (wall, cpu) in times.items()}


def bytes_of(size: int) -> Any:
    """Host memory that is not pinned, all of it touched."""
    return np.ones(size, np.uint8)
