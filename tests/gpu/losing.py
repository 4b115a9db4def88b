"""A program whose actor runs on a node for a device; it loses the device, and kills the node, and says what happened,
one JSON line for each thing that the test looks at."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import actorpar as ap
from actorpar.gpu.ending import leave_process
from actorpar.gpu.errors import DeviceLost

S = ap.Supervisor


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


class Blur(ap.Actor):
    """An actor that has a device, as far as its node is concerned."""

    def __init__(self) -> None:
        self.was = ""

    def on_restart(self, restart: ap.Restart) -> None:
        self.was = str(restart.reason)

    def told(self) -> dict[str, Any]:
        self.ctx.keep("kept")
        return {
            "pid": os.getpid(),
            "was": self.was,
            "device": os.environ.get("ACTORPAR_DEVICE"),
            "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        }

    def lose(self) -> None:
        leave_process(DeviceLost("error 700, an illegal memory access was encountered"))
        raise DeviceLost("this process is no node for a device")


class Awake(ap.Actor):
    """Tells when it starts: the child before it has started then, and the supervisor knows that."""

    def __init__(self, started: ap.Sender[int]) -> None:
        self.started = started

    async def on_start(self) -> None:
        await self.started.send(os.getpid())


async def main() -> None:
    """The actor is told to lose its device; then its node is killed."""
    async with ap.ActorSystem() as system:
        say(nodes=[[node.name, *node.labels] for node in system.nodes])
        started_tx, started_rx = ap.open_channel[int](8)
        awake = ap.child(Awake, started_tx, on="gpu", id="awake")
        blur = ap.child(Blur, on="gpu", id="blur")
        sup = await system.spawn(S, ap.one_for_one(blur, awake, intensity=5))
        await started_rx.receive()
        pids = []
        for how in ("", "lose", "kill"):
            ref = await sup.ask(S.child, "blur")
            assert ref is not None
            told = await ref.ask(Blur.told)
            pids.append(told.pop("pid"))
            say(**told)
            if how == "lose":
                os.kill(pids[-1], signal.SIGKILL)
            elif not how:
                ref.tell(Blur.lose)
            if how != "kill":
                await started_rx.receive()
        (info, _) = await sup.ask(S.which_children)
        say(processes=len(set(pids)), restarts=info.restarts)
        started_rx.close()


async def not_on_a_node() -> None:
    """Where its process is nobody's node for a device, the loss is the failure of the actor."""
    async with ap.ActorSystem() as system:
        blur = await system.spawn(Blur)
        blur.tell(Blur.lose)
        say(ended=str((await system.ended(blur)).root.error))


async def waits() -> None:
    """Whoever places something on the node while it is started again waits for it."""
    async with ap.ActorSystem() as system:
        blur = await system.spawn(Blur, on="gpu")
        first = (await blur.ask(Blur.told))["pid"]
        os.kill(first, signal.SIGKILL)
        await system.ended(blur)
        again = await system.spawn(Blur, on="opencl-0")
        told = await again.ask(Blur.told)
        say(another=told["pid"] != first, device=told["device"])


async def labels() -> None:
    async with ap.ActorSystem() as system:
        (node,) = await system.wait_for_nodes(1)
        blur = await system.spawn(Blur, on="opencl")
        say(labels=list(node.labels), device=(await blur.ask(Blur.told))["device"])
