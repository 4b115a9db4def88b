"""Contestants on one device of OpenCL: `POCL_MAX_PTHREAD_COUNT=1 python -m tests.bench.device_program`.

Reads commands from standard input, one line of JSON each, {"what": name, "items": n}, and prints {"seconds": for each
item}, by the wall clock. All of them run on one loop of uvloop.

All its threads are on one core, and SCHED_BATCH: one that is woken does not take the core from the one that wakes it.
Left to itself the system wakes the device's thread here or there, at once or later, from one launch to the next; with
the other core of a virtual machine that costs forty microseconds, beside which all contestants are equal.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pyopencl as cl
import uvloop
from numpy.typing import NDArray

import actorpar as ap
from actorpar import gpu
from actorpar.gpu.program import Program
from tests.bench.measure import expect

OPENCL = """
__kernel void tiny(__global float *x) { x[get_global_id(0)] *= 2.0f; }
__kernel void scale(__global float *x, float a, int n) { int i = get_global_id(0); if (i < n) x[i] *= a; }
"""
PROGRAM = Program({"opencl": OPENCL}, tiny="P", scale="Pfi")
#: Items of the tiny kernel, and launches that are under way together.
TINY, MANY = 64, 64
COMPLETE = cl.command_execution_status.COMPLETE

Floats = NDArray[np.float32]
Contestant = Callable[["Bench", int], Awaitable[float]]


class Scale(gpu.GpuActor, slots=2, device="opencl:0"):
    """Numbers times a factor."""

    program = PROGRAM

    async def scale(self, numbers: Floats, factor: float) -> Floats:
        async with self.slot() as slot:
            array = await slot.put(numbers)
            await slot.launch("scale", array.size, array, factor, array.size)
            return await slot.get(array)


class Bench:
    """The device, and what the contestants have on it."""

    def __init__(self, device: gpu.Device, kernels: Any, scale: ap.ActorRef[Scale]) -> None:
        self.device = device
        self.slots = gpu.Slots(device, kernels, 2)
        self.actor = scale
        self.loop = asyncio.get_running_loop()
        context = cl.Context([cl.get_platforms()[0].get_devices()[0]])
        self.queue = cl.CommandQueue(context)
        self._tiny = cl.Kernel(cl.Program(context, OPENCL).build(), "tiny")
        self.scale = cl.Kernel(self._tiny.program, "scale")
        self.scale.set_scalar_arg_dtypes([None, np.float32, np.int32])
        self._memory = cl.Buffer(context, cl.mem_flags.READ_WRITE, 4 * TINY)
        self.memory = cl.Buffer(context, cl.mem_flags.READ_WRITE, 1 << 20)

    def tiny(self) -> Any:
        """Launch the tiny kernel by PyOpenCL, and return its event."""
        return self._tiny(self.queue, (TINY,), (TINY,), self._memory)


# -- the tiny kernel: one launch, and the wait for it

Way = Callable[[Bench], Awaitable[Any]]


async def blocking(bench: Bench) -> None:
    bench.tiny().wait()


async def done(bench: Bench) -> None:
    bench.tiny()
    await gpu.done(bench.queue)


async def event_done(bench: Bench) -> None:
    await gpu.done(bench.tiny())


async def callback(bench: Bench) -> None:
    event, future = bench.tiny(), bench.loop.create_future()
    event.set_callback(COMPLETE, lambda status: bench.loop.call_soon_threadsafe(future.set_result, status))
    bench.queue.flush()
    expect("status", await future, COMPLETE)


async def thread(bench: Bench) -> None:
    event = bench.tiny()
    bench.queue.flush()
    await bench.loop.run_in_executor(None, event.wait)


async def slot_done(bench: Bench, slot: gpu.Slot, array: gpu.DeviceArray) -> None:
    await slot.launch("tiny", TINY, array, block=TINY)
    await slot.done()


def one_by_one(way: Way) -> Contestant:
    async def trial(bench: Bench, items: int) -> float:
        began = time.perf_counter()
        for _ in range(items):
            await way(bench)
        return (time.perf_counter() - began) / items

    return trial


def many(way: Way) -> Contestant:
    async def trial(bench: Bench, items: int) -> float:
        began = time.perf_counter()
        for _ in range(0, items, MANY):
            await asyncio.gather(*[way(bench) for _ in range(MANY)])
        return (time.perf_counter() - began) / items

    return trial


async def many_blocking(bench: Bench, items: int) -> float:
    """Only the last one is waited for."""
    began = time.perf_counter()
    for _ in range(0, items, MANY):
        events = [bench.tiny() for _ in range(MANY)]
        events[-1].wait()
    return (time.perf_counter() - began) / items


def in_slot(times: Callable[[Way], Contestant]) -> Contestant:
    async def trial(bench: Bench, items: int) -> float:
        async with bench.slots.slot() as slot:
            array = await slot.put(np.ones(TINY, np.float32))
            return await times(functools.partial(slot_done, slot=slot, array=array))(bench, items)

    return trial


# -- an array that is handed over


def handed_over(size: int) -> Contestant:
    """One array goes there and back between two streams, by two channels: send, receive, and `use` each time."""

    async def trial(bench: Bench, items: int) -> float:
        array = bench.device.empty(size, np.uint8)
        (to_two, at_two), (to_one, at_one) = (ap.open_channel[gpu.DeviceArray](1) for _ in range(2))
        one, two = bench.device.stream(), bench.device.stream()

        async def user(stream: gpu.Stream, arrays: ap.Receiver[Any], out: ap.Sender[Any], turns: int) -> None:
            for _ in range(turns):
                given = await arrays.receive()
                await stream.room()
                stream.use(given)
                stream.given()
                await out.send(given)

        began = time.perf_counter()
        await to_two.send(array)
        await asyncio.gather(user(two, at_two, to_one, items // 2), user(one, at_one, to_two, items // 2))
        await one.done()
        seconds = time.perf_counter() - began
        await two.done()
        for end in (to_two, at_two, to_one, at_one):
            end.close()
        return seconds / items

    return trial


async def channel_alone(bench: Bench, items: int) -> float:
    """The same two channels with a number in the place of the array."""
    (to_two, at_two), (to_one, at_one) = (ap.open_channel[int](1) for _ in range(2))

    async def user(numbers: ap.Receiver[int], out: ap.Sender[int]) -> None:
        for _ in range(items // 2):
            await out.send(await numbers.receive())

    began = time.perf_counter()
    await to_two.send(1)
    await asyncio.gather(user(at_two, to_one), user(at_one, to_two))
    seconds = (time.perf_counter() - began) / items
    for end in (to_two, at_two, to_one, at_one):
        end.close()
    return seconds


# -- an ask of an actor: copy in, compute, copy out


def asked(size: int) -> Contestant:
    async def trial(bench: Bench, items: int) -> float:
        numbers = result = np.ones(size // 4, np.float32)
        began = time.perf_counter()
        for _ in range(items):
            result = await bench.actor.ask(Scale.scale, numbers, 2.0)
        seconds = (time.perf_counter() - began) / items
        expect("result", float(result[-1]), 2.0)
        return seconds

    return trial


def plain(size: int) -> Contestant:
    """The calls of PyOpenCL that the same takes, with memory that is there; the last one blocks."""

    async def trial(bench: Bench, items: int) -> float:
        numbers = np.ones(size // 4, np.float32)
        result, queue, memory, n = numbers, bench.queue, bench.memory, len(numbers)
        began = time.perf_counter()
        for _ in range(items):
            result = np.empty_like(numbers)
            cl.enqueue_copy(queue, memory, numbers, is_blocking=False)
            bench.scale(queue, (-(-n // 256) * 256,), (256,), memory, 2.0, n)
            cl.enqueue_copy(queue, result, memory)
        seconds = (time.perf_counter() - began) / items
        expect("result", float(result[-1]), 2.0)
        return seconds

    return trial


WAYS: dict[str, Way] = {
    "PyOpenCL, event.wait()": blocking,
    "actorpar, gpu.done(queue)": done,
    "actorpar, gpu.done(event)": event_done,
    "PyOpenCL, set_callback": callback,
    "thread, event.wait()": thread,
}
CONTESTANTS: dict[str, Contestant] = {
    **{f"one by one: {name}": one_by_one(way) for name, way in WAYS.items()},
    "one by one: actorpar, slot.done": in_slot(one_by_one),
    **{f"64 in flight: {name}": many(way) for name, way in WAYS.items()},
    "64 in flight: PyOpenCL, event.wait()": many_blocking,
    "64 in flight: actorpar, slot.done": in_slot(many),
    "hand-over: channel alone": channel_alone,
    "hand-over: actorpar, 4 KiB": handed_over(4 << 10),
    "hand-over: actorpar, 64 MiB": handed_over(64 << 20),
    "ask, 4 KiB: PyOpenCL, plain calls": plain(4 << 10),
    "ask, 4 KiB: actorpar, ask": asked(4 << 10),
    "ask, 1 MiB: PyOpenCL, plain calls": plain(1 << 20),
    "ask, 1 MiB: actorpar, ask": asked(1 << 20),
}


async def main() -> None:
    device = gpu.open_device("opencl:0")
    async with ap.ActorSystem() as system:
        bench = Bench(device, await device.build(PROGRAM), await system.spawn(Scale))
        for line in sys.stdin:
            if not line.strip():
                break
            wanted = json.loads(line)
            await CONTESTANTS[wanted["what"]](bench, 64)  # once beforehand: the first launch of a kernel compiles it
            seconds = await CONTESTANTS[wanted["what"]](bench, wanted["items"])
            print(json.dumps({"seconds": seconds}), flush=True)
        await bench.slots.drain()


if __name__ == "__main__":
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    uvloop.run(main())
