"""The actors of the tests of devices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import actorpar as ap
from actorpar import gpu
from tests.gpu.devices import PROGRAM

Floats = NDArray[np.float32]


class Scale(gpu.GpuActor, slots=3):
    """Numbers times a factor."""

    program = PROGRAM

    async def scale(self, numbers: Floats, factor: float) -> Floats:
        async with self.slot() as slot:
            array = await slot.put(numbers)
            await slot.launch("scale", array.size, array, factor, array.size)
            return await slot.get(array)

    async def launch(self, name: str, *arguments: Any) -> None:
        async with self.slot() as slot:
            array = await slot.put(np.ones(4, np.float32))
            await slot.launch(name, 4, array, *arguments)

    async def allocate(self, size: int) -> None:
        async with self.slot() as slot:
            await slot.empty(size, np.uint8)


class Producer(gpu.GpuActor, slots=2):
    """Sends arrays that stay on the device."""

    program = PROGRAM

    async def produce(self, count: int, size: int, out: ap.Sender[gpu.DeviceArray]) -> None:
        async with out:
            for number in range(count):
                async with self.slot() as slot:
                    array = await slot.empty(size, np.float32)
                    await slot.launch("fill", size, array, float(number), size)
                    await out.send(array)


class Consumer(gpu.GpuActor, slots=2):
    """Doubles the arrays that come."""

    program = PROGRAM

    async def consume(self, arrays: ap.Receiver[gpu.DeviceArray]) -> list[float]:
        found = []
        async for array in arrays:
            async with self.slot() as slot:
                await slot.launch("scale", array.size, array, 2.0, array.size)
                host = await slot.get(array)
                found.append(float(host[-1]))
        return found
