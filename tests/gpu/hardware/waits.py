"""A launch and the wait for it, beside what the driver itself has; and what the loop does while much is waited for."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pycuda.driver as cu  # pyright: ignore[reportMissingImports]

from actorpar import gpu

from .bed import Bed, Contestant, in_turn, micros
from .figures import Run

NON_BLOCKING, BLOCKING_SYNC, NO_TIMING = 1, 1, 2
AUTO, SPIN, BLOCKING = 0, 1, 4  # CU_CTX_SCHED_AUTO, …_SPIN, …_BLOCKING_SYNC
KERNELS_US = (0, 20, 100, 1000)


async def latency(run: Run, bed: Bed) -> None:
    """Contestants that launch one kernel of each length and wait for it."""
    async with bed.slots(1).slot() as slot:
        for length in KERNELS_US:
            times = (5 if bed.small else 200) if length < 1000 else (2 if bed.small else 40)
            found = await in_turn(_contestants(bed, slot, length * 1000), bed.rounds, times, AROUND)
            run.details[f"launch and wait, {length} us"] = micros(found)
            wall = {name: each[0] * 1e6 for name, each in found.items()}
            ours, kernel = wall["gpu.done"], f"{length} us kernel: await gpu.done"
            run.add(f"{kernel} over cuStreamSynchronize, blocking sync", ours - wall["blocking sync"], "us", 8)
            run.add(f"{kernel} over cuStreamSynchronize, spinning", ours - wall["spinning"], "us", 20)
            if length == 1000:
                run.add(f"{kernel} of cuStreamSynchronize, spinning", ours / wall["spinning"], "x", 1.02)
            run.add(f"{kernel}, processor time", found["gpu.done"][1] * 1e6, "us", 30)
            run.add(f"{length} us kernel: slot.done over spinning", wall["slot.done"] - wall["spinning"], "us")


def _contestants(bed: Bed, slot: gpu.Slot, ns: int) -> dict[str, Contestant]:
    stream = cu.Stream(NON_BLOCKING)
    event = cu.Event(NO_TIMING | BLOCKING_SYNC)

    async def synchronize() -> None:
        bed.spin(stream, ns)
        stream.synchronize()

    async def blocking_event() -> None:
        """Where a context cannot change how it waits, its events can."""
        bed.spin(stream, ns)
        event.record(stream)
        event.synchronize()

    async def done() -> None:
        bed.spin(stream, ns)
        await gpu.done(stream)

    async def slot_done() -> None:
        await slot.launch("spin", 1, ns, block=1)
        await slot.done()

    found = {"spinning": synchronize, "blocking event": blocking_event, "gpu.done": done, "slot.done": slot_done}
    return {**found, "blocking sync": synchronize if _set_scheduling(AUTO) else blocking_event}


@contextmanager
def scheduling(way: int) -> Iterator[None]:
    """How this context waits in the block, if it can be told."""
    _set_scheduling(way)
    try:
        yield
    finally:
        _set_scheduling(AUTO)


def _set_scheduling(way: int) -> bool:
    """False where the driver cannot change it (before CUDA 12.1, and the fake one)."""
    call = getattr(ctypes.CDLL("libcuda.so.1"), "cuCtxSetFlags", None)
    return call is not None and call(ctypes.c_uint(way)) == 0


#: How the driver is to wait, for those who have it wait.
AROUND = {"spinning": lambda: scheduling(SPIN), "blocking sync": lambda: scheduling(BLOCKING)}


# -- the loop


class Ticker:
    """Every 100 us the loop is to be called: how late it was at worst. Timers of loops have no such resolution."""

    PERIOD = 100_000  # ns

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = libc.timerfd_create(1, os.O_NONBLOCK | os.O_CLOEXEC)  # CLOCK_MONOTONIC
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        times = (ctypes.c_long * 4)(0, self.PERIOD, 0, self.PERIOD)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._tick)
        self.ticks, self.worst = 0, 0.0
        self._begun = time.monotonic_ns()
        libc.timerfd_settime(self._fd, 0, times, None)

    def _tick(self) -> None:
        expected = self._begun + (self.ticks + 1) * self.PERIOD
        self.ticks += int.from_bytes(os.read(self._fd, 8), "little")
        self.worst = max(self.worst, (time.monotonic_ns() - expected) / 1e6)

    def close(self) -> None:
        """No more ticks."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


async def liveness(run: Run, bed: Bed) -> None:
    """64 kernels of 1 ms on 16 streams, all awaited, beside a ticker."""
    streams = [cu.Stream(NON_BLOCKING) for _ in range(16)]
    length = 100_000 if bed.small else 1_000_000

    async def one(number: int) -> None:
        stream = streams[number % len(streams)]
        bed.spin(stream, length)
        await gpu.done(stream)

    found = []
    for number in range(1 + bed.rounds):
        ticker = Ticker()
        begun = time.perf_counter()
        await asyncio.gather(*[one(each) for each in range(64)])
        wall = (time.perf_counter() - begun) * 1e3
        ticker.close()
        if number:
            found.append({"wall_ms": round(wall, 3), "latest_tick_ms": round(ticker.worst, 3), "ticks": ticker.ticks})
    run.details["64 kernels of 1 ms on 16 streams"] = found
    run.add("64 x 1 ms on 16 streams: latest tick of 100 us", max(each["latest_tick_ms"] for each in found), "ms", 1)
    run.add("64 x 1 ms on 16 streams: all done after", max(each["wall_ms"] for each in found), "ms")
