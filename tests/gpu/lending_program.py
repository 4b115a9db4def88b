"""A program and a node of one device: arrays of the node are used by the program where they stand."""

from __future__ import annotations

import gc
import json
import os
import signal
from typing import Any

import actorpar as ap
from actorpar import gpu
from actorpar.channels import env
from actorpar.gpu import crossing
from tests.gpu import travelling
from tests.gpu.devices import PROGRAM
from tests.gpu.fake import controls


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


class Source(travelling.Source):
    def held(self) -> int:
        """How many arrays it holds for others."""
        return len(crossing._SENDING)

    def process(self) -> int:
        return os.getpid()


async def main() -> None:
    """Arrays are borrowed, read, written, given back; and the process that has lent one is killed."""
    async with ap.ActorSystem() as system:
        source = await system.spawn(Source, on="gpu")
        device = gpu.open_device("cuda:0")
        slots = gpu.Slots(device, await device.build(PROGRAM), 2)

        array = await source.ask(Source.made, 100_000, 3.0)
        async with slots.slot() as slot:
            await slot.launch("scale", array.size, array, 2.0, array.size)
            say(buffer=type(array.buffer).__name__, result=float((await slot.get(array)).sum()))
        say(imported=controls.count("imported"), held=await source.ask(Source.held))
        del array
        while await source.ask(Source.held):
            gc.collect()
            await env.sleep(0.001)
        say(imported=controls.count("imported"), held=0)

        first = await source.ask(Source.made, 1000, 1.0)
        second = await source.ask(Source.made, 1000, 2.0)
        say(sums=[float((await each.to_host()).sum()) for each in (first, second)], imported=controls.count("imported"))

        last = await source.ask(Source.made, 1000, 4.0)
        async with slots.slot() as slot:
            await slot.put(last)
            os.kill(await source.ask(Source.process), signal.SIGKILL)
            await system.ended(source)
            say(after_its_end=float((await slot.get(last)).sum()))
