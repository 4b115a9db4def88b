"""A program whose device actor has a kernel that faults, on a node for its device; one JSON line for each step."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

import actorpar as ap
from actorpar import gpu
from actorpar.channels import env

S = ap.Supervisor
CUDA = 'extern "C" {\n__global__ void scale(float *x, float a, int n) {}\n__global__ void trap() {}\n}'


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


class Scale(gpu.GpuActor):
    program = gpu.Program({"cuda": CUDA}, scale="Pfi", trap="")

    async def scale(self, numbers: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
        async with self.slot() as slot:
            array = await slot.put(numbers)
            await slot.launch("scale", array.size, array, factor, array.size)
            return await slot.get(array)

    async def trap(self) -> None:
        async with self.slot() as slot:
            await slot.launch("trap", 1)
            await slot.done()

    def where(self) -> tuple[int, str, str]:
        return os.getpid(), os.environ["ACTORPAR_DEVICE"], os.environ["CUDA_VISIBLE_DEVICES"]


async def main() -> None:
    """It computes, faults, and computes again, in another process."""
    async with ap.ActorSystem() as system:
        say(nodes=sorted(node.name for node in system.nodes))
        sup = await system.spawn(S, ap.one_for_one(ap.child(Scale, on="cuda-1", id="scale"), intensity=5))
        before = await sup.ask(S.child, "scale")
        assert before is not None
        pid, device, visible = await before.ask(Scale.where)
        say(
            device=device, visible=visible, result=(await before.ask(Scale.scale, np.ones(3, np.float32), 2.0)).tolist()
        )
        begun = env.clock()
        try:
            await before.ask(Scale.trap)
        except ap.ActorparError as error:
            say(raised=type(error).__name__)
        await system.ended(before)
        while (after := await sup.ask(S.child, "scale")) is None or not after.is_alive():
            await env.sleep(0.01)
        other, device, visible = await after.ask(Scale.where)
        say(
            device=device, visible=visible, another=other != pid, seconds=round(env.clock() - begun, 2),
            result=(await after.ask(Scale.scale, np.ones(3, np.float32), 3.0)).tolist(),
        )  # fmt: skip
