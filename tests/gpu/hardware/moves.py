"""Copies, copies beside kernels, and arrays that are handed over."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pycuda.driver as cu  # pyright: ignore[reportMissingImports]

import actorpar as ap
from actorpar import gpu

from .bed import Bed, Contestant, bytes_of, in_turn, middle
from .figures import Run

NON_BLOCKING = 1
MIB = 1 << 20

# -- copies


async def copies(run: Run, bed: Bed) -> None:
    """One copy after the other, each waited for: PyCUDA's own from pinned memory, and those of slots."""
    for size in (1 * MIB,) if bed.small else (16 * MIB, 256 * MIB):
        slots = bed.slots(2)
        async with slots.slot() as slot:
            array = await slot.put(bytes_of(size))
            pinned, plain = await slot.pinned(size, np.uint8), bytes_of(size)
            pinned[:] = 1
            ways = _copies(slot, array, pinned, plain)
            found = await in_turn(ways, bed.rounds, 2 if bed.small else max(4, 512 * MIB // size))
        rate = {name: size / each[0] / 1e9 for name, each in found.items()}
        run.details[f"copies of {size // MIB} MiB, GB/s"] = {name: round(each, 2) for name, each in rate.items()}
        for way in ("in", "out"):
            for ours in ("pinned", "staged"):
                reached = rate[f"{way}, {ours}"] / rate[f"{way}, raw"]
                run.add(f"{size // MIB} MiB {way}, slot, {ours}, of raw pinned", reached, "x", 0.97, least=True)
        run.add(f"{size // MIB} MiB in, raw pinned", rate["in, raw"], "GB/s")
        run.add(f"{size // MIB} MiB out, raw pinned", rate["out, raw"], "GB/s")


def _copies(slot: gpu.Slot, array: gpu.DeviceArray, pinned: Any, plain: Any) -> dict[str, Contestant]:
    stream = cu.Stream(NON_BLOCKING)

    async def raw_in() -> None:
        cu.memcpy_htod_async(int(array.buffer), pinned, stream)
        stream.synchronize()

    async def raw_out() -> None:
        cu.memcpy_dtoh_async(pinned, int(array.buffer), stream)
        stream.synchronize()

    def put(host: Any) -> Contestant:
        async def contestant() -> None:
            await slot.put(host)
            await slot.done()

        return contestant

    def get(host: Any) -> Contestant:
        return lambda: slot.get(array, host)

    return {
        "in, raw": raw_in, "in, pinned": put(pinned), "in, staged": put(plain),
        "out, raw": raw_out, "out, pinned": get(pinned), "out, staged": get(plain),
    }  # fmt: skip


# -- copies beside kernels


async def overlap(run: Run, bed: Bed) -> None:
    """48 times 64 MiB in, a kernel, 64 MiB out: in slots, and by plain calls of the driver, at depths of 1 to 4."""
    count, size, ns = (8, MIB // 4, 100_000) if bed.small else (48, 64 * MIB, 1_200_000)
    work = Work(bed, size, ns)
    stages = {name: await work.alone(stage, count) for name, stage in work.stages().items()}
    slowest = max(stages.values())
    told: dict[str, Any] = {"stages_ms": {name: round(each * 1e3, 2) for name, each in stages.items()}}
    for depth in (1, 2, 3, 4):
        slots = bed.slots(depth)
        await work.prepare(depth)
        contestants: dict[str, Contestant] = {
            "slots": functools.partial(work.in_slots, slots, count),
            "plain": functools.partial(work.plain, depth, count),
        }
        found = await in_turn(contestants, bed.rounds, 1)
        ours, plain = found["slots"][0], found["plain"][0]
        told[f"depth {depth}"] = {"slots_ms": round(ours * 1e3, 2), "plain_ms": round(plain * 1e3, 2)}
        limits = (1.10, 1.05) if depth == 4 else (None, None)
        run.add(f"{count} x (in, kernel, out), depth {depth}, of the slowest stage", ours / slowest, "x", limits[0])
        run.add(f"{count} x (in, kernel, out), depth {depth}, of plain calls", ours / plain, "x", limits[1])
    run.details["copies beside kernels"] = told


class Work:
    """Pieces that are copied in, computed and copied out; each lane has memory of its own on both sides."""

    def __init__(self, bed: Bed, size: int, ns: int) -> None:
        self._bed, self._size, self._ns = bed, size, ns
        self._hosts: dict[int, tuple[Any, Any]] = {}
        self._streams = [cu.Stream(NON_BLOCKING) for _ in range(4)]
        self._arrays: list[gpu.DeviceArray] = []

    async def prepare(self, depth: int) -> None:
        """Pinned memory for so many lanes."""
        while len(self._arrays) < depth:
            number = len(self._arrays)
            self._arrays.append(self._bed.device.empty(self._size, np.uint8))
            hosts = [await self._bed.device.pinned(self._size, np.uint8) for _ in range(2)]
            hosts[0][:] = 1
            self._hosts[number] = (hosts[0], hosts[1])

    def stages(self) -> dict[str, Callable[[], None]]:
        """Each of the three, on the first lane."""
        return {"in": lambda: self._in(0), "kernel": lambda: self._compute(0), "out": lambda: self._out(0)}

    async def alone(self, stage: Callable[[], None], count: int) -> float:
        """Seconds for so many of one stage with nothing beside it."""
        await self.prepare(1)

        async def all_of_them() -> None:
            for _ in range(count):
                stage()
            cu.Context.synchronize()

        return (await in_turn({"alone": all_of_them}, self._bed.rounds, 1))["alone"][0]

    def _in(self, lane: int) -> None:
        cu.memcpy_htod_async(int(self._arrays[lane].buffer), self._hosts[lane][0], self._streams[lane])

    def _compute(self, lane: int) -> None:
        self._bed.fill(self._streams[lane], self._ns)

    def _out(self, lane: int) -> None:
        cu.memcpy_dtoh_async(self._hosts[lane][1], int(self._arrays[lane].buffer), self._streams[lane])

    async def plain(self, depth: int, count: int) -> None:
        """All of it enqueued by plain calls, and one wait at the end."""
        for number in range(count):
            self._in(number % depth)
            self._compute(number % depth)
            self._out(number % depth)
        cu.Context.synchronize()

    async def in_slots(self, slots: gpu.Slots, count: int) -> None:
        """Each piece a job that enters a slot, as the handlers of an actor do."""
        free = list(self._hosts)

        async def job() -> None:
            async with slots.slot() as slot:
                lane = free.pop()
                into, out = self._hosts[lane]
                array = await slot.put(into)
                await slot.launch("spin", self._bed.full, self._ns, block=1024)
                await slot.get(array, out)
                free.append(lane)

        await asyncio.gather(*[job() for _ in range(count)])


# -- arrays that are handed over


async def hand_over(run: Run, bed: Bed) -> None:
    """An array goes there and back between two streams, by two channels: send, receive, and use it."""
    turns = 200 if bed.small else 4000
    for size in (4 << 10, MIB) if bed.small else (4 << 10, 64 * MIB, 1024 * MIB):
        array = bed.device.empty(size, np.uint8)
        found = [await _there_and_back(bed, array, turns) for _ in range(1 + bed.rounds)][1:]
        name = f"{size >> 20} MiB" if size >= MIB else f"{size >> 10} KiB"
        run.add(f"an array of {name} is handed over in", middle(found) * 1e6, "us", 10)


async def _there_and_back(bed: Bed, array: gpu.DeviceArray, turns: int) -> float:
    (to_two, at_two), (to_one, at_one) = (ap.open_channel[gpu.DeviceArray](1) for _ in range(2))
    slots = bed.slots(2)

    async def user(stream: gpu.Stream, arrays: ap.Receiver[Any], out: ap.Sender[Any]) -> None:
        for _ in range(turns // 2):
            given = await arrays.receive()
            await stream.room()
            stream.use(given)
            stream.given()
            await out.send(given)

    async with slots.slot() as one, slots.slot() as two:
        begun = time.perf_counter()
        await to_two.send(array)
        await asyncio.gather(user(two.stream, at_two, to_one), user(one.stream, at_one, to_two))
        await one.done()
        seconds = time.perf_counter() - begun
        await two.done()
    for end in (to_two, at_two, to_one, at_one):
        end.close()
    return seconds / turns


PARTS: tuple[Callable[[Run, Bed], Awaitable[None]], ...] = (copies, overlap, hand_over)
