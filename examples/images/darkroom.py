"""The third stage, on the device: the histogram of a picture, and the picture blurred and shrunk.

All is done in whole numbers, so devices of CUDA and of OpenCL have the same results, bit for bit.
"""

from pathlib import Path

import numpy as np
from pictures import BadPicture, Decoded, Developed
from weights import gaussian

import actorpar as ap
from actorpar import gpu

#: The group of all darkrooms.
GROUP = "darkrooms"
#: Pictures that one device has in hand: one is copied there, one is computed, one is copied back.
SLOTS = 3
#: Work items that count a histogram; each takes as many pixels as there are for it.
COUNTERS = 1 << 16

_HERE = Path(__file__).parent


class Darkroom(gpu.GpuActor, slots=SLOTS):
    """Develops pictures on its device: blurs them by `sigma` pixels, and shrinks them into a square of `box` pixels."""

    program = gpu.Program(
        {"cuda": (_HERE / "kernels.cu").read_text("utf-8"), "opencl": (_HERE / "kernels.cl").read_text("utf-8")},
        histogram="PPi", across="PPPiii", down="PPPiii", shrink="PPiiii",
    )  # fmt: skip

    def __init__(self, box: int, sigma: float) -> None:
        self.box = box
        self.weights = gaussian(sigma)

    async def on_start(self) -> None:
        await super().on_start()
        self.ctx.join(GROUP)

    async def develop(self, picture: Decoded) -> Developed:
        """Develop a picture. BadPicture: the device has no room for it."""
        try:
            async with self.slot() as slot:
                return await self._develop(slot, picture)
        except gpu.OutOfDeviceMemory as error:
            raise BadPicture(str(error)) from error

    async def _develop(self, slot: gpu.Slot, picture: Decoded) -> Developed:
        height, width, _ = picture.pixels.shape
        columns, rows = fitting(width, height, self.box)
        radius = len(self.weights) // 2

        pixels = await slot.put(picture.pixels)
        counts = await slot.put(np.zeros(256, np.uint32))
        await slot.launch("histogram", min(width * height, COUNTERS), pixels, counts, width * height)

        weights = await slot.put(self.weights)
        blurred = await slot.empty(picture.pixels.shape, np.uint16)
        await slot.launch("across", (width, height), pixels, blurred, weights, radius, width, height)
        await slot.launch("down", (width, height), blurred, pixels, weights, radius, width, height)

        small = await slot.empty((rows, columns, 3), np.uint8)
        await slot.launch("shrink", (columns, rows), pixels, small, width, height, columns, rows)
        result, histogram = await slot.get(small), await slot.get(counts)
        return Developed(picture.name, picture.where, picture.size, width, height, result, histogram)


def fitting(width: int, height: int, box: int) -> tuple[int, int]:
    """The largest size that fits into the box, has the same proportions, and is not larger than the picture."""
    longest = max(width, height, box)
    return max(1, width * box // longest), max(1, height * box // longest)


def supervised(nodes: list[str], box: int, sigma: float) -> ap.Strategy:
    """A darkroom on each of these nodes, or one here; it starts again on the device that has replaced a lost one."""
    places: list[str | None] = [*nodes] or [None]
    children = [ap.child(Darkroom, box, sigma, id=f"darkroom {place or 'here'}", on=place) for place in places]
    return ap.one_for_one(*children, intensity=5, period=60.0, backoff=ap.Backoff(0.1, 2.0))
