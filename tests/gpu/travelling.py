"""The actors of the tests of arrays that travel: they are started on other nodes by their names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import actorpar as ap
from actorpar import gpu
from tests.gpu.devices import PROGRAM


class Source(gpu.GpuActor):
    """Makes arrays on its device."""

    program = PROGRAM

    async def made(self, size: int, value: float) -> gpu.DeviceArray:
        async with self.slot() as slot:
            array = await slot.empty(size, np.float32)
            await slot.launch("fill", size, array, value, size)
            return array

    async def send(self, count: int, size: int, out: ap.Sender[gpu.DeviceArray]) -> None:
        async with out:
            for number in range(count):
                await out.send(await self.made(size, float(number)))


class Sink(gpu.GpuActor):
    """Uses arrays on its device, in each of the ways in which one can be used."""

    program = PROGRAM

    async def doubled(self, array: gpu.DeviceArray) -> NDArray[np.float32]:
        async with self.slot() as slot:
            await slot.launch("scale", array.size, array, 2.0, array.size)
            return await slot.get(array)

    async def plain(self, array: gpu.DeviceArray) -> NDArray[np.float32]:
        async with self.slot() as slot:
            return await slot.get(array)

    async def put(self, array: gpu.DeviceArray) -> float:
        async with self.slot() as slot:
            array = await slot.put(array)
            return float((await slot.get(array))[-1])

    async def host(self, array: gpu.DeviceArray) -> NDArray[np.float32]:
        return await array.to_host()

    async def all(self, arrays: ap.Receiver[gpu.DeviceArray]) -> list[float]:
        return [await self.put(array) async for array in arrays]

    def dropped(self, array: gpu.DeviceArray) -> None:
        return None


class Between(ap.Actor):
    """Passes on what it gets, and needs no device for that."""

    def __init__(self, to: ap.ActorRef[Sink]) -> None:
        self.to = to

    async def doubled(self, array: gpu.DeviceArray) -> NDArray[np.float32]:
        return await self.to.ask(Sink.doubled, array)
