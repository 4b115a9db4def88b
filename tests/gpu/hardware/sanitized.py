"""A small program to run under compute-sanitizer: copies, kernels, an array that is handed over, waits.

compute-sanitizer --error-exitcode 9 python -m tests.gpu.hardware.sanitized [FATBIN]
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np

from actorpar import gpu

from .bed import program


async def main(image: Path | None) -> None:
    """Each job scales its numbers in two slots, one after the other, and some are cancelled."""
    device = gpu.open_device("cuda:0")
    slots = gpu.Slots(device, await device.build(program(image)), 3)

    async def job(number: int) -> None:
        host = np.full(10_000 + number, number, np.float32)
        async with slots.slot() as slot:
            array = await slot.put(host)
            await slot.launch("scale", array.size, array, 2.0, array.size)
        async with slots.slot() as slot:
            await slot.launch("scale", array.size, array, 3.0, array.size)
            assert (await slot.get(array) == 6 * number).all()

    jobs = [asyncio.ensure_future(job(number)) for number in range(30)]
    await asyncio.sleep(0)
    for each in jobs[::7]:
        each.cancel()
    ended = await asyncio.gather(*jobs, return_exceptions=True)
    assert not [each for each in ended if isinstance(each, Exception)], ended
    await slots.drain()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
    print("all results are right")
