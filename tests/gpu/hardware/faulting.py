"""A program whose device actor has a kernel that faults: `actorpar run tests/gpu/hardware/faulting.py --gpus all`.

Prints one JSON line: how long it took until the fault was seen, which the actor writes to the file SEEN, and until the
actor has computed again, in another process.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import actorpar as ap
from actorpar import gpu
from actorpar.channels import env
from tests.gpu.hardware.bed import program

SEEN = "ACTORPAR_SEEN"
IMAGE = "ACTORPAR_IMAGE"
S = ap.Supervisor


def _write_seen(seconds: float) -> None:
    Path(os.environ[SEEN]).write_text(str(seconds))


def _read_seen() -> float:
    return float(Path(os.environ[SEEN]).read_text())


class Scale(gpu.GpuActor, device="cuda:0"):
    """Computes, and faults when it is asked to."""

    program = program(Path(os.environ[IMAGE]) if IMAGE in os.environ else None)

    async def scale(self, numbers: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
        async with self.slot() as slot:
            array = await slot.put(numbers)
            await slot.launch("scale", array.size, array, factor, array.size)
            return await slot.get(array)

    async def trap(self) -> None:
        async with self.slot() as slot:
            begun = env.clock()
            try:
                await slot.launch("trap", 1)
                await slot.done()
            except gpu.DeviceLost:
                _write_seen(env.clock() - begun)
                raise

    def pid(self) -> int:
        return os.getpid()


async def main() -> None:
    """It computes, faults, and computes again."""
    numbers = np.ones(1000, np.float32)
    async with ap.ActorSystem() as system:
        sup = await system.spawn(S, ap.one_for_one(ap.child(Scale, on="cuda-0", id="scale"), intensity=5))
        before = await sup.ask(S.child, "scale")
        assert before is not None
        assert (await before.ask(Scale.scale, numbers, 2.0))[-1] == 2
        pid = await before.ask(Scale.pid)
        begun = env.clock()
        before.tell(Scale.trap)
        await system.ended(before)
        ended = env.clock() - begun
        while (after := await sup.ask(S.child, "scale")) is None or not after.is_alive():
            await env.sleep(0.002)
        assert (await after.ask(Scale.scale, numbers, 3.0))[-1] == 3
        back = env.clock() - begun
        assert await after.ask(Scale.pid) != pid
        print(json.dumps({"seen_ms": _read_seen() * 1e3, "ended_ms": ended * 1e3, "back_s": back}), flush=True)
